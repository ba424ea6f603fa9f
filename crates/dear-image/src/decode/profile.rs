//! Colour profiles through Little CMS, the library behind Pillow's `ImageCms`.

use lcms2::{ColorSpaceSignature, Flags, Intent, PixelFormat, Profile, Transform};

/// What the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Gray,
    Rgb,
    Cmyk,
}

/// A conversion to sRGB, perceptual intent.
pub(super) struct Conversion {
    transform: Transform<u8, u8>,
    space: Space,
}

impl Conversion {
    /// From an ICC profile for pixels of a space; the error says why it cannot be used.
    pub(super) fn to_srgb(icc: &[u8], pixels: Space) -> Result<Conversion, String> {
        let profile = Profile::new_icc(icc).map_err(|_| "it is damaged".to_owned())?;
        let (space, format) = match (profile.color_space(), pixels) {
            (ColorSpaceSignature::RgbData, Space::Rgb | Space::Gray) => (Space::Rgb, PixelFormat::RGB_8),
            (ColorSpaceSignature::GrayData, Space::Gray) => (Space::Gray, PixelFormat::GRAY_8),
            (ColorSpaceSignature::CmykData, Space::Cmyk) => (Space::Cmyk, PixelFormat::CMYK_8),
            (other, _) => return Err(format!("it is for {other:?} and the picture is {pixels:?}")),
        };
        let srgb = Profile::new_srgb();
        let (intent, flags) = (Intent::Perceptual, Flags::default());
        Transform::new_flags(&profile, format, &srgb, PixelFormat::RGB_8, intent, flags)
            .map(|transform| Conversion { transform, space })
            .map_err(|_| "it has no way to sRGB".to_owned())
    }

    /// Converts RGB pixels in place; grey ones (three equal bytes) by a grey profile, too.
    pub(super) fn rgb(&self, data: &mut [u8]) {
        match self.space {
            Space::Gray => {
                // Grey has 256 answers.
                let all: Vec<u8> = (0..=255).collect();
                let mut table = vec![0; 3 * 256];
                self.transform.transform_pixels(&all, &mut table);
                for pixel in data.chunks_exact_mut(3) {
                    let at = 3 * usize::from(pixel[0]);
                    pixel.copy_from_slice(&table[at..at + 3]);
                }
            }
            _ => {
                let mut row = vec![0; 3 * ROW];
                for part in data.chunks_mut(3 * ROW) {
                    self.transform.transform_pixels(part, &mut row[..part.len()]);
                    part.copy_from_slice(&row[..part.len()]);
                }
            }
        }
    }

    /// Converts CMYK pixels to RGB ones at the front of the same buffer.
    pub(super) fn cmyk(&self, data: &mut Vec<u8>) {
        let mut row = vec![0; 3 * ROW];
        let pixels = data.len() / 4;
        for start in (0..pixels).step_by(ROW) {
            let end = pixels.min(start + ROW);
            let out = &mut row[..3 * (end - start)];
            self.transform.transform_pixels(&data[4 * start..4 * end], out);
            data[3 * start..3 * end].copy_from_slice(out);
        }
        data.truncate(3 * pixels);
    }
}

/// Pixels that are converted at a time.
const ROW: usize = 4096;
