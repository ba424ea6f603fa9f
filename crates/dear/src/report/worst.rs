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
use crate::scan::exact_bytes;

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
/// must be the one that gave the system's logits. An image of which no example can be made any more is left out; a line for
/// each says why.
pub fn worst_errors(
    detector: &Detector,
    system: &str,
    dataset: &Dataset,
    records: &[ImageRecord],
    chain: &str,
    options: &WorstOptions,
) -> (Vec<Example>, Vec<String>) {
    let chosen = worst(system, dataset, records, chain, options);
    let (mut made, failed) =
        drawn(&[("evidence", detector)], dataset, &chosen, options.seed, &options.decode);
    for example in &mut made {
        example.wrong = Some(system.to_owned());
    }
    (made, failed.into_iter().map(|(record, error)| format!("{}: {error}", record.path)).collect())
}

fn worst<'a>(
    system: &str,
    dataset: &Dataset,
    records: &'a [ImageRecord],
    chain: &str,
    options: &WorstOptions,
) -> Vec<&'a ImageRecord> {
    let samples = by_name(dataset);
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
            badness(*a).total_cmp(&badness(*b)).then_with(|| name(first).cmp(&name(second)))
        });
        let mut scenes: BTreeSet<String> = BTreeSet::new();
        let fresh = wrong.into_iter().filter(|(_, record)| {
            scenes.insert(match samples.get(&name(record)) {
                Some(sample) => sample.group.clone(),
                None => record.path_base64.as_ref().unwrap_or(&record.path).clone(),
            })
        });
        chosen.extend(fresh.take(options.each).map(|(_, record)| record));
    }
    chosen
}

/// What records call an image: its key, and the key's exact bytes where it is not UTF-8, since such names may look the same.
type Name<'a> = (&'a str, Option<String>);

fn name(record: &ImageRecord) -> Name<'_> {
    (record.path.as_str(), record.path_base64.clone())
}

fn by_name(dataset: &Dataset) -> BTreeMap<Name<'_>, &Sample> {
    let exact =
        |sample: &Sample| exact_bytes(sample.path.strip_prefix(&dataset.root).unwrap_or(&sample.path));
    dataset.samples.iter().map(|sample| ((sample.key.as_str(), exact(sample)), sample)).collect()
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
    let (made, failed) = drawn(detectors, dataset, records, seed, options);
    match failed.into_iter().next() {
        None => Ok(made),
        Some((record, Error::Options(message))) => Err(Error::Options(format!("{}: {message}", record.path))),
        Some((_, error)) => Err(error),
    }
}

/// A record of which no example can be made, and why.
type Failed<'a> = (&'a ImageRecord, Error);

/// The examples of all records of which one can be made.
fn drawn<'a>(
    detectors: &[(&str, &Detector)],
    dataset: &Dataset,
    records: &[&'a ImageRecord],
    seed: u64,
    options: &DecodeOptions,
) -> (Vec<Example>, Vec<Failed<'a>>) {
    let samples = by_name(dataset);
    let with_maps: Vec<(&str, &Detector)> =
        detectors.iter().copied().filter(|(_, detector)| detector.has_map()).collect();
    // Evidence first, pictures after: the scale is known only then, and large images are not all held at once.
    let mut open: Vec<(&'a ImageRecord, &Sample, Vec<Evidence>)> = Vec::new();
    let mut failed = Vec::new();
    for &record in records {
        let Some(&sample) = samples.get(&name(record)) else { continue };
        match maps(&with_maps, sample, record, seed, options) {
            Ok(maps) => open.push((record, sample, maps)),
            Err(error) => failed.push((record, error)),
        }
    }
    let scale = Scale::of(open.iter().flat_map(|(_, _, maps)| maps));
    let mut made = Vec::new();
    for (record, sample, maps) in &open {
        let images = as_scored(sample, record, seed, options)
            .and_then(|image| pictures(&image, &with_maps, maps, &scale));
        match images {
            Ok(images) => made.push(Example {
                path: record.path.clone(),
                label: record.label,
                chain: record.chain.clone(),
                wrong: None,
                images,
                full: (!with_maps.is_empty()).then_some(scale.full),
                logits: record
                    .logits
                    .iter()
                    .map(|(system, &logit)| Logit { system: system.clone(), logit })
                    .collect(),
            }),
            Err(error) => failed.push((*record, error)),
        }
    }
    (made, failed)
}

/// Where each detector sees evidence in the image.
fn maps(
    detectors: &[(&str, &Detector)],
    sample: &Sample,
    record: &ImageRecord,
    seed: u64,
    options: &DecodeOptions,
) -> Result<Vec<Evidence>, Error> {
    if detectors.is_empty() {
        return Ok(Vec::new());
    }
    let image = as_scored(sample, record, seed, options)?;
    detectors.iter().map(|(_, detector)| Ok(detector.evidence(&image)?)).collect()
}

/// The image as scored, and each map over what its network sees of it.
fn pictures(
    image: &Image,
    detectors: &[(&str, &Detector)],
    maps: &[Evidence],
    scale: &Scale,
) -> Result<Vec<Picture>, Error> {
    let mut images = vec![picture("as scored", image)?];
    for ((caption, detector), evidence) in detectors.iter().zip(maps) {
        // A map is of one picture.
        let seen = detector.seen(image)?;
        images.push(picture(caption, &overlay(&seen[0], evidence, detector.metadata(), scale))?);
    }
    Ok(images)
}

/// The image under the record's chain, drawn as the evaluation drew it. Errors leave its name to the caller.
fn as_scored(
    sample: &Sample,
    record: &ImageRecord,
    seed: u64,
    options: &DecodeOptions,
) -> Result<Image, Error> {
    let told = |error: &dyn std::fmt::Display| Error::Options(error.to_string());
    let chain = Chain::parse(&record.chain).map_err(|error| told(&error))?;
    let bytes = read_image(&sample.path, options).map_err(|error| told(&error))?;
    let image = decode(&bytes, options).map_err(|error| told(&error))?.image;
    Ok(chain.apply(&image, seed, sha256_hex(&bytes).as_bytes()).map_err(|error| told(&error))?.image)
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
        let (made, left_out) = worst_errors(&detector, "mini", &dataset, &records, "resize(0.5)", &options);
        assert_eq!(left_out, Vec::<String>::new());
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

    #[test]
    fn an_image_that_gives_no_example_is_left_out_and_said() {
        let (folder, dataset) = dataset();
        let detector = Detector::mini(&EngineOptions::default()).unwrap();
        let records = [
            record("real/b.png", Label::Real, "clean", Some(3.0)),
            record("real/c.png", Label::Real, "clean", Some(2.0)),
            record("real/d.png", Label::Real, "clean", Some(1.0)),
        ];
        fs_err::remove_file(folder.path().join("real/b.png")).unwrap();
        fs_err::write(folder.path().join("real/d.png"), b"x").unwrap();
        let options = WorstOptions::default();
        let (made, left_out) = worst_errors(&detector, "mini", &dataset, &records, "clean", &options);
        assert_eq!(made.iter().map(|example| example.path.as_str()).collect::<Vec<_>>(), ["real/c.png"]);
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        assert!(left_out[0].starts_with("real/b.png: ") && left_out[1].starts_with("real/d.png: "));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_look_the_same_are_two_images() {
        use std::os::unix::ffi::OsStrExt;
        let (folder, _) = dataset();
        let image = |level: u8| Image::from_fn(64, 64, |x, _| [level, x as u8, level]);
        for (name, level) in [(&b"\xfe.png"[..], 10), (b"\xff.png", 200)] {
            let path = folder.path().join("real").join(std::ffi::OsStr::from_bytes(name));
            if fs_err::write(path, encode_png(&image(level)).unwrap()).is_err() {
                eprintln!("this file system has no such names: nothing to see here");
                return;
            }
        }
        let dataset = crate::dataset::open(folder.path(), None).unwrap();
        // real/\xff.png is the worse.
        let odd = |exact: &str, logit: f64| ImageRecord {
            path_base64: Some(exact.to_owned()),
            ..record("real/\u{fffd}.png", Label::Real, "clean", Some(logit))
        };
        let records = [odd("cmVhbC/+LnBuZw==", 1.0), odd("cmVhbC//LnBuZw==", 2.0)];
        let options = WorstOptions::default();
        let chosen = worst("mini", &dataset, &records, "clean", &options);
        assert_eq!(chosen, [&records[1], &records[0]], "each is a scene of its own");
        let shown = examples(&[], &dataset, &chosen, 0, &options.decode).unwrap();
        let levels: Vec<u8> =
            shown.iter().map(|example| decoded(&example.images[0]).pixel(0, 0)[0]).collect();
        assert_eq!(levels, [200, 10]);
    }

    fn decoded(picture: &Picture) -> Image {
        let bytes = base64::engine::general_purpose::STANDARD.decode(&picture.png).unwrap();
        decode(&bytes, &DecodeOptions::default()).unwrap().image
    }
}
