//! The record as keywords see it: `raw`, or what is left of it.

use super::leaves;
use super::value::{Column, Value, decoded_request};
use super::walk;
use arrow::array::StringViewArray;
use haetae_event::EventBatch;
use haetae_event::decode;
use std::borrow::Cow;

/// Column name that stands for the whole record.
pub const KEYWORDS: &str = "\u{1}record";

/// What is put together where the raw record is not kept.
pub(super) const PARTS: [&str; 12] = [
    "src_ip",
    "method",
    "uri",
    "status",
    "ua",
    "dst_host",
    "account",
    "cs_referer",
    "http_referer",
    "hostname",
    "appname",
    "message",
];

/// Columns of what clients may have encoded.
pub(super) const ENCODED: [&str; 3] = ["uri", "cs_referer", "http_referer"];

/// Rows as texts to look for keywords in.
pub(super) struct Record<'a> {
    raw: Column<'a>,
    attrs: Column<'a>,
    /// What clients may have encoded.
    encoded: [Column<'a>; 3],
    parts: Vec<Column<'a>>,
}

impl<'a> Record<'a> {
    pub fn of(batch: &'a EventBatch) -> Record<'a> {
        Record {
            raw: Column::of(batch, "raw"),
            attrs: Column::of(batch, "attrs"),
            encoded: ENCODED.map(|name| Column::of(batch, name)),
            parts: PARTS.iter().map(|name| Column::of(batch, name)).collect(),
        }
    }

    /// The raw records, where they are kept.
    pub fn raws(&self) -> Option<&'a StringViewArray> {
        match self.raw {
            Column::Text(texts) => Some(texts),
            _ => None,
        }
    }

    /// The texts of a row: the raw record, and of a JSON record the values that it holds escaped;
    /// without a raw record the known columns in one text, and each value of the attributes. What a
    /// client encoded comes decoded as well.
    pub fn texts(&self, row: usize) -> Vec<Cow<'a, str>> {
        let mut texts: Vec<Cow<'a, str>> = Vec::with_capacity(2);
        match self.raw.value(row) {
            Value::Text(raw) => {
                texts.push(Cow::Borrowed(raw));
                if is_escaped(raw) {
                    leaves::leaves(raw, true, &mut |text| texts.push(Cow::Owned(text.to_owned())));
                }
            }
            _ => self.rebuilt(row, &mut texts),
        }
        self.decoded(row, &mut texts);
        texts
    }

    /// The raw record, and where it is JSON with escapes also a text without them (made in
    /// `plain`): literals which are in neither, nor in what [`ENCODED`] columns hold decoded, are
    /// in none of the row's texts. `None` where only those texts can tell.
    pub fn at_first_sight<'s>(
        &self,
        row: usize,
        plain: &'s mut String,
    ) -> Option<(&'a str, Option<&'s str>)> {
        let Value::Text(raw) = self.raw.value(row) else {
            return None;
        };
        let escaped = is_escaped(raw);
        if escaped {
            plain.clear();
            walk::unescape(raw, plain);
        }
        let plain = escaped.then_some(plain.as_str());
        let is_request = || self.encoded.iter().any(|column| column.value(row) != Value::Null);
        let hides = is_encoded(plain.unwrap_or(raw)) && !is_request();
        (!hides).then_some((raw, plain))
    }

    /// A `+` is a space only in a URI: every time of an access log has one.
    fn decoded(&self, row: usize, texts: &mut Vec<Cow<'a, str>>) {
        let mut is_request = false;
        for column in &self.encoded {
            if let Value::Text(text) = column.value(row) {
                is_request = true;
                if decode::may_be_encoded(text) {
                    texts.push(Cow::Owned(decoded_request(text).0));
                }
            }
        }
        if is_request {
            return;
        }
        let own: Vec<Cow<'a, str>> = texts
            .iter()
            .filter(|text| is_encoded(text))
            .map(|text| Cow::Owned(decode::attack_text(text).into_owned()))
            .collect();
        texts.extend(own);
    }

    fn rebuilt(&self, row: usize, texts: &mut Vec<Cow<'a, str>>) {
        let mut joined = String::new();
        for column in &self.parts {
            if let Some(part) = column.value(row).text() {
                if !joined.is_empty() {
                    joined.push(' ');
                }
                joined.push_str(&part);
            }
        }
        if !joined.is_empty() {
            texts.push(Cow::Owned(joined));
        }
        if let Value::Text(attrs) = self.attrs.value(row) {
            leaves::leaves(attrs, false, &mut |text| texts.push(Cow::Owned(text.to_owned())));
        }
    }
}

/// Whether the record is JSON with escapes in it.
fn is_escaped(raw: &str) -> bool {
    raw.starts_with(['{', '[']) && memchr::memchr(b'\\', raw.as_bytes()).is_some()
}

/// Whether decoding could change a text that is no part of a request: `%` alone, as in the
/// mnemonics of routers, is no escape. A `+` is undone only beside one.
fn is_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut percent = false;
    let escape = memchr::memchr2_iter(b'%', b'&', bytes).any(|at| {
        percent |= bytes[at] == b'%';
        bytes[at] == b'&'
            || matches!(bytes.get(at + 1), Some(next) if next.is_ascii_hexdigit() || matches!(next, b'u' | b'U'))
    });
    escape || percent && memchr::memchr(b'+', bytes).is_some()
}
