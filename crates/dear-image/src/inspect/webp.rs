//! WebP: the chunks of its RIFF container.

use super::{Block, FileFacts};

pub(super) fn read(bytes: &[u8], facts: &mut FileFacts) {
    let mut at = 12usize;
    while let Some(head) = at.checked_add(8).and_then(|end| bytes.get(at..end)) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let name = [head[0], head[1], head[2], head[3]];
        // Pixels may be cut off; their first bytes still say their size.
        let end = (at + 8).saturating_add(length).min(bytes.len());
        let body = &bytes[at + 8..end];
        match &name {
            b"VP8X" => extended(body, facts),
            b"VP8 " => lossy(body, facts),
            b"VP8L" => lossless(body, facts),
            b"ALPH" => facts.alpha = true,
            b"ANIM" => facts.animated = true,
            b"ANMF" => frame(body, facts),
            b"ICCP" => facts.metadata(Block::Icc, body.len()),
            b"EXIF" => facts.metadata(Block::Exif, body.len()),
            b"XMP " => facts.metadata(Block::Xmp, body.len()),
            _ => {}
        }
        // Chunks are padded to an even length.
        at = (at + 8).saturating_add(length).saturating_add(length & 1);
    }
}

fn extended(body: &[u8], facts: &mut FileFacts) {
    let Some(&[flags, _, _, _, w0, w1, w2, h0, h1, h2]) = body.first_chunk() else { return };
    facts.alpha |= flags & 0x10 != 0;
    facts.width = Some(u32::from_le_bytes([w0, w1, w2, 0]) + 1);
    facts.height = Some(u32::from_le_bytes([h0, h1, h2, 0]) + 1);
}

/// A frame of an animation: a chunk of pixels behind 16 bytes of its own.
fn frame(body: &[u8], facts: &mut FileFacts) {
    let Some(inner) = body.get(16..) else { return };
    if inner.starts_with(b"VP8L") {
        facts.webp_lossless.get_or_insert(true);
    } else if inner.starts_with(b"VP8 ") || inner.starts_with(b"ALPH") {
        facts.webp_lossless.get_or_insert(false);
    }
}

fn lossy(body: &[u8], facts: &mut FileFacts) {
    facts.webp_lossless = Some(false);
    facts.bit_depth = Some(8);
    facts.channels = Some(3);
    let Some(&[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]) = body.first_chunk() else { return };
    size(
        facts,
        u32::from(u16::from_le_bytes([w0, w1]) & 0x3fff),
        u32::from(u16::from_le_bytes([h0, h1]) & 0x3fff),
    );
}

fn lossless(body: &[u8], facts: &mut FileFacts) {
    facts.webp_lossless = Some(true);
    facts.bit_depth = Some(8);
    let Some(&[0x2f, b0, b1, b2, b3]) = body.first_chunk() else { return };
    let bits = u32::from_le_bytes([b0, b1, b2, b3]);
    facts.alpha |= bits >> 28 & 1 != 0;
    facts.channels = Some(if facts.alpha { 4 } else { 3 });
    size(facts, (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
}

/// The canvas of an extended file, if there is one, is the size.
fn size(facts: &mut FileFacts, width: u32, height: u32) {
    facts.width.get_or_insert(width);
    facts.height.get_or_insert(height);
}
