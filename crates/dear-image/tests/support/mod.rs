//! What the tests share: the pictures of `oracle/image_picture.py`, hashes, fixtures.
#![allow(dead_code)]

use dear_image::{Image, Mask};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// `picture(width, height, 1)` of the oracle, in the same integers.
pub(crate) fn picture(width: u32, height: u32) -> Image {
    let (w, h) = (i64::from(width), i64::from(height));
    Image::from_fn(width, height, |x, y| {
        let (x, y) = (i64::from(x), i64::from(y));
        let texture = ((x * 2_654_435_761 + y * 40_503 + 97) >> 7).rem_euclid(41);
        let red = (x * 255 / (w - 1).max(1) + texture) % 256;
        let green = (y * 255 / (h - 1).max(1) * 3 + x / 3) % 256;
        let checked = (x / 9 + y / 7) % 2 == 0;
        let blue = if checked { 230 - texture } else { (x * y / 5 + 31) % 256 };
        [red as u8, green as u8, blue as u8]
    })
}

/// `mask(width, height)` of the oracle.
pub(crate) fn mask(width: u32, height: u32) -> Mask {
    Mask::from_fn(width, height, |x, y| (x / 5 + y / 3) % 3 == 0)
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn json(name: &str) -> Value {
    serde_json::from_slice(&fs_err::read(fixtures().join(name)).unwrap()).unwrap()
}

/// Two numbers of a JSON list.
pub(crate) fn pair(value: &Value) -> (u32, u32) {
    (number(&value[0]) as u32, number(&value[1]) as u32)
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Runs all cases, then fails with the ones that differ.
pub(crate) struct Cases {
    failed: Vec<String>,
    seen: usize,
}

impl Cases {
    pub(crate) fn new() -> Cases {
        Cases { failed: Vec::new(), seen: 0 }
    }

    pub(crate) fn check(&mut self, right: bool, name: impl FnOnce() -> String) {
        self.seen += 1;
        if !right {
            self.failed.push(name());
        }
    }

    /// Asserts that as many were seen as there should be, and that none failed.
    pub(crate) fn finish(self, expected: usize) {
        assert!(
            self.failed.is_empty(),
            "{} of {}:\n{}",
            self.failed.len(),
            self.seen,
            self.failed.join("\n")
        );
        assert_eq!(self.seen, expected, "cases seen");
    }
}
