//! What an evaluation comes to, in sentences: never more than the corrected intervals carry.

use super::advice::condition;
use super::comparison::HEADLINES;
use super::results::{Comparison, Evaluation, System};
use super::{counted, fewest_scored, of_listed, verdict, warnings};
use crate::bootstrap::Interval;

/// What a hardened detector is asked against each of its controls.
const QUESTIONS: [(&str, &str, &str); 7] = [
    ("base", "Did hardening help?", "the detector as it was"),
    ("base + bias", "Did hardening help?", "only moving its threshold"),
    ("base + temperature", "Did hardening help?", "only rescaling its scores"),
    ("stay-positive", "Did hardening help?", "a last layer without negative weights"),
    ("refit, no pruning", "Did pruning help?", "a new head without pruning"),
    ("refit, random gate", "Did pruning help?", "pruning as many channels at random"),
    ("refit, reference gate", "Did our way of pruning help?", "the reference's gate"),
];

/// Why a difference is not tested.
const UNVARIED: &str = "no variation in this sample";

/// Whether anything was shown, against each control over all conditions; then what was gained and what was paid under
/// each, and what a sample of this size could have shown.
pub(super) fn words(evaluation: &Evaluation) -> Vec<String> {
    let mut words: Vec<String> = warnings(&evaluation.data, evaluation.scores.as_ref())
        .iter()
        .map(|line| format!("Warning: {line}"))
        .collect();
    let hardened: Vec<&System> = evaluation.systems.iter().filter(|system| system.hardened).collect();
    for after in &hardened {
        let name = if hardened.len() > 1 { format!("{}: ", after.name) } else { String::new() };
        // Controls with the same answer share a sentence.
        let mut answers: Vec<(&str, Vec<&str>, String)> = Vec::new();
        for (control, question, against) in QUESTIONS {
            let Some(before) = after.controls.get(control) else { continue };
            let Some(found) = shown(evaluation, before, &after.name) else { continue };
            match answers.last_mut() {
                Some((asked, others, same)) if *asked == question && *same == found => others.push(against),
                _ => answers.push((question, vec![against], found)),
            }
        }
        words.extend(answers.iter().map(|(question, against, found)| {
            format!("{name}{question} Against {}: {found}", against.join("; against "))
        }));
        if let Some(base) = after.controls.get("base") {
            words.extend(gained_and_paid(evaluation, base, &after.name));
        }
    }
    if hardened.is_empty() {
        for after in evaluation.systems.iter().skip(1) {
            let before = &evaluation.systems[0].name;
            words.extend(
                shown(evaluation, before, &after.name)
                    .map(|found| format!("{} against {before}: {found}", after.name)),
            );
            words.extend(gained_and_paid(evaluation, before, &after.name));
        }
    }
    words.extend(scenes(evaluation));
    words.extend(resolution(evaluation));
    words
}

fn of_pair<'a>(evaluation: &'a Evaluation, before: &str, after: &str) -> Vec<&'a Comparison> {
    let wanted = |comparison: &&Comparison| comparison.before == before && comparison.after == after;
    evaluation.comparisons.iter().filter(wanted).collect()
}

/// Under how many conditions each headline is better or worse.
fn shown(evaluation: &Evaluation, before: &str, after: &str) -> Option<String> {
    let pair = of_pair(evaluation, before, after);
    let mut parts = Vec::new();
    for (metric, name) in
        HEADLINES.iter().zip(["balanced accuracy", "share found at 5 % false alarms", "AUC"])
    {
        let count = |word: &str| {
            let corrected = pair.iter().flat_map(|comparison| &comparison.corrected);
            corrected.filter(|interval| interval.metric == *metric && verdict(interval) == word).count()
        };
        let (better, worse, untested) = (count("better"), count("worse"), count("not tested"));
        match (better, worse) {
            (0, 0) => {}
            (better, 0) => parts.push(format!("{name} is better under {better}")),
            (0, worse) => parts.push(format!("{name} is worse under {worse}")),
            (better, worse) => parts.push(format!("{name} is better under {better} and worse under {worse}")),
        }
        if untested > 0 {
            parts.push(format!("{name} is not tested under {untested} ({UNVARIED})"));
        }
    }
    let of = match pair.len() {
        0 => return None,
        1 => "the one condition".to_owned(),
        n => format!("{n} conditions"),
    };
    Some(if parts.is_empty() {
        format!("no difference is shown under {}.", if pair.len() > 1 { format!("any of {of}") } else { of })
    } else {
        format!("of {of}, {}; no other difference is shown.", parts.join(", "))
    })
}

/// What changed under each condition: shares found and accused, and what is left at equal false alarms.
fn gained_and_paid(evaluation: &Evaluation, before: &str, after: &str) -> Vec<String> {
    let mut words = Vec::new();
    for comparison in of_pair(evaluation, before, after) {
        let value = |system: &str, metric: &str| {
            evaluation.table(&comparison.chain, system, "all")?.metric(metric)?.value
        };
        let pair = |metric| Some((value(before, metric)?, value(after, metric)?));
        let (Some(found), Some(cleared)) = (pair("f_acc"), pair("r_acc")) else { continue };
        let change = |metric: &str| comparison.difference(metric).map_or(String::new(), points);
        let mut text = format!(
            "Images {}: {after} finds {:.1} % of the generated images and {before} {:.1} %{}; it accuses {:.1} % of the real \
             ones and {before} {:.1} %{}.",
            condition(&comparison.chain),
            100.0 * found.1,
            100.0 * found.0,
            change("f_acc"),
            100.0 * (1.0 - cleared.1),
            100.0 * (1.0 - cleared.0),
            comparison.difference("r_acc").map(negative).as_ref().map_or(String::new(), points),
        );
        text.push_str(&undecided(evaluation, &comparison.chain, [after, before]));
        if let Some(equal) = &comparison.at_equal_r_acc
            && equal.value.is_some()
        {
            text.push_str(&format!(
                " With as few false alarms as {before}, looked at alone, {}{}.",
                outcome(equal, "it still finds more"),
                points(equal)
            ));
        }
        let corrected = comparison.corrected.iter().find(|interval| interval.metric == "tpr_at_5_fpr");
        if let Some(at) = corrected.filter(|at| at.value.is_some()) {
            let unresolved =
                if at.resolvable { "" } else { ", and 5 % of so few real images cannot be resolved" };
            text.push_str(&format!(
                " At 5 % false alarms, corrected for all comparisons, {}{}{unresolved}.",
                outcome(at, "it finds more"),
                points(at)
            ));
        }
        words.push(text);
    }
    words
}

/// How many real images each system gives a logit of exactly 0: an error for R.Acc, but not above the threshold 0 of which
/// advice speaks. Empty where there are none.
fn undecided(evaluation: &Evaluation, chain: &str, systems: [&str; 2]) -> String {
    let count = |system: &str| -> Option<u64> {
        let table = evaluation.table(chain, system, "all")?;
        let shape = evaluation.shapes.iter().find(|shape| shape.chain == chain && shape.system == system)?;
        let above = shape.operating.iter().find(|point| point.threshold == Some(0.0))?.fpr.value?;
        let wrong = 1.0 - table.metric("r_acc")?.value?;
        Some(((wrong - above) * table.real as f64).round() as u64)
    };
    let [own, other] = systems.map(|system| count(system).unwrap_or(0));
    if own + other == 0 {
        return String::new();
    }
    format!(
        " Among those accused are real images with a logit of exactly 0 ({own} by {}, {other} by {}): no right answer, though \
         not above a threshold of 0.",
        systems[0], systems[1]
    )
}

/// What a difference in images found says; `more` where it finds more.
fn outcome<'a>(difference: &Interval, more: &'a str) -> &'a str {
    match verdict(difference) {
        "better" => more,
        "worse" => "it finds fewer",
        "not tested" => "the difference is not tested, since nothing varies in this sample",
        _ => "no difference is shown",
    }
}

/// The interval of `-x`.
fn negative(interval: &Interval) -> Interval {
    Interval {
        value: interval.value.map(|value| -value),
        low: interval.high.map(|high| -high),
        high: interval.low.map(|low| -low),
        ..interval.clone()
    }
}

/// ` (+7.1 points, -1.0 to +15.2)`; no ends where they would say nothing about uncertainty.
fn points(interval: &Interval) -> String {
    // -0.0 is 0.
    let number = |share: f64| format!("{:+.1}", 100.0 * share + 0.0);
    match (interval.value, interval.low, interval.high) {
        (Some(value), Some(low), Some(high)) if !interval.degenerate => {
            format!(" ({} points, {} to {})", number(value), number(low), number(high))
        }
        (Some(value), _, _) => format!(" ({} points)", number(value)),
        _ => String::new(),
    }
}

/// That images were not taken one by one.
fn scenes(evaluation: &Evaluation) -> Option<String> {
    let scenes = evaluation.data.scenes.filter(|_| evaluation.data.scenes_known)?;
    let images: u64 = fewest_scored(evaluation).iter().sum();
    Some(format!(
        "The scene of images is known: intervals resample {}, not {}{}.",
        counted(scenes, "whole scene"),
        counted(images, "image"),
        of_listed(images, evaluation.data.real + evaluation.data.fake)
    ))
}

/// Which differences the sample could have shown.
fn resolution(evaluation: &Evaluation) -> Option<String> {
    let found: Vec<f64> =
        evaluation.comparisons.iter().filter_map(|comparison| comparison.detectable).collect();
    let low = found.iter().copied().min_by(f64::total_cmp)?;
    let high = found.iter().copied().max_by(f64::total_cmp)?;
    let [real, fake] = fewest_scored(evaluation);
    let depending = if found.len() > 1 { " (depending on the pair and condition)" } else { "" };
    let size = if (100.0 * (high - low)) < 0.05 {
        format!("{:.1}", 100.0 * high)
    } else {
        format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high)
    };
    Some(format!(
        "With {}{} and {}{}, and {} looked at together, a true difference in balanced accuracy of {size} points{depending} would \
         have been shown four times in five; \"no difference is shown\" says no more than that.",
        counted(real, "real image"),
        of_listed(real, evaluation.data.real),
        counted(fake, "generated image"),
        of_listed(fake, evaluation.data.fake),
        counted(u64::from(evaluation.family), "difference"),
    ))
}

#[cfg(test)]
mod tests {
    use crate::dataset::Label;
    use crate::evaluate::{EvaluateOptions, of_scores};
    use crate::observe::Silent;
    use crate::scores::tests::scores;

    /// 80 real and 80 generated images; system b is a, with generated images moved by `gain` and all by `shift`.
    fn judged(gain: f64, shift: f64) -> Vec<String> {
        let names: Vec<String> = (0..160).map(|i| format!("{i:03}")).collect();
        let label = |i: usize| if i < 80 { Label::Real } else { Label::Generated };
        let images: Vec<(&str, Label, &str, &str)> =
            (0..160).map(|i| (&*names[i], label(i), "all", &*names[i])).collect();
        let a: Vec<f64> = (0..160).map(|i| ((i * 7919) % 101) as f64 / 25.0 - 2.3).collect();
        let b: Vec<f64> = (0..160).map(|i| a[i] + shift + if i < 80 { 0.0 } else { gain }).collect();
        let mut scores = scores(&images, vec![vec![a, b]]);
        scores.scenes_known = false;
        of_scores(&scores, None, &EvaluateOptions::default(), &Silent).unwrap().words
    }

    #[test]
    fn a_gain_that_is_only_a_moved_threshold_vanishes_at_equal_false_alarms() {
        let moved = judged(0.0, 1.0).join(" ");
        assert!(moved.contains("b against a: no difference is shown under the one condition."), "{moved}");
        assert!(
            moved.contains("With as few false alarms as a, looked at alone, no difference is shown ("),
            "{moved}"
        );
        assert!(moved.contains("would have been shown four times in five"), "{moved}");
        let better = judged(2.5, 0.0).join(" ");
        assert!(
            better.contains(
                "b against a: of the one condition, balanced accuracy is better under 1, share found at 5 % false alarms is \
                 better under 1, AUC is better under 1; no other difference is shown."
            ),
            "{better}"
        );
        assert!(
            better.contains("With as few false alarms as a, looked at alone, it still finds more (+"),
            "{better}"
        );
        let worse = judged(-2.5, 0.0).join(" ");
        assert!(worse.contains("balanced accuracy is worse under 1"), "{worse}");
        assert!(worse.contains("it finds fewer (-"), "{worse}");
    }

    #[test]
    fn a_difference_without_variation_is_shown_or_not_tested_and_never_called_no_difference() {
        let names: Vec<String> = (0..100).map(|i| format!("{i:03}")).collect();
        let label = |i: usize| if i < 50 { Label::Real } else { Label::Generated };
        let images: Vec<(&str, Label, &str, &str)> =
            (0..100).map(|i| (&*names[i], label(i), "all", &*names[i])).collect();
        let right: Vec<f64> = (0..100).map(|i| if i < 50 { -1.0 } else { 1.0 }).collect();
        let mut scores = scores(&images, vec![vec![vec![-1.0; 100], right]]);
        for scenes_known in [false, true] {
            scores.scenes_known = scenes_known;
            let words =
                of_scores(&scores, None, &EvaluateOptions::default(), &Silent).unwrap().words.join(" ");
            assert!(
                words.contains(
                    "b against a: of the one condition, balanced accuracy is better under 1, share found at 5 % false \
                     alarms is not tested under 1 (no variation in this sample), AUC is better under 1; no other"
                ),
                "{words}"
            );
            assert!(words.contains(
                "the difference is not tested, since nothing varies in this sample (+100.0 points)"
            ));
            assert!(
                !words.contains("any of the one") && !words.contains("no difference is shown under"),
                "{words}"
            );
            assert!(!words.contains("+100.0 to +100.0"), "{words}");
        }
    }

    #[test]
    fn a_logit_of_exactly_zero_is_told_apart_from_an_accusation() {
        let names: Vec<String> = (0..80).map(|i| format!("{i:03}")).collect();
        let label = |i: usize| if i < 40 { Label::Real } else { Label::Generated };
        let images: Vec<(&str, Label, &str, &str)> =
            (0..80).map(|i| (&*names[i], label(i), "all", &*names[i])).collect();
        let a: Vec<f64> = (0..80).map(|i| ((i * 7919) % 101) as f64 / 25.0 - 2.01).collect();
        let b: Vec<f64> = (0..80).map(|i| if i < 3 { 0.0 } else { a[i] }).collect();
        let mut scores = scores(&images, vec![vec![a.clone(), b], vec![a.clone(), a]]);
        scores.scenes_known = false;
        let words = of_scores(&scores, None, &EvaluateOptions::default(), &Silent).unwrap().words;
        let told: Vec<&String> = words.iter().filter(|line| line.contains("exactly 0")).collect();
        assert_eq!(told.len(), 1, "{words:?}");
        assert!(told[0].contains("with a logit of exactly 0 (3 by b, 0 by a): no right answer"), "{told:?}");
    }

    #[test]
    fn one_pair_under_one_condition_has_nothing_to_depend_on() {
        assert!(!judged(0.5, 0.0).join(" ").contains("depending on"));
    }

    #[test]
    fn known_scenes_are_said() {
        let images =
            [("a", Label::Real, "x", "1"), ("b", Label::Generated, "y", "1"), ("c", Label::Real, "x", "2")];
        let mut scores = scores(&images, vec![vec![vec![-1.0, 1.0, -2.0]]]);
        let words = |scores: &crate::scores::Scores| {
            of_scores(scores, None, &EvaluateOptions::default(), &Silent).unwrap().words.join(" ")
        };
        assert!(
            words(&scores).contains("intervals resample 2 whole scenes, not 3 images."),
            "{}",
            words(&scores)
        );
        scores.scenes_known = false;
        assert!(!words(&scores).contains("scene"), "{}", words(&scores));
    }

    #[test]
    fn images_without_a_score_are_not_counted_as_evidence() {
        let names: Vec<String> = (0..160).map(|i| format!("{i:03}")).collect();
        let label = |i: usize| if i < 80 { Label::Real } else { Label::Generated };
        let images: Vec<(&str, Label, &str, &str)> =
            (0..160).map(|i| (&*names[i], label(i), "all", &*names[i])).collect();
        let a: Vec<f64> = (0..160).map(|i| ((i * 7919) % 101) as f64 / 25.0 - 2.3).collect();
        let b: Vec<f64> = (0..160).map(|i| if i < 10 { f64::NAN } else { a[i] + 0.3 }).collect();
        let mut scores = scores(&images, vec![vec![a, b]]);
        for (scenes_known, said) in [
            (
                false,
                "With 70 real images (of 80 listed) and 80 generated images, and 3 differences looked at",
            ),
            (true, "intervals resample 160 whole scenes, not 150 images (of 160 listed)."),
        ] {
            scores.scenes_known = scenes_known;
            let words =
                of_scores(&scores, None, &EvaluateOptions::default(), &Silent).unwrap().words.join(" ");
            assert!(words.contains(said), "{words}");
        }
    }

    #[test]
    fn false_alarms_are_one_minus_real_accuracy_with_its_ends_exchanged() {
        let moved = judged(0.0, 1.0).join(" ");
        // More real images are accused: a positive change, with an interval above zero.
        assert!(moved.contains("it accuses") && moved.contains("% of the real ones and a"), "{moved}");
        let change = moved.split("of the real ones").nth(1).unwrap();
        assert!(change.split(" points").next().unwrap().contains("(+"), "{moved}");
    }
}
