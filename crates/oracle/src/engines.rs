//! Both engines over JSON objects, fields under the names that rules give them.

use haetae_detect::RuleMatcher;
use haetae_detect::sigma::document::Rule;
use rsigma_eval::event::JsonEvent;
use rsigma_eval::{CompiledRule, compile_rule, evaluate_rule};
use serde_json::Value;

/// Ours.
pub struct Ours(RuleMatcher);

impl Ours {
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Ours {
        Ours(RuleMatcher::of_json(rules))
    }

    /// (event, rule) for every match.
    pub fn verdicts(&mut self, events: &[String]) -> Vec<(usize, usize)> {
        let batch = self.0.json_batch(events);
        let mut hits = Vec::new();
        self.0.run(&batch, |row, rule| hits.push((row, rule)));
        hits
    }
}

/// rsigma's: each rule by itself, without its indexes over all rules.
pub struct Theirs(Vec<CompiledRule>);

impl Theirs {
    /// # Errors
    /// What rsigma says to a rule it does not take.
    pub fn new(texts: &[String]) -> Result<Theirs, String> {
        let mut rules = Vec::new();
        for text in texts {
            let collection = rsigma_parser::parse_sigma_yaml(text).map_err(|error| error.to_string())?;
            for rule in collection.rules.iter().take(1) {
                rules.push(compile_rule(rule).map_err(|error| error.to_string())?);
            }
        }
        if rules.len() == texts.len() {
            Ok(Theirs(rules))
        } else {
            Err(format!("{} rules of {} texts", rules.len(), texts.len()))
        }
    }

    pub fn matches(&self, rule: usize, event: &Value) -> bool {
        evaluate_rule(&self.0[rule], &JsonEvent::borrow(event)).is_some()
    }
}
