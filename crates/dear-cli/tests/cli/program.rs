//! `dear probe --inpainter command`: a program of the user's fills the masks. A stand-in of a few lines of `sh`, which blurs
//! by `dear perturb`, plays it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{
    Ran, Training, args, assert_same_files, command, contents, dear, folder_of, interrupt, json_lines,
    leftovers, picture, samples,
};

/// Photographs, and a program that can be told to fail.
struct Place {
    temp: tempfile::TempDir,
    real: PathBuf,
}

/// `$1`, `$2`, `$3` are input, masks and output; `$here` holds what a test puts there. What was sent is added to `$here/sent`.
const PROGRAM: &str = r#"
here=$(dirname "$0")
ls "$1" >> "$here/sent"
work=$(mktemp -d)
DEAR perturb "$1" --chain 'blur(4)' --out "$work/all" > "$here/said" 2>&1 || exit 9
echo "the program speaks"
"#;

impl Place {
    fn new(photographs: usize) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let real = folder_of(&samples("train", photographs), temp.path().join("real"));
        Self { temp, real }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// The command that runs the program with `end` as its last lines; `$work/all` has the pictures.
    fn program(&self, end: &str) -> String {
        let script = PROGRAM.replace("DEAR", &format!("'{}'", env!("CARGO_BIN_EXE_dear")));
        fs_err::write(self.path("program.sh"), script + end).unwrap();
        format!("sh '{}' {{input}} {{masks}} {{output}}", self.path("program.sh").display())
    }

    fn args(&self, command: &str, out: &Path, more: &[&str]) -> Vec<std::ffi::OsString> {
        let mut all =
            args!["probe", &self.real, "--inpainter", "command", "--command", command, "--out", out];
        all.extend(more.iter().map(std::ffi::OsString::from));
        all
    }

    fn probe(&self, command: &str, out: &Path, more: &[&str]) -> Ran {
        dear(self.args(command, out, more))
    }

    /// Names that the program was sent, in order.
    fn sent(&self) -> Vec<String> {
        let text = fs_err::read_to_string(self.path("sent")).unwrap_or_default();
        let _ = fs_err::remove_file(self.path("sent"));
        text.lines().map(str::to_owned).collect()
    }
}

const ALL: &str = "mv \"$work\"/all/*.png \"$3\"\n";

fn stems(out: &Path) -> Vec<String> {
    let journal = fs_err::read_to_string(out.join("probes.jsonl")).unwrap_or_default();
    json_lines(&journal).iter().map(|row| row["stem"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn its_pictures_are_joined_under_both_composites_and_asked_for_once() {
    let place = Place::new(3);
    let run = place.program(ALL);
    for composite in ["sharp", "reference"] {
        let out = place.path(composite);
        let ran = place.probe(&run, &out, &["--composite", composite]).expect(0);
        assert!(
            ran.stdout.starts_with("3 command probes in ") && ran.stdout.lines().count() == 1,
            "{}",
            ran.stdout
        );
        assert!(ran.stderr.contains("the program speaks"), "its stdout is talk: {}", ran.stderr);
        assert_eq!(place.sent(), ["kodim01-1.png", "kodim01-2.png", "kodim01-3.png"]);
        assert_eq!((contents(&out).len(), leftovers(&out).len()), (7, 0), "the exchange is removed");
        for row in json_lines(&fs_err::read_to_string(out.join("probes.jsonl")).unwrap()) {
            assert_eq!(
                (row["inpainter"].as_str(), row["inpainter_detail"].as_str()),
                (Some("command"), Some(&*run))
            );
            assert_eq!(row["composite"], composite);
        }
        place.probe(&run, &out, &["--composite", composite]).expect(0);
        assert_eq!(place.sent(), Vec::<String>::new(), "nothing is sent twice");
    }
    let photograph = &samples("train", 1)[0];
    let (before, after) = (picture(photograph), picture(&place.path("sharp/kodim01-1_inpaint.png")));
    let mask = fs_err::read(place.path("sharp/kodim01-1_mask.png")).unwrap();
    let mask = dear_image::decode_mask(&mask, &dear_image::DecodeOptions::default()).unwrap();
    let changed = |inside: bool| {
        let pixels = before.data().chunks_exact(3).zip(after.data().chunks_exact(3)).zip(mask.data());
        pixels.filter(|((old, new), mask)| (**mask > 127) == inside && old != new).count()
    };
    assert!(changed(false) == 0 && changed(true) as u64 > mask.count_inside() / 2);
    // A batch is one start of the program.
    let out = place.path("batches");
    place.probe(&run, &out, &["--batch", "2"]).expect(0);
    assert_eq!(place.sent(), ["kodim01-1.png", "kodim01-2.png", "kodim01-3.png"]);
    assert_same_files(&place.path("sharp"), &out, 7);
}

#[test]
fn what_came_back_before_it_failed_is_kept_and_only_the_rest_is_sent_again() {
    let place = Place::new(4);
    let whole = place.path("whole");
    let run = place.program(ALL);
    place.probe(&run, &whole, &[]).expect(0);
    place.sent();
    let halfway = "mv \"$work\"/all/kodim01-1.png \"$work\"/all/kodim01-3.png \"$3\"\n";
    let cases = [
        ("exit 7\n", "ended with exit code 7, expected 0"),
        ("kill -9 $$\n", "was killed (signal 9)"),
        ("exec sleep 60\n", "did not end within 5 s and was stopped"),
    ];
    for (number, (end, expected)) in cases.into_iter().enumerate() {
        let out = place.path(&format!("failed-{number}"));
        place.program(&format!("{halfway}{end}"));
        let ran = place.probe(&run, &out, &["--timeout", "5"]).expect(3);
        assert_eq!(ran.talk("error: "), [format!("program \"sh\" {expected}")]);
        assert!(ran.talk("hint: ")[0].starts_with("what it had finished is kept"), "{}", ran.stderr);
        assert_eq!(stems(&out), ["kodim01-1", "kodim01-3"]);
        assert_eq!(place.sent().len(), 4);
        place.program(ALL);
        place.probe(&run, &out, &[]).expect(0);
        assert_eq!(place.sent(), ["kodim01-2.png", "kodim01-4.png"]);
        assert_same_files(&whole, &out, 9);
        assert_eq!(leftovers(&out).len(), 0);
    }
}

#[test]
fn pictures_that_cannot_be_meant_are_refused_one_by_one() {
    let place = Place::new(6);
    let run = place.program(&format!(
        "cd \"$work/all\"; dear='{}'\n\
         cp \"$1/kodim01-1.png\" .\n\
         \"$dear\" perturb \"$1\" --chain 'brightness(0)' --out \"$work/black\" > /dev/null 2>&1\n\
         cp \"$work/black/kodim01-2.png\" .\n\
         \"$dear\" perturb \"$1\" --chain 'crop(100)' --out \"$work/small\" > /dev/null 2>&1\n\
         cp \"$work/small/kodim01-3.png\" .\n\
         head -c 5000 \"$1/kodim01-4.png\" > kodim01-4.png\n\
         rm kodim01-5.png\n{ALL}",
        env!("CARGO_BIN_EXE_dear")
    ));
    let out = place.path("out");
    let ran = place.probe(&run, &out, &[]).expect(1);
    let names: Vec<_> = samples("train", 6);
    let expected = [
        "refused (unchanged): the program's kodim01-1.png: equal to its input inside the mask, expected generated pixels",
        "refused (black): the program's kodim01-2.png: black inside the mask, as a safety checker leaves it; expected a picture",
        "refused (size): the program's kodim01-3.png: 100 x 100, expected 256 x 256",
        "refused (truncated): the program's kodim01-4.png: ",
        "refused (missing): the program wrote no kodim01-5.png",
    ];
    let warnings = ran.talk("warning: ");
    assert_eq!(warnings.len(), 5, "{}", ran.stderr);
    for ((said, name), expected) in warnings.iter().zip(&names).zip(expected) {
        let name = place.real.join(name.file_name().unwrap());
        assert!(said.starts_with(&format!("{}: {expected}", name.display())), "{said}");
    }
    assert!(ran.stdout.starts_with("1 command probe in ") && ran.stdout.ends_with("; 5 images refused\n"));
    assert_eq!(stems(&out), ["kodim01-6"]);
    place.sent();
    place.program(ALL);
    place.probe(&run, &out, &[]).expect(0);
    assert_eq!(place.sent().len(), 5, "only those that were refused");
    assert_eq!(stems(&out).len(), 6);
}

#[test]
fn a_program_that_writes_other_names_or_cannot_be_started_is_named() {
    let place = Place::new(2);
    let out = place.path("out");
    let run = place.program(&format!("{ALL}echo > \"$3/result_00001.png\"; echo > \"$3/.hidden\"\n"));
    let ran = place.probe(&run, &out, &[]).expect(2);
    assert_eq!(
        ran.talk("error: "),
        ["program \"sh\" wrote result_00001.png, expected files named as those in its input folder"]
    );
    assert_eq!(stems(&out).len(), 2, "what is well named is kept");
    let none = place.path("none");
    let ran = place.probe("/nowhere/inpaint --fast", &none, &[]).expect(3);
    assert!(
        ran.talk("error: ")[0].starts_with("program \"/nowhere/inpaint\" cannot be started: "),
        "{}",
        ran.stderr
    );
    for (words, expected) in [
        ("sh 'x", "a quote or backslash is not closed"),
        ("sh {input} {output}", "no {masks}, expected all three folders, or none"),
    ] {
        let ran = place.probe(words, &none, &[]).expect(2);
        assert!(ran.talk("error: ")[0].contains(expected), "{}", ran.stderr);
    }
    let ran = place.probe("", &none, &[]).expect(2);
    assert!(ran.talk("error: ")[0].starts_with("probe.program.command is missing"), "{}", ran.stderr);
    assert!(ran.talk("hint: ")[0].contains("--command 'PROGRAM"), "{}", ran.stderr);
    let ran = place.probe(&place.program("exit 1\n"), &none, &[]).expect(3);
    assert!(ran.talk("error: ")[0].contains("exit code 1"), "{}", ran.stderr);
    assert_eq!(stems(&none), Vec::<String>::new());
}

/// The run is killed, the program lives on; then the program is killed too, as by a machine that goes down.
#[test]
fn a_killed_run_takes_up_what_its_program_had_finished() {
    let place = Place::new(4);
    let (whole, killed) = (place.path("whole"), place.path("killed"));
    let run = place.program(ALL);
    place.probe(&run, &whole, &[]).expect(0);
    place.sent();
    place.program("mv \"$work\"/all/kodim01-2.png \"$3\"\necho $$ > \"$here/started\"\nexec sleep 60\n");
    let mut child =
        command(place.args(&run, &killed, &[])).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while !fs_err::read_to_string(place.path("started")).is_ok_and(|text| text.ends_with('\n')) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let program = fs_err::read_to_string(place.path("started")).unwrap();
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -9 {program}")]).status().unwrap();
    assert!(sent.success());
    assert_eq!(place.sent().len(), 4);
    assert_eq!(stems(&killed), Vec::<String>::new());
    place.program(ALL);
    place.probe(&run, &killed, &[]).expect(0);
    assert_eq!(place.sent(), ["kodim01-1.png", "kodim01-3.png", "kodim01-4.png"]);
    assert_same_files(&whole, &killed, 9);
    assert_eq!(leftovers(&killed).len(), 0);
}

#[test]
fn harden_makes_its_own_probes_as_the_recipe_says() {
    let set = Training::new();
    let place = Place { real: set.real.clone(), temp: tempfile::tempdir().unwrap() };
    let run = place.program(ALL);
    let recipe = set.path("in.toml");
    let text = format!(
        "[probe]\ninpainter = \"command\"\ncomposite = \"reference\"\nscale = 2\n[probe.program]\ncommand = \"{}\"\n\
         [probe.mask]\nshape = \"ellipse\"\n[rad]\nsubtract_null = true\n",
        run.replace('"', "\\\"")
    );
    fs_err::write(&recipe, text).unwrap();
    dear(set.harden("whole", &args!["--val", &set.val, "--recipe", &recipe])).expect(0);
    assert_eq!(place.sent().len(), 6);
    for (folder, inpainter, detail) in
        [("probes", "command", run.as_str()), ("null-probes", "null", "bicubic x2")]
    {
        let journal =
            fs_err::read_to_string(set.path("whole/h.work").join(folder).join("probes.jsonl")).unwrap();
        let rows = json_lines(&journal);
        assert_eq!(rows.len(), 6);
        for row in rows {
            assert_eq!(
                (row["inpainter"].as_str(), row["inpainter_detail"].as_str()),
                (Some(inpainter), Some(detail))
            );
            assert_eq!(
                (row["composite"].as_str(), row["mask"].as_str()),
                (Some("reference"), Some("ellipse"))
            );
        }
    }
    fs_err::write(&recipe, "[probe]\ninpainter = \"null\"\n").unwrap();
    let ran = dear(set.harden("null", &args!["--val", &set.val, "--recipe", &recipe])).expect(2);
    assert!(
        ran.talk("error: ")[0].starts_with("probe.inpainter is null, expected one that generates"),
        "{}",
        ran.stderr
    );
}

/// Only `dear` is asked to stop: it asks its program, which has five seconds to end by itself.
#[test]
fn an_interrupted_run_keeps_what_came_back() {
    let place = Place::new(3);
    let out = place.path("out");
    let run =
        place.program("mv \"$work\"/all/kodim01-2.png \"$3\"\necho $$ > \"$here/started\"\nexec sleep 60\n");
    let child =
        command(place.args(&run, &out, &[])).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    while !fs_err::read_to_string(place.path("started")).is_ok_and(|text| text.ends_with('\n')) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    interrupt(&child);
    let ran: Ran = child.wait_with_output().unwrap().into();
    let ran = ran.expect(130);
    assert_eq!(ran.talk("error: "), ["interrupted"]);
    assert_eq!(stems(&out), ["kodim01-2"]);
    place.sent();
    place.program(ALL);
    place.probe(&run, &out, &[]).expect(0);
    assert_eq!(place.sent(), ["kodim01-1.png", "kodim01-3.png"]);
}

/// What a program has started holds its stderr, so the end of the run's stderr is the end of all of it.
#[test]
fn what_the_program_has_started_ends_with_it() {
    let place = Place::new(1);
    let soon = |begun: Instant, what: &str| {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: something has outlived the program");
    };
    let begun = Instant::now();
    let ran = place.probe("sh -c 'sleep 40; true' x", &place.path("late"), &["--timeout", "1"]).expect(3);
    assert_eq!(ran.talk("error: "), ["program \"sh\" did not end within 1 s and was stopped"]);
    soon(begun, "timeout");

    // Both deaf; the program hears and its child does not; both hear.
    let started = place.path("started");
    for (name, words) in [
        ("deaf", "trap '' INT; echo $$ > \"$here\"; sleep 40; true"),
        ("half-deaf", "trap 'echo > \"$here.told\"; exit 7' INT; sleep 40 & echo $$ > \"$here\"; wait"),
        ("hearing", "echo $$ > \"$here\"; sleep 40; true"),
    ] {
        let script = place.path("script.sh");
        fs_err::write(&script, format!("here='{}'\n{words}\n", started.display())).unwrap();
        let run = format!("sh '{}'", script.display());
        let begun = Instant::now();
        let mut child = command(place.args(&run, &place.path(name), &[]))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !fs_err::read_to_string(&started).is_ok_and(|text| text.ends_with('\n')) {
            assert!(child.try_wait().unwrap().is_none(), "{name}: the run ended early");
            std::thread::sleep(Duration::from_millis(5));
        }
        interrupt(&child);
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!(ran.expect(130).talk("error: "), ["interrupted"], "{name}");
        soon(begun, name);
        fs_err::remove_file(&started).unwrap();
    }
    assert!(place.path("started.told").is_file(), "Ctrl-C was not passed on");
}
