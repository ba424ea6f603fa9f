//! Resampling, byte for byte as Pillow 12.3.0 does it (`Image.resize`).
//!
//! Two passes, rows first, each rounding to 8 bits; a coefficient is a fixed-point number with 22 fraction bits. When
//! reducing, the kernel grows with the factor (antialias). Only the rows that the second pass reads are computed by
//! the first. Pillow 11.0 to 12.3 agree; 13.0 takes the other pass first in some non-uniform cases.

use crate::simd::vectorize;
use crate::{Image, Mask, geometry};
use serde::{Deserialize, Serialize};

/// The interpolation kernels, by Pillow's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Kernel {
    /// The pixel whose square holds the sample; no antialias.
    Nearest,
    /// Average of the covered square.
    Box,
    /// Triangle of half-width 1.
    #[default]
    Bilinear,
    /// Hamming window of half-width 1.
    Hamming,
    /// Cubic of half-width 2 with a = -0.5.
    Bicubic,
    /// Windowed sine of half-width 3.
    Lanczos,
}

/// Fraction bits of a coefficient: 8-bit samples, and a sum that stays within 32 bits.
const PRECISION: u32 = 32 - 8 - 2;

impl Kernel {
    /// All kernels, for tables.
    pub const ALL: [Kernel; 6] =
        [Kernel::Nearest, Kernel::Box, Kernel::Bilinear, Kernel::Hamming, Kernel::Bicubic, Kernel::Lanczos];

    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Kernel::Nearest => "nearest",
            Kernel::Box => "box",
            Kernel::Bilinear => "bilinear",
            Kernel::Hamming => "hamming",
            Kernel::Bicubic => "bicubic",
            Kernel::Lanczos => "lanczos",
        }
    }

    /// Half-width at scale 1.
    fn support(self) -> f64 {
        match self {
            Kernel::Nearest => 0.0,
            Kernel::Box => 0.5,
            Kernel::Bilinear | Kernel::Hamming => 1.0,
            Kernel::Bicubic => 2.0,
            Kernel::Lanczos => 3.0,
        }
    }

    /// Height at `x`, not normalised.
    fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Kernel::Nearest => 0.0,
            Kernel::Box => f64::from(x > -0.5 && x <= 0.5),
            Kernel::Bilinear => (1.0 - distance).max(0.0),
            Kernel::Hamming if distance == 0.0 => 1.0,
            Kernel::Hamming if distance >= 1.0 => 0.0,
            Kernel::Hamming => {
                let angle = distance * std::f64::consts::PI;
                libm::sin(angle) / angle * (0.54 + 0.46 * libm::cos(angle))
            }
            Kernel::Bicubic => {
                const A: f64 = -0.5;
                if distance < 1.0 {
                    ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0
                } else if distance < 2.0 {
                    (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A
                } else {
                    0.0
                }
            }
            Kernel::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Kernel::Lanczos => 0.0,
        }
    }
}

/// Resizes to `width` x `height`: `image.resize((width, height), kernel)`.
///
/// # Panics
/// If a side is 0.
pub fn resize(image: &Image, width: u32, height: u32, kernel: Kernel) -> Image {
    let whole = [0.0, 0.0, f64::from(image.width()), f64::from(image.height())];
    resize_box(image, whole, width, height, kernel)
}

/// Resizes the part `region` (left, top, right, bottom, in pixels, fractions allowed) to `width` x `height`:
/// `image.resize((width, height), kernel, box=region)`. Samples outside the region are not used by the kernels that
/// average, as in Pillow; the region is clamped to the image.
///
/// # Panics
/// If a side is 0, or the region has no area.
pub fn resize_box(image: &Image, region: [f64; 4], width: u32, height: u32, kernel: Kernel) -> Image {
    let region = clamp(region, image.size(), (width, height));
    let whole = [0.0, 0.0, image.width() as f32, image.height() as f32];
    if image.size() == (width, height) && region == whole {
        return image.clone();
    }
    if kernel == Kernel::Nearest {
        let data = nearest::<3>(image.data(), image.size(), region, (width, height));
        return Image::new(width, height, data).expect("nearest fills width * height pixels");
    }
    let [left, top, right, bottom] = region;
    let columns = Taps::new(image.width(), (left, right), width, kernel);
    let rows = Taps::new(image.height(), (top, bottom), height, kernel);
    let horizontal = width != image.width() || left != 0.0 || right != width as f32;
    let vertical = height != image.height() || top != 0.0 || bottom != height as f32;
    match (horizontal, vertical) {
        (true, false) => horizontal_pass(image, &columns, 0, image.height()),
        (false, true) => vertical_pass(image, &rows, 0),
        (true, true) => {
            let (first, last) = rows.span();
            vertical_pass(&horizontal_pass(image, &columns, first, last - first), &rows, first)
        }
        (false, false) => geometry::crop(image, 0, 0, width, height),
    }
}

/// Resizes a mask with Pillow's `NEAREST`.
///
/// # Panics
/// If a side is 0.
pub fn resize_mask(mask: &Mask, width: u32, height: u32) -> Mask {
    let whole = [0.0, 0.0, f64::from(mask.width()), f64::from(mask.height())];
    let region = clamp(whole, mask.size(), (width, height));
    if mask.size() == (width, height) {
        return mask.clone();
    }
    let data = nearest::<1>(mask.data(), mask.size(), region, (width, height));
    Mask::new(width, height, data).expect("nearest fills width * height pixels")
}

/// The region within the image, in the single precision in which Pillow takes it.
fn clamp(region: [f64; 4], size: (u32, u32), out: (u32, u32)) -> [f32; 4] {
    assert!(out.0 > 0 && out.1 > 0, "cannot resize to {} x {}", out.0, out.1);
    let (width, height) = (size.0 as f32, size.1 as f32);
    let [left, top, right, bottom] = region.map(|edge| edge as f32);
    let clamped =
        [left.clamp(0.0, width), top.clamp(0.0, height), right.clamp(0.0, width), bottom.clamp(0.0, height)];
    assert!(
        clamped[0] < clamped[2] && clamped[1] < clamped[3],
        "region {region:?} of {width} x {height} is empty"
    );
    clamped
}

/// For each output sample: where its inputs start, and their fixed-point weights.
struct Taps {
    starts: Vec<usize>,
    counts: Vec<usize>,
    weights: Vec<i32>,
    width: usize,
}

impl Taps {
    /// `from..to` of a line of `length` samples becomes `out` samples.
    fn new(length: u32, (from, to): (f32, f32), out: u32, kernel: Kernel) -> Taps {
        let scale = f64::from(to - from) / f64::from(out);
        let from = f64::from(from);
        let stretch = scale.max(1.0);
        let support = kernel.support() * stretch;
        let width = support.ceil() as usize * 2 + 1;
        let inverse = 1.0 / stretch;
        let mut taps = Taps {
            starts: Vec::with_capacity(out as usize),
            counts: Vec::with_capacity(out as usize),
            weights: vec![0; width * out as usize],
            width,
        };
        let mut exact = vec![0.0f64; width];
        for (index, fixed) in taps.weights.chunks_exact_mut(width).enumerate() {
            let center = from + (index as f64 + 0.5) * scale;
            // As a C cast: towards zero, then into the line.
            let start = ((center - support + 0.5) as i64).max(0);
            let end = ((center + support + 0.5) as i64).min(i64::from(length));
            let count = (end - start).max(0) as usize;
            let mut sum = 0.0;
            for (offset, weight) in exact[..count].iter_mut().enumerate() {
                *weight = kernel.weight((offset as f64 + start as f64 - center + 0.5) * inverse);
                sum += *weight;
            }
            for (fixed, &weight) in fixed.iter_mut().zip(&exact[..count]) {
                let share = if sum != 0.0 { weight / sum } else { weight };
                let half = if share < 0.0 { -0.5 } else { 0.5 };
                *fixed = (half + share * f64::from(1 << PRECISION)) as i32;
            }
            taps.starts.push(start as usize);
            taps.counts.push(count);
        }
        taps
    }

    /// First and one past the last input sample that any output reads.
    fn span(&self) -> (u32, u32) {
        let first = self.starts.first().copied().unwrap_or(0);
        let last = self.starts.last().copied().unwrap_or(0) + self.counts.last().copied().unwrap_or(0);
        (first as u32, last as u32)
    }

    /// Start and weights of every output, in order.
    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let weights = self.weights.chunks_exact(self.width);
        self.starts.iter().zip(&self.counts).zip(weights).map(|((&start, &count), w)| (start, &w[..count]))
    }
}

/// Resamples each of the rows `first..first + rows`.
fn horizontal_pass(image: &Image, taps: &Taps, first: u32, rows: u32) -> Image {
    let out_width = taps.starts.len();
    let mut data = vec![0; 3 * out_width * rows as usize];
    let source = &image.data()[first as usize * 3 * image.width() as usize..];
    vectorize(|| horizontal_rows(source, image.width() as usize, taps, &mut data));
    Image::new(out_width as u32, rows, data).expect("the pass fills its rows")
}

/// The loop of [`horizontal_pass`]. Each row is first spread to four 32-bit lanes a pixel, which fill one register.
#[inline(always)]
fn horizontal_rows(source: &[u8], width: usize, taps: &Taps, data: &mut [u8]) {
    let out_width = taps.starts.len();
    let mut lanes = vec![[0i32; 4]; width];
    for (row, out) in source.chunks_exact(3 * width).zip(data.chunks_exact_mut(3 * out_width)) {
        for (lane, pixel) in lanes.iter_mut().zip(row.chunks_exact(3)) {
            *lane = [i32::from(pixel[0]), i32::from(pixel[1]), i32::from(pixel[2]), 0];
        }
        for ((start, weights), out) in taps.iter().zip(out.chunks_exact_mut(3)) {
            let mut sum = [1i32 << (PRECISION - 1); 4];
            for (lane, &weight) in lanes[start..start + weights.len()].iter().zip(weights) {
                for (sum, sample) in sum.iter_mut().zip(lane) {
                    *sum += sample * weight;
                }
            }
            out.copy_from_slice(&[round(sum[0]), round(sum[1]), round(sum[2])]);
        }
    }
}

/// Resamples each column; row 0 of `image` is row `first` of the line that `taps` was made for.
fn vertical_pass(image: &Image, taps: &Taps, first: u32) -> Image {
    let stride = 3 * image.width() as usize;
    let rows = taps.starts.len();
    let mut data = vec![0; stride * rows];
    vectorize(|| vertical_rows(image.data(), stride, taps, first as usize, &mut data));
    Image::new(image.width(), rows as u32, data).expect("the pass fills its rows")
}

/// The loop of [`vertical_pass`]: whole rows times a weight, so that neighbours in memory are neighbours in registers.
#[inline(always)]
fn vertical_rows(source: &[u8], stride: usize, taps: &Taps, first: usize, data: &mut [u8]) {
    let mut sums = vec![0i32; stride];
    for ((start, weights), out) in taps.iter().zip(data.chunks_exact_mut(stride)) {
        sums.fill(1 << (PRECISION - 1));
        for (row, &weight) in source[(start - first) * stride..].chunks_exact(stride).zip(weights) {
            for (sum, &sample) in sums.iter_mut().zip(row) {
                *sum += i32::from(sample) * weight;
            }
        }
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = round(sum);
        }
    }
}

/// Fixed point to 8 bits, clipped; half a unit is already in the sum.
#[inline(always)]
fn round(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Pillow's scaling transform: sample positions by repeated addition, cut to integers; outside is 0.
fn nearest<const C: usize>(data: &[u8], size: (u32, u32), region: [f32; 4], out: (u32, u32)) -> Vec<u8> {
    let [left, top, right, bottom] = region;
    let columns = positions(left, right, out.0, size.0);
    let rows = positions(top, bottom, out.1, size.1);
    let stride = C * size.0 as usize;
    let mut sampled = Vec::with_capacity(C * out.0 as usize * out.1 as usize);
    for row in rows {
        for column in &columns {
            match (row, column) {
                (Some(y), Some(x)) => sampled.extend_from_slice(&data[y * stride + C * x..][..C]),
                _ => sampled.extend_from_slice(&[0; C]),
            }
        }
    }
    sampled
}

fn positions(from: f32, to: f32, out: u32, length: u32) -> Vec<Option<usize>> {
    let step = f64::from(to - from) / f64::from(out);
    let mut at = f64::from(from) + step * 0.5;
    let inside = |at: f64| (at >= 0.0 && at < f64::from(length)).then_some(at as usize);
    (0..out)
        .map(|_| {
            let position = inside(at);
            at += step;
            position
        })
        .collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let angle = x * std::f64::consts::PI;
    libm::sin(angle) / angle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_stays_flat() {
        for kernel in Kernel::ALL {
            for (width, height) in [(1, 1), (7, 3), (40, 90)] {
                let image = resize(&Image::from_fn(13, 29, |_, _| [7, 128, 255]), width, height, kernel);
                assert_eq!(image.size(), (width, height));
                assert!(image.data().chunks_exact(3).all(|p| p == [7, 128, 255]), "{kernel:?}");
            }
        }
    }

    #[test]
    fn halving_by_hand() {
        // Box halves by plain averages: (10 + 20) / 2, (30 + 41) / 2 rounded up.
        let line = Image::from_fn(4, 1, |x, _| [[10, 20, 30, 41][x as usize]; 3]);
        let half = resize(&line, 2, 1, Kernel::Box);
        assert_eq!(half.data(), [15, 15, 15, 36, 36, 36]);
        assert_eq!(resize(&line, 2, 1, Kernel::Nearest).data(), [20, 20, 20, 41, 41, 41]);
    }

    #[test]
    fn same_size_is_a_copy_and_a_box_is_not() {
        let image = Image::from_fn(5, 4, |x, y| [(50 * x) as u8, (60 * y) as u8, 9]);
        assert_eq!(resize(&image, 5, 4, Kernel::Bicubic), image);
        let part = resize_box(&image, [1.0, 1.0, 3.0, 3.0], 2, 2, Kernel::Nearest);
        assert_eq!(part, geometry::crop(&image, 1, 1, 2, 2));
    }
}
