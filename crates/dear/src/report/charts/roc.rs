use maud::{Markup, html};

use super::{Plane, at, path};
use crate::evaluate::Shape;

/// The ROC curve with its operating points, numbered as in the list beside it.
pub(in crate::report) fn roc(shape: &Shape) -> Markup {
    html! {
        svg.plane viewBox=(Plane::view_box()) role="img" aria-label=(format!("ROC curve of {}, {}", shape.system, shape.chain)) {
            (Plane::rows()) (Plane::columns())
            (Plane::title("real images accused (FPR), %"))
            path.chance d=(path([(Plane::x(0.0), Plane::y(0.0)), (Plane::x(1.0), Plane::y(1.0))])) {}
            path.curve d=(path(shape.roc.iter().map(|&[fpr, tpr]| (Plane::x(fpr), Plane::y(tpr))))) {}
            @for (i, point) in shape.operating.iter().enumerate() {
                @if let (Some(fpr), Some(tpr)) = (point.fpr.value, point.tpr.value) {
                    @let (x, y) = (Plane::x(fpr), Plane::y(tpr));
                    // Crossed whiskers: the intervals of both shares.
                    @if let (Some(a), Some(b), Some(c), Some(d)) = (point.fpr.low, point.fpr.high, point.tpr.low, point.tpr.high) {
                        path.cross d=(format!("{}{}", path([(Plane::x(a), y), (Plane::x(b), y)]), path([(x, Plane::y(c)), (x, Plane::y(d))]))) {}
                    }
                    path.point d=(format!("M{}h8v8h-8Z", at(x - 4.0, y - 4.0))) {}
                    @let (beside, anchor) = if fpr > 0.9 { (x - 7.0, "end") } else { (x + 7.0, "start") };
                    text.mark x=(format!("{beside:.1}")) y=(format!("{:.1}", y + 14.0)) text-anchor=(anchor) { (i + 1) }
                }
            }
        }
    }
}
