//! The inpainter `command`: images and masks go into a folder, the user's program writes its pictures into another, and
//! each is checked before it is believed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dear_image::{DecodeOptions, Image, decode, encode_png, encode_png_gray};

use super::inpainter::{Canvas, Filled, Inpainter, InpainterKind, Unfilled};
use super::journal;
use super::program::{ProgramOptions, Words};
use crate::error::Error;
use crate::files::{TEMPORARY, read_image, write_atomic};
use crate::observe::{Event, Observer};

/// Runs a program of the user's on folders of PNG files: `input/NAME.png` (RGB) and `masks/NAME.png` (grey, 255 where
/// pixels are wanted) are given, `output/NAME.png` of the same size is expected.
pub struct Program {
    options: ProgramOptions,
    words: Words,
    /// Where the folders are made, and finished probes go.
    out: PathBuf,
}

impl Program {
    /// Checks the command; nothing is run yet. The exchange folders will be made in `out`.
    ///
    /// # Errors
    /// [`Error::Program`].
    pub fn new(options: &ProgramOptions, out: &Path) -> Result<Self, Error> {
        let words = Words::parse(&options.command)?;
        // The program may change its working directory.
        let out = std::path::absolute(out)?;
        Ok(Self { options: options.clone(), words, out })
    }

    fn exchange(&self, canvases: &[Canvas], observer: &dyn Observer) -> Result<Filled, Error> {
        let (folder, mut answers) = Folder::open(&self.out, &self.options.command, canvases)?;
        let asked: Vec<usize> = (0..canvases.len()).filter(|&at| answers[at].is_none()).collect();
        observer.event(Event::Advanced { by: (canvases.len() - asked.len()) as u64 });
        for &at in &asked {
            folder.ask(&canvases[at])?;
        }
        let mut seen = 0;
        let [input, masks, output] = ["input", "masks", "output"].map(|name| folder.path.join(name));
        let ran = if asked.is_empty() {
            Ok(())
        } else {
            self.words.run([&input, &masks, &output], self.options.timeout, || {
                let now = folder.written().map_or(0, |names| names.len()).min(asked.len()) as u64;
                if now > seen {
                    observer.event(Event::Advanced { by: now - seen });
                    seen = now;
                }
                !observer.cancelled()
            })
        };
        observer.event(Event::Advanced { by: asked.len() as u64 - seen });
        for &at in &asked {
            answers[at] = Some(folder.answer(&canvases[at]));
        }
        let names: BTreeSet<String> = canvases.iter().map(|canvas| file_name(&canvas.name)).collect();
        let foreign = folder.written()?.into_iter().find(|name| !names.contains(name));
        let ended = match (ran, foreign) {
            _ if observer.cancelled() => Some(Error::Interrupted),
            (Err(error), _) => Some(error.into()),
            (Ok(()), Some(file)) => Some(self.words.foreign(file).into()),
            (Ok(()), None) => None,
        };
        let answers: Vec<_> = answers.into_iter().flatten().collect();
        // All is well: nothing of it is needed any more. Else it stays, to be looked at, until the next run.
        if ended.is_none() && answers.iter().all(Result::is_ok) {
            folder.remove(&self.out)?;
        }
        Ok(Filled { answers, ended })
    }
}

impl Inpainter for Program {
    fn kind(&self) -> InpainterKind {
        InpainterKind::Command
    }
    fn describe(&self) -> String {
        self.options.command.clone()
    }
    fn at_once(&self) -> usize {
        self.options.batch.max(1) as usize
    }
    fn inpaint(&self, canvases: &[Canvas], observer: &dyn Observer) -> Filled {
        self.exchange(canvases, observer)
            .unwrap_or_else(|error| Filled { answers: Vec::new(), ended: Some(error) })
    }
}

/// For each canvas what came back for it, if anything did.
type Answers = Vec<Option<Result<Image, Unfilled>>>;

/// One exchange: `input`, `masks` and `output`, held by a lock as long as this process lives.
struct Folder {
    path: PathBuf,
    lock: fs_err::File,
}

const PREFIX: &str = "exchange-";

impl Folder {
    /// A new folder, and what killed runs with this command had back already. Their folders are removed: programs that
    /// outlived their run find nothing to write into.
    fn open(out: &Path, command: &str, canvases: &[Canvas]) -> Result<(Self, Answers), Error> {
        // Folders are found, made and removed under the lock of `out` only: nobody removes one while another opens it.
        let _held = journal::lock(out)?;
        let mut answers: Answers = vec![None; canvases.len()];
        for stale in Self::abandoned(out)? {
            if fs_err::read_to_string(stale.path.join("command")).is_ok_and(|text| text == command) {
                for (canvas, answer) in canvases.iter().zip(&mut answers) {
                    if answer.is_none() && stale.was_asked(canvas)? {
                        *answer = Some(stale.answer(canvas)).filter(Result::is_ok);
                    }
                }
            }
            // A program that is still writing may keep it alive; then the next run removes it.
            let _ = fs_err::remove_dir_all(&stale.path);
        }
        let path = tempfile::Builder::new()
            .prefix(&format!("{TEMPORARY}{PREFIX}"))
            .tempdir_in(out)
            .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", out.display())))?
            .keep();
        let lock = fs_err::File::create(path.join("lock"))?;
        lock.lock()?;
        for name in ["input", "masks", "output"] {
            fs_err::create_dir(path.join(name))?;
        }
        write_atomic(&path.join("command"), command.as_bytes())?;
        Ok((Self { path, lock }, answers))
    }

    /// Folders whose process is gone.
    fn abandoned(out: &Path) -> Result<Vec<Self>, Error> {
        let mut found = Vec::new();
        for entry in fs_err::read_dir(out)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.starts_with(&format!("{TEMPORARY}{PREFIX}")) {
                continue;
            }
            // Without the file, its maker was killed before it had come to it.
            let lock = fs_err::OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path.join("lock"))?;
            if lock.try_lock().is_ok() {
                found.push(Self { path, lock });
            }
        }
        Ok(found)
    }

    fn remove(self, out: &Path) -> Result<(), Error> {
        let _held = journal::lock(out)?;
        drop(self.lock);
        fs_err::remove_dir_all(&self.path)?;
        Ok(())
    }

    fn file(&self, folder: &str, canvas: &Canvas) -> PathBuf {
        self.path.join(folder).join(file_name(&canvas.name))
    }

    fn ask(&self, canvas: &Canvas) -> Result<(), Error> {
        let [image, mask] = encoded(canvas)?;
        write_atomic(&self.file("masks", canvas), &mask)?;
        write_atomic(&self.file("input", canvas), &image)?;
        Ok(())
    }

    /// Whether the very same picture and mask were asked for before.
    fn was_asked(&self, canvas: &Canvas) -> Result<bool, Error> {
        let files = ["input", "masks"].map(|folder| self.file(folder, canvas));
        if !files.iter().all(|file| file.is_file()) {
            return Ok(false);
        }
        let asked = encoded(canvas)?;
        Ok(files
            .iter()
            .zip(&asked)
            .all(|(file, bytes)| fs_err::read(file).is_ok_and(|found| found == *bytes)))
    }

    /// Names of what the program wrote; hidden names are its own affair.
    fn written(&self) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        for entry in fs_err::read_dir(self.path.join("output"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.insert(name);
            }
        }
        Ok(names)
    }

    /// The program's picture for a canvas, if it can be one.
    fn answer(&self, canvas: &Canvas) -> Result<Image, Unfilled> {
        let path = self.file("output", canvas);
        let name = format!("the program's {}", file_name(&canvas.name));
        let no = |kind, message| Err(Unfilled { kind, message });
        if !path.exists() {
            return no("missing", format!("the program wrote no {}", file_name(&canvas.name)));
        }
        let options = DecodeOptions::default();
        let bytes = match read_image(&path, &options) {
            Ok(bytes) => bytes,
            Err(error) => return no(error.kind, format!("{name}: {}", error.message)),
        };
        let image = match decode(&bytes, &options) {
            Ok(decoded) => decoded.image,
            Err(error) => return no(error.kind().as_str(), format!("{name}: {error}")),
        };
        if image.size() != canvas.image.size() {
            let ((w, h), (iw, ih)) = (image.size(), canvas.image.size());
            return no("size", format!("{name}: {w} x {h}, expected {iw} x {ih}"));
        }
        // A soft mask may have nothing above one half; then what it touches at all counts.
        let least = if canvas.mask.count_inside() > 0 { 128 } else { 1 };
        let inside = || {
            let pixels = image.data().chunks_exact(3).zip(canvas.image.data().chunks_exact(3));
            pixels.zip(canvas.mask.data()).filter(move |&(_, &value)| value >= least).map(|(pair, _)| pair)
        };
        if inside().all(|(new, _)| new == [0; 3]) {
            return no(
                "black",
                format!("{name}: black inside the mask, as a safety checker leaves it; expected a picture"),
            );
        }
        if inside().all(|(new, old)| new == old) {
            return no(
                "unchanged",
                format!("{name}: equal to its input inside the mask, expected generated pixels"),
            );
        }
        Ok(image)
    }
}

fn file_name(stem: &str) -> String {
    format!("{stem}.png")
}

fn encoded(canvas: &Canvas) -> Result<[Vec<u8>; 2], Error> {
    let (width, height) = canvas.mask.size();
    Ok([
        journal::encoded(encode_png(&canvas.image))?,
        journal::encoded(encode_png_gray(width, height, canvas.mask.data()))?,
    ])
}
