use super::*;

fn values(packet: &str) -> (Vec<(Property, String)>, Result<(), String>) {
    let mut values = Vec::new();
    let result = read_packet(packet.as_bytes(), &mut values);
    (values, result)
}

fn source_type(value: &str) -> Vec<(Property, String)> {
    vec![(Property::SourceType, value.to_owned())]
}

#[test]
fn namespaces_count_and_prefixes_do_not() {
    let cases = [
        (format!("<a xmlns:q='{IPTC}'><q:DigitalSourceType>x</q:DigitalSourceType></a>"), source_type("x")),
        (format!("<a xmlns:q='{IPTC}' q:DigitalSourceType='x'/>"), source_type("x")),
        (
            format!("<DigitalSourceType xmlns='{IPTC}'> x&amp;y&#x41; </DigitalSourceType>"),
            source_type("x&yA"),
        ),
        (format!("<q:DigitalSourceType xmlns:q='{IPTC}' xmlns:r='{RDF}' r:resource='x'/>"), source_type("x")),
        (
            format!(
                "<q:DigitalSourceType xmlns:q='{IPTC}' xmlns:r='{RDF}'><r:Bag><r:li>x</r:li></r:Bag></q:DigitalSourceType>"
            ),
            source_type("x"),
        ),
        (
            format!("<q:DigitalSourceType xmlns:q='{IPTC}'><![CDATA[x]]></q:DigitalSourceType>"),
            source_type("x"),
        ),
        // Another's namespace, no namespace, an attribute without a prefix, no value.
        ("<q:DigitalSourceType xmlns:q='urn:other'>x</q:DigitalSourceType>".to_owned(), vec![]),
        ("<DigitalSourceType>x</DigitalSourceType>".to_owned(), vec![]),
        (format!("<a xmlns='{IPTC}' DigitalSourceType='x'/>"), vec![]),
        (format!("<q:DigitalSourceType xmlns:q='{IPTC}'> </q:DigitalSourceType>"), vec![]),
        (String::new(), vec![]),
    ];
    for (packet, expected) in cases {
        assert_eq!(values(&packet), (expected, Ok(())), "{packet}");
    }
}

#[test]
fn what_stands_before_a_mistake_is_kept() {
    let start = format!("<a xmlns:q='{IPTC}' q:DigitalSourceType='x'>");
    for rest in ["", "<b>", "</b>", "<b c=>", "&d;", "<!DOCTYPE a>", "<b><c></b></c>"] {
        let (kept, result) = values(&format!("{start}{rest}"));
        assert_eq!(kept, source_type("x"), "{rest}");
        assert!(result.is_err(), "{rest}");
    }
    assert_eq!(values("\u{feff}<a/>\0 ").1, Ok(()));
    let mut none = Vec::new();
    assert!(read_packet(b"<a>\xff</a>", &mut none).is_err());
}

#[test]
fn pieces_of_extended_xmp_must_be_complete() {
    let guid = [b'A'; 32];
    let piece = |offset, data: &'static [u8]| Fragment { guid: &guid, length: 6, offset, data };
    let name = "a".repeat(32);
    assert_eq!(joined(&name, &[piece(3, b"def"), piece(0, b"abc")]), Ok(b"abcdef".to_vec()));
    for pieces in [
        vec![],
        vec![piece(0, b"abc")],
        vec![piece(3, b"def")],
        vec![piece(0, b"abcd"), piece(3, b"def")],
        vec![piece(0, b"abc"), piece(4, b"ef")],
    ] {
        assert!(joined(&name, &pieces).is_err(), "{pieces:?}");
    }
    assert!(joined("other", &[piece(0, b"abcdef")]).is_err());
}
