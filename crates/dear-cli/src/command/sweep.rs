//! `dear sweep`: many criteria, gates and heads, chosen on validation images.

use std::path::{Path, PathBuf};

use dear::dataset;
use dear::detector::Detector;
use dear::error::Error;
use dear::evaluate::{Conditions, EvaluateOptions, evaluate, records};
use dear::harden::harden;
use dear::recipe::Recipe;
use dear::report::{Extras, sweep as report};
use dear::store::Store;
use dear::sweep::{Candidate, Sweep, SweepOptions, sweep};
use dear::training_set::{TrainingImages, seen};

use super::evaluate::{command_line, print, write_results};
use super::harden::{ImageArgs, ProbeArgs};
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
    /// What is tried, in TOML; `--print-sweep` shows the default of 36 gates and 3 heads
    #[arg(long, value_name = "FILE.toml")]
    sweep: Option<PathBuf>,
    /// Print what would be tried and end
    #[arg(long)]
    print_sweep: bool,
    /// Metric by which the best is chosen: its mean over images as they are and the recipe's conditions
    #[arg(long, value_name = "METRIC")]
    choose: Option<String>,
    /// Points of R.Acc that the best may lose against the detector as it was
    #[arg(long, value_name = "POINTS")]
    max_r_acc_loss: Option<f64>,
    /// Dataset on which the chosen detector is judged afterwards, apart: it takes no part in the choice
    #[arg(long, value_name = "ROOT")]
    test: Option<PathBuf>,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Folder for sweep.json, sweep.csv, sweep.html, the chosen recipe and detector, and the judgement on --test
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder for probes and features, so that a rerun goes on [default: OUT/work]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

impl Args {
    fn options(&self) -> Result<SweepOptions, Error> {
        let mut options = match &self.sweep {
            Some(path) => SweepOptions::from_toml(&fs_err::read_to_string(path)?)
                .map_err(|error| Error::Options(format!("{}: {error}", path.display())))?,
            None => SweepOptions::default(),
        };
        if let Some(choose) = &self.choose {
            options.choose.clone_from(choose);
        }
        options.max_r_acc_loss = self.max_r_acc_loss.or(options.max_r_acc_loss);
        options.check()?;
        Ok(options)
    }
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let recipe = args.recipe.resolve()?;
    let options = args.options()?;
    if args.print_sweep {
        output::line(options.to_toml()?.trim_end())?;
        return Ok(Outcome::Done);
    }
    if args.recipe.printed(&recipe)? {
        return Ok(Outcome::Done);
    }
    output::check_folder_writable(&args.out)?;
    let [tried, chosen_recipe, model, judged] =
        ["sweep.toml", "chosen.recipe.toml", "chosen.onnx", "test"].map(|name| args.out.join(name));
    output::check_other(&model, &args.detector.detector)?;
    output::check_other(&tried, &args.sweep)?;
    output::check_other(&chosen_recipe, args.recipe.file())?;
    let engine = args.detector.engine.options();
    let detector = args.detector.open()?;
    refuse_other_backbone(&args.out, &detector)?;
    // Opened before anything is computed: a mistake in it should not come out after an hour.
    let test = args.test.as_deref().map(test_set).transpose()?;
    if let Some(dataset) = &test {
        refuse_seen(dataset, &args.images.clone().into(), &recipe)?;
    }
    let work = args.work.clone().unwrap_or_else(|| args.out.join("work"));
    output::check_no_file(&work)?;
    args.images.refuse_within(&work)?;
    let inputs = args.probes.inputs(args.images.into(), work, engine.clone());
    let progress = Progress::default();
    let (found, chosen) = sweep(&detector, &inputs, &recipe, &options, &progress)?;
    // What an earlier sweep chose, and how it was judged, is not what this table says.
    for earlier in [&model, &chosen_recipe].into_iter().filter(|path| path.is_file()) {
        fs_err::remove_file(earlier)?;
    }
    if judged.join("results.json").is_file() {
        fs_err::remove_dir_all(&judged)?;
    }
    output::write(&tried, options.to_toml()?.as_bytes())?;
    output::write(&args.out.join("sweep.csv"), table(&found).as_bytes())?;
    output::write(&args.out.join("sweep.html"), report::page(&found, &command_line()).as_bytes())?;
    output::write_json(&args.out.join("sweep.json"), &found)?;
    for sentence in report::sentences(&found) {
        output::paragraph(&sentence)?;
    }
    let chosen = chosen.ok_or_else(|| found.none_admitted())?;

    let hardened = harden(&detector, &inputs, &chosen, &progress)?;
    output::refused(&hardened.refused);
    output::write(&chosen_recipe, chosen.to_toml()?.as_bytes())?;
    output::write(&model, &hardened.model)?;
    output::line(format_args!("{}: the chosen detector; sweep.html beside it shows all", model.display()))?;

    if let Some(dataset) = test {
        let chosen_detector = Detector::open(&model, &engine)?;
        let chains = chosen.conditions()?.split_off(1);
        let conditions = Conditions::new(&chains, &[])?;
        let store = Store::new(&inputs.work.join("features"));
        let options =
            EvaluateOptions { seed: recipe.seed, decode: recipe.decode, ..EvaluateOptions::default() };
        let detectors = std::slice::from_ref(&chosen_detector);
        let (evaluation, scores) = evaluate(detectors, &dataset, &conditions, &store, &options, &progress)?;
        let command = command_line();
        let extras = Extras {
            title: "dear sweep: the chosen detector on images that took no part in the choice",
            command: &command,
            examples: &[],
            caution: None,
        };
        write_results(&judged, &evaluation, &extras, &records(&scores))?;
        output::line(format_args!("on {}, which took no part in the choice:", dataset.root.display()))?;
        print(&evaluation)?;
        output::note(format_args!("open {}", judged.join("report.html").display()));
    }
    Ok(if hardened.refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

/// The folder's earlier sweep must be of this backbone: nothing of another one is overwritten.
fn refuse_other_backbone(out: &Path, detector: &Detector) -> Result<(), Error> {
    let path = out.join("sweep.json");
    if !path.is_file() {
        return Ok(());
    }
    let earlier: Sweep = output::read_json(&path, "a sweep of `dear sweep`")?;
    if earlier.backbone_sha256 == detector.backbone_sha256() {
        return Ok(());
    }
    Err(Error::Images {
        message: format!(
            "{}: holds the sweep of another backbone ({}), expected that of {}",
            out.display(),
            earlier.detector,
            detector.metadata().name
        ),
        hint: "choose another --out".to_owned(),
    })
}

/// Images that took part in training or choice cannot test them.
fn refuse_seen(test: &dataset::Dataset, images: &TrainingImages, recipe: &Recipe) -> Result<(), Error> {
    let seen = seen(test, images, recipe)?;
    if seen == 0 {
        return Ok(());
    }
    Err(Error::Images {
        message: format!(
            "{}: {seen} of {} images are also trained or validated on (equal bytes), expected none",
            test.root.display(),
            test.samples.len()
        ),
        hint: "give other images with --test, or judge later with `dear evaluate`".to_owned(),
    })
}

fn test_set(root: &Path) -> Result<dataset::Dataset, Error> {
    let split = root.join("test").is_dir().then_some("test");
    Ok(dataset::open(root, split)?)
}

/// One row for each candidate and condition, the detector as it was first.
fn table(sweep: &Sweep) -> String {
    let mut text = String::from(
        "criterion,gate,head,kept,condition,r_acc,f_acc,balanced_accuracy,auc,tpr_at_5_fpr,score,admitted,chosen,error\n",
    );
    let tried = sweep.candidates.iter().enumerate().map(|(index, one)| (one, Some(index) == sweep.chosen));
    for (one, chosen) in [(&sweep.base, false), (&sweep.base_bias, false)].into_iter().chain(tried) {
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let Candidate { criterion, gate, head, kept, admitted, error, .. } = one;
        let first = format!(
            "{},{},{},{kept}",
            quoted(criterion.as_deref().unwrap_or("")),
            quoted(gate),
            quoted(head)
        );
        let last =
            format!("{},{admitted},{chosen},{}", number(one.score), quoted(error.as_deref().unwrap_or("")));
        if one.judged.is_empty() {
            text.push_str(&format!("{first},,,,,,,{last}\n"));
        }
        for (condition, judged) in sweep.conditions.iter().zip(&one.judged) {
            let numbers =
                [judged.r_acc, judged.f_acc, judged.balanced_accuracy, judged.auc, judged.tpr_at_5_fpr]
                    .map(number);
            text.push_str(&format!("{first},{},{},{last}\n", quoted(condition), numbers.join(",")));
        }
    }
    text
}
