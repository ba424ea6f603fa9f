//! Published checkpoints: what is known of them, where they are, and a download that can be trusted.
//!
//! ```text
//! models/registry.toml -> Entry (what, whose, where) -> pull -> a file in the cache, its hash pinned in lock.toml -> import
//! ```
//! [`entry`] is the file's schema, `hub` what the Hugging Face hub says of a file, `download` the transfer,
//! `cache` the folder and its lock file, and [`mod@pull`] the order of all of it.

mod cache;
mod download;
pub mod entry;
mod error;
mod hub;
pub mod pull;
mod transport;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

pub use cache::{Cache, Pin};
pub use entry::{Entry, Home};
pub use error::PullError;
pub use pull::{PullOptions, Pulled, pull};

/// The registry that comes with the program.
const EMBEDDED: &str = include_str!("../../../models/registry.toml");

/// A list of published checkpoints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// In the file's order.
    #[serde(rename = "model")]
    pub entries: Vec<Entry>,
}

impl Registry {
    /// The one that comes with the program.
    ///
    /// # Errors
    /// None, as the tests read it; a broken one is [`PullError::Registry`].
    pub fn embedded() -> Result<Self, PullError> {
        Self::parse(EMBEDDED, "the embedded registry")
    }

    /// One of the user's own.
    ///
    /// # Errors
    /// If it cannot be read, or is not of this form.
    pub fn open(path: &Path) -> Result<Self, PullError> {
        let text = fs_err::read_to_string(path).map_err(|error| PullError::Registry {
            subject: path.display().to_string(),
            found: error.to_string(),
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// `subject` names the text in errors.
    fn parse(text: &str, subject: &str) -> Result<Self, PullError> {
        let wrong = |found: String| PullError::Registry { subject: subject.to_owned(), found };
        let registry: Self = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        let mut ids = BTreeSet::new();
        for entry in &registry.entries {
            entry.check().map_err(|found| wrong(format!("model \"{}\": {found}", entry.id)))?;
            if !ids.insert(&entry.id) {
                return Err(wrong(format!("two models \"{}\", expected each id once", entry.id)));
            }
        }
        Ok(registry)
    }

    /// The checkpoint of this id.
    ///
    /// # Errors
    /// [`PullError::UnknownId`] with all that there are.
    pub fn entry(&self, id: &str) -> Result<&Entry, PullError> {
        self.entries.iter().find(|entry| entry.id == id).ok_or_else(|| PullError::UnknownId {
            id: id.to_owned(),
            known: self.entries.iter().map(|entry| entry.id.clone()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;

    #[test]
    fn the_embedded_registry_is_sound() {
        let registry = Registry::embedded().unwrap();
        assert!(registry.entries.len() >= 15, "{} models", registry.entries.len());
        for entry in &registry.entries {
            let id = &entry.id;
            assert!(Architecture::named(&entry.architecture).is_some(), "{id}: {}", entry.architecture);
            assert!(!entry.title.is_empty() && !entry.paper.is_empty(), "{id}");
            assert!(entry.repository.starts_with("https://"), "{id}");
            let (Home::Url { url, .. } | Home::Page { url }) = &entry.home else { continue };
            assert!(url.starts_with("https://"), "{id}: {url}");
        }
    }

    const ONE: &str = "[[model]]\nid = \"a\"\ntitle = \"t\"\narchitecture = \"npr\"\npaper = \"p\"\n\
        repository = \"https://r\"\nlicence = \"MIT\"\nhome = { kind = \"hub\", repo = \"o/r\", file = \"a.pth\" }\n";

    #[test]
    fn a_registry_that_cannot_be_meant_is_refused_with_its_reason() {
        assert_eq!(Registry::parse(ONE, "x").unwrap().entries.len(), 1);
        let twice = format!("{ONE}{ONE}");
        let hash = "sha256 = \"00\"\n".to_owned() + "licence = \"MIT\"";
        let cases: [(String, &str); 9] = [
            (twice, "two models \"a\""),
            (ONE.replace("id = \"a\"", "id = \"A b\""), "id is \"A b\", expected lower-case"),
            (ONE.replace("licence = \"MIT\"", "licence = \"\""), "no licence"),
            (ONE.replace("licence = \"MIT\"", &hash), "sha256 is \"00\", expected 64"),
            (ONE.replace("a.pth", "../a.pth"), "file is \"../a.pth\""),
            (ONE.replace("o/r", "o/r?x"), "repo is \"o/r?x\""),
            (
                ONE.replace(
                    "kind = \"hub\", repo = \"o/r\", file",
                    "kind = \"url\", url = \"http://h/a\", file",
                ),
                "https",
            ),
            (
                ONE.replace(
                    "kind = \"hub\", repo = \"o/r\", file",
                    "kind = \"url\", url = \"https://h/a\", file",
                ),
                "sha256",
            ),
            (ONE.replace("paper", "papier"), "papier"),
        ];
        for (text, expected) in cases {
            let error = Registry::parse(&text, "x").unwrap_err();
            assert_eq!(error.kind(), "registry");
            assert!(error.to_string().starts_with("x: ") && error.to_string().contains(expected), "{error}");
        }
    }
}
