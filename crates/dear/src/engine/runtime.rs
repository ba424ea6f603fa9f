//! The one global of this crate: the ONNX Runtime library that this process has loaded, and its environment.
//!
//! A library cannot be unloaded or exchanged while it runs threads, so the first one stays for the life of the
//! process and asking for another is an error. This is also the only file with `unsafe` code: it asks a shared library
//! for its version before anything of `ort` touches it, because `ort` panics where it cannot return an error.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libloading::Library;
use ort::environment::Environment;

use super::RuntimeError;

/// The oldest ONNX Runtime that is taken, as `(major, minor)`.
pub const OLDEST: (u32, u32) = (1, ort::MINOR_VERSION);

/// The loaded library.
#[derive(Debug)]
pub struct Loaded {
    /// The file, absolute and without links.
    pub path: PathBuf,
    /// What it says of itself.
    pub version: String,
    /// Sessions are made in it; it must live as long as they do.
    pub(super) environment: Environment,
}

static LOADED: Mutex<Option<Arc<Loaded>>> = Mutex::new(None);

/// The library that runs in this process, if any does.
pub fn loaded() -> Option<Arc<Loaded>> {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Loads a library for the life of this process, or gives the one that is loaded if it is the same file.
pub fn load(path: &Path) -> Result<Arc<Loaded>, RuntimeError> {
    let unusable = |reason: String| RuntimeError::LibraryUnusable { path: path.to_owned(), reason };
    // An absolute path: `ort` and the platform's loader would look for a bare name in places of their own.
    let file = fs_err::canonicalize(path).map_err(|error| unusable(cause(&error)))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = &*loaded {
        return match loaded.path == file {
            true => Ok(Arc::clone(loaded)),
            false => Err(RuntimeError::LibraryConflict { loaded: loaded.path.clone(), asked: file }),
        };
    }
    let version = version(path)?;
    let builder = ort::init_from(&file).map_err(|error| unusable(error.to_string()))?;
    // Failures come back as errors with the same text; a library prints nothing.
    let silent = Arc::new(|_: ort::logging::LogLevel, _: &str, _: &str, _: &str, _: &str| {});
    let environment = builder
        .with_name("dear")
        .with_telemetry(false)
        .with_logger(silent)
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    Ok(Arc::clone(loaded.insert(Arc::new(Loaded { path: file, version, environment }))))
}

/// The version of a library, refused when it is older than [`OLDEST`].
pub fn version(path: &Path) -> Result<String, RuntimeError> {
    let unusable = |reason: String| RuntimeError::LibraryUnusable { path: path.to_owned(), reason };
    let file = fs_err::canonicalize(path).map_err(|error| unusable(cause(&error)))?;
    let version = read_version(&file).map_err(unusable)?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST {
        let needed = format!("{}.{}", OLDEST.0, OLDEST.1);
        return Err(RuntimeError::LibraryTooOld { path: path.to_owned(), found: version, needed });
    }
    Ok(version)
}

fn read_version(file: &Path) -> Result<String, String> {
    type GetApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;

    // SAFETY: loading a shared library runs its initialisers, which is what the user asks for by naming or
    // installing it; ONNX Runtime's have no requirements on the caller.
    let library = unsafe { Library::new(file) }.map_err(|error| cause(&error))?;
    // SAFETY: ONNX Runtime exports this symbol with this signature since its first release; a library that has
    // another function of that name cannot be told apart by anyone.
    let get_api_base = unsafe { library.get::<GetApiBase>(b"OrtGetApiBase") }
        .map_err(|_| "it does not export OrtGetApiBase".to_owned())?;
    // SAFETY: the function takes nothing and returns a pointer to a static structure, or null, which `as_ref` checks.
    let base = unsafe { get_api_base().as_ref() }.ok_or("OrtGetApiBase returned nothing")?;
    // SAFETY: a member of that structure in every release; it returns a static string ending in 0.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    let version = version.to_str().map_err(|_| "its version is not text")?.to_owned();
    // Never unloaded: ONNX Runtime leaves thread-local destructors behind. A second look finds the same mapping.
    std::mem::forget(library);
    Ok(version)
}

/// The system's words, without the path that our message begins with.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::process::Command;

    /// A shared library with these items, built by the compiler that builds this test.
    fn build(folder: &Path, source: &str) -> PathBuf {
        let (input, output) = (folder.join("fake.rs"), folder.join("libonnxruntime.so.1.16.3"));
        fs_err::write(&input, source).expect("source");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let command =
            |rustc| Command::new(rustc).args(["--crate-type=cdylib", "-o"]).arg(&output).arg(&input).status();
        assert!(command(rustc).expect("rustc runs").success());
        output
    }

    #[test]
    fn an_old_library_is_refused_with_path_and_both_versions() {
        let folder = tempfile::tempdir().expect("folder");
        let path = build(
            folder.path(),
            r#"
            #[repr(C)] pub struct Base { get_api: extern "C" fn(u32) -> usize, version: extern "C" fn() -> *const u8 }
            extern "C" fn get_api(_: u32) -> usize { 0 }
            extern "C" fn version() -> *const u8 { b"1.16.3\0".as_ptr() }
            static BASE: Base = Base { get_api, version };
            #[unsafe(no_mangle)] pub extern "C" fn OrtGetApiBase() -> *const Base { &BASE }
            "#,
        );
        let error = version(&path).expect_err("older than 1.17");
        assert_eq!(error.kind(), "library_too_old");
        let expected = format!("{}: ONNX Runtime 1.16.3 is too old, expected 1.17 or newer", path.display());
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some_and(|hint| hint.contains("--upgrade")));
    }

    #[test]
    fn another_library_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = build(folder.path(), "#[unsafe(no_mangle)] pub extern \"C\" fn other() {}");
        let error = version(&path).expect_err("not ONNX Runtime");
        let expected = format!(
            "{}: not a usable ONNX Runtime library: it does not export OrtGetApiBase",
            path.display()
        );
        assert_eq!((error.kind(), error.to_string()), ("library_unusable", expected));
    }
}
