//! Pillow's `ImageEnhance` and torchvision's colour functions on Pillow images, byte for byte.

use crate::Image;
use crate::image::luma;
use crate::simd::{byte_f32, vectorized};

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
    blend_from(mean, result.data_mut(), Factor::new(factor));
    result
}

/// `int(mean(L) + 0.5)`, the grey that [`contrast`] turns around.
pub fn mean_luma(image: &Image) -> u8 {
    mean_of(luma_sum(image.data()), image)
}

fn mean_of(luma_sum: u64, image: &Image) -> u8 {
    let pixels = u64::from(image.width()) * u64::from(image.height());
    (luma_sum as f64 / pixels as f64 + 0.5) as u8
}

/// `ImageEnhance.Color`: towards or away from the pixel's own luma (saturation).
pub fn color(image: &Image, factor: f64) -> Image {
    let mut result = image.clone();
    blend_from_luma(result.data_mut(), Factor::new(factor));
    result
}

/// `ImageEnhance.Sharpness`: towards or away from the image under [`smooth`].
pub fn sharpness(image: &Image, factor: f64) -> Image {
    smoothed(image.clone(), |_| (), |row, out| blend_onto(out, row, Factor::new(factor)))
}

/// [`brightness`], [`contrast`], [`sharpness`] and [`color`] with the factors in this order, as the paper's post-processing
/// has them. Each row goes through all that does not need the mean of the whole while it is in the cache.
pub(crate) fn enhance_all(mut image: Image, factors: [f64; 4]) -> Image {
    let [bright, contrasted, sharp, colored] = factors.map(Factor::new);
    let stride = 3 * image.width() as usize;
    let mut sum = 0;
    for row in image.data_mut().chunks_exact_mut(stride) {
        blend_from(0, row, bright);
        sum += luma_sum(row);
    }
    let mean = mean_of(sum, &image);
    smoothed(
        image,
        |row| blend_from(mean, row, contrasted),
        |row, out| {
            blend_onto(out, row, sharp);
            blend_from_luma(out, colored);
        },
    )
}

vectorized! {
    /// `Image.blend` of one value and each sample, in place.
    fn blend_from(value: u8, data: &mut [u8], factor: Factor) {
        for sample in data {
            *sample = blend(value, *sample, factor);
        }
    }

    /// `Image.blend` of each pixel's luma and its samples, in place.
    fn blend_from_luma(data: &mut [u8], factor: Factor) {
        let (blocks, rest) = data.as_chunks_mut::<{ 3 * BLOCK }>();
        for block in blocks {
            let (mut gray, mut wide) = ([0; BLOCK], [0; 3 * BLOCK]);
            for (gray, pixel) in gray.iter_mut().zip(block.chunks_exact(3)) {
                *gray = luma(pixel[0], pixel[1], pixel[2]);
            }
            for (pixel, &gray) in wide.chunks_exact_mut(3).zip(&gray) {
                pixel.copy_from_slice(&[gray; 3]);
            }
            for (sample, &gray) in block.iter_mut().zip(&wide) {
                *sample = blend(gray, *sample, factor);
            }
        }
        for pixel in rest.chunks_exact_mut(3) {
            let gray = luma(pixel[0], pixel[1], pixel[2]);
            pixel.iter_mut().for_each(|sample| *sample = blend(gray, *sample, factor));
        }
    }

    /// `Image.blend` of `data` and `other`, in place.
    fn blend_onto(data: &mut [u8], other: &[u8], factor: Factor) {
        for (sample, &other) in data.iter_mut().zip(other) {
            *sample = blend(*sample, other, factor);
        }
    }

    fn luma_sum(data: &[u8]) -> u64 {
        let mut sum = 0;
        for part in data.chunks(3 << 16) {
            sum += u64::from(part.chunks_exact(3).map(|p| u32::from(luma(p[0], p[1], p[2]))).sum::<u32>());
        }
        sum
    }

    /// A row of [`smooth`] from the one above, itself and the one below; all of the same length, at least 6.
    fn smooth_row(above: &[u8], here: &[u8], below: &[u8], out: &mut [u8]) {
        let inner = out.len() - 6;
        let [left, middle, right] = [0, 3, 6].map(|at| {
            [&above[at..at + inner], &here[at..at + inner], &below[at..at + inner]]
        });
        for (x, out) in out[3..3 + inner].iter_mut().enumerate() {
            let column = |rows: [&[u8]; 3]| u16::from(rows[0][x]) + u16::from(rows[1][x]) + u16::from(rows[2][x]);
            let sum = column(left) + column(middle) + column(right) + 4 * u16::from(middle[1][x]);
            // sum / 13 is never half an integer, so this is Pillow's float rounding exactly.
            *out = ((2 * sum + 13) / 26) as u8;
        }
    }
}

/// `ImageFilter.SMOOTH`: (sum of the 3 x 3 neighbours + 4 times the centre) / 13, rounded; the border is kept.
pub fn smooth(image: &Image) -> Image {
    smoothed(image.clone(), |_| (), |_, _| ())
}

/// [`smooth`], row by row: `first(row)` changes each row before any is smoothed with it, `then(row, smoothed)` the smoothed
/// one after.
fn smoothed(mut image: Image, first: impl Fn(&mut [u8]), then: impl Fn(&[u8], &mut [u8])) -> Image {
    let (width, height) = image.size();
    let stride = 3 * width as usize;
    let data = image.data_mut();
    let mut result = Vec::with_capacity(data.len());
    first(&mut data[..stride]);
    for y in 0..height as usize {
        let last = y + 1 == height as usize;
        if !last {
            first(&mut data[(y + 1) * stride..(y + 2) * stride]);
        }
        let row = |y: usize| &data[y * stride..(y + 1) * stride];
        result.extend_from_slice(row(y));
        let out = &mut result[y * stride..];
        if stride >= 9 && y > 0 && !last {
            smooth_row(row(y - 1), row(y), row(y + 1), out);
        }
        then(row(y), out);
    }
    Image::new(width, height, result).expect("a row for each row")
}

/// `convert("L")` in all three channels.
pub fn grayscale(image: &Image) -> Image {
    Image::from_gray(image.width(), image.height(), &image.luma())
}

/// torchvision's `adjust_hue` on a Pillow image: the hue byte plus `int(255 * turn)`, modulo 256; `turn` in -0.5..=0.5.
pub fn hue(image: &Image, turn: f64) -> Image {
    let mut result = image.clone();
    turn_all(result.data_mut(), i32::from((turn * 255.0) as i32 as u8));
    result
}

vectorized! {
    /// Adds `shift` to the hue byte of every pixel.
    fn turn_all(data: &mut [u8], shift: i32) {
        let mut blocks = data.chunks_exact_mut(3 * BLOCK);
        for block in &mut blocks {
            turn_block(block, shift);
        }
        let rest = blocks.into_remainder();
        let mut block = [0; 3 * BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        turn_block(&mut block, shift);
        rest.copy_from_slice(&block[..rest.len()]);
    }
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

/// [`to_hsv`] without branches, so that many pixels go side by side, and in single precision where Pillow computes in
/// double: tested to give the same byte for all 2^24 colours. Grey divides 0 by 0 on the way; the answer is replaced.
#[inline(always)]
fn hsv_lane([r, g, b]: [i32; 3]) -> [i32; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let middle = r + g + b - high - low;
    let range = (high - low) as f32;
    let distance = (high - middle) as f32 / range;
    // Sixths of the circle, counted from the channel that is largest; `next` is the channel before it.
    let (start, next) = if g == high { (2.0, r) } else { (4.0, g) };
    let (start, next) = if r == high { (0.0, b) } else { (start, next) };
    let sector: f32 = if next == low { (start + 1.0) - distance } else { (start - 1.0) + distance };
    let share = sector / 6.0;
    let hue = if share < 0.0 { 1.0 + share } else { share };
    // hue * 255 cut to an integer; the product may have been rounded up to one, and the exact difference tells.
    let turned = byte_f32(hue * 255.0);
    let h = if (hue * 256.0 - turned as f32) - hue < 0.0 { turned - 1 } else { turned };
    let s = byte_f32(range / high as f32 * 255.0);
    if high == low { [0, 0, high] } else { [h, s, high] }
}

/// [`from_hsv`] likewise: the same bytes for all 2^24 triples.
#[inline(always)]
fn rgb_lane([h, s, v]: [i32; 3]) -> [i32; 3] {
    // The hue byte counts 255 steps of 2/85 of a sixth; 1542 / 65536 is 2/85 closely enough for 0..=255.
    let sector = (h * 1542) >> 16;
    let rest = (2 * h - 85 * sector) as f32 / 85.0;
    let saturation = s as f32 / 255.0;
    let value = v as f32;
    let p = byte_f32(value * (1.0 - saturation) + 0.5);
    // One channel falls in odd sixths and rises in even ones.
    let slope = if sector & 1 == 1 { rest } else { 1.0 - rest };
    let m = byte_f32(value * (1.0 - saturation * slope) + 0.5);
    // Sector 6 (hue byte 255) is sector 0 again.
    let sector = if sector == 6 { 0 } else { sector };
    let r = pick(sector, [v, m, p, p, m, v]);
    let g = pick(sector, [m, v, v, m, p, p]);
    let b = pick(sector, [p, p, m, v, v, m]);
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

/// A factor of [`blend`]. From a million on, either way, no difference of samples is too small to reach 0 or 255.
#[derive(Clone, Copy)]
struct Factor(f32);

impl Factor {
    /// Not a number is 0.
    fn new(factor: f64) -> Factor {
        let factor = factor as f32;
        Factor(if factor.is_nan() { 0.0 } else { factor.clamp(-1e6, 1e6) })
    }
}

/// `Image.blend` of two samples: `a + factor (b - a)` in float, cut to an integer and clipped.
#[inline(always)]
fn blend(a: u8, b: u8, factor: Factor) -> u8 {
    let value = f32::from(a) + factor.0 * (f32::from(b) - f32::from(a));
    // SAFETY: a factor is at most a million either way, so this is a number of at most 2.6e8 either way.
    let whole: i32 = unsafe { value.to_int_unchecked() };
    whole.clamp(0, 255) as u8
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
        let cases = [
            (0, 200, 2.0, 255),
            (200, 0, 1.5, 0),
            (0, 101, 0.5, 50),
            (9, 10, 1e300, 255),
            (10, 9, f64::INFINITY, 0),
            (9, 10, f64::NEG_INFINITY, 0),
            (7, 7, f64::INFINITY, 7),
            (7, 200, f64::NAN, 7),
        ];
        for (a, b, factor, blended) in cases {
            assert_eq!(blend(a, b, Factor::new(factor)), blended, "{a} {b} {factor}");
        }
    }

    #[test]
    fn pictures_without_an_inside_keep_their_pixels() {
        for (width, height) in [(1, 1), (2, 9), (9, 2)] {
            let image = Image::from_fn(width, height, |x, y| [(x * 90) as u8, (y * 20) as u8, 77]);
            assert_eq!(smooth(&image), image);
        }
    }
}
