//! The document `results.json`: everything that an evaluation found, in numbers and in words.

use std::collections::BTreeMap;

use dear_image::DecodeOptions;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{BootstrapOptions, Interval};
use crate::dataset::Label;
use crate::engine::EngineInfo;
use crate::error::Error;
use crate::rad::Rad;

/// How an evaluation is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvaluateOptions {
    /// Seeds what chains draw.
    pub seed: u64,
    /// Intervals.
    pub bootstrap: BootstrapOptions,
    /// Share of real images that may be accused, for sentences and operating points. Default 0.05.
    pub target_fpr: f64,
    /// How image files become pixels.
    pub decode: DecodeOptions,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            bootstrap: BootstrapOptions::default(),
            target_fpr: 0.05,
            decode: DecodeOptions::default(),
        }
    }
}

impl EvaluateOptions {
    /// Refuse values outside their range.
    ///
    /// # Errors
    /// [`Error::Options`] or [`Error::Bootstrap`] naming the option.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.target_fpr > 0.0 && self.target_fpr < 1.0) {
            let found = self.target_fpr;
            return Err(Error::Options(format!(
                "option \"target_fpr\" is {found}, expected a share between 0 and 1"
            )));
        }
        Ok(self.bootstrap.check()?)
    }
}

/// Everything that an evaluation found: `results.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Version of this document.
    pub schema: u32,
    /// Version of dear.
    pub version: String,
    /// What was judged on.
    pub data: Data,
    /// Detector files.
    #[serde(default)]
    pub detectors: Vec<DetectorRecord>,
    /// What ran; null where the scores came from a file and nothing was run.
    pub engine: Option<EngineInfo>,
    /// Where the scores came from, where nothing was run: the files, and in which unit their scores were.
    pub scores: Option<ScoreOrigin>,
    /// Options in force.
    pub options: EvaluateOptions,
    /// Perturbation chains that have tables; the first is `clean`, unless scores of others have none of clean images. Those of
    /// severity curves stand in `curves`.
    pub chains: Vec<String>,
    /// What is compared: detectors and baselines.
    pub systems: Vec<System>,
    /// One entry for each chain, system and subset.
    pub tables: Vec<Table>,
    /// Hardened against each other system (or, of several detectors given, each against the first), on the same images.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    /// Number of differences that the corrected intervals hold for together: comparisons x headline metrics.
    #[serde(default)]
    pub family: u32,
    /// How metrics move with the strength of one perturbation.
    #[serde(default)]
    pub curves: Vec<Curve>,
    /// ROC curve, distributions and reliability of each system under each chain, on everything.
    #[serde(default)]
    pub shapes: Vec<Shape>,
    /// For each detector: may it be used, for what, at which threshold.
    #[serde(default)]
    pub advice: Vec<Advice>,
    /// What it comes to, in words.
    #[serde(default)]
    pub words: Vec<String>,
}

/// Where scores came from that were not computed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreOrigin {
    /// Files read, in order.
    pub files: Vec<ScoreFile>,
    /// `logit`, `probability`, or what else was declared.
    pub unit: String,
    /// What was noticed and matters (scores that look like another unit, labels that look inverted).
    pub warnings: Vec<String>,
}

/// A file of scores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreFile {
    /// Its path.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Rows read.
    pub rows: u64,
}

/// What was judged on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Folder.
    pub root: String,
    /// Split that was judged on; null where the images have none, or several.
    #[serde(default)]
    pub split: Option<String>,
    /// Real images listed.
    pub real: u64,
    /// Generated images listed.
    pub fake: u64,
    /// Other files passed over.
    pub skipped: u64,
    /// Images whose very bytes also stand in the other class: their labels cannot both be right.
    pub in_both_classes: u64,
    /// Images whose very bytes also stand in another split of the same data: a detector trained there has seen them.
    #[serde(default)]
    pub in_other_splits: u64,
    /// Whether intervals resample scenes.
    pub scenes_known: bool,
    /// Number of scenes, where they are known.
    pub scenes: Option<u64>,
}

/// A detector file as it is reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorRecord {
    /// Its name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// SHA-256 of its backbone: equal for a detector and its hardened form.
    pub backbone_sha256: String,
    /// Architecture.
    pub architecture: String,
    /// Licence.
    pub licence: String,
    /// What the card says.
    pub card: String,
    /// Scores of all channels, for a hardened detector.
    pub rad: Option<Rad>,
    /// Pruned channels, for a hardened detector.
    pub pruned: Vec<u32>,
    /// The recipe, for a hardened detector.
    pub recipe: serde_json::Value,
    /// What took part in training the head.
    pub head: serde_json::Value,
}

/// One row of every table: a backbone with a head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// Name.
    pub name: String,
    /// Index into `detectors`; null where scores came from a file.
    pub detector: Option<usize>,
    /// What it is, in words.
    pub note: String,
    /// Whether the method's claim is about this one.
    pub hardened: bool,
    /// For a hardened one, the systems that are its controls: role in its file (`base`, `base + bias`, ...) to name.
    pub controls: BTreeMap<String, String>,
    /// Logit above which it calls an image generated. Accuracies are at logit 0 all the same; this one is an operating
    /// point besides.
    #[serde(default)]
    pub threshold: f64,
    /// Who set the threshold.
    #[serde(default)]
    pub threshold_origin: String,
}

/// Metrics of one system on one subset under one chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Chain.
    pub chain: String,
    /// System.
    pub system: String,
    /// `all`, a generator (against all real images), or a set of real images (real accuracy only).
    pub subset: String,
    /// Which kind of subset.
    pub kind: SubsetKind,
    /// Real images scored.
    pub real: u64,
    /// Generated images scored.
    pub fake: u64,
    /// Real images refused.
    pub refused_real: u64,
    /// Generated images refused.
    pub refused_fake: u64,
    /// Metrics with 95 % intervals.
    pub metrics: Vec<Interval>,
}

impl Table {
    /// A metric by name.
    pub fn metric(&self, name: &str) -> Option<&Interval> {
        self.metrics.iter().find(|interval| interval.metric == name)
    }
}

/// What a table's subset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubsetKind {
    /// Everything.
    All,
    /// One generator, against all real images.
    Generator,
    /// The mean of a metric over all generators, each against all real images.
    MeanOverGenerators,
    /// One set of real images.
    RealSet,
}

/// A paired difference, after minus before, on the images that both scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Chain.
    pub chain: String,
    /// System before.
    pub before: String,
    /// System after.
    pub after: String,
    /// Differences of all metrics, each with its own 95 % interval.
    pub differences: Vec<Interval>,
    /// The headline metrics again, with intervals that hold together for the whole family ([`Evaluation::family`]):
    /// only these say "better" or "worse".
    pub corrected: Vec<Interval>,
    /// Difference of the AUCs by DeLong's method; null for grouped images, or where a class is missing.
    pub delong: Option<Difference>,
    /// Verdicts at logit 0 that one system has right and the other wrong, among real images; null for grouped images.
    pub mcnemar_real: Option<McNemar>,
    /// The same among generated images.
    pub mcnemar_fake: Option<McNemar>,
    /// Share of generated images that `after` finds minus the share that `before` finds, when neither accuses more real
    /// images than `before` does at logit 0: what is left of a gain once the false alarms are equal.
    pub at_equal_r_acc: Option<Interval>,
    /// Smallest true difference in balanced accuracy that a sample of this size and spread would have shown with
    /// probability 0.8, at the corrected level.
    pub detectable: Option<f64>,
}

/// A difference with its interval and p-value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// After minus before.
    pub value: f64,
    /// Lower end, 95 %.
    pub low: f64,
    /// Upper end, 95 %.
    pub high: f64,
    /// Two-sided p-value.
    pub p: f64,
}

/// McNemar's exact test of discordant pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Images that only `before` has right.
    pub only_before: u64,
    /// Images that only `after` has right.
    pub only_after: u64,
    /// Two-sided exact p-value.
    pub p: f64,
}

/// Metrics along one perturbation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// `jpeg`, `resize`, `blur`, `noise`.
    pub name: String,
    /// What the level means, for an axis: `JPEG quality`, `side x`, `sigma in pixels`, `standard deviation of 255`.
    pub axis: String,
    /// System.
    pub system: String,
    /// From the mildest to the strongest.
    pub points: Vec<CurvePoint>,
}

/// One level of a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Its strength, in the axis' unit; 0 for the first point, the images as they are (chain `clean`).
    pub level: f64,
    /// The chain.
    pub chain: String,
    /// Real images scored.
    pub real: u64,
    /// Generated images scored.
    pub fake: u64,
    /// Real images refused.
    pub refused_real: u64,
    /// Generated images refused.
    pub refused_fake: u64,
    /// All metrics with 95 % intervals.
    pub metrics: Vec<Interval>,
}

/// What the scores of a system look like under one chain, on everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Chain.
    pub chain: String,
    /// System.
    pub system: String,
    /// Points (FPR, TPR) of the ROC curve from (0, 0) to (1, 1): every corner, or at most 400 of them.
    pub roc: Vec<[f64; 2]>,
    /// Points of the curve that matter.
    pub operating: Vec<Operating>,
    /// Logits of each subset of each class.
    pub distributions: Vec<Distribution>,
    /// Edges of the histogram's bins (one more than bins), in logits; the outer bins hold everything beyond.
    pub edges: Vec<f64>,
    /// Real images in each bin.
    pub real: Vec<u64>,
    /// Generated images in each bin.
    pub fake: Vec<u64>,
    /// Equal-mass bins of probability, for the reliability diagram.
    pub reliability: Vec<ReliabilityBin>,
}

/// A threshold and what it does here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operating {
    /// `logit 0`, `5 % FPR here`, or the origin of the threshold in the detector's file.
    pub name: String,
    /// An image is called generated above it; null where every one is called so.
    pub threshold: Option<f64>,
    /// Share of real images with a score above it, with Wilson's 95 % interval (whole scenes resampled, where they are
    /// known).
    pub fpr: Interval,
    /// Share of generated images with a score above it.
    pub tpr: Interval,
}

/// Logits of one subset: minimum, the quantiles 0.05, 0.25, 0.5, 0.75, 0.95, and maximum, each the logit of some image
/// (numpy's `inverted_cdf`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Subset.
    pub subset: String,
    /// Label.
    pub label: Label,
    /// Images scored.
    pub n: u64,
    /// Seven numbers, ascending; empty where nothing was scored.
    pub quantiles: Vec<f64>,
}

/// Images of similar probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Mean probability of *generated*.
    pub probability: f64,
    /// Share that is generated.
    pub share: f64,
    /// Lower end of Wilson's 95 % interval of the share.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Images.
    pub n: u64,
}

/// May this detector be used?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// System.
    pub system: String,
    /// What the intervals allow to say.
    pub standing: Standing,
    /// An image is called generated above this logit.
    pub threshold: f64,
    /// Who set it.
    pub threshold_origin: String,
    /// Sentences for the first screen: safe or not, for what, at which threshold, what was not tested.
    pub sentences: Vec<String>,
}

/// What the intervals allow to say of a detector at its threshold, over all conditions that were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Under every condition the false alarms are shown to be at most the target, and it finds more than chance.
    Usable,
    /// Neither shown to be usable nor shown to be unusable: too few images, or mixed results.
    NotShown,
    /// Under some condition it is shown to accuse more than the target, or to find no more than chance.
    NotUsable,
}

/// One image's scores: a line of `records.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Key in the dataset; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The key's exact bytes in base64 where it is not UTF-8, else null.
    #[serde(default)]
    pub path_base64: Option<String>,
    /// SHA-256 of the file; empty where it could not be read, or where only its score was given.
    pub sha256: String,
    /// Label.
    pub label: Label,
    /// Subset.
    pub subset: String,
    /// Split, where a manifest names one.
    #[serde(default)]
    pub split: Option<String>,
    /// Images of one scene share it; null where scenes are not known.
    #[serde(default)]
    pub scene: Option<String>,
    /// Chain.
    pub chain: String,
    /// `scored`, `scored_with_warning`, or `refused` where any detector refused it.
    pub status: String,
    /// What should be known of a scored image's file, joined by `; `; null where nothing is, or where it is not known.
    #[serde(default)]
    pub warning: Option<String>,
    /// Kind of error, null if scored.
    pub error: Option<String>,
    /// The error in words, null if scored.
    pub message: Option<String>,
    /// Logit of each system; null for a system that refused the image.
    pub logits: BTreeMap<String, Option<f64>>,
}

impl Evaluation {
    /// The table of a chain, system and subset.
    pub fn table(&self, chain: &str, system: &str, subset: &str) -> Option<&Table> {
        self.tables
            .iter()
            .find(|table| table.chain == chain && table.system == system && table.subset == subset)
    }
}

impl Comparison {
    /// The difference of a metric.
    pub fn difference(&self, metric: &str) -> Option<&Interval> {
        self.differences.iter().find(|interval| interval.metric == metric)
    }
}
