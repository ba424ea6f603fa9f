//! How image files become pixels: the flags, what is recorded, and that everything sees the same pixels.

use std::path::{Path, PathBuf};

use dear_image::{DecodeOptions, Orientation, Subsampling, decode, encode_jpeg, encode_png};
use serde_json::{Value, json};

use crate::support::{
    args, dear, folder_of, json_lines, picture, sample, samples, stand_ins, truncated_jpeg,
};

/// A JPEG that asks to be turned by a quarter, not square.
fn turned(path: &Path) -> PathBuf {
    let source = picture(&sample(false));
    let image = dear_image::Image::from_fn(201, 131, |x, y| source.pixel(x, y));
    let jpeg = encode_jpeg(&image, 90, Subsampling::S420).unwrap();
    let exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, [&jpeg[..2], exif, &jpeg[2..]].concat()).unwrap();
    path.to_owned()
}

/// The same picture, turned, as PNG.
fn upright(jpeg: &Path, path: &Path) -> PathBuf {
    let options = DecodeOptions { orientation: Orientation::Apply, ..DecodeOptions::default() };
    let decoded = decode(&fs_err::read(jpeg).unwrap(), &options).unwrap();
    assert_eq!(decoded.image.size(), (131, 201));
    fs_err::write(path, encode_png(&decoded.image).unwrap()).unwrap();
    path.to_owned()
}

fn record(args: Vec<std::ffi::OsString>) -> Value {
    json_lines(&dear(args).expect(0).stdout).remove(0)
}

#[test]
fn a_turned_photograph_is_scored_turned_where_that_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let jpeg = turned(&temp.path().join("a.jpg"));
    let png = upright(&jpeg, &temp.path().join("a.png"));
    let stored = record(args!["scan", &jpeg, "--format", "jsonl"]);
    assert_eq!((stored["width"].as_u64(), stored["height"].as_u64()), (Some(201), Some(131)));
    let kept = json!({"orientation": 6, "oriented": false, "alpha": "none", "profile": "none"});
    assert_eq!((&stored["treatment"], &stored["warning"]), (&kept, &Value::Null));
    assert_eq!(stored["decode"]["orientation"], "pillow");
    let applied = record(args!["scan", &jpeg, "--format", "jsonl", "--orientation", "apply"]);
    assert_eq!(
        (applied["width"].as_u64(), applied["treatment"]["oriented"].as_bool()),
        (Some(131), Some(true))
    );
    assert_eq!(
        (&applied["decode"]["orientation"], &applied["decode"]["max_pixels"]),
        (&json!("apply"), &json!(200_000_000))
    );
    let expected = record(args!["scan", &png, "--format", "jsonl"]);
    assert_eq!(applied["logit"], expected["logit"]);
    assert_ne!(applied["logit"], stored["logit"]);
    let csv = dear(args!["scan", &jpeg, "--format", "csv", "--orientation", "apply"]).expect(0).stdout;
    assert!(csv.lines().nth(1).unwrap().contains(",6,true,none,none,"), "{csv}");

    // The map lies over what was scored.
    let (of_jpeg, of_png) = (temp.path().join("jpeg.png"), temp.path().join("png.png"));
    dear(args!["explain", &jpeg, "--out", &of_jpeg, "--orientation", "apply"]).expect(0);
    dear(args!["explain", &png, "--out", &of_png]).expect(0);
    assert_eq!(picture(&of_jpeg), picture(&of_png));
    // So it does where memory is for 20,000 of the 26,331 pixels, at the 512 bytes that are assumed of each.
    let tiles = ["--memory", "10240000", "--orientation", "apply"];
    let in_tiles = temp.path().join("tiles.png");
    let ran = dear([args!["explain", &jpeg, "--out", &in_tiles], tiles.map(Into::into).to_vec()].concat())
        .expect(0);
    assert!(ran.stdout.contains(" the mean of 17 x 26 cells "), "{}", ran.stdout);
    let (map, whole) = (picture(&in_tiles), picture(&of_png));
    assert_eq!(map.size(), (131, 201));
    // Rounding of evidence (below 1e-5) may turn a colour to its neighbour.
    let steps = map.data().iter().zip(whole.data()).map(|(a, b)| a.abs_diff(*b));
    assert!(steps.max().unwrap() <= 1);
    let tiled = record([args!["scan", &jpeg, "--format", "jsonl"], tiles.map(Into::into).to_vec()].concat());
    let [tiled, expected] = [&tiled, &expected].map(|record| record["logit"].as_f64().unwrap());
    assert!((tiled - expected).abs() < 1e-4 && tiled != expected, "{tiled} and {expected}");
}

#[test]
fn limits_refuse_a_file_and_not_the_run() {
    let temp = tempfile::tempdir().unwrap();
    let jpeg = turned(&temp.path().join("a.jpg"));
    for (flag, value, said) in [
        (
            "--max-pixels",
            "26330",
            "jpeg of 201 x 131 = 0.026331 megapixels exceeds the limit of 0.026330 megapixels",
        ),
        ("--max-bytes", "100", " exceeds the limit of 100 bytes"),
        ("--max-memory", "1000", " bytes of memory, more than the limit of 1000 bytes"),
    ] {
        let ran = dear(args!["scan", &jpeg, "--format", "jsonl", flag, value]).expect(1);
        let record = json_lines(&ran.stdout).remove(0);
        let message = record["error"]["message"].as_str().unwrap();
        assert!(message.ends_with(said), "{flag}: {message}");
        assert_eq!((&record["error"]["kind"], &record["treatment"]), (&json!("too_large"), &Value::Null));
        let explained =
            dear(args!["explain", &jpeg, "--out", temp.path().join("m.png"), flag, value]).expect(2);
        assert!(explained.stderr.contains(said), "{}", explained.stderr);
    }
    let enough = dear(args!["scan", &jpeg, "--max-pixels", "26331"]);
    enough.expect(0);
    dear(args!["scan", &jpeg, "--orientation", "exif"]).expect(2);
}

#[test]
fn an_evaluation_an_audit_and_a_copy_record_how_files_were_decoded() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let photographs = samples("test", 4);
    folder_of(&photographs, data.join("real/a"));
    stand_ins(&photographs, data.join("fake/a"));
    turned(&data.join("real/a/turned.jpg"));
    truncated_jpeg(data.join("real/a/cut.jpg"));
    let out = temp.path().join("out");
    let flags = ["--orientation", "apply", "--alpha", "white", "--allow-truncated"];
    let run = args!["evaluate", "--data", &data, "--out", &out];
    let ran = dear(run.into_iter().chain(flags.map(Into::into)).collect()).expect(1);
    assert!(ran.stderr.contains("1 image scored with a warning"), "{}", ran.stderr);
    let results: Value = serde_json::from_slice(&fs_err::read(out.join("results.json")).unwrap()).unwrap();
    let decode = &results["options"]["decode"];
    assert_eq!(
        (&decode["orientation"], &decode["alpha"], &decode["icc"]),
        (&json!("apply"), &json!("white"), &json!("ignore"))
    );
    let records = json_lines(&fs_err::read_to_string(out.join("records.jsonl")).unwrap());
    let cut = records.iter().find(|record| record["path"].as_str().unwrap().ends_with("cut.jpg")).unwrap();
    assert_eq!(cut["status"], "scored_with_warning");
    assert!(cut["warning"].as_str().unwrap().contains("truncated"), "{cut}");
    let plain =
        records.iter().find(|record| record["path"].as_str().unwrap().ends_with("turned.jpg")).unwrap();
    assert_eq!((&plain["status"], &plain["warning"]), (&json!("scored"), &Value::Null));

    let audited = temp.path().join("audit");
    dear(args!["audit", &data, "--out", &audited, "--orientation", "apply", "--allow-truncated"]).expect(0);
    let audit: Value = serde_json::from_slice(&fs_err::read(audited.join("audit.json")).unwrap()).unwrap();
    assert_eq!(audit["options"]["decode"]["orientation"], "apply");

    let copy = temp.path().join("copy");
    let perturb = |flags: &[&str]| {
        let run = args!["perturb", data.join("real"), "--chain", "clean", "--out", &copy];
        dear(run.into_iter().chain(flags.iter().map(Into::into)).collect())
    };
    perturb(&["--orientation", "apply"]).expect(1);
    assert_eq!(picture(&copy.join("a/turned.png")).size(), (131, 201));
    let manifest = fs_err::read_to_string(copy.join("manifest.csv")).unwrap();
    assert!(manifest.lines().next().unwrap().ends_with(",decode"), "{manifest}");
    assert!(manifest.contains("\"\"orientation\"\":\"\"apply\"\""), "{manifest}");
    let other = perturb(&[]).expect(2);
    assert!(other.stderr.contains("made with other options of decoding"), "{}", other.stderr);
    perturb(&["--orientation", "apply"]).expect(1);
}

#[test]
fn a_recipe_has_the_options_of_decoding() {
    let temp = tempfile::tempdir().unwrap();
    let recipe = temp.path().join("recipe.toml");
    fs_err::write(&recipe, "[decode]\norientation = \"apply\"\nicc = \"srgb\"\n").unwrap();
    let run = |path: &Path| {
        let (data, out) = (temp.path(), temp.path().join("none.onnx"));
        dear(args![
            "harden",
            "--real",
            data,
            "--fake",
            data,
            "--out",
            out,
            "--recipe",
            path,
            "--print-recipe"
        ])
    };
    let printed = run(&recipe).expect(0).stdout;
    let decode = printed.split("[decode]").nth(1).unwrap().split("\n[").next().unwrap();
    for line in ["orientation = \"apply\"", "icc = \"srgb\"", "alpha = \"drop\"", "max_pixels = 200000000"] {
        assert!(decode.lines().any(|found| found == line), "{line}: {decode}");
    }
    fs_err::write(&recipe, "[decode]\nicc = \"adobe\"\n").unwrap();
    run(&recipe).expect(2);
}

#[test]
fn a_copy_of_a_truncated_image_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let (source, copy) =
        (folder_of(&samples("test", 2), temp.path().join("source")), temp.path().join("copy"));
    truncated_jpeg(source.join("cut.jpg"));
    let run = || dear(args!["perturb", &source, "--chain", "jpeg(75)", "--out", &copy, "--allow-truncated"]);
    for made_before in [0, 3] {
        // Also where the copy is of an earlier run.
        let ran = run().expect(1);
        assert_eq!(ran.talk("warning: cut.jpg: jpeg file is truncated: ").len(), 1, "{}", ran.stderr);
        assert!(ran.stdout.contains(&format!("({made_before} made before); 0 refused")), "{}", ran.stdout);
    }
    let manifest = fs_err::read_to_string(copy.join("manifest.csv")).unwrap();
    assert!(manifest.lines().next().unwrap().ends_with(",decode,warning"), "{manifest}");
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_is_refused_and_not_waited_for() {
    let temp = tempfile::tempdir().unwrap();
    let pipe = temp.path().join("pipe.jpg");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ran = dear(args!["scan", &pipe, "/dev/zero", sample(true), "--format", "jsonl"]).expect(1);
    let records = json_lines(&ran.stdout);
    let status: Vec<&str> = records.iter().map(|record| record["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["refused", "refused", "scored"]);
    for record in &records[..2] {
        assert_eq!(record["error"]["kind"], "unreadable");
        assert!(
            record["error"]["message"].as_str().unwrap().contains("a pipe, a socket or a device"),
            "{record}"
        );
    }
}
