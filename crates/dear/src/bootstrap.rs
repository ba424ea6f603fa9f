//! How sure a metric is: the stratified percentile bootstrap, for all metrics of [`METRICS`](crate::metrics::METRICS) at once.
//!
//! Images are resampled within their class, or, where images belong together (crops of one scene, an image
//! and its reconstruction), whole groups are. Each resample has its own generator keyed by (seed, number), so
//! the result does not depend on the number of threads. Samples are sorted once; a resample is a vector of
//! multiplicities, counted into the ranking in one pass, and costs O(n).

mod mean;
mod paired;
mod resampler;
mod statistic;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::metrics::{Excluded, Metric, Ranking, RankingError, Undefined, check_samples};
use resampler::Resampler;
use statistic::{Measure, Placed, correct_ends, intervals, resample_metrics};

pub(crate) use statistic::quantile;

pub use mean::mean_over;
pub use paired::{Paired, deviation, paired, simultaneous, tpr_at_r_acc_of};

/// How resampling is done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BootstrapOptions {
    /// Number of resamples (default 2,000).
    pub resamples: u32,
    /// Share of the resamples inside of the interval (default 0.95).
    pub confidence: f64,
    /// Key of the draws (default 0).
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self { resamples: 2000, confidence: 0.95, seed: 0 }
    }
}

impl BootstrapOptions {
    /// Refuse values outside their range.
    pub fn check(&self) -> Result<(), BootstrapError> {
        if self.resamples == 0 {
            return Err(BootstrapError::Option { key: "resamples", found: 0.0, expected: "at least 1" });
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            let (key, found) = ("confidence", self.confidence);
            return Err(BootstrapError::Option { key, found, expected: "a share between 0 and 1" });
        }
        Ok(())
    }
}

/// Why nothing was resampled.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// An option is out of range.
    #[error("bootstrap option {key:?} is {found}, expected {expected}")]
    Option {
        /// The option's name.
        key: &'static str,
        /// Its value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// The samples cannot be ranked.
    #[error(transparent)]
    Ranking(#[from] RankingError),
    /// One group id for each sample is needed.
    #[error("{groups} group ids for {samples} samples, expected as many")]
    Groups {
        /// Number of ids.
        groups: usize,
        /// Number of samples.
        samples: usize,
    },
    /// One generator, or none, for each sample is needed.
    #[error("{parts} generators for {samples} samples, expected as many")]
    Parts {
        /// Number of entries.
        parts: usize,
        /// Number of samples.
        samples: usize,
    },
    /// Differences that cannot be joined in one family.
    #[error("a member of a family of differences has {found}, expected {expected}")]
    Family {
        /// What it has.
        found: String,
        /// What is needed.
        expected: String,
    },
}

impl BootstrapError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Option { .. } => "option",
            Self::Ranking(error) => error.kind(),
            Self::Groups { .. } => "groups",
            Self::Parts { .. } => "parts",
            Self::Family { .. } => "family",
        }
    }
}

/// One metric and its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Name of the metric.
    pub metric: String,
    /// Its value on the samples themselves (the difference, for paired scores); absent when it is undefined.
    pub value: Option<f64>,
    /// Why it is undefined.
    pub undefined: Option<Undefined>,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The interval says nothing about uncertainty: it has no width (perfect separation gives [1, 1]), or a
    /// class has only one image or group to resample.
    #[serde(default)]
    pub degenerate: bool,
    /// False when the samples are too few for the metric's false positive rate.
    pub resolvable: bool,
    /// Resamples in which the metric was undefined. They are left out of the interval.
    #[serde(default)]
    pub undefined_resamples: u32,
    /// How the ends were found.
    #[serde(default)]
    pub method: Method,
}

/// How the ends of an interval were found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Percentiles of resamples.
    #[default]
    Bootstrap,
    /// Wilson's score interval of a share.
    Wilson,
    /// Newcombe's intervals: of a sum or difference of two shares (their Wilson intervals, combined by squares; of paired
    /// shares with their correlation), of an AUC of 0 or 1, and of a difference of such AUCs.
    Newcombe,
    /// DeLong's variance, on the logit scale.
    Delong,
    /// Simultaneous over a family of comparisons: bootstrap deviation times the critical value of the largest.
    Simultaneous,
    /// Order statistics of the real scores for the threshold, Wilson for the share above it.
    OrderStatistics,
}

impl Interval {
    /// Whether zero lies outside of the interval (for paired differences). A degenerate interval excludes
    /// nothing.
    pub fn excludes_zero(&self) -> bool {
        match (self.low, self.high) {
            (Some(low), Some(high)) => !self.degenerate && (low > 0.0 || high < 0.0),
            _ => false,
        }
    }

    /// Whether this is a difference other than 0 of which the sample cannot tell how sure it is: neither shown nor not
    /// shown, but not tested.
    pub fn untested(&self) -> bool {
        self.degenerate && self.value.is_some_and(|value| value != 0.0)
    }
}

/// Intervals of all metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// One interval for each metric, in the order of [`METRICS`](crate::metrics::METRICS).
    pub intervals: Vec<Interval>,
    /// Real images that took part.
    pub real: u64,
    /// Generated images that took part.
    pub fake: u64,
    /// Images left out because a score is NaN or infinite (in either vector, for paired scores).
    pub excluded: Excluded,
    /// Units that were drawn from: images, or groups.
    pub units: u64,
    /// Whether the units are groups.
    pub grouped: bool,
    /// The options in force.
    pub options: BootstrapOptions,
}

/// Intervals for every metric of `scores`.
///
/// Without `groups`, images are drawn with replacement within their class. With `groups` (one id for each
/// sample) whole groups are drawn within three strata: groups of real images, of generated images, and of
/// both. The ends are quantiles with linear interpolation (numpy's default), at `(1 - confidence) / 2` from
/// both sides, and reach at least to the value itself. The order of samples does not matter.
///
/// Where a metric has a [`Correction`](crate::metrics::Correction) (the calibration error), resampled values are moved
/// by value minus population, and the lower end is 0 where chance alone explains the value: plain percentiles of a
/// calibrated detector's error would leave out both 0 and the value itself.
pub fn bootstrap(
    labels: &[u8],
    scores: &[f64],
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
) -> Result<Bootstrap, BootstrapError> {
    options.check()?;
    check_samples(labels, scores)?;
    check_groups(groups, labels.len())?;
    // Units are numbered in the order of their scores: then counts are read one after the other, and the intervals do
    // not depend on the order in which samples are given.
    let mut rows: Vec<(f64, u8, u64)> = Vec::with_capacity(labels.len());
    for (index, (&label, &score)) in labels.iter().zip(scores).enumerate() {
        rows.push((score, label, groups.map_or(0, |groups| groups[index])));
    }
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let labels: Vec<u8> = rows.iter().map(|row| row.1).collect();
    let scores: Vec<f64> = rows.iter().map(|row| row.0).collect();
    let grouped: Option<Vec<u64>> = groups.map(|_| rows.iter().map(|row| row.2).collect());
    drop(rows);

    let kind = |(&label, score): (&u8, &f64)| score.is_finite().then_some(u32::from(label));
    let kinds: Vec<Option<u32>> = labels.iter().zip(&scores).map(kind).collect();
    let resampler = Resampler::new(&kinds, grouped.as_deref(), options.seed);
    let placed = [Placed::new(&labels, &scores, &resampler)?];
    let statistic = |rankings: &[Ranking], measure: Measure| measure(&rankings[0]);
    let drawn = resample_metrics(&resampler, &placed, options, statistic);
    let ranking = placed[0].ranking();
    let resolvable = |metric: &Metric| metric.resolvable(ranking);
    let mut intervals = intervals(&drawn, resampler.single_unit(), options, resolvable);
    correct_ends(&mut intervals, &placed, statistic);
    Ok(Bootstrap {
        intervals,
        real: ranking.real(),
        fake: ranking.fake(),
        excluded: ranking.excluded(),
        units: resampler.units() as u64,
        grouped: grouped.is_some(),
        options: *options,
    })
}

/// Intervals for every metric of `after` minus the same metric of `before`, both resampled together: [`paired`] of one
/// pair.
pub fn paired_difference(
    labels: &[u8],
    before: &[f64],
    after: &[f64],
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
) -> Result<Bootstrap, BootstrapError> {
    options.check()?;
    paired::one_pair(labels, (before, after), groups, options).map(|paired| paired.bootstrap)
}

fn check_groups(groups: Option<&[u64]>, samples: usize) -> Result<(), BootstrapError> {
    match groups {
        Some(groups) if groups.len() != samples => {
            Err(BootstrapError::Groups { groups: groups.len(), samples })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
