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

/// Sets a field of a TIFF's first directory to one number of 2 bytes.
pub(crate) fn set_tiff_field(bytes: &mut [u8], tag: u16, value: u16) {
    let big = bytes.starts_with(b"MM");
    let two = |bytes: &[u8], at: usize| match big {
        true => u16::from_be_bytes([bytes[at], bytes[at + 1]]),
        false => u16::from_le_bytes([bytes[at], bytes[at + 1]]),
    };
    // The offset's lower half is enough for files of this size.
    let directory = usize::from(two(bytes, if big { 6 } else { 4 }));
    let entries = (0..usize::from(two(bytes, directory))).map(|i| directory + 2 + 12 * i);
    let entry = entries.into_iter().find(|&entry| two(bytes, entry) == tag).unwrap();
    let store = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let count = if big { [0, 0, 0, 1] } else { [1, 0, 0, 0] };
    bytes[entry + 2..entry + 4].copy_from_slice(&store(3));
    bytes[entry + 4..entry + 8].copy_from_slice(&count);
    bytes[entry + 8..entry + 10].copy_from_slice(&store(value));
}

/// The cases of one step in a fixture.
pub(crate) fn cases(file: &str, step: &str) -> Vec<Value> {
    json(file)[step].as_array().unwrap().clone()
}

/// The picture that a case starts from.
pub(crate) fn source(case: &Value) -> Image {
    let (width, height) = pair(&case["source"]);
    picture(width, height)
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

/// This test's program again, all of it but `test`, as on a processor without AVX2.
pub(crate) fn again_without_avx2(test: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--skip", test])
        .env("DEAR_SIMD", "baseline")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("test result: ok. "), "{text}");
    assert!(!text.contains("ok. 0 passed"), "{text}");
}
