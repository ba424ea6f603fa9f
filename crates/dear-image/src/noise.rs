//! Gaussian noise that can be computed for any part of an image alone.

use crate::{Draw, Image};

/// Where noise comes from: a key and a strength. Each row has a stream of its own, so that the noise of a row does not
/// depend on the rows before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Names the field of random numbers.
    pub key: u64,
    /// Variance on the 0 to 255 scale.
    pub variance: f64,
}

impl Noise {
    /// Adds the noise to `image`, whose first pixel is column `left` of row `top` of the picture that the noise
    /// belongs to: per channel, cut to 0..=255 and truncated to 8 bits (albumentations' `GaussNoise`).
    pub fn add(self, image: &Image, left: u32, top: u32) -> Image {
        let mut result = image.clone();
        let stride = 3 * image.width() as usize;
        let deviation = self.variance.max(0.0).sqrt();
        for (y, row) in result.data_mut().chunks_exact_mut(stride).enumerate() {
            let mut draw = Draw::keyed(self.key, &[b"noise", &(u64::from(top) + y as u64).to_le_bytes()]);
            for _ in 0..3 * u64::from(left) {
                draw.normal();
            }
            for value in row {
                *value = add(*value, (deviation * draw.normal()) as f32);
            }
        }
        result
    }
}

/// Adds given noise, one number a sample (`[height][width][3]`), in the same arithmetic.
///
/// # Panics
/// If `noise` does not have one number a sample.
pub fn add_noise(image: &Image, noise: &[f32]) -> Image {
    assert_eq!(image.data().len(), noise.len(), "noise needs one number a sample");
    let mut result = image.clone();
    for (value, &noise) in result.data_mut().iter_mut().zip(noise) {
        *value = add(*value, noise);
    }
    result
}

/// `clip(value + noise, 0, 255)` in float, cut to an integer (a Rust cast does both).
fn add(value: u8, noise: f32) -> u8 {
    (f32::from(value) + noise) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::crop;

    #[test]
    fn a_part_has_the_noise_of_the_whole() {
        let noise = Noise { key: 5, variance: 40.0 };
        let image = Image::from_fn(20, 11, |x, y| [(x * 9) as u8, (y * 20) as u8, 128]);
        let whole = noise.add(&image, 0, 0);
        let part = noise.add(&crop(&image, 3, 4, 10, 5), 3, 4);
        assert_eq!(part, crop(&whole, 3, 4, 10, 5));
        assert_ne!(Noise { key: 6, ..noise }.add(&image, 0, 0), whole);
    }

    #[test]
    fn strength_is_a_variance_and_truncation_pulls_down_by_half() {
        let image = Image::from_fn(200, 200, |_, _| [128; 3]);
        let noisy = Noise { key: 1, variance: 50.0 }.add(&image, 0, 0);
        let values: Vec<f64> = noisy.data().iter().map(|&v| f64::from(v) - 128.0).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        // Truncation shifts by -1/2 and adds 1/12; 120,000 samples: five standard errors are 0.10 and 1.02.
        assert!((mean + 0.5).abs() < 0.10, "{mean}");
        assert!((variance - 50.0 - 1.0 / 12.0).abs() < 1.02, "{variance}");
    }
}
