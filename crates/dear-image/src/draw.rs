//! Keyed randomness: what is drawn depends on what it is drawn for, never on order, threads or a library's version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use std::ops::RangeInclusive;

/// A stream of numbers that belongs to one key.
///
/// The key is hashed (SHA-256) into the seed of a ChaCha8 stream; every distribution is computed here, with
/// operations that IEEE 754 rounds the same way everywhere, so a seed gives the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Draw {
    stream: ChaCha8Rng,
    spare: Option<f64>,
}

impl Draw {
    /// The stream of a key: a seed, and parts such as a content hash, a view and a step. Each part's length counts,
    /// so `["ab", "c"]` and `["a", "bc"]` are different keys.
    pub fn keyed(seed: u64, parts: &[&[u8]]) -> Draw {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Draw { stream: ChaCha8Rng::from_seed(hash.finalize().into()), spare: None }
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// Uniform in `lo..hi` (53 bits of it); `lo` where both are equal. `hi < lo` runs downwards, as Python's does.
    pub fn uniform(&mut self, lo: f64, hi: f64) -> f64 {
        let unit = (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        lo + (hi - lo) * unit
    }

    /// Uniform in `0..n`; 0 where `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // Values under `uneven` would make the first residues likelier (2^64 is rarely a multiple of n).
        let uneven = n.wrapping_neg() % n;
        loop {
            let value = self.next_u64();
            if value >= uneven {
                return value % n;
            }
        }
    }

    /// A uniform integer of `range`, both ends included; its start where the range is empty.
    pub fn int(&mut self, range: RangeInclusive<i64>) -> i64 {
        let (lo, hi) = range.into_inner();
        if hi <= lo {
            return lo;
        }
        match (hi.wrapping_sub(lo) as u64).checked_add(1) {
            Some(count) => lo.wrapping_add(self.below(count) as i64),
            None => self.next_u64() as i64,
        }
    }

    /// True with probability `p` (never at 0, always at 1). One draw, whatever `p` is.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform(0.0, 1.0) < p
    }

    /// A standard normal number (Marsaglia's polar method).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (self.uniform(-1.0, 1.0), self.uniform(-1.0, 1.0));
            let square = u * u + v * v;
            if square > 0.0 && square < 1.0 {
                let scale = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(v * scale);
                return u * scale;
            }
        }
    }

    /// Puts `items` into a uniformly random order (Fisher and Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // Printed by `oracle/image_draw.py`: SHA-256 and ChaCha8 from their definitions.
        let mut draw = Draw::keyed(7, &[b"image", b"step"]);
        let numbers: Vec<u64> = (0..40).map(|_| draw.next_u64()).collect();
        assert_eq!(numbers[..2], [17_490_293_790_794_674_090, 3_012_792_367_130_507_560]);
        assert_eq!(numbers[39], 1_967_643_403_011_614_084);
        let unit = Draw::keyed(7, &[b"image", b"step"]).uniform(0.0, 1.0);
        assert_eq!(unit, (numbers[0] >> 11) as f64 / 9_007_199_254_740_992.0);
    }

    #[test]
    fn keys_with_the_same_bytes_differ() {
        let first = |parts: &[&[u8]]| Draw::keyed(1, parts).next_u64();
        let values = [first(&[b"ab", b"c"]), first(&[b"a", b"bc"]), first(&[b"abc"]), first(&[b"abc", b""])];
        assert!((0..4).all(|i| (0..i).all(|j| values[i] != values[j])));
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut draw = Draw::keyed(3, &[]);
        let n = 200_000;
        let normals: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let variance = normals.iter().map(|v| v * v).sum::<f64>() / n as f64;
        let fourth = normals.iter().map(|v| v.powi(4)).sum::<f64>() / n as f64;
        // Five standard errors: 1/sqrt(n), sqrt(2/n), sqrt(96/n).
        assert!(mean.abs() < 0.0112 && (variance - 1.0).abs() < 0.0158 && (fourth - 3.0).abs() < 0.11);

        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[draw.int(-2..=3).wrapping_add(2) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count.abs_diff(10_000) < 460), "{seen:?}");
        assert_eq!(draw.int(5..=5), 5);
        assert!(!draw.chance(0.0) && draw.chance(1.0));
        assert!((0..1000).all(|_| (2.0..2.5).contains(&draw.uniform(2.0, 2.5))));
        let down = draw.uniform(1.0, 0.5);
        assert!(down > 0.5 && down <= 1.0);
        draw.int(i64::MIN..=i64::MAX);
    }

    #[test]
    fn shuffle_reaches_every_order_equally() {
        let mut draw = Draw::keyed(4, &[]);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            draw.shuffle(&mut items);
            *seen.entry(items).or_insert(0u32) += 1;
        }
        assert_eq!(seen.len(), 24);
        assert!(seen.values().all(|&count| count.abs_diff(1000) < 160), "{seen:?}");
    }
}
