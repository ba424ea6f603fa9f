//! The manifest of a folder of probes, `probes.jsonl`: several processes may write to the folder at once, any may be
//! killed, and the disk may be full; each row stands for two whole files that were made as it says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use dear_image::EncodeError;

use super::{InpainterKind, Made, claims};
use crate::error::Error;
use crate::evaluate::counted;
use crate::files::write_atomic;

/// Name of the manifest.
pub(super) const MANIFEST: &str = "probes.jsonl";
/// Its lock: a file of its own, since the manifest is replaced as a whole.
const LOCK: &str = ".probes.lock";

/// A probe that is made and not written yet.
pub(super) struct Staged {
    pub(super) row: Made,
    pub(super) image: Vec<u8>,
    pub(super) mask: Vec<u8>,
}

/// The manifest as one run sees it.
pub(super) struct Journal {
    out: PathBuf,
    path: PathBuf,
    kind: InpainterKind,
    /// Rows of photographs that this run does not know, as they were when it began: they go when it ends, unless another
    /// run has made them anew meanwhile.
    gone: Vec<(String, String)>,
}

impl Journal {
    /// What earlier runs left, by stem; probes of `kind` of `stems` are to be made. A folder that holds something else under
    /// their names is refused.
    pub(super) fn open(
        out: &Path,
        stems: &BTreeSet<String>,
        kind: InpainterKind,
    ) -> Result<(Self, HashMap<String, Made>), Error> {
        fs_err::create_dir_all(out)?;
        let path = out.join(MANIFEST);
        let _held = lock(out)?;
        let rows = read(&path);
        refuse_other_kind(out, &rows, kind)?;
        claims::refuse_foreign(out, stems.iter().filter(|stem| !rows.contains_key(*stem)))?;
        let strangers = rows.values().filter(|row| !stems.contains(&row.stem));
        let gone = strangers.map(|row| (row.stem.clone(), row.key.clone())).collect();
        Ok((Self { out: out.to_owned(), path, kind, gone }, rows))
    }

    /// Whether both files of a row are there.
    pub(super) fn is_whole(&self, row: &Made) -> bool {
        files(&self.out, &row.stem).iter().all(|file| file.is_file())
    }

    /// Write the files of `staged` and their rows, and return the rows. What another process finished alike meanwhile
    /// stays as it is.
    pub(super) fn commit(&self, staged: &mut Vec<Staged>) -> Result<Vec<Made>, Error> {
        let _held = lock(&self.out)?;
        let mut rows = read(&self.path);
        refuse_other_kind(&self.out, &rows, self.kind)?;
        let mut done = Vec::with_capacity(staged.len());
        staged.retain(|probe| match rows.get(&probe.row.stem) {
            Some(row) if row.key == probe.row.key && self.is_whole(row) => {
                done.push(row.clone());
                false
            }
            _ => true,
        });
        claims::claim(&self.out, staged)?;
        let stale = staged.iter().filter(|probe| rows.remove(&probe.row.stem).is_some()).count();
        if stale > 0 {
            // Their files are about to be overwritten: were the run killed then, a row would vouch for wrong pixels.
            write(&self.path, &rows)?;
        }
        let mut written = Ok(());
        for probe in staged.drain(..) {
            let [image, mask] = files(&self.out, &probe.row.stem);
            written = write_atomic(&mask, &probe.mask).and_then(|()| write_atomic(&image, &probe.image));
            if written.is_err() {
                break;
            }
            rows.insert(probe.row.stem.clone(), probe.row.clone());
            done.push(probe.row);
        }
        // Those written before the disk was full count.
        write(&self.path, &rows)?;
        written?;
        Ok(done)
    }

    /// Drop the rows of photographs that are gone or refused; `made` must still stand as this run made it.
    pub(super) fn finish(&self, made: &[Made], refused: &BTreeSet<String>) -> Result<(), Error> {
        let _held = lock(&self.out)?;
        let mut rows = read(&self.path);
        let lost =
            made.iter().filter(|row| rows.get(&row.stem).is_none_or(|found| found.key != row.key)).count();
        if lost > 0 {
            return Err(Error::Probes {
                message: format!(
                    "{}: {} of this run replaced by a run with other options at the same time",
                    self.out.display(),
                    counted(lost as u64, "probe")
                ),
                hint: "use another --out for other options, and run this again".to_owned(),
            });
        }
        for (stem, key) in &self.gone {
            if rows.get(stem).is_some_and(|row| row.key == *key) {
                rows.remove(stem);
            }
        }
        rows.retain(|stem, _| !refused.contains(stem));
        write(&self.path, &rows)
    }
}

/// Null probes and generated ones are never both in one folder, and never take each other's place.
fn refuse_other_kind(out: &Path, rows: &HashMap<String, Made>, kind: InpainterKind) -> Result<(), Error> {
    let other = |row: &&Made| row.inpainter.generates() != kind.generates();
    let Some(row) = rows.values().find(other) else { return Ok(()) };
    Err(Error::Probes {
        message: format!(
            "{}: holds {} probes, expected {} ones or none",
            out.display(),
            row.inpainter.as_str(),
            kind.as_str()
        ),
        hint: "give another --out: null probes and generated ones need a folder each".to_owned(),
    })
}

/// Image and mask of a stem.
pub(super) fn files(out: &Path, stem: &str) -> [PathBuf; 2] {
    [out.join(format!("{stem}_inpaint.png")), out.join(format!("{stem}_mask.png"))]
}

/// Wait for the folder, and hold it until the file is dropped. A process that is killed lets go of it.
pub(super) fn lock(out: &Path) -> Result<fs_err::File, Error> {
    let file = fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(out.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

/// Rows of earlier runs; a missing or unreadable manifest only means that probes are made again.
pub(super) fn read(path: &Path) -> HashMap<String, Made> {
    let text = fs_err::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Made>(line).ok())
        .map(|row| (row.stem.clone(), row))
        .collect()
}

fn write(path: &Path, rows: &HashMap<String, Made>) -> Result<(), Error> {
    let sorted: BTreeMap<&String, &Made> = rows.iter().collect();
    let mut text = String::new();
    for row in sorted.values() {
        text.push_str(&serde_json::to_string(row).map_err(|error| Error::Options(error.to_string()))?);
        text.push('\n');
    }
    write_atomic(path, text.as_bytes()).map_err(Error::Io)
}

/// A PNG, or the error that ends the run.
pub(super) fn encoded(result: Result<Vec<u8>, EncodeError>) -> Result<Vec<u8>, Error> {
    result.map_err(|error| Error::Options(error.to_string()))
}
