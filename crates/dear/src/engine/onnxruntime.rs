//! ONNX Runtime with one of its providers, from a shared library that [`library`](super::library) finds.

use std::sync::{Mutex, PoisonError};

use ort::logging::LogLevel;
use ort::session::builder::SessionBuilder;
use ort::session::{OutputSelector, RunOptions};
use ort::value::TensorRef;

use super::runtime::Loaded;
use super::{
    EngineInfo, EngineOptions, Input, Output, Provider, RuntimeError, Session, check_input, check_model,
};

/// A model in ONNX Runtime. Calls from several threads take turns: `threads` work on one image, not on many.
pub struct OnnxRuntime {
    session: Mutex<ort::session::Session>,
    info: EngineInfo,
}

impl OnnxRuntime {
    /// Prepares a model; `threads` is the number of threads within an operator (intra-op).
    pub fn load(
        model: &[u8],
        library: &Loaded,
        options: &EngineOptions,
        threads: usize,
    ) -> Result<Self, RuntimeError> {
        let info = EngineInfo::new("onnxruntime", &library.version, options, threads);
        check_model(&engine(&info), model)?;
        let refused = |error| RuntimeError::Provider {
            provider: options.provider,
            reason: format!("cannot be used: {}", one_line(&error)),
        };
        let mut builder = builder(library, options, threads).map_err(refused)?;
        let session = builder
            .commit_from_memory(model)
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

fn builder(library: &Loaded, options: &EngineOptions, threads: usize) -> ort::Result<SessionBuilder> {
    let builder = ort::session::Session::builder(&library.environment)?
        .with_intra_threads(threads)?
        // The environment's logger would otherwise be sent every message down to "verbose".
        .with_log_level(LogLevel::Error)?
        // Plans memory for one input shape; images come in all shapes.
        .with_memory_pattern(false)?
        .with_execution_providers([options.provider.dispatch(options.precision, threads)])?;
    Ok(match options.provider {
        Provider::Cpu => builder,
        // An operator that the provider lacks would otherwise run on the CPU, and the record would not say so.
        Provider::OpenVino | Provider::Cuda => builder.with_disable_cpu_fallback()?,
    })
}

fn engine(info: &EngineInfo) -> String {
    match info.provider == Provider::Cpu.word() {
        true => format!("onnxruntime {}", info.version),
        false => format!("onnxruntime {} ({})", info.version, info.provider),
    }
}

/// ONNX Runtime's messages may span lines; ours do not.
fn one_line(error: &ort::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
