//! A log through our parsers and the engine.

use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Episode, EventBatch, Micros, TenantId};
use haetae_parse::{Format, InputReader, ParseOptions};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Read once: it is the larger part of making an engine.
static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::builtin);

/// What became of a log.
#[derive(Debug, Default)]
pub struct Reading {
    pub events: usize,
    /// Lines that no format took.
    pub rejected: Vec<String>,
    pub episodes: Vec<Episode>,
}

/// Reads `log` by the formats of its kind and evaluates the built-in rules over it.
///
/// # Panics
/// When a name is no format of ours.
pub fn read(log: &str, formats: &[&str]) -> Reading {
    let mut engine = Engine::new(RULES.clone(), EngineOptions::one_shot());
    let mut reading = Reading::default();
    let mut lines: Vec<String> = log
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    // Times without a year are of the year before this arrival, whatever the day of the test.
    let options = ParseOptions {
        arrival: Micros(1_798_761_599_000_000),
        ..ParseOptions::default()
    };
    for name in formats {
        if lines.is_empty() {
            break;
        }
        let format: Format = name.parse().expect("a format of ours");
        let mut left = Vec::new();
        for line in &lines {
            if !accepts(line, format, &options) {
                left.push(line.clone());
            }
        }
        let mine: Vec<&str> = lines
            .iter()
            .filter(|line| !left.contains(line))
            .map(String::as_str)
            .collect();
        reading.events += observe(&mut engine, mine.join("\n").as_bytes(), format, &options);
        lines = left;
    }
    reading.rejected = lines;
    reading.episodes = engine.evaluate(&Closing::everything()).episodes;
    reading
}

/// Episodes of a whole text in one format under the built-in rules.
///
/// # Panics
/// When `format` is no format of ours.
pub fn evaluate(text: &[u8], format: &str) -> Vec<Episode> {
    let mut engine = Engine::new(RULES.clone(), EngineOptions::one_shot());
    let format = format.parse().expect("a format of ours");
    observe(&mut engine, text, format, &ParseOptions::default());
    engine.evaluate(&Closing::everything()).episodes
}

fn accepts(line: &str, format: Format, options: &ParseOptions) -> bool {
    let mut reader = InputReader::open(line.as_bytes(), Some(format), options);
    let mut events = 0;
    while let Ok(Some(batch)) = reader.next_batch() {
        events += batch.counts.events;
    }
    events > 0
}

/// Feeds the lines to the engine; returns the number of events.
fn observe(engine: &mut Engine, text: &[u8], format: Format, options: &ParseOptions) -> usize {
    let mut reader = InputReader::open(text, Some(format), options);
    let mut events = 0;
    while let Ok(Some(batch)) = reader.next_batch() {
        let Some(records) = batch.records else { continue };
        let dataset = reader.dataset().expect("rows have a dataset");
        events += records.num_rows();
        engine.observe(&EventBatch {
            tenant: TenantId::default(),
            dataset,
            records,
        });
    }
    events
}

/// Names of the built-in rules by their ids.
pub fn rule_names() -> BTreeMap<String, String> {
    RULES
        .loaded()
        .iter()
        .map(|loaded| loaded.document.attributes())
        .filter_map(|a| Some((a.id.clone(), a.name.clone()?)))
        .collect()
}
