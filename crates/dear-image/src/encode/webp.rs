//! Lossy WebP through libwebp's encoder. The only calls into it are here.

use super::EncodeError;
use crate::Image;
use libwebp_sys as sys;
use std::ffi::c_int;

/// libwebp's `WEBP_MAX_DIMENSION`.
pub(super) const LARGEST_WEBP: u32 = 16_383;

/// Encodes a lossy WebP (VP8): the bytes of Pillow's `save(file, "WEBP", quality=quality)`, that is libwebp's default
/// settings (method 4), for a quality of 1 to 100.
pub fn encode_webp(image: &Image, quality: u8) -> Result<Vec<u8>, EncodeError> {
    if !(1..=100).contains(&quality) {
        return Err(EncodeError::Quality { format: "webp", found: quality });
    }
    let (width, height) = image.size();
    if width > LARGEST_WEBP || height > LARGEST_WEBP {
        return Err(EncodeError::TooLarge { format: "webp", width, height, largest: LARGEST_WEBP });
    }
    let mut output = std::ptr::null_mut();
    // SAFETY: the library reads `height` rows of `3 * width` bytes, which an image holds by construction; sides are at
    // most 16,383, so no argument overflows. `output` is a live local that receives the buffer.
    let length = unsafe {
        sys::WebPEncodeRGB(
            image.data().as_ptr(),
            width as c_int,
            height as c_int,
            3 * width as c_int,
            f32::from(quality),
            &mut output,
        )
    };
    if output.is_null() || length == 0 {
        return Err(EncodeError::Library { format: "webp", detail: "libwebp gave no bytes".to_owned() });
    }
    // SAFETY: the library returned `length` initialised bytes at `output`, which belong to this function until freed.
    let bytes = unsafe { std::slice::from_raw_parts(output, length) }.to_vec();
    // SAFETY: the buffer came from the library's encoder and is freed once.
    unsafe { sys::WebPFree(output.cast()) };
    Ok(bytes)
}
