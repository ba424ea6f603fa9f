//! What `torch.save` wrote before 1.6, and still writes when asked: five pickles, then the raw storages.
//!
//! ```text
//! magic number | protocol version | the machine | the object | keys of the storages | (u64 count, elements) for each key
//! ```

use std::collections::HashMap;
use std::ops::Range;

use super::error::{CheckpointError, Problem};
use super::limits::Limits;
use super::pickle::{Graph, Node};
use super::state;

/// 0x1950a86a20f9469cfc6c, little-endian, as `torch.serialization` has it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The object's pickle, and where in the file the storages lie.
#[derive(Debug)]
pub(super) struct Legacy<'f> {
    pub(super) graph: Graph<'f>,
    pub(super) storages: HashMap<String, Range<usize>>,
}

/// Whether the file begins with the magic number.
pub(super) fn is_legacy(file: &[u8]) -> bool {
    // A number, and nothing else, in a handful of instructions.
    let head = &file[..file.len().min(64)];
    Graph::read(head, 0, 4)
        .is_ok_and(|graph| matches!(graph.node(graph.root), Node::Long(number) if *number == MAGIC))
}

/// Takes the file apart. It must begin with the magic number.
pub(super) fn read<'f>(file: &'f [u8], limits: &Limits) -> Result<Legacy<'f>, CheckpointError> {
    let magic = Graph::read(file, 0, limits.objects)?;
    let version = Graph::read(file, magic.end, limits.objects)?;
    let wrong =
        |at: usize, reason: &str| CheckpointError::new(Problem::Pickle { at, reason: reason.to_owned() });
    if version.int(version.root) != Some(1001) {
        return Err(wrong(magic.end, "the version of the format is not 1001"));
    }
    let machine = Graph::read(file, version.end, limits.objects)?;
    if let Node::Dict(items) = machine.node(machine.root) {
        let is_little = |&(key, value): &_| {
            machine.text(key) != Some(b"little_endian") || !matches!(machine.node(value), Node::Bool(false))
        };
        if !items.iter().all(is_little) {
            return Err(CheckpointError::new(Problem::BigEndian));
        }
    }
    let graph = Graph::read(file, machine.end, limits.objects)?;
    let keys = Graph::read(file, graph.end, limits.objects)?;
    let listed = keys.elements(keys.root);
    let listed = listed.ok_or_else(|| wrong(graph.end, "the keys of the storages are no list"))?;

    let sizes = sizes(&graph);
    let mut storages = HashMap::new();
    let mut at = keys.end;
    for &key in listed {
        let key = keys.text(key).ok_or_else(|| wrong(graph.end, "the key of a storage is no text"))?;
        let key = String::from_utf8_lossy(key).into_owned();
        let Some(&size) = sizes.get(&key) else {
            return Err(wrong(graph.end, "the list of storages has one that the object does not have"));
        };
        let count = take(file, &mut at, 8, "the size of a storage")?;
        let count = u64::from_le_bytes(file[count].try_into().expect("eight bytes were taken"));
        let bytes =
            usize::try_from(count).ok().and_then(|count| count.checked_mul(size)).unwrap_or(usize::MAX);
        storages.insert(key, take(file, &mut at, bytes, "a storage")?);
    }
    Ok(Legacy { graph, storages })
}

/// Bytes of an element, for each storage.
fn sizes(graph: &Graph<'_>) -> HashMap<String, usize> {
    let storages = graph.references().filter_map(|reference| state::storage(graph, reference).ok().flatten());
    storages.map(|storage| (storage.key, storage.dtype.map_or(1, |dtype| dtype.size()))).collect()
}

fn take(file: &[u8], at: &mut usize, bytes: usize, what: &str) -> Result<Range<usize>, CheckpointError> {
    let range = *at..at.saturating_add(bytes);
    if range.end > file.len() {
        let needed = range.end as u64;
        return Err(CheckpointError::new(Problem::Truncated {
            what: what.to_owned(),
            needed,
            found: file.len(),
        }));
    }
    *at = range.end;
    Ok(range)
}
