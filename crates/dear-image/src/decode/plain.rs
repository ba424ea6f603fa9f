//! BMP, TIFF, PBM/PGM/PPM and ICO, through the `image` crate.

use super::{DecodeError, DecodeOptions, Decoded, Format, check_size, finish, sixteen_bit_gray, zeros};
use crate::{Image, geometry};
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::error::Error;
use std::io::{self, Cursor, ErrorKind};

/// Decodes the first page or the largest icon. TIFF is turned by its orientation tag, as Pillow does on load.
pub(super) fn decode(bytes: &[u8], format: Format, options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let refuse = |error: ImageError| refuse(format, &error);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), peer(format));
    // Best effort inside the crate; the strict limit is the comparison with the header's size below.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(options.max_pixels.saturating_mul(16).saturating_add(1 << 26));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refuse)?;
    let (width, height) = decoder.dimensions();
    check_size(format, u64::from(width), u64::from(height), options)?;
    let color = decoder.color_type();
    let orientation = match format {
        Format::Tiff => decoder.orientation().map_or(1, image::metadata::Orientation::to_exif),
        _ => 1,
    };
    let mut raw = zeros(format, decoder.total_bytes())?;
    let mut early_end = None;
    if let Err(error) = decoder.read_image(&mut raw) {
        match refuse(error) {
            DecodeError::Truncated { detail, .. } => early_end = Some(detail),
            other => return Err(other),
        }
    }
    let mut warnings = Vec::new();
    if matches!(color, ColorType::L16 | ColorType::La16) {
        sixteen_bit_gray(&mut warnings);
    }
    let data = to_rgb(format, raw, color)?;
    let mut image = Image::new(width, height, data)
        .map_err(|error| DecodeError::Corrupt { format, detail: error.to_string() })?;
    if orientation != 1 {
        warnings.push(format!("tiff orientation {orientation} applied, as Pillow does"));
        image = geometry::orient(&image, orientation);
    }
    finish(format, image, warnings, early_end, options)
}

fn peer(format: Format) -> ImageFormat {
    match format {
        Format::Bmp => ImageFormat::Bmp,
        Format::Tiff => ImageFormat::Tiff,
        Format::Ico => ImageFormat::Ico,
        _ => ImageFormat::Pnm,
    }
}

/// Alpha dropped, 16 bits cut to the upper 8.
fn to_rgb(format: Format, raw: Vec<u8>, color: ColorType) -> Result<Vec<u8>, DecodeError> {
    let (channels, bytes) = match color {
        ColorType::Rgb8 => return Ok(raw),
        ColorType::L8 => (1, 1),
        ColorType::La8 => (2, 1),
        ColorType::Rgba8 => (4, 1),
        ColorType::L16 => (1, 2),
        ColorType::La16 => (2, 2),
        ColorType::Rgb16 => (3, 2),
        ColorType::Rgba16 => (4, 2),
        other => return Err(DecodeError::Unsupported { found: format!("{format} with {other:?} samples") }),
    };
    // Samples of two bytes come in the machine's order.
    let upper = if bytes == 2 && cfg!(target_endian = "little") { 1 } else { 0 };
    let step = channels * bytes;
    let mut rgb = zeros(format, 3 * (raw.len() / step) as u64)?;
    for (out, pixel) in rgb.chunks_exact_mut(3).zip(raw.chunks_exact(step)) {
        let sample = |channel: usize| pixel[channel * bytes + upper];
        if channels < 3 {
            out.fill(sample(0));
        } else {
            out.copy_from_slice(&[sample(0), sample(1), sample(2)]);
        }
    }
    Ok(rgb)
}

/// Sorts an error of the `image` crate.
fn refuse(format: Format, error: &ImageError) -> DecodeError {
    if ended(error) {
        return DecodeError::Truncated { format, detail: "it ends before its pixels do".to_owned() };
    }
    match error {
        ImageError::Unsupported(error) => DecodeError::Unsupported { found: format!("{format}: {error}") },
        other => DecodeError::Corrupt { format, detail: one_line(&other.to_string()) },
    }
}

/// Whether an unexpected end of the data is somewhere in the chain of causes.
fn ended(error: &ImageError) -> bool {
    if let ImageError::IoError(error) = error
        && error.kind() == ErrorKind::UnexpectedEof
    {
        return true;
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == ErrorKind::UnexpectedEof
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
