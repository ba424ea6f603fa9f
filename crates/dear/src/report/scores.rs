//! What the scores of each detector look like: distributions, ROC curve with operating points, reliability.

use maud::{Markup, html};

use super::number::{share, significant};
use super::{FEW, charts, main_systems};
use crate::evaluate::{Evaluation, Shape};

pub(super) fn section(evaluation: &Evaluation) -> Markup {
    html! {
        @if !evaluation.shapes.is_empty() {
            p {
                "Left: logits of " b.real { "real images upwards" } ", of " b.fake { "generated ones downwards" } ", and how each "
                "subset lies (line from 5 to 95 %, box from 25 to 75 %, bar at the median, dots at both extremes). Then the ROC "
                "curve with its operating points, and whether probabilities mean what they say: they do on the diagonal, for as "
                "many generated images among all as here."
            }
            @if main_systems(evaluation).len() > FEW && evaluation.chains.len() > 1 {
                p.note { "There are many detectors, so only the first condition is drawn; results.json holds all." }
            }
            @for system in main_systems(evaluation) {
                @let shapes = drawn(evaluation, &system.name);
                @if !shapes.is_empty() {
                    h3 { (system.name) }
                    @for (i, shape) in shapes.iter().enumerate() {
                        details open[i == 0] {
                            summary { (system.name) ", " (shape.chain) }
                            (of_condition(shape))
                        }
                    }
                }
            }
        }
    }
}

fn drawn<'a>(evaluation: &'a Evaluation, system: &str) -> Vec<&'a Shape> {
    let most = if main_systems(evaluation).len() > FEW { 1 } else { usize::MAX };
    evaluation.shapes.iter().filter(|shape| shape.system == system).take(most).collect()
}

fn of_condition(shape: &Shape) -> Markup {
    html! {
        @if shape.real.iter().chain(&shape.fake).all(|&n| n == 0) {
            p { "Nothing was scored." }
        } @else {
            div.shape {
                figure { figcaption { "logits per class" } (charts::histogram(shape)) (charts::strips(shape)) }
                @if !shape.roc.is_empty() {
                    figure { figcaption { "generated images found (TPR)" } (charts::roc(shape)) }
                }
                @if !shape.reliability.is_empty() {
                    figure { figcaption { "share that is generated" } (charts::reliability(shape)) }
                }
            }
            ol.operating {
                @for point in &shape.operating {
                    li {
                        b { (point.name) }
                        @match point.threshold {
                            Some(threshold) => { ": above logit " (signed(threshold)) }
                            None => { ": every image is called generated" }
                        }
                        "; accuses " (share(&point.fpr)) " of the real images, finds " (share(&point.tpr)) " of the generated ones"
                    }
                }
            }
        }
    }
}

/// A threshold with its sign.
fn signed(threshold: f64) -> String {
    if threshold > 0.0 { format!("+{}", significant(threshold)) } else { significant(threshold) }
}
