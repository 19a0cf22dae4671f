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
