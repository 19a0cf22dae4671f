//! Second opinions: a general JSON reader on every native column, and published OCSF events.

use crate::support::{Whole, shared};
use haetae_event::dataset::NativeType;
use haetae_event::{Dataset, Micros};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The value under a vendor's name, where a dot is a level.
fn at<'v>(record: &'v Value, vendor: &str) -> Option<&'v Value> {
    vendor.split('.').try_fold(record, |value, key| value.get(key))
}

/// What a cell should hold: null, nothing and `-` are the same.
fn is_missing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty() || text == "-",
        Some(_) => false,
    }
}

/// Whether a cell says what a JSON value says: same text, same JSON, same number or same instant.
fn agrees(cell: &str, value: &Value) -> bool {
    if is_missing(Some(value)) {
        return cell == "∅";
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if cell == text {
        return true;
    }
    let same_json = |text: &str| {
        let (a, b) = (
            serde_json::from_str::<Value>(cell),
            serde_json::from_str::<Value>(text),
        );
        matches!((a, b), (Ok(a), Ok(b)) if a == b)
    };
    let instant = |text: &str| Micros::parse_rfc3339(text);
    same_json(&text) || instant(cell).is_some() && instant(cell) == instant(&text)
}

/// Every native column of every row against the record as a general reader sees it. `except`
/// names vendor fields with rules of their own.
pub fn check_native(whole: &Whole, dataset: Dataset, records: &[Value], except: &[&str]) {
    assert_eq!(whole.rows.len(), records.len());
    for (row, record) in records.iter().enumerate() {
        for field in dataset.native_fields() {
            if except.contains(&field.vendor) {
                continue;
            }
            let column = match field.kind {
                NativeType::Core(core) => core,
                _ => field.column,
            };
            let value = at(record, field.vendor).unwrap_or(&Value::Null);
            let cell = whole.cell(row, column);
            assert!(
                agrees(cell, value),
                "row {row}, {}: {cell} is not {value}",
                field.vendor
            );
        }
        let attrs = whole.cell(row, "attrs");
        let got: BTreeSet<String> = match serde_json::from_str(attrs) {
            Ok(Value::Object(map)) => map.keys().cloned().collect(),
            _ => BTreeSet::new(),
        };
        let mut want = BTreeSet::new();
        leftover(dataset, record, "", &mut want);
        assert_eq!(got, want, "row {row}: {attrs}");
    }
}

/// Dotted names of the members that have no column.
fn leftover(dataset: Dataset, object: &Value, prefix: &str, into: &mut BTreeSet<String>) {
    for (key, value) in object.as_object().expect("records are objects") {
        let path = format!("{prefix}{key}");
        let inside = format!("{path}.");
        let fields = dataset.native_fields();
        if fields.iter().any(|field| field.vendor.starts_with(&inside)) {
            leftover(dataset, value, &inside, into);
        } else if !fields.iter().any(|field| field.vendor == path) {
            into.insert(path);
        }
    }
}

/// `- \`/pointer\`: reason` lines of a file of intended differences.
fn differences(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/differences")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let listed: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "))
        .map(|(pointer, reason)| {
            assert!(!reason.trim().is_empty(), "{pointer} has no reason");
            pointer.to_owned()
        })
        .collect();
    assert!(!listed.is_empty());
    listed
}

fn leaves(value: &Value, pointer: String, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| leaves(value, format!("{pointer}/{key}"), into)),
        other => into.push((pointer, other.clone())),
    }
}

/// Every leaf of a published OCSF event is in a column of ours, or a listed difference with a
/// reason. `map` is (OCSF pointer, our column). Gives back the listed pointers that were needed.
pub fn check_ocsf(whole: &Whole, fixture: &str, map: &[(&str, &str)], listed: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let Some(bytes) = shared(fixture) else { return used };
    let event: Value = serde_json::from_slice(&bytes).expect("fixtures are JSON");
    let listed = differences(listed);
    let mut found = Vec::new();
    leaves(&event, String::new(), &mut found);
    for (pointer, value) in found {
        let difference = listed
            .iter()
            .find(|p| pointer == **p || pointer.starts_with(&format!("{p}/")));
        if let Some(difference) = difference {
            used.insert(difference.clone());
            continue;
        }
        let (_, column) = map
            .iter()
            .find(|(theirs, _)| *theirs == pointer)
            .unwrap_or_else(|| panic!("{fixture}: {pointer} is neither mapped nor a listed difference"));
        let cell = whole.cell(0, column);
        let value = match (&*pointer, value.as_i64()) {
            ("/time", Some(ms)) => Value::String(Micros(ms * 1000).to_string()),
            _ => value,
        };
        assert!(
            agrees(cell, &value),
            "{fixture}: {pointer} {value} is not {column} {cell}"
        );
    }
    used
}

/// Every listed difference is still one.
pub fn check_all_needed(used: &BTreeSet<String>, listed: &str) {
    if !used.is_empty() {
        let all: BTreeSet<String> = differences(listed).into_iter().collect();
        assert_eq!(used, &all, "listed, but no difference any more");
    }
}
