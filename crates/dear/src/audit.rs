//! Is a dataset a test of what it claims? Which nuisances predict its labels, which pictures it holds twice, and, with a
//! detector, whether its scores follow them.
//!
//! ```text
//! files -> facts (header, pixels) -> shortcut (one family of tests) -> verdict -> remedy (a chain for `dear perturb`)
//!       \-> fingerprint -> duplicates (across classes, across splits)
//!       \-> detector -> dependence (score on each nuisance), counterfactual (the other class's format)
//! ```
//!
//! What is tested, how, and what an audit cannot say: `docs/audit.md`.

mod counterfactual;
mod dependence;
mod duplicates;
mod family;
mod feature;
mod fingerprint;
mod remedy;
mod shortcut;
mod trace;

pub use counterfactual::{Counterfactual, Swap};
pub use dependence::Dependence;
pub use duplicates::{Crossing, Duplicates, Picture, Place};
pub use feature::{FEATURES, Facts, Feature, Kind, Value};
pub use remedy::Remedy;
pub use shortcut::{Finding, Flag, Row, Shortcuts, find};
pub use trace::Traces;

use std::path::Path;

use dear_image::{DecodeOptions, Image, decode};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::{self, Dataset, Sample};
use crate::detector::{Detector, DetectorError};
use crate::error::Error;
use crate::files::sha256_hex;
use crate::observe::{Event, Observer};
use crate::probe::Refused;
use duplicates::Candidate;
use fingerprint::Fingerprint;
use remedy::Profile;

/// How an audit is done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditOptions {
    /// Key of all draws (default 0).
    pub seed: u64,
    /// Chance of any false alarm, over all features of all splits (default 0.02).
    pub level: f64,
    /// Permutations of the labels (default 1,999).
    pub permutations: u32,
    /// A significant feature is a shortcut from this AUC on (default 0.6): in large sets everything is significant.
    pub least_auc: f64,
    /// And if the lower end of its 95 % interval is at least this (default 0.55).
    pub least_low: f64,
    /// A set in which a feature of this AUC would be missed more often than one time in five is too small for a verdict
    /// of clean (default 0.75).
    pub resolve_auc: f64,
    /// Images of each class for the counterfactual test (default 200).
    pub counterfactual_images: u32,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            level: 0.02,
            permutations: 1999,
            least_auc: 0.6,
            least_low: 0.55,
            resolve_auc: 0.75,
            counterfactual_images: 200,
        }
    }
}

impl AuditOptions {
    /// Refuse values outside their range.
    ///
    /// # Errors
    /// [`Error::Options`], which names the option.
    pub fn check(&self) -> Result<(), Error> {
        let share = |value: f64, low: f64| value > low && value < 1.0;
        let wrong = |key: &str, found: f64, expected: &str| {
            Err(Error::Options(format!("audit option {key:?} is {found}, expected {expected}")))
        };
        match self {
            _ if !share(self.level, 0.0) => wrong("level", self.level, "a share between 0 and 1"),
            _ if !share(self.least_auc, 0.5) => wrong("least_auc", self.least_auc, "between 0.5 and 1"),
            _ if !(0.5..1.0).contains(&self.least_low) => {
                wrong("least_low", self.least_low, "0.5 to below 1")
            }
            _ if !share(self.resolve_auc, 0.5) => wrong("resolve_auc", self.resolve_auc, "between 0.5 and 1"),
            _ if f64::from(self.permutations) * self.level < 2.0 => {
                wrong("permutations", f64::from(self.permutations), "at least 2 / level")
            }
            _ => Ok(()),
        }
    }
}

/// What an audit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No shortcut among the features, and the set was large enough to see one.
    Clean,
    /// No shortcut found, but the set is too small to say that there is none.
    NotResolvable,
    /// A feature predicts the label.
    Confounded,
}

/// The document `audit.json` (schema 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// 1.
    pub schema: u32,
    /// Version of dear.
    pub version: String,
    /// The folder as given.
    pub data: String,
    /// The options in force.
    pub options: AuditOptions,
    /// The worst verdict of the splits.
    pub verdict: Verdict,
    /// Each split, or the one set.
    pub splits: Vec<Split>,
    /// Pictures that occur in several places.
    pub duplicates: Duplicates,
    /// What to do about the shortcuts; null where there are none.
    pub remedy: Option<Remedy>,
    /// Which detector took part.
    pub detector: Option<AuditedDetector>,
    /// What it comes to, in sentences.
    pub words: Vec<String>,
    /// Images that could not be used.
    pub refused: Vec<RefusedImage>,
}

/// One set of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Its name; null for a folder that holds the classes itself.
    pub split: Option<String>,
    /// Real images that were measured.
    pub real: u64,
    /// Generated images that were measured.
    pub fake: u64,
    /// Real images that were refused.
    pub refused_real: u64,
    /// Generated images that were refused.
    pub refused_fake: u64,
    /// Whether a manifest said which images share a scene; scenes are then permuted whole.
    pub scenes_known: bool,
    /// Its verdict.
    pub verdict: Verdict,
    /// AUC that a numeric feature must truly have to be found with probability 0.8; null where even 1 would not be.
    pub detectable_auc: Option<f64>,
    /// Features that vary, the strongest first.
    pub findings: Vec<Finding>,
    /// Features that are equal in all images.
    pub constant: Vec<String>,
    /// Dependence of the scores; empty without a detector.
    pub dependence: Vec<Dependence>,
    /// The same pictures in the other class's format; null without a detector.
    pub counterfactual: Option<Counterfactual>,
}

/// A detector that took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditedDetector {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// A logit above it says generated.
    pub threshold: f64,
    /// Who set the threshold.
    pub threshold_origin: String,
}

/// An image that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedImage {
    /// Its split.
    pub split: Option<String>,
    /// Its path in the split.
    pub path: String,
    /// Stable name of the reason.
    pub kind: String,
    /// One line.
    pub message: String,
}

/// A dataset, and its split's name where the root holds several.
pub type Set = (Option<String>, Dataset);

/// The sets below `root`: the one split asked for, or all of them, or the folder itself.
///
/// # Errors
/// As [`dataset::open`].
pub fn open(root: &Path, split: Option<&str>) -> Result<Vec<Set>, Error> {
    let first = dataset::open(root, split)?;
    if let Some(split) = split {
        return Ok(vec![(Some(split.to_owned()), first)]);
    }
    if first.root == root {
        return Ok(vec![(None, first)]);
    }
    let present = dataset::SPLITS.iter().filter(|split| root.join(split).is_dir());
    present.map(|split| Ok((Some((*split).to_owned()), dataset::open(root, Some(split))?))).collect()
}

/// Audit the sets of one root.
///
/// # Errors
/// A stop, an engine that fails, or a set of which no image of a class can be read.
pub fn audit(
    root: &Path,
    sets: &[Set],
    detector: Option<&Detector>,
    options: &AuditOptions,
    observer: &dyn Observer,
) -> Result<Audit, Error> {
    options.check()?;
    let (mut splits, mut candidates, mut profiles, mut refused) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, dataset) in sets {
        let seen = look(dataset, detector, observer)?;
        let (mut split, usable) = judge(name, dataset, seen, sets.len(), options, &mut refused)?;
        if let Some(detector) = detector {
            let scored: Vec<dependence::Scored> = usable.iter().filter_map(Usable::scored).collect();
            split.dependence = dependence::find(&scored, 2 * sets.len(), options);
            split.counterfactual = Some(counterfactual::test(&usable, detector, options, observer)?);
        }
        splits.push(split);
        for image in usable {
            profiles.push(image.seen.profile);
            candidates.push(Candidate {
                split: name.clone(),
                label: image.sample.label,
                path: image.sample.key.clone(),
                sha256: image.seen.sha256,
                fingerprint: image.seen.fingerprint,
            });
        }
    }
    let duplicates = duplicates::find(&candidates);
    let confounded: Vec<&Finding> = splits
        .iter()
        .flat_map(|split| split.findings.iter().filter(|finding| finding.flag == Flag::Confounded))
        .collect();
    let remedy = (!confounded.is_empty()).then(|| remedy::propose(root, sets, &confounded, &profiles));
    let verdict = splits.iter().map(|split| split.verdict).max().unwrap_or(Verdict::NotResolvable);
    let audited = detector.map(|detector| AuditedDetector {
        name: detector.metadata().name.clone(),
        sha256: detector.sha256().to_owned(),
        threshold: detector.metadata().threshold.value,
        threshold_origin: detector.metadata().threshold.origin.clone(),
    });
    let mut audit = Audit {
        schema: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: dataset::path_text(root),
        options: *options,
        verdict,
        splits,
        duplicates,
        remedy,
        detector: audited,
        words: Vec::new(),
        refused,
    };
    audit.words = words(&audit);
    Ok(audit)
}

/// What one file showed.
struct Seen {
    values: Vec<Value>,
    profile: Profile,
    sha256: String,
    fingerprint: Option<Fingerprint>,
    logit: Option<f64>,
}

/// An image that was measured.
struct Usable<'a> {
    sample: &'a Sample,
    seen: Seen,
}

impl Usable<'_> {
    fn scored(&self) -> Option<dependence::Scored<'_>> {
        let row =
            Row { label: self.sample.label.as_u8(), group: &self.sample.group, values: &self.seen.values };
        Some(dependence::Scored { row, logit: self.seen.logit? })
    }
}

/// Images that are decoded at once: bounds memory.
const BATCH: usize = 16;

/// Read, decode and measure every image; score it if there is a detector.
fn look(
    dataset: &Dataset,
    detector: Option<&Detector>,
    observer: &dyn Observer,
) -> Result<Vec<Result<Seen, Refused>>, Error> {
    observer.event(Event::Started { step: "looking at images", total: dataset.samples.len() as u64 });
    let mut all = Vec::with_capacity(dataset.samples.len());
    for batch in dataset.samples.chunks(BATCH) {
        if observer.cancelled() {
            return Err(Error::Interrupted);
        }
        let looked: Vec<Result<(Seen, Option<Image>), Refused>> = batch
            .par_iter()
            .map(|sample| {
                let (bytes, image) = read(sample)?;
                let facts = Facts::of(&bytes, &image);
                let seen = Seen {
                    values: facts.values(),
                    profile: Profile::of(sample.label, &facts),
                    sha256: sha256_hex(&bytes),
                    fingerprint: Fingerprint::of(&image),
                    logit: None,
                };
                Ok((seen, detector.is_some().then_some(image)))
            })
            .collect();
        for looked in looked {
            all.push(match looked {
                Ok((mut seen, image)) => {
                    seen.logit = detector
                        .zip(image)
                        .map(|(detector, image)| score(detector, &image))
                        .transpose()?
                        .flatten();
                    Ok(seen)
                }
                Err(refused) => Err(refused),
            });
            observer.event(Event::Advanced { by: 1 });
        }
    }
    observer.event(Event::Finished);
    Ok(all)
}

/// The bytes and pixels of a file; a refused one is named as in all records.
fn read(sample: &Sample) -> Result<(Vec<u8>, Image), Refused> {
    let refuse =
        |kind: &str, message: String| Refused { path: sample.key.clone(), kind: kind.to_owned(), message };
    let bytes = fs_err::read(&sample.path).map_err(|error| refuse("unreadable", error.to_string()))?;
    let decoded = decode(&bytes, &DecodeOptions::default())
        .map_err(|error| refuse(error.kind().as_str(), error.to_string()))?;
    Ok((bytes, decoded.image))
}

/// `None` for an image that the detector cannot take; any other failure ends the run.
fn score(detector: &Detector, image: &Image) -> Result<Option<f64>, Error> {
    match detector.score(image) {
        Ok(logit) => Ok(Some(logit)),
        Err(DetectorError::TooSmall { .. } | DetectorError::NonFinite { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Tests the features of one set; gives back the images that could be used.
fn judge<'a>(
    name: &Option<String>,
    dataset: &'a Dataset,
    seen: Vec<Result<Seen, Refused>>,
    families: usize,
    options: &AuditOptions,
    refused: &mut Vec<RefusedImage>,
) -> Result<(Split, Vec<Usable<'a>>), Error> {
    let mut usable = Vec::with_capacity(seen.len());
    let (mut counts, mut refusals) = ([0u64; 2], [0u64; 2]);
    for (sample, seen) in dataset.samples.iter().zip(seen) {
        let class = usize::from(sample.label.as_u8());
        match seen {
            Ok(seen) => {
                counts[class] += 1;
                usable.push(Usable { sample, seen });
            }
            Err(Refused { path, kind, message }) => {
                refusals[class] += 1;
                refused.push(RefusedImage { split: name.clone(), path, kind, message });
            }
        }
    }
    if counts.contains(&0) {
        let [real, fake] = counts;
        return Err(Error::Images {
            message: format!(
                "{}: {real} real and {fake} generated images could be read, expected both classes",
                dataset.root.display()
            ),
            hint: "the refused images are listed by `dear scan`".to_owned(),
        });
    }
    let rows: Vec<Row> = usable
        .iter()
        .map(|image| Row {
            label: image.sample.label.as_u8(),
            group: &image.sample.group,
            values: &image.seen.values,
        })
        .collect();
    let shortcuts = find(&rows, families, options);
    let found = shortcuts.findings.iter().any(|finding| finding.flag == Flag::Confounded);
    let verdict = match shortcuts.detectable_auc {
        _ if found => Verdict::Confounded,
        Some(auc) if auc <= options.resolve_auc => Verdict::Clean,
        _ => Verdict::NotResolvable,
    };
    let split = Split {
        split: name.clone(),
        real: counts[0],
        fake: counts[1],
        refused_real: refusals[0],
        refused_fake: refusals[1],
        scenes_known: dataset.scenes_known,
        verdict,
        detectable_auc: shortcuts.detectable_auc,
        findings: shortcuts.findings,
        constant: shortcuts.constant,
        dependence: Vec::new(),
        counterfactual: None,
    };
    Ok((split, usable))
}

/// What an audit comes to, in sentences.
fn words(audit: &Audit) -> Vec<String> {
    let mut words = Vec::new();
    for split in &audit.splits {
        let name = split.split.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let of = |kind| {
            let found = split.findings.iter().filter(|f| f.flag == Flag::Confounded && f.kind == kind);
            found.map(|finding| finding.feature.as_str()).collect::<Vec<_>>().join(", ")
        };
        let [file, trace, content] = [Kind::File, Kind::Trace, Kind::Content].map(of);
        if !file.is_empty() {
            words.push(format!("{name}how the files were stored tells the classes apart ({file}): a detector trained or judged here may be a file detector"));
        }
        if !trace.is_empty() {
            words.push(format!("{name}traces of processing tell the classes apart ({trace}): this may be the generator's own mark, or what happened to the files before"));
        }
        if !content.is_empty() {
            words.push(format!(
                "{name}colours tell the classes apart ({content}): the classes may show different things"
            ));
        }
        match (split.verdict, split.detectable_auc) {
            (Verdict::Clean, Some(auc)) => words.push(format!("{name}none of the measured features is a shortcut; one of AUC {auc:.2} or more would have been found four times in five")),
            (Verdict::NotResolvable, Some(auc)) => words.push(format!("{name}{} real and {} generated images are too few for a verdict: only a feature of AUC {auc:.2} or more would be found four times in five", split.real, split.fake)),
            (Verdict::NotResolvable, None) => words.push(format!("{name}{} real and {} generated images are too few for a verdict: no feature could be told from chance", split.real, split.fake)),
            _ => {}
        }
    }
    let crossing = |crossing: &Crossing, what: &str| {
        format!(
            "{} pictures occur {what} ({} images, {} pictures as identical files)",
            crossing.pictures, crossing.images, crossing.identical_files
        )
    };
    if audit.duplicates.across_classes.pictures > 0 {
        words.push(
            crossing(&audit.duplicates.across_classes, "in both classes")
                + ": wrong labels, unless generated images were made from the real ones",
        );
    }
    if audit.duplicates.across_splits.pictures > 0 {
        words.push(
            crossing(&audit.duplicates.across_splits, "in several splits")
                + ": results on one split are not independent of the other",
        );
    }
    words
}
