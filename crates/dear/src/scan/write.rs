//! Records as JSON lines, CSV or Parquet.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use base64::Engine as _;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::Record;
use super::table::{COLUMNS, Cell, Kind};
use crate::error::Error;

/// Rows that are written to Parquet together.
const BATCH: usize = 1024;
/// Rows of a row group, which the writer holds encoded.
const GROUP: usize = 65_536;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordForm {
    /// A JSON object a line, with everything.
    Jsonl,
    /// A row a record. Text that a spreadsheet would take for a formula gets an apostrophe in front; then `path_base64` has the
    /// exact path.
    Csv,
    /// A row a record, compressed with Snappy.
    Parquet,
}

/// Writes records one after the other.
pub struct RecordWriter<W: Write + Send>(Inner<W>);

enum Inner<W: Write + Send> {
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
    Parquet { writer: Box<ArrowWriter<W>>, schema: SchemaRef, rows: Vec<Vec<Cell>> },
}

impl<W: Write + Send> RecordWriter<W> {
    /// Writes the header, where the form has one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(out: W, form: RecordForm) -> Result<Self, Error> {
        Ok(Self(match form {
            RecordForm::Jsonl => Inner::Jsonl(out),
            RecordForm::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(COLUMNS.iter().map(|column| column.name)).map_err(of_csv)?;
                Inner::Csv(Box::new(writer))
            }
            RecordForm::Parquet => {
                let fields =
                    COLUMNS.iter().map(|column| Field::new(column.name, data_type(column.kind), true));
                let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_created_by("dear".to_owned())
                    .set_max_row_group_row_count(Some(GROUP))
                    .build();
                let writer =
                    ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(of_parquet)?;
                Inner::Parquet { writer: Box::new(writer), schema, rows: Vec::new() }
            }
        }))
    }

    /// Writes a record.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&mut self, record: &Record) -> Result<(), Error> {
        match &mut self.0 {
            Inner::Jsonl(out) => {
                let mut line = serde_json::to_vec(record).map_err(io::Error::from)?;
                line.push(b'\n');
                out.write_all(&line)?;
            }
            Inner::Csv(writer) => writer.write_record(safe_row(record)).map_err(of_csv)?,
            Inner::Parquet { writer, schema, rows } => {
                rows.push(COLUMNS.iter().map(|column| (column.cell)(record)).collect());
                if rows.len() == BATCH {
                    writer.write(&batch(schema, rows).map_err(of_arrow)?).map_err(of_parquet)?;
                    rows.clear();
                }
            }
        }
        Ok(())
    }

    /// Hands on what is held back; rows of Parquet are held until the end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        match &mut self.0 {
            Inner::Jsonl(out) => out.flush()?,
            Inner::Csv(writer) => writer.flush()?,
            Inner::Parquet { .. } => {}
        }
        Ok(())
    }

    /// Writes what is missing, and returns where it was written to.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<W, Error> {
        let mut out = match self.0 {
            Inner::Jsonl(out) => out,
            Inner::Csv(writer) => writer.into_inner().map_err(csv::IntoInnerError::into_error)?,
            Inner::Parquet { mut writer, schema, rows } => {
                writer.write(&batch(&schema, &rows).map_err(of_arrow)?).map_err(of_parquet)?;
                writer.into_inner().map_err(of_parquet)?
            }
        };
        out.flush()?;
        Ok(out)
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Whole => DataType::UInt64,
        Kind::Real => DataType::Float64,
        Kind::Truth => DataType::Boolean,
    }
}

fn batch(schema: &SchemaRef, rows: &[Vec<Cell>]) -> Result<RecordBatch, ArrowError> {
    let columns = COLUMNS.iter().enumerate().map(|(at, column)| -> ArrayRef {
        let cells = rows.iter().map(|row| &row[at]);
        match column.kind {
            Kind::Text => Arc::new(cells.map(Cell::text).collect::<StringArray>()),
            Kind::Whole => Arc::new(cells.map(Cell::whole).collect::<UInt64Array>()),
            Kind::Real => Arc::new(cells.map(Cell::real).collect::<Float64Array>()),
            Kind::Truth => Arc::new(cells.map(Cell::truth).collect::<BooleanArray>()),
        }
    });
    RecordBatch::try_new(schema.clone(), columns.collect())
}

/// The cells of a row of CSV.
fn safe_row(record: &Record) -> Vec<String> {
    let exact = |cell| match cell {
        // The path that stands beside it was changed.
        Cell::Null if is_formula(&record.path) => {
            Cell::Text(base64::engine::general_purpose::STANDARD.encode(&record.path))
        }
        other => other,
    };
    let cells = COLUMNS.iter().map(|column| match column.name {
        "path_base64" => exact((column.cell)(record)),
        _ => (column.cell)(record),
    });
    cells
        .map(|cell| match cell {
            Cell::Null => String::new(),
            Cell::Text(text) if is_formula(&text) => format!("'{text}"),
            Cell::Text(text) => text,
            Cell::Whole(number) => number.to_string(),
            Cell::Real(number) => number.to_string(),
            Cell::Truth(truth) => truth.to_string(),
        })
        .collect()
}

/// Whether a spreadsheet may compute what a cell says (OWASP, "CSV Injection"); some pass over a line feed before it.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

fn of_csv(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::Io(error),
        other => Error::Io(io::Error::other(format!("csv: {other:?}"))),
    }
}

fn of_arrow(error: ArrowError) -> Error {
    Error::Io(io::Error::other(error.to_string()))
}

fn of_parquet(error: ParquetError) -> Error {
    Error::Io(match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source.to_string()),
        },
        other => io::Error::other(other.to_string()),
    })
}
