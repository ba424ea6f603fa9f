//! Steps that change each pixel's colour: as Pillow's `ImageEnhance` and torchvision do.

use super::arguments::{Numbers, Otherwise, Parameter};
use super::filters::filtered;
use super::table::{Act, Entry, Given, Made};
use crate::{
    Image, brightness, color, contrast, gamma, grayscale, hue, sharpness, tensor_brightness, tensor_contrast,
    tensor_gamma, tensor_grayscale, tensor_hue, tensor_saturation,
};

const FACTOR: Parameter = Parameter::number("factor", Numbers::real(0.0, 100.0));

/// Whose arithmetic: Pillow's on 8 bits, or torchvision's on `uint8` tensors.
const ARITHMETIC: Parameter =
    Parameter::word("arithmetic", &["pillow", "tensor"], "pillow").otherwise(Otherwise::Unwritten("pillow"));

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "brightness",
        parameters: &[FACTOR, ARITHMETIC],
        does: "towards or away from black",
        peer: "Pillow `ImageEnhance.Brightness`; tensor: torchvision `adjust_brightness`",
        act: Act::Change(|given, image| changed(given, image, "factor", brightness, tensor_brightness)),
        ..Entry::PLAIN
    },
    Entry {
        name: "contrast",
        parameters: &[FACTOR, ARITHMETIC],
        does: "towards or away from the mean grey",
        peer: "Pillow `ImageEnhance.Contrast`; tensor: torchvision `adjust_contrast`",
        act: Act::Change(|given, image| changed(given, image, "factor", contrast, tensor_contrast)),
        ..Entry::PLAIN
    },
    Entry {
        name: "color",
        alias: Some("saturation"),
        parameters: &[FACTOR, ARITHMETIC],
        does: "towards or away from the pixel's grey",
        peer: "Pillow `ImageEnhance.Color`; tensor: torchvision `adjust_saturation`",
        act: Act::Change(|given, image| changed(given, image, "factor", color, tensor_saturation)),
        ..Entry::PLAIN
    },
    Entry {
        name: "sharpness",
        parameters: &[FACTOR],
        does: "towards or away from the smoothed image",
        peer: "Pillow `ImageEnhance.Sharpness`",
        act: Act::Change(|given, image| filtered(given, image, "factor", sharpness)),
        ..Entry::PLAIN
    },
    Entry {
        name: "hue",
        parameters: &[Parameter::number("turn", Numbers::real(-0.5, 0.5)), ARITHMETIC],
        does: "turns the hue by this part of the circle",
        peer: "torchvision `adjust_hue` on a Pillow image, or on a tensor",
        act: Act::Change(|given, image| changed(given, image, "turn", hue, tensor_hue)),
        ..Entry::PLAIN
    },
    Entry {
        name: "gamma",
        parameters: &[Parameter::number("exponent", Numbers::real(0.0, 100.0)), ARITHMETIC],
        does: "each value to this power; above 1 darkens",
        peer: "torchvision `adjust_gamma` on a Pillow image, or on a tensor",
        act: Act::Change(|given, image| changed(given, image, "exponent", gamma, tensor_gamma)),
        ..Entry::PLAIN
    },
    Entry {
        name: "grayscale",
        parameters: &[ARITHMETIC],
        does: "the grey of each pixel, in three channels",
        peer: "Pillow `convert(\"L\")`; tensor: torchvision `rgb_to_grayscale`",
        act: Act::Change(|given, image| {
            Ok(match given.word("arithmetic") {
                Some("tensor") => Made::new(tensor_grayscale(image), "grayscale(tensor)".to_owned()),
                _ => Made::new(grayscale(image), "grayscale".to_owned()),
            })
        }),
        ..Entry::PLAIN
    },
];

type Change = fn(&Image, f64) -> Image;

fn changed(
    given: &mut Given,
    image: &Image,
    argument: &str,
    pillow: Change,
    tensor: Change,
) -> Result<Made, String> {
    let (name, value) = (given.entry.name, given.real(argument));
    Ok(match given.word("arithmetic") {
        Some("tensor") => Made::new(tensor(image, value), format!("{name}({value}, tensor)")),
        _ => Made::new(pillow(image, value), format!("{name}({value})")),
    })
}
