//! p-values of tests that are made together.

/// Holm's step-down adjustment of p-values (`statsmodels.stats.multitest.multipletests(method="holm")`), in the order
/// given.
///
/// Where everything with an adjusted value of at most 0.05 is called shown, the chance that any of these statements is
/// wrong is at most 5 %, however the tests depend on each other (Holm, Scandinavian Journal of Statistics 6 (1979),
/// 65-70). NaN, a test that could not be made, stands for 1.
///
/// ```
/// assert_eq!(dear::inference::holm(&[0.5, 0.01, 0.02]), [0.5, 0.03, 0.04]);
/// ```
pub fn holm(p: &[f64]) -> Vec<f64> {
    let p: Vec<f64> = p.iter().map(|&p| if p.is_nan() { 1.0 } else { p }).collect();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(p[index] * (p.len() - rank) as f64).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}
