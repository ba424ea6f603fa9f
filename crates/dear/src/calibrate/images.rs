//! From image files to a [`Sample`].

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
    /// The scene of each, where scenes are known.
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
