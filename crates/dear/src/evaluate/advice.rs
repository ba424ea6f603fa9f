//! May a detector be used, for what, at which threshold: sentences that carry no more than their intervals.

use std::collections::HashSet;

use super::results::{Advice, EvaluateOptions, Standing, System};
use super::shape::percent;
use super::threshold::{AtThreshold, at_threshold};
use super::{counted, decimals};
use crate::bootstrap::Interval;
use crate::dataset::Label;
use crate::error::Error;
use crate::metrics::{Ranking, tpr_at_fpr};
use crate::scores::Scores;

/// Subsets that one sentence names.
const NAMED: usize = 3;

/// Advice on each detector: as given, and hardened; controls are there for comparison only.
pub(super) fn advice(
    scores: &Scores,
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Vec<Advice>, Error> {
    let is_control = |system: &System| {
        let of =
            |other: &System| other.controls.iter().any(|(role, name)| role != "base" && *name == system.name);
        scores.systems.iter().any(of)
    };
    // What a user would deploy comes first.
    let (hardened, others): (Vec<usize>, Vec<usize>) =
        (0..scores.systems.len()).partition(|&s| scores.systems[s].hardened);
    let advised = hardened.into_iter().chain(others.into_iter().filter(|&s| !is_control(&scores.systems[s])));
    advised.map(|system| of_system(scores, system, groups, options)).collect()
}

fn of_system(
    scores: &Scores,
    system: usize,
    groups: Option<&[u64]>,
    options: &EvaluateOptions,
) -> Result<Advice, Error> {
    let labels = scores.labels();
    let own = &scores.systems[system];
    let at = |threshold: f64, chain: usize, within: &dyn Fn(usize) -> bool| -> Result<AtThreshold, Error> {
        let logits = &scores.logits[chain][system];
        let logits: Vec<f64> =
            (0..logits.len()).map(|i| if within(i) { logits[i] } else { f64::NAN }).collect();
        at_threshold(&labels, &logits, groups, threshold, options)
    };
    let everywhere = |threshold: f64| -> Result<Vec<AtThreshold>, Error> {
        (0..scores.tabled).map(|chain| at(threshold, chain, &|_| true)).collect()
    };
    let found = everywhere(own.threshold)?;
    let standing = standing(&found, options.target_fpr);
    let mut sentences = vec![
        headline(scores, own, standing, &found, fewest(scores, system, groups), options),
        match scores.count(Label::Generated) {
            0 => "What it finds cannot be said: there is no generated image.".to_owned(),
            _ => format!("It finds {}.", spread(scores, &found, Label::Generated)),
        },
    ];
    if standing != Standing::Usable {
        sentences.extend(other_threshold(scores, system, &labels, everywhere, options)?);
    }
    let levels = (scores.tabled..scores.chains.len())
        .map(|chain| Ok((scores.chains[chain].as_str(), at(own.threshold, chain, &|_| true)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    sentences.extend(worst_levels(&found[0], &levels));
    // Subsets under the first condition: what it misses, and whom it accuses. A single subset is the whole again.
    let subset = |label: Label, name: &str| {
        at(own.threshold, 0, &|i| scores.images[i].label == label && scores.images[i].subset == name)
    };
    let (generators, sources) = (scores.subsets(Label::Generated), scores.subsets(Label::Real));
    let mut missed = Vec::new();
    for name in generators.iter().filter(|_| generators.len() > 1) {
        let tpr = subset(Label::Generated, name)?.tpr;
        missed.extend(
            tpr.high.filter(|high| *high < 0.5).and(tpr.value).map(|value| (value, *name, tpr.clone())),
        );
    }
    missed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let first = condition(&scores.chains[0]);
    let start = format!("Generators of which it is shown to miss more than half, {first} (share found)");
    sentences.extend(named(&start, &missed));
    let mut accused = Vec::new();
    for name in sources.iter().filter(|_| sources.len() > 1) {
        let fpr = subset(Label::Real, name)?.fpr;
        let shown = fpr.low.filter(|low| *low > options.target_fpr);
        accused.extend(shown.and(fpr.value).map(|value| (-value, *name, fpr.clone())));
    }
    accused.sort_by(|a, b| a.0.total_cmp(&b.0));
    let above = percent(options.target_fpr);
    let start =
        format!("Real images of which it is shown to accuse more than {above} %, {first} (share accused)");
    sentences.extend(named(&start, &accused));
    sentences.push(not_tested(scores, system));
    sentences.extend(refused(scores, system));
    sentences.extend(undecided(scores, system));
    Ok(Advice {
        system: own.name.clone(),
        standing,
        threshold: own.threshold,
        threshold_origin: own.threshold_origin.clone(),
        sentences,
    })
}

/// [`Standing`] from 95 % intervals, each condition by itself: that all are below the target needs no correction, and
/// that one is above errs to the safe side.
fn standing(found: &[AtThreshold], target: f64) -> Standing {
    let bounds = |ends: fn(&Interval) -> Option<f64>| found.iter().map(move |at| ends(&at.fpr));
    let accuses = bounds(|fpr| fpr.low).any(|low| low.is_some_and(|low| low > target));
    let no_gain = found.iter().any(|at| at.gain.is_some_and(|(_, high)| high <= 0.0));
    let safe = bounds(|fpr| fpr.high).all(|high| high.is_some_and(|high| high <= target));
    let sound = found.iter().all(|at| !at.fpr.degenerate && !at.tpr.degenerate);
    let gains = found.iter().all(|at| at.gain.is_some_and(|(low, _)| low > 0.0));
    match (accuses || no_gain, safe && gains && sound) {
        (true, _) => Standing::NotUsable,
        (false, true) => Standing::Usable,
        (false, false) => Standing::NotShown,
    }
}

fn headline(
    scores: &Scores,
    own: &System,
    standing: Standing,
    found: &[AtThreshold],
    (real, unit): (u64, &str),
    options: &EvaluateOptions,
) -> String {
    let (name, target) = (&own.name, percent(options.target_fpr));
    let threshold = if own.threshold == 0.0 {
        "at its threshold (logit 0)".to_owned()
    } else {
        format!("at its threshold (logit {}; {})", number(own.threshold), own.threshold_origin)
    };
    let alarms = spread(scores, found, Label::Real);
    match standing {
        Standing::NotUsable => {
            format!("Do not use {name} to accuse anyone: {threshold} it accuses {alarms}.")
        }
        Standing::Usable => format!(
            "On images like these, {name} can be used {threshold}: it accuses {alarms}, and under {} it is shown to accuse \
             at most {target} %.",
            if found.len() == 1 {
                "this condition".to_owned()
            } else {
                format!("each of {} conditions", found.len())
            }
        ),
        Standing::NotShown if scores.count(Label::Real) == 0 => format!(
            "Not shown to be safe: whom {name} accuses {threshold} cannot be said, since there is no real image."
        ),
        Standing::NotShown => {
            // Wilson's upper end for no false alarm in n is z2 / (n + z2).
            let needed = (3.8415 * (1.0 - options.target_fpr) / options.target_fpr).ceil();
            let why = if (real as f64) < needed {
                let n = counted(real, unit);
                format!(
                    "{n} cannot show that it accuses at most {target} %: at least {needed} are needed, more if \
                     it accuses any."
                )
            } else {
                format!(
                    "These images do not show whether it accuses at most {target} % and finds more than chance."
                )
            };
            format!("Not shown to be safe: {threshold} {name} accuses {alarms}. {why}")
        }
    }
}

/// The fewest independent real images that were scored under a condition, and what they are called: evidence is what was
/// scored, and a scene counts once.
fn fewest(scores: &Scores, system: usize, groups: Option<&[u64]>) -> (u64, &'static str) {
    let of_chain = |chain: usize| {
        let logits = &scores.logits[chain][system];
        let real = |index: &usize| scores.images[*index].label == Label::Real && logits[*index].is_finite();
        let scored = (0..logits.len()).filter(real);
        let units: HashSet<u64> =
            scored.map(|index| groups.map_or(index as u64, |groups| groups[index])).collect();
        units.len() as u64
    };
    let unit = if groups.is_some() { "real scene" } else { "real image" };
    ((0..scores.tabled).map(of_chain).min().unwrap_or(0), unit)
}

/// The share of a class that is called generated under the first condition and, where another is the worse for the
/// detector (it accuses more, or finds fewer), under that one.
fn spread(scores: &Scores, found: &[AtThreshold], label: Label) -> String {
    let (part, of, sign): (fn(&AtThreshold) -> &Interval, _, _) = match label {
        Label::Real => (|at| &at.fpr, "of the real images", -1.0),
        Label::Generated => (|at| &at.tpr, "of the generated images", 1.0),
    };
    let worth = |chain: &usize| part(&found[*chain]).value.map(|value| sign * value);
    let worst = (0..found.len())
        .filter(|chain| worth(chain).is_some())
        .min_by(|a, b| worth(a).unwrap_or_default().total_cmp(&worth(b).unwrap_or_default()).then(a.cmp(b)));
    let share = |chain: usize| with_ends(part(&found[chain]));
    let clean = format!("{} {of} {}", share(0), condition(&scores.chains[0]));
    match worst {
        Some(worst) if worst != 0 && worth(&worst) < worth(&0) => {
            format!("{clean}, and {} {}", share(worst), condition(&scores.chains[worst]))
        }
        _ => clean,
    }
}

/// Where on the severity curves it accuses more than on clean images, and finds fewer. They do not enter the standing, which
/// is about the conditions asked for; but "safe" must not be read without them.
fn worst_levels(clean: &AtThreshold, levels: &[(&str, AtThreshold)]) -> Option<String> {
    let worse = |part: fn(&AtThreshold) -> &Interval, sign: f64| {
        // Least of all where there is none.
        let worth = |at: &AtThreshold| part(at).value.map_or(f64::NEG_INFINITY, |value| sign * value);
        levels
            .iter()
            .filter(|(_, at)| worth(at) > worth(clean))
            .max_by(|a, b| worth(&a.1).total_cmp(&worth(&b.1)))
            .map(|(chain, at)| (*chain, part(at)))
    };
    let parts: Vec<String> = [
        ("accuses up to", "real", worse(|at| &at.fpr, 1.0)),
        ("finds as few as", "generated", worse(|at| &at.tpr, -1.0)),
    ]
    .into_iter()
    .filter_map(|(does, class, worst)| {
        let (chain, share) = worst?;
        Some(format!("{does} {} of the {class} images {}", with_ends(share), condition(chain)))
    })
    .collect();
    let found = match parts.is_empty() {
        true => "accuses no more and finds no fewer than on images as they are".to_owned(),
        false => parts.join(", and "),
    };
    let levels = (!levels.is_empty()).then(|| counted(levels.len() as u64, "level"))?;
    Some(format!("Along the severity curves ({levels}) it {found}."))
}

/// The lowest threshold that keeps the false alarms at the target under every condition, and what is found then; whether the
/// own one does already.
fn other_threshold(
    scores: &Scores,
    system: usize,
    labels: &[u8],
    everywhere: impl Fn(f64) -> Result<Vec<AtThreshold>, Error>,
    options: &EvaluateOptions,
) -> Result<Option<String>, Error> {
    let (mut highest, mut resolvable) = (f64::NEG_INFINITY, true);
    for chain in 0..scores.tabled {
        let ranking = Ranking::new(labels, &scores.logits[chain][system])
            .map_err(|error| Error::Options(error.to_string()))?;
        let Ok(point) = tpr_at_fpr(&ranking, options.target_fpr) else { return Ok(None) };
        highest = highest.max(point.threshold.unwrap_or(f64::NEG_INFINITY));
        resolvable &= point.resolvable;
    }
    if !highest.is_finite() || !resolvable {
        return Ok(None);
    }
    let conditions = if scores.tabled > 1 { " under every condition" } else { "" };
    let (target, own) = (percent(options.target_fpr), scores.systems[system].threshold);
    let chosen = "chosen on these very images, so it needs a check on others";
    let finds = spread(scores, &everywhere(highest)?, Label::Generated);
    Ok(Some(if highest > own {
        format!(
            "To keep false alarms at {target} % here{conditions} its threshold would be {} ({chosen}); it then finds {finds}.",
            number(highest)
        )
    } else if highest == own {
        format!("No lower threshold keeps false alarms at {target} % here{conditions}.")
    } else {
        format!(
            "Its threshold keeps false alarms at {target} % here{conditions}, and so would a lower one of {} ({chosen}); it then \
             finds {finds}.",
            number(highest)
        )
    }))
}

fn named(start: &str, subsets: &[(f64, &str, Interval)]) -> Option<String> {
    let one = |(_, name, share): &(f64, &str, Interval)| format!("{name} {}", with_ends(share));
    let listed: Vec<String> = subsets.iter().take(NAMED).map(one).collect();
    let more = subsets.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    (!subsets.is_empty()).then(|| format!("{start}: {}{more}.", listed.join(", ")))
}

/// What was scored under every condition, and what that leaves open.
fn not_tested(scores: &Scores, system: usize) -> String {
    let scored =
        |index: usize| (0..scores.tabled).all(|chain| scores.logits[chain][system][index].is_finite());
    let of_class = |label: Label, one: &str, source: &str| {
        let images = scores.images.iter().enumerate();
        let tested: Vec<&str> = images
            .filter(|(index, image)| image.label == label && scored(*index))
            .map(|(_, image)| image.subset.as_str())
            .collect();
        if tested.is_empty() {
            return format!("no {one}");
        }
        let sources = tested.iter().collect::<HashSet<_>>().len() as u64;
        format!("{} of {}", counted(tested.len() as u64, one), counted(sources, source))
    };
    let processed = if scores.tabled == 1 && scores.chains[0] == "clean" {
        "any processing (the copy of a messenger or a web page)"
    } else {
        "other processing than that"
    };
    format!(
        "Tested on {} and {}, under {}. Not tested: other sources, other generators, and {processed}.",
        of_class(Label::Real, "real image", "source"),
        of_class(Label::Generated, "generated image", "generator"),
        counted(scores.tabled as u64, "condition"),
    )
}

/// Images without a score, under each condition.
fn refused(scores: &Scores, system: usize) -> Option<String> {
    let lacking: Vec<String> = with_some(scores, system, |logit| !logit.is_finite())
        .map(|(chain, real, fake)| {
            format!("{real} real and {fake} generated {}", condition(&scores.chains[chain]))
        })
        .collect();
    let more = match lacking.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and some under {}", counted(more as u64, "more condition")),
    };
    (!lacking.is_empty()).then(|| {
        format!(
            "Of {} real and {} generated images some have no score and are in none of these shares: {}{more}.",
            scores.count(Label::Real),
            scores.count(Label::Generated),
            lacking[..lacking.len().min(NAMED)].join(", ")
        )
    })
}

/// Why R.Acc and the share accused may not add up to one: images at logit 0 itself.
fn undecided(scores: &Scores, system: usize) -> Option<String> {
    with_some(scores, system, |logit| logit == 0.0).next().map(|(chain, real, fake)| {
        format!(
            "A logit of exactly 0 have {real} real and {fake} generated images {}: wrong in R.Acc and F.Acc, but not above \
             a threshold of 0.",
            condition(&scores.chains[chain])
        )
    })
}

/// Conditions under which some logits are of this kind, with the number of real and of generated images that have one.
fn with_some(
    scores: &Scores,
    system: usize,
    kind: impl Fn(f64) -> bool,
) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..scores.tabled)
        .map(move |chain| {
            let count = |label: Label| {
                let images = scores.images.iter().zip(&scores.logits[chain][system]);
                images.filter(|(image, logit)| image.label == label && kind(**logit)).count()
            };
            (chain, count(Label::Real), count(Label::Generated))
        })
        .filter(|(_, real, fake)| real + fake > 0)
}

/// `15 % (10 to 21 %)`; ends that say nothing about uncertainty are left out, and that is said.
fn with_ends(share: &Interval) -> String {
    let text = |share: f64| {
        if share < 0.0995 { format!("{:.1}", 100.0 * share) } else { format!("{:.0}", 100.0 * share) }
    };
    match (share.value, share.low, share.high) {
        (Some(value), ..) if share.degenerate => {
            format!("{} % (how sure that is cannot be told here)", text(value))
        }
        (Some(value), Some(low), Some(high)) => {
            format!("{} % ({} to {} %)", text(value), text(low), text(high))
        }
        (Some(value), _, _) => format!("{} %", text(value)),
        _ => "an unknown share".to_owned(),
    }
}

/// A logit, short however large or small.
fn number(logit: f64) -> String {
    match logit.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.001 => format!("{logit:.2e}"),
        _ => decimals(logit, 3),
    }
}

/// A chain at the end of a sentence.
pub(crate) fn condition(chain: &str) -> String {
    match chain {
        "clean" => "as they are".to_owned(),
        "paper" => "post-processed as in the paper".to_owned(),
        other => format!("after {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::scores;

    /// `real` and `fake` images of one source each; `shifts[chain]` is added to all logits: real ones lie in -2..-1,
    /// generated ones in 1..2.
    fn made(real: usize, fake: usize, shifts: &[f64]) -> Scores {
        let name = |i: usize| format!("{i:04}");
        let names: Vec<String> = (0..real + fake).map(name).collect();
        let label = |i: usize| if i < real { Label::Real } else { Label::Generated };
        let images: Vec<(&str, Label, &str, &str)> = (0..names.len())
            .map(|i| (&*names[i], label(i), if i < real { "camera" } else { "sd" }, &*names[i]))
            .collect();
        let logit = |i: usize| {
            if i < real { -2.0 + i as f64 / real as f64 } else { 1.0 + i as f64 / fake as f64 / 10.0 }
        };
        let logits =
            shifts.iter().map(|shift| vec![(0..names.len()).map(|i| logit(i) + shift).collect()]).collect();
        let mut scores = scores(&images, logits);
        scores.scenes_known = false;
        scores
    }

    fn judged(real: usize, fake: usize, shifts: &[f64]) -> Advice {
        advice(&made(real, fake, shifts), None, &EvaluateOptions::default()).unwrap().remove(0)
    }

    #[test]
    fn the_worst_levels_of_severity_are_told_and_leave_the_standing_alone() {
        let mut scores = made(200, 200, &[0.0, 3.0, -1.5]);
        scores.tabled = 1;
        scores.chains = ["clean", "blur(1)", "blur(2)"].map(str::to_owned).to_vec();
        let found = advice(&scores, None, &EvaluateOptions::default()).unwrap().remove(0);
        assert_eq!(found.standing, Standing::Usable);
        let told = found.sentences.iter().find(|line| line.contains("severity")).unwrap();
        assert_eq!(
            told,
            "Along the severity curves (2 levels) it accuses up to 100 % (98 to 100 %) of the real images after blur(1), and \
             finds as few as 0.0 % (0.0 to 1.9 %) of the generated images after blur(2)."
        );
        assert!(!judged(200, 200, &[0.0]).sentences.join(" ").contains("severity"));
        scores.logits[1] = scores.logits[0].clone();
        scores.logits[2] = scores.logits[0].clone();
        let same = advice(&scores, None, &EvaluateOptions::default()).unwrap().remove(0).sentences.join(" ");
        assert!(
            same.contains("(2 levels) it accuses no more and finds no fewer than on images as"),
            "{same}"
        );
    }

    #[test]
    fn images_at_logit_0_are_counted_for_one_detector_alone() {
        let mut scores = made(3, 3, &[0.0]);
        scores.logits[0][0] = vec![0.0, -0.0, -1.0, 0.0, 2.0, 3.0];
        let told = advice(&scores, None, &EvaluateOptions::default()).unwrap().remove(0).sentences.join(" ");
        assert!(told.contains("exactly 0 have 2 real and 1 generated images as they are"), "{told}");
        assert!(!judged(3, 3, &[0.0]).sentences.join(" ").contains("exactly 0"));
    }

    #[test]
    fn standing_follows_the_intervals() {
        struct Case {
            real: usize,
            fake: usize,
            shifts: &'static [f64],
            standing: Standing,
            says: &'static str,
        }
        let cases = [
            Case {
                real: 100,
                fake: 100,
                shifts: &[0.0, 0.5],
                standing: Standing::Usable,
                says: "can be used",
            },
            Case {
                real: 30,
                fake: 100,
                shifts: &[0.0],
                standing: Standing::NotShown,
                says: "30 real images cannot show that it accuses at most 5 %: at least 73 are needed",
            },
            Case {
                real: 100,
                fake: 100,
                shifts: &[0.0, 1.5],
                standing: Standing::NotUsable,
                says: "accuses 0.0 % (0.0 to 3.7 %) of the real images as they are, and 49 % (39 to 59 %) after chain 1",
            },
            // Nothing is found under the second condition, and nothing is accused.
            Case {
                real: 100,
                fake: 100,
                shifts: &[0.0, -9.0],
                standing: Standing::NotShown,
                says: "finds more than chance",
            },
            Case {
                real: 100,
                fake: 0,
                shifts: &[0.0],
                standing: Standing::NotShown,
                says: "What it finds cannot be said: there is no generated image.",
            },
        ];
        for case in cases {
            let found = judged(case.real, case.fake, case.shifts);
            assert_eq!(found.standing, case.standing, "{:?}", found.sentences);
            assert!(found.sentences.join(" ").contains(case.says), "{:?}", found.sentences);
        }
    }

    #[test]
    fn another_threshold_is_named_only_where_it_is_needed_and_can_be_resolved() {
        let other = |advice: &Advice| {
            advice.sentences.iter().any(|line| line.starts_with("To keep false alarms at 5 %"))
        };
        assert!(other(&judged(100, 100, &[0.0, 1.5])));
        assert!(!other(&judged(100, 100, &[0.0])));
        assert!(!other(&judged(10, 100, &[1.5])), "one image of ten is already too many");
    }

    #[test]
    fn a_lower_threshold_is_no_remedy_for_false_alarms() {
        // The 30 real images lie in -2..-1: a threshold of 0 keeps all of them, and so does one near -1.
        let mut scores = made(30, 100, &[0.0]);
        let said = |scores: &Scores| {
            advice(scores, None, &EvaluateOptions::default()).unwrap().remove(0).sentences.join(" ")
        };
        let text = said(&scores);
        assert!(
            text.contains("Its threshold keeps false alarms at 5 % here, and so would a lower one of -1."),
            "{text}"
        );
        assert!(!text.contains("To keep false alarms"), "{text}");
        // Exactly the lowest: nothing to add.
        let labels = scores.labels();
        let ranking = Ranking::new(&labels, &scores.logits[0][0]).unwrap();
        scores.systems[0].threshold = tpr_at_fpr(&ranking, 0.05).unwrap().threshold.unwrap();
        assert!(said(&scores).contains("No lower threshold keeps false alarms at 5 % here."));
    }

    #[test]
    fn what_is_said_of_subsets_names_the_condition_it_is_of() {
        let mut scores = made(200, 200, &[0.0]);
        // Every other image is of another source or generator, and judged wrongly.
        for (i, image) in scores.images.iter_mut().enumerate().filter(|(i, _)| i % 2 == 0) {
            image.subset = "other".to_owned();
            scores.logits[0][0][i] *= -1.0;
        }
        let said = |scores: &Scores| {
            advice(scores, None, &EvaluateOptions::default()).unwrap().remove(0).sentences.join(" ")
        };
        let text = said(&scores);
        for expected in ["miss more than half, as they are (share found)", "5 %, as they are (share accused)"]
        {
            assert!(text.contains(expected), "{text}");
        }
        scores.chains[0] = "jpeg(70)".to_owned();
        let text = said(&scores);
        for expected in [
            "miss more than half, after jpeg(70) (share found)",
            "5 %, after jpeg(70) (share accused)",
            "other generators, and other processing than that",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(!text.contains("as they are"), "{text}");
    }

    #[test]
    fn refused_images_are_no_evidence_under_any_condition() {
        let mut scores = made(100, 100, &[0.0, 0.0, 0.0]);
        let said = |scores: &Scores, groups: Option<&[u64]>| {
            advice(scores, groups, &EvaluateOptions::default()).unwrap().remove(0).sentences.join(" ")
        };
        for image in (0..70).chain([150]) {
            scores.logits[1][0][image] = f64::NAN;
        }
        scores.logits[2][0][99] = f64::NAN;
        let text = said(&scores, None);
        assert!(text.contains("30 real images cannot show that it accuses at most 5 %"), "{text}");
        assert!(
            text.contains("Tested on 29 real images of 1 source and 99 generated images of 1 generator"),
            "{text}"
        );
        assert!(
            text.contains(
                "Of 100 real and 100 generated images some have no score and are in none of these shares: 70 real and 1 \
                 generated after chain 1, 1 real and 0 generated after chain 2."
            ),
            "{text}"
        );
        // A scene counts once.
        let scores = made(100, 100, &[0.0]);
        let pairs: Vec<u64> = (0..200).map(|image| image / 2).collect();
        let text = said(&scores, Some(&pairs));
        assert!(text.contains("50 real scenes cannot show"), "{text}");
    }

    #[test]
    fn thresholds_are_written_short() {
        for (logit, expected) in
            [(0.0, "0"), (-1.25, "-1.250"), (2e-9, "2.00e-9"), (-1e308, "-1.00e308"), (1e6, "1.00e6")]
        {
            assert_eq!(number(logit), expected);
        }
    }
}
