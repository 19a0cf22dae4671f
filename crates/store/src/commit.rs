//! A commit: files durable → one catalog transaction → renames.
//!
//! A crash before the transaction leaves temporary files, which the next open deletes. A crash
//! after it leaves temporary files that the catalog knows, which the next open renames. There is
//! no third state.

use crate::catalog::{lock, segments, unit};
use crate::cut::cut;
use crate::error::StoreError;
use crate::layout::{folder_of, is_temporary};
use crate::store::Store;
use crate::types::{CommitReport, SegmentInfo};
use haetae_event::commit::CommitUnit;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The steps of a commit or a compaction, for tests that break it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitStep {
    /// Files and folders are durable; the transaction has not begun.
    BeforeTransaction,
    /// All rows are in the transaction; it is not committed.
    InsideTransaction,
    /// The transaction is durable; nothing is renamed.
    AfterTransaction,
    /// Renamed; names not yet synced, rows not yet marked.
    AfterRenames,
}

impl Store {
    /// Makes the hot rows and everything in `unit` durable, both or neither.
    ///
    /// Rows become readable as segments and stop being hot at one instant: a reader sees each
    /// once.
    ///
    /// # Errors
    /// After an error nothing was committed: the rows are still hot and `unit` may be tried
    /// again. Problems after the transaction are not errors; see
    /// [`CommitReport::renames_pending`].
    pub fn commit(&self, unit: CommitUnit) -> Result<CommitReport, StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        let mut debris = lock(&self.debris);
        let now = self.clock.now();
        let mut report = CommitReport::default();
        let mut made = Vec::new();
        let hot = self.view_mut().hot.begin_cut();
        for (key, batches) in &hot {
            let written = cut(self, key, batches, now, &mut made, &mut report);
            if let Err(error) = written {
                debris.untouched(&made);
                debris.sweep(self);
                return Err(error);
            }
        }
        if let Err(error) = self.step(CommitStep::BeforeTransaction) {
            debris.untouched(&made);
            return Err(error);
        }
        let settled = self.renamed_ids();
        let written = self.catalog.write(|tx| {
            segments::insert(tx, &made)?;
            segments::mark_live(tx, &settled)?;
            unit::apply(tx, &unit, &self.options, now)?;
            self.step(CommitStep::InsideTransaction)
        });
        if let Err(error) = written {
            debris.doubtful(&made);
            return Err(error);
        }
        // From here on the commit holds, whatever happens.
        debris.settle();
        debris.sweep(self);
        let alive = self.step(CommitStep::AfterTransaction).is_ok();
        if alive {
            self.rename(&mut made);
        }
        {
            let mut view = self.view_mut();
            view.marked(&settled);
            view.add_pending(made);
            view.hot.finish_cut();
        }
        if alive {
            self.rename_pending();
        }
        report.renames_pending = self.pending_segments().len() as u64;
        Ok(report)
    }

    pub(crate) fn step(&self, step: CommitStep) -> Result<(), StoreError> {
        match &self.options.on_step {
            None => Ok(()),
            Some(hook) => hook(step).map_err(StoreError::io(self.dir())),
        }
    }

    pub(crate) fn renamed_ids(&self) -> Vec<i64> {
        self.view().renamed.iter().copied().collect()
    }

    /// Committed segments that still have their temporary name.
    fn pending_segments(&self) -> Vec<SegmentInfo> {
        let view = self.view();
        let pending = view.pending.iter().filter_map(|id| view.segments.get(id));
        pending.filter(|s| is_temporary(&s.path)).cloned().collect()
    }

    /// Gives committed files their final names. What fails keeps its temporary one, also for
    /// readers.
    pub(crate) fn rename(&self, segments: &mut [SegmentInfo]) {
        for segment in segments {
            let to = segment.path.with_extension("");
            match self.disk.rename(&segment.path, &to) {
                Ok(()) => segment.path = to,
                Err(error) => {
                    tracing::warn!(path = %segment.path.display(), %error, "renamed later");
                }
            }
        }
    }

    /// Tries failed renames again and makes new names durable. The catalog learns of them with
    /// the next transaction: a second fsync for it would buy nothing, because the next open
    /// looks anyway.
    pub(crate) fn rename_pending(&self) {
        let mut late = self.pending_segments();
        self.rename(&mut late);
        for segment in late.into_iter().filter(|s| !is_temporary(&s.path)) {
            let mut view = self.view_mut();
            // A compaction may have taken it out meanwhile.
            if let Some(listed) = view.segments.get_mut(&segment.id) {
                listed.path = segment.path;
            }
        }
        if self.step(CommitStep::AfterRenames).is_err() {
            return;
        }
        let mut by_folder: BTreeMap<PathBuf, Vec<i64>> = BTreeMap::new();
        {
            let view = self.view();
            for segment in view.pending.iter().filter_map(|id| view.segments.get(id)) {
                if !is_temporary(&segment.path) {
                    let folder = folder_of(&segment.path).to_owned();
                    by_folder.entry(folder).or_default().push(segment.id);
                }
            }
        }
        for (folder, ids) in by_folder {
            match self.disk.sync_dir(&folder) {
                Ok(()) => self.view_mut().renamed(&ids),
                Err(error) => {
                    tracing::warn!(path = %folder.display(), %error, "folder is not synced");
                }
            }
        }
    }
}

/// Files of commits that failed.
#[derive(Default)]
pub(crate) struct Debris {
    /// Certainly not in the catalog.
    garbage: Vec<PathBuf>,
    /// Their transaction failed while committing: should the machine die now, SQLite might still
    /// find it whole in its log. The next successful transaction rules that out.
    doubtful: Vec<PathBuf>,
}

impl Debris {
    pub(crate) fn untouched(&mut self, made: &[SegmentInfo]) {
        self.garbage.extend(made.iter().map(|s| s.path.clone()));
    }

    pub(crate) fn doubtful(&mut self, made: &[SegmentInfo]) {
        self.doubtful.extend(made.iter().map(|s| s.path.clone()));
    }

    pub(crate) fn settle(&mut self) {
        self.garbage.append(&mut self.doubtful);
    }

    /// Deletes what is certainly garbage; what fails is left to the next open.
    pub(crate) fn sweep(&mut self, store: &Store) {
        for path in self.garbage.drain(..) {
            if let Err(error) = store.disk.remove(&path) {
                tracing::debug!(path = %path.display(), %error, "left for the next start");
            }
        }
    }
}
