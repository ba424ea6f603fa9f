//! What the tests share: fixtures, and facts by their names.
#![allow(dead_code)]

use dear_provenance::Finding;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// What the peers answered (`oracle/provenance.py`).
pub(crate) fn answers(part: &str) -> Vec<Value> {
    let bytes = fs_err::read(fixtures().join("provenance.json")).unwrap();
    let fixture: Value = serde_json::from_slice(&bytes).unwrap();
    fixture[part].as_array().unwrap().clone()
}

/// A file of `files/` or `c2pa/`.
pub(crate) fn file(folder: &str, name: &str) -> Vec<u8> {
    fs_err::read(fixtures().join(folder).join(name)).unwrap()
}

/// Names and bytes of all fixtures.
pub(crate) fn all_files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["files", "c2pa"] {
        for entry in fs_err::read_dir(fixtures().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.push((name, fs_err::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// The values of all facts of this name.
pub(crate) fn values<'a>(finding: &'a Finding, name: &str) -> Vec<&'a str> {
    finding.details.iter().filter(|detail| detail.name == name).map(|detail| detail.value.as_str()).collect()
}

/// The value of the first fact of this name.
pub(crate) fn value<'a>(finding: &'a Finding, name: &str) -> Option<&'a str> {
    values(finding, name).into_iter().next()
}
