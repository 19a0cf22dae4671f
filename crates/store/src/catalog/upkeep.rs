//! Rows that have had their time.

use crate::error::StoreError;
use crate::options::StoreOptions;
use haetae_event::Micros;
use rusqlite::Transaction;

/// Deletes findings and delivered messages past their age. Findings are keyed by what attackers
/// choose (addresses), so without an end they would grow for ever; counts and audit stay.
pub(crate) fn expire(tx: &Transaction<'_>, options: &StoreOptions, now: Micros) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM findings WHERE end_ts < ?1")?
        .execute([now.saturating_sub(options.findings_keep_us).0])?;
    tx.prepare_cached("DELETE FROM outbox WHERE state IN ('done', 'dead') AND created_at < ?1")?
        .execute([now.saturating_sub(options.outbox_keep_us).0])?;
    Ok(())
}
