//! What survives re-encoding and resizing: 64 bits of the lowest frequencies, and a thumbnail to check a match with.

use dear_image::{Image, Kernel, resize};

/// A picture's fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fingerprint {
    /// Signs of 64 low frequencies against their median (pHash: Zauner, "Implementation and benchmarking of perceptual
    /// image hash functions", 2010, 3.2.1: frequencies 1 to 8 each way of a 32 x 32 DCT).
    pub(super) bits: u64,
    /// 16 x 16 luma of mean 0 and length 1.
    thumbnail: Box<[f32; 256]>,
}

/// Luma of a thumbnail must vary by this standard deviation (in levels): bits of a flat image are rounding noise, and
/// all black images would be each other's duplicates.
const LEAST_DEVIATION: f64 = 2.0;
/// Two thumbnails of one picture correlate at least this much; strangers whose bits happen to agree do not.
const LEAST_CORRELATION: f32 = 0.98;
/// Side of the picture that the DCT sees.
const SIDE: usize = 32;

impl Fingerprint {
    /// `None` for a flat image.
    pub(super) fn of(image: &Image) -> Option<Self> {
        let small = resize(image, SIDE as u32, SIDE as u32, Kernel::Bilinear).luma();
        let mut thumbnail = Box::new([0f32; 256]);
        for (at, value) in thumbnail.iter_mut().enumerate() {
            let (x, y) = (at % 16, at / 16);
            let four = [0, 1, SIDE, SIDE + 1].map(|step| f32::from(small[2 * y * SIDE + 2 * x + step]));
            *value = four.iter().sum::<f32>() / 4.0;
        }
        let mean = thumbnail.iter().sum::<f32>() / 256.0;
        let length = thumbnail.iter().map(|value| (value - mean).powi(2)).sum::<f32>().sqrt();
        if f64::from(length) < LEAST_DEVIATION * 16.0 {
            return None;
        }
        for value in thumbnail.iter_mut() {
            *value = (*value - mean) / length;
        }
        Some(Self { bits: low_frequencies(&small), thumbnail })
    }

    /// The same thumbnail under other bits.
    #[cfg(test)]
    pub(super) fn with_bits(&self, bits: u64) -> Self {
        Self { bits, ..self.clone() }
    }

    /// Whether both thumbnails show the same.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let correlation: f32 = self.thumbnail.iter().zip(other.thumbnail.iter()).map(|(a, b)| a * b).sum();
        correlation >= LEAST_CORRELATION
    }
}

fn low_frequencies(small: &[u8]) -> u64 {
    let cosine =
        |u: usize, x: usize| (std::f64::consts::PI * (2 * x + 1) as f64 * u as f64 / (2 * SIDE) as f64).cos();
    let mut half = [[0f64; 8]; SIDE];
    for (y, half) in half.iter_mut().enumerate() {
        for (u, out) in half.iter_mut().enumerate() {
            *out = (0..SIDE).map(|x| f64::from(small[y * SIDE + x]) * cosine(u + 1, x)).sum();
        }
    }
    let mut coefficients = [0f64; 64];
    for (at, out) in coefficients.iter_mut().enumerate() {
        *out = (0..SIDE).map(|y| half[y][at % 8] * cosine(at / 8 + 1, y)).sum();
    }
    let mut sorted = coefficients;
    sorted.sort_unstable_by(f64::total_cmp);
    let median = (sorted[31] + sorted[32]) / 2.0;
    coefficients.iter().enumerate().fold(0, |bits, (at, &value)| bits | u64::from(value > median) << at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dear_image::{Chain, Draw};

    /// Blobs, different for each seed.
    fn picture(seed: u64) -> Image {
        let mut draw = Draw::keyed(seed, &[b"picture"]);
        let coarse = Image::from_fn(24, 18, |_, _| std::array::from_fn(|_| draw.below(256) as u8));
        resize(&coarse, 280, 200, Kernel::Bicubic)
    }

    #[test]
    fn a_picture_is_known_again_after_recompression_and_resizing() {
        for seed in 0..20 {
            let image = picture(seed);
            let own = Fingerprint::of(&image).unwrap();
            for chain in
                ["jpeg(60)", "webp(50)", "resize(0.5)", "resize(1.7, lanczos) | jpeg(80)", "brightness(0.9)"]
            {
                let changed = Chain::parse(chain).unwrap().apply(&image, 0, b"").unwrap().image;
                let other = Fingerprint::of(&changed).unwrap();
                let distance = (own.bits ^ other.bits).count_ones();
                assert!(distance <= 4 && own.agrees(&other), "{chain} of {seed}: {distance}");
            }
            let stranger = Fingerprint::of(&picture(seed + 100)).unwrap();
            assert!((own.bits ^ stranger.bits).count_ones() > 8 && !own.agrees(&stranger));
        }
    }

    #[test]
    fn flat_images_have_none() {
        for level in [0, 128, 255] {
            assert_eq!(Fingerprint::of(&Image::from_fn(64, 64, |_, _| [level; 3])), None);
            assert_eq!(
                Fingerprint::of(&Image::from_fn(64, 64, |x, y| [level.max(1) - ((x + y) % 2) as u8; 3])),
                None
            );
        }
    }
}
