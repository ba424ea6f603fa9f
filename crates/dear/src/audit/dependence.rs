//! Do a detector's scores follow the nuisances? Within one class, where a score should not.

use serde::{Deserialize, Serialize};

use super::AuditOptions;
use super::family::{Columns, Exchange, test};
use super::feature::{FEATURES, Kind};
use super::shortcut::{Flag, Row, columns_of, numbers, varies};
use crate::dataset::Label;
use crate::ranks::{centred_ranks, spearman};

/// How the logit follows one feature within one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dependence {
    /// Name of the feature.
    pub feature: String,
    /// Where it comes from.
    pub kind: Kind,
    /// The class.
    pub label: Label,
    /// Scored images of the class that have the feature.
    pub images: u64,
    /// Spearman's rank correlation with the logit, ties at their midranks; null for a category.
    pub correlation: Option<f64>,
    /// Lower end of its 95 % interval (Fisher's z with the standard error of Bonett and Wright, Psychometrika 65, 2000).
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The dependence in words.
    pub words: String,
    /// Permutation p-value of this feature alone.
    pub p: f64,
    /// Corrected for all features, both classes and all splits.
    pub p_adjusted: f64,
    /// `confounded` where significant and the correlation is at least 0.2 (a category: significant).
    pub flag: Flag,
}

/// A row and its logit.
pub(super) struct Scored<'a> {
    pub(super) row: Row<'a>,
    pub(super) logit: f64,
}

/// From this correlation on a dependence is called large.
const LARGE: f64 = 0.2;

/// Test all features in both classes; those that are significant, the strongest first.
pub(super) fn find(scored: &[Scored], families: usize, options: &AuditOptions) -> Vec<Dependence> {
    let mut all: Vec<Dependence> = [Label::Real, Label::Generated]
        .into_iter()
        .flat_map(|label| of_class(scored, label, families, options))
        .collect();
    all.sort_by(|a, b| {
        let size = |d: &Dependence| d.correlation.map_or(0.0, f64::abs);
        (a.flag as u8)
            .cmp(&(b.flag as u8))
            .then(size(b).total_cmp(&size(a)))
            .then(a.p_adjusted.total_cmp(&b.p_adjusted))
    });
    all
}

fn of_class(scored: &[Scored], label: Label, families: usize, options: &AuditOptions) -> Vec<Dependence> {
    let own: Vec<&Scored> = scored.iter().filter(|scored| scored.row.label == label.as_u8()).collect();
    let rows: Vec<Row> = own.iter().map(|scored| scored.row).collect();
    let logits: Vec<Option<f64>> = own.iter().map(|scored| Some(scored.logit)).collect();
    let weights: Vec<f64> = centred_ranks(&logits).into_iter().map(f64::from).collect();
    let groups: Vec<&str> = rows.iter().map(|row| row.group).collect();
    let exchange = Exchange::of_groups(&groups);
    let varying: Vec<usize> = (0..FEATURES.len()).filter(|&feature| varies(&rows, feature)).collect();
    // A spread column has no correlation to show; the first column of a number is its rank.
    let columns: Vec<(usize, Vec<f32>)> = varying
        .iter()
        .enumerate()
        .flat_map(|(at, &feature)| {
            let mut columns = columns_of(&rows, feature);
            if numbers(&rows, feature).is_some() {
                columns.truncate(1);
            }
            columns.into_iter().map(move |column| (at, column))
        })
        .collect();
    let matrix = Columns::new(&columns, rows.len());
    let (family_options, key) =
        ((options.permutations, options.level / families as f64), (options.seed, b"score".as_slice()));
    let family = test(&matrix, varying.len(), &weights, &exchange, family_options, key);
    let finding = |(at, &feature): (usize, &usize)| {
        let numbers = numbers(&rows, feature);
        let correlation = numbers.as_ref().and_then(|numbers| spearman(numbers, &logits));
        let images = rows.iter().filter(|row| row.values[feature] != super::Value::Missing).count() as u64;
        let interval = correlation.and_then(|value| interval(value, images));
        let p_adjusted = (family.p_adjusted[at] * families as f64).min(1.0);
        let flag = match (p_adjusted <= options.level, correlation.is_none_or(|value| value.abs() >= LARGE)) {
            (true, true) => Flag::Confounded,
            (true, false) => Flag::Small,
            (false, _) => Flag::None,
        };
        let of = &FEATURES[feature];
        let class = if label == Label::Real { "real" } else { "generated" };
        let words = match correlation {
            Some(value) if value >= 0.0 => format!("{class} images that are {} look more generated", of.more),
            Some(_) => format!("{class} images that are {} look less generated", of.more),
            None => format!("the score of {class} images differs between values of {}", of.name),
        };
        Dependence {
            feature: of.name.to_owned(),
            kind: of.kind,
            label,
            images,
            correlation,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            words: words.replace("more often ", ""),
            p: family.p[at],
            p_adjusted,
            flag,
        }
    };
    varying.iter().enumerate().map(finding).collect()
}

fn interval(correlation: f64, images: u64) -> Option<(f64, f64)> {
    if images < 4 {
        return None;
    }
    let half = crate::inference::normal::quantile(0.975)
        * ((1.0 + correlation * correlation / 2.0) / (images as f64 - 3.0)).sqrt();
    let z = correlation.clamp(-1.0 + 1e-15, 1.0 - 1e-15).atanh();
    Some(((z - half).tanh(), (z + half).tanh()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Value;

    #[test]
    fn a_score_that_follows_a_feature_in_one_class_is_told_for_that_class_only() {
        let width = FEATURES.iter().position(|feature| feature.name == "width").unwrap();
        let groups: Vec<String> = (0..200).map(|index| index.to_string()).collect();
        let mut draw = dear_image::Draw::keyed(4, &[]);
        let values: Vec<Vec<Value>> = (0..200)
            .map(|_| {
                let mut values = vec![Value::Missing; FEATURES.len()];
                values[width] = Value::Number(draw.normal());
                values
            })
            .collect();
        let scored: Vec<Scored> = (0..200)
            .map(|index| {
                let label = u8::from(index % 2 == 1);
                let Value::Number(x) = values[index][width] else { panic!() };
                let logit = if label == 1 { -x + draw.normal() } else { draw.normal() };
                Scored { row: Row { label, group: &groups[index], values: &values[index] }, logit }
            })
            .collect();
        let found = find(&scored, 2, &AuditOptions::default());
        assert_eq!(found.len(), 2);
        let (first, second) = (&found[0], &found[1]);
        assert_eq!((first.label, first.flag, first.images), (Label::Generated, Flag::Confounded, 100));
        assert!((-0.8..-0.5).contains(&first.correlation.unwrap()), "{first:?}");
        assert_eq!(first.words, "generated images that are wider look less generated");
        assert_eq!((second.label, second.flag), (Label::Real, Flag::None));
        assert!(second.low < Some(0.0) && second.high > Some(0.0), "{second:?}");
    }
}
