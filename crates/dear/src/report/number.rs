//! How numbers are written: the same in HTML and in Markdown.

use crate::bootstrap::{Interval, Method};
use crate::evaluate::{counted, decimals, signed_decimals};
use crate::metrics::{LooksAt, Metric};

/// Columns of the main tables: metric and heading.
pub(super) const COLUMNS: &[(&str, &str)] = &[
    ("r_acc", "R.Acc %"),
    ("f_acc", "F.Acc %"),
    ("asymmetry", "asymmetry"),
    ("balanced_accuracy", "bal. acc %"),
    ("auc", "AUC"),
    ("ap", "AP"),
    ("tpr_at_5_fpr", "TPR @ 5 % FPR"),
];

/// Columns of the tables for strict use: few false alarms, and probabilities that mean what they say.
pub(super) const STRICT_COLUMNS: &[(&str, &str)] = &[
    ("tpr_at_1_fpr", "TPR @ 1 % FPR"),
    ("tpr_at_01_fpr", "TPR @ 0.1 % FPR"),
    ("fpr_at_95_tpr", "FPR @ 95 % TPR"),
    ("eer", "EER %"),
    ("brier", "Brier"),
    ("nll", "NLL"),
    ("ece", "ECE"),
];

/// Metrics of which differences are corrected and judged.
pub(super) const HEADLINES: &[(&str, &str)] =
    &[("balanced_accuracy", "balanced accuracy"), ("tpr_at_5_fpr", "TPR @ 5 % FPR"), ("auc", "AUC")];

/// A value in its metric's unit: three decimals for areas and losses, else percent (points for asymmetry).
pub(crate) fn value(metric: &str, value: f64) -> String {
    match metric {
        "auc" | "ap" | "brier" | "nll" | "ece" => decimals(value, 3),
        "asymmetry" => format!("{:+.1}", 100.0 * value),
        _ => format!("{:.1}", 100.0 * value),
    }
}

/// A difference, with its sign: AUC with three decimals, else in points.
pub(crate) fn difference(metric: &str, value: f64) -> String {
    match metric {
        "auc" | "ap" | "brier" | "nll" | "ece" => signed_decimals(value, 3),
        _ => format!("{:+.1}", 100.0 * value),
    }
}

/// What a cell says: the value, its ends, and a remark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// The value; a dash where there is none.
    pub(super) value: String,
    /// `low, high`, with a star where the interval says nothing about uncertainty.
    pub(super) ends: Option<String>,
    /// Why there is no value, or what it lacks.
    pub(super) remark: Option<String>,
}

impl Cell {
    /// A cell without a value.
    pub(super) fn dash() -> Self {
        Self { value: "–".to_owned(), ..Self::default() }
    }

    /// The cell of a metric.
    pub(super) fn metric(interval: Option<&Interval>) -> Self {
        Self::written(interval, value, [None; 2])
    }

    /// The cell of a metric of so many real and generated images, where they are counted.
    pub(super) fn counted(interval: Option<&Interval>, scored: [Option<u64>; 2]) -> Self {
        Self::written(interval, value, scored)
    }

    /// The cell of a difference.
    pub(super) fn difference(interval: Option<&Interval>) -> Self {
        Self::written(interval, difference, [None; 2])
    }

    fn written(
        interval: Option<&Interval>,
        write: fn(&str, f64) -> String,
        scored: [Option<u64>; 2],
    ) -> Self {
        let Some(interval) = interval else { return Self::dash() };
        let Some(value) = interval.value else {
            let remark = interval.undefined.map(|reason| reason.to_string());
            return Self { remark, ..Self::dash() };
        };
        let write = |value| write(&interval.metric, value);
        let ends = interval.low.zip(interval.high).map(|(low, high)| {
            format!("{}, {}{}", write(low), write(high), if interval.degenerate { " *" } else { "" })
        });
        let remark = (!interval.resolvable).then(|| too_few(&interval.metric, scored));
        Self { value: write(value), ends, remark }
    }
}

/// Of which class a metric's rate has too few images, and how many there are.
fn too_few(metric: &str, [real, fake]: [Option<u64>; 2]) -> String {
    let looks_at = Metric::named(metric).map(|metric| metric.looks_at);
    let (n, class) = match looks_at {
        Some(LooksAt::TruePositiveRate(_)) => (fake, "generated image"),
        _ => (real, "real image"),
    };
    n.map_or_else(|| format!("too few {class}s"), |n| format!("only {}", counted(n, class)))
}

/// A share as `15.1 % (10.3 to 21.6 %)`, with a star where the interval says nothing about uncertainty.
pub(super) fn share(interval: &Interval) -> String {
    match (interval.value, interval.low, interval.high) {
        (Some(value), Some(low), Some(high)) => {
            let star = if interval.degenerate { " *" } else { "" };
            format!("{:.1} % ({:.1} to {:.1} %{star})", 100.0 * value, 100.0 * low, 100.0 * high)
        }
        (Some(value), ..) => format!("{:.1} %", 100.0 * value),
        _ => "–".to_owned(),
    }
}

/// A p-value: three decimals, and no more zeros than mean something.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// Three significant digits; with an exponent from a million on and below a millionth.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    if !(1e-6..1e6).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 8.0) as usize;
    format!("{value:.digits$}")
}

/// How an interval was found, in words.
pub(super) fn method(method: Method) -> &'static str {
    match method {
        Method::Bootstrap => "percentile bootstrap",
        Method::Wilson => "Wilson's score interval",
        Method::Delong => "DeLong's variance on the logit scale",
        Method::Simultaneous => "bootstrap, simultaneous over all comparisons",
        Method::Newcombe => "Newcombe's interval from two of Wilson's",
        Method::OrderStatistics => "order statistics of the real scores",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Undefined;

    #[test]
    fn a_cell_says_what_it_lacks() {
        let whole = Interval {
            metric: "r_acc".to_owned(),
            value: Some(0.85),
            undefined: None,
            low: Some(0.7),
            high: Some(0.9),
            degenerate: false,
            resolvable: true,
            undefined_resamples: 0,
            method: Method::Wilson,
        };
        let named = |metric: &str| Interval { metric: metric.to_owned(), ..whole.clone() };
        let cell = |value: &str, ends: Option<&str>, remark: Option<&str>| Cell {
            value: value.to_owned(),
            ends: ends.map(str::to_owned),
            remark: remark.map(str::to_owned),
        };
        let cases = [
            (Some(whole.clone()), cell("85.0", Some("70.0, 90.0"), None)),
            (Some(named("auc")), cell("0.850", Some("0.700, 0.900"), None)),
            (Some(named("asymmetry")), cell("+85.0", Some("+70.0, +90.0"), None)),
            (Some(Interval { degenerate: true, ..whole.clone() }), cell("85.0", Some("70.0, 90.0 *"), None)),
            (Some(Interval { low: None, ..whole.clone() }), cell("85.0", None, None)),
            (
                Some(Interval { resolvable: false, ..whole.clone() }),
                cell("85.0", Some("70.0, 90.0"), Some("too few real images")),
            ),
            (
                Some(Interval { value: None, undefined: Some(Undefined::NoReal), ..whole.clone() }),
                cell("–", None, Some("no real image with a finite score")),
            ),
            (None, cell("–", None, None)),
        ];
        for (interval, expected) in cases {
            assert_eq!(Cell::metric(interval.as_ref()), expected, "{interval:?}");
        }
        for (metric, scored, expected) in [
            ("tpr_at_1_fpr", [Some(12), Some(90)], "only 12 real images"),
            ("fpr_at_95_tpr", [Some(90), Some(1)], "only 1 generated image"),
            ("fpr_at_95_tpr", [Some(90), None], "too few generated images"),
        ] {
            let interval = Interval { resolvable: false, ..named(metric) };
            assert_eq!(Cell::counted(Some(&interval), scored).remark.as_deref(), Some(expected));
        }
        assert_eq!(Cell::difference(Some(&whole)), cell("+85.0", Some("+70.0, +90.0"), None));
    }

    #[test]
    fn ticks_have_three_significant_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (1.23456, "1.23"),
            (-0.012345, "-0.0123"),
            (123.4, "123"),
            (1e12, "1.00e12"),
            (-1e308, "-1.00e308"),
            (5e-9, "5.00e-9"),
        ] {
            assert_eq!(significant(value), expected);
        }
    }

    #[test]
    fn small_p_values_keep_no_false_digits() {
        for (p, expected) in [(0.04, "0.040"), (0.0004, "< 0.001"), (1.0, "1.000")] {
            assert_eq!(p_value(p), expected);
        }
    }
}
