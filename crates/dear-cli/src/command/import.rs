//! `dear import`: a checkpoint to a detector file.

use std::path::PathBuf;

use clap::ValueEnum;
use dear::architecture::ladeda::Residual;
use dear::architecture::{HeadChoice, NetworkOptions};
use dear::detector::Detector;
use dear::error::Error;
use dear::evaluate::counted;
use dear::import::{ImportOptions, import};

use super::import_foreign::ForeignArgs;
use crate::arguments::EngineArgs;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The checkpoint: .pth, .pt or .safetensors, or an .onnx file of others. It is read, never executed
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The network, `auto` where the names of the tensors decide, `onnx` for an ONNX file of others; `dear models list` has
    /// them all
    #[arg(long, value_name = "NAME", default_value = "auto")]
    arch: String,
    /// The detector file
    #[arg(short, long, value_name = "FILE.onnx")]
    out: PathBuf,
    /// What becomes of the checkpoint's own head
    #[arg(long, value_enum, default_value = "checkpoint")]
    head: Head,
    /// What LaDeDa looks at instead of pixels, which no checkpoint says
    #[arg(long, value_enum, value_name = "RESIDUAL")]
    residual: Option<ResidualName>,
    /// What the detector is called [default: architecture and checkpoint]
    #[arg(long)]
    name: Option<String>,
    /// The licence of the weights, an SPDX expression [default: unknown]
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Head {
    /// Taken: one output, above 0 for generated
    Checkpoint,
    /// Two outputs, of which the second is the generated class
    SecondMinusFirst,
    /// Two outputs, of which the first is the generated class
    FirstMinusSecond,
    /// Zeros, to be trained with `dear fit`
    Replace,
    /// Zeros over the mean of all patch tokens, to be trained with `dear fit`
    PatchMean,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ResidualName {
    Raw,
    Npr,
    XGrad,
    YGrad,
    LeftDiag,
    RightDiag,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    output::check_writable(&args.out)?;
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
            head: match args.head {
                Head::Checkpoint => HeadChoice::Checkpoint,
                Head::SecondMinusFirst => HeadChoice::SecondMinusFirst,
                Head::FirstMinusSecond => HeadChoice::FirstMinusSecond,
                Head::Replace => HeadChoice::Replace,
                Head::PatchMean => HeadChoice::PatchMean,
            },
            residual: args.residual.map(|residual| match residual {
                ResidualName::Raw => Residual::Raw,
                ResidualName::Npr => Residual::Npr,
                ResidualName::XGrad => Residual::XGrad,
                ResidualName::YGrad => Residual::YGrad,
                ResidualName::LeftDiag => Residual::LeftDiag,
                ResidualName::RightDiag => Residual::RightDiag,
            }),
        },
        name: args.name,
        licence: args.licence,
    };
    let imported = import(&args.checkpoint, &options)?;
    // Nothing is written that could not be opened and run.
    let detector = Detector::from_bytes(imported.file, &args.engine.options())?;
    output::write(&args.out, detector.file())?;
    imported.notes.iter().for_each(output::note);
    let metadata = detector.metadata();
    output::line(format_args!(
        "{}: {} ({}), {} channels at stride {}",
        args.out.display(),
        imported.architecture.name,
        imported.architecture.title,
        detector.channels(),
        metadata.stride.map_or("unknown".to_owned(), |stride| stride.to_string()),
    ))?;
    output::line(format_args!("sha256 {}", detector.sha256()))?;
    Ok(Outcome::Done)
}

fn run_foreign(args: Args) -> Result<Outcome, Error> {
    if args.residual.is_some() || !matches!(args.head, Head::Checkpoint) {
        return Err(Error::Import {
            message: "--head and --residual are for checkpoints, found --arch onnx".to_owned(),
            hint: "leave them out: --output says what the network answers".to_owned(),
        });
    }
    let imported = args.foreign.import(&args.checkpoint, args.name, args.licence, &args.engine.options())?;
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
