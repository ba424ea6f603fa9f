//! Two engines, one answer; and what happens when an engine is not there or fails.

mod oracle;

use dear::detector::{Detector, MINI, Quantity, to_tensor};
use dear::engine::{self, EngineOptions, RuntimeError, Session};
use dear_image::Image;
use oracle::{bytes, difference, engines, onnxruntime, picture};

const SIZES: [(u32, u32); 3] = [(64, 64), (97, 65), (49, 131)];
const ALL: [Quantity; 4] = [Quantity::Features, Quantity::Pooled, Quantity::Logit, Quantity::Evidence];

fn with_threads(options: &EngineOptions, threads: usize) -> EngineOptions {
    EngineOptions { threads: Some(threads), ..options.clone() }
}

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
fn scores_do_not_depend_on_threads_batch_or_neighbours() {
    let images: Vec<Image> = (0..8).map(|seed| picture(97, 65, seed)).collect();
    let quantities = [Quantity::Logit, Quantity::Pooled];
    for options in engines() {
        let one = Detector::mini(&with_threads(&options, 1)).expect("mini");
        let single = |image: &Image| one.compute(&[image], quantities).expect("runs");
        let expected: Vec<_> = images.iter().map(single).collect();
        for threads in [1, 2, 3] {
            let detector = Detector::mini(&with_threads(&options, threads)).expect("mini");
            assert_eq!(detector.info().threads, threads);
            let [logits, pooled] = detector.compute(&images, quantities).expect("runs");
            let same = vec![&images[3]; 8];
            let [repeated, _] = detector.compute(&same, quantities).expect("runs");
            for (index, [logit, row]) in expected.iter().enumerate() {
                let channels = detector.channels();
                let found = &pooled.data[index * channels..(index + 1) * channels];
                assert!((logits.data[index] - logit.data[0]).abs() <= 1e-5, "{options:?}, {threads} threads");
                assert!(difference(found, &row.data) <= 1e-5, "{options:?}, {threads} threads");
                assert!((repeated.data[index] - expected[3][0].data[0]).abs() <= 1e-5);
            }
            // The same call twice: not nearly, but exactly.
            assert_eq!(detector.compute(&images, quantities).expect("runs"), [logits, pooled]);
        }
    }
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
