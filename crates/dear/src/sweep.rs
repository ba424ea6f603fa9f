//! Sweep: many criteria, gates and heads on the features of one run, chosen on validation images alone.
//!
//! Every candidate is judged on whole validation images, as they are and under the recipe's conditions. The best of many is
//! flattered by having been chosen: what it is worth, only images say that took no part ([`crate::evaluate`]).

mod options;

use std::collections::HashMap;

use dear_image::Chain;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use options::{Criterion, NamedGate, NamedSolver, SweepOptions};

use crate::detector::Detector;
use crate::dissect::{evidence, fragility_of_probes, moments, probe_views, variance};
use crate::error::Error;
use crate::evaluate::counted;
use crate::fragility::Fragility;
use crate::gate::{Gate, GateOptions, Ranking, gate};
use crate::harden::{Inputs, gather_probes};
use crate::head::bias::fit_bias;
use crate::head::{self, Head, Operating, Samples, Solver};
use crate::metrics::{Metric, Ranking as Ranked};
use crate::observe::{Event, Observer};
use crate::probe::ProbePair;
use crate::rad::{Rad, RadOptions, RegionMoments, rad};
use crate::recipe::Recipe;
use crate::store::Store;
use crate::training_data::TrainingData;
use crate::training_set::split_images;

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// 1.
    pub schema: u32,
    /// Name of the detector.
    pub detector: String,
    /// Its backbone's hash.
    pub backbone_sha256: String,
    /// What was tried.
    pub options: SweepOptions,
    /// `clean`, and the recipe's conditions.
    pub conditions: Vec<String>,
    /// Validation images of each class.
    pub real: u64,
    /// See `real`.
    pub fake: u64,
    /// The detector as it was.
    pub base: Candidate,
    /// The same with its bias fitted on the whole validation images: what every new head must beat.
    pub base_bias: Candidate,
    /// Everything tried, in the order of criteria, gates and heads.
    pub candidates: Vec<Candidate>,
    /// Index of the best candidate; null where none was admitted.
    pub chosen: Option<usize>,
    /// Candidates that were admitted and whose score is within one standard error of the best.
    pub within_one_error: u64,
}

/// A head and how it is judged on validation images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name of the criterion; null for gates that do not look at RAD.
    pub criterion: Option<String>,
    /// Name of the gate.
    pub gate: String,
    /// What the gate ranks by.
    pub ranking: Ranking,
    /// Name of the head.
    pub head: String,
    /// Channels kept.
    pub kept: u64,
    /// One entry for each condition; empty where there is no head.
    pub judged: Vec<Judged>,
    /// Mean over the conditions of the metric chosen by; null where it is undefined.
    pub score: Option<f64>,
    /// Whether R.Acc lost no more than allowed.
    pub admitted: bool,
    /// Why there is no head.
    pub error: Option<String>,
}

/// A head under one condition. Shares; null where undefined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Share of real images called real.
    pub r_acc: Option<f64>,
    /// Share of generated images called generated.
    pub f_acc: Option<f64>,
    /// Their mean.
    pub balanced_accuracy: Option<f64>,
    /// Area under the ROC curve.
    pub auc: Option<f64>,
    /// TPR at 5 % FPR.
    pub tpr_at_5_fpr: Option<f64>,
    /// The metric chosen by.
    pub chosen_by: Option<f64>,
}

/// Try everything and choose. Features of all steps stay in `inputs.work`.
///
/// # Errors
/// The first step that fails; a candidate that cannot be trained is recorded, and ends the sweep only where none can. Where
/// none is admitted there is no recipe, and [`Sweep::none_admitted`] says why.
pub fn sweep(
    detector: &Detector,
    inputs: &Inputs,
    recipe: &Recipe,
    options: &SweepOptions,
    observer: &dyn Observer,
) -> Result<(Sweep, Option<Recipe>), Error> {
    recipe.check()?;
    options.check()?;
    // Views are made once.
    if let Some(other) = options.criteria.iter().find(|criterion| criterion.rad.mask != recipe.rad.mask) {
        return Err(Error::Recipe(format!(
            "criterion {:?} reads masks as {:?}, expected {:?} as the recipe does",
            other.name, other.rad.mask, recipe.rad.mask
        )));
    }
    let store = Store::new(&inputs.work.join("features"));
    let split = split_images(&inputs.images, recipe)?;
    let mut gathering = recipe.clone();
    gathering.rad.subtract_null = options.needs_null();
    let (pairs, null_pairs, _) = gather_probes(inputs, &split, &gathering, observer)?;
    let views = |pairs: &[ProbePair], step| probe_views(detector, &store, pairs, recipe, step, observer);
    let probes = views(&pairs, "dissecting probes")?;
    let null = null_pairs.as_deref().map(|pairs| views(pairs, "dissecting null probes")).transpose()?;
    let fragilities = fragilities(detector, &store, &pairs, recipe, options, observer)?;
    let measured = Measured {
        probes: moments(&probes),
        null: null.as_deref().map(moments),
        variance: variance(&probes, detector.channels()),
        fragilities,
    };
    let gates = gates(&measured, recipe, options)?;

    let solvers: Vec<&Solver> = options.heads.iter().map(|named| &named.head).collect();
    let data = TrainingData::gather(detector, &store, &split, Some(&probes), &solvers, recipe, observer)?
        .with_conditions(detector, &store, &split, recipe, observer)?;
    let operating = data.operating();

    let judge = Judge::new(&operating, detector.head(), options)?;
    let candidates = candidates(&gates, &data, &operating, &judge, options, observer)?;
    let (chosen, within_one_error) = choose(&candidates, &judge);
    let chosen_recipe = chosen.map(|chosen| recipe_of(&candidates[chosen], &gates, recipe, options));
    let (real, fake) = judge.counts();
    let found = Sweep {
        schema: 1,
        detector: detector.metadata().name.clone(),
        backbone_sha256: detector.backbone_sha256().to_owned(),
        options: options.clone(),
        conditions: operating.iter().map(|set| set.name.to_owned()).collect(),
        real,
        fake,
        base: judge.unmoved("base", detector.head()),
        base_bias: judge.unmoved("base + bias", &judge.biased(detector.head())?),
        candidates,
        chosen,
        within_one_error,
    };
    Ok((found, chosen_recipe))
}

/// The recipe that makes a candidate.
fn recipe_of(best: &Candidate, gates: &[Tried], recipe: &Recipe, options: &SweepOptions) -> Recipe {
    let mut recipe = recipe.clone();
    let of_best = |tried: &&Tried| tried.criterion == best.criterion && tried.gate == best.gate;
    if let Some(tried) = gates.iter().find(of_best) {
        recipe.rad = tried.rad;
        recipe.gate = tried.options.clone();
    }
    if let Some(named) = options.heads.iter().find(|named| named.name == best.head) {
        recipe.head = named.head.clone();
    }
    recipe
}

impl Sweep {
    /// Why there is no chosen candidate.
    pub fn none_admitted(&self) -> Error {
        Error::Images {
            message: format!(
                "none of {} keeps R.Acc within {} points of the detector as it was under every condition",
                counted(self.candidates.len() as u64, "candidate"),
                self.options.max_r_acc_loss.unwrap_or(100.0)
            ),
            hint: "raise --max-r-acc-loss, or sweep heads with a balance; sweep.html shows what each loses"
                .to_owned(),
        }
    }
}

/// Fragility under each chain that some gate ranks by.
fn fragilities(
    detector: &Detector,
    store: &Store,
    pairs: &[ProbePair],
    recipe: &Recipe,
    options: &SweepOptions,
    observer: &dyn Observer,
) -> Result<Vec<(Chain, Fragility)>, Error> {
    let mut found: Vec<(Chain, Fragility)> = Vec::new();
    for named in options.gates.iter().filter(|named| named.gate.ranking == Ranking::Fragility) {
        let chain = &named.gate.fragility;
        if found.iter().all(|(other, _)| other != chain) {
            let fragility = fragility_of_probes(detector, store, pairs, chain, recipe, observer)?;
            found.push((chain.clone(), fragility));
        }
    }
    Ok(found)
}

/// What channels can be ranked by.
struct Measured {
    probes: Vec<RegionMoments>,
    null: Option<Vec<RegionMoments>>,
    variance: Vec<f64>,
    fragilities: Vec<(Chain, Fragility)>,
}

/// A gate and where it comes from.
struct Tried {
    criterion: Option<String>,
    rad: RadOptions,
    gate: String,
    options: GateOptions,
    made: Gate,
}

/// All gates: those that look at RAD once for each criterion, the others once.
fn gates(measured: &Measured, recipe: &Recipe, options: &SweepOptions) -> Result<Vec<Tried>, Error> {
    let Measured { probes, null, variance, fragilities } = measured;
    let scored =
        |criterion: &Criterion| -> Result<Rad, Error> { Ok(rad(probes, null.as_deref(), &criterion.rad)?) };
    let scores: Vec<Rad> = options.criteria.iter().map(scored).collect::<Result<_, _>>()?;
    let mut tried = Vec::new();
    for named in &options.gates {
        let by_rad = matches!(named.gate.ranking, Ranking::Rad | Ranking::Magnitude);
        for (criterion, rad) in options.criteria.iter().zip(&scores).take(if by_rad { usize::MAX } else { 1 })
        {
            let of_chain = fragilities.iter().find(|(chain, _)| *chain == named.gate.fragility);
            let fragility = of_chain.map(|(_, fragility)| fragility);
            let evidence = evidence(rad, Some(variance), fragility, recipe.seed);
            tried.push(Tried {
                criterion: by_rad.then(|| criterion.name.clone()),
                rad: if by_rad { criterion.rad } else { recipe.rad },
                gate: named.name.clone(),
                options: named.gate.clone(),
                made: gate(&evidence, &named.gate)?,
            });
        }
    }
    Ok(tried)
}

/// Heads trained between two looks at the observer.
const TOGETHER: usize = 8;

/// Train and judge every gate with every head; equal gates are trained once.
fn candidates(
    gates: &[Tried],
    data: &TrainingData,
    operating: &[Operating],
    judge: &Judge,
    options: &SweepOptions,
    observer: &dyn Observer,
) -> Result<Vec<Candidate>, Error> {
    let mut jobs: Vec<(&[bool], usize, &Gate)> = Vec::new();
    let mut job_of: HashMap<(&[bool], usize), usize> = HashMap::new();
    for tried in gates {
        for solver in 0..options.heads.len() {
            job_of.entry((&tried.made.keep, solver)).or_insert_with(|| {
                jobs.push((&tried.made.keep, solver, &tried.made));
                jobs.len() - 1
            });
        }
    }
    observer.event(Event::Started { step: "training heads", total: jobs.len() as u64 });
    let mut heads = Vec::with_capacity(jobs.len());
    for part in jobs.chunks(TOGETHER) {
        if observer.cancelled() {
            return Err(Error::Interrupted);
        }
        heads.par_extend(part.par_iter().map(|&(_, solver, gate)| {
            head::train(&data.training(gate, operating), &options.heads[solver].head)
                .map(|trained| trained.head)
        }));
        observer.event(Event::Advanced { by: part.len() as u64 });
    }
    observer.event(Event::Finished);
    if heads.iter().all(Result::is_err)
        && let Some(Err(error)) = heads.first()
    {
        return Err(error.clone().into());
    }
    let mut candidates = Vec::new();
    for tried in gates {
        for (solver, named) in options.heads.iter().enumerate() {
            let trained = &heads[job_of[&(tried.made.keep.as_slice(), solver)]];
            let empty = Candidate {
                criterion: tried.criterion.clone(),
                gate: tried.gate.clone(),
                ranking: tried.options.ranking,
                head: named.name.clone(),
                kept: tried.made.kept() as u64,
                judged: Vec::new(),
                score: None,
                admitted: false,
                error: None,
            };
            candidates.push(match trained {
                Ok(head) => judge.candidate(head, empty),
                Err(error) => Candidate { error: Some(error.to_string()), ..empty },
            });
        }
    }
    Ok(candidates)
}

/// The best that was admitted (ties: the first), and how many are within one standard error of it.
fn choose(candidates: &[Candidate], judge: &Judge) -> (Option<usize>, u64) {
    let admitted = || {
        let scored = candidates.iter().enumerate().filter(|(_, candidate)| candidate.admitted);
        scored.filter_map(|(index, candidate)| Some((index, candidate.score?)))
    };
    let Some((chosen, score)) = admitted().reduce(|best, next| if next.1 > best.1 { next } else { best })
    else {
        return (None, 0);
    };
    let error = judge.standard_error(&candidates[chosen]);
    (Some(chosen), admitted().filter(|(_, other)| *other >= score - error).count() as u64)
}

/// Judges heads on whole validation images.
struct Judge<'a> {
    sets: &'a [Operating<'a>],
    metric: &'static Metric,
    base_r_acc: Vec<Option<f64>>,
    max_loss: Option<f64>,
}

impl<'a> Judge<'a> {
    fn new(sets: &'a [Operating<'a>], base: &Head, options: &SweepOptions) -> Result<Self, Error> {
        let unknown =
            || Error::Recipe(format!("choose is {:?}, expected the name of a metric", options.choose));
        let metric = Metric::named(&options.choose).ok_or_else(unknown)?;
        let mut judge = Self { sets, metric, base_r_acc: Vec::new(), max_loss: options.max_r_acc_loss };
        judge.base_r_acc = judge.judged(base).iter().map(|judged| judged.r_acc).collect();
        Ok(judge)
    }

    fn samples(&self) -> impl Iterator<Item = Samples<'a>> {
        self.sets.iter().map(|set| set.samples)
    }

    fn counts(&self) -> (u64, u64) {
        let labels = self.sets.first().map_or(&[][..], |set| set.samples.labels);
        let fake = labels.iter().filter(|&&label| label == 1).count();
        ((labels.len() - fake) as u64, fake as u64)
    }

    fn judged(&self, head: &Head) -> Vec<Judged> {
        let one = |samples: Samples| {
            let ranking = Ranked::new(samples.labels, &head.logits(samples)).ok();
            let value = |name: &str| Metric::named(name)?.measure(ranking.as_ref()?).value;
            Judged {
                r_acc: value("r_acc"),
                f_acc: value("f_acc"),
                balanced_accuracy: value("balanced_accuracy"),
                auc: value("auc"),
                tpr_at_5_fpr: value("tpr_at_5_fpr"),
                chosen_by: value(self.metric.name),
            }
        };
        self.samples().map(one).collect()
    }

    fn candidate(&self, head: &Head, candidate: Candidate) -> Candidate {
        let judged = self.judged(head);
        let values: Option<Vec<f64>> = judged.iter().map(|judged| judged.chosen_by).collect();
        let lost =
            |(now, before): (&Judged, &Option<f64>)| before.zip(now.r_acc).map(|(b, n)| 100.0 * (b - n));
        let losses: Vec<f64> = judged.iter().zip(&self.base_r_acc).filter_map(lost).collect();
        // A point is a hundredth; 1e-9 is the rounding of shares.
        let admitted = self.max_loss.is_none_or(|most| losses.iter().all(|loss| *loss <= most + 1e-9));
        let score = values.map(|values| values.iter().sum::<f64>() / values.len() as f64);
        Candidate { judged, score, admitted, ..candidate }
    }

    fn unmoved(&self, name: &str, head: &Head) -> Candidate {
        let empty = Candidate {
            criterion: None,
            gate: "none".to_owned(),
            ranking: Ranking::None,
            head: name.to_owned(),
            kept: head.weight.len() as u64,
            judged: Vec::new(),
            score: None,
            admitted: false,
            error: None,
        };
        self.candidate(head, empty)
    }

    /// The head with the bias that is best over all conditions together.
    fn biased(&self, head: &Head) -> Result<Head, Error> {
        let logits: Vec<f64> = self.samples().flat_map(|samples| head.logits(samples)).collect();
        let labels: Vec<u8> = self.samples().flat_map(|samples| samples.labels.iter().copied()).collect();
        let fit = fit_bias(&logits, &labels)?;
        Ok(Head { weight: head.weight.clone(), bias: (f64::from(head.bias) + fit.shift) as f32 })
    }

    /// Standard error of the mean of R.Acc and F.Acc over the conditions, whose images are the same and so do not average
    /// out: the yardstick for differences of any metric in shares.
    fn standard_error(&self, candidate: &Candidate) -> f64 {
        let (real, fake) = self.counts();
        let variance = |share: Option<f64>, n: u64| share.map_or(0.0, |p| p * (1.0 - p) / n.max(1) as f64);
        let of = |judged: &Judged| (variance(judged.r_acc, real) + variance(judged.f_acc, fake)).sqrt() / 2.0;
        candidate.judged.iter().map(of).sum::<f64>() / candidate.judged.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests;
