//! The paper's mask: one random rectangle per image.

use dear_image::{Draw, Mask};
use serde::{Deserialize, Serialize};

/// Size and shape of the rectangle (reference: area 0.02-0.20 of the image, aspect 0.5-2.0).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskOptions {
    /// Least share of the image's area. Default 0.02.
    pub min_area: f64,
    /// Greatest share of the image's area. Default 0.20.
    pub max_area: f64,
    /// Least width / height. Default 0.5.
    pub min_aspect: f64,
    /// Greatest width / height. Default 2.0.
    pub max_aspect: f64,
}

impl Default for MaskOptions {
    fn default() -> Self {
        Self { min_area: 0.02, max_area: 0.20, min_aspect: 0.5, max_aspect: 2.0 }
    }
}

impl MaskOptions {
    /// Check the ranges.
    ///
    /// # Errors
    /// One line naming key, value and allowed range.
    pub fn check(&self) -> Result<(), String> {
        if !(self.min_area > 0.0 && self.min_area <= self.max_area && self.max_area <= 1.0) {
            return Err(format!(
                "probe.mask: min_area {} and max_area {}, expected 0 < min_area <= max_area <= 1",
                self.min_area, self.max_area
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

/// Draw a rectangle mask for a `width` x `height` image: `h = round_half_even(sqrt(area / aspect))`,
/// `w = round_half_even(sqrt(area * aspect))`, clamped to the image (at least one pixel), position uniform and inclusive.
pub fn rectangle(width: u32, height: u32, options: &MaskOptions, draw: &mut Draw) -> Mask {
    let area = draw.uniform(options.min_area, options.max_area) * f64::from(width) * f64::from(height);
    let aspect = draw.uniform(options.min_aspect, options.max_aspect);
    let side = |exact: f64, limit: u32| (exact.round_ties_even() as u32).clamp(1, limit);
    let h = side((area / aspect).sqrt(), height);
    let w = side((area * aspect).sqrt(), width);
    let top = draw.below(u64::from(height - h) + 1) as u32;
    let left = draw.below(u64::from(width - w) + 1) as u32;
    Mask::from_fn(width, height, |x, y| (left..left + w).contains(&x) && (top..top + h).contains(&y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_keep_to_area_aspect_and_image() {
        let options = MaskOptions::default();
        let (mut touches_left, mut touches_right) = (false, false);
        for seed in 0..400 {
            let mut draw = Draw::keyed(seed, &[b"mask"]);
            let mask = rectangle(120, 80, &options, &mut draw);
            let inside: Vec<(u32, u32)> = (0..80)
                .flat_map(|y| (0..120).map(move |x| (x, y)))
                .filter(|&(x, y)| mask.is_inside(x, y))
                .collect();
            let x0 = inside.iter().map(|p| p.0).min().unwrap();
            let x1 = inside.iter().map(|p| p.0).max().unwrap();
            let y0 = inside.iter().map(|p| p.1).min().unwrap();
            let y1 = inside.iter().map(|p| p.1).max().unwrap();
            let (w, h) = (f64::from(x1 - x0 + 1), f64::from(y1 - y0 + 1));
            assert_eq!(inside.len() as f64, w * h, "seed {seed}: not a filled rectangle");
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
    fn tiny_images_still_get_a_pixel() {
        let mask = rectangle(1, 1, &MaskOptions::default(), &mut Draw::keyed(1, &[]));
        assert!(mask.is_inside(0, 0));
    }

    #[test]
    fn impossible_ranges_are_named() {
        let options = MaskOptions { min_area: 0.3, ..MaskOptions::default() };
        assert!(options.check().unwrap_err().contains("min_area 0.3"));
    }
}
