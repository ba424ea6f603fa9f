//! Masks that the user gives, instead of drawn ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dear_image::DecodeOptions;

use super::pair::with_suffix;
use crate::dataset::list_images;
use crate::error::Error;
use crate::files::{read_image, sha256_hex};

/// A folder of masks, one for each photograph: `{stem}_mask.*`, or `{stem}.*` where no name ends in `_mask`.
#[derive(Debug, Clone)]
pub struct GivenMasks {
    folder: PathBuf,
    by_stem: BTreeMap<String, PathBuf>,
}

/// A mask's file.
pub(super) struct GivenMask {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) sha256: String,
}

impl GivenMasks {
    /// List the folder.
    ///
    /// # Errors
    /// Not a folder, no image in it, or two masks of one stem.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        // Says that there is no folder, or nothing in it.
        list_images(folder)?;
        let mut by_stem = with_suffix(folder, "_mask")?;
        if by_stem.is_empty() {
            by_stem = with_suffix(folder, "")?;
        }
        Ok(Self { folder: folder.to_owned(), by_stem })
    }

    /// The mask of a photograph; or a stable word and one line.
    pub(super) fn read(&self, stem: &str, options: &DecodeOptions) -> Result<GivenMask, (String, String)> {
        let Some(path) = self.by_stem.get(stem) else {
            let message = format!("no {stem}_mask.png or {stem}.png in {}", self.folder.display());
            return Err(("mask".to_owned(), message));
        };
        let bytes = read_image(path, options)
            .map_err(|error| (error.kind.to_owned(), format!("{}: {}", path.display(), error.message)))?;
        Ok(GivenMask { path: path.clone(), sha256: sha256_hex(&bytes), bytes })
    }

    /// How many masks have no photograph among `stems`, and the first of them.
    pub(super) fn unused(&self, is_photograph: impl Fn(&str) -> bool) -> Option<(u64, &Path)> {
        let mut unused = self.by_stem.iter().filter(|(stem, _)| !is_photograph(stem)).map(|(_, path)| path);
        let first = unused.next()?;
        Some((1 + unused.count() as u64, first))
    }
}
