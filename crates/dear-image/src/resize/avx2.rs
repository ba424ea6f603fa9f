//! The passes for processors with AVX2; the slow twin is `passes.rs`, and both give the same bytes.
//!
//! The processor multiplies 16-bit numbers and adds them in pairs to 32 bits, exactly (`madd`), so two taps cost one
//! instruction. A weight of 22 fraction bits is split for that into 15 low bits (not negative) and the rest:
//! `weight = high * 2^15 + low`. Both sums wrap like the whole one, so joining them at the end is exact.

use super::taps::{HALF, PRECISION, Taps};
use crate::simd::Avx2;
use std::arch::x86_64::*;
use std::ops::Range;

/// Low bits of a split weight.
const LOW_BITS: i32 = 15;

/// Four taps: the low halves of taps 0 and 1, of taps 2 and 3, then their high halves. A pair fills 32 bits.
type Quad = [i32; 4];

/// Where the inputs of each output start, how many they are, and their weights: `stride` quads each, filled up with
/// zeros.
pub(super) struct Quads {
    starts: Vec<(usize, usize)>,
    quads: Vec<Quad>,
    stride: usize,
    _level: Avx2,
}

impl Quads {
    /// The vertical pass makes so many columns at once: it needs rows of at least so many bytes.
    pub(super) const COLUMNS: usize = 32;

    pub(super) fn new(taps: &Taps, level: Avx2) -> Quads {
        let stride = taps.width().div_ceil(4);
        let mut quads = vec![[0; 4]; stride * taps.len()];
        let mut starts = Vec::with_capacity(taps.len());
        for ((start, weights), quads) in taps.iter(0..taps.len()).zip(quads.chunks_exact_mut(stride)) {
            starts.push((start, weights.len()));
            for (quad, weights) in quads.iter_mut().zip(weights.chunks(4)) {
                let at = |index: usize| weights.get(index).copied().unwrap_or(0);
                let pair = |a: i32, b: i32| (a & 0xffff) | (b << 16);
                let low = |index| at(index) & ((1 << LOW_BITS) - 1);
                let high = |index| at(index) >> LOW_BITS;
                *quad = [
                    pair(low(0), low(1)),
                    pair(low(2), low(3)),
                    pair(high(0), high(1)),
                    pair(high(2), high(3)),
                ];
            }
        }
        Quads { starts, quads, stride, _level: level }
    }

    /// See `Pass::horizontal`; `C` is 1, 3 or 4.
    pub(super) fn horizontal<const C: usize>(
        &self,
        pixels: &[u8],
        width: usize,
        rows: usize,
        out: &mut [u8],
    ) {
        if C == 1 {
            // Four rows of one channel are one row of four.
            let (stride, out_stride) = (16 * width, 16 * self.starts.len());
            let mut lanes = vec![0; stride];
            let mut results = vec![0; out_stride];
            for (rows, out) in pixels[..rows * width].chunks(stride).zip(out.chunks_mut(out_stride)) {
                interleave(rows, width, &mut lanes);
                // SAFETY: `_level` is proof of AVX2.
                unsafe { horizontal_rows::<4>(self, &lanes, width, 4, &mut results) };
                deinterleave(&results, self.starts.len(), out);
            }
        } else {
            // SAFETY: `_level` is proof of AVX2.
            unsafe { horizontal_rows::<C>(self, pixels, width, rows, out) }
        }
    }

    /// See `Pass::vertical`; `stride` is at least [`Quads::COLUMNS`].
    pub(super) fn vertical(
        &self,
        outputs: Range<usize>,
        pixels: &[u8],
        stride: usize,
        first: usize,
        out: &mut [u8],
    ) {
        // SAFETY: `_level` is proof of AVX2.
        unsafe { vertical_rows(self, outputs, pixels, stride, first, out) }
    }

    /// Start, number and weights of `outputs`, in order.
    fn iter(&self, outputs: Range<usize>) -> impl Iterator<Item = (usize, usize, &[Quad])> {
        let quads = self.quads[outputs.start * self.stride..].chunks_exact(self.stride);
        self.starts[outputs].iter().zip(quads).map(|(&(start, count), quads)| (start, count, quads))
    }

    fn all(&self) -> impl Iterator<Item = (usize, usize, &[Quad])> {
        self.iter(0..self.starts.len())
    }
}

/// Sixteen rows (or fewer) of `width` bytes to four rows of `width` pixels of four bytes.
fn interleave(rows: &[u8], width: usize, lanes: &mut [u8]) {
    for (index, row) in rows.chunks_exact(width).enumerate() {
        let lanes = &mut lanes[index / 4 * 4 * width..][..4 * width];
        for (pixel, &sample) in lanes.chunks_exact_mut(4).zip(row) {
            pixel[index % 4] = sample;
        }
    }
}

/// The way back.
fn deinterleave(lanes: &[u8], width: usize, rows: &mut [u8]) {
    for (index, row) in rows.chunks_exact_mut(width).enumerate() {
        let lanes = &lanes[index / 4 * 4 * width..][..4 * width];
        for (sample, pixel) in row.iter_mut().zip(lanes.chunks_exact(4)) {
            *sample = pixel[index % 4];
        }
    }
}

#[target_feature(enable = "avx2")]
fn horizontal_rows<const C: usize>(quads: &Quads, pixels: &[u8], width: usize, rows: usize, out: &mut [u8]) {
    let (stride, out_stride) = (C * width, C * quads.starts.len());
    // Whole registers are read: up to here from the start of a row. Where that would leave `pixels`, rows are copied.
    let reach = quads.all().map(|(start, count, _)| C * (start + count.next_multiple_of(4)) + 4).max();
    let reach = reach.unwrap_or(0).max(stride);
    let direct = if pixels.len() < reach { 0 } else { ((pixels.len() - reach) / stride + 1).min(rows) };
    let (head, tail) = out.split_at_mut(direct * out_stride);
    horizontal_blocks::<C>(quads, pixels, stride, reach, head);
    if direct < rows {
        let mut copy = pixels[direct * stride..rows * stride].to_vec();
        copy.resize(copy.len() + reach, 0);
        horizontal_blocks::<C>(quads, &copy, stride, reach, tail);
    }
}

/// Rows by fours, then one by one; from the start of each, `reach` bytes can be read.
#[target_feature(enable = "avx2")]
fn horizontal_blocks<const C: usize>(
    quads: &Quads,
    pixels: &[u8],
    stride: usize,
    reach: usize,
    out: &mut [u8],
) {
    let out_stride = C * quads.starts.len();
    let row = |index: usize| &pixels[index * stride..][..reach];
    let mut done = 0;
    let mut blocks = out.chunks_exact_mut(4 * out_stride);
    for out in &mut blocks {
        let rows = [row(done), row(done + 1), row(done + 2), row(done + 3)];
        horizontal_block::<C, 4>(quads, rows, out);
        done += 4;
    }
    for out in blocks.into_remainder().chunks_exact_mut(out_stride) {
        horizontal_block::<C, 1>(quads, [row(done)], out);
        done += 1;
    }
}

/// `R` rows at once, which share the weights. A register holds four taps: the pairs 0, 1 and 2, 3, four channels each.
#[target_feature(enable = "avx2")]
#[inline]
fn horizontal_block<const C: usize, const R: usize>(quads: &Quads, rows: [&[u8]; R], out: &mut [u8]) {
    let spread = if C == 3 {
        _mm256_setr_epi8(
            0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
            6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1,
        )
    } else {
        _mm256_setr_epi8(
            0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1, //
            8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1,
        )
    };
    let (low_at, high_at) =
        (_mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1), _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3));
    let out_stride = C * quads.starts.len();
    for (index, (start, count, quads)) in quads.all().enumerate() {
        let mut low_sums = [_mm256_setzero_si256(); R];
        let mut high_sums = [_mm256_setzero_si256(); R];
        for (group, quad) in quads[..count.div_ceil(4)].iter().enumerate() {
            let quad = _mm256_castsi128_si256(load_quad(quad));
            let low = _mm256_permutevar8x32_epi32(quad, low_at);
            let high = _mm256_permutevar8x32_epi32(quad, high_at);
            for ((row, low_sum), high_sum) in rows.iter().zip(&mut low_sums).zip(&mut high_sums) {
                let four = _mm256_broadcastsi128_si256(load_16(&row[C * (start + 4 * group)..]));
                let four = _mm256_shuffle_epi8(four, spread);
                *low_sum = _mm256_add_epi32(*low_sum, _mm256_madd_epi16(four, low));
                *high_sum = _mm256_add_epi32(*high_sum, _mm256_madd_epi16(four, high));
            }
        }
        for (row, (&low, &high)) in low_sums.iter().zip(&high_sums).enumerate() {
            let both = join(low, high);
            let sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
            let sum = _mm_srai_epi32::<{ PRECISION as i32 }>(_mm_add_epi32(sum, _mm_set1_epi32(HALF)));
            let words = _mm_packs_epi32(sum, sum);
            let pixel = _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_le_bytes();
            out[row * out_stride + C * index..][..C].copy_from_slice(&pixel[..C]);
        }
    }
}

#[target_feature(enable = "avx2")]
fn vertical_rows(
    quads: &Quads,
    outputs: Range<usize>,
    pixels: &[u8],
    stride: usize,
    first: usize,
    out: &mut [u8],
) {
    for ((start, count, quads), out) in quads.iter(outputs).zip(out.chunks_exact_mut(stride)) {
        let rows = &pixels[(start - first) * stride..][..count * stride];
        for tile in 0..stride.div_ceil(Quads::COLUMNS) {
            // The last one overlaps its neighbour.
            let column = (tile * Quads::COLUMNS).min(stride - Quads::COLUMNS);
            store_32(&mut out[column..], vertical_tile(&rows[column..], stride, count, quads));
        }
    }
}

/// 32 columns of bytes: `count` rows, by pairs.
#[target_feature(enable = "avx2")]
#[inline]
fn vertical_tile(rows: &[u8], stride: usize, count: usize, quads: &[Quad]) -> __m256i {
    let zero = _mm256_setzero_si256();
    let mut low_sums = [zero; 4];
    let mut high_sums = [zero; 4];
    for pair in 0..count.div_ceil(2) {
        let quad = quads[pair / 2];
        let low = _mm256_set1_epi32(quad[pair % 2]);
        let high = _mm256_set1_epi32(quad[2 + pair % 2]);
        let upper = load_32(&rows[2 * pair * stride..]);
        // An odd row has a partner of weight 0.
        let lower = if 2 * pair + 1 < count { load_32(&rows[(2 * pair + 1) * stride..]) } else { zero };
        let (left, right) = (_mm256_unpacklo_epi8(upper, lower), _mm256_unpackhi_epi8(upper, lower));
        let samples = [
            _mm256_unpacklo_epi8(left, zero),
            _mm256_unpackhi_epi8(left, zero),
            _mm256_unpacklo_epi8(right, zero),
            _mm256_unpackhi_epi8(right, zero),
        ];
        for ((sample, low_sum), high_sum) in samples.iter().zip(&mut low_sums).zip(&mut high_sums) {
            *low_sum = _mm256_add_epi32(*low_sum, _mm256_madd_epi16(*sample, low));
            *high_sum = _mm256_add_epi32(*high_sum, _mm256_madd_epi16(*sample, high));
        }
    }
    let half = _mm256_set1_epi32(HALF);
    let mut whole = [zero; 4];
    for (whole, (&low, &high)) in whole.iter_mut().zip(low_sums.iter().zip(&high_sums)) {
        *whole = _mm256_srai_epi32::<{ PRECISION as i32 }>(_mm256_add_epi32(join(low, high), half));
    }
    // Packing saturates, which is the clip to 0..=255, and undoes the order of the unpacking.
    _mm256_packus_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]))
}

/// `high * 2^15 + low`, wrapping.
#[target_feature(enable = "avx2")]
#[inline]
fn join(low: __m256i, high: __m256i) -> __m256i {
    _mm256_add_epi32(low, _mm256_slli_epi32::<LOW_BITS>(high))
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_quad(quad: &Quad) -> __m128i {
    // SAFETY: a quad is 16 readable bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(quad.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_16(bytes: &[u8]) -> __m128i {
    let bytes = &bytes[..16];
    // SAFETY: 16 readable bytes, as the line above checked; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_32(bytes: &[u8]) -> __m256i {
    let bytes = &bytes[..32];
    // SAFETY: 32 readable bytes, as the line above checked; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_32(bytes: &mut [u8], value: __m256i) {
    let bytes = &mut bytes[..32];
    // SAFETY: 32 writable bytes, as the line above checked; the store needs no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), value) }
}
