//! What a threshold does on these images.

use super::results::EvaluateOptions;
use crate::bootstrap::{Interval, Method, bootstrap};
use crate::error::Error;
use crate::metrics::{Undefined, wilson};

/// Shares above a threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AtThreshold {
    /// Share of real images above it.
    pub(super) fpr: Interval,
    /// Share of generated images above it.
    pub(super) tpr: Interval,
    /// Ends of the 95 % interval of `tpr - fpr`: above 0, it tells generated from real.
    pub(super) gain: Option<(f64, f64)>,
}

/// Shares of each class whose score is above `threshold`. Scores that are not finite take no part.
///
/// Images by themselves: Wilson's interval for each share, and Newcombe's for their difference (Statistics in Medicine
/// 17, 1998, method 10). With `groups`, whole groups are resampled.
pub(super) fn at_threshold(
    labels: &[u8],
    scores: &[f64],
    groups: Option<&[u64]>,
    threshold: f64,
    options: &EvaluateOptions,
) -> Result<AtThreshold, Error> {
    let Some(groups) = groups else {
        let count = |label: u8| {
            let of_class = labels.iter().zip(scores).filter(|(l, score)| **l == label && score.is_finite());
            let (above, below): (Vec<f64>, Vec<f64>) =
                of_class.map(|(_, score)| *score).partition(|score| *score > threshold);
            (above.len() as u64, (above.len() + below.len()) as u64)
        };
        let (real, fake) = (count(0), count(1));
        let fpr = share("fpr", real.0, real.1, Undefined::NoReal);
        let tpr = share("tpr", fake.0, fake.1, Undefined::NoFake);
        let gain = newcombe(&tpr, &fpr);
        return Ok(AtThreshold { fpr, tpr, gain });
    };
    // A verdict is a score of two values, so the accuracies at logit 0 are the shares.
    let verdicts: Vec<f64> = scores
        .iter()
        .map(|score| {
            if !score.is_finite() {
                f64::NAN
            } else if *score > threshold {
                1.0
            } else {
                -1.0
            }
        })
        .collect();
    let found = bootstrap(labels, &verdicts, Some(groups), &options.bootstrap)?;
    let metric = |name: &str| found.intervals.iter().find(|interval| interval.metric == name).cloned();
    let (Some(right), Some(tpr), Some(balanced)) =
        (metric("r_acc"), metric("f_acc"), metric("balanced_accuracy"))
    else {
        return Err(Error::Options("metrics r_acc, f_acc and balanced_accuracy are needed".to_owned()));
    };
    let fpr = Interval {
        metric: "fpr".to_owned(),
        value: right.value.map(|value| 1.0 - value),
        low: right.high.map(|high| 1.0 - high),
        high: right.low.map(|low| 1.0 - low),
        ..right
    };
    let ends = balanced.low.zip(balanced.high).filter(|_| !balanced.degenerate);
    let gain = ends.map(|(low, high)| (2.0 * low - 1.0, 2.0 * high - 1.0));
    Ok(AtThreshold { fpr, tpr: Interval { metric: "tpr".to_owned(), ..tpr }, gain })
}

/// `count` of `n` with Wilson's 95 % interval.
fn share(name: &str, count: u64, n: u64, reason: Undefined) -> Interval {
    let ends = wilson(count, n);
    Interval {
        metric: name.to_owned(),
        value: (n > 0).then(|| count as f64 / n as f64),
        undefined: (n == 0).then_some(reason),
        low: ends.map(|ends| ends.0),
        high: ends.map(|ends| ends.1),
        degenerate: false,
        resolvable: true,
        undefined_resamples: 0,
        method: Method::Wilson,
    }
}

fn newcombe(a: &Interval, b: &Interval) -> Option<(f64, f64)> {
    let (x, y) = (a.value?, b.value?);
    let low = (x - a.low?).hypot(b.high? - y);
    let high = (a.high? - x).hypot(y - b.low?);
    Some((x - y - low, x - y + high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_above_a_threshold_with_their_intervals() {
        // 56 of 70 generated and 48 of 80 real images: Newcombe's example (a), method 10: 0.0524 to 0.3339.
        let labels: Vec<u8> = (0..150).map(|i| u8::from(i < 70)).collect();
        let scores: Vec<f64> =
            (0..150).map(|i| if i < 56 || (70..118).contains(&i) { 1.5 } else { 1.0 }).collect();
        let found = at_threshold(&labels, &scores, None, 1.0, &EvaluateOptions::default()).unwrap();
        assert_eq!((found.tpr.value, found.fpr.value), (Some(0.8), Some(0.6)));
        let (low, high) = found.gain.unwrap();
        assert!((low - 0.0524).abs() < 5e-5 && (high - 0.3339).abs() < 5e-5, "{low} {high}");
        // Groups of one image: the same shares, nearly the same intervals.
        let groups: Vec<u64> = (0..150).collect();
        let grouped =
            at_threshold(&labels, &scores, Some(&groups), 1.0, &EvaluateOptions::default()).unwrap();
        assert_eq!((grouped.tpr.value, grouped.fpr.value), (Some(0.8), Some(1.0 - 0.4)));
        let near = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 0.03;
        assert!(near(grouped.fpr.low, found.fpr.low) && near(grouped.fpr.high, found.fpr.high));
        assert!((grouped.gain.unwrap().0 - low).abs() < 0.03);
    }

    #[test]
    fn a_missing_class_has_a_reason_and_scores_that_are_not_finite_take_no_part() {
        let scores = [1.0, f64::NAN, -1.0, f64::INFINITY];
        for groups in [None, Some(&[0, 1, 2, 3][..])] {
            let found = at_threshold(&[0; 4], &scores, groups, 0.0, &EvaluateOptions::default()).unwrap();
            assert_eq!((found.fpr.value, found.tpr.value, found.gain), (Some(0.5), None, None));
            assert_eq!(found.tpr.undefined, Some(Undefined::NoFake));
        }
    }
}
