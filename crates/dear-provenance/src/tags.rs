//! EXIF, by the library `kamadak-exif`: texts by their tag, and whether a position is stored.

mod guard;

use crate::container::{Format, Parts};
use exif::{Context, Error, Exif, In, Reader, Tag, Value};

/// XMP in a TIFF.
const XMP: Tag = Tag(Context::Tiff, 700);

/// The EXIF of a file, or none.
#[derive(Default)]
pub(crate) struct Tags {
    exif: Option<Exif>,
    /// Why some or all of it could not be read.
    pub(crate) damage: Option<String>,
}

impl Tags {
    pub(crate) fn read(format: Format, bytes: &[u8], parts: &Parts) -> Tags {
        let damage = parts.damage.of_exif().map(str::to_owned);
        let structure = match (format, &parts.exif) {
            (Format::Tiff, _) => bytes,
            (_, Some(block)) => block,
            (_, None) => return Tags { exif: None, damage },
        };
        let damaged = |problem: &str| Some(format!("its EXIF is damaged ({problem})"));
        if let Err(problem) = guard::check(structure) {
            return Tags { exif: None, damage: damaged(&problem) };
        }
        match Reader::new().continue_on_error(true).read_raw(structure.to_vec()) {
            Ok(exif) => Tags { exif: Some(exif), damage },
            Err(Error::PartialResult(partial)) => {
                let (exif, errors) = partial.into_inner();
                let first = errors.first().map(|error| error.to_string().to_lowercase());
                Tags { exif: Some(exif), damage: damaged(&first.unwrap_or_default()) }
            }
            Err(error) => Tags { exif: None, damage: damaged(&error.to_string().to_lowercase()) },
        }
    }

    /// The text of a tag of the main picture, without blanks around it; none where it is empty.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        let text = match self.value(tag)? {
            Value::Ascii(texts) => decode(texts.iter().find(|text| !text.is_empty())?),
            // What should be ASCII is written as bytes by some.
            Value::Byte(bytes) | Value::Undefined(bytes, _) => decode(bytes),
            _ => return None,
        };
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// `UserComment`: a text behind the name of its encoding in eight bytes.
    pub(crate) fn user_comment(&self) -> Option<String> {
        let (Value::Undefined(bytes, _) | Value::Byte(bytes)) = self.value(Tag::UserComment)? else {
            return None;
        };
        let (encoding, text) = bytes.split_first_chunk::<8>()?;
        let text = match encoding {
            b"UNICODE\0" => utf16(text, self.exif.as_ref()?.little_endian()),
            b"ASCII\0\0\0" | b"\0\0\0\0\0\0\0\0" => decode(text),
            b"JIS\0\0\0\0\0" => return None,
            // Some write the text alone.
            _ => decode(bytes),
        };
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether a latitude is stored. Where it is, nobody is told.
    pub(crate) fn has_position(&self) -> bool {
        self.value(Tag::GPSLatitude).is_some()
    }

    /// XMP as a TIFF keeps it.
    pub(crate) fn xmp(&self) -> Option<&[u8]> {
        match self.value(XMP)? {
            Value::Byte(bytes) | Value::Undefined(bytes, _) => Some(bytes),
            _ => None,
        }
    }

    fn value(&self, tag: Tag) -> Option<&Value> {
        Some(&self.exif.as_ref()?.get_field(tag, In::PRIMARY)?.value)
    }
}

/// UTF-8 where it is that, else ISO 8859-1.
fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// The standard leaves the order of bytes to the file; programs write either. In text that is mostly Latin the zero bytes
/// tell, and else the file's order is taken.
fn utf16(bytes: &[u8], little_endian: bool) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let zeros = |place: usize| pairs.iter().filter(|pair| pair[place] == 0 && pair[1 - place] != 0).count();
    let little_endian = match zeros(0).cmp(&zeros(1)) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => little_endian,
    };
    let unit =
        |&pair: &[u8; 2]| if little_endian { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
    let units = pairs.iter().map(unit).filter(|&unit| unit != 0xfeff);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_read_in_either_order() {
        for text in ["a cat, Steps: 20", "猫 cat", "漢字"] {
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(utf16(&big, false), text);
            assert_eq!(utf16(&little, true), text);
        }
        let big: Vec<u8> = "Latin".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(utf16(&big, true), "Latin", "the zero bytes outvote the file's order");
        assert_eq!(utf16(b"\0", true), "");
    }
}
