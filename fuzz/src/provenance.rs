//! Whatever the bytes are: three findings of bounded lines. C2PA is left out: its library would be compiled for fuzzing, too.
#![no_main]

use container::Format;
use finding::State;
use libfuzzer_sys::fuzz_target;
use marks::Marks;

#[path = "../../crates/dear-provenance/src/camera.rs"]
mod camera;
#[path = "../../crates/dear-provenance/src/container.rs"]
mod container;
#[allow(dead_code)]
#[path = "../../crates/dear-provenance/src/finding.rs"]
mod finding;
#[path = "../../crates/dear-provenance/src/generator.rs"]
mod generator;
#[path = "../../crates/dear-provenance/src/line.rs"]
mod line;
#[allow(dead_code)]
#[path = "../../crates/dear-provenance/src/marks.rs"]
mod marks;
#[path = "../../crates/dear-provenance/src/source_type.rs"]
mod source_type;
#[path = "../../crates/dear-provenance/src/tags.rs"]
mod tags;
#[path = "../../crates/dear-provenance/src/xmp.rs"]
mod xmp;

fuzz_target!(|bytes: &[u8]| {
    let Some(format) = Format::of(bytes) else { return };
    let marks = Marks::read(format, bytes);
    for finding in [&marks.source_type, &marks.generator, &marks.camera] {
        assert_eq!(finding.summary.is_none(), finding.state == State::NotFound);
        assert!(finding.details.len() <= 65);
        let values = finding.details.iter().map(|detail| &detail.value);
        for text in values.chain(&finding.summary) {
            assert!(!text.chars().any(char::is_control) && text.chars().count() < 600, "{text}");
        }
    }
});
