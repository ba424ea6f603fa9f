//! Why a file is not taken as a checkpoint, each reason with its own message and remedy.

use std::fmt;

use thiserror::Error;

use super::Dtype;
use crate::backbone::LooksLike;

/// A file that is no checkpoint, a damaged one, or one with weights that cannot be used. Names the file where it is known.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct CheckpointError {
    file: String,
    problem: Box<Problem>,
}

/// What is wrong with the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// A folder or a device.
    #[error("no regular file, expected a checkpoint")]
    NoFile,
    /// Nothing in it.
    #[error("the file is empty, expected a checkpoint")]
    Empty,
    /// Another kind of file.
    #[error("not a checkpoint ({0}), expected .pth or .safetensors")]
    NotACheckpoint(LooksLike),
    /// An ONNX file.
    #[error("an ONNX model already, expected a checkpoint")]
    Onnx,
    /// Written by PyTorch before version 0.1.10.
    #[error("a PyTorch checkpoint in the tar format of before 0.1.10, expected a later format")]
    TorchTar,
    /// TorchScript as it was before PyTorch 1.4.
    #[error("a TorchScript archive of before PyTorch 1.4 (model.json), expected a later one")]
    OldTorchScript,
    /// What `torch.export.save` writes.
    #[error("a torch.export archive (.pt2), expected a state dict")]
    TorchExport,
    /// A zip that begins as one and has no directory at its end.
    #[error("a cut zip: no central directory in its {size} bytes")]
    CutZip {
        /// Bytes of the file.
        size: usize,
    },
    /// A zip whose directory or member is damaged.
    #[error("a damaged zip: {0}")]
    DamagedZip(String),
    /// A zip of something else.
    #[error("a zip, but not one that torch.save wrote (no data.pkl; it holds {found})")]
    NotTorchZip {
        /// Some names in it.
        found: String,
    },
    /// A pickle of something else.
    #[error("a pickle, but not one that torch.save wrote")]
    PlainPickle,
    /// The file ends inside of a part.
    #[error("the file ends early: {what} needs byte {needed}, found {found} bytes")]
    Truncated {
        /// The part that is cut.
        what: String,
        /// The number of bytes that the file should at least have.
        needed: u64,
        /// The number of bytes that it has.
        found: usize,
    },
    /// A pickle that does not make sense.
    #[error("damaged pickle at byte {at}: {reason}")]
    Pickle {
        /// Byte within the pickle.
        at: usize,
        /// What.
        reason: String,
    },
    /// An instruction that no checkpoint of PyTorch has.
    #[error(
        "pickle instruction 0x{opcode:02x} at byte {at} is not understood, expected pickle protocol 2 to 5"
    )]
    Opcode {
        /// Byte within the pickle.
        at: usize,
        /// The instruction.
        opcode: u8,
    },
    /// Written on a big-endian machine.
    #[error("the weights are big-endian, expected little-endian")]
    BigEndian,
    /// More than is read.
    #[error("too {what}: more than {limit}")]
    Limit {
        /// For example `many objects in the pickle`.
        what: &'static str,
        /// The largest number that is read.
        limit: u64,
    },
    /// The header of a safetensors file.
    #[error("safetensors header: {0}")]
    Header(String),
    /// A name twice.
    #[error("tensor {tensor:?} stands in the file twice")]
    Duplicate {
        /// The tensor.
        tensor: String,
    },
    /// No state dict was found.
    #[error("no tensors inside: found {found}, expected a state dict")]
    NoTensors {
        /// What the file holds, and its keys.
        found: String,
    },
    /// Several state dicts under names that say nothing.
    #[error("state dicts under {}, expected one", quoted(.keys))]
    Ambiguous {
        /// Their keys.
        keys: Vec<String>,
    },
    /// The key that was asked for.
    #[error("no state dict under {key:?}, found {}", quoted(.found))]
    NoSuchKey {
        /// The key.
        key: String,
        /// Keys that hold tensors.
        found: Vec<String>,
    },
    /// No tensor has this name.
    #[error("no tensor {tensor:?} in the checkpoint")]
    NoSuchTensor {
        /// The name.
        tensor: String,
    },
    /// Sparse, quantized, or of a subclass.
    #[error("tensor {tensor:?} is {found}, expected a dense tensor")]
    Kind {
        /// The tensor.
        tensor: String,
        /// What it is.
        found: String,
    },
    /// Its shape, stride or offset make no sense.
    #[error("tensor {tensor:?}: {reason}")]
    Geometry {
        /// The tensor.
        tensor: String,
        /// What.
        reason: String,
    },
    /// The file lacks its numbers.
    #[error("tensor {tensor:?}: its storage {storage:?} is not in the file")]
    NoStorage {
        /// The tensor.
        tensor: String,
        /// The name of the storage.
        storage: String,
    },
    /// It reaches over the end of its storage.
    #[error("tensor {tensor:?} needs {needed} elements of its storage {storage:?}, which has {found}")]
    Outside {
        /// The tensor.
        tensor: String,
        /// The name of the storage.
        storage: String,
        /// Elements up to its last one.
        needed: u64,
        /// Elements that are there.
        found: u64,
    },
    /// A type that does not become f32.
    #[error("tensor {tensor:?} is {}, expected a float or an integer", .found.as_str())]
    Type {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: Dtype,
    },
    /// A weight is NaN, infinite, or too large for f32.
    #[error("tensor {tensor:?}: element {index} is {value}, expected a finite f32")]
    NonFinite {
        /// The tensor.
        tensor: String,
        /// Position in the tensor, row-major.
        index: usize,
        /// What is there.
        value: f64,
    },
}

impl CheckpointError {
    pub(crate) fn new(problem: Problem) -> Self {
        Self { file: "checkpoint".to_owned(), problem: Box::new(problem) }
    }

    /// The same error, about a file of this name.
    #[must_use]
    pub fn named(mut self, file: impl fmt::Display) -> Self {
        self.file = file.to_string();
        self
    }

    /// The file, or `checkpoint` for bytes without a name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The machine's fault, not the file's.
    pub fn is_environment(&self) -> bool {
        matches!(&*self.problem, Problem::Unreadable(error) if error.kind() != std::io::ErrorKind::NotFound)
    }

    /// A stable word, one for each variant of [`Problem`].
    pub fn kind(&self) -> &'static str {
        match *self.problem {
            Problem::Unreadable(_) => "unreadable",
            Problem::NoFile => "no_file",
            Problem::Empty => "empty",
            Problem::NotACheckpoint(_) => "not_a_checkpoint",
            Problem::Onnx => "onnx",
            Problem::TorchTar => "torch_tar",
            Problem::OldTorchScript => "old_torch_script",
            Problem::TorchExport => "torch_export",
            Problem::CutZip { .. } => "cut_zip",
            Problem::DamagedZip(_) => "damaged_zip",
            Problem::NotTorchZip { .. } => "not_torch_zip",
            Problem::PlainPickle => "plain_pickle",
            Problem::Truncated { .. } => "truncated",
            Problem::Pickle { .. } => "pickle",
            Problem::Opcode { .. } => "opcode",
            Problem::BigEndian => "big_endian",
            Problem::Limit { .. } => "limit",
            Problem::Header(_) => "header",
            Problem::Duplicate { .. } => "duplicate",
            Problem::NoTensors { .. } => "no_tensors",
            Problem::Ambiguous { .. } => "ambiguous",
            Problem::NoSuchKey { .. } => "no_such_key",
            Problem::NoSuchTensor { .. } => "no_such_tensor",
            Problem::Kind { .. } => "kind",
            Problem::Geometry { .. } => "geometry",
            Problem::NoStorage { .. } => "no_storage",
            Problem::Outside { .. } => "outside",
            Problem::Type { .. } => "type",
            Problem::NonFinite { .. } => "non_finite",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        let again = "download or copy the file again and compare its sha256";
        let resave =
            "load it in PyTorch and save the weights: torch.save(model.state_dict(), \"weights.pth\")";
        match &*self.problem {
            Problem::Unreadable(_) => "check the path and its permissions",
            Problem::NoFile => "name the file itself",
            Problem::Empty | Problem::CutZip { .. } | Problem::DamagedZip(_) | Problem::Truncated { .. } => again,
            Problem::Pickle { .. } | Problem::Geometry { .. } => again,
            Problem::NoStorage { .. } | Problem::Outside { .. } => again,
            Problem::NotACheckpoint(looks_like) => match looks_like {
                LooksLike::Html => "download the file itself, not the page that links to it",
                LooksLike::LfsPointer => "fetch the file itself: git lfs pull",
                LooksLike::Tar | LooksLike::Compressed => "unpack it, and give the checkpoint that is in it",
                LooksLike::Picture => "give the checkpoint here, not an image",
                LooksLike::Hdf5 => "export the network to ONNX from Keras (tf2onnx)",
                _ => "give a file that torch.save, torch.jit.save or safetensors wrote",
            },
            Problem::Onnx => "use it as it is, if dear wrote it (--detector); one of others is imported with --arch onnx",
            Problem::TorchTar | Problem::OldTorchScript | Problem::Opcode { .. } | Problem::BigEndian => resave,
            Problem::TorchExport => {
                "save the weights with torch.save in PyTorch: torch.save(model.state_dict(), \"weights.pth\")"
            }
            Problem::PlainPickle => {
                "it is never unpickled here; load it where it comes from and write it with torch.save or safetensors"
            }
            Problem::NotTorchZip { .. } => "unpack the zip, and give the checkpoint that is in it",
            Problem::Limit { .. } => "save the weights alone: torch.save(model.state_dict(), \"weights.pth\")",
            Problem::Header(_) | Problem::Duplicate { .. } => {
                "write the file again with a current version of safetensors or torch.save"
            }
            Problem::NoTensors { .. } => resave,
            Problem::NoSuchKey { found, .. } if found.is_empty() => "the file is a bare state dict: leave --key out",
            Problem::Ambiguous { .. } | Problem::NoSuchKey { .. } => "name the key that holds the weights: --key NAME",
            Problem::NoSuchTensor { .. } => "Checkpoint::names lists the tensors",
            Problem::Kind { found, .. } if found.contains("device meta") => {
                "it was saved before its weights were loaded: load them in PyTorch and save the state dict again"
            }
            Problem::Kind { found, .. } if found.contains("negated") => {
                "make it plain in PyTorch (.resolve_conj(), .resolve_neg()) and save the state dict again"
            }
            Problem::Kind { .. } => "convert it in PyTorch (.dequantize(), .to_dense()) and save the state dict again",
            Problem::Type { .. } => "convert it to float32 in PyTorch and save the state dict again",
            Problem::NonFinite { .. } => "the weights are damaged: get or train them again",
        }
        .to_owned()
    }
}

fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names {
        [] => "none".to_owned(),
        _ => {
            let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
            let more = if names.len() > SHOWN {
                format!(" and {} more", names.len() - SHOWN)
            } else {
                String::new()
            };
            format!("{}{more}", shown.join(", "))
        }
    }
}
