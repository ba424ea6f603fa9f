//! Charts as inline SVG, drawn from the numbers that `results.json` holds. Rows of marks are placed in percent, so that
//! they take any width without their text shrinking; curves are small squares of fixed proportions.

mod candidates;
mod dumbbells;
mod histogram;
mod ranks;
mod reliability;
mod roc;
mod severity;
mod spectrum;
mod strips;

pub(super) use candidates::{candidates, candidates_legend};
pub(super) use dumbbells::dumbbells;
pub(super) use histogram::histogram;
pub(super) use ranks::along_ranks;
pub(super) use reliability::reliability;
pub(super) use roc::roc;
pub(super) use severity::{level, severity};
pub(super) use spectrum::spectrum;
pub(super) use strips::strips;

use maud::{Markup, html};

/// A share of the width.
fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share.clamp(0.0, 1.0))
}

/// An axis of logits, which may be so far apart that their difference overflows: all are divided by the largest first.
struct Axis {
    scale: f64,
    low: f64,
    high: f64,
}

impl Axis {
    /// From `low` to a higher `high`, both finite, with a margin at both ends in shares of the width.
    fn new(low: f64, high: f64, margin: f64) -> Self {
        let scale = low.abs().max(high.abs());
        let (low, high) = (low / scale, high / scale);
        let margin = margin * (high - low);
        Self { scale, low: low - margin, high: high + margin }
    }

    /// Where a logit lies: 0 at the lower end, 1 at the upper one.
    fn share(&self, logit: f64) -> f64 {
        (logit / self.scale - self.low) / (self.high - self.low)
    }

    /// The logits at both ends.
    fn ends(&self) -> [f64; 2] {
        [self.low, self.high].map(|end| (end * self.scale).clamp(f64::MIN, f64::MAX))
    }
}

/// A pair of coordinates of a path.
fn at(x: f64, y: f64) -> String {
    format!("{x:.1} {y:.1}")
}

/// The line through `points`.
fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut d = String::new();
    for (x, y) in points {
        d.push(if d.is_empty() { 'M' } else { 'L' });
        d.push_str(&at(x, y));
    }
    d
}

/// The plane of a small chart: shares on both axes, drawn in a square of 300 with room for ticks.
struct Plane;

impl Plane {
    const WIDTH: f64 = 300.0;
    const HEIGHT: f64 = 270.0;
    const LEFT: f64 = 44.0;
    const RIGHT: f64 = 12.0;
    const TOP: f64 = 10.0;
    const BOTTOM: f64 = 42.0;
    /// Ticks of an axis of shares.
    const TICKS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

    fn x(share: f64) -> f64 {
        Self::LEFT + share.clamp(0.0, 1.0) * (Self::WIDTH - Self::LEFT - Self::RIGHT)
    }

    fn y(share: f64) -> f64 {
        Self::HEIGHT - Self::BOTTOM - share.clamp(0.0, 1.0) * (Self::HEIGHT - Self::TOP - Self::BOTTOM)
    }

    fn view_box() -> String {
        format!("0 0 {} {}", Self::WIDTH, Self::HEIGHT)
    }

    /// Horizontal lines at shares of the vertical axis.
    fn rows() -> Markup {
        html! {
            @for tick in Self::TICKS {
                line.grid x1=(Self::x(0.0)) x2=(Self::x(1.0)) y1=(Self::y(tick)) y2=(Self::y(tick)) {}
                text.tick x=(Self::x(0.0) - 6.0) y=(Self::y(tick) + 4.0) text-anchor="end" { (format!("{:.0} %", 100.0 * tick)) }
            }
        }
    }

    /// Vertical lines at shares of the horizontal axis.
    fn columns() -> Markup {
        html! {
            @for tick in Self::TICKS {
                line.grid x1=(Self::x(tick)) x2=(Self::x(tick)) y1=(Self::y(0.0)) y2=(Self::y(1.0)) {}
                text.tick x=(Self::x(tick)) y=(Self::y(0.0) + 16.0) text-anchor="middle" { (format!("{:.0}", 100.0 * tick)) }
            }
        }
    }

    /// The name of the horizontal axis.
    fn title(text: &str) -> Markup {
        html! { text.tick x=(Self::x(0.5)) y=(Self::HEIGHT - 6.0) text-anchor="middle" { (text) } }
    }
}
