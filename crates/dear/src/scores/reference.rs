//! The result tree of the reference's code: `{model}/{split}/{real,fake}/{subset}.csv` with the columns `path,logit`, and
//! beside each fake CSV a JSON with `ap`, `auc`, `real_acc`, `fake_acc`, `acc` in per cent.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};
use walkdir::WalkDir;

use super::files::{key, number, place_of};
use super::join::Entry;
use super::names::Source;
use super::unit::Unit;
use super::{ScoredImage, Scores};
use crate::columns::{Columns, ColumnsError};
use crate::dataset::{Label, choose_split};
use crate::error::Error;
use crate::evaluate::{Evaluation, ScoreFile};
use crate::files::write_atomic;

/// Names in the JSON, and ours.
const METRICS: [(&str, &str); 5] = [
    ("ap", "ap"),
    ("auc", "auc"),
    ("real_acc", "r_acc"),
    ("fake_acc", "f_acc"),
    ("acc", "balanced_accuracy"),
];

/// What a JSON of the tree says of a model on a generator.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// The JSON.
    pub path: String,
    /// The model.
    pub system: String,
    /// The generator.
    pub subset: String,
    /// Our name of a metric, and its value in per cent.
    pub values: Vec<(&'static str, f64)>,
}

pub(super) struct Tree {
    pub(super) entries: Vec<Entry>,
    pub(super) files: Vec<ScoreFile>,
    /// What the JSON files say, with the place of their system.
    pub(super) reported: Vec<(usize, Reported)>,
    /// The CSV files by their canonical paths.
    pub(super) read: Vec<PathBuf>,
}

/// Read a tree, or the part of it below `folder` (a model's, or a split's). One split is read: `split`, else the first
/// of test, test_processed, val, train, validation that is there, else the only one. A model is the folder of that name.
pub(super) fn read(
    folder: &Path,
    split: Option<&str>,
    sources: &mut Vec<Source>,
) -> Result<Tree, ColumnsError> {
    const HINT: &str = "give a file, or the reference's tree: {model}/{split}/{real,fake}/{subset}.csv with the columns path,logit";
    let bad = |path: &Path, message: String, hint: &str| ColumnsError {
        path: path.display().to_string(),
        message,
        hint: hint.to_owned(),
    };
    let absolute =
        fs_err::canonicalize(folder).map_err(|error| bad(folder, error.to_string(), "check the path"))?;
    let mut found = Vec::new();
    for entry in WalkDir::new(&absolute).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| bad(folder, error.to_string(), "check the folder"))?;
        let parts: Vec<String> = entry
            .path()
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect();
        let csv = entry.path().extension().is_some_and(|extension| extension == "csv");
        if let ([.., model, split, label, _], true) = (&parts[..], csv)
            && ["real", "fake"].contains(&label.as_str())
            && let Some(label) = Label::parse(label)
        {
            found.push((model.clone(), split.clone(), label, entry.into_path()));
        }
    }
    let splits: BTreeSet<&str> = found.iter().map(|(_, split, _, _)| split.as_str()).collect();
    let listed = || splits.iter().copied().collect::<Vec<_>>().join(", ");
    let Some(chosen) = choose_split(&splits, split).map(str::to_owned) else {
        return Err(match (splits.is_empty(), split) {
            (true, _) => bad(folder, "no {real,fake}/{subset}.csv in it".to_owned(), HINT),
            (false, Some(asked)) => bad(
                folder,
                format!("no split {asked:?}; found {}", listed()),
                "name one of them with --split",
            ),
            (false, None) => bad(folder, format!("several splits: {}", listed()), "choose one with --split"),
        });
    };
    let mut tree = Tree { entries: Vec::new(), files: Vec::new(), reported: Vec::new(), read: Vec::new() };
    for (model, split, label, path) in found.into_iter().filter(|(_, split, _, _)| *split == chosen) {
        let shown = folder.join(path.strip_prefix(&absolute).unwrap_or(&path));
        let subset = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let table = Columns::read(&path)
            .map_err(|error| ColumnsError { path: shown.display().to_string(), ..error })?;
        let (image, logit) = (table.required("path", HINT)?, table.required("logit", HINT)?);
        let model_folder = path.ancestors().nth(3).unwrap_or(&absolute).to_owned();
        let source = Source { place: model_folder, is_file: false, system: None, with_file: true };
        let system = place_of(sources, source);
        for row in 0..table.rows.len() {
            let (key, key_base64) = key(&table, row, image)?;
            tree.entries.push(Entry {
                key,
                key_base64,
                label,
                subset: Some(subset.clone()),
                split: Some(split.clone()),
                scene: None,
                sha256: None,
                chain: "clean".to_owned(),
                system,
                unit: Unit::Logit,
                score: number(&table, row, logit, Unit::Logit)?,
                at: format!("{}, {}", shown.display(), table.places[row]),
            });
        }
        tree.files.push(ScoreFile {
            path: shown.display().to_string(),
            sha256: table.sha256,
            rows: table.rows.len() as u64,
        });
        let beside = path.with_extension("json");
        if label == Label::Generated && beside.is_file() {
            let shown = shown.with_extension("json");
            tree.reported.push((system, reported(&beside, &shown, model, subset)?));
        }
        tree.read.push(path);
    }
    Ok(tree)
}

fn reported(path: &Path, shown: &Path, system: String, subset: String) -> Result<Reported, ColumnsError> {
    let bad = |message: String| ColumnsError {
        path: shown.display().to_string(),
        message,
        hint: "an object with ap, auc, real_acc, fake_acc, acc in per cent; delete it to go on without"
            .to_owned(),
    };
    let text = fs_err::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| bad(format!("not JSON: {error}")))?;
    let values =
        METRICS.iter().filter_map(|(theirs, ours)| Some((*ours, value.get(theirs)?.as_f64()?))).collect();
    Ok(Reported { path: shown.display().to_string(), system, subset, values })
}

/// Where what a tree reports differs from what is found here by more than its own rounding.
pub fn disagreements(evaluation: &Evaluation, reported: &[Reported]) -> Vec<String> {
    let mut found = Vec::new();
    for one in reported {
        let table = evaluation.tables.iter().find(|table| {
            table.system == one.system
                && table.subset == one.subset
                && table.kind == crate::evaluate::SubsetKind::Generator
        });
        for (metric, theirs) in &one.values {
            let Some(ours) = table.and_then(|table| table.metric(metric)?.value).map(|value| 100.0 * value)
            else {
                continue;
            };
            if (ours - theirs).abs() > rounding(*theirs) {
                found.push(format!(
                    "{}: {metric} is {theirs} %, and {ours:.4} % by the scores beside it.",
                    one.path
                ));
            }
        }
    }
    found
}

/// By how much a number may be off if it was rounded to the digits that it has.
fn rounding(value: f64) -> f64 {
    let digits = (0..6).find(|&digits| {
        let scaled = value * 10_f64.powi(digits);
        (scaled - scaled.round()).abs() < 1e-7
    });
    0.5001 * 10_f64.powi(-digits.unwrap_or(6))
}

/// Write the clean scores of every system as such a tree below `folder`, and perturbed ones as splits of their own:
/// `{split}_{chain}` (`test_processed` for the paper's). Images without a score are left out, as there. Where a path is not
/// UTF-8, a third column `path_base64` has its exact bytes.
///
/// # Errors
/// Writing a file.
pub fn write(folder: &Path, split: &str, scores: &Scores, evaluation: &Evaluation) -> Result<(), Error> {
    let chains = &scores.chains[..scores.tabled];
    let splits: Vec<String> = chains
        .iter()
        .map(|chain| match chain.as_str() {
            "clean" => split.to_owned(),
            "paper" => format!("{split}_processed"),
            other => format!("{split}_{}", plain(other)),
        })
        .collect();
    let splits = file_names(&splits.iter().map(String::as_str).collect::<Vec<_>>());
    let systems: Vec<&str> = scores.systems.iter().map(|system| system.name.as_str()).collect();
    let systems = file_names(&systems);
    for (label, name) in [(Label::Real, "real"), (Label::Generated, "fake")] {
        let subsets = scores.subsets(label);
        for (subset, file) in subsets.iter().zip(file_names(&subsets)) {
            for (c, split) in splits.iter().enumerate() {
                for (s, system) in systems.iter().enumerate() {
                    let folder = folder.join(system).join(split).join(name);
                    let part = Part { chain: c, system: s, label, subset };
                    part.write(&folder, &file, scores, evaluation)?;
                }
            }
        }
    }
    Ok(())
}

/// One CSV of a tree.
struct Part<'a> {
    chain: usize,
    system: usize,
    label: Label,
    subset: &'a str,
}

impl Part<'_> {
    fn write(
        &self,
        folder: &Path,
        file: &str,
        scores: &Scores,
        evaluation: &Evaluation,
    ) -> Result<(), Error> {
        let bad = |error: csv::Error| Error::Options(error.to_string());
        let of_part = scores.images.iter().zip(&scores.logits[self.chain][self.system]);
        let listed: Vec<(&ScoredImage, f64)> = of_part
            .filter(|(image, logit)| {
                image.label == self.label && image.subset == self.subset && logit.is_finite()
            })
            .map(|(image, logit)| (image, *logit))
            .collect();
        if listed.is_empty() {
            return Ok(());
        }
        let exact = listed.iter().any(|(image, _)| image.key_base64.is_some());
        let columns = if exact { 3 } else { 2 };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&["path", "logit", "path_base64"][..columns]).map_err(bad)?;
        for (image, logit) in listed {
            let row = [&image.key, &logit.to_string(), image.key_base64.as_deref().unwrap_or_default()];
            writer.write_record(&row[..columns]).map_err(bad)?;
        }
        let bytes = writer.into_inner().map_err(|error| Error::Options(error.to_string()))?;
        write_atomic(&folder.join(format!("{file}.csv")), &bytes)?;
        let table = evaluation.tables.iter().find(|table| {
            table.chain == scores.chains[self.chain]
                && table.system == scores.systems[self.system].name
                && table.subset == self.subset
                && table.kind == crate::evaluate::SubsetKind::Generator
        });
        let (Label::Generated, Some(table)) = (self.label, table) else { return Ok(()) };
        let value = |ours| table.metric(ours).and_then(|interval| interval.value);
        let values: serde_json::Map<String, Value> = METRICS
            .iter()
            .map(|(theirs, ours)| ((*theirs).to_owned(), json!(value(ours).map(|share| 100.0 * share))))
            .collect();
        let text = serde_json::to_string(&values).map_err(|error| Error::Options(error.to_string()))?;
        Ok(write_atomic(&folder.join(format!("{file}.json")), text.as_bytes())?)
    }
}

/// A file's name for each name, no two alike on any file system: letters, digits, `-`, `.`, space and `_` stay, and
/// others become `_`. Names that would be empty or equal (but for case) have those as `%` and hexadecimal digits, so that
/// they can be told, and a number where that is not enough.
fn file_names(names: &[&str]) -> Vec<String> {
    let first: Vec<String> = names.iter().map(|name| plain(name)).collect();
    let alike =
        |name: &String| first.iter().filter(|other| other.to_lowercase() == name.to_lowercase()).count();
    let mut taken = BTreeSet::new();
    let mut unique = |name: String| {
        let (mut free, mut number) = (name.clone(), 2);
        while !taken.insert(free.to_lowercase()) {
            free = format!("{name}-{number}");
            number += 1;
        }
        free
    };
    // Those that keep their plain name have the first claim to it.
    let kept: Vec<Option<String>> = names
        .iter()
        .zip(&first)
        .map(|(name, first)| {
            (!first.is_empty() && (*name == first || alike(first) == 1)).then(|| unique(first.clone()))
        })
        .collect();
    names.iter().zip(kept).map(|(name, kept)| kept.unwrap_or_else(|| unique(escaped(name)))).collect()
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-. _".contains(c)
}

fn plain(name: &str) -> String {
    let plain = |c: char| if is_plain(c) { c } else { '_' };
    name.chars().map(plain).collect::<String>().trim_start_matches('.').to_owned()
}

/// `a/b` as `a%2Fb`; a leading dot would hide the file.
fn escaped(name: &str) -> String {
    let hexadecimal = |c: char| c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let keeps = |at: usize, c: char| is_plain(c) && !(at == 0 && c == '.');
    let text: String = name
        .char_indices()
        .map(|(at, c)| if keeps(at, c) { c.to_string() } else { hexadecimal(c) })
        .collect();
    if text.is_empty() { "%".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{EvaluateOptions, of_scores};
    use crate::observe::Silent;
    use crate::scores::ScoreOptions;
    use crate::scores::tests::scores;

    #[test]
    fn a_written_tree_is_read_back_and_agrees_with_itself() {
        let images = [
            ("f/1.png", Label::Generated, "sd", "1"),
            ("f/2.png", Label::Generated, "sd", "2"),
            ("f/3.png", Label::Generated, "flux", "3"),
            ("r/1.png", Label::Real, "redcaps", "4"),
            ("r/2.png", Label::Real, "redcaps", "5"),
        ];
        let first = vec![0.123_456_789_012_345_67, f64::NAN, -1.5, -2.0, 0.5];
        let second = vec![1.0, f64::NAN, 3.0, -1.0, -2.0];
        let mut before = scores(&images, vec![vec![first.clone(), second.clone()], vec![second, first]]);
        before.chains[1] = "paper".to_owned();
        let evaluation = of_scores(&before, None, &EvaluateOptions::default(), &Silent).unwrap();
        let temp = tempfile::tempdir().unwrap();
        write(temp.path(), "test", &before, &evaluation).unwrap();
        assert!(temp.path().join("a/test_processed/fake/flux.csv").is_file());
        let read = |folder: &Path, split: Option<&str>| {
            let options = ScoreOptions { split: split.map(str::to_owned), ..Default::default() };
            crate::scores::read(&[folder.to_owned()], &options)
        };
        let after = read(temp.path(), None).unwrap();
        assert_eq!(after.scores.systems.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        // Image 2 has no score, so the tree does not list it.
        assert_eq!(after.scores.images.len(), 4);
        assert_eq!(after.scores.logits[0][0], [0.123_456_789_012_345_67, -1.5, -2.0, 0.5]);
        assert_eq!(after.scores.subsets(Label::Generated), ["flux", "sd"]);
        assert_eq!(read(&temp.path().join("a/test_processed"), None).unwrap().scores.logits[0][0][0], 1.0);
        assert_eq!(read(&temp.path().join("b"), Some("test_processed")).unwrap().scores.images.len(), 4);
        let again = of_scores(&after.scores, None, &EvaluateOptions::default(), &Silent).unwrap();
        assert_eq!(after.reported.len(), 4);
        assert_eq!(disagreements(&again, &after.reported), Vec::<String>::new());
        // A JSON that says something else is told.
        fs_err::write(
            temp.path().join("a/test/fake/sd.json"),
            "{\"real_acc\": 75.0, \"acc\": 75.0, \"other\": 1}",
        )
        .unwrap();
        let after = read(temp.path(), None).unwrap();
        let told = disagreements(&again, &after.reported);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("sd.json: r_acc is 75 %, and 50.0000 % by the scores beside it"),
            "{told:?}"
        );
    }

    #[test]
    fn models_of_one_name_in_two_trees_stay_apart() {
        let temp = tempfile::tempdir().unwrap();
        for (tree, score) in [("x", 1), ("y", 2)] {
            for label in ["real", "fake"] {
                let folder = temp.path().join(tree).join("m/test").join(label);
                fs_err::create_dir_all(&folder).unwrap();
                fs_err::write(folder.join("sd.csv"), format!("path,logit\n{label},{score}\n")).unwrap();
            }
            fs_err::write(temp.path().join(tree).join("m/test/fake/sd.json"), "{\"ap\": 100}").unwrap();
        }
        let both = [temp.path().join("x"), temp.path().join("y")];
        let found = crate::scores::read(&both, &ScoreOptions::default()).unwrap();
        let names: Vec<&str> = found.scores.systems.iter().map(|system| system.name.as_str()).collect();
        assert_eq!(names, ["x/m", "y/m"]);
        assert_eq!(found.scores.logits[0], [[1.0, 1.0], [2.0, 2.0]]);
        let reported: Vec<&str> = found.reported.iter().map(|one| one.system.as_str()).collect();
        assert_eq!(reported, ["x/m", "y/m"]);
        // What a tree reports is about all of its images: with some left out it says nothing.
        let other = temp.path().join("other.csv");
        fs_err::write(&other, "path,logit,label\nreal,1,0\n").unwrap();
        let found = crate::scores::read(&[both[0].clone(), other], &ScoreOptions::default()).unwrap();
        assert_eq!((found.scores.images.len(), found.reported.len()), (1, 0));
    }

    #[test]
    fn names_of_files_never_fall_together() {
        let cases: [(&[&str], &[&str]); 7] = [
            (&["base", "base + bias"], &["base", "base _ bias"]),
            (&["a/b", "a b"], &["a_b", "a b"]),
            (&["a/b", "a_b", "a:b"], &["a%2Fb", "a_b", "a%3Ab"]),
            (&["", "..", ".", "/"], &["%", "%2E.", "%2E", "_"]),
            (&["SD", "sd"], &["SD", "sd-2"]),
            (&["é/x", "é?x"], &["é%2Fx", "é%3Fx"]),
            (&["a%2Fb", "a/b", "a?b"], &["a_2Fb", "a%2Fb", "a%3Fb"]),
        ];
        for (names, expected) in cases {
            assert_eq!(file_names(names), expected);
        }
    }

    #[test]
    fn subsets_systems_and_names_that_look_alike_are_all_written_and_read_back() {
        let images = [
            ("f/1.png", Label::Generated, "a/b", "1"),
            ("f/2.png", Label::Generated, "a_b", "2"),
            ("r/\u{fffd}.png", Label::Real, "..", "3"),
            ("r/\u{fffd}.png", Label::Real, "..", "4"),
        ];
        let logits = vec![vec![2.0, 3.0, -1.0, -2.0], vec![5.0, 6.0, 7.0, 8.0]];
        let mut before = scores(&images, vec![logits.clone(), logits]);
        (before.systems[0].name, before.systems[1].name) = ("x/y".to_owned(), "x y".to_owned());
        before.chains[1] = "processed".to_owned();
        before.images[2].key_base64 = Some("ci//LnBuZw==".to_owned());
        before.images[3].key_base64 = Some("ci/+LnBuZw==".to_owned());
        let evaluation = of_scores(&before, None, &EvaluateOptions::default(), &Silent).unwrap();
        let temp = tempfile::tempdir().unwrap();
        write(temp.path(), "test", &before, &evaluation).unwrap();
        let after = crate::scores::read(&[temp.path().to_owned()], &ScoreOptions::default()).unwrap().scores;
        assert_eq!((after.images.len(), after.systems.len()), (4, 2));
        assert_eq!(after.subsets(Label::Generated), ["a%2Fb", "a_b"]);
        let exact: Vec<Option<&str>> = after.images.iter().map(|image| image.key_base64.as_deref()).collect();
        assert_eq!(exact, [None, None, Some("ci/+LnBuZw=="), Some("ci//LnBuZw==")]);
        assert_eq!(after.logits[0], [[5.0, 6.0, 8.0, 7.0], [2.0, 3.0, -2.0, -1.0]]);
    }

    #[test]
    fn rounding_is_read_from_the_digits() {
        for (value, expected) in
            [(98.53, 0.005_001), (98.5, 0.050_01), (100.0, 0.5001), (98.529_411_764_7, 5.001e-7)]
        {
            assert!(
                (rounding(value) - expected).abs() < 1e-9 * expected.max(1e-3),
                "{value}: {}",
                rounding(value)
            );
        }
    }

    #[test]
    fn other_folders_and_damaged_files_are_refused_with_the_layout() {
        let temp = tempfile::tempdir().unwrap();
        let error = |split: Option<&str>| {
            read(temp.path(), split, &mut Vec::new()).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(error(None).contains("no {real,fake}/{subset}.csv"), "{}", error(None));
        for (split, text) in [("one", "path,logit\na,1\n"), ("two", "path,score\na,1\n")] {
            let folder = temp.path().join("m").join(split).join("fake");
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("sd.csv"), text).unwrap();
            fs_err::write(folder.join("notes.txt"), "x").unwrap();
        }
        assert!(error(None).contains("several splits: one, two"), "{}", error(None));
        assert!(
            error(Some("three")).contains("no split \"three\"; found one, two"),
            "{}",
            error(Some("three"))
        );
        assert!(error(Some("two")).contains("no column \"logit\""), "{}", error(Some("two")));
        fs_err::write(temp.path().join("m/one/fake/sd.json"), "{").unwrap();
        assert!(error(Some("one")).contains("sd.json: not JSON"), "{}", error(Some("one")));
    }
}
