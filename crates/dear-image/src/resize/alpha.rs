//! Colour times alpha and back, as Pillow's `RGBA` to `RGBa` and back: so that the colour of transparent pixels does
//! not bleed into their neighbours.

/// Each colour times its alpha over 255, rounded.
pub(super) fn premultiply(rgba: &[u8]) -> Vec<u8> {
    let mut pixels = rgba.to_vec();
    for pixel in pixels.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        for color in &mut pixel[..3] {
            let product = u32::from(*color) * alpha + 128;
            *color = ((product + (product >> 8)) >> 8) as u8;
        }
    }
    pixels
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
