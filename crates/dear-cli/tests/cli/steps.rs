//! `dear dissect`, `dear prune` and `dear refine`: the parts of `dear harden`.

use std::path::{Path, PathBuf};

use crate::support::{Training, args, command, dear};

/// The parts, with the probes and the recipe of a hardening that was done before; the detector's bytes.
fn in_parts(set: &Training, probes: &Path, recipe: &Path, more: &[std::ffi::OsString]) -> Vec<u8> {
    let [rad, gate, out] = ["rad.json", "gate.json", "refined.onnx"].map(|name| set.path("parts").join(name));
    let ran = dear(args!["dissect", "--probes", probes, "--recipe", recipe, "--out", &rad]).expect(0);
    assert!(ran.stdout.contains(" channels scored over "), "{}", ran.stdout);
    let ran =
        dear(args!["prune", "--rad", &rad, "--out", &gate, "--prune-top", "0.3", "--prune-bottom", "0.1"])
            .expect(0);
    assert!(ran.stdout.contains(" channels kept: ") && ran.stderr.is_empty(), "{ran:?}");
    let refine = args![
        "refine", "--gate", &gate, "--real", &set.real, "--fake", &set.fake, "--probes", probes, "--recipe",
        recipe, "--out", &out
    ];
    dear([refine, more.to_vec()].concat()).expect(0);
    assert_eq!(fs_err::read(recipe).unwrap(), fs_err::read(set.path("parts/refined.recipe.toml")).unwrap());
    fs_err::read(&out).unwrap()
}

#[test]
fn the_parts_make_what_the_whole_makes() {
    let set = Training::new();
    let recipe = set.path("r.toml");
    fs_err::write(&recipe, "seed = 2\n[gate]\nprune_top = 0.3\nprune_bottom = 0.1\n").unwrap();
    for (name, more) in [("validated", args!["--val", &set.val]), ("held-out", args![])] {
        dear(set.harden(name, &[more.clone(), args!["--recipe", &recipe]].concat())).expect(0);
        let whole = fs_err::read(set.path(name).join("h.onnx")).unwrap();
        let resolved = set.path(name).join("h.recipe.toml");
        let probes = set.path(name).join("h.work/probes");
        assert!(in_parts(&set, &probes, &resolved, &more) == whole, "{name}: the files differ");
    }
}

#[test]
fn given_probes_of_held_out_photographs_are_left_out_and_counted_alike() {
    let set = Training::new();
    let probes = set.path("probes");
    dear(args!["probe", &set.real, "--inpainter", "resynthesis", "--out", &probes]).expect(0);
    let whole = dear(set.harden("whole", &args!["--probes", &probes])).expect(0);
    let [rad, gate, out] = ["rad.json", "gate.json", "refined.onnx"].map(|name| set.path(name));
    dear(args!["dissect", "--probes", &probes, "--views", "2", "--out", &rad]).expect(0);
    dear(args!["prune", "--rad", &rad, "--out", &gate]).expect(0);
    let refined = dear(args![
        "refine", "--gate", &gate, "--real", &set.real, "--fake", &set.fake, "--probes", &probes, "--views",
        "2", "--out", &out
    ])
    .expect(0);
    // Dissect knows of no hold-out, so the scores may differ; what was left out is counted and told by both.
    let said = ["1 probe: what has the name of a validation image is not trained on"];
    assert_eq!([whole.talk("left out "), refined.talk("left out ")], [said, said]);
    for file in [set.path("whole").join("h.onnx"), out] {
        let bytes = fs_err::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            text.contains("\"probes_held_out\":1") && text.contains("\"probes\":5"),
            "{}",
            file.display()
        );
    }
}

#[test]
fn a_gate_of_another_backbone_is_refused() {
    let set = Training::new();
    let [probes, rad, gate, out] =
        ["probes", "rad.json", "gate.json", "refined.onnx"].map(|name| set.path(name));
    dear(args!["probe", &set.real, "--inpainter", "resynthesis", "--out", &probes]).expect(0);
    dear(args!["dissect", "--probes", &probes, "--views", "1", "--out", &rad]).expect(0);
    dear(args!["prune", "--rad", &rad, "--out", &gate]).expect(0);
    let mut file: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(&gate).unwrap()).unwrap();
    assert_eq!(file["backbone_sha256"].as_str().unwrap().len(), 64);
    file["backbone_sha256"] = "0123456789abcdef".into();
    fs_err::write(&gate, file.to_string()).unwrap();
    let ran = dear(args!["refine", "--gate", &gate, "--real", &set.real, "--fake", &set.fake, "--out", &out])
        .expect(2);
    let error =
        format!("{}: made for the backbone of mini (0123456789ab), expected that of mini (", gate.display());
    assert!(ran.talk("error: ")[0].starts_with(&error), "{}", ran.stderr);
    assert_eq!(ran.talk("hint: "), ["dissect and prune with the same --detector"]);
    assert!(!out.exists() && !set.path("refined.recipe.toml").exists() && !set.path("refined.work").exists());
}

#[cfg(unix)]
#[test]
fn a_closed_stdout_does_not_lose_the_file() {
    let set = Training::new();
    let [probes, rad, gate] = ["probes", "rad.json", "gate.json"].map(|name| set.path(name));
    dear(args!["probe", &set.real, "--inpainter", "resynthesis", "--out", &probes]).expect(0);
    let steps = [
        (args!["dissect", "--probes", &probes, "--views", "1", "--out", &rad], &rad),
        (args!["prune", "--rad", &rad, "--out", &gate], &gate),
    ];
    for (words, file) in steps {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = command(words).stdout(writer).stderr(std::process::Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(file.is_file(), "{}", file.display());
    }
}

#[test]
fn null_probes_are_never_taken_for_probes_nor_the_reverse() {
    let set = Training::new();
    let [null, probes, rad] = ["null", "probes", "rad.json"].map(|name| set.path(name));
    dear(args!["probe", &set.real, "--inpainter", "null", "--out", &null]).expect(0);
    dear(args!["probe", &set.real, "--inpainter", "resynthesis", "--out", &probes]).expect(0);
    let swapped = dear(args!["dissect", "--probes", &null, "--out", &rad]).expect(2);
    let said = swapped.talk("error: ")[0].to_owned();
    assert_eq!(said, format!("{}: holds null probes, expected generated ones", null.display()));
    let swapped =
        dear(args!["dissect", "--probes", &probes, "--null-probes", &probes, "--out", &rad]).expect(2);
    let said = swapped.talk("error: ")[0].to_owned();
    assert_eq!(said, format!("{}: holds resynthesis probes, expected null ones", probes.display()));
    assert!(!rad.exists());
}

#[test]
fn refused_probes_alone_are_named_with_their_number_and_a_reason() {
    let set = Training::new();
    let [probes, null, rad] = ["probes", "null", "rad.json"].map(|name| set.path(name));
    for (kind, folder) in [("resynthesis", &probes), ("null", &null)] {
        dear(args!["probe", &set.real, "--inpainter", kind, "--out", folder]).expect(0);
    }
    let masks = |folder: &Path| -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> =
            fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.retain(|path| path.to_string_lossy().ends_with("_mask.png"));
        found.sort();
        found
    };
    let black = dear_image::encode_png_gray(256, 256, &[0; 256 * 256]).unwrap();
    let small = dear_image::encode_png_gray(2, 1, &[0, 255]).unwrap();
    let dissect = args!["dissect", "--probes", &probes, "--null-probes", &null, "--out", &rad];
    for (folder, side) in [(&null, "null probe"), (&probes, "probe")] {
        let masks = masks(folder);
        assert_eq!(masks.len(), 6);
        masks.iter().for_each(|path| fs_err::write(path, &small).unwrap());
        fs_err::write(&masks[0], &black).unwrap();
        let ran = dear(dissect.clone()).expect(2);
        let error = format!(
            "6 {side}s refused, expected some that can be scored; the first: kodim01-1 (mask): {}: no pixel is above 127, \
             expected some inside",
            masks[0].display()
        );
        assert_eq!(ran.talk("error: "), [error]);
        assert_eq!(ran.talk("hint: ").len(), 1, "{}", ran.stderr);
        assert!(!rad.exists());
    }
}

#[test]
fn the_page_never_gives_way_to_the_scores() {
    let set = Training::new();
    let [probes, page] = ["probes", "rad.HTML"].map(|name| set.path(name));
    dear(args!["probe", &set.real, "--inpainter", "resynthesis", "--out", &probes]).expect(0);
    fs_err::write(&page, "mine").unwrap();
    let ran = dear(args!["dissect", "--probes", &probes, "--out", &page]).expect(2);
    let error = format!("{}: the name of the page, expected one for the scores", page.display());
    assert_eq!(ran.talk("error: "), [error]);
    let hint = format!("give --out {}: the page is written beside it", set.path("rad.json").display());
    assert_eq!(ran.talk("hint: "), [hint]);
    assert_eq!(fs_err::read_to_string(&page).unwrap(), "mine");
    assert!(!set.path("rad.work").exists());
}

#[test]
fn probes_that_are_all_held_out_are_refused_before_any_work() {
    let set = Training::new();
    let [all, held, rad, gate, out] =
        ["all", "held-probes", "rad.json", "gate.json", "refined.onnx"].map(|name| set.path(name));
    dear(args!["probe", &set.real, "--inpainter", "resynthesis", "--out", &all]).expect(0);
    dear(args!["dissect", "--probes", &all, "--views", "1", "--out", &rad]).expect(0);
    dear(args!["prune", "--rad", &rad, "--out", &gate]).expect(0);
    // Probes of the validation photographs.
    dear(args!["probe", set.val.join("val/real"), "--inpainter", "resynthesis", "--out", &held]).expect(0);
    let error = format!(
        "{}: every probe belongs to a held-out photograph, expected some for training",
        held.display()
    );
    let refine = args![
        "refine", "--gate", &gate, "--real", &set.real, "--fake", &set.fake, "--val", &set.val, "--probes",
        &held, "--out", &out
    ];
    for words in [refine, set.harden("whole", &args!["--val", &set.val, "--probes", &held])] {
        let ran = dear(words).expect(2);
        assert_eq!(ran.talk("error: "), [&error]);
        let hint = "give probes of other photographs: none may have the name of an image of --val";
        assert_eq!(ran.talk("hint: "), [hint]);
    }
    assert!(!out.exists() && !set.path("refined.work").exists());
}

#[test]
fn a_cut_file_of_scores_is_refused() {
    let set = Training::new();
    let [probes, rad, gate] = ["probes", "rad.json", "gate.json"].map(|name| set.path(name));
    dear(args!["probe", &set.real, "--inpainter", "null", "--out", &probes]).expect(0);
    fs_err::remove_file(probes.join("probes.jsonl")).unwrap();
    let chain = ["--fragility", "blur(2)"];
    dear(
        [args!["dissect", "--probes", &probes, "--views", "1", "--out", &rad], args![chain[0], chain[1]]]
            .concat(),
    )
    .expect(0);
    let whole: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(&rad).unwrap()).unwrap();
    let channels = whole["rad"]["scores"].as_array().unwrap().len();
    for (what, pointer) in [("variance", "/variance"), ("fragility", "/fragility/raw")] {
        let mut cut = whole.clone();
        cut.pointer_mut(pointer).unwrap().as_array_mut().unwrap().pop().unwrap();
        fs_err::write(&rad, cut.to_string()).unwrap();
        for ranking in ["rad", what] {
            let ran = dear(args!["prune", "--rad", &rad, "--ranking", ranking, "--out", &gate]).expect(2);
            let error =
                format!("{what} has {} numbers, expected {channels}, one for each score", channels - 1);
            assert_eq!(ran.talk("error: "), [error]);
            assert_eq!(ran.talk("hint: "), ["run `dear dissect` again: the file of scores is damaged"]);
            assert!(!gate.exists());
        }
    }
}
