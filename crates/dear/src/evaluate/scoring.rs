//! Detectors become [`Scores`]: one pass over the images, however many detectors, heads and chains there are.

use std::collections::BTreeMap;

use super::conditions::Conditions;
use super::results::{EvaluateOptions, System};
use crate::backbone::Metadata;
use crate::dataset::Dataset;
use crate::detector::Detector;
use crate::error::Error;
use crate::head::Head;
use crate::observe::Observer;
use crate::scan::exact_bytes;
use crate::scores::{ScoredImage, Scores};
use crate::store::Store;
use crate::views::{self, Source, WholeOptions};

/// Score every image of `dataset` under every chain with every head that `detectors` carry.
///
/// # Errors
/// The engine's, the store's, or a stop. Images that cannot be scored have no logit and a refusal.
pub(super) fn score(
    detectors: &[Detector],
    dataset: &Dataset,
    conditions: &Conditions,
    store: &Store,
    options: &EvaluateOptions,
    observer: &dyn Observer,
) -> Result<Scores, Error> {
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
    let mut images: Vec<ScoredImage> = dataset
        .samples
        .iter()
        .map(|sample| ScoredImage {
            key: sample.key.clone(),
            key_base64: exact_bytes(sample.path.strip_prefix(&dataset.root).unwrap_or(&sample.path)),
            sha256: String::new(),
            label: sample.label,
            subset: sample.subset.clone(),
            split: sample.split.clone(),
            group: sample.group.clone(),
            format: None,
        })
        .collect();
    // A backbone that several files share runs once.
    let mut backbones: Vec<&Detector> = Vec::new();
    for detector in detectors {
        if !backbones.iter().any(|other| other.same_features(detector)) {
            backbones.push(detector);
        }
    }
    let systems = systems(detectors);
    let (chains, count) = (&conditions.chains, images.len());
    let mut logits = vec![vec![vec![f64::NAN; count]; systems.len()]; chains.len()];
    let (mut refusals, mut warnings) = (BTreeMap::new(), BTreeMap::new());
    let whole = WholeOptions { seed: options.seed, decode: options.decode };
    views::each_whole(&backbones, store, &sources, chains, whole, observer, |place, facts, row| {
        let backbone = backbones[place.detector];
        for (s, (_, detector, head)) in systems.iter().enumerate() {
            if !detector.same_features(backbone) {
                continue;
            }
            match &row.error {
                None => logits[place.chain][s][place.image] = head.logit(&row.pooled),
                Some(error) => {
                    refusals.insert((place.chain, s, place.image), error.clone());
                }
            }
        }
        if let Some(warning) = row.warning {
            warnings.insert(place.image, warning);
        }
        let image = &mut images[place.image];
        image.sha256 = row.sha256;
        image.format = facts
            .format
            .map(|format| (format.as_str().to_owned(), facts.width.zip(facts.height).map(<[u32; 2]>::from)));
    })?;
    Ok(Scores {
        images,
        chains: chains.iter().map(ToString::to_string).collect(),
        tabled: conditions.tabled,
        ladders: conditions.ladders.clone(),
        systems: systems.into_iter().map(|(system, _, _)| system).collect(),
        logits,
        refusals,
        warnings,
        scenes_known: dataset.scenes_known,
    })
}

/// Detectors and the heads that they carry. A head that several files carry (the base) appears once.
fn systems(detectors: &[Detector]) -> Vec<(System, &Detector, Head)> {
    let mut systems: Vec<(System, &Detector, Head)> = Vec::new();
    for (index, detector) in detectors.iter().enumerate() {
        let metadata = detector.metadata();
        let mut add = |system: System, head: Head, control: bool| -> String {
            let same = |(_, other, known): &&(System, &Detector, Head)| {
                *known == head && other.same_features(detector)
            };
            // A detector that was asked for always has its row, whichever control its head equals.
            if control && let Some((system, _, _)) = systems.iter().find(same) {
                return system.name.clone();
            }
            let numbered = format!("{} #", system.name);
            let alike = |(other, _, _): &&(System, &Detector, Head)| {
                other.name == system.name || other.name.starts_with(&numbered)
            };
            let taken = systems.iter().filter(alike).count();
            let name = if taken == 0 { system.name.clone() } else { format!("{numbered}{}", taken + 1) };
            systems.push((System { name: name.clone(), ..system }, detector, head));
            name
        };
        let mut controls = BTreeMap::new();
        for named in &metadata.heads {
            let head = Head { weight: named.weight.clone(), bias: named.bias };
            let system = System {
                name: named.name.clone(),
                detector: Some(index),
                note: named.note.clone().unwrap_or_default(),
                hardened: false,
                controls: BTreeMap::new(),
                threshold: 0.0,
                threshold_origin: "logit 0".to_owned(),
            };
            controls.insert(named.name.clone(), add(system, head, true));
        }
        add(given(index, metadata, controls), detector.head().clone(), false);
    }
    systems
}

/// The detector as its file gives it.
fn given(index: usize, metadata: &Metadata, controls: BTreeMap<String, String>) -> System {
    let hardened = !metadata.heads.is_empty();
    let (name, note) = if hardened {
        ("hardened", "new head on the channels that the gate kept")
    } else {
        (metadata.name.as_str(), "the detector as given")
    };
    System {
        name: name.to_owned(),
        detector: Some(index),
        note: note.to_owned(),
        hardened,
        controls,
        threshold: metadata.threshold.value,
        threshold_origin: metadata.threshold.origin.clone(),
    }
}
