//! Progress on a terminal as a bar, elsewhere as one line a step, or a line every few seconds with rate and time left; and
//! Ctrl-C.

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use dear::observe::{Cancel, Event, Observer};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

static CANCEL: Cancel = Cancel::new();

/// Between two lines that say how far it is.
const PAUSE: Duration = Duration::from_secs(10);

/// The first Ctrl-C (or SIGTERM) asks the work to stop after the current item; the second ends the process. Files are
/// written whole or not at all, so neither leaves a half one.
pub(crate) fn watch_for_interrupts() {
    let handler = || {
        if CANCEL.is_cancelled() {
            std::process::exit(130);
        }
        output::note("stopping after the current item (again to end at once)");
        CANCEL.cancel();
    };
    // Fails only if a handler is set already, as in tests that run the program twice in one process.
    let _ = ctrlc::set_handler(handler);
}

/// Whether Ctrl-C was pressed.
pub(crate) fn cancelled() -> bool {
    CANCEL.is_cancelled()
}

/// Shows events on stderr.
#[derive(Default)]
pub(crate) struct Progress {
    shown: Mutex<Option<Shown>>,
    steady: bool,
    without_bar: bool,
}

enum Shown {
    Bar(ProgressBar),
    Lines(Lines),
}

impl Progress {
    /// For long work: elsewhere than on a terminal a line every ten seconds. A bar would stand between lines of data, so there
    /// is none where stdout is a terminal that gets them.
    pub(crate) fn steady(data_on_stdout: bool) -> Self {
        let without_bar = data_on_stdout && std::io::stdout().is_terminal();
        Self { steady: true, without_bar, ..Self::default() }
    }

    fn start(&self, step: &str, total: Option<u64>) -> Option<Shown> {
        if std::io::stderr().is_terminal() {
            return (!self.without_bar).then(|| Shown::Bar(bar(step, total)));
        }
        if self.steady {
            return Some(Shown::Lines(Lines::new(step, total, Instant::now())));
        }
        output::note(format_args!("{step}: {}", total.map_or("?".to_owned(), |total| total.to_string())));
        None
    }
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        let Ok(mut shown) = self.shown.lock() else { return };
        match event {
            Event::Started { step, total } => *shown = self.start(step, Some(total)),
            Event::Streams { step } => *shown = self.start(step, None),
            Event::Advanced { by } => match shown.as_mut() {
                Some(Shown::Bar(bar)) => bar.inc(by),
                Some(Shown::Lines(lines)) => {
                    if let Some(line) = lines.advance(by, Instant::now()) {
                        output::note(line);
                    }
                }
                None => {}
            },
            Event::Warned { message } => match shown.as_ref() {
                Some(Shown::Bar(bar)) => bar.suspend(|| output::warning(message)),
                _ => output::warning(message),
            },
            Event::Finished => {
                if let Some(Shown::Bar(bar)) = shown.take() {
                    bar.finish();
                }
            }
        }
    }

    fn cancelled(&self) -> bool {
        cancelled()
    }
}

fn bar(step: &str, total: Option<u64>) -> ProgressBar {
    let (template, bar) = match total {
        Some(total) => ("{msg:>24} {bar:32} {pos}/{len}  {per_sec}  {eta} left", ProgressBar::new(total)),
        None => ("{msg:>24} {spinner} {pos}  {per_sec}", ProgressBar::no_length()),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.with_style(style).with_message(step.to_owned())
}

/// How far a step is, said now and then.
struct Lines {
    step: String,
    total: Option<u64>,
    done: u64,
    /// When something was last said, and how many were done then.
    said: (Instant, u64),
}

impl Lines {
    fn new(step: &str, total: Option<u64>, now: Instant) -> Self {
        Self { step: step.to_owned(), total, done: 0, said: (now, 0) }
    }

    /// What to say, if it is time. The rate is that since the last line: what was known already takes no time.
    fn advance(&mut self, by: u64, now: Instant) -> Option<String> {
        self.done += by;
        let (then, before) = self.said;
        let passed = now.duration_since(then);
        if passed < PAUSE {
            return None;
        }
        self.said = (now, self.done);
        let rate = (self.done - before) as f64 / passed.as_secs_f64();
        let of = self.total.map_or(String::new(), |total| format!(" of {total}"));
        let left = self.total.filter(|_| rate > 0.0).map_or(String::new(), |total| {
            let seconds = total.saturating_sub(self.done) as f64 / rate;
            format!(", {} left", in_words(seconds))
        });
        Some(format!("{}: {}{of}, {rate:.1} a second{left}", self.step, self.done))
    }
}

/// `2 h 05 min`, `3 min 09 s`, `8 s`.
fn in_words(seconds: f64) -> impl Display {
    let seconds = seconds.ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_those_of_the_last_ten_seconds() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut lines = Lines::new("scan", Some(20_000), start);
        assert_eq!(lines.advance(9000, after(1)), None);
        assert_eq!(
            lines.advance(1000, after(10)).unwrap(),
            "scan: 10000 of 20000, 1000.0 a second, 10 s left"
        );
        assert_eq!(lines.advance(1, after(19)), None);
        assert_eq!(
            lines.advance(99, after(20)).unwrap(),
            "scan: 10100 of 20000, 10.0 a second, 16 min 30 s left"
        );
        assert_eq!(
            lines.advance(1, after(40)).unwrap(),
            "scan: 10101 of 20000, 0.1 a second, 54 h 59 min left"
        );
        let mut lines = Lines::new("scan", None, start);
        assert_eq!(lines.advance(25, after(10)).unwrap(), "scan: 25, 2.5 a second");
    }
}
