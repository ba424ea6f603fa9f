//! A frame of one colour.

use crate::{Image, Padding};

/// `ImageOps.expand(image, (left, top, right, bottom), fill)`, `cv2.copyMakeBorder(..., BORDER_CONSTANT)`: adds columns
/// and rows of one colour. Mirrored frames are [`pad`](crate::pad)'s.
///
/// # Panics
/// If a side of the result is longer than `u32` can say.
pub fn border(image: &Image, padding: Padding, color: [u8; 3]) -> Image {
    let Padding { left, top, right, bottom } = padding;
    let long = |side: u32, more: [u32; 2]| more.iter().try_fold(side, |side, more| side.checked_add(*more));
    let (width, height) = (long(image.width(), [left, right]), long(image.height(), [top, bottom]));
    let (width, height) = width.zip(height).expect("a framed image has sides of 32 bits");
    let mut data = color.repeat(width as usize * height as usize);
    let (stride, inside) = (3 * width as usize, 3 * image.width() as usize);
    let rows = data.chunks_exact_mut(stride).skip(top as usize);
    for (out, row) in rows.zip(image.data().chunks_exact(inside)) {
        out[3 * left as usize..][..inside].copy_from_slice(row);
    }
    Image::new(width, height, data).expect("a frame adds whole rows and columns")
}
