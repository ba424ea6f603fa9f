//! `dear calibrate`, and what `scan`, `explain` and `harden` make of it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{
    Training, args, contents, dear, folder_of, json_lines, samples, stand_ins, truncated_jpeg,
};

/// A dataset with the split `val` of 24 photographs and 24 stand-ins, of different scenes.
fn dataset(root: &Path) -> PathBuf {
    let all = samples("train", 48);
    folder_of(&all[..24], root.join("val/real/kodak"));
    stand_ins(&all[24..], root.join("val/fake/half"));
    root.to_owned()
}

#[test]
fn a_calibrated_detector_says_probability_and_verdict_everywhere() {
    let temp = tempfile::tempdir().unwrap();
    let data = dataset(&temp.path().join("data"));
    let out = temp.path().join("c.onnx");
    let ran =
        dear(args!["calibrate", "--data", &data, "--fpr", "0.1", "--miss", "0.1", "--out", &out]).expect(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].starts_with("probability: ") && lines[0].contains("; cross-validated: temperature "),
        "{ran:?}"
    );
    let origin = "at most 10 % of real images like those of data/val (n = 24 images) accused, on average over calibration \
                  samples; conformal, clean";
    assert!(lines[1].starts_with("threshold: logit ") && lines[1].ends_with(origin), "{}", lines[1]);
    assert!(
        lines[2].starts_with("  1 of 24 lie beyond; with 95 % confidence this very threshold accuses "),
        "{ran:?}"
    );
    assert!(lines[4].starts_with("uncertain: from logit "), "{ran:?}");
    assert!(
        lines[5].starts_with("finds, clean: ") && lines[5].contains(" of 24 generated images"),
        "{ran:?}"
    );
    let table: Vec<Vec<&str>> = lines[6..].iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table[0], ["condition", "class", "subset", "n", "above", "threshold", "p"]);
    assert_eq!(table[1][..5], ["clean", "real", "kodak", "24", "4.2"], "1 of 24 is accused");
    assert_eq!(table[2][..4], ["clean", "generated", "half", "24"]);
    assert_eq!(lines.len(), 9);
    assert_eq!(
        contents(temp.path()).keys().filter(|name| name.starts_with("c.work/features/whole-")).count(),
        2
    );

    // Every image of the sample by the file's own word.
    let scan = |format: &str| {
        dear(args!["scan", data.join("val"), "--detector", &out, "--format", format]).expect(0)
    };
    let records = json_lines(&scan("jsonl").stdout);
    assert_eq!(records.len(), 48);
    let json = dear(args![
        "calibrate",
        "--data",
        &data,
        "--fpr",
        "0.1",
        "--miss",
        "0.1",
        "--out",
        &out,
        "--format",
        "json"
    ]);
    let document: Value = serde_json::from_str(&json.expect(0).stdout).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let [low, high] = [0, 1].map(|end| number(&document["threshold"]["uncertain"][end]));
    let mut accused = 0;
    let mut seen: Vec<(f64, f64)> = Vec::new();
    for record in &records {
        let logit = number(&record["logit"]);
        let expected = if logit > high {
            "generated"
        } else if logit < low {
            "real"
        } else {
            "uncertain"
        };
        assert_eq!(record["verdict"], expected, "{record}");
        assert_eq!(record["threshold"], document["threshold"]["value"]);
        assert_eq!(record["threshold_origin"], origin);
        assert_eq!(record["uncertain"], document["threshold"]["uncertain"]);
        seen.push((logit, number(&record["probability"])));
        let real = record["path"].as_str().unwrap().contains("/real/");
        accused += u64::from(real && logit > number(&record["threshold"]));
    }
    assert_eq!(accused, 1, "as many as may lie beyond");
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(seen.windows(2).all(|pair| pair[0].1 <= pair[1].1) && seen[0].1 < seen[47].1, "{seen:?}");
    if document["calibration"]["map"]["method"] == "platt" {
        let [slope, offset] = ["slope", "offset"].map(|name| number(&document["calibration"]["map"][name]));
        let expected = 1.0 / (1.0 + (-(slope * seen[9].0 + offset)).exp());
        assert!((seen[9].1 - expected).abs() < 1e-12);
    }
    assert!(
        (0.0..=1.0).contains(&seen[0].1) && seen[47].1 <= 25.0 / 26.0,
        "24 images make nobody more certain"
    );

    let text = scan("text");
    let percent = format!("  {:>5.1} %  ", 100.0 * number(&records[0]["probability"]));
    assert!(text.stdout.lines().next().unwrap().contains(&percent), "{}", text.stdout);
    let told = format!(", undecided from {low:.4} to {high:.4} [{origin}]");
    assert!(text.stderr.contains(&told), "{}", text.stderr);
    let csv = scan("csv").stdout;
    assert!(csv.lines().next().unwrap().contains(",engine_detail,uncertain_low,uncertain_high,"), "{csv}");
    assert!(csv.lines().nth(1).unwrap().contains(&format!(",{low},{high},")), "{csv}");

    // Explain has the same word, for an image that logit 0 and the threshold judge differently.
    let word = records
        .iter()
        .find(|record| (record["verdict"] == "generated") != (number(&record["logit"]) > 0.0))
        .expect("one image on whose verdict the threshold decides");
    let map = temp.path().join("map.png");
    let explained =
        dear(args!["explain", word["path"].as_str().unwrap(), "--detector", &out, "--out", &map]).expect(0);
    let verdict = word["verdict"].as_str().unwrap();
    assert!(explained.stdout.contains(&format!(" ({verdict}), the mean of ")), "{}", explained.stdout);
}

#[test]
fn the_same_images_make_the_same_file_and_conditions_are_recorded() {
    let temp = tempfile::tempdir().unwrap();
    let data = dataset(&temp.path().join("data"));
    let run = |name: &str, more: &[std::ffi::OsString]| {
        let out = temp.path().join(name);
        let args = args![
            "calibrate",
            "--data",
            &data,
            "--fpr",
            "0.2",
            "--miss",
            "0.2",
            "--work",
            temp.path().join("w"),
            "--out",
            &out,
            "--format",
            "json"
        ];
        let document: Value =
            serde_json::from_str(&dear([args, more.to_vec()].concat()).expect(0).stdout).unwrap();
        (fs_err::read(out).unwrap(), document)
    };
    let (a, clean) = run("a.onnx", &[]);
    let (b, _) = run("b.onnx", &args!["--threads", "1"]);
    assert_eq!(a, b);
    let (_, both) =
        run("c.onnx", &args!["--perturb", "jpeg(40)", "clean", "--seed", "5", "--method", "isotonic"]);
    let calibration = &both["calibration"];
    assert_eq!(
        calibration["conditions"],
        serde_json::json!(["clean", "jpeg(40, 4:2:0)"]),
        "clean counts once"
    );
    assert_eq!((&calibration["seed"], &calibration["map"]["method"]), (&5.into(), &"isotonic".into()));
    assert_eq!(calibration["subsets"].as_array().unwrap().len(), 4);
    assert_eq!(calibration["data_sha256"], clean["calibration"]["data_sha256"]);
    assert!(
        both["threshold"]["value"].as_f64() >= clean["threshold"]["value"].as_f64(),
        "the safest of both"
    );
}

#[test]
fn test_images_are_never_taken_by_themselves_and_too_few_are_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let data = dataset(&temp.path().join("data"));
    let out = temp.path().join("c.onnx");
    fs_err::rename(data.join("val"), data.join("test")).unwrap();
    let ran = dear(args!["calibrate", "--data", &data, "--out", &out]).expect(2);
    let found = ran.talk("error: ");
    assert_eq!(found, [format!("{}: holds the splits test, expected val or validation", data.display())]);
    let asked = dear(args!["calibrate", "--data", &data, "--split", "test", "--out", &out, "--fpr", "0.01"])
        .expect(2);
    let expected = "24 real images are too few for at most 1 % wrong, expected at least 99";
    assert_eq!(asked.talk("error: "), [expected]);
    assert_eq!(asked.talk("hint: "), ["give more real images, or allow a larger share with --fpr"]);
    assert!(!out.exists());
    let confident =
        args!["calibrate", "--data", &data, "--split", "test", "--out", &out, "--confidence", "0.95"];
    let expected = "24 real images are too few for at most 5 % wrong, expected at least 59";
    assert_eq!(dear(confident).expect(2).talk("error: "), [expected]);
    let per_cent = dear(args!["calibrate", "--data", &data, "--out", &out, "--fpr", "5"]).expect(2);
    assert_eq!(
        per_cent.talk("error: ")[0],
        "calibration option \"fpr\" is 5, expected a share from 0.000001 to 0.5"
    );

    // The wrong way round.
    fs_err::rename(data.join("test/real"), data.join("test/x")).unwrap();
    fs_err::rename(data.join("test/fake"), data.join("test/real")).unwrap();
    fs_err::rename(data.join("test/x"), data.join("test/fake")).unwrap();
    let ran = dear(args!["calibrate", "--data", data.join("test"), "--out", &out, "--fpr", "0.1"]).expect(2);
    assert!(
        ran.talk("error: ")[0].starts_with("the detector's logits rank these images no better than chance")
    );
}

#[test]
fn refused_images_take_no_part_and_are_counted() {
    let temp = tempfile::tempdir().unwrap();
    let data = dataset(&temp.path().join("data"));
    truncated_jpeg(data.join("val/real/kodak/zz-cut.jpg"));
    let out = temp.path().join("c.onnx");
    let args = args![
        "calibrate",
        "--data",
        &data,
        "--fpr",
        "0.1",
        "--miss",
        "0.1",
        "--out",
        &out,
        "--format",
        "json"
    ];
    let ran = dear(args).expect(1);
    assert_eq!(ran.talk("warning: ").len(), 1, "{}", ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let calibration = &document["calibration"];
    assert_eq!((&calibration["refused"], &calibration["real"]), (&1.into(), &24.into()));
}

#[test]
fn hardening_does_not_calibrate_on_validation_images_that_show_nothing() {
    let set = Training::new();
    let recipe = set.path("r.toml");
    fs_err::write(&recipe, "[calibrate]\nfpr = 0.3\nmiss = 0.3\n").unwrap();
    let val = dataset(&set.path("more"));
    // 24 images of each class would do for 30 %, but this short training gives no head that is shown to rank them.
    let ran = dear(set.harden("out", &args!["--val", &val, "--recipe", &recipe])).expect(0);
    let warned = ran.talk("warning: ");
    assert_eq!(warned.len(), 2, "{}", ran.stderr);
    assert_eq!(warned[0], "6 of 48 validation images are also trained on (equal bytes)");
    assert!(
        warned[1].starts_with("not calibrated: the AUC on these images is 0.")
            && warned[1].ends_with(", expected an interval above 0.5"),
        "{warned:?}"
    );
    let scanned = dear(args![
        "scan",
        "--detector",
        set.path("out/h.onnx"),
        "--format",
        "jsonl",
        val.join("val/real/kodak")
    ]);
    let record = &json_lines(&scanned.expect(0).stdout)[0];
    assert!(!record["uncertain"].is_array(), "{record}");
}
