//! Salt-and-pepper noise that can be computed for any row alone.

use crate::{Draw, Image};

/// Which pixels turn white or black: a key and two shares. Each row has a stream of its own, one number a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impulse {
    /// Names the field of random numbers.
    pub key: u64,
    /// Share of pixels that change, 0 to 1.
    pub amount: f64,
    /// Share of those that turn white; the others turn black. 0 to 1.
    pub salt: f64,
}

impl Impulse {
    /// Sets whole pixels (all channels) to 255 or 0. A pixel's number `u` in `0..1` is drawn in order of columns from the
    /// stream `(key, "impulse", row)`: white where `u < amount * salt`, black where it is not and `u < amount`.
    pub fn apply(self, image: &Image) -> Image {
        let mut result = image.clone();
        let white = self.amount * self.salt;
        let stride = 3 * image.width() as usize;
        for (y, row) in result.data_mut().chunks_exact_mut(stride).enumerate() {
            let mut draw = Draw::keyed(self.key, &[b"impulse", &(y as u64).to_le_bytes()]);
            for pixel in row.chunks_exact_mut(3) {
                let u = draw.uniform(0.0, 1.0);
                if u < self.amount {
                    pixel.fill(if u < white { 255 } else { 0 });
                }
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_as_asked() {
        let gray = Image::from_fn(400, 250, |_, _| [77; 3]);
        for (amount, salt) in [(0.1, 0.5), (0.03, 0.2), (0.5, 1.0), (0.0, 0.5), (1.0, 0.0)] {
            let noisy = Impulse { key: 5, amount, salt }.apply(&gray);
            let count = |value: u8| noisy.data().chunks_exact(3).filter(|p| *p == [value; 3]).count() as f64;
            let n = 100_000.0;
            // Five standard errors of a share of n independent pixels.
            for (found, share) in [(count(255), amount * salt), (count(0), amount * (1.0 - salt))] {
                let error: f64 = (n * share * (1.0 - share)).sqrt();
                assert!((found - n * share).abs() <= 5.0 * error, "{amount} {salt}: {found}");
            }
            assert_eq!(count(255) + count(0) + count(77), n);
        }
    }
}
