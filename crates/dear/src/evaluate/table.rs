//! Tables: every metric of a system on everything, on each generator, on each set of real images, and on average.

use std::collections::HashSet;

use super::results::{EvaluateOptions, SubsetKind, Table};
use crate::bootstrap::{Bootstrap, bootstrap, mean_over};
use crate::dataset::Label;
use crate::error::Error;
use crate::inference::{closed_form, of_scenes};
use crate::metrics::Ranking;
use crate::scores::Scores;

/// What the mean over generators is called among the subsets.
pub const MEAN_OVER_GENERATORS: &str = "mean over generators";

/// All tables of one system under one chain.
pub(super) fn tables(
    scores: &Scores,
    chain: usize,
    system: usize,
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Vec<Table>, Error> {
    let generators = scores.subsets(Label::Generated);
    let one = |subset: &str, kind| table(scores, chain, system, subset, kind, groups, options);
    let mut tables = vec![one("all", SubsetKind::All)?];
    if generators.len() > 1 {
        tables.push(mean(scores, chain, system, &generators, groups, options)?);
    }
    for subset in &generators {
        tables.push(one(subset, SubsetKind::Generator)?);
    }
    for subset in scores.subsets(Label::Real) {
        tables.push(one(subset, SubsetKind::RealSet)?);
    }
    Ok(tables)
}

/// Every metric with its interval: the closed form where images stand alone and there is one, else the bootstrap. Where scenes
/// are resampled and a class is all right or all wrong, nothing varies: then each scene counts as one image.
pub(super) fn measured(
    labels: &[u8],
    logits: &[f64],
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Bootstrap, Error> {
    let mut found = bootstrap(labels, logits, groups, &options.bootstrap)?;
    let ranking = Ranking::new(labels, logits).map_err(|error| Error::Options(error.to_string()))?;
    if let Some(groups) = groups {
        let scenes = [0, 1].map(|label| scenes(labels, logits, groups, label));
        for interval in found.intervals.iter_mut().filter(|interval| interval.degenerate) {
            if let Some((low, high, method)) = of_scenes(&ranking, scenes, &interval.metric) {
                (interval.low, interval.high) = (Some(low), Some(high));
                (interval.degenerate, interval.method) = (false, method);
            }
        }
    } else {
        for interval in &mut found.intervals {
            if let Some((low, high, degenerate, method)) = closed_form(&ranking, &interval.metric) {
                (interval.low, interval.high) = (Some(low), Some(high));
                (interval.degenerate, interval.method) = (degenerate, method);
                interval.undefined_resamples = 0;
            }
        }
    }
    Ok(found)
}

/// Scenes of one class, of images with a score.
fn scenes(labels: &[u8], logits: &[f64], groups: &[u64], label: u8) -> u64 {
    let scored = labels.iter().zip(logits).zip(groups);
    let of_class = scored.filter(|((found, logit), _)| **found == label && logit.is_finite());
    of_class.map(|(_, group)| group).collect::<HashSet<_>>().len() as u64
}

fn table(
    scores: &Scores,
    chain: usize,
    system: usize,
    subset: &str,
    kind: SubsetKind,
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Table, Error> {
    let within = |index: &usize| {
        let image = &scores.images[*index];
        match kind {
            SubsetKind::All | SubsetKind::MeanOverGenerators => true,
            SubsetKind::Generator => image.label == Label::Real || image.subset == subset,
            SubsetKind::RealSet => image.label == Label::Real && image.subset == subset,
        }
    };
    let members: Vec<usize> = (0..scores.images.len()).filter(within).collect();
    let labels: Vec<u8> = members.iter().map(|&i| scores.images[i].label.as_u8()).collect();
    let logits: Vec<f64> = members.iter().map(|&i| scores.logits[chain][system][i]).collect();
    let groups: Option<Vec<u64>> = groups.map(|groups| members.iter().map(|&i| groups[i]).collect());
    let found = measured(&labels, &logits, groups.as_deref(), options)?;
    Ok(named(scores, chain, system, subset, kind, found))
}

fn named(
    scores: &Scores,
    chain: usize,
    system: usize,
    subset: &str,
    kind: SubsetKind,
    found: Bootstrap,
) -> Table {
    Table {
        chain: scores.chains[chain].clone(),
        system: scores.systems[system].name.clone(),
        subset: subset.to_owned(),
        kind,
        real: found.real,
        fake: found.fake,
        refused_real: found.excluded.real,
        refused_fake: found.excluded.fake,
        metrics: found.intervals,
    }
}

/// The mean of each metric over generators, each against all real images.
fn mean(
    scores: &Scores,
    chain: usize,
    system: usize,
    generators: &[&str],
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Table, Error> {
    let part: Vec<Option<u32>> = scores
        .images
        .iter()
        .map(|image| {
            let place = generators.binary_search(&image.subset.as_str()).ok()?;
            (image.label == Label::Generated).then_some(place as u32)
        })
        .collect();
    let logits = &scores.logits[chain][system];
    let found = mean_over(&scores.labels(), logits, &part, groups, &options.bootstrap)?;
    Ok(named(scores, chain, system, MEAN_OVER_GENERATORS, SubsetKind::MeanOverGenerators, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::{SMALL, scores};

    #[test]
    fn a_generator_is_judged_against_all_real_images_and_a_real_set_alone() {
        // flux and phone are wrong; sd 2 was refused.
        let scores = scores(&SMALL, vec![vec![vec![1.0, f64::NAN, -1.0, -2.0, 0.5]]]);
        let tables = tables(&scores, 0, 0, None, &EvaluateOptions::default()).unwrap();
        let names: Vec<&str> = tables.iter().map(|table| table.subset.as_str()).collect();
        assert_eq!(names, ["all", MEAN_OVER_GENERATORS, "flux", "sd", "kodak", "phone"]);
        let of = |subset: &str| tables.iter().find(|table| table.subset == subset).unwrap();
        let values = |table: &Table| ["r_acc", "f_acc"].map(|metric| table.metric(metric).unwrap().value);

        let all = of("all");
        assert_eq!((all.real, all.fake, all.refused_real, all.refused_fake), (2, 2, 0, 1));
        assert_eq!(values(all), [Some(0.5), Some(0.5)]);
        let sd = of("sd");
        assert_eq!((sd.real, sd.fake, sd.refused_fake), (2, 1, 1));
        assert_eq!(values(sd), [Some(0.5), Some(1.0)]);
        assert_eq!(values(of(MEAN_OVER_GENERATORS)), [Some(0.5), Some(0.5)]);
        let phone = of("phone");
        assert_eq!((phone.real, phone.fake), (1, 0));
        assert_eq!(values(phone), [Some(0.0), None], "one class: accuracy of the other is unknown, not 0");
        assert_eq!(phone.metric("auc").unwrap().value, None);
    }

    /// Labels, logits, groups.
    type Set = (Vec<u8>, Vec<f64>, Vec<u64>);

    /// Samples that are separated, inverted, tied, tiny, calibrated by chance, and drawn.
    fn sets() -> Vec<Set> {
        let halves = |n: usize| -> Vec<u8> { (0..n).map(|k| u8::from(k >= n / 2)).collect() };
        let mut sets: Vec<Set> = Vec::new();
        for n in [2, 3, 4, 7, 12, 40, 150] {
            let labels = halves(n);
            let by = |of: &dyn Fn(usize) -> f64| (0..n).map(of).collect::<Vec<f64>>();
            let sign = |k: usize| 2.0 * f64::from(labels[k]) - 1.0;
            let mut draw = dear_image::Draw::keyed(n as u64, &[b"intervals"]);
            let noise: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
            for logits in [
                by(&|k| sign(k) * (1.0 + k as f64)),
                by(&|k| -sign(k)),
                by(&|_| 0.0),
                by(&|k| (k % 3) as f64 - 1.0),
                by(&|k| 40.0 * sign(k) + noise[k]),
                by(&|k| noise[k] + sign(k)),
                by(&|k| (4.0 * (noise[k] + sign(k))).round()),
                by(&|k| 0.02 * noise[k]),
                by(&|k| if k == 0 { 900.0 } else { sign(k) }),
            ] {
                for size in [1, 2, 5] {
                    sets.push((labels.clone(), logits.clone(), (0..n as u64).map(|k| k / size).collect()));
                }
                sets.push((labels.clone(), logits, (0..n as u64).map(|k| k % (n as u64 / 2)).collect()));
            }
        }
        sets
    }

    #[test]
    fn no_interval_leaves_out_its_value() {
        let options = EvaluateOptions {
            bootstrap: crate::bootstrap::BootstrapOptions { resamples: 60, ..Default::default() },
            ..Default::default()
        };
        let mut seen = 0;
        for (labels, logits, groups) in sets() {
            let part: Vec<Option<u32>> = (0..labels.len()).map(|k| Some((k % 2) as u32)).collect();
            for groups in [None, Some(groups.as_slice())] {
                let found = [
                    bootstrap(&labels, &logits, groups, &options.bootstrap).unwrap(),
                    measured(&labels, &logits, groups, &options).unwrap(),
                    mean_over(&labels, &logits, &part, groups, &options.bootstrap).unwrap(),
                ];
                for (of, interval) in
                    found.iter().enumerate().flat_map(|(k, f)| f.intervals.iter().map(move |i| (k, i)))
                {
                    let Some((value, (low, high))) = interval.value.zip(interval.low.zip(interval.high))
                    else {
                        continue;
                    };
                    let what = format!("{of}: {interval:?} {labels:?} {logits:?} {groups:?}");
                    // Closed forms: with room for one rounding.
                    assert!(low <= value + 1e-15 && value <= high + 1e-15, "{what}");
                    let metric = crate::metrics::Metric::named(&interval.metric).unwrap();
                    assert!(metric.range.0 <= low && high <= metric.range.1, "{what}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 10_000, "{seen}");
    }

    #[test]
    fn a_class_without_an_error_in_any_scene_has_the_interval_of_as_many_scenes() {
        // 60 real images of 20 scenes are all right; generated ones, one for each of 30 scenes, are right two times of three.
        let labels: Vec<u8> = (0..90).map(|k| u8::from(k >= 60)).collect();
        let logits: Vec<f64> = (0..90).map(|k| if k < 60 || k % 3 == 0 { -1.0 } else { 1.0 }).collect();
        let groups: Vec<u64> = (0..90).map(|k| if k < 60 { k / 3 } else { k }).collect();
        let options = EvaluateOptions::default();
        let of = |logits: &[f64], metric: &str| {
            let found = measured(&labels, logits, Some(&groups), &options).unwrap().intervals;
            found.into_iter().find(|interval| interval.metric == metric).unwrap()
        };
        let real = of(&logits, "r_acc");
        let (low, high) = crate::metrics::wilson(20, 20).unwrap();
        assert_eq!((real.low, real.high, real.degenerate), (Some(low), Some(high), false));
        assert_eq!(of(&logits, "f_acc").method, crate::bootstrap::Method::Bootstrap);
        // Flawless in both classes: what comes from both is no longer certain either.
        let flawless: Vec<f64> = labels.iter().map(|&label| 2.0 * f64::from(label) - 1.0).collect();
        let (fake, _) = crate::metrics::wilson(30, 30).unwrap();
        let balanced = of(&flawless, "balanced_accuracy");
        assert_eq!(
            (balanced.low, balanced.high, balanced.degenerate),
            (Some((low + fake) / 2.0), Some(1.0), false)
        );
        assert_eq!(of(&flawless, "asymmetry").low, Some(low - 1.0));
        assert_eq!(of(&flawless, "auc").low, Some(crate::inference::separated(20, 30)));
        assert!(of(&flawless, "ap").degenerate, "and the rest is marked");
    }

    #[test]
    fn a_generator_without_any_score_leaves_the_mean_undefined_with_its_reason() {
        let scores = scores(&SMALL, vec![vec![vec![1.0, 1.0, f64::NAN, -2.0, -0.5]]]);
        let tables = tables(&scores, 0, 0, None, &EvaluateOptions::default()).unwrap();
        let mean = tables.iter().find(|table| table.kind == SubsetKind::MeanOverGenerators).unwrap();
        let f_acc = mean.metric("f_acc").unwrap();
        assert_eq!(f_acc.value, None);
        assert!(f_acc.undefined.is_some());
        assert_eq!(mean.metric("r_acc").unwrap().value, Some(1.0));
    }
}
