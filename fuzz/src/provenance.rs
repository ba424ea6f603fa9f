//! Whatever the bytes are: three findings of bounded lines. C2PA is left out: its library would be compiled for fuzzing, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provenance::{camera, container, finding, generator, line, marks, source_type, tags, xmp};

#[allow(dead_code)]
#[path = "../../crates/dear-provenance/src"]
mod provenance {
    pub(crate) mod camera;
    pub(crate) mod container;
    pub(crate) mod finding;
    pub(crate) mod generator;
    pub(crate) mod line;
    pub(crate) mod marks;
    pub(crate) mod source_type;
    pub(crate) mod tags;
    pub(crate) mod xmp;
}

fuzz_target!(|bytes: &[u8]| {
    let Some(format) = container::Format::of(bytes) else { return };
    let marks = marks::Marks::read(format, bytes);
    for found in [&marks.source_type, &marks.generator, &marks.camera] {
        assert_eq!(found.summary.is_none(), found.state == finding::State::NotFound);
        assert!(found.details.len() <= 65);
        let values = found.details.iter().map(|detail| &detail.value);
        for text in values.chain(&found.summary) {
            assert!(!text.chars().any(char::is_control) && text.chars().count() < 600, "{text}");
        }
    }
});
