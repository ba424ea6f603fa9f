//! The least that pruning can be combined with: the head as it came, gated, with its bias moved.

use serde::{Deserialize, Serialize};

use super::balance::{BalanceOptions, BalanceReport, Promise};
use super::bias::fit_bias;
use super::{Head, TrainError, Training, selection_accuracy};

/// How the bias is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BiasOptions {
    /// Choose the bias on the operating sets under a promise; without it (default) it is the one with the best balanced accuracy
    /// on validation rows ([`fit_bias`]).
    pub balance: Option<BalanceOptions>,
}

impl BiasOptions {
    /// Refuse values outside their range.
    pub fn check(&self) -> Result<(), TrainError> {
        self.balance.map_or(Ok(()), |balance| balance.check())
    }
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiasReport {
    /// Added to the base head's bias.
    pub shift: f64,
    /// Balanced accuracy on validation rows, a logit of 0 counted as real.
    pub balanced_accuracy: f64,
    /// How the promise was kept, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceReport>,
    /// The options in force.
    pub options: BiasOptions,
}

/// Gate the base head and fit its bias. Main rows and probes take no part.
pub fn fit(training: &Training, options: &BiasOptions) -> Result<(Head, BiasReport), TrainError> {
    options.check()?;
    training.check()?;
    let missing = TrainError::Missing { option: "solver = \"bias\"", input: "the base head" };
    let mut head = training.base.ok_or(missing)?.gated(training.gate);
    if head.weight.iter().all(|weight| *weight == 0.0) {
        return Err(TrainError::ZeroBase { kept: training.gate.kept() });
    }
    let before = f64::from(head.bias);
    let mut balance = None;
    match options.balance {
        None => {
            let fit = fit_bias(&head.logits(training.validation), training.validation.labels)?;
            head.bias = (before + fit.shift) as f32;
        }
        Some(options) => {
            let promise = Promise::new(training, options)?;
            let choice = promise.choose(&head).ok_or(TrainError::NoBias)?;
            head.bias = choice.bias;
            balance = Some(promise.report(&head, &choice));
        }
    }
    let validation = training.validation;
    let report = BiasReport {
        shift: f64::from(head.bias) - before,
        balanced_accuracy: selection_accuracy(validation.labels, &head.logits(validation)),
        balance,
        options: *options,
    };
    Ok((head, report))
}
