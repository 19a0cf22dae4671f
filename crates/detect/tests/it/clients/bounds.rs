//! A million clients stay within the setting, and losses are counted.

use super::traffic::*;
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::Dataset;

#[test]
fn a_million_clients_stay_under_the_bound() {
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", haetae_detect::ruleset::BUILTIN_DETECTORS);
    let options = EngineOptions {
        detector_bytes_max: 64 << 20,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(rules, options);
    let ask = |src: String, at: i64, uri: &str| Ask {
        at,
        src,
        method: "GET",
        uri: uri.into(),
        status: 200,
        ua: BROWSERS[0].into(),
        referer: None,
        session: None,
    };
    let mut most = 0;
    let mut unbounded = 0.0f64;
    for round in 0..250u32 {
        let mut asks: Vec<Ask> = (0..4_000u32)
            .map(|n| {
                let id = round * 4_000 + n;
                let src = format!("10.{}.{}.{}", id >> 16, (id >> 8) & 255, id & 255);
                ask(src, START + i64::from(id) * 1_000, "/events/1")
            })
            .collect();
        // One that works all the time must not be lost among them.
        let from = START + i64::from(round) * 4 * SECOND;
        asks.push(ask("203.0.113.5".into(), from, "/api/events/7/seats"));
        asks.push(ask(
            "203.0.113.5".into(),
            from + 2 * SECOND,
            "/api/events/7/seats",
        ));
        engine.observe(&batch(Dataset::Web, &asks));
        most = most.max(engine.stats().detector_bytes);
        if round == 19 {
            unbounded = engine.stats().detector_bytes as f64 / 80_001.0;
        }
    }
    let stats = engine.stats();
    eprintln!("{unbounded:.0} bytes a client with one request; {stats:?}");
    assert!(most <= 64 << 20, "{most}");
    assert!(stats.evicted_entities > 0, "{stats:?}");
    let told = engine.evaluate(&Closing::everything()).episodes;
    assert!(told.iter().any(|e| e.entity.value == "203.0.113.5"), "{told:#?}");
}
