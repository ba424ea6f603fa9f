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

/// The tensors behind this prefix.
fn named(prefix: &str) -> Vec<Seeded> {
    renamed(|name| format!("{prefix}{name}"))
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
    let tiny = ImportOptions { architecture: Some("tiny-ladeda".to_owned()), ..options(head) };
    let dinov2 = ImportOptions { architecture: Some("dinov2".to_owned()), ..ImportOptions::default() };
    // Half as wide, in all layers.
    let mut narrow = tensors();
    narrow.iter_mut().flat_map(|tensor| &mut tensor.1).filter(|side| **side == 8).for_each(|side| *side = 4);
    let mut copies = named("net.");
    copies.extend(named("net_ema."));
    let cases: [(Vec<Seeded>, ImportOptions, &str, &str); 13] = [
        (without("fc.weight"), tiny.clone(), "1 tensor is missing: fc.weight", "--head replace"),
        (without("bn1.bias"), tiny.clone(), "1 tensor is missing: bn1.bias", "get the whole file"),
        (tensors(), dinov2, "c.pth: 1 tensor is missing: patch_embed.proj.weight", "--arch tiny-ladeda"),
        (
            narrow,
            tiny.clone(),
            "tensor \"conv1.weight\" is [4, 3, 1, 1], expected [8, 3, 1, 1]",
            "the names fit and the shapes do not: another variant",
        ),
        (
            copies.clone(),
            options(head),
            "are those of no architecture that dear knows",
            "several times, under \"net.\", \"net_ema.\": save the one",
        ),
        (copies, tiny, "tensors are missing: ", "several times, under \"net.\", \"net_ema.\""),
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
    assert_eq!(error.hint().as_deref(), Some("the weights are damaged: get or train them again"));

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
fn a_head_of_another_name_is_taken_where_nothing_else_is_left() {
    let options = |head| ImportOptions { architecture: Some("tiny-ladeda".to_owned()), ..options(head) };
    let plain = score(imported(&renamed(str::to_owned), &options(HeadChoice::Checkpoint)).expect("plain"));
    for head in ["fc.1", "classifier", "classifier.0"] {
        let tensors = renamed(|name| name.replace("fc.", &format!("{head}.")));
        let imported = imported(&tensors, &options(HeadChoice::Checkpoint)).expect(head);
        let notes = imported.notes.join("; ");
        assert!(notes.contains(&format!("the head is \"{head}\", the only layer that is left")), "{notes}");
        assert_eq!(score(imported), plain, "{head}");
    }
    // Two layers are no linear head: it can be replaced.
    for head in ["fc", "classifier"] {
        let mut tensors: Vec<_> =
            tensors().into_iter().filter(|tensor| !tensor.0.starts_with("fc.")).collect();
        for (part, shape) in
            [("0.weight", vec![4, 8]), ("0.bias", vec![4]), ("2.weight", vec![1, 4]), ("2.bias", vec![1])]
        {
            tensors.push(Seeded(format!("{head}.{part}"), shape, 0.0, 1.0));
        }
        let error = imported(&tensors, &options(HeadChoice::Checkpoint)).expect_err("two layers");
        assert!(error.to_string().contains(&format!("4 tensors are unexpected: {head}.0.bias")), "{error}");
        assert!(error.hint().expect("a hint").contains("--head replace"), "{:?}", error.hint());
        assert_eq!(score(imported(&tensors, &options(HeadChoice::Replace)).expect("replaced")), 0.0);
    }
}

#[test]
fn a_head_without_bias_has_one_of_zero_and_what_training_leaves_is_passed_over() {
    let options = options(HeadChoice::Checkpoint);
    let plain = score(imported(&renamed(str::to_owned), &options).expect("plain"));
    let mut unbiased = renamed(str::to_owned);
    unbiased.retain(|tensor| tensor.0 != "fc.bias");
    let imported_unbiased = imported(&unbiased, &options).expect("without bias");
    assert!(imported_unbiased.notes.iter().any(|note| note.contains("no tensor \"fc.bias\"")));
    // All numbers of a renamed tensor are its highest: a bias of 0.3.
    let found = score(imported_unbiased);
    assert!((plain - found - 0.3).abs() < 1e-4 * plain.abs().max(1.0), "{plain} and {found}");

    let mut trained = named("module.");
    trained.push(Seeded("n_averaged".to_owned(), vec![], 7.0, 7.0));
    trained.push(Seeded("criterion.pos_weight".to_owned(), vec![1], 2.0, 2.0));
    let imported = imported(&trained, &options).expect("extras");
    let note = "passed over, of the training: \"criterion.pos_weight\", \"n_averaged\"".to_owned();
    assert!(imported.notes.contains(&note), "{:?}", imported.notes);
    let detector = Detector::from_bytes(imported.file, &EngineOptions::builtin()).expect("a detector");
    assert_eq!(detector.metadata().source.extra["notes"], serde_json::json!([note]));
    assert_eq!(detector.score(&picture(96, 96, 1)).expect("a score"), plain);
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
