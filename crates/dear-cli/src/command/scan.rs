//! `dear scan`: score images.

mod sink;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use dear::backbone::metadata::Threshold;
use dear::engine::cache_dir;
use dear::error::Error;
use dear::evaluate::counted;
use dear::files::place;
use dear::scan::{Cache, InputOptions, Inputs, Record, Scan, ScanOptions, Shard, Status, Tally, Verdict};
use dear::view::View;

use self::sink::{Format, Sink};
use crate::arguments::{DecodeArgs, DetectorArgs};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, folders of images, patterns in quotes ('photos/**/*.jpg'), Parquet files with images, - for a list of paths on stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    detector: DetectorArgs,
    /// Form of the records [default: what the name of --out says, else text]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write the records to a file, which is there when all of them are
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Score copies of each image too, stored again in several ways: does the verdict stay?
    #[arg(long)]
    stability: bool,
    /// Ask each file where it comes from; never part of the score
    #[arg(long)]
    provenance: bool,
    /// Exit code 1 also where some image is judged so
    #[arg(long, value_enum, value_name = "VERDICT")]
    fail_on: Option<FailOn>,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    decode: DecodeArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Inputs")]
struct InputArgs {
    /// Paths on stdin end in NUL, as `find -print0` writes them
    #[arg(long)]
    null: bool,
    /// Column of Parquet files that holds the images [default: image, bytes or content]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Only a part of the images, by a hash of their paths: 1/4 to 4/4
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cache")]
struct CacheArgs {
    /// Keep records in this file, by content, and take from it what it knows [default: scan.sqlite in the user's cache folder]
    #[arg(long, value_name = "FILE", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Score everything, and keep nothing
    #[arg(long)]
    no_cache: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Images judged as generated
    Generated,
    /// These, and those of which the detector is not sure
    Uncertain,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let InputArgs { null, column, shard } = args.inputs;
    if let Some(out) = &args.out {
        output::check_writable(out)?;
        if let Some(detector) = &args.detector.detector {
            check_kept(out, detector, "the detector")?;
        }
        if let Some(cache) = args.cache.file() {
            // With what SQLite writes beside it.
            for part in ["", "-wal", "-shm"] {
                let mut file = cache.clone().into_os_string();
                file.push(part);
                check_kept(out, Path::new(&file), "the cache")?;
            }
        }
    }
    let format = Format::of(args.format, args.out.as_deref())?;
    let inputs = Inputs::new(&args.paths, InputOptions { null, column, shard, output: args.out.clone() })?;
    let detector = args.detector.open()?;
    let options =
        ScanOptions { decode: args.decode.options(), stability: args.stability, provenance: args.provenance };
    let (cache, observer) = (args.cache.open()?, Progress::steady(args.out.is_none()));
    let mut sink = Sink::new(format, args.out.as_deref())?;
    let scan = Scan { detector: &detector, options, cache, observer: &observer };
    let mut counts = Counts::default();
    let tally = scan.run(inputs, |record| {
        counts.add(&record);
        sink.write(&record)
    })?;
    sink.finish()?;
    let metadata = detector.metadata();
    counts.tell(&tally, &metadata.threshold, &detector.info().words());
    if metadata.view != View::Native {
        output::note(format_args!("of each image the network saw: {}", metadata.view));
    }
    let failed = args.fail_on.is_some_and(|fail_on| counts.fail(fail_on));
    Ok(if failed || counts.refused + counts.truncated > 0 {
        Outcome::DoneWithFailedItems
    } else {
        Outcome::Done
    })
}

/// Refuse to write the records over what the scan itself needs. The inputs are compared one by one as they are read.
fn check_kept(out: &Path, kept: &Path, what: &str) -> Result<(), Error> {
    if place(out) != place(kept) {
        return Ok(());
    }
    Err(Error::Images {
        message: format!("{}: is {what}, expected another file for the records", out.display()),
        hint: "name another file with --out".to_owned(),
    })
}

impl CacheArgs {
    /// The file asked for; unasked, the user's.
    fn file(&self) -> Option<PathBuf> {
        match &self.cache {
            None if self.no_cache => None,
            None => cache_dir().map(|folder| folder.join("scan.sqlite")),
            asked => asked.clone(),
        }
    }

    /// The cache asked for, or none; unasked, the user's, and where that cannot be, none, which is said.
    fn open(&self) -> Result<Cache, Error> {
        match self.file().map(|file| Cache::open(&file)) {
            Some(Ok(cache)) => return Ok(cache),
            Some(Err(error)) if self.cache.is_some() => return Err(error.into()),
            Some(Err(error)) => {
                output::warning(format_args!("{error}; the scan goes on without it"));
                output::note(format_args!("hint: {}", output::one_line(error.hint())));
            }
            None if self.no_cache => {}
            None => {
                output::note(
                    "no cache folder is known here (DEAR_CACHE names one): nothing is kept of this scan",
                );
            }
        }
        Ok(Cache::temporary()?)
    }
}

/// What the records say.
#[derive(Default)]
struct Counts {
    generated: u64,
    real: u64,
    uncertain: u64,
    refused: u64,
    truncated: u64,
}

impl Counts {
    fn add(&mut self, record: &Record) {
        self.refused += u64::from(record.status == Status::Refused);
        self.truncated += u64::from(record.truncated);
        match record.verdict {
            Some(Verdict::Generated) => self.generated += 1,
            Some(Verdict::Real) => self.real += 1,
            Some(Verdict::Uncertain) => self.uncertain += 1,
            None => {}
        }
    }

    fn tell(&self, tally: &Tally, threshold: &Threshold, engine: &str) {
        let Self { generated, real, uncertain, refused, .. } = self;
        let Tally { records, scored, refused: refused_now, cached, duplicates, passed_over } = tally;
        let files = counted(*records, "file");
        output::note(format_args!(
            "{files}: {} scored ({generated} generated, {real} real, {uncertain} uncertain at logit {}{} [{}]), {refused} refused{}; {engine}",
            records - refused,
            threshold.value,
            match threshold.uncertain {
                Some([low, high]) => format!(", undecided from {low:.4} to {high:.4}"),
                None => String::new(),
            },
            output::one_line(&threshold.origin),
            match *passed_over {
                0 => String::new(),
                some => format!(", {} passed over", counted(some, "other file")),
            },
        ));
        output::note(format_args!(
            "{files}: {scored} scored now, {refused_now} refused now, {cached} from the cache, {duplicates} duplicates"
        ));
    }

    fn fail(&self, fail_on: FailOn) -> bool {
        let records = self.generated + self.real + self.uncertain;
        let (found, words) = match fail_on {
            FailOn::Generated => (self.generated, "generated"),
            FailOn::Uncertain => (self.generated + self.uncertain, "generated or uncertain"),
        };
        if found > 0 {
            output::note(format_args!("exit code 1: {found} of {records} scored images are {words}"));
        }
        found > 0
    }
}
