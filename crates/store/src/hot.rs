//! Rows that are not committed yet: queryable, lost in a crash, brought back by replay.

use arrow::array::{Array, RecordBatch, StringViewArray};
use arrow::compute::concat_batches;
use haetae_event::{Dataset, EventBatch, TenantId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Small batches are merged up to this many rows.
const MERGED_ROWS_MAX: usize = 8192;

/// What the rows of one file have in common: the parser's id is the last.
pub(crate) type HotKey = (Dataset, TenantId, Arc<str>);

type Batches = BTreeMap<HotKey, Vec<EventBatch>>;

/// Batches per dataset, tenant and parser, in order of arrival.
#[derive(Default)]
pub(crate) struct HotRows {
    /// Being written by a commit; still readable until it holds.
    cutting: Batches,
    fresh: Batches,
    rows: u64,
    bytes: usize,
}

impl HotRows {
    pub(crate) fn push(&mut self, mut batch: EventBatch, parser: &str) {
        if batch.rows() == 0 {
            return;
        }
        tighten(&mut batch);
        self.rows += batch.rows() as u64;
        let key = (batch.dataset, batch.tenant.clone(), Arc::from(parser));
        let batches = self.fresh.entry(key).or_default();
        self.bytes += batch.memory_bytes();
        batches.push(batch);
        while let Some(saved) = merge_last(batches) {
            self.bytes = self.bytes.saturating_sub(saved);
        }
    }

    /// Moves everything to the rows being cut and returns them, by what they have in common.
    pub(crate) fn begin_cut(&mut self) -> Vec<(HotKey, Vec<EventBatch>)> {
        for (key, batches) in std::mem::take(&mut self.fresh) {
            self.cutting.entry(key).or_default().extend(batches);
        }
        self.cutting
            .iter()
            .map(|(key, batches)| (key.clone(), batches.clone()))
            .collect()
    }

    /// The rows being cut are in segments now.
    pub(crate) fn finish_cut(&mut self) {
        self.cutting.clear();
        self.measure();
    }

    /// Puts what `change` gives in the place of each batch it gives something for: the same rows,
    /// in the same order. Those being cut are among them: no commit may be writing meanwhile.
    pub(crate) fn amend(&mut self, mut change: impl FnMut(&EventBatch) -> Option<RecordBatch>) {
        let both = self.cutting.values_mut().chain(self.fresh.values_mut());
        for batch in both.flatten() {
            if let Some(records) = change(batch) {
                debug_assert_eq!(records.num_rows(), batch.rows(), "an amendment keeps the rows");
                batch.records = records;
            }
        }
        self.measure();
    }

    fn measure(&mut self) {
        let both = self.cutting.values().chain(self.fresh.values());
        (self.rows, self.bytes) = both.flatten().fold((0, 0), |(rows, bytes), batch| {
            (rows + batch.rows() as u64, bytes + batch.memory_bytes())
        });
    }

    pub(crate) fn of(&self, dataset: Dataset) -> Vec<EventBatch> {
        let both = self.cutting.iter().chain(self.fresh.iter());
        both.filter(|((d, ..), _)| *d == dataset)
            .flat_map(|(_, batches)| batches.iter().cloned())
            .collect()
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Compacts a batch whose strings pin much more than they use; one that was compacted already
/// is left alone.
fn tighten(batch: &mut EventBatch) {
    let loose = batch.records.columns().iter().any(|column| {
        let Some(views) = column.as_any().downcast_ref::<StringViewArray>() else {
            return false;
        };
        let pinned: usize = views.data_buffers().iter().map(|b| b.capacity()).sum();
        pinned > 4096 + 2 * views.total_buffer_bytes_used()
    });
    if loose {
        batch.compact();
    }
}

/// Merges the last two batches while sizes are alike, so that each row is copied O(log n) times.
/// Returns the bytes saved, or `None` when nothing was to merge.
fn merge_last(batches: &mut Vec<EventBatch>) -> Option<usize> {
    let [.., before, last] = batches.as_slice() else {
        return None;
    };
    let alike = before.rows() <= 2 * last.rows()
        && before.rows() + last.rows() <= MERGED_ROWS_MAX
        && before.records.schema() == last.records.schema();
    if !alike {
        return None;
    }
    let held = before.memory_bytes() + last.memory_bytes();
    let schema = before.records.schema();
    let records = concat_batches(&schema, [&before.records, &last.records]).ok()?;
    let mut merged = EventBatch {
        records,
        ..before.clone()
    };
    merged.compact();
    let saved = held.saturating_sub(merged.memory_bytes());
    batches.truncate(batches.len() - 2);
    batches.push(merged);
    Some(saved)
}
