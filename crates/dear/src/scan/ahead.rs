//! Reading ahead: while one image is scored, other threads read, hash and decode the next ones, and leave out those whose
//! bytes are known. What is held is bounded in bytes, not in images.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use dear_image::inspect;
use sha2::{Digest, Sha256};

use super::cache::{Cache, CacheError, Hash};
use super::inputs::{Item, Items};
use super::outcome::Outcome;
use super::{Read, Refusal, ScanOptions, guarded, read_bytes};
use crate::files::{hex, read_image};

/// Items that are read, or ready, beside the one that is scored.
const WINDOW: u64 = 64;
/// Bytes of files and of decoded pixels that are held beside the image that is scored; a single image may be more.
const BYTES: u64 = 96 << 20;
/// Decoding is cheap beside a network on the same cores.
const MOST_THREADS: usize = 4;

/// What is to be made a record.
pub(super) struct Next {
    pub(super) name: PathBuf,
    /// Of a table.
    pub(super) row: Option<u64>,
    pub(super) ready: Ready,
}

/// How far it is.
pub(super) enum Ready {
    /// Read and decoded, or refused by the decoder.
    Fresh { hash: Hash, read: Box<Read> },
    /// An earlier scan has seen these bytes.
    Kept { hash: Hash, outcome: Arc<Outcome> },
    /// This scan has seen these bytes.
    Seen { hash: Hash, outcome: Arc<Outcome> },
    /// As `Seen`, by an item that comes before this one and was not scored yet.
    Awaited { hash: Hash },
    /// There are no bytes.
    Unread(Refusal),
    /// It ends the scan.
    Wrong { message: String, hint: &'static str },
}

/// What [`Ahead::next`] comes to.
pub(super) enum Step {
    Item(Next),
    Stopped,
    Done,
}

/// Threads that read ahead. They end when this is dropped; one that waits for a line on stdin, with the next line.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    options: ScanOptions,
    cache: Arc<Mutex<Remembered>>,
    /// What is still to be given out, and how many were. Held while stdin is waited for.
    source: Mutex<(Option<Items>, u64)>,
    state: Mutex<State>,
    changed: Condvar,
}

/// The cache, until it fails.
pub(super) struct Remembered {
    pub(super) cache: Option<Cache>,
    /// Why it was given up, if nobody was told yet.
    pub(super) failure: Option<CacheError>,
}

#[derive(Default)]
struct State {
    /// Items that were taken to be scored; the next one is never made to wait.
    taken: u64,
    /// Items whose hash was looked for, in their order, so that of equal ones the first is scored.
    claimed: u64,
    /// How many items there are, once that is known.
    total: Option<u64>,
    ready: BTreeMap<u64, (Next, u64)>,
    /// Bytes held.
    held: u64,
    /// What the items of the window say, or that they say nothing yet.
    recent: HashMap<Hash, Option<Arc<Outcome>>>,
    /// When which of `recent` is forgotten.
    order: VecDeque<(u64, Hash)>,
    stopped: bool,
    /// A thread ended by a panic.
    broken: bool,
}

impl Ahead {
    pub(super) fn new(
        items: Items,
        options: ScanOptions,
        cache: Arc<Mutex<Remembered>>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            options,
            cache,
            source: Mutex::new((Some(items), 0)),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let start = |_| {
            let shared = shared.clone();
            std::thread::Builder::new().name("read ahead".to_owned()).spawn(move || shared.work())
        };
        let threads = (0..threads).map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { shared, threads })
    }

    /// The next item in order. While it is waited for, `stop` is asked.
    pub(super) fn next(&self, stop: &dyn Fn() -> bool) -> Step {
        let mut state = self.shared.state();
        loop {
            assert!(!state.broken, "a thread that reads ahead ended");
            if state.total == Some(state.taken) {
                return Step::Done;
            }
            if stop() {
                return Step::Stopped;
            }
            let taken = state.taken;
            if let Some((next, weight)) = state.ready.remove(&taken) {
                state.held -= weight;
                state.taken += 1;
                self.shared.changed.notify_all();
                return Step::Item(next);
            }
            let waited = self.shared.changed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The last item that was taken, of these bytes, came to `outcome`.
    pub(super) fn scored(&self, hash: Hash, outcome: Arc<Outcome>) {
        let mut state = self.shared.state();
        let at = state.taken;
        state.recent.insert(hash, Some(outcome));
        state.order.push_back((at, hash));
        // Whoever awaits it is in its window.
        while let Some(&(seen, hash)) = state.order.front().filter(|(seen, _)| seen + WINDOW < at) {
            state.order.pop_front();
            state.recent.remove(&hash);
            debug_assert!(seen < at);
        }
    }

    /// What an awaited item came to.
    pub(super) fn awaited(&self, hash: &Hash) -> Option<Arc<Outcome>> {
        self.shared.state().recent.get(hash).cloned().flatten()
    }

    /// Wait for the threads, whose work is done.
    pub(super) fn join(mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
    }
}

/// Says that its thread ended before its time.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().broken = true;
            self.0.changed.notify_all();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until there is nothing more to read, or nobody wants it.
    fn work(&self) {
        let _alarm = Alarm(self);
        while let Some((number, item)) = self.take()
            && self.read(number, item).is_some()
        {}
    }

    /// The next item, when the window has room for it.
    fn take(&self) -> Option<(u64, Item)> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let (items, given) = &mut *source;
        drop(self.wait(|state| *given < state.taken + WINDOW)?);
        let Some(item) = items.as_mut()?.next() else {
            *items = None;
            self.state().total = Some(*given);
            self.changed.notify_all();
            return None;
        };
        *given += 1;
        Some((*given - 1, item))
    }

    /// Make an item ready; nothing after a stop.
    fn read(&self, number: u64, item: Item) -> Option<()> {
        let (name, row, bytes) = match item {
            Item::File(path) => {
                let length =
                    fs_err::metadata(&path).map_or(0, |data| data.len().min(self.options.decode.max_bytes));
                self.hold(number, length)?;
                let bytes = read_image(&path, &self.options.decode);
                (path, None, bytes.map_err(|error| (error.into(), length)).map(|bytes| (bytes, length)))
            }
            Item::Bytes { name, row, bytes } => {
                let length = bytes.len() as u64;
                self.hold(number, length)?;
                (name, Some(row), Ok((bytes, length)))
            }
            Item::Refused { name, row, refusal } => (name, row, Err((refusal, 0))),
            Item::Wrong { message, hint } => {
                self.claim(number, None)?;
                let ready = Ready::Wrong { message, hint };
                self.give(number, Next { name: PathBuf::new(), row: None, ready }, 0, 0);
                return Some(());
            }
        };
        let (bytes, length) = match bytes {
            Ok(found) => found,
            Err((refusal, length)) => {
                self.claim(number, None)?;
                self.give(number, Next { name, row, ready: Ready::Unread(refusal) }, length, 0);
                return Some(());
            }
        };
        let hash: Hash = Sha256::digest(&bytes).into();
        let (ready, weight) = match self.claim(number, Some(hash))? {
            Some(ready) => (ready, 0),
            None => {
                let weight = decoded_bytes(&bytes, self.options.decode.max_pixels);
                self.hold(number, weight)?;
                (Ready::Fresh { hash, read: Box::new(read_bytes(&bytes, hex(&hash), &self.options)) }, weight)
            }
        };
        drop(bytes);
        self.give(number, Next { name, row, ready }, length, weight);
        Some(())
    }

    /// In the order of the items: whether these bytes are known. If not, whoever has the same later awaits this item.
    fn claim(&self, number: u64, hash: Option<Hash>) -> Option<Option<Ready>> {
        let state = self.wait(|state| state.claimed == number)?;
        let recent = hash.and_then(|hash| state.recent.get(&hash).cloned());
        drop(state);
        let found = match (hash, recent) {
            (None, _) => None,
            (Some(hash), Some(Some(outcome))) => Some(Ready::Seen { hash, outcome }),
            (Some(hash), Some(None)) => Some(Ready::Awaited { hash }),
            (Some(hash), None) => self.known(hash),
        };
        let mut state = self.state();
        if let (Some(hash), None) = (hash, &found) {
            state.recent.insert(hash, None);
        }
        state.claimed += 1;
        self.changed.notify_all();
        Some(found)
    }

    /// What the cache says.
    fn known(&self, hash: Hash) -> Option<Ready> {
        let mut remembered = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        match remembered.cache.as_ref()?.get(&hash) {
            Ok(kept) => kept.map(|kept| {
                let outcome = Arc::new(kept.outcome);
                match kept.of_this_scan {
                    true => Ready::Seen { hash, outcome },
                    false => Ready::Kept { hash, outcome },
                }
            }),
            Err(error) => {
                remembered.give_up(error);
                None
            }
        }
    }

    /// Wait until so many more bytes may be held.
    fn hold(&self, number: u64, weight: u64) -> Option<()> {
        let mut state = self.wait(|state| state.taken == number || state.held + weight <= BYTES)?;
        state.held += weight;
        Some(())
    }

    /// An item is ready; of what was held for it, `gone` is gone.
    fn give(&self, number: u64, next: Next, gone: u64, weight: u64) {
        let mut state = self.state();
        state.held -= gone;
        state.ready.insert(number, (next, weight));
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> Option<MutexGuard<'_, State>> {
        let mut state = self.state();
        while !state.stopped && !until(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (!state.stopped).then_some(state)
    }
}

/// Bytes that the pixels of a file take. Where its header is not read here (BMP, TIFF and others): as many as are held at all.
fn decoded_bytes(file: &[u8], max_pixels: u64) -> u64 {
    let Ok(facts) = guarded(|| inspect(file)) else { return BYTES };
    match (facts.format, facts.width.zip(facts.height)) {
        // Refused without a pixel.
        (None, _) => 0,
        (Some(_), None) => BYTES,
        (Some(_), Some((width, height))) => match u64::from(width) * u64::from(height) {
            pixels if pixels > max_pixels => 0,
            pixels => 3 * pixels,
        },
    }
}

impl Remembered {
    /// Go on without it.
    pub(super) fn give_up(&mut self, error: CacheError) {
        self.cache = None;
        self.failure.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::tests::picture;

    fn ahead(images: Vec<Vec<u8>>) -> Ahead {
        let items = images.into_iter().enumerate().map(|(row, bytes)| Item::Bytes {
            name: row.to_string().into(),
            row: row as u64,
            bytes,
        });
        let cache = Remembered { cache: Some(Cache::temporary().unwrap()), failure: None };
        Ahead::new(Box::new(items), ScanOptions::default(), Arc::new(Mutex::new(cache))).unwrap()
    }

    /// Waits until so many items are ready, and a moment more for those that should not be.
    fn settled(ahead: &Ahead, ready: usize) -> usize {
        while ahead.shared.state().ready.len() < ready {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(150));
        let state = ahead.shared.state();
        assert!(state.held <= BYTES, "{}", state.held);
        state.ready.len()
    }

    #[test]
    fn large_pictures_wait_and_small_ones_do_not() {
        // 36 megabytes decoded: two fit beside the one that is scored.
        let large = |seed: u8| {
            let image = dear_image::Image::from_fn(4000, 3000, |_, _| [60 * seed; 3]);
            dear_image::encode_jpeg(&image, 50, dear_image::Subsampling::S420).unwrap()
        };
        let reading = ahead((0..4).map(large).collect());
        // Four are to come, then three, two and one.
        for ready in [2, 2, 2, 1] {
            assert_eq!(settled(&reading, ready), ready);
            assert!(matches!(reading.next(&|| false), Step::Item(Next { ready: Ready::Fresh { .. }, .. })));
        }
        assert!(matches!(reading.next(&|| false), Step::Done));
        let reading = ahead((0..40).map(picture).collect());
        assert_eq!(settled(&reading, 40), 40);
        // A window, of whatever they are.
        let reading = ahead((0..100u8).map(|number| vec![b'x', number]).collect());
        assert_eq!(settled(&reading, WINDOW as usize), WINDOW as usize);
    }

    #[test]
    fn items_come_in_order_and_of_equal_ones_the_first_is_scored() {
        let reading = ahead([1, 2, 1, 1, 3, 2].map(picture).to_vec());
        for (number, fresh) in [true, true, false, false, true, false].into_iter().enumerate() {
            let Step::Item(next) = reading.next(&|| false) else { panic!("{number}") };
            assert_eq!(next.name, PathBuf::from(number.to_string()));
            assert_eq!(next.row, Some(number as u64));
            assert_eq!(matches!(next.ready, Ready::Fresh { .. }), fresh, "{number}");
        }
        assert!(matches!(reading.next(&|| false), Step::Done));
        reading.join();
        assert!(matches!(ahead(vec![picture(1)]).next(&|| true), Step::Stopped));
    }
}
