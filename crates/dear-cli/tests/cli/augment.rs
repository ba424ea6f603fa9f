//! `dear augment --preview`: the very views of training, as a page or a picture.

use crate::support::{args, dear, folder_of, picture, samples, truncated_jpeg};

#[test]
fn a_page_and_a_picture_show_the_same_views() {
    let temp = tempfile::tempdir().unwrap();
    let images = folder_of(&samples("train", 5), temp.path().join("images"));
    let (page, sheet) = (temp.path().join("sheet.html"), temp.path().join("sheet.png"));
    let ran =
        dear(args!["augment", &images, "--preview", &page, "--images", "3", "--views", "2", "--seed", "7"])
            .expect(0);
    assert_eq!(ran.stdout.lines().count(), 6);
    assert!(
        ran.stdout.lines().all(|line| line.contains(" view ") && line.contains("crop(96 x 96 at ")),
        "{}",
        ran.stdout
    );
    let html = fs_err::read_to_string(&page).unwrap();
    assert_eq!(html.matches("<img").count(), 3 * 3);
    assert!(html.contains("3 of 5 images") && html.contains("with seed 7"));

    let again =
        dear(args!["augment", &images, "--preview", &sheet, "--images", "3", "--views", "2", "--seed", "7"])
            .expect(0);
    assert_eq!(again.stdout, ran.stdout);
    assert_eq!(picture(&sheet).size(), (3 * 200 + 8, 3 * 200 + 8));
    let other =
        dear(args!["augment", &images, "--preview", &sheet, "--images", "3", "--views", "2", "--seed", "8"])
            .expect(0);
    assert_ne!(other.stdout, ran.stdout);
}

#[test]
fn probes_are_shown_with_their_masks() {
    let temp = tempfile::tempdir().unwrap();
    let images = folder_of(&samples("train", 2), temp.path().join("images"));
    let (probes, page) = (temp.path().join("probes"), temp.path().join("sheet.html"));
    dear(args!["probe", &images, "--inpainter", "null", "--out", &probes]).expect(0);
    dear(args!["augment", &probes, "--probes", "--preview", &page]).expect(0);
    let html = fs_err::read_to_string(&page).unwrap();
    assert!(html.contains("2 of 2 probes") && html.contains("The outline is the mask."));
    // Without --probes the masks would be pictures like any other: four files.
    dear(args!["augment", &probes, "--preview", &page]).expect(0);
    assert!(fs_err::read_to_string(&page).unwrap().contains("4 of 4 images"));
}

#[test]
fn what_cannot_be_shown_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let images = folder_of(&samples("train", 2), temp.path().join("images"));
    truncated_jpeg(images.join("cut.jpg"));
    let sheet = temp.path().join("sheet.png");
    let ran = dear(args!["augment", &images, "--preview", &sheet]).expect(1);
    assert_eq!(ran.talk("warning: cut.jpg: refused (truncated): ").len(), 1, "{}", ran.stderr);
    assert!(sheet.is_file());

    let ran = dear(args!["augment", &images, "--preview", temp.path().join("sheet.gif")]).expect(2);
    assert!(ran.stderr.contains("sheet.gif: expected a name that ends in .html or .png"), "{}", ran.stderr);
    let ran = dear(args!["augment", &images, "--masks", &images, "--preview", &sheet]).expect(2);
    assert!(ran.stderr.contains("--probes"), "{}", ran.stderr);
}
