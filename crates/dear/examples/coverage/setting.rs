//! Populations of which everything is known, and the sizes of samples of them.

use std::f64::consts::PI;

use dear::inference::normal::{cdf, quantile};
use dear::metrics::{LooksAt, Metric};

/// Real accuracy and AUC of a detector whose logits are normal with standard deviation 1.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) r_acc: f64,
    pub(crate) auc: f64,
}

/// Accuracies from .5 to .95 and AUCs from .7 to .99; the fifth calls nearly everything real.
pub(crate) const SETTINGS: [Setting; 7] = [
    Setting { r_acc: 0.5, auc: 0.7 },
    Setting { r_acc: 0.6, auc: 0.8 },
    Setting { r_acc: 0.7, auc: 0.9 },
    Setting { r_acc: 0.8, auc: 0.95 },
    Setting { r_acc: 0.9, auc: 0.7 },
    Setting { r_acc: 0.95, auc: 0.9 },
    Setting { r_acc: 0.95, auc: 0.99 },
];

impl Setting {
    /// Distance of the two classes' means.
    fn gap(&self) -> f64 {
        2.0_f64.sqrt() * quantile(self.auc)
    }

    /// Mean logit of a class.
    pub(crate) fn mean(&self, label: u8) -> f64 {
        if label == 1 { self.gap() - quantile(self.r_acc) } else { -quantile(self.r_acc) }
    }

    /// The value in a population with the classes in the proportion of `sizes`.
    ///
    /// # Panics
    /// For a metric that is not known here.
    pub(crate) fn truth(&self, metric: &Metric, sizes: Sizes) -> f64 {
        let f_acc = cdf(self.mean(1));
        match (metric.name, metric.looks_at) {
            ("r_acc", _) => self.r_acc,
            ("f_acc", _) => f_acc,
            ("balanced_accuracy", _) => (self.r_acc + f_acc) / 2.0,
            ("asymmetry", _) => self.r_acc - f_acc,
            ("auc", _) => self.auc,
            ("eer", _) => cdf(-self.gap() / 2.0),
            (_, LooksAt::TruePositiveRate(tpr)) => cdf(quantile(tpr) - self.gap()),
            (_, LooksAt::FalsePositiveRate(fpr)) => cdf(self.gap() + quantile(fpr)),
            ("ap", _) => self.integrals(sizes).ap,
            ("brier", _) => self.integrals(sizes).brier,
            ("nll", _) => self.integrals(sizes).nll,
            ("ece", _) => self.integrals(sizes).ece,
            (name, _) => panic!("{name}: say here what it is in a population"),
        }
    }

    /// Sums over a fine grid of logits, from the highest to the lowest.
    fn integrals(&self, sizes: Sizes) -> Integrals {
        const STEP: f64 = 1.0 / 1024.0;
        // Bins of equal mass in which a detector's probabilities are compared with shares.
        const BINS: usize = 15;
        let share = sizes.fake as f64 / (sizes.real + sizes.fake) as f64;
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
        let mut sums = Integrals::default();
        let mut gaps = [0.0; BINS];
        let (mut recall, mut mass) = (0.0, 0.0);
        for index in -16_384_i32..16_384 {
            let logit = -(f64::from(index) + 0.5) * STEP;
            let real = (1.0 - share) * density(logit - self.mean(0)) * STEP;
            let fake = share * density(logit - self.mean(1)) * STEP;
            let probability = 1.0 / (1.0 + (-logit).exp());
            recall += fake;
            let bin = ((mass + (real + fake) / 2.0) * BINS as f64) as usize;
            mass += real + fake;
            if mass > 0.0 {
                sums.ap += fake / share * recall / mass;
            }
            sums.brier += real * probability.powi(2) + fake * (1.0 - probability).powi(2);
            sums.nll += real * logit.exp().ln_1p() + fake * (-logit).exp().ln_1p();
            gaps[bin.min(BINS - 1)] += (real + fake) * probability - fake;
        }
        Integrals { ece: gaps.iter().map(|gap| gap.abs()).sum(), ..sums }
    }
}

/// Metrics of a population without a closed form.
#[derive(Default)]
struct Integrals {
    ap: f64,
    brier: f64,
    nll: f64,
    ece: f64,
}

/// Images of each class.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Sizes {
    pub(crate) real: usize,
    pub(crate) fake: usize,
}

/// 100 and 1,000 images, half of each class, and one generator against all real images.
pub(crate) const SIZES: [Sizes; 3] =
    [Sizes { real: 50, fake: 50 }, Sizes { real: 500, fake: 500 }, Sizes { real: 500, fake: 50 }];

impl Sizes {
    pub(crate) fn labels(&self) -> Vec<u8> {
        (0..self.real + self.fake).map(|index| u8::from(index >= self.real)).collect()
    }

    /// The coverage that a nominal 95 % must have; nothing is promised of unequal classes.
    pub(crate) fn required(&self) -> Option<f64> {
        (self.real == self.fake).then_some(if self.real >= 500 { 0.93 } else { 0.90 })
    }

    pub(crate) fn name(&self) -> String {
        format!("{} + {}", self.real, self.fake)
    }
}
