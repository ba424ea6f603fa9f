//! The two passes: every row, then every column, each rounding to 8 bits.

#[cfg(target_arch = "x86_64")]
use super::avx2::Quads;
use super::taps::{HALF, Taps, round};
use crate::simd::Avx2;
use std::ops::Range;

/// Columns that are summed at once: few enough for their sums to stay in registers.
const TILE: usize = 32;

/// Rows of the result that are made at once when both passes run, so that what lies between stays in the cache.
const STRIP: usize = 16;

/// One direction of a resize.
pub(super) struct Pass {
    taps: Taps,
    #[cfg(target_arch = "x86_64")]
    quads: Option<Quads>,
}

impl Pass {
    /// With these weights, for the processor that `level` says.
    pub(super) fn new(taps: Taps, level: Option<Avx2>) -> Pass {
        #[cfg(target_arch = "x86_64")]
        return Pass { quads: level.map(|level| Quads::new(&taps, level)), taps };
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = level;
            Pass { taps }
        }
    }

    /// Resamples the first `rows` rows of `pixels` (`[any][width][C]`).
    pub(super) fn horizontal<const C: usize>(
        &self,
        pixels: &[u8],
        width: usize,
        rows: usize,
        out: &mut [u8],
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Some(quads) = &self.quads {
            return quads.horizontal::<C>(pixels, width, rows, out);
        }
        let outs = out.chunks_exact_mut(C * self.taps.len());
        for (row, out) in pixels.chunks_exact(C * width).take(rows).zip(outs) {
            for ((start, weights), out) in self.taps.iter(0..self.taps.len()).zip(out.chunks_exact_mut(C)) {
                let mut sums = [HALF; C];
                for (pixel, &weight) in row[C * start..].chunks_exact(C).zip(weights) {
                    for (sum, &sample) in sums.iter_mut().zip(pixel) {
                        *sum += i32::from(sample) * weight;
                    }
                }
                out.copy_from_slice(&sums.map(round));
            }
        }
    }

    /// The rows `outputs` of the result, from rows of `stride` bytes; row 0 of `pixels` is row `first` of the line that
    /// the weights were made for.
    pub(super) fn vertical(
        &self,
        outputs: Range<usize>,
        pixels: &[u8],
        stride: usize,
        first: usize,
        out: &mut [u8],
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Some(quads) = self.quads.as_ref().filter(|_| stride >= Quads::COLUMNS) {
            return quads.vertical(outputs, pixels, stride, first, out);
        }
        for ((start, weights), out) in self.taps.iter(outputs).zip(out.chunks_exact_mut(stride)) {
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
    }

    /// All rows of `pixels`.
    pub(super) fn whole_horizontal<const C: usize>(&self, pixels: &[u8], width: usize) -> Vec<u8> {
        let rows = pixels.len() / (C * width);
        let mut out = vec![0; C * self.taps.len() * rows];
        self.horizontal::<C>(pixels, width, rows, &mut out);
        out
    }

    /// All columns of `pixels`.
    pub(super) fn whole_vertical(&self, pixels: &[u8], stride: usize) -> Vec<u8> {
        let mut out = vec![0; stride * self.taps.len()];
        self.vertical(0..self.taps.len(), pixels, stride, 0, &mut out);
        out
    }
}

/// Both passes over `pixels` (`[height][width][C]`), after `prepare` on (a copy of) each row that is read.
pub(super) fn both<const C: usize>(
    pixels: &[u8],
    width: usize,
    columns: &Pass,
    rows: &Pass,
    prepare: Option<fn(&mut [u8])>,
) -> Vec<u8> {
    let (stride, from_stride) = (C * columns.taps.len(), C * width);
    let (first, last) = rows.taps.span(0..rows.taps.len());
    let mut out = vec![0; stride * rows.taps.len()];
    // The rows `base..end` after the first pass.
    let mut narrow = Vec::new();
    let (mut base, mut end) = (first, first);
    let mut prepared = Vec::new();
    for (strip, out) in out.chunks_mut(STRIP * stride).enumerate() {
        let outputs = strip * STRIP..strip * STRIP + out.len() / stride;
        let (from, to) = rows.taps.span(outputs.clone());
        narrow.drain(..(from.min(end) - base) * stride);
        (base, end) = (from, end.max(from));
        // Whole blocks of the first pass, though it is ahead then.
        let ahead = (end + to.saturating_sub(end).next_multiple_of(STRIP)).min(last);
        narrow.resize((ahead - base) * stride, 0);
        let read = match prepare {
            None => &pixels[end * from_stride..],
            Some(prepare) => {
                prepared.clear();
                prepared.extend_from_slice(&pixels[end * from_stride..ahead * from_stride]);
                prepare(&mut prepared);
                prepared.as_slice()
            }
        };
        columns.horizontal::<C>(read, width, ahead - end, &mut narrow[(end - base) * stride..]);
        end = ahead;
        rows.vertical(outputs, &narrow, stride, base, out);
    }
    out
}
