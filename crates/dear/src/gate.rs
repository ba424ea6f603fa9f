//! Prune: the bilateral gate (paper section 3.2) and its controls.
//!
//! A gate says for each channel whether it is kept. The paper prunes both extremes of the discrepancy, which
//! carry the most and are the most fragile. Gate, average pool and linear unit are all linear, so a gate is
//! applied by training a head whose pruned weights are zero: it costs nothing at run time.

use dear_image::Draw;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which channels are kept, `[C]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// True for a kept channel.
    pub keep: Vec<bool>,
    /// Channels pruned for a high score (0 where the gate does not come from a ranking).
    pub n_top: usize,
    /// Channels pruned for a low score (0 where the gate does not come from a ranking).
    pub n_bottom: usize,
}

impl Gate {
    /// The gate that keeps everything: head-only refinement, the control that shows what pruning adds.
    pub fn none(channels: usize) -> Self {
        Self { keep: vec![true; channels], n_top: 0, n_bottom: 0 }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.keep.len()
    }

    /// Number of kept channels.
    pub fn kept(&self) -> usize {
        self.keep.iter().filter(|&&keep| keep).count()
    }

    /// Number of pruned channels.
    pub fn pruned(&self) -> usize {
        self.channels() - self.kept()
    }
}

/// How much of each extreme is pruned, as fractions of the channels.
///
/// The paper's alpha_low and alpha_high are percentiles of the score: see [`GateOptions::from_percentiles`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateOptions {
    /// Fraction pruned among the highest scores (default 0.2, DEAR-c, paper section 4.1; DEAR-r has 0.3).
    pub prune_top: f64,
    /// Fraction pruned among the lowest scores (default 0.2, DEAR-c, paper section 4.1; DEAR-r has 0.3).
    pub prune_bottom: f64,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self { prune_top: 0.2, prune_bottom: 0.2 }
    }
}

impl GateOptions {
    /// From the paper's percentiles: channels with a score below the `alpha_low`-th or above the
    /// `alpha_high`-th percentile are pruned, so (20, 80) is 0.2 and 0.2.
    pub fn from_percentiles(alpha_low: f64, alpha_high: f64) -> Result<Self, GateError> {
        let options = Self { prune_top: (100.0 - alpha_high) / 100.0, prune_bottom: alpha_low / 100.0 };
        options.check()?;
        Ok(options)
    }

    /// Refuse fractions outside of [0, 1) and fractions that leave nothing.
    pub fn check(&self) -> Result<(), GateError> {
        for (key, found) in [("prune_top", self.prune_top), ("prune_bottom", self.prune_bottom)] {
            if !(0.0..1.0).contains(&found) {
                return Err(GateError::Fraction { key, found });
            }
        }
        if self.prune_top + self.prune_bottom >= 1.0 {
            return Err(GateError::NothingLeft {
                prune_top: self.prune_top,
                prune_bottom: self.prune_bottom,
            });
        }
        Ok(())
    }
}

/// Why there is no gate.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum GateError {
    /// A fraction is out of range.
    #[error("gate option {key:?} is {found}, expected a fraction in [0, 1)")]
    Fraction {
        /// The option's name.
        key: &'static str,
        /// Its value.
        found: f64,
    },
    /// The two fractions together prune everything.
    #[error(
        "prune_top {prune_top} and prune_bottom {prune_bottom} prune every channel, expected a sum below 1"
    )]
    NothingLeft {
        /// Fraction of high scores.
        prune_top: f64,
        /// Fraction of low scores.
        prune_bottom: f64,
    },
    /// There is nothing to rank.
    #[error("no scores given, expected one for each channel")]
    NoScores,
    /// A score cannot be ranked.
    #[error("score of channel {channel} is {value}, expected a finite number")]
    NonFinite {
        /// The first such channel.
        channel: usize,
        /// Its score.
        value: f64,
    },
}

impl GateError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fraction { .. } => "fraction",
            Self::NothingLeft { .. } => "nothing_left",
            Self::NoScores => "no_scores",
            Self::NonFinite { .. } => "non_finite",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fraction { found, .. } if (1.0..=100.0).contains(found) => {
                Some(format!("fractions, not per cent: {} instead of {found}", found / 100.0))
            }
            Self::NothingLeft { .. } => Some("the paper uses 0.2 and 0.2, or 0.3 and 0.3".to_owned()),
            _ => None,
        }
    }
}

/// Prune the `floor(C * prune_top)` highest and the `floor(C * prune_bottom)` lowest scores.
///
/// Channels are ranked from high to low and ties by channel index, so among equal scores the lower index
/// counts as higher: `numpy.argsort(-scores, kind="stable")`. The floor is Python's `int(C * fraction)` in
/// f64, and inherits its traps (`int(100 * 0.29)` is 28).
pub fn bilateral(scores: &[f64], options: &GateOptions) -> Result<Gate, GateError> {
    options.check()?;
    let ranking = descending(scores)?;
    let n_top = floor_share(scores.len(), options.prune_top);
    let n_bottom = floor_share(scores.len(), options.prune_bottom);
    let mut keep = vec![false; scores.len()];
    for &channel in &ranking[n_top..scores.len() - n_bottom] {
        keep[channel] = true;
    }
    Ok(Gate { keep, n_top, n_bottom })
}

/// Control: prune the `floor(C * fraction)` channels with the largest absolute score, whatever its sign; ties
/// by index.
pub fn magnitude(scores: &[f64], fraction: f64) -> Result<Gate, GateError> {
    descending(scores)?;
    let sizes: Vec<f64> = scores.iter().map(|score| score.abs()).collect();
    let gate = bilateral(&sizes, &GateOptions { prune_top: fraction, prune_bottom: 0.0 })?;
    let high = gate.keep.iter().zip(scores).filter(|(keep, score)| !**keep && **score >= 0.0).count();
    Ok(Gate { n_top: high, n_bottom: gate.pruned() - high, keep: gate.keep })
}

/// Control: prune `n_pruned` channels drawn uniformly without replacement, keyed by `seed`.
///
/// # Panics
/// If `n_pruned` is more than `channels`.
pub fn random(channels: usize, n_pruned: usize, seed: u64) -> Gate {
    assert!(n_pruned <= channels, "cannot prune {n_pruned} of {channels} channels");
    let mut order: Vec<usize> = (0..channels).collect();
    Draw::keyed(seed, &[b"random gate"]).shuffle(&mut order);
    let mut gate = Gate::none(channels);
    for &channel in &order[..n_pruned] {
        gate.keep[channel] = false;
    }
    gate
}

/// Channels from the highest score to the lowest, ties by index.
fn descending(scores: &[f64]) -> Result<Vec<usize>, GateError> {
    if scores.is_empty() {
        return Err(GateError::NoScores);
    }
    if let Some(channel) = scores.iter().position(|score| !score.is_finite()) {
        return Err(GateError::NonFinite { channel, value: scores[channel] });
    }
    let mut ranking: Vec<usize> = (0..scores.len()).collect();
    // `partial_cmp` and not `total_cmp`: 0.0 and -0.0 are a tie. The sort is stable.
    ranking.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap_or(std::cmp::Ordering::Equal));
    Ok(ranking)
}

fn floor_share(channels: usize, fraction: f64) -> usize {
    (channels as f64 * fraction) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(gate: &Gate) -> Vec<usize> {
        (0..gate.channels()).filter(|&k| !gate.keep[k]).collect()
    }

    #[test]
    fn both_extremes_go_and_ties_follow_the_index() {
        struct Case {
            scores: &'static [f64],
            top: f64,
            bottom: f64,
            pruned: &'static [usize],
        }
        let cases = [
            Case { scores: &[3.0, -1.0, 2.0, 0.0, 1.0], top: 0.2, bottom: 0.2, pruned: &[0, 1] },
            Case { scores: &[3.0, -1.0, 2.0, 0.0, 1.0], top: 0.4, bottom: 0.0, pruned: &[0, 2] },
            Case { scores: &[3.0, -1.0, 2.0, 0.0, 1.0], top: 0.0, bottom: 0.5, pruned: &[1, 3] },
            Case { scores: &[0.0, -0.0, 0.0, -0.0], top: 0.25, bottom: 0.25, pruned: &[0, 3] },
            Case { scores: &[1.0], top: 0.4, bottom: 0.4, pruned: &[] },
        ];
        for Case { scores, top, bottom, pruned: expected } in cases {
            let gate = bilateral(scores, &GateOptions { prune_top: top, prune_bottom: bottom }).unwrap();
            assert_eq!(pruned(&gate), expected, "{scores:?} {top} {bottom}");
            assert_eq!(gate.n_top + gate.n_bottom, gate.pruned());
        }
    }

    #[test]
    fn the_paper_keeps_1230_and_820_of_2048() {
        let scores: Vec<f64> = (0..2048).map(f64::from).collect();
        for (share, kept) in [(0.2, 1230), (0.3, 820)] {
            let gate = bilateral(&scores, &GateOptions { prune_top: share, prune_bottom: share }).unwrap();
            assert_eq!(gate.kept(), kept);
        }
        let by_percentile = GateOptions::from_percentiles(20.0, 80.0).unwrap();
        assert_eq!(by_percentile, GateOptions::default());
    }

    #[test]
    fn what_cannot_be_ranked_or_leaves_nothing_is_an_error() {
        let gate = |scores: &[f64], prune_top, prune_bottom| {
            bilateral(scores, &GateOptions { prune_top, prune_bottom }).unwrap_err()
        };
        assert_eq!(gate(&[1.0, 2.0], 0.5, 0.5).kind(), "nothing_left");
        assert_eq!(
            gate(&[1.0, f64::NAN], 0.2, 0.2).to_string(),
            "score of channel 1 is NaN, expected a finite number"
        );
        assert_eq!(gate(&[], 0.2, 0.2), GateError::NoScores);
        let per_cent = gate(&[1.0], 20.0, 0.0);
        assert_eq!((per_cent.kind(), per_cent.hint().unwrap().contains("0.2")), ("fraction", true));
        assert_eq!(gate(&[1.0], f64::NAN, 0.0).kind(), "fraction");
    }

    #[test]
    fn controls_prune_the_asked_number() {
        let gate = magnitude(&[0.1, -5.0, 4.0, -0.2, 0.3], 0.4).unwrap();
        assert_eq!((pruned(&gate), gate.n_top, gate.n_bottom), (vec![1, 2], 1, 1));
        let (a, b, c) = (random(64, 24, 1), random(64, 24, 1), random(64, 24, 2));
        assert_eq!((a.pruned(), c.pruned()), (24, 24));
        assert!(a == b && a != c);
        assert_eq!(random(3, 3, 0).kept(), 0);
    }
}
