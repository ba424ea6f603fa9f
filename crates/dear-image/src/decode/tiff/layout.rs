//! How the samples of a TIFF lie in their buffer, and what they mean.

use super::super::ifd::Ifd;
use super::super::limits::zeros;
use super::super::options::{DecodeOptions, Gray16};
use super::super::png::packed;
use super::super::wide::{clip_float, clip_whole};
use super::super::{DecodeError, Format};
use super::{corrupt, truncated, unsupported};

const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
pub(super) const PHOTOMETRIC: u16 = 262;
pub(super) const FILL_ORDER: u16 = 266;
const SAMPLES: u16 = 277;
const PLANAR: u16 = 284;
const COLOR_MAP: u16 = 320;
const EXTRA: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;

/// What a pixel means, besides extra samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Color {
    WhiteIsZero,
    Gray,
    Rgb,
    Indexed,
    Cmyk,
    /// As libjpeg gives it: RGB already.
    YCbCr,
}

/// What an extra sample means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    Nothing,
    /// Colours were multiplied with it.
    Associated,
    Alpha,
}

/// The layout of the samples.
pub(super) struct Layout {
    pub(super) size: (u32, u32),
    pub(super) color: Color,
    pub(super) bits: usize,
    /// 1 unsigned, 2 signed, 3 float.
    pub(super) kind: u64,
    /// Samples of a pixel, extra ones included.
    pub(super) samples: usize,
    pub(super) extra: Extra,
    pub(super) planar: bool,
    pub(super) compression: u64,
    pub(super) gray16: Gray16,
}

impl Layout {
    /// From the directory; what has no meaning here is refused by its name.
    pub(super) fn read(ifd: &Ifd, size: (u32, u32), options: &DecodeOptions) -> Result<Layout, DecodeError> {
        let samples = ifd.number_of(SAMPLES).unwrap_or(1);
        let depths = ifd.numbers(BITS);
        if let (Some(entry), true) = (ifd.entry(BITS), depths.is_empty()) {
            return Err(match ifd.reaches_beyond(&entry) {
                true => truncated("it ends before the depth of its samples"),
                false => corrupt("the depth of its samples is no whole number"),
            });
        }
        let bits = depths.first().copied().unwrap_or(1);
        let kind = ifd.number_of(SAMPLE_FORMAT).unwrap_or(1);
        let compression = ifd.number_of(COMPRESSION).unwrap_or(1);
        if depths.iter().any(|depth| *depth != bits) {
            return Err(unsupported(format!("samples of different depths, {depths:?}")));
        }
        if !(1..=64).contains(&samples) {
            return Err(corrupt(&format!("it claims {samples} samples a pixel")));
        }
        match compression {
            // None, Group 4, LZW, JPEG, Deflate (two numbers), PackBits.
            1 | 4 | 5 | 7 | 8 | 32946 | 32773 => {}
            2 | 3 => return Err(unsupported("Group 3 fax compression")),
            6 => return Err(unsupported("JPEG data of the old kind")),
            34925 => return Err(unsupported("LZMA compression")),
            50000 => return Err(unsupported("Zstandard compression")),
            50001 => return Err(unsupported("WebP compression")),
            other => return Err(unsupported(format!("compression {other}"))),
        }
        let (color, needed) = match ifd.number_of(PHOTOMETRIC) {
            Some(0) => (Color::WhiteIsZero, 1),
            Some(1) => (Color::Gray, 1),
            Some(2) => (Color::Rgb, 3),
            Some(3) => (Color::Indexed, 1),
            Some(5) => (Color::Cmyk, 4),
            Some(6) if compression == 7 && samples == 3 => (Color::YCbCr, 3),
            Some(6) => return Err(unsupported("YCbCr samples that are not JPEG")),
            Some(8..=10) => return Err(unsupported("LAB samples")),
            Some(4) => return Err(unsupported("a transparency mask in place of a picture")),
            Some(32803 | 34892) => return Err(unsupported("raw camera samples")),
            Some(other) => return Err(unsupported(format!("photometric interpretation {other}"))),
            None => return Err(corrupt("it does not say what its samples mean")),
        };
        if samples < needed {
            return Err(corrupt(&format!(
                "it has {samples} samples a pixel, expected {needed} for {color:?}"
            )));
        }
        let pillow = options.gray16 == Gray16::Pillow && needed == 1 && samples == 1;
        let known = match (color, bits, kind) {
            (Color::WhiteIsZero | Color::Gray | Color::Indexed, 1 | 2 | 4 | 8, 1) => {
                samples == 1 || bits == 8
            }
            (Color::Gray, 8, 2) => samples == 1,
            (Color::WhiteIsZero | Color::Gray, 16, 1) => true,
            (Color::Rgb | Color::Cmyk, 8 | 16, 1) | (Color::YCbCr, 8, 1) => true,
            (Color::WhiteIsZero | Color::Gray, 32, 3) | (Color::Gray, 32, 1 | 2) | (Color::Gray, 16, 2) => {
                pillow
            }
            _ => false,
        };
        if !known {
            let kind =
                ["", "", "signed ", "float ", "untyped "].get(kind as usize).copied().unwrap_or_default();
            let color = match color {
                Color::WhiteIsZero | Color::Gray => "grey",
                Color::Rgb => "RGB",
                Color::Indexed => "palette",
                Color::Cmyk => "CMYK",
                Color::YCbCr => "YCbCr",
            };
            return Err(unsupported(format!("{samples} {kind}samples of {bits} bits ({color})")));
        }
        if ifd.number_of(FILL_ORDER) == Some(2) && (compression != 1 || bits > 8) {
            return Err(unsupported("reversed bits in compressed or wide samples"));
        }
        let extra = match (samples - needed, ifd.number_of(EXTRA)) {
            (0, _) | (_, Some(0)) => Extra::Nothing,
            (_, Some(1)) => Extra::Associated,
            (1, None) if color == Color::Rgb => Extra::Alpha,
            (_, None) => Extra::Nothing,
            _ => Extra::Alpha,
        };
        Ok(Layout {
            size,
            color,
            bits: bits as usize,
            kind,
            samples: samples as usize,
            extra,
            planar: ifd.number_of(PLANAR) == Some(2) && samples > 1,
            compression,
            gray16: options.gray16,
        })
    }

    /// Bytes of a row of one plane.
    fn row(&self) -> usize {
        let samples = if self.planar { 1 } else { self.samples };
        (self.size.0 as usize * samples * self.bits).div_ceil(8)
    }

    /// Bytes of a plane.
    pub(super) fn plane(&self) -> u64 {
        self.row() as u64 * u64::from(self.size.1)
    }

    pub(super) fn planes(&self) -> u64 {
        if self.planar { self.samples as u64 } else { 1 }
    }

    /// Whether the samples as stored are the picture.
    pub(super) fn is_final(&self) -> bool {
        let samples = match self.color {
            Color::Rgb | Color::YCbCr => 3,
            Color::Cmyk => 4,
            _ => return false,
        };
        self.bits == 8 && self.samples == samples && !self.planar
    }

    /// Sample `channel` of pixel `x` in row `y` as a byte; an index stays an index.
    fn sample(&self, raw: &[u8], (x, y): (usize, usize), channel: usize) -> u8 {
        let row = self.row();
        let (start, x) = match self.planar {
            true => ((channel * self.size.1 as usize + y) * row, x),
            false => (y * row, x * self.samples + channel),
        };
        let row = &raw[start..start + row];
        let wide = self.gray16 == Gray16::Pillow && self.samples == 1;
        // Samples of two and four bytes come in the machine's order.
        match self.bits {
            16 => {
                let two = [row[2 * x], row[2 * x + 1]];
                match (wide, self.kind) {
                    (false, _) => (u16::from_ne_bytes(two) >> 8) as u8,
                    (true, 2) => clip_whole(i16::from_ne_bytes(two).into()),
                    (true, _) => clip_whole(u16::from_ne_bytes(two).into()),
                }
            }
            32 => {
                let four = [row[4 * x], row[4 * x + 1], row[4 * x + 2], row[4 * x + 3]];
                match self.kind {
                    3 => clip_float(f32::from_ne_bytes(four)),
                    2 => clip_whole(i32::from_ne_bytes(four).into()),
                    _ => clip_whole(u32::from_ne_bytes(four).into()),
                }
            }
            8 => row[x],
            bits => {
                let stretch = if self.color == Color::Indexed { 1 } else { 255 / ((1u16 << bits) - 1) as u8 };
                packed(row, x, bits) * stretch
            }
        }
    }

    /// Where the picture's rows and columns are.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)))
    }

    /// The first extra sample.
    pub(super) fn opacity(&self, raw: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let channel = match self.color {
            Color::Rgb | Color::YCbCr => 3,
            Color::Cmyk => 4,
            _ => 1,
        };
        let mut alpha = zeros(Format::Tiff, u64::from(self.size.0) * u64::from(self.size.1))?;
        for (alpha, at) in alpha.iter_mut().zip(self.positions()) {
            *alpha = self.sample(raw, at, channel);
        }
        Ok(alpha)
    }

    /// RGB or CMYK from the samples.
    pub(super) fn colors(&self, raw: &[u8], palette: &[[u8; 3]]) -> Result<Vec<u8>, DecodeError> {
        let channels = if self.color == Color::Cmyk { 4 } else { 3 };
        let mut data =
            zeros(Format::Tiff, channels as u64 * u64::from(self.size.0) * u64::from(self.size.1))?;
        // Pillow shows wide samples as they are, whichever end is white.
        let inverted = self.color == Color::WhiteIsZero && !(self.bits > 8 && self.gray16 == Gray16::Pillow);
        for (out, at) in data.chunks_exact_mut(channels).zip(self.positions()) {
            let sample = |channel| self.sample(raw, at, channel);
            match self.color {
                Color::Indexed => out.copy_from_slice(&palette[usize::from(sample(0))]),
                Color::WhiteIsZero | Color::Gray => {
                    out.fill(if inverted { 255 - sample(0) } else { sample(0) })
                }
                Color::Rgb | Color::YCbCr | Color::Cmyk => {
                    out.iter_mut().enumerate().for_each(|(channel, out)| *out = sample(channel));
                }
            }
            if self.extra == Extra::Associated && self.color == Color::Rgb {
                let alpha = u32::from(sample(3));
                for out in out {
                    *out = (u32::from(*out) * 255).checked_div(alpha).unwrap_or(0).min(255) as u8;
                }
            }
        }
        Ok(data)
    }
}

/// The colours of the indices: 16 bits a channel, all reds first, of which Pillow takes the upper 8.
pub(super) fn palette(ifd: &Ifd, layout: &Layout) -> Result<Vec<[u8; 3]>, DecodeError> {
    if layout.color != Color::Indexed {
        return Ok(Vec::new());
    }
    let stored = ifd.numbers(COLOR_MAP);
    let length = stored.len() / 3;
    if length == 0 {
        return Err(corrupt("it has colour indices and no palette"));
    }
    let color = |index: usize| [0, 1, 2].map(|channel| (stored[channel * length + index] >> 8) as u8);
    Ok((0..256).map(|index| if index < length { color(index) } else { [0; 3] }).collect())
}
