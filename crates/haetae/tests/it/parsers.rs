//! Users' parsers from the first draft to the stable version and back, and modules that misbehave.

use crate::support::service::{Service, command, output, stderr, stdout};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

#[path = "../../../sandbox/tests/it/guests.rs"]
#[expect(
    dead_code,
    reason = "shared with the sandbox's own tests, which use all of it"
)]
mod guests;

const SHOP: &str = "\
id: shop
version: 1
kind: json
dataset: app
detect: '\"shop_till\"'
map:
  ts: $.time
  src_ip: $.client
  uri: $.path
tests:
  - line: '{\"time\":\"2026-03-01T10:00:00Z\",\"client\":\"192.0.2.9\",\"path\":\"/a\"}'
    expect: {uri: /a, src_ip: 192.0.2.9}
";

/// Text of the command's stdout; it must have ended well.
fn ran(dir: &Path, arguments: &[&str]) -> String {
    let out = output(dir, arguments);
    assert!(
        out.status.success(),
        "{arguments:?}: {}{}",
        stdout(&out),
        stderr(&out)
    );
    stdout(&out)
}

/// Text of the command's stderr; it must have ended badly.
fn refused(dir: &Path, arguments: &[&str]) -> String {
    let out = output(dir, arguments);
    assert!(!out.status.success(), "{arguments:?} went well: {}", stdout(&out));
    stderr(&out)
}

/// A trusted key in `key.pem`, another one in `other.pem`, a service with one file source a parser.
fn configure(dir: &Path, more: &str) {
    let key = ran(dir, &["parser", "sign", "--new-key", "--key", "key.pem"]);
    ran(dir, &["parser", "sign", "--new-key", "--key", "other.pem"]);
    let text = format!(
        "listen: 127.0.0.1:0\nlanguage: en\ntimezone: UTC\nflush_interval: 200ms\nparsers:\n  trusted_keys: ['{}']\n{more}",
        key.trim()
    );
    std::fs::write(dir.join("haetae.yaml"), text).expect("writable");
}

fn sign_and_upload(dir: &Path, file: &str) -> Output {
    ran(dir, &["parser", "sign", file, "--key", "key.pem"]);
    output(dir, &["parser", "upload", file])
}

fn wait_for(what: &str, service: &Service, mut there: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !there() {
        assert!(Instant::now() < end, "{what} did not come:\n{}", service.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn rows(service: &Service, text: &str) -> Vec<Value> {
    service.sql(text).as_array().cloned().unwrap_or_default()
}

fn lines(paths: std::ops::Range<u32>) -> String {
    paths
        .map(|n| {
            format!(
                "{{\"time\":\"2026-03-01T10:00:00Z\",\"client\":\"192.0.2.9\",\"path\":\"/{n}\",\"shop_till\":{n}}}\n"
            )
        })
        .collect()
}

#[test]
fn a_version_is_signed_tried_promoted_compared_and_rolled_back() {
    let dir = tempfile::tempdir().expect("temp dir");
    let dir = dir.path();
    configure(
        dir,
        "sources:\n  - {type: file, paths: [named/*.log], format: shop}\n  - {type: file, paths: [open/*.log]}\n",
    );
    std::fs::write(dir.join("shop.yaml"), SHOP).expect("writable");
    for folder in ["named", "open"] {
        std::fs::create_dir(dir.join(folder)).expect("folder");
    }
    let service = Service::start(dir, &[]);

    let said = refused(dir, &["parser", "upload", "shop.yaml"]);
    assert!(said.contains("haetae parser sign"), "{said}");
    ran(dir, &["parser", "sign", "shop.yaml", "--key", "other.pem"]);
    let said = refused(dir, &["parser", "upload", "shop.yaml"]);
    assert!(said.contains("trusted"), "{said}");
    assert!(sign_and_upload(dir, "shop.yaml").status.success());
    let changed = SHOP.replace("$.path", "$.uri || $.path");
    std::fs::write(dir.join("changed.yaml"), changed).expect("writable");
    let said = stderr(&sign_and_upload(dir, "changed.yaml"));
    assert!(said.contains("versions never change"), "{said}");

    // In channel alpha only sources that name it use it.
    std::fs::write(dir.join("named/a.log"), lines(0..3)).expect("writable");
    std::fs::write(dir.join("open/a.log"), lines(3..6)).expect("writable");
    wait_for("six rows", &service, || {
        rows(&service, "SELECT ts FROM app").len() == 6
    });
    let mapped = "SELECT uri FROM app WHERE src_ip = '192.0.2.9' AND uri IS NOT NULL ORDER BY uri";
    assert_eq!(rows(&service, mapped).len(), 3);
    ran(dir, &["parser", "promote", "shop"]);
    std::fs::write(dir.join("open/b.log"), lines(6..9)).expect("writable");
    wait_for("nine rows", &service, || {
        rows(&service, "SELECT ts FROM app").len() == 9
    });
    assert_eq!(rows(&service, mapped).len(), 6, "{}", service.log());

    // One-shot commands over the same data directory read as the service does.
    let parsed = ran(dir, &["parse", "open/b.log"]);
    assert!(parsed.contains("\"uri\":\"/6\""), "{parsed}");

    let next = SHOP
        .replace("version: 1", "version: 2\nrequired: [uri]")
        .replace("$.path", "$.uri")
        .replace("\"path\"", "\"uri\"");
    std::fs::write(dir.join("next.yaml"), next).expect("writable");
    assert!(sign_and_upload(dir, "next.yaml").status.success());
    let out = output(
        dir,
        &["parser", "shadow", "shop", "open/b.log", "--output", "json"],
    );
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    let report: Value = serde_json::from_slice(&out.stdout).expect("a report");
    assert_eq!(
        (&report["old"]["parser"], &report["new"]["parser"]),
        (&"shop@v1".into(), &"shop@v2".into())
    );
    assert_eq!(report["newly_failing"], 3);
    let named = report["newly_failing_records"][0]["record"]
        .as_str()
        .expect("text");
    assert!(named.contains("\"/6\""), "{named}");

    ran(dir, &["parser", "shadow", "shop"]);
    std::fs::write(dir.join("open/c.log"), lines(9..12)).expect("writable");
    wait_for("the live comparison", &service, || {
        let out = output(dir, &["parser", "shadow", "shop", "--output", "json"]);
        serde_json::from_slice::<Value>(&out.stdout).is_ok_and(|live| live["report"]["newly_failing"] == 3)
    });
    ran(dir, &["parser", "promote", "shop@v2"]);
    assert!(ran(dir, &["parser", "rollback", "shop"]).contains("shop@v1 is the stable version again"));
    let listed: Value =
        serde_json::from_str(&ran(dir, &["parser", "list", "--output", "json"])).expect("JSON");
    let stable = listed
        .as_array()
        .expect("a list")
        .iter()
        .filter(|row| row["kind"] == "json");
    let channels: Vec<(&Value, &Value)> = stable.map(|row| (&row["id"], &row["channel"])).collect();
    assert_eq!(channels[0].0, "shop@v1");
    assert!(
        channels[0]
            .1
            .as_str()
            .is_some_and(|channel| channel.contains("stable")),
        "{channels:?}"
    );
    service.stop();
}

fn gate(version: u32) -> String {
    format!(
        "id: gate\nversion: {version}\nkind: custom\nmodule: gate.wasm\ndataset: app\nmap:\n  message: $.raw\n"
    )
}

#[test]
fn a_module_loses_only_its_culprits_and_is_suspended_when_it_costs_too_much() {
    let dir = tempfile::tempdir().expect("temp dir");
    let dir = dir.path();
    configure(
        dir,
        "  failure_budget: 5s\nsources:\n  - {type: file, paths: [in/*.log], format: gate}\n",
    );
    std::fs::create_dir(dir.join("in")).expect("folder");
    let module = wat::parse_str(guests::echo_but("(loop $ever (br $ever))")).expect("valid");
    std::fs::write(dir.join("gate.wasm"), module).expect("writable");
    std::fs::write(dir.join("gate.yaml"), gate(1)).expect("writable");
    let service = Service::start(dir, &[]);
    let out = sign_and_upload(dir, "gate.yaml");
    assert!(out.status.success(), "{}", stderr(&out));

    // One record that never ends among 500.
    let mut text: String = (0..500).map(|n| format!("good {n}\n")).collect();
    text.insert_str(text.len() / 2, "!never\n");
    let text = text.replace("!never", "\n!never").replace("\n\n", "\n");
    let bad = text.lines().filter(|line| line.starts_with('!')).count();
    assert_eq!(bad, 1);
    let good = text.lines().count() - bad;
    std::fs::write(dir.join("in/a.log"), text).expect("writable");
    wait_for("the good rows", &service, || {
        rows(&service, "SELECT ts FROM app").len() == good
    });
    let dead = || -> Vec<Value> {
        serde_json::from_str(&ran(dir, &["dlq", "list", "--output", "json", "--limit", "100"])).expect("JSON")
    };
    wait_for("the culprit", &service, || dead().len() == 1);
    assert_eq!(dead()[0]["reason"], "time_out");

    // Many of them: the budget is used up, the alarm rings, and the service goes on.
    let text: String = (0..40).map(|n| format!("!never {n}\n")).collect();
    std::fs::write(dir.join("in/b.log"), text).expect("writable");
    wait_for("the alarm", &service, || {
        service.log().contains("parser gate 1 is suspended")
    });
    wait_for("all refused", &service, || dead().len() == 41);
    let suspended = dead()
        .iter()
        .filter(|entry| entry["reason"] == "parser_suspended")
        .count();
    assert!(suspended > 0, "{:?}", dead());
    assert!(
        service.log().contains("a part of Haetae has stopped"),
        "the message to every channel"
    );
    let reply = service
        .ingest_at("/v1/ingest", b"{\"msg\":\"still here\"}\n", &[])
        .expect("it answers");
    assert!((200..300).contains(&reply.status), "{}", reply.text());
    assert!(ran(dir, &["parser", "list"]).contains("suspended"));
    assert!(ran(dir, &["parser", "resume", "gate"]).contains("runs again"));
    std::fs::write(dir.join("in/c.log"), "good again\n").expect("writable");
    wait_for("the row after it was resumed", &service, || {
        rows(&service, "SELECT ts FROM app WHERE message = 'good again'").len() == 1
    });
    service.stop();
}

#[test]
fn tests_and_trials_name_what_is_wrong() {
    let dir = tempfile::tempdir().expect("temp dir");
    let dir = dir.path();
    std::fs::write(dir.join("shop.yaml"), SHOP).expect("writable");
    let said = ran(dir, &["parser", "test", "shop.yaml"]);
    assert!(said.contains("its own tests: 1 of 1"), "{said}");
    assert!(said.contains("hostile payloads through shop@v1"), "{said}");

    let wrong = SHOP.replace("{uri: /a,", "{uri: /b,");
    std::fs::write(dir.join("wrong.yaml"), wrong).expect("writable");
    let out = output(dir, &["parser", "test", "wrong.yaml"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        stdout(&out).contains("wrong.yaml:11: test 1\n           uri: /a, expected /b"),
        "{}",
        stdout(&out)
    );

    std::fs::write(dir.join("typo.yaml"), SHOP.replace("src_ip:", "src_iq:")).expect("writable");
    let said = refused(dir, &["parser", "test", "typo.yaml"]);
    assert!(
        said.contains("typo.yaml:8:3") && said.contains("src_ip"),
        "{said}"
    );

    let mut trial = command(dir)
        .args(["parser", "test", "shop.yaml", "--try"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = trial.stdin.take().expect("piped");
    stdin
        .write_all(b"{\"time\":\"2026-03-01T10:00:00Z\",\"path\":\"/x\"}\n{oops\n")
        .expect("it reads");
    drop(stdin);
    let said = stdout(&trial.wait_with_output().expect("it ends"));
    assert!(
        said.contains("line 1: event") && said.contains("uri  /x"),
        "{said}"
    );
    assert!(said.contains("line 2: refused, bad_json"), "{said}");
}

/// The built-in sets through the program itself.
#[test]
fn the_built_in_formats_pass_their_own_sets() {
    let dir = tempfile::tempdir().expect("temp dir");
    let said: Value =
        serde_json::from_str(&ran(dir.path(), &["parser", "test", "--output", "json"])).expect("JSON");
    assert_eq!(said["passed"], true, "{said}");
    let checks = |at: usize| said["sets"][at]["checks"].as_u64().unwrap_or(0);
    assert!(
        checks(0) >= 198 && checks(1) >= 1000 && checks(2) >= 100_000,
        "{said}"
    );
}

/// A source that names no parser is told of once, not with every file it brings.
#[test]
fn a_missing_parser_is_told_once() {
    let dir = tempfile::tempdir().expect("temp dir");
    let dir = dir.path();
    configure(
        dir,
        "sources:\n  - {type: file, paths: [in/*.log], format: nobody}\n",
    );
    std::fs::create_dir(dir.join("in")).expect("folder");
    for n in 0..5 {
        std::fs::write(dir.join(format!("in/{n}.log")), lines(n..n + 1)).expect("writable");
    }
    let service = Service::start(dir, &[]);
    wait_for("five rows", &service, || {
        rows(&service, "SELECT ts FROM events").len() == 5
    });
    let log = service.stop();
    assert_eq!(log.matches("there is no parser `nobody`").count(), 1, "{log}");
}
