//! Small key → value settings.

use crate::error::StoreError;
use crate::store::Store;
use rusqlite::{OptionalExtension, Transaction};

pub(super) fn put(tx: &Transaction<'_>, rows: &[(String, String)]) -> Result<(), StoreError> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
    )?;
    for (key, value) in rows {
        upsert.execute([key, value])?;
    }
    Ok(())
}

impl Store {
    /// # Errors
    /// The catalog's.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.catalog.read(|c| {
            Ok(c.prepare_cached("SELECT value FROM settings WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()?)
        })
    }

    /// Sets one value outside a commit, durably.
    ///
    /// # Errors
    /// The catalog's.
    pub fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let row = [(key.to_owned(), value.to_owned())];
        self.catalog.write(|tx| put(tx, &row))
    }
}
