//! Which images a threshold was set on: their sizes and formats, so that others can be told apart from them.

use std::collections::BTreeSet;

use dear_image::{DecodeOptions, decode, inspect};

use super::Sample;
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
    /// Of the files of `sources` that stand in `sample`, which were all scored. A size that the header does not say (of formats
    /// but JPEG, PNG and WebP) is that of the decoded image. What has gone since widens nothing.
    pub fn of(sources: &[Source], sample: &Sample, options: &DecodeOptions) -> Self {
        let scored: BTreeSet<&str> = sample.images.iter().map(|image| image.path.as_str()).collect();
        let mut range = Self::default();
        for source in sources.iter().filter(|source| scored.contains(source.key.as_str())) {
            let Ok(bytes) = read_image(&source.path, options) else { continue };
            let facts = inspect(&bytes);
            let known = match (facts.format, facts.width, facts.height) {
                (Some(format), Some(width), Some(height)) => Some((format, (width, height))),
                _ => decode(&bytes, options).ok().map(|decoded| (decoded.format, decoded.image.size())),
            };
            let Some((format, (width, height))) = known else { continue };
            let side = width.min(height);
            let [low, high] = range.sides.unwrap_or([side; 2]);
            range.sides = Some([low.min(side), high.max(side)]);
            range.formats.insert(format.as_str().to_owned());
        }
        range
    }

    /// Into the detector's document, in the place of an older range. A range of nothing is none.
    pub fn write(&self, valid_input: &mut ValidInput) {
        valid_input.sides = self.sides;
        valid_input.formats = (!self.formats.is_empty()).then(|| self.formats.iter().cloned().collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::Scored;
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
        let mut bitmap = b"P6 70 900 255\n".to_vec();
        bitmap.resize(bitmap.len() + 3 * 70 * 900, 9);
        let sources = [
            source("a", encode_png(&image(300, 100)).unwrap()),
            source("b", encode_jpeg(&image(80, 200), 90, Subsampling::S420).unwrap()),
            source("c", bitmap),
            source("refused", encode_png(&image(9, 9)).unwrap()),
        ];
        let scored = |names: &[&str]| {
            let scored = |name: &&str| Scored {
                path: (*name).to_owned(),
                sha256: String::new(),
                label: Label::Real,
                subset: String::new(),
                unit: String::new(),
                logits: vec![0.0],
            };
            let text = String::new;
            Sample {
                images: names.iter().map(scored).collect(),
                conditions: vec![text()],
                data: text(),
                refused: 1,
                by_scene: false,
                seed: 0,
                engine: text(),
            }
        };
        let of = |names: &[&str]| Range::of(&sources, &scored(names), &DecodeOptions::default());
        let mut valid = ValidInput::default();
        assert_eq!(valid.outside((1, 1), "gif"), None, "no range is stated");
        of(&["a", "b", "c"]).write(&mut valid);
        assert_eq!(valid.sides, Some([70, 100]));
        for (size, format, facts) in [
            ((70, 900), "jpeg", 0),
            ((100, 100), "pnm", 0),
            ((69, 900), "png", 1),
            ((101, 900), "png", 1),
            ((90, 90), "webp", 1),
            ((900, 900), "webp", 2),
        ] {
            let outside = valid.outside(size, format).unwrap();
            assert_eq!(outside.len(), facts, "{size:?} {format}: {outside:?}");
        }
        of(&[]).write(&mut valid);
        assert_eq!(valid.outside((1, 1), "gif"), None, "nothing is no range");
    }
}
