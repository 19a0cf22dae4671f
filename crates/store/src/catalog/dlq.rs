//! The dead-letter queue: refused records as they came.
//!
//! The bytes lie in the catalog, not in files beside it: they are then committed with the
//! position of their delivery without a second protocol for crashes, and a listing never
//! disagrees with what can be shown. The price is that they pass SQLite's log; both totals are
//! capped, so that garbage input cannot fill the disk.

use super::{signed, tenant, unsigned};
use crate::error::StoreError;
use crate::options::StoreOptions;
use crate::store::Store;
use crate::types::{DlqCount, DlqEntry, DlqFilter, DlqRecord};
use haetae_event::Micros;
use haetae_event::commit::DlqRow;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};
use std::collections::BTreeMap;

const COLUMNS: &str = "id, source, tenant, origin, ordinal, reason, detail, parser, at, size";

/// Appends `rows`, then expires the oldest bytes and rows over the caps. Of one commit only the
/// newest bytes that fit the cap are written at all.
pub(super) fn put(tx: &Transaction<'_>, rows: &[DlqRow], options: &StoreOptions) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut kept_from = rows.len();
    let mut bytes = 0_u64;
    while kept_from > 0 {
        bytes += rows[kept_from - 1].bytes.len() as u64;
        if bytes > options.dlq_bytes_max {
            break;
        }
        kept_from -= 1;
    }
    let records_from = rows.len().saturating_sub(options.dlq_rows_max as usize);
    let mut added_bytes = 0;
    for (index, row) in rows.iter().enumerate().skip(records_from) {
        let id = insert(tx, row)?;
        if index >= kept_from {
            tx.prepare_cached("INSERT INTO dlq_bytes VALUES (?1, ?2, ?3)")?
                .execute(params![id, row.bytes.len() as i64, row.bytes])?;
            added_bytes += row.bytes.len() as i64;
        }
    }
    tx.execute(
        "UPDATE dlq_total SET records = records + ?1, bytes = bytes + ?2",
        params![(rows.len() - records_from) as i64, added_bytes],
    )?;
    count(tx, rows)?;
    expire(tx, options)
}

fn insert(tx: &Transaction<'_>, row: &DlqRow) -> Result<i64, StoreError> {
    tx.prepare_cached(
        "INSERT INTO dlq (source, tenant, origin, ordinal, reason, detail, parser, at, size)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        row.source,
        row.tenant_id.as_str(),
        row.origin,
        signed(row.ordinal),
        row.reason.code(),
        row.detail,
        row.parser,
        row.at.0,
        row.bytes.len() as i64
    ])?;
    Ok(tx.last_insert_rowid())
}

fn count(tx: &Transaction<'_>, rows: &[DlqRow]) -> Result<(), StoreError> {
    let mut by_reason: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
    for row in rows {
        *by_reason
            .entry((&row.source, row.tenant_id.as_str(), row.reason.code()))
            .or_default() += 1;
    }
    for ((source, tenant, reason), records) in by_reason {
        tx.prepare_cached(
            "INSERT INTO dlq_counts VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET records = records + excluded.records",
        )?
        .execute(params![source, tenant, reason, records])?;
    }
    Ok(())
}

fn expire(tx: &Transaction<'_>, options: &StoreOptions) -> Result<(), StoreError> {
    let (records, bytes): (i64, i64) = tx.query_row("SELECT records, bytes FROM dlq_total", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let mut over = bytes - signed(options.dlq_bytes_max);
    let mut freed = 0;
    if over > 0 {
        let mut last = None;
        let mut oldest = tx.prepare_cached("SELECT id, size FROM dlq_bytes ORDER BY id")?;
        let mut rows = oldest.query([])?;
        while let Some(row) = rows.next()?.filter(|_| over > 0) {
            let size: i64 = row.get(1)?;
            last = Some(row.get::<_, i64>(0)?);
            over -= size;
            freed += size;
        }
        tx.execute("DELETE FROM dlq_bytes WHERE id <= ?1", [last])?;
    }
    let surplus = records - signed(options.dlq_rows_max);
    if surplus > 0 {
        let last: i64 = tx.query_row(
            "SELECT id FROM dlq ORDER BY id LIMIT 1 OFFSET ?1",
            [surplus - 1],
            |row| row.get(0),
        )?;
        freed += tx.query_row(
            "SELECT coalesce(sum(size), 0) FROM dlq_bytes WHERE id <= ?1",
            [last],
            |row| row.get::<_, i64>(0),
        )?;
        tx.execute("DELETE FROM dlq_bytes WHERE id <= ?1", [last])?;
        tx.execute("DELETE FROM dlq WHERE id <= ?1", [last])?;
    }
    tx.execute(
        "UPDATE dlq_total SET records = records - ?1, bytes = bytes - ?2",
        params![surplus.max(0), freed],
    )?;
    Ok(())
}

impl Store {
    /// Refused records, newest first, without their bytes.
    ///
    /// # Errors
    /// The catalog's.
    pub fn dlq_list(&self, filter: &DlqFilter) -> Result<Vec<DlqEntry>, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM dlq WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        if let Some(reason) = &filter.reason {
            sql.push_str(" AND reason = ?");
            values.push(reason.clone().into());
        }
        if let Some(source) = &filter.source {
            sql.push_str(" AND source = ?");
            values.push(source.clone().into());
        }
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        values.push((filter.limit as i64).into());
        self.catalog.read(|c| {
            let mut statement = c.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(&values))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(entry(row)?);
            }
            Ok(found)
        })
    }

    /// One refused record with its bytes, if they have not expired.
    ///
    /// # Errors
    /// The catalog's.
    pub fn dlq_show(&self, id: i64) -> Result<Option<DlqRecord>, StoreError> {
        self.catalog.read(|c| {
            let found = c
                .prepare_cached(&format!("SELECT {COLUMNS} FROM dlq WHERE id = ?1"))?
                .query_row([id], |row| Ok(entry(row)))
                .optional()?
                .transpose()?;
            let Some(entry) = found else {
                return Ok(None);
            };
            let bytes = c
                .prepare_cached("SELECT bytes FROM dlq_bytes WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            Ok(Some(DlqRecord { entry, bytes }))
        })
    }

    /// How many records were refused, ever, by source, tenant and reason.
    ///
    /// # Errors
    /// The catalog's.
    pub fn dlq_counts(&self) -> Result<Vec<DlqCount>, StoreError> {
        self.catalog.read(|c| {
            let mut all = c.prepare_cached(
                "SELECT source, tenant, reason, records FROM dlq_counts
                 ORDER BY source, tenant, reason",
            )?;
            let mut rows = all.query([])?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next()? {
                counts.push(DlqCount {
                    source: row.get(0)?,
                    tenant_id: tenant(row.get_ref(1)?.as_str().unwrap_or_default())?,
                    reason: row.get(2)?,
                    records: unsigned(row.get(3)?),
                });
            }
            Ok(counts)
        })
    }
}

fn entry(row: &Row<'_>) -> Result<DlqEntry, StoreError> {
    Ok(DlqEntry {
        id: row.get(0)?,
        source: row.get(1)?,
        tenant_id: tenant(row.get_ref(2)?.as_str().unwrap_or_default())?,
        origin: row.get(3)?,
        ordinal: unsigned(row.get(4)?),
        reason: row.get(5)?,
        detail: row.get(6)?,
        parser: row.get(7)?,
        at: Micros(row.get(8)?),
        size: unsigned(row.get(9)?),
    })
}
