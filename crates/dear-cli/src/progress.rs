//! Progress on a terminal as a bar, elsewhere as one line a step; and Ctrl-C.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use dear::observe::{Cancel, Event, Observer};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

static CANCEL: Cancel = Cancel::new();

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
    bar: Mutex<Option<ProgressBar>>,
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        let Ok(mut bar) = self.bar.lock() else { return };
        match event {
            Event::Started { step, total } => {
                if std::io::stderr().is_terminal() {
                    let style =
                        ProgressStyle::with_template("{msg:>24} {bar:32} {pos}/{len}  {per_sec}  {eta} left")
                            .unwrap_or_else(|_| ProgressStyle::default_bar());
                    let new = ProgressBar::new(total).with_style(style).with_message(step.to_owned());
                    new.enable_steady_tick(Duration::from_millis(200));
                    *bar = Some(new);
                } else {
                    output::note(format_args!("{step}: {total}"));
                }
            }
            Event::Advanced { by } => {
                if let Some(bar) = bar.as_ref() {
                    bar.inc(by);
                }
            }
            Event::Warned { message } => match bar.as_ref() {
                Some(bar) => bar.suspend(|| output::warning(message)),
                None => output::warning(message),
            },
            Event::Finished => {
                if let Some(bar) = bar.take() {
                    bar.finish();
                }
            }
        }
    }

    fn cancelled(&self) -> bool {
        cancelled()
    }
}
