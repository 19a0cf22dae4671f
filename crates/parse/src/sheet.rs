//! The columns of one batch while they grow: string views into the block, no copies.
//!
//! `unsafe` because [`Sheet::finish`] builds the string arrays
//! without validating every view again (measured with `examples/parse_speed.rs`).
//!
//! Proof. A view is made only here, in [`span_view`], or in [`Sheet::put_str`], of a `str` of at
//! most 12 bytes, which it holds itself. Else it is either null (0), or it describes
//! `text[start..end]` of one of two strings: the block, which [`Sheet::new`] validated as UTF-8,
//! or `extra`, a `String` that is only appended to. `str::get` has checked that the range is in
//! bounds and on character boundaries. Texts of at most 12 bytes are inlined with zero padding,
//! longer ones carry their first four bytes, the buffer's index and the offset, as
//! `arrow::array::make_view` lays them out. Columns are private to the sheet that owns both
//! strings, so no view meets other buffers than its own, and `finish` consumes the sheet.

#![allow(unsafe_code)]

use crate::parser::ParsedBatch;
use crate::plan::{Kind, Plan, Slot};
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListBuilder, NullBufferBuilder,
    RecordBatch, StringViewArray, StringViewBuilder, StructArray, TimestampMicrosecondArray, make_view,
    new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use haetae_event::inside;
use std::ops::Range;
use std::sync::Arc;

/// The range does not fit the text, or cuts a character: a parser's mistake, never the input's.
const BAD_SPAN: &str = "spans end at ASCII delimiters inside the text";

/// Longest text that a view holds itself.
const INLINE_BYTES_MAX: usize = 12;

/// Where a string appended with [`Sheet::extra`] lies.
#[derive(Clone, Copy, Debug)]
pub struct ExtraSpan {
    start: u32,
    end: u32,
}

/// Rows in the making. Values are put into the current row, columns not put are null in it.
pub struct Sheet<'a> {
    plan: &'a Plan,
    block: &'a Buffer,
    text: &'a str,
    extra: String,
    columns: Vec<Column>,
    /// By slot of the wishes inside JSON, then by tree: whether the row is unsure.
    inside: Vec<Column>,
    ts: Vec<i64>,
    ordinals: Vec<u64>,
    /// (row, code), in row order.
    warnings: Vec<(usize, &'static str)>,
}

struct Column {
    values: Values,
    nulls: NullBufferBuilder,
}

enum Values {
    Text(Vec<u128>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    /// `ts` and `warnings` are kept beside the columns.
    Aside,
}

/// The view of `text[range]`, which lies in buffer `buffer`.
#[inline]
fn span_view(text: &str, range: Range<usize>, buffer: u32) -> u128 {
    let start = range.start;
    let bytes = text.get(range).expect(BAD_SPAN).as_bytes();
    if let [a, b, c, d, _, _, _, _, _, _, _, _, _, ..] = *bytes {
        let prefix = u32::from_le_bytes([a, b, c, d]);
        return (bytes.len() as u128)
            | u128::from(prefix) << 32
            | u128::from(buffer) << 64
            | (start as u128) << 96;
    }
    // Sixteen bytes are there to be read but at the very end of the text.
    if let Some(word) = text.as_bytes().get(start..start + 16)
        && let Ok(word) = <[u8; 16]>::try_from(word)
    {
        let keep = (1u128 << (bytes.len() * 8)) - 1;
        return (u128::from_le_bytes(word) & keep) << 32 | bytes.len() as u128;
    }
    make_view(bytes, buffer, start as u32)
}

impl Column {
    fn new(kind: Kind, rows: usize) -> Self {
        let values = match kind {
            Kind::Text => Values::Text(Vec::with_capacity(rows)),
            Kind::I32 => Values::I32(Vec::with_capacity(rows)),
            Kind::I64 => Values::I64(Vec::with_capacity(rows)),
            Kind::F64 => Values::F64(Vec::with_capacity(rows)),
            Kind::Bool => Values::Bool(Vec::with_capacity(rows)),
            Kind::Ts | Kind::Warnings => Values::Aside,
        };
        Column {
            values,
            nulls: NullBufferBuilder::new(rows),
        }
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Text(v) => v.len(),
            Values::I32(v) => v.len(),
            Values::I64(v) => v.len(),
            Values::F64(v) => v.len(),
            Values::Bool(v) => v.len(),
            Values::Aside => 0,
        }
    }

    /// Fills up with nulls to `rows`.
    #[inline]
    fn pad(&mut self, rows: usize) {
        if self.len() < rows {
            self.pad_slow(rows);
        }
    }

    #[inline(always)]
    fn put_view(&mut self, row: usize, view: u128) {
        self.pad(row);
        if let Values::Text(values) = &mut self.values
            && values.len() == row
        {
            values.push(view);
            self.nulls.append_non_null();
        }
    }

    #[cold]
    fn pad_slow(&mut self, rows: usize) {
        self.nulls.append_n_nulls(rows - self.len());
        match &mut self.values {
            Values::Text(v) => v.resize(rows, 0),
            Values::I32(v) => v.resize(rows, 0),
            Values::I64(v) => v.resize(rows, 0),
            Values::F64(v) => v.resize(rows, 0.0),
            Values::Bool(v) => v.resize(rows, false),
            Values::Aside => {}
        }
    }
}

macro_rules! put {
    ($name:ident, $variant:ident, $type:ty, $doc:literal) => {
        #[doc = $doc]
        #[inline]
        pub fn $name(&mut self, slot: Slot, row: usize, value: $type) {
            let Some(column) = self.columns.get_mut(slot.index()) else {
                return;
            };
            column.pad(row);
            if let Values::$variant(values) = &mut column.values
                && values.len() == row
            {
                values.push(value);
                column.nulls.append_non_null();
            }
        }
    };
}

impl<'a> Sheet<'a> {
    /// A sheet over `block`; `None` when the block is not UTF-8.
    pub fn new(plan: &'a Plan, block: &'a Buffer, rows: usize) -> Option<Self> {
        let text = simdutf8::basic::from_utf8(block.as_slice()).ok()?;
        assert!(u32::try_from(text.len()).is_ok(), "blocks are far below 4 GiB");
        Some(Sheet {
            plan,
            block,
            text,
            extra: String::new(),
            columns: plan.kinds().iter().map(|&kind| Column::new(kind, rows)).collect(),
            inside: (0..plan
                .inside()
                .map_or(0, |wanted| wanted.slots as usize + wanted.trees.len()))
                .map(|_| Column::new(Kind::Text, 0))
                .collect(),
            ts: Vec::with_capacity(rows),
            ordinals: Vec::with_capacity(rows),
            warnings: Vec::new(),
        })
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Index of the row being built, in row-wise use.
    pub fn row(&self) -> usize {
        self.ts.len()
    }

    /// Ends the current row.
    #[inline]
    pub fn end_row(&mut self, ts: i64, ordinal: u64) {
        self.ts.push(ts);
        self.ordinals.push(ordinal);
    }

    /// Puts `text[range]` of the block into `row`; a value already there stays.
    #[inline]
    pub fn put_span(&mut self, slot: Slot, row: usize, range: Range<usize>) {
        if slot.wanted() {
            self.put_view(slot, row, span_view(self.text, range, 0));
        }
    }

    /// Keeps a string that is not in the block.
    pub fn extra(&mut self, value: &str) -> ExtraSpan {
        let start = self.extra.len() as u32;
        self.extra.push_str(value);
        ExtraSpan {
            start,
            end: u32::try_from(self.extra.len()).expect("extras are smaller than 4 GiB"),
        }
    }

    #[inline]
    pub fn put_extra(&mut self, slot: Slot, row: usize, span: ExtraSpan) {
        if slot.wanted() {
            let view = span_view(&self.extra, span.start as usize..span.end as usize, 1);
            self.put_view(slot, row, view);
        }
    }

    /// Copies `value` into the sheet.
    pub fn put_str(&mut self, slot: Slot, row: usize, value: &str) {
        if !slot.wanted() {
            return;
        }
        if value.len() > INLINE_BYTES_MAX {
            let span = self.extra(value);
            self.put_extra(slot, row, span);
        } else {
            // The view holds it all, and says nothing of a buffer.
            self.put_view(slot, row, make_view(value.as_bytes(), 0, 0));
        }
    }

    // Measured with `parse_bench`: as a call, access logs were about a twentieth slower.
    #[inline(always)]
    fn put_view(&mut self, slot: Slot, row: usize, view: u128) {
        if let Some(column) = self.columns.get_mut(slot.index()) {
            column.put_view(row, view);
        }
    }

    /// Puts a value found inside JSON; `at` is its slot, or the number of slots and that of a tree.
    #[inline]
    pub fn put_inside(&mut self, at: usize, row: usize, range: Range<usize>) {
        let view = span_view(self.text, range, 0);
        if let Some(column) = self.inside.get_mut(at) {
            column.put_view(row, view);
        }
    }

    /// The same for a part of what was kept with [`Sheet::extra`].
    pub fn put_inside_extra(&mut self, at: usize, row: usize, whole: ExtraSpan, part: Range<usize>) {
        let start = whole.start as usize;
        let view = span_view(&self.extra, start + part.start..start + part.end, 1);
        if let Some(column) = self.inside.get_mut(at) {
            column.put_view(row, view);
        }
    }

    /// Two spans of the block with `?` between them, without an intermediate copy.
    pub fn put_joined(&mut self, slot: Slot, row: usize, stem: Range<usize>, query: Range<usize>) {
        if slot.wanted() {
            let start = self.extra.len() as u32;
            self.extra.push_str(self.text.get(stem).expect(BAD_SPAN));
            self.extra.push('?');
            self.extra.push_str(self.text.get(query).expect(BAD_SPAN));
            let end = u32::try_from(self.extra.len()).expect("extras are smaller than 4 GiB");
            self.put_extra(slot, row, ExtraSpan { start, end });
        }
    }

    put!(put_i32, I32, i32, "Puts a number; a value already there stays.");
    put!(put_i64, I64, i64, "Puts a number; a value already there stays.");
    put!(put_f64, F64, f64, "Puts a number; a value already there stays.");
    put!(
        put_bool,
        Bool,
        bool,
        "Puts a truth value; a value already there stays."
    );

    /// Notes a soft problem of `row`; rows may come in any order.
    pub fn warn(&mut self, row: usize, code: &'static str) {
        self.warnings.push((row, code));
    }

    /// The batch, its records `None` when there is no row. Rejects and counts are the caller's.
    pub fn finish(mut self) -> ParsedBatch {
        let rows = self.ts.len();
        if rows == 0 {
            return ParsedBatch::default();
        }
        let buffers: Arc<[Buffer]> = if self.extra.is_empty() {
            Arc::new([self.block.clone()])
        } else {
            Arc::new([self.block.clone(), Buffer::from_vec(self.extra.into_bytes())])
        };
        self.warnings.sort();
        // A byte that is no UTF-8 may be both in what was logged and in what it decodes to.
        self.warnings.dedup();
        let mut ts = Some(self.ts);
        let warnings = &self.warnings;
        // Columns without any value share one array a type: most fields of a wide table are absent.
        let mut nulls: Vec<(Kind, ArrayRef)> = Vec::new();
        let found = inside_column(self.plan, std::mem::take(&mut self.inside), rows, &buffers);
        let mut arrays: Vec<ArrayRef> = self
            .columns
            .into_iter()
            .zip(self.plan.kinds())
            .zip(self.plan.schema().fields())
            .map(|((mut column, kind), field)| match kind {
                Kind::Ts => times(ts.take().unwrap_or_default()),
                Kind::Warnings => warning_lists(warnings, rows),
                _ if column.len() == 0 => match nulls.iter().find(|(known, _)| known == kind) {
                    Some((_, shared)) => shared.clone(),
                    None => {
                        let fresh = new_null_array(field.data_type(), rows);
                        nulls.push((*kind, fresh.clone()));
                        fresh
                    }
                },
                _ => {
                    column.pad(rows);
                    array(column, &buffers)
                }
            })
            .collect();
        let schema = match found {
            None => self.plan.schema(),
            Some(found) => {
                let schema = self.plan.schema_with_inside(found.data_type().clone());
                arrays.push(found);
                schema
            }
        };
        let records = RecordBatch::try_new(schema, arrays)
            .expect("columns follow the plan and are padded to the same length");
        ParsedBatch {
            records: Some(records),
            ordinals: self.ordinals,
            ..ParsedBatch::default()
        }
    }
}

/// What was found inside JSON: a child for each path with a value.
fn inside_column(
    plan: &Plan,
    columns: Vec<Column>,
    rows: usize,
    buffers: &Arc<[Buffer]>,
) -> Option<ArrayRef> {
    let slots = plan.inside()?.slots as usize;
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    let filled = columns
        .into_iter()
        .enumerate()
        .filter(|(_, column)| column.len() > 0);
    for (at, mut column) in filled {
        column.pad(rows);
        let name = match at.checked_sub(slots) {
            None => at.to_string(),
            Some(tree) => inside::unsure(tree),
        };
        fields.push(Field::new(name, DataType::Utf8View, true));
        arrays.push(array(column, buffers));
    }
    let column = StructArray::try_new_with_length(fields.into(), arrays, None, rows);
    Some(Arc::new(column.expect("columns are padded to the same length")))
}

fn times(ts: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC"))
}

fn warning_lists(warnings: &[(usize, &'static str)], rows: usize) -> ArrayRef {
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    let mut rest = warnings;
    for row in 0..rows {
        let here = rest.iter().take_while(|(at, _)| *at == row).count();
        for (_, code) in &rest[..here] {
            lists.values().append_value(code);
        }
        lists.append(here > 0);
        rest = &rest[here..];
    }
    Arc::new(lists.finish())
}

fn array(mut column: Column, buffers: &Arc<[Buffer]>) -> ArrayRef {
    let nulls = column.nulls.finish();
    match column.values {
        Values::Text(views) => {
            // SAFETY: see the module's proof: every view was made by `span_view` over these
            // buffers, in this order, from ranges checked against valid UTF-8; null slots are 0.
            let array =
                unsafe { StringViewArray::new_unchecked(ScalarBuffer::from(views), buffers.clone(), nulls) };
            Arc::new(array)
        }
        Values::I32(values) => Arc::new(Int32Array::new(values.into(), nulls)),
        Values::I64(values) => Arc::new(Int64Array::new(values.into(), nulls)),
        Values::F64(values) => Arc::new(Float64Array::new(values.into(), nulls)),
        Values::Bool(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
        Values::Aside => unreachable!("ts and warnings are built beside the columns"),
    }
}
