//! From image files to a [`Sample`].

use std::collections::BTreeMap;

use dear_image::{Chain, DecodeOptions};

use super::{Sample, Scored};
use crate::detector::Detector;
use crate::error::Error;
use crate::head::Head;
use crate::observe::Observer;
use crate::probe::Refused;
use crate::store::{Row, Store};
use crate::views::{self, Source, WholeOptions};

/// Images to calibrate on.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    /// The files.
    pub sources: &'a [Source],
    /// The scene of each, where scenes are known; scenes that hold the same file count as one.
    pub scenes: Option<&'a [String]>,
    /// What they are, in words: "at most 5 % of real images like those of ..."
    pub data: &'a str,
    /// Conditions; at least one.
    pub chains: &'a [Chain],
    /// Seed of what chains draw.
    pub seed: u64,
    /// How files become pixels.
    pub decode: DecodeOptions,
}

/// What a chain is called: `clean` for none.
pub fn condition(chain: &Chain) -> String {
    if chain.is_clean() { "clean".to_owned() } else { chain.to_string() }
}

/// Score whole images with `head` on the detector's features, which go through the store. An image that is refused under
/// some condition takes no part, and is listed.
///
/// # Errors
/// The engine's or the store's, or a stop.
pub fn score(
    detector: &Detector,
    head: &Head,
    images: &Images,
    store: &Store,
    observer: &dyn Observer,
) -> Result<(Sample, Vec<Refused>), Error> {
    let options = WholeOptions { seed: images.seed, decode: images.decode };
    let rows = views::whole(detector, store, images.sources, images.chains, options, observer)?;
    let (mut scored, mut refused) = (Vec::new(), Vec::new());
    for (index, source) in images.sources.iter().enumerate() {
        let of_image: Vec<&Row> = rows.iter().filter_map(|rows| rows.get(index)).collect();
        if let Some((kind, message)) = of_image.iter().find_map(|row| row.error.clone()) {
            refused.push(Refused { path: source.key.clone(), kind, message });
            continue;
        }
        let sha256 = of_image.first().map(|row| row.sha256.clone()).unwrap_or_default();
        let scene = images.scenes.and_then(|scenes| scenes.get(index));
        scored.push(Scored {
            path: source.key.clone(),
            label: source.label,
            subset: source.subset.clone(),
            unit: scene.unwrap_or(&sha256).clone(),
            logits: of_image.iter().map(|row| head.logit(&row.pooled)).collect(),
            sha256,
        });
    }
    if images.scenes.is_some() {
        let scenes: Vec<(&str, &str)> =
            scored.iter().map(|image| (image.unit.as_str(), image.sha256.as_str())).collect();
        let units = joined(&scenes);
        scored.iter_mut().zip(units).for_each(|(image, unit)| image.unit = unit);
    }
    let engine = detector.info();
    let sample = Sample {
        images: scored,
        conditions: images.chains.iter().map(condition).collect(),
        data: images.data.to_owned(),
        refused: refused.len() as u64,
        by_scene: images.scenes.is_some(),
        seed: images.seed,
        engine: format!("{} {} {} {}", engine.name, engine.version, engine.provider, engine.precision),
    };
    Ok((sample, refused))
}

/// The unit of each image, given its scene and its content: scenes that hold the same file are one unit. It is named by the
/// least of them, so that the order of the images does not matter.
fn joined(images: &[(&str, &str)]) -> Vec<String> {
    // Each scene leads to a lesser one of its unit, the least to itself.
    let mut leads: BTreeMap<&str, &str> = images.iter().map(|&(scene, _)| (scene, scene)).collect();
    let mut holder: BTreeMap<&str, &str> = BTreeMap::new();
    for &(scene, content) in images {
        let first = *holder.entry(content).or_insert(scene);
        let (one, other) = (least(&leads, scene), least(&leads, first));
        leads.insert(one.max(other), one.min(other));
    }
    images.iter().map(|&(scene, _)| least(&leads, scene).to_owned()).collect()
}

/// Where the way from a scene ends.
fn least<'a>(leads: &BTreeMap<&'a str, &'a str>, mut scene: &'a str) -> &'a str {
    while let Some(&next) = leads.get(scene)
        && next != scene
    {
        scene = next;
    }
    scene
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Label;
    use crate::engine::EngineOptions;

    #[test]
    fn scenes_that_share_a_file_are_one_unit_whatever_the_order() {
        let scenes = [("e", "1"), ("d", "2"), ("c", "3"), ("b", "2"), ("b", "3"), ("d", "4"), ("a", "5")];
        assert_eq!(joined(&scenes), ["e", "b", "b", "b", "b", "b", "a"]);
        let mut turned = scenes;
        turned.reverse();
        assert_eq!(joined(&turned), ["a", "b", "b", "b", "b", "b", "e"]);
        assert_eq!(joined(&[]), Vec::<String>::new());
    }

    #[test]
    fn equal_files_count_once_where_scenes_are_known_too() {
        let folder = tempfile::tempdir().unwrap();
        let source = |name: &str, level: u8| {
            let image = dear_image::Image::from_fn(64, 64, |x, y| [x as u8, y as u8, level]);
            let path = folder.path().join(name);
            fs_err::write(&path, dear_image::encode_png(&image).unwrap()).unwrap();
            let (label, subset) = (Label::Real, "all".to_owned());
            Source { path, key: name.to_owned(), label, subset, mask: None }
        };
        let sources = [source("a", 1), source("b", 1), source("c", 2)];
        let scenes = ["a", "b", "c"].map(str::to_owned);
        let images = Images {
            sources: &sources,
            scenes: Some(scenes.as_slice()),
            data: "made",
            chains: &[Chain::parse("clean").unwrap()],
            seed: 0,
            decode: DecodeOptions::default(),
        };
        let detector = Detector::mini(&EngineOptions::builtin()).unwrap();
        let store = Store::new(&folder.path().join("features"));
        let (sample, _) =
            score(&detector, detector.head(), &images, &store, &crate::observe::Silent).unwrap();
        let units: Vec<&str> = sample.images.iter().map(|image| image.unit.as_str()).collect();
        assert_eq!(units, ["a", "a", "c"]);
    }
}
