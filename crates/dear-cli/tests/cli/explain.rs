//! `dear explain`, `dear doctor`, and the help of every command.

use crate::support::{args, contents, dear, json_lines, picture, sample};

#[test]
fn the_map_has_the_size_of_the_image_and_its_mean_is_the_logit() {
    let temp = tempfile::tempdir().unwrap();
    // Not a multiple of the stride, not square.
    let source = picture(&sample(false));
    let image = dear_image::Image::from_fn(203, 131, |x, y| source.pixel(x, y));
    let path = temp.path().join("a.png");
    fs_err::write(&path, dear_image::encode_png(&image).unwrap()).unwrap();
    let out = temp.path().join("maps/a.png");
    let ran = dear(args!["explain", &path, "--out", &out]).expect(0);
    let map = picture(&out);
    assert_eq!(map.size(), (203, 131));
    assert!(map.data().chunks_exact(3).any(|pixel| pixel[0] != pixel[2]), "there is colour in it");
    assert_eq!(contents(&temp.path().join("maps")).len(), 1);
    let scanned = json_lines(&dear(args!["scan", &path, "--format", "jsonl"]).expect(0).stdout);
    let logit = scanned[0]["logit"].as_f64().unwrap();
    let word = if logit > 0.0 { "generated" } else { "real" };
    let line = ran
        .stdout
        .strip_prefix(&format!("logit {logit:+.4} ({word}), the mean of 26 x 17 cells from "))
        .unwrap_or_else(|| panic!("{}", ran.stdout));
    let (low, rest) = line.split_once(" to ").unwrap();
    let (high, full) = rest.split_once("; full colour at ±").unwrap();
    let [low, high, full] = [low, high, full.trim_end()].map(|number| number.parse::<f64>().unwrap());
    assert!(low <= logit && logit <= high && full > 0.0, "{}", ran.stdout);
    assert!(ran.stderr.ends_with(&format!("wrote {}\n", out.display())), "{}", ran.stderr);
}

#[test]
fn the_map_replaces_neither_image_nor_detector() {
    let temp = tempfile::tempdir().unwrap();
    let [image, detector] = ["a.png", "d.onnx"].map(|name| temp.path().join(name));
    fs_err::copy(sample(false), &image).unwrap();
    fs_err::write(&detector, dear::detector::MINI).unwrap();
    let before = contents(temp.path());
    for out in [&image, &temp.path().join("none/../a.png")] {
        let ran = dear(args!["explain", &image, "--detector", &detector, "--out", out]).expect(2);
        assert!(ran.stderr.contains("is the input, expected another file"), "{}", ran.stderr);
        assert_eq!(contents(temp.path()), before);
    }
    let ran = dear(args!["explain", &image, "--out", temp.path().join("map.jpg")]).expect(2);
    assert!(
        ran.stderr.contains("map.jpg: the map is a PNG") && ran.stderr.contains("map.png"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_doctor_finds_the_built_in_engine_working() {
    let ran = dear(args!["doctor"]).expect(0);
    let line = ran.stdout.lines().find(|line| line.starts_with("  builtin      ")).unwrap();
    assert!(line.contains(" threads: works (self-test logit "), "{line}");
    assert!(ran.stdout.lines().any(|line| line.starts_with("  chosen       builtin ")), "{}", ran.stdout);
    assert!(ran.stdout.starts_with(&format!("dear {} on ", env!("CARGO_PKG_VERSION"))), "{}", ran.stdout);
    assert!(ran.stdout.contains("detector   mini embedded, sha256 "), "{}", ran.stdout);
}

#[test]
fn every_command_has_help() {
    let help = dear(args!["--help"]).expect(0);
    let commands: Vec<&str> = help
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert_eq!(commands.len(), 21, "{commands:?}");
    for name in commands {
        let ran = dear(args!["help", name]).expect(0);
        assert!(ran.stdout.contains(&format!("Usage: dear {name}")) && ran.stderr.is_empty(), "{ran:?}");
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_dear"));
        // Help shows the values of these: the same as the other call has.
        child.env_remove("DEAR_THREADS").env("DEAR_ONNXRUNTIME", "");
        let long = child.args([name, "--help"]).output().unwrap();
        assert_eq!(
            (long.status.code(), String::from_utf8_lossy(&long.stdout).into_owned()),
            (Some(0), ran.stdout)
        );
    }
    assert_eq!(dear(args!["--version"]).expect(0).stdout, format!("dear {}\n", env!("CARGO_PKG_VERSION")));
}
