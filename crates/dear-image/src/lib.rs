//! Pixels equal to the training pipeline's: decode under limits, resize, encode, perturb, augment.
//!
//! Detectors were trained, and are evaluated, through Pillow, torchvision and SciPy; a pixel that differs moves the
//! score. So every function here names its peer, and `oracle/image.py` holds the peers' answers (Pillow 12.3.0).
//!
//! ```text
//! bytes -> decode (sniff, limits, format) -> Image -> resize | enhance | blur | noise | encode -> Image
//!                                              |                    (a Chain joins them, keyed by Draw)
//!                                              +--> augment (+ Mask) -> the crop a head is trained on
//! ```
//!
//! Conventions: RGB, 8 bits, `[height][width][3]`; sizes are `(width, height)`; a mask is inside above 127. Beside
//! images, [`Resize`] takes gray and RGBA bytes, [`encode_jpeg_gray`] gray ones, and [`interpolate`] float planes. Random
//! numbers come from a key ([`Draw::keyed`]), never from a shared stream. Nothing here panics on what a file holds;
//! functions that need a positive size or one number a sample say so under *Panics*.

/// The codecs that are compiled in, for records and `dear doctor`.
pub const CODECS: &str = "JPEG libjpeg-turbo (accurate DCT, smooth chroma upsampling, as Pillow); WebP libwebp; PNG, GIF, BMP, TIFF, PNM, ICO, CUR, TGA in Rust; profiles Little CMS";

mod augment;
mod blur;
mod border;
mod box_blur;
mod chain;
mod decode;
mod draw;
mod encode;
mod enhance;
mod gamma;
mod geometry;
mod image;
mod impulse;
mod inspect;
mod interpolate;
mod median;
mod noise;
mod resize;
mod simd;
mod tensor_color;
mod turn;

pub use augment::{
    AugmentError, AugmentOptions, AugmentPlan, AugmentRole, Cutout, Jitter, PadRule, ResizeTo, ResizedCrop,
    augment,
};
pub use blur::{blur_with, gaussian_blur, gaussian_weights};
pub use border::border;
pub use box_blur::{LARGEST_BLUR_RADIUS, box_blur, pillow_blur, pillow_blur_plane};
pub use chain::{Applied, Chain, ChainError, Paper, Preset, StepInfo, Written};
pub use decode::{
    Alpha, AlphaUse, DecodeError, DecodeErrorKind, DecodeOptions, Decoded, Format, Gray16, Icc, Orientation,
    ProfileUse, Treatment, decode, decode_mask,
};
pub use draw::Draw;
pub use encode::{
    EncodeError, JpegOptions, Subsampling, WebpOptions, encode_jpeg, encode_jpeg_gray, encode_jpeg_with,
    encode_png, encode_png_gray, encode_webp, encode_webp_with,
};
pub use enhance::{
    brightness, color, contrast, contrast_around, from_hsv, grayscale, hue, mean_luma, sharpness, smooth,
    to_hsv,
};
pub use gamma::gamma;
pub use geometry::{
    Fill, Padding, crop, crop_mask, flip, flip_mask, flip_vertical, pad, pad_mask, rotate, rotate_mask,
};
pub use image::{Image, ImageError, Mask};
pub use impulse::Impulse;
pub use inspect::{FileFacts, JpegFacts, JpegQuality, inspect};
pub use interpolate::{Corners, InterpolateError, Target, interpolate};
pub use median::{LARGEST_MEDIAN, median};
pub use noise::{Noise, add_noise};
pub use resize::{Kernel, Resize, resize, resize_box, resize_mask};
pub use simd::registers;
pub use tensor_color::{
    tensor_brightness, tensor_contrast, tensor_gamma, tensor_grayscale, tensor_hue, tensor_saturation,
};
pub use turn::{Sampling, turn, turned_size};
