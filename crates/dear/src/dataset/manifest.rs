//! A dataset as a list: a CSV, TSV, JSON lines or Parquet file with the columns `path` and `label`, and perhaps `subset`,
//! `split`, `scene` (or `group`), and `path_base64` (exact bytes of names that are not UTF-8). Paths are relative to the file.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Dataset, DatasetError, Opened, SPLITS, Sample, choose_split, path_text};
use crate::columns::Columns;
use crate::scan::{exact_bytes, exact_path};

/// Read a manifest; of several splits one is taken, as of folders.
pub(super) fn open(path: &Path, split: Option<&str>) -> Result<Dataset, DatasetError> {
    let list = List::read(path)?;
    let found = list.splits();
    let listed = || found.iter().copied().collect::<Vec<_>>().join(", ");
    let chosen = match (choose_split(&found, split), split) {
        (Some(chosen), _) => Some(chosen.to_owned()),
        (None, None) if found.is_empty() => None,
        (None, asked) => {
            return Err(DatasetError::NoSplit {
                path: list.path.clone(),
                split: asked.unwrap_or("test").to_owned(),
                found: if found.is_empty() { "no column `split`".to_owned() } else { listed() },
            });
        }
    };
    list.set(|sample| chosen.is_none() || sample.split == chosen)
}

/// Every split of a manifest: those of [`SPLITS`] first, then the others by name, then the images that have none.
pub(super) fn open_all(path: &Path) -> Result<Vec<Opened>, DatasetError> {
    let list = List::read(path)?;
    let mut names: Vec<Option<String>> =
        list.splits().into_iter().map(|split| Some(split.to_owned())).collect();
    let place = |name: &Option<String>| SPLITS.iter().position(|split| name.as_deref() == Some(split));
    names.sort_by_key(|name| place(name).unwrap_or(SPLITS.len()));
    if names.is_empty() || list.samples.iter().any(|sample| sample.split.is_none()) {
        names.push(None);
    }
    Ok(names.into_iter().map(|name| (name.clone(), list.set(|sample| sample.split == name))).collect())
}

/// All images of a manifest as one set.
pub(super) fn open_whole(path: &Path) -> Result<Dataset, DatasetError> {
    List::read(path)?.set(|_| true)
}

/// All rows of a manifest.
struct List {
    /// The manifest, as errors name it.
    path: String,
    folder: PathBuf,
    samples: Vec<Sample>,
}

impl List {
    fn read(path: &Path) -> Result<Self, DatasetError> {
        const HINT: &str = "a manifest has the columns path and label, and perhaps subset, split, scene";
        let table = Columns::read(path)?;
        let (at_path, at_label) = (table.required("path", HINT)?, table.required("label", HINT)?);
        let (at_subset, at_split) = (table.place("subset"), table.place("split"));
        let at_exact = table.place("path_base64");
        let at_scene = ["scene", "group"].iter().find_map(|name| table.place(name));
        table.texts([Some(at_path), Some(at_label), at_subset, at_split, at_exact, at_scene])?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut samples = Vec::with_capacity(table.rows.len());
        let mut rows: HashMap<PathBuf, usize> = HashMap::new();
        for (row, label) in table.labels(at_label)?.into_iter().enumerate() {
            let text =
                |column: Option<usize>| column.and_then(|column| table.cell(row, column)).map(str::to_owned);
            let Some(name) = table.cell(row, at_path) else {
                return Err(table.wrong(row, at_path, "the image's path", HINT).into());
            };
            // Names that are not UTF-8 may look the same.
            let name = text(at_exact)
                .and_then(|exact| exact_path(&exact))
                .unwrap_or_else(|| PathBuf::from(name.trim_start_matches("./")));
            let key = path_text(&name);
            if let Some(first) = rows.insert(name.clone(), row) {
                let message = format!("{key:?} stands twice, first at {}", table.places[first]);
                return Err(table.bad_row(row, &message, "list each image once").into());
            }
            let path = folder.join(&name);
            samples.push(Sample {
                label,
                subset: text(at_subset).unwrap_or_else(|| label.as_str().to_owned()),
                split: text(at_split),
                group: text(at_scene).unwrap_or_else(|| alone(&folder, &path, &key)),
                path,
                key,
            });
        }
        Ok(Self { path: table.path, folder, samples })
    }

    fn splits(&self) -> BTreeSet<&str> {
        self.samples.iter().filter_map(|sample| sample.split.as_deref()).collect()
    }

    fn set(&self, chosen: impl Fn(&Sample) -> bool) -> Result<Dataset, DatasetError> {
        let (mut samples, others): (Vec<Sample>, Vec<Sample>) =
            self.samples.iter().cloned().partition(&chosen);
        samples.sort_by(|a, b| a.key.cmp(&b.key));
        if samples.iter().all(|sample| !sample.path.exists()) {
            let first = samples.first().map(|sample| sample.path.display().to_string()).unwrap_or_default();
            return Err(DatasetError::Manifest {
                path: self.path.clone(),
                reason: format!(
                    "none of its images is there, the first is {first}; expected paths relative to the file's folder"
                ),
            });
        }
        Ok(Dataset {
            root: self.folder.clone(),
            scenes_known: samples
                .iter()
                .any(|sample| sample.group != alone(&self.folder, &sample.path, &sample.key)),
            samples,
            skipped: 0,
            elsewhere: others.into_iter().map(|sample| sample.path).collect(),
        })
    }
}

/// The group of an image without a scene: its key, or, since keys of names that are not UTF-8 may be the same, its exact bytes.
fn alone(folder: &Path, path: &Path, key: &str) -> String {
    exact_bytes(path.strip_prefix(folder).unwrap_or(path)).unwrap_or_else(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Label;
    use super::*;
    use crate::columns::tests::parquet_file;

    fn with_images(manifest: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jpg", "b.jpg", "c, é.jpg", "d.jpg"] {
            fs_err::write(folder.path().join(name), name).unwrap();
        }
        let path = folder.path().join(manifest);
        fs_err::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_manifest_gives_labels_subsets_splits_and_scenes() {
        let text = "path,label,subset,split,scene\nd.jpg,1,sd,train,9\n./b.jpg,fake,sd,test,1\na.jpg,real,kodak,test,1\n\
                    \"c, é.jpg\",generated,,test,\n";
        let (_folder, path) = with_images("m.csv", text.as_bytes());
        let found = super::super::open(&path, None).unwrap();
        let short: Vec<(&str, Label, &str, &str)> = found
            .samples
            .iter()
            .map(|s| (s.key.as_str(), s.label, s.subset.as_str(), s.group.as_str()))
            .collect();
        assert_eq!(
            short,
            [
                ("a.jpg", Label::Real, "kodak", "1"),
                ("b.jpg", Label::Generated, "sd", "1"),
                ("c, é.jpg", Label::Generated, "generated", "c, é.jpg")
            ]
        );
        assert!(found.scenes_known && found.samples.iter().all(|sample| sample.path.is_file()));
        assert_eq!((found.samples[0].split.as_deref(), found.elsewhere.len()), (Some("test"), 1));
        let (_folder, path) = with_images(
            "m.parquet",
            &parquet_file(["path", "x", "label"], &[("a.jpg", None, 0), ("b.jpg", None, 1)]),
        );
        assert_eq!(open(&path, None).unwrap().samples.len(), 2);
    }

    #[test]
    fn every_split_is_a_set_and_a_broken_one_spares_the_others() {
        let text =
            "path,label,split\na.jpg,0,later\nb.jpg,1,later\n\"c, é.jpg\",0,val\nd.jpg,1,\nq/e.jpg,1,train\n";
        let (_folder, path) = with_images("m.csv", text.as_bytes());
        let sets = super::super::open_all(&path).unwrap();
        let told: Vec<(Option<&str>, String)> = sets
            .iter()
            .map(|(split, set)| {
                let keys = |set: &Dataset| set.samples.iter().map(|sample| sample.key.as_str()).collect();
                (split.as_deref(), set.as_ref().map_or_else(ToString::to_string, keys))
            })
            .collect();
        let names: Vec<Option<&str>> = told.iter().map(|(split, _)| *split).collect();
        assert_eq!(names, [Some("val"), Some("train"), Some("later"), None]);
        assert_eq!(told[2].1, "a.jpgb.jpg");
        for (at, expected) in
            [(0, "1 real and 0 generated"), (1, "none of its images is there"), (3, "0 real and 1 gen")]
        {
            assert!(told[at].1.contains(expected), "{told:?}");
        }
        let whole = open_whole(&path).unwrap();
        assert_eq!((whole.samples.len(), whole.samples[2].split.as_deref()), (5, Some("val")));
    }

    #[test]
    fn an_empty_column_of_scenes_names_none() {
        for (text, known) in [
            ("path,label,scene\na.jpg,0,\nb.jpg,1,\n", false),
            ("path,label,scene\na.jpg,0,1\nb.jpg,1,\n", true),
            ("path,label,group\na.jpg,0,1\nb.jpg,1,\n", true),
            ("path,label,split,scene\na.jpg,0,test,\nb.jpg,1,test,\nd.jpg,1,val,1\n", false),
        ] {
            let (_folder, path) = with_images("m.csv", text.as_bytes());
            assert_eq!(open(&path, None).unwrap().scenes_known, known, "{text}");
        }
        let (_folder, path) = with_images("m.csv", b"path,label\na.jpg,0\n");
        assert_eq!(super::super::open_any_class(&path, None).unwrap().count(Label::Real), 1);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_look_the_same_are_two_by_their_exact_bytes() {
        use std::os::unix::ffi::OsStrExt;
        // /i5qcGc= and /y5qcGc= are \xfe.jpg and \xff.jpg.
        let text = "path,label,path_base64\nx.jpg,False,/i5qcGc=\nx.jpg,True,/y5qcGc=\n";
        let (folder, path) = with_images("m.csv", text.as_bytes());
        for name in [b"\xfe.jpg", b"\xff.jpg"] {
            if fs_err::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "x").is_err() {
                eprintln!("this file system has no such names: nothing to see here");
                return;
            }
        }
        let found = super::super::open(&path, None).unwrap();
        assert!(found.samples.iter().all(|sample| sample.path.is_file()), "{found:?}");
        // They are no scene.
        assert!(found.samples[0].group != found.samples[1].group && !found.scenes_known, "{found:?}");
        assert_eq!(
            found.samples.iter().map(|s| s.label).collect::<Vec<_>>(),
            [Label::Real, Label::Generated]
        );
    }

    #[test]
    fn errors_name_row_and_column() {
        let cases = [
            (
                "path,label\na.jpg,0\nb.jpg,ai?\n",
                None,
                "line 3: \"label\" is \"ai?\", expected real, generated, fake, 0 (real) or 1",
            ),
            ("path,label\na.jpg,0\na.jpg,1\n", None, "line 3: \"a.jpg\" stands twice, first at line 2"),
            ("path,label\n,0\n", None, "line 2: \"path\" is empty"),
            ("image,label\na.jpg,0\n", None, "no column \"path\"; found \"image\", \"label\""),
            (
                "path,label,split\na.jpg,0,x\nb.jpg,1,y\n",
                None,
                "no folder \"test\", expected a split; found x, y",
            ),
            ("path,label,split\na.jpg,0,test\nb.jpg,1,test\n", Some("val"), "found test"),
            ("path,label\nq/a.jpg,0\nq/b.jpg,1\n", None, "none of its images is there"),
            ("path,label\na.jpg,0\n", None, "1 real and 0 generated"),
        ];
        for (text, split, expected) in cases {
            let (_folder, path) = with_images("m.csv", text.as_bytes());
            let error = super::super::open(&path, split).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.hint().is_some());
        }
    }
}
