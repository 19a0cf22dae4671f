//! The seam: [`Enricher`], and the list that applies several to one batch.

use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch};
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{Field, Schema};
use haetae_event::EventBatch;
use haetae_event::schema::core_fields;
use std::sync::{Arc, Mutex, PoisonError};

/// The columns an enricher may add.
pub const DERIVED: [&str; 3] = ["src_country", "src_asn", "ti_score"];

/// Knows something about the rows of a batch that the log itself does not say.
///
/// The contract, which one test holds every implementation to: each array has one value a row, in
/// the order of the rows; the batch is not changed; a row without `src_ip` gets null; two rows of
/// one batch with the same address get the same value; an empty batch is no special case.
pub trait Enricher: Send {
    /// Stable, for counters and messages.
    fn name(&self) -> &'static str;

    /// Core columns of [`DERIVED`] with their Core types; none when it has nothing to say.
    fn enrich(&mut self, batch: &EventBatch) -> Vec<(&'static str, ArrayRef)>;
}

/// One enricher of several threads, or one whose owner also talks to it (late remote answers).
impl<E: Enricher> Enricher for Arc<Mutex<E>> {
    fn name(&self) -> &'static str {
        self.lock().unwrap_or_else(PoisonError::into_inner).name()
    }

    fn enrich(&mut self, batch: &EventBatch) -> Vec<(&'static str, ArrayRef)> {
        self.lock().unwrap_or_else(PoisonError::into_inner).enrich(batch)
    }
}

/// Enrichers in the order in which they are asked.
///
/// A value that came with the batch stays. Among enrichers the earlier one that has a value wins,
/// but for `ti_score`, where the highest does: a list that does not know an address must not hide
/// one that does.
#[derive(Default)]
pub struct Enrichers {
    list: Vec<Box<dyn Enricher>>,
    misfits: u64,
}

impl Enrichers {
    pub fn new(list: Vec<Box<dyn Enricher>>) -> Self {
        Enrichers { list, misfits: 0 }
    }

    pub fn push(&mut self, enricher: Box<dyn Enricher>) {
        self.list.push(enricher);
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Names in the order of application.
    pub fn names(&self) -> Vec<&'static str> {
        self.list.iter().map(|e| e.name()).collect()
    }

    /// Columns that were dropped because their name, type or length broke the contract.
    pub fn misfits(&self) -> u64 {
        self.misfits
    }

    /// The batch with the columns the enrichers add. Rows, their order and all other columns
    /// stay; new columns come after the old ones.
    pub fn apply(&mut self, batch: EventBatch) -> EventBatch {
        let source = batch.records.clone();
        let mut batch = batch;
        for enricher in &mut self.list {
            for (name, values) in enricher.enrich(&batch) {
                match merged(&source, &batch.records, name, values) {
                    Some(records) => batch.records = records,
                    None => self.misfits += 1,
                }
            }
        }
        batch
    }
}

/// `records` with `values` in column `name`; `None` when the column may not be put there.
fn merged(source: &RecordBatch, records: &RecordBatch, name: &str, values: ArrayRef) -> Option<RecordBatch> {
    if !DERIVED.contains(&name) || values.len() != records.num_rows() {
        return None;
    }
    let field = core_fields().into_iter().find(|f| f.name() == name)?;
    if field.data_type() != values.data_type() {
        return None;
    }
    let values = match records.column_by_name(name) {
        None => values,
        Some(prior) if name == "ti_score" => {
            let highest = highest(prior, &values)?;
            match source.column_by_name(name) {
                Some(own) => coalesce(own, &highest)?,
                None => highest,
            }
        }
        Some(prior) => coalesce(prior, &values)?,
    };
    replaced(records, field, values)
}

/// `first` where it has a value, else `second`.
fn coalesce(first: &ArrayRef, second: &ArrayRef) -> Option<ArrayRef> {
    if first.null_count() == 0 {
        return Some(first.clone());
    }
    zip(&is_not_null(first).ok()?, first, second).ok()
}

fn highest(a: &ArrayRef, b: &ArrayRef) -> Option<ArrayRef> {
    let a = a.as_any().downcast_ref::<Int32Array>()?;
    let b = b.as_any().downcast_ref::<Int32Array>()?;
    let highest: Int32Array = a.iter().zip(b).map(|(a, b)| a.max(b)).collect();
    Some(Arc::new(highest))
}

fn replaced(records: &RecordBatch, field: Field, values: ArrayRef) -> Option<RecordBatch> {
    let schema = records.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let mut columns = records.columns().to_vec();
    match schema.index_of(field.name()) {
        Ok(at) => columns[at] = values,
        Err(_) => {
            fields.push(Arc::new(field));
            columns.push(values);
        }
    }
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    RecordBatch::try_new(Arc::new(schema), columns).ok()
}
