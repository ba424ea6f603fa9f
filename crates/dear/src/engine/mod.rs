//! One interface, two engines: [`builtin`] (rten, pure Rust, always there) and [`onnxruntime`] (a shared library
//! found at run time). Both are tested against each other and against Python.
//!
//! Nothing is substituted quietly: an engine that was asked for and cannot run is an error, and [`EngineInfo`] says
//! what did run. With [`EngineChoice::Auto`] a library that was found but cannot be used leads to the built-in engine,
//! and then [`EngineInfo::fallback`] says why.
//!
//! Numbers: the same bytes come out for the same engine, version and thread count; across threads, batch sizes and
//! neighbours in a batch, scores differ by less than 1e-5 (a test holds both engines to it).

pub mod builtin;
mod error;
pub mod library;
pub mod onnxruntime;
pub mod runtime;

use std::env;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use error::{RunFailure, RuntimeError};
pub use library::{Found, Origin, cache_dir, discover};

use crate::backbone::{ImportError, OnnxModel};
use library::{Chosen, Search};

/// Which engine is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// ONNX Runtime where it is found, else the built-in engine.
    #[default]
    Auto,
    /// rten, compiled in.
    Builtin,
    /// ONNX Runtime, or an error.
    OnnxRuntime,
}

/// What is asked of an engine. The default takes what the machine offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineOptions {
    /// Which engine. Default: `auto`.
    pub engine: EngineChoice,
    /// Threads for one image. Default: `DEAR_THREADS`, else the physical cores that this process may use.
    pub threads: Option<usize>,
    /// The ONNX Runtime library, or a folder that holds it. Default: searched for, see [`library`].
    pub library: Option<PathBuf>,
}

impl EngineOptions {
    /// The built-in engine with the default number of threads.
    pub fn builtin() -> Self {
        Self { engine: EngineChoice::Builtin, ..Self::default() }
    }

    /// ONNX Runtime with the default number of threads.
    pub fn onnxruntime() -> Self {
        Self { engine: EngineChoice::OnnxRuntime, ..Self::default() }
    }

    /// The number of threads that these options come to.
    pub fn resolve_threads(&self) -> Result<usize, RuntimeError> {
        if let Some(threads) = self.threads {
            return check_threads("threads", &threads.to_string());
        }
        match env::var("DEAR_THREADS") {
            Ok(value) => check_threads("DEAR_THREADS", &value),
            Err(_) => {
                let allowed = std::thread::available_parallelism().map_or(1, usize::from);
                Ok(allowed.min(num_cpus::get_physical()).max(1))
            }
        }
    }
}

/// What ran: part of every record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// `builtin` or `onnxruntime`.
    pub name: String,
    /// Version of rten or of the ONNX Runtime library.
    pub version: String,
    /// The device: `cpu`.
    pub provider: String,
    /// The arithmetic: `f32`.
    pub precision: String,
    /// Threads for one image.
    pub threads: usize,
    /// Why the built-in engine ran although an ONNX Runtime library was found. Null when nothing was passed over.
    #[serde(default)]
    pub fallback: Option<String>,
}

/// A named input: its shape `[N, C, H, W]` and its numbers in that order.
pub type Input<'a> = (&'a str, [usize; 4], &'a [f32]);

/// One result, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The length of each dimension.
    pub shape: Vec<usize>,
    /// All numbers, the last dimension running fastest.
    pub data: Vec<f32>,
}

/// A model that is ready to run. Usable from several threads at once.
pub trait Session: Send + Sync {
    /// Computes `outputs` (in that order) for one input.
    fn run(&self, input: Input<'_>, outputs: &[&str]) -> Result<Vec<Output>, RuntimeError>;

    /// What runs the model.
    fn info(&self) -> &EngineInfo;
}

/// Prepares an ONNX model. The bytes are not needed afterwards.
pub fn load(model: &[u8], options: &EngineOptions) -> Result<Box<dyn Session>, RuntimeError> {
    let threads = options.resolve_threads()?;
    let search = Search::new(options.library.as_deref());
    let chosen = match options.engine {
        EngineChoice::Builtin => return Ok(Box::new(builtin::Builtin::load(model, threads, None)?)),
        EngineChoice::OnnxRuntime => Chosen::Library(search.require()?),
        EngineChoice::Auto => search.choose()?,
    };
    Ok(match chosen {
        Chosen::Library(library) => Box::new(onnxruntime::OnnxRuntime::load(model, &library, threads)?),
        Chosen::Nothing { passed_over } => Box::new(builtin::Builtin::load(model, threads, passed_over)?),
    })
}

/// Looks through the file before an engine does: rten 0.27 does not return from some broken files, and ONNX Runtime
/// opens any other file that a model names.
fn check_model(engine: &str, model: &[u8]) -> Result<(), RuntimeError> {
    let refused = |error: ImportError| RuntimeError::Model {
        engine: engine.to_owned(),
        reason: error.problem().to_string(),
    };
    OnnxModel::parse(model).map(|_| ()).map_err(refused)
}

/// Refuses an input whose shape and data disagree, or that holds nothing.
fn check_input(input: Input<'_>) -> Result<(), RuntimeError> {
    let (name, shape, data) = input;
    let elements = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
    if elements == Some(data.len()) && !data.is_empty() {
        return Ok(());
    }
    Err(RuntimeError::Input { name: name.to_owned(), shape, found: data.len() })
}

fn check_threads(option: &'static str, value: &str) -> Result<usize, RuntimeError> {
    match value.trim().parse() {
        Ok(threads @ 1..=MAX_THREADS) => Ok(threads),
        _ => Err(RuntimeError::Threads { option, value: value.to_owned(), most: MAX_THREADS }),
    }
}

const MAX_THREADS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_lower_case_words_and_unknown_keys_are_refused() {
        let options: EngineOptions =
            serde_json::from_str(r#"{"engine":"onnxruntime","threads":2}"#).expect("valid options");
        assert_eq!(options, EngineOptions { threads: Some(2), ..EngineOptions::onnxruntime() });
        assert!(serde_json::from_str::<EngineOptions>(r#"{"thread":2}"#).is_err());
    }

    #[test]
    fn thread_counts_outside_of_the_range_are_refused_with_both_numbers() {
        for (threads, accepted) in [(0, false), (1, true), (1024, true), (1025, false)] {
            let options = EngineOptions { threads: Some(threads), ..EngineOptions::builtin() };
            match options.resolve_threads() {
                Ok(found) => assert!(accepted && found == threads, "{threads}"),
                Err(error) => {
                    assert!(!accepted, "{threads}: {error}");
                    assert_eq!(error.to_string(), format!("threads is {threads}, expected 1 to 1024"));
                }
            }
        }
    }

    #[test]
    fn an_input_must_hold_as_many_numbers_as_its_shape_says() {
        assert!(check_input(("image", [1, 3, 2, 2], &[0.0; 12])).is_ok());
        for (shape, count) in [([1, 3, 2, 2], 11), ([0, 3, 2, 2], 0), ([usize::MAX, 2, 2, 2], 12)] {
            let error =
                check_input(("image", shape, &vec![0.0; count])).expect_err("shape and data disagree");
            assert_eq!(error.kind(), "input");
            assert!(error.to_string().contains(&format!("{shape:?}")), "{error}");
        }
    }
}
