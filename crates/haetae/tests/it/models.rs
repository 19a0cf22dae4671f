//! Learned models through the program.

use crate::support::service::{Service, output, stderr, stdout};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36";

fn run(dir: &Path, arguments: &[&str]) -> String {
    let done = output(dir, arguments);
    assert!(
        done.status.success(),
        "{arguments:?}: {}{}",
        stdout(&done),
        stderr(&done)
    );
    stdout(&done)
}

/// A folder with two hours of ordinary traffic, stored.
fn stored(models: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temp dir");
    run(
        dir.path(),
        &[
            "simulate",
            "normal",
            "--seed",
            "5",
            "--duration",
            "2h",
            "--plain",
            "--format",
            "ndjson",
            "--out",
            "normal.ndjson",
        ],
    );
    let config = format!(
        "listen: 127.0.0.1:0\nlanguage: en\ntimezone: UTC\nflush_interval: 1s\nsources:\n  - type: file\n    \
         paths: [normal.ndjson]\nmodels:\n{models}"
    );
    std::fs::write(dir.path().join("haetae.yaml"), config).expect("writable");
    run(dir.path(), &["run", "--once"]);
    dir
}

fn list(dir: &Path) -> Vec<Value> {
    let text = run(dir, &["model", "list", "--output", "json"]);
    serde_json::from_str(&text).expect("a JSON list")
}

fn wait_for(what: &str, service: &Service, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < end, "{what}:\n{}", service.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// One client that asks as nobody else does, and one like the others.
fn strange_minute() -> String {
    let mut text = String::new();
    for n in 0..30 {
        let row = json!({"ts": format!("2026-11-02T03:00:{:02}Z", n * 2), "src_ip": "203.0.113.77", "method": "PROPFIND",
            "uri": format!("/a/{}{n}?q=%41%42%43%44&b=1&c=2", "x".repeat(400)), "status": 403, "ua": BROWSER});
        writeln!(text, "{row}").expect("a string");
    }
    for n in 0..4 {
        let row = json!({"ts": format!("2026-11-02T03:00:{:02}Z", n * 11), "src_ip": "203.0.113.78", "method": "GET",
            "uri": format!("/api/events/{n}"), "status": 200, "ua": BROWSER, "bytes_out": 3000});
        writeln!(text, "{row}").expect("a string");
    }
    text
}

fn strange_request() -> Value {
    json!({"ip": "203.0.113.80", "method": "PROPFIND", "ua": BROWSER,
        "uri": format!("/a/{}?q=%41%42%43%44&b=1&c=2&d=%45%46%47&e=1", "x".repeat(900))})
}

/// Trained on what is stored, promoted while the service runs: files and requests are judged by it.
#[test]
fn a_promoted_model_tells_of_a_strange_client() {
    let dir = stored("  retrain_every: off\n");
    std::fs::write(dir.path().join("strange.ndjson"), strange_minute()).expect("writable");
    let unusual = || -> Vec<Value> {
        let lines = run(dir.path(), &["detect", "strange.ndjson"]);
        let all = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        all.filter(|finding| finding["detector"] == "isolation_forest")
            .collect()
    };
    assert_eq!(unusual(), Vec::<Value>::new(), "no model yet");
    let service = Service::start(dir.path(), &[]);
    let ask = || service.detect(&Value::Array(vec![strange_request(); 12]));
    assert!(
        ask()
            .as_array()
            .expect("a list")
            .iter()
            .all(|a| a["method"] != "ml")
    );

    let trained = run(dir.path(), &["model", "train", "web"]);
    assert!(trained.starts_with("web@1: "), "{trained}");
    assert_eq!(list(dir.path())[0]["in_use_since"], Value::Null);
    run(dir.path(), &["model", "promote", "web@1", "--force"]);
    assert!(list(dir.path())[0]["in_use_since"].is_string());
    wait_for("the promotion is noticed", &service, || {
        service.log().contains("models in use: web@1")
    });
    let answers = ask();
    let told: Vec<&Value> = answers
        .as_array()
        .expect("a list")
        .iter()
        .filter(|a| a["method"] == "ml")
        .collect();
    assert!(told.len() >= 8, "{answers}");
    assert_eq!(
        (&told[0]["rule_id"], &told[0]["anomaly"]),
        (&json!("web@1"), &json!(true))
    );
    let reasons = told[0]["reasons"].as_array().expect("reasons");
    assert!(
        reasons
            .iter()
            .any(|r| r.as_str().is_some_and(|r| r.contains("usual"))),
        "{answers}"
    );
    service.stop();

    let found = unusual();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["entity"], json!({"kind": "ip", "value": "203.0.113.77"}));
    assert!(
        matches!(found[0]["level"].as_str(), Some("low" | "medium")),
        "{found:?}"
    );
    assert!(found[0]["facts"].to_string().contains("web@1"), "{found:?}");
    let report = run(dir.path(), &["analyze", "--output", "json", "strange.ndjson"]);
    assert!(report.contains("isolation_forest.web"), "{report}");
}

/// The service stores the same finding from pushed rows.
#[test]
fn the_service_stores_what_a_model_finds() {
    let dir = stored("  retrain_every: off\n");
    run(dir.path(), &["model", "train", "web"]);
    run(dir.path(), &["model", "promote", "web", "--force"]);
    let service = Service::start(dir.path(), &[]);
    assert!(
        service.log().contains("models in use: web@1"),
        "{}",
        service.log()
    );
    let reply = service
        .ingest_at("/v1/ingest?dataset=web", strange_minute().as_bytes(), &[])
        .expect("taken");
    assert_eq!(reply.json()["accepted"], 34, "{}", reply.text());
    wait_for("the finding is stored", &service, || {
        let findings = service.get("/v1/findings?limit=10000").json();
        let list = findings.as_array().cloned().unwrap_or_default();
        list.iter()
            .any(|f| f["rule_id"] == "isolation_forest.web" && f["entity"]["value"] == "203.0.113.77")
    });
    service.stop();
}

#[test]
fn the_service_trains_compares_and_decides() {
    let dir = stored("  retrain_every: 3s\n  shadow_for: 1h\n  train_on: 1d\n");
    let service = Service::start(dir.path(), &[]);
    wait_for("a second candidate is decided on", &service, || {
        service.log().contains("model web@2 is")
    });
    let log = service.stop();
    assert!(log.contains("model web@1 is in use: "), "{log}");
    assert!(log.contains("models in use: web@1"), "{log}");
    assert!(log.contains("alerts a day, AUROC "), "{log}");
    let versions = list(dir.path());
    assert!(versions.len() >= 2, "{versions:?}");
    // The same rows again make the same forest.
    assert_eq!(versions[0]["fingerprint"], versions[1]["fingerprint"]);
}

#[test]
fn too_few_windows_train_nothing() {
    let dir = tempfile::tempdir().expect("temp dir");
    std::fs::write(dir.path().join("few.ndjson"), strange_minute()).expect("writable");
    let config = "listen: 127.0.0.1:0\nlanguage: en\nflush_interval: 1s\nsources:\n  - type: file\n    \
         paths: [few.ndjson]\nmodels:\n  retrain_every: 2s\n";
    std::fs::write(dir.path().join("haetae.yaml"), config).expect("writable");
    run(dir.path(), &["run", "--once"]);
    let service = Service::start(dir.path(), &[]);
    wait_for("it says why not", &service, || {
        service.log().contains("no model was trained: ")
    });
    service.stop();
    assert_eq!(list(dir.path()), Vec::<Value>::new());
}

/// AUROC on a labelled table: a cloud, and points outside it.
#[test]
fn a_labelled_table_is_measured() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut table = String::from("a,b,c,label\n");
    let mut state = 7u64;
    let mut draw = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1u32 << 24)
    };
    for n in 0..2_000 {
        let odd = n % 100 == 0;
        let far = if odd { 6.0 } else { 0.0 };
        let cells = [draw() + far, draw() - far, draw() * 2.0];
        writeln!(table, "{},{},{},{}", cells[0], cells[1], cells[2], u8::from(odd)).expect("a string");
    }
    std::fs::write(dir.path().join("table.csv"), table).expect("writable");
    let text = run(
        dir.path(),
        &[
            "model",
            "eval",
            "--table",
            "table.csv",
            "--seeds",
            "3",
            "--output",
            "json",
        ],
    );
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&report["rows"], &report["anomalies"]),
        (&json!(2_000), &json!(20))
    );
    assert!(
        report["auroc_mean"].as_f64().expect("a number") > 0.99,
        "{report}"
    );
    assert_eq!(report["auroc"].as_array().map(Vec::len), Some(3));
}

#[test]
fn what_is_wrong_with_the_settings_is_said() {
    let dir = tempfile::tempdir().expect("temp dir");
    for (models, said) in [
        ("retrain_every: 0s", "1s or more, or `off`"),
        ("name: Über", "models.name"),
        ("alerts_per_day: -1", "models.alerts_per_day"),
        ("train_on: 1s", "1m or more"),
    ] {
        let text = format!("models:\n  {models}\n");
        std::fs::write(dir.path().join("haetae.yaml"), text).expect("writable");
        let done = output(dir.path(), &["model", "list"]);
        assert!(!done.status.success(), "{models}");
        assert!(stderr(&done).contains(said), "{models}: {}", stderr(&done));
    }
}
