//! Who may compute, and how many may wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::fault::Fault;

/// Places for work, and for work that waits.
#[derive(Debug)]
pub(super) struct Pool {
    slots: Arc<Semaphore>,
    concurrency: usize,
    inside: AtomicUsize,
    most: usize,
    longest: Duration,
    /// Of the last job, in milliseconds: how long the next will take, for all that is known.
    milliseconds: AtomicU64,
}

/// A place inside, kept until the work is done or given up.
#[derive(Debug)]
pub(super) struct Ticket(Arc<Pool>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Raised when nobody waits for the answer any more.
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Pool {
    pub(super) fn new(concurrency: usize, queue: usize, longest: Duration) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            inside: AtomicUsize::new(0),
            most: concurrency + queue,
            longest,
            milliseconds: AtomicU64::new(1000),
        })
    }

    /// Requests that are computed or wait.
    pub(super) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// A place, if there is one.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Ticket, Fault> {
        let enter = |inside| (inside < self.most).then_some(inside + 1);
        match self.inside.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter) {
            Ok(_) => Ok(Ticket(Arc::clone(self))),
            Err(_) => Err(Fault::Busy { seconds: self.wait() }),
        }
    }

    /// Whether there is none, for who has not sent an image yet.
    pub(super) fn full(&self) -> Result<(), Fault> {
        if self.inside() < self.most { Ok(()) } else { Err(Fault::Busy { seconds: self.wait() }) }
    }

    /// Seconds until the queue will have moved on by about a half.
    fn wait(&self) -> u64 {
        let jobs = self.most.div_ceil(2 * self.concurrency) as u64;
        (jobs * self.milliseconds.load(Ordering::Relaxed)).div_ceil(1000).clamp(1, 60)
    }

    /// Wait for a slot and do `work` on a thread of its own, which is told to stop after the pool's time. Work of our own has no
    /// ticket: there is one runner of batches. Where this future is dropped before the end (the client hung up),
    /// work that has not begun never begins, and `stop` tells the other.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        ticket: Option<Ticket>,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Fault::Internal)?;
        let abandoned = Abandoned(Arc::default());
        let flag = Arc::clone(&abandoned.0);
        let (begun, longest) = (Instant::now(), self.longest);
        let done = tokio::task::spawn_blocking(move || {
            let _held = (slot, ticket);
            work(&|| flag.load(Ordering::SeqCst) || begun.elapsed() > longest)
        })
        .await;
        let spent = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.milliseconds.store(spent, Ordering::Relaxed);
        done.map_err(|error| {
            crate::output::warning(format_args!("a request ended in a panic: {error}"));
            Fault::Internal
        })
    }
}
