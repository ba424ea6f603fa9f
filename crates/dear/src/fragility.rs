//! Fragility of a channel: how much its pooled activation moves under a perturbation (paper section 3.2; method section 6).
//!
//! ```text
//! raw_k        = mean over images of (pooled_k(perturbed) - pooled_k(clean))^2
//! normalised_k = raw_k / mean over images of pooled_k(clean)^2
//! ```
//!
//! The pooled activation is what reaches the head. Raw fragility grows with a channel's scale, and so does RAD; the
//! normalised one does not, and tells how much of "both extremes are the most fragile" is scale.

use dear_image::Draw;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bootstrap::quantile;

/// Resamples of the images.
const RESAMPLES: u32 = 1000;
/// Groups of neighbouring ranks that the plot shows.
const BINS: usize = 20;

/// Fragility of every channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fragility {
    /// The perturbation chain.
    pub chain: String,
    /// Images measured.
    pub images: u64,
    /// Images left out because one of the two versions was refused.
    pub refused: u64,
    /// Mean squared change, `[C]`.
    pub raw: Vec<f64>,
    /// Mean squared change in units of the channel's mean square, `[C]`; 0 for a channel that never fires.
    pub normalised: Vec<f64>,
}

/// Why there is no fragility.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum FragilityError {
    /// No image could be measured in both versions.
    #[error("no image could be measured before and after {chain}, {refused} refused, expected at least one")]
    NoImage {
        /// The chain.
        chain: String,
        /// Images refused.
        refused: u64,
    },
    /// Both versions are the same.
    #[error("{chain} changes no image, expected a perturbation")]
    Unchanged {
        /// The chain.
        chain: String,
    },
}

impl FragilityError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoImage { .. } => "no_image",
            Self::Unchanged { .. } => "unchanged",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoImage { .. } => Some("`dear scan FOLDER` says which files cannot be read".to_owned()),
            Self::Unchanged { .. } => Some("give a chain such as paper or \"jpeg(50)\"".to_owned()),
        }
    }
}

/// Pooled features of one image, clean and perturbed, `[C]` each.
pub type CleanAndPerturbed<'a> = (&'a [f32], &'a [f32]);

/// Measure every channel on pairs of clean and perturbed images.
///
/// # Errors
/// [`FragilityError`].
pub fn fragility(
    chain: &str,
    pairs: &[CleanAndPerturbed],
    refused: u64,
) -> Result<Fragility, FragilityError> {
    let chain = chain.to_owned();
    let Some((first, _)) = pairs.first() else { return Err(FragilityError::NoImage { chain, refused }) };
    let n = pairs.len() as f64;
    let (mut raw, mut square) = (vec![0.0; first.len()], vec![0.0; first.len()]);
    for pair in pairs {
        for (k, change) in changes(pair).enumerate() {
            raw[k] += change / n;
            square[k] += f64::from(pair.0[k]).powi(2) / n;
        }
    }
    if raw.iter().all(|change| *change == 0.0) {
        return Err(FragilityError::Unchanged { chain });
    }
    let normalised = raw.iter().zip(&square).map(|(&raw, &square)| share(raw, square)).collect();
    Ok(Fragility { chain, images: pairs.len() as u64, refused, raw, normalised })
}

/// `(perturbed - clean)^2` of each channel.
fn changes<'a>((clean, perturbed): &CleanAndPerturbed<'a>) -> impl Iterator<Item = f64> + use<'a> {
    clean.iter().zip(*perturbed).map(|(&clean, &perturbed)| (f64::from(perturbed) - f64::from(clean)).powi(2))
}

/// A channel that never fires when clean has no scale: its change, if any, is not expressed in it.
fn share(raw: f64, square: f64) -> f64 {
    if square > 0.0 { raw / square } else { 0.0 }
}

/// Fragility along the ranking by RAD, from the highest score to the lowest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlongRanks {
    /// Groups of neighbouring ranks.
    pub bins: Vec<RankBin>,
    /// The top and the bottom against the middle; empty where the middle does not move, or is not there.
    pub extremes: Vec<Extreme>,
}

/// Channels of neighbouring ranks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankBin {
    /// First rank, from 1.
    pub from: u64,
    /// Last rank.
    pub to: u64,
    /// Mean raw fragility.
    pub raw: Ends,
    /// Mean normalised fragility; the channels' scales are taken as known.
    pub normalised: Ends,
}

/// A value and its 95 % percentile interval over images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ends {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Mean fragility at one extreme of the ranking, over that of the middle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Extreme {
    /// True for the highest scores.
    pub top: bool,
    /// Channels at this extreme.
    pub channels: u64,
    /// Ratio of raw means. Above 1: more fragile than the middle.
    pub raw: Ends,
    /// Ratio of normalised means.
    pub normalised: Ends,
}

/// Order fragility by RAD rank, with intervals from resampled images. `share` (below one half) is what counts as an
/// extreme.
pub fn along_ranks(
    fragility: &Fragility,
    pairs: &[CleanAndPerturbed],
    rad: &[f64],
    share_of: f64,
    seed: u64,
) -> AlongRanks {
    let channels = rad.len();
    let mut order: Vec<usize> = (0..channels).collect();
    order.sort_by(|&a, &b| rad[b].total_cmp(&rad[a]).then(a.cmp(&b)));
    let scale: Vec<f64> =
        fragility.raw.iter().zip(&fragility.normalised).map(|(&raw, &norm)| share(norm, raw)).collect();
    // Groups: the bins, then top, middle and bottom.
    let bins = BINS.min(channels);
    let extreme = ((channels as f64 * share_of) as usize).max(1);
    let mut groups: Vec<(usize, usize)> =
        (0..bins).map(|bin| (bin * channels / bins, (bin + 1) * channels / bins)).collect();
    let extremes = channels >= 3 && 2 * extreme < channels;
    if extremes {
        groups.extend([(0, extreme), (extreme, channels - extreme), (channels - extreme, channels)]);
    }
    // [image][group] of (raw, normalised).
    let of_images: Vec<Vec<[f64; 2]>> = pairs
        .par_iter()
        .map(|pair| {
            let change: Vec<f64> = changes(pair).collect();
            let mean = |&(from, to): &(usize, usize)| {
                let of = |value: &dyn Fn(usize) -> f64| {
                    order[from..to].iter().map(|&k| value(k)).sum::<f64>() / (to - from) as f64
                };
                [of(&|k| change[k]), of(&|k| change[k] * scale[k])]
            };
            groups.iter().map(mean).collect()
        })
        .collect();
    let total = |weights: &[f64]| -> Vec<[f64; 2]> {
        let mut sums = vec![[0.0; 2]; groups.len()];
        for (image, &weight) in of_images.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            for (sum, of_group) in sums.iter_mut().zip(image) {
                (0..2).for_each(|kind| sum[kind] += weight * of_group[kind] / pairs.len() as f64);
            }
        }
        sums
    };
    let point = total(&vec![1.0; pairs.len()]);
    let drawn: Vec<Vec<[f64; 2]>> = (0..RESAMPLES)
        .into_par_iter()
        .map(|number| {
            let mut draw = Draw::keyed(seed, &[b"fragility", &number.to_le_bytes()]);
            let mut weights = vec![0.0; pairs.len()];
            (0..pairs.len()).for_each(|_| weights[draw.below(pairs.len() as u64) as usize] += 1.0);
            total(&weights)
        })
        .collect();
    let ends = |of: &dyn Fn(&[[f64; 2]]) -> f64| {
        let value = of(&point);
        let mut values: Vec<f64> =
            drawn.iter().map(|sums| of(sums)).filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let end = |share| quantile(&values, share).unwrap_or(value);
        Ends { value, low: end(0.025).min(value), high: end(0.975).max(value) }
    };
    let of_group = |group: usize| [0, 1].map(|kind| ends(&move |sums| sums[group][kind]));
    AlongRanks {
        bins: (0..bins)
            .map(|bin| {
                let [raw, normalised] = of_group(bin);
                let (from, to) = groups[bin];
                RankBin { from: from as u64 + 1, to: to as u64, raw, normalised }
            })
            .collect(),
        extremes: [(true, bins), (false, bins + 2)]
            .into_iter()
            .filter(|_| extremes && point[bins + 1].iter().all(|middle| *middle > 0.0))
            .map(|(top, group)| {
                let ratio = |kind: usize| ends(&move |sums| sums[group][kind] / sums[bins + 1][kind]);
                Extreme { top, channels: extreme as u64, raw: ratio(0), normalised: ratio(1) }
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_and_scale_by_hand() {
        let images: [(&[f32], &[f32]); 2] =
            [(&[1.0, 2.0, 0.0], &[2.0, 2.0, 1.0]), (&[3.0, 2.0, 0.0], &[3.0, 4.0, 0.0])];
        let found = fragility("jpeg(50)", &images, 1).unwrap();
        assert_eq!((found.raw.as_slice(), found.images, found.refused), (&[0.5, 2.0, 0.5][..], 2, 1));
        assert_eq!(found.normalised, [0.5 / 5.0, 2.0 / 4.0, 0.0]);
        assert_eq!(fragility("x", &[], 3).unwrap_err().kind(), "no_image");
        assert_eq!(fragility("x", &[(&[1.0], &[1.0])], 0).unwrap_err().kind(), "unchanged");
    }

    #[test]
    fn a_middle_that_does_not_move_has_no_ratio() {
        let images: [(&[f32], &[f32]); 1] = [(&[1.0, 1.0, 1.0, 1.0, 1.0], &[2.0, 1.0, 1.0, 1.0, 3.0])];
        let found = fragility("x", &images, 0).unwrap();
        let along = along_ranks(&found, &images, &[5.0, 4.0, 3.0, 2.0, 1.0], 0.2, 0);
        assert_eq!((along.bins.len(), along.extremes.len()), (5, 0));
    }

    /// 10 channels whose change is as large as their scale, which is large at both ends of the ranking: fragile, but not
    /// when normalised.
    #[test]
    fn scale_alone_looks_like_fragility_until_it_is_divided_by() {
        let rad: Vec<f64> = (0..10).map(f64::from).rev().collect();
        let scale = |k: usize| if (2..8).contains(&k) { 1.0 } else { 10.0 };
        let mut draw = Draw::keyed(1, &[b"fragile"]);
        let rows: Vec<(Vec<f32>, Vec<f32>)> = (0..40)
            .map(|_| {
                let clean: Vec<f32> = (0..10).map(|k| (scale(k) * draw.uniform(0.5, 1.5)) as f32).collect();
                let moved = (0..10).map(|k| clean[k] + (0.1 * scale(k) * draw.normal()) as f32).collect();
                (clean, moved)
            })
            .collect();
        let pairs: Vec<CleanAndPerturbed> = rows.iter().map(|(a, b)| (a.as_slice(), b.as_slice())).collect();
        let found = fragility("noise", &pairs, 0).unwrap();
        let along = along_ranks(&found, &pairs, &rad, 0.2, 0);
        assert_eq!((along.bins.len(), along.extremes.len()), (10, 2));
        for extreme in &along.extremes {
            assert!(extreme.raw.low > 30.0 && extreme.raw.high < 300.0, "{extreme:?}");
            assert!(extreme.normalised.low < 1.0 && extreme.normalised.high > 1.0, "{extreme:?}");
        }
        for (rank, bin) in along.bins.iter().enumerate() {
            assert_eq!((bin.from, bin.to), (rank as u64 + 1, rank as u64 + 1));
            assert!((bin.raw.value - found.raw[rank]).abs() < 1e-9 * bin.raw.value);
            assert!((bin.normalised.value - found.normalised[rank]).abs() < 1e-9);
            assert!(bin.raw.low < bin.raw.value && bin.raw.value < bin.raw.high);
        }
    }
}
