//! The feature store: what a frozen backbone said about each view of each image, in Parquet shards, so that a new gate,
//! head or threshold never runs the backbone again.
//!
//! A shard is named by the hash of everything that decides its rows (backbone, engine, view options, images by content)
//! and written whole or not at all: kill a run at any point, run it again, and finished shards are read back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt8Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, StringArray, UInt8Array,
    UInt32Array,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::dataset::Label;
use crate::error::Error;
use crate::files::{sha256_hex, write_atomic};
use crate::rad::RegionMoments;

/// What the backbone said about one view of one image, or why it could not say anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Key of the image in its dataset.
    pub path: String,
    /// SHA-256 of the image's file; empty if it could not be read.
    pub sha256: String,
    /// Label of the view. A probe view is *real* where none of its mask survived the crop.
    pub label: Label,
    /// Subset of the image.
    pub subset: String,
    /// Number of the view, from 0.
    pub view: u32,
    /// Perturbation chain, empty for none.
    pub chain: String,
    /// Kind and message of the error, for an image that was refused.
    pub error: Option<(String, String)>,
    /// What should be known of the image's file, joined by `; `.
    pub warning: Option<String>,
    /// Share of the view inside the mask, for probes.
    pub mask_share: Option<f32>,
    /// Pooled features `[C]`; empty for a refused image.
    pub pooled: Vec<f32>,
    /// Region moments, for probe views of which some mask survived.
    pub moments: Option<RegionMoments>,
}

/// A folder of shards.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// The metadata key under which a shard carries its own key.
const KEY: &str = "dear.key";

impl Store {
    /// The store in `folder`, which is made when the first shard is written.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Rows of the shard whose rows are decided by `key` (a JSON document), if it was finished.
    ///
    /// # Errors
    /// [`Error::Io`] where a file is there and cannot be read. A shard that does not parse counts as not finished.
    pub fn read(&self, name: &str, key: &str) -> Result<Option<Vec<Row>>, Error> {
        let path = self.path(name, key);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = fs_err::read(&path)?;
        Ok(decode(bytes, key).ok().flatten())
    }

    /// Write a finished shard.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, name: &str, key: &str, channels: usize, rows: &[Row]) -> Result<(), Error> {
        let path = self.path(name, key);
        let bytes = encode(rows, channels, key)
            .map_err(|error| std::io::Error::other(format!("{}: {error}", path.display())))?;
        write_atomic(&path, &bytes)?;
        Ok(())
    }

    /// Where the shard lies: `{folder}/{name}-{hash of key}.parquet`.
    pub fn path(&self, name: &str, key: &str) -> PathBuf {
        self.folder.join(format!("{name}-{}.parquet", &sha256_hex(key.as_bytes())[..24]))
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn list(channels: usize) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), channels as i32)
}

fn schema(channels: usize) -> Schema {
    Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("sha256", DataType::Utf8, false),
        Field::new("label", DataType::UInt8, false),
        Field::new("subset", DataType::Utf8, false),
        Field::new("view", DataType::UInt32, false),
        Field::new("chain", DataType::Utf8, false),
        Field::new("error_kind", DataType::Utf8, true),
        Field::new("error", DataType::Utf8, true),
        Field::new("warning", DataType::Utf8, true),
        Field::new("mask_share", DataType::Float32, true),
        Field::new("pooled", list(channels), true),
        Field::new("w_in", DataType::Float64, true),
        Field::new("w_bg", DataType::Float64, true),
        Field::new("mu_in", list(channels), true),
        Field::new("mu_bg", list(channels), true),
        Field::new("sq_in", list(channels), true),
        Field::new("sq_bg", list(channels), true),
    ])
}

fn encode(rows: &[Row], channels: usize, key: &str) -> Result<Vec<u8>, Failure> {
    let text =
        |get: fn(&Row) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(get))) };
    let maybe_text = |get: fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<StringArray>())
    };
    let number = |get: fn(&RegionMoments) -> f64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row.moments.as_ref().map(get)).collect::<Float64Array>())
    };
    let vectors = |get: fn(&Row) -> Option<&[f32]>| -> Result<ArrayRef, Failure> {
        let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), channels as i32);
        for row in rows {
            match get(row) {
                Some(values) if values.len() == channels => {
                    builder.values().append_slice(values);
                    builder.append(true);
                }
                Some(values) => {
                    return Err(format!("a row of {} channels, expected {channels}", values.len()).into());
                }
                None => {
                    builder.values().append_nulls(channels);
                    builder.append(false);
                }
            }
        }
        Ok(Arc::new(builder.finish()))
    };
    let columns: Vec<ArrayRef> = vec![
        text(|row| &row.path),
        text(|row| &row.sha256),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.label.as_u8()))),
        text(|row| &row.subset),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.view))),
        text(|row| &row.chain),
        maybe_text(|row| row.error.as_ref().map(|(kind, _)| kind.as_str())),
        maybe_text(|row| row.error.as_ref().map(|(_, message)| message.as_str())),
        maybe_text(|row| row.warning.as_deref()),
        Arc::new(rows.iter().map(|row| row.mask_share).collect::<Float32Array>()),
        vectors(|row| row.error.is_none().then_some(row.pooled.as_slice()))?,
        number(|moments| moments.w_in),
        number(|moments| moments.w_bg),
        vectors(|row| row.moments.as_ref().map(|moments| moments.mu_in.as_slice()))?,
        vectors(|row| row.moments.as_ref().map(|moments| moments.mu_bg.as_slice()))?,
        vectors(|row| row.moments.as_ref().map(|moments| moments.sq_in.as_slice()))?,
        vectors(|row| row.moments.as_ref().map(|moments| moments.sq_bg.as_slice()))?,
    ];
    let schema = Arc::new(schema(channels));
    let batch = RecordBatch::try_new(schema.clone(), columns)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("dear".to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), key.to_owned())]))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

/// `None` where the file carries another key.
fn decode(bytes: Vec<u8>, key: &str) -> Result<Option<Vec<Row>>, Failure> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let found = metadata
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == KEY))
        .and_then(|pair| pair.value.as_deref());
    if found != Some(key) {
        return Ok(None);
    }
    let mut rows = Vec::new();
    for batch in builder.build()? {
        let batch = batch?;
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| format!("no column {name}"));
        let text = |name: &str| -> Result<&StringArray, Failure> {
            Ok(column(name)?.as_string_opt::<i32>().ok_or("not text")?)
        };
        let lists = |name: &str| -> Result<&FixedSizeListArray, Failure> {
            Ok(column(name)?.as_fixed_size_list_opt().ok_or("not a list")?)
        };
        let (path, sha256, subset, chain) = (text("path")?, text("sha256")?, text("subset")?, text("chain")?);
        let (error_kind, error, warning) = (text("error_kind")?, text("error")?, text("warning")?);
        let label = column("label")?.as_primitive_opt::<UInt8Type>().ok_or("label")?;
        let view = column("view")?.as_primitive_opt::<UInt32Type>().ok_or("view")?;
        let share = column("mask_share")?.as_primitive_opt::<Float32Type>().ok_or("mask_share")?;
        let w_in = column("w_in")?.as_primitive_opt::<Float64Type>().ok_or("w_in")?;
        let w_bg = column("w_bg")?.as_primitive_opt::<Float64Type>().ok_or("w_bg")?;
        let pooled = lists("pooled")?;
        let moments = (lists("mu_in")?, lists("mu_bg")?, lists("sq_in")?, lists("sq_bg")?);
        for i in 0..batch.num_rows() {
            let vector = |list: &FixedSizeListArray| -> Vec<f32> {
                list.value(i).as_primitive::<Float32Type>().values().to_vec()
            };
            rows.push(Row {
                path: path.value(i).to_owned(),
                sha256: sha256.value(i).to_owned(),
                label: if label.value(i) == 1 { Label::Generated } else { Label::Real },
                subset: subset.value(i).to_owned(),
                view: view.value(i),
                chain: chain.value(i).to_owned(),
                error: error_kind
                    .is_valid(i)
                    .then(|| (error_kind.value(i).to_owned(), error.value(i).to_owned())),
                warning: warning.is_valid(i).then(|| warning.value(i).to_owned()),
                mask_share: share.is_valid(i).then(|| share.value(i)),
                pooled: if pooled.is_valid(i) { vector(pooled) } else { Vec::new() },
                moments: w_in.is_valid(i).then(|| RegionMoments {
                    mu_in: vector(moments.0),
                    mu_bg: vector(moments.1),
                    sq_in: vector(moments.2),
                    sq_bg: vector(moments.3),
                    w_in: w_in.value(i),
                    w_bg: w_bg.value(i),
                }),
            });
        }
    }
    Ok(Some(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = Row {
            path: "real/é, \"x\".jpg".into(),
            sha256: "ab".into(),
            label: Label::Real,
            subset: "all".into(),
            view: 3,
            chain: "jpeg(70)".into(),
            error: None,
            warning: Some("png checksum".into()),
            mask_share: None,
            pooled: vec![1.5, -0.0, f32::MIN_POSITIVE],
            moments: None,
        };
        let probe = Row {
            label: Label::Generated,
            mask_share: Some(0.25),
            moments: Some(RegionMoments {
                mu_in: vec![1.0, 2.0, 3.0],
                mu_bg: vec![0.5; 3],
                sq_in: vec![4.0; 3],
                sq_bg: vec![5.0; 3],
                w_in: 36.0,
                w_bg: 108.0,
            }),
            ..row.clone()
        };
        let refused =
            Row { error: Some(("truncated".into(), "ends early".into())), pooled: Vec::new(), ..row.clone() };
        vec![row, probe, refused]
    }

    #[test]
    fn rows_come_back_as_they_went_in_and_bytes_are_reproducible() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        assert_eq!(store.read("main", "k").unwrap(), None);
        store.write("main", "k", 3, &rows()).unwrap();
        assert_eq!(store.read("main", "k").unwrap().unwrap(), rows());
        let first = fs_err::read(store.path("main", "k")).unwrap();
        store.write("main", "k", 3, &rows()).unwrap();
        assert_eq!(fs_err::read(store.path("main", "k")).unwrap(), first);
    }

    #[test]
    fn another_key_and_a_damaged_file_count_as_not_finished() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        store.write("main", "k", 3, &rows()).unwrap();
        fs_err::copy(store.path("main", "k"), store.path("main", "other")).unwrap();
        assert_eq!(store.read("main", "other").unwrap(), None);
        let whole = fs_err::read(store.path("main", "k")).unwrap();
        for end in (0..whole.len()).step_by(97) {
            fs_err::write(store.path("main", "k"), &whole[..end]).unwrap();
            assert_eq!(store.read("main", "k").unwrap(), None, "cut at {end} of {}", whole.len());
        }
    }

    #[test]
    fn wrong_width_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Store::new(folder.path()).write("main", "k", 4, &rows()).unwrap_err();
        assert!(error.to_string().contains("3 channels, expected 4"), "{error}");
    }
}
