//! Files that PyTorch and safetensors wrote, against the numbers that `torch.load` gives (`oracle/checkpoint.py`).
//!
//! There is no tolerance: f16, bf16 and f32 are exact, and f64 and integers are rounded once, as PyTorch rounds them.

// clippy.toml allows it in tests, and helpers of an integration test are not recognised as such.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use dear::checkpoint::{Checkpoint, CheckpointError, Format};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    refused: Vec<Refused>,
    real: std::collections::BTreeMap<String, Real>,
}

#[derive(Deserialize)]
struct Case {
    file: String,
    nesting: Option<String>,
    passed_over: Vec<String>,
    key: Option<String>,
    tensors: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Refused {
    file: String,
    kind: String,
}

#[derive(Deserialize)]
struct Real {
    sha256: String,
    tensors: usize,
    elements: usize,
    numbers_sha256: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint")
}

fn fixture() -> Fixture {
    serde_json::from_slice(&fs_err::read(folder().join("cases.json")).unwrap()).unwrap()
}

fn all_tensors(checkpoint: &Checkpoint) -> Result<usize, CheckpointError> {
    checkpoint.names().map(|name| checkpoint.tensor(name).map(|tensor| tensor.data.len())).sum()
}

#[test]
fn tensors_are_those_of_torch() {
    let (mut cases, mut tensors) = (0, 0);
    for case in fixture().cases {
        let path = folder().join(&case.file);
        let checkpoint = match &case.key {
            None => Checkpoint::open(&path),
            Some(key) => Checkpoint::open_at(&path, key),
        };
        let checkpoint = checkpoint.unwrap();
        let file = &case.file;
        assert_eq!(checkpoint.nesting(), case.nesting.as_deref(), "{file}");
        assert_eq!(checkpoint.passed_over(), case.passed_over, "{file}");
        let expected: Vec<&str> = case.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), expected, "{file}");
        for stored in &case.tensors {
            let name = stored.name.as_str();
            assert_eq!(checkpoint.dtype(name).unwrap().as_str(), stored.dtype, "{file}: {name}");
            assert_eq!(checkpoint.shape(name).unwrap(), stored.shape, "{file}: {name}");
            let tensor = checkpoint.tensor(name).unwrap();
            assert_eq!(tensor.shape, stored.shape, "{file}: {name}");
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&tensor.data), bits(&stored.values), "{file}: {name}: {:?}", tensor.data);
            tensors += 1;
        }
        cases += 1;
    }
    assert_eq!((cases, tensors), (47, 234));
}

#[test]
fn the_content_decides_the_format() {
    let cases = [
        ("plain.pth", Format::TorchZip, "torch-zip"),
        ("plain_legacy.pth", Format::TorchLegacy, "torch-legacy"),
        ("script.pt", Format::TorchScript, "torchscript"),
        ("plain.safetensors", Format::Safetensors, "safetensors"),
        ("named.pth", Format::Safetensors, "safetensors"),
    ];
    for (file, format, word) in cases {
        let bytes = fs_err::read(folder().join(file)).unwrap();
        let expected: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let checkpoint = Checkpoint::from_bytes(bytes).unwrap();
        assert_eq!((checkpoint.format(), checkpoint.format().as_str()), (format, word), "{file}");
        assert_eq!(checkpoint.sha256(), expected, "{file}");
    }
}

#[test]
fn what_is_no_state_dict_of_finite_numbers_is_refused() {
    let mut seen = 0;
    for case in fixture().refused {
        let checkpoint = Checkpoint::open(folder().join(&case.file));
        let error = checkpoint.and_then(|checkpoint| all_tensors(&checkpoint)).unwrap_err();
        println!("{error}\n    {}", error.hint());
        assert_eq!(error.kind(), case.kind, "{error}");
        assert!(error.to_string().contains(&case.file), "{error}");
        assert!(!error.to_string().contains('\n') && !error.hint().is_empty(), "{error}");
        seen += 1;
    }
    assert_eq!(seen, 20);
}

/// Where published checkpoints are: see `oracle/checkpoint.py`.
fn real_folder() -> PathBuf {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/weights");
    std::env::var_os("DEAR_TEST_CHECKPOINTS").map_or_else(|| shared.into(), PathBuf::from)
}

#[test]
fn published_files_have_the_numbers_of_torch() {
    let real = fixture().real;
    assert_eq!(real.len(), 3);
    for (name, expected) in real {
        let path = real_folder().join(&name);
        if !path.exists() {
            eprintln!("skipped: {name} is not in {}", real_folder().display());
            continue;
        }
        let checkpoint = Checkpoint::open(path).unwrap();
        assert_eq!(checkpoint.sha256(), expected.sha256, "{name}");
        let mut digest = Sha256::new();
        let (mut tensors, mut elements) = (0, 0);
        for tensor_name in checkpoint.names() {
            let tensor = checkpoint.tensor(tensor_name).unwrap();
            digest.update(tensor_name.as_bytes());
            digest.update([0]);
            tensor.data.iter().for_each(|value| digest.update(value.to_le_bytes()));
            tensors += 1;
            elements += tensor.data.len();
        }
        assert_eq!((tensors, elements), (expected.tensors, expected.elements), "{name}");
        let numbers: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(numbers, expected.numbers_sha256, "{name}");
    }
}
