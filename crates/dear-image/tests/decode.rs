//! Every flavour of file against Pillow's pixels: bit for bit, no tolerance anywhere.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::{DecodeOptions, Format, decode};
use support::{Cases, fixtures, json, number, sha};

#[test]
fn every_file_has_pillows_pixels() {
    let fixture = json("decode.json");
    let mut cases = Cases::new();
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let bytes = fs_err::read(fixtures().join("decode").join(name)).unwrap();
        match decode(&bytes, &DecodeOptions::default()) {
            Ok(decoded) => {
                let size = (number(&case["width"]) as u32, number(&case["height"]) as u32);
                let same = decoded.image.size() == size && sha(decoded.image.data()) == case["sha256"];
                cases.check(same && !decoded.truncated, || {
                    format!("{name}: {:?}, expected {size:?}; {:?}", decoded.image, decoded.warnings)
                });
            }
            Err(error) => cases.check(false, || format!("{name}: {error}")),
        }
    }
    // One more file lies in the folder: tiny.webp, which a unit test reads.
    let files = fs_err::read_dir(fixtures().join("decode")).unwrap().count();
    cases.finish(files - 1);
    assert_eq!(files, 105);
}

#[test]
fn formats_come_from_the_bytes_and_oddities_are_told() {
    let mut expected: Vec<(&str, Format, &str)> = vec![
        ("420.jpg", Format::Jpeg, ""),
        ("mpo.jpg", Format::Jpeg, ""),
        ("trailing.jpg", Format::Jpeg, ""),
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

#[test]
fn other_maxima_of_pgm_are_scaled_within_one() {
    // 0..=100 to 0..=255: Pillow rounds halves to even, `image` up, so 30 and 70 of these values differ by one.
    let bytes = fs_err::read(fixtures().join("decode/gray.pnm")).unwrap();
    let gray = decode(&bytes, &DecodeOptions::default()).unwrap().image;
    let values: Vec<u32> = gray.data().chunks_exact(3).map(|p| u32::from(p[0]) % 101).collect();
    let text: Vec<String> = values.iter().map(u32::to_string).collect();
    let bytes = format!("P2\n# a comment\n47 29\n100\n{}\n", text.join(" "));
    let scaled = decode(bytes.as_bytes(), &DecodeOptions::default()).unwrap().image;
    for (value, pixel) in values.iter().zip(scaled.data().chunks_exact(3)) {
        let expected = (f64::from(*value) / 100.0 * 255.0).round_ties_even() as u8;
        assert!(pixel[0].abs_diff(expected) <= u8::from(value % 20 == 10), "{value}: {pixel:?}");
    }
}
