//! Silent log sources, and minutes against former days.

use super::flows::engine;
use crate::batches::{Row, SECOND, START, batch};
use haetae_detect::{Closing, Engine, Evaluation};
use haetae_event::{Dataset, Episode};

const DAY: i64 = 1_440;

fn rows(minutes: impl IntoIterator<Item = i64>, per_minute: i64) -> Vec<Row> {
    let mut rows = Vec::new();
    for minute in minutes {
        for n in 0..per_minute {
            let at = (minute * 60 + n * 60 / per_minute) as f64;
            let source = format!("198.51.{}.{}", n % 3, n % 250);
            rows.push(Row::web(at, &source, &format!("/p/{}", n % 9), 200));
        }
    }
    rows
}

fn at(minute: i64) -> Closing {
    Closing::at(START + minute * 60 * SECOND)
}

fn silences(evaluation: &Evaluation) -> Vec<&Episode> {
    let own = |e: &&Episode| e.detector == "log_silence";
    evaluation.episodes.iter().filter(own).collect()
}

fn fed(rows: &[Row]) -> Engine {
    let mut engine = engine();
    engine.observe(&batch(Dataset::Web, rows));
    engine
}

#[test]
fn a_steady_source_that_stops_is_told_once_and_ends() {
    let mut engine = fed(&rows(0..70, 4));
    assert!(silences(&engine.evaluate(&at(74))).is_empty());
    let told = engine.evaluate(&at(75));
    let found = silences(&told);
    assert_eq!(found.len(), 1, "{told:?}");
    assert_eq!(
        (found[0].entity.kind.as_str(), found[0].rule_id.as_str()),
        ("dataset", "log_silence.web")
    );
    assert_eq!(found[0].window.start.0, START + 70 * 60 * SECOND);
    assert!(silences(&engine.evaluate(&at(90))).is_empty(), "told once");
    engine.observe(&batch(Dataset::Web, &rows(100..101, 4)));
    let ended = engine.evaluate(&at(101));
    let found = silences(&ended);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].window.end.0, START + 100 * 60 * SECOND - 1);
    assert!(ended.withdrawn.is_empty());
}

#[test]
fn late_rows_take_it_back() {
    let mut engine = fed(&rows(0..70, 4));
    assert_eq!(silences(&engine.evaluate(&at(80))).len(), 1);
    engine.observe(&batch(Dataset::Web, &rows(70..80, 4)));
    let after = engine.evaluate(&at(81));
    assert!(
        after
            .withdrawn
            .iter()
            .any(|gone| gone.rule_id == "log_silence.web")
    );
}

#[test]
fn one_shot_runs_know_no_open_silence() {
    let mut engine = fed(&rows(0..70, 4));
    assert!(silences(&engine.evaluate(&Closing::everything())).is_empty());
    let mut gap = rows(0..70, 4);
    gap.extend(rows(90..95, 4));
    let mut engine = fed(&gap);
    let told = engine.evaluate(&Closing::everything());
    assert_eq!(silences(&told).len(), 1, "a silence that ended");
}

#[test]
fn sources_that_pause_are_given_time() {
    // Rows in every fourth minute: twenty minutes are not unusual.
    let paused = rows((0..80).step_by(4), 12);
    let mut engine = fed(&paused);
    assert!(silences(&engine.evaluate(&at(76 + 20))).is_empty());
    assert_eq!(silences(&engine.evaluate(&at(76 + 21))).len(), 1);
    let mut sparse = fed(&rows((0..80).step_by(8), 12));
    assert!(silences(&sparse.evaluate(&at(400))).is_empty(), "never steady");
}

#[test]
fn quiet_nights_are_known_after_one_day() {
    // From minute 0 to 900 of each day.
    let mut engine = fed(&rows(0..900, 2));
    assert_eq!(silences(&engine.evaluate(&at(910))).len(), 1, "the first night");
    engine.observe(&batch(Dataset::Web, &rows(DAY..DAY + 900, 2)));
    let second = engine.evaluate(&at(DAY + 1_200));
    let fresh = |e: &&Episode| e.window.start.0 >= START + DAY * 60 * SECOND;
    assert!(
        silences(&second).into_iter().filter(fresh).count() == 0,
        "{second:?}"
    );
    engine.observe(&batch(Dataset::Web, &rows(2 * DAY..2 * DAY + 400, 2)));
    let third = engine.evaluate(&at(2 * DAY + 420));
    let found: Vec<&Episode> = silences(&third)
        .into_iter()
        .filter(|e| e.window.start.0 >= START + 2 * DAY * 60 * SECOND)
        .collect();
    assert_eq!(found.len(), 1, "at noon it never was quiet: {third:?}");
}

#[test]
fn a_host_goes_silent_while_others_go_on() {
    let hosted = |minutes: std::ops::Range<i64>, host: &str| -> Vec<Row> {
        let mut rows = rows(minutes, 3);
        rows.iter_mut().for_each(|row| row.host = Some(host.into()));
        rows
    };
    let mut both = hosted(0..120, "a.example");
    both.extend(hosted(0..80, "b.example"));
    let mut engine = fed(&both);
    let told = engine.evaluate(&at(120));
    let found = silences(&told);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].entity.value, "b.example");
    let told = engine.evaluate(&at(130));
    let all: Vec<&str> = silences(&told).iter().map(|e| e.entity.value.as_str()).collect();
    assert_eq!(all, ["web"], "all of it is silent now: {told:?}");
}

fn of_host(host: &str, minutes: std::ops::Range<i64>, sources: i64) -> Vec<Row> {
    let mut rows = rows(minutes, 5);
    for (n, row) in (0i64..).zip(&mut rows) {
        row.host = Some(host.into());
        row.src = Some(format!("198.51.100.{}", n % sources));
    }
    rows
}

#[test]
fn a_host_that_one_client_made_up_is_no_source() {
    let silent_hosts = |rows: Vec<Row>, until: i64| -> Vec<String> {
        let mut all = rows;
        // Clients of the site itself go on.
        all.extend(of_host("shop.example", 0..until, 50));
        let told = fed(&all).evaluate(&at(until));
        silences(&told).iter().map(|e| e.entity.value.clone()).collect()
    };
    for host in ["203.0.113.5", "nothing.example"] {
        assert!(silent_hosts(of_host(host, 10..22, 1), 60).is_empty(), "{host}");
    }
    assert!(silent_hosts(of_host("203.0.113.5:80", 10..22, 40), 60).is_empty());
    assert!(silent_hosts(of_host("[2001:db8::5]", 10..22, 40), 60).is_empty());
    assert_eq!(silent_hosts(of_host("b.example", 10..40, 40), 60), ["b.example"]);
    let day = of_host("203.0.113.5", 0..DAY, 1);
    assert_eq!(silent_hosts(day, DAY + 60), ["203.0.113.5"]);
}

#[test]
fn made_up_hosts_take_no_place_from_a_new_one() {
    let mut rows: Vec<Row> = (0..6_000)
        .map(|n| Row {
            host: Some(format!("{n}.example")),
            ..Row::web(f64::from(n) / 10.0, "198.51.100.9", "/", 404)
        })
        .collect();
    rows.extend((0..300).map(|n| Row {
        host: Some("new.example".into()),
        ..Row::web(
            900.0 + f64::from(n) / 2.0,
            &format!("198.51.100.{}", n % 90),
            "/",
            503,
        )
    }));
    rows.extend(of_host("new.example", 15..50, 50));
    rows.extend(of_host("old.example", 0..70, 50));
    let mut engine = fed(&rows);
    let told = engine.evaluate(&at(70));
    let failing = told.episodes.iter().filter(|e| e.detector == "error_rate");
    let hosts: Vec<&str> = failing.map(|e| e.entity.value.as_str()).collect();
    assert_eq!(hosts, ["new.example"], "{told:?}");
    let silent: Vec<&str> = silences(&told).iter().map(|e| e.entity.value.as_str()).collect();
    assert_eq!(silent, ["new.example"]);
    assert!(engine.stats().unobserved > 4_000, "losses are counted");
}

#[test]
fn surges_are_measured_by_former_days() {
    // A busy hour each day; on the fifth one comes at another time.
    let mut all = Vec::new();
    for day in 0..5 {
        all.extend(rows(day * DAY..(day + 1) * DAY, 2));
        all.extend(rows(day * DAY + 600..day * DAY + 620, 400));
    }
    all.extend(rows(4 * DAY + 900..4 * DAY + 903, 400));
    let mut engine = fed(&all);
    let told = engine.evaluate(&Closing::everything());
    let surges: Vec<&Episode> = told.episodes.iter().filter(|e| e.detector == "surge").collect();
    let minute = |e: &Episode| (e.window.start.0 - START) / (60 * SECOND);
    let starts: Vec<i64> = surges.iter().map(|e| minute(e)).collect();
    assert!(
        starts.contains(&600),
        "the first day has no former one: {starts:?}"
    );
    assert!(starts.contains(&(4 * DAY + 900)), "{starts:?}");
    assert!(
        !starts.contains(&(4 * DAY + 600)),
        "usual at this time: {starts:?}"
    );
    let last = surges.iter().find(|e| minute(e) == 4 * DAY + 900).expect("told");
    assert!(last.evidence[0].summary.contains("4 days"), "{last:?}");
}

#[test]
fn error_rates_are_measured_by_former_days() {
    let failing = |minutes: std::ops::Range<i64>, of_ten: i64| -> Vec<Row> {
        let mut rows = rows(minutes, 60);
        for (n, row) in (0i64..).zip(&mut rows) {
            row.status = Some(if n % 10 < of_ten { 404 } else { 200 });
        }
        rows
    };
    let mut all = Vec::new();
    for day in 0..5 {
        // Half of all fail at six o'clock every day, and nearly none at noon until the fifth.
        all.extend(failing(day * DAY + 360..day * DAY + 380, 5));
        all.extend(failing(
            day * DAY + 715..day * DAY + 740,
            if day == 4 { 2 } else { 0 },
        ));
    }
    let mut engine = fed(&all);
    let told = engine.evaluate(&Closing::everything());
    let starts: Vec<i64> = told
        .episodes
        .iter()
        .filter(|e| e.detector == "error_rate")
        .map(|e| (e.window.start.0 - START) / (60 * SECOND))
        .collect();
    assert_eq!(starts, [360, DAY + 360, 2 * DAY + 360, 4 * DAY + 715], "{told:?}");
}
