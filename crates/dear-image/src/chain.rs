//! Perturbation chains: what happens to an image between the camera and the detector, as one line of text.
//!
//! ```text
//! resize(0.5, bicubic) | jpeg(50..95) | one_of(blur(1..3), grayscale, p=0.5)
//! ```
//!
//! Steps are joined by `|`. Arguments go by place or by `key=value`; a range `a..b` is drawn uniformly for each image
//! (integers where the argument is one); `p=0.5` makes a step optional; `one_of(a, b)` takes one of its steps.
//!
//! `weight=2` makes a step of a `one_of` twice as likely; `all_of(a, b)` takes all its steps, so that they can be one
//! choice. [`Chain::steps`] lists the steps, [`Chain::presets`] the names for whole chains.
//!
//! `clean`, or no text, changes nothing.

mod arguments;
mod colors;
mod error;
mod files;
mod filters;
mod paper;
mod parse;
mod pixels;
mod presets;
mod sizes;
mod step;
mod table;

pub use error::ChainError;
pub use paper::Paper;
pub use presets::Preset;

use crate::{Draw, Format, Image, encode_png};
use pixels::Pixels;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use step::{State, Step};

/// A parsed chain. Its text ([`Display`](fmt::Display)) is canonical: it parses to the same chain, and two chains are
/// equal when their texts are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chain {
    steps: Vec<Step>,
}

/// What a chain made of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The pixels.
    pub image: Image,
    /// One line a step: what was drawn, in the chain's own words.
    pub drawn: Vec<String>,
    /// The format of the file that the last step wrote, if it wrote one.
    pub format: Option<Format>,
    /// That file: its pixels are `image`, so a tool that stores the result stores these bytes, not a second encoding.
    pub encoded: Option<Vec<u8>>,
}

/// The file that a chain made of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it is.
    pub format: Format,
    /// Columns and rows.
    pub size: (u32, u32),
    /// One line a step: what was drawn, in the chain's own words.
    pub drawn: Vec<String>,
}

/// What can be said of a step in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepInfo {
    /// As it is written in a chain.
    pub name: &'static str,
    /// Another name that is read too.
    pub alias: Option<&'static str>,
    /// Each argument: its name (with `=` where it goes by key only), what it may be, and in brackets what stands for it.
    pub arguments: String,
    /// What it does.
    pub does: &'static str,
    /// The function that it equals.
    pub peer: &'static str,
}

impl Chain {
    /// All steps, for help texts.
    pub fn steps() -> impl Iterator<Item = StepInfo> {
        table::entries().map(|entry| StepInfo {
            name: entry.name,
            alias: entry.alias,
            arguments: entry.usage(),
            does: entry.does,
            peer: entry.peer,
        })
    }

    /// The names for whole chains.
    pub fn presets() -> &'static [Preset] {
        presets::PRESETS
    }

    /// Parses a chain.
    ///
    /// ```
    /// use dear_image::Chain;
    /// let chain = Chain::parse("resize(0.5,kernel=bilinear)|jpeg(75)")?;
    /// assert_eq!(chain.to_string(), "resize(0.5, bilinear) | jpeg(75, 4:2:0)");
    /// let error = Chain::parse("jpeg(120)").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "chain, position 6: jpeg argument quality is \"120\", expected an integer of 1..100 or a range of them"
    /// );
    /// # Ok::<(), dear_image::ChainError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Chain, ChainError> {
        if text.trim() == "clean" {
            return Ok(Chain::default());
        }
        let steps = parse::parse(text)?.iter().map(Step::new).collect::<Result<_, _>>()?;
        Ok(Chain { steps })
    }

    /// Whether it changes nothing.
    pub fn is_clean(&self) -> bool {
        self.steps.is_empty()
    }

    /// Applies all steps in order. What is drawn depends on `seed`, `content_key` (a content hash) and the step's
    /// place in the chain, so neither the order of images nor other steps change it.
    pub fn apply(&self, image: &Image, seed: u64, content_key: &[u8]) -> Result<Applied, ChainError> {
        let State { pixels, drawn } = self.run(image, seed, content_key)?;
        match pixels {
            Pixels::Image(image) => {
                Ok(Applied { image: image.into_owned(), drawn, format: None, encoded: None })
            }
            Pixels::File(file) => {
                let image = file.image().map_err(|detail| unwritable(file.size, detail))?;
                Ok(Applied { image, drawn, format: Some(file.format), encoded: Some(file.bytes) })
            }
        }
    }

    /// [`Chain::apply`] for those who store the result: the file that the last step wrote, which is then never decoded, or
    /// else a PNG.
    pub fn write(&self, image: &Image, seed: u64, content_key: &[u8]) -> Result<Written, ChainError> {
        let State { pixels, drawn } = self.run(image, seed, content_key)?;
        let size = pixels.size();
        match pixels {
            Pixels::File(file) => Ok(Written { bytes: file.bytes, format: file.format, size, drawn }),
            Pixels::Image(image) => match encode_png(&image) {
                Ok(bytes) => Ok(Written { bytes, format: Format::Png, size, drawn }),
                Err(error) => Err(unwritable(size, error.to_string())),
            },
        }
    }

    fn run<'a>(&self, image: &'a Image, seed: u64, content_key: &[u8]) -> Result<State<'a>, ChainError> {
        let mut state = State { pixels: Pixels::Image(Cow::Borrowed(image)), drawn: Vec::new() };
        for (index, step) in self.steps.iter().enumerate() {
            let mut draw = Draw::keyed(seed, &[b"chain", content_key, &(index as u64).to_le_bytes()]);
            state = step.apply(state, &mut draw)?;
        }
        Ok(state)
    }
}

fn unwritable((width, height): (u32, u32), detail: String) -> ChainError {
    ChainError::Apply { step: "the file", width, height, detail }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("clean");
        }
        let steps: Vec<String> = self.steps.iter().map(Step::to_string).collect();
        f.write_str(&steps.join(" | "))
    }
}

impl FromStr for Chain {
    type Err = ChainError;

    fn from_str(text: &str) -> Result<Chain, ChainError> {
        Chain::parse(text)
    }
}

impl Serialize for Chain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Chain, D::Error> {
        let text = String::deserialize(deserializer)?;
        Chain::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
