//! Patterns of paths, for lists that are too long for a command line: `photos/**/*.jpg`.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::dataset::{DatasetError, Walked, walk};

/// A folder, and what the paths below it must look like. `*` and `?` stop at `/`, `**` is any number of folders, `[a-z]` one
/// character, `{jpg,png}` one of several; case counts. Hidden files and folders are not found.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    base: PathBuf,
    below: GlobMatcher,
    depth: usize,
}

/// Whether a path may be meant as a pattern.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(SPECIAL))
}

const SPECIAL: [char; 4] = ['*', '?', '[', '{'];

impl Pattern {
    /// Takes a text apart; an error is one line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // Everything before the first component that is no plain name.
        let special = text.find(SPECIAL).unwrap_or(text.len());
        let start = text[..special].rfind('/').map_or(0, |at| at + 1);
        let (base, below) = text.split_at(start);
        let glob = GlobBuilder::new(below).literal_separator(true).build();
        Ok(Self {
            text: text.to_owned(),
            base: PathBuf::from(if base.is_empty() { "." } else { base }),
            below: glob.map_err(|error| error.kind().to_string())?.compile_matcher(),
            depth: if below.contains("**") { usize::MAX } else { below.matches('/').count() + 1 },
        })
    }

    /// As it was given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is a folder to look into.
    pub(super) fn has_base(&self) -> bool {
        self.base.is_dir()
    }

    /// Every file that fits, also those that no folder's listing would take for images.
    pub(super) fn files(self) -> impl Iterator<Item = Result<PathBuf, DatasetError>> + Send + use<> {
        let Self { base, below, depth, .. } = self;
        walk(&base, depth).filter_map(move |found| {
            let path = match found {
                Ok(Walked::Image(path) | Walked::Document(path)) => path,
                Ok(Walked::Foreign) => return None,
                Err(error) => return Some(Err(error)),
            };
            let fits = path.strip_prefix(&base).is_ok_and(|relative| below.is_match(relative));
            // Without a folder, paths are as a shell would write them.
            let bare = base.as_os_str() == ".";
            fits.then(|| Ok(path.strip_prefix(".").ok().filter(|_| bare).map(Path::to_owned).unwrap_or(path)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str) -> Vec<String> {
        let files = Pattern::parse(pattern).unwrap().files();
        files.map(|file| file.unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn patterns_find_what_a_shell_would() {
        let temp = tempfile::tempdir().unwrap();
        let files = [
            "a/1.jpg",
            "a/2.JPG",
            "a/b/3.jpg",
            "a/b/c/4.png",
            "a/[x].jpg",
            "a/.hidden.jpg",
            "a/.git/5.jpg",
            "a/notes.txt",
            "d/1.jpg",
            "6.jpg",
        ];
        for file in files {
            let path = temp.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "x").unwrap();
        }
        let root = temp.path().display().to_string();
        let cases: [(&str, &[&str]); 12] = [
            ("a/*.jpg", &["a/1.jpg", "a/[x].jpg"]),
            ("a/**/*.jpg", &["a/1.jpg", "a/[x].jpg", "a/b/3.jpg"]),
            ("**/*.jpg", &["6.jpg", "a/1.jpg", "a/[x].jpg", "a/b/3.jpg", "d/1.jpg"]),
            ("*/1.jpg", &["a/1.jpg", "d/1.jpg"]),
            ("[ab]/?.jpg", &["a/1.jpg"]),
            ("a/*.{jpg,JPG}", &["a/1.jpg", "a/2.JPG", "a/[x].jpg"]),
            ("a/{b/c/4,1}.*", &["a/1.jpg", "a/b/c/4.png"]),
            ("a/[[]x].jpg", &["a/[x].jpg"]),
            ("a//*.txt", &["a//notes.txt"]),
            ("a/**", &["a/1.jpg", "a/2.JPG", "a/[x].jpg", "a/b/3.jpg", "a/b/c/4.png", "a/notes.txt"]),
            ("*.gif", &[]),
            ("none/*.jpg", &[]),
        ];
        for (pattern, expected) in cases {
            let pattern = format!("{root}/{pattern}");
            let parsed = Pattern::parse(&pattern).unwrap();
            let expected: Vec<String> = expected.iter().map(|file| format!("{root}/{file}")).collect();
            assert_eq!(if parsed.has_base() { found(&pattern) } else { vec![] }, expected, "{pattern}");
        }
    }

    #[test]
    fn without_a_folder_the_current_one_is_searched_and_not_named() {
        // Tests run in the folder of the package.
        assert_eq!(found("Cargo.t*"), ["Cargo.toml"]);
        assert_eq!(found("src/scan/patt*.rs"), ["src/scan/pattern.rs"]);
        assert_eq!(found("./Cargo.t*"), ["./Cargo.toml"]);
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        assert!(Pattern::parse("a/[b").unwrap_err().contains("unclosed character class"));
        assert!(is_pattern(Path::new("a*")) && !is_pattern(Path::new("a/b.jpg")));
    }
}
