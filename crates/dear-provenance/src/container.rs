//! A file taken apart: what it holds besides its picture. Values are claims of the file; checksums are not looked at.

mod gif;
mod jpeg;
mod png;
mod webp;

use std::borrow::Cow;

/// Most texts and packets of each kind that are kept of one file.
const MAX_PARTS: usize = 256;

/// What a file is by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    WebP,
    /// Classic TIFF, and the raw files built on it.
    Tiff,
    Gif,
    /// AVIF, HEIC: boxes of ISO 14496-12.
    Heif,
    Jxl,
}

impl Format {
    pub(crate) fn of(bytes: &[u8]) -> Option<Format> {
        let at = |offset: usize, text: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(text));
        match bytes {
            _ if at(0, b"\xff\xd8\xff") => Some(Format::Jpeg),
            _ if at(0, b"\x89PNG\r\n\x1a\n") => Some(Format::Png),
            _ if at(0, b"RIFF") && at(8, b"WEBP") => Some(Format::WebP),
            _ if at(0, b"II*\0") || at(0, b"MM\0*") => Some(Format::Tiff),
            _ if at(0, b"GIF87a") || at(0, b"GIF89a") => Some(Format::Gif),
            _ if at(0, b"\0\0\0\x0cJXL \r\n\x87\n") || at(0, b"\xff\x0a") => Some(Format::Jxl),
            _ if at(4, b"ftyp") && Format::is_picture(bytes) => Some(Format::Heif),
            _ => None,
        }
    }

    /// Whether one of the brands of an ISO base media file is a picture's; others are films and sound.
    fn is_picture(bytes: &[u8]) -> bool {
        const BRANDS: [&[u8]; 9] =
            [b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"];
        let length = bytes.first_chunk().map_or(0, |&length| u32::from_be_bytes(length) as usize);
        let ftyp = bytes.get(8..length.min(256)).unwrap_or_default();
        // The major brand, its version, and the compatible brands.
        ftyp.chunks_exact(4).enumerate().any(|(i, brand)| i != 1 && BRANDS.contains(&brand))
    }
}

/// What stands in a file besides its picture.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    /// The TIFF structure in which EXIF is kept.
    pub(crate) exif: Option<Cow<'a, [u8]>>,
    /// XMP packets in the file's order.
    pub(crate) xmp: Vec<Cow<'a, [u8]>>,
    /// Pieces of XMP that did not fit into one JPEG segment.
    pub(crate) extended: Vec<Fragment<'a>>,
    pub(crate) texts: Vec<Text>,
    pub(crate) damage: Damage,
}

/// A piece of extended XMP (XMP Specification Part 3, 1.1.3.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragment<'a> {
    /// The digest by which the first packet refers to it, 32 hexadecimal digits.
    pub(crate) guid: &'a [u8],
    /// Length of the whole.
    pub(crate) length: usize,
    pub(crate) offset: usize,
    pub(crate) data: &'a [u8],
}

/// A text with a name: a chunk of a PNG, or a comment (keyword `comment`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) keyword: String,
    pub(crate) value: String,
}

/// Why something may be missing.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    /// The file could not be walked to its end.
    pub(crate) file: Option<String>,
    pub(crate) exif: Option<String>,
    pub(crate) xmp: Option<String>,
    pub(crate) texts: Option<String>,
}

impl Damage {
    pub(crate) fn of_exif(&self) -> Option<&str> {
        self.exif.as_deref().or(self.file.as_deref())
    }

    pub(crate) fn of_xmp(&self) -> Option<&str> {
        self.xmp.as_deref().or(self.file.as_deref())
    }

    pub(crate) fn of_texts(&self) -> Option<&str> {
        self.texts.as_deref().or(self.file.as_deref())
    }
}

impl<'a> Parts<'a> {
    /// Takes `bytes` of this format apart. EXIF of a TIFF is left to its own reader: the file is one.
    pub(crate) fn of(format: Format, bytes: &'a [u8]) -> Parts<'a> {
        let mut parts = Parts::default();
        match format {
            Format::Jpeg => jpeg::read(bytes, &mut parts),
            Format::Png => png::read(bytes, &mut parts),
            Format::WebP => webp::read(bytes, &mut parts),
            Format::Gif => gif::read(bytes, &mut parts),
            Format::Tiff => {}
            Format::Heif | Format::Jxl => {
                let reason = Some("of AVIF, HEIC and JPEG XL files, only C2PA is looked for".to_owned());
                parts.damage =
                    Damage { file: None, exif: reason.clone(), xmp: reason.clone(), texts: reason };
            }
        }
        parts
    }

    fn cut(&mut self, reason: &str) {
        self.damage.file.get_or_insert_with(|| reason.to_owned());
    }

    fn add_exif(&mut self, block: impl Into<Cow<'a, [u8]>>) {
        // The first one counts, as in Pillow.
        self.exif.get_or_insert(block.into());
    }

    fn add_xmp(&mut self, packet: impl Into<Cow<'a, [u8]>>) {
        match self.xmp.len() < MAX_PARTS {
            true => self.xmp.push(packet.into()),
            false => too_many(&mut self.damage.xmp, "XMP packets"),
        }
    }

    fn add_fragment(&mut self, fragment: Fragment<'a>) {
        // 65 kB each: far above the 100 MB that any program writes.
        match self.extended.len() < 16 * MAX_PARTS {
            true => self.extended.push(fragment),
            false => too_many(&mut self.damage.xmp, "pieces of XMP"),
        }
    }

    fn add_text(&mut self, keyword: impl Into<String>, value: impl Into<String>) {
        match self.texts.len() < MAX_PARTS {
            true => self.texts.push(Text { keyword: keyword.into(), value: value.into() }),
            false => too_many(&mut self.damage.texts, "texts"),
        }
    }

    /// The first text of this name.
    pub(crate) fn text(&self, keyword: &str) -> Option<&str> {
        self.texts.iter().find(|text| text.keyword == keyword).map(|text| text.value.as_str())
    }
}

fn too_many(damage: &mut Option<String>, what: &str) {
    damage.get_or_insert_with(|| format!("the file has more {what} than are looked at"));
}

/// ISO 8859-1, which PNG prescribes for `tEXt`; a comment is taken as UTF-8 where it is that.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn comment(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned)
}

/// The TIFF structure of an EXIF block, which some writers put behind `Exif\0\0` where it should stand alone.
fn without_exif_prefix(block: &[u8]) -> &[u8] {
    block.strip_prefix(b"Exif\0\0").unwrap_or(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_come_from_the_bytes() {
        let cases: [(&[u8], Option<Format>); 14] = [
            (b"\xff\xd8\xff\xe0", Some(Format::Jpeg)),
            (b"\x89PNG\r\n\x1a\n", Some(Format::Png)),
            (b"RIFF\x04\0\0\0WEBP", Some(Format::WebP)),
            (b"RIFF\x04\0\0\0WAVE", None),
            (b"II*\0", Some(Format::Tiff)),
            (b"MM\0*", Some(Format::Tiff)),
            (b"MM\0+", None),
            (b"GIF89a", Some(Format::Gif)),
            (b"\xff\x0a", Some(Format::Jxl)),
            (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", Some(Format::Heif)),
            (b"\0\0\0\x18ftypmif1\0\0\0\0heicmiaf", Some(Format::Heif)),
            (b"\0\0\0\x18ftypisom\0\0\0\0mp41iso2", None),
            (b"BM", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Format::of(bytes), expected, "{bytes:?}");
        }
    }
}
