//! Isotonic regression by pooling adjacent violators.

/// Corners (x ascending, y ascending) of the rising function nearest to points `(x, y, weight)` by weighted squares, as
/// `sklearn.isotonic.IsotonicRegression` keeps them: equal `x` are pooled first, and of a run of equal `y` only the ends
/// stay. Weights are above 0; no points give no corners.
pub(super) fn fit(mut points: Vec<(f64, f64, f64)>) -> (Vec<f64>, Vec<f64>) {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    // -0.0 sorts before 0.0 and equals it: a tie is what `==` says.
    let mut blocks: Vec<Block> = Vec::new();
    for tie in points.chunk_by(|a, b| a.0 == b.0) {
        let weight: f64 = tie.iter().map(|(_, _, w)| w).sum();
        let sum: f64 = tie.iter().map(|(_, y, w)| y * w).sum();
        let mut block = Block { first: tie[0].0, last: tie[0].0, sum, weight };
        while let Some(before) = blocks.pop_if(|before| before.mean() >= block.mean()) {
            block = Block {
                first: before.first,
                last: block.last,
                sum: before.sum + block.sum,
                weight: before.weight + block.weight,
            };
        }
        blocks.push(block);
    }
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for block in &blocks {
        for end in [block.first, block.last] {
            if x.last() != Some(&end) {
                x.push(end);
                y.push(block.mean());
            }
        }
    }
    (x, y)
}

/// The function through the corners at `at`: linear between them, constant beyond.
pub(super) fn interpolate(x: &[f64], y: &[f64], at: f64) -> f64 {
    let above = x.partition_point(|&x| x < at);
    match (above.checked_sub(1), x.get(above)) {
        (_, Some(&right)) if right == at => y[above],
        (None, _) => y.first().copied().unwrap_or(f64::NAN),
        (Some(below), None) => y[below],
        (Some(below), Some(&right)) => {
            let share = (at - x[below]) / (right - x[below]);
            y[below] + share * (y[above] - y[below])
        }
    }
}

/// Neighbouring points that have one value.
struct Block {
    first: f64,
    last: f64,
    sum: f64,
    weight: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violators_and_ties_are_pooled() {
        struct Case {
            points: &'static [(f64, f64, f64)],
            x: &'static [f64],
            y: &'static [f64],
        }
        let cases = [
            Case { points: &[(1.0, 0.0, 1.0), (2.0, 1.0, 1.0)], x: &[1.0, 2.0], y: &[0.0, 1.0] },
            Case { points: &[(2.0, 0.0, 1.0), (1.0, 1.0, 3.0)], x: &[1.0, 2.0], y: &[0.75, 0.75] },
            // A tie counts once, with its mean.
            Case {
                points: &[(0.0, 1.0, 1.0), (-0.0, 0.0, 1.0), (1.0, 1.0, 1.0)],
                x: &[0.0, 1.0],
                y: &[0.5, 1.0],
            },
            // Of a run of equal values the ends stay.
            Case {
                points: &[(0.0, 0.0, 1.0), (1.0, 0.0, 1.0), (2.0, 0.0, 1.0), (3.0, 1.0, 1.0)],
                x: &[0.0, 2.0, 3.0],
                y: &[0.0, 0.0, 1.0],
            },
            // The last pools back to the first.
            Case {
                points: &[(0.0, 1.0, 1.0), (1.0, 2.0, 1.0), (2.0, 3.0, 1.0), (3.0, -2.0, 1.0)],
                x: &[0.0, 3.0],
                y: &[1.0, 1.0],
            },
            Case { points: &[(5.0, 0.25, 2.0)], x: &[5.0], y: &[0.25] },
            Case { points: &[], x: &[], y: &[] },
        ];
        for Case { points, x, y } in cases {
            assert_eq!(fit(points.to_vec()), (x.to_vec(), y.to_vec()), "{points:?}");
        }
    }

    #[test]
    fn between_corners_it_is_linear_and_beyond_them_constant() {
        let (x, y) = ([0.0, 2.0, 3.0], [0.1, 0.5, 0.9]);
        for (at, expected) in
            [(-9.0, 0.1), (0.0, 0.1), (1.0, 0.3), (2.0, 0.5), (2.5, 0.7), (3.0, 0.9), (1e9, 0.9)]
        {
            let found = interpolate(&x, &y, at);
            assert!((found - expected).abs() < 1e-15, "{at}: {found}, expected {expected}");
        }
        assert_eq!((interpolate(&[1.0], &[0.3], 0.0), interpolate(&[1.0], &[0.3], 2.0)), (0.3, 0.3));
    }
}
