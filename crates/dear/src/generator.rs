//! A generator small enough to carry: super-resolution that re-synthesises an image from a reduced copy of itself.
//!
//! ```text
//! image [1, 3, h, w] RGB 0..1 -> upscaled [1, 3, scale * h, scale * w]
//! ```
//!
//! The network is convolutional with a known reach (`halo`), so an image is computed tile by tile, each with its halo,
//! and zero padding happens only at the image's own borders: the result is that of one piece, in memory that does not
//! grow with the image.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use dear_image::Image;
use thiserror::Error;

use crate::backbone::metadata::GeneratorMetadata;
use crate::backbone::{ImportError, OnnxModel};
use crate::detector::{check_port, list, read_model};
use crate::engine::{self, EngineInfo, EngineOptions, RuntimeError, Session};
use crate::files::sha256_hex;

/// The file of the generator `resynth-x2`, which this library carries.
pub const RESYNTH_X2: &[u8] = include_bytes!("../../../models/resynth-x2.onnx");
/// The file of the generator `resynth-x4`, which this library carries.
pub const RESYNTH_X4: &[u8] = include_bytes!("../../../models/resynth-x4.onnx");

const INPUT: &str = "image";
const OUTPUT: &str = "upscaled";

/// A generator that is ready to run. Usable from several threads at once.
pub struct Generator {
    metadata: GeneratorMetadata,
    sha256: String,
    session: Box<dyn Session>,
    tile: u32,
}

/// Why a generator cannot be opened or cannot run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// The file is not a generator.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The engine fails.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The enlarged image cannot be addressed.
    #[error("image of {width} x {height} pixels is too large to be enlarged {scale} times")]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// How much larger the sides would become.
        scale: u32,
    },
    /// The engine's answer has another shape than the contract says.
    #[error("output \"upscaled\" is {found:?}, expected {expected:?}")]
    Output {
        /// What came.
        found: Vec<usize>,
        /// What should come.
        expected: [usize; 4],
    },
}

impl GeneratorError {
    /// A stable word: those of [`ImportError::kind`] and [`RuntimeError::kind`], and `too_large`, `output`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Import(error) => error.kind(),
            Self::Runtime(error) => error.kind(),
            Self::TooLarge { .. } => "too_large",
            Self::Output { .. } => "output",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Import(error) => error.hint(),
            Self::Runtime(error) => error.hint(),
            Self::TooLarge { .. } | Self::Output { .. } => None,
        }
    }
}

impl Generator {
    /// The embedded generator `resynth-x2`.
    pub fn embedded_x2(options: &EngineOptions) -> Result<Self, GeneratorError> {
        Self::new(RESYNTH_X2, options).map_err(|error| named(error, "resynth-x2"))
    }

    /// The embedded generator `resynth-x4`.
    pub fn embedded_x4(options: &EngineOptions) -> Result<Self, GeneratorError> {
        Self::new(RESYNTH_X4, options).map_err(|error| named(error, "resynth-x4"))
    }

    /// Reads a generator file.
    pub fn open(path: impl AsRef<Path>, options: &EngineOptions) -> Result<Self, GeneratorError> {
        let path = path.as_ref();
        Self::new(&read_model(path)?, options).map_err(|error| named(error, path.display()))
    }

    /// Takes the bytes of a generator file.
    pub fn from_bytes(file: &[u8], options: &EngineOptions) -> Result<Self, GeneratorError> {
        Self::new(file, options)
    }

    fn new(file: &[u8], options: &EngineOptions) -> Result<Self, GeneratorError> {
        let model = OnnxModel::parse(file)?;
        let metadata = GeneratorMetadata::parse(&model.document()?)?;
        if model.inputs().len() != 1 {
            let found = list(model.inputs());
            return Err(
                ImportError::contract("the model's input", found, "one input, image [N, 3, h, w]").into()
            );
        }
        let image = [None, Some(3), None, None];
        check_port("input", model.inputs(), INPUT, &image)?;
        check_port("output", model.outputs(), OUTPUT, &image)?;
        model.check_finite()?;
        let session = engine::load(file, options)?;
        // Wide tiles waste little on their halo, narrow ones take less memory: 128 pixels come to about 250 MB.
        Ok(Self { metadata, sha256: sha256_hex(file), session, tile: 128 })
    }

    /// The same generator with tiles of another side, in pixels of the small image (at least 1).
    #[must_use]
    pub fn with_tile(mut self, tile: u32) -> Self {
        self.tile = tile.max(1);
        self
    }

    /// The document in the file.
    pub fn metadata(&self) -> &GeneratorMetadata {
        &self.metadata
    }

    /// What runs it.
    pub fn info(&self) -> &EngineInfo {
        self.session.info()
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How much larger the sides become.
    pub fn scale(&self) -> u32 {
        self.metadata.scale
    }

    /// The image with sides `scale` times as long. Values are rounded to the nearest of 256.
    pub fn upscale(&self, image: &Image) -> Result<Image, GeneratorError> {
        let (width, height) = image.size();
        let scale = self.scale();
        let too_large = || GeneratorError::TooLarge { width, height, scale };
        let large = width.checked_mul(scale).zip(height.checked_mul(scale));
        let (large_width, large_height) = large.ok_or_else(too_large)?;
        let bytes = u64::from(large_width) * u64::from(large_height) * 3;
        let bytes = usize::try_from(bytes).ok().filter(|&bytes| bytes <= isize::MAX as usize);
        let mut data = vec![0; bytes.ok_or_else(too_large)?];
        for rows in cut(height, self.tile) {
            for columns in cut(width, self.tile) {
                self.upscale_tile(image, rows.clone(), columns, &mut data)?;
            }
        }
        Image::new(large_width, large_height, data).map_err(|_| too_large())
    }

    /// Computes one tile with its halo and writes its own pixels into `large`.
    fn upscale_tile(
        &self,
        image: &Image,
        rows: Range<u32>,
        columns: Range<u32>,
        large: &mut [u8],
    ) -> Result<(), GeneratorError> {
        let halo = self.metadata.halo;
        let with_halo = |own: &Range<u32>, side: u32| {
            own.start.saturating_sub(halo) as usize..own.end.saturating_add(halo).min(side) as usize
        };
        let (seen_rows, seen_columns) =
            (with_halo(&rows, image.height()), with_halo(&columns, image.width()));
        let shape = [1, 3, seen_rows.len(), seen_columns.len()];
        let mut input = Vec::with_capacity(shape.iter().product());
        for channel in 0..3 {
            for y in seen_rows.clone() {
                let row = y * image.width() as usize;
                let pixels = &image.data()[3 * (row + seen_columns.start)..3 * (row + seen_columns.end)];
                input.extend(pixels.iter().skip(channel).step_by(3).map(|&value| f32::from(value) / 255.0));
            }
        }
        let scale = self.scale() as usize;
        let expected = [1, 3, scale * shape[2], scale * shape[3]];
        let mut outputs = self.session.run((INPUT, shape, &input), &[OUTPUT])?;
        let output = match outputs.pop() {
            Some(output) if output.shape == expected => output,
            other => {
                let found = other.map(|output| output.shape).unwrap_or_default();
                return Err(GeneratorError::Output { found, expected });
            }
        };
        // CHW => HWC, without the halo.
        let [_, _, tile_height, tile_width] = expected;
        let large_width = image.width() as usize * scale;
        let scaled = |own: &Range<u32>| own.start as usize * scale..own.end as usize * scale;
        for y in scaled(&rows) {
            let source_row = y - seen_rows.start * scale;
            for x in scaled(&columns) {
                let source = source_row * tile_width + (x - seen_columns.start * scale);
                for channel in 0..3 {
                    large[3 * (y * large_width + x) + channel] =
                        to_byte(output.data[channel * tile_height * tile_width + source]);
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("name", &self.metadata.name)
            .field("engine", self.info())
            .finish_non_exhaustive()
    }
}

fn named(error: GeneratorError, file: impl fmt::Display) -> GeneratorError {
    match error {
        GeneratorError::Import(error) => GeneratorError::Import(error.named(file)),
        other => other,
    }
}

/// `0..length` in pieces of almost equal size, none longer than `longest`.
fn cut(length: u32, longest: u32) -> impl Iterator<Item = Range<u32>> {
    let pieces = u64::from(length.div_ceil(longest));
    let border = move |index: u64| (u64::from(length) * index / pieces.max(1)) as u32;
    (0..pieces).map(move |index| border(index)..border(index + 1))
}

/// `floor(255 x + 0.5)`, clamped; NaN becomes 0.
fn to_byte(value: f32) -> u8 {
    (value * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_length_once_and_none_is_too_long() {
        for length in 1..300 {
            for longest in [1, 2, 7, 96] {
                let pieces: Vec<_> = cut(length, longest).collect();
                assert_eq!(pieces[0].start, 0);
                assert_eq!(pieces[pieces.len() - 1].end, length);
                assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
                assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= longest as usize));
            }
        }
    }

    #[test]
    fn values_are_rounded_to_the_nearest_byte_and_clamped() {
        let cases =
            [(-0.1, 0), (0.0, 0), (0.5 / 255.0, 1), (0.49 / 255.0, 0), (1.0, 255), (7.0, 255), (f32::NAN, 0)];
        for (value, expected) in cases {
            assert_eq!(to_byte(value), expected, "{value}");
        }
    }
}
