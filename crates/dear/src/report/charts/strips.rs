use maud::{Markup, html};

use super::{Axis, percent};
use crate::dataset::Label;
use crate::evaluate::Shape;
use crate::report::number::significant;

/// Logits of each subset: a line from the 0.05 to the 0.95 quantile, a box from 0.25 to 0.75, a bar at the median and
/// dots at both extremes; a vertical line at logit 0.
pub(in crate::report) fn strips(shape: &Shape) -> Markup {
    let seven = |quantiles: &[f64]| <[f64; 7]>::try_from(quantiles).ok();
    let inner =
        |at: usize| shape.distributions.iter().filter_map(move |d| seven(&d.quantiles)).map(move |q| q[at]);
    // Extremes beyond the axis are drawn at its ends: one far score must not flatten all the others.
    let low = inner(1).fold(0.0, f64::min);
    let high = inner(5).fold(0.0, f64::max);
    let (low, high) = if high > low { (low, high) } else { (low - 1.0, high + 1.0) };
    let axis = Axis::new(low, high, 0.06);
    let [low, high] = axis.ends();
    let x = |logit: f64| percent(axis.share(logit));
    html! {
        div.rows {
            @for distribution in &shape.distributions {
                @let (class, word) = match distribution.label { Label::Real => ("real", "real"), Label::Generated => ("fake", "generated") };
                div.name { (distribution.subset) " " span.soft { "(" (word) ", n = " (distribution.n) ")" } }
                @if let Some([least, q05, q25, q50, q75, q95, most]) = seven(&distribution.quantiles) {
                    @let label = format!("{}, {word}: logit median {}, half between {} and {}, from {} to {}", distribution.subset,
                        significant(q50), significant(q25), significant(q75), significant(least), significant(most));
                    svg class=(format!("row {class}")) height="24" role="img" {
                        title { (label) }
                        line.zero x1=(x(0.0)) x2=(x(0.0)) y1="0" y2="24" {}
                        line.whisker x1=(x(q05)) x2=(x(q95)) y1="12" y2="12" {}
                        rect.box x=(x(q25)) width=(percent(axis.share(q75) - axis.share(q25))) y="6" height="12" {}
                        line.median x1=(x(q50)) x2=(x(q50)) y1="4" y2="20" {}
                        circle cx=(x(least)) cy="12" r="2" {} circle cx=(x(most)) cy="12" r="2" {}
                    }
                } @else {
                    div.soft { "nothing scored" }
                }
            }
            div {}
            svg.row height="18" aria-hidden="true" {
                text.tick x="0" y="13" { (significant(low)) }
                @let zero = axis.share(0.0);
                @if zero > 0.15 && zero < 0.85 { text.tick x=(percent(zero)) y="13" text-anchor="middle" { "logit 0" } }
                text.tick x="100%" y="13" text-anchor="end" { (significant(high)) }
            }
        }
    }
}
