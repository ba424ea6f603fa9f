//! Make a folder of probes, one per image: seeded, resumable, by several processes at once, and safe against a kill at any
//! moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dear_image::{DecodeOptions, Draw, Image, Mask, decode, encode_png, encode_png_gray};

use super::inpainter::{Canvas, Inpainter, InpainterKind};
use super::journal::{Journal, Staged, encoded};
use super::{Composite, GivenMasks, Made, ProbeOptions, Refused, Shard, draw_mask, read_mask};
use crate::dataset::stem;
use crate::error::Error;
use crate::evaluate::counted;
use crate::files::{read_image, sha256_hex};
use crate::observe::{Event, Observer};

/// With what probes are made, and where.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// What fills the masks.
    pub inpainter: &'a dyn Inpainter,
    /// Masks and composite.
    pub options: &'a ProbeOptions,
    /// Masks to be used instead of drawn ones.
    pub masks: Option<&'a GivenMasks>,
    /// How image files become pixels.
    pub decoding: &'a DecodeOptions,
    /// Which of the images.
    pub shard: Shard,
    /// The folder.
    pub out: &'a Path,
}

/// Make one probe per image. Finished probes of an earlier run with the same images and options are kept. The mask
/// depends on seed and content of the image alone, so probes and null probes of one image and seed share theirs.
///
/// Probes come in the order of `images`, those of the shard alone.
///
/// # Errors
/// Two images of one stem, a folder that holds probes of the other kind or foreign files under names of probes, an engine or a program that fails, a folder that cannot be written, or a stop asked by the
/// observer; what was finished is kept. An image that cannot be decoded, or filled, is not an error: it is in the second
/// list.
pub fn make(
    images: &[PathBuf],
    making: &Making,
    observer: &dyn Observer,
) -> Result<(Vec<Made>, Vec<Refused>), Error> {
    making.options.check().map_err(Error::Options)?;
    let stems = distinct_stems(images)?;
    if let Some((count, first)) = making.masks.and_then(|masks| masks.unused(|stem| stems.contains(stem))) {
        let masks = counted(count, "mask");
        let message = format!("{masks} without a photograph of that stem, the first: {}", first.display());
        observer.event(Event::Warned { message: &message });
    }
    let (journal, known) = Journal::open(making.out, &stems, making.inpainter.kind())?;
    let mut run = Run {
        making,
        observer,
        journal,
        known,
        jobs: Vec::new(),
        canvases: Vec::new(),
        staged: Vec::new(),
        saved: None,
        made: BTreeMap::new(),
        refused: Vec::new(),
        refused_stems: BTreeSet::new(),
    };
    let own: Vec<&PathBuf> = images
        .iter()
        .enumerate()
        .filter(|(number, _)| making.shard.takes(*number))
        .map(|(_, path)| path)
        .collect();
    let step = match making.inpainter.kind() {
        InpainterKind::Null => "making null probes",
        InpainterKind::Resynthesis | InpainterKind::Command => "making probes",
    };
    observer.event(Event::Started { step, total: own.len() as u64 });
    for path in &own {
        if observer.cancelled() {
            run.save()?;
            return Err(Error::Interrupted);
        }
        run.take(path)?;
    }
    run.fill()?;
    run.save()?;
    observer.event(Event::Finished);
    let Run { journal, mut made, refused, refused_stems, .. } = run;
    let made: Vec<Made> = own.iter().filter_map(|path| made.remove(&stem(path))).collect();
    journal.finish(&made, &refused_stems)?;
    if made.is_empty() && !own.is_empty() {
        return Err(Error::Probes {
            message: format!(
                "{}: no probe could be made, {} refused",
                making.out.display(),
                counted(refused.len() as u64, "image")
            ),
            hint: refused
                .first()
                .map_or_else(String::new, |first| format!("the first: {}: {}", first.path, first.message)),
        });
    }
    Ok((made, refused))
}

/// A run under way.
struct Run<'a> {
    making: &'a Making<'a>,
    observer: &'a dyn Observer,
    journal: Journal,
    /// Rows of earlier runs.
    known: HashMap<String, Made>,
    /// To be filled: the jobs and, in the same order, what the inpainter sees of them.
    jobs: Vec<Job>,
    canvases: Vec<Canvas>,
    /// Filled, and not in the folder yet.
    staged: Vec<Staged>,
    saved: Option<Instant>,
    made: BTreeMap<String, Made>,
    refused: Vec<Refused>,
    refused_stems: BTreeSet<String>,
}

/// A photograph on its way to the inpainter.
struct Job {
    path: PathBuf,
    source_sha256: String,
    key: String,
    image: Image,
    mask: Mask,
}

/// What is known of an image before it is filled.
enum Prepared {
    Finished(Made),
    Open(Box<Job>),
}

/// Images that wait for the inpainter have at most this many pixels together, whatever their number.
const MOST_PIXELS: usize = 1 << 26;
/// A kill costs at most this many filled images, or the work of this time.
const UNSAVED: usize = 16;
const SAVED_EVERY: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Find the image's probe finished, or have it filled as soon as enough images wait.
    fn take(&mut self, path: &Path) -> Result<(), Error> {
        match self.prepare(path) {
            Err((kind, message)) => {
                self.refuse(path, kind, message);
                self.observer.event(Event::Advanced { by: 1 });
            }
            Ok(Prepared::Finished(row)) => {
                self.made.insert(row.stem.clone(), row);
                self.observer.event(Event::Advanced { by: 1 });
            }
            Ok(Prepared::Open(job)) => {
                let (image, mask) = self.making.options.composite.canvas(&job.image, &job.mask);
                self.canvases.push(Canvas { name: stem(path), image, mask });
                self.jobs.push(*job);
                let pixels: usize = self.jobs.iter().map(|job| job.mask.data().len()).sum();
                if self.jobs.len() >= self.making.inpainter.at_once() || pixels >= MOST_PIXELS {
                    self.fill()?;
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, path: &Path, kind: String, message: String) {
        self.refused_stems.insert(stem(path));
        self.refused.push(Refused { path: path.display().to_string(), kind, message });
    }

    /// Decode the image and find its mask; or the kind of error, and one line.
    fn prepare(&self, path: &Path) -> Result<Prepared, (String, String)> {
        let Making { options, decoding, masks, .. } = self.making;
        let bytes = read_image(path, decoding).map_err(|error| (error.kind.to_owned(), error.message))?;
        let stem = stem(path);
        let source_sha256 = sha256_hex(&bytes);
        let given = masks.map(|masks| masks.read(&stem, decoding)).transpose()?;
        let key = self.key(&source_sha256, given.as_ref().map(|mask| mask.sha256.as_str()));
        let finished = self.known.get(&stem).filter(|row| row.key == key && self.journal.is_whole(row));
        if let Some(row) = finished {
            return Ok(Prepared::Finished(row.clone()));
        }
        let decoded = decode(&bytes, decoding)
            .map_err(|error| (error.kind().as_str().to_owned(), error.to_string()))?;
        let image = decoded.image;
        let mask = match given {
            Some(given) => read_mask(&given.path, &given.bytes, image.size(), decoding)?,
            None => {
                let mut draw = Draw::keyed(options.seed, &[b"probe mask", source_sha256.as_bytes()]);
                draw_mask(image.width(), image.height(), &options.mask, &mut draw)
            }
        };
        Ok(Prepared::Open(Box::new(Job { path: path.to_owned(), source_sha256, key, image, mask })))
    }

    fn key(&self, source_sha256: &str, given_mask: Option<&str>) -> String {
        let Making { inpainter, options, decoding, .. } = self.making;
        let mask = match given_mask {
            Some(sha256) => serde_json::json!(sha256),
            None => serde_json::json!([options.seed, options.mask]),
        };
        let (kind, detail) = (inpainter.kind(), inpainter.describe());
        let parts = serde_json::json!([3, source_sha256, kind, detail, options.composite, mask, decoding]);
        sha256_hex(parts.to_string().as_bytes())
    }

    /// Have the waiting images filled and joined, and write them where it is time to.
    fn fill(&mut self) -> Result<(), Error> {
        let (jobs, canvases) = (std::mem::take(&mut self.jobs), std::mem::take(&mut self.canvases));
        if jobs.is_empty() {
            return Ok(());
        }
        let filled = self.making.inpainter.inpaint(&canvases, self.observer);
        for ((job, canvas), answer) in jobs.into_iter().zip(canvases).zip(filled.answers) {
            match answer {
                Ok(generated) => {
                    let staged = self.join(job, &canvas, &generated)?;
                    self.staged.push(staged);
                    let due = self.saved.is_none_or(|saved| saved.elapsed() >= SAVED_EVERY);
                    if due || self.staged.len() >= UNSAVED {
                        self.save()?;
                    }
                }
                Err(error) if filled.ended.is_none() => {
                    self.refuse(&job.path, error.kind.to_owned(), error.message);
                }
                // It may still be filled by the next run.
                Err(_) => {}
            }
        }
        match filled.ended {
            None => Ok(()),
            Some(error) => {
                self.save()?;
                Err(error)
            }
        }
    }

    /// The probe of a filled canvas, ready to be written.
    fn join(&self, job: Job, canvas: &Canvas, generated: &Image) -> Result<Staged, Error> {
        let Making { inpainter, options, masks, .. } = self.making;
        let Job { path, source_sha256, key, image, mask } = job;
        let probe = options.composite.join(&image, &mask, canvas, generated);
        let inside = mask.count_inside();
        let pixels = image.data().chunks_exact(3).zip(probe.data().chunks_exact(3));
        let changed = pixels.zip(mask.data()).filter(|((old, new), mask)| **mask > 127 && old != new).count();
        let changed_share = changed as f64 / inside.max(1) as f64;
        let (regenerated_share, weight_outside) = match options.composite {
            Composite::Sharp => (changed_share, 0.0),
            Composite::Reference => super::reference::shares(&mask),
        };
        let row = Made {
            schema: 1,
            stem: canvas.name.clone(),
            source: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            source_sha256,
            inpainter: inpainter.kind(),
            inpainter_detail: inpainter.describe(),
            composite: options.composite,
            mask: if masks.is_some() { "given" } else { options.mask.shape.as_str() }.to_owned(),
            seed: options.seed,
            mask_share: inside as f64 / mask.data().len() as f64,
            changed_share,
            regenerated_share: Some(regenerated_share),
            weight_outside: Some(weight_outside),
            key,
        };
        let mask = encoded(encode_png_gray(mask.width(), mask.height(), mask.data()))?;
        Ok(Staged { row, image: encoded(encode_png(&probe))?, mask })
    }

    /// Write what is staged.
    fn save(&mut self) -> Result<(), Error> {
        if !self.staged.is_empty() {
            for row in self.journal.commit(&mut self.staged)? {
                self.made.insert(row.stem.clone(), row);
            }
        }
        self.saved = Some(Instant::now());
        Ok(())
    }
}

fn distinct_stems(images: &[PathBuf]) -> Result<BTreeSet<String>, Error> {
    let mut seen: BTreeMap<String, &PathBuf> = BTreeMap::new();
    for path in images {
        if let Some(other) = seen.insert(stem(path), path) {
            return Err(Error::Probes {
                message: format!(
                    "{} and {} would both make probe {:?}",
                    other.display(),
                    path.display(),
                    stem(path)
                ),
                hint: "rename one; a probe's name is its image's name up to the first dot".to_owned(),
            });
        }
    }
    Ok(seen.into_keys().collect())
}
