//! Moves that copy pixels and compute none: crop, quarter turns, mirror, padding.

use crate::{Image, Mask};

/// What fills the frame that [`pad`] adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// The picture mirrored with its edge pixel repeated, over and over (`numpy.pad(mode="symmetric")`).
    Symmetric,
    /// Zeros: black, or outside.
    Zero,
}

/// How much [`pad`] adds on each side, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Padding {
    /// Columns before the first.
    pub left: u32,
    /// Rows above the first.
    pub top: u32,
    /// Columns after the last.
    pub right: u32,
    /// Rows below the last.
    pub bottom: u32,
}

/// Cuts `width` x `height` pixels out, from column `left` and row `top`. What lies outside is black, as in Pillow.
///
/// # Panics
/// If `width` or `height` is 0.
pub fn crop(image: &Image, left: u32, top: u32, width: u32, height: u32) -> Image {
    assert!(width > 0 && height > 0, "a crop of {width} x {height} has no pixels");
    let size = (image.width(), image.height());
    let data = crop_bytes::<3>(image.data(), size, (left, top), (width, height));
    rebuild(width, height, data)
}

/// [`crop`] for a mask: what lies outside the picture is outside the region.
///
/// # Panics
/// If `width` or `height` is 0.
pub fn crop_mask(mask: &Mask, left: u32, top: u32, width: u32, height: u32) -> Mask {
    assert!(width > 0 && height > 0, "a crop of {width} x {height} has no pixels");
    let data = crop_bytes::<1>(mask.data(), mask.size(), (left, top), (width, height));
    rebuild_mask(width, height, data)
}

/// Turns by `quarters` times 90 degrees against the clock (Pillow's `ROTATE_90`, `_180`, `_270`).
pub fn rotate(image: &Image, quarters: u8) -> Image {
    let (data, (width, height)) = rotate_bytes::<3>(image.data(), image.size(), quarters);
    rebuild(width, height, data)
}

/// [`rotate`] for a mask.
pub fn rotate_mask(mask: &Mask, quarters: u8) -> Mask {
    let (data, (width, height)) = rotate_bytes::<1>(mask.data(), mask.size(), quarters);
    rebuild_mask(width, height, data)
}

/// Mirrors left and right.
pub fn flip(image: &Image) -> Image {
    rebuild(image.width(), image.height(), flip_bytes::<3>(image.data(), image.width()))
}

/// [`flip`] for a mask.
pub fn flip_mask(mask: &Mask) -> Mask {
    rebuild_mask(mask.width(), mask.height(), flip_bytes::<1>(mask.data(), mask.width()))
}

/// Mirrors top and bottom.
pub fn flip_vertical(image: &Image) -> Image {
    let mut data = Vec::with_capacity(image.data().len());
    for row in image.data().chunks_exact(3 * image.width() as usize).rev() {
        data.extend_from_slice(row);
    }
    rebuild(image.width(), image.height(), data)
}

/// Adds a frame.
pub fn pad(image: &Image, padding: Padding, fill: Fill) -> Image {
    let (data, (width, height)) = pad_bytes::<3>(image.data(), image.size(), padding, fill);
    rebuild(width, height, data)
}

/// [`pad`] for a mask.
pub fn pad_mask(mask: &Mask, padding: Padding, fill: Fill) -> Mask {
    let (data, (width, height)) = pad_bytes::<1>(mask.data(), mask.size(), padding, fill);
    rebuild_mask(width, height, data)
}

/// Applies an EXIF orientation (1 to 8): what to do with stored rows so that they are upright. Only a quarter turn
/// takes a second image's memory.
pub(crate) fn orient(image: Image, orientation: u8) -> Image {
    let mut image = match orientation {
        5 | 6 => rotate(&image, 3),
        7 | 8 => rotate(&image, 1),
        _ => image,
    };
    let width = image.width() as usize;
    let pixels = image.data().len() / 3;
    match orientation {
        2 | 5 | 7 => reverse(image.data_mut(), width),
        3 => reverse(image.data_mut(), pixels),
        4 => {
            reverse(image.data_mut(), pixels);
            reverse(image.data_mut(), width);
        }
        _ => {}
    }
    image
}

/// Reverses the order of the pixels within each run of them.
fn reverse(data: &mut [u8], run: usize) {
    for run in data.chunks_exact_mut(3 * run) {
        let pixels = run.len() / 3;
        for left in 0..pixels / 2 {
            let right = pixels - 1 - left;
            for channel in 0..3 {
                run.swap(3 * left + channel, 3 * right + channel);
            }
        }
    }
}

fn rebuild(width: u32, height: u32, data: Vec<u8>) -> Image {
    Image::new(width, height, data).expect("a geometric move keeps width * height * 3 bytes")
}

fn rebuild_mask(width: u32, height: u32, data: Vec<u8>) -> Mask {
    Mask::new(width, height, data).expect("a geometric move keeps width * height bytes")
}

fn crop_bytes<const C: usize>(data: &[u8], size: (u32, u32), at: (u32, u32), out: (u32, u32)) -> Vec<u8> {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let (left, top) = (at.0 as usize, at.1 as usize);
    let (out_width, out_height) = (out.0 as usize, out.1 as usize);
    let mut cut = vec![0; C * out_width * out_height];
    let columns = out_width.min(width.saturating_sub(left));
    let rows = out_height.min(height.saturating_sub(top));
    if columns == 0 {
        return cut;
    }
    for y in 0..rows {
        let from = C * ((top + y) * width + left);
        let to = C * y * out_width;
        cut[to..to + C * columns].copy_from_slice(&data[from..from + C * columns]);
    }
    cut
}

fn rotate_bytes<const C: usize>(data: &[u8], size: (u32, u32), quarters: u8) -> (Vec<u8>, (u32, u32)) {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let quarters = quarters % 4;
    if quarters == 0 {
        return (data.to_vec(), size);
    }
    if quarters == 2 {
        let mut turned = Vec::with_capacity(data.len());
        for pixel in data.chunks_exact(C).rev() {
            turned.extend_from_slice(pixel);
        }
        return (turned, size);
    }
    let mut turned = Vec::with_capacity(data.len());
    for y in 0..width {
        for x in 0..height {
            // One quarter turn brings the last column to the first row, three bring the first column there.
            let (column, row) = if quarters == 1 { (width - 1 - y, x) } else { (y, height - 1 - x) };
            let from = C * (row * width + column);
            turned.extend_from_slice(&data[from..from + C]);
        }
    }
    (turned, (size.1, size.0))
}

fn flip_bytes<const C: usize>(data: &[u8], width: u32) -> Vec<u8> {
    let mut flipped = Vec::with_capacity(data.len());
    for row in data.chunks_exact(C * width as usize) {
        for pixel in row.chunks_exact(C).rev() {
            flipped.extend_from_slice(pixel);
        }
    }
    flipped
}

fn pad_bytes<const C: usize>(
    data: &[u8],
    size: (u32, u32),
    padding: Padding,
    fill: Fill,
) -> (Vec<u8>, (u32, u32)) {
    let Padding { left, top, right, bottom } = padding;
    let (out_width, out_height) = (left + size.0 + right, top + size.1 + bottom);
    let mut padded = Vec::with_capacity(C * out_width as usize * out_height as usize);
    for y in 0..out_height {
        for x in 0..out_width {
            let (column, row) = (i64::from(x) - i64::from(left), i64::from(y) - i64::from(top));
            let inside = (0..i64::from(size.0)).contains(&column) && (0..i64::from(size.1)).contains(&row);
            if inside || fill == Fill::Symmetric {
                let from = C * (mirror(row, size.1) * size.0 as usize + mirror(column, size.0));
                padded.extend_from_slice(&data[from..from + C]);
            } else {
                padded.extend_from_slice(&[0; C]);
            }
        }
    }
    (padded, (out_width, out_height))
}

/// The index in `0..length` that index `at` shows when the line is mirrored with its edge repeated: `b a|a b c|c b`.
pub(crate) fn mirror(at: i64, length: u32) -> usize {
    let length = i64::from(length);
    let folded = at.rem_euclid(2 * length);
    (if folded < length { folded } else { 2 * length - 1 - folded }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: u32, height: u32) -> Mask {
        Mask::new(width, height, (0..width * height).map(|v| v as u8).collect()).unwrap()
    }

    #[test]
    fn quarter_turn_is_against_the_clock() {
        // 0 1 2      2 5
        // 3 4 5  ->  1 4
        //            0 3
        let turned = rotate_mask(&numbered(3, 2), 1);
        assert_eq!((turned.size(), turned.data()), ((2, 3), &[2, 5, 1, 4, 0, 3][..]));
        assert_eq!(rotate_mask(&turned, 3), numbered(3, 2));
        assert_eq!(rotate_mask(&numbered(3, 2), 2).data(), [5, 4, 3, 2, 1, 0]);
        assert_eq!(flip_mask(&numbered(3, 2)).data(), [2, 1, 0, 5, 4, 3]);
    }

    #[test]
    fn symmetric_padding_repeats_the_edge_and_folds_back() {
        let line = numbered(3, 1);
        let padding = Padding { left: 4, right: 7, ..Padding::default() };
        let padded = pad_mask(&line, padding, Fill::Symmetric);
        assert_eq!(padded.data(), [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2]);
        assert_eq!(pad_mask(&line, Padding { left: 1, ..padding }, Fill::Zero).data()[..5], [0, 0, 1, 2, 0]);
    }

    #[test]
    fn crop_beyond_the_edge_is_black() {
        let cut = crop_mask(&numbered(3, 2), 2, 1, 2, 2);
        assert_eq!(cut.data(), [5, 0, 0, 0]);
        assert_eq!(crop_mask(&numbered(3, 2), 9, 9, 1, 1).data(), [0]);
    }
}
