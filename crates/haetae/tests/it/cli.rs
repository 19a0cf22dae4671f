//! Commands as typed: reports, the nine requests, mistakes and their exit codes.

use crate::support::service::{output, stderr, stdout};
use crate::support::site::{Site, assert_all_reported};
use serde_json::Value;

/// A site owner's smoke test: one request of each kind.
const NINE: [(&str, &str, u16, &str); 9] = [
    (
        "GET",
        "/api/v1/nothing-here",
        404,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    ),
    (
        "PUT",
        "/events/42",
        405,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    ),
    (
        "GET",
        "/admin",
        403,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    ),
    (
        "GET",
        "/search?q=%27%20OR%201=1%20--",
        200,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    ),
    (
        "GET",
        "/index.php",
        404,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    ),
    (
        "GET",
        "/",
        200,
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ),
    (
        "GET",
        "/",
        200,
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    ),
    (
        "GET",
        "/",
        200,
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    ),
    (
        "GET",
        "/",
        200,
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    ),
];

#[test]
fn the_nine_requests_are_observed_and_page_nobody() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut log = String::new();
    for (i, (method, uri, status, agent)) in NINE.iter().enumerate() {
        log.push_str(&format!(
            "203.0.113.{} - - [10/Nov/2026:10:0{i}:00 +0900] \"{method} {uri} HTTP/1.1\" {status} 321 \"-\" \"{agent}\"\n",
            10 + i
        ));
    }
    std::fs::write(dir.path().join("access.log"), log).expect("log");
    let done = output(dir.path(), &["analyze", "--output", "json", "access.log"]);
    let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    for (i, request) in NINE.iter().enumerate() {
        let address = format!("203.0.113.{}", 10 + i);
        let about: Vec<&Value> = findings
            .iter()
            .filter(|f| f["entity"]["value"] == address.as_str())
            .collect();
        assert!(
            !about.is_empty(),
            "request {i} ({} {}) is not observed",
            request.0,
            request.1
        );
    }
    for finding in findings {
        let level = finding["level"].as_str().expect("level");
        assert!(
            matches!(level, "informational" | "low"),
            "{level}: {}",
            finding["title"]
        );
    }
    let text = stdout(&output(dir.path(), &["analyze", "access.log"]));
    assert!(
        text.contains("203.0.113.13"),
        "observations are in the report:\n{text}"
    );

    // The same through the service: no incident, no message.
    std::fs::write(
        dir.path().join("haetae.yaml"),
        "listen: 127.0.0.1:0\nlanguage: en\nsources:\n  - type: file\n    paths: [access.log]\nnotify:\n  kpi_every: off\n",
    )
    .expect("config");
    let run = output(dir.path(), &["run", "--once"]);
    assert!(run.status.success(), "{}", stderr(&run));
    let incidents = output(dir.path(), &["incident", "list", "--output", "json"]);
    assert_eq!(stdout(&incidents).trim(), "[]");
}

#[test]
fn a_report_over_mixed_logs_agrees_with_the_labels() {
    let dir = tempfile::tempdir().expect("temp dir");
    let site = Site::simulate(dir.path(), "site", &["mixed", "--seed", "9", "--duration", "30m"]);
    let done = output(dir.path(), &["analyze", "--output", "json", "site"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(report["requests"].as_u64(), Some(site.web_events()));
    assert_eq!(
        report["by_dataset"]["vpcflow"]["events"].as_u64(),
        Some(site.flow_events())
    );
    assert_eq!(
        report["bytes_out"].as_u64(),
        Some(site.number("/totals/web/bytes_out"))
    );
    for (class, key) in [('2', "2xx"), ('3', "3xx"), ('4', "4xx"), ('5', "5xx")] {
        assert_eq!(
            report["status"][key].as_u64(),
            Some(site.status_class(class)),
            "{key}"
        );
    }
    assert_all_reported(&site, report["findings"].as_array().expect("findings"));
    for key in [
        "window",
        "unique_ips",
        "error_rate",
        "cache_hit_ratio",
        "avg_time_taken_ms",
        "p95_time_taken_ms",
        "top_paths",
        "top_ips",
        "top_user_agents",
        "top_referrers",
        "top_hosts",
        "timeline",
        "counts",
    ] {
        assert!(report.get(key).is_some_and(|v| !v.is_null()), "{key} is missing");
    }

    let page = dir.path().join("report.html");
    let done = output(dir.path(), &["analyze", "site", "-o", "report.html"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let html = std::fs::read_to_string(page).expect("written");
    assert!(
        html.contains("<svg") && !html.contains("src=\"http") && !html.contains("href=\"http"),
        "self-contained"
    );

    // Detection agrees whether asked for the report or for the findings alone.
    let alone = stdout(&output(dir.path(), &["detect", "site"]));
    assert_eq!(
        alone.lines().count(),
        report["findings"].as_array().expect("findings").len()
    );

    let parsed = output(dir.path(), &["parse", "site"]);
    assert_eq!(stdout(&parsed).lines().count() as u64, site.events());
    assert!(
        stdout(&parsed)
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object()))
    );
}

#[test]
fn a_time_without_a_zone_is_in_the_one_that_was_named() {
    let dir = tempfile::tempdir().expect("temp dir");
    let line = "<13>Mar  1 2026 12:00:00 web1 app: started\n";
    std::fs::write(dir.path().join("host.log"), line).expect("a log");
    for (zone, want) in [
        (None, "2026-03-01T12:00:00Z"),
        (Some("Asia/Seoul"), "2026-03-01T03:00:00Z"),
        (Some("-05:00"), "2026-03-01T17:00:00Z"),
    ] {
        let mut arguments = vec!["parse", "--format", "syslog", "host.log"];
        if let Some(zone) = zone {
            arguments.extend(["--time-zone", zone]);
        }
        let done = output(dir.path(), &arguments);
        let event: Value = serde_json::from_str(stdout(&done).trim()).expect("one event");
        assert_eq!(event["ts"], want, "{zone:?}");
    }
    let wrong = output(dir.path(), &["parse", "host.log", "--time-zone", "Asia/Seol"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("Asia/Seoul"), "{}", stderr(&wrong));
}

#[test]
fn mistakes_have_their_exit_codes_and_fixes() {
    let dir = tempfile::tempdir().expect("temp dir");
    let usage = output(dir.path(), &["analyse"]);
    assert_eq!(usage.status.code(), Some(2));
    std::fs::write(
        dir.path().join("haetae.yaml"),
        "sources:\n  - type: s3\n    buckett: x\n",
    )
    .expect("config");
    let wrong = output(dir.path(), &["run", "--once"]);
    assert_eq!(wrong.status.code(), Some(1));
    let said = stderr(&wrong);
    assert!(
        said.contains("haetae.yaml:3") && said.contains("did you mean `bucket`"),
        "{said}"
    );
    std::fs::remove_file(dir.path().join("haetae.yaml")).expect("removable");
    for (text, part) in [
        ("DROP TABLE events", "SELECT"),
        ("COPY events TO 'x.csv'", "SELECT"),
        ("SELECT * FROM 'x.parquet'", ""),
        ("SELECT statsu FROM web", "status"),
    ] {
        output(dir.path(), &["run", "--once"]);
        let done = output(dir.path(), &["query", text]);
        assert_eq!(done.status.code(), Some(1), "{text}: {}", stdout(&done));
        assert!(stderr(&done).contains(part), "{text}: {}", stderr(&done));
    }
    let schema: Value =
        serde_json::from_str(&stdout(&output(dir.path(), &["config", "schema"]))).expect("JSON");
    assert_eq!(schema["title"], "haetae.yaml");
}
