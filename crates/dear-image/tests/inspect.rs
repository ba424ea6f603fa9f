//! Header facts against Pillow's, and bytes that lie.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use base64::Engine as _;
use dear_image::{Draw, FileFacts, Subsampling, encode_jpeg, inspect};
use serde_json::Value;
use support::{Cases, fixtures, json, number, pair, picture, sha};

fn answers(name: &str) -> Vec<Value> {
    json("inspect.json")[name].as_array().unwrap().clone()
}

/// Files that Pillow wrote or read, with its answers.
fn files() -> Vec<(Vec<u8>, Value)> {
    let stored = answers("files").into_iter().map(|case| {
        (fs_err::read(fixtures().join("decode").join(case["file"].as_str().unwrap())).unwrap(), case)
    });
    let made = answers("made").into_iter().map(|case| {
        (base64::engine::general_purpose::STANDARD.decode(case["base64"].as_str().unwrap()).unwrap(), case)
    });
    stored.chain(made).collect()
}

#[test]
fn facts_are_pillows() {
    let mut seen = Cases::new();
    for (bytes, case) in files() {
        let facts = inspect(&bytes);
        // An MPO is a JPEG with more behind it.
        let format = case["format"].as_str().unwrap().replace("mpo", "jpeg");
        let (width, height) = pair(&case["size"]);
        let flag = |key: &str| case[key].as_bool().unwrap();
        let text = flag("text");
        seen.check(facts.format.unwrap().as_str() == format, || format!("format: {facts:?} {case}"));
        seen.check((facts.width, facts.height) == (Some(width), Some(height)), || {
            format!("size: {facts:?} {case}")
        });
        // Pillow decodes the frames of an MPO, which no JPEG segment counts.
        let animated = flag("animated") && case["format"] != "mpo";
        let metadata = (facts.exif, facts.icc, facts.xmp, facts.jfif, facts.text, facts.animated);
        let expected = (flag("exif"), flag("icc"), flag("xmp"), flag("jfif"), text, animated);
        seen.check(metadata == expected, || format!("metadata: {facts:?} {case}"));
        let mode = case["mode"].as_str().unwrap();
        if format == "png" {
            seen.check(facts.palette == (mode == "P"), || format!("palette: {facts:?} {case}"));
        }
        seen.check(
            (facts.metadata_bytes > 0)
                == (facts.exif
                    || facts.icc
                    || facts.xmp
                    || facts.jfif
                    || facts.text
                    || facts.jpeg.as_ref().is_some_and(|jpeg| jpeg.adobe)
                    || case["format"] == "mpo"),
            || format!("bytes: {facts:?}"),
        );
        if let Some(layers) = case["layers"].as_array() {
            jpeg(&facts, layers, &case, &mut seen);
        }
    }
    seen.finish(699);
}

fn jpeg(facts: &FileFacts, layers: &[Value], case: &Value, seen: &mut Cases) {
    let jpeg = facts.jpeg.as_ref().unwrap();
    let factors: Vec<(u32, u32)> = layers.iter().map(pair).collect();
    let expected = match factors.as_slice() {
        [_] => "gray".to_owned(),
        [(2, 2), (1, 1), (1, 1)] => "4:2:0".to_owned(),
        [(2, 1), (1, 1), (1, 1)] => "4:2:2".to_owned(),
        [(1, 1), (1, 1), (1, 1)] => "4:4:4".to_owned(),
        [(1, 2), (1, 1), (1, 1)] => "4:4:0".to_owned(),
        [(4, 1), (1, 1), (1, 1)] => "4:1:1".to_owned(),
        other => other.iter().map(|(h, v)| format!("{h}x{v}")).collect::<Vec<_>>().join(","),
    };
    seen.check(jpeg.subsampling == expected, || format!("subsampling: {jpeg:?} {case}"));
    let flags = (jpeg.progressive, jpeg.adobe);
    let expected = (case["progressive"].as_bool().unwrap(), case["adobe"].as_bool().unwrap());
    seen.check(flags == expected, || format!("progressive, adobe: {jpeg:?} {case}"));
    for (index, table) in jpeg.tables.iter().enumerate() {
        let expected: Option<Vec<u16>> = case["tables"][index.to_string()]
            .as_array()
            .map(|table| table.iter().map(|step| number(step) as u16).collect());
        seen.check(table.map(|table| table.to_vec()) == expected, || format!("table {index}: {case}"));
    }
}

#[test]
fn every_quality_is_known_by_its_tables() {
    let mut seen = Cases::new();
    for (index, case) in answers("qualities").iter().enumerate() {
        let value = index as u8 + 1;
        let facts = inspect(&encode_jpeg(&picture(16, 16), value, Subsampling::S420).unwrap());
        let jpeg = facts.jpeg.unwrap();
        let table = |index: usize| jpeg.tables[index].unwrap().map(|step| step as u8);
        let sum = |index: usize| table(index).iter().map(|&step| f64::from(step)).sum::<f64>();
        let both = [table(0), table(1)].concat();
        seen.check(
            (sum(0), sum(1), sha(&both).as_str())
                == (number(&case[0]), number(&case[1]), case[2].as_str().unwrap()),
            || format!("tables of quality {value}"),
        );
        let quality = jpeg.quality.unwrap();
        seen.check((quality.value, quality.exact) == (value, true), || {
            format!("{quality:?}, expected {value}")
        });
    }
    seen.finish(200);
}

#[test]
fn cut_and_changed_files_never_panic_and_say_no_more_than_whole_ones() {
    for (bytes, case) in files() {
        let whole = inspect(&bytes);
        for length in (0..bytes.len().min(700)).chain((700..bytes.len()).step_by(97)) {
            let cut = inspect(&bytes[..length]);
            assert!(cut.metadata_bytes <= whole.metadata_bytes, "{length} bytes of {case}");
            assert!(cut.width.is_none() || cut.width == whole.width, "{length} bytes of {case}");
        }
        let mut draw = Draw::keyed(1, &[&bytes]);
        for _ in 0..300 {
            let mut changed = bytes.clone();
            for _ in 0..4 {
                let at = draw.below(changed.len().min(600) as u64) as usize;
                changed[at] = draw.next_u64() as u8;
            }
            inspect(&changed);
        }
    }
}
