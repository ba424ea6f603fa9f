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
mod words;

pub use counterfactual::{Counterfactual, Swap};
pub use dependence::Dependence;
pub use duplicates::{Crossing, Duplicates, Picture, Place};
pub use feature::{FEATURES, Facts, Feature, Kind, Value};
pub use remedy::Remedy;
pub use shortcut::{Finding, Flag, Row, Shortcuts, find};
pub use trace::Traces;

use std::collections::BTreeMap;
use std::path::Path;

use dear_image::{DecodeOptions, Image, decode};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::{self, Dataset, Label, Sample};
use crate::detector::Detector;
use crate::error::Error;
use crate::evaluate::counted;
use crate::files::{one_line, read_image, sha256_hex};
use crate::observe::{Event, Observer};
use crate::probe::Refused;
use crate::scan::exact_bytes;
use duplicates::Candidate;
use fingerprint::Fingerprint;
use remedy::Profile;

/// Most permutations that an audit makes: they are all held.
const MOST_PERMUTATIONS: u32 = 200_000;

/// How an audit is done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditOptions {
    /// Key of all draws (default 0).
    pub seed: u64,
    /// Chance of any false alarm, over all features of all splits (default 0.02).
    pub level: f64,
    /// Permutations of the labels (default 1,999). An audit makes more where the level and the number of splits ask for it.
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
    /// How image files become pixels.
    #[serde(default)]
    pub decode: DecodeOptions,
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
            decode: DecodeOptions::default(),
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
            _ => Ok(()),
        }
    }

    /// With as many permutations as it takes for anything to be significant where `families` of tests, of so many `splits`,
    /// share the level.
    fn resolving(self, families: usize, splits: usize) -> Result<Self, Error> {
        // The least p-value is one in as many, and each is multiplied by the number of families.
        let needed = (2.0 * families as f64 / self.level).ceil();
        if needed <= f64::from(self.permutations) {
            return Ok(self);
        }
        if needed > f64::from(MOST_PERMUTATIONS) {
            return Err(Error::Images {
                message: format!(
                    "--level {} for {} needs {needed} permutations of the labels, expected at most {MOST_PERMUTATIONS}",
                    self.level,
                    counted(splits as u64, "split")
                ),
                hint: "raise --level, or audit one split at a time with --split".to_owned(),
            });
        }
        Ok(Self { permutations: needed as u32, ..self })
    }
}

/// What an audit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No shortcut among the features, and the set was large enough to see one.
    Clean,
    /// No shortcut found, but the set is too small to say that there is none, or could not be judged.
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
    /// The folder or manifest as given.
    pub data: String,
    /// The options in force.
    pub options: AuditOptions,
    /// The worst verdict of the splits.
    pub verdict: Verdict,
    /// Why, in a few words.
    #[serde(default)]
    pub reason: String,
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
    /// Its name; null for a folder that holds the classes itself, and for images of a manifest that have no split.
    pub split: Option<String>,
    /// Why nothing was tested (a class without a usable image, a folder that cannot be read); null where it was.
    #[serde(default)]
    pub not_judged: Option<String>,
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
    /// What the detector refused, by class; empty without a detector.
    #[serde(default)]
    pub unscored: Vec<Unscored>,
    /// Dependence of the scores; empty without a detector.
    pub dependence: Vec<Dependence>,
    /// The same pictures in the other class's format; null without a detector.
    pub counterfactual: Option<Counterfactual>,
}

/// Images of a class that were measured and that the detector refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unscored {
    /// The class.
    pub label: Label,
    /// How many.
    pub images: u64,
    /// Commonest kind of the reason.
    pub kind: String,
    /// Its first message, one line.
    pub message: String,
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
    /// Its path in the split; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The path's exact bytes in base64 where it is not UTF-8, else null.
    #[serde(default)]
    pub path_base64: Option<String>,
    /// Stable name of the reason.
    pub kind: String,
    /// One line.
    pub message: String,
}

/// A split's name, where the data has splits, and its images, or why they cannot be used.
pub type Set = dataset::Opened;

/// The sets of `root`, a folder or a manifest: the one split asked for, or all of them, or all of it.
///
/// # Errors
/// As [`dataset::open`], where no set can be used. A split beside one that can be used is in its place with its error.
pub fn open(root: &Path, split: Option<&str>) -> Result<Vec<Set>, Error> {
    if split.is_some() {
        return Ok(vec![(split.map(str::to_owned), Ok(dataset::open(root, split)?))]);
    }
    let mut sets = dataset::open_all(root)?;
    if sets.iter().all(|(_, images)| images.is_err())
        && let Some((_, Err(first))) = sets.drain(..).next()
    {
        return Err(first.into());
    }
    Ok(sets)
}

/// Audit the sets of one root. A set that cannot be judged (no image of a class can be used) does not end the audit of
/// the others.
///
/// # Errors
/// A stop, an engine that fails, no set that can be judged, or more of them than the level can be divided among.
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
    // Sets that share the level.
    let families = sets.iter().filter(|(_, images)| images.is_ok()).count();
    // The dependence of scores is tested in both classes.
    let most = if detector.is_some() { 2 * families } else { families };
    let options = &options.resolving(most, families)?;
    for (name, images) in sets {
        let dataset = match images {
            Ok(dataset) => dataset,
            Err(error) => {
                splits.push(Split::not_judged(name, error.to_string()));
                continue;
            }
        };
        let step = name.as_ref().map_or_else(
            || "looking at images".to_owned(),
            |name| format!("looking at images of {}", one_line(name)),
        );
        let seen = look(dataset, &step, detector, &options.decode, observer)?;
        let (mut split, usable) = judge(name, dataset, seen, families, options, &mut refused);
        if let Some(detector) = detector.filter(|_| split.not_judged.is_none()) {
            let scored: Vec<dependence::Scored> = usable.iter().filter_map(Usable::scored).collect();
            split.unscored = unscored(&usable);
            split.dependence = dependence::find(&scored, 2 * families, options);
            split.counterfactual = Some(counterfactual::test(&usable, detector, options, observer)?);
        }
        splits.push(split);
        for image in usable {
            profiles.push(image.seen.profile);
            candidates.push(Candidate {
                split: name.clone(),
                label: image.sample.label,
                path: image.sample.key.clone(),
                path_base64: exact_key(image.sample, dataset),
                sha256: image.seen.sha256,
                fingerprint: image.seen.fingerprint,
            });
        }
    }
    if splits.iter().all(|split| split.not_judged.is_some()) {
        let reasons = splits.iter().filter_map(|split| split.not_judged.clone());
        return Err(Error::Images {
            message: reasons
                .reduce(|all, next| format!("{all}; {next}"))
                .unwrap_or_else(|| format!("{}: no set of images, expected at least one", root.display())),
            hint: "`dear scan` lists what is wrong with each image".to_owned(),
        });
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
        reason: String::new(),
        splits,
        duplicates,
        remedy,
        detector: audited,
        words: Vec::new(),
        refused,
    };
    audit.reason = words::reason(&audit);
    audit.words = words::words(&audit);
    Ok(audit)
}

/// The exact bytes of an image's key, where it is not UTF-8.
fn exact_key(sample: &Sample, dataset: &Dataset) -> Option<String> {
    exact_bytes(sample.path.strip_prefix(&dataset.root).unwrap_or(&sample.path))
}

/// What one file showed.
struct Seen {
    values: Vec<Value>,
    profile: Profile,
    sha256: String,
    fingerprint: Option<Fingerprint>,
    /// `None` without a detector, and where it refuses the image.
    logit: Option<f64>,
    /// Kind and message of that refusal.
    unscored: Option<(String, String)>,
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
    step: &str,
    detector: Option<&Detector>,
    options: &DecodeOptions,
    observer: &dyn Observer,
) -> Result<Vec<Result<Seen, Refused>>, Error> {
    observer.event(Event::Started { step, total: dataset.samples.len() as u64 });
    let mut all = Vec::with_capacity(dataset.samples.len());
    for batch in dataset.samples.chunks(BATCH) {
        if observer.cancelled() {
            return Err(Error::Abandoned);
        }
        let looked: Vec<Result<(Seen, Option<Image>), Refused>> = batch
            .par_iter()
            .map(|sample| {
                let (bytes, image) = read(sample, options)?;
                let facts = Facts::of(&bytes, &image);
                let seen = Seen {
                    values: facts.values(),
                    profile: Profile::of(sample.label, &facts),
                    sha256: sha256_hex(&bytes),
                    fingerprint: Fingerprint::of(&image),
                    logit: None,
                    unscored: None,
                };
                Ok((seen, detector.is_some().then_some(image)))
            })
            .collect();
        for looked in looked {
            all.push(match looked {
                Ok((mut seen, image)) => {
                    match detector.zip(image).map(|(detector, image)| score(detector, &image)).transpose()? {
                        Some(Ok(logit)) => seen.logit = Some(logit),
                        Some(Err(refusal)) => seen.unscored = Some(refusal),
                        None => {}
                    }
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
fn read(sample: &Sample, options: &DecodeOptions) -> Result<(Vec<u8>, Image), Refused> {
    let refuse =
        |kind: &str, message: String| Refused { path: sample.key.clone(), kind: kind.to_owned(), message };
    let bytes = read_image(&sample.path, options).map_err(|error| refuse(error.kind, error.message))?;
    let decoded =
        decode(&bytes, options).map_err(|error| refuse(error.kind().as_str(), error.to_string()))?;
    Ok((bytes, decoded.image))
}

/// The logit, or kind and message of why the detector refuses the image; any other failure ends the run.
fn score(detector: &Detector, image: &Image) -> Result<Result<f64, (String, String)>, Error> {
    match detector.score(image) {
        Ok(logit) => Ok(Ok(logit)),
        Err(error) => match error.refusal() {
            Some(kind) => Ok(Err((kind.to_owned(), one_line(error)))),
            None => Err(error.into()),
        },
    }
}

/// What the detector refused, by class.
fn unscored(usable: &[Usable]) -> Vec<Unscored> {
    let of_class = |label: Label| {
        let own = usable.iter().filter(|image| image.sample.label == label);
        // How often a kind occurs, and its first message.
        let mut kinds: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
        for (kind, message) in own.filter_map(|image| image.seen.unscored.as_ref()) {
            kinds.entry(kind.as_str()).or_insert((0, message.as_str())).0 += 1;
        }
        let images = kinds.values().map(|(count, _)| count).sum();
        let (kind, (_, message)) = kinds.into_iter().max_by_key(|(_, (count, _))| *count)?;
        Some(Unscored { label, images, kind: kind.to_owned(), message: message.to_owned() })
    };
    [Label::Real, Label::Generated].into_iter().filter_map(of_class).collect()
}

/// Tests the features of one set; gives back the images that could be used.
fn judge<'a>(
    name: &Option<String>,
    dataset: &'a Dataset,
    seen: Vec<Result<Seen, Refused>>,
    families: usize,
    options: &AuditOptions,
    refused: &mut Vec<RefusedImage>,
) -> (Split, Vec<Usable<'a>>) {
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
                let path_base64 = exact_key(sample, dataset);
                refused.push(RefusedImage { split: name.clone(), path, path_base64, kind, message });
            }
        }
    }
    let ([real, fake], [refused_real, refused_fake]) = (counts, refusals);
    let scenes_known = dataset.scenes_known;
    if real == 0 || fake == 0 {
        let reason = format!(
            "{}: {real} real and {} could be read ({} refused), expected both classes",
            dataset.root.display(),
            counted(fake, "generated image"),
            refused_real + refused_fake
        );
        let split =
            Split { real, fake, refused_real, refused_fake, scenes_known, ..Split::not_judged(name, reason) };
        return (split, usable);
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
    let split = Split {
        split: name.clone(),
        not_judged: None,
        real,
        fake,
        refused_real,
        refused_fake,
        scenes_known,
        verdict: shortcuts.verdict(options),
        detectable_auc: shortcuts.detectable_auc,
        findings: shortcuts.findings,
        constant: shortcuts.constant,
        unscored: Vec::new(),
        dependence: Vec::new(),
        counterfactual: None,
    };
    (split, usable)
}

impl Split {
    /// How many images of a class it has.
    pub fn count(&self, label: Label) -> u64 {
        if label == Label::Real { self.real } else { self.fake }
    }

    fn not_judged(name: &Option<String>, reason: String) -> Self {
        Self {
            split: name.clone(),
            not_judged: Some(reason),
            real: 0,
            fake: 0,
            refused_real: 0,
            refused_fake: 0,
            scenes_known: false,
            verdict: Verdict::NotResolvable,
            detectable_auc: None,
            findings: Vec::new(),
            constant: Vec::new(),
            unscored: Vec::new(),
            dependence: Vec::new(),
            counterfactual: None,
        }
    }
}
