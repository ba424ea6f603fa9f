//! The optimum of the training objective under an L2 penalty, with the strength chosen on validation data.
//!
//! ```text
//! minimise  sum_i a_i [ln(1 + e^z_i) - y_i z_i]  +  strength / 2 * sum_k (sigma_k w_k)^2
//!           + for each penalty on differences:  its strength / 2 * mean_j (w . d_j)^2
//! ```
//!
//! over kept channels, where a_i is 1 / (rows of the set that row i belongs to), so that the first term is
//! mean BCE(main) + mean BCE(probe); with balanced classes, a_i of a main row is half of 1 / (rows of its class).
//! The target y_i of a probe is that of [`ProbeLabels`]. [Penalties on differences](Penalty) are off by default.
//! The bias is not penalised. `sigma_k` is the population deviation of
//! channel k over main and probe rows *weighted by a_i*, that is, as the objective weighs them: the penalty
//! does not depend on a channel's scale, as after `StandardScaler`. Without penalties on differences it equals
//! `sklearn.linear_model.LogisticRegression(C=1/strength)` on such columns with `sample_weight=a`. A channel
//! that is constant over the training rows gets the weight 0.
//!
//! The solver is Newton's method; its steps come from conjugate gradients on Hessian products, so no C x C
//! matrix is ever formed. Sums are in f64 over fixed blocks of rows, added in order: the head does not depend
//! on the number of threads.

mod problem;

use serde::{Deserialize, Serialize};

use super::balance::{BalanceOptions, BalanceReport, Choice, Promise};
use super::penalty::{Difference, Penalty, PenaltyReport, Quadratic};
use super::{ClassBalance, Head, ProbeLabels, Samples, TrainError, Training, selection_accuracy, softplus};
use problem::{Optimum, Problem};

/// How the optimum is sought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct L2Options {
    /// Strengths to try, from the strongest to the weakest (default: 100 to 1e-5 in half decades).
    pub grid: Vec<f64>,
    /// What the best strength is best at (default: balanced likelihood).
    pub criterion: Criterion,
    /// Strengths without a better one after which the weaker ones are not tried (default 4). Weak penalties on
    /// many channels are the most work, and only overfit further.
    pub patience: u32,
    /// Norm of the gradient in standardised columns at which the optimum counts as found (default 1e-8).
    pub tolerance: f64,
    /// Newton steps for one strength (default 100).
    pub max_iterations: u32,
    /// Weights of the classes of the main rows (default: none).
    pub class_balance: ClassBalance,
    /// What a probe view counts as (default: generated if any pixel is).
    pub probe_labels: ProbeLabels,
    /// The penalty that takes the place of labels with `probe_labels = "regulariser"` (default strength 1).
    pub probe_penalty: Penalty,
    /// Penalise the change of logit between an image and its perturbed views (default: absent).
    pub invariance: Option<Penalty>,
    /// Choose strength and bias on the operating sets, under a promise about real images (default: absent). The best balanced
    /// accuracy then takes the place of `criterion`.
    pub balance: Option<BalanceOptions>,
}

/// What the strength is chosen by. Ties go to the stronger penalty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Smallest mean over the two classes of the class's mean BCE on validation rows.
    #[default]
    BalancedNll,
    /// Highest balanced accuracy on validation rows, a logit of 0 counted as real.
    BalancedAccuracy,
}

impl Default for L2Options {
    fn default() -> Self {
        let grid = (0..15).map(|half| 10.0_f64.powf(2.0 - f64::from(half) / 2.0)).collect();
        Self {
            grid,
            criterion: Criterion::BalancedNll,
            patience: 4,
            tolerance: 1e-8,
            max_iterations: 100,
            class_balance: ClassBalance::None,
            probe_labels: ProbeLabels::AnyPixel,
            probe_penalty: Penalty::default(),
            invariance: None,
            balance: None,
        }
    }
}

impl L2Options {
    /// Refuse values outside their range.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive = |key, found: f64| {
            let expected = "a finite number above 0";
            if found.is_finite() && found > 0.0 {
                Ok(())
            } else {
                Err(TrainError::Option { key, found, expected })
            }
        };
        if self.grid.is_empty() {
            return Err(TrainError::Empty { key: "grid", expected: "at least one strength" });
        }
        self.grid.iter().try_for_each(|&strength| positive("grid", strength))?;
        positive("tolerance", self.tolerance)?;
        positive("patience", f64::from(self.patience))?;
        positive("max_iterations", f64::from(self.max_iterations))?;
        self.probe_labels.check()?;
        self.probe_penalty.check("probe_penalty")?;
        self.invariance.map_or(Ok(()), |penalty| penalty.check("invariance"))?;
        self.balance.map_or(Ok(()), |balance| balance.check())
    }

    /// The penalties on differences that are asked for.
    fn penalties<'a>(&self, training: &Training<'a>) -> Result<Vec<Quadratic<'a>>, TrainError> {
        let mut asked = Vec::new();
        if self.probe_labels == ProbeLabels::Regulariser {
            let missing = TrainError::Missing {
                option: "probe_labels = \"regulariser\"",
                input: "the differences mu_in - mu_bg of sound probe views",
            };
            let rows = training.probe_differences.ok_or(missing)?;
            asked.push(Quadratic { name: Difference::Probes, strength: self.probe_penalty.strength, rows });
        }
        if let Some(Penalty { strength }) = self.invariance {
            let missing = TrainError::Missing {
                option: "invariance",
                input: "differences between perturbed views and their images",
            };
            let rows = training.view_differences.ok_or(missing)?;
            asked.push(Quadratic { name: Difference::Invariance, strength, rows });
        }
        Ok(asked)
    }
}

/// What the solver did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2Report {
    /// The strength of the head.
    pub strength: f64,
    /// One row for each strength that was tried, from the strongest to the weakest.
    pub table: Vec<Strength>,
    /// Kept channels that are constant over the training rows, and have the weight 0 for that.
    pub constant_channels: u64,
    /// What the penalties on differences left, of those that were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<PenaltyReport>,
    /// How the promise about real images was kept, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceReport>,
    /// The options in force.
    pub options: L2Options,
}

/// One strength of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strength {
    /// The factor of the penalty.
    pub strength: f64,
    /// The objective, penalty included.
    pub objective: f64,
    /// Norm of its gradient in standardised columns.
    pub gradient_norm: f64,
    /// Whether that norm is within the tolerance. Only such heads are candidates.
    pub converged: bool,
    /// Newton steps.
    pub iterations: u32,
    /// Hessian products, each one pass over the training rows.
    pub products: u32,
    /// Mean over the two classes of the class's mean BCE on validation rows.
    pub validation_nll: f64,
    /// Balanced accuracy on validation rows, a logit of 0 counted as real.
    pub validation_balanced_accuracy: f64,
    /// With a promise: mean balanced accuracy on the operating sets, at the best bias that keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operating_balanced_accuracy: Option<f64>,
}

/// A head that may be the result.
struct Candidate {
    cost: f64,
    strength: f64,
    head: Head,
    choice: Option<Choice>,
}

/// Find the optimum for every strength and choose one.
pub fn fit(training: &Training, options: &L2Options) -> Result<(Head, L2Report), TrainError> {
    options.check()?;
    training.check()?;
    let penalties = options.penalties(training)?;
    let promise = options.balance.map(|balance| Promise::new(training, balance)).transpose()?;
    let problem = Problem::new(training, options, &penalties)?;
    let mut strengths = options.grid.clone();
    strengths.sort_unstable_by(|a, b| b.total_cmp(a));
    strengths.dedup();

    let mut table = Vec::with_capacity(strengths.len());
    let mut best: Option<Candidate> = None;
    let mut waited = 0;
    // Each strength starts from the optimum of the stronger one before it.
    let mut point = vec![0.0; problem.size()];
    for strength in strengths {
        let optimum = problem.minimise(point, strength, options);
        let mut head = problem.head(&optimum.point, training.gate.channels())?;
        let mut row = measure(&head, training.validation, strength, &optimum, options);
        let mut choice = None;
        let cost = match &promise {
            Some(promise) => {
                let best = promise.choose(&head).ok_or(TrainError::NoBias)?;
                head.bias = best.bias;
                row.operating_balanced_accuracy = Some(best.balanced_accuracy);
                let cost = -best.balanced_accuracy;
                choice = Some(best);
                cost
            }
            None => match options.criterion {
                Criterion::BalancedNll => row.validation_nll,
                Criterion::BalancedAccuracy => -row.validation_balanced_accuracy,
            },
        };
        table.push(row);
        if row.converged && best.as_ref().is_none_or(|best| cost < best.cost) {
            best = Some(Candidate { cost, strength, head, choice });
            waited = 0;
        } else {
            waited += 1;
        }
        if waited == options.patience {
            break;
        }
        point = optimum.point;
    }
    let Some(Candidate { strength, head, choice, .. }) = best else {
        return Err(TrainError::NotConverged {
            gradient_norm: table.iter().map(|row| row.gradient_norm).fold(f64::INFINITY, f64::min),
            iterations: options.max_iterations,
            tolerance: options.tolerance,
        });
    };
    let report = L2Report {
        strength,
        table,
        constant_channels: (training.gate.kept() - problem.channels()) as u64,
        penalties: penalties.iter().map(|penalty| penalty.report(&head.weight)).collect(),
        balance: promise.zip(choice).map(|(promise, choice)| promise.report(&head, &choice)),
        options: options.clone(),
    };
    Ok((head, report))
}

fn measure(
    head: &Head,
    validation: Samples,
    strength: f64,
    optimum: &Optimum,
    options: &L2Options,
) -> Strength {
    let logits = head.logits(validation);
    let mean_loss = |label: u8| {
        let of_class =
            || validation.labels.iter().zip(&logits).filter(|(l, _)| **l == label).map(|(_, z)| *z);
        of_class().map(|z| softplus(if label == 1 { -z } else { z })).sum::<f64>() / of_class().count() as f64
    };
    Strength {
        strength,
        objective: optimum.value,
        gradient_norm: optimum.gradient_norm,
        converged: optimum.gradient_norm <= options.tolerance,
        iterations: optimum.iterations,
        products: optimum.products,
        validation_nll: (mean_loss(0) + mean_loss(1)) / 2.0,
        validation_balanced_accuracy: selection_accuracy(validation.labels, &logits),
        operating_balanced_accuracy: None,
    }
}
