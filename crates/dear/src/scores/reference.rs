//! The result tree of the reference's code: `{model}/{split}/{real,fake}/{subset}.csv` with the columns `path,logit`, and
//! beside each fake CSV a JSON with `ap`, `auc`, `real_acc`, `fake_acc`, `acc` in per cent.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};
use walkdir::WalkDir;

use super::Scores;
use super::files::{normal_key, number, place_of};
use super::join::Entry;
use super::names::Source;
use super::unit::Unit;
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
        let (key, logit) = (table.required("path", HINT)?, table.required("logit", HINT)?);
        let model_folder = path.ancestors().nth(3).unwrap_or(&absolute).to_owned();
        let source = Source { place: model_folder, is_file: false, system: None, with_file: true };
        let system = place_of(sources, source);
        for row in 0..table.rows.len() {
            let Some(text) = table.cell(row, key) else {
                return Err(table.wrong(row, key, "the image's path", "each row needs one"));
            };
            tree.entries.push(Entry {
                key: normal_key(text),
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
/// `{split}_{chain}` (`test_processed` for the paper's). Images without a score are left out, as there.
///
/// # Errors
/// Writing a file.
pub fn write(folder: &Path, split: &str, scores: &Scores, evaluation: &Evaluation) -> Result<(), Error> {
    let bad = |error: csv::Error| Error::Options(error.to_string());
    for (c, chain) in scores.chains[..scores.tabled].iter().enumerate() {
        let split = match chain.as_str() {
            "clean" => split.to_owned(),
            "paper" => format!("{split}_processed"),
            other => format!("{split}_{}", file_name(other)),
        };
        for (s, system) in scores.systems.iter().enumerate() {
            for (label, name) in [(Label::Real, "real"), (Label::Generated, "fake")] {
                let folder = folder.join(file_name(&system.name)).join(&split).join(name);
                for subset in scores.subsets(label) {
                    let listed: Vec<(&str, f64)> = scores
                        .images
                        .iter()
                        .zip(&scores.logits[c][s])
                        .filter(|(image, logit)| {
                            image.label == label && image.subset == subset && logit.is_finite()
                        })
                        .map(|(image, logit)| (image.key.as_str(), *logit))
                        .collect();
                    if listed.is_empty() {
                        continue;
                    }
                    let mut writer = csv::Writer::from_writer(Vec::new());
                    writer.write_record(["path", "logit"]).map_err(bad)?;
                    for (key, logit) in listed {
                        writer.write_record([key, &logit.to_string()]).map_err(bad)?;
                    }
                    let bytes = writer.into_inner().map_err(|error| Error::Options(error.to_string()))?;
                    write_atomic(&folder.join(format!("{}.csv", file_name(subset))), &bytes)?;
                    let table = evaluation.tables.iter().find(|table| {
                        table.chain == *chain
                            && table.system == system.name
                            && table.subset == subset
                            && table.kind == crate::evaluate::SubsetKind::Generator
                    });
                    if let (Label::Generated, Some(table)) = (label, table) {
                        let value = |ours| table.metric(ours).and_then(|interval| interval.value);
                        let values: serde_json::Map<String, Value> = METRICS
                            .iter()
                            .map(|(theirs, ours)| {
                                ((*theirs).to_owned(), json!(value(ours).map(|share| 100.0 * share)))
                            })
                            .collect();
                        let text = serde_json::to_string(&values)
                            .map_err(|error| Error::Options(error.to_string()))?;
                        write_atomic(&folder.join(format!("{}.json", file_name(subset))), text.as_bytes())?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A name that is one file's name everywhere: other characters than letters, digits, `-`, `.`, space and `_` become `_`.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-. _".contains(c) { c } else { '_' };
    name.chars().map(plain).collect::<String>().trim_start_matches('.').to_owned()
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
