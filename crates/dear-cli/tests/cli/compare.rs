//! `dear compare`: exit codes that CI can trust.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{args, dear, folder_of, json_lines, samples, stand_ins};

/// Evaluate `mini` on four photographs and three stand-ins into `{root}/{name}`.
fn evaluated(root: &Path, name: &str, photographs: usize) -> PathBuf {
    let data = root.join(format!("{name}-data"));
    folder_of(&samples("test", photographs), data.join("real/kodak"));
    stand_ins(&samples("val", 3), data.join("fake/one"));
    let out = root.join(name);
    dear(args!["evaluate", "--data", &data, "--out", &out]).expect(0);
    out
}

/// A copy of `from` whose results.json went through `edit`; with the records, or without.
fn edited(from: &Path, name: &str, records: bool, edit: impl FnOnce(&mut Value)) -> PathBuf {
    let to = from.with_file_name(name);
    fs_err::create_dir_all(&to).unwrap();
    let mut results: Value =
        serde_json::from_slice(&fs_err::read(from.join("results.json")).unwrap()).unwrap();
    edit(&mut results);
    fs_err::write(to.join("results.json"), results.to_string()).unwrap();
    if records {
        fs_err::copy(from.join("records.jsonl"), to.join("records.jsonl")).unwrap();
    }
    to
}

/// Set a metric of the table of everything.
fn set(results: &mut Value, metric: &str, value: f64) {
    let tables = results["tables"].as_array_mut().unwrap();
    let all = tables.iter_mut().find(|table| table["kind"] == "all").unwrap();
    let metrics = all["metrics"].as_array_mut().unwrap();
    metrics.iter_mut().find(|found| found["metric"] == metric).unwrap()["value"] = json!(value);
}

/// Make the table of everything say what the records beside it say.
fn refit(out: &Path) {
    let path = out.join("results.json");
    let mut results: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let records = json_lines(&fs_err::read_to_string(out.join("records.jsonl")).unwrap());
    let of_class = |label: &str| -> (Vec<f64>, usize) {
        let records: Vec<&Value> = records.iter().filter(|record| record["label"] == label).collect();
        let scored: Vec<f64> =
            records.iter().filter_map(|record| record["logits"]["mini"].as_f64()).collect();
        let refused = records.len() - scored.len();
        (scored, refused)
    };
    let ((real, refused_real), (fake, refused_fake)) = (of_class("real"), of_class("generated"));
    let all =
        results["tables"].as_array_mut().unwrap().iter_mut().find(|table| table["kind"] == "all").unwrap();
    for (key, count) in [
        ("real", real.len()),
        ("fake", fake.len()),
        ("refused_real", refused_real),
        ("refused_fake", refused_fake),
    ] {
        all[key] = json!(count);
    }
    let wins = fake.iter().map(|fake| real.iter().filter(|real| fake > *real).count()).sum::<usize>();
    let right =
        [real.iter().filter(|logit| **logit < 0.0).count(), fake.iter().filter(|l| **l > 0.0).count()];
    for (metric, count, of) in [
        ("auc", wins, real.len() * fake.len()),
        ("r_acc", right[0], real.len()),
        ("f_acc", right[1], fake.len()),
    ] {
        set(&mut results, metric, count as f64 / of as f64);
    }
    fs_err::write(path, results.to_string()).unwrap();
}

fn get(out: &Path, metric: &str) -> f64 {
    let results: Value = serde_json::from_slice(&fs_err::read(out.join("results.json")).unwrap()).unwrap();
    let all =
        results["tables"].as_array().unwrap().iter().find(|table| table["kind"] == "all").unwrap().clone();
    all["metrics"].as_array().unwrap().iter().find(|found| found["metric"] == metric).unwrap()["value"]
        .as_f64()
        .unwrap()
}

#[test]
fn exit_codes_tell_fine_from_regression_from_not_comparable() {
    let temp = tempfile::tempdir().unwrap();
    let out = evaluated(temp.path(), "a", 4);
    let same = dear(args!["compare", &out, out.join("results.json")]).expect(0);
    assert!(
        same.stdout.contains("no regression: ") && same.stdout.contains("images on both sides: 7"),
        "{same:?}"
    );

    // A later version's fields are passed over; the version is named.
    let auc = get(&out, "auc");
    let worse = edited(&out, "worse", false, |results| {
        results["later"] = json!({"and": 1});
        results["tables"][0]["later"] = json!(true);
        results["tables"][0]["metrics"][0]["later"] = json!([1]);
        results["options"]["later"] = json!("x");
        results["options"]["bootstrap"]["later"] = json!(2);
        results.as_object_mut().unwrap().remove("shapes");
        results["version"] = json!("9.9.9");
        set(results, "auc", auc - 0.05);
    });
    let ran = dear(args!["compare", &out, &worse]).expect(1);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], concat!("dear: ", env!("CARGO_PKG_VERSION"), " -> 9.9.9"));
    assert_eq!(lines[1], "clean, mini, all");
    assert!(
        lines[2].starts_with("  auc ") && lines[2].ends_with("-0.050                     worse"),
        "{:?}",
        lines[2]
    );
    assert!(ran.stdout.contains("records.jsonl is not on both sides"), "{ran:?}");
    dear(args!["compare", &out, &worse, "--tolerance", "0.06"]).expect(0);
    dear(args!["compare", &out, &worse, "--metric", "r_acc", "f_acc"]).expect(0);
    dear(args!["compare", &worse, &out]).expect(0);

    let fewer = edited(&out, "fewer", true, |results| {
        results["tables"].as_array_mut().unwrap().retain(|table| table["kind"] == "all");
    });
    assert!(dear(args!["compare", &out, &fewer]).expect(1).stdout.contains("gone"));

    let other = evaluated(temp.path(), "b", 5);
    let ran = dear(args!["compare", &out, &other, "--format", "json"]).expect(2);
    let changes: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(changes["outcome"], "not_comparable");
    assert_eq!(changes["reasons"][0], "4 real images before, 5 after");
    assert_eq!(changes["images"]["only_after"], 1);
    assert!(ran.talk("error: ")[0].contains("not comparable: 4 real images before, 5 after"), "{ran:?}");
    assert_eq!(ran.talk("hint: ").len(), 1);
}

#[test]
fn records_give_the_difference_an_interval() {
    let temp = tempfile::tempdir().unwrap();
    let out = evaluated(temp.path(), "a", 4);
    let after = edited(&out, "after", true, |_| ());
    // Every real image one logit higher.
    let lines = fs_err::read_to_string(out.join("records.jsonl")).unwrap();
    let moved: Vec<String> = lines
        .lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            if record["label"] == "real" {
                record["logits"]["mini"] = json!(record["logits"]["mini"].as_f64().unwrap() + 100.0);
            }
            record.to_string()
        })
        .collect();
    fs_err::write(after.join("records.jsonl"), moved.join("\n")).unwrap();
    refit(&after);
    let ran = dear(args!["compare", &out, &after, "--format", "json", "--metric", "auc,r_acc"]).expect(1);
    let changes: Value = serde_json::from_str(&ran.stdout).unwrap();
    let all = changes["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["kind"] == "all" && row["metric"] == "auc")
        .unwrap()
        .clone();
    let auc = get(&out, "auc");
    assert!((all["difference"].as_f64().unwrap() + auc).abs() < 1e-12, "AUC falls to 0: {all}");
    assert_eq!(all["interval"]["method"], "simultaneous");
    assert_eq!((changes["images"]["both"].as_u64(), all["verdict"].as_str()), (Some(7), Some("worse")));
    let text = dear(args!["compare", &out, &after, "--format", "markdown"]).expect(1).stdout;
    assert!(text.starts_with("## Regression\n") && text.contains("| clean | mini | all | auc |"), "{text}");
}

#[test]
fn an_image_that_is_newly_refused_is_a_regression_whatever_the_tolerance() {
    let temp = tempfile::tempdir().unwrap();
    let out = evaluated(temp.path(), "a", 4);
    let after = edited(&out, "after", true, |_| ());
    let lines = fs_err::read_to_string(out.join("records.jsonl")).unwrap();
    let refused: Vec<String> = lines
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            if i == 4 {
                record["logits"]["mini"] = Value::Null;
                record["error"] = json!("truncated");
                record["message"] = json!("its data end early");
                record["later"] = json!(1);
            }
            record.to_string()
        })
        .collect();
    fs_err::write(after.join("records.jsonl"), refused.join("\n")).unwrap();
    refit(&after);
    let ran = dear(args!["compare", &out, &after, "--tolerance", "1"]).expect(1);
    assert!(ran.stdout.contains("newly refused: real/kodak/"), "{ran:?}");
    assert!(ran.stdout.contains("(clean, mini): its data end early"), "{ran:?}");
    // An image that is scored again is none.
    dear(args!["compare", &after, &out, "--tolerance", "1"]).expect(0);
}

#[test]
fn what_is_no_evaluation_is_refused_with_its_name() {
    let temp = tempfile::tempdir().unwrap();
    let out = evaluated(temp.path(), "a", 4);
    let results = fs_err::read_to_string(out.join("results.json")).unwrap();
    let second = edited(&out, "second", false, |results| results["schema"] = json!(2));
    let write = |name: &str, text: &str| {
        let path = temp.path().join(name);
        fs_err::write(&path, text).unwrap();
        path
    };
    let cut = &results[..results.len() / 2];
    let records = edited(&out, "records", true, |_| ());
    fs_err::write(records.join("records.jsonl"), "{\"path\": 1}\n").unwrap();
    // As where a folder was evaluated into again, with a copy of what it held.
    let auc = get(&out, "auc");
    let stale = edited(&out, "stale", true, |results| set(results, "auc", auc - 0.05));
    for (path, expected) in [
        (second, "schema 2, expected 1"),
        (write("cut.json", cut), "not results.json: EOF"),
        (write("list.json", "[]"), "not results.json: it has no schema"),
        (write("other.json", "{\"schema\": 1}"), "not results.json: missing field"),
        (write("empty.json", ""), "not results.json: EOF"),
        (records, "line 1: not a record: "),
        (stale, "records.jsonl: not the records of "),
        (temp.path().join("absent"), "absent"),
    ] {
        let ran = dear(args!["compare", &out, &path]).expect(2);
        let errors = ran.talk("error: ");
        assert_eq!(errors.len(), 1, "{ran:?}");
        assert!(errors[0].contains(expected), "{expected}: {errors:?}");
        assert_eq!(ran.stdout, "");
    }
    for (options, expected) in [
        (args!["--tolerance", "nan"], "tolerance is NaN, expected a number of at least 0"),
        (args!["--metric", "accuracy"], "metric \"accuracy\" is unknown, expected one of auc,"),
        (args!["--system", "maxi"], "system \"maxi\" is not in the evaluation before, expected one of mini"),
    ] {
        let ran = dear([args!["compare", &out, &out], options].concat()).expect(2);
        assert!(ran.talk("error: ")[0].starts_with(expected), "{expected}: {ran:?}");
    }
}
