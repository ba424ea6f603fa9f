//! `dear parity`, and engines that are asked for and cannot be had.

use std::ffi::OsString;

use crate::support::{args, dear, folder_of, json_lines, samples};

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder_of(&samples("test", 1), folder.path().join("images"));
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--reference-engine", "builtin"], 2, "error: both sides are builtin "),
        (&["--max-difference", "-1"], 2, "error: unexpected argument"),
        (&["--max-difference=-1"], 2, "error: --max-difference is -1, expected a number of at least 0"),
        (&["--precision", "bf16"], 3, "error: provider cpu has no bf16: it computes in f32 only"),
    ];
    for (more, code, message) in cases {
        let more: Vec<OsString> = more.iter().map(Into::into).collect();
        let ran = dear([args!["parity", &images], more].concat()).expect(code);
        assert!(ran.stderr.contains(message) && ran.stdout.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_provider_or_precision_that_is_not_there_is_never_replaced() {
    let image = samples("test", 1).remove(0);
    let cases = [
        (
            "--provider",
            "openvino",
            "provider openvino is a part of ONNX Runtime, but the built-in engine is asked for",
        ),
        (
            "--provider",
            "cuda",
            "provider cuda is a part of ONNX Runtime, but the built-in engine is asked for",
        ),
        ("--precision", "bf16", "provider cpu has no bf16: it computes in f32 only"),
    ];
    for (flag, value, message) in cases {
        let ran = dear(args!["scan", &image, flag, value]).expect(3);
        assert!(ran.stdout.is_empty(), "{ran:?}");
        assert_eq!(ran.talk("error: "), [message]);
        assert_eq!(ran.talk("hint: ").len(), 1);
    }
    let ran = dear(args!["scan", &image, "--memory", "1000000", "--format", "jsonl"]).expect(1);
    let error = &json_lines(&ran.stdout)[0]["error"];
    let expected = "image of 256 x 256 pixels needs 2654208 bytes for a tile, allowed are 1000000";
    assert_eq!(
        ["kind", "message", "hint"].map(|key| error[key].as_str().unwrap()),
        ["memory", expected, "allow at least that: --memory 2654208"]
    );
    dear(args!["scan", &image, "--memory", "2654208"]).expect(0);
}

#[test]
fn two_engines_are_compared_and_a_limit_is_kept() {
    // The path of the library, where the tests of both engines run.
    let Some(library) = std::env::var_os("DEAR_ONNXRUNTIME") else { return };
    let folder = tempfile::tempdir().unwrap();
    let images = folder_of(&samples("test", 4), folder.path().join("images"));
    let compare = |more: &[&str]| -> Vec<OsString> {
        let mut all =
            args!["parity", &images, "--reference-engine", "onnxruntime", "--onnxruntime", &library];
        all.extend(more.iter().map(Into::into));
        all
    };
    let ran = dear(compare(&["--max-difference", "1e-4"])).expect(0);
    for line in [
        "reference      onnxruntime ",
        "compared       builtin ",
        "images         4 scored by both, 0 by one only, 0 by none",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
    assert!(
        ran.stdout.contains("verdict flips  0 of 4 at logit 0: 0.00 % (95 % interval 0.00 to 48.99 %)"),
        "{}",
        ran.stdout
    );
    let ran = dear(compare(&["--max-difference", "0", "--format", "json"])).expect(1);
    assert_eq!(ran.talk("exit code 1: logits differ by up to ").len(), 1);
    let found = json_lines(&ran.stdout.replace('\n', "")).remove(0);
    let largest = found["difference"]["max"].as_f64().unwrap();
    assert!(largest > 0.0 && largest < 1e-4, "{found}");
    fs_err::write(images.join("broken.png"), b"no image").unwrap();
    let ran = dear(compare(&[])).expect(1);
    assert!(ran.stdout.contains("4 scored by both, 0 by one only, 1 by none"), "{}", ran.stdout);
    assert_eq!(ran.talk("warning: ").len(), 1, "{ran:?}");
}
