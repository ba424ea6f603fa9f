//! JPEG: what Pillow makes of libjpeg-turbo's output.
//!
//! A walk over the segments (safe code) finds the size, the number of components and whether the file reaches its end
//! marker, before libjpeg sees a byte; libjpeg itself fills in grey where data ends and only warns.

use super::libjpeg::{self, Pixels};
use super::{DecodeError, DecodeOptions, Decoded, Format, check_size, finish, zeros};
use crate::Image;

/// What the walk over the segments found.
struct Segments {
    width: u64,
    height: u64,
    components: u8,
    precision: u8,
    complete: bool,
}

/// Decodes the first picture of `bytes`. What follows its end marker (MPO pictures, padding) is not looked at.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Jpeg;
    let segments = walk(bytes)?;
    check_size(format, segments.width, segments.height, options)?;
    if segments.precision != 8 {
        let found = format!("JPEG with {} bits a sample", segments.precision);
        return Err(DecodeError::Unsupported { found });
    }
    let pixels = match segments.components {
        1 | 3 => Pixels::Rgb,
        4 => Pixels::Cmyk,
        n => return Err(DecodeError::Unsupported { found: format!("JPEG with {n} colour components") }),
    };
    let count = segments.width * segments.height;
    let mut data = zeros(format, count * pixels.bytes())?;
    let size = (segments.width as u32, segments.height as u32);
    let said =
        libjpeg::decompress(bytes, size, pixels, &mut data).map_err(|detail| match segments.complete {
            true => DecodeError::Corrupt { format, detail },
            false => {
                DecodeError::Truncated { format, detail: format!("it has no end marker; libjpeg: {detail}") }
            }
        })?;
    if pixels == Pixels::Cmyk {
        data = cmyk_to_rgb(&data);
    }

    let mut warnings = Vec::new();
    let mut early_end = (!segments.complete).then(|| "it has no end marker".to_owned());
    match said {
        Some(text) if libjpeg::is_early_end(&text) => early_end = Some("its data end early".to_owned()),
        Some(text) => warnings.push(format!("libjpeg: {text}")),
        None => {}
    }
    let image = Image::new(size.0, size.1, data)
        .map_err(|error| DecodeError::Corrupt { format, detail: error.to_string() })?;
    finish(format, image, warnings, early_end, options)
}

/// Walks from marker to marker: to the frame header for the size, then over the scans to the end marker.
fn walk(bytes: &[u8]) -> Result<Segments, DecodeError> {
    let format = Format::Jpeg;
    let truncated = |detail: &str| DecodeError::Truncated { format, detail: detail.to_owned() };
    let mut frame: Option<Segments> = None;
    let mut scans = 0;
    let mut at = 2;
    // A marker is ff and neither 00 (a stuffed byte) nor ff (fill) nor a restart, all of which scans hold.
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff)) {
        at += offset + 1;
        let Some(&marker) = bytes.get(at) else { break };
        if marker == 0xff {
            continue;
        }
        at += 1;
        match marker {
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 => {
                let Some(frame) = frame else {
                    return Err(DecodeError::Corrupt {
                        format,
                        detail: "it ends before its picture".to_owned(),
                    });
                };
                if scans == 0 {
                    return Err(DecodeError::Corrupt {
                        format,
                        detail: "it holds no picture data".to_owned(),
                    });
                }
                return Ok(Segments { complete: true, ..frame });
            }
            _ => {}
        }
        let Some(length) = bytes.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])))
        else {
            break;
        };
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if is_frame && frame.is_none() {
            let Some(header) = bytes.get(at + 2..at + 8) else { break };
            frame = Some(Segments {
                precision: header[0],
                height: u64::from(u16::from_be_bytes([header[1], header[2]])),
                width: u64::from(u16::from_be_bytes([header[3], header[4]])),
                components: header[5],
                complete: false,
            });
        }
        if marker == 0xda {
            scans += 1;
        }
        at += length.max(2);
    }
    match frame {
        Some(frame) if scans > 0 => Ok(frame),
        Some(_) => Err(truncated("it ends before its picture data")),
        None => Err(truncated("it ends before its picture's size")),
    }
}

/// Pillow's `CMYK;I` and `convert("RGB")`: the four channels are stored inverted, as Adobe does, marker or not.
fn cmyk_to_rgb(cmyk: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(cmyk.len() / 4 * 3);
    for ink in cmyk.chunks_exact(4) {
        let black = u32::from(ink[3]);
        for &stored in &ink[..3] {
            // nk - c * nk / 255 with nk = 255 - k, rounded as Pillow's MULDIV255.
            let product = (255 - u32::from(stored)) * black + 128;
            rgb.push((black - (((product >> 8) + product) >> 8)) as u8);
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Subsampling, encode_jpeg};

    fn sample() -> Vec<u8> {
        let image = Image::from_fn(20, 12, |x, y| [(x * 12) as u8, (y * 20) as u8, 90]);
        encode_jpeg(&image, 80, Subsampling::S420).unwrap()
    }

    #[test]
    fn walk_finds_size_and_end() {
        let bytes = sample();
        let whole = walk(&bytes).unwrap();
        assert_eq!((whole.width, whole.height, whole.components, whole.complete), (20, 12, 3, true));
        let cut = walk(&bytes[..bytes.len() - 1]).unwrap();
        assert!(!cut.complete);
        assert!(walk(&bytes[..30]).is_err());
    }

    #[test]
    fn garbage_between_header_segments_is_a_warning() {
        let mut bytes = sample();
        bytes.splice(20..20, [1, 2, 3]);
        let decoded = super::super::decode(&bytes, &DecodeOptions::default()).unwrap();
        assert!(decoded.warnings[0].contains("extraneous bytes"), "{:?}", decoded.warnings);
        assert!(!decoded.truncated);
    }

    #[test]
    fn ink_arithmetic() {
        // No ink at all is white; full black ink is black; full cyan takes the red.
        assert_eq!(cmyk_to_rgb(&[255, 255, 255, 255]), [255, 255, 255]);
        assert_eq!(cmyk_to_rgb(&[255, 255, 255, 0]), [0, 0, 0]);
        assert_eq!(cmyk_to_rgb(&[0, 255, 255, 255]), [0, 255, 255]);
    }
}
