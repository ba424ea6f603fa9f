//! What is wrong with a chain, and where.

/// Why a text is no chain, or a chain cannot be applied to an image. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The text does not follow the grammar.
    #[error("chain, position {position}: found {found}, expected {expected}")]
    Syntax {
        /// Where.
        position: usize,
        /// What stands there.
        found: String,
        /// What could.
        expected: String,
    },
    /// No step has this name.
    #[error("chain, position {position}: unknown step {found:?}, known are {known}")]
    UnknownStep {
        /// Where.
        position: usize,
        /// The name.
        found: String,
        /// The known name that is most like it.
        nearest: &'static str,
        /// All names.
        known: String,
    },
    /// A step has this argument wrong, twice, or not at all.
    #[error("chain, position {position}: {step} argument {argument} is {found}, expected {expected}")]
    Argument {
        /// Where.
        position: usize,
        /// The step's name.
        step: &'static str,
        /// The argument's name, or its text where it has none.
        argument: String,
        /// What was found.
        found: String,
        /// The allowed range or words.
        expected: String,
    },
    /// The chain is right and the image does not fit it.
    #[error("chain step {step} on {width} x {height}: {detail}")]
    Apply {
        /// The step's name.
        step: &'static str,
        /// Columns of its input.
        width: u32,
        /// Rows of its input.
        height: u32,
        /// What went wrong.
        detail: String,
    },
}

impl ChainError {
    /// `syntax`, `unknown_step`, `argument` or `apply`.
    pub fn kind(&self) -> &'static str {
        match self {
            ChainError::Syntax { .. } => "syntax",
            ChainError::UnknownStep { .. } => "unknown_step",
            ChainError::Argument { .. } => "argument",
            ChainError::Apply { .. } => "apply",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ChainError::UnknownStep { found, .. } if found == "clean" => {
                Some("`clean` stands alone: it is the chain without steps".to_owned())
            }
            ChainError::UnknownStep { nearest, .. } => Some(format!("did you mean {nearest:?}?")),
            ChainError::Syntax { .. } => {
                Some("a chain reads like `resize(0.5, bicubic) | jpeg(50..95, p=0.5)`".to_owned())
            }
            _ => None,
        }
    }
}
