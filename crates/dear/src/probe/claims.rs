//! The folder's list of what runs wrote, `.probes.sha256`: a killed run leaves files that no row of the manifest names, and by
//! their hashes they are told from files that somebody else put there.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use dear_image::DecodeOptions;

use super::journal::{Staged, files};
use crate::error::Error;
use crate::evaluate::counted;
use crate::files::{read_image, sha256_hex};

/// One line for each file, `{sha256}  {name}`, as `sha256sum` prints it; it only grows.
const CLAIMS: &str = ".probes.sha256";

/// Put down what is about to be written; the folder's lock is held.
pub(super) fn claim(out: &Path, staged: &[Staged]) -> Result<(), Error> {
    let mut text = String::new();
    for probe in staged {
        for (path, bytes) in files(out, &probe.row.stem).iter().zip([&probe.image, &probe.mask]) {
            // The line's break comes first: a line that a full disk has cut spoils no other.
            text.push_str(&format!("\n{}", line(path, bytes)));
        }
    }
    let mut file = fs_err::OpenOptions::new().create(true).append(true).open(out.join(CLAIMS))?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    Ok(())
}

/// Refuse a folder that holds files of `unnamed` stems, those without a row, which no run wrote: they would be overwritten.
pub(super) fn refuse_foreign<'a>(out: &Path, unnamed: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let found: BTreeSet<PathBuf> = unnamed
        .flat_map(|stem| files(out, stem))
        .filter(|path| fs_err::symlink_metadata(path).is_ok())
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    let text = fs_err::read_to_string(out.join(CLAIMS)).unwrap_or_default();
    let claims: HashSet<&str> = text.lines().collect();
    let is_foreign = |path: &&PathBuf| {
        let bytes = read_image(path, &DecodeOptions::default());
        !bytes.is_ok_and(|bytes| claims.contains(line(path, &bytes).as_str()))
    };
    let mut foreign = found.iter().filter(is_foreign);
    let Some(first) = foreign.next() else { return Ok(()) };
    let files = counted(1 + foreign.count() as u64, "file");
    Err(Error::Probes {
        message: format!(
            "{}: would be overwritten, and this program did not write it; found {files} like it, expected none",
            first.display()
        ),
        hint: "give another --out, or move these files away".to_owned(),
    })
}

fn line(path: &Path, bytes: &[u8]) -> String {
    format!("{}  {}", sha256_hex(bytes), path.file_name().unwrap_or_default().to_string_lossy())
}
