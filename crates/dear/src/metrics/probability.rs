//! Metrics of the probability of *generated* that a logit stands for: Brier, NLL, calibration error.

use std::f64::consts::{PI, SQRT_2};

use super::{Ranking, Undefined, Z_95};

/// Negative log likelihoods are summed in units of this many nats: then a sum over all images that can be counted
/// stays finite for every finite logit.
pub(super) const LOSS_UNIT: f64 = 4_294_967_296.0;

/// Probability of *generated*: `1 / (1 + exp(-logit))`, without overflow.
pub(super) fn sigmoid(logit: f64) -> f64 {
    let small = libm::exp(-logit.abs());
    if logit >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// `ln(1 + exp(x))`, without overflow.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// Brier score in [0, 1]: mean of (probability - label)^2 (`sklearn.metrics.brier_score_loss`).
pub fn brier(ranking: &Ranking) -> Result<f64, Undefined> {
    let [real, fake] = ranking.both_classes()?;
    Ok(ranking.sums.squares / (real + fake) as f64)
}

/// Negative log likelihood of an image, in nats, from the logit itself: finite for every finite logit, where a
/// rounded probability would give infinity (`sklearn.metrics.log_loss`, which clips instead).
pub fn nll(ranking: &Ranking) -> Result<f64, Undefined> {
    let [real, fake] = ranking.both_classes()?;
    Ok((ranking.sums.loss / (real + fake) as f64 * LOSS_UNIT).min(f64::MAX))
}

/// Images of similar probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MassBin {
    /// Mean probability of *generated*.
    pub probability: f64,
    /// Generated images.
    pub fake: u64,
    /// Images, at least one.
    pub n: u64,
}

impl MassBin {
    /// Share of generated images.
    pub fn share(&self) -> f64 {
        self.fake as f64 / self.n as f64
    }

    /// Mean probability minus share.
    fn gap(&self) -> f64 {
        self.probability - self.share()
    }
}

/// At most 15 bins of about as many images each, by ascending probability.
///
/// A tie is never split, so that the order of samples cannot matter: it belongs to the bin `floor(15 m / n)` of its
/// middle rank `m` (its half way, counted in images from the lowest score), and to the inner one of two bins where
/// that lies on their edge. Bins that stay empty are left out, so there are never more bins than distinct scores.
pub fn mass_bins(ranking: &Ranking) -> Vec<MassBin> {
    let bins = ranking.sums.bins.iter().rev().filter(|bin| bin.n > 0);
    bins.map(|bin| MassBin { probability: bin.probability / bin.n as f64, fake: bin.fake, n: bin.n })
        .collect()
}

/// Expected calibration error in [0, 1] as it is usually given: the mean over images of |gap| of their bin, where a
/// gap is mean probability minus share of generated images ([`mass_bins`]). Too high for few images: also a calibrated
/// detector has gaps by chance.
pub fn ece_plug_in(ranking: &Ranking) -> Result<f64, Undefined> {
    weighted(ranking, |bin| bin.gap().abs())
}

/// Expected calibration error in [0, 1], debiased: for each bin `2 |g| - E |N(g, v)|`, weighted by images, and 0 where
/// the sum is negative.
///
/// `g` is the bin's gap and `v = share (1 - share) / n` the variance of its share: what a bin gets by chance beyond
/// its gap is measured on the fitted model and subtracted, as `normal_debiased_ce` of Kumar, Liang and Ma (Verified
/// Uncertainty Calibration, 2019) does with random draws. The expectation is that of a folded normal:
/// `sqrt(2 v / pi) exp(-g^2 / 2v) + |g| erf(|g| / sqrt(2v))`.
pub fn ece(ranking: &Ranking) -> Result<f64, Undefined> {
    let debiased = |bin: &MassBin| {
        let share = bin.share();
        let variance = share * (1.0 - share) / bin.n as f64;
        2.0 * bin.gap().abs() - mean_absolute_normal(bin.gap(), variance)
    };
    Ok(weighted(ranking, debiased)?.max(0.0))
}

/// The largest [`ece_plug_in`] that a calibrated detector with these probabilities reaches by chance: its quantile
/// 0.975, as mean plus 1.96 standard deviations.
///
/// A bin's gap is then normal around 0 with variance `v = p (1 - p) / n`, so `|gap|` has mean `sqrt(2 v / pi)` and
/// variance `v (1 - 2 / pi)`.
pub fn ece_by_chance(ranking: &Ranking) -> Result<f64, Undefined> {
    let variance = |bin: &MassBin| bin.probability * (1.0 - bin.probability) / bin.n as f64;
    let mean = weighted(ranking, |bin| (2.0 * variance(bin) / PI).sqrt())?;
    let n = (ranking.real() + ranking.fake()) as f64;
    let spread = |bin: &MassBin| (bin.n as f64 / n).powi(2) * variance(bin) * (1.0 - 2.0 / PI);
    Ok(mean + Z_95 * mass_bins(ranking).iter().map(spread).sum::<f64>().sqrt())
}

fn weighted(ranking: &Ranking, of: impl Fn(&MassBin) -> f64) -> Result<f64, Undefined> {
    let [real, fake] = ranking.both_classes()?;
    Ok(mass_bins(ranking).iter().map(|bin| bin.n as f64 * of(bin)).sum::<f64>() / (real + fake) as f64)
}

/// `E |N(mean, variance)|`.
fn mean_absolute_normal(mean: f64, variance: f64) -> f64 {
    if variance == 0.0 {
        return mean.abs();
    }
    (2.0 * variance / PI).sqrt() * libm::exp(-mean * mean / (2.0 * variance))
        + mean.abs() * libm::erf(mean.abs() / (variance.sqrt() * SQRT_2))
}
