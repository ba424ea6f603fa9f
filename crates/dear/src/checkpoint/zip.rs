//! The directory of a zip, and where the bytes of a member lie (APPNOTE.TXT 4.3, 4.4 and 4.5.3).
//!
//! Own code, because weights are used where they lie in the file, and because `zip` 9.8.2 refuses a published checkpoint
//! (`ForenSynth_Tiny_LaDeDa.pth`, "Invalid Central Directory header") that PyTorch and Python's `zipfile` read.

use std::collections::HashMap;
use std::ops::Range;

use super::error::{CheckpointError, Problem};

/// A zip without anything before it.
pub(super) struct Zip<'f> {
    file: &'f [u8],
    members: HashMap<String, Member>,
}

/// A row of the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// 0: stored, 8: deflate.
    pub(super) method: u16,
    pub(super) is_encrypted: bool,
    pub(super) crc: u32,
    /// Bytes in the zip.
    compressed: u64,
    /// Bytes once decompressed.
    pub(super) size: u64,
    /// Where its own header begins.
    header: u64,
}

/// Where the directory lies.
struct End {
    directory: u64,
    members: u64,
}

impl<'f> Zip<'f> {
    /// Reads the directory.
    pub(super) fn read(file: &'f [u8]) -> Result<Self, CheckpointError> {
        let end = end(file).ok_or_else(|| CheckpointError::new(Problem::CutZip { size: file.len() }))?;
        let damaged = |number: u64| {
            let members = end.members;
            CheckpointError::new(Problem::DamagedZip(format!(
                "entry {number} of {members} in its directory is broken"
            )))
        };
        let mut members = HashMap::new();
        let mut at = usize::try_from(end.directory).unwrap_or(usize::MAX);
        for number in 0..end.members {
            let (name, member, length) = row(file, at).ok_or_else(|| damaged(number))?;
            members.insert(String::from_utf8_lossy(name).into_owned(), member);
            at += length;
        }
        Ok(Self { file, members })
    }

    /// The whole file.
    pub(super) fn file(&self) -> &'f [u8] {
        self.file
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }

    /// Where the bytes of a member lie, as they are in the zip. None where there is no such place.
    pub(super) fn data(&self, member: &Member) -> Option<Range<usize>> {
        let header = usize::try_from(member.header).ok()?;
        if self.file.get(header..)?.get(..4)? != b"PK\x03\x04" {
            return None;
        }
        let name = usize::from(u16_at(self.file, header + 26)?);
        let extra = usize::from(u16_at(self.file, header + 28)?);
        let start = header + 30 + name + extra;
        let end = start.checked_add(usize::try_from(member.compressed).ok()?)?;
        (end <= self.file.len()).then_some(start..end)
    }
}

/// The end record: the last one whose comment fits.
fn end(file: &[u8]) -> Option<End> {
    const LENGTH: usize = 22;
    let first = file.len().saturating_sub(LENGTH + usize::from(u16::MAX));
    let last = file.len().checked_sub(LENGTH)?;
    let is_end = |&at: &usize| {
        file[at..].starts_with(b"PK\x05\x06")
            && u16_at(file, at + 20).is_some_and(|comment| at + LENGTH + usize::from(comment) <= file.len())
    };
    let at = (first..=last).rev().find(is_end)?;
    let end = End { members: u16_at(file, at + 10)?.into(), directory: u32_at(file, at + 16)?.into() };
    if end.members < u16::MAX.into() && end.directory < u32::MAX.into() && u32_at(file, at + 12)? < u32::MAX {
        return Some(end);
    }
    // The numbers that do not fit are in the record of zip64, whose place stands before.
    let locator = at.checked_sub(20)?;
    if !file[locator..].starts_with(b"PK\x06\x07") {
        return Some(end);
    }
    let wide = usize::try_from(u64_at(file, locator + 8)?).ok()?;
    if file.get(wide..)?.get(..4)? != b"PK\x06\x06" {
        return None;
    }
    Some(End { members: u64_at(file, wide + 32)?, directory: u64_at(file, wide + 48)? })
}

/// The row at a place: name, member, length.
fn row(file: &[u8], at: usize) -> Option<(&[u8], Member, usize)> {
    const LENGTH: usize = 46;
    let row = file.get(at..)?;
    if row.get(..4)? != b"PK\x01\x02" {
        return None;
    }
    let name = usize::from(u16_at(row, 28)?);
    let extra = usize::from(u16_at(row, 30)?);
    let comment = usize::from(u16_at(row, 32)?);
    let mut member = Member {
        is_encrypted: u16_at(row, 8)? & 1 != 0,
        method: u16_at(row, 10)?,
        crc: u32_at(row, 16)?,
        compressed: u32_at(row, 20)?.into(),
        size: u32_at(row, 24)?.into(),
        header: u32_at(row, 42)?.into(),
    };
    let extra_start = LENGTH + name;
    widen(&mut member, row.get(extra_start..extra_start + extra)?)?;
    Some((row.get(LENGTH..extra_start)?, member, extra_start + extra + comment))
}

/// Takes the numbers that do not fit into 32 bits from the extra field of zip64, where they stand in this order.
fn widen(member: &mut Member, extra: &[u8]) -> Option<()> {
    let mut at = 0;
    while let (Some(id), Some(length)) = (u16_at(extra, at), u16_at(extra, at + 2)) {
        let start = at + 4;
        at = start + usize::from(length);
        if id != 1 {
            continue;
        }
        let mut place = start;
        for number in [&mut member.size, &mut member.compressed, &mut member.header] {
            if *number == u64::from(u32::MAX) {
                *number = u64_at(extra.get(..at)?, place)?;
                place += 8;
            }
        }
    }
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
