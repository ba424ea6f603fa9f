//! How the numbers were made: command, versions, hashes, options, methods.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::Extras;
use super::number::method;
use crate::evaluate::Evaluation;

pub(super) fn section(evaluation: &Evaluation, extras: &Extras) -> Markup {
    html! {
        dl.provenance {
            @for fact in facts(evaluation, extras) {
                dt { (fact.name) }
                dd { @if fact.code { code { (fact.text) } } @else { (fact.text) } }
            }
        }
        @for detector in &evaluation.detectors {
            @if !detector.recipe.is_null() {
                details {
                    summary { "recipe of " (detector.name) }
                    pre { (serde_json::to_string_pretty(&detector.recipe).unwrap_or_default()) }
                }
            }
        }
        p.note {
            (STAR)
        }
    }
}

/// What a star and a dash mean.
pub(super) const STAR: &str = "* an interval without width, or from a single unit, says nothing about uncertainty. – not defined there.";

/// One line of provenance.
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) text: String,
    /// Whether a machine reads it: a command, a hash, a path.
    pub(super) code: bool,
}

/// Everything needed to make the numbers again.
pub(super) fn facts(evaluation: &Evaluation, extras: &Extras) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add =
        |name: &str, text: String, code: bool| facts.push(Fact { name: name.to_owned(), text, code });
    if !extras.command.is_empty() {
        add("command", extras.command.to_owned(), true);
    }
    add("dear", evaluation.version.clone(), false);
    match &evaluation.engine {
        Some(engine) => {
            let fallback = engine.fallback.iter().map(|why| format!("; {why}")).collect::<String>();
            let text = format!(
                "{} {}, {}, {}, {} threads{fallback}",
                engine.name, engine.version, engine.provider, engine.precision, engine.threads
            );
            add("engine", text, false);
        }
        None => add("engine", "none: the scores came from files".to_owned(), false),
    }
    add("data", evaluation.data.root.clone(), true);
    if let Some(split) = &evaluation.data.split {
        add("split", split.clone(), true);
    }
    if let Some(scores) = &evaluation.scores {
        for file in &scores.files {
            add(
                &format!("scores {}", file.path),
                format!("{} rows, sha256 {}", file.rows, file.sha256),
                true,
            );
        }
        add("unit of the scores", scores.unit.clone(), false);
        for warning in &scores.warnings {
            add("warning", warning.clone(), false);
        }
    }
    for detector in &evaluation.detectors {
        let name = format!("detector {}", detector.name);
        add(&name, format!("sha256 {}", detector.sha256), true);
        add(&name, format!("backbone sha256 {}", detector.backbone_sha256), true);
        let card = if detector.card.is_empty() { String::new() } else { format!("; {}", detector.card) };
        add(&name, format!("{}, licence {}{card}", detector.architecture, detector.licence), false);
    }
    let options = &evaluation.options;
    add("conditions", format!("{}; seed {}", evaluation.chains.join("; "), options.seed), true);
    add(
        "intervals",
        format!("{:.0} %: {}", 100.0 * options.bootstrap.confidence, methods(evaluation)),
        false,
    );
    add(
        "bootstrap",
        format!("{} resamples, seed {}", options.bootstrap.resamples, options.bootstrap.seed),
        false,
    );
    add("target", format!("at most {:.1} % of real images accused", 100.0 * options.target_fpr), false);
    facts
}

/// Which interval stands beside which metric of the tables.
fn methods(evaluation: &Evaluation) -> String {
    let used =
        evaluation.tables.iter().flat_map(|table| &table.metrics).filter(|interval| interval.low.is_some());
    let mut by_method: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for interval in used {
        let name = method(interval.method);
        match by_method.iter_mut().find(|(known, _)| *known == name) {
            Some((_, metrics)) => _ = metrics.insert(&interval.metric),
            None => by_method.push((name, BTreeSet::from([interval.metric.as_str()]))),
        }
    }
    let text: Vec<String> = by_method
        .iter()
        .map(|(name, metrics)| format!("{name} ({})", metrics.iter().copied().collect::<Vec<_>>().join(", ")))
        .collect();
    if text.is_empty() { "none".to_owned() } else { text.join("; ") }
}
