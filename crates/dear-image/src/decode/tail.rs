//! What lies behind the end of a picture.

use super::sniff::{Sniffed, sniff};

/// A warning about the bytes behind the end marker, where they are not ordinary.
///
/// Ordinary are padding (zeros, `ff` or white space) and the trailers that phones write into every photograph: the
/// data of Samsung (`SEFT` at the end) and the film of a motion photo (an ISO media file).
pub(super) fn behind_the_end(rest: &[u8]) -> Option<String> {
    let padding = |byte: u8| matches!(byte, 0 | 0xff) || byte.is_ascii_whitespace();
    let is_jpeg = |at: usize| rest[at..].starts_with(b"\xff\xd8\xff");
    let start = (0..rest.len()).find(|&at| !padding(rest[at]) || is_jpeg(at))?;
    // The size of an ISO media file begins with zeros, which looks like padding.
    let film = rest.windows(4).take(start + 8).any(|four| four == b"ftyp");
    if film || rest.ends_with(b"SEFT") {
        return None;
    }
    let what = match sniff(&rest[start..]) {
        Sniffed::Known(format) => format!("another picture, {format}"),
        Sniffed::Unsupported(name) => name.to_owned(),
        Sniffed::NotAnImage(name) => name,
        Sniffed::Empty => "nothing".to_owned(),
    };
    Some(format!("{} bytes follow the end of the picture ({what})", rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_phone_trailers_are_ordinary() {
        for rest in [&b""[..], &[0; 5000], b"\0\0\r\n\xff", b"\0\0\0\x18ftypmp42\0\0\0\0", b"\0\0abcSEFT"] {
            assert_eq!(behind_the_end(rest), None, "{}", rest.escape_ascii());
        }
        let cases: [(&[u8], &str); 3] = [
            (b"PK\x03\x04 and more", "13 bytes follow the end of the picture (ZIP archive)"),
            (b"\0\0\0secret text", "14 bytes follow the end of the picture (plain text)"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "10 bytes follow the end of the picture (another picture, jpeg)"),
        ];
        for (rest, said) in cases {
            assert_eq!(behind_the_end(rest).unwrap(), said);
        }
    }
}
