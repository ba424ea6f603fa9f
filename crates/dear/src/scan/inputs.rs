//! What is to be scanned: files, folders, patterns, a list on stdin, tables of images; one item after the other.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pattern::{Pattern, is_pattern};
use super::rows::{self, Table, Unfit};
use super::{Refusal, Shard};
use crate::dataset::{DatasetError, Walked, walk};
use crate::error::Error;
use crate::files::place;

/// How inputs are read.
#[derive(Debug, Clone, Default)]
pub struct InputOptions {
    /// Paths on stdin end in NUL, not in a line break.
    pub null: bool,
    /// The column of Parquet files that holds images. Default: the first of `image`, `bytes` and `content` that is there.
    pub column: Option<String>,
    /// Only a part of the items.
    pub shard: Option<Shard>,
    /// The file that the records are to replace, which is never an input, in whatever part.
    pub output: Option<PathBuf>,
}

/// Inputs whose listing is as it should be. Nothing of it is held: they are listed again while they are scanned.
pub struct Inputs {
    named: Vec<Named>,
    options: InputOptions,
    total: Option<u64>,
}

/// One argument.
#[derive(Debug, Clone)]
enum Named {
    /// A file, or a path where nothing is.
    File(PathBuf),
    Folder(PathBuf),
    Pattern(Pattern),
    Stdin,
}

/// One image, or why there is none.
pub(super) enum Item {
    /// A file that is still to be read.
    File(PathBuf),
    /// A row of a table.
    Bytes { name: PathBuf, row: u64, bytes: Vec<u8> },
    Refused {
        name: PathBuf,
        /// Of a table.
        row: Option<u64>,
        refusal: Refusal,
    },
    /// What ends the scan: the file that the records are to replace, a list that is not what it was said to be.
    Wrong { message: String, hint: &'static str },
}

pub(super) type Items = Box<dyn Iterator<Item = Item> + Send>;
type Paths = Box<dyn Iterator<Item = Result<PathBuf, DatasetError>> + Send>;

impl Inputs {
    /// The inputs that `paths` name, in that order, a folder's files sorted by name. A file of a name wins over a pattern of
    /// that text. `-` is a list of paths on stdin. Everything but that is listed once, so that what is wrong is said before
    /// any work, and the number of items is known.
    ///
    /// # Errors
    /// Where nothing is at any of the paths, for a folder without any image, a pattern that nothing fits, a Parquet file
    /// without images or whose compression is not read here, Parquet files without any row where there is nothing else, `-`
    /// twice, an option for inputs of which there are none, and [`InputOptions::output`] among the files. A missing path among
    /// others is an item that cannot be read.
    pub fn new(paths: &[PathBuf], mut options: InputOptions) -> Result<Self, Error> {
        options.output = options.output.as_deref().map(place);
        let named = paths.iter().map(|path| Named::new(path)).collect::<Result<Vec<_>, _>>()?;
        match named.iter().filter(|named| matches!(named, Named::Stdin)).count() {
            0 if options.null => {
                return Err(wrong(
                    "paths that end in NUL, and no list of paths".to_owned(),
                    "a list on stdin is given as -",
                ));
            }
            0 | 1 => {}
            _ => return Err(wrong("- stands twice, expected once".to_owned(), "stdin is read once")),
        }
        let missing = |named: &Named| matches!(named, Named::File(path) if fs_err::metadata(path).is_err());
        if let (Some(Named::File(path)), true) = (named.first(), named.iter().all(missing)) {
            let expected = "expected an image or a folder of images";
            return Err(wrong(format!("{}: does not exist, {expected}", path.display()), "check the path"));
        }
        if let (Some(column), false) = (&options.column, named.iter().any(Named::may_be_a_table)) {
            return Err(wrong(
                format!("a column of Parquet files ({column:?}), and no such file among the inputs"),
                "a Parquet file is named itself and ends in .parquet or .pq; 'FOLDER/*.parquet' names those of a folder",
            ));
        }
        let mut inputs = Self { named, options, total: None };
        inputs.total = inputs.count()?;
        Ok(inputs)
    }

    /// How many items there are; unknown with a list on stdin. Files that come or go meanwhile are not in it.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether a run without any item is none: a list on stdin that says nothing.
    pub(super) fn need_an_item(&self) -> bool {
        self.total.is_none() && self.options.shard.is_none()
    }

    fn count(&self) -> Result<Option<u64>, Error> {
        let (mut total, mut streamed) = (0, false);
        for named in &self.named {
            let passed_over = Arc::new(AtomicU64::new(0));
            let Some(paths) = named.clone().paths(&passed_over) else {
                streamed = true;
                continue;
            };
            let mut found = false;
            for path in paths {
                found = true;
                total += self.options.count(&path?)?;
            }
            if !found {
                return Err(named.nothing(passed_over.load(Ordering::Relaxed)));
            }
        }
        match self.named.first() {
            // A part may have nothing of a whole that has.
            Some(first) if total == 0 && !streamed && self.options.shard.is_none() => {
                let (path, none) = (first.name(), "no image found (Parquet without any row)");
                let message = format!("{}: {none}, expected at least one", path.display());
                Err(wrong(message, "a row is an image"))
            }
            _ => Ok((!streamed).then_some(total)),
        }
    }

    /// All items; files passed over are counted meanwhile. An input that went away since it was counted is an item that
    /// cannot be read.
    pub(super) fn items(self, passed_over: &Arc<AtomicU64>) -> Items {
        let (options, passed_over) = (Arc::new(self.options), passed_over.clone());
        Box::new(self.named.into_iter().flat_map(move |named| {
            let options = options.clone();
            match named.clone().paths(&passed_over) {
                Some(paths) => items_of(named, paths, options),
                None => {
                    let passed_over = passed_over.clone();
                    Box::new(listed(options.null).flat_map(move |line| match line {
                        Ok(path) => {
                            let named = if path.is_dir() { Named::Folder(path) } else { Named::File(path) };
                            let paths = named
                                .clone()
                                .paths(&passed_over)
                                .unwrap_or_else(|| Box::new(std::iter::empty()));
                            items_of(named, paths, options.clone())
                        }
                        Err(item) => one(item),
                    }))
                }
            }
        }))
    }
}

impl Named {
    fn new(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self::Stdin);
        }
        match fs_err::metadata(path) {
            Ok(data) if data.is_dir() => Ok(Self::Folder(path.to_owned())),
            Err(_) if is_pattern(path) => {
                let text = path.to_str().unwrap_or_default();
                Pattern::parse(text).map(Self::Pattern).map_err(|error| {
                    wrong(
                        format!("{text}: does not exist, and is no pattern: {error}"),
                        "in a pattern, [[] stands for [",
                    )
                })
            }
            _ => Ok(Self::File(path.to_owned())),
        }
    }

    /// The files that it names; of stdin nobody knows yet.
    fn paths(self, passed_over: &Arc<AtomicU64>) -> Option<Paths> {
        Some(match self {
            Self::File(path) => Box::new(std::iter::once(Ok(path))),
            Self::Folder(path) => {
                let passed_over = passed_over.clone();
                Box::new(walk(&path, usize::MAX).filter_map(move |found| match found {
                    Ok(Walked::Image(path)) => Some(Ok(path)),
                    Ok(Walked::Document(_) | Walked::Foreign) => {
                        passed_over.fetch_add(1, Ordering::Relaxed);
                        None
                    }
                    Err(error) => Some(Err(error)),
                }))
            }
            Self::Pattern(pattern) if !pattern.has_base() => Box::new(std::iter::empty()),
            Self::Pattern(pattern) => Box::new(pattern.files()),
            Self::Stdin => return None,
        })
    }

    /// Whether it may name Parquet files; of a folder they are passed over.
    fn may_be_a_table(&self) -> bool {
        match self {
            Self::File(path) => rows::is_table(path),
            Self::Folder(_) => false,
            Self::Pattern(_) | Self::Stdin => true,
        }
    }

    fn name(&self) -> PathBuf {
        match self {
            Self::File(path) | Self::Folder(path) => path.clone(),
            Self::Pattern(pattern) => PathBuf::from(pattern.text()),
            Self::Stdin => PathBuf::from("-"),
        }
    }

    /// It was gone through, and there was nothing.
    fn nothing(&self, skipped: u64) -> Error {
        match self {
            Self::Pattern(pattern) => wrong(
                format!("{}: no file fits this pattern", pattern.text()),
                "* stops at /, ** goes through folders, case counts; hidden files do not fit",
            ),
            other => {
                let path = other.name();
                let empty = DatasetError::Empty { path: path.display().to_string(), skipped };
                match tables_below(&path) {
                    Some(pattern) => wrong(
                        empty.to_string(),
                        &format!("name Parquet files themselves: '{}'", pattern.display()),
                    ),
                    None => empty.into(),
                }
            }
        }
    }
}

/// A pattern for the Parquet files of a folder, which its listing passes over; nothing where there is none.
fn tables_below(folder: &Path) -> Option<PathBuf> {
    let table = walk(folder, usize::MAX).find_map(|found| match found {
        Ok(Walked::Document(path)) if rows::is_table(&path) => Some(path),
        _ => None,
    })?;
    let name = format!("*.{}", table.extension()?.display());
    let inside = if table.parent() == Some(folder) { folder.to_owned() } else { folder.join("**") };
    Some(inside.join(name))
}

impl InputOptions {
    fn holds(&self, name: &Path) -> bool {
        self.shard.is_none_or(|shard| shard.holds(name))
    }

    fn replaces(&self, path: &Path) -> bool {
        self.output.as_ref().is_some_and(|output| *output == place(path))
    }

    /// How many items a file is.
    fn count(&self, path: &Path) -> Result<u64, Error> {
        if self.replaces(path) {
            let (message, hint) = replaced(path);
            return Err(wrong(message, hint));
        }
        if rows::is_table(path) {
            match Table::open(path, self.column.as_deref()) {
                Ok(table) => return Ok(table.count(self.shard)),
                Err(Unfit::Unreadable(_)) => {}
                Err(Unfit::Unusable(Refusal { message, hint, .. })) => {
                    let message = format!("{}: {message}", path.display());
                    return Err(wrong(message, &hint.unwrap_or_default()));
                }
            }
        }
        Ok(u64::from(self.holds(path)))
    }

    /// A file's item, or those of a table.
    pub(super) fn items(&self, path: PathBuf) -> Items {
        if self.replaces(&path) {
            let (message, hint) = replaced(&path);
            return one(Item::Wrong { message, hint });
        }
        if rows::is_table(&path) {
            match Table::open(&path, self.column.as_deref()) {
                Ok(table) => return Box::new(table.rows(self.shard)),
                Err(_) if !self.holds(&path) => {}
                Err(Unfit::Unreadable(refusal) | Unfit::Unusable(refusal)) => {
                    return one(Item::Refused { name: path, row: None, refusal });
                }
            }
            return Box::new(std::iter::empty());
        }
        if self.holds(&path) { one(Item::File(path)) } else { Box::new(std::iter::empty()) }
    }
}

/// The items of the files that something names, of which there must be one.
fn items_of(named: Named, paths: Paths, options: Arc<InputOptions>) -> Items {
    let mut paths = paths.peekable();
    if paths.peek().is_none() {
        let name = named.name();
        let message = named.nothing(0).to_string();
        return if options.holds(&name) { one(refused(name, message)) } else { Box::new(std::iter::empty()) };
    }
    Box::new(paths.flat_map(move |path| match path {
        Ok(path) => options.items(path),
        Err(error) => one(refused(named.name(), error.to_string())),
    }))
}

/// The paths of a list on stdin, or what to make of what is none. Bytes of names are kept as they are.
fn listed(null: bool) -> impl Iterator<Item = Result<PathBuf, Item>> + Send {
    let mut lines = BufReader::new(std::io::stdin()).split(if null { 0 } else { b'\n' });
    let (mut first, mut failed) = (true, false);
    std::iter::from_fn(move || {
        loop {
            if failed {
                return None;
            }
            let mut line = match lines.next()? {
                Ok(line) => line,
                // It would fail again and again.
                Err(error) => {
                    failed = true;
                    return Some(Err(refused(PathBuf::from("-"), format!("stdin: {error}"))));
                }
            };
            if !null {
                // No path has it.
                if line.contains(&0) {
                    failed = true;
                    return Some(Err(Item::Wrong {
                        message: "stdin: a line with NUL, expected a path a line".to_owned(),
                        hint: "a list of paths that end in NUL is read with --null",
                    }));
                }
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                // A byte-order mark is of the list, not of a name.
                if std::mem::take(&mut first) && line.starts_with(b"\xef\xbb\xbf") {
                    line.drain(..3);
                }
            }
            if !line.is_empty() {
                return Some(Ok(super::path_of(line).unwrap_or_default()));
            }
        }
    })
}

fn one(item: Item) -> Items {
    Box::new(std::iter::once(item))
}

fn refused(name: PathBuf, message: String) -> Item {
    Item::Refused { name, row: None, refusal: Refusal { kind: "unreadable".to_owned(), message, hint: None } }
}

/// An input that the records would replace, and what to do.
fn replaced(path: &Path) -> (String, &'static str) {
    (
        format!("{}: is an input, expected another file for the records", path.display()),
        "name another file with --out",
    )
}

pub(super) fn wrong(message: String, hint: &str) -> Error {
    Error::Images { message, hint: hint.to_owned() }
}
