//! The command line: arguments to options, one library call, and its result rendered. No logic of the method lives here.
//!
//! stdout carries data, stderr talk. Exit codes: 0 done, 1 done with failed items, 2 wrong use or input, 3 environment,
//! 130 interrupted.

mod arguments;
mod command;
mod output;
mod progress;
mod samples;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use dear::error::{Category, Error};

/// Prove and repair how detectors of AI-generated images behave in the real world.
#[derive(Debug, Parser)]
#[command(name = "dear", version, about, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See the whole method at work on embedded photographs: probes, pruning, a new head, a report
    Demo(command::demo::Args),
    /// Make a published checkpoint a detector file
    Import(command::import::Args),
    /// Find published checkpoints, and download them so that they can be trusted
    Models(command::models::Args),
    /// Score images: one record a file, whatever is in it
    Scan(command::scan::Args),
    /// Score images over HTTP, and show them on a page
    Serve(command::serve::Args),
    /// Show where in an image a detector sees evidence
    Explain(command::explain::Args),
    /// Judge detectors on a dataset: every metric with its interval, per subset and per perturbation
    Evaluate(command::evaluate::Args),
    /// Compare two evaluations of the same images, before and after a change of version
    Compare(command::compare::Args),
    /// Find what tells a dataset's classes apart besides being generated, and what it holds twice
    Audit(command::audit::Args),
    /// Copy a dataset, each image through one chain: to equalise its classes, or to make it harder
    Perturb(command::perturb::Args),
    /// Look at the augmented views that a head is trained on: a contact sheet
    Augment(command::augment::Args),
    /// Harden a detector: dissect, prune and refine in one go
    Harden(command::harden::Args),
    /// Train a linear head on a frozen backbone, from folders of real and generated images
    Fit(command::fit::Args),
    /// Try many criteria, gates and heads on stored features, and choose on validation images
    Sweep(command::sweep::Args),
    /// Give a detector a probability, a threshold for a share of false alarms, and an uncertain band
    Calibrate(command::calibrate::Args),
    /// Make diagnostic probes: photographs of which one region is generated
    Probe(command::probe::Args),
    /// Score a detector's channels by how they tell generated from real pixels (RAD)
    Dissect(command::dissect::Args),
    /// Choose the channels to prune from their scores
    Prune(command::prune::Args),
    /// Train a new head on the channels that a gate keeps
    Refine(command::refine::Args),
    /// Compare engines, providers or precisions on images: how far logits differ, how many verdicts turn
    Parity(command::parity::Args),
    /// Say what this installation has, and what is missing
    Doctor(command::doctor::Args),
}

/// How a command that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    DoneWithFailedItems,
}

/// Run the program. Errors are printed to stderr, with a hint where there is one.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are data, asked for; everything else is talk.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    progress::watch_for_interrupts();
    let result = match cli.command {
        Command::Demo(args) => command::demo::run(args),
        Command::Import(args) => command::import::run(args),
        Command::Models(args) => command::models::run(args),
        Command::Scan(args) => command::scan::run(args),
        Command::Serve(args) => command::serve::run(args),
        Command::Explain(args) => command::explain::run(args),
        Command::Evaluate(args) => command::evaluate::run(args),
        Command::Compare(args) => command::compare::run(args),
        Command::Audit(args) => command::audit::run(args),
        Command::Perturb(args) => command::perturb::run(args),
        Command::Augment(args) => command::augment::run(args),
        Command::Harden(args) => command::harden::run(args),
        Command::Fit(args) => command::fit::run(args),
        Command::Sweep(args) => command::sweep::run(args),
        Command::Calibrate(args) => command::calibrate::run(args),
        Command::Probe(args) => command::probe::run(args),
        Command::Dissect(args) => command::dissect::run(args),
        Command::Prune(args) => command::prune::run(args),
        Command::Refine(args) => command::refine::run(args),
        Command::Parity(args) => command::parity::run(args),
        Command::Doctor(args) => command::doctor::run(args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::DoneWithFailedItems) => ExitCode::from(1),
        // A reader that has seen enough (`dear scan . | head`) is no failure.
        Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(match error.category() {
                Category::Input => 2,
                Category::Environment => 3,
                Category::Interrupted => 130,
            })
        }
    }
}
