//! The page of a sweep: what was chosen, against what, and everything that was tried.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::charts;
use super::document;
use crate::evaluate::counted;
use crate::gate::Ranking;
use crate::sweep::{Candidate, Sweep};

/// Rows of the table that are not folded away.
const SHOWN: usize = 20;

/// What it comes to, for the terminal and the page.
pub fn sentences(sweep: &Sweep) -> Vec<String> {
    let tried = &sweep.candidates;
    let gates: BTreeSet<(&Option<String>, &str)> =
        tried.iter().map(|one| (&one.criterion, one.gate.as_str())).collect();
    let failed = tried.iter().filter(|one| one.error.is_some()).count();
    let metric = sweep.options.choose.replace('_', " ");
    let mut words = vec![format!(
        "{} with {}: {} candidates{}, each judged on {} real and {} generated validation images under {}.",
        counted(gates.len() as u64, "gate"),
        counted(sweep.options.heads.len() as u64, "head"),
        tried.len(),
        if failed > 0 { format!(" ({failed} could not be trained)") } else { String::new() },
        sweep.real,
        sweep.fake,
        sweep.conditions.join(", ")
    )];
    words.push(match sweep.chosen {
        Some(chosen) => {
            format!("Chosen by mean {metric}: {}: {}.", name(&tried[chosen]), score(&tried[chosen]))
        }
        None => format!("Nothing is chosen: {}.", sweep.none_admitted()),
    });
    words.push(format!(
        "The detector as it was has {}, with its bias fitted {}.",
        score(&sweep.base),
        score(&sweep.base_bias)
    ));
    let best_of = |what: &str, of: &dyn Fn(Ranking) -> bool| {
        let scored = tried.iter().filter(|one| one.admitted && of(one.ranking));
        let found =
            scored.max_by(|a, b| a.score.unwrap_or(f64::MIN).total_cmp(&b.score.unwrap_or(f64::MIN)))?;
        Some(format!("{what} {}", score(found)))
    };
    let controls: Vec<String> = [
        best_of("by RAD", &|ranking| matches!(ranking, Ranking::Rad | Ranking::Magnitude)),
        best_of("by fragility or variance", &|ranking| {
            matches!(ranking, Ranking::Fragility | Ranking::Variance)
        }),
        best_of("at random", &|ranking| ranking == Ranking::Random),
        best_of("without pruning", &|ranking| ranking == Ranking::None),
    ]
    .into_iter()
    .flatten()
    .collect();
    if controls.len() > 1 {
        words.push(format!("The best of each kind of gate: {}.", controls.join(", ")));
    }
    if sweep.within_one_error > 1 {
        words.push(format!(
            "{} candidates are within one standard error of the best: these images do not tell them apart.",
            sweep.within_one_error
        ));
    }
    if sweep.chosen.is_none() {
        return words;
    }
    words.push("The best of many is flattered by having been chosen; only images that took no part say what it is worth.".to_owned());
    words
}

fn name(candidate: &Candidate) -> String {
    let gate = match &candidate.criterion {
        Some(criterion) => format!("{} ({criterion})", candidate.gate),
        None => candidate.gate.clone(),
    };
    format!("gate \"{gate}\", head \"{}\"", candidate.head)
}

fn score(candidate: &Candidate) -> String {
    candidate.score.map_or("none".to_owned(), |score| format!("{score:.3}"))
}

/// The page, one self-contained file. `command` made it.
pub fn page(sweep: &Sweep, command: &str) -> String {
    let title = format!("Sweep of {}", sweep.detector);
    let mut order: Vec<usize> = (0..sweep.candidates.len()).collect();
    let of = |index: usize| {
        let candidate = &sweep.candidates[index];
        (candidate.admitted, candidate.score.unwrap_or(f64::MIN))
    };
    order.sort_by(|&a, &b| of(b).0.cmp(&of(a).0).then(of(b).1.total_cmp(&of(a).1)));
    let (first, rest) = order.split_at(order.len().min(SHOWN));
    let body = html! {
        header { h1 { (title) } }
        main {
            section { ul.words { @for sentence in sentences(sweep) { li { (sentence) } } } }
            section aria-labelledby="plane" {
                h2 id="plane" { "Real and fake accuracy of every candidate, on validation images" }
                div.planes {
                    @for (at, condition) in sweep.conditions.iter().enumerate() {
                        figure { figcaption { code { (condition) } } (charts::candidates(sweep, at)) }
                    }
                }
                (charts::candidates_legend())
            }
            section aria-labelledby="table" {
                h2 id="table" { "Everything that was tried" }
                (table(sweep, first, true))
                @if !rest.is_empty() {
                    details { summary { (format!("{} more", rest.len())) } (table(sweep, rest, false)) }
                }
            }
            section aria-labelledby="again" {
                h2 id="again" { "The command" }
                pre { (command) }
            }
        }
    };
    document(&title, "", &body)
}

fn table(sweep: &Sweep, order: &[usize], with_base: bool) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.left rowspan="2" { "gate" } th.left rowspan="2" { "head" } th rowspan="2" { "kept" }
                        th rowspan="2" { "mean " (sweep.options.choose.replace('_', " ")) }
                        @for condition in &sweep.conditions { th colspan="4" { (condition) } }
                    }
                    tr { @for _ in &sweep.conditions { th { "R.Acc" } th { "F.Acc" } th { "AUC" } th { "TPR at 5 %" } } }
                }
                tbody {
                    @if with_base { (row(&sweep.base, false)) (row(&sweep.base_bias, false)) }
                    @for &index in order { (row(&sweep.candidates[index], Some(index) == sweep.chosen)) }
                }
            }
        }
    }
}

fn row(candidate: &Candidate, chosen: bool) -> Markup {
    let per_cent =
        |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{:.1}", 100.0 * share));
    html! {
        tr.strong[chosen] {
            th {
                (candidate.gate)
                @if let Some(criterion) = &candidate.criterion { " " small { (criterion) } }
                @if chosen { " " small { "chosen" } }
            }
            td.left { (candidate.head) @if let Some(error) = &candidate.error { " " small { (error) } } }
            td { (candidate.kept) }
            td { (score(candidate)) @if !candidate.admitted && candidate.error.is_none() { " " small { "loses too much R.Acc" } } }
            @for judged in &candidate.judged {
                td { (per_cent(judged.r_acc)) } td { (per_cent(judged.f_acc)) }
                td { (judged.auc.map_or("–".to_owned(), |auc| format!("{auc:.3}"))) } td { (per_cent(judged.tpr_at_5_fpr)) }
            }
        }
    }
}
