//! GIF: the first frame on its canvas, as Pillow shows it.

use super::limits::{check_size, zeros};
use super::picture::{Channel, Picture, Samples, admit, first_of};
use super::png::full_palette;
use super::{DecodeError, DecodeOptions, Decoded, Format};
use gif::{DecodingError, MemoryLimit};
use std::io::{Cursor, ErrorKind};

/// Decodes the first frame. Where it does not cover the canvas, the canvas shows the transparent index if the frame
/// names one, else index 0, both in the frame's palette (alpha is dropped, so the colour matters). A frame that
/// reaches beyond the canvas enlarges it.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let format = Format::Gif;
    let mut reader = open(bytes, false).map_err(|error| refuse(&error))?;
    let canvas = (u64::from(reader.width()), u64::from(reader.height()));
    check_size(format, canvas.0.max(1), canvas.1.max(1), options)?;
    let global = reader.global_palette().map(<[u8]>::to_vec);
    let Some(frame) = reader.next_frame_info().map_err(|error| refuse(&error))? else {
        return Err(DecodeError::Corrupt { format, detail: "it holds no frame".to_owned() });
    };
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    if frame_width == 0 || frame_height == 0 {
        let detail = format!("its first frame claims {frame_width} x {frame_height} pixels");
        return Err(DecodeError::Corrupt { format, detail });
    }
    let transparent = frame.transparent;
    let background = transparent.unwrap_or(0);
    let palette = colors(frame.palette.as_deref().or(global.as_deref()).unwrap_or_default());
    let width = canvas.0.max((left + frame_width) as u64);
    let height = canvas.1.max((top + frame_height) as u64);
    admit(format, (width, height), 3 * width * height + (frame_width * frame_height) as u64, 1, options)?;

    let mut indices = zeros(format, (frame_width * frame_height) as u64)?;
    let mut early_end = None;
    if let Err(error) = reader.read_into_buffer(&mut indices) {
        match refuse(&error) {
            DecodeError::Truncated { detail, .. } => early_end = Some(detail),
            other => return Err(other),
        }
    }

    let mut data = zeros(format, 3 * width * height)?;
    for pixel in data.chunks_exact_mut(3) {
        pixel.copy_from_slice(&palette[usize::from(background)]);
    }
    let width = width as usize;
    for (y, row) in indices.chunks_exact(frame_width).enumerate() {
        let start = 3 * ((top + y) * width + left);
        for (pixel, &index) in data[start..].chunks_exact_mut(3).zip(row) {
            pixel.copy_from_slice(&palette[usize::from(index)]);
        }
    }
    let alpha = Channel::when(transparent.is_some(), options, || {
        let mut alpha = zeros(format, width as u64 * height)?;
        for (y, row) in indices.chunks_exact(frame_width).enumerate() {
            for (alpha, &index) in alpha[(top + y) * width + left..].iter_mut().zip(row) {
                *alpha = if Some(index) == transparent { 0 } else { 255 };
            }
        }
        Ok(alpha)
    })?;
    let mut warnings = Vec::new();
    if early_end.is_none() {
        warnings.extend(count_frames(bytes));
    }
    Picture {
        format,
        size: (width as u32, height as u32),
        samples: Samples::Rgb(data),
        gray: false,
        alpha,
        profile: None,
        orientation: 1,
        warnings,
        early_end,
    }
    .finish(options)
}

fn open(bytes: &[u8], skip: bool) -> Result<gif::Decoder<Cursor<&[u8]>>, DecodingError> {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(skip);
    options.allow_unknown_blocks(true);
    // The limit in pixels was checked, and the frame goes into a buffer of ours.
    options.set_memory_limit(MemoryLimit::Unlimited);
    options.read_info(Cursor::new(bytes))
}

/// The palette's 256 colours. Pillow takes one that only counts up (or none) as grey, whatever its length.
fn colors(palette: &[u8]) -> Vec<[u8; 3]> {
    if palette
        .chunks_exact(3)
        .enumerate()
        .all(|(index, color)| color.iter().all(|&v| usize::from(v) == index))
    {
        return (0..=255).map(|v| [v; 3]).collect();
    }
    full_palette(palette)
}

/// The warning for more than one frame, or for a file that ends within a later one.
fn count_frames(bytes: &[u8]) -> Option<String> {
    let mut reader = open(bytes, true).ok()?;
    let mut frames = 0u64;
    loop {
        match reader.next_frame_info() {
            Ok(Some(_)) => frames += 1,
            Ok(None) => break,
            Err(_) => {
                return Some(first_of(format!("at least {frames}"), "frames; the file ends early after it"));
            }
        }
    }
    (frames > 1).then(|| first_of(frames, "frames"))
}

/// Sorts an error of the `gif` crate: the data ended, or they are wrong.
fn refuse(error: &DecodingError) -> DecodeError {
    let format = Format::Gif;
    let ended = match error {
        DecodingError::UnexpectedEof => true,
        DecodingError::Io(error) => error.kind() == ErrorKind::UnexpectedEof,
        _ => false,
    };
    if ended {
        return DecodeError::Truncated { format, detail: "it ends before its first frame does".to_owned() };
    }
    DecodeError::Corrupt { format, detail: error.to_string() }
}
