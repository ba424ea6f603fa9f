//! Folders of images become [`Sample`]s: label, split and subset come from folder names, matched exactly, never from
//! substrings of a path.

mod manifest;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::columns::ColumnsError;
use crate::evaluate::counted;
use crate::scan::{exact_bytes, exact_path};

/// Which side an image is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// A photograph: label 0.
    Real,
    /// Made by a generator: label 1.
    Generated,
}

impl Label {
    /// 0 for real, 1 for generated.
    pub fn as_u8(self) -> u8 {
        u8::from(self == Label::Generated)
    }
    /// `real` or `generated`.
    pub fn as_str(self) -> &'static str {
        match self {
            Label::Real => "real",
            Label::Generated => "generated",
        }
    }
    /// A label as a table names it: `0`, `1`, `real`, `generated`, `fake`, or a folder's name of the layouts; any case.
    pub(crate) fn parse(text: &str) -> Option<Label> {
        match text.trim().to_lowercase().as_str() {
            "0" | "0.0" => Some(Label::Real),
            "1" | "1.0" | "generated" => Some(Label::Generated),
            other => Label::of_folder(other),
        }
    }
    fn of_folder(name: &str) -> Option<Label> {
        match name {
            "real" | "0_real" | "nature" => Some(Label::Real),
            "fake" | "1_fake" | "ai" => Some(Label::Generated),
            _ => None,
        }
    }
}

/// One image of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where it lies.
    pub path: PathBuf,
    /// Path relative to the dataset's root, with `/`: the key by which results name it.
    pub key: String,
    /// Real or generated.
    pub label: Label,
    /// Folder below the label (a generator, a camera), or above it (`progan/0_real`), or the label's folder itself.
    pub subset: String,
    /// Split, where it is known.
    pub split: Option<String>,
    /// Images of one scene share it; resampling keeps them together. An image alone is its own group.
    pub group: String,
}

/// The images below one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The folder that held the label folders.
    pub root: PathBuf,
    /// Sorted by key.
    pub samples: Vec<Sample>,
    /// Files passed over: hidden ones, `Thumbs.db`, `__MACOSX`, documents.
    pub skipped: u64,
    /// Whether a manifest said which images share a scene.
    pub scenes_known: bool,
    /// Images of the other splits of the same data, which should not be the same.
    pub elsewhere: Vec<PathBuf>,
}

impl Dataset {
    /// How many samples bear `label`.
    pub fn count(&self, label: Label) -> usize {
        self.samples.iter().filter(|sample| sample.label == label).count()
    }
}

/// What can be wrong with a dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The folder is not there, or is a file.
    #[error("{path}: {found}, expected a folder of images")]
    NotAFolder {
        /// The path as given.
        path: String,
        /// What was found.
        found: &'static str,
    },
    /// No image in the folder.
    #[error("{path}: no image found ({} passed over), expected at least one", counted(*skipped, "other file"))]
    Empty {
        /// The path as given.
        path: String,
        /// Files passed over.
        skipped: u64,
    },
    /// One class has no image.
    #[error("{path}: {real} real and {generated} generated images, expected both classes")]
    EmptyClass {
        /// The root.
        path: String,
        /// Images under a real folder.
        real: usize,
        /// Images under a generated folder.
        generated: usize,
    },
    /// A file under no label folder.
    #[error(
        "{path}: no folder above it says its label, expected one of real, fake, 0_real, 1_fake, nature, ai"
    )]
    Unlabelled {
        /// The file, relative to the root.
        path: String,
    },
    /// Folders above a file contradict each other.
    #[error("{path}: folders {first:?} and {second:?} above it say different labels")]
    Ambiguous {
        /// The file, relative to the root.
        path: String,
        /// The upper folder.
        first: String,
        /// The lower folder.
        second: String,
    },
    /// The asked-for split is not there.
    #[error("{path}: no folder {split:?}, expected a split; found {found}")]
    NoSplit {
        /// The root.
        path: String,
        /// The split asked for.
        split: String,
        /// The folders found.
        found: String,
    },
    /// A manifest that cannot be read.
    #[error("{path}: {reason}")]
    Manifest {
        /// The manifest.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A manifest that cannot be used.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// A folder that cannot be listed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl DatasetError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotAFolder { .. } => {
                "check the path; a dataset holds real/ and fake/ (or 0_real/ and 1_fake/, nature/ and ai/)"
                    .into()
            }
            Self::Empty { .. } => {
                "the folder is searched recursively; hidden files and documents do not count".into()
            }
            Self::EmptyClass { .. } => {
                "put images of the missing class into its folder; `dear evaluate` judges one class alone, and `dear scan` \
                 needs no labels"
                    .into()
            }
            Self::Unlabelled { .. } => {
                "pass the folder that holds real/ and fake/ (one split, or the root of all splits)".into()
            }
            Self::Ambiguous { .. } => {
                "rename one of the two folders, or pass the lower one as the root".into()
            }
            Self::NoSplit { .. } => {
                "name one of the folders found with --split, or pass the split's folder itself".into()
            }
            Self::Manifest { .. } => {
                "a manifest of a folder is CSV with the columns path and scene; one that stands for a dataset has path and \
                 label"
                    .into()
            }
            Self::Columns(error) => error.hint.clone(),
            Self::Io(_) => return None,
        })
    }
}

/// Folders of a root that are splits, in the order of preference.
pub const SPLITS: [&str; 5] = ["test", "test_processed", "val", "train", "validation"];

/// The split to read: the one asked for, else the first of [`SPLITS`] that is there, else the only one.
pub(crate) fn choose_split<'a>(found: &BTreeSet<&'a str>, asked: Option<&str>) -> Option<&'a str> {
    match asked {
        Some(asked) => found.get(asked).copied(),
        None => SPLITS
            .iter()
            .find_map(|split| found.get(split).copied())
            .or_else(|| found.first().copied().filter(|_| found.len() == 1)),
    }
}

/// Read a dataset. `root` holds label folders, or splits that hold them; then `split` chooses, `test` if not given. A
/// file is a manifest: CSV, TSV, JSON lines or Parquet with the columns `path` (relative to it) and `label`, and perhaps
/// `subset`, `split`, `scene`.
///
/// A file `manifest.csv` in the root, in the split or in the folder above the root, with the columns `path` and `scene`,
/// makes images of one scene share a group.
///
/// # Errors
/// See [`DatasetError`]; both classes must have at least one image.
pub fn open(root: &Path, split: Option<&str>) -> Result<Dataset, DatasetError> {
    let dataset = open_any_class(root, split)?;
    let named = if root.is_file() { root.to_owned() } else { dataset.root.clone() };
    both_classes(dataset, &named)
}

/// As [`open`], but one class will do.
///
/// # Errors
/// See [`DatasetError`].
pub fn open_any_class(root: &Path, split: Option<&str>) -> Result<Dataset, DatasetError> {
    if root.is_file() {
        return manifest::open(root, split);
    }
    check_folder(root)?;
    let chosen = split_folder(root, split)?;
    let base = chosen.as_ref().map_or_else(|| root.to_owned(), |name| root.join(name));
    let mut elsewhere = Vec::new();
    for other in SPLITS.iter().filter(|other| chosen.as_deref().is_some_and(|chosen| chosen != **other)) {
        if root.join(other).is_dir() {
            elsewhere.extend(list_images(&root.join(other)).unwrap_or_default().paths);
        }
    }
    let listing = list_images(&base)?;
    let scenes = scenes_for(root, &base)?;
    let mut samples = Vec::with_capacity(listing.paths.len());
    let mut scenes_known = false;
    for path in listing.paths {
        let relative = path.strip_prefix(&base).unwrap_or(&path);
        let folders: Vec<String> = relative
            .parent()
            .into_iter()
            .flat_map(Path::components)
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect();
        let key = path_text(relative);
        let (label, subset) = label_and_subset(&key, &folders)?;
        let scene = scenes.get(relative).cloned();
        scenes_known |= scene.is_some();
        let group = scene.or_else(|| exact_bytes(relative)).unwrap_or_else(|| key.clone());
        samples.push(Sample { path, key, label, subset, split: chosen.clone(), group });
    }
    samples.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(Dataset { root: base, samples, skipped: listing.skipped, scenes_known, elsewhere })
}

/// A split's name (none where the data is one set) and its images, or why they cannot be used.
pub type Opened = (Option<String>, Result<Dataset, DatasetError>);

/// Every split that `root` has, each as [`open`] reads it, or all of it where it has none. A folder's splits are those of
/// [`SPLITS`]; a manifest's are the values of its column `split`, and its images without one are a set of their own.
///
/// # Errors
/// As [`open`], where not even the splits can be listed. What is wrong with one split is in its place.
pub fn open_all(root: &Path) -> Result<Vec<Opened>, DatasetError> {
    if root.is_file() {
        let sets = manifest::open_all(root)?.into_iter();
        return Ok(sets.map(|(split, set)| (split, set.and_then(|set| both_classes(set, root)))).collect());
    }
    check_folder(root)?;
    if split_folder(root, None)?.is_none() {
        return Ok(vec![(None, open(root, None))]);
    }
    let present = SPLITS.iter().filter(|split| root.join(split).is_dir());
    Ok(present.map(|split| (Some((*split).to_owned()), open(root, Some(split)))).collect())
}

/// All images of a manifest, whatever their split; one class will do.
///
/// # Errors
/// As [`open`].
pub(crate) fn listed(manifest: &Path) -> Result<Dataset, DatasetError> {
    manifest::open_whole(manifest)
}

fn both_classes(dataset: Dataset, root: &Path) -> Result<Dataset, DatasetError> {
    let (real, generated) = (dataset.count(Label::Real), dataset.count(Label::Generated));
    if real == 0 || generated == 0 {
        return Err(DatasetError::EmptyClass { path: root.display().to_string(), real, generated });
    }
    Ok(dataset)
}

/// Images below a folder (sorted) and how many other files were passed over.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by path.
    pub paths: Vec<PathBuf>,
    /// Files passed over.
    pub skipped: u64,
}

/// List every file below `folder` that may be an image. The extension does not decide what an image is (a WebP named
/// `.jpg` is common); only names that no image bears are passed over.
///
/// # Errors
/// Not a folder, unreadable, or without any image.
pub fn list_images(folder: &Path) -> Result<Listing, DatasetError> {
    check_folder(folder)?;
    let mut listing = Listing::default();
    for found in walk(folder, usize::MAX) {
        match found? {
            Walked::Image(path) => listing.paths.push(path),
            Walked::Document(_) | Walked::Foreign => listing.skipped += 1,
        }
    }
    if listing.paths.is_empty() {
        return Err(DatasetError::Empty { path: folder.display().to_string(), skipped: listing.skipped });
    }
    Ok(listing)
}

/// What a walk comes upon.
pub(crate) enum Walked {
    /// A file that may be an image, or a folder below the first that may not be read.
    Image(PathBuf),
    /// A file whose name says that it is none.
    Document(PathBuf),
    /// A file that no one means: hidden, `Thumbs.db`, `__MACOSX`, a link to a folder above, and what is no file (a pipe, a
    /// socket, a device).
    Foreign,
}

/// Every file below `folder`, at most `depth` folders down, sorted by name within each folder. Only the listings of the folders
/// on the way are held.
pub(crate) fn walk(
    folder: &Path,
    depth: usize,
) -> impl Iterator<Item = Result<Walked, DatasetError>> + Send + use<> {
    let walk = WalkDir::new(folder).follow_links(true).max_depth(depth).sort_by_file_name().into_iter();
    // A hidden folder (.git, .ipynb_checkpoints) or __MACOSX is passed over whole, but not the given folder itself.
    let entries = walk.filter_entry(|entry| {
        entry.depth() == 0 || !entry.file_type().is_dir() || !is_foreign_name(entry.path())
    });
    entries.filter_map(|entry| {
        let entry = match entry {
            Ok(entry) => entry,
            // A dangling link, or a folder that may not be read: it becomes one refused item, not the end of the run.
            Err(error) if error.depth() > 0 && error.loop_ancestor().is_none() => {
                let path = error.path()?;
                return Some(Ok(match is_foreign_name(path) {
                    true => Walked::Foreign,
                    false => Walked::Image(path.to_owned()),
                }));
            }
            // A link to a folder above holds nothing new.
            Err(error) if error.depth() > 0 => return Some(Ok(Walked::Foreign)),
            Err(error) => {
                let kind = error.io_error().map_or(std::io::ErrorKind::Other, std::io::Error::kind);
                return Some(Err(std::io::Error::new(kind, error.to_string()).into()));
            }
        };
        let kind = entry.file_type();
        if kind.is_dir() {
            return None;
        }
        let path = entry.into_path();
        Some(Ok(match () {
            () if !kind.is_file() || is_foreign_name(&path) => Walked::Foreign,
            () if is_document(&path) => Walked::Document(path),
            () => Walked::Image(path),
        }))
    })
}

/// A path as text for results. Names that are not UTF-8 lose their odd bytes here; records carry those beside it.
pub fn path_text(path: &Path) -> String {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' {
        text.into_owned()
    } else {
        text.replace(std::path::MAIN_SEPARATOR, "/")
    }
}

/// File name up to its *first* dot: the reference's stem (`a.b.png` -> `a`), by which probes and pairs are named.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A leading dot belongs to a hidden name.
    let end = name.char_indices().skip(1).find(|&(_, c)| c == '.').map_or(name.len(), |(at, _)| at);
    name[..end].to_owned()
}

fn check_folder(path: &Path) -> Result<(), DatasetError> {
    let found = match fs_err::metadata(path) {
        Ok(data) if data.is_dir() => return Ok(()),
        Ok(_) => "a file",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "does not exist",
        Err(error) => return Err(error.into()),
    };
    Err(DatasetError::NotAFolder { path: path.display().to_string(), found })
}

fn split_folder(root: &Path, asked: Option<&str>) -> Result<Option<String>, DatasetError> {
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(root)? {
        let entry = entry?;
        if entry.path().is_dir() {
            folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    folders.sort();
    if let Some(asked) = asked {
        if folders.iter().any(|name| name == asked) {
            return Ok(Some(asked.to_owned()));
        }
        let found = if folders.is_empty() { "no folder".to_owned() } else { folders.join(", ") };
        return Err(DatasetError::NoSplit {
            path: root.display().to_string(),
            split: asked.to_owned(),
            found,
        });
    }
    if folders.iter().any(|name| Label::of_folder(name).is_some()) {
        return Ok(None);
    }
    Ok(SPLITS.iter().find(|split| folders.iter().any(|name| name == *split)).map(|split| (*split).to_owned()))
}

fn label_and_subset(key: &str, folders: &[String]) -> Result<(Label, String), DatasetError> {
    let labelled: Vec<(usize, Label)> =
        folders.iter().enumerate().filter_map(|(at, name)| Some((at, Label::of_folder(name)?))).collect();
    let Some(&(nearest, label)) = labelled.last() else {
        return Err(DatasetError::Unlabelled { path: key.to_owned() });
    };
    if let Some(&(at, _)) = labelled.iter().find(|(_, other)| *other != label) {
        return Err(DatasetError::Ambiguous {
            path: key.to_owned(),
            first: folders[at].clone(),
            second: folders[nearest].clone(),
        });
    }
    let below = &folders[nearest + 1..];
    let above = &folders[..nearest];
    let subset = if !below.is_empty() {
        below.join("/")
    } else if !above.is_empty() {
        above.join("/")
    } else {
        folders[nearest].clone()
    };
    Ok((label, subset))
}

/// Scene of each image (by its path relative to `base`), from the first manifest with the column `scene` that names one:
/// in the split's folder, in the root above it, or in the folder above the root.
fn scenes_for(root: &Path, base: &Path) -> Result<BTreeMap<PathBuf, String>, DatasetError> {
    let mut scenes = read_scenes(base, Path::new(""), true)?;
    if scenes.is_empty() && root != base {
        scenes = read_scenes(root, base.strip_prefix(root).unwrap_or(Path::new("")), true)?;
    }
    if scenes.is_empty() {
        let absolute = std::path::absolute(root)?;
        let absolute = if absolute.file_name().is_some() { absolute } else { fs_err::canonicalize(root)? };
        if let (Some(above), Some(name)) = (absolute.parent(), absolute.file_name()) {
            let below = Path::new(name).join(base.strip_prefix(root).unwrap_or(Path::new("")));
            scenes = read_scenes(above, &below, false)?;
        }
    }
    Ok(scenes)
}

/// Scenes of the images in `folder/below`, relative to that, from `folder/manifest.csv`. Where that is the `own` manifest of
/// the data, its paths may also be relative to `folder/below` already.
pub(crate) fn read_scenes(
    folder: &Path,
    below: &Path,
    own: bool,
) -> Result<BTreeMap<PathBuf, String>, DatasetError> {
    let (mut scenes, path) = (BTreeMap::new(), folder.join("manifest.csv"));
    if !path.is_file() {
        return Ok(scenes);
    }
    let bad = |reason: String| DatasetError::Manifest { path: path.display().to_string(), reason };
    let mut reader = csv::Reader::from_reader(fs_err::File::open(&path)?);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) if own => return Err(bad(error.to_string())),
        Err(_) => return Ok(scenes),
    };
    let column = |name: &str| header.iter().position(|field| field == name);
    let (Some(path_column), Some(scene_column)) = (column("path"), column("scene")) else {
        return Ok(scenes);
    };
    let exact_column = column("path_base64");
    for row in reader.records() {
        let row = row.map_err(|error| bad(error.to_string()))?;
        let (Some(image), Some(scene @ [_, ..])) =
            (row.get(path_column), row.get(scene_column).map(str::as_bytes))
        else {
            continue;
        };
        let exact = exact_column.and_then(|column| row.get(column)).filter(|text| !text.is_empty());
        let image = exact.and_then(exact_path).unwrap_or_else(|| PathBuf::from(image));
        let image = image.strip_prefix(".").unwrap_or(&image);
        let scene = String::from_utf8_lossy(scene).into_owned();
        match image.strip_prefix(below) {
            Ok(rest) => _ = scenes.insert(rest.to_owned(), scene),
            Err(_) if own => _ = scenes.insert(image.to_owned(), scene),
            Err(_) => {}
        }
    }
    Ok(scenes)
}

fn is_foreign_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || ["__MACOSX", "Thumbs.db", "desktop.ini"].contains(&name.as_ref())
}

fn is_document(path: &Path) -> bool {
    const DOCUMENTS: &str = "txt csv tsv json jsonl ndjson md html xml yaml yml toml parquet pq onnx py log zip db \
                             sqlite sqlite-wal sqlite-shm";
    path.extension().is_some_and(|extension| {
        DOCUMENTS.split(' ').any(|document| extension.eq_ignore_ascii_case(document))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, b"x").unwrap();
        }
        folder
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_counted_among_what_was_passed_over() {
        use std::os::unix::fs::symlink;
        let temp = tree(&["a.png", "notes.txt", "sub/b.png"]);
        let at = |name: &str| temp.path().join(name);
        let _socket = std::os::unix::net::UnixListener::bind(at("socket.png")).unwrap();
        symlink("/dev/null", at("device.png")).unwrap();
        symlink(temp.path(), at("sub/loop")).unwrap();
        symlink("nowhere", at(".hidden")).unwrap();
        let listing = list_images(temp.path()).unwrap();
        assert_eq!((listing.paths, listing.skipped), (vec![at("a.png"), at("sub/b.png")], 5));
        let cases = [(&["x.txt"][..], "1 other file "), (&["x.txt", "y.txt"], "2 other files ")];
        for (names, expected) in cases {
            let error = list_images(tree(names).path()).unwrap_err().to_string();
            assert!(
                error.contains(&format!("no image found ({expected}passed over), expected at least one")),
                "{error}"
            );
        }
    }

    #[test]
    fn layouts_give_label_and_subset_by_exact_folder_names() {
        struct Case {
            file: &'static str,
            label: Label,
            subset: &'static str,
        }
        let cases = [
            Case { file: "real/redcaps/a.b.jpg", label: Label::Real, subset: "redcaps" },
            Case { file: "fake/sd/A.JPG", label: Label::Generated, subset: "sd" },
            Case { file: "fake/noextension", label: Label::Generated, subset: "fake" },
            Case { file: "unreal_fakes/0_real/x.jpg", label: Label::Real, subset: "unreal_fakes" },
            Case { file: "progan/cat/1_fake/x.jpg", label: Label::Generated, subset: "progan/cat" },
            Case { file: "sdv5/nature/x.jpg", label: Label::Real, subset: "sdv5" },
            Case { file: "sdv5/ai/x.jpg", label: Label::Generated, subset: "sdv5" },
        ];
        let folder = tree(&cases.iter().map(|case| case.file).collect::<Vec<_>>());
        let dataset = open(folder.path(), None).unwrap();
        assert_eq!(dataset.samples.len(), cases.len());
        for case in cases {
            let sample = dataset.samples.iter().find(|sample| sample.key == case.file).unwrap();
            assert_eq!((sample.label, sample.subset.as_str()), (case.label, case.subset), "{}", case.file);
        }
    }

    #[test]
    fn hidden_and_foreign_files_are_skipped_and_counted() {
        let folder = tree(&[
            "real/.DS_Store",
            "real/._x.jpg",
            "real/a.jpg",
            "fake/Thumbs.db",
            "fake/b.jpg",
            "fake/notes.txt",
            "fake/.ipynb_checkpoints/c.jpg",
            "__MACOSX/real/d.jpg",
        ]);
        let dataset = open(folder.path(), None).unwrap();
        assert_eq!(
            dataset.samples.iter().map(|s| s.key.as_str()).collect::<Vec<_>>(),
            ["fake/b.jpg", "real/a.jpg"]
        );
        assert_eq!(dataset.skipped, 4);
    }

    #[cfg(unix)]
    #[test]
    fn a_dangling_link_is_an_item_and_a_loop_is_passed_over() {
        let folder = tree(&["a.jpg"]);
        std::os::unix::fs::symlink("nowhere.jpg", folder.path().join("b.jpg")).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        let listing = list_images(folder.path()).unwrap();
        let names: Vec<_> = listing.paths.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["a.jpg", "b.jpg"]);
        assert_eq!(listing.skipped, 1);
    }

    #[test]
    fn a_split_is_chosen_and_is_a_root_of_its_own() {
        let folder = tree(&["test/real/a.jpg", "test/fake/b.jpg", "val/real/c.jpg", "val/fake/d.jpg"]);
        let keys = |dataset: Dataset| dataset.samples.into_iter().map(|s| s.key).collect::<Vec<_>>();
        assert_eq!(keys(open(folder.path(), None).unwrap()), ["fake/b.jpg", "real/a.jpg"]);
        assert_eq!(keys(open(folder.path(), Some("val")).unwrap()), ["fake/d.jpg", "real/c.jpg"]);
        assert_eq!(keys(open(&folder.path().join("val"), None).unwrap()), ["fake/d.jpg", "real/c.jpg"]);
        assert!(matches!(open(folder.path(), Some("nope")), Err(DatasetError::NoSplit { .. })));
    }

    #[test]
    fn contradictions_and_gaps_are_errors_that_name_the_file() {
        let cases: [(&[&str], &str); 4] = [
            (&["real/fake/a.jpg", "fake/b.jpg"], "\"real\" and \"fake\""),
            (&["real/a.jpg", "fake/b.jpg", "stray.jpg"], "stray.jpg"),
            (&["real/a.jpg", "fake/notes.txt"], "1 real and 0 generated"),
            (&["notes.txt"], "no image"),
        ];
        for (files, expected) in cases {
            let error = open(tree(files).path(), None).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.hint().is_some());
        }
        let missing = open(Path::new("no/such/folder"), None).unwrap_err();
        assert!(missing.to_string().contains("does not exist"), "{missing}");
    }

    #[test]
    fn scenes_come_from_the_manifest() {
        let folder = tree(&["test/real/a-1.jpg", "test/real/a-2.jpg", "test/fake/b.jpg"]);
        let manifest = "path,scene\ntest/real/a-1.jpg,a\ntest/real/a-2.jpg,a\n";
        fs_err::write(folder.path().join("manifest.csv"), manifest).unwrap();
        let dataset = open(folder.path(), None).unwrap();
        assert!(dataset.scenes_known);
        let groups: Vec<_> = dataset.samples.iter().map(|sample| sample.group.as_str()).collect();
        assert_eq!(groups, ["fake/b.jpg", "a", "a"]);
    }

    #[test]
    fn a_split_folder_alone_keeps_the_scenes_of_the_manifest_above_it() {
        let folder =
            tree(&["test/real/a-1.jpg", "test/real/a-2.jpg", "test/fake/b.jpg", "test2/real/a-1.jpg"]);
        let with = |manifest: &str, at: &str| {
            fs_err::write(folder.path().join("manifest.csv"), manifest).unwrap();
            let dataset = open(&folder.path().join(at), None).unwrap();
            let groups: Vec<String> = dataset.samples.into_iter().map(|sample| sample.group).collect();
            (dataset.scenes_known, groups)
        };
        let alone = ["fake/b.jpg", "real/a-1.jpg", "real/a-2.jpg"].map(str::to_owned).to_vec();
        let rows = "path,scene\ntest/real/a-1.jpg,a\ntest/real/a-2.jpg,a\n";
        let shared = vec!["fake/b.jpg".to_owned(), "a".to_owned(), "a".to_owned()];
        assert_eq!(with(rows, "test"), (true, shared.clone()));
        assert_eq!(with(rows, "test/../test"), (true, shared.clone()));
        assert_eq!(with(rows, "test/real/.."), (true, shared.clone()));
        assert_eq!(with(rows, "."), (true, shared));
        let dotted = "path,scene\n./test/real/a-1.jpg,a\n./test/real/a-2.jpg,a\n";
        assert_eq!(with(dotted, "test"), with(rows, "test"));
        // Rows of another folder, an empty column, and a file that is no such manifest.
        assert_eq!(
            with("path,scene\ntest2/real/a-1.jpg,a\nreal/a-1.jpg,a\n", "test"),
            (false, alone.clone())
        );
        for text in ["path,scene\ntest/real/a-1.jpg,\n", "path,scene\ntest/real/a-1.jpg,\ntest/fake/b.jpg,\n"]
        {
            assert_eq!(with(text, "."), (false, alone.clone()));
        }
        assert_eq!(with("something, else\n1\n", "test"), (false, alone));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_look_the_same_have_scenes_of_their_own() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tree(&["real/a.jpg", "fake/b.jpg"]);
        for name in [b"real/\xfd.jpg", b"real/\xfe.jpg", b"real/\xff.jpg"] {
            if fs_err::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "x").is_err() {
                eprintln!("this file system has no such names: nothing to see here");
                return;
            }
        }
        // The exact bytes of real/\xff.jpg; the other two are in no row.
        let rows = "path,scene,path_base64\nreal/a.jpg,one,\nx,one,cmVhbC//LmpwZw==\n";
        fs_err::write(folder.path().join("manifest.csv"), rows).unwrap();
        let samples = open(folder.path(), None).unwrap().samples;
        let groups: BTreeSet<&str> = samples.iter().map(|sample| sample.group.as_str()).collect();
        let shared = samples.iter().filter(|sample| sample.group == "one").count();
        assert_eq!((samples.len(), groups.len(), shared), (5, 4, 2), "{groups:?}");
    }

    #[test]
    fn one_class_is_enough_where_that_is_asked_for() {
        let folder = tree(&["real/a.jpg", "fake/notes.txt"]);
        let dataset = open_any_class(folder.path(), None).unwrap();
        assert_eq!((dataset.count(Label::Real), dataset.count(Label::Generated)), (1, 0));
        assert!(matches!(open(folder.path(), None), Err(DatasetError::EmptyClass { .. })));
    }

    #[test]
    fn stem_ends_at_the_first_dot() {
        for (name, expected) in [("a.b.png", "a"), ("x", "x"), (".hidden.png", ".hidden"), ("d/é.jpg", "é")]
        {
            assert_eq!(stem(Path::new(name)), expected);
        }
    }
}
