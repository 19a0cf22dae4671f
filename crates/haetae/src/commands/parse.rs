//! `haetae parse`: events as NDJSON.

use super::reading::read_all;
use crate::cli::ParseArgs;
use crate::config::Config;
use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, StringViewArray,
    TimestampMicrosecondArray,
};
use haetae_event::dataset::NativeType;
use haetae_event::{Columns, Dataset, EventBatch, Micros, Reject};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};

pub fn run(args: &ParseArgs, config: &Config) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut rejects = match &args.rejects {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
            Some(BufWriter::new(file))
        }
        None => None,
    };
    let counts = read_all(&args.input, config, &Columns::All, |step| {
        if let Some(batch) = &step.batch {
            write_events(&mut out, batch)?;
        }
        if let Some(rejects) = &mut rejects {
            for reject in step.rejects {
                serde_json::to_writer(&mut *rejects, &reject_json(step.input, step.parser, reject))?;
                rejects.write_all(b"\n")?;
            }
        }
        Ok(())
    })?;
    out.flush()?;
    if let Some(rejects) = &mut rejects {
        rejects.flush()?;
    }
    eprintln!(
        "lines_in {} = events {} + rejected {} + duplicates {} + sampled_out {} + skipped {}",
        counts.lines_in,
        counts.events,
        counts.rejected,
        counts.duplicates,
        counts.sampled_out,
        counts.skipped
    );
    Ok(())
}

fn reject_json(input: &str, parser: &str, reject: &Reject) -> Value {
    json!({
        "input": input, "ordinal": reject.ordinal, "reason": reject.reason, "detail": reject.detail,
        "parser": parser, "text": String::from_utf8_lossy(&reject.bytes),
    })
}

/// Core columns under their names, native ones under the vendor's; nulls are left out.
fn write_events(out: &mut impl Write, batch: &EventBatch) -> Result<()> {
    let schema = batch.records.schema();
    let core: Vec<(&str, &ArrayRef)> = schema
        .fields()
        .iter()
        .zip(batch.records.columns())
        .filter(|(field, _)| !is_native(batch.dataset, field.name()))
        .map(|(field, column)| (field.name().as_str(), column))
        .collect();
    let native: Vec<(&str, &ArrayRef)> = batch
        .dataset
        .native_fields()
        .iter()
        .filter_map(|field| {
            let name = match field.kind {
                NativeType::Core(core) => core,
                _ => field.column,
            };
            batch.column(name).map(|column| (field.vendor, column))
        })
        .collect();
    for row in 0..batch.rows() {
        let mut object = Map::new();
        object.insert("tenant_id".to_owned(), json!(batch.tenant));
        object.insert("dataset".to_owned(), json!(batch.dataset.as_str()));
        for (name, column) in core.iter().chain(&native) {
            if column.is_valid(row) {
                object.insert((*name).to_owned(), cell(column, row));
            }
        }
        serde_json::to_writer(&mut *out, &object)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn is_native(dataset: Dataset, column: &str) -> bool {
    let stored = |kind| !matches!(kind, NativeType::Core(_));
    dataset
        .native_fields()
        .iter()
        .any(|field| field.column == column && stored(field.kind))
}

/// One value; the column is one of the types the schema knows.
fn cell(column: &ArrayRef, row: usize) -> Value {
    let any = column.as_any();
    if let Some(text) = any.downcast_ref::<StringViewArray>() {
        return json!(text.value(row));
    }
    if let Some(ts) = any.downcast_ref::<TimestampMicrosecondArray>() {
        return json!(Micros(ts.value(row)));
    }
    if let Some(n) = any.downcast_ref::<Int64Array>() {
        return json!(n.value(row));
    }
    if let Some(n) = any.downcast_ref::<Int32Array>() {
        return json!(n.value(row));
    }
    if let Some(n) = any.downcast_ref::<Float64Array>() {
        return json!(n.value(row));
    }
    if let Some(b) = any.downcast_ref::<BooleanArray>() {
        return json!(b.value(row));
    }
    if let Some(list) = any.downcast_ref::<ListArray>() {
        let items = list.value(row);
        return items.as_string_view().iter().map(|item| json!(item)).collect();
    }
    match column.as_fixed_size_binary_opt() {
        Some(bytes) => json!(haetae_event::identity::hex(bytes.value(row))),
        None => Value::Null,
    }
}
