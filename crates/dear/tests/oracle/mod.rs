//! What the tests of engines and files share: the pictures of `oracle/detector.py`, its fixtures, and the engines of
//! this machine.

#![allow(dead_code, unreachable_pub)] // Each test binary takes its part.

pub mod engine;
pub mod seeded;

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use dear::engine::{EngineOptions, discover};
use dear_image::Image;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Python's answers about one detector file.
#[derive(Debug, Deserialize)]
pub struct Fixture {
    pub made_by: String,
    pub sha256: String,
    pub every: usize,
    pub head: Head,
    pub other_head: Head,
    pub other_head_logits: Vec<f64>,
    pub cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
pub struct Head {
    pub weight: Vec<f32>,
    pub bias: f32,
}

/// Python's answers about one picture.
#[derive(Debug, Deserialize)]
pub struct Case {
    pub height: u32,
    pub width: u32,
    pub seed: u64,
    pub pixels_sha256: String,
    pub features_shape: [usize; 4],
    pub features: Vec<f32>,
    pub pooled: Vec<f32>,
    pub logit: f64,
    pub evidence_shape: [usize; 4],
    pub evidence: Vec<f32>,
}

impl Case {
    /// The picture that Python saw.
    pub fn image(&self) -> Image {
        let image = picture(self.width, self.height, self.seed);
        assert_eq!(sha256(image.data()), self.pixels_sha256, "the two languages draw different pictures");
        image
    }
}

/// `picture` of `oracle/detector.py`.
pub fn picture(width: u32, height: u32, seed: u64) -> Image {
    Image::from_fn(width, height, |x, y| {
        let (x, y) = (u64::from(x), u64::from(y));
        let value = |channel: u64| x * x * 3 + y * y * 5 + x * y * 7 + channel * 89 + seed * 31;
        [0u64, 1, 2].map(|channel| ((value(channel) >> 2) & 255) as u8)
    })
}

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/detector").join(name)
}

pub fn bytes(name: &str) -> Vec<u8> {
    fs_err::read(path(name)).expect("fixture")
}

pub fn read<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    serde_json::from_slice(&bytes(name)).expect("fixture")
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The engines that can run here: always the built-in one, and ONNX Runtime where it is found.
pub fn engines() -> Vec<EngineOptions> {
    [Some(EngineOptions::builtin()), onnxruntime()].into_iter().flatten().collect()
}

/// ONNX Runtime, or a visible line that says that it was skipped.
pub fn onnxruntime() -> Option<EngineOptions> {
    if discover(None).iter().any(|found| found.version.is_ok()) {
        return Some(EngineOptions::onnxruntime());
    }
    let required = env::var_os("DEAR_REQUIRE_ONNXRUNTIME").is_some_and(|value| value == "1");
    assert!(!required, "DEAR_REQUIRE_ONNXRUNTIME=1, but no usable ONNX Runtime: {:?}", discover(None));
    skipped("no ONNX Runtime found (set DEAR_ONNXRUNTIME)");
    None
}

/// Written past the test harness, which would keep it to itself.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// The largest difference of two equally long lists.
pub fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
