//! How long work reports itself and is told to stop: a bar, JSON lines or a callback are implementations of [`Observer`].

use std::sync::atomic::{AtomicBool, Ordering};

/// What a long task says of itself.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A step begins; `total` items are to be done.
    Started {
        /// What is being done, for people.
        step: &'a str,
        /// How many items.
        total: u64,
    },
    /// A step begins of which nobody knows how many items are to come.
    Streams {
        /// What is being done, for people.
        step: &'a str,
    },
    /// `by` more items of the current step are done (or were found done by an earlier run).
    Advanced {
        /// How many items.
        by: u64,
    },
    /// Something the user should know; the work goes on.
    Warned {
        /// One line.
        message: &'a str,
    },
    /// The current step is done.
    Finished,
}

/// Receives events and may ask the work to stop.
pub trait Observer: Sync {
    /// Called from the thread that does the work.
    fn event(&self, event: Event<'_>);
    /// Asked between items; `true` ends the work with [`crate::error::Error::Interrupted`], or with
    /// [`crate::error::Error::Abandoned`] where nothing of it is kept.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Says nothing, never stops.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}
}

/// A flag that another thread (a signal handler) raises to stop the work.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// Not cancelled.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }
    /// Ask for a stop; returns whether it had been asked before.
    pub fn cancel(&self) -> bool {
        self.0.swap(true, Ordering::SeqCst)
    }
    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
