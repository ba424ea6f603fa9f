//! Gates by percentile, fragility and the scores by mask size against NumPy, PyTorch and SciPy (`oracle/dissect.py`).

// clippy.toml allows it in tests, and helpers of an integration test are not recognised as such.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use dear::fragility::{CleanAndPerturbed, fragility};
use dear::gate::{Cut, prune};
use dear::rad::{ProbeView, RadOptions, RegionMoments, reliability};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    percentiles: Vec<PercentileCase>,
    fragility: FragilityCase,
    mask_size: MaskSizeCase,
}

#[derive(Deserialize)]
struct PercentileCase {
    name: String,
    scores: Vec<f64>,
    low: f64,
    high: f64,
    keep: String,
}

#[derive(Deserialize)]
struct FragilityCase {
    clean: Vec<Vec<u32>>,
    moved: Vec<Vec<u32>>,
    raw: Vec<f64>,
    normalised: Vec<f64>,
}

#[derive(Deserialize)]
struct MaskSizeCase {
    inside: Vec<Vec<u32>>,
    outside: Vec<Vec<u32>>,
    shares: Vec<f32>,
    views: usize,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    from: f32,
    to: f32,
    views: u64,
    scores: Vec<f64>,
    rank_correlation: f64,
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dissect.json");
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

fn floats(stored: &[u32]) -> Vec<f32> {
    stored.iter().map(|&value| value as f32 / 256.0).collect()
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (k, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{k}: {a}, expected {b}");
    }
}

#[test]
fn gates_by_percentile_keep_the_same_channels() {
    let cases = fixture().percentiles;
    assert_eq!(cases.len(), 50);
    let mut nothing_left = 0;
    for case in cases {
        let found = prune(&case.scores, Cut::Percentiles { low: case.low, high: case.high });
        if !case.keep.contains('1') {
            assert_eq!(found.unwrap_err().kind(), "nothing_left", "{} {} {}", case.name, case.low, case.high);
            nothing_left += 1;
            continue;
        }
        let gate = found.unwrap();
        let keep: String = gate.keep.iter().map(|&keep| if keep { '1' } else { '0' }).collect();
        assert_eq!(keep, case.keep, "{} {} {}", case.name, case.low, case.high);
    }
    assert!(nothing_left > 0, "between the middle two of an even number of scores there is none");
}

#[test]
fn fragility_is_the_mean_squared_error_of_every_channel() {
    let case = fixture().fragility;
    let rows: Vec<(Vec<f32>, Vec<f32>)> =
        case.clean.iter().zip(&case.moved).map(|(a, b)| (floats(a), floats(b))).collect();
    let pairs: Vec<CleanAndPerturbed> = rows.iter().map(|(a, b)| (a.as_slice(), b.as_slice())).collect();
    let found = fragility("moved", &pairs, 0).unwrap();
    // Both sides sum nine products of exact f32 values in f64.
    assert_close(&found.raw, &case.raw, 1e-14);
    assert_close(&found.normalised, &case.normalised, 1e-14);
    assert_eq!((found.raw.len(), found.normalised[3]), (11, 0.0));
}

#[test]
fn scores_by_mask_size_and_their_rank_correlation() {
    let case = fixture().mask_size;
    let moments: Vec<RegionMoments> = case
        .inside
        .iter()
        .zip(&case.outside)
        .map(|(inside, outside)| RegionMoments {
            mu_in: floats(inside),
            mu_bg: floats(outside),
            w_in: 2.0,
            w_bg: 5.0,
            ..RegionMoments::absent(inside.len())
        })
        .collect();
    let names: Vec<String> = (0..moments.len()).map(|view| format!("p{}", view / case.views)).collect();
    let views: Vec<ProbeView> = (0..moments.len())
        .map(|i| ProbeView { moments: &moments[i], photograph: &names[i], mask_share: case.shares[i] })
        .collect();
    let found = reliability(&views, None, &RadOptions::default(), 0).unwrap();
    assert_eq!((found.photographs, found.by_mask_size.len(), case.groups.len()), (10, 4, 4));
    for (found, expected) in found.by_mask_size.iter().zip(&case.groups) {
        assert_eq!((found.from, found.to, found.views), (expected.from, expected.to, expected.views));
        assert_close(&found.scores, &expected.scores, 1e-13);
        // Ranks of seven channels are exact in f32.
        assert!((found.rank_correlation.unwrap() - expected.rank_correlation).abs() < 1e-12);
    }
}
