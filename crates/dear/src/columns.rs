//! Files with named columns: CSV, TSV, JSON lines, Parquet. Every cell is text as it stands, so that nothing is guessed
//! and an error can name its row.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::Utf8Error;

use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use crate::dataset::Label;

/// Columns that one error names.
const LISTED: usize = 12;

/// A file of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    /// The file, for messages.
    pub(crate) path: String,
    /// SHA-256 of its bytes.
    pub(crate) sha256: String,
    /// Names of the columns, in order.
    pub(crate) names: Vec<String>,
    /// Cells in the order of `names`; `None` for an empty one.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// Where each row stands: `line 3`, `row 2`.
    pub(crate) places: Vec<String>,
    /// Columns of bytes that are no text, and where the first such cell stands.
    binary: Binary,
}

/// A file of rows that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ColumnsError {
    /// The file.
    pub path: String,
    /// Where in it, what was found, what was expected.
    pub message: String,
    /// What to do.
    pub hint: String,
}

const FORMATS: &str = "use .csv (commas), .tsv (tabs), .jsonl (an object a line) or .parquet";

/// What to do about [`unread_compression`].
pub(crate) const COMPRESSION_HINT: &str = "write it anew, uncompressed or compressed with Snappy";

impl Columns {
    /// Read a file; its name says which format it has.
    pub(crate) fn read(path: &Path) -> Result<Self, ColumnsError> {
        let shown = path.display().to_string();
        let bad = |message: String, hint: &str| ColumnsError {
            path: shown.clone(),
            message,
            hint: hint.to_owned(),
        };
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let bytes = fs_err::read(path).map_err(|error| ColumnsError {
            path: shown.clone(),
            message: match error.kind() {
                std::io::ErrorKind::NotFound => "does not exist".to_owned(),
                _ => error.to_string(),
            },
            hint: "check the path".to_owned(),
        })?;
        let sha256 = crate::files::sha256_hex(&bytes);
        let mut binary = Binary::new();
        let read = match extension.as_str() {
            "csv" => separated(&bytes, b','),
            "tsv" | "tab" => separated(&bytes, b'\t'),
            "jsonl" | "ndjson" => json_lines(&bytes),
            "parquet" | "pq" => parquet_rows(bytes).map(|(parts, found)| {
                binary = found;
                parts
            }),
            _ => {
                return Err(bad(
                    format!("name ends in {extension:?}, expected csv, tsv, jsonl or parquet"),
                    FORMATS,
                ));
            }
        };
        let (names, rows, places) = read.map_err(|message| {
            let hint = match () {
                () if message.contains("between tabs") => "name it .tsv, or put commas between its columns",
                () if message.contains("between commas") => "name it .csv, or put tabs between its columns",
                () if message.contains("between semicolons") => {
                    "put commas between its columns, and write decimals with a point: 0.5"
                }
                () if message.starts_with("Parquet compressed with") => COMPRESSION_HINT,
                () => FORMATS,
            };
            bad(message, hint)
        })?;
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(bad(
                    format!("two columns are named {name:?}, expected each name once"),
                    "rename one of them",
                ));
            }
        }
        if rows.is_empty() {
            return Err(bad("no row, expected at least one".to_owned(), "an image is a row"));
        }
        Ok(Self { path: shown, sha256, names, rows, places, binary })
    }

    /// The place of a column.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// The place of a column that must be there.
    pub(crate) fn required(&self, name: &str, hint: &str) -> Result<usize, ColumnsError> {
        self.place(name).ok_or_else(|| ColumnsError {
            path: self.path.clone(),
            message: format!("no column {name:?}; found {}", self.listed()),
            hint: match self.other_case(name) {
                Some(found) => format!("{found:?} differs in case only: rename it to {name:?}, or {hint}"),
                None => hint.to_owned(),
            },
        })
    }

    /// A column whose name differs from `name` in case only.
    pub(crate) fn other_case(&self, name: &str) -> Option<&str> {
        self.names.iter().find(|other| other.to_lowercase() == name.to_lowercase()).map(String::as_str)
    }

    /// The label of each row, from a column of labels ([`Label::parse`]), or of nothing but `true` and `false` where its name
    /// says of what: `label`, or one that speaks of generated images.
    pub(crate) fn labels(&self, column: usize) -> Result<Vec<Label>, ColumnsError> {
        const NAMES: [&str; 5] = ["label", "generated", "fake", "ai", "synthetic"];
        let truth = |row: usize| match self.cell(row, column)?.trim().to_lowercase().as_str() {
            "true" => Some(Label::Generated),
            "false" => Some(Label::Real),
            _ => None,
        };
        let name = self.names[column].to_lowercase();
        let named = NAMES.contains(&name.trim_start_matches("is_"));
        let rows = 0..self.rows.len();
        if named && let Some(labels) = rows.clone().map(truth).collect() {
            return Ok(labels);
        }
        rows.map(|row| {
            Label::parse(self.cell(row, column).unwrap_or_default()).ok_or_else(|| {
                let expected = "real, generated, fake, 0 (real) or 1 (generated)";
                let hint = match truth(row) {
                    Some(_) if named => {
                        "the column mixes true or false with other values: write 1 (generated) or 0 (real)"
                    }
                    Some(_) => "true does not say of what: write 1 (generated) or 0 (real)",
                    None => "labels are never guessed: write 1 (generated) or 0 (real)",
                };
                self.wrong(row, column, expected, hint)
            })
        })
        .collect()
    }

    /// The names of the columns, for a message.
    pub(crate) fn listed(&self) -> String {
        let shown: Vec<String> = self.names.iter().take(LISTED).map(|name| format!("{name:?}")).collect();
        let more = self.names.len().saturating_sub(LISTED);
        if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
    }

    /// A cell.
    pub(crate) fn cell(&self, row: usize, column: usize) -> Option<&str> {
        self.rows[row].get(column)?.as_deref()
    }

    /// An error about a cell: what it holds, and what was expected.
    pub(crate) fn wrong(&self, row: usize, column: usize, expected: &str, hint: &str) -> ColumnsError {
        let found = self.cell(row, column).map_or("empty".to_owned(), |text| format!("{text:?}"));
        ColumnsError {
            path: self.path.clone(),
            message: format!(
                "{}: {:?} is {found}, expected {expected}",
                self.places[row], self.names[column]
            ),
            hint: hint.to_owned(),
        }
    }

    /// Refuse columns that are to be text and hold other bytes: no cell of theirs may be taken for an empty one.
    pub(crate) fn texts(&self, columns: impl IntoIterator<Item = Option<usize>>) -> Result<(), ColumnsError> {
        match columns.into_iter().flatten().find_map(|column| Some((column, self.binary.get(&column)?))) {
            None => Ok(()),
            Some((column, place)) => Err(ColumnsError {
                path: self.path.clone(),
                message: format!(
                    "{place}: {:?} is binary and not UTF-8, expected text or numbers",
                    self.names[column]
                ),
                hint: "write the column as strings".to_owned(),
            }),
        }
    }

    /// An error about a row.
    pub(crate) fn bad_row(&self, row: usize, message: &str, hint: &str) -> ColumnsError {
        ColumnsError {
            path: self.path.clone(),
            message: format!("{}: {message}", self.places[row]),
            hint: hint.to_owned(),
        }
    }
}

type Parts = (Vec<String>, Vec<Vec<Option<String>>>, Vec<String>);

type Binary = BTreeMap<usize, String>;

fn separated(bytes: &[u8], delimiter: u8) -> Result<Parts, String> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(bytes);
    let header = reader.headers().map_err(|error| error.to_string())?;
    let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    if let [all] = &names[..] {
        let separator = [(',', "commas"), ('\t', "tabs"), (';', "semicolons")].into_iter();
        let found = separator.clone().find(|(separator, _)| all.contains(*separator));
        if let Some((_, found)) = found {
            let expected = separator.clone().find(|(separator, _)| *separator == char::from(delimiter));
            let expected = expected.map_or("another separator", |(_, name)| name);
            return Err(format!("its columns stand between {found}, expected {expected}"));
        }
    }
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        places.push(format!("line {}", record.position().map_or(0, csv::Position::line)));
        rows.push(record.iter().map(|cell| (!cell.is_empty()).then(|| cell.to_owned())).collect());
    }
    Ok((names, rows, places))
}

fn json_lines(bytes: &[u8]) -> Result<Parts, String> {
    use serde_json::Value;
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut names, mut rows, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("line {}", at + 1);
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            format!("{place}: not a JSON object: {error} (NaN and Infinity are not JSON; null is)")
        })?;
        let mut row: Vec<Option<String>> = vec![None; names.len()];
        for (key, value) in object {
            let column = names.iter().position(|name| *name == key).unwrap_or_else(|| {
                names.push(key);
                names.len() - 1
            });
            row.resize(names.len(), None);
            row[column] = match value {
                Value::Null => None,
                Value::String(text) => (!text.is_empty()).then_some(text),
                other => Some(other.to_string()),
            };
        }
        rows.push(row);
        places.push(place);
    }
    Ok((names, rows, places))
}

fn parquet_rows(bytes: Vec<u8>) -> Result<(Parts, Binary), String> {
    fn unreadable(error: impl std::fmt::Display) -> String {
        format!("not a Parquet file that can be read here: {error}")
    }
    // The reader of a damaged file may panic.
    let read = std::panic::catch_unwind(|| -> Result<(Parts, Binary), String> {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(unreadable)?;
        if let Some(message) = unread_compression(reader.metadata(), |_| true) {
            return Err(message);
        }
        let schema = reader.metadata().file_metadata().schema();
        let names: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        let (mut rows, mut places, mut binary) = (Vec::new(), Vec::new(), Binary::new());
        for row in reader.get_row_iter(None).map_err(unreadable)? {
            let row = row.map_err(unreadable)?;
            let place = format!("row {}", places.len() + 1);
            let mut cells = Vec::with_capacity(names.len());
            for (column, (_, field)) in row.get_column_iter().enumerate() {
                cells.push(cell(field).unwrap_or_else(|_| {
                    binary.entry(column).or_insert_with(|| place.clone());
                    None
                }));
            }
            rows.push(cells);
            places.push(place);
        }
        Ok(((names, rows, places), binary))
    });
    read.unwrap_or_else(|_| Err(unreadable("it is damaged")))
}

/// Whether a compression that is not read here stands in a Parquet file's footer, for columns of which `is_read` says so by
/// their place among those of the schema's root.
pub(crate) fn unread_compression(
    metadata: &ParquetMetaData,
    is_read: impl Fn(usize) -> bool,
) -> Option<String> {
    let schema = metadata.file_metadata().schema_descr();
    let leaves = (0..schema.num_columns()).filter(|&leaf| is_read(schema.get_column_root_idx(leaf)));
    let leaves: Vec<usize> = leaves.collect();
    let chunks = metadata.row_groups().iter().flat_map(|group| {
        let chunks = group.columns();
        leaves.iter().filter_map(move |&leaf| chunks.get(leaf))
    });
    let found = chunks.map(|chunk| chunk.compression()).find_map(|compression| match compression {
        Compression::UNCOMPRESSED | Compression::SNAPPY => None,
        Compression::GZIP(_) => Some("gzip"),
        Compression::LZO => Some("lzo"),
        Compression::BROTLI(_) => Some("brotli"),
        Compression::LZ4 | Compression::LZ4_RAW => Some("lz4"),
        Compression::ZSTD(_) => Some("zstd"),
    })?;
    Some(format!("Parquet compressed with {found}, expected none or snappy"))
}

/// The text of a Parquet value: shortest that gives the same number, of an f32 the exact f64.
///
/// # Errors
/// Bytes that are not UTF-8: many a writer stores its text as bytes, but these are none.
fn cell(field: &Field) -> Result<Option<String>, Utf8Error> {
    Ok(match field {
        Field::Null => None,
        Field::Str(text) => (!text.is_empty()).then(|| text.clone()),
        Field::Bytes(bytes) => {
            let text = std::str::from_utf8(bytes.data())?;
            (!text.is_empty()).then(|| text.to_owned())
        }
        Field::Float(value) => Some(f64::from(*value).to_string()),
        Field::Float16(value) => Some(f64::from(*value).to_string()),
        Field::Double(value) => Some(value.to_string()),
        other => Some(other.to_string()),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Result<Columns, ColumnsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs_err::write(&path, bytes).unwrap();
        Columns::read(&path)
    }

    /// A Parquet file with a column of text, one of f32, one of integers.
    pub(crate) fn parquet_file(names: [&str; 3], rows: &[(&str, Option<f32>, i64)]) -> Vec<u8> {
        use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
        use std::sync::Arc;
        let columns: [ArrayRef; 3] = [
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(rows.iter().map(|row| row.1).collect::<Float32Array>()),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
        ];
        let batch = RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap();
        let mut bytes = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    /// An uncompressed Parquet file whose footer says that a column is compressed with Zstandard, which cannot be written here.
    pub(crate) fn said_to_be_zstd(file: &[u8], column: &str) -> Vec<u8> {
        // In its metadata (Thrift, compact): the end of its path, its codec, then how many values there are.
        let said = |codec: u8| [column.as_bytes(), &[0x15, 2 * codec, 0x16]].concat();
        let (uncompressed, zstd) = (said(0), said(6));
        let mut file = file.to_vec();
        let places: Vec<usize> =
            (0..file.len()).filter(|&at| file[at..].starts_with(&uncompressed)).collect();
        assert!(!places.is_empty(), "{column}");
        for at in places {
            file[at..][..zstd.len()].copy_from_slice(&zstd);
        }
        file
    }

    #[test]
    fn a_compression_that_is_not_read_is_named() {
        let whole = parquet_file(["path", "logit", "label"], &[("a", Some(1.0), 1)]);
        let error = read("x.parquet", &said_to_be_zstd(&whole, "logit")).unwrap_err();
        let expected = "x.parquet: Parquet compressed with zstd, expected none or snappy";
        assert!(error.to_string().ends_with(expected), "{error}");
        assert_eq!(error.hint, COMPRESSION_HINT);
    }

    #[test]
    fn each_format_gives_the_same_cells() {
        let csv = "\u{feff}path, logit,label\n\"a,\"\"b\"\"\n.jpg\",0.1,1\né.png,,0\n";
        let tsv = "path\tlogit\tlabel\n\"a,\"\"b\"\"\n.jpg\"\t0.1\t1\né.png\t\t0\n";
        let jsonl = "{\"path\":\"a,\\\"b\\\"\\n.jpg\",\"logit\":0.1,\"label\":1}\n\n{\"path\":\"é.png\",\"label\":0,\"logit\":null}\n";
        let parquet =
            parquet_file(["path", "logit", "label"], &[("a,\"b\"\n.jpg", Some(0.5), 1), ("é.png", None, 0)]);
        for (name, bytes) in [
            ("x.csv", csv.as_bytes()),
            ("x.TSV", tsv.as_bytes()),
            ("x.jsonl", jsonl.as_bytes()),
            ("x.parquet", &parquet),
        ] {
            let found = read(name, bytes).unwrap();
            let column = |name: &str| found.place(name).unwrap();
            let (path, logit, label) = (column("path"), column("logit"), column("label"));
            assert_eq!(found.cell(0, path), Some("a,\"b\"\n.jpg"), "{name}");
            assert_eq!(found.cell(0, logit), Some(if name == "x.parquet" { "0.5" } else { "0.1" }), "{name}");
            assert_eq!(
                (found.cell(1, path), found.cell(1, logit), found.cell(1, label)),
                (Some("é.png"), None, Some("0")),
                "{name}"
            );
            assert_eq!(found.rows.len(), 2);
        }
        // An f32 is read as what it is, not as what it prints.
        let single =
            read("x.parquet", &parquet_file(["path", "logit", "label"], &[("a", Some(0.1), 1)])).unwrap();
        assert_eq!(single.cell(0, 1).unwrap().parse::<f64>().unwrap(), f64::from(0.1_f32));
        let marked = read("x.ndjson", "\u{feff}{\"path\":\"a\"}\n".as_bytes()).unwrap();
        assert_eq!((&*marked.names, marked.cell(0, 0)), (&["path".to_owned()][..], Some("a")));
    }

    #[test]
    fn errors_name_file_place_and_what_was_expected() {
        let cases: [(&str, &[u8], &str); 8] = [
            ("x.txt", b"path\n", "name ends in \"txt\""),
            ("x.csv", b"path,logit\n", "no row"),
            ("x.csv", b"", "no row"),
            ("x.csv", b"path,path\na,b\n", "two columns are named \"path\""),
            ("x.csv", b"path,logit\na,1\nb\n", "line: 3"),
            ("x.csv", b"path,logit\n\xff,1\n", "invalid UTF-8"),
            ("x.jsonl", b"{\"path\":\"a\"}\n{\"logit\":NaN}\n", "line 2: not a JSON object"),
            ("x.parquet", b"PAR1 this is none PAR1", "not a Parquet file"),
        ];
        for (name, bytes, expected) in cases {
            let error = read(name, bytes).unwrap_err();
            assert!(error.to_string().contains(name) && error.to_string().contains(expected), "{error}");
            assert!(!error.hint.is_empty());
        }
        for (name, bytes, expected, hint) in [
            (
                "x.csv",
                &b"path;logit;label\na;0,5;1\n"[..],
                "between semicolons, expected commas",
                "put commas",
            ),
            ("x.csv", b"path\tlogit\tlabel\na\t1\t1\n", "between tabs, expected commas", "name it .tsv"),
            ("x.tsv", b"path,logit,label\na,1,1\n", "between commas, expected tabs", "name it .csv"),
        ] {
            let error = read(name, bytes).unwrap_err();
            assert!(
                error.to_string().contains(expected) && error.hint.starts_with(hint),
                "{error}: {}",
                error.hint
            );
        }
        let missing = Columns::read(Path::new("no/such.csv")).unwrap_err();
        assert!(missing.to_string().contains("does not exist"), "{missing}");
        let found = read("x.csv", b"path,logit\na,one\n").unwrap();
        assert!(
            found
                .required("label", "h")
                .unwrap_err()
                .to_string()
                .contains("no column \"label\"; found \"path\", \"logit\"")
        );
        assert!(
            found
                .wrong(0, 1, "a number", "h")
                .to_string()
                .ends_with("line 2: \"logit\" is \"one\", expected a number")
        );
    }

    #[test]
    fn true_is_generated_where_the_column_says_so_and_nothing_else_stands_in_it() {
        use Label::{Generated, Real};
        let labels = |text: &str| read("x.csv", text.as_bytes()).unwrap().labels(1);
        for name in ["label", "Label", "is_fake", "generated", "AI"] {
            let text = format!("path,{name}\na,True\nb,FALSE\nc,true\n");
            assert_eq!(labels(&text).unwrap(), [Generated, Real, Generated], "{name}");
        }
        for (text, found, hint) in [
            ("path,label\na,1\nb,True\n", "line 3: \"label\" is \"True\"", "the column mixes"),
            ("path,label\na,true\nb,\n", "line 2: \"label\" is \"true\"", "the column mixes"),
            (
                "path,is_real\na,true\nb,false\n",
                "line 2: \"is_real\" is \"true\"",
                "true does not say of what",
            ),
            ("path,label\na,yes\n", "line 2: \"label\" is \"yes\"", "labels are never guessed"),
        ] {
            let error = labels(text).unwrap_err();
            assert!(
                error.to_string().contains(found) && error.hint.starts_with(hint),
                "{error}: {}",
                error.hint
            );
            assert!(error.hint.ends_with("write 1 (generated) or 0 (real)"), "{}", error.hint);
        }
        // Booleans of Parquet and JSON.
        let lines = b"{\"path\":\"a\",\"label\":true}\n{\"path\":\"b\",\"label\":false}\n";
        let lines = read("x.jsonl", lines).unwrap();
        assert_eq!(lines.labels(lines.place("label").unwrap()).unwrap(), [Generated, Real]);
        let column: arrow_array::ArrayRef =
            std::sync::Arc::new(arrow_array::BooleanArray::from(vec![true, false]));
        let batch = arrow_array::RecordBatch::try_from_iter([("label", column)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(read("x.parquet", &bytes).unwrap().labels(0).unwrap(), [Generated, Real]);
    }

    #[test]
    fn bytes_of_parquet_are_text_and_those_that_are_none_are_refused_where_they_are_used() {
        use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
        let column =
            |cells: [&[u8]; 2]| -> ArrayRef { std::sync::Arc::new(BinaryArray::from_iter_values(cells)) };
        let columns = [("path", column([b"a.jpg", "é.png".as_bytes()])), ("odd", column([b"", b"\xff\x01"]))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let found = read("x.parquet", &bytes).unwrap();
        let (path, odd) = (found.place("path").unwrap(), found.place("odd").unwrap());
        assert_eq!((found.cell(0, path), found.cell(1, path)), (Some("a.jpg"), Some("é.png")));
        assert_eq!((found.cell(0, odd), found.cell(1, odd)), (None, None));
        found.texts([Some(path), None]).unwrap();
        let error = found.texts([None, Some(path), Some(odd)]).unwrap_err().to_string();
        assert!(
            error.ends_with("row 2: \"odd\" is binary and not UTF-8, expected text or numbers"),
            "{error}"
        );
    }

    #[test]
    fn a_cut_parquet_file_is_an_error_at_any_length() {
        let whole = parquet_file(["path", "logit", "label"], &[("a", Some(1.0), 1), ("b", None, 0)]);
        let mut seen = 0;
        for end in (0..whole.len()).step_by(13) {
            assert!(read("x.parquet", &whole[..end]).is_err(), "cut at {end} of {}", whole.len());
            seen += 1;
        }
        assert!(seen > 50, "{seen}");
    }
}
