//! What is wrong with the input or the machine: one `error:` line, one `hint:` line, exit code 2 or 3, nothing left behind.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::support::{args, contents, dear, folder_of, samples, stand_ins};

struct Place {
    temp: tempfile::TempDir,
    real: PathBuf,
    fake: PathBuf,
    out: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let real = folder_of(&samples("train", 2), temp.path().join("data/real"));
        let fake = stand_ins(&samples("train", 2), temp.path().join("data/fake"));
        let out = temp.path().join("out");
        Self { temp, real, fake, out }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.temp.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, bytes).unwrap();
        path
    }

    fn harden(&self, more: Vec<OsString>) -> Vec<OsString> {
        [args!["harden", "--real", &self.real, "--fake", &self.fake, "--out", self.out.join("h.onnx")], more]
            .concat()
    }
}

/// Runs, and compares exit code, error and hint; the output folder is empty or absent afterwards.
#[track_caller]
fn fails(place: &Place, args: Vec<OsString>, code: i32, error: &str, hint: &str) {
    let ran = dear(args).expect(code);
    let (errors, hints) = (ran.talk("error: "), ran.talk("hint: "));
    assert_eq!((errors.len(), hints.len()), (1, 1), "{}", ran.stderr);
    assert!(errors[0].contains(error), "expected {error:?} in {:?}", errors[0]);
    assert!(hints[0].contains(hint), "expected {hint:?} in {:?}", hints[0]);
    let notes = ran.stderr.lines().filter(|line| line.starts_with("no --detector given")).count();
    assert_eq!(ran.stderr.lines().count(), 2 + notes, "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    if place.out.exists() {
        assert_eq!(contents(&place.out).into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "left behind");
    }
}

#[test]
fn folders_that_are_not_there_or_hold_nothing() {
    let place = Place::new();
    let none = place.temp.path().join("none");
    let empty = place.temp.path().join("empty");
    fs_err::create_dir_all(&empty).unwrap();
    let one_class = place.temp.path().join("one-class");
    folder_of(&samples("test", 2), one_class.join("real"));
    fs_err::create_dir_all(one_class.join("fake")).unwrap();
    let missing = "none: does not exist, expected";
    let path = "check the path";
    let out = || place.out.join("x.json");
    fails(&place, args!["scan", &none], 2, missing, path);
    fails(&place, args!["scan", &empty], 2, "no image found", "searched recursively");
    fails(&place, args!["explain", &none, "--out", place.out.join("x.png")], 2, "none", path);
    fails(&place, args!["probe", &none, "--inpainter", "null", "--out", &place.out], 2, missing, path);
    fails(&place, args!["dissect", "--probes", &none, "--out", out()], 2, missing, path);
    fails(&place, args!["evaluate", "--data", &none, "--out", &place.out], 2, missing, path);
    fails(&place, args!["harden", "--real", &none, "--fake", &place.fake, "--out", out()], 2, missing, path);
    fails(
        &place,
        args!["harden", "--real", &place.real, "--fake", &empty, "--out", out()],
        2,
        "no image found",
        "searched recursively",
    );
    fails(
        &place,
        place.harden(args!["--val", &one_class]),
        2,
        "2 real and 0 generated images",
        "missing class",
    );
    fails(
        &place,
        args!["evaluate", "--data", place.temp.path().join("data"), "--split", "val", "--out", &place.out],
        2,
        "found fake, real",
        "--split",
    );
    fails(
        &place,
        args!["evaluate", "--data", &place.real, "--out", &place.out],
        2,
        "no folder above it says its label",
        "real/ and fake/",
    );
}

#[test]
fn files_that_are_no_detector() {
    let place = Place::new();
    let cases: [(PathBuf, &str, &str); 8] = [
        (
            place.file("page.onnx", "<!DOCTYPE html><html></html>"),
            "page.onnx: not an ONNX model (looks like an HTML page)",
            "download the file itself",
        ),
        (
            place.file("lfs.onnx", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            "(looks like a git-lfs pointer)",
            "git lfs pull",
        ),
        (
            place.file("corvi.pth", b"PK\x03\x04\0\0\0\0archive/data.pkl"),
            "(looks like a PyTorch checkpoint or another zip archive)",
            "import",
        ),
        (
            place.file("old.pth", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9"),
            "(looks like an old PyTorch checkpoint (pickle))",
            "import",
        ),
        (place.file("empty.onnx", ""), "empty.onnx: the file is empty", "again"),
        (
            place.file("text.onnx", "just a line"),
            "text.onnx: not an ONNX model (unknown content)",
            "detector",
        ),
        (place.file("cut.onnx", &dear_mini()[..20_000]), "cut.onnx: the file ends early", "again"),
        (place.temp.path().join("none.onnx"), "none.onnx: cannot be read: no such file", "check the path"),
    ];
    for (file, error, hint) in cases {
        fails(&place, args!["scan", &place.real, "--detector", &file], 2, error, hint);
        fails(&place, place.harden(args!["--detector", &file]), 2, error, hint);
    }
    fails(
        &place,
        args!["scan", &place.real, "--detector", &place.real],
        2,
        "cannot be read",
        "check the path",
    );
}

fn dear_mini() -> Vec<u8> {
    fs_err::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini.onnx")).unwrap()
}

#[test]
fn an_output_that_cannot_be_written() {
    let place = Place::new();
    let file = place.file("file", "x");
    let below_a_file = file.join("deeper");
    let hint = "choose another output path";
    let data = place.temp.path().join("data");
    fails(&place, args!["evaluate", "--data", &data, "--out", &below_a_file], 3, "file/deeper", hint);
    let is_a_file = "file: is a file, expected a folder";
    let tree = ["--reference-tree".into(), file.clone().into()];
    let calibrate = args!["calibrate", "--data", &data, "--out", place.out.join("c.onnx"), "--work", &file];
    for args in [
        args!["evaluate", "--data", &data, "--out", &file],
        [args!["evaluate", "--data", &data, "--out", &place.out], tree.to_vec()].concat(),
        args!["audit", &data, "--out", &file],
        args!["perturb", &data, "--chain", "clean", "--out", &file],
        calibrate,
        place.harden(args!["--work", &file]),
    ] {
        fails(&place, args, 3, is_a_file, hint);
    }
    for command in ["calibrate", "harden"] {
        let out = file.join("h.onnx");
        let args = match command {
            "harden" => args!["harden", "--real", &place.real, "--fake", &place.fake, "--out", out],
            _ => args!["calibrate", "--data", &data, "--out", out],
        };
        fails(&place, args, 3, is_a_file, hint);
    }
    fails(
        &place,
        args!["probe", &place.real, "--inpainter", "null", "--out", &below_a_file],
        3,
        "file/deeper",
        hint,
    );
    fails(
        &place,
        args!["explain", &samples("test", 1)[0], "--out", below_a_file.join("map.png")],
        3,
        "file/deeper",
        hint,
    );
    fails(
        &place,
        args!["harden", "--real", &place.real, "--fake", &place.fake, "--out", below_a_file.join("h.onnx")],
        3,
        "file/deeper",
        hint,
    );
    assert_eq!(fs_err::read(place.temp.path().join("file")).unwrap(), b"x");
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_to_write() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let locked = place.temp.path().join("locked");
    fs_err::create_dir_all(&locked).unwrap();
    fs_err::set_permissions(&locked, PermissionsExt::from_mode(0o555)).unwrap();
    if fs_err::write(locked.join("probe"), "").is_ok() {
        eprintln!("running with the right to write anywhere: nothing to see here");
        return;
    }
    let hint = "choose a folder that you may write to";
    fails(
        &place,
        args!["probe", &place.real, "--inpainter", "null", "--out", &locked],
        3,
        "locked: cannot be written to",
        hint,
    );
    fails(
        &place,
        args!["harden", "--real", &place.real, "--fake", &place.fake, "--out", locked.join("h.onnx")],
        3,
        "locked: cannot be written to",
        hint,
    );
    assert!(contents(&locked).is_empty());
}

#[test]
fn options_that_are_unknown_or_out_of_range() {
    let place = Place::new();
    let data = place.temp.path().join("data");
    fails(
        &place,
        args!["evaluate", "--data", &data, "--out", &place.out, "--perturb", "jpg(70)"],
        2,
        "chain, position 1: unknown step \"jpg\"",
        "did you mean \"jpeg\"?",
    );
    let recipe = |text: &str| place.harden(args!["--recipe", place.file("r.toml", text)]);
    let known = "dear harden --print-recipe";
    fails(&place, recipe("views = 2\nsed = 1\n"), 2, "r.toml: line 2: unknown field `sed`", "--print-recipe");
    fails(
        &place,
        recipe("[gate]\nprune_topp = 0.1\n"),
        2,
        "r.toml: line 2: unknown field `prune_topp`",
        "--print-recipe",
    );
    fails(&place, recipe("views = \n"), 2, "r.toml: line 1: ", "--print-recipe");
    fails(&place, recipe("views = 0\n"), 2, "views is 0, expected 1 to 1000", "--print-recipe");
    fails(
        &place,
        recipe("[gate]\nprune_top = 0.6\nprune_bottom = 0.4\n"),
        2,
        "prune_top 0.6 and prune_bottom 0.4 prune every channel",
        "0.2",
    );
    fails(
        &place,
        place.harden(args!["--recipe", place.temp.path().join("none.toml")]),
        2,
        "none.toml",
        "check the path",
    );
    let help = dear(args!["harden", "--help"]).expect(0).stdout;
    assert!(
        known.split(' ').all(|word| word == "dear" || help.contains(word)),
        "the hint names what exists: {help}"
    );
}

#[test]
fn probes_with_holes() {
    let place = Place::new();
    let unmasked = place.file("unmasked/a_inpaint.png", "x").parent().unwrap().to_owned();
    fails(&place, place.harden(args!["--probes", &unmasked]), 2, "no a_mask.png in", "--masks");
    fails(
        &place,
        args!["dissect", "--probes", &unmasked, "--out", place.out.join("r.json")],
        2,
        "no a_mask.png in",
        "--masks",
    );
    let orphan = place.file("orphan/b_mask.png", "x").parent().unwrap().to_owned();
    place.file("orphan/a_inpaint.png", "x");
    place.file("orphan/a_mask.png", "x");
    fails(
        &place,
        args!["dissect", "--probes", &orphan, "--out", place.out.join("r.json")],
        2,
        "mask \"b\" has no b_inpaint.png",
        "remove the mask",
    );
    fails(
        &place,
        place.harden(args!["--probes", &place.real]),
        2,
        "no file named {stem}_inpaint.png",
        "dear probe",
    );
}

/// In a set of many, one probe that cannot be used is refused by name; the others count.
#[test]
fn single_probes_that_cannot_be_used() {
    let place = Place::new();
    let probes = place.out.join("probes");
    dear(args!["probe", &place.real, "--inpainter", "resynthesis", "--out", &probes]).expect(0);
    fs_err::remove_file(probes.join("probes.jsonl")).unwrap();
    let image = |name: &str, size: u32, value: u8| {
        let image = dear_image::Image::from_fn(size, size, |_, _| [value; 3]);
        fs_err::write(probes.join(name), dear_image::encode_png(&image).unwrap()).unwrap();
    };
    for (stem, size, value) in [("black", 200, 0), ("small", 100, 0), ("white", 200, 255)] {
        image(&format!("{stem}_inpaint.png"), 200, 90);
        image(&format!("{stem}_mask.png"), size, value);
    }
    let scores = place.out.join("r.json");
    let ran = dear(args!["dissect", "--probes", &probes, "--views", "1", "--out", &scores]).expect(1);
    let said: Vec<&str> =
        ran.talk("warning: probe ").into_iter().filter(|line| line.contains("refused (mask)")).collect();
    let expected = [
        "black_mask.png: no pixel is above 127, expected some inside",
        "small_mask.png: 100 x 100, expected the image's 200 x 200",
        "white_mask.png: every pixel is above 127, expected some outside",
    ];
    assert_eq!(said.len(), 3, "{}", ran.stderr);
    assert!(said.iter().zip(expected).all(|(said, expected)| said.ends_with(expected)), "{said:?}");
    assert!(scores.is_file());
}

#[test]
fn two_photographs_of_one_name() {
    let place = Place::new();
    folder_of(&samples("train", 1), place.real.join("again"));
    let error = "would both make probe \"kodim01-1\"";
    fails(
        &place,
        args!["probe", &place.real, "--inpainter", "null", "--out", &place.out],
        2,
        error,
        "rename one",
    );
}

#[test]
fn files_of_another_step() {
    let place = Place::new();
    let wrong = place.file("wrong.json", "{\"a\": 1}");
    let out = || place.out.join("x.json");
    fails(
        &place,
        args!["prune", "--rad", &wrong, "--out", out()],
        2,
        "wrong.json: not a file of scores from `dear dissect`",
        "dear dissect",
    );
    fails(
        &place,
        args!["prune", "--rad", place.temp.path().join("none.json"), "--out", out()],
        2,
        "none.json",
        "check the path",
    );
    let refine = args![
        "refine",
        "--gate",
        &wrong,
        "--real",
        &place.real,
        "--fake",
        &place.fake,
        "--out",
        place.out.join("h.onnx")
    ];
    fails(&place, refine, 2, "wrong.json: not a gate from `dear prune`", "dear prune");
}

#[test]
fn an_image_that_cannot_be_explained() {
    let place = Place::new();
    let out = || place.out.join("map.png");
    fails(
        &place,
        args!["explain", place.file("x.jpg", "text"), "--out", out()],
        2,
        "x.jpg: not an image (plain text)",
        "image",
    );
    let small = dear_image::Image::from_fn(3, 3, |_, _| [0; 3]);
    let small = place.file("small.png", dear_image::encode_png(&small).unwrap());
    fails(
        &place,
        args!["explain", small, "--out", out()],
        2,
        "3 x 3 pixels, expected sides of at least",
        "original",
    );
}

#[test]
fn wrong_use_is_said_by_the_parser() {
    for words in [
        args!["scan"],
        args!["scan", "x", "--format", "xml"],
        args!["probe", "x", "--out", "y"],
        args!["polish"],
    ] {
        let ran = dear(words).expect(2);
        assert!(
            ran.stdout.is_empty() && ran.talk("error: ").len() == 1 && ran.stderr.contains("--help"),
            "{}",
            ran.stderr
        );
    }
}
