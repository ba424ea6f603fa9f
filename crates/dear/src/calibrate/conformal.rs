//! Thresholds whose false alarms are bounded for images like those of the sample, however the scores are distributed.

use serde::{Deserialize, Serialize};

use super::binomial::{at_most, upper_bound};

/// In which sense a share of wrong verdicts is at most the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// The next image is judged wrong with at most this probability, averaged over the calibration samples that could have
    /// been drawn (split conformal prediction: Vovk et al. 2005; Papadopoulos et al. 2002). It needs the fewest images:
    /// `1 / share - 1`. The rate of the one threshold at hand may be higher.
    #[default]
    Average,
    /// With this confidence in the calibration sample, the threshold at hand judges at most the share of all such images
    /// wrong (training-conditional: Vovk 2012; the tolerance limits of Wilks 1941). Needs `ln(1 - confidence) /
    /// ln(1 - share)` images.
    Confidence(f64),
}

impl Guarantee {
    /// How many of `n` scores may lie beyond the threshold so that the share of wrong verdicts is at most `share`; `None`
    /// where not even 0 may.
    pub(super) fn beyond(self, n: u64, share: f64) -> Option<u64> {
        match self {
            // A new score takes each of n + 1 ranks with one chance, so the first of the `allowed` highest ranks is beyond.
            // The billionth admits `0.29 * 100`, which f64 puts below 29.
            Self::Average => (share.mul_add((n + 1) as f64, 1e-9) as u64).checked_sub(1),
            // The share beyond the (n - j)-th smallest of n has the distribution Beta(j + 1, n - j).
            Self::Confidence(confidence) => {
                let enough = |beyond: u64| at_most(beyond, n, share) <= 1.0 - confidence;
                // The chance rises with `beyond`: the last that is small enough, by halving.
                let (mut low, mut high) = (0, n);
                if n == 0 || !enough(0) {
                    return None;
                }
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    *(if enough(middle) { &mut low } else { &mut high }) = middle;
                }
                Some(low)
            }
        }
    }

    /// The fewest scores with which a threshold can have the guarantee.
    pub(super) fn needed(self, share: f64) -> u64 {
        match self {
            Self::Average => ((1.0 / share - 1e-9).ceil() as u64).saturating_sub(1).max(1),
            Self::Confidence(confidence) => {
                let least = ((1.0 - confidence).ln() / (-share).ln_1p()).ceil() as u64;
                // Rounding may miss by one in either direction.
                (least.saturating_sub(1).max(1)..=least + 1)
                    .find(|&n| self.beyond(n, share).is_some())
                    .unwrap_or(least + 1)
            }
        }
    }
}

/// A threshold from order statistics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The share of wrong verdicts that is guaranteed.
    pub share: f64,
    /// In which sense.
    pub guarantee: Guarantee,
    /// Independent images, or scenes, whose scores were ranked.
    pub n: u64,
    /// How many of them may lie beyond the threshold.
    pub beyond: u64,
    /// The threshold, in logits: verdicts beyond it can be wrong for this class.
    pub logit: f64,
    /// With 95 % confidence in the sample, the share that this very threshold judges wrong is at most this (Clopper and
    /// Pearson 1934).
    pub upper_95: f64,
}

/// The lowest threshold above which at most `share` of images like those of `scores` lie, where above means greater, not
/// equal: ties make it safer, never less safe. `scores[c]` are those of one class under condition `c`, one for each
/// independent image; the bound holds under each condition. `None` where the sample is too small.
///
/// For the share *below* a threshold pass negated scores.
pub(super) fn bound(scores: &[Vec<f64>], share: f64, guarantee: Guarantee) -> Option<Bound> {
    let n = scores.first()?.len() as u64;
    let beyond = guarantee.beyond(n, share)?;
    let of_condition = |scores: &Vec<f64>| {
        let mut sorted = scores.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get((n - beyond) as usize - 1).copied()
    };
    let logit = scores.iter().filter_map(of_condition).fold(f64::NEG_INFINITY, f64::max);
    Some(Bound { share, guarantee, n, beyond, logit, upper_95: upper_bound(beyond, n, 0.95) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dear_image::Draw;

    #[test]
    fn how_many_may_lie_beyond() {
        let cases = [
            (Guarantee::Average, 18, 0.05, None),
            (Guarantee::Average, 19, 0.05, Some(0)),
            (Guarantee::Average, 38, 0.05, Some(0)),
            (Guarantee::Average, 39, 0.05, Some(1)),
            (Guarantee::Average, 99, 0.29, Some(28)),
            (Guarantee::Average, 0, 0.5, None),
            (Guarantee::Average, 1, 0.5, Some(0)),
            (Guarantee::Confidence(0.95), 58, 0.05, None),
            (Guarantee::Confidence(0.95), 59, 0.05, Some(0)),
            (Guarantee::Confidence(0.95), 92, 0.05, Some(0)),
            (Guarantee::Confidence(0.95), 93, 0.05, Some(1)),
            (Guarantee::Confidence(0.5), 1, 0.5, Some(0)),
            (Guarantee::Confidence(0.9), 0, 0.5, None),
        ];
        for (guarantee, n, share, expected) in cases {
            assert_eq!(guarantee.beyond(n, share), expected, "{guarantee:?} {n} {share}");
        }
        for guarantee in [Guarantee::Average, Guarantee::Confidence(0.95), Guarantee::Confidence(0.5)] {
            for share in [0.5, 0.29, 0.1, 0.05, 0.01, 0.001] {
                let needed = guarantee.needed(share);
                assert!(guarantee.beyond(needed, share).is_some(), "{guarantee:?} {share} {needed}");
                assert!(guarantee.beyond(needed - 1, share).is_none(), "{guarantee:?} {share} {needed}");
            }
        }
        assert_eq!(Guarantee::Confidence(0.95).needed(0.01), 299);
        assert_eq!(Guarantee::Average.needed(0.01), 99);
    }

    #[test]
    fn the_threshold_is_an_order_statistic_and_the_safest_of_all_conditions() {
        let scores: Vec<f64> = (0..39).map(|i| f64::from((i * 17) % 39)).collect();
        let shifted: Vec<f64> = scores.iter().map(|score| score - 5.0).collect();
        let found = bound(&[shifted, scores], 0.05, Guarantee::Average).unwrap();
        assert_eq!((found.logit, found.n, found.beyond), (37.0, 39, 1));
        assert!((found.upper_95 - 0.11595).abs() < 1e-5, "{}", found.upper_95);
        assert_eq!(bound(&[vec![0.0; 18]], 0.05, Guarantee::Average), None);
        assert_eq!(bound(&[], 0.05, Guarantee::Average), None);
    }

    /// Scores of many calibration samples: continuous, or whole numbers with heavy ties. The share of the population above
    /// a threshold is known exactly.
    struct Population {
        levels: u32,
    }

    impl Population {
        fn draw(&self, sample: u64, n: u64) -> Vec<f64> {
            let mut draw = Draw::keyed(7, &[b"conformal", &sample.to_le_bytes()]);
            (0..n).map(|_| draw.below(u64::from(self.levels)) as f64).collect()
        }
        fn above(&self, threshold: f64) -> f64 {
            (f64::from(self.levels) - 1.0 - threshold) / f64::from(self.levels)
        }
    }

    #[test]
    fn guarantees_hold_in_simulation_and_are_not_idle() {
        const SAMPLES: u64 = 4000;
        for (levels, share, n) in
            [(1 << 30, 0.05, 59), (1 << 30, 0.1, 60), (10, 0.05, 100), (3, 0.4, 60), (1, 0.05, 80)]
        {
            let population = Population { levels };
            let rates = |guarantee: Guarantee| -> Vec<f64> {
                let rate = |sample| {
                    let found = bound(&[population.draw(sample, n)], share, guarantee).unwrap();
                    population.above(found.logit)
                };
                (0..SAMPLES).map(rate).collect()
            };
            let average = rates(Guarantee::Average).iter().sum::<f64>() / SAMPLES as f64;
            // Three standard errors of the mean of 4,000 rates with a deviation of at most 0.05.
            assert!(average <= share + 0.0024, "{levels} {share} {n}: {average}");
            let over = |rates: &[f64]| {
                rates.iter().filter(|rate| **rate > share + 1e-12).count() as f64 / SAMPLES as f64
            };
            let confident = over(&rates(Guarantee::Confidence(0.95)));
            assert!(confident <= 0.05 + 0.0104, "{levels} {share} {n}: {confident}");
            if levels > 100 {
                // Continuous scores use up what is allowed, less what whole ranks cannot.
                assert!(average >= share - 1.0 / n as f64, "{average}");
                assert!(confident >= 0.01, "{confident}");
                assert!(over(&rates(Guarantee::Average)) > 0.2, "an average promises nothing of one sample");
            }
        }
    }
}
