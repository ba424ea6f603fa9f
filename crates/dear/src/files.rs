//! Files written whole or not at all, and content hashes.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use dear_image::{DecodeError, DecodeOptions};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// Why an image file gave no bytes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unread {
    /// `unreadable`, or `too_large` for a file above [`DecodeOptions::max_bytes`].
    pub kind: &'static str,
    /// One line, without the path.
    pub message: String,
    /// What to do about it, if anything.
    pub hint: Option<String>,
}

/// All bytes of an image file, whose length is compared with the limit before it is read. Only regular files are read: a pipe
/// would be waited for, and a device may have no end.
///
/// # Errors
/// [`Unread`].
pub fn read_image(path: &Path, options: &DecodeOptions) -> Result<Vec<u8>, Unread> {
    let unreadable = |error: io::Error| {
        let message = format!("cannot be read: {}", without_path(&error));
        Unread { kind: "unreadable", message, hint: None }
    };
    let too_long = |bytes: u64| {
        let error = DecodeError::TooLong { bytes, max_bytes: options.max_bytes };
        Unread { kind: error.kind().as_str(), message: error.to_string(), hint: error.hint() }
    };
    let metadata = fs_err::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() && !metadata.is_dir() {
        let message = "is a pipe, a socket or a device, expected a file".to_owned();
        return Err(Unread { kind: "unreadable", message, hint: None });
    }
    if metadata.len() > options.max_bytes {
        return Err(too_long(metadata.len()));
    }
    let mut bytes = Vec::new();
    // The file may have grown since.
    let file = fs_err::File::open(path).map_err(unreadable)?;
    file.take(options.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > options.max_bytes {
        return Err(too_long(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Where a file is, or will be once it and the folders above it are made, links resolved: two paths of one file have one place.
pub fn place(path: &Path) -> PathBuf {
    if let Ok(place) = fs_err::canonicalize(path) {
        return place;
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().skip(1).find_map(|above| Some((above, fs_err::canonicalize(above).ok()?)));
    let Some((above, mut place)) = there else { return path };
    for part in path.strip_prefix(above).unwrap_or(&path).components() {
        match part {
            Component::ParentDir => _ = place.pop(),
            part => place.push(part),
        }
    }
    // A part that is not there, and the way back out of it, may lead to one that is.
    fs_err::canonicalize(&place).unwrap_or(place)
}

/// SHA-256 of `bytes`, lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `text` on one line: a name in or of a file may hold line breaks, codes that steer a terminal, or characters without a glyph
/// that turn the order of a line or hide a part of it.
pub fn one_line(text: impl Display) -> String {
    let escaped = |c: char| match c.is_control() || is_invisible(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.to_string().chars().map(escaped).collect()
}

/// Marks of direction, separators of lines, and letters and spaces without width. Not the joiners U+200C and U+200D, which scripts and emoji
/// need.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// An error of `fs_err` for messages that name the path themselves: once is enough.
pub(crate) fn without_path(error: &io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "no such file"),
        kind => io::Error::from(kind),
    }
}

/// How the names of half-written files begin.
pub(crate) const TEMPORARY: &str = ".dear-";

/// Write `bytes` to a temporary sibling, sync it, rename it to `path`: a reader, or a killed run, never sees half a file.
/// Folders above `path` are made. The temporary name is hidden (starts with a dot), so listings skip a leftover.
///
/// # Errors
/// The I/O error, which names the path.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// A file that is written piece by piece and appears whole or not at all, as by [`write_atomic`]. Dropped before
/// [`AtomicFile::commit`], it leaves nothing.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl AtomicFile {
    /// A temporary sibling of `path`. Folders above it are made.
    ///
    /// # Errors
    /// The I/O error, which names the path.
    pub fn create(path: &Path) -> io::Result<Self> {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs_err::create_dir_all(folder)?;
        let file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder);
        Ok(Self { path: path.to_owned(), file: file.map_err(|error| naming(path, error))? })
    }

    /// Sync it, and rename it to its path.
    ///
    /// # Errors
    /// The I/O error, which names the path; the file is then not there.
    pub fn commit(self) -> io::Result<()> {
        let Self { path, file } = self;
        file.as_file().sync_all().map_err(|error| naming(&path, error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Temporary files are private to their maker; a result is an ordinary file.
            let ordinary = file.as_file().set_permissions(PermissionsExt::from_mode(0o644));
            ordinary.map_err(|error| naming(&path, error))?;
        }
        file.persist(&path).map_err(|error| naming(&path, error.error))?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| naming(&self.path, error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| naming(&self.path, error))
    }
}

fn naming(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_files_are_whole_and_leave_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
        assert_eq!(fs_err::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn the_error_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("file"), b"").unwrap();
        let error = write_atomic(&folder.path().join("file/x"), b"").unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn a_file_above_the_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        fs_err::write(&path, b"12345").unwrap();
        let with = |max_bytes| read_image(&path, &DecodeOptions { max_bytes, ..DecodeOptions::default() });
        assert_eq!(with(5).unwrap(), b"12345");
        let error = with(4).unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().as_str()),
            ("too_large", "file of 5 bytes exceeds the limit of 4 bytes")
        );
        let missing = read_image(&folder.path().join("b.png"), &DecodeOptions::default()).unwrap_err();
        assert_eq!(
            (missing.kind, missing.to_string().as_str()),
            ("unreadable", "cannot be read: no such file")
        );
        let above = read_image(&path.join("c.png"), &DecodeOptions::default()).unwrap_err();
        assert_eq!(above.to_string(), "cannot be read: not a directory");
    }

    #[test]
    fn sha256_known_answer() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn no_name_turns_the_line_that_it_stands_in() {
        let turned = "a\u{202e}gpj.exe\u{2066}\u{2028}\u{feff}\u{200b}\u{200f}\u{61c}\u{2069}\n\u{1b}";
        let escaped = r"a\u{202e}gpj.exe\u{2066}\u{2028}\u{feff}\u{200b}\u{200f}\u{61c}\u{2069}\n\u{1b}";
        assert_eq!(one_line(turned), escaped);
        for bad in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(one_line(bad), bad.escape_default().to_string());
        }
        // Letters of any script, and joiners between them, stay.
        let plain = "\u{645}\u{6cc}\u{200c}\u{62e}\u{648} \u{1f469}\u{200d}\u{1f4bb} \u{5e9}\u{5dc} \u{e9}";
        assert_eq!(one_line(plain), plain);
    }
}
