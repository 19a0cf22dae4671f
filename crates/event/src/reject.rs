//! Why a record did not become an event.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Stable reason codes of the dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Fewer or other fields than the format's layout allows.
    FieldCount,
    /// A required field does not parse (time, number, address).
    BadField,
    /// Not valid JSON, or not an object.
    BadJson,
    /// Longer than the record limit (256 KB).
    RecordTooLong,
    /// Not valid UTF-8 where the format promises it (JSON).
    InvalidUtf8,
    /// Nested deeper, or with more fields, than the limits allow.
    TooComplex,
    /// No parser recognises the input.
    UnknownFormat,
    /// The input ends inside a record or a compressed member.
    CutTail,
    /// Compressed data is damaged.
    BadCompression,
    /// The input unpacks to more than the decompression cap.
    DecompressionCap,
    /// The object could not be read at all.
    Unreadable,
    /// A column that the parser's definition requires has no value.
    SchemaMismatch,
    /// A user's parser ran longer than its time limit.
    TimeOut,
    /// A user's parser asked for more memory than its limit.
    MemoryLimit,
    /// A user's parser stopped with a fault of its own.
    Trap,
    /// A user's parser is switched off after too many faults.
    ParserSuspended,
}

impl Reason {
    pub const ALL: [Reason; 16] = [
        Reason::FieldCount,
        Reason::BadField,
        Reason::BadJson,
        Reason::RecordTooLong,
        Reason::InvalidUtf8,
        Reason::TooComplex,
        Reason::UnknownFormat,
        Reason::CutTail,
        Reason::BadCompression,
        Reason::DecompressionCap,
        Reason::Unreadable,
        Reason::SchemaMismatch,
        Reason::TimeOut,
        Reason::MemoryLimit,
        Reason::Trap,
        Reason::ParserSuspended,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Reason::FieldCount => "field_count",
            Reason::BadField => "bad_field",
            Reason::BadJson => "bad_json",
            Reason::RecordTooLong => "record_too_long",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::TooComplex => "too_complex",
            Reason::UnknownFormat => "unknown_format",
            Reason::CutTail => "cut_tail",
            Reason::BadCompression => "bad_compression",
            Reason::DecompressionCap => "decompression_cap",
            Reason::Unreadable => "unreadable",
            Reason::SchemaMismatch => "schema_mismatch",
            Reason::TimeOut => "time_out",
            Reason::MemoryLimit => "memory_limit",
            Reason::Trap => "trap",
            Reason::ParserSuspended => "parser_suspended",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One refused record: goes to the dead-letter queue as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// 0-based ordinal of the record in its input (headers and blanks count).
    pub ordinal: u64,
    pub reason: Reason,
    /// For people: the field, the value's beginning, what was expected.
    pub detail: String,
    /// The record's bytes, cut to [`REJECT_BYTES_MAX`].
    pub bytes: Vec<u8>,
}

/// How much of a refused record is kept.
pub const REJECT_BYTES_MAX: usize = 256 * 1024;
