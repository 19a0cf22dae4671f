//! Small batches.

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use haetae_event::{Dataset, EventBatch, TenantId};
use std::sync::Arc;

/// A batch of the given source addresses and further columns.
pub fn batch(dataset: Dataset, sources: &[Option<&str>], more: Vec<(&str, ArrayRef)>) -> EventBatch {
    let times: TimestampMicrosecondArray = (0..sources.len() as i64).collect::<Vec<_>>().into();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(times.with_timezone("UTC"))),
        ("src_ip", text(sources)),
    ];
    columns.extend(more);
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(*name, values.data_type().clone(), *name != "ts"))
        .collect();
    let values = columns.into_iter().map(|(_, values)| values).collect();
    EventBatch {
        tenant: TenantId::new("t").unwrap(),
        dataset,
        records: RecordBatch::try_new(Arc::new(Schema::new(fields)), values).unwrap(),
    }
}

pub fn web(sources: &[Option<&str>]) -> EventBatch {
    batch(Dataset::Web, sources, Vec::new())
}

pub fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringViewArray>())
}

pub fn numbers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<Int64Array>())
}

pub fn countries(batch: &EventBatch) -> Vec<Option<&str>> {
    batch.str("src_country").expect("src_country").iter().collect()
}

pub fn asns(batch: &EventBatch) -> Vec<Option<i64>> {
    batch.i64("src_asn").expect("src_asn").iter().collect()
}

pub fn scores(batch: &EventBatch) -> Vec<Option<i32>> {
    batch.i32("ti_score").expect("ti_score").iter().collect()
}
