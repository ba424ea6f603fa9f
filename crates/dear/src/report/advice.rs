//! The first screen: may each detector be used, for what, at which threshold, and the few numbers behind that.

use maud::{Markup, html};

use super::number::{Cell, share};
use super::{FEW, scrolling, unbroken};
use crate::bootstrap::Interval;
use crate::evaluate::{Advice, Evaluation, Standing, counted, one_class, signed_decimals};

pub(super) fn section(evaluation: &Evaluation) -> Markup {
    let many = evaluation.advice.len() > FEW;
    html! {
        @for warning in warnings(evaluation) { p.caution { (warning) } }
        @if evaluation.advice.is_empty() {
            p { "Nothing can be said: no detector was judged, or none of the images could be scored." }
        }
        @if many { (glance(evaluation)) }
        @for advice in &evaluation.advice {
            @if many {
                details class=(format!("advice {}", class(advice.standing))) {
                    summary { (mark(advice.standing)) b { (advice.system) } ": " (word(advice.standing)) }
                    (body(evaluation, advice))
                }
            } @else {
                div class=(format!("advice {}", class(advice.standing))) {
                    h3 { (mark(advice.standing)) (advice.system) ": " (word(advice.standing)) }
                    (body(evaluation, advice))
                }
            }
        }
    }
}

/// What makes every number doubtful: said before any of them.
pub(super) fn warnings(evaluation: &Evaluation) -> Vec<String> {
    let data = &evaluation.data;
    let of_files = evaluation.scores.iter().flat_map(|scores| scores.warnings.clone());
    let mut found: Vec<String> = one_class(data).into_iter().chain(of_files).collect();
    if data.in_both_classes > 0 {
        let n = data.in_both_classes;
        found.push(format!(
            "{n} images stand in both classes, byte for byte: their labels cannot both be right."
        ));
    }
    if data.in_other_splits > 0 {
        let n = data.in_other_splits;
        let (images, stand) = (counted(n, "image"), if n == 1 { "stands" } else { "stand" });
        let them = if n == 1 { "it" } else { "them" };
        found.push(format!(
            "{images} also {stand} in another split: a detector trained there has seen {them}."
        ));
    }
    found
}

fn body(evaluation: &Evaluation, advice: &Advice) -> Markup {
    let caption = threshold(advice);
    html! {
        @for (i, sentence) in advice.sentences.iter().enumerate() { p.first[i == 0] { (unbroken(sentence)) } }
        (scrolling(&caption, html! {
            table {
                caption { span { (caption) } }
                thead { tr {
                    th scope="col" { "condition" } th scope="col" { "real images accused %" }
                    th scope="col" { "generated images found %" } th scope="col" { "AUC" } th scope="col" { "n real + fake" }
                } }
                tbody {
                    @for row in rows(evaluation, advice) {
                        tr {
                            th scope="row" { (row.chain) }
                            td { (cell(&row.accused)) } td { (cell(&row.found)) } td { (cell(&row.auc)) } td { (row.n) }
                        }
                    }
                }
            }
        }))
    }
}

/// All detectors in one table: standing, threshold, and the worst condition of each kind.
fn glance(evaluation: &Evaluation) -> Markup {
    scrolling(
        "all detectors",
        html! {
            table {
                caption { span { "All detectors at their thresholds, each number under its worst condition" } }
                thead { tr {
                    th scope="col" { "detector" } th.left scope="col" { "standing" } th scope="col" { "threshold" }
                    th scope="col" { "most real accused" } th scope="col" { "fewest generated found" }
                } }
                tbody {
                    @for advice in &evaluation.advice {
                        @let points = points(evaluation, advice);
                        @let worst = |pick: fn(&(Interval, Interval)) -> &Interval, sign: f64| {
                            points.iter().map(pick).filter(|interval| interval.value.is_some())
                                .max_by(|a, b| (sign * a.value.unwrap_or(0.0)).total_cmp(&(sign * b.value.unwrap_or(0.0))))
                                .map_or("–".to_owned(), share)
                        };
                        tr {
                            th scope="row" { (advice.system) }
                            td.left { (mark(advice.standing)) (word(advice.standing)) }
                            td { (logit(advice.threshold)) }
                            td { (worst(|point| &point.0, 1.0)) } td { (worst(|point| &point.1, -1.0)) }
                        }
                    }
                }
            }
        },
    )
}

/// The threshold and who set it.
pub(super) fn threshold(advice: &Advice) -> String {
    let above = format!("An image is called generated above logit {}", logit(advice.threshold));
    // Some origins say no more than the number.
    match advice.threshold_origin.trim_end_matches(" (logit 0)") {
        "" | "logit 0" => above,
        origin => format!("{above} ({origin})"),
    }
}

/// A threshold: 0, or with its sign and two decimals.
fn logit(threshold: f64) -> String {
    if threshold == 0.0 { "0".to_owned() } else { signed_decimals(threshold, 2) }
}

/// What a detector does under one condition at its threshold.
pub(super) struct Row {
    pub(super) chain: String,
    /// Real images above the threshold.
    pub(super) accused: Cell,
    /// Generated images above the threshold.
    pub(super) found: Cell,
    pub(super) auc: Cell,
    /// Images scored in each class.
    pub(super) n: String,
}

/// One row a condition.
pub(super) fn rows(evaluation: &Evaluation, advice: &Advice) -> Vec<Row> {
    evaluation
        .chains
        .iter()
        .map(|chain| {
            let table = evaluation.table(chain, &advice.system, "all");
            let (accused, found) = at_threshold(evaluation, advice, chain).unzip();
            Row {
                chain: chain.clone(),
                accused: Cell::metric(accused.as_ref()),
                found: Cell::metric(found.as_ref()),
                auc: Cell::metric(table.and_then(|table| table.metric("auc"))),
                n: table.map_or("–".to_owned(), |table| format!("{} + {}", table.real, table.fake)),
            }
        })
        .collect()
}

fn points(evaluation: &Evaluation, advice: &Advice) -> Vec<(Interval, Interval)> {
    evaluation.chains.iter().filter_map(|chain| at_threshold(evaluation, advice, chain)).collect()
}

/// Shares of real and of generated images above the advised threshold: its operating point.
fn at_threshold(evaluation: &Evaluation, advice: &Advice, chain: &str) -> Option<(Interval, Interval)> {
    let shape =
        evaluation.shapes.iter().find(|shape| shape.chain == chain && shape.system == advice.system)?;
    let point = shape.operating.iter().find(|point| point.threshold == Some(advice.threshold))?;
    Some((point.fpr.clone(), point.tpr.clone()))
}

/// The standing in words.
pub(super) fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Usable => "usable under the conditions tried",
        Standing::NotShown => "not shown to be safe",
        Standing::NotUsable => "do not use it",
    }
}

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Usable => "usable",
        Standing::NotShown => "not-shown",
        Standing::NotUsable => "not-usable",
    }
}

/// A shape that tells the standing without colour: full circle, half circle, bar in a circle.
fn mark(standing: Standing) -> Markup {
    html! {
        svg.mark viewBox="0 0 20 20" aria-hidden="true" {
            @match standing {
                Standing::Usable => { circle cx="10" cy="10" r="9" {} }
                Standing::NotShown => { circle.ring cx="10" cy="10" r="8" {} path d="M10 2A8 8 0 0 0 10 18Z" {} }
                Standing::NotUsable => { path fill-rule="evenodd" d="M10 1A9 9 0 0 0 10 19 9 9 0 0 0 10 1ZM4 8H16V12H4Z" {} }
            }
        }
    }
}

/// A value with its interval below it.
pub(super) fn cell(cell: &Cell) -> Markup {
    html! {
        (cell.value)
        @if let Some(ends) = &cell.ends { br; small { "[" (ends) "]" } }
        @if let Some(remark) = &cell.remark { br; small { (remark) } }
    }
}
