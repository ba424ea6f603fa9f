//! `dear doctor`: what this installation has.

use dear::detector::Detector;
use dear::engine::{EngineChoice, EngineOptions, discover};
use dear::error::Error;
use dear_image::Image;

use crate::arguments::EngineArgs;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: EngineArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let options = args.engine.options();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    output::line(format_args!(
        "dear {} on {} {}, {cores} cores",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    ))?;
    output::line(format_args!("decoders   {}", dear_image::CODECS))?;
    output::line(format_args!("registers  {}", dear_image::registers()))?;

    output::line("engines")?;
    let picture =
        Image::from_fn(256, 256, |x, y| [(x * 7 % 256) as u8, (y * 5 % 256) as u8, ((x * y) % 256) as u8]);
    let builtin = Detector::mini(&EngineOptions { engine: EngineChoice::Builtin, ..options.clone() })?;
    let reference = builtin.score(&picture)?;
    let info = builtin.info();
    output::line(format_args!(
        "  builtin      rten {}, {} threads: works (self-test logit {reference:+.6})",
        info.version, info.threads
    ))?;
    let mut missing = Vec::new();
    let mut broken = false;
    let mut found = discover(options.library.as_deref());
    // The option and the environment variable may name one file.
    found.dedup_by(|later, first| later.path == first.path);
    if found.is_empty() {
        output::line("  onnxruntime  not found")?;
        missing.push("ONNX Runtime is optional and faster: pip install onnxruntime, then set DEAR_ONNXRUNTIME to its libonnxruntime.so".to_owned());
    }
    for library in &found {
        match &library.version {
            Ok(version) => output::line(format_args!(
                "  onnxruntime  {version} at {} ({})",
                library.path.display(),
                library.origin.as_str()
            ))?,
            Err(error) => output::line(format_args!(
                "  onnxruntime  unusable at {} ({}): {error}",
                library.path.display(),
                library.origin.as_str()
            ))?,
        }
    }
    if found.iter().any(|library| library.version.is_ok()) {
        match Detector::mini(&EngineOptions { engine: EngineChoice::OnnxRuntime, ..options.clone() }) {
            Ok(detector) => {
                let logit = detector.score(&picture)?;
                let difference = (logit - reference).abs();
                let word = if difference <= 1e-4 { "agrees" } else { "DISAGREES" };
                output::line(format_args!(
                    "  self-test    ONNX Runtime {word} with builtin: |difference| {difference:.1e} (at most 1e-4 allowed)"
                ))?;
                if difference > 1e-4 {
                    broken = true;
                    missing.push("the two engines disagree: use --engine builtin and report this".to_owned());
                }
            }
            Err(error) => {
                broken = true;
                missing.push(format!("ONNX Runtime was found and does not run: {error}"));
            }
        }
    }
    let auto = Detector::mini(&options)?;
    output::line(format_args!(
        "  chosen       {} {} ({}), {}, {} threads",
        auto.info().name,
        auto.info().version,
        auto.info().provider,
        auto.info().precision,
        auto.info().threads
    ))?;
    output::line(format_args!(
        "detector   {} embedded, sha256 {}; {}",
        auto.metadata().name,
        auto.sha256(),
        auto.metadata().card.as_deref().unwrap_or("no card")
    ))?;
    for line in &missing {
        output::line(format_args!("missing    {line}"))?;
    }
    Ok(if broken { Outcome::DoneWithFailedItems } else { Outcome::Done })
}
