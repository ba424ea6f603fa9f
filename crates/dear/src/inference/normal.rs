//! The normal distribution.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Share of the standard normal distribution below `z` (`scipy.stats.norm.cdf`); NaN for NaN.
pub fn cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The `z` below which the given share of the standard normal distribution lies (`scipy.stats.norm.ppf`): minus and
/// plus infinity at 0 and 1, NaN for what is no share.
pub fn quantile(share: f64) -> f64 {
    if !(0.0..=1.0).contains(&share) {
        return f64::NAN;
    }
    if share > 0.5 {
        return -quantile(1.0 - share);
    }
    if share == 0.0 {
        return f64::NEG_INFINITY;
    }
    // Below -38.5 the share is no f64 any more. Bisection ends where no f64 lies between the ends.
    let (mut low, mut high) = (-40.0, 0.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        *(if cdf(middle) < share { &mut low } else { &mut high }) = middle;
    }
}

/// Two-sided p-value of a standard normal `z`.
pub(super) fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / SQRT_2)
}
