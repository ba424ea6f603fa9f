//! `dear fit`: a linear head on a frozen backbone.

use std::path::PathBuf;

use dear::detector::Detector;
use dear::error::Error;
use dear::fit::fit;

use super::harden::{ImageArgs, describe_reading, describe_training, recipe_path, work_folder};
use crate::arguments::{EngineArgs, RecipeArgs};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backbone: a detector file, whose own head is replaced (examples/export_backbone.py makes one of a PyTorch network)
    #[arg(long, value_name = "FILE.onnx")]
    backbone: PathBuf,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// The detector
    #[arg(long, value_name = "FILE.onnx")]
    out: PathBuf,
    /// Folder for features, so that a rerun goes on [default: OUT with `.work`]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let recipe = args.recipe.resolve()?;
    if args.recipe.printed(&recipe)? {
        return Ok(Outcome::Done);
    }
    output::check_writable(&args.out)?;
    output::check_other(&args.out, [&args.backbone])?;
    args.recipe.check_beside(&recipe_path(&args.out), &recipe)?;
    let work = args.work.unwrap_or_else(|| work_folder(&args.out));
    output::check_no_file(&work)?;
    args.images.refuse_within(&work)?;
    let backbone = Detector::open(&args.backbone, &args.engine.options())?;
    let fitted = fit(&backbone, &args.images.into(), &work, &recipe, &Progress::default())?;
    output::refused(&fitted.refused);
    args.recipe.write_beside(&recipe_path(&args.out), &recipe)?;
    output::write(&args.out, &fitted.model)?;
    output::line(format_args!(
        "{}: a head on the {} channels of {}",
        args.out.display(),
        backbone.channels(),
        backbone.metadata().name
    ))?;
    output::line(describe_training(&fitted.report, &fitted.counts))?;
    output::line(describe_reading(&fitted.reading))?;
    Ok(if fitted.refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}
