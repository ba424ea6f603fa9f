//! Pillow's `Image.rotate`: any angle, three ways to read between pixels, byte for byte.

use crate::Image;
use crate::geometry::rotate;
use crate::simd::vectorized;

/// How [`turn`] reads between pixels. Unlike [`Kernel`](crate::Kernel) in a resize, these do not widen: Pillow's
/// transforms look at 1, 2 x 2 or 4 x 4 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// The pixel that the position falls into, in 16-bit fixed point.
    Nearest,
    /// Between 2 x 2 pixels, cut to 8 bits.
    Bilinear,
    /// Between 4 x 4 pixels (Keys' cubic with a = -1), cut to 8 bits.
    Bicubic,
}

/// `image.rotate(degrees, resample, expand)`: against the clock around the centre, black where nothing was. `expand`
/// makes the result as large as the turned picture needs. Half turns are exact, and so are quarter turns of a square
/// or with `expand`. A result longer than `u32` can say ends there.
///
/// # Panics
/// If `degrees` is not finite.
pub fn turn(image: &Image, degrees: f64, sampling: Sampling, expand: bool) -> Image {
    let (width, height) = image.size();
    match quarters(degrees, image.size(), expand) {
        Some(quarters) => rotate(image, quarters),
        None => {
            let (affine, size) = Affine::turning(degrees, (width, height), expand);
            affine.apply(image, size, sampling)
        }
    }
}

/// Columns and rows of what [`turn`] makes.
///
/// # Panics
/// As [`turn`].
pub fn turned_size(size: (u32, u32), degrees: f64, expand: bool) -> (u32, u32) {
    match quarters(degrees, size, expand) {
        Some(quarters) if quarters % 2 == 1 => (size.1, size.0),
        Some(_) => size,
        None => Affine::turning(degrees, size, expand).1,
    }
}

/// How many exact quarter turns an angle is, where Pillow makes them so.
fn quarters(degrees: f64, (width, height): (u32, u32), expand: bool) -> Option<u8> {
    assert!(degrees.is_finite(), "an angle of {degrees} degrees");
    let degrees = degrees.rem_euclid(360.0);
    if degrees == 0.0 || degrees == 360.0 {
        Some(0)
    } else if degrees == 180.0 {
        Some(2)
    } else if expand || width == height {
        [(90.0, 1), (270.0, 3)].into_iter().find(|(angle, _)| degrees == *angle).map(|(_, quarters)| quarters)
    } else {
        None
    }
}

/// Where in the source a position of the result lies: `x' = a x + b y + c`, `y' = d x + e y + f`.
#[derive(Debug, Clone, Copy)]
struct Affine {
    x: [f64; 3],
    y: [f64; 3],
}

impl Affine {
    fn turning(degrees: f64, (width, height): (u32, u32), expand: bool) -> (Affine, (u32, u32)) {
        let angle = -(degrees.rem_euclid(360.0) * (std::f64::consts::PI / 180.0));
        let (cos, sin) = (fifteen_digits(libm::cos(angle)), fifteen_digits(libm::sin(angle)));
        let mut affine = Affine { x: [cos, sin, 0.0], y: [-sin, cos, 0.0] };
        let (w, h) = (f64::from(width), f64::from(height));
        let (x, y) = affine.at(-w / 2.0, -h / 2.0);
        (affine.x[2], affine.y[2]) = (x + w / 2.0, y + h / 2.0);
        if !expand {
            return (affine, (width, height));
        }
        let corners = [(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)].map(|(x, y)| affine.at(x, y));
        let span = |of: fn(&(f64, f64)) -> f64| {
            let most = corners.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
            let least = corners.iter().map(of).fold(f64::INFINITY, f64::min);
            most.ceil() - least.floor()
        };
        let (new_w, new_h) = (span(|corner| corner.0), span(|corner| corner.1));
        (affine.x[2], affine.y[2]) = affine.at(-(new_w - w) / 2.0, -(new_h - h) / 2.0);
        (affine, (new_w as u32, new_h as u32))
    }

    #[inline(always)]
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x[0] * x + self.x[1] * y + self.x[2], self.y[0] * x + self.y[1] * y + self.y[2])
    }

    fn apply(&self, image: &Image, (width, height): (u32, u32), sampling: Sampling) -> Image {
        let mut result = Image::from_fn(width, height, |_, _| [0; 3]);
        let stride = 3 * width as usize;
        match sampling {
            Sampling::Nearest if self.fits_fixed_point(width, height) => {
                // The middle of the first pixel is half a step from the corner.
                let line = |[a, b, c]: [f64; 3]| [fixed(a), fixed(b), fixed(c + a * 0.5 + b * 0.5)];
                let ([a, b, c], [d, e, f]) = (line(self.x), line(self.y));
                for (y, row) in (0i64..).zip(result.data_mut().chunks_exact_mut(stride)) {
                    for (x, out) in (0i64..).zip(row.chunks_exact_mut(3)) {
                        copy(image, (c + b * y + a * x) >> 16, (f + e * y + d * x) >> 16, out);
                    }
                }
            }
            Sampling::Nearest => {
                for (y, row) in result.data_mut().chunks_exact_mut(stride).enumerate() {
                    for (x, out) in row.chunks_exact_mut(3).enumerate() {
                        let (x, y) = self.at(x as f64 + 0.5, y as f64 + 0.5);
                        copy(image, x.floor() as i64, y.floor() as i64, out);
                    }
                }
            }
            Sampling::Bilinear => all_bilinear(*self, image, &mut result),
            Sampling::Bicubic => all_bicubic(*self, image, &mut result),
        }
        result
    }

    /// Whether Pillow computes positions in 16.16 fixed point.
    fn fits_fixed_point(&self, width: u32, height: u32) -> bool {
        let (w, h) = (f64::from(width), f64::from(height));
        [(0.0, 0.0), (w, h), (0.0, h), (w, 0.0)].iter().all(|&(x, y)| {
            let (x, y) = self.at(x, y);
            x.abs() < 32768.0 && y.abs() < 32768.0
        })
    }

    #[inline(always)]
    fn between(self, image: &Image, result: &mut Image, read: impl Fn(&Image, f64, f64) -> [u8; 3]) {
        let (w, h) = (f64::from(image.width()), f64::from(image.height()));
        let stride = 3 * result.width() as usize;
        for (y, row) in result.data_mut().chunks_exact_mut(stride).enumerate() {
            for (x, out) in row.chunks_exact_mut(3).enumerate() {
                let (x, y) = self.at(x as f64 + 0.5, y as f64 + 0.5);
                if x >= 0.0 && x < w && y >= 0.0 && y < h {
                    out.copy_from_slice(&read(image, x - 0.5, y - 0.5));
                }
            }
        }
    }
}

vectorized! {
    fn all_bilinear(affine: Affine, image: &Image, result: &mut Image) {
        affine.between(image, result, bilinear);
    }

    fn all_bicubic(affine: Affine, image: &Image, result: &mut Image) {
        affine.between(image, result, bicubic);
    }
}

/// Python's `round(value, 15)`.
fn fifteen_digits(value: f64) -> f64 {
    format!("{value:.15}").parse().expect("a printed number is a number")
}

/// 16.16 fixed point, rounded.
fn fixed(value: f64) -> i64 {
    (value * 65536.0 + 0.5).floor() as i64
}

#[inline(always)]
fn copy(image: &Image, x: i64, y: i64, out: &mut [u8]) {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    if (0..width).contains(&x) && (0..height).contains(&y) {
        out.copy_from_slice(&image.data()[3 * (y * width + x) as usize..][..3]);
    }
}

/// The pixel of a column and row, the nearest one where they lie outside.
#[inline(always)]
fn clamped(image: &Image, x: i64, y: i64) -> [f64; 3] {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let at = 3 * (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)) as usize;
    let pixel = &image.data()[at..at + 3];
    [f64::from(pixel[0]), f64::from(pixel[1]), f64::from(pixel[2])]
}

#[inline(always)]
fn bilinear(image: &Image, x: f64, y: f64) -> [u8; 3] {
    let (column, row) = (x.floor(), y.floor());
    let (dx, dy) = (x - column, y - row);
    let (column, row) = (column as i64, row as i64);
    let line = |row: i64| {
        let (left, right) = (clamped(image, column, row), clamped(image, column + 1, row));
        std::array::from_fn::<f64, 3, _>(|c| left[c] + (right[c] - left[c]) * dx)
    };
    let (above, below) = (line(row), line(row + 1));
    std::array::from_fn(|c| (above[c] + (below[c] - above[c]) * dy) as u8)
}

#[inline(always)]
fn bicubic(image: &Image, x: f64, y: f64) -> [u8; 3] {
    let (column, row) = (x.floor(), y.floor());
    let (dx, dy) = (x - column, y - row);
    let (column, row) = (column as i64, row as i64);
    let lines: [[f64; 3]; 4] = std::array::from_fn(|i| {
        let pixels: [[f64; 3]; 4] =
            std::array::from_fn(|j| clamped(image, column + j as i64 - 1, row + i as i64 - 1));
        std::array::from_fn(|c| cubic(pixels.map(|pixel| pixel[c]), dx))
    });
    std::array::from_fn(|c| cubic(lines.map(|line| line[c]), dy) as u8)
}

/// The cubic with a = -1 through `v[1]` (at 0) and `v[2]` (at 1), in Horner's form.
#[inline(always)]
fn cubic(v: [f64; 4], at: f64) -> f64 {
    let slope = v[2] - v[0];
    let second = 2.0 * (v[0] - v[1]) + v[2] - v[3];
    let third = -v[0] + v[1] - v[2] + v[3];
    v[1] + at * (slope + at * (second + at * third))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarter_turns_are_exact_where_they_fit() {
        let image = Image::from_fn(3, 2, |x, y| [(3 * y + x) as u8; 3]);
        for (degrees, quarters) in [(0.0, 0), (90.0, 1), (-90.0, 3), (450.0, 1), (180.0, 2), (-720.0, 0)] {
            let turned = turn(&image, degrees, Sampling::Bilinear, true);
            assert_eq!(turned, rotate(&image, quarters), "{degrees}");
            assert_eq!(turned.size(), turned_size((3, 2), degrees, true));
        }
        assert_eq!(turn(&image, 90.0, Sampling::Nearest, false).size(), (3, 2));
    }

    #[test]
    fn the_size_is_known_before() {
        let image = Image::from_fn(31, 17, |x, y| [x as u8, y as u8, 7]);
        for degrees in [1.0, 33.3, 89.999, 91.0, 200.0, 359.0] {
            for expand in [false, true] {
                let turned = turn(&image, degrees, Sampling::Nearest, expand);
                assert_eq!(turned.size(), turned_size(image.size(), degrees, expand), "{degrees}");
            }
        }
    }
}
