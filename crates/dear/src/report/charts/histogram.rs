use maud::{Markup, html};

use super::{Axis, percent};
use crate::evaluate::Shape;
use crate::report::number::significant;

/// Height of one class, in pixels.
const HALF: f64 = 64.0;

/// Logits of real images upwards, of generated ones downwards, each as a share of its class; a line at each threshold.
pub(in crate::report) fn histogram(shape: &Shape) -> Markup {
    let (Some(&first), Some(&last)) = (shape.edges.first(), shape.edges.last()) else { return html! {} };
    if last <= first {
        return html! {};
    }
    let axis = Axis::new(first, last, 0.0);
    let x = |logit: f64| axis.share(logit);
    let total = |counts: &[u64]| counts.iter().sum::<u64>().max(1) as f64;
    let (reals, fakes) = (total(&shape.real), total(&shape.fake));
    let tallest = shape.real.iter().map(|&n| n as f64 / reals);
    let tallest = tallest.chain(shape.fake.iter().map(|&n| n as f64 / fakes)).fold(0.0, f64::max);
    let height = |n: u64, of: f64| if tallest > 0.0 { n as f64 / of / tallest * HALF } else { 0.0 };
    html! {
        svg.row.card height=(2.0 * HALF + 24.0) role="img"
            aria-label=(format!("distribution of logits of {}, {}: real images upwards, generated downwards", shape.system, shape.chain)) {
            @for (i, edges) in shape.edges.windows(2).enumerate() {
                @let (left, width) = (percent(x(edges[0])), percent(x(edges[1]) - x(edges[0])));
                @for (counts, of, class) in [(&shape.real, reals, "real"), (&shape.fake, fakes, "fake")] {
                    @if let Some(&n) = counts.get(i) && n > 0 {
                        @let tall = height(n, of);
                        rect class=(format!("bar {class}")) x=(left) width=(width) height=(format!("{tall:.1}"))
                            y=(format!("{:.1}", if class == "real" { HALF - tall } else { HALF })) {
                            title { (n) " " (if class == "real" { "real" } else { "generated" }) ", logit " (significant(edges[0])) " to " (significant(edges[1])) }
                        }
                    }
                }
            }
            line.axis x1="0" x2="100%" y1=(HALF) y2=(HALF) {}
            @for (i, point) in shape.operating.iter().enumerate() {
                @if let Some(threshold) = point.threshold && x(threshold) >= 0.0 && x(threshold) <= 1.0 {
                    line.threshold x1=(percent(x(threshold))) x2=(percent(x(threshold))) y1="0" y2=(2.0 * HALF) {}
                    text.mark x=(percent(x(threshold))) dx="3" y=(11 + 12 * i) { (i + 1) }
                }
            }
            text.tick x="0" y=(2.0 * HALF + 17.0) { "≤ " (significant(first)) }
            @if x(0.0) > 0.15 && x(0.0) < 0.85 {
                text.tick x=(percent(x(0.0))) y=(2.0 * HALF + 17.0) text-anchor="middle" { "logit 0" }
            }
            text.tick x="100%" y=(2.0 * HALF + 17.0) text-anchor="end" { "≥ " (significant(last)) }
        }
    }
}
