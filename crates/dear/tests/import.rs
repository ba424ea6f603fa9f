//! From a checkpoint file to a detector file: what is taken, what is refused, and with which remedy. On Tiny-LaDeDa, whose
//! tensors are few.

mod oracle;

use std::path::Path;

use dear::architecture::ladeda::Residual;
use dear::architecture::{HeadChoice, NetworkOptions};
use dear::detector::Detector;
use dear::engine::EngineOptions;
use dear::error::Error;
use dear::import::{ImportOptions, Imported, import};
use oracle::picture;
use oracle::seeded::{Seeded, safetensors};
use serde_json::Value;

/// The tensors of Tiny-LaDeDa, as the oracle lists them.
fn tensors() -> Vec<Seeded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures/cnn.json");
    let fixture: Value = serde_json::from_slice(&fs_err::read(path).expect("fixture")).expect("JSON");
    let networks = fixture["networks"].as_array().expect("networks");
    let tiny = networks.iter().find(|network| network["name"] == "tiny-ladeda-raw").expect("tiny");
    serde_json::from_value(tiny["weights"].clone()).expect("weights")
}

fn options(head: HeadChoice) -> ImportOptions {
    let network = NetworkOptions { head, residual: Some(Residual::Raw), ..NetworkOptions::default() };
    ImportOptions { network, ..ImportOptions::default() }
}

/// Imports a checkpoint of these tensors, called `c.pth`.
fn imported(tensors: &[Seeded], options: &ImportOptions) -> Result<Imported, Error> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("c.pth");
    fs_err::write(&path, safetensors(tensors)).expect("written");
    import(&path, options)
}

fn score(imported: Imported) -> f64 {
    let detector = Detector::from_bytes(imported.file, &EngineOptions::builtin()).expect("a detector");
    detector.score(&picture(96, 96, 1)).expect("a score")
}

fn renamed(change: impl Fn(&str) -> String) -> Vec<Seeded> {
    // The numbers follow from the old names, so a renamed tensor keeps them only if it keeps its range of zero length.
    tensors()
        .into_iter()
        .map(|Seeded(name, shape, _, high)| Seeded(change(&name), shape, high, high))
        .collect()
}

fn with_head(outputs: usize) -> Vec<Seeded> {
    let mut tensors = tensors();
    for Seeded(name, shape, ..) in &mut tensors {
        if name.starts_with("fc.") {
            shape[0] = outputs;
        }
    }
    tensors
}

#[test]
fn what_does_not_fit_is_named_with_the_likely_fix() {
    let without = |gone: &str| tensors().into_iter().filter(|tensor| tensor.0 != gone).collect::<Vec<_>>();
    let with = |name: &str| {
        let mut tensors = tensors();
        tensors.push(Seeded(name.to_owned(), vec![3], 0.0, 1.0));
        tensors
    };
    let mut broken = tensors();
    broken[0].3 = f64::INFINITY;
    let corvi = ImportOptions { architecture: Some("corvi".to_owned()), ..ImportOptions::default() };
    let head = HeadChoice::Checkpoint;
    let unknown = ImportOptions { architecture: Some("corvii".to_owned()), ..options(head) };
    let cases: [(Vec<Seeded>, ImportOptions, &str, &str); 8] = [
        (without("fc.bias"), options(head), "1 tensor is missing: fc.bias", "--head replace"),
        (
            with("ema.decay"),
            options(head),
            "1 tensor is unexpected: ema.decay",
            "belong to no part of the network",
        ),
        (
            with_head(1000),
            options(head),
            "tensor \"fc.weight\" is [1000, 8], expected [1, 8]",
            "--head replace",
        ),
        (
            with_head(2),
            options(head),
            "tensor \"fc.weight\" is [2, 8], expected [1, 8]",
            "--head second-minus-first",
        ),
        (broken, options(head), "expected a finite f32", "damaged"),
        (tensors(), corvi, "tensors are missing: ", "--arch tiny-ladeda"),
        (
            tensors(),
            unknown,
            "no architecture \"corvii\", expected one of: corvi, rajan, dear",
            "docs/import.md",
        ),
        (
            renamed(|name| format!("{name}s")),
            options(head),
            "are those of no architecture that dear knows",
            "--arch",
        ),
    ];
    for (tensors, options, message, hint) in cases {
        let error = imported(&tensors, &options).expect_err(message);
        let text = error.to_string();
        assert!(text.contains(message) && !text.contains('\n'), "{text}, expected {message}");
        let found = error.hint().unwrap_or_default();
        assert!(found.contains(hint), "{text}: hint {found:?}, expected {hint:?}");
    }
}

#[test]
fn variances_below_zero_are_named_and_a_missing_first_tensor_is_one_missing_tensor() {
    let mut negative = tensors();
    let variance = negative.iter_mut().find(|tensor| tensor.0 == "bn1.running_var").expect("a variance");
    (variance.2, variance.3) = (-1.0, -0.5);
    let error = imported(&negative, &options(HeadChoice::Checkpoint)).expect_err("negative");
    let text = error.to_string();
    assert!(text.contains("c.pth: tensor \"bn1.running_var\" is -0."), "{text}");

    // Another tensor ends in the same words; what stands before it is no prefix.
    let headless: Vec<Seeded> = tensors().into_iter().filter(|tensor| tensor.0 != "conv1.weight").collect();
    let named =
        ImportOptions { architecture: Some("tiny-ladeda".to_owned()), ..options(HeadChoice::Checkpoint) };
    let text = imported(&headless, &named).expect_err("missing").to_string();
    assert!(text.ends_with("c.pth: 1 tensor is missing: conv1.weight"), "{text}");
}

#[test]
fn prefixes_are_found_and_counters_are_no_weights() {
    let plain = score(imported(&renamed(str::to_owned), &options(HeadChoice::Checkpoint)).expect("plain"));
    for prefix in ["module.", "module.model."] {
        let tensors = renamed(|name| format!("{prefix}{name}"));
        assert_eq!(score(imported(&tensors, &options(HeadChoice::Checkpoint)).expect(prefix)), plain);
    }
    let mut counted = renamed(str::to_owned);
    counted.push(Seeded("bn1.num_batches_tracked".to_owned(), vec![], 7.0, 7.0));
    assert_eq!(score(imported(&counted, &options(HeadChoice::Checkpoint)).expect("counter")), plain);
}

#[test]
fn a_head_of_two_classes_becomes_their_difference() {
    let two = with_head(2);
    let forward = score(imported(&two, &options(HeadChoice::SecondMinusFirst)).expect("second"));
    let backward = score(imported(&two, &options(HeadChoice::FirstMinusSecond)).expect("first"));
    assert!(forward.abs() > 0.01 && (forward + backward).abs() < 1e-5, "{forward} and {backward}");
    let replaced = imported(&two, &options(HeadChoice::Replace)).expect("replaced");
    assert_eq!(score(replaced), 0.0);
}

#[test]
fn the_residual_is_asked_for_where_it_is_missing_and_refused_where_it_has_no_use() {
    let error = imported(&tensors(), &ImportOptions::default()).expect_err("not said");
    assert!(error.to_string().contains("the residual is not said") && error.hint().is_some(), "{error}");
    let wrong = ImportOptions { architecture: Some("npr".to_owned()), ..options(HeadChoice::Checkpoint) };
    let error = imported(&tensors(), &wrong).expect_err("no use");
    assert_eq!(error.to_string(), "npr takes no residual, found raw");
}

#[test]
fn the_file_says_where_it_comes_from() {
    let named = ImportOptions { licence: Some("MIT".to_owned()), ..options(HeadChoice::Checkpoint) };
    let imported = imported(&tensors(), &named).expect("imported");
    let detector = Detector::from_bytes(imported.file, &EngineOptions::builtin()).expect("a detector");
    let metadata = detector.metadata();
    assert_eq!((metadata.name.as_str(), metadata.licence.as_str()), ("tiny-ladeda-c", "MIT"));
    assert_eq!(metadata.source.checkpoint.as_deref(), Some("c.pth"));
    assert_eq!(metadata.source.sha256.as_deref(), Some(oracle::sha256(&safetensors(&tensors())).as_str()));
    assert_eq!(metadata.preprocessing.extra["residual"], "raw");
    assert_eq!(metadata.view.to_string(), "resize(width=256, height=256, kernel=bilinear)");
}
