//! Incidents as the incident crate wrote them.

use super::tenant;
use crate::error::StoreError;
use crate::store::Store;
use crate::types::IncidentFilter;
use haetae_event::commit::IncidentRow;
use haetae_event::{Entity, Micros, TenantId};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params, params_from_iter};

const COLUMNS: &str = "id, tenant, entity_kind, entity_value, state, level, opened_at, \
                       updated_at, last_event_ts, document";

pub(super) fn put(tx: &Transaction<'_>, rows: &[IncidentRow]) -> Result<(), StoreError> {
    let mut upsert = tx.prepare_cached(
        "INSERT OR REPLACE INTO incidents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for row in rows {
        upsert.execute(params![
            row.id,
            row.tenant_id.as_str(),
            row.entity_kind,
            row.entity_value,
            row.state,
            row.level,
            row.opened_at.0,
            row.updated_at.0,
            row.last_event_ts.0,
            row.document
        ])?;
    }
    Ok(())
}

impl Store {
    /// Incidents that pass `filter`, last changed first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn incidents(&self, filter: &IncidentFilter) -> Result<Vec<IncidentRow>, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM incidents WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        if let Some(since) = filter.since {
            sql.push_str(" AND updated_at >= ?");
            values.push(since.0.into());
        }
        if let Some(tenant) = &filter.tenant {
            sql.push_str(" AND tenant = ?");
            values.push(tenant.as_str().to_owned().into());
        }
        if !filter.states.is_empty() {
            let marks = vec!["?"; filter.states.len()].join(", ");
            sql.push_str(&format!(" AND state IN ({marks})"));
            values.extend(filter.states.iter().cloned().map(Value::from));
        }
        sql.push_str(" ORDER BY updated_at DESC, id LIMIT ?");
        values.push((filter.limit as i64).into());
        self.catalog.read(|c| select(c, &sql, &values))
    }

    /// One incident.
    ///
    /// # Errors
    /// The catalog's.
    pub fn incident(&self, id: &str) -> Result<Option<IncidentRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM incidents WHERE id = ?1");
        let found = self.catalog.read(|c| select(c, &sql, &[id.to_owned().into()]))?;
        Ok(found.into_iter().next())
    }

    /// The newest incident of an entity that is `open` or `contained`.
    ///
    /// # Errors
    /// The catalog's.
    pub fn open_incident(
        &self,
        tenant: &TenantId,
        entity: &Entity,
    ) -> Result<Option<IncidentRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM incidents WHERE tenant = ?1 AND entity_kind = ?2
             AND entity_value = ?3 AND state IN ('open', 'contained')
             ORDER BY last_event_ts DESC, id LIMIT 1"
        );
        let values = [
            Value::from(tenant.as_str().to_owned()),
            entity.kind.clone().into(),
            entity.value.clone().into(),
        ];
        let found = self.catalog.read(|c| select(c, &sql, &values))?;
        Ok(found.into_iter().next())
    }

    /// Writes one incident outside a commit (a person's note or decision), durably.
    ///
    /// # Errors
    /// The catalog's.
    pub fn put_incident(&self, row: &IncidentRow) -> Result<(), StoreError> {
        self.catalog.write(|tx| put(tx, std::slice::from_ref(row)))
    }
}

fn select(c: &Connection, sql: &str, values: &[Value]) -> Result<Vec<IncidentRow>, StoreError> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(incident(row)?);
    }
    Ok(found)
}

fn incident(row: &Row<'_>) -> Result<IncidentRow, StoreError> {
    Ok(IncidentRow {
        id: row.get(0)?,
        tenant_id: tenant(row.get_ref(1)?.as_str().unwrap_or_default())?,
        entity_kind: row.get(2)?,
        entity_value: row.get(3)?,
        state: row.get(4)?,
        level: row.get(5)?,
        opened_at: Micros(row.get(6)?),
        updated_at: Micros(row.get(7)?),
        last_event_ts: Micros(row.get(8)?),
        document: row.get(9)?,
    })
}
