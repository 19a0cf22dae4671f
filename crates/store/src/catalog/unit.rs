//! Everything a commit makes true, beside its segments, inside one transaction.

use super::{cleanups, counts, dlq, findings, incidents, marks, outbox, positions, settings};
use crate::error::StoreError;
use crate::options::StoreOptions;
use haetae_event::Micros;
use haetae_event::commit::CommitUnit;
use rusqlite::Transaction;

pub(crate) fn apply(
    tx: &Transaction<'_>,
    unit: &CommitUnit,
    options: &StoreOptions,
    now: Micros,
) -> Result<(), StoreError> {
    positions::put(tx, &unit.positions)?;
    cleanups::put(tx, &unit.cleanups)?;
    marks::put(tx, &unit.marks)?;
    marks::expire(tx, now.saturating_sub(options.mark_ttl_us))?;
    counts::add(tx, &unit.counts)?;
    dlq::put(tx, &unit.dlq, options)?;
    findings::apply(tx, &unit.findings)?;
    incidents::put(tx, &unit.incidents)?;
    outbox::put(tx, &unit.outbox)?;
    settings::put(tx, &unit.settings)
}
