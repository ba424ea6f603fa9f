//! Samples in the order of their scores, counted so that every metric is a look-up or a sum already made.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Undefined;
use super::probability::{LOSS_UNIT, sigmoid, softplus};

/// Bins of the expected calibration error.
pub(super) const BINS: usize = 15;

/// Most samples that can be ranked together. Counts are 32 bits, and a resample of groups may hold more images than
/// the samples do.
const MOST: usize = 1 << 28;

/// Samples grouped by equal score, from the highest to the lowest. 0.0 and -0.0 are equal.
///
/// The scores stay; the counts can be replaced, which is what a resample does: one pass in the order of the scores
/// makes the cumulative counts and all sums that metrics need.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    levels: Arc<Levels>,
    /// For each level the images, `[real, generated]` as labels count, with its score or a higher one.
    above: Vec<[u32; 2]>,
    pub(super) sums: Sums,
    excluded: Excluded,
}

/// The distinct scores, descending, and what each says about an image.
#[derive(Debug, PartialEq)]
struct Levels {
    scores: Vec<f64>,
    claims: Vec<Claim>,
}

/// A score read as a probability.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Claim {
    /// Probability of *generated*.
    probability: f64,
    /// Negative log likelihood of an image, by its label, in units of [`LOSS_UNIT`] nats.
    loss: [f64; 2],
}

/// Sums over images that do not follow from cumulative counts at a few places.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sums {
    /// Twice the pairs in which the generated image scores higher, ties counting half.
    pub(super) half_wins: u64,
    /// Over generated images: precision at their own score.
    pub(super) precision: f64,
    /// Squared errors of the probability.
    pub(super) squares: f64,
    /// Negative log likelihood, in units of [`LOSS_UNIT`] nats.
    pub(super) loss: f64,
    /// Equal-mass bins, from the highest scores to the lowest; some may be empty.
    pub(super) bins: [BinSums; BINS],
}

/// Sums over the images of a bin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct BinSums {
    pub(super) n: u64,
    pub(super) fake: u64,
    pub(super) probability: f64,
}

/// All samples that share one score. Counts may be zero in a resampled ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tie {
    /// The score.
    pub score: f64,
    /// Real images with it.
    pub real: u64,
    /// Generated images with it.
    pub fake: u64,
}

/// Samples that were left out because their score is NaN or infinite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// Real images.
    pub real: u64,
    /// Generated images.
    pub fake: u64,
}

/// Samples that cannot be ranked at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RankingError {
    /// One label for each score is needed.
    #[error("{labels} labels for {scores} scores, expected as many")]
    Lengths {
        /// Number of labels.
        labels: usize,
        /// Number of scores.
        scores: usize,
    },
    /// A label is neither 0 nor 1.
    #[error("label of sample {index} is {found}, expected 0 (real) or 1 (generated)")]
    Label {
        /// Position of the sample.
        index: usize,
        /// Its label.
        found: u8,
    },
    /// More samples than can be counted.
    #[error("{found} samples, expected at most {MOST}")]
    TooMany {
        /// Number of samples.
        found: usize,
    },
}

impl RankingError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lengths { .. } => "lengths",
            Self::Label { .. } => "label",
            Self::TooMany { .. } => "too_many",
        }
    }
}

impl Ranking {
    /// Group samples by score. Samples with a NaN or infinite score are left out and counted: see
    /// [`Ranking::excluded`].
    pub fn new(labels: &[u8], scores: &[f64]) -> Result<Self, RankingError> {
        Self::with_places(labels, scores).map(|(ranking, _)| ranking)
    }

    /// As [`Ranking::new`], with the tie that each sample belongs to (`None` for an excluded one).
    pub(crate) fn with_places(
        labels: &[u8],
        scores: &[f64],
    ) -> Result<(Self, Vec<Option<u32>>), RankingError> {
        check_samples(labels, scores)?;
        let mut excluded = Excluded::default();
        let mut order = Vec::with_capacity(scores.len());
        for (index, (&label, &score)) in labels.iter().zip(scores).enumerate() {
            if score.is_finite() {
                order.push((score, index));
            } else {
                excluded.add(label);
            }
        }
        order.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
        let mut levels = Levels { scores: Vec::new(), claims: Vec::new() };
        let mut places = vec![None; scores.len()];
        for &(score, index) in &order {
            if levels.scores.last() != Some(&score) {
                levels.scores.push(score);
                levels.claims.push(Claim::new(score));
            }
            places[index] = Some(levels.scores.len() as u32 - 1);
        }
        let above = vec![[0; 2]; levels.scores.len()];
        let mut ranking = Self { levels: Arc::new(levels), above, sums: Sums::default(), excluded };
        ranking.count(
            labels.iter().zip(&places).filter_map(|(&label, place)| Some((Slot::new((*place)?, label), 1))),
        );
        Ok((ranking, places))
    }

    /// The ties, from the highest score to the lowest; made anew on each call.
    pub fn ties(&self) -> Vec<Tie> {
        let mut before = [0; 2];
        let tie = |(&score, &above): (&f64, &[u32; 2])| {
            let [real, fake] = [0, 1].map(|label| u64::from(above[label] - before[label]));
            before = above;
            Tie { score, real, fake }
        };
        self.levels.scores.iter().zip(&self.above).map(tie).collect()
    }

    /// Number of real images.
    pub fn real(&self) -> u64 {
        u64::from(self.all()[0])
    }

    /// Number of generated images.
    pub fn fake(&self) -> u64 {
        u64::from(self.all()[1])
    }

    /// Samples left out because of their score.
    pub fn excluded(&self) -> Excluded {
        self.excluded
    }

    /// Replace all counts: each slot is counted as often as it is told, and slots come in any order.
    pub(crate) fn count(&mut self, times: impl Iterator<Item = (Slot, u32)>) {
        self.above.fill([0; 2]);
        for (slot, times) in times {
            let count = &mut self.above[(slot.0 >> 1) as usize][(slot.0 & 1) as usize];
            *count = count.saturating_add(times);
        }
        let n = self.above.iter().map(|[real, fake]| u64::from(*real) + u64::from(*fake)).sum();
        self.sums = accumulate(&self.levels.claims, &mut self.above, n);
    }

    /// First level of which `reached` is true, given the images `[real, generated]` at it or above; it must be false,
    /// then true, from the highest score down.
    pub(super) fn first(&self, reached: impl Fn([u32; 2]) -> bool) -> usize {
        self.above.partition_point(|&above| !reached(above))
    }

    /// Images `[real, generated]` above a level (all, for the number of levels).
    pub(super) fn above(&self, level: usize) -> [u64; 2] {
        let above = level.checked_sub(1).and_then(|level| self.above.get(level));
        above.map_or([0; 2], |above| above.map(u64::from))
    }

    /// The score of a level; `None` below the lowest.
    pub(super) fn score(&self, level: usize) -> Option<f64> {
        self.levels.scores.get(level).copied()
    }

    /// The lowest score.
    pub(super) fn lowest(&self) -> Option<f64> {
        self.levels.scores.last().copied()
    }

    /// First level whose score is `limit` or less.
    pub(super) fn first_at_most(&self, limit: f64) -> usize {
        self.levels.scores.partition_point(|&score| score > limit)
    }

    /// First level whose score is less than `limit`.
    pub(super) fn first_below(&self, limit: f64) -> usize {
        self.levels.scores.partition_point(|&score| score >= limit)
    }

    /// `[real, generated]`, or the reason why a metric of both has no value.
    pub(super) fn both_classes(&self) -> Result<[u64; 2], Undefined> {
        match [self.real(), self.fake()] {
            [0, 0] => Err(Undefined::Empty),
            [0, _] => Err(Undefined::NoReal),
            [_, 0] => Err(Undefined::NoFake),
            both => Ok(both),
        }
    }

    fn all(&self) -> [u32; 2] {
        self.above.last().copied().unwrap_or_default()
    }
}

impl Claim {
    fn new(score: f64) -> Self {
        let loss = [softplus(score), softplus(-score)].map(|nats| nats / LOSS_UNIT);
        Self { probability: sigmoid(score), loss }
    }
}

/// Makes counts cumulative, and sums over the `n` images on the way.
fn accumulate(claims: &[Claim], counts: &mut [[u32; 2]], n: u64) -> Sums {
    let mut sums = Sums::default();
    let mut above = [0_u32; 2];
    let mut index = 0;
    for (claim, count) in claims.iter().zip(counts) {
        let [real, fake] = *count;
        let before = above;
        above = [above[0].saturating_add(real), above[1].saturating_add(fake)];
        *count = above;

        sums.half_wins += u64::from(real) * (u64::from(before[1]) + u64::from(above[1]));
        let all = u64::from(above[0]) + u64::from(above[1]);
        sums.precision += f64::from(fake) * (f64::from(above[1]) / all.max(1) as f64);
        let (p, q) = (claim.probability, 1.0 - claim.probability);
        let (weight_real, weight_fake) = (f64::from(real), f64::from(fake));
        sums.squares += weight_real * (p * p) + weight_fake * (q * q);
        sums.loss += weight_real * claim.loss[0] + weight_fake * claim.loss[1];

        // A tie belongs to the bin in which its middle lies. On an edge it goes to the inner bin: a rule that is the
        // same from both ends, so that exchanging the classes cannot move it.
        let size = u64::from(real) + u64::from(fake);
        let twice_middle = BINS as u64 * (2 * (all - size) + size);
        while index + 1 < BINS {
            let edge = 2 * n * (index as u64 + 1);
            if twice_middle > edge || (twice_middle == edge && index < BINS / 2) {
                index += 1;
            } else {
                break;
            }
        }
        let bin = &mut sums.bins[index];
        bin.n += size;
        bin.fake += u64::from(fake);
        bin.probability += size as f64 * p;
    }
    sums
}

/// Where a sample is counted: its tie and its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

impl Slot {
    /// Of the tie at `place`; ordered by place.
    pub(crate) fn new(place: u32, label: u8) -> Self {
        Self(place << 1 | u32::from(label))
    }
}

impl Excluded {
    /// Count one.
    pub(crate) fn add(&mut self, label: u8) {
        *if label == 1 { &mut self.fake } else { &mut self.real } += 1;
    }
}

/// Refuse vectors that do not belong together.
pub(crate) fn check_samples(labels: &[u8], scores: &[f64]) -> Result<(), RankingError> {
    if labels.len() != scores.len() {
        return Err(RankingError::Lengths { labels: labels.len(), scores: scores.len() });
    }
    if labels.len() > MOST {
        return Err(RankingError::TooMany { found: labels.len() });
    }
    match labels.iter().position(|&label| label > 1) {
        Some(index) => Err(RankingError::Label { index, found: labels[index] }),
        None => Ok(()),
    }
}
