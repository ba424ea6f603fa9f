//! `dear evaluate`: judge detectors.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use dear::dataset;
use dear::detector::Detector;
use dear::error::Error;
use dear::evaluate::{
    Conditions, EvaluateOptions, Evaluation, Family, ImageRecord, evaluate, records, verdict,
};
use dear::report::{Extras, html};
use dear::store::Store;
use dear_image::Chain;

use crate::arguments::{EngineArgs, open_detector};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Detector file; give several to compare them [default: the embedded `mini`]
    #[arg(long, value_name = "FILE.onnx")]
    detector: Vec<PathBuf>,
    /// Dataset: a folder with real/ and fake/ (or 0_real and 1_fake, nature and ai), or one of splits that hold them
    #[arg(long, value_name = "ROOT")]
    data: PathBuf,
    /// Split to judge on [default: `test`, where the root holds splits]
    #[arg(long)]
    split: Option<String>,
    /// Perturbation chains to judge under besides the images as they are, e.g. `paper` or `resize(0.5) | jpeg(70)`
    #[arg(long, value_name = "CHAIN", num_args = 1..)]
    perturb: Vec<String>,
    /// Also draw how every metric moves with the strength of a perturbation: all four, or those named
    #[arg(long, value_enum, value_name = "FAMILY", value_delimiter = ',', num_args = 0.., default_missing_value = "jpeg,resize,blur,noise")]
    severity: Option<Vec<Severity>>,
    /// Folder for results.json, records.jsonl, report.html and the features
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of what chains and the bootstrap draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A perturbation with a strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Severity {
    Jpeg,
    Resize,
    Blur,
    Noise,
}

impl Severity {
    fn family(self) -> Family {
        match self {
            Self::Jpeg => Family::Jpeg,
            Self::Resize => Family::Resize,
            Self::Blur => Family::Blur,
            Self::Noise => Family::Noise,
        }
    }
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let chains = args.perturb.iter().map(|text| parse_chain(text)).collect::<Result<Vec<Chain>, Error>>()?;
    let dataset = dataset::open(&args.data, args.split.as_deref())?;
    output::check_folder_writable(&args.out)?;
    let mut detectors: Vec<Detector> = Vec::new();
    for path in &args.detector {
        detectors.push(open_detector(Some(path), &args.engine)?);
    }
    if detectors.is_empty() {
        detectors.push(open_detector(None, &args.engine)?);
    }
    let mut options = EvaluateOptions { seed: args.seed, ..EvaluateOptions::default() };
    options.bootstrap.seed = args.seed;
    let store = Store::new(&args.out.join("features"));
    let families: Vec<Family> = args.severity.unwrap_or_default().into_iter().map(Severity::family).collect();
    let conditions = Conditions::new(&chains, &families)?;
    let (evaluation, scores) =
        evaluate(&detectors, &dataset, &conditions, &store, &options, &Progress::default())?;
    let records = records(&scores);
    let command = command_line();
    let extras = Extras { title: "Evaluation", command: &command, examples: &[], caution: None };
    let page = html(&evaluation, &extras);
    write_results(&args.out, &evaluation, &extras, &records)?;
    output::write(&args.out.join("report.html"), page.as_bytes())?;
    match args.format {
        Format::Text => print(&evaluation)?,
        Format::Json => {
            let results = Results { evaluation: &evaluation, page: &extras };
            let text =
                serde_json::to_string_pretty(&results).map_err(|error| Error::Options(error.to_string()))?;
            output::line(text)?;
        }
    }
    output::note(format_args!("wrote {}", args.out.join("report.html").display()));
    let refused = report_refused(&records);
    Ok(if refused == 0 { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

/// A chain from the command line.
pub(crate) fn parse_chain(text: &str) -> Result<Chain, Error> {
    Chain::parse(text).map_err(|error| match error.hint() {
        Some(hint) => Error::Images { message: error.to_string(), hint },
        None => Error::Options(error.to_string()),
    })
}

/// `results.json`, with everything that the page shows, and `records.jsonl`.
pub(crate) fn write_results(
    out: &Path,
    evaluation: &Evaluation,
    extras: &Extras,
    records: &[ImageRecord],
) -> Result<(), Error> {
    let json = |error: serde_json::Error| Error::Options(error.to_string());
    let mut lines = String::new();
    for record in records {
        lines.push_str(&serde_json::to_string(record).map_err(json)?);
        lines.push('\n');
    }
    output::write(&out.join("records.jsonl"), lines.as_bytes())?;
    output::write_json(&out.join("results.json"), &Results { evaluation, page: extras })
}

/// The document `results.json`.
#[derive(serde::Serialize)]
struct Results<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    page: &'a Extras<'a>,
}

/// The command as typed, for the record.
pub(crate) fn command_line() -> String {
    let words =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).enumerate().map(|(i, word)| {
            if i == 0 {
                "dear".to_owned()
            } else if word.chars().all(|c| c.is_alphanumeric() || "-_./=,".contains(c)) {
                word
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        });
    words.collect::<Vec<_>>().join(" ")
}

/// Tables on stdout, one a chain: each value with its 95 % interval below it; then what it comes to.
pub(crate) fn print(evaluation: &Evaluation) -> Result<(), Error> {
    const COLUMNS: [(&str, &str); 6] = [
        ("r_acc", "R.Acc %"),
        ("f_acc", "F.Acc %"),
        ("balanced_accuracy", "bal.acc %"),
        ("auc", "AUC"),
        ("ap", "AP"),
        ("tpr_at_5_fpr", "TPR@5%FPR"),
    ];
    let share = |metric: &str, value: f64| match metric {
        "auc" | "ap" => format!("{value:.3}"),
        _ => format!("{:.1}", 100.0 * value),
    };
    let width = evaluation.systems.iter().map(|system| system.name.chars().count()).max().unwrap_or(0).max(6);
    for chain in &evaluation.chains {
        let first = evaluation.tables.iter().find(|table| &table.chain == chain);
        let counts =
            first.map(|table| format!("{} real, {} generated", table.real, table.fake)).unwrap_or_default();
        output::line(format_args!("{chain} ({counts}; 95 % intervals below)"))?;
        let head: String = COLUMNS.iter().map(|(_, name)| format!("{name:>13}")).collect();
        output::line(format_args!("  {:<width$}{head}", "system"))?;
        for system in &evaluation.systems {
            let Some(table) = evaluation.table(chain, &system.name, "all") else { continue };
            let (mut values, mut intervals) = (String::new(), String::new());
            for (metric, _) in COLUMNS {
                let interval = table.metric(metric);
                let value = interval.and_then(|interval| interval.value).map(|value| share(metric, value));
                let ends = interval.and_then(|interval| {
                    Some(format!("{}-{}", share(metric, interval.low?), share(metric, interval.high?)))
                });
                values.push_str(&format!("{:>13}", value.unwrap_or_else(|| "-".to_owned())));
                intervals.push_str(&format!("{:>13}", ends.unwrap_or_default()));
            }
            output::line(format_args!("  {:<width$}{values}", system.name))?;
            output::line(format_args!("  {:<width$}{intervals}", ""))?;
        }
        for comparison in evaluation.comparisons.iter().filter(|comparison| &comparison.chain == chain) {
            let said: Vec<String> = [("balanced_accuracy", "bal.acc"), ("tpr_at_5_fpr", "TPR@5%FPR")]
                .iter()
                .filter_map(|(metric, name)| {
                    let difference = comparison.difference(metric)?;
                    let (value, low, high) = (difference.value?, difference.low?, difference.high?);
                    let [value, low, high] = [value, low, high].map(|share| 100.0 * share);
                    Some(format!("{name} {value:+.1} [{low:+.1}, {high:+.1}] {}", verdict(difference)))
                })
                .collect();
            output::line(format_args!(
                "  {} minus {}: {}",
                comparison.after,
                comparison.before,
                said.join("; ")
            ))?;
        }
        output::line("")?;
    }
    for line in &evaluation.words {
        output::line(line)?;
    }
    Ok(())
}

/// Say which images were refused, as they are or (too small after a resize) under a chain; returns how many.
pub(crate) fn report_refused(records: &[ImageRecord]) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let refused: Vec<dear::probe::Refused> = records
        .iter()
        .filter(|record| record.error.is_some() && seen.insert(&record.path))
        .filter_map(|record| {
            Some(dear::probe::Refused {
                path: record.path.clone(),
                kind: record.error.clone()?,
                message: record.message.clone()?,
            })
        })
        .collect();
    output::refused(&refused);
    refused.len()
}
