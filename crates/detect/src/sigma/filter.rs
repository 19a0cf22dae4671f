//! Filter documents: what rules shall not tell, written outside of them.
//!
//! Source: Sigma specification 2.1.0, *Sigma Filters*. Two signs are in use. The specification's
//! prose suppresses what the condition describes (`condition: selection`); pySigma adds the
//! condition to the rule with `and`, so its filters say `condition: not selection`. Both exclude
//! what the selection describes, and so does this engine: a condition that is negated as a whole
//! must hold ([`Sign::Keep`]), any other excludes ([`Sign::Exclude`]). Since a negated condition
//! could also be meant by the specification's prose, loading one leaves a note; `haetae: {filter:
//! exclude}` or `{filter: keep}` in the document decides and silences it.

use super::condition::Condition;
use super::document::{self, Attributes, Detection, LogSource, Rule};
use super::item::ItemProblem;
use super::placeholder::Placeholders;
use serde_json::{Map, Value};

/// What a filter's condition does to the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Where it holds, the rule does not.
    Exclude,
    /// Where it does not hold, the rule does not.
    Keep,
}

impl Sign {
    pub fn named(name: &str) -> Option<Sign> {
        match name {
            "exclude" => Some(Sign::Exclude),
            "keep" => Some(Sign::Keep),
            _ => None,
        }
    }
}

/// Which rules a filter names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Every rule whose log source fits.
    Any,
    /// By id or name.
    Named(Vec<String>),
}

/// A checked filter.
#[derive(Clone, Debug)]
pub struct Filter {
    pub attributes: Attributes,
    pub source: LogSource,
    pub targets: Targets,
    pub detection: Detection,
    pub sign: Sign,
    /// The sign was told from the form of the condition and could be meant the other way.
    pub ambiguous: bool,
}

fn problem<T>(message: impl Into<String>, hint: &'static str) -> Result<T, ItemProblem> {
    Err(ItemProblem {
        code: "sigma-filter",
        message: message.into(),
        hint,
    })
}

/// Checks a document with the key `filter`.
///
/// # Errors
/// What of it cannot be honoured.
pub fn read(document: &Map<String, Value>, known: &Placeholders) -> Result<Filter, ItemProblem> {
    let attributes = document::attributes(document)?;
    if document.contains_key("detection") || document.contains_key("correlation") {
        return problem(
            "a document is a rule, a correlation or a filter, not two of them",
            "",
        );
    }
    let Some(Value::Object(inner)) = document.get("filter") else {
        return problem("`filter` must be a map", "");
    };
    let source = document::log_source(document)?;
    let targets = targets(inner.get("rules"))?;
    let detection = document::detection(inner, &["rules"], known)?;
    let (sign, ambiguous) = match (attributes.custom.filter, negated(&detection.condition)) {
        (Some(sign), _) => (sign, false),
        (None, true) => (Sign::Keep, true),
        (None, false) => (Sign::Exclude, false),
    };
    Ok(Filter {
        attributes,
        source,
        targets,
        detection,
        sign,
        ambiguous,
    })
}

fn targets(rules: Option<&Value>) -> Result<Targets, ItemProblem> {
    let hint = "rules: [id or name, …], or rules: any";
    match rules {
        Some(Value::String(any)) if any == "any" => Ok(Targets::Any),
        Some(Value::String(one)) => Ok(Targets::Named(vec![one.clone()])),
        Some(Value::Array(many)) if !many.is_empty() => {
            let names: Option<Vec<String>> = many.iter().map(|v| v.as_str().map(str::to_owned)).collect();
            names.map_or_else(
                || problem("`rules` of a filter holds names and ids only", hint),
                |names| Ok(Targets::Named(names)),
            )
        }
        _ => problem("a filter needs `rules`", hint),
    }
}

/// Whether nothing in the condition is asked to be there.
fn negated(condition: &Condition) -> bool {
    match condition {
        Condition::Not(_) => true,
        Condition::And(parts) => parts.iter().all(negated),
        Condition::Name(_) | Condition::Or(_) => false,
    }
}

impl Filter {
    /// Whether the rule's log source has every key that the filter's has.
    pub fn fits(&self, rule: &LogSource) -> bool {
        let pairs = [
            (&self.source.category, &rule.category),
            (&self.source.product, &rule.product),
            (&self.source.service, &rule.service),
        ];
        pairs
            .into_iter()
            .all(|(wanted, given)| wanted.is_none() || wanted == given)
    }

    /// The rule with this filter; `number` tells the filter's identifiers from all others. A
    /// pattern of the rule has already picked its identifiers, so it cannot pick these.
    pub fn apply(&self, rule: &Rule, number: usize) -> Rule {
        let renamed = |name: &str| format!("filter {number} {name}");
        let mut filtered = rule.clone();
        for (name, search) in &self.detection.searches {
            filtered.searches.insert(renamed(name), search.clone());
        }
        let own = rename(&self.detection.condition, &renamed);
        let term = match self.sign {
            Sign::Keep => own,
            Sign::Exclude => Condition::Not(Box::new(own)),
        };
        filtered.condition = Condition::And(vec![filtered.condition, term]);
        filtered
    }
}

fn rename(condition: &Condition, renamed: &dyn Fn(&str) -> String) -> Condition {
    let all = |parts: &[Condition]| parts.iter().map(|part| rename(part, renamed)).collect();
    match condition {
        Condition::Name(name) => Condition::Name(renamed(name)),
        Condition::Not(inner) => Condition::Not(Box::new(rename(inner, renamed))),
        Condition::And(parts) => Condition::And(all(parts)),
        Condition::Or(parts) => Condition::Or(all(parts)),
    }
}
