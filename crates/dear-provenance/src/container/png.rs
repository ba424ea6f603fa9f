//! PNG: text chunks, EXIF, XMP, and the profiles that ImageMagick writes in hexadecimal digits.

use super::{Parts, latin1, without_exif_prefix};
use flate2::read::ZlibDecoder;
use std::borrow::Cow;
use std::io::Read;

/// Most bytes that one compressed text may have when inflated.
const MAX_TEXT: usize = 8 << 20;

/// Most bytes that all compressed texts of a file may have when inflated.
const MAX_TEXTS: usize = 32 << 20;

const XMP: &str = "XML:com.adobe.xmp";

pub(super) fn read<'a>(bytes: &'a [u8], parts: &mut Parts<'a>) {
    let mut left = MAX_TEXTS;
    let mut rest = bytes.get(8..).unwrap_or_default();
    loop {
        let Some((kind, chunk, next)) = split_chunk(rest) else {
            return parts.cut("the file ends before its last chunk");
        };
        match kind {
            b"IEND" => return,
            b"eXIf" => parts.add_exif(without_exif_prefix(chunk)),
            b"tEXt" => add_text(text(chunk), parts),
            b"zTXt" => add_text(compressed_text(chunk, &mut left), parts),
            b"iTXt" => add_text(international_text(chunk, &mut left), parts),
            _ => {}
        }
        rest = next;
    }
}

/// Type and data of the chunk that `bytes` begins with, and what follows its checksum.
fn split_chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (&length, rest) = bytes.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (data, rest) = rest.split_at_checked(u32::from_be_bytes(length) as usize)?;
    // The last chunk's checksum is not missed.
    (kind == b"IEND" || rest.len() >= 4).then(|| (kind, data, rest.get(4..).unwrap_or_default()))
}

/// A keyword, and the text or why there is none.
type Entry<'a> = (String, Result<Cow<'a, [u8]>, String>, Encoding);

enum Encoding {
    Latin1,
    Utf8,
}

fn text(chunk: &[u8]) -> Entry<'_> {
    let (keyword, rest) = split_keyword(chunk);
    (keyword, rest.map(Cow::Borrowed), Encoding::Latin1)
}

fn compressed_text<'a>(chunk: &'a [u8], left: &mut usize) -> Entry<'a> {
    let (keyword, rest) = split_keyword(chunk);
    let value = rest.and_then(|rest| {
        let (&method, data) = rest.split_first().ok_or("is cut")?;
        inflate(method, data, left).map(Cow::Owned)
    });
    (keyword, value, Encoding::Latin1)
}

fn international_text<'a>(chunk: &'a [u8], left: &mut usize) -> Entry<'a> {
    let (keyword, rest) = split_keyword(chunk);
    let value = rest.and_then(|rest| {
        let (&[compressed, method], rest) = rest.split_first_chunk().ok_or("is cut")?;
        // The language, and the keyword in it.
        let (_, rest) = split_at_nul(rest).ok_or("is cut")?;
        let (_, data) = split_at_nul(rest).ok_or("is cut")?;
        match compressed {
            0 => Ok(Cow::Borrowed(data)),
            _ => inflate(method, data, left).map(Cow::Owned),
        }
    });
    (keyword, value, Encoding::Utf8)
}

fn split_keyword(chunk: &[u8]) -> (String, Result<&[u8], String>) {
    match split_at_nul(chunk) {
        Some((keyword, rest)) => (latin1(keyword), Ok(rest)),
        None => (latin1(&chunk[..chunk.len().min(79)]), Err("has no end of its keyword".to_owned())),
    }
}

fn split_at_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(0, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// `left` is what may still be inflated of this file, and shrinks, also by what is of no use in the end.
fn inflate(method: u8, data: &[u8], left: &mut usize) -> Result<Vec<u8>, String> {
    if method != 0 {
        return Err(format!("is compressed by method {method}, which PNG does not know"));
    }
    if *left == 0 {
        return Err(format!("is not inflated: those before it came to {MAX_TEXTS} bytes"));
    }
    let most = MAX_TEXT.min(*left);
    let mut out = Vec::new();
    let mut decoder = ZlibDecoder::new(data);
    let ended = (&mut decoder).take(most as u64 + 1).read_to_end(&mut out);
    // Not the length of `out`: a mistake takes away what was inflated just before it.
    *left = left.saturating_sub(usize::try_from(decoder.total_out()).unwrap_or(usize::MAX));
    ended.map_err(|_| "does not inflate".to_owned())?;
    if out.len() > most {
        return Err(format!("inflates to more than {most} bytes"));
    }
    Ok(out)
}

fn add_text<'a>((keyword, value, encoding): Entry<'a>, parts: &mut Parts<'a>) {
    let profile = keyword.strip_prefix("Raw profile type ").map(str::to_ascii_lowercase);
    let value = match value {
        Ok(value) => value,
        Err(problem) => {
            let damage = match profile.as_deref() {
                _ if keyword == XMP => &mut parts.damage.xmp,
                Some("xmp") => &mut parts.damage.xmp,
                Some("exif" | "app1") => &mut parts.damage.exif,
                Some(_) => return,
                None => &mut parts.damage.texts,
            };
            damage.get_or_insert_with(|| format!("its text chunk \"{keyword}\" {problem}"));
            return;
        }
    };
    match profile.as_deref() {
        _ if keyword == XMP => parts.add_xmp(value),
        Some("xmp" | "exif" | "app1") => match raw_profile(&value) {
            Some(profile) if profile.starts_with(b"Exif\0\0") => {
                parts.add_exif(without_exif_prefix(&profile).to_vec());
            }
            Some(profile) => match profile.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                Some(packet) => parts.add_xmp(packet.to_vec()),
                None if profile.starts_with(b"II*\0") || profile.starts_with(b"MM\0*") => {
                    parts.add_exif(profile)
                }
                None => parts.add_xmp(profile),
            },
            None => {
                let damage =
                    if keyword.ends_with("xmp") { &mut parts.damage.xmp } else { &mut parts.damage.exif };
                damage.get_or_insert_with(|| {
                    format!("its text chunk \"{keyword}\" is no list of hexadecimal digits")
                });
            }
        },
        // Colour profiles and the like.
        Some(_) => {}
        None => {
            let value = match encoding {
                Encoding::Latin1 => latin1(&value),
                Encoding::Utf8 => String::from_utf8_lossy(&value).into_owned(),
            };
            parts.add_text(keyword, value);
        }
    }
}

/// ImageMagick's form: a line with the name, one with the number of bytes, then two digits for each byte.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_prefix(b"\n").unwrap_or(text);
    let mut lines = text.splitn(3, |&byte| byte == b'\n');
    let (_name, length, digits) = (lines.next()?, lines.next()?, lines.next()?);
    let length: usize = std::str::from_utf8(length).ok()?.trim().parse().ok()?;
    let digits: Vec<u8> = digits.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.len() / 2 != length || !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    fn deflated(length: usize) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'a'; length]).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn what_fails_counts_as_inflated() {
        let mut wrong_checksum = deflated(MAX_TEXT);
        *wrong_checksum.last_mut().expect("a checksum") ^= 1;
        let cases = [
            (deflated(MAX_TEXT), None),
            (deflated(2 * MAX_TEXT), Some("inflates to more than 83886")),
            (wrong_checksum, Some("does not inflate")),
        ];
        for (data, problem) in cases {
            let mut left = MAX_TEXTS;
            let answers: Vec<_> = (0..400).map(|_| inflate(0, &data, &mut left).map(|_| ())).collect();
            for (i, answer) in answers.iter().enumerate() {
                // Of a text that is too long, one byte more is read to know it.
                let expected = match i {
                    0..4 => problem,
                    _ => Some("is not inflated: those before it came to 33554432 bytes"),
                };
                let answer = answer.as_ref().err();
                let is = answer.zip(expected).is_some_and(|(answer, expected)| answer.starts_with(expected));
                assert!(is || answer.is_none() && expected.is_none(), "text {i}: {answer:?}, {expected:?}");
            }
        }
    }
}
