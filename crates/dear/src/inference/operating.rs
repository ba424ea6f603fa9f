//! Interval of a rate at a fixed other rate, whose threshold is itself estimated.

use crate::metrics::{Ranking, Z_95, score_interval, wilson};

/// 95 % interval for the share of generated images that lie above the threshold which accuses the share `fpr` of all real
/// images there are, not only of these. `None` if a class is missing or `fpr` is not inside of (0, 1).
///
/// The k-th highest of m real scores is exceeded by a share of all real images that has a Beta(k, m + 1 - k) distribution,
/// whatever the scores' distribution. So the thresholds that may be the right one are those that correspond to the score
/// interval of `fpr` in m + 2 images (the Beta distribution's normal form); the ROC curve is taken as straight between
/// scores and from (0, 0) to the highest. What the curve reaches there bounds what the threshold does, and Wilson's
/// interval bounds what the generated images do. Both are independent: distances from the share found add by squares
/// (MOVER: Zou and Donner, Statistics in Medicine 27 (2008), 1693-1702).
///
/// Where many real images share a score (rounded scores), the sample may sit on another side of a step of the curve than
/// the population does. Then the step is no deviation but the distance to the truth, and what the images do comes on top:
/// the ends are those of Wilson's intervals of what the outermost thresholds find.
pub(super) fn tpr_at_fpr(ranking: &Ranking, fpr: f64) -> Option<(f64, f64)> {
    let cuts = ranking.ties().iter().map(|tie| (tie.real, tie.fake)).collect();
    Roc { cuts, negatives: ranking.real(), positives: ranking.fake() }.interval(fpr)
}

/// 95 % interval for the share of real images that are accused at the threshold which finds the share `tpr` of all
/// generated images there are: [`tpr_at_fpr`] seen from the other side.
pub(super) fn fpr_at_tpr(ranking: &Ranking, tpr: f64) -> Option<(f64, f64)> {
    let cuts = ranking.ties().iter().rev().map(|tie| (tie.fake, tie.real)).collect();
    let roc = Roc { cuts, negatives: ranking.fake(), positives: ranking.real() };
    let (low, high) = roc.interval(1.0 - tpr)?;
    Some((1.0 - high, 1.0 - low))
}

/// Samples in the order in which a threshold lets them in.
struct Roc {
    /// Negatives and positives of each tie.
    cuts: Vec<(u64, u64)>,
    negatives: u64,
    positives: u64,
}

impl Roc {
    /// Interval of the share of positives that a rule lets in which lets in the share `rate` of negatives.
    fn interval(&self, rate: f64) -> Option<(f64, f64)> {
        if !(rate > 0.0 && rate < 1.0) || self.negatives == 0 {
            return None;
        }
        let found = self.found(rate);
        let images = wilson(found, self.positives)?;
        let found = found as f64 / self.positives as f64;
        let (fewer, more) = score_interval(rate, self.negatives as f64 + 2.0, Z_95);
        let threshold = (self.height(fewer).min(found), self.height(more).max(found));
        if self.has_steps(rate, fewer, more) {
            let of_images = |share: f64| score_interval(share, self.positives as f64, Z_95);
            let (low, high) = (of_images(threshold.0).0, of_images(threshold.1).1);
            return Some((low.clamp(0.0, found), high.clamp(found, 1.0)));
        }
        let low = found - (found - images.0).hypot(found - threshold.0);
        let high = found + (images.1 - found).hypot(threshold.1 - found);
        Some((low.max(0.0), high.min(1.0)))
    }

    /// Whether more negatives share a score between these rates than the standard deviation of the number let in.
    fn has_steps(&self, rate: f64, from: f64, to: f64) -> bool {
        let all = self.negatives as f64;
        let (first, last) = ((from * (all + 1.0)).floor() as u64 + 1, (to * (all + 1.0)).ceil() as u64);
        let mut before = 0;
        let shared = self.cuts.iter().filter_map(|cut| {
            let range = (before + 1)..=(before + cut.0);
            before += cut.0;
            (*range.start() <= last && *range.end() >= first).then_some(cut.0)
        });
        let largest = shared.max().unwrap_or(0);
        largest > 1 && (largest as f64).powi(2) > all * rate * (1.0 - rate)
    }

    /// Positives let in by the lowest threshold that lets in at most `rate` of these negatives.
    fn found(&self, rate: f64) -> u64 {
        let (mut negatives, mut positives) = (0, 0);
        for cut in &self.cuts {
            negatives += cut.0;
            if negatives as f64 / self.negatives as f64 > rate {
                break;
            }
            positives += cut.1;
        }
        positives
    }

    /// Height of the curve, straight between the points (k / (m + 1), share of positives before the k-th negative).
    fn height(&self, rate: f64) -> f64 {
        let position = rate * (self.negatives + 1) as f64;
        let below = position.floor();
        let (from, to) = (self.before(below as u64), self.before(below as u64 + 1));
        from + (to - from) * (position - below)
    }

    /// Share of positives before the k-th negative; those tied with it come after. 0 for k = 0, 1 beyond the last.
    fn before(&self, k: u64) -> f64 {
        if k == 0 {
            return 0.0;
        }
        let (mut negatives, mut positives) = (0, 0);
        for cut in &self.cuts {
            negatives += cut.0;
            if negatives >= k {
                return positives as f64 / self.positives as f64;
            }
            positives += cut.1;
        }
        1.0
    }
}
