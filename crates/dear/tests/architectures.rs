//! Each convolutional architecture against PyTorch (`oracle/architectures.py`): full size, three sizes of pictures, both engines.

mod oracle;

use std::path::{Path, PathBuf};

use dear::architecture::ladeda::Residual;
use dear::architecture::{Architecture, NetworkOptions};
use dear::backbone::Metadata;
use dear::checkpoint::Checkpoint;
use dear::detector::{Detector, Quantity};
use dear::import::decide;
use dear_image::Image;
use oracle::seeded::{Seeded, safetensors};
use oracle::{engines, picture, sha256, skipped};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Fixture {
    every: usize,
    networks: Vec<Network>,
}

/// One network and what PyTorch says of some pictures.
#[derive(Debug, Deserialize)]
struct Network {
    name: String,
    architecture: String,
    residual: Option<Residual>,
    weights: Vec<Seeded>,
    /// A published checkpoint beside the repository.
    file: Option<String>,
    sha256: Option<String>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    height: u32,
    width: u32,
    seed: u64,
    features_shape: [usize; 4],
    pooled: Vec<f32>,
    logit: f64,
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures/cnn.json");
    serde_json::from_slice(&fs_err::read(path).expect("fixture")).expect("fixture")
}

impl Network {
    /// The checkpoint as bytes; nothing for a file that is not here.
    fn checkpoint(&self) -> Option<Vec<u8>> {
        let Some(file) = &self.file else { return Some(safetensors(&self.weights)) };
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "../../../shared/data/weights", file].iter().collect();
        let Ok(bytes) = fs_err::read(&path) else {
            skipped(&format!("{file} is not beside the repository"));
            return None;
        };
        assert_eq!(Some(sha256(&bytes)), self.sha256, "{file}");
        Some(bytes)
    }

    fn detector_file(&self) -> Option<Vec<u8>> {
        let checkpoint = Checkpoint::from_bytes(self.checkpoint()?).expect("a checkpoint");
        let architecture = Architecture::named(&self.architecture).expect("an architecture");
        let options = NetworkOptions { residual: self.residual, ..NetworkOptions::default() };
        let network = architecture.build(&checkpoint, &options).expect("all tensors fit");
        Some(network.into_detector(Metadata::new(self.name.clone())).expect("a file"))
    }
}

#[test]
fn every_network_says_what_pytorch_says() {
    let fixture = fixture();
    let mut compared = 0;
    for network in &fixture.networks {
        let Some(file) = network.detector_file() else { continue };
        for options in engines() {
            let mut worst = 0.0f64;
            let detector = Detector::from_bytes(file.clone(), &options).expect("a detector");
            let engine = detector.info().name.clone();
            for case in &network.cases {
                let image = [match case.seed {
                    0 => Image::from_fn(case.width, case.height, |_, _| [255; 3]),
                    seed => picture(case.width, case.height, seed),
                }];
                let quantities = [Quantity::Features, Quantity::Pooled, Quantity::Logit, Quantity::Evidence];
                let [features, pooled, logit, evidence] = detector.compute(&image, quantities).expect("runs");
                let of = format!("{} {} x {} on {engine}", network.name, case.width, case.height);
                assert_eq!(features.shape, case.features_shape, "{of}");
                // The promise of this project: 1e-4 of the logit. The same for the pool, of its largest number.
                let logit = f64::from(logit.data[0]);
                let error = (logit - case.logit).abs() / case.logit.abs().max(1.0);
                assert!(error <= 1e-4, "{of}: logit {logit}, expected {}", case.logit);
                let found: Vec<f32> = pooled.data.iter().copied().step_by(fixture.every).collect();
                let most = case.pooled.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                assert!(oracle::difference(&found, &case.pooled) <= 1e-4 * most, "{of}: pooled");
                let mean = evidence.data.iter().map(|&value| f64::from(value)).sum::<f64>()
                    / evidence.data.len() as f64;
                assert!(
                    (mean - logit).abs() <= 1e-4 * logit.abs().max(1.0),
                    "{of}: evidence {mean}, logit {logit}"
                );
                worst = worst.max(error);
                compared += 1;
            }
            println!("| `{}` | {} | {engine} | {worst:.1e} |", network.architecture, network.name);
        }
    }
    // 14 seeded networks of three sizes, but one of a single size, 6 of them also of a white picture; the two published ones
    // are not everywhere.
    let cases: usize =
        fixture.networks.iter().filter(|network| network.file.is_none()).map(|n| n.cases.len()).sum();
    assert_eq!(cases, 46);
    assert!(compared >= cases * engines().len());
}

#[test]
fn auto_finds_what_the_names_decide() {
    let mut decided = 0;
    for network in fixture().networks.iter().filter(|network| network.file.is_none()) {
        let checkpoint = Checkpoint::from_bytes(safetensors(&network.weights)).expect("a checkpoint");
        match decide(&checkpoint, Path::new("c.pth")) {
            Ok(architecture) => assert_eq!(architecture.name, network.architecture),
            Err(error) => {
                // Their tensors are the same; they differ in strides.
                let message = "c.pth: the tensors do not decide between corvi, rajan, cnndetection";
                assert_eq!(error.to_string(), message, "{}", network.name);
                assert!(["corvi", "rajan", "cnndetection"].contains(&network.architecture.as_str()));
                continue;
            }
        }
        decided += 1;
    }
    assert_eq!(decided, 11);
}

#[test]
fn a_gate_is_no_part_of_networks_without_one() {
    let fixture = fixture();
    let of = |name: &str| {
        let network = fixture.networks.iter().find(|network| network.name == name).expect("a network");
        Checkpoint::from_bytes(safetensors(&network.weights)).expect("a checkpoint")
    };
    for (file, architecture, message) in [
        ("dear", "corvi", "1 tensor is unexpected: gate.gate"),
        ("dear", "cnndetection", "1 tensor is unexpected: gate.gate"),
        ("corvi", "dear", "1 tensor is missing: gate.gate"),
    ] {
        let named = Architecture::named(architecture).expect("an architecture");
        let error = named.build(&of(file), &NetworkOptions::default()).expect_err(message);
        assert!(error.to_string().contains(message), "{file} as {architecture}: {error}");
    }
}

#[test]
fn the_grid_that_follows_from_the_layers_is_the_one_that_comes_out() {
    let fixture = fixture();
    let mut seen = 0;
    for name in
        ["cnndetection", "npr", "ladeda9-npr", "ladeda33-raw", "tiny-ladeda-right-diag", "efficientnet-lite0"]
    {
        let network = fixture.networks.iter().find(|network| network.name == name).expect("a network");
        let file = network.detector_file().expect("seeded");
        let detector =
            Detector::from_bytes(file, &dear::engine::EngineOptions::builtin()).expect("a detector");
        let metadata = detector.metadata();
        let (stride, span) = (metadata.stride.expect("stride"), metadata.span());
        for (width, height) in [(64, 64), (67, 93), (82, 49), (51, 100)] {
            let features = detector.features(&[picture(width, height, 1)]).expect("runs");
            let cells = [height, width].map(|side| ((side - span) / stride + 1) as usize);
            assert_eq!(features.shape[2..], cells, "{name} {width} x {height}");
            seen += 1;
        }
    }
    assert_eq!(seen, 24);
}

#[test]
fn tiles_of_every_network_give_what_the_whole_image_gives() {
    let fixture = fixture();
    // A picture, and the side of a tile with its halos, so that there are several. Stride, what a cell sees, and the shortest
    // side with one cell, counted by hand; 113 (method.md), 9 and 33 (LaDeDa; one more by NPR) are their papers' numbers.
    let cases: [(&str, [u32; 2], u64, [u32; 3]); 8] = [
        ("corvi", [331, 240], 200, [8, 113, 1]),
        ("cnndetection", [1001, 830], 800, [32, 427, 1]),
        ("npr", [271, 202], 170, [8, 88, 2]),
        ("ladeda9-npr", [203, 150], 100, [8, 10, 10]),
        ("ladeda33-raw", [203, 150], 120, [8, 33, 33]),
        ("tiny-ladeda-left-diag", [150, 121], 64, [2, 7, 5]),
        ("tiny-ladeda-npr", [151, 120], 64, [2, 6, 6]),
        ("efficientnet-lite0", [1500, 700], 990, [32, 851, 32]),
    ];
    for (name, [width, height], side, [stride, field, span]) in cases {
        let network = fixture.networks.iter().find(|network| network.name == name).expect("a network");
        let file = network.detector_file().expect("seeded");
        let open = |memory| {
            let options = dear::engine::EngineOptions { memory, ..dear::engine::EngineOptions::builtin() };
            Detector::from_bytes(file.clone(), &options).expect("a detector")
        };
        let whole = open(1 << 34);
        let metadata = whole.metadata();
        let found = [metadata.stride, metadata.receptive_field, metadata.span];
        assert_eq!(found, [Some(stride), Some(field), Some(span)], "{name}");
        let per_pixel = u64::from(metadata.memory.as_ref().expect("counted").bytes_per_pixel);
        let tiled = open(per_pixel * side * side);
        assert!(tiled.piece() < u64::from(width) * u64::from(height));
        let image = picture(width, height, 7);
        let (expected, evidence) =
            (whole.evidence(&image).expect("whole"), tiled.evidence(&image).expect("tiles"));
        assert_eq!((evidence.w, evidence.h), (expected.w, expected.h), "{name}");
        let bound = 1e-4 * expected.logit.abs().max(1.0);
        let scores = [evidence.logit, tiled.score(&image).expect("tiles")];
        assert!(
            scores.iter().all(|score| (score - expected.logit).abs() <= bound),
            "{name}: {scores:?}, {}",
            expected.logit
        );
        let most = expected.data.iter().fold(1.0f32, |most, value| most.max(value.abs()));
        assert!(oracle::difference(&evidence.data, &expected.data) <= 1e-4 * most, "{name}");
    }
}
