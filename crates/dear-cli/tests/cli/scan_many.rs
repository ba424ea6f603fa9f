//! `dear scan` for many files: where they come from, where records go, and what is remembered between two scans.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{
    Ran, args, command, contents, dear, folder_of, interrupt, json_lines, leftovers, remembering, sample,
    samples, truncated_jpeg,
};

/// With a cache folder of its own.
fn cached(args: Vec<OsString>, cache: &Path) -> Ran {
    remembering(args).env("DEAR_CACHE", cache).output().unwrap().into()
}

/// With something on stdin.
fn fed(args: Vec<OsString>, stdin: &[u8]) -> Ran {
    let mut child =
        command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap().into()
}

fn paths(ran: &Ran) -> Vec<String> {
    json_lines(&ran.stdout).iter().map(|record| record["path"].as_str().unwrap().to_owned()).collect()
}

fn names(ran: &Ran) -> Vec<String> {
    paths(ran).iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
}

/// `n` pictures of 64 x 64 pixels, all different.
fn small(folder: PathBuf, n: u32) -> PathBuf {
    fs_err::create_dir_all(&folder).unwrap();
    for number in 0..n {
        let image = dear_image::Image::from_fn(64, 64, |x, y| {
            [(x * 5 + number * 31) as u8, (y * 3 + number / 8) as u8, ((x ^ y) + number * 3) as u8]
        });
        let jpeg = dear_image::encode_jpeg(&image, 90, dear_image::Subsampling::S420).unwrap();
        fs_err::write(folder.join(format!("{number:04}.jpg")), jpeg).unwrap();
    }
    folder
}

#[test]
fn files_folders_patterns_and_a_list_are_scanned_in_their_order() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder_of(&samples("test", 3), temp.path().join("three"));
    let [one, two, three] = ["kodim03-1.png", "kodim03-2.png", "kodim03-3.png"];
    let list = format!("{}\r\n\n{}\n", folder.join(three).display(), folder.display());
    let pattern = folder.join("*[12].png");
    let ran = fed(
        args!["scan", folder.join(two), "-", pattern, folder.join("none.png"), "--format", "jsonl"],
        list.as_bytes(),
    )
    .expect(1);
    assert_eq!(names(&ran), [two, three, one, two, three, one, two, "none.png"]);
    let missing = json_lines(&ran.stdout).pop().unwrap();
    assert_eq!((&missing["status"], &missing["error"]["kind"]), (&"refused".into(), &"unreadable".into()));
    assert_eq!(
        ran.stderr.lines().last().unwrap(),
        "8 files: 3 scored now, 1 refused now, 0 from the cache, 4 duplicates"
    );
    // A pattern that nothing fits, and a list of nothing.
    let nothing = dear(args!["scan", &folder, folder.join("*.gif")]).expect(2);
    assert!(nothing.stdout.is_empty() && nothing.stderr.contains("*.gif: no file fits this pattern"));
    let nothing = fed(args!["scan", "-"], b"\n").expect(2);
    assert!(nothing.stderr.contains("stdin: no path"), "{}", nothing.stderr);
    let unused = dear(args!["scan", &folder, "--null"]).expect(2);
    assert!(unused.stderr.contains("hint: a list on stdin is given as -"), "{}", unused.stderr);
    let unused = dear(args!["scan", &folder, "--column", "image"]).expect(2);
    assert!(unused.talk("error: ")[0].starts_with("a column of Parquet files"), "{}", unused.stderr);
    // As an editor on Windows writes a list, and as `find -print0` does.
    let marked = format!("\u{feff}{}\r\n", folder.join(one).display());
    let ran = fed(args!["scan", "-", "--format", "jsonl"], marked.as_bytes()).expect(0);
    assert_eq!(names(&ran), [one]);
    let parted = format!("{}\0{}\0", folder.join(one).display(), folder.join(two).display());
    let ran = fed(args!["scan", "-"], parted.as_bytes()).expect(2);
    assert_eq!(ran.talk("error: "), ["stdin: a line with NUL, expected a path a line"]);
    assert!(ran.talk("hint: ")[0].contains("--null") && ran.stdout.is_empty(), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn names_of_any_bytes_come_through_a_list() {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let temp = tempfile::tempdir().unwrap();
    let mut list = Vec::new();
    let names: [&[u8]; 3] = [b"\xff\xfe.png", b"two\nlines.png", b" -[x]*.png"];
    for name in names {
        let path = temp.path().join(OsString::from_vec(name.to_vec()));
        fs_err::copy(sample(false), &path).unwrap();
        list.extend_from_slice(path.as_os_str().as_bytes());
        list.push(0);
    }
    let ran = fed(args!["scan", "-", "--null", "--format", "jsonl"], &list).expect(0);
    let records = json_lines(&ran.stdout);
    let decoded = |record: &Value| {
        use base64::Engine as _;
        match record["path_base64"].as_str() {
            Some(text) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
            None => record["path"].as_str().unwrap().as_bytes().to_vec(),
        }
    };
    let expected: Vec<Vec<u8>> =
        list.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
    assert_eq!(records.iter().map(decoded).collect::<Vec<_>>(), expected);
    // By lines, one name is two that are not there.
    list.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'\n');
    let ran = fed(args!["scan", "-", "--format", "jsonl"], &list).expect(1);
    assert_eq!(json_lines(&ran.stdout).iter().filter(|record| record["status"] == "scored").count(), 2);
}

#[test]
fn parts_make_up_the_whole() {
    let temp = tempfile::tempdir().unwrap();
    let folder = small(temp.path().join("many"), 30);
    let all = paths(&dear(args!["scan", &folder, "--format", "jsonl"]).expect(0));
    let mut found = Vec::new();
    for part in ["1/3", "2/3", "3/3"] {
        let some = paths(&dear(args!["scan", &folder, "--shard", part, "--format", "jsonl"]).expect(0));
        assert!((3..=20).contains(&some.len()), "{part}: {}", some.len());
        // The same by another way to the same names.
        let list =
            paths(&fed(args!["scan", "-", "--shard", part, "--format", "jsonl"], all.join("\n").as_bytes()));
        assert_eq!(list, some);
        found.extend(some);
    }
    found.sort();
    assert_eq!(found, all);
    let wrong = dear(args!["scan", &folder, "--shard", "4/3"]).expect(2);
    assert!(wrong.stderr.contains("expected one like 1/4"), "{}", wrong.stderr);
}

#[test]
fn a_second_scan_is_told_by_the_cache_and_says_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder_of(&samples("test", 4), temp.path().join("four"));
    fs_err::copy(folder.join("kodim03-1.png"), folder.join("z.png")).unwrap();
    fs_err::write(folder.join("letter.jpg"), "Dear Sir or Madam,\n").unwrap();
    let cache = temp.path().join("cache");
    let scan = |format| args!["scan", &folder, "--format", format];
    let counts = |ran: &Ran| ran.stderr.lines().last().unwrap().to_owned();
    let first = cached(scan("jsonl"), &cache).expect(1);
    assert_eq!(counts(&first), "6 files: 4 scored now, 1 refused now, 0 from the cache, 1 duplicates");
    assert!(cache.join("scan.sqlite").is_file());
    for format in ["jsonl", "csv", "text"] {
        let again = cached(scan(format), &cache).expect(1);
        assert_eq!(counts(&again), "6 files: 0 scored now, 0 refused now, 6 from the cache, 0 duplicates");
        assert_eq!(again.stdout, dear(scan(format)).expect(1).stdout, "{format}");
    }
    // A file that changed is another; the same bytes elsewhere are not.
    fs_err::copy(folder.join("kodim03-2.png"), folder.join("letter.jpg")).unwrap();
    fs_err::rename(folder.join("kodim03-3.png"), folder.join("moved.png")).unwrap();
    let moved = cached(scan("jsonl"), &cache).expect(0);
    assert_eq!(counts(&moved), "6 files: 0 scored now, 0 refused now, 6 from the cache, 0 duplicates");
    // With a file of its own, and with none.
    let own = temp.path().join("own.sqlite");
    let ran = cached(args!["scan", &folder, "--cache", &own], &temp.path().join("other")).expect(0);
    assert!(
        own.is_file()
            && !temp.path().join("other").exists()
            && counts(&ran).contains("0 from the cache, 2 duplicates")
    );
    cached(args!["scan", &folder, "--no-cache"], &temp.path().join("other")).expect(0);
    assert!(!temp.path().join("other").exists());
}

#[test]
fn a_cache_that_cannot_be_used_ends_the_scan_where_it_was_asked_for_and_is_left_where_not() {
    let temp = tempfile::tempdir().unwrap();
    let image = sample(false);
    let expected = dear(args!["scan", &image, "--format", "jsonl"]).expect(0).stdout;
    let text = temp.path().join("notes.txt");
    fs_err::write(&text, "not a cache\n".repeat(100)).unwrap();
    let asked = dear(args!["scan", &image, "--cache", &text]).expect(2);
    assert_eq!(
        asked.talk("error: "),
        [format!("{}: not a cache of scan records, but no SQLite file", text.display())]
    );
    assert!(asked.stdout.is_empty() && asked.talk("hint: ")[0].contains("--no-cache"), "{}", asked.stderr);
    let below = dear(args!["scan", &image, "--cache", text.join("scan.sqlite")]).expect(3);
    assert!(below.talk("error: ")[0].contains("the cache cannot be made"), "{}", below.stderr);
    // Unasked: the folder cannot be made, or holds something else of that name.
    let other = temp.path().join("other");
    fs_err::create_dir(&other).unwrap();
    fs_err::copy(&text, other.join("scan.sqlite")).unwrap();
    for folder in [text.clone(), other.clone()] {
        let ran = cached(args!["scan", &image, "--format", "jsonl"], &folder).expect(0);
        assert_eq!(ran.stdout, expected);
        assert_eq!(ran.talk("warning: ").len(), 1, "{}", ran.stderr);
        assert!(
            ran.talk("warning: ")[0].ends_with("; the scan goes on without it")
                && ran.talk("hint: ").len() == 1
        );
    }
    assert_eq!(contents(&other).len(), 1);
    assert_eq!(fs_err::read(other.join("scan.sqlite")).unwrap(), fs_err::read(&text).unwrap());
}

#[test]
fn a_file_of_records_is_whole_or_not_there() {
    let temp = tempfile::tempdir().unwrap();
    let folder = small(temp.path().join("many"), 20);
    let out = |name: &str| temp.path().join("out").join(name);
    for (name, format) in [("x.jsonl", "jsonl"), ("x.csv", "csv"), ("x.txt", "text")] {
        let ran = dear(args!["scan", &folder, "--out", out(name)]).expect(0);
        assert_eq!(ran.stdout, "");
        let expected = dear(args!["scan", &folder, "--format", format]).expect(0).stdout;
        assert_eq!(fs_err::read_to_string(out(name)).unwrap(), expected);
    }
    dear(args!["scan", &folder, "--out", out("x.parquet")]).expect(0);
    let first = fs_err::read(out("x.parquet")).unwrap();
    assert!(first.starts_with(b"PAR1") && first.ends_with(b"PAR1"));
    dear(args!["scan", &folder, "--format", "parquet", "--out", out("again")]).expect(0);
    assert_eq!(fs_err::read(out("again")).unwrap(), first);
    let text = dear(args!["scan", &folder, "--format", "parquet"]).expect(2);
    assert!(text.stderr.contains("--format parquet needs --out FILE"), "{}", text.stderr);
    let image = folder.join("0001.jpg");
    let over = dear(args!["scan", &image, "--out", &image, "--format", "csv"]).expect(2);
    assert!(over.stderr.contains("is an input"), "{}", over.stderr);
    // What ends early leaves what was there.
    let failed = dear(args!["scan", &folder, folder.join("*.gif"), "--out", out("x.csv")]).expect(2);
    assert!(failed.stderr.contains("no file fits"));
    assert_eq!((contents(&temp.path().join("out")).len(), leftovers(temp.path()).len()), (5, 0));
}

#[test]
fn the_ending_of_a_file_of_records_says_its_form_or_nothing_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let image = sample(false);
    let out = |name: &str| temp.path().join(name);
    for name in ["a.json", "a.tsv", "a.csv.gz", "a.xlsx"] {
        let ran = dear(args!["scan", &image, "--out", out(name)]).expect(2);
        let expected = "no form is known by this ending, expected .jsonl, .csv, .parquet (.pq) or .txt";
        assert_eq!(ran.talk("error: "), [format!("{}: {expected}", out(name).display())]);
        assert_eq!(ran.talk("hint: "), ["rename it, or give --format"]);
    }
    assert_eq!(contents(temp.path()).len(), 0);
    // The form may be said, and is then not asked of the name.
    dear(args!["scan", &image, "--out", out("a.json"), "--format", "jsonl"]).expect(0);
    assert_eq!(json_lines(&fs_err::read_to_string(out("a.json")).unwrap()).len(), 1);
    dear(args!["scan", &image, "--out", out("a.PQ")]).expect(0);
    assert!(fs_err::read(out("a.PQ")).unwrap().starts_with(b"PAR1"));
    let text = dear(args!["scan", &image]).expect(0).stdout;
    for name in ["a", "a.txt", "a.log"] {
        dear(args!["scan", &image, "--out", out(name)]).expect(0);
        assert_eq!(fs_err::read_to_string(out(name)).unwrap(), text);
    }
}

#[test]
fn records_never_replace_what_the_scan_reads() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let folder = small(at("im"), 4);
    let (image, other) = (folder.join("0002.jpg"), folder.join("0000.jpg"));
    dear(args!["scan", &folder, "--out", at("earlier.parquet")]).expect(0);
    dear(args!["scan", &folder, "--cache", at("kept")]).expect(0);
    fs_err::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini.onnx"), at("det.onnx"))
        .unwrap();
    let before = contents(temp.path());
    let roundabout = folder.join("../im/0002.jpg");
    let list = format!("{}\n{}\n", other.display(), image.display());
    let in_folder = format!("{}\n", folder.display());
    // Arguments, stdin, and what the file is.
    let cases: [(Vec<OsString>, &str, &str); 13] = [
        (args![&image, "--out", &image], "", "an input"),
        (args![&folder, "--out", &roundabout], "", "an input"),
        (args![&roundabout, "--out", &image], "", "an input"),
        (args![&other, folder.join("*.jpg"), "--out", &image], "", "an input"),
        (args![&folder, "--shard", "1/2", "--out", &image], "", "an input"),
        (args![&folder, "--shard", "2/2", "--out", &image], "", "an input"),
        (args!["-", "--out", &image], &list, "an input"),
        (args!["-", "--out", &image, "--format", "parquet"], &in_folder, "an input"),
        (args![at("earlier.parquet"), "--out", at("earlier.parquet")], "", "an input"),
        (args![&folder, "--detector", at("det.onnx"), "--out", at("det.onnx")], "", "the detector"),
        (args![&folder, "--cache", at("kept"), "--out", at("im/../kept")], "", "the cache"),
        (args![&folder, "--cache", at("kept"), "--out", at("kept-wal")], "", "the cache"),
        (args![&folder, "--cache", at("new"), "--out", at("new")], "", "the cache"),
    ];
    for (arguments, stdin, what) in cases {
        let said = arguments.iter().any(|argument| argument == "--format");
        let form = if said { Vec::new() } else { args!["--format", "jsonl"] };
        let ran = fed([args!["scan"], arguments.clone(), form].concat(), stdin.as_bytes()).expect(2);
        let error = ran.talk("error: ").join("|");
        assert!(
            error.ends_with(&format!(": is {what}, expected another file for the records")),
            "{arguments:?}: {error}"
        );
        assert_eq!((ran.talk("hint: "), &*ran.stdout), (vec!["name another file with --out"], ""));
        assert_eq!(contents(temp.path()), before, "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn records_never_replace_an_input_by_another_name() {
    let temp = tempfile::tempdir().unwrap();
    let folder = small(temp.path().join("im"), 2);
    let (image, link) = (folder.join("0001.jpg"), temp.path().join("link.jpg"));
    std::os::unix::fs::symlink(&image, &link).unwrap();
    let before = contents(temp.path());
    for (input, out) in [(&link, &image), (&image, &link), (&link, &link)] {
        for (argument, list) in
            [(input.as_os_str(), String::new()), ("-".as_ref(), input.display().to_string())]
        {
            let scan = args!["scan", argument, "--out", out, "--format", "jsonl"];
            let ran = fed(scan, list.as_bytes()).expect(2);
            assert!(ran.talk("error: ")[0].contains("is an input, expected another file"), "{}", ran.stderr);
            assert_eq!(contents(temp.path()), before);
        }
    }
    assert!(link.is_symlink());
    // Through a folder that is not there, either.
    let around = temp.path().join("none/../im/0001.jpg");
    let ran = dear(args!["scan", &folder, "--out", &around, "--format", "jsonl"]).expect(2);
    assert!(ran.talk("error: ")[0].contains("is an input, expected another file"), "{}", ran.stderr);
    assert_eq!(contents(temp.path()), before);
    assert!(!temp.path().join("none").exists());
}

#[test]
fn no_name_steers_the_terminal_or_breaks_a_line_in_a_refusal() {
    let ran = fed(args!["scan", "-", "--null"], b"/nope\x1b[2J\nx\0").expect(1);
    assert_eq!(ran.stdout.lines().count(), 1, "{:?}", ran.stdout);
    let escaped = "/nope\\u{1b}[2J\\nx";
    assert!(ran.stdout.matches(escaped).count() == 1 && !ran.stdout.contains('\u{1b}'), "{:?}", ran.stdout);
}

#[test]
fn copies_that_were_not_scored_are_not_counted_among_those_that_were() {
    let temp = tempfile::tempdir().unwrap();
    // The smallest picture that mini scores: cropped, it is too small.
    let image = dear_image::Image::from_fn(48, 48, |x, y| [(x * 5) as u8, (y * 3) as u8, (x ^ y) as u8]);
    let path = temp.path().join("48.png");
    fs_err::write(&path, dear_image::encode_png(&image).unwrap()).unwrap();
    let text = dear(args!["scan", &path, "--stability"]).expect(0).stdout;
    assert!(text.trim_end().ends_with("5 of 5 copies judged otherwise, one could not be scored)"), "{text}");
}

#[test]
fn a_part_that_is_missing_is_told_by_the_exit_code_from_the_cache_and_of_a_duplicate_too() {
    let temp = tempfile::tempdir().unwrap();
    let (folder, cache) = (temp.path().join("im"), temp.path().join("cache"));
    fs_err::create_dir(&folder).unwrap();
    for name in ["a.jpg", "b.jpg"] {
        truncated_jpeg(folder.join(name));
    }
    let scan = || args!["scan", &folder, "--allow-truncated", "--format", "jsonl"];
    let first = cached(scan(), &cache).expect(1);
    assert!(
        first.stderr.ends_with("1 scored now, 0 refused now, 0 from the cache, 1 duplicates\n"),
        "{first:?}"
    );
    let again = cached(scan(), &cache).expect(1);
    assert!(
        again.stderr.ends_with("0 scored now, 0 refused now, 2 from the cache, 0 duplicates\n"),
        "{again:?}"
    );
    assert_eq!(again.stdout, first.stdout);
    assert!(json_lines(&first.stdout).iter().all(|record| record.get("truncated").is_none()));
}

#[test]
fn a_spreadsheet_computes_nothing_of_a_name() {
    let temp = tempfile::tempdir().unwrap();
    let names = ["=1+2.png", "+a.png", "-b.png", "@c.png", "\td.png", "\re.png", "\ng.png", "f.png"];
    for name in names {
        fs_err::copy(sample(false), temp.path().join(name)).unwrap();
    }
    let list = names.map(|name| format!("{name}\0")).concat();
    let mut child = command(args!["scan", "-", "--null", "--format", "csv"])
        .current_dir(temp.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(0);
    let mut reader = csv::Reader::from_reader(ran.stdout.as_bytes());
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), names.len());
    for (row, name) in rows.iter().zip(names) {
        use base64::Engine as _;
        let exact = base64::engine::general_purpose::STANDARD.encode(name);
        let expected = if name == "f.png" { (name.to_owned(), "") } else { (format!("'{name}"), &*exact) };
        assert_eq!((row[at("path")].to_owned(), &row[at("path_base64")]), expected);
        // A number is a number, also below zero.
        row[at("logit")].parse::<f64>().unwrap();
        for cell in row.iter().filter(|cell| cell.parse::<f64>().is_err()) {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell:?}");
        }
    }
}

#[test]
fn stability_and_provenance_are_asked_for_and_stand_beside_the_score() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder_of(&samples("test", 2), temp.path().join("two"));
    let plain = json_lines(&dear(args!["scan", &folder, "--format", "jsonl"]).expect(0).stdout);
    let full = args!["scan", &folder, "--stability", "--provenance", "--format"];
    let with = |format: &str| dear([full.clone(), args![format]].concat()).expect(0).stdout;
    let records = json_lines(&with("jsonl"));
    let csv = with("csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((plain.len(), records.len(), rows.len()), (2, 2, 2));
    for ((plain, record), row) in plain.iter().zip(&records).zip(&rows) {
        assert!(plain["stability"].is_null() && plain["provenance"].is_null());
        assert_eq!(record["logit"], plain["logit"]);
        let cell = |name: &str| row[header.iter().position(|column| column == name).unwrap()].to_owned();
        let stability = &record["stability"];
        assert_eq!(cell("stability"), stability["standing"].as_str().unwrap());
        let ends = ["stability_low", "stability_high"].map(|end| cell(end).parse::<f64>().unwrap());
        assert_eq!(ends, [0, 1].map(|end| stability["spread"][end].as_f64().unwrap()));
        for question in ["c2pa", "source_type", "generator", "camera"] {
            let state = record["provenance"][question]["state"].as_str().unwrap();
            assert_eq!(cell(&format!("provenance_{question}")), state);
        }
    }
}

#[test]
fn an_exit_code_for_what_was_found_if_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder_of(&samples("test", 10), temp.path().join("ten"));
    let all = json_lines(&dear(args!["scan", &folder, "--format", "jsonl"]).expect(0).stdout);
    let of =
        |verdict: &str| -> Vec<&Value> { all.iter().filter(|record| record["verdict"] == verdict).collect() };
    let (generated, real) = (of("generated"), of("real"));
    assert!(!generated.is_empty() && !real.is_empty(), "mini judges some of these photographs either way");
    let path = |record: &Value| record["path"].as_str().unwrap().to_owned();
    for fail_on in ["generated", "uncertain"] {
        let failed = dear(args!["scan", &folder, "--fail-on", fail_on]).expect(1);
        let expected = format!("exit code 1: {} of 10 scored images are generated", generated.len());
        assert!(failed.stderr.lines().last().unwrap().starts_with(&expected), "{}", failed.stderr);
        dear(args!["scan", path(real[0]), "--fail-on", fail_on]).expect(0);
        dear(args!["scan", path(generated[0]), "--fail-on", fail_on]).expect(1);
    }
    dear(args!["scan", path(generated[0])]).expect(0);
}

/// The claim in small; `bench/resume.py` does it with 20,000 files.
#[cfg(unix)]
#[test]
fn a_scan_that_is_killed_again_and_again_comes_to_the_exact_result() {
    let temp = tempfile::tempdir().unwrap();
    let folder = small(temp.path().join("many"), 400);
    let scan = args!["scan", &folder, "--format", "jsonl"];
    let expected = dear(scan.clone()).expect(0).stdout;
    assert_eq!(expected.lines().count(), 400);
    let cache = temp.path().join("cache");
    let mut seen = 0;
    // Lines after which it is killed: some known from before, then some new ones; drawn once.
    for new in [1, 37, 90, 5, 61] {
        let mut child = remembering(scan.clone())
            .env("DEAR_CACHE", &cache)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        for _ in 0..seen + new {
            assert!(out.read_line(&mut text).unwrap() > 0, "it ended before it was killed");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(expected.starts_with(&text));
        seen += new;
    }
    let ran = cached(scan, &cache).expect(0);
    assert!(ran.stdout == expected, "the output differs");
    let counts = ran.stderr.lines().last().unwrap();
    let number = |words: &str| -> u64 {
        let before = counts.split(words).next().unwrap().trim_end();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    // Nothing that was seen was scored again.
    assert!(number("from the cache") >= seen && number("scored now") <= 400 - seen, "{counts}");
    assert_eq!(number("from the cache") + number("scored now"), 400, "{counts}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_scan_says_so_and_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let folder = small(temp.path().join("many"), 400);
    let (cache, out) = (temp.path().join("cache"), temp.path().join("out.jsonl"));
    let scan = args!["scan", &folder, "--format", "jsonl"];
    let mut child = remembering(scan.clone())
        .env("DEAR_CACHE", &cache)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.by_ref().take(20).count(), 20);
    interrupt(&child);
    let seen = 20 + lines.count();
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(130);
    assert!(ran.stderr.contains("finished steps are not done twice"), "{}", ran.stderr);
    assert!(seen < 400, "it should have stopped");
    let ran = cached([scan, args!["--out", &out]].concat(), &cache).expect(0);
    let counts = format!("400 files: {} scored now, 0 refused now, {seen} from the cache", 400 - seen);
    assert!(ran.stderr.contains(&counts), "{}", ran.stderr);
}

/// Two scans at once on one cache: both whole, and the second of them a help to neither's harm.
#[test]
fn two_scans_share_a_cache() {
    let temp = tempfile::tempdir().unwrap();
    let folder = small(temp.path().join("many"), 60);
    let cache = temp.path().join("cache");
    let scan = args!["scan", &folder, "--format", "jsonl"];
    let expected = dear(scan.clone()).expect(0).stdout;
    let children = [(); 3].map(|()| {
        let mut command = remembering(scan.clone());
        command.env("DEAR_CACHE", &cache).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    for child in children {
        let ran = Ran::from(child.wait_with_output().unwrap()).expect(0);
        assert!(ran.stdout == expected && ran.talk("warning: ").is_empty(), "{}", ran.stderr);
    }
}
