//! Pull a published checkpoint: from the cache if its bytes are right, else from its home, verified before it has a name.

use std::env;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::cache::{self, Cache, Pin};
use super::download::{Digests, fetch};
use super::entry::{Entry, Home};
use super::error::PullError;
use super::hub::{Remote, is_hex};
pub use super::transport::Token;
use super::transport::{Client, Stop};
use crate::error::Error;
use crate::observe::{Event, Observer};

/// Where the hub is.
const HUB: &str = "https://huggingface.co";

/// How a checkpoint is pulled.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// Where it goes.
    pub cache: Cache,
    /// The hub's address. Default: `https://huggingface.co`.
    pub endpoint: String,
    /// Sent to the endpoint, and to no other host. Default: none.
    pub token: Option<Token>,
    /// Whether the network must not be used. Default: it may.
    pub offline: bool,
    /// Whether a licence that restricts the use is accepted. Default: no.
    pub accept_licence: bool,
    /// Whether another file than the pinned one is taken. Default: no.
    pub update: bool,
    /// How long a connection may take. Default: 10 s.
    pub connect: Duration,
    /// How long a server may send nothing. Default: 30 s.
    pub stall: Duration,
    /// How often each request is tried. Default: 5.
    pub attempts: u32,
    /// The wait before the second attempt; each next one is twice as long. Default: 1 s.
    pub backoff: Duration,
    /// The longest wait that a server may ask for. Default: 120 s.
    pub longest_wait: Duration,
}

impl PullOptions {
    /// The defaults.
    pub fn new(cache: Cache) -> Self {
        Self {
            cache,
            endpoint: HUB.to_owned(),
            token: None,
            offline: false,
            accept_licence: false,
            update: false,
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            attempts: 5,
            backoff: Duration::from_secs(1),
            longest_wait: Duration::from_secs(120),
        }
    }

    /// The defaults, with what the hub's own tools take from the environment: `HF_ENDPOINT`, `HF_TOKEN` and
    /// `HF_HUB_OFFLINE`.
    pub fn from_environment(cache: Cache) -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let defaults = Self::new(cache);
        let endpoint = text("HF_ENDPOINT").map(|endpoint| endpoint.trim_end_matches('/').to_owned());
        let yes = |value: String| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
        Self {
            endpoint: endpoint.unwrap_or(defaults.endpoint),
            token: text("HF_TOKEN").map(|token| Token(token.trim().to_owned())),
            offline: text("HF_HUB_OFFLINE").is_some_and(yes),
            ..defaults
        }
    }
}

/// A checkpoint in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The file.
    pub path: PathBuf,
    /// What it is, as the lock file says too.
    pub pin: Pin,
    /// Whether nothing was asked of any server.
    pub from_cache: bool,
}

/// Pulls the checkpoint of `entry`. `observer` counts bytes; if it asks for a stop, what has arrived stays for the next call.
///
/// # Errors
/// [`PullError`], or [`Error::Interrupted`].
pub fn pull(entry: &Entry, options: &PullOptions, observer: &dyn Observer) -> Result<Pulled, Error> {
    if !entry.is_permissive() && !options.accept_licence {
        return Err(PullError::Licence { id: entry.id.clone(), licence: entry.licence.clone() }.into());
    }
    if let Home::Page { url } = &entry.home {
        return Err(PullError::by_hand(entry, url).into());
    }
    let cache = &options.cache;
    let from_cache = |(path, pin)| Pulled { path, pin, from_cache: true };
    if !options.update
        && let Some(found) = cache.verified(entry)?
    {
        return Ok(from_cache(found));
    }
    if options.offline {
        return Err(PullError::Offline { id: entry.id.clone() }.into());
    }
    let client = Client::new(&options.endpoint, options.token.clone(), options.connect, options.stall);
    let remote =
        retry(&options.endpoint, options, observer, || Remote::of(entry, &client, &options.endpoint))?;
    let _held = cache.hold(entry, observer)?;
    // Whoever held it may have pulled the same.
    let there = cache.verified(entry)?;
    if let Some((path, pin)) = there
        && (!options.update || pin.etag == remote.etag)
    {
        return Ok(from_cache((path, pin)));
    }
    let pinned = if options.update { None } else { cache.pin(entry)? };
    let expected = Expected::of(entry, &remote, pinned.as_ref())?;
    let path = cache.file(entry).ok_or(PullError::NoCache)?;
    let part = cache.part(entry, &remote.etag)?;
    let step = format!("bytes of {}", entry.id);
    let fetched = retry(&remote.url, options, observer, || fetch(&client, &remote, &part, &step, observer));
    let pin = fetched.and_then(|()| {
        let found = Digests::of(&part).map_err(PullError::Disk)?;
        expected.check(&found, &remote)?;
        Ok(Pin {
            source: cache::source(&entry.home),
            commit: remote.commit.clone(),
            etag: remote.etag.clone(),
            sha256: found.sha256,
            size: found.size,
        })
    });
    let pin = match pin {
        Ok(pin) => pin,
        Err(error) => {
            if matches!(error, Error::Pull(PullError::Length { .. } | PullError::Hash { .. })) {
                // Bytes that are not those of the file: there is nothing to go on from.
                fs_err::remove_file(&part).map_err(PullError::Disk)?;
            }
            return Err(error);
        }
    };
    // The pin first: a run that is killed in between finds the file absent, not unknown.
    cache.set_pin(entry, &pin, observer)?;
    fs_err::rename(&part, &path).map_err(PullError::Disk)?;
    Ok(Pulled { path, pin, from_cache: false })
}

/// The hashes that the bytes must have: algorithm, value, who says so.
struct Expected(Vec<(&'static str, String, &'static str)>);

impl Expected {
    /// Refuses before the download what the announcement already shows to be another file.
    fn of(entry: &Entry, remote: &Remote, pinned: Option<&Pin>) -> Result<Self, PullError> {
        let algorithm = if is_hex(&remote.etag, 64) { "sha256" } else { "git sha1" };
        let mut all = vec![(algorithm, remote.etag.clone(), "the hub")];
        let registered = [("sha256", &entry.sha256), ("git sha1", &entry.git_sha1)];
        for (name, value) in registered {
            let Some(value) = value else { continue };
            if name == algorithm && *value != remote.etag {
                return Err(PullError::Hash {
                    url: remote.url.clone(),
                    algorithm,
                    found: remote.etag.clone(),
                    expected: value.clone(),
                    origin: "the registry",
                });
            }
            all.insert(0, (name, value.clone(), "the registry"));
        }
        if let Some(pin) = pinned {
            if pin.etag != remote.etag {
                return Err(PullError::Moved {
                    id: entry.id.clone(),
                    found: remote.etag.clone(),
                    commit: remote.commit.clone().unwrap_or_default(),
                    pinned: pin.etag.clone(),
                    pinned_commit: pin.commit.clone().unwrap_or_default(),
                });
            }
            all.push(("sha256", pin.sha256.clone(), "the lock file"));
        }
        Ok(Self(all))
    }

    fn check(self, found: &Digests, remote: &Remote) -> Result<(), PullError> {
        if found.size != remote.size {
            let url = remote.url.clone();
            return Err(PullError::Length { url, found: found.size, expected: remote.size });
        }
        for (algorithm, expected, origin) in self.0 {
            let found = if algorithm == "sha256" { &found.sha256 } else { &found.git_sha1 };
            if *found != expected {
                let (url, found) = (remote.url.clone(), found.clone());
                return Err(PullError::Hash { url, algorithm, found, expected, origin });
            }
        }
        Ok(())
    }
}

/// Tries until it ends well, or for good, or often enough.
fn retry<T>(
    url: &str,
    options: &PullOptions,
    observer: &dyn Observer,
    mut attempt: impl FnMut() -> Result<T, Stop>,
) -> Result<T, Error> {
    let mut backoff = options.backoff;
    for number in 1.. {
        let (cause, wait) = match attempt() {
            Ok(value) => return Ok(value),
            Err(Stop::Final(error)) => return Err(error),
            Err(Stop::Passing { cause, wait }) => (cause, wait),
        };
        let unreachable = |cause: String| {
            Err(PullError::Unreachable { url: url.to_owned(), cause, attempts: number }.into())
        };
        if let Some(wait) = wait.filter(|wait| *wait > options.longest_wait) {
            return unreachable(format!("{cause}, asks to come back in {} s", wait.as_secs()));
        }
        if number >= options.attempts {
            return unreachable(cause);
        }
        observer.event(Event::Warned { message: &format!("{url}: {cause}; trying again") });
        pause(wait.unwrap_or(backoff), observer)?;
        backoff *= 2;
    }
    unreachable!("the loop ends by returning")
}

fn pause(wait: Duration, observer: &dyn Observer) -> Result<(), Error> {
    let until = Instant::now() + wait;
    loop {
        if observer.cancelled() {
            return Err(Error::Interrupted);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(cache::TICK));
    }
}
