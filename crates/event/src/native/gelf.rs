//! Graylog Extended Log Format fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Float64, Int32, Int64, Utf8};

/// GELF 1.1 fields and the deprecated ones of 1.0. `timestamp` is in seconds, `level` a syslog
/// severity. Additional fields (`_name`) are in `attrs` as sent.
pub const FIELDS: &[NativeField] = &[
    field("version", "version", Utf8, &[]),
    field("host", "host", Core("dst_host"), &["source"]),
    field("short_message", "short_message", Utf8, &["message"]),
    field("full_message", "full_message", Utf8, &[]),
    field("timestamp", "timestamp", Float64, &[]),
    field("level", "level", Int32, &[]),
    field("facility", "facility", Utf8, &[]),
    field("line", "line", Int64, &[]),
    field("file", "file", Utf8, &[]),
];
