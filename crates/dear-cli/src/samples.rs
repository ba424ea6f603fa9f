//! The photographs that are embedded for the demonstration: crops of the Kodak scans, see `samples/README.md`.

use include_dir::{Dir, include_dir};

static SAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../samples");

/// One embedded photograph.
pub(crate) struct Sample {
    /// `{split}/real/kodak/{scene}-{n}.{png,jpg}`.
    pub(crate) path: String,
    /// Crops of one scan share it.
    pub(crate) scene: String,
    /// Quality with which it was saved, for a JPEG.
    pub(crate) jpeg_quality: Option<u8>,
    /// The file.
    pub(crate) bytes: &'static [u8],
}

/// All photographs, in the manifest's order.
pub(crate) fn all() -> Vec<Sample> {
    let manifest = SAMPLES.get_file("manifest.csv").map(include_dir::File::contents).unwrap_or_default();
    let mut reader = csv::Reader::from_reader(manifest);
    let header = reader.headers().cloned().unwrap_or_default();
    let field = |row: &csv::StringRecord, name: &str| -> String {
        let at = header.iter().position(|column| column == name);
        at.and_then(|at| row.get(at)).unwrap_or_default().to_owned()
    };
    reader
        .records()
        .filter_map(|row| {
            let row = row.ok()?;
            let path = field(&row, "path");
            let bytes = SAMPLES.get_file(&path)?.contents();
            Some(Sample {
                scene: field(&row, "scene"),
                jpeg_quality: field(&row, "jpeg_quality").parse().ok(),
                path,
                bytes,
            })
        })
        .collect()
}

/// SHA-256 over all photographs, to know stale copies by.
pub(crate) fn digest() -> String {
    let hashes: Vec<String> = all().iter().map(|sample| dear::files::sha256_hex(sample.bytes)).collect();
    dear::files::sha256_hex(hashes.join(" ").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn splits_share_no_scene_and_hold_both_formats() {
        let samples = all();
        assert!(samples.len() >= 96, "{} photographs", samples.len());
        let mut scenes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut formats: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
        for sample in &samples {
            let split = sample.path.split('/').next().unwrap();
            scenes.entry(split).or_default().insert(&sample.scene);
            formats.entry(split).or_default().insert(sample.path.ends_with(".jpg"));
            assert_eq!(sample.path.ends_with(".jpg"), sample.jpeg_quality.is_some(), "{}", sample.path);
        }
        let sizes: Vec<(&str, usize)> = scenes.iter().map(|(split, scenes)| (*split, scenes.len())).collect();
        assert_eq!(sizes, [("test", 6), ("train", 14), ("val", 4)]);
        let all: BTreeSet<&str> = scenes.values().flatten().copied().collect();
        assert_eq!(all.len(), 24, "a scene stands in two splits");
        assert!(formats.values().all(|formats| formats.len() == 2));
    }
}
