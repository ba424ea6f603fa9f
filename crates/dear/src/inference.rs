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

pub use delong::{Auc, delong, delong_paired};
pub use holm::holm;
pub use mcnemar::mcnemar;

use crate::bootstrap::Method;
use crate::metrics::{LooksAt, Metric, Ranking, wilson};

/// The 95 % interval (low, high, degenerate, how it was found) that tables show for a metric of independent images.
///
/// `None` if the metric is not defined on these samples, or if it has no such interval (`ap`): it keeps its bootstrap.
///
/// | metric | interval |
/// |---|---|
/// | `r_acc`, `f_acc` | Wilson |
/// | `balanced_accuracy`, `asymmetry` | Newcombe: the Wilson intervals of both accuracies, combined by squares |
/// | `auc` | [`delong`] |
/// | `tpr_at_*_fpr`, `fpr_at_95_tpr` | order statistics for the threshold, Wilson for the share, combined by squares |
pub fn closed_form(ranking: &Ranking, metric: &str) -> Option<(f64, f64, bool, Method)> {
    let sound = |(low, high): (f64, f64), method| (low, high, false, method);
    let (real, fake) = (Share::right_real(ranking), Share::right_fake(ranking));
    match metric {
        "r_acc" => Some(sound(real.interval()?, Method::Wilson)),
        "f_acc" => Some(sound(fake.interval()?, Method::Wilson)),
        "balanced_accuracy" => {
            let (low, high) = real.plus(&fake)?;
            Some(sound((low / 2.0, high / 2.0), Method::Newcombe))
        }
        "asymmetry" => Some(sound(real.minus(&fake)?, Method::Newcombe)),
        "auc" => delong(ranking).map(|auc| (auc.low, auc.high, auc.degenerate, Method::Delong)),
        "fpr_at_95_tpr" => {
            let ends = operating::fpr_at_miss(ranking, 0.05)?;
            Some(sound(ends, Method::OrderStatistics))
        }
        _ => match Metric::named(metric)?.looks_at {
            LooksAt::FalsePositiveRate(fpr) => {
                Some(sound(operating::tpr_at_fpr(ranking, fpr)?, Method::OrderStatistics))
            }
            _ => None,
        },
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
    fn right_real(ranking: &Ranking) -> Self {
        let right = ranking.ties().iter().filter(|tie| tie.score < 0.0).map(|tie| tie.real).sum();
        Self { count: right, of: ranking.real() }
    }

    fn right_fake(ranking: &Ranking) -> Self {
        let right = ranking.ties().iter().filter(|tie| tie.score > 0.0).map(|tie| tie.fake).sum();
        Self { count: right, of: ranking.fake() }
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
        Some((a + b - (a - own.0).hypot(b - others.0), a + b + (own.1 - a).hypot(others.1 - b)))
    }

    /// Newcombe's interval of their difference ("method 10", Statistics in Medicine 17 (1998), 873-890;
    /// `statsmodels.stats.proportion.confint_proportions_2indep(method="newcomb")`).
    fn minus(&self, other: &Self) -> Option<(f64, f64)> {
        let (low, high) = self.plus(&other.rest())?;
        Some((low - 1.0, high - 1.0))
    }
}
