//! A plan in the words of a chain, for people who want to see what was drawn.

use super::plan::{AugmentPlan, Jitter};
use std::fmt;

/// Steps that are taken, in order, joined by ` | `.
impl fmt::Display for AugmentPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        if let Some(part) = self.resized_crop {
            let (width, height) = part.to;
            let from = format!("{} x {} at {}, {}", part.width, part.height, part.left, part.top);
            steps.push(format!("resized_crop({from} to {width} x {height})"));
        }
        steps.extend(self.jitter.iter().map(|jitter| match jitter {
            Jitter::Brightness(factor) => format!("brightness({factor:.2})"),
            Jitter::Contrast(factor) => format!("contrast({factor:.2})"),
            Jitter::Saturation(factor) => format!("saturation({factor:.2})"),
            Jitter::Hue(turn) => format!("hue({turn:+.3})"),
        }));
        if self.grayscale {
            steps.push("grayscale".to_owned());
        }
        if let Some(hole) = self.cutout {
            steps.push(format!("cutout({} x {} at {}, {})", hole.width, hole.height, hole.left, hole.top));
        }
        if let Some(noise) = self.noise {
            steps.push(format!("noise({:.1})", noise.variance));
        }
        if let Some(sigma) = self.blur {
            steps.push(format!("blur({sigma:.2})"));
        }
        if let Some((quality, subsampling)) = self.jpeg {
            steps.push(format!("jpeg({quality}, {})", subsampling.as_str()));
        }
        if self.quarters > 0 {
            steps.push(format!("rotate({})", 90 * u32::from(self.quarters)));
        }
        if self.flip {
            steps.push("flip".to_owned());
        }
        if self.padding != Default::default() {
            let padding = self.padding;
            steps.push(format!(
                "pad({}, {}, {}, {})",
                padding.left, padding.top, padding.right, padding.bottom
            ));
        }
        let (left, top) = self.crop_at;
        steps.push(format!("crop({} x {} at {left}, {top})", self.crop, self.crop));
        f.write_str(&steps.join(" | "))
    }
}
