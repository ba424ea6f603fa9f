//! Which rows a step takes.

use dear_image::Draw;
use serde::{Deserialize, Serialize};

use super::AdamOptions;

/// Rows of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Main rows.
    pub main: Vec<u32>,
    /// Probe rows.
    pub probes: Vec<u32>,
}

/// The order of rows: each epoch shuffles the main rows and starts the probes anew; probes cycle within an
/// epoch. The last batch of a pass may be short.
pub(super) struct Batches {
    main: Cycle,
    probes: Cycle,
    rows_per_item: u32,
}

impl Batches {
    pub(super) fn new(main_rows: usize, probe_rows: usize, options: &AdamOptions) -> Self {
        Self {
            main: Cycle::new(main_rows / options.rows_per_item, options.batch, options.seed, *b"adammain"),
            probes: Cycle::new(probe_rows, options.probe_batch, options.seed, *b"adamprob"),
            rows_per_item: options.rows_per_item as u32,
        }
    }

    pub(super) fn draw(&mut self) -> Batch {
        if self.main.at_end() {
            self.probes.end();
        }
        let each = self.rows_per_item;
        let items = self.main.draw().iter();
        let main = items.flat_map(|item| (0..each).map(move |k| item * each + k)).collect();
        Batch { main, probes: self.probes.draw().to_vec() }
    }
}

/// Batches of shuffled rows, pass after pass.
struct Cycle {
    order: Vec<u32>,
    batch: usize,
    next: usize,
    passes: u64,
    seed: u64,
    purpose: [u8; 8],
}

impl Cycle {
    fn new(rows: usize, batch: usize, seed: u64, purpose: [u8; 8]) -> Self {
        Self { order: (0..rows as u32).collect(), batch, next: rows, passes: 0, seed, purpose }
    }

    fn at_end(&self) -> bool {
        self.next >= self.order.len()
    }

    fn end(&mut self) {
        self.next = self.order.len();
    }

    fn draw(&mut self) -> &[u32] {
        if self.at_end() {
            // From the sorted order, so that a pass depends on its number alone.
            self.order.sort_unstable();
            Draw::keyed(self.seed, &[&self.purpose, &self.passes.to_le_bytes()]).shuffle(&mut self.order);
            self.passes += 1;
            self.next = 0;
        }
        let start = self.next;
        self.next = self.order.len().min(start + self.batch);
        &self.order[start..self.next]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(options: &AdamOptions, main_rows: usize, probe_rows: usize, steps: usize) -> Vec<Batch> {
        let mut batches = Batches::new(main_rows, probe_rows, options);
        (0..steps).map(|_| batches.draw()).collect()
    }

    #[test]
    fn an_epoch_sees_each_main_row_once_and_starts_the_probes_anew() {
        let options = AdamOptions { batch: 4, probe_batch: 3, ..AdamOptions::default() };
        let batches = epochs(&options, 10, 7, 6);
        let sizes: Vec<_> = batches.iter().map(|batch| (batch.main.len(), batch.probes.len())).collect();
        assert_eq!(sizes, [(4, 3), (4, 3), (2, 1), (4, 3), (4, 3), (2, 1)]);
        for epoch in batches.chunks(3) {
            let mut main: Vec<u32> = epoch.iter().flat_map(|batch| batch.main.clone()).collect();
            assert!(!main.is_sorted(), "shuffled");
            main.sort_unstable();
            assert_eq!(main, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(batches[0], batches[3], "another order in the next epoch");
        // Two steps are an epoch here and leave a probe over: the next epoch does not go on with it.
        let sizes: Vec<_> = epochs(&options, 8, 7, 4).iter().map(|batch| batch.probes.len()).collect();
        assert_eq!(sizes, [3, 3, 3, 3]);
        // Within an epoch probes cycle.
        let sizes: Vec<_> = epochs(&options, 16, 4, 4).iter().map(|batch| batch.probes.len()).collect();
        assert_eq!(sizes, [3, 1, 3, 1]);
    }

    #[test]
    fn rows_of_an_item_stay_together() {
        let options = AdamOptions { batch: 2, rows_per_item: 2, ..AdamOptions::default() };
        for Batch { main, probes } in epochs(&options, 8, 0, 10) {
            assert_eq!((main.len(), probes.len()), (4, 0));
            assert!(main.chunks(2).all(|pair| pair[0] % 2 == 0 && pair[1] == pair[0] + 1), "{main:?}");
        }
    }
}
