//! Every metric with its interval: all systems under each condition, and each subset.

use maud::{Markup, html};

use super::advice::cell;
use super::number::{COLUMNS, Cell, STRICT_COLUMNS};
use super::{main_systems, scrolling};
use crate::evaluate::{Evaluation, SubsetKind, Table};

/// A table's rows: name, whether it is set in bold, numbers.
pub(super) type Rows<'a> = Vec<(String, bool, &'a Table)>;

pub(super) fn systems(evaluation: &Evaluation) -> Markup {
    html! {
        @for chain in &evaluation.chains {
            @let rows = of_systems(evaluation, chain);
            @if !rows.is_empty() {
                (table(chain, "system", COLUMNS, &rows))
                @if has(&rows, STRICT_COLUMNS) {
                    details {
                        summary { "few false alarms, and probabilities: " (chain) }
                        (table(chain, "system", STRICT_COLUMNS, &rows))
                    }
                }
            }
        }
        @if !evaluation.systems.is_empty() { dl.notes { @for system in &evaluation.systems { dt { (system.name) } dd { (system.note) } } } }
    }
}

pub(super) fn subsets(evaluation: &Evaluation) -> Markup {
    let tables: Vec<(String, Rows)> = main_systems(evaluation)
        .iter()
        .flat_map(|system| evaluation.chains.iter().map(move |chain| (system, chain)))
        .map(|(system, chain)| {
            (format!("{}, {chain}", system.name), of_subsets(evaluation, chain, &system.name))
        })
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    html! {
        @if !tables.is_empty() {
            p { "A generator is judged against all real images; a set of real images has a real accuracy only." }
            @for (i, (caption, rows)) in tables.iter().enumerate() {
                details open[i == 0] {
                    summary { (caption) }
                    (table(caption, "subset", COLUMNS, rows))
                }
            }
        }
    }
}

/// All systems under one condition, on everything.
pub(super) fn of_systems<'a>(evaluation: &'a Evaluation, chain: &str) -> Rows<'a> {
    let row = |name: &str, strong| Some((name.to_owned(), strong, evaluation.table(chain, name, "all")?));
    evaluation.systems.iter().filter_map(|system| row(&system.name, system.hardened)).collect()
}

/// All subsets of one system under one condition.
pub(super) fn of_subsets<'a>(evaluation: &'a Evaluation, chain: &str, system: &str) -> Rows<'a> {
    let of = |table: &&Table| table.chain == chain && table.system == system && table.kind != SubsetKind::All;
    let row = |table: &'a Table| match table.kind {
        SubsetKind::MeanOverGenerators => ("mean over generators".to_owned(), true, table),
        SubsetKind::RealSet => (format!("{} (real)", table.subset), false, table),
        SubsetKind::All | SubsetKind::Generator => (table.subset.clone(), false, table),
    };
    evaluation.tables.iter().filter(of).map(row).collect()
}

/// Whether any row has any of the columns.
pub(super) fn has(rows: &Rows, columns: &[(&str, &str)]) -> bool {
    rows.iter().any(|(_, _, table)| columns.iter().any(|(metric, _)| table.metric(metric).is_some()))
}

fn table(caption: &str, head: &str, columns: &[(&str, &str)], rows: &Rows) -> Markup {
    scrolling(
        caption,
        html! {
            table {
                caption { span { (caption) } }
                thead { tr {
                    th scope="col" { (head) }
                    th scope="col" { "n real" } th scope="col" { "n fake" }
                    @for (_, name) in columns { th scope="col" { (name) } }
                } }
                tbody {
                    @for (name, strong, row) in rows {
                        tr.strong[*strong] {
                            th scope="row" { (name) }
                            td { (count(row.real, row.refused_real)) }
                            td { (count(row.fake, row.refused_fake)) }
                            @for (metric, _) in columns { td { (cell(&of_table(row, metric))) } }
                        }
                    }
                }
            }
        },
    )
}

/// A metric of a table. Real images alone have a real accuracy only, which the text above the table says once.
pub(super) fn of_table(table: &Table, metric: &str) -> Cell {
    match Cell::counted(table.metric(metric), scored(table)) {
        cell if table.kind == SubsetKind::RealSet && cell.ends.is_none() => Cell { remark: None, ..cell },
        cell => cell,
    }
}

/// Images of each class of which a rate is a share. A mean over generators has as many rates as generators, and no number of
/// generated images.
fn scored(table: &Table) -> [Option<u64>; 2] {
    [Some(table.real), (table.kind != SubsetKind::MeanOverGenerators).then_some(table.fake)]
}

/// Images scored, and refused where some were.
pub(super) fn count(scored: u64, refused: u64) -> Markup {
    html! { (scored) @if refused > 0 { br; span.refused { (refused) " refused" } } }
}
