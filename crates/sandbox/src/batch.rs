//! What became of each record of a batch.
//!
//! All keys, values and texts of a batch lie in one string; a record is a range of field spans. A batch
//! given to [`Sandbox::run_into`](crate::Sandbox::run_into) again keeps its memory.

use std::fmt;

/// Type of a value. The value itself is text, already checked to be of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Any UTF-8.
    Text,
    /// A number as JSON writes it, of any length and precision.
    Number,
    /// `true` or `false`.
    Bool,
    /// The empty text.
    Null,
    /// One JSON value, nested at most [`JSON_DEPTH_MAX`](crate::abi::JSON_DEPTH_MAX) deep.
    Json,
}

/// Why the sandbox, not the guest, gave up on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Not done within [`Quota::record_deadline`](crate::Quota::record_deadline).
    TimeOut,
    /// Asked for more memory or table than allowed.
    MemoryLimit,
    /// Trapped: unreachable, out of bounds, stack exhausted, division by zero …
    Trap,
    /// Gave a result that breaks the ABI or its limits.
    BadOutput,
    /// Not run: the parser has used up its failure budget.
    Suspended,
}

impl Failure {
    /// Stable code for counts, metrics and texts.
    pub fn code(self) -> &'static str {
        match self {
            Failure::TimeOut => "time_out",
            Failure::MemoryLimit => "memory_limit",
            Failure::Trap => "trap",
            Failure::BadOutput => "bad_output",
            Failure::Suspended => "suspended",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// The guest's fields, in its order; keys may repeat.
    Fields(Fields<'a>),
    /// The guest says that the record is not of its format. Its text is hostile like any log text,
    /// at most [`TEXT_BYTES_MAX`](crate::abi::TEXT_BYTES_MAX) bytes.
    Rejected(&'a str),
    /// The sandbox gave up: why, and the particulars for people.
    Failed(Failure, &'a str),
}

/// One field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// 1 to 256 bytes, no control characters.
    pub key: &'a str,
    pub kind: Kind,
    /// See [`Kind`].
    pub value: &'a str,
}

/// The fields of one record.
#[derive(Clone)]
pub struct Fields<'a> {
    text: &'a str,
    spans: &'a [Span],
}

impl<'a> Fields<'a> {
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Field<'a>> + use<'a> {
        let text = self.text;
        self.spans.iter().map(move |span| {
            let value = span.start + usize::from(span.key_len);
            Field {
                key: &text[span.start..value],
                kind: span.kind,
                value: &text[value..value + span.value_len as usize],
            }
        })
    }

    /// The value of the first field of that name.
    pub fn get(&self, key: &str) -> Option<Field<'a>> {
        self.iter().find(|field| field.key == key)
    }
}

impl PartialEq for Fields<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Outcomes in the order of the records.
#[derive(Clone, Default)]
pub struct Batch {
    text: String,
    spans: Vec<Span>,
    entries: Vec<Entry>,
}

/// A key with its value right behind it.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    value_len: u32,
    key_len: u16,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Entry {
    Fields {
        first: usize,
        count: u32,
    },
    Rejected {
        start: usize,
        len: u32,
    },
    Failed {
        failure: Failure,
        start: usize,
        len: u32,
    },
}

/// A place to go back to when the rest of a record turns out to be bad.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    text: usize,
    spans: usize,
}

impl Batch {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What became of record `index`; `None` behind the last.
    pub fn get(&self, index: usize) -> Option<Outcome<'_>> {
        self.entries.get(index).map(|entry| self.outcome(*entry))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Outcome<'_>> {
        self.entries.iter().map(|entry| self.outcome(*entry))
    }

    fn outcome(&self, entry: Entry) -> Outcome<'_> {
        let text = |start: usize, len: u32| &self.text[start..start + len as usize];
        match entry {
            Entry::Fields { first, count } => Outcome::Fields(Fields {
                text: &self.text,
                spans: &self.spans[first..first + count as usize],
            }),
            Entry::Rejected { start, len } => Outcome::Rejected(text(start, len)),
            Entry::Failed { failure, start, len } => Outcome::Failed(failure, text(start, len)),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
        self.entries.clear();
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            text: self.text.len(),
            spans: self.spans.len(),
        }
    }

    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.spans.truncate(mark.spans);
    }

    /// `pair` is a key of `key_len` bytes with its value behind it; both lengths are within the caps
    /// of [`abi`](crate::abi).
    pub(crate) fn push_field(&mut self, kind: Kind, pair: &str, key_len: u16) {
        let value_len = pair.len() - usize::from(key_len);
        self.spans.push(Span {
            start: self.text.len(),
            value_len: u32::try_from(value_len).expect("a result buffer is below 4 GiB"),
            key_len,
            kind,
        });
        self.text.push_str(pair);
    }

    /// The fields pushed since `mark` are those of the next record.
    pub(crate) fn end_record(&mut self, mark: Mark) {
        let count = u32::try_from(self.spans.len() - mark.spans).expect("fields are counted in u16");
        self.entries.push(Entry::Fields {
            first: mark.spans,
            count,
        });
    }

    pub(crate) fn push_reject(&mut self, text: &str) {
        let (start, len) = self.push_text(text);
        self.entries.push(Entry::Rejected { start, len });
    }

    pub(crate) fn push_failure(&mut self, failure: Failure, detail: &str) {
        let (start, len) = self.push_text(detail);
        self.entries.push(Entry::Failed { failure, start, len });
    }

    /// Cuts to [`TEXT_BYTES_MAX`](crate::abi::TEXT_BYTES_MAX) bytes, between characters.
    fn push_text(&mut self, text: &str) -> (usize, u32) {
        let end = text.floor_char_boundary(crate::abi::TEXT_BYTES_MAX);
        let start = self.text.len();
        self.text.push_str(&text[..end]);
        (start, u32::try_from(end).expect("cut to a few hundred bytes"))
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
