//! Cells of a batch as text and as JSON, for tests, trials and comparisons.

use super::fields::write_json_string;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use haetae_event::Micros;

/// A number that was checked to fit; the nearest one otherwise.
pub fn narrow(number: i64) -> i32 {
    number.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// A cell as text, times in RFC 3339, lists joined by commas; `None` is null.
pub fn cell_text(records: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = records.column(column);
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8View => Some(array.as_string_view().value(row).to_owned()),
        DataType::Int32 => Some(array.as_primitive::<Int32Type>().value(row).to_string()),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row).to_string()),
        DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(row).to_string()),
        DataType::Boolean => Some(array.as_boolean().value(row).to_string()),
        DataType::Timestamp(..) => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Some(Micros(us).to_string())
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let codes: Vec<&str> = items.as_string_view().iter().flatten().collect();
            Some(codes.join(","))
        }
        _ => None,
    }
}

/// A row as a JSON object of its columns that are not null.
pub fn cell_json(records: &RecordBatch, row: usize) -> String {
    let mut out = String::from("{");
    for (column, field) in records.schema().fields().iter().enumerate() {
        let Some(text) = cell_text(records, column, row) else {
            continue;
        };
        if out.len() > 1 {
            out.push(',');
        }
        write_json_string(&mut out, field.name());
        out.push(':');
        match field.data_type() {
            DataType::Int32 | DataType::Int64 | DataType::Boolean => out.push_str(&text),
            // JSON has no infinities.
            DataType::Float64 if text.parse().is_ok_and(f64::is_finite) => out.push_str(&text),
            DataType::List(_) => {
                out.push('[');
                for (at, code) in text.split(',').enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_json_string(&mut out, code);
                }
                out.push(']');
            }
            // An object of JSON already.
            _ if field.name() == "attrs" => out.push_str(&text),
            _ => write_json_string(&mut out, &text),
        }
    }
    out.push('}');
    out
}
