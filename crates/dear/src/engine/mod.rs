//! One interface, two engines: [`builtin`] (rten, pure Rust, always there) and [`onnxruntime`] (a shared library
//! found at run time). Both are tested against each other and against Python.
//!
//! Nothing is substituted quietly: an engine that was asked for and cannot run is an error, and [`EngineInfo`] says
//! what did run. With [`EngineChoice::Auto`] a library that was found but cannot be used leads to the built-in engine,
//! and then [`EngineInfo::fallback`] says why. A [`Provider`] or [`Precision`] other than `cpu` and `f32` runs only where
//! it is asked for.
//!
//! Numbers: the same bytes come out for the same engine, version and thread count; across threads, batch sizes and
//! neighbours in a batch, scores differ by less than 1e-5 (a test holds both engines to it).

pub mod builtin;
mod error;
pub mod library;
pub mod onnxruntime;
mod provider;
pub mod runtime;

use std::env;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use error::{RunFailure, RuntimeError};
pub use library::{Found, Origin, cache_dir, discover};
pub use provider::{Precision, Provider};

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

/// What is asked of an engine. The default takes what the machine offers, on the CPU in f32.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineOptions {
    /// Which engine. Default: `auto`.
    pub engine: EngineChoice,
    /// Threads for one image. Default: `DEAR_THREADS`, else the physical cores that this process may use.
    pub threads: Option<usize>,
    /// The ONNX Runtime library, or a folder that holds it. Default: searched for, see [`library`].
    pub library: Option<PathBuf>,
    /// What computes inside ONNX Runtime. Default: `cpu`.
    pub provider: Provider,
    /// The arithmetic. Default: `f32`.
    pub precision: Precision,
    /// Bytes for what the network holds of an image while it computes: sizes of tiles and batches follow from it. Weights
    /// and decoded images come on top. Default: 1 GiB; tiles of ResNet-50 (3072 bytes a pixel) then took 1.6 GB in ONNX
    /// Runtime, all included.
    pub memory: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            engine: EngineChoice::default(),
            threads: None,
            library: None,
            provider: Provider::default(),
            precision: Precision::default(),
            memory: 1 << 30,
        }
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EngineInfo {
    /// `builtin` or `onnxruntime`.
    pub name: String,
    /// Version of rten or of the ONNX Runtime library.
    pub version: String,
    /// What computed: `cpu`, `openvino`, `cuda`.
    pub provider: String,
    /// The hardware that it computed on: `cpu`, `gpu 0`.
    #[serde(default = "cpu")]
    pub device: String,
    /// The arithmetic: `f32`, `bf16`.
    pub precision: String,
    /// Threads for one image.
    pub threads: usize,
    /// Why the built-in engine ran although an ONNX Runtime library was found. Null when nothing was passed over.
    #[serde(default)]
    pub fallback: Option<String>,
}

impl EngineInfo {
    fn new(name: &str, version: &str, options: &EngineOptions, threads: usize) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            provider: options.provider.word().to_owned(),
            device: options.provider.device().to_owned(),
            precision: options.precision.word().to_owned(),
            threads,
            fallback: None,
        }
    }

    /// `onnxruntime 1.24.1 (openvino, bf16, 2 threads)`.
    pub fn words(&self) -> String {
        let Self { name, version, provider, precision, threads, .. } = self;
        format!("{name} {version} ({provider}, {precision}, {threads} threads)")
    }
}

/// The only device of versions that did not record it.
fn cpu() -> String {
    Provider::Cpu.device().to_owned()
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
    let Provider::Cpu = options.provider else {
        return load_provider(model, options, threads);
    };
    options.provider.check(options.precision)?;
    let search = Search::new(options.library.as_deref());
    let chosen = match options.engine {
        EngineChoice::Builtin => Chosen::Nothing { passed_over: None },
        EngineChoice::OnnxRuntime => Chosen::Library(search.require()?),
        EngineChoice::Auto => search.choose()?,
    };
    Ok(match chosen {
        Chosen::Library(library) => {
            Box::new(onnxruntime::OnnxRuntime::load(model, &library, options, threads)?)
        }
        Chosen::Nothing { passed_over } => {
            Box::new(builtin::Builtin::load(model, options, threads, passed_over)?)
        }
    })
}

/// A provider that was asked for: ONNX Runtime with it, or an error.
fn load_provider(
    model: &[u8],
    options: &EngineOptions,
    threads: usize,
) -> Result<Box<dyn Session>, RuntimeError> {
    let provider = options.provider;
    let refused = |reason: String| RuntimeError::Provider { provider, reason };
    if options.engine == EngineChoice::Builtin {
        return Err(refused("is a part of ONNX Runtime, but the built-in engine is asked for".to_owned()));
    }
    let library = Search::new(options.library.as_deref()).require()?;
    if !provider.is_offered() {
        let (path, version) = (library.path.display(), &library.version);
        return Err(refused(format!("is not in {path} (ONNX Runtime {version})")));
    }
    provider.check(options.precision)?;
    Ok(Box::new(onnxruntime::OnnxRuntime::load(model, &library, options, threads)?))
}

/// The providers of the ONNX Runtime library that these options come to, `None` where there is none. It is loaded for the
/// life of the process.
pub fn providers(options: &EngineOptions) -> Result<Option<Vec<Provider>>, RuntimeError> {
    Ok(match Search::new(options.library.as_deref()).choose()? {
        Chosen::Library(_) => {
            Some(Provider::ALL.into_iter().filter(|provider| provider.is_offered()).collect())
        }
        Chosen::Nothing { .. } => None,
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
        let options: EngineOptions =
            serde_json::from_str(r#"{"provider":"openvino","precision":"bf16"}"#).expect("valid options");
        assert_eq!((options.provider, options.precision), (Provider::OpenVino, Precision::Bf16));
        for unknown in [r#"{"provider":"tpu"}"#, r#"{"precision":"f16"}"#] {
            assert!(serde_json::from_str::<EngineOptions>(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn what_the_built_in_engine_lacks_is_refused() {
        let asked = |provider, precision| EngineOptions { provider, precision, ..EngineOptions::builtin() };
        let cases = [
            (
                asked(Provider::OpenVino, Precision::F32),
                "provider openvino is a part of ONNX Runtime, but the built-in engine is asked for",
            ),
            (asked(Provider::Cpu, Precision::Bf16), "provider cpu has no bf16: it computes in f32 only"),
        ];
        for (options, message) in cases {
            let error = load(b"", &options).map(|_| ()).expect_err(message);
            assert_eq!(error.to_string(), message);
            assert!(error.hint().is_some());
        }
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
