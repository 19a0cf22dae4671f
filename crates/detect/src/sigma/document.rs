//! Sigma documents: attributes, log source, detection or correlation.

use super::condition::{self, Condition};
use super::correlation::{self, Correlation};
use super::item::{self, Item, ItemProblem};
use super::placeholder::Placeholders;
use crate::logsource::Mapping;
use haetae_event::Level;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a rule says about itself.
#[derive(Clone, Debug)]
pub struct Attributes {
    /// Its UUID; where it has none, its name, else its title.
    pub id: String,
    pub name: Option<String>,
    pub title: String,
    pub description: String,
    pub level: Level,
    pub falsepositives: Vec<String>,
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
    /// Risk score, 0 to 100, in place of the level's.
    pub risk: Option<u8>,
    /// Whether its findings may block an address; absent: by level and confidence.
    pub block: Option<bool>,
    /// Of a filter: which sign its condition has.
    pub filter: Option<super::filter::Sign>,
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
    /// Where it looks; nowhere until the loader has asked the pipeline.
    pub mapping: Arc<Mapping>,
}

/// What a `detection` or a `filter` asks of an event.
#[derive(Clone, Debug)]
pub struct Detection {
    pub condition: Condition,
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

/// Checks one document that is no filter ([`super::filter`]).
///
/// # Errors
/// Everything that this engine would not honour.
pub fn read(value: &Value, known: &Placeholders) -> Result<Document, ItemProblem> {
    let Value::Object(map) = value else {
        return problem("sigma-document", "a rule is a map", "");
    };
    let attributes = attributes(map)?;
    match (map.get("detection"), map.get("correlation")) {
        (Some(Value::Object(inner)), None) => {
            let source = log_source(map)?;
            let Detection { condition, searches } = detection(inner, &[], known)?;
            Ok(Document::Rule(Rule {
                attributes,
                source,
                condition,
                searches,
                mapping: Arc::default(),
            }))
        }
        (None, Some(Value::Object(inner))) => {
            Ok(Document::Correlation(attributes, correlation::read(inner, map)?))
        }
        _ => problem(
            "sigma-document",
            "a document needs one of `detection`, `correlation` and `filter`, a map",
            "",
        ),
    }
}

/// What every document says about itself.
///
/// # Errors
/// A missing title, an unknown level, an unknown setting of ours.
pub fn attributes(map: &Map<String, Value>) -> Result<Attributes, ItemProblem> {
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
        falsepositives: map
            .get("falsepositives")
            .and_then(Value::as_array)
            .map(|list| {
                list.iter()
                    .filter_map(|v| v.as_str().map(str::to_owned))
                    .collect()
            })
            .unwrap_or_default(),
        title,
        level,
        attack,
        custom: custom(map.get("haetae"))?,
    })
}

fn custom(value: Option<&Value>) -> Result<Custom, ItemProblem> {
    let mut custom = Custom::default();
    let Some(value) = value else { return Ok(custom) };
    let bad =
        "haetae: {entity: [field], proxy_aware: true, gap: 10m, risk: 0..100, block: false, filter: exclude}";
    const KEYS: [&str; 6] = ["entity", "proxy_aware", "gap", "risk", "block", "filter"];
    let Some(settings) = value.as_object() else {
        return problem("sigma-custom", "`haetae` holds no settings", bad);
    };
    for (key, value) in settings {
        match (key.as_str(), value) {
            ("entity", Value::Array(fields)) if fields.iter().all(Value::is_string) => {
                let names = fields.iter().filter_map(Value::as_str);
                custom.entity = names.map(str::to_owned).collect();
            }
            ("proxy_aware", Value::Bool(on)) => custom.proxy_aware = *on,
            ("block", Value::Bool(may)) => custom.block = Some(*may),
            ("risk", Value::Number(score)) if score.as_u64().is_some_and(|score| score <= 100) => {
                custom.risk = score.as_u64().and_then(|score| u8::try_from(score).ok());
            }
            ("filter", Value::String(text)) if super::filter::Sign::named(text).is_some() => {
                custom.filter = super::filter::Sign::named(text);
            }
            ("gap", Value::String(text)) if correlation::span_us(text).is_some() => {
                custom.gap_us = correlation::span_us(text);
            }
            (known, value) if KEYS.contains(&known) => {
                return problem("sigma-custom", format!("`haetae.{key}` cannot be {value}"), bad);
            }
            _ => return problem("sigma-custom", format!("`haetae.{key}` is not a setting"), bad),
        }
    }
    Ok(custom)
}

/// Reads search identifiers and their condition; keys in `aside` are neither.
///
/// # Errors
/// What of it this engine cannot honour.
pub fn detection(
    map: &Map<String, Value>,
    aside: &[&str],
    known: &Placeholders,
) -> Result<Detection, ItemProblem> {
    let mut searches = BTreeMap::new();
    for (name, value) in map {
        match name.as_str() {
            "condition" => {}
            "timeframe" => {
                return problem(
                    "sigma-timeframe",
                    "`timeframe` is obsolete",
                    "write a correlation rule",
                );
            }
            name if aside.contains(&name) => {}
            _ => {
                searches.insert(name.clone(), search(value, known)?);
            }
        }
    }
    let names: Vec<String> = searches.keys().cloned().collect();
    let texts: Vec<&Value> = match map.get("condition") {
        Some(one @ Value::String(_)) => vec![one],
        Some(Value::Array(many)) if !many.is_empty() => many.iter().collect(),
        _ => return problem("sigma-condition", "the detection needs a `condition`", ""),
    };
    let mut parts = Vec::new();
    for text in texts {
        let Value::String(text) = text else {
            return problem(
                "sigma-condition",
                format!("the condition `{text}` is no text"),
                "",
            );
        };
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
    Ok(Detection { condition, searches })
}

/// The `logsource` of a document.
///
/// # Errors
/// When there is none.
pub fn log_source(map: &Map<String, Value>) -> Result<LogSource, ItemProblem> {
    let Some(Value::Object(source)) = map.get("logsource") else {
        return problem("sigma-logsource", "a detection rule needs a `logsource`", "");
    };
    const KEYS: [&str; 4] = ["category", "product", "service", "definition"];
    if let Some(unknown) = source.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return problem(
            "sigma-logsource",
            format!("`{unknown}` is no key of a logsource"),
            "it has category, product and service, and definition for people",
        );
    }
    let text = |key: &str| match source.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.to_lowercase())),
        Some(_) => problem(
            "sigma-logsource",
            format!("`{key}` of the logsource is no text"),
            "name one, for example `product: linux`",
        ),
    };
    Ok(LogSource {
        category: text("category")?,
        product: text("product")?,
        service: text("service")?,
    })
}

fn search(value: &Value, known: &Placeholders) -> Result<Search, ItemProblem> {
    match value {
        Value::Object(map) => all_of(map, known),
        Value::Array(values) if values.is_empty() => problem("sigma-value", "an empty search", ""),
        Value::Array(values) => {
            let (maps, words): (Vec<&Value>, Vec<&Value>) = values.iter().partition(|v| v.is_object());
            let mut parts = Vec::new();
            for map in maps {
                parts.push(all_of(map.as_object().expect("partitioned by is_object"), known)?);
            }
            if !words.is_empty() {
                let words: Vec<Value> = words.into_iter().cloned().collect();
                parts.push(Search::AllOf(vec![item::keywords(&words, known)?]));
            }
            Ok(Search::AnyOf(parts))
        }
        Value::Null => problem("sigma-value", "an empty search", ""),
        one => Ok(Search::AllOf(vec![item::keywords(
            std::slice::from_ref(one),
            known,
        )?])),
    }
}

fn all_of(map: &Map<String, Value>, known: &Placeholders) -> Result<Search, ItemProblem> {
    if map.is_empty() {
        return problem("sigma-value", "an empty search", "");
    }
    let mut items = Vec::new();
    for (key, value) in map {
        let mut item = item::read(key, value, known)?;
        if item.field.is_none() {
            item::open(&mut item.test);
        }
        items.push(item);
    }
    Ok(Search::AllOf(items))
}

impl Document {
    /// Whether a reference in another document means this one: its id or its name.
    pub fn answers_to(&self, reference: &str) -> bool {
        let attributes = self.attributes();
        attributes.id == reference || attributes.name.as_deref() == Some(reference)
    }

    /// Whether it is a correlation of whole numbers: events, values, rules.
    pub fn counts(&self) -> bool {
        matches!(self, Document::Correlation(_, correlation) if correlation.kind.counts())
    }

    pub fn attributes(&self) -> &Attributes {
        match self {
            Document::Rule(rule) => &rule.attributes,
            Document::Correlation(attributes, _) => attributes,
        }
    }
}
