//! JPEG: the segments before the first scan.

use super::{Block, FileFacts, be16};

/// How a JPEG was compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JpegFacts {
    /// The quality of libjpeg's scale whose tables these are, or come nearest; `None` without a luma table.
    pub quality: Option<JpegQuality>,
    /// Quantisation tables by their number (0 to 3), in the order of rows and columns, as Pillow's `im.quantization`.
    pub tables: [Option<[u16; 64]>; 4],
    /// Number of tables.
    pub table_count: u8,
    /// `4:4:4`, `4:2:2`, `4:2:0`, `4:4:0`, `4:1:1`, `gray`, or the sampling factors (`1x2,2x1,1x1`).
    pub subsampling: String,
    /// Whether pixels come in several passes.
    pub progressive: bool,
    /// Whether there are restart markers.
    pub restarts: bool,
    /// Whether an Adobe segment is there.
    pub adobe: bool,
}

/// A quality of libjpeg's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JpegQuality {
    /// 1 to 100.
    pub value: u8,
    /// Whether the tables are exactly those that libjpeg makes for it; else it is the nearest (smallest sum of absolute
    /// differences over both tables).
    pub exact: bool,
}

/// A component of the frame: its sampling factors and the number of its table.
struct Component {
    horizontal: u8,
    vertical: u8,
    table: u8,
}

pub(super) fn read(bytes: &[u8], facts: &mut FileFacts) {
    let mut tables: [Option<[u16; 64]>; 4] = [None; 4];
    let mut frame: Option<(u8, Vec<Component>)> = None;
    let (mut restarts, mut adobe) = (false, false);
    let mut at = 2;
    while let Some((marker, body)) = next_segment(bytes, &mut at) {
        match marker {
            0xdb => read_tables(body, &mut tables),
            0xdd => restarts = body.iter().any(|&byte| byte != 0),
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) && frame.is_none() => {
                frame = read_frame(body, facts).map(|components| (marker, components));
            }
            0xe0 if body.starts_with(b"JFIF\0") => facts.metadata(Block::Jfif, body.len()),
            0xe1 if body.starts_with(b"Exif\0") => facts.metadata(Block::Exif, body.len()),
            0xe1 if body.starts_with(b"http://ns.adobe.com/xap/") => facts.metadata(Block::Xmp, body.len()),
            0xe2 if body.starts_with(b"ICC_PROFILE\0") => facts.metadata(Block::Icc, body.len()),
            0xee if body.starts_with(b"Adobe") => {
                adobe = true;
                facts.metadata(Block::Other, body.len());
            }
            0xfe => facts.metadata(Block::Text, body.len()),
            0xe0..=0xef => facts.metadata(Block::Other, body.len()),
            _ => {}
        }
    }
    let Some((marker, components)) = frame else { return };
    let table = |index: usize| tables[usize::from(components.get(index)?.table & 3)].as_ref();
    facts.jpeg = Some(JpegFacts {
        quality: table(0).map(|luma| quality(luma, table(1))),
        table_count: tables.iter().flatten().count() as u8,
        subsampling: subsampling(&components),
        progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce),
        restarts,
        adobe,
        tables,
    });
}

/// The next segment with a length, by its marker; `None` at the first scan, at the end, or where the bytes end.
fn next_segment<'a>(bytes: &'a [u8], at: &mut usize) -> Option<(u8, &'a [u8])> {
    loop {
        // Garbage before a marker and fill bytes are passed over, as libjpeg does.
        *at += bytes.get(*at..)?.iter().position(|&byte| byte == 0xff)?;
        *at += bytes.get(*at..)?.iter().position(|&byte| byte != 0xff)?;
        let marker = bytes[*at];
        *at += 1;
        match marker {
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 | 0xda => return None,
            _ => {}
        }
        let length = usize::from(be16(bytes, *at)?);
        let body = bytes.get(*at + 2..at.checked_add(length)?)?;
        *at += length;
        return Some((marker, body));
    }
}

fn read_tables(mut body: &[u8], tables: &mut [Option<[u16; 64]>; 4]) {
    while let [head, rest @ ..] = body {
        let wide = head >> 4 != 0;
        let Some(values) = rest.get(..if wide { 128 } else { 64 }) else { return };
        let mut table = [0; 64];
        for (index, &place) in ZIGZAG.iter().enumerate() {
            table[usize::from(place)] = if wide {
                u16::from_be_bytes([values[2 * index], values[2 * index + 1]])
            } else {
                u16::from(values[index])
            };
        }
        if let Some(slot) = tables.get_mut(usize::from(head & 15)) {
            *slot = Some(table);
        }
        body = &rest[values.len()..];
    }
}

fn read_frame(body: &[u8], facts: &mut FileFacts) -> Option<Vec<Component>> {
    let (precision, count) = (*body.first()?, *body.get(5)?);
    let (height, width) = (be16(body, 1)?, be16(body, 3)?);
    let components: Vec<Component> = body
        .get(6..)?
        .chunks_exact(3)
        .take(usize::from(count))
        .map(|c| Component { horizontal: c[1] >> 4, vertical: c[1] & 15, table: c[2] })
        .collect();
    if components.len() != usize::from(count) || components.is_empty() {
        return None;
    }
    facts.width = Some(u32::from(width));
    facts.height = Some(u32::from(height));
    facts.bit_depth = Some(precision);
    facts.channels = Some(count);
    Some(components)
}

fn subsampling(components: &[Component]) -> String {
    let factors: Vec<(u8, u8)> = components.iter().map(|c| (c.horizontal, c.vertical)).collect();
    let known = match factors.as_slice() {
        [_] => "gray",
        [(1, 1), (1, 1), (1, 1)] => "4:4:4",
        [(2, 1), (1, 1), (1, 1)] => "4:2:2",
        [(2, 2), (1, 1), (1, 1)] => "4:2:0",
        [(1, 2), (1, 1), (1, 1)] => "4:4:0",
        [(4, 1), (1, 1), (1, 1)] => "4:1:1",
        _ => return factors.iter().map(|(h, v)| format!("{h}x{v}")).collect::<Vec<_>>().join(","),
    };
    known.to_owned()
}

fn quality(luma: &[u16; 64], chroma: Option<&[u16; 64]>) -> JpegQuality {
    let mut best = (u64::MAX, 0);
    for value in 1..=100 {
        let apart =
            apart(luma, &LUMA, value) + chroma.map_or(0, |chroma| self::apart(chroma, &CHROMA, value));
        if apart < best.0 {
            best = (apart, value);
        }
    }
    JpegQuality { value: best.1, exact: best.0 == 0 }
}

/// Sum of absolute differences from libjpeg's table of a quality (`jpeg_quality_scaling`, `jpeg_add_quant_table`).
fn apart(table: &[u16; 64], base: &[u16; 64], quality: u8) -> u64 {
    let quality = u32::from(quality);
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    let scaled = base.iter().map(|&step| ((u32::from(step) * scale + 50) / 100).clamp(1, 255));
    table.iter().zip(scaled).map(|(&step, scaled)| u64::from(u32::from(step).abs_diff(scaled))).sum()
}

/// Place in rows and columns of each step of the zigzag order.
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Annex K.1 of the JPEG standard, which libjpeg scales.
const LUMA: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17,
    22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78,
    87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// Annex K.2.
const CHROMA: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

#[cfg(test)]
mod tests {
    use crate::{Image, Subsampling, encode_jpeg, inspect};

    fn sample() -> Vec<u8> {
        let image = Image::from_fn(40, 24, |x, y| [(x * 6) as u8, (y * 10) as u8, (x * y) as u8]);
        encode_jpeg(&image, 80, Subsampling::S422).unwrap()
    }

    #[test]
    fn a_table_between_two_qualities_is_near_and_not_exact() {
        let mut bytes = sample();
        let at = bytes.windows(2).position(|pair| pair == [0xff, 0xdb]).unwrap() + 5;
        bytes[at] += 1;
        let quality = inspect(&bytes).jpeg.unwrap().quality.unwrap();
        assert_eq!((quality.value, quality.exact), (80, false));
    }

    #[test]
    fn garbage_and_fill_bytes_between_segments_are_passed_over() {
        let mut bytes = sample();
        let whole = inspect(&bytes);
        // Behind the JFIF segment: the first three bytes are the signature.
        bytes.splice(20..20, [1, 2, 3, 0xff, 0xff, 0xff]);
        assert_eq!(inspect(&bytes), whole);
        assert_eq!(whole.jpeg.unwrap().subsampling, "4:2:2");
    }

    #[test]
    fn lengths_that_lie_end_the_walk() {
        for length in [0u16, 1, 2, 3, 0xffff] {
            let mut bytes = b"\xff\xd8\xff\xdb".to_vec();
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&[7; 80]);
            assert_eq!(inspect(&bytes).jpeg, None, "{length}");
        }
    }
}
