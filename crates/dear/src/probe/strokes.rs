//! Free-form masks: polylines drawn with a round brush.
//!
//! The field's recipe (Yu et al., "Free-form image inpainting with gated convolution", 2019, appendix: 4 to 12 vertices,
//! a brush of 12 to 40 pixels at 256 x 256), with lengths that follow the drawn area instead of the image, so that small
//! masks are strokes too and every area is met.

use std::f64::consts::PI;

use dear_image::{Draw, Mask};

use super::mask::box_within;

/// Share of their box that strokes cover.
const COVER: f64 = 0.4;

/// Strokes that cover `area` pixels (rounded, at least one): exactly, since the last dab of the brush is cut short. They
/// lie in a box of `aspect` and 2.5 times the area, as far as the image has room for it.
pub(super) fn strokes(size: (u32, u32), area: f64, aspect: f64, draw: &mut Draw) -> Mask {
    let (w, h) = box_within(size, area / COVER, aspect);
    let top = draw.uniform(0.0, f64::from(size.1) - h);
    let left = draw.uniform(0.0, f64::from(size.0) - w);
    let mut canvas = Canvas::new(size, [left, top, left + w, top + h], area);
    while canvas.open > 0 {
        let brush = 0.5 * area.sqrt() * draw.uniform(0.15, 0.4);
        let mut at = (draw.uniform(left, left + w), draw.uniform(top, top + h));
        let mut heading = draw.uniform(0.0, 2.0 * PI);
        for _ in 0..draw.int(4..=12) {
            canvas.dab(at, brush);
            let length = draw.uniform(0.2, 0.6) * w.min(h);
            let steps = length.ceil().max(1.0);
            let (across, down) = (libm::cos(heading) * length / steps, libm::sin(heading) * length / steps);
            for _ in 0..steps as u64 {
                at = ((at.0 + across).clamp(left, left + w), (at.1 + down).clamp(top, top + h));
                canvas.dab(at, brush);
            }
            heading += draw.uniform(-2.0 * PI / 3.0, 2.0 * PI / 3.0);
        }
    }
    Mask::new(size.0, size.1, canvas.data).expect("a canvas has the image's size")
}

/// What is drawn so far.
struct Canvas {
    data: Vec<u8>,
    width: usize,
    /// First and last column and row of the box.
    columns: [u32; 2],
    rows: [u32; 2],
    /// Pixels still to be covered.
    open: u64,
}

impl Canvas {
    fn new((width, height): (u32, u32), [left, top, right, bottom]: [f64; 4], area: f64) -> Self {
        let pixels = |from: f64, to: f64, limit: u32| {
            let last = (to.ceil() as u32).clamp(1, limit) - 1;
            [(from as u32).min(last), last]
        };
        let (columns, rows) = (pixels(left, right, width), pixels(top, bottom, height));
        let room = u64::from(columns[1] - columns[0] + 1) * u64::from(rows[1] - rows[0] + 1);
        Self {
            data: vec![0; width as usize * height as usize],
            width: width as usize,
            columns,
            rows,
            open: (area.round() as u64).clamp(1, room),
        }
    }

    /// Cover the pixels of the box whose centre lies within `radius` of `at`, and the pixel that it lies in.
    fn dab(&mut self, at: (f64, f64), radius: f64) {
        let span = |middle: f64, [first, last]: [u32; 2]| {
            let own = (middle as u32).clamp(first, last);
            let low = ((middle - radius).max(0.0) as u32).clamp(first, own);
            (own, low..=((middle + radius) as u32).clamp(own, last))
        };
        let ((own_x, columns), (own_y, rows)) = (span(at.0, self.columns), span(at.1, self.rows));
        for y in rows {
            for x in columns.clone() {
                let (across, down) = (f64::from(x) + 0.5 - at.0, f64::from(y) + 0.5 - at.1);
                let pixel = &mut self.data[y as usize * self.width + x as usize];
                let reached = across * across + down * down <= radius * radius || (x, y) == (own_x, own_y);
                if self.open > 0 && *pixel == 0 && reached {
                    *pixel = 255;
                    self.open -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MaskOptions, MaskShape, draw_mask};
    use super::*;

    #[test]
    fn strokes_meet_their_area_to_the_pixel_and_are_neither_box_nor_disc() {
        let mut boxes = 0;
        for (width, height) in [(256, 256), (90, 400), (512, 300)] {
            for (seed, area) in [0.02, 0.05, 0.2, 0.75].into_iter().cycle().take(80).enumerate() {
                let options = MaskOptions {
                    shape: MaskShape::Strokes,
                    min_area: area,
                    max_area: area,
                    ..MaskOptions::default()
                };
                let mask = draw_mask(width, height, &options, &mut Draw::keyed(seed as u64, &[b"mask"]));
                let expected = (area * f64::from(width) * f64::from(height)).round() as u64;
                assert_eq!(mask.count_inside(), expected, "seed {seed}, {width} x {height}");
                // The outline of a disc of this area has 3.5 sqrt(area) pixels; strokes have a longer one.
                let edge = (0..height)
                    .flat_map(|y| (1..width).map(move |x| (x, y)))
                    .filter(|&(x, y)| mask.is_inside(x, y) != mask.is_inside(x - 1, y))
                    .count();
                boxes += u32::from(area < 0.5 && (edge as f64) < 2.5 * (expected as f64).sqrt());
            }
        }
        assert!(boxes < 24, "{boxes} of 180 masks have the outline of a blob");
    }

    #[test]
    fn the_seed_decides() {
        let options = MaskOptions { shape: MaskShape::Strokes, ..MaskOptions::default() };
        let mask = |seed| draw_mask(100, 80, &options, &mut Draw::keyed(seed, &[b"mask"]));
        assert_eq!(mask(3), mask(3));
        assert_ne!(mask(3), mask(4));
    }
}
