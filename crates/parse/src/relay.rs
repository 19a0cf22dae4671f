//! Records that come wrapped: unwrapped into another parser's own text, its rows put back in the
//! place of the records they came from.

use crate::cloudfront::INVALID_UTF8;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, RecordBatch, StringViewBuilder};
use arrow::buffer::Buffer;
use arrow::datatypes::{Field, Schema};
use haetae_event::reject::REJECT_BYTES_MAX;
use haetae_event::schema;
use std::sync::Arc;

/// The records that were unwrapped, told by their place among them.
pub trait Wrapped {
    /// Ordinal in the input.
    fn ordinal(&self, record: usize) -> u64;

    /// Appends the record as it was received.
    fn raw(&self, record: usize, out: &mut String);

    /// Whether it was not UTF-8 as received.
    fn is_damaged(&self, record: usize) -> bool;

    /// Appends the attributes of the wrapping as a JSON object; nothing when there are none.
    fn attrs(&self, record: usize, out: &mut String);
}

/// What `inner` makes of `text`, which holds one line a record. `attrs` says that the wrapping
/// has attributes and they are wanted.
pub fn parse(inner: &mut dyn Parser, text: String, wrapped: &dyn Wrapped, attrs: bool) -> ParsedBatch {
    let mut batch = inner.parse(&RawBlock {
        bytes: Buffer::from_vec(text.into_bytes()),
        first_ordinal: 0,
    });
    let records: Vec<usize> = batch.ordinals.iter().map(|&at| at as usize).collect();
    if let Some(rows) = batch.records.take() {
        let mut rows = rows;
        if rows.schema().index_of("raw").is_ok() {
            let raw = texts(&records, |record, out| wrapped.raw(record, out));
            rows = with_column(&rows, "raw", raw);
        }
        if rows.schema().index_of("warnings").is_ok()
            && records.iter().any(|&record| wrapped.is_damaged(record))
        {
            let all = warned(&rows, |row| wrapped.is_damaged(records[row]));
            rows = with_column(&rows, "warnings", all);
        }
        if attrs {
            let own = rows
                .column_by_name("attrs")
                .map(|column| column.as_string_view().clone());
            let mut row = 0;
            let merged = texts(&records, |record, out| {
                if let Some(own) = &own
                    && own.is_valid(row)
                {
                    out.push_str(own.value(row));
                }
                row += 1;
                let mut outer = String::new();
                wrapped.attrs(record, &mut outer);
                merge(out, &outer);
            });
            rows = with_column(&rows, "attrs", merged);
        }
        batch.records = Some(rows);
    }
    batch.ordinals = records.iter().map(|&record| wrapped.ordinal(record)).collect();
    for reject in &mut batch.rejects {
        let record = reject.ordinal as usize;
        let mut raw = String::new();
        wrapped.raw(record, &mut raw);
        raw.truncate(raw.floor_char_boundary(REJECT_BYTES_MAX));
        reject.ordinal = wrapped.ordinal(record);
        reject.bytes = raw.into_bytes();
    }
    batch
}

/// Adds the members of one JSON object to another; either may be empty text.
fn merge(out: &mut String, more: &str) {
    if out.is_empty() || more.is_empty() {
        out.push_str(more);
    } else {
        out.pop();
        out.push(',');
        out.push_str(&more[1..]);
    }
}

/// The warnings of the rows, with one more where the record is `damaged`.
fn warned(rows: &RecordBatch, damaged: impl Fn(usize) -> bool) -> ArrayRef {
    let before = rows
        .column_by_name("warnings")
        .map(|column| column.as_list::<i32>());
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for row in 0..rows.num_rows() {
        let known = before
            .filter(|lists| lists.is_valid(row))
            .map(|lists| lists.value(row));
        let mut codes: Vec<&str> = known
            .iter()
            .flat_map(|codes| codes.as_string_view().iter().flatten())
            .collect();
        if damaged(row) {
            codes.push(INVALID_UTF8);
            codes.sort_unstable();
            codes.dedup();
        }
        codes.iter().for_each(|code| lists.values().append_value(code));
        lists.append(!codes.is_empty());
    }
    Arc::new(lists.finish())
}

/// One text a record, empty text is null.
fn texts(records: &[usize], mut make: impl FnMut(usize, &mut String)) -> ArrayRef {
    let mut column = StringViewBuilder::with_capacity(records.len());
    let mut text = String::new();
    for &record in records {
        text.clear();
        make(record, &mut text);
        column.append_option((!text.is_empty()).then_some(text.as_str()));
    }
    Arc::new(column.finish())
}

/// The rows with a text column put in the place of the one of that name, or behind the core ones.
fn with_column(rows: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    let mut fields = rows.schema().fields().to_vec();
    match rows.schema().index_of(name) {
        Ok(at) => columns[at] = column,
        Err(_) => {
            let core = schema::core_fields();
            let at = fields
                .iter()
                .take_while(|field| core.iter().any(|c| c.name() == field.name()))
                .count();
            fields.insert(at, Arc::new(Field::new(name, column.data_type().clone(), true)));
            columns.insert(at, column);
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("one value a row, typed as declared")
}
