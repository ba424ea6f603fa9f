//! How sure a number is, without resampling: closed-form intervals and tests for images that are drawn one by one.
//!
//! Which interval stands for which metric, how often it covers, and how wide it is: `docs/statistics.md`, whose table is
//! written by `examples/coverage.rs`. All of it assumes independent images. Where images belong together (crops of a
//! scene, an image and its reconstruction) only the bootstrap of whole groups is right: [`crate::bootstrap`].

mod delong;
mod holm;
mod mcnemar;
pub mod normal;
mod operating;
mod separated;
mod unvaried;

pub use delong::{Auc, delong, delong_paired};
pub use holm::holm;
pub use mcnemar::mcnemar;
pub use separated::separated;
pub(crate) use unvaried::Unvaried;

use crate::bootstrap::Method;
use crate::metrics::{LooksAt, Metric, Ranking, auc, fake_accuracy, real_accuracy, wilson};

/// The 95 % interval (low, high, degenerate, how it was found) that tables show for a metric of independent images.
///
/// `None` if the metric is not defined on these samples, or if it keeps its bootstrap because no better interval is known
/// (`ap`, `eer` and the metrics of probabilities). `degenerate` as in [`crate::bootstrap::Interval`].
///
/// | metric | interval |
/// |---|---|
/// | `r_acc`, `f_acc` | Wilson |
/// | `balanced_accuracy`, `asymmetry` | Newcombe: the Wilson intervals of both accuracies, combined by squares |
/// | `auc` | [`delong`]; where it is 0 or 1, [`separated`] |
/// | `tpr_at_*_fpr`, `fpr_at_*_tpr` | order statistics for the threshold, Wilson for the share, combined by squares |
pub fn closed_form(ranking: &Ranking, metric: &str) -> Option<(f64, f64, bool, Method)> {
    let sound = |method| move |(low, high)| (low, high, false, method);
    let (real, fake) = (|| Share::right(ranking, 0), || Share::right(ranking, 1));
    match (metric, Metric::named(metric)?.looks_at) {
        ("r_acc", _) => real()?.interval().map(sound(Method::Wilson)),
        ("f_acc", _) => fake()?.interval().map(sound(Method::Wilson)),
        ("balanced_accuracy", _) => {
            real()?.plus(&fake()?).map(|(low, high)| (low / 2.0, high / 2.0)).map(sound(Method::Newcombe))
        }
        ("asymmetry", _) => real()?.minus(&fake()?).map(sound(Method::Newcombe)),
        ("auc", _) => {
            let found = delong(ranking)?;
            let least = || separated(ranking.real(), ranking.fake());
            Some(match found.value {
                0.0 => (0.0, 1.0 - least(), false, Method::Newcombe),
                1.0 => (least(), 1.0, false, Method::Newcombe),
                _ => (found.low, found.high, found.degenerate, Method::Delong),
            })
        }
        (_, LooksAt::FalsePositiveRate(fpr)) => {
            operating::tpr_at_fpr(ranking, fpr).map(sound(Method::OrderStatistics))
        }
        (_, LooksAt::TruePositiveRate(tpr)) => {
            operating::fpr_at_tpr(ranking, tpr).map(sound(Method::OrderStatistics))
        }
        _ => None,
    }
}

/// The 95 % interval (low, high, how it was found) of a metric that no resample of whole scenes varies, because all images of
/// a class are right or all are wrong; `scenes` of real and of generated images.
///
/// A scene stands for one image, however many it has, as if they all had to say the same. Both classes may come from the same
/// scenes, so where a metric joins them their ends are added, which holds however the two depend on each other. `None` for a
/// metric that does not only come from such shares, or from an AUC of 0 or 1.
pub(crate) fn of_scenes(ranking: &Ranking, scenes: [u64; 2], metric: &str) -> Option<(f64, f64, Method)> {
    let share = |label: u8| {
        let of = scenes[usize::from(label)];
        match Share::right(ranking, label)? {
            all if all.count == all.of => Some(Share { count: of, of }),
            none if none.count == 0 => Some(Share { count: 0, of }),
            _ => None,
        }
    };
    let ends = |label: u8| share(label)?.interval();
    let least = separated(scenes[0], scenes[1]);
    let found = |method| move |(low, high)| (low, high, method);
    match metric {
        "r_acc" => ends(0).map(found(Method::Wilson)),
        "f_acc" => ends(1).map(found(Method::Wilson)),
        "balanced_accuracy" => {
            let (real, fake) = (ends(0)?, ends(1)?);
            Some(((real.0 + fake.0) / 2.0, (real.1 + fake.1) / 2.0, Method::Newcombe))
        }
        "asymmetry" => {
            let (real, fake) = (ends(0)?, ends(1)?);
            Some((real.0 - fake.1, real.1 - fake.0, Method::Newcombe))
        }
        "auc" => match auc(ranking).ok()? {
            0.0 => Some((0.0, 1.0 - least, Method::Newcombe)),
            1.0 => Some((least, 1.0, Method::Newcombe)),
            _ => None,
        },
        _ => None,
    }
}

/// Smallest true difference that a comparison with this standard error shows with probability 0.8, where a difference
/// counts as shown when it is `critical` standard errors from zero (1.96 alone, more in a family of comparisons).
///
/// `(critical + z) se` with the 0.8 quantile `z` of the normal distribution; the chance of showing the wrong sign is
/// neglected (below 0.003 for `critical` 1.96).
pub fn detectable(se: f64, critical: f64) -> f64 {
    (critical + normal::quantile(0.8)) * se
}

/// A share of images.
struct Share {
    count: u64,
    of: u64,
}

impl Share {
    /// Images of a class with the right verdict at logit 0; `None` without any.
    fn right(ranking: &Ranking, label: u8) -> Option<Self> {
        let (share, of) = match label {
            1 => (fake_accuracy(ranking), ranking.fake()),
            _ => (real_accuracy(ranking), ranking.real()),
        };
        Some(Self { count: (share.ok()? * of as f64).round() as u64, of })
    }

    /// What is left of the whole.
    fn rest(&self) -> Self {
        Self { count: self.of - self.count, of: self.of }
    }

    fn value(&self) -> f64 {
        self.count as f64 / self.of as f64
    }

    fn interval(&self) -> Option<(f64, f64)> {
        wilson(self.count, self.of)
    }

    /// Newcombe's interval of the sum of two independent shares: distances from the value to the ends add by squares.
    fn plus(&self, other: &Self) -> Option<(f64, f64)> {
        let (own, others) = (self.interval()?, other.interval()?);
        let (a, b) = (self.value(), other.value());
        let (down, up) = ((a - own.0).hypot(b - others.0), (own.1 - a).hypot(others.1 - b));
        Some(((a + b - down).max(0.0), (a + b + up).min(2.0)))
    }

    /// Newcombe's interval of their difference ("method 10", Statistics in Medicine 17 (1998), 873-890;
    /// `statsmodels.stats.proportion.confint_proportions_2indep(method="newcomb")`).
    fn minus(&self, other: &Self) -> Option<(f64, f64)> {
        let (low, high) = self.plus(&other.rest())?;
        Some((low - 1.0, high - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::METRICS;

    #[test]
    fn one_class_has_only_its_accuracy_and_nothing_has_none() {
        let only_real = Ranking::new(&[0, 0], &[-1.0, 1.0]).unwrap();
        let only_fake = Ranking::new(&[1], &[2.0]).unwrap();
        let nothing = Ranking::new(&[0, 1], &[f64::NAN, f64::INFINITY]).unwrap();
        let names = METRICS.iter().map(|metric| metric.name).chain(["no such metric"]);
        for name in names {
            assert_eq!(closed_form(&only_real, name).is_some(), name == "r_acc", "{name}");
            assert_eq!(closed_form(&only_fake, name).is_some(), name == "f_acc", "{name}");
            assert!(closed_form(&nothing, name).is_none(), "{name}");
        }
    }

    #[test]
    fn intervals_lie_in_the_range_of_their_metric_around_its_value() {
        let sets: &[(&[u8], &[f64])] = &[
            (&[0, 1], &[-1.0, 1.0]),
            (&[0, 1, 1, 0], &[0.0, 0.0, -0.0, 0.0]),
            (&[0, 0, 1, 1], &[3.0, 2.0, -1.0, -2.0]),
            (&[0, 1, 0, 0, 0, 1, 1], &[0.7, 0.8, 0.5, 0.9, 0.1, f64::NAN, 0.7]),
        ];
        for (labels, scores) in sets {
            let ranking = Ranking::new(labels, scores).unwrap();
            let mut seen = 0;
            for metric in METRICS {
                let Some((low, high, ..)) = closed_form(&ranking, metric.name) else { continue };
                let value = metric.measure(&ranking).value.unwrap();
                let what = format!("{} {labels:?}: {low} {value} {high}", metric.name);
                // Inclusive, with room for one rounding.
                assert!(metric.range.0 <= low && high <= metric.range.1, "{what}");
                assert!(low <= value + 1e-15 && value <= high + 1e-15, "{what}");
                seen += 1;
            }
            assert!(seen >= 7, "{seen} metrics have a closed form");
        }
    }

    #[test]
    fn a_detectable_difference_is_shown_four_times_in_five() {
        let mut draw = dear_image::Draw::keyed(3, &[b"detectable"]);
        for critical in [1.96, 3.2] {
            let (se, draws) = (0.7, 20_000);
            let truth = detectable(se, critical);
            let shown = (0..draws).filter(|_| (truth + se * draw.normal()).abs() > critical * se).count();
            // Five standard errors of a share of 0.8 in 20,000 draws.
            assert!((shown as f64 / f64::from(draws) - 0.8).abs() < 0.0142, "{shown} of {draws}");
        }
    }
}
