//! One record an image and chain, and one row an image, chain and system.

use super::results::ImageRecord;
use crate::scores::Scores;

/// A record for each chain and image, in that order.
pub fn records(scores: &Scores) -> Vec<ImageRecord> {
    let mut records = Vec::with_capacity(scores.chains.len() * scores.images.len());
    for (c, chain) in scores.chains.iter().enumerate() {
        for (i, image) in scores.images.iter().enumerate() {
            let error = (0..scores.systems.len()).find_map(|s| scores.refusals.get(&(c, s, i)));
            let logits = scores.systems.iter().enumerate().map(|(s, system)| {
                (system.name.clone(), Some(scores.logits[c][s][i]).filter(|logit| logit.is_finite()))
            });
            records.push(ImageRecord {
                path: image.key.clone(),
                path_base64: image.key_base64.clone(),
                sha256: image.sha256.clone(),
                label: image.label,
                subset: image.subset.clone(),
                split: image.split.clone(),
                chain: chain.clone(),
                status: if error.is_none() { "scored" } else { "refused" }.to_owned(),
                error: error.map(|(kind, _)| kind.clone()),
                message: error.map(|(_, message)| message.clone()),
                logits: logits.collect(),
            });
        }
    }
    records
}
