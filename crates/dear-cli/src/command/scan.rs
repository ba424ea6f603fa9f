//! `dear scan`: score images.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use dear::error::Error;
use dear::scan::{Record, ScanOptions, Status, Verdict, gather, score_files};

use dear::view::View;

use crate::arguments::{DecodeArgs, DetectorArgs};
use crate::{Outcome, output, progress};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, or folders of images
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    detector: DetectorArgs,
    /// Form of the records on stdout
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    decode: DecodeArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Jsonl,
    Csv,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let (files, skipped) = gather(&args.paths)?;
    let detector = args.detector.open()?;
    let options = ScanOptions { decode: args.decode.options(), ..ScanOptions::default() };
    let mut writer = Writer::new(args.format)?;
    let (mut scored, mut refused, mut truncated) = (0u64, 0u64, 0u64);
    let mut verdicts = [0u64; 3];
    score_files(&detector, &files, &options, |record| {
        match record.status {
            Status::Refused => refused += 1,
            Status::Scored | Status::ScoredWithWarning => scored += 1,
        }
        truncated +=
            u64::from(record.warning.as_deref().is_some_and(|warning| warning.contains("truncated")));
        if let Some(verdict) = record.verdict {
            verdicts[match verdict {
                Verdict::Generated => 0,
                Verdict::Real => 1,
                Verdict::Uncertain => 2,
            }] += 1;
        }
        writer.write(&record)?;
        let more = scored + refused < files.len() as u64;
        if more && progress::cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    })?;
    let info = detector.info();
    let threshold = &detector.metadata().threshold;
    output::note(format_args!(
        "{} files: {scored} scored ({} generated, {} real, {} uncertain at logit {}{} [{}]), {refused} refused{}; {}",
        files.len(),
        verdicts[0],
        verdicts[1],
        verdicts[2],
        threshold.value,
        match threshold.uncertain {
            Some([low, high]) => format!(", undecided from {low:.4} to {high:.4}"),
            None => String::new(),
        },
        output::one_line(&threshold.origin),
        if skipped > 0 { format!(", {skipped} other files passed over") } else { String::new() },
        info.words(),
    ));
    let view = &detector.metadata().view;
    if *view != View::Native {
        output::note(format_args!("of each image the network saw: {view}"));
    }
    Ok(if refused + truncated > 0 { Outcome::DoneWithFailedItems } else { Outcome::Done })
}

enum Writer {
    Text,
    Jsonl,
    Csv(Box<csv::Writer<std::io::Stdout>>),
}

const COLUMNS: [&str; 28] = [
    "schema",
    "path",
    "path_base64",
    "sha256",
    "status",
    "warning",
    "error_kind",
    "error",
    "width",
    "height",
    "format",
    "logit",
    "probability",
    "verdict",
    "threshold",
    "threshold_origin",
    "detector",
    "detector_sha256",
    "engine",
    "engine_detail",
    "uncertain_low",
    "uncertain_high",
    "orientation",
    "oriented",
    "alpha",
    "profile",
    "decode",
    "view",
];

impl Writer {
    fn new(format: Format) -> Result<Self, Error> {
        Ok(match format {
            Format::Text => Self::Text,
            Format::Jsonl => Self::Jsonl,
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(std::io::stdout());
                writer.write_record(COLUMNS).map_err(csv_error)?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    fn write(&mut self, record: &Record) -> Result<(), Error> {
        match self {
            Self::Text => text(record),
            Self::Jsonl => output::line(
                serde_json::to_string(record).map_err(|error| Error::Options(error.to_string()))?,
            ),
            Self::Csv(writer) => {
                writer.write_record(row(record)?).map_err(csv_error)?;
                // A killed scan keeps every finished row.
                writer.flush().map_err(Error::Io)
            }
        }
    }
}

fn text(record: &Record) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let path = output::one_line(&record.path);
    let result = match (&record.error, record.logit, record.verdict) {
        (Some(error), ..) => writeln!(out, "refused          {path}  {}: {}", error.kind, error.message),
        (None, Some(logit), Some(verdict)) => {
            let word = verdict.word();
            let probability = record.probability.map_or(String::new(), |p| format!("  {:>5.1} %", 100.0 * p));
            let warning =
                record.warning.as_ref().map(|warning| format!("  warning: {warning}")).unwrap_or_default();
            writeln!(out, "{word:<9} {logit:>+6.2}{probability}  {path}{warning}")
        }
        _ => Ok(()),
    };
    result.map_err(Error::Io)
}

fn row(record: &Record) -> Result<Vec<String>, Error> {
    let (engine, treatment) = (&record.engine, record.treatment);
    Ok(vec![
        record.schema.to_string(),
        record.path.clone(),
        record.path_base64.clone().unwrap_or_default(),
        record.sha256.clone().unwrap_or_default(),
        word(&record.status)?,
        record.warning.clone().unwrap_or_default(),
        record.error.as_ref().map(|error| error.kind.clone()).unwrap_or_default(),
        record.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
        record.width.map(|value| value.to_string()).unwrap_or_default(),
        record.height.map(|value| value.to_string()).unwrap_or_default(),
        record.format.clone().unwrap_or_default(),
        record.logit.map(|value| value.to_string()).unwrap_or_default(),
        record.probability.map(|value| value.to_string()).unwrap_or_default(),
        record.verdict.as_ref().map(word).transpose()?.unwrap_or_default(),
        record.threshold.to_string(),
        record.threshold_origin.clone(),
        record.detector.name.clone(),
        record.detector.sha256.clone(),
        engine.name.clone(),
        format!("{} {} {} {} threads", engine.version, engine.provider, engine.precision, engine.threads),
        record.uncertain.map(|[low, _]| low.to_string()).unwrap_or_default(),
        record.uncertain.map(|[_, high]| high.to_string()).unwrap_or_default(),
        treatment.map(|treatment| treatment.orientation.to_string()).unwrap_or_default(),
        treatment.map(|treatment| treatment.oriented.to_string()).unwrap_or_default(),
        treatment.map(|treatment| word(&treatment.alpha)).transpose()?.unwrap_or_default(),
        treatment.map(|treatment| word(&treatment.profile)).transpose()?.unwrap_or_default(),
        record.decode.map(|options| serde_json::json!(options).to_string()).unwrap_or_default(),
        record.view.as_ref().map(ToString::to_string).unwrap_or_default(),
    ])
}

/// The name under which a unit variant is serialised.
fn word(value: &impl serde::Serialize) -> Result<String, Error> {
    let value = serde_json::to_value(value).map_err(|error| Error::Options(error.to_string()))?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

fn csv_error(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::Io(error),
        other => Error::Options(format!("csv: {other:?}")),
    }
}
