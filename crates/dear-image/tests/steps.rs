//! Every pixel operation against its peer: Pillow 12.3.0, torchvision, SciPy. Hashes, so no tolerance, except for the
//! two numbers that come out of an exponential function.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::*;
use serde_json::Value;
use support::{Cases, json, mask, number, pair, picture, sha, source};

fn cases(step: &str) -> Vec<Value> {
    support::cases("steps.json", step)
}

fn kernel(name: &Value) -> Kernel {
    serde_json::from_value(name.clone()).unwrap()
}

#[test]
fn resize_is_pillows() {
    let mut seen = Cases::new();
    for case in cases("resize") {
        let (width, height) = pair(&case["size"]);
        let image = match case["box"].as_array() {
            None => resize(&source(&case), width, height, kernel(&case["kernel"])),
            Some(edges) => {
                let region = std::array::from_fn(|i| number(&edges[i]));
                resize_box(&source(&case), region, width, height, kernel(&case["kernel"]))
            }
        };
        seen.check(sha(image.data()) == case["sha256"], || case.to_string());
    }
    seen.finish(102 + 180);
}

#[test]
fn mask_resize_is_pillows_nearest() {
    let mut seen = Cases::new();
    for case in cases("mask") {
        let ((width, height), (w, h)) = (pair(&case["source"]), pair(&case["size"]));
        let resized = resize_mask(&mask(width, height), w, h);
        seen.check(sha(resized.data()) == case["sha256"], || case.to_string());
    }
    seen.finish(10);
}

#[test]
fn jpeg_files_are_pillows_byte_for_byte() {
    let mut seen = Cases::new();
    for case in cases("jpeg") {
        let subsampling: Subsampling = serde_json::from_value(case["subsampling"].clone()).unwrap();
        let bytes = encode_jpeg(&source(&case), number(&case["quality"]) as u8, subsampling).unwrap();
        let image = decode(&bytes, &DecodeOptions::default()).unwrap().image;
        seen.check(sha(image.data()) == case["sha256"], || format!("pixels: {case}"));
        seen.check(sha(&bytes) == case["file_sha256"], || format!("file: {case}"));
    }
    seen.finish(2 * 90);
}

#[test]
fn webp_files_are_pillows_byte_for_byte() {
    let mut seen = Cases::new();
    for case in cases("webp") {
        let bytes = encode_webp(&source(&case), number(&case["quality"]) as u8).unwrap();
        seen.check(&bytes[12..16] == b"VP8 ", || format!("lossy: {case}"));
        let image = decode(&bytes, &DecodeOptions::default()).unwrap().image;
        seen.check(sha(image.data()) == case["sha256"], || format!("pixels: {case}"));
        seen.check(sha(&bytes) == case["file_sha256"], || format!("file: {case}"));
    }
    seen.finish(3 * 28);
}

#[test]
fn enhancements_are_pillows_and_torchvisions() {
    let mut seen = Cases::new();
    for case in cases("enhance") {
        let (image, factor) = (source(&case), number(&case["factor"]));
        let result = match case["step"].as_str().unwrap() {
            "brightness" => brightness(&image, factor),
            "contrast" => contrast(&image, factor),
            "color" => color(&image, factor),
            "sharpness" => sharpness(&image, factor),
            "hue" => hue(&image, factor),
            "grayscale" => grayscale(&image),
            "smooth" => smooth(&image),
            other => panic!("{other}"),
        };
        seen.check(sha(result.data()) == case["sha256"], || case.to_string());
    }
    seen.finish(3 * (4 * 11 + 9 + 2));
}

#[test]
fn every_color_turns_into_pillows_hsv_and_back() {
    let expected = json("steps.json")["every_color"].clone();
    for (name, convert) in [("to_hsv", to_hsv as fn([u8; 3]) -> [u8; 3]), ("from_hsv", from_hsv)] {
        let mut all = Vec::with_capacity(3 << 24);
        for value in 0..1u32 << 24 {
            let [_, a, b, c] = value.to_be_bytes();
            all.extend_from_slice(&convert([a, b, c]));
        }
        assert_eq!(expected[name], sha(&all), "{name}");
    }
}

#[test]
fn blur_is_scipys() {
    let mut seen = Cases::new();
    for case in cases("blur") {
        let image = source(&case);
        let flat = Image::from_fn(image.width(), image.height(), |_, _| [200; 3]);
        let weights: Vec<f64> = case["weights"].as_array().unwrap().iter().map(hexadecimal).collect();
        // With SciPy's own weights every byte is equal, also in flat areas, where the last bit of a sum decides.
        seen.check(sha(blur_with(&image, &weights).data()) == case["sha256"], || format!("picture: {case}"));
        seen.check(sha(blur_with(&flat, &weights).data()) == case["flat_sha256"], || format!("flat: {case}"));
        // Our weights: exp differs by one unit in the last place between libraries (and between NumPy's code paths
        // for different processors), and normalisation adds one more.
        let ours = gaussian_weights(number(&case["sigma"]));
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 4.0 * f64::EPSILON * b.abs();
        let near = ours.len() == weights.len() && ours.iter().zip(&weights).all(close);
        seen.check(near, || format!("weights: {ours:?} {weights:?}"));
        // So our own blur is the same up to one level, where a sum falls within rounding of an integer.
        let (a, b) = (gaussian_blur(&image, number(&case["sigma"])), blur_with(&image, &weights));
        seen.check(a.data().iter().zip(b.data()).all(|(a, b)| a.abs_diff(*b) <= 1), || {
            format!("own: {case}")
        });
        let differ = a.data().iter().zip(b.data()).filter(|(a, b)| a != b).count();
        seen.check(differ * 100 <= a.data().len(), || format!("{differ} bytes differ: {case}"));
    }
    seen.finish(5 * 44);
}

/// Python's `float.hex`.
fn hexadecimal(text: &Value) -> f64 {
    let text = text.as_str().unwrap();
    let (mantissa, exponent) = text.trim_start_matches("0x").split_once('p').unwrap();
    let (whole, digits) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let fraction = u64::from_str_radix(digits, 16).unwrap() as f64 / 16f64.powi(digits.len() as i32);
    (whole.parse::<f64>().unwrap() + fraction) * 2f64.powi(exponent.parse().unwrap())
}

#[test]
fn noise_is_added_in_float_and_truncated() {
    let mut seen = Cases::new();
    for case in cases("noise") {
        let image = source(&case);
        let divisor = number(&case["divisor"]) as f32;
        let noise: Vec<f32> =
            (0..image.data().len() as i64).map(|i| ((i * 7919) % 2001 - 1000) as f32 / divisor).collect();
        seen.check(sha(add_noise(&image, &noise).data()) == case["sha256"], || case.to_string());
    }
    seen.finish(3);
}

#[test]
fn whole_augmentations_are_the_peers_step_by_step() {
    let mut seen = Cases::new();
    for case in cases("plan") {
        let at = |key: &str, index: usize| case[key][index].as_f64().unwrap_or(0.0) as u32;
        let jitter = |change: &Value| match (change[0].as_str().unwrap(), number(&change[1])) {
            ("brightness", factor) => Jitter::Brightness(factor),
            ("contrast", factor) => Jitter::Contrast(factor),
            ("saturation", factor) => Jitter::Saturation(factor),
            (_, turn) => Jitter::Hue(turn),
        };
        let resized = case["resized_crop"].as_array().map(|_| ResizedCrop {
            left: at("resized_crop", 0),
            top: at("resized_crop", 1),
            width: at("resized_crop", 2),
            height: at("resized_crop", 3),
            to: (at("resized_crop", 4), at("resized_crop", 5)),
        });
        let cutout = case["cutout"].as_array().map(|_| Cutout {
            left: at("cutout", 0),
            top: at("cutout", 1),
            width: at("cutout", 2),
            height: at("cutout", 3),
            value: 128,
        });
        let plan = AugmentPlan {
            resized_crop: resized,
            jitter: case["jitter"]
                .as_array()
                .map(|list| list.iter().map(jitter).collect())
                .unwrap_or_default(),
            grayscale: case["grayscale"].as_bool().unwrap_or(false),
            cutout,
            noise: None,
            blur: case["blur"].as_f64(),
            jpeg: case["jpeg"].as_f64().map(|quality| (quality as u8, Subsampling::S420)),
            quarters: case["quarters"].as_f64().unwrap_or(0.0) as u8,
            flip: case["flip"].as_bool().unwrap_or(false),
            padding: Padding {
                left: at("padding", 0),
                top: at("padding", 1),
                right: at("padding", 2),
                bottom: at("padding", 3),
            },
            crop_at: pair(&case["crop_at"]),
            crop: 96,
        };
        let (width, height) = pair(&case["source"]);
        let (image, region) = plan.apply(&picture(width, height), Some(&mask(width, height)));
        seen.check(sha(image.data()) == case["sha256"], || format!("image: {case}"));
        seen.check(sha(region.unwrap().data()) == case["mask_sha256"], || format!("mask: {case}"));
    }
    seen.finish(2 * 7);
}

#[test]
fn post_processed_files_are_pillows_byte_for_byte() {
    let mut seen = Cases::new();
    for case in cases("paper") {
        let (width, height) = pair(&case["size"]);
        let factor = |index: usize| number(&case["factors"][index]);
        let paper = Paper {
            quality: number(&case["quality"]) as u8,
            factor: number(&case["factor"]),
            width,
            height,
            brightness: factor(0),
            contrast: factor(1),
            sharpness: factor(2),
            color: factor(3),
        };
        let bytes = paper.apply(&source(&case)).unwrap();
        let image = decode(&bytes, &DecodeOptions::default()).unwrap().image;
        seen.check(sha(image.data()) == case["sha256"], || format!("pixels: {case}"));
        seen.check(sha(&bytes) == case["file_sha256"], || format!("file: {case}"));
    }
    seen.finish(2 * 4);
}

#[test]
fn processors_without_avx2_give_the_same_bytes() {
    support::again_without_avx2("processors_without_avx2_give_the_same_bytes");
}
