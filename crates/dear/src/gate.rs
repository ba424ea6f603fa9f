//! Prune: the bilateral gate (paper section 3.2), its ablations and its controls.
//!
//! A gate says for each channel whether it is kept. The paper prunes both extremes of the discrepancy, which
//! carry the most and are the most fragile. Gate, average pool and linear unit are all linear, so a gate is
//! applied by training a head whose pruned weights are zero: it costs nothing at run time.

use dear_image::{Chain, Draw};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bootstrap::quantile;

/// Which channels are kept, `[C]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// True for a kept channel.
    pub keep: Vec<bool>,
    /// Channels pruned for a high score (0 where the gate does not come from a ranking).
    pub n_top: usize,
    /// Channels pruned for a low score (0 where the gate does not come from a ranking).
    pub n_bottom: usize,
}

impl Gate {
    /// The gate that keeps everything: head-only refinement, the control that shows what pruning adds.
    pub fn none(channels: usize) -> Self {
        Self { keep: vec![true; channels], n_top: 0, n_bottom: 0 }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.keep.len()
    }

    /// Number of kept channels.
    pub fn kept(&self) -> usize {
        self.keep.iter().filter(|&&keep| keep).count()
    }

    /// Number of pruned channels.
    pub fn pruned(&self) -> usize {
        self.channels() - self.kept()
    }
}

/// Which channels are pruned: what ranks them, and how much goes at each end of the ranking.
///
/// In a recipe: `[gate] ranking = "rad"` with `prune_top` and `prune_bottom`, or with `percentiles = [20, 80]`, or with
/// `thresholds = [-0.1, 0.2]` in their place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GateText", into = "GateText")]
pub struct GateOptions {
    /// What the channels are ranked by (default: RAD, as in the paper).
    pub ranking: Ranking,
    /// How much goes (default: a fifth at each end).
    pub cut: Cut,
    /// The perturbation under which [`Ranking::Fragility`] is measured (default `paper`).
    pub fragility: Chain,
    /// Key of [`Ranking::Random`] (default: the recipe's seed).
    pub seed: Option<u64>,
}

/// What channels are ranked by, from high to low.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// The discrepancy S.
    #[default]
    Rad,
    /// Its absolute value: the top are both extremes, in whatever shares they come.
    Magnitude,
    /// Mean squared change of the pooled activation under a perturbation ([`crate::fragility`]).
    Fragility,
    /// Variance of the pooled activation over the probe views.
    Variance,
    /// Random numbers, keyed by the recipe's seed: the control.
    Random,
    /// Nothing is pruned: the control that shows what a new head does alone.
    None,
}

impl Ranking {
    /// The name used in options, records and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rad => "rad",
            Self::Magnitude => "magnitude",
            Self::Fragility => "fragility",
            Self::Variance => "variance",
            Self::Random => "random",
            Self::None => "none",
        }
    }
}

/// How much of a ranking is pruned at each end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    /// Fractions of the channels (paper section 4.1: 0.2 and 0.2 for DEAR-c, 0.3 and 0.3 for DEAR-r). A fraction of 0 at
    /// one end prunes the other only: the paper's positive-only and negative-only ablations.
    Fractions {
        /// Fraction pruned among the highest scores.
        top: f64,
        /// Fraction pruned among the lowest scores.
        bottom: f64,
    },
    /// The paper's alpha_low and alpha_high: scores below the first percentile or above the second go
    /// (`numpy.percentile`, linear between the scores).
    Percentiles {
        /// In per cent.
        low: f64,
        /// In per cent.
        high: f64,
    },
    /// Scores below the first number or above the second go.
    Thresholds {
        /// In the ranking's unit.
        low: f64,
        /// In the ranking's unit.
        high: f64,
    },
}

/// Fraction at each end (DEAR-c, paper section 4.1).
const FRACTION: f64 = 0.2;

impl Default for Cut {
    fn default() -> Self {
        Self::Fractions { top: FRACTION, bottom: FRACTION }
    }
}

impl Default for GateOptions {
    fn default() -> Self {
        let fragility = Chain::parse("paper").expect("`paper` is a chain");
        Self { ranking: Ranking::default(), cut: Cut::default(), fragility, seed: None }
    }
}

impl GateOptions {
    /// The paper's gate with these fractions.
    pub fn fractions(top: f64, bottom: f64) -> Self {
        Self { cut: Cut::Fractions { top, bottom }, ..Self::default() }
    }

    /// Refuse fractions outside of [0, 1), bounds that are no ascending numbers, and cuts that leave nothing.
    ///
    /// # Errors
    /// [`GateError`], all but those of scores.
    pub fn check(&self) -> Result<(), GateError> {
        match self.cut {
            Cut::Fractions { top, bottom } => {
                for (key, found) in [("prune_top", top), ("prune_bottom", bottom)] {
                    if !(0.0..1.0).contains(&found) {
                        return Err(GateError::Fraction { key, found });
                    }
                }
                if top + bottom >= 1.0 {
                    return Err(GateError::NothingLeft { prune_top: top, prune_bottom: bottom });
                }
            }
            Cut::Percentiles { low, high } => {
                let within = (0.0..=100.0).contains(&low) && (0.0..=100.0).contains(&high);
                if !within || low >= high {
                    let expected = "two ascending numbers from 0 to 100";
                    return Err(GateError::Bounds { key: "percentiles", low, high, expected });
                }
            }
            Cut::Thresholds { low, high } => {
                // No JSON has an infinite one.
                if !low.is_finite() || !high.is_finite() || low >= high {
                    let expected = "two ascending finite numbers";
                    return Err(GateError::Bounds { key: "thresholds", low, high, expected });
                }
            }
        }
        if self.ranking == Ranking::Random && !matches!(self.cut, Cut::Fractions { .. }) {
            return Err(GateError::RandomCut);
        }
        Ok(())
    }

    /// What was done, for records and tables: `bilateral RAD` for the paper's gate.
    pub fn criterion(&self) -> String {
        match (self.ranking, self.cut) {
            (Ranking::None, _) => "none".to_owned(),
            (Ranking::Rad, Cut::Fractions { top, bottom }) if top > 0.0 && bottom > 0.0 => {
                "bilateral RAD".to_owned()
            }
            (Ranking::Rad, Cut::Fractions { bottom, .. }) if bottom > 0.0 => "negative-only RAD".to_owned(),
            (Ranking::Rad, Cut::Fractions { .. }) => "positive-only RAD".to_owned(),
            (ranking, Cut::Fractions { .. }) => ranking.as_str().to_owned(),
            (ranking, Cut::Percentiles { low, high }) => {
                format!("{} by percentiles {low} and {high}", ranking.as_str())
            }
            (ranking, Cut::Thresholds { low, high }) => {
                format!("{} by thresholds {low} and {high}", ranking.as_str())
            }
        }
    }
}

/// [`GateOptions`] as a recipe has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GateText {
    #[serde(default)]
    ranking: Ranking,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune_top: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune_bottom: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentiles: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thresholds: Option<[f64; 2]>,
    #[serde(default = "paper")]
    fragility: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

fn paper() -> String {
    "paper".to_owned()
}

impl TryFrom<GateText> for GateOptions {
    type Error = String;

    fn try_from(text: GateText) -> Result<Self, String> {
        let fractions = text.prune_top.is_some() || text.prune_bottom.is_some();
        let cut = match (text.percentiles, text.thresholds) {
            (None, None) => Cut::Fractions {
                top: text.prune_top.unwrap_or(FRACTION),
                bottom: text.prune_bottom.unwrap_or(FRACTION),
            },
            (Some([low, high]), None) if !fractions => Cut::Percentiles { low, high },
            (None, Some([low, high])) if !fractions => Cut::Thresholds { low, high },
            _ => {
                return Err(
                    "gate: more than one of prune_top with prune_bottom, percentiles, and thresholds is given, expected one"
                        .to_owned(),
                );
            }
        };
        let fragility = Chain::parse(&text.fragility).map_err(|error| format!("gate.fragility: {error}"))?;
        Ok(Self { ranking: text.ranking, cut, fragility, seed: text.seed })
    }
}

impl From<GateOptions> for GateText {
    fn from(options: GateOptions) -> Self {
        let mut text = Self {
            ranking: options.ranking,
            prune_top: None,
            prune_bottom: None,
            percentiles: None,
            thresholds: None,
            fragility: options.fragility.to_string(),
            seed: options.seed,
        };
        match options.cut {
            Cut::Fractions { top, bottom } => {
                (text.prune_top, text.prune_bottom) = (Some(top), Some(bottom));
            }
            Cut::Percentiles { low, high } => text.percentiles = Some([low, high]),
            Cut::Thresholds { low, high } => text.thresholds = Some([low, high]),
        }
        text
    }
}

/// Why there is no gate.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum GateError {
    /// A fraction is out of range.
    #[error("gate option {key:?} is {found}, expected a fraction in [0, 1)")]
    Fraction {
        /// The option's name.
        key: &'static str,
        /// Its value.
        found: f64,
    },
    /// The two fractions together prune everything.
    #[error(
        "prune_top {prune_top} and prune_bottom {prune_bottom} prune every channel, expected a sum below 1"
    )]
    NothingLeft {
        /// Fraction of high scores.
        prune_top: f64,
        /// Fraction of low scores.
        prune_bottom: f64,
    },
    /// Percentiles or thresholds are out of range.
    #[error("gate option {key:?} is {low} and {high}, expected {expected}")]
    Bounds {
        /// The option's name.
        key: &'static str,
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A random ranking has no unit to cut at.
    #[error("a random gate is cut by percentiles or thresholds, expected prune_top and prune_bottom")]
    RandomCut,
    /// The bounds are such that no score lies between them.
    #[error("no score lies from {low} to {high}, so every channel is pruned, expected at least one kept")]
    AllPruned {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// What the ranking needs was not measured.
    #[error("no {what} of the channels was measured, expected one number for each channel")]
    NotMeasured {
        /// "fragility" or "variance".
        what: &'static str,
    },
    /// Numbers of other channels, or a file that was cut.
    #[error("{what} has {found} numbers, expected {expected}, one for each score")]
    Length {
        /// "fragility" or "variance".
        what: &'static str,
        /// Numbers found.
        found: usize,
        /// Number of scores.
        expected: usize,
    },
    /// There is nothing to rank.
    #[error("no scores given, expected one for each channel")]
    NoScores,
    /// A score cannot be ranked.
    #[error("score of channel {channel} is {value}, expected a finite number")]
    NonFinite {
        /// The first such channel.
        channel: usize,
        /// Its score.
        value: f64,
    },
}

impl GateError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fraction { .. } => "fraction",
            Self::NothingLeft { .. } | Self::AllPruned { .. } => "nothing_left",
            Self::Bounds { .. } => "bounds",
            Self::RandomCut => "random_cut",
            Self::NotMeasured { .. } => "not_measured",
            Self::Length { .. } => "length",
            Self::NoScores => "no_scores",
            Self::NonFinite { .. } => "non_finite",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fraction { found, .. } if (1.0..=100.0).contains(found) => {
                Some(format!("fractions, not per cent: {} instead of {found}", found / 100.0))
            }
            Self::NothingLeft { .. } => Some("the paper uses 0.2 and 0.2, or 0.3 and 0.3".to_owned()),
            Self::Bounds { key: "percentiles", .. } => {
                Some("the paper's alpha_low and alpha_high are 20 and 80, or 30 and 70".to_owned())
            }
            Self::AllPruned { .. } => Some("widen the bounds, or give prune_top and prune_bottom".to_owned()),
            Self::NotMeasured { what: "fragility" } => {
                Some("measure it with `dear dissect --fragility CHAIN`".to_owned())
            }
            Self::Length { .. } => Some("run `dear dissect` again: the file of scores is damaged".to_owned()),
            _ => None,
        }
    }
}

/// What channels can be ranked by: one number for each, `[C]`.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Discrepancies.
    pub rad: &'a [f64],
    /// Variances of the pooled activations, where measured.
    pub variance: Option<&'a [f64]>,
    /// Fragilities, where measured.
    pub fragility: Option<&'a [f64]>,
    /// Key of [`Ranking::Random`] where the options have none.
    pub seed: u64,
}

/// The gate that the options ask for.
///
/// # Errors
/// [`GateError`].
pub fn gate(evidence: &Evidence, options: &GateOptions) -> Result<Gate, GateError> {
    options.check()?;
    let measured =
        |found: Option<&[f64]>, what| found.map(<[f64]>::to_vec).ok_or(GateError::NotMeasured { what });
    let channels = evidence.rad.len();
    for (what, found) in [("variance", evidence.variance), ("fragility", evidence.fragility)] {
        if let Some(found) = found.map(<[f64]>::len).filter(|&found| found != channels) {
            return Err(GateError::Length { what, found, expected: channels });
        }
    }
    let scores = match options.ranking {
        Ranking::None => return Ok(Gate::none(channels)),
        Ranking::Random => {
            let Cut::Fractions { top, bottom } = options.cut else { return Err(GateError::RandomCut) };
            let pruned = floor_share(channels, top) + floor_share(channels, bottom);
            return Ok(random(channels, pruned, options.seed.unwrap_or(evidence.seed)));
        }
        Ranking::Rad => evidence.rad.to_vec(),
        Ranking::Magnitude => evidence.rad.iter().map(|score| score.abs()).collect(),
        Ranking::Fragility => measured(evidence.fragility, "fragility")?,
        Ranking::Variance => measured(evidence.variance, "variance")?,
    };
    prune(&scores, options.cut)
}

/// Prune both ends of a ranking: with fractions the `floor(C * top)` highest and the `floor(C * bottom)` lowest scores.
///
/// Channels are ranked from high to low and ties by channel index, so among equal scores the lower index
/// counts as higher: `numpy.argsort(-scores, kind="stable")`. The floor is Python's `int(C * fraction)` in
/// f64, and inherits its traps (`int(100 * 0.29)` is 28). Percentiles are `numpy.percentile(scores, q)`; a score that
/// equals a bound is kept.
///
/// # Errors
/// [`GateError::NoScores`], [`GateError::NonFinite`], [`GateError::AllPruned`].
pub fn prune(scores: &[f64], cut: Cut) -> Result<Gate, GateError> {
    let ranking = descending(scores)?;
    let (n_top, n_bottom) = match cut {
        Cut::Fractions { top, bottom } => (floor_share(scores.len(), top), floor_share(scores.len(), bottom)),
        Cut::Percentiles { low, high } => {
            let ascending: Vec<f64> = ranking.iter().rev().map(|&channel| scores[channel]).collect();
            let bound = |per_cent: f64| quantile(&ascending, per_cent / 100.0).unwrap_or(0.0);
            beyond(scores, bound(low), bound(high))?
        }
        Cut::Thresholds { low, high } => beyond(scores, low, high)?,
    };
    let mut keep = vec![false; scores.len()];
    for &channel in &ranking[n_top..scores.len() - n_bottom] {
        keep[channel] = true;
    }
    Ok(Gate { keep, n_top, n_bottom })
}

/// How many scores lie above `high`, and how many below `low`; an error where that is all.
fn beyond(scores: &[f64], low: f64, high: f64) -> Result<(usize, usize), GateError> {
    let count = |outside: &dyn Fn(f64) -> bool| scores.iter().filter(|score| outside(**score)).count();
    let (n_top, n_bottom) = (count(&|score| score > high), count(&|score| score < low));
    if n_top + n_bottom == scores.len() {
        Err(GateError::AllPruned { low, high })
    } else {
        Ok((n_top, n_bottom))
    }
}

/// Control: prune `n_pruned` channels drawn uniformly without replacement, keyed by `seed`.
///
/// # Panics
/// If `n_pruned` is more than `channels`.
pub fn random(channels: usize, n_pruned: usize, seed: u64) -> Gate {
    assert!(n_pruned <= channels, "cannot prune {n_pruned} of {channels} channels");
    let mut order: Vec<usize> = (0..channels).collect();
    Draw::keyed(seed, &[b"random gate"]).shuffle(&mut order);
    let mut gate = Gate::none(channels);
    for &channel in &order[..n_pruned] {
        gate.keep[channel] = false;
    }
    gate
}

/// Channels from the highest score to the lowest, ties by index.
fn descending(scores: &[f64]) -> Result<Vec<usize>, GateError> {
    if scores.is_empty() {
        return Err(GateError::NoScores);
    }
    if let Some(channel) = scores.iter().position(|score| !score.is_finite()) {
        return Err(GateError::NonFinite { channel, value: scores[channel] });
    }
    let mut ranking: Vec<usize> = (0..scores.len()).collect();
    // `partial_cmp` and not `total_cmp`: 0.0 and -0.0 are a tie. The sort is stable.
    ranking.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap_or(std::cmp::Ordering::Equal));
    Ok(ranking)
}

fn floor_share(channels: usize, fraction: f64) -> usize {
    (channels as f64 * fraction) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(gate: &Gate) -> Vec<usize> {
        (0..gate.channels()).filter(|&k| !gate.keep[k]).collect()
    }

    #[test]
    fn both_extremes_go_and_ties_follow_the_index() {
        struct Case {
            scores: &'static [f64],
            top: f64,
            bottom: f64,
            pruned: &'static [usize],
        }
        let cases = [
            Case { scores: &[3.0, -1.0, 2.0, 0.0, 1.0], top: 0.2, bottom: 0.2, pruned: &[0, 1] },
            Case { scores: &[3.0, -1.0, 2.0, 0.0, 1.0], top: 0.4, bottom: 0.0, pruned: &[0, 2] },
            Case { scores: &[3.0, -1.0, 2.0, 0.0, 1.0], top: 0.0, bottom: 0.5, pruned: &[1, 3] },
            Case { scores: &[0.0, -0.0, 0.0, -0.0], top: 0.25, bottom: 0.25, pruned: &[0, 3] },
            Case { scores: &[1.0], top: 0.4, bottom: 0.4, pruned: &[] },
        ];
        for Case { scores, top, bottom, pruned: expected } in cases {
            let gate = prune(scores, Cut::Fractions { top, bottom }).unwrap();
            assert_eq!(pruned(&gate), expected, "{scores:?} {top} {bottom}");
            assert_eq!(gate.n_top + gate.n_bottom, gate.pruned());
        }
    }

    #[test]
    fn percentiles_and_thresholds_cut_by_score() {
        // numpy.percentile([-4, -1, 0, 2, 7], [30, 80]) = [-0.8, 3]
        let scores = [2.0, -4.0, 7.0, 0.0, -1.0];
        let gate = prune(&scores, Cut::Percentiles { low: 30.0, high: 80.0 }).unwrap();
        assert_eq!((pruned(&gate), gate.n_top, gate.n_bottom), (vec![1, 2, 4], 1, 2));
        // A score at a bound stays: the 25th percentile is -1, the 100th 7.
        let gate = prune(&scores, Cut::Percentiles { low: 25.0, high: 100.0 }).unwrap();
        assert_eq!(pruned(&gate), [1]);
        let gate = prune(&scores, Cut::Thresholds { low: -1.0, high: f64::MAX }).unwrap();
        assert_eq!(pruned(&gate), [1]);
        // Between the middle two of four scores there is none.
        let error = prune(&scores[..4], Cut::Percentiles { low: 45.0, high: 55.0 }).unwrap_err();
        assert_eq!(error.kind(), "nothing_left");
        let error = prune(&scores, Cut::Thresholds { low: 3.0, high: 6.0 }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no score lies from 3 to 6, so every channel is pruned, expected at least one kept"
        );
    }

    #[test]
    fn the_paper_keeps_1230_and_820_of_2048() {
        let scores: Vec<f64> = (0..2048).map(f64::from).collect();
        for (share, kept) in [(0.2, 1230), (0.3, 820)] {
            let gate = prune(&scores, Cut::Fractions { top: share, bottom: share }).unwrap();
            assert_eq!(gate.kept(), kept);
        }
    }

    #[test]
    fn what_cannot_be_ranked_or_leaves_nothing_is_an_error() {
        let refused = |top, bottom| GateOptions::fractions(top, bottom).check().unwrap_err();
        assert_eq!(refused(0.5, 0.5).kind(), "nothing_left");
        let per_cent = refused(20.0, 0.0);
        assert_eq!((per_cent.kind(), per_cent.hint().unwrap().contains("0.2")), ("fraction", true));
        assert_eq!(refused(f64::NAN, 0.0).kind(), "fraction");
        assert_eq!(
            prune(&[1.0, f64::NAN], Cut::default()).unwrap_err().to_string(),
            "score of channel 1 is NaN, expected a finite number"
        );
        assert_eq!(prune(&[], Cut::default()), Err(GateError::NoScores));
        for (ranking, cut, kind) in [
            (Ranking::Rad, Cut::Percentiles { low: 80.0, high: 20.0 }, "bounds"),
            (Ranking::Rad, Cut::Percentiles { low: 0.2, high: 180.0 }, "bounds"),
            (Ranking::Rad, Cut::Thresholds { low: 1.0, high: f64::NAN }, "bounds"),
            (Ranking::Rad, Cut::Thresholds { low: f64::NEG_INFINITY, high: 1.0 }, "bounds"),
            (Ranking::Random, Cut::Thresholds { low: 1.0, high: 2.0 }, "random_cut"),
        ] {
            let options = GateOptions { ranking, cut, ..GateOptions::default() };
            assert_eq!(options.check().unwrap_err().kind(), kind, "{options:?}");
        }
    }

    #[test]
    fn each_ranking_ranks_by_its_own_numbers() {
        let rad = [0.1, -5.0, 4.0, -0.2, 0.3];
        let (variance, fragility) = ([1.0, 2.0, 3.0, 9.0, 5.0], [9.0, 1.0, 1.0, 1.0, 8.0]);
        let evidence =
            Evidence { rad: &rad, variance: Some(&variance), fragility: Some(&fragility), seed: 3 };
        let of = |ranking| {
            let cut = Cut::Fractions { top: 0.4, bottom: 0.0 };
            gate(&evidence, &GateOptions { ranking, cut, ..GateOptions::default() }).unwrap()
        };
        let cases: [(Ranking, &[usize]); 5] = [
            (Ranking::Rad, &[2, 4]),
            (Ranking::Magnitude, &[1, 2]),
            (Ranking::Variance, &[3, 4]),
            (Ranking::Fragility, &[0, 4]),
            (Ranking::None, &[]),
        ];
        for (ranking, expected) in cases {
            assert_eq!(pruned(&of(ranking)), expected, "{ranking:?}");
        }
        assert_eq!(of(Ranking::Random), random(5, 2, 3));
        let unmeasured = Evidence { variance: None, fragility: None, ..evidence };
        let options = GateOptions { ranking: Ranking::Fragility, ..GateOptions::default() };
        let error = gate(&unmeasured, &options).unwrap_err();
        assert_eq!((error.kind(), error.hint().unwrap().contains("--fragility")), ("not_measured", true));
    }

    #[test]
    fn numbers_of_other_channels_are_refused_under_every_ranking() {
        let (rad, short) = ([0.1, -5.0, 4.0], [1.0, 2.0]);
        let whole = Evidence { rad: &rad, variance: Some(&rad), fragility: Some(&rad), seed: 0 };
        let cases = [
            ("variance", Evidence { variance: Some(&short), ..whole }),
            ("fragility", Evidence { fragility: Some(&short), ..whole }),
        ];
        for (what, evidence) in cases {
            for ranking in
                [Ranking::Rad, Ranking::Variance, Ranking::Fragility, Ranking::Random, Ranking::None]
            {
                let options = GateOptions { ranking, ..GateOptions::default() };
                let error = gate(&evidence, &options).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    format!("{what} has 2 numbers, expected 3, one for each score")
                );
                gate(&whole, &options).unwrap();
            }
        }
    }

    #[test]
    fn random_gates_are_keyed() {
        let (a, b, c) = (random(64, 24, 1), random(64, 24, 1), random(64, 24, 2));
        assert_eq!((a.pruned(), c.pruned()), (24, 24));
        assert!(a == b && a != c);
        assert_eq!(random(3, 3, 0).kept(), 0);
    }

    #[test]
    fn recipes_have_one_cut() {
        let read = |text: &str| toml::from_str::<GateOptions>(text);
        assert_eq!(read("").unwrap(), GateOptions::default());
        assert_eq!(read("prune_top = 0.3").unwrap(), GateOptions::fractions(0.3, 0.2));
        let percentiles = read("percentiles = [20, 80]\nranking = \"variance\"").unwrap();
        assert_eq!(percentiles.cut, Cut::Percentiles { low: 20.0, high: 80.0 });
        assert_eq!(read(&toml::to_string(&percentiles).unwrap()).unwrap(), percentiles);
        for (text, expected) in [
            ("percentiles = [20, 80]\nprune_top = 0.1", "expected one"),
            ("percentiles = [20, 80]\nthresholds = [0, 1]", "expected one"),
            ("fragility = \"jpg(3)\"", "gate.fragility"),
            ("ranking = \"best\"", "best"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
