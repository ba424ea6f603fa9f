//! The two pixel containers: an RGB [`Image`] and a one-channel [`Mask`].

use crate::simd::vectorized;
use std::fmt;

/// An RGB image: 8 bits a channel, rows from the top, `R G B` for each pixel (HWC). Both sides are at least 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

/// A region: one byte a pixel, 255 inside and 0 outside, rows from the top. Both sides are at least 1.
///
/// Values between count as inside above 127, as `mask > 0.5` does after division by 255.
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

/// Pixels that do not make an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {width} x {height} image with {channels} channels holds {expected} bytes, got {found}")]
pub struct ImageError {
    width: u32,
    height: u32,
    channels: u32,
    expected: u64,
    found: u64,
}

impl Image {
    /// Wraps `data`, which must hold exactly `3 * width * height` bytes; no side may be 0.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Image, ImageError> {
        check(width, height, 3, data.len())?;
        Ok(Image { width, height, data })
    }

    /// Asks `pixel(x, y)` for every pixel, row by row.
    ///
    /// # Panics
    /// If a side is 0.
    pub fn from_fn(width: u32, height: u32, mut pixel: impl FnMut(u32, u32) -> [u8; 3]) -> Image {
        assert!(width > 0 && height > 0, "an image of {width} x {height} has no pixels");
        let mut data = Vec::with_capacity(3 * width as usize * height as usize);
        for y in 0..height {
            for x in 0..width {
                data.extend_from_slice(&pixel(x, y));
            }
        }
        Image { width, height, data }
    }

    /// One grey value a pixel, repeated in the three channels.
    pub(crate) fn from_gray(width: u32, height: u32, gray: &[u8]) -> Image {
        let mut data = vec![0; 3 * gray.len()];
        spread_gray(gray, &mut data);
        Image { width, height, data }
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// `(width, height)`.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// All bytes: `[height][width][3]`.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All bytes, to change in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Gives the bytes away.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The pixel in column `x` of row `y`.
    ///
    /// # Panics
    /// If it lies outside.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width && y < self.height, "pixel {x},{y} of {} x {}", self.width, self.height);
        let at = 3 * (y as usize * self.width as usize + x as usize);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// Pillow's `convert("L")`: `(19595 R + 38470 G + 7471 B + 0x8000) >> 16` for each pixel.
    ///
    /// ```
    /// let blue = dear_image::Image::new(1, 1, vec![20, 60, 220])?;
    /// assert_eq!(blue.luma(), [66]);
    /// # Ok::<(), dear_image::ImageError>(())
    /// ```
    pub fn luma(&self) -> Vec<u8> {
        let mut gray = vec![0; self.data.len() / 3];
        to_gray(&self.data, &mut gray);
        gray
    }
}

impl Mask {
    /// Wraps `data`, which must hold exactly `width * height` bytes; no side may be 0.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Mask, ImageError> {
        check(width, height, 1, data.len())?;
        Ok(Mask { width, height, data })
    }

    /// Asks `inside(x, y)` for every pixel, row by row.
    ///
    /// # Panics
    /// If a side is 0.
    pub fn from_fn(width: u32, height: u32, mut inside: impl FnMut(u32, u32) -> bool) -> Mask {
        assert!(width > 0 && height > 0, "a mask of {width} x {height} has no pixels");
        let mut data = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            for x in 0..width {
                data.push(if inside(x, y) { 255 } else { 0 });
            }
        }
        Mask { width, height, data }
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// `(width, height)`.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// All bytes: `[height][width]`.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Whether the pixel in column `x` of row `y` is inside (above 127).
    ///
    /// # Panics
    /// If it lies outside the mask's own size.
    pub fn is_inside(&self, x: u32, y: u32) -> bool {
        assert!(x < self.width && y < self.height, "pixel {x},{y} of {} x {}", self.width, self.height);
        self.data[y as usize * self.width as usize + x as usize] > 127
    }

    /// How many pixels are inside.
    pub fn count_inside(&self) -> u64 {
        self.data.iter().filter(|&&v| v > 127).count() as u64
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} x {})", self.width, self.height)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({} x {}, {} inside)", self.width, self.height, self.count_inside())
    }
}

vectorized! {
    fn to_gray(data: &[u8], gray: &mut [u8]) {
        for (gray, pixel) in gray.iter_mut().zip(data.chunks_exact(3)) {
            *gray = luma(pixel[0], pixel[1], pixel[2]);
        }
    }

    /// Each value three times, into `data`.
    pub(crate) fn spread_gray(gray: &[u8], data: &mut [u8]) {
        for (pixel, &value) in data.chunks_exact_mut(3).zip(gray) {
            pixel.copy_from_slice(&[value; 3]);
        }
    }
}

/// Pillow's Rec. 601 luma in 16-bit fixed point.
#[inline(always)]
pub(crate) fn luma(r: u8, g: u8, b: u8) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 0x8000) >> 16) as u8
}

/// Whether `found` bytes are `width` x `height` pixels, and at least one.
pub(crate) fn check(width: u32, height: u32, channels: u32, found: usize) -> Result<(), ImageError> {
    let expected = u64::from(width) * u64::from(height) * u64::from(channels);
    if expected == 0 || expected != found as u64 {
        return Err(ImageError { width, height, channels, expected, found: found as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_length_names_both_numbers() {
        let error = Image::new(2, 3, vec![0; 17]).unwrap_err();
        assert_eq!(error.to_string(), "a 2 x 3 image with 3 channels holds 18 bytes, got 17");
        assert!(Image::new(2, 3, vec![0; 18]).is_ok());
        assert!(Image::new(0, 3, vec![]).is_err());
        assert!(Mask::new(1 << 31, 1 << 31, vec![0; 4]).is_err());
    }

    #[test]
    fn grey_has_its_own_luma() {
        assert!((0..=255).all(|v| luma(v, v, v) == v));
    }

    #[test]
    fn inside_starts_at_128() {
        let mask = Mask::new(3, 1, vec![127, 128, 255]).unwrap();
        assert_eq!([0, 1, 2].map(|x| mask.is_inside(x, 0)), [false, true, true]);
        assert_eq!(mask.count_inside(), 2);
    }
}
