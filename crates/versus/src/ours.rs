//! A text read by our parsers, as rows of text.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use haetae_event::{Micros, Reject};
use haetae_parse::{Format, InputReader, ParseOptions};
use std::collections::BTreeMap;

/// One event: its column names and values; null ones are left out.
pub type Row = BTreeMap<String, String>;

/// What became of a text.
#[derive(Debug, Default)]
pub struct Reading {
    /// By number of the record in the input.
    pub rows: BTreeMap<u64, Row>,
    pub rejects: Vec<Reject>,
}

/// Reads the text as `format` (its name; `None`: as recognised), every column.
///
/// # Errors
/// When no format has the name.
pub fn read(text: &[u8], format: Option<&str>, options: &ParseOptions) -> Result<Reading, String> {
    let format: Option<Format> = match format {
        Some(name) => Some(name.parse().map_err(|e| format!("{e}"))?),
        None => None,
    };
    let mut reader = InputReader::open(text, format, options);
    let mut reading = Reading::default();
    while let Some(batch) = reader.next_batch().map_err(|e| e.to_string())? {
        if let Some(records) = &batch.records {
            for (row, ordinal) in batch.ordinals.iter().enumerate() {
                let cells = records.schema_ref().fields().iter().zip(records.columns());
                let cells =
                    cells.filter_map(|(field, column)| Some((field.name().clone(), cell(column, row)?)));
                reading.rows.insert(*ordinal, cells.collect());
            }
        }
        reading.rejects.extend(batch.rejects);
    }
    Ok(reading)
}

fn cell(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Utf8View => column.as_string_view().value(row).to_owned(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Timestamp(..) => {
            Micros(column.as_primitive::<TimestampMicrosecondType>().value(row)).to_string()
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            let items = items.as_string_view();
            items.iter().flatten().collect::<Vec<_>>().join(",")
        }
        other => format!("a column of type {other}"),
    })
}
