//! What a query reads, as told by whoever keeps the catalog.

use haetae_event::{Dataset, EventBatch, TenantId};
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

/// One committed Parquet file. Its rows are of one tenant and one dataset.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    /// Absolute path.
    pub path: PathBuf,
    pub tenant: TenantId,
    /// Smallest and largest event time in µs, both inclusive.
    pub min_ts: i64,
    pub max_ts: i64,
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Whatever keeps the file from being deleted; held until the query ends.
    pub lease: Option<Arc<dyn Any + Send + Sync>>,
}

/// A segment is never rewritten: the same path is the same file.
impl PartialEq for SegmentFile {
    fn eq(&self, other: &SegmentFile) -> bool {
        self.path == other.path
    }
}

/// Every row of one dataset at one instant: no row in both lists, none missing.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub segments: Vec<SegmentFile>,
    pub hot: Vec<EventBatch>,
}

/// The catalog could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SnapshotError(pub String);

/// Tries of the provided [`Segments::snapshot`] before it gives up.
const SNAPSHOT_TRIES_MAX: usize = 16;

/// The store, as seen by queries. Called on the query's own threads; may block.
pub trait Segments: Send + Sync {
    /// The committed files of `dataset`.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    fn segments(&self, dataset: Dataset) -> Result<Vec<SegmentFile>, SnapshotError>;

    /// The rows of `dataset` that no segment holds yet.
    fn hot(&self, dataset: Dataset) -> Vec<EventBatch>;

    /// Both lists at one instant. The provided method reads the hot rows between two equal
    /// segment lists, which is exact if a commit moves rows between the lists in one step;
    /// a store with a lock of its own overrides it.
    ///
    /// # Errors
    /// When the catalog cannot be read, or commits leave no quiet moment.
    fn snapshot(&self, dataset: Dataset) -> Result<Snapshot, SnapshotError> {
        let mut before = self.segments(dataset)?;
        for _ in 0..SNAPSHOT_TRIES_MAX {
            let hot = self.hot(dataset);
            let after = self.segments(dataset)?;
            if before == after {
                return Ok(Snapshot { segments: after, hot });
            }
            before = after;
        }
        Err(SnapshotError(
            "the store changes faster than it can be listed".into(),
        ))
    }
}
