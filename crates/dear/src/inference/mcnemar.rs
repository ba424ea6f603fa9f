//! McNemar's exact test: of two detectors judged on the same images, which one has more of them right?

use crate::evaluate::McNemar;

/// Compare the verdicts at logit 0 of two systems on the images of one class (`label` 0 or 1).
///
/// A logit of exactly 0 is wrong. An image takes part if both of its logits are finite. The p-value is exact and
/// two-sided (`statsmodels.stats.contingency_tables.mcnemar(exact=True)`): twice the binomial share, at 1/2, of at most
/// the rarer kind of discordant pairs, at most 1. `None` if no image of the class takes part, or if the three lists differ
/// in length.
pub fn mcnemar(labels: &[u8], before: &[f64], after: &[f64], label: u8) -> Option<McNemar> {
    if labels.len() != before.len() || labels.len() != after.len() {
        return None;
    }
    let right = |logit: f64| if label == 1 { logit > 0.0 } else { logit < 0.0 };
    let (mut pairs, mut only_before, mut only_after) = (0_u64, 0, 0);
    for ((&found, &before), &after) in labels.iter().zip(before).zip(after) {
        if found != label || !before.is_finite() || !after.is_finite() {
            continue;
        }
        pairs += 1;
        match (right(before), right(after)) {
            (true, false) => only_before += 1,
            (false, true) => only_after += 1,
            _ => {}
        }
    }
    (pairs > 0).then(|| McNemar { only_before, only_after, p: sign_test(only_before, only_after) })
}

/// Two-sided exact p-value of `a` against `b` fair coin tosses.
fn sign_test(a: u64, b: u64) -> f64 {
    let (rarer, tosses) = (a.min(b), a + b);
    // Weights of 0, 1, 2, ... heads, relative to the commonest count, going down from it until they vanish: sums of
    // positive terms without factorials, so that a million tosses lose no digits.
    let half = tosses / 2;
    let (mut weight, mut tail, mut below) = (1.0, 0.0, 0.0);
    for heads in (0..=half).rev() {
        below += weight;
        if heads <= rarer {
            tail += weight;
        }
        weight *= heads as f64 / (tosses - heads + 1) as f64;
        if weight == 0.0 {
            break;
        }
    }
    // The other half mirrors this one; an even number of tosses has one count in the middle.
    let total = 2.0 * below - if tosses.is_multiple_of(2) { 1.0 } else { 0.0 };
    (2.0 * tail / total).min(1.0)
}
