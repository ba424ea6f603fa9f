//! `dear import`: a checkpoint to a detector file.

use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use dear::architecture::ladeda::Residual;
use dear::architecture::{HeadChoice, NetworkOptions};
use dear::detector::Detector;
use dear::error::Error;
use dear::evaluate::counted;
use dear::import::{ForeignOptions, ImportOptions, Imported, import, import_foreign};
use dear::view::View;
use dear_image::Image;

use super::import_foreign::ForeignArgs;
use crate::arguments::{EngineArgs, word};
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The checkpoint: .pth, .pt or .safetensors, or an .onnx file of others. It is read, never executed
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The network, `auto` where the names of the tensors decide, `onnx` for an ONNX file of others; docs/import.md
    /// has them all
    #[arg(long, value_name = "NAME", default_value = "auto")]
    arch: String,
    /// The detector file
    #[arg(short, long, value_name = "FILE.onnx")]
    out: PathBuf,
    /// What becomes of the checkpoint's own head: `checkpoint` (one output, above 0 for generated), of two outputs
    /// `second-minus-first` or `first-minus-second` (the generated class first), or zeros to be trained with `dear fit`:
    /// `replace`, or for transformers `patch-mean`
    #[arg(long, value_parser = word::<HeadChoice>, default_value = "checkpoint")]
    head: HeadChoice,
    /// What LaDeDa looks at instead of pixels, which no checkpoint says: raw, npr, x-grad, y-grad, left-diag or right-diag
    #[arg(long, value_parser = word::<Residual>)]
    residual: Option<Residual>,
    /// The file of the frozen network, where the checkpoint holds only what was trained above it (ufd, rine)
    #[arg(long, value_name = "FILE")]
    backbone: Option<PathBuf>,
    /// Under which key of the checkpoint the weights are, where there are several [default: the usual ones, printed]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The side that a transformer sees, in pixels [default: the one of its positions]
    #[arg(long, value_name = "PIXELS")]
    side: Option<u32>,
    /// How an image of any size becomes what the network sees: native, windows(side=224, stride=112), or a chain of resize, fit
    /// and crop [default: its authors' way, for --arch onnx native]
    #[arg(long, value_name = "VIEW")]
    view: Option<String>,
    /// What the detector is called [default: architecture and checkpoint]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// The licence of the weights, an SPDX expression [default: unknown]
    #[arg(long, value_name = "SPDX", value_parser = NonEmptyStringValueParser::new())]
    licence: Option<String>,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    output::check_writable(&args.out)?;
    output::check_other(&args.out, args.backbone.iter().chain([&args.checkpoint]))?;
    if args.arch == "onnx" {
        return run_foreign(args);
    } else if let Some(option) = args.foreign.first_given() {
        return Err(Error::Import {
            message: format!("{option} is for an ONNX file of others, found --arch {}", args.arch),
            hint: "with --arch onnx the file is taken as one; of a checkpoint the architecture says it"
                .to_owned(),
        });
    }
    let options = ImportOptions {
        architecture: (args.arch != "auto").then_some(args.arch),
        network: NetworkOptions {
            head: args.head,
            residual: args.residual,
            backbone: args.backbone,
            side: args.side,
        },
        key: args.key,
        view: view(args.view.as_deref())?,
        name: args.name,
        licence: args.licence,
    };
    write(import(&args.checkpoint, &options)?, &args.out, &args.engine)?;
    Ok(Outcome::Done)
}

/// The detector file, and what it is.
pub(crate) fn write(imported: Imported, out: &Path, engine: &EngineArgs) -> Result<(), Error> {
    // Nothing is written that could not be opened and run, on a picture somewhat larger than network and view need.
    let detector = Detector::from_bytes(imported.file, &engine.options())?;
    let mut side = detector.metadata().valid_input.min_side.max(96) + 31;
    while let Err(error) = detector.score(&picture(side)) {
        if error.refusal() != Some("size") || side > LARGEST {
            return Err(error.into());
        }
        side *= 2;
    }
    output::write(out, detector.file())?;
    imported.notes.iter().for_each(output::note);
    let metadata = detector.metadata();
    output::line(format_args!(
        "{}: {} ({}), {} channels at stride {}",
        out.display(),
        imported.architecture.name,
        imported.architecture.title,
        detector.channels(),
        metadata.stride.map_or("unknown".to_owned(), |stride| stride.to_string()),
    ))?;
    output::line(format_args!("sha256 {}", detector.sha256()))
}

/// Sides of pictures that an import is tried on, up to twice that.
const LARGEST: u32 = 2048;

fn picture(side: u32) -> Image {
    Image::from_fn(side, side, |x, y| [x as u8, y as u8, (x ^ y) as u8])
}

fn view(text: Option<&str>) -> Result<Option<View>, Error> {
    text.map(str::parse).transpose().map_err(Error::View)
}

fn run_foreign(args: Args) -> Result<Outcome, Error> {
    let checkpoints = [
        (args.head != HeadChoice::Checkpoint, "--head"),
        (args.residual.is_some(), "--residual"),
        (args.backbone.is_some(), "--backbone"),
        (args.side.is_some(), "--side"),
        (args.key.is_some(), "--key"),
    ];
    if let Some((_, option)) = checkpoints.iter().find(|(given, _)| *given) {
        return Err(Error::Import {
            message: format!("{option} is for checkpoints, found --arch onnx"),
            hint: format!(
                "leave {option} out: the file has its own network, and --output says what it answers"
            ),
        });
    }
    let options = ForeignOptions {
        view: view(args.view.as_deref())?,
        name: args.name,
        licence: args.licence,
        ..args.foreign.options()
    };
    let imported = import_foreign(&args.checkpoint, &options, &args.engine.options())?;
    let detector = imported.detector;
    output::write(&args.out, detector.file())?;
    imported.notes.iter().for_each(output::warning);
    output::line(format_args!(
        "{}: foreign ONNX, {}, self-test passed ({})",
        args.out.display(),
        counted(detector.channels() as u64, "channel"),
        detector.info().words()
    ))?;
    output::line(format_args!("sha256 {}", detector.sha256()))?;
    Ok(Outcome::Done)
}
