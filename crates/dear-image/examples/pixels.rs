//! Our side of `bench/pixels.py`: does one job with every file of a folder, and prints how long it took.
//!
//! ```text
//! pixels FOLDER THREADS OUT SEED decode | view | paper | chain TEXT | resize KERNEL WIDTH HEIGHT
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dear_image::{
    AugmentOptions, AugmentRole, Chain, DecodeOptions, Draw, Image, Kernel, augment, decode, resize,
};

type Failure = Box<dyn Error + Send + Sync>;

/// ImageNet's mean and deviation, with which the reference normalises.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [folder, threads, out, seed, job @ ..] = &arguments[..] else {
        return Err("usage: pixels FOLDER THREADS OUT SEED JOB".into());
    };
    let (threads, out, seed) = (threads.parse()?, Path::new(out), seed.parse()?);
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        files.push(entry?.path());
    }
    let mut begin = Instant::now();
    match *job {
        ["decode"] => share(&files, threads, |file| open(file).map(drop))?,
        ["view"] => share(&files, threads, |file| view(file, seed).map(drop))?,
        ["paper"] => share(&files, threads, |file| paper(file, out, seed))?,
        ["chain", text] => {
            let chain = Chain::parse(text)?;
            share(&files, threads, |file| {
                chain.apply(&open(file)?, 1, b"")?;
                Ok(())
            })?;
        }
        ["resize", kernel, width, height] => {
            let kernel = Kernel::ALL.into_iter().find(|k| k.as_str() == kernel).ok_or("no such kernel")?;
            let (width, height) = (width.parse()?, height.parse()?);
            let images = files.iter().map(|file| open(file)).collect::<Result<Vec<_>, _>>()?;
            begin = Instant::now();
            share(&images, threads, |image| {
                resize(image, width, height, kernel);
                Ok(())
            })?;
        }
        _ => return Err(format!("no job {job:?}").into()),
    }
    println!("{{\"seconds\": {}, \"items\": {}}}", begin.elapsed().as_secs_f64(), files.len());
    Ok(())
}

/// Does `work` with every item, on `threads` threads.
fn share<T: Sync>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread panicked")?)
    })
}

fn open(file: &PathBuf) -> Result<Image, Failure> {
    Ok(decode(&fs_err::read(file)?, &DecodeOptions::default())?.image)
}

/// File to normalised tensor `[3, 96, 96]`, through the paper's augmentation.
fn view(file: &PathBuf, seed: u64) -> Result<Vec<f32>, Failure> {
    let image = open(file)?;
    let mut draw = Draw::keyed(seed, &[name(file)?]);
    let (crop, _) = augment(&image, None, &AugmentOptions::default(), AugmentRole::Main, &mut draw);
    let plane = crop.data().len() / 3;
    let mut tensor = vec![0.0; 3 * plane];
    for (channel, out) in tensor.chunks_exact_mut(plane).enumerate() {
        let (scale, shift) = (1.0 / (255.0 * DEVIATION[channel]), MEAN[channel] / DEVIATION[channel]);
        for (out, pixel) in out.iter_mut().zip(crop.data().chunks_exact(3)) {
            *out = f32::from(pixel[channel]) * scale - shift;
        }
    }
    Ok(tensor)
}

/// File to file, through the paper's post-processing.
fn paper(file: &PathBuf, out: &Path, seed: u64) -> Result<(), Failure> {
    let written = Chain::parse("paper")?.write(&open(file)?, seed, name(file)?)?;
    fs_err::write(out.join(file.file_name().ok_or("a file without a name")?), written.bytes)?;
    Ok(())
}

/// What the draws of a file depend on.
fn name(file: &Path) -> Result<&[u8], Failure> {
    Ok(file.file_name().ok_or("a file without a name")?.as_encoded_bytes())
}
