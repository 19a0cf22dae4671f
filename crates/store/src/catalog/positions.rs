//! How far each source has been read.

use crate::error::StoreError;
use crate::store::Store;
use haetae_event::commit::PositionRow;
use rusqlite::{OptionalExtension, Transaction, params};

pub(super) fn put(tx: &Transaction<'_>, rows: &[PositionRow]) -> Result<(), StoreError> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO positions VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?;
    let mut forget = tx.prepare_cached("DELETE FROM positions WHERE source = ?1 AND key = ?2")?;
    for row in rows {
        match &row.value {
            Some(value) => upsert.execute(params![row.source, row.key, value])?,
            None => forget.execute(params![row.source, row.key])?,
        };
    }
    Ok(())
}

impl Store {
    /// The stored values of `keys`, in their order. O(keys · log rows).
    ///
    /// # Errors
    /// The catalog's.
    pub fn positions(&self, source: &str, keys: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        self.catalog.read(|c| {
            let mut one = c.prepare_cached("SELECT value FROM positions WHERE source = ?1 AND key = ?2")?;
            keys.iter()
                .map(|key| Ok(one.query_row([source, key], |row| row.get(0)).optional()?))
                .collect()
        })
    }

    /// Every (key, value) of a source, by key.
    ///
    /// # Errors
    /// The catalog's.
    pub fn all_positions(&self, source: &str) -> Result<Vec<(String, String)>, StoreError> {
        self.catalog.read(|c| {
            let mut all =
                c.prepare_cached("SELECT key, value FROM positions WHERE source = ?1 ORDER BY key")?;
            let rows = all.query_map([source], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
