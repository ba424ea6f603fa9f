//! Many tests at once, and one error rate for all: the step-down maxT procedure of permutations.
//!
//! Westfall and Young, "Resampling-Based Multiple Testing", 1993, algorithm 2.8. Every feature is one or more columns of
//! numbers, one a sample; a weight a sample (its class, its score) is what they may depend on. The weights are permuted as
//! they would be exchangeable if nothing depended on them, and all columns are measured on the same permutations, so that
//! ties, correlated features and categories need no assumption. Exact: with the observed order counted among the
//! permutations, the chance of any false alarm is at most the level.

use dear_image::Draw;
use rayon::prelude::*;

/// Columns of the features, sample by sample.
pub(super) struct Columns {
    /// `[sample][column]`; a missing value is the column's mean, which says nothing.
    data: Vec<f32>,
    width: usize,
    /// The feature of each column, ascending.
    feature: Vec<usize>,
    /// Sum of each column.
    sums: Vec<f64>,
}

/// What a family's tests say of its features.
pub(super) struct Family {
    /// Chance, were nothing related, of one of *this* feature's columns being as extreme.
    pub(super) p: Vec<f64>,
    /// The same for any feature of the family that is not more extreme: the p-value to compare with the level.
    pub(super) p_adjusted: Vec<f64>,
    /// Standard deviations from its mean at which a column is significant in this family.
    pub(super) critical: f64,
}

/// How weights may be exchanged.
pub(super) enum Exchange {
    /// Among all samples.
    Samples,
    /// Whole scenes among each other where a scene has one weight, within it where it has several.
    Scenes(Vec<Vec<usize>>),
}

impl Columns {
    /// Of `(feature, column)` pairs, in ascending order of the feature; each column has one number a sample.
    pub(super) fn new(columns: &[(usize, Vec<f32>)], samples: usize) -> Self {
        let width = columns.len();
        let mut data = vec![0.0; width * samples];
        for (at, (_, column)) in columns.iter().enumerate() {
            for (row, &value) in data.chunks_exact_mut(width).zip(column) {
                row[at] = value;
            }
        }
        let sums = columns.iter().map(|(_, column)| column.iter().map(|&v| f64::from(v)).sum()).collect();
        Self { data, width, feature: columns.iter().map(|(feature, _)| *feature).collect(), sums }
    }

    /// Sum over samples of weight times column, less what the mean weight would give, over the weights' spread: a z-score
    /// up to a factor that depends on the column only.
    fn measure(&self, weights: &[f64]) -> Vec<f64> {
        let samples = weights.len() as f64;
        let mean = weights.iter().sum::<f64>() / samples;
        let spread = weights.iter().map(|weight| (weight - mean).powi(2)).sum::<f64>().sqrt();
        let mut out = vec![0.0; self.width];
        for (row, &weight) in self.data.chunks_exact(self.width).zip(weights) {
            if weight != 0.0 {
                for (out, &value) in out.iter_mut().zip(row) {
                    *out += weight * f64::from(value);
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(&self.sums) {
            *out = (*out - mean * sum) / spread.max(f64::MIN_POSITIVE);
        }
        out
    }
}

/// Test `features` features. Draws are keyed by (`seed`, `purpose`, number), so threads do not matter.
pub(super) fn test(
    columns: &Columns,
    features: usize,
    weights: &[f64],
    exchange: &Exchange,
    (permutations, level): (u32, f64),
    (seed, purpose): (u64, &[u8]),
) -> Family {
    if columns.width == 0 || weights.is_empty() {
        return Family { p: vec![1.0; features], p_adjusted: vec![1.0; features], critical: f64::INFINITY };
    }
    let mut measured: Vec<Vec<f64>> = vec![columns.measure(weights)];
    measured.par_extend((0..u64::from(permutations)).into_par_iter().map(|number| {
        let mut draw = Draw::keyed(seed, &[b"audit", purpose, &number.to_le_bytes()]);
        columns.measure(&exchange.permuted(weights, &mut draw))
    }));
    let strongest: Vec<Vec<f64>> = {
        let scale = scales(&measured, columns.width, exchange);
        measured.par_iter().map(|row| columns.strongest(row, &scale, features)).collect()
    };
    let (observed, count) = (&strongest[0], strongest.len() as f64);
    // Sums of other orders differ in their last bits where the statistics are equal.
    let reached = |value: f64, observed: f64| value >= observed - 1e-9 * (1.0 + observed);
    let share = |of: &dyn Fn(&[f64]) -> bool| strongest.iter().filter(|row| of(row)).count() as f64 / count;
    let p = (0..features).map(|f| share(&|row| reached(row[f], observed[f]))).collect();
    let mut order: Vec<usize> = (0..features).collect();
    order.sort_by(|&a, &b| observed[b].total_cmp(&observed[a]));
    let (mut p_adjusted, mut least) = (vec![1.0; features], 0.0f64);
    for (at, &feature) in order.iter().enumerate() {
        let rest = &order[at..];
        least = least.max(share(&|row| rest.iter().any(|&f| reached(row[f], observed[feature]))));
        p_adjusted[feature] = least;
    }
    let mut largest: Vec<f64> = strongest.iter().map(|row| row.iter().copied().fold(0.0, f64::max)).collect();
    largest.sort_unstable_by(f64::total_cmp);
    let at = ((1.0 - level) * count).ceil() as usize;
    let critical = largest.get(at.saturating_sub(1)).copied().unwrap_or(f64::INFINITY);
    Family { p, p_adjusted, critical }
}

/// Mean and standard deviation of each column over all permutations, the observed order among them: so no permutation is
/// treated differently, which is what exactness needs. Among single samples the mean is 0, as [`Columns::measure`] has it.
fn scales(measured: &[Vec<f64>], width: usize, exchange: &Exchange) -> Vec<(f64, f64)> {
    let count = measured.len() as f64;
    (0..width)
        .map(|column| {
            let mean = match exchange {
                Exchange::Samples => 0.0,
                Exchange::Scenes(_) => measured.iter().map(|row| row[column]).sum::<f64>() / count,
            };
            let variance = measured.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / count;
            (mean, variance.sqrt())
        })
        .collect()
}

impl Columns {
    /// The largest standardised deviation of each feature's columns.
    fn strongest(&self, row: &[f64], scale: &[(f64, f64)], features: usize) -> Vec<f64> {
        let mut out = vec![0.0f64; features];
        for ((&value, &(mean, deviation)), &feature) in row.iter().zip(scale).zip(&self.feature) {
            if deviation > 1e-12 {
                out[feature] = out[feature].max((value - mean).abs() / deviation);
            }
        }
        out
    }
}

impl Exchange {
    /// By scene, if any scene has several samples.
    pub(super) fn of_groups(groups: &[&str]) -> Self {
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by_key(|&index| groups[index]);
        let scenes: Vec<Vec<usize>> =
            order.chunk_by(|&a, &b| groups[a] == groups[b]).map(<[usize]>::to_vec).collect();
        if scenes.len() == groups.len() { Self::Samples } else { Self::Scenes(scenes) }
    }

    /// Independent units.
    pub(super) fn units(&self, samples: usize) -> usize {
        match self {
            Self::Samples => samples,
            Self::Scenes(scenes) => scenes.len(),
        }
    }

    fn permuted(&self, weights: &[f64], draw: &mut Draw) -> Vec<f64> {
        let mut out = weights.to_vec();
        match self {
            Self::Samples => draw.shuffle(&mut out),
            Self::Scenes(scenes) => {
                let one = |scene: &&Vec<usize>| scene.iter().all(|&i| weights[i] == weights[scene[0]]);
                let (pure, mixed): (Vec<_>, Vec<_>) = scenes.iter().partition(one);
                let mut of_scene: Vec<f64> = pure.iter().map(|scene| weights[scene[0]]).collect();
                draw.shuffle(&mut of_scene);
                for (scene, weight) in pure.into_iter().zip(of_scene) {
                    scene.iter().for_each(|&index| out[index] = weight);
                }
                for scene in mixed {
                    let mut own: Vec<f64> = scene.iter().map(|&index| weights[index]).collect();
                    draw.shuffle(&mut own);
                    scene.iter().zip(own).for_each(|(&index, weight)| out[index] = weight);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::centred_ranks;

    fn family(columns: &[(usize, Vec<f32>)], features: usize, weights: &[f64], permutations: u32) -> Family {
        let columns = Columns::new(columns, weights.len());
        test(&columns, features, weights, &Exchange::Samples, (permutations, 0.02), (1, b"test"))
    }

    #[test]
    fn a_perfect_column_has_the_p_of_its_permutations() {
        // Of 4 + 4 samples in two classes, 2 of 70 orders separate as well.
        let weights = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let ranks = centred_ranks(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0].map(Some));
        let found = family(&[(0, ranks), (1, vec![3.0; 8])], 2, &weights, 20_000);
        // Five standard errors of 20,000 draws at 2/70 are 0.006.
        assert!((found.p[0] - 2.0 / 70.0).abs() < 0.006, "{}", found.p[0]);
        assert_eq!((found.p[1], found.p_adjusted[1]), (1.0, 1.0), "a constant says nothing");
        assert_eq!(found.p[0], found.p_adjusted[0]);
    }

    #[test]
    fn adjusted_values_grow_with_the_family_but_not_for_copies() {
        let weights: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
        let mut draw = Draw::keyed(2, &[]);
        let mut noise = |shift: f64| -> Vec<f32> {
            centred_ranks(&weights.iter().map(|w| Some(draw.normal() + shift * w)).collect::<Vec<_>>())
        };
        let strong = noise(1.0);
        let alone = family(&[(0, strong.clone())], 1, &weights, 2000).p_adjusted[0];
        let copies: Vec<_> = (0..30).map(|feature| (feature, strong.clone())).collect();
        assert_eq!(family(&copies, 30, &weights, 2000).p_adjusted[0], alone);
        let many: Vec<_> = (0..30).map(|f| (f, if f == 0 { strong.clone() } else { noise(0.0) })).collect();
        assert!(family(&many, 30, &weights, 2000).p_adjusted[0] > 3.0 * alone, "{alone}");
    }

    #[test]
    fn scenes_move_whole_and_pairs_within_themselves() {
        let groups = ["a", "a", "b", "b", "c", "c", "p", "p"];
        let weights = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let exchange = Exchange::of_groups(&groups);
        assert_eq!(exchange.units(8), 4);
        let (mut swapped, mut moved) = (0, 0);
        for number in 0..200u64 {
            let out = exchange.permuted(&weights, &mut Draw::keyed(number, &[]));
            assert!((0..3).all(|scene| out[2 * scene] == out[2 * scene + 1]), "{out:?}");
            assert_eq!(out[6] + out[7], 1.0);
            swapped += u32::from(out[6] == 1.0);
            moved += u32::from(out[4] == 1.0);
        }
        assert!((60..140).contains(&swapped) && (90..180).contains(&moved), "{swapped} {moved}");
    }

    #[test]
    fn midranks_share_ties_and_skip_the_missing() {
        let ranks = centred_ranks(&[Some(5.0), None, Some(1.0), Some(5.0), Some(9.0)]);
        assert_eq!(ranks, [0.0, 0.0, -1.5, 0.0, 1.5]);
    }
}
