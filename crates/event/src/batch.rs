//! [`EventBatch`]: rows of one tenant and one dataset, as Arrow columns.

use crate::dataset::Dataset;
use crate::inside;
use crate::tenant::TenantId;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use std::collections::BTreeSet;

/// Rows × (a subset of Core v1 + the dataset's native columns). Column names are those of
/// [`crate::schema`]; a column that was not asked for, or that the format does not have, is
/// absent, which reads as all null. String columns may be views into the input block: call
/// [`EventBatch::compact`] before keeping a batch longer than its input.
#[derive(Clone, Debug)]
pub struct EventBatch {
    pub tenant: TenantId,
    pub dataset: Dataset,
    pub records: RecordBatch,
}

impl EventBatch {
    pub fn rows(&self) -> usize {
        self.records.num_rows()
    }

    pub fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.records.column_by_name(name)
    }

    /// The batch as it may be stored: what was taken out of JSON for detection alone is gone.
    pub fn without_inside(mut self) -> EventBatch {
        if let Ok(at) = self.records.schema_ref().index_of(inside::COLUMN) {
            self.records.remove_column(at);
        }
        self
    }

    /// # Panics
    /// When the column exists with another type: the schema is fixed, so that is a bug.
    pub fn str(&self, name: &str) -> Option<&StringViewArray> {
        self.column(name)
            .map(|c| c.as_any().downcast_ref().expect("Utf8View column"))
    }

    /// See [`EventBatch::str`].
    pub fn i64(&self, name: &str) -> Option<&Int64Array> {
        self.column(name)
            .map(|c| c.as_any().downcast_ref().expect("Int64 column"))
    }

    /// See [`EventBatch::str`].
    pub fn i32(&self, name: &str) -> Option<&Int32Array> {
        self.column(name)
            .map(|c| c.as_any().downcast_ref().expect("Int32 column"))
    }

    /// See [`EventBatch::str`].
    pub fn f64(&self, name: &str) -> Option<&Float64Array> {
        self.column(name)
            .map(|c| c.as_any().downcast_ref().expect("Float64 column"))
    }

    /// See [`EventBatch::str`].
    pub fn bool(&self, name: &str) -> Option<&BooleanArray> {
        self.column(name)
            .map(|c| c.as_any().downcast_ref().expect("Boolean column"))
    }

    /// Event times in µs; never null.
    ///
    /// # Panics
    /// When the batch has no `ts` column: every parser makes one.
    pub fn ts(&self) -> &TimestampMicrosecondArray {
        self.column("ts")
            .and_then(|c| c.as_any().downcast_ref())
            .expect("every batch carries ts")
    }

    /// Smallest and largest event time, or `None` for an empty batch.
    pub fn ts_range(&self) -> Option<(i64, i64)> {
        let values = self.ts().values();
        let first = *values.first()?;
        Some(
            values
                .iter()
                .fold((first, first), |(lo, hi), &t| (lo.min(t), hi.max(t))),
        )
    }

    /// Copies every string view into fresh, tight buffers, so that no row pins its input block.
    pub fn compact(&mut self) {
        let columns: Vec<ArrayRef> = self
            .records
            .columns()
            .iter()
            .map(|column| match column.as_any().downcast_ref::<StringViewArray>() {
                Some(views) => std::sync::Arc::new(views.gc()) as ArrayRef,
                None => column.clone(),
            })
            .collect();
        self.records =
            RecordBatch::try_new(self.records.schema(), columns).expect("same schema, same lengths");
    }

    /// Bytes held by the columns, shared buffers counted once per column.
    pub fn memory_bytes(&self) -> usize {
        self.records.get_array_memory_size()
    }
}

/// Which columns a caller wants parsed or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    All,
    Only(BTreeSet<String>),
}

impl Columns {
    pub fn only<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Columns::Only(names.into_iter().map(str::to_owned).collect())
    }

    pub fn wants(&self, name: &str) -> bool {
        match self {
            Columns::All => true,
            Columns::Only(names) => names.contains(name),
        }
    }

    pub fn union(self, other: Columns) -> Columns {
        match (self, other) {
            (Columns::Only(mut a), Columns::Only(b)) => {
                a.extend(b);
                Columns::Only(a)
            }
            _ => Columns::All,
        }
    }
}
