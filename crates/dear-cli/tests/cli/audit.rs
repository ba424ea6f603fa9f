//! `dear audit` and `dear perturb`: a shortcut is found, its remedy is run as printed, and the copy is audited again.

use std::path::{Path, PathBuf};

use crate::support::{
    args, assert_same_files, contents, dear, folder_of, json_lines, picture, samples, stand_ins, times,
    truncated_jpeg,
};

/// Photographs as they are (PNG and JPEG) against stand-ins, which are all PNG.
fn set(root: &Path) -> PathBuf {
    folder_of(&samples("train", 40)[..20], root.join("set/real/camera"));
    stand_ins(&samples("train", 40)[20..], root.join("set/fake/maker"));
    root.join("set")
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn flagged(audit: &serde_json::Value, flag: &str) -> Vec<String> {
    let findings = audit["splits"][0]["findings"].as_array().unwrap();
    let names = findings.iter().filter(|finding| finding["flag"] == flag).map(|finding| &finding["feature"]);
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_printed_command_removes_what_it_claims() {
    let temp = tempfile::tempdir().unwrap();
    let set = set(temp.path());
    let out = temp.path().join("out");
    let ran = dear(args!["audit", &set, "--out", &out]).expect(0);
    assert!(ran.stdout.contains("20 real and 20 generated images"), "{}", ran.stdout);
    assert!(ran.stdout.contains("verdict: confounded"), "{}", ran.stdout);
    let audit = json(&fs_err::read_to_string(out.join("audit.json")).unwrap());
    assert!(flagged(&audit, "confounded").contains(&"format".to_owned()), "{audit}");
    let command = audit["remedy"]["command"].as_str().unwrap();
    assert!(ran.stdout.contains(command), "{}", ran.stdout);
    // As a shell would split it.
    let words: Vec<String> = command.split('"').enumerate().fold(Vec::new(), |mut words, (at, part)| {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
        words
    });
    assert_eq!(words[0], "dear");
    dear(words[1..].iter().map(Into::into).collect()).expect(0);
    let copy = PathBuf::from(format!("{}-equal", set.display()));
    let after = json(&dear(args!["audit", &copy, "--format", "json"]).expect(0).stdout);
    let left = [flagged(&after, "confounded"), flagged(&after, "small")].concat();
    let claimed = audit["remedy"]["equalises"].as_array().unwrap();
    assert!(
        !claimed.is_empty() && claimed.iter().all(|name| !left.contains(&name.as_str().unwrap().to_owned())),
        "{left:?}"
    );
}

#[test]
fn exit_codes_say_what_was_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let set = set(temp.path());
    dear(args!["audit", &set, "--fail-on", "confounded"]).expect(1);
    dear(args!["audit", &set, "--fail-on", "duplicates,not-resolvable"]).expect(0);
    fs_err::copy(&samples("train", 1)[0], set.join("fake/maker/same.png")).unwrap();
    dear(args!["audit", &set, "--fail-on", "duplicates"]).expect(1);
    truncated_jpeg(set.join("real/cut.jpg"));
    let ran = dear(args!["audit", &set]).expect(1);
    assert_eq!(ran.talk("warning: real/cut.jpg: refused (truncated): ").len(), 1, "{}", ran.stderr);
    dear(args!["audit", &set, "--level", "2"]).expect(2);
    dear(args!["audit", &set, "--split", "none"]).expect(2);
}

#[test]
fn a_detector_is_asked_about_the_other_classs_format() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("set");
    for (class, chain) in [("real", "crop(160) | jpeg(90)"), ("fake", "crop(160) | webp(60)")] {
        let source = folder_of(
            &samples("train", 24)[if class == "real" { 0..12 } else { 12..24 }],
            temp.path().join(class),
        );
        dear(args!["perturb", &source, "--chain", chain, "--out", root.join(class)]).expect(0);
    }
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini.onnx");
    let ran = dear(args!["audit", &root, "--detector", &mini, "--format", "json"]).expect(0);
    let audit = json(&ran.stdout);
    let split = &audit["splits"][0];
    let test = &split["counterfactual"];
    assert_eq!((&test["real_format"], &test["fake_format"]), (&"jpeg(90, 4:2:0)".into(), &"webp(80)".into()));
    let swaps = test["swaps"].as_array().unwrap();
    let kinds: Vec<_> = swaps
        .iter()
        .map(|swap| {
            (
                swap["label"].as_str().unwrap(),
                swap["chain"].as_str().unwrap(),
                swap["control"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("real", "webp(80)", false),
            ("real", "jpeg(90, 4:2:0)", true),
            ("generated", "jpeg(90, 4:2:0)", false),
            ("generated", "webp(80)", true)
        ]
    );
    for swap in swaps {
        assert_eq!(swap["images"], 12);
        assert!(swap["change_low"].as_f64() < swap["logit_change"].as_f64(), "{swap}");
    }
    // The same by hand: a perturbed copy, scanned with the same detector.
    let copy = temp.path().join("copy");
    dear(args!["perturb", root.join("real"), "--chain", "webp(80)", "--out", &copy]).expect(0);
    let mean = |folder: &Path| {
        let ran = dear(args!["scan", folder, "--detector", &mini, "--format", "jsonl"]).expect(0);
        let logits: Vec<f64> =
            json_lines(&ran.stdout).iter().map(|record| record["logit"].as_f64().unwrap()).collect();
        assert_eq!(logits.len(), 12);
        logits.iter().sum::<f64>() / 12.0
    };
    let expected = mean(&copy) - mean(&root.join("real"));
    assert!((swaps[0]["logit_change"].as_f64().unwrap() - expected).abs() < 1e-6, "{expected} {}", swaps[0]);
    assert!(split["dependence"].as_array().unwrap().len() > 20, "{split}");
    assert_eq!(audit["detector"]["name"], "mini");
}

#[test]
fn a_perturbed_copy_keeps_folders_names_and_finished_work() {
    let temp = tempfile::tempdir().unwrap();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let photographs = samples("train", 3);
    folder_of(&photographs, source.join("train/real"));
    fs_err::copy(&photographs[0], source.join("train/real/a.b.png")).unwrap();
    fs_err::copy(&photographs[1], source.join("train/real/a.b.jpg")).unwrap();
    let run = |code| {
        dear(args![
            "perturb",
            &source,
            "--chain",
            "resize(0.25..0.75) | jpeg(50..95)",
            "--out",
            &out,
            "--seed",
            "3"
        ])
        .expect(code)
    };
    run(0);
    let made = contents(&out);
    let names: Vec<&str> = made.keys().map(String::as_str).filter(|name| name.contains("a.b")).collect();
    assert_eq!(names, ["train/real/a.b.jpg.jpg", "train/real/a.b.png.jpg"]);
    let manifest = String::from_utf8(made["manifest.csv"].clone()).unwrap();
    let header = "path,source,source_sha256,sha256,chain,seed,drawn,width,height\n";
    assert!(manifest.starts_with(header) && manifest.lines().count() == 6, "{manifest}");
    for row in csv::Reader::from_reader(manifest.as_bytes()).records() {
        let row = row.unwrap();
        let image = picture(&out.join(&row[0]));
        assert_eq!(
            (image.width().to_string(), image.height().to_string()),
            (row[7].to_owned(), row[8].to_owned())
        );
        assert!(row[6].contains("jpeg("), "{row:?}");
    }
    // Nothing finished is made anew; what is missing or was changed is.
    let folder = out.join("train/real");
    let before = times(&folder, "");
    run(0);
    assert_eq!(times(&folder, ""), before);
    fs_err::write(folder.join("a.b.png.jpg"), b"torn").unwrap();
    fs_err::remove_file(folder.join("a.b.jpg.jpg")).unwrap();
    run(0);
    assert!(contents(&out) == made, "the copy is whole again");
    // A fresh run gives the same bytes.
    let other = temp.path().join("other");
    dear(args![
        "perturb",
        &source,
        "--chain",
        "resize(0.25..0.75)|jpeg(50..95)",
        "--out",
        &other,
        "--seed",
        "3"
    ])
    .expect(0);
    assert_same_files(&out, &other, 6);
    truncated_jpeg(source.join("cut.jpg"));
    let ran = run(1);
    assert!(
        ran.stdout.starts_with("5 images through") && ran.stdout.contains("(5 made before); 1 refused"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_copy_is_never_written_over_something_else() {
    let temp = tempfile::tempdir().unwrap();
    let source = folder_of(&samples("train", 2), temp.path().join("data/source"));
    let before = contents(&source);
    let to = |out: &Path, chain: &str| dear(args!["perturb", &source, "--chain", chain, "--out", out]);
    for out in [source.clone(), source.join("below"), temp.path().join("data")] {
        let ran = to(&out, "jpeg(70)").expect(2);
        assert!(ran.stderr.contains("shares files with the source"), "{}", ran.stderr);
    }
    assert!(contents(&source) == before && !source.join("below").exists());
    let full = folder_of(&samples("train", 1), temp.path().join("full"));
    assert!(to(&full, "jpeg(70)").expect(2).stderr.contains("not of this command"));
    let out = temp.path().join("out");
    to(&out, "jpeg(70)").expect(0);
    let ran = to(&out, "jpeg(71)").expect(2);
    assert!(ran.stderr.contains("made with chain \"jpeg(70, 4:2:0)\""), "{}", ran.stderr);
    assert!(to(&out, "jepg(70)").expect(2).stderr.contains("did you mean \"jpeg\"?"));
}
