//! Times the bootstrap on scores from files, for `bench/bootstrap.py`:
//!
//!     bootstrap_speed LABELS SCORES RESAMPLES THREADS
//!
//! LABELS holds one byte for each sample, SCORES one little-endian f64. Prints one line of JSON: the seconds of one
//! call of `bootstrap`, sorting included, and what it found.

use std::process::ExitCode;
use std::time::Instant;

use dear::bootstrap::{BootstrapOptions, bootstrap};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bootstrap_speed: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<String, Box<dyn std::error::Error>> {
    let [labels, scores, resamples, threads] = arguments else {
        return Err(format!("{} arguments, expected LABELS SCORES RESAMPLES THREADS", arguments.len()).into());
    };
    let labels = fs_err::read(labels)?;
    let bytes = fs_err::read(scores)?;
    let scores: Vec<f64> = bytes.as_chunks().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect();
    let options = BootstrapOptions { resamples: resamples.parse()?, ..BootstrapOptions::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let start = Instant::now();
    let found = pool.install(|| bootstrap(&labels, &scores, None, &options))?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(serde_json::json!({ "seconds": seconds, "intervals": found.intervals }).to_string())
}
