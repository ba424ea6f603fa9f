//! Ranks, and the correlation of two rankings.

/// Midranks of the numbers, centred; 0 for what is missing. Exact in f32 up to eight million samples.
pub(crate) fn centred_ranks(values: &[Option<f64>]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).filter(|&index| values[index].is_some()).collect();
    order.sort_by(|&a, &b| values[a].unwrap_or(0.0).total_cmp(&values[b].unwrap_or(0.0)));
    let (middle, mut ranks) = ((order.len() as f64 + 1.0) / 2.0, vec![0.0; values.len()]);
    let mut at = 0;
    for tie in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = at as f64 + (tie.len() as f64 + 1.0) / 2.0;
        tie.iter().for_each(|&index| ranks[index] = (rank - middle) as f32);
        at += tie.len();
    }
    ranks
}

/// Spearman's correlation over the samples that have both (`scipy.stats.spearmanr`); `None` where one side is constant.
pub(crate) fn spearman(a: &[Option<f64>], b: &[Option<f64>]) -> Option<f64> {
    let both = |(a, b): (&Option<f64>, &Option<f64>)| a.zip(*b).map(|(a, b)| (Some(a), Some(b)));
    let (a, b): (Vec<_>, Vec<_>) = a.iter().zip(b).filter_map(both).unzip();
    let [a, b] = [a, b].map(|values| centred_ranks(&values));
    let product =
        |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| product(&a, &b) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spearman_is_scipys() {
        // scipy.stats.spearmanr([1, 2, 2, 4, 7, 3], [3, 1, 4, 4, 9, 2]) = 0.5735294117647058
        let values = |list: [f64; 6]| list.map(Some).to_vec();
        let found =
            spearman(&values([1.0, 2.0, 2.0, 4.0, 7.0, 3.0]), &values([3.0, 1.0, 4.0, 4.0, 9.0, 2.0]));
        assert!((found.unwrap() - 0.573_529_411_764_705_8).abs() < 1e-12, "{found:?}");
        assert_eq!(spearman(&values([1.0; 6]), &values([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])), None);
    }
}
