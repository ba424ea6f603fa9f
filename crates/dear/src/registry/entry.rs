//! One published checkpoint, as `models/registry.toml` describes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::transport::is_loopback;
use crate::architecture::ladeda::Residual;
use crate::architecture::{HeadChoice, NetworkOptions};
use crate::import::ImportOptions;

/// Licences under which weights may be used for anything, given attribution.
const PERMISSIVE: [&str; 8] =
    ["Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "ISC", "MIT", "Unlicense"];

/// A published checkpoint. What is not known is absent: nothing here is guessed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name, in lower case with hyphens.
    pub id: String,
    /// What it is.
    pub title: String,
    /// A name of [`ARCHITECTURES`](crate::architecture::ARCHITECTURES).
    pub architecture: String,
    /// Where it is described.
    pub paper: String,
    /// The authors' code.
    pub repository: String,
    /// The licence of the weights: an SPDX expression, `LicenseRef-...`, or `none stated`.
    pub licence: String,
    /// That of the code, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_licence: Option<String>,
    /// Where the file is.
    pub home: Home,
    /// SHA-256 of the file, 64 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What git calls the file, 40 digits: known where the file lies in a repository and could not be hashed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_sha1: Option<String>,
    /// Its length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// A few of its tensors and their shapes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Vec<u64>>,
    /// What becomes of its head. Default: it is taken.
    #[serde(default)]
    pub head: HeadChoice,
    /// The id of the frozen network that it was trained above, where the file does not hold that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone: Option<String>,
    /// What LaDeDa looks at instead of pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual: Option<Residual>,
    /// What it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<String>,
    /// What its authors show it of an image when they test it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_view: Option<String>,
    /// What one must know before using it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether the place of the file was not seen by whoever wrote the entry.
    #[serde(default)]
    pub unverified: bool,
}

/// Where the file of a checkpoint is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Home {
    /// In a repository of the Hugging Face hub.
    Hub {
        /// Owner and name.
        repo: String,
        /// Its path in there.
        file: String,
        /// Branch, tag or commit.
        #[serde(default = "main")]
        revision: String,
    },
    /// At an address that serves the file itself. Nobody there says its hash, so the entry must.
    Url {
        /// The address.
        url: String,
        /// What the file is called.
        file: String,
    },
    /// Behind a page for people.
    Page {
        /// The page.
        url: String,
    },
}

fn main() -> String {
    "main".to_owned()
}

impl Home {
    /// The file's own name, if it can be downloaded.
    pub fn file_name(&self) -> Option<&str> {
        match self {
            Self::Hub { file, .. } | Self::Url { file, .. } => file.rsplit('/').next(),
            Self::Page { .. } => None,
        }
    }
}

impl Entry {
    /// Whether the licence leaves open what the weights are used for. If not, it must be accepted.
    pub fn is_permissive(&self) -> bool {
        PERMISSIVE.contains(&self.licence.as_str())
    }

    /// How [`import`](crate::import::import) is to take the file. `backbone`: the file of [`Entry::backbone`].
    pub fn import_options(&self, backbone: Option<PathBuf>) -> ImportOptions {
        ImportOptions {
            architecture: Some(self.architecture.clone()),
            network: NetworkOptions { head: self.head, residual: self.residual, backbone, side: None },
            name: Some(self.id.clone()),
            licence: Some(self.licence.clone()),
            ..ImportOptions::default()
        }
    }

    /// The same as a command. `checkpoint`: the file.
    pub fn import_command(&self, checkpoint: &Path, backbone: Option<&Path>) -> String {
        let path = checkpoint.display().to_string();
        let quoted =
            |text: &str| shlex::try_quote(text).map_or_else(|_| text.to_owned(), |text| text.into_owned());
        let head = match serde_json::to_value(self.head) {
            Ok(serde_json::Value::String(head)) if self.head != HeadChoice::default() => {
                format!(" --head {head}")
            }
            _ => String::new(),
        };
        let residual = self.residual.map_or_else(String::new, |kind| format!(" --residual {}", kind.name()));
        let backbone = backbone
            .map_or_else(String::new, |path| format!(" --backbone {}", quoted(&path.display().to_string())));
        format!(
            "dear import {} --arch {}{head}{residual}{backbone} --name {} --licence {} -o {}.onnx",
            quoted(&path),
            self.architecture,
            self.id,
            quoted(&self.licence),
            self.id
        )
    }

    /// What is wrong with it, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        let hyphened = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(hyphened) {
            return Err(format!("id is \"{}\", expected lower-case letters, digits and hyphens", self.id));
        }
        if self.licence.trim().is_empty() {
            return Err("no licence, expected an SPDX expression or \"none stated\"".to_owned());
        }
        for (name, value, digits) in [("sha256", &self.sha256, 64), ("git_sha1", &self.git_sha1, 40)] {
            let Some(value) = value else { continue };
            if value.len() != digits || !value.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
                return Err(format!(
                    "{name} is \"{value}\", expected {digits} lower-case hexadecimal digits"
                ));
            }
        }
        match &self.home {
            Home::Hub { repo, file, revision } => {
                is_plain(repo, "repo")?;
                is_plain(file, "file")?;
                is_plain(revision, "revision")
            }
            Home::Url { url, file } => {
                is_safe(url)?;
                is_plain(file, "file")?;
                if self.sha256.is_none() && self.git_sha1.is_none() {
                    return Err(
                        "neither sha256 nor git_sha1, expected one for a file at a plain address".to_owned()
                    );
                }
                Ok(())
            }
            Home::Page { url } => is_safe(url),
        }
    }
}

/// These become parts of addresses and of paths: no character that means anything there, no step upwards.
fn is_plain(text: &str, what: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
    if text.split('/').all(part) {
        return Ok(());
    }
    Err(format!("{what} is \"{text}\", expected letters, digits and . _ - between slashes"))
}

fn is_safe(url: &str) -> Result<(), String> {
    if url.starts_with("https://") || is_loopback(url) {
        return Ok(());
    }
    Err(format!("url is \"{url}\", expected https"))
}
