//! The store in numbers.

use crate::catalog::unsigned;
use crate::error::StoreError;
use crate::store::Store;
use crate::types::{DatasetStat, StoreStat};
use haetae_event::{Dataset, TenantId};
use rusqlite::Connection;
use std::collections::BTreeMap;

impl Store {
    /// Sizes of everything. O(segments).
    ///
    /// # Errors
    /// The catalog's.
    pub fn stat(&self) -> Result<StoreStat, StoreError> {
        let mut datasets: BTreeMap<(Dataset, TenantId), DatasetStat> = BTreeMap::new();
        for s in self.all_segments()? {
            let stat = datasets
                .entry((s.dataset, s.tenant.clone()))
                .or_insert_with(|| DatasetStat {
                    dataset: s.dataset,
                    tenant: s.tenant.clone(),
                    segments: 0,
                    rows: 0,
                    bytes: 0,
                    min_ts: s.min_ts,
                    max_ts: s.max_ts,
                });
            stat.segments += 1;
            stat.rows += s.rows;
            stat.bytes += s.bytes;
            stat.min_ts = stat.min_ts.min(s.min_ts);
            stat.max_ts = stat.max_ts.max(s.max_ts);
        }
        let outbox = self.outbox_counts()?;
        self.catalog.read(|c| {
            Ok(StoreStat {
                datasets: datasets.into_values().collect(),
                hot_rows: self.hot_rows(),
                hot_bytes: self.hot_bytes() as u64,
                catalog_bytes: self.catalog.bytes(),
                positions: number(c, "SELECT count(*) FROM positions")?,
                cleanups_pending: number(c, "SELECT count(*) FROM cleanups")?,
                dlq_records: number(c, "SELECT records FROM dlq_total")?,
                dlq_bytes: number(c, "SELECT bytes FROM dlq_total")?,
                findings_active: number(c, "SELECT count(*) FROM findings WHERE state = 'active'")?,
                incidents_open: number(
                    c,
                    "SELECT count(*) FROM incidents WHERE state IN ('open', 'contained')",
                )?,
                outbox,
            })
        })
    }
}

fn number(c: &Connection, sql: &str) -> Result<u64, StoreError> {
    let value: i64 = c.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(unsigned(value))
}
