//! The one place that calls libjpeg-turbo's decoder, through its TurboJPEG interface.
//!
//! The safe wrapper of the `turbojpeg` crate turns every warning into an error, even one about a header that Pillow
//! reads without a word, and does not hand out the pixels. This one returns pixels and warning. Settings are the
//! library's defaults, which are Pillow's: accurate integer DCT, triangle-filter chroma upsampling, block smoothing.

use std::ffi::CStr;
use turbojpeg::libc::c_int;
use turbojpeg::raw;

/// What to decode into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pixels {
    /// From grey or three components.
    Rgb,
    /// From four components, as stored.
    Cmyk,
}

/// More scans than any encoder writes; each of them costs a pass over the picture.
const MAX_SCANS: c_int = 1000;

/// How libjpeg's warnings begin (it tells them from errors only when there was no warning before).
const WARNINGS: [&str; 7] = [
    "Corrupt JPEG data",
    "Premature end of JPEG file",
    "Warning: unknown JFIF revision",
    "Unknown Adobe color transform",
    "Inconsistent progression sequence",
    "Invalid SOS parameters for sequential",
    "Application transferred too many scanlines",
];

impl Pixels {
    /// Bytes a pixel.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Pixels::Rgb => 3,
            Pixels::Cmyk => 4,
        }
    }
}

/// Whether a warning says that the file ended early.
pub(super) fn is_early_end(warning: &str) -> bool {
    warning.starts_with("Premature end of JPEG file")
}

/// Whether an error says that libjpeg was not given the memory it asked for.
pub(super) fn is_out_of_memory(error: &str) -> bool {
    error.starts_with("Insufficient memory") || error.contains("Memory allocation failure")
}

/// Decodes `bytes` into `data` (`[height][width]` pixels). `Ok(Some(text))` carries the first warning, with which
/// pixels are still given; `Err(text)` is an error, or a size that is not `size`.
pub(super) fn decompress(
    bytes: &[u8],
    size: (u32, u32),
    pixels: Pixels,
    data: &mut [u8],
) -> Result<Option<String>, String> {
    let handle = Handle::new()?;
    handle.set(raw::TJPARAM_TJPARAM_SCANLIMIT, MAX_SCANS);

    // SAFETY: `handle` is a live decompressor, and pointer and length come from one slice, which is only read.
    let header = unsafe { raw::tj3DecompressHeader(handle.0, bytes.as_ptr(), bytes.len() as _) };
    let header_warning = if header == 0 { None } else { Some(handle.warning()?) };
    let found = (handle.get(raw::TJPARAM_TJPARAM_JPEGWIDTH), handle.get(raw::TJPARAM_TJPARAM_JPEGHEIGHT));
    if (i64::from(found.0), i64::from(found.1)) != (i64::from(size.0), i64::from(size.1)) {
        return Err(format!(
            "libjpeg sees {} x {}, its header says {} x {}",
            found.0, found.1, size.0, size.1
        ));
    }
    let row = u64::from(size.0) * pixels.bytes();
    if row * u64::from(size.1) != data.len() as u64 || row > c_int::MAX as u64 {
        return Err(format!("{} x {} pixels do not fill {} bytes", size.0, size.1, data.len()));
    }
    let format = match pixels {
        Pixels::Rgb => raw::TJPF_TJPF_RGB,
        Pixels::Cmyk => raw::TJPF_TJPF_CMYK,
    };
    // SAFETY: as above; the library reads the same header again, finds the size that was just compared with `size`,
    // and writes `height` rows of `row` bytes, which `data` was checked to hold.
    let result = unsafe {
        let (source, length) = (bytes.as_ptr(), bytes.len() as _);
        raw::tj3Decompress8(handle.0, source, length, data.as_mut_ptr(), row as c_int, format as c_int)
    };
    if result == 0 { Ok(header_warning) } else { handle.warning().map(Some) }
}

/// A decompressor that is freed when dropped.
struct Handle(raw::tjhandle);

impl Handle {
    fn new() -> Result<Handle, String> {
        // SAFETY: no arguments but a constant; null means failure and is checked.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_DECOMPRESS as c_int) };
        if handle.is_null() { Err("libjpeg could not start".to_owned()) } else { Ok(Handle(handle)) }
    }

    fn set(&self, parameter: raw::TJPARAM, value: c_int) {
        // SAFETY: the handle is live; an unknown parameter or value is refused by the library.
        unsafe { raw::tj3Set(self.0, parameter as c_int, value) };
    }

    fn get(&self, parameter: raw::TJPARAM) -> c_int {
        // SAFETY: the handle is live; the library answers -1 where it has no value.
        unsafe { raw::tj3Get(self.0, parameter as c_int) }
    }

    /// The last message: `Ok` if it is a warning, `Err` if an error.
    fn warning(&self) -> Result<String, String> {
        // SAFETY: the library returns a NUL-terminated text inside the handle, which outlives this borrow.
        let text = unsafe { CStr::from_ptr(raw::tj3GetErrorStr(self.0)) };
        let text = text.to_string_lossy().into_owned();
        if WARNINGS.iter().any(|start| text.starts_with(start)) { Ok(text) } else { Err(text) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle came from `tj3Init` and is dropped once.
        unsafe { raw::tj3Destroy(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, Subsampling, encode_jpeg};

    #[test]
    fn a_size_that_is_not_the_headers_is_refused() {
        let image = Image::from_fn(9, 5, |x, y| [(20 * x) as u8, (40 * y) as u8, 0]);
        let bytes = encode_jpeg(&image, 90, Subsampling::S444).unwrap();
        let mut data = vec![0; 9 * 5 * 3];
        assert_eq!(decompress(&bytes, (9, 5), Pixels::Rgb, &mut data), Ok(None));
        assert!(decompress(&bytes, (9, 4), Pixels::Rgb, &mut data).is_err());
        assert!(decompress(&bytes, (9, 5), Pixels::Rgb, &mut data[1..]).is_err());
        assert!(decompress(b"\xff\xd8\xff\xd9", (9, 5), Pixels::Rgb, &mut data).is_err());
    }
}
