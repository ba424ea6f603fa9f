//! What people and programs read: stdout is data, stderr is talk.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use dear::error::Error;
use dear::evaluate::counted;
pub(crate) use dear::files::one_line;
use dear::files::place;
use dear::probe::Refused;
use serde::Serialize;

/// A line of data on stdout.
pub(crate) fn line(text: impl Display) -> Result<(), Error> {
    writeln!(io::stdout().lock(), "{text}").map_err(Error::Io)
}

/// A sentence of data on stdout, broken between words at 100 columns.
pub(crate) fn paragraph(text: &str) -> Result<(), Error> {
    let mut open = String::new();
    for word in text.split(' ') {
        if !open.is_empty() && open.chars().count() + 1 + word.chars().count() > 100 {
            line(&open)?;
            open.clear();
        }
        if !open.is_empty() {
            open.push(' ');
        }
        open.push_str(word);
    }
    line(open)
}

/// A line of talk on stderr.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Something the user should know.
pub(crate) fn warning(text: impl Display) {
    note(format_args!("warning: {}", one_line(text)));
}

/// An error and what to do about it.
pub(crate) fn error(error: &Error) {
    note(format_args!("error: {}", one_line(error)));
    if let Some(hint) = error.hint().filter(|hint| !hint.is_empty()) {
        note(format_args!("hint: {}", one_line(hint)));
    }
}

/// Images that could not be used: the first few, and how many.
pub(crate) fn refused(list: &[Refused]) {
    warnings(
        list,
        |refused| format!("{}: refused ({}): {}", refused.path, refused.kind, refused.message),
        |more| {
            let was = if more == 1 { "was" } else { "were" };
            format!("{} {was} refused", counted(more as u64, "more image"))
        },
    );
}

/// A warning for each of the first few, and what `rest` says of the number of the others.
pub(crate) fn warnings<T>(list: &[T], line: impl Fn(&T) -> String, rest: impl FnOnce(usize) -> String) {
    const SHOWN: usize = 5;
    list.iter().take(SHOWN).for_each(|item| warning(line(item)));
    if list.len() > SHOWN {
        warning(rest(list.len() - SHOWN));
    }
}

/// `value` as JSON on stdout.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    line(pretty(value)?)
}

/// Write `value` as JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    write(path, format!("{}\n", pretty(value)?).as_bytes())
}

fn pretty(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string_pretty(value).map_err(|error| Error::Options(error.to_string()))
}

/// Write a file, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    dear::files::write_atomic(path, bytes).map_err(Error::Io)
}

/// Read a JSON file that this program wrote.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path, what: &str) -> Result<T, Error> {
    let text = fs_err::read_to_string(path)?;
    serde_json::from_str(&text).map_err(|error| Error::Images {
        message: format!("{}: not {what}: {error}", path.display()),
        hint: format!("give {what}"),
    })
}

/// Refuse early, before long work, where the folder of `path` cannot be written to.
pub(crate) fn check_writable(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        let message = format!("{}: is a folder, expected a file", path.display());
        return Err(Error::Images { message, hint: "name the file that is to be written".to_owned() });
    } else if path.exists() && !path.is_file() {
        // It would be replaced, whatever it is.
        let message = format!("{}: is no regular file, expected one, or none yet", path.display());
        return Err(Error::Images { message, hint: "name the file that is to be written".to_owned() });
    }
    // Folders that are not there are made when the file is: a run that fails leaves none.
    let folder = path.parent().unwrap_or(Path::new(""));
    check_no_file(folder)?;
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    try_file(there)
}

/// Refuse to write over what is read.
pub(crate) fn check_other(
    out: &Path,
    inputs: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<(), Error> {
    let own = place(out);
    match inputs.into_iter().any(|input| place(input.as_ref()) == own) {
        false => Ok(()),
        true => Err(Error::Images {
            message: format!("{}: is the input, expected another file", out.display()),
            hint: "name another file with --out".to_owned(),
        }),
    }
}

/// Refuse early, before long work, where a file stands at `folder` or above it.
pub(crate) fn check_no_file(folder: &Path) -> Result<(), Error> {
    let Some(file) = folder.ancestors().find(|path| path.is_file()) else { return Ok(()) };
    let above = if file == folder { String::new() } else { format!("{} ", file.display()) };
    let message = format!("{}: {above}is a file, expected a folder", folder.display());
    Err(Error::Io(io::Error::new(io::ErrorKind::NotADirectory, message)))
}

/// Make `folder` and try a file in it.
pub(crate) fn check_folder_writable(folder: &Path) -> Result<(), Error> {
    check_no_file(folder)?;
    fs_err::create_dir_all(folder)?;
    try_file(folder)
}

fn try_file(folder: &Path) -> Result<(), Error> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("{}: cannot be written to: {error}", folder.display()))
    };
    tempfile::Builder::new().prefix(".dear-").tempfile_in(folder).map_err(named)?;
    Ok(())
}
