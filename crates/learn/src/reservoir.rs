//! A sample of windows to learn from, kept while events stream by.
//!
//! The windows with the smallest keyed hashes (bottom-k sampling, Cohen and Kaplan, *Summarizing
//! Data using Bottom-k Sketches*, PODC 2007): uniform over the different windows offered, however
//! often one comes and in which order, so that a replay learns from the same rows. Of a window
//! offered twice the fuller row stays.

use crate::features::{COUNT, WindowKey, WindowRow, names};
use crate::forest::{FitError, Forest, Matrix, Params};
use haetae_event::Micros;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// At most `capacity` windows, none that starts before `since`.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSample {
    capacity: usize,
    seed: u64,
    since: Micros,
    kept: BTreeMap<[u8; 16], WindowRow>,
    offered: u64,
}

/// Why no candidate was made.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum RetrainError {
    #[error("{rows} windows to learn from, at least {least} are needed")]
    TooFew { rows: usize, least: usize },
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// More requests first, then by the bits: a total order, so that the same row wins in any order.
fn fuller(a: &WindowRow, b: &WindowRow) -> Ordering {
    let pairs = a.values.iter().zip(&b.values);
    pairs.fold(Ordering::Equal, |order, (a, b)| order.then(a.total_cmp(b)))
}

impl WindowSample {
    pub fn new(capacity: usize, seed: u64) -> WindowSample {
        WindowSample {
            capacity: capacity.max(1),
            seed,
            since: Micros::MIN,
            kept: BTreeMap::new(),
            offered: 0,
        }
    }

    /// Forgets windows that start before `since`, and takes none such from now on. Windows pushed out
    /// by those forgotten do not come back: offer the period again for an exact sample.
    pub fn forget_before(&mut self, since: Micros) {
        self.since = self.since.max(since);
        let since = self.since;
        self.kept.retain(|_, row| row.key.start >= since);
    }

    pub fn offer(&mut self, row: &WindowRow) {
        if row.key.start < self.since {
            return;
        }
        self.offered += 1;
        let WindowKey {
            tenant,
            client,
            start,
        } = &row.key;
        // Another stream of hashes than the extractor's, whose kept windows have small ones.
        let rank = WindowKey::rank(tenant, client, *start, self.seed ^ 0x5a4d_504c_4553_414d);
        let largest = self.kept.last_key_value();
        if self.kept.len() == self.capacity && largest.is_some_and(|(largest, _)| rank > *largest) {
            return;
        }
        match self.kept.get_mut(&rank) {
            Some(known) if fuller(row, known) == Ordering::Greater => *known = row.clone(),
            Some(_) => {}
            None => {
                self.kept.insert(rank, row.clone());
            }
        }
        if self.kept.len() > self.capacity {
            self.kept.pop_last();
        }
    }

    /// Takes in another part's sample, made with the same capacity and seed.
    pub fn merge(&mut self, other: &WindowSample) {
        let offered = self.offered + other.offered;
        other.kept.values().for_each(|row| self.offer(row));
        self.offered = offered;
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Windows offered, repeats counted.
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// The windows kept, in an order that depends on them alone.
    pub fn rows(&self) -> impl Iterator<Item = &WindowRow> {
        self.kept.values()
    }

    /// A candidate from the sample: the same sample, parameters and time make the same forest.
    ///
    /// # Errors
    /// Fewer windows than `least`, or parameters that cannot be fitted.
    pub fn retrain(&self, params: Params, least: usize, trained_at: Micros) -> Result<Forest, RetrainError> {
        if self.len() < least {
            return Err(RetrainError::TooFew {
                rows: self.len(),
                least,
            });
        }
        let cells: Vec<f64> = self.rows().flat_map(|row| row.values).collect();
        let data = Matrix::new(&cells, COUNT).expect("each window is a row of all features");
        Ok(Forest::fit(data, &names(), params, trained_at)?)
    }
}
