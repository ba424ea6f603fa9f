//! The images that a head is trained and validated on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dear_image::{AugmentRole, Draw};
use rayon::prelude::*;

use crate::dataset::{self, Dataset, Label};
use crate::detector::Detector;
use crate::error::Error;
use crate::files::{read_image, sha256_hex};
use crate::observe::Observer;
use crate::recipe::Recipe;
use crate::store::{Row, Store};
use crate::views::{self, Source, ViewOptions};

/// Where the images lie.
#[derive(Debug, Clone)]
pub struct TrainingImages {
    /// Folder of real images.
    pub real: PathBuf,
    /// Folder of generated images.
    pub fake: PathBuf,
    /// Dataset for validation; without it a share of the images is held out.
    pub val: Option<PathBuf>,
}

/// Training and validation images.
#[derive(Debug, Clone)]
pub struct Split {
    /// Trained on.
    pub train: Vec<Source>,
    /// Strength, bias, probability and threshold are chosen on these.
    pub val: Vec<Source>,
    /// The scene of each validation image, where a manifest says so.
    pub val_scenes: Option<Vec<String>>,
    /// Whether they are a given dataset, and not a share of the images.
    pub val_given: bool,
    /// Stems of held-out images: their probes are not used.
    pub held_out: BTreeSet<String>,
}

/// List the images and set the validation images apart: the given dataset, or a seeded share of the images. Images of one
/// stem (a photograph and its generated counterpart) stay on one side.
///
/// # Errors
/// [`Error::Dataset`], or [`Error::Images`] where a class is too small to be split.
pub fn split_images(images: &TrainingImages, recipe: &Recipe) -> Result<Split, Error> {
    let real = sources(&images.real, Label::Real, "real")?;
    let fake = sources(&images.fake, Label::Generated, "fake")?;
    if let Some(root) = &images.val {
        let dataset = validation_set(root)?;
        let val_scenes = scenes(&dataset);
        let val = dataset_sources(&dataset);
        let held_out = val.iter().map(|source| dataset::stem(&source.path)).collect();
        let train = [real, fake].concat();
        return Ok(Split { train, val, val_scenes, val_given: true, held_out });
    }
    let all = [real, fake].concat();
    let mut classes: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for source in &all {
        let entry = classes.entry(dataset::stem(&source.path)).or_default();
        entry.0 |= source.label == Label::Real;
        entry.1 |= source.label == Label::Generated;
    }
    let mut held_out = BTreeSet::new();
    for kind in [(true, true), (true, false), (false, true)] {
        let mut stems: Vec<(u64, &String)> = classes
            .iter()
            .filter(|(_, class)| **class == kind)
            .map(|(stem, _)| (Draw::keyed(recipe.seed, &[b"hold-out", stem.as_bytes()]).next_u64(), stem))
            .collect();
        stems.sort();
        let take = ((stems.len() as f64 * recipe.holdout).round() as usize).max(1);
        held_out.extend(stems.into_iter().take(take).map(|(_, stem)| stem.clone()));
    }
    let (val, train): (Vec<Source>, Vec<Source>) =
        all.into_iter().partition(|source| held_out.contains(&dataset::stem(&source.path)));
    for (name, part) in [("training", &train), ("validation", &val)] {
        for label in [Label::Real, Label::Generated] {
            if !part.iter().any(|source| source.label == label) {
                return Err(Error::Images {
                    message: format!(
                        "no {label:?} image is left for {name} after the hold-out, expected at least one"
                    )
                    .to_lowercase(),
                    hint: "give more images, or a validation set with --val".to_owned(),
                });
            }
        }
    }
    Ok(Split { train, val, val_scenes: None, val_given: false, held_out })
}

/// Open a dataset for choosing something: its split `val` or `validation`, or all of it where it has no splits.
///
/// # Errors
/// [`Error::Dataset`], and [`Error::Images`] where there are other splits only.
pub fn validation_set(root: &Path) -> Result<Dataset, Error> {
    let splits: BTreeSet<String> = if root.is_file() {
        dataset::listed(root)?.samples.into_iter().filter_map(|sample| sample.split).collect()
    } else {
        let folders = dataset::SPLITS.iter().filter(|split| root.join(split).is_dir());
        folders.map(|split| (*split).to_owned()).collect()
    };
    let split = ["val", "validation"].into_iter().find(|split| splits.contains(*split));
    // Never fall back to another split: what is chosen on the test images is not tested by them.
    if split.is_none() && !splits.is_empty() {
        let found = splits.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Error::Images {
            message: format!("{}: holds the splits {found}, expected val or validation", root.display()),
            hint: "pass the folder of the validation split itself, or a list without the column split; dear calibrate also takes \
                   --split"
                .to_owned(),
        });
    }
    Ok(dataset::open(root, split)?)
}

/// The scene of each image, where a manifest says so.
pub fn scenes(dataset: &Dataset) -> Option<Vec<String>> {
    dataset.scenes_known.then(|| dataset.samples.iter().map(|sample| sample.group.clone()).collect())
}

/// The images of a dataset on their way into the store.
pub fn dataset_sources(dataset: &Dataset) -> Vec<Source> {
    let source = |sample: &dataset::Sample| Source {
        path: sample.path.clone(),
        key: sample.key.clone(),
        label: sample.label,
        subset: sample.subset.clone(),
        mask: None,
    };
    dataset.samples.iter().map(source).collect()
}

/// How many of `test` have the bytes of an image that is trained or validated on.
///
/// # Errors
/// As [`split_images`]. A file that cannot be read counts as none.
pub fn seen(test: &Dataset, images: &TrainingImages, recipe: &Recipe) -> Result<u64, Error> {
    let split = split_images(images, recipe)?;
    let hashes = |sources: &[Source]| -> Vec<String> {
        let hash = |source: &Source| Some(sha256_hex(&read_image(&source.path, &recipe.decode).ok()?));
        sources.par_iter().filter_map(hash).collect()
    };
    let known: BTreeSet<String> = hashes(&split.train).into_iter().chain(hashes(&split.val)).collect();
    Ok(hashes(&dataset_sources(test)).iter().filter(|hash| known.contains(*hash)).count() as u64)
}

/// Views of training or validation images.
///
/// # Errors
/// As [`views::augmented`].
pub fn main_views(
    detector: &Detector,
    store: &Store,
    sources: &[Source],
    recipe: &Recipe,
    step: &str,
    observer: &dyn Observer,
) -> Result<Vec<Row>, Error> {
    let options = ViewOptions::of(recipe, step);
    views::augmented(detector, store, sources, AugmentRole::Main, &options, observer)
}

fn sources(folder: &Path, label: Label, prefix: &str) -> Result<Vec<Source>, Error> {
    let listing = dataset::list_images(folder)?;
    Ok(listing
        .paths
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(folder).unwrap_or(&path);
            let subset = relative.parent().map(dataset::path_text).filter(|text| !text.is_empty());
            Source {
                key: format!("{prefix}/{}", dataset::path_text(relative)),
                label,
                subset: subset.unwrap_or_else(|| prefix.to_owned()),
                mask: None,
                path,
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(files: &[String]) -> (tempfile::TempDir, TrainingImages) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, b"x").unwrap();
        }
        let real = folder.path().join("real");
        let fake = folder.path().join("fake");
        (folder, TrainingImages { real, fake, val: None })
    }

    fn keys(sources: &[Source]) -> BTreeSet<String> {
        sources.iter().map(|source| source.key.clone()).collect()
    }

    #[test]
    fn the_hold_out_is_a_seeded_fifth_and_keeps_counterparts_together() {
        // 20 pairs of one stem, 10 real images alone, 5 generated ones alone.
        let mut files: Vec<String> =
            (0..20).flat_map(|i| [format!("real/p{i}.jpg"), format!("fake/p{i}.png")]).collect();
        files.extend((0..10).map(|i| format!("real/r{i}.jpg")));
        files.extend((0..5).map(|i| format!("fake/f{i}.jpg")));
        let (_folder, images) = images(&files);
        let split = split_images(&images, &Recipe::default()).unwrap();
        assert_eq!(split.val.len(), 2 * 4 + 2 + 1, "a fifth of each kind, pairs counted as one");
        assert_eq!(split.train.len() + split.val.len(), files.len());
        let stems = |sources: &[Source]| -> BTreeSet<String> {
            sources.iter().map(|source| dataset::stem(&source.path)).collect()
        };
        assert!(stems(&split.train).is_disjoint(&stems(&split.val)), "a pair was torn apart");
        assert_eq!(stems(&split.val), split.held_out);
        assert_eq!(keys(&split.val), keys(&split_images(&images, &Recipe::default()).unwrap().val));
        let other = split_images(&images, &Recipe { seed: 1, ..Recipe::default() }).unwrap();
        assert_ne!(keys(&split.val), keys(&other.val), "the seed decides");
    }

    #[test]
    fn too_few_images_to_hold_any_out_is_an_error_with_a_remedy() {
        let (_folder, images) = images(&["real/a.jpg".into(), "fake/b.jpg".into(), "fake/c.jpg".into()]);
        let error = split_images(&images, &Recipe::default()).unwrap_err();
        assert!(error.to_string().contains("no real image is left for training"), "{error}");
        assert!(error.hint().unwrap().contains("--val"));
    }

    #[test]
    fn a_given_validation_set_leaves_all_images_for_training() {
        let files = [
            "real/a.jpg",
            "fake/b.jpg",
            "data/val/real/c.jpg",
            "data/val/fake/d.jpg",
            "data/test/real/e.jpg",
        ];
        let (folder, mut images) = images(&files.map(str::to_owned));
        images.val = Some(folder.path().join("data"));
        let split = split_images(&images, &Recipe::default()).unwrap();
        assert_eq!(keys(&split.train), ["fake/b.jpg", "real/a.jpg"].map(str::to_owned).into());
        assert_eq!(keys(&split.val), ["fake/d.jpg", "real/c.jpg"].map(str::to_owned).into());
        assert_eq!(
            split.held_out,
            ["c", "d"].map(str::to_owned).into(),
            "probes of validation images are not used"
        );
        fs_err::create_dir_all(folder.path().join("other/test/real")).unwrap();
        images.val = Some(folder.path().join("other"));
        let error = split_images(&images, &Recipe::default()).unwrap_err();
        assert!(error.to_string().ends_with("holds the splits test, expected val or validation"), "{error}");
        // A list of images is taken alike.
        let list = folder.path().join("list.csv");
        let rows = |splits: [&str; 2]| {
            let [first, second] = splits;
            let rows = format!(
                "path,label,split\ndata/test/real/e.jpg,real,{first}\nfake/b.jpg,fake,{first}\n\
                 data/val/real/c.jpg,real,{second}\ndata/val/fake/d.jpg,fake,{second}\n"
            );
            fs_err::write(&list, rows).unwrap();
        };
        images.val = Some(list.clone());
        rows(["test", "val"]);
        let val = split_images(&images, &Recipe::default()).unwrap().val;
        let names =
            |val: &[Source]| val.iter().map(|source| dataset::stem(&source.path)).collect::<BTreeSet<_>>();
        assert_eq!(names(&val), ["c", "d"].map(str::to_owned).into());
        rows(["test", "train"]);
        let error = split_images(&images, &Recipe::default()).unwrap_err();
        assert!(
            error.to_string().ends_with("holds the splits test, train, expected val or validation"),
            "{error}"
        );
        rows(["", ""]);
        assert_eq!(split_images(&images, &Recipe::default()).unwrap().val.len(), 4);
    }
}
