//! `dear compare`: before and after, for people and for CI.

use std::path::PathBuf;

use clap::ValueEnum;
use dear::compare::{Change, Changes, CompareOptions, Outcome as Found, Side, compare, markdown};
use dear::error::Error;

use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 no regression, 1 regression beyond the tolerance, 2 not comparable.")]
pub(crate) struct Args {
    /// results.json before the change, or the folder that holds it
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// results.json after the change, or the folder that holds it
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// A metric may get worse by this much [default: 0.01]
    #[arg(long, value_name = "SHARE")]
    tolerance: Option<f64>,
    /// Metrics compared [default: auc r_acc f_acc balanced_accuracy]
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    metric: Vec<String>,
    /// Systems compared, where not all: NAME, or BEFORE=AFTER where a name has changed
    #[arg(long, value_name = "NAME", num_args = 1..)]
    system: Vec<String>,
    /// What is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let mut options = CompareOptions::default();
    options.tolerance = args.tolerance.unwrap_or(options.tolerance);
    if !args.metric.is_empty() {
        options.metrics = args.metric;
    }
    options.check()?;
    let (before, after) = (Side::read(&args.before)?, Side::read(&args.after)?);
    let known = |side: &Side, name: &str| side.evaluation.systems.iter().any(|system| system.name == name);
    options.systems = args
        .system
        .into_iter()
        .map(|name| match name.split_once('=') {
            // A name may hold `=` itself.
            Some((old, new)) if !known(&before, &name) => (old.to_owned(), new.to_owned()),
            _ => (name.clone(), name),
        })
        .collect();
    let changes = compare(&before, &after, &options)?;
    match args.format {
        Format::Text => print(&changes)?,
        Format::Markdown => output::line(markdown(&changes).trim_end())?,
        Format::Json => output::json(&changes)?,
    }
    match changes.outcome {
        Found::Fine => Ok(Outcome::Done),
        Found::Regression => Ok(Outcome::DoneWithFailedItems),
        Found::NotComparable => Err(Error::Images {
            message: format!(
                "{} and {}: not comparable: {}",
                args.before.display(),
                args.after.display(),
                changes.reasons.join("; ")
            ),
            hint: "evaluate both versions on the same images, under the same chains; --system BEFORE=AFTER matches renamed systems"
                .to_owned(),
        }),
    }
}

/// What differs, the rows worth reading (grouped by condition, system and subset), and the sum.
fn print(changes: &Changes) -> Result<(), Error> {
    for differs in &changes.differs {
        output::line(output::one_line(format_args!(
            "{}: {} -> {}",
            differs.what, differs.before, differs.after
        )))?;
    }
    let mut last: Option<&Change> = None;
    for change in changes.shown() {
        let place = |change: &Change| (change.chain.clone(), change.system.clone(), change.subset.clone());
        if last.map(place) != Some(place(change)) {
            output::line(output::one_line(format_args!(
                "{}, {}, {}",
                change.chain, change.system, change.subset
            )))?;
        }
        last = Some(change);
        output::line(format_args!(
            "  {:<18} {:>7} -> {:>7}  {:<26} {}",
            change.metric,
            change.value(change.before),
            change.value(change.after),
            change.said(),
            change.verdict.word()
        ))?;
    }
    for line in changes.refusals() {
        output::line(output::one_line(line))?;
    }
    if changes.outcome != Found::NotComparable {
        output::line(format_args!("{}: {}", changes.outcome.title().to_lowercase(), changes.sum()))?;
    }
    Ok(())
}
