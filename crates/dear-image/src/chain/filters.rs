//! Steps that look at neighbours or add grain: blurs, median, noise, salt and pepper, cutout.

use super::arguments::{Numbers, Otherwise, Parameter};
use super::table::{Act, Entry, Given, Made, SIDES};
use crate::{
    AugmentOptions, Cutout, Image, Impulse, LARGEST_MEDIAN, Noise, box_blur, gaussian_blur, median,
    pillow_blur,
};

const SHARES: Numbers = Numbers::real(0.0, 1.0);
const RADIUS: Parameter = Parameter::number("radius", Numbers::real(0.0, 65_500.0));

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "blur",
        parameters: &[Parameter::number("sigma", Numbers::real(0.0, 100.0))],
        does: "Gaussian, cut at 4 sigma, 8 bits after each pass",
        peer: "SciPy `gaussian_filter`",
        act: Act::Change(|given, image| filtered(given, image, "sigma", gaussian_blur)),
        ..Entry::PLAIN
    },
    Entry {
        name: "pillow_blur",
        parameters: &[RADIUS],
        does: "Gaussian out of three boxes; radius is the standard deviation",
        peer: "Pillow `GaussianBlur`",
        act: Act::Change(|given, image| filtered(given, image, "radius", pillow_blur)),
        ..Entry::PLAIN
    },
    Entry {
        name: "box_blur",
        parameters: &[RADIUS],
        does: "the mean of a square",
        peer: "Pillow `BoxBlur`",
        act: Act::Change(|given, image| filtered(given, image, "radius", box_blur)),
        ..Entry::PLAIN
    },
    Entry {
        name: "median",
        parameters: &[Parameter::number("size", Numbers::odd(1, LARGEST_MEDIAN))],
        does: "the median of a square, channel by channel",
        peer: "Pillow `MedianFilter`",
        act: Act::Change(|given, image| {
            let size = given.odd("size");
            Ok(Made::new(median(image, size), format!("median({size})")))
        }),
        ..Entry::PLAIN
    },
    Entry {
        name: "noise",
        parameters: &[Parameter::number("var", Numbers::real(0.0, 65_025.0))],
        does: "Gaussian, of this variance on the 0 to 255 scale, cut to 8 bits",
        peer: "albumentations `GaussNoise`, given the numbers",
        act: Act::Change(noise),
        ..Entry::PLAIN
    },
    Entry {
        name: "salt_pepper",
        parameters: &[
            Parameter::number("amount", SHARES),
            Parameter::number("salt", SHARES).otherwise(Otherwise::Number(0.5, 0.5)).keyed(),
        ],
        does: "this share of pixels turns white or black, salt= of them white",
        peer: "NumPy, given the numbers",
        act: Act::Change(salt_pepper),
        ..Entry::PLAIN
    },
    Entry {
        name: "cutout",
        parameters: &[
            Parameter::number("side", SIDES),
            Parameter::number("value", Numbers::integer(0, 255))
                .otherwise(Otherwise::Number(128.0, 128.0))
                .keyed(),
            Parameter::number("count", Numbers::integer(1, 64))
                .otherwise(Otherwise::Number(1.0, 1.0))
                .keyed(),
        ],
        does: "square holes of grey, their centres anywhere; they shift at the top and left and are cut at the others",
        peer: "albumentations 1.3.1 `Cutout`",
        act: Act::Change(cutout),
        ..Entry::PLAIN
    },
];

/// A step of one number.
pub(super) fn filtered(
    given: &mut Given,
    image: &Image,
    argument: &str,
    filter: fn(&Image, f64) -> Image,
) -> Result<Made, String> {
    let value = given.real(argument);
    Ok(Made::new(filter(image, value), format!("{}({value})", given.entry.name)))
}

fn noise(given: &mut Given, image: &Image) -> Result<Made, String> {
    let noise = Noise { variance: given.real("var"), key: given.draw.next_u64() };
    Ok(Made::new(noise.add(image, 0, 0), format!("noise({})", noise.variance)))
}

fn salt_pepper(given: &mut Given, image: &Image) -> Result<Made, String> {
    let (amount, salt) = (given.real("amount"), given.real("salt"));
    let impulse = Impulse { key: given.draw.next_u64(), amount, salt };
    Ok(Made::new(impulse.apply(image), format!("salt_pepper({amount}, salt={salt})")))
}

fn cutout(given: &mut Given, image: &Image) -> Result<Made, String> {
    let options = AugmentOptions {
        cutout_side: given.integer("side"),
        cutout_value: given.integer("value") as u8,
        ..AugmentOptions::default()
    };
    let mut result = image.clone();
    let mut holes = Vec::new();
    for _ in 0..given.integer("count") {
        let hole = Cutout::draw(image.size(), &options, given.draw);
        hole.fill(&mut result, 0, 0);
        holes.push(format!("{} x {} at {}, {}", hole.width, hole.height, hole.left, hole.top));
    }
    Ok(Made::new(result, format!("cutout({}; {})", holes.join("; "), options.cutout_value)))
}
