//! Many images to records: one record an image, whatever is in it.
//!
//! ```text
//! Inputs (files, folders, patterns, a list, tables) -> read ahead (hash, decode) -> score -> Record -> RecordWriter
//!                                                          Cache (known bytes) ----------^
//! ```

mod ahead;
mod cache;
mod inputs;
mod outcome;
mod pattern;
mod rows;
mod run;
mod shard;
mod table;
mod write;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use dear_image::{DecodeOptions, Decoded, Image, Treatment, decode};
use dear_provenance::Provenance;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::backbone::metadata::Threshold;
use crate::dataset;
use crate::detector::{Detector, DetectorError, Evidence};
use crate::engine::EngineInfo;
use crate::error::Error;
use crate::files::{Unread, read_image, sha256_hex};
use crate::stability::{Stability, stability};
use crate::view::View;

pub use cache::{Cache, CacheError};
pub use inputs::{InputOptions, Inputs};
pub use run::{Scan, Tally};
pub use shard::Shard;
pub use write::{RecordForm, RecordWriter};

/// Version of [`Record`].
const SCHEMA: u32 = 1;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has a logit.
    Scored,
    /// It has a logit, and something about it should be known.
    ScoredWithWarning,
    /// It has none; `error` says why.
    Refused,
}

/// What the logit says at the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Logit above the threshold, and above the uncertain band where there is one.
    Generated,
    /// Logit below the threshold, and below the band.
    Real,
    /// Within the band, ends included; without a band, exactly at the threshold.
    Uncertain,
}

impl Verdict {
    /// What a logit says at a threshold.
    pub fn of(logit: f64, threshold: &Threshold) -> Self {
        let [low, high] = threshold.ends();
        if logit > high {
            Self::Generated
        } else if logit < low {
            Self::Real
        } else {
            Self::Uncertain
        }
    }

    /// Its word in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Real => "real",
            Self::Uncertain => "uncertain",
        }
    }
}

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// `truncated`, `too_large`, `empty`, `not_an_image`, `unsupported`, `corrupt`, `unreadable`, `size`, `non_finite`.
    pub kind: String,
    /// One line.
    pub message: String,
    /// What to do about it, if anything.
    pub hint: Option<String>,
}

impl From<Unread> for Refusal {
    fn from(error: Unread) -> Self {
        Self { kind: error.kind.to_owned(), message: error.message, hint: error.hint }
    }
}

/// Which detector scored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DetectorName {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// The record of one file (schema 1). Unknown is null, never absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// Version of this record.
    pub schema: u32,
    /// The path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The path's exact bytes in base64 where it is not UTF-8, else null.
    pub path_base64: Option<String>,
    /// Number of the row of a Parquet file, from 0; null for a file. Rows may share a path.
    #[serde(default)]
    pub row: Option<u64>,
    /// SHA-256 of the file, null if it could not be read.
    pub sha256: Option<String>,
    /// What became of it.
    pub status: Status,
    /// What should be known of a scored file, joined by `; `.
    pub warning: Option<String>,
    /// Whether a part of it was missing and filled in; in JSON only `warning` says so.
    #[serde(skip)]
    pub truncated: bool,
    /// Why it was refused.
    pub error: Option<Refusal>,
    /// Pixels, null if it was not decoded.
    pub width: Option<u32>,
    /// Pixels, null if it was not decoded.
    pub height: Option<u32>,
    /// Format by content.
    pub format: Option<String>,
    /// What the file had of orientation, alpha and profile, and what was done; null if it was not decoded.
    #[serde(default)]
    pub treatment: Option<Treatment>,
    /// How it was to be decoded; null in records of versions that had no such options.
    #[serde(default)]
    pub decode: Option<DecodeOptions>,
    /// What the network saw of the image: `native`, or the view that the detector declares. Null in older records.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub view: Option<View>,
    /// Above 0: generated. Null unless scored.
    pub logit: Option<f64>,
    /// Calibrated probability of *generated*, null where the detector is not calibrated.
    pub probability: Option<f64>,
    /// What the logit says.
    pub verdict: Option<Verdict>,
    /// The threshold.
    pub threshold: f64,
    /// Who set it.
    pub threshold_origin: String,
    /// Logits between which the detector does not decide, null where it decides at the threshold.
    pub uncertain: Option<[f64; 2]>,
    /// In what the image lies outside of the range that the detector's file states; empty: in nothing. Null where the file
    /// states none, or the image was not decoded.
    #[serde(default)]
    pub outside: Option<Vec<String>>,
    /// How copies of the image are judged; null unless asked for and scored.
    #[serde(default)]
    pub stability: Option<Stability>,
    /// What the file says of its origin, which is no part of the score; null unless asked for.
    #[serde(default)]
    pub provenance: Option<Provenance>,
    /// Which detector.
    pub detector: DetectorName,
    /// What ran.
    pub engine: EngineInfo,
}

/// What is asked of each image.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScanOptions {
    /// How files become pixels.
    pub decode: DecodeOptions,
    /// Whether copies are scored, too.
    pub stability: bool,
    /// Whether the file is asked for its origin.
    pub provenance: bool,
}

/// The files that `paths` name: folders are searched, files are taken as they are. Sorted within a folder.
///
/// # Errors
/// [`Error::Images`] for a path that is not there, [`Error::Dataset`] for a folder without any image.
pub fn gather(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, u64), Error> {
    let (mut files, mut skipped) = (Vec::new(), 0);
    for path in paths {
        if path.is_dir() {
            let listing = dataset::list_images(path)?;
            files.extend(listing.paths);
            skipped += listing.skipped;
        } else if fs_err::metadata(path).is_ok() {
            files.push(path.clone());
        } else {
            return Err(Error::Images {
                message: format!(
                    "{}: does not exist, expected an image or a folder of images",
                    path.display()
                ),
                hint: "check the path".to_owned(),
            });
        }
    }
    Ok((files, skipped))
}

/// Score one file. Whatever is wrong with the *file* is in the record.
///
/// # Errors
/// Only where the engine itself fails.
pub fn score_file(detector: &Detector, path: &Path, options: &ScanOptions) -> Result<Record, Error> {
    score_read(detector, path, options, read_file(path, options), &|| false)
}

/// Score the bytes of a file that is called `name`. Whatever is wrong with them is in the record. `stop` is asked between the
/// steps.
///
/// # Errors
/// Where the engine itself fails, and [`Error::Abandoned`] after a stop.
pub fn score_bytes(
    detector: &Detector,
    name: &Path,
    bytes: &[u8],
    options: &ScanOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Record, Error> {
    score_read(detector, name, options, read_bytes(bytes, sha256_hex(bytes), options), stop)
}

/// What the network saw of an image, and where it found what.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The image through the detector's view.
    pub seen: Image,
    /// Its map, whose mean is the record's logit.
    pub evidence: Evidence,
}

/// [`score_bytes`], with the map where the detector has one and the image was scored.
///
/// # Errors
/// As [`score_bytes`].
pub fn explain_bytes(
    detector: &Detector,
    name: &Path,
    bytes: &[u8],
    options: &ScanOptions,
    stop: &dyn Fn() -> bool,
) -> Result<(Record, Option<Explained>), Error> {
    let read = read_bytes(bytes, sha256_hex(bytes), options);
    let look = |image: &Image| {
        if !detector.has_map() {
            return Ok((detector.score(image)?, None));
        }
        let evidence = detector.evidence(image)?;
        let seen = detector.seen(image)?.swap_remove(0).into_owned();
        Ok((evidence.logit, Some(Explained { seen, evidence })))
    };
    let (record, explained) = judge(detector, name, options, read, look, stop)?;
    Ok((record, explained.flatten()))
}

/// What a file holds: its hash where it could be read, and its pixels or why there are none.
struct Read {
    sha256: Option<String>,
    decoded: Result<Decoded, Refusal>,
    provenance: Option<Provenance>,
}

fn read_file(path: &Path, options: &ScanOptions) -> Read {
    match read_image(path, &options.decode) {
        Ok(bytes) => read_bytes(&bytes, sha256_hex(&bytes), options),
        Err(error) => Read { sha256: None, decoded: Err(error.into()), provenance: None },
    }
}

fn read_bytes(bytes: &[u8], sha256: String, options: &ScanOptions) -> Read {
    let looked = guarded(|| {
        let decoded = decode(bytes, &options.decode).map_err(|error| Refusal {
            kind: error.kind().as_str().to_owned(),
            message: error.to_string(),
            hint: error.hint(),
        });
        (decoded, options.provenance.then(|| dear_provenance::read(bytes)))
    });
    let (decoded, provenance) = looked.unwrap_or_else(|refusal| (Err(refusal), None));
    Read { sha256: Some(sha256), decoded, provenance }
}

/// What `look` makes of the bytes of one image. Where it panics, that image is refused, and the others go on: it shares
/// nothing with them.
fn guarded<T>(look: impl FnOnce() -> T) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(look)).map_err(|_| Refusal {
        kind: "corrupt".to_owned(),
        message: "the decoder failed".to_owned(),
        hint: Some("report the file: a decoder that fails is a defect of dear".to_owned()),
    })
}

fn score_read(
    detector: &Detector,
    name: &Path,
    options: &ScanOptions,
    read: Read,
    stop: &dyn Fn() -> bool,
) -> Result<Record, Error> {
    let score = |image: &Image| Ok((detector.score(image)?, ()));
    Ok(judge(detector, name, options, read, score, stop)?.0)
}

/// The record of what was read, and what else `look` saw beside the logit.
fn judge<T>(
    detector: &Detector,
    path: &Path,
    options: &ScanOptions,
    read: Read,
    look: impl FnOnce(&Image) -> Result<(f64, T), DetectorError>,
    stop: &dyn Fn() -> bool,
) -> Result<(Record, Option<T>), Error> {
    let metadata = detector.metadata();
    let mut record =
        Record { sha256: read.sha256, provenance: read.provenance, ..blank(detector, path, options) };
    let decoded = match read.decoded {
        Ok(decoded) => decoded,
        Err(refusal) => return Ok((Record { error: Some(refusal), ..record }, None)),
    };
    record.width = Some(decoded.image.width());
    record.height = Some(decoded.image.height());
    record.format = Some(decoded.format.as_str().to_owned());
    record.treatment = Some(decoded.treatment);
    record.outside = metadata.valid_input.outside(decoded.image.size(), decoded.format.as_str());
    if stop() {
        return Err(Error::Abandoned);
    }
    let (logit, more) = match look(&decoded.image) {
        Ok(found) => found,
        Err(error) => {
            let Some(kind) = error.refusal() else { return Err(error.into()) };
            let refusal = Refusal { kind: kind.to_owned(), message: error.to_string(), hint: error.hint() };
            return Ok((Record { error: Some(refusal), ..record }, None));
        }
    };
    record.logit = Some(logit);
    record.probability = metadata.calibration.as_ref().map(|calibration| calibration.probability(logit));
    record.verdict = Some(Verdict::of(logit, &metadata.threshold));
    record.truncated = decoded.truncated;
    let mut warnings = decoded.warnings;
    warnings.extend(
        record.outside.iter().flatten().map(|fact| format!("outside of the detector's range: {fact}")),
    );
    record.status = if warnings.is_empty() { Status::Scored } else { Status::ScoredWithWarning };
    record.warning = (!warnings.is_empty()).then(|| warnings.join("; "));
    if options.stability {
        let key = record.sha256.as_deref().unwrap_or_default().as_bytes();
        record.stability = Some(stability(detector, &decoded.image, logit, key, stop)?);
    }
    Ok((record, Some(more)))
}

/// The record of an image of which nothing is known yet.
fn blank(detector: &Detector, name: &Path, options: &ScanOptions) -> Record {
    let metadata = detector.metadata();
    Record {
        schema: SCHEMA,
        path: dataset::path_text(name),
        path_base64: exact_bytes(name),
        row: None,
        sha256: None,
        status: Status::Refused,
        warning: None,
        truncated: false,
        error: None,
        width: None,
        height: None,
        format: None,
        treatment: None,
        decode: Some(options.decode),
        view: Some(metadata.view.clone()),
        logit: None,
        probability: None,
        verdict: None,
        threshold: metadata.threshold.value,
        threshold_origin: metadata.threshold.origin.clone(),
        uncertain: metadata.threshold.uncertain,
        outside: None,
        stability: None,
        provenance: None,
        detector: DetectorName { name: metadata.name.clone(), sha256: detector.sha256().to_owned() },
        engine: detector.info().clone(),
    }
}

#[cfg(unix)]
pub(crate) fn exact_bytes(path: &Path) -> Option<String> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes();
    std::str::from_utf8(bytes).is_err().then(|| base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[cfg(not(unix))]
pub(crate) fn exact_bytes(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().as_encoded_bytes();
    path.to_str().is_none().then(|| base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// The path whose bytes [`exact_bytes`] wrote; nothing where the text is not such.
pub(crate) fn exact_path(text: &str) -> Option<PathBuf> {
    path_of(decoded(text)?)
}

/// The bytes of a path in base64.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(Into::into)
}

#[cfg(test)]
mod tests;
