//! Per-class denominators: what was listed, scored and refused, and what an accuracy is of.

use maud::{Markup, html};

use super::{main_systems, scrolling};
use crate::evaluate::{Evaluation, Table, counted};

/// Headings behind condition and system.
pub(super) const HEADINGS: [&str; 7] = [
    "class",
    "listed",
    "scored",
    "refused",
    "right, of scored %",
    "right, of listed %",
    "wrong or refused, of listed %",
];

pub(super) fn section(evaluation: &Evaluation) -> Markup {
    let rows = rows(evaluation);
    html! {
        p { (sentence(evaluation)) }
        @if !rows.is_empty() {
            (scrolling("images refused", html! {
                table {
                    caption { span { "Conditions under which images were refused: an accuracy of the scored ones hides those" } }
                    thead { tr {
                        th scope="col" { "condition" } th.left scope="col" { "system" }
                        @for heading in HEADINGS { th scope="col" { (heading) } }
                    } }
                    tbody {
                        @for row in &rows { tr {
                            th scope="row" { (row.chain) } td.left { (row.system) }
                            @for text in &row.cells { td { (text) } }
                        } }
                    }
                }
            }))
        }
    }
}

/// Whether anything is missing from the denominators, in words.
pub(super) fn sentence(evaluation: &Evaluation) -> String {
    let data = &evaluation.data;
    let refused = evaluation.tables.iter().any(|table| table.refused_real + table.refused_fake > 0);
    let what = if refused {
        "Some images could not be scored; the tables above count those that were, this one counts all."
    } else {
        "Every image listed was scored under every condition, so each share is one of all images of its class."
    };
    let skipped = match data.skipped {
        0 => String::new(),
        n => {
            let were = if n == 1 { "was" } else { "were" };
            format!(" {} in the folder {were} passed over.", counted(n, "other file"))
        }
    };
    let generated = counted(data.fake, "generated image");
    format!("{} real and {generated} were listed. {what}{skipped}", data.real)
}

/// One class of one system under one condition.
pub(super) struct Row {
    pub(super) chain: String,
    pub(super) system: String,
    /// Under [`HEADINGS`].
    pub(super) cells: [String; 7],
}

/// Rows of the conditions under which some image was refused.
pub(super) fn rows(evaluation: &Evaluation) -> Vec<Row> {
    let mut rows = Vec::new();
    for chain in &evaluation.chains {
        for system in main_systems(evaluation) {
            let Some(table) = evaluation.table(chain, &system.name, "all") else { continue };
            for (class, metric, scored, refused) in [
                ("real", "r_acc", table.real, table.refused_real),
                ("generated", "f_acc", table.fake, table.refused_fake),
            ] {
                if table.refused_real + table.refused_fake > 0 {
                    rows.push(row(table, class, metric, scored, refused));
                }
            }
        }
    }
    rows
}

fn row(table: &Table, class: &str, metric: &str, scored: u64, refused: u64) -> Row {
    let share = table.metric(metric).and_then(|interval| interval.value);
    let right = share.map(|share| share * scored as f64);
    let text = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{:.1}", 100.0 * share));
    let listed = scored + refused;
    let of_listed = if listed == 0 { None } else { Some(right.unwrap_or(0.0) / listed as f64) };
    Row {
        chain: table.chain.clone(),
        system: table.system.clone(),
        cells: [
            class.to_owned(),
            listed.to_string(),
            scored.to_string(),
            refused.to_string(),
            text(share),
            text(of_listed),
            text(of_listed.map(|share| 1.0 - share)),
        ],
    }
}
