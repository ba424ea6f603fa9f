//! Every flavour of file against Pillow's pixels: bit for bit, no tolerance anywhere.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::{DecodeOptions, Format, decode};
use serde_json::Value;
use std::collections::BTreeSet;
use support::{Cases, fixtures, json, number, sha};

#[test]
fn every_file_has_pillows_pixels_under_its_options() {
    let fixture = json("decode.json");
    let mut cases = Cases::new();
    let mut names = BTreeSet::from(["tiny.webp".to_owned()]);
    let mut with_options = 0;
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let bytes = fs_err::read(fixtures().join("decode").join(name)).unwrap();
        let options: DecodeOptions = match &case["options"] {
            Value::Null => DecodeOptions::default(),
            options => serde_json::from_value(options.clone()).unwrap(),
        };
        names.insert(name.to_owned());
        with_options += usize::from(options != DecodeOptions::default());
        match decode(&bytes, &options) {
            Ok(decoded) => {
                let size = (number(&case["width"]) as u32, number(&case["height"]) as u32);
                let same = decoded.image.size() == size && sha(decoded.image.data()) == case["sha256"];
                cases.check(same && !decoded.truncated, || {
                    let options = &case["options"];
                    let (image, warnings) = (&decoded.image, &decoded.warnings);
                    format!("{name} {options}: {image:?}, expected {size:?}; {warnings:?}")
                });
            }
            Err(error) => cases.check(false, || format!("{name} {}: {error}", case["options"])),
        }
    }
    // tiny.webp is a unit test's.
    let files = fs_err::read_dir(fixtures().join("decode")).unwrap().count();
    assert_eq!(names.len(), files, "every file of the folder is a case");
    cases.finish(fixture["cases"].as_array().unwrap().len());
    assert_eq!((files, with_options), (206, 102));
}

#[test]
fn formats_come_from_the_bytes_and_oddities_are_told() {
    let mut expected: Vec<(&str, Format, &str)> = vec![
        ("420.jpg", Format::Jpeg, ""),
        ("mpo.jpg", Format::Jpeg, ""),
        ("trailing.jpg", Format::Jpeg, "127 bytes follow the end of the picture (plain text)"),
        ("exif6.jpg", Format::Jpeg, ""),
        ("header_garbage.jpg", Format::Jpeg, "libjpeg: Corrupt JPEG data: 3 extraneous bytes before marker"),
        ("rgb.png", Format::Png, ""),
        ("broken_icc.png", Format::Png, ""),
        ("apng.png", Format::Png, "first of 2 frames"),
        (
            "gray16.png",
            Format::Png,
            "16-bit grey scaled to 8 bits; Pillow-based pipelines clip it and see white",
        ),
        ("gray16.tif", Format::Tiff, "16-bit grey scaled"),
        ("gray16.pnm", Format::Pnm, "16-bit grey scaled"),
        ("rgb16.png", Format::Png, ""),
        ("lossy80.webp", Format::WebP, ""),
        ("animated.webp", Format::WebP, "first of 2 frames"),
        ("animated.gif", Format::Gif, "first of 3 frames"),
        ("palette.gif", Format::Gif, ""),
        ("orientation1.tif", Format::Tiff, ""),
        ("orientation6.tif", Format::Tiff, "tiff orientation 6 applied, as Pillow does"),
        ("rgb.bmp", Format::Bmp, ""),
        ("rgba.ico", Format::Ico, ""),
        ("ascii.pnm", Format::Pnm, ""),
        ("rgb.cur", Format::Cur, ""),
        ("rgb.tga", Format::Tga, ""),
        ("from_right.tga", Format::Tga, ""),
        ("pages.tif", Format::Tiff, "first of 2 pages"),
        ("preview.tif", Format::Tiff, "the first page is a reduced preview"),
        ("profile.jpg", Format::Jpeg, ""),
        ("rgba_hidden.png", Format::Png, ""),
    ];
    for (name, format, said) in expected.drain(..) {
        let bytes = fs_err::read(fixtures().join("decode").join(name)).unwrap();
        let decoded = decode(&bytes, &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.format, format, "{name}");
        let warnings = decoded.warnings.join("; ");
        assert_eq!(warnings.is_empty(), said.is_empty(), "{name}: {warnings}");
        assert!(warnings.starts_with(said), "{name}: {warnings}");
    }
}
