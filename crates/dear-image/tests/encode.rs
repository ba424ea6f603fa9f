//! JPEG and WebP with every option, against the files that Pillow 12.3.0 writes: hashes, so no tolerance.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::*;
use serde_json::Value;
use support::{Cases, number, picture, sha, source};

fn cases(step: &str) -> Vec<Value> {
    support::cases("encode.json", step)
}

#[test]
fn jpeg_files_are_pillows_with_every_option() {
    let mut seen = Cases::new();
    for case in cases("jpeg") {
        let image = source(&case);
        let gray = case["subsampling"] == "gray";
        let options = JpegOptions {
            quality: number(&case["quality"]) as u8,
            subsampling: serde_json::from_value(case["subsampling"].clone()).unwrap_or_default(),
            optimize: case["optimize"] == true,
            progressive: case["progressive"] == true,
        };
        let bytes = if gray {
            encode_jpeg_gray(image.width(), image.height(), &image.luma(), &options).unwrap()
        } else {
            encode_jpeg_with(&image, &options).unwrap()
        };
        let pixels = decode(&bytes, &DecodeOptions::default()).unwrap().image;
        seen.check(sha(pixels.data())[..16] == case["sha256"], || format!("pixels: {case}"));
        seen.check(sha(&bytes)[..16] == case["file_sha256"], || {
            format!("file of {} bytes: {case}", bytes.len())
        });
    }
    seen.finish(2 * 5 * 4 * 5 * 4);
}

#[test]
fn webp_files_are_pillows_with_every_option() {
    let mut seen = Cases::new();
    for case in cases("webp") {
        let image = source(&case);
        let options = WebpOptions {
            quality: number(&case["quality"]) as u8,
            method: number(&case["method"]) as u8,
            lossless: case["lossless"] == true,
        };
        let bytes = encode_webp_with(&image, &options).unwrap();
        let pixels = decode(&bytes, &DecodeOptions::default()).unwrap().image;
        seen.check(sha(pixels.data())[..16] == case["sha256"], || format!("pixels: {case}"));
        seen.check(sha(&bytes)[..16] == case["file_sha256"], || {
            format!("file of {} bytes: {case}", bytes.len())
        });
        let kept = if options.lossless { pixels == image } else { &bytes[12..16] == b"VP8 " };
        seen.check(kept, || format!("kind: {case}"));
    }
    seen.finish(3 * 5 * 2 * 5 * 5);
}

#[test]
fn defaults_are_pillows_and_short_forms_are_the_long_ones() {
    let image = picture(40, 30);
    let (jpeg, webp) = (JpegOptions::default(), WebpOptions::default());
    assert_eq!((jpeg.quality, jpeg.subsampling), (75, Subsampling::S420));
    assert_eq!(encode_jpeg_with(&image, &jpeg), encode_jpeg(&image, 75, Subsampling::S420));
    assert_eq!((webp.quality, webp.method, webp.lossless), (80, 4, false));
    assert_eq!(encode_webp_with(&image, &webp), encode_webp(&image, 80));
    assert_eq!(serde_json::from_str::<JpegOptions>(r#"{"progressive": true}"#).unwrap().quality, 75);
    assert!(serde_json::from_str::<WebpOptions>(r#"{"metod": 4}"#).is_err());
}
