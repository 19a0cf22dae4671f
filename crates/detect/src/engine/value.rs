//! Values of columns, and the parts of a URI.

use super::lookup::{CellOrColumn, LookupPlan, Lookups};
use crate::fields::{self, FieldRef, View};
use crate::payload::{self, Class, Verdicts};
use crate::sigma::pattern::lowered;
use arrow::array::{
    Array, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;
use haetae_event::EventBatch;
use haetae_event::decode;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

/// One column of a batch, typed.
#[derive(Clone)]
pub enum Column<'a> {
    Absent,
    /// Microseconds.
    Time(&'a TimestampMicrosecondArray),
    /// A field that is looked up in several places, see [`crate::fields::LOOKUP`]: only
    /// [`field_text`] reads it.
    Lookup(&'a EventBatch, Box<LookupPlan>),
    Text(&'a StringViewArray),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float(&'a Float64Array),
    Bool(&'a BooleanArray),
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Text(&'a str),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl<'a> Column<'a> {
    /// Columns of other types than rules can read are taken as absent.
    pub fn of(batch: &'a EventBatch, name: &str) -> Column<'a> {
        if name.starts_with(fields::LOOKUP) {
            let mut plan = LookupPlan::default();
            plan.add(name);
            return Column::Lookup(batch, Box::new(plan));
        }
        let Some(column) = batch.column(name) else {
            return Column::Absent;
        };
        match column.data_type() {
            DataType::Utf8View => Column::Text(column.as_string_view()),
            DataType::Int32 => Column::Int32(column.as_primitive()),
            DataType::Int64 => Column::Int64(column.as_primitive()),
            DataType::Float64 => Column::Float(column.as_primitive()),
            DataType::Boolean => Column::Bool(column.as_boolean()),
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _) => {
                Column::Time(column.as_primitive())
            }
            _ => Column::Absent,
        }
    }

    /// What keeps accounts apart: a keyed hash where names may not be told, else the name.
    pub fn accounts(batch: &'a EventBatch) -> Column<'a> {
        match Column::of(batch, fields::ACCOUNT_KEY) {
            Column::Absent => Column::of(batch, "account"),
            keys => keys,
        }
    }

    #[inline]
    pub fn value(&self, row: usize) -> Value<'a> {
        match self {
            Column::Text(a) if a.is_valid(row) => Value::Text(a.value(row)),
            Column::Int32(a) if a.is_valid(row) => Value::Int(i64::from(a.value(row))),
            Column::Int64(a) if a.is_valid(row) => Value::Int(a.value(row)),
            Column::Float(a) if a.is_valid(row) => Value::Float(a.value(row)),
            Column::Time(a) if a.is_valid(row) => Value::Int(a.value(row)),
            Column::Bool(a) if a.is_valid(row) => Value::Bool(a.value(row)),
            _ => Value::Null,
        }
    }
}

impl Value<'_> {
    /// The value as rules write it; `None` for null.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Null => None,
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Int(n) => Some(Cow::Owned(n.to_string())),
            Value::Float(n) => Some(Cow::Owned(n.to_string())),
            Value::Bool(b) => Some(Cow::Borrowed(if *b { "true" } else { "false" })),
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            // Exact below 2^53, far above any status, port or size.
            Value::Int(n) => Some(*n as f64),
            Value::Float(n) => Some(*n),
            Value::Text(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) => None,
        }
    }
}

/// Path and query of a URI; the query is `None` without `?`.
pub fn split_uri(uri: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'?', uri.as_bytes()) {
        Some(at) => (&uri[..at], Some(&uri[at + 1..])),
        None => (uri, None),
    }
}

/// Extension of the path's last segment, empty when there is none.
pub fn extension(uri: &str) -> &str {
    let stem = split_uri(uri).0;
    let name = stem.rsplit('/').next().unwrap_or(stem);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// The part of `text` that groups and distinct values are made of: as logged, so that a client
/// cannot fold many requests into one by encoding, nor the engine by decoding.
pub fn part<'a>(text: &'a str, view: View) -> Cow<'a, str> {
    match view {
        View::Whole | View::Both => Cow::Borrowed(text),
        View::Decoded => decode::attack_text(text),
        View::Stem => Cow::Borrowed(split_uri(text).0),
        View::Query => Cow::Borrowed(split_uri(text).1.unwrap_or("")),
        View::Extension => Cow::Borrowed(extension(text)),
        View::Score(class) => Cow::Owned(percent(payload::uri(text).score(class)).to_string()),
    }
}

/// A score as rules write it, 0 to 100.
fn percent(score: f32) -> f64 {
    f64::from((score * 100.0).round())
}

/// Text of a field of one row, for group keys and distinct values.
pub fn field_text<'a>(column: &Column<'a>, row: usize, field: &FieldRef) -> Option<Cow<'a, str>> {
    if let Column::Lookup(batch, plan) = column {
        let mut lookups = Lookups::new(plan, batch);
        lookups.read(row);
        let text = match lookups.cell(0) {
            CellOrColumn::Cell(cell) => cell.text(),
            CellOrColumn::Value(value) => value.text().map(Cow::into_owned),
        };
        return text.map(|text| Cow::Owned(part(&text, field.view).into_owned()));
    }
    match column.value(row) {
        Value::Text(text) => Some(part(text, field.view)),
        Value::Null => None,
        other => other.text().map(|text| Cow::Owned(text.into_owned())),
    }
}

/// Number of a field of one row, for sums, means and percentiles.
pub fn field_number(column: &Column<'_>, row: usize, field: &FieldRef) -> Option<f64> {
    match column {
        Column::Lookup(..) => field_text(column, row, field)?.parse().ok(),
        column => column.value(row).number(),
    }
}

/// A text with its derived spellings, each made once, when first asked for.
pub struct Derived<'a> {
    pub logged: &'a str,
    lower: OnceCell<Cow<'a, str>>,
    /// Stem and query decoded apart, so that an escaped `?` does not move the border.
    pub decoded: Option<Decoded>,
    /// Judged when the first rule asks.
    scores: OnceCell<Verdicts>,
    address: OnceCell<Option<IpAddr>>,
}

/// Decoded spellings of a text that decoding changes.
pub struct Decoded {
    pub whole: String,
    pub lower: String,
    /// Byte length of the decoded stem in `whole` and in `lower`.
    stem: (usize, usize),
    has_query: bool,
}

/// What a client sent with every encoding undone, and the byte length of the stem in it. Stem and
/// query are decoded apart.
pub fn decoded_request(logged: &str) -> (String, usize) {
    let (stem, query) = split_uri(logged);
    let mut whole = decode::attack_text(stem).into_owned();
    let length = whole.len();
    if let Some(query) = query {
        whole.push('?');
        whole.push_str(&decode::attack_text(query));
    }
    (whole, length)
}

/// Lower case without a copy where nothing changes.
pub fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(lowered(text))
    }
}

impl<'a> Derived<'a> {
    /// `decode`: whether any rule looks at decoded text of this column.
    pub fn new(logged: &'a str, decode: bool) -> Derived<'a> {
        let decoded = (decode && decode::may_be_encoded(logged)).then(|| {
            let (whole, stem) = decoded_request(logged);
            let lower_stem = if whole.is_ascii() {
                stem
            } else {
                lower(&whole[..stem]).len()
            };
            Decoded {
                lower: lower(&whole).into_owned(),
                whole,
                stem: (stem, lower_stem),
                has_query: split_uri(logged).1.is_some(),
            }
        });
        Derived {
            logged,
            lower: OnceCell::new(),
            decoded,
            scores: OnceCell::new(),
            address: OnceCell::new(),
        }
    }

    /// The address that the text is, as logged.
    pub fn address(&self) -> Option<IpAddr> {
        *self.address.get_or_init(|| self.logged.parse().ok())
    }

    /// How much the text, taken for a URI, looks like an attack of `class`, 0 to 100.
    pub fn score(&self, class: Class) -> f64 {
        percent(self.scores.get_or_init(|| payload::uri(self.logged)).score(class))
    }

    /// In lower case, as logged otherwise.
    pub fn lower(&self) -> &str {
        self.lower.get_or_init(|| lower(self.logged))
    }

    /// Calls `each` with (as logged, lower-cased) spellings of `view` until it returns true.
    pub fn any(&self, view: View, mut each: impl FnMut(&str, &str) -> bool) -> bool {
        let decoded = self.decoded.as_ref();
        match view {
            View::Whole => each(self.logged, self.lower()),
            View::Decoded => match decoded {
                Some(d) => each(&d.whole, &d.lower),
                None => each(self.logged, self.lower()),
            },
            View::Both => {
                each(self.logged, self.lower()) || decoded.is_some_and(|d| each(&d.whole, &d.lower))
            }
            View::Stem => {
                each(split_uri(self.logged).0, split_uri(self.lower()).0)
                    || decoded.is_some_and(|d| each(&d.whole[..d.stem.0], &d.lower[..d.stem.1]))
            }
            View::Query => {
                let logged = split_uri(self.logged).1.unwrap_or("");
                each(logged, split_uri(self.lower()).1.unwrap_or(""))
                    || each(self.logged, self.lower())
                    || decoded.is_some_and(|d| {
                        (d.has_query && each(&d.whole[d.stem.0 + 1..], &d.lower[d.stem.1 + 1..]))
                            || each(&d.whole, &d.lower)
                    })
            }
            View::Extension => each(extension(self.logged), extension(self.lower())),
            View::Score(class) => {
                let score = self.score(class).to_string();
                each(&score, &score)
            }
        }
    }
}
