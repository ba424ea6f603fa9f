use serde::{Deserialize, Serialize};

use super::images::Matched;
use super::{CompareOptions, Side};
use crate::bootstrap::{BootstrapOptions, Interval, Paired, paired, paired_difference, simultaneous};
use crate::dataset::Label;
use crate::error::Error;
use crate::evaluate::{Evaluation, SubsetKind};
use crate::metrics::{Better, METRICS, Metric};

/// Rounding is no regression.
const ROUNDING: f64 = 1e-9;

/// One metric of one row, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Chain.
    pub chain: String,
    /// System; its name before.
    pub system: String,
    /// Subset.
    pub subset: String,
    /// Kind of the subset.
    pub kind: SubsetKind,
    /// Metric, or `refused`: share of the listed images that were refused.
    pub metric: String,
    /// Value in the table before; null where undefined.
    pub before: Option<f64>,
    /// Value in the table after; null where undefined, or where the row is gone.
    pub after: Option<f64>,
    /// After minus before: on the images that both scored, where records say which they are, else of the tables.
    pub difference: Option<f64>,
    /// Interval of that difference, where records allow one: for everything together (`all`) simultaneous over all such rows
    /// and metrics, for other subsets each by itself.
    pub interval: Option<Interval>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// An image that a system scored before and refused after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewlyRefused {
    /// The image, as the records before name it.
    pub path: String,
    /// Its exact bytes in base64 where it is not UTF-8.
    pub path_base64: Option<String>,
    /// Chain.
    pub chain: String,
    /// System; its name before.
    pub system: String,
    /// Kind of error after.
    pub error: Option<String>,
    /// The error after, in words.
    pub message: Option<String>,
}

/// What a change comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Worse by more than the tolerance.
    Worse,
    /// The row, or its value, is there before only.
    Gone,
    /// Within the tolerance.
    Same,
    /// Better by more than the tolerance.
    Better,
    /// There after only.
    New,
}

impl Verdict {
    /// Whether it fails a check.
    pub fn is_regression(self) -> bool {
        matches!(self, Self::Worse | Self::Gone)
    }
}

/// A row of either side: a table, or a point of a severity curve.
struct Row<'a> {
    chain: &'a str,
    system: &'a str,
    subset: &'a str,
    kind: SubsetKind,
    metrics: &'a [Interval],
    listed: u64,
    refused: u64,
}

impl Row<'_> {
    fn value(&self, metric: &str) -> Option<f64> {
        self.metrics.iter().find(|interval| interval.metric == metric)?.value
    }

    fn refused_share(&self) -> Option<f64> {
        (self.listed > 0).then(|| self.refused as f64 / self.listed as f64)
    }
}

/// Whether any row is on both sides.
pub(super) fn in_common(before: &Side, after: &Side, systems: &[(String, String)]) -> bool {
    let new = rows(&after.evaluation);
    rows(&before.evaluation).iter().any(|row| counterpart(row, &new, systems).is_some())
}

/// Every row of `before` with its counterpart, then what is new.
pub(super) fn changes(
    before: &Side,
    after: &Side,
    systems: &[(String, String)],
    images: Option<&Matched>,
    options: &CompareOptions,
) -> Result<Vec<Change>, Error> {
    let (old, new) = (rows(&before.evaluation), rows(&after.evaluation));
    let asked = |row: &&Row| systems.iter().any(|(name, _)| name == row.system);
    let old: Vec<&Row> = old.iter().filter(asked).collect();
    for metric in &options.metrics {
        if !old.iter().any(|row| row.metrics.iter().any(|interval| interval.metric == *metric)) {
            return Err(Error::Options(format!("metric {metric:?} is in no table of the evaluation before")));
        }
    }
    // Images that share a scene cannot be resampled one by one: without scenes in the records there is no interval.
    let grouped = before.evaluation.data.scenes_known || after.evaluation.data.scenes_known;
    let scenes = images.filter(|_| grouped).and_then(Matched::scenes);
    let bootstrap = &before.evaluation.options.bootstrap;
    let intervals = match images.filter(|_| scenes.is_some() || !grouped) {
        Some(images) => intervals(images, scenes.as_deref(), &old, &new, systems, bootstrap, options)?,
        None => vec![Vec::new(); old.len()],
    };
    let mut changes = Vec::new();
    for (row, intervals) in old.iter().zip(&intervals) {
        let other = counterpart(row, &new, systems);
        for metric in &options.metrics {
            // The real images of a generator's row are all of them: the row `all` has their accuracy.
            if row.kind == SubsetKind::Generator && metric == "r_acc" {
                continue;
            }
            let interval = intervals.iter().find(|interval| interval.metric == *metric).cloned();
            let values = (row.value(metric), other.and_then(|other| other.value(metric)));
            changes.extend(change(row, metric, values, interval, options.tolerance));
        }
        if row.kind == SubsetKind::All {
            let values = (row.refused_share(), other.and_then(Row::refused_share));
            let gone = images.zip(other).map_or(0, |(images, other)| {
                images.newly_refused(row.chain, (row.system, other.system)).len()
            });
            if values != (Some(0.0), Some(0.0)) || gone > 0 {
                // No tolerance: each image that is newly refused is one that used to work.
                let refused = change(row, "refused", values, None, 0.0);
                let verdict = |found: Verdict| if gone > 0 { Verdict::Worse } else { found };
                changes
                    .extend(refused.map(|refused| Change { verdict: verdict(refused.verdict), ..refused }));
            }
        }
    }
    for row in &new {
        let known = |old: &&&Row| counterpart(old, std::slice::from_ref(row), systems).is_some();
        if systems.iter().any(|(_, name)| name == row.system) && !old.iter().any(|old| known(&old)) {
            for metric in &options.metrics {
                changes.extend(change(row, metric, (None, row.value(metric)), None, options.tolerance));
            }
        }
    }
    Ok(changes)
}

/// Every image that a system scored before and refused after, where records say so.
pub(super) fn newly_refused(
    before: &Side,
    after: &Side,
    systems: &[(String, String)],
    images: &Matched,
) -> Vec<NewlyRefused> {
    let (old, new) = (rows(&before.evaluation), rows(&after.evaluation));
    let mut found = Vec::new();
    for row in old.iter().filter(|row| row.kind == SubsetKind::All) {
        let Some(other) = counterpart(row, &new, systems) else { continue };
        for (record, after) in images.newly_refused(row.chain, (row.system, other.system)) {
            found.push(NewlyRefused {
                path: record.path.clone(),
                path_base64: record.path_base64.clone(),
                chain: row.chain.to_owned(),
                system: row.system.to_owned(),
                error: after.and_then(|after| after.error.clone()),
                message: after.and_then(|after| after.message.clone()),
            });
        }
    }
    found
}

/// Nothing where both sides have no value.
fn change(
    row: &Row,
    metric: &str,
    (before, after): (Option<f64>, Option<f64>),
    interval: Option<Interval>,
    tolerance: f64,
) -> Option<Change> {
    let of_tables = before.zip(after).map(|(before, after)| after - before);
    let difference = interval.as_ref().and_then(|interval| interval.value).or(of_tables);
    let verdict = match (before, after) {
        (None, None) => return None,
        (Some(_), None) => Verdict::Gone,
        (None, Some(_)) => Verdict::New,
        (Some(before), Some(after)) => {
            let gain = match Metric::named(metric).map_or(Better::Lower, |metric| metric.better) {
                Better::Higher => difference.unwrap_or(0.0),
                Better::Lower => -difference.unwrap_or(0.0),
                Better::NearZero => before.abs() - after.abs(),
            };
            if gain < -tolerance - ROUNDING {
                Verdict::Worse
            } else if gain > tolerance + ROUNDING {
                Verdict::Better
            } else {
                Verdict::Same
            }
        }
    };
    Some(Change {
        chain: row.chain.to_owned(),
        system: row.system.to_owned(),
        subset: row.subset.to_owned(),
        kind: row.kind,
        metric: metric.to_owned(),
        before,
        after,
        difference,
        interval,
        verdict,
    })
}

/// Paired differences of every old row that has a counterpart.
fn intervals(
    images: &Matched,
    scenes: Option<&[u64]>,
    old: &[&Row],
    new: &[Row],
    systems: &[(String, String)],
    bootstrap: &BootstrapOptions,
    options: &CompareOptions,
) -> Result<Vec<Vec<Interval>>, Error> {
    let labels = images.labels();
    let mut found = vec![Vec::new(); old.len()];
    let mut whole: Vec<(usize, Paired)> = Vec::new();
    for (at, row) in old.iter().enumerate() {
        let Some(other) = counterpart(row, new, systems) else { continue };
        let names = (row.system, other.system);
        let subset = row.subset;
        let logits = match row.kind {
            SubsetKind::All => images.logits(row.chain, names, |_, _| true),
            SubsetKind::Generator => {
                images.logits(row.chain, names, |label, of| label == Label::Real || of == subset)
            }
            SubsetKind::RealSet => {
                images.logits(row.chain, names, |label, of| label == Label::Real && of == subset)
            }
            // A mean of several differences, of which each row stands by itself.
            SubsetKind::MeanOverGenerators => continue,
        };
        if row.kind == SubsetKind::All {
            let pairs = paired(&labels, &[(&logits.0, &logits.1)], scenes, bootstrap)?;
            whole.extend(pairs.into_iter().map(|pair| (at, pair)));
        } else {
            found[at] = paired_difference(&labels, &logits.0, &logits.1, scenes, bootstrap)?.intervals;
        }
    }
    let metrics: Vec<usize> =
        (0..METRICS.len()).filter(|&k| options.metrics.iter().any(|name| name == METRICS[k].name)).collect();
    let family: Vec<(&Paired, usize)> =
        whole.iter().flat_map(|(_, pair)| metrics.iter().map(move |&metric| (pair, metric))).collect();
    if !family.is_empty() {
        let joint = simultaneous(&family, bootstrap)?;
        for ((at, _), intervals) in whole.iter().zip(joint.chunks(metrics.len())) {
            found[*at] = intervals.to_vec();
        }
    }
    Ok(found)
}

fn rows(evaluation: &Evaluation) -> Vec<Row<'_>> {
    let tables = evaluation.tables.iter().map(|table| Row {
        chain: &table.chain,
        system: &table.system,
        subset: &table.subset,
        kind: table.kind,
        metrics: &table.metrics,
        listed: table.real + table.fake + table.refused_real + table.refused_fake,
        refused: table.refused_real + table.refused_fake,
    });
    let points =
        evaluation.curves.iter().flat_map(|curve| curve.points.iter().map(move |point| (curve, point)));
    // A level that also has tables is in them.
    let points =
        points.filter(|(_, point)| !evaluation.chains.contains(&point.chain)).map(|(curve, point)| Row {
            chain: &point.chain,
            system: &curve.system,
            subset: "all",
            kind: SubsetKind::All,
            metrics: &point.metrics,
            listed: point.real + point.fake + point.refused_real + point.refused_fake,
            refused: point.refused_real + point.refused_fake,
        });
    tables.chain(points).collect()
}

fn counterpart<'a, 'b>(
    row: &Row,
    others: &'a [Row<'b>],
    systems: &[(String, String)],
) -> Option<&'a Row<'b>> {
    let (_, name) = systems.iter().find(|(name, _)| name == row.system)?;
    others.iter().find(|other| {
        other.chain == row.chain
            && other.system == name
            && other.subset == row.subset
            && other.kind == row.kind
    })
}
