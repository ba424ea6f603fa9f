//! JPEG: what Pillow makes of libjpeg-turbo's output.
//!
//! A walk over the segments (safe code) finds the size, the metadata and whether the file reaches its end marker,
//! before libjpeg sees a byte; libjpeg itself fills in grey where data ends and only warns.

use super::libjpeg::{self, Pixels};
use super::limits::zeros;
use super::picture::{Channel, Picture, Samples, admit};
use super::tail::behind_the_end;
use super::{DecodeError, DecodeOptions, Decoded, Format, ifd};

/// What the walk over the segments found.
struct Segments<'a> {
    width: u64,
    height: u64,
    components: u8,
    precision: u8,
    /// Samples of all components, chroma subsampling counted.
    samples: u64,
    /// Whether libjpeg keeps the coefficients of the whole picture.
    buffered: bool,
    /// Where the end marker ends.
    end: Option<usize>,
    /// An index of more pictures (MPO).
    index: bool,
    orientation: u8,
    /// The parts of the colour profile, in the order of their numbers.
    profile: Vec<&'a [u8]>,
}

/// Decodes the first picture of `bytes`. The other pictures of an MPO, which phones write beside every photograph
/// (depth, gain map), are neither read nor told.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Jpeg;
    let segments = walk(bytes)?;
    let pixels = match segments.components {
        1 | 3 => Pixels::Rgb,
        4 => Pixels::Cmyk,
        n => return Err(DecodeError::Unsupported { found: format!("JPEG with {n} colour components") }),
    };
    let count = segments.width.saturating_mul(segments.height);
    let coefficients = if segments.buffered { 2 * segments.samples } else { 0 };
    let working = count.saturating_mul(pixels.bytes()).saturating_add(coefficients);
    admit(format, (segments.width, segments.height), working, segments.orientation, options)?;
    if segments.precision != 8 {
        let found = format!("JPEG with {} bits a sample", segments.precision);
        return Err(DecodeError::Unsupported { found });
    }
    let mut data = zeros(format, count * pixels.bytes())?;
    let size = (segments.width as u32, segments.height as u32);
    let complete = segments.end.is_some();
    let said = libjpeg::decompress(bytes, size, pixels, &mut data).map_err(|detail| {
        if libjpeg::is_out_of_memory(&detail) {
            DecodeError::OutOfMemory { format, bytes: working }
        } else if complete {
            DecodeError::Corrupt { format, detail }
        } else {
            DecodeError::Truncated { format, detail: format!("it has no end marker; libjpeg: {detail}") }
        }
    })?;
    let mut warnings = Vec::new();
    let mut early_end = (!complete).then(|| "it has no end marker".to_owned());
    match said {
        Some(text) if libjpeg::is_early_end(&text) => early_end = Some("its data end early".to_owned()),
        Some(text) => warnings.push(format!("libjpeg: {text}")),
        None => {}
    }
    if let Some(end) = segments.end
        && !segments.index
    {
        warnings.extend(behind_the_end(&bytes[end..]));
    }
    let samples = match pixels {
        Pixels::Rgb => Samples::Rgb(data),
        Pixels::Cmyk => {
            // Adobe's files are inverted, and Pillow takes every file for one of Adobe's.
            data.iter_mut().for_each(|ink| *ink = 255 - *ink);
            Samples::Cmyk(data)
        }
    };
    let profile = (!segments.profile.is_empty()).then(|| segments.profile.concat());
    Picture {
        format,
        size,
        samples,
        gray: segments.components == 1,
        alpha: Channel::Absent,
        profile,
        orientation: segments.orientation,
        warnings,
        early_end,
    }
    .finish(options)
}

/// Walks from marker to marker: to the frame header for the size, then over the scans to the end marker.
fn walk(bytes: &[u8]) -> Result<Segments<'_>, DecodeError> {
    let format = Format::Jpeg;
    let truncated = |detail: &str| DecodeError::Truncated { format, detail: detail.to_owned() };
    let corrupt = |detail: &str| DecodeError::Corrupt { format, detail: detail.to_owned() };
    let mut frame: Option<Segments> = None;
    let (mut orientation, mut index) = (None, false);
    let mut profile: Vec<(u8, &[u8])> = Vec::new();
    let (mut scans, mut end) = (0, None);
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
            0xd9 if frame.is_none() => return Err(corrupt("it ends before its picture")),
            0xd9 if scans == 0 => return Err(corrupt("it holds no picture data")),
            0xd9 => {
                end = Some(at);
                break;
            }
            _ => {}
        }
        let Some(length) = bytes.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])))
        else {
            break;
        };
        let body = bytes.get(at + 2..(at + length.max(2)).min(bytes.len())).unwrap_or_default();
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        match marker {
            _ if is_frame && frame.is_none() => {
                let Some(header) = body.first_chunk() else { break };
                frame = Some(Segments::new(header, &body[6..], marker == 0xc2));
            }
            0xe1 if body.starts_with(b"Exif\0\0") && orientation.is_none() => {
                orientation = Some(ifd::orientation(body));
            }
            0xe2 if body.starts_with(b"ICC_PROFILE\0") && body.len() > 14 => {
                profile.push((body[12], &body[14..]));
            }
            0xe2 if body.starts_with(b"MPF\0") => index = true,
            0xda => scans += 1,
            _ => {}
        }
        at += length.max(2);
    }
    let Some(frame) = frame else { return Err(truncated("it ends before its picture's size")) };
    if scans == 0 {
        return Err(truncated("it ends before its picture data"));
    }
    profile.sort_by_key(|(number, _)| *number);
    Ok(Segments {
        end,
        index,
        orientation: orientation.unwrap_or(1),
        profile: profile.into_iter().map(|(_, part)| part).collect(),
        buffered: frame.buffered || scans > 1,
        ..frame
    })
}

impl Segments<'_> {
    /// From a frame header; `factors` are three bytes for each component, its sampling in the second.
    fn new(header: &[u8; 6], factors: &[u8], progressive: bool) -> Self {
        let height = u64::from(u16::from_be_bytes([header[1], header[2]]));
        let width = u64::from(u16::from_be_bytes([header[3], header[4]]));
        let factor = |component: &[u8]| (u64::from(component[1] >> 4), u64::from(component[1] & 15));
        let components: Vec<_> = factors.chunks_exact(3).take(header[5].into()).map(factor).collect();
        let most = components.iter().fold((1, 1), |most, f| (most.0.max(f.0), most.1.max(f.1)));
        // Whole blocks of 8 x 8 for each sampling unit.
        let units = width.div_ceil(8 * most.0) * height.div_ceil(8 * most.1);
        let samples = components.iter().map(|f| 64 * f.0 * f.1 * units).sum();
        Segments {
            width,
            height,
            components: header[5],
            precision: header[0],
            samples,
            buffered: progressive,
            end: None,
            index: false,
            orientation: 1,
            profile: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, Subsampling, encode_jpeg};

    fn sample() -> Vec<u8> {
        let image = Image::from_fn(20, 12, |x, y| [(x * 12) as u8, (y * 20) as u8, 90]);
        encode_jpeg(&image, 80, Subsampling::S420).unwrap()
    }

    #[test]
    fn walk_finds_size_and_end() {
        let bytes = sample();
        let whole = walk(&bytes).unwrap();
        assert_eq!((whole.width, whole.height, whole.components, whole.end), (20, 12, 3, Some(bytes.len())));
        // Two by one units of 16 x 16: four blocks of luma and two of chroma each.
        assert_eq!((whole.samples, whole.buffered), (2 * 6 * 64, false));
        let cut = walk(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(cut.end, None);
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
    fn an_archive_behind_the_picture_is_told() {
        let bytes = [sample(), b"PK\x03\x04".to_vec(), vec![7; 500]].concat();
        let decoded = super::super::decode(&bytes, &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.warnings, ["504 bytes follow the end of the picture (ZIP archive)"]);
    }
}
