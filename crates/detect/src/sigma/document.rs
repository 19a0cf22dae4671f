//! Sigma documents: attributes, log source, detection or correlation.

use super::condition::{self, Condition};
use super::correlation::{self, Correlation};
use super::item::{self, Item, ItemProblem};
use haetae_event::Level;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a rule says about itself.
#[derive(Clone, Debug)]
pub struct Attributes {
    /// Its UUID; where it has none, its name, else its title.
    pub id: String,
    pub name: Option<String>,
    pub title: String,
    pub description: String,
    pub level: Level,
    /// ATT&CK technique ids, e.g. `T1190`.
    pub attack: Vec<String>,
    /// Our own settings under the custom key `haetae`.
    pub custom: Custom,
}

/// Custom key `haetae` of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Custom {
    /// Fields that name the entity of a rule that stands alone; default `src_ip`.
    pub entity: Vec<String>,
    /// A client that may be a proxy lowers the level.
    pub proxy_aware: bool,
    /// Matching events no further apart than this are one episode.
    pub gap_us: Option<i64>,
}

/// Missing keys mean any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSource {
    pub category: Option<String>,
    pub product: Option<String>,
    pub service: Option<String>,
}

/// A detection rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub attributes: Attributes,
    pub source: LogSource,
    pub condition: Condition,
    /// Search identifier → what it means.
    pub searches: BTreeMap<String, Search>,
}

/// A search identifier: lists are OR-ed, maps AND-ed.
#[derive(Clone, Debug)]
pub enum Search {
    AnyOf(Vec<Search>),
    AllOf(Vec<Item>),
}

/// One YAML document.
#[derive(Clone, Debug)]
pub enum Document {
    Rule(Rule),
    Correlation(Attributes, Correlation),
}

fn problem<T>(code: &'static str, message: impl Into<String>, hint: &'static str) -> Result<T, ItemProblem> {
    Err(ItemProblem {
        code,
        message: message.into(),
        hint,
    })
}

/// Checks one document.
///
/// # Errors
/// Everything that this engine would not honour.
pub fn read(value: &Value) -> Result<Document, ItemProblem> {
    let Value::Object(map) = value else {
        return problem("sigma-document", "a rule is a map", "");
    };
    let attributes = attributes(map)?;
    match (map.get("detection"), map.get("correlation"), map.get("filter")) {
        (Some(Value::Object(detection)), None, None) => rule(attributes, map, detection),
        (None, Some(Value::Object(inner)), None) => {
            Ok(Document::Correlation(attributes, correlation::read(inner, map)?))
        }
        (None, None, Some(_)) => problem("sigma-filter", "filters are not supported", ""),
        _ => problem(
            "sigma-document",
            "a rule needs `detection` or `correlation`, a map",
            "",
        ),
    }
}

fn attributes(map: &Map<String, Value>) -> Result<Attributes, ItemProblem> {
    let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    let Some(title) = text("title") else {
        return problem("sigma-document", "a rule needs a `title`", "");
    };
    let level = match text("level") {
        None => Level::Medium,
        Some(level) => match level.parse() {
            Ok(level) => level,
            Err(message) => {
                return Err(ItemProblem {
                    code: "sigma-level",
                    message,
                    hint: "",
                });
            }
        },
    };
    let tags = map
        .get("tags")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let attack = tags
        .iter()
        .filter_map(|tag| tag.as_str()?.strip_prefix("attack."))
        .filter(|id| id.starts_with('t') && id[1..].starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_uppercase)
        .collect();
    Ok(Attributes {
        id: text("id")
            .or_else(|| text("name"))
            .unwrap_or_else(|| title.clone()),
        name: text("name"),
        description: text("description").unwrap_or_default(),
        title,
        level,
        attack,
        custom: custom(map.get("haetae"))?,
    })
}

fn custom(value: Option<&Value>) -> Result<Custom, ItemProblem> {
    let mut custom = Custom::default();
    let Some(value) = value else { return Ok(custom) };
    let bad = "haetae: {entity: [field], proxy_aware: true, gap: 10m}";
    for (key, value) in value.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("entity", Value::Array(fields)) => {
                custom.entity = fields
                    .iter()
                    .filter_map(|f| f.as_str().map(str::to_owned))
                    .collect();
            }
            ("proxy_aware", Value::Bool(on)) => custom.proxy_aware = *on,
            ("gap", Value::String(text)) => custom.gap_us = correlation::span_us(text),
            _ => return problem("sigma-custom", format!("`haetae.{key}` is not a setting"), bad),
        }
    }
    Ok(custom)
}

fn rule(
    attributes: Attributes,
    map: &Map<String, Value>,
    detection: &Map<String, Value>,
) -> Result<Document, ItemProblem> {
    let source = log_source(map)?;
    let mut searches = BTreeMap::new();
    for (name, value) in detection {
        match name.as_str() {
            "condition" => {}
            "timeframe" => {
                return problem(
                    "sigma-timeframe",
                    "`timeframe` is obsolete",
                    "write a correlation rule",
                );
            }
            _ => {
                searches.insert(name.clone(), search(value)?);
            }
        }
    }
    let names: Vec<String> = searches.keys().cloned().collect();
    let texts: Vec<&str> = match detection.get("condition") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) if !many.is_empty() => many.iter().filter_map(Value::as_str).collect(),
        _ => return problem("sigma-condition", "the detection needs a `condition`", ""),
    };
    let mut parts = Vec::new();
    for text in texts {
        match condition::parse(text, &names) {
            Ok(part) => parts.push(part),
            Err(message) => return problem("sigma-condition", message, ""),
        }
    }
    let condition = if parts.len() == 1 {
        parts.remove(0)
    } else {
        Condition::Or(parts)
    };
    Ok(Document::Rule(Rule {
        attributes,
        source,
        condition,
        searches,
    }))
}

fn log_source(map: &Map<String, Value>) -> Result<LogSource, ItemProblem> {
    let Some(Value::Object(source)) = map.get("logsource") else {
        return problem("sigma-logsource", "a detection rule needs a `logsource`", "");
    };
    let text = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_lowercase);
    Ok(LogSource {
        category: text("category"),
        product: text("product"),
        service: text("service"),
    })
}

fn search(value: &Value) -> Result<Search, ItemProblem> {
    match value {
        Value::Object(map) => all_of(map),
        Value::Array(values) if values.is_empty() => problem("sigma-value", "an empty search", ""),
        Value::Array(values) => {
            let (maps, words): (Vec<&Value>, Vec<&Value>) = values.iter().partition(|v| v.is_object());
            let mut parts = Vec::new();
            for map in maps {
                parts.push(all_of(map.as_object().expect("partitioned by is_object"))?);
            }
            if !words.is_empty() {
                let words: Vec<Value> = words.into_iter().cloned().collect();
                parts.push(Search::AllOf(vec![item::keywords(&words)?]));
            }
            Ok(Search::AnyOf(parts))
        }
        Value::Null => problem("sigma-value", "an empty search", ""),
        one => Ok(Search::AllOf(vec![item::keywords(std::slice::from_ref(one))?])),
    }
}

fn all_of(map: &Map<String, Value>) -> Result<Search, ItemProblem> {
    if map.is_empty() {
        return problem("sigma-value", "an empty search", "");
    }
    let mut items = Vec::new();
    for (key, value) in map {
        let mut item = item::read(key, value)?;
        if item.field.is_none()
            && let item::Test::Any(atoms) | item::Test::All(atoms) = &mut item.test
        {
            item::open(atoms);
        }
        items.push(item);
    }
    Ok(Search::AllOf(items))
}

impl Document {
    pub fn attributes(&self) -> &Attributes {
        match self {
            Document::Rule(rule) => &rule.attributes,
            Document::Correlation(attributes, _) => attributes,
        }
    }
}
