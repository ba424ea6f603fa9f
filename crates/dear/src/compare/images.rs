use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::Side;
use crate::dataset::Label;
use crate::evaluate::ImageRecord;

/// How the images of both sides match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// Images on both sides: the same path with the same bytes, or the same bytes and label elsewhere.
    pub both: u64,
    /// Images before that are not there after.
    pub only_before: u64,
    /// Images after that were not there before.
    pub only_after: u64,
    /// Paths with other bytes.
    pub other_bytes: u64,
    /// Images with another label.
    pub other_label: u64,
}

impl Images {
    /// Why these are not the same images; empty where they are.
    pub(super) fn reasons(&self) -> Vec<String> {
        [
            (self.only_before, "images in the records before only"),
            (self.only_after, "images in the records after only"),
            (self.other_bytes, "images with other bytes after"),
            (self.other_label, "images with another label after"),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{what}: {n}"))
        .collect()
    }
}

/// Images of both sides, and their records.
pub(super) struct Matched<'a> {
    pub(super) images: Images,
    /// Records before and after, of whichever chain came first.
    pairs: Vec<(&'a ImageRecord, &'a ImageRecord)>,
    before: HashMap<(&'a str, &'a str), &'a ImageRecord>,
    after: HashMap<(&'a str, &'a str), &'a ImageRecord>,
}

impl<'a> Matched<'a> {
    /// Labels of the images on both sides.
    pub(super) fn labels(&self) -> Vec<u8> {
        self.pairs.iter().map(|(record, _)| record.label.as_u8()).collect()
    }

    /// A number for the scene of each image on both sides, as the records before name it, else those after; `None` where
    /// some image has none on either side.
    pub(super) fn scenes(&self) -> Option<Vec<u64>> {
        let mut ids: HashMap<&str, u64> = HashMap::new();
        self.pairs
            .iter()
            .map(|(before, after)| {
                let scene = before.scene.as_deref().or(after.scene.as_deref())?;
                let next = ids.len() as u64;
                Some(*ids.entry(scene).or_insert(next))
            })
            .collect()
    }

    /// Images that a system (name before, name after) scored before under a chain and refused after, with the record after
    /// where there is one.
    pub(super) fn newly_refused(
        &self,
        chain: &str,
        (old, new): (&str, &str),
    ) -> Vec<(&'a ImageRecord, Option<&'a ImageRecord>)> {
        let scored = |record: Option<&&ImageRecord>, system: &str| {
            record.is_some_and(|record| record.logits.get(system).copied().flatten().is_some())
        };
        let of_chain = self.pairs.iter().filter_map(|(before, after)| {
            let then = self.after.get(&(chain, key(after)));
            (scored(self.before.get(&(chain, key(before))), old) && !scored(then, new))
                .then_some((*before, then.copied()))
        });
        of_chain.collect()
    }

    /// For each image on both sides, the logits of a system (name before, name after) under a chain, NaN where a side has
    /// none; all NaN for images that `within` leaves out.
    pub(super) fn logits(
        &self,
        chain: &str,
        (old, new): (&str, &str),
        within: impl Fn(Label, &str) -> bool,
    ) -> (Vec<f64>, Vec<f64>) {
        let logit = |records: &HashMap<(&str, &str), &ImageRecord>, key: &str, system: &str| {
            let record = records.get(&(chain, key));
            record.and_then(|record| record.logits.get(system).copied().flatten()).unwrap_or(f64::NAN)
        };
        self.pairs
            .iter()
            .map(|(record, after)| match within(record.label, &record.subset) {
                true => (logit(&self.before, key(record), old), logit(&self.after, key(after), new)),
                false => (f64::NAN, f64::NAN),
            })
            .unzip()
    }
}

/// Match the images of both records; nothing where a side has none.
pub(super) fn matched<'a>(before: &'a Side, after: &'a Side) -> Option<Matched<'a>> {
    let (old, new) = (before.records.as_deref()?, after.records.as_deref()?);
    let (old_images, new_images) = (once(old), once(new));
    let by_key: HashMap<&str, &ImageRecord> =
        new_images.iter().map(|record| (key(record), *record)).collect();
    let mut by_content: HashMap<(&str, Label), Vec<&ImageRecord>> = HashMap::new();
    let taken: HashSet<&str> = old_images.iter().map(|record| key(record)).collect();
    // Only images that moved are looked for by content: those whose path was not there before.
    for record in
        new_images.iter().rev().filter(|record| !taken.contains(key(record)) && !record.sha256.is_empty())
    {
        by_content.entry((&record.sha256, record.label)).or_default().push(record);
    }
    let mut images = Images::default();
    let mut pairs = Vec::new();
    let mut found = 0;
    for record in old_images {
        match by_key.get(key(record)) {
            Some(&other) => {
                found += 1;
                // A file that could not be read has no hash: its path says which it is.
                let known = !record.sha256.is_empty() && !other.sha256.is_empty();
                if known && record.sha256 != other.sha256 {
                    images.other_bytes += 1;
                } else if record.label != other.label {
                    images.other_label += 1;
                } else {
                    pairs.push((record, other));
                }
            }
            None => match by_content.get_mut(&(record.sha256.as_str(), record.label)).and_then(Vec::pop) {
                Some(moved) => {
                    found += 1;
                    pairs.push((record, moved));
                }
                None => images.only_before += 1,
            },
        }
    }
    images.both = pairs.len() as u64;
    images.only_after = (new_images.len() - found) as u64;
    let index = |records: &'a [ImageRecord]| -> HashMap<(&'a str, &'a str), &'a ImageRecord> {
        records.iter().map(|record| ((record.chain.as_str(), key(record)), record)).collect()
    };
    Some(Matched { images, pairs, before: index(old), after: index(new) })
}

/// Each image once, whatever chains it has records of.
fn once(records: &[ImageRecord]) -> Vec<&ImageRecord> {
    let mut seen = HashSet::new();
    records.iter().filter(|record| seen.insert(key(record))).collect()
}

/// The path, exactly.
fn key(record: &ImageRecord) -> &str {
    record.path_base64.as_deref().unwrap_or(&record.path)
}
