//! Data and options from which no head is trained.

use super::*;

#[test]
fn unusable_training_is_named() {
    let data = Data::new(10, 0);
    let samples = data.samples();
    let shares = data.shares();
    let probes = Probes { features: &data.features, channels: CHANNELS, shares: &shares };
    let mut broken = data.features.clone();
    broken[2 * CHANNELS + 4] = f32::NAN;
    let gate = Gate::none(CHANNELS);
    let base = Head { weight: vec![1.0; CHANNELS], bias: 0.0 };
    let fine = Training {
        probes: Some(probes),
        probe_differences: Some(&data.features),
        view_differences: Some(&data.features),
        base: Some(&base),
        ..Training::new(samples, samples, &gate)
    };
    let empty = Samples { features: &[], labels: &[], ..samples };
    let one_class = [1; 10];
    let nothing = Gate { keep: vec![false; CHANNELS], n_top: 0, n_bottom: CHANNELS };
    let narrow = Gate::none(3);
    let broken_samples = Samples { features: &broken, ..samples };
    let wrong_shares = [[0.5; 9].as_slice(), &[1.5]].concat();
    let dead = vec![0.0; data.features.len()];
    let constant: Vec<f32> = data.features.iter().enumerate().map(|(k, _)| (k % CHANNELS) as f32).collect();
    let mut constant_gate = Gate { keep: vec![false; CHANNELS], n_top: 0, n_bottom: 0 };
    constant_gate.keep[2] = true;
    let short_base = Head { weight: vec![1.0; 3], bias: 0.0 };
    let broken_base = Head { weight: vec![f32::INFINITY; CHANNELS], bias: 0.0 };
    let operating = [Operating { name: "jpeg(50)", samples: broken_samples }];
    let no_probes = Probes { features: &[], channels: CHANNELS, shares: &[] };
    let dead_probes = Probes { features: &dead, ..probes };
    let dead_samples = Samples { features: &dead, ..samples };
    let cases = [
        ("no_rows", Training { main: empty, ..fine }),
        ("no_rows", Training { validation: empty, ..fine }),
        ("no_rows", Training { probes: Some(no_probes), ..fine }),
        ("no_rows", Training { probe_differences: Some(&[]), ..fine }),
        ("no_rows", Training { view_differences: Some(&[]), ..fine }),
        ("length", Training { main: Samples { features: &data.features[1..], ..samples }, ..fine }),
        ("length", Training { view_differences: Some(&data.features[1..]), ..fine }),
        ("non_finite", Training { probes: Some(Probes { features: &broken, ..probes }), ..fine }),
        ("non_finite", Training { probe_differences: Some(&broken), ..fine }),
        ("non_finite", Training { operating: &operating, ..fine }),
        ("share", Training { probes: Some(Probes { shares: &wrong_shares, ..probes }), ..fine }),
        ("one_class", Training { main: Samples { labels: &one_class, ..samples }, ..fine }),
        ("one_class", Training { validation: Samples { labels: &one_class, ..samples }, ..fine }),
        ("label", Training { main: Samples { labels: &[2; 10], ..samples }, ..fine }),
        ("no_channels", Training { gate: &nothing, ..fine }),
        ("channels", Training { gate: &narrow, base: None, ..fine }),
        ("channels", Training { base: Some(&short_base), ..fine }),
        ("base", Training { base: Some(&broken_base), ..fine }),
        ("constant_channels", Training { gate: &constant_gate, ..fine }),
        ("constant_channels", Training { main: dead_samples, probes: Some(dead_probes), ..fine }),
        (
            "constant_channels",
            Training { main: Samples { features: &constant, ..samples }, probes: None, ..fine },
        ),
    ];
    let solvers = [
        Solver::default(),
        Solver::Adam(AdamOptions::default()),
        Solver::StayPositive(StayPositiveOptions::default()),
        Solver::Bias(BiasOptions::default()),
    ];
    for (kind, training) in cases {
        for solver in &solvers {
            let error = train(&training, solver).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
    let error = train(&Training { main: broken_samples, ..fine }, &Solver::default()).unwrap_err();
    assert_eq!(error.to_string(), "main row 2 has NaN in channel 4, expected a finite number");
    let error =
        train(&Training { main: dead_samples, probes: Some(dead_probes), ..fine }, &Solver::default());
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "all 6 kept channels are constant over the training rows, expected at least one that varies"
    );
    assert!(error.hint().is_some());
}

#[test]
fn an_option_without_its_data_is_an_error() {
    with_training(&Gate::none(CHANNELS), |training| {
        let cases = [
            ("solver = \"l2\"\ninvariance = {}", "head option invariance needs differences"),
            (
                "solver = \"l2\"\nprobe_labels = \"regulariser\"",
                "probe_labels = \"regulariser\" needs the differences",
            ),
            ("solver = \"l2\"\nbalance = {}", "head option balance needs the base head"),
            ("solver = \"bias\"", "head option solver = \"bias\" needs the base head"),
            ("solver = \"bias\"\nbalance = {}", "head option solver = \"bias\" needs the base head"),
        ];
        for (text, expected) in cases {
            let solver: Solver = toml::from_str(text).unwrap();
            solver.check().unwrap();
            let error = train(training, &solver).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert_eq!((error.kind(), error.hint().is_some()), ("missing", true));
        }
    });
}

#[test]
fn a_grid_of_nothing_is_called_empty() {
    let solver: Solver = toml::from_str("solver = \"l2\"\ngrid = []").unwrap();
    let error = solver.check().unwrap_err();
    let text = "head option \"grid\" is empty, expected at least one strength";
    assert_eq!((error.kind(), error.to_string().as_str()), ("option", text));
}

#[test]
fn options_out_of_range_and_combinations_are_refused() {
    let cases = [
        ("solver = \"l2\"\nprobe_labels = { at_least = 0.0 }", "option"),
        ("solver = \"l2\"\nprobe_labels = { at_least = 1.5 }", "option"),
        ("solver = \"adam\"\nprobe_labels = { at_least = nan }", "option"),
        ("solver = \"l2\"\ninvariance = { strength = 0.0 }", "option"),
        ("solver = \"l2\"\ninvariance = { strength = 2e6 }", "option"),
        ("solver = \"l2\"\nprobe_penalty = { strength = -1.0 }", "option"),
        ("solver = \"l2\"\nbalance = { max_r_acc_loss = 101.0 }", "option"),
        ("solver = \"bias\"\nbalance = { max_r_acc_loss = -1.0 }", "option"),
        ("solver = \"stay_positive\"\nlr = 0.0", "option"),
        ("solver = \"adam\"\nprobe_labels = \"regulariser\"", "combination"),
        ("solver = \"stay_positive\"\nprobe_labels = \"regulariser\"", "combination"),
    ];
    with_training(&Gate::none(CHANNELS), |training| {
        for (text, kind) in cases {
            let solver: Solver = toml::from_str(text).unwrap();
            let error = solver.check().unwrap_err();
            assert_eq!(error.kind(), kind, "{text}: {error}");
            assert_eq!(train(training, &solver).unwrap_err().kind(), kind, "{text}");
        }
    });
    let error = toml::from_str::<Solver>(cases[10].0).unwrap().check().unwrap_err();
    assert_eq!(
        error.to_string(),
        "head option probe_labels = \"regulariser\" is not for solver \"stay_positive\", expected solver \"l2\""
    );
    let unread = [
        "solver = \"adam\"\ninvariance = {}",
        "solver = \"adam\"\nbalance = {}",
        "solver = \"l2\"\ninvariance = { strenght = 1.0 }",
        "solver = \"l2\"\nclass_balance = \"even\"",
        "solver = \"l2\"\nprobe_labels = \"any\"",
        "solver = \"stay_positive\"\nsign = \"both\"",
        "solver = \"bias\"\nlr = 1.0",
    ];
    for text in unread {
        assert!(toml::from_str::<Solver>(text).is_err(), "{text}");
    }
}
