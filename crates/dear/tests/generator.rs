//! The embedded generators against Python's ONNX Runtime (`oracle/detector.py resynth`, `resynth_x2`), and tiles against one piece.

mod oracle;

use dear::backbone::{Edit, OnnxModel};
use dear::engine::EngineOptions;
use dear::generator::{Generator, GeneratorError, RESYNTH_X2, RESYNTH_X4};
use dear_image::Image;
use oracle::{engines, picture, read, sha256};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Fixture {
    made_by: String,
    sha256: String,
    height: u32,
    width: u32,
    seed: u64,
    pixels: Vec<u8>,
}

/// The largest difference, and the number of values that differ.
fn compare(found: &Image, expected: &[u8]) -> (u8, usize) {
    assert_eq!(found.data().len(), expected.len());
    let differences: Vec<u8> = found.data().iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
    (differences.iter().copied().max().unwrap_or(0), differences.iter().filter(|&&value| value > 0).count())
}

type Open = fn(&EngineOptions) -> Result<Generator, GeneratorError>;

/// Both generators: their fixture, file, scale, and how they are opened.
const GENERATORS: [(&str, &[u8], u32, Open); 2] = [
    ("resynth.json", RESYNTH_X4, 4, Generator::embedded_x4),
    ("resynth_x2.json", RESYNTH_X2, 2, Generator::embedded_x2),
];

#[test]
fn pixels_are_those_of_python() {
    for (name, file, scale, open) in GENERATORS {
        let fixture: Fixture = read(name);
        assert_eq!(sha256(file), fixture.sha256, "the file has changed, run: python {}", fixture.made_by);
        for options in engines() {
            let generator = open(&options).expect(name);
            let large =
                generator.upscale(&picture(fixture.width, fixture.height, fixture.seed)).expect("upscaled");
            assert_eq!(large.size(), (fixture.width * scale, fixture.height * scale));
            // Two values that engines compute as 0.4999 and 0.5001 round to neighbours; more than a few are no accident.
            let (largest, moved) = compare(&large, &fixture.pixels);
            assert!(largest <= 1 && moved <= fixture.pixels.len() / 500, "{name}: {largest}, {moved}");
            assert_eq!(generator.info().threads, options.resolve_threads().expect("threads"));
        }
    }
}

#[test]
fn tiles_give_what_one_piece_gives() {
    for (name, _, _, open) in GENERATORS {
        for options in engines() {
            let whole = open(&options).expect(name).with_tile(u32::MAX);
            let tiled = open(&options).expect(name).with_tile(24);
            for (width, height) in [(61, 50), (24, 70), (25, 1)] {
                let image = picture(width, height, 6);
                let expected = whole.upscale(&image).expect("upscaled");
                let (largest, moved) = compare(&tiled.upscale(&image).expect("upscaled"), expected.data());
                assert!(
                    largest <= 1 && moved <= expected.data().len() / 10_000,
                    "{name}: {largest}, {moved}"
                );
            }
        }
    }
}

/// The halo of the file is 18; the test above would notice one that is too small.
#[test]
fn a_halo_that_is_too_small_shows() {
    let model = OnnxModel::parse(RESYNTH_X4).expect("valid");
    let mut document: Value = serde_json::from_str(&model.document().expect("there")).expect("JSON");
    document["halo"] = 8.into();
    let text = document.to_string();
    let file = model.rewrite(&[Edit::Metadata { key: "dear", value: Some(&text) }]).expect("written");
    let options = EngineOptions::builtin();
    let whole = Generator::embedded_x4(&options).expect("resynth-x4");
    let tiled = Generator::from_bytes(&file, &options).expect("valid").with_tile(24);
    let image = picture(61, 50, 6);
    let expected = whole.upscale(&image).expect("upscaled");
    let (_, moved) = compare(&tiled.upscale(&image).expect("upscaled"), expected.data());
    assert!(moved > expected.data().len() / 1000, "{moved}");
}

#[test]
fn a_detector_is_no_generator() {
    let error =
        Generator::from_bytes(dear::detector::MINI, &EngineOptions::builtin()).expect_err("a detector");
    assert_eq!(error.kind(), "metadata");
    assert_eq!(error.to_string(), "model: metadata \"dear\": kind is detector, expected generator");
    let error = Generator::open("/nowhere/x.onnx", &EngineOptions::builtin()).expect_err("absent");
    assert_eq!(error.kind(), "unreadable");
}
