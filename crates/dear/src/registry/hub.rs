//! What a server says of a file before it is downloaded.

use super::PullError;
use super::entry::{Entry, Home};
use super::transport::{Ask, Client, Stop, header};

/// A file on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    /// Where its bytes are: at a commit, so that they are those that `etag` names.
    pub(super) url: String,
    /// The name of its content: what the hub calls it, or the registry's hash.
    pub(super) etag: String,
    /// The commit, on the hub.
    pub(super) commit: Option<String>,
    /// Its length in bytes.
    pub(super) size: u64,
}

impl Remote {
    /// Asks the server of `entry`. `endpoint`: the hub's address.
    pub(super) fn of(entry: &Entry, client: &Client, endpoint: &str) -> Result<Self, Stop> {
        match &entry.home {
            Home::Hub { repo, file, revision } => {
                let at = |revision: &str| format!("{endpoint}/{repo}/resolve/{revision}/{file}");
                Self::on_hub(&at(revision), client, at)
            }
            Home::Url { url, .. } => Self::at_address(entry, url, client),
            Home::Page { url } => Err(PullError::by_hand(entry, url).into()),
        }
    }

    /// As `huggingface_hub.get_hf_file_metadata`: the answer of the hub itself, before it redirects to where the bytes are.
    fn on_hub(url: &str, client: &Client, at: impl Fn(&str) -> String) -> Result<Self, Stop> {
        let answer = client.send(url, Ask::Facts)?;
        let headers = answer.headers();
        let lacks = |found: &str, expected| {
            Stop::from(PullError::Answer { url: url.to_owned(), found: found.to_owned(), expected })
        };
        let commit = header(headers, "x-repo-commit")
            .filter(|commit| is_hex(commit, 40))
            .ok_or_else(|| lacks("no X-Repo-Commit", "an answer of the Hugging Face hub"))?;
        let etag = header(headers, "x-linked-etag")
            .or_else(|| header(headers, "etag"))
            .map(|etag| etag.trim_start_matches("W/").trim_matches('"'))
            .filter(|etag| is_hex(etag, 64) || is_hex(etag, 40))
            .ok_or_else(|| lacks("no hash in X-Linked-Etag or ETag", "a sha256 or a git sha1"))?;
        // The length of a redirect is that of its own text.
        let own = (!answer.status().is_redirection()).then(|| header(headers, "content-length")).flatten();
        let size = header(headers, "x-linked-size").or(own).and_then(|size| size.parse().ok());
        Ok(Self {
            url: at(commit),
            etag: etag.to_owned(),
            commit: Some(commit.to_owned()),
            size: size.ok_or_else(|| lacks("no length", "X-Linked-Size"))?,
        })
    }

    /// A plain server says only how long its file is; the registry says which it is.
    fn at_address(entry: &Entry, url: &str, client: &Client) -> Result<Self, Stop> {
        let size = match entry.size {
            Some(size) => size,
            None => {
                let answer = client.send(url, Ask::Facts)?;
                let length = header(answer.headers(), "content-length").and_then(|size| size.parse().ok());
                length.ok_or_else(|| PullError::Answer {
                    url: url.to_owned(),
                    found: "no length".to_owned(),
                    expected: "Content-Length",
                })?
            }
        };
        let etag = entry.sha256.as_ref().or(entry.git_sha1.as_ref()).cloned().unwrap_or_default();
        Ok(Self { url: url.to_owned(), etag, commit: None, size })
    }
}

/// Whether `text` is a hash of so many digits.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}
