//! Colour times alpha and back, as Pillow's `RGBA` to `RGBa` and back: so that the colour of transparent pixels does
//! not bleed into their neighbours.

use crate::simd::vectorized;

vectorized! {
    /// Each colour times its alpha over 255, rounded.
    pub(super) fn premultiply(pixels: &mut [u8]) {
        // Two channels a multiplication: a product with its rounding stays within its 16 bits.
        const EVEN: u32 = 0x00ff_00ff;
        const HALVES: u32 = 0x0080_0080;
        for pixel in pixels.as_chunks_mut::<4>().0 {
            let rgba = u32::from_le_bytes(*pixel);
            let alpha = rgba >> 24;
            let red_blue = (rgba & EVEN) * alpha + HALVES;
            let green = (rgba >> 8 & 0xff) * alpha + 128;
            let red_blue = (red_blue + (red_blue >> 8 & EVEN)) >> 8 & EVEN;
            let green = (green + (green >> 8)) & 0xff00;
            *pixel = (alpha << 24 | green | red_blue).to_le_bytes();
        }
    }
}

/// Each colour divided by its alpha, cut and clipped; a pixel without alpha keeps what it has.
pub(super) fn unpremultiply(pixels: &mut [u8]) {
    for pixel in pixels.as_chunks_mut::<4>().0 {
        let inverse = INVERSE[usize::from(pixel[3])];
        for color in &mut pixel[..3] {
            *color = ((u64::from(*color) * inverse) >> 32).min(255) as u8;
        }
    }
}

/// 255 / alpha with 32 fraction bits, rounded up: enough for the whole part of a product with 8 bits to be exact.
const INVERSE: [u64; 256] = {
    let mut inverse = [1 << 32; 256];
    let mut alpha = 1;
    while alpha < 255 {
        inverse[alpha] = (255u64 << 32).div_ceil(alpha as u64);
        alpha += 1;
    }
    inverse
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_is_exact() {
        for alpha in 0..=255u8 {
            let mut pixels: Vec<u8> = (0..=255).flat_map(|color| [color, color, color, alpha]).collect();
            unpremultiply(&mut pixels);
            for (color, pixel) in (0..=255u32).zip(pixels.chunks_exact(4)) {
                let whole = (255 * color).checked_div(u32::from(alpha)).unwrap_or(color).min(255) as u8;
                assert_eq!(pixel, [whole, whole, whole, alpha]);
            }
        }
    }
}
