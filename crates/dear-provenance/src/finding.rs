//! The answers: every question about a file ends as a [`Finding`].

use crate::line::{Details, line};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a question about the file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is there.
    Found,
    /// It was looked for, and is not there.
    NotFound,
    /// It could not be looked for, or what was found could not be read.
    CouldNotCheck,
}

/// What a finding declares of the picture. A declaration is not a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Declares {
    /// Made by a generative model.
    Generated,
    /// Partly made by one, or edited with one.
    PartlyGenerated,
    /// Taken by a camera, or scanned.
    Captured,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// How it ended.
    pub state: State,
    /// One line for people: what was found, or why it could not be checked. Null where nothing is there.
    pub summary: Option<String>,
    /// What it declares, null where nothing clear.
    pub declares: Option<Declares>,
    /// The facts, in the file's order; long values are cut, which is said in the value.
    pub details: Vec<Detail>,
    /// Whether it could not be checked for want of time or of the machine: asked again, the answer may be another.
    #[serde(skip)]
    pub passing: bool,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Detail {
    /// What it is called, for example `claim generator`.
    pub name: String,
    /// One line.
    pub value: String,
}

/// All that is asked of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// A C2PA manifest: who signed it, whether signature and hashes hold, what it says.
    pub c2pa: Finding,
    /// IPTC `DigitalSourceType` in XMP.
    pub source_type: Finding,
    /// Text that generators leave: Stable Diffusion web UI, ComfyUI, NovelAI, InvokeAI, ...
    pub generator: Finding,
    /// EXIF: camera, lens, software, time.
    pub camera: Finding,
}

impl Finding {
    pub(crate) fn found(summary: &str, declares: Option<Declares>, details: Details) -> Finding {
        Finding {
            state: State::Found,
            summary: Some(line(summary)),
            declares,
            details: details.into_vec(),
            passing: false,
        }
    }

    pub(crate) fn not_found() -> Finding {
        Finding { state: State::NotFound, summary: None, declares: None, details: Vec::new(), passing: false }
    }

    pub(crate) fn could_not_check(reason: &str) -> Finding {
        Finding {
            state: State::CouldNotCheck,
            summary: Some(line(reason)),
            declares: None,
            details: Vec::new(),
            passing: false,
        }
    }

    /// As [`Finding::could_not_check`], of this time and this machine.
    pub(crate) fn could_not_check_now(reason: &str) -> Finding {
        Finding { passing: true, ..Finding::could_not_check(reason) }
    }

    /// Nothing was found; `damage` is why there might be something all the same.
    pub(crate) fn absent(damage: Option<&str>) -> Finding {
        damage.map_or_else(Finding::not_found, Finding::could_not_check)
    }
}
