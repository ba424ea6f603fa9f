//! What all cases share: run the program, find sample photographs, make odd files, compare folders.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Arguments of any string kind: `args!["scan", &folder, "--format", "jsonl"]`.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { ::std::vec::Vec::<::std::ffi::OsString>::from([$(::std::ffi::OsString::from(::std::convert::AsRef::<::std::ffi::OsStr>::as_ref(&$arg))),*]) };
}
pub(crate) use args;

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The run itself, if it ended with `code`; else the test ends and shows all of it.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code; {self:#?}");
        self
    }

    /// Lines of stderr that begin with `prefix`, without it.
    pub(crate) fn talk(&self, prefix: &str) -> Vec<&str> {
        self.stderr.lines().filter_map(|line| line.strip_prefix(prefix)).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The program with `args`; commands that run a network get `--engine builtin`, scans remember nothing. The machine's own
/// settings and cache do not count.
pub(crate) fn command(mut args: Vec<OsString>) -> Command {
    if args.first().is_some_and(|first| first == "scan") && !args.iter().any(|arg| arg == "--cache") {
        args.insert(1, "--no-cache".into());
    }
    remembering(args)
}

/// As [`command`], and a scan uses the cache in the folder that `DEAR_CACHE` names.
pub(crate) fn remembering(args: Vec<OsString>) -> Command {
    let network = [
        "audit",
        "calibrate",
        "scan",
        "serve",
        "explain",
        "evaluate",
        "harden",
        "fit",
        "sweep",
        "probe",
        "dissect",
        "refine",
        "parity",
        "doctor",
    ];
    let engine = network.iter().any(|name| args.first().is_some_and(|first| first == name));
    let mut command = Command::new(env!("CARGO_BIN_EXE_dear"));
    command.args(&args).stdin(Stdio::null()).env_remove("DEAR_ONNXRUNTIME").env_remove("DEAR_THREADS");
    command.env("DEAR_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-cache"));
    if engine {
        command.args(["--engine", "builtin"]);
    }
    command
}

/// Run the program to its end.
pub(crate) fn dear(args: Vec<OsString>) -> Ran {
    command(args).output().unwrap().into()
}

/// The first `n` sample photographs of a split, sorted by name: PNG and JPEG of 256 x 256 pixels.
pub(crate) fn samples(split: &str, n: usize) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples").join(split).join("real/kodak");
    let mut paths: Vec<PathBuf> =
        fs_err::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= n, "{} photographs in {}", paths.len(), folder.display());
    paths.truncate(n);
    paths
}

/// One sample photograph that is a JPEG (or is not).
pub(crate) fn sample(jpeg: bool) -> PathBuf {
    samples("test", 10)
        .into_iter()
        .find(|path| (path.extension() == Some(OsStr::new("jpg"))) == jpeg)
        .unwrap()
}

/// Copy files into a folder, which is made; returns the folder.
pub(crate) fn folder_of(files: &[PathBuf], folder: PathBuf) -> PathBuf {
    fs_err::create_dir_all(&folder).unwrap();
    for file in files {
        fs_err::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    folder
}

/// Stand-ins for generated images: photographs reduced and enlarged again, with a name of their own. What the head
/// learns from them is of no matter here.
pub(crate) fn stand_ins(files: &[PathBuf], folder: PathBuf) -> PathBuf {
    fs_err::create_dir_all(&folder).unwrap();
    for file in files {
        let image = picture(file);
        let coarse = dear_image::Image::from_fn(image.width(), image.height(), |x, y| {
            image.pixel(x / 2 * 2, y / 2 * 2)
        });
        let name = format!("made-{}.png", file.file_stem().unwrap().to_string_lossy());
        fs_err::write(folder.join(name), dear_image::encode_png(&coarse).unwrap()).unwrap();
    }
    folder
}

/// The pixels of a file.
pub(crate) fn picture(path: &Path) -> dear_image::Image {
    dear_image::decode(&fs_err::read(path).unwrap(), &dear_image::DecodeOptions::default()).unwrap().image
}

/// The first half of a JPEG.
pub(crate) fn truncated_jpeg(path: PathBuf) {
    let whole = fs_err::read(sample(true)).unwrap();
    fs_err::write(path, &whole[..whole.len() / 2]).unwrap();
}

/// 65 bytes that claim to be a PNG of 60000 x 60000 pixels.
pub(crate) const HUGE_PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\xea`\x00\x00\xea`\x08\x02\x00\x00\x00\x0f\xb0\xe2\x15\x00\x00\x00\x08IDATx\x9c\x03\x00\x00\x00\x00\x01H\x06\x89\xd2\x00\x00\x00\x00IEND\xaeB`\x82";

/// Every file below a folder by its relative path; not hidden ones, which no listing sees: what a killed run left, locks.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs_err::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs_err::read(&path).unwrap());
            }
        }
    }
    found
}

/// Names of all leftovers of an atomic write below a folder.
pub(crate) fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs_err::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with(".dear-") {
                found.push(path);
            } else if path.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

/// Two folders hold the same files with the same bytes, `at_least` of them.
#[track_caller]
pub(crate) fn assert_same_files(a: &Path, b: &Path, at_least: usize) {
    let (a, b) = (contents(a), contents(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let different: Vec<&String> =
        a.iter().filter(|(name, bytes)| b[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(different.is_empty(), "differ: {different:?}");
    assert!(a.len() >= at_least, "only {} files: {:?}", a.len(), a.keys());
}

/// The lines of a JSONL text.
pub(crate) fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Ask a running program to stop, as Ctrl-C does.
#[cfg(unix)]
pub(crate) fn interrupt(child: &std::process::Child) {
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

/// When each file whose name contains `part` was last written, sorted by name. Files that vanish meanwhile do not count.
pub(crate) fn times(folder: &Path, part: &str) -> Vec<(String, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if let (true, false, Ok(data)) = (name.contains(part), name.starts_with(".dear-"), entry.metadata()) {
            found.push((name, data.modified().unwrap()));
        }
    }
    found.sort();
    found
}

/// A small training set (six photographs, six stand-ins for generated images) and a validation set of other scenes.
pub(crate) struct Training {
    pub(crate) temp: tempfile::TempDir,
    pub(crate) real: PathBuf,
    pub(crate) fake: PathBuf,
    pub(crate) val: PathBuf,
}

impl Training {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let real = folder_of(&samples("train", 6), temp.path().join("train/real"));
        let fake = stand_ins(&samples("train", 12).split_off(6), temp.path().join("train/fake"));
        let val = temp.path().join("held");
        folder_of(&samples("val", 3), val.join("val/real"));
        stand_ins(&samples("val", 6).split_off(3), val.join("val/fake"));
        Self { temp, real, fake, val }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// `dear harden` on this set with two views, into `{name}/h.onnx`.
    pub(crate) fn harden(&self, name: &str, more: &[OsString]) -> Vec<OsString> {
        let out = self.path(name).join("h.onnx");
        [
            args!["harden", "--real", &self.real, "--fake", &self.fake, "--views", "2", "--out", out],
            more.to_vec(),
        ]
        .concat()
    }
}
