//! `dear prune`: the gate.

use std::path::PathBuf;

use dear::dissect::Record;
use dear::error::Error;
use dear::gate::{Cut, Gate, GateOptions, Ranking, gate};
use serde::{Deserialize, Serialize};

use super::evaluate::parse_chain;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Scores from `dear dissect`
    #[arg(long, value_name = "FILE.json")]
    rad: PathBuf,
    /// What the channels are ranked by; `magnitude` is |RAD|, `none` keeps all
    #[arg(long, value_enum, default_value = "rad")]
    ranking: RankingName,
    /// Share of the channels pruned at the high end of the ranking [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    prune_top: Option<f64>,
    /// Share of the channels pruned at the low end [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    prune_bottom: Option<f64>,
    /// Instead of shares: prune below and above these percentiles (the paper's alpha_low and alpha_high)
    #[arg(long, value_name = "LOW,HIGH", value_parser = parse_pair, conflicts_with_all = ["prune_top", "prune_bottom", "thresholds"])]
    percentiles: Option<(f64, f64)>,
    /// Instead of shares: prune scores below and above these numbers
    #[arg(long, value_name = "LOW,HIGH", value_parser = parse_pair, allow_hyphen_values = true, conflicts_with_all = ["prune_top", "prune_bottom"])]
    thresholds: Option<(f64, f64)>,
    /// Seed of `--ranking random` [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The gate
    #[arg(long, value_name = "FILE.json")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum RankingName {
    Rad,
    Magnitude,
    Fragility,
    Variance,
    Random,
    None,
}

/// Two numbers with a comma between them.
fn parse_pair(text: &str) -> Result<(f64, f64), String> {
    let pair = text
        .split_once(',')
        .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
    pair.ok_or_else(|| format!("found {text:?}, expected two numbers such as 20,80"))
}

impl Args {
    fn options(&self) -> GateOptions {
        let shares = |top: Option<f64>, bottom: Option<f64>| {
            let Cut::Fractions { top: t, bottom: b } = Cut::default() else { return Cut::default() };
            Cut::Fractions { top: top.unwrap_or(t), bottom: bottom.unwrap_or(b) }
        };
        let cut = match (self.percentiles, self.thresholds) {
            (Some((low, high)), _) => Cut::Percentiles { low, high },
            (None, Some((low, high))) => Cut::Thresholds { low, high },
            (None, None) => shares(self.prune_top, self.prune_bottom),
        };
        let ranking = match self.ranking {
            RankingName::Rad => Ranking::Rad,
            RankingName::Magnitude => Ranking::Magnitude,
            RankingName::Fragility => Ranking::Fragility,
            RankingName::Variance => Ranking::Variance,
            RankingName::Random => Ranking::Random,
            RankingName::None => Ranking::None,
        };
        GateOptions { ranking, cut, seed: self.seed, ..GateOptions::default() }
    }
}

/// What `dear prune` writes and `dear refine` reads.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GateFile {
    pub(crate) options: GateOptions,
    pub(crate) gate: Gate,
    #[serde(flatten)]
    pub(crate) scores: Record,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    output::check_other(&args.out, [&args.rad])?;
    let scores: Record = output::read_json(&args.rad, "a file of scores from `dear dissect`")?;
    let mut options = args.options();
    // What is written makes the same gate again.
    if options.ranking == Ranking::Random {
        options.seed.get_or_insert(0);
    }
    if let (Ranking::Fragility, Some(measured)) = (options.ranking, &scores.fragility) {
        options.fragility = parse_chain(&measured.chain)?;
    }
    let gate = gate(&scores.evidence(0), &options)?;
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
