//! The options of the solvers against torch, scipy and scikit-learn.
//!
//! The numbers come from `oracle/heads.py`. Tolerances stand next to their reasons.

// clippy.toml allows it in tests, and helpers of an integration test are not recognised as such.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use dear::gate::Gate;
use dear::head::adam::{Batch, run_batches};
use dear::head::{
    AdamOptions, BalanceOptions, BiasOptions, Head, L2Options, Operating, Probes, Report, Samples, Solver,
    Training, l2, train,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    channels: usize,
    keep: Vec<u8>,
    main: Vec<i32>,
    main_labels: Vec<u8>,
    probes: Vec<i32>,
    shares: Vec<i32>,
    validation: Vec<i32>,
    validation_labels: Vec<u8>,
    view_differences: Vec<i32>,
    probe_differences: Vec<i32>,
    l2: Vec<L2Case>,
    adam: Vec<AdamCase>,
    balance: BalanceFixture,
}

#[derive(Deserialize)]
struct L2Case {
    options: L2Options,
    objective: f64,
    weight: Vec<f64>,
    bias: f64,
    rms: Vec<f64>,
}

#[derive(Deserialize)]
struct AdamCase {
    options: AdamOptions,
    weight: Vec<f64>,
    bias: f64,
}

#[derive(Deserialize)]
struct BalanceFixture {
    base: Vec<f32>,
    base_bias: f32,
    sets: Vec<SetFixture>,
    before: Vec<[f64; 2]>,
    cases: Vec<BalanceCase>,
}

#[derive(Deserialize)]
struct SetFixture {
    name: String,
    features: Vec<i32>,
    labels: Vec<u8>,
}

#[derive(Deserialize)]
struct BalanceCase {
    max_r_acc_loss: f64,
    balanced_accuracy: f64,
    unbound: f64,
    /// One inside each of the best intervals.
    biases: Vec<f64>,
    highest_kept: f64,
}

/// Stored as multiples of 1/256, which f32 holds exactly.
fn floats(stored: &[i32]) -> Vec<f32> {
    stored.iter().map(|&value| value as f32 / 256.0).collect()
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/heads.json");
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

impl Fixture {
    fn with_training<T>(&self, run: impl FnOnce(&Training) -> T) -> T {
        let stored = [&self.main, &self.probes, &self.validation, &self.shares].map(|stored| floats(stored));
        let [main, probes, validation, shares] = stored.each_ref().map(Vec::as_slice);
        let differences = [&self.probe_differences, &self.view_differences].map(|stored| floats(stored));
        let samples = |features, labels| Samples { features, channels: self.channels, labels };
        let gate = Gate { keep: self.keep.iter().map(|&keep| keep == 1).collect(), n_top: 0, n_bottom: 0 };
        let main = samples(main, &self.main_labels);
        let validation = samples(validation, &self.validation_labels);
        run(&Training {
            probes: Some(Probes { features: probes, channels: self.channels, shares }),
            probe_differences: Some(&differences[0]),
            view_differences: Some(&differences[1]),
            ..Training::new(main, validation, &gate)
        })
    }
}

#[track_caller]
fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance,
            "{what}[{k}]: {found}, expected {expected} +- {tolerance:e}"
        );
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn widest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |widest, value| value.abs().max(widest))
}

#[test]
fn l2_heads_are_the_optima_of_torch_and_scipy() {
    let fixture = fixture();
    assert_eq!(fixture.l2.len(), 14);
    let mut penalised = 0;
    fixture.with_training(|training| {
        for case in &fixture.l2 {
            let (head, report) = l2::fit(training, &case.options).unwrap();
            let [row] = report.table[..] else { panic!("one strength") };
            let what = format!("{:?}", case.options);
            // Both stop at a gradient below 1e-8; at the optimum the value is flat.
            assert_close(&what, &[row.objective], &[case.objective], 1e-10);
            // Weights are rounded to f32 (6e-8); the flattest direction has the curvature 1e-3.
            assert_close(&what, &wide(&head.weight), &case.weight, 1e-6 * widest(&case.weight));
            assert_close(&what, &[f64::from(head.bias)], &[case.bias], 1e-6 * (1.0 + case.bias.abs()));
            let rms: Vec<f64> = report.penalties.iter().map(|penalty| penalty.rms).collect();
            assert_close(&what, &rms, &case.rms, 1e-5 * widest(&case.rms));
            penalised += rms.len();
        }
    });
    assert_eq!(penalised, 8);
}

#[test]
fn adam_with_weighted_rows_and_soft_labels_follows_torch_for_300_steps() {
    let fixture = fixture();
    assert_eq!(fixture.adam.len(), 3);
    fixture.with_training(|training| {
        let rows = |step: u32, count: u32, stride: u32, of: usize| -> Vec<u32> {
            (0..count).map(|k| (step * 37 + k * stride) % of as u32).collect()
        };
        for AdamCase { options, weight, bias } in &fixture.adam {
            let without = options.probe_labels.targets(&[]).is_none();
            let batches: Vec<Batch> = (0..300)
                .map(|step| Batch {
                    main: rows(step, 64, 101, fixture.main_labels.len()),
                    probes: if without { vec![] } else { rows(step, 32, 29, fixture.shares.len()) },
                })
                .collect();
            let found =
                run_batches(training.main, training.probes, training.gate, &batches, options).unwrap();
            // torch sums in f32 and we in f64; 300 steps of at most lr carry that difference.
            let tolerance = 1e-3 * options.lr;
            let what = format!("{options:?}");
            assert_close(&what, &wide(&found.weight), weight, tolerance);
            assert_close(&what, &[f64::from(found.bias)], &[*bias], tolerance);
            assert!(widest(weight) > 10.0 * options.lr, "the head has moved");
        }
    });
}

#[test]
fn the_promised_bias_is_the_best_that_numpy_finds_by_trial() {
    let fixture = fixture();
    let BalanceFixture { base, base_bias, sets, before, cases } = &fixture.balance;
    assert_eq!((sets.len(), cases.len()), (3, 5));
    let features: Vec<Vec<f32>> = sets.iter().map(|set| floats(&set.features)).collect();
    let operating: Vec<Operating> = sets
        .iter()
        .zip(&features)
        .map(|(set, features)| Operating {
            name: &set.name,
            samples: Samples { features, channels: fixture.channels, labels: &set.labels },
        })
        .collect();
    let base = Head { weight: base.clone(), bias: *base_bias };
    let mut active = 0;
    fixture.with_training(|training| {
        let training = Training { base: Some(&base), operating: &operating, ..*training };
        for case in cases {
            let balance = Some(BalanceOptions { max_r_acc_loss: case.max_r_acc_loss });
            let trained = train(&training, &Solver::Bias(BiasOptions { balance })).unwrap();
            let Report::Bias(report) = trained.report else { panic!("bias") };
            let found = report.balance.unwrap();
            let what = format!("{} points: {found:?}", case.max_r_acc_loss);
            // Sums of six shares in another order.
            assert_close(&what, &[found.balanced_accuracy], &[case.balanced_accuracy], 1e-12);
            assert_close(&what, &[found.unbound_balanced_accuracy], &[case.unbound], 1e-12);
            assert_eq!(found.active, case.unbound > case.balanced_accuracy, "{what}");
            active += u32::from(found.active);
            let bias = f64::from(trained.head.bias);
            assert!(case.biases.contains(&bias), "bias {bias}, expected one of {:?}; {what}", case.biases);
            match found.bound {
                // The highest bias that keeps the promise lies in the last interval below the bound.
                Some(bound) => {
                    assert!(case.highest_kept < bound && bound < case.highest_kept + 0.5, "{what}")
                }
                None => assert_eq!(case.max_r_acc_loss, 100.0),
            }
            for (set, before) in found.sets.iter().zip(before) {
                assert_close(&what, &[set.base_r_acc, set.base_f_acc], before, 1e-12);
            }
        }
    });
    assert!((1..5).contains(&active), "{active}");
}
