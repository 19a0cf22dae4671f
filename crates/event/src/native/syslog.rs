//! RFC 5424 and RFC 3164 fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Int32, Utf8};

/// Syslog fields under RFC 5424's names, `-` for spaces left out. `priority` is the number in
/// `<…>`, 13 where a line has none; `facility` and `severity` are its halves by name. `hostname`
/// is the sender. `structured_data` is a JSON object of the elements.
pub const FIELDS: &[NativeField] = &[
    field("priority", "priority", Int32, &["pri", "prival"]),
    field("facility", "facility", Utf8, &[]),
    field("facility_code", "facility_code", Int32, &[]),
    field("severity", "severity", Utf8, &["level"]),
    field("severity_code", "severity_code", Int32, &[]),
    field("version", "version", Int32, &[]),
    field("hostname", "hostname", Utf8, &["host"]),
    field("appname", "appname", Utf8, &["app_name", "program", "tag"]),
    field("procid", "procid", Utf8, &["pid", "process_id"]),
    field("msgid", "msgid", Utf8, &["msg_id"]),
    field("structured_data", "structured_data", Utf8, &["sd"]),
    field("message", "message", Utf8, &["msg"]),
];
