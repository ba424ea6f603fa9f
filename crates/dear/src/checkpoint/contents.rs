//! From the bytes of a file to its tensors: which format it is, and where the numbers of each tensor lie.

use std::collections::HashMap;
use std::ops::Range;

use super::archive::{Archive, Content};
use super::error::{CheckpointError, Problem};
use super::limits::Limits;
use super::pickle::Graph;
use super::state::{self, Described, Found, Storage};
use super::tensor::{Dtype, View};
use super::{Format, legacy, safetensors};
use crate::backbone::{LooksLike, looks_like};

/// Everything that a checkpoint is but for the bytes of the file.
pub(super) struct Contents {
    pub(super) format: Format,
    pub(super) nesting: Option<String>,
    pub(super) passed_over: Vec<String>,
    pub(super) entries: Vec<Entry>,
    /// Parts of the file that were compressed in it.
    pub(super) inflated: Vec<Vec<u8>>,
}

/// A tensor in the file. Its view lies within its bytes.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) offset: usize,
    pub(super) place: Place,
}

/// Where the bytes of a storage are.
#[derive(Clone)]
pub(super) enum Place {
    File(Range<usize>),
    Inflated(usize),
}

impl Contents {
    /// Takes a file apart, by what is in it. `key` is a choice of where the state dict is.
    pub(super) fn read(file: &[u8], key: Option<&str>, limits: &Limits) -> Result<Self, CheckpointError> {
        if file.is_empty() {
            return Err(CheckpointError::new(Problem::Empty));
        } else if file.starts_with(b"PK\x03\x04") {
            return zipped(file, key, limits);
        } else if safetensors::is_safetensors(file) {
            return flat(file, key, limits);
        } else if legacy::is_legacy(file) {
            return before_zip(file, key, limits);
        }
        Err(CheckpointError::new(match LooksLike::of(file) {
            LooksLike::Pickle => Problem::PlainPickle,
            LooksLike::Tar if is_torch_tar(file) => Problem::TorchTar,
            LooksLike::Unknown if looks_like::is_model(file) => Problem::Onnx,
            looks_like => Problem::NotACheckpoint(looks_like),
        }))
    }
}

fn zipped(file: &[u8], key: Option<&str>, limits: &Limits) -> Result<Contents, CheckpointError> {
    let mut archive = Archive::open(file, limits)?;
    archive.check_byte_order()?;
    let pickle = archive.pickle()?;
    let graph = Graph::read(&pickle, 0, limits.objects)?;
    let found = state::find(&graph, key, limits)?;

    let mut inflated = Vec::new();
    let mut places: HashMap<String, Option<(Place, usize)>> = HashMap::new();
    let format = if archive.is_script() { Format::TorchScript } else { Format::TorchZip };
    Contents::place(format, found, file.len(), limits, &mut |storage| {
        if let Some(place) = places.get(&storage.key) {
            return Ok(place.clone());
        }
        let place = archive.content(&format!("data/{}", storage.key))?.map(|content| match content {
            Content::Stored(range) => (Place::File(range.clone()), range.len()),
            Content::Inflated(bytes) => {
                let length = bytes.len();
                inflated.push(bytes);
                (Place::Inflated(inflated.len() - 1), length)
            }
        });
        places.insert(storage.key.clone(), place.clone());
        Ok(place)
    })
    .map(|contents| Contents { inflated, ..contents })
}

fn before_zip(file: &[u8], key: Option<&str>, limits: &Limits) -> Result<Contents, CheckpointError> {
    let legacy::Legacy { graph, storages } = legacy::read(file, limits)?;
    let found = state::find(&graph, key, limits)?;
    Contents::place(Format::TorchLegacy, found, file.len(), limits, &mut |storage| {
        Ok(storages.get(&storage.key).map(|range| (Place::File(range.clone()), range.len())))
    })
}

fn flat(file: &[u8], key: Option<&str>, limits: &Limits) -> Result<Contents, CheckpointError> {
    let tensors = safetensors::read(file, limits)?;
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        return Err(CheckpointError::new(Problem::NoSuchKey { key: key.to_owned(), found: Vec::new() }));
    } else if tensors.is_empty() {
        let found = "a safetensors file with an empty header".to_owned();
        return Err(CheckpointError::new(Problem::NoTensors { found }));
    }
    let entry = |tensor: safetensors::Described| Entry {
        strides: row_major(&tensor.shape),
        name: tensor.name,
        dtype: tensor.dtype,
        shape: tensor.shape,
        offset: 0,
        place: Place::File(tensor.bytes),
    };
    Ok(Contents {
        format: Format::Safetensors,
        nesting: None,
        passed_over: Vec::new(),
        entries: tensors.into_iter().map(entry).collect(),
        inflated: Vec::new(),
    })
}

/// Strides of a shape whose product is known to fit.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut step = 1_usize;
    let mut strides: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let stride = step;
            step = step.saturating_mul(size);
            stride
        })
        .collect();
    strides.reverse();
    strides
}

type FindPlace<'a> = dyn FnMut(&Storage) -> Result<Option<(Place, usize)>, CheckpointError> + 'a;

impl Contents {
    /// Looks up the bytes of each tensor and checks that it lies within them.
    fn place(
        format: Format,
        found: Found,
        file: usize,
        limits: &Limits,
        find: &mut FindPlace<'_>,
    ) -> Result<Self, CheckpointError> {
        let entries = found.tensors.into_iter().map(|tensor| placed(tensor, file, limits, find));
        let entries = entries.collect::<Result<_, _>>()?;
        let Found { nesting, passed_over, .. } = found;
        Ok(Self { format, nesting, passed_over, entries, inflated: Vec::new() })
    }
}

fn placed(
    tensor: Described,
    file: usize,
    limits: &Limits,
    find: &mut FindPlace<'_>,
) -> Result<Entry, CheckpointError> {
    let Described { name, dtype, shape, strides, offset, storage } = tensor;
    let Some((place, bytes)) = find(&storage)? else {
        return Err(CheckpointError::new(Problem::NoStorage { tensor: name, storage: storage.key }));
    };
    let found = bytes / dtype.size();
    let too_far = |needed: u64| {
        Err(CheckpointError::new(Problem::Outside {
            tensor: name.clone(),
            storage: storage.key.clone(),
            needed,
            found: found as u64,
        }))
    };
    // What the pickle says of the storage is a promise, too: a shorter one was cut.
    let promised = storage.elements.saturating_mul(storage.dtype.map_or(1, Dtype::size) as u64);
    if storage.begins == 0 && promised > bytes as u64 {
        return too_far(promised / dtype.size() as u64);
    }
    let begins = usize::try_from(storage.begins).unwrap_or(usize::MAX);
    let Some(offset) = offset.checked_add(begins) else { return too_far(u64::MAX) };
    match View::needed(&shape, &strides, offset) {
        Some(needed) if needed <= found => {}
        needed => return too_far(needed.map_or(u64::MAX, |needed| needed as u64)),
    }
    // A stride of 0 makes any size of one element.
    let size = match shape.contains(&0) {
        true => Some(0),
        false => shape.iter().try_fold(size_of::<f32>(), |size, &side| size.checked_mul(side)),
    };
    if size.is_none_or(|size| size > limits.grown(file)) {
        let reason = format!(
            "{shape:?} elements are expanded from fewer, which is more than {} bytes",
            limits.grown(file)
        );
        return Err(CheckpointError::new(Problem::Geometry { tensor: name, reason }));
    }
    Ok(Entry { name, dtype, shape, strides, offset, place })
}

/// The first member of a file that PyTorch wrote before 0.1.10 is one of these.
fn is_torch_tar(file: &[u8]) -> bool {
    ["sys_info", "pickle", "storages", "tensors"]
        .iter()
        .any(|name| file.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0)))
}
