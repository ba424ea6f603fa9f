//! Steps that write a file and read it back: jpeg, webp, double_jpeg, screenshot, paper.

use super::arguments::{Numbers, Otherwise, Parameter};
use super::paper::Paper;
use super::pixels::{File, Pixels};
use super::sizes::{FACTORS, KERNEL, kernel, scaled};
use super::table::{Act, Entry, Given, Made, Sets, fits};
use crate::{
    EncodeError, Format, Image, Padding, Subsampling, border, crop, encode_jpeg, encode_webp, resize,
};

const QUALITIES: Numbers = Numbers::integer(1, 100);
/// Widest side of a screenshot's frame.
const WIDEST: u32 = 4096;

const SUBSAMPLINGS: [Subsampling; 3] = [Subsampling::S420, Subsampling::S422, Subsampling::S444];
const SUBSAMPLING: Parameter = Parameter::word("subsampling", &["4:2:0", "4:2:2", "4:4:4"], "4:2:0");

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "jpeg",
        parameters: &[Parameter::number("quality", QUALITIES), SUBSAMPLING],
        does: "to JPEG and back",
        peer: "Pillow `save(\"JPEG\")`, libjpeg-turbo",
        act: Act::Change(jpeg),
        ..Entry::PLAIN
    },
    Entry {
        name: "webp",
        parameters: &[Parameter::number("quality", QUALITIES)],
        does: "to lossy WebP and back",
        peer: "Pillow `save(\"WEBP\")`, libwebp",
        act: Act::Change(webp),
        ..Entry::PLAIN
    },
    Entry {
        name: "double_jpeg",
        parameters: &[
            Parameter::number("first", QUALITIES),
            Parameter::number("second", QUALITIES),
            SUBSAMPLING,
            Parameter::number("dx", Numbers::integer(0, 64)).otherwise(Otherwise::Number(1.0, 7.0)).keyed(),
            Parameter::number("dy", Numbers::integer(0, 64)).otherwise(Otherwise::Number(1.0, 7.0)).keyed(),
        ],
        does: "to JPEG and back twice; dx columns and dy rows are cut off between, so that the grids of blocks differ",
        peer: "Pillow `save`, `crop`, `save`",
        act: Act::Change(double_jpeg),
        ..Entry::PLAIN
    },
    Entry {
        name: "screenshot",
        parameters: &[
            Parameter::number("factor", FACTORS),
            KERNEL,
            Parameter::number("pad", Numbers::integer(0, WIDEST))
                .otherwise(Otherwise::Number(0.0, 64.0))
                .keyed(),
            Parameter::number("value", Numbers::integer(0, 255))
                .otherwise(Otherwise::Number(255.0, 255.0))
                .keyed(),
            Parameter::number("jpeg", QUALITIES).otherwise(Otherwise::Absent).keyed(),
            Parameter::number("webp", QUALITIES).otherwise(Otherwise::Absent).keyed(),
        ],
        sets: Sets::AtMostOne(&[&["jpeg"], &["webp"]]),
        does: "as shown on a screen: scaled, framed in grey (each side's width drawn apart), then PNG, or jpeg= or webp=",
        peer: "Pillow `resize`, `ImageOps.expand`, `save`; the ranges are ours, there is no source for them",
        act: Act::Change(screenshot),
        ..Entry::PLAIN
    },
    Entry {
        name: "paper",
        does: "the paper's post-processing, draw for draw; ends in JPEG 4:2:0",
        peer: "Pillow `resize`, `ImageEnhance`, `save`",
        act: Act::Change(paper),
        ..Entry::PLAIN
    },
];

/// `image` as a file of `format`, or why it is none.
fn written(format: Format, image: &Image, bytes: Result<Vec<u8>, EncodeError>) -> Result<File, String> {
    Ok(File { format, size: image.size(), bytes: bytes.map_err(|error| error.to_string())? })
}

fn as_jpeg(image: &Image, quality: u8, subsampling: Subsampling) -> Result<File, String> {
    written(Format::Jpeg, image, encode_jpeg(image, quality, subsampling))
}

fn as_webp(image: &Image, quality: u8) -> Result<File, String> {
    written(Format::WebP, image, encode_webp(image, quality))
}

fn made(file: File, said: String) -> Result<Made, String> {
    Ok(Made { pixels: Pixels::File(file), said })
}

fn subsampling(given: &Given) -> Subsampling {
    let word = given.word("subsampling");
    let known = SUBSAMPLINGS.into_iter().find(|subsampling| Some(subsampling.as_str()) == word);
    known.expect("the list's words are subsamplings")
}

fn jpeg(given: &mut Given, image: &Image) -> Result<Made, String> {
    let (quality, subsampling) = (given.integer("quality") as u8, subsampling(given));
    made(as_jpeg(image, quality, subsampling)?, format!("jpeg({quality}, {})", subsampling.as_str()))
}

fn webp(given: &mut Given, image: &Image) -> Result<Made, String> {
    let quality = given.integer("quality") as u8;
    made(as_webp(image, quality)?, format!("webp({quality})"))
}

fn double_jpeg(given: &mut Given, image: &Image) -> Result<Made, String> {
    let (first, second) = (given.integer("first") as u8, given.integer("second") as u8);
    let (dx, dy) = (given.integer("dx"), given.integer("dy"));
    let subsampling = subsampling(given);
    let once = as_jpeg(image, first, subsampling)?.image()?;
    let (width, height) = (image.width().saturating_sub(dx), image.height().saturating_sub(dy));
    if width == 0 || height == 0 {
        return Err(format!("no pixel is left without {dx} columns and {dy} rows"));
    }
    let twice = as_jpeg(&crop(&once, dx, dy, width, height), second, subsampling)?;
    made(twice, format!("double_jpeg({first}, {second}, {}, dx={dx}, dy={dy})", subsampling.as_str()))
}

fn screenshot(given: &mut Given, image: &Image) -> Result<Made, String> {
    let (width, height) = scaled(image.size(), given.real("factor"));
    let kernel = kernel(given);
    let [left, top, right, bottom] = std::array::from_fn(|_| given.integer("pad"));
    let value = given.integer("value") as u8;
    let long = |side: u32, before: u32, after: u32| u64::from(side) + u64::from(before) + u64::from(after);
    fits(long(width, left, right), long(height, top, bottom))?;
    let framed =
        border(&resize(image, width, height, kernel), Padding { left, top, right, bottom }, [value; 3]);
    let said = |end: String| {
        format!(
            "screenshot(resize({width} x {height}, {}) | border({left}, {top}, {right}, {bottom}; {value}) | {end})",
            kernel.as_str()
        )
    };
    if given.has("jpeg") {
        let (quality, subsampling) = (given.integer("jpeg") as u8, Subsampling::S420);
        let end = format!("jpeg({quality}, {})", subsampling.as_str());
        made(as_jpeg(&framed, quality, subsampling)?, said(end))
    } else if given.has("webp") {
        let quality = given.integer("webp") as u8;
        made(as_webp(&framed, quality)?, said(format!("webp({quality})")))
    } else {
        Ok(Made::new(framed, said("png".to_owned())))
    }
}

fn paper(given: &mut Given, image: &Image) -> Result<Made, String> {
    let paper = Paper::draw(image.size(), given.draw);
    let Paper { quality, width, height, brightness, contrast, sharpness, color, .. } = paper;
    let said = format!(
        "paper(resize({width} x {height}, bicubic) | brightness({brightness}) | contrast({contrast}) \
         | sharpness({sharpness}) | color({color}) | jpeg({quality}, 4:2:0))"
    );
    let bytes = paper.apply(image).map_err(|error| error.to_string())?;
    made(File { format: Format::Jpeg, bytes, size: (width, height) }, said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::arguments::Takes;

    #[test]
    fn subsamplings_have_the_names_of_their_list() {
        let Takes::Word(words) = SUBSAMPLING.takes else { panic!("a subsampling is a word") };
        assert_eq!(SUBSAMPLINGS.map(Subsampling::as_str), words);
    }
}
