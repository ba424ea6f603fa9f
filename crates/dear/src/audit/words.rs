//! What an audit comes to, in sentences.

use super::counterfactual::{Counterfactual, Swap};
use super::dependence::Dependence;
use super::duplicates::Crossing;
use super::feature::Kind;
use super::shortcut::Flag;
use super::{Audit, Split, Unscored, Verdict};
use crate::dataset::Label;
use crate::evaluate::counted;

/// Why the verdict is what it is: one line.
pub(super) fn reason(audit: &Audit) -> String {
    let parts: Vec<String> = audit
        .splits
        .iter()
        .filter(|split| split.verdict == audit.verdict)
        .map(|split| {
            let name = prefix(audit, split);
            match (audit.verdict, &split.not_judged, split.detectable_auc) {
                (Verdict::Confounded, ..) => {
                    let found = split.findings.iter().filter(|finding| finding.flag == Flag::Confounded);
                    let names: Vec<&str> = found.map(|finding| finding.feature.as_str()).collect();
                    let tell = if names.len() == 1 { "tells" } else { "tell" };
                    format!("{name}{} {tell} the classes apart", first_of(&names))
                }
                (_, Some(_), _) => format!("{name}could not be judged"),
                (Verdict::Clean, _, Some(auc)) => {
                    format!("{name}no measured feature is a shortcut, and one of AUC {auc:.2} would have been found")
                }
                _ => format!("{name}too few images ({} real, {} generated)", split.real, split.fake),
            }
        })
        .collect();
    parts.join("; ")
}

/// All that there is to say.
pub(super) fn words(audit: &Audit) -> Vec<String> {
    let mut words = Vec::new();
    for split in &audit.splits {
        let name = prefix(audit, split);
        let mut told = shortcuts(split);
        told.extend(dependence(audit, split));
        told.extend(split.counterfactual.iter().flat_map(counterfactual));
        words.extend(told.into_iter().map(|sentence| format!("{name}{sentence}")));
    }
    let crossings = [
        (
            audit.duplicates.across_classes,
            "in both classes",
            "a wrong label, unless generated images were made from the real ones",
        ),
        (
            audit.duplicates.across_splits,
            "in several splits",
            "results on one split are not independent of the other",
        ),
    ];
    words.extend(
        crossings.iter().filter_map(|(crossing, place, meaning)| duplicates(crossing, place, meaning)),
    );
    words
}

/// Which of several sets is spoken of.
fn prefix(audit: &Audit, split: &Split) -> String {
    match &split.split {
        Some(name) => format!("{name}: "),
        None if audit.splits.len() > 1 => "images without a split: ".to_owned(),
        None => String::new(),
    }
}

fn shortcuts(split: &Split) -> Vec<String> {
    let mut words = Vec::new();
    let of = |kind| {
        let found = split.findings.iter().filter(|f| f.flag == Flag::Confounded && f.kind == kind);
        found.map(|finding| finding.feature.as_str()).collect::<Vec<_>>().join(", ")
    };
    let [file, trace, content] = [Kind::File, Kind::Trace, Kind::Content].map(of);
    if !file.is_empty() {
        words.push(format!("how the files were stored tells the classes apart ({file}): a detector trained or judged here may be a file detector"));
    }
    if !trace.is_empty() {
        words.push(format!("traces of processing tell the classes apart ({trace}): this may be the generator's own mark, or what happened to the files before"));
    }
    if !content.is_empty() {
        words.push(format!(
            "colours tell the classes apart ({content}): the classes may show different things"
        ));
    }
    let few = || {
        let (real, fake) = (split.real, counted(split.fake, "generated image"));
        format!("{real} real and {fake} are too few for a verdict")
    };
    match (&split.not_judged, split.verdict, split.detectable_auc) {
        (Some(reason), ..) => words.push(format!("not judged: {reason}")),
        (_, Verdict::Clean, Some(auc)) => words.push(format!("none of the measured features is a shortcut; one of AUC {auc:.2} or more would have been found four times in five")),
        (_, Verdict::NotResolvable, Some(auc)) => words.push(format!("{}: only a feature of AUC {auc:.2} or more would be found four times in five", few())),
        (_, Verdict::NotResolvable, None) => words.push(format!("{}: no feature could be told from chance", few())),
        _ => {}
    }
    words
}

/// Dependences of a class that are told one by one.
const TOLD: usize = 3;

/// What the score follows within a class.
fn dependence(audit: &Audit, split: &Split) -> Vec<String> {
    if audit.detector.is_none() || split.not_judged.is_some() {
        return Vec::new();
    }
    let mut words = Vec::new();
    for label in [Label::Real, Label::Generated] {
        let class = label.as_str();
        if let Some(Unscored { images, kind, message, .. }) =
            split.unscored.iter().find(|unscored| unscored.label == label)
        {
            let all = split.count(label);
            let of = counted(all, &format!("{class} image"));
            if *images == all {
                words.push(format!(
                    "what the score follows within the {class} images is not tested: none of {of} could be scored ({kind}: \
                     {message})"
                ));
                continue;
            }
            words.push(format!(
                "tests of the score leave out {images} of {of} that could not be scored (most often {kind}: {message})"
            ));
        }
        let of_class = |found: &&Dependence| found.label == label && found.flag == Flag::Confounded;
        let found: Vec<&Dependence> = split.dependence.iter().filter(of_class).collect();
        for found in found.iter().take(TOLD) {
            let size = match (found.correlation, found.low, found.high) {
                (Some(value), Some(low), Some(high)) => {
                    format!("rank correlation {value:+.2}, 95 % interval {low:+.2} to {high:+.2}")
                }
                _ => format!("corrected p {:.3}", found.p_adjusted),
            };
            words.push(format!("the score follows {}: {} ({size})", found.feature, found.words));
        }
        match found.len() {
            0 => words.push(format!(
                "within the {class} images, no measured feature is shown to move the score much"
            )),
            count if count > TOLD => words.push(format!(
                "within the {class} images, the score follows {} more",
                counted((count - TOLD) as u64, "feature")
            )),
            _ => {}
        }
    }
    words
}

/// What the other class's format does to verdicts.
fn counterfactual(test: &Counterfactual) -> Vec<String> {
    let Counterfactual { real_format, fake_format, swaps } = test;
    if real_format == fake_format {
        return vec![format!(
            "both classes are mostly stored alike ({real_format}): there is no other class's format to test the detector with"
        )];
    }
    if swaps.is_empty() {
        return vec!["no image that could be scored: the other class's format was not tested".to_owned()];
    }
    let flips = |swap: &Swap| {
        let share = (swap.to_generated + swap.to_real) as f64 / swap.images as f64;
        let [share, low, high] = [share, swap.low, swap.high].map(|share| 100.0 * share);
        (share, format!("95 % interval {low:.1} to {high:.1} %"))
    };
    let sentence = |swap: &Swap| {
        let (share, interval) = flips(swap);
        let change = match (swap.change_low, swap.change_high) {
            (Some(low), Some(high)) => format!(" (95 % interval {low:+.2} to {high:+.2})"),
            _ => String::new(),
        };
        let control = swaps.iter().find(|other| other.control && other.label == swap.label).map(|own| {
            let (share, interval) = flips(own);
            format!("; in its own format once more ({}) {share:.1} % flip ({interval})", own.chain)
        });
        format!(
            "re-encoded as the other class's format ({}), {share:.1} % of {} of {} images flip ({interval}; {} to generated, {} to real), and the logit moves by {:+.2}{change}{}",
            swap.chain,
            counted(swap.images, "verdict"),
            swap.label.as_str(),
            swap.to_generated,
            swap.to_real,
            swap.logit_change,
            control.unwrap_or_default()
        )
    };
    swaps.iter().filter(|swap| !swap.control).map(sentence).collect()
}

fn duplicates(crossing: &Crossing, place: &str, meaning: &str) -> Option<String> {
    let occur = if crossing.pictures == 1 { "occurs" } else { "occur" };
    (crossing.pictures > 0).then(|| {
        format!(
            "{} {occur} {place} ({}, {} as identical files): {meaning}",
            counted(crossing.pictures, "picture"),
            counted(crossing.images, "image"),
            counted(crossing.identical_files, "picture")
        )
    })
}

/// The first three names, and how many more there are.
fn first_of(names: &[&str]) -> String {
    let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 3 { format!("{shown} and {} more", names.len() - 3) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_names_are_told_and_the_others_counted() {
        for (names, expected) in
            [(&["a", "b", "c"][..], "a, b, c"), (&["a", "b", "c", "d"], "a, b, c and 1 more")]
        {
            assert_eq!(first_of(names), expected);
        }
        let crossing = |pictures| Crossing { pictures, images: 2, identical_files: 1 };
        assert_eq!(duplicates(&crossing(0), "here", "why"), None);
        for (pictures, expected) in [
            (1, "1 picture occurs here (2 images, 1 picture as identical files): why"),
            (2, "2 pictures occur here (2 images, 1 picture as identical files): why"),
        ] {
            assert_eq!(duplicates(&crossing(pictures), "here", "why").unwrap(), expected);
        }
    }
}
