//! The baseline that every new head must beat: one number added to a detector's logits.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A shift of the logits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiasFit {
    /// Added to every logit.
    pub shift: f64,
    /// Balanced accuracy of the given logits with the shift.
    pub balanced_accuracy: f64,
    /// Length of the interval of equally good shifts from which this one is the middle; absent where it has
    /// no end.
    pub width: Option<f64>,
}

/// Why there is no shift.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BiasError {
    /// One label for each logit is needed.
    #[error("{labels} labels for {logits} logits, expected as many")]
    Lengths {
        /// Number of labels.
        labels: usize,
        /// Number of logits.
        logits: usize,
    },
    /// A label is neither 0 nor 1.
    #[error("label of sample {index} is {found}, expected 0 (real) or 1 (generated)")]
    Label {
        /// Position of the sample.
        index: usize,
        /// Its label.
        found: u8,
    },
    /// A logit is NaN or infinite.
    #[error("logit of sample {index} is {value}, expected a finite number")]
    NonFinite {
        /// Position of the sample.
        index: usize,
        /// Its logit.
        value: f64,
    },
    /// One class cannot be told apart from nothing.
    #[error("{real} real and {fake} generated samples, expected at least one of each")]
    OneClass {
        /// Number of real samples.
        real: usize,
        /// Number of generated samples.
        fake: usize,
    },
}

impl BiasError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lengths { .. } => "lengths",
            Self::Label { .. } => "label",
            Self::NonFinite { .. } => "non_finite",
            Self::OneClass { .. } => "one_class",
        }
    }
}

/// The shift that maximises balanced accuracy of `logit + shift > 0`.
///
/// Between two neighbouring distinct logits the accuracy is constant, and neighbouring intervals of equal
/// accuracy are taken together. Of the best intervals the widest is chosen, of equally wide ones the one
/// whose middle moves the logits least, and then the lower; the shift is its middle. An interval without end
/// counts only where no other is as good (every logit equal, or a detector that is worse than chance
/// everywhere); it is entered by 1.
pub fn fit_bias(logits: &[f64], labels: &[u8]) -> Result<BiasFit, BiasError> {
    if labels.len() != logits.len() {
        return Err(BiasError::Lengths { labels: labels.len(), logits: logits.len() });
    }
    if let Some(index) = labels.iter().position(|&label| label > 1) {
        return Err(BiasError::Label { index, found: labels[index] });
    }
    if let Some(index) = logits.iter().position(|logit| !logit.is_finite()) {
        return Err(BiasError::NonFinite { index, value: logits[index] });
    }
    let fake = labels.iter().filter(|&&label| label == 1).count();
    let real = labels.len() - fake;
    if real == 0 || fake == 0 {
        return Err(BiasError::OneClass { real, fake });
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_unstable_by(|&a, &b| logits[a].total_cmp(&logits[b]));

    // Below the lowest logit everything is called generated. Passing a real sample upwards is a gain of
    // 1/real, passing a generated one a loss of 1/fake; counted in integers, so that equal accuracies are
    // equal.
    let (mut real_below, mut fake_below) = (0_usize, 0_usize);
    let mut intervals = vec![Interval { low: f64::NEG_INFINITY, high: f64::INFINITY, gain: 0 }];
    for tie in order.chunk_by(|&a, &b| logits[a] == logits[b]) {
        let logit = logits[tie[0]];
        let fakes = tie.iter().filter(|&&sample| labels[sample] == 1).count();
        fake_below += fakes;
        real_below += tie.len() - fakes;
        let gain = (real_below * fake) as i64 - (fake_below * real) as i64;
        let last = intervals.len() - 1;
        if intervals[last].gain != gain {
            intervals[last].high = logit;
            intervals.push(Interval { low: logit, high: f64::INFINITY, gain });
        }
    }
    let best = intervals.iter().map(|interval| interval.gain).max().unwrap_or(0);
    let chosen = intervals
        .iter()
        .filter(|interval| interval.gain == best)
        .max_by(|a, b| {
            a.bounded_width()
                .total_cmp(&b.bounded_width())
                .then(b.middle().abs().total_cmp(&a.middle().abs()))
                .then(b.middle().total_cmp(&a.middle()))
        })
        .expect("the best gain is that of some interval");
    let balanced_accuracy = (1.0 + chosen.gain as f64 / (real * fake) as f64) / 2.0;
    let width = (chosen.bounded_width() >= 0.0).then(|| chosen.bounded_width());
    Ok(BiasFit { shift: -chosen.middle(), balanced_accuracy, width })
}

/// Thresholds between two logits; `gain` is (balanced accuracy - 1/2) x 2 x real x fake.
struct Interval {
    low: f64,
    high: f64,
    gain: i64,
}

impl Interval {
    /// Width, or -1 for an interval without end.
    fn bounded_width(&self) -> f64 {
        let width = self.high - self.low;
        if width.is_finite() { width } else { -1.0 }
    }

    fn middle(&self) -> f64 {
        match (self.low.is_finite(), self.high.is_finite()) {
            (true, true) => self.low + (self.high - self.low) / 2.0,
            (true, false) => self.low + 1.0,
            (false, true) => self.high - 1.0,
            (false, false) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_widest_best_interval() {
        struct Case {
            logits: &'static [f64],
            labels: &'static [u8],
            shift: f64,
            accuracy: f64,
        }
        let cases = [
            // Separable: the gap from -6 to -4.
            Case { logits: &[-7.0, -6.0, -4.0, -3.0], labels: &[0, 0, 1, 1], shift: 5.0, accuracy: 1.0 },
            // Two best intervals, (-1, 0) and (1, 5): the wider one.
            Case { logits: &[-1.0, 0.0, 1.0, 5.0], labels: &[0, 1, 0, 1], shift: -3.0, accuracy: 0.75 },
            // Two of equal width, (-3, -1) and (0, 2): the one that moves less.
            Case { logits: &[-3.0, -1.0, 0.0, 2.0], labels: &[0, 1, 0, 1], shift: -1.0, accuracy: 0.75 },
            // Ties across classes cancel and do not split an interval.
            Case { logits: &[-2.0, 1.0, 1.0, 4.0], labels: &[0, 0, 1, 1], shift: -1.0, accuracy: 0.75 },
            // Nothing to gain inside: everything is called generated, by 1.
            Case { logits: &[1.0, 3.0], labels: &[1, 0], shift: -0.0, accuracy: 0.5 },
        ];
        for Case { logits, labels, shift, accuracy } in cases {
            let fit = fit_bias(logits, labels).unwrap();
            assert_eq!((fit.shift, fit.balanced_accuracy), (shift, accuracy), "{logits:?} {fit:?}");
        }
        assert_eq!(fit_bias(&[2.0, 2.0], &[0, 1]).unwrap().width, None);
    }

    #[test]
    fn a_shift_is_never_worse_than_none_and_ignores_order() {
        let logits: Vec<f64> = (0..60).map(|i| ((i * 37) % 61) as f64 / 7.0 - 6.0).collect();
        let labels: Vec<u8> = (0..60).map(|i| u8::from((i * 37) % 61 + (i * 11) % 30 > 45)).collect();
        let fit = fit_bias(&logits, &labels).unwrap();
        let accuracy = |shift: f64| {
            let shifted: Vec<f64> = logits.iter().map(|z| z + shift).collect();
            super::super::selection_accuracy(&labels, &shifted)
        };
        assert!((accuracy(fit.shift) - fit.balanced_accuracy).abs() < 1e-12);
        for step in -300..300 {
            assert!(accuracy(f64::from(step) / 25.0) <= fit.balanced_accuracy + 1e-12);
        }
        let (mut l, mut z) = (labels, logits);
        l.reverse();
        z.reverse();
        assert_eq!(fit_bias(&z, &l).unwrap(), fit);
    }

    #[test]
    fn unusable_samples_are_named() {
        assert_eq!(fit_bias(&[1.0, 2.0], &[1, 1]).unwrap_err().kind(), "one_class");
        assert_eq!(fit_bias(&[1.0, f64::NAN], &[0, 1]).unwrap_err().kind(), "non_finite");
        assert_eq!(fit_bias(&[1.0], &[0, 1]).unwrap_err().kind(), "lengths");
        assert_eq!(fit_bias(&[1.0], &[3]).unwrap_err().kind(), "label");
    }
}
