use std::fmt::Write as _;

use maud::{Markup, html};

use crate::rad::{Rad, Reliability};
use crate::report::number::significant;

/// Height of the drawing's own unit square.
const HEIGHT: f64 = 200.0;

/// Scores in order, highest first, with the pruned channels shaded, and with the intervals behind them where they are known.
pub(in crate::report) fn spectrum(rad: &Rad, pruned: &[u32], sure: Option<&Reliability>) -> Markup {
    let mut order: Vec<usize> = (0..rad.scores.len()).collect();
    order.sort_by(|&a, &b| rad.scores[b].total_cmp(&rad.scores[a]).then(a.cmp(&b)));
    let is_pruned: Vec<bool> = order.iter().map(|&channel| pruned.contains(&(channel as u32))).collect();
    let (lows, highs) = sure.map_or((&rad.scores, &rad.scores), |sure| (&sure.low, &sure.high));
    let max = highs.iter().copied().fold(0.0, f64::max);
    let min = lows.iter().copied().fold(0.0, f64::min);
    let span = if max > min { max - min } else { 1.0 };
    let y = |score: f64| (max - score) / span * HEIGHT;
    // Runs of pruned ranks, shaded as one rectangle each.
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for rank in (0..order.len()).filter(|&rank| is_pruned[rank]) {
        match runs.last_mut() {
            Some((_, end)) if *end == rank => *end = rank + 1,
            _ => runs.push((rank, rank + 1)),
        }
    }
    // One bar a channel, all bars of a sign in one path; the drawing is stretched to the page, so a bar is one unit wide.
    let bars = |positive: bool| {
        let mut d = String::new();
        for (rank, &channel) in order.iter().enumerate() {
            let score = rad.scores[channel];
            if (score > 0.0) == positive {
                let _ = write!(d, "M{rank} {:.1}V{:.1}h1V{:.1}Z", y(0.0), y(score), y(0.0));
            }
        }
        d
    };
    // Lower and upper ends as one area of steps.
    let band = sure.map(|sure| {
        let mut d = format!("M0 {:.1}", y(sure.high[order[0]]));
        for (rank, &channel) in order.iter().enumerate() {
            let _ = write!(d, "V{:.1}H{}", y(sure.high[channel]), rank + 1);
        }
        for (rank, &channel) in order.iter().enumerate().rev() {
            let _ = write!(d, "V{:.1}H{rank}", y(sure.low[channel]));
        }
        d.push('Z');
        d
    });
    html! {
        div.spectrum {
            div.scale aria-hidden="true" { span { (significant(max)) } span { (significant(min)) } }
            svg viewBox=(format!("0 0 {} {HEIGHT}", order.len().max(1))) preserveAspectRatio="none" role="img"
                aria-label=(format!("RAD score of {} channels in order, from {} to {}, pruned channels shaded", order.len(), significant(max), significant(min))) {
                @for (start, end) in &runs { rect.pruned x=(start) width=(end - start) y="0" height=(HEIGHT) {} }
                @if let Some(band) = band { path.band d=(band) {} }
                path.fake d=(bars(true)) {}
                path.real d=(bars(false)) {}
                line.axis x1="0" x2=(order.len()) y1=(y(0.0)) y2=(y(0.0)) {}
            }
            div {} div.scale.ranks aria-hidden="true" { span { "rank 1" } span { "rank " (order.len()) } }
        }
        p.legend {
            span.dot.fake {} " above the line: fires on generated pixels " span.dot.real {} " below: fires on real pixels "
            @if !pruned.is_empty() { span.dot.pruned {} " pruned" }
        }
    }
}
