//! In which unit a score is given, and its logit.

use serde::{Deserialize, Serialize};

/// What stands for a probability of exactly 1 (its negative for 0): beyond the logit of every other f64 probability
/// (the smallest, 5e-324, has -744.44), so the order stays as it was.
pub const CERTAIN: f64 = 745.0;

/// What a score says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Log odds of *generated*: above 0 is generated.
    Logit,
    /// Probability of *generated*, in [0, 1].
    Probability,
    /// Log odds of *real*.
    RealLogit,
    /// Probability of *real*, in [0, 1].
    RealProbability,
}

impl Unit {
    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logit => "logit",
            Self::Probability => "probability",
            Self::RealLogit => "real-logit",
            Self::RealProbability => "real-probability",
        }
    }

    /// Whether scores are probabilities.
    pub fn is_probability(self) -> bool {
        matches!(self, Self::Probability | Self::RealProbability)
    }

    fn is_of_real(self) -> bool {
        matches!(self, Self::RealLogit | Self::RealProbability)
    }

    /// Whether `score` is one of this unit. NaN is none.
    pub fn admits(self, score: f64) -> bool {
        if self.is_probability() { (0.0..=1.0).contains(&score) } else { score.is_finite() }
    }
}

/// Logits of *generated* for scores of one unit, in the same order and with the same ties (the reverse order for scores
/// of *real*). What is NaN or not of this unit stays NaN.
///
/// A probability `p` becomes `ln(p / (1 - p))`. Where rounding would make two probabilities equal, the higher one moves up
/// by the least step, so that ranks are those of the raw values. 0 and 1 become -[`CERTAIN`] and [`CERTAIN`].
pub(super) fn logits(scores: &[f64], unit: Unit) -> Vec<f64> {
    let mut found: Vec<f64> =
        scores.iter().map(|&score| if unit.admits(score) { score } else { f64::NAN }).collect();
    if unit.is_probability() {
        let mut order: Vec<usize> = (0..found.len()).filter(|&i| !found[i].is_nan()).collect();
        order.sort_unstable_by(|&a, &b| found[a].total_cmp(&found[b]));
        let (mut last, mut last_logit) = (f64::NAN, f64::NEG_INFINITY);
        for i in order {
            // -0.0 is 0.
            if found[i] != last {
                last = found[i];
                let logit = logit(last);
                last_logit = if logit > last_logit { logit } else { last_logit.next_up() };
            }
            found[i] = last_logit;
        }
    }
    if unit.is_of_real() {
        found.iter_mut().for_each(|logit| *logit = -*logit);
    }
    found
}

fn logit(p: f64) -> f64 {
    if p <= 0.0 {
        -CERTAIN
    } else if p >= 1.0 {
        CERTAIN
    } else if (0.25..=0.75).contains(&p) {
        // Both differences are exact here.
        libm::log1p((2.0 * p - 1.0) / (1.0 - p))
    } else {
        libm::log(p) - libm::log1p(-p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_of_known_probabilities() {
        let found = logits(&[0.5, 0.25, 0.9, 1e-10, 0.0, 1.0, -0.0], Unit::Probability);
        // numpy: log(p) - log1p(-p).
        let expected =
            [0.0, -1.0986122886681098, 2.1972245773362196, -23.02585092984036, -CERTAIN, CERTAIN, -CERTAIN];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} {expected}");
        }
        assert_eq!(logits(&[0.5, 0.9], Unit::RealProbability), [-found[0], -found[2]]);
        assert_eq!(logits(&[1.5, -3.0], Unit::RealLogit), [-1.5, 3.0]);
        assert_eq!(logits(&[1.5, -3.0], Unit::Logit), [1.5, -3.0]);
    }

    #[test]
    fn ranks_are_those_of_the_raw_values() {
        // Neighbours at both ends, in the middle, at the seams of the formula, and the certain ones.
        let mut scores = vec![0.0, 5e-324, 1.0];
        for start in [1e-300_f64, 1e-20, 0.25, 0.4999, 0.5, 0.75, 0.999, 1.0 - 1e-12] {
            let mut p = start.next_down().next_down();
            for _ in 0..5 {
                scores.push(p);
                p = p.next_up();
            }
        }
        scores.extend([1.0_f64.next_down(), 0.5, 1.0]);
        for (unit, sign) in [(Unit::Probability, 1.0), (Unit::RealProbability, -1.0)] {
            let found = logits(&scores, unit);
            assert!(found.iter().all(|logit| logit.abs() <= CERTAIN), "{found:?}");
            for (i, a) in scores.iter().enumerate() {
                for (j, b) in scores.iter().enumerate() {
                    let order = (sign * found[i]).partial_cmp(&(sign * found[j]));
                    assert_eq!(order, a.partial_cmp(b), "{a:e} {b:e}: {:e} {:e}", found[i], found[j]);
                }
            }
        }
    }

    #[test]
    fn what_is_no_score_stays_none() {
        let found = logits(&[f64::NAN, 1.5, -0.1, f64::INFINITY], Unit::Probability);
        assert!(found.iter().all(|logit| logit.is_nan()));
        assert!(logits(&[f64::INFINITY], Unit::Logit)[0].is_nan());
    }
}
