//! Which nuisances predict the label: effect, direction and corrected significance of every feature.

use std::collections::{BTreeMap, HashMap};

use dear_image::Draw;
use serde::{Deserialize, Serialize};

use super::family::{Columns, Exchange, Family, test};
use super::feature::{FEATURES, Feature, Kind, Value};
use super::{AuditOptions, Verdict};
use crate::inference::{closed_form, detectable};
use crate::metrics::{Ranking, auc};
use crate::ranks::centred_ranks;

/// What a feature says about the label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the feature.
    pub feature: String,
    /// Where it comes from.
    pub kind: Kind,
    /// Real images that have it.
    pub real: u64,
    /// Generated images that have it.
    pub fake: u64,
    /// How well it predicts the label, 0.5 (not at all) to 1, whichever way; null where only one class has it. For a
    /// category: of the share of generated images among the *other* images of the same category (five folds).
    pub auc: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The difference in words.
    pub words: String,
    /// Median (number; quartiles where the classes differ in spread), share (flag) or commonest values (category) of the
    /// real images.
    pub real_values: String,
    /// The same of the generated images.
    pub fake_values: String,
    /// Permutation p-value of this feature alone.
    pub p: f64,
    /// Corrected for all features and splits.
    pub p_adjusted: f64,
    /// What follows.
    pub flag: Flag,
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Significant and large: a shortcut.
    Confounded,
    /// Significant and small: to be known.
    Small,
    /// No evidence.
    None,
}

/// Findings of one set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortcuts {
    /// Features that vary, the strongest first.
    pub findings: Vec<Finding>,
    /// Features that are equal in all images.
    pub constant: Vec<String>,
    /// AUC that a numeric feature must truly have to be found with probability 0.8; null where even 1 would not be.
    pub detectable_auc: Option<f64>,
}

impl Shortcuts {
    /// What the findings of one set come to.
    pub fn verdict(&self, options: &AuditOptions) -> Verdict {
        let found = self.findings.iter().any(|finding| finding.flag == Flag::Confounded);
        match self.detectable_auc {
            _ if found => Verdict::Confounded,
            Some(auc) if auc <= options.resolve_auc => Verdict::Clean,
            _ => Verdict::NotResolvable,
        }
    }
}

/// One class, one scene, all values: a row of the test.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// 1 for generated.
    pub label: u8,
    /// Its scene.
    pub group: &'a str,
    /// In the order of [`FEATURES`].
    pub values: &'a [Value],
}

/// Categories that are columns of their own; the others share one.
const CATEGORIES: usize = 16;

/// Test all features. `families` is the number of sets that share the level.
pub fn find(rows: &[Row], families: usize, options: &AuditOptions) -> Shortcuts {
    let labels: Vec<u8> = rows.iter().map(|row| row.label).collect();
    let groups: Vec<&str> = rows.iter().map(|row| row.group).collect();
    let exchange = Exchange::of_groups(&groups);
    let varying: Vec<usize> = (0..FEATURES.len()).filter(|&feature| varies(rows, feature)).collect();
    let columns: Vec<(usize, Vec<f32>)> = varying
        .iter()
        .enumerate()
        .flat_map(|(at, &feature)| columns_of(rows, feature).into_iter().map(move |column| (at, column)))
        .collect();
    let weights: Vec<f64> = labels.iter().map(|&label| f64::from(label)).collect();
    let level = options.level / families as f64;
    let matrix = Columns::new(&columns, rows.len());
    let family = test(
        &matrix,
        varying.len(),
        &weights,
        &exchange,
        (options.permutations, level),
        (options.seed, b"label"),
    );
    let widening = (rows.len() as f64 / exchange.units(rows.len()) as f64).sqrt();
    let mut findings: Vec<Finding> = varying
        .iter()
        .enumerate()
        .map(|(at, &feature)| {
            let effect = effect(rows, feature, &labels, options.seed);
            finding(rows, &FEATURES[feature], feature, effect, widening, (&family, at, families), options)
        })
        .collect();
    let strength = |finding: &Finding| (finding.flag as u8, -finding.auc.unwrap_or(0.0), finding.p_adjusted);
    findings.sort_by(|a, b| {
        let (a, b) = (strength(a), strength(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2))
    });
    let fake = labels.iter().filter(|&&label| label == 1).count() as f64;
    let real = rows.len() as f64 - fake;
    // Standard error of the AUC of a feature without ties, were it unrelated.
    let se = ((real + fake + 1.0) / (12.0 * real * fake)).sqrt() * widening;
    let detectable_auc = Some(0.5 + detectable(se, family.critical)).filter(|auc| *auc < 1.0);
    let constant = (0..FEATURES.len())
        .filter(|feature| !varying.contains(feature))
        .map(|feature| FEATURES[feature].name.to_owned());
    Shortcuts { findings, constant: constant.collect(), detectable_auc }
}

pub(super) fn varies(rows: &[Row], feature: usize) -> bool {
    let mut present = rows.iter().map(|row| &row.values[feature]).filter(|value| **value != Value::Missing);
    present.next().is_some_and(|first| present.any(|value| value != first))
}

/// A flag or number by its rank; a number also by its distance from the middle (one class may vary more around the same
/// median); a category by its commonest values.
pub(super) fn columns_of(rows: &[Row], feature: usize) -> Vec<Vec<f32>> {
    match numbers(rows, feature) {
        Some(numbers) => {
            let ranks = centred_ranks(&numbers);
            if is_flag(rows, feature) {
                return vec![ranks];
            }
            let spread = centred_ranks(&spread(&numbers));
            vec![ranks, spread]
        }
        None => {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            let categories: Vec<Option<&str>> = rows.iter().map(|row| category(row, feature)).collect();
            categories.iter().flatten().for_each(|name| *counts.entry(name).or_default() += 1);
            let present: usize = counts.values().sum();
            let mut common: Vec<(&str, usize)> = counts.into_iter().collect();
            common.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
            let place: HashMap<&str, usize> =
                common.iter().enumerate().map(|(at, &(name, _))| (name, at.min(CATEGORIES))).collect();
            let width = common.len().min(CATEGORIES + 1);
            let mut shares = vec![0.0; width];
            for &(name, count) in &common {
                shares[place[name]] += count as f64 / present as f64;
            }
            // The indicator less its mean, so that an image without any category says nothing.
            let column = |at: usize| {
                let value = |name: &Option<&str>| {
                    name.map_or(0.0, |name| (f64::from(u8::from(place[name] == at)) - shares[at]) as f32)
                };
                categories.iter().map(value).collect()
            };
            (0..width).map(column).collect()
        }
    }
}

/// Numbers and flags as numbers; `None` for a category.
pub(super) fn numbers(rows: &[Row], feature: usize) -> Option<Vec<Option<f64>>> {
    let number = |row: &Row| match &row.values[feature] {
        Value::Number(value) => Some(Some(*value)),
        Value::Flag(value) => Some(Some(f64::from(u8::from(*value)))),
        Value::Missing => Some(None),
        Value::Category(_) => None,
    };
    rows.iter().map(number).collect()
}

fn is_flag(rows: &[Row], feature: usize) -> bool {
    rows.iter().any(|row| matches!(row.values[feature], Value::Flag(_)))
}

fn category<'a>(row: &'a Row, feature: usize) -> Option<&'a str> {
    match &row.values[feature] {
        Value::Category(name) => Some(name),
        _ => None,
    }
}

/// Distance of each rank from the middle one.
fn spread(numbers: &[Option<f64>]) -> Vec<Option<f64>> {
    let ranks = centred_ranks(numbers);
    numbers.iter().zip(ranks).map(|(number, rank)| number.map(|_| f64::from(rank.abs()))).collect()
}

/// How a feature separates the classes.
struct Effect {
    /// AUC of generated over real, with its interval.
    auc: Option<(f64, f64, f64)>,
    /// Whether it is the spread that does.
    spread: bool,
}

fn effect(rows: &[Row], feature: usize, labels: &[u8], seed: u64) -> Effect {
    let measure = |numbers: &[Option<f64>]| {
        let scores: Vec<f64> = numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect();
        let ranking = Ranking::new(labels, &scores).ok()?;
        let (low, high, ..) = closed_form(&ranking, "auc")?;
        Some((auc(&ranking).ok()?, low, high))
    };
    let Some(numbers) = numbers(rows, feature) else {
        // Below one half the folds only show noise.
        let auc = measure(&encode(rows, feature, labels, seed));
        let auc = auc.map(|(value, low, high)| (value.max(0.5), low, high.max(0.5)));
        return Effect { auc, spread: false };
    };
    let own = measure(&numbers);
    if !is_flag(rows, feature) {
        let spread = measure(&spread(&numbers));
        let size = |auc: Option<(f64, f64, f64)>| auc.map_or(0.0, |(value, ..)| (value - 0.5).abs());
        if size(spread) > size(own) {
            return Effect { auc: spread, spread: true };
        }
    }
    Effect { auc: own, spread: false }
}

/// A category as a number: the share of generated images among those of the same category in the other four of five
/// folds. Scenes stay together and the classes are dealt evenly, so a category without meaning gives an AUC of one half.
fn encode(rows: &[Row], feature: usize, labels: &[u8], seed: u64) -> Vec<Option<f64>> {
    const FOLDS: usize = 5;
    let mut scenes: BTreeMap<&str, u8> = BTreeMap::new();
    for (row, label) in rows.iter().zip(labels) {
        scenes.entry(row.group).and_modify(|known| *known = (*known).max(*label)).or_insert(*label);
    }
    let mut fold: HashMap<&str, usize> = HashMap::new();
    for class in [0, 1] {
        let mut own: Vec<&str> =
            scenes.iter().filter(|(_, label)| **label == class).map(|(name, _)| *name).collect();
        Draw::keyed(seed, &[b"audit", b"folds", &[class]]).shuffle(&mut own);
        fold.extend(own.into_iter().enumerate().map(|(at, name)| (name, at % FOLDS)));
    }
    // Real and generated images of each category, in each fold.
    let mut counts: HashMap<&str, [[f64; 2]; FOLDS]> = HashMap::new();
    let mut all = [0.0; 2];
    for (row, &label) in rows.iter().zip(labels) {
        if let Some(name) = category(row, feature) {
            counts.entry(name).or_default()[fold[row.group]][usize::from(label)] += 1.0;
            all[usize::from(label)] += 1.0;
        }
    }
    let prior = all[1] / (all[0] + all[1]);
    rows.iter()
        .map(|row| {
            let name = category(row, feature)?;
            let own = fold[row.group];
            let others = counts[name].iter().enumerate().filter(|(at, _)| *at != own);
            let (real, fake) =
                others.fold((0.0, 0.0), |sum, (_, count)| (sum.0 + count[0], sum.1 + count[1]));
            // One more image with the overall share: an unseen category says nothing.
            Some((fake + prior) / (real + fake + 1.0))
        })
        .collect()
}

fn finding(
    rows: &[Row],
    of: &Feature,
    feature: usize,
    effect: Effect,
    widening: f64,
    (family, at, families): (&Family, usize, usize),
    options: &AuditOptions,
) -> Finding {
    let has = |label: u8| {
        rows.iter().filter(|row| row.label == label && row.values[feature] != Value::Missing).count() as u64
    };
    let higher = effect.auc.is_none_or(|(value, ..)| value >= 0.5);
    let directed = effect.auc.map(|(value, low, high)| {
        let (value, low, high) =
            if higher { (value, low, high) } else { (1.0 - value, 1.0 - high, 1.0 - low) };
        widen((value, low, high), widening)
    });
    let p_adjusted = (family.p_adjusted[at] * families as f64).min(1.0);
    let large =
        directed.is_some_and(|(value, low, _)| value >= options.least_auc && low >= options.least_low);
    let flag = match (p_adjusted <= options.level, large) {
        (true, true) => Flag::Confounded,
        (true, false) => Flag::Small,
        (false, _) => Flag::None,
    };
    let [real_values, fake_values] = [0, 1].map(|label| values(rows, feature, label, effect.spread));
    let words = match (effect.spread, higher) {
        _ if of.more.is_empty() => format!("real: {real_values}; generated: {fake_values}"),
        (false, true) => format!("generated images are {}", of.more),
        (false, false) => format!("generated images are {}", of.less),
        (true, true) => "the middle half of the generated images varies more".to_owned(),
        (true, false) => "the middle half of the generated images varies less".to_owned(),
    };
    Finding {
        feature: of.name.to_owned(),
        kind: of.kind,
        real: has(0),
        fake: has(1),
        auc: directed.map(|(value, ..)| value),
        low: directed.map(|(_, low, _)| low),
        high: directed.map(|(.., high)| high),
        words,
        real_values,
        fake_values,
        p: family.p[at],
        p_adjusted,
        flag,
    }
}

/// Images of one scene are not independent: the ends move out by the root of the mean size of a scene.
fn widen((value, low, high): (f64, f64, f64), by: f64) -> (f64, f64, f64) {
    (value, (value - (value - low) * by).max(0.0), (value + (high - value) * by).min(1.0))
}

/// What one class has: the median (or the quartiles), the share of a flag, or the commonest categories.
fn values(rows: &[Row], feature: usize, label: u8, spread: bool) -> String {
    let own = rows.iter().filter(|row| row.label == label);
    let (mut numbers, mut flags, mut categories) = (Vec::new(), Vec::new(), BTreeMap::<&str, usize>::new());
    for row in own {
        match &row.values[feature] {
            Value::Number(value) => numbers.push(*value),
            Value::Flag(value) => flags.push(*value),
            Value::Category(name) => *categories.entry(name).or_default() += 1,
            Value::Missing => {}
        }
    }
    let percent = |count: usize, of: usize| format!("{:.0} %", 100.0 * count as f64 / of as f64);
    if !numbers.is_empty() {
        numbers.sort_unstable_by(f64::total_cmp);
        let at = |quarter: usize| numbers[quarter * (numbers.len() - 1) / 4];
        if spread {
            return format!("{} to {}", significant(at(1)), significant(at(3)));
        }
        return significant((at(2) + numbers[numbers.len() / 2]) / 2.0);
    }
    if !flags.is_empty() {
        return percent(flags.iter().filter(|flag| **flag).count(), flags.len());
    }
    if categories.is_empty() {
        return "none".to_owned();
    }
    let total = categories.values().sum();
    let mut common: Vec<(&str, usize)> = categories.into_iter().collect();
    common.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    let shown: Vec<String> =
        common.iter().take(2).map(|(name, count)| format!("{name} {}", percent(*count, total))).collect();
    let more = if common.len() > 2 { format!(", {} more", common.len() - 2) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Three significant digits.
fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one feature, by its name; everything else is missing.
    fn rows_of<'a>(
        name: &str,
        labels: &[u8],
        groups: &'a [String],
        given: &[Value],
        store: &'a mut Vec<Vec<Value>>,
    ) -> Vec<Row<'a>> {
        let at = FEATURES.iter().position(|feature| feature.name == name).unwrap();
        for value in given {
            let mut values = vec![Value::Missing; FEATURES.len()];
            values[at] = value.clone();
            store.push(values);
        }
        let row =
            |((values, &label), group): ((&'a Vec<Value>, &u8), &'a String)| Row { label, group, values };
        store.iter().zip(labels).zip(groups).map(row).collect()
    }

    fn only(name: &str, labels: &[u8], given: &[Value], scene: usize) -> Finding {
        let groups: Vec<String> = (0..labels.len()).map(|index| (index / scene).to_string()).collect();
        let mut store = Vec::new();
        let rows = rows_of(name, labels, &groups, given, &mut store);
        let mut found = find(&rows, 1, &AuditOptions::default());
        assert_eq!((found.findings.len(), found.constant.len()), (1, FEATURES.len() - 1));
        found.findings.remove(0)
    }

    #[test]
    fn many_rare_categories_predict_nothing_and_a_rare_kind_in_one_class_does() {
        let labels: Vec<u8> = (0..120).map(|index| index % 2).collect();
        // Each value three times: in the sample itself the best ranking has an AUC of 0.9.
        let mut draw = Draw::keyed(1, &[]);
        let mut names: Vec<usize> = (0..120).map(|index| index / 3).collect();
        draw.shuffle(&mut names);
        let rare: Vec<Value> = names.iter().map(|name| Value::Category(name.to_string())).collect();
        let found = only("size", &labels, &rare, 1);
        assert!(found.auc.unwrap() < 0.6 && found.flag == Flag::None, "{found:?}");
        // All tables of real images differ, those of generated ones are the same.
        let own =
            |index: usize| Value::Category(if index % 2 == 1 { "same".into() } else { index.to_string() });
        let found = only("jpeg_tables", &labels, &(0..120).map(own).collect::<Vec<_>>(), 1);
        assert!(found.auc.unwrap() > 0.95 && found.flag == Flag::Confounded, "{found:?}");
        assert_eq!(found.words, "real: 0 2 %, 10 2 %, 58 more; generated: same 100 %");
    }

    #[test]
    fn effect_and_direction_are_those_of_the_class() {
        let labels: Vec<u8> = (0..80).map(|index| u8::from(index >= 40)).collect();
        let number =
            |of: fn(i32) -> i32| (0..80).map(|i| Value::Number(f64::from(of(i)))).collect::<Vec<_>>();
        let found = only("width", &labels, &number(|i| -i), 1);
        assert_eq!((found.auc, found.words.as_str()), (Some(1.0), "generated images are narrower"));
        assert_eq!((found.real_values.as_str(), found.fake_values.as_str()), ("-19.5", "-59.5"));
        let found = only("width", &labels, &number(|i| if i >= 40 { 0 } else { (i - 20) * 2 + 1 }), 1);
        assert_eq!(found.words, "the middle half of the generated images varies less");
        assert_eq!((found.real_values.as_str(), found.fake_values.as_str()), ("-21 to 19", "0 to 0"));
        assert_eq!(found.flag, Flag::Confounded);
        // Of 80 images in 4 scenes, no order of whole scenes is rarer than one in three.
        let found = only("width", &labels, &number(|i| i), 20);
        assert!(found.p > 0.3 && found.flag == Flag::None, "{found:?}");
    }
}
