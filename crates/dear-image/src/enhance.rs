//! Pillow's `ImageEnhance` and torchvision's colour functions on Pillow images, byte for byte.

use crate::Image;
use crate::simd::{byte_f32, byte_f64, vectorize};

/// `ImageEnhance.Brightness`: towards or away from black. Factor 1 keeps the image.
pub fn brightness(image: &Image, factor: f64) -> Image {
    contrast_around(image, 0, factor)
}

/// `ImageEnhance.Contrast`: towards or away from the image's mean luma, rounded to an integer.
pub fn contrast(image: &Image, factor: f64) -> Image {
    contrast_around(image, mean_luma(image), factor)
}

/// [`contrast`] around a mean that is known already.
pub fn contrast_around(image: &Image, mean: u8, factor: f64) -> Image {
    let mut result = image.clone();
    let (data, factor) = (result.data_mut(), factor as f32);
    vectorize(|| data.iter_mut().for_each(|value| *value = blend(mean, *value, factor)));
    result
}

/// `int(mean(L) + 0.5)`, the grey that [`contrast`] turns around.
pub fn mean_luma(image: &Image) -> u8 {
    let sum: u64 = image
        .luma()
        .chunks(1 << 16)
        .map(|part| u64::from(part.iter().map(|&v| u32::from(v)).sum::<u32>()))
        .sum();
    let pixels = u64::from(image.width()) * u64::from(image.height());
    (sum as f64 / pixels as f64 + 0.5) as u8
}

/// `ImageEnhance.Color`: towards or away from the pixel's own luma (saturation).
pub fn color(image: &Image, factor: f64) -> Image {
    let mut result = grayscale(image);
    blend_onto(&mut result, image, factor);
    result
}

/// `ImageEnhance.Sharpness`: towards or away from the image under [`smooth`].
pub fn sharpness(image: &Image, factor: f64) -> Image {
    let mut result = smooth(image);
    blend_onto(&mut result, image, factor);
    result
}

/// `Image.blend(result, image, factor)`, in place.
fn blend_onto(result: &mut Image, image: &Image, factor: f64) {
    let (data, factor) = (result.data_mut(), factor as f32);
    vectorize(|| {
        for (out, &value) in data.iter_mut().zip(image.data()) {
            *out = blend(*out, value, factor);
        }
    });
}

/// `ImageFilter.SMOOTH`: (sum of the 3 x 3 neighbours + 4 times the centre) / 13, rounded; the border is kept.
pub fn smooth(image: &Image) -> Image {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut result = image.clone();
    let stride = 3 * width;
    let source = image.data();
    for y in 1..height.saturating_sub(1) {
        let rows = &source[(y - 1) * stride..(y + 2) * stride];
        let (above, rest) = rows.split_at(stride);
        let (here, below) = rest.split_at(stride);
        let out = &mut result.data_mut()[y * stride..(y + 1) * stride];
        for x in 3..stride.saturating_sub(3) {
            let column = |at: usize| u32::from(above[at]) + u32::from(here[at]) + u32::from(below[at]);
            let sum = column(x - 3) + column(x) + column(x + 3) + 4 * u32::from(here[x]);
            // sum / 13 is never half an integer, so this is Pillow's float rounding exactly.
            out[x] = ((2 * sum + 13) / 26) as u8;
        }
    }
    result
}

/// `convert("L")` in all three channels.
pub fn grayscale(image: &Image) -> Image {
    Image::from_gray(image.width(), image.height(), &image.luma())
}

/// torchvision's `adjust_hue` on a Pillow image: the hue byte plus `int(255 * turn)`, modulo 256; `turn` in -0.5..=0.5.
pub fn hue(image: &Image, turn: f64) -> Image {
    let shift = i32::from((turn * 255.0) as i32 as u8);
    let mut result = image.clone();
    let data = result.data_mut();
    vectorize(|| {
        let mut blocks = data.chunks_exact_mut(3 * BLOCK);
        for block in &mut blocks {
            turn_block(block, shift);
        }
        let rest = blocks.into_remainder();
        let mut block = [0; 3 * BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        turn_block(&mut block, shift);
        rest.copy_from_slice(&block[..rest.len()]);
    });
    result
}

/// Pixels whose hue is turned side by side, in as many lanes of registers.
const BLOCK: usize = 32;

#[inline(always)]
fn turn_block(block: &mut [u8], shift: i32) {
    let mut planes = [[0i32; BLOCK]; 3];
    for (at, pixel) in block.chunks_exact(3).enumerate() {
        for channel in 0..3 {
            planes[channel][at] = i32::from(pixel[channel]);
        }
    }
    let [red, green, blue] = &mut planes;
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let [h, s, v] = hsv_lane([*r, *g, *b]);
        [*r, *g, *b] = rgb_lane([(h + shift) & 255, s, v]);
    }
    for (at, pixel) in block.chunks_exact_mut(3).enumerate() {
        for channel in 0..3 {
            pixel[channel] = planes[channel][at] as u8;
        }
    }
}

/// Pillow's `convert("HSV")` of one pixel.
pub fn to_hsv(rgb: [u8; 3]) -> [u8; 3] {
    hsv_lane(rgb.map(i32::from)).map(|v| v as u8)
}

/// Pillow's conversion of one HSV pixel to RGB.
pub fn from_hsv(hsv: [u8; 3]) -> [u8; 3] {
    rgb_lane(hsv.map(i32::from)).map(|v| v as u8)
}

/// [`to_hsv`] without branches, so that many pixels go side by side. Grey divides 0 by 0 on the way; both answers are
/// then replaced.
#[inline(always)]
fn hsv_lane([r, g, b]: [i32; 3]) -> [i32; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let range = (high - low) as f32;
    let saturation = range / high as f32;
    let share = |v: i32| (high - v) as f32 / range;
    let (rc, gc, bc) = (share(r), share(g), share(b));
    // C computes the sums with 2.0 and 4.0 in double and stores them as float.
    let by_green = (2.0 + f64::from(rc) - f64::from(bc)) as f32;
    let by_blue = (4.0 + f64::from(gc) - f64::from(rc)) as f32;
    let not_red = if g == high { by_green } else { by_blue };
    let sector = if r == high { bc - gc } else { not_red };
    // C's fmod(_, 1.0); the sector is in -1..=5, so this is at most 1.84 and the difference exact.
    let turned = f64::from(sector) / 6.0 + 1.0;
    let hue = (if turned < 1.0 { turned } else { turned - 1.0 }) as f32;
    let byte = |v: f32| f64::from(v) * 255.0;
    let (h, s) = (byte_f64(byte(hue)), byte_f64(byte(saturation)));
    if high == low { [0, 0, high] } else { [h, s, high] }
}

/// [`from_hsv`] without branches.
#[inline(always)]
fn rgb_lane([h, s, v]: [i32; 3]) -> [i32; 3] {
    let angle = f64::from(h) * 6.0 / 255.0;
    let sector = byte_f64(angle);
    let rest = f64::from((angle - f64::from(sector)) as f32);
    let saturation = f64::from(s as f32 / 255.0);
    let value = f64::from(v);
    let p = half_up(value * (1.0 - saturation));
    let q = half_up(value * (1.0 - f64::from((saturation * rest) as f32)));
    let t = half_up(value * (1.0 - saturation * (1.0 - rest)));
    // Sector 6 (hue byte 255) is sector 0 again.
    let sector = if sector == 6 { 0 } else { sector };
    let (falling, rising) = (q, t);
    let r = pick(sector, [v, falling, p, p, rising, v]);
    let g = pick(sector, [rising, v, v, falling, p, p]);
    let b = pick(sector, [p, p, rising, v, v, falling]);
    if s == 0 { [v, v, v] } else { [r, g, b] }
}

#[inline(always)]
fn pick(sector: i32, [a, b, c, d, e, f]: [i32; 6]) -> i32 {
    let low = if sector == 0 {
        a
    } else if sector == 1 {
        b
    } else {
        c
    };
    let high = if sector == 3 {
        d
    } else if sector == 4 {
        e
    } else {
        f
    };
    if sector < 3 { low } else { high }
}

/// C's `round` of a value that is not negative.
#[inline(always)]
fn half_up(value: f64) -> i32 {
    byte_f64(value + 0.5)
}

/// `Image.blend` of two samples: `a + factor (b - a)` in float, cut to an integer and clipped.
#[inline(always)]
fn blend(a: u8, b: u8, factor: f32) -> u8 {
    byte_f32(f32::from(a) + factor * (f32::from(b) - f32::from(a))) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Image {
        Image::from_fn(16, 9, |x, y| [(x * 16) as u8, (y * 28) as u8, (x * y) as u8])
    }

    #[test]
    fn factor_one_changes_nothing_and_zero_is_the_degenerate() {
        let image = ramp();
        for step in [brightness, contrast, color, sharpness] {
            assert_eq!(step(&image, 1.0), image);
        }
        assert!(brightness(&image, 0.0).data().iter().all(|&v| v == 0));
        assert!(contrast(&image, 0.0).data().iter().all(|&v| v == mean_luma(&image)));
        assert_eq!(color(&image, 0.0), grayscale(&image));
        assert_eq!(sharpness(&image, 0.0), smooth(&image));
        assert_eq!(hue(&Image::from_fn(2, 2, |_, _| [9; 3]), 0.3).data(), [9; 12]);
    }

    #[test]
    fn values_clip() {
        assert_eq!(blend(0, 200, 2.0), 255);
        assert_eq!(blend(200, 0, 1.5), 0);
        assert_eq!(blend(0, 101, 0.5), 50);
    }

    #[test]
    fn pictures_without_an_inside_keep_their_pixels() {
        for (width, height) in [(1, 1), (2, 9), (9, 2)] {
            let image = Image::from_fn(width, height, |x, y| [(x * 90) as u8, (y * 20) as u8, 77]);
            assert_eq!(smooth(&image), image);
        }
    }
}
