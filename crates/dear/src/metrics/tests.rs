use super::*;

fn value(name: &str, labels: &[u8], scores: &[f64]) -> Option<f64> {
    Metric::named(name).unwrap().measure(&Ranking::new(labels, scores).unwrap()).value
}

/// Small sets that between them have ties within and across classes, zeros of both signs and both kinds
/// of order.
const SETS: &[(&[u8], &[f64])] = &[
    (&[1, 0, 1, 0, 1], &[2.5, -1.0, 0.0, -0.0, -3.0]),
    (&[0, 1, 0, 0, 0], &[0.7, 0.8, 0.5, 0.9, 0.1]),
    (&[1, 0, 1, 0], &[9.0, 9.0, 5.0, 5.0]),
    (&[1, 1, 0, 0, 0, 1, 0], &[-1.0, 4.0, -1.0, -2.0, 4.0, 7.0, -8.0]),
];

#[test]
fn every_metric_ignores_the_order_of_samples() {
    for (labels, scores) in SETS {
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
    for (labels, scores) in SETS {
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
    for (labels, scores) in SETS {
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
            assert!((found - mirrored).abs() < 1e-15, "{}: {found}, mirrored {mirrored}", metric.name);
        }
        let auc = value("auc", labels, scores).unwrap();
        assert!((auc + value("auc", &swapped, scores).unwrap() - 1.0).abs() < 1e-15);
    }
}

#[test]
fn integer_weights_equal_repeated_rows() {
    for (labels, scores) in SETS {
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
            assert!((found - expected).abs() < 1e-15, "{}: {found}, {expected}", metric.name);
        }
    }
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
