//! Correlation documents of the Sigma specification 2.1.0: all eight types, checked.
//!
//! What the specification leaves open, and what is done here:
//! * a condition holds one operator or several, AND-ed;
//! * `value_percentile` without `percentile` is the 50th; percentiles interpolate linearly between
//!   the two nearest ranks (type 7 of Hyndman and Fan 1996, SQL's `PERCENTILE_CONT`), so that
//!   `value_median` and percentile 50 are the same;
//! * numbers are decimals of nine places, added and compared exactly: 0.1 + 0.2 equals 0.3;
//! * a temporal type's numeric condition counts distinct rules; for `temporal_ordered` it is the
//!   longest run of rules seen in the order listed. Equal timestamps are in order;
//! * a temporal type's condition may be an expression over rules (`a and not b`).
//!
//! Not here: whether the rules named exist ([`super::references`]), and judging (the engine).

use super::condition::{self, Condition as Named};
use super::item::ItemProblem;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A number as a decimal of nine places.
pub type Nano = i128;

/// One, as [`Nano`].
pub const NANO: Nano = 1_000_000_000;

/// Numbers beyond this are no measures; it keeps the sum of all cells within 128 bits.
const NUMBER_MAX: f64 = 1e22;

/// The longest `timespan`, and the furthest a chain of correlations may reach together: a month.
/// Every event within two reaches of the newest one is kept in memory.
pub const SPAN_MAX_US: i64 = 31 * haetae_event::time::DAY_US;

/// Rules a temporal type may name: one bit each.
pub const RULES_MAX: usize = 64;

/// Rules an ordered one may name: its state is the square of it.
pub const ORDERED_RULES_MAX: usize = 16;

/// `value` to nine decimal places; `None` for what is not finite or beyond 10^22.
pub fn nano(value: f64) -> Option<Nano> {
    if !value.is_finite() || value.abs() > NUMBER_MAX {
        return None;
    }
    let whole = value.trunc();
    // Both casts are in range: |whole| ≤ 10^22, |fraction| < 10^9.
    Some(whole as Nano * NANO + ((value - whole) * NANO as f64).round() as Nano)
}

/// What a window is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    EventCount,
    ValueCount,
    Temporal,
    TemporalOrdered,
    Sum,
    Average,
    /// In millionths: the median is 500,000.
    Percentile(u32),
}

/// Comparisons with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// Comparisons of what was measured; several are AND-ed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold(pub Vec<(Operator, Nano)>);

impl Threshold {
    /// At least `count`.
    pub fn at_least(count: u64) -> Threshold {
        Threshold(vec![(Operator::GreaterEqual, Nano::from(count) * NANO)])
    }

    /// Whether `amount / parts` satisfies it; `parts` is positive.
    pub fn holds(&self, amount: Nano, parts: Nano) -> bool {
        self.0.iter().all(|&(operator, limit)| {
            let limit = limit.saturating_mul(parts);
            match operator {
                Operator::Equal => amount == limit,
                Operator::NotEqual => amount != limit,
                Operator::Less => amount < limit,
                Operator::LessEqual => amount <= limit,
                Operator::Greater => amount > limit,
                Operator::GreaterEqual => amount >= limit,
            }
        })
    }

    /// A larger number can only keep it true.
    pub fn monotone(&self) -> bool {
        let up =
            |(operator, _): &(Operator, Nano)| matches!(operator, Operator::Greater | Operator::GreaterEqual);
        self.0.iter().all(up)
    }

    /// Only small numbers satisfy it.
    pub fn downward(&self) -> bool {
        let down =
            |(operator, _): &(Operator, Nano)| matches!(operator, Operator::Less | Operator::LessEqual);
        self.0.iter().all(down)
    }

    /// The least count that can satisfy it.
    pub fn least(&self) -> u64 {
        let least = |&(operator, limit): &(Operator, Nano)| match operator {
            Operator::Greater => limit.div_euclid(NANO) + 1,
            Operator::GreaterEqual | Operator::Equal => limit.div_euclid(NANO),
            Operator::Less | Operator::LessEqual | Operator::NotEqual => 0,
        };
        let most = self.0.iter().map(least).max().unwrap_or(0);
        u64::try_from(most.max(0)).unwrap_or(u64::MAX)
    }

    /// Whether no number satisfies it: no whole one from 1 on, or none at all.
    fn hopeless(&self, whole: bool) -> bool {
        // In half nanos there is always a number between two limits.
        let (step, least) = if whole {
            (2 * NANO, 2 * NANO)
        } else {
            (1, Nano::MIN)
        };
        let (mut low, mut high) = (least, Nano::MAX);
        for &(operator, limit) in &self.0 {
            let limit = 2 * limit;
            match operator {
                Operator::Equal => (low, high) = (low.max(limit), high.min(limit)),
                Operator::NotEqual => {}
                Operator::Less => high = high.min(limit - step),
                Operator::LessEqual => high = high.min(limit),
                Operator::Greater => low = low.max(limit + step),
                Operator::GreaterEqual => low = low.max(limit),
            }
        }
        low > high || (low == high && self.0.contains(&(Operator::NotEqual, low / 2)))
    }
}

/// An expression over the rules seen in a window, by their place in `rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Rule(usize),
    Not(Box<Seen>),
    All(Vec<Seen>),
    Any(Vec<Seen>),
}

impl Seen {
    /// `mask` has the bit of each rule seen.
    pub fn holds(&self, mask: u64) -> bool {
        match self {
            Seen::Rule(at) => mask >> at & 1 == 1,
            Seen::Not(inner) => !inner.holds(mask),
            Seen::All(parts) => parts.iter().all(|part| part.holds(mask)),
            Seen::Any(parts) => parts.iter().any(|part| part.holds(mask)),
        }
    }

    /// More rules seen can only keep it true.
    pub fn monotone(&self) -> bool {
        match self {
            Seen::Rule(_) => true,
            Seen::Not(_) => false,
            Seen::All(parts) | Seen::Any(parts) => parts.iter().all(Seen::monotone),
        }
    }

    fn of(named: &Named, rules: &[String]) -> Option<Seen> {
        let all = |parts: &[Named]| -> Option<Vec<Seen>> {
            parts.iter().map(|part| Seen::of(part, rules)).collect()
        };
        Some(match named {
            Named::Name(name) => Seen::Rule(rules.iter().position(|rule| rule == name)?),
            Named::Not(inner) => Seen::Not(Box::new(Seen::of(inner, rules)?)),
            Named::And(parts) => Seen::All(all(parts)?),
            Named::Or(parts) => Seen::Any(all(parts)?),
        })
    }
}

/// When a window holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Number(Threshold),
    Seen(Seen),
}

/// A checked correlation; references are names or ids as written.
#[derive(Clone, Debug)]
pub struct Correlation {
    pub kind: Kind,
    /// What is counted or measured: one field, or for `value_count` a tuple of them.
    pub fields: Vec<String>,
    pub rules: Vec<String>,
    pub group_by: Vec<String>,
    /// alias → (rule reference → field)
    pub aliases: BTreeMap<String, BTreeMap<String, String>>,
    pub span_us: i64,
    pub condition: Condition,
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

const KEYS: [&str; 7] = [
    "type",
    "rules",
    "group-by",
    "timespan",
    "aliases",
    "condition",
    "generate",
];

/// Reads the `correlation` map of a document; `outer` is the whole document (for `generate`).
///
/// # Errors
/// What of it cannot be honoured.
pub fn read(map: &Map<String, Value>, outer: &Map<String, Value>) -> Result<Correlation, ItemProblem> {
    if let Some(unknown) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return problem(
            format!("unknown key `{unknown}` in the correlation"),
            "type, rules, group-by, timespan, aliases, condition and generate are known",
        );
    }
    let mut kind = kind(map.get("type"))?;
    let condition = map.get("condition");
    let rules = rules(kind, map.get("rules"), condition)?;
    let fields = fields(&mut kind, condition)?;
    let generate = [map.get("generate"), outer.get("generate")];
    if let Some(odd) = generate.iter().flatten().find(|value| !value.is_boolean()) {
        return problem(
            format!("`generate` is true or false, not {odd}"),
            "generate: true",
        );
    }
    Ok(Correlation {
        kind,
        fields,
        condition: condition_of(kind, condition, &rules)?,
        rules,
        group_by: match map.get("group-by") {
            None | Some(Value::Null) => Vec::new(),
            given => match texts(given) {
                Some(fields) => fields,
                None => return problem("`group-by` must be a list of fields", "group-by: [src_ip]"),
            },
        },
        aliases: aliases(map.get("aliases"))?,
        span_us: span(map.get("timespan"))?,
        generate: generate
            .into_iter()
            .flatten()
            .any(|value| value == &Value::Bool(true)),
    })
}

fn kind(value: Option<&Value>) -> Result<Kind, ItemProblem> {
    Ok(match value.and_then(Value::as_str) {
        Some("event_count") => Kind::EventCount,
        Some("value_count") => Kind::ValueCount,
        Some("temporal") => Kind::Temporal,
        Some("temporal_ordered") => Kind::TemporalOrdered,
        Some("value_sum") => Kind::Sum,
        Some("value_avg") => Kind::Average,
        Some("value_percentile" | "value_median") => Kind::Percentile(500_000),
        other => {
            return problem(
                format!("there is no correlation type `{}`", other.unwrap_or("?")),
                "event_count, value_count, temporal, temporal_ordered, value_sum, value_avg, \
                 value_percentile, value_median",
            );
        }
    })
}

impl Kind {
    /// Whether rules seen are counted.
    pub(crate) fn temporal(self) -> bool {
        matches!(self, Kind::Temporal | Kind::TemporalOrdered)
    }

    /// Whether whole numbers are measured.
    pub(crate) fn counts(self) -> bool {
        self.temporal() || matches!(self, Kind::EventCount | Kind::ValueCount)
    }
}

fn rules(kind: Kind, value: Option<&Value>, condition: Option<&Value>) -> Result<Vec<String>, ItemProblem> {
    let rules = match (texts(value), condition) {
        (Some(rules), _) if !rules.is_empty() => rules,
        (None, Some(Value::String(expression))) if value.is_none() && kind.temporal() => {
            identifiers(expression)
        }
        _ => {
            return problem(
                "`rules` must name at least one rule",
                "rules: [name or id of a rule]",
            );
        }
    };
    let most = match kind {
        Kind::Temporal => RULES_MAX,
        Kind::TemporalOrdered => ORDERED_RULES_MAX,
        _ => usize::MAX,
    };
    if rules.len() > most {
        return problem(
            format!("{} rules; this type takes at most {most}", rules.len()),
            "join rules that mean the same into one with `1 of`",
        );
    }
    Ok(rules)
}

/// The names an expression uses, in the order of their first use.
fn identifiers(expression: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for word in expression.split(|c: char| c.is_whitespace() || c == '(' || c == ')') {
        let keyword = ["and", "or", "not"].iter().any(|k| word.eq_ignore_ascii_case(k));
        if !word.is_empty() && !keyword && !names.iter().any(|name| name == word) {
            names.push(word.to_owned());
        }
    }
    names
}

fn fields(kind: &mut Kind, condition: Option<&Value>) -> Result<Vec<String>, ItemProblem> {
    let map = condition.and_then(Value::as_object);
    let fields = texts(map.and_then(|map| map.get("field"))).unwrap_or_default();
    let percentile = map.and_then(|map| map.get("percentile"));
    if let Kind::Percentile(parts) = kind
        && let Some(given) = percentile
    {
        let Some(p) = given.as_f64().filter(|p| (0.0..=100.0).contains(p)) else {
            return problem(
                format!("`percentile` is a number from 0 to 100, not {given}"),
                "percentile: 95",
            );
        };
        *parts = (p * 10_000.0).round() as u32;
    }
    match (*kind, fields.len()) {
        (Kind::EventCount | Kind::Temporal | Kind::TemporalOrdered, 0) => Ok(fields),
        (Kind::EventCount | Kind::Temporal | Kind::TemporalOrdered, _) => problem(
            "this type counts events or rules and has no `field`",
            "use value_count to count distinct values",
        ),
        (_, 0) => problem(
            "this type needs `field` in its condition",
            "condition: {field: sc-bytes, gte: 10}",
        ),
        (Kind::ValueCount, _) | (_, 1) => Ok(fields),
        _ => problem(
            "only value_count takes several fields",
            "condition: {field: sc-bytes, gte: 10}",
        ),
    }
}

fn condition_of(kind: Kind, value: Option<&Value>, rules: &[String]) -> Result<Condition, ItemProblem> {
    match value {
        None if kind.temporal() => {
            let all = Threshold::at_least(rules.len() as u64);
            Ok(Condition::Number(all))
        }
        Some(Value::String(text)) if kind == Kind::Temporal => match condition::parse(text, rules) {
            Ok(named) => match Seen::of(&named, rules) {
                Some(seen) => Ok(Condition::Seen(seen)),
                None => problem("the condition names an unknown rule", "list it in `rules`"),
            },
            Err(message) => problem(message.to_string(), "name rules of `rules`, or leave `rules` out"),
        },
        Some(Value::String(_)) if kind == Kind::TemporalOrdered => problem(
            "an expression has no order",
            "list `rules` in their order, or use type temporal",
        ),
        Some(Value::Object(map)) => Ok(Condition::Number(threshold(kind, map, rules.len())?)),
        _ => problem(
            "this type needs `condition` with gt, gte, lt, lte, eq or neq",
            "condition: {gte: 10}",
        ),
    }
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
        Err(_) => problem(
            "`aliases` must be alias → rule → field",
            "aliases: {client: {rule_a: src_ip, rule_b: dst_ip}}",
        ),
    }
}

fn span(value: Option<&Value>) -> Result<i64, ItemProblem> {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    match span_unbounded_us(text) {
        Some(1..=SPAN_MAX_US) => Ok(span_unbounded_us(text).unwrap_or(SPAN_MAX_US)),
        Some(1..) => problem(
            format!("a `timespan` of {text} is longer than 31 days"),
            "events of two time spans are kept in memory; at most 31d, 4w or 1M",
        ),
        _ => problem(
            "`timespan` must be like 30s, 5m, 1h, 1d, 2w or 1M",
            "a whole number and one of s m h d w M y",
        ),
    }
}

/// `30s`, `5m`, `1h`, `1d`, `1w`, `1M` in microseconds; `None` beyond [`SPAN_MAX_US`].
pub fn span_us(text: &str) -> Option<i64> {
    span_unbounded_us(text).filter(|us| (1..=SPAN_MAX_US).contains(us))
}

/// A month and a year are means, as in the reference implementation: 2,629,746 and 31,556,952 s.
fn span_unbounded_us(text: &str) -> Option<i64> {
    use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
    let unit = match text.chars().last()? {
        's' => SECOND_US,
        'm' => MINUTE_US,
        'h' => HOUR_US,
        'd' => DAY_US,
        'w' => 7 * DAY_US,
        'M' => 2_629_746 * SECOND_US,
        'y' => 31_556_952 * SECOND_US,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: i64 = digits.parse().unwrap_or(i64::MAX);
    Some(count.saturating_mul(unit))
}

/// The comparisons of a condition map, checked for a correlation of this kind over so many rules.
///
/// # Errors
/// Unknown operators, numbers that are none, conditions no window can satisfy.
pub(crate) fn threshold(
    kind: Kind,
    condition: &Map<String, Value>,
    rules: usize,
) -> Result<Threshold, ItemProblem> {
    let mut parts = Vec::new();
    for (key, value) in condition {
        let operator = match key.as_str() {
            "field" => continue,
            "percentile" if matches!(kind, Kind::Percentile(_)) => continue,
            "gt" => Operator::Greater,
            "gte" => Operator::GreaterEqual,
            "lt" => Operator::Less,
            "lte" => Operator::LessEqual,
            "eq" => Operator::Equal,
            "neq" => Operator::NotEqual,
            other => {
                return problem(
                    format!("`{other}` is not a comparison"),
                    "gt, gte, lt, lte, eq, neq",
                );
            }
        };
        let limit = match (kind.counts(), value) {
            (true, _) => value.as_u64().map(|n| Nano::from(n) * NANO),
            (false, _) => value.as_f64().and_then(nano),
        };
        match limit {
            Some(limit) => parts.push((operator, limit)),
            None if kind.counts() => {
                return problem(
                    format!("`{key}` needs a whole number, not {value}"),
                    "counts have no fractions",
                );
            }
            None => return problem(format!("`{key}` needs a number, not {value}"), "gte: 1.5"),
        }
    }
    let threshold = Threshold(parts);
    if threshold.0.is_empty() {
        return problem("the condition compares nothing", "condition: {gte: 10}");
    }
    // A window exists only where an event is, so no count is below one.
    let never = threshold.hopeless(kind.counts());
    if never || (kind.temporal() && threshold.least() > rules as u64) {
        return problem(
            "no window can satisfy the condition",
            "a window ends at an event, so counts are at least 1 and at most what there is to count",
        );
    }
    Ok(threshold)
}
