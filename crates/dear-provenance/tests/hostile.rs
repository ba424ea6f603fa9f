//! Broken files: no panic, bounded time and bounded answers, whatever the bytes.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_provenance::{Provenance, State, read};
use std::time::{Duration, Instant};
use support::all_files;

/// A bound that a slow machine keeps, too: such a file takes milliseconds.
const LONGEST: Duration = Duration::from_secs(5);

#[test]
fn cut_files_are_answered() {
    let mut seen = 0;
    for (name, bytes) in all_files() {
        for length in (0..bytes.len()).step_by(37) {
            check(&format!("{name}, the first {length} bytes"), &bytes[..length]);
            seen += 1;
        }
    }
    assert!(seen > 4_000, "{seen} files");
}

#[test]
fn changed_files_are_answered() {
    let mut seen = 0;
    for (name, mut bytes) in all_files() {
        for at in (0..bytes.len()).step_by(41) {
            let before = bytes[at];
            bytes[at] ^= 1 << (at % 8);
            check(&format!("{name}, byte {at} changed"), &bytes);
            bytes[at] = before;
            seen += 1;
        }
    }
    assert!(seen > 4_000, "{seen} files");
}

fn check(case: &str, bytes: &[u8]) {
    let start = Instant::now();
    let all = read(bytes);
    assert!(start.elapsed() < LONGEST, "{case} took {:?}", start.elapsed());
    for finding in [&all.c2pa, &all.source_type, &all.generator, &all.camera] {
        let summary = finding.summary.as_deref().unwrap_or_default();
        // What is said of a panic.
        assert!(
            !summary.contains("metadata failed") && !summary.contains("manifests failed"),
            "{case}: {summary}"
        );
        assert_eq!(finding.summary.is_none(), finding.state == State::NotFound, "{case}");
        assert!(finding.details.len() <= 65, "{case}");
        let values = finding.details.iter().map(|detail| detail.value.as_str());
        for text in values.chain([summary]) {
            assert!(!text.chars().any(char::is_control), "{case}: {text:?}");
            assert!(text.chars().count() < 600, "{case}: {} characters", text.chars().count());
        }
    }
}

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes()[..], kind, data, b"crc."].concat()
}

fn png(chunks: &[Vec<u8>]) -> Provenance {
    read(&[b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat(), chunk(b"IEND", b"")].concat())
}

fn xmp(packet: &str) -> Provenance {
    png(&[chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", packet.as_bytes()].concat())])
}

#[test]
fn many_texts_are_not_all_read() {
    let text = |i: usize| chunk(b"tEXt", format!("Software {i}\0x").as_bytes());
    let few: Vec<_> = (0..256).map(text).collect();
    assert_eq!(png(&few).generator.state, State::NotFound);
    let many: Vec<_> = (0..257).map(text).collect();
    let summary = png(&many).generator.summary.unwrap();
    assert_eq!(summary, "the file has more texts than are looked at");
}

#[test]
fn many_details_are_counted_and_long_ones_cut() {
    let settings = format!("{}\nSteps: 1, Sampler: s, Seed: 2", "ü ".repeat(400));
    let one = chunk(b"iTXt", &[b"parameters\0\0\0\0\0", settings.as_bytes()].concat());
    let generator = png(&vec![one; 100]).generator;
    assert_eq!(generator.details.len(), 65);
    assert_eq!(generator.details[64].value, "436 facts are left out");
    let prompt = generator.details.iter().find(|detail| detail.name == "prompt").unwrap();
    assert!(prompt.value.ends_with("… (cut: 500 of 799 characters)"), "{}", prompt.value);
}

#[test]
fn xml_that_costs_is_refused() {
    let start = Instant::now();
    let cases = [
        ("<a>".repeat(100), "elements stand in each other more than 64 deep"),
        (
            format!("<a {}/>", (0..300_000).map(|i| format!("b{i}='' ")).collect::<String>()),
            "more than 200000 elements",
        ),
        (format!("<a>{}</a>", "<b/>".repeat(300_000)), "more than 200000 elements"),
        (
            format!("<a {}/>", (0..70).map(|i| format!("xmlns:n{i}='u' ")).collect::<String>()),
            "declares more than 64 namespace",
        ),
        (" ".repeat((16 << 20) + 1), "16777217 bytes, more than the 16777216 that are read"),
        ("<a>&b;</a>".to_owned(), "refers to the entity \"b\""),
        (
            "<a xmlns:p='http://ns.adobe.com/photoshop/1.0/' p:Credit='&c;'/>".to_owned(),
            "its XMP cannot be read",
        ),
        ("\u{1}".to_owned(), ""),
    ];
    let mut seen = 0;
    for (packet, expected) in cases {
        let finding = xmp(&packet).source_type;
        let summary = finding.summary.unwrap_or_default();
        assert!(summary.contains(expected), "{summary:?}, expected {expected:?}");
        seen += usize::from(finding.state == State::CouldNotCheck);
    }
    assert!(seen >= 6, "{seen}");
    assert!(start.elapsed() < LONGEST, "{:?}", start.elapsed());
}

#[test]
fn deep_json_is_no_generator() {
    let graph = format!("{}{}", "{\"3\":".repeat(100_000), "}".repeat(100_000));
    let deep = png(&[chunk(b"tEXt", format!("prompt\0{graph}").as_bytes())]);
    assert_eq!(deep.generator.state, State::NotFound);
}

#[test]
fn exif_that_costs_is_refused() {
    // As many references as fit, to directories that lie over each other; and a text of zero bytes.
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let exif = |entries: Vec<Vec<u8>>, rest: usize| {
        let count = (entries.len() as u16).to_le_bytes();
        [b"II*\0\x08\0\0\0", &count[..], &entries.concat(), &vec![0; rest]].concat()
    };
    let references = (0..2700).map(|i| entry(0x8769, 4, 1, 10 + i)).collect();
    let cases = [
        (exif(references, 32_000), "its EXIF is damaged (a directory refers to another of tag 0x8769 twice)"),
        (
            exif(vec![entry(271, 2, 50_000_000, 30)], 50_000_100),
            "its EXIF is damaged (a text has 50000000 bytes, more than the 1048576 that are read)",
        ),
    ];
    for (block, expected) in cases {
        // In a PNG it is a part; a TIFF has nothing else.
        let (part, whole) = (png(&[chunk(b"eXIf", &block)]), read(&block));
        assert_eq!(part.camera.summary.as_deref(), Some(expected));
        assert_eq!((part.source_type.state, part.c2pa.state), (State::NotFound, State::NotFound));
        for finding in [whole.camera, whole.source_type, whole.generator, whole.c2pa] {
            assert_eq!(finding.summary.as_deref(), Some(expected));
        }
    }
}
