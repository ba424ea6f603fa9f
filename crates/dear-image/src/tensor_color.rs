//! torchvision's colour functions on 8-bit tensors, which are not its functions on Pillow images (`enhance.rs`): other
//! luma weights, single precision, cut to 8 bits.

use crate::Image;

/// `adjust_brightness` of a `uint8` tensor.
pub fn tensor_brightness(image: &Image, factor: f64) -> Image {
    map(image, |pixel| pixel.map(|v| blend(v, 0.0, factor)))
}

/// `adjust_contrast` of a `uint8` tensor: around the mean of [`tensor_grayscale`].
///
/// The mean is exact here; torch adds in single precision, where sums above 2^24 (65,794 white pixels) are rounded in an
/// order of its own, so a large image may differ by one level where a value falls next to an integer.
pub fn tensor_contrast(image: &Image, factor: f64) -> Image {
    let sum: u64 = image.data().chunks_exact(3).map(|p| u64::from(gray([p[0], p[1], p[2]]))).sum();
    let pixels = u64::from(image.width()) * u64::from(image.height());
    let mean = sum as f32 / pixels as f32;
    map(image, |pixel| pixel.map(|v| blend(v, mean, factor)))
}

/// `adjust_saturation` of a `uint8` tensor: towards or away from [`tensor_grayscale`].
pub fn tensor_saturation(image: &Image, factor: f64) -> Image {
    map(image, |pixel| {
        let gray = f32::from(gray(pixel));
        pixel.map(|v| blend(v, gray, factor))
    })
}

/// `rgb_to_grayscale` of a `uint8` tensor, in three channels.
pub fn tensor_grayscale(image: &Image) -> Image {
    map(image, |pixel| [gray(pixel); 3])
}

/// `adjust_hue` of a `uint8` tensor; `turn` in -0.5..=0.5.
pub fn tensor_hue(image: &Image, turn: f64) -> Image {
    map(image, |pixel| {
        let [h, s, v] = to_hsv(pixel.map(|v| f32::from(v) / 255.0));
        let turned = (h + turn as f32) % 1.0;
        from_hsv([if turned < 0.0 { turned + 1.0 } else { turned }, s, v]).map(byte)
    })
}

/// `adjust_gamma` of a `uint8` tensor.
///
/// # Panics
/// If the exponent is negative or not finite.
pub fn tensor_gamma(image: &Image, exponent: f64) -> Image {
    assert!(exponent.is_finite() && exponent >= 0.0, "a gamma of {exponent}");
    let power = |v: usize| libm::powf(v as f32 / 255.0, exponent as f32).clamp(0.0, 1.0);
    let table: [u8; 256] = std::array::from_fn(|v| byte(power(v)));
    map(image, |pixel| pixel.map(|v| table[usize::from(v)]))
}

/// `factor * value + (1 - factor) * other`, clipped and cut.
#[inline(always)]
fn blend(value: u8, other: f32, factor: f64) -> u8 {
    (factor as f32 * f32::from(value) + (1.0 - factor) as f32 * other) as u8
}

#[inline(always)]
fn gray([r, g, b]: [u8; 3]) -> u8 {
    (0.2989 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)) as u8
}

/// `convert_image_dtype` of 0..=1 to 8 bits.
#[inline(always)]
fn byte(value: f32) -> u8 {
    (value * 255.999) as u8
}

#[inline(always)]
fn to_hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    if high == low {
        return [0.0, 0.0, high];
    }
    let range = high - low;
    let [r_share, g_share, b_share] = [r, g, b].map(|v| (high - v) / range);
    let sector = if high == r {
        b_share - g_share
    } else if high == g {
        2.0 + r_share - b_share
    } else {
        4.0 + g_share - r_share
    };
    [(sector / 6.0 + 1.0) % 1.0, range / high, high]
}

#[inline(always)]
fn from_hsv([h, s, v]: [f32; 3]) -> [f32; 3] {
    let sector = (h * 6.0).floor();
    let rest = h * 6.0 - sector;
    let p = (v * (1.0 - s)).clamp(0.0, 1.0);
    let q = (v * (1.0 - s * rest)).clamp(0.0, 1.0);
    let t = (v * (1.0 - s * (1.0 - rest))).clamp(0.0, 1.0);
    match sector as i32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

fn map(image: &Image, pixel: impl Fn([u8; 3]) -> [u8; 3]) -> Image {
    let mut result = image.clone();
    for value in result.data_mut().chunks_exact_mut(3) {
        let changed = pixel([value[0], value[1], value[2]]);
        value.copy_from_slice(&changed);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_differ_from_pillows() {
        // 0.2989 * 20 + 0.587 * 60 + 0.114 * 220 = 66.278; the weights of white add up to 0.9999.
        let image = Image::from_fn(1, 1, |_, _| [20, 60, 220]);
        assert_eq!(tensor_grayscale(&image).data(), [66; 3]);
        let white = Image::from_fn(1, 1, |_, _| [255; 3]);
        assert_eq!(tensor_grayscale(&white).data(), [254; 3]);
        assert_eq!(crate::grayscale(&white).data(), [255; 3]);
    }

    #[test]
    fn factor_one_and_turn_zero_keep_greys() {
        let ramp = Image::from_fn(256, 1, |x, _| [x as u8; 3]);
        for step in [tensor_brightness, tensor_contrast, tensor_saturation, tensor_gamma] {
            assert_eq!(step(&ramp, 1.0), ramp);
        }
        assert_eq!(tensor_hue(&ramp, 0.0), ramp);
    }
}
