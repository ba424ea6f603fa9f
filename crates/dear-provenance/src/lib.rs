//! What an image file says about where it comes from. Never part of a score: a file may say anything, and most say nothing.
//!
//! Conventions: every question has three answers ([`State`]); nothing is fetched; nothing here panics on what a file holds.

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

/// Ask the bytes of an image file.
pub fn read(bytes: &[u8]) -> Provenance {
    let unread = || Finding {
        state: State::CouldNotCheck,
        summary: Some(format!("{} bytes", bytes.len())),
        declares: None,
        details: vec![],
    };
    Provenance { c2pa: unread(), source_type: unread(), generator: unread(), camera: unread() }
}
