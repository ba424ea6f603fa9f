//! `dear import` of checkpoints: what comes out is used, what is wrong leaves nothing behind.

use std::path::{Path, PathBuf};

use crate::support::{Training, args, contents, dear, json_lines, sample};

#[allow(dead_code)]
#[path = "../../../dear/tests/oracle/seeded.rs"]
mod seeded;

/// Tiny-LaDeDa with seeded weights, as the oracle lists them.
fn checkpoint(path: PathBuf) -> PathBuf {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dear/tests/fixtures/architectures/cnn.json");
    let fixture: serde_json::Value = serde_json::from_slice(&fs_err::read(list).unwrap()).unwrap();
    let networks = fixture["networks"].as_array().unwrap();
    let tiny = networks.iter().find(|network| network["name"] == "tiny-ladeda-left-diag").unwrap();
    let tensors: Vec<seeded::Seeded> = serde_json::from_value(tiny["weights"].clone()).unwrap();
    fs_err::write(&path, seeded::safetensors(&tensors)).unwrap();
    path
}

#[test]
fn a_checkpoint_becomes_a_detector_that_says_what_it_saw() {
    let temp = tempfile::tempdir().unwrap();
    let file = checkpoint(temp.path().join("tiny.pth"));
    let out = temp.path().join("d.onnx");
    let import = |more: &[std::ffi::OsString]| {
        dear(
            [
                args!["import", &file, "--residual", "left-diag", "--engine", "builtin", "-o", &out],
                more.to_vec(),
            ]
            .concat(),
        )
    };
    let ran = import(&[]).expect(0);
    assert!(ran.stdout.contains("d.onnx: tiny-ladeda (Tiny-LaDeDa: four convolutions"), "{}", ran.stdout);
    let scan = || dear(args!["scan", sample(false), "--detector", &out, "--format", "jsonl"]).expect(0);
    let ran = scan();
    let record = &json_lines(&ran.stdout)[0];
    assert_eq!(record["view"], "resize(width=256, height=256, kernel=bilinear)");
    assert!(
        record["logit"].as_f64().is_some() && ran.stderr.contains("of each image the network saw: resize"),
        "{}",
        ran.stderr
    );
    let map = temp.path().join("map.png");
    let ran = dear(args!["explain", sample(false), "--detector", &out, "--out", &map]).expect(0);
    assert!(
        ran.stderr.contains("the map shows what the network sees of the image: resize"),
        "{}",
        ran.stderr
    );
    // 256 pixels, a 3 x 3 kernel without padding, then one that moves by 2: (254 - 3) / 2 + 1 cells.
    assert!(ran.stdout.contains("the mean of 126 x 126 cells"), "{}", ran.stdout);
    import(&args!["--view", "native"]).expect(0);
    assert_eq!(json_lines(&scan().stdout)[0]["view"], "native");
}

#[test]
fn what_is_no_checkpoint_is_told_apart_and_nothing_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let cases: [(&str, &[u8], &str); 5] = [
        ("page.pth", b"<!DOCTYPE html><html>", "looks like an HTML page"),
        ("pointer.pth", b"version https://git-lfs.github.com/spec/v1\noid", "looks like a git-lfs pointer"),
        ("empty.pth", b"", "the file is empty"),
        ("cut.pth", b"PK\x03\x04 and no directory", "zip"),
        ("notes.pth", b"the weights are on my other machine", "not a checkpoint"),
    ];
    for (name, bytes, message) in cases {
        let file = temp.path().join(name);
        fs_err::write(&file, bytes).unwrap();
        let before = contents(temp.path());
        let ran = dear(args!["import", &file, "-o", temp.path().join("d.onnx")]).expect(2);
        assert!(ran.stderr.contains(message) && ran.stderr.contains("\nhint: "), "{name}: {}", ran.stderr);
        assert_eq!(contents(temp.path()), before);
    }
    let ran = dear(args!["import", temp.path(), "-o", temp.path().join("d.onnx")]).expect(2);
    assert!(ran.stderr.contains("no regular file, expected a checkpoint"), "{}", ran.stderr);
}

#[test]
fn neither_the_input_nor_a_device_is_written_over() {
    let temp = tempfile::tempdir().unwrap();
    let file = checkpoint(temp.path().join("tiny.pth"));
    let before = contents(temp.path());
    let ran = dear(args!["import", &file, "--residual", "raw", "-o", &file]).expect(2);
    assert!(ran.stderr.contains("is the input, expected another file"), "{}", ran.stderr);
    assert_eq!(contents(temp.path()), before);
    #[cfg(unix)]
    {
        let listener = std::os::unix::net::UnixListener::bind(temp.path().join("socket")).unwrap();
        let ran =
            dear(args!["import", &file, "--residual", "raw", "-o", temp.path().join("socket")]).expect(2);
        assert!(ran.stderr.contains("is no regular file"), "{}", ran.stderr);
        drop(listener);
    }
}

#[test]
fn probes_are_not_looked_at_through_a_view_that_changes_them() {
    let set = Training::new();
    let out = set.path("d.onnx");
    let file = checkpoint(set.path("tiny.pth"));
    dear(args!["import", &file, "--residual", "left-diag", "--engine", "builtin", "-o", &out]).expect(0);
    let ran = dear(set.harden("h", &args!["--detector", &out])).expect(2);
    assert!(ran.stderr.contains("changes a crop of 96 x 96 pixels"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: import the detector with --view native"), "{}", ran.stderr);
}
