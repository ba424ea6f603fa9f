//! ICO and CUR: a directory of pictures, each a PNG or the inside of a BMP file.

use super::limits::zeros;
use super::picture::{Channel, Samples};
use super::{DecodeError, DecodeOptions, Decoded, Format, bmp, png};

/// One line of the directory.
struct Entry {
    width: u8,
    height: u8,
    depth: u32,
    length: usize,
    at: usize,
}

/// Decodes the picture that Pillow takes: the largest, of an icon with the fewest colours among equals.
pub(super) fn decode(bytes: &[u8], format: Format, options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let count = bytes.get(4..6).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let directory = bytes.get(6..).unwrap_or_default().chunks_exact(16);
    let entries: Vec<Entry> = directory.take(count).map(Entry::read).collect();
    if entries.len() < count {
        return Err(ended(format));
    }
    let Some(entry) = best(&entries, format) else {
        return Err(DecodeError::Corrupt { format, detail: "it holds no picture".to_owned() });
    };
    let inside = bytes.get(entry.at..).ok_or_else(|| ended(format))?;
    if inside.starts_with(b"\x89PNG\r\n\x1a\n") {
        let inside = &inside[..entry.length.min(inside.len())];
        let mut decoded = png::decode(inside, options)?;
        decoded.format = format;
        return Ok(decoded);
    }
    let (file, header) = bitmap_file(inside).ok_or_else(|| ended(format))?;
    let mut picture = bmp::read(&file, format, options)?;
    let mask = || opacity(inside, entry, &header, picture.size, format);
    if format == Format::Cur && header.black_and_white {
        // Pillow inverts nothing under a cursor of two colours: what it hides is black.
        let Samples::Rgb(data) = &mut picture.samples else { unreachable!("a bitmap is RGB") };
        for (pixel, seen) in data.chunks_exact_mut(3).zip(mask()?) {
            pixel.iter_mut().for_each(|value| *value &= seen);
        }
    }
    picture.alpha = Channel::when(true, options, mask)?;
    picture.finish(options)
}

/// Behind the colours lies a mask of one bit a pixel; with 32 bits the fourth byte is alpha instead.
fn opacity(
    inside: &[u8],
    entry: &Entry,
    header: &BitmapHeader,
    (width, height): (u32, u32),
    format: Format,
) -> Result<Vec<u8>, DecodeError> {
    let (width, height) = (width as usize, height as usize);
    let alpha_bytes = header.bits == 32;
    let stride = if alpha_bytes { 4 * width } else { width.div_ceil(32) * 4 };
    let start = if alpha_bytes { header.pixels } else { entry.length.saturating_sub(stride * height) };
    let mut alpha = zeros(format, (width * height) as u64)?;
    for (y, row) in alpha.chunks_exact_mut(width).rev().enumerate() {
        let line = inside.get(start + y * stride..).unwrap_or_default();
        for (x, alpha) in row.iter_mut().enumerate() {
            let byte = if alpha_bytes { line.get(4 * x + 3) } else { line.get(x / 8) };
            let byte = byte.copied().ok_or_else(|| ended(format))?;
            *alpha = if alpha_bytes { byte } else { 255 * (1 - (byte >> (7 - x % 8) & 1)) };
        }
    }
    Ok(alpha)
}

fn ended(format: Format) -> DecodeError {
    DecodeError::Truncated { format, detail: "it ends before its picture does".to_owned() }
}

fn best(entries: &[Entry], format: Format) -> Option<&Entry> {
    if format == Format::Cur {
        // The first, unless a later one is larger both ways; 256 counts as 0 here, as it does in Pillow.
        return entries.iter().reduce(|most, entry| {
            if entry.width > most.width && entry.height > most.height { entry } else { most }
        });
    }
    let side = |stored: u8| if stored == 0 { 256 } else { u32::from(stored) };
    let key = |entry: &&Entry| (u32::MAX - side(entry.width) * side(entry.height), entry.depth);
    entries.iter().min_by_key(key)
}

impl Entry {
    fn read(line: &[u8]) -> Entry {
        let four =
            |at: usize| u32::from_le_bytes([line[at], line[at + 1], line[at + 2], line[at + 3]]) as usize;
        let bits = u32::from(u16::from_le_bytes([line[6], line[7]]));
        // Where the depth is left out, the number of colours stands for it.
        let depth = match (bits, line[2]) {
            (0, 0 | 1) => 256,
            (0, colors) => u32::from(colors).next_power_of_two().ilog2(),
            (bits, _) => bits,
        };
        Entry { width: line[0], height: line[1], depth, length: four(8), at: four(12) }
    }
}

/// What the mask needs to know of a bitmap's header.
struct BitmapHeader {
    bits: u16,
    /// Whether its palette is black and white.
    black_and_white: bool,
    /// Where its pixels begin.
    pixels: usize,
}

/// A BMP file around a bitmap without a file header, whose height counts the mask below it.
fn bitmap_file(inside: &[u8]) -> Option<(Vec<u8>, BitmapHeader)> {
    let four =
        |at: usize| inside.get(at..at.checked_add(4)?).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let two = |at: usize| inside.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let size = four(0)? as usize;
    let old = size == 12;
    let bits = if old { two(10)? } else { two(14)? };
    let colors = match (old, bits) {
        (true, 1..=8) => 3 << bits,
        (false, 1..=8) => match four(32)? as usize {
            0 => 4 << bits,
            used => used.checked_mul(4)?,
        },
        _ => 0,
    };
    let two_colors = inside.get(size..size.checked_add(colors)?).unwrap_or_default();
    let black_and_white = matches!(two_colors, [0, 0, 0, _, 255, 255, 255, _]);
    let masks = if size == 40 && four(16)? == 3 { 12 } else { 0 };
    let pixels = size.checked_add(colors)?.checked_add(masks)?;
    let mut file = Vec::new();
    file.try_reserve_exact(14 + inside.len()).ok()?;
    file.extend(b"BM");
    file.extend(((14 + inside.len()) as u32).to_le_bytes());
    file.extend([0; 4]);
    file.extend(((14 + pixels) as u32).to_le_bytes());
    file.extend(inside);
    if old {
        let half = two(6)? / 2;
        file[14 + 6..14 + 8].copy_from_slice(&half.to_le_bytes());
    } else {
        let half = four(8)? as i32 / 2;
        file[14 + 8..14 + 12].copy_from_slice(&half.to_le_bytes());
    }
    Some((file, BitmapHeader { bits, black_and_white, pixels }))
}
