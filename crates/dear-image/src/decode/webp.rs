//! WebP through libwebp, the library that Pillow uses. The only calls into it are here.
//!
//! Still pictures are decoded straight to RGB, which drops alpha and keeps hidden colours; an animation goes through
//! libwebp's frame compositor, as in Pillow, for its first frame.

use super::{DecodeError, DecodeOptions, Decoded, Format, check_size, finish, first_of, zeros};
use crate::Image;
use libwebp_sys as sys;
use std::ffi::c_int;
use sys::VP8StatusCode;

/// Decodes a still picture or the first frame of an animation.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::WebP;
    let declared = bytes.get(4..8).map_or(0, |b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])) + 8);
    let missing = declared.saturating_sub(bytes.len() as u64);
    let early_end = (missing > 0).then(|| format!("{missing} of {declared} bytes are missing"));

    let features = features(bytes)?;
    let (width, height) = (features.width as u32, features.height as u32);
    check_size(format, u64::from(width), u64::from(height), options)?;
    if let Some(detail) = &early_end
        && !options.allow_truncated
    {
        return Err(DecodeError::Truncated { format, detail: detail.clone() });
    }
    let mut warnings = Vec::new();
    let data = if features.has_animation != 0 {
        if let Some(detail) = early_end {
            let detail = format!("{detail}; an animation is not read in part");
            return Err(DecodeError::Truncated { format, detail });
        }
        let (data, frames) = first_frame(bytes, (width, height))?;
        if frames > 1 {
            warnings.push(first_of(frames, "frames"));
        }
        data
    } else {
        let mut data = zeros(format, 3 * u64::from(width) * u64::from(height))?;
        let status = still(bytes, (width, height), &mut data, early_end.is_some());
        match status {
            VP8StatusCode::VP8_STATUS_OK => {}
            VP8StatusCode::VP8_STATUS_SUSPENDED if early_end.is_some() => {}
            other => return Err(refuse(other)),
        }
        data
    };
    let image = Image::new(width, height, data)
        .map_err(|error| DecodeError::Corrupt { format, detail: error.to_string() })?;
    finish(format, image, warnings, early_end, options)
}

/// The header: canvas size, alpha, animation.
fn features(bytes: &[u8]) -> Result<sys::WebPBitstreamFeatures, DecodeError> {
    let mut features = sys::WebPBitstreamFeatures {
        width: 0,
        height: 0,
        has_alpha: 0,
        has_animation: 0,
        format: 0,
        pad: [0; 5],
    };
    // SAFETY: pointer and length come from one slice, which is only read; `features` is a live, exclusive struct.
    let status = unsafe { sys::WebPGetFeatures(bytes.as_ptr(), bytes.len(), &mut features) };
    match status {
        VP8StatusCode::VP8_STATUS_OK if features.width > 0 && features.height > 0 => Ok(features),
        VP8StatusCode::VP8_STATUS_OK => Err(refuse(VP8StatusCode::VP8_STATUS_BITSTREAM_ERROR)),
        other => Err(refuse(other)),
    }
}

/// Decodes a still picture into `data` (`[height][width][3]`); with `partial`, as far as the bytes reach.
fn still(bytes: &[u8], (width, height): (u32, u32), data: &mut [u8], partial: bool) -> VP8StatusCode {
    let Ok(mut config) = sys::WebPDecoderConfig::new() else {
        return VP8StatusCode::VP8_STATUS_INVALID_PARAM;
    };
    let (Ok(stride), Ok(rows)) = (c_int::try_from(3 * u64::from(width)), usize::try_from(height)) else {
        return VP8StatusCode::VP8_STATUS_INVALID_PARAM;
    };
    if data.len() != rows * stride as usize {
        return VP8StatusCode::VP8_STATUS_INVALID_PARAM;
    }
    config.output.colorspace = sys::WEBP_CSP_MODE::MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.width = width as c_int;
    config.output.height = height as c_int;
    config.output.u.RGBA = sys::WebPRGBABuffer { rgba: data.as_mut_ptr(), stride, size: data.len() };
    if !partial {
        // SAFETY: the bytes are only read. The output buffer is `data`, alive and exclusive during the call, with its
        // true stride and size, which the library checks against the picture before it writes.
        return unsafe { sys::WebPDecode(bytes.as_ptr(), bytes.len(), &mut config) };
    }
    // SAFETY: as above; `config` and `data` outlive the decoder, which is deleted before they go, and null is checked.
    unsafe {
        let decoder = sys::WebPIDecode(std::ptr::null(), 0, &mut config);
        if decoder.is_null() {
            return VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY;
        }
        let status = sys::WebPIUpdate(decoder, bytes.as_ptr(), bytes.len());
        sys::WebPIDelete(decoder);
        status
    }
}

/// The first composited frame of an animation as RGB, and the number of frames.
fn first_frame(bytes: &[u8], size: (u32, u32)) -> Result<(Vec<u8>, u32), DecodeError> {
    let format = Format::WebP;
    let pixels = u64::from(size.0) * u64::from(size.1);
    let mut rgb = zeros(format, 3 * pixels)?;
    let data = sys::WebPData { bytes: bytes.as_ptr(), size: bytes.len() };
    let corrupt = |detail: &str| DecodeError::Corrupt { format, detail: detail.to_owned() };
    let mut options = sys::WebPAnimDecoderOptions {
        color_mode: sys::WEBP_CSP_MODE::MODE_RGBA,
        use_threads: 0,
        padding: [0; 7],
    };
    // SAFETY: `options` is a live struct that this call fills.
    if unsafe { sys::WebPAnimDecoderOptionsInit(&mut options) } == 0 {
        return Err(corrupt("libwebp refuses its own version"));
    }
    options.color_mode = sys::WEBP_CSP_MODE::MODE_RGBA;
    options.use_threads = 0;
    // SAFETY: `data` points to `bytes`, which outlives the decoder; null is checked below.
    let decoder = unsafe { sys::WebPAnimDecoderNew(&data, &options) };
    if decoder.is_null() {
        return Err(corrupt("its frames cannot be read"));
    }
    let decoder = AnimDecoder(decoder);
    let mut info = sys::WebPAnimInfo::default();
    let mut canvas = std::ptr::null_mut();
    let mut timestamp = 0;
    // SAFETY: the decoder is live and the three targets are live locals.
    let read = unsafe {
        sys::WebPAnimDecoderGetInfo(decoder.0, &mut info) != 0
            && sys::WebPAnimDecoderGetNext(decoder.0, &mut canvas, &mut timestamp) != 0
    };
    if !read || canvas.is_null() || (info.canvas_width, info.canvas_height) != size {
        return Err(corrupt("its first frame cannot be read"));
    }
    // SAFETY: the library's canvas is `canvas_width * canvas_height` RGBA pixels (compared with `size` just above)
    // and stays as it is until the next call on the decoder, which is not made while the slice lives.
    let rgba = unsafe { std::slice::from_raw_parts(canvas, 4 * pixels as usize) };
    for (out, pixel) in rgb.chunks_exact_mut(3).zip(rgba.chunks_exact(4)) {
        out.copy_from_slice(&pixel[..3]);
    }
    Ok((rgb, info.frame_count))
}

/// An animation decoder that is freed when dropped.
struct AnimDecoder(*mut sys::WebPAnimDecoder);

impl Drop for AnimDecoder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `WebPAnimDecoderNew`, is not null, and is dropped once.
        unsafe { sys::WebPAnimDecoderDelete(self.0) };
    }
}

/// Names libwebp's status.
fn refuse(status: VP8StatusCode) -> DecodeError {
    let format = Format::WebP;
    let corrupt = |detail: &str| DecodeError::Corrupt { format, detail: detail.to_owned() };
    match status {
        VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA | VP8StatusCode::VP8_STATUS_SUSPENDED => {
            DecodeError::Truncated { format, detail: "it ends before its pixels do".to_owned() }
        }
        VP8StatusCode::VP8_STATUS_UNSUPPORTED_FEATURE => {
            DecodeError::Unsupported { found: "WebP with a feature that libwebp does not read".to_owned() }
        }
        VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY => corrupt("libwebp had no memory for it"),
        _ => corrupt("libwebp finds its bitstream invalid"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lossless 2 x 1 picture: one red and one blue pixel.
    const TINY: &[u8] = include_bytes!("../../tests/fixtures/decode/tiny.webp");

    #[test]
    fn a_buffer_of_another_size_is_refused_before_the_library_writes() {
        let mut data = vec![0; 6];
        assert!(matches!(still(TINY, (2, 1), &mut data, false), VP8StatusCode::VP8_STATUS_OK));
        assert_eq!(data, [255, 0, 0, 0, 0, 255]);
        assert!(matches!(still(TINY, (3, 1), &mut data, false), VP8StatusCode::VP8_STATUS_INVALID_PARAM));
        assert!(!matches!(still(TINY, (1, 2), &mut data, false), VP8StatusCode::VP8_STATUS_OK));
    }

    #[test]
    fn every_cut_is_truncated_or_refused() {
        for length in 12..TINY.len() {
            assert!(decode(&TINY[..length], &DecodeOptions::default()).is_err(), "{length} bytes");
            let lenient = DecodeOptions { allow_truncated: true, ..DecodeOptions::default() };
            if let Ok(decoded) = decode(&TINY[..length], &lenient) {
                assert!(decoded.truncated, "{length} bytes");
            }
        }
    }
}
