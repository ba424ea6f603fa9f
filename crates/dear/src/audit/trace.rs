//! What processing and content leave in the pixels, as numbers: colour, sharpness, noise, block grids, earlier JPEGs.

use dear_image::Image;

/// Numbers of one image. Colours on the 0 to 255 scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// Mean of red, green and blue.
    pub mean: [f64; 3],
    /// Standard deviation of red, green and blue.
    pub deviation: [f64; 3],
    /// Mean over pixels of the largest minus the smallest channel.
    pub saturation: f64,
    /// Share of channel values that are 0.
    pub black: f64,
    /// Share of channel values that are 255.
    pub white: f64,
    /// Whether every pixel has three equal channels.
    pub gray: bool,
    /// Variance of the Laplacian (4 neighbours) of luma; absent below 3 x 3 pixels.
    pub sharpness: Option<f64>,
    /// Standard deviation of the noise by Immerkaer's mask (Computer Vision and Image Understanding 64, 1996, 300-302).
    pub noise: Option<f64>,
    /// Logarithm of the steps across the borders of an 8 x 8 grid that begins at the corner, over those elsewhere.
    pub blocking: Option<f64>,
    /// The same for the strongest of the other grids: the trace of a JPEG that was cropped.
    pub shifted_blocking: Option<f64>,
    /// How periodic the histograms of low DCT coefficients are: the trace of a JPEG before the present file.
    pub earlier_jpeg: Option<f64>,
}

/// Measures an image. `luma_steps` is the luma table of the JPEG that the pixels came from (rows and columns), if they
/// did: its own periodicity is no trace of an *earlier* one.
pub(super) fn measure(image: &Image, luma_steps: Option<&[u16; 64]>) -> Traces {
    let (mut sum, mut squares) = ([0u64; 3], [0u64; 3]);
    let (mut saturation, mut black, mut white, mut gray) = (0u64, 0u64, 0u64, true);
    for pixel in image.data().chunks_exact(3) {
        for (channel, &value) in pixel.iter().enumerate() {
            sum[channel] += u64::from(value);
            squares[channel] += u64::from(value) * u64::from(value);
            black += u64::from(value == 0);
            white += u64::from(value == 255);
        }
        let (low, high) = (pixel[0].min(pixel[1]).min(pixel[2]), pixel[0].max(pixel[1]).max(pixel[2]));
        saturation += u64::from(high - low);
        gray &= high == low;
    }
    let pixels = (image.data().len() / 3) as f64;
    let mean = sum.map(|sum| sum as f64 / pixels);
    let deviation = std::array::from_fn(|c| (squares[c] as f64 / pixels - mean[c] * mean[c]).max(0.0).sqrt());
    let plane = Plane { width: image.width() as usize, height: image.height() as usize, luma: &image.luma() };
    let (sharpness, noise) = plane.laplacian_and_noise().unzip();
    let (blocking, shifted_blocking) = plane.grids().unzip();
    Traces {
        mean,
        deviation,
        saturation: saturation as f64 / pixels,
        black: black as f64 / (3.0 * pixels),
        white: white as f64 / (3.0 * pixels),
        gray,
        sharpness,
        noise,
        blocking,
        shifted_blocking,
        earlier_jpeg: plane.periodicity(luma_steps),
    }
}

/// One channel, rows from the top.
struct Plane<'a> {
    width: usize,
    height: usize,
    luma: &'a [u8],
}

/// Fewest steps of a grid that make a measurement.
const FEWEST: u64 = 200;

impl Plane<'_> {
    fn row(&self, y: usize) -> &[u8] {
        &self.luma[y * self.width..(y + 1) * self.width]
    }

    fn laplacian_and_noise(&self) -> Option<(f64, f64)> {
        if self.width < 3 || self.height < 3 {
            return None;
        }
        let (mut sum, mut squares, mut noise) = (0i64, 0i64, 0i64);
        for y in 1..self.height - 1 {
            let (above, here, below) = (self.row(y - 1), self.row(y), self.row(y + 1));
            for ((a, h), b) in above.windows(3).zip(here.windows(3)).zip(below.windows(3)) {
                let [a, h, b] = [a, h, b].map(|w| [i64::from(w[0]), i64::from(w[1]), i64::from(w[2])]);
                let laplacian = a[1] + b[1] + h[0] + h[2] - 4 * h[1];
                sum += laplacian;
                squares += laplacian * laplacian;
                noise += (a[0] + a[2] + b[0] + b[2] - 2 * (a[1] + b[1] + h[0] + h[2]) + 4 * h[1]).abs();
            }
        }
        let count = ((self.width - 2) * (self.height - 2)) as f64;
        let mean = sum as f64 / count;
        let sigma = (std::f64::consts::PI / 2.0).sqrt() * noise as f64 / (6.0 * count);
        Some((squares as f64 / count - mean * mean, sigma))
    }

    /// Steps at the corner's grid and at the strongest other one, as logarithms over the median of all.
    fn grids(&self) -> Option<(f64, f64)> {
        let (mut steps, mut counts) = ([0u64; 8], [0u64; 8]);
        let mut step = |place: usize, before: [u8; 2], after: [u8; 2]| {
            let across = u64::from(before[1].abs_diff(after[0]));
            let around = u64::from(before[0].abs_diff(before[1])) + u64::from(after[0].abs_diff(after[1]));
            // Twice the excess of a step over the mean of its neighbours.
            steps[place % 8] += (2 * across).saturating_sub(around);
            counts[place % 8] += 1;
        };
        for y in 0..self.height {
            for (x, w) in self.row(y).windows(4).enumerate() {
                step(x + 2, [w[0], w[1]], [w[2], w[3]]);
            }
        }
        for y in 2..self.height.saturating_sub(1) {
            let rows = [y - 2, y - 1, y, y + 1].map(|y| self.row(y));
            for (((&a, &b), &c), &d) in rows[0].iter().zip(rows[1]).zip(rows[2]).zip(rows[3]) {
                step(y, [a, b], [c, d]);
            }
        }
        if counts.iter().any(|&count| count < FEWEST) {
            return None;
        }
        // A tenth of a level keeps flat images finite.
        let strength: [f64; 8] = std::array::from_fn(|k| 0.1 + steps[k] as f64 / (2 * counts[k]) as f64);
        let mut sorted = strength;
        sorted.sort_unstable_by(f64::total_cmp);
        let median = (sorted[3] + sorted[4]) / 2.0;
        let other = strength[1..].iter().copied().fold(0.0, f64::max);
        Some(((strength[0] / median).ln(), (other / median).ln()))
    }

    /// Height of the comb in the histograms of low DCT coefficients, mean over nine frequencies.
    ///
    /// Quantisation by `q1` and then by a finer `q2` leaves some integers of the second quantisation empty and others
    /// full (Popescu and Farid, "Statistical tools for digital forensics", 2004, section 3); after a coarser one nothing
    /// is left to see. Pixels that come from no JPEG count as quantised by 1.
    fn periodicity(&self, luma_steps: Option<&[u16; 64]>) -> Option<f64> {
        const LOW: [(usize, usize); 9] =
            [(0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0)];
        let (columns, rows) = ((self.width / 8).min(128), (self.height / 8).min(128));
        let mut histograms = [[0u32; REACH]; LOW.len()];
        let basis = cosines();
        for block_y in 0..rows {
            for block_x in 0..columns {
                // Rows of the block times the first four cosines, then columns.
                let mut half = [[0f32; 4]; 8];
                for (y, half) in half.iter_mut().enumerate() {
                    let pixels = &self.row(8 * block_y + y)[8 * block_x..8 * block_x + 8];
                    for (u, out) in half.iter_mut().enumerate() {
                        *out = pixels.iter().zip(&basis[u]).map(|(&p, c)| (f32::from(p) - 128.0) * c).sum();
                    }
                }
                for (&(v, u), histogram) in LOW.iter().zip(&mut histograms) {
                    let coefficient: f32 = (0..8).map(|y| half[y][u] * basis[v][y]).sum();
                    let step = luma_steps.map_or(1.0, |steps| f32::from(steps[8 * v + u].max(1)));
                    let level = (coefficient / step).round().abs() as usize;
                    if (1..=REACH).contains(&level) {
                        histogram[level - 1] += 1;
                    }
                }
            }
        }
        let combs: Vec<f64> = histograms.iter().filter_map(comb).collect();
        (!combs.is_empty()).then(|| combs.iter().sum::<f64>() / combs.len() as f64)
    }
}

/// The first four rows of the orthonormal 8-point DCT.
fn cosines() -> [[f32; 8]; 4] {
    std::array::from_fn(|u| {
        let scale = if u == 0 { 0.125f64.sqrt() } else { 0.5 };
        std::array::from_fn(|x| {
            (scale * (std::f64::consts::PI * (2 * x + 1) as f64 * u as f64 / 16.0).cos()) as f32
        })
    })
}

/// Sizes of coefficients that are counted, from 1.
const REACH: usize = 30;

/// The strongest periodicity of what a histogram has over its smooth course, in standard deviations of counts.
fn comb(histogram: &[u32; REACH]) -> Option<f64> {
    if histogram.iter().sum::<u32>() < 40 {
        return None;
    }
    let smooth = |at: usize| {
        let around = (at as i64 - 4..=at as i64 + 4).map(|place| place.clamp(0, REACH as i64 - 1) as usize);
        around.map(|place| f64::from(histogram[place])).sum::<f64>() / 9.0
    };
    let over: [f64; REACH] = std::array::from_fn(|at| {
        let smooth = smooth(at);
        (f64::from(histogram[at]) - smooth) / (smooth + 1.0).sqrt()
    });
    // Periods of 2 to 10 levels.
    let strength = |k: i32| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (at, over) in over.iter().enumerate() {
            let angle = std::f64::consts::PI * f64::from(k) * at as f64 / 128.0;
            real += over * angle.cos();
            imaginary += over * angle.sin();
        }
        real.hypot(imaginary) / (REACH as f64).sqrt()
    };
    (26..=128).map(strength).max_by(f64::total_cmp)
}
