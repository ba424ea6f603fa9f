//! Judge detectors on a dataset: every metric with its interval, per subset and per perturbation chain, for each detector
//! and for the honest baselines that a hardened file carries.

mod results;

use std::collections::BTreeMap;

pub use results::*;

use dear_image::Chain;

use crate::bootstrap::{Interval, bootstrap, paired_difference};
use crate::dataset::{Dataset, Label};
use crate::detector::Detector;
use crate::error::Error;
use crate::head::Head;
use crate::observe::Observer;
use crate::store::{Row, Store};
use crate::views::{self, Source};

/// Judge `detectors` on `dataset` under each chain (a clean pass is always first). Returns the evaluation and a record
/// for each image and chain.
///
/// # Errors
/// The engine's, the store's, or a stop. Images that cannot be scored are counted, never an error.
pub fn evaluate(
    detectors: &[Detector],
    dataset: &Dataset,
    chains: &[Chain],
    store: &Store,
    options: &EvaluateOptions,
    observer: &dyn Observer,
) -> Result<(Evaluation, Vec<ImageRecord>), Error> {
    options.bootstrap.check()?;
    let Some(first) = detectors.first() else {
        return Err(Error::Options("no detector given, expected at least one".to_owned()));
    };
    let clean: Chain =
        "clean".parse().map_err(|error: dear_image::ChainError| Error::Options(error.to_string()))?;
    let mut all_chains = vec![clean];
    for chain in chains {
        if !all_chains.contains(chain) {
            all_chains.push(chain.clone());
        }
    }
    let chain_names: Vec<String> = all_chains.iter().map(chain_name).collect();

    let sources: Vec<Source> = dataset
        .samples
        .iter()
        .map(|sample| Source {
            path: sample.path.clone(),
            key: sample.key.clone(),
            label: sample.label,
            subset: sample.subset.clone(),
            mask: None,
        })
        .collect();
    let groups = dataset.scenes_known.then(|| group_ids(dataset));
    let systems = systems(detectors);

    // One pass over the images for each backbone, however many heads share it.
    let mut rows: BTreeMap<&str, Vec<Vec<Row>>> = BTreeMap::new();
    for detector in detectors {
        if !rows.contains_key(detector.backbone_sha256()) {
            let found = views::whole(detector, store, &sources, &all_chains, options.seed, observer)?;
            rows.insert(detector.backbone_sha256(), found);
        }
    }

    let mut tables = Vec::new();
    let mut comparisons = Vec::new();
    let mut records = Vec::new();
    for (c, chain) in chain_names.iter().enumerate() {
        let mut scores: Vec<Vec<f64>> = Vec::new();
        for (system, head) in &systems {
            let rows = &rows[detectors[system.detector].backbone_sha256()][c];
            scores.push(
                rows.iter()
                    .map(|row| if row.error.is_none() { head.logit(&row.pooled) } else { f64::NAN })
                    .collect(),
            );
        }
        for ((system, _), scores) in systems.iter().zip(&scores) {
            for (subset, kind) in subsets(dataset) {
                tables.push(table(
                    dataset,
                    scores,
                    groups.as_deref(),
                    chain,
                    &system.name,
                    subset,
                    kind,
                    options,
                )?);
            }
        }
        for (after, (system, _)) in systems.iter().enumerate().filter(|(_, (system, _))| system.hardened) {
            for (before, (other, _)) in systems.iter().enumerate().filter(|&(i, _)| i != after) {
                let difference = paired_difference(
                    &labels(dataset),
                    &scores[before],
                    &scores[after],
                    groups.as_deref(),
                    &options.bootstrap,
                )?;
                comparisons.push(Comparison {
                    chain: chain.clone(),
                    before: other.name.clone(),
                    after: system.name.clone(),
                    differences: difference.intervals,
                    corrected: Vec::new(),
                    delong: None,
                    mcnemar_real: None,
                    mcnemar_fake: None,
                    at_equal_r_acc: None,
                    detectable: None,
                });
            }
        }
        for (i, sample) in dataset.samples.iter().enumerate() {
            let of_image: Vec<&Row> = rows.values().map(|by_chain| &by_chain[c][i]).collect();
            let error = of_image.iter().find_map(|row| row.error.as_ref());
            let named = systems.iter().zip(&scores);
            records.push(ImageRecord {
                path: sample.key.clone(),
                sha256: of_image.first().map(|row| row.sha256.clone()).unwrap_or_default(),
                label: sample.label,
                subset: sample.subset.clone(),
                chain: chain.clone(),
                status: if error.is_none() { "scored" } else { "refused" }.to_owned(),
                error: error.map(|(kind, _)| kind.clone()),
                message: error.map(|(_, message)| message.clone()),
                logits: named
                    .map(|((system, _), scores)| {
                        (system.name.clone(), Some(scores[i]).filter(|logit| logit.is_finite()))
                    })
                    .collect(),
            });
        }
    }
    let in_both_classes = in_both_classes(&rows[first.backbone_sha256()][0]);
    let mut evaluation = Evaluation {
        schema: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: Data {
            root: dataset.root.display().to_string(),
            real: dataset.count(Label::Real) as u64,
            fake: dataset.count(Label::Generated) as u64,
            skipped: dataset.skipped,
            in_both_classes,
            scenes_known: dataset.scenes_known,
            scenes: groups
                .as_ref()
                .map(|groups| groups.iter().collect::<std::collections::BTreeSet<_>>().len() as u64),
        },
        detectors: detectors.iter().map(detector_record).collect(),
        engine: Some(first.info().clone()),
        scores: None,
        options: options.clone(),
        chains: chain_names,
        systems: systems.into_iter().map(|(system, _)| system).collect(),
        tables,
        comparisons,
        family: 0,
        curves: Vec::new(),
        shapes: Vec::new(),
        advice: Vec::new(),
        words: Vec::new(),
    };
    evaluation.words = words(&evaluation);
    Ok((evaluation, records))
}

fn chain_name(chain: &Chain) -> String {
    if chain.is_clean() { "clean".to_owned() } else { chain.to_string() }
}

/// Detectors and the heads that they carry. A head that several files carry (the base) appears once.
fn systems(detectors: &[Detector]) -> Vec<(System, Head)> {
    let mut systems: Vec<(System, Head)> = Vec::new();
    for (index, detector) in detectors.iter().enumerate() {
        let metadata = detector.metadata();
        let hardened = !metadata.heads.is_empty();
        let mut add = |name: &str,
                       note: String,
                       head: Head,
                       hardened: bool,
                       controls: BTreeMap<String, String>|
         -> String {
            let same = |(system, other): &&(System, Head)| {
                *other == head && detectors[system.detector].backbone_sha256() == detector.backbone_sha256()
            };
            if let Some((system, _)) = systems.iter().find(same) {
                return system.name.clone();
            }
            let numbered = format!("{name} #");
            let taken = systems
                .iter()
                .filter(|(system, _)| system.name == name || system.name.starts_with(&numbered))
                .count();
            let name = if taken == 0 { name.to_owned() } else { format!("{numbered}{}", taken + 1) };
            systems.push((System { name: name.clone(), detector: index, note, hardened, controls }, head));
            name
        };
        let mut controls = BTreeMap::new();
        for named in &metadata.heads {
            let head = Head { weight: named.weight.clone(), bias: named.bias };
            let shown =
                add(&named.name, named.note.clone().unwrap_or_default(), head, false, BTreeMap::new());
            controls.insert(named.name.clone(), shown);
        }
        let (name, note) = if hardened {
            ("hardened", "new head on the channels that the gate kept")
        } else {
            (metadata.name.as_str(), "the detector as given")
        };
        add(name, note.to_owned(), detector.head().clone(), hardened, controls);
    }
    systems
}

fn detector_record(detector: &Detector) -> DetectorRecord {
    let metadata = detector.metadata();
    let rad = metadata.rad.as_ref().and_then(|record| serde_json::to_value(record).ok());
    DetectorRecord {
        name: metadata.name.clone(),
        sha256: detector.sha256().to_owned(),
        backbone_sha256: detector.backbone_sha256().to_owned(),
        architecture: metadata.architecture.clone(),
        licence: metadata.licence.clone(),
        card: metadata.card.clone().unwrap_or_default(),
        rad: rad.and_then(|value| serde_json::from_value(value).ok()),
        pruned: metadata.gate.as_ref().map(|gate| gate.pruned.clone()).unwrap_or_default(),
        recipe: metadata.recipe.clone().unwrap_or_default(),
        head: metadata.head.clone(),
    }
}

fn subsets(dataset: &Dataset) -> Vec<(&str, SubsetKind)> {
    let names = |label: Label| -> Vec<&str> {
        let mut names: Vec<&str> = dataset
            .samples
            .iter()
            .filter(|sample| sample.label == label)
            .map(|sample| sample.subset.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let mut all = vec![("all", SubsetKind::All)];
    all.extend(names(Label::Generated).into_iter().map(|name| (name, SubsetKind::Generator)));
    all.extend(names(Label::Real).into_iter().map(|name| (name, SubsetKind::RealSet)));
    all
}

#[expect(clippy::too_many_arguments, reason = "one call site; each argument is one axis of the table")]
fn table(
    dataset: &Dataset,
    scores: &[f64],
    groups: Option<&[u64]>,
    chain: &str,
    system: &str,
    subset: &str,
    kind: SubsetKind,
    options: &EvaluateOptions,
) -> Result<Table, Error> {
    let within = |index: &usize| {
        let sample = &dataset.samples[*index];
        match kind {
            SubsetKind::All | SubsetKind::MeanOverGenerators => true,
            SubsetKind::Generator => sample.label == Label::Real || sample.subset == subset,
            SubsetKind::RealSet => sample.label == Label::Real && sample.subset == subset,
        }
    };
    let members: Vec<usize> = (0..dataset.samples.len()).filter(within).collect();
    let labels: Vec<u8> = members.iter().map(|&i| dataset.samples[i].label.as_u8()).collect();
    let chosen: Vec<f64> = members.iter().map(|&i| scores[i]).collect();
    let groups: Option<Vec<u64>> = groups.map(|groups| members.iter().map(|&i| groups[i]).collect());
    let found = bootstrap(&labels, &chosen, groups.as_deref(), &options.bootstrap)?;
    Ok(Table {
        chain: chain.to_owned(),
        system: system.to_owned(),
        subset: subset.to_owned(),
        kind,
        real: found.real,
        fake: found.fake,
        refused_real: found.excluded.real,
        refused_fake: found.excluded.fake,
        metrics: found.intervals,
    })
}

fn labels(dataset: &Dataset) -> Vec<u8> {
    dataset.samples.iter().map(|sample| sample.label.as_u8()).collect()
}

fn in_both_classes(rows: &[Row]) -> u64 {
    let mut labels: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.sha256.is_empty()) {
        labels.entry(&row.sha256).or_default()[usize::from(row.label.as_u8())] += 1;
    }
    labels.values().filter(|counts| counts[0] > 0 && counts[1] > 0).map(|counts| counts[0] + counts[1]).sum()
}

fn group_ids(dataset: &Dataset) -> Vec<u64> {
    let mut ids: BTreeMap<&str, u64> = BTreeMap::new();
    for sample in &dataset.samples {
        let next = ids.len() as u64;
        ids.entry(&sample.group).or_insert(next);
    }
    dataset.samples.iter().map(|sample| ids[sample.group.as_str()]).collect()
}

/// `better` or `worse` only where the paired interval excludes zero, else `not shown`.
pub fn verdict(difference: &Interval) -> &'static str {
    match (difference.excludes_zero(), difference.value > Some(0.0)) {
        (true, true) => "better",
        (true, false) => "worse",
        (false, _) => "not shown",
    }
}

/// Whether hardening, and pruning in particular, helped, over all chains; then what was gained and what was paid under
/// each: never more than the intervals carry.
fn words(evaluation: &Evaluation) -> Vec<String> {
    let mut words = Vec::new();
    if evaluation.data.in_both_classes > 0 {
        words.push(format!(
            "Warning: {} images stand in both classes, byte for byte. No number here can be trusted until that is mended.",
            evaluation.data.in_both_classes
        ));
    }
    let several = evaluation.systems.iter().filter(|system| system.hardened).count() > 1;
    for hardened in evaluation.systems.iter().filter(|system| system.hardened) {
        let name = if several { format!("{}: ", hardened.name) } else { String::new() };
        for (control, question, against) in [
            ("base", "Did hardening help?", "the detector as it was"),
            ("base + bias", "Did hardening help?", "only moving its threshold"),
            ("refit, no pruning", "Did pruning by RAD help?", "a new head without pruning"),
            ("refit, random gate", "Did pruning by RAD help?", "pruning as many channels at random"),
        ] {
            let Some(before) = hardened.controls.get(control) else { continue };
            let found: Vec<&Interval> = evaluation
                .comparisons
                .iter()
                .filter(|comparison| &comparison.before == before && comparison.after == hardened.name)
                .filter_map(|comparison| comparison.difference("balanced_accuracy"))
                .collect();
            let count = |word: &str| found.iter().filter(|difference| verdict(difference) == word).count();
            words.push(format!(
                "{name}{question} Against {against}, balanced accuracy is better under {} of {} conditions, worse under {}, \
                 and no difference is shown under {}.",
                count("better"),
                found.len(),
                count("worse"),
                count("not shown")
            ));
        }
        let Some(base) = hardened.controls.get("base") else { continue };
        for chain in &evaluation.chains {
            let value =
                |system: &str, metric: &str| evaluation.table(chain, system, "all")?.metric(metric)?.value;
            let pair = |metric| Some((value(base, metric)?, value(&hardened.name, metric)?));
            if let (Some(f), Some(r), Some(auc)) = (pair("f_acc"), pair("r_acc"), pair("auc")) {
                words.push(format!(
                    "{name}{}: hardened, the detector finds {:.1} % of the generated images instead of {:.1} %, and leaves \
                     {:.1} % of the real ones alone instead of {:.1} %; AUC {:.3} instead of {:.3}.",
                    capital(chain),
                    100.0 * f.1,
                    100.0 * f.0,
                    100.0 * r.1,
                    100.0 * r.0,
                    auc.1,
                    auc.0
                ));
            }
        }
    }
    words
}

fn capital(chain: &str) -> String {
    match chain {
        "clean" => "Clean images".to_owned(),
        "paper" => "Post-processed as in the paper".to_owned(),
        other => format!("After {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Method;
    use crate::dataset::Sample;

    fn dataset(samples: &[(&str, Label, &str, &str)]) -> Dataset {
        let samples = samples.iter().map(|&(key, label, subset, group)| Sample {
            path: key.into(),
            key: key.to_owned(),
            label,
            subset: subset.to_owned(),
            group: group.to_owned(),
        });
        Dataset { root: "data".into(), samples: samples.collect(), skipped: 0, scenes_known: true }
    }

    fn small() -> Dataset {
        dataset(&[
            ("f/1", Label::Generated, "sd", "a"),
            ("f/2", Label::Generated, "sd", "b"),
            ("f/3", Label::Generated, "flux", "b"),
            ("r/1", Label::Real, "kodak", "a"),
            ("r/2", Label::Real, "phone", "c"),
        ])
    }

    #[test]
    fn a_generator_is_judged_against_all_real_images_and_a_real_set_alone() {
        let dataset = small();
        // flux and phone are wrong; sd 2 was refused.
        let scores = [1.0, f64::NAN, -1.0, -2.0, 0.5];
        let options = EvaluateOptions::default();
        let of = |subset: &str, kind| {
            table(&dataset, &scores, None, "clean", "mini", subset, kind, &options).unwrap()
        };
        let values = |table: &Table| ["r_acc", "f_acc"].map(|metric| table.metric(metric).unwrap().value);

        let all = of("all", SubsetKind::All);
        assert_eq!((all.real, all.fake, all.refused_real, all.refused_fake), (2, 2, 0, 1));
        assert_eq!(values(&all), [Some(0.5), Some(0.5)]);
        let sd = of("sd", SubsetKind::Generator);
        assert_eq!((sd.real, sd.fake, sd.refused_fake), (2, 1, 1));
        assert_eq!(values(&sd), [Some(0.5), Some(1.0)]);
        let phone = of("phone", SubsetKind::RealSet);
        assert_eq!((phone.real, phone.fake), (1, 0));
        assert_eq!(values(&phone), [Some(0.0), None], "one class: accuracy of the other is unknown, not 0");
        assert_eq!(phone.metric("auc").unwrap().value, None);
    }

    #[test]
    fn scenes_become_group_ids_and_subsets_are_listed_once() {
        assert_eq!(group_ids(&small()), [0, 1, 1, 0, 2]);
        let dataset = small();
        let names: Vec<&str> = subsets(&dataset).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["all", "flux", "sd", "kodak", "phone"]);
    }

    #[test]
    fn better_is_said_only_where_the_interval_excludes_zero() {
        let difference = |value: f64, low: f64, high: f64| Interval {
            metric: "balanced_accuracy".to_owned(),
            value: Some(value),
            undefined: None,
            low: Some(low),
            high: Some(high),
            degenerate: false,
            resolvable: true,
            undefined_resamples: 0,
            method: Method::Bootstrap,
        };
        assert_eq!(verdict(&difference(0.1, 0.01, 0.2)), "better");
        assert_eq!(verdict(&difference(-0.1, -0.2, -0.01)), "worse");
        assert_eq!(verdict(&difference(0.1, -0.01, 0.2)), "not shown");
        assert_eq!(verdict(&difference(0.1, 0.0, 0.2)), "not shown");
        assert_eq!(verdict(&Interval { degenerate: true, ..difference(0.1, 0.1, 0.1) }), "not shown");
    }
}
