//! PBM, PGM, PPM and PFM: a text header, then numbers as text or bytes.

use super::limits::zeros;
use super::options::Gray16;
use super::picture::{Channel, Picture, Samples, admit, sixteen_bit_gray};
use super::{DecodeError, DecodeOptions, Decoded, Format};

/// What the letters at the beginning say.
struct Kind {
    channels: usize,
    text: bool,
    bits: bool,
}

/// Decodes the first picture. Values are stretched from 0..maximum to 0..255 and rounded half to even, as in Pillow.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Pnm;
    let kind = match bytes.get(..2) {
        Some(b"P1") => Kind { channels: 1, text: true, bits: true },
        Some(b"P2") => Kind { channels: 1, text: true, bits: false },
        Some(b"P3") => Kind { channels: 3, text: true, bits: false },
        Some(b"P4") => Kind { channels: 1, text: false, bits: true },
        Some(b"P5") => Kind { channels: 1, text: false, bits: false },
        Some(b"P6") => Kind { channels: 3, text: false, bits: false },
        _ => return float(bytes, options),
    };
    let mut header = Tokens { bytes, at: 2 };
    let (width, height) = (header.number()?, header.number()?);
    admit(format, (width, height), 3 * width.saturating_mul(height), 1, options)?;
    let maximum = if kind.bits { 1 } else { header.number()? };
    if !(1..=65535).contains(&maximum) {
        let detail = format!("its largest value is {maximum}, expected 1 to 65535");
        return Err(DecodeError::Corrupt { format, detail });
    }
    let wide_gray = kind.channels == 1 && maximum > 255;
    let table = table(maximum, wide_gray, options.gray16);
    let pixels = (width * height) as usize;
    let mut data = zeros(format, 3 * width * height)?;
    let mut place = |at: usize, value: u8| match kind.channels {
        1 => data[3 * at..3 * at + 3].fill(value),
        _ => data[at] = value,
    };
    let samples = pixels * kind.channels;
    let mut read = 0;
    if kind.text {
        while read < samples {
            let value = if kind.bits { header.bit()? } else { header.value()? };
            let Some(value) = value else { break };
            let Some(&shown) = table.get(usize::from(value)) else {
                let detail = format!("it holds the value {value}, above its largest of {maximum}");
                return Err(DecodeError::Corrupt { format, detail });
            };
            place(read, shown);
            read += 1;
        }
    } else {
        let body = bytes.get(header.at..).unwrap_or_default();
        let width = width as usize;
        if kind.bits {
            for (row, line) in body.chunks(width.div_ceil(8)).take(height as usize).enumerate() {
                for x in 0..width.min(8 * line.len()) {
                    // A bit that is set is black.
                    place(row * width + x, table[usize::from(!line[x / 8] >> (7 - x % 8) & 1)]);
                    read += 1;
                }
            }
        } else {
            let bytes = if maximum > 255 { 2 } else { 1 };
            for (at, value) in body.chunks_exact(bytes).take(samples).enumerate() {
                let value = value.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
                place(at, table[value.min(maximum as usize)]);
                read += 1;
            }
        }
    }
    let early_end = (read < samples).then(|| format!("it holds {read} of {samples} values"));
    let mut warnings = Vec::new();
    if wide_gray && options.gray16 == Gray16::Scale {
        warnings.push(sixteen_bit_gray());
    }
    let size = (width as u32, height as u32);
    picture(size, data, kind.channels == 1, warnings, early_end).finish(options)
}

fn picture(
    size: (u32, u32),
    data: Vec<u8>,
    gray: bool,
    warnings: Vec<String>,
    early_end: Option<String>,
) -> Picture {
    Picture {
        format: Format::Pnm,
        size,
        samples: Samples::Rgb(data),
        gray,
        alpha: Channel::Absent,
        profile: None,
        orientation: 1,
        warnings,
        early_end,
    }
}

/// The byte of each value up to the maximum.
fn table(maximum: u64, wide_gray: bool, gray16: Gray16) -> Vec<u8> {
    let share = |value: u64| value as f64 / maximum as f64;
    (0..=maximum)
        .map(|value| match (wide_gray, gray16) {
            // Pillow makes 16-bit integers of them, and cuts these off.
            (true, Gray16::Pillow) => (share(value) * 65535.0).round_ties_even().min(255.0) as u8,
            (true, Gray16::Scale) => ((share(value) * 65535.0).round_ties_even() as u32 >> 8) as u8,
            _ => (share(value) * 255.0).round_ties_even() as u8,
        })
        .collect()
}

/// PFM of one channel: floats, rows from the bottom. Their range is not said anywhere.
fn float(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Pnm;
    if options.gray16 == Gray16::Scale {
        let found =
            "PFM: floats have no agreed range (gray16 = pillow cuts them off at 0 and 255)".to_owned();
        return Err(DecodeError::Unsupported { found });
    }
    let mut header = Tokens { bytes, at: 2 };
    let (width, height) = (header.number()?, header.number()?);
    admit(format, (width, height), 3 * width.saturating_mul(height), 1, options)?;
    let scale = header.token()?;
    let scale: Option<f64> = std::str::from_utf8(scale).ok().and_then(|text| text.parse().ok());
    let Some(scale) = scale.filter(|scale| scale.is_finite() && *scale != 0.0) else {
        return Err(DecodeError::Corrupt { format, detail: "its scale is no number".to_owned() });
    };
    let mut data = zeros(format, 3 * width * height)?;
    let body = bytes.get(header.at..).unwrap_or_default();
    let rows = data.chunks_exact_mut(3 * width as usize).rev();
    let mut read = 0;
    for (row, line) in rows.zip(body.chunks(4 * width as usize)) {
        for (pixel, four) in row.chunks_exact_mut(3).zip(line.chunks_exact(4)) {
            let four = [four[0], four[1], four[2], four[3]];
            let value = if scale < 0.0 { f32::from_le_bytes(four) } else { f32::from_be_bytes(four) };
            pixel.fill(super::wide::clip_float(value));
            read += 1;
        }
    }
    let samples = width * height;
    let early_end = (read < samples).then(|| format!("it holds {read} of {samples} values"));
    picture((width as u32, height as u32), data, true, Vec::new(), early_end).finish(options)
}

/// Words between white space; `#` begins a comment up to the end of its line.
struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    /// The next word; the one byte behind it is consumed.
    fn token(&mut self) -> Result<&'a [u8], DecodeError> {
        self.skip();
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| is_space(*byte) || *byte == b'#').unwrap_or(rest.len());
        self.at = start + length + usize::from(rest.get(length).is_some_and(|byte| is_space(*byte)));
        if length == 0 {
            let detail = "it ends within its header".to_owned();
            return Err(DecodeError::Truncated { format: Format::Pnm, detail });
        }
        Ok(&rest[..length])
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        let token = self.token()?;
        let number = std::str::from_utf8(token).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| DecodeError::Corrupt {
            format: Format::Pnm,
            detail: format!("{:?} stands where a number should", token.escape_ascii().to_string()),
        })
    }

    /// The next value of a text picture, none at the end.
    fn value(&mut self) -> Result<Option<u16>, DecodeError> {
        self.skip();
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        Ok(Some(u16::try_from(self.number()?).unwrap_or(u16::MAX)))
    }

    /// The next digit of a text bitmap, none at the end; no white space is needed between two.
    fn bit(&mut self) -> Result<Option<u16>, DecodeError> {
        self.skip();
        let Some(&digit) = self.bytes.get(self.at) else { return Ok(None) };
        self.at += 1;
        match digit {
            b'0' => Ok(Some(1)),
            b'1' => Ok(Some(0)),
            _ => Err(DecodeError::Corrupt {
                format: Format::Pnm,
                detail: format!("byte {digit:02x} stands where 0 or 1 should"),
            }),
        }
    }

    /// Passes white space and comments.
    fn skip(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte == b'#' {
                let rest = &self.bytes[self.at..];
                let line = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
                self.at += line;
            } else if is_space(byte) {
                self.at += 1;
            } else {
                break;
            }
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
