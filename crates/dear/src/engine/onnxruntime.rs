//! ONNX Runtime on the CPU, from a shared library that [`library`](super::library) finds.

use std::sync::{Mutex, PoisonError};

use ort::logging::LogLevel;
use ort::session::{OutputSelector, RunOptions};
use ort::value::TensorRef;

use super::runtime::Loaded;
use super::{EngineInfo, Input, Output, RuntimeError, Session, check_input, check_model};

/// A model in ONNX Runtime. Calls from several threads take turns: `threads` work on one image, not on many.
pub struct OnnxRuntime {
    session: Mutex<ort::session::Session>,
    info: EngineInfo,
}

impl OnnxRuntime {
    /// Prepares a model; `threads` is the number of threads within an operator (intra-op).
    pub fn load(model: &[u8], library: &Loaded, threads: usize) -> Result<Self, RuntimeError> {
        let info = EngineInfo {
            name: "onnxruntime".to_owned(),
            version: library.version.clone(),
            provider: "cpu".to_owned(),
            precision: "f32".to_owned(),
            threads,
            fallback: None,
        };
        check_model(&engine(&info), model)?;
        let session = open(model, library, threads)
            .map_err(|error| RuntimeError::Model { engine: engine(&info), reason: one_line(&error) })?;
        Ok(Self { session: Mutex::new(session), info })
    }

    fn compute(&self, input: Input<'_>, outputs: &[&str]) -> ort::Result<Vec<Output>> {
        let (name, shape, data) = input;
        let selected = outputs.iter().fold(OutputSelector::no_default(), |all, name| all.with(*name));
        let options = RunOptions::new()?.with_outputs(selected);
        let tensor = TensorRef::from_array_view((shape, data))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let values = session.run_with_options(ort::inputs![name => tensor], &options)?;
        let extract = |name: &&str| {
            let value = values.get(name).ok_or_else(|| ort::Error::new(format!("no output \"{name}\"")))?;
            let (shape, data) = value.try_extract_tensor::<f32>()?;
            // Lengths of a tensor that exists are not negative.
            let shape = shape.iter().map(|&side| side.max(0) as usize).collect();
            Ok(Output { shape, data: data.to_vec() })
        };
        outputs.iter().map(extract).collect()
    }
}

impl Session for OnnxRuntime {
    fn run(&self, input: Input<'_>, outputs: &[&str]) -> Result<Vec<Output>, RuntimeError> {
        check_input(input)?;
        let computed = self.compute(input, outputs);
        computed.map_err(|error| RuntimeError::run(engine(&self.info), input, outputs, one_line(&error)))
    }

    fn info(&self) -> &EngineInfo {
        &self.info
    }
}

fn open(model: &[u8], library: &Loaded, threads: usize) -> ort::Result<ort::session::Session> {
    ort::session::Session::builder(&library.environment)?
        .with_intra_threads(threads)?
        // The environment's logger would otherwise be sent every message down to "verbose".
        .with_log_level(LogLevel::Error)?
        // Plans memory for one input shape; images come in all shapes.
        .with_memory_pattern(false)?
        .commit_from_memory(model)
}

fn engine(info: &EngineInfo) -> String {
    format!("onnxruntime {}", info.version)
}

/// ONNX Runtime's messages may span lines; ours do not.
fn one_line(error: &ort::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
