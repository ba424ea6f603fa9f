//! Differences of two systems that no resample can vary, because all images of a class say the same: one system has each of
//! them right and the other none.

use std::collections::HashSet;

use super::normal::quantile;
use super::separated::separated_at;
use crate::metrics::score_interval;

/// What two systems say of the same images, counted for intervals that need no variance in the sample.
///
/// Images that belong together count as one: shares are those of images, but no more independent images are taken to
/// stand behind them than there are scenes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unvaried {
    /// Real images, then generated ones.
    classes: [Verdicts; 2],
    /// How each system's scores separate the classes, before and after; `None` where they do so in part.
    order: [Option<Order>; 2],
    /// Whether classes may share scenes, so that their errors need not be independent.
    grouped: bool,
}

/// Verdicts at logit 0 of two systems on the images of one class; a logit of 0 is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Verdicts {
    both_right: u64,
    only_before: u64,
    only_after: u64,
    both_wrong: u64,
    /// Independent images, or scenes.
    units: u64,
}

/// Scores without any variance in their order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    /// Every generated image above every real one.
    Separated,
    /// Every generated image below every real one.
    Inverted,
    /// All scores are equal.
    Tied,
}

impl Unvaried {
    /// Count images whose scores are finite in both systems. The lists are as long as each other.
    pub(crate) fn new(labels: &[u8], before: &[f64], after: &[f64], groups: Option<&[u64]>) -> Self {
        let mut classes = [Verdicts::default(); 2];
        let mut units = [HashSet::new(), HashSet::new()];
        let mut ends = [[(f64::INFINITY, f64::NEG_INFINITY); 2]; 2];
        for (index, &label) in labels.iter().enumerate() {
            let scores = [before[index], after[index]];
            if scores.iter().any(|score| !score.is_finite()) {
                continue;
            }
            let class = usize::from(label);
            let found = &mut classes[class];
            let right = scores.map(|score| if label == 1 { score > 0.0 } else { score < 0.0 });
            *match right {
                [true, true] => &mut found.both_right,
                [true, false] => &mut found.only_before,
                [false, true] => &mut found.only_after,
                [false, false] => &mut found.both_wrong,
            } += 1;
            units[class].insert(groups.map_or(index as u64, |groups| groups[index]));
            for (ends, score) in ends.iter_mut().zip(scores) {
                ends[class] = (ends[class].0.min(score), ends[class].1.max(score));
            }
        }
        for (class, units) in classes.iter_mut().zip(units) {
            class.units = units.len() as u64;
        }
        Self { classes, order: ends.map(order), grouped: groups.is_some() }
    }

    /// Ends of an interval of `after` minus `before` with this confidence; `None` for a metric without one, where a class is
    /// missing, or where an AUC is neither 0 nor 1 nor that of equal scores.
    ///
    /// - `r_acc`, `f_acc`: Newcombe's interval of paired shares ([`Verdicts::interval`]).
    /// - `balanced_accuracy`, `asymmetry`: those of both classes, distances combined by squares, or where classes may share
    ///   scenes by their sum, which holds however the two depend on each other.
    /// - `auc`: the intervals of both, distances combined by squares as if they were independent (MOVER: Zou and Donner,
    ///   Statistics in Medicine 27 (2008), 1693-1702). Systems that see the same images agree rather than not, so it is
    ///   long rather than short.
    pub(crate) fn interval(&self, metric: &str, confidence: f64) -> Option<(f64, f64)> {
        let z = quantile(0.5 + confidence / 2.0);
        let [real, fake] = &self.classes;
        let join = |a: f64, b: f64| if self.grouped { a + b } else { a.hypot(b) };
        let within =
            |value: f64, down: f64, up: f64, most: f64| ((value - down).max(-most), (value + up).min(most));
        match metric {
            "r_acc" => real.interval(z),
            "f_acc" => fake.interval(z),
            "balanced_accuracy" => {
                let ((a, b), (down, up)) = (real.value().zip(fake.value())?, (real.away(z)?, fake.away(z)?));
                let (low, high) = (join(down.0, up.0), join(down.1, up.1));
                Some(within((a + b) / 2.0, low / 2.0, high / 2.0, 1.0))
            }
            "asymmetry" => {
                let ((a, b), (real, fake)) =
                    (real.value().zip(fake.value())?, (real.away(z)?, fake.away(z)?));
                Some(within(a - b, join(real.0, fake.1), join(real.1, fake.0), 2.0))
            }
            "auc" => {
                let of = |order: Option<Order>| order?.auc(real.units, fake.units, z);
                let (before, after) = (of(self.order[0])?, of(self.order[1])?);
                let down = (after.0 - after.1).hypot(before.2 - before.0);
                let up = (after.2 - after.0).hypot(before.0 - before.1);
                Some(within(after.0 - before.0, down, up, 1.0))
            }
            _ => None,
        }
    }
}

/// How the scores of a system lie, from the least and the greatest of each class.
fn order([real, fake]: [(f64, f64); 2]) -> Option<Order> {
    if real.0 > real.1 || fake.0 > fake.1 {
        None
    } else if fake.0 > real.1 {
        Some(Order::Separated)
    } else if fake.1 < real.0 {
        Some(Order::Inverted)
    } else if real == fake && real.0 == real.1 {
        Some(Order::Tied)
    } else {
        None
    }
}

impl Order {
    /// The AUC and the ends of its interval.
    ///
    /// Equal scores have 0.5. Of all images there are, the share that gets another score is at most Wilson's upper end for
    /// none in so many, and such an image wins or loses half a comparison more.
    fn auc(self, real: u64, fake: u64, z: f64) -> Option<(f64, f64, f64)> {
        let least = separated_at(real, fake, z);
        let others = |n: u64| score_interval(0.0, n as f64, z).1;
        let half = (others(real).hypot(others(fake)) / 2.0).min(0.5);
        (real > 0 && fake > 0).then(|| match self {
            Self::Separated => (1.0, least, 1.0),
            Self::Inverted => (0.0, 0.0, 1.0 - least),
            Self::Tied => (0.5, 0.5 - half, 0.5 + half),
        })
    }
}

impl Verdicts {
    fn images(&self) -> u64 {
        self.both_right + self.only_before + self.only_after + self.both_wrong
    }

    /// Share right after minus share right before.
    fn value(&self) -> Option<f64> {
        let n = self.images();
        (n > 0).then(|| (self.only_after as f64 - self.only_before as f64) / n as f64)
    }

    /// Newcombe's interval of a difference of paired shares (method 10, Statistics in Medicine 17 (1998), 2635-2650): the
    /// distances of both shares from the ends of their Wilson intervals, combined with the correlation of the verdicts,
    /// which is corrected for continuity. Counts are scaled down to the number of units.
    fn interval(&self, z: f64) -> Option<(f64, f64)> {
        let (value, (down, up)) = (self.value()?, self.away(z)?);
        Some(((value - down).max(-1.0), (value + up).min(1.0)))
    }

    /// Distances from the value down and up to its ends.
    fn away(&self, z: f64) -> Option<(f64, f64)> {
        if self.images() == 0 {
            return None;
        }
        let n = self.units as f64;
        let scale = n / self.images() as f64;
        let [a, b, c, d] = [self.both_right, self.only_after, self.only_before, self.both_wrong]
            .map(|count| count as f64 * scale);
        let (after, before) = ((a + b) / n, (a + c) / n);
        let ends = |share: f64| {
            let (low, high) = score_interval(share, n, z);
            ((share - low.max(0.0)).max(0.0), (high.min(1.0) - share).max(0.0))
        };
        let ((after_down, after_up), (before_down, before_up)) = (ends(after), ends(before));
        let product = (a + b) * (c + d) * (a + c) * (b + d);
        let excess = a * d - b * c;
        let excess = if excess > 0.0 { (excess - n / 2.0).max(0.0) } else { excess };
        let phi = if product > 0.0 { excess / product.sqrt() } else { 0.0 };
        let joined = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
        Some((joined(after_down, before_up), joined(after_up, before_down)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use serde::Deserialize;

    use super::*;

    /// Made by `oracle/inference.py`.
    #[derive(Deserialize)]
    struct Fixture {
        unvaried: Vec<Case>,
        /// Real and generated images, AUC before and after, members of the family, low, high.
        unvaried_auc: Vec<(usize, usize, f64, f64, u32, f64, f64)>,
    }

    #[derive(Deserialize)]
    struct Case {
        /// Both right, only after, only before, both wrong.
        real: [usize; 4],
        fake: [usize; 4],
        members: u32,
        #[serde(flatten)]
        expected: BTreeMap<String, [f64; 2]>,
    }

    fn fixture() -> Fixture {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inference.json");
        serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
    }

    type Samples = (Vec<u8>, Vec<f64>, Vec<f64>);

    fn samples(real: [usize; 4], fake: [usize; 4]) -> Samples {
        let mut made = Samples::default();
        for (label, sign, table) in [(0, -1.0, real), (1, 1.0, fake)] {
            for ((before, after), count) in
                [(sign, sign), (-sign, sign), (sign, -sign), (-sign, 0.0)].into_iter().zip(table)
            {
                for _ in 0..count {
                    made.0.push(label);
                    made.1.push(before);
                    made.2.push(after);
                }
            }
        }
        made
    }

    fn confidence(members: u32) -> f64 {
        1.0 - 0.05 / f64::from(members)
    }

    #[track_caller]
    fn assert_close(what: &str, found: (f64, f64), expected: (f64, f64)) {
        // Roundings of a quantile, squares and roots.
        assert!(
            (found.0 - expected.0).abs() < 1e-11 && (found.1 - expected.1).abs() < 1e-11,
            "{what}: {found:?} {expected:?}"
        );
    }

    #[test]
    fn accuracies_have_newcombes_paired_interval_at_the_level_of_their_family() {
        let cases = fixture().unvaried;
        assert_eq!(cases.len(), 6);
        for case in &cases {
            let (labels, before, after) = samples(case.real, case.fake);
            let found = Unvaried::new(&labels, &before, &after, None);
            assert_eq!(case.expected.len(), 4);
            for (metric, expected) in &case.expected {
                let what = format!("{metric} {:?} {:?}", case.real, case.fake);
                let ends = found.interval(metric, confidence(case.members)).unwrap();
                assert_close(&what, ends, (expected[0], expected[1]));
            }
            assert_eq!(found.interval("tpr_at_5_fpr", 0.95), None);
            // The other way round it is the mirror image.
            let back =
                Unvaried::new(&labels, &after, &before, None).interval("balanced_accuracy", 0.95).unwrap();
            let there = found.interval("balanced_accuracy", 0.95).unwrap();
            assert_close("mirrored", (-back.1, -back.0), there);
        }
    }

    #[test]
    fn aucs_without_variance_have_the_ends_of_both() {
        let cases = fixture().unvaried_auc;
        assert_eq!(cases.len(), 5);
        for (real, fake, before, after, members, low, high) in cases {
            let labels: Vec<u8> = (0..real + fake).map(|index| u8::from(index >= real)).collect();
            // A score that separates by `auc - 1/2`.
            let scores =
                |auc: f64| labels.iter().map(|&label| f64::from(label) * (auc - 0.5)).collect::<Vec<_>>();
            let found = Unvaried::new(&labels, &scores(before), &scores(after), None);
            assert_close("auc", found.interval("auc", confidence(members)).unwrap(), (low, high));
        }
        let partly = Unvaried::new(&[0, 0, 1, 1], &[0.0, 1.0, 0.5, 2.0], &[0.0, 0.0, 1.0, 1.0], None);
        assert_eq!(partly.interval("auc", 0.95), None);
        let lone = Unvaried::new(&[1, 1], &[0.0, 1.0], &[f64::NAN, 0.0], None);
        assert_eq!((lone.interval("auc", 0.95), lone.interval("balanced_accuracy", 0.95)), (None, None));
        assert!(lone.interval("f_acc", 0.95).is_some());
    }

    #[test]
    fn images_of_a_scene_count_once_and_classes_may_depend_on_each_other() {
        let (labels, before, after) = samples([40, 0, 0, 0], [0, 40, 0, 0]);
        let scenes: Vec<u64> = (0..80).map(|image| image / 4).collect();
        let grouped = Unvaried::new(&labels, &before, &after, Some(&scenes));
        let (labels, before, after) = samples([10, 0, 0, 0], [0, 10, 0, 0]);
        let alone = Unvaried::new(&labels, &before, &after, None);
        for metric in ["r_acc", "f_acc", "auc"] {
            assert_close(
                metric,
                grouped.interval(metric, 0.95).unwrap(),
                alone.interval(metric, 0.95).unwrap(),
            );
        }
        let (wide, narrow) =
            [&grouped, &alone].map(|of| of.interval("balanced_accuracy", 0.95).unwrap()).into();
        assert!(wide.0 < narrow.0 && wide.0 > 0.0 && wide.1 >= narrow.1, "{wide:?} {narrow:?}");
    }
}
