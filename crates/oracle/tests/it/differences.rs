//! `differences.md`: its rows, and what each of them is about.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const ROWS: &str = include_str!("../../differences.md");

/// The row that a difference between a rule's verdicts on an event belongs to: the situation that
/// the row describes must be there, in the rule and in the event, and where an event can be without
/// it, the engines must agree on that event.
pub fn key(rule: &Value, event: &Value, agree: &mut dyn FnMut(&Value) -> bool) -> Option<&'static str> {
    let mut items = Vec::new();
    let searches = rule["detection"].as_object();
    let searches = searches.into_iter().flatten();
    searches
        .filter(|(name, _)| *name != "condition")
        .for_each(|(_, search)| collect(search, &mut items));
    // Where one of the keywords is nowhere, both engines find nothing by them.
    let everywhere = |(key, values): &(String, Vec<String>)| {
        let within = |value: &String| {
            let sought = value.trim_matches('*').to_lowercase();
            has_text(event, &|text| text.to_lowercase().contains(&sought))
        };
        key == "|all" && values.iter().all(within)
    };
    if items.iter().any(everywhere) {
        return Some("keyword.all");
    }
    let hidden = |(key, _): &(String, Vec<String>)| {
        let field = key.split('|').next().unwrap_or_default();
        field.contains('.') && event.get(field).is_some_and(Value::is_null) && nested(event, field)
    };
    if items.iter().any(hidden) {
        let mut without = event.clone();
        if let Some(map) = without.as_object_mut() {
            map.retain(|key, value| !(key.contains('.') && value.is_null()));
        }
        return agree(&without).then_some("field.null-key");
    }
    if let Some(key) = of_the_rule(&items, event) {
        return Some(key);
    }
    // Nothing beside nothing: a field that is null, empty or not there.
    let absent = |field: &str| match event.get(field) {
        None | Some(Value::Null) => true,
        Some(Value::Array(values)) => values.is_empty(),
        Some(_) => false,
    };
    let beside = |(key, values): &(String, Vec<String>)| {
        let field = key.split('|').next().unwrap_or_default();
        key.contains("|fieldref") && absent(field) && values.iter().all(|other| absent(other))
    };
    if let Some((key, values)) = items.iter().find(|item| beside(item)) {
        let mut with = event.clone();
        if let Some(map) = with.as_object_mut() {
            let field = key.split('|').next().unwrap_or_default();
            map.insert(field.to_owned(), "one".into());
            map.extend(values.iter().map(|other| (other.clone(), "another".into())));
        }
        return agree(&with).then_some("fieldref.nothing");
    }
    let wild = |(key, values): &(String, Vec<String>)| {
        !key.contains("|re") && values.iter().any(|value| value.contains(['*', '?']))
    };
    if items.iter().any(wild) && has_text(event, &|text| text.contains('\n')) {
        let mut without = event.clone();
        join_lines(&mut without);
        return agree(&without).then_some("wildcard.newline");
    }
    None
}

/// What a rule shows by itself, whatever values the event has.
fn of_the_rule(items: &[(String, Vec<String>)], event: &Value) -> Option<&'static str> {
    let has = |is: &dyn Fn(&str, &str) -> bool| {
        let mut values = items
            .iter()
            .flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        values.any(|(key, value)| is(key, value))
    };
    let ends = |key: &str| key.contains("|startswith") || key.contains("|endswith");
    if has(&|key, value| ends(key) && value.contains(['*', '?'])) {
        return Some("wildcard.end");
    }
    if has(&|key, _| key.contains("|base64offset")) {
        return Some("base64offset.tail");
    }
    let different = |key: &str, _: &str| {
        let field = key.split('|').next().unwrap_or_default();
        key.contains("|neq") && event.get(field).is_none()
    };
    if has(&different) {
        return Some("neq.absent");
    }
    let number = |value: &str| value.parse::<f64>().is_ok();
    has(&|key, value| key.is_empty() && number(value)).then_some("keyword.number")
}

/// A space in place of every line break.
fn join_lines(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('\n', " "),
        Value::Array(values) => values.iter_mut().for_each(join_lines),
        Value::Object(map) => map.values_mut().for_each(join_lines),
        _ => {}
    }
}

/// Keys and texts of a detection; keywords have an empty key.
fn collect(value: &Value, items: &mut Vec<(String, Vec<String>)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::Object(_) => collect(value, items),
                    Value::Array(values) if values.iter().any(Value::is_object) => collect(value, items),
                    Value::Array(values) => items.push((key.clone(), values.iter().map(text).collect())),
                    one => items.push((key.clone(), vec![text(one)])),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, items)),
        one => items.push((String::new(), vec![text(one)])),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn nested(event: &Value, field: &str) -> bool {
    field
        .split('.')
        .try_fold(event, |value, part| value.get(part))
        .is_some_and(|value| !value.is_null())
}

fn has_text(value: &Value, is: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is(text),
        Value::Number(number) => is(&number.to_string()),
        Value::Array(values) => values.iter().any(|value| has_text(value, is)),
        Value::Object(map) => map.values().any(|value| has_text(value, is)),
        _ => false,
    }
}

/// Every row was seen, and every difference has a row.
pub fn rows_are(seen: &BTreeMap<String, usize>) {
    let rows: BTreeSet<&str> = ROWS
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(key, _)| key))
        .collect();
    let seen: BTreeSet<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(rows, seen, "rows of differences.md, and differences seen");
}
