//! May a detector be used, for what, at which threshold: sentences that carry no more than their intervals.

use super::results::{Advice, EvaluateOptions, Standing, System};
use super::shape::percent;
use super::threshold::{AtThreshold, at_threshold};
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
        headline(scores, own, standing, &found, options),
        match scores.count(Label::Generated) {
            0 => "What it finds cannot be said: there is no generated image.".to_owned(),
            _ => format!("It finds {}.", spread(scores, &found, Label::Generated)),
        },
    ];
    if standing != Standing::Usable {
        sentences.extend(other_threshold(scores, system, &labels, everywhere, options)?);
    }
    // Subsets on clean images: what it misses, and whom it accuses. A single subset is the whole again.
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
    sentences.extend(named(
        "Generators of which it is shown to miss more than half, as they are (share found)",
        &missed,
    ));
    let mut accused = Vec::new();
    for name in sources.iter().filter(|_| sources.len() > 1) {
        let fpr = subset(Label::Real, name)?.fpr;
        let shown = fpr.low.filter(|low| *low > options.target_fpr);
        accused.extend(shown.and(fpr.value).map(|value| (-value, *name, fpr.clone())));
    }
    accused.sort_by(|a, b| a.0.total_cmp(&b.0));
    let above = percent(options.target_fpr);
    let start = format!(
        "Real images of which it is shown to accuse more than {above} %, as they are (share accused)"
    );
    sentences.extend(named(&start, &accused));
    sentences.push(not_tested(scores));
    sentences.extend(refused(scores, system));
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
        Standing::NotShown => {
            // Wilson's upper end for no false alarm in n is z2 / (n + z2).
            let needed = (3.8415 * (1.0 - options.target_fpr) / options.target_fpr).ceil();
            let n = scores.count(Label::Real);
            if n == 0 {
                return format!(
                    "Not shown to be safe: whom {name} accuses {threshold} cannot be said, since there is no real image."
                );
            }
            let why = if (n as f64) < needed {
                format!(
                    "{} cannot show that it accuses at most {target} %: at least {needed} are needed, more if it accuses \
                     any.",
                    images(n, "real image")
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

/// The share of a class that is called generated on clean images and, where another condition is the worse for the
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

/// The threshold that would keep the false alarms at the target under every condition, and what would be found then.
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
    Ok(Some(format!(
        "To keep false alarms at {} % here{conditions} its threshold would be {} (chosen on these very images, so it needs a check \
         on others); it then finds {}.",
        percent(options.target_fpr),
        number(highest),
        spread(scores, &everywhere(highest)?, Label::Generated)
    )))
}

fn named(start: &str, subsets: &[(f64, &str, Interval)]) -> Option<String> {
    let one = |(_, name, share): &(f64, &str, Interval)| format!("{name} {}", with_ends(share));
    let listed: Vec<String> = subsets.iter().take(NAMED).map(one).collect();
    let more = subsets.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    (!subsets.is_empty()).then(|| format!("{start}: {}{more}.", listed.join(", ")))
}

fn not_tested(scores: &Scores) -> String {
    let (real, fake) = (scores.subsets(Label::Real), scores.subsets(Label::Generated));
    let sets =
        |n: usize, one: &str, many: &str| if n == 1 { format!("one {one}") } else { format!("{n} {many}") };
    let of = |label: Label, name: &str, sets: String| match scores.count(label) {
        0 => images(0, name),
        n => format!("{} of {sets}", images(n, name)),
    };
    let processed = if scores.tabled == 1 {
        "any processing (the copy of a messenger or a web page)"
    } else {
        "other processing than that"
    };
    format!(
        "Tested on {} and {}, under {}. Not tested: other sources, other generators, and {processed}.",
        of(Label::Real, "real image", sets(real.len(), "source", "sources")),
        of(Label::Generated, "generated one", sets(fake.len(), "generator", "generators")),
        sets(scores.tabled, "condition", "conditions"),
    )
}

/// `no real image`, `1 real image`, `2 real images`.
fn images(n: u64, name: &str) -> String {
    match n {
        0 => format!("no {name}"),
        1 => format!("1 {name}"),
        n => format!("{n} {name}s"),
    }
}

fn refused(scores: &Scores, system: usize) -> Option<String> {
    let count = |label: Label| {
        let logits = &scores.logits[0][system];
        let of_class = scores.images.iter().zip(logits).filter(|(image, _)| image.label == label);
        of_class.filter(|(_, logit)| !logit.is_finite()).count()
    };
    let (real, fake) = (count(Label::Real), count(Label::Generated));
    (real + fake > 0).then(|| {
        format!(
            "{real} of {} real and {fake} of {} generated images have no score; they are in none of these shares.",
            scores.count(Label::Real),
            scores.count(Label::Generated)
        )
    })
}

/// `15 % (10 to 21 %)`.
fn with_ends(share: &Interval) -> String {
    let text = |share: f64| {
        if share < 0.0995 { format!("{:.1}", 100.0 * share) } else { format!("{:.0}", 100.0 * share) }
    };
    match (share.value, share.low, share.high) {
        (Some(value), Some(low), Some(high)) => {
            format!("{} % ({} to {} %)", text(value), text(low), text(high))
        }
        (Some(value), _, _) => format!("{} %", text(value)),
        _ => "an unknown share".to_owned(),
    }
}

fn number(logit: f64) -> String {
    if logit == 0.0 { "0".to_owned() } else { format!("{logit:.3}") }
}

/// A chain at the end of a sentence.
pub(super) fn condition(chain: &str) -> String {
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
    fn judged(real: usize, fake: usize, shifts: &[f64]) -> Advice {
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
        advice(&scores, None, &EvaluateOptions::default()).unwrap().remove(0)
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
                says: "an unknown share",
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
}
