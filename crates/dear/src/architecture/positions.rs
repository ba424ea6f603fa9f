//! Position embeddings of a transformer for an image of another side.

/// What the authors of DINOv2 do (`interpolate_pos_encoding`), by what their published networks were built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interpolation {
    /// Without registers: PyTorch's bicubic (a = -0.75) with the scale `(to + 0.1) / from`, which is not quite that of the sizes.
    Offset,
    /// With registers: bicubic with antialias (a = -0.5, as Pillow's).
    Antialias,
}

/// For one place of the new grid: the first old place that it reads, and how much of each from there on.
type Taps = (usize, Vec<f64>);

/// Embeddings `[from * from, width]` as `[to * to, width]`; as they are where nothing changes.
pub(super) fn resized(
    embeddings: &[f32],
    [from, to]: [usize; 2],
    width: usize,
    interpolation: Interpolation,
) -> Vec<f32> {
    if from == to {
        return embeddings.to_vec();
    }
    let taps: Vec<Taps> = (0..to)
        .map(|place| match interpolation {
            Interpolation::Offset => offset_taps(place, from, to),
            Interpolation::Antialias => antialias_taps(place, from, to),
        })
        .collect();
    let mut resized = Vec::with_capacity(to * to * width);
    let mut sums = vec![0.0f64; width];
    for (top, rows) in &taps {
        for (left, columns) in &taps {
            sums.fill(0.0);
            for (i, row) in rows.iter().enumerate() {
                for (j, column) in columns.iter().enumerate() {
                    let old = &embeddings[((top + i) * from + left + j) * width..][..width];
                    let share = row * column;
                    sums.iter_mut().zip(old).for_each(|(sum, &value)| *sum += share * f64::from(value));
                }
            }
            resized.extend(sums.iter().map(|&sum| sum as f32));
        }
    }
    resized
}

/// Keys' cubic with this parameter, at this distance.
fn cubic(distance: f64, a: f64) -> f64 {
    let x = distance.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
    } else {
        0.0
    }
}

/// Four neighbours; beyond the border stands the border.
fn offset_taps(place: usize, from: usize, to: usize) -> Taps {
    let scale = from as f64 / (to as f64 + 0.1);
    let at = (place as f64 + 0.5) * scale - 0.5;
    let first = at.floor() as i64 - 1;
    let last = from as i64 - 1;
    let low = first.clamp(0, last);
    let mut shares = vec![0.0; ((first + 3).clamp(0, last) - low + 1) as usize];
    for neighbour in first..first + 4 {
        shares[(neighbour.clamp(0, last) - low) as usize] += cubic(at - neighbour as f64, -0.75);
    }
    (low as usize, shares)
}

/// All places under the kernel, which is as wide as a new place, and their shares of its sum.
fn antialias_taps(place: usize, from: usize, to: usize) -> Taps {
    let scale = from as f64 / to as f64;
    let wide = scale.max(1.0);
    let (middle, reach) = ((place as f64 + 0.5) * scale, 2.0 * wide);
    let first = (middle - reach + 0.5).max(0.0) as usize;
    let end = ((middle + reach + 0.5) as usize).min(from);
    let shares: Vec<f64> = (first..end).map(|old| cubic((old as f64 + 0.5 - middle) / wide, -0.5)).collect();
    let sum: f64 = shares.iter().sum();
    (first, shares.into_iter().map(|share| share / sum).collect())
}
