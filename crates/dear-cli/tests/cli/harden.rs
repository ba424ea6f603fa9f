//! `dear harden`: killed or interrupted at any moment and run again, it ends as if nothing had been.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Training, args, assert_same_files, command, contents, dear, leftovers, times};

/// Kill with SIGKILL ever later, as a fraction of an undisturbed run, until a run gets through.
fn killed_and_rerun(more: &[OsString]) {
    let set = Training::new();
    let start = Instant::now();
    let whole = dear(set.harden("whole", more)).expect(0);
    let undisturbed = start.elapsed();
    let mut kills = 0;
    loop {
        let mut child =
            command(set.harden("killed", more)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + undisturbed.mul_f64(0.15 * f64::from(kills + 1));
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        match child.wait().unwrap().code() {
            None => kills += 1,
            code => {
                assert_eq!(code, Some(0));
                break;
            }
        }
    }
    assert!(kills >= 1, "no run was killed: the first ended within 15 % of {undisturbed:?}");
    assert_same_files(&set.path("whole"), &set.path("killed"), 2 + 3 + 2 * 4);
    // And once more: everything is read back, nothing is written but the result.
    let features = set.path("killed").join("h.work/features");
    let before = times(&features, ".parquet");
    let again = dear(set.harden("killed", more)).expect(0);
    assert_eq!(times(&features, ".parquet"), before);
    assert_eq!(again.stdout, whole.stdout.replace("/whole/", "/killed/"));
    assert_same_files(&set.path("whole"), &set.path("killed"), 2 + 3 + 2 * 4);
}

#[test]
fn killed_at_any_moment_with_a_hold_out() {
    killed_and_rerun(&[]);
}

#[test]
fn killed_at_any_moment_with_a_validation_set_and_null_probes() {
    let recipe = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(recipe.path(), "[rad]\nsubtract_null = true\n").unwrap();
    let set = Training::new();
    killed_and_rerun(&args!["--val", &set.val, "--recipe", recipe.path()]);
}

#[test]
fn what_a_run_writes_and_says() {
    let set = Training::new();
    let ran = dear(set.harden("out", &args!["--seed", "3"])).expect(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let file = set.path("out").join("h.onnx");
    assert!(
        lines[0].starts_with(&format!("{}: ", file.display()))
            && lines[0].contains(" channels kept (RAD over "),
        "{}",
        ran.stdout
    );
    assert!(lines[1].starts_with("head: L2 optimum, strength "), "{}", ran.stdout);
    assert!(
        lines[1].ends_with("; trained on 5 real and 5 generated images, validated on 1 and 1, 2 views each"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        lines[2],
        "threshold: logit +0.0000 [default (logit 0): 1 real and 1 generated images to calibrate on, expected at least 2 of \
         each]; probability: none"
    );
    assert_eq!(lines.len(), 3);
    let names: Vec<String> = contents(&set.path("out")).into_keys().collect();
    let count = |start: &str| names.iter().filter(|name| name.starts_with(start)).count();
    let parts = [
        "h.onnx",
        "h.recipe.toml",
        "h.work/probes/probes.jsonl",
        "h.work/probes/kodim01",
        "h.work/features/main-",
        "h.work/features/probe-",
        "h.work/features/whole-",
    ];
    assert_eq!(parts.map(count), [1, 1, 1, 10, 2, 1, 1], "{names:?}");
    assert_eq!(names.len(), 17, "{names:?}");

    // The recipe beside the result makes the same result.
    let recipe = set.path("out").join("h.recipe.toml");
    let shown = dear(set.harden("unused", &args!["--seed", "3", "--print-recipe"])).expect(0).stdout;
    assert_eq!(fs_err::read_to_string(&recipe).unwrap(), shown);
    assert!(!set.path("unused").exists(), "--print-recipe only prints");
    let again = args![
        "harden",
        "--real",
        &set.real,
        "--fake",
        &set.fake,
        "--recipe",
        &recipe,
        "--out",
        set.path("again").join("h.onnx")
    ];
    dear(again).expect(0);
    assert_same_files(&set.path("out"), &set.path("again"), 16);
    dear(set.harden("other", &args!["--seed", "4"])).expect(0);
    assert_ne!(
        contents(&set.path("out"))["h.onnx"],
        contents(&set.path("other"))["h.onnx"],
        "the seed decides"
    );
}

#[cfg(unix)]
#[test]
fn interrupted_at_each_step_and_rerun() {
    use std::io::{BufRead, BufReader, Read};
    let set = Training::new();
    dear(set.harden("whole", &[])).expect(0);
    for step in ["making probes", "dissecting probes", "training views"] {
        let mut child =
            command(set.harden("stopped", &[])).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(step) {
            assert!(talk.read_line(&mut said).unwrap() > 0, "ended before {step}: {said}");
        }
        crate::support::interrupt(&child);
        talk.read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{step}: {said}");
        assert!(
            said.ends_with(
                "error: interrupted\nhint: run the same command again; finished steps are not done twice\n"
            ),
            "{step}: {said}"
        );
        let told = "stopping after the current item (again to end at once)";
        assert_eq!(said.lines().filter(|line| *line == told).count(), 1, "{step}: {said}");
        assert_eq!(leftovers(set.temp.path()), Vec::<std::path::PathBuf>::new(), "{step}");
        let found = contents(&set.path("stopped"));
        assert!(!found.contains_key("h.onnx"), "{step}: no result of half the work");
    }
    dear(set.harden("stopped", &[])).expect(0);
    assert_same_files(&set.path("whole"), &set.path("stopped"), 16);
}

#[test]
fn images_that_cannot_be_read_are_refused_and_counted() {
    let set = Training::new();
    crate::support::truncated_jpeg(set.real.join("cut.jpg"));
    let ran = dear(set.harden("out", &args!["--val", &set.val])).expect(1);
    let warnings = ran.talk("warning: ");
    let refused = "real/cut.jpg: refused (truncated): jpeg file is truncated: its data end early";
    assert_eq!(warnings.iter().filter(|line| line.contains("refused")).collect::<Vec<_>>(), [&refused]);
    let few = "the threshold stays at logit 0: 3 real images are too few for at most 5 % wrong, expected at least 19";
    assert!(warnings.contains(&few), "{warnings:?}");
    let file = fs_err::read(set.path("out/h.onnx")).unwrap();
    assert!(String::from_utf8_lossy(&file).contains("\"refused\":1,"), "one file, counted once");
    assert!(
        ran.stdout.contains("; trained on 6 real and 6 generated images, validated on 3 and 3,"),
        "{}",
        ran.stdout
    );
}
