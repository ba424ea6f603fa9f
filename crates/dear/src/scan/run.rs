//! One scan: items in order to records in order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ahead::{Ahead, Next, Ready, Remembered, Step};
use super::cache::{Cache, Hash};
use super::inputs::{Inputs, wrong};
use super::outcome::{Outcome, subject};
use super::{Read, Record, ScanOptions, Status, blank, score_read};
use crate::detector::Detector;
use crate::error::Error;
use crate::files::hex;
use crate::observe::{Event, Observer};

/// Who scans, and how.
pub struct Scan<'a> {
    /// What scores.
    pub detector: &'a Detector,
    /// What is asked of each image.
    pub options: ScanOptions,
    /// What is remembered of earlier scans, and of this one.
    pub cache: Cache,
    /// Hears of each record; may stop the scan between two, and between the copies of one.
    pub observer: &'a dyn Observer,
}

/// Where the records of a scan come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records.
    pub records: u64,
    /// Scored in this scan.
    pub scored: u64,
    /// Refused in this scan.
    pub refused: u64,
    /// Known from an earlier scan, scored or refused.
    pub cached: u64,
    /// Of the same bytes as an item before, scored or refused.
    pub duplicates: u64,
    /// Other files that were passed over: hidden ones, documents.
    pub passed_over: u64,
}

impl Scan<'_> {
    /// Score `inputs`, and hand their records to `take` in their order. While one image is scored the next ones are read and
    /// decoded, up to 96 MiB of files and pixels. Stops where `take` fails.
    ///
    /// A cache that fails on the way is left, with a warning, and the scan goes on.
    ///
    /// # Errors
    /// Where the engine fails, those of `take`, a list on stdin without any path, with paths that end in NUL although lines
    /// were expected, or with the file that the records are to replace; and after a stop [`Error::Interrupted`], or
    /// [`Error::Abandoned`] with a cache that ends with the scan.
    pub fn run(
        mut self,
        inputs: Inputs,
        mut take: impl FnMut(Record) -> Result<(), Error>,
    ) -> Result<Tally, Error> {
        match inputs.total() {
            Some(total) => self.observer.event(Event::Started { step: "scan", total }),
            None => self.observer.event(Event::Streams { step: "scan" }),
        }
        let kept = self.cache.path().is_some();
        let begun = self.cache.begin(subject(self.detector, &self.options));
        let mut remembered = Remembered { cache: Some(self.cache), failure: None };
        if let Err(error) = begun {
            remembered.give_up(error);
        }
        let run = Run {
            detector: self.detector,
            options: self.options,
            cache: Arc::new(Mutex::new(remembered)),
            observer: self.observer,
        };
        let done = run.run(inputs, &mut take);
        run.warn();
        self.observer.event(Event::Finished);
        done.map_err(|error| match error {
            Error::Abandoned if kept => Error::Interrupted,
            other => other,
        })
    }
}

/// A scan that has begun.
struct Run<'a> {
    detector: &'a Detector,
    options: ScanOptions,
    cache: Arc<Mutex<Remembered>>,
    observer: &'a dyn Observer,
}

impl Run<'_> {
    fn run(&self, inputs: Inputs, take: &mut dyn FnMut(Record) -> Result<(), Error>) -> Result<Tally, Error> {
        let (need_an_item, passed_over) = (inputs.need_an_item(), Arc::new(AtomicU64::new(0)));
        let ahead = Ahead::new(inputs.items(&passed_over), self.options, self.cache.clone())?;
        let mut tally = Tally::default();
        loop {
            match ahead.next(&|| self.observer.cancelled()) {
                Step::Done => break,
                Step::Stopped => return Err(Error::Abandoned),
                Step::Item(next) => take(self.record(&ahead, next, &mut tally)?)?,
            }
            tally.records += 1;
            self.warn();
            self.observer.event(Event::Advanced { by: 1 });
        }
        ahead.join();
        if need_an_item && tally.records == 0 {
            return Err(wrong(
                "stdin: no path of an image, expected at least one".to_owned(),
                "a line is a path",
            ));
        }
        tally.passed_over = passed_over.load(Ordering::Relaxed);
        Ok(tally)
    }

    fn record(&self, ahead: &Ahead, next: Next, tally: &mut Tally) -> Result<Record, Error> {
        let row = next.row;
        let blank = Record { row, ..blank(self.detector, &next.name, &self.options) };
        let known = |outcome: &Outcome, hash: Hash| {
            outcome.record(Record { sha256: Some(hex(&hash)), ..blank.clone() })
        };
        Ok(match next.ready {
            Ready::Unread(refusal) => {
                tally.refused += 1;
                Record { error: Some(refusal), ..blank }
            }
            Ready::Kept { hash, outcome } => {
                tally.cached += 1;
                known(&outcome, hash)
            }
            Ready::Seen { hash, outcome } => {
                tally.duplicates += 1;
                known(&outcome, hash)
            }
            Ready::Awaited { hash } => {
                tally.duplicates += 1;
                let outcome =
                    ahead.awaited(&hash).expect("the item before it is scored, and still in the window");
                known(&outcome, hash)
            }
            Ready::Wrong { message, hint } => return Err(wrong(message, hint)),
            Ready::Fresh { hash, read } => {
                Record { row, ..self.fresh(ahead, &next.name, hash, *read, tally)? }
            }
        })
    }

    fn fresh(
        &self,
        ahead: &Ahead,
        name: &std::path::Path,
        hash: Hash,
        read: Read,
        tally: &mut Tally,
    ) -> Result<Record, Error> {
        let record = score_read(self.detector, name, &self.options, read, &|| self.observer.cancelled())?;
        match record.status {
            Status::Refused => tally.refused += 1,
            Status::Scored | Status::ScoredWithWarning => tally.scored += 1,
        }
        let outcome = Arc::new(Outcome::of(&record));
        if outcome.lasts() {
            let mut remembered = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Err(error)) = remembered.cache.as_ref().map(|cache| cache.put(&hash, &outcome)) {
                remembered.give_up(error);
            }
        }
        ahead.scored(hash, outcome);
        Ok(record)
    }

    /// Say that the cache was left, once.
    fn warn(&self) {
        let failure = self.cache.lock().unwrap_or_else(PoisonError::into_inner).failure.take();
        if let Some(error) = failure {
            let message = format!("{error}; the scan goes on without it");
            self.observer.event(Event::Warned { message: &message });
        }
    }
}
