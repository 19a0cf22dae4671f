//! Values of Arrow columns as text and as JSON.

use crate::json_write::{push_key, push_string};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Float64Array, Int32Array, Int64Array, MapArray,
    StringViewArray, StructArray,
};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::array_value_to_string;
use haetae_event::Micros;
use std::fmt::Write;

/// One column, its type resolved once.
pub enum Cells<'a> {
    Text(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    I32(&'a Int32Array),
    I64(&'a Int64Array),
    F64(&'a Float64Array),
    Bool(&'a BooleanArray),
    /// Units since the epoch, and how many of them are a second.
    Time(Vec<i64>, i64, &'a dyn Array),
    Struct(&'a StructArray),
    List(&'a dyn Array),
    Map(&'a MapArray),
    Null,
    /// Whether its text is a number.
    Other(&'a dyn Array, bool),
}

impl<'a> Cells<'a> {
    pub fn of(column: &'a ArrayRef) -> Cells<'a> {
        match column.data_type() {
            DataType::Utf8View => Cells::Text(column.as_string_view()),
            DataType::BinaryView => Cells::Bytes(column.as_binary_view()),
            DataType::Int32 => Cells::I32(column.as_primitive::<Int32Type>()),
            DataType::Int64 => Cells::I64(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Cells::F64(column.as_primitive::<Float64Type>()),
            DataType::Boolean => Cells::Bool(column.as_boolean()),
            DataType::Timestamp(unit, _) => {
                let (values, in_second) = match unit {
                    TimeUnit::Second => (column.as_primitive::<TimestampSecondType>().values(), 1),
                    TimeUnit::Millisecond => {
                        (column.as_primitive::<TimestampMillisecondType>().values(), 1_000)
                    }
                    TimeUnit::Microsecond => (
                        column.as_primitive::<TimestampMicrosecondType>().values(),
                        1_000_000,
                    ),
                    TimeUnit::Nanosecond => (
                        column.as_primitive::<TimestampNanosecondType>().values(),
                        1_000_000_000,
                    ),
                };
                Cells::Time(values.to_vec(), in_second, column)
            }
            DataType::Struct(_) => Cells::Struct(column.as_struct()),
            DataType::List(_) => Cells::List(column),
            DataType::Map(..) => Cells::Map(column.as_map()),
            DataType::Null => Cells::Null,
            kind => Cells::Other(column, kind.is_numeric()),
        }
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Text(a) => a.is_null(row),
            Cells::Bytes(a) => a.is_null(row),
            Cells::I32(a) => a.is_null(row),
            Cells::I64(a) => a.is_null(row),
            Cells::F64(a) => a.is_null(row) || !a.value(row).is_finite(),
            Cells::Bool(a) => a.is_null(row),
            Cells::Struct(a) => a.is_null(row),
            Cells::Map(a) => a.is_null(row),
            Cells::Time(_, _, a) | Cells::List(a) | Cells::Other(a, _) => a.is_null(row),
            Cells::Null => true,
        }
    }

    /// Whether the value is bytes that are no UTF-8, and its text not all that it was.
    pub fn is_damaged(&self, row: usize) -> bool {
        match self {
            Cells::Bytes(a) => !a.is_null(row) && std::str::from_utf8(a.value(row)).is_err(),
            _ => false,
        }
    }

    /// Appends the value as a log line would have it; nested values as JSON. Text longer than
    /// `most` bytes is cut behind it.
    pub fn push_text(&self, row: usize, most: usize, out: &mut String) {
        match self {
            Cells::Text(a) => {
                let text = a.value(row);
                out.push_str(&text[..text.ceil_char_boundary(most + 1)]);
            }
            Cells::Bytes(a) => {
                let bytes = a.value(row);
                out.push_str(&String::from_utf8_lossy(&bytes[..bytes.len().min(most + 1)]));
            }
            Cells::Time(values, in_second, _) => push_time(values[row], *in_second, out),
            Cells::Other(array, _) => out.push_str(&other(*array, row)),
            _ => self.push_json(row, most, out),
        }
    }

    /// Appends a time as whole units of `1 / in_second` seconds; anything else as text.
    pub fn push_epoch(&self, row: usize, in_second: i64, most: usize, out: &mut String) {
        match self {
            Cells::Time(values, units, _) => {
                let value = i128::from(values[row]) * i128::from(in_second);
                let _ = write!(out, "{}", value.div_euclid(i128::from(*units)));
            }
            _ => self.push_text(row, most, out),
        }
    }

    /// Appends the value as JSON. Stops early once `out` is longer than `most` bytes, which is
    /// for the caller to see.
    pub fn push_json(&self, row: usize, most: usize, out: &mut String) {
        if out.len() > most {
            return;
        }
        if self.is_null(row) {
            out.push_str("null");
            return;
        }
        match self {
            Cells::I32(a) => drop(write!(out, "{}", a.value(row))),
            Cells::I64(a) => drop(write!(out, "{}", a.value(row))),
            Cells::F64(a) => drop(write!(out, "{}", a.value(row))),
            Cells::Bool(a) => drop(write!(out, "{}", a.value(row))),
            Cells::Struct(a) => {
                let mut object = String::new();
                for (name, column) in a.column_names().iter().zip(a.columns()) {
                    let cells = Cells::of(column);
                    if !cells.is_null(row) && object.len() <= most {
                        push_key(&mut object, name);
                        cells.push_json(row, most, &mut object);
                    }
                }
                out.push_str(if object.is_empty() { "{" } else { &object });
                out.push('}');
            }
            Cells::List(a) => push_items(&a.as_list::<i32>().value(row), most, out),
            Cells::Map(a) => push_items(&(std::sync::Arc::new(a.value(row)) as ArrayRef), most, out),
            Cells::Other(array, true) => out.push_str(&other(*array, row)),
            _ => {
                let mut text = String::new();
                self.push_text(row, most, &mut text);
                push_string(out, &text);
            }
        }
    }
}

fn push_items(items: &ArrayRef, most: usize, out: &mut String) {
    let cells = Cells::of(items);
    out.push('[');
    for row in 0..items.len() {
        if out.len() > most {
            break;
        }
        if row > 0 {
            out.push(',');
        }
        cells.push_json(row, most, out);
    }
    out.push(']');
}

/// RFC 3339 UTC, with as many digits as the value has.
fn push_time(value: i64, in_second: i64, out: &mut String) {
    let (seconds, part) = (value.div_euclid(in_second), value.rem_euclid(in_second));
    let whole = Micros::from_seconds(seconds).to_string();
    out.push_str(whole.trim_end_matches('Z'));
    if part > 0 {
        let digits = in_second.ilog10() as usize;
        let fraction = format!(".{part:0digits$}");
        out.push_str(fraction.trim_end_matches('0'));
    }
    out.push('Z');
}

fn other(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            // JSON has no other.
            if value.is_finite() {
                value.to_string()
            } else {
                "null".into()
            }
        }
        // Times of day and dates print as logs have them; a value out of range prints as nothing.
        _ => array_value_to_string(array, row).unwrap_or_default(),
    }
}
