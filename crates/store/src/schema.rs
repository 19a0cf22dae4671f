//! The stored columns of each dataset: Core v1, then the native columns that are not the same
//! as a core column. Every file of a dataset has all of them, so that all files agree.

use crate::error::StoreError;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use haetae_event::dataset::NativeType;
use haetae_event::schema::core_fields;
use haetae_event::{Columns, Dataset, EventBatch};
use std::sync::{Arc, OnceLock};

/// Full schema of a dataset's files.
pub fn dataset_schema(dataset: Dataset) -> SchemaRef {
    static SCHEMAS: OnceLock<Vec<SchemaRef>> = OnceLock::new();
    let all = SCHEMAS.get_or_init(|| Dataset::ALL.into_iter().map(build).collect());
    let index = Dataset::ALL
        .iter()
        .position(|d| *d == dataset)
        .expect("ALL lists every dataset");
    Arc::clone(&all[index])
}

fn build(dataset: Dataset) -> SchemaRef {
    let mut fields = core_fields();
    for native in dataset.native_fields() {
        let kind = match native.kind {
            NativeType::Utf8 => DataType::Utf8View,
            NativeType::Int32 => DataType::Int32,
            NativeType::Int64 => DataType::Int64,
            NativeType::Float64 => DataType::Float64,
            NativeType::Boolean => DataType::Boolean,
            NativeType::Core(_) => continue,
        };
        fields.push(Field::new(native.column, kind, true));
    }
    Arc::new(Schema::new(fields))
}

/// The wanted columns of a dataset in the order of its schema, `ts` always among them.
pub fn projected_schema(dataset: Dataset, columns: &Columns) -> SchemaRef {
    let full = dataset_schema(dataset);
    let fields: Vec<_> = full
        .fields()
        .iter()
        .filter(|field| field.name() == "ts" || columns.wants(field.name()))
        .cloned()
        .collect();
    Arc::new(Schema::new(fields))
}

/// The batch with exactly the columns of `schema`; columns it does not have become null.
///
/// # Panics
/// When a column has another type than `schema` says: the types are fixed, so that is a bug.
pub fn conform(records: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    let rows = records.num_rows();
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match records.column_by_name(field.name()) {
            Some(column) => Arc::clone(column),
            None => new_null_array(field.data_type(), rows),
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .expect("column types are fixed by the schema")
}

/// Whether every column of the batch is one of the dataset's, with the same type.
pub(crate) fn check(batch: &EventBatch) -> Result<(), StoreError> {
    let schema = dataset_schema(batch.dataset);
    for field in batch.records.schema().fields() {
        let stored = schema.field_with_name(field.name());
        if stored.map(Field::data_type).ok() != Some(field.data_type()) {
            return Err(StoreError::Schema {
                dataset: batch.dataset.as_str(),
                why: format!("column {} of type {}", field.name(), field.data_type()),
            });
        }
    }
    if batch.column("ts").is_none() {
        return Err(StoreError::Schema {
            dataset: batch.dataset.as_str(),
            why: "no ts column".to_owned(),
        });
    }
    Ok(())
}
