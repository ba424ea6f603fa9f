//! Pixels to bytes: JPEG and WebP as Pillow writes them (libjpeg-turbo, libwebp), and PNG.

mod jpeg;
mod png;
mod webp;

pub use jpeg::{JpegOptions, Subsampling, encode_jpeg, encode_jpeg_gray, encode_jpeg_with};
pub use png::{encode_png, encode_png_gray};
pub use webp::{WebpOptions, encode_webp, encode_webp_with};

use std::ops::RangeInclusive;

/// Why pixels did not become bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A setting outside its range.
    #[error("{format} {setting} {found} is not in {lowest}..={highest}")]
    OutOfRange {
        /// `jpeg` or `webp`.
        format: &'static str,
        /// `quality` or `method`.
        setting: &'static str,
        /// The value asked for.
        found: u8,
        /// Smallest value.
        lowest: u8,
        /// Largest value.
        highest: u8,
    },
    /// More rows or columns than the format can say.
    #[error("an image of {width} x {height} is too large for {format}, whose sides end at {largest}")]
    TooLarge {
        /// `jpeg` or `webp`.
        format: &'static str,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Longest side.
        largest: u32,
    },
    /// A gray picture whose bytes are not one a pixel.
    #[error("a {width} x {height} gray image holds {expected} bytes, got {found}")]
    WrongLength {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Width times height.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// What the library said.
    #[error("{format} encoder: {detail}")]
    Library {
        /// `jpeg`, `png` or `webp`.
        format: &'static str,
        /// Its message.
        detail: String,
    },
}

fn in_range(
    format: &'static str,
    setting: &'static str,
    found: u8,
    range: RangeInclusive<u8>,
) -> Result<(), EncodeError> {
    if range.contains(&found) {
        return Ok(());
    }
    Err(EncodeError::OutOfRange { format, setting, found, lowest: *range.start(), highest: *range.end() })
}

fn check_size(format: &'static str, (width, height): (u32, u32), largest: u32) -> Result<(), EncodeError> {
    if width > largest || height > largest {
        return Err(EncodeError::TooLarge { format, width, height, largest });
    }
    Ok(())
}

fn gray_length(width: u32, height: u32, gray: &[u8]) -> Result<(), EncodeError> {
    let expected = u64::from(width) * u64::from(height);
    if gray.len() as u64 != expected {
        return Err(EncodeError::WrongLength { width, height, expected, found: gray.len() as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodeOptions, Image, decode, decode_mask};

    #[test]
    fn png_round_trip() {
        let image = Image::from_fn(31, 17, |x, y| [(x * 8) as u8, (y * 15) as u8, (x * y) as u8]);
        let decoded = decode(&encode_png(&image).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.image, image);
        assert!(decoded.warnings.is_empty() && !decoded.truncated);
        let gray: Vec<u8> = (0..=255).collect();
        let mask = decode_mask(&encode_png_gray(32, 8, &gray).unwrap()).unwrap();
        assert_eq!(mask.count_inside(), 128);
    }

    #[test]
    fn ranges_are_named() {
        let image = Image::from_fn(1, 1, |_, _| [0; 3]);
        let said = |quality| encode_jpeg(&image, quality, Subsampling::S420).unwrap_err().to_string();
        assert_eq!(said(0), "jpeg quality 0 is not in 1..=100");
        assert_eq!(said(101), "jpeg quality 101 is not in 1..=100");
        let said = |options| encode_webp_with(&image, &options).unwrap_err().to_string();
        assert_eq!(
            said(WebpOptions { quality: 101, ..WebpOptions::default() }),
            "webp quality 101 is not in 0..=100"
        );
        assert_eq!(
            said(WebpOptions { method: 7, ..WebpOptions::default() }),
            "webp method 7 is not in 0..=6"
        );
        let long = Image::from_fn(65_501, 1, |_, _| [0; 3]);
        assert!(encode_jpeg(&long, 50, Subsampling::S420).is_err());
        let said = |width| {
            encode_webp(&Image::from_fn(width, 1, |_, _| [0; 3]), 50).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(said(16_383), Ok(()));
        assert_eq!(
            said(16_384),
            Err("an image of 16384 x 1 is too large for webp, whose sides end at 16383".to_owned())
        );
        let short = "a 2 x 2 gray image holds 4 bytes, got 3";
        assert_eq!(encode_png_gray(2, 2, &[0; 3]).unwrap_err().to_string(), short);
        let gray = encode_jpeg_gray(2, 2, &[0; 3], &JpegOptions::default());
        assert_eq!(gray.unwrap_err().to_string(), short);
        assert!(encode_jpeg_gray(0, 2, &[], &JpegOptions::default()).is_err());
        assert!(encode_png_gray(0, 2, &[]).is_err());
    }
}
