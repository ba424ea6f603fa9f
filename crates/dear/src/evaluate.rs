//! Judge detectors on a dataset: every metric with its interval, per subset and per perturbation chain, for each detector
//! and for the honest baselines that a hardened file carries.
//!
//! Two halves meet in [`Scores`]: scoring runs detectors over images, and the judge sees scores only. Result files of
//! others enter between the two.

mod advice;
mod comparison;
mod conditions;
mod judge;
mod records;
mod results;
mod scoring;
mod shape;
mod table;
mod threshold;
mod words;

pub(crate) use advice::condition;
pub use comparison::HEADLINES;
pub use conditions::{Conditions, Family};
pub use records::{records, records_parquet};
pub use results::*;
pub use table::MEAN_OVER_GENERATORS;

use std::collections::HashSet;

use rayon::prelude::*;

use crate::bootstrap::Interval;
use crate::dataset::{Dataset, Label};
use crate::detector::Detector;
use crate::error::Error;
use crate::files::sha256_hex;
use crate::observe::{Event, Observer};
use crate::scores::reference::disagreements;
use crate::scores::{FromFiles, Scores};
use crate::store::Store;

/// Judge `detectors` on `dataset` under `conditions`. Returns the evaluation and the scores that it is about.
///
/// # Errors
/// The engine's, the store's, or a stop. Images that cannot be scored are counted, never an error.
pub fn evaluate(
    detectors: &[Detector],
    dataset: &Dataset,
    conditions: &Conditions,
    store: &Store,
    options: &EvaluateOptions,
    observer: &dyn Observer,
) -> Result<(Evaluation, Scores), Error> {
    options.check()?;
    let Some(first) = detectors.first() else {
        return Err(Error::Options("no detector given, expected at least one".to_owned()));
    };
    let scores = scoring::score(detectors, dataset, conditions, store, options, observer)?;
    let data = Data {
        root: dataset.root.display().to_string(),
        skipped: dataset.skipped,
        in_other_splits: in_other_splits(dataset, &scores),
        ..data(&scores)
    };
    let mut evaluation = judged(&scores, data, None, options, observer)?;
    evaluation.detectors = detectors.iter().map(detector_record).collect();
    evaluation.engine = Some(first.info().clone());
    Ok((evaluation, scores))
}

/// Judge result files of others, and tell where what they report differs from what is found here.
///
/// # Errors
/// As [`of_scores`].
pub fn of_files(
    files: &FromFiles,
    options: &EvaluateOptions,
    observer: &dyn Observer,
) -> Result<Evaluation, Error> {
    let mut evaluation = of_scores(&files.scores, Some(files.origin.clone()), options, observer)?;
    let names: Vec<&str> = files.origin.files.iter().map(|file| file.path.as_str()).collect();
    evaluation.data.root = match names[..] {
        [] => String::new(),
        [one] => one.to_owned(),
        [first, ..] => format!("{first} and {}", counted(names.len() as u64 - 1, "more file")),
    };
    let told = disagreements(&evaluation, &files.reported);
    for message in &told {
        observer.event(Event::Warned { message });
    }
    if let (Some(origin), false) = (&mut evaluation.scores, told.is_empty()) {
        origin.warnings.extend(told);
        evaluation.words = words::words(&evaluation);
    }
    Ok(evaluation)
}

/// Judge scores of others: an evaluation without detectors and engine. `origin` says where they come from, if from files.
///
/// # Errors
/// Options outside their range, or a stop.
pub fn of_scores(
    scores: &Scores,
    origin: Option<ScoreOrigin>,
    options: &EvaluateOptions,
    observer: &dyn Observer,
) -> Result<Evaluation, Error> {
    judged(scores, data(scores), origin, options, observer)
}

fn judged(
    scores: &Scores,
    data: Data,
    origin: Option<ScoreOrigin>,
    options: &EvaluateOptions,
    observer: &dyn Observer,
) -> Result<Evaluation, Error> {
    for message in warnings(&data, origin.as_ref()) {
        observer.event(Event::Warned { message: &message });
    }
    let judged = judge::judge(scores, options, observer)?;
    let mut evaluation = Evaluation {
        schema: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data,
        detectors: Vec::new(),
        engine: None,
        scores: origin,
        options: options.clone(),
        chains: scores.chains[..scores.tabled].to_vec(),
        systems: scores.systems.clone(),
        tables: judged.tables,
        comparisons: judged.comparisons,
        family: judged.family,
        curves: judged.curves,
        shapes: judged.shapes,
        advice: judged.advice,
        words: Vec::new(),
    };
    evaluation.words = words::words(&evaluation);
    Ok(evaluation)
}

/// Images whose very bytes also stand in another split. Only files of the same length are read.
fn in_other_splits(dataset: &Dataset, scores: &Scores) -> u64 {
    let length = |path: &std::path::PathBuf| fs_err::metadata(path).ok().map(|data| data.len());
    let lengths: HashSet<u64> = dataset.samples.iter().filter_map(|sample| length(&sample.path)).collect();
    let twin = |path: &&std::path::PathBuf| length(path).is_some_and(|length| lengths.contains(&length));
    let hashes: HashSet<String> = dataset
        .elsewhere
        .par_iter()
        .filter(twin)
        .filter_map(|path| fs_err::read(path).ok())
        .map(|bytes| sha256_hex(&bytes))
        .collect();
    scores.images.iter().filter(|image| hashes.contains(&image.sha256)).count() as u64
}

/// What cannot be judged where one class is all there is.
pub(crate) fn one_class(data: &Data) -> Option<String> {
    let text = match (data.real, data.fake) {
        (0, _) => {
            "There is no real image: only the share of generated images that is found (F.Acc) is judged. False alarms, and \
             every metric that needs both classes, have no value."
        }
        (_, 0) => {
            "There is no generated image: only the share of real images that is not accused (R.Acc) is judged. What is \
             found, and every metric that needs both classes, have no value."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// `1 image`, `2 images`.
pub fn counted(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// The fewest real and the fewest generated images that a system scored under a condition with tables: what sentences about
/// all of them may speak of. Those listed where there is no table.
pub(crate) fn fewest_scored(evaluation: &Evaluation) -> [u64; 2] {
    let of_all = || evaluation.tables.iter().filter(|table| table.kind == SubsetKind::All);
    let (real, fake) = (of_all().map(|table| table.real).min(), of_all().map(|table| table.fake).min());
    [real.unwrap_or(evaluation.data.real), fake.unwrap_or(evaluation.data.fake)]
}

/// ` (of 5 listed)` where not all of those listed were scored.
pub(crate) fn of_listed(scored: u64, listed: u64) -> String {
    if scored == listed { String::new() } else { format!(" (of {listed} listed)") }
}

/// A number with so many decimals, or from a million on with an exponent: logits may have 300 digits.
pub(crate) fn decimals(value: f64, places: usize) -> String {
    if value.abs() < 1e6 { format!("{value:.places$}") } else { format!("{value:.2e}") }
}

/// [`decimals`] with the sign also of positive numbers.
pub(crate) fn signed_decimals(value: f64, places: usize) -> String {
    format!("{}{}", if value.is_sign_positive() { "+" } else { "" }, decimals(value, places))
}

/// What must be known before any number is read.
pub(crate) fn warnings(data: &Data, origin: Option<&ScoreOrigin>) -> Vec<String> {
    let mut found: Vec<String> = one_class(data).into_iter().collect();
    if data.in_both_classes > 0 {
        found.push(format!(
            "{} images stand in both classes, byte for byte. No number here can be trusted until that is mended.",
            data.in_both_classes
        ));
    }
    if data.in_other_splits > 0 {
        found.push(format!(
            "{} also {} in another split of these data, byte for byte. A detector trained there has seen {}.",
            counted(data.in_other_splits, "image"),
            if data.in_other_splits == 1 { "stands" } else { "stand" },
            if data.in_other_splits == 1 { "it" } else { "them" },
        ));
    }
    found.extend(origin.into_iter().flat_map(|origin| origin.warnings.iter().cloned()));
    found
}

fn data(scores: &Scores) -> Data {
    let scenes = scores.groups().map(|groups| groups.iter().max().map_or(0, |last| last + 1));
    let mut splits = scores.images.iter().map(|image| image.split.as_deref());
    let first = splits.next().flatten();
    let split = first.filter(|first| splits.all(|split| split == Some(*first)));
    Data {
        root: String::new(),
        split: split.map(str::to_owned),
        real: scores.count(Label::Real),
        fake: scores.count(Label::Generated),
        skipped: 0,
        in_both_classes: scores.in_both_classes(),
        in_other_splits: 0,
        scenes_known: scores.scenes_known,
        scenes,
    }
}

fn detector_record(detector: &Detector) -> DetectorRecord {
    let metadata = detector.metadata();
    let rad = metadata.rad.as_ref().and_then(|record| serde_json::to_value(record).ok());
    DetectorRecord {
        name: metadata.name.clone(),
        sha256: detector.sha256().to_owned(),
        backbone_sha256: detector.backbone_sha256().to_owned(),
        architecture: metadata.architecture.clone(),
        licence: metadata.licence.clone(),
        card: metadata.card.clone().unwrap_or_default(),
        rad: rad.and_then(|value| serde_json::from_value(value).ok()),
        pruned: metadata.gate.as_ref().map(|gate| gate.pruned.clone()).unwrap_or_default(),
        recipe: metadata.recipe.clone().unwrap_or_default(),
        head: metadata.head.clone(),
    }
}

/// `better` or `worse` only where the paired interval excludes zero; `not tested` where there is a difference and the sample
/// has no variation that would say how sure it is; else `not shown`.
pub fn verdict(difference: &Interval) -> &'static str {
    match (difference.excludes_zero(), difference.value > Some(0.0)) {
        _ if difference.untested() => "not tested",
        (true, true) => "better",
        (true, false) => "worse",
        (false, _) => "not shown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Method;

    #[test]
    fn better_is_said_only_where_the_interval_excludes_zero() {
        let difference = |value: f64, low: f64, high: f64| Interval {
            metric: "balanced_accuracy".to_owned(),
            value: Some(value),
            undefined: None,
            low: Some(low),
            high: Some(high),
            degenerate: false,
            resolvable: true,
            undefined_resamples: 0,
            method: Method::Bootstrap,
        };
        assert_eq!(verdict(&difference(0.1, 0.01, 0.2)), "better");
        assert_eq!(verdict(&difference(-0.1, -0.2, -0.01)), "worse");
        assert_eq!(verdict(&difference(0.1, -0.01, 0.2)), "not shown");
        assert_eq!(verdict(&difference(0.1, 0.0, 0.2)), "not shown");
        assert_eq!(verdict(&Interval { degenerate: true, ..difference(0.1, 0.1, 0.1) }), "not tested");
        assert_eq!(verdict(&Interval { degenerate: true, ..difference(0.0, 0.0, 0.0) }), "not shown");
    }
}
