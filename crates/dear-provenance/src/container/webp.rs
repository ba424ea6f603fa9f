//! WebP: the chunks `EXIF` and `XMP `.

use super::{Parts, without_exif_prefix};

pub(super) fn read<'a>(bytes: &'a [u8], parts: &mut Parts<'a>) {
    // The RIFF header says how long the file is; what follows is not a part of it.
    let length = bytes.get(4..).and_then(<[u8]>::first_chunk).map_or(0, |&l| u32::from_le_bytes(l) as usize);
    let end = length.saturating_add(8);
    if end > bytes.len() {
        parts.cut("the file ends before its last chunk");
    }
    let mut rest = bytes.get(12..end.min(bytes.len())).unwrap_or_default();
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, length @ ..] = *header;
        let length = u32::from_le_bytes(length) as usize;
        let Some(chunk) = body.get(..length) else {
            return parts.cut("the file ends before its last chunk");
        };
        match &[a, b, c, d] {
            b"EXIF" => parts.add_exif(without_exif_prefix(chunk)),
            b"XMP " => parts.add_xmp(chunk),
            _ => {}
        }
        rest = body.get(length + length % 2..).unwrap_or_default();
    }
}
