//! The folder of downloaded checkpoints, and the lock file that says which they are.
//!
//! ```text
//! models/lock.toml               what was pulled: commit, etag, sha256
//! models/dear-c/model_best.pth   whole and verified, or not there
//! models/dear-c/.model_best.pth.{etag}.part    what has arrived of the file of that etag
//! ```

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PullError;
use super::download::Digests;
use super::entry::{Entry, Home};
use crate::error::Error;
use crate::files::write_atomic;
use crate::observe::{Event, Observer};

/// How often a waiting process looks again.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// What was pulled, so that the same is pulled again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Where from: repository, revision and file, or the address.
    pub source: String,
    /// The commit, on the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What the server called the content.
    pub etag: String,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// How many there are.
    pub size: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    #[serde(default)]
    model: BTreeMap<String, Pin>,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// While it lives, no other process works on the same.
pub(super) struct Held(#[expect(dead_code, reason = "the lock ends with the handle")] fs_err::File);

impl Cache {
    /// `folder`/models.
    pub fn in_folder(folder: &Path) -> Self {
        Self { root: folder.join("models") }
    }

    /// In [`cache_dir`](crate::engine::cache_dir).
    ///
    /// # Errors
    /// [`PullError::NoCache`].
    pub fn of_this_machine() -> Result<Self, PullError> {
        crate::engine::cache_dir().map(|folder| Self::in_folder(&folder)).ok_or(PullError::NoCache)
    }

    /// Where the checkpoint is, or will be. `None`: it cannot be pulled.
    pub fn file(&self, entry: &Entry) -> Option<PathBuf> {
        Some(self.folder(entry).join(entry.home.file_name()?))
    }

    /// Whether a file of the pinned length is there. Its hash is not computed.
    ///
    /// # Errors
    /// If the lock file cannot be read.
    pub fn holds(&self, entry: &Entry) -> Result<bool, PullError> {
        let length = self.file(entry).and_then(|path| fs_err::metadata(path).ok()).map(|data| data.len());
        Ok(length.is_some() && length == self.pin(entry)?.map(|pin| pin.size))
    }

    /// What is pinned for this checkpoint at this place.
    ///
    /// # Errors
    /// If the lock file cannot be read.
    pub fn pin(&self, entry: &Entry) -> Result<Option<Pin>, PullError> {
        Ok(self.lock_file()?.model.remove(&entry.id).filter(|pin| pin.source == source(&entry.home)))
    }

    /// The file and its pin, if the bytes are those of the pin and of the registry.
    pub(super) fn verified(&self, entry: &Entry) -> Result<Option<(PathBuf, Pin)>, PullError> {
        let (Some(path), Some(pin)) = (self.file(entry), self.pin(entry)?) else { return Ok(None) };
        if !path.is_file() {
            return Ok(None);
        }
        let found = Digests::of(&path)?;
        let as_pinned = found.sha256 == pin.sha256;
        let as_registered = entry.sha256.as_ref().is_none_or(|expected| *expected == found.sha256)
            && entry.git_sha1.as_ref().is_none_or(|expected| *expected == found.git_sha1);
        Ok((as_pinned && as_registered).then_some((path, pin)))
    }

    /// The partial file of the content that `etag` names. Those of other contents are removed.
    pub(super) fn part(&self, entry: &Entry, etag: &str) -> Result<PathBuf, PullError> {
        let start = format!(".{}.", entry.home.file_name().unwrap_or_default());
        let name = format!("{start}{etag}.part");
        for found in fs_err::read_dir(self.folder(entry))?.flatten() {
            let found_name = found.file_name().to_string_lossy().into_owned();
            if found_name.starts_with(&start) && found_name.ends_with(".part") && found_name != name {
                fs_err::remove_file(found.path())?;
            }
        }
        Ok(self.folder(entry).join(name))
    }

    /// Waits until no other process works on `entry`.
    pub(super) fn hold(&self, entry: &Entry, observer: &dyn Observer) -> Result<Held, Error> {
        fs_err::create_dir_all(self.folder(entry)).map_err(PullError::Disk)?;
        hold(&self.folder(entry).join(".lock"), &entry.id, observer)
    }

    /// Writes the pin of `entry`.
    pub(super) fn set_pin(&self, entry: &Entry, pin: &Pin, observer: &dyn Observer) -> Result<(), Error> {
        // Another process may be writing the pin of another checkpoint.
        let _held = hold(&self.root.join(".lock"), "lock.toml", observer)?;
        let mut lock = self.lock_file()?;
        lock.model.insert(entry.id.clone(), pin.clone());
        let text = toml::to_string(&lock)
            .map_err(|error| PullError::Lock { path: self.lock_path(), found: error.to_string() })?;
        write_atomic(&self.lock_path(), text.as_bytes()).map_err(PullError::Disk)?;
        Ok(())
    }

    fn folder(&self, entry: &Entry) -> PathBuf {
        self.root.join(&entry.id)
    }

    fn lock_path(&self) -> PathBuf {
        self.root.join("lock.toml")
    }

    fn lock_file(&self) -> Result<LockFile, PullError> {
        let path = self.lock_path();
        match fs_err::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| PullError::Lock { path, found: error.message().to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(LockFile::default()),
            Err(error) => Err(error.into()),
        }
    }
}

/// How a place is written in the lock file.
pub(super) fn source(home: &Home) -> String {
    match home {
        Home::Hub { repo, file, revision } => format!("{repo}@{revision}/{file}"),
        Home::Url { url, .. } | Home::Page { url } => url.clone(),
    }
}

fn hold(path: &Path, what: &str, observer: &dyn Observer) -> Result<Held, Error> {
    let file = fs_err::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(PullError::Disk)?;
    let mut told = false;
    loop {
        match file.file().try_lock() {
            Ok(()) => return Ok(Held(file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(PullError::Disk(error).into()),
        }
        if observer.cancelled() {
            return Err(Error::Interrupted);
        }
        if !told {
            observer.event(Event::Warned { message: &format!("{what}: another process is at it; waiting") });
            told = true;
        }
        sleep(TICK);
    }
}
