//! The rows that say which Parquet files are part of the store.

use super::{signed, tenant, unsigned};
use crate::error::StoreError;
use crate::layout::Layout;
use crate::types::SegmentInfo;
use haetae_event::{Dataset, Micros};
use rusqlite::{Connection, Row, Transaction, params};
use std::path::PathBuf;
use std::sync::Arc;

/// A replaced or expired segment whose file waits for its readers.
#[derive(Clone, Debug)]
pub(crate) struct Retired {
    pub id: i64,
    pub path: PathBuf,
    pub retired_at: Micros,
    /// Held by readers of this process.
    pub lease: Arc<()>,
}

/// What the catalog says about files when it is opened.
#[derive(Default)]
pub(crate) struct Known {
    pub live: Vec<SegmentInfo>,
    /// Committed; whether renamed is not known.
    pub pending: Vec<i64>,
    pub retired: Vec<Retired>,
}

/// Adds segments as `pending`.
pub(crate) fn insert(tx: &Transaction<'_>, segments: &[SegmentInfo]) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO segments VALUES
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'pending', NULL, ?13)",
    )?;
    for s in segments {
        insert.execute(params![
            s.id,
            s.dataset.as_str(),
            s.tenant.as_str(),
            s.dt,
            s.hh,
            Layout::file_name(s.id),
            signed(s.rows),
            signed(s.bytes),
            s.min_ts.0,
            s.max_ts.0,
            s.ingested.map(|(lo, _)| lo.0),
            s.ingested.map(|(_, hi)| hi.0),
            s.parsers.join(" ")
        ])?;
    }
    Ok(())
}

pub(crate) fn mark_live(tx: &Transaction<'_>, ids: &[i64]) -> Result<(), StoreError> {
    let mut update =
        tx.prepare_cached("UPDATE segments SET state = 'live' WHERE id = ?1 AND state = 'pending'")?;
    for id in ids {
        update.execute([id])?;
    }
    Ok(())
}

pub(crate) fn retire(tx: &Transaction<'_>, ids: &[i64], now: Micros) -> Result<(), StoreError> {
    let mut update =
        tx.prepare_cached("UPDATE segments SET state = 'retired', retired_at = ?2 WHERE id = ?1")?;
    for id in ids {
        update.execute(params![id, now.0])?;
    }
    Ok(())
}

/// Notes rows that retention takes away.
pub(crate) fn expire(tx: &Transaction<'_>, segment: &SegmentInfo) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO expired_rows VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
    )?
    .execute(params![
        segment.dataset.as_str(),
        segment.tenant.as_str(),
        signed(segment.rows)
    ])?;
    Ok(())
}

pub(crate) fn forget(tx: &Transaction<'_>, ids: &[i64]) -> Result<(), StoreError> {
    let mut delete = tx.prepare_cached("DELETE FROM segments WHERE id = ?1 AND state = 'retired'")?;
    for id in ids {
        delete.execute([id])?;
    }
    Ok(())
}

/// The id after the largest that was ever used.
pub(crate) fn next_id(c: &Connection) -> Result<i64, StoreError> {
    let last: i64 = c.query_row(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'segments'",
        [],
        |row| row.get(0),
    )?;
    Ok(last + 1)
}

pub(crate) fn load(c: &Connection, layout: &Layout) -> Result<Known, StoreError> {
    let mut known = Known::default();
    let mut all = c.prepare_cached(
        "SELECT id, dataset, tenant, dt, hh, rows, bytes, min_ts, max_ts, min_ingested,
         max_ingested, state, retired_at, parsers FROM segments ORDER BY id",
    )?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let info = segment(row, layout)?;
        match row.get_ref(11)?.as_str().unwrap_or_default() {
            "retired" => known.retired.push(Retired {
                id: info.id,
                path: info.path,
                retired_at: Micros(row.get::<_, Option<i64>>(12)?.unwrap_or(0)),
                lease: info.lease,
            }),
            state => {
                if state == "pending" {
                    known.pending.push(info.id);
                }
                known.live.push(info);
            }
        }
    }
    Ok(known)
}

fn segment(row: &Row<'_>, layout: &Layout) -> Result<SegmentInfo, StoreError> {
    let id: i64 = row.get(0)?;
    let name: String = row.get(1)?;
    let dataset = Dataset::parse(&name).ok_or_else(|| StoreError::damaged("dataset in the catalog", name))?;
    let tenant = tenant(row.get_ref(2)?.as_str().unwrap_or_default())?;
    let (dt, hh): (String, String) = (row.get(3)?, row.get(4)?);
    let parsers: String = row.get(13)?;
    let ingested: (Option<i64>, Option<i64>) = (row.get(9)?, row.get(10)?);
    Ok(SegmentInfo {
        id,
        path: layout.file(dataset, &tenant, &dt, &hh, id),
        dataset,
        tenant,
        dt,
        hh,
        rows: unsigned(row.get(5)?),
        bytes: unsigned(row.get(6)?),
        min_ts: Micros(row.get(7)?),
        max_ts: Micros(row.get(8)?),
        ingested: ingested.0.zip(ingested.1).map(|(a, b)| (Micros(a), Micros(b))),
        parsers: parsers.split_whitespace().map(str::to_owned).collect(),
        lease: Arc::new(()),
    })
}

/// Rows that retention took away, by dataset and tenant.
pub(crate) fn expired(c: &Connection) -> Result<Vec<(String, String, u64)>, StoreError> {
    let mut all = c.prepare_cached("SELECT dataset, tenant, rows FROM expired_rows")?;
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, unsigned(row.get(2)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
