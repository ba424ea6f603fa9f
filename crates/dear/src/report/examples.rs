//! Images shown with their evidence: what stands in `results.json` of each, and how it looks.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::main_systems;
use crate::dataset::Label;
use crate::evaluate::{Evaluation, signed_decimals};

/// An image shown with its heat maps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Key in the dataset.
    pub path: String,
    /// Its true label.
    pub label: Label,
    /// Chain under which it was scored.
    pub chain: String,
    /// The system of which this is one of the worst errors; null for an example that is no error.
    pub wrong: Option<String>,
    /// The image as scored, then its heat maps.
    pub images: Vec<Picture>,
    /// Evidence (in logits) at full colour in the heat maps, the same for all examples made together; null where there is no
    /// map, because the detector's file says nothing about where its evidence lies.
    pub full: Option<f64>,
    /// What each system said.
    pub logits: Vec<Logit>,
}

/// A picture of an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// What it shows: `as scored`, `evidence`.
    pub caption: String,
    /// PNG in base64.
    pub png: String,
}

/// A system's logit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logit {
    /// The system.
    pub system: String,
    /// Its logit; null where it refused the image.
    pub logit: Option<f64>,
}

impl Example {
    /// Which kind of example this is, for a heading.
    pub(super) fn kind(&self) -> String {
        match (&self.wrong, self.label) {
            (None, _) => "Examples".to_owned(),
            (Some(system), Label::Real) => {
                format!("Worst false alarms of {system}: real images called generated")
            }
            (Some(system), Label::Generated) => {
                format!("Worst misses of {system}: generated images called real")
            }
        }
    }

    /// What the systems said that the reader came for; all of them, where none is known.
    pub(super) fn main_logits(&self, evaluation: &Evaluation) -> Vec<&Logit> {
        let main = main_systems(evaluation);
        let known = |logit: &&Logit| main.is_empty() || main.iter().any(|system| system.name == logit.system);
        self.logits.iter().filter(known).collect()
    }

    /// The label in words.
    pub(super) fn truth(&self) -> &'static str {
        match self.label {
            Label::Real => "real",
            Label::Generated => "generated",
        }
    }
}

pub(super) fn section(evaluation: &Evaluation, examples: &[Example]) -> Markup {
    html! {
        @if !examples.is_empty() {
            p { (explained(examples)) }
            @for group in examples.chunk_by(|a, b| a.kind() == b.kind()) {
                h3 { (group[0].kind()) }
                div.examples { @for example in group { (figure(evaluation, example)) } }
            }
        }
    }
}

/// What the pictures mean.
pub(super) fn explained(examples: &[Example]) -> String {
    match examples.iter().find_map(|example| example.full) {
        Some(full) => format!(
            "The mean of a heat map is the logit: red speaks for generated, blue for real, grey for neither; full colour at \
             ±{full:.1} logits in all maps. Images are shown as they were scored, reduced in size."
        ),
        None => "This detector's file does not say where in an image its evidence lies, so there are no heat maps. Images are \
                 shown as they were scored, reduced in size."
            .to_owned(),
    }
}

fn figure(evaluation: &Evaluation, example: &Example) -> Markup {
    html! {
        figure {
            div.pictures {
                @for picture in &example.images {
                    div {
                        img src=(format!("data:image/png;base64,{}", picture.png))
                            alt=(format!("{}, {}", example.path, picture.caption)) loading="lazy";
                        span.soft { (picture.caption) }
                    }
                }
            }
            figcaption {
                b { "in truth " (example.truth()) } " · " span.path { (example.path) } " · " span.path { (example.chain) }
                ul { @for logit in example.main_logits(evaluation) { li { (logit.system) ": " (said(logit.logit)) } } }
            }
        }
    }
}

/// A verdict at logit 0.
pub(super) fn said(logit: Option<f64>) -> String {
    match logit {
        None => "refused".to_owned(),
        Some(logit) if logit > 0.0 => format!("generated ({})", signed_decimals(logit, 2)),
        Some(logit) if logit < 0.0 => format!("real ({})", signed_decimals(logit, 2)),
        Some(_) => "neither (0)".to_owned(),
    }
}
