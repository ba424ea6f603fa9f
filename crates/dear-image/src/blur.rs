//! SciPy's Gaussian blur on 8-bit channels, as the reference augments: each 1-D pass is cut to 8 bits.

use crate::Image;
use crate::geometry::mirror;
use crate::simd::{byte_f64, vectorized};

/// `scipy.ndimage.gaussian_filter(channel, sigma, output=channel)` on each channel: columns first, then rows, edge
/// pixel repeated, radius `int(4 sigma + 0.5)`, double precision, truncated to 8 bits after each pass. A sigma with
/// radius 0 (below 0.125) keeps the image.
///
/// # Panics
/// If sigma is negative or not finite.
pub fn gaussian_blur(image: &Image, sigma: f64) -> Image {
    blur_with(image, &gaussian_weights(sigma))
}

/// The weights of offsets 0 to radius, normalised so that the whole symmetric kernel sums to 1.
///
/// # Panics
/// If sigma is negative or not finite.
pub fn gaussian_weights(sigma: f64) -> Vec<f64> {
    assert!(sigma.is_finite() && sigma >= 0.0, "blur sigma {sigma} is not a number of pixels");
    let radius = (4.0 * sigma + 0.5) as i64;
    if radius == 0 {
        return vec![1.0];
    }
    let scale = -0.5 / (sigma * sigma);
    let line: Vec<f64> = (-radius..=radius).map(|x| libm::exp(scale * (x * x) as f64)).collect();
    let sum = pairwise_sum(&line);
    line[radius as usize..].iter().map(|w| w / sum).collect()
}

/// Blurs with the symmetric kernel of `half` (offsets 0 to radius), in SciPy's order of operations: the centre first,
/// then the pairs from the outermost to the innermost, so that flat areas truncate as there.
pub fn blur_with(image: &Image, half: &[f64]) -> Image {
    let Some((&center, sides)) = half.split_first() else { return image.clone() };
    if sides.is_empty() && center == 1.0 {
        return image.clone();
    }
    let mut columns = vec![0u8; image.data().len()];
    columns_pass(image, center, sides, &mut columns);
    let mut rows = columns;
    rows_pass(&mut rows, image.width(), center, sides);
    Image::new(image.width(), image.height(), rows).expect("a blur keeps the size")
}

vectorized! {
    /// Blurs down the columns, from `image` into `out`.
    fn columns_pass(image: &Image, center: f64, sides: &[f64], out: &mut [u8]) {
        let stride = 3 * image.width() as usize;
        let mut pairs = Vec::with_capacity(sides.len());
        for (y, out) in out.chunks_exact_mut(stride).enumerate() {
            let row = |offset: i64| {
                let y = mirror(y as i64 + offset, image.height());
                &image.data()[y * stride..(y + 1) * stride]
            };
            pairs.clear();
            pairs.extend((1..=sides.len() as i64).map(|distance| (row(-distance), row(distance))));
            weigh(row(0), &pairs, center, sides, out);
        }
    }

    /// Blurs along the rows, in place.
    fn rows_pass(rows: &mut [u8], width: u32, center: f64, sides: &[f64]) {
        let (stride, radius) = (3 * width as usize, sides.len());
        let mut padded = vec![0u8; stride + 6 * radius];
        for row in rows.chunks_exact_mut(stride) {
            padded[3 * radius..3 * radius + stride].copy_from_slice(row);
            for offset in 0..radius {
                let before = 3 * mirror(offset as i64 - radius as i64, width);
                padded[3 * offset..3 * offset + 3].copy_from_slice(&row[before..before + 3]);
                let (after, to) =
                    (3 * mirror(i64::from(width) + offset as i64, width), 3 * (radius + offset) + stride);
                padded[to..to + 3].copy_from_slice(&row[after..after + 3]);
            }
            let shifted = |offset: usize| &padded[3 * offset..3 * offset + stride];
            let pairs: Vec<(&[u8], &[u8])> =
                (1..=radius).map(|distance| (shifted(radius - distance), shifted(radius + distance))).collect();
            weigh(shifted(radius), &pairs, center, sides, row);
        }
    }
}

/// Samples that are summed side by side, in registers.
const BLOCK: usize = 32;

/// One line of output: the line at the centre, then the pairs of lines from the outermost to the innermost.
#[inline(always)]
fn weigh(middle: &[u8], pairs: &[(&[u8], &[u8])], center: f64, sides: &[f64], out: &mut [u8]) {
    let mut at = 0;
    while at + BLOCK <= out.len() {
        weigh_block::<BLOCK>(at, middle, pairs, center, sides, out);
        at += BLOCK;
    }
    for at in at..out.len() {
        weigh_block::<1>(at, middle, pairs, center, sides, out);
    }
}

#[inline(always)]
fn weigh_block<const N: usize>(
    at: usize,
    middle: &[u8],
    pairs: &[(&[u8], &[u8])],
    center: f64,
    sides: &[f64],
    out: &mut [u8],
) {
    let mut sums = [0.0f64; N];
    for (sum, &value) in sums.iter_mut().zip(&middle[at..at + N]) {
        *sum = f64::from(value) * center;
    }
    for ((before, after), &weight) in pairs.iter().zip(sides).rev() {
        let (before, after) = (&before[at..at + N], &after[at..at + N]);
        for (index, sum) in sums.iter_mut().enumerate() {
            *sum += f64::from(i32::from(before[index]) + i32::from(after[index])) * weight;
        }
    }
    for (out, &sum) in out[at..at + N].iter_mut().zip(&sums) {
        *out = byte_f64(sum) as u8;
    }
}

/// NumPy's sum of fewer than 128 numbers: eight running sums, joined as a tree, then the rest.
fn pairwise_sum(values: &[f64]) -> f64 {
    if values.len() < 8 {
        return values.iter().fold(0.0, |sum, v| sum + v);
    }
    let mut lanes: [f64; 8] = std::array::from_fn(|i| values[i]);
    let mut blocks = values[8..].chunks_exact(8);
    for block in &mut blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let joined = ((a + b) + (c + d)) + ((e + f) + (g + h));
    blocks.remainder().iter().fold(joined, |sum, v| sum + v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_a_kernel() {
        for sigma in [0.13, 0.5, 1.0, 2.97, 3.0] {
            let half = gaussian_weights(sigma);
            assert_eq!(half.len() as i64, (4.0 * sigma + 0.5) as i64 + 1);
            let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
            assert!((sum - 1.0).abs() < 1e-15, "{sigma}: {sum}");
            assert!(half.windows(2).all(|w| w[0] > w[1]));
        }
        assert_eq!(gaussian_weights(0.1), [1.0]);
        assert_eq!(gaussian_weights(0.0), [1.0]);
    }

    #[test]
    fn impulse_by_hand() {
        // Weights 1/2 and 1/4: 200 becomes 100 and 50 in one direction, then 50, 25 and 25, 12 (truncated).
        let image = Image::from_fn(5, 5, |x, y| if (x, y) == (2, 2) { [200; 3] } else { [0; 3] });
        let blurred = blur_with(&image, &[0.5, 0.25]);
        assert_eq!(blurred.pixel(2, 2), [50; 3]);
        assert_eq!(blurred.pixel(1, 2), [25; 3]);
        assert_eq!(blurred.pixel(3, 3), [12; 3]);
        assert_eq!(blurred.pixel(0, 2), [0; 3]);
    }

    #[test]
    fn one_pixel_and_a_wide_kernel() {
        let image = Image::from_fn(1, 1, |_, _| [200, 3, 255]);
        let blurred = blur_with(&image, &[0.5, 0.125, 0.125]);
        assert_eq!(blurred, image);
    }
}
