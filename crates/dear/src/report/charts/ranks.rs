use maud::{Markup, html};

use super::{Plane, path};
use crate::fragility::{AlongRanks, Ends, RankBin};
use crate::report::number::significant;

/// A value along the ranking by RAD, with its band, on a logarithmic axis.
pub(in crate::report) fn along_ranks(along: &AlongRanks, of: fn(&RankBin) -> Ends, what: &str) -> Markup {
    let bins: Vec<(f64, Ends)> =
        along.bins.iter().map(|bin| ((bin.from + bin.to) as f64 / 2.0, of(bin))).collect();
    let last = along.bins.last().map_or(1, |bin| bin.to) as f64;
    // A group that never moves has no place on a logarithmic axis.
    let moving: Vec<&(f64, Ends)> = bins.iter().filter(|(_, ends)| ends.low > 0.0).collect();
    let decade = |value: f64| value.log10();
    let low = moving.iter().map(|(_, ends)| decade(ends.low).floor()).fold(f64::INFINITY, f64::min);
    let high = moving.iter().map(|(_, ends)| decade(ends.high).ceil()).fold(f64::NEG_INFINITY, f64::max);
    if moving.is_empty() {
        return html! { p.note { "No channel moves." } };
    }
    let high = if high > low { high } else { low + 1.0 };
    let x = |rank: f64| Plane::x((rank - 0.5) / last);
    let y = |value: f64| Plane::y((decade(value) - low) / (high - low));
    let step = ((high - low) / 5.0).ceil().max(1.0) as usize;
    let ticks: Vec<i32> = (low as i32..=high as i32).step_by(step).collect();
    html! {
        svg.plane viewBox=(Plane::view_box()) role="img"
            aria-label=(format!("{what} along {} groups of ranks, from {} at the highest scores to {} at the lowest", bins.len(),
                significant(bins[0].1.value), significant(bins[bins.len() - 1].1.value))) {
            @for tick in ticks {
                @let at = Plane::y((f64::from(tick) - low) / (high - low));
                line.grid x1=(Plane::x(0.0)) x2=(Plane::x(1.0)) y1=(at) y2=(at) {}
                text.tick x=(Plane::x(0.0) - 6.0) y=(at + 4.0) text-anchor="end" { (format!("1e{tick}")) }
            }
            @for (share, text, anchor) in [(0.0, "1".to_owned(), "start"), (1.0, format!("{last:.0}"), "end")] {
                text.tick x=(Plane::x(share)) y=(Plane::y(0.0) + 16.0) text-anchor=(anchor) { (text) }
            }
            (Plane::title("rank by RAD, highest first"))
            g.real {
                @let there = moving.iter().map(|(rank, ends)| (x(*rank), y(ends.low)));
                @let back = moving.iter().rev().map(|(rank, ends)| (x(*rank), y(ends.high)));
                path.band d=(format!("{}Z", path(there.chain(back)))) {}
                path.curve d=(path(moving.iter().map(|(rank, ends)| (x(*rank), y(ends.value))))) {}
                @for (rank, ends) in &moving { circle cx=(format!("{:.1}", x(*rank))) cy=(format!("{:.1}", y(ends.value))) r="2.5" {} }
            }
        }
    }
}
