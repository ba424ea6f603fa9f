//! What fills the masked region.

use dear_image::{Image, Kernel, Mask, crop, resize};
use serde::{Deserialize, Serialize};

use crate::generator::{Generator, GeneratorError};

/// Makes a generated counterpart of an image.
pub trait Inpainter: Sync {
    /// Which engine this is; part of the key by which finished probes are recognised.
    fn kind(&self) -> InpainterKind;
    /// Everything that decides the pixels (model hash, scale), as one line for records and keys.
    fn describe(&self) -> String;
    /// An image of the same size whose masked pixels are generated; pixels far from the mask need not be.
    ///
    /// # Errors
    /// The engine's error.
    fn inpaint(&self, image: &Image, mask: &Mask) -> Result<Image, GeneratorError>;
}

/// The inpainters of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InpainterKind {
    /// Reduce by the generator's factor and let the super-resolution network make the pixels again.
    Resynthesis,
    /// The same resampling without a network: measures what resampling alone does to the features.
    Null,
}

impl InpainterKind {
    /// The name used in options and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resynthesis => "resynthesis",
            Self::Null => "null",
        }
    }
}

/// Re-synthesis by a super-resolution network: bicubic reduction, then the network's enlargement.
pub struct Resynthesis<'a>(pub &'a Generator);

/// Bicubic reduction by `factor` and bicubic enlargement back: a probe with nothing generated.
pub struct Null {
    /// The factor of the generator that it stands beside.
    pub factor: u32,
}

impl Inpainter for Resynthesis<'_> {
    fn kind(&self) -> InpainterKind {
        InpainterKind::Resynthesis
    }
    fn describe(&self) -> String {
        let (name, engine) = (&self.0.metadata().name, self.0.info());
        format!("{name} x{} sha256 {} by {} {}", self.0.scale(), self.0.sha256(), engine.name, engine.version)
    }
    fn inpaint(&self, image: &Image, mask: &Mask) -> Result<Image, GeneratorError> {
        through_reduction(image, mask, self.0.scale(), |small| self.0.upscale(small))
    }
}

impl Inpainter for Null {
    fn kind(&self) -> InpainterKind {
        InpainterKind::Null
    }
    fn describe(&self) -> String {
        format!("bicubic x{}", self.factor)
    }
    fn inpaint(&self, image: &Image, mask: &Mask) -> Result<Image, GeneratorError> {
        through_reduction(image, mask, self.factor, |small| {
            Ok(resize(small, small.width() * self.factor, small.height() * self.factor, Kernel::Bicubic))
        })
    }
}

/// Context around the mask that the network sees, in pixels of the image.
const CONTEXT: u32 = 32;

/// Reduce a window around the mask by `factor`, enlarge it by `enlarge`, and lay it into a copy of the image. Only the
/// window is computed; it is padded on the right and below, edge pixel repeated, to a multiple of `factor`.
fn through_reduction(
    image: &Image,
    mask: &Mask,
    factor: u32,
    enlarge: impl Fn(&Image) -> Result<Image, GeneratorError>,
) -> Result<Image, GeneratorError> {
    let Some((left, top, right, bottom)) = bounds(mask) else { return Ok(image.clone()) };
    let left = left.saturating_sub(CONTEXT);
    let top = top.saturating_sub(CONTEXT);
    let (width, height) =
        ((right + CONTEXT).min(image.width()) - left, (bottom + CONTEXT).min(image.height()) - top);
    let padded = Image::from_fn(width.next_multiple_of(factor), height.next_multiple_of(factor), |x, y| {
        image.pixel((left + x).min(image.width() - 1), (top + y).min(image.height() - 1))
    });
    let small = resize(&padded, padded.width() / factor, padded.height() / factor, Kernel::Bicubic);
    let window = crop(&enlarge(&small)?, 0, 0, width, height);
    let mut out = image.clone();
    for y in 0..height {
        let from = (y * width * 3) as usize;
        let to = (((top + y) as usize) * image.width() as usize + left as usize) * 3;
        let length = width as usize * 3;
        out.data_mut()[to..to + length].copy_from_slice(&window.data()[from..from + length]);
    }
    Ok(out)
}

/// Left, top, right, bottom (exclusive) of the mask's inside, `None` for an empty mask.
fn bounds(mask: &Mask) -> Option<(u32, u32, u32, u32)> {
    let mut found: Option<(u32, u32, u32, u32)> = None;
    for y in 0..mask.height() {
        for x in 0..mask.width() {
            if mask.is_inside(x, y) {
                let (l, t, r, b) = found.unwrap_or((x, y, x + 1, y + 1));
                found = Some((l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_resamples_the_window_and_leaves_the_rest() {
        let image = Image::from_fn(150, 131, |x, y| {
            [((x * 37 + y * 11) % 256) as u8, (x % 256) as u8, (y % 256) as u8]
        });
        let mask = Mask::from_fn(150, 131, |x, y| x >= 120 && y >= 100);
        let out = Null { factor: 4 }.inpaint(&image, &mask).unwrap();
        assert_eq!((out.width(), out.height()), (150, 131));
        assert_eq!(out.pixel(10, 10), image.pixel(10, 10));
        let changed = (100..131)
            .flat_map(|y| (120..150).map(move |x| (x, y)))
            .filter(|&(x, y)| out.pixel(x, y) != image.pixel(x, y));
        assert!(changed.count() > 900, "reduction by 4 must change nearly every masked pixel");
    }

    #[test]
    fn an_empty_mask_changes_nothing() {
        let image = Image::from_fn(20, 20, |x, _| [x as u8; 3]);
        let out = Null { factor: 4 }.inpaint(&image, &Mask::from_fn(20, 20, |_, _| false)).unwrap();
        assert_eq!(out, image);
    }
}
