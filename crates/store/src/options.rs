//! Settings of a store, with their reasons.

use crate::commit::CommitStep;
use haetae_event::Dataset;
use haetae_event::time::{DAY_US, MINUTE_US, SECOND_US};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Called before each step of a commit; an error breaks the commit off there.
pub type StepHook = Arc<dyn Fn(CommitStep) -> io::Result<()> + Send + Sync>;

/// Limits and ages. Plain data: the defaults are what the service runs with.
#[derive(Clone)]
pub struct StoreOptions {
    /// Who holds the store, for the lock file: the address of the service, if it has one.
    pub holder: String,
    /// Older rows are stored under their arrival hour. 400 days: a year's logs can be loaded
    /// late, and a clock at 1970 cannot scatter files.
    pub ts_past_us: i64,
    /// Rows further in the future are stored under their arrival hour. 10 minutes: more than
    /// any clock that is kept in step is off.
    pub ts_future_us: i64,
    /// Hours one commit may touch per tenant and dataset. The fullest hours keep their place,
    /// the rest is stored under the arrival hour, so that scattered times cannot make a file
    /// per row. 1,024: six weeks of hours in one commit.
    pub partitions_max: usize,
    /// Rows of one Parquet row group, at most 128 Ki.
    pub row_group_rows: usize,
    /// 1 to 22. Level 1 costs least time and is within a few per cent of 3 on logs.
    pub zstd_level: i32,
    /// Bytes of refused records that are kept; the oldest go first.
    pub dlq_bytes_max: u64,
    /// Rows of refused records that are kept; the oldest go first. Counts stay for ever.
    pub dlq_rows_max: u64,
    /// Delivery marks older than this are forgotten. One day: far above the retry window.
    pub mark_ttl_us: i64,
    /// Findings whose window ended longer ago are forgotten. 400 days, as for late rows.
    pub findings_keep_us: i64,
    /// Delivered or given-up messages older than this are forgotten. 90 days: no replay reaches
    /// back so far, so none is told twice.
    pub outbox_keep_us: i64,
    /// Days that whole segments of a dataset are kept; absent: for ever.
    pub retention_days: BTreeMap<Dataset, u32>,
    /// How long a replaced file stays for readers in other processes. 5 minutes: the longest
    /// query that is allowed.
    pub grace_us: i64,
    /// Segments at or above this size are not compacted again.
    pub compact_bytes: u64,
    /// This many small segments of one hour are merged even while the hour is open.
    pub compact_files: usize,
    /// How long after its end an hour counts as past.
    pub compact_after_us: i64,
    /// Test hook.
    pub on_step: Option<StepHook>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            holder: String::new(),
            ts_past_us: 400 * DAY_US,
            ts_future_us: 10 * MINUTE_US,
            partitions_max: 1024,
            row_group_rows: 128 * 1024,
            zstd_level: 1,
            dlq_bytes_max: 256 << 20,
            dlq_rows_max: 1_000_000,
            mark_ttl_us: DAY_US,
            findings_keep_us: 400 * DAY_US,
            outbox_keep_us: 90 * DAY_US,
            retention_days: BTreeMap::new(),
            grace_us: 300 * SECOND_US,
            compact_bytes: 64 << 20,
            compact_files: 8,
            compact_after_us: 10 * MINUTE_US,
            on_step: None,
        }
    }
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("holder", &self.holder)
            .field("retention_days", &self.retention_days)
            .finish_non_exhaustive()
    }
}
