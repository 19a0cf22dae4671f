//! Scores that came after their rows: put into rows that are still hot.

use crate::catalog::lock;
use crate::schema::dataset_schema;
use crate::store::Store;
use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, Int32Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use haetae_event::EventBatch;
use std::collections::HashMap;
use std::sync::Arc;

const SCORE: &str = "ti_score";

impl Store {
    /// Raises `ti_score` of hot rows by their `src_key`: null and lower values become the given
    /// one, higher ones stay. Rows of segments are not touched. A reader sees a batch before or
    /// after, never in between. O(hot rows), during which readers wait; says how many rows changed.
    ///
    /// It waits for a commit that is under way, so that what readers saw is what gets written.
    pub fn amend_hot(&self, late: &HashMap<[u8; 16], i32>) -> u64 {
        if late.is_empty() || self.is_read_only() {
            return 0;
        }
        let _no_commit = lock(&self.debris);
        let mut changed = 0;
        self.view_mut().hot.amend(|batch| {
            let (records, rows) = raised(batch, late)?;
            changed += rows;
            Some(records)
        });
        changed
    }
}

/// The batch with raised scores, and of how many rows; `None` when nothing changes.
fn raised(batch: &EventBatch, late: &HashMap<[u8; 16], i32>) -> Option<(RecordBatch, u64)> {
    let keys: &FixedSizeBinaryArray = batch.column("src_key")?.as_any().downcast_ref()?;
    let prior = batch.i32(SCORE);
    let mut changed = 0;
    // Logs come in runs of one client.
    let mut last: Option<([u8; 16], Option<i32>)> = None;
    let scores: Int32Array = (0..batch.rows())
        .map(|row| {
            let prior = prior
                .filter(|scores| scores.is_valid(row))
                .map(|scores| scores.value(row));
            let key: [u8; 16] = match keys.is_valid(row) {
                true => keys.value(row).try_into().ok()?,
                false => return prior,
            };
            let score = match last {
                Some((same, score)) if same == key => score,
                _ => late.get(&key).copied(),
            };
            last = Some((key, score));
            changed += u64::from(score > prior);
            score.max(prior)
        })
        .collect();
    if changed == 0 {
        return None;
    }
    Some((with_scores(batch, Arc::new(scores))?, changed))
}

fn with_scores(batch: &EventBatch, scores: ArrayRef) -> Option<RecordBatch> {
    let schema = batch.records.schema();
    let mut columns = batch.records.columns().to_vec();
    if let Ok(at) = schema.index_of(SCORE) {
        columns[at] = scores;
        return RecordBatch::try_new(schema, columns).ok();
    }
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let full = dataset_schema(batch.dataset);
    fields.push(Arc::new(full.field_with_name(SCORE).ok()?.clone()));
    columns.push(scores);
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    RecordBatch::try_new(Arc::new(schema), columns).ok()
}
