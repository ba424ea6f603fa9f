//! What a file seems to be, by its first bytes. Uses nothing of this crate but [`wire`]: the fuzzing of checkpoints compiles it
//! apart.

use std::fmt;

use super::wire::{self, Wire};

/// What a file that is no ONNX model seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LooksLike {
    /// A zip written by `torch.save`, or another zip.
    TorchZip,
    /// A pickle, as `torch.save` wrote before version 1.6.
    Pickle,
    /// A safetensors file.
    Safetensors,
    /// A web page.
    Html,
    /// A git-lfs pointer in place of the file.
    LfsPointer,
    /// A tar archive.
    Tar,
    /// Something compressed: gzip, bzip2, xz or Zstandard.
    Compressed,
    /// A picture.
    Picture,
    /// An HDF5 file, as Keras writes.
    Hdf5,
    /// Nothing known.
    Unknown,
}

/// First bytes of gzip, bzip2, xz, Zstandard.
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];

impl LooksLike {
    /// Judges by the first bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let head = &bytes[..bytes.len().min(512)];
        let text = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_lowercase();
        let starts = |magic: &[u8]| head.starts_with(magic);
        if starts(b"PK\x03\x04") {
            Self::TorchZip
        } else if head.len() > 1 && head[0] == 0x80 && (2..=5).contains(&head[1]) {
            Self::Pickle
        } else if head.get(5..8) == Some(&[0; 3]) && head.get(8..10) == Some(b"{\"") {
            Self::Safetensors
        } else if text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml") {
            Self::Html
        } else if text.starts_with("version https://git-lfs") {
            Self::LfsPointer
        } else if head.get(257..262) == Some(b"ustar") {
            Self::Tar
        } else if COMPRESSED.iter().any(|magic| starts(magic)) {
            Self::Compressed
        } else if starts(b"\x89PNG") || starts(b"\xff\xd8\xff") || starts(b"GIF8") || starts(b"RIFF") {
            Self::Picture
        } else if starts(b"\x89HDF") {
            Self::Hdf5
        } else {
            Self::Unknown
        }
    }

    pub(super) fn hint(self) -> Option<&'static str> {
        match self {
            Self::TorchZip | Self::Pickle | Self::Safetensors => Some("import it first: dear import"),
            Self::Html => Some("download the file itself, not the page that links to it"),
            Self::LfsPointer => Some("fetch the file itself: git lfs pull"),
            Self::Tar | Self::Compressed => Some("unpack it, and give the model that is in it"),
            Self::Picture => Some("give the detector's file (.onnx) here, not an image"),
            Self::Hdf5 => Some("export the network to ONNX first"),
            Self::Unknown => Some("give a detector that dear wrote (.onnx)"),
        }
    }
}

impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TorchZip => "looks like a PyTorch checkpoint or another zip archive",
            Self::Pickle => "looks like an old PyTorch checkpoint (pickle)",
            Self::Safetensors => "looks like a safetensors file",
            Self::Html => "looks like an HTML page",
            Self::LfsPointer => "looks like a git-lfs pointer",
            Self::Tar => "looks like a tar archive",
            Self::Compressed => "looks like a compressed file (gzip, bzip2, xz or Zstandard)",
            Self::Picture => "looks like a picture",
            Self::Hdf5 => "looks like an HDF5 file (Keras)",
            Self::Unknown => "unknown content",
        })
    }
}

/// Whether the file begins as an ONNX model does: with its version, a small number.
pub(crate) fn is_model(file: &[u8]) -> bool {
    let first = wire::fields(file, 0..file.len()).next();
    let Some(Ok(field)) = first else { return false };
    let version = || wire::read_varint(file, field.body.clone()).map(|read| read.0);
    field.number == 1
        && field.wire == Wire::Varint
        && version().is_ok_and(|version| (1..100).contains(&version))
}
