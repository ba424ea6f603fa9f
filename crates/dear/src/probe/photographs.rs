//! Which images are to become probes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::journal::MANIFEST;
use crate::dataset::{DatasetError, list_images};
use crate::error::Error;

/// The images below `real`, sorted by path. Probes that earlier runs left below `real`, in `out` or in another folder with
/// their manifest, are none.
///
/// # Errors
/// [`Error::Dataset`] for the folder, [`Error::Probes`] where both folders are the same.
pub fn photographs(real: &Path, out: &Path) -> Result<Vec<PathBuf>, Error> {
    let listing = list_images(real)?;
    // One that is not there holds nothing.
    let exact = fs_err::canonicalize(out).ok();
    if let Some(exact) = &exact
        && fs_err::canonicalize(real)? == *exact
    {
        return Err(Error::Probes {
            message: format!("{}: the folder of the images, expected another one for probes", out.display()),
            hint: "give another --out: a later run would take probes for photographs".to_owned(),
        });
    }
    let mut known: HashMap<PathBuf, bool> = HashMap::new();
    let mut holds_probes = |folder: &Path| {
        *known.entry(folder.to_owned()).or_insert_with(|| {
            folder.join(MANIFEST).is_file() || exact.is_some() && fs_err::canonicalize(folder).ok() == exact
        })
    };
    let mut is_probe = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (name.ends_with("_inpaint.png") || name.ends_with("_mask.png"))
            && path.parent().is_some_and(&mut holds_probes)
    };
    let paths: Vec<PathBuf> = listing.paths.into_iter().filter(|path| !is_probe(path)).collect();
    if paths.is_empty() {
        return Err(DatasetError::Empty { path: real.display().to_string(), skipped: listing.skipped }.into());
    }
    Ok(paths)
}
