//! TIFF: the samples by the `tiff` crate (JPEG inside by libjpeg), their meaning here.
//!
//! The crate reads no palettes and drops extra samples in a way that breaks its predictor, so it is shown a file whose
//! photometric interpretation says "grey": it then hands over every sample as stored, and colour is this module's.

mod jpeg;
mod layout;

use super::ifd::{self, Ifd};
use super::limits::{check_size, zeros};
use super::options::Gray16;
use super::picture::{Channel, Picture, Samples, admit, first_of, sixteen_bit_gray};
use super::{DecodeError, DecodeOptions, Decoded, Format};
use layout::{Color, Extra, FILL_ORDER, Layout, PHOTOMETRIC, palette};
use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom};
use tiff::TiffError;
use tiff::decoder::{Decoder, Limits};

const PREVIEW: u16 = 254;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const PROFILE: u16 = 34675;
const DNG_VERSION: u16 = 50706;

/// Decodes the first page, turned by its orientation unless that is switched off.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Tiff;
    let Some(ifd) = Ifd::first(bytes) else {
        return Err(truncated("it ends before its first directory"));
    };
    let (Some(width), Some(height)) = (ifd.number_of(WIDTH), ifd.number_of(HEIGHT)) else {
        return Err(corrupt("it does not say its size"));
    };
    check_size(format, width, height, options)?;
    let layout = Layout::read(&ifd, (width as u32, height as u32), options)?;
    let orientation = ifd::upright(ifd.number_of(ifd::ORIENTATION));
    let raw_bytes = layout.plane() * layout.planes();
    let out = if layout.color == Color::Cmyk { 4 } else { 3 } * width * height;
    let working = if layout.is_final() { raw_bytes } else { raw_bytes + out };
    let parts = (layout.compression == 7).then(|| jpeg::Parts::of(&ifd, layout.size));
    // One strip or tile may be held besides, packed, and unpacked where it is JPEG.
    let strip = (bytes.len() as u64).saturating_add(parts.as_ref().map_or(0, jpeg::Parts::bytes));
    admit(format, (width, height), working.saturating_add(strip), orientation, options)?;

    let mut raw = zeros(format, raw_bytes)?;
    let result = match &parts {
        Some(parts) => jpeg::read(bytes, &ifd, &layout, parts, &mut raw),
        None => read(bytes, &ifd, &mut raw),
    };
    let mut early_end = None;
    match result {
        Ok(()) => {}
        Err(DecodeError::Truncated { detail, .. }) => early_end = Some(detail),
        Err(other) => return Err(other),
    }
    if ifd.number_of(FILL_ORDER) == Some(2) {
        raw.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
    }
    let colors = palette(&ifd, &layout)?;
    let alpha = Channel::when(layout.extra != Extra::Nothing, options, || layout.opacity(&raw))?;
    let data = if layout.is_final() { raw } else { layout.colors(&raw, &colors)? };

    let mut warnings = Vec::new();
    let pages = ifd.count_all();
    if pages > 1 {
        warnings.push(first_of(pages, "pages"));
    }
    if ifd.number_of(PREVIEW).is_some_and(|kind| kind & 1 != 0) {
        let raw_photo = if ifd.entry(DNG_VERSION).is_some() { " of a raw photo" } else { "" };
        warnings.push(format!("the first page is a reduced preview{raw_photo}"));
    }
    let gray = matches!(layout.color, Color::Gray | Color::WhiteIsZero);
    if gray && layout.bits == 16 && options.gray16 == Gray16::Scale {
        warnings.push(sixteen_bit_gray());
    }
    Picture {
        format,
        size: layout.size,
        samples: if layout.color == Color::Cmyk { Samples::Cmyk(data) } else { Samples::Rgb(data) },
        gray,
        alpha,
        profile: ifd.bytes_of(PROFILE).map(<[u8]>::to_vec),
        orientation,
        warnings,
        early_end,
    }
    .finish(options)
}

fn truncated(detail: &str) -> DecodeError {
    DecodeError::Truncated { format: Format::Tiff, detail: detail.to_owned() }
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::Corrupt { format: Format::Tiff, detail: detail.to_owned() }
}

fn unsupported(what: impl std::fmt::Display) -> DecodeError {
    DecodeError::Unsupported { found: format!("TIFF with {what}") }
}

/// All samples as stored, plane after plane.
fn read(bytes: &[u8], ifd: &Ifd, raw: &mut [u8]) -> Result<(), DecodeError> {
    // The crate allocates what a text field claims (and says so on the terminal where that is too much).
    if ifd.entries().iter().any(|entry| entry.kind == ifd::ASCII && entry.count > bytes.len() as u64) {
        return Err(corrupt("a text of its directory is longer than the file"));
    }
    let photometric =
        ifd.entry(PHOTOMETRIC).ok_or_else(|| corrupt("it does not say what its samples mean"))?;
    let source = Patched { inner: Cursor::new(bytes), at: photometric.at, value: ifd.encode(1) };
    let mut limits = Limits::default();
    limits.decoding_buffer_size = raw.len().max(bytes.len());
    // A strip that is not packed may be longer than a file that was cut off.
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    limits.ifd_value_size = bytes.len();
    let mut decoder = Decoder::new(source).map_err(refuse)?.with_limits(limits);
    decoder.read_image_bytes(raw).map_err(refuse)
}

/// Sorts an error of the `tiff` crate.
fn refuse(error: TiffError) -> DecodeError {
    match error {
        TiffError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            truncated("it ends before its pixels do")
        }
        TiffError::UnsupportedError(error) => unsupported(error.to_string().to_lowercase()),
        other => corrupt(&other.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// A file with two bytes replaced.
struct Patched<'a> {
    inner: Cursor<&'a [u8]>,
    at: u64,
    value: [u8; 2],
}

impl Read for Patched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let start = self.inner.position();
        let length = self.inner.read(buffer)?;
        for (offset, &value) in self.value.iter().enumerate() {
            if let Some(byte) = (self.at + offset as u64)
                .checked_sub(start)
                .and_then(|at| buffer[..length].get_mut(usize::try_from(at).ok()?))
            {
                *byte = value;
            }
        }
        Ok(length)
    }
}

impl Seek for Patched<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}
