//! What is written down of each probe, and of each image that gave none.

use serde::{Deserialize, Serialize};

use super::{Composite, InpainterKind};

/// One line of `probes.jsonl`, the folder's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Version of this record.
    pub schema: u32,
    /// What the two file names begin with.
    pub stem: String,
    /// File name of the photograph.
    pub source: String,
    /// SHA-256 of the photograph's file.
    pub source_sha256: String,
    /// What filled the mask.
    pub inpainter: InpainterKind,
    /// Model and scale, or the command.
    pub inpainter_detail: String,
    /// How real and generated were joined.
    pub composite: Composite,
    /// `rectangle`, `ellipse`, `strokes`, or `given`. Absent in older records, which are rectangles.
    #[serde(default = "rectangle")]
    pub mask: String,
    /// Seed of the mask.
    pub seed: u64,
    /// Share of the image inside the mask.
    pub mask_share: f64,
    /// Share of the masked pixels whose bytes differ from the photograph's.
    pub changed_share: f64,
    /// Share of the mask that was really regenerated: under `reference` where its blurred mask reaches one half (at 512
    /// x 512), under `sharp` `changed_share`. Null in older records.
    #[serde(default)]
    pub regenerated_share: Option<f64>,
    /// Share of all blend weight that lies outside of the mask (0 under `sharp`). Null in older records.
    #[serde(default)]
    pub weight_outside: Option<f64>,
    /// Hash of everything that decides the pixels: a finished probe with this key is not made again.
    pub key: String,
}

fn rectangle() -> String {
    "rectangle".to_owned()
}

/// An image of which no probe could be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The image.
    pub path: String,
    /// Kind of error, as in scan records.
    pub kind: String,
    /// One line.
    pub message: String,
}
