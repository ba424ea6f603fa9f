//! Steps that move pixels or change their number: resize, fit, crop, rotate, flip, border.

use super::arguments::{Numbers, Otherwise, Parameter, Takes};
use super::table::{Act, Entry, Given, Made, SIDES, Sets, fits};
use crate::{
    Fill, Image, Kernel, Padding, Sampling, border, crop, flip, flip_vertical, pad, resize, turn, turned_size,
};

/// Factors of both sides.
pub(super) const FACTORS: Numbers = Numbers::real(0.001, 100.0);

const KERNELS: [Kernel; 6] =
    [Kernel::Nearest, Kernel::Box, Kernel::Bilinear, Kernel::Hamming, Kernel::Bicubic, Kernel::Lanczos];

/// How a resize reads: Pillow's default is bicubic.
pub(super) const KERNEL: Parameter =
    Parameter::word("kernel", &["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"], "bicubic");

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "resize",
        parameters: &[
            Parameter::number("factor", FACTORS).otherwise(Otherwise::Absent),
            Parameter::number("side", SIDES).otherwise(Otherwise::Absent).keyed(),
            Parameter::number("width", SIDES).otherwise(Otherwise::Absent).keyed(),
            Parameter::number("height", SIDES).otherwise(Otherwise::Absent).keyed(),
            KERNEL,
        ],
        sets: Sets::One(&[&["factor"], &["side"], &["width", "height"]]),
        does: "both sides times factor (truncated), or the shorter side to side=, or to width= and height=",
        peer: "Pillow `resize`, torchvision `resize(int)` for side=",
        act: Act::Change(resized),
        ..Entry::PLAIN
    },
    Entry {
        name: "fit",
        parameters: &[
            Parameter::number("longest", SIDES).otherwise(Otherwise::Absent),
            Parameter::number("width", SIDES).otherwise(Otherwise::Absent).keyed(),
            Parameter::number("height", SIDES).otherwise(Otherwise::Absent).keyed(),
            KERNEL,
        ],
        sets: Sets::One(&[&["longest"], &["width"], &["height"]]),
        does: "reduces until the longer side (or the width, or the height) is at most this; never enlarges",
        peer: "Pillow `thumbnail(reducing_gap=None)`",
        act: Act::Change(fitted),
        ..Entry::PLAIN
    },
    Entry {
        name: "crop",
        parameters: &[
            Parameter::number("size", SIDES).otherwise(Otherwise::Absent),
            Parameter::number("width", SIDES).otherwise(Otherwise::Absent).keyed(),
            Parameter::number("height", SIDES).otherwise(Otherwise::Absent).keyed(),
        ],
        sets: Sets::One(&[&["size"], &["width", "height"]]),
        does: "the middle; a smaller image is an error",
        peer: "torchvision `CenterCrop`",
        act: Act::Change(cropped),
        ..Entry::PLAIN
    },
    Entry {
        name: "rotate",
        parameters: &[
            Parameter::number("angle", Numbers::real(-360.0, 360.0)),
            Parameter::word("kernel", &["nearest", "bilinear", "bicubic"], "nearest"),
            Parameter::word("frame", &["keep", "expand"], "keep"),
        ],
        does: "degrees against the clock around the middle, black where nothing was; expand keeps the corners",
        peer: "Pillow `rotate`",
        act: Act::Change(rotated),
        ..Entry::PLAIN
    },
    Entry {
        name: "flip",
        parameters: &[
            Parameter::word("axis", &["horizontal", "vertical"], "horizontal").otherwise(Otherwise::Needed)
        ],
        does: "left and right, or top and bottom, change places",
        peer: "Pillow `transpose`",
        act: Act::Change(flipped),
        ..Entry::PLAIN
    },
    Entry {
        name: "border",
        parameters: &[
            Parameter::number("width", SIDES),
            Parameter {
                name: "value",
                takes: Takes::Either(Numbers::integer(0, 255), "reflect"),
                placed: true,
                default: Otherwise::Number(0.0, 0.0),
            },
        ],
        does: "a frame of this width on all sides: grey of this value, or the image mirrored",
        peer: "Pillow `ImageOps.expand`, OpenCV `copyMakeBorder(BORDER_REFLECT)`",
        act: Act::Change(bordered),
        ..Entry::PLAIN
    },
];

/// The kernel of the argument `kernel`.
pub(super) fn kernel(given: &Given) -> Kernel {
    let word = given.word("kernel");
    KERNELS.into_iter().find(|kernel| Some(kernel.as_str()) == word).expect("the list's words are kernels")
}

/// Both sides times a factor, at least one pixel. Casts saturate.
pub(super) fn scaled((width, height): (u32, u32), factor: f64) -> (u32, u32) {
    let side = |length: u32| ((f64::from(length) * factor) as u32).max(1);
    (side(width), side(height))
}

fn resized(given: &mut Given, image: &Image) -> Result<Made, String> {
    let (w, h) = image.size();
    let (width, height) = if given.has("factor") {
        scaled((w, h), given.real("factor"))
    } else if given.has("side") {
        let side = given.integer("side");
        let long = |of: u32, short: u32| ((f64::from(side) * f64::from(of) / f64::from(short)) as u32).max(1);
        if w <= h { (side, long(h, w)) } else { (long(w, h), side) }
    } else {
        (given.integer("width"), given.integer("height"))
    };
    resized_to(image, (width, height), kernel(given))
}

fn resized_to(image: &Image, (width, height): (u32, u32), kernel: Kernel) -> Result<Made, String> {
    fits(u64::from(width), u64::from(height))?;
    let said = format!("resize({width} x {height}, {})", kernel.as_str());
    Ok(Made::new(resize(image, width, height, kernel), said))
}

fn fitted(given: &mut Given, image: &Image) -> Result<Made, String> {
    let (width, height) = if given.has("longest") {
        let longest = given.integer("longest");
        (longest, longest)
    } else if given.has("width") {
        (given.integer("width"), u32::MAX)
    } else {
        (u32::MAX, given.integer("height"))
    };
    match reduced(image.size(), (width, height)) {
        Some(size) => resized_to(image, size, kernel(given)),
        None => Ok(Made::new(image.clone(), "fit: small enough".to_owned())),
    }
}

/// The size that fits into a box and comes closest to the proportions, as Pillow's `thumbnail` finds it; `None` where
/// the image fits already.
fn reduced((w, h): (u32, u32), (width, height): (u32, u32)) -> Option<(u32, u32)> {
    if width >= w && height >= h {
        return None;
    }
    let ratio = f64::from(w) / f64::from(h);
    let (width, height) = (f64::from(width), f64::from(height));
    // Of the integers below and above, the one whose ratio is off by less; the lower one where both are equally off.
    let nearest = |side: f64, off: &dyn Fn(f64) -> f64| {
        let (below, above) = (side.floor(), side.ceil());
        (if off(above) < off(below) { above } else { below }).max(1.0) as u32
    };
    if width / height >= ratio {
        Some((nearest(height * ratio, &|n| (ratio - n / height).abs()), height as u32))
    } else {
        let off = |n: f64| if n == 0.0 { 0.0 } else { (ratio - width / n).abs() };
        Some((width as u32, nearest(width / ratio, &off)))
    }
}

fn cropped(given: &mut Given, image: &Image) -> Result<Made, String> {
    let (w, h) = image.size();
    let (width, height) = if given.has("size") {
        // Two draws: a range of sizes is one of widths and one of heights.
        (given.integer("size"), given.integer("size"))
    } else {
        (given.integer("width"), given.integer("height"))
    };
    let (Some(x), Some(y)) = (w.checked_sub(width), h.checked_sub(height)) else {
        return Err(format!("smaller than the crop of {width} x {height}"));
    };
    let (x, y) = (half_to_even(x), half_to_even(y));
    let said = format!("crop({width} x {height} at {x}, {y})");
    Ok(Made::new(crop(image, x, y, width, height), said))
}

/// Half of what is left over, as Python's `round` does it: 1 gives 0, 3 gives 2.
fn half_to_even(beyond: u32) -> u32 {
    beyond / 2 + u32::from(beyond % 4 == 3)
}

fn rotated(given: &mut Given, image: &Image) -> Result<Made, String> {
    let angle = given.real("angle");
    let (sampling, name) = match given.word("kernel") {
        Some("bicubic") => (Sampling::Bicubic, "bicubic"),
        Some("bilinear") => (Sampling::Bilinear, "bilinear"),
        _ => (Sampling::Nearest, "nearest"),
    };
    let expand = given.word("frame") == Some("expand");
    let (width, height) = turned_size(image.size(), angle, expand);
    fits(u64::from(width), u64::from(height))?;
    let said = format!("rotate({angle}, {name}; {width} x {height})");
    Ok(Made::new(turn(image, angle, sampling, expand), said))
}

fn flipped(given: &mut Given, image: &Image) -> Result<Made, String> {
    Ok(match given.word("axis") {
        Some("vertical") => Made::new(flip_vertical(image), "flip(vertical)".to_owned()),
        _ => Made::new(flip(image), "flip(horizontal)".to_owned()),
    })
}

fn bordered(given: &mut Given, image: &Image) -> Result<Made, String> {
    let (width, height) = image.size();
    let side = given.integer("width");
    fits(u64::from(width) + 2 * u64::from(side), u64::from(height) + 2 * u64::from(side))?;
    let padding = Padding { left: side, top: side, right: side, bottom: side };
    if given.word("value").is_some() {
        return Ok(Made::new(pad(image, padding, Fill::Symmetric), format!("border({side}, reflect)")));
    }
    let value = given.integer("value") as u8;
    Ok(Made::new(border(image, padding, [value; 3]), format!("border({side}, {value})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_have_the_names_of_their_list() {
        let Takes::Word(words) = KERNEL.takes else { panic!("a kernel is a word") };
        assert_eq!(KERNELS.map(Kernel::as_str), words);
    }
}
