//! What a file says about itself, without its pixels: format, size, compression settings, metadata.
//!
//! A shortcut that a detector may have learnt instead of a generator's traces is often written here in plain text. The
//! walk over segments and chunks uses checked arithmetic, reads only headers, and stops quietly where the bytes end:
//! whatever they are, the answer is the facts found so far.

mod jpeg;
mod png;
mod webp;

pub use jpeg::{JpegFacts, JpegQuality};

use crate::Format;
use crate::decode::known_format;

/// Facts of a file's header; what is not said there, or lies behind the end of a cut file, is `None` or false.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Format by content; `None` where it is none that is read here.
    pub format: Option<Format>,
    /// Columns, for JPEG, PNG and WebP (the canvas).
    pub width: Option<u32>,
    /// Rows, for JPEG, PNG and WebP.
    pub height: Option<u32>,
    /// Bits of a sample (of a palette index), for JPEG, PNG and WebP.
    pub bit_depth: Option<u8>,
    /// Samples of a pixel as stored (1 for a palette), for JPEG, PNG and WebP.
    pub channels: Option<u8>,
    /// Whether pixels are palette indices.
    pub palette: bool,
    /// Whether there is an alpha channel, or a transparent colour.
    pub alpha: bool,
    /// Whether it says that it has several frames.
    pub animated: bool,
    /// Only in a JPEG whose frame header is there.
    pub jpeg: Option<JpegFacts>,
    /// Only in a WebP with picture data: whether they are lossless.
    pub webp_lossless: Option<bool>,
    /// An Exif block.
    pub exif: bool,
    /// A colour profile.
    pub icc: bool,
    /// An XMP packet.
    pub xmp: bool,
    /// A JFIF header.
    pub jfif: bool,
    /// A JPEG comment, or a text chunk of a PNG (where generators write their prompts).
    pub text: bool,
    /// Bytes in all these metadata blocks together.
    pub metadata_bytes: u64,
}

/// Reads what the header says.
///
/// ```
/// use dear_image::{Image, Subsampling, encode_jpeg, inspect};
/// let image = Image::from_fn(64, 48, |x, y| [x as u8, y as u8, 90]);
/// let facts = inspect(&encode_jpeg(&image, 75, Subsampling::S420)?);
/// let jpeg = facts.jpeg.unwrap();
/// assert_eq!((facts.width, facts.height, jpeg.subsampling.as_str()), (Some(64), Some(48), "4:2:0"));
/// assert_eq!(jpeg.quality.map(|quality| (quality.value, quality.exact)), Some((75, true)));
/// # Ok::<(), dear_image::EncodeError>(())
/// ```
pub fn inspect(bytes: &[u8]) -> FileFacts {
    let mut facts = FileFacts { format: known_format(bytes), ..FileFacts::default() };
    match facts.format {
        Some(Format::Jpeg) => jpeg::read(bytes, &mut facts),
        Some(Format::Png) => png::read(bytes, &mut facts),
        Some(Format::WebP) => webp::read(bytes, &mut facts),
        _ => {}
    }
    facts
}

impl FileFacts {
    /// Notes a block of metadata.
    fn metadata(&mut self, block: Block, bytes: usize) {
        match block {
            Block::Exif => self.exif = true,
            Block::Icc => self.icc = true,
            Block::Xmp => self.xmp = true,
            Block::Jfif => self.jfif = true,
            Block::Text => self.text = true,
            Block::Other => {}
        }
        self.metadata_bytes = self.metadata_bytes.saturating_add(bytes as u64);
    }
}

/// A kind of metadata.
#[derive(Debug, Clone, Copy)]
enum Block {
    Exif,
    Icc,
    Xmp,
    Jfif,
    Text,
    Other,
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}
