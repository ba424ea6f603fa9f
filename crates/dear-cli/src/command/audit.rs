//! `dear audit`: which nuisances predict a dataset's labels, and a detector's scores.

use std::path::PathBuf;

use clap::ValueEnum;
use dear::audit::{
    self, Audit, AuditOptions, Dependence, Finding, Flag, Kind, Split, Swap, Unscored, Verdict, audit,
};
use dear::dataset::Label;
use dear::error::Error;
use dear::evaluate::counted;
use dear::probe::Refused;

use crate::arguments::{DecodeArgs, EngineArgs, Format, open_detector};
use crate::progress::Progress;
use crate::{Outcome, output};

/// Shown below `--help`.
const EXIT_CODES: &str = "Exit codes:
  0    the audit was done, whatever its verdict
  1    done, but a --fail-on finding is there, an image was refused or could not be
       scored, or a split could not be judged: the last line of stderr says which
  2    wrong use, or data of which nothing can be judged
  3    the machine lacks something (disk, permission, engine)
  130  interrupted; nothing is kept";

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Dataset: a folder with real/ and fake/ (or 0_real and 1_fake, nature and ai), one of splits that hold them, or a
    /// manifest (.csv, .tsv, .jsonl, .parquet with the columns path and label, and perhaps split and scene)
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Detector whose scores are tested too
    #[arg(long, value_name = "FILE.onnx")]
    detector: Option<PathBuf>,
    /// Only this split [default: all that DATA has, and what they share]
    #[arg(long)]
    split: Option<String>,
    /// Folder for audit.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Findings that end the program with exit code 1
    #[arg(long, value_enum, value_name = "FINDING", value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    /// Seed of the permutations
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Chance of any false alarm among all features
    #[arg(long, value_name = "SHARE", default_value_t = AuditOptions::default().level, help_heading = "Tests")]
    level: f64,
    /// AUC from which a significant feature is called a shortcut
    #[arg(long, value_name = "AUC", default_value_t = AuditOptions::default().least_auc, help_heading = "Tests")]
    least_auc: f64,
    /// Images of each class that are stored as the other class, with --detector
    #[arg(long, value_name = "N", default_value_t = AuditOptions::default().counterfactual_images, help_heading = "Tests")]
    counterfactual_images: u32,
    #[command(flatten)]
    decode: DecodeArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A feature predicts the label
    Confounded,
    /// A set is too small for a verdict, or could not be judged
    NotResolvable,
    /// A picture occurs in both classes or in several splits
    Duplicates,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let sets = audit::open(&args.data, args.split.as_deref())?;
    if let Some(out) = &args.out {
        output::check_folder_writable(out)?;
    }
    let options = AuditOptions {
        seed: args.seed,
        level: args.level,
        least_auc: args.least_auc,
        counterfactual_images: args.counterfactual_images,
        decode: args.decode.options(),
        ..AuditOptions::default()
    };
    let detector =
        args.detector.as_deref().map(|path| open_detector(Some(path), &args.engine)).transpose()?;
    let found = audit(&args.data, &sets, detector.as_ref(), &options, &Progress::default())?;
    if let Some(out) = &args.out {
        output::write_json(&out.join("audit.json"), &found)?;
        output::note(format_args!("wrote {}", out.join("audit.json").display()));
    }
    match args.format {
        Format::Text => print(&found)?,
        Format::Json => output::json(&found)?,
    }
    let refused: Vec<Refused> = found.refused.iter().map(named).collect();
    output::refused(&refused);
    let unjudged: Vec<&Split> = found.splits.iter().filter(|split| split.not_judged.is_some()).collect();
    for split in &unjudged {
        if let Some(reason) = &split.not_judged {
            output::warning(format_args!("{}not judged: {reason}", prefix(split.split.as_deref())));
        }
    }
    let unscored: u64 = found.splits.iter().map(warn_unscored).sum();
    let mut reasons: Vec<String> = args
        .fail_on
        .iter()
        .filter(|what| what.is_in(&found))
        .map(|what| what.in_words().to_owned())
        .collect();
    if !refused.is_empty() {
        reasons.push(format!("{} refused", counted(refused.len() as u64, "image")));
    }
    if unscored > 0 {
        reasons.push(format!("{} not scored", counted(unscored, "image")));
    }
    if !unjudged.is_empty() {
        reasons.push(format!("{} not judged", counted(unjudged.len() as u64, "split")));
    }
    if reasons.is_empty() {
        return Ok(Outcome::Done);
    }
    output::note(format_args!("exit code 1: {}", reasons.join(", ")));
    Ok(Outcome::DoneWithFailedItems)
}

impl FailOn {
    fn is_in(self, audit: &Audit) -> bool {
        let found = &audit.duplicates;
        match self {
            Self::Confounded => audit.verdict == Verdict::Confounded,
            Self::NotResolvable => audit.splits.iter().any(|split| split.verdict == Verdict::NotResolvable),
            Self::Duplicates => found.across_classes.pictures + found.across_splits.pictures > 0,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Confounded => "confounded (--fail-on)",
            Self::NotResolvable => "not resolvable (--fail-on)",
            Self::Duplicates => "duplicates across classes or splits (--fail-on)",
        }
    }
}

/// `test: `, where the data has splits.
fn prefix(split: Option<&str>) -> String {
    split.map(|split| format!("{split}: ")).unwrap_or_default()
}

/// Say how many images of a split the detector refused, and why; returns how many.
fn warn_unscored(split: &Split) -> u64 {
    for Unscored { label, images, kind, message } in &split.unscored {
        output::warning(format_args!(
            "{}{images} of {} could not be scored ({kind}): {message}",
            prefix(split.split.as_deref()),
            counted(split.count(*label), &format!("{} image", label.as_str()))
        ));
    }
    split.unscored.iter().map(|unscored| unscored.images).sum()
}

fn named(image: &audit::RefusedImage) -> Refused {
    Refused {
        path: format!("{}{}", prefix(image.split.as_deref()), image.path),
        kind: image.kind.clone(),
        message: image.message.clone(),
    }
}

fn print(audit: &Audit) -> Result<(), Error> {
    for split in &audit.splits {
        print_split(split)?;
    }
    print_duplicates(audit)?;
    output::line("what it means:")?;
    for line in &audit.words {
        output::line(format_args!("  {}", output::one_line(line)))?;
    }
    if let Some(remedy) = &audit.remedy {
        output::line("what to do:")?;
        if let Some(command) = &remedy.command {
            output::line(format_args!("  {}", output::one_line(command)))?;
            output::line(format_args!("  makes equal: {}", remedy.equalises.join(", ")))?;
            if remedy.too_small > 0 {
                output::line(format_args!(
                    "  leaves out {} smaller than the crop",
                    counted(remedy.too_small, "image")
                ))?;
            }
        }
        if !remedy.leaves.is_empty() {
            let what = if remedy.command.is_some() {
                "may remain (audit the copy)"
            } else {
                "no chain is promised to make equal"
            };
            output::line(format_args!("  {what}: {}", remedy.leaves.join(", ")))?;
        }
        if let Some(chain) = &remedy.stronger {
            output::line(format_args!(
                "  weakens traces of processing too, and a generator's own marks: dear perturb DATA --chain \"{chain}\" --out DIR"
            ))?;
        }
    }
    output::line(format_args!(
        "verdict: {}: {}",
        verdict_word(audit.verdict),
        output::one_line(&audit.reason)
    ))
}

fn print_split(split: &Split) -> Result<(), Error> {
    let name = output::one_line(prefix(split.split.as_deref()));
    if let Some(reason) = &split.not_judged {
        output::line(format_args!("{name}not judged: {}", output::one_line(reason)))?;
        return output::line("");
    }
    output::line(format_args!(
        "{name}{} real and {}{}",
        split.real,
        counted(split.fake, "generated image"),
        if split.scenes_known { ", scenes known" } else { "" }
    ))?;
    let told = split.findings.iter().filter(|finding| finding.flag != Flag::None);
    let width = told.clone().map(|finding| finding.feature.len()).max().unwrap_or(0).max(7);
    if told.clone().next().is_some() {
        output::line(format_args!(
            "  {:<width$}  {:<7}  {:<20}  {:>7}  {:<10}  difference (generated against real)",
            "feature", "kind", "AUC [95 %]", "p", "flag"
        ))?;
    }
    for finding in told {
        let auc = interval(finding.auc, finding.low, finding.high);
        output::line(format_args!(
            "  {:<width$}  {:<7}  {auc:<20}  {:>7}  {:<10}  {}",
            finding.feature,
            kind_word(finding.kind),
            p_value(finding.p_adjusted),
            match finding.flag {
                Flag::Confounded => "confounded",
                Flag::Small => "small",
                Flag::None => "",
            },
            output::one_line(difference(finding))
        ))?;
    }
    let quiet = split.findings.iter().filter(|finding| finding.flag == Flag::None).count();
    output::line(format_args!(
        "  no evidence in {}; equal in all images: {}",
        counted(quiet as u64, "other feature"),
        split.constant.len()
    ))?;
    print_dependence(&split.dependence)?;
    if let Some(counterfactual) = &split.counterfactual {
        output::line(format_args!(
            "  stored as the other class (real images are {}, generated ones {}):",
            counterfactual.real_format, counterfactual.fake_format
        ))?;
        if counterfactual.swaps.is_empty() {
            output::line("    both classes are stored alike: nothing to test")?;
        }
        for swap in &counterfactual.swaps {
            print_swap(swap)?;
        }
    }
    output::line("")
}

fn print_dependence(dependence: &[Dependence]) -> Result<(), Error> {
    if dependence.is_empty() {
        return Ok(());
    }
    output::line("  the score within one class (rank correlation [95 %], corrected p):")?;
    let told: Vec<_> = dependence.iter().filter(|found| found.flag != Flag::None).collect();
    for found in &told {
        output::line(format_args!(
            "    {:<20}  {:<20}  {:>7}  {}",
            found.feature,
            interval(found.correlation, found.low, found.high),
            p_value(found.p_adjusted),
            found.words
        ))?;
    }
    let quiet = (dependence.len() - told.len()) as u64;
    output::line(format_args!("    no evidence in {}", counted(quiet, "other test")))
}

fn print_swap(swap: &Swap) -> Result<(), Error> {
    let class = if swap.label == Label::Real { "real" } else { "generated" };
    let turned = swap.to_generated + swap.to_real;
    let change = match (swap.change_low, swap.change_high) {
        (Some(low), Some(high)) => format!("{:+.2} [{low:+.2}, {high:+.2}]", swap.logit_change),
        _ => format!("{:+.2}", swap.logit_change),
    };
    output::line(format_args!(
        "    {class} as {}{}: {turned} of {} turn ({:.1} % [{:.1}, {:.1}]; {} to generated, {} to real{}), logit {change}",
        swap.chain,
        if swap.control { " (its own format again)" } else { "" },
        counted(swap.images, "verdict"),
        100.0 * turned as f64 / swap.images as f64,
        100.0 * swap.low,
        100.0 * swap.high,
        swap.to_generated,
        swap.to_real,
        swap.mcnemar.map(|test| format!(", p {}", p_value(test.p))).unwrap_or_default(),
    ))
}

fn print_duplicates(audit: &Audit) -> Result<(), Error> {
    const LISTED: usize = 10;
    let found = &audit.duplicates;
    if found.pictures.is_empty() && found.repeated == 0 {
        return output::line(format_args!(
            "duplicates: none within {} bits of 64 ({} compared by file only)",
            found.distance,
            counted(found.flat, "flat image")
        ));
    }
    output::line(format_args!(
        "duplicates: {} across classes, {} across splits, {} in one class and split",
        counted(found.across_classes.pictures, "picture"),
        counted(found.across_splits.pictures, "picture"),
        counted(found.repeated, "repeated image")
    ))?;
    for picture in found.pictures.iter().take(LISTED) {
        let place = |place: &audit::Place| {
            output::one_line(format_args!("{}{}", prefix(place.split.as_deref()), place.path))
        };
        let shown: Vec<String> = picture.images.iter().take(4).map(place).collect();
        let more = picture.images.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        output::line(format_args!("  {}{more}", shown.join(" = ")))?;
    }
    if found.pictures.len() > LISTED {
        output::line(format_args!("  and {} more in audit.json (--out)", found.pictures.len() - LISTED))?;
    }
    Ok(())
}

/// The words, with both medians or shares where they are not in the words already.
fn difference(finding: &Finding) -> String {
    if finding.words.starts_with("real: ") {
        return finding.words.clone();
    }
    format!("{} ({} against {})", finding.words, finding.fake_values, finding.real_values)
}

fn interval(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match (value, low, high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        (Some(value), ..) => format!("{value:.3}"),
        _ => "-".to_owned(),
    }
}

fn p_value(p: f64) -> String {
    if p < 0.001 { format!("{p:.0e}") } else { format!("{p:.3}") }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Trace => "trace",
        Kind::Content => "content",
    }
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "clean",
        Verdict::NotResolvable => "not resolvable",
        Verdict::Confounded => "confounded",
    }
}
