//! Signs that scores are not what they are taken for.

use std::fmt;

use super::{Ranking, RankingError, auc};

/// Below this AUC a detector is far from guessing, on the wrong side.
const INVERTED_BELOW: f64 = 0.4;

/// And at least this many standard deviations of a guessing detector away from 0.5.
const INVERTED_DEVIATIONS: f64 = 3.0;

/// A few scores may lie in a short interval by chance.
const FEWEST: u64 = 10;

/// Something about scores that are meant to be logits, with label 1 for generated images.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Suspicion {
    /// Real images score above generated ones.
    Inverted {
        /// The AUC.
        auc: f64,
    },
    /// All scores are equal.
    Constant {
        /// The score.
        score: f64,
    },
    /// All scores lie in [0, 1].
    Probabilities {
        /// Lowest score.
        low: f64,
        /// Highest score.
        high: f64,
    },
    /// All scores lie where a sigmoid sends probabilities: [0.5, 0.7311].
    DoubleSigmoid {
        /// Lowest score.
        low: f64,
        /// Highest score.
        high: f64,
    },
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inverted { auc } => write!(
                f,
                "the AUC is {auc:.3}, far below 0.5: labels are likely inverted (1 must be generated), or the score \
                 rises for real images"
            ),
            Self::Constant { score } => {
                write!(
                    f,
                    "all scores are equal ({score:e}): they say nothing about any image, as of a detector that failed"
                )
            }
            Self::Probabilities { low, high } => write!(
                f,
                "all scores lie in [{low:.4}, {high:.4}], within [0, 1]: they look like probabilities, not logits, and \
                 a threshold at 0 calls every image generated"
            ),
            Self::DoubleSigmoid { low, high } => write!(
                f,
                "all scores lie in [{low:.4}, {high:.4}], within [0.5, 0.7311]: they look like a sigmoid applied to \
                 probabilities, that is twice"
            ),
        }
    }
}

/// What looks wrong about `scores` if they are logits. Scores that are NaN or infinite are passed over; fewer than 10
/// are not judged by their interval.
pub fn suspicions(labels: &[u8], scores: &[f64]) -> Result<Vec<Suspicion>, RankingError> {
    let ranking = Ranking::new(labels, scores)?;
    let mut found = Vec::new();
    if let Ok(auc) = auc(&ranking) {
        let (real, fake) = (ranking.real() as f64, ranking.fake() as f64);
        let deviation = ((real + fake + 1.0) / (12.0 * real * fake)).sqrt();
        if auc < INVERTED_BELOW && auc < 0.5 - INVERTED_DEVIATIONS * deviation {
            found.push(Suspicion::Inverted { auc });
        }
    }
    if let (Some(high), Some(low)) = (ranking.score(0), ranking.lowest())
        && ranking.real() + ranking.fake() >= FEWEST
    {
        // The sigmoid of 1 is 0.73106; a file may have rounded it.
        if low == high {
            found.push(Suspicion::Constant { score: low });
        } else if low >= 0.5 && high <= 0.7311 {
            found.push(Suspicion::DoubleSigmoid { low, high });
        } else if low >= 0.0 && high <= 1.0 {
            found.push(Suspicion::Probabilities { low, high });
        }
    }
    Ok(found)
}
