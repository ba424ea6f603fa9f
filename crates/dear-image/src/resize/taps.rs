//! Which input samples an output sample is made of, and with which fixed-point weights.

use super::Kernel;
use std::ops::Range;

/// Fraction bits of a weight: 8-bit samples, and a sum that stays within 32 bits.
pub(super) const PRECISION: u32 = 32 - 8 - 2;

/// What a sum starts with: half a unit, so that the final shift rounds.
pub(super) const HALF: i32 = 1 << (PRECISION - 1);

/// For each output sample: where its inputs start, and their weights.
pub(super) struct Taps {
    starts: Vec<usize>,
    counts: Vec<usize>,
    weights: Vec<i32>,
    width: usize,
}

impl Taps {
    /// `from..to` of a line of `length` samples becomes `out` samples.
    pub(super) fn new(length: u32, (from, to): (f32, f32), out: u32, kernel: Kernel) -> Taps {
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

    /// How many outputs.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Most inputs that an output may have.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// First and one past the last input sample that any of `outputs` reads.
    pub(super) fn span(&self, outputs: Range<usize>) -> (usize, usize) {
        let last = outputs.end - 1;
        (self.starts[outputs.start], self.starts[last] + self.counts[last])
    }

    /// Start and weights of `outputs`, in order.
    pub(super) fn iter(&self, outputs: Range<usize>) -> impl Iterator<Item = (usize, &[i32])> {
        outputs.map(|index| {
            let weights = &self.weights[index * self.width..][..self.counts[index]];
            (self.starts[index], weights)
        })
    }
}

/// Fixed point to 8 bits, clipped; half a unit is already in the sum.
pub(super) fn round(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}
