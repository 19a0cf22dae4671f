//! `*.yml` beside this file: events, correlations, and what they tell.

use super::events::{Event, Stored, closing, engine, line, observe};
use haetae_detect::{Closing, EngineOptions};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    /// Name → the `correlation` map.
    rules: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    told: Vec<String>,
    /// Facts of the first episode.
    #[serde(default)]
    facts: BTreeMap<String, String>,
    #[serde(default)]
    unkeyed: u64,
    #[serde(default)]
    unmeasured: u64,
    /// Instead of the above: one after the other.
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Step {
    events: Vec<String>,
    /// Windows that end by this second are final; nothing is when absent.
    closed: Option<f64>,
    told: Vec<String>,
    withdrawn: Vec<String>,
}

fn yaml(rules: &BTreeMap<String, serde_json::Value>) -> String {
    let one = |(name, map): (&String, &serde_json::Value)| {
        format!("title: {name}\nname: {name}\nid: {name}\nlevel: high\ncorrelation: {map}\n")
    };
    rules.iter().map(one).collect::<Vec<_>>().join("---\n")
}

/// Base rules that no correlation of the case names speak for themselves, and are not its matter.
fn of_the_case(case: &Case, rule: &str) -> bool {
    let names = |map: &serde_json::Value| match &map["rules"] {
        serde_json::Value::Array(rules) => rules.iter().any(|name| name == rule),
        one => one == rule,
    };
    case.rules.contains_key(rule) || case.rules.values().any(names)
}

fn events(lines: &[String]) -> Vec<Event> {
    lines.iter().map(|line| Event::parse(line)).collect()
}

/// All at once, and then in other orders and cuts with looks in between.
fn whole(case: &Case) -> Vec<String> {
    let mut failed = Vec::new();
    let (rules, events) = (yaml(&case.rules), events(&case.events));
    let mut wanted = case.told.clone();
    wanted.sort();
    for order in 0..6 {
        let mut events = events.clone();
        match order {
            0 => {}
            1 => events.reverse(),
            // Some fixed disorder: every third first, then the others.
            n => events.sort_by_key(|e| (e.at_us.wrapping_mul(7_919 * n).rem_euclid(1_009), e.at_us)),
        }
        let mut engine = engine(&rules, EngineOptions::one_shot());
        let mut stored = Stored::default();
        let size = if order == 0 { usize::MAX } else { order as usize };
        for cut in events.chunks(size.min(events.len().max(1))) {
            observe(&mut engine, cut);
            if order > 0 {
                stored.apply(&engine.evaluate(&closing(order as f64 * 3.0)));
            }
        }
        stored.apply(&engine.evaluate(&Closing::everything()));
        let mut episodes = stored.sorted();
        episodes.retain(|episode| of_the_case(case, &episode.rule_id));
        let mut told: Vec<String> = episodes.iter().map(line).collect();
        told.sort();
        if told != wanted {
            failed.push(format!("{}, order {order}: told {told:#?}", case.case));
        }
        let stats = engine.stats();
        if (stats.unkeyed, stats.unmeasured) != (case.unkeyed, case.unmeasured) {
            failed.push(format!("{}, order {order}: {stats:?}", case.case));
        }
        for (key, value) in &case.facts {
            let facts = episodes.first().map(|e| e.facts.clone()).unwrap_or_default();
            if !facts.contains(&(key.clone(), value.clone())) {
                failed.push(format!("{}, order {order}: facts {facts:?}", case.case));
            }
        }
    }
    failed
}

fn stepwise(case: &Case) -> Vec<String> {
    let mut failed = Vec::new();
    let mut engine = engine(&yaml(&case.rules), EngineOptions::default());
    let mut stored = Stored::default();
    for (number, step) in case.steps.iter().enumerate() {
        observe(&mut engine, &events(&step.events));
        let closing = step.closed.map_or_else(Closing::nothing, closing);
        let evaluation = engine.evaluate(&closing);
        stored.apply(&evaluation);
        let episodes = evaluation.episodes.iter();
        let episodes = episodes.filter(|episode| of_the_case(case, &episode.rule_id));
        let mut told: Vec<String> = episodes.map(line).collect();
        told.sort();
        let gone: Vec<String> = evaluation
            .withdrawn
            .iter()
            .map(|w| format!("{} {}", w.rule_id, w.entity.value))
            .collect();
        if told != step.told || gone != step.withdrawn {
            failed.push(format!(
                "{}, step {number}: told {told:#?}, gone {gone:#?}",
                case.case
            ));
        }
    }
    failed
}

#[test]
fn what_was_worked_out_by_hand() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/correlation");
    let files = std::fs::read_dir(folder).expect("the folder of this file");
    let mut files: Vec<_> = files.map(|file| file.expect("entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "yml"));
    files.sort();
    let (mut failed, mut ran) = (Vec::new(), 0);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let cases: Vec<Case> =
            serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for case in cases {
            ran += 1;
            failed.extend(if case.steps.is_empty() {
                whole(&case)
            } else {
                stepwise(&case)
            });
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(ran >= 60, "only {ran} cases");
}
