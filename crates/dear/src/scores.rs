//! What systems said about images, under each condition: made by running detectors ([`crate::evaluate`]) or read from
//! result files of others. Everything after this (tables, comparisons, curves, advice) sees only [`Scores`], so the
//! same judge stands over both.

mod files;
mod join;
mod names;
pub mod reference;
mod unit;

pub use files::{FromFiles, ScoreOptions, read};
pub use unit::{CERTAIN, Unit};

use std::collections::{BTreeMap, BTreeSet};

use crate::dataset::Label;
use crate::evaluate::System;

/// Logits of every system for every image under every chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The images, sorted by key.
    pub images: Vec<ScoredImage>,
    /// What was done to the images. The first [`Scores::tabled`] get tables, the others are points of curves.
    pub chains: Vec<String>,
    /// How many of `chains` get tables.
    pub tabled: usize,
    /// Perturbations of rising strength.
    pub ladders: Vec<Ladder>,
    /// Who scored.
    pub systems: Vec<System>,
    /// `logits[chain][system][image]`; NaN where the system has no score for the image.
    pub logits: Vec<Vec<Vec<f64>>>,
    /// Kind and message of what went wrong, by (chain, system, image), where that is known.
    pub refusals: BTreeMap<(usize, usize, usize), (String, String)>,
    /// What should be known of an image's file, by the index of the image.
    pub warnings: BTreeMap<usize, String>,
    /// Whether images of one scene share a group.
    pub scenes_known: bool,
}

/// An image as its scores name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoredImage {
    /// Path relative to the data's root, with `/`.
    pub key: String,
    /// The key's exact bytes in base64 where it is not UTF-8.
    pub key_base64: Option<String>,
    /// SHA-256 of its file; empty where that is not known.
    pub sha256: String,
    /// Real or generated.
    pub label: Label,
    /// Generator, or set of real images.
    pub subset: String,
    /// Split, where it is known.
    pub split: Option<String>,
    /// Images of one scene share it.
    pub group: String,
    /// What the file's header says of its format, width and height.
    pub format: Option<(String, Option<[u32; 2]>)>,
}

/// One perturbation in several strengths.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    /// `jpeg`, `resize`, `blur`, `noise`.
    pub name: String,
    /// What a level means.
    pub axis: String,
    /// Level, and index into [`Scores::chains`], from the mildest to the strongest.
    pub rungs: Vec<(f64, usize)>,
}

impl Scores {
    /// 0 for real, 1 for generated, for each image.
    pub fn labels(&self) -> Vec<u8> {
        self.images.iter().map(|image| image.label.as_u8()).collect()
    }

    /// How many images bear `label`.
    pub fn count(&self, label: Label) -> u64 {
        self.images.iter().filter(|image| image.label == label).count() as u64
    }

    /// Subsets of one class, sorted.
    pub fn subsets(&self, label: Label) -> Vec<&str> {
        let of_label = self.images.iter().filter(|image| image.label == label);
        of_label.map(|image| image.subset.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A number for the scene of each image; `None` where scenes are not known.
    pub fn groups(&self) -> Option<Vec<u64>> {
        let mut ids: BTreeMap<&str, u64> = BTreeMap::new();
        let mut groups = Vec::with_capacity(self.images.len());
        for image in &self.images {
            let next = ids.len() as u64;
            groups.push(*ids.entry(&image.group).or_insert(next));
        }
        self.scenes_known.then_some(groups)
    }

    /// Images whose very bytes also stand in the other class.
    pub fn in_both_classes(&self) -> u64 {
        let mut labels: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
        for image in self.images.iter().filter(|image| !image.sha256.is_empty()) {
            labels.entry(&image.sha256).or_default()[usize::from(image.label.as_u8())] += 1;
        }
        labels
            .values()
            .filter(|counts| counts[0] > 0 && counts[1] > 0)
            .map(|counts| counts[0] + counts[1])
            .sum()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Scores of systems `a`, `b`, ... under chains `clean`, `chain 1`, ...: images (key, label, subset, group) and
    /// `logits[chain][system][image]`.
    pub(crate) fn scores(images: &[(&str, Label, &str, &str)], logits: Vec<Vec<Vec<f64>>>) -> Scores {
        let image = |&(key, label, subset, group): &(&str, Label, &str, &str)| ScoredImage {
            key: key.to_owned(),
            key_base64: None,
            sha256: String::new(),
            label,
            subset: subset.to_owned(),
            split: None,
            group: group.to_owned(),
            format: None,
        };
        let system = |at: usize| System {
            name: char::from(b'a' + at as u8).to_string(),
            detector: None,
            note: String::new(),
            hardened: false,
            controls: BTreeMap::new(),
            threshold: 0.0,
            threshold_origin: "logit 0".to_owned(),
        };
        let chain = |at: usize| if at == 0 { "clean".to_owned() } else { format!("chain {at}") };
        Scores {
            images: images.iter().map(image).collect(),
            chains: (0..logits.len()).map(chain).collect(),
            tabled: logits.len(),
            ladders: Vec::new(),
            systems: (0..logits[0].len()).map(system).collect(),
            logits,
            refusals: BTreeMap::new(),
            warnings: BTreeMap::new(),
            scenes_known: true,
        }
    }

    pub(crate) const SMALL: [(&str, Label, &str, &str); 5] = [
        ("f/1", Label::Generated, "sd", "a"),
        ("f/2", Label::Generated, "sd", "b"),
        ("f/3", Label::Generated, "flux", "b"),
        ("r/1", Label::Real, "kodak", "a"),
        ("r/2", Label::Real, "phone", "c"),
    ];

    #[test]
    fn scenes_become_group_ids_and_subsets_are_listed_once() {
        let small = scores(&SMALL, vec![vec![vec![0.0; 5]]]);
        assert_eq!(small.groups().unwrap(), [0, 1, 1, 0, 2]);
        assert_eq!(small.subsets(Label::Generated), ["flux", "sd"]);
        assert_eq!(small.subsets(Label::Real), ["kodak", "phone"]);
        assert_eq!((small.count(Label::Real), small.count(Label::Generated)), (2, 3));
        assert_eq!(Scores { scenes_known: false, ..small }.groups(), None);
    }

    #[test]
    fn the_same_bytes_in_both_classes_are_counted_and_unknown_bytes_are_not() {
        let mut small = scores(&SMALL, vec![vec![vec![0.0; 5]]]);
        assert_eq!(small.in_both_classes(), 0);
        for (image, hash) in [(0, "x"), (3, "x"), (1, "y"), (2, "y")] {
            small.images[image].sha256 = hash.to_owned();
        }
        assert_eq!(small.in_both_classes(), 2);
    }
}
