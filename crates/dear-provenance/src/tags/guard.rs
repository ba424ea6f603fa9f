//! What must hold of a TIFF structure before the library reads it. It keeps every entry of every directory, and directories
//! may be referred to from any number of entries and lie over each other: 64 kB can ask for half a gigabyte so. And it keeps a
//! text as one list for each zero byte.

/// Most entries of a directory. Cameras write below a hundred.
const MAX_ENTRIES: u16 = 4096;

/// Longest text in bytes.
const MAX_TEXT: u32 = 1 << 20;

/// The library reads eight directories in a row.
const MAX_IN_A_ROW: usize = 8;

/// Tags that refer to a directory: of EXIF, of a position, of interoperability.
const POINTERS: [u16; 3] = [0x8769, 0x8825, 0xa005];

/// Why the library should not read this. What is cut or no TIFF at all is left to the library.
pub(super) fn check(data: &[u8]) -> Result<(), String> {
    let little_endian = data.starts_with(b"II");
    let structure = Structure { data, little_endian };
    let mut offset = structure.long(4);
    for _ in 0..MAX_IN_A_ROW {
        // An offset of 0 ends the row.
        let Some(at) = offset.filter(|&at| at != 0) else { break };
        offset = structure.directory(at, 2)?;
    }
    Ok(())
}

struct Structure<'a> {
    data: &'a [u8],
    little_endian: bool,
}

impl Structure<'_> {
    /// Looks at the directory at `at` and at those below, `levels` deep; gives the offset of the next in the row.
    fn directory(&self, at: u32, levels: usize) -> Result<Option<u32>, String> {
        let at = at as usize;
        let Some(entries) = self.short(at) else { return Ok(None) };
        if entries > MAX_ENTRIES {
            return Err(format!(
                "a directory has {entries} entries, more than the {MAX_ENTRIES} that are read"
            ));
        }
        let mut pointers = Vec::new();
        for entry in (0..usize::from(entries)).map(|i| at + 2 + 12 * i) {
            let (Some(tag), Some(kind), Some(count), Some(value)) =
                (self.short(entry), self.short(entry + 2), self.long(entry + 4), self.long(entry + 8))
            else {
                return Ok(None);
            };
            if kind == 2 && count > MAX_TEXT {
                return Err(format!("a text has {count} bytes, more than the {MAX_TEXT} that are read"));
            }
            if POINTERS.contains(&tag) {
                if pointers.iter().any(|&(other, _)| other == tag) {
                    return Err(format!("a directory refers to another of tag {tag:#06x} twice"));
                }
                pointers.push((tag, value));
            }
        }
        for (_, value) in pointers.into_iter().filter(|_| levels > 0) {
            self.directory(value, levels - 1)?;
        }
        Ok(self.long(at + 2 + 12 * usize::from(entries)))
    }

    fn short(&self, at: usize) -> Option<u16> {
        let &bytes = self.data.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let &bytes = self.data.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory at 8 with these entries (tag, kind, count, value), and no next one.
    fn structure(entries: &[(u16, u16, u32, u32)]) -> Vec<u8> {
        let mut data = b"II*\0\x08\0\0\0".to_vec();
        data.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            data.extend(tag.to_le_bytes());
            data.extend(kind.to_le_bytes());
            data.extend(count.to_le_bytes());
            data.extend(value.to_le_bytes());
        }
        data.extend([0; 4]);
        data
    }

    #[test]
    fn limits_are_tight() {
        let pointer = (0x8769, 4, 1, 8);
        let cases = [
            (structure(&[(271, 2, MAX_TEXT, 0)]), ""),
            (structure(&[(271, 2, MAX_TEXT + 1, 0)]), "a text has 1048577 bytes"),
            (structure(&[(271, 7, MAX_TEXT + 1, 0)]), ""),
            // It refers to itself, which the library notices.
            (structure(&[pointer]), ""),
            (structure(&[pointer, (0x8825, 4, 1, 8)]), ""),
            (structure(&[pointer, pointer]), "a directory refers to another of tag 0x8769 twice"),
            (structure(&vec![(271, 3, 1, 0); 4096]), ""),
            (structure(&vec![(271, 3, 1, 0); 4097]), "a directory has 4097 entries"),
            (b"MM\0*\0\0\0\x08\xff\xff".to_vec(), "a directory has 65535 entries"),
            (b"MM\0*".to_vec(), ""),
            (vec![], ""),
        ];
        for (data, expected) in cases {
            let problem = check(&data).err().unwrap_or_default();
            assert!(problem.starts_with(expected) && problem.is_empty() == expected.is_empty(), "{problem}");
        }
    }
}
