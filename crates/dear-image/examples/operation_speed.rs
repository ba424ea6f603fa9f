//! Times of the pixel operations on one picture, single-threaded: fastest and median of some runs, in milliseconds.
//!
//! `cargo run --release -p dear-image --example operation_speed`

use dear_image::*;
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let photo = |width, height| {
        Image::from_fn(width, height, |x, y| {
            let texture = (x * 31 + y * 17) % 23;
            [(x / 3 + texture) as u8, (y / 2 + texture * 2) as u8, ((x + y) / 4) as u8]
        })
    };
    let (small, large) = (photo(500, 375), photo(1024, 1024));
    let jpeg = encode_jpeg(&large, 85, Subsampling::S420).expect("1024 x 1024 is written");
    let png = encode_png(&large).expect("1024 x 1024 is written");

    time("decode jpeg 1024x1024", || decode(&jpeg, &DecodeOptions::default()).map(|d| d.image));
    time("decode png 1024x1024", || decode(&png, &DecodeOptions::default()).map(|d| d.image));
    time("encode jpeg 1024x1024 q85", || encode_jpeg(&large, 85, Subsampling::S420));
    for kernel in [Kernel::Bilinear, Kernel::Bicubic, Kernel::Lanczos] {
        time(&format!("resize 1024x1024 -> 512x512 {}", kernel.as_str()), || {
            resize(&large, 512, 512, kernel)
        });
        time(&format!("resize 500x375 -> 1000x750 {}", kernel.as_str()), || {
            resize(&small, 1000, 750, kernel)
        });
    }
    time("brightness 500x375", || brightness(&small, 1.1));
    time("contrast 500x375", || contrast(&small, 1.1));
    time("color 500x375", || color(&small, 1.1));
    time("sharpness 500x375", || sharpness(&small, 1.1));
    time("hue 500x375", || hue(&small, 0.05));
    time("gaussian blur 500x375 sigma 1.5", || gaussian_blur(&small, 1.5));
    time("noise 500x375", || Noise { key: 1, variance: 30.0 }.add(&small, 0, 0));
    let paper = Chain::parse("paper").expect("a preset");
    time("paper 500x375", || paper.apply(&small, 1, b"key"));

    let options = AugmentOptions::default();
    for (name, image) in [("500x375", &small), ("1024x1024", &large)] {
        let mut times: Vec<f64> = Vec::new();
        for view in 0..200u32 {
            let mut draw = Draw::keyed(1, &[&view.to_le_bytes()]);
            let start = Instant::now();
            black_box(augment(image, None, &options, AugmentRole::Main, &mut draw));
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        times.sort_by(f64::total_cmp);
        println!(
            "{:<40} mean {mean:.2}, median {:.2}, 95% {:.2}",
            format!("augment {name}"),
            times[100],
            times[190]
        );
    }
}

fn time<T>(name: &str, mut work: impl FnMut() -> T) {
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<40} {:.2} (median {:.2})", times[0], times[times.len() / 2]);
}
