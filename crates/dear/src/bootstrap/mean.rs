//! Means of metrics over generators that share their real images.

use super::resampler::Resampler;
use super::statistic::{Measure, Placed, Value, correct_ends, intervals, resample_metrics};
use super::{Bootstrap, BootstrapError, BootstrapOptions, check_groups};
use crate::metrics::{Excluded, Metric, Ranking, Undefined, check_samples};

/// Intervals for the mean over generators of every metric, each generator against all real images.
///
/// `part` names the generator of each generated image; a generated image without one takes no part, and what it says of
/// a real image is passed over. Real images are resampled once for all generators, generated ones within their
/// generator. With `groups` whole groups are drawn, within strata of groups that hold the same classes and generators.
///
/// A generator on which a metric is undefined makes its mean undefined, with the same reason: a mean over those that
/// happen to be defined would be another quantity. `excluded` counts samples whose score is NaN or infinite.
pub fn mean_over(
    labels: &[u8],
    scores: &[f64],
    part: &[Option<u32>],
    groups: Option<&[u64]>,
    options: &BootstrapOptions,
) -> Result<Bootstrap, BootstrapError> {
    options.check()?;
    check_samples(labels, scores)?;
    check_groups(groups, labels.len())?;
    if part.len() != labels.len() {
        return Err(BootstrapError::Parts { parts: part.len(), samples: labels.len() });
    }
    let mut generators: Vec<u32> =
        labels.iter().zip(part).filter_map(|(&label, part)| part.filter(|_| label == 1)).collect();
    generators.sort_unstable();
    generators.dedup();

    let mut excluded = Excluded::default();
    let mut taking_part = [0; 2];
    let mut kinds = Vec::with_capacity(labels.len());
    for ((&label, score), part) in labels.iter().zip(scores).zip(part) {
        // Kind 0 is real; generators follow in their order.
        let kind = match (label, *part) {
            (0, _) => Some(0),
            (_, Some(part)) => Some(1 + generators.partition_point(|&generator| generator < part) as u32),
            (_, None) => None,
        };
        if kind.is_some() && score.is_finite() {
            taking_part[usize::from(label)] += 1;
        } else if kind.is_some() {
            excluded.add(label);
        }
        kinds.push(kind.filter(|_| score.is_finite()));
    }
    let resampler = Resampler::new(&kinds, groups, options.seed);
    let placed = (1..=generators.len() as u32)
        .map(|generator| {
            let of = |(&score, &kind): (&f64, &Option<u32>)| match kind {
                Some(kind) if kind == 0 || kind == generator => score,
                _ => f64::NAN,
            };
            Placed::new(labels, &scores.iter().zip(&kinds).map(of).collect::<Vec<_>>(), &resampler)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let drawn = resample_metrics(&resampler, &placed, options, mean);
    let resolvable = |metric: &Metric| placed.iter().all(|placed| metric.resolvable(placed.ranking()));
    let mut intervals = intervals(&drawn, resampler.single_unit(), options, resolvable);
    correct_ends(&mut intervals, &placed, mean);
    Ok(Bootstrap {
        intervals,
        real: taking_part[0],
        fake: taking_part[1],
        excluded,
        units: resampler.units() as u64,
        grouped: groups.is_some(),
        options: *options,
    })
}

fn mean(rankings: &[Ranking], measure: Measure) -> Value {
    if rankings.is_empty() {
        return Err(Undefined::NoFake);
    }
    let mut sum = 0.0;
    for ranking in rankings {
        // Divided first: a sum of losses may overflow.
        sum += measure(ranking)? / rankings.len() as f64;
    }
    Ok(sum)
}
