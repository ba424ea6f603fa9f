//! `dear perturb`: a copy of a dataset, each image through one chain.

use std::path::PathBuf;

use dear::error::Error;
use dear::evaluate::counted;
use dear::perturb::{MANIFEST, perturb};

use super::evaluate::parse_chain;
use crate::arguments::DecodeArgs;
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of images (a dataset, one split, or any other; its folders are kept), or a manifest whose images are copied
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// What happens to each image, e.g. `crop(256) | jpeg(75, 4:2:0)`; `clean` stores it as an RGB PNG
    #[arg(long, value_name = "CHAIN")]
    chain: String,
    /// Folder for the copy and its manifest.csv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of what the chain draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    decode: DecodeArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let chain = parse_chain(&args.chain)?;
    output::check_no_file(&args.out)?;
    let options = args.decode.options();
    let done = perturb(&args.source, &args.out, &chain, args.seed, &options, &Progress::default())?;
    output::refused(&done.refused);
    output::line(format_args!(
        "{} through {chain} in {} ({} made before); {} refused; {} passed over",
        counted(done.images.len() as u64, "image"),
        args.out.display(),
        done.kept,
        done.refused.len(),
        counted(done.skipped, "other file"),
    ))?;
    output::note(format_args!("wrote {}", args.out.join(MANIFEST).display()));
    Ok(if done.refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}
