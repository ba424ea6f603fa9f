//! Calibration of made-up samples.

use super::*;

/// Images of one class, one subset, each its own unit; content is named by class and number.
fn images(label: Label, subset: &str, logits: impl IntoIterator<Item = f64>) -> Vec<Scored> {
    let scored = |(number, logit): (usize, f64)| Scored {
        path: format!("{subset}/{number}.png"),
        sha256: format!("{subset}-{number}"),
        label,
        subset: subset.to_owned(),
        unit: format!("{subset}-{number}"),
        logits: vec![logit],
    };
    logits.into_iter().enumerate().map(scored).collect()
}

fn sample(images: Vec<Scored>) -> Sample {
    Sample {
        images,
        conditions: vec!["clean".to_owned()],
        data: "made/val".to_owned(),
        refused: 0,
        by_scene: false,
        seed: 0,
        engine: "none".to_owned(),
    }
}

/// `n` numbers spread evenly over `from..to`.
fn spread(n: usize, from: f64, to: f64) -> impl Iterator<Item = f64> + Clone {
    (0..n).map(move |i| from + (to - from) * (i as f64 + 0.5) / n as f64)
}

fn overlapping() -> Sample {
    let real = images(Label::Real, "camera", spread(100, -4.0, 1.0));
    let fake = images(Label::Generated, "sd", spread(60, -1.0, 4.0));
    sample([real, fake].concat())
}

fn done(sample: &Sample, options: &CalibrateOptions) -> Calibrated {
    calibrate(sample, options).unwrap()
}

#[test]
fn threshold_and_band_are_order_statistics_moved_outwards() {
    let found = done(&overlapping(), &CalibrateOptions::default());
    // 5 of 101 ranks are beyond, so 4 of 100 scores; 3 of 61, so 2 of 60.
    let (high, low) = (-4.0 + 5.0 * 95.5 / 100.0, -1.0 + 5.0 * 2.5 / 60.0);
    let [alarms, misses] = [found.calibration.false_alarms, found.calibration.misses].map(Option::unwrap);
    assert!(
        (alarms.logit - high).abs() < 1e-12 && (misses.logit - low).abs() < 1e-12,
        "{alarms:?} {misses:?}"
    );
    assert_eq!((alarms.n, alarms.beyond, misses.n, misses.beyond), (100, 4, 60, 2));
    let [low_end, high_end] = found.threshold.uncertain.unwrap();
    assert!((high_end - high - 1e-4).abs() < 1e-12 && (low_end - low + 1e-4).abs() < 1e-12);
    assert_eq!((found.threshold.value, found.shortfall), (high_end, None));
    assert_eq!(
        found.threshold.origin,
        "at most 5 % of real images like those of made/val (n = 100 images) accused, on average over calibration samples; \
         conformal, clean"
    );
    let confident =
        CalibrateOptions { guarantee: Guarantee::Confidence(0.9), fpr: 0.07, ..Default::default() };
    let stricter = done(&overlapping(), &confident);
    assert!(stricter.threshold.origin.contains("at most 7 % of real"), "{}", stricter.threshold.origin);
    assert!(stricter.threshold.origin.contains("accused, with 90 % confidence in this sample; "));
}

#[test]
fn scores_well_apart_leave_the_gap_uncertain_and_the_threshold_at_its_lower_end() {
    let real = images(Label::Real, "camera", spread(50, -5.0, -4.0));
    let fake = images(Label::Generated, "sd", spread(50, 4.0, 5.0));
    let found = done(&sample([real, fake].concat()), &CalibrateOptions::default());
    let [low, high] = found.threshold.uncertain.unwrap();
    assert!(low < -4.0 && low > -4.1 && high > 4.0 && high < 4.1, "{low} {high}");
    assert_eq!(found.threshold.value, low);
    let probability = found.calibration.probability(0.0);
    assert!((probability - 0.5).abs() < 0.01, "{probability}");
}

#[test]
fn too_few_images_keep_logit_0_and_say_why() {
    let real = images(Label::Real, "camera", spread(18, -4.0, 1.0));
    let fake = images(Label::Generated, "sd", spread(60, -1.0, 4.0));
    let found = done(&sample([real, fake.clone()].concat()), &CalibrateOptions::default());
    let why = "18 real images are too few for at most 5 % wrong, expected at least 19";
    assert_eq!(found.shortfall.as_ref().unwrap().to_string(), why);
    assert_eq!((found.threshold.value, found.threshold.uncertain), (0.0, None));
    assert_eq!(found.threshold.origin, format!("default (logit 0): {why}"));
    assert_eq!(found.calibration.false_alarms, None);
    assert!(found.calibration.probability(3.0) > 0.8, "the map needs fewer");
    // Too few generated ones: the threshold stands, the band does not.
    let real = images(Label::Real, "camera", spread(19, -4.0, 1.0));
    let found = done(&sample([real, fake[..10].to_vec()].concat()), &CalibrateOptions::default());
    assert!(found.threshold.value > 0.8 && found.threshold.uncertain.is_none(), "{:?}", found.threshold);
    assert_eq!(
        found.shortfall.unwrap().hint().unwrap(),
        "give more generated images, or allow a larger share with --miss"
    );
}

#[test]
fn a_scene_counts_once_and_by_its_worst_image() {
    let mut set = overlapping();
    for image in &mut set.images {
        // Neighbours of four share a scene.
        let number: usize = image.sha256.rsplit('-').next().unwrap().parse().unwrap();
        image.unit = format!("{}-{}", image.subset, number / 4);
    }
    set.by_scene = true;
    let found = done(&set, &CalibrateOptions { miss: 0.1, ..Default::default() });
    let alarms = found.calibration.false_alarms.unwrap();
    assert_eq!((alarms.n, alarms.beyond), (25, 0));
    assert!(
        (alarms.logit - (-4.0 + 5.0 * 99.5 / 100.0)).abs() < 1e-12,
        "the highest image of the highest scene"
    );
    assert!(found.threshold.origin.contains("(n = 25 scenes)"), "{}", found.threshold.origin);
    assert!(
        found.calibration.subsets.iter().all(|check| check.p.is_none()),
        "images are no independent draws"
    );
    // Copies of one picture are one image.
    let mut set = overlapping();
    let copies: Vec<Scored> =
        (0..50).map(|copy| Scored { path: format!("copy{copy}.png"), ..set.images[0].clone() }).collect();
    set.images.extend(copies);
    let alarms = done(&set, &CalibrateOptions::default()).calibration.false_alarms.unwrap();
    assert_eq!(alarms.n, 100);
}

#[test]
fn under_several_conditions_the_safest_threshold_holds() {
    let mut set = overlapping();
    for image in &mut set.images {
        let shift = if image.label == Label::Real { 0.5 } else { -0.25 };
        image.logits = vec![image.logits[0], image.logits[0] + shift];
    }
    set.conditions.push("jpeg(50, 4:2:0)".to_owned());
    let (one, two) = (done(&overlapping(), &Default::default()), done(&set, &Default::default()));
    let moved = |of: fn(&Calibration) -> Option<Bound>| {
        of(&two.calibration).unwrap().logit - of(&one.calibration).unwrap().logit
    };
    assert!((moved(|c| c.false_alarms) - 0.5).abs() < 1e-12 && (moved(|c| c.misses) + 0.25).abs() < 1e-12);
    assert!(two.threshold.origin.ends_with("; conformal, clean, jpeg(50, 4:2:0)"));
    assert_eq!(two.calibration.subsets.len(), 4);
}

#[test]
fn the_map_is_chosen_by_what_it_says_of_images_that_it_has_not_seen() {
    let logistic = |scale: f64, shift: f64| {
        // Logits whose true probability is 1 / (1 + e^-z), by inversion of both classes' distributions on a grid.
        let both = (0..400).map(|i| {
            let z = -6.0 + 12.0 * (f64::from(i) + 0.5) / 400.0;
            let p = 1.0 / (1.0 + (-z).exp());
            let generated = f64::from((i * 7919) % 400) / 400.0 < p;
            (generated, z * scale + shift)
        });
        let both: Vec<(bool, f64)> = both.collect();
        let of =
            |class: bool| both.iter().filter(move |(g, _)| *g == class).map(|(_, z)| *z).collect::<Vec<_>>();
        sample([images(Label::Real, "camera", of(false)), images(Label::Generated, "sd", of(true))].concat())
    };
    let chosen = |set: &Sample| {
        let found = done(set, &CalibrateOptions::default()).calibration;
        let best = found.losses.iter().map(|row| row.loss.unwrap()).fold(f64::INFINITY, f64::min);
        let of_chosen = found.losses.iter().find(|row| row.method.name() == found.map.name()).unwrap();
        assert_eq!(of_chosen.loss, Some(best), "{found:?}");
        assert!(found.loss_after < found.loss_before, "{found:?}");
        found.map
    };
    match chosen(&logistic(3.0, 0.0)) {
        Map::Temperature { temperature } => assert!((temperature - 3.0).abs() < 0.5, "{temperature}"),
        Map::Platt { slope, .. } => assert!((slope - 1.0 / 3.0).abs() < 0.04, "{slope}"),
        other => panic!("{other:?}"),
    }
    let Map::Platt { slope, offset } = chosen(&logistic(1.0, -20.0)) else {
        panic!("a shift needs an offset")
    };
    assert!((-offset / slope + 20.0).abs() < 0.5, "{slope} {offset}");
    // A step in the middle and nothing elsewhere, near or far: no sigmoid has that form.
    let step = |generated: bool| {
        (0..400)
            .filter(move |i| (if *i < 200 { i % 5 == 0 } else { i % 5 != 0 }) == generated)
            .map(|i| {
                let distance = f64::from(if i % 2 == 0 { 700 } else { 7 }) * (1.0 + f64::from(i % 200) / 1e3);
                if i < 200 { -distance } else { distance }
            })
            .collect::<Vec<_>>()
    };
    let set = sample(
        [images(Label::Real, "camera", step(false)), images(Label::Generated, "sd", step(true))].concat(),
    );
    let map = chosen(&set);
    assert!(matches!(map, Map::Isotonic { .. }), "{map:?}");
    assert!((map.probability(-8.0) - 0.2).abs() < 0.1 && (map.probability(30.0) - 0.8).abs() < 0.1);
    // The asked-for one is taken, and the losses of all are still told.
    let platt = CalibrateOptions { method: Method::Platt, ..Default::default() };
    let found = done(&set, &platt).calibration;
    assert_eq!((found.map.name(), found.losses.len()), ("platt", 3));
}

#[test]
fn order_and_names_of_images_change_nothing() {
    let set = overlapping();
    let mut turned = set.clone();
    turned.images.reverse();
    for (number, image) in turned.images.iter_mut().enumerate() {
        image.path = format!("renamed/{number}.png");
    }
    let [a, b] = [&set, &turned].map(|set| done(set, &CalibrateOptions::default()));
    assert_eq!((&a.threshold, &a.calibration.data_sha256), (&b.threshold, &b.calibration.data_sha256));
    for (a, b) in a.calibration.losses.iter().zip(&b.calibration.losses) {
        assert!(
            (a.loss.unwrap() - b.loss.unwrap()).abs() < 1e-12,
            "the folds are keyed by content: {a:?} {b:?}"
        );
    }
    let other = sample(set.images[1..].to_vec());
    assert_ne!(done(&other, &Default::default()).calibration.data_sha256, b.calibration.data_sha256);
}

#[test]
fn a_camera_that_is_accused_more_often_is_found_and_the_others_are_not() {
    let mut all = images(Label::Real, "phone", spread(300, -4.0, 0.0));
    // A small set of which a third lies high.
    all.extend(images(Label::Real, "scanner", spread(20, -4.0, 0.0).chain(spread(10, 1.0, 2.0))));
    all.extend(images(Label::Generated, "sd", spread(100, 0.5, 4.0)));
    let found = done(&sample(all), &CalibrateOptions::default()).calibration;
    let of = |subset: &str| found.subsets.iter().find(|check| check.subset == subset).unwrap();
    assert_eq!((of("scanner").above, of("scanner").n), (10, 30));
    assert!(of("scanner").exceeds(), "{:?}", of("scanner"));
    assert!(!of("phone").exceeds() && of("phone").p.unwrap() > 0.9, "{:?}", of("phone"));
    assert!(of("sd").p.is_none() && !of("sd").exceeds() && of("sd").share() > 0.9, "{:?}", of("sd"));
}

#[test]
fn what_cannot_be_calibrated_is_named() {
    let real = || images(Label::Real, "camera", spread(30, -4.0, 1.0));
    let fake = || images(Label::Generated, "sd", spread(30, -1.0, 4.0));
    let kind = |set: Sample, options: &CalibrateOptions| calibrate(&set, options).unwrap_err().kind();
    let plain = CalibrateOptions::default();
    assert_eq!(kind(sample(real()), &plain), "classes");
    assert_eq!(kind(sample([real(), fake()[..1].to_vec()].concat()), &plain), "classes");
    assert_eq!(kind(sample(Vec::new()), &plain), "classes");
    let swapped = [
        images(Label::Generated, "sd", spread(30, -4.0, 1.0)),
        images(Label::Real, "camera", spread(30, -1.0, 4.0)),
    ];
    assert_eq!(kind(sample(swapped.concat()), &plain), "inverted");
    let level = [images(Label::Real, "camera", [2.0; 30]), images(Label::Generated, "sd", [2.0; 30])];
    assert_eq!(kind(sample(level.concat()), &plain), "inverted");
    let mut copied = [real(), fake()].concat();
    copied[40].sha256 = copied[3].sha256.clone();
    assert_eq!(kind(sample(copied), &plain), "both_classes");
    for odd in [vec![f64::NAN], vec![f64::INFINITY], vec![], vec![1.0, 2.0]] {
        let mut set = [real(), fake()].concat();
        set[5].logits = odd;
        assert_eq!(kind(sample(set), &plain), "logits");
    }
    for options in [
        CalibrateOptions { fpr: 0.0, ..plain },
        CalibrateOptions { fpr: 5.0, ..plain },
        CalibrateOptions { miss: f64::NAN, ..plain },
        CalibrateOptions { guarantee: Guarantee::Confidence(1.0), ..plain },
        CalibrateOptions { guarantee: Guarantee::Confidence(0.05), ..plain },
    ] {
        assert_eq!(kind(sample([real(), fake()].concat()), &options), "option", "{options:?}");
    }
    // Most images tied: still a threshold, and the real ones at it are not accused.
    let tied = [
        images(Label::Real, "camera", [1.0; 40].into_iter().chain([0.0; 20])),
        images(Label::Generated, "sd", [1.0; 40].into_iter().chain([3.0; 20])),
    ];
    let found = done(&sample(tied.concat()), &plain);
    assert_eq!(found.calibration.subsets[0].above, 0, "{found:?}");
}

#[test]
fn a_detector_at_chance_is_refused_where_the_sample_could_have_shown_more() {
    // The same spread for both classes, generated ones `gain` higher: the AUC is a little above 0.5.
    let set = |n: usize, gain: f64| {
        let real = images(Label::Real, "camera", spread(n, -4.0, 4.0));
        sample([real, images(Label::Generated, "sd", spread(n, -4.0 + gain, 4.0 + gain))].concat())
    };
    let plain = CalibrateOptions::default();
    let error = calibrate(&set(100, 0.2), &plain).unwrap_err();
    assert_eq!(error.kind(), "chance");
    let text = error.to_string();
    assert!(text.starts_with("the AUC on these images is 0.52") && text.ends_with("above 0.5"), "{text}");
    assert!(error.hint().unwrap().contains("more images"));
    // The same detector on more images, or a better one on as many, or one that is good under one of its conditions.
    assert!(calibrate(&set(4000, 0.2), &plain).is_ok());
    assert!(calibrate(&set(100, 2.0), &plain).is_ok());
    let mut both = set(100, 0.2);
    for (image, good) in both.images.iter_mut().zip(set(100, 4.0).images) {
        image.logits.push(good.logits[0]);
    }
    both.conditions.push("jpeg(50)".to_owned());
    assert!(calibrate(&both, &plain).is_ok());
    // Copies of the same image prove nothing.
    let mut copied = set(40, 0.8);
    assert_eq!(calibrate(&copied, &plain).unwrap_err().kind(), "chance");
    let copies: Vec<Scored> = (0..50).flat_map(|_| copied.images.clone()).collect();
    copied.images = copies;
    assert_eq!(calibrate(&copied, &plain).unwrap_err().kind(), "chance");
}

#[test]
fn shares_are_written_without_needless_digits() {
    for (share, expected) in
        [(0.05, "5 %"), (0.07, "7 %"), (0.001, "0.1 %"), (0.95, "95 %"), (0.125, "12.5 %")]
    {
        assert_eq!(percent(share), expected);
    }
}
