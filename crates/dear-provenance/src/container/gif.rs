//! GIF: comments, and XMP as an application extension.

use super::{Parts, comment};

const XMP: &[u8] = b"XMP DataXMP";

pub(super) fn read<'a>(bytes: &'a [u8], parts: &mut Parts<'a>) {
    if walk(bytes, parts).is_none() {
        parts.cut("the file ends before its last block");
    }
}

/// None where the bytes end early.
fn walk<'a>(bytes: &'a [u8], parts: &mut Parts<'a>) -> Option<()> {
    let mut rest = bytes.get(13 + color_table(*bytes.get(10)?)..)?;
    loop {
        let (&block, after) = rest.split_first()?;
        rest = match block {
            // An extension: a label, then sub-blocks.
            0x21 => {
                let (&label, body) = after.split_first()?;
                let next = body.get(sub_blocks(body)?..)?;
                let body = &body[..body.len() - next.len()];
                match label {
                    0xfe => parts.add_text("comment", comment(&joined(body))),
                    0xff if body.get(1..).is_some_and(|body| body.starts_with(XMP)) => {
                        parts.add_xmp(packet(&body[1 + XMP.len()..]));
                    }
                    _ => {}
                }
                next
            }
            // A picture: its place, perhaps colours, the width of the first code, then sub-blocks.
            0x2c => {
                let data = after.get(10 + color_table(*after.get(8)?)..)?;
                data.get(sub_blocks(data)?..)?
            }
            // The end.
            0x3b => return Some(()),
            // Rubbish between blocks, which decoders pass over.
            _ => after,
        };
    }
}

fn color_table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Length of the sub-blocks that `bytes` begins with, the empty one included.
fn sub_blocks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += length + 1;
        if length == 0 {
            return Some(at);
        }
    }
}

fn joined(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), bytes);
    while let Some((&length, after)) = rest.split_first() {
        let data = after.get(..usize::from(length)).unwrap_or(after);
        out.extend_from_slice(data);
        rest = &after[data.len()..];
    }
    out
}

/// XMP stands in the extension as it is, not in sub-blocks. 258 bytes follow that lead every reader of sub-blocks to the
/// end: 1, 255 down to 0, and 0 (XMP Specification Part 3, 1.1.2).
fn packet(body: &[u8]) -> &[u8] {
    &body[..body.len().saturating_sub(258)]
}
