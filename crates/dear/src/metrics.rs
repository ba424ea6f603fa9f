//! What a detector's scores are worth: one table of metrics, [`METRICS`].
//!
//! Labels are 1 for generated and 0 for real; scores are logits, and a logit above 0 means "generated".
//! Everything is computed from a [`Ranking`], the samples grouped by equal score, so that row order and ties
//! can never matter. Rank on raw logits in f64: a sigmoid or rounding makes ties that were not there.
//!
//! A metric that is not defined (one class is missing) is an [`Undefined`] with its reason, never 0 and never
//! NaN.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The 0.975 quantile of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// One metric of the table.
#[derive(Debug)]
pub struct Metric {
    /// Name in files and columns.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// Smallest and largest value.
    pub range: (f64, f64),
    /// What the metric looks at.
    pub looks_at: LooksAt,
    /// Its value.
    pub value: fn(&Ranking) -> Result<f64, Undefined>,
}

/// What a metric looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LooksAt {
    /// Only the order of the scores: any increasing map of the scores leaves it unchanged.
    Order,
    /// The sign of the logits.
    Sign,
    /// The order, at a threshold that allows this false positive rate.
    FalsePositiveRate(f64),
}

/// All metrics, in the order in which tables show them.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "auc",
        description: "area under the ROC curve: a generated image scores above a real one, ties count half",
        range: (0.0, 1.0),
        looks_at: LooksAt::Order,
        value: auc,
    },
    Metric {
        name: "ap",
        description: "average precision, generated images as positives, tied scores enter together",
        range: (0.0, 1.0),
        looks_at: LooksAt::Order,
        value: average_precision,
    },
    Metric {
        name: "r_acc",
        description: "real accuracy: share of real images with a logit below 0",
        range: (0.0, 1.0),
        looks_at: LooksAt::Sign,
        value: real_accuracy,
    },
    Metric {
        name: "f_acc",
        description: "fake accuracy: share of generated images with a logit above 0",
        range: (0.0, 1.0),
        looks_at: LooksAt::Sign,
        value: fake_accuracy,
    },
    Metric {
        name: "balanced_accuracy",
        description: "mean of real and fake accuracy",
        range: (0.0, 1.0),
        looks_at: LooksAt::Sign,
        value: |ranking| Ok((real_accuracy(ranking)? + fake_accuracy(ranking)?) / 2.0),
    },
    Metric {
        name: "asymmetry",
        description: "real accuracy minus fake accuracy: above 0, the detector prefers to say real",
        range: (-1.0, 1.0),
        looks_at: LooksAt::Sign,
        value: |ranking| Ok(real_accuracy(ranking)? - fake_accuracy(ranking)?),
    },
    Metric {
        name: "tpr_at_1_fpr",
        description: "share of generated images found when at most 1 % of real images are accused",
        range: (0.0, 1.0),
        looks_at: LooksAt::FalsePositiveRate(0.01),
        value: |ranking| tpr_at_fpr(ranking, 0.01).map(|point| point.tpr),
    },
    Metric {
        name: "tpr_at_5_fpr",
        description: "share of generated images found when at most 5 % of real images are accused",
        range: (0.0, 1.0),
        looks_at: LooksAt::FalsePositiveRate(0.05),
        value: |ranking| tpr_at_fpr(ranking, 0.05).map(|point| point.tpr),
    },
];

impl Metric {
    /// Look a metric up by name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Measure it.
    pub fn measure(&self, ranking: &Ranking) -> Measured {
        let (value, undefined) = match (self.value)(ranking) {
            Ok(value) => (Some(value), None),
            Err(undefined) => (None, Some(undefined)),
        };
        Measured { metric: self.name.to_owned(), value, undefined, resolvable: self.resolvable(ranking) }
    }

    /// Whether there are enough real images for the metric's false positive rate (true for all other
    /// metrics).
    pub fn resolvable(&self, ranking: &Ranking) -> bool {
        match self.looks_at {
            LooksAt::FalsePositiveRate(fpr) => resolvable(ranking.real, fpr),
            LooksAt::Order | LooksAt::Sign => true,
        }
    }
}

/// A metric's value on some samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Name of the metric.
    pub metric: String,
    /// Its value; absent when it is undefined.
    pub value: Option<f64>,
    /// Why it is undefined.
    pub undefined: Option<Undefined>,
    /// False when the samples are too few for the metric's false positive rate; the value then is the share found
    /// without accusing any real image.
    pub resolvable: bool,
}

/// Every metric of the table on one set of samples.
pub fn measure_all(ranking: &Ranking) -> Vec<Measured> {
    METRICS.iter().map(|metric| metric.measure(ranking)).collect()
}

/// Why a metric has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undefined {
    /// No real image has a finite score.
    #[error("no real image with a finite score")]
    NoReal,
    /// No generated image has a finite score.
    #[error("no generated image with a finite score")]
    NoFake,
    /// There is no sample at all.
    #[error("no image with a finite score")]
    Empty,
}

/// Samples that cannot be ranked at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RankingError {
    /// One label for each score is needed.
    #[error("{labels} labels for {scores} scores, expected as many")]
    Lengths {
        /// Number of labels.
        labels: usize,
        /// Number of scores.
        scores: usize,
    },
    /// A label is neither 0 nor 1.
    #[error("label of sample {index} is {found}, expected 0 (real) or 1 (generated)")]
    Label {
        /// Position of the sample.
        index: usize,
        /// Its label.
        found: u8,
    },
}

impl RankingError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lengths { .. } => "lengths",
            Self::Label { .. } => "label",
        }
    }
}

/// Samples grouped by equal score, from the highest to the lowest. 0.0 and -0.0 are equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    ties: Vec<Tie>,
    real: u64,
    fake: u64,
    excluded: Excluded,
}

/// All samples that share one score. Counts may be zero in a resampled ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tie {
    /// The score.
    pub score: f64,
    /// Real images with it.
    pub real: u64,
    /// Generated images with it.
    pub fake: u64,
}

/// Samples that were left out because their score is NaN or infinite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// Real images.
    pub real: u64,
    /// Generated images.
    pub fake: u64,
}

impl Ranking {
    /// Group samples by score. Samples with a NaN or infinite score are left out and counted: see
    /// [`Ranking::excluded`].
    pub fn new(labels: &[u8], scores: &[f64]) -> Result<Self, RankingError> {
        Self::with_places(labels, scores).map(|(ranking, _)| ranking)
    }

    /// As [`Ranking::new`], with the tie that each sample belongs to (`None` for an excluded one).
    pub(crate) fn with_places(
        labels: &[u8],
        scores: &[f64],
    ) -> Result<(Self, Vec<Option<u32>>), RankingError> {
        check_samples(labels, scores)?;
        let mut excluded = Excluded::default();
        let mut order = Vec::with_capacity(scores.len());
        for (index, (&label, score)) in labels.iter().zip(scores).enumerate() {
            if score.is_finite() {
                order.push(index);
            } else if label == 1 {
                excluded.fake += 1;
            } else {
                excluded.real += 1;
            }
        }
        order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut ranking = Self { ties: Vec::new(), real: 0, fake: 0, excluded };
        let mut places = vec![None; scores.len()];
        for index in order {
            let score = scores[index];
            if ranking.ties.last().is_none_or(|tie| tie.score != score) {
                ranking.ties.push(Tie { score, real: 0, fake: 0 });
            }
            places[index] = Some(ranking.ties.len() as u32 - 1);
            ranking.add(ranking.ties.len() - 1, labels[index], 1);
        }
        Ok((ranking, places))
    }

    /// The ties, from the highest score to the lowest.
    pub fn ties(&self) -> &[Tie] {
        &self.ties
    }

    /// Number of real images.
    pub fn real(&self) -> u64 {
        self.real
    }

    /// Number of generated images.
    pub fn fake(&self) -> u64 {
        self.fake
    }

    /// Samples left out because of their score.
    pub fn excluded(&self) -> Excluded {
        self.excluded
    }

    /// Forget all counts, keep the scores: the start of a resample.
    pub(crate) fn clear(&mut self) {
        (self.real, self.fake) = (0, 0);
        for tie in &mut self.ties {
            (tie.real, tie.fake) = (0, 0);
        }
    }

    /// Count a sample `times` times.
    pub(crate) fn add(&mut self, place: usize, label: u8, times: u64) {
        let tie = &mut self.ties[place];
        if label == 1 {
            tie.fake += times;
            self.fake += times;
        } else {
            tie.real += times;
            self.real += times;
        }
    }

    fn both_classes(&self) -> Result<(), Undefined> {
        match (self.real, self.fake) {
            (0, 0) => Err(Undefined::Empty),
            (0, _) => Err(Undefined::NoReal),
            (_, 0) => Err(Undefined::NoFake),
            _ => Ok(()),
        }
    }
}

pub(crate) fn check_samples(labels: &[u8], scores: &[f64]) -> Result<(), RankingError> {
    if labels.len() != scores.len() {
        return Err(RankingError::Lengths { labels: labels.len(), scores: scores.len() });
    }
    match labels.iter().position(|&label| label > 1) {
        Some(index) => Err(RankingError::Label { index, found: labels[index] }),
        None => Ok(()),
    }
}

/// Area under the ROC curve in [0, 1]: `P(fake > real) + P(fake = real) / 2`, counted in integers
/// (`sklearn.metrics.roc_auc_score`).
pub fn auc(ranking: &Ranking) -> Result<f64, Undefined> {
    ranking.both_classes()?;
    let mut fake_above = 0;
    let mut half_wins = 0;
    for tie in &ranking.ties {
        half_wins += tie.real * (2 * fake_above + tie.fake);
        fake_above += tie.fake;
    }
    Ok(half_wins as f64 / (2 * ranking.real * ranking.fake) as f64)
}

/// Average precision in [0, 1]: sum over ties of (recall gained) x (precision once the whole tie is in)
/// (`sklearn.metrics.average_precision_score`).
pub fn average_precision(ranking: &Ranking) -> Result<f64, Undefined> {
    ranking.both_classes()?;
    let (mut fake, mut all) = (0, 0);
    let mut sum = 0.0;
    for tie in &ranking.ties {
        fake += tie.fake;
        all += tie.fake + tie.real;
        if tie.fake > 0 {
            sum += tie.fake as f64 * (fake as f64 / all as f64);
        }
    }
    Ok(sum / ranking.fake as f64)
}

/// R.Acc: share of real images with a logit below 0. A logit of exactly 0 is wrong.
pub fn real_accuracy(ranking: &Ranking) -> Result<f64, Undefined> {
    if ranking.real == 0 {
        return Err(if ranking.fake == 0 { Undefined::Empty } else { Undefined::NoReal });
    }
    let right: u64 = ranking.ties.iter().filter(|tie| tie.score < 0.0).map(|tie| tie.real).sum();
    Ok(right as f64 / ranking.real as f64)
}

/// F.Acc: share of generated images with a logit above 0. A logit of exactly 0 is wrong.
pub fn fake_accuracy(ranking: &Ranking) -> Result<f64, Undefined> {
    if ranking.fake == 0 {
        return Err(if ranking.real == 0 { Undefined::Empty } else { Undefined::NoFake });
    }
    let right: u64 = ranking.ties.iter().filter(|tie| tie.score > 0.0).map(|tie| tie.fake).sum();
    Ok(right as f64 / ranking.fake as f64)
}

/// A point of the ROC curve that a threshold can really have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Share of generated images above the threshold.
    pub tpr: f64,
    /// Share of real images above the threshold: at most the rate asked for.
    pub fpr: f64,
    /// An image is called generated if its score is above this; absent when every image is.
    pub threshold: Option<f64>,
    /// False when fewer than `1 / fpr` real images exist, so that one accused image is already too many.
    pub resolvable: bool,
}

/// Highest share of generated images found by a rule "score > t" that accuses at most `fpr` of the real
/// images.
///
/// Of all such thresholds the lowest score of the samples is given. Never interpolated: with ties the point
/// may lie well below the ROC curve's straight line, but it is one that a threshold can have.
pub fn tpr_at_fpr(ranking: &Ranking, fpr: f64) -> Result<OperatingPoint, Undefined> {
    ranking.both_classes()?;
    let share = |count: u64| count as f64 / ranking.real as f64;
    let (mut real, mut fake) = (0, 0);
    let mut threshold = None;
    for tie in &ranking.ties {
        if share(real + tie.real) > fpr {
            threshold = Some(tie.score);
            break;
        }
        real += tie.real;
        fake += tie.fake;
    }
    Ok(OperatingPoint {
        tpr: fake as f64 / ranking.fake as f64,
        fpr: share(real),
        threshold,
        resolvable: resolvable(ranking.real, fpr),
    })
}

fn resolvable(real: u64, fpr: f64) -> bool {
    real > 0 && 1.0 / real as f64 <= fpr
}

/// Wilson's 95 % interval for a share of `successes` in `n`; `None` when `n` is 0. Unlike the plain normal
/// interval it has width at 0 and at 1. (`statsmodels.stats.proportion.proportion_confint(method="wilson")`.)
pub fn wilson(successes: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 || successes > n {
        return None;
    }
    let n = n as f64;
    let share = successes as f64 / n;
    let z2 = Z_95 * Z_95;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    // The formula gives exactly 0 and 1 at the ends; rounding need not.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if share == 1.0 { 1.0 } else { (centre + half).min(1.0) };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, labels: &[u8], scores: &[f64]) -> Option<f64> {
        Metric::named(name).unwrap().measure(&Ranking::new(labels, scores).unwrap()).value
    }

    /// Small sets that between them have ties within and across classes, zeros of both signs and both kinds
    /// of order.
    const SETS: &[(&[u8], &[f64])] = &[
        (&[1, 0, 1, 0, 1], &[2.5, -1.0, 0.0, -0.0, -3.0]),
        (&[0, 1, 0, 0, 0], &[0.7, 0.8, 0.5, 0.9, 0.1]),
        (&[1, 0, 1, 0], &[9.0, 9.0, 5.0, 5.0]),
        (&[1, 1, 0, 0, 0, 1, 0], &[-1.0, 4.0, -1.0, -2.0, 4.0, 7.0, -8.0]),
    ];

    #[test]
    fn every_metric_ignores_the_order_of_samples() {
        for (labels, scores) in SETS {
            for shift in 1..labels.len() {
                let (mut l, mut s) = (labels.to_vec(), scores.to_vec());
                l.rotate_left(shift);
                s.rotate_left(shift);
                l.swap(0, 1);
                s.swap(0, 1);
                for metric in METRICS {
                    assert_eq!(
                        value(metric.name, labels, scores),
                        value(metric.name, &l, &s),
                        "{}",
                        metric.name
                    );
                }
            }
        }
    }

    #[test]
    fn rank_metrics_ignore_increasing_maps_and_all_stay_in_range() {
        for (labels, scores) in SETS {
            let mapped: Vec<f64> = scores.iter().map(|s| (s / 3.0).exp() * 5.0 - 100.0).collect();
            for metric in METRICS {
                let found = value(metric.name, labels, scores).unwrap();
                assert!((metric.range.0..=metric.range.1).contains(&found), "{} {found}", metric.name);
                if metric.looks_at != LooksAt::Sign {
                    assert_eq!(Some(found), value(metric.name, labels, &mapped), "{}", metric.name);
                }
            }
        }
    }

    #[test]
    fn swapping_labels_and_signs_gives_the_mirrored_metric() {
        for (labels, scores) in SETS {
            let swapped: Vec<u8> = labels.iter().map(|l| 1 - l).collect();
            let negated: Vec<f64> = scores.iter().map(|s| -s).collect();
            for metric in METRICS {
                let (other, sign) = match metric.name {
                    "auc" | "balanced_accuracy" => (metric.name, 1.0),
                    "asymmetry" => (metric.name, -1.0),
                    "r_acc" => ("f_acc", 1.0),
                    "f_acc" => ("r_acc", 1.0),
                    "ap" | "tpr_at_1_fpr" | "tpr_at_5_fpr" => continue,
                    name => panic!("{name}: say here what it becomes when labels and signs are swapped"),
                };
                let mirrored = value(other, &swapped, &negated).unwrap() * sign;
                assert!(
                    (value(metric.name, labels, scores).unwrap() - mirrored).abs() < 1e-15,
                    "{}",
                    metric.name
                );
            }
            let auc = value("auc", labels, scores).unwrap();
            assert!((auc + value("auc", &swapped, scores).unwrap() - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn integer_weights_equal_repeated_rows() {
        for (labels, scores) in SETS {
            let (mut weighted, places) = Ranking::with_places(labels, scores).unwrap();
            weighted.clear();
            let (mut l, mut s) = (Vec::new(), Vec::new());
            for (index, (label, score)) in labels.iter().zip(*scores).enumerate() {
                let times = [3, 1, 0, 2, 4, 1, 5][index];
                weighted.add(places[index].unwrap() as usize, *label, times);
                l.extend(vec![*label; times as usize]);
                s.extend(vec![*score; times as usize]);
            }
            let repeated = Ranking::new(&l, &s).unwrap();
            for metric in METRICS {
                assert_eq!((metric.value)(&weighted), (metric.value)(&repeated), "{}", metric.name);
            }
        }
    }

    #[test]
    fn one_class_is_undefined_with_its_reason_but_its_accuracy_stays() {
        let only_real = measure_all(&Ranking::new(&[0, 0], &[-1.0, 1.0]).unwrap());
        let only_fake = measure_all(&Ranking::new(&[1], &[2.0]).unwrap());
        let nothing = measure_all(&Ranking::new(&[0, 1], &[f64::NAN, f64::INFINITY]).unwrap());
        for (k, metric) in METRICS.iter().enumerate() {
            let expected =
                if metric.name == "r_acc" { (Some(0.5), None) } else { (None, Some(Undefined::NoFake)) };
            assert_eq!((only_real[k].value, only_real[k].undefined), expected, "{}", metric.name);
            let expected =
                if metric.name == "f_acc" { (Some(1.0), None) } else { (None, Some(Undefined::NoReal)) };
            assert_eq!((only_fake[k].value, only_fake[k].undefined), expected, "{}", metric.name);
            assert_eq!(nothing[k].undefined, Some(Undefined::Empty), "{}", metric.name);
        }
    }

    #[test]
    fn non_finite_scores_are_left_out_and_counted() {
        let ranking =
            Ranking::new(&[0, 1, 1, 0, 1], &[f64::NAN, 1.0, f64::INFINITY, -1.0, f64::NEG_INFINITY]).unwrap();
        assert_eq!((ranking.real(), ranking.fake()), (1, 1));
        assert_eq!(ranking.excluded(), Excluded { real: 1, fake: 2 });
        assert_eq!(Ranking::new(&[2], &[0.0]).unwrap_err(), RankingError::Label { index: 0, found: 2 });
        assert_eq!(Ranking::new(&[1], &[]).unwrap_err().kind(), "lengths");
    }

    #[test]
    fn a_logit_of_zero_is_wrong_on_both_sides() {
        for zero in [0.0, -0.0] {
            assert_eq!(value("balanced_accuracy", &[0, 1], &[zero, zero]), Some(0.0));
        }
    }

    #[test]
    fn tpr_is_realisable_and_says_when_it_cannot_be_resolved() {
        let mut labels = vec![0; 50];
        let mut scores = vec![0.0; 40];
        scores.extend([5.0; 10]);
        labels.extend([1; 50]);
        scores.extend([5.0; 30]);
        scores.extend([6.0; 20]);
        let ranking = Ranking::new(&labels, &scores).unwrap();
        let point = tpr_at_fpr(&ranking, 0.01).unwrap();
        let expected = OperatingPoint { tpr: 0.4, fpr: 0.0, threshold: Some(5.0), resolvable: false };
        assert_eq!(point, expected, "interpolation would say 0.43");
        assert!(tpr_at_fpr(&ranking, 0.02).unwrap().resolvable);
        let at_20 = tpr_at_fpr(&ranking, 0.2).unwrap();
        assert_eq!((at_20.tpr, at_20.fpr, at_20.threshold), (1.0, 0.2, Some(0.0)));
        assert_eq!(tpr_at_fpr(&ranking, 1.0).unwrap().threshold, None);
    }

    #[test]
    fn wilson_has_width_at_the_ends() {
        assert_eq!(wilson(0, 0), None);
        let (low, high) = wilson(0, 10).unwrap();
        assert!(low == 0.0 && (high - 0.2775).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson(10, 10).unwrap();
        assert!(high == 1.0 && (low - 0.7225).abs() < 1e-4, "{low} {high}");
    }
}
