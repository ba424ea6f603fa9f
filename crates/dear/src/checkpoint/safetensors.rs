//! A safetensors file: 8 bytes with the length of a JSON header, the header, the numbers.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::error::{CheckpointError, Problem};
use super::limits::Limits;
use super::tensor::Dtype;
use crate::files::one_line;

/// A tensor as the header describes it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Where in the file its numbers lie.
    pub(super) bytes: Range<usize>,
}

/// Whether the file begins as one: a length, then a JSON object.
pub(super) fn is_safetensors(file: &[u8]) -> bool {
    // The length is below 2^40, so that text and other magic numbers are not taken for one.
    file.get(5..8) == Some(&[0; 3]) && file.get(8) == Some(&b'{')
}

/// The tensors in the order of the header.
pub(super) fn read(file: &[u8], limits: &Limits) -> Result<Vec<Described>, CheckpointError> {
    let header = |reason: String| CheckpointError::new(Problem::Header(reason));
    let length = file.first_chunk().map(|length| u64::from_le_bytes(*length)).unwrap_or(0);
    if length > limits.header_bytes as u64 {
        return Err(header(format!(
            "it has {length} bytes, more than the {} that are read",
            limits.header_bytes
        )));
    }
    let start = 8 + length as usize;
    let text = file.get(8..start).ok_or_else(|| {
        let what = "the safetensors header".to_owned();
        CheckpointError::new(Problem::Truncated { what, needed: start as u64, found: file.len() })
    })?;
    // The parser repeats names of the file in its words.
    let Header(rows) = serde_json::from_slice(text).map_err(|error| header(one_line(error)))?;
    if rows.len() > limits.tensors {
        return Err(CheckpointError::new(Problem::Limit {
            what: "many tensors",
            limit: limits.tensors as u64,
        }));
    }
    let tensors = rows.into_iter().map(|(name, row)| described(file, start, name, row, limits));
    let tensors = tensors.collect::<Result<Vec<_>, _>>()?;

    let mut by_place: Vec<&Described> = tensors.iter().collect();
    by_place.sort_by_key(|tensor| (tensor.bytes.start, tensor.bytes.end));
    let mut end = start;
    for tensor in by_place {
        if tensor.bytes.start != end {
            let (name, begins) = (&tensor.name, tensor.bytes.start - start);
            let reason = format!("tensor {name:?} begins at byte {begins}, expected {}", end - start);
            return Err(header(reason));
        }
        end = tensor.bytes.end;
    }
    if end != file.len() {
        return Err(header(format!("it describes {end} bytes, the file has {}", file.len())));
    }
    Ok(tensors)
}

fn described(
    file: &[u8],
    start: usize,
    name: String,
    row: Row,
    limits: &Limits,
) -> Result<Described, CheckpointError> {
    let wrong = |reason: String| CheckpointError::new(Problem::Header(format!("tensor {name:?} {reason}")));
    if name.len() > limits.name_bytes {
        let limit = limits.name_bytes as u64;
        return Err(CheckpointError::new(Problem::Limit { what: "long a name of a tensor (bytes)", limit }));
    } else if row.shape.len() > limits.dimensions {
        return Err(wrong(format!(
            "has {} dimensions, expected at most {}",
            row.shape.len(),
            limits.dimensions
        )));
    }
    let dtype = Dtype::of_safetensors(&row.dtype);
    let dtype = dtype.ok_or_else(|| wrong(format!("is of the type {:?}, which is not known", row.dtype)))?;
    let [begin, end] = row.data_offsets;
    let size = row.shape.iter().try_fold(dtype.size(), |size, &side| size.checked_mul(side));
    if size.is_none() || end.checked_sub(begin) != size {
        let shape = &row.shape;
        return Err(wrong(format!(
            "has bytes {begin} to {end}, which is not {shape:?} of {}",
            dtype.as_str()
        )));
    }
    match start.checked_add(end) {
        Some(file_end) if file_end <= file.len() => {
            Ok(Described { dtype, shape: row.shape, bytes: start + begin..file_end, name })
        }
        needed => {
            let what = format!("tensor {name:?}");
            let needed = needed.map_or(u64::MAX, |needed| needed as u64);
            Err(CheckpointError::new(Problem::Truncated { what, needed, found: file.len() }))
        }
    }
}

/// Names and rows in their order, which a map would lose; a name that stands there twice is an error.
struct Header(Vec<(String, Row)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Rows)
    }
}

struct Rows;

impl<'de> Visitor<'de> for Rows {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with one entry for each tensor")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Header, M::Error> {
        use serde::de::Error;
        let mut names = std::collections::HashSet::new();
        let mut rows = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(M::Error::custom(format_args!("tensor {name:?} stands there twice")));
            } else if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
            } else {
                let row = map.next_value();
                let row = row
                    .map_err(|error: M::Error| M::Error::custom(format_args!("tensor {name:?}: {error}")))?;
                rows.push((name, row));
            }
        }
        Ok(Header(rows))
    }
}
