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

/// The same safetensors file with `prefix` before every name.
fn prefixed(file: &[u8], prefix: &str) -> Vec<u8> {
    let (header, data) = file[8..].split_at(u64::from_le_bytes(file[..8].try_into().unwrap()) as usize);
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).unwrap();
    let renamed: serde_json::Map<_, _> =
        header.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect();
    let header = serde_json::to_vec(&renamed).unwrap();
    [(header.len() as u64).to_le_bytes().as_slice(), &header, data].concat()
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
    // Also one of more pixels than the network needs.
    for view in ["windows(side=150, stride=150)", "crop(200)", "native"] {
        import(&args!["--view", view]).expect(0);
        assert_eq!(json_lines(&scan().stdout)[0]["view"], view);
    }
}

#[test]
fn a_prefix_of_all_names_is_left_out_and_said_and_a_head_that_does_not_fit_refused() {
    let temp = tempfile::tempdir().unwrap();
    let plain = checkpoint(temp.path().join("plain.pth"));
    let module = temp.path().join("module.pth");
    fs_err::write(&module, prefixed(&fs_err::read(&plain).unwrap(), "module.")).unwrap();
    let logit = |file: &Path, note: bool| {
        let out = temp.path().join("new/folder/d.onnx");
        let import = args!["import", file, "--residual", "left-diag", "--engine", "builtin", "-o", &out];
        let ran = dear(import).expect(0);
        assert_eq!(ran.talk("\"module.\" before the names of tensors is left out").len(), usize::from(note));
        let ran = dear(args!["scan", sample(false), "--detector", &out, "--format", "jsonl"]).expect(0);
        json_lines(&ran.stdout)[0]["logit"].as_f64().unwrap()
    };
    assert_eq!(logit(&plain, false), logit(&module, true));
    let out = temp.path().join("p.onnx");
    let ran = dear(args!["import", &plain, "--residual", "raw", "--head", "replace", "-o", &out]).expect(0);
    assert!(ran.stderr.contains("its head is zeros") && ran.stderr.contains("dear fit"), "{}", ran.stderr);
    let ran =
        dear(args!["import", &plain, "--residual", "raw", "--head", "patch-mean", "-o", &out]).expect(2);
    assert!(ran.stderr.contains("patch-mean is for transformers, found tiny-ladeda"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--head replace"), "{}", ran.stderr);
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
        let ran = dear(args!["import", &file, "-o", temp.path().join("new/d.onnx")]).expect(2);
        assert!(ran.stderr.contains(message) && ran.stderr.contains("\nhint: "), "{name}: {}", ran.stderr);
        assert_eq!(contents(temp.path()), before);
        assert!(!temp.path().join("new").exists(), "a folder for nothing");
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
