//! Result files of others: a row is an image with its score. What is not declared is not guessed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Scores;
use super::join::{Entry, join};
use super::names::{Source, names};
use super::reference::{self, Reported};
use super::unit::Unit;
use crate::columns::{Columns, ColumnsError};
use crate::evaluate::{ScoreFile, ScoreOrigin};
use crate::scan::decoded;

/// Names that a column of scores may have once its unit is declared.
const SCORE_NAMES: [&str; 7] = ["score", "prob", "probability", "p", "pred", "prediction", "logit"];

/// How result files are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Column of the score. Default: `logit`, or with a unit one of `score`, `prob`, `probability`, `p`, `pred`,
    /// `prediction`.
    pub score: Option<String>,
    /// Unit of the score; needed for every column but `logit`.
    pub unit: Option<Unit>,
    /// Column of the label (default `label`).
    pub label: Option<String>,
    /// Column of the image's path (default `path`).
    pub path: Option<String>,
    /// Only rows of this split, where a column `split` or a reference's tree names splits.
    pub split: Option<String>,
}

/// What result files hold.
#[derive(Debug, Clone, PartialEq)]
pub struct FromFiles {
    /// The scores.
    pub scores: Scores,
    /// Where they come from.
    pub origin: ScoreOrigin,
    /// What a reference's tree says of them, to be compared with what is found here.
    pub reported: Vec<Reported>,
}

/// Read files of scores: each is a system named by the file (and by the folders above, where two files bear one name),
/// unless a column `system` or `detector` names it. A folder is the reference's tree ([`super::reference`]). Systems are
/// judged on the images that all of them list.
///
/// # Errors
/// [`ColumnsError`] naming file, place and what was expected; a file that is given twice.
pub fn read(paths: &[PathBuf], options: &ScoreOptions) -> Result<FromFiles, ColumnsError> {
    let (mut entries, mut files, mut reported) = (Vec::new(), Vec::new(), Vec::new());
    let mut sources: Vec<Source> = Vec::new();
    let mut read: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for path in paths {
        if path.is_dir() {
            let tree = reference::read(path, options.split.as_deref(), &mut sources)?;
            for file in tree.read {
                once(&mut read, &file, path)?;
            }
            entries.extend(tree.entries);
            files.extend(tree.files);
            reported.extend(tree.reported);
            continue;
        }
        let table = Columns::read(path)?;
        let place = fs_err::canonicalize(path).map_err(|error| ColumnsError {
            path: table.path.clone(),
            message: error.to_string(),
            hint: "check the path".to_owned(),
        })?;
        once(&mut read, &place, path)?;
        let (score, unit) = score_column(&table, options)?;
        let source = Source { place, is_file: true, system: None, with_file: paths.len() > 1 };
        entries.extend(of_table(&table, score, unit, &source, &mut sources, options)?);
        files.push(ScoreFile { path: table.path, sha256: table.sha256, rows: table.rows.len() as u64 });
    }
    let systems = names(&sources);
    let mut reported: Vec<Reported> = reported
        .into_iter()
        .map(|(source, reported): (usize, Reported)| Reported { system: systems[source].clone(), ..reported })
        .collect();
    if let (Some(unit), Some(file)) = (options.unit, files.first())
        && entries.iter().all(|entry| entry.unit != unit)
    {
        return Err(ColumnsError {
            path: file.path.clone(),
            message: format!(
                "unit {} was declared, and all columns of scores are logits by their name",
                unit.name()
            ),
            hint: "name the column that has this unit with --score-column, or leave --unit out".to_owned(),
        });
    }
    let (scores, mut origin, left_out) = join(entries, systems, files)?;
    if left_out > 0 {
        // What a tree reports is about all of its images.
        reported.clear();
        let n = scores.images.len();
        origin.warnings.insert(
            0,
            format!("Images left out because they do not stand in all systems: {left_out}; all are judged on the same {n}."),
        );
    }
    Ok(FromFiles { scores, origin, reported })
}

/// Note that a file was read; no file is two systems.
fn once(read: &mut BTreeMap<PathBuf, PathBuf>, file: &Path, given: &Path) -> Result<(), ColumnsError> {
    match read.insert(file.to_owned(), given.to_owned()) {
        None => Ok(()),
        Some(first) => Err(ColumnsError {
            path: given.display().to_string(),
            message: format!("is read twice, first by {}, expected each file once", first.display()),
            hint: format!("leave one of them out: both are {}", file.display()),
        }),
    }
}

/// The place of a source, which is added if it is new.
pub(super) fn place_of(sources: &mut Vec<Source>, source: Source) -> usize {
    sources.iter().rposition(|other| *other == source).unwrap_or_else(|| {
        sources.push(source);
        sources.len() - 1
    })
}

/// The column of scores and its unit.
fn score_column(table: &Columns, options: &ScoreOptions) -> Result<(usize, Unit), ColumnsError> {
    const HINT: &str =
        "say what the numbers are: --score-column NAME --unit logit|probability|real-logit|real-probability";
    let wrong = |message: String| ColumnsError { path: table.path.clone(), message, hint: HINT.to_owned() };
    match (&options.score, options.unit) {
        (Some(name), unit) => {
            let place = table.required(name, HINT)?;
            let unit = unit.or((name == "logit").then_some(Unit::Logit));
            let message = || format!("column {name:?} has no unit, expected it to be declared");
            Ok((place, unit.ok_or_else(|| wrong(message()))?))
        }
        (None, Some(unit)) => {
            // `logit` says what it is, so it is no probability; but its sign may be declared.
            let named = SCORE_NAMES.iter().filter(|name| **name != "logit" || !unit.is_probability());
            let found: Vec<usize> = named.filter_map(|name| table.place(name)).collect();
            match (&found[..], table.place("logit")) {
                ([place], _) => Ok((*place, unit)),
                ([], Some(logit)) => Ok((logit, Unit::Logit)),
                ([], None) => Err(wrong(format!("no column of scores; found {}", table.listed()))),
                _ => Err(wrong(format!("several columns may be the score; found {}", table.listed()))),
            }
        }
        (None, None) => {
            match (table.place("logit"), SCORE_NAMES.iter().find(|name| table.place(name).is_some())) {
                (Some(place), _) => Ok((place, Unit::Logit)),
                (None, Some(name)) => {
                    Err(wrong(format!("column {name:?} has no unit, expected it to be declared")))
                }
                (None, None) => {
                    let error = wrong(format!("no column \"logit\"; found {}", table.listed()));
                    Err(match table.other_case("logit") {
                        Some(found) => {
                            let fix = format!("{found:?} differs in case only: rename it to \"logit\", or ");
                            ColumnsError { hint: format!("{fix}{}", error.hint), ..error }
                        }
                        None => error,
                    })
                }
            }
        }
    }
}

fn of_table(
    table: &Columns,
    score: usize,
    unit: Unit,
    source: &Source,
    sources: &mut Vec<Source>,
    options: &ScoreOptions,
) -> Result<Vec<Entry>, ColumnsError> {
    let path = table.required(
        options.path.as_deref().unwrap_or("path"),
        "name the column of the images' paths with --path-column",
    )?;
    let label = table.required(
        options.label.as_deref().unwrap_or("label"),
        "name the column of the labels with --label-column",
    )?;
    let first = |names: &[&str]| names.iter().find_map(|name| table.place(name));
    let (subset, split, scene) = (table.place("subset"), table.place("split"), first(&["scene", "group"]));
    let (sha256, chain, system) =
        (table.place("sha256"), table.place("chain"), first(&["system", "detector"]));
    let exact = table.place("path_base64");
    let used = [Some(path), Some(label), Some(score), subset, split, scene, sha256, chain, system, exact];
    table.texts(used)?;
    let mut entries = Vec::with_capacity(table.rows.len());
    for (row, label) in table.labels(label)?.into_iter().enumerate() {
        let text =
            |column: Option<usize>| column.and_then(|column| table.cell(row, column)).map(str::to_owned);
        if options.split.is_some() && text(split) != options.split {
            continue;
        }
        let (key, key_base64) = key(table, row, path)?;
        entries.push(Entry {
            key,
            key_base64,
            label,
            subset: text(subset),
            split: text(split),
            scene: text(scene),
            sha256: text(sha256),
            chain: text(chain).unwrap_or_else(|| "clean".to_owned()),
            system: place_of(sources, Source { system: text(system), ..source.clone() }),
            unit,
            score: number(table, row, score, unit)?,
            at: format!("{}, {}", table.path, table.places[row]),
        });
    }
    if let (Some(asked), true) = (&options.split, entries.is_empty()) {
        return Err(ColumnsError {
            path: table.path.clone(),
            message: format!("no row has the split {asked:?}, expected at least one"),
            hint: "leave --split out, or name a value of the column `split`".to_owned(),
        });
    }
    Ok(entries)
}

/// The path by which an image of several files is matched, and its exact bytes in base64 where a column `path_base64` says
/// that it is not UTF-8.
pub(super) fn key(
    table: &Columns,
    row: usize,
    column: usize,
) -> Result<(String, Option<String>), ColumnsError> {
    let Some(text) = table.cell(row, column) else {
        return Err(table.wrong(row, column, "the image's path", "each row needs one"));
    };
    let key = normal_key(text);
    let exact = table.place("path_base64").and_then(|column| Some((column, table.cell(row, column)?)));
    let Some((exact, base64)) = exact else { return Ok((key, None)) };
    match decoded(base64) {
        Some(bytes) if String::from_utf8(bytes.clone()).is_ok() => Ok((key, None)),
        Some(bytes) if normal_key(&String::from_utf8_lossy(&bytes)) == key => {
            Ok((key, Some(base64.to_owned())))
        }
        _ => {
            let hint = "leave it empty for paths that are UTF-8";
            Err(table.wrong(row, exact, "the bytes of the path beside it in base64", hint))
        }
    }
}

fn normal_key(path: &str) -> String {
    let path = path.replace('\\', "/");
    path.trim_start_matches("./").to_owned()
}

/// A score, or why there is none. Text that is no number, and a number that the unit does not have, are errors: they
/// say that the file is not what it is taken for.
pub(super) fn number(
    table: &Columns,
    row: usize,
    column: usize,
    unit: Unit,
) -> Result<Result<f64, (String, String)>, ColumnsError> {
    let refusal = |kind: &str, message: &str| Ok(Err((kind.to_owned(), message.to_owned())));
    let Some(text) = table.cell(row, column).map(str::trim).filter(|text| !text.is_empty()) else {
        return refusal("no_score", "the file has no score for it");
    };
    if ["null", "none", "na", "n/a"].iter().any(|none| text.eq_ignore_ascii_case(none)) {
        return refusal("no_score", "the file has no score for it");
    }
    let Ok(value) = text.parse::<f64>() else {
        return Err(table.wrong(row, column, "a number", "leave the cell empty where there is no score"));
    };
    if !value.is_finite() {
        return refusal("non_finite", &format!("score is {value}, expected a finite number"));
    }
    if !unit.admits(value) {
        let hint =
            "the unit is not what was declared; per cent must be divided by 100, logits have --unit logit";
        return Err(table.wrong(row, column, "a probability in 0..1", hint));
    }
    Ok(Ok(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Label;

    fn files(list: &[(&str, &str)], options: &ScoreOptions) -> Result<(Scores, ScoreOrigin), ColumnsError> {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = list
            .iter()
            .map(|(name, text)| {
                let path = folder.path().join(name);
                fs_err::create_dir_all(path.parent().unwrap()).unwrap();
                fs_err::write(&path, text).unwrap();
                path
            })
            .collect();
        read(&paths, options).map(|found| (found.scores, found.origin))
    }

    #[test]
    fn path_logit_and_label_need_no_options() {
        let text = "path,logit,label,subset,scene\n./b.jpg,-1.5,real,kodak,1\na.jpg,2.25,fake,sd,1\nc.jpg,,1,sd,2\nd.jpg,nan,0,kodak,3\n";
        let (found, origin) = files(&[("mine.csv", text)], &ScoreOptions::default()).unwrap();
        let keys: Vec<&str> = found.images.iter().map(|image| image.key.as_str()).collect();
        assert_eq!(keys, ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]);
        assert_eq!(found.labels(), [1, 0, 1, 0]);
        assert_eq!(
            (found.systems[0].name.as_str(), found.logits[0][0][0], found.logits[0][0][1]),
            ("mine", 2.25, -1.5)
        );
        assert_eq!(found.refusals[&(0, 0, 2)].0, "no_score");
        assert_eq!(found.refusals[&(0, 0, 3)].0, "non_finite");
        assert_eq!(found.groups().unwrap(), [0, 0, 1, 2]);
        assert_eq!((origin.unit.as_str(), origin.files[0].rows), ("logit", 4));
        assert_eq!(found.subsets(Label::Real), ["kodak"]);
    }

    #[test]
    fn names_that_differ_in_bytes_that_are_not_utf8_are_two_images() {
        let text = |first: i32| {
            format!(
                "path,logit,label,path_base64\n\u{fffd}a,{first},1,/2E=\n\u{fffd}a,-1,0,/mE=\nplain,2,1,\n"
            )
        };
        let list = [("a.csv", &*text(3)), ("b.csv", &*text(4))];
        let (found, origin) = files(&list, &ScoreOptions::default()).unwrap();
        let exact: Vec<Option<&str>> = found.images.iter().map(|image| image.key_base64.as_deref()).collect();
        assert_eq!(exact, [None, Some("/2E="), Some("/mE=")]);
        assert_eq!(found.logits[0], [[2.0, 3.0, -1.0], [2.0, 4.0, -1.0]]);
        assert_eq!(found.labels(), [1, 1, 0]);
        assert!(origin.warnings.is_empty(), "{:?}", origin.warnings);
    }

    #[test]
    fn a_path_that_is_utf8_needs_no_exact_bytes_and_images_without_a_scene_are_their_own() {
        let text = "path,logit,label,path_base64\na,1,1,YQ==\n";
        let (found, _) = files(&[("a.csv", text)], &ScoreOptions::default()).unwrap();
        assert_eq!(found.images[0].key_base64, None);
        let text =
            "path,logit,label,path_base64,scene\n\u{fffd}a,1,1,/2E=,\n\u{fffd}a,-1,0,/mE=,\nplain,2,1,,s\n";
        let (found, _) = files(&[("a.csv", text)], &ScoreOptions::default()).unwrap();
        assert_eq!(found.groups().unwrap(), [0, 1, 2]);
    }

    #[test]
    fn what_only_one_file_says_of_an_image_is_known() {
        let (first, second) =
            ("path,logit,label\na,1,1\nb,0,0\n", "path,logit,label,scene,subset\na,2,1,s,sd\nb,1,0,s,\n");
        let (found, _) = files(&[("a.csv", first), ("b.csv", second)], &ScoreOptions::default()).unwrap();
        assert_eq!(found.groups(), Some(vec![0, 0]));
        assert_eq!(found.images.iter().map(|image| &*image.subset).collect::<Vec<_>>(), ["sd", "real"]);
    }

    #[test]
    fn one_split_is_read_where_that_is_asked_for() {
        let text = "path,logit,label,split,group\na\\b,1,1,test,g\nc,0,0,test,g\nd,NA,1,val,h\n";
        let of = |split: &str| {
            let options = ScoreOptions { split: Some(split.to_owned()), ..ScoreOptions::default() };
            files(&[("a.csv", text)], &options)
        };
        let (found, _) = of("test").unwrap();
        let keys: Vec<&str> = found.images.iter().map(|image| image.key.as_str()).collect();
        assert_eq!((keys, found.groups()), (vec!["a/b", "c"], Some(vec![0, 0])));
        assert_eq!(of("val").unwrap().0.refusals[&(0, 0, 0)].0, "no_score");
        let error = of("train").unwrap_err().to_string();
        assert!(error.ends_with("no row has the split \"train\", expected at least one"), "{error}");
    }

    #[test]
    fn several_systems_are_judged_on_the_images_that_all_list() {
        let a = "path,logit,label,chain\nx,1,1,paper\nx,2,1,clean\ny,0,0,clean\nz,5,1,clean\n";
        let b = "path,logit,label\nx,3,1\ny,-1,0\n";
        let (found, origin) = files(&[("a.csv", a), ("b.csv", b)], &ScoreOptions::default()).unwrap();
        assert_eq!(found.images.iter().map(|image| image.key.as_str()).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(found.chains, ["clean", "paper"]);
        assert_eq!(found.logits[0], [[2.0, 0.0], [3.0, -1.0]]);
        assert_eq!(found.logits[1][0][0], 1.0);
        assert_eq!(found.refusals[&(1, 1, 0)].0, "not_listed");
        assert!(
            origin.warnings[0].starts_with("Images left out because they do not stand in all systems: 1;"),
            "{:?}",
            origin.warnings
        );
        let one = "path,logit,label,system\nx,1,1,p\nx,2,1,q\ny,0,0,p\ny,0,0,q\n";
        let (found, _) = files(&[("a.csv", one)], &ScoreOptions::default()).unwrap();
        assert_eq!(found.systems.iter().map(|system| system.name.as_str()).collect::<Vec<_>>(), ["p", "q"]);
    }

    #[test]
    fn files_of_one_name_are_systems_of_their_own() {
        let scores = |x: i32| format!("path,logit,label\nx,{x},1\ny,0,0\n");
        let (one, two, three) = (scores(1), scores(2), scores(3));
        let list = [("a/scores.csv", &*one), ("b/scores.csv", &*two), ("c.csv", &*three)];
        let (found, origin) = files(&list, &ScoreOptions::default()).unwrap();
        let names: Vec<&str> = found.systems.iter().map(|system| system.name.as_str()).collect();
        assert_eq!(names, ["a/scores", "b/scores", "c"]);
        assert_eq!(found.logits[0], [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]);
        assert_eq!((origin.files.len(), origin.warnings.len()), (3, 0));
    }

    #[test]
    fn a_file_that_is_given_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("m/test/real");
        fs_err::create_dir_all(&tree).unwrap();
        fs_err::write(tree.join("x.csv"), "path,logit\nx,1\n").unwrap();
        fs_err::write(folder.path().join("s.csv"), "path,logit,label\nx,1,1\n").unwrap();
        let (file, model) = (folder.path().join("s.csv"), folder.path().join("m"));
        for paths in [
            [file.clone(), folder.path().join("m/../s.csv")],
            [file.clone(), file.clone()],
            [model.clone(), model.join("test")],
        ] {
            let error = read(&paths, &ScoreOptions::default()).unwrap_err();
            assert!(error.to_string().contains("is read twice, first by "), "{error}");
            assert!(error.hint.starts_with("leave one of them out"), "{}", error.hint);
        }
    }

    #[test]
    fn a_unit_is_declared_never_guessed() {
        let text = "path,score,label\na,0.9,1\nb,0.2,0\nc,1,1\n";
        let unit = |unit| ScoreOptions { unit: Some(unit), ..ScoreOptions::default() };
        let error = files(&[("a.csv", text)], &ScoreOptions::default()).unwrap_err();
        assert!(
            error.to_string().contains("column \"score\" has no unit") && error.hint.contains("--unit"),
            "{error}"
        );
        let (found, origin) = files(&[("a.csv", text)], &unit(Unit::Probability)).unwrap();
        assert!((found.logits[0][0][0] - 9.0_f64.ln()).abs() < 1e-12);
        assert_eq!(found.logits[0][0][2], super::super::unit::CERTAIN);
        assert!(origin.warnings[0].contains("1 probabilities are exactly 0 or 1"), "{:?}", origin.warnings);
        let (found, _) = files(&[("a.csv", text)], &unit(Unit::RealProbability)).unwrap();
        assert!((found.logits[0][0][0] + 9.0_f64.ln()).abs() < 1e-12);
        let own = ScoreOptions { score: Some("score".into()), ..ScoreOptions::default() };
        assert!(files(&[("a.csv", text)], &own).unwrap_err().to_string().contains("no unit"));
        // A file of logits beside one of probabilities stays one of logits.
        let pair = [("a.csv", text), ("b.csv", "path,logit,label\na,3,1\nb,-3,0\nc,1,1\n")];
        let (found, origin) = files(&pair, &unit(Unit::Probability)).unwrap();
        assert_eq!(
            (found.logits[0][1].as_slice(), origin.unit.as_str()),
            (&[3.0, -3.0, 1.0][..], "probability, logit")
        );
        let error = files(&pair[1..], &unit(Unit::Probability)).unwrap_err();
        assert!(error.to_string().contains("unit probability was declared, and all columns"), "{error}");
        let (found, _) = files(&pair[1..], &unit(Unit::RealLogit)).unwrap();
        assert_eq!(found.logits[0][0], [-3.0, 3.0, -1.0]);
        let both = "path,score,prob,label\na,0.9,1,1\n";
        assert!(
            files(&[("a.csv", both)], &unit(Unit::Logit))
                .unwrap_err()
                .to_string()
                .contains("several columns")
        );
    }

    #[test]
    fn errors_name_the_row_and_what_was_expected() {
        let cases = [
            (
                "path,logit,label\na,1,maybe\n",
                "line 2: \"label\" is \"maybe\", expected real, generated, fake, 0 (real) or 1",
            ),
            ("path,logit,label\na,1,\n", "line 2: \"label\" is empty"),
            ("path,logit,label\na,high,1\n", "line 2: \"logit\" is \"high\", expected a number"),
            ("path,logit,label\n,1,1\n", "line 2: \"path\" is empty"),
            ("path,logit\na,1\n", "no column \"label\"; found \"path\", \"logit\""),
            ("image,logit,label\na,1,1\n", "no column \"path\""),
            ("path,value,label\na,1,1\n", "no column \"logit\"; found \"path\", \"value\", \"label\""),
            ("path,logit,label\na,1,1\n./a,2,1\n", "\"a\" stands twice ("),
            (
                "path,logit,label,path_base64\n\u{fffd}a,1,1,/mI=\n",
                "line 2: \"path_base64\" is \"/mI=\", expected the bytes of the path beside it in base64",
            ),
        ];
        for (text, expected) in cases {
            let error = files(&[("x.csv", text)], &ScoreOptions::default()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.hint.is_empty());
        }
        let cases: [(&str, &str); 2] = [
            (
                "Path,logit,label\na,1,1\n",
                "\"Path\" differs in case only: rename it to \"path\", or name the column",
            ),
            (
                "path,Logit,label\na,1,1\n",
                "\"Logit\" differs in case only: rename it to \"logit\", or say what",
            ),
        ];
        for (text, expected) in cases {
            let error = files(&[("x.csv", text)], &ScoreOptions::default()).unwrap_err();
            assert!(error.hint.starts_with(expected), "{}", error.hint);
        }
        let per_cent = ScoreOptions { unit: Some(Unit::Probability), ..ScoreOptions::default() };
        let error = files(&[("x.csv", "path,prob,label\na,98.5,1\n")], &per_cent).unwrap_err();
        assert!(
            error.to_string().contains("\"prob\" is \"98.5\", expected a probability in 0..1"),
            "{error}"
        );
        let a = ("a.csv", "path,logit,label\nx,1,1\n");
        let two = |text| files(&[a, ("b.csv", text)], &ScoreOptions::default()).unwrap_err().to_string();
        assert!(two("path,logit,label\nx,1,0\n").contains("has two labels"));
        assert!(two("path,logit,label\nq/x,1,1\n").contains("their first paths are \"x\", \"q/x\""));
    }

    #[test]
    fn scores_that_look_like_another_unit_are_warned_of() {
        let rows = |score: &dyn Fn(usize) -> f64| {
            let row = |i: usize| format!("i{i:02},{},{}\n", score(i), i % 2);
            format!("path,logit,label\n{}", (0..40).map(row).collect::<String>())
        };
        let warned = |text: String, unit| {
            let options = ScoreOptions { score: Some("logit".into()), unit, ..ScoreOptions::default() };
            files(&[("x.csv", &text)], &options).unwrap().1.warnings.join(" ")
        };
        let spread = |i: usize| 0.02 + i as f64 / 50.0;
        assert!(warned(rows(&spread), None).contains("look like probabilities"));
        assert_eq!(warned(rows(&spread), Some(Unit::Probability)), "");
        let twice = |i: usize| 0.5 + i as f64 / 200.0;
        assert!(warned(rows(&twice), Some(Unit::Probability)).contains("twice"));
        let inverted = |i: usize| if i.is_multiple_of(2) { 3.0 } else { -2.0 } + i as f64 / 50.0;
        assert!(warned(rows(&inverted), None).contains("inverted"));
    }
}
