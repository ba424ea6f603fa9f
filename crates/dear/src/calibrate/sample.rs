//! The images that a detector is calibrated on.

use std::collections::{BTreeMap, BTreeSet};

use super::CalibrateError;
use crate::dataset::Label;
use crate::files::sha256_hex;

/// Scored images of both classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The images that were scored under every condition.
    pub images: Vec<Scored>,
    /// Perturbation chains; `clean` for images as they are. At least one.
    pub conditions: Vec<String>,
    /// What the images are, in words: goes into the threshold's origin.
    pub data: String,
    /// Images that were refused under some condition.
    pub refused: u64,
    /// Whether units are scenes.
    pub by_scene: bool,
    /// Seed of what chains draw.
    pub seed: u64,
    /// What ran.
    pub engine: String,
}

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Its name in results.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its class.
    pub label: Label,
    /// Its subset.
    pub subset: String,
    /// Images of one unit (a scene, or the same content) are not independent and count once.
    pub unit: String,
    /// Its logit under each condition.
    pub logits: Vec<f64>,
}

/// Independent images that belong together.
pub(super) struct Unit {
    /// Whether it has real and generated images.
    pub(super) has: [bool; 2],
}

impl Sample {
    /// Refuse what nothing can be fitted to.
    pub(super) fn check(&self) -> Result<(), CalibrateError> {
        let expected = self.conditions.len().max(1);
        let odd = |image: &&Scored| {
            image.logits.len() != expected || image.logits.iter().any(|logit| !logit.is_finite())
        };
        if let Some(image) = self.images.iter().find(odd) {
            let (path, found) = (image.path.clone(), image.logits.clone());
            return Err(CalibrateError::Logits { path, found, expected });
        }
        let of = |label| -> BTreeSet<&str> {
            let images = self.images.iter().filter(|image| image.label == label);
            images.map(|image| image.sha256.as_str()).collect()
        };
        let images = of(Label::Real).intersection(&of(Label::Generated)).count() as u64;
        if images > 0 {
            return Err(CalibrateError::BothClasses { images });
        }
        let units = self.units();
        let [real, fake] = [0, 1].map(|class| units.values().filter(|unit| unit.has[class]).count());
        if real < 2 || fake < 2 {
            return Err(CalibrateError::Classes { real, fake, units: self.unit_word() });
        }
        Ok(())
    }

    /// The independent units by name.
    pub(super) fn units(&self) -> BTreeMap<&str, Unit> {
        let mut units = BTreeMap::new();
        for image in &self.images {
            let unit = units.entry(image.unit.as_str()).or_insert(Unit { has: [false; 2] });
            unit.has[usize::from(image.label.as_u8())] = true;
        }
        units
    }

    /// What a unit is called.
    pub(super) fn unit_word(&self) -> &'static str {
        if self.by_scene { "scenes" } else { "images" }
    }

    /// For each condition, `sign` times the logit of each unit's image of a class for which that is greatest: where a scene
    /// has several images, all of them are on the safe side of a threshold if this one is.
    pub(super) fn extremes(&self, label: Label, sign: f64) -> Vec<Vec<f64>> {
        let of_condition = |condition: usize| {
            let mut greatest: BTreeMap<&str, f64> = BTreeMap::new();
            for image in self.images.iter().filter(|image| image.label == label) {
                let score = sign * image.logits[condition];
                let entry = greatest.entry(image.unit.as_str()).or_insert(f64::NEG_INFINITY);
                *entry = entry.max(score);
            }
            greatest.into_values().collect()
        };
        (0..self.conditions.len()).map(of_condition).collect()
    }

    /// SHA-256 over label and content hash of the images, sorted.
    pub(super) fn sha256(&self) -> String {
        let mut lines: Vec<String> =
            self.images.iter().map(|image| format!("{} {}\n", image.label.as_u8(), image.sha256)).collect();
        lines.sort();
        sha256_hex(lines.concat().as_bytes())
    }
}
