//! The head as published: Adam from zero, batches of main and probe rows, the learning rate cut on a plateau.
//!
//! Each step minimises mean BCE(main batch) + mean BCE(probe batch). Balanced accuracy on validation rows is
//! taken *before* the first step and then in turns; a new best must exceed the best by `min_gain`; when none
//! came for `patience`, the learning rate is divided by 10 and the wait starts again (best, weights and
//! moments stay); the run ends with the stage at `min_lr`. The best head wins. State and update are f32 in
//! the order of `torch.optim.Adam`; sums over rows and channels are f64.

mod batches;
mod state;

use serde::{Deserialize, Serialize};

pub use batches::Batch;

use super::{ClassBalance, Head, ProbeLabels, Probes, Samples, TrainError, Training, selection_accuracy};
use crate::gate::Gate;
use batches::Batches;
use state::{Set, Sets, State};

/// How Adam runs. Defaults are the paper's (section 4.1), but for the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamOptions {
    /// Learning rate of the first stage (default 1e-4).
    pub lr: f64,
    /// Stages below this learning rate are not run (default 1e-6, so three stages).
    pub min_lr: f64,
    /// Decay of the gradient's mean (default 0.9).
    pub beta1: f64,
    /// Decay of the gradient's mean square (default 0.999).
    pub beta2: f64,
    /// Added to the root of the mean square (default 1e-8).
    pub eps: f64,
    /// Items in a main batch (default 64).
    pub batch: usize,
    /// Rows in a probe batch (default 64).
    pub probe_batch: usize,
    /// Neighbouring main rows that are one item and stay together (default 1; 2 for DEAR-r's aligned pairs,
    /// whose batch of 64 pairs has 128 rows). It speaks of the rows that [`train`](super::train) is given: those of
    /// [`harden`](crate::harden::harden), `dear refine` and `dear sweep` are views of one image after another and not
    /// pairs, so leave it at 1 there.
    pub rows_per_item: usize,
    /// When to validate and how long to wait.
    pub schedule: Schedule,
    /// Gain of balanced accuracy that counts as better (default 0.001).
    pub min_gain: f64,
    /// Steps after which the run ends in any case (default 200,000).
    pub max_steps: u64,
    /// Signs that the weights may have (default: both).
    pub sign: Sign,
    /// Weights of the classes of the main rows (default: none). A row's loss is multiplied by rows / (2 x rows of its class),
    /// counted over all main rows: over an epoch each class weighs half, whatever a batch holds.
    pub class_balance: ClassBalance,
    /// What a probe view counts as (default: generated if any pixel is). `"regulariser"` is for the L2 solver only.
    pub probe_labels: ProbeLabels,
    /// Key of the shuffling (default 0).
    pub seed: u64,
}

/// When to validate and how long to wait for a better head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Counted in steps. The default validates every 100 steps and waits for 5,000: on a small set an epoch
    /// is a few steps of at most 1e-4 each, and five of them pass before the zero head has moved.
    Steps {
        /// Steps between validations.
        validate_every: u64,
        /// Steps without a better head.
        patience: u64,
    },
    /// As published: validation before each pass over the main rows, patience (5) counted in such passes.
    Epochs {
        /// Epochs without a better head.
        patience: u64,
    },
}

/// Signs that the weights may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// Both.
    #[default]
    Both,
    /// Weights below 0 are set to 0 after each step: evidence can only speak for "generated". This is the
    /// baseline of Stay-Positive (ICML 2025).
    NonNegative,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self {
            lr: 1e-4,
            min_lr: 1e-6,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            batch: 64,
            probe_batch: 64,
            rows_per_item: 1,
            schedule: Schedule::Steps { validate_every: 100, patience: 5000 },
            min_gain: 0.001,
            max_steps: 200_000,
            sign: Sign::Both,
            class_balance: ClassBalance::None,
            probe_labels: ProbeLabels::AnyPixel,
            seed: 0,
        }
    }
}

impl AdamOptions {
    /// The authors' schedule: validation before each epoch, patience 5 epochs.
    pub fn reference() -> Self {
        Self { schedule: Schedule::Epochs { patience: 5 }, ..Self::default() }
    }

    /// Refuse values outside their range.
    pub fn check(&self) -> Result<(), TrainError> {
        let (validate_every, patience) = match self.schedule {
            Schedule::Steps { validate_every, patience } => (validate_every, patience),
            Schedule::Epochs { patience } => (1, patience),
        };
        for (key, found) in [("lr", self.lr), ("min_lr", self.min_lr), ("eps", self.eps)] {
            if !(found.is_finite() && found > 0.0) {
                return Err(TrainError::Option { key, found, expected: "a finite number above 0" });
            }
        }
        for (key, found) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&found) {
                return Err(TrainError::Option { key, found, expected: "a number in [0, 1)" });
            }
        }
        let counts = [
            ("batch", self.batch as u64),
            ("probe_batch", self.probe_batch as u64),
            ("rows_per_item", self.rows_per_item as u64),
            ("validate_every", validate_every),
            ("patience", patience),
            ("max_steps", self.max_steps),
        ];
        for (key, found) in counts {
            if found == 0 {
                return Err(TrainError::Option { key, found: 0.0, expected: "at least 1" });
            }
        }
        if !(self.min_gain >= 0.0 && self.min_gain < 1.0) {
            return Err(TrainError::Option {
                key: "min_gain",
                found: self.min_gain,
                expected: "a number in [0, 1)",
            });
        }
        self.probe_labels.check()?;
        self.probe_labels.refuse_regulariser("adam")
    }
}

/// What the run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamReport {
    /// Steps before the best head.
    pub best_step: u64,
    /// Balanced accuracy of the best head on validation rows, a logit of 0 counted as real.
    pub best_balanced_accuracy: f64,
    /// Steps taken in all.
    pub steps: u64,
    /// Passes over the main rows that were begun.
    pub epochs: u64,
    /// Why the run ended.
    pub ended: Ended,
    /// All validations.
    pub curve: Vec<Validation>,
    /// The options in force.
    pub options: AdamOptions,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The last stage ran out of patience.
    Plateau,
    /// `max_steps` were taken.
    MaxSteps,
}

/// One validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Steps taken before it.
    pub step: u64,
    /// Learning rate of those steps.
    pub lr: f64,
    /// Balanced accuracy, a logit of 0 counted as real.
    pub balanced_accuracy: f64,
}

/// Run the schedule and return the best head.
pub fn fit(training: &Training, options: &AdamOptions) -> Result<(Head, AdamReport), TrainError> {
    options.check()?;
    training.check()?;
    let main_rows = training.main.rows();
    if !main_rows.is_multiple_of(options.rows_per_item) {
        let (key, found) = ("rows_per_item", options.rows_per_item as f64);
        return Err(TrainError::Option { key, found, expected: "a divisor of the number of main rows" });
    }
    let sets = Sets::new(training.main, training.probes, options);
    let probe_rows = sets.probes.as_ref().map_or(0, Set::rows);
    let epoch_steps = (main_rows / options.rows_per_item).div_ceil(options.batch) as u64;
    let (validate_every, patience) = match options.schedule {
        Schedule::Steps { validate_every, patience } => (validate_every, patience),
        Schedule::Epochs { patience } => (epoch_steps, patience.saturating_mul(epoch_steps)),
    };
    let mut batches = Batches::new(main_rows, probe_rows, options);
    let mut state = State::new(training.gate);
    let mut lr = options.lr;
    let mut curve: Vec<Validation> = Vec::new();
    let mut best = (0.0, 0, Head::zero(training.gate.channels()));
    let mut waited = 0;
    let mut step = 0;
    let ended = loop {
        if step % validate_every == 0 || step == options.max_steps {
            let head = state.head();
            let balanced_accuracy =
                selection_accuracy(training.validation.labels, &head.logits(training.validation));
            let first = curve.is_empty();
            curve.push(Validation { step, lr, balanced_accuracy });
            if first || balanced_accuracy > best.0 + options.min_gain {
                best = (balanced_accuracy, step, head);
                waited = 0;
            } else {
                waited += validate_every;
            }
            if waited >= patience {
                lr /= 10.0;
                waited = 0;
                if lr < options.min_lr {
                    break Ended::Plateau;
                }
            }
        }
        if step == options.max_steps {
            break Ended::MaxSteps;
        }
        state.step(&sets, &batches.draw(), lr, options);
        step += 1;
    };
    let (best_balanced_accuracy, best_step, head) = best;
    if best_step == 0 {
        return Err(TrainError::NoImprovement { steps: step });
    }
    let epochs = step.div_ceil(epoch_steps);
    let report = AdamReport {
        best_step,
        best_balanced_accuracy,
        steps: step,
        epochs,
        ended,
        curve,
        options: *options,
    };
    Ok((finite(head)?, report))
}

/// Run exactly these batches at the first learning rate, without validation: what an oracle can follow.
pub fn run_batches(
    main: Samples,
    probes: Option<Probes>,
    gate: &Gate,
    batches: &[Batch],
    options: &AdamOptions,
) -> Result<Head, TrainError> {
    options.check()?;
    main.check("main", gate.channels())?;
    if let Some(probes) = probes {
        probes.check(gate.channels())?;
    }
    let sets = Sets::new(main, probes, options);
    let probe_rows = sets.probes.as_ref().map_or(0, Set::rows);
    let mut state = State::new(gate);
    for (number, batch) in batches.iter().enumerate() {
        for (set, rows, have) in [("main", &batch.main, main.rows()), ("probe", &batch.probes, probe_rows)] {
            if let Some(&row) = rows.iter().find(|&&row| row as usize >= have) {
                return Err(TrainError::Row { batch: number, set, row, rows: have });
            }
        }
        state.step(&sets, batch, options.lr, options);
    }
    finite(state.head())
}

fn finite(head: Head) -> Result<Head, TrainError> {
    match head.weight.iter().position(|weight| !weight.is_finite()) {
        Some(channel) => Err(TrainError::Weight { channel, value: head.weight[channel] }),
        None => Ok(head),
    }
}
