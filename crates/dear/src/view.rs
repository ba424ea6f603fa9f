//! How an image of any size becomes what a network sees: a declared policy, never a silent one.
//!
//! ```text
//! native | crop(224) | resize(side=224, kernel=bicubic) | crop(224) | windows(side=224, stride=112)
//! ```
//! The text of a view is canonical and stands in the detector's document.

use std::fmt;
use std::str::FromStr;

use dear_image::{Chain, ChainError, Image, crop};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is done to an image before the network.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum View {
    /// Nothing.
    #[default]
    Native,
    /// A chain of `resize`, `fit` and `crop`, the same for every image.
    Chain(Chain),
    /// Squares of `side` pixels, evenly spaced so that they cover the image and are at most `stride` pixels apart. The image's
    /// pooled vector is the mean of theirs.
    Windows {
        /// In pixels.
        side: u32,
        /// From 1 to `side`.
        stride: u32,
    },
}

/// Why a text is no view, or a view cannot be taken of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// A chain that does not fit the image.
    #[error("view: {0}")]
    Chain(#[from] ChainError),
    /// A text that is no chain.
    #[error("view: {0}")]
    Text(ChainError),
    /// A step that no view is made of.
    #[error("view: step {found:?}, expected resize, fit or crop with numbers that are not drawn")]
    Step {
        /// The step as it is written.
        found: String,
    },
    /// Wrong windows.
    #[error(
        "view: found {found:?}, expected windows(side) or windows(side, stride) with 1 <= stride <= side <= 65500"
    )]
    Windows {
        /// The text.
        found: String,
    },
    /// An image that is smaller than a window.
    #[error("view {view} of an image of {width} x {height} pixels, expected sides of at least {side}")]
    TooSmall {
        /// The view.
        view: String,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The shortest side that it takes.
        side: u32,
    },
}

impl ViewError {
    /// A stable word: `chain`, `text`, `step`, `windows` or `too_small`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Chain(_) => "chain",
            Self::Text(_) => "text",
            Self::Step { .. } => "step",
            Self::Windows { .. } => "windows",
            Self::TooSmall { .. } => "too_small",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Chain(error) => {
                let smaller = "it is smaller than the view needs: leave it out, or import with a view that enlarges it; \
                               in training the crop is augment.crop of the recipe";
                return error.hint().or_else(|| Some(smaller.to_owned()));
            }
            Self::Text(_) => {
                "for example crop(224), or resize(side=224, kernel=bicubic) | crop(224), or native"
            }
            Self::Step { .. } => {
                "a view is the same for every image: what is drawn or compressed belongs to --perturb"
            }
            Self::Windows { .. } => "for example windows(224) or windows(side=224, stride=112)",
            Self::TooSmall { .. } => {
                "leave out images that are this small, or import with a view that enlarges them: \
                 --view \"resize(side=224, kernel=bicubic) | crop(224)\""
            }
        };
        Some(hint.to_owned())
    }
}

impl View {
    /// The middle of the image, without resizing; nothing where a network takes any side.
    pub(crate) fn middle(side: Option<u32>) -> Self {
        side.map_or(Self::Native, |side| Self::built(&format!("crop({side})")))
    }

    /// The shorter side resized, then the middle.
    pub(crate) fn shorter_side(side: u32, kernel: &str, middle: u32) -> Self {
        Self::built(&format!("resize(side={side}, kernel={kernel}) | crop({middle})"))
    }

    /// The whole image in one size, `[width, height]`.
    pub(crate) fn whole([width, height]: [u32; 2], kernel: &str) -> Self {
        Self::built(&format!("resize(width={width}, height={height}, kernel={kernel})"))
    }

    fn built(text: &str) -> Self {
        Self::Chain(Chain::parse(text).expect("sides of networks are those of images"))
    }

    /// What the network sees of an image: one picture, or one for each window, row by row.
    ///
    /// # Errors
    /// If the image is too small for a crop or a window.
    pub fn apply(&self, image: &Image) -> Result<Vec<Image>, ViewError> {
        match self {
            Self::Native => Ok(vec![image.clone()]),
            // Nothing is drawn, so neither seed nor content matters.
            Self::Chain(chain) => Ok(vec![chain.apply(image, 0, &[])?.image]),
            Self::Windows { .. } => Ok(self.windows(image)?.iter().collect()),
        }
    }

    /// The windows of an image, to be cut one at a time; of another view, the image itself.
    ///
    /// # Errors
    /// If the image is smaller than a window.
    pub(crate) fn windows<'i>(&self, image: &'i Image) -> Result<Windows<'i>, ViewError> {
        let (width, height) = image.size();
        let Self::Windows { side, stride } = *self else {
            return Ok(Windows { image, size: (width, height), columns: vec![0], rows: vec![0] });
        };
        if width.min(height) < side {
            return Err(ViewError::TooSmall { view: self.to_string(), width, height, side });
        }
        let [columns, rows] = [width, height].map(|length| starts(length, side, stride));
        Ok(Windows { image, size: (side, side), columns, rows })
    }
}

/// Where the windows of an image are.
pub(crate) struct Windows<'i> {
    image: &'i Image,
    size: (u32, u32),
    columns: Vec<u32>,
    rows: Vec<u32>,
}

impl Windows<'_> {
    pub(crate) fn count(&self) -> usize {
        self.columns.len() * self.rows.len()
    }

    /// Row by row.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Image> + '_ {
        let (width, height) = self.size;
        let window =
            move |top: u32| self.columns.iter().map(move |&left| crop(self.image, left, top, width, height));
        self.rows.iter().flat_map(move |&top| window(top))
    }
}

/// Where windows begin along a length: the fewest that are at most `stride` apart and reach both ends.
fn starts(length: u32, side: u32, stride: u32) -> Vec<u32> {
    let (beyond, steps) = (u64::from(length - side), u64::from((length - side).div_ceil(stride)));
    (0..=steps).map(|step| ((2 * step * beyond + steps) / (2 * steps).max(1)) as u32).collect()
}

impl FromStr for View {
    type Err = ViewError;

    fn from_str(text: &str) -> Result<Self, ViewError> {
        let text = text.trim();
        if text == "native" {
            return Ok(Self::Native);
        }
        if text.starts_with("windows") {
            return windows(text).ok_or_else(|| ViewError::Windows { found: text.to_owned() });
        }
        let chain = Chain::parse(text).map_err(ViewError::Text)?;
        let canonical = chain.to_string();
        let sizes = |step: &&str| {
            let same = ["resize(", "fit(", "crop("].iter().any(|name| step.starts_with(name));
            !same || step.contains("..") || step.contains("p=")
        };
        match canonical.split(" | ").find(sizes) {
            Some(step) => Err(ViewError::Step { found: step.to_owned() }),
            None => Ok(Self::Chain(chain)),
        }
    }
}

/// `windows(224)`, `windows(224, 112)`, `windows(side=224, stride=112)`.
fn windows(text: &str) -> Option<View> {
    let inside = text.strip_prefix("windows(")?.strip_suffix(')')?;
    let mut parts = inside.split(',').map(str::trim);
    let number = |part: &str, name: &str| {
        let value = part.strip_prefix(name).map_or(part, |rest| rest.trim_start().trim_start_matches('='));
        value.trim().parse::<u32>().ok().filter(|value| (1..=65500).contains(value))
    };
    let side = number(parts.next()?, "side")?;
    let stride = parts.next().map_or(Some(side), |part| number(part, "stride"))?;
    (parts.next().is_none() && stride <= side).then_some(View::Windows { side, stride })
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Chain(chain) => write!(f, "{chain}"),
            Self::Windows { side, stride } => write!(f, "windows(side={side}, stride={stride})"),
        }
    }
}

impl Serialize for View {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for View {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Image {
        Image::from_fn(width, height, |x, y| [x as u8, y as u8, 7])
    }

    #[test]
    fn a_view_is_read_written_and_read_again() {
        let cases = [
            ("native", "native"),
            ("crop(224)", "crop(224)"),
            ("resize(side=224,kernel=bilinear)|crop(224)", "resize(side=224, kernel=bilinear) | crop(224)"),
            ("windows(224)", "windows(side=224, stride=224)"),
            ("windows(side=224, stride = 112)", "windows(side=224, stride=112)"),
        ];
        for (text, expected) in cases {
            let view: View = text.parse().expect(text);
            assert_eq!(view.to_string(), expected);
            let json = serde_json::to_string(&view).expect("JSON");
            assert_eq!(serde_json::from_str::<View>(&json).expect("view"), view);
        }
    }

    #[test]
    fn what_is_not_the_same_for_every_image_is_no_view() {
        let cases = [
            ("jpeg(90)", "step"),
            ("crop(100..200)", "step"),
            ("resize(0.5, p=0.5)", "step"),
            ("one_of(crop(224), crop(112))", "step"),
            ("windows(0)", "windows"),
            ("windows(10, 11)", "windows"),
            ("windows(10, 5, 5)", "windows"),
            ("windows(10", "windows"),
            ("crop(", "text"),
            ("middle", "text"),
        ];
        for (text, kind) in cases {
            let error = text.parse::<View>().expect_err(text);
            assert_eq!(error.kind(), kind, "{text}: {error}");
            assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn windows_cover_the_image_evenly() {
        // Lengths, sides and strides, and where windows begin.
        let cases: [(u32, u32, u32, &[u32]); 5] = [
            (224, 224, 224, &[0]),
            (225, 224, 224, &[0, 1]),
            (10, 4, 4, &[0, 3, 6]),
            (10, 4, 2, &[0, 2, 4, 6]),
            (11, 4, 3, &[0, 2, 5, 7]),
        ];
        for (length, side, stride, expected) in cases {
            assert_eq!(starts(length, side, stride), expected, "{length} {side} {stride}");
        }
        let windows = View::Windows { side: 4, stride: 4 }.apply(&picture(10, 5)).expect("windows");
        let corners: Vec<_> = windows.iter().map(|window| window.pixel(0, 0)).collect();
        assert_eq!(corners, [[0, 0, 7], [3, 0, 7], [6, 0, 7], [0, 1, 7], [3, 1, 7], [6, 1, 7]]);
    }

    #[test]
    fn an_image_that_is_too_small_is_refused() {
        let small = picture(30, 9);
        for (text, kind) in [("windows(10)", "too_small"), ("crop(10)", "chain")] {
            let error = text.parse::<View>().expect("view").apply(&small).expect_err(text);
            assert_eq!(error.kind(), kind, "{error}");
        }
        let enlarged =
            "resize(side=10, kernel=bicubic) | crop(10)".parse::<View>().expect("view").apply(&small);
        assert_eq!(enlarged.expect("enlarged")[0].size(), (10, 10));
        assert_eq!(View::Native.apply(&small).expect("native"), [small]);
    }
}
