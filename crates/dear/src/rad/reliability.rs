//! How far the scores can be relied on: their intervals, whether other probes would rank the channels alike, and whether
//! small and large masks do.

use std::collections::BTreeMap;

use dear_image::Draw;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{RadOptions, RegionMoments, add_discrepancy, add_within, deviation, is_scored};
use crate::bootstrap::quantile;
use crate::ranks::spearman;

/// Resamples of the photographs.
const RESAMPLES: u32 = 1000;
/// Random splits of the photographs into halves.
const SPLITS: u32 = 20;
/// Groups of mask size.
const GROUPS: usize = 4;
/// Share of the resamples inside an interval.
const CONFIDENCE: f64 = 0.95;

/// A probe view as these questions need it.
#[derive(Debug, Clone, Copy)]
pub struct ProbeView<'a> {
    /// What the view says.
    pub moments: &'a RegionMoments,
    /// Whose probe it is. Views of one photograph are drawn together, as they are not independent.
    pub photograph: &'a str,
    /// Share of the view inside the mask.
    pub mask_share: f32,
}

/// How far the scores can be relied on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Photographs with a scored probe view.
    pub photographs: u64,
    /// Resamples of them.
    pub resamples: u32,
    /// Lower ends of the 95 % percentile intervals, `[C]`; photographs are drawn with replacement, with their null probes
    /// where those are subtracted.
    pub low: Vec<f64>,
    /// Upper ends, `[C]`.
    pub high: Vec<f64>,
    /// Channels whose interval leaves out 0.
    pub sure_of_sign: u64,
    /// Whether two halves of the photographs rank the channels alike.
    pub halves: Halves,
    /// Scores of probe views with masks of one size, from the smallest.
    pub by_mask_size: Vec<SizeGroup>,
}

/// Spearman's correlation between the scores of two halves of the photographs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Halves {
    /// Random splits.
    pub splits: u32,
    /// Mean over the splits; null where a half has no view or scores are constant.
    pub mean: Option<f64>,
    /// Smallest of the splits.
    pub low: Option<f64>,
    /// Largest of the splits.
    pub high: Option<f64>,
}

/// Probe views between two quantiles of mask size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizeGroup {
    /// Smallest share of the view inside the mask.
    pub from: f32,
    /// Largest share.
    pub to: f32,
    /// Views.
    pub views: u64,
    /// Scores of these views alone, `[C]`, before null probes are subtracted.
    pub scores: Vec<f64>,
    /// Spearman's correlation with the scores of all probe views, before null probes are subtracted.
    pub rank_correlation: Option<f64>,
}

/// Ask how reliable the scores of these views are. All averages are one mean over the views, also where the options ask for
/// the authors' order. `None` where fewer than two photographs have a scored view.
pub fn reliability(
    probes: &[ProbeView],
    null: Option<&[ProbeView]>,
    options: &RadOptions,
    seed: u64,
) -> Option<Reliability> {
    let sound = |views: &[ProbeView]| -> Vec<usize> {
        (0..views.len()).filter(|&i| is_scored(views[i].moments.regions(), options.degenerate)).collect()
    };
    let scored: Vec<&ProbeView> = sound(probes).into_iter().map(|i| &probes[i]).collect();
    let null: Option<Vec<&ProbeView>> = null
        .filter(|_| options.subtract_null)
        .map(|views| sound(views).into_iter().map(|i| &views[i]).collect());
    let channels = scored.first()?.moments.channels();
    let mut units: BTreeMap<&str, Unit> = BTreeMap::new();
    for (side, views) in [Some(&scored), null.as_ref()].into_iter().enumerate() {
        for view in views.into_iter().flatten() {
            let unit = units.entry(view.photograph).or_insert_with(|| Unit::new(channels));
            unit.0[side].add(view.moments);
        }
    }
    let units: Vec<Unit> = units.into_values().collect();
    if units.len() < 2 {
        return None;
    }
    let sides = 1 + usize::from(null.is_some());
    let score = |weights: &[f64]| -> Option<Vec<f64>> {
        let mut total = Unit::new(channels);
        for (unit, &weight) in units.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            for side in 0..sides {
                total.0[side].merge(&unit.0[side], weight);
            }
        }
        total.scores(sides, options)
    };
    let point = score(&vec![1.0; units.len()])?;

    let drawn: Vec<Vec<f64>> = (0..RESAMPLES)
        .into_par_iter()
        .filter_map(|number| {
            let mut draw = Draw::keyed(seed, &[b"rad resample", &number.to_le_bytes()]);
            let mut weights = vec![0.0; units.len()];
            for _ in 0..units.len() {
                weights[draw.below(units.len() as u64) as usize] += 1.0;
            }
            score(&weights)
        })
        .collect();
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let ends: Vec<(f64, f64)> = (0..channels)
        .into_par_iter()
        .map(|k| {
            let mut of_channel: Vec<f64> = drawn.iter().map(|scores| scores[k]).collect();
            of_channel.sort_unstable_by(f64::total_cmp);
            let end = |share| quantile(&of_channel, share).unwrap_or(point[k]);
            (end(tail).min(point[k]), end(1.0 - tail).max(point[k]))
        })
        .collect();
    let (low, high): (Vec<f64>, Vec<f64>) = ends.into_iter().unzip();
    let sure_of_sign = low.iter().zip(&high).filter(|(low, high)| **low > 0.0 || **high < 0.0).count();
    Some(Reliability {
        photographs: units.len() as u64,
        resamples: drawn.len() as u32,
        sure_of_sign: sure_of_sign as u64,
        low,
        high,
        halves: halves(units.len(), seed, &score),
        by_mask_size: by_mask_size(&scored, options),
    })
}

fn halves(units: usize, seed: u64, score: &dyn Fn(&[f64]) -> Option<Vec<f64>>) -> Halves {
    let found: Vec<f64> = (0..SPLITS)
        .filter_map(|number| {
            let mut order: Vec<usize> = (0..units).collect();
            Draw::keyed(seed, &[b"rad halves", &number.to_le_bytes()]).shuffle(&mut order);
            let mut first = vec![0.0; units];
            order[..units / 2].iter().for_each(|&unit| first[unit] = 1.0);
            let second: Vec<f64> = first.iter().map(|weight| 1.0 - weight).collect();
            correlation(&score(&first)?, &score(&second)?)
        })
        .collect();
    let end = |better: fn(f64, f64) -> f64| found.iter().copied().reduce(better);
    let mean = (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64);
    Halves { splits: found.len() as u32, mean, low: end(f64::min), high: end(f64::max) }
}

fn by_mask_size(scored: &[&ProbeView], options: &RadOptions) -> Vec<SizeGroup> {
    let score = |views: &[&ProbeView]| -> Option<Vec<f64>> {
        let mut total = Unit::new(views.first()?.moments.channels());
        views.iter().for_each(|view| total.0[0].add(view.moments));
        total.scores(1, options)
    };
    let mut order: Vec<&ProbeView> = scored.to_vec();
    order.sort_by(|a, b| a.mask_share.total_cmp(&b.mask_share));
    let Some(all) = score(&order) else { return Vec::new() };
    (0..GROUPS)
        .filter_map(|group| {
            let part = &order[group * order.len() / GROUPS..(group + 1) * order.len() / GROUPS];
            let scores = score(part)?;
            Some(SizeGroup {
                from: part.first()?.mask_share,
                to: part.last()?.mask_share,
                views: part.len() as u64,
                rank_correlation: correlation(&scores, &all),
                scores,
            })
        })
        .collect()
}

fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let given = |values: &[f64]| -> Vec<Option<f64>> { values.iter().copied().map(Some).collect() };
    spearman(&given(a), &given(b))
}

/// What the views of one photograph add up to: its probes, and its null probes.
struct Unit([Sums; 2]);

impl Unit {
    fn new(channels: usize) -> Self {
        Self([Sums::new(channels), Sums::new(channels)])
    }

    /// Scores of all channels; `None` where a side has no view.
    fn scores(&self, sides: usize, options: &RadOptions) -> Option<Vec<f64>> {
        let mut scores = self.0[0].scores(options)?;
        if sides == 2 {
            scores.iter_mut().zip(self.0[1].scores(options)?).for_each(|(score, null)| *score -= null);
        }
        Some(scores)
    }
}

/// Sums over views, from which scores follow.
struct Sums {
    views: f64,
    difference: Vec<f64>,
    variance: Vec<f64>,
    mean_square: Vec<f64>,
    weight: f64,
}

impl Sums {
    fn new(channels: usize) -> Self {
        let zero = vec![0.0; channels];
        Self { views: 0.0, difference: zero.clone(), variance: zero.clone(), mean_square: zero, weight: 0.0 }
    }

    fn add(&mut self, view: &RegionMoments) {
        self.views += 1.0;
        self.weight += view.w_in + view.w_bg;
        add_discrepancy(&mut self.difference, view, |difference| difference);
        add_within(&mut self.variance, &mut self.mean_square, view);
    }

    fn merge(&mut self, other: &Self, times: f64) {
        self.views += times * other.views;
        self.weight += times * other.weight;
        for (sum, other) in [
            (&mut self.difference, &other.difference),
            (&mut self.variance, &other.variance),
            (&mut self.mean_square, &other.mean_square),
        ] {
            sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += times * other);
        }
    }

    fn scores(&self, options: &RadOptions) -> Option<Vec<f64>> {
        if self.views == 0.0 {
            return None;
        }
        let means = self.difference.iter().map(|difference| difference / self.views);
        if !options.standardise {
            return Some(means.collect());
        }
        let within = self.variance.iter().zip(&self.mean_square);
        Some(means.zip(within).map(|(mean, (v, s))| mean / deviation(*v, *s, self.weight).0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rad::{Rad, rad, region_moments};

    /// 12 photographs of 3 views: channel 0 fires inside by about 2, channel 1 by nothing in the mean, channel 2 against it.
    fn probes() -> Vec<(RegionMoments, String)> {
        let mut draw = Draw::keyed(3, &[b"reliability"]);
        let mut made = Vec::new();
        for photograph in 0..12 {
            let shift = [2.0, 0.0, -1.0].map(|mean| mean + 0.5 * draw.normal());
            for _ in 0..3 {
                let mut features = Vec::new();
                for shift in shift {
                    features.extend(
                        (0..6).map(|i| (5.0 + draw.normal() + if i < 2 { shift } else { 0.0 }) as f32),
                    );
                }
                let moments = region_moments(&features, 3, &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
                made.push((moments, format!("p{photograph}")));
            }
        }
        made
    }

    fn views(probes: &[(RegionMoments, String)]) -> Vec<ProbeView<'_>> {
        probes
            .iter()
            .enumerate()
            .map(|(i, (moments, photograph))| ProbeView { moments, photograph, mask_share: i as f32 / 100.0 })
            .collect()
    }

    fn scores(probes: &[(RegionMoments, String)], options: &RadOptions) -> Rad {
        let moments: Vec<RegionMoments> = probes.iter().map(|(moments, _)| moments.clone()).collect();
        rad(&moments, None, options).unwrap()
    }

    #[test]
    fn intervals_hold_the_score_and_know_what_is_sure() {
        let probes = probes();
        for standardise in [false, true] {
            let options = RadOptions { standardise, ..RadOptions::default() };
            let found = reliability(&views(&probes), None, &options, 0).unwrap();
            let rad = scores(&probes, &options);
            for (k, score) in rad.scores.iter().enumerate() {
                assert!(found.low[k] <= *score && *score <= found.high[k], "{k}: {found:?}");
            }
            assert!(found.low[0] > 0.0 && found.high[2] < 0.0 && found.low[1] < 0.0 && found.high[1] > 0.0);
            assert_eq!((found.photographs, found.resamples, found.sure_of_sign), (12, 1000, 2));
            // Three channels so far apart are ranked alike by any half.
            assert!(found.halves.low.unwrap() > 0.4 && found.halves.splits == 20, "{:?}", found.halves);
        }
    }

    #[test]
    fn an_interval_has_the_width_of_the_deviation_over_photographs() {
        // The mean over 12 photographs has the deviation of their means over sqrt(12); a percentile bootstrap of 12 units
        // is known to be narrow by sqrt(11 / 12), and its ends come from 1000 resamples: 15 %.
        let probes = probes();
        let options = RadOptions::default();
        let found = reliability(&views(&probes), None, &options, 0).unwrap();
        let of = |p: usize| {
            let part: Vec<_> = probes.iter().filter(|(_, name)| *name == format!("p{p}")).cloned().collect();
            scores(&part, &options).scores[0]
        };
        let means: Vec<f64> = (0..12).map(of).collect();
        let mean = means.iter().sum::<f64>() / 12.0;
        let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / 12.0;
        let expected = 2.0 * 1.96 * (variance / 12.0).sqrt();
        let width = found.high[0] - found.low[0];
        assert!((width / expected - 1.0).abs() < 0.15, "{width}, expected {expected}");
    }

    #[test]
    fn null_probes_are_drawn_with_their_photograph() {
        let probes = probes();
        let options = RadOptions { subtract_null: true, ..RadOptions::default() };
        // Null probes that equal the probes: nothing is left, in every resample.
        let found = reliability(&views(&probes), Some(&views(&probes)), &options, 0).unwrap();
        assert!(found.low.iter().chain(&found.high).all(|end| end.abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn groups_of_mask_size_have_all_views_once() {
        let probes = probes();
        let found = reliability(&views(&probes), None, &RadOptions::default(), 0).unwrap().by_mask_size;
        assert_eq!(found.iter().map(|group| group.views).collect::<Vec<_>>(), [9, 9, 9, 9]);
        assert!(found.windows(2).all(|pair| pair[0].to < pair[1].from));
        let expected = scores(&probes[..9], &RadOptions::default());
        for (found, expected) in found[0].scores.iter().zip(&expected.scores) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert_eq!(found[3].rank_correlation, Some(1.0));
    }

    #[test]
    fn one_photograph_says_nothing() {
        assert_eq!(reliability(&views(&probes()[..3]), None, &RadOptions::default(), 0), None);
        assert_eq!(reliability(&[], None, &RadOptions::default(), 0), None);
    }
}
