//! What people look at: `report.html`, one self-contained page (no script, no network), and [`markdown`], both drawn from
//! what `results.json` holds and from nothing else.

mod advice;
mod charts;
mod counts;
pub mod dissection;
mod examples;
mod findings;
mod markdown;
pub(crate) mod number;
pub(crate) mod page;
mod provenance;
mod scores;
mod severity;
pub mod sweep;
mod tables;
mod worst;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

pub use examples::{Example, Logit, Picture};
pub use markdown::markdown;
pub use worst::{WorstOptions, examples, worst_errors};

use crate::evaluate::{Evaluation, System, condition, counted, fewest_scored, of_listed};

/// What the page tells besides the evaluation.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Extras<'a> {
    /// Heading.
    pub title: &'a str,
    /// The command that made the results.
    pub command: &'a str,
    /// Examples with heat maps.
    pub examples: &'a [Example],
    /// Said at the top in a box: what must not be concluded.
    pub caution: Option<&'a str>,
}

/// With more detectors than this, the page folds their sentences away below a table of all, and draws the scores of the first
/// condition only.
const FEW: usize = 3;

/// A part of the page; left out where its body is empty.
struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

/// The page. Its first screen says whether each detector may be used, for what, and at which threshold.
pub fn html(evaluation: &Evaluation, extras: &Extras) -> String {
    let sections = [
        ("safe", "Is it safe to use?", advice::section(evaluation)),
        ("findings", "What was found", findings::section(evaluation)),
        ("errors", "Pictures, and where the evidence lies", examples::section(evaluation, extras.examples)),
        ("asymmetry", "Asymmetry: real and fake accuracy, apart", asymmetry(evaluation)),
        ("severity", "How much processing it bears", severity::section(evaluation)),
        ("scores", "Scores, operating points, probabilities", scores::section(evaluation)),
        ("systems", "Every system, every condition", tables::systems(evaluation)),
        ("subsets", "Per subset", tables::subsets(evaluation)),
        ("counts", "What was counted", counts::section(evaluation)),
        ("rad", "RAD spectrum", spectrum(evaluation)),
        ("provenance", "How this was made", provenance::section(evaluation, extras)),
    ]
    .map(|(id, title, body)| Section { id, title, body })
    .into_iter()
    .filter(|section| !section.body.0.is_empty())
    .collect::<Vec<_>>();
    let body = html! {
        header {
            h1 { (extras.title) }
            p.lead { (unbroken(&lead(evaluation))) }
            @if let Some(caution) = extras.caution { p.caution role="note" { (caution) } }
        }
        main {
            @for (i, section) in sections.iter().enumerate() {
                section aria-labelledby=(section.id) {
                    h2 id=(section.id) { (section.title) }
                    (section.body)
                }
                @if i == 0 {
                    nav aria-label="Contents" {
                        @for other in &sections[1..] { a href=(format!("#{}", other.id)) { (other.title) } " " }
                    }
                }
            }
        }
    };
    document(extras.title, "", &body)
}

/// A page that needs no other file: its title, styles beside the report's, and what stands in its body.
pub(crate) fn document(title: &str, style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("report/style.css"))) (PreEscaped(style)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// Columns and rows of an image of this size whose longer side becomes `side`.
pub(crate) fn within(side: u32, (width, height): (u32, u32)) -> (u32, u32) {
    let scaled =
        |length: u32| (u64::from(length) * u64::from(side) / u64::from(width.max(height))).max(1) as u32;
    (scaled(width), scaled(height))
}

/// On what, in one sentence.
fn lead(evaluation: &Evaluation) -> String {
    let data = &evaluation.data;
    let conditions = match &evaluation.chains[..] {
        [] => condition("clean"),
        [one] => condition(one),
        several => format!("under {} conditions", several.len()),
    };
    let scenes = match data.scenes {
        Some(scenes) => {
            format!(" of {}, {conditions}; 95 % intervals resample whole scenes", counted(scenes, "scene"))
        }
        None => format!(", {conditions}; intervals are 95 %"),
    };
    let [real, fake] = fewest_scored(evaluation);
    format!(
        "Judged on {real} real{} and {}{}{scenes}.",
        of_listed(real, data.real),
        counted(fake, "generated image"),
        of_listed(fake, data.fake)
    )
}

/// A sentence whose lines do not end between a number and its per cent sign.
fn unbroken(sentence: &str) -> String {
    sentence.replace(" %", "\u{a0}%")
}

/// The systems that a reader came for: those advised on, else the hardened ones and the detectors as they were given. The
/// other controls stand in the tables of all systems.
fn main_systems(evaluation: &Evaluation) -> Vec<&System> {
    let advised = |system: &System| evaluation.advice.iter().any(|advice| advice.system == system.name);
    let given = |system: &System| {
        let base_of = |other: &System| other.controls.get("base") == Some(&system.name);
        let plain =
            system.detector.and_then(|i| evaluation.detectors.get(i)).is_none_or(|found| found.rad.is_none());
        system.hardened || plain || evaluation.systems.iter().any(base_of)
    };
    let none_advised = !evaluation.systems.iter().any(advised);
    evaluation
        .systems
        .iter()
        .filter(|system| if none_advised { given(system) } else { advised(system) })
        .collect()
}

fn asymmetry(evaluation: &Evaluation) -> Markup {
    html! {
        @if !evaluation.tables.is_empty() {
            p {
                "A detector that calls everything real has a perfect " b.real { "real accuracy" } " and finds nothing. The "
                "distance between the two marks is the asymmetry; whiskers are 95 % intervals. Verdicts at logit 0."
            }
            p.legend { span.dot.real {} " real accuracy (circle) " span.dot.square.fake {} " fake accuracy (diamond)" }
            @for chain in &evaluation.chains {
                h3.condition { (chain) }
                (charts::dumbbells(evaluation, chain))
            }
        }
    }
}

fn spectrum(evaluation: &Evaluation) -> Markup {
    html! {
        @for detector in &evaluation.detectors {
            @if let Some(rad) = &detector.rad {
                h3 { (detector.name) }
                p {
                    "Score of each of the " (rad.scores.len()) " channels over " (rad.probes) " probe views ("
                    (rad.degenerate) " degenerate " (rad.options.degenerate.done()) "), highest first. High: the channel fires "
                    "on generated pixels. " (detector.pruned.len()) " channels in the shaded ranks were pruned."
                }
                (charts::spectrum(rad, &detector.pruned, None))
            }
        }
    }
}

/// A table that scrolls inside of its own box, never the page.
fn scrolling(label: &str, table: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

#[cfg(test)]
mod tests;
