//! What kind of file the bytes are, by their beginning.

use super::{Format, tga};

/// What [`sniff`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// A format that is read here.
    Known(Format),
    /// Nothing.
    Empty,
    /// A picture (or a page of one) that is not read here.
    Unsupported(&'static str),
    /// No picture; the text goes between brackets in the message.
    NotAnImage(String),
}

/// Signatures at offset 0 of what is read here.
const KNOWN: &[(&[u8], Format)] = &[
    (b"\xff\xd8\xff", Format::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Format::Png),
    (b"GIF87a", Format::Gif),
    (b"GIF89a", Format::Gif),
    (b"BM", Format::Bmp),
    (b"II*\0", Format::Tiff),
    (b"MM\0*", Format::Tiff),
    (b"II+\0", Format::Tiff),
    (b"MM\0+", Format::Tiff),
    (b"\0\0\x01\0", Format::Ico),
];

/// Signatures at offset 0 of pictures that are not read here.
const UNSUPPORTED: &[(&[u8], &str)] = &[
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000 codestream"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"8BPS", "Photoshop PSD"),
    (b"P7\n", "PAM"),
    (b"PF\n", "PFM with colours"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"FORM", "IFF"),
    (b"II\xbc", "JPEG XR"),
    (b"\x0a\x05\x01", "PCX"),
    (b"\x01\xda", "SGI"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"icns", "Apple icon"),
    (b"SIMPLE  =", "FITS"),
    (b"BLP", "BLP texture"),
    (b"farbfeld", "farbfeld"),
    (b"/* XPM */", "XPM"),
    (b"\xd7\xcd\xc6\x9a", "Windows metafile"),
    (b"FUJIFILMCCD-RAW", "Fujifilm RAF raw photo"),
    (b"IIRO", "Olympus ORF raw photo"),
    (b"IIU\0", "Panasonic RW2 raw photo"),
    (b"\x1aE\xdf\xa3", "video (Matroska or WebM)"),
];

/// Signatures at offset 0 of what is no picture at all.
const OTHER: &[(&[u8], &str)] = &[
    (b"version https://git-lfs", "git-lfs pointer"),
    (b"PK\x03\x04", "ZIP archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (b"\x7fELF", "program"),
    (b"SQLite format 3\0", "SQLite database"),
];

/// Looks at the first bytes, and for TGA at the whole.
pub(super) fn sniff(bytes: &[u8]) -> Sniffed {
    if bytes.is_empty() {
        return Sniffed::Empty;
    }
    if let Some((_, format)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Sniffed::Known(*format);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Sniffed::Known(Format::WebP);
    }
    if let [0, 0, 2, 0, count, high, ..] = *bytes
        && u16::from_le_bytes([count, high]) > 0
    {
        return Sniffed::Known(Format::Cur);
    }
    if let [b'P', b'1'..=b'6' | b'f', space, ..] = bytes
        && (space.is_ascii_whitespace() || *space == b'#')
    {
        return Sniffed::Known(Format::Pnm);
    }
    if let Some((_, name)) = UNSUPPORTED.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Sniffed::Unsupported(name);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Sniffed::Unsupported(iso_media(bytes));
    }
    if let Some((_, name)) = OTHER.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Sniffed::NotAnImage((*name).to_owned());
    }
    if let Some(text) = text(bytes) {
        return text;
    }
    if tga::is_tga(bytes) {
        return Sniffed::Known(Format::Tga);
    }
    if bytes.ends_with(tga::FOOTER) {
        return Sniffed::Unsupported("TGA of a type that is not read here");
    }
    if bytes.iter().all(|&b| b == 0) {
        return Sniffed::NotAnImage(format!("{} zero bytes", bytes.len()));
    }
    let start: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
    Sniffed::NotAnImage(format!("unknown content, first bytes {}", start.join(" ")))
}

/// Names the ISO base media file by its brands: the major one, then the compatible ones.
fn iso_media(bytes: &[u8]) -> &'static str {
    let declared = bytes.get(..4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let end = declared.clamp(12, 256).min(bytes.len());
    let brands = bytes.get(8..end).unwrap_or_default();
    // The second four bytes are the minor version, which no brand of these looks like.
    let has = |names: &[&[u8]]| brands.chunks_exact(4).any(|brand| names.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        "AVIF"
    } else if has(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"]) {
        "HEIC/HEIF"
    } else if has(&[b"crx "]) {
        "Canon CR3 raw photo"
    } else {
        "video (MP4 or QuickTime)"
    }
}

/// Text, and which: HTML, SVG, or other.
fn text(bytes: &[u8]) -> Option<Sniffed> {
    let start = &bytes[..bytes.len().min(1024)];
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let valid = match std::str::from_utf8(start) {
        Ok(valid) => valid,
        // A character may be cut by the window; anything else is no UTF-8 text.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if valid.is_empty() || valid.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c'))
    {
        return None;
    }
    let lower = valid.trim_start().to_ascii_lowercase();
    if lower.starts_with("<svg") || (lower.starts_with("<?xml") && lower.contains("<svg")) {
        return Some(Sniffed::Unsupported("SVG"));
    }
    if lower.starts_with("<!doctype html") || lower.contains("<html") || lower.contains("<head") {
        return Some(Sniffed::NotAnImage("HTML".to_owned()));
    }
    if lower.starts_with("<?xml") {
        return Some(Sniffed::NotAnImage("XML".to_owned()));
    }
    if lower.starts_with('{') || lower.starts_with('[') {
        return Some(Sniffed::NotAnImage("JSON or plain text".to_owned()));
    }
    Some(Sniffed::NotAnImage("plain text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_answer() {
        let not = |s: &str| Sniffed::NotAnImage(s.to_owned());
        let cases: &[(&[u8], Sniffed)] = &[
            (b"", Sniffed::Empty),
            (b"\xff\xd8\xff\xe0", Sniffed::Known(Format::Jpeg)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Sniffed::Known(Format::WebP)),
            (b"RIFF\x10\0\0\0WAVEfmt ", not("unknown content, first bytes 52 49 46 46 10 00 00 00")),
            (b"P6\n2 2\n255\n", Sniffed::Known(Format::Pnm)),
            (b"P6ab", not("plain text")),
            (b"\n\n <!DOCTYPE html><html>", not("HTML")),
            (b"\xef\xbb\xbf<HTML>", not("HTML")),
            (b"<?xml version='1.0'?><svg xmlns='x'/>", Sniffed::Unsupported("SVG")),
            (b"<svg/>", Sniffed::Unsupported("SVG")),
            (b"<?xml version='1.0'?><rss/>", not("XML")),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", not("git-lfs pointer")),
            (b"hello, this is text\n", not("plain text")),
            ("sch\u{f6}n".as_bytes(), not("plain text")),
            (b"{\"error\": 404}", not("JSON or plain text")),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Sniffed::Unsupported("HEIC/HEIF")),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", Sniffed::Unsupported("AVIF")),
            (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", Sniffed::Unsupported("AVIF")),
            (b"\0\0\0\x18ftypisom\0\0\0\0mp41avc1", Sniffed::Unsupported("video (MP4 or QuickTime)")),
            (b"\0\0\0\x0cjP  \r\n\x87\n", Sniffed::Unsupported("JPEG 2000")),
            (b"%PDF-1.7", Sniffed::Unsupported("PDF")),
            (b"PK\x03\x04abcd", not("ZIP archive")),
            (b"\0\0\0\0", not("4 zero bytes")),
            (b"\x01\x02\x03", not("unknown content, first bytes 01 02 03")),
        ];
        for (bytes, expected) in cases {
            assert_eq!(&sniff(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
