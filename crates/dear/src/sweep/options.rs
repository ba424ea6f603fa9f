//! What a sweep tries: the product of criteria, gates and heads, in one TOML file.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::gate::{Cut, GateOptions, Ranking};
use crate::head::{BalanceOptions, L2Options, ProbeLabels, Solver};
use crate::metrics::{Better, Metric};
use crate::rad::RadOptions;

/// What is tried, and what the best is best at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepOptions {
    /// Metric by which the best is chosen: its mean over the conditions on validation images. Default `balanced_accuracy`.
    pub choose: String,
    /// Points of R.Acc that the best may lose against the detector as it was, under each condition; absent: any.
    pub max_r_acc_loss: Option<f64>,
    /// How discrepancies become scores. They matter to gates that rank by RAD or its magnitude.
    pub criteria: Vec<Criterion>,
    /// Which channels are pruned.
    pub gates: Vec<NamedGate>,
    /// How heads are trained.
    pub heads: Vec<NamedSolver>,
}

/// A way to score channels, with its name in tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Name in tables.
    pub name: String,
    /// As `[rad]` of a recipe.
    #[serde(default)]
    pub rad: RadOptions,
}

/// A gate, with its name in tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedGate {
    /// Name in tables.
    pub name: String,
    /// As `[gate]` of a recipe.
    #[serde(default)]
    pub gate: GateOptions,
}

/// A way to train a head, with its name in tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSolver {
    /// Name in tables.
    pub name: String,
    /// As `[head]` of a recipe.
    #[serde(default)]
    pub head: Solver,
}

impl Default for SweepOptions {
    /// 36 gates and 3 heads: three criteria with ten gates each, and six gates that do not look at RAD.
    fn default() -> Self {
        let criterion = |name: &str, standardise, subtract_null| Criterion {
            name: name.to_owned(),
            rad: RadOptions { standardise, subtract_null, ..RadOptions::default() },
        };
        Self {
            choose: "balanced_accuracy".to_owned(),
            max_r_acc_loss: None,
            criteria: vec![
                criterion("raw", false, false),
                criterion("standardised", true, false),
                criterion("standardised - null", true, true),
            ],
            gates: gates(),
            heads: heads(),
        }
    }
}

fn gates() -> Vec<NamedGate> {
    let gate = |name: &str, ranking, top, bottom| NamedGate {
        name: name.to_owned(),
        gate: GateOptions { ranking, cut: Cut::Fractions { top, bottom }, ..GateOptions::default() },
    };
    let random = |seed| {
        let mut named = gate(&format!("random 0.4, seed {seed}"), Ranking::Random, 0.4, 0.0);
        named.gate.seed = Some(seed);
        named
    };
    vec![
        gate("none", Ranking::None, 0.0, 0.0),
        gate("bilateral 0.1/0.1", Ranking::Rad, 0.1, 0.1),
        gate("bilateral 0.2/0.2", Ranking::Rad, 0.2, 0.2),
        gate("bilateral 0.3/0.3", Ranking::Rad, 0.3, 0.3),
        gate("positive-only 0.2", Ranking::Rad, 0.2, 0.0),
        gate("positive-only 0.4", Ranking::Rad, 0.4, 0.0),
        gate("negative-only 0.2", Ranking::Rad, 0.0, 0.2),
        gate("negative-only 0.4", Ranking::Rad, 0.0, 0.4),
        gate("|S| 0.2", Ranking::Magnitude, 0.2, 0.0),
        gate("|S| 0.4", Ranking::Magnitude, 0.4, 0.0),
        gate("|S| 0.6", Ranking::Magnitude, 0.6, 0.0),
        gate("fragility 0.4", Ranking::Fragility, 0.4, 0.0),
        gate("variance 0.4", Ranking::Variance, 0.4, 0.0),
        random(0),
        random(1),
        random(2),
    ]
}

fn heads() -> Vec<NamedSolver> {
    let head = |name: &str, probe_labels, balance| NamedSolver {
        name: name.to_owned(),
        head: Solver::L2(L2Options { probe_labels, balance, ..L2Options::default() }),
    };
    let balance = BalanceOptions { max_r_acc_loss: 3.0 };
    vec![
        head("with probes", ProbeLabels::AnyPixel, None),
        head("without probes", ProbeLabels::None, None),
        head("without probes, R.Acc - 3", ProbeLabels::None, Some(balance)),
    ]
}

impl SweepOptions {
    /// Read a file; lists that it does not name keep their default.
    ///
    /// # Errors
    /// [`Error::Recipe`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let options: Self =
            toml::from_str(text).map_err(|error| Error::Recipe(crate::recipe::one_line(text, &error)))?;
        options.check()?;
        Ok(options)
    }

    /// Every option named.
    ///
    /// # Errors
    /// [`Error::Recipe`] if an option cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| Error::Recipe(format!("sweep: {error}")))
    }

    /// Refuse an unknown metric, empty lists, names that stand twice, and options out of range.
    ///
    /// # Errors
    /// The first of these.
    pub fn check(&self) -> Result<(), Error> {
        let bad = |message: String| Err(Error::Recipe(message));
        if Metric::named(&self.choose).is_none_or(|metric| metric.better != Better::Higher) {
            return bad(format!(
                "choose is {:?}, expected the name of a metric of which more is better",
                self.choose
            ));
        }
        if self.max_r_acc_loss.is_some_and(|points| !(0.0..=100.0).contains(&points)) {
            return bad(format!(
                "max_r_acc_loss is {:?}, expected points from 0 to 100",
                self.max_r_acc_loss
            ));
        }
        let lists: [(&str, Vec<&str>); 3] = [
            ("criteria", self.criteria.iter().map(|one| one.name.as_str()).collect()),
            ("gates", self.gates.iter().map(|one| one.name.as_str()).collect()),
            ("heads", self.heads.iter().map(|one| one.name.as_str()).collect()),
        ];
        for (list, mut names) in lists {
            if names.is_empty() {
                return bad(format!("{list} is empty, expected at least one"));
            }
            names.sort_unstable();
            if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                return bad(format!("{list}: the name {:?} stands twice", twice[0]));
            }
        }
        self.criteria.iter().try_for_each(|one| one.rad.check())?;
        self.gates.iter().try_for_each(|one| one.gate.check())?;
        self.heads.iter().try_for_each(|one| one.head.check())?;
        Ok(())
    }

    /// Whether some criterion needs null probes.
    pub(super) fn needs_null(&self) -> bool {
        self.criteria.iter().any(|one| one.rad.subtract_null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_36_gates_and_3_heads_and_is_read_back() {
        let options = SweepOptions::default();
        options.check().unwrap();
        let by_rad = |gate: &&NamedGate| matches!(gate.gate.ranking, Ranking::Rad | Ranking::Magnitude);
        let by_rad = options.gates.iter().filter(by_rad).count();
        assert_eq!(options.criteria.len() * by_rad + (options.gates.len() - by_rad), 36);
        assert_eq!(options.heads.len(), 3);
        assert_eq!(SweepOptions::from_toml(&options.to_toml().unwrap()).unwrap(), options);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("choose = \"best\"", "choose is \"best\""),
            ("choose = \"brier\"", "of which more is better"),
            ("gates = []", "gates is empty"),
            ("[[heads]]\nname = \"a\"\n[[heads]]\nname = \"a\"", "heads: the name \"a\" stands twice"),
            ("[[gates]]\nname = \"a\"\ngate = { prune_top = 2.0 }", "\"prune_top\" is 2"),
            ("[[criteria]]\nname = \"a\"\nrad = { null = true }", "null"),
            ("max_r_acc_loss = 200", "max_r_acc_loss"),
        ] {
            let error = SweepOptions::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
