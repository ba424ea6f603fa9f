//! torchvision's `adjust_gamma` on a Pillow image, byte for byte.

use crate::Image;

/// `v -> int((256 - 1/1000) * (v / 255)^exponent)` for each sample, in double precision. An exponent above 1 darkens.
///
/// # Panics
/// If the exponent is negative or not finite.
pub fn gamma(image: &Image, exponent: f64) -> Image {
    assert!(exponent.is_finite() && exponent >= 0.0, "a gamma of {exponent}");
    let table: [u8; 256] =
        std::array::from_fn(|v| ((256.0 - 1e-3) * libm::pow(v as f64 / 255.0, exponent)) as u8);
    let mut result = image.clone();
    for value in result.data_mut() {
        *value = table[usize::from(*value)];
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_keeps_and_ends_stay() {
        let ramp = Image::from_fn(256, 1, |x, _| [x as u8; 3]);
        assert_eq!(gamma(&ramp, 1.0), ramp);
        let darker = gamma(&ramp, 2.2);
        assert_eq!((darker.pixel(0, 0)[0], darker.pixel(255, 0)[0]), (0, 255));
        assert!(darker.pixel(128, 0)[0] < 128);
    }
}
