//! Times a detector file, for `bench/engines.py`: one run for each line on stdin, its seconds on stdout.
//!
//!     speed FILE.onnx ENGINE THREADS tensor N HEIGHT WIDTH     # pooled features of a batch of noise, as the network takes it
//!     speed FILE.onnx ENGINE THREADS score HEIGHT WIDTH        # the logit of one picture of any size, in tiles if it is large
//!
//! ENGINE is `builtin` or `onnxruntime`, or JSON of `EngineOptions`. The first line of stdout says what runs.

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::time::Instant;

use dear::detector::{Detector, Quantity};
use dear::engine::EngineOptions;
use dear_image::Image;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, engine, threads, job, sizes @ ..] = arguments.as_slice() else {
        return Err("expected FILE ENGINE THREADS JOB SIZES".into());
    };
    let options = match engine.as_str() {
        "builtin" => EngineOptions::builtin(),
        "onnxruntime" => EngineOptions::onnxruntime(),
        other => serde_json::from_str(other)?,
    };
    let detector = Detector::open(file, &EngineOptions { threads: Some(threads.parse()?), ..options })?;
    println!("{}", serde_json::to_string(detector.info())?);
    let sizes = sizes.iter().map(|size| size.parse()).collect::<Result<Vec<u32>, _>>()?;
    let run: Box<dyn Fn() -> Result<f64, Box<dyn Error>>> = match (job.as_str(), sizes.as_slice()) {
        ("tensor", &[n, height, width]) => {
            let shape = [n, 3, height, width].map(|side| side as usize);
            let data: Vec<f32> = (0..shape.iter().product::<usize>())
                .map(|index| ((index as u64 * 2_654_435_761) >> 7 & 255) as f32 / 255.0)
                .collect();
            Box::new(move || {
                let [pooled] = detector.compute_raw(shape, &data, [Quantity::Pooled])?;
                Ok(f64::from(pooled.data[0]))
            })
        }
        ("score", &[height, width]) => {
            let image = Image::from_fn(width, height, |x, y| {
                let value = (x * 7 + y * 3) ^ (x.wrapping_mul(y) >> 4);
                [value as u8, (value >> 3) as u8, (value >> 5) as u8]
            });
            Box::new(move || Ok(detector.score(&image)?))
        }
        _ => return Err("expected tensor N HEIGHT WIDTH, or score HEIGHT WIDTH".into()),
    };
    for line in stdin().lines() {
        line?;
        let start = Instant::now();
        let value = run()?;
        println!("{} {value}", start.elapsed().as_secs_f64());
        stdout().flush()?;
    }
    Ok(())
}
