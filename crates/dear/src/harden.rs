//! The method in one place: probes, dissect, prune, refine. It reads like the paper's abstract.

mod baselines;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dear_image::{AugmentRole, Chain, Draw};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::backbone::metadata::{GateRecord, NamedHead, RadRecord, Threshold};
use crate::calibrate::{self, CalibrateError, Calibration};
use crate::dataset::{self, Dataset, Label};
use crate::detector::{Detector, DetectorError};
use crate::engine::EngineOptions;
use crate::error::Error;
use crate::gate::{self, Gate};
use crate::head::{self, Head, Report, Samples, Training};
use crate::observe::{Event, Observer};
use crate::probe::{self, InpainterKind, Making, ProbeOptions, ProbePair, Refused, Shard};
use crate::rad::{Rad, RegionMoments, rad};
use crate::recipe::Recipe;
use crate::store::{Row, Store};
use crate::views::{self, Source, ViewOptions};

/// What a detector is hardened with.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Folder of real images.
    pub real: PathBuf,
    /// Folder of generated images.
    pub fake: PathBuf,
    /// Dataset for validation; without it a share of the images is held out.
    pub val: Option<PathBuf>,
    /// Probes and, if they lie elsewhere, their masks; without them probes are made from the real images.
    pub probes: Option<(PathBuf, Option<PathBuf>)>,
    /// Null probes; made where the recipe subtracts them and none are given.
    pub null_probes: Option<PathBuf>,
    /// Folder for probes and features, kept so that a rerun goes on.
    pub work: PathBuf,
    /// Engine of the probe generator.
    pub engine: EngineOptions,
}

/// How many images and views took part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Real images trained on.
    pub real: u64,
    /// Generated images trained on.
    pub fake: u64,
    /// Real images validated on.
    pub val_real: u64,
    /// Generated images validated on.
    pub val_fake: u64,
    /// Probes.
    pub probes: u64,
    /// Null probes.
    pub null_probes: u64,
    /// Views of each image.
    pub views: u64,
    /// Images refused.
    pub refused: u64,
    /// Given probes left out because their photograph is held out.
    pub probes_held_out: u64,
}

impl Counts {
    /// Count what took part, and list the images that could not.
    pub fn of(
        main: &[Row],
        val: &[Row],
        probes: &[Row],
        null: Option<&[Row]>,
        recipe: &Recipe,
    ) -> (Self, Vec<Refused>) {
        let parts = [main, val, probes, null.unwrap_or_default()];
        let refused: Vec<Refused> = parts.into_iter().flat_map(refused_rows).collect();
        let counts = Self {
            real: images(main, Label::Real),
            fake: images(main, Label::Generated),
            val_real: images(val, Label::Real),
            val_fake: images(val, Label::Generated),
            probes: paths(probes),
            null_probes: null.map_or(0, paths),
            views: u64::from(recipe.views),
            refused: refused.len() as u64,
            probes_held_out: 0,
        };
        (counts, refused)
    }
}

/// A hardened detector and how it came about.
#[derive(Debug)]
pub struct Hardened {
    /// Bytes of the detector file.
    pub model: Vec<u8>,
    /// Scores of all channels.
    pub rad: Rad,
    /// Which channels were kept.
    pub gate: Gate,
    /// How the head was trained.
    pub report: Report,
    /// How its logits are read.
    pub reading: Reading,
    /// What took part.
    pub counts: Counts,
    /// Images that could not be used.
    pub refused: Vec<Refused>,
}

/// Harden a detector: make probes, score channels, prune both extremes, train a new head and calibrate it; and train beside
/// it the heads of the honest baselines, which travel in the same file.
///
/// # Errors
/// The first step that fails; finished work stays in `inputs.work`.
pub fn harden(
    detector: &Detector,
    inputs: &Inputs,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Hardened, Error> {
    recipe.check()?;
    let store = Store::new(&inputs.work.join("features"));

    let split = split_images(inputs, recipe)?;
    let (pairs, null_pairs, probes_held_out) = gather_probes(inputs, &split, recipe, observer)?;

    let probe_rows = probe_views(detector, &store, &pairs, recipe, "dissecting probes", observer)?;
    let null_rows = match &null_pairs {
        Some(pairs) => {
            Some(probe_views(detector, &store, pairs, recipe, "dissecting null probes", observer)?)
        }
        None => None,
    };
    let rad = dissect(&probe_rows, null_rows.as_deref(), recipe)?;
    let gate = gate::bilateral(&rad.scores, &recipe.gate)?;

    let main_rows = main_views(detector, &store, &split.train, recipe, "training views", observer)?;
    let val_rows = main_views(detector, &store, &split.val, recipe, "validation views", observer)?;
    let refinement = refine(detector, &gate, &main_rows, &val_rows, Some(&probe_rows), recipe, observer)?;

    let reading = read_logits(detector, &store, &split, &refinement.head, recipe, observer)?;

    let (mut counts, refused) = Counts::of(&main_rows, &val_rows, &probe_rows, null_rows.as_deref(), recipe);
    counts.probes_held_out = probes_held_out;
    let model = assemble(detector, &rad, &gate, &refinement, &reading, recipe, &counts)?;
    Ok(Hardened { model, rad, gate, report: refinement.report, reading, counts, refused })
}

/// Dissect: scores of all channels from probe views.
///
/// # Errors
/// [`Error::Rad`]: no probe survived, or a score is not finite.
pub fn dissect(probes: &[Row], null: Option<&[Row]>, recipe: &Recipe) -> Result<Rad, Error> {
    let null = null.map(moments);
    Ok(rad(&moments(probes), null.as_deref(), &recipe.rad)?)
}

/// Region moments of the probe views that could be made, in order; a view that no part of the mask survived is absent.
fn moments(rows: &[Row]) -> Vec<RegionMoments> {
    let made = rows.iter().filter(|row| row.error.is_none());
    made.map(|row| row.moments.clone().unwrap_or_else(|| RegionMoments::absent(row.pooled.len()))).collect()
}

/// The new head and the heads of the baselines.
#[derive(Debug, Clone)]
pub struct Refinement {
    /// The gated, refitted head.
    pub head: Head,
    /// How it was trained.
    pub report: Report,
    /// Baselines: what was there, with a moved threshold, with another temperature; a head without negative weights; new
    /// heads without pruning, with a random gate and with the authors' gate.
    pub baselines: Vec<NamedHead>,
}

/// Refine: train the head on gated features, and the baselines on the same views.
///
/// # Errors
/// [`Error::Images`] where a class has no usable image; [`Error::Train`].
pub fn refine(
    detector: &Detector,
    gate: &Gate,
    main: &[Row],
    val: &[Row],
    probes: Option<&[Row]>,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Refinement, Error> {
    let main = Matrix::of(main, detector.channels());
    let val = Matrix::of(val, detector.channels());
    let probe_matrix = probes.map(|rows| Matrix::of(rows, detector.channels()));
    for (name, matrix) in [("training", &main), ("validation", &val)] {
        let generated = matrix.labels.iter().filter(|&&label| label == 1).count();
        if generated == 0 || generated == matrix.labels.len() {
            return Err(Error::Images {
                message: format!(
                    "{name}: {} views of real and {generated} of generated images could be used, expected both",
                    matrix.labels.len() - generated
                ),
                hint: "give more images of the missing class; `dear scan FOLDER` says which files cannot be read".to_owned(),
            });
        }
    }
    let training = Training {
        main: main.samples(),
        probes: probe_matrix.as_ref().map(Matrix::samples),
        validation: val.samples(),
        gate,
    };
    observer.event(Event::Started { step: "training heads", total: 1 + baselines::TRAINED });
    let hardened = head::train(&training, &recipe.head)?;
    observer.event(Event::Advanced { by: 1 });
    if observer.cancelled() {
        return Err(Error::Interrupted);
    }
    let baselines = baselines::baselines(detector, &training, probes, recipe, observer)?;
    observer.event(Event::Finished);
    Ok(Refinement { head: hardened.head, report: hardened.report, baselines })
}

/// How the logits of a new head are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// From logit to probability, where the validation images bear it.
    pub calibration: Option<Calibration>,
    /// Above which logit an image counts as generated: logit 0, with the reason, where they do not bear another one.
    pub threshold: Threshold,
}

/// Calibrate a new head on the whole validation images, as they are. What they do not bear is a warning.
///
/// # Errors
/// The engine's or the store's, or a stop.
pub fn read_logits(
    detector: &Detector,
    store: &Store,
    split: &Split,
    head: &Head,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Reading, Error> {
    let clean = Chain::parse("clean").map_err(|error| Error::Options(error.to_string()))?;
    let images = calibrate::Images {
        sources: &split.val,
        scenes: split.val_scenes.as_deref(),
        data: "the validation set, which also chose the head",
        chains: &[clean],
        seed: recipe.seed,
        decode: recipe.decode,
    };
    // What is refused here was refused, and counted, where its views were made, but for images too small to be scored whole.
    let (sample, _) = calibrate::score(detector, head, &images, store, observer)?;
    let (reading, missing) = match calibrate::calibrate(&sample, &recipe.calibrate) {
        Ok(found) => (
            Reading { calibration: Some(found.calibration), threshold: found.threshold },
            found.shortfall.map(|error| match error {
                CalibrateError::TooFew { class: "real", .. } => {
                    format!("the threshold stays at logit 0: {error}")
                }
                error => format!("there is no uncertain band: {error}"),
            }),
        ),
        Err(error) => {
            let origin = format!("default (logit 0): {error}");
            let threshold = Threshold { origin, ..Threshold::default() };
            (Reading { calibration: None, threshold }, Some(format!("not calibrated: {error}")))
        }
    };
    if let Some(message) = &missing {
        observer.event(Event::Warned { message });
    }
    Ok(reading)
}

/// Join backbone, new head and record into a detector file.
///
/// # Errors
/// [`Error::Detector`] where the file cannot be rewritten.
pub fn assemble(
    detector: &Detector,
    rad: &Rad,
    gate: &Gate,
    refinement: &Refinement,
    reading: &Reading,
    recipe: &Recipe,
    counts: &Counts,
) -> Result<Vec<u8>, Error> {
    let json =
        |value: Result<Value, serde_json::Error>| value.map_err(|error| Error::Options(error.to_string()));
    let head = json!({"training": json(serde_json::to_value(&refinement.report))?, "counts": json(serde_json::to_value(counts))?});
    let recipe_value = json(serde_json::to_value(recipe))?;
    let rad_value: RadRecord = serde_json::from_value(json(serde_json::to_value(rad))?)
        .map_err(|error| Error::Options(error.to_string()))?;
    let model = detector.with_head(&refinement.head, |metadata| {
        metadata.name = format!("{}-hardened", metadata.name);
        metadata.head = head;
        metadata.gate = Some(GateRecord::new(gate, &recipe.gate, "bilateral RAD"));
        metadata.rad = Some(rad_value);
        metadata.heads = refinement.baselines.clone();
        metadata.recipe = Some(recipe_value);
        metadata.calibration = reading.calibration.clone();
        metadata.threshold = reading.threshold.clone();
        metadata.source.extra.insert("hardened_from_sha256".to_owned(), json!(detector.sha256()));
    });
    Ok(model.map_err(DetectorError::from)?)
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
    /// Stems of held-out images: their probes are not used.
    pub held_out: BTreeSet<String>,
}

/// List the images and set the validation images apart: the given dataset, or a seeded share of the images. Images of one
/// stem (a photograph and its generated counterpart) stay on one side.
///
/// # Errors
/// [`Error::Dataset`], or [`Error::Images`] where a class is too small to be split.
pub fn split_images(inputs: &Inputs, recipe: &Recipe) -> Result<Split, Error> {
    let real = sources(&inputs.real, Label::Real, "real")?;
    let fake = sources(&inputs.fake, Label::Generated, "fake")?;
    if let Some(root) = &inputs.val {
        let dataset = validation_set(root)?;
        let val_scenes = scenes(&dataset);
        let val = dataset_sources(&dataset);
        let held_out = val.iter().map(|source| dataset::stem(&source.path)).collect();
        return Ok(Split { train: [real, fake].concat(), val, val_scenes, held_out });
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
    Ok(Split { train, val, val_scenes: None, held_out })
}

/// Open a dataset for choosing something: its split `val` or `validation`, or the folder itself where it holds no splits.
///
/// # Errors
/// [`Error::Dataset`], and [`Error::Images`] where there are other splits only.
pub fn validation_set(root: &Path) -> Result<Dataset, Error> {
    let split = ["val", "validation"].into_iter().find(|split| root.join(split).is_dir());
    // Never fall back to another split: what is chosen on the test images is not tested by them.
    if split.is_none() && ["train", "test", "test_processed"].iter().any(|split| root.join(split).is_dir()) {
        return Err(Error::Images {
            message: format!("{}: holds splits, but neither val nor validation", root.display()),
            hint: "pass the folder of the validation split itself".to_owned(),
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
    let options = view_options(recipe, step);
    views::augmented(detector, store, sources, AugmentRole::Main, &options, observer)
}

/// Views of probes, with the moments inside and outside of the mask.
///
/// # Errors
/// As [`views::augmented`].
pub fn probe_views(
    detector: &Detector,
    store: &Store,
    pairs: &[ProbePair],
    recipe: &Recipe,
    step: &str,
    observer: &dyn Observer,
) -> Result<Vec<Row>, Error> {
    let sources: Vec<Source> = pairs
        .iter()
        .map(|pair| Source {
            path: pair.image.clone(),
            key: pair.stem.clone(),
            label: Label::Generated,
            subset: "probe".to_owned(),
            mask: Some(pair.mask.clone()),
        })
        .collect();
    let options = view_options(recipe, step);
    views::augmented(detector, store, &sources, AugmentRole::Probe, &options, observer)
}

type Gathered = (Vec<ProbePair>, Option<Vec<ProbePair>>, u64);

fn view_options<'a>(recipe: &'a Recipe, step: &'a str) -> ViewOptions<'a> {
    let Recipe { seed, views, augment, decode, .. } = recipe;
    ViewOptions { seed: *seed, views: *views, augment, decode: *decode, step }
}

/// Find the given probes, or make them from the training photographs; null probes likewise.
fn gather_probes(
    inputs: &Inputs,
    split: &Split,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Gathered, Error> {
    let photographs: Vec<PathBuf> = split
        .train
        .iter()
        .filter(|source| source.label == Label::Real)
        .map(|source| source.path.clone())
        .collect();
    let mut held_out = 0;
    let mut keep = |pairs: Vec<ProbePair>| -> Vec<ProbePair> {
        let before = pairs.len();
        let kept: Vec<ProbePair> =
            pairs.into_iter().filter(|pair| !split.held_out.contains(&pair.photograph())).collect();
        held_out += (before - kept.len()) as u64;
        kept
    };
    // What is refused here is refused again, and counted, where its training views are made.
    let make = |options: &ProbeOptions, folder: &str| -> Result<Vec<ProbePair>, Error> {
        let out = &inputs.work.join(folder);
        let inpainter = probe::open_inpainter(options, &inputs.engine, out)?;
        let making = Making {
            inpainter: inpainter.as_ref(),
            options,
            masks: None,
            decoding: &recipe.decode,
            shard: Shard::WHOLE,
            out,
        };
        Ok(only_made(out, &probe::make(&photographs, &making, observer)?.0))
    };
    let pairs = match &inputs.probes {
        Some((images, masks)) => {
            keep(probe::list(images, masks.as_deref(), Some(InpainterKind::Resynthesis))?)
        }
        None if !recipe.probe.inpainter.generates() => {
            return Err(Error::Recipe(
                "probe.inpainter is null, expected one that generates: the head is trained on these probes"
                    .to_owned(),
            ));
        }
        None => make(&recipe.probe, "probes")?,
    };
    let null = match &inputs.null_probes {
        Some(folder) => Some(keep(probe::list(folder, None, Some(InpainterKind::Null))?)),
        None if recipe.rad.subtract_null => {
            let ProbeOptions { seed, scale, composite, mask, .. } = recipe.probe.clone();
            let null = ProbeOptions {
                seed,
                inpainter: InpainterKind::Null,
                scale,
                composite,
                mask,
                ..ProbeOptions::default()
            };
            Some(make(&null, "null-probes")?)
        }
        None => None,
    };
    if pairs.is_empty() {
        return Err(Error::Probes {
            message: "every probe belongs to a held-out photograph, expected some for training".to_owned(),
            hint: "give a validation set with --val, or more probes".to_owned(),
        });
    }
    Ok((pairs, null, held_out))
}

/// The pairs of the probes just made; others in the folder belong to other runs.
fn only_made(folder: &Path, made: &[probe::Made]) -> Vec<ProbePair> {
    made.iter()
        .map(|row| ProbePair {
            stem: row.stem.clone(),
            image: folder.join(format!("{}_inpaint.png", row.stem)),
            mask: folder.join(format!("{}_mask.png", row.stem)),
        })
        .collect()
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

struct Matrix {
    features: Vec<f32>,
    channels: usize,
    labels: Vec<u8>,
}

impl Matrix {
    fn of(rows: &[Row], channels: usize) -> Self {
        let usable = || rows.iter().filter(|row| row.error.is_none());
        Self {
            features: usable().flat_map(|row| row.pooled.iter().copied()).collect(),
            channels,
            labels: usable().map(|row| row.label.as_u8()).collect(),
        }
    }
    fn samples(&self) -> Samples<'_> {
        Samples { features: &self.features, channels: self.channels, labels: &self.labels }
    }
}

fn refused_rows(rows: &[Row]) -> impl Iterator<Item = Refused> + '_ {
    rows.iter().filter_map(|row| {
        let (kind, message) = row.error.clone()?;
        Some(Refused { path: row.path.clone(), kind, message })
    })
}

fn images(rows: &[Row], label: Label) -> u64 {
    paths_where(rows, |row| row.label == label)
}

fn paths(rows: &[Row]) -> u64 {
    paths_where(rows, |_| true)
}

fn paths_where(rows: &[Row], wanted: impl Fn(&Row) -> bool) -> u64 {
    let usable = rows.iter().filter(|row| row.error.is_none() && wanted(row));
    usable.map(|row| row.path.as_str()).collect::<BTreeSet<_>>().len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(files: &[String]) -> (tempfile::TempDir, Inputs) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, b"x").unwrap();
        }
        let inputs = Inputs {
            real: folder.path().join("real"),
            fake: folder.path().join("fake"),
            val: None,
            probes: None,
            null_probes: None,
            work: folder.path().join("work"),
            engine: EngineOptions::default(),
        };
        (folder, inputs)
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
        let (_folder, inputs) = inputs(&files);
        let split = split_images(&inputs, &Recipe::default()).unwrap();
        assert_eq!(split.val.len(), 2 * 4 + 2 + 1, "a fifth of each kind, pairs counted as one");
        assert_eq!(split.train.len() + split.val.len(), files.len());
        let stems = |sources: &[Source]| -> BTreeSet<String> {
            sources.iter().map(|source| dataset::stem(&source.path)).collect()
        };
        assert!(stems(&split.train).is_disjoint(&stems(&split.val)), "a pair was torn apart");
        assert_eq!(stems(&split.val), split.held_out);
        assert_eq!(keys(&split.val), keys(&split_images(&inputs, &Recipe::default()).unwrap().val));
        let other = split_images(&inputs, &Recipe { seed: 1, ..Recipe::default() }).unwrap();
        assert_ne!(keys(&split.val), keys(&other.val), "the seed decides");
    }

    #[test]
    fn too_few_images_to_hold_any_out_is_an_error_with_a_remedy() {
        let (_folder, inputs) = inputs(&["real/a.jpg".into(), "fake/b.jpg".into(), "fake/c.jpg".into()]);
        let error = split_images(&inputs, &Recipe::default()).unwrap_err();
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
        let (folder, mut inputs) = inputs(&files.map(str::to_owned));
        inputs.val = Some(folder.path().join("data"));
        let split = split_images(&inputs, &Recipe::default()).unwrap();
        assert_eq!(keys(&split.train), ["fake/b.jpg", "real/a.jpg"].map(str::to_owned).into());
        assert_eq!(keys(&split.val), ["fake/d.jpg", "real/c.jpg"].map(str::to_owned).into());
        assert_eq!(
            split.held_out,
            ["c", "d"].map(str::to_owned).into(),
            "probes of validation images are not used"
        );
        fs_err::create_dir_all(folder.path().join("other/test/real")).unwrap();
        inputs.val = Some(folder.path().join("other"));
        let error = split_images(&inputs, &Recipe::default()).unwrap_err();
        assert!(error.to_string().contains("neither val nor validation"), "{error}");
    }
}
