//! Refine: a new linear head on frozen, gated features (paper section 3.3).
//!
//! The head is `logit = weight . pooled + bias` on average-pooled features, `[C]`; pruned channels have a
//! weight of exactly 0. Training minimises
//!
//! ```text
//! mean BCE(main rows) + mean BCE(probe rows)                          weights 1:1
//! ```
//!
//! where main rows are the detector's own training images (real 0, generated 1) and a probe row's label says
//! whether any of its mask survived the crop ([`ProbeLabels`] has other readings). The solvers: [`l2`] finds the
//! optimum under a penalty chosen on validation data (default: no learning rate, no stopping rule, the same head
//! every time), [`adam`] follows the authors' schedule, [`stay_positive`] allows no negative weight, [`bias_only`]
//! moves the base head's bias. [`bias`] is the baseline that every new head must beat.
//!
//! [`Training`] holds the data, a solver's options say what is made of them: an option whose data are missing is an
//! error, data that no option asks for are checked and left alone.

pub mod adam;
pub mod balance;
pub mod bias;
pub mod bias_only;
mod class_balance;
mod error;
pub mod l2;
pub mod penalty;
mod probe_labels;
pub mod stay_positive;
pub mod temperature;
mod training;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use adam::{AdamOptions, AdamReport};
pub use balance::{BalanceOptions, BalanceReport};
pub use bias_only::{BiasOptions, BiasReport};
pub use class_balance::ClassBalance;
pub use error::TrainError;
pub use l2::{L2Options, L2Report};
pub use penalty::{Penalty, PenaltyReport};
pub use probe_labels::ProbeLabels;
pub use stay_positive::StayPositiveOptions;
pub use training::{Operating, Probes, Samples, Training};

use crate::gate::Gate;

/// A linear unit on pooled features. A logit above 0 means "generated".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// One weight for each channel, `[C]`.
    pub weight: Vec<f32>,
    /// Added to the weighted sum.
    pub bias: f32,
}

impl Head {
    /// The head from which refinement starts.
    pub fn zero(channels: usize) -> Self {
        Self { weight: vec![0.0; channels], bias: 0.0 }
    }

    /// `weight . pooled + bias`, summed in f64.
    ///
    /// # Panics
    /// If `pooled` has not as many channels as the head.
    pub fn logit(&self, pooled: &[f32]) -> f64 {
        assert_eq!(pooled.len(), self.weight.len(), "pooled features must have the head's channels");
        f64::from(self.bias) + products(pooled, &self.weight)
    }

    /// This head on gated features: the weights of pruned channels become exactly 0 (pruning without
    /// refinement).
    ///
    /// # Panics
    /// If the gate has not as many channels as the head.
    #[must_use]
    pub fn gated(&self, gate: &Gate) -> Self {
        assert_eq!(gate.channels(), self.weight.len(), "the gate must have the head's channels");
        let weight =
            self.weight.iter().zip(&gate.keep).map(|(&w, &keep)| if keep { w } else { 0.0 }).collect();
        Self { weight, bias: self.bias }
    }

    /// The logits of all rows.
    pub fn logits(&self, samples: Samples) -> Vec<f64> {
        (0..samples.rows()).into_par_iter().map(|row| self.logit(samples.row(row))).collect()
    }
}

/// How the head is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "solver", rename_all = "snake_case")]
pub enum Solver {
    /// The optimum under an L2 penalty (default).
    L2(L2Options),
    /// The authors' optimiser and schedule.
    Adam(AdamOptions),
    /// No weight below 0.
    StayPositive(StayPositiveOptions),
    /// The base head, gated, with another bias.
    Bias(BiasOptions),
}

impl Default for Solver {
    fn default() -> Self {
        Self::L2(L2Options::default())
    }
}

impl Solver {
    /// Refuse values outside their range.
    ///
    /// # Errors
    /// The first option out of range.
    pub fn check(&self) -> Result<(), TrainError> {
        match self {
            Self::L2(options) => options.check(),
            Self::Adam(options) => options.check(),
            Self::StayPositive(options) => options.check(),
            Self::Bias(options) => options.check(),
        }
    }
}

/// A head and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// The head; weights of pruned channels are exactly 0.
    pub head: Head,
    /// What the solver did.
    pub report: Report,
}

/// What the solver did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "solver", rename_all = "snake_case")]
pub enum Report {
    /// Of [`Solver::L2`].
    L2(L2Report),
    /// Of [`Solver::Adam`].
    Adam(AdamReport),
    /// Of [`Solver::StayPositive`].
    StayPositive(AdamReport),
    /// Of [`Solver::Bias`].
    Bias(BiasReport),
}

/// Train a head.
///
/// # Errors
/// Options out of range, data that do not fit or are missing, or no head: see [`TrainError`].
pub fn train(training: &Training, solver: &Solver) -> Result<Trained, TrainError> {
    let (head, report) = match solver {
        Solver::L2(options) => {
            let (head, report) = l2::fit(training, options)?;
            (head, Report::L2(report))
        }
        Solver::Adam(options) => {
            let (head, report) = adam::fit(training, options)?;
            (head, Report::Adam(report))
        }
        Solver::StayPositive(options) => {
            let (head, report) = stay_positive::fit(training, options)?;
            (head, Report::StayPositive(report))
        }
        Solver::Bias(options) => {
            let (head, report) = bias_only::fit(training, options)?;
            (head, Report::Bias(report))
        }
    };
    Ok(Trained { head, report })
}

/// Balanced accuracy for choosing among heads: a logit of 0 counts as real, so the zero head has 0.5
/// (`sklearn.metrics.balanced_accuracy_score(y, logit > 0)`; evaluation counts 0 as wrong on both sides).
fn selection_accuracy(labels: &[u8], logits: &[f64]) -> f64 {
    let share = |label: u8| {
        let right =
            labels.iter().zip(logits).filter(|(l, z)| **l == label && (**z > 0.0) == (label == 1)).count();
        right as f64 / labels.iter().filter(|l| **l == label).count() as f64
    };
    (share(0) + share(1)) / 2.0
}

/// `ln(1 + e^z)` without overflow: the loss of a real image with logit z, and of a generated one with logit
/// -z.
pub(crate) fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// `1 / (1 + e^-z)` without overflow.
pub(crate) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + (-z).exp())
    } else {
        let e = z.exp();
        e / (1.0 + e)
    }
}

/// `x . w`, summed in f64 in the channels' order.
fn products(x: &[f32], w: &[f32]) -> f64 {
    x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum()
}

/// `x . w`, in eight interleaved sums that the compiler can keep in vector registers.
fn dot(x: &[f32], w: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (x_blocks, x_rest) = x.as_chunks::<8>();
    let (w_blocks, w_rest) = w.as_chunks::<8>();
    for (x, w) in x_blocks.iter().zip(w_blocks) {
        for lane in 0..8 {
            sums[lane] += f64::from(x[lane]) * w[lane];
        }
    }
    let rest: f64 = x_rest.iter().zip(w_rest).map(|(&x, w)| f64::from(x) * w).sum();
    sums.iter().sum::<f64>() + rest
}

/// `sum += factor * x`.
fn add_scaled(sum: &mut [f64], factor: f64, x: &[f32]) {
    for (sum, &x) in sum.iter_mut().zip(x) {
        *sum += factor * f64::from(x);
    }
}

#[cfg(test)]
mod tests;
