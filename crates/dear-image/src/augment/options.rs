//! What the augmentation may do, with the paper's numbers as defaults.

use super::AugmentRole;
use crate::Subsampling;
use serde::{Deserialize, Serialize};

/// Probabilities (0 to 1) and ranges (both ends included) of every step. `Default` is the paper's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentOptions {
    /// Probability of the random resized crop; 0.2.
    pub resized_crop: f64,
    /// Its share of the image's area; 0.08 to 1.
    pub resized_crop_area: [f64; 2],
    /// Its width over height, drawn uniformly in the logarithm; 3/4 to 4/3.
    pub resized_crop_ratio: [f64; 2],
    /// The side that it is resized to (bilinear, antialias); 256.
    pub resized_crop_side: u32,
    /// How main images take that side; square.
    pub main_resize: ResizeTo,
    /// How probes take that side; the shorter side (a quirk of the reference).
    pub probe_resize: ResizeTo,
    /// Probability of the colour jitter; 0.8.
    pub jitter: f64,
    /// Brightness factors 1 - b to 1 + b; 0.4.
    pub jitter_brightness: f64,
    /// Contrast factors likewise; 0.4.
    pub jitter_contrast: f64,
    /// Saturation factors likewise; 0.4.
    pub jitter_saturation: f64,
    /// Hue turns -h to h, of a full circle; 0.1.
    pub jitter_hue: f64,
    /// Probability of greyscale; 0.2.
    pub grayscale: f64,
    /// Probability of the cutout; 0.2.
    pub cutout: f64,
    /// Side of its hole; 48.
    pub cutout_side: u32,
    /// Value that fills it; 128.
    pub cutout_value: u8,
    /// Probability of Gaussian noise; 0.2.
    pub noise: f64,
    /// Its variance on the 0 to 255 scale; 10 to 50.
    pub noise_variance: [f64; 2],
    /// Probability of Gaussian blur; 0.5.
    pub blur: f64,
    /// Its sigma; 0 to 3.
    pub blur_sigma: [f64; 2],
    /// Probability of JPEG; 0.5.
    pub jpeg: f64,
    /// Its quality; 30 to 100.
    pub jpeg_quality: [u8; 2],
    /// Its chroma; 4:2:0.
    pub jpeg_subsampling: Subsampling,
    /// Probability of the rotation by one of 0, 90, 180, 270 degrees; 1.
    pub rotate: f64,
    /// Probability of the horizontal flip; 0.5.
    pub flip: f64,
    /// Side of the final random crop; 96.
    pub crop: u32,
    /// How main images smaller than the crop are padded; by the full deficit on both sides.
    pub main_pad: PadRule,
    /// How probes smaller than the crop are padded; by halves.
    pub probe_pad: PadRule,
}

/// What a side length means to a resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeTo {
    /// Both sides become it.
    Square,
    /// The shorter side becomes it, the other keeps the proportion.
    ShorterSide,
}

/// How an image that is smaller than the crop is padded, in each direction on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadRule {
    /// The full deficit on both sides; the crop then moves within it (torchvision's `pad_if_needed`).
    Full,
    /// Half of the deficit on each side, the odd pixel after.
    Halves,
}

/// An option outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("augment.{key} is {found}, expected {expected}")]
pub struct AugmentError {
    key: &'static str,
    found: String,
    expected: &'static str,
}

impl Default for AugmentOptions {
    fn default() -> Self {
        AugmentOptions {
            resized_crop: 0.2,
            resized_crop_area: [0.08, 1.0],
            resized_crop_ratio: [3.0 / 4.0, 4.0 / 3.0],
            resized_crop_side: 256,
            main_resize: ResizeTo::Square,
            probe_resize: ResizeTo::ShorterSide,
            jitter: 0.8,
            jitter_brightness: 0.4,
            jitter_contrast: 0.4,
            jitter_saturation: 0.4,
            jitter_hue: 0.1,
            grayscale: 0.2,
            cutout: 0.2,
            cutout_side: 48,
            cutout_value: 128,
            noise: 0.2,
            noise_variance: [10.0, 50.0],
            blur: 0.5,
            blur_sigma: [0.0, 3.0],
            jpeg: 0.5,
            jpeg_quality: [30, 100],
            jpeg_subsampling: Subsampling::S420,
            rotate: 1.0,
            flip: 0.5,
            crop: 96,
            main_pad: PadRule::Full,
            probe_pad: PadRule::Halves,
        }
    }
}

impl AugmentOptions {
    /// Nothing but the final crop: every probability 0.
    pub fn crop_only() -> AugmentOptions {
        AugmentOptions {
            resized_crop: 0.0,
            jitter: 0.0,
            grayscale: 0.0,
            cutout: 0.0,
            noise: 0.0,
            blur: 0.0,
            jpeg: 0.0,
            rotate: 0.0,
            flip: 0.0,
            ..AugmentOptions::default()
        }
    }

    /// Names the first option that is outside its range.
    pub fn check(&self) -> Result<(), AugmentError> {
        for (key, p) in [
            ("resized_crop", self.resized_crop),
            ("jitter", self.jitter),
            ("grayscale", self.grayscale),
            ("cutout", self.cutout),
            ("noise", self.noise),
            ("blur", self.blur),
            ("jpeg", self.jpeg),
            ("rotate", self.rotate),
            ("flip", self.flip),
        ] {
            refuse_unless((0.0..=1.0).contains(&p), key, p, "a probability, 0 to 1")?;
        }
        for (key, factor) in [
            ("jitter_brightness", self.jitter_brightness),
            ("jitter_contrast", self.jitter_contrast),
            ("jitter_saturation", self.jitter_saturation),
        ] {
            refuse_unless((0.0..=1.0).contains(&factor), key, factor, "0 to 1")?;
        }
        refuse_unless((0.0..=0.5).contains(&self.jitter_hue), "jitter_hue", self.jitter_hue, "0 to 0.5")?;
        let within = |[lo, hi]: [f64; 2], least: f64, most: f64| least <= lo && lo <= hi && hi <= most;
        let (area, ratio) = (self.resized_crop_area, self.resized_crop_ratio);
        refuse_unless(
            within(area, 1e-6, 1.0),
            "resized_crop_area",
            area,
            "two rising numbers in 0.000001..=1",
        )?;
        refuse_unless(
            within(ratio, 0.01, 100.0),
            "resized_crop_ratio",
            ratio,
            "two rising numbers in 0.01..=100",
        )?;
        let (variance, sigma) = (self.noise_variance, self.blur_sigma);
        refuse_unless(
            within(variance, 0.0, 65_025.0),
            "noise_variance",
            variance,
            "two rising numbers in 0..=65025",
        )?;
        refuse_unless(within(sigma, 0.0, 100.0), "blur_sigma", sigma, "two rising numbers in 0..=100")?;
        let [lo, hi] = self.jpeg_quality;
        let quality = 1 <= lo && lo <= hi && hi <= 100;
        refuse_unless(quality, "jpeg_quality", [lo, hi], "two rising integers in 1..=100")?;
        for (key, side) in [
            ("resized_crop_side", self.resized_crop_side),
            ("cutout_side", self.cutout_side),
            ("crop", self.crop),
        ] {
            refuse_unless((1..=8192).contains(&side), key, side, "pixels, 1 to 8192")?;
        }
        Ok(())
    }

    pub(super) fn resize_to(&self, role: AugmentRole) -> ResizeTo {
        match role {
            AugmentRole::Main => self.main_resize,
            AugmentRole::Probe => self.probe_resize,
        }
    }

    pub(super) fn pad_rule(&self, role: AugmentRole) -> PadRule {
        match role {
            AugmentRole::Main => self.main_pad,
            AugmentRole::Probe => self.probe_pad,
        }
    }
}

fn refuse_unless(
    allowed: bool,
    key: &'static str,
    found: impl std::fmt::Debug,
    expected: &'static str,
) -> Result<(), AugmentError> {
    if allowed { Ok(()) } else { Err(AugmentError { key, found: format!("{found:?}"), expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_each_range_is_named() {
        AugmentOptions::default().check().unwrap();
        AugmentOptions::crop_only().check().unwrap();
        let said = |change: fn(&mut AugmentOptions)| {
            let mut options = AugmentOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(said(|o| o.blur = 1.5), "augment.blur is 1.5, expected a probability, 0 to 1");
        assert_eq!(said(|o| o.jitter_hue = 0.6), "augment.jitter_hue is 0.6, expected 0 to 0.5");
        assert_eq!(said(|o| o.crop = 0), "augment.crop is 0, expected pixels, 1 to 8192");
        for change in [
            (|o: &mut AugmentOptions| o.jpeg_quality = [0, 50]) as fn(&mut AugmentOptions),
            |o| o.jpeg_quality = [60, 50],
            |o| o.noise_variance = [5.0, f64::NAN],
            |o| o.blur_sigma = [-1.0, 3.0],
            |o| o.resized_crop_area = [0.0, 1.0],
            |o| o.resized_crop_ratio = [2.0, 1.0],
            |o| o.flip = f64::NAN,
        ] {
            said(change);
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let options: AugmentOptions =
            serde_json::from_str(r#"{"jpeg": 0.25, "main_pad": "halves"}"#).unwrap();
        let expected = AugmentOptions { jpeg: 0.25, main_pad: PadRule::Halves, ..AugmentOptions::default() };
        assert_eq!(options, expected);
        assert!(serde_json::from_str::<AugmentOptions>(r#"{"jpg": 0.25}"#).is_err());
    }
}
