//! A head in training, and the rows that move it.

use super::{AdamOptions, Batch, Sign};
use crate::gate::Gate;
use crate::head::{Head, Probes, Samples, add_scaled, dot, sigmoid};

/// Rows with what the loss needs of them.
pub(super) struct Set<'a> {
    /// `[rows, channels]`.
    features: &'a [f32],
    channels: usize,
    /// 0 to 1.
    targets: Vec<f64>,
    /// Factors of the rows' losses, 1 on average.
    weights: Vec<f64>,
}

impl Set<'_> {
    pub(super) fn rows(&self) -> usize {
        self.targets.len()
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.channels..][..self.channels]
    }
}

/// What batches are drawn from.
pub(super) struct Sets<'a> {
    main: Set<'a>,
    pub probes: Option<Set<'a>>,
}

impl<'a> Sets<'a> {
    pub(super) fn new(main: Samples<'a>, probes: Option<Probes<'a>>, options: &AdamOptions) -> Self {
        let probes = probes.and_then(|Probes { features, channels, shares }| {
            let targets = options.probe_labels.targets(shares)?;
            Some(Set { features, channels, weights: vec![1.0; targets.len()], targets })
        });
        let Samples { features, channels, labels } = main;
        let targets = labels.iter().map(|&label| f64::from(label)).collect();
        let main = Set { features, channels, targets, weights: options.class_balance.weights(labels) };
        Self { main, probes }
    }
}

/// A head in training. The last of the parameters is the bias.
pub(super) struct State<'a> {
    gate: &'a Gate,
    parameters: Vec<f32>,
    mean: Vec<f32>,
    mean_square: Vec<f32>,
    steps: i32,
}

impl<'a> State<'a> {
    pub(super) fn new(gate: &'a Gate) -> Self {
        let zero = vec![0.0; gate.channels() + 1];
        Self { gate, parameters: zero.clone(), mean: zero.clone(), mean_square: zero, steps: 0 }
    }

    pub(super) fn head(&self) -> Head {
        let channels = self.gate.channels();
        Head { weight: self.parameters[..channels].to_vec(), bias: self.parameters[channels] }
    }

    pub(super) fn step(&mut self, sets: &Sets, batch: &Batch, lr: f64, options: &AdamOptions) {
        let channels = self.gate.channels();
        let weight: Vec<f64> = self.parameters[..channels].iter().map(|&w| f64::from(w)).collect();
        let bias = f64::from(self.parameters[channels]);
        let mut gradient = vec![0.0; channels + 1];
        for (set, rows) in [(Some(&sets.main), &batch.main), (sets.probes.as_ref(), &batch.probes)] {
            let Some(set) = set else { continue };
            for row in rows.iter().map(|&row| row as usize) {
                let x = set.row(row);
                let z = dot(x, &weight) + bias;
                let pull = set.weights[row] * (sigmoid(z) - set.targets[row]) / rows.len() as f64;
                add_scaled(&mut gradient[..channels], pull, x);
                gradient[channels] += pull;
            }
        }
        for (gradient, keep) in gradient.iter_mut().zip(&self.gate.keep) {
            if !keep {
                *gradient = 0.0;
            }
        }
        self.update(&gradient, lr, options);
        if options.sign == Sign::NonNegative {
            self.parameters[..channels].iter_mut().for_each(|weight| *weight = weight.max(0.0));
        }
    }

    /// One step of Adam, in f32 and in torch's order of operations; coefficients are made in f64.
    fn update(&mut self, gradient: &[f64], lr: f64, options: &AdamOptions) {
        self.steps += 1;
        let correction1 = 1.0 - options.beta1.powi(self.steps);
        let correction2 = (1.0 - options.beta2.powi(self.steps)).sqrt() as f32;
        let step_size = (lr / correction1) as f32;
        let (share1, share2) = ((1.0 - options.beta1) as f32, (1.0 - options.beta2) as f32);
        let (beta2, eps) = (options.beta2 as f32, options.eps as f32);
        for (((parameter, mean), mean_square), gradient) in
            self.parameters.iter_mut().zip(&mut self.mean).zip(&mut self.mean_square).zip(gradient)
        {
            let gradient = *gradient as f32;
            *mean += (gradient - *mean) * share1;
            *mean_square = *mean_square * beta2 + share2 * gradient * gradient;
            let denominator = mean_square.sqrt() / correction2 + eps;
            *parameter -= step_size * (*mean / denominator);
        }
    }
}
