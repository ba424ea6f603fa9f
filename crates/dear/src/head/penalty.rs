//! Penalties on differences of logits: what a head must not see.
//!
//! Each adds `strength / 2 * mean_i (w . d_i)^2` to the objective, where `w . d_i` is the difference that the head makes
//! between two vectors of pooled features. Two are known: *invariance* (a perturbed view against the image as it was) and
//! *probes* (inside against outside of the mask: a soft form of pruning, that shrinks what pruning cuts off).
//!
//! A logit has no unit, so neither has the strength, and a channel's scale does not matter: at strength 1 a root mean square
//! difference of 1 costs half a nat, as much as the loss would have to fall to make up for it.

use serde::{Deserialize, Serialize};

use super::TrainError;

/// Strengths beyond which the penalty is a constraint and the optimum is lost in rounding.
const STRONGEST: f64 = 1e6;

/// How strong a penalty is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Penalty {
    /// Factor of half the mean squared difference of logits, above 0 and at most 1e6 (default 1).
    pub strength: f64,
}

impl Default for Penalty {
    fn default() -> Self {
        Self { strength: 1.0 }
    }
}

impl Penalty {
    /// Refuse a strength out of range; `key` is the option's name.
    pub fn check(self, key: &'static str) -> Result<(), TrainError> {
        let found = self.strength;
        if found > 0.0 && found <= STRONGEST {
            Ok(())
        } else {
            Err(TrainError::Option { key, found, expected: "a strength above 0 and at most 1e6" })
        }
    }
}

/// A penalty with the differences it applies to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quadratic<'a> {
    pub name: Difference,
    pub strength: f64,
    /// `[n, channels]`.
    pub rows: &'a [f32],
}

/// What a difference of logits is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// A perturbed view against the image as it was.
    Invariance,
    /// A probe inside of its mask against outside.
    Probes,
}

/// What a penalty left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenaltyReport {
    /// Which differences.
    pub name: Difference,
    /// The factor in force.
    pub strength: f64,
    /// Number of differences.
    pub rows: u64,
    /// Root mean square of the head's differences of logits.
    pub rms: f64,
}

impl Quadratic<'_> {
    /// What the head with these weights leaves.
    pub(super) fn report(&self, weight: &[f32]) -> PenaltyReport {
        let rows = self.rows.chunks_exact(weight.len());
        let squares = rows.map(|row| super::products(row, weight).powi(2));
        let count = self.rows.len() / weight.len();
        PenaltyReport {
            name: self.name,
            strength: self.strength,
            rows: count as u64,
            rms: (squares.sum::<f64>() / count as f64).sqrt(),
        }
    }
}
