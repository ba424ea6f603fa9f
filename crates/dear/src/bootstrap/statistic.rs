//! The engine: a statistic of one or more rankings, on the samples and on each resample.

use rayon::prelude::*;

use super::resampler::Resampler;
use super::{BootstrapOptions, Interval, Method};
use crate::metrics::{METRICS, Metric, Ranking, RankingError, Slot, Undefined};

/// A value, or why there is none.
pub(super) type Value = Result<f64, Undefined>;

/// A ranking, and where resampled units are counted in it.
pub(super) struct Placed {
    ranking: Ranking,
    entries: Vec<Entry>,
}

struct Entry {
    slot: Slot,
    unit: u32,
}

/// How one ranking is measured.
pub(super) type Measure = fn(&Ranking) -> Value;

/// Values of a statistic that has several numbers.
pub(super) struct Drawn {
    /// On the samples themselves.
    pub(super) values: Vec<Value>,
    /// For each number its value in every resample, in their order; `None` where it was undefined.
    pub(super) draws: Vec<Vec<Option<f64>>>,
}

impl Placed {
    /// Rank samples that a resampler draws. Samples with a score that is not finite take no part.
    pub(super) fn new(labels: &[u8], scores: &[f64], resampler: &Resampler) -> Result<Self, RankingError> {
        let (ranking, places) = Ranking::with_places(labels, scores)?;
        let place = |(sample, place): (usize, &Option<u32>)| {
            Some(Entry { slot: Slot::new((*place)?, labels[sample]), unit: resampler.unit_of(sample)? })
        };
        let mut entries: Vec<Entry> = places.iter().enumerate().filter_map(place).collect();
        // In the order of scores, so that counts are written one after the other.
        entries.sort_unstable_by_key(|entry| (entry.slot, entry.unit));
        Ok(Self { ranking, entries })
    }

    /// The ranking of the samples themselves.
    pub(super) fn ranking(&self) -> &Ranking {
        &self.ranking
    }
}

/// Evaluate `statistic` on the samples and on every resample. All rankings of a resample have the same units in them.
pub(super) fn resample(
    resampler: &Resampler,
    placed: &[Placed],
    options: &BootstrapOptions,
    statistic: impl Fn(&[Ranking]) -> Vec<Value> + Sync,
) -> Drawn {
    let values = statistic(&rankings(placed));
    let rows: Vec<Vec<Option<f64>>> = (0..u64::from(options.resamples))
        .into_par_iter()
        .map_init(
            || (rankings(placed), Vec::new()),
            |(rankings, times), number| {
                resampler.draw(number, times);
                for (ranking, placed) in rankings.iter_mut().zip(placed) {
                    ranking
                        .count(placed.entries.iter().map(|entry| (entry.slot, times[entry.unit as usize])));
                }
                statistic(rankings).into_iter().map(Result::ok).collect()
            },
        )
        .collect();
    let draws = (0..values.len()).map(|k| rows.iter().map(|row| row[k]).collect()).collect();
    Drawn { values, draws }
}

/// As [`resample`], for a statistic that has a number for each metric of the table and is linear in the metric: it is
/// told how to measure one. Draws are moved so that they scatter around the value also where the metric has a
/// [`Correction`](crate::metrics::Correction).
pub(super) fn resample_metrics(
    resampler: &Resampler,
    placed: &[Placed],
    options: &BootstrapOptions,
    statistic: impl Fn(&[Ranking], Measure) -> Value + Sync,
) -> Drawn {
    let mut drawn = resample(resampler, placed, options, |rankings| {
        METRICS.iter().map(|metric| statistic(rankings, metric.value)).collect()
    });
    let whole = rankings(placed);
    for ((metric, value), draws) in METRICS.iter().zip(&drawn.values).zip(&mut drawn.draws) {
        let Some(correction) = &metric.correction else { continue };
        if let (Ok(value), Ok(population)) = (value, statistic(&whole, correction.population)) {
            draws.iter_mut().flatten().for_each(|draw| *draw += value - population);
        }
    }
    drawn
}

/// Percentile intervals of one number for each metric of the table.
pub(super) fn intervals(
    drawn: &Drawn,
    single_unit: bool,
    options: &BootstrapOptions,
    resolvable: impl Fn(&Metric) -> bool,
) -> Vec<Interval> {
    let numbers = drawn.values.iter().zip(&drawn.draws);
    METRICS
        .iter()
        .zip(numbers)
        .map(|(metric, (value, draws))| {
            percentile(metric.name, *value, draws, single_unit, resolvable(metric), options)
        })
        .collect()
}

/// For metrics with a [`Correction`](crate::metrics::Correction): no end outside of the metric's range, and a lower end
/// of 0 where chance alone explains the value.
pub(super) fn correct_ends(
    intervals: &mut [Interval],
    placed: &[Placed],
    statistic: impl Fn(&[Ranking], Measure) -> Value,
) {
    let whole = rankings(placed);
    for (metric, interval) in METRICS.iter().zip(intervals) {
        let Some(correction) = &metric.correction else { continue };
        let chance = statistic(&whole, correction.by_chance);
        let explained = statistic(&whole, correction.population)
            .is_ok_and(|population| chance.is_ok_and(|chance| population <= chance));
        let (least, most) = metric.range;
        interval.low = interval.low.map(|low| if explained { least } else { low.clamp(least, most) });
        interval.high = interval.high.map(|high| high.clamp(least, most));
    }
}

fn rankings(placed: &[Placed]) -> Vec<Ranking> {
    placed.iter().map(|placed| placed.ranking.clone()).collect()
}

/// The percentile interval of one number, extended to the number itself where it lies outside: resamples of few or of tied
/// images may all lie on one side of it (the calibration error is then 0 while nearly all resamples are moved above it).
pub(super) fn percentile(
    name: &str,
    value: Value,
    draws: &[Option<f64>],
    single_unit: bool,
    resolvable: bool,
    options: &BootstrapOptions,
) -> Interval {
    let mut drawn: Vec<f64> = draws.iter().flatten().copied().collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - options.confidence) / 2.0;
    let (low, high) = (quantile(&drawn, tail), quantile(&drawn, 1.0 - tail));
    let degenerate = low == high || single_unit;
    let reaching = |end: Option<f64>, further: fn(f64, f64) -> f64| match (end, value) {
        (Some(end), Ok(value)) => Some(further(end, value)),
        (end, _) => end,
    };
    Interval {
        metric: name.to_owned(),
        value: value.ok(),
        undefined: value.err(),
        low: reaching(low, f64::min),
        high: reaching(high, f64::max),
        degenerate,
        resolvable,
        undefined_resamples: (draws.len() - drawn.len()) as u32,
        method: Method::Bootstrap,
    }
}

/// Quantile of sorted values with linear interpolation.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share * last as f64;
    let below = (position as usize).min(last);
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}
