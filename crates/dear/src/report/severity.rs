//! How metrics move with the strength of one perturbation.

use maud::{Markup, html};

use super::advice::cell;
use super::charts;
use super::number::Cell;
use super::{main_systems, scrolling};
use crate::evaluate::{Curve, Evaluation};

/// Columns of the table of levels.
const COLUMNS: [(&str, &str); 5] = [
    ("r_acc", "R.Acc %"),
    ("f_acc", "F.Acc %"),
    ("balanced_accuracy", "bal. acc %"),
    ("auc", "AUC"),
    ("tpr_at_5_fpr", "TPR @ 5 % FPR"),
];

pub(super) fn section(evaluation: &Evaluation) -> Markup {
    let mut families: Vec<&str> = Vec::new();
    for curve in &evaluation.curves {
        if !families.contains(&curve.name.as_str()) {
            families.push(&curve.name);
        }
    }
    html! {
        @if !families.is_empty() {
            p {
                b.real { "R" } ": real accuracy; " b.fake { "F" } ": fake accuracy; " b.third { "T" } ": generated images found "
                "when at most 5 % of the real ones are accused, the threshold chosen anew at each level. Bands are 95 % intervals "
                "of each level alone."
            }
            @let systems = main_systems(evaluation);
            @let of = |family: &str, system: &str| {
                evaluation.curves.iter().find(|curve| curve.name == family && curve.system == system)
            };
            // One detector: its curves beside each other. Several: a row for each perturbation, to compare them in.
            @if let [only] = &systems[..] {
                div.planes {
                    @for curve in families.iter().filter_map(|family| of(family, &only.name)) {
                        figure { figcaption { b { (curve.name) } } (charts::severity(curve)) }
                    }
                }
            }
            @for family in families {
                @if systems.len() > 1 {
                    h3 { (family) }
                    div.planes {
                        @for curve in systems.iter().filter_map(|system| of(family, &system.name)) {
                            figure { figcaption { (curve.system) } (charts::severity(curve)) }
                        }
                    }
                }
                details {
                    summary { "in numbers: " (family) }
                    @for curve in evaluation.curves.iter().filter(|curve| curve.name == family) { (levels(curve)) }
                }
            }
        }
    }
}

fn levels(curve: &Curve) -> Markup {
    let caption = format!("{}, {}", curve.system, curve.axis);
    scrolling(
        &caption,
        html! {
            table {
                caption { span { (caption) } }
                thead { tr {
                    th scope="col" { "level" } th scope="col" { "n real" } th scope="col" { "n fake" }
                    @for (_, name) in COLUMNS { th scope="col" { (name) } }
                } }
                tbody {
                    @for point in &curve.points {
                        tr {
                            th scope="row" { (charts::level(point)) }
                            td { (super::tables::count(point.real, point.refused_real)) }
                            td { (super::tables::count(point.fake, point.refused_fake)) }
                            @for (metric, _) in COLUMNS {
                                td { (cell(&Cell::counted(point.metrics.iter().find(|interval| interval.metric == metric), [Some(point.real), Some(point.fake)]))) }
                            }
                        }
                    }
                }
            }
        },
    )
}
