//! The paper's composite (method section 1; reference `scripts/inpaint_data_gen/gen_inpaint_data.py`): the photograph and
//! its mask become 512 x 512, the mask is blurred, the generated frame is blended in by it, and the frame is resized back.

use dear_image::{Image, Kernel, Mask, Resize, pillow_blur_plane, resize, resize_mask};

/// Both sides of the frame in which pixels are generated.
const FRAME: u32 = 512;

/// Standard deviation of the mask's blur (Pillow's `GaussianBlur(33)`).
const BLUR: f64 = 33.0;

/// The photograph as the inpainter sees it: resized (bicubic) to 512 x 512, whatever its proportions.
pub(super) fn frame(real: &Image) -> Image {
    resize(real, FRAME, FRAME, Kernel::Bicubic)
}

/// The mask at 512 x 512 (nearest), before it is blurred.
pub(super) fn frame_mask(mask: &Mask) -> Mask {
    resize_mask(mask, FRAME, FRAME)
}

/// The blurred mask at 512 x 512: 255 where a pixel is wholly taken from the generated frame.
pub(super) fn weights(mask: &Mask) -> Mask {
    let blurred = pillow_blur_plane(frame_mask(mask).data(), FRAME, BLUR);
    Mask::new(FRAME, FRAME, blurred).expect("a blur keeps the size")
}

/// `m * generated + (1 - m) * frame` with `m = weight / 255`, in f32 as the reference computes it, cut off to whole
/// numbers; resized to `size` (bicubic). All three pictures are 512 x 512.
///
/// Cut off, not rounded: where both pictures agree, the result can be one less.
pub(super) fn blend(frame: &Image, weights: &Mask, generated: &Image, size: (u32, u32)) -> Image {
    let mut mixed = frame.clone();
    let pixels = mixed.data_mut().chunks_exact_mut(3).zip(generated.data().chunks_exact(3));
    for ((pixel, new), &weight) in pixels.zip(weights.data()) {
        let m = f32::from(weight) / 255.0;
        for (value, &new) in pixel.iter_mut().zip(new) {
            *value = (f32::from(new) * m + f32::from(*value) * (1.0 - m)) as u8;
        }
    }
    resize(&mixed, size.0, size.1, Kernel::Bicubic)
}

/// Of a mask: the share of its pixels where a pixel is regenerated (the blurred mask is at least one half, as in the
/// paper's pipeline), and the share of all weight that lies outside of it. Both at 512 x 512; 0 for a mask that is lost
/// there.
pub(super) fn shares(mask: &Mask) -> (f64, f64) {
    let (hard, soft) = (frame_mask(mask), weights(mask));
    let (mut regenerated, mut outside, mut all) = (0u64, 0u64, 0u64);
    for (&inside, &weight) in hard.data().iter().zip(soft.data()) {
        let is_inside = inside > 127;
        regenerated += u64::from(is_inside && weight > 127);
        outside += if is_inside { 0 } else { u64::from(weight) };
        all += u64::from(weight);
    }
    (regenerated as f64 / hard.count_inside().max(1) as f64, outside as f64 / all.max(1) as f64)
}

/// Weights resized to `size` as the frame is.
pub(super) fn back(weights: &Mask, size: (u32, u32)) -> Mask {
    let to = Resize { size, kernel: Kernel::Bicubic, region: None };
    let data = to.gray(weights.data(), weights.size()).expect("a mask fills its pixels");
    Mask::new(size.0, size.1, data).expect("a resize fills its pixels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_from_the_mask_a_photograph_of_512_pixels_stays_what_it_was() {
        let real =
            Image::from_fn(FRAME, FRAME, |x, y| [(x * 37 + y * 91) as u8, (x * y) as u8, (x ^ y) as u8]);
        let mask = Mask::from_fn(FRAME, FRAME, |x, y| (100..220).contains(&x) && (60..150).contains(&y));
        let generated = Image::from_fn(FRAME, FRAME, |x, y| [(y * 3) as u8, 255, (x * 5) as u8]);
        let weights = weights(&mask);
        let probe = blend(&frame(&real), &weights, &generated, real.size());
        let (mut far, mut unweighted) = (0, 0);
        for y in 0..FRAME {
            for x in 0..FRAME {
                let distance =
                    |at: u32, low: u32, high: u32| low.saturating_sub(at).max(at.saturating_sub(high));
                let is_far = distance(x, 100, 219).max(distance(y, 60, 149)) > 84;
                let weight = weights.data()[(y * FRAME + x) as usize];
                far += u32::from(is_far);
                unweighted += u32::from(weight == 0);
                assert!(!is_far || weight == 0, "({x}, {y}) has weight {weight}");
                assert!(weight > 0 || probe.pixel(x, y) == real.pixel(x, y), "({x}, {y}) changed");
            }
        }
        assert!(far > 100_000 && unweighted >= far, "{far}, {unweighted}");
        assert_ne!(probe.pixel(160, 100), real.pixel(160, 100));
    }

    #[test]
    fn sums_are_cut_off_by_hand() {
        // 51 / 255 = 0.2: 0.2 * 255 + 0.8 * 9 = 58.2, and 0.2 * 0 + 0.8 * 9 = 7.2.
        let frame = Image::from_fn(FRAME, FRAME, |_, _| [9; 3]);
        let generated = Image::from_fn(FRAME, FRAME, |_, _| [255, 0, 9]);
        let weights = Mask::new(FRAME, FRAME, vec![51; (FRAME * FRAME) as usize]).unwrap();
        assert_eq!(blend(&frame, &weights, &generated, (FRAME, FRAME)).pixel(3, 4)[..2], [58, 7]);
    }
}
