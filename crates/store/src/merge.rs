//! Merging files that are each sorted by time, in bounded memory.

use crate::error::StoreError;
use crate::file::{self, FileChunks};
use crate::schema::{conform, dataset_schema};
use crate::types::SegmentInfo;
use arrow::array::{RecordBatch, TimestampMicrosecondArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use haetae_event::disk::SharedDisk;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Rows decoded of each input at once, and rows handed on at once.
const BATCH_ROWS: usize = 4096;

struct Input {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    name: String,
    /// Index of its current batch among those the next output draws from.
    slot: usize,
    row: usize,
}

impl Input {
    fn open(disk: &SharedDisk, segment: &SegmentInfo) -> Result<Input, StoreError> {
        let builder = file::open(disk, &segment.path)?.with_batch_size(BATCH_ROWS);
        let reader = build(builder, segment)?;
        Ok(Input {
            reader,
            schema: dataset_schema(segment.dataset),
            name: segment.path.display().to_string(),
            slot: 0,
            row: 0,
        })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        for records in self.reader.by_ref() {
            let records = records.map_err(|e| StoreError::damaged(&self.name, e))?;
            if records.num_rows() > 0 {
                return Ok(Some(conform(&records, &self.schema)));
            }
        }
        Ok(None)
    }
}

fn build(
    builder: parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder<FileChunks>,
    segment: &SegmentInfo,
) -> Result<ParquetRecordBatchReader, StoreError> {
    builder
        .build()
        .map_err(|e| StoreError::damaged(segment.path.display(), e))
}

fn ts_of(records: &RecordBatch, row: usize) -> i64 {
    let column = records.column_by_name("ts");
    column
        .and_then(|c| c.as_any().downcast_ref::<TimestampMicrosecondArray>())
        .expect("conformed to the schema, which has ts")
        .value(row)
}

/// Hands the rows of all files to `write` in order of time; among equals in order of files. At
/// most two batches of each input are in memory.
pub(crate) fn merge(
    disk: &SharedDisk,
    files: &[SegmentInfo],
    write: &mut dyn FnMut(&RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut inputs = Vec::with_capacity(files.len());
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut heads = BinaryHeap::new();
    for segment in files {
        let mut input = Input::open(disk, segment)?;
        if let Some(batch) = input.next_batch()? {
            input.slot = batches.len();
            heads.push(Reverse((ts_of(&batch, 0), inputs.len())));
            batches.push(batch);
        }
        inputs.push(input);
    }
    let mut picked: Vec<(usize, usize)> = Vec::with_capacity(BATCH_ROWS);
    while let Some(Reverse((_, index))) = heads.pop() {
        let input = &mut inputs[index];
        picked.push((input.slot, input.row));
        input.row += 1;
        if input.row < batches[input.slot].num_rows() {
            heads.push(Reverse((ts_of(&batches[input.slot], input.row), index)));
        } else if let Some(batch) = input.next_batch()? {
            input.slot = batches.len();
            input.row = 0;
            heads.push(Reverse((ts_of(&batch, 0), index)));
            batches.push(batch);
        }
        if picked.len() >= BATCH_ROWS || batches.len() > 2 * files.len() {
            hand_on(&batches, &mut picked, write)?;
            forget_spent(&mut batches, &mut inputs, &heads);
        }
    }
    hand_on(&batches, &mut picked, write)
}

fn hand_on(
    batches: &[RecordBatch],
    picked: &mut Vec<(usize, usize)>,
    write: &mut dyn FnMut(&RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if picked.is_empty() {
        return Ok(());
    }
    let sources: Vec<&RecordBatch> = batches.iter().collect();
    let records =
        interleave_record_batch(&sources, picked).map_err(|e| StoreError::damaged("rows of a merge", e))?;
    picked.clear();
    write(&records)
}

/// Keeps only the batches that still have rows to give.
fn forget_spent(
    batches: &mut Vec<RecordBatch>,
    inputs: &mut [Input],
    heads: &BinaryHeap<Reverse<(i64, usize)>>,
) {
    let mut kept = Vec::with_capacity(heads.len());
    for Reverse((_, index)) in heads {
        let input = &mut inputs[*index];
        kept.push(batches[input.slot].clone());
        input.slot = kept.len() - 1;
    }
    *batches = kept;
}
