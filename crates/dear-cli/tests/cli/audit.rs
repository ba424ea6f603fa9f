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

/// A printed command as a shell would split it.
fn words_of(command: &str) -> Vec<String> {
    command.split('"').enumerate().fold(Vec::new(), |mut words, (at, part)| {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
        words
    })
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
    let words = words_of(command);
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
fn a_manifest_is_audited_split_by_split_and_its_command_runs() {
    let temp = tempfile::tempdir().unwrap();
    let folder = set(temp.path());
    let mut text = "path,label,split\n".to_owned();
    for (class, below) in [("real", "camera"), ("fake", "maker")] {
        for (at, name) in contents(&folder.join(class).join(below)).keys().enumerate() {
            text +=
                &format!("set/{class}/{below}/{name},{class},{}\n", if at < 14 { "train" } else { "later" });
        }
    }
    let later: Vec<&str> = text.lines().filter(|line| line.ends_with("real,later")).collect();
    let broken = format!("{text}{},real,empty\n", "set/real/none.png");
    assert_eq!(later.len(), 6);
    let manifest = temp.path().join("list.csv");
    fs_err::write(&manifest, &text).unwrap();
    let audit = json(&dear(args!["audit", &manifest, "--format", "json"]).expect(0).stdout);
    let sizes = |audit: &serde_json::Value| -> Vec<String> {
        let of =
            |split: &serde_json::Value| format!("{} {} {}", split["split"], split["real"], split["fake"]);
        audit["splits"].as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(sizes(&audit), ["\"train\" 14 14", "\"later\" 6 6"]);
    assert!(flagged(&audit, "confounded").contains(&"format".to_owned()), "{audit}");
    let command = audit["remedy"]["command"].as_str().unwrap();
    dear(words_of(command)[1..].iter().map(Into::into).collect()).expect(0);
    // The copy's manifest is a dataset again, of the same splits.
    let copy = temp.path().join("list-equal/manifest.csv");
    let after = json(&dear(args!["audit", &copy, "--format", "json"]).expect(0).stdout);
    assert_eq!(sizes(&after), sizes(&audit));
    assert!(!flagged(&after, "confounded").contains(&"format".to_owned()), "{after}");
    // A split that cannot be judged is said, and the others are judged.
    fs_err::write(&manifest, broken).unwrap();
    let ran = dear(args!["audit", &manifest]).expect(1);
    assert_eq!(ran.talk("warning: empty: not judged: ").len(), 1, "{}", ran.stderr);
    assert!(ran.stderr.ends_with("exit code 1: 1 split not judged\n"), "{}", ran.stderr);
    assert!(ran.stdout.contains("train: 14 real and 14 generated images"), "{}", ran.stdout);
    // It takes no share of the level from them.
    let with = json(&dear(args!["audit", &manifest, "--format", "json"]).expect(1).stdout);
    let mut judged = with["splits"].as_array().unwrap().clone();
    judged.retain(|split| split["not_judged"].is_null());
    assert_eq!(serde_json::Value::from(judged), audit["splits"]);
    fs_err::write(&manifest, text.replace(",later", ",")).unwrap();
    let ran = dear(args!["audit", &manifest]).expect(0);
    assert!(ran.stdout.contains("\n  images without a split: "), "{}", ran.stdout);
    // A copy may not be written over what is listed.
    let ran = dear(args!["perturb", &manifest, "--chain", "clean", "--out", &folder]).expect(2);
    assert!(ran.stderr.contains("shares files with the source"), "{}", ran.stderr);
}

#[test]
fn a_split_of_one_class_or_of_broken_images_does_not_stop_the_others() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("root");
    fs_err::create_dir_all(&root).unwrap();
    fs_err::rename(set(temp.path()), root.join("train")).unwrap();
    fs_err::create_dir_all(root.join("val/real")).unwrap();
    folder_of(&samples("test", 3), root.join("test/real"));
    fs_err::create_dir_all(root.join("test/fake")).unwrap();
    truncated_jpeg(root.join("test/fake/cut.jpg"));
    fs_err::copy(&samples("test", 1)[0], root.join("train/real/again.png")).unwrap();
    let ran = dear(args!["audit", &root, "--format", "json"]).expect(1);
    let audit = json(&ran.stdout);
    let told: Vec<(&str, &str, String)> = audit["splits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|split| {
            let reason = split["not_judged"].as_str().unwrap_or_default();
            let reason = reason.replace(&root.display().to_string(), "root");
            (split["split"].as_str().unwrap(), split["verdict"].as_str().unwrap(), reason)
        })
        .collect();
    let cut = "root/test: 3 real and 0 generated images could be read (1 refused), expected both classes";
    let none = "root/val: no image found (0 other files passed over), expected at least one";
    assert_eq!(
        told,
        [
            ("test", "not_resolvable", cut.to_owned()),
            ("val", "not_resolvable", none.to_owned()),
            ("train", "confounded", String::new())
        ]
    );
    assert_eq!(audit["verdict"], "confounded");
    assert_eq!(
        audit["duplicates"]["across_splits"]["pictures"], 1,
        "images of a split not judged are compared"
    );
    assert!(ran.stderr.ends_with("exit code 1: 1 image refused, 2 splits not judged\n"), "{}", ran.stderr);
    dear(args!["audit", &root, "--split", "train", "--fail-on", "not-resolvable"]).expect(0);
    let ran = dear(args!["audit", &root, "--fail-on", "not-resolvable"]).expect(1);
    assert!(ran.stderr.contains("exit code 1: not resolvable (--fail-on), "), "{}", ran.stderr);
    // Where nothing can be judged, that is an error of one line.
    for (folder, expected) in [
        (root.join("test"), "3 real and 0 generated images could be read (1 refused)"),
        (root.join("val"), "no image found"),
        (root.join("train/real"), "no folder above it says its label"),
        (root.join("none"), "does not exist"),
    ] {
        let ran = dear(args!["audit", &folder]).expect(2);
        assert!(ran.stdout.is_empty(), "{}", ran.stdout);
        let errors = ran.talk("error: ");
        assert!(errors.len() == 1 && errors[0].contains(expected), "{}", ran.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf8_are_kept_and_one_document_is_written() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let (set, out) = (set(temp.path()), temp.path().join("out"));
    let name = |bytes| set.join("real").join(std::ffi::OsStr::from_bytes(bytes));
    fs_err::copy(&samples("test", 1)[0], name(b"f\xff")).unwrap();
    fs_err::copy(&samples("test", 1)[0], set.join("fake/a.b")).unwrap();
    truncated_jpeg(name(b"\xfe.jpg"));
    let ran = dear(args!["audit", &set, "--format", "json", "--out", &out]).expect(1);
    let audit = json(&ran.stdout);
    assert_eq!(fs_err::read_to_string(out.join("audit.json")).unwrap(), ran.stdout);
    let picture = &audit["duplicates"]["pictures"][0]["images"];
    let paths: Vec<_> = picture.as_array().unwrap().iter().map(|image| &image["path_base64"]).collect();
    // real/f\xff and real/\xfe.jpg
    assert_eq!(paths, [&serde_json::Value::Null, &"cmVhbC9m/w==".into()]);
    assert_eq!(audit["refused"][0]["path_base64"], "cmVhbC/+LmpwZw==");
}

#[test]
fn exit_codes_say_what_was_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let set = set(temp.path());
    let ran = dear(args!["audit", &set, "--fail-on", "confounded"]).expect(1);
    let last = ran.stdout.lines().last().unwrap();
    assert!(last.starts_with("verdict: confounded: ") && last.ends_with("tell the classes apart"), "{last}");
    assert!(ran.stderr.ends_with("exit code 1: confounded (--fail-on)\n"), "{}", ran.stderr);
    dear(args!["audit", &set, "--fail-on", "duplicates,not-resolvable"]).expect(0);
    fs_err::copy(&samples("train", 1)[0], set.join("fake/maker/same.png")).unwrap();
    dear(args!["audit", &set, "--fail-on", "duplicates"]).expect(1);
    truncated_jpeg(set.join("real/cut.jpg"));
    let ran = dear(args!["audit", &set]).expect(1);
    assert_eq!(ran.talk("warning: real/cut.jpg: refused (truncated): ").len(), 1, "{}", ran.stderr);
    dear(args!["audit", &set, "--level", "2"]).expect(2);
    let ran = dear(args!["audit", &set, "--level", "0.000001"]).expect(2);
    let error =
        "--level 0.000001 for 1 split needs 2000000 permutations of the labels, expected at most 200000";
    assert_eq!(ran.talk("error: "), [error]);
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
    let words: Vec<&str> =
        audit["words"].as_array().unwrap().iter().filter_map(|word| word.as_str()).collect();
    let told: Vec<&&str> =
        words.iter().filter(|word| word.starts_with("re-encoded as the other class's format (")).collect();
    assert_eq!(told.len(), 2, "{words:?}");
    for (word, at) in told.iter().zip([0, 2]) {
        let share = 100.0
            * (swaps[at]["to_generated"].as_f64().unwrap() + swaps[at]["to_real"].as_f64().unwrap())
            / 12.0;
        let [low, high] = ["low", "high"].map(|end| 100.0 * swaps[at][end].as_f64().unwrap());
        let expected = format!(
            "{share:.1} % of 12 verdicts of {} images flip (95 % interval {low:.1} to {high:.1} %",
            swaps[at]["label"].as_str().unwrap()
        );
        assert!(word.contains(&expected), "{word} {expected}");
    }
    assert_eq!(split["unscored"], serde_json::json!([]));
    // Each class is either told what its score follows, or that nothing is shown.
    for class in ["real", "generated"] {
        let shown: Vec<&serde_json::Value> = split["dependence"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|found| found["label"] == class && found["flag"] == "confounded")
            .collect();
        let quiet = format!("within the {class} images, no measured feature is shown to move the score much");
        assert_eq!(words.contains(&quiet.as_str()), shown.is_empty(), "{words:?}");
        for found in shown.iter().take(3) {
            let [feature, what] = ["feature", "words"].map(|key| found[key].as_str().unwrap());
            let expected = format!("the score follows {feature}: {what} (");
            assert!(words.iter().any(|word| word.starts_with(&expected)), "{words:?} {expected}");
        }
    }
}

#[test]
fn images_that_the_detector_cannot_score_are_counted_and_never_called_tested() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("set");
    // Six real images below the least side of `mini`, and one of the generated ones.
    let sides = [("real", [32; 6]), ("fake", [64, 64, 64, 32, 64, 64])];
    for (class, sides) in sides {
        fs_err::create_dir_all(root.join(class)).unwrap();
        for (i, side) in (0u32..).zip(sides) {
            let image = dear_image::Image::from_fn(side, side, |x, y| {
                [(x * 7 + i * 40) as u8, (y * 5) as u8, (x ^ y) as u8]
            });
            let file = root.join(class).join(format!("{i}.png"));
            fs_err::write(file, dear_image::encode_png(&image).unwrap()).unwrap();
        }
    }
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini.onnx");
    let ran = dear(args!["audit", &root, "--detector", &mini, "--format", "json"]).expect(1);
    let audit = json(&ran.stdout);
    let why = "image of 32 x 32 pixels, expected sides of at least 48";
    let unscored = serde_json::json!([
        {"label": "real", "images": 6, "kind": "size", "message": why},
        {"label": "generated", "images": 1, "kind": "size", "message": why}
    ]);
    assert_eq!(audit["splits"][0]["unscored"], unscored);
    assert_eq!(audit["splits"][0]["real"], 6, "they are measured all the same");
    let words: Vec<&str> =
        audit["words"].as_array().unwrap().iter().filter_map(|word| word.as_str()).collect();
    for expected in [
        format!("is not tested: none of 6 real images could be scored (size: {why})"),
        format!("leave out 1 of 6 generated images that could not be scored (most often size: {why})"),
    ] {
        assert!(words.iter().any(|word| word.contains(&expected)), "{words:?} {expected}");
    }
    assert!(!words.iter().any(|word| word.starts_with("within the real images")), "{words:?}");
    let warned = ran.talk("warning: ");
    assert_eq!(warned.len(), 2, "{}", ran.stderr);
    assert!(
        warned[0].starts_with("6 of 6 real images could not be scored (size): image of 32"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.ends_with("exit code 1: 7 images not scored\n"), "{}", ran.stderr);
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

#[test]
fn the_name_of_a_split_cannot_steer_the_terminal() {
    let temp = tempfile::tempdir().unwrap();
    folder_of(&samples("train", 3), temp.path().join("real"));
    stand_ins(&samples("val", 3), temp.path().join("fake"));
    let mut text = "path,label,split\n".to_owned();
    for class in ["real", "fake"] {
        for name in contents(&temp.path().join(class)).keys() {
            text += &format!("{class}/{name},{class},odd\u{1b}[2J\n");
        }
    }
    let manifest = temp.path().join("list.csv");
    fs_err::write(&manifest, text).unwrap();
    let ran = dear(args!["audit", &manifest]).expect(0);
    assert!(ran.stdout.starts_with("odd\\u{1b}[2J: 3 real and 3 generated images"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
}
