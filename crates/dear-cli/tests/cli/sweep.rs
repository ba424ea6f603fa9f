//! `dear sweep`: everything is tried on the features of one run, and validation images alone choose.

use crate::support::{Training, args, dear, folder_of, samples, stand_ins, times};

const TRIED: &str = r#"
[[criteria]]
name = "raw"
[[criteria]]
name = "standardised - null"
rad = { standardise = true, subtract_null = true }
[[gates]]
name = "bilateral"
[[gates]]
name = "none"
gate = { ranking = "none" }
[[gates]]
name = "fragile"
gate = { ranking = "fragility", prune_top = 0.4, prune_bottom = 0.0, fragility = "jpeg(50)" }
[[heads]]
name = "l2"
[[heads]]
name = "bias"
head = { solver = "bias" }
"#;

#[test]
fn the_chosen_recipe_makes_the_chosen_detector_and_another_sweep_computes_no_features() {
    let set = Training::new();
    let (out, file) = (set.path("s"), set.path("sweep.toml"));
    fs_err::write(&file, TRIED).unwrap();
    let sweep = |more: &[std::ffi::OsString]| {
        let base = args![
            "sweep", "--real", &set.real, "--fake", &set.fake, "--val", &set.val, "--views", "2", "--sweep",
            &file, "--out", &out
        ];
        dear([base, more.to_vec()].concat())
    };
    let test = set.path("test");
    folder_of(&samples("test", 3), test.join("real"));
    stand_ins(&samples("test", 6).split_off(3), test.join("fake"));
    let ran = sweep(&args!["--test", &test]).expect(0);
    assert!(ran.stdout.contains("which took no part in the choice:"), "{}", ran.stdout);
    let text = ran.stdout.replace('\n', " ");
    // The rank by RAD counts once for each of two criteria.
    assert!(
        text.contains("4 gates with 2 heads: 8 candidates, each judged on 3 real and 3 generated validation images under clean, paper."),
        "{text}"
    );
    assert!(
        text.contains("Chosen by mean balanced accuracy: ") && text.contains("The detector as it was has "),
        "{text}"
    );
    assert_eq!(fs_err::read_to_string(out.join("sweep.csv")).unwrap().lines().count(), 1 + 2 * (2 + 8));
    for name in ["sweep.html", "sweep.toml", "chosen.recipe.toml", "test/report.html"] {
        assert!(out.join(name).is_file(), "{name}");
    }

    // The validation numbers of the chosen one are those that `dear evaluate` finds.
    let document = |path: std::path::PathBuf| -> serde_json::Value {
        serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
    };
    let found = document(out.join("sweep.json"));
    let best = &found["candidates"][found["chosen"].as_u64().unwrap() as usize];
    let again = set.path("judged");
    dear(args![
        "evaluate",
        "--detector",
        out.join("chosen.onnx"),
        "--data",
        set.val.join("val"),
        "--perturb",
        "paper",
        "--out",
        &again
    ])
    .expect(0);
    let judged = document(again.join("results.json"));
    let mut compared = 0;
    for (condition, chain) in [(0, "clean"), (1, "paper")] {
        let tables = judged["tables"].as_array().unwrap();
        let table = tables
            .iter()
            .find(|table| table["chain"] == chain && table["kind"] == "all" && table["system"] == "hardened")
            .unwrap_or_else(|| panic!("no table of hardened under {chain}"));
        for metric in ["r_acc", "f_acc", "auc"] {
            let metrics = table["metrics"].as_array().unwrap();
            let value = &metrics.iter().find(|row| row["metric"] == metric).unwrap()["value"];
            assert_eq!(best["judged"][condition][metric], *value, "{chain} {metric}");
            compared += 1;
        }
    }
    assert_eq!(compared, 6);

    let features = out.join("work/features");
    let before = times(&features, ".parquet");
    let again = set.path("again.onnx");
    dear(args![
        "harden",
        "--real",
        &set.real,
        "--fake",
        &set.fake,
        "--val",
        &set.val,
        "--recipe",
        out.join("chosen.recipe.toml"),
        "--work",
        out.join("work"),
        "--out",
        &again
    ])
    .expect(0);
    assert!(fs_err::read(&again).unwrap() == fs_err::read(out.join("chosen.onnx")).unwrap());
    fs_err::write(
        &file,
        TRIED.replace(
            "name = \"bilateral\"",
            "name = \"wide\"\ngate = { prune_top = 0.3, prune_bottom = 0.3 }",
        ),
    )
    .unwrap();
    sweep(&args!["--choose", "auc", "--max-r-acc-loss", "100"]).expect(0);
    assert_eq!(times(&features, ".parquet"), before, "another gate needs no other features");

    // A recipe that subtracts null probes, though no criterion does: its own score is not asked for.
    fs_err::write(&file, "[[criteria]]\nname = \"raw\"\n[[gates]]\nname = \"g\"\n[[heads]]\nname = \"h\"\n")
        .unwrap();
    let recipe = set.path("null.toml");
    fs_err::write(&recipe, "[rad]\nsubtract_null = true\n").unwrap();
    sweep(&args!["--recipe", &recipe]).expect(0);

    // Of another backbone: refused, and nothing is overwritten.
    let path = out.join("sweep.json");
    let other = fs_err::read_to_string(&path).unwrap().replacen(
        "\"backbone_sha256\": \"",
        "\"backbone_sha256\": \"0",
        1,
    );
    fs_err::write(&path, &other).unwrap();
    let ran = sweep(&[]).expect(2);
    assert!(ran.stderr.contains("holds the sweep of another backbone (mini)"), "{}", ran.stderr);
    assert_eq!(fs_err::read_to_string(&path).unwrap(), other);
}

#[test]
fn mistakes_are_found_before_anything_is_computed() {
    let set = Training::new();
    let file = set.path("sweep.toml");
    let out = set.path("s");
    for (text, more, expected) in [
        ("choose = \"nicest\"", args![], "choose is \"nicest\""),
        (
            "[[gates]]\nname = \"x\"\ngate = { prune_top = 0.6, prune_bottom = 0.4 }",
            args![],
            "prune every channel",
        ),
        ("", args!["--choose", "brier"], "of which more is better"),
        ("", args!["--test", set.path("nowhere")], "nowhere"),
        (
            "",
            args!["--val", &set.val, "--test", set.val.join("val")],
            "6 of 6 images are also trained or validated on",
        ),
        (
            "[[criteria]]\nname = \"soft\"\nrad = { mask = \"reference\" }",
            args![],
            "criterion \"soft\" reads masks as",
        ),
    ] {
        fs_err::write(&file, text).unwrap();
        let base = args!["sweep", "--real", &set.real, "--fake", &set.fake, "--sweep", &file, "--out", &out,];
        let ran = dear([base, more].concat()).expect(2);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        assert!(!out.join("work").exists());
    }
    let printed =
        dear(args!["sweep", "--real", "x", "--fake", "y", "--out", "z", "--print-sweep"]).expect(0).stdout;
    assert_eq!(printed.matches("[[gates]]").count(), 16);
    fs_err::write(&file, printed).unwrap();
    let args = args!["sweep", "--real", "x", "--fake", "y", "--out", "z", "--print-sweep", "--sweep", &file];
    assert_eq!(dear(args).expect(0).stdout, fs_err::read_to_string(&file).unwrap());
}
