//! How the generated pixels are laid into the photograph.

use dear_image::{Image, Mask};
use serde::{Deserialize, Serialize};

use super::inpainter::Canvas;
use super::reference;

/// What an inpainter is shown of a photograph, and how its answer becomes the probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Composite {
    /// At the photograph's own size; outside the mask nothing changes ([`sharp`]).
    #[default]
    Sharp,
    /// The paper's: at 512 x 512 with a blurred mask, resized back.
    Reference,
}

impl Composite {
    /// The name used in options and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sharp => "sharp",
            Self::Reference => "reference",
        }
    }

    /// What the inpainter is shown of a photograph and its mask.
    pub(super) fn canvas(self, real: &Image, mask: &Mask) -> (Image, Mask) {
        match self {
            Self::Sharp => (real.clone(), mask.clone()),
            Self::Reference => (reference::frame(real), reference::weights(mask)),
        }
    }

    /// The probe, of the photograph's size, from the inpainter's answer to its canvas.
    pub(super) fn join(self, real: &Image, mask: &Mask, canvas: &Canvas, generated: &Image) -> Image {
        match self {
            Self::Sharp => sharp(real, generated, mask),
            Self::Reference => reference::blend(&canvas.image, &canvas.mask, generated, real.size()),
        }
    }
}

/// How far each pixel of a probe is generated, at the image's size: 255 wholly, 0 not at all. `mask` has the size of the
/// image. This is recomputed from the hard mask, which is all that is stored of a probe.
///
/// `Sharp`: 51, 102, ... 255 by chessboard distance from the mask's edge, exactly the weights of [`sharp`].
///
/// `Reference`: the mask resized to 512 x 512 (nearest), blurred (Pillow's `GaussianBlur(33)`) and resized back with
/// Pillow's bicubic kernel: the blended frame is resized back with that kernel, resizing is linear, and so what it
/// makes of the weights is the generated share of each pixel of the probe (up to rounding).
pub fn blend_weights(mask: &Mask, composite: Composite) -> Mask {
    match composite {
        Composite::Sharp => {
            let depth = chessboard_distance(mask);
            let data =
                depth.iter().map(|&depth| (depth.min(FEATHER + 1) * 255 / (FEATHER + 1)) as u8).collect();
            Mask::new(mask.width(), mask.height(), data).expect("one weight a pixel")
        }
        Composite::Reference => reference::back(&reference::weights(mask), mask.size()),
    }
}

/// Width of the feather, in pixels inside the mask's edge.
const FEATHER: u32 = 4;

/// The `sharp` composite: outside the mask every pixel stays byte-identical; inside, the generated image takes over
/// within four pixels of the edge (weights 1/5, 2/5, ... by chessboard distance), so that inside and outside are what the
/// mask claims. The image border is not an edge. `generated` has the size of `real`.
///
/// The reference instead blends with a mask blurred by sigma 33: 32 % of its weight lies outside the rectangle.
pub fn sharp(real: &Image, generated: &Image, mask: &Mask) -> Image {
    let distance = chessboard_distance(mask);
    let width = real.width() as usize;
    let mut out = real.clone();
    for (at, pixel) in out.data_mut().chunks_exact_mut(3).enumerate() {
        let depth = distance[at].min(FEATHER + 1);
        if depth == 0 {
            continue;
        }
        let (x, y) = ((at % width) as u32, (at / width) as u32);
        for (value, new) in pixel.iter_mut().zip(generated.pixel(x, y)) {
            // Integer blend, rounded half up.
            let (old, new, all) = (u32::from(*value), u32::from(new), FEATHER + 1);
            *value = ((new * depth * 2 + old * (all - depth) * 2 + all) / (2 * all)) as u8;
        }
    }
    out
}

/// Chessboard distance of each pixel to the nearest pixel outside the mask, 0 outside; capped far above the feather.
fn chessboard_distance(mask: &Mask) -> Vec<u32> {
    let (w, h) = (mask.width() as usize, mask.height() as usize);
    let far = FEATHER + 2;
    let mut distance: Vec<u32> = mask.data().iter().map(|&value| if value > 127 { far } else { 0 }).collect();
    let relax = |distance: &mut Vec<u32>, at: usize, neighbours: &[Option<usize>]| {
        for other in neighbours.iter().flatten() {
            distance[at] = distance[at].min(distance[*other] + 1);
        }
    };
    for y in 0..h {
        for x in 0..w {
            let at = y * w + x;
            let (up, left, right) = (y > 0, x > 0, x + 1 < w);
            let near = [
                left.then(|| at - 1),
                up.then(|| at - w),
                (up && left).then(|| at - w - 1),
                (up && right).then(|| at - w + 1),
            ];
            relax(&mut distance, at, &near);
        }
    }
    for y in (0..h).rev() {
        for x in (0..w).rev() {
            let at = y * w + x;
            let (down, left, right) = (y + 1 < h, x > 0, x + 1 < w);
            let near = [
                right.then(|| at + 1),
                down.then(|| at + w),
                (down && right).then(|| at + w + 1),
                (down && left).then(|| at + w - 1),
            ];
            relax(&mut distance, at, &near);
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_is_untouched_and_inside_takes_over_within_the_feather() {
        let real = Image::from_fn(40, 30, |x, y| [(x * 5) as u8, (y * 7) as u8, 100]);
        let generated = Image::from_fn(40, 30, |_, _| [0, 0, 200]);
        let mask = Mask::from_fn(40, 30, |x, y| (10..30).contains(&x) && y < 15);
        let out = sharp(&real, &generated, &mask);
        for y in 0..30 {
            for x in 0..40 {
                if !mask.is_inside(x, y) {
                    assert_eq!(out.pixel(x, y), real.pixel(x, y), "({x}, {y}) lies outside");
                }
            }
        }
        // Blue rises from 100 to 200 in fifths along row 0 (the image border is no edge).
        let blue: Vec<u8> = (9..16).map(|x| out.pixel(x, 0)[2]).collect();
        assert_eq!(blue, [100, 120, 140, 160, 180, 200, 200]);
        assert_eq!(out.pixel(20, 14)[2], 120, "the lower edge is one");
        let weights = blend_weights(&mask, Composite::Sharp);
        assert_eq!(weights.data()[9..16], [0, 51, 102, 153, 204, 255, 255]);
        assert_eq!(weights.data()[14 * 40 + 20], 51);
    }
}
