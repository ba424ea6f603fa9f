//! Truevision TGA: grey, palette or colour, plain or in runs.
//!
//! The format has no signature. A file is one if it ends in the footer of version 2, or if its header makes sense in
//! every field and the file is long enough for the pixels that it promises.

use super::limits::zeros;
use super::picture::{Channel, Picture, Samples, admit};
use super::png::full_palette;
use super::{DecodeError, DecodeOptions, Decoded, Format};
use crate::{Image, flip};

/// The first 18 bytes.
struct Header {
    id: usize,
    palette: Option<Palette>,
    kind: Kind,
    runs: bool,
    size: (u32, u32),
    /// Bytes of a pixel; a bit is none.
    bytes: usize,
    from_right: bool,
    from_top: bool,
}

/// Where the colours begin, how many there are, and the bytes of each.
struct Palette {
    first: usize,
    length: usize,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Indexed,
    Color,
    Gray,
}

const HEADER: usize = 18;
/// What version 2 of the format ends with.
pub(super) const FOOTER: &[u8] = b"TRUEVISION-XFILE.\0";

/// Whether the bytes are a TGA: called last, when nothing else fits.
pub(super) fn is_tga(bytes: &[u8]) -> bool {
    let Some(header) = Header::read(bytes) else { return false };
    if bytes.ends_with(FOOTER) {
        return true;
    }
    let pixels = bytes.get(header.start()..).unwrap_or_default();
    if header.runs { header.runs_end(pixels) } else { pixels.len() >= header.fewest_bytes() }
}

/// Decodes the picture.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Tga;
    let Some(header) = Header::read(bytes) else {
        return Err(DecodeError::Corrupt { format, detail: "its header makes no sense".to_owned() });
    };
    let (width, height) = (u64::from(header.size.0), u64::from(header.size.1));
    // Pixels from right to left are mirrored in a copy.
    let copies = if header.from_right { 6 } else { 3 };
    admit(format, (width, height), copies * width * height, 1, options)?;
    let colors = header.colors(bytes);
    let has_alpha = header.kind != Kind::Indexed && matches!((header.kind, header.bytes), (_, 4 | 2));
    let mut data = zeros(format, 3 * width * height)?;
    let mut alpha = Channel::when(has_alpha, options, || zeros(format, width * height))?;

    let mut source =
        Source { rest: bytes.get(header.start()..).unwrap_or_default(), header: &header, run: None };
    let (width, height) = (width as usize, height as usize);
    let mut read = 0;
    'rows: for y in 0..height {
        let row = if header.from_top { y } else { height - 1 - y };
        for x in 0..width {
            let Some(pixel) = source.next() else { break 'rows };
            let at = row * width + x;
            let (color, opacity) = header.pixel(pixel, &colors);
            data[3 * at..3 * at + 3].copy_from_slice(&color);
            if let Channel::Read(alpha) = &mut alpha {
                alpha[at] = opacity;
            }
            read += 1;
        }
    }
    let pixels = width * height;
    let early_end = (read < pixels).then(|| format!("it holds {read} of {pixels} pixels"));
    if header.from_right {
        data = mirrored(header.size, data)?;
        if let Channel::Read(alpha) = &mut alpha {
            alpha.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
    }
    Picture {
        format,
        size: header.size,
        samples: Samples::Rgb(data),
        gray: header.kind == Kind::Gray,
        alpha,
        profile: None,
        orientation: 1,
        warnings: Vec::new(),
        early_end,
    }
    .finish(options)
}

fn mirrored(size: (u32, u32), data: Vec<u8>) -> Result<Vec<u8>, DecodeError> {
    let image = Image::new(size.0, size.1, data)
        .map_err(|error| DecodeError::Corrupt { format: Format::Tga, detail: error.to_string() })?;
    Ok(flip(&image).into_data())
}

impl Header {
    /// Whether the runs end with the last pixel, within the file.
    fn runs_end(&self, mut data: &[u8]) -> bool {
        let mut left = u64::from(self.size.0) * u64::from(self.size.1);
        while left > 0 {
            let Some((&packet, rest)) = data.split_first() else { return false };
            let pixels = u64::from(packet & 0x7f) + 1;
            let stored = if packet & 0x80 != 0 { 1 } else { pixels as usize };
            let (Some(rest), Some(fewer)) = (rest.get(stored * self.bytes..), left.checked_sub(pixels))
            else {
                return false;
            };
            (data, left) = (rest, fewer);
        }
        true
    }

    /// `None` where a field has a value that no such file has.
    fn read(bytes: &[u8]) -> Option<Header> {
        let head: &[u8; HEADER] = bytes.first_chunk()?;
        let two = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let (depth, flags) = (head[16], head[17]);
        let palette = match (head[1], head[7]) {
            (0, _) => None,
            (1, bits @ (16 | 24 | 32)) => {
                Some(Palette { first: two(3).into(), length: two(5).into(), bytes: usize::from(bits) / 8 })
            }
            _ => return None,
        };
        let kind = match (head[2], depth) {
            (1 | 9, 8) if palette.is_some() => Kind::Indexed,
            (2 | 10, 16 | 24 | 32) => Kind::Color,
            (3 | 11, 8 | 16) => Kind::Gray,
            _ => return None,
        };
        let size = (u32::from(two(12)), u32::from(two(14)));
        // The upper flags mean interleaved rows, which nobody writes.
        if size.0 == 0 || size.1 == 0 || flags & 0xc0 != 0 {
            return None;
        }
        Some(Header {
            id: head[0].into(),
            palette,
            kind,
            runs: head[2] & 8 != 0,
            size,
            bytes: usize::from(depth) / 8,
            from_right: flags & 0x10 != 0,
            from_top: flags & 0x20 != 0,
        })
    }

    /// Where the pixels begin.
    fn start(&self) -> usize {
        HEADER + self.id + self.palette.as_ref().map_or(0, |palette| palette.length * palette.bytes)
    }

    /// How many bytes the pixels take at least: all of them, or the longest runs.
    fn fewest_bytes(&self) -> usize {
        let pixels = self.size.0 as usize * self.size.1 as usize;
        if self.runs { pixels.div_ceil(128) * (1 + self.bytes) } else { pixels * self.bytes }
    }

    /// The palette's colours, black where the file has none.
    fn colors(&self, bytes: &[u8]) -> Vec<[u8; 3]> {
        let Some(palette) = &self.palette else { return Vec::new() };
        let start = HEADER + self.id;
        let end = (start + palette.length * palette.bytes).min(bytes.len());
        let stored = bytes.get(start..end).unwrap_or_default().chunks_exact(palette.bytes);
        let before = std::iter::repeat_n([0; 3], palette.first);
        let all: Vec<[u8; 3]> = before.chain(stored.map(|color| split(color).0)).take(256).collect();
        full_palette(all.as_flattened())
    }

    /// Colour and opacity of a stored pixel.
    fn pixel(&self, stored: &[u8], colors: &[[u8; 3]]) -> ([u8; 3], u8) {
        match (self.kind, stored) {
            (Kind::Indexed, &[index, ..]) => (colors[usize::from(index)], 255),
            (Kind::Gray, &[gray]) => ([gray; 3], 255),
            (Kind::Gray, &[gray, alpha, ..]) => ([gray; 3], alpha),
            _ => split(stored),
        }
    }
}

/// Two bytes of 5 bits a channel, or blue, green, red and perhaps alpha.
fn split(stored: &[u8]) -> ([u8; 3], u8) {
    match *stored {
        [low, high] => {
            let both = u16::from_le_bytes([low, high]);
            let five = |shift: u16| ((both >> shift & 31) * 255 / 31) as u8;
            ([five(10), five(5), five(0)], if both & 0x8000 == 0 { 255 } else { 0 })
        }
        [blue, green, red] => ([red, green, blue], 255),
        [blue, green, red, alpha] => ([red, green, blue], alpha),
        _ => ([0; 3], 0),
    }
}

/// Pixels one after the other.
struct Source<'a> {
    rest: &'a [u8],
    header: &'a Header,
    /// How many more pixels the packet has, and the pixel if they are all the same.
    run: Option<(u8, Option<&'a [u8]>)>,
}

impl<'a> Source<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        if !self.header.runs {
            return self.take();
        }
        let (left, same) = match self.run.take() {
            Some(run) => run,
            None => {
                let (&packet, rest) = self.rest.split_first()?;
                self.rest = rest;
                let same = if packet & 0x80 != 0 { Some(self.take()?) } else { None };
                (packet & 0x7f, same)
            }
        };
        self.run = left.checked_sub(1).map(|left| (left, same));
        match same {
            Some(pixel) => Some(pixel),
            None => self.take(),
        }
    }

    fn take(&mut self) -> Option<&'a [u8]> {
        let (pixel, rest) = self.rest.split_at_checked(self.header.bytes)?;
        self.rest = rest;
        Some(pixel)
    }
}
