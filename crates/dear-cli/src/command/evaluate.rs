//! `dear evaluate`: judge detectors.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use dear::dataset::{self, Dataset};
use dear::detector::Detector;
use dear::error::Error;
use dear::evaluate::{
    Comparison, Conditions, EvaluateOptions, Evaluation, Family, ImageRecord, Table, evaluate, of_files,
    records, records_parquet, verdict,
};
use dear::files::place;
use dear::report::{Example, Extras, WorstOptions, html, markdown, worst_errors};
use dear::scores::{self, ScoreOptions, Scores, Unit, reference};
use dear::store::Store;
use dear_image::Chain;

use crate::arguments::{DecodeArgs, EngineArgs, Format, open_detector};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Detector file; give several to compare them [default: the embedded `mini`]
    #[arg(long, value_name = "FILE.onnx", conflicts_with = "scores")]
    detector: Vec<PathBuf>,
    /// Dataset: a folder with real/ and fake/ (or 0_real and 1_fake, nature and ai), one of splits that hold them, or a
    /// manifest (.csv, .tsv, .jsonl, .parquet with the columns path and label)
    #[arg(long, value_name = "ROOT", required_unless_present = "scores", conflicts_with = "scores")]
    data: Option<PathBuf>,
    /// Split to judge on [default: `test`, where there are splits]
    #[arg(long)]
    split: Option<String>,
    /// Perturbation chains to judge under besides the images as they are, e.g. `paper` or `resize(0.5) | jpeg(70)`
    #[arg(long, value_name = "CHAIN", num_args = 1.., conflicts_with = "scores")]
    perturb: Vec<String>,
    /// Also draw how every metric moves with the strength of a perturbation: all four, or those named
    #[arg(long, value_enum, value_name = "FAMILY", value_delimiter = ',', num_args = 0.., conflicts_with = "scores")]
    severity: Option<Vec<Severity>>,
    /// Folder for results.json, records.jsonl, records.parquet, report.html and the features
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also write the scores as the reference's tree: {model}/{split}/{real,fake}/{subset}.csv
    #[arg(long, value_name = "DIR")]
    reference_tree: Option<PathBuf>,
    /// Share of real images that may be accused, for operating points and advice
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    target_fpr: f64,
    /// Seed of what chains and the bootstrap draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    decode: DecodeArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Result files of others.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Scores of others")]
struct FileArgs {
    /// Judge scores from files instead of running anything: .csv, .tsv, .jsonl, .parquet with the columns path, logit and
    /// label; or the folder of the reference's result tree. Several are compared
    #[arg(long, value_name = "FILE", num_args = 1..)]
    scores: Vec<PathBuf>,
    /// Column of the score [default: `logit`]
    #[arg(long, value_name = "NAME", requires = "scores")]
    score_column: Option<String>,
    /// What the scores are; needed for every column but `logit`
    #[arg(long, value_enum, requires = "scores")]
    unit: Option<UnitName>,
    /// Column of the label: real, generated, fake, 0 (real), 1 (generated) [default: `label`]
    #[arg(long, value_name = "NAME", requires = "scores")]
    label_column: Option<String>,
    /// Column of the image's path [default: `path`]
    #[arg(long, value_name = "NAME", requires = "scores")]
    path_column: Option<String>,
}

/// What a score says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum UnitName {
    /// Log odds of generated, above 0: generated
    Logit,
    /// Probability of generated, 0 to 1
    Probability,
    /// Log odds of real
    RealLogit,
    /// Probability of real, 0 to 1
    RealProbability,
}

impl UnitName {
    fn unit(self) -> Unit {
        match self {
            Self::Logit => Unit::Logit,
            Self::Probability => Unit::Probability,
            Self::RealLogit => Unit::RealLogit,
            Self::RealProbability => Unit::RealProbability,
        }
    }
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

/// What is written into `--out`, besides the features.
const WRITTEN: [&str; 5] = ["records.jsonl", "records.parquet", "report.html", "report.md", "results.json"];

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let mut options = EvaluateOptions {
        seed: args.seed,
        target_fpr: args.target_fpr,
        decode: args.decode.options(),
        ..EvaluateOptions::default()
    };
    options.bootstrap.seed = args.seed;
    options.check()?;
    check_inputs(&args)?;
    if let Some(folder) = &args.reference_tree {
        output::check_no_file(folder)?;
    }
    let Judged { evaluation, scores, records, examples } = match &args.data {
        Some(data) => judge_detectors(&args, data, &options)?,
        None => judge_files(&args, &options)?,
    };
    let command = command_line();
    let extras = Extras { title: "Evaluation", command: &command, examples: &examples, caution: None };
    write_results(&args.out, &evaluation, &extras, &records)?;
    output::write(&args.out.join("records.parquet"), &records_parquet(&evaluation, &scores)?)?;
    if let Some(folder) = &args.reference_tree {
        let split =
            args.split.as_deref().or_else(|| scores.images.first()?.split.as_deref()).unwrap_or("test");
        reference::write(folder, split, &scores, &evaluation)?;
        output::note(format_args!("wrote the reference's tree to {}", folder.display()));
    }
    match args.format {
        Format::Text => print(&evaluation)?,
        Format::Json => {
            let results = Results { evaluation: &evaluation, page: &extras };
            output::json(&results)?;
        }
    }
    output::note(format_args!("wrote {}", args.out.join("report.html").display()));
    let refused = report_refused(&records);
    let truncated = report_warnings(&records);
    Ok(if refused + truncated == 0 { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

/// Refuse to write over what is read, before any work.
fn check_inputs(args: &Args) -> Result<(), Error> {
    let inputs = args.data.iter().chain(&args.detector).chain(&args.files.scores);
    let read: Vec<(&Path, PathBuf)> = inputs.map(|path| (path.as_path(), place(path))).collect();
    for file in WRITTEN.map(|name| args.out.join(name)) {
        let own = place(&file);
        if read.iter().any(|(_, input)| *input == own) {
            return Err(Error::Images {
                message: format!("{}: is read, and would be written over", file.display()),
                hint: "name another folder with --out".to_owned(),
            });
        }
    }
    let Some(tree) = &args.reference_tree else { return Ok(()) };
    let own = place(tree);
    let shared = |(path, input): &&(&Path, PathBuf)| match path.is_dir() {
        true => args.data.is_none() && (input.starts_with(&own) || own.starts_with(input)),
        // {model}/{split}/{real,fake}/{subset}.csv, by whatever names.
        false => input.strip_prefix(&own).is_ok_and(|below| below.components().count() == 4),
    };
    match read.iter().find(shared) {
        None => Ok(()),
        Some((input, _)) => Err(Error::Images {
            message: format!(
                "{}: shares files with {}, which is read; expected another folder",
                tree.display(),
                input.display()
            ),
            hint: "name another folder with --reference-tree".to_owned(),
        }),
    }
}

/// What was found, and what the page shows besides.
struct Judged {
    evaluation: Evaluation,
    scores: Scores,
    records: Vec<ImageRecord>,
    examples: Vec<Example>,
}

/// Run detectors over images.
fn judge_detectors(args: &Args, data: &Path, options: &EvaluateOptions) -> Result<Judged, Error> {
    let chains = args.perturb.iter().map(|text| parse_chain(text)).collect::<Result<Vec<Chain>, Error>>()?;
    let families: Vec<Family> = match args.severity.as_deref() {
        None => Vec::new(),
        Some([]) => Family::ALL.to_vec(),
        Some(named) => named.iter().map(|severity| severity.family()).collect(),
    };
    let conditions = Conditions::new(&chains, &families)?;
    let dataset = dataset::open_any_class(data, args.split.as_deref())?;
    if args.split.is_none() {
        warn_other_split(dataset.samples.first().and_then(|sample| sample.split.as_deref()));
    }
    output::check_folder_writable(&args.out)?;
    let mut detectors: Vec<Detector> = Vec::new();
    for path in &args.detector {
        detectors.push(open_detector(Some(path), &args.engine)?);
    }
    if detectors.is_empty() {
        detectors.push(open_detector(None, &args.engine)?);
    }
    let store = Store::new(&args.out.join("features"));
    let (evaluation, scores) =
        evaluate(&detectors, &dataset, &conditions, &store, options, &Progress::default())?;
    let records = records(&scores);
    let examples = worst(&evaluation, &detectors, &dataset, &records);
    Ok(Judged { evaluation, scores, records, examples })
}

/// Say which split was taken where none was asked for and it is not the one that everybody expects.
fn warn_other_split(split: Option<&str>) {
    if let Some(split) = split.filter(|split| *split != "test") {
        output::warning(format_args!(
            "there is no split \"test\": judged on {split:?}; --split says which to take"
        ));
    }
}

/// The worst errors, on the images as they are, of the first detectors that were given: two, to keep the page small.
fn worst(
    evaluation: &Evaluation,
    detectors: &[Detector],
    dataset: &Dataset,
    records: &[ImageRecord],
) -> Vec<Example> {
    let mut examples = Vec::new();
    for (index, detector) in detectors.iter().enumerate().take(2) {
        // Of the heads in a file its own comes last, after the controls.
        let own = evaluation.systems.iter().rev().find(|system| system.detector == Some(index));
        let Some(system) = own else { continue };
        let options = WorstOptions {
            threshold: system.threshold,
            seed: evaluation.options.seed,
            decode: evaluation.options.decode,
            ..WorstOptions::default()
        };
        let (made, left_out) = worst_errors(detector, &system.name, dataset, records, "clean", &options);
        for line in left_out {
            output::warning(format_args!("{line}; left out of the report's pictures"));
        }
        examples.extend(made);
    }
    examples
}

/// Judge what others found: nothing runs.
fn judge_files(args: &Args, options: &EvaluateOptions) -> Result<Judged, Error> {
    let files = scores::read(
        &args.files.scores,
        &ScoreOptions {
            score: args.files.score_column.clone(),
            unit: args.files.unit.map(UnitName::unit),
            label: args.files.label_column.clone(),
            path: args.files.path_column.clone(),
            split: args.split.clone(),
        },
    )?;
    output::check_folder_writable(&args.out)?;
    let evaluation = of_files(&files, options, &Progress::default())?;
    // Of the reference's tree one split is taken; of other files all rows are.
    if args.split.is_none() && args.files.scores.iter().any(|path| path.is_dir()) {
        warn_other_split(evaluation.data.split.as_deref());
    }
    let records = records(&files.scores);
    Ok(Judged { evaluation, scores: files.scores, records, examples: Vec::new() })
}

/// A chain from the command line.
pub(crate) fn parse_chain(text: &str) -> Result<Chain, Error> {
    Chain::parse(text).map_err(|error| match error.hint() {
        Some(hint) => Error::Images { message: error.to_string(), hint },
        None => Error::Options(error.to_string()),
    })
}

/// `results.json` with everything that the page shows, the same as `report.html` and `report.md`, and `records.jsonl`.
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
    output::write_json(&out.join("results.json"), &Results { evaluation, page: extras })?;
    output::write(&out.join("report.md"), markdown(evaluation, extras).as_bytes())?;
    output::write(&out.join("report.html"), html(evaluation, extras).as_bytes())
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

/// Tables on stdout, one a chain: each value with its 95 % interval below it, and what differs; then what it comes to,
/// and whether each detector may be used.
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
    let (mut unsure, mut unresolved) = (false, false);
    let width = evaluation.systems.iter().map(|system| system.name.chars().count()).max().unwrap_or(0).max(6);
    for chain in &evaluation.chains {
        let first = evaluation.tables.iter().find(|table| &table.chain == chain);
        let counts = first.map(counted).unwrap_or_default();
        output::line(format_args!("{} ({counts}; 95 % intervals below)", output::one_line(chain)))?;
        let head: String = COLUMNS.iter().map(|(_, name)| format!("{name:>12}")).collect();
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
                let known = interval.filter(|interval| interval.value.is_some());
                let no_width = known.is_some_and(|interval| interval.degenerate);
                let few = known.is_some_and(|interval| !interval.resolvable);
                (unsure, unresolved) = (unsure | no_width, unresolved | few);
                let marks = [(no_width, '*'), (few, '~')];
                let marks: String = marks.iter().filter(|(on, _)| *on).map(|(_, mark)| mark).collect();
                let value = value.map(|value| value + &marks);
                values.push_str(&format!("{:>12}", value.unwrap_or_else(|| "-".to_owned())));
                intervals.push_str(&format!("{:>12}", ends.unwrap_or_default()));
            }
            output::line(format_args!("  {:<width$}{values}", output::one_line(&system.name)))?;
            output::line(format_args!("  {:<width$}{intervals}", ""))?;
        }
        for comparison in evaluation.comparisons.iter().filter(|comparison| &comparison.chain == chain) {
            output::line(output::one_line(format_args!(
                "  {} minus {}",
                comparison.after, comparison.before
            )))?;
            for line in differences(comparison) {
                output::line(format_args!("    {line}"))?;
            }
        }
        output::line("")?;
    }
    if unsure {
        output::paragraph(
            "* the interval has no width, or comes from a single image or scene: it says nothing about uncertainty.",
        )?;
    }
    if unresolved {
        output::paragraph(
            "~ too few images for this rate: see report.html, and results.json under \"resolvable\".",
        )?;
    }
    if !evaluation.comparisons.is_empty() {
        output::paragraph(&format!(
            "Differences are in points, with intervals that hold for all {} together; only those say better or worse.",
            evaluation.family
        ))?;
    }
    for line in &evaluation.words {
        output::paragraph(&output::one_line(line))?;
    }
    for advice in &evaluation.advice {
        output::line("")?;
        for sentence in &advice.sentences {
            output::paragraph(&output::one_line(sentence))?;
        }
    }
    Ok(())
}

/// `155 real, 181 generated`, and how many of them have no score.
fn counted(table: &Table) -> String {
    let refused = match table.refused_real + table.refused_fake {
        0 => String::new(),
        _ => format!("; without a score {} real, {} generated", table.refused_real, table.refused_fake),
    };
    format!("{} real, {} generated{refused}", table.real, table.fake)
}

/// The headlines of a comparison, on as few lines as they take.
fn differences(comparison: &Comparison) -> Vec<String> {
    let one = |(metric, name): (&str, &str)| {
        let interval = comparison.corrected.iter().find(|interval| interval.metric == metric)?;
        let text = |share: f64| format!("{:+.1}", 100.0 * share);
        let ends = match (interval.low, interval.high) {
            (Some(low), Some(high)) if !interval.degenerate => format!(" [{}, {}]", text(low), text(high)),
            _ => String::new(),
        };
        Some(format!("{name} {}{ends} {}", text(interval.value?), verdict(interval)))
    };
    let names = [("balanced_accuracy", "bal.acc"), ("tpr_at_5_fpr", "TPR@5%"), ("auc", "AUC")];
    let mut lines: Vec<String> = Vec::new();
    for part in names.into_iter().filter_map(one) {
        match lines.last_mut().filter(|line| line.len() + part.len() < 94) {
            Some(line) => line.push_str(&format!("; {part}")),
            None => lines.push(part),
        }
    }
    lines
}

/// Say that there are images whose file has something to be known; returns how many of them end early.
fn report_warnings(records: &[ImageRecord]) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let told: Vec<(&str, &str)> = records
        .iter()
        .filter(|record| seen.insert((&record.path, &record.path_base64)))
        .filter_map(|record| Some((record.path.as_str(), record.warning.as_deref()?)))
        .collect();
    if let Some((path, warning)) = told.first() {
        output::warning(format_args!(
            "{} scored with a warning (records.jsonl has all), the first: {}: {warning}",
            dear::evaluate::counted(told.len() as u64, "image"),
            output::one_line(path),
        ));
    }
    told.iter().filter(|(_, warning)| warning.contains("truncated")).count()
}

/// Say which images were refused, as they are or (too small after a resize) under a chain; returns how many.
pub(crate) fn report_refused(records: &[ImageRecord]) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let refused: Vec<dear::probe::Refused> = records
        .iter()
        .filter(|record| record.error.is_some() && seen.insert((&record.path, &record.path_base64)))
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
