//! RAD, gate, head, metrics and bootstrap against torch, numpy, scikit-learn, scipy and statsmodels.
//!
//! The numbers come from `oracle/numerics.py`. Tolerances stand next to their reasons.

// clippy.toml allows it in tests, and helpers of an integration test are not recognised as such.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use dear::bootstrap::{Bootstrap, BootstrapOptions, bootstrap, paired_difference};
use dear::gate::{Cut, Gate, prune};
use dear::head::adam::{Batch, run_batches};
use dear::head::{AdamOptions, Head, L2Options, Probes, Samples, Training, l2};
use dear::metrics::{METRICS, Ranking, Tie, ece_by_chance, ece_plug_in, measure_all, wilson};
use dear::rad::{Degenerate, RadOptions, RadOrder, RegionMoments, Regions, rad, region_moments, resize_mask};
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/numerics_{name}.json"));
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

/// Features are stored as multiples of 1/256, which f32 holds exactly.
fn features(stored: &[u32]) -> Vec<f32> {
    stored.iter().map(|&value| value as f32 / 256.0).collect()
}

fn widest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |widest, value| value.abs().max(widest))
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

#[derive(Deserialize)]
struct RadFixture {
    channels: usize,
    crop: usize,
    size: usize,
    batch: usize,
    max_batches: usize,
    rectangles: Vec<[usize; 4]>,
    features: Vec<u32>,
    null_features: Vec<u32>,
    small_masks: Vec<f32>,
    keep_all: Vec<f64>,
    drop: Vec<f64>,
    reference_batches: Vec<f64>,
    standardised: Vec<f64>,
    std_error: Vec<f64>,
    minus_null: Vec<f64>,
    minus_null_std_error: Vec<f64>,
    standardised_minus_null: Vec<f64>,
    soft_mask: Vec<f32>,
    soft_from: (usize, usize),
    resized: Vec<Resized>,
}

#[derive(Deserialize)]
struct Resized {
    to: (usize, usize),
    mask: Vec<f32>,
}

impl RadFixture {
    fn small_masks(&self) -> Vec<Vec<f32>> {
        let small = |&[top, left, height, width]: &[usize; 4]| {
            let mut mask = vec![0.0; self.crop * self.crop];
            for row in top..top + height {
                mask[row * self.crop + left..][..width].fill(1.0);
            }
            resize_mask(&mask, (self.crop, self.crop), (self.size, self.size))
        };
        self.rectangles.iter().map(small).collect()
    }

    fn probes(&self, stored: &[u32]) -> Vec<RegionMoments> {
        let stored = features(stored);
        let probe = |(features, (mask, rectangle)): (&[f32], (&Vec<f32>, &[usize; 4]))| {
            if rectangle[2] == 0 {
                return RegionMoments::absent(self.channels);
            }
            region_moments(features, self.channels, mask)
        };
        let masks = self.small_masks();
        let size = self.channels * self.size * self.size;
        stored.chunks_exact(size).zip(masks.iter().zip(&self.rectangles)).map(probe).collect()
    }
}

#[test]
fn masks_resize_as_in_torch() {
    let fixture: RadFixture = fixture("rad");
    // Positions are exact here; weights and values are f32 in [0, 1].
    assert_close("rectangles", &wide(&fixture.small_masks().concat()), &wide(&fixture.small_masks), 1.2e-7);
    assert_eq!(fixture.resized.len(), 5);
    for Resized { to, mask } in &fixture.resized {
        let found = resize_mask(&fixture.soft_mask, fixture.soft_from, *to);
        // A position up to 16 is rounded by 9.5e-7 in f32 (torch may fuse the multiplication), and moves the
        // weights.
        assert_close(&format!("{to:?}"), &wide(&found), &wide(mask), 1e-6);
    }
}

#[test]
fn rad_equals_the_formula_in_torch() {
    let fixture: RadFixture = fixture("rad");
    let probes = fixture.probes(&fixture.features);
    let null = fixture.probes(&fixture.null_features);
    let keep = RadOptions { degenerate: Degenerate::Keep, ..RadOptions::default() };
    let reference =
        RadOptions { batch: fixture.batch, max_batches: fixture.max_batches, ..RadOptions::reference() };
    let standardise = RadOptions { standardise: true, ..RadOptions::default() };
    let subtract = RadOptions { subtract_null: true, ..RadOptions::default() };
    let both = RadOptions { subtract_null: true, ..standardise };
    let cases = [
        ("drop", RadOptions::default(), &fixture.drop, Some(&fixture.std_error)),
        ("keep", keep, &fixture.keep_all, None),
        ("reference batches", reference, &fixture.reference_batches, None),
        ("standardised", standardise, &fixture.standardised, None),
        ("minus null", subtract, &fixture.minus_null, Some(&fixture.minus_null_std_error)),
        ("standardised minus null", both, &fixture.standardised_minus_null, None),
    ];
    for (what, options, expected, std_error) in cases {
        let found = rad(&probes, Some(&null), &options).unwrap();
        // The bound that field.md sets for RAD; f32 sums of 36 products are far within it.
        assert_close(what, &found.scores, expected, 1e-5 * widest(expected));
        if let Some(expected) = std_error {
            assert_close(what, &found.std_error.unwrap(), expected, 1e-5 * widest(expected));
        }
    }
    let dropped = rad(&probes, None, &RadOptions::default()).unwrap();
    let counts = (dropped.counts.absent, dropped.counts.no_inside, dropped.counts.no_background);
    assert_eq!((dropped.probes, counts), (12, (1, 1, 1)));
    assert!(probes[6].regions() == Regions::NoInside && probes[7].regions() == Regions::NoBackground);
    // The options make a difference here: a mix-up could not pass.
    let expected = [&fixture.drop, &fixture.keep_all, &fixture.reference_batches, &fixture.minus_null];
    for (k, a) in expected.iter().enumerate() {
        for b in &expected[..k] {
            let differences: Vec<f64> = a.iter().zip(*b).map(|(a, b)| a - b).collect();
            assert!(widest(&differences) > 1e-2 * widest(a));
        }
    }
    assert_eq!(rad(&probes, None, &reference).unwrap().options.order, RadOrder::ReferenceBatches);
}

#[derive(Deserialize)]
struct GateFixture {
    scores: BTreeMap<String, Vec<f64>>,
    cases: Vec<GateCase>,
    floors: Vec<(usize, f64, usize)>,
}

#[derive(Deserialize)]
struct GateCase {
    scores: String,
    prune_top: f64,
    prune_bottom: f64,
    n_top: usize,
    n_bottom: usize,
    keep: String,
}

#[test]
fn gates_are_identical_to_a_stable_argsort() {
    let fixture: GateFixture = fixture("gate");
    assert_eq!(fixture.cases.len(), 24);
    for case in &fixture.cases {
        let cut = Cut::Fractions { top: case.prune_top, bottom: case.prune_bottom };
        let keep = case.keep.chars().map(|c| c == '1').collect();
        let expected = Gate { keep, n_top: case.n_top, n_bottom: case.n_bottom };
        assert_eq!(prune(&fixture.scores[&case.scores], cut).unwrap(), expected, "{} {cut:?}", case.scores);
    }
    assert_eq!(fixture.floors.len(), 600);
    for &(channels, fraction, floor) in &fixture.floors {
        let scores: Vec<f64> = (0..channels).map(|k| k as f64).collect();
        let gate = prune(&scores, Cut::Fractions { top: fraction, bottom: 0.0 }).unwrap();
        assert_eq!(gate.n_top, floor, "int({channels} * {fraction})");
    }
}

#[derive(Deserialize)]
struct HeadFixture {
    channels: usize,
    keep: Vec<u8>,
    main: Vec<u32>,
    main_labels: Vec<u8>,
    probes: Vec<u32>,
    probe_labels: Vec<u8>,
    validation: Vec<u32>,
    validation_labels: Vec<u8>,
    constant_columns: u64,
    l2: Vec<L2Case>,
    adam: Vec<AdamCase>,
}

#[derive(Deserialize)]
struct L2Case {
    strength: f64,
    objective: f64,
    weight: Vec<f64>,
    bias: f64,
    validation_nll: f64,
    validation_balanced_accuracy: f64,
}

#[derive(Deserialize)]
struct AdamCase {
    lr: f64,
    weight: Vec<f64>,
    bias: f64,
}

impl HeadFixture {
    fn with_training<T>(&self, run: impl FnOnce(&Training) -> T) -> T {
        let stored = [&self.main, &self.probes, &self.validation].map(|stored| features(stored));
        let [main, probes, validation] = stored.each_ref().map(Vec::as_slice);
        let samples = |features, labels| Samples { features, channels: self.channels, labels };
        let gate = Gate { keep: self.keep.iter().map(|&keep| keep == 1).collect(), n_top: 0, n_bottom: 0 };
        let shares: Vec<f32> = self.probe_labels.iter().map(|&label| f32::from(label)).collect();
        let probes = Probes { features: probes, channels: self.channels, shares: &shares };
        let main = samples(main, &self.main_labels);
        let validation = samples(validation, &self.validation_labels);
        run(&Training { probes: Some(probes), ..Training::new(main, validation, &gate) })
    }
}

#[test]
fn the_l2_head_is_scikit_learns_logistic_regression() {
    let fixture: HeadFixture = fixture("head");
    assert_eq!(fixture.l2.len(), 6);
    fixture.with_training(|training| {
        for case in &fixture.l2 {
            let options = L2Options { grid: vec![case.strength], ..L2Options::default() };
            let (head, report) = l2::fit(training, &options).unwrap();
            let [row] = report.table[..] else { panic!("one strength") };
            let what = format!("strength {}", case.strength);
            // Both solvers stop at a gradient below 1e-8; what is left is rounding of sums in another order.
            assert_close(&what, &[row.objective], &[case.objective], 1e-10);
            assert_eq!(report.constant_channels, fixture.constant_columns);
            // Weights are rounded to f32 (6e-8); the flattest direction has the curvature 1e-4.
            assert_close(&what, &wide(&head.weight), &case.weight, 1e-6 * widest(&case.weight));
            assert_close(&what, &[f64::from(head.bias)], &[case.bias], 1e-6 * (1.0 + case.bias.abs()));
            for (channel, &keep) in fixture.keep.iter().enumerate() {
                assert!(keep == 1 || head.weight[channel].to_bits() == 0, "channel {channel} is pruned");
            }
            assert_close(&what, &[row.validation_nll], &[case.validation_nll], 1e-6);
            assert_eq!(row.validation_balanced_accuracy, case.validation_balanced_accuracy, "{what}");
        }
        let grid: Vec<f64> = fixture.l2.iter().map(|case| case.strength).collect();
        let (_, report) = l2::fit(training, &L2Options { grid, ..L2Options::default() }).unwrap();
        let best = fixture.l2.iter().min_by(|a, b| a.validation_nll.total_cmp(&b.validation_nll)).unwrap();
        assert_eq!(report.strength, best.strength);
    });
}

#[test]
fn adam_follows_torch_for_300_steps() {
    let fixture: HeadFixture = fixture("head");
    assert_eq!(fixture.adam.len(), 2);
    fixture.with_training(|training| {
        let rows = |step: u32, stride: u32, of: usize| -> Vec<u32> {
            (0..64).map(|k| (step * 37 + k * stride) % of as u32).collect()
        };
        let batches: Vec<Batch> = (0..300)
            .map(|step| Batch {
                main: rows(step, 101, 320),
                probes: rows(step, 29, fixture.probe_labels.len()),
            })
            .collect();
        for AdamCase { lr, weight, bias } in &fixture.adam {
            let options = AdamOptions { lr: *lr, ..AdamOptions::default() };
            let Head { weight: found, bias: found_bias } =
                run_batches(training.main, training.probes, training.gate, &batches, &options).unwrap();
            // torch sums in f32 and we in f64; 300 steps of at most lr carry that difference.
            let tolerance = 1e-3 * lr;
            assert_close(&format!("lr {lr}"), &wide(&found), weight, tolerance);
            assert_close(&format!("lr {lr} bias"), &[f64::from(found_bias)], &[*bias], tolerance);
            assert!(widest(weight) > 50.0 * lr, "the head has moved");
        }
    });
}

#[derive(Deserialize)]
struct MetricsFixture {
    cases: Vec<MetricsCase>,
    wilson: Vec<(u64, u64, f64, f64)>,
}

#[derive(Deserialize)]
struct MetricsCase {
    name: String,
    labels: Vec<u8>,
    scores: Vec<f64>,
    times: Vec<usize>,
    expected: BTreeMap<String, f64>,
    ece_plug_in: f64,
    ece_by_chance: f64,
    /// Points (FPR, TPR) after (0, 0), for small cases.
    roc: Option<Vec<[f64; 2]>>,
}

#[test]
fn metrics_equal_scikit_learn_on_every_kind_of_tie() {
    let fixture: MetricsFixture = fixture("metrics");
    let mut curves = 0;
    assert_eq!(fixture.cases.len(), 23);
    for case in &fixture.cases {
        let repeat = |k: usize| std::iter::repeat_n(k, case.times[k]);
        let rows: Vec<usize> = (0..case.times.len()).flat_map(repeat).collect();
        // In another order than the fixture's, which must not matter.
        let labels: Vec<u8> = rows.iter().rev().map(|&row| case.labels[row]).collect();
        let scores: Vec<f64> = rows.iter().rev().map(|&row| case.scores[row]).collect();
        let ranking = Ranking::new(&labels, &scores).unwrap();
        let found = measure_all(&ranking);
        assert_eq!(case.expected.len(), METRICS.len(), "every metric of the table has an oracle");
        for measured in found {
            // Same f64 arithmetic in another order; 300 terms of average precision are the longest sum.
            let what = format!("{}: {}", case.name, measured.metric);
            assert_close(&what, &[measured.value.unwrap()], &[case.expected[&measured.metric]], 1e-12);
        }
        let by_chance = [ece_plug_in(&ranking).unwrap(), ece_by_chance(&ranking).unwrap()];
        assert_close(&case.name, &by_chance, &[case.ece_plug_in, case.ece_by_chance], 1e-12);
        if let Some(roc) = &case.roc {
            let (mut accused, mut found) = (0, 0);
            let point = |tie: &Tie| {
                (accused, found) = (accused + tie.real, found + tie.fake);
                [accused as f64 / ranking.real() as f64, found as f64 / ranking.fake() as f64]
            };
            let points: Vec<[f64; 2]> = ranking.ties().iter().map(point).collect();
            assert_close(&case.name, points.as_flattened(), roc.as_flattened(), 1e-15);
            curves += 1;
        }
    }
    assert_eq!(curves, 21);
    assert_eq!(fixture.wilson.len(), 8);
    for &(successes, n, low, high) in &fixture.wilson {
        let found = wilson(successes, n).unwrap();
        assert_close(&format!("wilson {successes} of {n}"), &[found.0, found.1], &[low, high], 1e-12);
    }
}

#[derive(Deserialize)]
struct BootstrapFixture {
    resamples: u32,
    roc_utils: RocUtils,
    labels: Vec<u8>,
    before: Vec<f64>,
    after: Vec<f64>,
    shared: Vec<f64>,
    groups: Vec<u64>,
    plain: Expected,
    paired: Expected,
    grouped: Expected,
    ungrouped: Expected,
}

#[derive(Deserialize)]
struct RocUtils {
    labels: Vec<u8>,
    scores: Vec<f64>,
    expected: Expected,
}

type Expected = BTreeMap<String, ExpectedInterval>;

#[derive(Deserialize)]
struct ExpectedInterval {
    value: f64,
    low: f64,
    high: f64,
    deviation: f64,
}

/// Both intervals are quantiles of 20,000 random resamples. The standard error of such a quantile at 2.5 % is
/// sqrt(0.025 x 0.975 / 20,000) / density, with 0.0584 / deviation for the density of a normal curve there:
/// 0.019 deviations, so five standard errors of a difference of two are 0.13 deviations. Metrics that count
/// images move in steps, and a quantile can fall on either side of one: 1/60 for the smaller class.
fn assert_intervals(what: &str, found: &Bootstrap, expected: &Expected) {
    assert_eq!(expected.len(), 7);
    for (metric, expected) in expected {
        let interval = found.intervals.iter().find(|interval| interval.metric == *metric).unwrap();
        let step = if ["auc", "ap"].contains(&metric.as_str()) { 0.0 } else { 1.0 / 60.0 };
        let tolerance = 0.13 * expected.deviation + step;
        let what = format!("{what} {metric}");
        assert_close(&what, &[interval.value.unwrap()], &[expected.value], 1e-12);
        assert_close(&what, &[interval.low.unwrap()], &[expected.low], tolerance);
        assert_close(&what, &[interval.high.unwrap()], &[expected.high], tolerance);
        assert!(!interval.degenerate && interval.undefined_resamples == 0);
    }
}

#[test]
fn intervals_agree_with_scipys_percentile_bootstrap() {
    let fixture: BootstrapFixture = fixture("bootstrap");
    let options = BootstrapOptions { resamples: fixture.resamples, ..BootstrapOptions::default() };
    let BootstrapFixture { labels, before, after, shared, groups, .. } = &fixture;
    let plain = bootstrap(labels, after, None, &options).unwrap();
    assert_intervals("plain", &plain, &fixture.plain);
    let paired = paired_difference(labels, before, after, None, &options).unwrap();
    assert_intervals("paired", &paired, &fixture.paired);
    let grouped = bootstrap(labels, shared, Some(groups), &options).unwrap();
    assert_intervals("grouped", &grouped, &fixture.grouped);
    assert_eq!((grouped.units, grouped.grouped), (27, true));
    let ungrouped = bootstrap(labels, shared, None, &options).unwrap();
    assert_intervals("ungrouped", &ungrouped, &fixture.ungrouped);
}

#[test]
fn fourteen_samples_have_a_wide_interval() {
    // roc-utils issue 3 reported [0.894, 0.897]; a stratified percentile bootstrap gives about [0.69, 1.00].
    let fixture: BootstrapFixture = fixture("bootstrap");
    let RocUtils { labels, scores, expected } = &fixture.roc_utils;
    let options = BootstrapOptions { resamples: fixture.resamples, ..BootstrapOptions::default() };
    let found = bootstrap(labels, scores, None, &options).unwrap();
    let auc = &found.intervals[0];
    assert!((auc.value.unwrap() - 43.0 / 48.0).abs() < 1e-12);
    // One step of this AUC is 1/48.
    assert_close("auc", &[auc.low.unwrap(), auc.high.unwrap()], &[0.69, 1.0], 1.0 / 48.0);
    assert_close(
        "auc",
        &[auc.low.unwrap(), auc.high.unwrap()],
        &[expected["auc"].low, expected["auc"].high],
        1.0 / 48.0,
    );
}
