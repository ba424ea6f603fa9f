//! The transfer of one file into a partial file, which a later attempt goes on with.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha1::Digest as _;
use sha1::Sha1;
use sha2::Sha256;

use super::PullError;
use super::hub::Remote;
use super::transport::{Ask, Client, Stop, header};
use crate::error::Error;
use crate::observe::{Event, Observer};

/// One attempt at the bytes that `part` lacks. `Ok`: it has as many as were announced; which they are is still to be seen.
pub(super) fn fetch(
    client: &Client,
    remote: &Remote,
    part: &Path,
    step: &str,
    observer: &dyn Observer,
) -> Result<(), Stop> {
    let mut file = fs_err::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(part)
        .map_err(disk)?;
    let mut have = file.metadata().map_err(disk)?.len();
    if have > remote.size {
        have = restart(&mut file)?;
    }
    if have == remote.size {
        return Ok(());
    }
    let answer = client.send(&remote.url, Ask::Bytes { from: have })?;
    match answer.status().as_u16() {
        206 => check_range(answer.headers(), remote, have)?,
        // It does not know ranges: all of it comes again.
        200 if have > 0 => have = restart(&mut file)?,
        200 => {}
        status => {
            restart(&mut file)?;
            return Err(Stop::Passing { cause: format!("HTTP {status} to a range"), wait: None });
        }
    }
    check_kind(answer.headers(), remote, have)?;
    observer.event(Event::Started { step, total: remote.size });
    observer.event(Event::Advanced { by: have });
    file.seek(SeekFrom::Start(have)).map_err(disk)?;
    copy(&mut answer.into_body().into_reader(), &mut file, remote, have, observer)?;
    observer.event(Event::Finished);
    file.sync_all().map_err(disk)?;
    Ok(())
}

/// Never more than was announced.
fn copy(
    body: &mut impl Read,
    file: &mut fs_err::File,
    remote: &Remote,
    mut have: u64,
    observer: &dyn Observer,
) -> Result<(), Stop> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        if observer.cancelled() {
            return Err(Stop::Final(Error::Interrupted));
        }
        let read = match body.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(cut(have, remote, &error.to_string())),
        };
        if read == 0 {
            return if have == remote.size { Ok(()) } else { Err(cut(have, remote, "the connection ended")) };
        }
        have += read as u64;
        if have > remote.size {
            return Err(too_long(remote, have));
        }
        file.write_all(&buffer[..read]).map_err(disk)?;
        observer.event(Event::Advanced { by: read as u64 });
    }
}

fn cut(have: u64, remote: &Remote, cause: &str) -> Stop {
    Stop::Passing { cause: format!("cut after {have} of {} bytes: {cause}", remote.size), wait: None }
}

fn too_long(remote: &Remote, found: u64) -> Stop {
    PullError::Length { url: remote.url.clone(), found, expected: remote.size }.into()
}

/// `Content-Range: bytes 5-9/10`.
fn check_range(headers: &ureq::http::HeaderMap, remote: &Remote, have: u64) -> Result<(), Stop> {
    let found = header(headers, "content-range").unwrap_or("none");
    let parts = found.strip_prefix("bytes ").and_then(|text| text.split_once('/'));
    let start = parts.and_then(|(range, _)| range.split_once('-')?.0.parse::<u64>().ok());
    match (start, parts.map(|(_, total)| total.parse::<u64>())) {
        (Some(start), Some(Ok(total))) if start == have && total == remote.size => Ok(()),
        (Some(start), Some(Ok(total))) if start == have => Err(too_long(remote, total)),
        _ => Err(PullError::Answer {
            url: remote.url.clone(),
            found: format!("Content-Range: {found}"),
            expected: "the range that was asked for",
        }
        .into()),
    }
}

/// Weights, and as many as were announced.
fn check_kind(headers: &ureq::http::HeaderMap, remote: &Remote, have: u64) -> Result<(), Stop> {
    if header(headers, "content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        let found = "a page (text/html)".to_owned();
        return Err(PullError::Answer { url: remote.url.clone(), found, expected: "a file" }.into());
    }
    let length = header(headers, "content-length").and_then(|length| length.parse::<u64>().ok());
    match length {
        Some(length) if have.saturating_add(length) != remote.size => {
            Err(too_long(remote, have.saturating_add(length)))
        }
        _ => Ok(()),
    }
}

fn restart(file: &mut fs_err::File) -> Result<u64, Stop> {
    file.set_len(0).map_err(disk)?;
    Ok(0)
}

fn disk(error: io::Error) -> Stop {
    PullError::Disk(error).into()
}

/// What a file's bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digests {
    /// Lower-case hexadecimal.
    pub(super) sha256: String,
    /// What git calls the file: SHA-1 of `blob`, its length, a zero and its bytes.
    pub(super) git_sha1: String,
    /// In bytes.
    pub(super) size: u64,
}

impl Digests {
    /// Of the file at `path`.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut file = fs_err::File::open(path)?;
        let size = file.metadata()?.len();
        let (mut sha256, mut sha1) = (Sha256::new(), Sha1::new());
        sha1.update(format!("blob {size}\0"));
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            sha256.update(&buffer[..read]);
            sha1.update(&buffer[..read]);
        }
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { sha256: hex(&sha256.finalize()), git_sha1: hex(&sha1.finalize()), size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf abc | sha256sum`, `printf abc | git hash-object --stdin`.
    #[test]
    fn known_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs_err::write(&path, b"abc").unwrap();
        let expected = Digests {
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into(),
            git_sha1: "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f".into(),
            size: 3,
        };
        assert_eq!(Digests::of(&path).unwrap(), expected);
    }
}
