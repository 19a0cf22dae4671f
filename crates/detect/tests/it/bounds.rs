use crate::batches::*;
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::Dataset;

#[test]
fn cells_and_keys_stay_within_their_bounds() {
    let options = EngineOptions {
        cells_max: 5_000,
        keys_max: 1_000,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(RuleSet::builtin(), options);
    for round in 0..60u32 {
        let rows: Vec<Row> = (0..500u32)
            .map(|n| {
                let id = round * 500 + n;
                Row::web(
                    f64::from(id),
                    &format!("10.{}.{}.{}", id >> 16, (id >> 8) & 255, id & 255),
                    "/x",
                    404,
                )
            })
            .collect();
        engine.observe(&batch(Dataset::Web, &rows));
        let stats = engine.stats();
        assert!(stats.cells <= 5_000 && stats.keys <= 1_000, "{stats:?}");
    }
    let stats = engine.stats();
    assert!(stats.evicted_cells > 0 && stats.evicted_keys > 0, "{stats:?}");
    // What was found before making room is not lost.
    assert!(!engine.evaluate(&Closing::everything()).episodes.is_empty());
}

#[test]
fn rows_behind_the_horizon_are_handed_back() {
    let options = EngineOptions {
        horizon_us: 1,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(RuleSet::builtin(), options);
    let day = 86_400.0;
    engine.observe(&batch(Dataset::Web, &[Row::web(0.0, "192.0.2.1", "/a", 404)]));
    engine.observe(&batch(Dataset::Web, &[Row::web(day, "192.0.2.1", "/b", 404)]));
    engine.evaluate(&Closing::nothing());
    let mixed = [
        Row::web(5.0, "192.0.2.1", "/late", 404),
        Row::web(2.0, "192.0.2.1", "/later", 404),
        Row::web(day, "192.0.2.1", "/now", 404),
    ];
    let observed = engine.observe(&batch(Dataset::Web, &mixed));
    assert_eq!(observed.too_old.len(), 1);
    let (dataset, _, low, high) = &observed.too_old[0];
    assert_eq!(
        (*dataset, *low, *high),
        (Dataset::Web, START + 2 * SECOND, START + 5 * SECOND)
    );
    let told = engine.evaluate(&Closing::nothing()).episodes;
    assert!(
        told.iter().all(|e| e.window.start.0 >= START + 86_400 * SECOND),
        "{told:?}"
    );
    // The same rows in a fresh engine are all there.
    let mut fresh = engine.fresh();
    assert!(fresh.observe(&batch(Dataset::Web, &mixed)).too_old.is_empty());
}

/// 60 refused pages of one client: `web_probing_many` tells them.
fn probing(at: f64) -> Vec<Row> {
    let row = |n: u32| Row::web(at + f64::from(n), "192.0.2.9", &format!("/gone/{n}"), 404);
    (0..60).map(row).collect()
}

#[test]
fn a_row_of_the_far_future_does_not_age_the_present() {
    let mut engine = Engine::new(RuleSet::builtin(), EngineOptions::default());
    engine.set_present(START + 100 * SECOND);
    let far = Row::web(74.0 * 365.0 * 86_400.0, "192.0.2.1", "/", 200);
    let day = Row::web(9.0 * 3_600.0, "192.0.2.1", "/", 200);
    engine.observe(&batch(Dataset::Web, &[far, day]));
    engine.evaluate(&Closing::nothing());
    let observed = engine.observe(&batch(Dataset::Web, &probing(0.0)));
    assert!(observed.too_old.is_empty(), "{observed:?}");
    assert_eq!(engine.stats().unbelieved, 1, "nine hours ahead may be a zone");
    let told = engine.evaluate(&Closing::nothing()).episodes;
    assert!(told.iter().any(|e| e.title.starts_with("Path scan")), "{told:?}");
    // The present goes on: what was remembered ages with it.
    engine.set_present(START + 3 * 86_400 * SECOND);
    engine.observe(&batch(
        Dataset::Web,
        &[Row::web(3.0 * 86_400.0, "192.0.2.1", "/", 200)],
    ));
    engine.evaluate(&Closing::nothing());
    let late = engine.observe(&batch(Dataset::Web, &probing(0.0)));
    assert_eq!(late.too_old.len(), 1);
}

#[test]
fn an_episode_keeps_its_start_and_count_when_its_cells_go() {
    let options = EngineOptions {
        horizon_us: 1,
        lateness_us: 0,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(RuleSet::builtin(), options);
    let mut last = None;
    // Twelve hours of one refused request every five minutes: one episode of the single rule.
    for n in 0..144u32 {
        engine.observe(&batch(
            Dataset::Web,
            &[Row::web(f64::from(n * 300), "192.0.2.7", "/gone", 404)],
        ));
        let told = engine.evaluate(&Closing::nothing()).episodes;
        last = told
            .into_iter()
            .find(|e| e.title.starts_with("Request for something"))
            .or(last);
    }
    let last = last.expect("told");
    assert_eq!((last.window.start.0, last.count), (START, 144));
    assert_eq!(last.evidence[0].ts.0, START);
    assert!(engine.stats().evicted_cells > 0);
}

#[test]
fn long_names_take_no_more_than_short_ones() {
    let yaml = "title: T\nid: 1\nname: t\nlogsource: {category: webserver}\ndetection: {s: {sc-status: 404}, condition: s}\nlevel: low\n---\n\
                title: C\nid: 2\nlevel: low\ncorrelation: {type: event_count, rules: [t], group-by: [src_ip, cs-host], timespan: 1m, condition: {gte: 2}}\n";
    let mut rules = RuleSet::empty();
    rules.load_text("test.yml", yaml);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let options = EngineOptions {
        keys_max: 1_000,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(rules, options);
    let long = |n: u32| Row {
        host: Some(format!("{}{n}", "x".repeat(5_000))),
        ..Row::web(f64::from(n) / 100.0, "192.0.2.1", "/x", 404)
    };
    let rows: Vec<Row> = (0..300).flat_map(|n| [long(n), long(n)]).collect();
    for part in rows.chunks(50) {
        engine.observe(&batch(Dataset::Web, part));
    }
    let stats = engine.stats();
    // 64,000 bytes of names: some 250 of the longest.
    assert!(stats.evicted_keys > 0 && stats.keys < 300, "{stats:?}");
    let told = engine.evaluate(&Closing::everything()).episodes;
    let names: std::collections::BTreeSet<&str> = told.iter().map(|e| e.entity.value.as_str()).collect();
    assert_eq!(names.len(), 300, "each apart, told before it was forgotten");
    assert!(names.iter().all(|name| name.len() < 600), "{names:?}");
}

#[test]
fn odd_batches_do_not_panic() {
    let mut engine = builtin();
    engine.observe(&batch(Dataset::Web, &[]));
    let mut row = Row::web(0.0, "", &"%".repeat(300_000), 0);
    row.ua = Some("\u{0}\u{FFFD}".into());
    engine.observe(&batch(Dataset::CloudFront, &[row, Row::default()]));
    engine.observe(&batch(Dataset::VpcFlow, &[Row::default()]));
    engine.observe(&batch(Dataset::App, &[Row::default()]));
    let far = [
        Row {
            at: -1e12,
            ..Row::web(0.0, "1.1.1.1", "/", 404)
        },
        Row {
            at: 8e12,
            ..Row::web(0.0, "1.1.1.1", "/", 404)
        },
    ];
    engine.observe(&batch(Dataset::Web, &far));
    engine.evaluate(&Closing::everything());
    engine.evaluate(&Closing::nothing());
}
