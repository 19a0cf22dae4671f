//! The terms of the conservation law, per source, tenant and dataset.

use super::{signed, tenant, unsigned};
use crate::error::StoreError;
use crate::store::Store;
use haetae_event::Counts;
use haetae_event::commit::CountRow;
use rusqlite::{Transaction, params};

pub(super) fn add(tx: &Transaction<'_>, rows: &[CountRow]) -> Result<(), StoreError> {
    let mut add = tx.prepare_cached(
        "INSERT INTO counts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET
         lines_in = lines_in + excluded.lines_in, events = events + excluded.events,
         rejected = rejected + excluded.rejected, duplicates = duplicates + excluded.duplicates,
         sampled_out = sampled_out + excluded.sampled_out, skipped = skipped + excluded.skipped",
    )?;
    for row in rows {
        let c = &row.counts;
        add.execute(params![
            row.source,
            row.tenant_id.as_str(),
            row.dataset,
            signed(c.lines_in),
            signed(c.events),
            signed(c.rejected),
            signed(c.duplicates),
            signed(c.sampled_out),
            signed(c.skipped)
        ])?;
    }
    Ok(())
}

impl Store {
    /// Everything ever counted, by source, tenant and dataset.
    ///
    /// # Errors
    /// The catalog's.
    pub fn counts(&self) -> Result<Vec<CountRow>, StoreError> {
        self.catalog.read(|c| {
            let mut all = c.prepare_cached("SELECT * FROM counts ORDER BY source, tenant, dataset")?;
            let mut rows = all.query([])?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next()? {
                let number = |column: usize| row.get(column).map(unsigned);
                counts.push(CountRow {
                    source: row.get(0)?,
                    tenant_id: tenant(row.get_ref(1)?.as_str().unwrap_or_default())?,
                    dataset: row.get(2)?,
                    counts: Counts {
                        lines_in: number(3)?,
                        events: number(4)?,
                        rejected: number(5)?,
                        duplicates: number(6)?,
                        sampled_out: number(7)?,
                        skipped: number(8)?,
                    },
                });
            }
            Ok(counts)
        })
    }
}
