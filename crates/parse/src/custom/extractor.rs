//! The seam for extraction that is not built in: records in, fields out, a batch at a time.

use crate::json_scan::{Fault, Scanner};
use haetae_event::Reason;
use std::fmt::Debug;
use std::ops::Range;

/// Most fields one record may give.
pub const FIELDS_MAX: usize = 1000;
/// Deepest nesting of a field's JSON.
const JSON_DEPTH_MAX: usize = 64;

/// Makes an [`Extractor`] for each input.
pub trait ExtractorFactory: Send + Sync + Debug {
    fn open(&self) -> Box<dyn Extractor>;
}

/// Finds the fields of records.
///
/// Never panics. What it gives for a record depends on that record alone, not on the batch.
pub trait Extractor: Send {
    /// For each record in order: its fields and [`Extracted::end_record`], or
    /// [`Extracted::refuse`]. Records that get neither are refused as [`Reason::Trap`]. `out` is
    /// empty; a batch has at most a few hundred records.
    fn extract(&mut self, records: &[&[u8]], out: &mut Extracted);
}

/// What a field's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Text,
    /// As JSON writes it; anything else is kept as text.
    Number,
    /// `true` or `false`; anything else is kept as text.
    Bool,
    Null,
    /// An object or array; anything else is kept as text.
    Json,
}

/// One field: where its key and value stand in the batch's text.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub key: Range<u32>,
    pub value: Range<u32>,
    pub kind: FieldKind,
}

/// What became of one record.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Its fields in the batch's list.
    Fields(Range<usize>),
    Refused(Reason, String),
}

/// The fields of a batch, in three allocations for the whole of it.
#[derive(Debug, Default)]
pub struct Extracted {
    pub(crate) text: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) outcomes: Vec<Outcome>,
    /// Where the record at hand began: in the fields, in the text.
    began: (usize, usize),
    /// Bytes each record may give.
    shares: Vec<usize>,
    too_much: bool,
}

impl Extracted {
    /// Forgets the batch and keeps the memory. `shares` are the bytes each record may give.
    pub(crate) fn begin(&mut self, shares: impl Iterator<Item = usize>) {
        self.text.clear();
        self.fields.clear();
        self.outcomes.clear();
        self.began = (0, 0);
        self.shares.clear();
        self.shares.extend(shares);
        self.too_much = false;
    }

    /// Records that were ended or refused so far.
    pub fn records(&self) -> usize {
        self.outcomes.len()
    }

    /// Adds a field to the record at hand. A later field of the same key wins.
    pub fn field(&mut self, key: &str, value: &str, kind: FieldKind) {
        let grown = self.text.len() - self.began.1 + key.len() + value.len();
        let share = self.share();
        if self.too_much || self.fields.len() - self.began.0 >= FIELDS_MAX || grown > share {
            self.too_much = true;
            return;
        }
        let kind = match kind {
            FieldKind::Number if !is_number(value) => FieldKind::Text,
            FieldKind::Bool if !matches!(value, "true" | "false") => FieldKind::Text,
            FieldKind::Json if !is_container(value) => FieldKind::Text,
            kind => kind,
        };
        let key = self.keep(key);
        let value = self.keep(value);
        self.fields.push(Field { key, value, kind });
    }

    /// What the record at hand may give; nothing when there is none.
    fn share(&self) -> usize {
        // Spans are 32 bits wide.
        let left = (u32::MAX as usize).saturating_sub(self.began.1);
        self.shares
            .get(self.outcomes.len())
            .copied()
            .unwrap_or(0)
            .min(left)
    }

    fn keep(&mut self, part: &str) -> Range<u32> {
        let at = |place: usize| u32::try_from(place).expect("shares end before 4 GiB");
        let start = at(self.text.len());
        self.text.push_str(part);
        start..at(self.text.len())
    }

    /// The record at hand is complete, and becomes an event if the mapping lets it.
    pub fn end_record(&mut self) {
        if self.too_much {
            let detail = format!("more than {FIELDS_MAX} fields or {} bytes of them", self.share());
            return self.refuse(Reason::TooComplex, &detail);
        }
        self.outcomes
            .push(Outcome::Fields(self.began.0..self.fields.len()));
        self.began = (self.fields.len(), self.text.len());
    }

    /// The record at hand is refused; fields it had are forgotten.
    pub fn refuse(&mut self, reason: Reason, detail: &str) {
        self.fields.truncate(self.began.0);
        self.text.truncate(self.began.1);
        self.too_much = false;
        self.outcomes
            .push(Outcome::Refused(reason, detail.chars().take(200).collect()));
    }
}

/// Whether the text is a number of JSON's grammar.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

/// Whether the text is one JSON object or array and nothing else.
fn is_container(text: &str) -> bool {
    let mut scanner = Scanner::new(text, 0, JSON_DEPTH_MAX, FIELDS_MAX);
    let read: Result<(), Fault> = match text.as_bytes().first() {
        Some(b'{') => scanner.object(&mut Vec::new()),
        Some(b'[') => scanner.array(&mut Vec::new()),
        _ => return false,
    };
    read.is_ok() && scanner.position() == text.len()
}
