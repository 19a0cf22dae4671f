//! Findings and what became of them.

use crate::error::StoreError;
use crate::store::Store;
use crate::types::{FindingFilter, FindingState, StoredFinding};
use haetae_event::commit::FindingChange;
use haetae_event::{Entity, Finding, Micros, TenantId, TimeWindow};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

const COLUMNS: &str = "document, state, merged_into";

pub(super) fn apply(tx: &Transaction<'_>, changes: &[FindingChange]) -> Result<(), StoreError> {
    for change in changes {
        match change {
            FindingChange::Put(finding) => put(tx, finding)?,
            FindingChange::MergedInto { id, into } => {
                tx.prepare_cached("UPDATE findings SET state = 'merged', merged_into = ?2 WHERE id = ?1")?
                    .execute([id, into])?;
            }
            FindingChange::Withdrawn { id } => {
                tx.prepare_cached(
                    "UPDATE findings SET state = 'withdrawn', merged_into = NULL WHERE id = ?1",
                )?
                .execute([id])?;
            }
        }
    }
    Ok(())
}

fn put(tx: &Transaction<'_>, finding: &Finding) -> Result<(), StoreError> {
    let document = serde_json::to_string(finding).map_err(|e| StoreError::damaged(&finding.id, e))?;
    tx.prepare_cached(
        "INSERT INTO findings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'active', NULL, ?9)
         ON CONFLICT DO UPDATE SET start_ts = excluded.start_ts, end_ts = excluded.end_ts,
         level = excluded.level, state = 'active', merged_into = NULL,
         document = excluded.document",
    )?
    .execute(params![
        finding.id,
        finding.tenant_id.as_str(),
        finding.rule_id,
        finding.entity.kind,
        finding.entity.value,
        finding.window.start.0,
        finding.window.end.0,
        finding.level as i64,
        document
    ])?;
    Ok(())
}

impl Store {
    /// Active findings of (tenant, rule, entity) whose window overlaps `window` or lies no
    /// further than `gap_us` from it, earliest first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn findings_touching(
        &self,
        tenant: &TenantId,
        rule_id: &str,
        entity: &Entity,
        window: TimeWindow,
        gap_us: i64,
    ) -> Result<Vec<Finding>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM findings WHERE tenant = ?1 AND rule_id = ?2
             AND entity_kind = ?3 AND entity_value = ?4 AND end_ts >= ?5 AND start_ts <= ?6
             AND state = 'active' ORDER BY start_ts, id"
        );
        self.active_findings(
            &sql,
            &[
                Value::from(tenant.as_str().to_owned()),
                rule_id.to_owned().into(),
                entity.kind.clone().into(),
                entity.value.clone().into(),
                window.start.saturating_sub(gap_us).0.into(),
                window.end.saturating_add(gap_us).0.into(),
            ],
        )
    }

    /// Active findings of a tenant whose window overlaps `window`, earliest first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn findings_in(&self, tenant: &TenantId, window: TimeWindow) -> Result<Vec<Finding>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM findings WHERE tenant = ?1 AND end_ts >= ?2
             AND start_ts <= ?3 AND state = 'active' ORDER BY start_ts, id"
        );
        self.active_findings(
            &sql,
            &[
                Value::from(tenant.as_str().to_owned()),
                window.start.0.into(),
                window.end.0.into(),
            ],
        )
    }

    /// Active findings about entities of a tenant with this value, whatever their kind and rule,
    /// that end at `since` or later: the `limit` latest to end, latest first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn findings_about(
        &self,
        tenant: &TenantId,
        value: &str,
        since: Micros,
        limit: usize,
    ) -> Result<Vec<Finding>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM findings WHERE tenant = ?1 AND entity_value = ?2 AND end_ts >= ?3
             AND state = 'active' ORDER BY end_ts DESC, id LIMIT ?4"
        );
        self.active_findings(
            &sql,
            &[
                Value::from(tenant.as_str().to_owned()),
                value.to_owned().into(),
                since.0.into(),
                (limit as i64).into(),
            ],
        )
    }

    /// Findings that pass `filter`, latest end of window first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn findings(&self, filter: &FindingFilter) -> Result<Vec<StoredFinding>, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM findings WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        let mut and = |clause: &str, value: Value| {
            sql.push_str(clause);
            values.push(value);
        };
        if let Some(since) = filter.since {
            and(" AND end_ts >= ?", since.0.into());
        }
        if let Some(level) = filter.level_min {
            and(" AND level >= ?", (level as i64).into());
        }
        if let Some(tenant) = &filter.tenant {
            and(" AND tenant = ?", tenant.as_str().to_owned().into());
        }
        if let Some(rule_id) = &filter.rule_id {
            and(" AND rule_id = ?", rule_id.clone().into());
        }
        if !filter.states.is_empty() {
            // The names are our own words, so they may stand in the text.
            let states: Vec<_> = filter
                .states
                .iter()
                .map(|s| format!("'{}'", s.as_str()))
                .collect();
            sql.push_str(&format!(" AND state IN ({})", states.join(", ")));
        }
        sql.push_str(" ORDER BY end_ts DESC, id LIMIT ?");
        values.push((filter.limit as i64).into());
        self.catalog.read(|c| select(c, &sql, &values))
    }

    /// One finding, whatever its state.
    ///
    /// # Errors
    /// The catalog's.
    pub fn finding(&self, id: &str) -> Result<Option<StoredFinding>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM findings WHERE id = ?1");
        self.catalog.read(|c| {
            c.prepare_cached(&sql)?
                .query_row([id], |row| Ok(stored(row)))
                .optional()?
                .transpose()
        })
    }

    fn active_findings(&self, sql: &str, values: &[Value]) -> Result<Vec<Finding>, StoreError> {
        let found = self.catalog.read(|c| select(c, sql, values))?;
        Ok(found.into_iter().map(|stored| stored.finding).collect())
    }
}

fn select(c: &Connection, sql: &str, values: &[Value]) -> Result<Vec<StoredFinding>, StoreError> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stored(row)?);
    }
    Ok(found)
}

fn stored(row: &Row<'_>) -> Result<StoredFinding, StoreError> {
    let document: String = row.get(0)?;
    let state: String = row.get(1)?;
    Ok(StoredFinding {
        finding: serde_json::from_str(&document)
            .map_err(|e| StoreError::damaged("finding in the catalog", e))?,
        state: FindingState::parse(&state).ok_or_else(|| StoreError::damaged("state of a finding", state))?,
        merged_into: row.get(2)?,
    })
}
