use crate::batches::*;
use haetae_detect::Closing;
use haetae_event::{Dataset, Level};

fn minute_of(rows: &mut Vec<Row>, minute: u32, count: u32, status: i32) {
    for n in 0..count {
        let at = f64::from(minute * 60) + f64::from(n) * 59.0 / f64::from(count);
        rows.push(Row::web(
            at,
            &format!("198.51.{}.{}", n % 200, n % 250),
            &format!("/p/{}", n % 7),
            status,
        ));
    }
}

#[test]
fn a_surge_needs_a_baseline_and_a_volume() {
    let mut rows = Vec::new();
    for minute in 0..40 {
        minute_of(&mut rows, minute, 60, 200);
    }
    minute_of(&mut rows, 10, 600, 200); // ten minutes of baseline: no judgement yet
    minute_of(&mut rows, 39, 600, 200);
    let found = episodes(Dataset::Web, &rows);
    let surges: Vec<_> = found.iter().filter(|e| e.detector == "surge").collect();
    assert_eq!(surges.len(), 1, "{surges:?}");
    assert_eq!(surges[0].window.start.0, START + 39 * 60 * SECOND);
    assert_eq!(surges[0].count, 660);
    assert!(
        surges[0]
            .facts
            .iter()
            .any(|(key, value)| key == "baseline" && value.contains("39 of 60"))
    );
    assert!(!surges[0].monotone);
}

#[test]
fn an_error_rate_is_judged_when_closed_and_withdrawn_when_it_does_not_hold() {
    let mut bad = Vec::new();
    minute_of(&mut bad, 1, 250, 503);
    let mut engine = builtin();
    engine.observe(&batch(Dataset::Web, &bad));
    let early = engine.evaluate(&Closing::at(START + 60 * SECOND));
    assert!(
        early.episodes.iter().all(|e| e.detector != "error_rate"),
        "not closed yet"
    );
    let closed = engine.evaluate(&Closing::at(START + 300 * SECOND));
    let told: Vec<_> = closed
        .episodes
        .iter()
        .filter(|e| e.detector == "error_rate")
        .collect();
    assert_eq!(
        (told.len(), told[0].level, told[0].count),
        (1, Level::Medium, 250)
    );
    let mut late = Vec::new();
    for _ in 0..40 {
        minute_of(&mut late, 2, 250, 200);
    }
    engine.observe(&batch(Dataset::Web, &late));
    let after = engine.evaluate(&Closing::at(START + 300 * SECOND));
    assert_eq!(after.withdrawn.len(), 1, "{:?}", after.withdrawn);
    assert_eq!(after.withdrawn[0].rule_id, told[0].rule_id);
}

#[test]
fn refusals_are_unusual_only_where_they_are() {
    let mut rows = Vec::new();
    let mut minutes = |from: u32, to: u32, refused_of_ten: u32| {
        for minute in from..to {
            for n in 0..60u32 {
                let action = if n % 10 < refused_of_ten {
                    "REJECT"
                } else {
                    "ACCEPT"
                };
                rows.push(Row::flow(
                    f64::from(minute * 60 + n),
                    &format!("203.0.{n}.1"),
                    "10.0.0.5",
                    443,
                    action,
                ));
            }
        }
    };
    minutes(0, 30, 0);
    minutes(30, 35, 4);
    let found = episodes(Dataset::VpcFlow, &rows);
    let told: Vec<_> = found.iter().filter(|e| e.detector == "refusals").collect();
    assert_eq!(told.len(), 1, "{found:?}");
    assert_eq!(told[0].count, 5 * 24);

    let mut always = Vec::new();
    for second in 0..2_000u32 {
        let action = if second % 3 == 0 { "REJECT" } else { "ACCEPT" };
        always.push(Row::flow(
            f64::from(second),
            "203.0.113.1",
            "10.0.0.5",
            443,
            action,
        ));
    }
    assert!(
        episodes(Dataset::VpcFlow, &always)
            .iter()
            .all(|e| e.detector != "refusals")
    );
}

#[test]
fn a_proxy_in_front_of_everybody_is_lowered() {
    let mut rows = Vec::new();
    for n in 0..300u32 {
        let mut row = Row::web(f64::from(n) / 10.0, "192.0.2.80", &format!("/p/{n}"), 200);
        row.ua = Some(format!("Mozilla/5.0 agent {}", n % 60));
        rows.push(row);
    }
    let assets = rows.iter().step_by(2).map(|page| Row {
        uri: Some("/static/site.css".into()),
        ..page.clone()
    });
    let (pages, assets) = (rows.clone(), assets.collect::<Vec<_>>());
    rows.extend(assets);
    let of = |rows: &[Row]| {
        episodes(Dataset::Web, rows)
            .into_iter()
            .find(|e| e.title.starts_with("Flood: 100"))
            .expect("told")
    };
    let proxy = of(&rows);
    assert_eq!(proxy.level, Level::Medium);
    assert!(proxy.facts.iter().any(|(_, value)| value.contains("proxy")));
    // User agents are easily made up.
    assert_eq!(of(&pages).level, Level::High);
    for row in &mut rows {
        row.ua = Some("one agent".into());
    }
    assert_eq!(of(&rows).level, Level::High);
}
