//! PNG: the names and lengths of the chunks.

use super::{Block, FileFacts};

pub(super) fn read(bytes: &[u8], facts: &mut FileFacts) {
    let mut at = 8usize;
    while let Some(head) = at.checked_add(8).and_then(|end| bytes.get(at..end)) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let name = [head[4], head[5], head[6], head[7]];
        let Some(end) = at.checked_add(8).and_then(|start| start.checked_add(length)) else { return };
        let Some(body) = bytes.get(at + 8..end) else { return };
        match &name {
            b"IHDR" => header(body, facts),
            b"tRNS" => facts.alpha = true,
            b"acTL" => facts.animated = true,
            b"iCCP" => facts.metadata(Block::Icc, length),
            b"eXIf" => facts.metadata(Block::Exif, length),
            b"iTXt" if body.starts_with(b"XML:com.adobe.xmp\0") => facts.metadata(Block::Xmp, length),
            b"tEXt" | b"zTXt" | b"iTXt" => facts.metadata(Block::Text, length),
            b"IEND" => return,
            _ => {}
        }
        // Four bytes of checksum follow.
        let Some(next) = end.checked_add(4) else { return };
        at = next;
    }
}

fn header(body: &[u8], facts: &mut FileFacts) {
    let Some(&[w0, w1, w2, w3, h0, h1, h2, h3, depth, color]) = body.first_chunk() else { return };
    facts.width = Some(u32::from_be_bytes([w0, w1, w2, w3]));
    facts.height = Some(u32::from_be_bytes([h0, h1, h2, h3]));
    facts.bit_depth = Some(depth);
    facts.palette = color == 3;
    facts.alpha = matches!(color, 4 | 6);
    facts.channels = match color {
        0 | 3 => Some(1),
        2 => Some(3),
        4 => Some(2),
        6 => Some(4),
        _ => None,
    };
}
