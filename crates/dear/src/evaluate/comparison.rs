//! Paired differences between systems on the same images, and which of them stand once all are looked at together.

use super::results::{Comparison, EvaluateOptions};
use crate::bootstrap::{Interval, Method, Paired, deviation, paired, simultaneous, tpr_at_r_acc_of};
use crate::error::Error;
use crate::inference::{delong_paired, detectable, mcnemar};
use crate::metrics::METRICS;
use crate::scores::Scores;

/// The metrics whose differences may be called better or worse.
pub const HEADLINES: [&str; 3] = ["balanced_accuracy", "tpr_at_5_fpr", "auc"];

/// All comparisons, and the number of differences that their corrected intervals hold for together.
pub(super) fn comparisons(
    scores: &Scores,
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<(Vec<Comparison>, u32), Error> {
    let labels = scores.labels();
    let pairs: Vec<(usize, usize, usize)> = (0..scores.tabled)
        .flat_map(|chain| pairs(scores).into_iter().map(move |(before, after)| (chain, before, after)))
        .collect();
    let logits = |(chain, before, after): (usize, usize, usize)| {
        let of_chain = &scores.logits[chain];
        (of_chain[before].as_slice(), of_chain[after].as_slice())
    };
    let vectors: Vec<(&[f64], &[f64])> = pairs.iter().map(|&pair| logits(pair)).collect();
    let found = paired(&labels, &vectors, groups, &options.bootstrap)?;
    let headlines: Vec<usize> =
        (0..METRICS.len()).filter(|&metric| HEADLINES.contains(&METRICS[metric].name)).collect();
    let family: Vec<(&Paired, usize)> =
        found.iter().flat_map(|paired| headlines.iter().map(move |&metric| (paired, metric))).collect();
    let mut corrected = simultaneous(&family, &options.bootstrap)?.into_iter();
    let mut comparisons = Vec::new();
    for (&pair, paired) in pairs.iter().zip(&found) {
        let (before, after) = logits(pair);
        let (chain, b, a) = pair;
        let mut comparison = Comparison {
            chain: scores.chains[chain].clone(),
            before: scores.systems[b].name.clone(),
            after: scores.systems[a].name.clone(),
            differences: paired.bootstrap.intervals.clone(),
            corrected: corrected.by_ref().take(headlines.len()).collect(),
            // Tests of independent images: with scenes they would call too much significant.
            delong: groups.is_none().then(|| delong_paired(&labels, before, after)).flatten(),
            mcnemar_real: groups.is_none().then(|| mcnemar(&labels, before, after, 0)).flatten(),
            mcnemar_fake: groups.is_none().then(|| mcnemar(&labels, before, after, 1)).flatten(),
            at_equal_r_acc: Some(tpr_at_r_acc_of(&labels, before, after, groups, &options.bootstrap)?),
            detectable: None,
        };
        comparison.detectable = smallest_shown(&comparison, paired);
        comparisons.push(comparison);
    }
    Ok((comparisons, family.len() as u32))
}

/// [`Comparison::detectable`]: the corrected interval's half width is the critical value times the deviation.
fn smallest_shown(comparison: &Comparison, paired: &Paired) -> Option<f64> {
    let metric = METRICS.iter().position(|metric| metric.name == HEADLINES[0])?;
    let found = |interval: &&Interval| interval.metric == HEADLINES[0] && !interval.degenerate;
    let interval = comparison.corrected.iter().find(found).filter(|it| it.method == Method::Simultaneous)?;
    let se = deviation(paired.draws.get(metric)?).filter(|se| *se > 0.0)?;
    let half = (interval.high? - interval.value?).max(interval.value? - interval.low?);
    Some(detectable(se, half / se).min(1.0))
}

/// Which systems are compared (before, after): each hardened one with every other; where none is hardened, each with the
/// first.
fn pairs(scores: &Scores) -> Vec<(usize, usize)> {
    let all = 0..scores.systems.len();
    let hardened: Vec<usize> = all.clone().filter(|&s| scores.systems[s].hardened).collect();
    if hardened.is_empty() {
        return all.skip(1).map(|after| (0, after)).collect();
    }
    let others = |after: usize| all.clone().filter(move |&before| before != after).map(move |b| (b, after));
    hardened.into_iter().flat_map(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Label;
    use crate::scores::tests::scores;

    /// 60 real and 60 generated images: system a is noisy, b is a with generated images moved up, c is a again.
    fn three() -> Scores {
        let names: Vec<String> = (0..120).map(|i| format!("{i:03}")).collect();
        let label = |i: usize| if i < 60 { Label::Real } else { Label::Generated };
        let images: Vec<(&str, Label, &str, &str)> =
            (0..120).map(|i| (&*names[i], label(i), "all", &*names[i])).collect();
        let a: Vec<f64> = (0..120).map(|i| ((i * 7919) % 101) as f64 / 25.0 - 2.0).collect();
        let b: Vec<f64> = (0..120).map(|i| a[i] + if i < 60 { 0.0 } else { 2.5 }).collect();
        let mut found = scores(&images, vec![vec![a.clone(), b.clone(), a.clone()], vec![b, a.clone(), a]]);
        found.scenes_known = false;
        found
    }

    #[test]
    fn every_pair_and_chain_stands_in_one_family() {
        let mut scores = three();
        let options = EvaluateOptions::default();
        let (found, family) = comparisons(&scores, None, &options).unwrap();
        let names: Vec<(&str, &str, &str)> =
            found.iter().map(|c| (c.chain.as_str(), c.before.as_str(), c.after.as_str())).collect();
        assert_eq!(
            names,
            [("clean", "a", "b"), ("clean", "a", "c"), ("chain 1", "a", "b"), ("chain 1", "a", "c")]
        );
        assert_eq!(family, 12);
        let better = &found[0];
        assert_eq!(
            better.corrected.iter().map(|i| i.metric.as_str()).collect::<Vec<_>>(),
            ["auc", "balanced_accuracy", "tpr_at_5_fpr"]
        );
        for interval in &better.corrected {
            let own = better.difference(&interval.metric).unwrap();
            assert!(
                interval.excludes_zero() && interval.low < own.low && interval.high > own.high,
                "{interval:?} {own:?}"
            );
        }
        assert!(better.delong.unwrap().p < 1e-6);
        let fake = better.mcnemar_fake.unwrap();
        assert!(fake.only_after > 20 && fake.only_before == 0 && fake.p < 1e-5, "{fake:?}");
        assert_eq!(better.mcnemar_real.unwrap().p, 1.0);
        // R.Acc is the same, so nearly all that is gained in F.Acc is left; not exactly, since both get the lowest
        // threshold that keeps this R.Acc.
        let (equal, gained) = (better.at_equal_r_acc.as_ref().unwrap(), better.difference("f_acc").unwrap());
        assert!(
            (equal.value.unwrap() - gained.value.unwrap()).abs() < 0.05 && equal.low > Some(0.3),
            "{equal:?}"
        );
        let detectable = better.detectable.unwrap();
        assert!((0.03..0.4).contains(&detectable), "{detectable}");
        // The same scores: nothing to show, nothing detectable.
        assert!(found[1].corrected.iter().all(|interval| interval.degenerate && !interval.excludes_zero()));
        assert_eq!(found[1].detectable, None);
        // Grouped images have neither DeLong's nor McNemar's test; a hardened system is compared with every other.
        let groups: Vec<u64> = (0..120).map(|i| i / 2).collect();
        scores.systems[1].hardened = true;
        let (grouped, family) = comparisons(&scores, Some(&groups), &options).unwrap();
        let pairs: Vec<(&str, &str)> =
            grouped.iter().map(|c| (c.before.as_str(), c.after.as_str())).collect();
        assert_eq!((pairs, family), (vec![("a", "b"), ("c", "b"), ("a", "b"), ("c", "b")], 12));
        assert_eq!((grouped[0].delong, grouped[0].mcnemar_real, grouped[0].mcnemar_fake), (None, None, None));
    }

    #[test]
    fn one_system_has_nothing_to_be_compared_with() {
        let mut scores = three();
        scores.systems.truncate(1);
        for chain in &mut scores.logits {
            chain.truncate(1);
        }
        assert_eq!(comparisons(&scores, None, &EvaluateOptions::default()).unwrap(), (Vec::new(), 0));
    }
}
