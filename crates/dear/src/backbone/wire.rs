//! Protobuf's wire format: a message as the list of its fields, each with the bytes it came from.
//!
//! Unlike a generated decoder this forgets nothing: fields that it has never heard of are copied like all others.
//! See <https://protobuf.dev/programming-guides/encoding/>.

use std::ops::Range;

/// One field of a message. Ranges are positions in the whole file.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Number in the message's definition.
    pub(super) number: u32,
    /// How the body is written.
    pub(super) wire: Wire,
    /// Tag, length and body.
    pub(super) whole: Range<usize>,
    /// The bytes of a string or message; of a number, the number itself.
    pub(super) body: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Fixed64,
    Length,
    Fixed32,
}

/// What is not protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireError {
    /// The part at `at` needs the file to have `needed` bytes.
    Truncated { at: usize, needed: u64 },
    /// Bytes that no writer writes.
    Corrupt { at: usize, reason: &'static str },
}

/// The fields of the message in `range` of the file, in the order in which they are written.
pub(super) fn fields(file: &[u8], range: Range<usize>) -> Fields<'_> {
    Fields { file, range }
}

/// See [`fields`]. Ends after the first error.
pub(super) struct Fields<'f> {
    file: &'f [u8],
    range: Range<usize>,
}

impl Iterator for Fields<'_> {
    type Item = Result<Field, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.range.is_empty() {
            return None;
        }
        let field = self.read();
        self.range.start = field.as_ref().map_or(self.range.end, |field| field.whole.end);
        Some(field)
    }
}

impl Fields<'_> {
    fn read(&self) -> Result<Field, WireError> {
        let start = self.range.start;
        let (tag, body) = read_varint(self.file, self.range.clone())?;
        let corrupt = |reason| WireError::Corrupt { at: start, reason };
        let number = u32::try_from(tag >> 3).map_err(|_| corrupt("a field number is too large"))?;
        if number == 0 || number >= 1 << 29 {
            return Err(corrupt("a field number is out of range"));
        }
        let (wire, body_start, length) = match tag & 7 {
            0 => (Wire::Varint, body, read_varint(self.file, body..self.range.end)?.1 - body),
            1 => (Wire::Fixed64, body, 8),
            2 => {
                let (length, body) = read_varint(self.file, body..self.range.end)?;
                let end = (body as u64).saturating_add(length);
                match usize::try_from(length) {
                    Ok(length) if end <= self.range.end as u64 => (Wire::Length, body, length),
                    _ => return Err(WireError::Truncated { at: start, needed: end }),
                }
            }
            5 => (Wire::Fixed32, body, 4),
            _ => return Err(corrupt("a field has an unknown wire type")),
        };
        let end = body_start + length;
        if end > self.range.end {
            return Err(WireError::Truncated { at: start, needed: end as u64 });
        }
        Ok(Field { number, wire, whole: start..end, body: body_start..end })
    }
}

/// The number that begins the range, and the position behind it.
pub(super) fn read_varint(file: &[u8], range: Range<usize>) -> Result<(u64, usize), WireError> {
    let mut value = 0u64;
    for (index, at) in range.clone().enumerate() {
        let Some(&byte) = file.get(at) else { break };
        if index == 9 && byte > 1 {
            return Err(WireError::Corrupt { at: range.start, reason: "a number has more than 64 bits" });
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, at + 1));
        }
        if index == 9 {
            break;
        }
    }
    match range.len() {
        10.. => Err(WireError::Corrupt { at: range.start, reason: "a number has more than 64 bits" }),
        _ => Err(WireError::Truncated { at: range.start, needed: range.end as u64 + 1 }),
    }
}

/// Appends a field with a body of bytes.
pub(super) fn write_bytes(out: &mut Vec<u8>, number: u32, body: &[u8]) {
    write_head(out, number, body.len());
    out.extend_from_slice(body);
}

/// Appends what stands before a body of `length` bytes.
pub(super) fn write_head(out: &mut Vec<u8>, number: u32, length: usize) {
    write_varint(out, u64::from(number) << 3 | 2);
    write_varint(out, length as u64);
}

/// Bytes of a field with a body of `length` bytes, if its number is below 16.
pub(super) fn field_length(length: usize) -> usize {
    let mut tag = Vec::with_capacity(12);
    write_head(&mut tag, 1, length);
    tag.len() + length
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Wire, Range<usize>)>, WireError> {
        fields(bytes, 0..bytes.len()).map(|f| f.map(|f| (f.number, f.wire, f.body))).collect()
    }

    #[test]
    fn fields_of_all_wire_types_are_found() {
        let mut bytes = vec![0x08, 0x96, 0x01, 0x15, 1, 2, 3, 4, 0x19, 1, 2, 3, 4, 5, 6, 7, 8];
        write_bytes(&mut bytes, 300, b"abc");
        let expected = vec![
            (1, Wire::Varint, 1..3),
            (2, Wire::Fixed32, 4..8),
            (3, Wire::Fixed64, 9..17),
            (300, Wire::Length, 20..23),
        ];
        assert_eq!(all(&bytes), Ok(expected));
        assert_eq!(read_varint(&bytes, 1..3), Ok((150, 3)));
    }

    #[test]
    fn numbers_survive_writing_and_reading() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, value);
            assert_eq!(read_varint(&bytes, 0..bytes.len()), Ok((value, bytes.len())));
        }
    }

    #[test]
    fn nonsense_is_named() {
        let truncated = |at, needed| Err(WireError::Truncated { at, needed });
        let corrupt = |at, reason| Err(WireError::Corrupt { at, reason });
        let cases: [(&[u8], _); 7] = [
            (&[0x08], truncated(1, 2)),
            (&[0x08, 0x80], truncated(1, 3)),
            (&[0x0a, 5, 1, 2], truncated(0, 7)),
            (&[0x0d, 1, 2], truncated(0, 5)),
            (&[0x00, 1], corrupt(0, "a field number is out of range")),
            (&[0x0b], corrupt(0, "a field has an unknown wire type")),
            (
                &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 127],
                corrupt(1, "a number has more than 64 bits"),
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(all(bytes), expected, "{bytes:?}");
        }
    }
}
