//! The method in one place: probes, dissect, prune, refine. It reads like the paper's abstract.

mod baselines;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dear_image::Chain;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::backbone::metadata::{GateRecord, Metadata, NamedHead, RadRecord, Threshold};
use crate::calibrate::{self, CalibrateError, Calibration, Range};
use crate::dataset::Label;
use crate::detector::{Detector, DetectorError};
use crate::dissect::{Dissection, dissect};
use crate::engine::EngineOptions;
use crate::error::Error;
use crate::gate::Gate;
use crate::head::{self, Head, Report};
use crate::observe::{Event, Observer};
use crate::probe::{self, InpainterKind, Making, ProbeOptions, ProbePair, Refused, Shard};
use crate::rad::Rad;
use crate::recipe::Recipe;
use crate::store::{Row, Store};
use crate::training_data::TrainingData;
use crate::training_set::{Split, TrainingImages, split_images};

/// What a detector is hardened with.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Training and validation images.
    pub images: TrainingImages,
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

    let split = split_images(&inputs.images, recipe)?;
    let (pairs, null_pairs, probes_held_out) = gather_probes(inputs, &split, recipe, observer)?;

    let probes = (pairs.as_slice(), null_pairs.as_deref());
    let dissection = dissect(detector, &store, probes, None, recipe, observer)?;
    let gate = dissection.gate(recipe)?;

    let probes = Some(dissection.probes.as_slice());
    let solvers = [&recipe.head];
    let data = TrainingData::gather(detector, &store, &split, probes, &solvers, recipe, observer)?;
    let refinement = refine(detector, &gate, &data, probes, recipe, observer)?;

    let reading = read_logits(detector, &store, &split, &refinement.head, recipe, observer)?;

    let Dissection { rad, probes, null, .. } = dissection;
    let (mut counts, refused) = Counts::of(&data.main_rows, &data.val_rows, &probes, null.as_deref(), recipe);
    counts.probes_held_out = probes_held_out;
    let model = assemble(detector, &rad, &gate, &refinement, &reading, recipe, &counts)?;
    Ok(Hardened { model, rad, gate, report: refinement.report, reading, counts, refused })
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
    data: &TrainingData,
    probes: Option<&[Row]>,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Refinement, Error> {
    let operating = data.operating();
    let training = data.training(gate, &operating);
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
    /// Which images they come from; empty where there is no calibration.
    pub range: Range,
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
            Reading {
                calibration: Some(found.calibration),
                threshold: found.threshold,
                range: Range::of(&split.val, &sample, &recipe.decode),
            },
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
            (
                Reading { calibration: None, threshold, range: Range::default() },
                Some(format!("not calibrated: {error}")),
            )
        }
    };
    if let Some(message) = &missing {
        observer.event(Event::Warned { message });
    }
    Ok(reading)
}

/// What a detector's document says of the training of its head.
pub(crate) struct TrainingRecord {
    head: Value,
    recipe: Value,
}

impl TrainingRecord {
    pub(crate) fn new(report: &Report, counts: &Counts, recipe: &Recipe) -> Result<Self, Error> {
        let head = json!({"training": json(report)?, "counts": json(counts)?});
        Ok(Self { head, recipe: json(recipe)? })
    }

    pub(crate) fn write(self, metadata: &mut Metadata, reading: &Reading) {
        metadata.head = self.head;
        metadata.recipe = Some(self.recipe);
        metadata.calibration = reading.calibration.clone();
        metadata.threshold = reading.threshold.clone();
        reading.range.write(&mut metadata.valid_input);
    }
}

fn json(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Options(error.to_string()))
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
    let record = TrainingRecord::new(&refinement.report, counts, recipe)?;
    let rad: RadRecord =
        serde_json::from_value(json(rad)?).map_err(|error| Error::Options(error.to_string()))?;
    let model = detector.with_head(&refinement.head, |metadata| {
        metadata.name = format!("{}-hardened", metadata.name);
        metadata.gate = Some(GateRecord::new(gate, &recipe.gate));
        metadata.rad = Some(rad);
        metadata.heads = refinement.baselines.clone();
        record.write(metadata, reading);
        metadata.source.extra.insert("hardened_from_sha256".to_owned(), json!(detector.sha256()));
    });
    Ok(model.map_err(DetectorError::from)?)
}

pub(crate) type Gathered = (Vec<ProbePair>, Option<Vec<ProbePair>>, u64);

/// Find the given probes, or make them from the training photographs; null probes likewise.
pub(crate) fn gather_probes(
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
    let mut given = |folder: &Path, masks: Option<&Path>, kind| -> Result<Vec<ProbePair>, Error> {
        let (kept, left_out) = given_probes(folder, masks, kind, split)?;
        held_out += left_out;
        Ok(kept)
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
        Some((images, masks)) => given(images, masks.as_deref(), InpainterKind::Resynthesis)?,
        None if !recipe.probe.inpainter.generates() => {
            return Err(Error::Recipe(
                "probe.inpainter is null, expected one that generates: the head is trained on these probes"
                    .to_owned(),
            ));
        }
        None => make(&recipe.probe, "probes")?,
    };
    let null = match &inputs.null_probes {
        Some(folder) => Some(given(folder, None, InpainterKind::Null)?),
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
    Ok((pairs, null, held_out))
}

/// The probes of a folder that may be trained on, and how many are not among them because their photograph is held out.
///
/// # Errors
/// As [`probe::list`]; [`Error::Probes`] where none is left.
pub fn given_probes(
    folder: &Path,
    masks: Option<&Path>,
    kind: InpainterKind,
    split: &Split,
) -> Result<(Vec<ProbePair>, u64), Error> {
    let mut pairs = probe::list(folder, masks, Some(kind))?;
    let listed = pairs.len();
    pairs.retain(|pair| !split.held_out.contains(&pair.photograph()));
    if pairs.is_empty() {
        return Err(Error::Probes {
            message: format!(
                "{}: every probe belongs to a held-out photograph, expected some for training",
                folder.display()
            ),
            hint: match split.val_given {
                true => "give probes of other photographs: none may have the name of an image of --val",
                false => "give a validation set with --val, or more probes",
            }
            .to_owned(),
        });
    }
    let left_out = listed - pairs.len();
    Ok((pairs, left_out as u64))
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

    #[test]
    fn where_all_probes_are_held_out_the_hint_fits_the_validation_set() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a_inpaint.png", "a_mask.png"] {
            fs_err::write(folder.path().join(name), b"x").unwrap();
        }
        for (val_given, said) in [(true, "an image of --val"), (false, "a validation set with --val")] {
            let held_out = BTreeSet::from(["a".to_owned()]);
            let mut split = Split { train: vec![], val: vec![], val_scenes: None, val_given, held_out };
            let given = |split: &Split| given_probes(folder.path(), None, InpainterKind::Resynthesis, split);
            let error = given(&split).unwrap_err();
            assert!(error.to_string().contains("every probe belongs to a held-out photograph"), "{error}");
            assert!(error.hint().unwrap().contains(said), "{:?}", error.hint());
            split.held_out.clear();
            let (kept, left_out) = given(&split).unwrap();
            assert_eq!((kept.len(), left_out), (1, 0));
        }
    }
}
