//! Pixels to bytes: JPEG and WebP as Pillow writes them (libjpeg-turbo, libwebp), and PNG.

mod webp;

pub use webp::encode_webp;

use crate::Image;
use serde::{Deserialize, Serialize};
use turbojpeg::{Compressor, PixelFormat, Subsamp};

/// How much smaller the chroma planes of a JPEG are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub enum Subsampling {
    /// Chroma at full size.
    #[serde(rename = "4:4:4")]
    S444,
    /// Chroma at half width.
    #[serde(rename = "4:2:2")]
    S422,
    /// Chroma at half width and half height: Pillow's default and the paper's.
    #[default]
    #[serde(rename = "4:2:0")]
    S420,
}

/// Why pixels did not become bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A setting outside its range.
    #[error("{format} quality {found} is not in 1..=100")]
    Quality {
        /// `jpeg` or `webp`.
        format: &'static str,
        /// The quality asked for.
        found: u8,
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

/// libjpeg's `JPEG_MAX_DIMENSION`.
const LARGEST_JPEG: u32 = 65_500;

impl Subsampling {
    /// `4:4:4`, `4:2:2` or `4:2:0`.
    pub fn as_str(self) -> &'static str {
        match self {
            Subsampling::S444 => "4:4:4",
            Subsampling::S422 => "4:2:2",
            Subsampling::S420 => "4:2:0",
        }
    }
}

/// Encodes a baseline JPEG: the bytes of Pillow's `save(file, "JPEG", quality=quality, subsampling=subsampling)`,
/// so its quantisation tables (libjpeg's, scaled by quality 1 to 100) and its decoded pixels.
pub fn encode_jpeg(image: &Image, quality: u8, subsampling: Subsampling) -> Result<Vec<u8>, EncodeError> {
    if !(1..=100).contains(&quality) {
        return Err(EncodeError::Quality { format: "jpeg", found: quality });
    }
    let (width, height) = image.size();
    if width > LARGEST_JPEG || height > LARGEST_JPEG {
        return Err(EncodeError::TooLarge { format: "jpeg", width, height, largest: LARGEST_JPEG });
    }
    compress(image, quality, subsampling)
        .map_err(|error| EncodeError::Library { format: "jpeg", detail: error.to_string() })
}

fn compress(image: &Image, quality: u8, subsampling: Subsampling) -> turbojpeg::Result<Vec<u8>> {
    let mut compressor = Compressor::new()?;
    compressor.set_quality(i32::from(quality))?;
    compressor.set_subsamp(match subsampling {
        Subsampling::S444 => Subsamp::None,
        Subsampling::S422 => Subsamp::Sub2x1,
        Subsampling::S420 => Subsamp::Sub2x2,
    })?;
    compressor.compress_to_vec(turbojpeg::Image {
        pixels: image.data(),
        width: image.width() as usize,
        pitch: 3 * image.width() as usize,
        height: image.height() as usize,
        format: PixelFormat::RGB,
    })
}

/// Encodes an 8-bit RGB PNG.
pub fn encode_png(image: &Image) -> Result<Vec<u8>, EncodeError> {
    write_png(image.width(), image.height(), png::ColorType::Rgb, image.data())
}

/// Encodes an 8-bit gray PNG from `width * height` bytes: masks and maps.
pub fn encode_png_gray(width: u32, height: u32, gray: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let expected = u64::from(width) * u64::from(height);
    if gray.len() as u64 != expected {
        return Err(EncodeError::WrongLength { width, height, expected, found: gray.len() as u64 });
    }
    write_png(width, height, png::ColorType::Grayscale, gray)
}

fn write_png(width: u32, height: u32, color: png::ColorType, data: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let library =
        |error: png::EncodingError| EncodeError::Library { format: "png", detail: error.to_string() };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(library)?;
    writer.write_image_data(data).map_err(library)?;
    writer.finish().map_err(library)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodeOptions, decode, decode_mask};

    #[test]
    fn png_round_trip() {
        let image = Image::from_fn(31, 17, |x, y| [(x * 8) as u8, (y * 15) as u8, (x * y) as u8]);
        let decoded = decode(&encode_png(&image).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.image, image);
        assert!(decoded.warnings.is_empty() && !decoded.truncated);
        let gray: Vec<u8> = (0..=255).collect();
        let mask = decode_mask(&encode_png_gray(32, 8, &gray).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!(mask.count_inside(), 128);
    }

    #[test]
    fn ranges_are_named() {
        let image = Image::from_fn(1, 1, |_, _| [0; 3]);
        let said = |quality| encode_jpeg(&image, quality, Subsampling::S420).unwrap_err().to_string();
        assert_eq!(said(0), "jpeg quality 0 is not in 1..=100");
        assert_eq!(said(101), "jpeg quality 101 is not in 1..=100");
        assert_eq!(encode_webp(&image, 0).unwrap_err().to_string(), "webp quality 0 is not in 1..=100");
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
        assert!(encode_png_gray(2, 2, &[0; 3]).is_err());
    }
}
