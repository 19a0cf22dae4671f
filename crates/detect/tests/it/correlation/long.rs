//! Long histories: what is forgotten, and what one long rule costs the others.

use super::events::{Event, Stored, closing, engine, line, observe};
use super::reference::{in_order, reference, rules};
use haetae_detect::{Closing, EngineOptions};
use proptest::prelude::*;

/// Distinct values of an episode that is older than the memory are counted from what is left.
fn uncounted(line: &str) -> String {
    let values = line.starts_with("values") || line.starts_with("bursting");
    let cut = if values { line.rfind(" x") } else { None };
    line[..cut.unwrap_or(line.len())].to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forgetting_what_no_window_needs_changes_nothing(events in in_order(900..1_600), size in 10usize..120) {
        let options = EngineOptions { horizon_us: 1, lateness_us: 0, ..EngineOptions::default() };
        let mut engine = engine(&rules(), options);
        let mut stored = Stored::default();
        for cut in events.chunks(size) {
            observe(&mut engine, cut);
            let newest = cut.last().expect("chunks are not empty").at_us;
            // Events of the same moment may still come.
            stored.apply(&engine.evaluate(&closing(newest as f64 / 1e6 - 0.5)));
        }
        stored.apply(&engine.evaluate(&Closing::everything()));
        let mut told: Vec<String> = stored.sorted().iter().map(|e| uncounted(&line(e))).collect();
        told.sort();
        let mut expected: Vec<String> = reference(&events).iter().map(|line| uncounted(line)).collect();
        expected.sort();
        prop_assert_eq!(told, expected);
        prop_assert!(engine.stats().evicted_cells > 0);
    }
}

const LONG: &str = "
title: month
id: month
correlation: {type: event_count, rules: [a], group-by: [c-ip], timespan: 30d, condition: {gte: 3}}
---
title: minute
id: minute
correlation: {type: event_count, rules: [b], group-by: [c-ip], timespan: 1m, condition: {gte: 2}}
";

#[test]
fn a_rule_that_reaches_back_a_month_does_not_make_the_others_remember_it() {
    let day = 86_400.0;
    let mut engine = engine(LONG, EngineOptions::default());
    let mut stored = Stored::default();
    for n in 0..120 {
        let at = f64::from(n) * day / 4.0;
        observe(&mut engine, &[Event::parse(&format!("{at} b"))]);
        if n % 40 == 0 {
            observe(&mut engine, &[Event::parse(&format!("{at} a"))]);
        }
        stored.apply(&engine.evaluate(&closing(at)));
    }
    let told: Vec<String> = stored.sorted().iter().map(line).collect();
    assert!(
        told.contains(&"month 192.0.2.1 0..1728000 x3".to_owned()),
        "{told:?}"
    );
    assert!(!told.iter().any(|line| line.starts_with("minute")), "{told:?}");
    // Thirty days of b at four a day, of which the minute's rule keeps about one; two entries each.
    assert!(engine.stats().cells < 60, "{:?}", engine.stats());
}

#[test]
fn every_type_stays_within_its_memory() {
    let options = EngineOptions {
        cells_max: 4_000,
        keys_max: 300,
        ..EngineOptions::default()
    };
    let mut engine = engine(&rules(), options);
    let mut told = 0;
    for round in 0i64..150 {
        let events: Vec<Event> = (0i64..200)
            .map(|n| {
                let (all, client) = (round * 200 + n, n * n % 7 + round % 40);
                let rule = ["a", "b", "c"][(all % 3) as usize];
                // A tenth comes half a minute late.
                let at = all as f64 / 20.0 - if n % 10 == 0 { 30.0 } else { 0.0 };
                Event::parse(&format!(
                    "{at} {rule} ip=192.0.2.{client} host=h{} ua=u{} bytes={} n={}",
                    n % 3,
                    n % 50,
                    n % 9,
                    n % 31 - 12
                ))
            })
            .collect();
        observe(&mut engine, &events);
        let stats = engine.stats();
        assert!(stats.cells <= 4_000 && stats.keys <= 300, "{stats:?}");
        told += engine
            .evaluate(&closing(round as f64 * 10.0 - 60.0))
            .episodes
            .len();
    }
    let stats = engine.stats();
    assert!(stats.evicted_cells > 0 && stats.evicted_keys > 0, "{stats:?}");
    assert!(told > 0);
}
