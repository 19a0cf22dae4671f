//! `dlq`, `incident`, `store`: lists from the catalog, read beside a running service too.

use super::query::open_idle;
use crate::cli::{DlqCommand, IncidentCommand, RowOutput, StoreCommand};
use crate::config::Config;
use crate::wiring::{dlq_entry_json, incident_json};
use anyhow::{Context, Result};
use haetae_respond::for_terminal;
use haetae_store::{DlqFilter, IncidentFilter};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;
use unicode_width::UnicodeWidthStr;

/// Widest cell of a text table.
const CELL_WIDTH_MAX: usize = 60;

pub fn dlq(command: &DlqCommand, config: &Config) -> Result<()> {
    let store = open_idle(config)?;
    match command {
        DlqCommand::List {
            limit,
            reason,
            output,
        } => {
            let filter = DlqFilter {
                limit: *limit,
                reason: reason.clone(),
                source: None,
            };
            let columns = [
                "id", "at", "reason", "origin", "ordinal", "source", "parser", "size", "detail",
            ];
            let rows: Vec<Value> = store.dlq_list(&filter)?.iter().map(dlq_entry_json).collect();
            print_rows(
                &rows.iter().map(|row| Row::of(row, &columns)).collect::<Vec<_>>(),
                *output,
            )
        }
        DlqCommand::Show { id } => {
            let record = store
                .dlq_show(*id)?
                .with_context(|| format!("no record {id} in the dead-letter queue"))?;
            let entry = &record.entry;
            let mut out = std::io::stdout().lock();
            writeln!(out, "reason   {}: {}", entry.reason, for_terminal(&entry.detail))?;
            writeln!(
                out,
                "origin   {} (record {})",
                for_terminal(&entry.origin),
                entry.ordinal
            )?;
            writeln!(
                out,
                "source   {}   parser {}   at {}",
                for_terminal(&entry.source),
                entry.parser,
                entry.at
            )?;
            match &record.bytes {
                None => writeln!(out, "bytes    expired ({} bytes)", entry.size)?,
                Some(bytes) => {
                    writeln!(out, "bytes    {} of {}", bytes.len(), entry.size)?;
                    writeln!(out, "{}", for_terminal(&String::from_utf8_lossy(bytes)))?;
                }
            }
            Ok(())
        }
    }
}

pub fn incident(command: &IncidentCommand, config: &Config) -> Result<()> {
    let store = open_idle(config)?;
    match command {
        IncidentCommand::List { limit, output } => {
            let rows = store.incidents(&IncidentFilter {
                limit: *limit,
                ..IncidentFilter::default()
            })?;
            let rows: Vec<Value> = rows.iter().map(incident_json).collect();
            let rows: Vec<Row> = match output {
                RowOutput::Text | RowOutput::Csv => rows.iter().map(brief).collect(),
                RowOutput::Json | RowOutput::Ndjson => rows.iter().map(Row::whole).collect(),
            };
            print_rows(&rows, *output)
        }
        IncidentCommand::Show { id } => {
            let row = store
                .incident(id)?
                .with_context(|| format!("no incident {id}; see `haetae incident list`"))?;
            println!("{}", serde_json::to_string_pretty(&incident_json(&row))?);
            Ok(())
        }
    }
}

/// The columns people look at first.
fn brief(incident: &Value) -> Row {
    let mut row = Row::of(incident, &["id", "level", "state", "title"]);
    row.0
        .push(("first_seen".to_owned(), incident["impact"]["first_seen"].clone()));
    row.0
        .push(("last_seen".to_owned(), incident["impact"]["last_seen"].clone()));
    row
}

/// One object with its keys in order, which a JSON map of ours does not keep.
pub struct Row(Vec<(String, Value)>);

impl Row {
    /// These keys of an object.
    pub fn of(value: &Value, columns: &[&str]) -> Row {
        Row(columns
            .iter()
            .map(|key| ((*key).to_owned(), value[*key].clone()))
            .collect())
    }

    /// Every key of an object, sorted.
    pub fn whole(value: &Value) -> Row {
        let members = value.as_object().into_iter().flatten();
        Row(members.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn text(&self, column: &str) -> String {
        self.0
            .iter()
            .find(|(key, _)| key == column)
            .map(|(_, value)| text(value))
            .unwrap_or_default()
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Row;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Row(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

pub fn store(command: &StoreCommand, config: &Config) -> Result<ExitCode> {
    let store = open_idle(config)?;
    match command {
        StoreCommand::Stat => {
            let stat = store.stat()?;
            for d in &stat.datasets {
                println!(
                    "{:<11} {:<10} {:>6} segments {:>12} rows {:>14} bytes  {} .. {}",
                    d.dataset.as_str(),
                    d.tenant,
                    d.segments,
                    d.rows,
                    d.bytes,
                    d.min_ts,
                    d.max_ts
                );
            }
            println!(
                "dlq {} records, findings {}, open incidents {}, outbox pending {}",
                stat.dlq_records, stat.findings_active, stat.incidents_open, stat.outbox.pending
            );
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Verify => {
            let report = store.verify()?;
            for problem in &report.problems {
                println!(
                    "{}: {}: {}",
                    problem.code,
                    for_terminal(&problem.subject),
                    for_terminal(&problem.message)
                );
            }
            println!(
                "{} segments, {} rows, {} problems",
                report.segments,
                report.rows,
                report.problems.len()
            );
            Ok(if report.is_sound() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

/// Prints rows of objects; the columns of text and CSV are those of the first row.
///
/// # Errors
/// Standard output's.
pub fn print_rows(rows: &[Row], output: RowOutput) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match output {
        RowOutput::Json => writeln!(out, "{}", serde_json::to_string(rows)?)?,
        RowOutput::Ndjson => {
            for row in rows {
                writeln!(out, "{}", serde_json::to_string(row)?)?;
            }
        }
        RowOutput::Csv => {
            let columns = columns(rows);
            writeln!(
                out,
                "{}",
                columns.iter().map(|c| csv(c)).collect::<Vec<_>>().join(",")
            )?;
            for row in rows {
                let cells: Vec<String> = columns.iter().map(|c| csv(&row.text(c))).collect();
                writeln!(out, "{}", cells.join(","))?;
            }
        }
        RowOutput::Text => table(&mut out, rows)?,
    }
    out.flush()?;
    Ok(())
}

fn columns(rows: &[Row]) -> Vec<String> {
    rows.first()
        .map(|row| row.0.iter().map(|(key, _)| key.clone()).collect())
        .unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Quoted where needed; a cell that a spreadsheet would take for a formula gets a quote mark.
fn csv(cell: &str) -> String {
    let risky = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    let cell = if risky {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

fn table(out: &mut impl Write, rows: &[Row]) -> Result<()> {
    let columns = columns(rows);
    let cut = |text: &str| -> String {
        let text = for_terminal(text);
        if text.width() <= CELL_WIDTH_MAX {
            text
        } else {
            text.chars().take(CELL_WIDTH_MAX - 1).chain(['…']).collect()
        }
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|c| cut(&row.text(c))).collect())
        .collect();
    let width = |i: usize| {
        let widest = cells.iter().map(|row| row[i].width()).max().unwrap_or(0);
        widest.max(columns[i].width())
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in std::iter::once(&columns).chain(&cells) {
        for (cell, width) in row.iter().zip(&widths) {
            write!(out, "{cell}{}  ", " ".repeat(width.saturating_sub(cell.width())))?;
        }
        writeln!(out)?;
    }
    if rows.is_empty() {
        writeln!(out, "(none)")?;
    }
    Ok(())
}
