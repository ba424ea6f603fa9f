//! What [`super::decode`] allows, and what it does with alpha, orientation, profiles and samples wider than 8 bits.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Limits and choices of [`super::decode`]. The default is the training pipeline: Pillow's `open(f).convert("RGB")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeOptions {
    /// Largest width times height; 200,000,000 by default (Pillow refuses above 178,956,970).
    pub max_pixels: u64,
    /// Longest file in bytes; 1 GiB by default.
    pub max_bytes: u64,
    /// Most bytes for all buffers of one decode together, as estimated from the header; 4 GiB by default, which a
    /// progressive JPEG, an interlaced PNG and an animated WebP of 200 megapixels stay below.
    pub max_memory: u64,
    /// Take what a file that ends early still holds, with a warning and [`super::Decoded::truncated`]; off by default.
    pub allow_truncated: bool,
    /// EXIF orientation.
    pub orientation: Orientation,
    /// Grey of 16 bits, and other samples whose range a file does not say.
    pub gray16: Gray16,
    /// Alpha.
    pub alpha: Alpha,
    /// Colour profiles.
    pub icc: Icc,
}

/// Which files are turned by their EXIF orientation. Values other than 2 to 8 turn nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// As Pillow on load: TIFF is turned; JPEG, PNG and WebP stay as stored.
    #[default]
    Pillow,
    /// Every file is turned, as `ImageOps.exif_transpose` does.
    Apply,
    /// No file is turned.
    Ignore,
}

/// What becomes of samples that are not 8 bits of a known range: 16-bit grey (PNG, TIFF, PGM), 32-bit and signed
/// integers and floats (TIFF, PFM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gray16 {
    /// 16-bit grey is scaled to 8 bits; what has no known range is refused.
    #[default]
    Scale,
    /// As Pillow: all values are cut off at 0 and 255, so that most 16-bit pictures become white.
    Pillow,
}

/// What becomes of alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Alpha {
    /// It is dropped, and hidden colours show, as Pillow's `convert("RGB")` does.
    #[default]
    Drop,
    /// The picture lies on white.
    White,
    /// The picture lies on black.
    Black,
}

/// What becomes of an embedded colour profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Icc {
    /// Nothing, as in Pillow.
    #[default]
    Ignore,
    /// Colours are converted to sRGB, perceptual intent, as `ImageCms.profileToProfile` does.
    Srgb,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        DecodeOptions {
            max_pixels: 200_000_000,
            max_bytes: 1 << 30,
            max_memory: 1 << 32,
            allow_truncated: false,
            orientation: Orientation::default(),
            gray16: Gray16::default(),
            alpha: Alpha::default(),
            icc: Icc::default(),
        }
    }
}

impl DecodeOptions {
    /// Without limits, for files that were written a moment ago.
    pub(crate) fn unlimited() -> DecodeOptions {
        DecodeOptions {
            max_pixels: u64::MAX,
            max_bytes: u64::MAX,
            max_memory: u64::MAX,
            ..DecodeOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_refused_and_missing_ones_default() {
        let options: DecodeOptions = serde_json::from_str(r#"{"max_pixels": 5, "alpha": "white"}"#).unwrap();
        let expected = DecodeOptions { max_pixels: 5, alpha: Alpha::White, ..DecodeOptions::default() };
        assert_eq!(options, expected);
        assert!(serde_json::from_str::<DecodeOptions>(r#"{"max_pixel": 5}"#).is_err());
        assert!(serde_json::from_str::<DecodeOptions>(r#"{"alpha": "grey"}"#).is_err());
    }
}
