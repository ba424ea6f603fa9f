//! Directories of TIFF, which also hold the EXIF data of JPEG, PNG and WebP.

/// One directory; everything is read with checked offsets, and what does not fit is absent.
#[derive(Debug, Clone)]
pub(super) struct Ifd<'a> {
    bytes: &'a [u8],
    little: bool,
    big: bool,
    entries: Vec<Entry>,
    /// Where the next directory is, 0 if there is none.
    next: u64,
}

/// A field: where its values are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    tag: u16,
    pub(super) kind: u16,
    pub(super) count: u64,
    /// Offset of the first value in the file.
    pub(super) at: u64,
}

/// EXIF orientation.
pub(super) const ORIENTATION: u16 = 274;

/// The type of text.
pub(super) const ASCII: u16 = 2;

impl<'a> Ifd<'a> {
    /// The first directory of a TIFF (classic or Big).
    pub(super) fn first(bytes: &'a [u8]) -> Option<Ifd<'a>> {
        let (little, big) = match bytes.get(..4)? {
            b"II*\0" => (true, false),
            b"MM\0*" => (false, false),
            b"II+\0" => (true, true),
            b"MM\0+" => (false, true),
            _ => return None,
        };
        let header = Ifd { bytes, little, big, entries: Vec::new(), next: 0 };
        let at = if big { header.number(8, 8)? } else { header.number(4, 4)? };
        header.directory(at)
    }

    /// How many directories follow each other, counted until one repeats or cannot be read.
    pub(super) fn count_all(&self) -> usize {
        let mut seen = vec![self.next];
        while let Some(&at) = seen.last()
            && at != 0
        {
            match self.directory(at) {
                Some(ifd) if !seen.contains(&ifd.next) && seen.len() < 10_000 => seen.push(ifd.next),
                Some(_) => return seen.len() + 1,
                None => return seen.len(),
            }
        }
        seen.len()
    }

    /// All fields.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A field.
    pub(super) fn entry(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.tag == tag).copied()
    }

    /// The whole numbers of a field; empty where it is absent, of another type, or reaches beyond the file.
    pub(super) fn numbers(&self, tag: u16) -> Vec<u64> {
        self.values(tag).unwrap_or_default()
    }

    /// The first whole number of a field.
    pub(super) fn number_of(&self, tag: u16) -> Option<u64> {
        self.numbers(tag).first().copied()
    }

    /// The bytes of a field of bytes.
    pub(super) fn bytes_of(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entry(tag).filter(|entry| matches!(entry.kind, 1 | 2 | 7))?;
        let start = usize::try_from(entry.at).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(entry.count).ok()?)?)
    }

    /// Whether the values of a field end behind the file.
    pub(super) fn reaches_beyond(&self, entry: &Entry) -> bool {
        let end = entry.count.checked_mul(size_of(entry.kind)).and_then(|bytes| entry.at.checked_add(bytes));
        end.is_none_or(|end| end > self.bytes.len() as u64)
    }

    /// Two bytes in the order of this file.
    pub(super) fn encode(&self, value: u16) -> [u8; 2] {
        if self.little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn values(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entry(tag)?;
        let size = match entry.kind {
            1 => 1,
            3 => 2,
            4 => 4,
            16 => 8,
            _ => return None,
        };
        if entry.count.checked_mul(size)? > self.bytes.len() as u64 {
            return None;
        }
        (0..entry.count).map(|i| self.number(entry.at.checked_add(i * size)?, size)).collect()
    }

    fn directory(&self, at: u64) -> Option<Ifd<'a>> {
        let (count_size, entry_size, slot) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.number(at, count_size)?;
        if count.checked_mul(entry_size)? > self.bytes.len() as u64 {
            return None;
        }
        let mut entries = Vec::new();
        let start = at.checked_add(count_size)?;
        for entry in (0..count).map(|i| start + i * entry_size) {
            let kind = self.number(entry + 2, 2)? as u16;
            let count = self.number(entry + 4, slot)?;
            let inline = entry + 4 + slot;
            let fits = count.checked_mul(size_of(kind)).is_some_and(|bytes| bytes <= slot);
            let at = if fits { inline } else { self.number(inline, slot)? };
            entries.push(Entry { tag: self.number(entry, 2)? as u16, kind, count, at });
        }
        let next = self.number(start + count * entry_size, slot).unwrap_or(0);
        Some(Ifd { entries, next, ..*self })
    }

    /// `size` bytes at an offset as a number.
    fn number(&self, at: u64, size: u64) -> Option<u64> {
        let start = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(size as usize)?)?;
        let add = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        Some(if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }
}

/// Bytes of a value of this type.
fn size_of(kind: u16) -> u64 {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        _ => 8,
    }
}

/// The orientation in a block of EXIF data (with or without its `Exif\0\0`): 2 to 8, and 1 for anything else.
pub(super) fn orientation(exif: &[u8]) -> u8 {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    upright(Ifd::first(exif).and_then(|ifd| ifd.number_of(ORIENTATION)))
}

/// An orientation field's value: 2 to 8, and 1 for anything else.
pub(super) fn upright(value: Option<u64>) -> u8 {
    value.filter(|value| (2..=8).contains(value)).map_or(1, |value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exif(value: u16) -> Vec<u8> {
        let mut bytes = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
        bytes.extend(value.to_be_bytes());
        bytes.extend([0; 6]);
        bytes
    }

    #[test]
    fn orientation_is_1_unless_it_is_2_to_8() {
        assert_eq!([0, 1, 2, 6, 8, 9, 300].map(|value| orientation(&exif(value))), [1, 1, 2, 6, 8, 1, 1]);
        assert_eq!(orientation(&exif(6)[6..]), 6);
        for cut in 0..26 {
            assert_eq!(orientation(&exif(6)[..cut]), 1, "{cut}");
        }
    }

    #[test]
    fn directories_that_point_at_themselves_end() {
        let mut bytes = b"II*\0\x08\0\0\0\0\0\x08\0\0\0".to_vec();
        assert_eq!(Ifd::first(&bytes).unwrap().count_all(), 2);
        bytes[10] = 0;
        assert_eq!(Ifd::first(&bytes).unwrap().count_all(), 1);
    }
}
