//! Writers of a result. Log content is hostile: each exit escapes by its own rules.

use crate::cell::{Cell, cell, push_json, push_json_text};
use crate::rows::QueryRows;
use arrow::array::RecordBatch;
use std::io::{self, Write};
use unicode_width::UnicodeWidthChar;

/// Widest cell of the text table, in terminal columns.
const TEXT_WIDTH_MAX: usize = 80;

impl QueryRows {
    /// A JSON array of row objects.
    pub fn to_json(&self) -> String {
        let mut out = String::from("[");
        let mut first = true;
        self.each_row(|batch, row| {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            self.push_object(&mut out, batch, row);
        });
        out.push(']');
        out
    }

    /// One row object a line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_ndjson(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_lines(out, |line, batch, row| self.push_object(line, batch, row))
    }

    /// RFC 4180 with a header line. Text that a spreadsheet would run as a formula gets a `'`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let header: Vec<String> = self.columns().iter().map(|name| csv_text(name)).collect();
        writeln!(out, "{}", header.join(","))?;
        self.write_lines(out, |line, batch, row| {
            for (index, column) in batch.columns().iter().enumerate() {
                if index > 0 {
                    line.push(',');
                }
                match cell(column.as_ref(), row) {
                    Cell::Null => {}
                    Cell::Text(text) => line.push_str(&csv_text(&text)),
                    Cell::List(text) => line.push_str(&csv_text(&text)),
                    other => push_json(line, &other),
                }
            }
        })
    }

    /// A table for the terminal: columns padded, control characters escaped, long cells cut.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table: Vec<Vec<String>> = vec![self.columns().iter().map(|name| shown(name)).collect()];
        self.each_row(|batch, row| {
            let cells = batch
                .columns()
                .iter()
                .map(|column| match cell(column.as_ref(), row) {
                    Cell::Null => "-".to_owned(),
                    Cell::Text(text) => shown(&text),
                    Cell::List(text) => shown(&text),
                    other => {
                        let mut text = String::new();
                        push_json(&mut text, &other);
                        text
                    }
                });
            table.push(cells.collect());
        });
        let widths: Vec<usize> = (0..self.columns().len())
            .map(|index| table.iter().map(|cells| width(&cells[index])).max().unwrap_or(0))
            .collect();
        for cells in &table {
            let mut line = String::new();
            for (text, wanted) in cells.iter().zip(&widths) {
                line.push_str(text);
                line.extend(std::iter::repeat_n(' ', wanted - width(text) + 2));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn each_row(&self, mut each: impl FnMut(&RecordBatch, usize)) {
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                each(batch, row);
            }
        }
    }

    fn write_lines(
        &self,
        out: &mut dyn Write,
        write: impl Fn(&mut String, &RecordBatch, usize),
    ) -> io::Result<()> {
        let mut line = String::new();
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                line.clear();
                write(&mut line, batch, row);
                line.push('\n');
                out.write_all(line.as_bytes())?;
            }
        }
        Ok(())
    }

    fn push_object(&self, out: &mut String, batch: &RecordBatch, row: usize) {
        out.push('{');
        for (index, (name, column)) in self.columns().iter().zip(batch.columns()).enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_json_text(out, name);
            out.push(':');
            push_json(out, &cell(column.as_ref(), row));
        }
        out.push('}');
    }
}

fn csv_text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

/// The text without what a terminal would obey, cut to [`TEXT_WIDTH_MAX`].
fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let piece = match c {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                c.escape_unicode().to_string()
            }
            c if c.is_control() => c.escape_default().to_string(),
            c => c.to_string(),
        };
        used += width(&piece);
        if used > TEXT_WIDTH_MAX {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}
