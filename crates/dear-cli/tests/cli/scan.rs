//! `dear scan`: one record a file, whatever is in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{
    HUGE_PNG, Ran, args, command, dear, folder_of, json_lines, sample, samples, truncated_jpeg,
};

const NOTE: &str = "no --detector given: using the embedded `mini`, for demonstration and tests, never to judge anyone's picture";

/// Ten photographs and four files that only look like some.
fn mixed(folder: PathBuf) -> PathBuf {
    folder_of(&samples("test", 10), folder.clone());
    truncated_jpeg(folder.join("cut.jpg"));
    fs_err::write(folder.join("letter.jpg"), "Dear Sir or Madam,\n").unwrap();
    fs_err::write(folder.join("nothing.png"), "").unwrap();
    fs_err::write(folder.join("wall.png"), HUGE_PNG).unwrap();
    folder
}

const REFUSED: [(&str, &str, &str); 4] = [
    ("cut.jpg", "truncated", "jpeg file is truncated: its data end early"),
    ("letter.jpg", "not_an_image", "not an image (plain text)"),
    ("nothing.png", "empty", "empty file"),
    (
        "wall.png",
        "too_large",
        "png of 60000 x 60000 = 3600.0 megapixels exceeds the limit of 200.0 megapixels",
    ),
];

fn scan(path: &Path, format: &str) -> Ran {
    dear(args!["scan", path, "--format", format])
}

fn name(record: &Value) -> String {
    Path::new(record["path"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned()
}

/// File name to logit of the scored records.
fn logits(ran: &Ran) -> BTreeMap<String, f64> {
    json_lines(&ran.stdout)
        .iter()
        .filter_map(|record| Some((name(record), record["logit"].as_f64()?)))
        .collect()
}

fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let row = |row: csv::StringRecord| {
        header.iter().zip(&row).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn ten_photographs_and_four_impostors_as_text() {
    let temp = tempfile::tempdir().unwrap();
    let folder = mixed(temp.path().join("mixed"));
    let ran = scan(&folder, "text").expect(1);
    let mut scored = 0;
    for line in ran.stdout.lines() {
        let Some(rest) = line.strip_prefix("refused          ") else {
            let (word, rest) = line.split_once(' ').unwrap();
            let (logit, path) = rest.trim_start().split_once("  ").unwrap();
            let logit: f64 = logit.parse().unwrap();
            assert_eq!(word, if logit > 0.0 { "generated" } else { "real" }, "{line}");
            assert!(Path::new(path).is_file(), "{line}");
            scored += 1;
            continue;
        };
        let known = |(file, kind, message): &(&str, &str, &str)| {
            rest == format!("{}  {kind}: {message}", folder.join(file).display())
        };
        assert!(REFUSED.iter().any(known), "{line}");
    }
    assert_eq!((scored, ran.stdout.lines().count()), (10, 14), "{}", ran.stdout);
    let talk: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(talk[0], NOTE);
    assert!(talk[1].starts_with("14 files: 10 scored ("), "{}", talk[1]);
    assert!(
        talk[1].contains("uncertain at logit 0 [default (logit 0)]), 4 refused; builtin "),
        "{}",
        talk[1]
    );
    assert_eq!(talk[2], "14 files: 10 scored now, 4 refused now, 0 from the cache, 0 duplicates");
    assert_eq!(talk.len(), 3, "{}", ran.stderr);
}

#[test]
fn every_json_record_has_the_documented_keys_and_what_is_unknown_is_null() {
    let temp = tempfile::tempdir().unwrap();
    let ran = scan(&mixed(temp.path().join("mixed")), "jsonl").expect(1);
    let keys = |value: &Value| {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    let records = json_lines(&ran.stdout);
    assert_eq!(records.len(), 14);
    for record in &records {
        let documented = "decode detector engine error format height logit outside path path_base64 probability provenance \
                          row schema sha256 stability status threshold threshold_origin treatment uncertain verdict view warning width";
        assert_eq!(keys(record), documented);
        assert_eq!(keys(&record["detector"]), "name sha256");
        assert_eq!(keys(&record["engine"]), "device fallback name precision provider threads version");
        assert_eq!(record["schema"], 1);
        assert_eq!(record["engine"]["name"], "builtin");
        assert_eq!(record["sha256"].as_str().unwrap().len(), 64);
        assert!(
            record["probability"].is_null() && record["path_base64"].is_null() && record["warning"].is_null()
        );
        assert!(record["row"].is_null());
        if record["status"] == "scored" {
            let digits =
                record["logit"].to_string().trim_start_matches(['-', '0', '.']).replace('.', "").len();
            assert!(digits >= 9, "{}", record["logit"]);
            assert_eq!((record["width"].as_u64(), record["height"].as_u64()), (Some(256), Some(256)));
            assert!(record["error"].is_null());
            assert_eq!(
                record["verdict"],
                if record["logit"].as_f64().unwrap() > 0.0 { "generated" } else { "real" }
            );
        } else {
            assert_eq!(record["status"], "refused");
            assert_eq!(keys(&record["error"]), "hint kind message");
            for key in ["width", "height", "format", "logit", "verdict"] {
                assert!(record[key].is_null(), "{key}: {record}");
            }
        }
    }
    let refused: Vec<_> = records.iter().filter(|record| record["status"] == "refused").collect();
    assert_eq!(refused.len(), 4);
    for (record, (file, kind, message)) in refused.into_iter().zip(REFUSED) {
        assert_eq!(
            (name(record).as_str(), &record["error"]["kind"], &record["error"]["message"]),
            (file, &kind.into(), &message.into())
        );
    }
}

#[test]
fn csv_says_what_jsonl_says() {
    let temp = tempfile::tempdir().unwrap();
    let folder = mixed(temp.path().join("mixed"));
    let records = json_lines(&scan(&folder, "jsonl").expect(1).stdout);
    let rows = rows(&scan(&folder, "csv").expect(1).stdout);
    assert_eq!(rows.len(), 14);
    for (row, record) in rows.iter().zip(&records) {
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        for key in [
            "path",
            "path_base64",
            "sha256",
            "status",
            "warning",
            "width",
            "height",
            "format",
            "logit",
            "probability",
            "verdict",
        ] {
            assert_eq!(row[key], text(&record[key]), "{key}");
        }
        assert_eq!(
            (&row["error_kind"], &row["error"]),
            (&text(&record["error"]["kind"]), &text(&record["error"]["message"]))
        );
        assert_eq!(
            (&row["detector"], &row["detector_sha256"]),
            (&text(&record["detector"]["name"]), &text(&record["detector"]["sha256"]))
        );
        assert_eq!(row["threshold"].parse::<f64>().unwrap(), record["threshold"].as_f64().unwrap());
    }
}

#[test]
fn names_come_back_as_they_are() {
    let names = [
        "comma, name.png",
        "quote \"q\".png",
        "two\nlines.png",
        "=cmd|'!A0.png",
        "é ü 漢.png",
        " blank .png",
        "\u{1b}[31mred.png",
    ];
    let temp = tempfile::tempdir().unwrap();
    let photograph = fs_err::read(sample(false)).unwrap();
    for name in names {
        fs_err::write(temp.path().join(name), &photograph).unwrap();
    }
    let expected: std::collections::BTreeSet<String> =
        names.iter().map(|name| temp.path().join(name).display().to_string()).collect();
    let records = json_lines(&scan(temp.path(), "jsonl").expect(0).stdout);
    assert_eq!(
        records
            .iter()
            .map(|record| record["path"].as_str().unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>(),
        expected
    );
    let rows = rows(&scan(temp.path(), "csv").expect(0).stdout);
    assert_eq!(
        rows.iter().map(|row| row["path"].clone()).collect::<std::collections::BTreeSet<_>>(),
        expected
    );
    // For people: one line a file, and no name steers the terminal.
    let text = scan(temp.path(), "text").expect(0).stdout;
    assert_eq!(text.lines().count(), names.len(), "{text}");
    assert!(
        text.contains("two\\nlines.png") && text.contains("\\u{1b}[31mred.png") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_come_back_in_base64() {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(std::ffi::OsString::from_vec(b"\xff\xfe, \"x\".png".to_vec()));
    fs_err::write(&path, fs_err::read(sample(false)).unwrap()).unwrap();
    let exact = |encoded: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
    };
    let records = json_lines(&scan(temp.path(), "jsonl").expect(0).stdout);
    assert_eq!(exact(records[0]["path_base64"].as_str().unwrap()), path.as_os_str().as_bytes());
    let rows = rows(&scan(temp.path(), "csv").expect(0).stdout);
    assert_eq!(exact(&rows[0]["path_base64"]), path.as_os_str().as_bytes());
    assert_eq!((records.len(), rows.len()), (1, 1));
}

#[test]
fn the_extension_is_not_the_format() {
    let temp = tempfile::tempdir().unwrap();
    let (jpeg, png) = (fs_err::read(sample(true)).unwrap(), fs_err::read(sample(false)).unwrap());
    let files = [
        ("a.jpg", &jpeg, "jpeg"),
        ("b.png", &jpeg, "jpeg"),
        ("c", &jpeg, "jpeg"),
        ("d.png", &png, "png"),
        ("E.JPG", &png, "png"),
        ("f.g.tiff", &png, "png"),
    ];
    for (name, bytes, _) in files {
        fs_err::write(temp.path().join(name), bytes).unwrap();
    }
    let ran = scan(temp.path(), "jsonl").expect(0);
    let logits = logits(&ran);
    assert_eq!(logits.len(), 6);
    for record in json_lines(&ran.stdout) {
        let (_, _, format) = files.into_iter().find(|file| file.0 == name(&record)).unwrap();
        assert_eq!(record["format"], format, "{record}");
    }
    assert!(logits["a.jpg"] == logits["b.png"] && logits["a.jpg"] == logits["c"]);
    assert!(
        logits["d.png"] == logits["E.JPG"]
            && logits["d.png"] == logits["f.g.tiff"]
            && logits["a.jpg"] != logits["d.png"]
    );
}

#[test]
fn a_truncated_file_is_scored_where_allowed_and_never_silently() {
    let temp = tempfile::tempdir().unwrap();
    truncated_jpeg(temp.path().join("cut.jpg"));
    let ran = dear(args!["scan", temp.path(), "--allow-truncated", "--format", "jsonl"]).expect(1);
    let records = json_lines(&ran.stdout);
    assert_eq!(records[0]["status"], "scored_with_warning");
    assert!(records[0]["warning"].as_str().unwrap().contains("truncated"), "{}", ran.stdout);
    assert!(records[0]["logit"].is_f64() && records[0]["error"].is_null());
    assert!(ran.stderr.contains("1 file: 1 scored") && ran.stderr.contains("0 refused"), "{}", ran.stderr);
    let text = dear(args!["scan", temp.path(), "--allow-truncated"]).expect(1);
    assert!(
        text.stdout.contains("cut.jpg  warning: ") && text.stdout.lines().count() == 1,
        "{}",
        text.stdout
    );
}

#[test]
fn files_that_are_no_images_by_name_are_passed_over_and_counted() {
    let temp = tempfile::tempdir().unwrap();
    folder_of(&samples("test", 2), temp.path().join("a"));
    for name in [".DS_Store", "._kodim03-1.png", "a/Thumbs.db", "a/desktop.ini", "a/notes.txt"] {
        fs_err::write(temp.path().join(name), "x").unwrap();
    }
    folder_of(&samples("test", 1), temp.path().join(".ipynb_checkpoints"));
    folder_of(&samples("test", 1), temp.path().join("__MACOSX"));
    let ran = scan(temp.path(), "jsonl").expect(0);
    assert_eq!(logits(&ran).into_keys().collect::<Vec<_>>(), ["kodim03-1.png", "kodim03-2.png"]);
    assert!(
        ran.stderr.contains("2 files: 2 scored") && ran.stderr.contains(", 5 other files passed over;"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_file_scores_alone_as_it_does_in_a_folder() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder_of(&samples("test", 4), temp.path().join("four"));
    let together = logits(&scan(&folder, "jsonl").expect(0));
    assert_eq!(together.len(), 4);
    for (name, logit) in &together {
        let alone = logits(&scan(&folder.join(name), "jsonl").expect(0));
        assert_eq!(alone, BTreeMap::from([(name.clone(), *logit)]));
    }
    // Files and folders may be mixed; the order is that of the arguments.
    let both = dear(args!["scan", folder.join("kodim03-4.jpg"), &folder, "--format", "jsonl"]).expect(0);
    let names: Vec<String> = json_lines(&both.stdout).iter().map(name).collect();
    assert_eq!(names, ["kodim03-4.jpg", "kodim03-1.png", "kodim03-2.png", "kodim03-3.png", "kodim03-4.jpg"]);
}

#[test]
fn a_given_detector_is_not_announced_as_the_embedded_one() {
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini.onnx");
    let image = sample(true);
    let given = dear(args!["scan", &image, "--detector", mini, "--format", "jsonl"]).expect(0);
    assert!(!given.stderr.contains("embedded") && given.stderr.lines().count() == 2, "{}", given.stderr);
    assert_eq!(given.stdout, scan(&image, "jsonl").expect(0).stdout, "the embedded detector is that file");
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::io::{BufRead, BufReader, Read};
    let temp = tempfile::tempdir().unwrap();
    let folder = folder_of(&samples("test", 10), temp.path().join("ten"));
    for format in ["text", "jsonl", "csv"] {
        let mut child = command(args!["scan", &folder, &folder, &folder, "--format", format])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let mut talk = String::new();
        child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{format}: {talk}");
        assert_eq!(talk.trim(), NOTE, "{format}: the scan should have ended early and quietly");
        assert!(!first.is_empty());
    }
}
