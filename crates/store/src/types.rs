//! What goes into and comes out of the store beside event batches.

use haetae_event::commit::{CleanupRow, OutboxRow};
use haetae_event::{Columns, Dataset, Finding, Level, Micros, TenantId};
use std::path::PathBuf;
use std::sync::Arc;

/// One Parquet file that the catalog knows. While a clone lives, its file is not deleted by
/// this process.
#[derive(Clone, Debug)]
pub struct SegmentInfo {
    pub id: i64,
    /// Where the file is now.
    pub path: PathBuf,
    pub dataset: Dataset,
    pub tenant: TenantId,
    /// `YYYY-MM-DD`, UTC.
    pub dt: String,
    /// `HH`, UTC.
    pub hh: String,
    pub rows: u64,
    pub bytes: u64,
    /// Smallest and largest event time inside. Prune by these, not by `dt` and `hh`: rows with
    /// unbelievable times are stored under their arrival hour.
    pub min_ts: Micros,
    pub max_ts: Micros,
    /// Smallest and largest `ingested_at`; `None` when no row has one.
    pub ingested: Option<(Micros, Micros)>,
    /// Ids of the parsers that made its rows, sorted: `cloudfront@v1`.
    pub parsers: Vec<String>,
    pub(crate) lease: Arc<()>,
}

/// What to read back.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    pub dataset: Dataset,
    /// `None` reads every tenant.
    pub tenant: Option<TenantId>,
    /// Event time, inclusive.
    pub start_us: i64,
    /// Event time, exclusive; `i64::MAX` has no end.
    pub end_us: i64,
    /// `ts` is always read as well.
    pub columns: Columns,
    pub include_hot: bool,
    /// Only rows with `after < ingested_at ≤ until`.
    pub ingested: Option<(Micros, Micros)>,
}

impl ScanRequest {
    /// These columns of every row of one dataset, hot rows included.
    pub fn all(dataset: Dataset, columns: Columns) -> Self {
        ScanRequest {
            columns,
            ..ScanRequest::of(dataset)
        }
    }

    /// Every column of every row of one dataset, hot rows included.
    pub fn of(dataset: Dataset) -> Self {
        ScanRequest {
            dataset,
            tenant: None,
            start_us: i64::MIN,
            end_us: i64::MAX,
            columns: Columns::All,
            include_hot: true,
            ingested: None,
        }
    }
}

/// What one scan touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanReport {
    pub segments_read: u64,
    pub segments_pruned: u64,
    pub row_groups_pruned: u64,
    pub rows: u64,
    /// The caller broke off.
    pub stopped: bool,
}

/// What one commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitReport {
    pub segments: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Rows stored under the arrival hour because their time is unbelievable.
    pub out_of_range: u64,
    /// Rows stored under the arrival hour because the commit touched too many hours.
    pub overflow: u64,
    /// Files that are committed but still carry their temporary name; tried again later.
    pub renames_pending: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    pub partitions: u64,
    pub files_in: u64,
    pub files_out: u64,
    pub rows: u64,
    /// Files of earlier compactions or of retention that were now deleted.
    pub files_deleted: u64,
    /// Segments taken out because they are older than the retention.
    pub segments_expired: u64,
}

/// What became of a stored finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingState {
    Active,
    Merged,
    Withdrawn,
}

impl FindingState {
    pub fn as_str(self) -> &'static str {
        match self {
            FindingState::Active => "active",
            FindingState::Merged => "merged",
            FindingState::Withdrawn => "withdrawn",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Merged, Self::Withdrawn]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct StoredFinding {
    pub finding: Finding,
    pub state: FindingState,
    pub merged_into: Option<String>,
}

/// Which findings to list, newest first. The default lists active ones.
#[derive(Clone, Debug)]
pub struct FindingFilter {
    /// Findings whose window ends at or after this.
    pub since: Option<Micros>,
    pub level_min: Option<Level>,
    pub states: Vec<FindingState>,
    pub tenant: Option<TenantId>,
    pub rule_id: Option<String>,
    pub limit: usize,
}

impl Default for FindingFilter {
    fn default() -> Self {
        FindingFilter {
            since: None,
            level_min: None,
            states: vec![FindingState::Active],
            tenant: None,
            rule_id: None,
            limit: 1000,
        }
    }
}

/// Which incidents to list, last changed first.
#[derive(Clone, Debug)]
pub struct IncidentFilter {
    /// Empty: every state.
    pub states: Vec<String>,
    pub tenant: Option<TenantId>,
    /// Changed at or after this.
    pub since: Option<Micros>,
    pub limit: usize,
}

impl Default for IncidentFilter {
    fn default() -> Self {
        IncidentFilter {
            states: Vec::new(),
            tenant: None,
            since: None,
            limit: 1000,
        }
    }
}

/// A clean-up that a commit has promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCleanup {
    pub id: i64,
    pub row: CleanupRow,
    pub attempts: u32,
    pub last_error: Option<String>,
}

/// A message that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxDue {
    pub row: OutboxRow,
    /// Attempts made so far.
    pub attempts: u32,
    pub last_error: Option<String>,
}

/// What became of one attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// About to be sent; due again at `lease_until` should nothing else be heard of it.
    Sending {
        lease_until: Micros,
    },
    Done,
    Retry {
        at: Micros,
        error: String,
    },
    /// Never tried again.
    Dead {
        error: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    pub pending: u64,
    pub sending: u64,
    pub done: u64,
    pub dead: u64,
}

/// Which refused records to list, newest first.
#[derive(Clone, Debug)]
pub struct DlqFilter {
    pub limit: usize,
    /// A [`haetae_event::Reason`] code.
    pub reason: Option<String>,
    pub source: Option<String>,
}

impl Default for DlqFilter {
    fn default() -> Self {
        DlqFilter {
            limit: 100,
            reason: None,
            source: None,
        }
    }
}

/// One refused record, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DlqEntry {
    pub id: i64,
    pub source: String,
    pub tenant_id: TenantId,
    pub origin: String,
    pub ordinal: u64,
    pub reason: String,
    pub detail: String,
    pub parser: String,
    pub at: Micros,
    /// Length of the refused record as kept.
    pub size: u64,
}

/// One refused record with its bytes, `None` when they have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DlqRecord {
    pub entry: DlqEntry,
    pub bytes: Option<Vec<u8>>,
}

/// How many records were refused, ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DlqCount {
    pub source: String,
    pub tenant_id: TenantId,
    pub reason: String,
    pub records: u64,
}

/// An entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    pub at: Micros,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub detail: String,
}

/// Rows and bytes of one tenant's dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetStat {
    pub dataset: Dataset,
    pub tenant: TenantId,
    pub segments: u64,
    pub rows: u64,
    pub bytes: u64,
    pub min_ts: Micros,
    pub max_ts: Micros,
}

/// The store in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStat {
    pub datasets: Vec<DatasetStat>,
    pub hot_rows: u64,
    pub hot_bytes: u64,
    pub catalog_bytes: u64,
    pub positions: u64,
    pub cleanups_pending: u64,
    pub dlq_records: u64,
    pub dlq_bytes: u64,
    pub findings_active: u64,
    pub incidents_open: u64,
    pub outbox: OutboxCounts,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyProblem {
    /// `missing_file`, `size_mismatch`, `row_mismatch`, `unreadable_file`, `stray_file`,
    /// `counts_unbalanced`, `events_not_stored`, `catalog_damaged`.
    pub code: &'static str,
    pub subject: String,
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    pub segments: u64,
    pub rows: u64,
    pub problems: Vec<VerifyProblem>,
}

impl VerifyReport {
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One version of a user's parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParserRow {
    pub name: String,
    pub version: u32,
    /// `json`, `kv`, `cef`, `regex` or `custom`.
    pub kind: String,
    pub dataset: String,
    /// The YAML as it was uploaded.
    pub definition: String,
    /// WebAssembly of kind `custom`, else empty.
    pub module: Vec<u8>,
    /// Id of the key that signed it, and the signature; empty where none was asked for.
    pub signed_by: String,
    pub signature: String,
    pub added_at: Micros,
}

/// What became of a version that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    New,
    /// The same version with the same content was there.
    Unchanged,
    /// The same version with other content is there: versions never change.
    Differs,
}

/// Where a parser runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Only for sources that name it.
    Alpha,
    /// Also chosen by content.
    Stable,
}

impl Channel {
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Alpha => "alpha",
            Channel::Stable => "stable",
        }
    }
}

/// The version a name runs with in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParserUse {
    pub name: String,
    pub channel: Channel,
    pub version: u32,
    pub at: Micros,
}

/// A candidate that runs beside the version in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowRow {
    pub name: String,
    pub candidate: u32,
    pub against: u32,
    pub started_at: Micros,
    pub updated_at: Micros,
    /// The comparison as JSON; `{}` before the first record.
    pub report: String,
}
