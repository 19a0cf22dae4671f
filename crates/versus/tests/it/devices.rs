//! Syslog, CEF and logfmt.

use crate::compare::{Comparison, Difference, Fields, Known, named, renamed};
use haetae_event::Micros;
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

/// A time whose line has no year: each side puts one in by its own clock.
fn without_year(mut fields: Fields) -> Fields {
    if let Some(time) = fields.get_mut("timestamp") {
        *time = time.split_off("2026-".len());
    }
    fields
}

/// Code 15.
fn is_clock(d: &Difference) -> bool {
    let both = (d.ours.as_deref(), d.theirs.as_deref());
    d.field == "facility" && both == (Some("clock"), Some("clockd"))
}

/// Their message has lost what is in front of it: one of `lost`.
fn is_cut(d: &Difference, lost: &[char]) -> bool {
    let (Some(ours), Some(theirs)) = (&d.ours, &d.theirs) else {
        return false;
    };
    let gone = ours.strip_suffix(theirs.as_str()).unwrap_or_default();
    d.field == "message" && !gone.is_empty() && gone.chars().all(|c| lost.contains(&c))
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
        known: &[
            Known {
                key: "syslog.no-time",
                holds: |d| d.is_read_by_us_alone() && d.line.contains(">1 - "),
            },
            Known {
                key: "syslog.blanks",
                holds: |d| is_cut(d, &[' ']),
            },
            Known {
                key: "syslog.clock",
                holds: is_clock,
            },
        ],
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
        ours: |row| without_year(our_syslog(row)),
        theirs: |value| without_year(their_syslog(value)),
        more: &["Mar  1 00:00:00 web-1 sshd[7]: Connection closed by 192.0.2.7"],
        shared: &[
            "loghub_2k/OpenSSH/OpenSSH_2k.log.gz",
            "loghub_2k/Linux/Linux_2k.log.gz",
        ],
        known: &[
            Known {
                key: "syslog-3164.blanks",
                holds: |d| is_cut(d, &[' ']),
            },
            Known {
                key: "syslog-3164.dash",
                holds: |d| is_cut(d, &['-', ' ']),
            },
            Known {
                key: "syslog-3164.no-priority",
                holds: |d| {
                    let default = [("facility", "user"), ("severity", "notice")];
                    !d.line.starts_with('<')
                        && d.theirs.is_none()
                        && default.contains(&(d.field.as_str(), d.ours.as_deref().unwrap_or_default()))
                },
            },
            Known {
                key: "syslog-3164.clock",
                holds: is_clock,
            },
        ],
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

/// Whether the URL of the request shows an equals sign as it is.
fn has_unescaped_equals(line: &str) -> bool {
    let url = line
        .split(" request=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    url.is_some_and(|url| url.replace("\\=", "").contains('='))
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
        known: &[Known {
            key: "cef.equals",
            holds: |d| d.is_read_by_us_alone() && has_unescaped_equals(&d.line),
        }],
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
    let texts = members.filter_map(|(key, value)| {
        let text = theirs::shown(value)?;
        let text = match key.as_str() {
            "time" => Micros::parse_rfc3339(&text).map_or(text, |time| time.to_string()),
            _ => text,
        };
        Some((key.to_string(), text))
    });
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
        known: &[
            Known {
                key: "logfmt.single-quotes",
                holds: |d| {
                    ["single", "'single'"].contains(&d.field.as_str()) && d.line.ends_with(" 'single'=x")
                },
            },
            Known {
                key: "logfmt.tab",
                holds: |d| d.is_escaped_by_them(|text| text.replace("\\t", "\t")),
            },
        ],
    }
    .run();
}
