//! Metrics at a threshold: only thresholds that a rule "score > t" can have, never interpolated.

use serde::{Deserialize, Serialize};

use super::{Ranking, Undefined};

/// A point of the ROC curve that a threshold can really have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Share of generated images above the threshold.
    pub tpr: f64,
    /// Share of real images above the threshold.
    pub fpr: f64,
    /// An image is called generated if its score is above this; absent when every image is.
    pub threshold: Option<f64>,
    /// False when the rate asked for is finer than the samples: fewer than `1 / fpr` real images (`1 / (1 - tpr)`
    /// generated ones), so that one image on the wrong side is already too many.
    pub resolvable: bool,
}

/// Highest share of generated images found by a rule "score > t" that accuses at most `fpr` of the real images.
///
/// Of all such thresholds the lowest score of the samples is given. Never interpolated: with ties the point may lie
/// well below the ROC curve's straight line, but it is one that a threshold can have.
pub fn tpr_at_fpr(ranking: &Ranking, fpr: f64) -> Result<OperatingPoint, Undefined> {
    let [real, _] = ranking.both_classes()?;
    let level = ranking.first(|[above, _]| f64::from(above) / real as f64 > fpr);
    Ok(point(ranking, level, resolvable(real, fpr)))
}

/// Smallest share of real images accused by a rule "score > t" that finds at least `tpr` of the generated images.
///
/// Of all such thresholds the highest score of the samples is given.
pub fn fpr_at_tpr(ranking: &Ranking, tpr: f64) -> Result<OperatingPoint, Undefined> {
    let [_, fake] = ranking.both_classes()?;
    let reached = |found: f64| found / fake as f64 >= tpr;
    // The rule must lie below the last tie that it needs.
    let level = if reached(0.0) { 0 } else { ranking.first(|[_, found]| reached(f64::from(found))) + 1 };
    Ok(point(ranking, level, resolvable(fake, 1.0 - tpr)))
}

/// Share of generated images found by the rule "score > t" that accuses as many real images as it can without
/// passing `accused`.
pub(crate) fn found_when_accusing(ranking: &Ranking, accused: u64) -> Result<f64, Undefined> {
    let [_, fake] = ranking.both_classes()?;
    let level = ranking.first(|[above, _]| u64::from(above) > accused);
    Ok(ranking.above(level)[1] as f64 / fake as f64)
}

/// Real images with a logit of 0 or more, which the verdict at logit 0 accuses or leaves open.
pub(crate) fn real_not_cleared(ranking: &Ranking) -> u64 {
    ranking.above(ranking.first_below(0.0))[0]
}

/// R.Acc: share of real images with a logit below 0. A logit of exactly 0 is wrong.
pub fn real_accuracy(ranking: &Ranking) -> Result<f64, Undefined> {
    match [ranking.real(), ranking.fake()] {
        [0, 0] => Err(Undefined::Empty),
        [0, _] => Err(Undefined::NoReal),
        [real, _] => Ok((real - real_not_cleared(ranking)) as f64 / real as f64),
    }
}

/// F.Acc: share of generated images with a logit above 0. A logit of exactly 0 is wrong.
pub fn fake_accuracy(ranking: &Ranking) -> Result<f64, Undefined> {
    match [ranking.real(), ranking.fake()] {
        [0, 0] => Err(Undefined::Empty),
        [_, 0] => Err(Undefined::NoFake),
        [_, fake] => Ok(ranking.above(ranking.first_at_most(0.0))[1] as f64 / fake as f64),
    }
}

/// Equal error rate: where the share of real images accused equals the share of generated images missed.
///
/// Thresholds have steps, so the two need not meet at one; then the point lies on the straight line between the two
/// neighbouring points of the ROC curve (ties are one step). Equals `brentq(lambda x: 1 - x - interp1d(fpr, tpr)(x))`
/// over `sklearn.metrics.roc_curve`.
pub fn equal_error_rate(ranking: &Ranking) -> Result<f64, Undefined> {
    let [real, fake] = ranking.both_classes()?;
    // real x fake x (FNR - FPR), which falls from real x fake to its negative.
    let gap = |[accused, found]: [u64; 2]| {
        let [real, fake, accused, found] = [real, fake, accused, found].map(i128::from);
        (fake - found) * real - accused * fake
    };
    let after = ranking.first(|above| gap(above.map(u64::from)) <= 0);
    let (before, after) = (ranking.above(after), ranking.above(after + 1));
    let way = gap(before) as f64 / (gap(before) - gap(after)) as f64;
    Ok((before[0] as f64 + way * (after[0] - before[0]) as f64) / real as f64)
}

/// The rule that calls generated what stands above a level.
fn point(ranking: &Ranking, level: usize, resolvable: bool) -> OperatingPoint {
    let [accused, found] = ranking.above(level);
    OperatingPoint {
        tpr: found as f64 / ranking.fake() as f64,
        fpr: accused as f64 / ranking.real() as f64,
        threshold: ranking.score(level),
        resolvable,
    }
}

/// Whether one of `n` images is at most the share `rate`.
pub(super) fn resolvable(n: u64, rate: f64) -> bool {
    n > 0 && 1.0 / n as f64 <= rate
}
