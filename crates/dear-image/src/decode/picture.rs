//! What every decoder hands over, and the steps that all formats share: profile, alpha, orientation, truncation.

use super::limits::{check_memory, check_size, zeros};
use super::options::{Alpha, DecodeOptions, Icc, Orientation};
use super::profile::{Conversion, Space};
use super::{AlphaUse, DecodeError, Decoded, Format, ProfileUse, Treatment};
use crate::image::spread_gray;
use crate::{Image, geometry};

/// A picture as its file stores it.
pub(super) struct Picture {
    pub(super) format: Format,
    pub(super) size: (u32, u32),
    pub(super) samples: Samples,
    /// Whether the samples were one grey channel.
    pub(super) gray: bool,
    pub(super) alpha: Channel,
    pub(super) profile: Option<Vec<u8>>,
    /// EXIF orientation, 1 if there is none.
    pub(super) orientation: u8,
    pub(super) warnings: Vec<String>,
    /// How the file ended, where it did so early.
    pub(super) early_end: Option<String>,
}

/// Pixels without alpha, `[height][width][channels]`.
pub(super) enum Samples {
    Rgb(Vec<u8>),
    /// 0 is no ink, 255 full ink.
    Cmyk(Vec<u8>),
}

/// An alpha channel.
pub(super) enum Channel {
    /// There is none.
    Absent,
    /// There is one, and it was not asked for.
    Unread,
    /// One byte a pixel; 255 is opaque.
    Read(Vec<u8>),
}

impl Channel {
    /// Reads a channel that is there, if it will be used.
    pub(super) fn when(
        present: bool,
        options: &DecodeOptions,
        read: impl FnOnce() -> Result<Vec<u8>, DecodeError>,
    ) -> Result<Channel, DecodeError> {
        match (present, options.alpha) {
            (false, _) => Ok(Channel::Absent),
            (true, Alpha::Drop) => Ok(Channel::Unread),
            (true, Alpha::White | Alpha::Black) => read().map(Channel::Read),
        }
    }
}

/// The header's word on size and memory, before any pixel: `working` bytes is what the decoder holds at its peak,
/// its output included; what the shared steps need is added here.
pub(super) fn admit(
    format: Format,
    (width, height): (u64, u64),
    working: u64,
    orientation: u8,
    options: &DecodeOptions,
) -> Result<(), DecodeError> {
    check_size(format, width, height, options)?;
    let pixels = width * height;
    let turned = if turns(format, orientation, options) { 3 * pixels } else { 0 };
    let alpha = if options.alpha == Alpha::Drop { 0 } else { pixels };
    // The profile and its tables, decompressor tables, rows.
    let small = 1 << 21;
    check_memory(format, working.max(3 * pixels + turned).saturating_add(alpha + small), options)
}

fn turns(format: Format, orientation: u8, options: &DecodeOptions) -> bool {
    orientation != 1
        && match options.orientation {
            Orientation::Pillow => format == Format::Tiff,
            Orientation::Apply => true,
            Orientation::Ignore => false,
        }
}

impl Picture {
    /// The end of every decode.
    pub(super) fn finish(self, options: &DecodeOptions) -> Result<Decoded, DecodeError> {
        let Picture { format, size: (width, height), gray, orientation, mut warnings, .. } = self;
        let truncated = self.early_end.is_some();
        if let Some(detail) = self.early_end {
            if !options.allow_truncated {
                return Err(DecodeError::Truncated { format, detail });
            }
            warnings.push(format!("{format} file is truncated: {detail}; the missing part is filled in"));
        }
        let (mut data, profile) = convert(self.samples, gray, self.profile, options, &mut warnings);
        let alpha = match (&self.alpha, options.alpha) {
            (Channel::Absent, _) => AlphaUse::None,
            (Channel::Read(alpha), Alpha::White) => {
                composite(&mut data, alpha, 255);
                AlphaUse::White
            }
            (Channel::Read(alpha), Alpha::Black) => {
                composite(&mut data, alpha, 0);
                AlphaUse::Black
            }
            _ => AlphaUse::Dropped,
        };
        let mut image = Image::new(width, height, data)
            .map_err(|error| DecodeError::Corrupt { format, detail: error.to_string() })?;
        let oriented = turns(format, orientation, options);
        if oriented {
            // The turned copy is made without a fallible allocation; its bytes were asked for in `admit`.
            image = geometry::orient(image, orientation);
            if options.orientation == Orientation::Pillow {
                warnings.push(format!("{format} orientation {orientation} applied, as Pillow does"));
            }
        }
        let treatment = Treatment { orientation, oriented, alpha, profile };
        Ok(Decoded { image, format, warnings, truncated, treatment })
    }
}

/// To RGB, through the profile if that is asked for.
fn convert(
    samples: Samples,
    gray: bool,
    profile: Option<Vec<u8>>,
    options: &DecodeOptions,
    warnings: &mut Vec<String>,
) -> (Vec<u8>, ProfileUse) {
    let space = match (&samples, gray) {
        (Samples::Cmyk(_), _) => Space::Cmyk,
        (Samples::Rgb(_), true) => Space::Gray,
        (Samples::Rgb(_), false) => Space::Rgb,
    };
    let (conversion, used) = match (profile, options.icc) {
        (None, _) => (None, ProfileUse::None),
        (Some(_), Icc::Ignore) => (None, ProfileUse::Ignored),
        (Some(icc), Icc::Srgb) => match Conversion::to_srgb(&icc, space) {
            Ok(conversion) => (Some(conversion), ProfileUse::Converted),
            Err(why) => {
                warnings.push(format!("the colour profile is not used: {why}"));
                (None, ProfileUse::Unusable)
            }
        },
    };
    let data = match (samples, conversion) {
        (Samples::Rgb(data), None) => data,
        (Samples::Rgb(mut data), Some(conversion)) => {
            conversion.rgb(&mut data);
            data
        }
        (Samples::Cmyk(mut data), None) => {
            cmyk_to_rgb(&mut data);
            data
        }
        (Samples::Cmyk(mut data), Some(conversion)) => {
            conversion.cmyk(&mut data);
            data
        }
    };
    (data, used)
}

/// Pillow's `convert("RGB")` of CMYK, to the front of the same buffer: white less black less ink, in integers.
fn cmyk_to_rgb(data: &mut Vec<u8>) {
    let pixels = data.len() / 4;
    for pixel in 0..pixels {
        let white = u32::from(255 - data[4 * pixel + 3]);
        for channel in 0..3 {
            let product = u32::from(data[4 * pixel + channel]) * white;
            data[3 * pixel + channel] = (white - divide_by_255(product)) as u8;
        }
    }
    data.truncate(3 * pixels);
}

/// Lays the picture on a grey value, as Pillow's `paste` with a mask.
fn composite(data: &mut [u8], alpha: &[u8], ground: u8) {
    for (pixel, &alpha) in data.chunks_exact_mut(3).zip(alpha) {
        let (alpha, rest) = (u32::from(alpha), u32::from(255 - alpha));
        for value in pixel {
            *value = divide_by_255(u32::from(*value) * alpha + u32::from(ground) * rest) as u8;
        }
    }
}

/// `n / 255`, rounded, for products of two bytes.
fn divide_by_255(n: u32) -> u32 {
    let n = n + 128;
    ((n >> 8) + n) >> 8
}

/// One byte a pixel to three equal ones.
pub(super) fn spread(format: Format, gray: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut rgb = zeros(format, 3 * gray.len() as u64)?;
    spread_gray(gray, &mut rgb);
    Ok(rgb)
}

/// The warning for 16-bit grey, where Pillow's own answer is of no use.
pub(super) fn sixteen_bit_gray() -> String {
    "16-bit grey scaled to 8 bits; Pillow-based pipelines clip it and see white".to_owned()
}

/// The warning for a file of several pictures.
pub(super) fn first_of(frames: impl std::fmt::Display, what: &str) -> String {
    format!("first of {frames} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_arithmetic() {
        // No ink at all is white; full black ink is black; full cyan takes the red.
        let rgb = |mut data: Vec<u8>| {
            cmyk_to_rgb(&mut data);
            data
        };
        assert_eq!(rgb(vec![0, 0, 0, 0]), [255, 255, 255]);
        assert_eq!(rgb(vec![0, 0, 0, 255]), [0, 0, 0]);
        assert_eq!(rgb(vec![255, 0, 0, 0, 9, 9, 9, 255]), [0, 255, 255, 0, 0, 0]);
    }

    #[test]
    fn transparent_pixels_take_the_ground() {
        let mut data = vec![10, 20, 30, 10, 20, 30, 10, 20, 30];
        composite(&mut data, &[0, 255, 128], 255);
        assert_eq!(data, [255, 255, 255, 10, 20, 30, 132, 137, 142]);
    }
}
