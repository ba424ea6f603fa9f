//! JPEG as Pillow writes it: libjpeg-turbo's encoder with Pillow's settings.

use super::{EncodeError, check_size, gray_length, in_range};
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

/// How a JPEG is written: the arguments of Pillow's `save` by the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JpegOptions {
    /// 1 to 100, by which libjpeg scales its two quantisation tables; 75. Pillow's 0 is 1 and is refused here.
    pub quality: u8,
    /// Of the chroma; 4:2:0. Gray images have none.
    pub subsampling: Subsampling,
    /// Huffman tables made for this image: a smaller file of the same pixels; no. A progressive file always has them.
    pub optimize: bool,
    /// Scans from coarse to fine instead of one from the top: the same pixels; no.
    pub progressive: bool,
}

/// libjpeg's `JPEG_MAX_DIMENSION`.
const LARGEST: u32 = 65_500;

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

impl Default for JpegOptions {
    fn default() -> JpegOptions {
        JpegOptions { quality: 75, subsampling: Subsampling::S420, optimize: false, progressive: false }
    }
}

/// Encodes a baseline JPEG: [`encode_jpeg_with`], with quality and subsampling alone.
pub fn encode_jpeg(image: &Image, quality: u8, subsampling: Subsampling) -> Result<Vec<u8>, EncodeError> {
    encode_jpeg_with(image, &JpegOptions { quality, subsampling, ..JpegOptions::default() })
}

/// Encodes a JPEG: the bytes of Pillow's `save(file, "JPEG", quality=..., subsampling=..., optimize=...,
/// progressive=...)`, so its quantisation tables (libjpeg's, scaled by quality 1 to 100) and its decoded pixels.
pub fn encode_jpeg_with(image: &Image, options: &JpegOptions) -> Result<Vec<u8>, EncodeError> {
    let subsampling = match options.subsampling {
        Subsampling::S444 => Subsamp::None,
        Subsampling::S422 => Subsamp::Sub2x1,
        Subsampling::S420 => Subsamp::Sub2x2,
    };
    encode(image.data(), image.size(), PixelFormat::RGB, subsampling, options)
}

/// Encodes a gray JPEG from `width * height` bytes: the bytes of Pillow's `save` of a picture of mode `L`.
pub fn encode_jpeg_gray(
    width: u32,
    height: u32,
    gray: &[u8],
    options: &JpegOptions,
) -> Result<Vec<u8>, EncodeError> {
    gray_length(width, height, gray)?;
    encode(gray, (width, height), PixelFormat::GRAY, Subsamp::Gray, options)
}

fn encode(
    pixels: &[u8],
    (width, height): (u32, u32),
    format: PixelFormat,
    subsampling: Subsamp,
    options: &JpegOptions,
) -> Result<Vec<u8>, EncodeError> {
    in_range("jpeg", "quality", options.quality, 1..=100)?;
    check_size("jpeg", (width, height), LARGEST)?;
    let compress = || {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(i32::from(options.quality))?;
        compressor.set_subsamp(subsampling)?;
        compressor.set_optimize(options.optimize)?;
        compressor.set_progressive(options.progressive)?;
        compressor.compress_to_vec(turbojpeg::Image {
            pixels,
            width: width as usize,
            pitch: format.size() * width as usize,
            height: height as usize,
            format,
        })
    };
    compress()
        .map_err(|error: turbojpeg::Error| EncodeError::Library { format: "jpeg", detail: error.to_string() })
}
