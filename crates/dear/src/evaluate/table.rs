//! Tables: every metric of a system on everything, on each generator, on each set of real images, and on average.

use super::results::{EvaluateOptions, SubsetKind, Table};
use crate::bootstrap::{Bootstrap, bootstrap, mean_over};
use crate::dataset::Label;
use crate::error::Error;
use crate::inference::closed_form;
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

/// Every metric with its interval: the closed form where images stand alone and there is one, else the bootstrap.
pub(super) fn measured(
    labels: &[u8],
    logits: &[f64],
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Bootstrap, Error> {
    let mut found = bootstrap(labels, logits, groups, &options.bootstrap)?;
    if groups.is_none() {
        let ranking = Ranking::new(labels, logits).map_err(|error| Error::Options(error.to_string()))?;
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
