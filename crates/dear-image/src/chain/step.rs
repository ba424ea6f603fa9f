//! The steps: what each takes, what it draws, what it does.

use super::arguments::{Numbers, Range, Reader};
use super::error::ChainError;
use super::paper::Paper;
use super::parse::Call;
use crate::{
    DecodeOptions, Draw, Format, Image, Kernel, Noise, Subsampling, brightness, color, contrast, crop,
    decode, encode_jpeg, encode_webp, gaussian_blur, grayscale, resize, sharpness,
};
use std::fmt;

/// A step, and how often it is taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    kind: Kind,
    probability: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Resize(Target, Kernel),
    Crop(Range, Range),
    Jpeg(Range, Subsampling),
    WebP(Range),
    Brightness(Range),
    Contrast(Range),
    Sharpness(Range),
    Color(Range),
    Blur(Range),
    Noise(Range),
    Grayscale,
    Paper,
    OneOf(Vec<Step>),
}

/// What a resize aims at.
#[derive(Debug, Clone, PartialEq)]
enum Target {
    /// Both sides times this, truncated.
    Factor(Range),
    /// The shorter side, the other in proportion (truncated), as torchvision's `resize(int)`.
    Side(Range),
    /// Both sides.
    Size(Range, Range),
}

/// An image on its way through a chain.
pub(super) struct State {
    pub(super) image: Image,
    pub(super) drawn: Vec<String>,
    /// The file that the pixels came out of, if the last step was one.
    pub(super) encoded: Option<(Format, Vec<u8>)>,
}

/// All names, in the order of the documentation.
pub(super) const NAMES: [&str; 13] = [
    "resize",
    "crop",
    "jpeg",
    "webp",
    "brightness",
    "contrast",
    "sharpness",
    "color",
    "blur",
    "noise",
    "grayscale",
    "paper",
    "one_of",
];

/// Most pixels that a resize may make.
const MOST_PIXELS: u64 = 200_000_000;
/// Longest side that a resize may make.
const LONGEST: u32 = 65_500;

impl Step {
    /// Gives a call its meaning.
    pub(super) fn new(call: &Call) -> Result<Step, ChainError> {
        let Some(&name) = NAMES.iter().find(|&&name| name == call.name) else {
            let nearest =
                NAMES.iter().min_by_key(|name| distance(name, &call.name)).copied().unwrap_or_default();
            return Err(ChainError::UnknownStep {
                position: call.position,
                found: call.name.clone(),
                nearest,
                known: NAMES.join(", "),
            });
        };
        let mut reader = Reader::new(name, call);
        let probability = reader.optional("p", None, &Numbers::real(0.0, 1.0))?.map_or(1.0, |range| range.lo);
        let kind = match name {
            "resize" => {
                let sides = Numbers::integer(1, i64::from(LONGEST));
                let side = reader.optional("side", None, &sides)?;
                let width = reader.optional("width", None, &sides)?;
                let height = reader.optional("height", None, &sides)?;
                let position = (side.is_none() && width.is_none() && height.is_none()).then_some(0);
                let factor = reader.optional("factor", position, &Numbers::real(0.001, 100.0))?;
                let target = match (factor, side, width, height) {
                    (Some(factor), None, None, None) => Target::Factor(factor),
                    (None, Some(side), None, None) => Target::Side(side),
                    (None, None, Some(width), Some(height)) => Target::Size(width, height),
                    _ => return Err(reader.missing("size", "one of factor, side, or width and height")),
                };
                Kind::Resize(target, reader.word("kernel", &KERNELS)?.unwrap_or(Kernel::Bicubic))
            }
            "crop" => {
                let sides = Numbers::integer(1, i64::from(LONGEST));
                let width = reader.optional("width", None, &sides)?;
                let height = reader.optional("height", None, &sides)?;
                let position = (width.is_none() && height.is_none()).then_some(0);
                match (reader.optional("size", position, &sides)?, width, height) {
                    (Some(size), None, None) => Kind::Crop(size, size),
                    (None, Some(width), Some(height)) => Kind::Crop(width, height),
                    _ => return Err(reader.missing("size", "size, or width and height")),
                }
            }
            "webp" => Kind::WebP(reader.required("quality", &Numbers::integer(1, 100))?),
            "jpeg" => {
                let quality = reader.required("quality", &Numbers::integer(1, 100))?;
                Kind::Jpeg(quality, reader.word("subsampling", &SUBSAMPLINGS)?.unwrap_or_default())
            }
            "brightness" => Kind::Brightness(reader.required("factor", &Numbers::real(0.0, 100.0))?),
            "contrast" => Kind::Contrast(reader.required("factor", &Numbers::real(0.0, 100.0))?),
            "sharpness" => Kind::Sharpness(reader.required("factor", &Numbers::real(0.0, 100.0))?),
            "color" => Kind::Color(reader.required("factor", &Numbers::real(0.0, 100.0))?),
            "blur" => Kind::Blur(reader.required("sigma", &Numbers::real(0.0, 100.0))?),
            "noise" => Kind::Noise(reader.required("var", &Numbers::real(0.0, 65_025.0))?),
            "grayscale" => Kind::Grayscale,
            "paper" => Kind::Paper,
            _ => Kind::OneOf(reader.calls()?.iter().map(Step::new).collect::<Result<_, _>>()?),
        };
        reader.finish()?;
        Ok(Step { kind, probability })
    }

    /// Draws what is to be drawn, changes the image, and says so.
    pub(super) fn apply(&self, state: &mut State, draw: &mut Draw) -> Result<(), ChainError> {
        if self.probability < 1.0 && !draw.chance(self.probability) {
            state.drawn.push(format!("{} skipped", self.kind.name()));
            return Ok(());
        }
        if let Kind::OneOf(steps) = &self.kind {
            return match steps.get(draw.below(steps.len() as u64) as usize) {
                Some(step) => step.apply(state, draw),
                None => Ok(()),
            };
        }
        let failed = |size: (u32, u32), detail: String| ChainError::Apply {
            step: self.kind.name(),
            width: size.0,
            height: size.1,
            detail,
        };
        let size = state.image.size();
        let mut encoded = None;
        let (image, said) = match &self.kind {
            Kind::Resize(target, kernel) => {
                let (width, height) = target.draw(size, draw);
                let pixels = u64::from(width) * u64::from(height);
                if width > LONGEST || height > LONGEST || pixels > MOST_PIXELS {
                    let detail = format!(
                        "{width} x {height} is too large, sides end at {LONGEST} and pixels at {MOST_PIXELS}"
                    );
                    return Err(failed(size, detail));
                }
                let said = format!("resize({width} x {height}, {})", kernel.as_str());
                (resize(&state.image, width, height, *kernel), said)
            }
            Kind::Crop(width, height) => {
                let wanted = (width.draw_integer(draw) as u32, height.draw_integer(draw) as u32);
                let (Some(x), Some(y)) = (size.0.checked_sub(wanted.0), size.1.checked_sub(wanted.1)) else {
                    return Err(failed(
                        size,
                        format!("smaller than the crop of {} x {}", wanted.0, wanted.1),
                    ));
                };
                let image = crop(&state.image, x / 2, y / 2, wanted.0, wanted.1);
                (image, format!("crop({} x {} at {}, {})", wanted.0, wanted.1, x / 2, y / 2))
            }
            Kind::WebP(quality) => {
                let quality = quality.draw_integer(draw) as u8;
                let bytes =
                    encode_webp(&state.image, quality).map_err(|error| failed(size, error.to_string()))?;
                let image = decoded(&bytes).map_err(|detail| failed(size, detail))?;
                encoded = Some((Format::WebP, bytes));
                (image, format!("webp({quality})"))
            }
            Kind::Jpeg(quality, subsampling) => {
                let quality = quality.draw_integer(draw) as u8;
                let bytes = encode_jpeg(&state.image, quality, *subsampling)
                    .map_err(|error| failed(size, error.to_string()))?;
                let image = decoded(&bytes).map_err(|detail| failed(size, detail))?;
                encoded = Some((Format::Jpeg, bytes));
                (image, format!("jpeg({quality}, {})", subsampling.as_str()))
            }
            Kind::Paper => {
                let paper = Paper::draw(size, draw);
                let bytes = paper.apply(&state.image).map_err(|error| failed(size, error.to_string()))?;
                let image = decoded(&bytes).map_err(|detail| failed(size, detail))?;
                encoded = Some((Format::Jpeg, bytes));
                let Paper { quality, width, height, brightness, contrast, sharpness, color, .. } = paper;
                let said = format!(
                    "paper(resize({width} x {height}, bicubic) | brightness({brightness}) | contrast({contrast}) \
                     | sharpness({sharpness}) | color({color}) | jpeg({quality}, 4:2:0))"
                );
                (image, said)
            }
            Kind::Brightness(range) => enhanced("brightness", brightness, &state.image, range, draw),
            Kind::Contrast(range) => enhanced("contrast", contrast, &state.image, range, draw),
            Kind::Sharpness(range) => enhanced("sharpness", sharpness, &state.image, range, draw),
            Kind::Color(range) => enhanced("color", color, &state.image, range, draw),
            Kind::Blur(range) => enhanced("blur", gaussian_blur, &state.image, range, draw),
            Kind::Noise(range) => {
                let noise = Noise { variance: range.draw(draw), key: draw.next_u64() };
                (noise.add(&state.image, 0, 0), format!("noise({})", noise.variance))
            }
            Kind::Grayscale => (grayscale(&state.image), "grayscale".to_owned()),
            Kind::OneOf(_) => return Ok(()),
        };
        state.image = image;
        state.encoded = encoded;
        state.drawn.push(said);
        Ok(())
    }
}

fn enhanced(
    name: &str,
    change: fn(&Image, f64) -> Image,
    image: &Image,
    range: &Range,
    draw: &mut Draw,
) -> (Image, String) {
    let factor = range.draw(draw);
    (change(image, factor), format!("{name}({factor})"))
}

/// The pixels that a file of ours holds.
fn decoded(bytes: &[u8]) -> Result<Image, String> {
    let options = DecodeOptions { max_pixels: u64::MAX, ..DecodeOptions::default() };
    decode(bytes, &options).map(|decoded| decoded.image).map_err(|error| error.to_string())
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Kind::Resize(..) => "resize",
            Kind::Crop(..) => "crop",
            Kind::Jpeg(..) => "jpeg",
            Kind::WebP(_) => "webp",
            Kind::Brightness(_) => "brightness",
            Kind::Contrast(_) => "contrast",
            Kind::Sharpness(_) => "sharpness",
            Kind::Color(_) => "color",
            Kind::Blur(_) => "blur",
            Kind::Noise(_) => "noise",
            Kind::Grayscale => "grayscale",
            Kind::Paper => "paper",
            Kind::OneOf(_) => "one_of",
        }
    }
}

impl Target {
    fn draw(&self, (width, height): (u32, u32), draw: &mut Draw) -> (u32, u32) {
        let (w, h) = (f64::from(width), f64::from(height));
        // Casts saturate; a side never falls below one pixel.
        match self {
            Target::Factor(range) => {
                let factor = range.draw(draw);
                (((w * factor) as u32).max(1), ((h * factor) as u32).max(1))
            }
            Target::Side(range) => {
                let side = range.draw_integer(draw) as u32;
                let long = |of: f64, short: f64| ((f64::from(side) * of / short) as u32).max(1);
                if width <= height { (side, long(h, w)) } else { (long(w, h), side) }
            }
            Target::Size(width, height) => {
                (width.draw_integer(draw) as u32, height.draw_integer(draw) as u32)
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arguments: Vec<String> = match &self.kind {
            Kind::Resize(target, kernel) => {
                let mut arguments = match target {
                    Target::Factor(range) => vec![range.to_string()],
                    Target::Side(range) => vec![format!("side={range}")],
                    Target::Size(width, height) => vec![format!("width={width}"), format!("height={height}")],
                };
                arguments.push(match target {
                    Target::Factor(_) => kernel.as_str().to_owned(),
                    _ => format!("kernel={}", kernel.as_str()),
                });
                arguments
            }
            Kind::Crop(width, height) if width == height => vec![width.to_string()],
            Kind::Crop(width, height) => vec![format!("width={width}"), format!("height={height}")],
            Kind::Jpeg(quality, subsampling) => vec![quality.to_string(), subsampling.as_str().to_owned()],
            Kind::WebP(quality) => vec![quality.to_string()],
            Kind::Brightness(range)
            | Kind::Contrast(range)
            | Kind::Sharpness(range)
            | Kind::Color(range)
            | Kind::Blur(range)
            | Kind::Noise(range) => vec![range.to_string()],
            Kind::Grayscale | Kind::Paper => Vec::new(),
            Kind::OneOf(steps) => steps.iter().map(Step::to_string).collect(),
        };
        if self.probability < 1.0 {
            arguments.push(format!("p={}", self.probability));
        }
        f.write_str(self.kind.name())?;
        if arguments.is_empty() { Ok(()) } else { write!(f, "({})", arguments.join(", ")) }
    }
}

const KERNELS: [(&str, Kernel); 6] = [
    ("nearest", Kernel::Nearest),
    ("box", Kernel::Box),
    ("bilinear", Kernel::Bilinear),
    ("hamming", Kernel::Hamming),
    ("bicubic", Kernel::Bicubic),
    ("lanczos", Kernel::Lanczos),
];

const SUBSAMPLINGS: [(&str, Subsampling); 3] =
    [("4:2:0", Subsampling::S420), ("4:2:2", Subsampling::S422), ("4:4:4", Subsampling::S444)];

/// Edits (insert, delete, replace) from one name to another.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance() {
        for (from, to, edits) in [("resize", "resise", 1), ("", "abc", 3), ("jpeg", "jpg", 1), ("a", "a", 0)]
        {
            assert_eq!(distance(from, to), edits, "{from} {to}");
        }
    }
}
