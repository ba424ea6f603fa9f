use dear_image::Draw;

use super::*;

fn value(name: &str, labels: &[u8], scores: &[f64]) -> Option<f64> {
    Metric::named(name).unwrap().measure(&Ranking::new(labels, scores).unwrap()).value
}

/// Sets that between them have ties within and across classes, zeros of both signs and both kinds of order; the
/// last is large enough to fill every bin of the calibration error.
fn sets() -> Vec<(Vec<u8>, Vec<f64>)> {
    let many = |k: usize| ((k * 7919) % 211) as f64 / 30.0 - 3.5;
    vec![
        (vec![1, 0, 1, 0, 1], vec![2.5, -1.0, 0.0, -0.0, -3.0]),
        (vec![0, 1, 0, 0, 0], vec![0.7, 0.8, 0.5, 0.9, 0.1]),
        (vec![1, 0, 1, 0], vec![9.0, 9.0, 5.0, 5.0]),
        (vec![1, 1, 0, 0, 0, 1, 0], vec![-1.0, 4.0, -1.0, -2.0, 4.0, 7.0, -8.0]),
        (
            (0..300).map(|k| u8::from(many(k * k + 1) > 0.4)).collect(),
            (0..300).map(|k| many(k % 173)).collect(),
        ),
    ]
}

#[test]
fn every_metric_ignores_the_order_of_samples() {
    for (labels, scores) in &sets() {
        for shift in 1..labels.len() {
            let (mut l, mut s) = (labels.to_vec(), scores.to_vec());
            l.rotate_left(shift);
            s.rotate_left(shift);
            l.swap(0, 1);
            s.swap(0, 1);
            for metric in METRICS {
                assert_eq!(value(metric.name, labels, scores), value(metric.name, &l, &s), "{}", metric.name);
            }
        }
    }
}

#[test]
fn rank_metrics_ignore_increasing_maps_and_all_stay_in_range() {
    for (labels, scores) in &sets() {
        let mapped: Vec<f64> = scores.iter().map(|s| (s / 3.0).exp() * 5.0 - 100.0).collect();
        for metric in METRICS {
            let found = value(metric.name, labels, scores).unwrap();
            assert!((metric.range.0..=metric.range.1).contains(&found), "{} {found}", metric.name);
            if !matches!(metric.looks_at, LooksAt::Sign | LooksAt::Probability) {
                assert_eq!(Some(found), value(metric.name, labels, &mapped), "{}", metric.name);
            }
        }
    }
}

#[test]
fn swapping_labels_and_signs_gives_the_mirrored_metric() {
    for (labels, scores) in &sets() {
        let swapped: Vec<u8> = labels.iter().map(|l| 1 - l).collect();
        let negated: Vec<f64> = scores.iter().map(|s| -s).collect();
        for metric in METRICS {
            let (other, sign, constant) = match metric.name {
                "auc" | "balanced_accuracy" | "eer" | "brier" | "nll" | "ece" => (metric.name, 1.0, 0.0),
                "asymmetry" => (metric.name, -1.0, 0.0),
                "r_acc" => ("f_acc", 1.0, 0.0),
                "f_acc" => ("r_acc", 1.0, 0.0),
                // The real images left alone while at most 5 % of the generated ones are lost.
                "fpr_at_95_tpr" => ("tpr_at_5_fpr", -1.0, 1.0),
                "tpr_at_5_fpr" => ("fpr_at_95_tpr", -1.0, 1.0),
                "ap" | "tpr_at_1_fpr" | "tpr_at_01_fpr" => continue,
                name => panic!("{name}: say here what it becomes when labels and signs are swapped"),
            };
            let found = value(metric.name, labels, scores).unwrap();
            let mirrored = constant + value(other, &swapped, &negated).unwrap() * sign;
            assert!((found - mirrored).abs() < 1e-13, "{}: {found}, mirrored {mirrored}", metric.name);
        }
        let auc = value("auc", labels, scores).unwrap();
        assert!((auc + value("auc", &swapped, scores).unwrap() - 1.0).abs() < 1e-15);
    }
}

#[test]
fn integer_weights_equal_repeated_rows() {
    for (labels, scores) in &sets() {
        let (mut weighted, places) = Ranking::with_places(labels, scores).unwrap();
        let times = |index: usize| [3, 1, 0, 2, 4, 1, 5][index % 7];
        weighted.count((0..labels.len()).map(|k| (Slot::new(places[k].unwrap(), labels[k]), times(k))));
        let rows: Vec<usize> =
            (0..labels.len()).flat_map(|k| std::iter::repeat_n(k, times(k) as usize)).collect();
        let l: Vec<u8> = rows.iter().map(|&k| labels[k]).collect();
        let s: Vec<f64> = rows.iter().map(|&k| scores[k]).collect();
        let repeated = Ranking::new(&l, &s).unwrap();
        for metric in METRICS {
            // Three times a number is not always that number three times added.
            let [found, expected] = [&weighted, &repeated].map(|ranking| (metric.value)(ranking).unwrap());
            assert!((found - expected).abs() < 1e-13, "{}: {found}, {expected}", metric.name);
        }
    }
}

/// Ties, from reports of wrong numbers elsewhere; scikit-learn 1.9.1 agrees with the right ones.
#[test]
fn ties_count_half_and_enter_together() {
    let mut lone = vec![1];
    lone.extend(vec![0; 9_999]);
    let cases: &[(&[u8], &[f64], f64, f64)] = &[
        (&[1, 0], &[0.5, 0.5], 0.5, 0.5),
        (&[0, 1], &[0.5, 0.5], 0.5, 0.5),
        (&[1, 0, 1, 0], &[9.0, 9.0, 5.0, 5.0], 0.5, 0.5),
        (&lone, &[0.0; 10_000], 0.5, 0.0001),
        (&[0, 1, 0, 0, 0], &[0.7, 0.8, 0.5, 0.9, 0.1], 0.75, 0.5),
        (&[1, 0, 0], &[1e-10, 0.0, 0.0], 1.0, 1.0),
    ];
    for (labels, scores, auc, ap) in cases {
        assert_eq!(value("auc", labels, scores), Some(*auc), "{:?}", &scores[..2]);
        assert_eq!(value("ap", labels, scores), Some(*ap), "{:?}", &scores[..2]);
    }
}

#[test]
fn ranks_are_those_of_the_logits_not_of_probabilities() {
    let logits = [
        98.0950, 98.4612, 98.1145, 98.1506, 97.6037, 98.9425, 99.2644, 99.5014, 99.7280, 99.6595, 99.6931,
        99.4667, 99.9623, 99.8949, 99.8768,
    ];
    let labels: Vec<u8> = (0..15).map(|k| u8::from(k > 0)).collect();
    assert!((value("auc", &labels, &logits).unwrap() - 13.0 / 14.0).abs() < 1e-15);
    assert!((value("ap", &labels, &logits).unwrap() - 0.995_238).abs() < 1e-6);
    let rounded = logits.map(|logit| f64::from(1.0 / (1.0 + (-logit as f32).exp())));
    assert_eq!(value("auc", &labels, &rounded), Some(0.5), "an f32 sigmoid makes them all equal");
}

#[test]
fn a_flawless_detector_has_the_best_value_of_every_metric() {
    let labels: Vec<u8> = (0..4_000).map(|k| u8::from(k % 2 == 0)).collect();
    let scores: Vec<f64> = labels.iter().map(|&label| if label == 1 { 800.0 } else { -800.0 }).collect();
    let ranking = Ranking::new(&labels, &scores).unwrap();
    for metric in METRICS {
        let best = match metric.better {
            Better::Higher => metric.range.1,
            Better::Lower => metric.range.0,
            Better::NearZero => 0.0,
        };
        assert_eq!((metric.value)(&ranking), Ok(best), "{}", metric.name);
        assert!(metric.resolvable(&ranking), "{}", metric.name);
    }
}

#[test]
fn losses_stay_finite_for_every_finite_logit() {
    let worst = f64::MAX;
    let labels = [0, 0, 0, 1, 1];
    let nll = |scores: [f64; 5]| value("nll", &labels, &scores).unwrap();
    assert!((nll([worst, worst, worst, -worst, -worst]) / f64::MAX - 1.0).abs() < 1e-15);
    assert_eq!(value("brier", &labels, &[worst, worst, worst, -worst, -worst]), Some(1.0));
    assert_eq!(nll([-worst, -worst, -worst, worst, worst]), 0.0);
    assert!((nll([0.0; 5]) - 2.0_f64.ln()).abs() < 1e-15);
    // A logit of 40 on the wrong side costs 40 nats; its probability in f64 is exactly 1.
    assert!((nll([-40.0, -40.0, 40.0, 40.0, 40.0]) - 8.0).abs() < 1e-15);
}

#[test]
fn the_equal_error_rate_lies_between_realisable_points() {
    // At 3 of 4 generated found, 1 of 4 real accused: they meet.
    let meet = value("eer", &[1, 1, 0, 1, 0, 0, 1, 0], &[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    assert_eq!(meet, Some(0.25));
    // One tie of everything: the line from (0, 0) to (1, 1).
    assert_eq!(value("eer", &[0, 1, 1], &[1.0; 3]), Some(0.5));
    // From FPR 0, FNR 1/2 to FPR 1/3, FNR 0 at the tie of 1: they cross at x = 1/2 - 3/2 x.
    let crossed = value("eer", &[1, 1, 0, 0, 0], &[2.0, 1.0, 1.0, 0.0, -1.0]).unwrap();
    assert!((crossed - 0.2).abs() < 1e-15, "{crossed}");
    assert_eq!(value("eer", &[1, 0], &[-1.0, 1.0]), Some(1.0));
}

#[test]
fn fpr_at_95_tpr_finds_at_least_that_share() {
    // 20 generated: one may be missed. The lowest of them ties with two real images.
    let mut labels = vec![1; 20];
    labels.extend([0; 10]);
    let mut scores: Vec<f64> = (0..20).map(|k| 10.0 - f64::from(k)).collect();
    scores.extend([-8.0, -8.0, -9.0, -9.0, -20.0, -20.0, -20.0, -20.0, -20.0, -7.5]);
    let point = |n: usize| {
        let point = fpr_at_tpr(&Ranking::new(&labels[20 - n..], &scores[20 - n..]).unwrap(), 0.95).unwrap();
        (point.tpr, point.fpr, point.threshold, point.resolvable)
    };
    assert_eq!(point(20), (0.95, 0.3, Some(-9.0), true));
    assert_eq!(point(19), (1.0, 0.5, Some(-20.0), false), "of 19 none may be missed");
    let all = fpr_at_tpr(&Ranking::new(&[0, 1], &[1.0, -1.0]).unwrap(), 1.0).unwrap();
    assert_eq!((all.tpr, all.fpr, all.threshold), (1.0, 1.0, None));
    let none = fpr_at_tpr(&Ranking::new(&[0, 1], &[1.0, -1.0]).unwrap(), 0.0).unwrap();
    assert_eq!((none.tpr, none.fpr, none.threshold), (0.0, 0.0, Some(1.0)));
}

#[test]
fn bins_hold_equal_shares_and_never_split_a_tie() {
    let bins = |labels: &[u8], scores: &[f64]| mass_bins(&Ranking::new(labels, scores).unwrap());
    let labels: Vec<u8> = (0..450).map(|k| (k % 2) as u8).collect();
    let spread: Vec<f64> = (0..450).map(|k| f64::from(k) / 100.0 - 2.0).collect();
    let found = bins(&labels, &spread);
    assert_eq!(found.iter().map(|bin| (bin.n, bin.fake)).collect::<Vec<_>>(), vec![(30, 15); 15]);
    assert!(found.windows(2).all(|pair| pair[0].probability < pair[1].probability));
    // Two of three images are one tie: it is one bin of 300, and the others keep their places.
    let tied: Vec<f64> = (0..450).map(|k| if k < 300 { -2.0 } else { f64::from(k) }).collect();
    let sizes: Vec<u64> = bins(&labels, &tied).iter().map(|bin| bin.n).collect();
    assert_eq!(sizes, [300, 30, 30, 30, 30, 30]);
    assert_eq!(bins(&[1, 0, 1], &[0.0, 0.0, 1.0]).len(), 2);
}

#[test]
fn the_calibration_error_is_debiased_and_never_negative() {
    // One bin of p = 1/2 with share 3/4 among 8: gap 1/4, deviation sqrt(3 / 128).
    let (labels, scores) = ([1, 1, 1, 1, 1, 1, 0, 0], [0.0; 8]);
    let ranking = Ranking::new(&labels, &scores).unwrap();
    assert_eq!(ece_plug_in(&ranking), Ok(0.25));
    // E |N(0.25, 3/128)| = 0.153093 x 0.797885 x exp(-4/3) + 0.25 x erf(1.154701) = 0.032199 + 0.224382.
    assert!((ece(&ranking).unwrap() - (0.5 - 0.256_581)).abs() < 1e-6, "{:?}", ece(&ranking));
    // A gap of 0 is less than chance gives.
    assert_eq!(value("ece", &[0, 1, 0, 1], &[0.0; 4]), Some(0.0));
    // Certain and wrong: no variance to subtract.
    assert_eq!(value("ece", &[0, 0, 1], &[50.0, 50.0, -50.0]), Some(1.0));
}

#[test]
fn a_calibrated_detector_is_within_what_chance_gives_and_an_overconfident_one_is_not() {
    let n = 3_000;
    let logits: Vec<f64> = (0..n).map(|k| (k as f64 + 0.5) / n as f64 * 6.0 - 3.0).collect();
    let mut draw = Draw::keyed(1, &[b"calibrated"]);
    let labels: Vec<u8> =
        logits.iter().map(|&logit| u8::from(draw.chance(1.0 / (1.0 + (-logit).exp())))).collect();
    let judge = |times: f64| {
        let scores: Vec<f64> = logits.iter().map(|logit| logit * times).collect();
        let ranking = Ranking::new(&labels, &scores).unwrap();
        (ece(&ranking).unwrap(), ece_plug_in(&ranking).unwrap(), ece_by_chance(&ranking).unwrap())
    };
    let (debiased, plug_in, chance) = judge(1.0);
    assert!(debiased < plug_in && plug_in < chance && chance < 0.04, "{debiased} {plug_in} {chance}");
    let (debiased, plug_in, chance) = judge(2.0);
    assert!(debiased < plug_in && debiased > 2.0 * chance, "{debiased} {plug_in} {chance}");
}

#[test]
fn scores_that_are_no_logits_and_inverted_labels_are_noticed() {
    let labels: Vec<u8> = (0..40).map(|k| (k % 2) as u8).collect();
    let logits: Vec<f64> =
        (0..40).map(|k| f64::from(k % 2) * 2.0 - 1.0 + f64::from(k % 7) / 5.0 - 0.6).collect();
    let probabilities: Vec<f64> = logits.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect();
    let twice: Vec<f64> = probabilities.iter().map(|p| 1.0 / (1.0 + (-p).exp())).collect();
    let negated: Vec<f64> = logits.iter().map(|logit| -logit).collect();
    let found = |scores: &[f64]| suspicions(&labels, scores).unwrap();
    assert_eq!(found(&logits), []);
    assert!(matches!(found(&probabilities)[..], [Suspicion::Probabilities { .. }]));
    assert!(matches!(found(&twice)[..], [Suspicion::DoubleSigmoid { .. }]));
    assert!(matches!(found(&negated)[..], [Suspicion::Inverted { auc }] if auc < 0.05));
    let inverted: Vec<f64> = probabilities.iter().map(|p| 1.0 - p).collect();
    assert!(matches!(found(&inverted)[..], [Suspicion::Inverted { .. }, Suspicion::Probabilities { .. }]));
    assert_eq!(found(&[0.0; 40]), [Suspicion::Constant { score: 0.0 }]);
    // Words, on one line.
    for suspicion in
        [&found(&probabilities), &found(&twice), &found(&negated)].map(|found| found[0].to_string())
    {
        assert!(!suspicion.contains('\n') && suspicion.starts_with(char::is_lowercase), "{suspicion}");
    }
    // Too few to tell, and nothing at all.
    assert_eq!(suspicions(&[0, 1, 0, 1], &[0.9, 0.1, 0.8, 0.2]).unwrap(), []);
    assert_eq!(suspicions(&[], &[]).unwrap(), []);
    assert_eq!(suspicions(&[0; 20], &[f64::NAN; 20]).unwrap(), []);
    let guessing: Vec<f64> = (0..40).map(|k| f64::from((k * 7) % 11) - 5.0).collect();
    assert_eq!(found(&guessing), []);
}

#[test]
fn one_class_is_undefined_with_its_reason_but_its_accuracy_stays() {
    let only_real = measure_all(&Ranking::new(&[0, 0], &[-1.0, 1.0]).unwrap());
    let only_fake = measure_all(&Ranking::new(&[1], &[2.0]).unwrap());
    let nothing = measure_all(&Ranking::new(&[0, 1], &[f64::NAN, f64::INFINITY]).unwrap());
    for (k, metric) in METRICS.iter().enumerate() {
        let expected =
            if metric.name == "r_acc" { (Some(0.5), None) } else { (None, Some(Undefined::NoFake)) };
        assert_eq!((only_real[k].value, only_real[k].undefined), expected, "{}", metric.name);
        let expected =
            if metric.name == "f_acc" { (Some(1.0), None) } else { (None, Some(Undefined::NoReal)) };
        assert_eq!((only_fake[k].value, only_fake[k].undefined), expected, "{}", metric.name);
        assert_eq!(nothing[k].undefined, Some(Undefined::Empty), "{}", metric.name);
    }
}

#[test]
fn non_finite_scores_are_left_out_and_counted() {
    let ranking =
        Ranking::new(&[0, 1, 1, 0, 1], &[f64::NAN, 1.0, f64::INFINITY, -1.0, f64::NEG_INFINITY]).unwrap();
    assert_eq!((ranking.real(), ranking.fake()), (1, 1));
    assert_eq!(ranking.excluded(), Excluded { real: 1, fake: 2 });
    assert_eq!(Ranking::new(&[2], &[0.0]).unwrap_err(), RankingError::Label { index: 0, found: 2 });
    assert_eq!(Ranking::new(&[1], &[]).unwrap_err().kind(), "lengths");
}

#[test]
fn a_logit_of_zero_is_wrong_on_both_sides() {
    for zero in [0.0, -0.0] {
        assert_eq!(value("balanced_accuracy", &[0, 1], &[zero, zero]), Some(0.0));
    }
}

#[test]
fn tpr_is_realisable_and_says_when_it_cannot_be_resolved() {
    let mut labels = vec![0; 50];
    let mut scores = vec![0.0; 40];
    scores.extend([5.0; 10]);
    labels.extend([1; 50]);
    scores.extend([5.0; 30]);
    scores.extend([6.0; 20]);
    let ranking = Ranking::new(&labels, &scores).unwrap();
    let point = tpr_at_fpr(&ranking, 0.01).unwrap();
    let expected = OperatingPoint { tpr: 0.4, fpr: 0.0, threshold: Some(5.0), resolvable: false };
    assert_eq!(point, expected, "interpolation would say 0.43");
    assert!(tpr_at_fpr(&ranking, 0.02).unwrap().resolvable);
    let at_20 = tpr_at_fpr(&ranking, 0.2).unwrap();
    assert_eq!((at_20.tpr, at_20.fpr, at_20.threshold), (1.0, 0.2, Some(0.0)));
    assert_eq!(tpr_at_fpr(&ranking, 1.0).unwrap().threshold, None);
}

#[test]
fn wilson_has_width_at_the_ends() {
    assert_eq!(wilson(0, 0), None);
    let (low, high) = wilson(0, 10).unwrap();
    assert!(low == 0.0 && (high - 0.2775).abs() < 1e-4, "{low} {high}");
    let (low, high) = wilson(10, 10).unwrap();
    assert!(high == 1.0 && (low - 0.7225).abs() < 1e-4, "{low} {high}");
}
