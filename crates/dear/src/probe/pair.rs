//! Probes on disk: `{stem}_inpaint.png` and `{stem}_mask.png`, in one folder or in two, as the reference writes them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use dear_image::{DecodeOptions, Mask, decode_mask};

use super::journal::{self, MANIFEST};
use super::{InpainterKind, Made};
use crate::dataset::{self, DatasetError};
use crate::error::Error;

/// The two files of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbePair {
    /// What both names begin with.
    pub stem: String,
    /// The image that is part real, part generated.
    pub image: PathBuf,
    /// 255 inside the generated part, 0 outside; the size of the image.
    pub mask: PathBuf,
}

impl ProbePair {
    /// The stem of the photograph it was made from: up to the first dot.
    pub fn photograph(&self) -> String {
        dataset::stem(Path::new(&self.stem))
    }
}

/// Decode the mask of an image of `size`; `bytes` are those of `path`, which messages name. Any picture is read by its
/// luma, inside above 127.
///
/// # Errors
/// A stable word and one line: the file is no picture, has another size, or has nothing inside or nothing outside, so
/// that there is no region to compare.
pub fn read_mask(
    path: &Path,
    bytes: &[u8],
    size: (u32, u32),
    options: &DecodeOptions,
) -> Result<Mask, (String, String)> {
    let named = |kind: &str, message: String| (kind.to_owned(), format!("{}: {message}", path.display()));
    let mask =
        decode_mask(bytes, options).map_err(|error| named(error.kind().as_str(), error.to_string()))?;
    if mask.size() != size {
        let (w, h) = mask.size();
        return Err(named("mask", format!("{w} x {h}, expected the image's {} x {}", size.0, size.1)));
    }
    let bad = match mask.count_inside() {
        0 => "no pixel is above 127, expected some inside",
        inside if inside == mask.data().len() as u64 => "every pixel is above 127, expected some outside",
        _ => return Ok(mask),
    };
    Err(named("mask", bad.to_owned()))
}

/// Find the probes of a folder; masks lie in `masks`, or beside the images. Sorted by stem. Images without a mask (or the
/// reverse) and two probes of one stem are errors: a probe set with holes measures something else.
///
/// Where `dear probe` left its manifest (`probes.jsonl`), only the probes that it names count. If a kind is `expected`,
/// they must be null probes where that is, and must not be where it is another: null probes trained on as generated would
/// teach that resampling is generation.
///
/// # Errors
/// [`Error::Dataset`] for the folders, [`Error::Probes`] for the pairs.
pub fn list(
    images: &Path,
    masks: Option<&Path>,
    expected: Option<InpainterKind>,
) -> Result<Vec<ProbePair>, Error> {
    let mask_folder = masks.unwrap_or(images);
    let mut found_images = with_suffix(images, "_inpaint")?;
    let mut found_masks = with_suffix(mask_folder, "_mask")?;
    let bad = |message: String, hint: &str| Error::Probes { message, hint: hint.to_owned() };
    if let Some(manifest) = manifest(images) {
        if let Some(expected) = expected
            && let Some(row) = manifest.values().find(|row| row.inpainter.generates() != expected.generates())
        {
            return Err(bad(
                format!(
                    "{}: holds {} probes, expected {} ones",
                    images.display(),
                    row.inpainter.as_str(),
                    if expected.generates() { "generated" } else { "null" }
                ),
                "null probes belong to --null-probes, all others to --probes",
            ));
        }
        found_images.retain(|stem, _| manifest.contains_key(stem));
        found_masks.retain(|stem, _| manifest.contains_key(stem));
    }
    if found_images.is_empty() {
        return Err(bad(
            format!("{}: no file named {{stem}}_inpaint.png, expected probes", images.display()),
            "make probes with `dear probe`",
        ));
    }
    if let Some(stem) = found_masks.keys().find(|stem| !found_images.contains_key(*stem)) {
        return Err(bad(
            format!(
                "{}: mask {stem:?} has no {stem}_inpaint.png in {}",
                mask_folder.display(),
                images.display()
            ),
            "remove the mask, or make the probe again",
        ));
    }
    let mut pairs = Vec::with_capacity(found_images.len());
    for (stem, image) in found_images {
        let Some(mask) = found_masks.get(&stem).cloned() else {
            return Err(bad(
                format!("{}: no {stem}_mask.png in {}", image.display(), mask_folder.display()),
                "pass the folder of the masks with --masks",
            ));
        };
        pairs.push(ProbePair { stem, image, mask });
    }
    Ok(pairs)
}

/// Rows of the manifest by stem, if the folder has one.
fn manifest(folder: &Path) -> Option<HashMap<String, Made>> {
    let path = folder.join(MANIFEST);
    path.is_file().then(|| journal::read(&path))
}

/// Files of a folder named `{stem}{suffix}.*`, by stem.
pub(super) fn with_suffix(folder: &Path, suffix: &str) -> Result<BTreeMap<String, PathBuf>, Error> {
    let listing = match dataset::list_images(folder) {
        Err(DatasetError::Empty { .. }) => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut found = BTreeMap::new();
    for path in listing.paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(suffix) else { continue };
        if let Some(other) = found.insert(stem.to_owned(), path.clone()) {
            return Err(Error::Probes {
                message: format!("{} and {} are both probe {stem:?}", other.display(), path.display()),
                hint: "rename one of them; a probe is known by its stem".to_owned(),
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_in_one_folder_or_two_and_holes_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let touch = |name: &str| {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, b"x").unwrap();
        };
        for name in
            ["one/a_inpaint.png", "one/a_mask.png", "one/b_inpaint.png", "one/b_mask.png", "one/other.png"]
        {
            touch(name);
        }
        let one = list(&folder.path().join("one"), None, Some(InpainterKind::Resynthesis)).unwrap();
        assert_eq!(one.iter().map(|pair| pair.stem.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        for name in ["img/a_inpaint.png", "msk/a_mask.png"] {
            touch(name);
        }
        let two = list(
            &folder.path().join("img"),
            Some(&folder.path().join("msk")),
            Some(InpainterKind::Resynthesis),
        )
        .unwrap();
        assert_eq!(two.len(), 1);
        touch("img/hole_inpaint.png");
        let error = list(
            &folder.path().join("img"),
            Some(&folder.path().join("msk")),
            Some(InpainterKind::Resynthesis),
        )
        .unwrap_err();
        assert!(error.to_string().contains("hole_mask.png"), "{error}");
        touch("msk/hole_mask.png");
        touch("msk/orphan_mask.png");
        let error = list(
            &folder.path().join("img"),
            Some(&folder.path().join("msk")),
            Some(InpainterKind::Resynthesis),
        )
        .unwrap_err();
        assert!(error.to_string().contains("orphan"), "{error}");
        touch("dup/x/a_inpaint.png");
        touch("dup/y/a_inpaint.png");
        assert!(
            list(&folder.path().join("dup"), None, Some(InpainterKind::Resynthesis))
                .unwrap_err()
                .to_string()
                .contains("both probe")
        );
    }
}
