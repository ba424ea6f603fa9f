//! Masks drawn for photographs: the paper's rectangle, an ellipse, or free-form strokes.

use dear_image::{Draw, Mask};
use serde::{Deserialize, Serialize};

use super::strokes::strokes;

/// What a drawn mask looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskShape {
    /// One rectangle (method section 1).
    #[default]
    Rectangle,
    /// One ellipse with axes along the image's.
    Ellipse,
    /// Polylines drawn with a round brush, as inpainting networks are trained on.
    Strokes,
}

impl MaskShape {
    /// The name used in options and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rectangle => "rectangle",
            Self::Ellipse => "ellipse",
            Self::Strokes => "strokes",
        }
    }

    /// Above this share an ellipse does not fit into an image (pi / 4), and strokes are no strokes any more.
    fn largest_area(self) -> f64 {
        match self {
            Self::Rectangle => 1.0,
            Self::Ellipse | Self::Strokes => 0.75,
        }
    }
}

/// Shape and size of drawn masks (reference: a rectangle, area 0.02-0.20 of the image, aspect 0.5-2.0).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskOptions {
    /// What is drawn. Default: a rectangle.
    pub shape: MaskShape,
    /// Least share of the image's area inside the mask. Default 0.02.
    pub min_area: f64,
    /// Greatest share of the image's area inside the mask. Default 0.20.
    pub max_area: f64,
    /// Least width / height; for strokes, of the box that they are drawn in. Default 0.5.
    pub min_aspect: f64,
    /// Greatest width / height. Default 2.0.
    pub max_aspect: f64,
}

impl Default for MaskOptions {
    fn default() -> Self {
        Self { shape: MaskShape::Rectangle, min_area: 0.02, max_area: 0.20, min_aspect: 0.5, max_aspect: 2.0 }
    }
}

impl MaskOptions {
    /// Check the ranges.
    ///
    /// # Errors
    /// One line naming key, value and allowed range.
    pub fn check(&self) -> Result<(), String> {
        let largest = self.shape.largest_area();
        if !(self.min_area > 0.0 && self.min_area <= self.max_area && self.max_area <= largest) {
            return Err(format!(
                "probe.mask: min_area {} and max_area {}, expected 0 < min_area <= max_area <= {largest} ({})",
                self.min_area,
                self.max_area,
                self.shape.as_str()
            ));
        }
        if !(self.min_aspect > 0.0 && self.min_aspect <= self.max_aspect && self.max_aspect.is_finite()) {
            return Err(format!(
                "probe.mask: min_aspect {} and max_aspect {}, expected 0 < min_aspect <= max_aspect",
                self.min_aspect, self.max_aspect
            ));
        }
        Ok(())
    }
}

/// Draw a mask for a `width` x `height` image: area and aspect uniform in their ranges, position uniform; 255 inside, 0
/// outside, at least one pixel inside.
///
/// The share of the image inside is the drawn one, but for: a rectangle's sides are whole pixels and end at the image
/// (as in the reference, so up to half a pixel a side); an ellipse's edge goes through pixels (a pixel counts by its
/// centre: within 2 % of the ellipse from 30 pixels in height on); strokes meet it to the pixel.
pub fn draw_mask(width: u32, height: u32, options: &MaskOptions, draw: &mut Draw) -> Mask {
    let area = draw.uniform(options.min_area, options.max_area) * f64::from(width) * f64::from(height);
    let aspect = draw.uniform(options.min_aspect, options.max_aspect);
    match options.shape {
        MaskShape::Rectangle => rectangle((width, height), area, aspect, draw),
        MaskShape::Ellipse => ellipse((width, height), area, aspect, draw),
        MaskShape::Strokes => strokes((width, height), area, aspect, draw),
    }
}

/// `h = round_half_even(sqrt(area / aspect))`, `w = round_half_even(sqrt(area * aspect))`, clamped to the image (at least
/// one pixel), position inclusive.
fn rectangle((width, height): (u32, u32), area: f64, aspect: f64, draw: &mut Draw) -> Mask {
    let side = |exact: f64, limit: u32| (exact.round_ties_even() as u32).clamp(1, limit);
    let h = side((area / aspect).sqrt(), height);
    let w = side((area * aspect).sqrt(), width);
    let top = draw.below(u64::from(height - h) + 1) as u32;
    let left = draw.below(u64::from(width - w) + 1) as u32;
    Mask::from_fn(width, height, |x, y| (left..left + w).contains(&x) && (top..top + h).contains(&y))
}

/// Pixels whose centre lies in an ellipse of this area and aspect; where it is wider or higher than the image, the other
/// axis makes up for it.
fn ellipse((width, height): (u32, u32), area: f64, aspect: f64, draw: &mut Draw) -> Mask {
    let (w, h) = box_within((width, height), area * 4.0 / std::f64::consts::PI, aspect);
    let top = draw.uniform(0.0, f64::from(height) - h);
    let left = draw.uniform(0.0, f64::from(width) - w);
    let (middle_x, middle_y) = (left + w / 2.0, top + h / 2.0);
    let nearest = |middle: f64, limit: u32| (middle as u32).min(limit - 1);
    let centre = (nearest(middle_x, width), nearest(middle_y, height));
    Mask::from_fn(width, height, |x, y| {
        let across = (f64::from(x) + 0.5 - middle_x) / (w / 2.0);
        let down = (f64::from(y) + 0.5 - middle_y) / (h / 2.0);
        across * across + down * down <= 1.0 || (x, y) == centre
    })
}

/// Sides of a box of this area and aspect that fits into the image; a side that would be too long is the image's, and
/// the other grows so that the area stays, as far as it can.
pub(super) fn box_within((width, height): (u32, u32), area: f64, aspect: f64) -> (f64, f64) {
    let (width, height) = (f64::from(width), f64::from(height));
    let (w, h) = ((area * aspect).sqrt(), (area / aspect).sqrt());
    if w > width {
        (width, (area / width).min(height))
    } else if h > height {
        ((area / height).min(width), height)
    } else {
        (w, h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left, top, right, bottom (inclusive) and number of the pixels inside.
    fn extent(mask: &Mask) -> ([u32; 4], u64) {
        let inside: Vec<(u32, u32)> = (0..mask.height())
            .flat_map(|y| (0..mask.width()).map(move |x| (x, y)))
            .filter(|&(x, y)| mask.is_inside(x, y))
            .collect();
        let xs = inside.iter().map(|p| p.0);
        let ys = inside.iter().map(|p| p.1);
        let box_ =
            [xs.clone().min().unwrap(), ys.clone().min().unwrap(), xs.max().unwrap(), ys.max().unwrap()];
        (box_, inside.len() as u64)
    }

    #[test]
    fn rectangles_keep_to_area_aspect_and_image() {
        let options = MaskOptions::default();
        let (mut touches_left, mut touches_right) = (false, false);
        for seed in 0..400 {
            let mask = draw_mask(120, 80, &options, &mut Draw::keyed(seed, &[b"mask"]));
            let ([x0, y0, x1, y1], inside) = extent(&mask);
            let (w, h) = (f64::from(x1 - x0 + 1), f64::from(y1 - y0 + 1));
            assert_eq!(inside as f64, w * h, "seed {seed}: not a filled rectangle");
            let share = w * h / (120.0 * 80.0);
            // Rounding each side by at most half a pixel moves the area by at most (w + h) / 2 + 1/4.
            let slack = ((w + h) / 2.0 + 0.25) / (120.0 * 80.0);
            assert!(share > 0.02 - slack && share < 0.20 + slack, "seed {seed}: area share {share}");
            assert!((w - 0.5) / (h + 0.5) < 2.0 && (w + 0.5) / (h - 0.5) > 0.5, "seed {seed}: {w} x {h}");
            touches_left |= x0 == 0;
            touches_right |= x1 == 119;
        }
        assert!(touches_left && touches_right, "positions must be inclusive at both ends");
    }

    #[test]
    fn the_rectangle_of_a_seed_stays_what_it_was() {
        // Probes made by earlier versions keep their masks.
        let mask =
            draw_mask(256, 192, &MaskOptions::default(), &mut Draw::keyed(5, &[b"probe mask", b"abc"]));
        assert_eq!(extent(&mask), ([139, 12, 234, 70], 5664));
    }

    #[test]
    fn ellipses_keep_to_area_aspect_and_image() {
        for (width, height) in [(300, 200), (64, 400), (120, 80)] {
            for seed in 0..200 {
                let options = MaskOptions {
                    shape: MaskShape::Ellipse,
                    min_area: 0.1,
                    max_area: 0.1,
                    ..MaskOptions::default()
                };
                let mask = draw_mask(width, height, &options, &mut Draw::keyed(seed, &[b"mask"]));
                let ([x0, y0, x1, y1], inside) = extent(&mask);
                let (w, h) = (f64::from(x1 - x0 + 1), f64::from(y1 - y0 + 1));
                let share = inside as f64 / f64::from(width * height);
                let slack = if h < 30.0 { 0.04 } else { 0.02 };
                assert!((share / 0.1 - 1.0).abs() < slack, "seed {seed}: area share {share}");
                // The area of an ellipse in its box, and no rectangle's.
                assert!((inside as f64 / (w * h) - 0.785).abs() < 0.05, "seed {seed}: {inside} in {w} x {h}");
                if (w as u32) < width - 1 {
                    assert!(
                        (w - 1.0) / (h + 1.0) < 2.0 && (w + 1.0) / (h - 1.0) > 0.5,
                        "seed {seed}: {w} x {h}"
                    );
                }
            }
        }
    }

    #[test]
    fn tiny_images_still_get_a_pixel() {
        for shape in [MaskShape::Rectangle, MaskShape::Ellipse, MaskShape::Strokes] {
            for (width, height) in [(1, 1), (1, 9), (5, 2)] {
                let options = MaskOptions { shape, ..MaskOptions::default() };
                let mask = draw_mask(width, height, &options, &mut Draw::keyed(1, &[]));
                assert!(mask.count_inside() > 0, "{shape:?} in {width} x {height}");
            }
        }
    }

    #[test]
    fn impossible_ranges_are_named() {
        let options = MaskOptions { min_area: 0.3, ..MaskOptions::default() };
        assert!(options.check().unwrap_err().contains("min_area 0.3"));
        let options = MaskOptions { shape: MaskShape::Ellipse, max_area: 0.8, ..MaskOptions::default() };
        assert!(options.check().unwrap_err().ends_with("max_area <= 0.75 (ellipse)"));
        let options = MaskOptions { max_aspect: f64::NAN, ..MaskOptions::default() };
        assert!(options.check().unwrap_err().contains("max_aspect NaN"));
    }
}
