//! The page of a dissection: scores with their intervals, fragility along the ranking, and how far both can be relied on.

use maud::{Markup, html};

use super::charts;
use super::document;
use super::number::significant;
use crate::dissect::Record;
use crate::fragility::{AlongRanks, Ends};
use crate::rad::Reliability;

/// What it comes to, for the terminal and the page.
pub fn sentences(record: &Record) -> Vec<String> {
    let mut words = Vec::new();
    let channels = record.rad.scores.len();
    match &record.reliability {
        Some(found) => {
            words.push(format!(
                "{} of {channels} channels have a score whose 95 % interval over {} photographs leaves out 0.",
                found.sure_of_sign, found.photographs
            ));
            if let (Some(mean), Some(low), Some(high)) =
                (found.halves.mean, found.halves.low, found.halves.high)
            {
                words.push(format!(
                    "Two halves of the photographs rank the channels with a Spearman correlation of {mean:.3} ({low:.3} to \
                     {high:.3} over {} splits){}.",
                    found.halves.splits,
                    if mean < 0.8 { ": use more probes before trusting the gate" } else { "" }
                ));
            }
        }
        None => words
            .push("One photograph only: nothing is known of how far the scores can be relied on.".to_owned()),
    }
    if let (Some(fragility), Some(along)) = (&record.fragility, &record.along_ranks) {
        for extreme in &along.extremes {
            words.push(format!(
                "Under {} ({} probes), the {} channels with the {} scores move {} as much as the middle, and {} as much in units of \
                 their own scale.",
                fragility.chain,
                fragility.images,
                extreme.channels,
                if extreme.top { "highest" } else { "lowest" },
                times(&extreme.raw),
                times(&extreme.normalised)
            ));
        }
    }
    words
}

fn times(ratio: &Ends) -> String {
    let [value, low, high] = [ratio.value, ratio.low, ratio.high].map(significant);
    format!("{value} times ({low} to {high})")
}

/// The page, one self-contained file.
pub fn page(record: &Record) -> String {
    let rad = &record.rad;
    let title = format!("Dissection of {}", record.detector);
    let body = html! {
        header {
            h1 { (title) }
            p.lead {
                (rad.scores.len()) " channels, scored over " (rad.probes) " probe views; " (rad.counts.absent)
                " more views held no part of a mask, " (rad.degenerate) " lacked a region and were "
                (rad.options.degenerate.done()) "."
            }
        }
        main {
            section {
                ul.words { @for sentence in sentences(record) { li { (sentence) } } }
            }
            section aria-labelledby="rad" {
                h2 id="rad" { "RAD" }
                p {
                    "Score of each channel, highest first. High: the channel fires on generated pixels. "
                    @if rad.options.standardise { "In deviations of the channel. " }
                    @if rad.options.subtract_null { "The score of the null probes is subtracted. " }
                    @if record.reliability.is_some() { "The band behind the bars is the 95 % interval over photographs." }
                }
                (charts::spectrum(rad, &[], record.reliability.as_ref()))
            }
            @if let (Some(fragility), Some(along)) = (&record.fragility, &record.along_ranks) {
                section aria-labelledby="fragility" {
                    h2 id="fragility" { "Fragility under " code { (fragility.chain) } }
                    p {
                        "Mean squared change of the pooled activation over " (fragility.images) " whole probe images"
                        @if fragility.refused > 0 { " (" (fragility.refused) " refused)" }
                        ", averaged over neighbouring ranks, with 95 % intervals over images. Left: in the activation's own unit, in "
                        "which channels of a large scale move more and score higher. Right: in units of the channel's mean square, "
                        "which takes the scale out."
                    }
                    (fragility_planes(along))
                }
            }
            @if let Some(found) = &record.reliability { (mask_sizes(found)) }
        }
    };
    document(&title, "", &body)
}

fn fragility_planes(along: &AlongRanks) -> Markup {
    html! {
        div.planes {
            figure { figcaption { "Raw" } (charts::along_ranks(along, |bin| bin.raw, "raw fragility")) }
            figure { figcaption { "In units of the channel's scale" } (charts::along_ranks(along, |bin| bin.normalised, "normalised fragility")) }
        }
    }
}

fn mask_sizes(found: &Reliability) -> Markup {
    html! {
        section aria-labelledby="sizes" {
            h2 id="sizes" { "By size of the mask" }
            p { "Views in four groups from the smallest mask to the largest, and how their scores rank the channels against all views." }
            div.scroll {
                table {
                    thead { tr { th { "share of the view inside the mask" } th { "views" } th { "rank correlation with all" } th { "mean |score|" } } }
                    tbody {
                        @for group in &found.by_mask_size {
                            tr {
                                th { (format!("{:.1} to {:.1} %", 100.0 * group.from, 100.0 * group.to)) }
                                td { (group.views) }
                                td { @match group.rank_correlation { Some(r) => { (format!("{r:.3}")) } None => { "–" } } }
                                td { (significant(group.scores.iter().map(|s| s.abs()).sum::<f64>() / group.scores.len().max(1) as f64)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
