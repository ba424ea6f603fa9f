//! What fills the masked region.

use std::path::Path;

use dear_image::{Image, Kernel, Mask, crop, resize};
use serde::{Deserialize, Serialize};

use super::{ProbeOptions, Program};
use crate::engine::EngineOptions;
use crate::error::Error;
use crate::generator::{Generator, GeneratorError};
use crate::observe::{Event, Observer};

/// Makes generated counterparts of images.
pub trait Inpainter: Sync {
    /// Which engine this is; part of the key by which finished probes are recognised.
    fn kind(&self) -> InpainterKind;
    /// Everything that decides the pixels (model hash, scale, command), as one line for records and keys.
    fn describe(&self) -> String;
    /// How many canvases it wants at a time. Default 1.
    fn at_once(&self) -> usize {
        1
    }
    /// Fill the canvases. Each is reported to `observer` as one item advanced.
    fn inpaint(&self, canvases: &[Canvas], observer: &dyn Observer) -> Filled;
}

/// The inpainter that `options` name. `out` is where the probes will go: a program's exchange folders are made there.
///
/// # Errors
/// A generator or an engine that cannot be opened, or a command that cannot be meant.
pub fn open_inpainter(
    options: &ProbeOptions,
    engine: &EngineOptions,
    out: &Path,
) -> Result<Box<dyn Inpainter>, Error> {
    options.check().map_err(Error::Options)?;
    Ok(match options.inpainter {
        InpainterKind::Resynthesis if options.scale == 2 => {
            Box::new(Resynthesis(Generator::embedded_x2(engine)?))
        }
        InpainterKind::Resynthesis => Box::new(Resynthesis(Generator::embedded_x4(engine)?)),
        InpainterKind::Null => Box::new(Null { factor: options.scale }),
        InpainterKind::Command => Box::new(Program::new(&options.program, out)?),
    })
}

/// A picture to be filled.
#[derive(Debug, Clone)]
pub struct Canvas {
    /// The probe's stem.
    pub name: String,
    /// The picture.
    pub image: Image,
    /// Where, of the picture's size. Soft under the `reference` composite: its blurred mask.
    pub mask: Mask,
}

/// What came of some canvases.
#[derive(Debug, Default)]
pub struct Filled {
    /// For each canvas in order: a picture of its size whose masked pixels are generated (pixels where the mask is 0
    /// need not be), or what is wrong with what came. Shorter than the canvases only if `ended` is set.
    pub answers: Vec<Result<Image, Unfilled>>,
    /// What ended the work; answers that are no pictures then mean nothing.
    pub ended: Option<Error>,
}

/// What came back for a canvas is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfilled {
    /// A stable word for records.
    pub kind: &'static str,
    /// One line.
    pub message: String,
}

/// The inpainters of this crate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InpainterKind {
    /// Reduce by the generator's factor and let the super-resolution network make the pixels again.
    #[default]
    Resynthesis,
    /// The same resampling without a network: measures what resampling alone does to the features.
    Null,
    /// A program of the user's.
    Command,
}

impl InpainterKind {
    /// The name used in options and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resynthesis => "resynthesis",
            Self::Null => "null",
            Self::Command => "command",
        }
    }

    /// Whether its pixels are a generator's.
    pub fn generates(self) -> bool {
        self != Self::Null
    }
}

/// Re-synthesis by a super-resolution network: bicubic reduction, then the network's enlargement.
pub struct Resynthesis(pub Generator);

/// Bicubic reduction by `factor` and bicubic enlargement back: a probe with nothing generated.
pub struct Null {
    /// The factor of the generator that it stands beside; 1 leaves the canvas as it is, so that only the composite acts.
    pub factor: u32,
}

impl Inpainter for Resynthesis {
    fn kind(&self) -> InpainterKind {
        InpainterKind::Resynthesis
    }
    fn describe(&self) -> String {
        let (name, engine) = (&self.0.metadata().name, self.0.info());
        format!("{name} x{} sha256 {} by {} {}", self.0.scale(), self.0.sha256(), engine.name, engine.version)
    }
    fn inpaint(&self, canvases: &[Canvas], observer: &dyn Observer) -> Filled {
        one_by_one(canvases, observer, |canvas| {
            through_reduction(&canvas.image, &canvas.mask, self.0.scale(), |small| self.0.upscale(small))
        })
    }
}

impl Inpainter for Null {
    fn kind(&self) -> InpainterKind {
        InpainterKind::Null
    }
    fn describe(&self) -> String {
        format!("bicubic x{}", self.factor)
    }
    fn inpaint(&self, canvases: &[Canvas], observer: &dyn Observer) -> Filled {
        one_by_one(canvases, observer, |canvas| {
            through_reduction(&canvas.image, &canvas.mask, self.factor, |small| {
                Ok(resize(small, small.width() * self.factor, small.height() * self.factor, Kernel::Bicubic))
            })
        })
    }
}

fn one_by_one(
    canvases: &[Canvas],
    observer: &dyn Observer,
    fill: impl Fn(&Canvas) -> Result<Image, GeneratorError>,
) -> Filled {
    let mut filled = Filled::default();
    for canvas in canvases {
        match fill(canvas) {
            Ok(image) => filled.answers.push(Ok(image)),
            Err(error) => {
                filled.ended = Some(error.into());
                break;
            }
        }
        observer.event(Event::Advanced { by: 1 });
    }
    filled
}

/// Context around the mask that the network sees, in pixels of the image.
const CONTEXT: u32 = 32;

/// Reduce a window around the mask by `factor`, enlarge it by `enlarge`, and lay it into a copy of the image. Only the
/// window is computed; it is padded on the right and below, edge pixel repeated, to a multiple of `factor`.
fn through_reduction(
    image: &Image,
    mask: &Mask,
    factor: u32,
    enlarge: impl Fn(&Image) -> Result<Image, GeneratorError>,
) -> Result<Image, GeneratorError> {
    let Some((left, top, right, bottom)) = bounds(mask) else { return Ok(image.clone()) };
    let left = left.saturating_sub(CONTEXT);
    let top = top.saturating_sub(CONTEXT);
    let (width, height) =
        ((right + CONTEXT).min(image.width()) - left, (bottom + CONTEXT).min(image.height()) - top);
    let padded = Image::from_fn(width.next_multiple_of(factor), height.next_multiple_of(factor), |x, y| {
        image.pixel((left + x).min(image.width() - 1), (top + y).min(image.height() - 1))
    });
    let small = resize(&padded, padded.width() / factor, padded.height() / factor, Kernel::Bicubic);
    let window = crop(&enlarge(&small)?, 0, 0, width, height);
    let mut out = image.clone();
    for y in 0..height {
        let from = (y * width * 3) as usize;
        let to = (((top + y) as usize) * image.width() as usize + left as usize) * 3;
        let length = width as usize * 3;
        out.data_mut()[to..to + length].copy_from_slice(&window.data()[from..from + length]);
    }
    Ok(out)
}

/// Left, top, right, bottom (exclusive) of where the mask is not 0, `None` for an empty mask.
fn bounds(mask: &Mask) -> Option<(u32, u32, u32, u32)> {
    let mut found: Option<(u32, u32, u32, u32)> = None;
    for y in 0..mask.height() {
        for x in 0..mask.width() {
            if mask.data()[(y as usize) * mask.width() as usize + x as usize] > 0 {
                let (l, t, r, b) = found.unwrap_or((x, y, x + 1, y + 1));
                found = Some((l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Silent;

    fn null(factor: u32, image: &Image, mask: Mask) -> Image {
        let canvas = Canvas { name: "a".to_owned(), image: image.clone(), mask };
        Null { factor }.inpaint(&[canvas], &Silent).answers.remove(0).unwrap()
    }

    #[test]
    fn null_resamples_the_window_and_leaves_the_rest() {
        let image = Image::from_fn(150, 131, |x, y| {
            [((x * 37 + y * 11) % 256) as u8, (x % 256) as u8, (y % 256) as u8]
        });
        let mask = Mask::from_fn(150, 131, |x, y| x >= 120 && y >= 100);
        let out = null(4, &image, mask.clone());
        assert_eq!((out.width(), out.height()), (150, 131));
        assert_eq!(out.pixel(10, 10), image.pixel(10, 10));
        let changed = (100..131)
            .flat_map(|y| (120..150).map(move |x| (x, y)))
            .filter(|&(x, y)| out.pixel(x, y) != image.pixel(x, y));
        assert!(changed.count() > 900, "reduction by 4 must change nearly every masked pixel");
        assert_eq!(null(1, &image, mask), image, "nothing is reduced by 1");
    }

    #[test]
    fn a_soft_mask_is_filled_as_far_as_it_reaches() {
        let image = Image::from_fn(200, 90, |x, y| [((x * 37 + y * 11) % 256) as u8; 3]);
        let soft = Mask::new(200, 90, (0..200 * 90).map(|at| u8::from(at % 200 < 150)).collect()).unwrap();
        let out = null(4, &image, soft);
        let changed = (0..90).filter(|&y| out.pixel(140, y) != image.pixel(140, y));
        assert!(changed.count() > 80, "a weight of 1 is one");
    }

    #[test]
    fn an_empty_mask_changes_nothing() {
        let image = Image::from_fn(20, 20, |x, _| [x as u8; 3]);
        assert_eq!(null(4, &image, Mask::from_fn(20, 20, |_, _| false)), image);
    }
}
