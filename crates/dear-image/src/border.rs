//! A frame of one colour.

use crate::{Image, Padding};

/// `ImageOps.expand(image, (left, top, right, bottom), fill)`, `cv2.copyMakeBorder(..., BORDER_CONSTANT)`: adds columns
/// and rows of one colour. Mirrored frames are [`pad`](crate::pad)'s.
pub fn border(image: &Image, padding: Padding, color: [u8; 3]) -> Image {
    let Padding { left, top, right, bottom } = padding;
    let (width, height) = (left + image.width() + right, top + image.height() + bottom);
    let mut data = color.repeat(width as usize * height as usize);
    let (stride, inside) = (3 * width as usize, 3 * image.width() as usize);
    let rows = data.chunks_exact_mut(stride).skip(top as usize);
    for (out, row) in rows.zip(image.data().chunks_exact(inside)) {
        out[3 * left as usize..][..inside].copy_from_slice(row);
    }
    Image::new(width, height, data).expect("a frame adds whole rows and columns")
}
