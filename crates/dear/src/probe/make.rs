//! Make a folder of probes, one per image, resumable and safe against a kill at any moment.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use dear_image::{DecodeOptions, Draw, decode, encode_png, encode_png_gray};
use serde::{Deserialize, Serialize};

use super::{Inpainter, InpainterKind, MaskOptions, compose, mask};
use crate::dataset::stem;
use crate::error::Error;
use crate::evaluate::counted;
use crate::files::{read_image, sha256_hex, write_atomic};
use crate::observe::{Event, Observer};

/// How probes are made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeOptions {
    /// Seeds the mask of every image, together with the image's content.
    pub seed: u64,
    /// The rectangle.
    pub mask: MaskOptions,
}

/// One line of `probes.jsonl`, the folder's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Version of this record.
    pub schema: u32,
    /// What the two file names begin with.
    pub stem: String,
    /// File name of the photograph.
    pub source: String,
    /// SHA-256 of the photograph's file.
    pub source_sha256: String,
    /// `resynthesis` or `null`.
    pub inpainter: InpainterKind,
    /// Model and scale.
    pub inpainter_detail: String,
    /// How real and generated were joined.
    pub composite: String,
    /// Seed of the mask.
    pub seed: u64,
    /// Share of the image inside the mask.
    pub mask_share: f64,
    /// Share of the masked pixels whose bytes differ from the photograph's.
    pub changed_share: f64,
    /// Hash of everything above that decides the pixels: a finished probe with this key is not made again.
    pub key: String,
}

/// An image of which no probe could be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The image.
    pub path: String,
    /// Kind of error, as in scan records.
    pub kind: String,
    /// One line.
    pub message: String,
}

/// Make one probe per image in `out`. Finished probes of an earlier run with the same images and options are kept.
/// `salt` is left out of the mask's key, so probes and null probes of one image and seed share their mask.
///
/// # Errors
/// Two images of one stem, an engine that fails, a folder that cannot be written, or a stop asked by the observer. An
/// image that cannot be decoded is not an error: it is in the second list.
pub fn make(
    images: &[PathBuf],
    inpainter: &dyn Inpainter,
    options: &ProbeOptions,
    decoding: &DecodeOptions,
    out: &Path,
    observer: &dyn Observer,
) -> Result<(Vec<Made>, Vec<Refused>), Error> {
    options.mask.check().map_err(Error::Options)?;
    refuse_colliding_stems(images)?;
    let journal = out.join("probes.jsonl");
    let mut known = read_journal(&journal);
    let (mut made, mut refused) = (Vec::with_capacity(images.len()), Vec::new());
    let step = match inpainter.kind() {
        InpainterKind::Resynthesis => "making probes",
        InpainterKind::Null => "making null probes",
    };
    observer.event(Event::Started { step, total: images.len() as u64 });
    let mut unsaved = 0;
    for path in images {
        if observer.cancelled() {
            write_journal(&journal, made.iter().chain(known.values()))?;
            return Err(Error::Interrupted);
        }
        let bytes = match read_image(path, decoding) {
            Ok(bytes) => bytes,
            Err(error) => {
                let path = path.display().to_string();
                refused.push(Refused { path, kind: error.kind.to_owned(), message: error.message });
                observer.event(Event::Advanced { by: 1 });
                continue;
            }
        };
        let stem = stem(path);
        let source_sha256 = sha256_hex(&bytes);
        let key = key(&source_sha256, inpainter, options, decoding);
        let (image_file, mask_file) =
            (out.join(format!("{stem}_inpaint.png")), out.join(format!("{stem}_mask.png")));
        let row = known.remove(&stem);
        let is_stale = row.as_ref().is_some_and(|row| row.key != key);
        let finished = row.filter(|row| row.key == key && image_file.is_file() && mask_file.is_file());
        if is_stale {
            // Its files are about to be overwritten: were the run killed then, the row would vouch for the wrong pixels.
            write_journal(&journal, made.iter().chain(known.values()))?;
        }
        match finished {
            Some(row) => made.push(row),
            None => match decode(&bytes, decoding) {
                Err(error) => refused.push(Refused {
                    path: path.display().to_string(),
                    kind: error.kind().as_str().to_owned(),
                    message: error.to_string(),
                }),
                Ok(decoded) => {
                    let image = decoded.image;
                    let mut draw = Draw::keyed(options.seed, &[b"probe mask", source_sha256.as_bytes()]);
                    let mask = mask::rectangle(image.width(), image.height(), &options.mask, &mut draw);
                    let probe = compose::sharp(&image, &inpainter.inpaint(&image, &mask)?, &mask);
                    let inside = mask.data().iter().filter(|&&value| value > 127).count();
                    let changed = image
                        .data()
                        .chunks_exact(3)
                        .zip(probe.data().chunks_exact(3))
                        .filter(|(a, b)| a != b)
                        .count();
                    let encoded = |result: Result<Vec<u8>, dear_image::EncodeError>| {
                        result.map_err(|error| Error::Options(error.to_string()))
                    };
                    write_atomic(
                        &mask_file,
                        &encoded(encode_png_gray(mask.width(), mask.height(), mask.data()))?,
                    )
                    .map_err(Error::Io)?;
                    write_atomic(&image_file, &encoded(encode_png(&probe))?).map_err(Error::Io)?;
                    made.push(Made {
                        schema: 1,
                        stem,
                        source: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                        source_sha256,
                        inpainter: inpainter.kind(),
                        inpainter_detail: inpainter.describe(),
                        composite: "sharp".to_owned(),
                        seed: options.seed,
                        mask_share: inside as f64 / mask.data().len() as f64,
                        changed_share: changed as f64 / inside.max(1) as f64,
                        key,
                    });
                    unsaved += 1;
                    // A kill costs at most these many probes made again.
                    if unsaved == 16 {
                        write_journal(&journal, made.iter().chain(known.values()))?;
                        unsaved = 0;
                    }
                }
            },
        }
        observer.event(Event::Advanced { by: 1 });
    }
    observer.event(Event::Finished);
    if made.is_empty() {
        return Err(Error::Probes {
            message: format!(
                "{}: no probe could be made, {} refused",
                out.display(),
                counted(refused.len() as u64, "image")
            ),
            hint: refused
                .first()
                .map_or_else(String::new, |first| format!("the first: {}: {}", first.path, first.message)),
        });
    }
    write_journal(&journal, made.iter())?;
    Ok((made, refused))
}

fn key(
    source_sha256: &str,
    inpainter: &dyn Inpainter,
    options: &ProbeOptions,
    decoding: &DecodeOptions,
) -> String {
    let (kind, detail) = (inpainter.kind(), inpainter.describe());
    let parts = serde_json::json!([2, source_sha256, kind, detail, "sharp", options, decoding]);
    sha256_hex(parts.to_string().as_bytes())
}

fn refuse_colliding_stems(images: &[PathBuf]) -> Result<(), Error> {
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
    Ok(())
}

/// Rows of an earlier run; a missing or unreadable journal only means that probes are made again.
pub(super) fn read_journal(path: &Path) -> HashMap<String, Made> {
    let text = fs_err::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Made>(line).ok())
        .map(|row| (row.stem.clone(), row))
        .collect()
}

fn write_journal<'a>(path: &Path, rows: impl Iterator<Item = &'a Made>) -> Result<(), Error> {
    let mut rows: Vec<&Made> = rows.collect();
    rows.sort_by(|a, b| a.stem.cmp(&b.stem));
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row).map_err(|error| Error::Options(error.to_string()))?);
        text.push('\n');
    }
    write_atomic(path, text.as_bytes()).map_err(Error::Io)
}
