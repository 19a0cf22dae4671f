//! Every shared rule, and rules of our own for what those leave out, on at least 200,000 events made
//! from the rules: both engines say the same, or `differences.md` says why not.

use haetae_detect::sigma::document::Rule;
use haetae_oracle::engines::{Ours, Theirs};
use haetae_oracle::generate::{Generator, Wishes};
use haetae_oracle::samples;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const EVENTS_MIN: usize = 200_000;

#[test]
fn both_engines_say_the_same() {
    let (Some(mut files), Some(more), Some(cases)) = (
        samples::web_network_aws(),
        samples::of_regression(),
        samples::cases(),
    ) else {
        return;
    };
    let cases: Vec<samples::Case> = cases.into_iter().chain(samples::own_cases()).collect();
    files.extend(more);
    files.extend(samples::own());
    let read: Vec<(Rule, Value)> = files
        .iter()
        .map(|file| samples::read(file).unwrap_or_else(|| panic!("{} is not read", file.name)))
        .collect();
    let mut ours = Ours::new(read.iter().map(|(rule, _)| rule));
    let texts: Vec<String> = files.iter().map(|file| file.text.clone()).collect();
    let theirs = Theirs::new(&texts).expect("rsigma reads them");
    let mut by_id: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for case in &cases {
        by_id.entry(&case.rule_id).or_default().extend(&case.events);
    }
    let each = EVENTS_MIN.div_ceil(read.len());
    let (mut events_run, mut verdicts_run, mut hits) = (0usize, 0usize, vec![0usize; read.len()]);
    let mut unexplained = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (number, (rule, document)) in read.iter().enumerate() {
        let wishes = Wishes::of(document);
        let mut generator = Generator::new(number as u64);
        let known: Vec<Value> = by_id
            .get(rule.attributes.id.as_str())
            .into_iter()
            .flatten()
            .filter_map(|event| flat(event))
            .collect();
        let events: Vec<Value> = (0..each)
            .map(|n| match known.get(n % 16) {
                Some(event) => generator.mutated(event, &wishes),
                None => generator.event(&wishes),
            })
            .collect();
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        let verdicts: BTreeSet<(usize, usize)> = ours.verdicts(&lines).into_iter().collect();
        for (at, event) in events.iter().enumerate() {
            for other in 0..read.len() {
                let mine = verdicts.contains(&(at, other));
                let other_says = theirs.matches(other, event);
                hits[other] += usize::from(mine);
                verdicts_run += 1;
                if mine == other_says {
                    continue;
                }
                match crate::differences::key(&read[other].1, event, &mut |event| {
                    agree(&mut ours, &theirs, other, event)
                }) {
                    Some(key) => *seen.entry(key.to_owned()).or_insert(0) += 1,
                    None => unexplained.push(format!(
                        "{}: ours {mine}, theirs {other_says}: {event}",
                        files[other].name
                    )),
                }
            }
        }
        events_run += events.len();
    }
    let matched = hits.iter().filter(|hits| **hits > 0).count();
    eprintln!(
        "{events_run} events for {} rules, {verdicts_run} verdicts; {matched} rules matched, {} matches; differences {seen:?}",
        read.len(),
        hits.iter().sum::<usize>()
    );
    for (number, _) in hits.iter().enumerate().filter(|(_, hits)| **hits == 0) {
        eprintln!("never matched: {}", files[number].name);
    }
    let mut shown = BTreeMap::new();
    for line in &unexplained {
        let rule = line.split(": ").next().unwrap_or_default();
        let count = shown.entry(rule).or_insert(0);
        *count += 1;
        if *count <= 3 {
            eprintln!("UNEXPLAINED {line}");
        }
    }
    assert!(
        unexplained.is_empty(),
        "{} differences without a row",
        unexplained.len()
    );
    assert!(events_run >= EVENTS_MIN);
    assert!(matched * 100 >= read.len() * 95, "{matched} of {}", read.len());
    crate::differences::rows_are(&seen);
}

/// Whether both engines say the same of one event.
fn agree(ours: &mut Ours, theirs: &Theirs, rule: usize, event: &Value) -> bool {
    let mine = ours.verdicts(&[event.to_string()]);
    mine.contains(&(0, rule)) == theirs.matches(rule, event)
}

/// An event of a Windows event log with its data and its system part side by side.
pub fn flat(event: &Value) -> Option<Value> {
    let event = event.get("Event")?;
    let mut flat = event["System"].as_object().cloned().unwrap_or_default();
    let provider = flat.get("Provider").map(|p| p["#attributes"]["Name"].clone());
    flat.extend(provider.map(|name| ("Provider_Name".to_owned(), name)));
    let data = event.get("EventData").and_then(Value::as_object);
    flat.extend(data.cloned().unwrap_or_default());
    let user = event.get("UserData").and_then(Value::as_object);
    for part in user.into_iter().flat_map(|map| map.values()) {
        flat.extend(part.as_object().cloned().unwrap_or_default());
    }
    Some(Value::Object(flat))
}
