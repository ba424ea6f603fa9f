//! WebP through libwebp, the library that Pillow uses. The only calls into it are here.
//!
//! Still pictures are decoded straight to RGB, which drops alpha and keeps hidden colours; an animation goes through
//! libwebp's frame compositor, as in Pillow, for its first frame.

use super::limits::{check_memory, zeros};
use super::picture::{Channel, Picture, Samples, admit, first_of};
use super::tail::behind_the_end;
use super::{DecodeError, DecodeOptions, Decoded, Format, ifd};
use libwebp_sys as sys;
use std::ffi::c_int;
use sys::VP8StatusCode;

/// What the chunks hold besides pixels.
struct Chunks<'a> {
    orientation: u8,
    profile: Option<&'a [u8]>,
    /// Whether any picture in the file is lossless, for which libwebp keeps four bytes a pixel.
    lossless: bool,
}

/// Decodes a still picture or the first frame of an animation.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::WebP;
    let declared = bytes.get(4..8).map_or(0, |b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])) + 8);
    let missing = declared.saturating_sub(bytes.len() as u64);
    let early_end = (missing > 0).then(|| format!("{missing} of {declared} bytes are missing"));

    let features = features(bytes)?;
    let size = (features.width as u32, features.height as u32);
    let (width, height) = (u64::from(size.0), u64::from(size.1));
    let (alpha, animated) = (features.has_alpha != 0, features.has_animation != 0);
    let chunks = walk(bytes);
    let pixels = width * height;
    // Our three bytes; libwebp's canvas, its copy for the next frame and a frame; its pixels of a lossless picture.
    let working = pixels * (3 + 12 * u64::from(animated) + 4 * u64::from(chunks.lossless));
    admit(format, (width, height), working, chunks.orientation, options)?;
    if let Some(detail) = &early_end
        && !options.allow_truncated
    {
        return Err(DecodeError::Truncated { format, detail: detail.clone() });
    }
    let refuse = |status| refuse(status, working);
    let mut warnings = Vec::new();
    let (data, alpha) = if animated {
        if let Some(detail) = early_end {
            let detail = format!("{detail}; an animation is not read in part");
            return Err(DecodeError::Truncated { format, detail });
        }
        let (data, opacity, frames) = first_frame(bytes, size)?;
        if frames > 1 {
            warnings.push(first_of(frames, "frames"));
        }
        (data, Channel::when(alpha, options, || Ok(opacity))?)
    } else {
        let mut data = zeros(format, 3 * pixels)?;
        let layout = Layout { mode: sys::WEBP_CSP_MODE::MODE_RGB, channels: 3 };
        match still(bytes, size, layout, &mut data, early_end.is_some()) {
            VP8StatusCode::VP8_STATUS_OK => {}
            VP8StatusCode::VP8_STATUS_SUSPENDED if early_end.is_some() => {}
            other => return Err(refuse(other)),
        }
        let alpha = Channel::when(alpha, options, || opacity(bytes, size, early_end.is_some(), options))?;
        (data, alpha)
    };
    if let Some(rest) = usize::try_from(declared + (declared & 1)).ok().and_then(|end| bytes.get(end..)) {
        warnings.extend(behind_the_end(rest));
    }
    Picture {
        format,
        size,
        samples: Samples::Rgb(data),
        gray: false,
        alpha,
        profile: chunks.profile.map(<[u8]>::to_vec),
        orientation: chunks.orientation,
        warnings,
        early_end,
    }
    .finish(options)
}

/// The alpha of a still picture: a second pass, to four bytes a pixel.
fn opacity(
    bytes: &[u8],
    size: (u32, u32),
    partial: bool,
    options: &DecodeOptions,
) -> Result<Vec<u8>, DecodeError> {
    let pixels = u64::from(size.0) * u64::from(size.1);
    let needed = pixels * (3 + 4 + 4);
    check_memory(Format::WebP, needed, options)?;
    let mut rgba = zeros(Format::WebP, 4 * pixels)?;
    let layout = Layout { mode: sys::WEBP_CSP_MODE::MODE_RGBA, channels: 4 };
    match still(bytes, size, layout, &mut rgba, partial) {
        VP8StatusCode::VP8_STATUS_OK | VP8StatusCode::VP8_STATUS_SUSPENDED => {}
        other => return Err(refuse(other, needed)),
    }
    let mut alpha = zeros(Format::WebP, pixels)?;
    for (alpha, pixel) in alpha.iter_mut().zip(rgba.chunks_exact(4)) {
        *alpha = pixel[3];
    }
    Ok(alpha)
}

/// Goes from chunk to chunk.
fn walk(bytes: &[u8]) -> Chunks<'_> {
    let mut found = Chunks { orientation: 1, profile: None, lossless: false };
    let mut at = 12usize;
    while let Some(head) = at.checked_add(8).and_then(|end| bytes.get(at..end)) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = &bytes[at + 8..(at + 8).saturating_add(length).min(bytes.len())];
        match &head[..4] {
            b"EXIF" => found.orientation = ifd::orientation(body),
            b"ICCP" => found.profile = Some(body),
            b"VP8L" => found.lossless = true,
            // A frame: 16 bytes of its own, then chunks.
            b"ANMF" => found.lossless |= body.get(16..20) == Some(b"VP8L"),
            _ => {}
        }
        // Chunks are padded to an even length.
        at = (at + 8).saturating_add(length).saturating_add(length & 1);
    }
    found
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
        VP8StatusCode::VP8_STATUS_OK => Err(refuse(VP8StatusCode::VP8_STATUS_BITSTREAM_ERROR, 0)),
        other => Err(refuse(other, 0)),
    }
}

/// An order of bytes that libwebp writes, and how many they are for a pixel.
#[derive(Clone, Copy)]
struct Layout {
    mode: sys::WEBP_CSP_MODE,
    channels: u64,
}

/// Decodes a still picture into `data` (`[height][width][channels]`); with `partial`, as far as the bytes reach.
fn still(
    bytes: &[u8],
    (width, height): (u32, u32),
    layout: Layout,
    data: &mut [u8],
    partial: bool,
) -> VP8StatusCode {
    let Ok(mut config) = sys::WebPDecoderConfig::new() else {
        return VP8StatusCode::VP8_STATUS_INVALID_PARAM;
    };
    let (Ok(stride), Ok(rows)) =
        (c_int::try_from(layout.channels * u64::from(width)), usize::try_from(height))
    else {
        return VP8StatusCode::VP8_STATUS_INVALID_PARAM;
    };
    if data.len() != rows * stride as usize {
        return VP8StatusCode::VP8_STATUS_INVALID_PARAM;
    }
    config.output.colorspace = layout.mode;
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

/// The first composited frame of an animation as RGB, its alpha, and the number of frames.
fn first_frame(bytes: &[u8], size: (u32, u32)) -> Result<(Vec<u8>, Vec<u8>, u32), DecodeError> {
    let format = Format::WebP;
    let pixels = u64::from(size.0) * u64::from(size.1);
    let mut rgb = zeros(format, 3 * pixels)?;
    let mut alpha = zeros(format, pixels)?;
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
    for ((out, alpha), pixel) in rgb.chunks_exact_mut(3).zip(&mut alpha).zip(rgba.chunks_exact(4)) {
        out.copy_from_slice(&pixel[..3]);
        *alpha = pixel[3];
    }
    Ok((rgb, alpha, info.frame_count))
}

/// An animation decoder that is freed when dropped.
struct AnimDecoder(*mut sys::WebPAnimDecoder);

impl Drop for AnimDecoder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `WebPAnimDecoderNew`, is not null, and is dropped once.
        unsafe { sys::WebPAnimDecoderDelete(self.0) };
    }
}

/// Names libwebp's status; `working` is what it may have asked for.
fn refuse(status: VP8StatusCode, working: u64) -> DecodeError {
    let format = Format::WebP;
    let corrupt = |detail: &str| DecodeError::Corrupt { format, detail: detail.to_owned() };
    match status {
        VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA | VP8StatusCode::VP8_STATUS_SUSPENDED => {
            DecodeError::Truncated { format, detail: "it ends before its pixels do".to_owned() }
        }
        VP8StatusCode::VP8_STATUS_UNSUPPORTED_FEATURE => {
            DecodeError::Unsupported { found: "WebP with a feature that libwebp does not read".to_owned() }
        }
        VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY => DecodeError::OutOfMemory { format, bytes: working },
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
        let layout = Layout { mode: sys::WEBP_CSP_MODE::MODE_RGB, channels: 3 };
        let status = still(TINY, (2, 1), layout, &mut data, false);
        assert!(matches!(status, VP8StatusCode::VP8_STATUS_OK));
        assert_eq!(data, [255, 0, 0, 0, 0, 255]);
        let status = still(TINY, (3, 1), layout, &mut data, false);
        assert!(matches!(status, VP8StatusCode::VP8_STATUS_INVALID_PARAM));
        let status = still(TINY, (1, 2), layout, &mut data, false);
        assert!(!matches!(status, VP8StatusCode::VP8_STATUS_OK));
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
