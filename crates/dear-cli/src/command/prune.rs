//! `dear prune`: the gate.

use std::path::PathBuf;

use dear::error::Error;
use dear::gate::{Gate, GateOptions, bilateral};
use serde::{Deserialize, Serialize};

use super::dissect::RadFile;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Scores from `dear dissect`
    #[arg(long, value_name = "FILE.json")]
    rad: PathBuf,
    /// Share of the channels with the highest scores that is pruned
    #[arg(long, value_name = "SHARE", default_value_t = GateOptions::default().prune_top)]
    prune_top: f64,
    /// Share of the channels with the lowest scores that is pruned
    #[arg(long, value_name = "SHARE", default_value_t = GateOptions::default().prune_bottom)]
    prune_bottom: f64,
    /// The gate
    #[arg(long, value_name = "FILE.json")]
    out: PathBuf,
}

/// What `dear prune` writes and `dear refine` reads.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GateFile {
    pub(crate) options: GateOptions,
    pub(crate) gate: Gate,
    #[serde(flatten)]
    pub(crate) scores: RadFile,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let scores: RadFile = output::read_json(&args.rad, "a file of scores from `dear dissect`")?;
    let options = GateOptions { prune_top: args.prune_top, prune_bottom: args.prune_bottom };
    let gate = bilateral(&scores.rad.scores, &options)?;
    let file = GateFile { options, gate, scores };
    output::write_json(&args.out, &file)?;
    output::line(format_args!(
        "{} of {} channels kept: {} pruned at the top, {} at the bottom",
        file.gate.kept(),
        file.gate.channels(),
        file.gate.n_top,
        file.gate.n_bottom
    ))?;
    Ok(Outcome::Done)
}
