//! Accepted pushed batches, by which a second delivery is known.

use super::tenant;
use crate::error::StoreError;
use crate::store::Store;
use haetae_event::commit::DeliveryMark;
use haetae_event::{Micros, TenantId};
use rusqlite::{OptionalExtension, Row, Transaction, params};

const COLUMNS: &str = "tenant, mark, body_sha256, reply, accepted_at";

pub(super) fn put(tx: &Transaction<'_>, rows: &[DeliveryMark]) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO marks VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
         body_sha256 = excluded.body_sha256, reply = excluded.reply,
         accepted_at = excluded.accepted_at",
    )?;
    for row in rows {
        insert.execute(params![
            row.tenant_id.as_str(),
            row.mark,
            row.body_sha256,
            row.reply,
            row.accepted_at.0
        ])?;
    }
    Ok(())
}

pub(super) fn expire(tx: &Transaction<'_>, before: Micros) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM marks WHERE accepted_at < ?1")?
        .execute([before.0])?;
    Ok(())
}

impl Store {
    /// Marks accepted at or after `since`, oldest first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn marks_since(&self, since: Micros) -> Result<Vec<DeliveryMark>, StoreError> {
        self.catalog.read(|c| {
            let mut some = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM marks WHERE accepted_at >= ?1 ORDER BY accepted_at"
            ))?;
            let mut rows = some.query([since.0])?;
            let mut marks = Vec::new();
            while let Some(row) = rows.next()? {
                marks.push(mark(row)?);
            }
            Ok(marks)
        })
    }

    /// One mark.
    ///
    /// # Errors
    /// The catalog's.
    pub fn mark(&self, tenant: &TenantId, name: &str) -> Result<Option<DeliveryMark>, StoreError> {
        self.catalog.read(|c| {
            let mut one = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM marks WHERE tenant = ?1 AND mark = ?2"
            ))?;
            one.query_row([tenant.as_str(), name], |row| Ok(mark(row)))
                .optional()?
                .transpose()
        })
    }
}

fn mark(row: &Row<'_>) -> Result<DeliveryMark, StoreError> {
    Ok(DeliveryMark {
        tenant_id: tenant(row.get_ref(0)?.as_str().unwrap_or_default())?,
        mark: row.get(1)?,
        body_sha256: row.get(2)?,
        reply: row.get(3)?,
        accepted_at: Micros(row.get(4)?),
    })
}
