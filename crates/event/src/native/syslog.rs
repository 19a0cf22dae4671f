//! RFC 5424 and RFC 3164 fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Int32, Utf8};

/// Syslog fields under RFC 5424's names, `-` for spaces left out. `priority` is the number in
/// `<…>`, 13 where a line has none; `facility` and `severity` are its halves by name. `hostname`
/// is the sender. `structured_data` is a JSON object of the elements.
///
/// The last seven are what the message of a known program says happened, under the names of the
/// Elastic Common Schema where it has one: `event.category` is `authentication`, `network`,
/// `mail`, `web` or `process`; `event.outcome` `success` or `failure`; `event.service` what the
/// client wanted (`ssh`, `imap`, …) or the program that crashed. Ports and transport are those of
/// a logged packet.
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
    field("event.category", "event_category", Utf8, &[]),
    field("event.action", "event_action", Utf8, &["action"]),
    field("event.outcome", "event_outcome", Utf8, &["outcome"]),
    field("event.service", "event_service", Utf8, &["service"]),
    field("src_port", "src_port", Int32, &["srcport"]),
    field("dst_port", "dst_port", Int32, &["dstport"]),
    field("transport", "transport", Utf8, &["proto"]),
];
