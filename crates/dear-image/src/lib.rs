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
//! Conventions: RGB, 8 bits, `[height][width][3]`; sizes are `(width, height)`; a mask is inside above 127. Random
//! numbers come from a key ([`Draw::keyed`]), never from a shared stream. Nothing here panics on what a file holds;
//! functions that need a positive size or one number a sample say so under *Panics*.

/// The codecs that are compiled in, for records and `dear doctor`.
pub const CODECS: &str = "JPEG libjpeg-turbo (accurate DCT, smooth chroma upsampling, as Pillow); WebP libwebp; PNG, GIF, BMP, TIFF, PNM, ICO, CUR, TGA in Rust; profiles Little CMS";

mod augment;
mod blur;
mod chain;
mod decode;
mod draw;
mod encode;
mod enhance;
mod geometry;
mod image;
mod inspect;
mod noise;
mod resize;
mod simd;

pub use augment::{
    AugmentError, AugmentOptions, AugmentPlan, AugmentRole, Cutout, Jitter, PadRule, ResizeTo, ResizedCrop,
    augment,
};
pub use blur::{blur_with, gaussian_blur, gaussian_weights};
pub use chain::{Applied, Chain, ChainError, Paper};
pub use decode::{
    Alpha, AlphaUse, DecodeError, DecodeErrorKind, DecodeOptions, Decoded, Format, Gray16, Icc, Orientation,
    ProfileUse, Treatment, decode, decode_mask,
};
pub use draw::Draw;
pub use encode::{EncodeError, Subsampling, encode_jpeg, encode_png, encode_png_gray, encode_webp};
pub use enhance::{
    brightness, color, contrast, contrast_around, from_hsv, grayscale, hue, mean_luma, sharpness, smooth,
    to_hsv,
};
pub use geometry::{Fill, Padding, crop, crop_mask, flip, flip_mask, pad, pad_mask, rotate, rotate_mask};
pub use image::{Image, ImageError, Mask};
pub use inspect::{FileFacts, JpegFacts, JpegQuality, inspect};
pub use noise::{Noise, add_noise};
pub use resize::{Kernel, resize, resize_box, resize_mask};
