//! Where ONNX Runtime may be: the places, in order, and what is found there.
//!
//! 1. the option `library` (a file, or a folder that holds the library),
//! 2. the environment variable `DEAR_ONNXRUNTIME` (likewise),
//! 3. beside the running executable,
//! 4. the active Python environment (`VIRTUAL_ENV`, then `CONDA_PREFIX`): the package `onnxruntime`,
//! 5. the cache: `$DEAR_CACHE` or the platform's cache folder `/dear`, and `onnxruntime/` in it.
//!
//! The first two are requests: when one cannot be used, that is an error. The others are offers: the first usable one
//! is taken.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::RuntimeError;
use super::runtime::{self, Loaded};

/// Where a library was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The option `library`.
    Option,
    /// `DEAR_ONNXRUNTIME`.
    Environment,
    /// The folder of the running program.
    Executable,
    /// The active virtual or conda environment.
    Python,
    /// The cache folder.
    Cache,
}

impl Origin {
    /// The place in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Option => "option library",
            Self::Environment => "DEAR_ONNXRUNTIME",
            Self::Executable => "beside the executable",
            Self::Python => "active Python environment",
            Self::Cache => "cache",
        }
    }

    /// Whether somebody asked for this very library.
    fn is_request(self) -> bool {
        matches!(self, Self::Option | Self::Environment)
    }
}

/// A library that was found, usable or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
    /// Its version, or why it cannot be used.
    pub version: Result<String, String>,
}

/// All libraries that [`EngineChoice::Auto`](super::EngineChoice::Auto) would consider, in its order. The first with a
/// version is the one that it takes. `named` is the library that the options name, if any.
pub fn discover(named: Option<&Path>) -> Vec<Found> {
    let candidates = Search::new(named).candidates();
    let inspect = |(path, origin): (PathBuf, Origin)| {
        let version = runtime::version(&path).map_err(|error| error.to_string());
        Found { path, origin, version }
    };
    candidates.into_iter().map(inspect).collect()
}

/// The folder for what this program may keep: `$DEAR_CACHE`, or `dear` in the platform's cache folder.
pub fn cache_dir() -> Option<PathBuf> {
    if let Some(path) = variable("DEAR_CACHE") {
        return Some(path);
    }
    let home = || variable("HOME");
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")))
    };
    base.map(|base| base.join("dear"))
}

/// What a search came to.
pub(super) enum Chosen {
    /// This one.
    Library(Arc<Loaded>),
    /// None; `passed_over` names those that were found and cannot be used.
    Nothing { passed_over: Option<String> },
}

/// The places to look at.
#[derive(Debug, Default)]
pub(super) struct Search {
    option: Option<PathBuf>,
    environment: Option<PathBuf>,
    executable: Option<PathBuf>,
    python: Vec<PathBuf>,
    cache: Option<PathBuf>,
}

impl Search {
    /// The places on this machine.
    pub(super) fn new(library: Option<&Path>) -> Self {
        Self {
            option: library.map(Path::to_owned),
            environment: variable("DEAR_ONNXRUNTIME"),
            executable: env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned)),
            python: ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable).collect(),
            cache: cache_dir(),
        }
    }

    /// A library, or an error that says where was looked.
    pub(super) fn require(&self) -> Result<Arc<Loaded>, RuntimeError> {
        let mut first_error = None;
        match self.try_all(|error| _ = first_error.get_or_insert(error))? {
            Some(loaded) => Ok(loaded),
            None => {
                Err(first_error
                    .unwrap_or_else(|| RuntimeError::LibraryNotFound { looked_at: self.looked_at() }))
            }
        }
    }

    /// A library if there is one. A request that fails is an error, an offer that fails is passed over.
    pub(super) fn choose(&self) -> Result<Chosen, RuntimeError> {
        let mut passed_over = Vec::new();
        Ok(match self.try_all(|error| passed_over.push(error.to_string()))? {
            Some(loaded) => Chosen::Library(loaded),
            None => {
                Chosen::Nothing { passed_over: (!passed_over.is_empty()).then(|| passed_over.join("; ")) }
            }
        })
    }

    fn try_all(&self, mut pass_over: impl FnMut(RuntimeError)) -> Result<Option<Arc<Loaded>>, RuntimeError> {
        let candidates = self.candidates();
        let requested = candidates.first().is_some_and(|(_, origin)| origin.is_request());
        if !requested && let Some(loaded) = runtime::loaded() {
            return Ok(Some(loaded));
        }
        for (path, origin) in candidates {
            match runtime::load(&path) {
                Ok(loaded) => return Ok(Some(loaded)),
                Err(error) if origin.is_request() => return Err(error),
                Err(error) => pass_over(error),
            }
        }
        Ok(None)
    }

    /// Files to try, in order. A requested path is listed even where nothing is.
    fn candidates(&self) -> Vec<(PathBuf, Origin)> {
        let mut candidates = Vec::new();
        for (request, origin) in [(&self.option, Origin::Option), (&self.environment, Origin::Environment)] {
            if let Some(path) = request {
                let file = if path.is_dir() { libraries_in(path).pop() } else { None };
                candidates.push((file.unwrap_or_else(|| path.clone()), origin));
            }
        }
        let mut offer = |folder: &Path, origin| {
            // The highest name first: libonnxruntime.so.1.32.0 before libonnxruntime.so.1.31.0.
            candidates.extend(libraries_in(folder).into_iter().rev().map(|path| (path, origin)));
        };
        if let Some(folder) = &self.executable {
            offer(folder, Origin::Executable);
        }
        for prefix in &self.python {
            for site in site_packages(prefix) {
                offer(&site.join("onnxruntime").join("capi"), Origin::Python);
            }
        }
        if let Some(folder) = &self.cache {
            offer(folder, Origin::Cache);
            offer(&folder.join("onnxruntime"), Origin::Cache);
        }
        candidates
    }

    fn looked_at(&self) -> String {
        let mut places = vec!["DEAR_ONNXRUNTIME (not set)".to_owned()];
        places.extend(self.executable.iter().map(|path| path.display().to_string()));
        if self.python.is_empty() {
            places.push("Python environment (none active)".to_owned());
        }
        places.extend(self.python.iter().map(|path| path.display().to_string()));
        places.extend(self.cache.iter().map(|path| path.display().to_string()));
        places.join(", ")
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Files that bear the library's name, sorted by version.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = entries(folder, is_library_name);
    found.sort_by_cached_key(|path| numbers_in(path));
    found
}

fn is_library_name(name: &str) -> bool {
    if cfg!(windows) {
        name.eq_ignore_ascii_case("onnxruntime.dll")
    } else if cfg!(target_os = "macos") {
        name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
    } else {
        name == "libonnxruntime.so" || name.starts_with("libonnxruntime.so.")
    }
}

/// `libonnxruntime.so.1.32.0` -> `[1, 32, 0]`, so that 1.9 comes before 1.32.
fn numbers_in(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// The folders of installed packages below an environment's prefix.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    if cfg!(windows) {
        return vec![prefix.join("Lib").join("site-packages")];
    }
    let mut folders = entries(&prefix.join("lib"), |name| name.starts_with("python3"));
    folders.sort_by_cached_key(|path| numbers_in(path));
    folders.into_iter().rev().map(|folder| folder.join("site-packages")).collect()
}

fn entries(folder: &Path, wanted: fn(&str) -> bool) -> Vec<PathBuf> {
    // A place that cannot be read offers nothing; what was looked at is in the error.
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let named = entries.flatten().filter(|entry| wanted(&entry.file_name().to_string_lossy()));
    named.map(|entry| entry.path()).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        fs_err::create_dir_all(path.parent().expect("has a parent")).expect("folder");
        fs_err::write(path, b"not a library").expect("file");
    }

    #[test]
    fn places_are_tried_in_the_documented_order_and_newer_versions_first() {
        let root = tempfile::tempdir().expect("folder");
        let at = |path: &str| root.path().join(path);
        let files = [
            ("option/libonnxruntime.so.1.20.0", Origin::Option),
            ("named.so", Origin::Environment),
            ("exe/libonnxruntime.so", Origin::Executable),
            ("venv/lib/python3.13/site-packages/onnxruntime/capi/libonnxruntime.so.1.32.0", Origin::Python),
            ("venv/lib/python3.13/site-packages/onnxruntime/capi/libonnxruntime.so.1.9.0", Origin::Python),
            ("cache/onnxruntime/libonnxruntime.so.1.25.1", Origin::Cache),
        ];
        files.iter().for_each(|(path, _)| touch(&at(path)));
        touch(&at("venv/lib/python3.13/site-packages/onnxruntime/capi/libonnxruntime_providers_shared.so"));
        let search = Search {
            option: Some(at("option")),
            environment: Some(at("named.so")),
            executable: Some(at("exe")),
            python: vec![at("venv"), at("absent")],
            cache: Some(at("cache")),
        };
        let expected: Vec<_> = files.iter().map(|(path, origin)| (at(path), *origin)).collect();
        assert_eq!(search.candidates(), expected);
    }

    #[test]
    fn a_requested_library_that_is_absent_is_an_error_that_names_it() {
        let search = Search { option: Some("/nowhere/libonnxruntime.so".into()), ..Search::default() };
        for error in [search.choose().err(), search.require().err()] {
            let error = error.expect("absent");
            assert_eq!(error.kind(), "library_unusable");
            assert!(error.to_string().starts_with("/nowhere/libonnxruntime.so: not a usable"), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn an_offered_library_that_is_broken_is_passed_over_and_named() {
        let root = tempfile::tempdir().expect("folder");
        let path = root.path().join("libonnxruntime.so.1.30.0");
        touch(&path);
        let search = Search { cache: Some(root.path().to_owned()), ..Search::default() };
        if runtime::loaded().is_some() {
            return; // Another test of this process has loaded one, which is then taken.
        }
        match search.choose().expect("an offer never fails") {
            Chosen::Nothing { passed_over: Some(reason) } => {
                assert!(reason.contains(&path.display().to_string()), "{reason}");
            }
            _ => panic!("a text file was taken for a library"),
        }
        let error = search.require().expect_err("nothing usable");
        assert_eq!(error.kind(), "library_unusable");
    }

    #[test]
    fn nothing_found_lists_the_places() {
        let search = Search { cache: Some("/nowhere/cache".into()), ..Search::default() };
        if runtime::loaded().is_some() {
            return;
        }
        assert!(matches!(search.choose(), Ok(Chosen::Nothing { passed_over: None })));
        let error = search.require().expect_err("nothing found");
        assert_eq!(error.kind(), "library_not_found");
        assert!(error.to_string().contains("/nowhere/cache"), "{error}");
    }
}
