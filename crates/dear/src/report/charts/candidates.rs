use maud::{Markup, html};

use super::Plane;
use crate::gate::Ranking;
use crate::sweep::{Candidate, Sweep};

/// Every candidate of a sweep by real and fake accuracy under one condition.
pub(in crate::report) fn candidates(sweep: &Sweep, condition: usize) -> Markup {
    let place = |candidate: &Candidate| {
        let judged = candidate.judged.get(condition)?;
        Some((Plane::x(judged.r_acc?), Plane::y(judged.f_acc?)))
    };
    // Controls last: they lie on top where points meet.
    let mut order: Vec<&Candidate> = sweep.candidates.iter().collect();
    order.sort_by_key(|candidate| class(candidate.ranking) != "real");
    let what = format!(
        "real and fake accuracy of {} candidates under {}",
        sweep.candidates.len(),
        sweep.conditions[condition]
    );
    html! {
        svg.plane viewBox=(Plane::view_box()) role="img" aria-label=(what) {
            (Plane::rows()) (Plane::columns()) (Plane::title("real accuracy, %; upwards: fake accuracy"))
            @for candidate in order {
                @if let Some((x, y)) = place(candidate) {
                    circle.candidate.(class(candidate.ranking)) cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3" {}
                }
            }
            @for (candidate, letter) in [(&sweep.base, "B"), (&sweep.base_bias, "b")] {
                @if let Some((x, y)) = place(candidate) {
                    text.mark x=(format!("{x:.1}")) y=(format!("{:.1}", y + 4.0)) text-anchor="middle" { (letter) }
                }
            }
            @if let Some((x, y)) = sweep.chosen.and_then(|chosen| place(&sweep.candidates[chosen])) {
                circle.ring cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="7" {}
            }
        }
    }
}

/// What the marks mean.
pub(in crate::report) fn candidates_legend() -> Markup {
    html! {
        p.legend {
            span.dot.real {} " pruned by RAD " span.dot.third {} " by fragility or variance " span.dot.soft {} " at random or not at all; "
            b { "B" } " the detector as it was, " b { "b" } " with its bias fitted; the ring is the chosen one"
        }
    }
}

fn class(ranking: Ranking) -> &'static str {
    match ranking {
        Ranking::Rad | Ranking::Magnitude => "real",
        Ranking::Fragility | Ranking::Variance => "third",
        Ranking::Random | Ranking::None => "soft",
    }
}
