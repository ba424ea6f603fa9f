//! The paper's training augmentation: one image (and its mask) to one crop of 96 x 96.
//!
//! All of it is drawn first, into an [`AugmentPlan`], which depends on the size alone; then it is applied. Each step
//! has its own probability, and they come in the paper's order: random resized crop, colour jitter, greyscale, cutout,
//! noise, blur, JPEG, rotation, flip, crop. Image and mask share the geometry. The result is 8-bit; normalisation is
//! inside the detector.

mod options;
mod plan;
mod window;
mod words;

pub use options::{AugmentError, AugmentOptions, PadRule, ResizeTo};
pub use plan::{AugmentPlan, Cutout, Jitter, ResizedCrop};

use crate::{Draw, Image, Mask};
use serde::{Deserialize, Serialize};

/// Whose augmentation: the reference treats its two data sets a little differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AugmentRole {
    /// The detector's own training images.
    Main,
    /// Inpainted probes with their masks.
    Probe,
}

/// Draws a plan and applies it: an image of `options.crop` x `options.crop`, and the mask likewise.
///
/// A mask of another size than the image's is first resized to it (nearest).
///
/// # Panics
/// If `options` do not pass [`AugmentOptions::check`].
pub fn augment(
    image: &Image,
    mask: Option<&Mask>,
    options: &AugmentOptions,
    role: AugmentRole,
    draw: &mut Draw,
) -> (Image, Option<Mask>) {
    AugmentPlan::draw(image.size(), options, role, draw).apply(image, mask)
}

#[cfg(test)]
mod tests;
