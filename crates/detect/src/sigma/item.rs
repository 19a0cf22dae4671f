//! Detection items: `field|modifier: values`.

use super::pattern::{Block, Glob, Matcher};
use serde_json::Value;

/// What a field is asked.
#[derive(Clone, Debug)]
pub enum Test {
    /// One of the texts matches.
    Any(Vec<Atom>),
    /// Each of the texts matches.
    All(Vec<Atom>),
    /// The field is absent or null.
    Null,
    /// The field is there, whatever it holds.
    Present,
}

/// One value to compare with.
#[derive(Clone, Debug)]
pub enum Atom {
    Text(Matcher),
    /// Numbers compare as numbers, and as their text where the field is text.
    Number {
        order: Order,
        value: f64,
        text: Option<Matcher>,
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

fn problem<T>(code: &'static str, message: String, hint: &'static str) -> Result<T, ItemProblem> {
    Err(ItemProblem { code, message, hint })
}

#[derive(Clone, Copy, Debug, Default)]
struct Modifiers {
    contains: bool,
    starts: bool,
    ends: bool,
    all: bool,
    cased: bool,
    exists: bool,
    negated: bool,
    cidr: bool,
    regex: bool,
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    order: Option<Order>,
}

const KNOWN: &str =
    "contains, startswith, endswith, all, cased, re, i, m, s, cidr, exists, lt, lte, gt, gte, neq";

impl Modifiers {
    fn read<'a>(names: impl Iterator<Item = &'a str>) -> Result<Modifiers, ItemProblem> {
        let mut m = Modifiers::default();
        for name in names {
            match name {
                "contains" => m.contains = true,
                "startswith" => m.starts = true,
                "endswith" => m.ends = true,
                "all" => m.all = true,
                "cased" => m.cased = true,
                "exists" => m.exists = true,
                "neq" => m.negated = true,
                "cidr" => m.cidr = true,
                "re" => m.regex = true,
                "i" | "ignorecase" if m.regex => m.ignore_case = true,
                "m" | "multiline" if m.regex => m.multi_line = true,
                "s" | "dotall" if m.regex => m.dot_all = true,
                "lt" => m.order = Some(Order::Less),
                "lte" => m.order = Some(Order::LessEqual),
                "gt" => m.order = Some(Order::Greater),
                "gte" => m.order = Some(Order::GreaterEqual),
                other => {
                    return problem(
                        "sigma-modifier",
                        format!("modifier `{other}` is not supported"),
                        KNOWN,
                    );
                }
            }
        }
        let kinds = [
            m.exists,
            m.cidr,
            m.regex,
            m.order.is_some(),
            m.starts || m.ends || m.contains,
        ];
        if kinds.into_iter().filter(|on| *on).count() > 1 {
            return problem(
                "sigma-modifier",
                "these modifiers exclude each other".into(),
                "use one of contains/startswith/endswith, re, cidr, exists, or a comparison",
            );
        }
        Ok(m)
    }
}

/// Reads one `key: value` of a search identifier.
///
/// # Errors
/// What of it this engine cannot honour.
pub fn read(key: &str, value: &Value) -> Result<Item, ItemProblem> {
    let mut parts = key.split('|');
    let field = parts.next().filter(|name| !name.is_empty()).map(str::to_owned);
    let m = Modifiers::read(parts)?;
    let source = format!("{key}: {value}");
    let item = |test, negated| Item {
        field: field.clone(),
        negated,
        test,
        source: source.clone(),
    };
    if m.exists {
        return match (value, &field) {
            (Value::Bool(wanted), Some(_)) => Ok(item(Test::Present, *wanted == m.negated)),
            _ => problem(
                "sigma-value",
                "`exists` takes a field and true or false".into(),
                "",
            ),
        };
    }
    let values = match value {
        Value::Null => return Ok(item(Test::Null, m.negated)),
        Value::Array(values) => values.as_slice(),
        Value::Object(_) => {
            return problem(
                "sigma-value",
                format!("`{key}` holds a map; expected a value or a list"),
                "",
            );
        }
        one => std::slice::from_ref(one),
    };
    if values.is_empty() {
        return problem("sigma-value", format!("`{key}` holds an empty list"), "");
    }
    if m.all && values.len() < 2 {
        return problem(
            "sigma-value",
            "`all` needs a list of several values".into(),
            "drop `|all`",
        );
    }
    let atoms = values
        .iter()
        .map(|value| atom(value, m))
        .collect::<Result<Vec<_>, _>>()?;
    let test = if m.all { Test::All(atoms) } else { Test::Any(atoms) };
    Ok(item(test, m.negated))
}

/// A bare keyword, or a list of them.
///
/// # Errors
/// As [`read`].
pub fn keywords(values: &[Value]) -> Result<Item, ItemProblem> {
    let mut item = read("", &Value::Array(values.to_vec()))?;
    if let Test::Any(atoms) = &mut item.test {
        open(atoms);
    }
    Ok(item)
}

/// Keywords are sought anywhere in the record.
pub fn open(atoms: &mut [Atom]) {
    for atom in atoms {
        let matcher = match atom {
            Atom::Text(matcher)
            | Atom::Number {
                text: Some(matcher), ..
            } => matcher,
            Atom::Number { text: None, .. } => continue,
        };
        let opened = match matcher.clone() {
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

fn atom(value: &Value, m: Modifiers) -> Result<Atom, ItemProblem> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return problem("sigma-value", "a list may hold texts and numbers only".into(), ""),
    };
    if let Some(order) = m.order {
        return match text.parse::<f64>() {
            Ok(value) => Ok(Atom::Number {
                order,
                value,
                text: None,
            }),
            Err(_) => problem("sigma-value", format!("`{text}` is not a number"), ""),
        };
    }
    if m.cidr {
        return match Block::parse(&text) {
            Some(block) => Ok(Atom::Text(Matcher::Cidr(block))),
            None => problem(
                "sigma-value",
                format!("`{text}` is not an address block"),
                "write 10.0.0.0/8",
            ),
        };
    }
    if m.regex {
        let built = regex::RegexBuilder::new(&text)
            .case_insensitive(m.ignore_case)
            .multi_line(m.multi_line)
            .dot_matches_new_line(m.dot_all)
            .build();
        return match built {
            Ok(regex) => Ok(Atom::Text(Matcher::Regex(regex))),
            Err(error) => problem(
                "sigma-regex",
                format!("the regular expression cannot be used: {error}"),
                "look-around and back-references are not part of Sigma",
            ),
        };
    }
    let mut glob = Glob::parse(&text);
    if m.contains || m.ends {
        glob = glob.open_start();
    }
    if m.contains || m.starts {
        glob = glob.open_end();
    }
    let matcher = Matcher::of_glob(glob, m.cased);
    Ok(match text.parse::<f64>() {
        Ok(value) if value.is_finite() && !(m.contains || m.starts || m.ends) => Atom::Number {
            order: Order::Equal,
            value,
            text: Some(matcher),
        },
        _ => Atom::Text(matcher),
    })
}
