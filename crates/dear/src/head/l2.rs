//! The optimum of the training objective under an L2 penalty, with the strength chosen on validation data.
//!
//! ```text
//! minimise  sum_i a_i [ln(1 + e^z_i) - y_i z_i]  +  strength / 2 * sum_k (sigma_k w_k)^2
//! ```
//!
//! over kept channels, where a_i is 1 / (rows of the set that row i belongs to), so that the first term is
//! mean BCE(main) + mean BCE(probe). The bias is not penalised. `sigma_k` is the population deviation of
//! channel k over main and probe rows *weighted by a_i*, that is, as the objective weighs them: the penalty
//! does not depend on a channel's scale, as after `StandardScaler`. It equals
//! `sklearn.linear_model.LogisticRegression(C=1/strength)` on such columns with `sample_weight=a`. A channel
//! that is constant over the training rows gets the weight 0.
//!
//! The solver is Newton's method; its steps come from conjugate gradients on Hessian products, so no C x C
//! matrix is ever formed. Sums are in f64 over fixed blocks of rows, added in order: the head does not depend
//! on the number of threads.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Head, Samples, TrainError, Training, add_scaled, dot, selection_accuracy, sigmoid, softplus};

/// Rows in one block of a sum.
const BLOCK: usize = 64;

/// A channel whose deviation is below this share of its mean is constant as far as f32 features can tell.
const CONSTANT: f64 = 1e-8;

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
        Self { grid, criterion: Criterion::BalancedNll, patience: 4, tolerance: 1e-8, max_iterations: 100 }
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
            return Err(TrainError::Option { key: "grid", found: 0.0, expected: "at least one strength" });
        }
        self.grid.iter().try_for_each(|&strength| positive("grid", strength))?;
        positive("tolerance", self.tolerance)?;
        positive("patience", f64::from(self.patience))?;
        positive("max_iterations", f64::from(self.max_iterations))
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
}

/// Find the optimum for every strength and choose one.
pub fn fit(training: &Training, options: &L2Options) -> Result<(Head, L2Report), TrainError> {
    options.check()?;
    training.check()?;
    let problem = Problem::new(training);
    let mut strengths = options.grid.clone();
    strengths.sort_unstable_by(|a, b| b.total_cmp(a));
    strengths.dedup();

    let mut table = Vec::with_capacity(strengths.len());
    let mut best: Option<(f64, f64, Head)> = None;
    let mut waited = 0;
    // Each strength starts from the optimum of the stronger one before it.
    let mut point = vec![0.0; problem.size()];
    for strength in strengths {
        let optimum = problem.minimise(point, strength, options);
        let head = problem.head(&optimum.point, training.gate.channels())?;
        let row = measure(&head, training.validation, strength, &optimum, options);
        let cost = match options.criterion {
            Criterion::BalancedNll => row.validation_nll,
            Criterion::BalancedAccuracy => -row.validation_balanced_accuracy,
        };
        table.push(row);
        if row.converged && best.as_ref().is_none_or(|(lowest, ..)| cost < *lowest) {
            best = Some((cost, strength, head));
            waited = 0;
        } else {
            waited += 1;
        }
        if waited == options.patience {
            break;
        }
        point = optimum.point;
    }
    let Some((_, strength, head)) = best else {
        return Err(TrainError::NotConverged {
            gradient_norm: table.iter().map(|row| row.gradient_norm).fold(f64::INFINITY, f64::min),
            iterations: options.max_iterations,
            tolerance: options.tolerance,
        });
    };
    let constant_channels = (training.gate.kept() - problem.columns.len()) as u64;
    Ok((head, L2Report { strength, table, constant_channels, options: options.clone() }))
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
    }
}

/// The objective in standardised columns `u_k = sigma_k w_k`; a point is `[u_1 .. u_K, b]`, and its logit is
/// `sum_k u_k (x_k - mean_k) / sigma_k + b`.
struct Problem {
    /// Channel of each column: kept and not constant.
    columns: Vec<usize>,
    /// `[rows, columns]`, main rows first.
    features: Vec<f32>,
    labels: Vec<f64>,
    /// `a_i`.
    importance: Vec<f64>,
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

struct Optimum {
    point: Vec<f64>,
    value: f64,
    gradient_norm: f64,
    iterations: u32,
    products: u32,
}

/// The objective at a point.
struct Evaluation {
    value: f64,
    gradient: Vec<f64>,
    /// `a_i p_i (1 - p_i)`, what Hessian products need.
    curvature: Vec<f64>,
}

impl Problem {
    fn new(training: &Training) -> Self {
        let sets = [Some(training.main), training.probes];
        let sets: Vec<Samples> = sets.into_iter().flatten().collect();
        let rows = || sets.iter().flat_map(|set| (0..set.rows()).map(move |row| (set, row)));
        let importance: Vec<f64> = rows().map(|(set, _)| 1.0 / set.rows() as f64).collect();
        let labels = rows().map(|(set, row)| f64::from(set.labels[row])).collect();

        let channels = training.gate.channels();
        let total = sets.len() as f64;
        let mut mean = vec![0.0; channels];
        for ((set, row), a) in rows().zip(&importance) {
            add_scaled(&mut mean, a / total, set.row(row));
        }
        let mut variance = vec![0.0; channels];
        for ((set, row), a) in rows().zip(&importance) {
            for ((variance, &x), mean) in variance.iter_mut().zip(set.row(row)).zip(&mean) {
                *variance += a / total * (f64::from(x) - mean).powi(2);
            }
        }
        let columns: Vec<usize> = (0..channels)
            .filter(|&k| training.gate.keep[k] && variance[k].sqrt() > CONSTANT * mean[k].abs())
            .collect();
        let features = rows().flat_map(|(set, row)| columns.iter().map(move |&k| set.row(row)[k])).collect();
        Self {
            features,
            labels,
            importance,
            mean: columns.iter().map(|&k| mean[k]).collect(),
            deviation: columns.iter().map(|&k| variance[k].sqrt()).collect(),
            columns,
        }
    }

    /// Number of unknowns.
    fn size(&self) -> usize {
        self.columns.len() + 1
    }

    /// The head of a point, in the channels' own scale.
    fn head(&self, point: &[f64], channels: usize) -> Result<Head, TrainError> {
        let mut head = Head::zero(channels);
        let mut bias = point[self.columns.len()];
        for (column, &channel) in self.columns.iter().enumerate() {
            let weight = (point[column] / self.deviation[column]) as f32;
            if !weight.is_finite() {
                return Err(TrainError::Weight { channel, value: weight });
            }
            head.weight[channel] = weight;
            // With the rounded weight, so that the rounding does not shift the logits.
            bias -= self.mean[column] * f64::from(weight);
        }
        head.bias = bias as f32;
        Ok(head)
    }

    /// Newton's method with backtracking.
    fn minimise(&self, mut point: Vec<f64>, strength: f64, options: &L2Options) -> Optimum {
        let mut here = self.evaluate(&point, strength);
        let (mut iterations, mut products) = (0, 0);
        loop {
            let gradient_norm = norm(&here.gradient);
            if gradient_norm <= options.tolerance || iterations == options.max_iterations {
                return Optimum { point, value: here.value, gradient_norm, iterations, products };
            }
            iterations += 1;
            let direction = self.newton_direction(&here, strength, options.tolerance, &mut products);
            let slope = inner(&direction, &here.gradient);
            let mut length = 1.0;
            let next = loop {
                let trial: Vec<f64> = point.iter().zip(&direction).map(|(p, d)| p + length * d).collect();
                let there = self.evaluate(&trial, strength);
                // Close to the optimum the decrease is below the rounding of the value; the gradient still
                // tells.
                let rounding = 1e-14 * here.value.abs();
                let lower = there.value <= here.value + 1e-4 * length * slope;
                let flat = there.value <= here.value + rounding && norm(&there.gradient) < gradient_norm;
                if lower || flat {
                    break Some((trial, there));
                }
                length /= 2.0;
                if length < 1e-12 {
                    break None;
                }
            };
            match next {
                Some((trial, there)) => (point, here) = (trial, there),
                None => return Optimum { point, value: here.value, gradient_norm, iterations, products },
            }
        }
    }

    /// Solve `H d = -gradient` by conjugate gradients, the more exactly the closer the optimum.
    fn newton_direction(
        &self,
        here: &Evaluation,
        strength: f64,
        tolerance: f64,
        products: &mut u32,
    ) -> Vec<f64> {
        let start = norm(&here.gradient);
        let target = (start * start.sqrt().min(0.1)).max(tolerance * 0.1);
        let mut direction = vec![0.0; self.size()];
        let mut residual: Vec<f64> = here.gradient.iter().map(|g| -g).collect();
        let mut conjugate = residual.clone();
        let mut square = inner(&residual, &residual);
        for _ in 0..10 * self.size() {
            let product = self.hessian_product(&here.curvature, &conjugate, strength);
            *products += 1;
            let bend = inner(&conjugate, &product);
            // Saturated rows leave the bias without curvature: the direction so far is a descent direction.
            if bend <= 0.0 {
                break;
            }
            let step = square / bend;
            for (((d, r), c), p) in direction.iter_mut().zip(&mut residual).zip(&conjugate).zip(&product) {
                *d += step * c;
                *r -= step * p;
            }
            let next = inner(&residual, &residual);
            if next.sqrt() <= target {
                break;
            }
            for (c, r) in conjugate.iter_mut().zip(&residual) {
                *c = r + next / square * *c;
            }
            square = next;
        }
        if direction.iter().all(|d| *d == 0.0) { residual } else { direction }
    }

    fn evaluate(&self, point: &[f64], strength: f64) -> Evaluation {
        let (weight, offset) = self.unscaled(point);
        let blocks = self.over_blocks(|block, sum| {
            let mut value = 0.0;
            let mut curvature = Vec::with_capacity(BLOCK);
            for row in block {
                let x = self.row(row);
                let z = dot(x, &weight) + offset;
                let (y, a, p) = (self.labels[row], self.importance[row], sigmoid(z));
                value += a * if y == 1.0 { softplus(-z) } else { softplus(z) };
                curvature.push(a * p * (1.0 - p));
                sum.add(a * (p - y), x);
            }
            (value, curvature)
        });
        let penalised = &point[..self.columns.len()];
        let mut value = strength / 2.0 * inner(penalised, penalised);
        let mut curvature = Vec::with_capacity(self.labels.len());
        let mut sum = RowSum::new(self.columns.len());
        for (part, (part_value, part_curvature)) in blocks {
            value += part_value;
            curvature.extend(part_curvature);
            sum.merge(&part);
        }
        Evaluation { value, gradient: self.standardised(sum, point, strength), curvature }
    }

    fn hessian_product(&self, curvature: &[f64], vector: &[f64], strength: f64) -> Vec<f64> {
        let (weight, offset) = self.unscaled(vector);
        let blocks = self.over_blocks(|block, sum| {
            for row in block {
                let x = self.row(row);
                sum.add(curvature[row] * (dot(x, &weight) + offset), x);
            }
        });
        let mut sum = RowSum::new(self.columns.len());
        blocks.iter().for_each(|(part, ())| sum.merge(part));
        self.standardised(sum, vector, strength)
    }

    /// Weights on plain features and the constant that belong to a point.
    fn unscaled(&self, point: &[f64]) -> (Vec<f64>, f64) {
        let weight: Vec<f64> = point.iter().zip(&self.deviation).map(|(u, sigma)| u / sigma).collect();
        let offset = point[self.columns.len()] - inner(&weight, &self.mean);
        (weight, offset)
    }

    /// `sum_i f_i x_i` on plain features, to standardised ones, with the penalty's share of `vector`.
    fn standardised(&self, sum: RowSum, vector: &[f64], strength: f64) -> Vec<f64> {
        let mut out = sum.features;
        for (((out, mean), sigma), u) in out.iter_mut().zip(&self.mean).zip(&self.deviation).zip(vector) {
            *out = (*out - mean * sum.factors) / sigma + strength * u;
        }
        out.push(sum.factors);
        out
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.columns.len()..][..self.columns.len()]
    }

    /// Run `work` on every block of rows, in parallel; the results are in the blocks' order.
    fn over_blocks<T: Send>(
        &self,
        work: impl Fn(std::ops::Range<usize>, &mut RowSum) -> T + Sync,
    ) -> Vec<(RowSum, T)> {
        let rows = self.labels.len();
        (0..rows.div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let mut sum = RowSum::new(self.columns.len());
                let result = work(block * BLOCK..rows.min((block + 1) * BLOCK), &mut sum);
                (sum, result)
            })
            .collect()
    }
}

/// `sum_i f_i x_i` and `sum_i f_i`.
struct RowSum {
    features: Vec<f64>,
    factors: f64,
}

impl RowSum {
    fn new(columns: usize) -> Self {
        Self { features: vec![0.0; columns], factors: 0.0 }
    }

    fn add(&mut self, factor: f64, x: &[f32]) {
        add_scaled(&mut self.features, factor, x);
        self.factors += factor;
    }

    fn merge(&mut self, other: &Self) {
        for (sum, part) in self.features.iter_mut().zip(&other.features) {
            *sum += part;
        }
        self.factors += other.factors;
    }
}

/// Inner product over the shorter length.
fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    inner(a, a).sqrt()
}
