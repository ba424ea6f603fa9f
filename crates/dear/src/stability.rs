//! Stability: whether a verdict survives what happens to a picture on its way. The same pixels are stored again a few ways,
//! and each copy is scored.

use dear_image::{Chain, ChainError, Image};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::detector::Detector;
use crate::error::Error;
use crate::scan::Verdict;

/// How the verdicts of the copies compare with that of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// All copies have the image's verdict.
    Stable,
    /// Some copy has another.
    Unstable,
    /// No copy could be scored.
    CouldNotCheck,
}

/// The image and its copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stability {
    /// How they compare.
    pub standing: Standing,
    /// Least and greatest logit of the image and of its copies.
    pub spread: [f64; 2],
    /// Copies with another verdict than the image.
    pub turned: u32,
    /// The copies.
    pub copies: Vec<StoredCopy>,
}

/// One copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoredCopy {
    /// For people: `JPEG 75`.
    pub name: String,
    /// What was done, as a perturbation chain.
    pub chain: String,
    /// Its logit; null where it could not be scored.
    pub logit: Option<f64>,
    /// Its calibrated probability; null where the detector is not calibrated.
    pub probability: Option<f64>,
    /// What its logit says.
    pub verdict: Option<Verdict>,
    /// Why it could not be scored.
    pub error: Option<String>,
}

/// What is done to the pixels of an image of this size. The crop takes a sixteenth off each side, so that blocks of JPEG and
/// the network's grid fall elsewhere.
fn copies((width, height): (u32, u32)) -> [(&'static str, String); 6] {
    let [cropped_width, cropped_height] = [width, height].map(|side| (side - side / 8).max(1));
    [
        ("JPEG 95", "jpeg(95)".to_owned()),
        ("JPEG 75", "jpeg(75)".to_owned()),
        ("JPEG 50", "jpeg(50)".to_owned()),
        ("WebP 80", "webp(80)".to_owned()),
        ("half size and back", format!("resize(0.5) | resize(width={width}, height={height})")),
        ("cropped by an eighth", format!("crop(width={cropped_width}, height={cropped_height})")),
    ]
}

/// Store `image`, whose logit is `logit`, again in several ways and score the copies. `content_key` is its file's hash.
///
/// # Errors
/// Where the engine itself fails, and [`Error::Abandoned`] where `stop` says so between two copies.
pub fn stability(
    detector: &Detector,
    image: &Image,
    logit: f64,
    content_key: &[u8],
    stop: &dyn Fn() -> bool,
) -> Result<Stability, Error> {
    let metadata = detector.metadata();
    let verdict = Verdict::of(logit, &metadata.threshold);
    let (mut scored, mut spread, mut turned) = (Vec::new(), [logit, logit], 0);
    for (name, chain) in copies(image.size()) {
        if stop() {
            return Err(Error::Abandoned);
        }
        let outcome = match copied(image, &chain, content_key) {
            Ok(copy) => detector.score(&copy),
            Err(error) => {
                scored.push(failed(name, chain, error.to_string()));
                continue;
            }
        };
        match outcome {
            Ok(logit) => {
                let found = Verdict::of(logit, &metadata.threshold);
                spread = [spread[0].min(logit), spread[1].max(logit)];
                turned += u32::from(found != verdict);
                scored.push(StoredCopy {
                    name: name.to_owned(),
                    chain,
                    logit: Some(logit),
                    probability: metadata.calibration.as_ref().map(|map| map.probability(logit)),
                    verdict: Some(found),
                    error: None,
                });
            }
            Err(error) if error.is_of_the_image() => scored.push(failed(name, chain, error.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    let standing = match (scored.iter().any(|copy| copy.logit.is_some()), turned) {
        (false, _) => Standing::CouldNotCheck,
        (true, 0) => Standing::Stable,
        (true, _) => Standing::Unstable,
    };
    Ok(Stability { standing, spread, turned, copies: scored })
}

fn copied(image: &Image, chain: &str, content_key: &[u8]) -> Result<Image, ChainError> {
    Ok(Chain::parse(chain)?.apply(image, 0, content_key)?.image)
}

fn failed(name: &str, chain: String, error: String) -> StoredCopy {
    StoredCopy {
        name: name.to_owned(),
        chain,
        logit: None,
        probability: None,
        verdict: None,
        error: Some(error),
    }
}
