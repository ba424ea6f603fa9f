//! The provider OpenVINO. A process has one ONNX Runtime, so these tests are a program of their own:
//!
//! ```text
//! pip install --no-deps --target DIR onnxruntime-openvino
//! DEAR_OPENVINO=DIR/onnxruntime/capi cargo test --release --test openvino
//! ```
//!
//! Without `DEAR_OPENVINO` (the library, or its folder) they are skipped, and say so; with `DEAR_REQUIRE_OPENVINO=1` that fails.

mod oracle;

use std::env;

use dear::detector::{Detector, MINI, Quantity};
use dear::engine::{self, EngineChoice, EngineOptions, Precision, Provider};
use oracle::engine::{assert_any_sizes, assert_independent, assert_parity};
use oracle::{difference, picture, skipped};

/// OpenVINO in this precision.
fn openvino(precision: Precision) -> Option<EngineOptions> {
    let Some(library) = env::var_os("DEAR_OPENVINO") else {
        let required = env::var_os("DEAR_REQUIRE_OPENVINO").is_some_and(|value| value == "1");
        assert!(!required, "DEAR_REQUIRE_OPENVINO=1, but DEAR_OPENVINO is not set");
        skipped("no OpenVINO (set DEAR_OPENVINO)");
        return None;
    };
    let provider = Provider::OpenVino;
    Some(EngineOptions { library: Some(library.into()), provider, precision, ..EngineOptions::default() })
}

/// bf16, where the processor has it; elsewhere it must be refused.
fn bf16() -> Option<EngineOptions> {
    let options = openvino(Precision::Bf16)?;
    match engine::load(MINI, &options) {
        Ok(_) => Some(options),
        Err(error) => {
            assert_eq!(error.kind(), "precision");
            assert!(error.to_string().contains("this processor has no bf16"), "{error}");
            skipped("no bf16 on this processor");
            None
        }
    }
}

#[test]
fn f32_is_f32_and_agrees_with_the_built_in_engine() {
    let Some(options) = openvino(Precision::F32) else { return };
    let [ours, theirs] =
        [&EngineOptions::builtin(), &options].map(|options| Detector::mini(options).expect("mini"));
    let info = theirs.info();
    assert_eq!(
        [&info.name, &info.provider, &info.device, &info.precision].map(String::as_str),
        ["onnxruntime", "openvino", "cpu", "f32"]
    );
    let reduced = bf16().map(|options| Detector::mini(&options).expect("mini"));
    if let Some(reduced) = &reduced {
        assert_eq!(reduced.info().precision, "bf16");
    }
    let all = [Quantity::Features, Quantity::Pooled, Quantity::Logit, Quantity::Evidence];
    for (width, height) in [(64, 64), (97, 65), (49, 131)] {
        let image = [picture(width, height, 5)];
        let expected = ours.compute(&image, all).expect("builtin");
        let found = theirs.compute(&image, all).expect("openvino");
        for ((found, expected), quantity) in found.iter().zip(&expected).zip(all) {
            assert_eq!(found.shape, expected.shape, "{quantity:?}");
            // As between the other engines.
            let difference = difference(&found.data, &expected.data);
            assert!(difference <= 1e-4, "{quantity:?} at {width} x {height}: {difference}");
        }
        if let Some(reduced) = &reduced {
            // With 8 bits features of about 1 move by about 2^-9 and more: what computes in bf16 unasked cannot pass above.
            let [features] = reduced.compute(&image, [Quantity::Features]).expect("openvino");
            let difference = difference(&features.data, &expected[0].data);
            assert!((1e-3..1.0).contains(&difference), "bf16 at {width} x {height}: {difference}");
        }
    }
}

#[test]
fn scores_do_not_depend_on_threads_batch_order_or_neighbours() {
    let Some(options) = openvino(Precision::F32) else { return };
    assert_independent(&options);
    assert_any_sizes(&options);
}

#[test]
fn what_a_precision_costs_is_measured() {
    let Some(options) = openvino(Precision::F32) else { return };
    let f32 = assert_parity(&EngineOptions::builtin(), &options, 1e-4);
    let Some(reduced) = bf16() else { return };
    let bf16 = assert_parity(&options, &reduced, 0.5);
    assert!(bf16.difference.max > 10.0 * f32.difference.max, "{bf16:?} and {f32:?}");
}

#[test]
fn providers_are_listed_and_one_that_is_not_there_is_refused() {
    let Some(options) = openvino(Precision::F32) else { return };
    let offered = engine::providers(&options).expect("loads").expect("found");
    assert_eq!(offered, [Provider::Cpu, Provider::OpenVino]);
    let cuda = EngineOptions { provider: Provider::Cuda, ..options.clone() };
    let error = engine::load(MINI, &cuda).map(|_| ()).expect_err("not in that library");
    assert_eq!(error.kind(), "provider");
    // The CPU of the same library remains what runs unasked.
    let plain = EngineOptions { engine: EngineChoice::Auto, provider: Provider::Cpu, ..options };
    let session = engine::load(MINI, &plain).expect("loads");
    assert_eq!([&session.info().provider, &session.info().precision].map(String::as_str), ["cpu", "f32"]);
}
