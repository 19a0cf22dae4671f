//! Ordinary traffic must stay quiet under the rules that made the verdicts equal.

use haetae_event::{Level, Micros};
use haetae_simulate::{Plan, Rhythm, Scenario, generate, write_ndjson};
use haetae_verdicts::reading;
use std::collections::BTreeMap;

/// Findings by (level, rule) of a simulated day part without attacks.
fn told(seed: u64) -> BTreeMap<(Level, String), usize> {
    let plan = Plan {
        start: Micros(1_772_323_200_000_000),
        duration_s: 3 * 3600,
        rhythm: Rhythm::Flat,
        ..Plan::new(Scenario::Normal, seed)
    };
    let mut traffic = generate(&plan).expect("plan is in range");
    let mut text = Vec::new();
    write_ndjson(&mut traffic, &mut text).expect("memory");
    let names = reading::rule_names();
    let mut told = BTreeMap::new();
    for episode in reading::evaluate(&text, "json") {
        let name = names.get(&episode.rule_id).cloned().unwrap_or(episode.rule_id);
        *told.entry((episode.level, name)).or_default() += 1;
    }
    told
}

#[test]
fn simulated_normal_traffic_has_no_finding_of_medium() {
    for seed in [3, 11] {
        let told = told(seed);
        eprintln!("seed {seed}: {told:?}");
        let loud: Vec<_> = told.keys().filter(|(level, _)| *level >= Level::Medium).collect();
        assert!(loud.is_empty(), "seed {seed}: {loud:?}");
    }
}
