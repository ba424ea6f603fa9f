//! Tails of the binomial distribution, without factorials: a million draws lose no digits.

/// Chance of at most `k` successes in `n` draws of probability `p` (`scipy.stats.binom.cdf`).
pub(super) fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    // Weights relative to the commonest count, in both directions from it until they vanish.
    let odds = p / (1.0 - p);
    let mode = (((n + 1) as f64 * p) as u64).min(n);
    let (mut tail, mut total) = (0.0, 0.0);
    let mut count = |successes: u64, weight: f64| {
        total += weight;
        if successes <= k {
            tail += weight;
        }
    };
    let mut weight = 1.0;
    for successes in (0..=mode).rev() {
        count(successes, weight);
        weight *= successes as f64 / ((n - successes + 1) as f64 * odds);
        if weight == 0.0 {
            break;
        }
    }
    let mut weight = 1.0;
    for successes in mode + 1..=n {
        weight *= (n - successes + 1) as f64 * odds / successes as f64;
        if weight == 0.0 {
            break;
        }
        count(successes, weight);
    }
    tail / total
}

/// Chance of at least `k` successes in `n` draws of probability `p` (`scipy.stats.binomtest(alternative="greater")`).
pub(super) fn at_least(k: u64, n: u64, p: f64) -> f64 {
    if k > n { 0.0 } else { at_most(n - k, n, 1.0 - p) }
}

/// Largest probability under which at most `k` successes in `n` draws still have a chance of `1 - confidence`: Clopper and
/// Pearson's one-sided upper bound (`scipy.stats.beta.ppf(confidence, k + 1, n - k)`).
pub(super) fn upper_bound(k: u64, n: u64, confidence: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    // Bisection ends where no f64 lies between the ends.
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        *(if at_most(k, n, middle) > 1.0 - confidence { &mut low } else { &mut high }) = middle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_that_can_be_checked_by_hand() {
        let cases = [
            (at_most(0, 3, 0.5), 0.125),
            (at_most(1, 3, 0.5), 0.5),
            (at_most(2, 3, 0.1), 0.999),
            (at_most(3, 3, 0.9), 1.0),
            (at_most(0, 59, 0.05), 0.95f64.powi(59)),
            (at_least(0, 4, 0.3), 1.0),
            (at_least(4, 4, 0.5), 0.0625),
            (at_least(5, 4, 0.5), 0.0),
            (upper_bound(0, 59, 0.95), 1.0 - 0.05f64.powf(1.0 / 59.0)),
            (upper_bound(4, 4, 0.95), 1.0),
        ];
        for (i, (found, expected)) in cases.into_iter().enumerate() {
            assert!((found - expected).abs() < 1e-14, "case {i}: {found}, expected {expected}");
        }
    }
}
