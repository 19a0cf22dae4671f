//! One value of a result, free of Arrow's many types.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{self as types, DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::borrow::Cow;

pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    /// Bytes are lower-case hex, times RFC 3339 UTC.
    Text(Cow<'a, str>),
    /// JSON text.
    List(String),
}

/// The value in row `row`.
///
/// # Panics
/// When `row` is out of bounds.
pub(crate) fn cell(array: &dyn Array, row: usize) -> Cell<'_> {
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Cell::Int(array.as_primitive::<types::Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Int(array.as_primitive::<types::Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Int(array.as_primitive::<types::Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<types::Int64Type>().value(row)),
        DataType::UInt8 => Cell::UInt(array.as_primitive::<types::UInt8Type>().value(row).into()),
        DataType::UInt16 => Cell::UInt(array.as_primitive::<types::UInt16Type>().value(row).into()),
        DataType::UInt32 => Cell::UInt(array.as_primitive::<types::UInt32Type>().value(row).into()),
        DataType::UInt64 => Cell::UInt(array.as_primitive::<types::UInt64Type>().value(row)),
        DataType::Float32 => Cell::Float(array.as_primitive::<types::Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Float(array.as_primitive::<types::Float64Type>().value(row)),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row).into()),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        DataType::Timestamp(unit, _) => time(array, row, *unit),
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref()),
        _ => printed(array, row),
    }
}

fn hex(bytes: &[u8]) -> Cell<'static> {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Cell::Text(digits.collect::<String>().into())
}

fn time(array: &dyn Array, row: usize, unit: TimeUnit) -> Cell<'static> {
    let (value, per_second) = match unit {
        TimeUnit::Second => (array.as_primitive::<types::TimestampSecondType>().value(row), 1),
        TimeUnit::Millisecond => (
            array.as_primitive::<types::TimestampMillisecondType>().value(row),
            1_000,
        ),
        TimeUnit::Microsecond => (
            array.as_primitive::<types::TimestampMicrosecondType>().value(row),
            1_000_000,
        ),
        TimeUnit::Nanosecond => (
            array.as_primitive::<types::TimestampNanosecondType>().value(row),
            1_000_000_000,
        ),
    };
    let nanos = i128::from(value) * i128::from(1_000_000_000 / per_second);
    match jiff::Timestamp::from_nanosecond(nanos) {
        Ok(stamp) => Cell::Text(stamp.to_string().into()),
        Err(_) => Cell::Int(value),
    }
}

fn list(items: &dyn Array) -> Cell<'static> {
    let mut text = String::from("[");
    for row in 0..items.len() {
        if row > 0 {
            text.push(',');
        }
        push_json(&mut text, &cell(items, row));
    }
    text.push(']');
    Cell::List(text)
}

/// Intervals, decimals, structs: as Arrow prints them.
fn printed(array: &dyn Array, row: usize) -> Cell<'static> {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => Cell::Text(formatter.value(row).to_string().into()),
        Err(_) => Cell::Null,
    }
}

/// Appends the value as JSON. Numbers JSON cannot say are null.
pub(crate) fn push_json(out: &mut String, cell: &Cell<'_>) {
    match cell {
        Cell::Null => out.push_str("null"),
        Cell::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Cell::Int(value) => out.push_str(&value.to_string()),
        Cell::UInt(value) => out.push_str(&value.to_string()),
        Cell::Float(value) => out.push_str(&serde_json::json!(value).to_string()),
        Cell::Text(value) => push_json_text(out, value),
        Cell::List(json) => out.push_str(json),
    }
}

pub(crate) fn push_json_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}
