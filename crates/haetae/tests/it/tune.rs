//! `rules tune`: from stored rows to thresholds in use, and to the week that then comes.

use crate::support::service::{output, stderr, stdout};
use haetae_event::time::{DAY_US, HOUR_US, SECOND_US};
use haetae_event::{Clock, Micros, clock::SystemClock, commit::CommitUnit};
use haetae_incident::{Incident, State};
use haetae_store::{IncidentFilter, Store, StoreOptions};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

const RULE: &str = "6605b6ea-372b-4d31-bc82-2b129fdc7759";
const DAYS: i64 = 28;

/// Xorshift: the same traffic each time.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        let (mut product, mut count) = (self.uniform(), 0);
        while product > f64::exp(-mean) {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

fn line(out: &mut String, at: i64, ip: &str, path: &str) {
    let zoned = Micros(at).timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    let when = zoned.strftime("%d/%b/%Y:%H:%M:%S +0000");
    let _ = writeln!(
        out,
        "{ip} - - [{when}] \"GET {path} HTTP/1.1\" 200 512 \"-\" \"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\""
    );
}

/// Days of the same kind: a visit each hour, and four bursts a day or so of 100 to 400 requests
/// within a minute, small ones more often.
fn traffic(start: i64, days: i64, dice: &mut Dice) -> String {
    let mut log = String::new();
    for day in 0..days {
        let midnight = start + day * DAY_US;
        for hour in 0..24 {
            line(&mut log, midnight + hour * HOUR_US, "198.51.100.1", "/");
        }
        for _ in 0..dice.poisson(4.0) {
            let begin = midnight + (dice.uniform() * 86_000.0) as i64 * SECOND_US;
            let size = 100.0 / (1.0 - 0.75 * dice.uniform());
            let ip = format!("203.0.113.{}", 1 + (dice.uniform() * 200.0) as u32);
            for n in 0..size as i64 {
                let at = begin + (n as f64 / size * 50.0) as i64 * SECOND_US;
                line(&mut log, at, &ip, "/list");
            }
        }
    }
    line(&mut log, start + days * DAY_US - SECOND_US, "198.51.100.1", "/");
    log
}

/// Four weeks are stored, the fifth lies in `next.log`.
fn site(dir: &Path) {
    let today = SystemClock.now().floor_to(DAY_US).0;
    let start = today - (DAYS + 8) * DAY_US;
    let mut dice = Dice(0x5eed);
    let (known, next) = (
        traffic(start, DAYS, &mut dice),
        traffic(start + DAYS * DAY_US, 7, &mut dice),
    );
    std::fs::write(dir.join("access.log"), known).expect("writable");
    std::fs::write(dir.join("next.log"), next).expect("writable");
    std::fs::create_dir(dir.join("my-rules")).expect("folder");
    let config =
        "language: en\ntimezone: UTC\nrules_dir: my-rules\nsources:\n  - {type: file, paths: [access.log]}\n";
    std::fs::write(dir.join("haetae.yaml"), config).expect("writable");
    let once = output(dir, &["run", "--once"]);
    assert!(once.status.success(), "{}", stderr(&once));
}

fn json(dir: &Path, arguments: &[&str]) -> Value {
    let done = output(dir, arguments);
    assert!(done.status.success(), "{}", stderr(&done));
    serde_json::from_str(&stdout(&done)).expect("JSON")
}

/// Alerts that `rules backtest` counts.
fn backtest(dir: &Path, more: &[&str]) -> u64 {
    let arguments = [&["rules", "backtest", "--output", "json"], more].concat();
    let report = json(dir, &arguments);
    let rules = report["rules"].as_array().expect("rules").iter();
    let mut of = rules.filter(|rule| rule["id"] == RULE);
    of.next()
        .map_or(0, |rule| rule["alerts"].as_u64().expect("a count"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no count: {value}"))
}

#[test]
fn a_proposal_does_what_it_says_on_the_history_and_in_the_week_that_comes() {
    let temp = tempfile::tempdir().expect("temp dir");
    let dir = temp.path();
    site(dir);
    let file = "my-rules/thresholds.yml";
    let tune = ["rules", "tune", "--budget", "1/day", "--rule", "request_rate"];
    let report = json(dir, &[&tune[..], &["--output", "json", "--write", file]].concat());
    let rule = &report["rules"][0];
    assert_eq!(rule["id"], RULE, "{report}");
    assert_eq!(
        (
            &rule["now"]["condition"],
            number(&report["next_week"]["days_known"])
        ),
        (&"gte 100".into(), 27)
    );
    let (now, then) = (
        number(&rule["now"]["alerts"]),
        number(&rule["proposed"]["alerts"]),
    );
    assert!(
        now > 84 && (14..=28).contains(&then),
        "{now} alerts, then {then}: {rule}"
    );
    assert_eq!(report["within_budget"], true);
    // The engine is the judge: before the file is there, and with it.
    assert_eq!(number(&rule["confirmed_alerts"]), 0);
    let without = backtest(dir, &["--from", "access.log"]);
    assert_eq!(without, then, "the folder's thresholds are in use for files too");
    assert_eq!(backtest(dir, &["--last", "30d"]), then);
    std::fs::rename(dir.join(file), dir.join("kept.yml")).expect("renamed");
    assert_eq!(backtest(dir, &["--last", "30d"]), now);
    std::fs::rename(dir.join("kept.yml"), dir.join(file)).expect("renamed");
    // The week that then came.
    let week = &report["next_week"]["proposed"];
    let came = backtest(dir, &["--from", "next.log"]);
    eprintln!("{now} alerts in four weeks, proposed {then}; forecast {week}, {came} came");
    assert!(
        (number(&week["low"])..=number(&week["high"])).contains(&came),
        "{came} of {week}"
    );
    assert!(number(&week["high"]) <= 14, "{week}");
    let lint = output(dir, &["rules", "lint", "my-rules"]);
    assert!(
        lint.status.success() && stdout(&lint).is_empty(),
        "{}",
        stdout(&lint)
    );
    // Within the budget now: the file stays as it is.
    let again = output(dir, &[&tune[..], &["--write", file]].concat());
    assert!(
        stderr(&again).contains("nothing is to be changed"),
        "{}",
        stderr(&again)
    );
    let text = stdout(&again);
    assert!(
        text.contains("kept: all rules together are within the budget"),
        "{text}"
    );
    a_looser_budget_gives_back(dir, &tune, then);
    confirmed_attacks_are_kept(dir);
}

/// A larger budget than before changes nothing by itself, but says where there is room.
fn a_looser_budget_gives_back(dir: &Path, tune: &[&str], then: u64) {
    let mut loose = tune.to_vec();
    loose[3] = "8/day";
    let report = json(dir, &[&loose[..], &["--output", "json"]].concat());
    let lower = &report["rules"][0]["could_be_lowered"];
    assert!(number(&lower["notified"]) > then, "{lower}");
}

/// Incidents that somebody resolved are true: whatever the budget, they stay told.
fn confirmed_attacks_are_kept(dir: &Path) {
    std::fs::remove_file(dir.join("my-rules/thresholds.yml")).expect("removed");
    let tune = [
        "rules", "tune", "--budget", "1/week", "--rule", RULE, "--output", "json",
    ];
    let free = json(dir, &tune);
    let raised: f64 = free["rules"][0]["proposed"]["threshold"]
        .as_str()
        .expect("text")
        .parse()
        .expect("number");
    let lost = &free["rules"][0]["lost_entities"][0];
    let peak: f64 = lost["peak"].as_str().expect("text").parse().expect("number");
    assert!(peak < raised, "{lost} {raised}");
    let clock = Arc::new(SystemClock);
    let store = Store::open(
        &dir.join("haetae-data"),
        StoreOptions::default(),
        Arc::new(haetae_event::disk::RealDisk),
        clock.clone(),
    )
    .expect("store");
    let row = store.incidents(&IncidentFilter::default()).expect("incidents");
    let row = row
        .into_iter()
        .find(|row| row.entity_value == lost["value"])
        .expect("it had an incident");
    let mut incident = Incident::from_row(&row).expect("ours");
    incident.set_state(State::Resolved, "it was real", clock.now());
    let unit = CommitUnit {
        incidents: vec![incident.to_row()],
        ..CommitUnit::default()
    };
    store.commit(unit).expect("commits");
    drop(store);
    let held = json(dir, &tune);
    let rule = &held["rules"][0];
    let at: f64 = rule["proposed"]["threshold"]
        .as_str()
        .expect("text")
        .parse()
        .expect("number");
    assert!(at <= peak && number(&rule["confirmed_alerts"]) >= 1, "{rule}");
    assert!(
        rule["why"].as_str().expect("text").contains("confirmed attack"),
        "{}",
        rule["why"]
    );
    assert_eq!(held["within_budget"], false);
}

#[test]
fn a_short_history_is_said_and_a_wrong_budget_refused() {
    let temp = tempfile::tempdir().expect("temp dir");
    let dir = temp.path();
    let start = SystemClock.now().floor_to(DAY_US).0 - 9 * DAY_US;
    for (days, name) in [(1, "one.log"), (3, "three.log")] {
        std::fs::write(dir.join(name), traffic(start, days, &mut Dice(7))).expect("writable");
    }
    let one = output(dir, &["rules", "tune", "--from", "one.log"]);
    assert!(one.status.success(), "{}", stderr(&one));
    let text = stdout(&one);
    assert!(
        text.contains("nothing is predicted") && !text.contains("next week"),
        "{text}"
    );
    let three = output(dir, &["rules", "tune", "--from", "three.log"]);
    let text = stdout(&three);
    assert!(
        text.contains("the history is short") && text.contains("next week"),
        "{text}"
    );
    let wrong = output(dir, &["rules", "tune", "--from", "one.log", "--budget", "2"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        stderr(&wrong).contains("like 2/day or 10/week"),
        "{}",
        stderr(&wrong)
    );
    let unknown = output(dir, &["rules", "tune", "--from", "one.log", "--rule", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        stderr(&unknown).contains("no rule has the id or name"),
        "{}",
        stderr(&unknown)
    );
    std::fs::write(dir.join("notes.yml"), "mine: true\n").expect("writable");
    let there = output(
        dir,
        &["rules", "tune", "--from", "three.log", "--write", "notes.yml"],
    );
    assert_eq!(there.status.code(), Some(1), "{}", stderr(&there));
    assert_eq!(
        std::fs::read_to_string(dir.join("notes.yml")).expect("there"),
        "mine: true\n"
    );
}
