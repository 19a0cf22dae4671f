//! What readers see at one instant: hot rows and segments together.

use crate::catalog::segments::{Known, Retired};
use crate::hot::HotRows;
use crate::types::SegmentInfo;
use haetae_event::{Dataset, EventBatch};
use std::collections::{BTreeMap, BTreeSet};

/// The store's memory of itself; the catalog is the truth behind it.
#[derive(Default)]
pub(crate) struct View {
    pub hot: HotRows,
    pub segments: BTreeMap<i64, SegmentInfo>,
    pub retired: Vec<Retired>,
    /// Segments whose catalog row still says `pending`.
    pub pending: BTreeSet<i64>,
    /// Of those, the ones whose final name is durable.
    pub renamed: BTreeSet<i64>,
}

impl View {
    pub(crate) fn from_catalog(known: Known) -> View {
        View {
            segments: known.live.into_iter().map(|s| (s.id, s)).collect(),
            retired: known.retired,
            pending: known.pending.into_iter().collect(),
            ..View::default()
        }
    }

    pub(crate) fn add_pending(&mut self, made: Vec<SegmentInfo>) {
        self.pending.extend(made.iter().map(|s| s.id));
        self.segments.extend(made.into_iter().map(|s| (s.id, s)));
    }

    pub(crate) fn renamed(&mut self, ids: &[i64]) {
        let pending = &self.pending;
        self.renamed.extend(ids.iter().filter(|id| pending.contains(id)));
    }

    /// The catalog knows now.
    pub(crate) fn marked(&mut self, ids: &[i64]) {
        for id in ids {
            self.pending.remove(id);
            self.renamed.remove(id);
        }
    }

    /// Takes segments out of sight; their files stay for those who already see them.
    pub(crate) fn retire(&mut self, ids: &[i64], now: haetae_event::Micros) {
        for id in ids {
            self.pending.remove(id);
            self.renamed.remove(id);
            if let Some(gone) = self.segments.remove(id) {
                self.retired.push(Retired {
                    id: *id,
                    path: gone.path,
                    retired_at: now,
                    lease: gone.lease,
                });
            }
        }
    }
}

/// Every row of a dataset, once: files and rows that are not yet in files.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By id, which is the order of writing.
    pub segments: Vec<SegmentInfo>,
    pub hot: Vec<EventBatch>,
}

impl Snapshot {
    pub(crate) fn of(view: &View, dataset: Dataset) -> Snapshot {
        let segments = view.segments.values();
        Snapshot {
            segments: segments.filter(|s| s.dataset == dataset).cloned().collect(),
            hot: view.hot.of(dataset),
        }
    }
}
