//! Events made from what rules themselves hold: values that satisfy them, and mutations of those.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeMap;

/// One item of a rule's detection.
#[derive(Clone, Debug)]
struct Wish {
    /// Empty for keywords.
    field: String,
    modifiers: Vec<String>,
    values: Vec<Value>,
}

/// What a rule's search identifiers ask for: identifier → alternatives → items.
#[derive(Clone, Debug)]
pub struct Wishes {
    searches: BTreeMap<String, Vec<Vec<Wish>>>,
}

fn wish(key: &str, value: &Value) -> Wish {
    let mut parts = key.split('|').map(str::to_owned);
    Wish {
        field: parts.next().unwrap_or_default(),
        modifiers: parts.collect(),
        values: match value {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        },
    }
}

fn alternatives(value: &Value) -> Vec<Vec<Wish>> {
    match value {
        Value::Object(map) => vec![map.iter().map(|(key, value)| wish(key, value)).collect()],
        Value::Array(values) => values.iter().flat_map(alternatives).collect(),
        keyword => vec![vec![wish("", keyword)]],
    }
}

impl Wishes {
    /// From a rule's document.
    pub fn of(document: &Value) -> Wishes {
        let detection = document["detection"].as_object().cloned().unwrap_or_default();
        Wishes {
            searches: detection
                .iter()
                .filter(|(name, _)| *name != "condition")
                .map(|(name, value)| (name.clone(), alternatives(value)))
                .collect(),
        }
    }

    fn items(&self) -> impl Iterator<Item = &Wish> {
        self.searches.values().flatten().flatten()
    }
}

/// Makes events.
pub struct Generator {
    dice: ChaCha8Rng,
}

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator {
            dice: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.dice.random_ratio(1, n)
    }

    /// An event for the rule: some of its identifiers satisfied, then up to three mutations.
    pub fn event(&mut self, wishes: &Wishes) -> Value {
        let mut wanted: BTreeMap<String, Vec<&Wish>> = BTreeMap::new();
        for (name, alternatives) in &wishes.searches {
            let filters = name.starts_with("filter");
            if if filters { !self.one_in(4) } else { self.one_in(8) } {
                continue;
            }
            let alternative = alternatives
                .choose(&mut self.dice)
                .map(Vec::as_slice)
                .unwrap_or_default();
            for wish in alternative {
                wanted.entry(wish.field.clone()).or_default().push(wish);
            }
        }
        let mut event = Map::new();
        for (field, items) in wanted {
            let value = self.satisfying(&items);
            if field.is_empty() {
                self.place_keyword(&mut event, value);
            } else {
                self.place(&mut event, &field, value);
            }
        }
        let fields: Vec<&Wish> = wishes.items().collect();
        for _ in 0..self.dice.random_range(0..4u32) {
            self.mutate(&mut event, &fields);
        }
        Value::Object(event)
    }

    /// A mutation of an event that was given.
    pub fn mutated(&mut self, event: &Value, wishes: &Wishes) -> Value {
        let mut event = event.as_object().cloned().unwrap_or_default();
        let fields: Vec<&Wish> = wishes.items().collect();
        for _ in 0..self.dice.random_range(1..4u32) {
            self.mutate(&mut event, &fields);
        }
        Value::Object(event)
    }

    fn satisfying(&mut self, items: &[&Wish]) -> Value {
        let (mut head, mut middle, mut tail) = (String::new(), String::new(), String::new());
        for item in items {
            let has = |name: &str| item.modifiers.iter().any(|m| m == name);
            let chosen: Vec<Value> = if has("all") {
                item.values.clone()
            } else {
                item.values.choose(&mut self.dice).cloned().into_iter().collect()
            };
            for value in chosen {
                let text = match &value {
                    Value::String(text) => text.clone(),
                    other => {
                        if items.len() == 1 {
                            return other.clone();
                        }
                        other.to_string()
                    }
                };
                let text = self.written(&text, item);
                if has("startswith") {
                    head = text;
                } else if has("endswith") {
                    tail = text;
                } else if has("contains") || has("re") || item.field.is_empty() {
                    middle.push_str(&text);
                    if self.one_in(2) {
                        middle.push_str(&self.noise());
                    }
                } else {
                    return Value::String(text);
                }
            }
        }
        if self.one_in(3) {
            middle.insert_str(0, &self.noise());
        }
        Value::String(format!("{head}{middle}{tail}"))
    }

    /// A text that a written value stands for.
    fn written(&mut self, text: &str, item: &Wish) -> String {
        let has = |name: &str| item.modifiers.iter().any(|m| m == name);
        if has("cidr") {
            return self.address(text);
        }
        if has("re") {
            return self.of_regex(text);
        }
        let mut out = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => out.push(chars.next_if(|n| matches!(n, '*' | '?' | '\\')).unwrap_or('\\')),
                '*' => out.push_str(&self.noise()),
                '?' => out.push(*['x', '?', '한'].choose(&mut self.dice).unwrap_or(&'x')),
                '-' if has("windash") && self.one_in(2) => {
                    out.push(*['-', '/', '–', '—', '―'].choose(&mut self.dice).unwrap_or(&'-'));
                }
                c => out.push(c),
            }
        }
        if has("base64offset") || has("base64") {
            let before = " ".repeat(self.dice.random_range(0..4usize));
            out = STANDARD.encode(format!("{before}{out}{before}"));
        }
        out
    }

    fn address(&mut self, block: &str) -> String {
        let network = block.split('/').next().unwrap_or_default();
        if network.contains(':') {
            return match self.dice.random_range(0..3u32) {
                0 => network.to_owned(),
                1 => format!("{}1", network.trim_end_matches('0')),
                _ => "2001:db8::77".into(),
            };
        }
        let mut parts: Vec<u8> = network.split('.').filter_map(|part| part.parse().ok()).collect();
        for part in parts.iter_mut().rev().take(self.dice.random_range(0..3usize)) {
            *part = self.dice.random();
        }
        let texts: Vec<String> = parts.iter().map(u8::to_string).collect();
        texts.join(".")
    }

    /// Something near a regular expression: its classes and signs replaced one by one.
    fn of_regex(&mut self, pattern: &str) -> String {
        let mut out = String::new();
        let mut chars = pattern.trim_start_matches("(?i)").chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('d') => out.push('7'),
                    Some('w') => out.push('w'),
                    Some('s') => out.push(' '),
                    Some('b') | None => {}
                    Some(other) => out.push(other),
                },
                '[' => {
                    let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                    let first = class.trim_start_matches('^').chars().next().unwrap_or('a');
                    out.push(if class.starts_with('^') { '\u{7}' } else { first });
                }
                '{' => {
                    let count: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    let least: usize = count.split(',').next().and_then(|n| n.parse().ok()).unwrap_or(1);
                    let last = out.chars().last().unwrap_or('a');
                    out.extend(std::iter::repeat_n(last, least.saturating_sub(1).min(64)));
                }
                '.' => out.push('z'),
                '(' => {
                    if chars.next_if_eq(&'?').is_some() {
                        let _ = chars.next();
                    }
                }
                '^' | '$' | ')' | '+' | '*' | '?' => {}
                '|' => {
                    if self.one_in(2) {
                        break;
                    }
                    out.clear();
                }
                other => out.push(other),
            }
        }
        out
    }

    fn noise(&mut self) -> String {
        const NOISE: [&str; 16] = [
            "", " ", "x", "zz top", "\\", "/", "*", "?", "%2e", "한글", "É", "\n", "\"", "-", "0", ".exe",
        ];
        (*NOISE.choose(&mut self.dice).unwrap_or(&"")).to_owned()
    }

    /// Puts a value under a field's name: nested, or with its dots in the key.
    fn place(&mut self, event: &mut Map<String, Value>, field: &str, value: Value) {
        if !field.contains('.') || self.one_in(3) {
            event.insert(field.to_owned(), value);
            return;
        }
        let mut parts: Vec<&str> = field.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut at = event;
        for part in parts {
            let below = at.entry(part).or_insert_with(|| json!({}));
            if !below.is_object() {
                *below = json!({});
            }
            let Some(map) = below.as_object_mut() else { return };
            at = map;
        }
        at.insert(last.to_owned(), value);
    }

    fn place_keyword(&mut self, event: &mut Map<String, Value>, value: Value) {
        const KEYS: [&str; 3] = ["message", "raw_line", "request"];
        let key = KEYS.choose(&mut self.dice).unwrap_or(&"message");
        if self.one_in(4) {
            event.insert("outer".into(), json!({ "list": [1, value, true], "x": null }));
        } else {
            event.insert((*key).into(), value);
        }
    }

    fn mutate(&mut self, event: &mut Map<String, Value>, wishes: &[&Wish]) {
        let Some(wish) = wishes.choose(&mut self.dice) else {
            return;
        };
        let literal = wish.values.choose(&mut self.dice).cloned().unwrap_or(Value::Null);
        let value = self.variant(&literal, wish);
        if wish.field.is_empty() {
            self.place_keyword(event, value);
        } else if self.one_in(10) {
            event.remove(&wish.field);
        } else {
            let field = wish.field.clone();
            self.place(event, &field, value);
        }
    }

    /// Something like the literal, or nothing like it.
    fn variant(&mut self, literal: &Value, wish: &Wish) -> Value {
        let text = match literal {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let plain = self.written(&text, wish);
        match self.dice.random_range(0..22u32) {
            0 => Value::String(plain),
            1 => Value::String(plain.to_uppercase()),
            2 => Value::String(plain.to_lowercase()),
            3 => Value::String(self.flipped(&plain)),
            4 => Value::String(format!("{}{plain}", self.noise())),
            5 => Value::String(format!("{plain}{}", self.noise())),
            6 => Value::String(format!("{}{plain}{}", self.noise(), self.noise())),
            7 => Value::String(self.cut(&plain)),
            8 => Value::String(plain.replace('\\', "\\\\")),
            9 => Value::String(plain.replace('\\', "")),
            10 => Value::String(text),
            11 => Value::String(STANDARD.encode(&plain)),
            12 => Value::String(String::new()),
            13 => Value::Null,
            14 => json!([plain, "other", null, 5]),
            15 => json!([["deep", plain], {"in": "a map"}]),
            16 => json!({ "in": plain }),
            17 => Value::Bool(self.one_in(2)),
            18 => Value::String(
                (*["true", "False", "TRUE"]
                    .choose(&mut self.dice)
                    .unwrap_or(&"true"))
                .into(),
            ),
            19 => self.number(&plain),
            20 => json!([]),
            _ => Value::String(self.noise()),
        }
    }

    fn number(&mut self, text: &str) -> Value {
        let n: i64 = text
            .parse()
            .unwrap_or_else(|_| self.dice.random_range(0..70_000i64));
        match self.dice.random_range(0..4u32) {
            0 => Value::Number(n.into()),
            1 => Value::String(n.to_string()),
            2 => Number::from_f64(n as f64).map_or(Value::Null, Value::Number),
            _ => Value::Number((n + 1).into()),
        }
    }

    fn flipped(&mut self, text: &str) -> String {
        text.chars()
            .map(|c| match (self.dice.next_u32() & 1, c.is_ascii_lowercase()) {
                (0, _) => c,
                (_, true) => c.to_ascii_uppercase(),
                (_, false) => c.to_ascii_lowercase(),
            })
            .collect()
    }

    fn cut(&mut self, text: &str) -> String {
        let count = text.chars().count();
        let keep = self.dice.random_range(0..=count);
        if self.one_in(2) {
            text.chars().take(keep).collect()
        } else {
            text.chars().skip(keep).collect()
        }
    }
}
