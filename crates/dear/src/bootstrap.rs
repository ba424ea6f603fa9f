//! How sure a metric is: the stratified percentile bootstrap, for all metrics of [`METRICS`] at once.
//!
//! Images are resampled within their class, or, where images belong together (crops of one scene, an image
//! and its reconstruction), whole groups are. Each resample has its own generator keyed by (seed, number), so
//! the result does not depend on the number of threads. Samples are sorted once; a resample is a vector of
//! multiplicities and costs O(n).

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::metrics::{Excluded, METRICS, Ranking, RankingError, Undefined, check_samples};

/// How resampling is done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BootstrapOptions {
    /// Number of resamples (default 2,000).
    pub resamples: u32,
    /// Share of the resamples inside of the interval (default 0.95).
    pub confidence: f64,
    /// Key of the draws (default 0).
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self { resamples: 2000, confidence: 0.95, seed: 0 }
    }
}

impl BootstrapOptions {
    /// Refuse values outside their range.
    pub fn check(&self) -> Result<(), BootstrapError> {
        if self.resamples == 0 {
            return Err(BootstrapError::Option { key: "resamples", found: 0.0, expected: "at least 1" });
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            let (key, found) = ("confidence", self.confidence);
            return Err(BootstrapError::Option { key, found, expected: "a share between 0 and 1" });
        }
        Ok(())
    }
}

/// Why nothing was resampled.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// An option is out of range.
    #[error("bootstrap option {key:?} is {found}, expected {expected}")]
    Option {
        /// The option's name.
        key: &'static str,
        /// Its value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// The samples cannot be ranked.
    #[error(transparent)]
    Ranking(#[from] RankingError),
    /// One group id for each sample is needed.
    #[error("{groups} group ids for {samples} samples, expected as many")]
    Groups {
        /// Number of ids.
        groups: usize,
        /// Number of samples.
        samples: usize,
    },
}

impl BootstrapError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Option { .. } => "option",
            Self::Ranking(error) => error.kind(),
            Self::Groups { .. } => "groups",
        }
    }
}

/// One metric and its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Name of the metric.
    pub metric: String,
    /// Its value on the samples themselves (the difference, for paired scores); absent when it is undefined.
    pub value: Option<f64>,
    /// Why it is undefined.
    pub undefined: Option<Undefined>,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The interval says nothing about uncertainty: it has no width (perfect separation gives [1, 1]), or a
    /// class has only one image or group to resample.
    pub degenerate: bool,
    /// False when the samples are too few for the metric's false positive rate.
    pub resolvable: bool,
    /// Resamples in which the metric was undefined. They are left out of the interval.
    pub undefined_resamples: u32,
    /// How the ends were found.
    #[serde(default)]
    pub method: Method,
}

/// How the ends of an interval were found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Percentiles of resamples.
    #[default]
    Bootstrap,
    /// Wilson's score interval of a share.
    Wilson,
    /// Newcombe's interval of a sum or difference of two shares: their Wilson intervals, combined by squares.
    Newcombe,
    /// DeLong's variance, on the logit scale.
    Delong,
    /// Simultaneous over a family of comparisons: bootstrap deviation times the critical value of the largest.
    Simultaneous,
    /// Order statistics of the real scores for the threshold, Wilson for the share above it.
    OrderStatistics,
}

impl Interval {
    /// Whether zero lies outside of the interval (for paired differences). A degenerate interval excludes
    /// nothing.
    pub fn excludes_zero(&self) -> bool {
        match (self.low, self.high) {
            (Some(low), Some(high)) => !self.degenerate && (low > 0.0 || high < 0.0),
            _ => false,
        }
    }
}

/// Intervals of all metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// One interval for each metric, in the order of [`METRICS`].
    pub intervals: Vec<Interval>,
    /// Real images that took part.
    pub real: u64,
    /// Generated images that took part.
    pub fake: u64,
    /// Images left out because a score is NaN or infinite (in either vector, for paired scores).
    pub excluded: Excluded,
    /// Units that were drawn from: images, or groups.
    pub units: u64,
    /// Whether the units are groups.
    pub grouped: bool,
    /// The options in force.
    pub options: BootstrapOptions,
}

/// Intervals for every metric of `scores`.
///
/// Without `groups`, images are drawn with replacement within their class. With `groups` (one id for each
/// sample) whole groups are drawn within three strata: groups of real images, of generated images, and of
/// both. The ends are quantiles with linear interpolation (numpy's default), at `(1 - confidence) / 2` from
/// both sides.
pub fn bootstrap(
    labels: &[u8],
    scores: &[f64],
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
) -> Result<Bootstrap, BootstrapError> {
    resample(labels, &[scores], groups, options, |values| values[0])
}

/// Intervals for every metric of `after` minus the same metric of `before`, both resampled together.
///
/// A sample takes part if both of its scores are finite. See [`bootstrap`].
pub fn paired_difference(
    labels: &[u8],
    before: &[f64],
    after: &[f64],
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
) -> Result<Bootstrap, BootstrapError> {
    resample(labels, &[before, after], groups, options, |values| Ok(values[1]? - values[0]?))
}

/// Draws multiplicities: how often each sample occurs in a resample. Public so that statistics of several
/// sets of images (a mean over generators that share their real images) can be resampled the same way.
#[derive(Debug, Clone)]
pub struct Resampler {
    /// Samples of each unit.
    units: Vec<Vec<u32>>,
    /// Units of each stratum.
    strata: Vec<Vec<u32>>,
    samples: usize,
    seed: u64,
}

impl Resampler {
    /// Prepare to resample those samples that `takes_part` admits. See [`bootstrap`] for strata.
    pub fn new(
        labels: &[u8],
        groups: Option<&[u64]>,
        takes_part: impl Fn(usize) -> bool,
        seed: u64,
    ) -> Result<Self, BootstrapError> {
        if let Some(groups) = groups
            && groups.len() != labels.len()
        {
            return Err(BootstrapError::Groups { groups: groups.len(), samples: labels.len() });
        }
        let mut members: Vec<u32> =
            (0..labels.len()).filter(|&index| takes_part(index)).map(|index| index as u32).collect();
        let id = |sample: u32| groups.map_or(u64::from(sample), |groups| groups[sample as usize]);
        members.sort_by_key(|&sample| id(sample));
        let units: Vec<Vec<u32>> = members.chunk_by(|&a, &b| id(a) == id(b)).map(<[u32]>::to_vec).collect();
        let mut strata = vec![Vec::new(); 3];
        for (unit, members) in units.iter().enumerate() {
            let fake = members.iter().filter(|&&sample| labels[sample as usize] == 1).count();
            let stratum = match fake {
                0 => 0,
                fake if fake == members.len() => 1,
                _ => 2,
            };
            strata[stratum].push(unit as u32);
        }
        Ok(Self { units, strata, samples: labels.len(), seed })
    }

    /// Number of units.
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// Whether some class comes from a single unit, which no resample can vary.
    pub fn single_unit(&self) -> bool {
        let [real, fake, both] = [0, 1, 2].map(|stratum| self.strata[stratum].len());
        real + both == 1 || fake + both == 1
    }

    /// Write how often each sample occurs in resample number `number`.
    pub fn draw(&self, number: u64, times: &mut Vec<u32>) {
        times.clear();
        times.resize(self.samples, 0);
        let mut draw = keyed(self.seed, *b"resample", number);
        for stratum in &self.strata {
            for _ in stratum {
                let unit = stratum[draw.below(stratum.len() as u32) as usize];
                for &sample in &self.units[unit as usize] {
                    times[sample as usize] += 1;
                }
            }
        }
    }
}

fn resample(
    labels: &[u8],
    vectors: &[&[f64]],
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
    statistic: impl Fn(&[Result<f64, Undefined>]) -> Result<f64, Undefined> + Sync,
) -> Result<Bootstrap, BootstrapError> {
    options.check()?;
    for scores in vectors {
        check_samples(labels, scores)?;
    }
    let takes_part = |index: usize| vectors.iter().all(|scores| scores[index].is_finite());
    let resampler = Resampler::new(labels, groups, takes_part, options.seed)?;
    let mut excluded = Excluded::default();
    for (index, &label) in labels.iter().enumerate() {
        if !takes_part(index) {
            *if label == 1 { &mut excluded.fake } else { &mut excluded.real } += 1;
        }
    }
    // Each vector's ranking, with the place of every sample in it.
    let ranked =
        vectors.iter().map(|scores| Ranking::with_places(labels, scores)).collect::<Result<Vec<_>, _>>()?;
    let evaluate = |rankings: &mut [Ranking], times: &[u32]| -> Vec<Result<f64, Undefined>> {
        for (ranking, (_, places)) in rankings.iter_mut().zip(&ranked) {
            ranking.clear();
            for ((&label, place), &times) in labels.iter().zip(places).zip(times) {
                if let (Some(place), 1..) = (place, times) {
                    ranking.add(*place as usize, label, u64::from(times));
                }
            }
        }
        METRICS
            .iter()
            .map(|metric| {
                statistic(&rankings.iter().map(|ranking| (metric.value)(ranking)).collect::<Vec<_>>())
            })
            .collect()
    };
    let scratch = || ranked.iter().map(|(ranking, _)| ranking.clone()).collect::<Vec<_>>();

    let once: Vec<u32> = (0..labels.len()).map(|index| u32::from(takes_part(index))).collect();
    let mut whole = scratch();
    let values = evaluate(&mut whole, &once);
    let resamples: Vec<_> = (0..u64::from(options.resamples))
        .into_par_iter()
        .map_init(
            || (scratch(), Vec::new()),
            |(rankings, times), number| {
                resampler.draw(number, times);
                evaluate(rankings, times)
            },
        )
        .collect();

    let tail = (1.0 - options.confidence) / 2.0;
    let intervals = METRICS
        .iter()
        .enumerate()
        .map(|(k, metric)| {
            let mut drawn: Vec<f64> = resamples.iter().filter_map(|values| values[k].ok()).collect();
            drawn.sort_unstable_by(f64::total_cmp);
            let (low, high) = (quantile(&drawn, tail), quantile(&drawn, 1.0 - tail));
            Interval {
                metric: metric.name.to_owned(),
                value: values[k].ok(),
                undefined: values[k].err(),
                low,
                high,
                degenerate: low == high || resampler.single_unit(),
                resolvable: metric.resolvable(&whole[0]),
                undefined_resamples: options.resamples - drawn.len() as u32,
                method: Method::Bootstrap,
            }
        })
        .collect();
    Ok(Bootstrap {
        intervals,
        real: whole[0].real(),
        fake: whole[0].fake(),
        excluded,
        units: resampler.units() as u64,
        grouped: groups.is_some(),
        options: *options,
    })
}

/// Quantile of sorted values with linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share * last as f64;
    let below = (position as usize).min(last);
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}

/// Integer draws from one key.
pub(crate) struct Draw(ChaCha8Rng);

/// The generator of draw number `index` of a purpose.
pub(crate) fn keyed(seed: u64, purpose: [u8; 8], index: u64) -> Draw {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose);
    key[16..24].copy_from_slice(&index.to_le_bytes());
    Draw(ChaCha8Rng::from_seed(key))
}

impl Draw {
    /// Uniform integer below `n` (which is not 0), without bias: multiply, and redraw in the short first
    /// interval.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        loop {
            let product = u64::from(self.0.next_u32()) * u64::from(n);
            if product as u32 >= n.wrapping_neg() % n {
                return (product >> 32) as u32;
            }
        }
    }

    /// Shuffle in place.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval<'a>(bootstrap: &'a Bootstrap, metric: &str) -> &'a Interval {
        bootstrap.intervals.iter().find(|interval| interval.metric == metric).unwrap()
    }

    fn samples(n: usize) -> (Vec<u8>, Vec<f64>) {
        let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        let scores = (0..n).map(|i| ((i * 7919) % 101) as f64 / 25.0 - 2.0 + f64::from(labels[i])).collect();
        (labels, scores)
    }

    #[test]
    fn same_bytes_for_any_number_of_threads() {
        let (labels, scores) = samples(200);
        let options = BootstrapOptions { resamples: 300, ..BootstrapOptions::default() };
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            serde_json::to_string(&pool.install(|| bootstrap(&labels, &scores, None, &options)).unwrap())
                .unwrap()
        };
        assert_eq!(on(1), on(5));
        let other = BootstrapOptions { seed: 1, ..options };
        assert_ne!(
            on(1),
            serde_json::to_string(&bootstrap(&labels, &scores, None, &other).unwrap()).unwrap()
        );
    }

    #[test]
    fn a_resample_keeps_the_size_of_each_class_and_whole_groups() {
        // Members of a group need not be neighbours.
        let labels = [0, 0, 1, 0, 1, 0, 1];
        let groups = [7, 8, 9, 7, 10, 11, 11];
        let mut times = Vec::new();
        for number in 0..50 {
            Resampler::new(&labels, None, |_| true, 3).unwrap().draw(number, &mut times);
            let of =
                |label| times.iter().zip(labels).filter(|(_, l)| *l == label).map(|(t, _)| t).sum::<u32>();
            assert_eq!((of(0), of(1)), (4, 3));
            Resampler::new(&labels, Some(&groups), |_| true, 3).unwrap().draw(number, &mut times);
            assert_eq!(times[0], times[3], "group 7 is drawn whole");
            assert_eq!(times[0] + times[1], 2, "two groups of real images");
            assert_eq!(times[2] + times[4], 2, "two groups of generated images");
            assert_eq!((times[5], times[6]), (1, 1), "the only mixed group");
        }
    }

    #[test]
    fn perfect_separation_and_single_units_are_degenerate() {
        let separated =
            bootstrap(&[0, 0, 1, 1], &[-2.0, -1.0, 1.0, 2.0], None, &BootstrapOptions::default()).unwrap();
        let auc = interval(&separated, "auc");
        assert_eq!((auc.low, auc.high, auc.degenerate), (Some(1.0), Some(1.0), true));
        let lone = bootstrap(&[0, 1, 1], &[0.5, 1.0, -1.0], None, &BootstrapOptions::default()).unwrap();
        assert!(lone.intervals.iter().all(|interval| interval.degenerate));
        let (labels, scores) = samples(60);
        let sound = bootstrap(&labels, &scores, None, &BootstrapOptions::default()).unwrap();
        assert!(!interval(&sound, "auc").degenerate);
    }

    #[test]
    fn one_class_gives_reasons_and_no_interval() {
        let found = bootstrap(&[0, 0, 0], &[-2.0, 1.0, -1.0], None, &BootstrapOptions::default()).unwrap();
        let auc = interval(&found, "auc");
        assert_eq!(
            (auc.value, auc.undefined, auc.low, auc.undefined_resamples),
            (None, Some(Undefined::NoFake), None, 2000)
        );
        let real = interval(&found, "r_acc");
        assert!(real.value.is_some() && real.low.unwrap() < real.high.unwrap());
    }

    #[test]
    fn pairing_removes_what_both_share_and_drops_incomplete_pairs() {
        let (labels, mut before) = samples(100);
        let mut after: Vec<f64> = before.iter().map(|score| score + 0.5).collect();
        before[3] = f64::NAN;
        after[6] = f64::INFINITY;
        let found = paired_difference(&labels, &before, &after, None, &BootstrapOptions::default()).unwrap();
        assert_eq!((found.real, found.fake, found.excluded), (49, 49, Excluded { real: 1, fake: 1 }));
        let auc = interval(&found, "auc");
        assert_eq!(
            (auc.value, auc.low, auc.high, auc.excludes_zero()),
            (Some(0.0), Some(0.0), Some(0.0), false)
        );
        let fake = interval(&found, "f_acc");
        assert!(fake.low.unwrap() >= 0.0 && fake.high.unwrap() < 0.4, "{fake:?}");
        assert!(
            interval(&found, "asymmetry").excludes_zero(),
            "a shift towards generated moves the asymmetry"
        );
    }

    #[test]
    fn groups_widen_the_interval_of_repeated_images() {
        let (labels, scores) = samples(40);
        let repeat = |v: &[f64]| v.iter().flat_map(|s| [*s; 5]).collect::<Vec<_>>();
        let labels5: Vec<u8> = labels.iter().flat_map(|l| [*l; 5]).collect();
        let groups: Vec<u64> = (0..40).flat_map(|group| [group; 5]).collect();
        let options = BootstrapOptions::default();
        let width = |found: Bootstrap| {
            let auc = interval(&found, "auc");
            auc.high.unwrap() - auc.low.unwrap()
        };
        let plain = width(bootstrap(&labels, &scores, None, &options).unwrap());
        let grouped = width(bootstrap(&labels5, &repeat(&scores), Some(&groups), &options).unwrap());
        let naive = width(bootstrap(&labels5, &repeat(&scores), None, &options).unwrap());
        assert_eq!(plain, grouped, "five copies of each image, drawn together, are one image");
        assert!(naive < 0.6 * grouped, "naive {naive}, grouped {grouped}");
    }

    #[test]
    fn draws_are_uniform() {
        let mut counts = [0_u32; 7];
        let mut draw = keyed(5, *b"selftest", 0);
        (0..70_000).for_each(|_| counts[draw.below(7) as usize] += 1);
        // Five standard deviations of a binomial with 70,000 draws and p = 1/7.
        assert!(counts.iter().all(|&count| (9_537..=10_463).contains(&count)), "{counts:?}");
        let mut items: Vec<u32> = (0..100).collect();
        draw.shuffle(&mut items);
        let mut sorted = items.clone();
        sorted.sort_unstable();
        assert!(sorted != items && sorted == (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn options_and_lengths_are_checked() {
        let run =
            |options, groups: Option<&[u64]>| bootstrap(&[0, 1], &[0.0, 1.0], groups, &options).unwrap_err();
        assert_eq!(run(BootstrapOptions { resamples: 0, ..Default::default() }, None).kind(), "option");
        assert_eq!(run(BootstrapOptions { confidence: 1.0, ..Default::default() }, None).kind(), "option");
        assert_eq!(run(BootstrapOptions::default(), Some(&[1])).kind(), "groups");
    }
}
