//! JPEG: the segments before the first scan.

use super::{Fragment, Parts, comment};

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";

pub(super) fn read<'a>(bytes: &'a [u8], parts: &mut Parts<'a>) {
    let mut rest = bytes.get(2..).unwrap_or_default();
    // As libjpeg: what stands between segments is passed over, and a marker may be filled with 0xff.
    while let Some(start) = memchr::memchr(0xff, rest) {
        let Some(filled) = rest[start..].iter().position(|&byte| byte != 0xff) else { break };
        let (marker, after) = (rest[start + filled], &rest[start + filled + 1..]);
        match marker {
            // Stuffing, restart markers and TEM have no length.
            0x00 | 0x01 | 0xd0..=0xd8 => rest = after,
            // End of the image, or the first scan: what programs say of a picture stands before it.
            0xd9 | 0xda => return,
            _ => {
                let length = after.first_chunk().map_or(0, |&length| usize::from(u16::from_be_bytes(length)));
                let (Some(segment), Some(next)) = (after.get(2..length), after.get(length..)) else { break };
                read_segment(marker, segment, parts);
                rest = next;
            }
        }
    }
    parts.cut("the file is cut or damaged before its picture begins");
}

fn read_segment<'a>(marker: u8, segment: &'a [u8], parts: &mut Parts<'a>) {
    match marker {
        0xe1 => {
            if let Some(exif) = segment.strip_prefix(b"Exif\0") {
                // The sixth byte is padding of any value.
                parts.add_exif(exif.get(1..).unwrap_or_default());
            } else if let Some(packet) = segment.strip_prefix(XMP) {
                parts.add_xmp(packet);
            } else if let Some(fragment) = segment.strip_prefix(EXTENDED_XMP) {
                match read_fragment(fragment) {
                    Some(fragment) => parts.add_fragment(fragment),
                    None => parts.damage.xmp = Some("a piece of extended XMP has no header".to_owned()),
                }
            }
        }
        0xfe => parts.add_text("comment", comment(segment)),
        _ => {}
    }
}

fn read_fragment(bytes: &[u8]) -> Option<Fragment<'_>> {
    let (guid, rest) = bytes.split_at_checked(32)?;
    let (&length, rest) = rest.split_first_chunk()?;
    let (&offset, data) = rest.split_first_chunk()?;
    let number = |bytes| u32::from_be_bytes(bytes) as usize;
    Some(Fragment { guid, length: number(length), offset: number(offset), data })
}
