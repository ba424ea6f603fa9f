//! PNG: no pixel can differ, so only its size and its time are chosen.

use super::{EncodeError, gray_length};
use crate::Image;
use png::{BitDepth, ColorType, Compression, Encoder, EncodingError};

/// Encodes an 8-bit RGB PNG.
pub fn encode_png(image: &Image) -> Result<Vec<u8>, EncodeError> {
    write(image.width(), image.height(), ColorType::Rgb, image.data())
}

/// Encodes an 8-bit gray PNG from `width * height` bytes: masks and maps.
pub fn encode_png_gray(width: u32, height: u32, gray: &[u8]) -> Result<Vec<u8>, EncodeError> {
    gray_length(width, height, gray)?;
    write(width, height, ColorType::Grayscale, gray)
}

fn write(width: u32, height: u32, color: ColorType, data: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let library = |error: EncodingError| EncodeError::Library { format: "png", detail: error.to_string() };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    // Photographs get larger than at the level that Pillow takes, by a sixth and more, and are written many times faster.
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(library)?;
    writer.write_image_data(data).map_err(library)?;
    writer.finish().map_err(library)?;
    Ok(bytes)
}
