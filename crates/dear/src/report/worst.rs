//! Examples with heat maps, made from the images themselves: chosen ones, or the worst errors of a system.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use dear_image::{Chain, DecodeOptions, Image, Kernel, decode, encode_png, resize};

use super::examples::{Example, Logit, Picture};
use crate::dataset::{Dataset, Label, Sample};
use crate::detector::{Detector, Evidence};
use crate::error::Error;
use crate::evaluate::ImageRecord;
use crate::explain::{Scale, overlay};
use crate::files::sha256_hex;

/// Longer side of a picture in the report, in pixels.
const SIDE: u32 = 256;

/// Which errors are shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorstOptions {
    /// False alarms shown, and misses shown (default 4 of each): with a heat map each takes about 0.2 MB of the report.
    pub each: usize,
    /// An image is called generated above this logit (default 0).
    pub threshold: f64,
    /// Seed of the evaluation, for chains that draw.
    pub seed: u64,
}

impl Default for WorstOptions {
    fn default() -> Self {
        Self { each: 4, threshold: 0.0, seed: 0 }
    }
}

/// The worst false alarms of `system` under `chain` (real images with the greatest logits above the threshold), then its
/// worst misses (generated images with the least logits at or below it): of one scene only the worst, worst first. `detector`
/// must be the one that gave the system's logits.
///
/// # Errors
/// As [`examples`].
pub fn worst_errors(
    detector: &Detector,
    system: &str,
    dataset: &Dataset,
    records: &[ImageRecord],
    chain: &str,
    options: &WorstOptions,
) -> Result<Vec<Example>, Error> {
    let groups: BTreeMap<&str, &str> =
        dataset.samples.iter().map(|sample| (sample.key.as_str(), sample.group.as_str())).collect();
    let mut chosen = Vec::new();
    for label in [Label::Real, Label::Generated] {
        let mut wrong: Vec<(f64, &ImageRecord)> = records
            .iter()
            .filter(|record| record.chain == chain && record.label == label)
            .filter_map(|record| Some((record.logits.get(system).copied().flatten()?, record)))
            .filter(|(logit, _)| (*logit > options.threshold) == (label == Label::Real))
            .collect();
        let badness = |logit: f64| if label == Label::Real { -logit } else { logit };
        wrong.sort_by(|(a, first), (b, second)| {
            badness(*a).total_cmp(&badness(*b)).then_with(|| first.path.cmp(&second.path))
        });
        let mut scenes = BTreeSet::new();
        let fresh = wrong.into_iter().filter(|(_, record)| {
            let path = record.path.as_str();
            scenes.insert(groups.get(path).copied().unwrap_or(path))
        });
        chosen.extend(fresh.take(options.each).map(|(_, record)| record));
    }
    let mut made = examples(&[("evidence", detector)], dataset, &chosen, options.seed)?;
    for example in &mut made {
        example.wrong = Some(system.to_owned());
    }
    Ok(made)
}

/// An example of each record: the image as scored, and a heat map of each captioned detector that can tell where its
/// evidence lies, all on one scale. A record whose image is not in the dataset is left out.
///
/// # Errors
/// An image that can no longer be read, a chain that does not parse, or the engine's.
pub fn examples(
    detectors: &[(&str, &Detector)],
    dataset: &Dataset,
    records: &[&ImageRecord],
    seed: u64,
) -> Result<Vec<Example>, Error> {
    let samples: BTreeMap<&str, &Sample> =
        dataset.samples.iter().map(|sample| (sample.key.as_str(), sample)).collect();
    let with_maps: Vec<&(&str, &Detector)> =
        detectors.iter().filter(|(_, detector)| detector.has_evidence()).collect();
    // Evidence first, pictures after: the scale is known only then, and large images are not all held at once.
    let mut open: Vec<(&ImageRecord, &Sample, Vec<Evidence>)> = Vec::new();
    for record in records {
        let Some(sample) = samples.get(record.path.as_str()) else { continue };
        let mut maps = Vec::new();
        if !with_maps.is_empty() {
            let image = as_scored(sample, record, seed)?;
            for (_, detector) in &with_maps {
                maps.push(detector.evidence(&image)?);
            }
        }
        open.push((record, sample, maps));
    }
    let scale = Scale::of(open.iter().flat_map(|(_, _, maps)| maps));
    open.iter()
        .map(|(record, sample, maps)| {
            let image = as_scored(sample, record, seed)?;
            let mut images = vec![picture("as scored", &image)?];
            for ((caption, detector), evidence) in with_maps.iter().zip(maps) {
                images
                    .push(picture(caption, &overlay(&image, evidence, detector.metadata().stride, &scale))?);
            }
            let logits = record.logits.iter().map(|(system, &logit)| Logit { system: system.clone(), logit });
            Ok(Example {
                path: record.path.clone(),
                label: record.label,
                chain: record.chain.clone(),
                wrong: None,
                images,
                full: (!with_maps.is_empty()).then_some(scale.full),
                logits: logits.collect(),
            })
        })
        .collect()
}

/// The image under the record's chain, drawn as the evaluation drew it.
fn as_scored(sample: &Sample, record: &ImageRecord, seed: u64) -> Result<Image, Error> {
    let named = |error: &dyn std::fmt::Display| Error::Options(format!("{}: {error}", record.path));
    let chain = Chain::parse(&record.chain).map_err(|error| named(&error))?;
    let bytes = fs_err::read(&sample.path)?;
    let image = decode(&bytes, &DecodeOptions::default()).map_err(|error| named(&error))?.image;
    Ok(chain.apply(&image, seed, sha256_hex(&bytes).as_bytes()).map_err(|error| named(&error))?.image)
}

fn picture(caption: &str, image: &Image) -> Result<Picture, Error> {
    let (width, height) = image.size();
    let long = width.max(height);
    let scaled = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(long)).max(1) as u32;
    let small =
        if long > SIDE { &resize(image, scaled(width), scaled(height), Kernel::Bicubic) } else { image };
    let png = encode_png(small).map_err(|error| Error::Options(error.to_string()))?;
    Ok(Picture { caption: caption.to_owned(), png: base64::engine::general_purpose::STANDARD.encode(png) })
}
