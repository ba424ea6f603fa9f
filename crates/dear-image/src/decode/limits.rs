//! The limits, checked before anything of the picture's size is allocated.

use super::{DecodeError, DecodeOptions, Format};

/// Longest side, whatever the options say: a resize computes weights for each pixel of a side.
const LONGEST_SIDE: u64 = 1_000_000;

/// Compares a header's size with the limit: the first thing that every decoder does.
pub(super) fn check_size(
    format: Format,
    width: u64,
    height: u64,
    options: &DecodeOptions,
) -> Result<(), DecodeError> {
    if width == 0 || height == 0 {
        let detail = format!("its header claims {width} x {height} pixels");
        return Err(DecodeError::Corrupt { format, detail });
    }
    if width.saturating_mul(height) > options.max_pixels {
        return Err(DecodeError::TooLarge { format, width, height, max_pixels: options.max_pixels });
    }
    if width.max(height) > LONGEST_SIDE {
        return Err(DecodeError::SideTooLong { format, width, height, longest: LONGEST_SIDE });
    }
    Ok(())
}

/// Compares the bytes that all buffers of a decode will take with the limit, and asks the machine for them once.
///
/// The libraries below end the process where an allocation of theirs fails; a refusal comes first.
pub(super) fn check_memory(format: Format, bytes: u64, options: &DecodeOptions) -> Result<(), DecodeError> {
    if bytes > options.max_memory {
        return Err(DecodeError::TooMuchMemory { format, bytes, max_memory: options.max_memory });
    }
    reserve(format, bytes).map(drop)
}

/// `bytes` zeros, or an error where this machine would not give them (a plain `vec!` would end the process).
pub(super) fn zeros(format: Format, bytes: u64) -> Result<Vec<u8>, DecodeError> {
    let mut buffer = reserve(format, bytes)?;
    buffer.resize(bytes as usize, 0);
    Ok(buffer)
}

fn reserve(format: Format, bytes: u64) -> Result<Vec<u8>, DecodeError> {
    let refused = || DecodeError::OutOfMemory { format, bytes };
    let length = usize::try_from(bytes).map_err(|_| refused())?;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(length).map_err(|_| refused())?;
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeErrorKind;

    #[test]
    fn limits_are_pairs() {
        let options = DecodeOptions { max_pixels: 12, max_memory: 100, ..DecodeOptions::default() };
        assert!(check_size(Format::Png, 4, 3, &options).is_ok());
        let error = check_size(Format::Png, 13, 1, &options).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::TooLarge);
        assert!(check_size(Format::Png, u64::MAX, u64::MAX, &options).is_err());
        assert!(check_size(Format::Png, 0, 1, &options).is_err());
        let options = DecodeOptions { max_pixels: u64::MAX, ..options };
        assert!(check_size(Format::Png, 1_000_000, 1_000_000, &options).is_ok());
        for (width, height) in [(1_000_001, 1), (1, 1_000_001), (u64::MAX, u64::MAX)] {
            let error = check_size(Format::Png, width, height, &options).unwrap_err();
            assert_eq!(error.kind(), DecodeErrorKind::TooLarge);
            let said = format!("png of {width} x {height} pixels has a side above the limit of 1000000");
            assert_eq!(error.to_string(), said);
        }
        assert!(check_memory(Format::Png, 100, &options).is_ok());
        let error = check_memory(Format::Png, 101, &options).unwrap_err();
        assert_eq!(error.to_string(), "png needs 101 bytes of memory, more than the limit of 100 bytes");
    }

    #[test]
    fn impossible_allocation_is_an_error() {
        let error = zeros(Format::Png, 1 << 60).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::TooLarge);
    }
}
