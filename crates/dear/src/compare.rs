//! Before and after a change of version: two evaluations of the same images, row by row, for people and for CI.
//!
//! Rows are matched by chain, system and subset. A metric that gets worse by more than the tolerance, a row or a value that
//! is gone, and images newly refused are regressions. Where both evaluations left their records, the images are matched by
//! path and content, and each difference is that of the images which both scored, with its interval. Evaluations of
//! different images are not compared at all.

mod images;
mod markdown;
mod rows;
mod side;

use serde::{Deserialize, Serialize};

pub use images::Images;
pub use markdown::markdown;
pub use rows::{Change, NewlyRefused, Verdict};
pub use side::Side;

use crate::error::Error;
use crate::evaluate::Evaluation;
use crate::metrics::{METRICS, Metric};

/// How two evaluations are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompareOptions {
    /// A metric may get worse by this much (default 0.01: one point of a share).
    pub tolerance: f64,
    /// Metrics compared. Default: AUC, R.Acc, F.Acc, balanced accuracy.
    pub metrics: Vec<String>,
    /// Systems compared, name before and name after; all that share a name, if empty (the default).
    pub systems: Vec<(String, String)>,
}

impl Default for CompareOptions {
    fn default() -> Self {
        let metrics = ["auc", "r_acc", "f_acc", "balanced_accuracy"];
        Self { tolerance: 0.01, metrics: metrics.map(str::to_owned).to_vec(), systems: Vec::new() }
    }
}

impl CompareOptions {
    /// Refuse values outside their range.
    ///
    /// # Errors
    /// [`Error::Options`] naming the option.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            let found = self.tolerance;
            return Err(Error::Options(format!("tolerance is {found}, expected a number of at least 0")));
        }
        match self.metrics.iter().find(|name| Metric::named(name).is_none()) {
            Some(unknown) => {
                let known: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
                Err(Error::Options(format!(
                    "metric {unknown:?} is unknown, expected one of {}",
                    known.join(", ")
                )))
            }
            None if self.metrics.is_empty() => {
                Err(Error::Options("no metric given, expected at least one".to_owned()))
            }
            None => Ok(()),
        }
    }
}

/// What changed between two evaluations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Version of this document.
    pub schema: u32,
    /// What it comes to.
    pub outcome: Outcome,
    /// Why the two cannot be compared; empty where they can.
    pub reasons: Vec<String>,
    /// What is different about how they were made.
    pub differs: Vec<Differs>,
    /// How the images match; null where a side has no records, and only counts could be compared.
    pub images: Option<Images>,
    /// One entry for each row and metric; empty where the two cannot be compared.
    pub rows: Vec<Change>,
    /// Images that a system scored before and refused after; each is a regression. Empty where a side has no records.
    #[serde(default)]
    pub newly_refused: Vec<NewlyRefused>,
    /// Options in force.
    pub options: CompareOptions,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing got worse beyond the tolerance.
    Fine,
    /// Something did, or is gone.
    Regression,
    /// Different data, or nothing in common.
    NotComparable,
}

/// Something that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differs {
    /// What.
    pub what: String,
    /// Before.
    pub before: String,
    /// After.
    pub after: String,
}

/// Compare `after` with `before`.
///
/// # Errors
/// An option outside its range, or a metric or system that `before` does not have.
pub fn compare(before: &Side, after: &Side, options: &CompareOptions) -> Result<Changes, Error> {
    options.check()?;
    let systems = systems(&before.evaluation, &after.evaluation, options)?;
    let images = images::matched(before, after);
    let mut reasons = different_data(&before.evaluation, &after.evaluation);
    if let Some(matched) = &images {
        reasons.extend(matched.images.reasons());
    }
    if reasons.is_empty() && !rows::in_common(before, after, &systems) {
        reasons.push(nothing_in_common(&before.evaluation, &after.evaluation));
    }
    let rows = match reasons.is_empty() {
        true => rows::changes(before, after, &systems, images.as_ref(), options)?,
        false => Vec::new(),
    };
    let newly_refused = match &images {
        Some(images) if reasons.is_empty() => rows::newly_refused(before, after, &systems, images),
        _ => Vec::new(),
    };
    let worse = !newly_refused.is_empty() || rows.iter().any(|row| row.verdict.is_regression());
    let outcome = match (reasons.is_empty(), worse) {
        (false, _) => Outcome::NotComparable,
        (true, true) => Outcome::Regression,
        (true, false) => Outcome::Fine,
    };
    Ok(Changes {
        schema: 1,
        outcome,
        reasons,
        differs: differs(&before.evaluation, &after.evaluation),
        images: images.map(|matched| matched.images),
        rows,
        newly_refused,
        options: options.clone(),
    })
}

/// Pairs of names: as asked for, else every system of `before` with its own name.
fn systems(
    before: &Evaluation,
    after: &Evaluation,
    options: &CompareOptions,
) -> Result<Vec<(String, String)>, Error> {
    let names = |evaluation: &Evaluation| -> Vec<String> {
        evaluation.systems.iter().map(|system| system.name.clone()).collect()
    };
    for (old, new) in &options.systems {
        for (name, evaluation, side) in [(old, before, "before"), (new, after, "after")] {
            let known = names(evaluation);
            if !known.contains(name) {
                let known = known.join(", ");
                return Err(Error::Options(format!(
                    "system {name:?} is not in the evaluation {side}, expected one of {known}"
                )));
            }
        }
    }
    if options.systems.is_empty() {
        return Ok(names(before).into_iter().map(|name| (name.clone(), name)).collect());
    }
    Ok(options.systems.clone())
}

/// Different numbers of images cannot be the same images.
fn different_data(before: &Evaluation, after: &Evaluation) -> Vec<String> {
    let (old, new) = (&before.data, &after.data);
    [("real", old.real, new.real), ("generated", old.fake, new.fake)]
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(class, before, after)| format!("{before} {class} images before, {after} after"))
        .collect()
}

fn nothing_in_common(before: &Evaluation, after: &Evaluation) -> String {
    let sides = [before, after].map(|evaluation| {
        let systems: Vec<&str> = evaluation.systems.iter().map(|system| system.name.as_str()).collect();
        format!("systems {} under {}", systems.join(", "), evaluation.chains.join("; "))
    });
    format!("no table in common: before {}, after {}", sides[0], sides[1])
}

/// Versions, engines, detectors, data and options that are not the same.
fn differs(before: &Evaluation, after: &Evaluation) -> Vec<Differs> {
    let mut found = Vec::new();
    let mut add = |what: String, before: String, after: String| {
        if before != after {
            found.push(Differs { what, before, after });
        }
    };
    let engine = |evaluation: &Evaluation| match &evaluation.engine {
        // Threads and a library passed over change no number.
        Some(engine) => {
            format!("{} {}, {}, {}", engine.name, engine.version, engine.provider, engine.precision)
        }
        None => "none".to_owned(),
    };
    add("dear".to_owned(), before.version.clone(), after.version.clone());
    add("engine".to_owned(), engine(before), engine(after));
    add("data".to_owned(), before.data.root.clone(), after.data.root.clone());
    add("seed".to_owned(), before.options.seed.to_string(), after.options.seed.to_string());
    let bootstrap = |evaluation: &Evaluation| {
        let options = evaluation.options.bootstrap;
        format!("{} resamples, {} confidence, seed {}", options.resamples, options.confidence, options.seed)
    };
    add("bootstrap".to_owned(), bootstrap(before), bootstrap(after));
    let target = |evaluation: &Evaluation| evaluation.options.target_fpr.to_string();
    add("target FPR".to_owned(), target(before), target(after));
    let scores = |evaluation: &Evaluation| match &evaluation.scores {
        Some(scores) => {
            let files: Vec<&str> = scores.files.iter().map(|file| file.sha256.as_str()).collect();
            format!("{} ({})", files.join(" "), scores.unit)
        }
        None => "none".to_owned(),
    };
    add("score files".to_owned(), scores(before), scores(after));
    let detector = |evaluation: &Evaluation, name: &str| {
        let found = evaluation.detectors.iter().find(|detector| detector.name == name);
        found.map_or("none".to_owned(), |detector| detector.sha256.clone())
    };
    let mut names: Vec<&str> = Vec::new();
    for found in before.detectors.iter().chain(&after.detectors) {
        if !names.contains(&found.name.as_str()) {
            names.push(&found.name);
        }
    }
    for name in names {
        add(format!("detector {name}, sha256"), detector(before, name), detector(after, name));
    }
    found
}

#[cfg(test)]
mod tests;
