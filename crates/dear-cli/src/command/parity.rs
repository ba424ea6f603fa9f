//! `dear parity`: two ways of running one detector, compared on images.

use std::path::PathBuf;

use dear::detector::Detector;
use dear::engine::{EngineOptions, Precision};
use dear::error::Error;
use dear::evaluate::counted;
use dear::parity::{Parity, measure};
use dear::scan::gather;

use crate::arguments::{DecodeArgs, DetectorArgs, EngineName, Format, ProviderName};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, or folders of images, like those that will be scored
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    detector: DetectorArgs,
    /// Engine of the reference, which runs in f32
    #[arg(long, value_enum, default_value = "auto", help_heading = "Reference")]
    reference_engine: EngineName,
    /// Provider of the reference
    #[arg(long, value_enum, default_value = "cpu", help_heading = "Reference")]
    reference_provider: ProviderName,
    /// Exit code 1 where some logit differs by more, or only one of the two scores some image
    #[arg(long, value_name = "LOGITS")]
    max_difference: Option<f64>,
    /// Form of the result on stdout
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    decode: DecodeArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    if let Some(limit) = args.max_difference.filter(|limit| !(limit.is_finite() && *limit >= 0.0)) {
        return Err(Error::Options(format!("--max-difference is {limit}, expected a number of at least 0")));
    }
    let (files, _) = gather(&args.paths)?;
    let compared = args.detector.open_to_measure()?;
    let options = EngineOptions {
        engine: args.reference_engine.into(),
        provider: args.reference_provider.into(),
        precision: Precision::F32,
        ..args.detector.engine.options()
    };
    let reference = Detector::from_bytes(compared.file(), &options)?;
    let found = measure(&reference, &compared, &files, &args.decode.options(), &Progress::default())?;
    match args.format {
        Format::Text => print(&found)?,
        Format::Json => output::json(&found)?,
    }
    output::refused(&found.refused);
    output::refused(&found.scored_by_one);
    let mut failed = !found.refused.is_empty() || !found.scored_by_one.is_empty();
    if let Some(limit) = args.max_difference.filter(|&limit| found.exceeds(limit)) {
        output::note(format_args!(
            "exit code 1: logits differ by up to {:.3e}, {} scored by one of the two only; allowed is {limit:.3e}",
            found.difference.max,
            counted(found.scored_by_one.len() as u64, "image"),
        ));
        failed = true;
    }
    Ok(if failed { Outcome::DoneWithFailedItems } else { Outcome::Done })
}

fn print(found: &Parity) -> Result<(), Error> {
    let (difference, flips) = (&found.difference, &found.verdict_flips);
    output::line(format_args!(
        "detector       {} {}",
        output::one_line(&found.detector.name),
        found.detector.sha256
    ))?;
    output::line(format_args!("reference      {}", found.reference.words()))?;
    output::line(format_args!("compared       {}", found.compared.words()))?;
    output::line(format_args!(
        "images         {} scored by both, {} by one only, {} by none",
        found.n,
        found.scored_by_one.len(),
        found.refused.len()
    ))?;
    output::line(format_args!(
        "|difference|   mean {:.3e}, 99th percentile {:.3e}, max {:.3e} logits ({})",
        difference.mean,
        difference.p99,
        difference.max,
        output::one_line(&difference.max_path)
    ))?;
    output::line(format_args!(
        "verdict flips  {} of {} at logit {}: {:.2} % (95 % interval {:.2} to {:.2} %)",
        flips.count,
        found.n,
        found.threshold,
        100.0 * flips.share,
        100.0 * flips.interval[0],
        100.0 * flips.interval[1]
    ))
}
