//! Pillow's box blur and Gaussian blur: boxes with a fractional rim, in 24-bit fixed point, byte for byte.
//!
//! A box of radius `r = l + a` (`l` whole, `0 <= a < 1`) weighs the `2 l + 1` nearest pixels with `w = 1 / (2 r + 1)` and
//! the pixel beyond on either side with `a w`. Both weights are whole numbers of 2^-24; a sum is rounded to 8 bits after
//! each pass. Cost per pixel does not depend on the radius.

use crate::Image;
use crate::simd::vectorized;

/// Largest radius of [`box_blur`] and [`pillow_blur`], in pixels. Up to here all sums stay below 2^32.
pub const LARGEST_BLUR_RADIUS: f64 = 1_000_000.0;

/// `ImageFilter.BoxBlur(radius)`: rows, then columns, the edge pixel repeated. Radius 0 keeps the image.
///
/// # Panics
/// If the radius is negative, not a number, or above [`LARGEST_BLUR_RADIUS`].
pub fn box_blur(image: &Image, radius: f64) -> Image {
    let data = blurred::<3>(image.data(), image.width(), Line::new(checked(radius)), 1);
    Image::new(image.width(), image.height(), data).expect("a blur keeps the size")
}

/// `ImageFilter.GaussianBlur(radius)`: three box passes along the rows, three along the columns. The radius is the
/// standard deviation; 0 keeps the image. SciPy's Gaussian is [`gaussian_blur`](crate::gaussian_blur).
///
/// # Panics
/// As [`box_blur`].
pub fn pillow_blur(image: &Image, radius: f64) -> Image {
    let data = blurred::<3>(image.data(), image.width(), gaussian_line(radius), PASSES);
    Image::new(image.width(), image.height(), data).expect("a blur keeps the size")
}

/// [`pillow_blur`] of one channel (mode `L`): `plane` holds rows of `width` bytes.
///
/// # Panics
/// As [`box_blur`], or if `plane` does not consist of whole rows.
pub fn pillow_blur_plane(plane: &[u8], width: u32, radius: f64) -> Vec<u8> {
    blurred::<1>(plane, width, gaussian_line(radius), PASSES)
}

/// Boxes that make one Gaussian.
const PASSES: usize = 3;

/// Whole radius of a box and its two weights in 2^-24.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    radius: usize,
    inner: u32,
    rim: u32,
}

impl Line {
    fn new(radius: f32) -> Line {
        let inner = ((1 << 24) as f32 / (radius * 2.0 + 1.0)) as u32;
        let radius = radius as usize;
        let rim = (1u32 << 24).saturating_sub((2 * radius as u32 + 1) * inner) / 2;
        Line { radius, inner, rim }
    }
}

fn checked(radius: f64) -> f32 {
    assert!(
        (0.0..=LARGEST_BLUR_RADIUS).contains(&radius),
        "blur radius {radius} is not in 0..={LARGEST_BLUR_RADIUS}"
    );
    radius as f32
}

/// The box whose [`PASSES`]-fold repetition has the variance `radius^2` (Gwosdek, Grewenig, Bruhn and Weickert, 2011,
/// "Theoretical foundations of Gaussian convolution by extended box filtering", equations 9 to 13), in single precision.
fn gaussian_line(radius: f64) -> Line {
    let radius = checked(radius);
    let variance = radius * radius / PASSES as f32;
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let rim = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
        / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
    Line::new(whole + rim)
}

fn blurred<const C: usize>(data: &[u8], width: u32, line: Line, passes: usize) -> Vec<u8> {
    let stride = C * width as usize;
    assert!(stride > 0 && data.len().is_multiple_of(stride), "a plane of width {width} holds whole rows");
    let mut now = data.to_vec();
    if line.inner == 1 << 24 {
        return now;
    }
    let mut next = vec![0; data.len()];
    for _ in 0..passes {
        along_rows(&now, &mut next, stride, C, line);
        std::mem::swap(&mut now, &mut next);
    }
    for _ in 0..passes {
        down_columns(&now, &mut next, stride, line);
        std::mem::swap(&mut now, &mut next);
    }
    now
}

vectorized! {
    fn along_rows(data: &[u8], out: &mut [u8], stride: usize, channels: usize, line: Line) {
        for (row, out) in data.chunks_exact(stride).zip(out.chunks_exact_mut(stride)) {
            if channels == 3 { along_row::<3>(row, out, line) } else { along_row::<1>(row, out, line) }
        }
    }

    fn down_columns(data: &[u8], out: &mut [u8], stride: usize, line: Line) {
        let length = data.len() / stride;
        let row = |y: usize| &data[stride * y.min(length - 1)..][..stride];
        let mut sums: Vec<u32> =
            (0..stride).map(|x| first_sum(line.radius, length, |y| u32::from(data[stride * y + x]))).collect();
        let reach = line.radius + 1;
        for (y, out) in out.chunks_exact_mut(stride).enumerate() {
            let (before, after) = (row(y.saturating_sub(reach)), row(y + reach));
            let leaving = row(y.saturating_sub(line.radius));
            for ((((out, sum), &before), &after), &leaving) in
                out.iter_mut().zip(&mut sums).zip(before).zip(after).zip(leaving)
            {
                *out = rounded(*sum, u32::from(before) + u32::from(after), line);
                *sum = *sum + u32::from(after) - u32::from(leaving);
            }
        }
    }
}

/// `inner` times the sum of the box plus `rim` times the two pixels beyond, rounded. At most 255.5 * 2^24, below 2^32.
#[inline(always)]
fn rounded(sum: u32, beyond: u32, line: Line) -> u8 {
    ((sum * line.inner + beyond * line.rim + (1 << 23)) >> 24) as u8
}

#[inline(always)]
fn along_row<const C: usize>(row: &[u8], out: &mut [u8], line: Line) {
    let length = row.len() / C;
    let at = |x: usize, channel: usize| u32::from(row[C * x.min(length - 1) + channel]);
    let mut sums: [u32; C] =
        std::array::from_fn(|channel| first_sum(line.radius, length, |x| at(x, channel)));
    let reach = line.radius + 1;
    for x in 0..length {
        for (channel, sum) in sums.iter_mut().enumerate() {
            let (before, after) = (at(x.saturating_sub(reach), channel), at(x + reach, channel));
            out[C * x + channel] = rounded(*sum, before + after, line);
            *sum = *sum + after - at(x.saturating_sub(line.radius), channel);
        }
    }
}

/// The sum of the box around pixel 0 of a line of `length` pixels: the first pixel stands for all before it, the last
/// for all after it.
#[inline(always)]
fn first_sum(radius: usize, length: usize, at: impl Fn(usize) -> u32) -> u32 {
    let seen = radius.min(length - 1);
    (radius + 1) as u32 * at(0) + (1..=seen).map(&at).sum::<u32>() + (radius - seen) as u32 * at(length - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impulse_by_hand() {
        // Radius 1/2: weights 1/2 in the middle and 1/4 on either side; 200 becomes 50, 100, 50 along the row.
        let line = Image::from_fn(5, 1, |x, _| if x == 2 { [200; 3] } else { [0; 3] });
        let blurred = box_blur(&line, 0.5);
        assert_eq!([0, 1, 2, 3, 4].map(|x| blurred.pixel(x, 0)[0]), [0, 50, 100, 50, 0]);
    }

    #[test]
    fn a_box_far_wider_than_the_image_weighs_its_ends() {
        let line = Image::from_fn(2, 1, |x, _| [200 * x as u8; 3]);
        // All but one of 2 * 10^6 + 1 pixels are copies of the ends.
        assert_eq!(box_blur(&line, LARGEST_BLUR_RADIUS).data(), [100; 6]);
        let white = Image::from_fn(3, 2, |_, _| [255; 3]);
        assert_eq!(pillow_blur(&white, LARGEST_BLUR_RADIUS).size(), (3, 2));
    }

    #[test]
    fn radius_zero_keeps_the_image() {
        let image = Image::from_fn(3, 3, |x, y| [x as u8, y as u8, 9]);
        assert_eq!(box_blur(&image, 0.0), image);
        assert_eq!(pillow_blur(&image, 0.0), image);
    }
}
