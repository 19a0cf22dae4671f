//! What is given up when a bound is crossed, and what is not.
//!
//! Addresses that come once are a crowd; some clients come all along. However small the bound, those
//! are judged as if there were none, and of the crowd everything is told that held before it went.

use crate::batches::*;
use crate::order::{RULES, Stored};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, Episode};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One more, which looks back an hour: all others then keep two hours where there is room.
const LONG: &str = "
---
title: long
id: long
correlation: {type: event_count, rules: [e], group-by: [src_ip], timespan: 1h, condition: {gte: 40000}}
";

/// How many clients of one site are counted by `count`.
const CHAIN: &str = "
title: e
name: e
logsource: {category: webserver}
detection: {s: {sc-status: 404}, condition: s}
---
title: count
id: count
name: count
correlation: {type: event_count, rules: [e], group-by: [src_ip, cs-host], timespan: 30s, condition: {gte: 4}}
---
title: clients
id: clients
correlation: {type: event_count, rules: [count], group-by: [cs-host], timespan: 1h, condition: {gte: 5}}
";

fn engine(yaml: &str, options: EngineOptions) -> Engine {
    let mut rules = RuleSet::empty();
    rules.load_text("room.yml", yaml);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, options)
}

fn bounded(keys_max: usize, cells_max: usize) -> EngineOptions {
    EngineOptions {
        keys_max,
        cells_max,
        ..EngineOptions::one_shot()
    }
}

/// What is told of the rows in batches of `rows_each`, judged after each `judged_each` of them.
fn told(engine: &mut Engine, rows: &[Row], rows_each: usize, judged_each: usize) -> Vec<Episode> {
    let mut stored = Stored::default();
    for (at, rows) in rows.chunks(rows_each).enumerate() {
        engine.observe(&batch(Dataset::Web, rows));
        if at % judged_each == judged_each - 1 {
            let last = rows.last().map_or(0.0, |row| row.at);
            stored.apply(engine.evaluate(&Closing::at(START + last as i64 * SECOND)));
        }
    }
    stored.apply(engine.evaluate(&Closing::everything()));
    stored.sorted()
}

fn is_busy(address: &str) -> bool {
    address.starts_with("192.0.2.")
}

/// What comes in one second.
#[derive(Clone, Debug)]
struct Second {
    /// Requests of busy clients: client and path.
    busy: Vec<(u8, u8)>,
    /// So many addresses come in this second only.
    addresses: u8,
    /// With so many requests each.
    requests: u8,
}

fn crowd_and_busy(seconds: &[Second]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (second, of) in seconds.iter().enumerate() {
        let Second {
            busy,
            addresses,
            requests,
        } = of;
        let at = second as f64;
        // One that never pauses, so that there is one whose every window is full.
        rows.push(Row::web(at, "192.0.2.0", &format!("/{second}"), 404));
        rows.extend(
            busy.iter()
                .map(|(client, path)| Row::web(at, &format!("192.0.2.{client}"), &format!("/{path}"), 404)),
        );
        for address in 0..*addresses {
            let source = format!("10.{}.{}.{address}", second / 256, second % 256);
            let row = |n| Row::web(at, &source, &format!("/{n}"), 404);
            rows.extend((0..*requests).map(row));
        }
    }
    rows
}

fn seconds() -> impl Strategy<Value = Vec<Second>> {
    let busy = prop::collection::vec((1u8..4, 0u8..5), 0..4);
    let second = (busy, 0u8..8, 1u8..6).prop_map(|(busy, addresses, requests)| Second {
        busy,
        addresses,
        requests,
    });
    prop::collection::vec(second, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn busy_clients_are_judged_as_without_a_bound(
        seconds in seconds(),
        rows_each in 1usize..40,
        judged_each in 1usize..20,
    ) {
        // Whoever pauses longer than others is forgotten like anybody: here all come each second.
        let mut seconds = seconds;
        for second in &mut seconds {
            second.busy.extend([(1, 9), (2, 9), (3, 9)]);
        }
        let rows = crowd_and_busy(&seconds);
        let mut whole = engine(RULES, EngineOptions::one_shot());
        let mut small = engine(RULES, bounded(100, 1_000_000));
        let busy = |mut episodes: Vec<Episode>| {
            episodes.retain(|e| is_busy(&e.entity.value));
            episodes
        };
        let expected = busy(told(&mut whole, &rows, rows_each, judged_each));
        prop_assert_eq!(busy(told(&mut small, &rows, rows_each, judged_each)), expected);
        prop_assert!(small.stats().keys <= 100);
    }

    /// What more events can only confirm is told of each address that was there before it goes.
    #[test]
    fn what_held_is_told_before_it_is_forgotten(
        seconds in seconds(),
        judged_each in 1usize..20,
        keys_max in 20usize..60,
    ) {
        let rows = crowd_and_busy(&seconds);
        // No address of the crowd is cut in two by a batch.
        let monotone = |mut episodes: Vec<Episode>| {
            episodes.retain(|e| e.monotone && !is_busy(&e.entity.value));
            episodes
        };
        let mut whole = engine(RULES, EngineOptions::one_shot());
        let mut small = engine(RULES, bounded(keys_max, 1_000_000));
        let each = |engine: &mut Engine| {
            let mut stored = Stored::default();
            for (at, rows) in rows.chunk_by(|a, b| a.at == b.at).enumerate() {
                engine.observe(&batch(Dataset::Web, rows));
                if at % judged_each == judged_each - 1 {
                    stored.apply(engine.evaluate(&Closing::nothing()));
                }
            }
            stored.apply(engine.evaluate(&Closing::everything()));
            stored.sorted()
        };
        prop_assert_eq!(monotone(each(&mut small)), monotone(each(&mut whole)));
    }

    /// Where nothing has to go, the bounds change nothing: not even what is kept.
    #[test]
    fn bounds_that_hold_change_nothing(seconds in seconds(), rows_each in 1usize..40, judged_each in 1usize..20) {
        let rows = crowd_and_busy(&seconds);
        let mut whole = engine(RULES, EngineOptions::one_shot());
        let expected = told(&mut whole, &rows, rows_each, judged_each);
        let most = whole.stats();
        // Windows of busy keys hold more ready while they are judged than at the end.
        let mut tight = engine(RULES, bounded(most.keys, most.cells * 4));
        prop_assert_eq!(told(&mut tight, &rows, rows_each, judged_each), expected);
        prop_assert_eq!(tight.stats(), most);
    }
}

/// Every address once, `each_s` apart.
fn once_each(addresses: u32, each_s: f64) -> Vec<Row> {
    let address = |n: u32| format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
    let row = |n: u32| Row::web(f64::from(n) * each_s, &address(n), "/x", 404);
    (0..addresses).map(row).collect()
}

#[test]
fn losses_are_counted_to_the_last() {
    let rows = once_each(20_000, 0.001);
    let mut whole = engine(RULES, EngineOptions::one_shot());
    let mut small = engine(RULES, bounded(3_000, 1_000_000));
    for rows in rows.chunks(500) {
        whole.observe(&batch(Dataset::Web, rows));
        small.observe(&batch(Dataset::Web, rows));
        assert!(small.stats().keys <= 3_000);
    }
    let (whole, small) = (whole.stats(), small.stats());
    assert_eq!(small.keys as u64 + small.evicted_keys, whole.keys as u64);
    assert_eq!(small.cells as u64 + small.evicted_cells, whole.cells as u64);
    assert!(small.evicted_keys >= 17_000, "{small:?}");
}

#[test]
fn those_silent_longest_go_first() {
    let mut engine = engine(RULES, bounded(1_000, 1_000_000));
    let mut rows = once_each(1_000, 0.01);
    // The first hundred come again: now they are the youngest.
    rows.extend(once_each(100, 0.01).into_iter().map(|row| Row {
        at: row.at + 15.0,
        ..row
    }));
    engine.observe(&batch(Dataset::Web, &rows));
    engine.evaluate(&Closing::nothing());
    assert_eq!(engine.stats().evicted_keys, 0);
    engine.observe(&batch(Dataset::Web, &[Row::web(17.0, "192.0.2.1", "/x", 404)]));
    let gone = engine.stats().evicted_keys;
    assert!((1..=500).contains(&gone), "{gone}");
    // A third and a fourth request: counted with the first two where those are not forgotten.
    let again: Vec<Row> = [18.0, 19.0]
        .into_iter()
        .flat_map(|at| {
            once_each(600, 0.0001).into_iter().map(move |row| Row {
                at: at + row.at,
                ..row
            })
        })
        .collect();
    engine.observe(&batch(Dataset::Web, &again[..100]));
    engine.observe(&batch(Dataset::Web, &again[600..700]));
    let told = engine.evaluate(&Closing::nothing()).episodes;
    let counted: BTreeSet<&str> = told
        .iter()
        .filter(|e| e.rule_id == "count")
        .map(|e| e.entity.value.as_str())
        .collect();
    assert_eq!(counted.len(), 100, "{counted:?}");
}

#[test]
fn what_is_forgotten_was_passed_on() {
    let row = |n: u32, at: f64| Row {
        host: Some("www.example.com".into()),
        ..Row::web(at, &format!("10.0.{}.{}", n >> 8, n & 255), "/x", 404)
    };
    let of = |n: u32| (0..4u32).map(move |k| row(n, f64::from(n) + f64::from(k) / 10.0));
    let rows: Vec<Row> = (0..600).flat_map(of).collect();
    let mut small = engine(CHAIN, bounded(50, 1_000_000));
    let mut whole = engine(CHAIN, EngineOptions::one_shot());
    let clients = |episodes: Vec<Episode>| -> Vec<_> {
        let of_site = episodes.into_iter().filter(|e| e.rule_id == "clients");
        of_site.map(|e| (e.entity, e.window, e.count)).collect()
    };
    // Without a judgement in between: only making room can have passed them on.
    let expected = clients(told(&mut whole, &rows, 40, 1_000));
    assert_eq!(expected[0].2, 600);
    assert_eq!(clients(told(&mut small, &rows, 40, 1_000)), expected);
    assert!(small.stats().evicted_keys > 500, "{:?}", small.stats());
}

#[test]
fn what_is_old_goes_before_what_is_silent() {
    // Two days of one busy client and of some that come each hour: three hours are enough for any
    // rule here.
    let busy = (0..17_280u32).map(|n| Row::web(f64::from(n) * 10.0, "192.0.2.1", &format!("/{n}"), 404));
    let rare = (0..48u32).flat_map(|hour| {
        let row = move |n: u32| {
            let source = format!("198.51.100.{n}");
            Row::web(f64::from(hour) * 3_600.0, &source, "/", 404)
        };
        (0..20u32).map(row)
    });
    let mut rows: Vec<Row> = busy.chain(rare).collect();
    rows.sort_by(|a, b| a.at.total_cmp(&b.at));
    let mut small = engine(RULES, bounded(1_000, 60_000));
    let mut whole = engine(RULES, EngineOptions::one_shot());
    let expected = told(&mut whole, &rows, 400, 3);
    let found = told(&mut small, &rows, 400, 3);
    let stats = small.stats();
    assert!(
        stats.evicted_cells > 100_000 && stats.cells <= 60_000,
        "{stats:?}"
    );
    assert_eq!(stats.evicted_keys, 0, "{stats:?}");
    let counted = |episodes: &[Episode]| -> Vec<_> {
        let monotone = episodes.iter().filter(|e| e.monotone && e.rule_id != "distinct");
        let told = monotone.map(|e| (e.rule_id.clone(), e.entity.clone(), e.window, e.count));
        told.collect()
    };
    assert_eq!(counted(&found), counted(&expected));
}

#[test]
fn room_is_made_in_the_midst_of_other_rules() {
    // Numbers of forgotten keys are given again: what is new under them knows nothing of the old.
    let mut small = engine(RULES, bounded(64, 1_000_000));
    for round in 0..200u32 {
        let rows: Vec<Row> = (0..30u32)
            .flat_map(|n| {
                let source = format!("10.{round}.0.{n}");
                let requests = 1 + (n + round) % 6;
                (0..requests).map(move |k| {
                    let at = f64::from(round) * 60.0 + f64::from(k);
                    Row::web(at, &source, &format!("/{k}"), 404)
                })
            })
            .collect();
        small.observe(&batch(Dataset::Web, &rows));
        if round % 5 == 0 {
            let told = small.evaluate(&Closing::nothing()).episodes;
            for episode in told {
                assert!(episode.count <= 6, "{episode:?}");
                let length = episode.window.end.0 - episode.window.start.0;
                assert!(length <= 6 * SECOND, "{episode:?}");
            }
        }
    }
    assert!(small.stats().evicted_keys > 5_000);
}

/// More cells than there is room for, of three keys, each of which has news all the time.
fn flood_of_few(options: EngineOptions) {
    let flood = (0..90_000u32).map(|n| {
        let source = format!("192.0.2.{}", n % 3);
        Row::web(f64::from(n) / 30.0, &source, "/", 404)
    });
    let rare = once_each(3_000, 1.0);
    let mut rows: Vec<Row> = flood.chain(rare).collect();
    rows.sort_by(|a, b| a.at.total_cmp(&b.at));
    let rules = format!("{RULES}{LONG}");
    let cells_max = options.cells_max;
    let mut small = engine(&rules, options);
    let mut whole = engine(&rules, EngineOptions::one_shot());
    let flood = |engine: &mut Engine| -> Vec<_> {
        let told = told(engine, &rows, 500, 4).into_iter();
        let own =
            told.filter(|e| is_busy(&e.entity.value) && ["single", "count"].contains(&e.rule_id.as_str()));
        own.map(|e| (e.rule_id, e.entity, e.window, e.count)).collect()
    };
    let expected = flood(&mut whole);
    assert_eq!(expected.len(), 6);
    assert_eq!(flood(&mut small), expected);
    let stats = small.stats();
    assert!(
        stats.cells <= cells_max && stats.evicted_cells > 100_000,
        "{stats:?}"
    );
}

#[test]
fn a_flood_of_few_is_counted_whole() {
    // Room for an hour and a half of the longest rule, and for two minutes of the others.
    flood_of_few(EngineOptions {
        horizon_us: EngineOptions::default().horizon_us,
        ..bounded(10_000, 150_000)
    });
}

#[test]
fn a_flood_that_leaves_no_room_for_a_look_back_is_counted_whole() {
    flood_of_few(bounded(10_000, 20_000));
}
