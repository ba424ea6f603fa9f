//! `dear evaluate`: tables that say of how many images they speak, and that come out the same again.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{
    Ran, Training, args, contents, dear, folder_of, json_lines, samples, stand_ins, times, truncated_jpeg,
};

/// Five photographs, three and two stand-ins of two generators, one of them cut, and a file that is no image.
fn dataset(root: PathBuf) -> PathBuf {
    folder_of(&samples("test", 5), root.join("real/kodak"));
    stand_ins(&samples("val", 3), root.join("fake/one"));
    stand_ins(&samples("val", 4).split_off(3), root.join("fake/two"));
    truncated_jpeg(root.join("fake/two/cut.jpg"));
    fs_err::write(root.join("real/kodak/Thumbs.db"), "x").unwrap();
    root
}

fn results(out: &std::path::Path) -> Value {
    serde_json::from_str(&fs_err::read_to_string(out.join("results.json")).unwrap()).unwrap()
}

/// One table. Images in no subfolder are the subset `all` of their class: the kind tells it from everything.
fn table<'a>(results: &'a Value, chain: &str, system: &str, subset: &str) -> &'a Value {
    let wanted = |table: &&Value| {
        let everything = (table["kind"] == "all") == (subset == "all");
        everything && table["chain"] == chain && table["system"] == system && table["subset"] == subset
    };
    let found: Vec<&Value> = results["tables"].as_array().unwrap().iter().filter(wanted).collect();
    assert_eq!(found.len(), 1, "{chain}, {system}, {subset}");
    found[0]
}

fn counts(table: &Value) -> [u64; 4] {
    ["real", "fake", "refused_real", "refused_fake"].map(|key| table[key].as_u64().unwrap())
}

fn value(table: &Value, metric: &str) -> f64 {
    let metrics = table["metrics"].as_array().unwrap();
    metrics.iter().find(|found| found["metric"] == metric).unwrap()["value"].as_f64().unwrap()
}

#[test]
fn refused_images_are_counted_in_every_table_and_a_rerun_says_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let (data, out) = (dataset(temp.path().join("data")), temp.path().join("out"));
    let run = || {
        dear(args![
            "evaluate",
            "--data",
            &data,
            "--out",
            &out,
            "--perturb",
            "jpeg(70)",
            "resize(0.5) | jpeg(80)",
            "--seed",
            "1"
        ])
    };
    let first = run().expect(1);
    assert_eq!(
        first.talk("warning: "),
        ["fake/two/cut.jpg: refused (truncated): jpeg file is truncated: its data end early"]
    );
    let results = results(&out);
    assert_eq!(results["schema"], 1);
    assert_eq!(results["data"]["skipped"], 1);
    assert_eq!((results["data"]["real"].as_u64(), results["data"]["fake"].as_u64()), (Some(5), Some(5)));
    let chains: Vec<&str> =
        results["chains"].as_array().unwrap().iter().map(|chain| chain.as_str().unwrap()).collect();
    assert_eq!((chains.len(), chains[0], chains[1]), (3, "clean", "jpeg(70, 4:2:0)"), "{chains:?}");
    assert_eq!(results["systems"].as_array().unwrap().len(), 1);
    // Everything, the mean of two generators, each of them, and the real set.
    assert_eq!(results["tables"].as_array().unwrap().len(), 3 * 5);
    let records = json_lines(&fs_err::read_to_string(out.join("records.jsonl")).unwrap());
    assert_eq!(records.len(), 10 * 3);
    for chain in &chains {
        let counted = |subset| counts(table(&results, chain, "mini", subset));
        assert_eq!(
            [counted("all"), counted("one"), counted("two"), counted("kodak")],
            [[5, 4, 0, 1], [5, 3, 0, 0], [5, 1, 0, 1], [5, 0, 0, 0]],
            "{chain}"
        );
        // The tables are about the records.
        let of_chain: Vec<&Value> = records.iter().filter(|record| record["chain"] == *chain).collect();
        assert_eq!(of_chain.len(), 10);
        let right = |label: &str| {
            let logits: Vec<f64> = of_chain
                .iter()
                .filter(|r| r["label"] == label)
                .filter_map(|r| r["logits"]["mini"].as_f64())
                .collect();
            logits.iter().filter(|&&logit| (logit > 0.0) == (label == "generated")).count() as f64
                / logits.len() as f64
        };
        let all = table(&results, chain, "mini", "all");
        assert_eq!(
            (value(all, "r_acc"), value(all, "f_acc")),
            (right("real"), right("generated")),
            "{chain}"
        );
        assert_eq!(value(all, "balanced_accuracy"), (right("real") + right("generated")) / 2.0);
        let refused: Vec<&&Value> = of_chain.iter().filter(|record| record["status"] == "refused").collect();
        assert_eq!(
            (refused.len(), &refused[0]["path"], &refused[0]["error"]),
            (1, &"fake/two/cut.jpg".into(), &"truncated".into())
        );
        assert!(refused[0]["logits"]["mini"].is_null());
    }
    // The clean logits are those of a scan, up to where the mean over the grid is rounded.
    let scanned = json_lines(&dear(args!["scan", data.join("real"), "--format", "jsonl"]).expect(0).stdout);
    for (scan, record) in scanned
        .iter()
        .zip(records.iter().filter(|record| record["chain"] == "clean" && record["label"] == "real"))
    {
        assert_eq!(scan["sha256"], record["sha256"]);
        let difference = scan["logit"].as_f64().unwrap() - record["logits"]["mini"].as_f64().unwrap();
        assert!(difference.abs() < 1e-5, "{difference}");
    }
    let page = fs_err::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("</html>") && !page.contains("http://") && !page.contains("<script src"),
        "a page that needs no network"
    );

    let before = (contents(&out), times(&out.join("features"), ".parquet"));
    assert_eq!(before.1.len(), 3);
    let second = run().expect(1);
    assert_eq!((second.stdout, second.stderr), (first.stdout, first.stderr));
    let after = (contents(&out), times(&out.join("features"), ".parquet"));
    assert!(after == before, "a rerun reads the features back and writes the same bytes");
    // A chain more computes that chain only.
    dear(args![
        "evaluate",
        "--data",
        &data,
        "--out",
        &out,
        "--perturb",
        "jpeg(70)",
        "--perturb",
        "blur(1)",
        "--seed",
        "1"
    ])
    .expect(1);
    let more = times(&out.join("features"), ".parquet");
    assert_eq!((more.len(), more.iter().filter(|file| before.1.contains(file)).count()), (4, 3));
}

#[test]
fn several_detectors_share_their_base_and_each_stands_in_every_table() {
    let set = Training::new();
    for seed in ["1", "2"] {
        dear(set.harden(seed, &args!["--val", &set.val, "--seed", seed])).expect(0);
    }
    let mini = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini.onnx");
    let files = [mini, set.path("1/h.onnx"), set.path("2/h.onnx")];
    let judge = |out: &str, files: &[PathBuf]| -> (Ran, Value) {
        let detectors = files.iter().flat_map(|file| args!["--detector", file]);
        let words = [
            args!["evaluate"],
            detectors.collect(),
            args!["--data", &set.val, "--split", "val", "--out", set.path(out), "--perturb", "jpeg(60)"],
        ];
        (dear(words.concat()).expect(0), results(&set.path(out)))
    };
    let (ran, found) = judge("all", &files);
    let names: Vec<&str> =
        found["systems"].as_array().unwrap().iter().map(|system| system["name"].as_str().unwrap()).collect();
    let expected = [
        "mini",
        "base + bias",
        "base + temperature",
        "stay-positive",
        "refit, no pruning",
        "refit, random gate",
        "refit, reference gate",
        "hardened",
        "base + bias #2",
        "base + temperature #2",
        "stay-positive #2",
        "refit, no pruning #2",
        "refit, random gate #2",
        "refit, reference gate #2",
        "hardened #2",
    ];
    // A control may come out with another one's numbers, of two seeds or on so few images: that head then stands once.
    let may_agree = ["stay-positive", "base + bias #2", "base + temperature #2", "stay-positive #2"];
    let with_those = |expected: &[&'static str], names: &[&str]| -> Vec<&'static str> {
        expected.iter().copied().filter(|name| !may_agree.contains(name) || names.contains(name)).collect()
    };
    assert_eq!(names, with_those(&expected, &names));
    assert_eq!(found["detectors"].as_array().unwrap().len(), 3);
    assert_eq!(found["tables"].as_array().unwrap().len(), 2 * names.len() * 3);
    for name in &names {
        for chain in ["clean", "jpeg(60, 4:2:0)"] {
            assert_eq!(counts(table(&found, chain, name, "all")), [3, 3, 0, 0], "{name}");
        }
        let rows = ran
            .stdout
            .lines()
            .filter(|line| line.strip_prefix("  ").is_some_and(|row| row.starts_with(&format!("{name}  "))));
        assert_eq!(rows.count(), 2, "{name} in\n{}", ran.stdout);
    }
    let words: Vec<&str> =
        found["words"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(words.iter().any(|line| line.contains("a new head without pruning")), "{words:?}");
    // Lines are broken between words, and at most 100 columns wide.
    let told: Vec<&str> = ran.stdout.split_whitespace().collect();
    assert!(told.join(" ").contains(&words.join(" ")), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    // Advice on what one would use: the hardened ones and the detector as given, not on controls.
    let advised: Vec<&str> =
        found["advice"].as_array().unwrap().iter().map(|advice| advice["system"].as_str().unwrap()).collect();
    assert_eq!(advised, ["hardened", "hardened #2", "mini"]);
    let pairs = found["comparisons"].as_array().unwrap().len();
    assert_eq!(found["family"].as_u64().unwrap() as usize, 3 * pairs);
    assert_eq!(pairs, 2 * 2 * (names.len() - 1));

    let (_, one) = judge("one", &files[1..2]);
    let names: Vec<&str> =
        one["systems"].as_array().unwrap().iter().map(|system| system["name"].as_str().unwrap()).collect();
    let expected = [
        "base",
        "base + bias",
        "base + temperature",
        "stay-positive",
        "refit, no pruning",
        "refit, random gate",
        "refit, reference gate",
        "hardened",
    ];
    assert_eq!(names, with_those(&expected, &names));
    assert_eq!(
        table(&one, "clean", "base", "all")["metrics"],
        table(&found, "clean", "mini", "all")["metrics"]
    );
    assert_eq!(
        table(&one, "clean", "hardened", "all")["metrics"],
        table(&found, "clean", "hardened", "all")["metrics"]
    );
}

#[test]
fn an_image_that_only_a_chain_makes_unusable_is_a_failed_item() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    folder_of(&samples("test", 2), data.join("real"));
    stand_ins(&samples("val", 2), data.join("fake"));
    let small = dear_image::Image::from_fn(64, 64, |x, y| [(x * 4) as u8, (y * 4) as u8, 90]);
    fs_err::write(data.join("real/small.png"), dear_image::encode_png(&small).unwrap()).unwrap();
    let out = temp.path().join("out");
    let ran = dear(args!["evaluate", "--data", &data, "--out", &out, "--perturb", "resize(0.5)"]).expect(1);
    let refused = ran.talk("warning: ");
    assert_eq!(refused.len(), 1, "{}", ran.stderr);
    assert!(
        refused[0].starts_with(
            "real/small.png: refused (size): image of 32 x 32 pixels, expected sides of at least 48"
        ),
        "{}",
        ran.stderr
    );
    let results = results(&out);
    assert_eq!(counts(table(&results, "clean", "mini", "all")), [3, 2, 0, 0]);
    let chain = results["chains"][1].as_str().unwrap();
    assert_eq!(counts(table(&results, chain, "mini", "all")), [2, 2, 1, 0]);
}

#[test]
fn one_class_alone_is_judged_and_what_cannot_be_said_is_said() {
    let temp = tempfile::tempdir().unwrap();
    for (class, other, judged, missing) in [
        ("real", "fake", "r_acc", "There is no generated image: only"),
        ("fake", "real", "f_acc", "There is no real image: only"),
    ] {
        let data = temp.path().join(class);
        folder_of(&samples("test", 2), data.join(class).join("one"));
        folder_of(&samples("val", 1), data.join(class).join("two"));
        // An empty folder of the other class says no more than none.
        fs_err::create_dir_all(data.join(other)).unwrap();
        let out = temp.path().join(format!("{class}-out"));
        let ran = dear(args![
            "evaluate",
            "--data",
            &data,
            "--out",
            &out,
            "--perturb",
            "jpeg(70)",
            "--severity",
            "blur"
        ]);
        let ran = ran.expect(0);
        assert!(ran.talk("warning: ")[0].starts_with(missing), "{}", ran.stderr);
        let found = results(&out);
        let all = table(&found, "clean", "mini", "all");
        assert_eq!(counts(all), if class == "real" { [3, 0, 0, 0] } else { [0, 3, 0, 0] });
        for metric in all["metrics"].as_array().unwrap() {
            let undefined = if class == "real" { "no_fake" } else { "no_real" };
            let expected = if metric["metric"] == judged { Value::Null } else { undefined.into() };
            assert_eq!(
                (&metric["undefined"], metric["value"].is_null()),
                (&expected, metric["metric"] != judged)
            );
        }
        let advice = &found["advice"][0];
        assert_eq!(advice["standing"], "not_shown");
        let said = advice["sentences"].to_string();
        let unsaid = if class == "real" {
            "What it finds cannot be said"
        } else {
            "cannot be said, since there is no real"
        };
        assert!(said.contains(unsaid), "{said}");
        assert!(found["words"][0].as_str().unwrap().contains(missing), "{}", found["words"]);
        for page in ["report.md", "report.html"] {
            let text = fs_err::read_to_string(out.join(page)).unwrap();
            assert!(text.contains(missing), "{page}");
            // Pictures in base64 may hold any letters.
            let parts = text.split("base64,").enumerate();
            let text: String =
                parts.map(|(i, part)| if i == 0 { part } else { &part[part.find('"').unwrap()..] }).collect();
            for bad in ["NaN", "nan ", "inf ", ">inf", "unknown share", " 0 real images cannot"] {
                assert!(!text.contains(bad), "{page}: {bad}");
            }
        }
    }
}

#[test]
fn json_on_stdout_is_the_results_file() {
    let temp = tempfile::tempdir().unwrap();
    let (data, out) = (dataset(temp.path().join("data")), temp.path().join("out"));
    let ran = dear(args!["evaluate", "--data", &data, "--out", &out, "--format", "json"]).expect(1);
    assert_eq!(ran.stdout, fs_err::read_to_string(out.join("results.json")).unwrap());
}

/// A manifest of the sample photographs and stand-ins in `root`, with other names and a split.
fn manifest(root: &Path, rows: &[(&str, &str, &str, &str)]) -> PathBuf {
    let mut text = String::from("path,label,subset,split\n");
    for (path, label, subset, split) in rows {
        text.push_str(&format!("\"{path}\",{label},{subset},{split}\n"));
    }
    let path = root.join("list.csv");
    fs_err::write(&path, text).unwrap();
    path
}

#[test]
fn a_manifest_stands_for_a_dataset_and_the_same_bytes_in_two_places_are_told_first() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    folder_of(&samples("test", 3), root.join("photos"));
    stand_ins(&samples("val", 2), root.join("made"));
    let real: Vec<String> = samples("test", 3)
        .iter()
        .map(|path| format!("photos/{}", path.file_name().unwrap().to_string_lossy()))
        .collect();
    let made: Vec<String> = samples("val", 2)
        .iter()
        .map(|path| format!("made/made-{}.png", path.file_stem().unwrap().to_string_lossy()))
        .collect();
    // The third photograph stands among the generated images under another name, and the second also in train.
    fs_err::copy(root.join(&real[2]), root.join("made/odd, name.png")).unwrap();
    fs_err::copy(root.join(&real[1]), root.join("photos/again.jpg")).unwrap();
    let list = manifest(
        root,
        &[
            (&real[0], "0", "kodak", "test"),
            (&real[1], "real", "kodak", "test"),
            (&real[2], "0", "kodak", "test"),
            (&made[0], "fake", "one", "test"),
            (&made[1], "1", "two", "test"),
            ("made/odd, name.png", "generated", "two", "test"),
            ("photos/again.jpg", "0", "kodak", "train"),
        ],
    );
    let out = root.join("out");
    let ran = dear(args!["evaluate", "--data", &list, "--out", &out]).expect(0);
    let warned = ran.talk("warning: ");
    assert_eq!(warned.len(), 2, "{}", ran.stderr);
    assert!(warned[0].starts_with("2 images stand in both classes, byte for byte."), "{}", ran.stderr);
    assert!(warned[1].starts_with("1 image also stands in another split"), "{}", ran.stderr);
    let found = results(&out);
    assert_eq!(
        (found["data"]["in_both_classes"].as_u64(), found["data"]["in_other_splits"].as_u64()),
        (Some(2), Some(1))
    );
    assert_eq!(counts(table(&found, "clean", "mini", "all")), [3, 3, 0, 0]);
    assert_eq!(counts(table(&found, "clean", "mini", "two")), [3, 2, 0, 0]);
    assert!(found["words"][0].as_str().unwrap().starts_with("Warning: 2 images stand in both classes"));
    let records = json_lines(&fs_err::read_to_string(out.join("records.jsonl")).unwrap());
    let odd = records.iter().find(|record| record["path"] == "made/odd, name.png").unwrap();
    assert_eq!(
        (odd["split"].as_str(), odd["subset"].as_str(), odd["path_base64"].is_null()),
        (Some("test"), Some("two"), true)
    );
    // The same folder by its layout, with splits as folders.
    folder_of(&samples("test", 2), root.join("set/test/real"));
    stand_ins(&samples("val", 2), root.join("set/test/fake"));
    folder_of(&samples("test", 1), root.join("set/train/real"));
    stand_ins(&samples("val", 3), root.join("set/train/fake"));
    let ran = dear(args!["evaluate", "--data", root.join("set"), "--out", &out]).expect(0);
    assert!(ran.talk("warning: ")[0].starts_with("3 images also stand in another split"), "{}", ran.stderr);
    assert_eq!(results(&out)["data"]["split"], "test");
    fs_err::rename(root.join("set/test"), root.join("set/val")).unwrap();
    let ran = dear(args!["evaluate", "--data", root.join("set"), "--out", &out]).expect(0);
    let said = "there is no split \"test\": judged on \"val\"; --split says which to take";
    assert!(ran.talk("warning: ").contains(&said), "{}", ran.stderr);
    assert_eq!(results(&out)["data"]["split"], "val");
    let asked = args!["evaluate", "--data", root.join("set"), "--split", "val", "--out", &out];
    assert!(!dear(asked).expect(0).stderr.contains("there is no split"));
}

#[test]
fn severity_curves_begin_at_the_images_as_they_are_and_cost_no_tables() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    folder_of(&samples("test", 2), data.join("real"));
    stand_ins(&samples("val", 2), data.join("fake"));
    let out = temp.path().join("out");
    dear(args![
        "evaluate",
        "--data",
        &data,
        "--out",
        &out,
        "--perturb",
        "jpeg(50)",
        "--severity",
        "jpeg,resize"
    ])
    .expect(0);
    let found = results(&out);
    let curves = found["curves"].as_array().unwrap();
    assert_eq!(
        (curves.len(), curves[0]["name"].as_str(), curves[1]["name"].as_str()),
        (2, Some("jpeg"), Some("resize"))
    );
    let levels: Vec<f64> = curves[0]["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["level"].as_f64().unwrap())
        .collect();
    assert_eq!(levels, [0.0, 100.0, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0]);
    assert_eq!(found["chains"].as_array().unwrap().len(), 2);
    assert_eq!(found["tables"].as_array().unwrap().len(), 2 * 3);
    let first = &curves[0]["points"][0];
    assert_eq!(
        (first["chain"].as_str(), &first["metrics"]),
        (Some("clean"), &table(&found, "clean", "mini", "all")["metrics"])
    );
    assert_eq!(curves[0]["points"][6]["metrics"], table(&found, "jpeg(50, 4:2:0)", "mini", "all")["metrics"]);
    // Scores of all levels are kept.
    let records = json_lines(&fs_err::read_to_string(out.join("records.jsonl")).unwrap());
    assert_eq!(records.len(), 4 * (1 + 8 + 4));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_keep_their_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    folder_of(&samples("test", 1), data.join("real"));
    stand_ins(&samples("val", 1), data.join("fake"));
    let name = std::ffi::OsStr::from_bytes(b"\xff.jpg");
    if fs_err::copy(&samples("test", 2)[1], data.join("real").join(name)).is_err() {
        return; // A file system that takes UTF-8 only.
    }
    let out = temp.path().join("out");
    dear(args!["evaluate", "--data", &data, "--out", &out]).expect(0);
    let records = json_lines(&fs_err::read_to_string(out.join("records.jsonl")).unwrap());
    let odd: Vec<&Value> = records.iter().filter(|record| !record["path_base64"].is_null()).collect();
    assert_eq!((odd.len(), odd[0]["path"].as_str()), (1, Some("real/\u{fffd}.jpg")));
    use base64::Engine as _;
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(odd[0]["path_base64"].as_str().unwrap()).unwrap();
    assert_eq!(bytes, b"real/\xff.jpg");
}
