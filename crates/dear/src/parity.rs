//! Two ways of running one detector, compared on images: how far their logits lie apart, and how often the verdict turns.
//!
//! It measures what a reduced precision costs on images like the user's own, and whether two engines agree.

use std::path::{Path, PathBuf};

use dear_image::DecodeOptions;
use serde::Serialize;

use crate::bootstrap::quantile;
use crate::detector::Detector;
use crate::engine::EngineInfo;
use crate::error::Error;
use crate::metrics::wilson;
use crate::observe::{Event, Observer};
use crate::probe::Refused;
use crate::scan::{DetectorName, Record, ScanOptions, score_file};

/// What a comparison found (schema 1).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parity {
    /// Version of this record.
    pub schema: u32,
    /// The detector that both ran.
    pub detector: DetectorName,
    /// The threshold at which verdicts are compared.
    pub threshold: f64,
    /// What ran as the reference.
    pub reference: EngineInfo,
    /// What is compared with it.
    pub compared: EngineInfo,
    /// Images that both scored.
    pub n: u64,
    /// Images that neither scored, and why.
    pub refused: Vec<Refused>,
    /// Images that only one of them scored, and why the other did not.
    pub scored_by_one: Vec<Refused>,
    /// |difference of logit| over the `n` images, above 0 or 0.
    pub difference: Difference,
    /// Images whose verdict at the threshold differs.
    pub verdict_flips: Flips,
}

/// A distribution of |difference of logit|.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The mean.
    pub mean: f64,
    /// The 99th percentile, interpolated linearly (`numpy.quantile`).
    pub p99: f64,
    /// The largest.
    pub max: f64,
    /// The image with the largest.
    pub max_path: String,
}

/// Verdicts that differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Flips {
    /// How many images.
    pub count: u64,
    /// Their share of the `n` images.
    pub share: f64,
    /// Wilson's 95 % interval of the share.
    pub interval: [f64; 2],
}

impl Parity {
    /// Whether some logit differs by more than `limit`, or only one of the two scored some image.
    pub fn exceeds(&self, limit: f64) -> bool {
        self.difference.max > limit || !self.scored_by_one.is_empty()
    }
}

/// Score each file with both detectors, which must be the same file under two sets of engine options.
///
/// # Errors
/// [`Error::Options`] if the files differ or the engines do not, [`Error::Images`] if both score no image, the engines'
/// own errors, or a stop.
pub fn measure(
    reference: &Detector,
    compared: &Detector,
    paths: &[PathBuf],
    options: &DecodeOptions,
    observer: &dyn Observer,
) -> Result<Parity, Error> {
    if reference.sha256() != compared.sha256() {
        return Err(Error::Options("parity compares one detector file with itself, found two".to_owned()));
    }
    if reference.info() == compared.info() {
        let engine = reference.info().words();
        return Err(Error::Images {
            message: format!("both sides are {engine}, expected two ways to run the detector"),
            hint: "for example --engine onnxruntime --reference-engine builtin, or --provider openvino --precision bf16"
                .to_owned(),
        });
    }
    let mut pairs: Vec<(f64, String)> = Vec::with_capacity(paths.len());
    let (mut refused, mut scored_by_one, mut flips) = (Vec::new(), Vec::new(), 0);
    observer.event(Event::Started { step: "comparing engines", total: paths.len() as u64 });
    for path in paths {
        if observer.cancelled() {
            return Err(Error::Abandoned);
        }
        let [a, b] = both([reference, compared], path, options)?;
        match (a.logit, b.logit) {
            (Some(first), Some(second)) => {
                flips += u64::from(a.verdict != b.verdict);
                pairs.push(((first - second).abs(), a.path));
            }
            (None, None) => refused.extend(refusal(a)),
            (None, _) => scored_by_one.extend(refusal(a)),
            (_, None) => scored_by_one.extend(refusal(b)),
        }
        observer.event(Event::Advanced { by: 1 });
    }
    observer.event(Event::Finished);
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let sizes: Vec<f64> = pairs.iter().map(|(size, _)| *size).collect();
    let n = sizes.len() as u64;
    let (Some((max, max_path)), Some(p99), Some((low, high))) =
        (pairs.pop(), quantile(&sizes, 0.99), wilson(flips, n))
    else {
        return Err(Error::Images {
            message: format!("none of {} images was scored by both engines", paths.len()),
            hint: "dear scan says why".to_owned(),
        });
    };
    Ok(Parity {
        schema: 1,
        detector: DetectorName {
            name: reference.metadata().name.clone(),
            sha256: reference.sha256().to_owned(),
        },
        threshold: reference.metadata().threshold.value,
        reference: reference.info().clone(),
        compared: compared.info().clone(),
        n,
        refused,
        scored_by_one,
        difference: Difference { mean: sizes.iter().sum::<f64>() / n as f64, p99, max, max_path },
        verdict_flips: Flips { count: flips, share: flips as f64 / n as f64, interval: [low, high] },
    })
}

fn both(detectors: [&Detector; 2], path: &Path, options: &DecodeOptions) -> Result<[Record; 2], Error> {
    let [a, b] = detectors;
    let options = ScanOptions { decode: *options, ..ScanOptions::default() };
    Ok([score_file(a, path, &options)?, score_file(b, path, &options)?])
}

fn refusal(record: Record) -> Option<Refused> {
    let error = record.error?;
    Some(Refused { path: record.path, kind: error.kind, message: error.message })
}
