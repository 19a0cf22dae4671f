//! `POST /detect` through the program.

use crate::support::service::Service;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36";

fn started() -> (tempfile::TempDir, Service) {
    let dir = tempfile::tempdir().expect("temp dir");
    let text = "listen: 127.0.0.1:0\nlanguage: en\ntimezone: UTC\nflush_interval: 1s\n";
    std::fs::write(dir.path().join("haetae.yaml"), text).expect("writable");
    let service = Service::start(dir.path(), &[]);
    (dir, service)
}

fn request(ip: &str) -> Value {
    json!({"ip": ip, "method": "GET", "uri": "/event/1", "ua": BROWSER})
}

fn now() -> String {
    haetae_event::Clock::now(&haetae_event::clock::SystemClock).to_string()
}

#[test]
fn a_client_that_asks_too_often_is_an_anomaly() {
    let (_dir, service) = started();
    let batch = Value::Array(vec![request("203.0.113.9"); 120]);
    let answers = service.detect(&batch);
    let first = answers
        .as_array()
        .and_then(|all| all.iter().position(|a| a["anomaly"] == true));
    assert_eq!(first, Some(99), "{answers}");
    assert_eq!(answers[119]["method"], "rule");
    assert_eq!(service.detect(&request("203.0.113.10"))["anomaly"], false);
    assert_eq!(
        service.detect(&json!({"ip": "192.0.2.1", "uri": "/", "ua": "sqlmap/1.8"}))["rule_id"],
        "inline.user_agent"
    );
    service.stop();
}

/// Requests that the site did not ask about are known from its log; those it did ask about weigh
/// once.
#[test]
fn the_access_log_adds_only_what_was_not_asked_about() {
    let (_dir, service) = started();
    let line = |ip: &str| {
        let mut row = request(ip);
        row["ts"] = now().into();
        row["client_ip"] = ip.into();
        row["status"] = 200.into();
        row["user_agent"] = BROWSER.into();
        row.to_string() + "\n"
    };
    let asked = Value::Array(vec![request("203.0.113.20"); 60]);
    service.detect(&asked);
    let mut log = line("203.0.113.20").repeat(60);
    log += &line("203.0.113.21").repeat(99);
    let reply = service
        .ingest_at("/v1/ingest?dataset=web", log.as_bytes(), &[])
        .expect("taken");
    assert_eq!(reply.json()["accepted"], 159, "{}", reply.text());
    // Known once the driver has read it.
    let end = Instant::now() + Duration::from_secs(20);
    while service.sql("SELECT count(*) AS n FROM events")[0]["n"] != 159 {
        assert!(Instant::now() < end, "{}", service.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        service.detect(&request("203.0.113.21"))["anomaly"],
        false,
        "the first inline, 99 in the log"
    );
    let twice = Value::Array(vec![request("203.0.113.20"); 39]);
    let answers = service.detect(&twice);
    assert!(
        answers
            .as_array()
            .expect("a list")
            .iter()
            .all(|a| a["anomaly"] == false),
        "99 in all: {answers}"
    );
    assert_eq!(service.detect(&request("203.0.113.20"))["anomaly"], true);
    service.stop();
}
