//! The objective in standardised columns, and Newton's method on it.

use rayon::prelude::*;

use super::L2Options;
use crate::head::penalty::Quadratic;
use crate::head::{Head, TrainError, Training, add_scaled, dot, sigmoid, softplus};

/// Rows in one block of a sum.
const BLOCK: usize = 64;

/// A channel whose deviation is below this share of its mean is constant as far as f32 features can tell.
const CONSTANT: f64 = 1e-8;

/// The objective in standardised columns `u_k = sigma_k w_k`; a point is `[u_1 .. u_K, b]`, and its logit is
/// `sum_k u_k (x_k - mean_k) / sigma_k + b`.
pub(super) struct Problem {
    /// Channel of each column: kept and not constant.
    columns: Vec<usize>,
    /// Main rows, then probes.
    rows: Rows,
    /// `y_i`, 0 to 1.
    targets: Vec<f64>,
    /// `a_i`.
    importance: Vec<f64>,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// Differences with their factor: strength / number of differences.
    penalties: Vec<(f64, Rows)>,
}

/// Where the objective has its minimum.
pub(super) struct Optimum {
    pub point: Vec<f64>,
    pub value: f64,
    pub gradient_norm: f64,
    pub iterations: u32,
    pub products: u32,
}

/// The objective at a point.
struct Evaluation {
    value: f64,
    gradient: Vec<f64>,
    /// `a_i p_i (1 - p_i)`, what Hessian products need.
    curvature: Vec<f64>,
}

impl Problem {
    /// The columns of the gate, with what does not depend on strength or point.
    ///
    /// # Errors
    /// [`TrainError::ConstantChannels`] if no column is left.
    pub(super) fn new(
        training: &Training,
        options: &L2Options,
        penalties: &[Quadratic],
    ) -> Result<Self, TrainError> {
        let channels = training.gate.channels();
        let main = training.main;
        let labels = main.labels.iter().map(|&label| f64::from(label));
        let mut targets: Vec<f64> = labels.collect();
        let rows = main.rows() as f64;
        let weights = options.class_balance.weights(main.labels);
        let mut importance: Vec<f64> = weights.iter().map(|weight| weight / rows).collect();
        let mut features = vec![main.features];
        if let Some(probes) = training.probes
            && let Some(labels) = options.probe_labels.targets(probes.shares)
        {
            importance.extend(vec![1.0 / labels.len() as f64; labels.len()]);
            targets.extend(labels);
            features.push(probes.features);
        }

        let rows = || features.iter().flat_map(|set| set.chunks_exact(channels));
        let total = features.len() as f64;
        let mut mean = vec![0.0; channels];
        for (row, a) in rows().zip(&importance) {
            add_scaled(&mut mean, a / total, row);
        }
        let mut variance = vec![0.0; channels];
        for (row, a) in rows().zip(&importance) {
            for ((variance, &x), mean) in variance.iter_mut().zip(row).zip(&mean) {
                *variance += a / total * (f64::from(x) - mean).powi(2);
            }
        }
        let columns: Vec<usize> = (0..channels)
            .filter(|&k| training.gate.keep[k] && variance[k].sqrt() > CONSTANT * mean[k].abs())
            .collect();
        if columns.is_empty() {
            return Err(TrainError::ConstantChannels { kept: training.gate.kept() });
        }
        let penalties = penalties.iter().map(|penalty| {
            let rows = penalty.rows.chunks_exact(channels);
            let factor = penalty.strength / rows.len() as f64;
            (factor, Rows::of(rows, &columns))
        });
        Ok(Self {
            penalties: penalties.collect(),
            rows: Rows::of(rows(), &columns),
            targets,
            importance,
            mean: columns.iter().map(|&k| mean[k]).collect(),
            deviation: columns.iter().map(|&k| variance[k].sqrt()).collect(),
            columns,
        })
    }

    /// How many channels can have a weight.
    pub(super) fn channels(&self) -> usize {
        self.columns.len()
    }

    /// Number of unknowns.
    pub(super) fn size(&self) -> usize {
        self.columns.len() + 1
    }

    /// The head of a point, in the channels' own scale.
    pub(super) fn head(&self, point: &[f64], channels: usize) -> Result<Head, TrainError> {
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
    pub(super) fn minimise(&self, mut point: Vec<f64>, strength: f64, options: &L2Options) -> Optimum {
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
        let blocks = self.rows.over_blocks(|row, x| {
            let z = dot(x, &weight) + offset;
            let (y, a, p) = (self.targets[row], self.importance[row], sigmoid(z));
            (a * (p - y), (a * cross_entropy(z, y), a * p * (1.0 - p)))
        });
        let penalised = &point[..self.columns.len()];
        let mut value = strength / 2.0 * inner(penalised, penalised);
        let mut curvature = Vec::with_capacity(self.targets.len());
        let mut sum = RowSum::new(self.columns.len());
        for (part, rows) in blocks {
            value += rows.iter().map(|(value, _)| value).sum::<f64>();
            curvature.extend(rows.iter().map(|(_, curvature)| curvature));
            sum.merge(&part);
        }
        let mut gradient = self.standardised(sum, point, strength);
        value += self.add_penalties(&weight, &mut gradient);
        Evaluation { value, gradient, curvature }
    }

    fn hessian_product(&self, curvature: &[f64], vector: &[f64], strength: f64) -> Vec<f64> {
        let (weight, offset) = self.unscaled(vector);
        let blocks = self.rows.over_blocks(|row, x| (curvature[row] * (dot(x, &weight) + offset), ()));
        let mut sum = RowSum::new(self.columns.len());
        blocks.iter().for_each(|(part, _)| sum.merge(part));
        let mut product = self.standardised(sum, vector, strength);
        self.add_penalties(&weight, &mut product);
        product
    }

    /// The value of the penalties on differences; their gradient, which is linear in the weights and so their Hessian's product
    /// too, is added to `out`.
    fn add_penalties(&self, weight: &[f64], out: &mut [f64]) -> f64 {
        let mut value = 0.0;
        for (factor, differences) in &self.penalties {
            let blocks = differences.over_blocks(|_, d| {
                let z = dot(d, weight);
                (z, z * z)
            });
            for (part, squares) in blocks {
                value += factor / 2.0 * squares.iter().sum::<f64>();
                for ((out, part), sigma) in out.iter_mut().zip(&part.features).zip(&self.deviation) {
                    *out += factor * part / sigma;
                }
            }
        }
        value
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
}

/// `[rows, columns]`, the columns of a gate.
struct Rows {
    features: Vec<f32>,
    columns: usize,
}

impl Rows {
    fn of<'a>(rows: impl Iterator<Item = &'a [f32]>, columns: &[usize]) -> Self {
        let features = rows.flat_map(|row| columns.iter().map(move |&k| row[k])).collect();
        Self { features, columns: columns.len() }
    }

    /// Sums over every block of rows, in parallel and in the blocks' order. `work` gets a row and its number and answers with
    /// its factor, and with anything else that is wanted of it.
    fn over_blocks<T: Send>(&self, work: impl Fn(usize, &[f32]) -> (f64, T) + Sync) -> Vec<(RowSum, Vec<T>)> {
        self.features
            .par_chunks(BLOCK * self.columns)
            .enumerate()
            .map(|(block, rows)| {
                let each = rows.chunks_exact(self.columns).enumerate();
                let (factors, results): (Vec<f64>, Vec<T>) =
                    each.map(|(row, x)| work(block * BLOCK + row, x)).unzip();
                let mut sum = RowSum::new(self.columns);
                sum.add(&factors, rows);
                (sum, results)
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

    /// Add rows in their order; four at once, so that the sums are read and written once for them.
    fn add(&mut self, factors: &[f64], rows: &[f32]) {
        self.factors = factors.iter().fold(self.factors, |sum, factor| sum + factor);
        let columns = self.features.len();
        let (fours, rest) = factors.as_chunks::<4>();
        let split = columns * 4 * fours.len();
        for ([a, b, c, d], rows) in fours.iter().zip(rows[..split].chunks_exact(4 * columns)) {
            let (two, other) = rows.split_at(2 * columns);
            let (x, y) = two.split_at(columns);
            let (z, w) = other.split_at(columns);
            for ((((sum, &x), &y), &z), &w) in self.features.iter_mut().zip(x).zip(y).zip(z).zip(w) {
                let two = *sum + a * f64::from(x) + b * f64::from(y);
                *sum = two + c * f64::from(z) + d * f64::from(w);
            }
        }
        for (factor, row) in rest.iter().zip(rows[split..].chunks_exact(columns)) {
            add_scaled(&mut self.features, *factor, row);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (sum, part) in self.features.iter_mut().zip(&other.features) {
            *sum += part;
        }
        self.factors += other.factors;
    }
}

/// The loss of a row with logit `z` and target `y`, 0 to 1.
fn cross_entropy(z: f64, y: f64) -> f64 {
    if y == 1.0 { softplus(-z) } else { softplus(z) - y * z }
}

/// Inner product over the shorter length.
fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    inner(a, a).sqrt()
}
