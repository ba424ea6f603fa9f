//! Why a checkpoint was not pulled.

use std::path::PathBuf;

use super::entry::Entry;

/// Why a checkpoint was not pulled. What was complete before stays as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The registry file.
    #[error("{subject}: {found}")]
    Registry {
        /// The file.
        subject: String,
        /// What is wrong with it.
        found: String,
    },
    /// No such model.
    #[error("no model \"{id}\", expected one of: {}", known.join(", "))]
    UnknownId {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The licence restricts the use, and nobody has said yes to it.
    #[error("{id}: the weights are under {licence}, which is not accepted yet")]
    Licence {
        /// The model.
        id: String,
        /// Its licence.
        licence: String,
    },
    /// Its file cannot be downloaded by a program.
    #[error("{id}: its file is behind a page for people: {url}")]
    ByHand {
        /// The model.
        id: String,
        /// The page.
        url: String,
        /// What to do with the file.
        import: String,
    },
    /// No folder to keep files in.
    #[error("no cache folder: neither DEAR_CACHE nor a home folder is set")]
    NoCache,
    /// The lock file does not parse.
    #[error("{path}: not a lock file of dear: {found}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// Offline, and the cache has no file whose hash fits.
    #[error("{id}: not in the cache, and HF_HUB_OFFLINE forbids to fetch it")]
    Offline {
        /// The model.
        id: String,
    },
    /// An address that is neither https nor this machine.
    #[error("{url}: not https, expected an address that nobody on the way can change")]
    Insecure {
        /// The address.
        url: String,
    },
    /// The server has no such thing.
    #[error("{url}: {what} not found (HTTP {status})")]
    NotFound {
        /// What was asked for.
        url: String,
        /// Repository, revision or file.
        what: &'static str,
        /// The server's answer.
        status: u16,
    },
    /// The server does not let this user have it.
    #[error("{url}: {} (HTTP {status})", if *gated { "the authors ask for consent first" } else { "access refused" })]
    Refused {
        /// What was asked for.
        url: String,
        /// Whether the repository is gated.
        gated: bool,
        /// The server's answer.
        status: u16,
    },
    /// An answer that this protocol does not have: a page instead of a file, no hash, no length.
    #[error("{url}: {found}, expected {expected}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What came.
        found: String,
        /// What should have come.
        expected: &'static str,
    },
    /// Too many redirects.
    #[error("{url}: more than {limit} redirects")]
    Redirects {
        /// Where it began.
        url: String,
        /// How many are followed.
        limit: u32,
    },
    /// The network or the server failed every time.
    #[error("{url}: {cause}, {attempts} times")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The last failure.
        cause: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// More or fewer bytes than were announced.
    #[error("{url}: {found} bytes, expected {expected}")]
    Length {
        /// The file.
        url: String,
        /// How many came or were announced.
        found: u64,
        /// How many should have.
        expected: u64,
    },
    /// Other bytes than the registry, the lock file or the hub say.
    #[error("{url}: {algorithm} is {found}, expected {expected} ({origin})")]
    Hash {
        /// The file.
        url: String,
        /// `sha256`, or `git sha1`.
        algorithm: &'static str,
        /// What the bytes have, or the hub announces.
        found: String,
        /// What they should have.
        expected: String,
        /// Who says so.
        origin: &'static str,
    },
    /// The hub has another file than the one that was pulled before.
    #[error(
        "{id}: the hub now has {found} (commit {commit}), but {pinned} (commit {pinned_commit}) is pinned"
    )]
    Moved {
        /// The model.
        id: String,
        /// The etag that it has now.
        found: String,
        /// At this commit.
        commit: String,
        /// The etag that was pinned.
        pinned: String,
        /// At this commit.
        pinned_commit: String,
    },
    /// Reading or writing the cache.
    #[error("{0}")]
    Disk(#[from] std::io::Error),
}

impl PullError {
    /// For a page that only people can use.
    pub(super) fn by_hand(entry: &Entry, url: &str) -> Self {
        let import =
            entry.import_command("FILE".as_ref(), entry.backbone.as_deref().map(|_| "FILE".as_ref()));
        Self::ByHand { id: entry.id.clone(), url: url.to_owned(), import }
    }

    /// A stable name of the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Registry { .. } => "registry",
            Self::UnknownId { .. } => "unknown_id",
            Self::Licence { .. } => "licence",
            Self::ByHand { .. } => "by_hand",
            Self::NoCache => "no_cache",
            Self::Lock { .. } => "lock",
            Self::Offline { .. } => "offline",
            Self::Insecure { .. } => "insecure",
            Self::NotFound { .. } => "not_found",
            Self::Refused { .. } => "refused",
            Self::Answer { .. } => "answer",
            Self::Redirects { .. } => "redirects",
            Self::Unreachable { .. } => "unreachable",
            Self::Length { .. } => "length",
            Self::Hash { .. } => "hash",
            Self::Moved { .. } => "moved",
            Self::Disk(_) => "disk",
        }
    }

    /// Whether it is the network, the server or the disk, and not what was asked for.
    pub fn is_environment(&self) -> bool {
        !matches!(
            self,
            Self::Registry { .. }
                | Self::UnknownId { .. }
                | Self::Licence { .. }
                | Self::ByHand { .. }
                | Self::Lock { .. }
                | Self::Insecure { .. }
                | Self::Refused { .. }
                | Self::Moved { .. }
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Registry { .. } => "docs/models.md describes the registry's fields",
            Self::UnknownId { .. } => "dear models list shows them",
            Self::Licence { .. } => {
                "read it (dear models info), and pass --accept-licence if your use is within it"
            }
            Self::ByHand { import, .. } => {
                return Some(format!("download it with a browser, then: {import}"));
            }
            Self::NoCache => "set DEAR_CACHE to a folder",
            Self::Lock { .. } => {
                "repair it, or remove it: the hashes that it pins are then taken anew from the hub"
            }
            Self::Offline { .. } => {
                "unset HF_HUB_OFFLINE, or copy the cache of a machine that has it (DEAR_CACHE)"
            }
            Self::Insecure { .. } => "use an address that begins with https://",
            Self::NotFound { .. } => {
                "the authors may have moved it: look at the repository that dear models info names"
            }
            Self::Refused { gated: true, .. } => {
                "consent on the repository's page, then set HF_TOKEN to a token of that account"
            }
            Self::Refused { .. } => {
                "the hub says so of private repositories and of those that do not exist: set HF_TOKEN to a token that may read it"
            }
            Self::Answer { .. } => {
                "a proxy or a login page may have answered in the server's place; check HF_ENDPOINT"
            }
            Self::Redirects { .. } => "check HF_ENDPOINT and the proxy",
            Self::Unreachable { .. } => {
                "what has arrived, if anything, is kept: the same command goes on from there"
            }
            Self::Length { .. } => "nothing of it is kept: run the same command again",
            Self::Hash { origin, .. } => {
                return Some(format!(
                    "the file is not the one that {origin} means, and nothing of it is kept; if the same hash comes again, ask the authors"
                ));
            }
            Self::Moved { .. } => {
                "pass --update to take the new one and pin it; the results of the old one stay those of the old one"
            }
            Self::Disk(error) => {
                use std::io::ErrorKind;
                match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                        "free some space and run the same command again: it goes on where it stopped"
                    }
                    _ => "the cache must be a folder that you may write to (DEAR_CACHE)",
                }
            }
        };
        Some(text.to_owned())
    }
}
