//! The comparison of one test.

use crate::classes::{self, Class};
use crate::{HubTest, kinds, reading};
use haetae_event::{Episode, Level};
use std::collections::{BTreeMap, BTreeSet};

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Same,
    /// What differs, for people.
    Different(String),
    /// The test asserts nothing about scenarios.
    NothingAsked,
    /// The product does not read the kind.
    Unsupported,
}

/// An address in its canonical form, other texts as they are.
fn canonical(source: &str) -> String {
    match source.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => source.to_owned(),
    }
}

/// Compares one test; `names` are rule names by id ([`reading::rule_names`]).
pub fn compare(test: &HubTest, names: &BTreeMap<String, String>) -> Outcome {
    let Some(formats) = kinds::formats(&test.log_type) else {
        return Outcome::Unsupported;
    };
    let Some(expected) = &test.expected_overflows else {
        return Outcome::NothingAsked;
    };
    let self_test = |overflow: &crate::Overflow| {
        overflow.scenario.as_deref().and_then(classes::of_scenario) == Some(Class::SelfTest)
    };
    if !expected.is_empty() && expected.iter().all(self_test) {
        return Outcome::NothingAsked;
    }
    let reading = reading::read(&test.log, formats);
    let told: Vec<(&Episode, &'static [Class])> = reading
        .episodes
        .iter()
        .map(|episode| {
            let name = names.get(&episode.rule_id).map_or("", String::as_str);
            (episode, classes::of_rule(name))
        })
        .collect();
    let differences = if expected.is_empty() {
        loud(test, &told, names)
    } else {
        missing(test, &told)
    };
    if differences.is_empty() {
        return Outcome::Same;
    }
    let mut text = differences.into_iter().collect::<Vec<_>>().join("; ");
    if !reading.rejected.is_empty() {
        text.push_str(&format!(" ({} lines not read)", reading.rejected.len()));
    }
    Outcome::Different(text)
}

/// Whether the source is the entity, or, where that is an account, an address in the evidence.
fn is_about(episode: &Episode, source: &str) -> bool {
    let named = |summary: &str| {
        summary
            .split([' ', ',', '[', ']', '(', ')'])
            .any(|word| canonical(word) == source)
    };
    canonical(&episode.entity.value) == source
        || episode.entity.kind == "account" && episode.evidence.iter().any(|e| named(&e.summary))
}

/// (class, source) pairs without a finding.
fn missing(test: &HubTest, told: &[(&Episode, &[Class])]) -> BTreeSet<String> {
    let mut differences = BTreeSet::new();
    for overflow in test.expected_overflows.iter().flatten() {
        let Some(scenario) = &overflow.scenario else {
            continue;
        };
        let Some(class) = classes::of_scenario(scenario) else {
            differences.insert(format!("{scenario} has no class"));
            continue;
        };
        let speaks = |about: Option<&str>| {
            told.iter().any(|(episode, classes)| {
                episode.level >= Level::Low
                    && classes.contains(&class)
                    && about.is_none_or(|source| is_about(episode, source))
            })
        };
        if overflow.sources.is_empty() && !speaks(None) {
            differences.insert(format!("no {class:?} finding"));
        }
        for source in &overflow.sources {
            if !speaks(Some(&canonical(source))) {
                differences.insert(format!("no {class:?} finding about {source}"));
            }
        }
    }
    differences
}

/// Findings ≥ medium in the classes that had to be silent.
fn loud(test: &HubTest, told: &[(&Episode, &[Class])], names: &BTreeMap<String, String>) -> BTreeSet<String> {
    let loaded: BTreeSet<Class> = test
        .scenario_names
        .iter()
        .chain(&test.scenario_files)
        .filter_map(|name| classes::of_scenario(name))
        .collect();
    told.iter()
        .filter(|(episode, classes)| {
            episode.level >= Level::Medium
                && (loaded.is_empty() || classes.iter().any(|class| loaded.contains(class)))
        })
        .map(|(episode, _)| {
            let name = names.get(&episode.rule_id).unwrap_or(&episode.rule_id);
            format!("{name} about {}", episode.entity.value)
        })
        .collect()
}
