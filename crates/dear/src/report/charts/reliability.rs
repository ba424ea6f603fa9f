use maud::{Markup, html};

use super::{Plane, path};
use crate::evaluate::Shape;

/// Share of generated images among images of similar probability, with Wilson's intervals; on the diagonal a probability
/// means what it says.
pub(in crate::report) fn reliability(shape: &Shape) -> Markup {
    html! {
        svg.plane viewBox=(Plane::view_box()) role="img" aria-label=(format!("reliability of the probabilities of {}, {}", shape.system, shape.chain)) {
            (Plane::rows()) (Plane::columns())
            (Plane::title("probability of generated as stated, %"))
            path.chance d=(path([(Plane::x(0.0), Plane::y(0.0)), (Plane::x(1.0), Plane::y(1.0))])) {}
            path.curve d=(path(shape.reliability.iter().map(|bin| (Plane::x(bin.probability), Plane::y(bin.share))))) {}
            @for bin in &shape.reliability {
                @let x = Plane::x(bin.probability);
                path.cross d=(path([(x, Plane::y(bin.low)), (x, Plane::y(bin.high))])) {}
                circle.point cx=(format!("{x:.1}")) cy=(format!("{:.1}", Plane::y(bin.share))) r="4" {
                    title { (format!("stated {:.1} %, found {:.1} % of {}", 100.0 * bin.probability, 100.0 * bin.share, bin.n)) }
                }
            }
        }
    }
}
