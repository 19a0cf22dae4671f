//! Columns of a run of rows: those that are one field, and those every web log has.

use super::{Layout, push_json_string};
use crate::lines::Row;
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::separators::Index;
use crate::sheet::Sheet;
use haetae_event::Dataset;
use haetae_event::dataset::NativeType;
use std::ops::Range;

/// How one native column is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    Text,
    /// Text that the format encodes; the format's own business.
    Decoded,
    I32,
    I64,
    F64,
}

/// (place in the native table, slot, how) of the wanted columns that are one field each.
/// `decoded` tells by a vendor's name which texts are encoded.
pub fn makes(dataset: Dataset, plan: &Plan, decoded: fn(&str) -> bool) -> Vec<(usize, Slot, Make)> {
    let mut makes = Vec::new();
    for (place, field) in dataset.native_fields().iter().enumerate() {
        let text = if decoded(field.vendor) {
            Make::Decoded
        } else {
            Make::Text
        };
        let (column, make) = match field.kind {
            NativeType::Utf8 => (field.column, text),
            NativeType::Int32 => (field.column, Make::I32),
            NativeType::Int64 => (field.column, Make::I64),
            NativeType::Float64 => (field.column, Make::F64),
            // No field of these formats is one, and the peer goes with the client.
            NativeType::Boolean | NativeType::Core("peer_ip") => continue,
            NativeType::Core(core @ ("bytes_in" | "bytes_out")) => (core, Make::I64),
            NativeType::Core(core) => (core, text),
        };
        let slot = plan.slot(column);
        if slot.wanted() {
            makes.push((place, slot, make));
        }
    }
    makes
}

/// Rows of one layout, ready for their columns.
pub struct Run<'r> {
    pub layout: &'r Layout,
    pub index: &'r Index,
    pub rows: &'r [Row],
    /// Row of the sheet that the first of `rows` is.
    pub base: usize,
    /// The block.
    pub bytes: &'r [u8],
}

impl<'r> Run<'r> {
    #[inline]
    pub fn value(&self, row: &Row, position: u32) -> Option<Range<usize>> {
        row.value(self.index, self.bytes, position)
    }

    /// Number in the sheet and row.
    #[inline]
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &'r Row)> + use<'r> {
        let base = self.base;
        self.rows
            .iter()
            .enumerate()
            .map(move |(at, row)| (base + at, row))
    }

    /// Number in the sheet and value of every row that has one at `position`.
    #[inline]
    pub fn values(&self, position: u32) -> impl Iterator<Item = (usize, Range<usize>)> + use<'r> {
        let (index, bytes) = (self.index, self.bytes);
        self.numbered()
            .filter_map(move |(number, row)| row.value(index, bytes, position).map(|span| (number, span)))
    }

    /// A column that is one field, as logged.
    pub fn plain(&self, sheet: &mut Sheet<'_>, position: u32, slot: Slot, make: Make) {
        let bytes = self.bytes;
        let values = self.values(position);
        match make {
            Make::Text | Make::Decoded => values.for_each(|(row, span)| sheet.put_span(slot, row, span)),
            Make::I32 => values.for_each(|(row, span)| {
                if let Some(n) = scalar::integer(&bytes[span]).and_then(|n| i32::try_from(n).ok()) {
                    sheet.put_i32(slot, row, n);
                }
            }),
            Make::I64 => values.for_each(|(row, span)| {
                if let Some(n) = scalar::integer(&bytes[span]) {
                    sheet.put_i64(slot, row, n);
                }
            }),
            Make::F64 => values.for_each(|(row, span)| {
                if let Some(n) = scalar::decimal(&bytes[span]) {
                    sheet.put_f64(slot, row, n);
                }
            }),
        }
    }

    /// The first of two fields that has a value.
    pub fn either(&self, sheet: &mut Sheet<'_>, slot: Slot, first: u32, second: u32) {
        if !slot.wanted() {
            return;
        }
        for (number, row) in self.numbered() {
            if let Some(span) = self.value(row, first).or_else(|| self.value(row, second)) {
                sheet.put_span(slot, number, span);
            }
        }
    }

    /// Path and query with `?` between them.
    pub fn uri(&self, sheet: &mut Sheet<'_>, slot: Slot, stem: u32, query: u32) {
        if !slot.wanted() {
            return;
        }
        for (number, row) in self.numbered() {
            let Some(path) = self.value(row, stem) else {
                continue;
            };
            match self.value(row, query) {
                Some(query) => sheet.put_joined(slot, number, path, query),
                None => sheet.put_span(slot, number, path),
            }
        }
    }

    /// The status; one that was never sent (`000`) is null.
    pub fn status(&self, sheet: &mut Sheet<'_>, slot: Slot, position: u32) {
        if slot.wanted() {
            for (number, span) in self.values(position) {
                if let Some(status @ 1..=999) = scalar::integer(&self.bytes[span]) {
                    sheet.put_i32(slot, number, status as i32);
                }
            }
        }
    }

    pub fn raw(&self, sheet: &mut Sheet<'_>, slot: Slot) {
        if slot.wanted() {
            for (number, row) in self.numbered() {
                sheet.put_span(slot, number, row.span());
            }
        }
    }

    /// The fields without a column, as a JSON object of strings.
    pub fn attrs(&self, sheet: &mut Sheet<'_>, slot: Slot) {
        if !slot.wanted() || self.layout.others.is_empty() {
            return;
        }
        let text = sheet.text();
        let mut attrs = String::new();
        for (number, row) in self.numbered() {
            attrs.clear();
            // Positions ascend: those a short row lacks cost nothing.
            let others = self.layout.others.iter();
            for (position, name) in others.take_while(|(position, _)| *position < row.fields) {
                if let Some(span) = self.value(row, *position) {
                    attrs.push(if attrs.is_empty() { '{' } else { ',' });
                    attrs.push_str(name);
                    attrs.push(':');
                    push_json_string(&mut attrs, &text[span]);
                }
            }
            if !attrs.is_empty() {
                attrs.push('}');
                sheet.put_str(slot, number, &attrs);
            }
        }
    }
}
