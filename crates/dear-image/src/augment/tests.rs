//! The plan's probabilities and geometry, and the two ways to apply it. Single steps are compared with their peers in
//! `tests/`.

use super::*;
use crate::{Padding, Subsampling};

fn picture(width: u32, height: u32) -> Image {
    Image::from_fn(width, height, |x, y| {
        [(x * 5 + y) as u8, ((y * 7) ^ x) as u8, (x * y / 3).wrapping_mul(31) as u8]
    })
}

#[test]
fn the_window_gives_what_the_whole_picture_gives() {
    let sizes = [(300, 200), (97, 96), (96, 130), (50, 200), (40, 30), (3, 5), (1, 1), (200, 17)];
    let mut steps = [0u32; 9];
    for view in 0..400u32 {
        let (width, height) = sizes[view as usize % sizes.len()];
        let role = if view % 3 == 0 { AugmentRole::Probe } else { AugmentRole::Main };
        let mut draw = Draw::keyed(11, &[&view.to_le_bytes()]);
        let mut plan = AugmentPlan::draw((width, height), &AugmentOptions::default(), role, &mut draw);
        if view % 5 == 0
            && let Some((_, subsampling)) = &mut plan.jpeg
        {
            *subsampling = if view % 2 == 0 { Subsampling::S444 } else { Subsampling::S422 };
        }
        let image = picture(width, height);
        let mask = Mask::from_fn(width, height, |x, y| x > width / 3 && y < height / 2);
        let fast = plan.apply(&image, Some(&mask));
        let slow = plan.apply_whole(&image, Some(&mask));
        assert!(fast == slow, "view {view} of {width} x {height}: {plan:?}");
        assert_eq!(fast.0.size(), (96, 96));
        assert_eq!(fast.1.unwrap().size(), (96, 96));
        let taken = [
            plan.resized_crop.is_some(),
            !plan.jitter.is_empty(),
            plan.grayscale,
            plan.cutout.is_some(),
            plan.noise.is_some(),
            plan.blur.is_some(),
            plan.jpeg.is_some(),
            plan.quarters != 0,
            plan.flip,
        ];
        steps.iter_mut().zip(taken).for_each(|(count, taken)| *count += u32::from(taken));
    }
    // The paper's probabilities (a rotation by 0 shows as none): five standard errors of 400 draws are at most 50.
    let expected = [80, 320, 80, 80, 80, 200, 200, 300, 200];
    assert!(steps.iter().zip(expected).all(|(count, expected)| count.abs_diff(expected) <= 50), "{steps:?}");
}

#[test]
fn image_and_mask_stay_together() {
    // The mask is where the image is white; steps that only move pixels keep it so.
    let options = AugmentOptions { rotate: 1.0, flip: 0.5, ..AugmentOptions::crop_only() };
    for view in 0..60u8 {
        let mask = Mask::from_fn(150, 110, |x, y| (x / 13 + y / 7) % 3 == 0);
        let image = Image::from_fn(150, 110, |x, y| [if mask.is_inside(x, y) { 255 } else { 0 }; 3]);
        let mut draw = Draw::keyed(2, &[&[view]]);
        let (image, mask) = augment(&image, Some(&mask), &options, AugmentRole::Probe, &mut draw);
        let mask = mask.unwrap();
        assert!(image.data().chunks_exact(3).zip(mask.data()).all(|(pixel, &inside)| pixel[0] == inside));
    }
}

#[test]
fn a_mask_of_another_size_is_brought_to_the_images_first() {
    let image = picture(150, 110);
    for (width, height) in [(75, 55), (40, 200), (300, 110), (1, 1)] {
        let mask = Mask::from_fn(width, height, |x, y| (x / 5 + y / 7) % 2 == 0);
        let fitted = crate::resize_mask(&mask, 150, 110);
        for view in 0..40u8 {
            let mut draw = Draw::keyed(6, &[&[view]]);
            let options = AugmentOptions::default();
            let plan = AugmentPlan::draw(image.size(), &options, AugmentRole::Probe, &mut draw);
            let expected = plan.apply(&image, Some(&fitted));
            assert!(plan.apply(&image, Some(&mask)) == expected, "{width} x {height}: {plan:?}");
            assert!(plan.apply_whole(&image, Some(&mask)) == expected, "{width} x {height}: {plan:?}");
        }
    }
}

#[test]
fn padding_follows_the_role() {
    let options = AugmentOptions::crop_only();
    let plan = |role| AugmentPlan::draw((70, 200), &options, role, &mut Draw::keyed(1, &[]));
    let main = plan(AugmentRole::Main);
    assert_eq!(main.padding, Padding { left: 26, right: 26, ..Padding::default() });
    assert!(main.crop_at.0 <= 26 && main.crop_at.1 <= 104);
    let probe = AugmentPlan::draw((71, 96), &options, AugmentRole::Probe, &mut Draw::keyed(1, &[]));
    assert_eq!(probe.padding, Padding { left: 12, right: 13, ..Padding::default() });
    assert_eq!(probe.crop_at, (0, 0));
}

#[test]
fn resized_crop_aims_at_its_role() {
    let options = AugmentOptions { resized_crop: 1.0, ..AugmentOptions::crop_only() };
    for view in 0..100u8 {
        for (role, size) in [(AugmentRole::Main, (400, 300)), (AugmentRole::Probe, (30, 900))] {
            let plan = AugmentPlan::draw(size, &options, role, &mut Draw::keyed(1, &[&[view]]));
            let part = plan.resized_crop.unwrap();
            assert!(part.left + part.width <= size.0 && part.top + part.height <= size.1);
            match role {
                AugmentRole::Main => assert_eq!(part.to, (256, 256)),
                AugmentRole::Probe => assert_eq!(part.to.0.min(part.to.1), 256),
            }
            let ratio = f64::from(part.width) / f64::from(part.height);
            assert!((0.70..=1.43).contains(&ratio), "{part:?}");
        }
    }
}

#[test]
fn cutout_shifts_at_the_top_left_and_is_cut_at_the_bottom_right() {
    let options = AugmentOptions { cutout: 1.0, ..AugmentOptions::crop_only() };
    let (mut shifted, mut cut) = (0, 0);
    for view in 0..400u32 {
        let mut draw = Draw::keyed(1, &[&view.to_le_bytes()]);
        let hole = AugmentPlan::draw((100, 100), &options, AugmentRole::Main, &mut draw).cutout.unwrap();
        assert!(hole.left <= 76 && hole.left + hole.width <= 100);
        assert!(hole.width == 48 || hole.left + hole.width == 100, "{hole:?}");
        shifted += u32::from(hole.left == 0);
        cut += u32::from(hole.width < 48);
    }
    // 25 and 24 of 101 centres.
    assert!((60..=145).contains(&shifted) && (55..=140).contains(&cut), "{shifted} {cut}");
}

#[test]
#[should_panic(expected = "augment.flip is 2.0")]
fn options_are_checked() {
    let options = AugmentOptions { flip: 2.0, ..AugmentOptions::default() };
    augment(&picture(5, 5), None, &options, AugmentRole::Main, &mut Draw::keyed(1, &[]));
}

#[test]
fn a_plan_says_what_it_takes() {
    let plan = AugmentPlan {
        resized_crop: Some(ResizedCrop { left: 3, top: 4, width: 50, height: 60, to: (256, 256) }),
        jitter: vec![Jitter::Hue(-0.0734), Jitter::Contrast(0.7)],
        grayscale: true,
        cutout: Some(Cutout { left: 1, top: 2, width: 48, height: 40, value: 128 }),
        noise: Some(crate::Noise { variance: 23.04, key: 1 }),
        blur: Some(1.304),
        jpeg: Some((55, crate::Subsampling::S420)),
        quarters: 3,
        flip: true,
        padding: Padding { left: 1, top: 0, right: 2, bottom: 0 },
        crop_at: (7, 9),
        crop: 96,
    };
    assert_eq!(
        plan.to_string(),
        "resized_crop(50 x 60 at 3, 4 to 256 x 256) | hue(-0.073) | contrast(0.70) | grayscale | cutout(48 x 40 at 1, 2) \
         | noise(23.0) | blur(1.30) | jpeg(55, 4:2:0) | rotate(270) | flip | pad(1, 0, 2, 0) | crop(96 x 96 at 7, 9)"
    );
    let draw = &mut Draw::keyed(1, &[]);
    let plain = AugmentPlan::draw((96, 96), &AugmentOptions::crop_only(), AugmentRole::Main, draw);
    assert_eq!(plain.to_string(), "crop(96 x 96 at 0, 0)");
}
