//! Correlation documents: `event_count` and `value_count`.

use super::item::{ItemProblem, Order};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is counted inside the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    Events,
    /// Distinct values (tuples) of these fields.
    Values(Vec<String>),
}

/// A comparison of the count; several are AND-ed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold(pub Vec<(Order, u64)>);

impl Threshold {
    pub fn holds(&self, count: u64) -> bool {
        self.0.iter().all(|&(order, n)| match order {
            Order::Equal => count == n,
            Order::Less => count < n,
            Order::LessEqual => count <= n,
            Order::Greater => count > n,
            Order::GreaterEqual => count >= n,
        })
    }

    /// More events can only keep it true.
    pub fn monotone(&self) -> bool {
        self.0
            .iter()
            .all(|(order, _)| matches!(order, Order::Greater | Order::GreaterEqual))
    }

    /// The least count that can satisfy it.
    pub fn least(&self) -> u64 {
        let least = |&(order, n): &(Order, u64)| match order {
            Order::Greater => n.saturating_add(1),
            Order::GreaterEqual | Order::Equal => n,
            Order::Less | Order::LessEqual => 0,
        };
        self.0.iter().map(least).max().unwrap_or(0)
    }
}

/// A checked correlation; references are names or ids as written.
#[derive(Clone, Debug)]
pub struct Correlation {
    pub counted: Counted,
    pub rules: Vec<String>,
    pub group_by: Vec<String>,
    /// alias → (rule reference → field)
    pub aliases: BTreeMap<String, BTreeMap<String, String>>,
    pub span_us: i64,
    pub threshold: Threshold,
    /// The base rules alert by themselves too.
    pub generate: bool,
}

fn problem<T>(message: impl Into<String>, hint: &'static str) -> Result<T, ItemProblem> {
    Err(ItemProblem {
        code: "sigma-correlation",
        message: message.into(),
        hint,
    })
}

/// Reads the `correlation` map of a document; `outer` is the whole document (for `generate`).
///
/// # Errors
/// What of it cannot be honoured.
pub fn read(map: &Map<String, Value>, outer: &Map<String, Value>) -> Result<Correlation, ItemProblem> {
    const KEYS: [&str; 7] = [
        "type",
        "rules",
        "group-by",
        "timespan",
        "aliases",
        "condition",
        "generate",
    ];
    if let Some(unknown) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return problem(format!("unknown key `{unknown}` in the correlation"), "");
    }
    let Some(Value::Object(condition)) = map.get("condition") else {
        return problem(
            "a count needs `condition` with gt, gte, lt, lte or eq",
            "condition: {gte: 10}",
        );
    };
    let counted = match map.get("type").and_then(Value::as_str) {
        Some("event_count") => Counted::Events,
        Some("value_count") => match texts(condition.get("field")) {
            Some(fields) if !fields.is_empty() => Counted::Values(fields),
            _ => return problem("value_count needs `field` in its condition", ""),
        },
        other => {
            return problem(
                format!("correlation type `{}` is not supported", other.unwrap_or("?")),
                "event_count and value_count are",
            );
        }
    };
    let generate = [map.get("generate"), outer.get("generate")]
        .into_iter()
        .flatten()
        .any(|value| value == &Value::Bool(true));
    Ok(Correlation {
        counted,
        rules: match texts(map.get("rules")) {
            Some(rules) if !rules.is_empty() => rules,
            _ => return problem("`rules` must name at least one rule", ""),
        },
        group_by: match map.get("group-by") {
            None => Vec::new(),
            given => match texts(given) {
                Some(fields) => fields,
                None => return problem("`group-by` must be a list of fields", ""),
            },
        },
        aliases: aliases(map.get("aliases"))?,
        span_us: match map.get("timespan").and_then(Value::as_str).and_then(span_us) {
            Some(span) => span,
            None => return problem("`timespan` must be like 30s, 5m, 1h or 1d, at most 1d", ""),
        },
        threshold: threshold(condition)?,
        generate,
    })
}

fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn aliases(value: Option<&Value>) -> Result<BTreeMap<String, BTreeMap<String, String>>, ItemProblem> {
    let Some(value) = value else {
        return Ok(BTreeMap::new());
    };
    match serde_json::from_value(value.clone()) {
        Ok(aliases) => Ok(aliases),
        Err(_) => problem("`aliases` must be alias → rule → field", ""),
    }
}

/// `30s`, `5m`, `1h`, `1d` in microseconds; at most a day, which bounds the state.
pub fn span_us(text: &str) -> Option<i64> {
    use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
    let unit = match text.chars().last()? {
        's' => SECOND_US,
        'm' => MINUTE_US,
        'h' => HOUR_US,
        'd' => DAY_US,
        _ => return None,
    };
    let count: i64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(unit).filter(|us| (1..=DAY_US).contains(us))
}

fn threshold(condition: &Map<String, Value>) -> Result<Threshold, ItemProblem> {
    let mut parts = Vec::new();
    for (key, value) in condition {
        let order = match key.as_str() {
            "field" => continue,
            "gt" => Order::Greater,
            "gte" => Order::GreaterEqual,
            "lt" => Order::Less,
            "lte" => Order::LessEqual,
            "eq" => Order::Equal,
            other => return problem(format!("`{other}` is not a comparison"), "gt, gte, lt, lte, eq"),
        };
        match value.as_u64() {
            Some(n) => parts.push((order, n)),
            None => return problem(format!("`{key}` needs a whole number"), ""),
        }
    }
    if parts.is_empty() {
        return problem("the condition compares nothing", "condition: {gte: 10}");
    }
    Ok(Threshold(parts))
}
