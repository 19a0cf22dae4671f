//! The rows that one catalog transaction writes, whoever made them.

use crate::counts::Counts;
use crate::finding::Finding;
use crate::reject::Reason;
use crate::tenant::TenantId;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// How far a source has been read: an opaque value under (source, key).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionRow {
    /// Stable name of the configured source, e.g. `s3:my-logs/cf/`.
    pub source: String,
    /// Object key, file identity, partition.
    pub key: String,
    /// The source's own JSON; `None` forgets the key.
    pub value: Option<String>,
}

/// Work to do outside after the commit: delete or archive one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupRow {
    pub source: String,
    pub key: String,
    /// The source's own JSON (ETag, action, target).
    pub action: String,
}

/// A pushed batch that was accepted: how a repeated key or body is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryMark {
    pub tenant_id: TenantId,
    /// `key:<Idempotency-Key>` or `body:<hex sha256>`.
    pub mark: String,
    pub body_sha256: String,
    /// The reply that was given, to be given again.
    pub reply: String,
    pub accepted_at: Micros,
}

/// Counts of one source and tenant, to be added to what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountRow {
    pub source: String,
    pub tenant_id: TenantId,
    pub dataset: String,
    pub counts: Counts,
}

/// One refused record on its way to the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DlqRow {
    pub source: String,
    pub tenant_id: TenantId,
    /// Where it came from: `s3://b/k`, a path, `ingest`.
    pub origin: String,
    pub ordinal: u64,
    pub reason: Reason,
    pub detail: String,
    pub parser: String,
    pub at: Micros,
    pub bytes: Vec<u8>,
}

/// What a late or corrected view of the events does to a stored finding.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a commit holds few of them, and most are puts"
)]
pub enum FindingChange {
    /// Insert, or replace the stored row of the same id.
    Put(Finding),
    /// The stored finding became part of another one.
    MergedInto { id: String, into: String },
    /// Late events showed that the condition did not hold.
    Withdrawn { id: String },
}

/// An incident as the catalog keeps it; `document` is the incident crate's JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentRow {
    pub id: String,
    pub tenant_id: TenantId,
    pub entity_kind: String,
    pub entity_value: String,
    /// `open`, `contained`, `resolved`, `false_positive`.
    pub state: String,
    pub level: String,
    pub opened_at: Micros,
    pub updated_at: Micros,
    /// Event time of the last finding in it.
    pub last_event_ts: Micros,
    pub document: String,
}

/// One message owed to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Deterministic: the same cause never makes a second row.
    pub id: String,
    /// `console`, `slack`.
    pub channel: String,
    /// `incident`, `incident_update`, `kpi`, `digest`, `alarm`.
    pub kind: String,
    /// The channel-independent message, JSON of `respond`'s `Message`.
    pub payload: String,
    pub created_at: Micros,
}

/// Everything one commit makes true at once, beside the segments cut from the hot rows.
#[derive(Clone, Debug, Default)]
pub struct CommitUnit {
    pub positions: Vec<PositionRow>,
    pub cleanups: Vec<CleanupRow>,
    pub marks: Vec<DeliveryMark>,
    pub counts: Vec<CountRow>,
    pub dlq: Vec<DlqRow>,
    pub findings: Vec<FindingChange>,
    pub incidents: Vec<IncidentRow>,
    pub outbox: Vec<OutboxRow>,
    /// Small key → value settings (e.g. `kpi_last_at`), upserted.
    pub settings: Vec<(String, String)>,
}

impl CommitUnit {
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
            && self.cleanups.is_empty()
            && self.marks.is_empty()
            && self.counts.is_empty()
            && self.dlq.is_empty()
            && self.findings.is_empty()
            && self.incidents.is_empty()
            && self.outbox.is_empty()
            && self.settings.is_empty()
    }
}
