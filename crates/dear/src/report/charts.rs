//! Charts as inline SVG, drawn from the numbers that `results.json` holds.

use maud::{Markup, html};

use crate::evaluate::Evaluation;
use crate::rad::Rad;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 20.0;
const ROW: f64 = 34.0;

/// For each system the real and the fake accuracy on one line, with whiskers, joined by the asymmetry between them.
pub(super) fn dumbbells(evaluation: &Evaluation, chain: &str) -> Markup {
    let x = |share: f64| LEFT + share * (WIDTH - LEFT - RIGHT);
    let rows: Vec<_> = evaluation
        .systems
        .iter()
        .filter_map(|system| {
            let table = evaluation.table(chain, &system.name, "all")?;
            Some((system, table.metric("r_acc")?, table.metric("f_acc")?))
        })
        .collect();
    let height = 34.0 + ROW * rows.len() as f64;
    let bottom = height - 26.0;
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(format!("real and fake accuracy of each system, {chain}")) {
            @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                line.grid x1=(x(tick)) x2=(x(tick)) y1="4" y2=(bottom) {}
                text.tick x=(x(tick)) y=(height - 8.0) text-anchor="middle" { (format!("{:.0} %", 100.0 * tick)) }
            }
            @for (i, (system, real, fake)) in rows.iter().enumerate() {
                @let y = 8.0 + ROW * (i as f64 + 0.5);
                text.name.strong[system.hardened] x=(LEFT - 12.0) y=(y + 4.0) text-anchor="end" { (system.name) }
                @if let (Some(r), Some(f)) = (real.value, fake.value) {
                    line.gap x1=(x(r)) x2=(x(f)) y1=(y) y2=(y) {}
                    @for (interval, value, class, name, dy) in [(real, r, "real", "real accuracy", -4.0), (fake, f, "fake", "fake accuracy", 4.0)] {
                        g class=(class) {
                            @if let (Some(low), Some(high)) = (interval.low, interval.high) {
                                line.whisker x1=(x(low)) x2=(x(high)) y1=(y + dy) y2=(y + dy) {}
                            }
                            circle cx=(x(value)) cy=(y + dy) r="5" { title { (format!("{}: {name} {:.1} %", system.name, 100.0 * value)) } }
                        }
                    }
                }
            }
        }
        p.legend { span.dot.real {} " real accuracy " span.dot.fake {} " fake accuracy" }
    }
}

/// Scores in order, highest first, with the pruned channels shaded.
pub(super) fn spectrum(rad: &Rad, pruned: &[u32]) -> Markup {
    let mut order: Vec<usize> = (0..rad.scores.len()).collect();
    order.sort_by(|&a, &b| rad.scores[b].total_cmp(&rad.scores[a]).then(a.cmp(&b)));
    let is_pruned: Vec<bool> = order.iter().map(|&channel| pruned.contains(&(channel as u32))).collect();
    let (top, height, left) = (14.0, 240.0, 64.0);
    let max = rad.scores.iter().copied().fold(0.0, f64::max);
    let min = rad.scores.iter().copied().fold(0.0, f64::min);
    let span = if max > min { max - min } else { 1.0 };
    let step = (WIDTH - left - RIGHT) / order.len() as f64;
    let y = |score: f64| top + (max - score) / span * (height - top - 30.0);
    let x = |rank: usize| left + step * rank as f64;
    // Runs of pruned ranks, shaded as one rectangle each.
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for rank in (0..order.len()).filter(|&rank| is_pruned[rank]) {
        match runs.last_mut() {
            Some((_, end)) if *end == rank => *end = rank + 1,
            _ => runs.push((rank, rank + 1)),
        }
    }
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label="RAD score of every channel in order, pruned channels shaded" {
            @for (start, end) in &runs {
                rect.pruned x=(x(*start)) y=(top) width=(step * (end - start) as f64) height=(height - top - 30.0) {}
            }
            @for score in [max, 0.0, min] {
                line.grid x1=(left) x2=(WIDTH - RIGHT) y1=(y(score)) y2=(y(score)) {}
                @if score != 0.0 || (y(0.0) - y(max) > 12.0 && y(min) - y(0.0) > 12.0) {
                    text.tick x=(left - 6.0) y=(y(score) + 4.0) text-anchor="end" { (number(score)) }
                }
            }
            @for (rank, &channel) in order.iter().enumerate() {
                @let score = rad.scores[channel];
                rect.fake[score > 0.0].real[score <= 0.0]
                    x=(format!("{:.2}", x(rank))) width=(format!("{:.2}", (step * 0.9).max(0.3)))
                    y=(format!("{:.2}", y(score.max(0.0)))) height=(format!("{:.2}", (y(score.min(0.0)) - y(score.max(0.0))).max(0.5))) {}
            }
            text.tick x=(left) y=(height - 8.0) { "rank 1" }
            text.tick x=(WIDTH - RIGHT) y=(height - 8.0) text-anchor="end" { "rank " (order.len()) }
        }
        p.legend {
            span.dot.fake {} " fires on generated pixels " span.dot.real {} " fires on real pixels " span.dot.pruned {} " pruned"
        }
    }
}

/// Three significant digits.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 8) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_three_significant_digits() {
        for (value, expected) in [(0.0, "0"), (1.23456, "1.23"), (-0.012345, "-0.0123"), (123.4, "123")] {
            assert_eq!(number(value), expected);
        }
    }
}
