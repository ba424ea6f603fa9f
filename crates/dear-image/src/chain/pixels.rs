//! An image on its way through a chain: pixels, or a file that nobody has looked into yet.

use crate::{DecodeOptions, Format, Image, decode};
use std::borrow::Cow;

/// Where the pixels are.
pub(super) enum Pixels<'a> {
    /// The caller's until a step has changed it (a copy of a large photograph would double what a thread holds), then
    /// the last step's.
    Image(Cow<'a, Image>),
    /// In a file that a step wrote. Whoever stores the result needs no more; the next step decodes it.
    File(File),
}

/// A file of ours.
pub(super) struct File {
    pub(super) format: Format,
    pub(super) bytes: Vec<u8>,
    /// Columns and rows.
    pub(super) size: (u32, u32),
}

impl<'a> Pixels<'a> {
    pub(super) fn size(&self) -> (u32, u32) {
        match self {
            Pixels::Image(image) => image.size(),
            Pixels::File(file) => file.size,
        }
    }

    /// The image, decoded if need be.
    pub(super) fn into_image(self) -> Result<Cow<'a, Image>, String> {
        match self {
            Pixels::Image(image) => Ok(image),
            Pixels::File(file) => file.image().map(Cow::Owned),
        }
    }
}

impl File {
    pub(super) fn image(&self) -> Result<Image, String> {
        let decoded = decode(&self.bytes, &DecodeOptions::unlimited());
        decoded.map(|decoded| decoded.image).map_err(|error| error.to_string())
    }
}
