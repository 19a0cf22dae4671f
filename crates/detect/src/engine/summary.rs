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
    kind: Kind,
    columns: [Column<'a>; 5],
    /// What is told where the columns say nothing.
    raw: Column<'a>,
    made: Vec<Option<Arc<str>>>,
}

/// What a row is.
#[derive(Clone, Copy)]
enum Kind {
    Flow,
    /// A call of a cloud's interface.
    Call,
    Request,
}

/// Columns of a call, beyond those of every dataset.
pub const CALL: [&str; 5] = [
    "eventname",
    "eventsource",
    "useridentity_arn",
    "account",
    "errorcode",
];

impl<'a> Summaries<'a> {
    pub fn new(batch: &'a EventBatch) -> Summaries<'a> {
        let (kind, names) = match batch.dataset {
            Dataset::VpcFlow => (Kind::Flow, ["src_ip", "dstaddr", "srcport", "dstport", "action"]),
            Dataset::CloudTrail => (Kind::Call, CALL),
            _ => (Kind::Request, ["method", "uri", "status", "ua", "message"]),
        };
        Summaries {
            kind,
            columns: names.map(|name| Column::of(batch, name)),
            raw: Column::of(batch, "raw"),
            made: Vec::new(),
        }
    }

    /// The row's line: `GET /path 404`, with the agent, the flow, or the call, who made it and why it
    /// failed; else the message, or the beginning of the line as it came.
    pub fn of(&mut self, row: usize) -> Arc<str> {
        if self.made.len() <= row {
            self.made.resize(row + 1, None);
        }
        if let Some(made) = &self.made[row] {
            return made.clone();
        }
        let mut made = match self.kind {
            Kind::Flow => self.flow(row),
            Kind::Call => self.call(row),
            Kind::Request => self.request(row),
        };
        if made.is_empty() {
            made.push_str(cut(text_of(self.raw.value(row)).unwrap_or(""), BYTES_MAX));
        }
        let made: Arc<str> = made.into();
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

    fn call(&self, row: usize) -> String {
        let [name, source, arn, account, error] = &self.columns;
        let mut line = String::with_capacity(96);
        let Value::Text(name) = name.value(row) else {
            return line;
        };
        line.push_str(cut(name, 80));
        let who = text_of(arn.value(row)).or_else(|| text_of(account.value(row)));
        for (before, text) in [
            (" ", text_of(source.value(row))),
            (" by ", who),
            (": ", text_of(error.value(row))),
        ] {
            if let Some(text) = text {
                line.push_str(before);
                line.push_str(cut(text, 90));
            }
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
