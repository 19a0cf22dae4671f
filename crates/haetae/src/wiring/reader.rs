//! The catalog's lists as JSON, the same over HTTP and on the command line.

use haetae_event::commit::{CountRow, IncidentRow};
use haetae_server::{ListFilter, ReadError, Reader};
use haetae_store::{
    DlqEntry, DlqFilter, DlqRecord, FindingFilter, IncidentFilter, Store, StoreError, StoredFinding,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub struct StoreReader(pub Arc<Store>);

fn failed(error: StoreError) -> ReadError {
    ReadError(error.to_string())
}

/// The incident's document, with the row's own columns.
pub fn incident_json(row: &IncidentRow) -> Value {
    let mut value: Value = serde_json::from_str(&row.document).unwrap_or_else(|_| json!({}));
    if let Some(object) = value.as_object_mut() {
        object.insert("id".to_owned(), json!(row.id));
        object.insert("tenant_id".to_owned(), json!(row.tenant_id));
        object.insert(
            "entity".to_owned(),
            json!({"kind": row.entity_kind, "value": row.entity_value}),
        );
        object.insert("state".to_owned(), json!(row.state));
        object.insert("level".to_owned(), json!(row.level));
        object.insert("opened_at".to_owned(), json!(row.opened_at));
        object.insert("updated_at".to_owned(), json!(row.updated_at));
        object.insert("last_event_ts".to_owned(), json!(row.last_event_ts));
    }
    value
}

fn finding_json(stored: &StoredFinding) -> Value {
    let mut value = serde_json::to_value(&stored.finding).unwrap_or_else(|_| json!({}));
    if let Some(object) = value.as_object_mut() {
        object.insert("state".to_owned(), json!(stored.state.as_str()));
    }
    value
}

pub fn dlq_entry_json(entry: &DlqEntry) -> Value {
    json!({
        "id": entry.id, "at": entry.at, "source": entry.source, "tenant_id": entry.tenant_id,
        "origin": entry.origin, "ordinal": entry.ordinal, "reason": entry.reason,
        "detail": entry.detail, "parser": entry.parser, "size": entry.size,
    })
}

fn dlq_record_json(record: &DlqRecord) -> Value {
    let mut value = dlq_entry_json(&record.entry);
    let text = record
        .bytes
        .as_ref()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if let Some(object) = value.as_object_mut() {
        object.insert("text".to_owned(), json!(text));
    }
    value
}

fn counts_json(rows: &[CountRow]) -> Value {
    let row = |row: &CountRow| {
        let mut value = serde_json::to_value(row.counts).unwrap_or_else(|_| json!({}));
        if let Some(object) = value.as_object_mut() {
            object.insert("source".to_owned(), json!(row.source));
            object.insert("tenant_id".to_owned(), json!(row.tenant_id));
            object.insert("dataset".to_owned(), json!(row.dataset));
            object.insert("balanced".to_owned(), json!(row.counts.balanced()));
        }
        value
    };
    Value::Array(rows.iter().map(row).collect())
}

impl Reader for StoreReader {
    fn incidents(&self, filter: &ListFilter) -> Result<Value, ReadError> {
        let filter = IncidentFilter {
            states: filter.state.clone().into_iter().collect(),
            tenant: filter.tenant.clone(),
            since: filter.start,
            limit: filter.limit,
        };
        Ok(self
            .0
            .incidents(&filter)
            .map_err(failed)?
            .iter()
            .map(incident_json)
            .collect())
    }

    fn incident(&self, id: &str) -> Result<Option<Value>, ReadError> {
        Ok(self.0.incident(id).map_err(failed)?.as_ref().map(incident_json))
    }

    fn findings(&self, filter: &ListFilter) -> Result<Value, ReadError> {
        let filter = FindingFilter {
            since: filter.start,
            level_min: filter.level_min,
            tenant: filter.tenant.clone(),
            limit: filter.limit,
            ..FindingFilter::default()
        };
        Ok(self
            .0
            .findings(&filter)
            .map_err(failed)?
            .iter()
            .map(finding_json)
            .collect())
    }

    fn dlq(&self, filter: &ListFilter) -> Result<Value, ReadError> {
        let filter = DlqFilter {
            limit: filter.limit,
            ..DlqFilter::default()
        };
        Ok(self
            .0
            .dlq_list(&filter)
            .map_err(failed)?
            .iter()
            .map(dlq_entry_json)
            .collect())
    }

    fn dlq_entry(&self, id: &str) -> Result<Option<Value>, ReadError> {
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(self.0.dlq_show(id).map_err(failed)?.as_ref().map(dlq_record_json))
    }

    fn counts(&self) -> Result<Value, ReadError> {
        Ok(counts_json(&self.0.counts().map_err(failed)?))
    }
}
