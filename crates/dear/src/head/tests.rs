//! The solvers on small problems with known answers.

mod options;
mod refused;
mod times;

use super::l2::Criterion;
use super::*;
use crate::head::adam::{Batch, Ended, Schedule, Sign, run_batches};

/// Deterministic features in which channel 0 tells the classes apart with errors, channel 1 is a scaled copy,
/// channel 2 is constant and the rest is noise.
struct Data {
    features: Vec<f32>,
    labels: Vec<u8>,
}

const CHANNELS: usize = 6;

impl Data {
    fn new(rows: usize, salt: usize) -> Self {
        let noise = |row: usize, k: usize| {
            (((row + salt) * 7919 + k * 104_729 + row * row * 31) % 1009) as f32 / 1009.0
        };
        let labels: Vec<u8> = (0..rows).map(|row| (row % 2) as u8).collect();
        let mut features = Vec::new();
        for (row, &label) in labels.iter().enumerate() {
            let signal = noise(row, 0) * 1.5 + f32::from(label);
            features.extend([signal, signal * 1e3, 4.0, noise(row, 3), noise(row, 4) * 1e-4, noise(row, 5)]);
        }
        Self { features, labels }
    }

    fn samples(&self) -> Samples<'_> {
        Samples { features: &self.features, channels: CHANNELS, labels: &self.labels }
    }

    /// Of probes: none, or from 0.05 to 0.95.
    fn shares(&self) -> Vec<f32> {
        let share = |(row, &label): (usize, &u8)| f32::from(label) * (0.05 + (row % 10) as f32 * 0.1);
        self.labels.iter().enumerate().map(share).collect()
    }
}

fn with_training<T>(gate: &Gate, run: impl FnOnce(&Training) -> T) -> T {
    let (main, probes, validation) = (Data::new(240, 0), Data::new(120, 500), Data::new(160, 9000));
    let probes = Probes { features: &probes.features, channels: CHANNELS, shares: &probes.shares() };
    run(&Training { probes: Some(probes), ..Training::new(main.samples(), validation.samples(), gate) })
}

fn gate_without(pruned: usize) -> Gate {
    let mut gate = Gate::none(CHANNELS);
    gate.keep[pruned] = false;
    gate
}

fn l2(training: &Training, options: L2Options) -> Result<(Head, L2Report), TrainError> {
    l2::fit(training, &options)
}

#[test]
fn l2_converges_and_leaves_pruned_and_constant_channels_at_exactly_zero() {
    with_training(&gate_without(3), |training| {
        let (head, report) = l2(training, L2Options::default()).unwrap();
        assert!(report.table.iter().all(|row| row.converged && row.gradient_norm <= 1e-8), "{report:?}");
        assert_eq!((head.weight[2], head.weight[3], report.constant_channels), (0.0, 0.0, 1));
        assert!(head.weight[0] > 0.0 && head.weight[4] != 0.0, "{head:?}");
        let accuracy = selection_accuracy(training.validation.labels, &head.logits(training.validation));
        assert!(accuracy > 0.8, "{accuracy}");
    });
}

#[test]
fn the_penalty_does_not_depend_on_a_channels_scale() {
    with_training(&Gate::none(CHANNELS), |training| {
        let (head, _) = l2(training, L2Options { grid: vec![0.1], ..L2Options::default() }).unwrap();
        // Channels 0 and 1 are the same up to a factor of 1,000, so they share the weight in that proportion.
        assert!((head.weight[0] / (head.weight[1] * 1e3) - 1.0).abs() < 1e-4, "{head:?}");
    });
}

#[test]
fn a_stronger_penalty_shrinks_and_ties_go_to_it() {
    with_training(&Gate::none(CHANNELS), |training| {
        let size = |strength: f64| {
            let (head, _) = l2(training, L2Options { grid: vec![strength], ..L2Options::default() }).unwrap();
            head.weight[0]
        };
        assert!(size(1.0) < size(0.01), "{} {}", size(1.0), size(0.01));
        let options = L2Options {
            grid: vec![1e3, 1e4, 1e5],
            criterion: Criterion::BalancedAccuracy,
            ..L2Options::default()
        };
        let (_, report) = l2(training, options).unwrap();
        let [a, b, c] = [0, 1, 2].map(|k| report.table[k].validation_balanced_accuracy);
        assert_eq!((a, b), (b, c), "the penalty only scales the head here");
        assert_eq!(report.strength, 1e5);
    });
}

#[test]
fn strengths_weaker_than_a_run_of_worse_ones_are_not_tried() {
    with_training(&Gate::none(CHANNELS), |training| {
        // Validation rows with the labels swapped: the less a head says, the better.
        let swapped: Vec<u8> = training.validation.labels.iter().map(|label| 1 - label).collect();
        let validation = Samples { labels: &swapped, ..training.validation };
        let (_, report) = l2(&Training { validation, ..*training }, L2Options::default()).unwrap();
        assert_eq!((report.strength, report.table.len()), (report.options.grid[0], 5));
    });
}

#[test]
fn the_head_has_the_same_bytes_on_any_number_of_threads() {
    with_training(&Gate::none(CHANNELS), |training| {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| train(training, &Solver::default()).unwrap())
        };
        assert_eq!(on(1), on(7));
    });
}

#[test]
fn separable_rows_still_have_an_optimum() {
    let features: Vec<f32> =
        (0..40).map(|row| if row % 2 == 0 { -1.0 } else { 1.0 + row as f32 * 0.01 }).collect();
    let labels: Vec<u8> = (0..40).map(|row| (row % 2) as u8).collect();
    let samples = Samples { features: &features, channels: 1, labels: &labels };
    let gate = Gate::none(1);
    let training = Training::new(samples, samples, &gate);
    let (head, report) = l2(&training, L2Options::default()).unwrap();
    assert!(report.table.iter().all(|row| row.converged), "{report:?}");
    assert_eq!((report.strength, report.table.len()), (*report.options.grid.last().unwrap(), 15));
    assert_eq!(selection_accuracy(&labels, &head.logits(samples)), 1.0);
}

#[test]
fn adam_reduces_the_learning_rate_three_times_and_keeps_the_best() {
    with_training(&gate_without(0), |training| {
        let schedule = Schedule::Steps { validate_every: 20, patience: 100 };
        let options = AdamOptions { lr: 1e-2, min_lr: 1e-4, schedule, ..AdamOptions::default() };
        let (head, report) = adam::fit(training, &options).unwrap();
        assert_eq!(report.ended, Ended::Plateau);
        assert_eq!((report.curve[0].step, report.curve[0].balanced_accuracy), (0, 0.5));
        let mut rates: Vec<f64> = report.curve.iter().map(|validation| validation.lr).collect();
        rates.dedup();
        assert_eq!(rates, [1e-2, 1e-3, 1e-2 / 10.0 / 10.0]);
        assert_eq!(head.weight[0], 0.0, "pruned");
        let found = selection_accuracy(training.validation.labels, &head.logits(training.validation));
        assert_eq!(found, report.best_balanced_accuracy);
        assert!(found > 0.7, "{found}");
        assert_eq!(adam::fit(training, &options).unwrap(), (head, report), "keyed by the seed");
    });
}

#[test]
fn the_published_schedule_waits_in_epochs_and_a_zero_head_is_an_error() {
    with_training(&Gate::none(CHANNELS), |training| {
        let options = AdamOptions { lr: 1e-9, min_lr: 1e-11, ..AdamOptions::reference() };
        let error = adam::fit(training, &options).unwrap_err();
        // 240 rows are 4 steps; three stages of 5 epochs each.
        assert_eq!(error, TrainError::NoImprovement { steps: 3 * 5 * 4 });
        assert!(error.hint().is_some());
    });
}

#[test]
fn non_negative_weights_stay_so() {
    with_training(&Gate::none(CHANNELS), |training| {
        let batch = Batch { main: (0..64).collect(), probes: (0..64).collect() };
        let batches = vec![batch; 50];
        let run = |sign| {
            let options = AdamOptions { lr: 1e-2, sign, ..AdamOptions::default() };
            run_batches(training.main, training.probes, training.gate, &batches, &options).unwrap().weight
        };
        assert!(run(Sign::Both).iter().any(|w| *w < 0.0));
        assert!(run(Sign::NonNegative).iter().all(|w| *w >= 0.0));
    });
}

#[test]
fn options_read_and_write_as_one_table_and_refuse_foreign_keys() {
    let balance = Some(BalanceOptions { max_r_acc_loss: 1.5 });
    let solvers = [
        Solver::default(),
        Solver::L2(L2Options {
            class_balance: ClassBalance::Balanced,
            probe_labels: ProbeLabels::AtLeast(0.25),
            invariance: Some(Penalty { strength: 0.5 }),
            balance,
            ..L2Options::default()
        }),
        Solver::Adam(AdamOptions::reference()),
        Solver::StayPositive(StayPositiveOptions::default()),
        Solver::Bias(BiasOptions::default()),
        Solver::Bias(BiasOptions { balance }),
    ];
    for solver in solvers {
        let text = toml::to_string(&solver).unwrap();
        assert_eq!(toml::from_str::<Solver>(&text).unwrap(), solver, "{text}");
        assert!(toml::from_str::<Solver>(&format!("learning_speed = 1\n{text}")).is_err());
    }
    assert_eq!(toml::from_str::<Solver>("solver = \"l2\"").unwrap(), Solver::default());
}

#[test]
fn sigmoid_and_softplus_do_not_overflow() {
    for z in [-1e4, -50.0, 0.0, 50.0, 1e4] {
        assert!(sigmoid(z).is_finite() && softplus(z).is_finite());
        assert!((softplus(z) - softplus(-z) - z).abs() <= 1e-12 * z.abs());
    }
    assert_eq!((sigmoid(0.0), softplus(0.0)), (0.5, 2.0_f64.ln()));
}
