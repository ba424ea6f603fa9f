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
use crate::files::{read_image, sha256_hex};

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
    /// How image files become pixels.
    pub decode: DecodeOptions,
}

impl Default for WorstOptions {
    fn default() -> Self {
        Self { each: 4, threshold: 0.0, seed: 0, decode: DecodeOptions::default() }
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
    let chosen = worst(system, dataset, records, chain, options);
    let mut made = examples(&[("evidence", detector)], dataset, &chosen, options.seed, &options.decode)?;
    for example in &mut made {
        example.wrong = Some(system.to_owned());
    }
    Ok(made)
}

fn worst<'a>(
    system: &str,
    dataset: &Dataset,
    records: &'a [ImageRecord],
    chain: &str,
    options: &WorstOptions,
) -> Vec<&'a ImageRecord> {
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
    chosen
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
    options: &DecodeOptions,
) -> Result<Vec<Example>, Error> {
    let samples: BTreeMap<&str, &Sample> =
        dataset.samples.iter().map(|sample| (sample.key.as_str(), sample)).collect();
    let with_maps: Vec<&(&str, &Detector)> =
        detectors.iter().filter(|(_, detector)| detector.has_map()).collect();
    // Evidence first, pictures after: the scale is known only then, and large images are not all held at once.
    let mut open: Vec<(&ImageRecord, &Sample, Vec<Evidence>)> = Vec::new();
    for record in records {
        let Some(sample) = samples.get(record.path.as_str()) else { continue };
        let mut maps = Vec::new();
        if !with_maps.is_empty() {
            let image = as_scored(sample, record, seed, options)?;
            for (_, detector) in &with_maps {
                maps.push(detector.evidence(&image)?);
            }
        }
        open.push((record, sample, maps));
    }
    let scale = Scale::of(open.iter().flat_map(|(_, _, maps)| maps));
    open.iter()
        .map(|(record, sample, maps)| {
            let image = as_scored(sample, record, seed, options)?;
            let mut images = vec![picture("as scored", &image)?];
            for ((caption, detector), evidence) in with_maps.iter().zip(maps) {
                // Over what the network sees of the image; a map is of one picture.
                let seen = detector.seen(&image)?;
                images.push(picture(caption, &overlay(&seen[0], evidence, detector.metadata(), &scale))?);
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
fn as_scored(
    sample: &Sample,
    record: &ImageRecord,
    seed: u64,
    options: &DecodeOptions,
) -> Result<Image, Error> {
    let named = |error: &dyn std::fmt::Display| Error::Options(format!("{}: {error}", record.path));
    let chain = Chain::parse(&record.chain).map_err(|error| named(&error))?;
    let bytes = read_image(&sample.path, options).map_err(|error| named(&error))?;
    let image = decode(&bytes, options).map_err(|error| named(&error))?.image;
    Ok(chain.apply(&image, seed, sha256_hex(&bytes).as_bytes()).map_err(|error| named(&error))?.image)
}

fn picture(caption: &str, image: &Image) -> Result<Picture, Error> {
    let (width, height) = super::within(SIDE, image.size());
    let small = if image.width().max(image.height()) > SIDE {
        &resize(image, width, height, Kernel::Bicubic)
    } else {
        image
    };
    let png = encode_png(small).map_err(|error| Error::Options(error.to_string()))?;
    Ok(Picture { caption: caption.to_owned(), png: base64::engine::general_purpose::STANDARD.encode(png) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineOptions;

    fn record(path: &str, label: Label, chain: &str, logit: Option<f64>) -> ImageRecord {
        ImageRecord {
            path: path.to_owned(),
            path_base64: None,
            sha256: String::new(),
            label,
            subset: "a".to_owned(),
            split: None,
            scene: None,
            chain: chain.to_owned(),
            status: "scored".to_owned(),
            warning: None,
            error: None,
            message: None,
            logits: BTreeMap::from([("mini".to_owned(), logit), ("other".to_owned(), Some(9.0))]),
        }
    }

    /// Five real and two generated images of 768 x 512 pixels; `a` and `b` show one scene.
    fn dataset() -> (tempfile::TempDir, Dataset) {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = String::from("path,scene\n");
        for (i, path) in
            ["real/a.png", "real/b.png", "real/c.png", "real/d.png", "real/e.png", "fake/f.png", "fake/g.png"]
                .into_iter()
                .enumerate()
        {
            let file = folder.path().join(path);
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            let image =
                Image::from_fn(768, 512, |x, y| [(x / 3 + i as u32) as u8, (y / 2) as u8, (x * y) as u8]);
            fs_err::write(file, encode_png(&image).unwrap()).unwrap();
            manifest.push_str(&format!("{path},{}\n", if i < 2 { 0 } else { i }));
        }
        fs_err::write(folder.path().join("manifest.csv"), manifest).unwrap();
        let dataset = crate::dataset::open(folder.path(), None).unwrap();
        assert!(dataset.scenes_known && dataset.samples.len() == 7);
        (folder, dataset)
    }

    #[test]
    fn the_worst_error_of_each_scene_comes_first_and_right_answers_never() {
        let (_folder, dataset) = dataset();
        let real = |path, logit| record(path, Label::Real, "clean", logit);
        let records = [
            real("real/a.png", Some(1.0)),
            real("real/b.png", Some(3.0)),
            real("real/c.png", Some(2.0)),
            real("real/d.png", Some(-5.0)),
            real("real/e.png", None),
            record("real/c.png", Label::Real, "paper", Some(7.0)),
            record("fake/f.png", Label::Generated, "clean", Some(-0.5)),
            record("fake/g.png", Label::Generated, "clean", Some(0.0)),
        ];
        let paths = |options: WorstOptions| -> Vec<&str> {
            worst("mini", &dataset, &records, "clean", &options)
                .iter()
                .map(|record| record.path.as_str())
                .collect()
        };
        let all = WorstOptions::default();
        // A logit of exactly 0 is not above the threshold: a generated image so scored is missed.
        assert_eq!(paths(all), ["real/b.png", "real/c.png", "fake/f.png", "fake/g.png"]);
        assert_eq!(paths(WorstOptions { each: 1, ..all }), ["real/b.png", "fake/f.png"]);
        assert_eq!(paths(WorstOptions { threshold: 2.5, ..all }), ["real/b.png", "fake/f.png", "fake/g.png"]);
        assert_eq!(
            paths(WorstOptions { threshold: -0.2, ..all }),
            ["real/b.png", "real/c.png", "fake/f.png"]
        );
    }

    #[test]
    fn an_example_is_the_image_as_scored_with_its_map_reduced() {
        let (_folder, dataset) = dataset();
        let detector = Detector::mini(&EngineOptions::default()).unwrap();
        let records = [
            record("real/a.png", Label::Real, "resize(0.5)", Some(1.0)),
            record("fake/f.png", Label::Generated, "resize(0.5)", Some(-1.0)),
            record("gone.png", Label::Real, "resize(0.5)", Some(2.0)),
        ];
        let options = WorstOptions::default();
        let made = worst_errors(&detector, "mini", &dataset, &records, "resize(0.5)", &options).unwrap();
        let paths: Vec<&str> = made.iter().map(|example| example.path.as_str()).collect();
        assert_eq!(paths, ["real/a.png", "fake/f.png"]);
        for example in &made {
            assert_eq!(example.wrong.as_deref(), Some("mini"));
            assert!(example.full.unwrap() > 0.0);
            let captions: Vec<&str> = example.images.iter().map(|picture| picture.caption.as_str()).collect();
            assert_eq!(captions, ["as scored", "evidence"]);
            let pictures: Vec<Image> = example.images.iter().map(decoded).collect();
            assert_eq!(pictures[0].size(), (256, 170), "384 x 256 as scored, reduced");
            assert_eq!(pictures[1].size(), (256, 170));
            assert_ne!(pictures[0], pictures[1]);
        }
        let shown = [&records[0]];
        let plain = examples(&[], &dataset, &shown, 0, &options.decode).unwrap();
        assert_eq!((plain[0].full, plain[0].images.len(), plain[0].wrong.as_deref()), (None, 1, None));
        let broken = record("real/a.png", Label::Real, "nonsense(1)", None);
        assert!(
            examples(&[], &dataset, &[&broken], 0, &options.decode)
                .unwrap_err()
                .to_string()
                .starts_with("real/a.png: ")
        );
    }

    fn decoded(picture: &Picture) -> Image {
        let bytes = base64::engine::general_purpose::STANDARD.decode(&picture.png).unwrap();
        decode(&bytes, &DecodeOptions::default()).unwrap().image
    }
}
