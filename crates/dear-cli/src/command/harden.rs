//! `dear harden`: the whole method in one go.

use std::path::{Path, PathBuf};

use dear::engine::EngineOptions;
use dear::error::Error;
use dear::evaluate::counted;
use dear::files::place;
use dear::harden::{Inputs, Reading, harden};
use dear::head::balance::OperatingReport;
use dear::head::{BalanceReport, Report};
use dear::training_set::TrainingImages;

use crate::arguments::{DetectorArgs, RecipeArgs};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    detector: DetectorArgs,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    probes: ProbeArgs,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// The hardened detector
    #[arg(long, value_name = "FILE.onnx")]
    out: PathBuf,
    /// Folder for probes and features, so that a rerun goes on [default: OUT with `.work`]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// Probes, for commands that make them where none are given.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProbeArgs {
    /// Probes; without them they are made from the real images
    #[arg(long, value_name = "DIR")]
    probes: Option<PathBuf>,
    /// Masks of the probes, where they lie in another folder
    #[arg(long, value_name = "DIR", requires = "probes")]
    masks: Option<PathBuf>,
    /// Null probes, for a recipe that subtracts them
    #[arg(long, value_name = "DIR")]
    null_probes: Option<PathBuf>,
}

impl ProbeArgs {
    pub(crate) fn inputs(self, images: TrainingImages, work: PathBuf, engine: EngineOptions) -> Inputs {
        let probes = self.probes.map(|probes| (probes, self.masks));
        Inputs { images, probes, null_probes: self.null_probes, work, engine }
    }
}

/// The images that a head is trained and validated on.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ImageArgs {
    /// Folder of real images
    #[arg(long, value_name = "DIR")]
    pub(crate) real: PathBuf,
    /// Folder of generated images
    #[arg(long, value_name = "DIR")]
    pub(crate) fake: PathBuf,
    /// Dataset for validation; without it a seeded 20 % of the images are held out
    #[arg(long, value_name = "ROOT")]
    pub(crate) val: Option<PathBuf>,
}

impl ImageArgs {
    /// Refuse a work folder among the training images: its probes would be photographs at the next run.
    pub(crate) fn refuse_within(&self, work: &Path) -> Result<(), Error> {
        let work_folder = place(work);
        for folder in [&self.real, &self.fake] {
            if work_folder.starts_with(place(folder)) {
                return Err(Error::Images {
                    message: format!(
                        "{}: the work folder lies among the images of {}, expected another place",
                        work.display(),
                        folder.display()
                    ),
                    hint: "choose another --out, or give --work".to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl From<ImageArgs> for TrainingImages {
    fn from(ImageArgs { real, fake, val }: ImageArgs) -> Self {
        Self { real, fake, val }
    }
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let recipe = args.recipe.resolve()?;
    if args.recipe.printed(&recipe)? {
        return Ok(Outcome::Done);
    }
    output::check_writable(&args.out)?;
    output::check_other(&args.out, &args.detector.detector)?;
    args.recipe.check_beside(&recipe_path(&args.out), &recipe)?;
    let work = args.work.unwrap_or_else(|| work_folder(&args.out));
    output::check_no_file(&work)?;
    args.images.refuse_within(&work)?;
    let detector = args.detector.open()?;
    let engine = args.detector.engine.options();
    let inputs = args.probes.inputs(args.images.into(), work, engine);
    let hardened = harden(&detector, &inputs, &recipe, &Progress::default())?;
    output::refused(&hardened.refused);
    note_held_out(&hardened.counts);
    args.recipe.write_beside(&recipe_path(&args.out), &recipe)?;
    output::write(&args.out, &hardened.model)?;
    let counts = &hardened.counts;
    output::line(format_args!(
        "{}: {} of {} channels kept (RAD over {} probe views of {} probes, {} degenerate {})",
        args.out.display(),
        hardened.gate.kept(),
        hardened.gate.channels(),
        hardened.rad.probes,
        counts.probes,
        hardened.rad.degenerate,
        hardened.rad.options.degenerate.done()
    ))?;
    output::line(describe_training(&hardened.report, counts))?;
    output::line(describe_reading(&hardened.reading))?;
    output::note(
        "judge it against its baselines: dear evaluate --detector FILE --data ROOT --perturb paper --out DIR",
    );
    Ok(if hardened.refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

/// Say how many of the given probes are not trained on, if any.
pub(crate) fn note_held_out(counts: &dear::harden::Counts) {
    if counts.probes_held_out > 0 {
        output::note(format_args!(
            "left out {}: what has the name of a validation image is not trained on",
            counted(counts.probes_held_out, "probe")
        ));
    }
}

/// One line on how the head was trained.
pub(crate) fn describe_training(report: &Report, counts: &dear::harden::Counts) -> String {
    let how = match report {
        Report::L2(report) => format!("L2 optimum, strength {} chosen on validation", report.strength),
        Report::Adam(report) | Report::StayPositive(report) => format!(
            "Adam, best of {} steps is {} with balanced accuracy {:.3} on validation",
            report.steps, report.best_step, report.best_balanced_accuracy
        ),
        Report::Bias(report) => format!(
            "the base head, gated, {:+.4} added to its bias, balanced accuracy {:.3} on validation",
            report.shift, report.balanced_accuracy
        ),
    };
    let balance = match report {
        Report::L2(report) => report.balance.as_ref(),
        Report::Bias(report) => report.balance.as_ref(),
        Report::Adam(_) | Report::StayPositive(_) => None,
    };
    let how = how + &balance.map(describe_balance).unwrap_or_default();
    format!(
        "head: {how}; trained on {} real and {} generated images, validated on {} and {}, {} views each",
        counts.real, counts.fake, counts.val_real, counts.val_fake, counts.views
    )
}

/// How a promised balance was kept.
fn describe_balance(report: &BalanceReport) -> String {
    let set = |set: &OperatingReport| {
        let [before, after] = [set.base_r_acc, set.r_acc].map(|share| 100.0 * share);
        format!("{} {before:.1} to {after:.1} %", set.name)
    };
    let sets: Vec<String> = report.sets.iter().map(set).collect();
    let cost = if report.active { ", which costs balanced accuracy" } else { "" };
    format!(", R.Acc kept within {} points{cost} ({})", report.max_r_acc_loss, sets.join(", "))
}

/// One line on how the head's logits are read.
pub(crate) fn describe_reading(reading: &Reading) -> String {
    let band = match reading.threshold.uncertain {
        Some([low, high]) => format!(", uncertain from {low:+.4} to {high:+.4}"),
        None => String::new(),
    };
    let probability =
        reading.calibration.as_ref().map_or("none".to_owned(), |found| found.map.name().to_owned());
    format!(
        "threshold: logit {:+.4}{band} [{}]; probability: {probability}",
        reading.threshold.value,
        output::one_line(&reading.threshold.origin)
    )
}

/// `hardened.onnx` -> `hardened.work`.
pub(crate) fn work_folder(out: &Path) -> PathBuf {
    out.with_extension("work")
}

/// `hardened.onnx` -> `hardened.recipe.toml`.
pub(crate) fn recipe_path(out: &Path) -> PathBuf {
    out.with_extension("recipe.toml")
}
