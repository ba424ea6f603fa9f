//! The report as Markdown, for a pull request or a repository: the same facts, without pictures.

use super::number::{COLUMNS, Cell, HEADLINES, STRICT_COLUMNS};
use super::page::Page;
use super::tables::{self, Rows};
use super::{Extras, advice, counts, examples, findings, lead, main_systems, provenance};
use crate::evaluate::Evaluation;

/// `report.md`: advice, findings, tables, counts and provenance as GitHub's Markdown. Names are escaped, so that none of them
/// can break a table or become a link.
pub fn markdown(evaluation: &Evaluation, extras: &Extras) -> String {
    let mut text = String::new();
    let mut page = Page(&mut text);
    page.heading(1, extras.title);
    page.paragraph(&lead(evaluation));
    if let Some(caution) = extras.caution {
        page.quote(caution);
    }
    safe(&mut page, evaluation);
    found(&mut page, evaluation);
    systems(&mut page, evaluation);
    severity(&mut page, evaluation);
    subsets(&mut page, evaluation);
    counted(&mut page, evaluation);
    errors(&mut page, evaluation, extras);
    made(&mut page, evaluation, extras);
    text
}

fn safe(page: &mut Page, evaluation: &Evaluation) {
    page.heading(2, "Is it safe to use?");
    for warning in advice::warnings(evaluation) {
        page.quote(&warning);
    }
    if evaluation.advice.is_empty() {
        page.paragraph("Nothing can be said: no detector was judged, or none of the images could be scored.");
    }
    for advice in &evaluation.advice {
        page.heading(3, &format!("{}: {}", advice.system, advice::word(advice.standing)));
        page.list(&advice.sentences);
        page.paragraph(&format!("{}.", advice::threshold(advice)));
        let heads =
            ["condition", "real images accused %", "generated images found %", "AUC", "n real + fake"];
        let rows = advice::rows(evaluation, advice);
        page.table(
            &heads.map(str::to_owned),
            rows.iter().map(|row| {
                vec![
                    row.chain.clone(),
                    inline(&row.accused),
                    inline(&row.found),
                    inline(&row.auc),
                    row.n.clone(),
                ]
            }),
        );
    }
}

fn found(page: &mut Page, evaluation: &Evaluation) {
    if evaluation.words.is_empty() && evaluation.comparisons.is_empty() {
        return;
    }
    page.heading(2, "What was found");
    page.list(&evaluation.words);
    for after in findings::compared(evaluation) {
        page.paragraph(&format!(
            "{after} minus each other system, in points (AUC as it is), on the same images:"
        ));
        let rows = findings::rows(evaluation, after);
        let others = findings::filled(&rows);
        let mut heads = vec!["condition".to_owned(), "against".to_owned()];
        heads.extend(HEADLINES.iter().map(|(_, name)| (*name).to_owned()));
        heads.extend(others.iter().map(|&i| findings::HEADINGS[i].to_owned()));
        page.table(
            &heads,
            rows.iter().map(|row| {
                let mut cells = vec![row.chain.clone(), row.against.clone()];
                cells.extend(row.headlines.iter().map(|(cell, word)| format!("{}: {word}", inline(cell))));
                cells.extend(others.iter().map(|&i| inline(&row.others[i])));
                cells
            }),
        );
    }
    if !evaluation.comparisons.is_empty() {
        page.paragraph(&findings::note(evaluation));
    }
}

fn systems(page: &mut Page, evaluation: &Evaluation) {
    page.heading(2, "Every system, every condition");
    for chain in &evaluation.chains {
        let rows = tables::of_systems(evaluation, chain);
        if rows.is_empty() {
            continue;
        }
        page.heading(3, chain);
        metrics(page, "system", COLUMNS, &rows);
        if tables::has(&rows, STRICT_COLUMNS) {
            metrics(page, "system", STRICT_COLUMNS, &rows);
        }
    }
    let notes: Vec<String> =
        evaluation.systems.iter().map(|system| format!("{}: {}", system.name, system.note)).collect();
    page.list(&notes);
}

fn severity(page: &mut Page, evaluation: &Evaluation) {
    if evaluation.curves.is_empty() {
        return;
    }
    page.heading(2, "How much processing it bears");
    for curve in &evaluation.curves {
        page.heading(3, &format!("{}, {}", curve.system, curve.axis));
        let heads: Vec<String> = ["level".to_owned(), "n real".to_owned(), "n fake".to_owned()]
            .into_iter()
            .chain(COLUMNS.iter().map(|(_, name)| (*name).to_owned()))
            .collect();
        page.table(
            &heads,
            curve.points.iter().map(|point| {
                let metric = |name: &str| point.metrics.iter().find(|interval| interval.metric == name);
                let counts = [
                    super::charts::level(point),
                    count(point.real, point.refused_real),
                    count(point.fake, point.refused_fake),
                ];
                counts
                    .into_iter()
                    .chain(COLUMNS.iter().map(|(name, _)| {
                        inline(&Cell::counted(metric(name), [Some(point.real), Some(point.fake)]))
                    }))
                    .collect()
            }),
        );
    }
}

fn subsets(page: &mut Page, evaluation: &Evaluation) {
    let systems = main_systems(evaluation);
    let some = systems.iter().any(|system| {
        evaluation.chains.iter().any(|chain| !tables::of_subsets(evaluation, chain, &system.name).is_empty())
    });
    if !some {
        return;
    }
    page.heading(2, "Per subset");
    page.paragraph(
        "A generator is judged against all real images; a set of real images has a real accuracy only.",
    );
    for system in systems {
        for chain in &evaluation.chains {
            let rows = tables::of_subsets(evaluation, chain, &system.name);
            if !rows.is_empty() {
                page.heading(3, &format!("{}, {chain}", system.name));
                metrics(page, "subset", COLUMNS, &rows);
            }
        }
    }
}

fn counted(page: &mut Page, evaluation: &Evaluation) {
    page.heading(2, "What was counted");
    page.paragraph(&counts::sentence(evaluation));
    let rows = counts::rows(evaluation);
    if rows.is_empty() {
        return;
    }
    let mut heads = vec!["condition".to_owned(), "system".to_owned()];
    heads.extend(counts::HEADINGS.map(str::to_owned));
    page.table(
        &heads,
        rows.into_iter().map(|row| [row.chain, row.system].into_iter().chain(row.cells).collect()),
    );
}

fn errors(page: &mut Page, evaluation: &Evaluation, extras: &Extras) {
    if extras.examples.is_empty() {
        return;
    }
    page.heading(2, "Pictures");
    page.paragraph("The pictures themselves, with heat maps, are in the HTML report.");
    for group in extras.examples.chunk_by(|a, b| a.kind() == b.kind()) {
        page.heading(3, &group[0].kind());
        page.table(
            &["image", "condition", "in truth", "said"].map(str::to_owned),
            group.iter().map(|example| {
                let said: Vec<String> = example
                    .main_logits(evaluation)
                    .into_iter()
                    .map(|logit| format!("{}: {}", logit.system, examples::said(logit.logit)))
                    .collect();
                vec![example.path.clone(), example.chain.clone(), example.truth().to_owned(), said.join("; ")]
            }),
        );
    }
}

fn made(page: &mut Page, evaluation: &Evaluation, extras: &Extras) {
    page.heading(2, "How this was made");
    page.table(
        &["what", "which"].map(str::to_owned),
        provenance::facts(evaluation, extras).into_iter().map(|fact| vec![fact.name, fact.text]),
    );
    page.paragraph(provenance::STAR);
}

fn metrics(page: &mut Page, head: &str, columns: &[(&str, &str)], rows: &Rows) {
    let heads: Vec<String> = [head, "n real", "n fake"]
        .into_iter()
        .chain(columns.iter().map(|(_, name)| *name))
        .map(str::to_owned)
        .collect();
    page.table(
        &heads,
        rows.iter().map(|(name, _, table)| {
            let counts =
                [name.clone(), count(table.real, table.refused_real), count(table.fake, table.refused_fake)];
            let cells = columns.iter().map(|(metric, _)| inline(&tables::of_table(table, metric)));
            counts.into_iter().chain(cells).collect()
        }),
    );
}

fn count(scored: u64, refused: u64) -> String {
    if refused > 0 { format!("{scored} ({refused} refused)") } else { scored.to_string() }
}

/// A cell on one line.
fn inline(cell: &Cell) -> String {
    let ends = cell.ends.iter().map(|ends| format!(" [{ends}]")).collect::<String>();
    let remark = cell.remark.iter().map(|remark| format!(" ({remark})")).collect::<String>();
    format!("{}{ends}{remark}", cell.value)
}
