//! The head as published: Adam from zero, batches of main and probe rows, the learning rate cut on a plateau.
//!
//! Each step minimises mean BCE(main batch) + mean BCE(probe batch). Balanced accuracy on validation rows is
//! taken *before* the first step and then in turns; a new best must exceed the best by `min_gain`; when none
//! came for `patience`, the learning rate is divided by 10 and the wait starts again (best, weights and
//! moments stay); the run ends with the stage at `min_lr`. The best head wins. State and update are f32 in
//! the order of `torch.optim.Adam`; sums over rows and channels are f64.

use dear_image::Draw;
use serde::{Deserialize, Serialize};

use super::{
    ClassBalance, Head, ProbeLabels, Probes, Samples, TrainError, Training, add_scaled, dot,
    selection_accuracy, sigmoid,
};
use crate::gate::Gate;

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
    /// whose batch of 64 pairs has 128 rows).
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

/// Rows of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Main rows.
    pub main: Vec<u32>,
    /// Probe rows.
    pub probes: Vec<u32>,
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

/// Rows with what the loss needs of them.
struct Set<'a> {
    /// `[rows, channels]`.
    features: &'a [f32],
    channels: usize,
    /// 0 to 1.
    targets: Vec<f64>,
    /// Factors of the rows' losses, 1 on average.
    weights: Vec<f64>,
}

impl Set<'_> {
    fn rows(&self) -> usize {
        self.targets.len()
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.channels..][..self.channels]
    }
}

/// What batches are drawn from.
struct Sets<'a> {
    main: Set<'a>,
    probes: Option<Set<'a>>,
}

impl<'a> Sets<'a> {
    fn new(main: Samples<'a>, probes: Option<Probes<'a>>, options: &AdamOptions) -> Self {
        let probes = probes.and_then(|Probes { features, channels, shares }| {
            let targets = options.probe_labels.targets(shares)?;
            Some(Set { features, channels, weights: vec![1.0; targets.len()], targets })
        });
        let Samples { features, channels, labels } = main;
        let targets = labels.iter().map(|&label| f64::from(label)).collect();
        let main = Set { features, channels, targets, weights: options.class_balance.weights(labels) };
        Self { main, probes }
    }
}

/// The order of rows: each epoch shuffles the main rows and starts the probes anew; probes cycle within an
/// epoch. The last batch of a pass may be short.
struct Batches {
    main: Cycle,
    probes: Cycle,
    rows_per_item: u32,
}

impl Batches {
    fn new(main_rows: usize, probe_rows: usize, options: &AdamOptions) -> Self {
        Self {
            main: Cycle::new(main_rows / options.rows_per_item, options.batch, options.seed, *b"adammain"),
            probes: Cycle::new(probe_rows, options.probe_batch, options.seed, *b"adamprob"),
            rows_per_item: options.rows_per_item as u32,
        }
    }

    fn draw(&mut self) -> Batch {
        if self.main.at_end() {
            self.probes.end();
        }
        let each = self.rows_per_item;
        let items = self.main.draw().iter();
        let main = items.flat_map(|item| (0..each).map(move |k| item * each + k)).collect();
        Batch { main, probes: self.probes.draw().to_vec() }
    }
}

/// Batches of shuffled rows, pass after pass.
struct Cycle {
    order: Vec<u32>,
    batch: usize,
    next: usize,
    passes: u64,
    seed: u64,
    purpose: [u8; 8],
}

impl Cycle {
    fn new(rows: usize, batch: usize, seed: u64, purpose: [u8; 8]) -> Self {
        Self { order: (0..rows as u32).collect(), batch, next: rows, passes: 0, seed, purpose }
    }

    fn at_end(&self) -> bool {
        self.next >= self.order.len()
    }

    fn end(&mut self) {
        self.next = self.order.len();
    }

    fn draw(&mut self) -> &[u32] {
        if self.at_end() {
            // From the sorted order, so that a pass depends on its number alone.
            self.order.sort_unstable();
            Draw::keyed(self.seed, &[&self.purpose, &self.passes.to_le_bytes()]).shuffle(&mut self.order);
            self.passes += 1;
            self.next = 0;
        }
        let start = self.next;
        self.next = self.order.len().min(start + self.batch);
        &self.order[start..self.next]
    }
}

/// A head in training. The last of the parameters is the bias.
struct State<'a> {
    gate: &'a Gate,
    parameters: Vec<f32>,
    mean: Vec<f32>,
    mean_square: Vec<f32>,
    steps: i32,
}

impl<'a> State<'a> {
    fn new(gate: &'a Gate) -> Self {
        let zero = vec![0.0; gate.channels() + 1];
        Self { gate, parameters: zero.clone(), mean: zero.clone(), mean_square: zero, steps: 0 }
    }

    fn head(&self) -> Head {
        let channels = self.gate.channels();
        Head { weight: self.parameters[..channels].to_vec(), bias: self.parameters[channels] }
    }

    fn step(&mut self, sets: &Sets, batch: &Batch, lr: f64, options: &AdamOptions) {
        let channels = self.gate.channels();
        let weight: Vec<f64> = self.parameters[..channels].iter().map(|&w| f64::from(w)).collect();
        let bias = f64::from(self.parameters[channels]);
        let mut gradient = vec![0.0; channels + 1];
        for (set, rows) in [(Some(&sets.main), &batch.main), (sets.probes.as_ref(), &batch.probes)] {
            let Some(set) = set else { continue };
            for row in rows.iter().map(|&row| row as usize) {
                let x = set.row(row);
                let z = dot(x, &weight) + bias;
                let pull = set.weights[row] * (sigmoid(z) - set.targets[row]) / rows.len() as f64;
                add_scaled(&mut gradient[..channels], pull, x);
                gradient[channels] += pull;
            }
        }
        for (gradient, keep) in gradient.iter_mut().zip(&self.gate.keep) {
            if !keep {
                *gradient = 0.0;
            }
        }
        self.update(&gradient, lr, options);
        if options.sign == Sign::NonNegative {
            self.parameters[..channels].iter_mut().for_each(|weight| *weight = weight.max(0.0));
        }
    }

    /// One step of Adam, in f32 and in torch's order of operations; coefficients are made in f64.
    fn update(&mut self, gradient: &[f64], lr: f64, options: &AdamOptions) {
        self.steps += 1;
        let correction1 = 1.0 - options.beta1.powi(self.steps);
        let correction2 = (1.0 - options.beta2.powi(self.steps)).sqrt() as f32;
        let step_size = (lr / correction1) as f32;
        let (share1, share2) = ((1.0 - options.beta1) as f32, (1.0 - options.beta2) as f32);
        let (beta2, eps) = (options.beta2 as f32, options.eps as f32);
        for (((parameter, mean), mean_square), gradient) in
            self.parameters.iter_mut().zip(&mut self.mean).zip(&mut self.mean_square).zip(gradient)
        {
            let gradient = *gradient as f32;
            *mean += (gradient - *mean) * share1;
            *mean_square = *mean_square * beta2 + share2 * gradient * gradient;
            let denominator = mean_square.sqrt() / correction2 + eps;
            *parameter -= step_size * (*mean / denominator);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(options: &AdamOptions, main_rows: usize, probe_rows: usize, steps: usize) -> Vec<Batch> {
        let mut batches = Batches::new(main_rows, probe_rows, options);
        (0..steps).map(|_| batches.draw()).collect()
    }

    #[test]
    fn an_epoch_sees_each_main_row_once_and_starts_the_probes_anew() {
        let options = AdamOptions { batch: 4, probe_batch: 3, ..AdamOptions::default() };
        let batches = epochs(&options, 10, 7, 6);
        let sizes: Vec<_> = batches.iter().map(|batch| (batch.main.len(), batch.probes.len())).collect();
        assert_eq!(sizes, [(4, 3), (4, 3), (2, 1), (4, 3), (4, 3), (2, 1)]);
        for epoch in batches.chunks(3) {
            let mut main: Vec<u32> = epoch.iter().flat_map(|batch| batch.main.clone()).collect();
            assert!(!main.is_sorted(), "shuffled");
            main.sort_unstable();
            assert_eq!(main, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(batches[0], batches[3], "another order in the next epoch");
        // Two steps are an epoch here and leave a probe over: the next epoch does not go on with it.
        let sizes: Vec<_> = epochs(&options, 8, 7, 4).iter().map(|batch| batch.probes.len()).collect();
        assert_eq!(sizes, [3, 3, 3, 3]);
        // Within an epoch probes cycle.
        let sizes: Vec<_> = epochs(&options, 16, 4, 4).iter().map(|batch| batch.probes.len()).collect();
        assert_eq!(sizes, [3, 1, 3, 1]);
    }

    #[test]
    fn rows_of_an_item_stay_together() {
        let options = AdamOptions { batch: 2, rows_per_item: 2, ..AdamOptions::default() };
        for Batch { main, probes } in epochs(&options, 8, 0, 10) {
            assert_eq!((main.len(), probes.len()), (4, 0));
            assert!(main.chunks(2).all(|pair| pair[0] % 2 == 0 && pair[1] == pair[0] + 1), "{main:?}");
        }
    }
}
