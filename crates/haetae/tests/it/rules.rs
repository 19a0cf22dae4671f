//! Rules of a folder, changed while the service runs.

use crate::support::service::{Service, output, stderr, stdout};
use serde_json::json;
use std::time::{Duration, Instant};

fn rule(path: &str) -> String {
    format!(
        "title: Somebody opens the vault\nid: 3f0c6a52-6d0a-4d28-9a0e-6f1f6d1a7a01\nstatus: test\nlevel: high\n\
         logsource: {{category: webserver}}\ndetection:\n  vault:\n    cs-uri-stem|startswith: '{path}'\n  condition: vault\n"
    )
}

fn wait_for(what: &str, service: &Service, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !holds() {
        assert!(Instant::now() < end, "{what}:\n{}", service.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn rules_are_read_anew_and_broken_ones_leave_the_former_in_use() {
    let dir = tempfile::tempdir().expect("temp dir");
    let config =
        "listen: 127.0.0.1:0\nlanguage: en\ntimezone: UTC\nflush_interval: 1s\nrules_dir: my-rules\n";
    std::fs::write(dir.path().join("haetae.yaml"), config).expect("writable");
    std::fs::create_dir(dir.path().join("my-rules")).expect("folder");
    let file = dir.path().join("my-rules/vault.yml");
    let service = Service::start(dir.path(), &[]);
    let send = |ip: &str| {
        let now = haetae_event::Clock::now(&haetae_event::clock::SystemClock).to_string();
        let row = json!({"ts": now, "client_ip": ip, "method": "GET", "uri": "/vault/1", "status": 200});
        let reply = service.ingest_at("/v1/ingest?dataset=web", row.to_string().as_bytes(), &[]);
        assert_eq!(reply.expect("taken").json()["accepted"], 1);
    };
    let found = |ip: &str| {
        let findings = service.get("/v1/findings").json();
        let list = findings.as_array().expect("a list").clone();
        list.iter()
            .any(|f| f["title"] == "Somebody opens the vault" && f["entity"]["value"] == ip)
    };
    send("203.0.113.9");
    wait_for("the row is stored", &service, || {
        service.sql("SELECT count(*) AS n FROM events")[0]["n"] == 1
    });
    assert!(!found("203.0.113.9"));
    std::fs::write(&file, rule("/vault")).expect("writable");
    wait_for("a new rule sees what is stored", &service, || {
        found("203.0.113.9")
    });
    std::fs::write(&file, "title: [oops\n").expect("writable");
    wait_for("mistakes are told", &service, || {
        service.log().contains("the former ones stay in use")
    });
    send("203.0.113.10");
    wait_for("the former rule watches on", &service, || found("203.0.113.10"));
    service.signal("-HUP");
    wait_for("SIGHUP is answered", &service, || {
        service.log().contains("rules are read anew")
    });
    service.stop();
}

const COUNTED: &str = "title: Vault hammered\nid: 3f0c6a52-6d0a-4d28-9a0e-6f1f6d1a7a02\nname: vault_hammered\nstatus: test\nlevel: high\n\
    correlation:\n  type: event_count\n  rules: [3f0c6a52-6d0a-4d28-9a0e-6f1f6d1a7a01]\n  group-by: [c-ip]\n  timespan: 1m\n  condition: {gte: 10}\n";

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temp dir");
    std::fs::create_dir(dir.path().join("my")).expect("folder");
    let text = format!("{}---\n{COUNTED}", rule("/vault"));
    std::fs::write(dir.path().join("my/vault.yml"), text).expect("writable");
    dir
}

fn log_lines(count: usize) -> String {
    let line = |n: usize| {
        format!(
            "203.0.113.9 - - [01/Mar/2026:09:00:{:02} +0900] \"GET /vault/{n} HTTP/1.1\" 200 12 \"-\" \"Mozilla/5.0\"\n",
            n % 60
        )
    };
    (0..count).map(line).collect()
}

#[test]
fn tests_beside_rules_run_through_the_parsers() {
    let dir = folder();
    let lines: String = log_lines(12)
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    let cases = format!(
        "- case: twelve lines of a web server\n  lines: |\n{lines}  told: [vault_hammered]\n\
         - case: nine records\n  dataset: web\n  events:\n    - {{repeat: 9, every: 2s, record: {{client_ip: 203.0.113.9, method: GET, uri: '/vault/{{n}}', status: 200}}}}\n  silent: [vault_hammered]\n"
    );
    let tests = dir.path().join("my/vault.test.yml");
    std::fs::write(&tests, &cases).expect("writable");
    let held = output(dir.path(), &["rules", "test", "my"]);
    assert!(held.status.success(), "{}{}", stdout(&held), stderr(&held));
    assert!(
        stderr(&held).contains("2 cases hold, 0 do not"),
        "{}",
        stderr(&held)
    );
    std::fs::write(&tests, cases.replace("repeat: 9", "repeat: 10")).expect("writable");
    let failed = output(dir.path(), &["rules", "test", "my/vault.yml"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stdout(&failed).contains("FAILED") && stdout(&failed).contains("vault_hammered spoke"));
}

#[test]
fn rules_are_tried_on_what_is_stored() {
    let dir = folder();
    std::fs::write(dir.path().join("access.log"), log_lines(12)).expect("writable");
    let config = "language: en\ntimezone: UTC\nsources:\n  - {type: file, paths: [access.log]}\n";
    std::fs::write(dir.path().join("haetae.yaml"), config).expect("writable");
    let once = output(dir.path(), &["run", "--once"]);
    assert!(once.status.success(), "{}", stderr(&once));
    let args = ["rules", "backtest", "my", "--last", "7d", "--output", "json"];
    let report = output(dir.path(), &args);
    assert!(report.status.success(), "{}", stderr(&report));
    let report: serde_json::Value = serde_json::from_str(&stdout(&report)).expect("JSON");
    assert_eq!(report["events"], 12);
    assert_eq!(report["rules"].as_array().expect("rules").len(), 1, "{report}");
    let told = &report["rules"][0];
    assert_eq!((&told["alerts"], &told["entities"]), (&1.into(), &1.into()));
    assert_eq!(told["by_day"]["2026-03-01"], 1);
    assert_eq!(told["top_entities"][0]["value"], "203.0.113.9");
    let from = output(dir.path(), &["rules", "backtest", "my", "--from", "access.log"]);
    assert!(from.status.success(), "{}", stderr(&from));
    assert!(stdout(&from).contains("Vault hammered"), "{}", stdout(&from));
}

#[test]
fn lint_tells_of_exceptions_that_are_over() {
    let dir = folder();
    let entry =
        "exceptions:\n  - {rule: '*', entity: 192.0.2.1, until: 2024-01-01, owner: kim, reason: old test}\n";
    std::fs::write(dir.path().join("my/exceptions.yml"), entry).expect("writable");
    let lint = output(dir.path(), &["rules", "lint", "my"]);
    assert!(lint.status.success(), "{}", stderr(&lint));
    assert!(
        stdout(&lint).contains("kim (old test) is over"),
        "{}",
        stdout(&lint)
    );
}
