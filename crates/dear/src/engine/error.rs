//! Why an engine cannot be had or cannot run.

use std::path::PathBuf;

use thiserror::Error;

use super::{Input, Precision, Provider};

/// An engine that is absent, refuses a model, or fails on an input.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// ONNX Runtime was asked for and is nowhere.
    #[error("no ONNX Runtime library found, looked at: {looked_at}")]
    LibraryNotFound {
        /// The places, in order.
        looked_at: String,
    },
    /// A file that cannot be loaded, or is no ONNX Runtime.
    #[error("{}: not a usable ONNX Runtime library: {reason}", path.display())]
    LibraryUnusable {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// A library from before the oldest supported version.
    #[error("{}: ONNX Runtime {found} is too old, expected {needed} or newer", path.display())]
    LibraryTooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The lowest version that is taken.
        needed: String,
    },
    /// A second library in one process.
    #[error("{}: cannot be loaded beside {}, a process has one ONNX Runtime", asked.display(), loaded.display())]
    LibraryConflict {
        /// The library that runs already.
        loaded: PathBuf,
        /// The library that is asked for.
        asked: PathBuf,
    },
    /// A number of threads that is not one.
    #[error("{option} is {value}, expected 1 to {most}")]
    Threads {
        /// The option or variable.
        option: &'static str,
        /// Its value.
        value: String,
        /// The largest number.
        most: usize,
    },
    /// A provider that is not in the library, or does not start on this machine.
    #[error("provider {} {reason}", provider.word())]
    Provider {
        /// What is asked for.
        provider: Provider,
        /// Why it cannot be had.
        reason: String,
    },
    /// A precision that the provider does not compute in.
    #[error("provider {} has no {}: {reason}", provider.word(), precision.word())]
    Precision {
        /// What would compute.
        provider: Provider,
        /// What is asked for.
        precision: Precision,
        /// Why it cannot be had.
        reason: &'static str,
    },
    /// The engine does not take the model.
    #[error("{engine} cannot load the model: {reason}")]
    Model {
        /// `builtin` or `onnxruntime`, and version.
        engine: String,
        /// What it says.
        reason: String,
    },
    /// Data that does not fit its shape.
    #[error("input \"{name}\" of shape {shape:?} holds {found} numbers")]
    Input {
        /// The input's name.
        name: String,
        /// The declared shape.
        shape: [usize; 4],
        /// How many numbers there are.
        found: usize,
    },
    /// The engine failed while computing.
    #[error(transparent)]
    Run(Box<RunFailure>),
}

/// A computation that failed, with all that a bug report needs.
#[derive(Debug, Error)]
#[error("{engine} failed on input \"{input}\" {shape:?} for {outputs}: {reason}")]
pub struct RunFailure {
    /// `builtin` or `onnxruntime`, and version.
    pub engine: String,
    /// The input's name.
    pub input: String,
    /// Its shape.
    pub shape: [usize; 4],
    /// The outputs that were asked for.
    pub outputs: String,
    /// What the engine says.
    pub reason: String,
}

impl RuntimeError {
    pub(super) fn run(engine: String, input: Input<'_>, outputs: &[&str], reason: String) -> Self {
        let (name, shape, _) = input;
        let (input, outputs) = (name.to_owned(), outputs.join(", "));
        Self::Run(Box::new(RunFailure { engine, input, shape, outputs, reason }))
    }

    /// A stable word for the kind of failure: `library_not_found`, `library_unusable`, `library_too_old`,
    /// `library_conflict`, `threads`, `provider`, `precision`, `model`, `input` or `run`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LibraryNotFound { .. } => "library_not_found",
            Self::LibraryUnusable { .. } => "library_unusable",
            Self::LibraryTooOld { .. } => "library_too_old",
            Self::LibraryConflict { .. } => "library_conflict",
            Self::Threads { .. } => "threads",
            Self::Provider { .. } => "provider",
            Self::Precision { .. } => "precision",
            Self::Model { .. } => "model",
            Self::Input { .. } => "input",
            Self::Run(_) => "run",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::LibraryNotFound { .. } => {
                "pip install onnxruntime in the active environment, set DEAR_ONNXRUNTIME to the library, or take \
                 the built-in engine"
            }
            Self::LibraryUnusable { .. } => {
                "point DEAR_ONNXRUNTIME at libonnxruntime of this machine's architecture, or take the built-in engine"
            }
            Self::LibraryTooOld { .. } => "pip install --upgrade onnxruntime, or take the built-in engine",
            Self::LibraryConflict { .. } => "name the same library everywhere, or start another process",
            Self::Model { engine, .. } if engine.starts_with("builtin") => {
                "the built-in engine lacks some operators: try ONNX Runtime"
            }
            Self::Model { engine, .. } if engine.ends_with(')') && !engine.starts_with("builtin") => {
                "the provider lacks an operator of this file: take --provider cpu"
            }
            Self::Provider { provider, reason } => return Some(provider_hint(*provider, reason)),
            Self::Precision { .. } => {
                "take --precision f32, or --provider openvino on a processor that has bf16; dear parity measures the \
                 difference"
            }
            Self::Run(_) => {
                "the network may not take images of this size (import it with a --view that brings them to its own), or the \
                 engine lacks something: try the other one"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn provider_hint(provider: Provider, reason: &str) -> String {
    let package = provider.package();
    if provider == Provider::Cuda && reason.starts_with("cannot be used") {
        return format!("it needs NVIDIA's driver, and CUDA and cuDNN of the versions that {package} names");
    }
    format!(
        "pip install {package} in an environment of its own, and set DEAR_ONNXRUNTIME to its libonnxruntime"
    )
}
