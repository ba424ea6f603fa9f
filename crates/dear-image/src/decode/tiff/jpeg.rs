//! JPEG inside TIFF: each strip or tile is a JPEG stream, its tables perhaps in a field of the directory.

use super::super::ifd::Ifd;
use super::super::libjpeg::{self, Pixels};
use super::super::limits::zeros;
use super::super::{DecodeError, Format};
use super::layout::{Color, Layout};
use super::{corrupt, truncated, unsupported};

const STRIP_OFFSETS: u16 = 273;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const TABLES: u16 = 347;

/// More than this many times its own bytes no file is read: strips may share their bytes, and copies of them cost time.
const MOST_COPIES: u64 = 64;
/// Whatever the file's length, so many bytes are read.
const LEAST_COPIED: u64 = 1_000_000;

/// How the picture is cut.
pub(super) struct Parts {
    tiled: bool,
    /// Columns of a strip or tile.
    across: u64,
    /// Its rows.
    down: u64,
}

impl Parts {
    /// From the directory of a picture of `size`.
    pub(super) fn of(ifd: &Ifd, size: (u32, u32)) -> Parts {
        if ifd.entry(TILE_OFFSETS).is_some() {
            let side = |tag| ifd.number_of(tag).unwrap_or(0);
            return Parts { tiled: true, across: side(TILE_WIDTH), down: side(TILE_HEIGHT) };
        }
        let height = u64::from(size.1);
        let rows = ifd.number_of(ROWS_PER_STRIP).unwrap_or(height).min(height);
        Parts { tiled: false, across: u64::from(size.0), down: rows }
    }

    /// Bytes that one takes while it is decoded, however large the file says it is: 3 a pixel, and libjpeg's 6 of
    /// coefficients where it is progressive.
    pub(super) fn bytes(&self) -> u64 {
        self.across.saturating_mul(self.down).saturating_mul(9)
    }
}

/// Decodes every strip or tile into `raw` (RGB, or one grey sample a pixel).
pub(super) fn read(
    bytes: &[u8],
    ifd: &Ifd,
    layout: &Layout,
    parts: &Parts,
    raw: &mut [u8],
) -> Result<(), DecodeError> {
    let channels = match (layout.color, layout.samples, layout.bits) {
        (Color::Rgb | Color::YCbCr, 3, 8) => 3,
        (Color::Gray, 1, 8) => 1,
        _ => return Err(unsupported("JPEG data that are neither grey nor RGB")),
    };
    if layout.planar {
        return Err(unsupported("JPEG data in planes"));
    }
    let (width, height) = (layout.size.0 as usize, layout.size.1 as usize);
    let (tiled, across, down) = (parts.tiled, parts.across as usize, parts.down as usize);
    let (offsets, lengths) = match tiled {
        true => (ifd.numbers(TILE_OFFSETS), ifd.numbers(TILE_BYTES)),
        false => (ifd.numbers(STRIP_OFFSETS), ifd.numbers(STRIP_BYTES)),
    };
    if across == 0 || down == 0 {
        return Err(corrupt("its strips or tiles have no size"));
    }
    let count = width.div_ceil(across) * height.div_ceil(down);
    if offsets.len() != count || lengths.len() != count {
        return Err(corrupt(&format!("it names {} parts, expected {count}", offsets.len())));
    }
    let tables = ifd.bytes_of(TABLES).unwrap_or_default();
    let tables = tables.strip_prefix(b"\xff\xd8").unwrap_or(tables);
    let tables = tables.strip_suffix(b"\xff\xd9").unwrap_or(tables);
    // What lies behind the end of a cut file is never copied.
    let file = bytes.len() as u64;
    let mut copied = 0u64;
    for (offset, length) in offsets.iter().zip(&lengths) {
        if offset.checked_add(*length).is_some_and(|end| end <= file) {
            copied = copied.saturating_add(*length).saturating_add(tables.len() as u64);
        }
    }
    if copied > file.saturating_mul(MOST_COPIES).saturating_add(LEAST_COPIED) {
        let detail = format!("its strips or tiles are {copied} bytes together, in a file of {file}");
        return Err(corrupt(&detail));
    }
    for (part, (&offset, &length)) in offsets.iter().zip(&lengths).enumerate() {
        let (left, top) = (part % width.div_ceil(across) * across, part / width.div_ceil(across) * down);
        let start = usize::try_from(offset).ok().filter(|start| *start < bytes.len());
        let stored = start.map(|start| &bytes[start..start.saturating_add(length as usize).min(bytes.len())]);
        let Some(stored) = stored.filter(|stored| stored.len() as u64 == length) else {
            return Err(truncated("it ends before its pixels do"));
        };
        let stream = stream(tables, stored, layout.color);
        // A tile is whole even at the edge of the picture, a strip is not.
        let rows = if tiled { down } else { down.min(height - top) };
        let pixels = decode(&stream, (across, rows))?;
        for y in 0..rows.min(height - top) {
            let row = &pixels[3 * y * across..3 * (y + 1) * across];
            let kept = across.min(width - left);
            let out = channels * ((top + y) * width + left);
            let out = &mut raw[out..out + channels * kept];
            for (out, pixel) in out.chunks_exact_mut(channels).zip(row.chunks_exact(3)) {
                out.copy_from_slice(&pixel[..channels]);
            }
        }
    }
    Ok(())
}

/// A stream of its own: the tables first, and a marker that says whether colours are YCbCr, for the directory and not
/// libjpeg's guess decides.
fn stream(tables: &[u8], stored: &[u8], color: Color) -> Vec<u8> {
    let transform = u8::from(color == Color::YCbCr);
    let adobe = [b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
    [&adobe, tables, stored.strip_prefix(b"\xff\xd8").unwrap_or(stored)].concat()
}

fn decode(stream: &[u8], (width, height): (usize, usize)) -> Result<Vec<u8>, DecodeError> {
    let mut pixels = zeros(Format::Tiff, 3 * width as u64 * height as u64)?;
    match libjpeg::decompress(stream, (width as u32, height as u32), Pixels::Rgb, &mut pixels) {
        Ok(None) => Ok(pixels),
        Ok(Some(text)) if libjpeg::is_early_end(&text) => Err(truncated("its JPEG data end early")),
        Ok(Some(text)) | Err(text) => Err(corrupt(&format!("its JPEG data: {text}"))),
    }
}
