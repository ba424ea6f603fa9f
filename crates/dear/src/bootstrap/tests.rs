use dear_image::Draw;

use super::*;
use crate::metrics::{METRICS, ece_plug_in};

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
    let one_each: Vec<u64> = (0..40).collect();
    let plain = width(bootstrap(&labels, &scores, Some(&one_each), &options).unwrap());
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

#[test]
fn the_order_of_samples_does_not_move_an_interval() {
    let (labels, scores) = samples(90);
    let groups: Vec<u64> = (0..90).map(|k| k / 4).collect();
    let options = BootstrapOptions { resamples: 100, ..BootstrapOptions::default() };
    let rows: Vec<usize> = (0..90).map(|k| (k * 37) % 90).collect();
    let (other_labels, other_scores): (Vec<u8>, Vec<f64>) =
        rows.iter().map(|&k| (labels[k], scores[k])).unzip();
    let other_groups: Vec<u64> = rows.iter().map(|&k| groups[k]).collect();
    for (groups, other_groups) in [(None, None), (Some(groups.as_slice()), Some(other_groups.as_slice()))] {
        let found = bootstrap(&labels, &scores, groups, &options).unwrap();
        assert_eq!(found, bootstrap(&other_labels, &other_scores, other_groups, &options).unwrap());
    }
}

/// Two detectors of 0 to 200 images, half of them generated, that are as good as each other: their scores differ by
/// noise that is drawn anew for each `index`.
fn null(n: usize, index: u64) -> (Vec<u8>, Vec<f64>, Vec<f64>) {
    let labels: Vec<u8> = (0..n).map(|k| (k % 2) as u8).collect();
    let mut draw = Draw::keyed(index, &[b"null"]);
    let mut scores = || labels.iter().map(|&label| f64::from(label) * 2.0 - 1.0 + draw.normal()).collect();
    let (before, after) = (scores(), scores());
    (labels, before, after)
}

fn position(metric: &str) -> usize {
    METRICS.iter().position(|m| m.name == metric).unwrap()
}

fn half_width(interval: &Interval) -> f64 {
    (interval.high.unwrap() - interval.low.unwrap()) / 2.0
}

#[test]
fn all_pairs_are_resampled_together() {
    let (labels, before, after) = null(80, 1);
    let mut holes = after.clone();
    (holes[0], holes[7], holes[9]) = (f64::NAN, f64::INFINITY, f64::NAN);
    let options = BootstrapOptions { resamples: 60, ..BootstrapOptions::default() };
    let pairs: [(&[f64], &[f64]); 4] =
        [(&before, &after), (&after, &before), (&before, &holes), (&before, &after)];
    let found = paired(&labels, &pairs, None, &options).unwrap();
    assert_eq!(found[0], found[3]);
    assert_eq!(found[0], paired(&labels, &pairs[3..], None, &options).unwrap()[0], "as in a call of its own");
    assert_eq!(found[0].draws.len(), METRICS.len());
    for ((metric, there), back) in METRICS.iter().zip(&found[0].draws).zip(&found[1].draws) {
        assert_eq!(there.len(), 60);
        for (there, back) in there.iter().zip(back) {
            assert_eq!(there.unwrap(), -back.unwrap(), "{}", metric.name);
        }
    }
    // The pair with holes leaves three images out; the others keep all 80.
    let sizes = |pair: &Paired| (pair.bootstrap.real, pair.bootstrap.fake, pair.bootstrap.units);
    assert_eq!((sizes(&found[0]), sizes(&found[2])), ((40, 40, 80), (39, 38, 77)));
    assert_eq!(found[2].bootstrap.excluded, Excluded { real: 1, fake: 2 });
    // Nothing of a class is left.
    let no_fakes: Vec<f64> = labels.iter().map(|&label| if label == 1 { f64::NAN } else { 1.0 }).collect();
    let empty = &paired(&labels, &[(&before, &no_fakes)], None, &options).unwrap()[0];
    let auc = interval(&empty.bootstrap, "auc");
    assert_eq!((auc.value, auc.undefined, auc.low), (None, Some(Undefined::NoFake), None));
    assert!(empty.draws[0].iter().all(Option::is_none));
}

#[test]
fn a_family_pays_for_its_independent_members_only() {
    let options = BootstrapOptions::default();
    let drawn: Vec<Paired> = (0..20)
        .map(|index| {
            let (labels, before, after) = null(400, index);
            paired(&labels, &[(&before, &after)], None, &options).unwrap().remove(0)
        })
        .collect();
    let auc = position("auc");
    let alone = &simultaneous(&[(&drawn[0], auc)], &options).unwrap()[0];
    let usual = interval(&drawn[0].bootstrap, "auc");
    assert_eq!((alone.value, alone.method, alone.degenerate), (usual.value, Method::Simultaneous, false));
    // One member: about 1.96 deviations, as the percentiles.
    assert!((half_width(alone) / half_width(usual) - 1.0).abs() < 0.06, "{alone:?} {usual:?}");
    let copies = simultaneous(&[(&drawn[0], auc); 20], &options).unwrap();
    assert!(copies.iter().all(|interval| interval == alone), "copies say nothing new");
    // 20 independent ones: the largest of 20 normal numbers stays below 3.02 with probability 0.95; here pairs share
    // their labels and draws, not their noise.
    let family: Vec<_> = drawn.iter().map(|pair| (pair, auc)).collect();
    let together = simultaneous(&family, &options).unwrap();
    let wider = half_width(&together[0]) / half_width(alone);
    assert!((1.4..1.7).contains(&wider), "{wider}");
    // In the order asked for.
    let swapped = simultaneous(&[family[3], family[1]], &options).unwrap();
    assert_eq!(swapped[0].value, together[3].value);
    assert_eq!(swapped[1].value, together[1].value);
}

#[test]
fn members_without_deviation_take_no_part() {
    let (labels, before, after) = null(100, 3);
    let shifted: Vec<f64> = before.iter().map(|score| score + 0.25).collect();
    let no_fakes: Vec<f64> = labels.iter().map(|&label| if label == 1 { f64::NAN } else { 1.0 }).collect();
    let options = BootstrapOptions::default();
    let pairs: [(&[f64], &[f64]); 3] = [(&before, &after), (&before, &shifted), (&before, &no_fakes)];
    let pairs = paired(&labels, &pairs, None, &options).unwrap();
    let auc = position("auc");
    let alone = simultaneous(&[(&pairs[0], auc)], &options).unwrap();
    let all = simultaneous(&[(&pairs[0], auc), (&pairs[1], auc), (&pairs[2], auc)], &options).unwrap();
    assert_eq!(all[0], alone[0]);
    assert_eq!(
        (all[1].value, all[1].low, all[1].high, all[1].degenerate),
        (Some(0.0), Some(0.0), Some(0.0), true)
    );
    assert_eq!((all[2].value, all[2].low, all[2].degenerate), (None, None, true));
    assert!(!all[1].excludes_zero() && !all[2].excludes_zero());
    assert_eq!(simultaneous(&[], &options).unwrap(), []);
    let none = simultaneous(&[(&pairs[1], auc)], &options).unwrap();
    assert!(none[0].degenerate);
    // What cannot be joined is refused.
    let seed = BootstrapOptions { seed: 1, ..options };
    assert_eq!(simultaneous(&[(&pairs[0], auc)], &seed).unwrap_err().kind(), "family");
    let beyond = simultaneous(&[(&pairs[0], METRICS.len())], &options).unwrap_err();
    assert_eq!(
        beyond.to_string(),
        "a member of a family of differences has metric number 14, expected one below 14"
    );
}

#[test]
fn a_difference_that_no_resample_varies_has_an_interval_or_is_not_tested() {
    // All right against "all are real", on 50 images of each class, beside a pair that varies.
    let labels: Vec<u8> = (0..100).map(|k| (k % 2) as u8).collect();
    let right: Vec<f64> = labels.iter().map(|&label| 2.0 * f64::from(label) - 1.0).collect();
    let all_real = vec![-1.0; 100];
    let (_, noisy, other) = null(100, 4);
    let options = BootstrapOptions::default();
    let pairs = paired(&labels, &[(&all_real, &right), (&noisy, &other)], None, &options).unwrap();
    let own = interval(&pairs[0].bootstrap, "balanced_accuracy");
    assert_eq!((own.value, own.method, own.degenerate), (Some(0.5), Method::Newcombe, false));
    assert!(own.low > Some(0.43) && own.low < Some(0.45) && own.high < Some(0.54), "{own:?}");
    let metrics = ["balanced_accuracy", "tpr_at_5_fpr", "auc"].map(position);
    let family: Vec<_> = pairs.iter().flat_map(|pair| metrics.map(|metric| (pair, metric))).collect();
    let found = simultaneous(&family, &options).unwrap();
    let (balanced, rate, auc) = (&found[0], &found[1], &found[2]);
    assert!(balanced.excludes_zero() && auc.excludes_zero(), "{balanced:?} {auc:?}");
    assert_eq!((balanced.method, auc.method), (Method::Newcombe, Method::Newcombe));
    assert!(
        balanced.low < own.low && balanced.high > own.high,
        "the level of the family is shared: {balanced:?}"
    );
    assert_eq!(rate.value, Some(1.0));
    assert!(rate.untested() && !rate.excludes_zero(), "{rate:?}");
    // What they use up of the level is taken from the members that vary.
    let without = simultaneous(&family[3..], &options).unwrap();
    for (with, without) in found[3..].iter().zip(&without) {
        assert!(half_width(with) > half_width(without) && !with.untested(), "{with:?} {without:?}");
    }
    // Three images show nothing, and say so with a wide interval.
    let few = paired(&labels[..3], &[(&all_real[..3], &right[..3])], None, &options).unwrap();
    let few = simultaneous(&[(&few[0], metrics[0])], &options).unwrap();
    assert!(!few[0].excludes_zero() && !few[0].untested() && half_width(&few[0]) > 0.3, "{few:?}");
}

/// Share of runs in which any of six true nulls (three pairs, two metrics) is called a difference.
fn family_wise_error(runs: u64, resamples: u32) -> f64 {
    let options = BootstrapOptions { resamples, ..BootstrapOptions::default() };
    let alarms = (0..runs)
        .filter(|run| {
            let sets: Vec<_> = (0..3).map(|k| null(200, 1_000 + 3 * run + k)).collect();
            let pairs: Vec<(&[f64], &[f64])> =
                sets.iter().map(|(_, before, after)| (before.as_slice(), after.as_slice())).collect();
            let pairs = paired(&sets[0].0, &pairs, None, &options).unwrap();
            let metrics = [position("auc"), position("balanced_accuracy")];
            let family: Vec<_> = pairs.iter().flat_map(|pair| metrics.map(|metric| (pair, metric))).collect();
            simultaneous(&family, &options).unwrap().iter().any(Interval::excludes_zero)
        })
        .count();
    alarms as f64 / runs as f64
}

#[test]
fn few_families_of_true_nulls_raise_an_alarm() {
    // 5 % and five standard errors of 0.022; without correction it would be about 20 %.
    let share = family_wise_error(100, 200);
    assert!(share <= 0.16, "{share}");
}

/// `cargo test --release --workspace --lib family_wise -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn the_family_wise_error_is_five_percent() {
    // 4,000 runs: a standard error of 0.35 points.
    let share = family_wise_error(4_000, 1_000);
    assert!((0.035..0.065).contains(&share), "{share}");
}

#[test]
fn the_mean_over_generators_shares_its_real_images() {
    // Generator 7 is found always, generator 2 half of the time.
    let mut labels = vec![0; 40];
    let mut scores: Vec<f64> =
        (0..40).map(|k| if k % 4 == 0 { 1.0 } else { -1.0 } + f64::from(k) / 100.0).collect();
    let mut part = vec![None; 40];
    for k in 0..30 {
        labels.extend([1, 1]);
        scores.extend([5.0 + f64::from(k), if k % 2 == 0 { 0.5 } else { -2.0 }]);
        part.extend([Some(7), Some(2)]);
    }
    let options = BootstrapOptions::default();
    let found = mean_over(&labels, &scores, &part, None, &options).unwrap();
    assert_eq!((found.real, found.fake, found.units), (40, 60, 100));
    let own = |generator| {
        let of = |k: &usize| labels[*k] == 0 || part[*k] == Some(generator);
        let rows: Vec<usize> = (0..100).filter(of).collect();
        let labels: Vec<u8> = rows.iter().map(|&k| labels[k]).collect();
        let scores: Vec<f64> = rows.iter().map(|&k| scores[k]).collect();
        bootstrap(&labels, &scores, None, &options).unwrap()
    };
    let (two, seven) = (own(2), own(7));
    for (k, interval) in found.intervals.iter().enumerate() {
        let mean = (two.intervals[k].value.unwrap() + seven.intervals[k].value.unwrap()) / 2.0;
        assert!((interval.value.unwrap() - mean).abs() < 1e-15, "{}", interval.metric);
    }
    // R.Acc is the same number for both generators, so its mean is as uncertain as itself; F.Acc of generator 7 is
    // always 1, so the mean moves half as much as that of generator 2.
    let (mean, lone) = (interval(&found, "r_acc"), interval(&two, "r_acc"));
    assert!((half_width(mean) / half_width(lone) - 1.0).abs() < 0.1, "{mean:?} {lone:?}");
    let (mean, lone) = (interval(&found, "f_acc"), interval(&two, "f_acc"));
    assert!((half_width(mean) / half_width(lone) - 0.5).abs() < 0.05, "{mean:?} {lone:?}");

    // Groups that hold real images and their reconstructions by a generator are drawn whole.
    let groups: Vec<u64> = (0..100).map(|k| if k < 80 { k % 40 } else { k }).collect();
    let grouped = mean_over(&labels, &scores, &part, Some(&groups), &options).unwrap();
    assert_eq!((grouped.units, grouped.grouped), (60, true));
    assert_eq!(interval(&grouped, "auc").value, interval(&found, "auc").value);

    // What a real image's part says, and a generated image without one, do not count.
    let mut more = (labels.clone(), scores.clone(), part.clone());
    more.0.push(1);
    more.1.push(-50.0);
    more.2.push(None);
    more.2[0] = Some(99);
    assert_eq!(mean_over(&more.0, &more.1, &more.2, None, &options).unwrap().intervals, found.intervals);

    // One undefined generator is not passed over.
    for k in 0..100 {
        if part[k] == Some(2) {
            scores[k] = f64::NAN;
        }
    }
    let undefined = mean_over(&labels, &scores, &part, None, &options).unwrap();
    let auc = interval(&undefined, "auc");
    assert_eq!((auc.value, auc.undefined), (None, Some(Undefined::NoFake)));
    assert_eq!(undefined.excluded, Excluded { real: 0, fake: 30 });
    assert_eq!(interval(&undefined, "r_acc").value, Some(0.75));
    let nobody = mean_over(&[0, 1], &[0.0, 1.0], &[None, None], None, &options).unwrap();
    assert!(nobody.intervals.iter().all(|interval| interval.undefined == Some(Undefined::NoFake)));
    assert_eq!(mean_over(&[0, 1], &[0.0, 1.0], &[None], None, &options).unwrap_err().kind(), "parts");
}

#[test]
fn a_gain_is_compared_at_equal_false_alarms() {
    let options = BootstrapOptions::default();
    let compare = |labels: &[u8], before: &[f64], after: &[f64]| {
        tpr_at_r_acc_of(labels, before, after, None, &options).unwrap()
    };
    // Saying "generated" more often is no gain.
    let (labels, before, _) = null(200, 5);
    let bolder: Vec<f64> = before.iter().map(|score| score + 0.7).collect();
    let same = compare(&labels, &before, &bolder);
    assert_eq!((same.value, same.low, same.high, same.degenerate), (Some(0.0), Some(0.0), Some(0.0), true));
    // A better detector gains. By hand: `before` accuses one of four real images and finds two of four generated ones;
    // `after` may accuse one and then finds three.
    let labels4 = [0, 0, 0, 0, 1, 1, 1, 1];
    let before4 = [1.0, -1.0, -2.0, -3.0, 2.0, 1.5, -1.5, -4.0];
    let after4 = [30.0, 10.0, 5.0, 4.0, 40.0, 20.0, 11.0, 3.0];
    let found = compare(&labels4, &before4, &after4);
    assert_eq!((found.value, found.metric.as_str()), (Some(0.25), "tpr_at_r_acc_of"));
    let better: Vec<f64> = labels.iter().zip(&before).map(|(&label, s)| s + 2.0 * f64::from(label)).collect();
    let gain = compare(&labels, &before, &better);
    assert!(gain.excludes_zero() && gain.low.unwrap() > 0.05, "{gain:?}");
    let lone = compare(&[0, 0], &[1.0, -1.0], &[1.0, -1.0]);
    assert_eq!((lone.value, lone.undefined), (None, Some(Undefined::NoFake)));
}

#[test]
fn the_interval_of_the_calibration_error_holds_0_and_its_value_where_it_should() {
    let n = 600;
    let calibrated = |index: u64| -> (Vec<u8>, Vec<f64>) {
        let mut draw = Draw::keyed(index, &[b"ece"]);
        let mut sample = || {
            let logit = 2.0 * draw.normal();
            (u8::from(draw.chance(1.0 / (1.0 + (-logit).exp()))), logit)
        };
        (0..n).map(|_| sample()).unzip()
    };
    let run = |times: f64, index: u64| {
        let (labels, logits) = calibrated(index);
        let scores: Vec<f64> = logits.iter().map(|logit| logit * times).collect();
        let options = BootstrapOptions { resamples: 400, ..BootstrapOptions::default() };
        interval(&bootstrap(&labels, &scores, None, &options).unwrap(), "ece").clone()
    };
    for index in 0..20 {
        let found = run(1.0, index);
        assert!(found.low <= found.value && found.value <= found.high, "{found:?}");
    }
    // Resampled values scatter around the value: without the move they would lie half of a plug-in error higher.
    let (mut off, mut plug_in) = (0.0, 0.0);
    for index in 0..10 {
        let (labels, logits) = calibrated(index);
        let options = BootstrapOptions { resamples: 200, ..BootstrapOptions::default() };
        let pair = paired(&labels, &[(&vec![0.0; n], &logits)], None, &options).unwrap().remove(0);
        let draws = &pair.draws[position("ece")];
        off += draws.iter().flatten().sum::<f64>() / 200.0 - interval(&pair.bootstrap, "ece").value.unwrap();
        plug_in += ece_plug_in(&Ranking::new(&labels, &logits).unwrap()).unwrap();
    }
    assert!((off / plug_in).abs() < 0.25, "{off} {plug_in}");
    let zero = (0..20).filter(|&index| run(1.0, index).low == Some(0.0)).count();
    assert!(zero >= 17, "{zero} of 20 hold 0, expected about 19.5");
    let overconfident = run(3.0, 1);
    assert!(overconfident.low.unwrap() > 0.05, "{overconfident:?}");
    assert!(overconfident.low < overconfident.value && overconfident.value < overconfident.high);
}
