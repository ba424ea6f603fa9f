//! What computes inside ONNX Runtime, and in which arithmetic.
//!
//! A provider or precision that cannot be had is an error, never another one: ONNX Runtime and `ort` would log the
//! failure and go on with the CPU, and OpenVINO chooses bf16 by itself where the processor has it.

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, ExecutionProviderDispatch};
use serde::{Deserialize, Serialize};

use super::RuntimeError;

/// An execution provider of ONNX Runtime. The built-in engine is `cpu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// ONNX Runtime's own kernels; in every library.
    #[default]
    Cpu,
    /// Intel's OpenVINO, on the processor.
    OpenVino,
    /// NVIDIA's CUDA, on the first GPU.
    Cuda,
}

/// The arithmetic of the network. Weights, inputs and outputs are f32 either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 significant bits.
    #[default]
    F32,
    /// 8 significant bits: faster, and logits move. [`parity`](crate::parity) measures how far.
    Bf16,
}

impl Precision {
    /// Its word in options and records.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::OpenVino, Self::Cuda];

    /// Its word in options and records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::OpenVino => "openvino",
            Self::Cuda => "cuda",
        }
    }

    /// The hardware that it computes on.
    pub fn device(self) -> &'static str {
        match self {
            Self::Cpu | Self::OpenVino => "cpu",
            Self::Cuda => "gpu 0",
        }
    }

    /// The Python package whose library has it.
    pub fn package(self) -> &'static str {
        match self {
            Self::Cpu => "onnxruntime",
            Self::OpenVino => "onnxruntime-openvino",
            Self::Cuda => "onnxruntime-gpu",
        }
    }

    /// Whether the loaded library was built with it. It may still lack what it needs on this machine.
    pub(super) fn is_offered(self) -> bool {
        // An error would come from a library that cannot list anything; it offers nothing.
        match self {
            Self::Cpu => true,
            Self::OpenVino => ep::OpenVINO::is_available().unwrap_or(false),
            Self::Cuda => ep::CUDA::is_available().unwrap_or(false),
        }
    }

    /// Refuses a precision that the provider does not have on this machine.
    pub(super) fn check(self, precision: Precision) -> Result<(), RuntimeError> {
        let refused = |reason| Err(RuntimeError::Precision { provider: self, precision, reason });
        match (self, precision) {
            (_, Precision::F32) => Ok(()),
            // OpenVINO answers in f32 there, and says nothing.
            (Self::OpenVino, Precision::Bf16) if !processor_has_bf16() => {
                refused("this processor has no bf16 arithmetic (AVX512-BF16)")
            }
            (Self::OpenVino, Precision::Bf16) => Ok(()),
            (Self::Cpu, Precision::Bf16) => refused("it computes in f32 only"),
            (Self::Cuda, Precision::Bf16) => refused("it computes a file in the file's precision, f32"),
        }
    }

    /// The provider with everything said that would otherwise be chosen for us.
    pub(super) fn dispatch(self, precision: Precision, threads: usize) -> ExecutionProviderDispatch {
        let provider = match self {
            // Without the arena the system maps and clears pages for every tensor: 0.7 s instead of 0.2 s for 1024 x 1024
            // pixels through `mini`.
            Self::Cpu => ep::CPU::default().with_arena_allocator(true).build(),
            Self::OpenVino => {
                // `precision` says FP32 or ACCURACY (the file's) only; the hint is what the processor's plug-in obeys.
                // It takes f16 for a wish, and computes in bf16: f16 is not offered.
                let hint = format!(r#"{{"CPU":{{"INFERENCE_PRECISION_HINT":"{}"}}}}"#, precision.word());
                ep::OpenVINO::default()
                    .with_device_type("CPU")
                    .with_num_threads(threads)
                    .with_arbitrary_config("load_config", hint)
                    .build()
            }
            // TensorFloat-32, with 11 significant bits, is CUDA's default for f32.
            Self::Cuda => ep::CUDA::default().with_device_id(0).with_tf32(false).build(),
        };
        provider.error_on_failure()
    }
}

#[cfg(target_arch = "x86_64")]
fn processor_has_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn processor_has_bf16() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_options() {
        for provider in Provider::ALL {
            assert_eq!(serde_json::json!(provider), provider.word());
        }
        for precision in [Precision::F32, Precision::Bf16] {
            assert_eq!(serde_json::json!(precision), precision.word());
        }
    }

    #[test]
    fn a_precision_that_a_provider_lacks_is_refused_and_f32_never() {
        for provider in Provider::ALL {
            provider.check(Precision::F32).expect("f32 is everywhere");
        }
        for provider in [Provider::Cpu, Provider::Cuda] {
            let error = provider.check(Precision::Bf16).expect_err("f32 only");
            assert_eq!(error.kind(), "precision");
            assert!(
                error.to_string().starts_with(&format!("provider {} has no bf16: ", provider.word())),
                "{error}"
            );
            assert!(error.hint().is_some_and(|hint| hint.contains("--provider openvino")));
        }
        assert_eq!(Provider::OpenVino.check(Precision::Bf16).is_ok(), processor_has_bf16());
    }
}
