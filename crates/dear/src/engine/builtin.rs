//! The built-in engine: rten, pure Rust, nothing to install.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rten::{Model, ModelOptions, RunOptions, ThreadPool, Value, ValueView};
use rten_tensor::prelude::*;

use super::{EngineInfo, EngineOptions, Input, Output, RuntimeError, Session, check_input, check_model};

/// The version of rten that is compiled in; a test compares it with the lock file.
pub const VERSION: &str = "0.27.0";

/// A model in rten. Only what the requested outputs need is computed.
pub struct Builtin {
    model: Model,
    pool: Arc<ThreadPool>,
    info: EngineInfo,
}

impl Builtin {
    /// Prepares a model for a thread pool of its own. `fallback` goes to [`EngineInfo::fallback`].
    pub fn load(
        model: &[u8],
        options: &EngineOptions,
        threads: usize,
        fallback: Option<String>,
    ) -> Result<Self, RuntimeError> {
        check_model(&engine(), model)?;
        let failed = |reason| RuntimeError::Model { engine: engine(), reason };
        let mut loader = ModelOptions::with_all_ops();
        loader.prepack_weights(true);
        // rten returns errors for what it knows to be wrong; a panic on a hostile file must not pass this boundary.
        let model = catch_unwind(AssertUnwindSafe(|| loader.load(model.to_vec())))
            .map_err(|_| failed("it panicked".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let info = EngineInfo { fallback, ..EngineInfo::new("builtin", VERSION, options, threads) };
        Ok(Self { model, pool: Arc::new(ThreadPool::with_num_threads(threads)), info })
    }

    fn compute(&self, input: Input<'_>, outputs: &[&str]) -> Result<Vec<Output>, String> {
        let (name, shape, data) = input;
        let node = |name: &str| self.model.node_id(name).map_err(|error| error.to_string());
        let view = ValueView::from_shape(shape, data).map_err(|error| error.to_string())?;
        let wanted = outputs.iter().map(|name| node(name)).collect::<Result<Vec<_>, _>>()?;
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
        let values = self
            .model
            .run(vec![(node(name)?, view.into())], &wanted, Some(options))
            .map_err(|error| error.to_string())?;
        values.into_iter().zip(outputs).map(|(value, name)| to_output(value, name)).collect()
    }
}

impl Session for Builtin {
    fn run(&self, input: Input<'_>, outputs: &[&str]) -> Result<Vec<Output>, RuntimeError> {
        check_input(input)?;
        let computed = catch_unwind(AssertUnwindSafe(|| self.compute(input, outputs)));
        let computed = computed.unwrap_or_else(|_| Err("it panicked".to_owned()));
        computed.map_err(|reason| RuntimeError::run(engine(), input, outputs, reason))
    }

    fn info(&self) -> &EngineInfo {
        &self.info
    }
}

fn to_output(value: Value, name: &str) -> Result<Output, String> {
    match value {
        Value::FloatTensor(tensor) => Ok(Output { shape: tensor.shape().to_vec(), data: tensor.into_data() }),
        other => Err(format!("output \"{name}\" is {}, expected float", other.dtype())),
    }
}

fn engine() -> String {
    format!("builtin (rten {VERSION})")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_recorded_version_is_the_one_in_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock").replace('\r', "");
        assert!(lock.contains(&format!("name = \"rten\"\nversion = \"{}\"", super::VERSION)));
    }
}
