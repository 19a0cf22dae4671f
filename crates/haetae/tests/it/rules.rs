//! Rules of a folder, changed while the service runs.

use crate::support::service::Service;
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
