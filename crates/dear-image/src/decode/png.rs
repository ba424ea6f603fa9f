//! PNG: every colour type and depth to RGB as Pillow does it. Wrong checksums of the pixels and of what follows are told; of
//! what comes before them, and of the pixels when inflated, they are refused.
//!
//! A walk over the chunks checks checksums and finds where the file ends; the `png` crate does the rest, with its
//! transformations off, so that depth and palette arithmetic is here to be read.

use super::limits::{check_size, zeros};
use super::options::{Gray16, Icc};
use super::picture::{Channel, Picture, Samples, admit, first_of, sixteen_bit_gray};
use super::tail::behind_the_end;
use super::{DecodeError, DecodeOptions, Decoded, Format, ifd};
use png::{ColorType, DecodingError};
use std::io::{Cursor, ErrorKind};

/// What the walk over the chunks found.
struct Chunks<'a> {
    /// Where the end chunk ends, if it is there.
    end: Option<usize>,
    /// Bytes of compressed pixels.
    data: u64,
    /// Name of the first chunk with a wrong checksum.
    wrong_checksum: Option<String>,
    /// Name of the first with one where Pillow does not go on.
    refused_checksum: Option<String>,
    /// EXIF orientation.
    orientation: u8,
    /// Whether there is a colour profile.
    profile: bool,
    /// Alpha of palette entries, or the transparent colour.
    transparency: &'a [u8],
}

/// Deflate packs at most 1032 bytes into one; with less data than that the header promises too much.
const MOST_PER_BYTE: u64 = 1032;

/// Decodes the default picture.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Png;
    let chunks = walk(bytes, options);
    if let Some(name) = &chunks.refused_checksum {
        let detail = format!("the checksum of its chunk {name} is wrong");
        return Err(DecodeError::Corrupt { format, detail });
    }
    let mut decode_options = png::DecodeOptions::default();
    decode_options.set_ignore_crc(true);
    decode_options.set_ignore_adler32(false);
    decode_options.set_ignore_text_chunk(true);
    decode_options.set_ignore_iccp_chunk(options.icc == Icc::Ignore);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(bytes), decode_options);
    decoder.set_transformations(png::Transformations::IDENTITY);
    // One row and the like; the picture itself is allocated below.
    decoder.set_limits(png::Limits { bytes: 1 << 30 });
    let header = decoder.read_header_info().map_err(|error| refuse(&error, &chunks))?;
    let size = (header.width, header.height);
    let (width, height) = (u64::from(size.0), u64::from(size.1));
    check_size(format, width, height, options)?;
    let pixel_bits = header.color_type.samples() as u64 * header.bit_depth as u64;
    let raw_bytes = (width * pixel_bits).div_ceil(8) * height;
    if !options.allow_truncated && raw_bytes / MOST_PER_BYTE > chunks.data + 64 {
        let detail = format!("{} bytes of data cannot hold {width} x {height} pixels", chunks.data);
        return Err(DecodeError::Truncated { format, detail });
    }
    admit(format, (width, height), 3 * width * height, chunks.orientation, options)?;
    let mut reader = decoder.read_info().map_err(|error| refuse(&error, &chunks))?;
    let info = reader.info();
    let palette = info.palette.as_deref().map(full_palette).unwrap_or_default();
    if info.color_type == ColorType::Indexed && palette.is_empty() {
        return Err(DecodeError::Corrupt {
            format,
            detail: "it has colour indices and no palette".to_owned(),
        });
    }
    // Empty where it was not read, or cannot be.
    let profile = chunks.profile.then(|| info.icc_profile.as_deref().unwrap_or_default().to_vec());
    let frames = info.animation_control.map_or(1, |control| control.num_frames);
    let interlaced = info.interlaced;
    let (color, depth) = (info.color_type, info.bit_depth);
    let transparency = chunks.transparency;
    let rows = Rows { color, bits: depth as usize, palette, transparency, gray16: options.gray16 };
    let mut data = zeros(format, 3 * width * height)?;
    let mut alpha = Channel::when(rows.has_alpha(), options, || zeros(format, width * height))?;
    let into = match &mut alpha {
        Channel::Read(alpha) => Some(&mut alpha[..]),
        _ => None,
    };
    let mut early_end = None;
    if let Err(error) = read_rows(&mut reader, &rows, size, interlaced, &mut data, into) {
        match refuse(&error, &chunks) {
            DecodeError::Truncated { detail, .. } => early_end = Some(detail),
            other => return Err(other),
        }
    }

    let mut warnings = Vec::new();
    if let Some(name) = chunks.wrong_checksum {
        warnings.push(format!("png checksum of chunk {name} is wrong; its data are used as Pillow does"));
    }
    match chunks.end {
        None if early_end.is_none() => {
            warnings.push("png file ends before its end chunk; all pixels are there".to_owned());
        }
        None => {}
        Some(end) => warnings.extend(behind_the_end(&bytes[end..])),
    }
    if frames > 1 {
        warnings.push(first_of(frames, "frames"));
    }
    if rows.is_wide_gray() && options.gray16 == Gray16::Scale {
        warnings.push(sixteen_bit_gray());
    }
    Picture {
        format,
        size,
        samples: Samples::Rgb(data),
        gray: matches!(color, ColorType::Grayscale | ColorType::GrayscaleAlpha),
        alpha,
        profile,
        orientation: chunks.orientation,
        warnings,
        early_end,
    }
    .finish(options)
}

/// Reads row by row into `rgb` (and `alpha`), so that the rows before an early end stay.
fn read_rows(
    reader: &mut png::Reader<Cursor<&[u8]>>,
    rows: &Rows,
    (width, height): (u32, u32),
    interlaced: bool,
    rgb: &mut [u8],
    mut alpha: Option<&mut [u8]>,
) -> Result<(), DecodingError> {
    /// First column and row of each pass of Adam7, and the steps between its columns and rows.
    const PASSES: [[usize; 4]; 7] =
        [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
    let (width, height) = (width as usize, height as usize);
    let passes = if interlaced { &PASSES[..] } else { &[[0, 0, 1, 1]] };
    for &[left, top, across, down] in passes {
        if left >= width || top >= height {
            continue;
        }
        for y in (top..height).step_by(down) {
            let Some(row) = reader.next_row()? else { return Ok(()) };
            let (start, end) = (y * width + left, (y + 1) * width);
            rows.rgb(row.data(), across, &mut rgb[3 * start..3 * end]);
            if let Some(alpha) = &mut alpha {
                for (x, alpha) in alpha[start..end].iter_mut().step_by(across).enumerate() {
                    *alpha = rows.alpha(row.data(), x);
                }
            }
        }
    }
    Ok(())
}

/// Packed big-endian samples, and what they mean.
struct Rows<'a> {
    color: ColorType,
    /// Bits of a sample.
    bits: usize,
    palette: Vec<[u8; 3]>,
    transparency: &'a [u8],
    gray16: Gray16,
}

impl Rows<'_> {
    fn pixel_bits(&self) -> usize {
        self.color.samples() * self.bits
    }

    fn has_alpha(&self) -> bool {
        matches!(self.color, ColorType::Rgba | ColorType::GrayscaleAlpha) || !self.transparency.is_empty()
    }

    fn is_wide_gray(&self) -> bool {
        self.color == ColorType::Grayscale && self.bits == 16
    }

    /// To RGB, one pixel in `across`: alpha dropped, 16 bits cut to the upper 8, fewer bits stretched to 0..255.
    fn rgb(&self, row: &[u8], across: usize, out: &mut [u8]) {
        let step = self.pixel_bits() / 8;
        let out = out.chunks_mut(3 * across);
        match (self.color, self.bits) {
            (ColorType::Rgb | ColorType::Rgba, bits) => {
                let sample = bits / 8;
                for (pixel, out) in row.chunks_exact(step).zip(out) {
                    out[..3].copy_from_slice(&[pixel[0], pixel[sample], pixel[2 * sample]]);
                }
            }
            (ColorType::Grayscale, 16) if self.gray16 == Gray16::Pillow => {
                for (pixel, out) in row.chunks_exact(2).zip(out) {
                    out[..3].fill(if pixel[0] > 0 { 255 } else { pixel[1] });
                }
            }
            (ColorType::Grayscale | ColorType::GrayscaleAlpha, 8 | 16) => {
                for (pixel, out) in row.chunks_exact(step).zip(out) {
                    out[..3].fill(pixel[0]);
                }
            }
            (color, bits) => {
                // What a sample of fewer than 8 bits is multiplied with: 255, 85, 17.
                let stretch = if bits < 8 { 255 / ((1u16 << bits) - 1) as u8 } else { 1 };
                for (x, out) in out.enumerate() {
                    let value = packed(row, x, bits);
                    match color {
                        ColorType::Indexed => out[..3].copy_from_slice(&self.palette[usize::from(value)]),
                        _ => out[..3].fill(value * stretch),
                    }
                }
            }
        }
    }

    /// Opacity of pixel `x` of a row.
    fn alpha(&self, row: &[u8], x: usize) -> u8 {
        let pixel = |bytes: usize| &row[x * bytes..(x + 1) * bytes];
        let seen = |opaque: bool| if opaque { 255 } else { 0 };
        // The transparent colour is stored in two bytes a sample, whatever the depth.
        let bytes = self.pixel_bits() / 8;
        match (self.color, self.bits) {
            (ColorType::GrayscaleAlpha | ColorType::Rgba, bits) => pixel(bytes)[bytes - bits / 8],
            (ColorType::Indexed, bits) => {
                self.transparency.get(usize::from(packed(row, x, bits))).copied().unwrap_or(255)
            }
            (_, 16) => seen(self.transparency.get(..bytes) != Some(pixel(bytes))),
            (ColorType::Rgb, _) => {
                let key = self.transparency.iter().skip(1).step_by(2);
                seen(!(self.transparency.len() >= 6 && key.eq(pixel(3))))
            }
            (_, bits) => seen(self.transparency.get(1) != Some(&packed(row, x, bits))),
        }
    }
}

/// Sample `x` of a row with 1, 2, 4 or 8 bits a sample, the first in the upper bits.
pub(super) fn packed(row: &[u8], x: usize, bits: usize) -> u8 {
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
    if ended || chunks.end.is_none() {
        DecodeError::Truncated { format, detail: "it ends before its pixels do".to_owned() }
    } else {
        DecodeError::Corrupt { format, detail: error.to_string() }
    }
}

/// Goes from chunk to chunk as far as the file reaches.
fn walk<'a>(bytes: &'a [u8], options: &DecodeOptions) -> Chunks<'a> {
    let table = crc_table();
    let mut found = Chunks {
        end: None,
        data: 0,
        wrong_checksum: None,
        refused_checksum: None,
        orientation: 1,
        profile: false,
        transparency: &[],
    };
    let (mut at, mut pixels) = (8usize, false);
    while let Some(head) = bytes.get(at..at.saturating_add(8)) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let name = &head[4..8];
        let rest = &bytes[at + 8..];
        if name == b"IDAT" {
            pixels = true;
            found.data += length.min(rest.len()) as u64;
        }
        let (Some(data), Some(stored)) = (rest.get(..length), rest.get(length..).and_then(|r| r.get(..4)))
        else {
            break;
        };
        let sum = crc(crc(u32::MAX, name, &table), data, &table) ^ u32::MAX;
        if sum.to_be_bytes() != stored {
            let said = name.escape_ascii().to_string();
            // Pillow's LOAD_TRUNCATED_IMAGES passes over those of chunks that a reader need not know.
            let ancillary = name[0] & 0x20 != 0;
            // Of fuzzed files none would be right.
            if !(pixels || ancillary && options.allow_truncated || cfg!(fuzzing)) {
                found.refused_checksum.get_or_insert_with(|| said.clone());
            }
            found.wrong_checksum.get_or_insert(said);
        }
        at += 12 + length;
        match name {
            b"eXIf" => found.orientation = ifd::orientation(data),
            b"iCCP" => found.profile = true,
            b"tRNS" => found.transparency = data,
            b"IEND" => {
                found.end = Some(at);
                break;
            }
            _ => {}
        }
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
    use crate::{DecodeErrorKind, Image, encode_png};

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
    fn a_wrong_checksum_before_the_pixels_or_of_them_is_refused() {
        let image = Image::from_fn(9, 7, |x, y| [x as u8, y as u8, 200]);
        let bytes = encode_png(&image).unwrap();
        let refused = |bytes: &[u8], options: &DecodeOptions| {
            super::super::decode(bytes, options).map_err(|error| error.to_string())
        };
        let (strict, lax) =
            (DecodeOptions::default(), DecodeOptions { allow_truncated: true, ..DecodeOptions::default() });
        let mut header = bytes.clone();
        header[29] ^= 1;
        for options in [&strict, &lax] {
            let error = refused(&header, options).unwrap_err();
            assert_eq!(error, "png file is corrupt: the checksum of its chunk IHDR is wrong");
        }
        let mut text = bytes.clone();
        text.splice(33..33, *b"\0\0\0\x03tEXta\0b1234");
        let error = refused(&text, &strict).unwrap_err();
        assert_eq!(error, "png file is corrupt: the checksum of its chunk tEXt is wrong");
        assert_eq!(refused(&text, &lax).unwrap().image, image);
        text[29] ^= 1;
        assert!(refused(&text, &lax).unwrap_err().contains("chunk IHDR"));
        // The last four bytes of the data are the checksum of what they inflate to.
        let mut data = bytes;
        let at = data.len() - 17;
        data[at] ^= 1;
        assert!(refused(&data, &strict).unwrap_err().starts_with("png file is corrupt: "));
    }

    #[test]
    fn small_samples_come_from_the_upper_bits() {
        assert_eq!([0, 1, 2, 3].map(|x| packed(&[0b1101_0010], x, 2)), [3, 1, 0, 2]);
        assert_eq!([0, 1].map(|x| packed(&[0xa5], x, 4)), [10, 5]);
        assert_eq!([0, 7].map(|x| packed(&[0x80], x, 1)), [1, 0]);
    }
}
