//! Differences between two scores of the same images, and families of such differences.

use super::resampler::Resampler;
use super::statistic::{Drawn, Placed, intervals, percentile, quantile, resample, resample_metrics};
use super::{Bootstrap, BootstrapError, BootstrapOptions, Interval, Method, check_groups};
use crate::inference::Unvaried;
use crate::metrics::{METRICS, Metric, check_samples, found_when_accusing, real_not_cleared};

/// Differences of all metrics between two scores of the same images, and how they moved in every resample.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// Intervals of `after` minus `before`. A difference other than 0 that no resample can vary has Newcombe's interval
    /// where there is one, and else stays degenerate.
    pub bootstrap: Bootstrap,
    /// For each metric of the table, the difference in every resample, in their order; `None` where it was undefined.
    pub draws: Vec<Vec<Option<f64>>>,
    /// For intervals of differences that no resample can vary.
    unvaried: Unvaried,
}

/// For each pair `(before, after)`, intervals for every metric of `after` minus the same metric of `before`, both
/// resampled together.
///
/// Resample number k draws the same images for all pairs, and for every call with as many samples, the same labels,
/// groups and seed: differences of several calls can be joined in one family ([`simultaneous`]). A sample takes part in
/// a pair if both of its scores are finite. See [`bootstrap`](super::bootstrap) for groups.
pub fn paired(
    labels: &[u8],
    pairs: &[(&[f64], &[f64])],
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
) -> Result<Vec<Paired>, BootstrapError> {
    options.check()?;
    pairs.iter().map(|pair| one_pair(labels, *pair, groups, options)).collect()
}

pub(super) fn one_pair(
    labels: &[u8],
    (before, after): (&[f64], &[f64]),
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
) -> Result<Paired, BootstrapError> {
    let pair = Pair::new(labels, before, after, groups, options)?;
    let drawn = resample_metrics(&pair.resampler, &pair.placed, options, |rankings, measure| {
        Ok(measure(&rankings[1])? - measure(&rankings[0])?)
    });
    let ranking = pair.placed[0].ranking();
    let unvaried = Unvaried::new(labels, before, after, groups);
    let mut intervals = intervals(&drawn, pair.single_unit, options, |metric| metric.resolvable(ranking));
    for interval in intervals.iter_mut().filter(|interval| interval.untested()) {
        if let Some((low, high)) = unvaried.interval(&interval.metric, options.confidence) {
            (interval.low, interval.high) = (Some(low), Some(high));
            (interval.degenerate, interval.method) = (false, Method::Newcombe);
        }
    }
    let bootstrap = Bootstrap {
        intervals,
        real: ranking.real(),
        fake: ranking.fake(),
        excluded: ranking.excluded(),
        units: pair.units,
        grouped: groups.is_some(),
        options: *options,
    };
    Ok(Paired { bootstrap, draws: drawn.draws, unvaried })
}

/// Share of generated images that `after` finds minus the share that `before` finds, when neither accuses more real
/// images than `before` does at logit 0: what is left of a gain in F.Acc once the false alarms are equal.
///
/// Both get the lowest realisable threshold that keeps the R.Acc of `before` at logit 0 (both, because `before` also
/// finds more when its threshold moves down to the highest real image that it clears; so scores that were only shifted
/// differ by exactly 0). Thresholds are chosen again in each resample. The metric's name is `tpr_at_r_acc_of`.
pub fn tpr_at_r_acc_of(
    labels: &[u8],
    before: &[f64],
    after: &[f64],
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
) -> Result<Interval, BootstrapError> {
    options.check()?;
    let pair = Pair::new(labels, before, after, groups, options)?;
    let Drawn { values, draws } = resample(&pair.resampler, &pair.placed, options, |rankings| {
        let (before, after) = (&rankings[0], &rankings[1]);
        let accused = real_not_cleared(before);
        let found = |ranking| found_when_accusing(ranking, accused);
        vec![found(after).and_then(|after| Ok(after - found(before)?))]
    });
    Ok(percentile("tpr_at_r_acc_of", values[0], &draws[0], pair.single_unit, true, options))
}

struct Pair {
    resampler: Resampler,
    placed: [Placed; 2],
    /// Of the samples that take part.
    units: u64,
    single_unit: bool,
}

impl Pair {
    fn new(
        labels: &[u8],
        before: &[f64],
        after: &[f64],
        groups: Option<&[u64]>,
        options: &BootstrapOptions,
    ) -> Result<Self, BootstrapError> {
        check_samples(labels, before)?;
        check_samples(labels, after)?;
        check_groups(groups, labels.len())?;
        let complete = |index: usize| before[index].is_finite() && after[index].is_finite();
        let masked = |scores: &[f64]| -> Vec<f64> {
            scores.iter().enumerate().map(|(k, &score)| if complete(k) { score } else { f64::NAN }).collect()
        };
        let kinds = |takes_part: &dyn Fn(usize) -> bool| -> Vec<Option<u32>> {
            let kind = |(index, &label)| takes_part(index).then_some(u32::from(label));
            labels.iter().enumerate().map(kind).collect()
        };
        let resampler = Resampler::new(&kinds(&|_| true), groups, options.seed);
        let own = Resampler::new(&kinds(&complete), groups, options.seed);
        Ok(Self {
            placed: [
                Placed::new(labels, &masked(before), &resampler)?,
                Placed::new(labels, &masked(after), &resampler)?,
            ],
            units: own.units() as u64,
            single_unit: own.single_unit(),
            resampler,
        })
    }
}

/// Intervals that hold together: with probability `confidence` all differences of the family lie inside of theirs.
///
/// The family names differences by pair and position in [`METRICS`]. Single-step max-T (Westfall and Young 1993;
/// Romano and Wolf 2005): an interval is `d +- c se`, where `se` is the standard deviation of a difference over
/// resamples and `c` the `confidence` quantile over resamples of the largest `|d* - d| / se` of the family. Because all
/// differences of a resample come from the same images, comparisons that say the same cost nothing. The ends stay
/// within what the metric's range allows.
///
/// A difference without a value or without deviation takes no part in `c`. One that has Newcombe's interval in its pair gets
/// it again at its share of the family's level, `1 - (1 - confidence) / m` of `m` members (Bonferroni), and what it uses up
/// is taken from the level of `c`. Any other has no interval, or a degenerate one. An undefined difference of a resample
/// takes no part in that resample's largest.
pub fn simultaneous(
    family: &[(&Paired, usize)],
    options: &BootstrapOptions,
) -> Result<Vec<Interval>, BootstrapError> {
    options.check()?;
    let share = (1.0 - options.confidence) / family.len().max(1) as f64;
    let (mut own, mut closed) = (Vec::new(), 0_u32);
    for &(paired, metric) in family {
        let found = paired.bootstrap.options;
        if (found.seed, found.resamples) != (options.seed, options.resamples) {
            return Err(BootstrapError::Family {
                found: format!("{} resamples with seed {}", found.resamples, found.seed),
                expected: format!("{} with seed {}", options.resamples, options.seed),
            });
        }
        let (Some(interval), Some(draws)) =
            (paired.bootstrap.intervals.get(metric), paired.draws.get(metric))
        else {
            return Err(BootstrapError::Family {
                found: format!("metric number {metric}"),
                expected: format!("one below {}", METRICS.len()),
            });
        };
        let form = if interval.method == Method::Newcombe {
            closed += 1;
            paired.unvaried.interval(&interval.metric, 1.0 - share).map_or(Form::Degenerate, Form::Closed)
        } else {
            let deviation = if interval.degenerate { None } else { deviation(draws) };
            let scale = interval.value.zip(deviation.filter(|&deviation| deviation > 0.0));
            scale.map_or(Form::Degenerate, |(value, deviation)| Form::Scaled { value, deviation })
        };
        own.push((interval, draws, form));
    }
    let mut largest: Vec<f64> = (0..options.resamples as usize)
        .filter_map(|number| {
            let distance = |(_, draws, form): &(_, &Vec<Option<f64>>, Form)| match form {
                Form::Scaled { value, deviation } => {
                    Some((draws.get(number).copied()?? - value).abs() / deviation)
                }
                Form::Closed(_) | Form::Degenerate => None,
            };
            own.iter().filter_map(distance).max_by(f64::total_cmp)
        })
        .collect();
    largest.sort_unstable_by(f64::total_cmp);
    let critical = quantile(&largest, options.confidence + f64::from(closed) * share);
    let interval = |(interval, _, form): &(&Interval, _, Form)| {
        let mut interval = Interval { method: Method::Simultaneous, ..(*interval).clone() };
        match (form, critical) {
            (&Form::Closed((low, high)), _) => {
                (interval.low, interval.high) = (Some(low), Some(high));
                interval.method = Method::Newcombe;
            }
            (Form::Scaled { value, deviation }, Some(critical)) => {
                let widest = Metric::named(&interval.metric).map_or(f64::MAX, |m| m.range.1 - m.range.0);
                interval.low = Some((value - critical * deviation).max(-widest));
                interval.high = Some((value + critical * deviation).min(widest));
            }
            _ => interval.degenerate = true,
        }
        interval
    };
    Ok(own.iter().map(interval).collect())
}

/// How a member of a family gets its ends.
enum Form {
    /// Its deviation over resamples, times the family's critical value.
    Scaled { value: f64, deviation: f64 },
    /// Its own ends.
    Closed((f64, f64)),
    /// None.
    Degenerate,
}

/// Standard deviation of the defined draws; `None` for fewer than two.
pub fn deviation(draws: &[Option<f64>]) -> Option<f64> {
    let n = draws.iter().flatten().count();
    if n < 2 {
        return None;
    }
    let mean = draws.iter().flatten().sum::<f64>() / n as f64;
    let squares: f64 = draws.iter().flatten().map(|draw| (draw - mean).powi(2)).sum();
    Some((squares / (n - 1) as f64).sqrt())
}
