//! `dear perturb`: a copy of a dataset, each image through one chain.

use std::path::PathBuf;

use dear::error::Error;
use dear::evaluate::counted;
use dear::perturb::{MANIFEST, perturb};
use dear_image::Chain;

use super::evaluate::parse_chain;
use crate::arguments::DecodeArgs;
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "dear perturb [OPTIONS] --chain <CHAIN> --out <DIR> <DIR>\n       dear perturb --list"
)]
pub(crate) struct Args {
    /// Folder of images (a dataset, one split, or any other; its folders are kept), or a manifest whose images are copied
    #[arg(value_name = "DIR", required_unless_present = "list")]
    source: Option<PathBuf>,
    /// What happens to each image, e.g. `crop(256) | jpeg(75, 4:2:0)`; `clean` stores it as an RGB PNG
    #[arg(long, value_name = "CHAIN", required_unless_present = "list")]
    chain: Option<String>,
    /// Folder for the copy and its manifest.csv
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Seed of what the chain draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Show all steps of chains with their arguments, and the presets with the sources of their numbers; do nothing else
    #[arg(long, exclusive = true)]
    list: bool,
    #[command(flatten)]
    decode: DecodeArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let (false, Some(source), Some(chain), Some(out)) = (args.list, args.source, args.chain, args.out) else {
        return list();
    };
    let chain = parse_chain(&chain)?;
    output::check_no_file(&out)?;
    let options = args.decode.options();
    let done = perturb(&source, &out, &chain, args.seed, &options, &Progress::default())?;
    output::refused(&done.refused);
    let warned: Vec<_> = done.images.iter().filter(|row| !row.warning.is_empty()).collect();
    output::warnings(
        &warned,
        |row| format!("{}: {}", row.source, row.warning),
        |more| format!("{} more in {MANIFEST}, column warning", counted(more as u64, "image")),
    );
    // A part of these images is filled in.
    let truncated = options.allow_truncated && warned.iter().any(|row| row.warning.contains("is truncated"));
    output::line(format_args!(
        "{} through {chain} in {} ({} made before); {} refused; {} passed over",
        counted(done.images.len() as u64, "image"),
        out.display(),
        done.kept,
        done.refused.len(),
        counted(done.skipped, "other file"),
    ))?;
    if done.removed > 0 {
        let copies = if done.removed == 1 { "copy" } else { "copies" };
        output::note(format_args!(
            "removed {} {copies} of images that are gone, refused, or named otherwise now",
            done.removed
        ));
    }
    if done.unnamed > 0 {
        output::warning(format_args!(
            "{}: holds {} that {MANIFEST} does not name, of an earlier run or not of this command",
            out.display(),
            counted(done.unnamed, "image")
        ));
    }
    output::note(format_args!("wrote {}", out.join(MANIFEST).display()));
    Ok(if done.refused.is_empty() && !truncated { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

/// Steps and presets on stdout: a line with the name and arguments, then what it does, then what it equals or where it is from.
fn list() -> Result<Outcome, Error> {
    output::line("Steps of a chain, joined by `|`; of each argument its values (and its default)\n")?;
    for step in Chain::steps() {
        let alias = step.alias.map(|alias| format!(", or {alias}")).unwrap_or_default();
        output::line(format_args!("{}{alias}({})", step.name, step.arguments))?;
        output::line(format_args!("    {}", step.does))?;
        if !step.peer.is_empty() {
            output::line(format_args!("    equal to {}", step.peer))?;
        }
    }
    output::line("\nPresets: chains with a name, each with the source of its numbers\n")?;
    for preset in Chain::presets() {
        output::line(format_args!("{} = {}", preset.name, preset.chain))?;
        output::line(format_args!("    {}", preset.source))?;
    }
    Ok(Outcome::Done)
}
