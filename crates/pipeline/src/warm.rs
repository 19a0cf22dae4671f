//! From when on stored rows are read back at start.

use haetae_event::time::HOUR_US;
use haetae_event::{Micros, TimeWindow};
use haetae_store::{Store, StoreError};
use std::collections::BTreeSet;

/// Never further back than this before the newest stored event.
const READ_BACK_MAX_US: i64 = 26 * HOUR_US;

/// Start of the hour that lies two look-backs before the newest stored event, or before the
/// beginning of an episode that was running then: everything an open window can still need.
/// `None` for an empty store.
///
/// # Errors
/// The catalog's.
pub fn warm_from(store: &Store, lookback_us: i64) -> Result<Option<Micros>, StoreError> {
    let datasets = store.stat()?.datasets;
    let Some(newest) = datasets.iter().map(|dataset| dataset.max_ts).max() else {
        return Ok(None);
    };
    let open = newest.saturating_sub(lookback_us.saturating_mul(2));
    let mut from = open;
    let tenants: BTreeSet<_> = datasets.into_iter().map(|dataset| dataset.tenant).collect();
    for tenant in &tenants {
        for finding in store.findings_in(
            tenant,
            TimeWindow {
                start: open,
                end: Micros::MAX,
            },
        )? {
            from = from.min(finding.window.start.saturating_sub(lookback_us));
        }
    }
    let earliest = newest.saturating_sub(READ_BACK_MAX_US);
    Ok(Some(from.max(earliest).floor_to(HOUR_US)))
}
