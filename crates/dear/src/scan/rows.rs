//! Images that lie in the rows of a Parquet file, as Hugging Face's data sets are published.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Fields};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::inputs::Item;
use super::{Refusal, Shard};
use crate::columns::{COMPRESSION_HINT, unread_compression};
use crate::evaluate::counted;

/// Columns that may hold images, the first that is there is taken: bytes, or a structure of `bytes` and perhaps `path`.
pub(super) const COLUMNS: [&str; 3] = ["image", "bytes", "content"];

/// Rows that are read together. Pages of a column are decoded one by one, so that neither a row group nor the file is held.
const ROWS: usize = 8;

/// Whether a file is taken for a table: by its name, since a list may have millions of files.
pub(super) fn is_table(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["parquet", "pq"].iter().any(|table| extension.eq_ignore_ascii_case(table)))
}

/// A Parquet file with images.
pub(super) struct Table {
    path: PathBuf,
    builder: ParquetRecordBatchReaderBuilder<std::fs::File>,
    column: usize,
    /// A column of text beside it.
    names: Option<usize>,
}

/// Why a file is no table of images.
pub(super) enum Unfit {
    /// It cannot be read.
    Unreadable(Refusal),
    /// It has no such column, or keeps it in a way that is not read here.
    Unusable(Refusal),
}

impl Table {
    /// Reads the footer, and finds the column of images.
    pub(super) fn open(path: &Path, column: Option<&str>) -> Result<Self, Unfit> {
        let file = fs_err::File::open(path).map_err(|error| {
            Unfit::Unreadable(Refusal {
                kind: "unreadable".to_owned(),
                message: error.to_string(),
                hint: None,
            })
        })?;
        // The reader of a damaged file may panic.
        let read =
            catch_unwind(AssertUnwindSafe(|| ParquetRecordBatchReaderBuilder::try_new(file.into_file())));
        let builder = match read {
            Ok(Ok(builder)) => builder,
            Ok(Err(error)) => return Err(Unfit::Unreadable(damaged(&error))),
            Err(_) => return Err(Unfit::Unreadable(damaged(&"its footer is damaged"))),
        };
        let fields = builder.schema().fields();
        let place = |name: &str| fields.iter().position(|field| field.name() == name);
        let wanted: Vec<&str> = column.map_or(COLUMNS.to_vec(), |column| vec![column]);
        let Some(column) = wanted.iter().find_map(|name| place(name).filter(|&at| holds_images(fields, at)))
        else {
            return Err(Unfit::Unusable(no_images(fields, &wanted)));
        };
        let names = place("path").filter(|&at| at != column && is_text(fields[at].data_type()));
        let is_read = |root: usize| root == column || Some(root) == names;
        if let Some(message) = unread_compression(builder.metadata(), is_read) {
            return Err(Unfit::Unusable(unsupported(message, COMPRESSION_HINT)));
        }
        Ok(Self { path: path.to_owned(), column, names, builder })
    }

    /// How many of its rows belong to a part.
    pub(super) fn count(&self, shard: Option<Shard>) -> u64 {
        let rows = u64::try_from(self.builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        match shard {
            None => rows,
            Some(shard) => (0..rows).filter(|row| shard.holds(&numbered(&self.path, *row))).count() as u64,
        }
    }

    /// Its rows, or those of a part: which part is said by the number of a row.
    pub(super) fn rows(self, shard: Option<Shard>) -> impl Iterator<Item = Item> + Send + use<> {
        let rows = self.count(None);
        let Self { path, builder, column, names } = self;
        let mask = ProjectionMask::roots(builder.parquet_schema(), names.into_iter().chain([column]));
        let [column, names] = [Some(column), names]
            .map(|at| at.and_then(|at| builder.schema().fields().get(at)).map(|field| field.name().clone()));
        let built =
            catch_unwind(AssertUnwindSafe(|| builder.with_projection(mask).with_batch_size(ROWS).build()));
        let reader = match built {
            Ok(built) => built.map_err(|error| damaged(&error)),
            Err(_) => Err(damaged(&"it is damaged")),
        };
        let column = column.unwrap_or_default();
        Rows { path, reader: Some(reader), column, names, batch: None, row: 0, rows }
            .filter(move |(row, _)| shard.is_none_or(|shard| shard.holds(row)))
            .map(|(_, item)| item)
    }
}

struct Rows {
    path: PathBuf,
    /// Gone after an error.
    reader: Option<Result<ParquetRecordBatchReader, Refusal>>,
    column: String,
    names: Option<String>,
    /// What was read, and how much of it was given out.
    batch: Option<(RecordBatch, usize)>,
    row: u64,
    /// As the footer says.
    rows: u64,
}

impl Iterator for Rows {
    /// The row by its number, and what it holds.
    type Item = (PathBuf, Item);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((batch, at)) = self.batch.as_mut().filter(|(batch, at)| *at < batch.num_rows()) {
                let found = image(batch, *at, &self.column, self.names.as_deref());
                *at += 1;
                let (number, row) = (numbered(&self.path, self.row), self.row);
                self.row += 1;
                return Some((number.clone(), item(&self.path, number, row, found)));
            }
            let read = match self.reader.as_mut()? {
                Ok(reader) => match catch_unwind(AssertUnwindSafe(|| reader.next())) {
                    Ok(read) => read?.map_err(|error| damaged(&error)),
                    Err(_) => Err(damaged(&"it is damaged")),
                },
                Err(refusal) => Err(refusal.clone()),
            };
            match read {
                Ok(batch) => self.batch = Some((batch, 0)),
                Err(mut refusal) => {
                    self.reader = None;
                    match self.rows.saturating_sub(self.row + 1) {
                        0 => {}
                        more => {
                            refusal.message.push_str(&format!(
                                "; {} after this row cannot be read either",
                                counted(more, "row")
                            ));
                        }
                    }
                    let name = numbered(&self.path, self.row);
                    return Some((name.clone(), Item::Refused { name, row: Some(self.row), refusal }));
                }
            }
        }
    }
}

/// What a row says: its image's bytes, and its name.
type Found<'a> = (Option<&'a [u8]>, Option<&'a str>);

fn image<'a>(batch: &'a RecordBatch, row: usize, column: &str, names: Option<&str>) -> Found<'a> {
    let named = names.and_then(|names| text(batch.column_by_name(names)?.as_ref(), row));
    let Some(column) = batch.column_by_name(column) else { return (None, named) };
    match column.as_struct_opt() {
        Some(parts) if parts.is_null(row) => (None, named),
        Some(parts) => {
            let own = parts.column_by_name("path").and_then(|path| text(path.as_ref(), row));
            (parts.column_by_name("bytes").and_then(|column| bytes(column.as_ref(), row)), own.or(named))
        }
        None => (bytes(column.as_ref(), row), named),
    }
}

fn item(path: &Path, number: PathBuf, row: u64, (bytes, named): Found<'_>) -> Item {
    let name = named.filter(|text| !text.is_empty()).map_or(number, |text| joined(path, text));
    match bytes {
        Some(bytes) => Item::Bytes { name, row, bytes: bytes.to_vec() },
        None => {
            let message = "the row has no image: its bytes are null".to_owned();
            let hint = named.map(|_| "the file may only name its images: scan those".to_owned());
            let refusal = Refusal { kind: "unreadable".to_owned(), message, hint };
            Item::Refused { name, row: Some(row), refusal }
        }
    }
}

fn joined(path: &Path, part: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("#");
    name.push(part);
    name.into()
}

fn numbered(path: &Path, row: u64) -> PathBuf {
    joined(path, &row.to_string())
}

fn bytes(column: &dyn Array, row: usize) -> Option<&[u8]> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Binary => Some(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(column.as_binary_view().value(row)),
        _ => None,
    }
}

fn text(column: &dyn Array, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(column.as_string_view().value(row)),
        // A categorical column of pandas.
        DataType::Dictionary(..) => {
            let words = column.as_any_dictionary_opt()?;
            if words.values().is_empty() {
                return None;
            }
            let key = *words.normalized_keys().get(row)?;
            text(words.values().as_ref(), key)
        }
        _ => None,
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, words) => is_text(words),
        _ => false,
    }
}

fn is_bytes(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn holds_images(fields: &Fields, at: usize) -> bool {
    match fields[at].data_type() {
        DataType::Struct(parts) => {
            parts.iter().any(|part| part.name() == "bytes" && is_bytes(part.data_type()))
        }
        kind => is_bytes(kind),
    }
}

fn no_images(fields: &Fields, wanted: &[&str]) -> Refusal {
    let mut listed: Vec<String> = fields
        .iter()
        .take(12)
        .map(|field| format!("{:?} ({})", field.name(), kind(field.data_type())))
        .collect();
    if fields.len() > listed.len() {
        listed.push(format!("{} more", fields.len() - listed.len()));
    }
    unsupported(
        format!(
            "no column {} of binary values, or of structures with bytes; found {}",
            wanted.join(", "),
            listed.join(", ")
        ),
        "name the column that holds the images: --column NAME",
    )
}

fn unsupported(message: String, hint: &str) -> Refusal {
    Refusal { kind: "unsupported".to_owned(), message, hint: Some(hint.to_owned()) }
}

/// A word for a type: those of structures and lists are long.
fn kind(kind: &DataType) -> String {
    match kind {
        DataType::Struct(_) => "structure".to_owned(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "list".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

fn damaged(error: &dyn std::fmt::Display) -> Refusal {
    Refusal {
        kind: "corrupt".to_owned(),
        message: format!("not a Parquet file that can be read here: {error}"),
        hint: Some("the file may be cut or damaged: fetch it again".to_owned()),
    }
}
