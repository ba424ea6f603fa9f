//! What was drawn for one view of one image, and its application.

use super::AugmentRole;
use super::options::{AugmentOptions, PadRule, ResizeTo};
use super::window::{Rect, Window};
use crate::geometry::{crop, crop_mask, flip, flip_mask, pad, pad_mask, rotate, rotate_mask};
use crate::{
    DecodeOptions, Draw, Fill, Image, Kernel, Mask, Noise, Padding, Subsampling, brightness, color,
    contrast_around, decode, encode_jpeg, gaussian_blur, grayscale, hue, mean_luma, resize, resize_mask,
};
use std::borrow::Cow;

/// Everything that an augmentation draws. Steps that are not taken are `None`, false, or 0.
#[derive(Debug, Clone, PartialEq)]
pub struct AugmentPlan {
    /// The random resized crop.
    pub resized_crop: Option<ResizedCrop>,
    /// The colour changes, in the order in which they are made.
    pub jitter: Vec<Jitter>,
    /// Whether colours go.
    pub grayscale: bool,
    /// The hole.
    pub cutout: Option<Cutout>,
    /// The noise.
    pub noise: Option<Noise>,
    /// The blur's sigma.
    pub blur: Option<f64>,
    /// Quality and chroma of the JPEG round trip.
    pub jpeg: Option<(u8, Subsampling)>,
    /// Quarter turns against the clock.
    pub quarters: u8,
    /// Whether left and right change places.
    pub flip: bool,
    /// What is added around an image that is smaller than the crop (image mirrored, mask 0).
    pub padding: Padding,
    /// Column and row of the crop in the padded image.
    pub crop_at: (u32, u32),
    /// Side of the crop.
    pub crop: u32,
}

/// A part of the image and the size that it is resized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResizedCrop {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns of the part.
    pub width: u32,
    /// Rows of the part.
    pub height: u32,
    /// Columns and rows after resizing.
    pub to: (u32, u32),
}

/// One colour change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Jitter {
    /// [`brightness`](crate::brightness) by a factor.
    Brightness(f64),
    /// [`contrast`](crate::contrast) by a factor.
    Contrast(f64),
    /// [`color`](crate::color) by a factor.
    Saturation(f64),
    /// [`hue`](crate::hue) by a part of the circle.
    Hue(f64),
}

/// A rectangle that loses its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutout {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What fills it.
    pub value: u8,
}

impl AugmentPlan {
    /// Draws for an image of `size`, step by step in the paper's order.
    ///
    /// # Panics
    /// If `options` do not pass [`AugmentOptions::check`].
    pub fn draw(
        size: (u32, u32),
        options: &AugmentOptions,
        role: AugmentRole,
        draw: &mut Draw,
    ) -> AugmentPlan {
        if let Err(error) = options.check() {
            panic!("{error}");
        }
        let resized_crop =
            draw.chance(options.resized_crop).then(|| ResizedCrop::draw(size, options, role, draw));
        let (width, height) = resized_crop.map_or(size, |crop| crop.to);
        let jitter = if draw.chance(options.jitter) { Jitter::draw(options, draw) } else { Vec::new() };
        let grayscale = draw.chance(options.grayscale);
        let cutout = draw.chance(options.cutout).then(|| Cutout::draw((width, height), options, draw));
        let noise = draw.chance(options.noise).then(|| {
            let [lo, hi] = options.noise_variance;
            Noise { variance: draw.uniform(lo, hi), key: draw.next_u64() }
        });
        let [lo, hi] = options.blur_sigma;
        let blur = draw.chance(options.blur).then(|| draw.uniform(lo, hi));
        let [lo, hi] = options.jpeg_quality;
        let jpeg = draw
            .chance(options.jpeg)
            .then(|| (draw.int(i64::from(lo)..=i64::from(hi)) as u8, options.jpeg_subsampling));
        let quarters = if draw.chance(options.rotate) { draw.below(4) as u8 } else { 0 };
        let flip = draw.chance(options.flip);

        let (width, height) = if quarters % 2 == 1 { (height, width) } else { (width, height) };
        let side = options.crop;
        let (left, right) = deficit(width, side, options.pad_rule(role));
        let (top, bottom) = deficit(height, side, options.pad_rule(role));
        let crop_at = (
            draw.below(u64::from(left + width + right - side) + 1) as u32,
            draw.below(u64::from(top + height + bottom - side) + 1) as u32,
        );
        let padding = Padding { left, top, right, bottom };
        AugmentPlan {
            resized_crop,
            jitter,
            grayscale,
            cutout,
            noise,
            blur,
            jpeg,
            quarters,
            flip,
            padding,
            crop_at,
            crop: side,
        }
    }

    /// Applies the plan, computing only the pixels that reach the crop. Equal to [`AugmentPlan::apply_whole`].
    pub fn apply(&self, image: &Image, mask: Option<&Mask>) -> (Image, Option<Mask>) {
        let mask = mask.map(|mask| self.apply_mask(&fitted(mask, image.size())));
        let resized = self.resized(image);
        let image = resized.as_ref().unwrap_or(image);
        let window = Window::new(self, image.size());
        let mut part = self.recolored(image, window.blurred);
        if let Some(cutout) = self.cutout {
            cutout.fill(&mut part, window.blurred.left, window.blurred.top);
        }
        if let Some(noise) = self.noise {
            part = noise.add(&part, window.blurred.left, window.blurred.top);
        }
        if let Some(sigma) = self.blur {
            part = gaussian_blur(&part, sigma);
        }
        part = window.coded.cut(&part, window.blurred);
        if let Some((quality, subsampling)) = self.jpeg {
            part = round_trip(&part, quality, subsampling);
        }
        part = window.seen.cut(&part, window.coded);
        let part = self.turned(part);
        let cut = self.padded(&part, window.crop_at);

        (cut, mask)
    }

    /// What becomes of a mask of the image that the plan was drawn for: resized by nearest neighbour, turned, padded with 0
    /// and cut like the image. Its values are kept, so it may hold weights as well.
    pub fn apply_mask(&self, mask: &Mask) -> Mask {
        let size = self.resized_crop.map_or(mask.size(), |crop| crop.to);
        let window = Window::new(self, size);
        let mask = self.resized_mask(mask, size);
        let Rect { left, top, width, height } = window.seen;
        self.cut_mask(&crop_mask(&mask, left, top, width, height), window.crop_at)
    }

    /// Applies the plan step by step to the whole picture: what [`AugmentPlan::apply`] must equal.
    pub fn apply_whole(&self, image: &Image, mask: Option<&Mask>) -> (Image, Option<Mask>) {
        let mask = mask.map(|mask| fitted(mask, image.size()));
        let mut image = self.resized(image).unwrap_or_else(|| image.clone());
        let size = image.size();
        image = self.recolored(&image, Rect::whole(size));
        if let Some(cutout) = self.cutout {
            cutout.fill(&mut image, 0, 0);
        }
        if let Some(noise) = self.noise {
            image = noise.add(&image, 0, 0);
        }
        if let Some(sigma) = self.blur {
            image = gaussian_blur(&image, sigma);
        }
        if let Some((quality, subsampling)) = self.jpeg {
            image = round_trip(&image, quality, subsampling);
        }
        image = self.turned(image);
        let mask = mask.map(|mask| self.cut_mask(&self.resized_mask(&mask, size), self.crop_at));
        (self.padded(&image, self.crop_at), mask)
    }

    fn resized(&self, image: &Image) -> Option<Image> {
        self.resized_crop.map(|part| {
            let cut = crop(image, part.left, part.top, part.width, part.height);
            resize(&cut, part.to.0, part.to.1, Kernel::Bilinear)
        })
    }

    /// The mask after the resized crop.
    fn resized_mask(&self, mask: &Mask, size: (u32, u32)) -> Mask {
        match self.resized_crop {
            Some(part) => {
                let cut = crop_mask(mask, part.left, part.top, part.width, part.height);
                resize_mask(&cut, part.to.0, part.to.1)
            }
            None => resize_mask(mask, size.0, size.1),
        }
    }

    /// Jitter and greyscale of a part. Contrast turns around the mean of the whole image as it is at that moment, so
    /// the steps before it are made on the whole.
    fn recolored(&self, image: &Image, part: Rect) -> Image {
        let before = self.jitter.iter().position(|jitter| matches!(jitter, Jitter::Contrast(_)));
        let (mut result, rest, mean) = match before {
            Some(index) => {
                let mut whole = None;
                for jitter in &self.jitter[..index] {
                    whole = Some(jitter.apply(whole.as_ref().unwrap_or(image), 0));
                }
                let whole = whole.as_ref().unwrap_or(image);
                (part.cut(whole, Rect::whole(image.size())), &self.jitter[index..], mean_luma(whole))
            }
            None => (part.cut(image, Rect::whole(image.size())), &self.jitter[..], 0),
        };
        for jitter in rest {
            result = jitter.apply(&result, mean);
        }
        if self.grayscale { grayscale(&result) } else { result }
    }

    fn turned(&self, image: Image) -> Image {
        let image = if self.quarters == 0 { image } else { rotate(&image, self.quarters) };
        if self.flip { flip(&image) } else { image }
    }

    fn padded(&self, image: &Image, at: (u32, u32)) -> Image {
        if self.padding == Padding::default() {
            return crop(image, at.0, at.1, self.crop, self.crop);
        }
        crop(&pad(image, self.padding, Fill::Symmetric), at.0, at.1, self.crop, self.crop)
    }

    fn cut_mask(&self, mask: &Mask, at: (u32, u32)) -> Mask {
        let mask = rotate_mask(mask, self.quarters);
        let mask = if self.flip { flip_mask(&mask) } else { mask };
        crop_mask(&pad_mask(&mask, self.padding, Fill::Zero), at.0, at.1, self.crop, self.crop)
    }
}

impl ResizedCrop {
    /// torchvision's `RandomResizedCrop`: ten tries for a rectangle that fits, then the largest central one of an
    /// allowed shape.
    fn draw(size: (u32, u32), options: &AugmentOptions, role: AugmentRole, draw: &mut Draw) -> ResizedCrop {
        let (width, height) = (f64::from(size.0), f64::from(size.1));
        let [least, most] = options.resized_crop_area;
        let [narrow, wide] = options.resized_crop_ratio;
        let mut part = None;
        for _ in 0..10 {
            let area = width * height * draw.uniform(least, most);
            let ratio = libm::exp(draw.uniform(libm::log(narrow), libm::log(wide)));
            let (w, h) = ((area * ratio).sqrt().round_ties_even(), (area / ratio).sqrt().round_ties_even());
            if (1.0..=width).contains(&w) && (1.0..=height).contains(&h) {
                let (w, h) = (w as u32, h as u32);
                let top = draw.below(u64::from(size.1 - h) + 1) as u32;
                let left = draw.below(u64::from(size.0 - w) + 1) as u32;
                part = Some((left, top, w, h));
                break;
            }
        }
        let (left, top, w, h) = part.unwrap_or_else(|| {
            let ratio = width / height;
            let (w, h) = if ratio < narrow {
                (size.0, ((width / narrow).round_ties_even() as u32).clamp(1, size.1))
            } else if ratio > wide {
                (((height * wide).round_ties_even() as u32).clamp(1, size.0), size.1)
            } else {
                size
            };
            ((size.0 - w) / 2, (size.1 - h) / 2, w, h)
        });
        let side = options.resized_crop_side;
        let long = |of: u32, short: u32| (u64::from(side) * u64::from(of) / u64::from(short)) as u32;
        let to = match options.resize_to(role) {
            ResizeTo::Square => (side, side),
            ResizeTo::ShorterSide if w <= h => (side, long(h, w)),
            ResizeTo::ShorterSide => (long(w, h), side),
        };
        ResizedCrop { left, top, width: w, height: h, to }
    }
}

impl Jitter {
    fn draw(options: &AugmentOptions, draw: &mut Draw) -> Vec<Jitter> {
        let mut around_one = |spread: f64| draw.uniform(1.0 - spread, 1.0 + spread);
        let mut changes = vec![
            Jitter::Brightness(around_one(options.jitter_brightness)),
            Jitter::Contrast(around_one(options.jitter_contrast)),
            Jitter::Saturation(around_one(options.jitter_saturation)),
        ];
        changes.push(Jitter::Hue(draw.uniform(-options.jitter_hue, options.jitter_hue)));
        draw.shuffle(&mut changes);
        changes
    }

    fn apply(self, image: &Image, mean: u8) -> Image {
        match self {
            Jitter::Brightness(factor) => brightness(image, factor),
            Jitter::Contrast(factor) => contrast_around(image, mean, factor),
            Jitter::Saturation(factor) => color(image, factor),
            Jitter::Hue(turn) => hue(image, turn),
        }
    }
}

impl Cutout {
    /// albumentations 1.3.1: the centre is uniform on the image, both ends included; the top left corner is clipped to
    /// 0 and the side measured from there (the hole shifts), the bottom right corner is cut.
    pub(crate) fn draw((width, height): (u32, u32), options: &AugmentOptions, draw: &mut Draw) -> Cutout {
        let side = options.cutout_side;
        let mut place = |length: u32| {
            let center = draw.below(u64::from(length) + 1) as u32;
            let start = center.saturating_sub(side / 2);
            (start, (start + side).min(length) - start.min(length))
        };
        let (top, hole_height) = place(height);
        let (left, hole_width) = place(width);
        Cutout { left, top, width: hole_width, height: hole_height, value: options.cutout_value }
    }

    /// Fills the hole in a part of the picture whose first pixel is column `left` of row `top`.
    pub fn fill(self, part: &mut Image, left: u32, top: u32) {
        let columns = self.left.max(left)..(self.left + self.width).min(left + part.width());
        let rows = self.top.max(top)..(self.top + self.height).min(top + part.height());
        if columns.is_empty() {
            return;
        }
        let stride = part.width() as usize;
        for y in rows {
            let row = (y - top) as usize * stride;
            let (from, to) = ((columns.start - left) as usize, (columns.end - left) as usize);
            part.data_mut()[3 * (row + from)..3 * (row + to)].fill(self.value);
        }
    }
}

/// The mask in the size of its image.
fn fitted(mask: &Mask, size: (u32, u32)) -> Cow<'_, Mask> {
    if mask.size() == size { Cow::Borrowed(mask) } else { Cow::Owned(resize_mask(mask, size.0, size.1)) }
}

/// What is added before and after a side that is shorter than the crop.
fn deficit(length: u32, side: u32, rule: PadRule) -> (u32, u32) {
    let missing = side.saturating_sub(length);
    match rule {
        PadRule::Full => (missing, missing),
        PadRule::Halves => (missing / 2, missing - missing / 2),
    }
}

/// Writes a JPEG and reads it back.
fn round_trip(image: &Image, quality: u8, subsampling: Subsampling) -> Image {
    let decoded = encode_jpeg(image, quality, subsampling)
        .ok()
        .and_then(|bytes| decode(&bytes, &DecodeOptions::unlimited()).ok());
    decoded.expect("a part of at most 65500 pixels a side is written and read back").image
}
