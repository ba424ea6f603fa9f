//! Pillow's `MedianFilter`, byte for byte.

use crate::Image;
use crate::simd::vectorized;

/// Largest side of [`median`]'s square: beyond it, a photograph takes minutes.
pub const LARGEST_MEDIAN: u32 = 63;

/// `ImageFilter.MedianFilter(size)`: the middle of the `size` x `size` values around each sample, channel by channel,
/// the edge pixel repeated. Size 1 keeps the image.
///
/// # Panics
/// If `size` is even or not in `1..=LARGEST_MEDIAN`.
pub fn median(image: &Image, size: u32) -> Image {
    assert!(
        size % 2 == 1 && size <= LARGEST_MEDIAN,
        "a median of {size} x {size} values has no middle, or too many"
    );
    let mut result = image.clone();
    match size {
        1 => {}
        3 => of_nine(image, &mut result),
        _ => by_counting(image, size as usize / 2, &mut result),
    }
    result
}

/// The rows of a square around row `y`, the first and last row repeated.
fn rows(image: &Image, y: usize, radius: usize) -> impl Iterator<Item = &[u8]> {
    let stride = 3 * image.width() as usize;
    let last = image.height() as usize - 1;
    (0..=2 * radius)
        .map(move |i| &image.data()[stride * (y + i).saturating_sub(radius).min(last)..][..stride])
}

vectorized! {
    /// Sorts each column of three, then takes the median of (highest low, median middle, lowest high).
    fn of_nine(image: &Image, result: &mut Image) {
        let stride = 3 * image.width() as usize;
        // One pixel more on either side, so that the inner loop has no borders.
        let mut sorted = [(); 3].map(|()| vec![0u8; stride + 6]);
        for (y, out) in result.data_mut().chunks_exact_mut(stride).enumerate() {
            let [low, middle, high] = &mut sorted;
            let mut three = rows(image, y, 1);
            let (Some(above), Some(here), Some(below)) = (three.next(), three.next(), three.next()) else {
                return;
            };
            for x in 0..stride {
                let (a, b, c) = (above[x], here[x], below[x]);
                let (least, most) = (a.min(b), a.max(b));
                low[x + 3] = least.min(c);
                high[x + 3] = most.max(c);
                middle[x + 3] = least.max(most.min(c));
            }
            for line in [&mut *low, &mut *middle, &mut *high] {
                line.copy_within(3..6, 0);
                line.copy_within(stride..stride + 3, stride + 3);
            }
            let (low, middle, high) = (&low[..stride + 6], &middle[..stride + 6], &high[..stride + 6]);
            for (x, out) in out.iter_mut().enumerate() {
                let lows = low[x].max(low[x + 3]).max(low[x + 6]);
                let highs = high[x].min(high[x + 3]).min(high[x + 6]);
                let middles = middle_of(middle[x], middle[x + 3], middle[x + 6]);
                *out = middle_of(lows, middles, highs);
            }
        }
    }
}

#[inline(always)]
fn middle_of(a: u8, b: u8, c: u8) -> u8 {
    a.min(b).max(a.max(b).min(c))
}

/// Huang's way: counts of the 256 values move along the row with the square, and the median with them.
fn by_counting(image: &Image, radius: usize, result: &mut Image) {
    let width = image.width() as usize;
    let half = (2 * radius + 1) * (2 * radius + 1) / 2;
    let last = width - 1;
    for (y, out) in result.data_mut().chunks_exact_mut(3 * width).enumerate() {
        let rows: Vec<&[u8]> = rows(image, y, radius).collect();
        for channel in 0..3 {
            let mut counts = [0u32; 256];
            let value = |row: &[u8], x: usize| usize::from(row[3 * x + channel]);
            for row in &rows {
                for i in 0..=2 * radius {
                    counts[value(row, i.saturating_sub(radius).min(last))] += 1;
                }
            }
            // `below` values are smaller than `median`; the median is where it passes `half`.
            let (mut median, mut below) = (0, 0);
            for x in 0..width {
                while below + counts[median] as usize <= half {
                    below += counts[median] as usize;
                    median += 1;
                }
                while below > half {
                    median -= 1;
                    below -= counts[median] as usize;
                }
                out[3 * x + channel] = median as u8;
                let (leaving, entering) = (x.saturating_sub(radius), (x + radius + 1).min(last));
                for row in &rows {
                    let (old, new) = (value(row, leaving), value(row, entering));
                    counts[old] -= 1;
                    counts[new] += 1;
                    below = below + usize::from(new < median) - usize::from(old < median);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_agree_with_sorting() {
        let image =
            Image::from_fn(19, 11, |x, y| [(x * 37 + y * 91) as u8, (x * y * 7) as u8, (x + y) as u8 * 9]);
        for size in [3, 5, 7] {
            let radius = size as usize / 2;
            let mut counted = image.clone();
            by_counting(&image, radius, &mut counted);
            assert_eq!(median(&image, size), counted);
            let sorted = Image::from_fn(19, 11, |x, y| {
                std::array::from_fn(|c| {
                    let mut values = Vec::new();
                    for row in rows(&image, y as usize, radius) {
                        for i in 0..size as usize {
                            values.push(row[3 * (x as usize + i).saturating_sub(radius).min(18) + c]);
                        }
                    }
                    values.sort_unstable();
                    values[values.len() / 2]
                })
            });
            assert_eq!(counted, sorted, "{size}");
        }
    }

    #[test]
    fn tiny_images_are_fine() {
        for (width, height) in [(1, 1), (1, 5), (4, 1)] {
            let image = Image::from_fn(width, height, |x, y| [(x * 50) as u8, (y * 40) as u8, 3]);
            assert_eq!(median(&image, 1), image);
            median(&image, 3);
            median(&image, LARGEST_MEDIAN);
        }
    }
}
