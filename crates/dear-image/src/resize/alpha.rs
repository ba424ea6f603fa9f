//! Colour times alpha and back, as Pillow's `RGBA` to `RGBa` and back: so that the colour of transparent pixels does
//! not bleed into their neighbours.

use crate::simd::vectorize;

/// Each colour times its alpha over 255, rounded.
pub(super) fn premultiply(pixels: &mut [u8]) {
    // Two channels a multiplication: a product with its rounding stays within its 16 bits.
    const EVEN: u32 = 0x00ff_00ff;
    const HALVES: u32 = 0x0080_0080;
    vectorize(|| {
        for pixel in pixels.as_chunks_mut::<4>().0 {
            let rgba = u32::from_le_bytes(*pixel);
            let alpha = rgba >> 24;
            let red_blue = (rgba & EVEN) * alpha + HALVES;
            let green = (rgba >> 8 & 0xff) * alpha + 128;
            let red_blue = (red_blue + (red_blue >> 8 & EVEN)) >> 8 & EVEN;
            let green = (green + (green >> 8)) & 0xff00;
            *pixel = (alpha << 24 | green | red_blue).to_le_bytes();
        }
    });
}

/// Each colour divided by its alpha, cut and clipped; a pixel without alpha keeps what it has.
pub(super) fn unpremultiply(pixels: &mut [u8]) {
    for pixel in pixels.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        if alpha == 0 || alpha == 255 {
            continue;
        }
        for color in &mut pixel[..3] {
            *color = (255 * u32::from(*color) / alpha).min(255) as u8;
        }
    }
}
