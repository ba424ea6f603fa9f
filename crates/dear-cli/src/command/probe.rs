//! `dear probe`: make diagnostic probes.

use std::path::PathBuf;

use clap::ValueEnum;
use dear::dataset::list_images;
use dear::error::Error;
use dear::evaluate::counted;
use dear::generator::Generator;
use dear::probe::{InpainterKind, Null, ProbeOptions, Resynthesis, make};

use crate::arguments::{DecodeArgs, EngineArgs};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of real images
    #[arg(value_name = "REAL_DIR")]
    real: PathBuf,
    /// What fills the mask: `resynthesis` (a network makes the pixels again) or `null` (the same resampling, no network)
    #[arg(long, value_enum)]
    inpainter: Inpainter,
    /// Folder for `{stem}_inpaint.png`, `{stem}_mask.png` and `probes.jsonl`
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of the masks; probes and null probes of one seed share theirs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    decode: DecodeArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Inpainter {
    Resynthesis,
    Null,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let listing = list_images(&args.real)?;
    output::check_folder_writable(&args.out)?;
    let options = ProbeOptions { seed: args.seed, ..ProbeOptions::default() };
    let decoding = args.decode.options();
    let progress = Progress::default();
    let (made, refused) = match args.inpainter {
        Inpainter::Resynthesis => {
            let generator = Generator::embedded_x4(&args.engine.options())?;
            make(&listing.paths, &Resynthesis(&generator), &options, &decoding, &args.out, &progress)?
        }
        Inpainter::Null => {
            make(&listing.paths, &Null { factor: 4 }, &options, &decoding, &args.out, &progress)?
        }
    };
    output::refused(&refused);
    let share = made.iter().map(|row| row.mask_share).sum::<f64>() / made.len() as f64;
    let changed = made.iter().map(|row| row.changed_share).sum::<f64>() / made.len() as f64;
    let kind = made.first().map_or(InpainterKind::Null, |row| row.inpainter);
    output::line(format_args!(
        "{} in {}: mask {:.1} % of the image on average, {:.1} % of the masked pixels changed; {} refused",
        counted(made.len() as u64, &format!("{} probe", kind.as_str())),
        args.out.display(),
        100.0 * share,
        100.0 * changed,
        counted(refused.len() as u64, "image")
    ))?;
    Ok(if refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}
