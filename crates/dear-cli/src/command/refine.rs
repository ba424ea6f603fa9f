//! `dear refine`: a new head on the kept channels.

use std::path::PathBuf;

use dear::dissect::probe_views;
use dear::error::Error;
use dear::harden::{Counts, assemble, given_probes, read_logits, refine};
use dear::probe::InpainterKind;
use dear::store::{Row, Store};
use dear::training_data::TrainingData;
use dear::training_set::split_images;

use super::harden::{
    ImageArgs, describe_reading, describe_training, note_held_out, recipe_path, work_folder,
};
use super::prune::GateFile;
use crate::arguments::{DetectorArgs, RecipeArgs};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    detector: DetectorArgs,
    /// The gate from `dear prune`
    #[arg(long, value_name = "FILE.json")]
    gate: PathBuf,
    #[command(flatten)]
    images: ImageArgs,
    /// Probes to train on beside the images; without them the head sees none
    #[arg(long, value_name = "DIR")]
    probes: Option<PathBuf>,
    /// Masks of the probes, where they lie in another folder
    #[arg(long, value_name = "DIR", requires = "probes")]
    masks: Option<PathBuf>,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// The hardened detector
    #[arg(long, value_name = "FILE.onnx")]
    out: PathBuf,
    /// Folder for features, so that a rerun goes on [default: OUT with `.work`]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let mut recipe = args.recipe.resolve()?;
    let gate: GateFile = output::read_json(&args.gate, "a gate from `dear prune`")?;
    recipe.gate = gate.options;
    recipe.rad = gate.scores.rad.options;
    if args.recipe.printed(&recipe)? {
        return Ok(Outcome::Done);
    }
    output::check_writable(&args.out)?;
    output::check_other(&args.out, args.detector.detector.iter().chain([&args.gate]))?;
    args.recipe.check_beside(&recipe_path(&args.out), &recipe)?;
    let detector = args.detector.open()?;
    if detector.backbone_sha256() != gate.scores.backbone_sha256 {
        return Err(Error::Images {
            message: format!(
                "{}: made for the backbone of {} ({}), expected that of {} ({})",
                args.gate.display(),
                gate.scores.detector,
                short(&gate.scores.backbone_sha256),
                detector.metadata().name,
                short(detector.backbone_sha256())
            ),
            hint: "dissect and prune with the same --detector".to_owned(),
        });
    }
    let work = args.work.unwrap_or_else(|| work_folder(&args.out));
    let store = Store::new(&work.join("features"));
    let split = split_images(&args.images.into(), &recipe)?;
    let progress = Progress::default();
    let mut probes_held_out = 0;
    let probes = match &args.probes {
        Some(folder) => {
            let (pairs, left_out) =
                given_probes(folder, args.masks.as_deref(), InpainterKind::Resynthesis, &split)?;
            probes_held_out = left_out;
            Some(probe_views(&detector, &store, &pairs, &recipe, "probe views", &progress)?)
        }
        None => None,
    };
    let solvers = [&recipe.head];
    let data =
        TrainingData::gather(&detector, &store, &split, probes.as_deref(), &solvers, &recipe, &progress)?;
    let refinement = refine(&detector, &gate.gate, &data, probes.as_deref(), &recipe, &progress)?;
    let none: &[Row] = &[];
    let (mut counts, refused) =
        Counts::of(&data.main_rows, &data.val_rows, probes.as_deref().unwrap_or(none), None, &recipe);
    counts.probes_held_out = probes_held_out;
    output::refused(&refused);
    note_held_out(&counts);
    let reading = read_logits(&detector, &store, &split, &refinement.head, &recipe, &progress)?;
    let model = assemble(&detector, &gate.scores.rad, &gate.gate, &refinement, &reading, &recipe, &counts)?;
    args.recipe.write_beside(&recipe_path(&args.out), &recipe)?;
    output::write(&args.out, &model)?;
    output::line(format_args!(
        "{}: {} of {} channels kept",
        args.out.display(),
        gate.gate.kept(),
        gate.gate.channels()
    ))?;
    output::line(describe_training(&refinement.report, &counts))?;
    output::line(describe_reading(&reading))?;
    Ok(if refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
