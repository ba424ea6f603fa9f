//! The two passes: every row, then every column, each rounding to 8 bits.

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::taps::{HALF, Taps, round};
use crate::simd::Avx2;

/// Columns that the vertical pass sums at once: few enough for their sums to stay in registers.
const TILE: usize = 32;

/// Resamples each of the rows of `pixels` (`[rows][width][C]`) to `taps.len()` pixels.
pub(super) fn horizontal<const C: usize>(
    pixels: &[u8],
    width: usize,
    taps: &Taps,
    level: Option<Avx2>,
) -> Vec<u8> {
    let rows = pixels.len() / (C * width);
    let mut out = vec![0; C * taps.len() * rows];
    #[cfg(target_arch = "x86_64")]
    if let Some(level) = level {
        avx2::horizontal::<C>(level, pixels, width, taps, &mut out);
        return out;
    }
    let _ = level;
    for (row, out) in pixels.chunks_exact(C * width).zip(out.chunks_exact_mut(C * taps.len())) {
        for ((start, weights), out) in taps.iter().zip(out.chunks_exact_mut(C)) {
            let mut sums = [HALF; C];
            for (pixel, &weight) in row[C * start..].chunks_exact(C).zip(weights) {
                for (sum, &sample) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(sample) * weight;
                }
            }
            out.copy_from_slice(&sums.map(round));
        }
    }
    out
}

/// Resamples each column of bytes to `taps.len()` rows of `stride` bytes; row 0 of `pixels` is row `first` of the line
/// that `taps` was made for.
pub(super) fn vertical(
    pixels: &[u8],
    stride: usize,
    taps: &Taps,
    first: usize,
    level: Option<Avx2>,
) -> Vec<u8> {
    let mut out = vec![0; stride * taps.len()];
    #[cfg(target_arch = "x86_64")]
    if let Some(level) = level.filter(|_| stride >= avx2::COLUMNS) {
        avx2::vertical(level, pixels, stride, taps, first, &mut out);
        return out;
    }
    let _ = level;
    for ((start, weights), out) in taps.iter().zip(out.chunks_exact_mut(stride)) {
        let rows = &pixels[(start - first) * stride..];
        for (tile, out) in out.chunks_mut(TILE).enumerate() {
            let mut sums = [HALF; TILE];
            for (row, &weight) in rows.chunks_exact(stride).zip(weights) {
                for (sum, &sample) in sums.iter_mut().zip(&row[TILE * tile..][..out.len()]) {
                    *sum += i32::from(sample) * weight;
                }
            }
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = round(sum);
            }
        }
    }
    out
}
