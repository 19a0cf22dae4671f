//! Hostile and broken input: each gives a counted reject or a warning; the rest goes on.

use crate::support::service::{Service, output, sql, stderr, stdout};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn combined(n: usize) -> String {
    (0..n)
        .map(|i| {
            format!(
                "198.51.100.{} - - [10/Nov/2026:10:{:02}:{:02} +0900] \"GET /p/{i} HTTP/1.1\" 200 12 \"-\" \"Mozilla/5.0\"\n",
                i % 200,
                i / 60 % 60,
                i % 60
            )
        })
        .collect()
}

fn analyze(dir: &Path, inputs: &[&str]) -> Value {
    let mut arguments = vec!["analyze", "--output", "json"];
    arguments.extend_from_slice(inputs);
    let done = output(dir, &arguments);
    assert!(done.status.success(), "{}", stderr(&done));
    serde_json::from_slice(&done.stdout).expect("JSON")
}

fn counts(report: &Value) -> (u64, u64, u64, u64) {
    let n = |key: &str| {
        report["counts"][key]
            .as_u64()
            .unwrap_or_else(|| panic!("counts.{key}"))
    };
    let all = n("events") + n("rejected") + n("duplicates") + n("sampled_out") + n("skipped");
    assert_eq!(n("lines_in"), all, "the conservation law: {}", report["counts"]);
    (n("lines_in"), n("events"), n("rejected"), n("skipped"))
}

#[test]
fn every_kind_of_bad_input_is_counted_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().expect("temp dir");
    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("writable");
    put("good.log", combined(50).as_bytes());
    let packed = gzip(combined(2000).as_bytes());
    put("truncated.gz", &packed[..packed.len() / 2]);
    put(
        "junk.bin",
        &(0..50_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect::<Vec<_>>(),
    );
    let mut long = combined(3).into_bytes();
    long.extend(std::iter::repeat_n(b'x', 10 << 20));
    long.push(b'\n');
    long.extend_from_slice(combined(2).as_bytes());
    put("long.log", &long);
    put("bomb.gz", &gzip(&vec![b'a'; 300 << 20]));
    let mut invalid = combined(2).into_bytes();
    invalid.extend_from_slice(
        b"198.51.100.9 - - [10/Nov/2026:10:00:00 +0900] \"GET /\xff\xfe HTTP/1.1\" 200 1 \"-\" \"x\"\n",
    );
    put("invalid.log", &invalid);
    put("flow.log", b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 40 1762740000 1762740060 ACCEPT OK\n2 1 eni-1 10.0.0.1\n");
    put("empty.log", b"");

    let names = [
        "good.log",
        "truncated.gz",
        "junk.bin",
        "long.log",
        "bomb.gz",
        "invalid.log",
        "flow.log",
        "empty.log",
    ];
    for name in names {
        let report = analyze(dir.path(), &[name]);
        let (lines, events, rejected, _) = counts(&report);
        match name {
            "good.log" => assert_eq!((lines, events, rejected), (50, 50, 0)),
            "truncated.gz" => assert!(
                events > 100 && rejected == 1,
                "{name}: {events} events, {rejected} rejected"
            ),
            "junk.bin" => assert!(events == 0 && (1..10).contains(&rejected), "{name}: {rejected}"),
            "long.log" => assert_eq!((lines, events, rejected), (6, 5, 1), "{name}"),
            "bomb.gz" => assert!(events == 0 && rejected >= 1, "{name}"),
            "invalid.log" => assert_eq!(lines, 3, "{name}"),
            "flow.log" => assert_eq!((lines, events, rejected), (3, 1, 1), "{name}"),
            _ => assert_eq!(lines, 0, "{name}"),
        }
    }
    let all = analyze(dir.path(), &names);
    assert!(counts(&all).1 > 50 + 100 + 5 + 2);

    let missing = output(dir.path(), &["analyze", "nowhere.log"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("nowhere.log"), "{}", stderr(&missing));
}

#[test]
fn hostile_lines_by_http_land_in_the_dlq_with_a_reason() {
    let dir = tempfile::tempdir().expect("temp dir");
    let text = "listen: 127.0.0.1:0\nlanguage: en\nflush_interval: 500ms\nnotify:\n  kpi_every: off\n";
    std::fs::write(dir.path().join("haetae.yaml"), text).expect("config");
    let service = Service::start(dir.path(), &[]);
    let body = concat!(
        "{\"ts\":\"2026-11-10T10:00:00Z\",\"src_ip\":\"198.51.100.1\",\"uri\":\"/a\",\"status\":200,\"tenant_id\":\"../../etc\"}\n",
        "{\"ts\":\"9999999999999999999999\",\"src_ip\":\"198.51.100.1\",\"uri\":\"/b\",\"status\":200}\n",
        "{\"ts\":\"1970-01-01T00:00:00Z\",\"src_ip\":\"198.51.100.1\",\"uri\":\"/c\",\"status\":200}\n",
        "{\"broken\": \n",
        "\u{1b}[2J not json\n",
        "\n",
    );
    let reply = service
        .ingest_at("/v1/ingest?dataset=web", body.as_bytes(), &[])
        .expect("answers");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let verdict = reply.json();
    assert_eq!(verdict["accepted"], 3, "{verdict}");
    let refused: Vec<u64> = verdict["rejected"]
        .as_array()
        .expect("list")
        .iter()
        .filter_map(|r| r["line"].as_u64())
        .collect();
    assert_eq!(refused.len(), 2, "{verdict}");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let rows = service.sql("SELECT uri, tenant_id FROM web ORDER BY uri");
    let uris: Vec<&str> = rows
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|r| r["uri"].as_str())
        .collect();
    assert_eq!(
        uris,
        ["/a", "/c"],
        "the absurd time is rejected, the old one kept: {rows}"
    );
    assert!(
        rows.as_array()
            .expect("rows")
            .iter()
            .all(|r| r["tenant_id"] == "default"),
        "{rows}"
    );
    service.stop();
    assert!(!dir.path().join("etc").exists());
    let list = output(dir.path(), &["dlq", "list", "--output", "json"]);
    let entries: Value = serde_json::from_slice(&list.stdout).expect("JSON");
    let entries = entries.as_array().expect("entries");
    assert_eq!(entries.len(), 3, "{entries:?}");
    for entry in entries {
        let shown = output(dir.path(), &["dlq", "show", &entry["id"].to_string()]);
        assert!(shown.status.success(), "{}", stderr(&shown));
        assert!(
            !stdout(&shown).contains('\u{1b}'),
            "the terminal is not to be driven by a log line"
        );
    }
    let counts = output(dir.path(), &["doctor"]);
    assert!(counts.status.success(), "{}{}", stdout(&counts), stderr(&counts));
    let rows = sql(dir.path(), "SELECT count(*) AS n FROM web");
    assert_eq!(rows[0]["n"], 2);
}
