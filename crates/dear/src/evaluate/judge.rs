//! Judge [`Scores`], wherever they come from.

use super::advice::advice;
use super::comparison::comparisons;
use super::results::{Advice, Comparison, Curve, CurvePoint, EvaluateOptions, Shape, Table};
use super::shape::shapes;
use super::table::{measured, tables};
use crate::error::Error;
use crate::observe::{Event, Observer};
use crate::scores::Scores;

/// Everything that scores say about their systems: those parts of an [`super::Evaluation`] that need no detector.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub(super) tables: Vec<Table>,
    pub(super) comparisons: Vec<Comparison>,
    pub(super) family: u32,
    pub(super) curves: Vec<Curve>,
    pub(super) shapes: Vec<Shape>,
    pub(super) advice: Vec<Advice>,
}

/// Judge `scores`.
///
/// # Errors
/// Options outside their range, or a stop.
pub(super) fn judge(
    scores: &Scores,
    options: &EvaluateOptions,
    observer: &dyn Observer,
) -> Result<Judged, Error> {
    options.check()?;
    let groups = scores.groups();
    let groups = groups.as_deref();
    let rungs: usize = scores.ladders.iter().map(|ladder| ladder.rungs.len()).sum();
    let total = (scores.tabled + rungs) * scores.systems.len();
    observer.event(Event::Started { step: "computing intervals", total: total as u64 });
    let done = || {
        observer.event(Event::Advanced { by: 1 });
        if observer.cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    };
    let mut tables_found = Vec::new();
    for chain in 0..scores.tabled {
        for system in 0..scores.systems.len() {
            tables_found.extend(tables(scores, chain, system, groups, options)?);
            done()?;
        }
    }
    let curves = curves(scores, groups, options, done)?;
    let mut shapes_found = Vec::new();
    for system in 0..scores.systems.len() {
        shapes_found.extend(shapes(scores, system, groups, options)?);
    }
    let (comparisons, family) = comparisons(scores, groups, options)?;
    let advice = advice(scores, groups, options)?;
    observer.event(Event::Finished);
    Ok(Judged { tables: tables_found, comparisons, family, curves, shapes: shapes_found, advice })
}

fn curves(
    scores: &Scores,
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
    done: impl Fn() -> Result<(), Error>,
) -> Result<Vec<Curve>, Error> {
    let labels = scores.labels();
    let mut curves = Vec::new();
    for ladder in &scores.ladders {
        for (s, system) in scores.systems.iter().enumerate() {
            let mut points = Vec::new();
            for &(level, chain) in &ladder.rungs {
                let found = measured(&labels, &scores.logits[chain][s], groups, options)?;
                points.push(CurvePoint {
                    level,
                    chain: scores.chains[chain].clone(),
                    real: found.real,
                    fake: found.fake,
                    refused_real: found.excluded.real,
                    refused_fake: found.excluded.fake,
                    metrics: found.intervals,
                });
                done()?;
            }
            curves.push(Curve {
                name: ladder.name.clone(),
                axis: ladder.axis.clone(),
                system: system.name.clone(),
                points,
            });
        }
    }
    Ok(curves)
}
