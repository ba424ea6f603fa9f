//! What the scores of a system look like: ROC curve, histogram, quantiles of each subset, reliability, thresholds.

use super::results::{Distribution, EvaluateOptions, Operating, ReliabilityBin, Shape};
use super::threshold::at_threshold;
use crate::dataset::Label;
use crate::error::Error;
use crate::metrics::{Ranking, mass_bins, tpr_at_fpr, wilson};
use crate::scores::Scores;

const ROC_POINTS: usize = 400;
const HISTOGRAM_BINS: usize = 40;

/// The shapes of one system under each chain that has tables, with one set of histogram edges for all.
pub(super) fn shapes(
    scores: &Scores,
    system: usize,
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Vec<Shape>, Error> {
    let of_chain = |chain: usize| &scores.logits[chain][system];
    let edges = histogram_edges((0..scores.tabled).flat_map(|chain| of_chain(chain).iter().copied()));
    let labels = scores.labels();
    let mut shapes = Vec::new();
    for chain in 0..scores.tabled {
        let logits = of_chain(chain);
        let ranking = Ranking::new(&labels, logits).map_err(|error| Error::Options(error.to_string()))?;
        let count = |label: Label| histogram(&edges, of_class(scores, logits, label));
        shapes.push(Shape {
            chain: scores.chains[chain].clone(),
            system: scores.systems[system].name.clone(),
            roc: roc(&ranking),
            operating: operating(scores, system, logits, &ranking, groups, options)?,
            distributions: distributions(scores, logits),
            real: count(Label::Real),
            fake: count(Label::Generated),
            edges: edges.clone(),
            reliability: reliability(&ranking),
        });
    }
    Ok(shapes)
}

fn of_class<'a>(scores: &'a Scores, logits: &'a [f64], label: Label) -> impl Iterator<Item = f64> + 'a {
    let both = scores.images.iter().zip(logits);
    both.filter(move |(image, logit)| image.label == label && logit.is_finite()).map(|(_, logit)| *logit)
}

/// Corners of the ROC curve from (0, 0) to (1, 1). Points on a straight line between two others are left out; of more
/// than [`ROC_POINTS`] corners every k-th stays. Empty where a class is missing.
fn roc(ranking: &Ranking) -> Vec<[f64; 2]> {
    if ranking.real() == 0 || ranking.fake() == 0 {
        return Vec::new();
    }
    let mut corners: Vec<(u64, u64)> = vec![(0, 0)];
    for tie in ranking.ties() {
        let (real, fake) = corners.last().copied().unwrap_or_default();
        let next = (real + tie.real, fake + tie.fake);
        if let [.., a, b] = corners[..]
            && (b.0 - a.0) * (next.1 - b.1) == (b.1 - a.1) * (next.0 - b.0)
        {
            corners.pop();
        }
        corners.push(next);
    }
    let last = corners.len() - 1;
    let kept = corners.len().min(ROC_POINTS);
    let at = |k: usize| corners[k * last / (kept - 1)];
    let share = |count: u64, n: u64| count as f64 / n as f64;
    (0..kept).map(at).map(|(real, fake)| [share(real, ranking.real()), share(fake, ranking.fake())]).collect()
}

fn operating(
    scores: &Scores,
    system: usize,
    logits: &[f64],
    ranking: &Ranking,
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Vec<Operating>, Error> {
    let labels = scores.labels();
    let point = |name: String, threshold: Option<f64>| -> Result<Operating, Error> {
        let at = at_threshold(&labels, logits, groups, threshold.unwrap_or(f64::NEG_INFINITY), options)?;
        Ok(Operating { name, threshold, fpr: at.fpr, tpr: at.tpr })
    };
    let mut points = vec![point("logit 0".to_owned(), Some(0.0))?];
    if let Ok(at) = tpr_at_fpr(ranking, options.target_fpr) {
        points.push(point(format!("{} % FPR here", percent(options.target_fpr)), at.threshold)?);
    }
    let own = &scores.systems[system];
    if own.threshold != 0.0 {
        points.push(point(own.threshold_origin.clone(), Some(own.threshold))?);
    }
    Ok(points)
}

/// A share in per cent without needless digits: 0.05 is `5`, 0.001 is `0.1`.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.3}", 100.0 * share);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn distributions(scores: &Scores, logits: &[f64]) -> Vec<Distribution> {
    let mut found = Vec::new();
    for label in [Label::Real, Label::Generated] {
        for subset in scores.subsets(label) {
            let within = |index: &usize| {
                scores.images[*index].label == label && scores.images[*index].subset == subset
            };
            let mut values: Vec<f64> = (0..logits.len())
                .filter(within)
                .map(|i| logits[i])
                .filter(|logit| logit.is_finite())
                .collect();
            values.sort_unstable_by(f64::total_cmp);
            let quantile =
                |share: f64| values[((share * values.len() as f64).ceil() as usize).saturating_sub(1)];
            let shares: &[f64] =
                if values.is_empty() { &[] } else { &[0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0] };
            found.push(Distribution {
                subset: subset.to_owned(),
                label,
                n: values.len() as u64,
                quantiles: shares.iter().map(|&share| quantile(share)).collect(),
            });
        }
    }
    found
}

/// Equal steps from the 0.5 % to the 99.5 % quantile, widened so that logit 0 is inside.
fn histogram_edges(logits: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = logits.filter(|logit| logit.is_finite()).collect();
    if values.is_empty() {
        return Vec::new();
    }
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len() - 1;
    let low = values[last / 200].min(0.0);
    let high = values[last - last / 200].max(0.0);
    let (low, high) = if low == high { (-0.5, 0.5) } else { (low, high) };
    // A weighted mean of the ends, since their difference may overflow.
    let edge = |k: usize| {
        let share = k as f64 / HISTOGRAM_BINS as f64;
        low * (1.0 - share) + high * share
    };
    (0..=HISTOGRAM_BINS).map(edge).collect()
}

/// Counts between edges; the outer bins hold everything beyond.
fn histogram(edges: &[f64], logits: impl Iterator<Item = f64>) -> Vec<u64> {
    let bins = edges.len().saturating_sub(1);
    let mut counts = vec![0; bins];
    for logit in logits {
        let bin = edges.partition_point(|&edge| edge <= logit).saturating_sub(1).min(bins.saturating_sub(1));
        if let Some(count) = counts.get_mut(bin) {
            *count += 1;
        }
    }
    counts
}

/// The bins of the calibration error ([`mass_bins`]), with the interval of their share.
fn reliability(ranking: &Ranking) -> Vec<ReliabilityBin> {
    let bin = |bin: &crate::metrics::MassBin| {
        let (low, high) = wilson(bin.fake, bin.n)?;
        Some(ReliabilityBin { probability: bin.probability, share: bin.share(), low, high, n: bin.n })
    };
    mass_bins(ranking).iter().filter_map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::{SMALL, scores};

    fn ranking(labels: &[u8], scores: &[f64]) -> Ranking {
        Ranking::new(labels, scores).unwrap()
    }

    #[test]
    fn the_roc_curve_has_corners_only_and_its_area_is_the_auc() {
        let found = roc(&ranking(&[1, 1, 0, 1, 0, 0], &[5.0, 4.0, 3.0, 2.0, 2.0, 1.0]));
        let third = 1.0 / 3.0;
        assert_eq!(
            found,
            [[0.0, 0.0], [0.0, 2.0 * third], [third, 2.0 * third], [2.0 * third, 1.0], [1.0, 1.0]]
        );
        assert!(roc(&ranking(&[1, 1], &[0.0, 1.0])).is_empty());
        let labels: Vec<u8> = (0..5000).map(|i| u8::from(i * 7919 % 13 < 6)).collect();
        let logits: Vec<f64> =
            (0..5000).map(|i| f64::from(i * 31 % 4999) + f64::from(labels[i as usize]) * 900.0).collect();
        let many = ranking(&labels, &logits);
        let points = roc(&many);
        assert_eq!((points.len(), points[0], points[ROC_POINTS - 1]), (ROC_POINTS, [0.0, 0.0], [1.0, 1.0]));
        let area: f64 = points.windows(2).map(|p| (p[1][0] - p[0][0]) * (p[1][1] + p[0][1]) / 2.0).sum();
        assert!((area - crate::metrics::auc(&many).unwrap()).abs() < 1e-3, "{area}");
    }

    #[test]
    fn a_histogram_counts_every_finite_score_once() {
        let logits = [-1e300, -3.0, 0.0, 0.1, 2.0, 7.0, f64::NAN, f64::INFINITY];
        let edges = histogram_edges(logits.iter().copied());
        assert_eq!((edges.len(), edges[0], edges[HISTOGRAM_BINS]), (HISTOGRAM_BINS + 1, -1e300, 7.0));
        let edges: Vec<f64> = vec![-2.0, 0.0, 2.0];
        assert_eq!(histogram(&edges, logits[..6].iter().copied()), [2, 4]);
        assert_eq!(histogram_edges([4.0, 4.0].into_iter())[0], 0.0);
        assert_eq!(histogram_edges([0.0].into_iter())[0], -0.5);
        assert!(histogram_edges([f64::NAN].into_iter()).is_empty());
        assert!(histogram(&[], [1.0].into_iter()).is_empty());
    }

    #[test]
    fn a_reliability_bin_has_the_interval_of_its_share() {
        let labels: Vec<u8> = (0..300).map(|i| u8::from(i % 3 == 0)).collect();
        let logits: Vec<f64> = (0..300).map(|i| f64::from(i) / 50.0 - 3.0).collect();
        let bins = reliability(&ranking(&labels, &logits));
        assert_eq!(bins.iter().map(|bin| bin.n).sum::<u64>(), 300);
        assert!(bins.windows(2).all(|pair| pair[0].probability < pair[1].probability));
        assert!(bins.iter().all(|bin| bin.low < bin.share && bin.share < bin.high), "{bins:?}");
    }

    #[test]
    fn operating_points_are_logit_zero_the_target_and_the_own_threshold() {
        let mut scores = scores(&SMALL, vec![vec![vec![1.0, f64::NAN, 3.0, -2.0, 0.5]]]);
        let options = EvaluateOptions { target_fpr: 0.5, ..EvaluateOptions::default() };
        type Point = (String, Option<f64>, Option<f64>, Option<f64>);
        let points = |scores: &Scores| -> Vec<Point> {
            let shape = shapes(scores, 0, None, &options).unwrap().remove(0);
            shape.operating.into_iter().map(|p| (p.name, p.threshold, p.fpr.value, p.tpr.value)).collect()
        };
        assert_eq!(
            points(&scores),
            [
                ("logit 0".to_owned(), Some(0.0), Some(0.5), Some(1.0)),
                ("50 % FPR here".to_owned(), Some(-2.0), Some(0.5), Some(1.0))
            ]
        );
        scores.systems[0].threshold = 2.0;
        scores.systems[0].threshold_origin = "calibrated".to_owned();
        assert_eq!(points(&scores)[2], ("calibrated".to_owned(), Some(2.0), Some(0.0), Some(0.5)));
    }

    #[test]
    fn quantiles_are_scores_of_images_and_an_empty_subset_has_none() {
        let scores = scores(&SMALL, vec![vec![vec![1.0, 2.0, f64::NAN, -2.0, 0.5]]]);
        let found = distributions(&scores, &scores.logits[0][0]);
        let of = |subset: &str| found.iter().find(|d| d.subset == subset).unwrap();
        assert_eq!(of("sd").quantiles, [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!((of("flux").n, of("flux").quantiles.len()), (0, 0));
        assert_eq!((found.len(), found[0].label), (4, Label::Real));
    }
}
