//! A head that must not accuse many more real images than the base head did.
//!
//! A new head can buy accuracy on generated images with false accusations of real ones. Here the bias is chosen under a
//! promise: on every *operating set* (the validation images as they are, and under each perturbation) the share of real
//! images called real falls by no more than a stated number of points against the base head. Of all biases that keep it, the
//! one with the highest mean balanced accuracy over the sets is taken.
//!
//! Both are found exactly. A head with weights `w` and bias `b` calls a real image real if `w . x + b < 0`. Keeping `k` of
//! them right is `b < -s_k`, where `s_k` is the k-th smallest `w . x` of the real images: an upper bound. Between two
//! neighbouring values of `-w . x` (over all images of all sets) no verdict changes, so each such open interval has one
//! accuracy; at its ends some logit is exactly 0, which evaluation counts as wrong on both sides, so the ends are never
//! better and never taken.

use serde::{Deserialize, Serialize};

use super::{Head, Operating, Samples, TrainError, Training};

/// Accuracies closer than this are equal. Rounding of their sums is a thousand times smaller; real differences are larger
/// unless a set holds millions of images.
const EQUAL: f64 = 1e-12;

/// The promise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BalanceOptions {
    /// Points (hundredths) of R.Acc that the head may lose against the base head on each operating set, 0 to 100 (default 3).
    pub max_r_acc_loss: f64,
}

impl Default for BalanceOptions {
    fn default() -> Self {
        Self { max_r_acc_loss: 3.0 }
    }
}

impl BalanceOptions {
    /// Refuse a loss out of range.
    pub fn check(&self) -> Result<(), TrainError> {
        let found = self.max_r_acc_loss;
        if (0.0..=100.0).contains(&found) {
            Ok(())
        } else {
            Err(TrainError::Option { key: "max_r_acc_loss", found, expected: "points from 0 to 100" })
        }
    }
}

/// How the promise was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceReport {
    /// Points of R.Acc that might be lost.
    pub max_r_acc_loss: f64,
    /// The bias is below this; absent where every image may be accused.
    pub bound: Option<f64>,
    /// The operating set that this bound comes from.
    pub bound_by: Option<String>,
    /// Whether a higher bias would have been better: the promise cost something.
    pub active: bool,
    /// Mean over the sets of balanced accuracy.
    pub balanced_accuracy: f64,
    /// What the best bias without the promise would have had.
    pub unbound_balanced_accuracy: f64,
    /// Length of the interval of equally good biases from which this one is the middle; absent where it has no end.
    pub width: Option<f64>,
    /// The sets, in the given order.
    pub sets: Vec<OperatingReport>,
}

/// Accuracies on one operating set. A logit of exactly 0 is wrong on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingReport {
    /// The set's name.
    pub name: String,
    /// Real images.
    pub real: u64,
    /// Generated images.
    pub fake: u64,
    /// Real images that the promise wants called real.
    pub needed: u64,
    /// R.Acc of the base head.
    pub base_r_acc: f64,
    /// F.Acc of the base head.
    pub base_f_acc: f64,
    /// R.Acc of the new head.
    pub r_acc: f64,
    /// F.Acc of the new head.
    pub f_acc: f64,
}

/// The promise on given sets, made once for all weights.
pub(super) struct Promise<'a> {
    options: BalanceOptions,
    sets: Vec<Set<'a>>,
}

struct Set<'a> {
    name: &'a str,
    samples: Samples<'a>,
    base: Right,
    needed: usize,
}

/// Images with the right verdict.
#[derive(Debug, Clone, Copy, Default)]
struct Right {
    real: usize,
    fake: usize,
}

/// The best bias for some weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub bias: f32,
    pub balanced_accuracy: f64,
    unbound: f64,
    bound: f64,
    bound_by: Option<usize>,
    width: f64,
}

/// No verdict changes between two biases.
#[derive(Debug, Clone, Copy)]
struct Interval {
    low: f64,
    high: f64,
    balanced_accuracy: f64,
}

impl<'a> Promise<'a> {
    /// # Errors
    /// [`TrainError::Missing`] without operating sets or base head.
    pub(super) fn new(training: &Training<'a>, options: BalanceOptions) -> Result<Self, TrainError> {
        let missing = |input| TrainError::Missing { option: "balance", input };
        let base = training.base.ok_or(missing("the base head"))?;
        if training.operating.is_empty() {
            return Err(missing("operating sets (whole validation images, clean and perturbed)"));
        }
        let set = |operating: &Operating<'a>| {
            let Operating { name, samples } = *operating;
            let base = Right::of(base, samples);
            let real = count(samples.labels, 0);
            let may_lose = real as f64 * options.max_r_acc_loss / 100.0;
            // A billionth of an image for the rounding of the product.
            let needed = (base.real as f64 - may_lose - 1e-9).ceil().max(0.0) as usize;
            Set { name, samples, base, needed }
        };
        Ok(Self { options, sets: training.operating.iter().map(set).collect() })
    }

    /// The best bias for the weights of a head.
    ///
    /// Of equally good intervals the widest, of equally wide ones the lowest; an interval without end counts only where no
    /// other is as good, and is entered by 1. `None` where no f32 lies in any interval that keeps the promise.
    pub(super) fn choose(&self, head: &Head) -> Option<Choice> {
        let unbiased = Head { weight: head.weight.clone(), bias: 0.0 };
        // Bias at which each image's logit is 0, with its set and label. (Adding 0 makes one zero of two.)
        let mut edges: Vec<(f64, usize, u8)> = Vec::new();
        for (number, set) in self.sets.iter().enumerate() {
            let logits = unbiased.logits(set.samples);
            edges.extend(logits.iter().zip(set.samples.labels).map(|(z, &label)| (0.0 - z, number, label)));
        }
        edges.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));

        let mut bound = (f64::INFINITY, None);
        for (number, set) in self.sets.iter().enumerate().filter(|(_, set)| set.needed > 0) {
            // The highest edges are those of the lowest logits: the last `needed` real images stay below their own edge.
            let mut real = edges.iter().rev().filter(|edge| edge.1 == number && edge.2 == 0);
            let edge = real.nth(set.needed - 1).expect("no more are needed than there are").0;
            if edge < bound.0 {
                bound = (edge, Some(number));
            }
        }

        let intervals = self.intervals(&edges);
        let best = |intervals: &mut dyn Iterator<Item = &Interval>| {
            intervals.map(|interval| interval.balanced_accuracy).reduce(f64::max)
        };
        let allowed = || intervals.iter().filter(|i| i.high <= bound.0 && i.inside().is_some());
        let highest = best(&mut allowed())?;
        let chosen = allowed()
            .filter(|interval| interval.balanced_accuracy > highest - EQUAL)
            .max_by(|a, b| a.bounded_width().total_cmp(&b.bounded_width()).then(b.low.total_cmp(&a.low)))?;
        Some(Choice {
            bias: chosen.inside()?,
            balanced_accuracy: chosen.balanced_accuracy,
            unbound: best(&mut intervals.iter())?,
            bound: bound.0,
            bound_by: bound.1,
            width: chosen.high - chosen.low,
        })
    }

    /// All intervals, from the lowest bias, with which every image is called real.
    fn intervals(&self, edges: &[(f64, usize, u8)]) -> Vec<Interval> {
        let sizes: Vec<Right> = self.sets.iter().map(Set::size).collect();
        let mut right: Vec<Right> = sizes.iter().map(|size| Right { real: size.real, fake: 0 }).collect();
        let mut intervals = Vec::with_capacity(edges.len() + 1);
        let mut low = f64::NEG_INFINITY;
        for tie in edges.chunk_by(|a, b| a.0 == b.0) {
            let high = tie[0].0;
            intervals.push(Interval { low, high, balanced_accuracy: mean_accuracy(&right, &sizes) });
            for &(_, set, label) in tie {
                if label == 1 {
                    right[set].fake += 1;
                } else {
                    right[set].real -= 1;
                }
            }
            low = high;
        }
        let balanced_accuracy = mean_accuracy(&right, &sizes);
        intervals.push(Interval { low, high: f64::INFINITY, balanced_accuracy });
        intervals
    }

    /// What the chosen head does on every set.
    pub(super) fn report(&self, head: &Head, choice: &Choice) -> BalanceReport {
        let set = |set: &Set| {
            let (size, right) = (set.size(), Right::of(head, set.samples));
            let share = |right: usize, of: usize| right as f64 / of as f64;
            OperatingReport {
                name: set.name.to_owned(),
                real: size.real as u64,
                fake: size.fake as u64,
                needed: set.needed as u64,
                base_r_acc: share(set.base.real, size.real),
                base_f_acc: share(set.base.fake, size.fake),
                r_acc: share(right.real, size.real),
                f_acc: share(right.fake, size.fake),
            }
        };
        let finite = |value: f64| value.is_finite().then_some(value);
        BalanceReport {
            max_r_acc_loss: self.options.max_r_acc_loss,
            bound: finite(choice.bound),
            bound_by: choice.bound_by.map(|number| self.sets[number].name.to_owned()),
            active: choice.unbound > choice.balanced_accuracy + EQUAL,
            balanced_accuracy: choice.balanced_accuracy,
            unbound_balanced_accuracy: choice.unbound,
            width: finite(choice.width),
            sets: self.sets.iter().map(set).collect(),
        }
    }
}

impl Set<'_> {
    fn size(&self) -> Right {
        Right { real: count(self.samples.labels, 0), fake: count(self.samples.labels, 1) }
    }
}

impl Right {
    fn of(head: &Head, samples: Samples) -> Self {
        let logits = head.logits(samples);
        let right = |label: u8, is_right: fn(f64) -> bool| {
            logits.iter().zip(samples.labels).filter(|(z, l)| **l == label && is_right(**z)).count()
        };
        Self { real: right(0, |z| z < 0.0), fake: right(1, |z| z > 0.0) }
    }
}

impl Interval {
    /// The f32 nearest to the middle, if it lies inside; if not, none does.
    fn inside(&self) -> Option<f32> {
        let middle = match (self.low.is_finite(), self.high.is_finite()) {
            (true, true) => self.low + (self.high - self.low) / 2.0,
            (true, false) => self.low + 1.0,
            (false, true) => self.high - 1.0,
            (false, false) => 0.0,
        };
        let bias = middle as f32;
        (f64::from(bias) > self.low && f64::from(bias) < self.high && bias.is_finite()).then_some(bias)
    }

    /// Width, or -1 for an interval without end.
    fn bounded_width(&self) -> f64 {
        let width = self.high - self.low;
        if width.is_finite() { width } else { -1.0 }
    }
}

fn count(labels: &[u8], label: u8) -> usize {
    labels.iter().filter(|&&other| other == label).count()
}

/// Mean over the sets of the mean of both classes' accuracies, from the counts each time, so that equal counts are equal.
fn mean_accuracy(right: &[Right], sizes: &[Right]) -> f64 {
    let share = |right: usize, of: usize| right as f64 / of as f64;
    let sets = right.iter().zip(sizes);
    let sum: f64 =
        sets.map(|(right, size)| share(right.real, size.real) + share(right.fake, size.fake)).sum();
    sum / 2.0 / sizes.len() as f64
}

#[cfg(test)]
mod tests;
