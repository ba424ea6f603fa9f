//! `dear import`: a checkpoint to a detector file.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use dear::architecture::ladeda::Residual;
use dear::architecture::{HeadChoice, NetworkOptions};
use dear::detector::Detector;
use dear::error::Error;
use dear::import::{ImportOptions, Imported, import};

use crate::arguments::EngineArgs;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The checkpoint: .pth, .pt or .safetensors. It is read, never executed
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The network, `auto` where the names of the tensors decide; `dear models list` has them all
    #[arg(long, value_name = "NAME", default_value = "auto")]
    arch: String,
    /// The detector file
    #[arg(short, long, value_name = "FILE.onnx")]
    out: PathBuf,
    /// What becomes of the checkpoint's own head
    #[arg(long, value_enum, default_value = "checkpoint")]
    head: Head,
    /// What LaDeDa looks at instead of pixels, which no checkpoint says [default: the authors': npr, tiny-ladeda: right-diag]
    #[arg(long, value_enum, value_name = "RESIDUAL")]
    residual: Option<ResidualName>,
    /// What the detector is called [default: architecture and checkpoint]
    #[arg(long)]
    name: Option<String>,
    /// The licence of the weights, an SPDX expression [default: unknown]
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
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
    write(import(&args.checkpoint, &options)?, &args.out, &args.engine)?;
    Ok(Outcome::Done)
}

/// The detector file, and what it is.
pub(crate) fn write(imported: Imported, out: &Path, engine: &EngineArgs) -> Result<(), Error> {
    // Nothing is written that could not be opened and run.
    let detector = Detector::from_bytes(imported.file, &engine.options())?;
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
