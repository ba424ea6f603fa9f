use super::*;

fn interval<'a>(bootstrap: &'a Bootstrap, metric: &str) -> &'a Interval {
    bootstrap.intervals.iter().find(|interval| interval.metric == metric).unwrap()
}

fn samples(n: usize) -> (Vec<u8>, Vec<f64>) {
    let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
    let scores = (0..n).map(|i| ((i * 7919) % 101) as f64 / 25.0 - 2.0 + f64::from(labels[i])).collect();
    (labels, scores)
}

#[test]
fn same_bytes_for_any_number_of_threads() {
    let (labels, scores) = samples(200);
    let options = BootstrapOptions { resamples: 300, ..BootstrapOptions::default() };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        serde_json::to_string(&pool.install(|| bootstrap(&labels, &scores, None, &options)).unwrap()).unwrap()
    };
    assert_eq!(on(1), on(5));
    let other = BootstrapOptions { seed: 1, ..options };
    assert_ne!(on(1), serde_json::to_string(&bootstrap(&labels, &scores, None, &other).unwrap()).unwrap());
}

#[test]
fn perfect_separation_and_single_units_are_degenerate() {
    let separated =
        bootstrap(&[0, 0, 1, 1], &[-2.0, -1.0, 1.0, 2.0], None, &BootstrapOptions::default()).unwrap();
    let auc = interval(&separated, "auc");
    assert_eq!((auc.low, auc.high, auc.degenerate), (Some(1.0), Some(1.0), true));
    let lone = bootstrap(&[0, 1, 1], &[0.5, 1.0, -1.0], None, &BootstrapOptions::default()).unwrap();
    assert!(lone.intervals.iter().all(|interval| interval.degenerate));
    let (labels, scores) = samples(60);
    let sound = bootstrap(&labels, &scores, None, &BootstrapOptions::default()).unwrap();
    assert!(!interval(&sound, "auc").degenerate);
}

#[test]
fn one_class_gives_reasons_and_no_interval() {
    let found = bootstrap(&[0, 0, 0], &[-2.0, 1.0, -1.0], None, &BootstrapOptions::default()).unwrap();
    let auc = interval(&found, "auc");
    assert_eq!(
        (auc.value, auc.undefined, auc.low, auc.undefined_resamples),
        (None, Some(Undefined::NoFake), None, 2000)
    );
    let real = interval(&found, "r_acc");
    assert!(real.value.is_some() && real.low.unwrap() < real.high.unwrap());
}

#[test]
fn pairing_removes_what_both_share_and_drops_incomplete_pairs() {
    let (labels, mut before) = samples(100);
    let mut after: Vec<f64> = before.iter().map(|score| score + 0.5).collect();
    before[3] = f64::NAN;
    after[6] = f64::INFINITY;
    let found = paired_difference(&labels, &before, &after, None, &BootstrapOptions::default()).unwrap();
    assert_eq!((found.real, found.fake, found.excluded), (49, 49, Excluded { real: 1, fake: 1 }));
    let auc = interval(&found, "auc");
    assert_eq!((auc.value, auc.low, auc.high, auc.excludes_zero()), (Some(0.0), Some(0.0), Some(0.0), false));
    let fake = interval(&found, "f_acc");
    assert!(fake.low.unwrap() >= 0.0 && fake.high.unwrap() < 0.4, "{fake:?}");
    assert!(interval(&found, "asymmetry").excludes_zero(), "a shift towards generated moves the asymmetry");
}

#[test]
fn groups_widen_the_interval_of_repeated_images() {
    let (labels, scores) = samples(40);
    let repeat = |v: &[f64]| v.iter().flat_map(|s| [*s; 5]).collect::<Vec<_>>();
    let labels5: Vec<u8> = labels.iter().flat_map(|l| [*l; 5]).collect();
    let groups: Vec<u64> = (0..40).flat_map(|group| [group; 5]).collect();
    let options = BootstrapOptions::default();
    let width = |found: Bootstrap| {
        let auc = interval(&found, "auc");
        auc.high.unwrap() - auc.low.unwrap()
    };
    let plain = width(bootstrap(&labels, &scores, None, &options).unwrap());
    let grouped = width(bootstrap(&labels5, &repeat(&scores), Some(&groups), &options).unwrap());
    let naive = width(bootstrap(&labels5, &repeat(&scores), None, &options).unwrap());
    assert_eq!(plain, grouped, "five copies of each image, drawn together, are one image");
    assert!(naive < 0.6 * grouped, "naive {naive}, grouped {grouped}");
}

#[test]
fn options_and_lengths_are_checked() {
    let run =
        |options, groups: Option<&[u64]>| bootstrap(&[0, 1], &[0.0, 1.0], groups, &options).unwrap_err();
    assert_eq!(run(BootstrapOptions { resamples: 0, ..Default::default() }, None).kind(), "option");
    assert_eq!(run(BootstrapOptions { confidence: 1.0, ..Default::default() }, None).kind(), "option");
    assert_eq!(run(BootstrapOptions::default(), Some(&[1])).kind(), "groups");
}
