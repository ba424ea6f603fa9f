//! What a record says of an image's bytes, whatever their name: what the cache keeps.

use dear_image::Treatment;
use dear_provenance::Provenance;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Record, Refusal, ScanOptions, Status, Verdict};
use crate::detector::{Detector, is_passing};
use crate::engine::EngineInfo;
use crate::stability::Stability;

/// The part of a [`Record`] that differs between the images of one scan, without names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    status: Status,
    warning: Option<String>,
    truncated: bool,
    error: Option<Refusal>,
    width: Option<u32>,
    height: Option<u32>,
    format: Option<String>,
    treatment: Option<Treatment>,
    logit: Option<f64>,
    probability: Option<f64>,
    verdict: Option<Verdict>,
    outside: Option<Vec<String>>,
    stability: Option<Stability>,
    provenance: Option<Provenance>,
    /// Of the engine that scored it: another run may have had more.
    threads: usize,
}

impl Outcome {
    pub(super) fn of(record: &Record) -> Self {
        // All fields are named, so that a new one is either kept or part of the subject.
        let Record {
            schema: _,
            path: _,
            path_base64: _,
            row: _,
            sha256: _,
            status,
            warning,
            truncated,
            error,
            width,
            height,
            format,
            treatment,
            decode: _,
            view: _,
            logit,
            probability,
            verdict,
            threshold: _,
            threshold_origin: _,
            uncertain: _,
            outside,
            stability,
            provenance,
            detector: _,
            engine,
        } = record.clone();
        Self {
            status,
            warning,
            truncated,
            error,
            width,
            height,
            format,
            treatment,
            logit,
            probability,
            verdict,
            outside,
            stability,
            provenance,
            threads: engine.threads,
        }
    }

    /// Whether another scan would come to the same: not where the engine, memory or time did not do.
    pub(super) fn lasts(&self) -> bool {
        self.error.as_ref().is_none_or(|error| !is_passing(&error.kind))
            && self.provenance.as_ref().is_none_or(|provenance| !provenance.c2pa.passing)
    }

    /// The record of a file with these bytes; `blank` is one of the same scan.
    pub(super) fn record(&self, blank: Record) -> Record {
        let Self {
            status,
            warning,
            truncated,
            error,
            width,
            height,
            format,
            treatment,
            logit,
            probability,
            verdict,
            outside,
            stability,
            provenance,
            threads,
        } = self.clone();
        let engine = EngineInfo { threads, ..blank.engine };
        Record {
            status,
            warning,
            truncated,
            error,
            width,
            height,
            format,
            treatment,
            logit,
            probability,
            verdict,
            outside,
            stability,
            provenance,
            engine,
            ..blank
        }
    }
}

/// Everything that decides an outcome besides the bytes, as JSON: version of dear, detector, engine, options. Not the number of
/// threads and the memory budget, which move a logit by rounding (below 1e-5 and 1e-4).
pub(super) fn subject(detector: &Detector, options: &ScanOptions) -> String {
    let EngineInfo { name, version, provider, device, precision, threads: _, fallback } = detector.info();
    let ScanOptions { decode, stability, provenance } = options;
    json!({
        "record": super::SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "detector": detector.sha256(),
        "engine": { "name": name, "version": version, "provider": provider, "device": device, "precision": precision, "fallback": fallback },
        "decode": decode,
        "stability": stability,
        "provenance": provenance,
    })
    .to_string()
}
