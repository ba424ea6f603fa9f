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
//! whether any of its mask survived the crop. There are two solvers: [`l2`] finds the optimum under a penalty
//! chosen on validation data (default: no learning rate, no stopping rule, the same head every time),
//! [`adam`] follows the authors' schedule. [`bias`] is the baseline that every new head must beat.

pub mod adam;
pub mod bias;
pub mod l2;
pub mod temperature;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use adam::{AdamOptions, AdamReport};
pub use l2::{L2Options, L2Report};

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
        let products = pooled.iter().zip(&self.weight).map(|(&x, &w)| f64::from(x) * f64::from(w));
        f64::from(self.bias) + products.sum::<f64>()
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
        (0..samples.rows()).map(|row| self.logit(samples.row(row))).collect()
    }
}

/// Pooled features and their labels.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// Row-major `[rows, channels]`.
    pub features: &'a [f32],
    /// Number of channels.
    pub channels: usize,
    /// 1 for generated, 0 for real; one for each row.
    pub labels: &'a [u8],
}

impl<'a> Samples<'a> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The features of one row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.features[row * self.channels..][..self.channels]
    }

    fn check(&self, set: &'static str, channels: usize) -> Result<(), TrainError> {
        let expected = self.labels.len() * channels;
        if self.channels != channels {
            return Err(TrainError::Channels { set, found: self.channels, expected: channels });
        }
        if self.features.len() != expected {
            return Err(TrainError::Length { set, found: self.features.len(), expected });
        }
        if let Some(row) = self.labels.iter().position(|&label| label > 1) {
            return Err(TrainError::Label { set, row, found: self.labels[row] });
        }
        if let Some(index) = self.features.iter().position(|value| !value.is_finite()) {
            let (row, channel, value) = (index / channels, index % channels, self.features[index]);
            return Err(TrainError::NonFinite { set, row, channel, value });
        }
        Ok(())
    }

    fn has_both_classes(&self) -> bool {
        self.labels.contains(&0) && self.labels.contains(&1)
    }
}

/// Everything that a head is trained from.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// The detector's own training images.
    pub main: Samples<'a>,
    /// Diagnostic probes, label 1 where some of the mask survived the crop.
    pub probes: Option<Samples<'a>>,
    /// Images on which the strength or the step is chosen.
    pub validation: Samples<'a>,
    /// Channels that may have a weight.
    pub gate: &'a Gate,
}

impl Training<'_> {
    fn check(&self) -> Result<(), TrainError> {
        let channels = self.gate.channels();
        self.main.check("main", channels)?;
        if let Some(probes) = self.probes {
            probes.check("probe", channels)?;
            if probes.rows() == 0 {
                return Err(TrainError::NoRows { set: "probe" });
            }
        }
        self.validation.check("validation", channels)?;
        if self.gate.kept() == 0 {
            return Err(TrainError::NoChannels { channels });
        }
        for (set, samples) in [("main", self.main), ("validation", self.validation)] {
            if samples.rows() == 0 {
                return Err(TrainError::NoRows { set });
            }
            if !samples.has_both_classes() {
                return Err(TrainError::OneClass { set, label: samples.labels[0] });
            }
        }
        Ok(())
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
}

impl Default for Solver {
    fn default() -> Self {
        Self::L2(L2Options::default())
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
}

/// Train a head.
pub fn train(training: &Training, solver: &Solver) -> Result<Trained, TrainError> {
    match solver {
        Solver::L2(options) => {
            let (head, report) = l2::fit(training, options)?;
            Ok(Trained { head, report: Report::L2(report) })
        }
        Solver::Adam(options) => {
            let (head, report) = adam::fit(training, options)?;
            Ok(Trained { head, report: Report::Adam(report) })
        }
    }
}

/// Why there is no head.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// An option is out of range.
    #[error("head option {key:?} is {found}, expected {expected}")]
    Option {
        /// The option's name.
        key: &'static str,
        /// Its value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// Features do not fit the gate.
    #[error("{set} features have {found} channels, expected {expected} as in the gate")]
    Channels {
        /// "main", "probe" or "validation".
        set: &'static str,
        /// Their channels.
        found: usize,
        /// The gate's channels.
        expected: usize,
    },
    /// Features do not fit their labels.
    #[error("{set} features have {found} values, expected {expected} (labels x channels)")]
    Length {
        /// "main", "probe" or "validation".
        set: &'static str,
        /// Number of values.
        found: usize,
        /// Labels times channels.
        expected: usize,
    },
    /// A label is neither 0 nor 1.
    #[error("label of {set} row {row} is {found}, expected 0 (real) or 1 (generated)")]
    Label {
        /// "main", "probe" or "validation".
        set: &'static str,
        /// Row of the label.
        row: usize,
        /// Its value.
        found: u8,
    },
    /// A feature is NaN or infinite.
    #[error("{set} row {row} has {value} in channel {channel}, expected a finite number")]
    NonFinite {
        /// "main", "probe" or "validation".
        set: &'static str,
        /// Row of the feature.
        row: usize,
        /// Channel of the feature.
        channel: usize,
        /// Its value.
        value: f32,
    },
    /// A set is empty.
    #[error("no {set} rows given, expected at least one")]
    NoRows {
        /// "main", "probe" or "validation".
        set: &'static str,
    },
    /// A set holds one class, so nothing can be told apart.
    #[error("every {set} row has label {label}, expected both classes")]
    OneClass {
        /// "main" or "validation".
        set: &'static str,
        /// The only label.
        label: u8,
    },
    /// The gate keeps nothing.
    #[error("the gate prunes all {channels} channels, expected at least one kept")]
    NoChannels {
        /// Number of channels.
        channels: usize,
    },
    /// A fixed batch names a row that does not exist.
    #[error("batch {batch} names {set} row {row}, expected a row below {rows}")]
    Row {
        /// Number of the batch.
        batch: usize,
        /// "main" or "probe".
        set: &'static str,
        /// The row.
        row: u32,
        /// How many there are.
        rows: usize,
    },
    /// No strength of the grid reached its optimum.
    #[error(
        "gradient norm is {gradient_norm:e} after {iterations} iterations, expected at most {tolerance:e}"
    )]
    NotConverged {
        /// Smallest gradient norm of the grid.
        gradient_norm: f64,
        /// Iterations allowed.
        iterations: u32,
        /// Norm asked for.
        tolerance: f64,
    },
    /// No validated head was better than the zero head.
    #[error("no head beat the zero head's balanced accuracy of 0.5 in {steps} steps")]
    NoImprovement {
        /// Steps taken.
        steps: u64,
    },
    /// A weight does not fit f32.
    #[error("weight of channel {channel} is {value}, expected a finite number")]
    Weight {
        /// The channel.
        channel: usize,
        /// Its weight.
        value: f32,
    },
}

impl TrainError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Option { .. } => "option",
            Self::Channels { .. } => "channels",
            Self::Length { .. } => "length",
            Self::Label { .. } => "label",
            Self::NonFinite { .. } => "non_finite",
            Self::NoRows { .. } => "no_rows",
            Self::OneClass { .. } => "one_class",
            Self::NoChannels { .. } => "no_channels",
            Self::Row { .. } => "row",
            Self::NotConverged { .. } => "not_converged",
            Self::NoImprovement { .. } => "no_improvement",
            Self::Weight { .. } => "weight",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NonFinite { .. } => "leave out the image, and check the backbone's weights and precision",
            Self::OneClass { .. } => "give real and generated images",
            Self::NotConverged { .. } => {
                "allow more iterations or leave out the weakest strengths of the grid"
            }
            Self::NoImprovement { .. } => "use the l2 solver, or a higher learning rate or patience",
            Self::Weight { .. } => "the channel's activations are too small for f32 weights: prune it",
            _ => return None,
        };
        Some(hint.to_owned())
    }
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
