//! What was found: sentences, and the differences on which they stand.

use maud::{Markup, html};

use super::advice::cell;
use super::number::{Cell, HEADLINES, p_value};
use super::{scrolling, unbroken};
use crate::evaluate::{Comparison, Evaluation, McNemar, verdict};

pub(super) fn section(evaluation: &Evaluation) -> Markup {
    html! {
        @if evaluation.words.is_empty() && evaluation.comparisons.is_empty() {
            p { "There is one system, so nothing is compared; the tables follow." }
        }
        @if !evaluation.words.is_empty() { ul.words { @for line in &evaluation.words { li { (unbroken(line)) } } } }
        @for after in compared(evaluation) { (differences(evaluation, after)) }
        @if !evaluation.comparisons.is_empty() { p.note { (note(evaluation)) } }
    }
}

/// Systems that are compared to others, in order.
pub(super) fn compared(evaluation: &Evaluation) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for comparison in &evaluation.comparisons {
        if !names.contains(&comparison.after.as_str()) {
            names.push(&comparison.after);
        }
    }
    names
}

/// What the tables of differences mean.
pub(super) fn note(evaluation: &Evaluation) -> String {
    let corrected = match evaluation.family {
        0 => "The intervals are not corrected for the number of comparisons, so no verdict is given."
            .to_owned(),
        1 => {
            "\u{201c}Better\u{201d} and \u{201c}worse\u{201d} are said only where the interval excludes zero."
                .to_owned()
        }
        n => format!(
            "\u{201c}Better\u{201d} and \u{201c}worse\u{201d} are said only where an interval excludes zero that holds for all {n} \
             differences together."
        ),
    };
    format!(
        "{corrected} DeLong's and McNemar's p-values are those of single tests. McNemar counts the images that only one of \
         both has right (before : after). \u{201c}At equal R.Acc\u{201d}: gain in generated images found when the second system \
         gets the threshold at which it accuses no more real images than the first. \u{201c}Detectable\u{201d}: the smallest true \
         difference in balanced accuracy that a sample like this shows four times in five."
    )
}

/// Headings behind the condition and the system compared with.
pub(super) const HEADINGS: [&str; 5] =
    ["DeLong p", "McNemar real", "McNemar generated", "at equal R.Acc", "detectable"];

/// One comparison as it is written.
pub(super) struct Row {
    pub(super) chain: String,
    pub(super) against: String,
    /// A headline's difference and its verdict.
    pub(super) headlines: Vec<(Cell, &'static str)>,
    /// Under [`HEADINGS`].
    pub(super) others: [Cell; 5],
}

/// What `after` is compared with, under each condition.
pub(super) fn rows(evaluation: &Evaluation, after: &str) -> Vec<Row> {
    evaluation.comparisons.iter().filter(|comparison| comparison.after == after).map(Row::new).collect()
}

/// Which of [`HEADINGS`] have a value in any row: some tests are undefined for images that share scenes.
pub(super) fn filled(rows: &[Row]) -> Vec<usize> {
    (0..HEADINGS.len()).filter(|&i| rows.iter().any(|row| row.others[i] != Cell::dash())).collect()
}

impl Row {
    fn new(comparison: &Comparison) -> Self {
        let headlines = HEADLINES.iter().map(|(metric, _)| {
            match comparison.corrected.iter().find(|interval| interval.metric == *metric) {
                Some(corrected) => (Cell::difference(Some(corrected)), verdict(corrected)),
                None => (Cell::difference(comparison.difference(metric)), "no verdict"),
            }
        });
        let plain =
            |text: Option<String>| text.map_or_else(Cell::dash, |value| Cell { value, ..Cell::default() });
        let mcnemar = |test: Option<&McNemar>| Cell {
            remark: test.map(|test| format!("p {}", p_value(test.p))),
            ..plain(test.map(|test| format!("{} : {}", test.only_before, test.only_after)))
        };
        Self {
            chain: comparison.chain.clone(),
            against: comparison.before.clone(),
            headlines: headlines.collect(),
            others: [
                plain(comparison.delong.map(|delong| p_value(delong.p))),
                mcnemar(comparison.mcnemar_real.as_ref()),
                mcnemar(comparison.mcnemar_fake.as_ref()),
                Cell::difference(comparison.at_equal_r_acc.as_ref()),
                plain(comparison.detectable.map(|size| format!("{:.1}", 100.0 * size))),
            ],
        }
    }
}

/// A system minus each other one, on the same images.
fn differences(evaluation: &Evaluation, after: &str) -> Markup {
    let caption = format!("{after} minus each other system, in points (AUC as it is), on the same images");
    let rows = rows(evaluation, after);
    let others = filled(&rows);
    scrolling(
        &caption,
        html! {
            table {
                caption { span { (caption) } }
                thead { tr {
                    th scope="col" { "condition" } th.left scope="col" { "against" }
                    @for (_, name) in HEADLINES { th scope="col" { (name) } }
                    @for &i in &others { th scope="col" { (HEADINGS[i]) } }
                } }
                tbody {
                    @for row in &rows {
                        tr {
                            th scope="row" { (row.chain) }
                            td.left { (row.against) }
                            @for (difference, word) in &row.headlines {
                                td { (cell(difference)) br; span.verdict.better[*word == "better"].worse[*word == "worse"] { (word) } }
                            }
                            @for &i in &others { td { (cell(&row.others[i])) } }
                        }
                    }
                }
            }
        },
    )
}
