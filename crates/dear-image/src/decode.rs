//! Bytes of a file to pixels, as Pillow's `Image.open(file).convert("RGB")` gives them, under limits.
//!
//! The format comes from the bytes, never from a file name. The size comes from the header and is compared with
//! [`DecodeOptions::max_pixels`] before anything of that size is allocated. Whatever the bytes are, the answer is an
//! image or a [`DecodeError`]: no panic, no abort.
//!
//! Where Pillow itself is odd, the choice is ours and is written into [`Decoded::warnings`]: 16-bit grey is scaled
//! (Pillow shows white), a wrong PNG checksum is tolerated (as in Pillow, but said), a file that ends early is refused
//! unless [`DecodeOptions::allow_truncated`] is set. As in the training pipeline, alpha is dropped and not composited,
//! profiles are ignored, and EXIF orientation too except in TIFF, which Pillow turns on load; each of these is an
//! option, and [`Decoded::treatment`] says what a file had and what was done.
//!
//! The status of a file: scored if there are no warnings; scored with warning for a wrong PNG checksum, for bytes
//! behind the picture's end that are neither padding nor a phone's trailer, for more frames or pages, for 16-bit grey,
//! for what libjpeg warns of; refused with a [`DecodeErrorKind`] otherwise.

mod bmp;
mod error;
mod gif;
mod icon;
mod ifd;
mod jpeg;
mod libjpeg;
mod limits;
mod options;
mod picture;
mod png;
mod pnm;
mod profile;
mod sniff;
mod tail;
mod tga;
mod tiff;
mod webp;
mod wide;

pub use error::{DecodeError, DecodeErrorKind};
pub use options::{Alpha, DecodeOptions, Gray16, Icc, Orientation};

use crate::{Image, Mask};
use serde::{Deserialize, Serialize};
use sniff::Sniffed;
use std::panic::{AssertUnwindSafe, catch_unwind};
use utoipa::ToSchema;

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
    /// PBM, PGM, PPM, PFM.
    Pnm,
    /// The largest picture of a Windows icon.
    Ico,
    /// The largest picture of a Windows cursor.
    Cur,
    /// Truevision TGA, which has no signature: found when nothing else fits.
    Tga,
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
    /// What was done with orientation, alpha and profile.
    pub treatment: Treatment,
}

/// What a file had besides its stored colours, and what was done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Treatment {
    /// EXIF orientation in the file, 1 to 8; 1 if it has none (or an impossible one).
    pub orientation: u8,
    /// Whether the picture was turned by it.
    pub oriented: bool,
    /// Alpha, or a transparent colour.
    pub alpha: AlphaUse,
    /// An embedded colour profile.
    pub profile: ProfileUse,
}

/// What was done with alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlphaUse {
    /// The file has none.
    None,
    /// It was dropped; hidden colours show.
    Dropped,
    /// The picture was laid on white.
    White,
    /// The picture was laid on black.
    Black,
}

/// What was done with a colour profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProfileUse {
    /// The file has none.
    None,
    /// Nothing.
    Ignored,
    /// Colours were converted to sRGB.
    Converted,
    /// It was asked for and cannot be used; a warning says why, and colours are as stored.
    Unusable,
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
            Format::Cur => "cur",
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
    if bytes.len() as u64 > options.max_bytes {
        return Err(DecodeError::TooLong { bytes: bytes.len() as u64, max_bytes: options.max_bytes });
    }
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
        Format::Bmp => bmp::decode(bytes, options),
        Format::Tiff => tiff::decode(bytes, options),
        Format::Pnm => pnm::decode(bytes, options),
        Format::Ico | Format::Cur => icon::decode(bytes, format, options),
        Format::Tga => tga::decode(bytes, options),
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
pub fn decode_mask(bytes: &[u8], options: &DecodeOptions) -> Result<Mask, DecodeError> {
    let image = decode(bytes, options)?.image;
    let luma = image.luma();
    let width = image.width() as usize;
    Ok(Mask::from_fn(image.width(), image.height(), |x, y| luma[y as usize * width + x as usize] > 127))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde() {
        let all = [
            Format::Jpeg,
            Format::Png,
            Format::WebP,
            Format::Gif,
            Format::Bmp,
            Format::Tiff,
            Format::Pnm,
            Format::Ico,
            Format::Cur,
            Format::Tga,
        ];
        for format in all {
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
        }
    }

    #[test]
    fn a_file_longer_than_the_limit_is_refused() {
        let options = DecodeOptions { max_bytes: 3, ..DecodeOptions::default() };
        let error = decode(b"P1 1", &options).unwrap_err();
        assert_eq!(error.to_string(), "file of 4 bytes exceeds the limit of 3 bytes");
        assert_eq!(error.kind(), DecodeErrorKind::TooLarge);
        assert_eq!(decode(b"abc", &options).unwrap_err().kind(), DecodeErrorKind::NotAnImage);
    }
}
