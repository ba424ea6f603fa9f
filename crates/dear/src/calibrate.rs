//! Calibrate: what a logit means as a probability, and above which one at most so many real images are accused.
//!
//! All of it comes from whole images of a validation set (native resolution, as they are or under given conditions), and
//! holds for images like those: exchangeable with them. See `docs/calibration.md` for what that excludes.
//!
//! ```text
//! images -> maps (temperature, Platt, isotonic; chosen by cross-validation) -> probability
//!        -> order statistics of real and of generated scores (conformal)    -> threshold, uncertain band
//!        -> each subset against the threshold                               -> checks
//! ```

mod binomial;
mod conformal;
mod error;
mod images;
mod isotonic;
mod map;
mod range;
mod sample;
mod subsets;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map as JsonMap, Value};

pub use conformal::{Bound, Guarantee};
pub use error::CalibrateError;
pub use images::{Images, condition, score};
pub use map::{Map, Method};
pub use range::Range;
pub use sample::{Sample, Scored};
pub use subsets::SubsetCheck;

use crate::backbone::metadata::Threshold;
use crate::dataset::Label;
use crate::head::temperature::targets;
use crate::inference::closed_form;
use crate::metrics::{Ranking, auc};
use map::Rows;

/// Parts of the sample that take turns in being predicted by a map that has not seen them.
const FOLDS: usize = 5;

/// Logits of one image on several engines differ by less than this times `max(1, |logit|)`.
const PARITY: f64 = 1e-4;

/// How a detector is calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrateOptions {
    /// Share of real images that may be accused. Default 0.05.
    pub fpr: f64,
    /// Share of generated images that may be called real. Default 0.05.
    pub miss: f64,
    /// In which sense both hold. Default `average`; `{ confidence = 0.95 }` binds the threshold at hand.
    pub guarantee: Guarantee,
    /// Which map to probabilities. Default `auto`.
    pub method: Method,
}

impl Default for CalibrateOptions {
    fn default() -> Self {
        Self { fpr: 0.05, miss: 0.05, guarantee: Guarantee::Average, method: Method::Auto }
    }
}

impl CalibrateOptions {
    /// Refuse values outside their range.
    ///
    /// # Errors
    /// [`CalibrateError::Option`].
    pub fn check(&self) -> Result<(), CalibrateError> {
        let confidence = match self.guarantee {
            Guarantee::Average => 0.5,
            Guarantee::Confidence(confidence) => confidence,
        };
        for (key, found, low, high, expected) in [
            ("fpr", self.fpr, 1e-6, 0.5, "a share from 0.000001 to 0.5"),
            ("miss", self.miss, 1e-6, 0.5, "a share from 0.000001 to 0.5"),
            ("confidence", confidence, 0.5, 0.999_999, "a share from 0.5 to 0.999999"),
        ] {
            if !(low..=high).contains(&found) {
                return Err(CalibrateError::Option { key, found, expected });
            }
        }
        Ok(())
    }
}

/// How a detector file was calibrated: part of its document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// From logit to probability.
    pub map: Map,
    /// Cross-validated loss of each method: mean of the two classes' mean `-ln` of the probability given to what an image
    /// is, by maps that have not seen the image. Null where the method has no rising map.
    pub losses: Vec<Loss>,
    /// The same loss of `1 / (1 + e^-logit)`.
    pub loss_before: f64,
    /// Of the chosen map on the sample that it was fitted to.
    pub loss_after: f64,
    /// What bounds the share of real images accused; null where there are too few real images.
    pub false_alarms: Option<Bound>,
    /// What bounds the share of generated images called real; null where there are too few generated images.
    pub misses: Option<Bound>,
    /// Each subset at the threshold, on the same images.
    pub subsets: Vec<SubsetCheck>,
    /// The sample, in words.
    pub data: String,
    /// SHA-256 over label and content hash of the images, sorted.
    pub data_sha256: String,
    /// Real images.
    pub real: u64,
    /// Generated images.
    pub fake: u64,
    /// Whether scenes, not images, count as independent.
    pub by_scene: bool,
    /// Images that were refused under some condition, and take no part.
    pub refused: u64,
    /// Perturbation chains; `clean` for images as they are.
    pub conditions: Vec<String>,
    /// Seed of what chains draw.
    pub seed: u64,
    /// What ran: name, version, provider, precision.
    pub engine: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: JsonMap<String, Value>,
}

/// Cross-validated loss of a method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// `temperature`, `platt`, `isotonic`.
    pub method: Method,
    /// The loss.
    pub loss: Option<f64>,
}

impl Calibration {
    /// The probability of *generated*, both classes being equally likely beforehand.
    pub fn probability(&self, logit: f64) -> f64 {
        self.map.probability(logit)
    }
}

/// What calibration found.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// Map, bounds and checks.
    pub calibration: Calibration,
    /// Threshold and uncertain band, as far as the sample bears them.
    pub threshold: Threshold,
    /// Why a threshold or the band is missing.
    pub shortfall: Option<CalibrateError>,
}

/// Calibrate on a sample.
///
/// The map is fitted to all images under all conditions, each class weighing half. The threshold is the safest of those
/// that the conditions ask for, so it keeps the guarantee under each. Between threshold and its counterpart for generated
/// images an image is uncertain; where the two cross (scores so well apart that both verdicts would be safe) the gap
/// between them is.
///
/// # Errors
/// [`CalibrateError`]: an option, a sample that no map can be fitted to, or one that is large enough and yet does not show
/// under any condition that the detector ranks better than chance (the 95 % interval of the AUC includes 0.5). Too few images for a threshold are no error here
/// but [`Calibrated::shortfall`]: the detector keeps logit 0.
pub fn calibrate(sample: &Sample, options: &CalibrateOptions) -> Result<Calibrated, CalibrateError> {
    options.check()?;
    sample.check()?;
    let (map, losses) = choose(sample, options.method)?;
    let rows = rows(sample, |_| true);
    let loss_before = Map::Temperature { temperature: 1.0 }.loss(&rows.logits, &rows.labels);
    let loss_after = map.loss(&rows.logits, &rows.labels);

    let real = sample.extremes(Label::Real, 1.0);
    let generated = sample.extremes(Label::Generated, -1.0);
    let false_alarms = conformal::bound(&real, options.fpr, options.guarantee);
    let misses = conformal::bound(&generated, options.miss, options.guarantee)
        .map(|bound| Bound { logit: -bound.logit, ..bound });
    let too_few = |class, share, found: &[Vec<f64>]| CalibrateError::TooFew {
        class,
        share,
        units: sample.unit_word(),
        found: found.first().map_or(0, Vec::len) as u64,
        needed: options.guarantee.needed(share),
    };
    let shortfall = match (&false_alarms, &misses) {
        (None, _) => Some(too_few("real", options.fpr, &real)),
        (_, None) => Some(too_few("generated", options.miss, &generated)),
        _ => None,
    };
    if shortfall.is_none() {
        better_than_chance(sample)?;
    }
    let threshold = threshold(sample, false_alarms.as_ref(), misses.as_ref(), shortfall.as_ref());
    let subsets = subsets::check(sample, threshold.value, options.fpr);
    let count = |label| sample.images.iter().filter(|image| image.label == label).count() as u64;
    let calibration = Calibration {
        map,
        losses,
        loss_before,
        loss_after,
        false_alarms,
        misses,
        subsets,
        data: sample.data.clone(),
        data_sha256: sample.sha256(),
        real: count(Label::Real),
        fake: count(Label::Generated),
        by_scene: sample.by_scene,
        refused: sample.refused,
        conditions: sample.conditions.clone(),
        seed: sample.seed,
        engine: sample.engine.clone(),
        extra: JsonMap::new(),
    };
    Ok(Calibrated { calibration, threshold, shortfall })
}

/// Refuse a sample on which the AUC is not shown to be above 0.5 under any condition: a map of such logits says nothing, and
/// its temperature runs to its limit. Of several images of a unit and class the mean logit counts.
fn better_than_chance(sample: &Sample) -> Result<(), CalibrateError> {
    let mut best: Option<(f64, f64, f64)> = None;
    for condition in 0..sample.conditions.len() {
        let mut units: BTreeMap<(u8, &str), (f64, f64)> = BTreeMap::new();
        for image in &sample.images {
            let (sum, n) = units.entry((image.label.as_u8(), &image.unit)).or_default();
            *sum += image.logits[condition];
            *n += 1.0;
        }
        let (labels, logits): (Vec<u8>, Vec<f64>) =
            units.into_iter().map(|((label, _), (sum, n))| (label, sum / n)).unzip();
        let Ok(ranking) = Ranking::new(&labels, &logits) else { continue };
        let Some((low, high, ..)) = closed_form(&ranking, "auc") else { continue };
        let Ok(auc) = auc(&ranking) else { continue };
        if low > 0.5 {
            return Ok(());
        }
        if best.is_none_or(|(best, ..)| auc > best) {
            best = Some((auc, low, high));
        }
    }
    let units = sample.unit_word();
    best.map_or(Ok(()), |(auc, low, high)| Err(CalibrateError::Chance { units, auc, low, high }))
}

fn threshold(
    sample: &Sample,
    false_alarms: Option<&Bound>,
    misses: Option<&Bound>,
    shortfall: Option<&CalibrateError>,
) -> Threshold {
    let Some(alarms) = false_alarms else {
        let why = shortfall.map(|shortfall| format!(": {shortfall}")).unwrap_or_default();
        return Threshold { origin: format!("default (logit 0){why}"), ..Threshold::default() };
    };
    let conditions = sample.conditions.join(", ");
    let sense = match alarms.guarantee {
        Guarantee::Average => "on average over calibration samples".to_owned(),
        Guarantee::Confidence(confidence) => {
            format!("with {} confidence in this sample", percent(confidence))
        }
    };
    let origin = format!(
        "at most {} of real images like those of {} (n = {} {}) accused, {sense}; conformal, {conditions}",
        percent(alarms.share),
        sample.data,
        alarms.n,
        sample.unit_word()
    );
    let value = outwards(alarms.logit, 1.0);
    let uncertain = misses.map(|misses| {
        let low = outwards(misses.logit, -1.0);
        [low.min(value), low.max(value)]
    });
    Threshold { value, origin, uncertain }
}

/// A threshold is the score of some image, and another engine, or the same one in tiles, gives that image a slightly other
/// score. It moves away from the class that it protects by as much as they may differ.
fn outwards(logit: f64, sign: f64) -> f64 {
    logit + sign * PARITY * logit.abs().max(1.0)
}

/// A share in per cent, without needless digits.
pub fn percent(share: f64) -> String {
    // Ten digits: 0.07 is 7.000000000000001 hundredths in f64.
    let hundredths = (share * 1e10).round() / 1e8;
    format!("{hundredths} %")
}

/// The map with the smallest cross-validated loss (ties go to the simpler), or that of the asked-for method, fitted to all;
/// and the losses of all methods.
fn choose(sample: &Sample, asked: Method) -> Result<(Map, Vec<Loss>), CalibrateError> {
    let all = rows(sample, |_| true);
    // Where the best rising line is level or falls, any rising map is an answer to another question.
    if Map::fit(Method::Platt, &all).is_none() {
        return Err(CalibrateError::Inverted);
    }
    let folds = folds(sample);
    let losses: Vec<Loss> =
        Method::ALL.iter().map(|&method| Loss { method, loss: held_out(sample, &folds, method) }).collect();
    let method = match asked {
        Method::Auto => {
            let fitted = losses.iter().filter_map(|row| Some((row.method, row.loss?)));
            fitted.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(Method::Temperature, |(method, _)| method)
        }
        asked => asked,
    };
    Ok((Map::fit(method, &all).ok_or(CalibrateError::Inverted)?, losses))
}

/// The loss of each image by the map fitted to the other folds, in the mean; `None` where some fold leaves no rising map.
fn held_out(sample: &Sample, folds: &[usize], method: Method) -> Option<f64> {
    let mut terms = [(0.0, 0), (0.0, 0)];
    for fold in 0..=folds.iter().copied().max()? {
        let map = Map::fit(method, &rows(sample, |image| folds[image] != fold))?;
        for (image, _) in sample.images.iter().zip(folds).filter(|(_, of_image)| **of_image == fold) {
            let label = image.label.as_u8();
            let term = &mut terms[usize::from(label)];
            term.0 += map.total_loss(&image.logits, label);
            term.1 += image.logits.len();
        }
    }
    Some(terms.iter().map(|(sum, n)| sum / *n as f64).sum::<f64>() / 2.0)
}

/// The fold of each image. Units (scenes, or equal contents) stay whole and are dealt in the order of a hash of their
/// name, kind by kind, so that each class is in every fold as far as it goes round.
fn folds(sample: &Sample) -> Vec<usize> {
    let units = sample.units();
    let smaller = [0, 1].map(|class| units.values().filter(|unit| unit.has[class]).count());
    let folds = FOLDS.min(smaller[0].min(smaller[1])).max(2);
    let draw = |name: &str| crate::files::sha256_hex(format!("fold {name}").as_bytes());
    let mut order: Vec<_> =
        units.iter().map(|(name, unit)| ((unit.has[1], !unit.has[0]), draw(name), *name)).collect();
    order.sort_unstable();
    let fold_of: BTreeMap<&str, usize> =
        order.iter().enumerate().map(|(place, (_, _, name))| (*name, place % folds)).collect();
    sample.images.iter().map(|image| fold_of[image.unit.as_str()]).collect()
}

/// All logits of the chosen images. The targets know how many independent units there are of each class.
fn rows(sample: &Sample, chosen: impl Fn(usize) -> bool) -> Rows {
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    let mut units = [BTreeSet::new(), BTreeSet::new()];
    for (_, image) in sample.images.iter().enumerate().filter(|(index, _)| chosen(*index)) {
        logits.extend(&image.logits);
        labels.resize(logits.len(), image.label.as_u8());
        units[usize::from(image.label.as_u8())].insert(image.unit.as_str());
    }
    Rows { logits, labels, targets: targets(units[0].len(), units[1].len()) }
}

#[cfg(test)]
mod tests;
