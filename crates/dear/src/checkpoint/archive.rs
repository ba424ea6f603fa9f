//! What is in the zip that `torch.save` (since 1.6) and `torch.jit.save` write: `NAME/data.pkl` and `NAME/data/KEY`.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use flate2::read::DeflateDecoder;

use super::error::{CheckpointError, Problem};
use super::limits::Limits;
use super::zip::{Member, Zip};

/// An opened zip with the folder that everything is in.
pub(super) struct Archive<'f> {
    zip: Zip<'f>,
    /// With its slash; empty where there is no folder.
    folder: String,
    /// Bytes that compressed members may still become.
    growth_left: usize,
}

/// A member's bytes.
pub(super) enum Content {
    /// Where they lie in the file.
    Stored(Range<usize>),
    /// Once decompressed.
    Inflated(Vec<u8>),
}

impl<'f> Archive<'f> {
    pub(super) fn open(file: &'f [u8], limits: &Limits) -> Result<Self, CheckpointError> {
        let zip = Zip::read(file)?;
        // The outermost one.
        let folders = zip.names().filter_map(|name| name.strip_suffix("data.pkl"));
        let folders = folders.filter(|folder| folder.is_empty() || folder.ends_with('/'));
        match folders.min_by_key(|folder| folder.len()).map(str::to_owned) {
            Some(folder) => Ok(Self { folder, growth_left: limits.grown(file.len()), zip }),
            None => Err(CheckpointError::new(what_else(&zip))),
        }
    }

    /// Whether `torch.jit.save` wrote it.
    pub(super) fn is_script(&self) -> bool {
        self.zip.member(&format!("{}constants.pkl", self.folder)).is_some()
    }

    /// The pickle of the object that was saved.
    pub(super) fn pickle(&mut self) -> Result<Cow<'f, [u8]>, CheckpointError> {
        let missing = || CheckpointError::new(Problem::DamagedZip("data.pkl is not there".to_owned()));
        Ok(match self.content("data.pkl")?.ok_or_else(missing)? {
            Content::Stored(range) => Cow::Borrowed(&self.zip.file()[range]),
            Content::Inflated(bytes) => Cow::Owned(bytes),
        })
    }

    /// Fails where the file says that its numbers are big-endian. Before PyTorch 2.1 it says nothing.
    pub(super) fn check_byte_order(&mut self) -> Result<(), CheckpointError> {
        let big = match self.content("byteorder")? {
            Some(Content::Stored(range)) => self.zip.file()[range].starts_with(b"big"),
            Some(Content::Inflated(bytes)) => bytes.starts_with(b"big"),
            None => false,
        };
        if big { Err(CheckpointError::new(Problem::BigEndian)) } else { Ok(()) }
    }

    /// A member of the folder, with its checksum compared; None where there is none of this name.
    pub(super) fn content(&mut self, name: &str) -> Result<Option<Content>, CheckpointError> {
        let damaged = |what: &str| CheckpointError::new(Problem::DamagedZip(format!("{name:?} {what}")));
        let Some(member) = self.zip.member(&format!("{}{name}", self.folder)) else { return Ok(None) };
        let Member { method, is_encrypted, crc, size, .. } = *member;
        let range = self.zip.data(member).ok_or_else(|| damaged("reaches over the end of the file"))?;
        let stored = &self.zip.file()[range.clone()];
        let content = match method {
            _ if is_encrypted => return Err(damaged("is encrypted")),
            0 if stored.len() as u64 == size => Content::Stored(range),
            8 => Content::Inflated(
                inflate(stored, size, self.growth_left)?
                    .ok_or_else(|| damaged("does not decompress to the size that the zip says"))?,
            ),
            0 => return Err(damaged("has two sizes")),
            _ => {
                return Err(damaged(&format!("is compressed by method {method}, expected 0 or 8 (deflate)")));
            }
        };
        let bytes = match &content {
            Content::Stored(_) => stored,
            Content::Inflated(bytes) => {
                self.growth_left -= bytes.len();
                bytes
            }
        };
        // 0 where PyTorch was told to compute none (`torch.serialization.set_crc32_options`).
        if crc != 0 && crc32fast::hash(bytes) != crc {
            return Err(damaged("does not have the checksum that the zip says"));
        }
        Ok(Some(content))
    }
}

/// Decompresses to exactly `size` bytes; None where it does not.
fn inflate(compressed: &[u8], size: u64, limit: usize) -> Result<Option<Vec<u8>>, CheckpointError> {
    if size > limit as u64 {
        let limit = limit as u64;
        return Err(CheckpointError::new(Problem::Limit { what: "many bytes once decompressed", limit }));
    }
    let mut bytes = Vec::new();
    // One byte more than it says, so that a wrong size is seen.
    let read = DeflateDecoder::new(compressed).take(size + 1).read_to_end(&mut bytes);
    Ok(read.is_ok_and(|read| read as u64 == size).then_some(bytes))
}

fn what_else(zip: &Zip<'_>) -> Problem {
    const SHOWN: usize = 4;
    let is_export = |name: &str| {
        // `NAME/archive_format` and `NAME/models/model.json`; before PyTorch 2.7 another list.
        let last = name.rsplit('/').next().unwrap_or_default();
        matches!(last, "archive_format" | "serialized_exported_program.json")
            || name.ends_with("/models/model.json")
    };
    if zip.names().any(is_export) {
        return Problem::TorchExport;
    }
    if zip.names().any(|name| name == "model.json" || name.ends_with("/model.json")) {
        return Problem::OldTorchScript;
    }
    let mut names: Vec<String> = zip.names().map(|name| format!("{name:?}")).collect();
    names.sort_unstable();
    names.truncate(SHOWN);
    Problem::NotTorchZip { found: if names.is_empty() { "nothing".to_owned() } else { names.join(", ") } }
}
