//! Dissect, prune and refine on files, as `harden` runs them, against the method in PyTorch (`oracle/harden.py`): same images,
//! same draws, and another implementation of everything after them.

// clippy.toml allows it in tests, and helpers of an integration test are not recognised as such.
#![allow(clippy::unwrap_used)]

mod oracle;

use std::path::{Path, PathBuf};

use dear::dataset::Label;
use dear::detector::Detector;
use dear::dissect::dissect;
use dear::gate::{Gate, GateOptions};
use dear::head::adam::{Batch, run_batches};
use dear::head::{AdamOptions, Head, L2Options, Probes, Samples, Training, l2};
use dear::observe::Silent;
use dear::probe::{self, ProbePair};
use dear::rad::RadOptions;
use dear::recipe::Recipe;
use dear::store::{Row, Store};
use dear::training_set::{Split, TrainingImages, main_views, split_images};
use dear::views::{Source, ViewOptions, shown};
use dear_image::{AugmentRole, Image};
use oracle::{engines, sha256};
use serde::Deserialize;

/// Names the file of the seeded ResNet-50; `oracle/harden_resnet50` makes it and runs its test.
const RESNET50: &str = "DEAR_ORACLE_RESNET50";

#[derive(Deserialize)]
struct Views {
    seed: u64,
    views: u32,
    main: Vec<String>,
    probe: Vec<String>,
    val: Vec<String>,
    probe_masks: Vec<String>,
    probe_labels: Vec<u8>,
}

#[derive(Deserialize)]
struct Answers {
    counts: Counts,
    prune: f64,
    rad_batch: usize,
    rad_mean: Vec<f64>,
    rad_reference: Vec<f64>,
    keep: String,
    l2: Vec<L2>,
    adam: Adam,
}

#[derive(Deserialize)]
struct Counts {
    given: u64,
    survived: u64,
    sound: u64,
}

#[derive(Deserialize)]
struct L2 {
    strength: f64,
    logits: Vec<f64>,
}

#[derive(Deserialize)]
struct Adam {
    lr: f64,
    batches: Vec<(Vec<u32>, Vec<u32>)>,
    logits: Vec<f64>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/harden")
}

fn read<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    serde_json::from_str(&fs_err::read_to_string(folder().join(name)).unwrap()).unwrap()
}

/// The images as `harden` lists them, and the options under which the oracle's draws were made.
fn images(views: &Views) -> (Split, Vec<ProbePair>, Recipe) {
    let data = folder().join("data");
    let (real, fake) = (data.join("train/real"), data.join("train/fake"));
    let images = TrainingImages { real, fake, val: Some(data.clone()) };
    let recipe = Recipe { seed: views.seed, views: views.views, ..Recipe::default() };
    let split = split_images(&images, &recipe).unwrap();
    let pairs = probe::list(&data.join("probes"), None, None).unwrap();
    assert_eq!((split.train.len(), split.val.len(), pairs.len()), (12, 6, 6));
    (split, pairs, recipe)
}

#[test]
fn views_have_the_pixels_of_torchvision_albumentations_scipy_and_pillow() {
    let expected: Views = read("views.json");
    let (split, pairs, recipe) = images(&expected);
    let probes: Vec<Source> = pairs
        .iter()
        .map(|pair| Source {
            path: pair.image.clone(),
            key: pair.stem.clone(),
            label: Label::Generated,
            subset: String::new(),
            mask: Some(pair.mask.clone()),
        })
        .collect();
    let options = ViewOptions::of(&recipe, "");
    // To the byte: all steps are integers, or rounded from the same sums in the same order. The noise is computed from one
    // stream on both sides; its logarithm may differ in the last bit, which truncation to 8 bits hides.
    let mut compared = 0;
    for (sources, role, hashes) in [
        (&split.train, AugmentRole::Main, &expected.main),
        (&split.val, AugmentRole::Main, &expected.val),
        (&probes, AugmentRole::Probe, &expected.probe),
    ] {
        let (shown, refused) = shown(sources, role, &options);
        assert!(refused.is_empty(), "{refused:?}");
        // Only what a contact sheet shows of the images is held.
        let side = |image: &Image| image.width().max(image.height());
        assert!(shown.iter().all(|one| side(&one.image.0) == 192), "an image is not reduced");
        let views: Vec<_> =
            shown.iter().flat_map(|image| image.views.iter().map(move |view| (image, view))).collect();
        assert_eq!(views.len(), hashes.len());
        for (number, ((image, (view, mask, plan)), hash)) in views.into_iter().zip(hashes).enumerate() {
            assert_eq!(&sha256(view.data()), hash, "view {number} of {}: {plan}", image.key);
            if let Some(mask) = mask {
                assert_eq!(
                    sha256(mask.data()),
                    expected.probe_masks[number],
                    "mask {number} of {}",
                    image.key
                );
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 4 * (12 + 6 + 6));
}

#[test]
fn mini_is_hardened_as_in_pytorch() {
    for options in engines() {
        follow(&Detector::mini(&options).unwrap(), "mini.json");
    }
}

#[test]
#[ignore = "needs a file of 94 MB: oracle/harden_resnet50 makes it and runs this"]
fn resnet50_is_hardened_as_in_pytorch() {
    let file = std::env::var_os(RESNET50).unwrap_or_else(|| panic!("{RESNET50} names no file"));
    for options in engines() {
        follow(&Detector::open(&file, &options).unwrap(), "resnet50.json");
    }
}

/// The whole path on one detector.
fn follow(detector: &Detector, name: &str) {
    let answers: Answers = read(name);
    let views: Views = read("views.json");
    let (split, pairs, mut recipe) = images(&views);
    let engine = &detector.info().name;
    let work = tempfile::tempdir().unwrap();
    let store = Store::new(work.path());
    let main = main_views(detector, &store, &split.train, &recipe, "", &Silent).unwrap();
    let val = main_views(detector, &store, &split.val, &recipe, "", &Silent).unwrap();
    // The bound of the method: 1e-4 of the largest score. Both sides compute features in f32, and engines sum them in
    // different orders over tens of layers; the rest is f64 here and f32 there.
    recipe.rad.batch = answers.rad_batch;
    recipe.gate = GateOptions::fractions(answers.prune, answers.prune);
    let dissected =
        |recipe: &Recipe| dissect(detector, &store, (&pairs, None), None, recipe, &Silent).unwrap();
    let found = dissected(&recipe);
    let (rad, probes) = (&found.rad, &found.probes);
    assert_eq!((probes.len(), main.len(), val.len()), (24, 48, 24));
    let found_labels: Vec<u8> = probes.iter().map(|row| row.label.as_u8()).collect();
    assert_eq!(found_labels, views.probe_labels);
    let error = assert_scores(&format!("{name}, {engine}, mean"), &rad.scores, &answers.rad_mean);
    let counts = (rad.counts.given, rad.counts.given - rad.counts.absent, rad.probes);
    assert_eq!(counts, (answers.counts.given, answers.counts.survived, answers.counts.sound));
    assert_eq!(
        (rad.counts.no_inside, rad.counts.no_background),
        (1, 1),
        "each kind of probe without a region"
    );
    let options = RadOptions { batch: answers.rad_batch, ..RadOptions::reference() };
    let reference = dissected(&Recipe { rad: options, ..recipe.clone() }).rad;
    assert_scores(&format!("{name}, {engine}, batches"), &reference.scores, &answers.rad_reference);
    assert_ne!(answers.rad_mean, answers.rad_reference);

    let gate = found.gate(&recipe).unwrap();
    let keep: Vec<bool> = answers.keep.bytes().map(|byte| byte == b'1').collect();
    assert_gate(&gate, &keep, &answers.rad_mean, error);

    // Heads are trained with the oracle's gate, so that a channel at the cut is not compared twice.
    let gate = Gate { keep, ..gate };
    let channels = detector.channels();
    let sets = [&main, probes, &val].map(|rows| matrix(rows));
    let [main, _, val] = [0, 1, 2].map(|k| {
        let (features, labels) = &sets[k];
        Samples { features, channels, labels }
    });
    let shares: Vec<f32> = probes.iter().map(|row| row.mask_share.unwrap_or(0.0)).collect();
    let probes = Probes { features: &sets[1].0, channels, shares: &shares };
    let training = Training { probes: Some(probes), ..Training::new(main, val, &gate) };
    assert_eq!(answers.l2.len(), 2);
    for L2 { strength, logits } in &answers.l2 {
        let options = L2Options { grid: vec![*strength], ..L2Options::default() };
        let (head, _) = l2::fit(&training, &options).unwrap();
        assert_logits(&format!("{name}, {engine}, l2 {strength}"), &head, val, logits);
    }
    let batches: Vec<Batch> = answers
        .adam
        .batches
        .iter()
        .map(|(main, probes)| Batch { main: main.clone(), probes: probes.clone() })
        .collect();
    assert_eq!(batches.len(), 60);
    let options = AdamOptions { lr: answers.adam.lr, ..AdamOptions::default() };
    let head = run_batches(main, Some(probes), &gate, &batches, &options).unwrap();
    assert_logits(&format!("{name}, {engine}, adam"), &head, val, &answers.adam.logits);
}

/// Rank correlation at least 0.999, differences at most 1e-4 of the largest score; the largest difference is returned.
fn assert_scores(what: &str, found: &[f64], expected: &[f64]) -> f64 {
    let widest = expected.iter().fold(0.0_f64, |widest, score| widest.max(score.abs()));
    assert_eq!(found.len(), expected.len());
    let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let correlation = rank_correlation(found, expected);
    println!(
        "{what}: largest difference {:.1e} of the largest score, rank correlation {correlation}",
        error / widest
    );
    assert!(error <= 1e-4 * widest, "{what}: {error:e}, expected at most 1e-4 of {widest}");
    assert!(correlation >= 0.999, "{what}: rank correlation {correlation}");
    error
}

/// Spearman's, for scores without ties.
fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |scores: &[f64]| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&i, &j| scores[i].total_cmp(&scores[j]));
        let mut ranks = vec![0.0; scores.len()];
        order.iter().enumerate().for_each(|(rank, &k)| ranks[k] = rank as f64);
        ranks
    };
    let squares: f64 = ranks(a).iter().zip(ranks(b)).map(|(a, b)| (a - b).powi(2)).sum();
    let n = a.len() as f64;
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

/// Gates may differ only in channels that two errors of the score bring across a cut.
fn assert_gate(found: &Gate, keep: &[bool], scores: &[f64], error: f64) {
    let n = found.n_top;
    assert_eq!(
        (found.n_top, found.n_bottom, found.channels()),
        (scores.len() / 5, scores.len() / 5, keep.len())
    );
    assert_eq!(keep.iter().filter(|kept| !**kept).count(), 2 * n);
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cuts = [sorted[n - 1], sorted[n], sorted[sorted.len() - n - 1], sorted[sorted.len() - n]];
    for channel in (0..keep.len()).filter(|&k| keep[k] != found.keep[k]) {
        let distance = cuts.iter().map(|cut| (scores[channel] - cut).abs()).fold(f64::INFINITY, f64::min);
        assert!(distance <= 2.0 * error, "channel {channel} is {distance:e} from a cut, error {error:e}");
    }
}

/// Logits on the validation views within 1e-3: what the errors of f32 features become through a head.
fn assert_logits(what: &str, head: &Head, val: Samples, expected: &[f64]) {
    let found = head.logits(val);
    assert_eq!((found.len(), expected.len()), (24, 24));
    let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{what}: largest difference of a logit {error:.1e}");
    assert!(error <= 1e-3, "{what}: {error:e}");
    assert!(expected.iter().any(|logit| logit.abs() > 0.5), "a head that says nothing is equal to any other");
}

fn matrix(rows: &[Row]) -> (Vec<f32>, Vec<u8>) {
    assert!(rows.iter().all(|row| row.error.is_none()));
    (
        rows.iter().flat_map(|row| row.pooled.clone()).collect(),
        rows.iter().map(|row| row.label.as_u8()).collect(),
    )
}
