//! A remote reputation service: fast, slow, strict, dead. Rows never wait for it longer than agreed.

use crate::support::reputation::{Reputation, Said};
use crate::support::service::{Service, output, stderr};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

fn configure(dir: &Path, url: &str, flush: &str, more: &str) {
    std::fs::write(dir.join("key"), "X-Api-Key: s3cret-of-the-test\n").expect("key");
    let text = format!(
        "listen: 127.0.0.1:0\nlanguage: en\nflush_interval: {flush}\nnotify:\n  kpi_every: off\n\
         enrich:\n  remote:\n    name: rep\n    url: {url}\n    score: /data/score\n    \
         header_file: key\n{more}"
    );
    std::fs::write(dir.join("haetae.yaml"), text).expect("config");
}

fn lines(rows: &[(&str, &str)]) -> Vec<u8> {
    let now = jiff::Timestamp::now();
    let line = |(address, uri): &(&str, &str)| {
        format!(
            "{{\"ts\":\"{now}\",\"src_ip\":\"{address}\",\"method\":\"GET\",\"uri\":\"{uri}\",\"status\":200}}\n"
        )
    };
    rows.iter().map(line).collect::<String>().into_bytes()
}

fn ingest(service: &Service, rows: &[(&str, &str)]) {
    let reply = service
        .ingest_at("/v1/ingest?dataset=web", &lines(rows), &[])
        .expect("answers");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["accepted"], rows.len());
}

/// Scores by `uri`.
fn scores(service: &Service) -> BTreeMap<String, Option<i64>> {
    let rows = service.sql("SELECT uri, ti_score FROM events");
    let rows = rows.as_array().expect("rows").clone();
    let pair = |row: &serde_json::Value| {
        let uri = row["uri"].as_str().expect("text").to_owned();
        (uri, row["ti_score"].as_i64())
    };
    rows.iter().map(pair).collect()
}

fn wait(service: &Service, what: &str, enough: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !enough() {
        assert!(Instant::now() < end, "{what}:\n{}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Committed files.
fn segments(dir: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let entries = entries.flatten().map(|entry| entry.path());
    entries
        .map(|path| match path.is_dir() {
            true => segments(&path),
            false => usize::from(path.extension().is_some_and(|e| e == "parquet")),
        })
        .sum()
}

#[test]
fn late_scores_reach_rows_before_they_are_committed() {
    let slow = Said::After(Duration::from_millis(900), 80);
    let script = [
        ("203.0.113.5", slow),
        ("203.0.113.7", Said::NotFound),
        ("203.0.113.8", Said::Score(9)),
    ];
    let reputation = Reputation::start(&script, Said::Score(60));
    let dir = tempfile::tempdir().expect("temp dir");
    // The stored address is cut: late scores find their rows all the same.
    configure(dir.path(), &reputation.url(), "6s", "pii:\n  src_ip: truncate\n");
    std::fs::write(
        dir.path().join("once.ndjson"),
        lines(&[("203.0.113.99", "/once")]),
    )
    .expect("file");
    let done = output(dir.path(), &["analyze", "once.ndjson"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(reputation.asked(), [""; 0], "one-shot commands ask nobody");

    let service = Service::start(dir.path(), &[]);
    let tables = dir.path().join("haetae-data/tables");
    ingest(&service, &[("10.0.0.9", "/private"), ("203.0.113.6", "/fast")]);
    // Right after a commit there is the most time to the next.
    wait(&service, "the first commit", || segments(&tables) > 0);
    assert_eq!(
        scores(&service)["/fast"],
        Some(60),
        "within the budget of its batch"
    );
    let before = segments(&tables);
    ingest(
        &service,
        &[
            ("203.0.113.5", "/slow/1"),
            ("192.168.1.1", "/private/2"),
            ("203.0.113.7", "/unknown"),
            ("203.0.113.8", "/fast/2"),
            ("203.0.113.5", "/slow/2"),
        ],
    );
    wait(&service, "hot rows", || scores(&service).contains_key("/slow/2"));
    let hot = scores(&service);
    assert_eq!(segments(&tables), before, "not committed yet");
    assert_eq!((hot["/slow/1"], hot["/slow/2"]), (None, None), "not waited for");
    wait(&service, "the second commit", || segments(&tables) > before);
    ingest(&service, &[("203.0.113.5", "/slow/3")]);
    wait(&service, "later rows", || {
        scores(&service).contains_key("/slow/3")
    });
    let all = scores(&service);
    for uri in ["/slow/1", "/slow/2", "/slow/3"] {
        assert_eq!(all[uri], Some(80), "{uri}");
    }
    assert_eq!(all["/fast/2"], Some(9));
    for uri in ["/private", "/private/2", "/unknown"] {
        assert_eq!(all[uri], None, "{uri}");
    }
    let mut asked = reputation.asked();
    asked.sort();
    assert_eq!(
        asked,
        ["203.0.113.5", "203.0.113.6", "203.0.113.7", "203.0.113.8"]
    );
    let keys: Vec<_> = reputation.requests().into_iter().map(|(.., key)| key).collect();
    assert_eq!(keys, vec![Some("s3cret-of-the-test".to_owned()); 4]);
    let log = service.stop();
    let host = reputation.address.to_string();
    let told = log
        .lines()
        .filter(|l| l.contains("leave this machine") && l.contains(&host));
    assert_eq!(told.count(), 1, "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_service_that_says_wait_is_left_alone_and_redirects_lead_nowhere() {
    let elsewhere = Reputation::start(&[], Said::Score(100));
    let moved = Said::Redirect(format!("http://{}/v1/ip/203.0.113.3", elsewhere.address));
    let script = [("203.0.113.1", Said::RetryAfterS(3)), ("203.0.113.3", moved)];
    let reputation = Reputation::start(&script, Said::Score(60));
    let dir = tempfile::tempdir().expect("temp dir");
    configure(dir.path(), &reputation.url(), "500ms", "");
    let service = Service::start(dir.path(), &[]);
    ingest(&service, &[("203.0.113.1", "/a")]);
    wait(&service, "the 429", || service.log().contains("HTTP 429"));
    ingest(&service, &[("203.0.113.2", "/b"), ("203.0.113.1", "/c")]);
    wait(&service, "rows meanwhile", || scores(&service).contains_key("/c"));
    let end = reputation.requests()[0].1 + Duration::from_millis(2_900);
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    assert_eq!(reputation.asked(), ["203.0.113.1"], "asked during the wait");
    std::thread::sleep(Duration::from_millis(300));
    ingest(&service, &[("203.0.113.3", "/d"), ("203.0.113.4", "/e")]);
    wait(&service, "asked again", || reputation.asked().len() == 3);
    // At the configured pace the second answer comes after the budget of its batch.
    ingest(&service, &[("203.0.113.4", "/f")]);
    wait(&service, "rows after", || scores(&service).contains_key("/f"));
    let all = scores(&service);
    assert_eq!((all["/a"], all["/b"], all["/d"]), (None, None, None));
    assert_eq!(all["/f"], Some(60));
    assert_eq!(elsewhere.asked(), [""; 0], "a redirect was followed");
    let log = service.stop();
    assert!(log.contains("HTTP 429; asked again in 3 s"), "{log}");
    assert_eq!(
        log.matches("rows go on without its score").count(),
        1,
        "once a minute: {log}"
    );
}

/// Requests that nobody ever answers, and many small batches of new addresses.
#[test]
fn a_silent_service_does_not_stop_ingest() {
    let reputation = Reputation::start(&[], Said::Silence);
    let dir = tempfile::tempdir().expect("temp dir");
    configure(dir.path(), &reputation.url(), "500ms", "");
    let service = Service::start(dir.path(), &[]);
    let batches: u8 = 200;
    let start = Instant::now();
    for n in 0..batches {
        ingest(&service, &[(&format!("203.0.113.{n}"), &format!("/{n}"))]);
    }
    wait(&service, "all rows", || {
        scores(&service).len() == usize::from(batches)
    });
    let took = start.elapsed();
    eprintln!("{batches} batches beside a silent service: {took:?}");
    // 50 ms each would be 10 s.
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(scores(&service).values().all(Option::is_none));
    assert!(!reputation.asked().is_empty());
    let log = service.stop();
    assert!(log.contains("events 200"), "{log}");
}

#[test]
fn a_dead_service_is_told_once_and_rows_go_on() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback binds");
    let address = gone.local_addr().expect("bound");
    drop(gone);
    let dir = tempfile::tempdir().expect("temp dir");
    configure(
        dir.path(),
        &format!("http://{address}/{{ip}}"),
        "500ms",
        "    requests_per_s: 100\n",
    );
    let service = Service::start(dir.path(), &[]);
    let addresses: Vec<String> = (0..250).map(|n| format!("203.0.113.{n}")).collect();
    let rows: Vec<(&str, &str)> = addresses.iter().map(|a| (a.as_str(), a.as_str())).collect();
    ingest(&service, &rows);
    ingest(&service, &rows);
    wait(&service, "all rows", || scores(&service).len() == rows.len());
    wait(&service, "the line", || service.log().contains("cannot connect"));
    let log = service.stop();
    assert!(log.contains("events 500"), "{log}");
    assert_eq!(log.matches("cannot connect").count(), 1, "{log}");
}
