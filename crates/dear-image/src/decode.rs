//! Bytes of a file to pixels, as Pillow's `Image.open(file).convert("RGB")` gives them, under limits.
//!
//! The format comes from the bytes, never from a file name. The size comes from the header and is compared with
//! [`DecodeOptions::max_pixels`] before anything of that size is allocated. Whatever the bytes are, the answer is an
//! image or a [`DecodeError`]: no panic, no abort.
//!
//! Where Pillow itself is odd, the choice is ours and is written into [`Decoded::warnings`]: 16-bit grey is scaled
//! (Pillow shows white), a wrong PNG checksum is tolerated (as in Pillow, but said), a file that ends early is refused
//! unless [`DecodeOptions::allow_truncated`] is set. As in the training pipeline, alpha is dropped and not composited,
//! and EXIF orientation is ignored except in TIFF, which Pillow turns on load.

mod error;
mod gif;
mod jpeg;
mod libjpeg;
mod plain;
mod png;
mod sniff;
mod webp;

pub use error::{DecodeError, DecodeErrorKind};

use crate::{Image, Mask};
use serde::{Deserialize, Serialize};
use sniff::Sniffed;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The file formats, by what the bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JPEG, also the first picture of an MPO.
    Jpeg,
    /// PNG, also the default picture of an APNG.
    Png,
    /// WebP, lossy, lossless or the first frame of an animation.
    WebP,
    /// The first frame of a GIF.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// The first page of a TIFF.
    Tiff,
    /// PBM, PGM, PPM.
    Pnm,
    /// The largest picture of a Windows icon.
    Ico,
    /// Truevision TGA: named, never decoded, because it has no signature.
    Tga,
}

/// Limits and leniency of [`decode`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeOptions {
    /// Largest width times height; 200,000,000 by default (Pillow refuses above 178,956,970).
    pub max_pixels: u64,
    /// Take what a file that ends early still holds, with a warning and [`Decoded::truncated`]; off by default.
    pub allow_truncated: bool,
}

/// What [`decode`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels.
    pub image: Image,
    /// The format that the bytes were in.
    pub format: Format,
    /// What a careful reader of a score should know: one line each.
    pub warnings: Vec<String>,
    /// Whether the file ended early, so that a part of the pixels is filled in.
    pub truncated: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        DecodeOptions { max_pixels: 200_000_000, allow_truncated: false }
    }
}

impl Format {
    /// Lower case, as in records: `jpeg`, `png`, `webp`, ...
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Jpeg => "jpeg",
            Format::Png => "png",
            Format::WebP => "webp",
            Format::Gif => "gif",
            Format::Bmp => "bmp",
            Format::Tiff => "tiff",
            Format::Pnm => "pnm",
            Format::Ico => "ico",
            Format::Tga => "tga",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decodes a whole file.
///
/// ```
/// use dear_image::{DecodeErrorKind, DecodeOptions, decode};
/// let error = decode(b"<!doctype html><p>404", &DecodeOptions::default()).unwrap_err();
/// assert_eq!(error.kind(), DecodeErrorKind::NotAnImage);
/// assert_eq!(error.to_string(), "not an image (HTML)");
/// ```
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = match sniff::sniff(bytes) {
        Sniffed::Known(format) => format,
        Sniffed::Empty => return Err(DecodeError::Empty),
        Sniffed::Unsupported(found) => return Err(DecodeError::Unsupported { found: found.to_owned() }),
        Sniffed::NotAnImage(found) => return Err(DecodeError::NotAnImage { found }),
    };
    // The decoders are written not to panic; a bug in one of them must still not end a scan of a million files.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::decode(bytes, options),
        Format::Png => png::decode(bytes, options),
        Format::WebP => webp::decode(bytes, options),
        Format::Gif => gif::decode(bytes, options),
        Format::Bmp | Format::Tiff | Format::Pnm | Format::Ico => plain::decode(bytes, format, options),
        Format::Tga => Err(DecodeError::Unsupported { found: "TGA".to_owned() }),
    }));
    decoded.unwrap_or_else(|_| {
        Err(DecodeError::Corrupt {
            format,
            detail: "the decoder stopped unexpectedly on these bytes".to_owned(),
        })
    })
}

/// The format of the bytes, if it is one of those above.
pub(crate) fn known_format(bytes: &[u8]) -> Option<Format> {
    match sniff::sniff(bytes) {
        Sniffed::Known(format) => Some(format),
        _ => None,
    }
}

/// Decodes any image as a region: inside where its luma (Pillow's `convert("L")`) is above 127.
pub fn decode_mask(bytes: &[u8]) -> Result<Mask, DecodeError> {
    let image = decode(bytes, &DecodeOptions::default())?.image;
    let luma = image.luma();
    let width = image.width() as usize;
    Ok(Mask::from_fn(image.width(), image.height(), |x, y| luma[y as usize * width + x as usize] > 127))
}

/// Compares a header's size with the limit: the first thing that every decoder does.
fn check_size(format: Format, width: u64, height: u64, options: &DecodeOptions) -> Result<(), DecodeError> {
    if width == 0 || height == 0 {
        let detail = format!("its header claims {width} x {height} pixels");
        return Err(DecodeError::Corrupt { format, detail });
    }
    if width.saturating_mul(height) > options.max_pixels {
        return Err(DecodeError::TooLarge { format, width, height, max_pixels: options.max_pixels });
    }
    Ok(())
}

/// `bytes` zeros, or an error where this machine would not give them (a plain `vec!` would end the process).
fn zeros(format: Format, bytes: u64) -> Result<Vec<u8>, DecodeError> {
    let refused = || DecodeError::OutOfMemory { format, bytes };
    let length = usize::try_from(bytes).map_err(|_| refused())?;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(length).map_err(|_| refused())?;
    buffer.resize(length, 0);
    Ok(buffer)
}

/// The end of every decoder: the truncation rule, in one place.
fn finish(
    format: Format,
    image: Image,
    mut warnings: Vec<String>,
    early_end: Option<String>,
    options: &DecodeOptions,
) -> Result<Decoded, DecodeError> {
    let truncated = early_end.is_some();
    if let Some(detail) = early_end {
        if !options.allow_truncated {
            return Err(DecodeError::Truncated { format, detail });
        }
        warnings.push(format!("{format} file is truncated: {detail}; the missing part is filled in"));
    }
    Ok(Decoded { image, format, warnings, truncated })
}

/// The warning for 16-bit grey, where Pillow's own answer is of no use.
fn sixteen_bit_gray(warnings: &mut Vec<String>) {
    warnings.push("16-bit grey scaled to 8 bits; Pillow-based pipelines clip it and see white".to_owned());
}

/// The warning for a file of several pictures.
fn first_of(frames: impl std::fmt::Display, what: &str) -> String {
    format!("first of {frames} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_a_pair() {
        let options = DecodeOptions { max_pixels: 12, ..DecodeOptions::default() };
        assert!(check_size(Format::Png, 4, 3, &options).is_ok());
        let error = check_size(Format::Png, 13, 1, &options).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::TooLarge);
        assert!(check_size(Format::Png, u64::MAX, u64::MAX, &options).is_err());
        assert!(check_size(Format::Png, 0, 1, &options).is_err());
    }

    #[test]
    fn impossible_allocation_is_an_error() {
        let error = zeros(Format::Png, 1 << 60).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::TooLarge);
    }

    #[test]
    fn options_refuse_unknown_keys() {
        let options: DecodeOptions = serde_json::from_str(r#"{"max_pixels": 5}"#).unwrap();
        assert_eq!(options, DecodeOptions { max_pixels: 5, allow_truncated: false });
        assert!(serde_json::from_str::<DecodeOptions>(r#"{"max_pixel": 5}"#).is_err());
        assert_eq!(serde_json::to_string(&Format::WebP).unwrap(), "\"webp\"");
    }
}
