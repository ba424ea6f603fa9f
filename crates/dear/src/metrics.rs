//! What a detector's scores are worth: one table of metrics, [`METRICS`].
//!
//! Labels are 1 for generated and 0 for real; scores are logits, and a logit above 0 means "generated".
//! Everything is computed from a [`Ranking`], the samples grouped by equal score, so that row order and ties
//! can never matter. Rank on raw logits in f64: a sigmoid or rounding makes ties that were not there.
//!
//! A metric that is not defined (one class is missing) is an [`Undefined`] with its reason, never 0 and never
//! NaN.

mod operating;
mod probability;
mod ranking;
mod suspicion;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use operating::{OperatingPoint, equal_error_rate, fake_accuracy, fpr_at_tpr, real_accuracy, tpr_at_fpr};
pub(crate) use operating::{found_when_accusing, real_not_cleared};
pub use probability::{MassBin, brier, ece, ece_by_chance, ece_plug_in, mass_bins, nll};
pub use ranking::{Excluded, Ranking, RankingError, Tie};
pub(crate) use ranking::{Slot, check_samples};
pub use suspicion::{Suspicion, suspicions};

/// The 0.975 quantile of the normal distribution.
pub(crate) const Z_95: f64 = 1.959_963_984_540_054;

/// One metric of the table.
#[derive(Debug)]
pub struct Metric {
    /// Name in files and columns.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// Smallest and largest value.
    pub range: (f64, f64),
    /// Which values are good ones.
    pub better: Better,
    /// What the metric looks at.
    pub looks_at: LooksAt,
    /// Its value.
    pub value: fn(&Ranking) -> Result<f64, Undefined>,
    /// What an interval needs where the value is not that of the samples seen as a population.
    pub correction: Option<Correction>,
}

/// For a metric whose value is corrected for the number of samples.
///
/// A resample has its chance gaps on top of those of the samples, so its value scatters around another number than the
/// samples' value; and a metric that cannot be negative is above 0 by chance alone.
#[derive(Debug)]
pub struct Correction {
    /// The metric of the samples seen as a population: what values of resamples estimate.
    pub population: fn(&Ranking) -> Result<f64, Undefined>,
    /// The largest `population` that a flawless detector reaches by chance (quantile 0.975).
    pub by_chance: fn(&Ranking) -> Result<f64, Undefined>,
}

/// Which values of a metric are good ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// High values.
    Higher,
    /// Low values.
    Lower,
    /// Values near 0.
    NearZero,
}

/// What a metric looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LooksAt {
    /// Only the order of the scores: any increasing map of the scores leaves it unchanged.
    Order,
    /// The sign of the logits.
    Sign,
    /// The order, at a threshold that accuses at most this share of real images.
    FalsePositiveRate(f64),
    /// The order, at a threshold that finds at least this share of generated images.
    TruePositiveRate(f64),
    /// The logit's sigmoid as the probability of *generated*.
    Probability,
}

/// All metrics, in the order in which tables show them.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "auc",
        description: "area under the ROC curve: a generated image scores above a real one, ties count half",
        range: (0.0, 1.0),
        better: Better::Higher,
        looks_at: LooksAt::Order,
        value: auc,
        correction: None,
    },
    Metric {
        name: "ap",
        description: "average precision, generated images as positives, tied scores enter together",
        range: (0.0, 1.0),
        better: Better::Higher,
        looks_at: LooksAt::Order,
        value: average_precision,
        correction: None,
    },
    Metric {
        name: "r_acc",
        description: "real accuracy: share of real images with a logit below 0",
        range: (0.0, 1.0),
        better: Better::Higher,
        looks_at: LooksAt::Sign,
        value: real_accuracy,
        correction: None,
    },
    Metric {
        name: "f_acc",
        description: "fake accuracy: share of generated images with a logit above 0",
        range: (0.0, 1.0),
        better: Better::Higher,
        looks_at: LooksAt::Sign,
        value: fake_accuracy,
        correction: None,
    },
    Metric {
        name: "balanced_accuracy",
        description: "mean of real and fake accuracy",
        range: (0.0, 1.0),
        better: Better::Higher,
        looks_at: LooksAt::Sign,
        value: |ranking| Ok((real_accuracy(ranking)? + fake_accuracy(ranking)?) / 2.0),
        correction: None,
    },
    Metric {
        name: "asymmetry",
        description: "real accuracy minus fake accuracy: above 0, the detector prefers to say real",
        range: (-1.0, 1.0),
        better: Better::NearZero,
        looks_at: LooksAt::Sign,
        value: |ranking| Ok(real_accuracy(ranking)? - fake_accuracy(ranking)?),
        correction: None,
    },
    Metric {
        name: "tpr_at_5_fpr",
        description: "share of generated images found when at most 5 % of real images are accused",
        range: (0.0, 1.0),
        better: Better::Higher,
        looks_at: LooksAt::FalsePositiveRate(0.05),
        value: |ranking| tpr_at_fpr(ranking, 0.05).map(|point| point.tpr),
        correction: None,
    },
    Metric {
        name: "tpr_at_1_fpr",
        description: "share of generated images found when at most 1 % of real images are accused",
        range: (0.0, 1.0),
        better: Better::Higher,
        looks_at: LooksAt::FalsePositiveRate(0.01),
        value: |ranking| tpr_at_fpr(ranking, 0.01).map(|point| point.tpr),
        correction: None,
    },
    Metric {
        name: "tpr_at_01_fpr",
        description: "share of generated images found when at most 0.1 % of real images are accused",
        range: (0.0, 1.0),
        better: Better::Higher,
        looks_at: LooksAt::FalsePositiveRate(0.001),
        value: |ranking| tpr_at_fpr(ranking, 0.001).map(|point| point.tpr),
        correction: None,
    },
    Metric {
        name: "fpr_at_95_tpr",
        description: "share of real images accused when at least 95 % of generated images are found",
        range: (0.0, 1.0),
        better: Better::Lower,
        looks_at: LooksAt::TruePositiveRate(0.95),
        value: |ranking| fpr_at_tpr(ranking, 0.95).map(|point| point.fpr),
        correction: None,
    },
    Metric {
        name: "eer",
        description: "equal error rate: as many real images accused as generated images missed, in shares",
        range: (0.0, 1.0),
        better: Better::Lower,
        looks_at: LooksAt::Order,
        value: equal_error_rate,
        correction: None,
    },
    Metric {
        name: "brier",
        description: "mean squared error of the probability of generated",
        range: (0.0, 1.0),
        better: Better::Lower,
        looks_at: LooksAt::Probability,
        value: brier,
        correction: None,
    },
    Metric {
        name: "nll",
        description: "negative log likelihood of the labels, nats for each image",
        range: (0.0, f64::MAX),
        better: Better::Lower,
        looks_at: LooksAt::Probability,
        value: nll,
        correction: None,
    },
    Metric {
        name: "ece",
        description: "expected calibration error: probability against share generated in 15 bins, debiased",
        range: (0.0, 1.0),
        better: Better::Lower,
        looks_at: LooksAt::Probability,
        value: ece,
        correction: Some(Correction { population: ece_plug_in, by_chance: ece_by_chance }),
    },
];

impl Metric {
    /// Look a metric up by name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Measure it.
    pub fn measure(&self, ranking: &Ranking) -> Measured {
        let (value, undefined) = match (self.value)(ranking) {
            Ok(value) => (Some(value), None),
            Err(undefined) => (None, Some(undefined)),
        };
        Measured { metric: self.name.to_owned(), value, undefined, resolvable: self.resolvable(ranking) }
    }

    /// Whether there are enough images for the metric's rate (true for metrics without one).
    pub fn resolvable(&self, ranking: &Ranking) -> bool {
        match self.looks_at {
            LooksAt::FalsePositiveRate(fpr) => operating::resolvable(ranking.real(), fpr),
            LooksAt::TruePositiveRate(tpr) => operating::resolvable(ranking.fake(), 1.0 - tpr),
            LooksAt::Order | LooksAt::Sign | LooksAt::Probability => true,
        }
    }
}

/// A metric's value on some samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Name of the metric.
    pub metric: String,
    /// Its value; absent when it is undefined.
    pub value: Option<f64>,
    /// Why it is undefined.
    pub undefined: Option<Undefined>,
    /// False when the samples are too few for the metric's rate; the value then is the share found without accusing
    /// any real image (accused without missing any generated one).
    pub resolvable: bool,
}

/// Every metric of the table on one set of samples.
pub fn measure_all(ranking: &Ranking) -> Vec<Measured> {
    METRICS.iter().map(|metric| metric.measure(ranking)).collect()
}

/// Why a metric has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undefined {
    /// No real image has a finite score.
    #[error("no real image with a finite score")]
    NoReal,
    /// No generated image has a finite score.
    #[error("no generated image with a finite score")]
    NoFake,
    /// There is no sample at all.
    #[error("no image with a finite score")]
    Empty,
}

/// Area under the ROC curve in [0, 1]: `P(fake > real) + P(fake = real) / 2`, counted in integers
/// (`sklearn.metrics.roc_auc_score`).
pub fn auc(ranking: &Ranking) -> Result<f64, Undefined> {
    let [real, fake] = ranking.both_classes()?;
    Ok(ranking.sums.half_wins as f64 / (2 * real * fake) as f64)
}

/// Average precision in [0, 1]: sum over ties of (recall gained) x (precision once the whole tie is in)
/// (`sklearn.metrics.average_precision_score`).
pub fn average_precision(ranking: &Ranking) -> Result<f64, Undefined> {
    let [_, fake] = ranking.both_classes()?;
    Ok(ranking.sums.precision / fake as f64)
}

/// Wilson's 95 % interval for a share of `successes` in `n`; `None` when `n` is 0. Unlike the plain normal
/// interval it has width at 0 and at 1. (`statsmodels.stats.proportion.proportion_confint(method="wilson")`.)
pub fn wilson(successes: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 || successes > n {
        return None;
    }
    let share = successes as f64 / n as f64;
    let (low, high) = score_interval(share, n as f64, Z_95);
    // The formula gives exactly 0 and 1 at the ends; rounding need not.
    let low = if successes == 0 { 0.0 } else { low.max(0.0) };
    let high = if share == 1.0 { 1.0 } else { high.min(1.0) };
    Some((low, high))
}

/// The shares from which `share` lies no more than `z` standard deviations away, in those of `n` images with such a share:
/// Wilson's interval for a share that need not be a count of images, and at any level. Rounding may leave [0, 1].
pub(crate) fn score_interval(share: f64, n: f64, z: f64) -> (f64, f64) {
    let z2 = z * z;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (centre - half, centre + half)
}

#[cfg(test)]
mod tests;
