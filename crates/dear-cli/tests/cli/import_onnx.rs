//! `dear import model.onnx --arch onnx`: declarations, the self-test, and what is left on disk. Files by `oracle/foreign.py`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::support::{Ran, args, dear, json_lines};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dear/tests/fixtures/foreign").join(name)
}

fn self_test(image: &str, answer: &str) -> OsString {
    let mut given = fixture(image).into_os_string();
    given.push(format!("={answer}"));
    given
}

/// `keras.onnx` as its pipeline has it; Python answered 0.883777261 and 0.11622268.
fn keras(out: &Path, change: &[(&str, OsString)]) -> Ran {
    let declared = [
        ("--layout", "nhwc".into()),
        ("--range", "0..255".into()),
        ("--color", "bgr".into()),
        ("--output", "softmax:1".into()),
        ("--self-test", self_test("a.png", "0.11622268")),
    ];
    let mut all =
        args!["import", fixture("keras.onnx"), "--arch", "onnx", "--no-normalisation", "--out", out];
    all.extend(args!["--engine", "builtin"]);
    for (option, value) in declared {
        let changed = change.iter().find(|(changed, _)| *changed == option);
        all.extend([option.into(), changed.map_or(value, |(_, value)| value.clone())]);
    }
    for (option, value) in change.iter().filter(|(option, _)| *option == "--view") {
        all.extend([option.into(), value.clone()]);
    }
    dear(all)
}

#[test]
fn a_foreign_network_is_imported_and_scans() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("d.onnx");
    let ran = keras(&out, &[]).expect(0);
    assert!(
        ran.stdout.contains("d.onnx: foreign ONNX, 1 channel, self-test passed (builtin"),
        "{}",
        ran.stdout
    );
    let ran = dear(args!["scan", fixture("b.png"), "--detector", &out, "--format", "jsonl"]).expect(0);
    let record = &json_lines(&ran.stdout)[0];
    // log(0.11167448 / 0.888325512); f32 in another order.
    let logit = record["logit"].as_f64().unwrap();
    assert!((logit + 2.0737).abs() < 1e-3, "{record}");
    // Another size is a record with its reason, not the end of the scan.
    let ran = dear(args!["scan", fixture("c.png"), "--detector", &out, "--format", "jsonl"]).expect(1);
    assert!(ran.stdout.contains("the network takes no other size"), "{}", ran.stdout);
    // Unless it is declared how it becomes one of that size.
    let view = ("--view", "resize(width=32, height=24, kernel=bicubic)".into());
    keras(&out, &[view]).expect(0);
    let ran = dear(args!["scan", fixture("c.png"), "--detector", &out, "--format", "jsonl"]).expect(0);
    assert!(json_lines(&ran.stdout)[0]["logit"].is_f64(), "{}", ran.stdout);
}

#[test]
fn the_doctor_runs_the_stored_test_again() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("d.onnx");
    keras(&out, &[]).expect(0);
    let ran = dear(args!["doctor", "--detector", &out]).expect(0);
    assert!(ran.stdout.contains("d.onnx: passed with builtin"), "{}", ran.stdout);
    // A document whose answer is another one stands for an engine or weights that changed.
    let detector = dear::detector::Detector::open(&out, &dear::engine::EngineOptions::builtin()).unwrap();
    let changed = detector.with_head(detector.head(), |metadata| {
        metadata.self_test.as_mut().unwrap().value = 0.25;
    });
    fs_err::write(&out, changed.unwrap()).unwrap();
    let ran = dear(args!["doctor", "--detector", &out]).expect(1);
    assert!(
        ran.stdout.contains("d.onnx: FAILED with builtin")
            && ran.stdout.contains("expected 0.250000 within 0.001"),
        "{}",
        ran.stdout
    );
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini.onnx");
    let ran = dear(args!["doctor", "--detector", mini]).expect(0);
    assert!(ran.stdout.contains("none stored in the file"), "{}", ran.stdout);
}

#[test]
fn what_is_wrong_or_missing_is_said_at_once_and_nothing_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("d.onnx");
    let cases: [(Ran, &str, &str); 6] = [
        (
            dear(args!["import", fixture("keras.onnx"), "--arch", "onnx", "--out", &out]),
            "keras.onnx: not declared: --layout, --range, --mean and --std or --no-normalisation, --color, --output, --positive, \
             --self-test; the file shows input \"input_1\" f32 [1, 24, 32, 3] and outputs \"Identity\" f32 [1, 2]",
            "nothing is guessed",
        ),
        (
            keras(&out, &[("--layout", "nchw".into())]),
            "input \"input_1\" f32 [1, 24, 32, 3], expected [N, 3, H, W] as --layout nchw says",
            "declare the layout that the file shows",
        ),
        (
            keras(&out, &[("--self-test", self_test("a.png", "0.5"))]),
            "a.png has probability 0.116223, expected 0.500000 within 0.001",
            "no other order of colours",
        ),
        (
            keras(&out, &[("--color", "rgb".into())]),
            "the self-test fails",
            "these would have given it, if they are what the original does: --color bgr",
        ),
        (
            dear(args![
                "import",
                fixture("keras.onnx"),
                "--arch",
                "corvi",
                "--layout",
                "nhwc",
                "--out",
                &out
            ]),
            "--layout is for an ONNX file of others, found --arch corvi",
            "--arch onnx",
        ),
        (
            dear(args!["import", fixture("keras.onnx"), "--out", &out]),
            "an ONNX model already, expected a checkpoint",
            "--arch onnx",
        ),
    ];
    for (ran, error, hint) in cases {
        let ran = ran.expect(2);
        assert!(ran.talk("error: ")[0].contains(error), "{}", ran.stderr);
        assert!(ran.talk("hint: ")[0].contains(hint), "{}", ran.stderr);
        assert!(ran.stdout.is_empty() && !out.exists());
    }
    for (option, value, expected) in [
        ("--mean", "1,2", "2 numbers, expected three"),
        ("--output", "softmax:2", "index of the generated class is 0 or 1"),
        ("--self-test", "a.png", "expected IMAGE=ANSWER"),
    ] {
        let ran = dear(args!["import", "x.onnx", "--arch", "onnx", "--out", &out, option, value]).expect(2);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
