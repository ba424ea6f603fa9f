//! Rows of several files, matched by the path of their image.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::unit::{Unit, logits};
use super::{ScoredImage, Scores};
use crate::columns::ColumnsError;
use crate::dataset::Label;
use crate::evaluate::{ScoreFile, ScoreOrigin, System};
use crate::metrics::{Suspicion, suspicions};

/// A row of some file.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The key's exact bytes in base64 where it is not UTF-8.
    pub(super) key_base64: Option<String>,
    pub(super) label: Label,
    pub(super) subset: Option<String>,
    pub(super) split: Option<String>,
    pub(super) scene: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) chain: String,
    /// Place among the systems.
    pub(super) system: usize,
    pub(super) unit: Unit,
    pub(super) score: Result<f64, (String, String)>,
    /// File and place, for messages.
    pub(super) at: String,
}

/// An image's key, exactly.
type Key<'a> = (&'a str, Option<&'a str>);

impl Entry {
    fn key(&self) -> Key<'_> {
        (&self.key, self.key_base64.as_deref())
    }
}

/// Scores of the images that all `systems` (their names, of which none is without a row) list; also returns how many that leaves out. What rows say of an image must
/// agree.
///
/// # Errors
/// An image that stands twice or has two labels, and no image in common.
pub(super) fn join(
    entries: Vec<Entry>,
    systems: Vec<String>,
    files: Vec<ScoreFile>,
) -> Result<(Scores, ScoreOrigin, usize), ColumnsError> {
    let shown = files.first().map(|file| file.path.clone()).unwrap_or_default();
    let bad =
        |message: String, hint: &str| ColumnsError { path: shown.clone(), message, hint: hint.to_owned() };
    let mut chains = in_order(entries.iter().map(|entry| entry.chain.as_str()));
    // Clean images come first, whatever the order of the rows.
    chains.sort_by_key(|chain| *chain != "clean");
    let chains: Vec<String> = chains.into_iter().map(str::to_owned).collect();
    let place = |name: &str| chains.iter().position(|chain| chain == name).unwrap_or_default();

    // What each file says of an image must agree.
    let mut known: BTreeMap<Key, Known> = BTreeMap::new();
    let mut seen: HashMap<(Key, usize, usize), &Entry> = HashMap::new();
    for entry in &entries {
        let (system, chain) = (entry.system, place(&entry.chain));
        if let Some(other) = seen.insert((entry.key(), system, chain), entry) {
            return Err(bad(
                format!("{:?} stands twice ({} and {})", entry.key, other.at, entry.at),
                "an image is one row for each system and chain; name the columns `system` and `chain` so",
            ));
        }
        let image = known.entry(entry.key()).or_insert_with(|| Known {
            first: entry,
            listed: vec![false; systems.len()],
            subset: None,
            split: None,
            scene: None,
            sha256: None,
        });
        let first = image.first;
        if first.label != entry.label {
            return Err(bad(
                format!("{:?} has two labels ({} and {})", entry.key, first.at, entry.at),
                "labels must agree between rows and files",
            ));
        }
        image.listed[system] = true;
        // Not every file needs to name them.
        image.subset = image.subset.or(entry.subset.as_ref());
        image.split = image.split.or(entry.split.as_ref());
        image.scene = image.scene.or(entry.scene.as_ref());
        image.sha256 = image.sha256.or(entry.sha256.as_ref());
    }
    let listed_by_all = |image: &&Known| image.listed.iter().all(|listed| *listed);
    let shared: Vec<&Known> = known.values().filter(listed_by_all).collect();
    let left_out = known.len() - shared.len();
    if shared.is_empty() {
        let example = |system: usize| {
            entries.iter().find(|entry| entry.system == system).map(|entry| format!("{:?}", entry.key))
        };
        let examples: Vec<String> = (0..systems.len()).filter_map(example).collect();
        return Err(bad(
            format!("no image stands in all systems; their first paths are {}", examples.join(", ")),
            "paths must be the same text in every file, relative to the same folder",
        ));
    }
    let scenes_known = shared.iter().any(|image| image.scene.is_some());
    let images: Vec<ScoredImage> = shared
        .iter()
        .map(|image| {
            let Entry { key, key_base64, label, .. } = image.first;
            ScoredImage {
                key: key.clone(),
                key_base64: key_base64.clone(),
                sha256: image.sha256.cloned().unwrap_or_default(),
                label: *label,
                subset: image.subset.cloned().unwrap_or_else(|| label.as_str().to_owned()),
                split: image.split.cloned(),
                group: image.scene.or(key_base64.as_ref()).unwrap_or(key).clone(),
                format: None,
            }
        })
        .collect();

    let mut raw = vec![vec![vec![f64::NAN; images.len()]; systems.len()]; chains.len()];
    let mut refusals = BTreeMap::new();
    for (c, of_chain) in raw.iter_mut().enumerate() {
        for (s, of_system) in of_chain.iter_mut().enumerate() {
            for (i, score) in of_system.iter_mut().enumerate() {
                match seen.get(&(shared[i].first.key(), s, c)).map(|entry| &entry.score) {
                    Some(Ok(found)) => *score = *found,
                    Some(Err(refusal)) => {
                        refusals.insert((c, s, i), refusal.clone());
                    }
                    None => {
                        let message = "the file has no row for it under this chain";
                        refusals.insert((c, s, i), ("not_listed".to_owned(), message.to_owned()));
                    }
                }
            }
        }
    }
    let labels: Vec<u8> = images.iter().map(|image| image.label.as_u8()).collect();
    let unit = |system: usize| {
        entries.iter().find(|entry| entry.system == system).map_or(Unit::Logit, |entry| entry.unit)
    };
    let units: Vec<Unit> = (0..systems.len()).map(unit).collect();
    let warnings = warnings(&systems, &labels, &raw[0], &units);
    let of_chain = |scores: &Vec<Vec<f64>>| -> Vec<Vec<f64>> {
        scores.iter().zip(&units).map(|(scores, unit)| logits(scores, *unit)).collect()
    };
    let logits = raw.iter().map(of_chain).collect();
    let declared = in_order(units.iter().map(|unit| unit.name())).join(", ");
    let scores = Scores {
        images,
        tabled: chains.len(),
        chains,
        ladders: Vec::new(),
        systems: systems.into_iter().map(system).collect(),
        logits,
        refusals,
        warnings: BTreeMap::new(),
        scenes_known,
    };
    Ok((scores, ScoreOrigin { files, unit: declared, warnings }, left_out))
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

fn system(name: String) -> System {
    System {
        name,
        detector: None,
        note: "scores from a file".to_owned(),
        hardened: false,
        controls: BTreeMap::new(),
        threshold: 0.0,
        threshold_origin: "logit 0".to_owned(),
    }
}

/// An image, by the first row that names it, and by the first that says the rest.
struct Known<'a> {
    first: &'a Entry,
    /// Whether each system has it.
    listed: Vec<bool>,
    subset: Option<&'a String>,
    split: Option<&'a String>,
    scene: Option<&'a String>,
    sha256: Option<&'a String>,
}

/// What looks wrong about the scores of each system as they were given, under the first chain.
fn warnings(systems: &[String], labels: &[u8], raw: &[Vec<f64>], units: &[Unit]) -> Vec<String> {
    let mut warnings = Vec::new();
    for ((name, scores), &unit) in systems.iter().zip(raw).zip(units) {
        let as_logits = logits(scores, unit);
        for found in suspicions(labels, &as_logits).unwrap_or_default() {
            // Logits may look like probabilities; what was declared a probability need not be told.
            if matches!(found, Suspicion::Inverted { .. } | Suspicion::Constant { .. })
                || !unit.is_probability()
            {
                warnings.push(format!("{name}: {found}."));
            }
        }
        if unit.is_probability() {
            let twice = suspicions(labels, scores).unwrap_or_default();
            let twice = twice.into_iter().filter(|found| matches!(found, Suspicion::DoubleSigmoid { .. }));
            warnings.extend(twice.map(|found| format!("{name}: {found}.")));
            let certain = scores.iter().filter(|score| **score == 0.0 || **score == 1.0).count();
            if certain > 0 {
                warnings.push(format!(
                    "{name}: {certain} probabilities are exactly 0 or 1. They keep their rank as logits of -745 and 745; the \
                     negative log likelihood counts them so, and they may be ties that rounding made."
                ));
            }
        }
    }
    warnings
}
