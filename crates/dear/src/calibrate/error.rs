//! Why a detector is not calibrated.

use thiserror::Error;

use super::percent;

/// Why a detector is not calibrated, or has no threshold.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// An option is out of range.
    #[error("calibration option {key:?} is {found}, expected {expected}")]
    Option {
        /// The option's name.
        key: &'static str,
        /// Its value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A class has not two independent images.
    #[error("{real} real and {fake} generated {units} to calibrate on, expected at least 2 of each")]
    Classes {
        /// Independent real images or scenes.
        real: usize,
        /// Independent generated images or scenes.
        fake: usize,
        /// `images` or `scenes`.
        units: &'static str,
    },
    /// Too few for the target.
    #[error("{found} {class} {units} are too few for at most {} wrong, expected at least {needed}", percent(*.share))]
    TooFew {
        /// `real` or `generated`.
        class: &'static str,
        /// The target share.
        share: f64,
        /// `images` or `scenes`.
        units: &'static str,
        /// Independent images or scenes there are.
        found: u64,
        /// The fewest that will do.
        needed: u64,
    },
    /// Higher logits do not go with *generated*.
    #[error(
        "the detector's logits rank these images no better than chance, expected higher ones for generated images"
    )]
    Inverted,
    /// The sample does not show that higher logits go with *generated*.
    #[error("the AUC on these {units} is {auc:.3} ({low:.3} to {high:.3}), expected an interval above 0.5")]
    Chance {
        /// `images` or `scenes`.
        units: &'static str,
        /// The highest AUC of all conditions.
        auc: f64,
        /// Lower end of its 95 % interval.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// An image stands in both classes.
    #[error("{images} images stand in both classes, byte for byte, expected each in one")]
    BothClasses {
        /// How many.
        images: u64,
    },
    /// A logit is NaN or infinite, or there is not one for each condition.
    #[error("logits of {path} are {found:?}, expected {expected} finite numbers")]
    Logits {
        /// The image.
        path: String,
        /// Its logits.
        found: Vec<f64>,
        /// Number of conditions.
        expected: usize,
    },
}

impl CalibrateError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Option { .. } => "option",
            Self::Classes { .. } => "classes",
            Self::TooFew { .. } => "too_few",
            Self::Inverted => "inverted",
            Self::Chance { .. } => "chance",
            Self::BothClasses { .. } => "both_classes",
            Self::Logits { .. } => "logits",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Classes { .. } => {
                "give more images; `dear scan FOLDER` says which files cannot be read".to_owned()
            }
            Self::TooFew { class, units, .. } => {
                let option = if *class == "real" { "--fpr" } else { "--miss" };
                format!("give more {class} {units}, or allow a larger share with {option}")
            }
            Self::Inverted => {
                "check that the folders are not swapped; a detector that knows nothing about such images \
                               cannot be calibrated on them"
                    .to_owned()
            }
            Self::Chance { units, .. } => {
                format!(
                    "give more {units}, or another detector: this one is not shown to tell these classes apart"
                )
            }
            Self::BothClasses { .. } => {
                "remove the copies from the class where they do not belong".to_owned()
            }
            _ => return None,
        })
    }
}
