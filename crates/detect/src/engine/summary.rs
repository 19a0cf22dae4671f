//! One line about one row, for evidence.

use super::value::{Column, Value};
use arrow::array::Array;
use haetae_event::{Dataset, EventBatch};
use std::fmt::Write;
use std::sync::Arc;

/// Longest summary, in bytes.
const BYTES_MAX: usize = 200;

/// Writes summaries of one batch, each row's at most once.
pub struct Summaries<'a> {
    flow: bool,
    columns: [Column<'a>; 5],
    made: Vec<Option<Arc<str>>>,
}

impl<'a> Summaries<'a> {
    pub fn new(batch: &'a EventBatch) -> Summaries<'a> {
        let flow = batch.dataset == Dataset::VpcFlow;
        let names = if flow {
            ["src_ip", "dstaddr", "srcport", "dstport", "action"]
        } else {
            ["method", "uri", "status", "ua", "message"]
        };
        Summaries {
            flow,
            columns: names.map(|name| Column::of(batch, name)),
            made: Vec::new(),
        }
    }

    /// The row's line: `GET /path 404`, with the agent, or the flow.
    pub fn of(&mut self, row: usize) -> Arc<str> {
        if self.made.len() <= row {
            self.made.resize(row + 1, None);
        }
        if let Some(made) = &self.made[row] {
            return made.clone();
        }
        let made: Arc<str> = if self.flow {
            self.flow(row)
        } else {
            self.request(row)
        }
        .into();
        self.made[row] = Some(made.clone());
        made
    }

    /// A cheap number that differs between most rows and is the same for equal ones.
    pub fn salt(&self, row: usize) -> u64 {
        match &self.columns[1] {
            // The view holds the length and the first bytes; the last ones differ more.
            Column::Text(texts) if texts.is_valid(row) => {
                let text = texts.value(row).as_bytes();
                let tail = text.last_chunk::<8>().map_or(0, |tail| u64::from_le_bytes(*tail));
                tail ^ (text.len() as u64)
            }
            _ => 0,
        }
    }

    fn request(&self, row: usize) -> String {
        let [method, uri, status, ua, message] = &self.columns;
        let mut line = String::with_capacity(96);
        if let Value::Text(uri) = uri.value(row) {
            line.push_str(text_of(method.value(row)).unwrap_or("-"));
            line.push(' ');
            line.push_str(cut(uri, 140));
            if let Value::Int(status) = status.value(row) {
                // Writing to a String cannot fail.
                let _ = write!(line, " {status}");
            }
            if let Some(ua) = text_of(ua.value(row)) {
                line.push_str(" \"");
                line.push_str(cut(ua, 40));
                line.push('"');
            }
        } else if let Some(message) = text_of(message.value(row)) {
            line.push_str(cut(message, BYTES_MAX));
        }
        line
    }

    fn flow(&self, row: usize) -> String {
        let [src, dst, src_port, dst_port, action] = &self.columns;
        let port = |column: &Column<'_>| match column.value(row) {
            Value::Int(port) => port,
            _ => 0,
        };
        let mut line = String::with_capacity(64);
        let _ = write!(
            line,
            "{}:{} > {}:{} {}",
            text_of(src.value(row)).unwrap_or("-"),
            port(src_port),
            text_of(dst.value(row)).unwrap_or("-"),
            port(dst_port),
            text_of(action.value(row)).unwrap_or("-"),
        );
        line
    }
}

fn text_of(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
