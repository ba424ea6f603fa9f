//! `dear doctor`: what this installation has.

use std::path::{Path, PathBuf};

use dear::detector::{Detector, DetectorError};
use dear::engine::{EngineChoice, EngineOptions, Precision, Provider, discover, providers};
use dear::error::Error;
use dear_image::Image;

use crate::arguments::EngineArgs;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run the self-test of this detector file as well: the image in it, and the answer that it must have
    #[arg(long, value_name = "FILE.onnx")]
    detector: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let options = args.engine.options();
    // Compared on the CPU in f32, whatever is asked for.
    let plain = EngineOptions { provider: Provider::Cpu, precision: Precision::F32, ..options.clone() };
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
    let builtin = Detector::mini(&EngineOptions { engine: EngineChoice::Builtin, ..plain.clone() })?;
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
        match Detector::mini(&EngineOptions { engine: EngineChoice::OnnxRuntime, ..plain.clone() }) {
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
    if let Some(offered) = providers(&options).map_err(DetectorError::from)? {
        for provider in [Provider::OpenVino, Provider::Cuda] {
            let word = provider.word();
            match try_provider(provider, &offered, &plain, &picture, reference) {
                Some(Ok(difference)) => output::line(format_args!(
                    "  provider     {word}: works in f32 (|difference| from builtin {difference:.1e})"
                ))?,
                Some(Err(error)) => {
                    output::line(format_args!("  provider     {word}: in the library, and does not run"))?;
                    missing.push(format!("{error}; {}", error.hint().unwrap_or_default()));
                }
                None => output::line(format_args!(
                    "  provider     {word}: not in the library (pip install {})",
                    provider.package()
                ))?,
            }
        }
    }
    let auto = Detector::mini(&options)?;
    output::line(format_args!("  chosen       {}", auto.info().words()))?;
    output::line(format_args!(
        "detector   {} embedded, sha256 {}; {}",
        auto.metadata().name,
        auto.sha256(),
        auto.metadata().card.as_deref().unwrap_or("no card")
    ))?;
    if let Some(path) = &args.detector {
        broken |= !passes_its_test(path, &options)?;
    }
    for line in &missing {
        output::line(format_args!("missing    {line}"))?;
    }
    Ok(if broken { Outcome::DoneWithFailedItems } else { Outcome::Done })
}

/// Scores the image in a detector file with the engine that was asked for, and says how that went.
fn passes_its_test(path: &Path, options: &EngineOptions) -> Result<bool, Error> {
    let detector = Detector::open(path, options)?;
    let (file, engine) = (path.display(), detector.info().words());
    let Some(test) = &detector.metadata().self_test else {
        output::line(format_args!("self-test  {file}: none stored in the file"))?;
        return Ok(true);
    };
    let result = test.run(&detector)?;
    output::line(format_args!(
        "self-test  {file}: {} with {engine}: {} {:.6}, expected {:.6} within {}",
        if result.passed() { "passed" } else { "FAILED" },
        test.scale.word(),
        result.found,
        result.expected,
        result.tolerance
    ))?;
    Ok(result.passed())
}

/// How far the provider's logit of `picture` is from `reference`; `None` where the library was built without it.
fn try_provider(
    provider: Provider,
    offered: &[Provider],
    plain: &EngineOptions,
    picture: &Image,
    reference: f64,
) -> Option<Result<f64, DetectorError>> {
    let options = EngineOptions { engine: EngineChoice::OnnxRuntime, provider, ..plain.clone() };
    let score = || Ok((Detector::mini(&options)?.score(picture)? - reference).abs());
    offered.contains(&provider).then(score)
}
