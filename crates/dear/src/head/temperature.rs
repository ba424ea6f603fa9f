//! One number that divides a detector's logits: its verdicts stay, its confidence becomes what it can keep.

use super::sigmoid;

/// Bounds of the temperature. Logits that say nothing would want an infinite one.
pub const TEMPERATURES: [f64; 2] = [1e-3, 1e3];

/// Newton steps and halvings; each at least halves the bracket, so 200 leave nothing.
const STEPS: u32 = 200;

/// What a fit aims at instead of 0 and 1, so that separable samples have an optimum too and no probability claims more than
/// the sample carries: `1 / (real + 2)` for real, `(fake + 1) / (fake + 2)` for generated (Platt 1999, section 2.2;
/// `sklearn.calibration._sigmoid_calibration`).
pub fn targets(real: usize, fake: usize) -> [f64; 2] {
    [1.0 / (real as f64 + 2.0), (fake as f64 + 1.0) / (fake as f64 + 2.0)]
}

/// The temperature that minimises the cross-entropy of `logit / temperature` with the targets of real and generated (see
/// [`targets`]), each class weighing half (Guo et al. 2017, for one logit). The objective is convex in 1 / temperature.
///
/// `None` unless both classes are there, one finite logit for each label.
pub fn fit_temperature(logits: &[f64], labels: &[u8], target: [f64; 2]) -> Option<f64> {
    let fake = labels.iter().filter(|&&label| label == 1).count();
    let real = labels.len() - fake;
    if logits.len() != labels.len() || real == 0 || fake == 0 || logits.iter().any(|logit| !logit.is_finite())
    {
        return None;
    }
    let weight = [0.5 / real as f64, 0.5 / fake as f64];
    let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
        let terms = logits.iter().zip(labels).map(|(&logit, &label)| {
            let class = usize::from(label == 1);
            weight[class] * term(logit, target[class])
        });
        terms.sum()
    };
    let slope = |inverse: f64| sum(&|z, t| z * (sigmoid(inverse * z) - t));
    let bend = |inverse: f64| {
        sum(&|z, _| {
            let p = sigmoid(inverse * z);
            z * z * p * (1.0 - p)
        })
    };

    let (mut low, mut high) = (1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]);
    let inverse = if slope(low) >= 0.0 {
        low
    } else if slope(high) <= 0.0 {
        high
    } else {
        let mut at = 1.0;
        for _ in 0..STEPS {
            let here = slope(at);
            if here > 0.0 {
                high = at;
            } else {
                low = at;
            }
            let newton = at - here / bend(at);
            // The bracket in decades where Newton leaves it.
            let next = if newton > low && newton < high { newton } else { (low * high).sqrt() };
            let done = (next - at).abs() <= 1e-14 * at;
            at = next;
            if done {
                break;
            }
        }
        at
    };
    Some(1.0 / inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_logits_want_twice_the_temperature() {
        let logits = [-3.0, -1.0, 0.5, 2.0, -0.2, 1.0, 4.0, -0.7];
        let labels = [0, 0, 0, 1, 1, 1, 1, 0];
        let one = fit_temperature(&logits, &labels, targets(4, 4)).unwrap();
        let two = fit_temperature(&logits.map(|logit| 2.0 * logit), &labels, targets(4, 4)).unwrap();
        assert!((two / one - 2.0).abs() < 1e-12, "{one} {two}");
    }

    #[test]
    fn separable_logits_have_an_optimum_and_useless_ones_the_upper_bound() {
        // Four and four: what a perfect split may claim is (4 + 1) / (4 + 2).
        let labels = [0, 1, 0, 1, 0, 1, 0, 1];
        let logits = labels.map(|label| if label == 1 { 2.0 } else { -2.0 });
        let fit = fit_temperature(&logits, &labels, targets(4, 4)).unwrap();
        assert!((sigmoid(2.0 / fit) - 5.0 / 6.0).abs() < 1e-12, "{fit}");
        let of = |logits: [f64; 2]| fit_temperature(&logits, &[0, 1], targets(1, 1)).unwrap();
        assert_eq!(of([2.0, -2.0]), TEMPERATURES[1], "inverted");
        assert_eq!(of([0.0, 0.0]), TEMPERATURES[1]);
        assert_eq!(of([-1e-9, 1e-9]), TEMPERATURES[0]);
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        for (logits, labels) in
            [(&[1.0, 2.0][..], &[1u8, 1][..]), (&[1.0], &[0, 1]), (&[f64::NAN, 1.0], &[0, 1]), (&[], &[])]
        {
            assert_eq!(fit_temperature(logits, labels, [0.1, 0.9]), None, "{logits:?} {labels:?}");
        }
    }
}
