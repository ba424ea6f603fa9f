//! Where records go: stdout, or a file that appears when it is whole.

use std::io::{BufWriter, Stdout, Write};
use std::path::Path;

use clap::ValueEnum;
use dear::error::Error;
use dear::files::AtomicFile;
use dear::scan::{Record, RecordForm, RecordWriter};
use dear::stability::{Stability, Standing};
use dear_provenance::{Provenance, State};

use crate::output;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line a record, for people
    Text,
    /// A JSON object a line, with everything
    Jsonl,
    /// A row a record, safe to open in a spreadsheet
    Csv,
    /// A row a record; needs --out
    Parquet,
}

impl Format {
    /// The one asked for, else the one that the file's name says, else text.
    pub(super) fn of(asked: Option<Self>, out: Option<&Path>) -> Result<Self, Error> {
        if asked == Some(Self::Parquet) && out.is_none() {
            return Err(Error::Options("--format parquet needs --out FILE: it is no text".to_owned()));
        }
        let (None, Some(out)) = (asked, out) else { return Ok(asked.unwrap_or(Self::Text)) };
        let extension = out.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        Ok(match &*extension {
            "jsonl" | "ndjson" => Self::Jsonl,
            "csv" => Self::Csv,
            "parquet" | "pq" => Self::Parquet,
            "" | "txt" | "log" => Self::Text,
            _ => {
                return Err(Error::Images {
                    message: format!(
                        "{}: no form is known by this ending, expected .jsonl, .csv, .parquet (.pq) or .txt",
                        out.display()
                    ),
                    hint: "rename it, or give --format".to_owned(),
                });
            }
        })
    }
}

/// Writes records.
pub(super) enum Sink {
    Text(Out),
    Data(RecordWriter<Out>),
}

/// What is written to.
pub(super) enum Out {
    Stdout(Stdout),
    File(BufWriter<AtomicFile>),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            // A killed scan keeps every finished row.
            Self::Stdout(out) => out.flush(),
            // Nobody sees it before it is whole.
            Self::File(_) => Ok(()),
        }
    }
}

impl Sink {
    pub(super) fn new(format: Format, out: Option<&Path>) -> Result<Self, Error> {
        let out = match out {
            Some(path) => Out::File(BufWriter::new(AtomicFile::create(path)?)),
            None => Out::Stdout(std::io::stdout()),
        };
        let form = match format {
            Format::Text => return Ok(Self::Text(out)),
            Format::Jsonl => RecordForm::Jsonl,
            Format::Csv => RecordForm::Csv,
            Format::Parquet => RecordForm::Parquet,
        };
        Ok(Self::Data(RecordWriter::new(out, form)?))
    }

    pub(super) fn write(&mut self, record: &Record) -> Result<(), Error> {
        match self {
            Self::Text(out) => writeln!(out, "{}", line(record)).map_err(Error::Io),
            Self::Data(writer) => {
                writer.write(record)?;
                writer.flush()
            }
        }
    }

    /// All records are there.
    pub(super) fn finish(self) -> Result<(), Error> {
        let out = match self {
            Self::Text(out) => out,
            Self::Data(writer) => writer.finish()?,
        };
        match out {
            Out::Stdout(mut out) => Ok(out.flush()?),
            Out::File(out) => {
                let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
                Ok(file.commit()?)
            }
        }
    }
}

/// A record for people.
fn line(record: &Record) -> String {
    let path = output::one_line(&record.path);
    let mut line = match (&record.error, record.logit, record.verdict) {
        (None, Some(logit), Some(verdict)) => {
            let word = verdict.word();
            let probability = record.probability.map_or(String::new(), |p| format!("  {:>5.1} %", 100.0 * p));
            format!("{word:<9} {logit:>+6.2}{probability}  {path}")
        }
        (error, ..) => {
            let error = error.as_ref().map_or(String::new(), |error| {
                format!("  {}: {}", error.kind, output::one_line(&error.message))
            });
            format!("refused          {path}{error}")
        }
    };
    if let Some(warning) = &record.warning {
        line.push_str(&format!("  warning: {}", output::one_line(warning)));
    }
    if let Some(stability) = &record.stability {
        line.push_str(&format!("  {}", stability_words(stability)));
    }
    if let Some(provenance) = &record.provenance {
        line.push_str(&provenance_words(provenance));
    }
    line
}

fn stability_words(stability: &Stability) -> String {
    let [low, high] = stability.spread;
    let scored = stability.copies.iter().filter(|copy| copy.logit.is_some()).count();
    let rest = match stability.copies.len() - scored {
        0 => String::new(),
        1 => ", one could not be scored".to_owned(),
        more => format!(", {more} could not be scored"),
    };
    match stability.standing {
        Standing::Stable => format!("stable ({low:+.2} to {high:+.2}{rest})"),
        Standing::Unstable => {
            let turned = stability.turned;
            format!("unstable ({low:+.2} to {high:+.2}, {turned} of {scored} copies judged otherwise{rest})")
        }
        Standing::CouldNotCheck => "stability: could not check".to_owned(),
    }
}

/// What was found, and what could not be looked for.
fn provenance_words(provenance: &Provenance) -> String {
    let Provenance { c2pa, source_type, generator, camera } = provenance;
    let named = [("C2PA", c2pa), ("source type", source_type), ("generator", generator), ("camera", camera)];
    let words = named.into_iter().filter_map(|(name, finding)| {
        let summary = finding.summary.as_deref().map(output::one_line).unwrap_or_default();
        match finding.state {
            State::Found => Some(format!("  {name}: {summary}")),
            State::NotFound => None,
            State::CouldNotCheck => Some(format!("  {name}: could not check ({summary})")),
        }
    });
    let words: String = words.collect();
    if words.is_empty() { "  origin: nothing found".to_owned() } else { words }
}
