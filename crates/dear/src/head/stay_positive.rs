//! Stay-Positive (ICML 2025): a head without negative weights, so that evidence can only speak for "generated".

use serde::{Deserialize, Serialize};

use super::adam::{AdamOptions, AdamReport, Sign};
use super::{ClassBalance, Head, ProbeLabels, TrainError, Training, adam};

/// How the non-negative head is trained: [`adam`] with [`Sign::NonNegative`]. As published it knows no probes; the schedule is
/// ours: ten times the paper's learning rate, because a few seconds must do, and a head that is not done is no fair baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StayPositiveOptions {
    /// Learning rate of the first stage (default 1e-3).
    pub lr: f64,
    /// Stages below this learning rate are not run (default 1e-5).
    pub min_lr: f64,
    /// Steps after which the run ends in any case (default 20,000: a few seconds at 2,048 channels).
    pub max_steps: u64,
    /// Weights of the classes (default: none).
    pub class_balance: ClassBalance,
    /// What a probe view counts as (default: no probes).
    pub probe_labels: ProbeLabels,
    /// Key of the shuffling (default 0).
    pub seed: u64,
}

impl Default for StayPositiveOptions {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            min_lr: 1e-5,
            max_steps: 20_000,
            class_balance: ClassBalance::None,
            probe_labels: ProbeLabels::None,
            seed: 0,
        }
    }
}

impl StayPositiveOptions {
    /// The same as options of Adam.
    pub fn adam(&self) -> AdamOptions {
        let Self { lr, min_lr, max_steps, class_balance, probe_labels, seed } = *self;
        AdamOptions {
            lr,
            min_lr,
            max_steps,
            sign: Sign::NonNegative,
            class_balance,
            probe_labels,
            seed,
            ..AdamOptions::default()
        }
    }

    /// Refuse values outside their range.
    pub fn check(&self) -> Result<(), TrainError> {
        self.probe_labels.refuse_regulariser("stay_positive")?;
        self.adam().check()
    }
}

/// Train the head. Channels that are pruned have the weight 0, as with every solver.
pub fn fit(training: &Training, options: &StayPositiveOptions) -> Result<(Head, AdamReport), TrainError> {
    options.check()?;
    adam::fit(training, &options.adam())
}
