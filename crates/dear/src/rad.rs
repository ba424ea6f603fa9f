//! Dissect: Regional Activation Discrepancy (paper section 3.1).
//!
//! A diagnostic probe is a real image with one region generated anew. For probe `i` and channel `k`, with the
//! soft mask `m` in [0, 1] at the feature map's size,
//!
//! ```text
//! mu_in(k) = sum F_k m     / (sum m     + 1e-6)
//! mu_bg(k) = sum F_k (1-m) / (sum (1-m) + 1e-6)
//! S_k(i)   = mu_in(k) - mu_bg(k)        score S_k = mean of S_k(i) over the probes
//! ```
//!
//! so that a channel with a large score fires on generated content, one with a very negative score on real
//! content. [`resize_mask`] brings a mask to the map's size, [`region_moments`] reduces one probe to a few
//! numbers per channel, and [`rad`] turns a list of such probes into scores. Features are post-ReLU and
//! un-gated, `[C, h, w]`.

mod reliability;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::probe::Composite;
pub use reliability::{Halves, ProbeView, Reliability, SizeGroup, reliability};

/// Added to each region's weight before dividing, as the authors do.
const EPSILON: f64 = 1e-6;

/// A region that weighs less than a thousandth of one position has vanished. Below it `EPSILON` and the
/// rounding of a mask of f32 ones (1 - 0.99999994 at each position) would be most of what is measured.
const VANISHED: f64 = 1e-3;

/// Second moments are stored in f32, so a variance below this share of the mean square cannot be told from
/// zero.
const RESOLVABLE_VARIANCE: f64 = 1.0 / (1 << 22) as f64;

/// What one probe says about every channel: weighted means of `F` and of `F` squared in both regions.
///
/// All four vectors have length C. The weights are the sums of `m` and of `1 - m` over the map's positions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionMoments {
    /// Weighted mean of the features inside the mask.
    pub mu_in: Vec<f32>,
    /// Weighted mean of the features outside the mask.
    pub mu_bg: Vec<f32>,
    /// Weighted mean of the squared features inside the mask.
    pub sq_in: Vec<f32>,
    /// Weighted mean of the squared features outside the mask.
    pub sq_bg: Vec<f32>,
    /// Weight of the inside, in positions.
    pub w_in: f64,
    /// Weight of the outside, in positions.
    pub w_bg: f64,
}

impl RegionMoments {
    /// A crop that no part of the mask survived. It is never scored, but keeps its place in a batch of
    /// [`RadOrder::ReferenceBatches`], where the authors batch crops first and then drop the empty ones.
    pub fn absent(channels: usize) -> Self {
        let zero = vec![0.0; channels];
        Self {
            mu_in: zero.clone(),
            mu_bg: zero.clone(),
            sq_in: zero.clone(),
            sq_bg: zero,
            w_in: 0.0,
            w_bg: 0.0,
        }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.mu_in.len()
    }

    /// Which regions of this probe can be measured.
    pub fn regions(&self) -> Regions {
        match (self.w_in < VANISHED, self.w_bg < VANISHED) {
            (true, true) => Regions::Absent,
            (true, false) => Regions::NoInside,
            (false, true) => Regions::NoBackground,
            (false, false) => Regions::Both,
        }
    }
}

/// Which regions of a probe can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regions {
    /// Inside and background: a sound probe.
    Both,
    /// A surviving sliver of the mask vanished when it was resized: S = -mu_bg.
    NoInside,
    /// The crop lies wholly inside the mask: S = +mu_in.
    NoBackground,
    /// No part of the mask survived the crop: see [`RegionMoments::absent`].
    Absent,
}

/// What to do with a probe that lacks one region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Degenerate {
    /// Leave it out and count it.
    #[default]
    Drop,
    /// Score it, as the authors do.
    Keep,
}

impl Degenerate {
    /// What was done with them, for sentences.
    pub fn done(self) -> &'static str {
        match self {
            Self::Drop => "left out",
            Self::Keep => "kept",
        }
    }
}

/// How the probes' discrepancies are averaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RadOrder {
    /// One mean over all probes.
    #[default]
    Mean,
    /// The authors' order: the mean of each batch, then the mean of those, for at most `max_batches` batches.
    ReferenceBatches,
}

/// How a probe's mask says where it is generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskWeights {
    /// The mask as stored, binary at one half: inside or not, as the authors do.
    #[default]
    Hard,
    /// How far each pixel of a `sharp` composite is generated: less in the feather at the mask's edge.
    Sharp,
    /// How far each pixel of the paper's composite is: its mask is blurred, so that a third of what is generated lies outside
    /// of the stored mask, and small masks generate little.
    Reference,
}

impl MaskWeights {
    /// The composite whose weights these are; `None` for the stored mask.
    pub fn composite(self) -> Option<Composite> {
        match self {
            Self::Hard => None,
            Self::Sharp => Some(Composite::Sharp),
            Self::Reference => Some(Composite::Reference),
        }
    }
}

/// How probes become scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RadOptions {
    /// Divide each channel by its deviation within the regions (default: no, as in the paper). See [`rad`].
    pub standardise: bool,
    /// Subtract the score of the null probes (default: no, as in the paper).
    pub subtract_null: bool,
    /// Probes that lack one region (default: drop; the authors keep them).
    pub degenerate: Degenerate,
    /// What the mask means (default: hard, as in the paper).
    pub mask: MaskWeights,
    /// Order of averaging (default: one mean).
    pub order: RadOrder,
    /// Probes in a batch of [`RadOrder::ReferenceBatches`] (default 64).
    pub batch: usize,
    /// Batches that [`RadOrder::ReferenceBatches`] reads at most (default 100).
    pub max_batches: usize,
}

impl Default for RadOptions {
    fn default() -> Self {
        Self {
            standardise: false,
            subtract_null: false,
            degenerate: Degenerate::Drop,
            mask: MaskWeights::Hard,
            order: RadOrder::Mean,
            batch: 64,
            max_batches: 100,
        }
    }
}

impl RadOptions {
    /// The authors' settings: batches of 64, at most 100, degenerate probes kept.
    pub fn reference() -> Self {
        Self { degenerate: Degenerate::Keep, order: RadOrder::ReferenceBatches, ..Self::default() }
    }

    /// Refuse values outside their range.
    pub fn check(&self) -> Result<(), RadError> {
        for (key, value) in [("batch", self.batch), ("max_batches", self.max_batches)] {
            if value == 0 {
                return Err(RadError::Option { key, found: 0 });
            }
        }
        Ok(())
    }
}

/// What became of the probes that were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeCounts {
    /// Probes given.
    pub given: u64,
    /// Probes that the scores are made of.
    pub scored: u64,
    /// Crops without any mask: never scored.
    pub absent: u64,
    /// Probes whose mask vanished when it was resized.
    pub no_inside: u64,
    /// Probes whose crop lies wholly inside the mask.
    pub no_background: u64,
    /// Probes after the last batch that was read.
    pub beyond_limit: u64,
}

impl ProbeCounts {
    /// Probes that lack one region, whether dropped or kept.
    pub fn degenerate(&self) -> u64 {
        self.no_inside + self.no_background
    }
}

/// The scores of all channels and what they are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rad {
    /// Score of each channel, `[C]`, finite. High: fires on generated content.
    pub scores: Vec<f64>,
    /// Standard error of each score over the probes, `[C]`; absent when one probe was scored.
    pub std_error: Option<Vec<f64>>,
    /// Probes that the scores are made of.
    pub probes: u64,
    /// Probes that lack one region, dropped or kept as the options say.
    pub degenerate: u64,
    /// What became of the probes.
    pub counts: ProbeCounts,
    /// What became of the null probes, where they were subtracted.
    pub null_counts: Option<ProbeCounts>,
    /// Channels whose deviation could not be told from zero (standardised scores only).
    pub flat_channels: u64,
    /// The options in force.
    #[serde(deserialize_with = "known_fields")]
    pub options: RadOptions,
}

/// Options as a document tells them: fields that a later version added are passed over. A recipe's are refused.
fn known_fields<'de, D: serde::Deserializer<'de>>(document: D) -> Result<RadOptions, D::Error> {
    use serde::de::Error as _;
    let mut fields = serde_json::Map::deserialize(document)?;
    let known = serde_json::to_value(RadOptions::default()).map_err(D::Error::custom)?;
    fields.retain(|name, _| known.get(name).is_some());
    RadOptions::deserialize(serde_json::Value::Object(fields)).map_err(D::Error::custom)
}

/// Why there are no scores.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RadError {
    /// An option is out of range.
    #[error("rad option {key:?} is {found}, expected at least 1")]
    Option {
        /// The option's name.
        key: &'static str,
        /// Its value.
        found: usize,
    },
    /// Null probes are to be subtracted and there are none.
    #[error("no null probes given, expected some because subtract_null is set")]
    NoNull,
    /// Every probe was absent or dropped.
    #[error(
        "no {side} left to score, found {} given of which {} without any mask, {} whose mask vanished when resized \
         and {} wholly inside the mask",
        counts.given, counts.absent, counts.no_inside, counts.no_background
    )]
    NoProbe {
        /// "probe" or "null probe".
        side: &'static str,
        /// What became of them.
        counts: ProbeCounts,
    },
    /// The probes do not all have the same channels.
    #[error("{side} {index} has {found} channels, expected {expected}")]
    Channels {
        /// "probe" or "null probe".
        side: &'static str,
        /// Position in the list.
        index: usize,
        /// Channels of this probe (the shortest of its four vectors where they differ).
        found: usize,
        /// Channels of the first probe.
        expected: usize,
    },
    /// No channel fires on any probe, so there is nothing to rank.
    #[error(
        "every channel is 0 on all {scored} {side}s, expected features after the last ReLU of a network that fires"
    )]
    Dead {
        /// "probe" or "null probe".
        side: &'static str,
        /// Probes scored.
        scored: u64,
    },
    /// A score is NaN or infinite, so ranking the channels would mean nothing.
    #[error("score of channel {channel} is {value}, expected a finite number ({side}s)")]
    NonFinite {
        /// "probe" or "null probe".
        side: &'static str,
        /// The first such channel.
        channel: usize,
        /// Its score.
        value: f64,
    },
}

impl RadError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Option { .. } => "option",
            Self::NoNull => "no_null",
            Self::NoProbe { .. } => "no_probe",
            Self::Channels { .. } => "channels",
            Self::Dead { .. } => "dead",
            Self::NonFinite { .. } => "non_finite",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Option { .. } => return None,
            Self::NoNull => "make null probes, or unset subtract_null",
            Self::NoProbe { counts, .. } if counts.degenerate() > 0 => {
                "use larger crops or more probes, or set degenerate = \"keep\" as the authors do"
            }
            Self::NoProbe { .. } => "check that images and masks belong together, and use more probes",
            Self::Channels { .. } => "score all probes with one detector",
            Self::Dead { .. } => {
                "check the backbone's weights and preprocessing: `dear doctor`, then `dear scan` on an image"
            }
            Self::NonFinite { .. } => {
                "the backbone gives NaN or infinity on some probe: check weights and precision"
            }
        };
        Some(hint.to_owned())
    }
}

/// Resize a mask to the feature map's size: `torch.nn.functional.interpolate(mode="bilinear",
/// align_corners=False)`, half-pixel centres, *no* antialias (section 2 of the method; this is what makes
/// slivers vanish).
///
/// `mask` is row-major `[h, w]` with `from = (h, w)`; values keep their range.
///
/// # Panics
/// If `mask` has not `from.0 * from.1` values, or a side of `from` is 0.
pub fn resize_mask(mask: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    assert!(from.0 > 0 && from.1 > 0, "the mask is {from:?}, expected at least one position");
    assert_eq!(mask.len(), from.0 * from.1, "the mask's values must fill its height and width {from:?}");
    let rows = taps(from.0, to.0);
    let columns = taps(from.1, to.1);
    let mut out = Vec::with_capacity(to.0 * to.1);
    for row in &rows {
        let above = &mask[row.first * from.1..][..from.1];
        let below = &mask[row.second * from.1..][..from.1];
        for column in &columns {
            let across =
                |line: &[f32]| line[column.first] * (1.0 - column.share) + line[column.second] * column.share;
            out.push(across(above) * (1.0 - row.share) + across(below) * row.share);
        }
    }
    out
}

/// The two input positions that one output position mixes, in f32 as torch computes them.
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f32 / to as f32;
    (0..to)
        .map(|i| {
            let centre = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
            let first = (centre as usize).min(from - 1);
            Tap { first, second: (first + 1).min(from - 1), share: (centre - first as f32).clamp(0.0, 1.0) }
        })
        .collect()
}

/// Reduce one probe to its region moments. `features` is `[C, h, w]`, `mask` is `[h, w]` with values in [0,
/// 1] at the features' size (see [`resize_mask`]). Sums are in f64.
///
/// # Panics
/// If `mask` is empty or `features` has not `channels * mask.len()` values.
pub fn region_moments(features: &[f32], channels: usize, mask: &[f32]) -> RegionMoments {
    assert!(!mask.is_empty(), "the mask is empty, expected the feature map's positions");
    assert_eq!(features.len(), channels * mask.len(), "features must be channels x positions of the mask");
    let w_in: f64 = mask.iter().map(|&m| f64::from(m)).sum();
    // 1 - m in f32, as the reference forms its background mask.
    let w_bg: f64 = mask.iter().map(|&m| f64::from(1.0 - m)).sum();
    let mut moments = RegionMoments { w_in, w_bg, ..RegionMoments::absent(channels) };
    for (k, plane) in features.chunks_exact(mask.len()).enumerate() {
        let (mut sum_in, mut sum_bg, mut square_in, mut square_bg) = (0.0, 0.0, 0.0, 0.0);
        for (&feature, &m) in plane.iter().zip(mask) {
            let (feature, inside, outside) = (f64::from(feature), f64::from(m), f64::from(1.0 - m));
            sum_in += feature * inside;
            sum_bg += feature * outside;
            square_in += feature * feature * inside;
            square_bg += feature * feature * outside;
        }
        moments.mu_in[k] = (sum_in / (w_in + EPSILON)) as f32;
        moments.mu_bg[k] = (sum_bg / (w_bg + EPSILON)) as f32;
        moments.sq_in[k] = (square_in / (w_in + EPSILON)) as f32;
        moments.sq_bg[k] = (square_bg / (w_bg + EPSILON)) as f32;
    }
    moments
}

/// Score every channel.
///
/// **Raw** (default): `S_k` = mean over the scored probes of `mu_in(k) - mu_bg(k)`.
///
/// **Standardised**: `S_k / d_k`, where `d_k` is the channel's deviation *within* the regions, pooled over
/// all scored probes with the regions' weights, `d_k^2 = sum_i [w_in (sq_in - mu_in^2) + w_bg (sq_bg -
/// mu_bg^2)] / sum_i (w_in + w_bg)`, so that a channel's activation scale cancels and the score reads as
/// "deviations of the channel". `d_k` is not allowed below 2^-11 of the channel's root mean square, which is
/// what f32 moments resolve; such channels are counted as flat, and a channel that never fires has score 0.
///
/// **Null**: with `subtract_null` the same is computed for the null probes (same mask and resampling, nothing
/// generated), each side with its own deviations, and subtracted.
///
/// The standard error is the deviation of `S_k(i)` over the probes (n - 1) divided by sqrt(n), both sides'
/// errors added in quadrature; it takes `d_k` as known.
pub fn rad(
    probes: &[RegionMoments],
    null: Option<&[RegionMoments]>,
    options: &RadOptions,
) -> Result<Rad, RadError> {
    options.check()?;
    let channels = probes.first().map_or(0, RegionMoments::channels);
    let side = score_side("probe", probes, channels, options)?;
    let mut rad = Rad {
        scores: side.scores,
        std_error: side.std_error,
        probes: side.counts.scored,
        degenerate: side.counts.degenerate(),
        counts: side.counts,
        null_counts: None,
        flat_channels: side.flat_channels,
        options: *options,
    };
    if options.subtract_null {
        let null = score_side("null probe", null.ok_or(RadError::NoNull)?, channels, options)?;
        for (score, null) in rad.scores.iter_mut().zip(&null.scores) {
            *score -= null;
        }
        rad.std_error = match (rad.std_error, null.std_error) {
            (Some(a), Some(b)) => Some(a.iter().zip(&b).map(|(a, b)| a.hypot(*b)).collect()),
            _ => None,
        };
        rad.null_counts = Some(null.counts);
    }
    Ok(rad)
}

/// Scores of one list of probes.
struct Side {
    scores: Vec<f64>,
    std_error: Option<Vec<f64>>,
    counts: ProbeCounts,
    flat_channels: u64,
}

fn score_side(
    side: &'static str,
    probes: &[RegionMoments],
    channels: usize,
    options: &RadOptions,
) -> Result<Side, RadError> {
    for (index, probe) in probes.iter().enumerate() {
        let lengths = [probe.mu_in.len(), probe.mu_bg.len(), probe.sq_in.len(), probe.sq_bg.len()];
        if let Some(&found) = lengths.iter().find(|&&length| length != channels) {
            return Err(RadError::Channels { side, index, found, expected: channels });
        }
    }
    let mut counts = ProbeCounts { given: probes.len() as u64, ..ProbeCounts::default() };
    let batches = scored_batches(probes, options, &mut counts);
    if counts.scored == 0 {
        return Err(RadError::NoProbe { side, counts });
    }
    let scored = || batches.iter().flatten().copied();
    let silent = |probe: &RegionMoments| probe.mu_in.iter().chain(&probe.mu_bg).all(|&mean| mean == 0.0);
    if scored().all(silent) {
        return Err(RadError::Dead { side, scored: counts.scored });
    }
    let (deviations, flat_channels) =
        if options.standardise { pooled_deviations(scored(), channels) } else { (vec![1.0; channels], 0) };

    let mut scores = vec![0.0; channels];
    for batch in &batches {
        let share = 1.0 / (batch.len() as f64 * batches.len() as f64);
        for probe in batch {
            add_discrepancy(&mut scores, probe, |difference| difference * share);
        }
    }
    for (channel, (score, deviation)) in scores.iter_mut().zip(&deviations).enumerate() {
        *score /= deviation;
        if !score.is_finite() {
            return Err(RadError::NonFinite { side, channel, value: *score });
        }
    }
    let std_error = (counts.scored > 1).then(|| {
        let n = counts.scored as f64;
        let mut mean = vec![0.0; channels];
        scored().for_each(|probe| add_discrepancy(&mut mean, probe, |difference| difference / n));
        let mut squares = vec![0.0; channels];
        for probe in scored() {
            for (k, square) in squares.iter_mut().enumerate() {
                *square += (discrepancy(probe, k) - mean[k]).powi(2);
            }
        }
        squares.iter().zip(&deviations).map(|(square, d)| (square / (n * (n - 1.0))).sqrt() / d).collect()
    });
    Ok(Side { scores, std_error, counts, flat_channels })
}

/// The probes that count, in batches (one batch where the order is [`RadOrder::Mean`]). Batches in which no
/// probe counts are left out, though they were read.
fn scored_batches<'a>(
    probes: &'a [RegionMoments],
    options: &RadOptions,
    counts: &mut ProbeCounts,
) -> Vec<Vec<&'a RegionMoments>> {
    let (batch, max_batches) = match options.order {
        RadOrder::Mean => (probes.len().max(1), 1),
        RadOrder::ReferenceBatches => (options.batch, options.max_batches),
    };
    let mut batches = Vec::new();
    let mut read = 0;
    for chunk in probes.chunks(batch).take(max_batches) {
        read += chunk.len();
        let kept: Vec<_> = chunk
            .iter()
            .filter(|probe| {
                let regions = probe.regions();
                match regions {
                    Regions::Both => {}
                    Regions::Absent => counts.absent += 1,
                    Regions::NoInside => counts.no_inside += 1,
                    Regions::NoBackground => counts.no_background += 1,
                }
                is_scored(regions, options.degenerate)
            })
            .collect();
        counts.scored += kept.len() as u64;
        if !kept.is_empty() {
            batches.push(kept);
        }
    }
    counts.beyond_limit = (probes.len() - read) as u64;
    batches
}

/// Whether a probe with these regions counts.
fn is_scored(regions: Regions, degenerate: Degenerate) -> bool {
    match regions {
        Regions::Both => true,
        Regions::NoInside | Regions::NoBackground => degenerate == Degenerate::Keep,
        Regions::Absent => false,
    }
}

fn discrepancy(probe: &RegionMoments, channel: usize) -> f64 {
    f64::from(probe.mu_in[channel]) - f64::from(probe.mu_bg[channel])
}

fn add_discrepancy(sum: &mut [f64], probe: &RegionMoments, scale: impl Fn(f64) -> f64) {
    for (k, sum) in sum.iter_mut().enumerate() {
        *sum += scale(discrepancy(probe, k));
    }
}

/// Per channel: deviation within the regions, pooled over the probes, and how many channels are flat.
fn pooled_deviations<'a>(
    probes: impl Iterator<Item = &'a RegionMoments>,
    channels: usize,
) -> (Vec<f64>, u64) {
    let mut variance = vec![0.0; channels];
    let mut mean_square = vec![0.0; channels];
    let mut weight = 0.0;
    for probe in probes {
        weight += probe.w_in + probe.w_bg;
        add_within(&mut variance, &mut mean_square, probe);
    }
    let found = variance.iter().zip(&mean_square).map(|(&v, &square)| deviation(v, square, weight));
    let (deviations, flat): (Vec<f64>, Vec<bool>) = found.unzip();
    (deviations, flat.iter().filter(|flat| **flat).count() as u64)
}

/// Add a probe's weighted squares within its regions: around the region's mean, and around 0.
fn add_within(variance: &mut [f64], mean_square: &mut [f64], probe: &RegionMoments) {
    for k in 0..variance.len() {
        for (weight, mean, square) in
            [(probe.w_in, probe.mu_in[k], probe.sq_in[k]), (probe.w_bg, probe.mu_bg[k], probe.sq_bg[k])]
        {
            if weight >= VANISHED {
                // Undo the epsilon of the divisor, which would look like a variance of mean^2 x 1e-6 / weight.
                let exact = (weight + EPSILON) / weight;
                let (mean, square) = (f64::from(mean) * exact, f64::from(square) * exact);
                variance[k] += weight * (square - mean * mean);
                mean_square[k] += weight * square;
            }
        }
    }
}

/// The deviation of those sums over `weight` positions, and whether it could not be told from zero.
fn deviation(variance: f64, mean_square: f64, weight: f64) -> (f64, bool) {
    let floor = mean_square * RESOLVABLE_VARIANCE;
    if variance > floor {
        return ((variance / weight).sqrt(), false);
    }
    let least = if floor > 0.0 {
        (floor / weight).sqrt()
    } else if mean_square.is_finite() {
        1.0
    } else {
        f64::NAN
    };
    (least, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels on a 1 x 4 map whose left half is inside: by hand.
    fn probe() -> RegionMoments {
        region_moments(&[1.0, 3.0, 0.0, 4.0, 2.0, 2.0, 5.0, 5.0], 2, &[1.0, 1.0, 0.0, 0.0])
    }

    #[test]
    fn moments_and_scores_by_hand() {
        let probe = probe();
        assert_eq!((probe.w_in, probe.w_bg, probe.regions()), (2.0, 2.0, Regions::Both));
        let close = |found: &[f32], expected: [f32; 2]| {
            found
                .iter()
                .zip(expected)
                .all(|(found, expected)| (found - expected).abs() < 1e-5 * (1.0 + expected))
        };
        assert!(close(&probe.mu_in, [2.0, 2.0]) && close(&probe.mu_bg, [2.0, 5.0]), "{probe:?}");
        assert!(close(&probe.sq_in, [5.0, 4.0]) && close(&probe.sq_bg, [8.0, 25.0]), "{probe:?}");

        let raw = rad(std::slice::from_ref(&probe), None, &RadOptions::default()).unwrap();
        assert!((raw.scores[0]).abs() < 1e-5 && (raw.scores[1] + 3.0).abs() < 1e-5, "{raw:?}");
        assert_eq!((raw.probes, raw.degenerate, raw.std_error), (1, 0, None));
    }

    #[test]
    fn scale_of_a_channel_cancels_when_standardised() {
        let features: Vec<f32> = (0..18).map(|i| ((i * 7 + 3) % 11) as f32).collect();
        let mask = [1.0, 0.5, 0.0, 0.0, 1.0, 1.0, 0.25, 0.0, 0.0];
        let scaled: Vec<f32> = features.iter().map(|f| f * 1000.0).collect();
        let options = RadOptions { standardise: true, ..RadOptions::default() };
        let score = |f: &[f32]| rad(&[region_moments(f, 2, &mask)], None, &options).unwrap().scores;
        for (a, b) in score(&features).iter().zip(score(&scaled)) {
            assert!((a - b).abs() < 1e-5 * a.abs() && *a != 0.0, "{a} {b}");
        }
    }

    #[test]
    fn flat_and_dead_channels_stay_finite() {
        let probe = region_moments(&[2.0, 2.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0], 2, &[1.0, 1.0, 0.0, 0.0]);
        let options = RadOptions { standardise: true, ..RadOptions::default() };
        let rad = rad(&[probe], None, &options).unwrap();
        assert_eq!((rad.flat_channels, rad.scores[1]), (2, 0.0));
        assert!(rad.scores[0] < -100.0 && rad.scores[0].is_finite(), "{rad:?}");
    }

    #[test]
    fn degenerate_probes_are_dropped_counted_and_kept_on_request() {
        let inside = region_moments(&[4.0, 2.0], 1, &[1.0, 1.0]);
        let vanished = region_moments(&[4.0, 2.0], 1, &[0.0, 0.0]);
        let sound = region_moments(&[4.0, 2.0], 1, &[1.0, 0.0]);
        let probes = [inside.clone(), vanished, sound, RegionMoments::absent(1)];
        let dropped = rad(&probes, None, &RadOptions::default()).unwrap();
        let counts =
            ProbeCounts { given: 4, scored: 1, absent: 1, no_inside: 1, no_background: 1, beyond_limit: 0 };
        assert_eq!((dropped.counts, dropped.degenerate), (counts, 2));
        assert!((dropped.scores[0] - 2.0).abs() < 1e-5);
        let kept = rad(&probes, None, &RadOptions { degenerate: Degenerate::Keep, ..RadOptions::default() })
            .unwrap();
        assert_eq!(kept.probes, 3);
        assert!((kept.scores[0] - 2.0 / 3.0).abs() < 1e-5, "(3 - 3 + 2) / 3, found {:?}", kept.scores);

        let error = rad(&[inside], None, &RadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), "no_probe");
        assert!(error.hint().unwrap().contains("keep"));
    }

    #[test]
    fn one_fully_masked_position_of_rounded_ones_is_no_background() {
        let mask = resize_mask(&[1.0; 49], (7, 7), (3, 3));
        assert_eq!(region_moments(&[1.0; 9], 1, &mask).regions(), Regions::NoBackground);
    }

    #[test]
    fn reference_order_weighs_batches_equally_and_stops_at_the_limit() {
        let probe = |s: f32| region_moments(&[s, 0.0], 1, &[1.0, 0.0]);
        let probes = [probe(1.0), probe(3.0), probe(8.0), RegionMoments::absent(1), probe(100.0)];
        let options = RadOptions { batch: 2, max_batches: 2, ..RadOptions::reference() };
        let rad = rad(&probes, None, &options).unwrap();
        assert!((rad.scores[0] - 5.0).abs() < 1e-4, "mean of 2 and 8, found {:?}", rad.scores);
        assert_eq!((rad.probes, rad.counts.beyond_limit), (3, 1));
    }

    #[test]
    fn null_probes_are_subtracted_and_needed() {
        let probes =
            [region_moments(&[3.0, 0.0], 1, &[1.0, 0.0]), region_moments(&[5.0, 0.0], 1, &[1.0, 0.0])];
        let null = [region_moments(&[1.0, 0.0], 1, &[1.0, 0.0]), region_moments(&[1.0, 0.0], 1, &[1.0, 0.0])];
        let options = RadOptions { subtract_null: true, ..RadOptions::default() };
        let rad_of = |null| rad(&probes, null, &options);
        let found = rad_of(Some(&null[..])).unwrap();
        assert!((found.scores[0] - 3.0).abs() < 1e-4 && (found.std_error.unwrap()[0] - 1.0).abs() < 1e-4);
        assert_eq!(found.null_counts.unwrap().scored, 2);
        assert_eq!(rad_of(None).unwrap_err(), RadError::NoNull);
    }

    #[test]
    fn a_backbone_that_never_fires_is_an_error_not_a_ranking_by_index() {
        let dead = region_moments(&[0.0; 4], 2, &[1.0, 0.0]);
        let error = rad(&[dead.clone(), dead], None, &RadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), "dead");
        assert!(error.to_string().starts_with("every channel is 0 on all 2 probes"), "{error}");
    }

    #[test]
    fn non_finite_scores_and_foreign_channels_are_named() {
        let bad = region_moments(&[1.0, 0.0, f32::NAN, 0.0], 2, &[1.0, 0.0]);
        let error = rad(&[bad], None, &RadOptions::default()).unwrap_err();
        assert!(matches!(error, RadError::NonFinite { channel: 1, .. }), "{error}");
        for value in [f32::NAN, f32::INFINITY] {
            let bad = region_moments(&[1.0, 0.5, value, 0.0], 2, &[1.0, 0.0]);
            let options = RadOptions { standardise: true, ..RadOptions::default() };
            assert_eq!(rad(&[bad], None, &options).unwrap_err().kind(), "non_finite");
        }
        let mixed = [probe(), region_moments(&[1.0, 0.0], 1, &[1.0, 0.0])];
        let error = rad(&mixed, None, &RadOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "probe 1 has 1 channels, expected 2");
        assert_eq!(rad(&[], None, &RadOptions::default()).unwrap_err().kind(), "no_probe");
    }
}
