//! AWS WAF records and JSON access records: values in columns are the values in the object.

use crate::compare::{Comparison, Difference, Fields, Known};
use haetae_event::Micros;
use haetae_event::dataset::NativeType;
use haetae_event::native::waf;
use haetae_versus::ours::Row;
use vrl::value::Value;

/// As our cells show a JSON value: text bare, arrays and objects as JSON with sorted keys.
fn shown(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) if number.is_f64() => number.as_f64().map(|n| n.to_string()),
        other => Some(other.to_string()),
    }
}

/// Our cell: JSON texts in one spelling.
fn canonical(text: &str) -> String {
    match text.as_bytes().first() {
        Some(b'{' | b'[') => {
            serde_json::from_str::<serde_json::Value>(text).map_or(text.to_owned(), |v| v.to_string())
        }
        _ => text.to_owned(),
    }
}

fn object(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).expect("JSON values become JSON")
}

fn column(field: &haetae_event::dataset::NativeField) -> &'static str {
    match field.kind {
        NativeType::Core(core) => core,
        _ => field.column,
    }
}

/// What says nothing is null with us; an empty text and `-` stay texts with them.
fn is_nothing(d: &Difference, text: &str) -> bool {
    d.ours.is_none() && d.theirs.as_deref() == Some(text)
}

fn our_waf(row: &Row) -> Fields {
    let cells = waf::FIELDS.iter().filter_map(|field| {
        let cell = row.get(column(field))?;
        Some((field.vendor.to_owned(), canonical(cell)))
    });
    cells.collect()
}

fn their_waf(value: &Value) -> Fields {
    let record = object(value);
    let values = waf::FIELDS.iter().filter_map(|field| {
        let place = format!("/{}", field.vendor.replace('.', "/"));
        Some((field.vendor.to_owned(), shown(record.pointer(&place)?)?))
    });
    values.collect()
}

#[test]
fn waf_records() {
    Comparison {
        name: "waf",
        kind: "waf",
        format: "waf",
        program: "parse_json!(.message)".to_owned(),
        ours: our_waf,
        theirs: their_waf,
        more: &[],
        shared: &["aws/waf/waf-security-automations-waf.jsonl"],
        known: &[
            Known {
                key: "waf.empty",
                holds: |d| is_nothing(d, ""),
            },
            Known {
                key: "waf.dash",
                holds: |d| is_nothing(d, "-"),
            },
        ],
    }
    .run();
}

/// Our column, the key; keys without a column are in `attrs`.
const ACCESS: &[(&str, &str)] = &[
    ("ts", "time"),
    ("peer_ip", "remote_addr"),
    ("account", "remote_user"),
    ("method", "method"),
    ("uri", "request_uri"),
    ("protocol", "server_protocol"),
    ("status", "status"),
    ("bytes_out", "body_bytes_sent"),
    ("bytes_in", "request_length"),
    ("request_time", "request_time"),
    ("dst_host", "host"),
    ("http_referer", "http_referer"),
    ("ua", "http_user_agent"),
    ("request_id", "request_id"),
];

fn our_access(row: &Row) -> Fields {
    let mut fields = crate::compare::renamed(row, ACCESS);
    let attrs = row.get("attrs").map(String::as_str).unwrap_or("{}");
    let attrs: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(attrs).expect("attrs are an object");
    fields.extend(
        attrs
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), shown(value)?))),
    );
    fields
}

fn their_access(value: &Value) -> Fields {
    let record = object(value);
    let members = record.as_object().expect("an object").iter();
    let values = members.filter_map(|(key, value)| {
        let text = shown(value)?;
        let text = match key.as_str() {
            "time" => Micros::parse_rfc3339(&text).map_or(text, |time| time.to_string()),
            _ => text,
        };
        Some((key.clone(), text))
    });
    values.collect()
}

#[test]
fn json_access_records() {
    Comparison {
        name: "json",
        kind: "json",
        format: "json",
        program: "parse_json!(.message)".to_owned(),
        ours: our_access,
        theirs: their_access,
        more: &[],
        shared: &[],
        known: &[
            Known {
                key: "json.empty",
                holds: |d| is_nothing(d, ""),
            },
            Known {
                key: "json.dash",
                holds: |d| is_nothing(d, "-"),
            },
        ],
    }
    .run();
}
