use maud::{Markup, html};

use super::{Plane, path};
use crate::bootstrap::Interval;
use crate::evaluate::{Curve, CurvePoint};
use crate::report::number::significant;

/// Metrics drawn: name, class of its line, name beside it.
const LINES: [(&str, &str, &str); 3] =
    [("r_acc", "real", "R"), ("f_acc", "fake", "F"), ("tpr_at_5_fpr", "third", "T")];

/// Real accuracy (R), fake accuracy (F) and TPR at 5 % FPR (T) of one system along one perturbation, each with its band.
pub(in crate::report) fn severity(curve: &Curve) -> Markup {
    let steps = curve.points.len().saturating_sub(1).max(1) as f64;
    let x = |i: usize| Plane::x(i as f64 / steps);
    let lines = LINES.iter().map(|&(metric, class, letter)| {
        // Where a level has no value the line is broken, not bridged.
        let runs: Vec<Vec<(f64, [f64; 3])>> = curve
            .points
            .iter()
            .enumerate()
            .map(|(i, point)| (x(i), ends(point, metric)))
            .collect::<Vec<_>>()
            .split(|(_, ends)| ends.is_none())
            .map(|run| run.iter().filter_map(|&(x, ends)| Some((x, ends?))).collect())
            .filter(|run: &Vec<_>| !run.is_empty())
            .collect();
        (class, letter, runs)
    });
    html! {
        svg.plane viewBox=(Plane::view_box()) role="img"
            aria-label=(format!("real accuracy, fake accuracy and TPR at 5 % FPR of {} over {}", curve.system, curve.axis)) {
            (Plane::rows())
            @for (i, point) in curve.points.iter().enumerate() {
                line.grid x1=(x(i)) x2=(x(i)) y1=(Plane::y(0.0)) y2=(Plane::y(1.0)) {}
                text.tick x=(format!("{:.1}", x(i))) y=(Plane::y(0.0) + 16.0) text-anchor="middle" { (level(point)) }
            }
            (Plane::title(&curve.axis))
            @for (class, letter, runs) in lines {
                g class=(class) {
                    @for run in &runs {
                        @let there = run.iter().map(|&(x, [_, low, _])| (x, Plane::y(low)));
                        @let back = run.iter().rev().map(|&(x, [_, _, high])| (x, Plane::y(high)));
                        path.band d=(format!("{}Z", path(there.chain(back)))) {}
                        path.curve d=(path(run.iter().map(|&(x, [value, ..])| (x, Plane::y(value))))) {}
                        @for &(x, [value, ..]) in run { circle cx=(format!("{x:.1}")) cy=(format!("{:.1}", Plane::y(value))) r="2.5" {} }
                    }
                    @if let Some(&(x, [value, ..])) = runs.first().and_then(|run| run.first()) {
                        // Below the line where there is no room above it.
                        @let y = Plane::y(value) + if value > 0.95 { 14.0 } else { -5.0 };
                        text.letter x=(format!("{:.1}", x + 4.0)) y=(format!("{y:.1}")) { (letter) }
                    }
                }
            }
        }
    }
}

/// What a tick says.
pub(in crate::report) fn level(point: &CurvePoint) -> String {
    if point.chain == "clean" { "clean".to_owned() } else { trimmed(point.level) }
}

/// `0.50` is `0.5`, `100` stays.
fn trimmed(level: f64) -> String {
    let text = significant(level);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Value, lower and upper end; a value without an interval has a band without width.
fn ends(point: &CurvePoint, metric: &str) -> Option<[f64; 3]> {
    let interval: &Interval = point.metrics.iter().find(|interval| interval.metric == metric)?;
    let value = interval.value?;
    Some([value, interval.low.unwrap_or(value), interval.high.unwrap_or(value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_carry_no_zeros_that_say_nothing() {
        for (level, expected) in [(0.5, "0.5"), (100.0, "100"), (0.35, "0.35"), (1.0, "1"), (2.5, "2.5")] {
            assert_eq!(trimmed(level), expected);
        }
    }
}
