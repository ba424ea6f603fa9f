//! Scores that were rounded: few thresholds are left to choose from, and many images share each of them.

use dear::inference::closed_form;
use dear::inference::normal::cdf;
use dear::metrics::{Ranking, RankingError};
use rayon::prelude::*;

use crate::setting::{SETTINGS, SIZES, Setting};
use crate::tables::Coverage;
use crate::{Plan, keyed};

/// What the interval of `tpr_at_5_fpr` does on logits that are multiples of a step.
pub(crate) struct Rounded {
    pub(crate) step: f64,
    pub(crate) images: usize,
    pub(crate) truth: f64,
    pub(crate) coverage: Coverage,
}

/// Two settings, at 100 and at 1,000 images.
pub(crate) fn rounded(plan: &Plan) -> Result<Vec<Rounded>, RankingError> {
    let mut rows = Vec::new();
    for (index, setting) in [SETTINGS[0], SETTINGS[3]].into_iter().enumerate() {
        for step in [0.1, 0.25, 0.5, 1.0] {
            for sizes in &SIZES[..2] {
                let labels = sizes.labels();
                let of_draw = |number: u64| {
                    let mut draw = keyed("rounded", index, *sizes, number);
                    let logit = |&label: &u8| ((setting.mean(label) + draw.normal()) / step).round() * step;
                    let scores: Vec<f64> = labels.iter().map(logit).collect();
                    Ok(closed_form(&Ranking::new(&labels, &scores)?, "tpr_at_5_fpr"))
                };
                let drawn: Vec<_> =
                    (0..plan.draws).into_par_iter().map(of_draw).collect::<Result<_, RankingError>>()?;
                let truth = best(&setting, step);
                let mut coverage = Coverage::default();
                drawn.into_iter().flatten().for_each(|(low, high, ..)| coverage.add((low, high), truth));
                rows.push(Rounded { step, images: labels.len(), truth, coverage });
            }
        }
    }
    Ok(rows)
}

/// The population's share of generated images above the lowest threshold that accuses at most 5 % of its real images.
fn best(setting: &Setting, step: f64) -> f64 {
    let above = |label: u8, k: i32| cdf(setting.mean(label) - (f64::from(k) - 0.5) * step);
    (-200..200).find(|&k| above(0, k) <= 0.05).map_or(0.0, |k| above(1, k))
}

pub(crate) fn table(rows: &[Rounded]) -> String {
    let mut out = "| logits rounded to | images | true TPR | closed form covers, % | mean width |\n\
                   |---|---|---|---|---|\n"
        .to_owned();
    for Rounded { step, images, truth, coverage } in rows {
        out += &format!("| {step} | {images} | {truth:.3} | {} |\n", coverage.cell());
    }
    out
}
