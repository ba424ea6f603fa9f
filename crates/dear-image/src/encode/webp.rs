//! WebP, lossy and lossless, as Pillow writes it: libwebp's encoder with Pillow's settings. The only calls into it are
//! here.

use super::{EncodeError, check_size, in_range};
use crate::Image;
use libwebp_sys as sys;
use serde::{Deserialize, Serialize};
use std::ffi::c_int;

/// How a WebP is written: the arguments of Pillow's `save` by the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebpOptions {
    /// 0 to 100; 80. If lossless, how much work is spent on a smaller file.
    pub quality: u8,
    /// 0 (fast) to 6 (small); 4.
    pub method: u8,
    /// VP8L, which keeps every pixel, instead of VP8; no.
    pub lossless: bool,
}

/// libwebp's `WEBP_MAX_DIMENSION`.
const LARGEST: u32 = 16_383;

impl Default for WebpOptions {
    fn default() -> WebpOptions {
        WebpOptions { quality: 80, method: 4, lossless: false }
    }
}

/// Encodes a lossy WebP (VP8): [`encode_webp_with`], with the quality alone.
pub fn encode_webp(image: &Image, quality: u8) -> Result<Vec<u8>, EncodeError> {
    encode_webp_with(image, &WebpOptions { quality, ..WebpOptions::default() })
}

/// Encodes a WebP: the bytes of Pillow's `save(file, "WEBP", quality=..., method=..., lossless=...)`.
pub fn encode_webp_with(image: &Image, options: &WebpOptions) -> Result<Vec<u8>, EncodeError> {
    in_range("webp", "quality", options.quality, 0..=100)?;
    in_range("webp", "method", options.method, 0..=6)?;
    check_size("webp", image.size(), LARGEST)?;
    let mut config = sys::WebPConfig::new().map_err(|()| failed("its version is another"))?;
    config.quality = f32::from(options.quality);
    config.method = c_int::from(options.method);
    config.lossless = c_int::from(options.lossless);
    let mut picture = Picture::new(image)?;
    let mut writer = Writer::new();
    picture.0.writer = Some(sys::WebPMemoryWrite);
    picture.0.custom_ptr = (&raw mut writer.0).cast();
    // SAFETY: configuration and picture are initialised; `writer` is the one that `WebPMemoryWrite` expects in
    // `custom_ptr`, and lives until after the call.
    let done = unsafe { sys::WebPEncode(&config, &mut picture.0) };
    if done == 0 {
        return Err(failed(&format!("{:?}", picture.0.error_code)));
    }
    Ok(writer.bytes())
}

fn failed(detail: &str) -> EncodeError {
    EncodeError::Library { format: "webp", detail: detail.to_owned() }
}

/// The library's copy of an image, freed when dropped.
struct Picture(sys::WebPPicture);

impl Picture {
    fn new(image: &Image) -> Result<Picture, EncodeError> {
        let mut picture = Picture(sys::WebPPicture::new().map_err(|()| failed("its version is another"))?);
        // As Pillow: the encoder, not the import, turns colours into luma and chroma.
        picture.0.use_argb = 1;
        picture.0.width = image.width() as c_int;
        picture.0.height = image.height() as c_int;
        let pitch = 3 * image.width() as c_int;
        // SAFETY: the library reads `height` rows of `pitch` bytes, which an image holds by construction; sides are at
        // most 16,383, so nothing above overflows. The picture is initialised.
        let imported = unsafe { sys::WebPPictureImportRGB(&mut picture.0, image.data().as_ptr(), pitch) };
        if imported == 0 { Err(failed("no memory for the picture")) } else { Ok(picture) }
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: the picture is initialised; freeing resets it, and it is dropped once.
        unsafe { sys::WebPPictureFree(&mut self.0) };
    }
}

/// The library's growing buffer, freed when dropped.
struct Writer(sys::WebPMemoryWriter);

impl Writer {
    fn new() -> Writer {
        Writer(sys::WebPMemoryWriter { mem: std::ptr::null_mut(), size: 0, max_size: 0, pad: [0] })
    }

    fn bytes(&self) -> Vec<u8> {
        if self.0.mem.is_null() {
            return Vec::new();
        }
        // SAFETY: the library wrote `size` bytes at `mem`, which belong to this writer until it is dropped.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }.to_vec()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: the buffer is null or the library's, and is freed once.
        unsafe { sys::WebPMemoryWriterClear(&mut self.0) };
    }
}
