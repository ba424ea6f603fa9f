//! Bilinear interpolation of float planes without antialias, as PyTorch's `interpolate` does it: for maps, masks and
//! the inputs of networks. Pixels of an image are resampled by `resize`.

/// Where the samples of a line of pixels sit (PyTorch's `align_corners`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Corners {
    /// In the middle of their squares; the borders of both lines meet: `align_corners=False`.
    #[default]
    HalfPixel,
    /// On the squares' corners; the first and last samples of both lines meet: `align_corners=True`.
    Aligned,
}

/// How large a plane becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// Columns and rows: `size=(height, width)`, or a factor with `recompute_scale_factor=True`.
    Size(u32, u32),
    /// Both sides times this, cut to integers, sampled at distances of exactly 1 / factor: `scale_factor=factor`. It
    /// differs from [`Target::Size`] of the same size where the cut took something, and only with
    /// [`Corners::HalfPixel`].
    Factor(f64),
}

/// Why planes were not interpolated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InterpolateError {
    /// A side of 0, before or after.
    #[error("cannot interpolate planes of {0} x {1}: a side is 0")]
    Empty(u32, u32),
    /// Values that are no whole number of planes.
    #[error("planes of {width} x {height} hold a multiple of {plane} values, got {found}")]
    WrongLength {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Width times height.
        plane: u64,
        /// Values given.
        found: u64,
    },
    /// A factor that makes no side.
    #[error("factor {found} does not make sides of 1..={} of {width} x {height}", u32::MAX)]
    Factor {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The factor asked for.
        found: f64,
    },
}

impl Target {
    /// The size that planes of `from` (width, height) get.
    pub fn size(self, from: (u32, u32)) -> Result<(u32, u32), InterpolateError> {
        match self {
            Target::Size(width, height) => Ok((width, height)),
            Target::Factor(factor) => {
                let [width, height] = [from.0, from.1].map(|side| (f64::from(side) * factor).floor());
                if [width, height].iter().all(|side| (1.0..=f64::from(u32::MAX)).contains(side)) {
                    Ok((width as u32, height as u32))
                } else {
                    Err(InterpolateError::Factor { width: from.0, height: from.1, found: factor })
                }
            }
        }
    }
}

/// Interpolates every plane of `planes` (`[channels][height][width]`, `from` is `(width, height)`) to
/// `target.size(from)`: `torch.nn.functional.interpolate(planes[None], mode="bilinear", align_corners=...,
/// antialias=False)[0]`, with `size` or `scale_factor` as in [`Target`].
///
/// A value is `v0 (u0 a + u1 b) + v1 (u0 c + u1 d)` in single precision. PyTorch's own last bits depend on processor,
/// channels and size (it has several kernels, with and without fused multiplication); the tests say how near that is.
/// A NaN or an infinity spreads to the samples beside it, also where its weight is 0, as in PyTorch.
///
/// ```
/// use dear_image::{Corners, Target, interpolate};
/// let line = [0.0, 4.0];
/// assert_eq!(interpolate(&line, (2, 1), Target::Size(4, 1), Corners::HalfPixel)?, [0.0, 1.0, 3.0, 4.0]);
/// assert_eq!(interpolate(&line, (2, 1), Target::Size(5, 1), Corners::Aligned)?, [0.0, 1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), dear_image::InterpolateError>(())
/// ```
pub fn interpolate(
    planes: &[f32],
    from: (u32, u32),
    target: Target,
    corners: Corners,
) -> Result<Vec<f32>, InterpolateError> {
    let (width, height) = target.size(from)?;
    for (width, height) in [from, (width, height)] {
        if width == 0 || height == 0 {
            return Err(InterpolateError::Empty(width, height));
        }
    }
    let plane = u64::from(from.0) * u64::from(from.1);
    if !(planes.len() as u64).is_multiple_of(plane) {
        let found = planes.len() as u64;
        return Err(InterpolateError::WrongLength { width: from.0, height: from.1, plane, found });
    }
    let columns = pairs(from.0, width, target, corners);
    let rows = pairs(from.1, height, target, corners);
    let mut result = Vec::with_capacity(planes.len() / plane as usize * width as usize * height as usize);
    for plane in planes.chunks_exact(plane as usize) {
        let lines: Vec<&[f32]> = plane.chunks_exact(from.0 as usize).collect();
        // The two lines between which the row lies, already interpolated, and which they are.
        let mut upper = (usize::MAX, vec![0.0; width as usize]);
        let mut lower = upper.clone();
        for row in &rows {
            if lower.0 == row.first {
                std::mem::swap(&mut upper, &mut lower);
            }
            for (index, line) in [(row.first, &mut upper), (row.second, &mut lower)] {
                if line.0 != index {
                    *line = (index, std::mem::take(&mut line.1));
                    interpolate_line(lines[index], &columns, &mut line.1);
                }
            }
            result.extend(upper.1.iter().zip(&lower.1).map(|(a, b)| row.weights[0] * a + row.weights[1] * b));
        }
    }
    Ok(result)
}

fn interpolate_line(line: &[f32], columns: &[Pair], out: &mut [f32]) {
    for (out, pair) in out.iter_mut().zip(columns) {
        *out = pair.weights[0] * line[pair.first] + pair.weights[1] * line[pair.second];
    }
}

/// The neighbours of a sample and their shares.
struct Pair {
    first: usize,
    second: usize,
    weights: [f32; 2],
}

fn pairs(length: u32, out: u32, target: Target, corners: Corners) -> Vec<Pair> {
    let step = match (corners, target) {
        (Corners::Aligned, _) if out == 1 => 0.0,
        (Corners::Aligned, _) => (length - 1) as f32 / (out - 1) as f32,
        (Corners::HalfPixel, Target::Size(..)) => length as f32 / out as f32,
        (Corners::HalfPixel, Target::Factor(factor)) => (1.0 / factor) as f32,
    };
    let last = length as usize - 1;
    (0..out)
        .map(|index| {
            let at = match corners {
                Corners::Aligned => step * index as f32,
                Corners::HalfPixel => (step * (index as f32 + 0.5) - 0.5).max(0.0),
            };
            let first = (at as usize).min(last);
            let share = (at - first as f32).clamp(0.0, 1.0);
            Pair { first, second: (first + 1).min(last), weights: [1.0 - share, share] }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_input_is_named() {
        let said = |planes: &[f32], from, target| {
            interpolate(planes, from, target, Corners::HalfPixel).unwrap_err().to_string()
        };
        assert_eq!(
            said(&[0.0; 5], (2, 2), Target::Size(1, 1)),
            "planes of 2 x 2 hold a multiple of 4 values, got 5"
        );
        assert_eq!(
            said(&[0.0; 4], (2, 2), Target::Size(0, 1)),
            "cannot interpolate planes of 0 x 1: a side is 0"
        );
        assert_eq!(said(&[], (0, 2), Target::Size(1, 1)), "cannot interpolate planes of 0 x 2: a side is 0");
        for factor in [0.0, 0.4, -1.0, f64::NAN, f64::INFINITY, 1e10] {
            let error = said(&[0.0; 4], (2, 2), Target::Factor(factor));
            assert_eq!(error, format!("factor {factor} does not make sides of 1..=4294967295 of 2 x 2"));
        }
    }

    #[test]
    fn no_planes_and_non_finite_values_pass() {
        assert!(interpolate(&[], (3, 3), Target::Size(9, 9), Corners::Aligned).unwrap().is_empty());
        let line = [1.0, f32::NAN, 2.0, 3.0];
        let same = interpolate(&line, (4, 1), Target::Factor(1.0), Corners::HalfPixel).unwrap();
        assert_eq!(same.iter().map(|value| value.is_nan()).collect::<Vec<_>>(), [true, true, false, false]);
    }
}
