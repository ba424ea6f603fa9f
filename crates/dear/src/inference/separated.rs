//! Perfect separation, where DeLong's variance is 0.

use super::normal::quantile;

/// Lower end of the 95 % interval of the AUC where all of so many generated images score above all of so many real ones;
/// 1 minus it is the upper end where all score below. NaN if a class is empty.
///
/// The score interval of Newcombe's method 5 (Statistics in Medicine 25 (2006), 559-573): the least AUC from which 1 lies
/// no more than 1.96 standard deviations away, with Hanley and McNeil's variance *at that AUC*,
/// `A (1 - A) [1 + (N - 1) ((1 - A) / (2 - A) + A / (1 + A))] / (real fake)`, `N` half the number of images. With one
/// image of each class it is Wilson's interval of 1 in 1.
///
/// ```
/// assert!((dear::inference::separated(50, 50) - 0.960).abs() < 1e-3);
/// ```
pub fn separated(real: u64, fake: u64) -> f64 {
    separated_at(real, fake, quantile(0.975))
}

/// [`separated`] for `z` standard deviations.
pub(super) fn separated_at(real: u64, fake: u64, z: f64) -> f64 {
    if real == 0 || fake == 0 {
        return f64::NAN;
    }
    let (real, fake) = (real as f64, fake as f64);
    // (1 - A)^2 - z^2 V(A), divided by 1 - A: positive below the end, negative above it.
    let beyond = |auc: f64| {
        let both = (1.0 - auc) / (2.0 - auc) + auc / (1.0 + auc);
        1.0 - auc > z * z * auc * (1.0 + ((real + fake) / 2.0 - 1.0) * both) / (real * fake)
    };
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return low;
        }
        *(if beyond(middle) { &mut low } else { &mut high }) = middle;
    }
}
