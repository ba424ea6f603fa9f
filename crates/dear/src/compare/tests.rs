use std::collections::BTreeMap;

use super::*;
use crate::bootstrap::{Interval, Method};
use crate::dataset::Label;
use crate::evaluate::{Data, EvaluateOptions, ImageRecord, SubsetKind, System, Table};

/// Logits of four real and four generated images.
const LOGITS: [f64; 8] = [-2.0, -1.0, -0.5, 0.5, -0.2, 0.4, 1.0, 2.0];

fn record(i: usize, logit: Option<f64>) -> ImageRecord {
    ImageRecord {
        path: format!("{}/{i}.png", if i < 4 { "real" } else { "fake" }),
        path_base64: None,
        sha256: format!("{i:064}"),
        label: if i < 4 { Label::Real } else { Label::Generated },
        subset: if i < 6 { "a" } else { "b" }.to_owned(),
        split: None,
        scene: None,
        chain: "clean".to_owned(),
        status: "scored".to_owned(),
        warning: None,
        error: None,
        message: None,
        logits: BTreeMap::from([("mini".to_owned(), logit)]),
    }
}

fn metric(name: &str, value: Option<f64>) -> Interval {
    Interval {
        metric: name.to_owned(),
        value,
        undefined: None,
        low: None,
        high: None,
        degenerate: false,
        resolvable: true,
        undefined_resamples: 0,
        method: Method::Bootstrap,
    }
}

fn table(subset: &str, kind: SubsetKind, metrics: Vec<Interval>) -> Table {
    Table {
        chain: "clean".to_owned(),
        system: "mini".to_owned(),
        subset: subset.to_owned(),
        kind,
        real: 4,
        fake: 4,
        refused_real: 0,
        refused_fake: 0,
        metrics,
    }
}

/// An evaluation whose table `all` says R.Acc 0.75, F.Acc 0.75, ECE 0.1, asymmetry 0, with its records.
fn side() -> Side {
    let metrics = [("r_acc", 0.75), ("f_acc", 0.75), ("ece", 0.1), ("asymmetry", 0.0), ("auc", 0.875)];
    let metrics: Vec<Interval> = metrics.map(|(name, value)| metric(name, Some(value))).to_vec();
    let data = Data {
        root: "photos".to_owned(),
        split: None,
        real: 4,
        fake: 4,
        skipped: 0,
        in_both_classes: 0,
        in_other_splits: 0,
        scenes_known: false,
        scenes: None,
    };
    let system = System {
        name: "mini".to_owned(),
        detector: None,
        note: String::new(),
        hardened: false,
        controls: BTreeMap::new(),
        threshold: 0.0,
        threshold_origin: "default".to_owned(),
    };
    let evaluation = Evaluation {
        schema: 1,
        version: "0.1.0".to_owned(),
        data,
        detectors: Vec::new(),
        engine: None,
        scores: None,
        options: EvaluateOptions::default(),
        chains: vec!["clean".to_owned()],
        systems: vec![system],
        tables: vec![
            table("all", SubsetKind::All, metrics.clone()),
            table("b", SubsetKind::Generator, metrics),
        ],
        comparisons: Vec::new(),
        family: 0,
        curves: Vec::new(),
        shapes: Vec::new(),
        advice: Vec::new(),
        words: Vec::new(),
    };
    Side { evaluation, records: Some((0..8).map(|i| record(i, Some(LOGITS[i]))).collect()) }
}

/// [`side`] without records, so that the tables alone are compared.
fn tables_only() -> Side {
    Side { records: None, ..side() }
}

fn options(metrics: &[&str]) -> CompareOptions {
    CompareOptions {
        metrics: metrics.iter().map(|&name| name.to_owned()).collect(),
        ..CompareOptions::default()
    }
}

fn verdicts(changes: &Changes) -> Vec<(&str, &str, Verdict)> {
    changes.rows.iter().map(|row| (row.subset.as_str(), row.metric.as_str(), row.verdict)).collect()
}

#[test]
fn a_metric_gets_worse_in_its_own_direction() {
    let cases = [
        ("r_acc", 0.75, Verdict::Same),
        ("r_acc", 0.74, Verdict::Same),
        ("r_acc", 0.73, Verdict::Worse),
        ("r_acc", 0.77, Verdict::Better),
        ("ece", 0.13, Verdict::Worse),
        ("ece", 0.07, Verdict::Better),
        ("asymmetry", 0.05, Verdict::Worse),
        ("asymmetry", -0.05, Verdict::Worse),
        ("asymmetry", 0.005, Verdict::Same),
    ];
    for (name, value, expected) in cases {
        let mut after = tables_only();
        after.evaluation.tables.truncate(1);
        let mut before = after.clone();
        let all = &mut after.evaluation.tables[0].metrics;
        all.iter_mut().find(|metric| metric.metric == name).unwrap().value = Some(value);
        before.evaluation.version = "0.0.9".to_owned();
        let changes = compare(&before, &after, &options(&[name])).unwrap();
        assert_eq!(verdicts(&changes), [("all", name, expected)], "{name} {value}");
        let outcome = if expected == Verdict::Worse { Outcome::Regression } else { Outcome::Fine };
        assert_eq!(changes.outcome, outcome, "{name} {value}");
        assert_eq!(changes.differs[0].what, "dear");
    }
}

#[test]
fn what_is_gone_is_a_regression_and_what_is_new_is_not() {
    let only = options(&["f_acc"]);
    let mut fewer = tables_only();
    fewer.evaluation.tables.pop();
    let gone = compare(&tables_only(), &fewer, &only).unwrap();
    assert_eq!(verdicts(&gone), [("all", "f_acc", Verdict::Same), ("b", "f_acc", Verdict::Gone)]);
    assert_eq!(gone.outcome, Outcome::Regression);
    let new = compare(&fewer, &tables_only(), &only).unwrap();
    assert_eq!(verdicts(&new), [("all", "f_acc", Verdict::Same), ("b", "f_acc", Verdict::New)]);
    assert_eq!(new.outcome, Outcome::Fine);
    // A value that is no longer defined is gone as well.
    let mut undefined = tables_only();
    undefined.evaluation.tables[0].metrics[1].value = None;
    assert_eq!(verdicts(&compare(&tables_only(), &undefined, &only).unwrap())[0].2, Verdict::Gone);
}

#[test]
fn refusing_more_images_is_a_regression() {
    let mut after = tables_only();
    for table in &mut after.evaluation.tables {
        (table.fake, table.refused_fake) = (3, 1);
    }
    let changes = compare(&tables_only(), &after, &options(&["f_acc"])).unwrap();
    assert!(verdicts(&changes).contains(&("all", "refused", Verdict::Worse)), "{:?}", verdicts(&changes));
    assert_eq!(compare(&after, &tables_only(), &options(&["f_acc"])).unwrap().outcome, Outcome::Fine);
}

#[test]
fn with_records_the_difference_is_that_of_images_that_both_scored() {
    // After, image 7 is refused and image 5 is missed: F.Acc of the three left falls from 2/3 to 1/3.
    let mut after = side();
    let records = after.records.as_mut().unwrap();
    records[7] = record(7, None);
    records[5] = record(5, Some(-0.4));
    let changes = compare(&side(), &after, &options(&["f_acc"])).unwrap();
    let all = &changes.rows[0];
    assert!((all.difference.unwrap() + 1.0 / 3.0).abs() < 1e-12, "{all:?}");
    assert_eq!(all.verdict, Verdict::Worse);
    let interval = all.interval.as_ref().unwrap();
    assert_eq!(interval.method, Method::Simultaneous);
    assert!(interval.low.unwrap() < -0.33 && interval.high.unwrap() > -0.33);
    // Subset b: images 6 and 7 of which 6 is left, found on both sides.
    let b = changes.rows.iter().find(|row| row.subset == "b").unwrap();
    assert_eq!(
        (b.difference, b.interval.as_ref().map(|interval| interval.method)),
        (Some(0.0), Some(Method::Bootstrap))
    );
}

#[test]
fn images_of_one_scene_are_resampled_together() {
    let mut after = side();
    after.records.as_mut().unwrap()[5] = record(5, Some(-0.4));
    let with = |scenes: &[&str]| {
        let mut before = side();
        before.evaluation.data.scenes_known = true;
        for (record, scene) in before.records.as_mut().unwrap().iter_mut().zip(scenes) {
            record.scene = Some((*scene).to_owned());
        }
        compare(&before, &after, &options(&["f_acc"])).unwrap().rows[0].interval.clone()
    };
    // Records of an earlier version name no scenes: then there is no interval.
    assert_eq!(with(&[]), None);
    let alone = compare(&side(), &after, &options(&["f_acc"])).unwrap().rows[0].interval.clone().unwrap();
    // All generated images of one scene, and two of each: other units are drawn.
    let one = with(&["a", "b", "c", "d", "e", "e", "e", "e"]).unwrap();
    let two = with(&["a", "b", "c", "d", "e", "e", "f", "f"]).unwrap();
    assert_eq!((one.value, two.value), (alone.value, alone.value));
    let ends = |interval: &Interval| (interval.low, interval.high);
    assert!(ends(&one) != ends(&alone) && ends(&two) != ends(&alone), "{one:?} {two:?} {alone:?}");
}

#[test]
fn each_newly_refused_image_is_a_regression() {
    let refused = |i: usize| ImageRecord {
        error: Some("truncated".to_owned()),
        message: Some("ends early".to_owned()),
        ..record(i, None)
    };
    // As many are refused after as before, but another one.
    let (mut before, mut after) = (side(), side());
    before.records.as_mut().unwrap()[1] = refused(1);
    after.records.as_mut().unwrap()[7] = refused(7);
    for table in before.evaluation.tables.iter_mut().chain(&mut after.evaluation.tables) {
        table.refused_fake = 1;
    }
    let lenient = CompareOptions { tolerance: 1.0, ..options(&["f_acc"]) };
    let changes = compare(&before, &after, &lenient).unwrap();
    assert_eq!(changes.outcome, Outcome::Regression);
    assert!(verdicts(&changes).contains(&("all", "refused", Verdict::Worse)), "{:?}", verdicts(&changes));
    let expected = NewlyRefused {
        path: "fake/7.png".to_owned(),
        path_base64: None,
        chain: "clean".to_owned(),
        system: "mini".to_owned(),
        error: Some("truncated".to_owned()),
        message: Some("ends early".to_owned()),
    };
    assert_eq!(changes.newly_refused, [expected]);
    assert!(markdown(&changes).contains("newly refused: fake/7.png"), "{}", markdown(&changes));
    // Without records their number speaks, and the tolerance does not.
    (before.records, after.records) = (None, None);
    assert_eq!(compare(&before, &after, &lenient).unwrap().outcome, Outcome::Fine);
    after.evaluation.tables[0].refused_fake = 2;
    assert_eq!(compare(&before, &after, &lenient).unwrap().outcome, Outcome::Regression);
}

#[test]
fn images_match_by_exact_name_and_by_what_is_known_of_them() {
    let (mut before, mut after) = (side(), side());
    after.records.as_mut().unwrap()[5] = record(5, Some(-0.4));
    // The records after alone name scenes.
    after.evaluation.data.scenes_known = true;
    for (i, record) in after.records.as_mut().unwrap().iter_mut().enumerate() {
        record.scene = Some(format!("{}", i / 2));
    }
    // Two names that look the same, and a file that could not be read before.
    for side in [&mut before, &mut after] {
        let records = side.records.as_mut().unwrap();
        for (i, exact) in [(0, "/i5wbmc="), (1, "/y5wbmc=")] {
            records[i].path = "\u{fffd}.png".to_owned();
            records[i].path_base64 = Some(exact.to_owned());
        }
    }
    let unread = &mut before.records.as_mut().unwrap()[7];
    *unread = ImageRecord { sha256: String::new(), ..record(7, None) };
    let changes = compare(&before, &after, &options(&["f_acc"])).unwrap();
    assert_eq!((changes.images.unwrap().both, &changes.reasons[..]), (8, &[][..]));
    assert!(changes.rows[0].interval.is_some());
}

#[test]
fn newly_refused_is_seen_under_each_chain_and_under_a_new_name() {
    let mut before = side();
    before.evaluation.chains.push("paper".to_owned());
    let tables: Vec<Table> = before.evaluation.tables.clone();
    before
        .evaluation
        .tables
        .extend(tables.into_iter().map(|table| Table { chain: "paper".to_owned(), ..table }));
    let records = before.records.as_mut().unwrap();
    let processed: Vec<ImageRecord> =
        records.iter().map(|record| ImageRecord { chain: "paper".to_owned(), ..record.clone() }).collect();
    records.extend(processed);
    let mut after = before.clone();
    after.evaluation.systems[0].name = "mini 2".to_owned();
    after.evaluation.tables.iter_mut().for_each(|table| table.system = "mini 2".to_owned());
    for record in after.records.as_mut().unwrap() {
        let logit = record.logits["mini"];
        record.logits = BTreeMap::from([("mini 2".to_owned(), logit)]);
    }
    // One image has no record after under the second chain.
    after.records.as_mut().unwrap().pop();
    let said =
        CompareOptions { systems: vec![("mini".to_owned(), "mini 2".to_owned())], ..options(&["f_acc"]) };
    let found = compare(&before, &after, &said).unwrap().newly_refused;
    let told: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|image| (image.path.as_str(), image.chain.as_str(), image.system.as_str()))
        .collect();
    assert_eq!(told, [("fake/7.png", "paper", "mini")]);
}

/// What happened to the images of a side.
type Edit = fn(&mut Side);

#[test]
fn other_images_are_not_compared() {
    let with = |edit: Edit| {
        let mut side = side();
        edit(&mut side);
        side
    };
    let cases: [(&str, Edit); 5] = [
        ("images with other bytes after: 1", |side| {
            side.records.as_mut().unwrap()[2].sha256 = "ff".repeat(32)
        }),
        ("images with another label after: 1", |side| {
            side.records.as_mut().unwrap()[3].label = Label::Generated
        }),
        ("images in the records before only: 1", |side| _ = side.records.as_mut().unwrap().pop()),
        ("4 real images before, 5 after", |side| side.evaluation.data.real = 5),
        ("no table in common", |side| {
            side.evaluation.tables.iter_mut().for_each(|table| table.chain = "paper".to_owned())
        }),
    ];
    for (reason, edit) in cases {
        let changes = compare(&side(), &with(edit), &options(&["f_acc"])).unwrap();
        assert_eq!(changes.outcome, Outcome::NotComparable, "{reason}");
        assert!(
            changes.reasons.iter().any(|found| found.starts_with(reason)),
            "{reason}: {:?}",
            changes.reasons
        );
        assert!(changes.rows.is_empty());
    }
    // Moved images are the same images.
    let moved = with(|side| {
        side.records
            .as_mut()
            .unwrap()
            .iter_mut()
            .for_each(|record| record.path = format!("x/{}", record.path))
    });
    let changes = compare(&side(), &moved, &options(&["f_acc"])).unwrap();
    assert_eq!((changes.outcome, changes.images.unwrap().both), (Outcome::Fine, 8));
    assert_eq!(changes.rows[0].difference, Some(0.0));
}

#[test]
fn a_renamed_system_is_compared_when_said() {
    let mut after = tables_only();
    after.evaluation.systems[0].name = "mini 2".to_owned();
    after.evaluation.tables.iter_mut().for_each(|table| table.system = "mini 2".to_owned());
    assert_eq!(compare(&tables_only(), &after, &options(&["auc"])).unwrap().outcome, Outcome::NotComparable);
    let said =
        CompareOptions { systems: vec![("mini".to_owned(), "mini 2".to_owned())], ..options(&["auc"]) };
    assert_eq!(compare(&tables_only(), &after, &said).unwrap().outcome, Outcome::Fine);
    let wrong = CompareOptions { systems: vec![("mini".to_owned(), "maxi".to_owned())], ..options(&["auc"]) };
    let error = compare(&tables_only(), &after, &wrong).unwrap_err().to_string();
    assert_eq!(error, "system \"maxi\" is not in the evaluation after, expected one of mini 2");
}

#[test]
fn options_outside_their_range_are_refused() {
    for (options, expected) in [
        (
            CompareOptions { tolerance: f64::NAN, ..options(&["auc"]) },
            "tolerance is NaN, expected a number of at least 0",
        ),
        (
            CompareOptions { tolerance: -0.1, ..options(&["auc"]) },
            "tolerance is -0.1, expected a number of at least 0",
        ),
        (options(&[]), "no metric given, expected at least one"),
        (options(&["brier"]), "metric \"brier\" is in no table of the evaluation before"),
    ] {
        assert_eq!(compare(&side(), &side(), &options).unwrap_err().to_string(), expected);
    }
    let error = compare(&side(), &side(), &options(&["accuracy"])).unwrap_err().to_string();
    assert!(error.starts_with("metric \"accuracy\" is unknown, expected one of auc, ap,"), "{error}");
}

#[test]
fn markdown_puts_what_got_worse_first() {
    let mut after = tables_only();
    after.evaluation.tables[1].metrics[1].value = Some(0.5);
    let text = markdown(&compare(&tables_only(), &after, &options(&["auc", "f_acc"])).unwrap());
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| clean")).collect();
    assert_eq!(rows[0], "| clean | mini | b | f\\_acc | 75.0 | 50.0 | -25.0 | worse |", "{text}");
    assert!(text.starts_with("## Regression\n"), "{text}");
}

#[test]
fn records_of_another_evaluation_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let read = |edit: Edit| {
        let mut side = side();
        edit(&mut side);
        let results = serde_json::to_string(&side.evaluation).unwrap();
        fs_err::write(folder.path().join("results.json"), results).unwrap();
        let records = side.records.unwrap();
        let lines: Vec<String> =
            records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
        fs_err::write(folder.path().join("records.jsonl"), lines.join("\n")).unwrap();
        Side::read(folder.path())
    };
    assert_eq!(read(|_| ()).unwrap(), side());
    let cases: [(&str, Edit); 5] = [
        (
            "clean, mini: 4 real and 3 generated images scored, 0 and 1 refused, expected 4 real and 4 generated images \
             scored, 0 and 0 refused",
            |side| side.records.as_mut().unwrap()[7] = record(7, None),
        ),
        ("clean, mini: auc is 0.6875, expected 0.875", |side| {
            side.records.as_mut().unwrap()[4] = record(4, Some(-3.0))
        }),
        // As many pairs are in order, and other images on the right side of 0.
        ("clean, mini: r_acc is 0.5, expected 0.75", |side| {
            let records = side.records.as_mut().unwrap();
            (records[2], records[3]) = (record(2, Some(0.1)), record(3, Some(0.2)));
        }),
        ("clean, mini: f_acc is 1, expected 0.75", |side| {
            side.records.as_mut().unwrap()[4] = record(4, Some(0.3))
        }),
        ("paper, mini: 0 real and 0 generated images scored", |side| {
            side.evaluation.tables[0].chain = "paper".to_owned()
        }),
    ];
    for (expected, edit) in cases {
        let error = read(edit).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("records.jsonl: not the records of "), "{error}");
        assert!(error.hint().is_some());
    }
}
