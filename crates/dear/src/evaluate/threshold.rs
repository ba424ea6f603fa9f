//! What a threshold does on these images.

use super::results::EvaluateOptions;
use super::table::measured;
use crate::bootstrap::{Interval, Method};
use crate::error::Error;
use crate::inference::closed_form;
use crate::metrics::{Metric, Ranking};

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
/// A verdict is a score of two values, whose accuracies at logit 0 are the shares: their intervals are closed forms, or
/// with `groups` those of [`measured`].
pub(super) fn at_threshold(
    labels: &[u8],
    scores: &[f64],
    groups: Option<&[u64]>,
    threshold: f64,
    options: &EvaluateOptions,
) -> Result<AtThreshold, Error> {
    let verdict = |score: &f64| match score {
        score if !score.is_finite() => f64::NAN,
        score if *score > threshold => 1.0,
        _ => -1.0,
    };
    let verdicts: Vec<f64> = scores.iter().map(verdict).collect();
    let ranking = Ranking::new(labels, &verdicts).map_err(|error| Error::Options(error.to_string()))?;
    let resampled = match groups {
        Some(_) => measured(labels, &verdicts, groups, options)?.intervals,
        None => Vec::new(),
    };
    let metric = |name: &str| {
        let known = resampled.iter().find(|interval| interval.metric == name).cloned();
        known
            .or_else(|| without_resampling(&ranking, name))
            .ok_or_else(|| Error::Options(format!("no metric {name:?}, expected it in the table")))
    };
    let (right, tpr, balanced) = (metric("r_acc")?, metric("f_acc")?, metric("balanced_accuracy")?);
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

fn without_resampling(ranking: &Ranking, name: &str) -> Option<Interval> {
    let measured = Metric::named(name)?.measure(ranking);
    let (low, high, degenerate, method) = match closed_form(ranking, name) {
        Some((low, high, degenerate, method)) => (Some(low), Some(high), degenerate, method),
        None => (None, None, true, Method::Wilson),
    };
    Some(Interval {
        metric: measured.metric,
        value: measured.value,
        undefined: measured.undefined,
        low,
        high,
        degenerate,
        resolvable: measured.resolvable,
        undefined_resamples: 0,
        method,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Undefined;

    #[test]
    fn shares_above_a_threshold_with_their_intervals() {
        // 56 of 70 generated and 48 of 80 real images: Newcombe's example (a), method 10: 0.0524 to 0.3339.
        let labels: Vec<u8> = (0..150).map(|i| u8::from(i < 70)).collect();
        let scores: Vec<f64> =
            (0..150).map(|i| if i < 56 || (70..118).contains(&i) { 1.5 } else { 1.0 }).collect();
        let found = at_threshold(&labels, &scores, None, 1.0, &EvaluateOptions::default()).unwrap();
        assert_eq!((found.tpr.value, found.fpr.value), (Some(0.8), Some(1.0 - 0.4)));
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
