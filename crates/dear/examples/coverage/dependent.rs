//! Samples that are not independent: two detectors on the same images, and images of the same scene.

use dear::bootstrap::{BootstrapError, bootstrap, paired_difference};
use dear::inference::{delong_paired, mcnemar};
use dear::metrics::{METRICS, Metric, Ranking};
use rayon::prelude::*;

use crate::setting::{SETTINGS, SIZES, Setting};
use crate::tables::Coverage;
use crate::{Plan, ends, found, keyed, row};

/// Two detectors on the same images, whose logits correlate by 0.8 within each class: equally good, and one better.
pub(crate) fn paired(plan: &Plan) -> Result<String, BootstrapError> {
    let mut out = "| true difference of balanced accuracy, AUC | real + generated images \
                   | bootstrap of balanced accuracy covers, % | mean width | bootstrap of AUC covers, % | mean width \
                   | DeLong covers, % | mean width | McNemar on real images, p at most 0.05 in % |\n\
                   |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let metrics =
        ["balanced_accuracy", "auc"].map(|name| Metric::named(name).expect("both are in the table"));
    let better = Setting { r_acc: 0.85, auc: 0.95 };
    for (index, (before, after)) in
        [(SETTINGS[2], SETTINGS[2]), (SETTINGS[2], better)].into_iter().enumerate()
    {
        for sizes in &SIZES[..2] {
            let labels = sizes.labels();
            let of_draw = |number: u64| {
                let mut draw = keyed("paired", index, *sizes, number);
                let scores = |&label: &u8| {
                    let shared = 0.8_f64.sqrt() * draw.normal();
                    [before, after]
                        .map(|setting| setting.mean(label) + shared + 0.2_f64.sqrt() * draw.normal())
                };
                let (before, after): (Vec<_>, Vec<_>) =
                    labels.iter().map(scores).map(|[before, after]| (before, after)).unzip();
                let found = paired_difference(&labels, &before, &after, None, &plan.options(number))?;
                let delong = delong_paired(&labels, &before, &after);
                Ok::<_, BootstrapError>((found.intervals, delong, mcnemar(&labels, &before, &after, 0)))
            };
            let drawn: Vec<_> =
                (0..plan.bootstrapped).into_par_iter().map(of_draw).collect::<Result<_, _>>()?;
            let truth = metrics.map(|metric| after.truth(metric, *sizes) - before.truth(metric, *sizes));
            let mut coverage = [Coverage::default(); 3];
            let mut rejected = 0;
            for (intervals, delong, mcnemar) in &drawn {
                for (k, metric) in metrics.iter().enumerate() {
                    if let Some(ends) = ends(intervals, metric.name) {
                        coverage[k].add(ends, truth[k]);
                    }
                }
                if let Some(delong) = delong {
                    coverage[2].add((delong.low, delong.high), truth[1]);
                }
                rejected += u32::from(mcnemar.is_some_and(|test| test.p <= 0.05));
            }
            let cells = coverage.map(|coverage| coverage.cell()).join(" | ");
            let rejected = 100.0 * f64::from(rejected) / drawn.len() as f64;
            let [balanced, auc] = truth;
            out += &format!("| {balanced:.3}, {auc:.3} | {} | {cells} | {rejected:.1} |\n", sizes.name());
        }
    }
    Ok(out)
}

/// Scenes of five images each, whose logits correlate by 0.5: what ignoring them does.
pub(crate) fn scenes(plan: &Plan) -> Result<String, BootstrapError> {
    let mut out = "| metric | scenes | images | closed form covers, % | mean width \
                   | bootstrap of scenes covers, % | mean width |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    let setting = SETTINGS[3];
    for sizes in &SIZES[..2] {
        let labels = sizes.labels();
        let groups: Vec<u64> = (0..labels.len() as u64).map(|index| index / 5).collect();
        let of_draw = |number: u64| {
            let mut draw = keyed("scenes", 0, *sizes, number);
            let of_scene: Vec<f64> = (0..labels.len() / 5).map(|_| draw.normal()).collect();
            let of_image = |(&label, &group): (&u8, &u64)| {
                setting.mean(label) + 0.5_f64.sqrt() * (of_scene[group as usize] + draw.normal())
            };
            let scores: Vec<f64> = labels.iter().zip(&groups).map(of_image).collect();
            let intervals = bootstrap(&labels, &scores, Some(&groups), &plan.options(number))?.intervals;
            Ok::<_, BootstrapError>(found(&Ranking::new(&labels, &scores)?, &intervals))
        };
        let drawn: Vec<_> = (0..plan.bootstrapped).into_par_iter().map(of_draw).collect::<Result<_, _>>()?;
        for (index, metric) in METRICS.iter().enumerate() {
            if !["r_acc", "balanced_accuracy", "auc", "tpr_at_5_fpr"].contains(&metric.name) {
                continue;
            }
            let row = row(index, &setting, *sizes, &drawn);
            let (scenes, images) = (labels.len() / 5, labels.len());
            let (closed, bootstrap) = (row.closed.unwrap_or_default().cell(), row.bootstrap.cell());
            out += &format!("| `{}` | {scenes} | {images} | {closed} | {bootstrap} |\n", row.metric);
        }
    }
    Ok(out)
}
