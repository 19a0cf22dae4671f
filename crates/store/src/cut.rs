//! Hot rows → files: one hour at a time, so that one writer is open at once.

use crate::error::StoreError;
use crate::hot::HotKey;
use crate::partition::{Placed, Row, assign};
use crate::schema::{check, dataset_schema};
use crate::segment::{Place, SegmentWriter};
use crate::store::Store;
use crate::types::{CommitReport, SegmentInfo};
use arrow::array::{
    Array, ArrayRef, ListArray, ListBuilder, RecordBatch, StringViewArray, StringViewBuilder, new_null_array,
};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, SchemaRef};
use haetae_event::time::HOUR_US;
use haetae_event::{EventBatch, Micros};
use std::sync::Arc;

/// Rows gathered at once on their way into a file.
const CHUNK_ROWS: usize = 16 * 1024;

/// Writes all rows of one parser for one tenant's dataset. Files made before an error stay in `made`.
pub(crate) fn cut(
    store: &Store,
    (dataset, tenant, parser): &HotKey,
    batches: &[EventBatch],
    now: Micros,
    made: &mut Vec<SegmentInfo>,
    report: &mut CommitReport,
) -> Result<(), StoreError> {
    for batch in batches {
        check(batch)?;
    }
    let schema = dataset_schema(*dataset);
    for (hour, rows) in assign(batches, &store.options, now) {
        let (dt, hh) = Micros(hour.saturating_mul(HOUR_US)).partition();
        let place = Place {
            id: store.next_segment_id(),
            dataset: *dataset,
            tenant: tenant.clone(),
            dt,
            hh,
            parsers: vec![parser.to_string()],
        };
        let path = store
            .layout
            .file(*dataset, tenant, &place.dt, &place.hh, place.id);
        let written = write_hour(store, place, &schema, batches, &rows);
        if written.is_err() {
            // Never in the catalog: the next open would delete it as well.
            let _ = store.disk.remove(&crate::layout::temporary(&path));
        }
        let segment = written?;
        report.segments += 1;
        report.rows += segment.rows;
        report.bytes += segment.bytes;
        made.push(segment);
        let count = |placed| rows.iter().filter(|row| row.placed == placed).count() as u64;
        report.out_of_range += count(Placed::OutOfRange);
        report.overflow += count(Placed::Overflow);
    }
    Ok(())
}

fn write_hour(
    store: &Store,
    place: Place,
    schema: &SchemaRef,
    batches: &[EventBatch],
    rows: &[Row],
) -> Result<SegmentInfo, StoreError> {
    let disk = store.disk.as_ref();
    let mut writer = SegmentWriter::create(store, place)?;
    for chunk in rows.chunks(CHUNK_ROWS) {
        writer.write(&gather(schema, batches, chunk)?)?;
    }
    let segment = writer.finish(disk)?;
    assert_eq!(
        segment.rows,
        rows.len() as u64,
        "every row of the hour is written"
    );
    Ok(segment)
}

/// The chosen rows with every column of `schema`.
fn gather(schema: &SchemaRef, batches: &[EventBatch], rows: &[Row]) -> Result<RecordBatch, StoreError> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut column = gather_column(field.name(), field.data_type(), batches, rows)?;
        if field.name() == "warnings" && rows.iter().any(|row| row.placed.warning().is_some()) {
            column = warned(&column, rows);
        }
        columns.push(column);
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|e| StoreError::damaged("rows of a commit", e))
}

fn gather_column(
    name: &str,
    data_type: &DataType,
    batches: &[EventBatch],
    rows: &[Row],
) -> Result<ArrayRef, StoreError> {
    let present: Vec<Option<&ArrayRef>> = batches.iter().map(|b| b.column(name)).collect();
    if present.iter().all(Option::is_none) {
        return Ok(new_null_array(data_type, rows.len()));
    }
    let null = new_null_array(data_type, 1);
    let sources: Vec<&dyn Array> = present
        .iter()
        .map(|column| column.map_or(null.as_ref(), |c| c.as_ref()))
        .collect();
    let indices: Vec<(usize, usize)> = rows
        .iter()
        .map(|row| {
            let batch = row.batch as usize;
            (
                batch,
                if present[batch].is_some() {
                    row.row as usize
                } else {
                    0
                },
            )
        })
        .collect();
    interleave(&sources, &indices).map_err(|e| StoreError::damaged(format!("column {name}"), e))
}

/// The `warnings` column with the reason added for rows that lie under their arrival hour.
fn warned(column: &ArrayRef, rows: &[Row]) -> ArrayRef {
    let before: &ListArray = column
        .as_any()
        .downcast_ref()
        .expect("checked against the schema");
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for (index, row) in rows.iter().enumerate() {
        let items = before.is_valid(index).then(|| before.value(index));
        let texts = items
            .as_ref()
            .and_then(|items| items.as_any().downcast_ref::<StringViewArray>());
        for text in texts.into_iter().flatten() {
            lists.values().append_option(text);
        }
        if let Some(warning) = row.placed.warning() {
            lists.values().append_value(warning);
        }
        lists.append(before.is_valid(index) || row.placed.warning().is_some());
    }
    Arc::new(lists.finish())
}
