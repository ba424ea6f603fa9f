//! One picture in several places: across classes a wrong label (or a pair), across splits a leak.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use crate::dataset::Label;

/// An image that takes part in the search.
pub(super) struct Candidate {
    /// Its split, if the root holds several.
    pub split: Option<String>,
    /// Real or generated.
    pub label: Label,
    /// Its path in the split.
    pub path: String,
    /// The path's exact bytes where it is not UTF-8.
    pub path_base64: Option<String>,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Absent for a flat image.
    pub fingerprint: Option<Fingerprint>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Duplicates {
    /// Largest Hamming distance of two fingerprints that count as one picture.
    pub distance: u32,
    /// Images of one picture in both classes.
    pub across_classes: Crossing,
    /// Images of one picture in several splits.
    pub across_splits: Crossing,
    /// Images whose picture occurs again in the same class and split, beyond the first.
    pub repeated: u64,
    /// Images without a fingerprint (flat); of these only identical files are found.
    pub flat: u64,
    /// The pictures of both crossings, at most 200.
    pub pictures: Vec<Picture>,
}

/// How much crosses a border.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// Pictures.
    pub pictures: u64,
    /// Images that show them.
    pub images: u64,
    /// Pictures of which identical files lie on both sides.
    pub identical_files: u64,
}

/// A picture that occurs in several places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Whether both classes have it.
    pub across_classes: bool,
    /// Whether several splits have it.
    pub across_splits: bool,
    /// Where it lies.
    pub images: Vec<Place>,
}

/// Where an image lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Its split.
    pub split: Option<String>,
    /// Real or generated.
    pub label: Label,
    /// Its path in the split; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The path's exact bytes in base64 where it is not UTF-8, else null.
    #[serde(default)]
    pub path_base64: Option<String>,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// Pictures that are listed; all are counted.
pub(super) const SHOWN: usize = 200;
/// Bits that may differ. The index finds every pair up to this: of four bands of 16 bits one differs by at most one bit.
pub(super) const DISTANCE: u32 = 4;

/// Find pictures that cross classes or splits.
pub(super) fn find(candidates: &[Candidate]) -> Duplicates {
    let mut sets = Sets::new(candidates.len());
    join_identical_files(candidates, &mut sets);
    join_near(candidates, &mut sets);
    let mut pictures: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in 0..candidates.len() {
        pictures.entry(sets.root(index)).or_default().push(index);
    }
    let mut found = Duplicates { distance: DISTANCE, ..Duplicates::default() };
    found.flat = candidates.iter().filter(|candidate| candidate.fingerprint.is_none()).count() as u64;
    for members in pictures.into_values().filter(|members| members.len() > 1) {
        let images: Vec<&Candidate> = members.iter().map(|&index| &candidates[index]).collect();
        let across_classes = images.iter().any(|image| image.label != images[0].label);
        let across_splits = images.iter().any(|image| image.split != images[0].split);
        if across_classes {
            found.across_classes.count(&images, |a, b| a.label != b.label);
        }
        if across_splits {
            found.across_splits.count(&images, |a, b| a.split != b.split);
        }
        let mut places: Vec<_> = images.iter().map(|image| (image.label, &image.split)).collect();
        places.sort_unstable();
        places.dedup();
        found.repeated += (images.len() - places.len()) as u64;
        if (across_classes || across_splits) && found.pictures.len() < SHOWN {
            let place = |image: &&Candidate| Place {
                split: image.split.clone(),
                label: image.label,
                path: image.path.clone(),
                path_base64: image.path_base64.clone(),
                sha256: image.sha256.clone(),
            };
            let images = images.iter().map(place).collect();
            found.pictures.push(Picture { across_classes, across_splits, images });
        }
    }
    found
}

impl Crossing {
    fn count(&mut self, images: &[&Candidate], apart: impl Fn(&Candidate, &Candidate) -> bool) {
        self.pictures += 1;
        self.images += images.len() as u64;
        let mut first: HashMap<&str, &Candidate> = HashMap::new();
        let identical = images.iter().any(|image| {
            let known = *first.entry(&image.sha256).or_insert(image);
            apart(known, image)
        });
        self.identical_files += u64::from(identical);
    }
}

fn join_identical_files(candidates: &[Candidate], sets: &mut Sets) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let known = *first.entry(&candidate.sha256).or_insert(index);
        sets.join(known, index);
    }
}

/// Joins pictures whose bits differ by at most [`DISTANCE`] and whose thumbnails agree.
fn join_near(candidates: &[Candidate], sets: &mut Sets) {
    // Images of equal bits stand behind the first of them; a set of a million copies is one entry of the index.
    let mut by_bits: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        if let Some(fingerprint) = &candidate.fingerprint {
            by_bits.entry(fingerprint.bits).or_default().push(index);
        }
    }
    let agree = |a: usize, b: usize| match (&candidates[a].fingerprint, &candidates[b].fingerprint) {
        (Some(a), Some(b)) => a.agrees(b),
        _ => false,
    };
    // Of equal bits, one image for each picture.
    let mut entries: Vec<(u64, Vec<usize>)> = Vec::with_capacity(by_bits.len());
    for (bits, members) in by_bits {
        let mut leaders: Vec<usize> = Vec::new();
        for index in members {
            match leaders.iter().find(|&&leader| agree(leader, index)) {
                Some(&leader) => sets.join(leader, index),
                None => leaders.push(index),
            }
        }
        entries.push((bits, leaders));
    }
    let mut bands: [HashMap<u16, Vec<u32>>; 4] = Default::default();
    for (at, (bits, leaders)) in entries.iter().enumerate() {
        for (band, buckets) in bands.iter_mut().enumerate() {
            let own = (bits >> (16 * band)) as u16;
            for key in std::iter::once(own).chain((0..16).map(|bit| own ^ (1 << bit))) {
                for &other in buckets.get(&key).into_iter().flatten() {
                    let (other_bits, others) = &entries[other as usize];
                    if (bits ^ other_bits).count_ones() > DISTANCE {
                        continue;
                    }
                    for &a in leaders {
                        for &b in others {
                            if sets.root(a) != sets.root(b) && agree(a, b) {
                                sets.join(a, b);
                            }
                        }
                    }
                }
            }
        }
        for (band, buckets) in bands.iter_mut().enumerate() {
            buckets.entry((bits >> (16 * band)) as u16).or_default().push(at as u32);
        }
    }
}

/// Disjoint sets; the smallest member stands for all.
struct Sets(Vec<usize>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.0[index] != index {
            self.0[index] = self.0[self.0[index]];
            index = self.0[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dear_image::{Draw, Image, Kernel, resize};

    #[test]
    fn every_pair_within_the_distance_is_found_and_none_beyond() {
        let mut draw = Draw::keyed(5, &[]);
        let coarse = Image::from_fn(6, 6, |x, y| [(x * 40) as u8, (y * 40) as u8, ((x * y) * 7) as u8]);
        let print = Fingerprint::of(&resize(&coarse, 64, 64, Kernel::Bicubic)).unwrap();
        for _ in 0..500 {
            let (bits, flips) = (draw.next_u64(), draw.below(8) as usize);
            let mut places: Vec<u32> = (0..64).collect();
            draw.shuffle(&mut places);
            let other = places[..flips].iter().fold(bits, |bits, place| bits ^ (1 << place));
            let candidate = |bits, label, name: &str| Candidate {
                split: None,
                label,
                path: name.to_owned(),
                path_base64: None,
                sha256: name.to_owned(),
                fingerprint: Some(print.with_bits(bits)),
            };
            let found = find(&[
                candidate(bits, Label::Real, "a"),
                candidate(!bits, Label::Real, "b"),
                candidate(other, Label::Generated, "c"),
            ]);
            assert_eq!(found.across_classes.pictures, u64::from(flips <= 4), "{flips} bits");
            assert_eq!(found.across_classes.identical_files, 0);
        }
    }
}
