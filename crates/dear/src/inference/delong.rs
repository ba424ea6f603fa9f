//! DeLong's variance of the area under the ROC curve, without resampling.
//!
//! DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
//! characteristic curves", Biometrics 44 (1988), 837-845. The components are read off the sorted samples in O(n log n), as
//! in Sun and Xu, "Fast implementation of DeLong's algorithm", IEEE Signal Processing Letters 21 (2014), 1389-1393: a
//! [`Ranking`] holds their midranks already.

use super::normal::{quantile, two_sided};
use crate::evaluate::Difference;
use crate::metrics::{Ranking, Tie, auc};

/// An AUC with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Auc {
    /// The AUC, ties count half.
    pub value: f64,
    /// DeLong's variance of it; 0 where it is not known because a class has one image only.
    pub variance: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// The interval says nothing about uncertainty: it has no width (perfect separation gives [1, 1], equal scores give
    /// [0.5, 0.5]), or it is [0, 1] because a class has one image only.
    pub degenerate: bool,
}

/// The AUC with DeLong's variance and a 95 % interval. `None` if a class is missing.
///
/// The interval is symmetric on the logit scale, `logit(A) ± z s / (A (1 - A))` (Pepe, "The Statistical Evaluation of
/// Medical Tests", 2003, 5.2.4), and so stays within [0, 1]; the plain `A ± z s` of most programs leaves it near 1.
pub fn delong(ranking: &Ranking) -> Option<Auc> {
    let value = auc(ranking).ok()?;
    if ranking.real() == 1 || ranking.fake() == 1 {
        return Some(Auc { value, variance: 0.0, low: 0.0, high: 1.0, degenerate: true });
    }
    let mut squares = Component::default();
    for (tie, component) in ranking.ties().iter().zip(components(ranking)) {
        squares.real += tie.real as f64 * (component.real - value).powi(2);
        squares.fake += tie.fake as f64 * (component.fake - value).powi(2);
    }
    let variance = variance_of_mean(squares, ranking);
    if variance == 0.0 {
        return Some(Auc { value, variance, low: value, high: value, degenerate: true });
    }
    let centre = libm::log(value / (1.0 - value));
    let half = quantile(0.975) * variance.sqrt() / (value * (1.0 - value));
    let [low, high] = [centre - half, centre + half].map(|logit| 1.0 / (1.0 + libm::exp(-logit)));
    Some(Auc { value, variance, low, high, degenerate: false })
}

/// AUC of `after` minus AUC of `before` on the same images: `D ± z s` with DeLong's standard deviation `s` of correlated
/// AUCs, cut at -1 and 1, and the two-sided p-value of `D / s`.
///
/// An image takes part if both of its scores are finite. Where both systems order the images the same way the difference
/// is 0 with p = 1. `None` if nothing can be tested: labels and scores that cannot be ranked, fewer than two images of a
/// class, or different AUCs without any variance (one system separates perfectly, the other gives one score to all).
pub fn delong_paired(labels: &[u8], before: &[f64], after: &[f64]) -> Option<Difference> {
    let before_only = before;
    let (before, before_places) = rank_pairs(labels, before, after)?;
    let (after, after_places) = rank_pairs(labels, after, before_only)?;
    let value = auc(&after).ok()? - auc(&before).ok()?;
    if before.real() < 2 || before.fake() < 2 {
        return None;
    }
    let (before_components, after_components) = (components(&before), components(&after));
    let mut squares = Component::default();
    for ((&label, before), after) in labels.iter().zip(before_places).zip(after_places) {
        let (Some(before), Some(after)) = (before, after) else { continue };
        let (before, after) = (before_components[before as usize], after_components[after as usize]);
        if label == 1 {
            squares.fake += (after.fake - before.fake - value).powi(2);
        } else {
            squares.real += (after.real - before.real - value).powi(2);
        }
    }
    let deviation = variance_of_mean(squares, &before).sqrt();
    if deviation == 0.0 {
        return (value == 0.0).then_some(Difference { value, low: 0.0, high: 0.0, p: 1.0 });
    }
    let half = quantile(0.975) * deviation;
    let (low, high) = ((value - half).max(-1.0), (value + half).min(1.0));
    Some(Difference { value, low, high, p: two_sided(value / deviation) })
}

/// DeLong's structural components at one score: the share of the other class on the right side of it, ties count half.
#[derive(Debug, Clone, Copy, Default)]
struct Component {
    /// For a real image with this score: share of generated images above it.
    real: f64,
    /// For a generated image with this score: share of real images below it.
    fake: f64,
}

/// The components of each tie.
fn components(ranking: &Ranking) -> Vec<Component> {
    let (mut real_above, mut fake_above) = (0, 0);
    let component = |tie: &Tie| {
        let fakes = 2 * fake_above + tie.fake;
        let reals = 2 * (ranking.real() - real_above) - tie.real;
        (real_above, fake_above) = (real_above + tie.real, fake_above + tie.fake);
        Component {
            real: fakes as f64 / (2 * ranking.fake()) as f64,
            fake: reals as f64 / (2 * ranking.real()) as f64,
        }
    };
    ranking.ties().iter().map(component).collect()
}

/// Variance of the mean over real images plus that of the mean over generated images, from sums of squared deviations.
fn variance_of_mean(squares: Component, ranking: &Ranking) -> f64 {
    let of_class = |squares: f64, count: u64| squares / ((count - 1) as f64 * count as f64);
    of_class(squares.real, ranking.real()) + of_class(squares.fake, ranking.fake())
}

/// Rank the scores of those images whose other score is finite too, with the place of each image.
fn rank_pairs(labels: &[u8], scores: &[f64], others: &[f64]) -> Option<(Ranking, Vec<Option<u32>>)> {
    if scores.len() != others.len() {
        return None;
    }
    let paired = |(&score, &other): (&f64, &f64)| if other.is_finite() { score } else { f64::NAN };
    let scores: Vec<f64> = scores.iter().zip(others).map(paired).collect();
    Ranking::with_places(labels, &scores).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_variance_the_interval_is_marked() {
        let cases: [(&[u8], &[f64], _, _); 5] = [
            (&[0, 0, 1, 1], &[-2.0, -1.0, 1.0, 2.0], 1.0, (1.0, 1.0)),
            (&[1, 1, 0, 0], &[-2.0, -1.0, 1.0, 2.0], 0.0, (0.0, 0.0)),
            (&[0, 1, 0, 1], &[3.0; 4], 0.5, (0.5, 0.5)),
            (&[0, 1, 1, 1], &[0.0, 1.0, -1.0, 2.0], 2.0 / 3.0, (0.0, 1.0)),
            (&[1, 0], &[0.0, 1.0], 0.0, (0.0, 1.0)),
        ];
        for (labels, scores, value, ends) in cases {
            let found = delong(&Ranking::new(labels, scores).unwrap()).unwrap();
            assert_eq!((found.value, found.variance, (found.low, found.high)), (value, 0.0, ends));
            assert!(found.degenerate, "{scores:?}");
        }
        assert_eq!(delong(&Ranking::new(&[1, 1], &[0.0, 1.0]).unwrap()), None);
    }

    #[test]
    fn swapping_classes_and_signs_changes_nothing() {
        let (labels, scores) = ([0, 1, 0, 0, 1, 1, 0], [0.5, 1.5, 1.0, -2.0, 1.0, 3.0, 2.0]);
        let swapped = Ranking::new(&labels.map(|label| 1 - label), &scores.map(|score| -score)).unwrap();
        let [found, swapped] =
            [Ranking::new(&labels, &scores).unwrap(), swapped].map(|ranking| delong(&ranking));
        let (found, swapped) = (found.unwrap(), swapped.unwrap());
        assert!((found.value - swapped.value).abs() < 1e-15 && found.value != 0.5);
        assert!((found.variance - swapped.variance).abs() < 1e-15 && found.variance > 0.0);
    }

    #[test]
    fn pairs_are_compared_on_images_that_both_scored() {
        let labels = [0, 0, 0, 1, 1, 1, 0, 1];
        let before = [0.1, 0.4, 0.35, 0.8, 0.3, 0.5, f64::NAN, 0.2];
        let after = [0.2, 0.1, 0.6, 0.9, 0.7, 0.4, 0.3, f64::INFINITY];
        let found = delong_paired(&labels, &before, &after).unwrap();
        assert_eq!(Some(found), delong_paired(&labels[..6], &before[..6], &after[..6]));
        assert!(found.p < 1.0 && found.low < found.value && found.value < found.high);
    }

    #[test]
    fn what_cannot_be_tested_has_no_p_value() {
        let labels = [0, 0, 1, 1];
        let (ordered, flat) = ([-2.0, -1.0, 1.0, 2.0], [0.0; 4]);
        let same = Difference { value: 0.0, low: 0.0, high: 0.0, p: 1.0 };
        let doubled = ordered.map(|score| 2.0 * score);
        assert_eq!(delong_paired(&labels, &ordered, &doubled), Some(same));
        assert_eq!(delong_paired(&labels, &flat, &ordered), None, "a difference of 0.5 without variance");
        assert_eq!(delong_paired(&[0, 1, 1, 1], &[0.0, 1.0, -1.0, 2.0], &ordered), None, "one real image");
        assert_eq!(delong_paired(&[0; 4], &flat, &ordered), None, "one class");
        assert_eq!(delong_paired(&labels, &flat[..3], &ordered), None, "lengths");
        assert_eq!(delong_paired(&[0, 0, 2, 1], &flat, &ordered), None, "a label of 2");
        assert_eq!(delong_paired(&[], &[], &[]), None);
        assert_eq!(delong_paired(&labels, &[f64::NAN; 4], &ordered), None);
    }
}
