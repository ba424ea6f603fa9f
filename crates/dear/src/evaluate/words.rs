//! What an evaluation comes to, in sentences.

use super::results::{Comparison, Evaluation, System};
use super::verdict;
use crate::bootstrap::Interval;

/// Whether hardening, and pruning in particular, helped, over all chains; then what was gained and what was paid under
/// each: never more than the intervals carry.
pub(super) fn words(evaluation: &Evaluation) -> Vec<String> {
    let mut words = Vec::new();
    if evaluation.data.in_both_classes > 0 {
        words.push(format!(
            "Warning: {} images stand in both classes, byte for byte. No number here can be trusted until that is mended.",
            evaluation.data.in_both_classes
        ));
    }
    let several = evaluation.systems.iter().filter(|system| system.hardened).count() > 1;
    for hardened in evaluation.systems.iter().filter(|system| system.hardened) {
        let name = if several { format!("{}: ", hardened.name) } else { String::new() };
        words.extend(helped(evaluation, hardened, &name));
        words.extend(gained_and_paid(evaluation, hardened, &name));
    }
    words
}

fn helped(evaluation: &Evaluation, hardened: &System, name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (control, question, against) in [
        ("base", "Did hardening help?", "the detector as it was"),
        ("base + bias", "Did hardening help?", "only moving its threshold"),
        ("refit, no pruning", "Did pruning by RAD help?", "a new head without pruning"),
        ("refit, random gate", "Did pruning by RAD help?", "pruning as many channels at random"),
    ] {
        let Some(before) = hardened.controls.get(control) else { continue };
        let of_pair =
            |comparison: &&Comparison| &comparison.before == before && comparison.after == hardened.name;
        let found: Vec<&Interval> = evaluation
            .comparisons
            .iter()
            .filter(of_pair)
            .filter_map(|comparison| comparison.difference("balanced_accuracy"))
            .collect();
        let count = |word: &str| found.iter().filter(|difference| verdict(difference) == word).count();
        words.push(format!(
            "{name}{question} Against {against}, balanced accuracy is better under {} of {} conditions, worse under {}, \
             and no difference is shown under {}.",
            count("better"),
            found.len(),
            count("worse"),
            count("not shown")
        ));
    }
    words
}

fn gained_and_paid(evaluation: &Evaluation, hardened: &System, name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let Some(base) = hardened.controls.get("base") else { return words };
    for chain in &evaluation.chains {
        let value =
            |system: &str, metric: &str| evaluation.table(chain, system, "all")?.metric(metric)?.value;
        let pair = |metric| Some((value(base, metric)?, value(&hardened.name, metric)?));
        if let (Some(f), Some(r), Some(auc)) = (pair("f_acc"), pair("r_acc"), pair("auc")) {
            words.push(format!(
                "{name}{}: hardened, the detector finds {:.1} % of the generated images instead of {:.1} %, and leaves \
                 {:.1} % of the real ones alone instead of {:.1} %; AUC {:.3} instead of {:.3}.",
                capital(chain),
                100.0 * f.1,
                100.0 * f.0,
                100.0 * r.1,
                100.0 * r.0,
                auc.1,
                auc.0
            ));
        }
    }
    words
}

fn capital(chain: &str) -> String {
    match chain {
        "clean" => "Clean images".to_owned(),
        "paper" => "Post-processed as in the paper".to_owned(),
        other => format!("After {other}"),
    }
}
