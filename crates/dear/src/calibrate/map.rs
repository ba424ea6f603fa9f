//! From logits to probabilities: three maps, none of which can change the order of two images.

use serde::{Deserialize, Serialize};

use super::isotonic;
use crate::head::temperature::fit_temperature;
use crate::head::{sigmoid, softplus};

/// Newton steps for [`Map::Platt`]; a dozen are enough.
const STEPS: u32 = 100;

/// How a logit becomes the probability of *generated*, both classes being equally likely beforehand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Map {
    /// `1 / (1 + e^(-logit / temperature))` (Guo et al. 2017).
    Temperature {
        /// Above 0.
        temperature: f64,
    },
    /// `1 / (1 + e^-(slope logit + offset))` (Platt 1999; `sklearn.calibration._sigmoid_calibration`).
    Platt {
        /// Above 0.
        slope: f64,
        /// Probability 1/2 lies at logit `-offset / slope`.
        offset: f64,
    },
    /// Linear between the corners and constant beyond them (`sklearn.isotonic.IsotonicRegression(out_of_bounds="clip")`).
    Isotonic {
        /// Ascending.
        logits: Vec<f64>,
        /// Of each corner; ascending, within 0 and 1.
        probabilities: Vec<f64>,
    },
}

/// Which map is fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The one with the smallest cross-validated loss.
    #[default]
    Auto,
    /// [`Map::Temperature`].
    Temperature,
    /// [`Map::Platt`].
    Platt,
    /// [`Map::Isotonic`].
    Isotonic,
}

impl Method {
    /// The methods that fit something, from the fewest parameters to the most.
    pub(super) const ALL: [Self; 3] = [Self::Temperature, Self::Platt, Self::Isotonic];

    /// Its word in options and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Temperature => "temperature",
            Self::Platt => "platt",
            Self::Isotonic => "isotonic",
        }
    }
}

/// Logits with their labels, and what a fit aims at instead of 0 and 1 (see [`crate::head::temperature::targets`]).
pub(super) struct Rows {
    pub(super) logits: Vec<f64>,
    pub(super) labels: Vec<u8>,
    pub(super) targets: [f64; 2],
}

impl Rows {
    /// Weight of one row of each class: the classes weigh the same.
    fn weights(&self) -> [f64; 2] {
        let fake = self.labels.iter().filter(|&&label| label == 1).count();
        [0.5 / (self.labels.len() - fake) as f64, 0.5 / fake as f64]
    }

    /// Logit, target and weight of each row.
    fn weighted(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let weights = self.weights();
        self.logits.iter().zip(&self.labels).map(move |(&logit, &label)| {
            let class = usize::from(label == 1);
            (logit, self.targets[class], weights[class])
        })
    }
}

impl Map {
    /// Fit the map of a method. Each class weighs half. `None` where the order of the logits says nothing about the labels,
    /// or the opposite: no rising map fits. (`Auto` fits nothing.)
    pub(super) fn fit(method: Method, rows: &Rows) -> Option<Self> {
        match method {
            Method::Auto => None,
            Method::Temperature => fit_temperature(&rows.logits, &rows.labels, rows.targets)
                .map(|temperature| Self::Temperature { temperature }),
            Method::Platt => fit_platt(rows),
            Method::Isotonic => {
                let (logits, probabilities) = isotonic::fit(rows.weighted().collect());
                Some(Self::Isotonic { logits, probabilities })
            }
        }
    }

    /// The method's word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Temperature { .. } => Method::Temperature.name(),
            Self::Platt { .. } => Method::Platt.name(),
            Self::Isotonic { .. } => Method::Isotonic.name(),
        }
    }

    /// The probability of *generated*.
    pub fn probability(&self, logit: f64) -> f64 {
        match self {
            Self::Temperature { temperature } => sigmoid(logit / temperature),
            Self::Platt { slope, offset } => sigmoid(slope * logit + offset),
            Self::Isotonic { logits, probabilities } => isotonic::interpolate(logits, probabilities, logit),
        }
    }

    /// Mean of the two classes' mean loss, `-ln` of the probability given to what an image is.
    pub(super) fn loss(&self, logits: &[f64], labels: &[u8]) -> f64 {
        let mean = |class: u8| {
            let of_class = logits.iter().zip(labels).filter(|(_, label)| **label == class);
            let of_class: Vec<f64> = of_class.map(|(logit, _)| *logit).collect();
            self.total_loss(&of_class, class) / of_class.len() as f64
        };
        (mean(0) + mean(1)) / 2.0
    }

    /// Sum of the loss over images of one class.
    pub(super) fn total_loss(&self, logits: &[f64], label: u8) -> f64 {
        // What speaks for the label; of the logistic maps in logits, where nothing rounds to 0.
        let sign = if label == 1 { 1.0 } else { -1.0 };
        let loss = |&logit: &f64| match self {
            Self::Temperature { temperature } => softplus(-sign * logit / temperature),
            Self::Platt { slope, offset } => softplus(-sign * (slope * logit + offset)),
            Self::Isotonic { .. } => {
                let p = self.probability(logit);
                -(if label == 1 { p } else { 1.0 - p }).ln()
            }
        };
        logits.iter().map(loss).sum()
    }

    /// Refuse a map that is none: a file may hold anything.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let positive = |name: &str, value: f64| {
            let fine = value.is_finite() && value > 0.0;
            if fine { Ok(()) } else { Err(format!("{name} is {value}, expected a number above 0")) }
        };
        match self {
            Self::Temperature { temperature } => positive("temperature", *temperature),
            Self::Platt { slope, offset } => {
                positive("slope", *slope)?;
                if offset.is_finite() {
                    Ok(())
                } else {
                    Err(format!("offset is {offset}, expected a number"))
                }
            }
            Self::Isotonic { logits, probabilities } => {
                if logits.len() != probabilities.len() || logits.is_empty() {
                    let (found, expected) = (probabilities.len(), logits.len().max(1));
                    return Err(format!(
                        "{found} probabilities for {} logits, expected {expected}",
                        logits.len()
                    ));
                }
                let rising = |values: &[f64]| values.windows(2).all(|pair| pair[0] <= pair[1]);
                if !logits.iter().all(|logit| logit.is_finite()) || !rising(logits) {
                    return Err("logits are not numbers in ascending order".to_owned());
                }
                if !probabilities.iter().all(|p| (0.0..=1.0).contains(p)) || !rising(probabilities) {
                    return Err("probabilities do not rise within 0 and 1".to_owned());
                }
                Ok(())
            }
        }
    }
}

/// Newton's method on standardised logits, with halved steps where the loss does not fall. The loss is strictly convex: no
/// target is 0 or 1.
fn fit_platt(rows: &Rows) -> Option<Map> {
    let mean = rows.weighted().map(|(z, _, w)| w * z).sum::<f64>();
    let deviation = rows.weighted().map(|(z, _, w)| w * (z - mean).powi(2)).sum::<f64>().sqrt();
    if !(deviation > 0.0 && deviation.is_finite()) {
        return None;
    }
    let units: Vec<(f64, f64, f64)> =
        rows.weighted().map(|(z, target, weight)| ((z - mean) / deviation, target, weight)).collect();
    let value = |[a, b]: [f64; 2]| -> f64 {
        units.iter().map(|(u, t, w)| w * (softplus(a * u + b) - t * (a * u + b))).sum()
    };
    let mut at = [0.0, 0.0];
    for _ in 0..STEPS {
        let (mut g, mut h) = ([0.0; 2], [0.0; 3]);
        for (u, t, w) in &units {
            let p = sigmoid(at[0] * u + at[1]);
            let (pull, bend) = (w * (p - t), w * p * (1.0 - p));
            g = [g[0] + pull * u, g[1] + pull];
            h = [h[0] + bend * u * u, h[1] + bend * u, h[2] + bend];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        if determinant <= 0.0 || g[0].hypot(g[1]) < 1e-15 {
            break;
        }
        let mut step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        let here = value(at);
        let mut next = [at[0] - step[0], at[1] - step[1]];
        while value(next) > here && step[0].hypot(step[1]) > 1e-12 {
            step = step.map(|part| part / 2.0);
            next = [at[0] - step[0], at[1] - step[1]];
        }
        let moved = (next[0] - at[0]).hypot(next[1] - at[1]);
        at = next;
        if moved < 1e-14 * (1.0 + at[0].hypot(at[1])) {
            break;
        }
    }
    let slope = at[0] / deviation;
    let offset = at[1] - slope * mean;
    (slope > 0.0 && slope.is_finite()).then_some(Map::Platt { slope, offset })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::temperature::targets;

    fn rows(logits: &[f64], labels: &[u8]) -> Rows {
        let fake = labels.iter().filter(|&&label| label == 1).count();
        Rows { logits: logits.to_vec(), labels: labels.to_vec(), targets: targets(labels.len() - fake, fake) }
    }

    fn mixed() -> Rows {
        rows(&[-3.0, -1.0, 0.5, 2.0, -0.2, 1.0, 4.0, -0.7, 0.5], &[0, 0, 0, 1, 1, 1, 1, 0, 1])
    }

    #[test]
    fn platt_undoes_a_shift_and_a_scale_and_repeated_images_change_nothing() {
        let rows_ = mixed();
        let (Some(Map::Platt { slope, offset }), moved) = (Map::fit(Method::Platt, &rows_), {
            let logits: Vec<f64> = rows_.logits.iter().map(|z| 1e4 + 50.0 * z).collect();
            Map::fit(Method::Platt, &rows(&logits, &rows_.labels))
        }) else {
            panic!("no map")
        };
        let Some(Map::Platt { slope: s, offset: o }) = moved else { panic!("no map") };
        assert!((s * 50.0 / slope - 1.0).abs() < 1e-10, "{s} {slope}");
        assert!((o + s * 1e4 - offset).abs() < 1e-8, "{o} {offset}");
        // Each class weighs half, however many images it has: all real images twice are the same sample.
        let mut twice = mixed();
        for (logit, label) in rows_.logits.iter().zip(&rows_.labels).filter(|(_, label)| **label == 0) {
            twice.logits.push(*logit);
            twice.labels.push(*label);
        }
        let Some(Map::Platt { slope: s, offset: o }) = Map::fit(Method::Platt, &twice) else {
            panic!("no map")
        };
        assert!((s - slope).abs() < 1e-10 && (o - offset).abs() < 1e-10, "{s} {o}");
    }

    #[test]
    fn every_map_rises_and_stays_short_of_certainty() {
        let rows = mixed();
        for method in Method::ALL {
            let map = Map::fit(method, &rows).unwrap();
            map.check().unwrap();
            let curve: Vec<f64> = (-400..400).map(|k| map.probability(f64::from(k) / 40.0)).collect();
            assert!(curve.is_sorted(), "{map:?}");
            let found: Vec<f64> = rows.logits.iter().map(|z| map.probability(*z)).collect();
            assert!(
                found.iter().all(|p| *p > 0.01 && *p < 0.99),
                "nine images make nobody certain: {found:?}"
            );
            assert!(map.loss(&rows.logits, &rows.labels) < 0.6, "better than knowing nothing, ln 2: {map:?}");
        }
    }

    #[test]
    fn inverted_and_constant_logits_have_no_rising_map() {
        assert_eq!(Map::fit(Method::Platt, &rows(&[2.0, 1.0, -1.0, -2.0], &[0, 0, 1, 1])), None);
        assert_eq!(Map::fit(Method::Platt, &rows(&[1.0; 4], &[0, 0, 1, 1])), None);
    }

    #[test]
    fn maps_from_files_are_checked() {
        let isotonic = |logits: &[f64], probabilities: &[f64]| Map::Isotonic {
            logits: logits.to_vec(),
            probabilities: probabilities.to_vec(),
        };
        let cases = [
            (Map::Temperature { temperature: 0.0 }, "temperature is 0, expected a number above 0"),
            (Map::Temperature { temperature: f64::NAN }, "temperature is NaN, expected a number above 0"),
            (Map::Platt { slope: -1.0, offset: 0.0 }, "slope is -1, expected a number above 0"),
            (Map::Platt { slope: 1.0, offset: f64::INFINITY }, "offset is inf, expected a number"),
            (isotonic(&[], &[]), "0 probabilities for 0 logits, expected 1"),
            (isotonic(&[0.0, 1.0], &[0.5]), "1 probabilities for 2 logits, expected 2"),
            (isotonic(&[1.0, 0.0], &[0.1, 0.5]), "logits are not numbers in ascending order"),
            (isotonic(&[0.0, 1.0], &[0.5, 0.4]), "probabilities do not rise within 0 and 1"),
            (isotonic(&[0.0, 1.0], &[0.5, 1.4]), "probabilities do not rise within 0 and 1"),
        ];
        for (map, expected) in cases {
            assert_eq!(map.check().unwrap_err(), expected, "{map:?}");
        }
    }
}
