//! Times a detector file, for `bench/engines.py`: one run for each line on stdin, its seconds on stdout.
//!
//!     speed FILE.onnx ENGINE THREADS images N HEIGHT WIDTH     # pooled features of N pictures, in batches as `dear` makes them
//!     speed FILE.onnx ENGINE THREADS score HEIGHT WIDTH        # the logit of one picture of any size, in tiles if it is large
//!
//! ENGINE is `builtin` or `onnxruntime`, or JSON of `EngineOptions`. The first line of stdout says what runs.

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::time::Instant;

use dear::detector::Detector;
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
        ("images", &[n, height, width]) => {
            let images: Vec<Image> = (0..n).map(|seed| picture(height, width, seed)).collect();
            Box::new(move || {
                let rows = detector.pooled_of_any(&images).into_iter().collect::<Result<Vec<_>, _>>()?;
                Ok(rows.iter().map(|row| f64::from(row[0])).sum())
            })
        }
        ("score", &[height, width]) => {
            let image = picture(height, width, 0);
            Box::new(move || Ok(detector.score(&image)?))
        }
        _ => return Err("expected images N HEIGHT WIDTH, or score HEIGHT WIDTH".into()),
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

fn picture(height: u32, width: u32, seed: u32) -> Image {
    Image::from_fn(width, height, |x, y| {
        let value = (x * 7 + y * 3 + seed * 31) ^ (x.wrapping_mul(y) >> 4);
        [value as u8, (value >> 3) as u8, (value >> 5) as u8]
    })
}
