//! Clients under a crawler's name, against a name server of our own.

use crate::support::service::{Service, output, stderr, stdout};
use hickory_resolver::proto::op::ResponseCode;
use nameserver::{NameServer, Says};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../../../resolve/tests/it/nameserver.rs"]
mod nameserver;

const AGENT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
/// Proved, of a hosting company, under a reverse name it does not own, and of a zone that fails.
const VERIFIED: &str = "66.249.66.1";
const HOSTED: &str = "45.77.1.1";
const LIAR: &str = "45.77.1.2";
const SILENT: &str = "45.77.1.3";
/// Says what it is.
const VISITOR: &str = "45.77.1.9";

fn names() -> NameServer {
    let server = NameServer::start();
    server
        .pair(VERIFIED, "crawl-66-249-66-1.googlebot.com")
        .pair(HOSTED, "vm-1.hosting.example")
        .named(LIAR, "crawl-66-249-66-1.googlebot.com")
        .say_reverse(SILENT, Says::Code(ResponseCode::ServFail));
    server
}

fn configure(dir: &Path, server: &NameServer, more: &str) {
    let address = server.address;
    let text = format!(
        "listen: 127.0.0.1:0\nlanguage: en\ntimezone: UTC\nflush_interval: 1s\ncrawlers:\n  resolver: \"{address}\"\n{more}"
    );
    std::fs::write(dir.join("haetae.yaml"), text).expect("writable");
}

/// `requests` of one client, ten a second, the last one a little before `end`.
fn rows(address: &str, agent: &str, requests: i64, end: haetae_event::Micros) -> String {
    let row = |n: i64| {
        let ts = end.saturating_sub((requests - n) * 100_000).to_string();
        let row = json!({"ts": ts, "client_ip": address, "method": "GET", "uri": format!("/shows/{n}"),
            "status": 200, "ua": agent, "bytes_out": 4_000});
        format!("{row}\n")
    };
    (0..requests).map(row).collect()
}

fn traffic() -> String {
    let now = haetae_event::Clock::now(&haetae_event::clock::SystemClock);
    let mut text = rows(VERIFIED, AGENT, 300, now);
    for address in [HOSTED, LIAR, SILENT] {
        text.push_str(&rows(address, AGENT, 20, now));
    }
    text + &rows(VISITOR, "Mozilla/5.0 (X11; Linux x86_64)", 20, now)
}

/// Detectors and levels told of an address.
fn told<'a>(findings: &'a [Value], address: &str) -> Vec<(&'a str, &'a str)> {
    let about = findings.iter().filter(|f| f["entity"]["value"] == address);
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    about.map(|f| (text(&f["detector"]), text(&f["level"]))).collect()
}

fn assert_told(findings: &[Value]) {
    let verified = told(findings, VERIFIED);
    assert!(
        verified.contains(&("verified_crawler", "informational")),
        "{findings:?}"
    );
    assert!(
        verified.iter().all(|(_, level)| *level == "informational"),
        "{verified:?}"
    );
    assert!(verified.len() > 1, "its rush is told of too: {verified:?}");
    for address in [HOSTED, LIAR] {
        let about = told(findings, address);
        assert!(about.contains(&("fake_crawler", "high")), "{address} {about:?}");
    }
    let silent = told(findings, SILENT);
    assert!(silent.contains(&("unverified_crawler", "low")), "{silent:?}");
    for finding in findings {
        assert_ne!(finding["detector"], "claimed_crawler");
    }
    let claims = |address: &str| {
        told(findings, address)
            .iter()
            .filter(|(d, _)| d.ends_with("_crawler"))
            .count()
    };
    assert_eq!(claims(VISITOR), 0);
    for address in [VERIFIED, HOSTED, LIAR, SILENT] {
        // `declared_crawler` is a rule about the user agent.
        let outcomes = told(findings, address);
        let outcomes = outcomes
            .iter()
            .filter(|(d, _)| ["verified_crawler", "fake_crawler", "unverified_crawler"].contains(d));
        assert_eq!(outcomes.count(), 1, "{address}");
    }
}

#[test]
fn the_service_tells_of_each_what_it_is() {
    let dir = tempfile::tempdir().expect("temp dir");
    let server = names();
    configure(dir.path(), &server, "");
    let service = Service::start(dir.path(), &[]);
    let reply = service.ingest_at("/v1/ingest?dataset=web", traffic().as_bytes(), &[]);
    assert_eq!(reply.expect("taken").json()["rejected"], json!([]));
    let findings = || {
        service
            .get("/v1/findings?limit=1000")
            .json()
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let end = Instant::now() + Duration::from_secs(60);
    while ![
        (HOSTED, "fake_crawler"),
        (VERIFIED, "verified_crawler"),
        (SILENT, "unverified_crawler"),
    ]
    .iter()
    .all(|(address, detector)| told(&findings(), address).iter().any(|(d, _)| d == detector))
    {
        assert!(Instant::now() < end, "{:?}\n{}", findings(), service.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_told(&findings());
    let metrics = service.get("/metrics").text();
    for line in [
        "haetae_crawlers_verified_total 1",
        "haetae_crawlers_fake_total 2",
        "haetae_crawlers_not_asked_total 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
    // Nobody is told twice, also after a start.
    let before = findings().len();
    service.stop();
    let service = Service::start(dir.path(), &[]);
    std::thread::sleep(Duration::from_secs(4));
    let after = service.get("/v1/findings?limit=1000").json();
    assert_eq!(after.as_array().map(Vec::len), Some(before), "{after}");
    assert_told(after.as_array().expect("a list"));
    service.stop();
}

#[test]
fn commands_wait_for_names() {
    let dir = tempfile::tempdir().expect("temp dir");
    let server = names();
    configure(
        dir.path(),
        &server,
        "sources:\n  - {type: file, paths: [t.ndjson]}\n",
    );
    std::fs::write(dir.path().join("t.ndjson"), traffic()).expect("writable");
    let found = output(dir.path(), &["--config", "haetae.yaml", "detect", "t.ndjson"]);
    assert!(found.status.success(), "{}", stderr(&found));
    let parse = |text: &str| -> Vec<Value> {
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        lines.collect()
    };
    let findings = parse(&stdout(&found));
    assert_told(&findings);
    assert!(
        stderr(&found).contains("4 claims are looked up"),
        "{}",
        stderr(&found)
    );
    // Lines in another order: the same.
    let lines = traffic();
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.reverse();
    std::fs::write(dir.path().join("back.ndjson"), lines.join("\n")).expect("writable");
    let back = output(dir.path(), &["--config", "haetae.yaml", "detect", "back.ndjson"]);
    assert_told(&parse(&stdout(&back)));
    // A run that ends by itself waits as well.
    let once = output(dir.path(), &["run", "--once"]);
    assert!(once.status.success(), "{}", stderr(&once));
    let service = Service::start(dir.path(), &[]);
    let end = Instant::now() + Duration::from_secs(30);
    while !service.get("/metrics").text().contains("haetae_detectors_warm 1") {
        assert!(Instant::now() < end, "{}", service.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let stored = service.get("/v1/findings?limit=1000").json();
    assert_told(stored.as_array().expect("a list"));
    service.stop();
}

#[test]
fn without_names_and_ranges_nobody_is_judged() {
    let dir = tempfile::tempdir().expect("temp dir");
    let server = names();
    std::fs::write(dir.path().join("t.ndjson"), traffic()).expect("writable");
    let of = |more: &str| {
        configure(dir.path(), &server, more);
        let found = output(dir.path(), &["--config", "haetae.yaml", "detect", "t.ndjson"]);
        assert!(found.status.success(), "{}", stderr(&found));
        let said = stderr(&found);
        let lines = stdout(&found);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        (lines.collect::<Vec<Value>>(), said)
    };
    let asked = server.asked();
    let (findings, _) = of("  verify: false\n");
    for address in [VERIFIED, HOSTED, LIAR, SILENT] {
        let about = told(&findings, address);
        assert!(about.contains(&("unverified_crawler", "low")), "{about:?}");
    }
    assert_eq!(server.asked(), asked, "nobody was asked");
    // Ranges need no names.
    std::fs::create_dir(dir.path().join("ranges")).expect("folder");
    let ranges = r#"{"prefixes": [{"ipv4Prefix": "66.249.66.0/27"}]}"#;
    std::fs::write(dir.path().join("ranges/googlebot.json"), ranges).expect("writable");
    let (findings, _) = of("  verify: false\n  ranges_dir: ranges\n");
    assert!(told(&findings, VERIFIED).contains(&("verified_crawler", "informational")));
    assert!(told(&findings, HOSTED).contains(&("unverified_crawler", "low")));
    // A name system that knows nothing of the world.
    server.say(
        "com.",
        hickory_resolver::proto::rr::RecordType::NS,
        Says::Code(ResponseCode::NXDomain),
    );
    let (findings, said) = of("");
    assert!(told(&findings, HOSTED).contains(&("unverified_crawler", "low")));
    assert_eq!(said.matches("does not know the internet").count(), 1, "{said}");
}
