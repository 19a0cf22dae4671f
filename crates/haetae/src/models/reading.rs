//! Windows of clients from what is stored, piece by piece: memory does not grow with the days.

use super::read_columns;
use anyhow::Result;
use haetae_event::time::HOUR_US;
use haetae_event::{Dataset, Micros};
use haetae_learn::features::{Extractor, Options, WindowRow};
use haetae_store::{ScanRequest, Store};
use std::ops::ControlFlow;

/// Clients of one window while reading; beyond, those with the largest hashes are left out.
const CLIENTS_MAX: usize = 2_000;

/// Event time from the first to before the second.
pub type Span = (Micros, Micros);

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Read {
    pub events: u64,
    /// Of them those that did not fit.
    pub left_out: u64,
}

/// Hands over every window of `window_us` in the stretch, an hour or a window of event time at a
/// time. `pause` is asked before each; `None` when it says to stop.
///
/// # Errors
/// The store's.
pub fn stored_windows(
    store: &Store,
    (start, end): Span,
    (window_us, seed): (i64, u64),
    mut pause: impl FnMut() -> bool,
    mut each: impl FnMut(&WindowRow),
) -> Result<Option<Read>> {
    let window_us = window_us.max(1);
    // Whole windows, so that none is cut in two.
    let piece_us = window_us * (HOUR_US / window_us).max(1);
    let mut read = Read::default();
    let mut from = start.floor_to(piece_us);
    while from < end {
        if pause() {
            return Ok(None);
        }
        let until = from.saturating_add(piece_us);
        let mut extractor = Extractor::new(Options {
            window_us,
            windows_max: usize::MAX,
            clients_max: CLIENTS_MAX,
            seed,
        });
        for dataset in Dataset::ALL.into_iter().filter(|dataset| dataset.is_web()) {
            let request = ScanRequest {
                start_us: from.max(start).0,
                end_us: until.min(end).0,
                columns: read_columns(),
                ..ScanRequest::of(dataset)
            };
            store.scan(&request, &mut |batch| {
                extractor.observe(&batch);
                ControlFlow::Continue(())
            })?;
        }
        extractor.rows().iter().for_each(&mut each);
        let seen = extractor.seen();
        read.events += seen.events;
        read.left_out += seen.crowded_out;
        from = until;
    }
    Ok(Some(read))
}
