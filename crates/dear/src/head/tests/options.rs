//! What the options of the solvers make of the same data.

use super::*;
use crate::head::adam::Sign;

fn strength(strength: f64) -> L2Options {
    L2Options { grid: vec![strength], ..L2Options::default() }
}

fn widest_difference(a: &Head, b: &Head) -> f64 {
    let pairs = a.weight.iter().zip(&b.weight).chain([(&a.bias, &b.bias)]);
    pairs.map(|(a, b)| f64::from((a - b).abs()) / f64::from(1.0 + b.abs())).fold(0.0, f64::max)
}

/// Root mean square of `w . d`.
fn rms(head: &Head, differences: &[f32]) -> f64 {
    let squares = differences.chunks_exact(CHANNELS).map(|d| products(d, &head.weight).powi(2));
    (squares.sum::<f64>() / (differences.len() / CHANNELS) as f64).sqrt()
}

/// Differences between rows and others: along the signal and the noise.
fn differences() -> Vec<f32> {
    let (a, b) = (Data::new(90, 31), Data::new(90, 77));
    a.features.iter().zip(&b.features).map(|(a, b)| a - b).collect()
}

#[test]
fn balanced_classes_are_repeated_rows() {
    // 80 generated rows and every third real one; repeating the real ones three times gives as many.
    let all = Data::new(160, 3);
    let mut thin = Data { features: Vec::new(), labels: Vec::new() };
    let mut repeated = Data { features: Vec::new(), labels: Vec::new() };
    let (mut real, mut fake) = (0, 0);
    for (row, &label) in all.features.chunks_exact(CHANNELS).zip(&all.labels) {
        if label == 0 && real == 20 || label == 1 && fake == 60 {
            continue;
        }
        let times = if label == 0 { 3 } else { 1 };
        (real, fake) = (real + usize::from(label == 0), fake + usize::from(label == 1));
        thin.features.extend(row);
        thin.labels.push(label);
        for _ in 0..times {
            repeated.features.extend(row);
            repeated.labels.push(label);
        }
    }
    let (gate, validation) = (Gate::none(CHANNELS), Data::new(80, 9000));
    let fit = |main: &Data, class_balance| {
        let options = L2Options { class_balance, ..strength(0.01) };
        l2(&Training::new(main.samples(), validation.samples(), &gate), options).unwrap().0
    };
    let balanced = fit(&thin, ClassBalance::Balanced);
    // Both are optima of the same objective, found to a gradient of 1e-8; weights are rounded to f32.
    assert!(widest_difference(&balanced, &fit(&repeated, ClassBalance::None)) < 1e-5);
    assert!(widest_difference(&balanced, &fit(&thin, ClassBalance::None)) > 1e-2, "it matters");
    assert_eq!(
        fit(&repeated, ClassBalance::Balanced),
        fit(&repeated, ClassBalance::None),
        "already balanced"
    );
}

#[test]
fn a_soft_label_is_both_labels_in_its_proportion() {
    with_training(&Gate::none(CHANNELS), |training| {
        let probes = training.probes.unwrap();
        // Each probe row four times, generated as often as its share of 0, 1/4, .. 1 says.
        let shares: Vec<f32> = (0..probes.shares.len()).map(|row| (row % 5) as f32 / 4.0).collect();
        let rows = probes.features.chunks_exact(CHANNELS).zip(&shares);
        let (features, hard): (Vec<&[f32]>, Vec<f32>) = rows
            .flat_map(|(x, share)| (0..4).map(move |k| (x, f32::from(u8::from((k as f32) < share * 4.0)))))
            .unzip();
        let features = features.concat();
        let fit = |probes, probe_labels| {
            let options = L2Options { probe_labels, ..strength(0.01) };
            l2(&Training { probes: Some(probes), ..*training }, options).unwrap().0
        };
        let soft = fit(Probes { shares: &shares, ..probes }, ProbeLabels::Share);
        let repeated = Probes { features: &features, shares: &hard, ..probes };
        assert!(widest_difference(&soft, &fit(repeated, ProbeLabels::AnyPixel)) < 1e-5);
        assert!(
            widest_difference(&soft, &fit(Probes { shares: &shares, ..probes }, ProbeLabels::AnyPixel))
                > 1e-3
        );
    });
}

#[test]
fn without_probe_labels_the_probes_are_as_if_not_given() {
    with_training(&Gate::none(CHANNELS), |training| {
        let solvers = [
            Solver::L2(L2Options { probe_labels: ProbeLabels::None, ..L2Options::default() }),
            Solver::Adam(AdamOptions {
                probe_labels: ProbeLabels::None,
                lr: 1e-2,
                max_steps: 300,
                ..AdamOptions::default()
            }),
        ];
        for solver in solvers {
            let without = train(&Training { probes: None, ..*training }, &solver).unwrap();
            assert_eq!(train(training, &solver).unwrap(), without);
        }
    });
}

#[test]
fn a_strong_penalty_leaves_no_difference_and_a_weak_one_no_trace() {
    with_training(&Gate::none(CHANNELS), |training| {
        let rows = differences();
        let training =
            Training { view_differences: Some(&rows), probe_differences: Some(&rows), ..*training };
        let fit = |strength_: f64| {
            let invariance = Some(Penalty { strength: strength_ });
            l2(&training, L2Options { invariance, ..strength(1e-3) }).unwrap()
        };
        let (plain, report) = l2(&training, strength(1e-3)).unwrap();
        assert!(report.penalties.is_empty());
        let mut last = rms(&plain, &rows);
        assert!(last > 0.5, "{last}");
        assert!(widest_difference(&fit(1e-9).0, &plain) < 1e-5);
        for (step, strength) in [1e-2, 1.0, 1e2, 1e4, 1e6].into_iter().enumerate() {
            let (head, report) = fit(strength);
            let [penalty] = report.penalties[..] else { panic!("one penalty") };
            let found = rms(&head, &rows);
            assert!((penalty.rms - found).abs() < 1e-12 && penalty.rows == 90, "{penalty:?} {found}");
            assert!(found < last, "step {step}: {found} after {last}");
            last = found;
        }
        assert!(last < 1e-4, "{last}");
        // The same differences once as probes: the same head, whatever the name; both at once: the sum.
        let regulariser = |strength_| L2Options {
            probe_labels: ProbeLabels::Regulariser,
            probe_penalty: Penalty { strength: strength_ },
            ..strength(1e-3)
        };
        let none = Training { probes: None, ..training };
        let invariance = Some(Penalty { strength: 3.0 });
        let as_views = l2(&none, L2Options { invariance, ..strength(1e-3) }).unwrap().0;
        assert_eq!(l2(&training, regulariser(3.0)).unwrap().0, as_views, "probes are out of the loss");
        let (both, report) =
            l2(&training, L2Options { invariance: Some(Penalty { strength: 2.0 }), ..regulariser(1.0) })
                .unwrap();
        assert_eq!(report.penalties.len(), 2);
        assert!(widest_difference(&both, &as_views) < 1e-5);
    });
}

#[test]
fn penalised_and_promised_heads_have_the_same_bytes_on_any_number_of_threads() {
    with_training(&gate_without(3), |training| {
        let rows = differences();
        let base = Head { weight: vec![1.0; CHANNELS], bias: -5.0 };
        let operating = [Operating { name: "clean", samples: training.validation }];
        let training = Training {
            view_differences: Some(&rows),
            probe_differences: Some(&rows),
            base: Some(&base),
            operating: &operating,
            ..*training
        };
        let solver = Solver::L2(L2Options {
            class_balance: ClassBalance::Balanced,
            probe_labels: ProbeLabels::Regulariser,
            invariance: Some(Penalty::default()),
            balance: Some(BalanceOptions::default()),
            ..L2Options::default()
        });
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| train(&training, &solver).unwrap())
        };
        assert_eq!(on(1), on(5));
        let Report::L2(report) = on(2).report else { panic!("l2") };
        assert_eq!((report.penalties.len(), report.balance.unwrap().sets.len()), (2, 1));
    });
}

#[test]
fn stay_positive_is_adam_without_negative_weights_and_probes() {
    with_training(&gate_without(0), |training| {
        let options =
            StayPositiveOptions { lr: 1e-2, min_lr: 1e-2, max_steps: 400, ..StayPositiveOptions::default() };
        let trained = train(training, &Solver::StayPositive(options)).unwrap();
        assert!(trained.head.weight.iter().all(|weight| *weight >= 0.0), "{:?}", trained.head);
        assert_eq!(trained.head.weight[0], 0.0, "pruned");
        let adam = AdamOptions { sign: Sign::NonNegative, ..options.adam() };
        let without = Training { probes: None, ..*training };
        let (head, report) = adam::fit(&without, &adam).unwrap();
        assert_eq!(trained, Trained { head, report: Report::StayPositive(report) });
    });
}

#[test]
fn the_bias_solver_moves_the_gated_base_head_alone() {
    with_training(&gate_without(1), |training| {
        let base = Head { weight: vec![2.0, -0.1, 0.5, 0.0, 0.0, 0.25], bias: -7.0 };
        let training = Training { base: Some(&base), probes: None, ..*training };
        let Trained { head, report: Report::Bias(report) } =
            train(&training, &Solver::Bias(BiasOptions::default())).unwrap()
        else {
            panic!("bias")
        };
        let gated = base.gated(training.gate);
        assert_eq!(head.weight, gated.weight);
        let fit = bias::fit_bias(&gated.logits(training.validation), training.validation.labels).unwrap();
        assert_eq!(head.bias, (-7.0 + fit.shift) as f32);
        assert_eq!(report.balanced_accuracy, fit.balanced_accuracy);
        assert!(report.balanced_accuracy > 0.7 && report.balance.is_none(), "{report:?}");

        // Under a promise: gated base, no real image lost against the base itself.
        let operating = [Operating { name: "clean", samples: training.validation }];
        let training = Training { operating: &operating, ..training };
        let balance = Some(BalanceOptions { max_r_acc_loss: 0.0 });
        let trained = train(&training, &Solver::Bias(BiasOptions { balance })).unwrap();
        let Report::Bias(report) = trained.report else { panic!("bias") };
        let set = &report.balance.unwrap().sets[0];
        assert!(set.r_acc >= set.base_r_acc, "{set:?}");
        assert_eq!(trained.head.weight, gated.weight);

        // A gate that keeps only channels without weight leaves nothing to move.
        let mut gate = Gate { keep: vec![false; CHANNELS], n_top: 0, n_bottom: 0 };
        (gate.keep[3], gate.keep[4]) = (true, true);
        let error = train(&Training { gate: &gate, ..training }, &Solver::Bias(BiasOptions::default()));
        assert_eq!(
            error.unwrap_err().to_string(),
            "all 2 weights of the base head that the gate keeps are 0, expected at least one that is not"
        );
    });
}
