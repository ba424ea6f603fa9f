//! PNG: every colour type and depth to RGB as Pillow does it; wrong checksums are told, not refused.
//!
//! A walk over the chunks checks checksums and finds where the file ends; the `png` crate does the rest, with its
//! transformations off, so that depth and palette arithmetic is here to be read.

use super::{
    DecodeError, DecodeOptions, Decoded, Format, check_size, finish, first_of, sixteen_bit_gray, zeros,
};
use crate::Image;
use png::{BitDepth, ColorType, DecodingError};
use std::io::{Cursor, ErrorKind};

/// What the walk over the chunks found.
struct Chunks {
    /// Whether the end chunk is there.
    complete: bool,
    /// Bytes of compressed pixels.
    data: u64,
    /// Name of the first chunk with a wrong checksum.
    wrong_checksum: Option<String>,
}

/// Deflate packs at most 1032 bytes into one; with less data than that the header promises too much.
const MOST_PER_BYTE: u64 = 1032;

/// Decodes the default picture.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Png;
    let chunks = walk(bytes);
    let mut decode_options = png::DecodeOptions::default();
    decode_options.set_ignore_checksums(true);
    decode_options.set_ignore_text_chunk(true);
    decode_options.set_ignore_iccp_chunk(true);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(bytes), decode_options);
    decoder.set_transformations(png::Transformations::IDENTITY);
    // One row and the like; the picture itself is allocated below.
    decoder.set_limits(png::Limits { bytes: 1 << 30 });
    let header = decoder.read_header_info().map_err(|error| refuse(&error, &chunks))?;
    let (width, height) = (header.width, header.height);
    check_size(format, u64::from(width), u64::from(height), options)?;
    let mut reader = decoder.read_info().map_err(|error| refuse(&error, &chunks))?;
    let info = reader.info();
    let (color, depth, interlaced) = (info.color_type, info.bit_depth, info.interlaced);
    let palette = info.palette.as_deref().map(full_palette).unwrap_or_default();
    if color == ColorType::Indexed && palette.is_empty() {
        return Err(DecodeError::Corrupt {
            format,
            detail: "it has colour indices and no palette".to_owned(),
        });
    }
    let frames = info.animation_control.map_or(1, |control| control.num_frames);

    let bits = color.samples() * depth as usize;
    let stride = (width as usize * bits).div_ceil(8);
    let raw_bytes = stride as u64 * u64::from(height);
    if !options.allow_truncated && raw_bytes / MOST_PER_BYTE > chunks.data + 64 {
        let detail = format!("{} bytes of data cannot hold {width} x {height} pixels", chunks.data);
        return Err(DecodeError::Truncated { format, detail });
    }
    let mut raw = zeros(format, raw_bytes)?;
    let mut early_end = None;
    if let Err(error) = read_rows(&mut reader, &mut raw, stride, interlaced, bits as u8) {
        match refuse(&error, &chunks) {
            DecodeError::Truncated { detail, .. } => early_end = Some(detail),
            other => return Err(other),
        }
    }

    let mut warnings = Vec::new();
    if let Some(name) = chunks.wrong_checksum {
        warnings.push(format!("png checksum of chunk {name} is wrong; its data are used as Pillow does"));
    }
    if early_end.is_none() && !chunks.complete {
        warnings.push("png file ends before its end chunk; all pixels are there".to_owned());
    }
    if frames > 1 {
        warnings.push(first_of(frames, "frames"));
    }
    if color == ColorType::Grayscale && depth == BitDepth::Sixteen {
        sixteen_bit_gray(&mut warnings);
    }
    let data = to_rgb(&raw, (width, height), stride, color, depth, &palette)?;
    let image = Image::new(width, height, data)
        .map_err(|error| DecodeError::Corrupt { format, detail: error.to_string() })?;
    finish(format, image, warnings, early_end, options)
}

/// Reads row by row, so that the rows before an early end stay in `raw`.
fn read_rows(
    reader: &mut png::Reader<Cursor<&[u8]>>,
    raw: &mut [u8],
    stride: usize,
    interlaced: bool,
    bits: u8,
) -> Result<(), DecodingError> {
    if !interlaced {
        for row in raw.chunks_exact_mut(stride) {
            if reader.read_row(row)?.is_none() {
                break;
            }
        }
        return Ok(());
    }
    while let Some(row) = reader.next_interlaced_row()? {
        if let png::InterlaceInfo::Adam7(pass) = row.interlace() {
            png::expand_interlaced_row(raw, stride, row.data(), pass, bits);
        }
    }
    Ok(())
}

/// Packed big-endian samples to RGB: alpha dropped, 16 bits cut to the upper 8, fewer bits stretched to 0..255.
fn to_rgb(
    raw: &[u8],
    (width, height): (u32, u32),
    stride: usize,
    color: ColorType,
    depth: BitDepth,
    palette: &[[u8; 3]],
) -> Result<Vec<u8>, DecodeError> {
    let (width, bits) = (width as usize, depth as usize);
    let mut rgb = zeros(Format::Png, 3 * width as u64 * u64::from(height))?;
    let channels = color.samples();
    let step = channels * bits / 8;
    // What a sample of fewer than 8 bits is multiplied with: 255, 85, 17.
    let stretch = if bits < 8 { 255 / ((1u16 << bits) - 1) as u8 } else { 1 };
    for (row, out) in raw.chunks_exact(stride).zip(rgb.chunks_exact_mut(3 * width)) {
        match (color, bits) {
            (ColorType::Rgb, 8) => out.copy_from_slice(row),
            (ColorType::Rgb | ColorType::Rgba, _) => {
                let sample = bits / 8;
                for (pixel, out) in row.chunks_exact(step).zip(out.chunks_exact_mut(3)) {
                    out.copy_from_slice(&[pixel[0], pixel[sample], pixel[2 * sample]]);
                }
            }
            (ColorType::Grayscale | ColorType::GrayscaleAlpha, 8 | 16) => {
                for (pixel, out) in row.chunks_exact(step).zip(out.chunks_exact_mut(3)) {
                    out.fill(pixel[0]);
                }
            }
            _ => {
                for (x, out) in out.chunks_exact_mut(3).enumerate() {
                    let value = packed(row, x, bits);
                    match color {
                        ColorType::Indexed => out.copy_from_slice(&palette[usize::from(value)]),
                        _ => out.fill(value * stretch),
                    }
                }
            }
        }
    }
    Ok(rgb)
}

/// Sample `x` of a row with 1, 2, 4 or 8 bits a sample, the first in the upper bits.
fn packed(row: &[u8], x: usize, bits: usize) -> u8 {
    if bits == 8 {
        return row[x];
    }
    let per_byte = 8 / bits;
    let shift = 8 - bits * (x % per_byte + 1);
    (row[x / per_byte] >> shift) & ((1u16 << bits) - 1) as u8
}

/// A palette of 256 entries: the file's, and black for indices beyond it, as in Pillow.
pub(super) fn full_palette(palette: &[u8]) -> Vec<[u8; 3]> {
    let mut colors = vec![[0; 3]; 256];
    for (color, entry) in colors.iter_mut().zip(palette.chunks_exact(3)) {
        color.copy_from_slice(entry);
    }
    colors
}

/// Sorts an error of the `png` crate: the data ended, or they are wrong.
fn refuse(error: &DecodingError, chunks: &Chunks) -> DecodeError {
    let format = Format::Png;
    let ended = matches!(error, DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof);
    if ended || !chunks.complete {
        DecodeError::Truncated { format, detail: "it ends before its pixels do".to_owned() }
    } else {
        DecodeError::Corrupt { format, detail: error.to_string() }
    }
}

/// Goes from chunk to chunk as far as the file reaches.
fn walk(bytes: &[u8]) -> Chunks {
    let table = crc_table();
    let mut found = Chunks { complete: false, data: 0, wrong_checksum: None };
    let mut at = 8usize;
    while let Some(head) = bytes.get(at..at.saturating_add(8)) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let name = &head[4..8];
        let rest = &bytes[at + 8..];
        if name == b"IDAT" {
            found.data += length.min(rest.len()) as u64;
        }
        let (Some(data), Some(stored)) = (rest.get(..length), rest.get(length..).and_then(|r| r.get(..4)))
        else {
            break;
        };
        let sum = crc(crc(u32::MAX, name, &table), data, &table) ^ u32::MAX;
        if sum.to_be_bytes() != stored && found.wrong_checksum.is_none() {
            found.wrong_checksum = Some(name.escape_ascii().to_string());
        }
        if name == b"IEND" {
            found.complete = true;
            break;
        }
        at += 12 + length;
    }
    found
}

/// CRC-32 of PNG (polynomial 0xedb88320, reflected), without the final inversion.
fn crc(start: u32, bytes: &[u8], table: &[u32; 256]) -> u32 {
    bytes.iter().fold(start, |sum, &byte| table[usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}

fn crc_table() -> [u32; 256] {
    std::array::from_fn(|byte| {
        (0..8).fold(byte as u32, |sum, _| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodeErrorKind, encode_png};

    #[test]
    fn header_of_66_bytes_cannot_claim_a_gigapixel() {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(60_000u32.to_be_bytes());
        bytes.extend(60_000u32.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0]);
        let sum = crc(u32::MAX, &bytes[12..29], &crc_table()) ^ u32::MAX;
        bytes.extend(sum.to_be_bytes());
        bytes.extend(*b"\0\0\0\x09IDAT\x78\x9c\x63\0\0\0\0\xff\xffabcd\0\0\0\0IEND\xae\x42\x60\x82");
        assert_eq!(bytes.len(), 66);
        let error = super::super::decode(&bytes, &DecodeOptions::default()).unwrap_err();
        let said = "png of 60000 x 60000 = 3600.0 megapixels exceeds the limit of 200.0 megapixels";
        assert_eq!(error.to_string(), said);
        let larger = DecodeOptions { max_pixels: u64::MAX, ..DecodeOptions::default() };
        let error = super::super::decode(&bytes, &larger).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::Truncated, "{error}");
    }

    #[test]
    fn wrong_checksum_is_a_warning() {
        let image = Image::from_fn(9, 7, |x, y| [x as u8, y as u8, 200]);
        let mut bytes = encode_png(&image).unwrap();
        let at = bytes.len() - 13;
        bytes[at] ^= 1;
        let decoded = super::super::decode(&bytes, &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.image, image);
        let said = "png checksum of chunk IDAT is wrong; its data are used as Pillow does";
        assert_eq!(decoded.warnings, [said]);
    }

    #[test]
    fn small_samples_come_from_the_upper_bits() {
        assert_eq!([0, 1, 2, 3].map(|x| packed(&[0b1101_0010], x, 2)), [3, 1, 0, 2]);
        assert_eq!([0, 1].map(|x| packed(&[0xa5], x, 4)), [10, 5]);
        assert_eq!([0, 7].map(|x| packed(&[0x80], x, 1)), [1, 0]);
    }
}
