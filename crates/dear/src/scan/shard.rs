//! A part of a scan, so that several machines share one.

use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::dataset;

/// One of several parts, by a hash of each path as it is given. The parts of one scan have no item in common and all of them
/// together, whatever the order of its inputs, and on any machine on which the paths are given alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// Whether `path` is in this part: the first 8 bytes of the SHA-256 of its bytes, as a big-endian number, modulo the number
    /// of parts, count from 0 what [`Shard`] counts from 1.
    pub fn holds(&self, path: &Path) -> bool {
        let digest = Sha256::digest(bytes(path).as_ref());
        let first: [u8; 8] = digest.first_chunk().copied().unwrap_or_default();
        u64::from_be_bytes(first) % self.of == self.number - 1
    }
}

/// Its bytes as they are, or where folders are not parted by `/`, its text with `/`.
fn bytes(path: &Path) -> Cow<'_, [u8]> {
    match std::path::MAIN_SEPARATOR {
        '/' => Cow::Borrowed(path.as_os_str().as_encoded_bytes()),
        _ => Cow::Owned(dataset::path_text(path).into_bytes()),
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((number, of)) if 1 <= number && number <= of => Ok(Self { number, of }),
            _ => Err(format!("{text:?} is no part, expected one like 1/4, from 1/4 to 4/4")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_in_one_part_and_always_in_the_same() {
        let paths: Vec<String> = (0..1000).map(|number| format!("photos/{number}.jpg")).collect();
        for of in [1, 2, 7] {
            let shards: Vec<Shard> =
                (1..=of).map(|number| format!("{number}/{of}").parse().unwrap()).collect();
            let mut sizes = vec![0; shards.len()];
            for path in &paths {
                let holding: Vec<usize> =
                    (0..shards.len()).filter(|&at| shards[at].holds(Path::new(path))).collect();
                assert_eq!(holding.len(), 1, "{path} of {of}");
                sizes[holding[0]] += 1;
            }
            // Within five standard deviations of a fair draw (1000 of 7: 143 and 11).
            assert!(sizes.iter().all(|&size| (size as f64 - 1000.0 / of as f64).abs() < 60.0), "{sizes:?}");
        }
        // As Python says: int(hashlib.sha256(b"photos/1.jpg").hexdigest()[:16], 16) % 7 + 1.
        assert!(Shard { number: 1, of: 7 }.holds(Path::new("photos/1.jpg")));
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["", "1", "0/4", "5/4", "1/0", "0/0", "-1/4", "1/4/4", "a/b", "1.5/4"] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains("expected one like 1/4"), "{error}");
        }
        assert_eq!("4/4".parse::<Shard>().unwrap(), Shard { number: 4, of: 4 });
    }
}
