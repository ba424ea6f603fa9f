//! `dear calibrate`: probability, threshold and uncertain band of a detector.

use std::path::PathBuf;

use clap::ValueEnum;
use dear::calibrate::{
    Bound, CalibrateOptions, Calibrated, Calibration, Guarantee, Images, Map, Method, Range, SubsetCheck,
    calibrate, percent, score,
};
use dear::dataset::{self, Label};
use dear::detector::DetectorError;
use dear::error::Error;
use dear::store::Store;
use dear::training_set::{dataset_sources, scenes, validation_set};
use dear_image::Chain;

use super::evaluate::parse_chain;
use super::harden::work_folder;
use crate::arguments::{DecodeArgs, DetectorArgs, Format};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    detector: DetectorArgs,
    /// Images of both classes that neither training nor testing uses: a dataset, or one with the split `val`
    #[arg(long, value_name = "ROOT")]
    data: PathBuf,
    /// Split to calibrate on [default: `val` or `validation`, where the root holds splits]
    #[arg(long)]
    split: Option<String>,
    /// Share of real images that may be accused
    #[arg(long, value_name = "SHARE", default_value_t = CalibrateOptions::default().fpr)]
    fpr: f64,
    /// Share of generated images that may be called real
    #[arg(long, value_name = "SHARE", default_value_t = CalibrateOptions::default().miss)]
    miss: f64,
    /// Bind the threshold at hand with this confidence; without it both shares hold on average over calibration samples
    #[arg(long, value_name = "SHARE")]
    confidence: Option<f64>,
    /// Map from logits to probabilities; `auto` takes the one with the smallest cross-validated loss
    #[arg(long, value_enum, default_value = "auto")]
    method: MethodName,
    /// Perturbation chains under which the shares hold too, besides images as they are, e.g. `jpeg(70)`
    #[arg(long, value_name = "CHAIN", num_args = 1..)]
    perturb: Vec<String>,
    /// Seed of what chains draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The calibrated detector
    #[arg(long, short, value_name = "FILE.onnx")]
    out: PathBuf,
    /// Folder for features, so that a rerun goes on [default: OUT with `.work`]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    decode: DecodeArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodName {
    Auto,
    Temperature,
    Platt,
    Isotonic,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let options = CalibrateOptions {
        fpr: args.fpr,
        miss: args.miss,
        guarantee: args.confidence.map_or(Guarantee::Average, Guarantee::Confidence),
        method: match args.method {
            MethodName::Auto => Method::Auto,
            MethodName::Temperature => Method::Temperature,
            MethodName::Platt => Method::Platt,
            MethodName::Isotonic => Method::Isotonic,
        },
    };
    options.check()?;
    let mut chains = vec![parse_chain("clean")?];
    for text in &args.perturb {
        let chain: Chain = parse_chain(text)?;
        if !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    let dataset = match &args.split {
        Some(split) => dataset::open(&args.data, Some(split))?,
        None => validation_set(&args.data)?,
    };
    output::check_writable(&args.out)?;
    output::check_other(&args.out, &args.detector.detector)?;
    let work = args.work.unwrap_or_else(|| work_folder(&args.out));
    output::check_no_file(&work)?;
    let detector = args.detector.open()?;
    let scenes = scenes(&dataset);
    let images = Images {
        sources: &dataset_sources(&dataset),
        scenes: scenes.as_deref(),
        data: &name(&dataset.root),
        chains: &chains,
        seed: args.seed,
        decode: args.decode.options(),
    };
    let store = Store::new(&work.join("features"));
    let (sample, refused) = score(&detector, detector.head(), &images, &store, &Progress::default())?;
    output::refused(&refused);
    let found = calibrate(&sample, &options)?;
    if let Some(shortfall) = found.shortfall {
        return Err(shortfall.into());
    }
    let range = Range::of(images.sources, &sample, &images.decode);
    let model = detector.with_head(detector.head(), |metadata| {
        range.write(&mut metadata.valid_input);
        metadata.calibration = Some(found.calibration.clone());
        metadata.threshold = found.threshold.clone();
    });
    output::write(&args.out, &model.map_err(DetectorError::from)?)?;
    match args.format {
        Format::Text => print(&found)?,
        Format::Json => {
            output::json(&Document { threshold: &found.threshold, calibration: &found.calibration })?;
        }
    }
    output::note(format_args!("wrote {}", args.out.display()));
    Ok(if refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

/// What is printed as JSON: two fields of the detector's document.
#[derive(serde::Serialize)]
struct Document<'a> {
    threshold: &'a dear::backbone::metadata::Threshold,
    calibration: &'a Calibration,
}

/// The last two names of a folder's path: enough to know it again, and nothing about the machine.
fn name(root: &std::path::Path) -> String {
    let names: Vec<String> = root
        .components()
        .filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let last = names.get(names.len().saturating_sub(2)..).unwrap_or_default().join("/");
    if last.is_empty() { "the given images".to_owned() } else { last }
}

fn print(found: &Calibrated) -> Result<(), Error> {
    let calibration = &found.calibration;
    output::line(describe_map(calibration))?;
    output::line(format_args!(
        "threshold: logit {:+.4}: {}",
        found.threshold.value,
        output::one_line(&found.threshold.origin)
    ))?;
    for (bound, what) in
        [(calibration.false_alarms, "accuses real images"), (calibration.misses, "misses generated images")]
    {
        if let Some(Bound { upper_95, n, beyond, .. }) = bound {
            output::line(format_args!(
                "  {beyond} of {n} lie beyond; with 95 % confidence this very threshold {what} at a rate of at most {:.1} %",
                100.0 * upper_95
            ))?;
        }
    }
    if let Some([low, high]) = found.threshold.uncertain {
        output::line(format_args!(
            "uncertain: from logit {low:+.4} ({:.1} %) to {high:+.4} ({:.1} %); real below it, generated above it",
            100.0 * calibration.probability(low),
            100.0 * calibration.probability(high)
        ))?;
    }
    for condition in &calibration.conditions {
        output::line(format_args!("finds, {condition}: {}", found_at_threshold(calibration, condition)))?;
    }
    subsets(calibration)
}

/// How many of the generated images lie above the threshold, which is bought with them.
fn found_at_threshold(calibration: &Calibration, condition: &str) -> String {
    let of_generated = |check: &&SubsetCheck| check.label == Label::Generated && check.condition == condition;
    let checks = || calibration.subsets.iter().filter(of_generated);
    let (above, n) = checks().fold((0, 0), |(above, n), check| (above + check.above, n + check.n));
    let rarely = if 2 * above < n { ": it rarely says generated at this threshold" } else { "" };
    format!("{above} of {n} generated images{rarely}")
}

/// One line on the map to probabilities.
pub(crate) fn describe_map(calibration: &Calibration) -> String {
    let map = match &calibration.map {
        Map::Temperature { temperature } => format!("temperature {temperature:.4}"),
        Map::Platt { slope, offset } => format!("Platt, slope {slope:.4}, offset {offset:+.4}"),
        Map::Isotonic { logits, .. } => format!("isotonic, {} corners", logits.len()),
    };
    let losses: Vec<String> = calibration
        .losses
        .iter()
        .map(|row| match row.loss {
            Some(loss) => format!("{} {loss:.4}", row.method.name()),
            None => format!("{} -", row.method.name()),
        })
        .collect();
    format!(
        "probability: {map}; loss (NLL, classes equal) {:.4} before, {:.4} after; cross-validated: {}",
        calibration.loss_before,
        calibration.loss_after,
        losses.join(", ")
    )
}

/// Each subset at the threshold.
fn subsets(calibration: &Calibration) -> Result<(), Error> {
    let rows: Vec<[String; 6]> = calibration
        .subsets
        .iter()
        .map(|check| {
            [
                output::one_line(&check.condition),
                if check.label == Label::Real { "real" } else { "generated" }.to_owned(),
                output::one_line(&check.subset),
                check.n.to_string(),
                format!(
                    "{:.1} % ({:.1}-{:.1})",
                    100.0 * check.share(),
                    100.0 * check.low,
                    100.0 * check.high
                ),
                match check.p {
                    Some(p) if check.exceeds() => format!("{p:.4}  more than {}", share(calibration)),
                    Some(p) => format!("{p:.4}"),
                    None => "-".to_owned(),
                },
            ]
        })
        .collect();
    let head = ["condition", "class", "subset", "n", "above threshold", "p"].map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in [&head].into_iter().chain(&rows) {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        output::line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn share(calibration: &Calibration) -> String {
    calibration.false_alarms.map(|bound| percent(bound.share)).unwrap_or_default()
}
