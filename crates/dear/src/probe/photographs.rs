//! Which images are to become probes.

use std::path::{Path, PathBuf};

use crate::dataset::{DatasetError, list_images};
use crate::error::Error;

/// The images below `real`, sorted by path. Probes that an earlier run left in `out` are none, where `out` lies below `real`.
///
/// # Errors
/// [`Error::Dataset`] for the folder, [`Error::Probes`] where both folders are the same.
pub fn photographs(real: &Path, out: &Path) -> Result<Vec<PathBuf>, Error> {
    let listing = list_images(real)?;
    // One that is not there holds nothing.
    let Ok(exact) = fs_err::canonicalize(out) else { return Ok(listing.paths) };
    if fs_err::canonicalize(real)? == exact {
        return Err(Error::Probes {
            message: format!("{}: the folder of the images, expected another one for probes", out.display()),
            hint: "give another --out: a later run would take probes for photographs".to_owned(),
        });
    }
    let is_probe = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (name.ends_with("_inpaint.png") || name.ends_with("_mask.png"))
            && path.parent().is_some_and(|folder| fs_err::canonicalize(folder).is_ok_and(|it| it == exact))
    };
    let paths: Vec<PathBuf> = listing.paths.into_iter().filter(|path| !is_probe(path)).collect();
    if paths.is_empty() {
        return Err(DatasetError::Empty { path: real.display().to_string(), skipped: listing.skipped }.into());
    }
    Ok(paths)
}
