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
    /// All copies that could be scored have the image's verdict.
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
            Err(error) if error.refusal().is_some() => scored.push(failed(name, chain, error.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    let standing = standing(scored.iter().filter(|copy| copy.logit.is_some()).count(), turned);
    Ok(Stability { standing, spread, turned, copies: scored })
}

fn standing(scored: usize, turned: u32) -> Standing {
    match (scored, turned) {
        (0, _) => Standing::CouldNotCheck,
        (_, 0) => Standing::Stable,
        _ => Standing::Unstable,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::metadata::Threshold;
    use crate::engine::EngineOptions;

    /// `mini`, which decides at this logit.
    fn mini_at(value: f64) -> Detector {
        let options = EngineOptions::builtin();
        let mini = Detector::mini(&options).unwrap();
        let threshold = Threshold { value, ..Threshold::default() };
        let file = mini.with_head(mini.head(), |metadata| metadata.threshold = threshold).unwrap();
        Detector::from_bytes(file, &options).unwrap()
    }

    fn picture(side: u32) -> Image {
        Image::from_fn(side, side, |x, y| [(x * 7 + y) as u8, (y * 5) as u8, ((x * y) / 3) as u8])
    }

    fn judged(detector: &Detector, image: &Image) -> (f64, Stability) {
        let logit = detector.score(image).unwrap();
        (logit, stability(detector, image, logit, b"key", &|| false).unwrap())
    }

    #[test]
    fn a_verdict_is_stable_until_a_copy_lies_on_the_other_side() {
        let image = picture(128);
        let (logit, far) = judged(&mini_at(-1000.0), &image);
        assert_eq!((far.standing, far.turned, far.copies.len()), (Standing::Stable, 0, 6));
        let logits: Vec<f64> = far.copies.iter().map(|copy| copy.logit.unwrap()).collect();
        let [low, high] = logits.iter().fold([logit; 2], |[low, high], &one| [low.min(one), high.max(one)]);
        assert_eq!(far.spread, [low, high]);
        assert!(low < high, "copies differ");
        // A threshold between the image and the copies on one side of it: those turn.
        let between = if low < logit { (low + logit) / 2.0 } else { (high + logit) / 2.0 };
        let turned = logits.iter().filter(|&&one| (one > between) != (logit > between)).count();
        let (_, near) = judged(&mini_at(between), &image);
        assert_eq!((near.standing, near.turned as usize), (Standing::Unstable, turned));
        assert!(turned > 0);
    }

    #[test]
    fn copies_that_cannot_be_scored_are_said_and_not_counted() {
        // Cropped by an eighth it is shorter than the 48 pixels that `mini` takes.
        let (_, found) = judged(&mini_at(-1000.0), &picture(50));
        let failed: Vec<&str> =
            found.copies.iter().filter(|copy| copy.error.is_some()).map(|copy| copy.name.as_str()).collect();
        assert_eq!((found.standing, failed), (Standing::Stable, vec!["cropped by an eighth"]));
        assert_eq!(
            [standing(0, 0), standing(1, 0), standing(6, 1)],
            [Standing::CouldNotCheck, Standing::Stable, Standing::Unstable]
        );
        let stopped = stability(&mini_at(0.0), &picture(64), 0.0, b"", &|| true).unwrap_err();
        assert!(matches!(stopped, Error::Abandoned));
    }
}
