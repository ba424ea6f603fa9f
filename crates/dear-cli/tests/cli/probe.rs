//! `dear probe`: photographs of which one region is generated, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use crate::support::{
    args, assert_same_files, command, contents, dear, folder_of, json_lines, leftovers, picture, samples,
    times, truncated_jpeg,
};

fn make(real: &Path, inpainter: &str, out: &Path, seed: &str) -> crate::support::Ran {
    dear(args!["probe", real, "--inpainter", inpainter, "--out", out, "--seed", seed])
}

#[test]
fn only_the_mask_is_made_anew_and_both_kinds_share_it() {
    let temp = tempfile::tempdir().unwrap();
    let photographs = samples("train", 10).split_off(7); // One JPEG, then a PNG, then a JPEG.
    let real = folder_of(&photographs, temp.path().join("real"));
    let formats: BTreeSet<_> = photographs.iter().map(|path| path.extension().unwrap().to_owned()).collect();
    assert_eq!(formats.len(), 2);
    for kind in ["resynthesis", "null"] {
        let out = temp.path().join(kind);
        let ran = make(&real, kind, &out, "5").expect(0);
        assert!(
            ran.stdout.starts_with(&format!("3 {kind} probes in {}: mask ", out.display())),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.trim_end().ends_with("; 0 images refused"), "{}", ran.stdout);
        let journal = json_lines(&fs_err::read_to_string(out.join("probes.jsonl")).unwrap());
        assert_eq!((journal.len(), contents(&out).len()), (3, 7));
        for (row, photograph) in journal.iter().zip(&photographs) {
            let stem = photograph.file_stem().unwrap().to_string_lossy().into_owned();
            assert_eq!(
                (row["stem"].as_str().unwrap(), row["inpainter"].as_str().unwrap(), row["seed"].as_u64()),
                (stem.as_str(), kind, Some(5))
            );
            let before = picture(photograph);
            let after = picture(&out.join(format!("{stem}_inpaint.png")));
            let mask = fs_err::read(out.join(format!("{stem}_mask.png"))).unwrap();
            let mask = dear_image::decode_mask(&mask, &dear_image::DecodeOptions::default()).unwrap();
            assert!(before.size() == after.size() && before.size() == mask.size(), "{stem}");
            let (mut inside, mut changed) = (0u32, 0u32);
            for y in 0..before.height() {
                for x in 0..before.width() {
                    let value = mask.data()[(y * before.width() + x) as usize];
                    let same = before.pixel(x, y) == after.pixel(x, y);
                    assert!(value == 0 || value == 255, "{stem}: mask of {value}");
                    assert!(value == 255 || same, "{stem}: pixel {x}, {y} changed outside of the mask");
                    inside += u32::from(value == 255);
                    changed += u32::from(!same);
                }
            }
            let share = f64::from(inside) / f64::from(before.width() * before.height());
            assert_eq!(row["mask_share"].as_f64().unwrap(), share);
            assert_eq!(row["changed_share"].as_f64().unwrap(), f64::from(changed) / f64::from(inside));
            assert!(changed * 2 > inside, "{stem}: {changed} of {inside} masked pixels changed");
        }
    }
    let (made, null) = (contents(&temp.path().join("resynthesis")), contents(&temp.path().join("null")));
    for (name, bytes) in &made {
        assert_eq!(null[name] == *bytes, name.ends_with("_mask.png"), "{name}");
    }
    let other = temp.path().join("other-seed");
    make(&real, "null", &other, "6").expect(0);
    let other = contents(&other);
    assert!(
        other.iter().filter(|(name, bytes)| name.ends_with("_mask.png") && null[*name] == **bytes).count()
            < 3,
        "the seed draws the masks"
    );
}

#[test]
fn a_rerun_makes_nothing_anew_and_a_half_done_one_ends_alike() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 4), temp.path().join("real"));
    let (whole, broken) = (temp.path().join("whole"), temp.path().join("broken"));
    make(&real, "null", &whole, "0").expect(0);
    let (before, first) = (times(&whole, ".png"), contents(&whole));
    assert_eq!(before.len(), 8);
    make(&real, "null", &whole, "0").expect(0);
    assert_eq!(times(&whole, ".png"), before);
    assert_eq!(contents(&whole), first);

    // As a kill leaves it: files without a row, a row without its file, a torn journal.
    make(&real, "null", &broken, "0").expect(0);
    fs_err::remove_file(broken.join("kodim01-1_inpaint.png")).unwrap();
    let journal = fs_err::read_to_string(broken.join("probes.jsonl")).unwrap();
    fs_err::write(broken.join("probes.jsonl"), &journal[..journal.len() * 5 / 8]).unwrap();
    let kept = times(&broken, "kodim01-2");
    make(&real, "null", &broken, "0").expect(0);
    assert_same_files(&whole, &broken, 9);
    assert_eq!(times(&broken, "kodim01-2"), kept, "what was finished is not made again");
}

#[test]
fn a_killed_run_ends_alike_and_never_vouches_for_another_seed() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 4), temp.path().join("real"));
    let (whole, killed) = (temp.path().join("whole"), temp.path().join("killed"));
    make(&real, "resynthesis", &whole, "0").expect(0);
    for seed in ["0", "1"] {
        // Seed 1 overwrites what seed 0 made, and is killed at it.
        let before = if killed.exists() { times(&killed, "_mask.png") } else { Vec::new() };
        let mut child =
            command(args!["probe", &real, "--inpainter", "resynthesis", "--out", &killed, "--seed", seed])
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
        while child.try_wait().unwrap().is_none()
            && (!killed.exists() || times(&killed, "_mask.png") == before)
        {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "the run ended before it could be killed");
        make(&real, "resynthesis", &killed, "0").expect(0);
        assert_same_files(&whole, &killed, 9);
    }
}

#[test]
fn photographs_that_cannot_be_read_are_refused_and_counted() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 2), temp.path().join("real"));
    truncated_jpeg(real.join("cut.jpg"));
    let out = temp.path().join("out");
    let ran = make(&real, "null", &out, "0").expect(1);
    assert!(
        ran.stdout.starts_with("2 null probes") && ran.stdout.trim_end().ends_with("; 1 image refused"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        ran.talk("warning: "),
        [format!(
            "{}: refused (truncated): jpeg file is truncated: its data end early",
            real.join("cut.jpg").display()
        )]
    );
    assert_eq!(contents(&out).len(), 5);
}

#[test]
fn ellipses_strokes_and_the_other_scale_say_what_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 2), temp.path().join("real"));
    for (shape, scale) in [("ellipse", "2"), ("strokes", "4")] {
        let out = temp.path().join(shape);
        let more = args!["--mask", shape, "--scale", scale, "--min-area", "0.1", "--max-area", "0.1"];
        let first = args!["probe", &real, "--inpainter", "resynthesis", "--out", &out];
        dear([first, more].concat()).expect(0);
        for row in json_lines(&fs_err::read_to_string(out.join("probes.jsonl")).unwrap()) {
            let detail = row["inpainter_detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("resynth-x{scale} x{scale} sha256 ")), "{detail}");
            assert_eq!((row["mask"].as_str().unwrap(), row["weight_outside"].as_f64()), (shape, Some(0.0)));
            assert!((row["mask_share"].as_f64().unwrap() - 0.1).abs() < 0.002, "{row}");
            assert!(row["changed_share"].as_f64().unwrap() > 0.5, "{row}");
        }
    }
    let out = temp.path().join("identity");
    let more = args!["probe", &real, "--inpainter", "null", "--scale", "1", "--out", &out];
    let ran = dear(more).expect(0);
    assert_eq!(
        ran.talk("warning: "),
        ["kodim01-1", "kodim01-2"].map(|stem| format!("probe {stem}: nothing in its mask is regenerated")),
        "nothing is reduced by 1, and the sharp composite changes nothing either"
    );
    let more = args!["--scale", "3"];
    let ran = dear([args!["probe", &real, "--inpainter", "null", "--out", &out], more].concat()).expect(2);
    assert_eq!(ran.talk("error: "), ["probe.scale is 3, expected one of [1, 2, 4] for null"]);
}

#[test]
fn the_reference_composite_reports_what_is_regenerated() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 3), temp.path().join("real"));
    let out = temp.path().join("out");
    let more = args!["--composite", "reference", "--min-area", "0.01", "--max-area", "0.01"];
    let ran = dear([args!["probe", &real, "--inpainter", "null", "--out", &out], more].concat()).expect(0);
    // A square below some 72 pixels of 512 never reaches one half: these have 51, in the frame.
    assert_eq!(ran.talk("warning: ").len(), 3, "{}", ran.stderr);
    assert!(ran.stdout.contains(" 0.0 % of it regenerated, "), "{}", ran.stdout);
    let more = args!["--composite", "reference", "--min-area", "0.2"];
    let ran = dear([args!["probe", &real, "--inpainter", "null", "--out", &out], more].concat()).expect(0);
    assert_eq!(ran.talk("warning: ").len(), 0, "{}", ran.stderr);
    for row in json_lines(&fs_err::read_to_string(out.join("probes.jsonl")).unwrap()) {
        assert_eq!(row["composite"], "reference");
        assert!((0.8..1.0).contains(&row["regenerated_share"].as_f64().unwrap()), "{row}");
        assert!((0.1..0.5).contains(&row["weight_outside"].as_f64().unwrap()), "{row}");
    }
}

#[test]
fn processes_that_share_a_folder_lose_no_row() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 24), temp.path().join("real"));
    let (whole, same, shards) =
        (temp.path().join("whole"), temp.path().join("same"), temp.path().join("shards"));
    make(&real, "null", &whole, "0").expect(0);
    for (out, parts) in [(&same, ["1/1", "1/1", "1/1"]), (&shards, ["1/3", "2/3", "3/3"])] {
        let children: Vec<_> = parts
            .into_iter()
            .map(|part| {
                let arguments = args!["probe", &real, "--inpainter", "null", "--out", out, "--shard", part];
                command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
            assert!(
                said.starts_with(if out == &same { "24 null probes" } else { "8 null probes" }),
                "{said}"
            );
        }
        assert_same_files(&whole, out, 49);
    }
}

/// `ulimit -f` stands in for a full disk: files end where it says, in blocks of 512 bytes.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_half_file() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 6), temp.path().join("real"));
    let (whole, full) = (temp.path().join("whole"), temp.path().join("full"));
    make(&real, "null", &whole, "0").expect(0);
    let whole_files = contents(&whole);
    let mut sizes: Vec<usize> = whole_files
        .iter()
        .filter(|(name, _)| name.ends_with("_inpaint.png"))
        .map(|(_, bytes)| bytes.len())
        .collect();
    sizes.sort_unstable();
    let blocks = sizes[4] / 512; // The two largest do not fit.
    let run = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec '{}' probe '{}' --inpainter null --engine builtin --out '{}'",
        env!("CARGO_BIN_EXE_dear"),
        real.display(),
        full.display()
    );
    let ran: crate::support::Ran =
        std::process::Command::new("sh").args(["-c", &run]).output().unwrap().into();
    let ran = ran.expect(3);
    assert!(ran.talk("error: ")[0].contains("_inpaint.png: "), "{}", ran.stderr);
    assert_eq!(leftovers(&full), Vec::<std::path::PathBuf>::new());
    for (name, bytes) in contents(&full) {
        assert!(name == "probes.jsonl" || whole_files[&name] == bytes, "{name} is half a file");
    }
    let rows = json_lines(&fs_err::read_to_string(full.join("probes.jsonl")).unwrap_or_default());
    for row in &rows {
        let stem = row["stem"].as_str().unwrap();
        assert!(
            full.join(format!("{stem}_inpaint.png")).is_file()
                && full.join(format!("{stem}_mask.png")).is_file()
        );
    }
    make(&real, "null", &full, "0").expect(0);
    assert_same_files(&whole, &full, 13);
}

#[test]
fn rows_of_photographs_that_are_gone_or_refused_go() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 3), temp.path().join("real"));
    let out = temp.path().join("out");
    make(&real, "null", &out, "0").expect(0);
    let photographs = samples("train", 3);
    fs_err::remove_file(real.join(photographs[0].file_name().unwrap())).unwrap();
    fs_err::write(real.join(photographs[1].file_name().unwrap()), "no image").unwrap();
    make(&real, "null", &out, "0").expect(1);
    let journal = json_lines(&fs_err::read_to_string(out.join("probes.jsonl")).unwrap());
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0]["source"], photographs[2].file_name().unwrap().to_str().unwrap());
}

#[test]
fn given_masks_equal_to_drawn_ones_give_the_same_probes() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 3), temp.path().join("real"));
    let (drawn, given) = (temp.path().join("drawn"), temp.path().join("given"));
    make(&real, "null", &drawn, "7").expect(0);
    fs_err::remove_file(drawn.join("probes.jsonl")).unwrap();
    let masks = temp.path().join("masks");
    fs_err::create_dir(&masks).unwrap();
    for (name, bytes) in contents(&drawn).into_iter().filter(|(name, _)| name.ends_with("_mask.png")) {
        fs_err::write(masks.join(name), bytes).unwrap();
    }
    fs_err::copy(masks.join("kodim01-1_mask.png"), masks.join("other_mask.png")).unwrap();
    let ran =
        dear(args!["probe", &real, "--inpainter", "null", "--out", &given, "--masks", &masks]).expect(0);
    assert_eq!(
        ran.talk("warning: "),
        [format!(
            "1 mask without a photograph of that stem, the first: {}",
            masks.join("other_mask.png").display()
        )]
    );
    let journal = fs_err::read_to_string(given.join("probes.jsonl")).unwrap();
    assert!(json_lines(&journal).iter().all(|row| row["mask"] == "given"));
    fs_err::remove_file(given.join("probes.jsonl")).unwrap();
    assert_same_files(&drawn, &given, 6);
    let both =
        args!["probe", &real, "--inpainter", "null", "--out", &given, "--masks", &masks, "--mask", "ellipse"];
    assert!(dear(both).expect(2).stderr.contains("cannot be used with"));
}

#[test]
fn files_that_no_run_wrote_are_never_overwritten() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 3), temp.path().join("real"));
    let (whole, out) = (temp.path().join("whole"), temp.path().join("out"));
    make(&real, "null", &whole, "0").expect(0);
    fs_err::create_dir(&out).unwrap();
    let refused = |first: &str, files: &str| {
        let before = contents(&out);
        let ran = make(&real, "null", &out, "0").expect(2);
        let first = out.join(first);
        let error = format!(
            "{}: would be overwritten, and this program did not write it; found {files} like it, expected none",
            first.display()
        );
        assert_eq!(ran.talk("error: "), [error]);
        assert_eq!(ran.talk("hint: "), ["give another --out, or move these files away"]);
        assert_eq!((contents(&out), ran.stdout.as_str()), (before, ""));
    };
    fs_err::write(out.join("kodim01-3_mask.png"), "mine").unwrap();
    refused("kodim01-3_mask.png", "1 file");
    fs_err::write(out.join("kodim01-2_inpaint.png"), "mine").unwrap();
    refused("kodim01-2_inpaint.png", "2 files");
    for name in ["kodim01-3_mask.png", "kodim01-2_inpaint.png"] {
        fs_err::remove_file(out.join(name)).unwrap();
    }
    fs_err::write(out.join("other_inpaint.png"), "mine, and in nobody's way").unwrap();
    make(&real, "null", &out, "0").expect(0);

    // Its own files it knows without a row, and which of them were replaced.
    fs_err::remove_file(out.join("probes.jsonl")).unwrap();
    fs_err::write(out.join("kodim01-2_inpaint.png"), "mine").unwrap();
    refused("kodim01-2_inpaint.png", "1 file");
    fs_err::remove_file(out.join("kodim01-2_inpaint.png")).unwrap();
    make(&real, "null", &out, "0").expect(0);
    fs_err::remove_file(out.join("other_inpaint.png")).unwrap();
    assert_same_files(&whole, &out, 7);
}

#[test]
fn null_probes_and_generated_ones_never_take_each_others_place() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 2), temp.path().join("real"));
    for (kind, other) in [("null", "resynthesis"), ("resynthesis", "null")] {
        let out = temp.path().join(kind);
        make(&real, kind, &out, "0").expect(0);
        let before = contents(&out);
        let ran = make(&real, other, &out, "0").expect(2);
        let error = format!("{}: holds {kind} probes, expected {other} ones or none", out.display());
        assert_eq!(ran.talk("error: "), [error]);
        assert_eq!(
            ran.talk("hint: "),
            ["give another --out: null probes and generated ones need a folder each"]
        );
        assert_eq!((contents(&out), before.len()), (before, 5));
    }
}

#[test]
fn probes_among_the_photographs_are_no_photographs() {
    let temp = tempfile::tempdir().unwrap();
    let real = folder_of(&samples("train", 2), temp.path().join("real"));
    let out = real.join("probes");
    make(&real, "null", &out, "0").expect(0);
    let before = contents(&real);
    let ran = make(&real, "null", &out, "0").expect(0);
    assert!(ran.stdout.starts_with("2 null probes in "), "{}", ran.stdout);
    assert_eq!((contents(&real), before.len()), (before, 7));
    // Those of another folder are none either where their manifest says so; pictures with such names alone are photographs.
    let ran = make(&real, "null", &temp.path().join("elsewhere"), "0").expect(0);
    assert!(ran.stdout.starts_with("2 null probes in "), "{}", ran.stdout);
    fs_err::remove_file(out.join("probes.jsonl")).unwrap();
    let ran = make(&real, "null", &temp.path().join("unsaid"), "0").expect(0);
    assert!(ran.stdout.starts_with("6 null probes in "), "{}", ran.stdout);

    let same = real.join("..").join("real");
    let ran = make(&real, "null", &same, "0").expect(2);
    let error = format!("{}: the folder of the images, expected another one for probes", same.display());
    assert_eq!(ran.talk("error: "), [error]);
    assert_eq!(ran.talk("hint: "), ["give another --out: a later run would take probes for photographs"]);
}
