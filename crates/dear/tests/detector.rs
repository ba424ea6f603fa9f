//! Detector files against Python's ONNX Runtime (`oracle/detector.py`), and what is refused.

mod oracle;

use std::process::Command;

use dear::backbone::{Edit, OnnxModel};
use dear::detector::{Detector, DetectorError, MINI};
use dear::engine::EngineOptions;
use dear::gate::{GateOptions, prune};
use dear::head::Head;
use dear_image::Image;
use oracle::{Fixture, bytes, difference, engines, picture, read, sha256, skipped};
use serde_json::{Value, json};

/// Engines differ in the order of their sums; measured differences on these files are below 1e-5.
const TOLERANCE: f32 = 1e-4;

fn tiny() -> Detector {
    Detector::from_bytes(bytes("tiny.onnx"), &EngineOptions::builtin()).expect("tiny")
}

#[test]
fn answers_are_those_of_python() {
    for (file, name) in [(bytes("tiny.onnx"), "tiny.json"), (MINI.to_vec(), "mini.json")] {
        let fixture: Fixture = read(name);
        assert_eq!(sha256(&file), fixture.sha256, "the file has changed, run: python {}", fixture.made_by);
        assert_eq!(fixture.cases.len(), 3);
        for options in engines() {
            let detector = Detector::from_bytes(file.clone(), &options).expect(name);
            assert_eq!(detector.sha256(), fixture.sha256);
            assert_eq!(detector.head().weight, fixture.head.weight);
            assert_eq!(detector.head().bias, fixture.head.bias);
            for case in &fixture.cases {
                compare(&detector, case, fixture.every);
            }
        }
    }
}

fn compare(detector: &Detector, case: &oracle::Case, every: usize) {
    let image = case.image();
    let logit = detector.score(&image).expect("score");
    assert!((logit - case.logit).abs() <= f64::from(TOLERANCE), "{logit}, expected {}", case.logit);

    let pooled = detector.pooled(&image).expect("pooled");
    assert!(difference(&pooled, &case.pooled) <= TOLERANCE);
    assert!((detector.head().logit(&pooled) - case.logit).abs() <= f64::from(TOLERANCE));

    let features = detector.features(&[&image]).expect("features");
    assert_eq!(features.shape, case.features_shape);
    let sample: Vec<f32> = features.data.iter().copied().step_by(every).collect();
    assert!(difference(&sample, &case.features) <= TOLERANCE);

    let evidence = detector.evidence(&image).expect("evidence");
    assert_eq!([1, 1, evidence.h, evidence.w], case.evidence_shape);
    assert!(difference(&evidence.data, &case.evidence) <= TOLERANCE);
    let mean = evidence.data.iter().map(|&value| f64::from(value)).sum::<f64>() / evidence.data.len() as f64;
    assert!((mean - evidence.logit).abs() <= f64::from(TOLERANCE));
    assert!((evidence.logit - logit).abs() <= f64::from(TOLERANCE));
}

#[test]
fn a_file_with_another_head_scores_as_python_says() {
    for (file, name) in [(bytes("tiny.onnx"), "tiny.json"), (MINI.to_vec(), "mini.json")] {
        let fixture: Fixture = read(name);
        let head = Head { weight: fixture.other_head.weight.clone(), bias: fixture.other_head.bias };
        for options in engines() {
            let base = Detector::from_bytes(file.clone(), &options).expect(name);
            let hardened = base.with_head(&head, |_| {}).expect("written");
            let hardened = Detector::from_bytes(hardened, &options).expect("read again");
            assert_eq!(hardened.head(), &head);
            assert_ne!(hardened.sha256(), base.sha256());
            assert_eq!(hardened.backbone_sha256(), base.backbone_sha256(), "they share stored features");
            assert_eq!(hardened.metadata(), base.metadata());
            for (case, &expected) in fixture.cases.iter().zip(&fixture.other_head_logits) {
                let image = case.image();
                let logit = hardened.score(&image).expect("score");
                assert!((logit - expected).abs() <= f64::from(TOLERANCE), "{logit}, expected {expected}");
                assert_eq!(
                    hardened.pooled(&image).expect("pooled"),
                    base.pooled(&image).expect("pooled"),
                    "a head does not touch the backbone"
                );
            }
        }
    }
}

/// Needs Python with `oracle/requirements.txt`, named by `DEAR_PYTHON`.
#[test]
fn python_takes_the_written_file() {
    let Some(python) = std::env::var_os("DEAR_PYTHON") else {
        return skipped("no Python named (set DEAR_PYTHON)");
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../oracle/detector.py");
    let folder = tempfile::tempdir().expect("folder");
    let check = |file: &[u8]| -> Value {
        let path = folder.path().join("detector.onnx");
        fs_err::write(&path, file).expect("written");
        let output = Command::new(&python).args([script, "check"]).arg(&path).output().expect("python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    for file in [bytes("tiny.onnx"), MINI.to_vec()] {
        let base = Detector::from_bytes(file.clone(), &EngineOptions::builtin()).expect("valid");
        let weight = (0..base.channels()).map(|channel| (channel % 7) as f32 / 8.0 - 0.5).collect();
        let head = Head { weight, bias: 1.5 };
        let written =
            base.with_head(&head, |metadata| metadata.name = "hardened".to_owned()).expect("written");
        let (before, after) = (check(&file), check(&written));
        assert_eq!(after["rest_sha256"], before["rest_sha256"], "only head and document may change");
        assert_eq!(after["metadata"]["name"], "hardened");
        assert_eq!(after["metadata"]["card"], before["metadata"]["card"]);
        let hardened = Detector::from_bytes(written, &EngineOptions::builtin()).expect("valid");
        for (index, (height, width, seed)) in [(64, 64, 1), (65, 97, 2), (131, 49, 3)].into_iter().enumerate()
        {
            let expected = after["logits"][index].as_f64().expect("number");
            let found = hardened.score(&picture(width, height, seed)).expect("score");
            assert!((found - expected).abs() <= f64::from(TOLERANCE), "{found}, expected {expected}");
        }
    }
}

#[test]
fn the_document_of_a_hardened_detector_says_what_was_done_and_keeps_the_rest() {
    let base = tiny();
    let scores: Vec<f64> = (0..8).map(f64::from).collect();
    let options = GateOptions::default();
    let gate = prune(&scores, options.cut).expect("gate");
    let head = base.head().gated(&gate);
    let file = base.with_head(&head, |metadata| {
        metadata.gate = Some(dear::backbone::metadata::GateRecord::new(&gate, &options));
        metadata.rad =
            Some(dear::backbone::metadata::RadRecord { scores: scores.clone(), extra: Default::default() });
        metadata.head = json!({"training": "l2"});
        metadata.recipe = Some(json!({"seed": 1}));
    });
    let hardened = Detector::from_bytes(file.expect("written"), &EngineOptions::builtin()).expect("valid");
    let metadata = hardened.metadata();
    assert_eq!(metadata.gate.as_ref().expect("gate").keep(), gate.keep);
    assert_eq!(metadata.rad.as_ref().expect("rad").scores, scores);
    assert_eq!(metadata.threshold.value, 0.25);
    assert_eq!(metadata.extra["not_in_the_schema"], json!({"kept": true}));
    assert_eq!(hardened.head(), &head);
}

#[test]
fn heads_that_do_not_fit_are_refused() {
    let base = tiny();
    let short = Head { weight: vec![0.0; 7], bias: 0.0 };
    let error = base.with_head(&short, |_| {}).expect_err("7 of 8 channels");
    assert_eq!(error.to_string(), "model: head is 7 weights for 8 channels, expected 8 channels");
    let infinite = Head { weight: vec![0.0; 8], bias: f32::INFINITY };
    assert_eq!(base.with_head(&infinite, |_| {}).expect_err("infinite").kind(), "non_finite");
    let error = base.with_head(base.head(), |metadata| metadata.threshold.value = f64::NAN);
    assert_eq!(error.expect_err("no threshold").kind(), "metadata");
}

#[test]
fn batches_are_images_of_one_size() {
    let detector = tiny();
    let images: Vec<Image> = (0..3).map(|seed| picture(33, 20, seed)).collect();
    let rows = detector.pooled_batch(&images).expect("pooled");
    assert_eq!((rows.len(), rows[0].len()), (3, detector.channels()));
    for (row, image) in rows.iter().zip(&images) {
        assert!(difference(row, &detector.pooled(image).expect("pooled")) <= 1e-5);
    }
    assert_eq!(detector.features(&images).expect("features").shape, [3, 8, 5, 9]);

    let none: [Image; 0] = [];
    assert_eq!(detector.pooled_batch(&none).expect_err("no images").kind(), "no_images");
    let mixed = [picture(33, 20, 0), picture(20, 33, 0)];
    let error = detector.pooled_batch(&mixed).expect_err("two sizes");
    assert_eq!(error.to_string(), "image 1 of the batch is (20, 33), expected (33, 20) like the first");
}

#[test]
fn an_image_below_the_shortest_side_is_refused_and_one_at_it_is_not() {
    let detector = tiny();
    assert!(detector.score(&picture(16, 16, 1)).is_ok());
    for (width, height) in [(15, 64), (64, 15), (1, 1)] {
        let error = detector.score(&picture(width, height, 1)).expect_err("too small");
        assert_eq!(error.kind(), "too_small");
        let expected = format!("image of {width} x {height} pixels, expected sides of at least 16");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn files_that_break_the_contract_are_refused_by_name() {
    let tiny = bytes("tiny.onnx");
    let renamed = |from: &str, to: &str| replace(&tiny, from.as_bytes(), to.as_bytes());
    let document = |edit: fn(&mut Value)| {
        let model = OnnxModel::parse(&tiny).expect("valid");
        let mut document = serde_json::from_str(&model.document().expect("there")).expect("JSON");
        edit(&mut document);
        let text = document.to_string();
        model.rewrite(&[Edit::Metadata { key: "dear", value: Some(&text) }]).expect("written")
    };
    let swapped = replace(&renamed("features", "XXXXXXXX"), b"evidence", b"features");
    let swapped = replace(&swapped, b"XXXXXXXX", b"evidence");
    let nan = OnnxModel::parse(&tiny).expect("valid");
    let nan = nan.rewrite(&[Edit::Tensor { name: "head.bias", data: &[f32::NAN] }]).expect("written");
    let cases = [
        (
            renamed("image", "photo"),
            "contract",
            "input \"image\" is absent among photo, expected f32 [?, 3, ?, ?]",
        ),
        (
            renamed("pooled", "banana"),
            "contract",
            "output \"pooled\" is absent among features, banana, logit, evidence, expected f32 [?, 8]",
        ),
        (swapped, "contract", "output \"features\" is [?, 1, ?, ?], expected f32 [?, 8, ?, ?]"),
        (
            renamed("head.bias", "head.bent"),
            "contract",
            "tensor \"head.bias\" is absent, expected one initializer of that name",
        ),
        (nan, "non_finite", "tensor \"head.bias\" is not finite: element 0 is NaN"),
        (
            document(|d| d["channels"] = json!(9)),
            "contract",
            "metadata \"dear\" is 9 channels, expected 8 as the head has",
        ),
        (document(|d| d["schema"] = json!(2)), "metadata", "metadata \"dear\": schema is 2, expected 1"),
        (
            document(|d| d["kind"] = json!("generator")),
            "metadata",
            "metadata \"dear\": kind is generator, expected detector",
        ),
        (
            b"PK\x03\x04 and so on".to_vec(),
            "not_onnx",
            "not an ONNX model (looks like a PyTorch checkpoint or another zip archive)",
        ),
    ];
    for (file, kind, message) in cases {
        let error = Detector::from_bytes(file, &EngineOptions::builtin()).expect_err(message);
        assert_eq!((error.kind(), error.to_string()), (kind, format!("model: {message}")));
        assert!(error.hint().is_some(), "{message}");
    }
}

#[test]
fn without_evidence_a_detector_scores_but_does_not_explain() {
    // The output is renamed, so the file has no evidence.
    let file = replace(&bytes("tiny.onnx"), b"evidence", b"whatever");
    let detector = Detector::from_bytes(file, &EngineOptions::builtin()).expect("valid");
    assert!(!detector.has_evidence());
    assert!(detector.score(&picture(32, 32, 1)).is_ok());
    let error = detector.evidence(&picture(32, 32, 1)).expect_err("no evidence");
    assert_eq!(error.to_string(), "detector tiny has no output \"evidence\"");
    assert!(error.hint().is_some_and(|hint| hint.contains("--head patch-mean")));
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("corvi.pth");
    fs_err::write(&path, b"PK\x03\x04").expect("written");
    let error = Detector::open(&path, &EngineOptions::builtin()).expect_err("a checkpoint");
    assert!(error.to_string().starts_with(&format!("{}: not an ONNX model", path.display())), "{error}");
    assert_eq!(error.hint().as_deref(), Some("import it first: dear import"));

    let absent = folder.path().join("absent.onnx");
    let error = Detector::open(&absent, &EngineOptions::builtin()).expect_err("absent");
    assert!(matches!(error, DetectorError::Import(_)) && error.kind() == "unreadable");
    assert_eq!(error.to_string().matches("absent.onnx").count(), 1, "{error}");
}

#[test]
fn mini_is_the_embedded_file() {
    let detector = Detector::mini(&EngineOptions::builtin()).expect("mini");
    assert_eq!(detector.metadata().name, "mini");
    assert_eq!(detector.channels(), detector.metadata().channels as usize);
    assert!(detector.has_evidence());
    assert_eq!(detector.file(), MINI);
    assert_eq!(detector.metadata().halo.map(|halo| halo % 8), Some(0), "whole feature cells");
}

/// `from` and `to` have one length, so the file stays valid.
fn replace(file: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = file.to_vec();
    let mut at = 0;
    while let Some(offset) = out[at..].windows(from.len()).position(|part| part == from) {
        out[at + offset..at + offset + from.len()].copy_from_slice(to);
        at += offset + from.len();
    }
    assert_ne!(out, file);
    out
}
