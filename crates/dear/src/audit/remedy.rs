//! What to do about shortcuts: one chain for all images, which makes equal what a file can say.

use std::path::Path;

use dear_image::Format;
use serde::{Deserialize, Serialize};

use super::Set;
use super::feature::{FEATURES, Facts, Kind};
use super::shortcut::Finding;
use crate::dataset::Label;

/// A chain that equalises, and what it leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// The chain for every image of both classes; null where no chain helps.
    pub chain: Option<String>,
    /// The command that applies it; null also where the path of the data is not UTF-8.
    pub command: Option<String>,
    /// Where traces of processing differ: a chain that resamples too. It weakens them, and any mark of a generator as well.
    pub stronger: Option<String>,
    /// Features found confounded that it makes equal in all images.
    pub equalises: Vec<String>,
    /// Features found confounded that it does not promise to remove: audit the result.
    pub leaves: Vec<String>,
    /// Images that are smaller than its crop and would be left out.
    pub too_small: u64,
}

/// What the remedy needs to know of an image.
pub(super) struct Profile {
    pub(super) label: Label,
    pub(super) format: Option<Format>,
    pub(super) lossless: bool,
    /// Quality and subsampling of a JPEG.
    pub(super) jpeg: Option<(u8, String)>,
    side: u32,
}

/// Features that one size makes equal.
const OF_SIZE: [&str; 8] =
    ["size", "width", "height", "megapixels", "aspect", "square", "sides_of_64", "sides_of_8"];

impl Profile {
    pub(super) fn of(label: Label, facts: &Facts) -> Self {
        let jpeg = facts.file.jpeg.as_ref();
        Self {
            label,
            format: facts.file.format,
            lossless: jpeg.is_none() && facts.file.webp_lossless != Some(false),
            jpeg: jpeg.and_then(|jpeg| Some((jpeg.quality?.value, jpeg.subsampling.clone()))),
            side: facts.width.min(facts.height),
        }
    }
}

/// A chain for what was found confounded.
pub(super) fn propose(root: &Path, sets: &[Set], confounded: &[&Finding], profiles: &[Profile]) -> Remedy {
    let mut names: Vec<&str> = confounded.iter().map(|finding| finding.feature.as_str()).collect();
    names.sort_by_key(|name| FEATURES.iter().position(|feature| feature.name == *name));
    names.dedup();
    let kind_of =
        |name: &str| FEATURES.iter().find(|feature| feature.name == name).map(|feature| feature.kind);
    let traces = names.iter().any(|name| kind_of(name) == Some(Kind::Trace));
    let of_size = names.iter().any(|name| OF_SIZE.contains(name));
    let (equalises, leaves): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| kind_of(name) == Some(Kind::File));
    let side = common_side(profiles);
    let (mut steps, mut too_small) = (Vec::new(), 0);
    if of_size {
        too_small = profiles.iter().filter(|profile| profile.side < side).count() as u64;
        steps.push(format!("crop({side})"));
    }
    if profiles.iter().any(|profile| !profile.lossless) {
        steps.push(format!("jpeg({}, 4:2:0)", common_quality(profiles)));
    }
    // A chain without steps stores every image as an RGB PNG: equal too, where all were lossless.
    let text = if steps.is_empty() { "clean".to_owned() } else { steps.join(" | ") };
    let chain = (!equalises.is_empty()).then_some(text);
    let command = chain.as_ref().and_then(|chain| command(root, sets, chain));
    let stronger = traces.then(|| format!("resize(side={side}) | crop({side}) | jpeg(75, 4:2:0)"));
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Remedy { chain, command, stronger, equalises: owned(equalises), leaves: owned(leaves), too_small }
}

/// A side that at least 98 % of the images of each class have, a multiple of 8 where it is large enough.
fn common_side(profiles: &[Profile]) -> u32 {
    let of_class = |label| {
        let mut sides: Vec<u32> =
            profiles.iter().filter(|profile| profile.label == label).map(|profile| profile.side).collect();
        sides.sort_unstable();
        sides.get(sides.len() / 50).copied().unwrap_or(u32::MAX)
    };
    let side = of_class(Label::Real).min(of_class(Label::Generated));
    if side >= 8 { side / 8 * 8 } else { side }
}

/// The median quality of the class whose JPEGs are coarser, 50 to 95: 75 where there is no JPEG.
fn common_quality(profiles: &[Profile]) -> u8 {
    [Label::Real, Label::Generated]
        .into_iter()
        .filter_map(|label| median_quality(profiles.iter().filter(|profile| profile.label == label)))
        .min()
        .map_or(75, |quality| quality.clamp(50, 95))
}

pub(super) fn median_quality<'a>(profiles: impl Iterator<Item = &'a Profile>) -> Option<u8> {
    let mut qualities: Vec<u8> = profiles.filter_map(|profile| Some(profile.jpeg.as_ref()?.0)).collect();
    qualities.sort_unstable();
    qualities.get(qualities.len().saturating_sub(1) / 2).copied()
}

/// `dear perturb` of what was audited into a folder beside it. A folder `.` or `..` is named by its own path; a path that
/// is not UTF-8 cannot be printed.
fn command(root: &Path, sets: &[Set], chain: &str) -> Option<String> {
    // One split of a folder's several was audited: only that one is equalised.
    let source = match sets {
        [(Some(_), Ok(dataset))] if !root.is_file() => &dataset.root,
        _ => root,
    };
    let source =
        if source.file_name().is_none() { fs_err::canonicalize(source).ok()? } else { source.to_owned() };
    let beside = if source.is_file() { source.with_extension("") } else { source.clone() };
    let (source, beside) = (source.to_str()?.trim_end_matches('/'), beside.to_str()?.trim_end_matches('/'));
    Some(format!(
        "dear perturb {} --chain \"{chain}\" --out {}",
        quoted(source),
        quoted(&format!("{beside}-equal"))
    ))
}

/// A word that a shell reads as it stands.
fn quoted(word: &str) -> String {
    if !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./=,:".contains(c)) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_what_was_audited_and_a_folder_beside_it() {
        let temp = tempfile::tempdir().unwrap();
        let folder = fs_err::canonicalize(temp.path()).unwrap();
        fs_err::create_dir_all(folder.join("a b")).unwrap();
        fs_err::write(folder.join("list.csv"), "").unwrap();
        let shown = folder.display().to_string();
        let cases = [
            (folder.join("list.csv"), format!("{shown}/list.csv"), format!("{shown}/list-equal")),
            (folder.join("a b/"), format!("'{shown}/a b'"), format!("'{shown}/a b-equal'")),
            (folder.join("a b/.."), shown.clone(), format!("{shown}-equal")),
        ];
        for (root, source, out) in cases {
            let expected = format!("dear perturb {source} --chain \"clean\" --out {out}");
            assert_eq!(command(&root, &[], "clean"), Some(expected));
        }
    }
}
