//! Why bytes did not become an image.

use super::Format;

/// Why [`super::decode`] refused a file. One line, lower case; [`DecodeError::hint`] has the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No bytes at all.
    #[error("empty file")]
    Empty,
    /// Something else than an image; `found` says what.
    #[error("not an image ({found})")]
    NotAnImage {
        /// What the bytes look like: `HTML`, `plain text`, ...
        found: String,
    },
    /// An image, but of a kind that is not read here.
    #[error("unsupported image: {found}")]
    Unsupported {
        /// The format or variant.
        found: String,
    },
    /// The file ends before its pixels do.
    #[error("{format} file is truncated: {detail}")]
    Truncated {
        /// The format that the bytes are in.
        format: Format,
        /// What is missing.
        detail: String,
    },
    /// More pixels than allowed; found from the header, nothing was allocated.
    #[error(
        "{format} of {width} x {height} = {} megapixels exceeds the limit of {} megapixels",
        megapixels(width.saturating_mul(*height)),
        megapixels(*max_pixels)
    )]
    TooLarge {
        /// The format that the bytes are in.
        format: Format,
        /// Columns by the header.
        width: u64,
        /// Rows by the header.
        height: u64,
        /// [`super::DecodeOptions::max_pixels`].
        max_pixels: u64,
    },
    /// A side longer than any is read; found from the header, nothing was allocated.
    #[error("{format} of {width} x {height} pixels has a side above the limit of {longest}")]
    SideTooLong {
        /// The format that the bytes are in.
        format: Format,
        /// Columns by the header.
        width: u64,
        /// Rows by the header.
        height: u64,
        /// The longest side that is read.
        longest: u64,
    },
    /// Longer than allowed.
    #[error("file of {bytes} bytes exceeds the limit of {max_bytes} bytes")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// [`super::DecodeOptions::max_bytes`].
        max_bytes: u64,
    },
    /// Its buffers would take more memory than allowed; found from the header, nothing was allocated.
    #[error("{format} needs {bytes} bytes of memory, more than the limit of {max_memory} bytes")]
    TooMuchMemory {
        /// The format that the bytes are in.
        format: Format,
        /// The estimate, from above.
        bytes: u64,
        /// [`super::DecodeOptions::max_memory`].
        max_memory: u64,
    },
    /// Within the limit, but this machine would not give the memory.
    #[error("{format} needs {bytes} bytes for its pixels, and this machine would not give them")]
    OutOfMemory {
        /// The format that the bytes are in.
        format: Format,
        /// How many were asked for.
        bytes: u64,
    },
    /// The format is known and the bytes break its rules.
    #[error("{format} file is corrupt: {detail}")]
    Corrupt {
        /// The format that the bytes are in.
        format: Format,
        /// What the decoder said.
        detail: String,
    },
}

/// The kinds of [`DecodeError`], for records, exit codes and HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// `empty`
    Empty,
    /// `not_an_image`
    NotAnImage,
    /// `unsupported`
    Unsupported,
    /// `truncated`
    Truncated,
    /// `too_large`
    TooLarge,
    /// `corrupt`
    Corrupt,
}

impl DecodeErrorKind {
    /// All kinds, for tables that must not miss one.
    pub const ALL: [DecodeErrorKind; 6] = [
        DecodeErrorKind::Empty,
        DecodeErrorKind::NotAnImage,
        DecodeErrorKind::Unsupported,
        DecodeErrorKind::Truncated,
        DecodeErrorKind::TooLarge,
        DecodeErrorKind::Corrupt,
    ];

    /// The name in records: `empty`, `not_an_image`, `unsupported`, `truncated`, `too_large`, `corrupt`.
    pub fn as_str(self) -> &'static str {
        match self {
            DecodeErrorKind::Empty => "empty",
            DecodeErrorKind::NotAnImage => "not_an_image",
            DecodeErrorKind::Unsupported => "unsupported",
            DecodeErrorKind::Truncated => "truncated",
            DecodeErrorKind::TooLarge => "too_large",
            DecodeErrorKind::Corrupt => "corrupt",
        }
    }
}

impl DecodeError {
    /// The kind.
    pub fn kind(&self) -> DecodeErrorKind {
        match self {
            DecodeError::Empty => DecodeErrorKind::Empty,
            DecodeError::NotAnImage { .. } => DecodeErrorKind::NotAnImage,
            DecodeError::Unsupported { .. } => DecodeErrorKind::Unsupported,
            DecodeError::Truncated { .. } => DecodeErrorKind::Truncated,
            DecodeError::TooLarge { .. }
            | DecodeError::SideTooLong { .. }
            | DecodeError::TooLong { .. }
            | DecodeError::TooMuchMemory { .. }
            | DecodeError::OutOfMemory { .. } => DecodeErrorKind::TooLarge,
            DecodeError::Corrupt { .. } => DecodeErrorKind::Corrupt,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            DecodeError::NotAnImage { found } if found == "HTML" => {
                "a download saved the site's page instead of the picture; download it again"
            }
            DecodeError::NotAnImage { found } if found.starts_with("git-lfs") => {
                "run `git lfs pull` to fetch the real file"
            }
            DecodeError::Unsupported { .. } => "convert it to PNG without resizing it",
            DecodeError::Truncated { .. } => {
                "fetch the file again, or allow truncated files to use what is there"
            }
            DecodeError::TooLarge { .. } => "raise the limit in pixels if the size is what you expect",
            DecodeError::SideTooLong { .. } => "cut it into parts: no option raises this limit",
            DecodeError::TooLong { .. } => "raise the limit in bytes if the length is what you expect",
            DecodeError::TooMuchMemory { .. } => "raise the limit in memory if the machine has it",
            DecodeError::OutOfMemory { .. } => "lower the limit in pixels or use a machine with more memory",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Pixels in millions with one decimal, exact where it matters: `3600.0`.
fn megapixels(pixels: u64) -> String {
    if pixels < 100_000 {
        return format!("{:.6}", pixels as f64 / 1e6);
    }
    format!("{:.1}", pixels as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_names_both_numbers() {
        let error = DecodeError::TooLarge {
            format: Format::Png,
            width: 60_000,
            height: 60_000,
            max_pixels: 200_000_000,
        };
        let said = "png of 60000 x 60000 = 3600.0 megapixels exceeds the limit of 200.0 megapixels";
        assert_eq!(error.to_string(), said);
        assert!(error.hint().is_some());
    }

    #[test]
    fn kinds_have_distinct_names() {
        let mut names = DecodeErrorKind::ALL.map(DecodeErrorKind::as_str).to_vec();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), DecodeErrorKind::ALL.len());
    }
}
