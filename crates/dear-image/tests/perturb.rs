//! The perturbations of chains against Pillow 12.3.0, OpenCV, torchvision and NumPy: hashes, so no tolerance.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::*;
use serde_json::Value;
use support::{Cases, json, number, pair, sha, source};

fn cases(step: &str) -> Vec<Value> {
    support::cases("perturb.json", step)
}

#[test]
fn box_and_gaussian_blur_are_pillows_for_color_and_one_channel() {
    let mut seen = Cases::new();
    for case in cases("box") {
        let (image, radius) = (source(&case), number(&case["value"]));
        if case["step"] == "box_blur" {
            seen.check(sha(box_blur(&image, radius).data()) == case["sha256"], || case.to_string());
            continue;
        }
        seen.check(sha(pillow_blur(&image, radius).data()) == case["sha256"], || case.to_string());
        let red: Vec<u8> = image.data().iter().step_by(3).copied().collect();
        let plane = pillow_blur_plane(&red, image.width(), radius);
        seen.check(sha(&plane) == case["plane_sha256"], || format!("plane: {case}"));
    }
    seen.finish(6 * 15 * 3);
}

#[test]
fn rotation_is_pillows() {
    let mut seen = Cases::new();
    for case in cases("turn") {
        let sampling = match case["sampling"].as_str().unwrap() {
            "nearest" => Sampling::Nearest,
            "bilinear" => Sampling::Bilinear,
            _ => Sampling::Bicubic,
        };
        let turned =
            turn(&source(&case), number(&case["angle"]), sampling, case["expand"].as_bool().unwrap());
        let right = turned.size() == pair(&case["size"]) && sha(turned.data()) == case["sha256"];
        seen.check(right, || format!("{:?} {case}", turned.size()));
    }
    seen.finish(7 * 3 * 2 * 10 + 1);
}

#[test]
fn median_is_pillows() {
    let mut seen = Cases::new();
    for case in cases("median") {
        let result = median(&source(&case), number(&case["value"]) as u32);
        seen.check(sha(result.data()) == case["sha256"], || case.to_string());
    }
    seen.finish(6 * 5);
}

#[test]
fn frames_are_pillows_and_opencvs() {
    let mut seen = Cases::new();
    for case in cases("border") {
        let side = |index: usize| number(&case["sides"][index]) as u32;
        let padding = Padding { left: side(0), top: side(1), right: side(2), bottom: side(3) };
        let color = border(&source(&case), padding, [200, 31, 7]);
        seen.check(sha(color.data()) == case["color_sha256"], || format!("color: {case}"));
        let mirrored = pad(&source(&case), padding, Fill::Symmetric);
        seen.check(sha(mirrored.data()) == case["mirrored_sha256"], || format!("mirrored: {case}"));
    }
    seen.finish(6 * 4 * 2);
}

#[test]
fn salt_and_pepper_fall_where_the_stream_says() {
    let mut seen = Cases::new();
    for case in cases("impulse") {
        let key = case["key"].as_str().unwrap().parse().unwrap();
        let noise = Impulse { key, amount: number(&case["amount"]), salt: number(&case["salt"]) };
        seen.check(sha(noise.apply(&source(&case)).data()) == case["sha256"], || case.to_string());
    }
    seen.finish(2 * 4);
}

#[test]
fn gamma_is_torchvisions() {
    let mut seen = Cases::new();
    for case in cases("gamma") {
        let result = gamma(&source(&case), number(&case["value"]));
        seen.check(sha(result.data()) == case["sha256"], || case.to_string());
    }
    seen.finish(14);
}

#[test]
fn tensor_colors_are_torchvisions() {
    let mut seen = Cases::new();
    for case in cases("tensor") {
        let (image, value) = (source(&case), number(&case["value"]));
        let result = match case["step"].as_str().unwrap() {
            "brightness" => tensor_brightness(&image, value),
            "contrast" => tensor_contrast(&image, value),
            "saturation" => tensor_saturation(&image, value),
            "hue" => tensor_hue(&image, value),
            "gamma" => tensor_gamma(&image, value),
            _ => tensor_grayscale(&image),
        };
        seen.check(sha(result.data()) == case["sha256"], || case.to_string());
    }
    seen.finish(3 * (3 * 11 + 9 + 14 + 1));
}

#[test]
fn every_color_goes_torchvisions_way() {
    let all = Image::from_fn(4096, 4096, |x, y| {
        let [_, r, g, b] = (4096 * y + x).to_be_bytes();
        [r, g, b]
    });
    let expected = json("perturb.json")["every_tensor_color"].clone();
    assert_eq!(expected["saturation_1.3"], sha(tensor_saturation(&all, 1.3).data()));
    assert_eq!(expected["grayscale"], sha(tensor_grayscale(&all).data()));
    assert_eq!(expected["hue_0.0734"], sha(tensor_hue(&all, 0.0734).data()));
}

#[test]
fn fit_comes_to_the_sizes_and_pixels_of_thumbnail() {
    let mut seen = Cases::new();
    for case in cases("fit") {
        let (by, value) = (case["by"].as_str().unwrap(), number(&case["value"]));
        let chain = Chain::parse(&format!("fit({by}={value})")).unwrap();
        let image = chain.apply(&source(&case), 1, b"").unwrap().image;
        let right = image.size() == pair(&case["size"]) && sha(image.data()) == case["sha256"];
        seen.check(right, || format!("{:?} {case}", image.size()));
    }
    seen.finish(7 * 10 * 3);
}

#[test]
fn chains_are_the_peers_one_after_another() {
    let mut seen = Cases::new();
    for case in cases("chain") {
        let applied =
            Chain::parse(case["chain"].as_str().unwrap()).unwrap().apply(&source(&case), 1, b"").unwrap();
        let right =
            applied.image.size() == pair(&case["size"]) && sha(applied.image.data()) == case["sha256"];
        seen.check(right, || format!("{:?} {case}", applied.image.size()));
        let file = applied.encoded.map_or(Value::Null, |bytes| sha(&bytes).into());
        seen.check(file == case["file_sha256"], || format!("file: {case}"));
    }
    seen.finish(2 * 15);
}

#[test]
fn processors_without_avx2_give_the_same_bytes() {
    support::again_without_avx2("processors_without_avx2_give_the_same_bytes");
}
