//! The paper's post-processing (its post-processed test set): what is drawn for an image, and how it is applied.

use crate::enhance::enhance_all;
use crate::{Draw, EncodeError, Image, Kernel, Subsampling, encode_jpeg, resize};

/// What was drawn for one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paper {
    /// JPEG quality, 50 to 95.
    pub quality: u8,
    /// What both sides were multiplied with, before truncation and clamping.
    pub factor: f64,
    /// Columns after resizing, 256 to 1024.
    pub width: u32,
    /// Rows after resizing, 256 to 1024.
    pub height: u32,
    /// `ImageEnhance` factors, 0.8 to 1.2.
    pub brightness: f64,
    /// See [`Paper::brightness`].
    pub contrast: f64,
    /// See [`Paper::brightness`].
    pub sharpness: f64,
    /// See [`Paper::brightness`].
    pub color: f64,
}

const SMALLEST: f64 = 256.0;
const LARGEST: f64 = 1024.0;

impl Paper {
    /// Draws in the reference's order: quality, whether to enlarge, by how much, then the four enhancements.
    pub fn draw((width, height): (u32, u32), draw: &mut Draw) -> Paper {
        let (w, h) = (f64::from(width), f64::from(height));
        let quality = draw.int(50..=95) as u8;
        // Ranges are reversed where the image is too large to enlarge or too small to reduce, as in the reference.
        let factor = if draw.chance(0.5) {
            draw.uniform(1.0, (LARGEST / w).min(LARGEST / h))
        } else {
            draw.uniform((SMALLEST / w).max(SMALLEST / h), 1.0)
        };
        let side = |length: f64| (length * factor).trunc().clamp(SMALLEST, LARGEST) as u32;
        Paper {
            quality,
            factor,
            width: side(w),
            height: side(h),
            brightness: draw.uniform(0.8, 1.2),
            contrast: draw.uniform(0.8, 1.2),
            sharpness: draw.uniform(0.8, 1.2),
            color: draw.uniform(0.8, 1.2),
        }
    }

    /// The JPEG file that the test set holds.
    pub fn apply(&self, image: &Image) -> Result<Vec<u8>, EncodeError> {
        let image = resize(image, self.width, self.height, Kernel::Bicubic);
        let image = enhance_all(image, [self.brightness, self.contrast, self.sharpness, self.color]);
        encode_jpeg(&image, self.quality, Subsampling::S420)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_stay_in_their_range_and_are_clamped_apart() {
        for (width, height) in [(512, 512), (40, 40), (5000, 3000), (2000, 100), (256, 1024)] {
            let mut enlarged = 0;
            for view in 0..200u8 {
                let paper = Paper::draw((width, height), &mut Draw::keyed(1, &[&[view]]));
                assert!((50..=95).contains(&paper.quality));
                assert!((256..=1024).contains(&paper.width) && (256..=1024).contains(&paper.height));
                assert!((0.8..1.2).contains(&paper.color));
                let expected = (f64::from(width) * paper.factor).trunc().clamp(256.0, 1024.0);
                assert_eq!(f64::from(paper.width), expected);
                enlarged += u32::from(paper.factor > 1.0);
            }
            if width == 512 {
                assert!((70..=130).contains(&enlarged), "{enlarged}");
            }
        }
    }
}
