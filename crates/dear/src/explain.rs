//! Where in the image a detector sees what: the evidence map laid over the image. Its mean is the logit.

use dear_image::Image;
use serde::{Deserialize, Serialize};

use crate::backbone::Metadata;
use crate::detector::Evidence;
use crate::rad::resize_mask;

/// Colour of evidence for *generated* (red) and for *real* (blue); both keep apart for colour-blind eyes.
pub const GENERATED_RGB: [u8; 3] = [202, 0, 32];
/// See [`GENERATED_RGB`].
pub const REAL_RGB: [u8; 3] = [5, 113, 176];

/// What the colours of a heat map mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Evidence (in logits) at which the colour is strongest; the same for both signs.
    pub full: f64,
    /// Least evidence of any cell.
    pub min: f64,
    /// Greatest evidence of any cell.
    pub max: f64,
}

impl Scale {
    /// A scale for some maps together, so that they can be compared: full colour at the 98th percentile of |evidence|.
    pub fn of<'a>(maps: impl IntoIterator<Item = &'a Evidence>) -> Self {
        let mut values: Vec<f64> = Vec::new();
        for map in maps {
            values.extend(map.data.iter().map(|&value| f64::from(value)));
        }
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let full = sizes.get((sizes.len().saturating_sub(1)) * 98 / 100).copied().unwrap_or(0.0);
        Self { full: if full > 0.0 { full } else { 1.0 }, min, max }
    }
}

/// The image in grey with the evidence in colour, of the image's size. Cell `(i, j)` is centred on the pixels
/// `stride * j .. stride * (j + 1)`, as the backbone's features are; in a network without padding, whose first cell sees
/// `span` pixels, `(span - stride) / 2` pixels further. Between centres the map is bilinear. Without a stride (a detector
/// file that states none) the grid is stretched over the image.
pub fn overlay(image: &Image, evidence: &Evidence, metadata: &Metadata, scale: &Scale) -> Image {
    let (h, w) = (evidence.h, evidence.w);
    let (full_h, full_w, shift) = match metadata.stride {
        Some(stride) => {
            let shift = metadata.span().saturating_sub(stride) / 2;
            (h * stride as usize, w * stride as usize, shift as usize)
        }
        None => (image.height() as usize, image.width() as usize, 0),
    };
    let smooth = resize_mask(&evidence.data, (h, w), (full_h, full_w));
    let luma = image.luma();
    let width = image.width() as usize;
    Image::from_fn(image.width(), image.height(), |x, y| {
        let (x, y) = (x as usize, y as usize);
        let [row, column] = [(y, full_h), (x, full_w)].map(|(at, end)| at.saturating_sub(shift).min(end - 1));
        let value = f64::from(smooth[row * full_w + column]) / scale.full;
        let grey = f64::from(luma[y * width + x]);
        let colour = if value > 0.0 { GENERATED_RGB } else { REAL_RGB };
        let weight = 0.75 * value.abs().min(1.0);
        colour.map(|channel| (grey * (1.0 - weight) + f64::from(channel) * weight + 0.5) as u8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stride_8() -> Metadata {
        Metadata { stride: Some(8), ..Metadata::new("test".to_owned()) }
    }

    #[test]
    fn colours_follow_the_sign_and_lie_over_their_cell() {
        let image = Image::from_fn(16, 12, |_, _| [100; 3]);
        // Two rows (12 pixels at stride 8 round up), two columns: right is generated, left is real.
        let evidence = Evidence { h: 2, w: 2, data: vec![-2.0, 2.0, -2.0, 2.0], logit: 0.0 };
        let map = overlay(&image, &evidence, &stride_8(), &Scale { full: 2.0, min: -2.0, max: 2.0 });
        assert_eq!(map.size(), image.size());
        let ([r, _, b], [left_r, _, left_b]) = (map.pixel(15, 6), map.pixel(0, 6));
        assert!(r > 150 && b < 80, "generated is red: {:?}", map.pixel(15, 6));
        assert!(left_b > 130 && left_r < 60, "real is blue: {:?}", map.pixel(0, 6));
    }

    #[test]
    fn cells_of_a_network_without_padding_lie_in_the_middle_of_what_they_see() {
        // One row of two cells that see 24 pixels each: their middles are 12 and 20, between them the colours change.
        let image = Image::from_fn(32, 24, |_, _| [100; 3]);
        let evidence = Evidence { h: 1, w: 2, data: vec![-2.0, 2.0], logit: 0.0 };
        let metadata = Metadata { span: Some(24), ..stride_8() };
        let map = overlay(&image, &evidence, &metadata, &Scale { full: 2.0, min: -2.0, max: 2.0 });
        let reds: Vec<bool> = (0..32).map(|x| map.pixel(x, 12)[0] > map.pixel(x, 12)[2]).collect();
        assert_eq!(reds, (0..32).map(|x| x >= 16).collect::<Vec<_>>());
    }

    #[test]
    fn no_evidence_is_a_grey_image() {
        let image = Image::from_fn(8, 8, |x, _| [(x * 20) as u8; 3]);
        let evidence = Evidence { h: 1, w: 1, data: vec![0.0], logit: 0.0 };
        let map = overlay(&image, &evidence, &stride_8(), &Scale::of([&evidence]));
        assert_eq!(map, image);
    }
}
