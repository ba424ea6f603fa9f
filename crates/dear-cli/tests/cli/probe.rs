//! `dear probe`: photographs of which one region is generated, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{
    args, assert_same_files, command, contents, dear, folder_of, json_lines, picture, samples, times,
    truncated_jpeg,
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
                .stderr(std::process::Stdio::null())
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
