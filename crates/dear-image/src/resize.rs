//! Resampling, byte for byte as Pillow 12.3.0 does it (`Image.resize`).
//!
//! Two passes, rows first, each rounding to 8 bits; a coefficient is a fixed-point number with 22 fraction bits. When
//! reducing, the kernel grows with the factor (antialias). Only the rows that the second pass reads are computed by
//! the first. An image more than 100 times as high as wide that becomes lower is the exception: columns first. On other
//! images Pillow 11.0 to 12.3 agree; 13.0 takes the other pass first in some non-uniform cases.

mod alpha;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod kernel;
mod nearest;
mod passes;
mod taps;

pub use kernel::Kernel;

use crate::image::{ImageError, check};
use crate::simd::Avx2;
use crate::{Image, Mask};
use nearest::nearest;
use passes::Pass;
use std::borrow::Cow;
use taps::Taps;

/// What to make of pixels: `resize(size, resample=kernel, box=region)` of Pillow.
///
/// ```
/// use dear_image::{Kernel, Resize};
/// let half = Resize { size: (2, 1), kernel: Kernel::Box, region: None };
/// assert_eq!(half.gray(&[10, 20, 30, 41], (4, 1))?, [15, 36]);
/// # Ok::<(), dear_image::ImageError>(())
/// ```
///
/// # Panics
/// All methods panic if a side of `size` is 0, or the region has no area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resize {
    /// Columns and rows of the result.
    pub size: (u32, u32),
    /// How samples are weighted.
    pub kernel: Kernel,
    /// The part to take: left, top, right, bottom, in pixels, fractions allowed; `None` is all. It is clamped to the
    /// image. A kernel that reaches over its edge reads the pixels there, as in Pillow.
    pub region: Option<[f64; 4]>,
}

impl Resize {
    /// An RGB image.
    pub fn image(&self, image: &Image) -> Image {
        let data = self.apply::<3>(image.data(), image.size(), None, Avx2::detect());
        Image::new(self.size.0, self.size.1, data).expect("a resize fills its pixels")
    }

    /// One channel: `pixels` are `[height][width]`, `from` is their `(width, height)`. Pillow's mode `L`.
    pub fn gray(&self, pixels: &[u8], from: (u32, u32)) -> Result<Vec<u8>, ImageError> {
        check(from.0, from.1, 1, pixels.len())?;
        Ok(self.apply::<1>(pixels, from, None, Avx2::detect()))
    }

    /// Colour and alpha: `pixels` are `[height][width][4]`, not premultiplied, `from` is their `(width, height)`.
    ///
    /// As Pillow's mode `RGBA`: but for [`Kernel::Nearest`], the colours are weighted with their alpha, and rounded to 8
    /// bits when they are multiplied with it and when they are divided by it again.
    pub fn rgba(&self, pixels: &[u8], from: (u32, u32)) -> Result<Vec<u8>, ImageError> {
        check(from.0, from.1, 4, pixels.len())?;
        if self.kernel == Kernel::Nearest || self.keeps(from) {
            return Ok(self.apply::<4>(pixels, from, None, Avx2::detect()));
        }
        let mut pixels = self.apply::<4>(pixels, from, Some(alpha::premultiply), Avx2::detect());
        alpha::unpremultiply(&mut pixels);
        Ok(pixels)
    }

    /// Whether nothing changes: all of an image at its own size.
    fn keeps(&self, from: (u32, u32)) -> bool {
        let whole = whole(from);
        self.size == from && self.region.unwrap_or(whole) == whole
    }

    /// `prepare` is applied to (a copy of) the rows that are read, but for nearest and where nothing changes.
    fn apply<const C: usize>(
        &self,
        pixels: &[u8],
        from: (u32, u32),
        prepare: Option<fn(&mut [u8])>,
        level: Option<Avx2>,
    ) -> Vec<u8> {
        let (width, height) = self.size;
        let region = clamp(self.region.unwrap_or(whole(from)), from, self.size);
        if self.keeps(from) {
            return pixels.to_vec();
        }
        if self.kernel == Kernel::Nearest {
            return nearest::<C>(pixels, from, region, self.size);
        }
        let [left, top, right, bottom] = region;
        let pass = |length, span, out| Pass::new(Taps::new(length, span, out, self.kernel), level);
        let columns = (width != from.0 || left != 0.0 || right != width as f32)
            .then(|| pass(from.0, (left, right), width));
        let rows = (height != from.1 || top != 0.0 || bottom != height as f32)
            .then(|| pass(from.1, (top, bottom), height));
        let from_width = from.0 as usize;
        if let (Some(columns), Some(rows)) = (&columns, &rows)
            && !(is_tall(from) && height < from.1)
        {
            return passes::both::<C>(pixels, from_width, columns, rows, prepare);
        }
        let mut pixels = Cow::Borrowed(pixels);
        if let Some(prepare) = prepare {
            prepare(pixels.to_mut());
        }
        if let Some(rows) = rows {
            pixels = Cow::Owned(rows.whole_vertical(&pixels, C * from_width));
        }
        if let Some(columns) = columns {
            pixels = Cow::Owned(columns.whole_horizontal::<C>(&pixels, from_width));
        }
        pixels.into_owned()
    }
}

/// Resizes to `width` x `height`: `image.resize((width, height), kernel)`.
///
/// # Panics
/// If a side is 0.
pub fn resize(image: &Image, width: u32, height: u32, kernel: Kernel) -> Image {
    Resize { size: (width, height), kernel, region: None }.image(image)
}

/// Resizes the part `region` (left, top, right, bottom, in pixels, fractions allowed) to `width` x `height`:
/// `image.resize((width, height), kernel, box=region)`; see [`Resize::region`].
///
/// # Panics
/// If a side is 0, or the region has no area.
pub fn resize_box(image: &Image, region: [f64; 4], width: u32, height: u32, kernel: Kernel) -> Image {
    Resize { size: (width, height), kernel, region: Some(region) }.image(image)
}

/// Resizes a mask with Pillow's `NEAREST`.
///
/// # Panics
/// If a side is 0.
pub fn resize_mask(mask: &Mask, width: u32, height: u32) -> Mask {
    let to = Resize { size: (width, height), kernel: Kernel::Nearest, region: None };
    let data = to.apply::<1>(mask.data(), mask.size(), None, None);
    Mask::new(width, height, data).expect("a resize fills its pixels")
}

/// Such images are made lower before they are made wider or narrower.
fn is_tall((width, height): (u32, u32)) -> bool {
    u64::from(height) > 100 * u64::from(width)
}

fn whole((width, height): (u32, u32)) -> [f64; 4] {
    [0.0, 0.0, f64::from(width), f64::from(height)]
}

/// The region within the image, in the single precision in which Pillow takes it.
fn clamp(region: [f64; 4], size: (u32, u32), out: (u32, u32)) -> [f32; 4] {
    assert!(out.0 > 0 && out.1 > 0, "cannot resize to {} x {}", out.0, out.1);
    let (width, height) = (size.0 as f32, size.1 as f32);
    let [left, top, right, bottom] = region.map(|edge| edge as f32);
    let clamped =
        [left.clamp(0.0, width), top.clamp(0.0, height), right.clamp(0.0, width), bottom.clamp(0.0, height)];
    assert!(
        clamped[0] < clamped[2] && clamped[1] < clamped[3],
        "region {region:?} of {width} x {height} is empty"
    );
    clamped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_stays_flat() {
        for kernel in Kernel::ALL {
            for (width, height) in [(1, 1), (7, 3), (40, 90)] {
                let image = resize(&Image::from_fn(13, 29, |_, _| [7, 128, 255]), width, height, kernel);
                assert_eq!(image.size(), (width, height));
                assert!(image.data().chunks_exact(3).all(|p| p == [7, 128, 255]), "{kernel:?}");
            }
        }
    }

    #[test]
    fn halving_by_hand() {
        // Box halves by plain averages: (10 + 20) / 2, (30 + 41) / 2 rounded up.
        let line = Image::from_fn(4, 1, |x, _| [[10, 20, 30, 41][x as usize]; 3]);
        let half = resize(&line, 2, 1, Kernel::Box);
        assert_eq!(half.data(), [15, 15, 15, 36, 36, 36]);
        assert_eq!(resize(&line, 2, 1, Kernel::Nearest).data(), [20, 20, 20, 41, 41, 41]);
    }

    #[test]
    fn same_size_is_a_copy_and_a_box_is_not() {
        let image = Image::from_fn(5, 4, |x, y| [(50 * x) as u8, (60 * y) as u8, 9]);
        assert_eq!(resize(&image, 5, 4, Kernel::Bicubic), image);
        let part = resize_box(&image, [1.0, 1.0, 3.0, 3.0], 2, 2, Kernel::Nearest);
        assert_eq!(part, crate::crop(&image, 1, 1, 2, 2));
    }

    /// Sizes, kernels and regions at which the passes differ: short rows, odd rows, few and many taps.
    #[test]
    fn every_processor_gives_the_same_bytes() {
        let Some(avx2) = Avx2::detect() else { return };
        let mut seen = 0;
        for from in [(1, 1), (2, 9), (7, 5), (16, 1), (31, 33), (40, 3), (301, 67)] {
            let bytes: Vec<u8> =
                (0..4 * from.0 * from.1).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
            for size in [(1, 1), (3, 70), (11, 8), (12, 21), (64, 4), (90, 301)] {
                for kernel in Kernel::ALL {
                    let (w, h) = (f64::from(from.0), f64::from(from.1));
                    for region in [None, Some([0.3 * w, 0.0, w, 0.55 * h]), Some([0.0, 0.9 * h, 0.7, h])] {
                        let to = Resize { size, kernel, region };
                        let plane = &bytes[..(from.0 * from.1) as usize];
                        let rgb = &bytes[..3 * plane.len()];
                        let same = to.apply::<1>(plane, from, None, Some(avx2))
                            == to.apply::<1>(plane, from, None, None)
                            && to.apply::<3>(rgb, from, None, Some(avx2))
                                == to.apply::<3>(rgb, from, None, None)
                            && to.apply::<4>(&bytes, from, None, Some(avx2))
                                == to.apply::<4>(&bytes, from, None, None);
                        assert!(same, "{from:?} {to:?}");
                        seen += 1;
                    }
                }
            }
        }
        assert_eq!(seen, 7 * 6 * 6 * 3);
    }

    #[test]
    fn bytes_of_another_size_are_refused() {
        let to = Resize { size: (2, 2), kernel: Kernel::Bilinear, region: None };
        let said = |result: Result<Vec<u8>, ImageError>| result.unwrap_err().to_string();
        assert_eq!(said(to.gray(&[0; 5], (2, 3))), "a 2 x 3 image with 1 channels holds 6 bytes, got 5");
        assert_eq!(said(to.rgba(&[0; 5], (2, 3))), "a 2 x 3 image with 4 channels holds 24 bytes, got 5");
        assert!(to.gray(&[], (0, 3)).is_err());
    }
}
