//! `report.html`: one self-contained page (no script, no network) that shows what `results.json` holds.

mod charts;

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::{Deserialize, Serialize};

use crate::bootstrap::Interval;
use crate::evaluate::{Evaluation, SubsetKind, System, Table, verdict};

/// An image shown with its heat maps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Key in the dataset.
    pub path: String,
    /// `real` or `generated`.
    pub label: String,
    /// Chain under which it was scored.
    pub chain: String,
    /// Logit of the detector before.
    pub before: f64,
    /// Logit of the detector after.
    pub after: f64,
    /// Evidence at full colour, the same for both maps and all examples.
    pub full: f64,
    /// The image as scored, as PNG in base64.
    pub image_png: String,
    /// Heat map before, as PNG in base64.
    pub before_png: String,
    /// Heat map after, as PNG in base64.
    pub after_png: String,
}

/// PNG bytes as they stand in [`Example`].
pub fn base64_png(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

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

/// The page.
pub fn html(evaluation: &Evaluation, extras: &Extras) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (extras.title) }
                style { (PreEscaped(include_str!("report/style.css"))) }
            }
            body {
                header {
                    h1 { (extras.title) }
                    p.lead { (lead(evaluation)) }
                    @if let Some(caution) = extras.caution { p.caution role="note" { (caution) } }
                }
                main {
                    (findings(evaluation))
                    (asymmetry(evaluation))
                    (systems(evaluation))
                    (spectrum(evaluation))
                    (subsets(evaluation))
                    (examples(extras.examples))
                    (provenance(evaluation, extras))
                }
            }
        }
    };
    page.into_string()
}

fn lead(evaluation: &Evaluation) -> String {
    let data = &evaluation.data;
    let scenes = match data.scenes {
        Some(scenes) => format!(" of {scenes} scenes; intervals (95 %, bootstrap) resample whole scenes"),
        None => "; intervals (95 %) by bootstrap".to_owned(),
    };
    format!("Judged on {} real and {} generated images{scenes}.", data.real, data.fake)
}

fn findings(evaluation: &Evaluation) -> Markup {
    html! {
        section aria-labelledby="findings" {
            h2 id="findings" { "What was found" }
            @if evaluation.words.is_empty() {
                p { "No hardened detector is among those judged, so nothing is compared; the tables follow." }
            } @else {
                ul.words { @for line in &evaluation.words { li { (line) } } }
                (differences(evaluation))
                p.note {
                    "\u{201c}Better\u{201d} and \u{201c}worse\u{201d} are said only where the paired 95 % interval excludes zero. "
                    "The intervals are not corrected for the number of comparisons."
                }
            }
        }
    }
}

/// Hardened minus each other system, on the same images.
fn differences(evaluation: &Evaluation) -> Markup {
    const METRICS: [(&str, &str); 2] =
        [("balanced_accuracy", "balanced accuracy"), ("tpr_at_5_fpr", "TPR @ 5 % FPR")];
    html! {
        div.scroll tabindex="0" role="region" aria-label="paired differences" {
            table {
                caption { "Hardened minus each other system, in points, on the same images" }
                thead { tr {
                    th scope="col" { "condition" } th.left scope="col" { "against" }
                    @for (_, name) in METRICS { th scope="col" { (name) } th.left scope="col" { "verdict" } }
                } }
                tbody {
                    @for comparison in &evaluation.comparisons {
                        tr {
                            th scope="row" { (comparison.chain) }
                            td.left { (comparison.before) }
                            @for (metric, _) in METRICS {
                                @if let Some(difference) = comparison.difference(metric) {
                                    @let word = verdict(difference);
                                    td { (points(difference)) }
                                    td.left.better[word == "better"].worse[word == "worse"] { (word) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn points(difference: &Interval) -> Markup {
    match (difference.value, difference.low, difference.high) {
        (Some(value), Some(low), Some(high)) => html! {
            (format!("{:+.1}", 100.0 * value)) " " span.interval { "[" (format!("{:+.1}, {:+.1}", 100.0 * low, 100.0 * high)) "]" }
        },
        _ => html! { "–" },
    }
}

fn asymmetry(evaluation: &Evaluation) -> Markup {
    html! {
        section aria-labelledby="asymmetry" {
            h2 id="asymmetry" { "Asymmetry: real and fake accuracy, apart" }
            p {
                "A detector that calls everything real has a perfect " b.real { "real accuracy" } " and finds nothing. The "
                "distance between the two dots is the asymmetry; whiskers are 95 % intervals."
            }
            @for chain in &evaluation.chains {
                h3 { (chain) }
                (charts::dumbbells(evaluation, chain))
            }
        }
    }
}

const COLUMNS: [(&str, &str); 7] = [
    ("r_acc", "R.Acc"),
    ("f_acc", "F.Acc"),
    ("asymmetry", "asymmetry"),
    ("balanced_accuracy", "bal. acc"),
    ("auc", "AUC"),
    ("ap", "AP"),
    ("tpr_at_5_fpr", "TPR @ 5 % FPR"),
];

fn systems(evaluation: &Evaluation) -> Markup {
    html! {
        section aria-labelledby="systems" {
            h2 id="systems" { "Every system, every chain" }
            @for chain in &evaluation.chains {
                (table(chain, "system", evaluation.systems.iter().filter_map(|system| {
                    let table = evaluation.table(chain, &system.name, "all")?;
                    Some((system.name.as_str(), system.hardened, table))
                }).collect()))
            }
            dl.notes {
                @for system in &evaluation.systems { dt { (system.name) } dd { (system.note) } }
            }
        }
    }
}

fn subsets(evaluation: &Evaluation) -> Markup {
    // The detectors as they are: given as such, or the base of a hardened one. The other controls would crowd the page.
    let is_base = |system: &System| {
        let of = |other: &System| other.controls.get("base") == Some(&system.name);
        let given = system.detector.and_then(|i| evaluation.detectors.get(i)).is_none_or(|d| d.rad.is_none());
        given || evaluation.systems.iter().any(of)
    };
    let shown: Vec<&str> = evaluation
        .systems
        .iter()
        .filter(|system| system.hardened || is_base(system))
        .map(|system| system.name.as_str())
        .collect();
    html! {
        section aria-labelledby="subsets" {
            h2 id="subsets" { "Per subset" }
            p { "A generator is judged against all real images; a set of real images has a real accuracy only." }
            @for chain in &evaluation.chains {
                @for name in &shown {
                    (table(&format!("{name}, {chain}"), "subset", evaluation.tables.iter()
                        .filter(|table| &table.chain == chain && &table.system == name && table.kind != SubsetKind::All)
                        .map(|table| (table.subset.as_str(), false, table)).collect()))
                }
            }
        }
    }
}

fn table(caption: &str, head: &str, rows: Vec<(&str, bool, &Table)>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr {
                    th scope="col" { (head) }
                    th scope="col" { "n real" } th scope="col" { "n fake" }
                    @for (_, name) in COLUMNS { th scope="col" { (name) } }
                } }
                tbody {
                    @for (name, strong, row) in rows {
                        tr.strong[strong] {
                            th scope="row" { (name) }
                            td { (count(row.real, row.refused_real)) }
                            td { (count(row.fake, row.refused_fake)) }
                            @for (metric, _) in COLUMNS { td { (cell(row.metric(metric), metric)) } }
                        }
                    }
                }
            }
        }
    }
}

fn count(scored: u64, refused: u64) -> Markup {
    html! { (scored) @if refused > 0 { br; span.refused { (refused) " refused" } } }
}

fn cell(interval: Option<&Interval>, metric: &str) -> Markup {
    let Some(interval) = interval else { return html! { "–" } };
    let Some(value) = interval.value else {
        return html! { span title="not defined: one class is missing" { "–" } };
    };
    let text = |value: f64| match metric {
        "auc" | "ap" => format!("{value:.3}"),
        _ => format!("{:.1}", 100.0 * value),
    };
    html! {
        (text(value))
        @if let (Some(low), Some(high)) = (interval.low, interval.high) {
            br; span.interval { "[" (text(low)) ", " (text(high)) "]" @if interval.degenerate { "*" } }
        }
        @if !interval.resolvable { br; span.interval title="fewer real images than one false alarm at this rate needs" { "n too small" } }
    }
}

fn spectrum(evaluation: &Evaluation) -> Markup {
    html! {
        @for detector in &evaluation.detectors {
            @if let Some(rad) = &detector.rad {
                section aria-labelledby="rad" {
                    h2 id="rad" { "RAD spectrum of " (detector.name) }
                    p {
                        "Score of each of the " (rad.scores.len()) " channels over " (rad.probes) " probe views ("
                        (rad.degenerate) " degenerate " (rad.options.degenerate.done()) "), highest first. High: the channel fires on generated pixels. "
                        (detector.pruned.len()) " channels at the shaded ends were pruned."
                    }
                    (charts::spectrum(rad, &detector.pruned))
                }
            }
        }
    }
}

fn examples(examples: &[Example]) -> Markup {
    html! {
        @if let Some(first) = examples.first() {
            section aria-labelledby="examples" {
                h2 id="examples" { "Where the evidence lies" }
                p {
                    "Each map's mean is its logit: " b.fake { "red" } " speaks for generated, " b.real { "blue" } " for real; full "
                    "colour at ±" (format!("{:.1}", first.full)) " logits in all maps. Images as scored (" (first.chain) ")."
                }
                div.examples {
                    @for example in examples {
                        figure {
                            div.triple {
                                @for (png, alt) in [(&example.image_png, "as scored"), (&example.before_png, "evidence before"), (&example.after_png, "evidence after")] {
                                    img src=(format!("data:image/png;base64,{png}")) alt=(format!("{} {alt}", example.path)) loading="lazy";
                                }
                            }
                            figcaption {
                                b { (example.label) } " · " (example.path) br;
                                "before " (said(example.before)) " · after " (said(example.after))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn said(logit: f64) -> Markup {
    let (class, word) = if logit > 0.0 {
        ("fake", "generated")
    } else if logit < 0.0 {
        ("real", "real")
    } else {
        ("", "neither")
    };
    html! { b class=(class) { (word) } " (" (format!("{logit:+.2}")) ")" }
}

fn provenance(evaluation: &Evaluation, extras: &Extras) -> Markup {
    html! {
        section aria-labelledby="provenance" {
            h2 id="provenance" { "How this was made" }
            dl.provenance {
                dt { "command" } dd { code { (extras.command) } }
                dt { "dear" } dd { (evaluation.version) }
                @if let Some(engine) = &evaluation.engine {
                    dt { "engine" } dd { (engine.name) " " (engine.version) ", " (engine.provider) ", " (engine.precision) ", " (engine.threads) " threads" }
                }
                dt { "data" } dd { code { (evaluation.data.root) } }
                @for detector in &evaluation.detectors {
                    dt { "detector " (detector.name) }
                    dd {
                        "sha256 " code { (detector.sha256) } br;
                        "backbone sha256 " code { (detector.backbone_sha256) } br;
                        (detector.architecture) ", licence " (detector.licence)
                        @if !detector.card.is_empty() { "; " (detector.card) }
                    }
                }
                dt { "chains" } dd { @for chain in &evaluation.chains { code { (chain) } " " } ", seed " (evaluation.options.seed) }
                dt { "bootstrap" } dd { (evaluation.options.bootstrap.resamples) " resamples, seed " (evaluation.options.bootstrap.seed) }
            }
            @for detector in &evaluation.detectors {
                @if !detector.recipe.is_null() {
                    details { summary { "recipe of " (detector.name) }
                        pre { (serde_json::to_string_pretty(&detector.recipe).unwrap_or_default()) } }
                }
            }
            p.note { "* an interval without width, or from a single unit, says nothing about uncertainty. – not defined there." }
        }
    }
}
