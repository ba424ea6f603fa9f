//! An image and what a detector must answer for it, kept in the detector's file: whether preprocessing, weights and engine
//! are still what they were, on any machine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dear_image::{DecodeOptions, Image, decode, encode_png};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::detector::{Detector, DetectorError};

/// How far an answer may be from the stored one, times the stored one's size where that is above 1. People copy answers with
/// a few digits; a wrong colour order or range moves them by much more.
pub const TOLERANCE: f64 = 1e-3;
/// The largest image that is stored in a detector file.
pub const MOST_PIXELS: u64 = 1 << 20;

/// What an answer counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Above 0: generated.
    Logit,
    /// Of the generated class, 0 to 1.
    Probability,
}

/// An image and its answer, as the file holds them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// The pixels: a PNG file in base64.
    pub image: String,
    /// What the answer counts in.
    pub scale: Scale,
    /// The answer of the pipeline that the network comes from.
    pub value: f64,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How a self-test went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfTestResult {
    /// What the detector answers here.
    pub found: f64,
    /// What it must answer.
    pub expected: f64,
    /// How far the two may be apart.
    pub tolerance: f64,
}

impl Scale {
    /// A logit on this scale.
    pub fn of(self, logit: f64) -> f64 {
        match self {
            Self::Logit => logit,
            Self::Probability => 1.0 / (1.0 + (-logit).exp()),
        }
    }

    /// `logit` or `probability`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Logit => "logit",
            Self::Probability => "probability",
        }
    }
}

impl SelfTest {
    /// The test of these pixels.
    ///
    /// # Errors
    /// Why the image cannot be stored.
    pub fn new(image: &Image, scale: Scale, value: f64) -> Result<Self, String> {
        let (width, height) = image.size();
        let pixels = u64::from(width) * u64::from(height);
        if pixels > MOST_PIXELS {
            return Err(format!("image of {width} x {height} pixels, expected at most {MOST_PIXELS} pixels"));
        }
        let png = encode_png(image).map_err(|error| error.to_string())?;
        Ok(Self { image: BASE64.encode(png), scale, value, extra: Map::new() })
    }

    /// The stored pixels.
    ///
    /// # Errors
    /// If they are no image, or more than [`MOST_PIXELS`].
    pub fn image(&self) -> Result<Image, String> {
        let bytes = BASE64.decode(&self.image).map_err(|error| format!("not base64: {error}"))?;
        let options = DecodeOptions { max_pixels: MOST_PIXELS, ..DecodeOptions::default() };
        decode(&bytes, &options).map(|decoded| decoded.image).map_err(|error| error.to_string())
    }

    /// What a logit of the stored image comes to.
    pub fn judge(&self, logit: f64) -> SelfTestResult {
        let tolerance = TOLERANCE * self.value.abs().max(1.0);
        SelfTestResult { found: self.scale.of(logit), expected: self.value, tolerance }
    }

    /// Scores the stored image.
    ///
    /// # Errors
    /// If the detector cannot score it; an image that cannot be read is a fault of the document.
    pub fn run(&self, detector: &Detector) -> Result<SelfTestResult, DetectorError> {
        let image = self.image().map_err(crate::backbone::metadata::self_test_refused)?;
        Ok(self.judge(detector.score(&image)?))
    }
}

impl SelfTestResult {
    /// Whether the answer is the stored one.
    pub fn passed(&self) -> bool {
        (self.found - self.expected).abs() <= self.tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_come_back_and_answers_are_judged_on_their_scale() {
        let image = Image::from_fn(5, 3, |x, y| [x as u8 * 50, y as u8 * 80, 7]);
        let test = SelfTest::new(&image, Scale::Probability, 0.5).expect("small");
        assert_eq!(test.image().expect("stored").data(), image.data());
        // The slope of the sigmoid at 0 is a quarter.
        for (logit, passed) in [(0.0, true), (0.0039, true), (0.0041, false), (-0.0041, false)] {
            assert_eq!(test.judge(logit).passed(), passed, "{logit}");
        }
        let logit = SelfTest { scale: Scale::Logit, value: -20.0, ..test.clone() };
        for (found, passed) in [(-20.0199, true), (-20.0201, false), (f64::NAN, false)] {
            assert_eq!(logit.judge(found).passed(), passed, "{found}");
        }
        assert!(SelfTest { image: "?".to_owned(), ..test }.image().is_err());
    }

    #[test]
    fn the_largest_image_is_stored_and_one_row_more_is_not() {
        let of = |height| SelfTest::new(&Image::from_fn(1024, height, |_, _| [0; 3]), Scale::Logit, 0.0);
        assert!(of(1024).is_ok());
        let error = of(1025).expect_err("larger");
        assert_eq!(error, "image of 1024 x 1025 pixels, expected at most 1048576 pixels");
    }
}
