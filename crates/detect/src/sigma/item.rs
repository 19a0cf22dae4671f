//! Detection items: `field|modifier: values`.
//!
//! Source: Sigma specification 2.1.0, *Sigma Rules*. Decided here, where it leaves room: a number
//! compares as a number (also with a text that is one) and as its text; a quoted number is a text;
//! `neq` turns the whole item round, so it holds for an absent field too; what base64 yields is
//! compared as every text is, without case unless `cased` is given.

use super::encode;
use super::modifiers::{Encoding, Modifiers};
use super::moment::Part;
use super::pattern::{Block, DASHES, Glob, Matcher, Piece};
use super::placeholder::{self, Placeholders};
use serde_json::Value;

/// What a field is asked.
#[derive(Clone, Debug)]
pub enum Test {
    /// One of the values matches.
    Any(Vec<Atom>),
    /// Of each group one value matches.
    All(Vec<Vec<Atom>>),
    /// The field is absent or null.
    Null,
    /// The field is there and not null, whatever it holds.
    Present,
    /// Compared with other fields of the same event.
    Fields(Fields),
}

/// Other fields to compare a field with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pub names: Vec<String>,
    /// With every one of them, not only with one.
    pub all: bool,
    pub relation: Relation,
    pub cased: bool,
}

/// What the field does to the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
}

impl Relation {
    pub fn holds(self, text: &str, other: &str) -> bool {
        match self {
            Relation::Equals => text == other,
            Relation::Contains => text.contains(other),
            Relation::StartsWith => text.starts_with(other),
            Relation::EndsWith => text.ends_with(other),
        }
    }
}

/// One value to compare with.
#[derive(Clone, Debug)]
pub enum Atom {
    Text(Matcher),
    /// Numbers compare as numbers, and as their text where there is one.
    Number {
        order: Order,
        value: f64,
        /// The same without rounding, for equality.
        whole: Option<i64>,
        text: Option<Matcher>,
    },
    Truth(bool),
    /// A part of the time that the field holds.
    Moment {
        part: Part,
        order: Order,
        value: f64,
    },
}

/// Comparisons with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Order {
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Order::Equal => left == right,
            Order::Less => left < right,
            Order::LessEqual => left <= right,
            Order::Greater => left > right,
            Order::GreaterEqual => left >= right,
        }
    }
}

/// `field` is `None` for keywords, which are sought in the whole record.
#[derive(Clone, Debug)]
pub struct Item {
    pub field: Option<String>,
    pub negated: bool,
    pub test: Test,
    /// As the rule writes it, for telling items apart and for messages.
    pub source: String,
}

/// Why an item cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemProblem {
    pub code: &'static str,
    pub message: String,
    pub hint: &'static str,
}

fn problem<T>(code: &'static str, message: impl Into<String>, hint: &'static str) -> Result<T, ItemProblem> {
    Err(ItemProblem {
        code,
        message: message.into(),
        hint,
    })
}

fn bad_value<T>(message: impl Into<String>, hint: &'static str) -> Result<T, ItemProblem> {
    problem("sigma-value", message, hint)
}

/// Reads one `key: value` of a search identifier.
///
/// # Errors
/// What of it this engine cannot honour.
pub fn read(key: &str, value: &Value, known: &Placeholders) -> Result<Item, ItemProblem> {
    let mut parts = key.split('|');
    let field = parts.next().filter(|name| !name.is_empty()).map(str::to_owned);
    let m = Modifiers::read(parts)?;
    if field.is_none() && (m.exists || m.cidr || m.field || m.order.is_some() || m.part.is_some()) {
        return problem(
            "sigma-modifier",
            format!("`{key}` asks something of a field and names none"),
            "keywords take contains, all, cased, re, windash, expand and encodings",
        );
    }
    let item = |test| Item {
        field: field.clone(),
        negated: m.negated,
        test,
        source: format!("{key}: {value}"),
    };
    if m.exists {
        return match value {
            Value::Bool(wanted) => Ok(Item {
                negated: !wanted,
                ..item(Test::Present)
            }),
            _ => bad_value("`exists` takes true or false", ""),
        };
    }
    let values = match value {
        Value::Null
            if m == (Modifiers {
                negated: m.negated,
                ..Modifiers::default()
            }) =>
        {
            return Ok(item(Test::Null));
        }
        Value::Null => return bad_value(format!("`{key}` takes a value, not null"), ""),
        Value::Array(values) => values.as_slice(),
        Value::Object(_) => {
            return bad_value(format!("`{key}` holds a map; expected a value or a list"), "");
        }
        one => std::slice::from_ref(one),
    };
    if values.is_empty() {
        return bad_value(format!("`{key}` holds an empty list"), "");
    }
    if m.all && values.len() < 2 {
        return bad_value("`all` needs a list of several values", "drop `|all`");
    }
    if m.field {
        return Ok(item(Test::Fields(fields(values, &m)?)));
    }
    let groups = values
        .iter()
        .map(|value| atoms(value, &m, known))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(item(if m.all {
        Test::All(groups)
    } else {
        Test::Any(groups.into_iter().flatten().collect())
    }))
}

/// A bare keyword, or a list of them.
///
/// # Errors
/// As [`read`].
pub fn keywords(values: &[Value], known: &Placeholders) -> Result<Item, ItemProblem> {
    let mut item = read("", &Value::Array(values.to_vec()), known)?;
    open(&mut item.test);
    Ok(item)
}

/// Keywords are sought anywhere in the record.
pub fn open(test: &mut Test) {
    match test {
        Test::Any(atoms) => open_atoms(atoms),
        Test::All(groups) => groups.iter_mut().for_each(|atoms| open_atoms(atoms)),
        Test::Null | Test::Present | Test::Fields(_) => {}
    }
}

fn open_atoms(atoms: &mut [Atom]) {
    for atom in atoms {
        let matcher = match atom {
            Atom::Text(matcher)
            | Atom::Number {
                text: Some(matcher), ..
            } => matcher.clone(),
            Atom::Truth(truth) => Matcher::of_glob(Glob::literal(&truth.to_string()), false),
            Atom::Number { text: None, .. } | Atom::Moment { .. } => continue,
        };
        let opened = match matcher {
            Matcher::Exact { text, cased }
            | Matcher::Prefix { text, cased }
            | Matcher::Suffix { text, cased } => Matcher::Contains { text, cased },
            Matcher::Glob { glob, cased } => Matcher::Glob {
                glob: glob.open_start().open_end(),
                cased,
            },
            other => other,
        };
        *atom = Atom::Text(opened);
    }
}

fn fields(values: &[Value], m: &Modifiers) -> Result<Fields, ItemProblem> {
    let name = |value: &Value| match value {
        Value::String(text) => match Glob::parse(text).plain() {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => bad_value(format!("`{text}` is not the name of a field"), ""),
        },
        other => bad_value(format!("`fieldref` takes the name of a field, not {other}"), ""),
    };
    Ok(Fields {
        names: values.iter().map(name).collect::<Result<_, _>>()?,
        all: m.all,
        relation: match (m.contains, m.starts, m.ends) {
            (true, ..) => Relation::Contains,
            (_, true, _) => Relation::StartsWith,
            (.., true) => Relation::EndsWith,
            _ => Relation::Equals,
        },
        cased: m.cased,
    })
}

/// What one written value asks for: one of the atoms must hold.
fn atoms(value: &Value, m: &Modifiers, known: &Placeholders) -> Result<Vec<Atom>, ItemProblem> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => {
            return bad_value(
                "a list may not hold null",
                "write `field: null` in a selection of its own",
            );
        }
        _ => return bad_value("a list may hold texts and numbers only", ""),
    };
    if m.order.is_some() || m.part.is_some() {
        return comparison(&text, m).map(|atom| vec![atom]);
    }
    if m.cidr {
        return match Block::parse(&text) {
            Some(block) => Ok(vec![Atom::Text(Matcher::Cidr(block))]),
            None => bad_value(format!("`{text}` is not an address block"), "write 10.0.0.0/8"),
        };
    }
    if m.regex {
        return regex(&text, m).map(|matcher| vec![Atom::Text(matcher)]);
    }
    let texts = if m.expand {
        placeholder::expand(&text, known)?
    } else {
        vec![text]
    };
    let mut atoms = Vec::new();
    for text in &texts {
        for glob in globs(text, m)? {
            let matcher = Matcher::of_glob(opened(glob, m), m.cased);
            atoms.push(match value {
                Value::Number(number) if !m.opens() => Atom::Number {
                    order: Order::Equal,
                    value: number.as_f64().unwrap_or(f64::NAN),
                    whole: number.as_i64(),
                    text: Some(matcher),
                },
                Value::Bool(truth) if !m.opens() => Atom::Truth(*truth),
                _ => Atom::Text(matcher),
            });
        }
    }
    Ok(atoms)
}

fn comparison(text: &str, m: &Modifiers) -> Result<Atom, ItemProblem> {
    let value = match text.parse::<f64>() {
        Ok(value) if value.is_finite() => value,
        _ => return bad_value(format!("`{text}` is not a number"), ""),
    };
    let order = m.order.unwrap_or(Order::Equal);
    Ok(match m.part {
        Some(part) => Atom::Moment { part, order, value },
        None => Atom::Number {
            order,
            value,
            whole: None,
            text: None,
        },
    })
}

fn opened(glob: Glob, m: &Modifiers) -> Glob {
    let glob = if m.contains || m.ends {
        glob.open_start()
    } else {
        glob
    };
    if m.contains || m.starts {
        glob.open_end()
    } else {
        glob
    }
}

fn regex(text: &str, m: &Modifiers) -> Result<Matcher, ItemProblem> {
    // A regular expression is sought anywhere, so `contains` says nothing new.
    let pattern = match (m.starts, m.ends) {
        (true, _) => format!("\\A(?:{text})"),
        (_, true) => format!("(?:{text})\\z"),
        _ => text.to_owned(),
    };
    let built = regex::RegexBuilder::new(&pattern)
        .case_insensitive(m.ignore_case)
        .multi_line(m.multi_line)
        .dot_matches_new_line(m.dot_all)
        .build();
    match built {
        Ok(regex) => Ok(Matcher::Regex(regex)),
        Err(error) => problem(
            "sigma-regex",
            format!("the regular expression `{text}` cannot be used: {error}"),
            "look-around and back-references are not part of Sigma",
        ),
    }
}

/// The value as it may be written, encodings applied.
fn globs(text: &str, m: &Modifiers) -> Result<Vec<Glob>, ItemProblem> {
    let mut glob = Glob::parse(text);
    if m.windash {
        glob = glob.windash();
    }
    if m.encodings.is_empty() {
        return Ok(vec![glob]);
    }
    let mut encoded = Vec::new();
    for spelling in spellings(&glob, text)? {
        encoded.extend(encodings(&spelling, &m.encodings)?);
    }
    Ok(encoded.iter().map(|text| Glob::literal(text)).collect())
}

/// Every text that a value without wildcards stands for: several only through `windash`.
fn spellings(glob: &Glob, text: &str) -> Result<Vec<String>, ItemProblem> {
    const SPELLINGS_MAX: usize = 5usize.pow(4);
    let mut texts = vec![String::new()];
    for piece in &glob.0 {
        match piece {
            Piece::Literal(part) => texts.iter_mut().for_each(|text| text.push_str(part)),
            Piece::Dash if texts.len() < SPELLINGS_MAX => {
                texts = texts
                    .iter()
                    .flat_map(|text| DASHES.iter().map(move |dash| format!("{text}{dash}")))
                    .collect();
            }
            Piece::Dash => return bad_value(format!("`{text}` has more than four dashes to encode"), ""),
            Piece::Any | Piece::One => {
                return bad_value(
                    format!("`{text}` has a wildcard, which cannot be encoded"),
                    "write \\* or \\? for the characters themselves",
                );
            }
        }
    }
    Ok(texts)
}

fn encodings(text: &str, encodings: &[Encoding]) -> Result<Vec<String>, ItemProblem> {
    let mut bytes = text.as_bytes().to_vec();
    for encoding in encodings {
        bytes = match encoding {
            Encoding::Utf16Le => encode::utf16le(text),
            Encoding::Utf16Be => encode::utf16be(text),
            Encoding::Utf16 => encode::utf16_marked(text),
            Encoding::Base64 => return Ok(vec![encode::base64(&bytes)]),
            Encoding::Base64Offset => {
                let stretches = encode::base64_offsets(&bytes);
                return if stretches.is_empty() {
                    bad_value(format!("`{text}` is too short for base64offset"), "")
                } else {
                    Ok(stretches)
                };
            }
        };
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(vec![text]),
        Err(_) => bad_value(
            format!("`{text}` in this encoding is no text that a field could hold"),
            "add base64 or base64offset behind it",
        ),
    }
}
