//! Which images a threshold was set on: their sizes and formats, so that others can be told apart from them.

use std::collections::BTreeSet;

use dear_image::{DecodeOptions, inspect};

use crate::backbone::metadata::ValidInput;
use crate::files::read_image;
use crate::views::Source;

/// The range of some images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Shortest and longest shorter side in pixels.
    pub sides: Option<[u32; 2]>,
    /// Formats, sorted.
    pub formats: BTreeSet<String>,
}

impl Range {
    /// What the headers of the files say. A file that cannot be read, or whose header is none of JPEG, PNG or WebP and so does
    /// not say its size here, widens nothing.
    pub fn of(sources: &[Source], decode: &DecodeOptions) -> Self {
        let mut range = Self::default();
        for source in sources {
            let Ok(bytes) = read_image(&source.path, decode) else { continue };
            let facts = inspect(&bytes);
            if let (Some(format), Some(width), Some(height)) = (facts.format, facts.width, facts.height) {
                let side = width.min(height);
                let [low, high] = range.sides.unwrap_or([side; 2]);
                range.sides = Some([low.min(side), high.max(side)]);
                range.formats.insert(format.as_str().to_owned());
            }
        }
        range
    }

    /// Into the detector's document. A range of nothing leaves it as it is.
    pub fn write(&self, valid_input: &mut ValidInput) {
        if self.sides.is_some() {
            valid_input.sides = self.sides;
            valid_input.formats = Some(self.formats.iter().cloned().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Label;
    use dear_image::{Image, Subsampling, encode_jpeg, encode_png};

    #[test]
    fn an_image_outside_of_the_range_says_in_what() {
        let folder = tempfile::tempdir().unwrap();
        let source = |name: &str, bytes: Vec<u8>| {
            let path = folder.path().join(name);
            fs_err::write(&path, bytes).unwrap();
            let (key, subset) = (name.to_owned(), "x".to_owned());
            Source { path, key, label: Label::Real, subset, mask: None }
        };
        let image = |width, height| Image::from_fn(width, height, |x, _| [x as u8; 3]);
        let sources = [
            source("a", encode_png(&image(300, 100)).unwrap()),
            source("b", encode_jpeg(&image(80, 200), 90, Subsampling::S420).unwrap()),
            source("c", b"no image".to_vec()),
        ];
        let range = Range::of(&sources, &DecodeOptions::default());
        let mut valid = ValidInput::default();
        assert_eq!(valid.outside((1, 1), "gif"), None, "no range is stated");
        range.write(&mut valid);
        assert_eq!(valid.sides, Some([80, 100]));
        for (size, format, facts) in [
            ((80, 900), "jpeg", 0),
            ((100, 100), "png", 0),
            ((79, 900), "png", 1),
            ((101, 900), "png", 1),
            ((90, 90), "webp", 1),
            ((900, 900), "webp", 2),
        ] {
            let outside = valid.outside(size, format).unwrap();
            assert_eq!(outside.len(), facts, "{size:?} {format}: {outside:?}");
        }
        Range::of(&sources[2..], &DecodeOptions::default()).write(&mut valid);
        assert_eq!(valid.sides, Some([80, 100]), "nothing is no range");
    }
}
