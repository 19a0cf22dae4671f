//! Simulate → bucket → collector → store, findings, messages, clean-up: against a real S3 API.

use crate::support::s3::S3;
use crate::support::service::{Service, output, sql, stderr, stdout};
use crate::support::site::{Site, assert_all_reported};
use crate::support::webhook::Webhook;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

fn configure(dir: &Path, s3: &S3, hook: Option<&Webhook>, more: &str) {
    let slack = hook
        .map(|h| format!("  slack:\n    webhook_url: {}\n", h.url()))
        .unwrap_or_default();
    let text = format!(
        "listen: 127.0.0.1:0\nlanguage: en\ntimezone: UTC\nflush_interval: 1s\nsources:\n  - type: s3\n    bucket: logs\n    \
         region: us-east-1\n    endpoint: {}\n    interval: 1s\n{more}notify:\n  kpi_every: 1h\n{slack}",
        s3.endpoint()
    );
    std::fs::write(dir.join("haetae.yaml"), text).expect("writable");
}

fn count(rows: &Value) -> u64 {
    rows[0]["n"].as_u64().expect("a count")
}

fn text_of(message: &Value) -> String {
    message.to_string()
}

#[test]
fn attacks_in_a_bucket_reach_slack_and_objects_go() {
    let Some(s3) = S3::start() else { return };
    let hook = Webhook::start();
    let dir = tempfile::tempdir().expect("temp dir");
    let site = Site::simulate(
        dir.path(),
        "site",
        &["mixed", "--seed", "11", "--duration", "25m"],
    );
    s3.create_bucket("logs");
    configure(dir.path(), &s3, Some(&hook), "    after_commit: delete\n");
    let service = Service::start(dir.path(), &[]);
    let started = Instant::now();
    for (name, bytes) in site.objects() {
        s3.put("logs", &name, &bytes);
    }
    let attackers: Vec<String> = site
        .detectable()
        .into_iter()
        .map(|(_, _, address)| address)
        .collect();
    assert!(!attackers.is_empty(), "the mixed scenario has attacks");
    let told = hook.wait(Duration::from_secs(60), |bodies| {
        !bodies.is_empty() && s3.keys("logs").is_empty()
    });
    assert!(
        s3.keys("logs").is_empty(),
        "objects remain: {:?}\n{}",
        s3.keys("logs"),
        service.log()
    );
    assert!(!told.is_empty(), "no message came:\n{}", service.log());
    assert!(started.elapsed() < Duration::from_secs(60));

    assert_eq!(
        count(&service.sql("SELECT count(*) AS n FROM events")),
        site.events()
    );
    assert_eq!(
        count(&service.sql("SELECT count(*) AS n FROM cloudfront")),
        site.web_events()
    );
    assert_eq!(
        count(&service.sql("SELECT count(*) AS n FROM vpcflow")),
        site.flow_events()
    );
    let findings = service.get("/v1/findings?limit=10000").json();
    assert_all_reported(&site, findings.as_array().expect("findings"));
    let log = service.stop();
    assert!(!log.contains("panicked"), "{log}");

    let doctor = output(dir.path(), &["doctor"]);
    assert!(
        stdout(&doctor).contains("lines_in"),
        "{}{}",
        stdout(&doctor),
        stderr(&doctor)
    );
    assert!(doctor.status.success(), "{}{}", stdout(&doctor), stderr(&doctor));
    assert_eq!(
        count(&sql(dir.path(), "SELECT count(*) AS n FROM events")),
        site.events()
    );

    // One message per incident: no incident id is told as new twice.
    let messages = hook.accepted();
    let mut seen = std::collections::HashSet::new();
    for message in &messages {
        assert!(
            seen.insert(text_of(message)),
            "the same message came twice: {message}"
        );
    }
}

#[test]
fn ordinary_traffic_pages_nobody() {
    let Some(s3) = S3::start() else { return };
    let hook = Webhook::start();
    let dir = tempfile::tempdir().expect("temp dir");
    let site = Site::simulate(
        dir.path(),
        "site",
        // Without the sale's crowd and carrier gateways: those are judged by `rules eval`.
        &["normal", "--seed", "5", "--duration", "40m", "--plain"],
    );
    s3.create_bucket("logs");
    for (name, bytes) in site.objects() {
        s3.put("logs", &name, &bytes);
    }
    configure(dir.path(), &s3, Some(&hook), "");
    let text = std::fs::read_to_string(dir.path().join("haetae.yaml")).expect("written");
    std::fs::write(
        dir.path().join("haetae.yaml"),
        text.replace("kpi_every: 1h", "kpi_every: off"),
    )
    .expect("writable");
    let done = output(dir.path(), &["run", "--once"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(
        count(&sql(dir.path(), "SELECT count(*) AS n FROM events")),
        site.events()
    );
    let incidents = output(dir.path(), &["incident", "list", "--output", "json"]);
    assert_eq!(stdout(&incidents).trim(), "[]", "incidents in ordinary traffic");
    assert_eq!(
        hook.attempts(),
        0,
        "messages in ordinary traffic: {:?}",
        hook.accepted()
    );
    assert_eq!(
        s3.keys("logs").len(),
        site.objects().len(),
        "after_commit: keep keeps"
    );

    // Nothing new: the second run ends at once and changes nothing.
    let before = Instant::now();
    let again = output(dir.path(), &["run", "--once"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(
        before.elapsed() < Duration::from_secs(8),
        "took {:?}",
        before.elapsed()
    );
    assert_eq!(
        count(&sql(dir.path(), "SELECT count(*) AS n FROM events")),
        site.events()
    );
}

#[test]
fn the_kpi_summary_agrees_with_an_independent_count() {
    let Some(s3) = S3::start() else { return };
    let hook = Webhook::start();
    let dir = tempfile::tempdir().expect("temp dir");
    let site = Site::simulate(
        dir.path(),
        "site",
        &["normal", "--seed", "21", "--duration", "20m", "--plain"],
    );
    s3.create_bucket("logs");
    for (name, bytes) in site.objects() {
        s3.put("logs", &name, &bytes);
    }
    configure(
        dir.path(),
        &s3,
        Some(&hook),
        "    after_commit: archive\n    archive_prefix: done/\n",
    );
    let done = output(dir.path(), &["run", "--once"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let bodies = hook.wait(Duration::from_secs(10), |bodies| !bodies.is_empty());
    assert_eq!(bodies.len(), 1, "one KPI summary: {bodies:?}");
    let said = text_of(&bodies[0]);

    // Counted here from the simulator's own bytes, not by the program's parser.
    let own = IndependentCount::of(&site);
    assert_eq!(own.requests, site.web_events());
    for expected in [
        grouped(own.requests),
        grouped(own.status_4xx),
        grouped(own.status_5xx),
        own.top_path,
        own.top_ip,
    ] {
        assert!(said.contains(&expected), "the summary lacks {expected}: {said}");
    }
    let mean_ms = format!("{:.0}", own.mean_ms);
    assert!(
        said.contains(&mean_ms),
        "the summary lacks the mean {mean_ms} ms: {said}"
    );
    assert!(
        s3.keys("logs").iter().all(|key| key.starts_with("done/")),
        "{:?}",
        s3.keys("logs")
    );
}

/// 12345 → 12,345, as the texts write numbers.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

struct IndependentCount {
    requests: u64,
    status_4xx: u64,
    status_5xx: u64,
    mean_ms: f64,
    top_path: String,
    top_ip: String,
}

impl IndependentCount {
    fn of(site: &Site) -> IndependentCount {
        let (mut requests, mut s4, mut s5, mut seconds) = (0, 0, 0, 0.0);
        let mut paths = std::collections::HashMap::<String, u64>::new();
        let mut ips = std::collections::HashMap::<String, u64>::new();
        for (name, bytes) in site.objects() {
            let text = gunzip(&bytes);
            let mut lines = text.lines();
            if !lines.next().is_some_and(|first| first.starts_with("#Version")) {
                assert!(
                    name.contains("vpcflow"),
                    "{name} is neither CloudFront nor VPC flow"
                );
                continue;
            }
            for line in lines.filter(|line| !line.starts_with('#')) {
                let fields: Vec<&str> = line.split('\t').collect();
                requests += 1;
                match fields[8].as_bytes()[0] {
                    b'4' => s4 += 1,
                    b'5' => s5 += 1,
                    _ => {}
                }
                seconds += fields[18].parse::<f64>().expect("time-taken");
                *paths.entry(fields[7].to_owned()).or_default() += 1;
                *ips.entry(fields[4].to_owned()).or_default() += 1;
            }
        }
        let top = |map: std::collections::HashMap<String, u64>| {
            let best = map
                .into_iter()
                .max_by_key(|(key, n)| (*n, std::cmp::Reverse(key.clone())));
            best.map(|(key, _)| key).unwrap_or_default()
        };
        IndependentCount {
            requests,
            status_4xx: s4,
            status_5xx: s5,
            mean_ms: seconds * 1000.0 / requests as f64,
            top_path: top(paths),
            top_ip: top(ips),
        }
    }
}

fn gunzip(bytes: &[u8]) -> String {
    use std::io::Read;
    let mut text = String::new();
    #[expect(clippy::disallowed_methods, reason = "the test's own small objects")]
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_string(&mut text)
        .expect("gzip");
    text
}

#[test]
fn missing_permission_names_source_and_action_and_others_carry_on() {
    let dir = tempfile::tempdir().expect("temp dir");
    std::fs::create_dir(dir.path().join("in")).expect("dir");
    std::fs::write(
        dir.path().join("in/a.log"),
        "203.0.113.5 - - [10/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"Mozilla/5.0\"\n",
    )
    .expect("log");
    let text = "listen: 127.0.0.1:0\nlanguage: en\nflush_interval: 1s\nsources:\n  - type: s3\n    bucket: private-logs\n    \
                region: us-east-1\n    interval: 1s\n  - type: file\n    paths: [in/*.log]\n";
    std::fs::write(dir.path().join("haetae.yaml"), text).expect("config");
    let started = Instant::now();
    let mut command = crate::support::service::command(dir.path());
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .args(["run"]);
    let log = std::fs::File::create(dir.path().join("run.log")).expect("log");
    let mut child = command
        .stdout(log.try_clone().expect("clones"))
        .stderr(log)
        .spawn()
        .expect("starts");
    let said = loop {
        let said = std::fs::read_to_string(dir.path().join("run.log")).unwrap_or_default();
        if said.contains("s3:ListBucket") || started.elapsed() > Duration::from_secs(15) {
            break said;
        }
        std::thread::sleep(Duration::from_millis(30));
    };
    let waited = started.elapsed();
    std::thread::sleep(Duration::from_secs(3));
    let rows = sql(dir.path(), "SELECT count(*) AS n FROM web");
    child.kill().ok();
    child.wait().ok();
    assert!(
        said.contains("private-logs") && said.contains("s3:ListBucket"),
        "{said}"
    );
    assert!(waited < Duration::from_secs(5), "said after {waited:?}");
    assert_eq!(count(&rows), 1, "the file source carries on");
}
