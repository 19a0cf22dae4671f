//! The regression cases on the way that `haetae detect` goes: lines, parser, columns, pipeline
//! file, engine; nested as the event log writes them, and flat.

use crate::compare::flat;
use crate::mapping::found;
use haetae_detect::RuleSet;
use haetae_oracle::samples;
use serde_json::Value;
use std::collections::BTreeMap;

fn lines(events: &[Value]) -> String {
    let line = |event: &Value| match event {
        Value::String(raw) => raw.clone(),
        json => json.to_string(),
    };
    events
        .iter()
        .map(line)
        .fold(String::new(), |all, line| all + &line + "\n")
}

#[test]
fn every_case_is_found_through_the_parser() {
    let (Some(files), Some(cases)) = (samples::of_regression(), samples::cases()) else {
        return;
    };
    let by_id: BTreeMap<String, &samples::Sample> = files
        .iter()
        .filter_map(|file| Some((samples::read(file)?.0.attributes.id, file)))
        .collect();
    let (mut missed, mut events) = (Vec::new(), 0);
    for case in &cases {
        let file = by_id[&case.rule_id];
        let mut rules = RuleSet::empty();
        rules.load_text(&file.name, &file.text);
        assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
        events += case.events.len();
        let flat: Vec<Value> = case
            .events
            .iter()
            .map(|event| flat(event).unwrap_or_else(|| event.clone()))
            .collect();
        for (form, events) in [("nested", &case.events), ("flat", &flat)] {
            // What matches is one entity in one window: count it event by event.
            let count = events
                .iter()
                .filter(|event| found(&rules, &lines(&[(*event).clone()])).contains(&case.rule_id))
                .count();
            let wanted = match case.match_count {
                Some(count) if count > 1 => count as usize..=count as usize,
                _ => 1..=events.len(),
            };
            if !wanted.contains(&count) {
                missed.push(format!("{} {form}: {count} of {}", file.name, events.len()));
            }
            let together = found(&rules, &lines(events));
            assert!(
                together.contains(&case.rule_id),
                "{} {form}, all at once",
                file.name
            );
        }
    }
    eprintln!("{} cases, {events} events, nested and flat", cases.len());
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn all_rules_at_once_find_the_same() {
    let (Some(files), Some(cases)) = (samples::of_regression(), samples::cases()) else {
        return;
    };
    let mut rules = RuleSet::empty();
    for file in files
        .iter()
        .chain(&samples::web_network_aws().unwrap_or_default())
    {
        rules.load_text(&file.name, &file.text);
    }
    let events: Vec<Value> = cases
        .iter()
        .flat_map(|case| case.events.clone())
        .filter(Value::is_object)
        .collect();
    let found = found(&rules, &lines(&events));
    let windows = cases
        .iter()
        .filter(|case| case.events.iter().all(Value::is_object));
    let missed: Vec<&str> = windows
        .map(|case| case.rule_id.as_str())
        .filter(|id| !found.contains(*id))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}
