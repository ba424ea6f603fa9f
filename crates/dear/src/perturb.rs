//! A copy of a folder of images, each through the same chain: how a dataset is equalised, or made harder.
//!
//! Folders are kept; a manifest's images go where its paths say, below the copy. Where the chain's last step wrote a file,
//! those very bytes are stored; else a PNG. A row of `manifest.csv` for each image says what it came from and what was drawn,
//! and lets an interrupted run go on.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use dear_image::{Chain, DecodeOptions, Format, decode};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::{self, path_text};
use crate::error::Error;
use crate::files::{TEMPORARY, place, read_image, sha256_hex, write_atomic};
use crate::observe::{Event, Observer};
use crate::probe::Refused;
use crate::scan::{exact_bytes, exact_path};

/// A row of `manifest.csv`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PerturbedImage {
    /// The file, relative to the manifest.
    pub path: String,
    /// What it was made from, relative to the source folder.
    pub source: String,
    /// SHA-256 of the source.
    pub source_sha256: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The chain in its canonical text.
    pub chain: String,
    /// Key of the draws.
    pub seed: u64,
    /// What was drawn, joined by ` | `.
    pub drawn: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The source's scene, where a manifest has one. This column and those below are absent where no image has any.
    #[serde(default)]
    pub scene: String,
    /// Label that the source's manifest gives: such a copy's own manifest is a dataset again.
    #[serde(default)]
    pub label: String,
    /// Subset that the source's manifest gives.
    #[serde(default)]
    pub subset: String,
    /// Split that the source's manifest gives.
    #[serde(default)]
    pub split: String,
    /// How the source was decoded, as JSON; the column is absent where that was the default.
    #[serde(default)]
    pub decode: String,
    /// What decoding warned of; the column is absent where it never did.
    #[serde(default)]
    pub warning: String,
    /// Exact bytes of `path` in base64 where it is not UTF-8; the column is absent where all are.
    #[serde(default)]
    pub path_base64: String,
    /// Exact bytes of `source` in base64 where it is not UTF-8.
    #[serde(default)]
    pub source_base64: String,
}

impl PerturbedImage {
    /// The file, relative to the manifest.
    fn exact_path(&self) -> PathBuf {
        let exact = Some(self.path_base64.as_str()).filter(|text| !text.is_empty()).and_then(exact_path);
        exact.unwrap_or_else(|| PathBuf::from(&self.path))
    }

    /// The source's path, exactly.
    fn exact_source(&self) -> PathBuf {
        let exact = Some(self.source_base64.as_str()).filter(|text| !text.is_empty()).and_then(exact_path);
        exact.unwrap_or_else(|| PathBuf::from(&self.source))
    }
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Perturbed {
    /// All rows of the manifest, sorted by source.
    pub images: Vec<PerturbedImage>,
    /// How many of them an earlier run had made.
    pub kept: u64,
    /// Images that could not be made.
    pub refused: Vec<Refused>,
    /// Files of the source that are no images.
    pub skipped: u64,
    /// Copies by an earlier run of images that are gone, refused, or have another name now: they were removed.
    pub removed: u64,
    /// Images in the copy's folder that no row of the manifest names.
    pub unnamed: u64,
}

/// Name of the manifest.
pub const MANIFEST: &str = "manifest.csv";
/// Images that are in memory at once.
const BATCH: usize = 16;
/// A kill costs at most the work of this time.
const SAVED_EVERY: Duration = Duration::from_secs(5);

/// Write a copy of all images below the folder `source`, or listed in the manifest `source`, into `out`, each through
/// `chain`. What is drawn depends on `seed` and the image's content.
///
/// # Errors
/// A stop; files that cannot be written; `out` inside of the folder `source` or around it, or around a listed image; an
/// `out` that holds something else.
pub fn perturb(
    source: &Path,
    out: &Path,
    chain: &Chain,
    seed: u64,
    options: &DecodeOptions,
    observer: &dyn Observer,
) -> Result<Perturbed, Error> {
    let (items, skipped) = if source.is_file() { listed(source, out)? } else { found(source, out)? };
    fs_err::create_dir_all(out)?;
    // What an earlier run made and this one has not come to: it stays in the manifest until then.
    let mut open = earlier(out, chain, seed, options)?;
    // Only now is it known that the folder is ours.
    remove_leftovers(out)?;
    let names = names(items.iter().map(|item| item.name.as_path()));
    // Rows of what this run wrote under another name.
    let mut renamed = Vec::new();
    let mut done = Perturbed { skipped, ..Perturbed::default() };
    write_manifest(out, done.images.iter().chain(open.values()))?;
    observer.event(Event::Started { step: "perturbing images", total: items.len() as u64 });
    // The first rows are saved at once: they say which chain the files in the folder went through.
    let mut saved = None::<Instant>;
    for (items, names) in items.chunks(BATCH).zip(names.chunks(BATCH)) {
        if observer.cancelled() {
            remove_copies(out, done.images.iter().chain(open.values()), renamed.iter())?;
            write_manifest(out, done.images.iter().chain(open.values()))?;
            return Err(Error::Interrupted);
        }
        let one = |(item, name): (&Item, &PathBuf)| Job { item, name, out, chain, seed, options }.run(&open);
        let made: Vec<_> = items.par_iter().zip(names).map(one).collect::<Result<_, Error>>()?;
        for (item, (result, kept)) in items.iter().zip(made) {
            done.kept += u64::from(kept);
            match result {
                Ok(image) => {
                    let before = open.remove(&item.relative);
                    renamed.extend(before.filter(|row| row.exact_path() != image.exact_path()));
                    done.images.push(image);
                }
                Err(refused) => done.refused.push(refused),
            }
        }
        observer.event(Event::Advanced { by: items.len() as u64 });
        if saved.is_none_or(|saved| saved.elapsed() >= SAVED_EVERY) {
            write_manifest(out, done.images.iter().chain(open.values()))?;
            saved = Some(Instant::now());
        }
    }
    done.removed = remove_copies(out, done.images.iter(), open.values().chain(&renamed))?;
    done.unnamed = unnamed(out, &done.images);
    write_manifest(out, done.images.iter())?;
    observer.event(Event::Finished);
    Ok(done)
}

/// Copies of images that are gone, are refused, or have another name now would be taken for part of the dataset. Only what this
/// command wrote, and nobody changed since, is removed.
fn remove_copies<'a>(
    out: &Path,
    images: impl Iterator<Item = &'a PerturbedImage>,
    gone: impl Iterator<Item = &'a PerturbedImage>,
) -> Result<u64, Error> {
    let current: HashSet<PathBuf> = images.map(PerturbedImage::exact_path).collect();
    let mut removed = 0;
    for row in gone.filter(|row| !current.contains(&row.exact_path())) {
        let path = out.join(row.exact_path());
        if fs_err::read(&path).is_ok_and(|bytes| sha256_hex(&bytes) == row.sha256) {
            fs_err::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Images in the folder that no row names: of a run that was killed before it saved its first rows, or somebody else's.
fn unnamed(out: &Path, images: &[PerturbedImage]) -> u64 {
    let named: HashSet<PathBuf> = images.iter().map(|row| out.join(row.exact_path())).collect();
    let found = dataset::list_images(out).map(|listing| listing.paths).unwrap_or_default();
    found.iter().filter(|path| !named.contains(*path)).count() as u64
}

/// Half-written files of a killed run.
fn remove_leftovers(out: &Path) -> Result<(), Error> {
    for entry in walkdir::WalkDir::new(out).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() && entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs_err::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// An image to be copied.
struct Item {
    path: PathBuf,
    /// Its path relative to the source folder or the manifest, exactly and as text.
    relative: PathBuf,
    key: String,
    /// Where it goes in the copy: the relative path, without steps that lead out of a folder.
    name: PathBuf,
    /// What the source's manifests say of it.
    known: Known,
}

/// Scene, label, subset and split, empty where unknown.
#[derive(Default)]
struct Known {
    scene: String,
    label: String,
    subset: String,
    split: String,
}

/// The images below a folder, and how many other files were passed over.
fn found(source: &Path, out: &Path) -> Result<(Vec<Item>, u64), Error> {
    let listing = dataset::list_images(source)?;
    check_apart(source, out)?;
    let scenes = scenes(source)?;
    let item = |path: PathBuf| {
        let relative = path.strip_prefix(source).unwrap_or(&path).to_owned();
        let scene = scenes.get(&relative).cloned().unwrap_or_default();
        let (key, name) = (path_text(&relative), relative.clone());
        Item { path, relative, key, name, known: Known { scene, ..Known::default() } }
    };
    Ok((listing.paths.into_iter().map(item).collect(), listing.skipped))
}

/// The images of a manifest, of all its splits.
fn listed(source: &Path, out: &Path) -> Result<(Vec<Item>, u64), Error> {
    let set = dataset::listed(source)?;
    let mut items = Vec::with_capacity(set.samples.len());
    for sample in set.samples {
        if sample.path.exists() {
            check_outside(&sample.path, out)?;
        }
        let relative = sample.path.strip_prefix(&set.root).unwrap_or(&sample.path).to_owned();
        items.push(Item {
            name: relative.components().filter(|part| matches!(part, Component::Normal(_))).collect(),
            relative,
            known: Known {
                scene: if set.scenes_known { sample.group } else { String::new() },
                label: sample.label.as_str().to_owned(),
                subset: sample.subset,
                split: sample.split.unwrap_or_default(),
            },
            path: sample.path,
            key: sample.key,
        });
    }
    Ok((items, set.skipped))
}

/// One image to be made.
struct Job<'a> {
    item: &'a Item,
    name: &'a Path,
    out: &'a Path,
    chain: &'a Chain,
    seed: u64,
    options: &'a DecodeOptions,
}

impl Job<'_> {
    /// The row, or why there is none, and whether an earlier run made it. Errors are those of writing.
    fn run(
        &self,
        earlier: &HashMap<PathBuf, PerturbedImage>,
    ) -> Result<(Result<PerturbedImage, Refused>, bool), Error> {
        let Item { path, key, known, .. } = self.item;
        let refuse = |kind: &str, message: String| {
            Ok((Err(Refused { path: key.clone(), kind: kind.to_owned(), message }), false))
        };
        let bytes = match read_image(path, self.options) {
            Ok(bytes) => bytes,
            Err(error) => return refuse(error.kind, error.message),
        };
        let source_sha256 = sha256_hex(&bytes);
        let told = |row: PerturbedImage| PerturbedImage {
            scene: known.scene.clone(),
            label: known.label.clone(),
            subset: known.subset.clone(),
            split: known.split.clone(),
            ..row
        };
        if let Some(row) = earlier.get(&self.item.relative)
            && row.source_sha256 == source_sha256
            && row.exact_path().with_extension("") == self.name
            && fs_err::read(self.out.join(row.exact_path()))
                .is_ok_and(|bytes| sha256_hex(&bytes) == row.sha256)
        {
            return Ok((Ok(told(row.clone())), true));
        }
        let decoded = match decode(&bytes, self.options) {
            Ok(decoded) => decoded,
            Err(error) => return refuse(error.kind().as_str(), error.to_string()),
        };
        let written = match self.chain.write(&decoded.image, self.seed, source_sha256.as_bytes()) {
            Ok(written) => written,
            Err(error) => return refuse("chain", error.to_string()),
        };
        let extension = match written.format {
            Format::Jpeg => "jpg",
            other => other.as_str(),
        };
        let file = written.bytes;
        let mut name = self.name.as_os_str().to_owned();
        name.push(".");
        name.push(extension);
        write_atomic(&self.out.join(&name), &file)?;
        let row = PerturbedImage {
            path: path_text(Path::new(&name)),
            source: key.clone(),
            source_sha256,
            sha256: sha256_hex(&file),
            chain: self.chain.to_string(),
            seed: self.seed,
            drawn: written.drawn.join(" | "),
            width: written.size.0,
            height: written.size.1,
            decode: as_json(self.options),
            warning: decoded.warnings.join("; "),
            path_base64: exact_bytes(Path::new(&name)).unwrap_or_default(),
            source_base64: exact_bytes(&self.item.relative).unwrap_or_default(),
            ..PerturbedImage::default()
        };
        Ok((Ok(told(row)), false))
    }
}

/// Neither folder may lie in the other: the copy would become its own source, or overwrite it.
fn check_apart(source: &Path, out: &Path) -> Result<(), Error> {
    let (from, to) = (fs_err::canonicalize(source)?, place(out));
    if from.starts_with(&to) || to.starts_with(&from) { Err(shares(source, out)) } else { Ok(()) }
}

/// A listed image may not lie in the copy, which could overwrite it.
fn check_outside(image: &Path, out: &Path) -> Result<(), Error> {
    if fs_err::canonicalize(image)?.starts_with(place(out)) { Err(shares(image, out)) } else { Ok(()) }
}

fn shares(source: &Path, out: &Path) -> Error {
    Error::Images {
        message: format!("{}: shares files with the source {}", out.display(), source.display()),
        hint: "choose an output folder beside the source".to_owned(),
    }
}

/// Rows of an earlier run with the same chain and seed.
fn earlier(
    out: &Path,
    chain: &Chain,
    seed: u64,
    options: &DecodeOptions,
) -> Result<HashMap<PathBuf, PerturbedImage>, Error> {
    let other = |what: String| {
        Err(Error::Images {
            message: format!("{}: {what}", out.display()),
            hint: "choose a new or empty output folder".to_owned(),
        })
    };
    let path = out.join(MANIFEST);
    if !path.is_file() {
        // A hidden name may be left of a killed write.
        let mut entries = fs_err::read_dir(out)?.filter_map(Result::ok);
        return match entries.find(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
            Some(entry) => other(format!("holds {:?}, which is not of this command", entry.file_name())),
            None => Ok(HashMap::new()),
        };
    }
    let mut rows = HashMap::new();
    let mut reader = csv::Reader::from_reader(fs_err::File::open(&path)?);
    for row in reader.deserialize::<PerturbedImage>() {
        let row = match row {
            Ok(row) => row,
            Err(error) => return other(format!("its {MANIFEST} is not of this command: {error}")),
        };
        if row.chain != chain.to_string() || row.seed != seed {
            return other(format!("made with chain {:?} and seed {}", row.chain, row.seed));
        }
        if row.decode != as_json(options) {
            return other("made with other options of decoding".to_owned());
        }
        rows.insert(row.exact_source(), row);
    }
    Ok(rows)
}

/// The options in a row: empty for the default.
fn as_json(options: &DecodeOptions) -> String {
    match options == &DecodeOptions::default() {
        true => String::new(),
        false => serde_json::json!(options).to_string(),
    }
}

/// Columns of the manifest, in the order of [`PerturbedImage`].
const COLUMNS: [&str; 17] = [
    "path",
    "source",
    "source_sha256",
    "sha256",
    "chain",
    "seed",
    "drawn",
    "width",
    "height",
    "scene",
    "label",
    "subset",
    "split",
    "decode",
    "warning",
    "path_base64",
    "source_base64",
];
/// From this column on, those without any value are left out: a column `scene` says that scenes are known.
const ALWAYS: usize = 9;

/// Write the manifest, sorted by source.
fn write_manifest<'a>(out: &Path, images: impl Iterator<Item = &'a PerturbedImage>) -> Result<(), Error> {
    let failed = |error: csv::Error| Error::Options(format!("{MANIFEST}: {error}"));
    let mut images: Vec<&PerturbedImage> = images.collect();
    images.sort_by(|a, b| a.source.cmp(&b.source));
    let rows: Vec<[String; COLUMNS.len()]> = images.into_iter().map(PerturbedImage::cells).collect();
    let told = |column: &usize| *column < ALWAYS || rows.iter().any(|row| !row[*column].is_empty());
    let columns: Vec<usize> = (0..COLUMNS.len()).filter(told).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|&column| COLUMNS[column])).map_err(failed)?;
    for row in &rows {
        writer.write_record(columns.iter().map(|&column| &row[column])).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::Options(format!("{MANIFEST}: {error}")))?;
    Ok(write_atomic(&out.join(MANIFEST), &bytes)?)
}

impl PerturbedImage {
    fn cells(&self) -> [String; COLUMNS.len()] {
        [
            self.path.clone(),
            self.source.clone(),
            self.source_sha256.clone(),
            self.sha256.clone(),
            self.chain.clone(),
            self.seed.to_string(),
            self.drawn.clone(),
            self.width.to_string(),
            self.height.to_string(),
            self.scene.clone(),
            self.label.clone(),
            self.subset.clone(),
            self.split.clone(),
            self.decode.clone(),
            self.warning.clone(),
            self.path_base64.clone(),
            self.source_base64.clone(),
        ]
    }
}

/// Scenes by path, from manifests in the source folder and in the folders directly in it.
fn scenes(source: &Path) -> Result<HashMap<PathBuf, String>, Error> {
    let mut folders = vec![PathBuf::new()];
    for entry in fs_err::read_dir(source)? {
        let entry = entry?;
        if entry.path().is_dir() {
            folders.push(PathBuf::from(entry.file_name()));
        }
    }
    let mut scenes = HashMap::new();
    for folder in folders {
        let found = dataset::read_scenes(&source.join(&folder), Path::new(""), true)?;
        scenes.extend(found.into_iter().map(|(image, scene)| (folder.join(image), scene)));
    }
    Ok(scenes)
}

/// Where each image goes, without extension: its own name, or, where `a.png` and `a.jpg` stand in one folder, its whole
/// name. Case does not make a difference, as on some file systems.
fn names<'a>(paths: impl Iterator<Item = &'a Path> + Clone) -> Vec<PathBuf> {
    let folded = |path: &Path| path.as_os_str().to_string_lossy().to_lowercase();
    let mut count: HashMap<String, u32> = HashMap::new();
    for path in paths.clone() {
        *count.entry(folded(&path.with_extension(""))).or_default() += 1;
    }
    let mut taken = HashSet::new();
    paths
        .map(|path| {
            let whole = path.to_owned();
            let stem = whole.with_extension("");
            let first = if count.get(&folded(&stem)) == Some(&1) { stem } else { whole };
            let mut name = first.clone();
            let mut number = 2;
            while !taken.insert(folded(&name)) {
                name = first.with_file_name(numbered(first.file_name(), number));
                number += 1;
            }
            name
        })
        .collect()
}

fn numbered(name: Option<&OsStr>, number: u32) -> OsString {
    let mut name = name.unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use dear_image::encode_png;

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf8_stay_apart_and_are_not_made_again() {
        use std::os::unix::ffi::OsStrExt;
        let temp = tempfile::tempdir().unwrap();
        let (source, out) = (temp.path().join("in"), temp.path().join("out"));
        fs_err::create_dir_all(&source).unwrap();
        for (name, level) in [(b"\xfe.png", 10), (b"\xff.png", 200)] {
            let image = dear_image::Image::from_fn(8, 8, |_, _| [level; 3]);
            let path = source.join(OsStr::from_bytes(name));
            if fs_err::write(path, encode_png(&image).unwrap()).is_err() {
                eprintln!("this file system has no such names: nothing to see here");
                return;
            }
        }
        fs_err::write(source.join(MANIFEST), "path,scene,path_base64\nx,one,/i5wbmc=\nx,two,/y5wbmc=\n")
            .unwrap();
        let chain = Chain::parse("clean").unwrap();
        let run =
            || perturb(&source, &out, &chain, 0, &DecodeOptions::default(), &crate::observe::Silent).unwrap();
        let first = run();
        let told: Vec<(&str, &str)> =
            first.images.iter().map(|row| (row.source_base64.as_str(), row.scene.as_str())).collect();
        assert_eq!(told, [("/i5wbmc=", "one"), ("/y5wbmc=", "two")]);
        let files: HashSet<PathBuf> = first.images.iter().map(PerturbedImage::exact_path).collect();
        assert!(files.len() == 2 && files.iter().all(|file| out.join(file).is_file()), "{files:?}");
        let second = run();
        assert_eq!((second.kept, &second.images), (2, &first.images));
    }

    #[test]
    fn copies_of_what_is_gone_are_removed_and_leftovers_too() {
        let temp = tempfile::tempdir().unwrap();
        let (source, out) = (temp.path().join("in"), temp.path().join("out"));
        fs_err::create_dir_all(&source).unwrap();
        for name in ["a.png", "b.png", "c.png", "d.png"] {
            let image = dear_image::Image::from_fn(8, 8, |x, _| [x as u8, name.as_bytes()[0], 9]);
            fs_err::write(source.join(name), encode_png(&image).unwrap()).unwrap();
        }
        let run = || {
            let chain = Chain::parse("jpeg(80)").unwrap();
            perturb(&source, &out, &chain, 0, &DecodeOptions::default(), &crate::observe::Silent).unwrap()
        };
        assert_eq!((run().images.len(), run().kept), (4, 4));
        // One is gone, one is refused now, one is gone and its copy was changed by somebody.
        fs_err::remove_file(source.join("a.png")).unwrap();
        fs_err::write(source.join("b.png"), b"no image").unwrap();
        fs_err::remove_file(source.join("c.png")).unwrap();
        fs_err::write(out.join("c.jpg"), b"mine").unwrap();
        fs_err::write(out.join(".dear-half"), b"half").unwrap();
        let done = run();
        assert_eq!((done.images.len(), done.kept, done.refused.len()), (1, 1, 1));
        assert_eq!((done.removed, done.unnamed), (2, 1));
        let mut left: Vec<String> = fs_err::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        assert_eq!(left, ["c.jpg", "d.jpg", "manifest.csv"]);
        assert_eq!(fs_err::read_to_string(out.join(MANIFEST)).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_copy_takes_the_place_of_one_of_another_format() {
        let temp = tempfile::tempdir().unwrap();
        let (source, out) = (temp.path().join("in"), temp.path().join("out"));
        fs_err::create_dir_all(&source).unwrap();
        let chain = Chain::parse("jpeg(80, p=0.5)").unwrap();
        let (mut formats, mut removed) = (HashSet::new(), 0);
        for level in 0..40 {
            let image = dear_image::Image::from_fn(8, 8, |x, _| [x as u8, level, 9]);
            fs_err::write(source.join("a.png"), encode_png(&image).unwrap()).unwrap();
            let done = perturb(&source, &out, &chain, 0, &DecodeOptions::default(), &crate::observe::Silent)
                .unwrap();
            let found = dataset::list_images(&out).unwrap().paths;
            assert_eq!(found, [out.join(&done.images[0].path)], "{level}");
            removed += done.removed;
            formats.insert(done.images[0].path.clone());
        }
        assert!(formats.len() == 2 && removed > 0, "{formats:?}, {removed} removed");
    }

    #[test]
    fn half_written_files_of_another_folder_stay() {
        let temp = tempfile::tempdir().unwrap();
        let (source, out) = (temp.path().join("in"), temp.path().join("out"));
        fs_err::create_dir_all(&source).unwrap();
        fs_err::create_dir_all(out.join("probes")).unwrap();
        let image = dear_image::Image::from_fn(8, 8, |_, _| [9; 3]);
        fs_err::write(source.join("a.png"), encode_png(&image).unwrap()).unwrap();
        let half = out.join("probes/.dear-half");
        fs_err::write(&half, b"half").unwrap();
        let run = |chain: &str| {
            let chain = Chain::parse(chain).unwrap();
            perturb(&source, &out, &chain, 0, &DecodeOptions::default(), &crate::observe::Silent)
        };
        let error = run("jpeg(80)").unwrap_err().to_string();
        assert!(error.contains("not of this command") && half.is_file(), "{error}");
        // A run of another chain, which may still be at work.
        fs_err::remove_dir_all(out.join("probes")).unwrap();
        run("jpeg(80)").unwrap();
        let half = out.join(".dear-half");
        fs_err::write(&half, b"half").unwrap();
        let error = run("jpeg(70)").unwrap_err().to_string();
        assert!(error.contains("made with chain") && half.is_file(), "{error}");
        run("jpeg(80)").unwrap();
        assert!(!half.exists());
    }
    #[test]
    fn an_interrupted_run_keeps_the_rows_it_has_not_come_to() {
        /// Stops before the first batch.
        struct Stop;
        impl Observer for Stop {
            fn event(&self, _: Event<'_>) {}
            fn cancelled(&self) -> bool {
                true
            }
        }
        let temp = tempfile::tempdir().unwrap();
        let (source, out) = (temp.path().join("in"), temp.path().join("out"));
        fs_err::create_dir_all(&source).unwrap();
        for name in ["a.png", "b.png"] {
            let image = dear_image::Image::from_fn(8, 8, |x, _| [x as u8, name.as_bytes()[0], 9]);
            fs_err::write(source.join(name), encode_png(&image).unwrap()).unwrap();
        }
        let run = |observer: &dyn Observer| {
            let chain = Chain::parse("jpeg(80)").unwrap();
            perturb(&source, &out, &chain, 0, &DecodeOptions::default(), observer)
        };
        let first = run(&crate::observe::Silent).unwrap();
        let manifest = fs_err::read(out.join(MANIFEST)).unwrap();
        assert!(matches!(run(&Stop), Err(Error::Interrupted)));
        assert_eq!(fs_err::read(out.join(MANIFEST)).unwrap(), manifest);
        assert_eq!(run(&crate::observe::Silent).unwrap(), Perturbed { kept: 2, ..first });
    }

    #[test]
    fn a_listed_path_that_leads_out_is_copied_into_the_copy() {
        let temp = tempfile::tempdir().unwrap();
        let (list, out) = (temp.path().join("list/m.csv"), temp.path().join("out"));
        fs_err::create_dir_all(temp.path().join("list")).unwrap();
        let image = dear_image::Image::from_fn(8, 8, |_, _| [9; 3]);
        fs_err::write(temp.path().join("a.png"), encode_png(&image).unwrap()).unwrap();
        fs_err::write(&list, "path,label\n../a.png,0\n").unwrap();
        let chain = Chain::parse("resize(0.5)").unwrap();
        let done =
            perturb(&list, &out, &chain, 0, &DecodeOptions::default(), &crate::observe::Silent).unwrap();
        assert_eq!((done.images[0].path.as_str(), done.images[0].source.as_str()), ("a.png", "../a.png"));
        assert!(out.join("a.png").is_file());
        let header = fs_err::read_to_string(out.join(MANIFEST)).unwrap();
        assert!(
            header
                .starts_with("path,source,source_sha256,sha256,chain,seed,drawn,width,height,label,subset\n")
        );
    }

    #[test]
    fn names_never_collide() {
        let cases: [(&[&str], &[&str]); 4] = [
            (&["a.jpg", "b.png"], &["a", "b"]),
            (&["f/a.jpg", "f/a.png", "g/a.png"], &["f/a.jpg", "f/a.png", "g/a"]),
            (&["A.jpg", "a.png"], &["A.jpg", "a.png"]),
            (&["a.jpg", "a.jpg.png", "a.png"], &["a.jpg", "a.jpg-2", "a.png"]),
        ];
        for (paths, expected) in cases {
            let found = names(paths.iter().map(Path::new));
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(found, expected);
        }
    }
}
