//! Which pixels a crop of 96 x 96 depends on, backwards through the steps.
//!
//! Cutout and noise change each pixel for itself; a blur reads as far as its radius; a JPEG block reads itself and, for
//! upsampled chroma, its neighbours. So a part that is larger by the radius, and aligned to the blocks with one more on
//! each side, gives the same pixels as the whole picture.

use super::plan::AugmentPlan;
use crate::Image;
use crate::geometry::crop;

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The part that each step must compute.
pub(super) struct Window {
    /// What the crop shows, before rotation and flip.
    pub(super) seen: Rect,
    /// What the JPEG coder needs for that.
    pub(super) coded: Rect,
    /// What the blur needs for that; also the part for cutout and noise.
    pub(super) blurred: Rect,
    /// Where the crop begins in the padded, turned `seen`.
    pub(super) crop_at: (u32, u32),
}

/// Side of the largest JPEG block group (4:2:0).
const BLOCKS: u32 = 16;

impl Rect {
    pub(super) fn whole((width, height): (u32, u32)) -> Rect {
        Rect { left: 0, top: 0, width, height }
    }

    /// Cuts this rectangle out of `image`, which shows `shown`.
    pub(super) fn cut(self, image: &Image, shown: Rect) -> Image {
        if self == shown {
            return image.clone();
        }
        crop(image, self.left - shown.left, self.top - shown.top, self.width, self.height)
    }

    /// Larger by `margin` on each side, after growing to multiples of `grid`, within `size`.
    fn grown(self, grid: u32, margin: u32, size: (u32, u32)) -> Rect {
        let axis = |start: u32, length: u32, limit: u32| {
            let from = (start / grid * grid).saturating_sub(margin);
            let to = ((start + length).div_ceil(grid) * grid + margin).min(limit);
            (from, to - from)
        };
        let (left, width) = axis(self.left, self.width, size.0);
        let (top, height) = axis(self.top, self.height, size.1);
        Rect { left, top, width, height }
    }
}

impl Window {
    /// Goes back from the crop to the image of `size` (after the resized crop).
    pub(super) fn new(plan: &AugmentPlan, size: (u32, u32)) -> Window {
        let turned = if plan.quarters % 2 == 1 { (size.1, size.0) } else { size };
        // A padded direction is kept whole: the mirror may show any of it.
        let axis = |at: u32, before: u32, after: u32, length: u32| {
            if before + after > 0 { (0, length, at) } else { (at, plan.crop, 0) }
        };
        let (left, width, crop_left) = axis(plan.crop_at.0, plan.padding.left, plan.padding.right, turned.0);
        let (top, height, crop_top) = axis(plan.crop_at.1, plan.padding.top, plan.padding.bottom, turned.1);

        let left = if plan.flip { turned.0 - left - width } else { left };
        let seen = match plan.quarters % 4 {
            0 => Rect { left, top, width, height },
            1 => Rect { left: size.0 - top - height, top: left, width: height, height: width },
            2 => Rect { left: size.0 - left - width, top: size.1 - top - height, width, height },
            _ => Rect { left: top, top: size.1 - left - width, width: height, height: width },
        };
        let coded = if plan.jpeg.is_some() { seen.grown(BLOCKS, BLOCKS, size) } else { seen };
        let radius = plan.blur.map_or(0, |sigma| (4.0 * sigma + 0.5) as u32);
        let blurred = coded.grown(1, radius, size);
        Window { seen, coded, blurred, crop_at: (crop_left, crop_top) }
    }
}
