//! Names of systems: that of their file, and where two bear the same, the folders above that tell them apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// What one system's rows were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The file, or the model's folder of a reference's tree; canonical.
    pub(super) place: PathBuf,
    /// Whether the name's extension says a format, and is no part of the name.
    pub(super) is_file: bool,
    /// The system that a column of the file names.
    pub(super) system: Option<String>,
    /// Whether the file's name stands before the system's: there are several files.
    pub(super) with_file: bool,
}

/// A name for each source, no two alike: as few folders as tell those files apart that share a short name, and the
/// extension where two lie in one folder.
pub(super) fn names(sources: &[Source]) -> Vec<String> {
    let mut alike: BTreeMap<String, BTreeSet<&Path>> = BTreeMap::new();
    for source in sources {
        alike.entry(file_name(source, 0, false)).or_default().insert(&source.place);
    }
    let name = |source: &Source| {
        let group = &alike[&file_name(source, 0, false)];
        let folders: BTreeSet<Option<&Path>> = group.iter().map(|place| place.parent()).collect();
        let whole = folders.len() < group.len();
        let depth = group.iter().map(|place| place.components().count()).max().unwrap_or(0);
        let of_group = |levels: usize| -> BTreeSet<String> {
            let grouped = sources.iter().filter(|other| group.contains(other.place.as_path()));
            grouped.map(|other| file_name(other, levels, whole)).collect()
        };
        let levels = (0..depth).find(|&levels| of_group(levels).len() == group.len()).unwrap_or(depth);
        let file = file_name(source, levels, whole);
        match &source.system {
            Some(system) if source.with_file => format!("{file}: {system}"),
            Some(system) => system.clone(),
            None => file,
        }
    };
    let mut names: Vec<String> = sources.iter().map(name).collect();
    // A column may hold just such a name, and names that are not UTF-8 may look alike.
    let mut taken = BTreeSet::new();
    for name in &mut names {
        let first = name.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            *name = format!("{first} #{number}");
            number += 1;
        }
    }
    names
}

/// The file's name with `levels` folders before it, `whole` or without a file's extension.
fn file_name(source: &Source, levels: usize, whole: bool) -> String {
    let place = &source.place;
    let name = if source.is_file && !whole { place.file_stem() } else { place.file_name() };
    let mut parts = above(place, levels);
    parts.push(name.unwrap_or_default().to_string_lossy().into_owned());
    parts.join("/")
}

/// The last `levels` folders above a path.
fn above(path: &Path, levels: usize) -> Vec<String> {
    let folders = path.parent().unwrap_or(Path::new("")).components();
    let mut folders: Vec<String> = folders
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    folders.split_off(folders.len().saturating_sub(levels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(place: &str, system: Option<&str>) -> Source {
        Source {
            place: PathBuf::from(place),
            is_file: true,
            system: system.map(str::to_owned),
            with_file: true,
        }
    }

    #[test]
    fn as_few_folders_as_tell_files_apart() {
        type Case = (&'static [(&'static str, Option<&'static str>)], &'static [&'static str]);
        let cases: [Case; 8] = [
            (&[("/r/a.csv", None), ("/r/b.csv", None)], &["a", "b"]),
            (&[("/r/a/s.csv", None), ("/r/b/s.csv", None), ("/r/c.csv", None)], &["a/s", "b/s", "c"]),
            (&[("/r/a/x/s.csv", None), ("/r/b/x/s.csv", None)], &["a/x/s", "b/x/s"]),
            (&[("/s.csv", None), ("/a/s.csv", None)], &["s", "a/s"]),
            (&[("/r/s.csv", None), ("/r/s.parquet", None)], &["s.csv", "s.parquet"]),
            (
                &[("/a/s.csv", None), ("/a/s.tsv", None), ("/b/s.csv", None)],
                &["a/s.csv", "a/s.tsv", "b/s.csv"],
            ),
            (
                &[("/a/s.csv", Some("p")), ("/a/s.csv", Some("q")), ("/b/s.csv", Some("p"))],
                &["a/s: p", "a/s: q", "b/s: p"],
            ),
            (&[("/r/s: p.csv", None), ("/r/s.csv", Some("p"))], &["s: p", "s: p #2"]),
        ];
        for (sources, expected) in cases {
            let sources: Vec<Source> = sources.iter().map(|&(place, system)| source(place, system)).collect();
            assert_eq!(names(&sources), expected);
        }
    }

    #[test]
    fn one_file_alone_leaves_its_systems_their_names() {
        let alone = Source { with_file: false, ..source("/c/t.csv", Some("a/s")) };
        assert_eq!(names(std::slice::from_ref(&alone)), ["a/s"]);
        // A folder of a reference's tree has no extension.
        let model = Source { place: "/r/v1.5".into(), is_file: false, ..source("", None) };
        assert_eq!(names(&[model, source("/r/v1.csv", None)]), ["v1.5", "v1"]);
    }
}
