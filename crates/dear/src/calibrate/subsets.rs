//! Each subset at the threshold: a guarantee over all real images says nothing about one camera.

use serde::{Deserialize, Serialize};

use super::Sample;
use super::binomial::at_least;
use crate::dataset::Label;
use crate::inference::holm;
use crate::metrics::wilson;

/// One subset under one condition, at the threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubsetCheck {
    /// Perturbation chain.
    pub condition: String,
    /// Subset.
    pub subset: String,
    /// Its class.
    pub label: Label,
    /// Images.
    pub n: u64,
    /// Images above the threshold: false alarms of a real subset, hits of a generated one.
    pub above: u64,
    /// Lower end of Wilson's 95 % interval of their share.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// For real subsets of independent images: exact binomial chance of so many false alarms or more, were their rate the
    /// target, corrected by Holm for the number of such checks. At most 0.05: this subset is accused more often.
    pub p: Option<f64>,
}

impl SubsetCheck {
    /// Share above the threshold.
    pub fn share(&self) -> f64 {
        self.above as f64 / self.n as f64
    }

    /// Whether the subset is shown to be accused more often than the target says.
    pub fn exceeds(&self) -> bool {
        self.p.is_some_and(|p| p <= 0.05)
    }
}

/// All subsets under all conditions, real ones first.
pub(super) fn check(sample: &Sample, threshold: f64, fpr: f64) -> Vec<SubsetCheck> {
    let mut names: Vec<(Label, &str)> =
        sample.images.iter().map(|image| (image.label, image.subset.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let mut checks = Vec::new();
    for (c, condition) in sample.conditions.iter().enumerate() {
        for &(label, subset) in &names {
            let images =
                || sample.images.iter().filter(|image| image.label == label && image.subset == subset);
            let n = images().count() as u64;
            let above = images().filter(|image| image.logits[c] > threshold).count() as u64;
            let (low, high) = wilson(above, n).unwrap_or((0.0, 1.0));
            // Images of one scene are not independent draws.
            let p = (label == Label::Real && !sample.by_scene).then(|| at_least(above, n, fpr));
            let (condition, subset) = (condition.clone(), subset.to_owned());
            checks.push(SubsetCheck { condition, subset, label, n, above, low, high, p });
        }
    }
    let corrected = holm(&checks.iter().filter_map(|check| check.p).collect::<Vec<_>>());
    for (check, p) in checks.iter_mut().filter(|check| check.p.is_some()).zip(corrected) {
        check.p = Some(p);
    }
    checks
}
