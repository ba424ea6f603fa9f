//! Resize against Pillow 12.3.0 on random cases, to the byte, and float interpolation against PyTorch.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::*;
use serde_json::Value;
use support::{Cases, json, number, pair, sha};

/// SplitMix64, as `Generator` in `oracle/image_resize.py`; the functions below are also its.
struct Generator(u64);

impl Generator {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (value ^ (value >> 31)) % bound
    }
}

fn scrambled(index: usize, seed: u32) -> u32 {
    let value = (index as u32).wrapping_mul(2_654_435_761).wrapping_add(seed);
    let value = (value ^ (value >> 15)).wrapping_mul(2_246_822_519);
    value ^ (value >> 13)
}

fn texture(count: usize, seed: u32, kind: u64) -> Vec<u8> {
    let sample = |index| match kind {
        0 => (scrambled(index, seed) >> 24) as u8,
        1 => ((scrambled(index, seed) >> 31) * 255) as u8,
        _ => ((index as u64 * 5 + u64::from(seed)) >> 3) as u8,
    };
    (0..count).map(sample).collect()
}

const MOST_PIXELS: u32 = 60_000;

fn side(draw: &mut Generator) -> u32 {
    let bound = [1, 4, 64, 64, 300, 1500][draw.below(6) as usize];
    1 + draw.below(bound) as u32
}

fn size(draw: &mut Generator) -> (u32, u32) {
    let (width, height) = (side(draw), side(draw));
    (width, height.min(MOST_PIXELS / width).max(1))
}

fn span(draw: &mut Generator, length: u32) -> (f64, f64) {
    let whole = 1000 * u64::from(length);
    let kind = draw.below(4);
    let start = if kind == 1 { 0 } else { draw.below(whole) };
    let end = match (start + 1 + draw.below(whole - start), kind) {
        (_, 2) => whole,
        (end, 3) => end.min(start + 1 + draw.below(999)),
        (end, _) => end,
    };
    (start as f64 / 1000.0, end as f64 / 1000.0)
}

#[test]
fn random_resizes_are_pillows() {
    let expected = &json("resize.json")["random"];
    let mut draw = Generator(number(&expected["seed"]) as u64);
    let mut seen = Cases::new();
    let mut kinds = [0; 3];
    for answer in expected["sha256"].as_array().unwrap() {
        let (from, mut to) = (size(&mut draw), size(&mut draw));
        if draw.below(8) == 0 {
            to.0 = from.0;
        }
        if to.0 * to.1 > MOST_PIXELS {
            to.1 = (MOST_PIXELS / to.0).max(1);
        }
        let kernel = Kernel::ALL[draw.below(6) as usize];
        let mode = draw.below(3) as usize;
        let region = (draw.below(2) == 1).then(|| {
            let ((left, right), (top, bottom)) = (span(&mut draw, from.0), span(&mut draw, from.1));
            [left, top, right, bottom]
        });
        let (seed, kind) = (draw.below(1 << 32) as u32, draw.below(3));
        let pixels = texture((from.0 * from.1) as usize * [1, 3, 4][mode], seed, kind);
        let resize = Resize { size: to, kernel, region };
        let resized = resized(&resize, mode, pixels, from);
        kinds[mode] += 1;
        seen.check(sha(&resized)[..16] == *answer, || {
            format!("{from:?} {resize:?} mode {mode} seed {seed} kind {kind}")
        });
    }
    seen.finish(2400);
    assert_eq!(kinds, [758, 785, 857]);
}

/// By the number of the mode: L, RGB, RGBA.
fn resized(resize: &Resize, mode: usize, pixels: Vec<u8>, from: (u32, u32)) -> Vec<u8> {
    match mode {
        0 => resize.gray(&pixels, from).unwrap(),
        1 => resize.image(&Image::new(from.0, from.1, pixels).unwrap()).into_data(),
        _ => resize.rgba(&pixels, from).unwrap(),
    }
}

#[test]
fn cases_that_longer_runs_found_are_pillows() {
    let mut seen = Cases::new();
    for case in json("resize.json")["found"].as_array().unwrap() {
        let (from, size) = (pair(&case["source"]), pair(&case["size"]));
        let mode = ["L", "RGB", "RGBA"].iter().position(|mode| case["mode"] == *mode).unwrap();
        let count = (from.0 * from.1) as usize * [1, 3, 4][mode];
        let pixels = texture(count, number(&case["seed"]) as u32, number(&case["kind"]) as u64);
        let kernel = serde_json::from_value(case["kernel"].clone()).unwrap();
        let result = resized(&Resize { size, kernel, region: None }, mode, pixels, from);
        seen.check(sha(&result)[..16] == case["sha256"], || case.to_string());
    }
    seen.finish(4);
}

/// Every colour under every alpha, through a region that keeps the pixels but not the short way: columns 0 to 256 of
/// an image with one row more are Pillow's `RGBA` to `RGBa` and back.
#[test]
fn every_color_under_every_alpha_is_pillows() {
    let mut pixels: Vec<u8> = (0..=255u8).flat_map(|c| (0..=255u8).flat_map(move |a| [c, c, c, a])).collect();
    pixels.extend_from_within(255 * 1024..);
    let region = Some([0.0, 0.0, 256.0, 256.0]);
    let there_and_back = Resize { size: (256, 256), kernel: Kernel::Box, region };
    let result = there_and_back.rgba(&pixels, (256, 257)).unwrap();
    assert_eq!(json("resize.json")["alpha"], sha(&result));
}

/// PyTorch rounds differently from one of its kernels to the next: by channels, by size (up to 128 rows and columns
/// together), by processor. Against any of them: the four products and three sums of a value round by at most 2^-24 of
/// the largest input each, and a sample's place is rounded to 2^-24 of itself twice, which moves the value by that
/// times the difference of two neighbours (at most twice the largest input) in each direction. Wrong corners or a
/// wrong scale move values by whole units, which are 2 and more here.
#[test]
fn interpolation_is_pytorchs_up_to_rounding() {
    const LARGEST: f64 = 128.0;
    let mut seen = Cases::new();
    let mut values = 0;
    for (seed, case) in json("resize.json")["interpolate"].as_array().unwrap().iter().enumerate() {
        let from = pair(&case["source"]);
        let count = (from.0 * from.1) as usize * number(&case["channels"]) as usize;
        let planes: Vec<f32> = (0..count)
            .map(|index| (scrambled(index, seed as u32) >> 8) as f32 / 65_536.0 - LARGEST as f32)
            .collect();
        let target = match case["factor"].as_f64() {
            Some(factor) if case["recompute"] == Value::Bool(false) => Target::Factor(factor),
            _ => {
                let (width, height) = pair(&case["size"]);
                Target::Size(width, height)
            }
        };
        let corners = if case["corners"] == "aligned" { Corners::Aligned } else { Corners::HalfPixel };
        let result = interpolate(&planes, from, target, corners).unwrap();
        let size = target.size(from).unwrap();
        let right = size == pair(&case["size"])
            && result.len() == (size.0 * size.1) as usize * number(&case["channels"]) as usize;
        seen.check(right, || format!("size {size:?}: {case}"));
        let step = number(&case["step"]) as usize;
        let expected = case["values"].as_array().unwrap();
        let places = f64::from(from.0 + from.1);
        let tolerance = (7.0 + 2.0 * 2.0 * places) * LARGEST / f64::from(1 << 24);
        let near = result.iter().step_by(step).zip(expected).all(|(found, expected)| {
            values += 1;
            (f64::from(*found) - number(expected)).abs() <= tolerance
        });
        seen.check(near && result.iter().step_by(step).count() == expected.len(), || {
            format!("values: {case}")
        });
    }
    seen.finish(2 * 64);
    assert_eq!(values, 1360);
}

#[test]
fn processors_without_avx2_give_the_same_bytes() {
    support::again_without_avx2("processors_without_avx2_give_the_same_bytes");
}
