//! From when on stored rows are read back at start.

use haetae_event::Micros;
use haetae_event::time::HOUR_US;
use haetae_store::{Store, StoreError};

/// Start of the hour that lies two look-backs before the newest stored event: everything an
/// open window can still need. `None` for an empty store.
///
/// # Errors
/// The catalog's.
pub fn warm_from(store: &Store, lookback_us: i64) -> Result<Option<Micros>, StoreError> {
    let newest = store.stat()?.datasets.iter().map(|dataset| dataset.max_ts).max();
    Ok(newest.map(|newest| newest.saturating_sub(lookback_us.saturating_mul(2)).floor_to(HOUR_US)))
}
