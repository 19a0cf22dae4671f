//! Whether the rules a correlation names are there, carry its fields, and do not go in circles.

use super::correlation::{Correlation, SPAN_MAX_US};
use super::document::Document;
use crate::fields;
use haetae_event::Dataset;
use std::collections::HashMap;

/// Documents by what references call them.
pub struct Names<'a> {
    documents: Vec<&'a Document>,
    by_name: HashMap<&'a str, usize>,
}

/// Why a correlation cannot run.
#[derive(Debug)]
pub struct Broken {
    pub code: &'static str,
    pub message: String,
    pub hint: &'static str,
}

fn broken<T>(code: &'static str, message: String, hint: &'static str) -> Result<T, Broken> {
    Err(Broken { code, message, hint })
}

impl<'a> Names<'a> {
    pub fn new(documents: impl IntoIterator<Item = &'a Document>) -> Names<'a> {
        let documents: Vec<&Document> = documents.into_iter().collect();
        let mut by_name = HashMap::new();
        for (at, document) in documents.iter().enumerate() {
            let attributes = document.attributes();
            by_name.entry(attributes.id.as_str()).or_insert(at);
            if let Some(name) = &attributes.name {
                by_name.entry(name.as_str()).or_insert(at);
            }
        }
        Names { documents, by_name }
    }

    /// The place of the document that `reference` (a name or an id) means.
    pub fn find(&self, reference: &str) -> Option<usize> {
        self.by_name.get(reference).copied()
    }

    pub fn document(&self, at: usize) -> &'a Document {
        self.documents[at]
    }

    /// The field that `correlation` means by `name` in the document at `base`.
    pub fn meant<'b>(&self, correlation: &'b Correlation, name: &'b str, base: usize) -> &'b str {
        let by_rule = correlation.aliases.get(name);
        let own = by_rule.and_then(|by_rule| {
            by_rule
                .iter()
                .find(|(rule, _)| self.find(rule) == Some(base))
                .map(|(_, field)| field.as_str())
        });
        own.unwrap_or(name)
    }

    /// How many correlations lie below the document at `at`; 0 for a rule.
    pub fn depth(&self, at: usize) -> usize {
        let depth = self.measure(at, &mut Vec::new(), &|_, below| below.saturating_add(1));
        usize::try_from(depth.unwrap_or(0)).unwrap_or(usize::MAX)
    }

    /// How far back the document at `at` reaches, µs.
    pub fn reach_us(&self, at: usize) -> i64 {
        let sum = |correlation: &Correlation, below: i64| correlation.span_us.saturating_add(below);
        self.measure(at, &mut Vec::new(), &sum).unwrap_or(i64::MAX)
    }

    /// Folds the deepest path below `at`; `None` for a circle, whose way is then in `path`.
    fn measure(
        &self,
        at: usize,
        path: &mut Vec<usize>,
        step: &dyn Fn(&Correlation, i64) -> i64,
    ) -> Option<i64> {
        let Document::Correlation(_, correlation) = self.documents[at] else {
            return Some(0);
        };
        if path.contains(&at) {
            path.push(at);
            return None;
        }
        // No chain is deeper than there are documents, nor than is of use.
        if path.len() > DEPTH_MAX {
            return Some(i64::MAX);
        }
        path.push(at);
        let mut below = 0;
        for base in correlation.rules.iter().filter_map(|rule| self.find(rule)) {
            below = below.max(self.measure(base, path, step)?);
        }
        path.pop();
        Some(step(correlation, below))
    }
}

/// Correlations above each other.
const DEPTH_MAX: usize = 8;

/// Checks what the correlation at `at` names.
///
/// # Errors
/// The first thing that does not hold.
pub fn check(names: &Names<'_>, at: usize) -> Result<(), Broken> {
    let Document::Correlation(_, correlation) = names.document(at) else {
        return Ok(());
    };
    let mut bases = Vec::new();
    for reference in &correlation.rules {
        let Some(base) = names.find(reference) else {
            return broken(
                "sigma-reference",
                format!("the rule `{reference}` is not loaded"),
                "name a rule by its `name` or `id`; see the problems of that rule if it has any",
            );
        };
        if bases.contains(&base) {
            return broken(
                "sigma-reference",
                format!("the rule `{reference}` is named twice"),
                "name each rule once",
            );
        }
        bases.push(base);
    }
    circle(names, at)?;
    aliases(names, correlation, &bases)?;
    for base in bases {
        carried(names, correlation, base)?;
    }
    Ok(())
}

fn circle(names: &Names<'_>, at: usize) -> Result<(), Broken> {
    let mut path = Vec::new();
    let depth = names.measure(at, &mut path, &|_, below| below.saturating_add(1));
    let Some(depth) = depth else {
        let last = path.last().copied().unwrap_or(at);
        let from = path.iter().position(|step| *step == last).unwrap_or(0);
        let name = |at: &usize| {
            let attributes = names.document(*at).attributes();
            attributes.name.clone().unwrap_or_else(|| attributes.id.clone())
        };
        let circle: Vec<String> = path[from..].iter().map(name).collect();
        return broken(
            "sigma-chain",
            format!("the correlations go in a circle: {}", circle.join(" → ")),
            "a correlation cannot wait for itself",
        );
    };
    if usize::try_from(depth).unwrap_or(usize::MAX) > DEPTH_MAX {
        return broken(
            "sigma-chain",
            format!("more than {DEPTH_MAX} correlations above each other"),
            "shorten the chain",
        );
    }
    if names.reach_us(at) > SPAN_MAX_US {
        return broken(
            "sigma-chain",
            "the time spans of the chain together are longer than 31 days".into(),
            "events of that time would have to be kept in memory; shorten a timespan",
        );
    }
    Ok(())
}

fn aliases(names: &Names<'_>, correlation: &Correlation, bases: &[usize]) -> Result<(), Broken> {
    for (alias, by_rule) in &correlation.aliases {
        for rule in by_rule.keys() {
            if !names.find(rule).is_some_and(|at| bases.contains(&at)) {
                return broken(
                    "sigma-alias",
                    format!("the alias `{alias}` speaks of `{rule}`, which `rules` does not name"),
                    "aliases: {alias: {rule of `rules`: field}}",
                );
            }
        }
    }
    Ok(())
}

/// Whether the document at `base` carries the fields that the correlation asks of it.
fn carried(names: &Names<'_>, correlation: &Correlation, base: usize) -> Result<(), Broken> {
    let wanted = correlation.group_by.iter().chain(&correlation.fields);
    let wanted: Vec<&str> = wanted.map(|name| names.meant(correlation, name, base)).collect();
    let attributes = names.document(base).attributes();
    let called = attributes.name.as_ref().unwrap_or(&attributes.id);
    if let Document::Correlation(_, lower) = names.document(base) {
        let missing = wanted.iter().find(|name| place(&lower.group_by, name).is_none());
        let Some(missing) = missing else { return Ok(()) };
        let carries = lower.group_by.join(", ");
        return broken(
            "sigma-chain",
            format!("`{called}` does not carry `{missing}`; its group-by is [{carries}]"),
            "a correlation's firings carry its group-by fields only; use one, or an alias",
        );
    }
    let Document::Rule(rule) = names.document(base) else {
        return Ok(());
    };
    let missing = |dataset: &Dataset| {
        let absent = |name: &&&str| rule.mapping.resolve(*dataset, name).is_none();
        wanted.iter().find(absent)
    };
    let datasets = rule.mapping.datasets();
    match datasets.first().and_then(missing) {
        Some(first) if datasets.iter().all(|dataset| missing(dataset).is_some()) => broken(
            "sigma-field",
            format!("no dataset of the rule `{called}` has the field `{first}`"),
            "use a field of that log source, or an alias that names one for each rule",
        ),
        _ => Ok(()),
    }
}

/// The place of `name` among `fields`: as written, or by another name of the same column.
pub fn place(fields: &[String], name: &str) -> Option<usize> {
    let same = |field: &String| field.eq_ignore_ascii_case(name);
    let alike = |field: &String| {
        Dataset::ALL.iter().any(|dataset| {
            let meant = fields::resolve(*dataset, field);
            meant.is_some() && meant == fields::resolve(*dataset, name)
        })
    };
    let exact = fields.iter().position(|field| field == name);
    exact
        .or_else(|| fields.iter().position(same))
        .or_else(|| fields.iter().position(alike))
}
