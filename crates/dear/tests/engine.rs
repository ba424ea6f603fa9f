//! Two engines, one answer; and what happens when an engine is not there or fails.

mod oracle;

use dear::detector::{Detector, MINI, Quantity, to_tensor};
use dear::engine::{self, EngineChoice, EngineOptions, Provider, RuntimeError, Session};
use dear::observe::Silent;
use dear::parity::measure;
use dear_image::DecodeOptions;
use oracle::engine::{assert_any_sizes, assert_independent, assert_parity, with_threads};
use oracle::{bytes, difference, engines, onnxruntime, picture};

const SIZES: [(u32, u32); 3] = [(64, 64), (97, 65), (49, 131)];
const ALL: [Quantity; 4] = [Quantity::Features, Quantity::Pooled, Quantity::Logit, Quantity::Evidence];

#[test]
fn both_engines_agree_on_everything() {
    let Some(options) = onnxruntime() else { return };
    let builtin = Detector::mini(&EngineOptions::builtin()).expect("mini");
    let onnxruntime = Detector::mini(&options).expect("mini");
    assert_eq!((builtin.info().name.as_str(), onnxruntime.info().name.as_str()), ("builtin", "onnxruntime"));
    for (width, height) in SIZES {
        let image = [picture(width, height, 5)];
        let ours = builtin.compute(&image, ALL).expect("builtin");
        let theirs = onnxruntime.compute(&image, ALL).expect("onnxruntime");
        for ((ours, theirs), quantity) in ours.iter().zip(&theirs).zip(ALL) {
            assert_eq!(ours.shape, theirs.shape, "{quantity:?}");
            let difference = difference(&ours.data, &theirs.data);
            assert!(difference <= 1e-4, "{quantity:?} at {width} x {height}: {difference}");
        }
    }
}

#[test]
fn scores_do_not_depend_on_threads_batch_order_or_neighbours() {
    for options in engines() {
        assert_independent(&options);
    }
}

#[test]
fn images_of_any_sizes_are_answered_in_order_and_one_that_fails_spoils_no_other() {
    for options in engines() {
        assert_any_sizes(&options);
    }
}

#[test]
fn a_provider_that_the_library_lacks_is_an_error_that_names_library_and_package() {
    let Some(options) = onnxruntime() else { return };
    for (provider, package) in
        [(Provider::OpenVino, "onnxruntime-openvino"), (Provider::Cuda, "onnxruntime-gpu")]
    {
        for engine in [EngineChoice::Auto, EngineChoice::OnnxRuntime] {
            let offered = engine::providers(&options).expect("a library").expect("a library");
            assert!(offered.contains(&Provider::Cpu));
            if offered.contains(&provider) {
                continue; // The library of this machine is another one; tests/openvino.rs is for it.
            }
            let options = EngineOptions { engine, provider, ..options.clone() };
            let error = engine::load(MINI, &options).map(|_| ()).expect_err("not in that library");
            assert_eq!(error.kind(), "provider");
            let message = error.to_string();
            let start = format!("provider {} is not in ", provider.word());
            assert!(message.starts_with(&start) && message.contains("libonnxruntime"), "{message}");
            assert!(error.hint().is_some_and(|hint| hint.contains(package)), "{:?}", error.hint());
        }
    }
}

#[test]
fn engines_are_compared_on_images() {
    let Some(options) = onnxruntime() else { return };
    assert_parity(&EngineOptions::builtin(), &options, 1e-4);
    let detector = Detector::mini(&options).expect("mini");
    let error =
        measure(&detector, &detector, &[], &DecodeOptions::default(), &Silent).expect_err("one engine");
    assert!(error.to_string().starts_with("both sides are onnxruntime "), "{error}");
}

#[test]
fn a_session_serves_several_threads_at_once() {
    for options in engines() {
        let detector = Detector::mini(&with_threads(&options, 1)).expect("mini");
        let expected: Vec<f64> =
            (0..4).map(|seed| detector.score(&picture(64, 64, seed)).expect("score")).collect();
        std::thread::scope(|scope| {
            for (seed, expected) in expected.iter().enumerate() {
                let detector = &detector;
                scope.spawn(move || {
                    for _ in 0..5 {
                        assert_eq!(detector.score(&picture(64, 64, seed as u64)).expect("score"), *expected);
                    }
                });
            }
        });
    }
}

/// `lazy.onnx` cannot compute its evidence.
#[test]
fn the_builtin_engine_computes_only_what_is_asked_for() {
    let session = engine::load(&bytes("lazy.onnx"), &EngineOptions::builtin()).expect("loads");
    let (shape, data) = to_tensor(&[picture(64, 64, 1)]).expect("tensor");
    let outputs = session.run(("image", shape, &data), &["logit", "pooled"]).expect("evidence is not needed");
    assert_eq!((&outputs[0].shape[..], &outputs[1].shape[..]), (&[1][..], &[1, 8][..]));
    assert!(session.run(("image", shape, &data), &["evidence"]).is_err());
}

#[test]
fn a_failure_says_engine_input_shape_and_output() {
    for options in engines() {
        let session = engine::load(&bytes("lazy.onnx"), &options).expect("loads");
        let (shape, data) = to_tensor(&[picture(20, 16, 1)]).expect("tensor");
        let expect = |result: Result<_, RuntimeError>| -> String {
            let error = result.map(|_: Vec<_>| ()).expect_err("cannot be computed");
            assert_eq!(error.kind(), "run");
            let message = error.to_string();
            assert!(!message.contains('\n') && message.starts_with(&session.info().name), "{message}");
            message
        };
        let message = expect(session.run(("image", shape, &data), &["evidence"]));
        assert!(message.contains("\"image\" [1, 3, 16, 20] for evidence"), "{message}");
        expect(session.run(("image", shape, &data), &["nothing"]));
        expect(session.run(("picture", shape, &data), &["logit"]));
        // Four channels instead of three.
        expect(session.run(("image", [1, 4, 4, 4], &[0.0; 64]), &["logit"]));
        let error = session.run(("image", [1, 3, 4, 4], &data), &["logit"]).expect_err("too many numbers");
        assert_eq!(error.kind(), "input");
    }
}

#[test]
fn what_is_no_model_is_an_error_of_the_engine() {
    for options in engines() {
        for file in [b"".as_slice(), b"<html>", &MINI[..MINI.len() / 2], &[0xff; 64], b"\x08\x08"] {
            let error = engine::load(file, &options).map(|_| ()).expect_err("not a model");
            assert_eq!(error.kind(), "model", "{error}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}

#[test]
fn a_library_that_is_asked_for_and_absent_is_an_error_in_every_mode_that_may_use_it() {
    let library = Some("/nowhere/libonnxruntime.so".into());
    for options in [EngineOptions::default(), EngineOptions::onnxruntime()] {
        let options = EngineOptions { library: library.clone(), ..options };
        let error = engine::load(MINI, &options).map(|_| ()).expect_err("absent");
        assert_eq!(error.kind(), "library_unusable");
        assert!(error.to_string().starts_with("/nowhere/libonnxruntime.so: "), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn auto_takes_onnxruntime_where_it_is_found_and_says_so() {
    let session = engine::load(MINI, &EngineOptions::default()).expect("some engine");
    let info = session.info();
    match onnxruntime() {
        Some(_) => assert_eq!((info.name.as_str(), &info.fallback), ("onnxruntime", &None)),
        None => assert_eq!(info.name, "builtin"),
    }
    assert!(info.threads >= 1);
    assert_eq!((info.provider.as_str(), info.precision.as_str()), ("cpu", "f32"));
    let json = serde_json::to_value(info).expect("JSON");
    assert!(
        json.get("fallback").is_some_and(serde_json::Value::is_null),
        "unknown is null, never absent: {json}"
    );
}

#[test]
fn sessions_can_be_shared() {
    fn shared<T: Send + Sync + ?Sized>() {}
    shared::<dyn Session>();
    shared::<Detector>();
    shared::<dear::generator::Generator>();
}
