//! What can end a run: one error over the typed errors of the steps, with what to do about it and whose fault it is.

use crate::backbone::ImportError;
use crate::bootstrap::BootstrapError;
use crate::calibrate::CalibrateError;
use crate::checkpoint::CheckpointError;
use crate::columns::ColumnsError;
use crate::dataset::DatasetError;
use crate::detector::DetectorError;
use crate::fragility::FragilityError;
use crate::gate::GateError;
use crate::generator::GeneratorError;
use crate::head::TrainError;
use crate::head::bias::BiasError;
use crate::probe::ProgramError;
use crate::rad::RadError;
use crate::registry::PullError;
use crate::scan::CacheError;
use crate::view::ViewError;

/// Why a run of several steps ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The observer asked for a stop. What was finished is kept; the same command goes on from there.
    #[error("interrupted")]
    Interrupted,
    /// Stopped by the observer, in work of which nothing is kept.
    #[error("interrupted")]
    Abandoned,
    /// Reading or writing a file; the message names it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A dataset's folders.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A file of weights.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A detector file, or its engine.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// A generator file, or its engine.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// Dissect.
    #[error(transparent)]
    Rad(#[from] RadError),
    /// How far channels move under a perturbation.
    #[error(transparent)]
    Fragility(#[from] FragilityError),
    /// Prune.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Refine.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The bias baseline.
    #[error(transparent)]
    Bias(#[from] BiasError),
    /// Intervals.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// A file of rows: a manifest, or scores.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// Probability and threshold.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    /// The program that was to fill probes.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A published checkpoint that was not pulled.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// A cache of scan records that cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A set of probes that cannot be used.
    #[error("{message}")]
    Probes {
        /// One line.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Images of which too few could be read or are there.
    #[error("{message}")]
    Images {
        /// One line.
        message: String,
        /// What to do.
        hint: String,
    },
    /// An import that lacks a decision.
    #[error("{message}")]
    Import {
        /// One line.
        message: String,
        /// What to do.
        hint: String,
    },
    /// An address that cannot be listened on.
    #[error("{address}: {problem}")]
    Listen {
        /// Of a socket.
        address: std::net::SocketAddr,
        /// Of the system.
        problem: std::io::Error,
    },
    /// A view that is none.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A recipe with an unknown or ill-typed option, or one outside its range.
    #[error("{0}")]
    Recipe(String),
    /// An option outside its range, or a file of options or results that does not parse.
    #[error("{0}")]
    Options(String),
}

impl From<ImportError> for Error {
    fn from(error: ImportError) -> Self {
        Self::Detector(error.into())
    }
}

/// Whose move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// The input or its use is wrong: exit code 2.
    Input,
    /// The machine lacks something (engine, disk, permission): exit code 3.
    Environment,
    /// Stopped on request: exit code 130.
    Interrupted,
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Interrupted => Some("run the same command again; finished steps are not done twice".to_owned()),
            Self::Abandoned => Some("nothing is kept of this work: the same command starts from the beginning".to_owned()),
            Self::Io(error) => io_hint(error),
            Self::Dataset(error) => error.hint(),
            Self::Checkpoint(error) => Some(error.hint()),
            Self::Detector(error) => error.hint(),
            Self::Generator(error) => error.hint(),
            Self::Rad(error) => error.hint(),
            Self::Fragility(error) => error.hint(),
            Self::Gate(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::View(error) => error.hint(),
            Self::Columns(error) => Some(error.hint.clone()),
            Self::Calibrate(error) => error.hint(),
            Self::Program(error) => Some(error.hint()),
            Self::Pull(error) => error.hint(),
            Self::Cache(error) => Some(error.hint()),
            Self::Probes { hint, .. } | Self::Images { hint, .. } | Self::Import { hint, .. } => Some(hint.clone()),
            Self::Listen { problem, .. } => Some(listen_hint(problem).to_owned()),
            Self::Recipe(_) => {
                Some("the same command with --print-recipe, and without --recipe, shows every option and its default".to_owned())
            }
            Self::Bias(_) | Self::Bootstrap(_) | Self::Options(_) => None,
        }
    }

    /// Whose move it is.
    pub fn category(&self) -> Category {
        match self {
            Self::Interrupted | Self::Abandoned => Category::Interrupted,
            Self::Detector(DetectorError::Runtime(_)) | Self::Generator(GeneratorError::Runtime(_)) => {
                Category::Environment
            }
            Self::Listen { .. } => Category::Environment,
            Self::Program(error) if error.is_environment() => Category::Environment,
            Self::Checkpoint(error) if error.is_environment() => Category::Environment,
            Self::Pull(error) if error.is_environment() => Category::Environment,
            Self::Cache(error) if error.is_environment() => Category::Environment,
            Self::Io(error) | Self::Dataset(DatasetError::Io(error))
                if error.kind() != std::io::ErrorKind::NotFound =>
            {
                Category::Environment
            }
            _ => Category::Input,
        }
    }
}

fn io_hint(error: &std::io::Error) -> Option<String> {
    use std::io::ErrorKind;
    Some(
        match error.kind() {
            ErrorKind::NotFound => "check the path",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "choose a folder that you may write to"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "free some space and run the same command again"
            }
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                "a file stands where a folder is needed: choose another output path"
            }
            _ => return None,
        }
        .to_owned(),
    )
}

fn listen_hint(problem: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match problem.kind() {
        ErrorKind::AddrInUse => "another program listens there: name another --port, or 0 for a free one",
        ErrorKind::PermissionDenied => "ports below 1024 belong to the system: name a higher --port",
        _ => "--host takes an address of this machine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Problem;

    #[test]
    fn each_kind_of_failure_has_its_category() {
        let checkpoint = |problem| Error::Checkpoint(CheckpointError::new(problem));
        let io = |kind| Error::Io(std::io::Error::from(kind));
        let cases = [
            (Error::Interrupted, Category::Interrupted),
            (Error::Abandoned, Category::Interrupted),
            (io(std::io::ErrorKind::NotFound), Category::Input),
            (io(std::io::ErrorKind::PermissionDenied), Category::Environment),
            (io(std::io::ErrorKind::StorageFull), Category::Environment),
            (Error::Options("x".into()), Category::Input),
            (checkpoint(Problem::Unreadable(std::io::ErrorKind::NotFound.into())), Category::Input),
            (
                checkpoint(Problem::Unreadable(std::io::ErrorKind::PermissionDenied.into())),
                Category::Environment,
            ),
            (checkpoint(Problem::NoTensors { found: "nothing".into() }), Category::Input),
        ];
        for (error, expected) in cases {
            assert_eq!(error.category(), expected, "{error}");
        }
    }
}
