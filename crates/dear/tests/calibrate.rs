//! Calibration and the non-negative head against SciPy, scikit-learn, statsmodels and torch.
//!
//! The numbers come from `oracle/calibrate.py`. Tolerances stand next to their reasons.

// clippy.toml allows it in tests, and helpers of an integration test are not recognised as such.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use dear::calibrate::{
    Bound, CalibrateOptions, Calibrated, Guarantee, Map, Method, Sample, Scored, calibrate,
};
use dear::dataset::Label;
use dear::gate::Gate;
use dear::head::adam::{Batch, Sign, run_batches};
use dear::head::temperature::{fit_temperature, targets};
use dear::head::{AdamOptions, Samples};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    non_negative: NonNegative,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    real: usize,
    logits: Vec<i32>,
    fpr: f64,
    miss: f64,
    confidence: Option<f64>,
    temperature: f64,
    platt: [f64; 2],
    isotonic_logits: Vec<f64>,
    isotonic_probabilities: Vec<f64>,
    at: Vec<f64>,
    isotonic_at: Vec<f64>,
    loss_before: f64,
    losses: BTreeMap<String, f64>,
    bounds: [PeerBound; 2],
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct PeerBound {
    beyond: u64,
    logit: f64,
    upper_95: f64,
}

#[derive(Deserialize)]
struct Check {
    subset: String,
    n: u64,
    above: u64,
    p: f64,
}

#[derive(Deserialize)]
struct NonNegative {
    channels: usize,
    features: Vec<u32>,
    labels: Vec<u8>,
    weight: Vec<f64>,
    bias: f64,
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/calibrate.json");
    let fixture: Fixture = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    assert_eq!(fixture.cases.len(), 3);
    fixture
}

impl Case {
    fn logits(&self) -> Vec<f64> {
        self.logits.iter().map(|&stored| f64::from(stored) / 256.0).collect()
    }

    fn sample(&self) -> Sample {
        let image = |(i, logit): (usize, f64)| {
            let label = if i < self.real { Label::Real } else { Label::Generated };
            let name = format!("{}-{i}", self.name);
            let subset = match label {
                Label::Generated => "generator",
                Label::Real if i.is_multiple_of(3) => "camera",
                Label::Real => "phone",
            };
            Scored {
                path: name.clone(),
                sha256: name.clone(),
                label,
                subset: subset.to_owned(),
                unit: name,
                logits: vec![logit],
            }
        };
        Sample {
            images: self.logits().into_iter().enumerate().map(image).collect(),
            conditions: vec!["clean".to_owned()],
            data: "made".to_owned(),
            refused: 0,
            by_scene: false,
            seed: 0,
            engine: "none".to_owned(),
        }
    }

    fn calibrated(&self, method: Method) -> Calibrated {
        let options = CalibrateOptions {
            fpr: self.fpr,
            miss: self.miss,
            guarantee: self.confidence.map_or(Guarantee::Average, Guarantee::Confidence),
            method,
        };
        calibrate(&self.sample(), &options).unwrap()
    }
}

#[track_caller]
fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        let allowed = tolerance * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= allowed,
            "{what}[{k}]: {found}, expected {expected} +- {allowed:e}"
        );
    }
}

#[test]
fn maps_are_those_of_scipy_and_scikit_learn() {
    for case in fixture().cases {
        let name = &case.name;
        // Both sides solve for a gradient of zero; its rounding over the curvature is what is left.
        let Map::Temperature { temperature } = case.calibrated(Method::Temperature).calibration.map else {
            panic!("{name}")
        };
        assert_close(name, &[temperature], &[case.temperature], 1e-12);
        let Map::Platt { slope, offset } = case.calibrated(Method::Platt).calibration.map else {
            panic!("{name}")
        };
        assert_close(name, &[slope, offset], &case.platt, 1e-12);
        let map = case.calibrated(Method::Isotonic).calibration.map;
        let at: Vec<f64> = case.at.iter().map(|logit| map.probability(*logit)).collect();
        assert_close(name, &at, &case.isotonic_at, 1e-12);
        let Map::Isotonic { logits, probabilities } = map else { panic!("{name}") };
        assert_eq!(logits, case.isotonic_logits, "{name}: the corners are logits of the sample");
        assert_close(name, &probabilities, &case.isotonic_probabilities, 1e-12);
    }
}

#[test]
fn the_temperature_of_a_baseline_is_that_of_scipy() {
    let case = &fixture().cases[1];
    let labels: Vec<u8> = (0..case.logits.len()).map(|i| u8::from(i >= case.real)).collect();
    let found =
        fit_temperature(&case.logits(), &labels, targets(case.real, labels.len() - case.real)).unwrap();
    assert_close("temperature", &[found], &[case.temperature], 1e-12);
}

#[test]
fn cross_validated_losses_choose_the_map() {
    for case in fixture().cases {
        let found = case.calibrated(Method::Auto).calibration;
        let losses: Vec<f64> = found.losses.iter().map(|row| row.loss.unwrap()).collect();
        let expected: Vec<f64> = found.losses.iter().map(|row| case.losses[row.method.name()]).collect();
        assert_close(&case.name, &losses, &expected, 1e-12);
        assert_close(&case.name, &[found.loss_before], &[case.loss_before], 1e-12);
        let best = case.losses.iter().min_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        assert_eq!(found.map.name(), best.0, "{}", case.name);
    }
}

#[test]
fn bounds_and_checks_are_those_of_scipy_and_statsmodels() {
    for case in fixture().cases {
        let found = case.calibrated(Method::Auto).calibration;
        let bounds: [Bound; 2] = [found.false_alarms, found.misses].map(Option::unwrap);
        for (found, expected) in bounds.iter().zip(&case.bounds) {
            assert_eq!((found.beyond, found.logit), (expected.beyond, expected.logit), "{}", case.name);
            assert_close(&case.name, &[found.upper_95], &[expected.upper_95], 1e-12);
        }
        for expected in &case.checks {
            let check = found.subsets.iter().find(|check| check.subset == expected.subset).unwrap();
            assert_eq!(
                (check.n, check.above),
                (expected.n, expected.above),
                "{} {}",
                case.name,
                check.subset
            );
            assert_close(&case.name, &[check.p.unwrap()], &[expected.p], 1e-12);
        }
    }
}

#[test]
fn a_non_negative_head_follows_torch_for_300_steps() {
    let fixture = fixture().non_negative;
    let features: Vec<f32> = fixture.features.iter().map(|&stored| stored as f32 / 256.0).collect();
    let samples = Samples { features: &features, channels: fixture.channels, labels: &fixture.labels };
    let rows = fixture.labels.len() as u32;
    let batches: Vec<Batch> = (0..300)
        .map(|step| Batch {
            main: (0..64).map(|k| (step * 37 + k * 101) % rows).collect(),
            probes: Vec::new(),
        })
        .collect();
    let options = AdamOptions { lr: 1e-2, sign: Sign::NonNegative, ..AdamOptions::default() };
    let head = run_batches(samples, None, &Gate::none(fixture.channels), &batches, &options).unwrap();
    // torch sums in f32 and we in f64; 300 steps of at most lr carry that difference.
    let weight: Vec<f64> = head.weight.iter().map(|&weight| f64::from(weight)).collect();
    assert_close("weight", &weight, &fixture.weight, 1e-5);
    assert_close("bias", &[f64::from(head.bias)], &[fixture.bias], 1e-5);
    let zeros = |weight: &[f64]| weight.iter().filter(|weight| **weight == 0.0).count();
    assert_eq!(zeros(&weight), zeros(&fixture.weight), "the same weights are clamped");
}
