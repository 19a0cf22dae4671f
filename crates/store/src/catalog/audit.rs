//! Who did what: appended, never changed.

use crate::error::StoreError;
use crate::store::Store;
use crate::types::AuditRow;
use haetae_event::Micros;
use rusqlite::params;

impl Store {
    /// Appends one entry, durably.
    ///
    /// # Errors
    /// The catalog's.
    pub fn audit(&self, row: &AuditRow) -> Result<(), StoreError> {
        self.catalog.write(|tx| {
            tx.execute(
                "INSERT INTO audit (at, actor, action, subject, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![row.at.0, row.actor, row.action, row.subject, row.detail],
            )?;
            Ok(())
        })
    }

    /// The newest entries, newest first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn audit_list(&self, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.catalog.read(|c| {
            let mut newest = c.prepare_cached(
                "SELECT at, actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT ?1",
            )?;
            let rows = newest.query_map([limit as i64], |row| {
                Ok(AuditRow {
                    at: Micros(row.get(0)?),
                    actor: row.get(1)?,
                    action: row.get(2)?,
                    subject: row.get(3)?,
                    detail: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
