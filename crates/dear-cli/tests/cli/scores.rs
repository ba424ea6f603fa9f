//! `dear evaluate --scores`: result files of others, judged without running anything.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Ran, args, contents, dear, folder_of, json_lines, samples, stand_ins};

fn results(out: &Path) -> Value {
    serde_json::from_str(&fs_err::read_to_string(out.join("results.json")).unwrap()).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs_err::write(&path, text).unwrap();
    path
}

/// Images x00.jpg to x39.jpg, of which odd ones are generated, with a score each.
fn forty(column: &str, score: impl Fn(usize) -> f64) -> String {
    let row = |i: usize| format!("x{i:02}.jpg,{},{}\n", score(i), i % 2);
    format!("path,{column},label\n{}", (0..40).map(row).collect::<String>())
}

/// Mostly right: generated images score higher by 1.5.
fn noisy(i: usize) -> f64 {
    (i * 7919 % 41) as f64 / 10.0 - 2.8 + if i % 2 == 1 { 1.5 } else { 0.0 }
}

fn metric(results: &Value, system: &str, name: &str) -> f64 {
    let tables = results["tables"].as_array().unwrap();
    let table = tables.iter().find(|table| table["kind"] == "all" && table["system"] == system).unwrap();
    let found = table["metrics"].as_array().unwrap().iter().find(|found| found["metric"] == name).unwrap();
    found["value"].as_f64().unwrap_or_else(|| panic!("{found}"))
}

#[test]
fn a_file_with_path_logit_and_label_needs_no_options_and_nothing_runs() {
    let temp = tempfile::tempdir().unwrap();
    let file = write(temp.path(), "theirs.csv", &forty("logit", noisy));
    let out = temp.path().join("out");
    let ran = dear(args!["evaluate", "--scores", &file, "--out", &out]).expect(0);
    let found = results(&out);
    assert!(found["engine"].is_null() && found["detectors"].as_array().unwrap().is_empty());
    assert_eq!(
        (found["scores"]["unit"].as_str(), found["scores"]["files"][0]["rows"].as_u64()),
        (Some("logit"), Some(40))
    );
    assert_eq!(found["scores"]["files"][0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(found["systems"][0]["name"], "theirs");
    assert_eq!(found["advice"].as_array().unwrap().len(), 1);
    assert!(
        ran.stdout.contains("theirs")
            && ran.stdout.lines().all(|line| !line.starts_with("  ") || line.chars().count() <= 100)
    );
    assert!(!out.join("features").exists(), "nothing was scored");
    for name in ["records.jsonl", "records.parquet", "report.html"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    // Row order does not matter.
    let text = forty("logit", noisy);
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let again = write(temp.path(), "theirs.tsv", &lines.join("\n").replace(',', "\t"));
    dear(args!["evaluate", "--scores", &again, "--out", temp.path().join("again")]).expect(0);
    let other = results(&temp.path().join("again"));
    for part in ["tables", "shapes", "advice", "words"] {
        assert_eq!(found[part], other[part], "{part}");
    }
    // Our own records are a file of scores as any other.
    dear(args!["evaluate", "--scores", out.join("records.parquet"), "--out", temp.path().join("own")])
        .expect(0);
    assert_eq!(results(&temp.path().join("own"))["tables"], found["tables"]);
}

#[test]
fn what_says_nothing_about_uncertainty_is_marked_and_explained_once() {
    let temp = tempfile::tempdir().unwrap();
    // Flawless on 10 images of each class, in scenes of two.
    let row = |i: usize| format!("{i}.jpg,{},{},s{}\n", 2 * (i % 2) as i32 - 1, i % 2, i / 4);
    let text = format!("path,logit,label,scene\n{}", (0..20).map(row).collect::<String>());
    let file = write(temp.path(), "theirs.csv", &text);
    let out = temp.path().join("out");
    let ran = dear(args!["evaluate", "--scores", &file, "--out", &out]).expect(0);
    let line = ran.stdout.lines().find(|line| line.starts_with("  theirs")).unwrap();
    let values: Vec<&str> = line.split_whitespace().skip(1).collect();
    // Shares and the AUC have the interval of five scenes; AP has none, and 10 real images are too few for 5 %.
    assert_eq!(values, ["100.0", "100.0", "100.0", "1.000", "1.000*", "100.0*~"]);
    assert!(ran.stdout.contains("56.6-100.0"), "{}", ran.stdout);
    for mark in ["* the interval has no width", "~ too few images for this rate"] {
        assert_eq!(ran.stdout.matches(mark).count(), 1, "{}", ran.stdout);
    }
    let markdown = fs_err::read_to_string(out.join("report.md")).unwrap();
    assert!(markdown.contains("only 10 real images") && markdown.contains(r"\* an interval without width"));
}

#[test]
fn logits_that_a_sigmoid_would_tie_are_ranked_as_they_are() {
    // Right values by scikit-learn 1.9.1.
    let logits = [
        "98.0950", "98.4612", "98.1145", "98.1506", "97.6037", "98.9425", "99.2644", "99.5014", "99.7280",
        "99.6595", "99.6931", "99.4667", "99.9623", "99.8949", "99.8768",
    ];
    let rows: String =
        logits.iter().enumerate().map(|(i, logit)| format!("{i},{logit},{}\n", u8::from(i > 0))).collect();
    let temp = tempfile::tempdir().unwrap();
    let file = write(temp.path(), "high.csv", &format!("path,logit,label\n{rows}"));
    dear(args!["evaluate", "--scores", &file, "--out", temp.path().join("out")]).expect(0);
    let found = results(&temp.path().join("out"));
    assert!((metric(&found, "high", "auc") - 0.928571).abs() < 1e-6);
    assert!((metric(&found, "high", "ap") - 0.995238).abs() < 1e-6);
    let file = write(temp.path(), "tiny.csv", "path,prob,label\na,1e-10,1\nb,0,0\nc,0,0\n");
    dear(args!["evaluate", "--scores", &file, "--unit", "probability", "--out", temp.path().join("out")])
        .expect(0);
    assert_eq!(metric(&results(&temp.path().join("out")), "tiny", "auc"), 1.0);
}

#[test]
fn several_files_are_compared_on_the_images_that_all_list() {
    let temp = tempfile::tempdir().unwrap();
    let first = write(temp.path(), "first.csv", &forty("logit", noisy));
    let second = forty("logit", |i| noisy(i) + if i % 2 == 1 { 2.0 } else { 0.0 });
    let second = write(temp.path(), "second.csv", second.trim_end().rsplit_once('\n').unwrap().0);
    let out = temp.path().join("out");
    let ran = dear(args!["evaluate", "--scores", &first, &second, "--out", &out]).expect(0);
    assert!(
        ran.talk("warning: ")[0].starts_with("Images left out because they do not stand in all systems: 1;"),
        "{}",
        ran.stderr
    );
    let found = results(&out);
    assert_eq!((found["data"]["real"].as_u64(), found["data"]["fake"].as_u64()), (Some(20), Some(19)));
    assert_eq!((found["comparisons"].as_array().unwrap().len(), found["family"].as_u64()), (1, Some(3)));
    let comparison = &found["comparisons"][0];
    assert_eq!(
        (comparison["before"].as_str(), comparison["after"].as_str()),
        (Some("first"), Some("second"))
    );
    assert!(comparison["delong"]["p"].as_f64().unwrap() < 0.01, "{comparison}");
    assert_eq!(comparison["mcnemar_fake"]["only_before"], 0);
    assert!(ran.stdout.contains("second minus first"), "{}", ran.stdout);
    assert!(ran.stdout.contains("better"), "{}", ran.stdout);
}

#[test]
fn rows_without_a_score_are_counted_and_end_with_exit_code_1() {
    let temp = tempfile::tempdir().unwrap();
    let text = forty("logit", noisy)
        .replace(&format!("x01.jpg,{}", noisy(1)), "x01.jpg,nan")
        .replace(&format!("x02.jpg,{}", noisy(2)), "x02.jpg,");
    let file = write(temp.path(), "gaps.csv", &text);
    let out = temp.path().join("out");
    let ran = dear(args!["evaluate", "--scores", &file, "--out", &out]).expect(1);
    assert!(
        ran.stderr.contains("x01.jpg: refused (non_finite)")
            && ran.stderr.contains("x02.jpg: refused (no_score)"),
        "{}",
        ran.stderr
    );
    let table = &results(&out)["tables"][0];
    let counts = ["real", "fake", "refused_real", "refused_fake"].map(|key| table[key].as_u64().unwrap());
    assert_eq!(counts, [19, 19, 1, 1]);
    assert!(ran.stdout.contains("without a score 1 real, 1 generated"), "{}", ran.stdout);
    let records = json_lines(&fs_err::read_to_string(out.join("records.jsonl")).unwrap());
    assert_eq!(records.iter().filter(|record| record["logits"]["gaps"].is_null()).count(), 2);
}

#[test]
fn wrong_use_is_refused_with_a_hint() {
    let temp = tempfile::tempdir().unwrap();
    let run = |name: &str, text: &str, more: &[&str]| -> Ran {
        let file = write(temp.path(), name, text);
        let words = [
            args!["evaluate", "--scores", file, "--out", temp.path().join("out")],
            more.iter().map(Into::into).collect(),
        ];
        dear(words.concat()).expect(2)
    };
    let score = forty("score", |i| i as f64 / 40.0);
    let cases: [(&str, &str, &[&str], &str); 9] = [
        ("a.csv", &score, &[], "column \"score\" has no unit, expected it to be declared"),
        ("a.csv", &score, &["--score-column", "score"], "column \"score\" has no unit"),
        (
            "a.csv",
            &score,
            &["--score-column", "none", "--unit", "logit"],
            "no column \"none\"; found \"path\", \"score\", \"label\"",
        ),
        (
            "a.csv",
            "path,prob,label\na,98,1\nb,2,0\n",
            &["--unit", "probability"],
            "line 2: \"prob\" is \"98\", expected a probability in 0..1",
        ),
        ("a.csv", "path,logit,label\na,1,yes\n", &[], "line 2: \"label\" is \"yes\""),
        ("a.csv", "path,logit,truth\na,1,1\n", &[], "no column \"label\""),
        ("a.csv", "path,logit,label\na,1,1\nb\n", &[], "a.csv: CSV error"),
        ("a.json", "[]", &[], "name ends in \"json\""),
        ("a.parquet", "PAR1", &[], "not a Parquet file"),
    ];
    for (name, text, more, expected) in cases {
        let ran = run(name, text, more);
        assert!(ran.talk("error: ")[0].contains(expected), "{}", ran.stderr);
        assert_eq!(ran.talk("hint: ").len(), 1, "{}", ran.stderr);
    }
    assert!(!temp.path().join("out").exists(), "nothing is written for wrong input");
    for words in [
        args!["evaluate", "--out", "o"],
        args!["evaluate", "--scores", "a.csv", "--data", "b", "--out", "o"],
        args!["evaluate", "--scores", "a.csv", "--perturb", "paper", "--out", "o"],
        args!["evaluate", "--data", "b", "--unit", "logit", "--out", "o"],
        args!["evaluate", "--scores", "no/such.csv", "--out", "o"],
        args!["evaluate", "--scores", "a.csv", "--target-fpr", "0", "--out", "o"],
    ] {
        dear(words).expect(2);
    }
}

#[test]
fn odd_names_survive_and_are_escaped_in_the_page() {
    let temp = tempfile::tempdir().unwrap();
    let name = "<img src=x onerror=alert(1)>.png";
    let text = format!(
        "path,logit,label,subset\n\"{name}\",1,1,\"{name}\"\n\"=cmd|'/C calc'!A0, \"\"b\"\"\n.jpg\",-1,0,é\n"
    );
    let file = write(temp.path(), "odd.csv", &text);
    let out = temp.path().join("out");
    dear(args!["evaluate", "--scores", &file, "--out", &out]).expect(0);
    let records = json_lines(&fs_err::read_to_string(out.join("records.jsonl")).unwrap());
    let paths: Vec<&str> = records.iter().map(|record| record["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [name, "=cmd|'/C calc'!A0, \"b\"\n.jpg"]);
    assert!(!fs_err::read_to_string(out.join("report.html")).unwrap().contains("<img src=x"));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_stay_apart_through_records_and_the_references_tree() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    stand_ins(&samples("val", 2), data.join("fake/one"));
    fs_err::create_dir_all(data.join("real/one")).unwrap();
    for (from, name) in samples("test", 2).iter().zip([b"\xfe.png", b"\xff.png"]) {
        let to = data.join("real/one").join(std::ffi::OsStr::from_bytes(name));
        if fs_err::copy(from, to).is_err() {
            eprintln!("this file system has no such names: nothing to see here");
            return;
        }
    }
    let (out, tree) = (temp.path().join("out"), temp.path().join("tree"));
    dear(args!["evaluate", "--data", &data, "--out", &out, "--reference-tree", &tree]).expect(0);
    let before = results(&out);
    assert_eq!(before["data"]["real"], 2);
    for (name, from) in [("records", out.join("records.parquet")), ("tree", tree)] {
        let again = temp.path().join(name);
        dear(args!["evaluate", "--scores", from, "--out", &again]).expect(0);
        assert_eq!(results(&again)["data"]["real"], 2, "{name}");
        assert_eq!(metric(&results(&again), "mini", "auc"), metric(&before, "mini", "auc"), "{name}");
        let records = json_lines(&fs_err::read_to_string(again.join("records.jsonl")).unwrap());
        let exact: Vec<&str> = records.iter().filter_map(|record| record["path_base64"].as_str()).collect();
        assert_eq!(exact, ["cmVhbC9vbmUv/i5wbmc=", "cmVhbC9vbmUv/y5wbmc="], "{name}");
    }
}

#[test]
fn one_class_has_its_accuracy_and_a_reason_for_the_rest() {
    let temp = tempfile::tempdir().unwrap();
    let file = write(temp.path(), "real.csv", "path,logit,label\na,1,0\nb,-1,0\nc,-2,0\nd,-3,0\n");
    let out = temp.path().join("out");
    dear(args!["evaluate", "--scores", &file, "--out", &out]).expect(0);
    let found = results(&out);
    assert_eq!(metric(&found, "real", "r_acc"), 0.75);
    let auc = found["tables"][0]["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|metric| metric["metric"] == "auc")
        .unwrap();
    assert_eq!((auc["value"].is_null(), auc["undefined"].as_str()), (true, Some("no_fake")));
    assert_eq!(found["advice"][0]["standing"], "not_shown");
}

#[test]
fn the_references_tree_is_written_and_read_back_with_the_same_numbers() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    folder_of(&samples("test", 3), data.join("real/kodak"));
    stand_ins(&samples("val", 2), data.join("fake/one"));
    stand_ins(&samples("val", 4).split_off(2), data.join("fake/two"));
    let (out, tree) = (temp.path().join("out"), temp.path().join("tree"));
    dear(args!["evaluate", "--data", &data, "--out", &out, "--perturb", "paper", "--reference-tree", &tree])
        .expect(0);
    let files = ["real/kodak.csv", "fake/one.csv", "fake/one.json", "fake/two.csv", "fake/two.json"];
    for (split, file) in
        ["test", "test_processed"].iter().flat_map(|split| files.iter().map(move |file| (split, file)))
    {
        assert!(tree.join("mini").join(split).join(file).is_file(), "{split}/{file}");
    }
    let again = temp.path().join("again");
    let ran = dear(args!["evaluate", "--scores", &tree, "--out", &again]).expect(0);
    assert_eq!(ran.talk("warning: "), Vec::<&str>::new());
    let (before, after) = (results(&out), results(&again));
    for name in ["auc", "r_acc", "f_acc", "nll"] {
        assert_eq!(metric(&before, "mini", name), metric(&after, "mini", name), "{name}");
    }
    // What the tree reports of itself is compared with its scores.
    fs_err::write(tree.join("mini/test/fake/one.json"), "{\"fake_acc\": 12.34}").unwrap();
    let ran = dear(args!["evaluate", "--scores", &tree, "--out", &again]).expect(0);
    assert!(ran.talk("warning: ")[0].contains("one.json: f_acc is 12.34 %"), "{}", ran.stderr);
    assert!(results(&again)["scores"]["warnings"][0].as_str().unwrap().contains("12.34"));
}

#[test]
fn what_is_read_is_never_written_over() {
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name);
    let file = write(temp.path(), "theirs.csv", &forty("logit", noisy));
    let (judged, tree) = (path("judged"), path("tree"));
    dear(args!["evaluate", "--scores", &file, "--out", &judged, "--reference-tree", &tree]).expect(0);
    let (records, one) = (judged.join("records.parquet"), tree.join("theirs/test/real/real.csv"));
    assert!(one.is_file(), "{:?}", contents(&tree).keys());
    let before = (contents(&judged), contents(&tree));
    let out = "records.parquet: is read, and would be written over";
    let shared = ", which is read; expected another folder";
    for (words, expected) in [
        (args!["--scores", &records, "--out", &judged], out),
        (args!["--scores", &file, &records, "--out", path("none/../judged")], out),
        (args!["--data", &records, "--out", &judged], out),
        (args!["--scores", &tree, "--out", path("out"), "--reference-tree", &tree], shared),
        (args!["--scores", &tree, "--out", path("out"), "--reference-tree", tree.join("below")], shared),
        (args!["--scores", &tree, "--out", path("out"), "--reference-tree", temp.path()], shared),
        (args!["--scores", &one, "--out", path("out"), "--reference-tree", &tree], shared),
    ] {
        let ran = dear([args!["evaluate"], words].concat()).expect(2);
        let errors = ran.talk("error: ");
        assert!(errors.len() == 1 && errors[0].ends_with(expected), "{expected}: {}", ran.stderr);
        assert_eq!(ran.talk("hint: ").len(), 1, "{}", ran.stderr);
    }
    assert!(before == (contents(&judged), contents(&tree)) && !path("out").exists());
    dear(args!["evaluate", "--scores", &records, "--out", path("out"), "--reference-tree", path("other")])
        .expect(0);
}

#[test]
fn a_split_that_nobody_asked_for_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let tree = temp.path().join("tree");
    for (label, logit) in [("real", -1), ("fake", 1)] {
        let folder = tree.join("m/val").join(label);
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("one.csv"), format!("path,logit\n{label},{logit}\n")).unwrap();
    }
    let out = temp.path().join("out");
    let ran = dear(args!["evaluate", "--scores", &tree, "--out", &out]).expect(0);
    let said = "there is no split \"test\": judged on \"val\"; --split says which to take";
    assert!(ran.talk("warning: ").contains(&said), "{}", ran.stderr);
    assert_eq!(results(&out)["data"]["split"], "val");
    let asked = dear(args!["evaluate", "--scores", &tree, "--split", "val", "--out", &out]).expect(0);
    assert!(!asked.stderr.contains("there is no split"), "{}", asked.stderr);
}

#[test]
fn a_chain_of_a_file_cannot_steer_the_terminal() {
    let temp = tempfile::tempdir().unwrap();
    let text = "path,logit,label,chain\na,1,1,jpeg\u{1b}[2J\nb,-1,0,jpeg\u{1b}[2J\n";
    let file = write(temp.path(), "odd.csv", text);
    let ran = dear(args!["evaluate", "--scores", &file, "--out", temp.path().join("out")]).expect(0);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    assert!(ran.stdout.starts_with("jpeg\\u{1b}[2J ("), "{}", ran.stdout);
}
