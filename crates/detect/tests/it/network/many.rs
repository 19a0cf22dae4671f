use super::flows::*;
use crate::batches::{Row, batch};
use haetae_detect::Closing;
use haetae_event::{Dataset, Episode, Level};

fn source(n: i64) -> String {
    format!("{}.{}.{}.{}", 60 + n % 90, n / 90 % 250, n * 7 % 250, n % 250)
}

/// `per_minute` flows a minute from `sources` in turn.
fn traffic(
    flows: &mut Vec<Flow>,
    minutes: std::ops::Range<i64>,
    per_minute: i64,
    sources: std::ops::Range<i64>,
) {
    for minute in minutes {
        for n in 0..per_minute {
            let from = sources.start + (minute * 131 + n) % (sources.end - sources.start);
            flows.push(accepted(
                minute * 60 + n % 60,
                &source(from),
                "10.0.0.5",
                443,
                900,
            ));
        }
    }
}

#[test]
fn rate_and_sources_rise_together() {
    let mut flows = Vec::new();
    traffic(&mut flows, 0..30, 200, 0..80);
    traffic(&mut flows, 25..27, 1_500, 100..3_000);
    let found = told(&flows);
    let floods = by(&found, "many_to_one");
    assert_eq!(floods.len(), 1, "{found:?}");
    assert_eq!(
        (floods[0].level, floods[0].entity.clone()),
        (Level::High, ip("10.0.0.5"))
    );
    assert_eq!(fact(floods[0], "top contributors"), "none makes 5 %");

    let mut few = Vec::new();
    traffic(&mut few, 0..30, 200, 0..80);
    traffic(&mut few, 25..27, 3_000, 0..90);
    assert!(by(&told(&few), "many_to_one").is_empty(), "a rate alone");

    let mut early = Vec::new();
    traffic(&mut early, 0..5, 200, 0..80);
    traffic(&mut early, 4..5, 1_500, 100..3_000);
    assert!(by(&told(&early), "many_to_one").is_empty(), "no baseline yet");
}

#[test]
fn floods_are_told_before_their_minute_is_over_and_name_who_stands_out() {
    let mut flows = Vec::new();
    traffic(&mut flows, 0..25, 200, 0..80);
    let mut engine = engine();
    engine.observe(&flow_batch(&flows));
    let mut attack = Vec::new();
    traffic(&mut attack, 25..26, 900, 100..3_000);
    attack.extend((0..300).map(|n| accepted(1_500 + n % 30, "198.51.100.77", "10.0.0.5", 443, 900)));
    engine.observe(&flow_batch(&attack));
    let closing = Closing::at(crate::batches::START + (25 * 60 - 45) * crate::batches::SECOND);
    let found = engine.evaluate(&closing).episodes;
    let floods = by(&found, "many_to_one");
    assert_eq!(floods.len(), 1, "{found:?}");
    assert!(
        fact(floods[0], "top contributors").starts_with("198.51.100.77 (3"),
        "{floods:?}"
    );
}

/// A site's minute: visitors with a page and its assets.
fn visits(rows: &mut Vec<Row>, minute: i64, visitors: std::ops::Range<i64>, path: &str) {
    for n in visitors {
        let at = (minute * 60 + n % 50) as f64;
        let source = source(n);
        let page = if path.is_empty() {
            format!("/events/{}", n % 40)
        } else {
            path.into()
        };
        rows.push(Row::web(at, &source, &page, 200));
        for asset in 0..4 {
            rows.push(Row::web(at + 1.0, &source, &format!("/static/{asset}.js"), 200));
        }
    }
}

fn site(attack: impl Fn(&mut Vec<Row>)) -> Vec<Episode> {
    let mut rows = Vec::new();
    for minute in 0..30 {
        visits(&mut rows, minute, minute * 17..minute * 17 + 40, "");
    }
    attack(&mut rows);
    let mut engine = engine();
    engine.observe(&batch(Dataset::Web, &rows));
    let mut found = engine.evaluate(&Closing::everything()).episodes;
    found.retain(|e| e.detector == "many_to_one");
    found
}

#[test]
fn a_flood_of_one_path_is_not_a_crowd() {
    let flood = site(|rows| {
        for n in 0..2_500 {
            let at = (27 * 60 + n % 60) as f64;
            rows.push(Row::web(at, &source(5_000 + n), "/search?q=1", 200));
        }
    });
    assert_eq!(flood.len(), 1, "{flood:?}");
    let crowd = site(|rows| visits(rows, 27, 5_000..7_500, "/events/7"));
    assert!(crowd.is_empty(), "{crowd:?}");
    // They loaded the page some minutes ago and now poll one path.
    let polling = site(|rows| {
        visits(rows, 24, 5_000..7_500, "/events/7");
        for n in 0..5_000 {
            let at = (28 * 60 + n % 60) as f64;
            rows.push(Row::web(at, &source(5_000 + n % 2_500), "/api/queue", 200));
        }
    });
    assert!(polling.is_empty(), "{polling:?}");
}

/// In the sum of all requests the attack is less than half as much again.
#[test]
fn on_a_busy_site_a_flood_shows_in_its_path() {
    let told = |path: fn(i64) -> String| {
        let mut rows = Vec::new();
        for minute in 0..30 {
            visits(&mut rows, minute, minute * 17..minute * 17 + 300, "");
        }
        for n in 0..700 {
            let at = (27 * 60 + n % 60) as f64;
            rows.push(Row::web(at, &source(5_000 + n), &path(n), 200));
        }
        let mut engine = engine();
        engine.observe(&batch(Dataset::Web, &rows));
        let mut found = engine.evaluate(&Closing::everything()).episodes;
        found.retain(|e| e.detector == "many_to_one");
        found
    };
    let flood = told(|_| "/api/events/26001802".to_owned());
    assert_eq!(flood.len(), 1, "{flood:?}");
    let spread = told(|n| format!("/articles/{n}"));
    assert!(spread.is_empty(), "{spread:?}");
}

/// Assets lie on a host of their own; the flood asks for none.
#[test]
fn visitors_may_load_their_assets_elsewhere() {
    let opening = |assets: bool| {
        let mut rows = Vec::new();
        for minute in 0..30 {
            visits(&mut rows, minute, minute * 17..minute * 17 + 40, "");
        }
        for n in 0..5_000 {
            let at = (28 * 60 + n % 60) as f64;
            rows.push(Row::web(at, &source(5_000 + n % 2_500), "/api/queue", 200));
        }
        let name = |row: &mut Row| row.host = Some("api.shop.example".into());
        rows.iter_mut().for_each(name);
        for n in (0..2_500).filter(|_| assets) {
            let at = (24 * 60 + n % 60) as f64;
            rows.push(Row {
                host: Some("cdn.shop.example".into()),
                ..Row::web(at, &source(5_000 + n), "/static/1.js", 200)
            });
        }
        rows
    };
    let found = |batches: &[&[Row]]| {
        let mut engine = engine();
        let mut withdrawn = 0;
        for rows in batches {
            engine.observe(&batch(Dataset::Web, rows));
            let evaluation = engine.evaluate(&Closing::at(
                crate::batches::START + 40 * 60 * crate::batches::SECOND,
            ));
            withdrawn += evaluation
                .withdrawn
                .iter()
                .filter(|gone| gone.rule_id.starts_with("many_to_one"))
                .count();
        }
        let mut told = engine.evaluate(&Closing::everything()).episodes;
        told.retain(|e| e.detector == "many_to_one");
        (told.len(), withdrawn)
    };
    let (flood, crowd) = (opening(false), opening(true));
    let mut engine = engine();
    engine.observe(&batch(Dataset::Web, &flood));
    let told = engine.evaluate(&Closing::everything()).episodes;
    assert_eq!(by(&told, "many_to_one").len(), 1);
    assert_eq!(found(&[&crowd]), (0, 0));
    // The log of the content network comes late.
    let late = &crowd[flood.len()..];
    assert_eq!(found(&[&flood, late]), (0, 1));
}

#[test]
fn made_up_hosts_hide_no_flood_of_a_new_one() {
    let mut rows = Vec::new();
    for minute in 0..30 {
        visits(&mut rows, minute, minute * 17..minute * 17 + 40, "");
    }
    for n in 0..6_000 {
        rows.push(Row {
            host: Some(format!("{n}.example")),
            ..Row::web(f64::from(n) / 5.0, "198.51.100.9", "/", 404)
        });
    }
    for n in 0..2_500 {
        rows.push(Row {
            host: Some("new.example".into()),
            ..Row::web((27 * 60 + n % 60) as f64, &source(5_000 + n), "/search?q=1", 200)
        });
    }
    let mut engine = engine();
    engine.observe(&batch(Dataset::Web, &rows));
    let found = engine.evaluate(&Closing::everything()).episodes;
    let floods = by(&found, "many_to_one");
    assert_eq!(floods.len(), 1, "{found:?}");
    assert_eq!(floods[0].entity.value, "new.example");
    assert!(engine.stats().unobserved > 2_000, "losses are counted");
}
