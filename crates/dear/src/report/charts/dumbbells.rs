use maud::{Markup, html};

use super::percent;
use crate::evaluate::Evaluation;
use crate::report::number::share;

/// For each system the real (circle) and the fake (diamond) accuracy on one line, with whiskers, joined by the asymmetry
/// between them.
pub(in crate::report) fn dumbbells(evaluation: &Evaluation, chain: &str) -> Markup {
    let rows = evaluation.systems.iter().filter_map(|system| {
        let table = evaluation.table(chain, &system.name, "all")?;
        Some((system, table.metric("r_acc")?, table.metric("f_acc")?))
    });
    html! {
        div.rows {
            @for (system, real, fake) in rows {
                div.name.strong[system.hardened] { (system.name) }
                @let label = format!("{}: real accuracy {}, fake accuracy {}", system.name, share(real), share(fake));
                svg.row height="32" role="img" {
                    title { (label) }
                    @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                        line.grid x1=(percent(tick)) x2=(percent(tick)) y1="0" y2="32" {}
                    }
                    @if let (Some(r), Some(f)) = (real.value, fake.value) {
                        line.gap x1=(percent(r)) x2=(percent(f)) y1="16" y2="16" {}
                    }
                    @for (interval, class, y) in [(real, "real", 12), (fake, "fake", 20)] {
                        g class=(class) {
                            @if let (Some(low), Some(high)) = (interval.low, interval.high) {
                                line.whisker x1=(percent(low)) x2=(percent(high)) y1=(y) y2=(y) {}
                            }
                            @if let Some(value) = interval.value {
                                @if class == "real" {
                                    circle cx=(percent(value)) cy=(y) r="5" {}
                                } @else {
                                    svg x=(percent(value)) y=(y) overflow="visible" { path d="M0-6.5L6.5 0 0 6.5-6.5 0Z" {} }
                                }
                            }
                        }
                    }
                }
            }
            div {}
            svg.row height="18" aria-hidden="true" {
                @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    text.tick x=(percent(tick)) y="13" text-anchor="middle" { (format!("{:.0} %", 100.0 * tick)) }
                }
            }
        }
    }
}
