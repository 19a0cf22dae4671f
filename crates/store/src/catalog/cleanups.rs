//! Work owed to sources after a commit: delete or archive an object.

use crate::error::StoreError;
use crate::store::Store;
use crate::types::PendingCleanup;
use haetae_event::Micros;
use haetae_event::commit::CleanupRow;
use rusqlite::{Transaction, params};

pub(super) fn put(tx: &Transaction<'_>, rows: &[CleanupRow]) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached("INSERT INTO cleanups (source, key, action) VALUES (?1, ?2, ?3)")?;
    for row in rows {
        insert.execute(params![row.source, row.key, row.action])?;
    }
    Ok(())
}

impl Store {
    /// Clean-ups that are due, oldest first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn pending_cleanups(&self, limit: usize) -> Result<Vec<PendingCleanup>, StoreError> {
        let now = self.clock.now().0;
        self.catalog.read(|c| {
            let mut due = c.prepare_cached(
                "SELECT id, source, key, action, attempts, last_error FROM cleanups
                 WHERE next_attempt_at <= ?1 ORDER BY id LIMIT ?2",
            )?;
            let rows = due.query_map(params![now, limit as i64], |row| {
                Ok(PendingCleanup {
                    id: row.get(0)?,
                    row: CleanupRow {
                        source: row.get(1)?,
                        key: row.get(2)?,
                        action: row.get(3)?,
                    },
                    attempts: row.get(4)?,
                    last_error: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Ends a clean-up and, in the same transaction, forgets the position (source, key) that it
    /// made useless.
    ///
    /// # Errors
    /// The catalog's.
    pub fn finish_cleanup(&self, id: i64, forget: Option<(&str, &str)>) -> Result<(), StoreError> {
        self.catalog.write(|tx| {
            tx.execute("DELETE FROM cleanups WHERE id = ?1", [id])?;
            if let Some((source, key)) = forget {
                tx.execute(
                    "DELETE FROM positions WHERE source = ?1 AND key = ?2",
                    [source, key],
                )?;
            }
            Ok(())
        })
    }

    /// Notes a failed attempt; the clean-up is due again at `retry_at`.
    ///
    /// # Errors
    /// The catalog's.
    pub fn fail_cleanup(&self, id: i64, error: &str, retry_at: Micros) -> Result<(), StoreError> {
        self.catalog.write(|tx| {
            tx.execute(
                "UPDATE cleanups SET attempts = attempts + 1, last_error = ?2,
                 next_attempt_at = ?3 WHERE id = ?1",
                params![id, error, retry_at.0],
            )?;
            Ok(())
        })
    }
}
