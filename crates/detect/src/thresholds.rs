//! `thresholds.yml` of a rules folder: other thresholds for correlations that are loaded, built in
//! or not, so that a site's numbers need no copies of rules.
//!
//! Here: reading the file, checking it against the rules, and the one comparison a correlation can
//! be tuned by ([`Limit`]). `haetae rules tune --write` writes such files.
//!
//! Sigma has no word for this: its filters change what events a rule matches and never apply to
//! correlations. A file with any mistake changes nothing: a threshold that means something else
//! than its author thought hides an attack.

use crate::diagnostic::Diagnostic;
use crate::exceptions::next_entry;
use crate::ruleset::Loaded;
use crate::sigma::correlation::{self, Condition, Correlation, NANO, Nano, Operator, Threshold};
use crate::sigma::document::Document;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// Entries of one file.
const ENTRIES_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    thresholds: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Id or name of a correlation.
    rule: String,
    /// One comparison, with the operator the rule has: `{gte: 150}`.
    condition: Map<String, Value>,
    /// What the rule itself says; when that is no longer so the entry is told as out of date.
    #[serde(default)]
    was: Option<Map<String, Value>>,
    /// For people.
    #[serde(default)]
    #[allow(
        dead_code,
        reason = "accepted so that a file may say why; nobody else reads it"
    )]
    reason: Option<String>,
}

/// One comparison with a number: a correlation's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub operator: Operator,
    pub amount: Nano,
}

impl Limit {
    /// The threshold of `correlation`.
    ///
    /// # Errors
    /// Why it has none that could be moved.
    pub fn of(correlation: &Correlation) -> Result<Limit, &'static str> {
        let Condition::Number(threshold) = &correlation.condition else {
            return Err("it asks which rules matched, not how much");
        };
        let &[(operator, amount)] = threshold.0.as_slice() else {
            return Err("its condition is a range, with a limit on both sides");
        };
        if correlation.kind.temporal() {
            return Err("it asks for several rules together, not how much");
        }
        match operator {
            Operator::Equal | Operator::NotEqual => Err("it asks for one exact number"),
            _ => Ok(Limit { operator, amount }),
        }
    }

    /// Whether larger numbers make the rule speak, so that raising the limit makes it speak less.
    pub fn rising(self) -> bool {
        matches!(self.operator, Operator::Greater | Operator::GreaterEqual)
    }

    pub fn threshold(self) -> Threshold {
        Threshold(vec![(self.operator, self.amount)])
    }

    /// The operator as rules write it.
    pub fn word(self) -> &'static str {
        match self.operator {
            Operator::Equal => "eq",
            Operator::NotEqual => "neq",
            Operator::Less => "lt",
            Operator::LessEqual => "lte",
            Operator::Greater => "gt",
            Operator::GreaterEqual => "gte",
        }
    }

    /// The number as a decimal without an exponent, exact.
    pub fn number(self) -> String {
        decimal(self.amount)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.number())
    }
}

/// A decimal of nine places as text, without trailing zeros.
pub fn decimal(amount: Nano) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, rest) = (
        amount.unsigned_abs() / NANO.unsigned_abs(),
        amount.unsigned_abs() % NANO.unsigned_abs(),
    );
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let places = format!("{rest:09}");
    format!("{sign}{whole}.{}", places.trim_end_matches('0'))
}

/// A threshold that is not the rule's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Id of the rule.
    pub rule: String,
    /// What the rule itself says.
    pub own: Limit,
    pub now: Limit,
}

/// Where an entry stands, for diagnostics.
type Problem = (String, &'static str);

/// Reads `thresholds.yml` against the rules loaded; `known` are the overrides there are already.
/// Gives the changes, and notes on those whose `was` no longer fits.
///
/// # Errors
/// Everything that is wrong with it: none of it is applied then.
pub fn parse(
    file: &str,
    text: &str,
    loaded: &[Loaded],
    known: &[Override],
) -> Result<(Vec<Override>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let entries = serde_saphyr::from_str::<File>(text).map_err(|error| {
        let location = error.location();
        vec![Diagnostic {
            code: "threshold-yaml".into(),
            file: file.into(),
            line: location.map(|l| l.line()),
            column: location.map(|l| l.column()),
            message: error.to_string().lines().next().unwrap_or_default().to_owned(),
            hint: "thresholds: [{rule: ID, condition: {gte: 150}, was: {gte: 100}}]".into(),
        }]
    })?;
    let (mut read, mut notes, mut problems) = (Vec::<Override>::new(), Vec::new(), Vec::new());
    if entries.thresholds.len() > ENTRIES_MAX {
        let message = format!("more than {ENTRIES_MAX} thresholds");
        problems.push(diagnostic(file, None, message, "change the rules instead"));
    }
    let mut line = 0;
    for entry in &entries.thresholds {
        line = next_entry(text, line);
        match checked(entry, loaded) {
            Ok((changed, _)) if known.iter().chain(&read).any(|o| o.rule == changed.rule) => {
                let message = format!("the rule {:?} is given a threshold twice", entry.rule);
                problems.push(diagnostic(file, Some(line), message, "leave one of them"));
            }
            Ok((changed, stale)) => {
                if let Some(message) = stale {
                    let hint = "run `haetae rules tune` again, or change `was`";
                    notes.push(diagnostic(file, Some(line), message, hint));
                }
                read.push(changed);
            }
            Err((message, hint)) => problems.push(diagnostic(file, Some(line), message, hint)),
        }
    }
    if problems.is_empty() {
        Ok((read, notes))
    } else {
        Err(problems)
    }
}

fn diagnostic(file: &str, line: Option<u64>, message: String, hint: &str) -> Diagnostic {
    Diagnostic {
        code: "threshold".into(),
        file: file.into(),
        line,
        column: None,
        message,
        hint: hint.into(),
    }
}

/// The change an entry asks for, and what is to be said when the rule has changed since.
fn checked(entry: &Entry, loaded: &[Loaded]) -> Result<(Override, Option<String>), Problem> {
    let found = loaded.iter().find(|l| l.document.answers_to(&entry.rule));
    let Some(found) = found else {
        let message = format!("no rule has the id or name {:?}", entry.rule);
        return Err((message, "`haetae rules list` lists them"));
    };
    let Document::Correlation(attributes, correlation) = found.document.as_ref() else {
        let message = format!("the rule {:?} has no threshold: it is no correlation", entry.rule);
        return Err((message, "name a correlation"));
    };
    let own = Limit::of(correlation)
        .map_err(|why| (format!("the rule {:?} has no threshold: {why}", entry.rule), ""))?;
    let now = limit(correlation, &entry.condition)?;
    if now.operator != own.operator {
        let message = format!(
            "the rule {:?} asks for `{}`, not `{}`",
            entry.rule,
            own.word(),
            now.word()
        );
        return Err((message, "only the number may be another one"));
    }
    let was = entry
        .was
        .as_ref()
        .map(|was| limit(correlation, was))
        .transpose()?;
    let stale = was.filter(|was| *was != own).map(|was| {
        format!(
            "the rule {:?} now says {own}, and said {was} when {now} was chosen",
            entry.rule
        )
    });
    let rule = attributes.id.clone();
    Ok((Override { rule, own, now }, stale))
}

/// The one comparison of a condition map.
fn limit(correlation: &Correlation, map: &Map<String, Value>) -> Result<Limit, Problem> {
    let threshold = correlation::threshold(correlation.kind, map, correlation.rules.len())
        .map_err(|problem| (problem.message, problem.hint))?;
    match threshold.0.as_slice() {
        &[(operator, amount)] => Ok(Limit { operator, amount }),
        _ => Err(("one comparison is expected".to_owned(), "condition: {gte: 150}")),
    }
}

impl Override {
    /// The document with the other threshold; its title says so, since titles name numbers.
    pub(crate) fn applied(&self, document: &Document) -> Option<Arc<Document>> {
        let Document::Correlation(attributes, correlation) = document else {
            return None;
        };
        let mut attributes = attributes.clone();
        attributes.title = format!("{} [{} here]", attributes.title, self.now);
        let mut correlation = correlation.clone();
        correlation.condition = Condition::Number(self.now.threshold());
        Some(Arc::new(Document::Correlation(attributes, correlation)))
    }
}
