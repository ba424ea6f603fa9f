//! BMP, through the `image` crate.

use super::limits::zeros;
use super::picture::{Channel, Picture, Samples, admit, spread};
use super::{DecodeError, DecodeOptions, Decoded, Format};
use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};
use std::error::Error;
use std::io::{self, Cursor, ErrorKind};

/// Decodes a bitmap file.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    if !lacks_padding(bytes) {
        return read(bytes, Format::Bmp, options)?.finish(options);
    }
    read(&[bytes, &[0; 3]].concat(), Format::Bmp, options)?.finish(options)
}

/// Whether only what fills up the last row to a multiple of four bytes is missing, or some of it; no pixel is.
fn lacks_padding(bytes: &[u8]) -> bool {
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..at + 4)?.as_array()?));
    let missing = || {
        let [start, header, width, height] = [number(10)?, number(14)?, number(18)?, number(22)?];
        let [bits, packing] = [number(28)? & 0xffff, number(30)?];
        if header < 40 || !matches!(packing, 0 | 3) {
            return None;
        }
        let height = u64::from((height as i32).unsigned_abs());
        let row = (u64::from(width) * u64::from(bits)).div_ceil(8);
        let stride = row.next_multiple_of(4);
        let end = u64::from(start).checked_add(stride.checked_mul(height)?)?;
        let length = bytes.len() as u64;
        Some(length < end && length >= end - (stride - row))
    };
    missing().unwrap_or(false)
}

/// Decodes a bitmap file that may have come out of another one, which is named in errors.
pub(super) fn read(bytes: &[u8], format: Format, options: &DecodeOptions) -> Result<Picture, DecodeError> {
    let refuse = |error: ImageError| refuse(format, &error);
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(refuse)?;
    let size = decoder.dimensions();
    let color = decoder.color_type();
    let channels = match color {
        ColorType::L8 => 1,
        ColorType::Rgb8 => 3,
        ColorType::Rgba8 => 4,
        other => return Err(DecodeError::Unsupported { found: format!("{format} with {other:?} samples") }),
    };
    let pixels = u64::from(size.0) * u64::from(size.1);
    let working = pixels.saturating_mul(channels).saturating_add(if channels == 1 { 3 * pixels } else { 0 });
    admit(format, (size.0.into(), size.1.into()), working, 1, options)?;
    let mut data = zeros(format, decoder.total_bytes())?;
    let mut early_end = None;
    if let Err(error) = decoder.read_image(&mut data) {
        match refuse(error) {
            DecodeError::Truncated { detail, .. } => early_end = Some(detail),
            other => return Err(other),
        }
    }
    if let Some(most) = narrow_channels(bytes)
        && color == ColorType::Rgb8
    {
        for (at, value) in data.iter_mut().enumerate() {
            *value = cut(*value, most[at % 3]);
        }
    }
    let mut alpha = Channel::Absent;
    if color == ColorType::Rgba8 {
        alpha = Channel::when(true, options, || {
            let mut alpha = zeros(format, pixels)?;
            alpha.iter_mut().zip(data.chunks_exact(4)).for_each(|(alpha, pixel)| *alpha = pixel[3]);
            Ok(alpha)
        })?;
        for pixel in 0..data.len() / 4 {
            data.copy_within(4 * pixel..4 * pixel + 3, 3 * pixel);
        }
        data.truncate(data.len() / 4 * 3);
    } else if color == ColorType::L8 {
        data = spread(format, &data)?;
    }
    Ok(Picture {
        format,
        size,
        samples: Samples::Rgb(data),
        gray: color == ColorType::L8,
        alpha,
        profile: None,
        orientation: 1,
        warnings: Vec::new(),
        early_end,
    })
}

/// The largest red, green and blue of a bitmap of 16 bits a pixel.
fn narrow_channels(bytes: &[u8]) -> Option<[u32; 3]> {
    if bytes.get(28..30)? != [16, 0] {
        return None;
    }
    if bytes.get(30..34)? != [3, 0, 0, 0] {
        return Some([31; 3]);
    }
    let masks = bytes.get(54..66)?.as_chunks::<4>().0;
    let widths: Vec<u32> = masks.iter().map(|mask| u32::from_le_bytes(*mask).count_ones()).collect();
    Some([0, 1, 2].map(|channel| (1 << widths[channel].clamp(1, 8)) - 1))
}

/// The `image` crate rounds when it stretches `0..=most` to 0..=255, and Pillow cuts.
fn cut(value: u8, most: u32) -> u8 {
    let stored = (u32::from(value) * most + 127) / 255;
    (stored * 255 / most) as u8
}

/// Sorts an error of the `image` crate.
fn refuse(format: Format, error: &ImageError) -> DecodeError {
    if ended(error) {
        return DecodeError::Truncated { format, detail: "it ends before its pixels do".to_owned() };
    }
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match error {
        ImageError::Unsupported(error) => {
            DecodeError::Unsupported { found: one_line(format!("{format}: {error}")) }
        }
        other => DecodeError::Corrupt { format, detail: one_line(other.to_string()) },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rows_padding_may_be_missing() {
        let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x03\0\0\0\x02\0\0\0\x01\0\x18\0".to_vec();
        bytes.extend([0; 24]);
        bytes.extend((1..=24).collect::<Vec<u8>>());
        let decoded = |bytes: &[u8]| decode(bytes, &DecodeOptions::default());
        let whole = decoded(&bytes).unwrap();
        assert_eq!(whole.image.pixel(2, 0), [21, 20, 19]);
        for cut in 1..=3 {
            let cut = decoded(&bytes[..bytes.len() - cut]).unwrap();
            assert_eq!((cut.image, cut.truncated), (whole.image.clone(), false));
        }
        let error = decoded(&bytes[..bytes.len() - 4]).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { .. }), "{error}");
    }
}
