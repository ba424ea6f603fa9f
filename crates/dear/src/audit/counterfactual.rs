//! The same pictures stored as the other class stores its own: a detector of images should not mind.

use dear_image::{Chain, Draw, Format};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::remedy::{Profile, median_quality};
use super::{AuditOptions, Usable, read, score};
use crate::dataset::Label;
use crate::detector::Detector;
use crate::error::Error;
use crate::evaluate::McNemar;
use crate::inference::{mcnemar, normal};
use crate::metrics::wilson;
use crate::observe::{Event, Observer};

/// Both classes stored as each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// How real images are stored, as a chain: `jpeg(Q, S)` with the commonest subsampling and the median quality,
    /// `webp(80)` (a file does not say its quality; 80 is the usual one), or `clean` (lossless).
    pub real_format: String,
    /// How generated images are stored.
    pub fake_format: String,
    /// What re-encoding does; empty where both classes are stored alike.
    pub swaps: Vec<Swap>,
}

/// One class under one encoding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Swap {
    /// The class.
    pub label: Label,
    /// The encoding.
    pub chain: String,
    /// Whether it is the class's own: what a further generation of the same format does, to compare with.
    pub control: bool,
    /// Images that took part.
    pub images: u64,
    /// Verdicts that turned from real to generated.
    pub to_generated: u64,
    /// Verdicts that turned from generated to real.
    pub to_real: u64,
    /// Wilson's 95 % interval of the share of verdicts that turned.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// McNemar's test: do the two directions differ by more than chance?
    pub mcnemar: Option<McNemar>,
    /// Mean change of the logit.
    pub logit_change: f64,
    /// Normal 95 % interval of the mean change; null for one image.
    pub change_low: Option<f64>,
    /// Upper end.
    pub change_high: Option<f64>,
}

/// Store a sample of each class as the other does, and score it again.
pub(super) fn test(
    usable: &[Usable],
    detector: &Detector,
    options: &AuditOptions,
    observer: &dyn Observer,
) -> Result<Counterfactual, Error> {
    let format_of = |label| {
        typical(usable.iter().map(|image| &image.seen.profile).filter(|profile| profile.label == label))
    };
    let (real_format, fake_format) = (format_of(Label::Real), format_of(Label::Generated));
    let mut swaps = Vec::new();
    if real_format != fake_format {
        for (label, own, other) in
            [(Label::Real, &real_format, &fake_format), (Label::Generated, &fake_format, &real_format)]
        {
            let chosen = choose(usable, label, options);
            for (chain, control) in [(other, false), (own, true)] {
                // Lossless storage changes no pixel: there is nothing to score.
                if chain != "clean" {
                    swaps.extend(swap(&chosen, chain, control, detector, options, observer)?);
                }
            }
        }
    }
    Ok(Counterfactual { real_format, fake_format, swaps })
}

fn typical<'a>(profiles: impl Iterator<Item = &'a Profile> + Clone) -> String {
    let count = |of: &dyn Fn(&Profile) -> bool| profiles.clone().filter(|profile| of(profile)).count();
    let jpeg = count(&|profile| profile.jpeg.is_some());
    let webp = count(&|profile| profile.format == Some(Format::WebP) && !profile.lossless);
    let lossless = count(&|profile| profile.lossless);
    if jpeg >= webp && jpeg >= lossless && jpeg > 0 {
        let known = ["4:2:0", "4:4:4", "4:2:2"];
        let of = |name: &str| count(&|profile| profile.jpeg.as_ref().is_some_and(|(_, found)| found == name));
        // Of equals the first: the usual one.
        let subsampling = known.iter().rev().max_by_key(|name| of(name)).unwrap_or(&"4:2:0");
        format!("jpeg({}, {subsampling})", median_quality(profiles.clone()).unwrap_or(75))
    } else if webp >= lossless && webp > 0 {
        "webp(80)".to_owned()
    } else {
        "clean".to_owned()
    }
}

/// At most so many images of a class, drawn by the seed.
fn choose<'a, 'b>(usable: &'a [Usable<'b>], label: Label, options: &AuditOptions) -> Vec<&'a Usable<'b>> {
    let own = usable.iter().filter(|image| image.sample.label == label && image.seen.logit.is_some());
    let mut chosen: Vec<&Usable> = own.collect();
    Draw::keyed(options.seed, &[b"audit", b"counterfactual", &[label.as_u8()]]).shuffle(&mut chosen);
    chosen.truncate(options.counterfactual_images as usize);
    chosen
}

/// Images that are decoded at once.
const BATCH: usize = 8;

fn swap(
    chosen: &[&Usable],
    text: &str,
    control: bool,
    detector: &Detector,
    options: &AuditOptions,
    observer: &dyn Observer,
) -> Result<Option<Swap>, Error> {
    let Some(label) = chosen.first().map(|image| image.sample.label) else { return Ok(None) };
    let chain = Chain::parse(text).map_err(|error| Error::Options(error.to_string()))?;
    let threshold = detector.metadata().threshold.value;
    observer.event(Event::Started { step: "storing images as the other class", total: chosen.len() as u64 });
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for batch in chosen.chunks(BATCH) {
        if observer.cancelled() {
            return Err(Error::Abandoned);
        }
        let stored: Vec<_> = batch
            .par_iter()
            .map(|image| {
                let (_, pixels) = read(image.sample, &options.decode).ok()?;
                Some(chain.apply(&pixels, options.seed, image.seen.sha256.as_bytes()).ok()?.image)
            })
            .collect();
        for (image, stored) in batch.iter().zip(stored) {
            let Some(stored) = stored else { continue };
            if let (Some(own), Ok(other)) = (image.seen.logit, score(detector, &stored)?) {
                before.push(own - threshold);
                after.push(other - threshold);
            }
        }
        observer.event(Event::Advanced { by: batch.len() as u64 });
    }
    observer.event(Event::Finished);
    let pairs = || before.iter().zip(&after);
    let to_generated = pairs().filter(|(before, after)| **before <= 0.0 && **after > 0.0).count() as u64;
    let to_real = pairs().filter(|(before, after)| **before > 0.0 && **after <= 0.0).count() as u64;
    let images = before.len() as u64;
    let Some((low, high)) = wilson(to_generated + to_real, images) else { return Ok(None) };
    let changes: Vec<f64> = pairs().map(|(before, after)| after - before).collect();
    let count = images as f64;
    let mean = changes.iter().sum::<f64>() / count;
    let variance = changes.iter().map(|change| (change - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = (images > 1).then(|| normal::quantile(0.975) * (variance / count).sqrt());
    let labels = vec![label.as_u8(); before.len()];
    Ok(Some(Swap {
        label,
        chain: text.to_owned(),
        control,
        images,
        to_generated,
        to_real,
        low,
        high,
        mcnemar: mcnemar(&labels, &before, &after, label.as_u8()),
        logit_change: mean,
        change_low: half.map(|half| mean - half),
        change_high: half.map(|half| mean + half),
    }))
}
