//! Why a file is not taken as a model.

use std::fmt;

use thiserror::Error;

use super::LooksLike;
use crate::architecture::KeyProblems;

/// A file that is no model, a damaged one, or one that breaks the contract. Names the file where it is known.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct ImportError {
    file: String,
    problem: Box<Problem>,
    /// What to do, where the problem alone does not say it.
    hint: Option<String>,
}

/// What is wrong with the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Another kind of file.
    #[error("not an ONNX model ({0})")]
    NotOnnx(LooksLike),
    /// It ends too early.
    #[error("the file ends early: byte {needed} is needed for the {what} at byte {at}, found {found} bytes")]
    Truncated {
        /// The part that is cut.
        what: &'static str,
        /// Where the part begins.
        at: usize,
        /// The number of bytes that the file should at least have.
        needed: u64,
        /// The number of bytes that it has.
        found: usize,
    },
    /// It is no valid protobuf, or not a valid model.
    #[error("damaged at byte {at}: {reason}")]
    Corrupt {
        /// Where.
        at: usize,
        /// What.
        reason: &'static str,
    },
    /// Parts of the model are in other files.
    #[error("tensor \"{tensor}\" is kept in another file, expected one self-contained file")]
    ExternalData {
        /// The tensor.
        tensor: String,
    },
    /// An input, output or tensor is not as the contract says.
    #[error("{subject} is {found}, expected {expected}")]
    Contract {
        /// For example `output "pooled"`.
        subject: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A weight is NaN or infinite.
    #[error("tensor \"{tensor}\" is not finite: element {index} is {value}")]
    NonFinite {
        /// The tensor.
        tensor: String,
        /// Position in the tensor, row-major.
        index: usize,
        /// What is there.
        value: f64,
    },
    /// A checkpoint's tensors are not those of the architecture.
    #[error(transparent)]
    Keys(KeyProblems),
    /// The document `dear` is absent or not understood.
    #[error("metadata \"dear\": {0}")]
    Metadata(String),
}

impl ImportError {
    /// What stands in the place of a file for bytes without a name.
    pub(crate) const UNNAMED: &str = "model";

    pub(crate) fn new(problem: Problem) -> Self {
        Self { file: Self::UNNAMED.to_owned(), problem: Box::new(problem), hint: None }
    }

    pub(crate) fn contract(
        subject: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::new(Problem::Contract {
            subject: subject.into(),
            found: found.into(),
            expected: expected.into(),
        })
    }

    /// The same error, about a file of this name.
    #[must_use]
    pub fn named(mut self, file: impl fmt::Display) -> Self {
        self.file = file.to_string();
        self
    }

    /// The same error with another remedy: the same problem has one in a detector file and another in an import.
    #[must_use]
    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with this remedy, if it is about a checkpoint's names and they say none.
    #[must_use]
    pub(crate) fn or_hint(self, hint: impl FnOnce() -> String) -> Self {
        let open = matches!(&*self.problem, Problem::Keys(problems) if problems.hint.is_none());
        if open && self.hint.is_none() { self.hinted(hint()) } else { self }
    }

    /// The file, or `model` for bytes without a name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// A stable word: `unreadable`, `empty`, `not_onnx`, `truncated`, `corrupt`, `external_data`, `contract`,
    /// `non_finite`, `keys` or `metadata`.
    pub fn kind(&self) -> &'static str {
        match *self.problem {
            Problem::Unreadable(_) => "unreadable",
            Problem::Empty => "empty",
            Problem::NotOnnx(_) => "not_onnx",
            Problem::Truncated { .. } => "truncated",
            Problem::Corrupt { .. } => "corrupt",
            Problem::ExternalData { .. } => "external_data",
            Problem::Contract { .. } => "contract",
            Problem::NonFinite { .. } => "non_finite",
            Problem::Keys(_) => "keys",
            Problem::Metadata(_) => "metadata",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        if let Some(hint) = &self.hint {
            return Some(hint.clone());
        }
        let hint = match &*self.problem {
            Problem::Keys(KeyProblems { hint: Some(hint), .. }) => hint.as_str(),
            Problem::Keys(_) => KeyProblems::UNLIKE,
            Problem::NotOnnx(looks_like) => return looks_like.hint().map(str::to_owned),
            Problem::Empty | Problem::Truncated { .. } | Problem::Corrupt { .. } => {
                "download or copy the file again and compare its sha256"
            }
            Problem::ExternalData { .. } => {
                "save the model into a single file (onnx.save without external data)"
            }
            Problem::Contract { .. } | Problem::Metadata(_) => {
                "this is not a file that dear wrote: import the network first (dear import)"
            }
            Problem::NonFinite { .. } => "the weights are damaged: export or train the network again",
            Problem::Unreadable(_) => "check the path",
        };
        Some(hint.to_owned())
    }
}
