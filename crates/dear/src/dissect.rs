//! Dissect: from probes to everything that channels can be ranked by.

use std::collections::BTreeSet;

use dear_image::{AugmentRole, Chain};
use serde::{Deserialize, Serialize};

use crate::dataset::Label;
use crate::detector::Detector;
use crate::error::Error;
use crate::evaluate::counted;
use crate::fragility::{AlongRanks, CleanAndPerturbed, Fragility, along_ranks, fragility};
use crate::gate::{Evidence, Gate, Ranking, gate};
use crate::observe::Observer;
use crate::probe::ProbePair;
use crate::rad::{ProbeView, Rad, RegionMoments, Reliability, rad, reliability};
use crate::recipe::Recipe;
use crate::store::{Row, Store};
use crate::views::{self, Source, ViewOptions, WholeOptions};

/// Share of the channels that counts as an extreme where fragility is set against RAD (paper: 0.2).
const EXTREME: f64 = 0.2;

/// What probes say about every channel.
#[derive(Debug, Clone)]
pub struct Dissection {
    /// Discrepancies.
    pub rad: Rad,
    /// Variance of the pooled activation over the probe views, `[C]` (`numpy.var`).
    pub variance: Vec<f64>,
    /// Fragility, where it was asked for.
    pub fragility: Option<Fragility>,
    /// The same along the ranking by RAD.
    pub along_ranks: Option<AlongRanks>,
    /// Views of the probes.
    pub probes: Vec<Row>,
    /// Views of the null probes.
    pub null: Option<Vec<Row>>,
}

/// Dissect: views of the probes, scores of all channels, and, where a chain is given or the recipe's gate ranks by it,
/// their fragility under it, measured on the whole probe images.
///
/// # Errors
/// The engine's or the store's; [`Error::Probes`]: all probes were refused; [`Error::Rad`]: no probe survived, or a score is not finite; [`Error::Fragility`].
pub fn dissect(
    detector: &Detector,
    store: &Store,
    (pairs, null_pairs): (&[ProbePair], Option<&[ProbePair]>),
    chain: Option<&Chain>,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Dissection, Error> {
    let probes = probe_views(detector, store, pairs, recipe, "dissecting probes", observer)?;
    refuse_all_refused(&probes, "probe")?;
    let null = match null_pairs {
        Some(pairs) => Some(probe_views(detector, store, pairs, recipe, "dissecting null probes", observer)?),
        None => None,
    };
    refuse_all_refused(null.as_deref().unwrap_or_default(), "null probe")?;
    let null_moments = null.as_deref().map(moments);
    let rad = rad(&moments(&probes), null_moments.as_deref(), &recipe.rad)?;
    let variance = variance(&probes, detector.channels());
    let mut dissection = Dissection { rad, variance, fragility: None, along_ranks: None, probes, null };
    let ranked = (recipe.gate.ranking == Ranking::Fragility).then_some(&recipe.gate.fragility);
    if let Some(chain) = chain.or(ranked) {
        let rows = whole_probes(detector, store, pairs, chain, recipe, observer)?;
        let pairs = both_versions(&rows);
        let found = fragility(&chain.to_string(), &pairs, (rows[0].len() - pairs.len()) as u64)?;
        dissection.along_ranks =
            Some(along_ranks(&found, &pairs, &dissection.rad.scores, EXTREME, recipe.seed));
        dissection.fragility = Some(found);
    }
    Ok(dissection)
}

/// Where nothing is left, the reason of the first refusal is the error.
fn refuse_all_refused(rows: &[Row], side: &str) -> Result<(), Error> {
    let refused: BTreeSet<&str> =
        rows.iter().filter(|row| row.error.is_some()).map(|row| row.path.as_str()).collect();
    match rows.first() {
        Some(Row { path, error: Some((kind, message)), .. })
            if rows.iter().all(|row| row.error.is_some()) =>
        {
            Err(Error::Probes {
                message: format!(
                    "{} refused, expected some that can be scored; the first: {path} ({kind}): {message}",
                    counted(refused.len() as u64, side)
                ),
                hint: "a probe is an image with a mask of its size, which has pixels above 127 and others"
                    .to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// Fragility under `chain` of the whole probe images.
///
/// # Errors
/// The engine's or the store's; [`Error::Fragility`].
pub fn fragility_of_probes(
    detector: &Detector,
    store: &Store,
    pairs: &[ProbePair],
    chain: &Chain,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Fragility, Error> {
    let rows = whole_probes(detector, store, pairs, chain, recipe, observer)?;
    let pairs = both_versions(&rows);
    Ok(fragility(&chain.to_string(), &pairs, (rows[0].len() - pairs.len()) as u64)?)
}

/// Rows of the whole probe images, as they are and under `chain`.
fn whole_probes(
    detector: &Detector,
    store: &Store,
    pairs: &[ProbePair],
    chain: &Chain,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Vec<Vec<Row>>, Error> {
    let options = WholeOptions { seed: recipe.seed, decode: recipe.decode };
    let chains = [Chain::default(), chain.clone()];
    views::whole(detector, store, &probe_sources(pairs), &chains, options, observer)
}

fn both_versions(rows: &[Vec<Row>]) -> Vec<CleanAndPerturbed<'_>> {
    let both = rows[0].iter().zip(&rows[1]).filter(|(a, b)| a.error.is_none() && b.error.is_none());
    both.map(|(a, b)| (a.pooled.as_slice(), b.pooled.as_slice())).collect()
}

/// What `dear dissect` writes and `dear prune` reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 1.
    pub schema: u32,
    /// Name of the detector.
    pub detector: String,
    /// Its backbone's hash: a gate for another one means nothing.
    pub backbone_sha256: String,
    /// Discrepancies.
    pub rad: Rad,
    /// [`Dissection::variance`]; null in older files.
    pub variance: Option<Vec<f64>>,
    /// [`Dissection::fragility`].
    pub fragility: Option<Fragility>,
    /// [`Dissection::along_ranks`].
    pub along_ranks: Option<AlongRanks>,
    /// [`Dissection::reliability`].
    pub reliability: Option<Reliability>,
}

impl Record {
    /// What channels can be ranked by.
    pub fn evidence(&self, seed: u64) -> Evidence<'_> {
        evidence(&self.rad, self.variance.as_deref(), self.fragility.as_ref(), seed)
    }
}

pub(crate) fn evidence<'a>(
    rad: &'a Rad,
    variance: Option<&'a [f64]>,
    fragility: Option<&'a Fragility>,
    seed: u64,
) -> Evidence<'a> {
    let fragility = fragility.map(|fragility| fragility.raw.as_slice());
    Evidence { rad: &rad.scores, variance, fragility, seed }
}

impl Dissection {
    /// Everything but the views.
    pub fn record(&self, detector: &Detector, recipe: &Recipe) -> Record {
        Record {
            schema: 1,
            detector: detector.metadata().name.clone(),
            backbone_sha256: detector.backbone_sha256().to_owned(),
            rad: self.rad.clone(),
            variance: Some(self.variance.clone()),
            fragility: self.fragility.clone(),
            along_ranks: self.along_ranks.clone(),
            reliability: self.reliability(recipe),
        }
    }

    /// Prune as the recipe says.
    ///
    /// # Errors
    /// [`Error::Gate`].
    pub fn gate(&self, recipe: &Recipe) -> Result<Gate, Error> {
        let evidence = evidence(&self.rad, Some(&self.variance), self.fragility.as_ref(), recipe.seed);
        Ok(gate(&evidence, &recipe.gate)?)
    }

    /// How far the scores can be relied on; `None` where fewer than two photographs were scored.
    pub fn reliability(&self, recipe: &Recipe) -> Option<Reliability> {
        let null = self.null.as_deref().map(measured);
        reliability(&measured(&self.probes), null.as_deref(), &recipe.rad, recipe.seed)
    }
}

/// Region moments of the probe views that could be made, in order; a view that no part of the mask survived is absent.
pub(crate) fn moments(rows: &[Row]) -> Vec<RegionMoments> {
    let made = rows.iter().filter(|row| row.error.is_none());
    made.map(|row| row.moments.clone().unwrap_or_else(|| RegionMoments::absent(row.pooled.len()))).collect()
}

/// The views of which some mask survived.
fn measured(rows: &[Row]) -> Vec<ProbeView<'_>> {
    let with_moments = rows.iter().filter_map(|row| Some((row, row.moments.as_ref()?)));
    with_moments
        .map(|(row, moments)| ProbeView {
            moments,
            photograph: photograph(&row.path),
            mask_share: row.mask_share.unwrap_or(0.0),
        })
        .collect()
}

/// The photograph of a probe: its stem up to the first dot, as [`ProbePair::photograph`].
fn photograph(stem: &str) -> &str {
    stem.match_indices('.').map(|(at, _)| at).find(|at| *at > 0).map_or(stem, |at| &stem[..at])
}

/// Population variance of each channel over the views that could be made; 0 where there is none.
pub(crate) fn variance(rows: &[Row], channels: usize) -> Vec<f64> {
    let made: Vec<&[f32]> =
        rows.iter().filter(|row| row.error.is_none()).map(|row| row.pooled.as_slice()).collect();
    let n = made.len().max(1) as f64;
    let of = |k: usize| {
        let mean = made.iter().map(|row| f64::from(row[k])).sum::<f64>() / n;
        made.iter().map(|row| (f64::from(row[k]) - mean).powi(2)).sum::<f64>() / n
    };
    (0..channels).map(of).collect()
}

/// Views of probes, with the moments inside and outside of the mask.
///
/// # Errors
/// As [`views::augmented`].
pub fn probe_views(
    detector: &Detector,
    store: &Store,
    pairs: &[ProbePair],
    recipe: &Recipe,
    step: &str,
    observer: &dyn Observer,
) -> Result<Vec<Row>, Error> {
    let options = ViewOptions::of(recipe, step);
    views::augmented(detector, store, &probe_sources(pairs), AugmentRole::Probe, &options, observer)
}

fn probe_sources(pairs: &[ProbePair]) -> Vec<Source> {
    let source = |pair: &ProbePair| Source {
        path: pair.image.clone(),
        key: pair.stem.clone(),
        label: Label::Generated,
        subset: "probe".to_owned(),
        mask: Some(pair.mask.clone()),
    };
    pairs.iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_of_one_photograph_are_known_by_their_stem() {
        for stem in ["a", "a.b", "a.b.c", ".a", ".a.b"] {
            let pair = ProbePair { stem: stem.to_owned(), image: "i".into(), mask: "m".into() };
            assert_eq!(photograph(stem), pair.photograph(), "{stem}");
        }
    }

    #[test]
    fn variance_is_numpys_over_the_views_that_could_be_made() {
        let row = |pooled: Vec<f32>, refused: bool| Row {
            path: "p".to_owned(),
            sha256: String::new(),
            label: Label::Generated,
            subset: "probe".to_owned(),
            view: 0,
            chain: String::new(),
            error: refused.then(|| ("corrupt".to_owned(), "x".to_owned())),
            warning: None,
            mask_share: None,
            pooled,
            moments: None,
        };
        let rows = [row(vec![1.0, 5.0], false), row(vec![3.0, 5.0], false), row(vec![], true)];
        assert_eq!(variance(&rows, 2), [1.0, 0.0]);
        assert_eq!(moments(&rows).len(), 2);
    }
}
