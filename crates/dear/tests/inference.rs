//! Intervals and tests without resampling against numpy, scipy, statsmodels and MLstatkit.
//!
//! The numbers come from `oracle/inference.py`. Tolerances stand next to their reasons.

// clippy.toml allows it in tests, and helpers of an integration test are not recognised as such.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use dear::bootstrap::Method;
use dear::inference::{closed_form, delong, delong_paired, holm, mcnemar, normal, separated};
use dear::metrics::{Metric, Ranking};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    delong: Vec<DelongCase>,
    shares: Vec<SharesCase>,
    operating: Vec<OperatingCase>,
    separated: Vec<(u64, u64, f64)>,
    mcnemar: Vec<(u64, u64, f64)>,
    holm: Vec<(Vec<f64>, Vec<f64>)>,
    normal: NormalCases,
}

#[derive(Deserialize)]
struct DelongCase {
    name: String,
    labels: Vec<u8>,
    before: Vec<f64>,
    after: Vec<f64>,
    auc: [f64; 2],
    variance: [f64; 2],
    low: [f64; 2],
    high: [f64; 2],
    /// Value, low, high, p.
    difference: [f64; 4],
}

#[derive(Deserialize)]
struct SharesCase {
    /// Right, of.
    real: [usize; 2],
    fake: [usize; 2],
    #[serde(flatten)]
    expected: BTreeMap<String, [f64; 2]>,
}

#[derive(Deserialize)]
struct OperatingCase {
    labels: Vec<u8>,
    scores: Vec<f64>,
    expected: BTreeMap<String, [f64; 2]>,
}

#[derive(Deserialize)]
struct NormalCases {
    cdf: Vec<[f64; 2]>,
    quantile: Vec<[f64; 2]>,
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inference.json");
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected} +- {tolerance:e}");
}

#[test]
fn delong_equals_its_definition() {
    let cases = fixture().delong;
    assert_eq!(cases.len(), 8);
    for case in &cases {
        for (k, scores) in [&case.before, &case.after].into_iter().enumerate() {
            let what = format!("{} {k}", case.name);
            let found = delong(&Ranking::new(&case.labels, scores).unwrap()).unwrap();
            assert!(!found.degenerate, "{what}");
            assert_close(&what, found.value, case.auc[k], 1e-12);
            assert_close(&what, found.variance, case.variance[k], 1e-12);
            assert_close(&what, found.low, case.low[k], 1e-12);
            assert_close(&what, found.high, case.high[k], 1e-12);
        }
        let found = delong_paired(&case.labels, &case.before, &case.after).unwrap();
        let [value, low, high, p] = case.difference;
        assert_close(&case.name, found.value, value, 1e-12);
        assert_close(&case.name, found.low, low.max(-1.0), 1e-12);
        assert_close(&case.name, found.high, high.min(1.0), 1e-12);
        assert_close(&case.name, found.p, p, 1e-12);
        // Small p-values too: the exponent 30 times the rounding of z.
        assert_close(&case.name, found.p / p, 1.0, 1e-11);
        let back = delong_paired(&case.labels, &case.after, &case.before).unwrap();
        assert_close(&case.name, back.value + found.value, 0.0, 1e-15);
        assert_close(&case.name, back.low + found.high, 0.0, 1e-15);
        assert_close(&case.name, back.p, found.p, 1e-15);
    }
}

#[test]
fn the_interval_of_fourteen_samples_stays_below_one() {
    // roc-utils issue 3 reported [0.894, 0.897]; the plain form gives [0.72, 1.08].
    let case = &fixture().delong[0];
    let found = delong(&Ranking::new(&case.labels, &case.after).unwrap()).unwrap();
    let half = normal::quantile(0.975) * found.variance.sqrt();
    assert_close("plain low", found.value - half, 0.72, 0.005);
    assert_close("plain high", found.value + half, 1.08, 0.005);
    assert_close("low", found.low, 0.5576, 1e-4);
    assert_close("high", found.high, 0.9832, 1e-4);
}

#[test]
fn intervals_of_shares_are_wilsons_and_newcombes() {
    let cases = fixture().shares;
    assert_eq!(cases.len(), 7);
    for case in &cases {
        let of_class = |label: u8, [right, of]: [usize; 2]| {
            let sign = if label == 1 { 1.0 } else { -1.0 };
            // Half of the wrong ones are wrong by a logit of exactly 0.
            (0..of).map(move |k| (label, if k < right { sign } else { -sign * (k % 2) as f64 }))
        };
        let (labels, scores): (Vec<_>, Vec<_>) = of_class(0, case.real).chain(of_class(1, case.fake)).unzip();
        let ranking = Ranking::new(&labels, &scores).unwrap();
        assert_eq!(case.expected.len(), 4);
        for (metric, expected) in &case.expected {
            let what = format!("{metric} {:?} {:?}", case.real, case.fake);
            let (low, high, degenerate, method) = closed_form(&ranking, metric).unwrap();
            assert_close(&what, low, expected[0], 1e-12);
            assert_close(&what, high, expected[1], 1e-12);
            assert!(!degenerate);
            let wilson = metric.ends_with("_acc");
            assert_eq!(method, if wilson { Method::Wilson } else { Method::Newcombe }, "{what}");
        }
    }
}

#[test]
fn operating_points_equal_their_independent_form_and_contain_the_value() {
    let cases = fixture().operating;
    assert_eq!(cases.len(), 7);
    for case in &cases {
        let ranking = Ranking::new(&case.labels, &case.scores).unwrap();
        assert_eq!(case.expected.len(), 3);
        for (metric, expected) in &case.expected {
            let what = format!("{metric} of {} and {}", ranking.real(), ranking.fake());
            let (low, high, degenerate, method) = closed_form(&ranking, metric).unwrap();
            assert_close(&what, low, expected[0], 1e-12);
            assert_close(&what, high, expected[1], 1e-12);
            assert_eq!((degenerate, method), (false, Method::OrderStatistics));
            let value = Metric::named(metric).unwrap().measure(&ranking).value.unwrap();
            assert!(low <= value && value <= high, "{what}: {low} {value} {high}");
        }
    }
}

#[test]
fn perfect_separation_is_not_certain() {
    let cases = fixture().separated;
    assert_eq!(cases.len(), 6);
    for (real, fake, end) in cases {
        assert_close(&format!("{real} {fake}"), separated(real, fake), end, 1e-12);
        let labels: Vec<u8> = (0..real + fake).map(|index| u8::from(index >= real)).collect();
        for (scores, ends) in
            [(labels.clone(), (end, 1.0)), (labels.iter().map(|l| 1 - l).collect(), (0.0, 1.0 - end))]
        {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let found = closed_form(&Ranking::new(&labels, &scores).unwrap(), "auc").unwrap();
            assert_close("low", found.0, ends.0, 1e-12);
            assert_close("high", found.1, ends.1, 1e-12);
            assert_eq!((found.2, found.3), (false, Method::Newcombe));
        }
    }
    assert!(separated(0, 5).is_nan());
}

#[test]
fn mcnemar_is_the_exact_binomial_test() {
    let cases = fixture().mcnemar;
    assert_eq!(cases.len(), 13);
    for &(only_before, only_after, p) in &cases {
        let pairs = [(1.0, -1.0, only_before), (-1.0, 1.0, only_after), (2.0, 3.0, 4), (-2.0, 0.0, 5)];
        let rows = |of: fn(&(f64, f64, u64)) -> f64| -> Vec<f64> {
            pairs.iter().flat_map(|pair| std::iter::repeat_n(of(pair), pair.2 as usize)).collect()
        };
        let (before, after) = (rows(|pair| pair.0), rows(|pair| pair.1));
        let found = mcnemar(&vec![1; before.len()], &before, &after, 1).unwrap();
        assert_eq!((found.only_before, found.only_after), (only_before, only_after));
        // Relative, so that small p-values count; a product of a thousand ratios is rounded a thousand times.
        assert_close(&format!("{only_before} {only_after}"), found.p / p, 1.0, 1e-11);
        assert_close(&format!("{only_before} {only_after}"), found.p, p, 1e-12);
    }
}

#[test]
fn holm_equals_statsmodels() {
    let cases = fixture().holm;
    assert_eq!(cases.len(), 6);
    for (p, expected) in &cases {
        let found = holm(p);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_close(&format!("{p:?}"), *found, *expected, 1e-15);
        }
    }
}

#[test]
fn the_normal_distribution_equals_scipys() {
    let NormalCases { cdf, quantile } = fixture().normal;
    assert_eq!((cdf.len(), quantile.len()), (10, 12));
    for [z, share] in cdf {
        assert_close(&format!("cdf {z}"), normal::cdf(z) / share, 1.0, 1e-13);
    }
    for [share, z] in quantile {
        assert_close(&format!("quantile {share}"), normal::quantile(share), z, 1e-12);
    }
    assert_eq!((normal::quantile(0.0), normal::quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    assert!([-0.1, 1.1, f64::NAN].into_iter().all(|share| normal::quantile(share).is_nan()));
}
