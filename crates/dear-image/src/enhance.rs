//! Pillow's `ImageEnhance` and torchvision's colour functions on Pillow images, byte for byte.

use crate::Image;
use crate::image::luma;
use crate::simd::vectorize;

/// `ImageEnhance.Brightness`: towards or away from black. Factor 1 keeps the image.
pub fn brightness(image: &Image, factor: f64) -> Image {
    let table: [u8; 256] = std::array::from_fn(|v| blend(0, v as u8, factor as f32));
    map(image, |pixel| pixel.map(|v| table[usize::from(v)]))
}

/// `ImageEnhance.Contrast`: towards or away from the image's mean luma, rounded to an integer.
pub fn contrast(image: &Image, factor: f64) -> Image {
    contrast_around(image, mean_luma(image), factor)
}

/// [`contrast`] around a mean that is known already.
pub fn contrast_around(image: &Image, mean: u8, factor: f64) -> Image {
    let table: [u8; 256] = std::array::from_fn(|v| blend(mean, v as u8, factor as f32));
    map(image, |pixel| pixel.map(|v| table[usize::from(v)]))
}

/// `int(mean(L) + 0.5)`, the grey that [`contrast`] turns around.
pub fn mean_luma(image: &Image) -> u8 {
    let sum: u64 = image.data().chunks_exact(3).map(|p| u64::from(luma(p[0], p[1], p[2]))).sum();
    let pixels = u64::from(image.width()) * u64::from(image.height());
    (sum as f64 / pixels as f64 + 0.5) as u8
}

/// `ImageEnhance.Color`: towards or away from the pixel's own luma (saturation).
pub fn color(image: &Image, factor: f64) -> Image {
    let factor = factor as f32;
    map(image, |pixel| {
        let gray = luma(pixel[0], pixel[1], pixel[2]);
        pixel.map(|v| blend(gray, v, factor))
    })
}

/// `ImageEnhance.Sharpness`: towards or away from the image under [`smooth`].
pub fn sharpness(image: &Image, factor: f64) -> Image {
    let factor = factor as f32;
    let mut result = smooth(image);
    for (out, &value) in result.data_mut().iter_mut().zip(image.data()) {
        *out = blend(*out, value, factor);
    }
    result
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
    let shift = (turn * 255.0) as i32 as u8;
    map(image, |pixel| {
        let [h, s, v] = to_hsv(pixel);
        from_hsv([h.wrapping_add(shift), s, v])
    })
}

/// Pillow's `convert("HSV")` of one pixel.
#[inline(always)]
pub fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    if high == low {
        return [0, 0, high];
    }
    let range = f32::from(high - low);
    let saturation = range / f32::from(high);
    let share = |v: u8| f32::from(high - v) / range;
    let (rc, gc, bc) = (share(r), share(g), share(b));
    // C computes the sums with 2.0 and 4.0 in double and stores them as float.
    let sector = if r == high {
        bc - gc
    } else if g == high {
        (2.0 + f64::from(rc) - f64::from(bc)) as f32
    } else {
        (4.0 + f64::from(gc) - f64::from(rc)) as f32
    };
    // C's fmod(_, 1.0); the sector is in -1..=5, so this is at most 1.84 and the difference exact.
    let turned = f64::from(sector) / 6.0 + 1.0;
    let hue = (if turned < 1.0 { turned } else { turned - 1.0 }) as f32;
    let byte = |v: f32| ((f64::from(v) * 255.0) as i32).clamp(0, 255) as u8;
    [byte(hue), byte(saturation), high]
}

/// Pillow's conversion of one HSV pixel to RGB.
#[inline(always)]
pub fn from_hsv([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let angle = f64::from(h) * 6.0 / 255.0;
    let sector = angle as i32;
    let rest = f64::from((angle - f64::from(sector)) as f32);
    let saturation = f64::from(f32::from(s) / 255.0);
    let value = f64::from(v);
    let p = half_up(value * (1.0 - saturation));
    let q = half_up(value * (1.0 - f64::from((saturation * rest) as f32)));
    let t = half_up(value * (1.0 - saturation * (1.0 - rest)));
    match sector % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

/// C's `round` of a value that is not negative.
#[inline(always)]
fn half_up(value: f64) -> u8 {
    ((value + 0.5) as i32).clamp(0, 255) as u8
}

/// `Image.blend` of two samples: `a + factor (b - a)` in float, cut to an integer and clipped.
#[inline(always)]
fn blend(a: u8, b: u8, factor: f32) -> u8 {
    (f32::from(a) + factor * (f32::from(b) - f32::from(a))) as u8
}

fn map(image: &Image, mut pixel: impl FnMut([u8; 3]) -> [u8; 3]) -> Image {
    let mut result = image.clone();
    let data = result.data_mut();
    vectorize(|| {
        for value in data.chunks_exact_mut(3) {
            let changed = pixel([value[0], value[1], value[2]]);
            value.copy_from_slice(&changed);
        }
    });
    result
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
