//! Files of weights (`.pth`, `.pt`, `.safetensors`), read without executing anything in them.
//!
//! ```text
//! bytes -> what they are -> zip: archive | before 1.6: legacy -> pickle (a graph; nothing runs) -> state (names, views)
//!                        \-> safetensors                                                       -> tensor (row-major f32)
//! ```
//! The content decides, never the name of the file. A `.pth` is a pickle, which is a program; [`Checkpoint`] builds what the
//! program describes, skips what is no tensor (optimizers, `argparse.Namespace`, classes that nobody has) and calls nothing.
//!
//! **Where the state dict is.** From the outermost dict down: the first of these keys that holds tensors is taken, as often as
//! there is one: `state_dict`, `model_state_dict`, `model`, `net`, `network`, `module`, `weights`, `params`, then the moving
//! averages `state_dict_ema`, `model_state_dict_ema`, `model_ema_state_dict`, `model_ema`, `ema_state_dict`, `ema_model`,
//! `net_ema`, `params_ema`, `ema`. Without one of them, a dict with tensors of its own is the state dict; else the only key that
//! holds tensors is taken; several are an error. [`Checkpoint::open_at`] chooses otherwise, [`Checkpoint::nesting`] says what
//! was taken and [`Checkpoint::passed_over`] what was not. Dicts in the state dict are joined with dots, and so are TorchScript's
//! objects and modules that were saved whole.

mod archive;
mod contents;
mod error;
mod legacy;
mod limits;
mod pickle;
mod safetensors;
mod state;
mod tensor;
mod zip;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;

use contents::{Contents, Entry, Place};
pub use error::{CheckpointError, Problem};
use limits::Limits;
use tensor::View;
pub use tensor::{Dtype, Tensor};

use crate::files::{sha256_hex, without_path};

/// How the file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `torch.save` since PyTorch 1.6.
    TorchZip,
    /// `torch.save` before, or with `_use_new_zipfile_serialization=False`.
    TorchLegacy,
    /// `torch.jit.save`.
    TorchScript,
    /// `safetensors`.
    Safetensors,
}

impl Format {
    /// A word for records: `torch-zip`, `torch-legacy`, `torchscript` or `safetensors`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TorchZip => "torch-zip",
            Self::TorchLegacy => "torch-legacy",
            Self::TorchScript => "torchscript",
            Self::Safetensors => "safetensors",
        }
    }
}

/// Weights by name. Holds the bytes of the file; a tensor is converted when it is asked for.
pub struct Checkpoint {
    /// For errors.
    file: String,
    bytes: Vec<u8>,
    sha256: String,
    contents: Contents,
    /// Of a name among the entries.
    positions: HashMap<String, usize>,
}

impl Checkpoint {
    /// Reads a file. Fails on a file that is none of the formats, is damaged, or holds no state dict; on a tensor that is sparse
    /// or quantized, or whose numbers are not in the file. The numbers themselves are looked at by [`Checkpoint::tensor`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        Self::open_file(path.as_ref(), None)
    }

    /// [`Checkpoint::open`], with the state dict under `key`: a key of the outermost dict, or keys with dots between them. The
    /// empty key takes the outermost dict itself, with everything below.
    pub fn open_at(path: impl AsRef<Path>, key: &str) -> Result<Self, CheckpointError> {
        Self::open_file(path.as_ref(), Some(key))
    }

    /// [`Checkpoint::open`] for bytes in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, CheckpointError> {
        Self::read(bytes, None, &Limits::default())
    }

    fn open_file(path: &Path, key: Option<&str>) -> Result<Self, CheckpointError> {
        let file = path.display().to_string();
        let unreadable = |error| CheckpointError::new(Problem::Unreadable(without_path(&error)));
        let bytes = match fs_err::metadata(path) {
            Ok(metadata) if !metadata.is_file() => Err(CheckpointError::new(Problem::NoFile)),
            _ => fs_err::read(path).map_err(unreadable),
        };
        let checkpoint = bytes.and_then(|bytes| Self::read(bytes, key, &Limits::default()));
        match checkpoint {
            Ok(checkpoint) => Ok(Self { file, ..checkpoint }),
            Err(error) => Err(error.named(file)),
        }
    }

    fn read(bytes: Vec<u8>, key: Option<&str>, limits: &Limits) -> Result<Self, CheckpointError> {
        let contents = Contents::read(&bytes, key, limits)?;
        let names = contents.entries.iter().enumerate();
        Ok(Self {
            file: "checkpoint".to_owned(),
            positions: names.map(|(position, entry)| (entry.name.clone(), position)).collect(),
            sha256: sha256_hex(&bytes),
            bytes,
            contents,
        })
    }

    /// What the file is.
    pub fn format(&self) -> Format {
        self.contents.format
    }

    /// The key under which the state dict was found (`model`, `state_dict`, or several with dots between them); None for a bare
    /// one.
    pub fn nesting(&self) -> Option<&str> {
        self.contents.nesting.as_deref()
    }

    /// Other keys that hold tensors by name, which were not taken.
    pub fn passed_over(&self) -> &[String] {
        &self.contents.passed_over
    }

    /// Of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Names of the tensors, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.contents.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Empty for a single number.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entry(name).map(|entry| entry.shape.as_slice())
    }

    /// The type in the file.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.entry(name).map(|entry| entry.dtype)
    }

    /// A tensor as row-major f32, whatever its strides are in the file. f16 and bf16 are exact, f64 and integers become the
    /// nearest f32, and bool 0 or 1. Fails on complex numbers and f8, and on a value that is not a finite f32.
    pub fn tensor(&self, name: &str) -> Result<Tensor, CheckpointError> {
        let tensor = match self.entry(name) {
            Some(entry) => self.converted(entry),
            None => Err(CheckpointError::new(Problem::NoSuchTensor { tensor: name.to_owned() })),
        };
        tensor.map_err(|error| error.named(&self.file))
    }

    fn converted(&self, entry: &Entry) -> Result<Tensor, CheckpointError> {
        let bytes = match &entry.place {
            Place::File(range) => &self.bytes[range.clone()],
            Place::Inflated(index) => &self.contents.inflated[*index],
        };
        let Entry { name, dtype, shape, strides, offset, .. } = entry;
        let view = View { bytes, dtype: *dtype, shape, strides, offset: *offset };
        Ok(Tensor { shape: shape.clone(), data: view.to_f32(name)? })
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.positions.get(name).map(|&position| &self.contents.entries[position])
    }
}
