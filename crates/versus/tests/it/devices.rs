//! Syslog, CEF and logfmt.

use crate::compare::{Comparison, Fields, named, renamed};
use haetae_event::dataset::NativeType;
use haetae_event::native::cef;
use haetae_versus::ours::Row;
use haetae_versus::theirs;
use vrl::value::Value;

/// Our column, their key.
const SYSLOG: &[(&str, &str)] = &[
    ("ts", "timestamp"),
    ("facility", "facility"),
    ("severity", "severity"),
    ("version", "version"),
    ("hostname", "hostname"),
    ("appname", "appname"),
    ("procid", "procid"),
    ("msgid", "msgid"),
    ("message", "message"),
];
/// Name of the structured data of both; theirs are objects beside the other keys.
const DATA: &str = "structured_data";

fn our_syslog(row: &Row) -> Fields {
    let mut fields = renamed(row, SYSLOG);
    if let Some(data) = row.get(DATA) {
        let data: serde_json::Value = serde_json::from_str(data).expect("structured data is JSON");
        fields.insert(DATA.to_owned(), data.to_string());
    }
    fields
}

fn their_syslog(value: &Value) -> Fields {
    let mut fields = named(value, SYSLOG);
    let record = serde_json::to_value(value).expect("values become JSON");
    let members = record.as_object().expect("an object").iter();
    let elements: serde_json::Map<String, serde_json::Value> = members
        .filter(|(_, value)| value.is_object())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if !elements.is_empty() {
        fields.insert(DATA.to_owned(), serde_json::Value::Object(elements).to_string());
    }
    fields
}

#[test]
fn rfc5424() {
    Comparison {
        name: "syslog",
        kind: "syslog",
        format: "syslog",
        program: "parse_syslog!(.message)".to_owned(),
        ours: our_syslog,
        theirs: their_syslog,
        more: &[],
        shared: &[],
        known: &[],
    }
    .run();
}

#[test]
fn rfc3164() {
    Comparison {
        name: "syslog-3164",
        kind: "syslog-3164",
        format: "syslog",
        program: "parse_syslog!(.message)".to_owned(),
        ours: our_syslog,
        theirs: their_syslog,
        more: &[],
        shared: &["loghub_2k/OpenSSH/OpenSSH_2k.log", "loghub_2k/Linux/Linux_2k.log"],
        known: &[],
    }
    .run();
}

/// Their name of a field of CEF: the vendor's, but the header's fifth under its CEF name.
fn their_key(vendor: &str) -> &str {
    if vendor == "signatureId" {
        "deviceEventClassId"
    } else {
        vendor
    }
}

fn our_cef(row: &Row) -> Fields {
    let derived = ["severity_number", "hostname"];
    let fields = cef::FIELDS
        .iter()
        .filter(|field| !derived.contains(&field.vendor));
    let cells = fields.filter_map(|field| {
        let column = match field.kind {
            NativeType::Core(core) => core,
            _ => field.column,
        };
        Some((their_key(field.vendor).to_owned(), row.get(column)?.clone()))
    });
    cells.collect()
}

fn their_cef(value: &Value) -> Fields {
    let fields = cef::FIELDS.iter().map(|field| their_key(field.vendor));
    fields
        .filter_map(|key| Some((key.to_owned(), theirs::text(value, key)?)))
        .collect()
}

#[test]
fn common_event_format() {
    Comparison {
        name: "cef",
        kind: "cef",
        format: "cef",
        program: "parse_cef!(.message)".to_owned(),
        ours: our_cef,
        theirs: their_cef,
        more: &[],
        shared: &[],
        known: &[],
    }
    .run();
}

/// Our column, the key; keys without a column are in `attrs`.
const LOGFMT: &[(&str, &str)] = &[
    ("ts", "time"),
    ("level", "level"),
    ("message", "msg"),
    ("method", "method"),
    ("uri", "path"),
    ("peer_ip", "remote_addr"),
    ("status", "status"),
    ("request_id", "request_id"),
];

fn our_logfmt(row: &Row) -> Fields {
    let mut fields = renamed(row, LOGFMT);
    let attrs = row.get("attrs").map_or("{}", String::as_str);
    let attrs: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(attrs).expect("attrs are an object");
    for (key, value) in attrs {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !text.is_empty() {
            fields.insert(key, text);
        }
    }
    fields
}

fn their_logfmt(value: &Value) -> Fields {
    let members = value.as_object().expect("an object").iter();
    let texts = members.filter_map(|(key, value)| Some((key.to_string(), theirs::shown(value)?)));
    texts.collect()
}

#[test]
fn logfmt() {
    Comparison {
        name: "logfmt",
        kind: "logfmt",
        format: "logfmt",
        program: "parse_logfmt!(.message)".to_owned(),
        ours: our_logfmt,
        theirs: their_logfmt,
        more: &[],
        shared: &[],
        known: &[],
    }
    .run();
}
