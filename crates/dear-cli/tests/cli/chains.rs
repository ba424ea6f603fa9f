//! `dear perturb` with chains: the list of steps, presets by name, errors with their place.

use crate::support::{args, dear, folder_of, samples};

#[test]
fn the_list_names_every_step_and_says_where_presets_come_from() {
    let ran = dear(args!["perturb", "--list"]).expect(0);
    assert_eq!(ran.stderr, "");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let at = |start: &str| lines.iter().position(|line| line.starts_with(start)).expect(start);
    assert_eq!(
        lines[at("pillow_blur(")..][..3],
        [
            "pillow_blur(radius: 0..65500)",
            "    Gaussian out of three boxes; radius is the standard deviation",
            "    equal to Pillow `GaussianBlur`",
        ]
    );
    assert!(
        lines[at("color, or saturation(factor: 0..100; arithmetic: pillow or tensor (pillow))") + 2]
            .contains("Color")
    );
    let preset = at("twitter = fit(2048) | jpeg(85)");
    assert!(lines[preset + 1].contains("December 2018"), "{}", lines[preset + 1]);
    let steps = at("Steps of a chain")..at("Presets: ");
    let named =
        |lines: &[&str]| lines.iter().filter(|line| !line.is_empty() && !line.starts_with(' ')).count();
    assert_eq!([named(&lines[steps.clone()]), named(&lines[steps.end..])], [1 + 27, 1 + 5]);
}

#[test]
fn the_list_stands_alone_and_its_lack_needs_all_the_rest() {
    let ran = dear(args!["perturb", "--list", "--seed", "1"]).expect(2);
    assert!(ran.stderr.contains("--list"), "{}", ran.stderr);
    let ran = dear(args!["perturb", "--seed", "1"]).expect(2);
    for wanted in ["<DIR>", "--chain <CHAIN>", "--out <DIR>"] {
        assert!(ran.stderr.contains(wanted), "{wanted}: {}", ran.stderr);
    }
}

#[test]
fn a_preset_is_written_as_the_steps_that_it_stands_for() {
    let temp = tempfile::tempdir().unwrap();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    folder_of(&samples("train", 2), source.join("real"));
    let to = |chain: &str| dear(args!["perturb", &source, "--chain", chain, "--out", &out]);
    let ran = to("whatsapp | border(3..5, reflect)").expect(0);
    let canonical = "all_of(fit(1600, bicubic), jpeg(60..75, 4:2:0)) | border(3..5, reflect)";
    assert!(ran.stdout.contains(canonical), "{}", ran.stdout);
    let manifest = fs_err::read_to_string(out.join("manifest.csv")).unwrap();
    assert!(manifest.contains("fit: small enough") && manifest.contains("border("), "{manifest}");
    let ran = to("border(3, mirror)").expect(2);
    assert!(ran.stderr.contains("position 11: border argument value is \"mirror\""), "{}", ran.stderr);
}
