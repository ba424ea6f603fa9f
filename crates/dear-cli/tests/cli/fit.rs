//! `dear fit`: a head on a frozen backbone, from folders.

use std::path::Path;

use crate::support::{Training, args, dear, times};

fn mini() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini.onnx")
}

fn metadata(file: &Path) -> serde_json::Value {
    let detector = dear::detector::Detector::open(file, &dear::engine::EngineOptions::builtin()).unwrap();
    serde_json::from_str(&detector.metadata().to_json().unwrap()).unwrap()
}

#[test]
fn a_backbone_becomes_a_detector_and_a_rerun_computes_nothing() {
    let set = Training::new();
    let out = set.path("f.onnx");
    let fit = |more: &[std::ffi::OsString]| {
        let base = args![
            "fit",
            "--backbone",
            mini(),
            "--real",
            &set.real,
            "--fake",
            &set.fake,
            "--val",
            &set.val,
            "--views",
            "2",
            "--out",
            &out
        ];
        dear([base, more.to_vec()].concat())
    };
    let ran = fit(&[]).expect(0);
    assert!(ran.stdout.contains("a head on the 256 channels of mini"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("trained on 6 real and 6 generated images, validated on 3 and 3, 2 views each"),
        "{}",
        ran.stdout
    );
    let document = metadata(&out);
    assert_eq!(document["name"], "mini-fit");
    assert!(document["gate"].is_null() && document["rad"].is_null(), "{document}");
    assert_eq!(document["heads"].as_array().map(Vec::len), Some(0));
    assert_eq!(document["source"]["fitted_on_sha256"].as_str().unwrap().len(), 64);
    let first = fs_err::read(&out).unwrap();
    let features = set.path("f.work/features");
    let before = times(&features, ".parquet");
    assert!(before.len() >= 3, "{before:?}");

    // Another head on the same features: another file, and nothing computed again.
    let recipe = set.path("r.toml");
    fs_err::write(
        &recipe,
        "[head]\nsolver = \"l2\"\nclass_balance = \"balanced\"\ninvariance = { strength = 10.0 }\n",
    )
    .unwrap();
    fit(&args!["--recipe", &recipe]).expect(0);
    assert_eq!(times(&features, ".parquet"), before);
    assert!(fs_err::read(&out).unwrap() != first);
    fit(&[]).expect(0);
    assert!(fs_err::read(&out).unwrap() == first, "the same command gives the same bytes");
    dear(args!["scan", "--detector", &out, &set.real]).expect(0);
}

#[test]
fn what_is_no_backbone_and_one_class_alone_are_errors_and_nothing_is_written() {
    let set = Training::new();
    let out = set.path("f.onnx");
    let inside = set.real.join("f.onnx");
    for command in [
        args!["fit", "--backbone", mini(), "--out", &inside],
        args!["harden", "--out", &inside],
        args!["sweep", "--out", set.real.join("s")],
    ] {
        let ran = dear([command, args!["--real", &set.real, "--fake", &set.fake]].concat()).expect(2);
        assert!(ran.stderr.contains("the work folder lies among the images of"), "{}", ran.stderr);
    }
    assert!(!inside.exists());
    let pth = set.path("b.pth");
    fs_err::write(&pth, b"PK\x03\x04 not a detector").unwrap();
    let empty = set.path("empty");
    fs_err::create_dir_all(&empty).unwrap();
    for (backbone, fake, expected) in [
        (pth.clone(), &set.fake, "b.pth"),
        (set.path("none.onnx"), &set.fake, "none.onnx"),
        (mini(), &empty, "empty"),
    ] {
        let ran =
            dear(args!["fit", "--backbone", backbone, "--real", &set.real, "--fake", fake, "--out", &out])
                .expect(2);
        assert!(ran.stderr.contains(expected) && ran.stderr.contains("error: "), "{}", ran.stderr);
        assert!(!out.exists());
    }
}
