//! The shared samples and small hand-made records, cell by cell.
//!
//! Intended differences from what the vendors or other products make of the same records:
//! - an address that is masked or malformed (`x.x.x.x`) leaves `src_ip` null with the warning
//!   `bad_address`; the record stays an event, `peer_ip` keeps what was logged;
//! - Elastic's fixtures lower-case methods and add derived fields; the core columns keep what was
//!   logged;
//! - Elastic takes a flow's `end` as its time and keeps `NODATA` rows' traffic under ECS names; here
//!   the time is `start`, as AWS's own Logs Insights has it;
//! - `%b` printed as `-` is 0 bytes, as the Apache manual defines it, not null.

use crate::support::{CLOUDFRONT, COMBINED, FLOWS, JSON, WAF, Whole, read, shared};
use haetae_event::net::ClientIpPolicy;
use haetae_event::{Dataset, Micros};
use haetae_parse::ParseOptions;

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn trusting(block: &str) -> ParseOptions {
    let client_ip = ClientIpPolicy {
        trusted: vec![block.parse().expect("a block")],
        header: None,
    };
    ParseOptions {
        client_ip,
        ..options()
    }
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

#[test]
fn cloudfront_fields() {
    let whole = read(CLOUDFRONT.as_bytes(), &options());
    assert_eq!(whole.dataset, Some(Dataset::CloudFront));
    assert_eq!(
        (whole.counts.events, whole.counts.skipped, whole.counts.rejected),
        (2, 3, 1)
    );
    assert_eq!(
        (whole.codes(), whole.rejects[0].ordinal),
        (vec!["field_count"], 5)
    );
    check(
        &whole,
        0,
        &[
            ("ts", "2019-12-04T21:02:31Z"),
            ("src_ip", "192.0.2.100"),
            ("peer_ip", "192.0.2.100"),
            ("method", "GET"),
            ("uri", "/index.html?a=b%2520c"),
            ("status", "200"),
            ("sc_status", "200"),
            ("ua", "Mozilla/5.0 (한글)"),
            ("bytes_in", "23"),
            ("bytes_out", "392"),
            ("dst_host", "www.example.com"),
            ("time_taken", "0.001"),
            ("blocked", "false"),
            ("request_id", "SOX4xwn4XV6Q4rgb=="),
            ("c_port", "11040"),
            ("cs_referer", "∅"),
            ("cs_uri_query", "a=b%2520c"),
            ("warnings", "∅"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("src_ip", "2001:db8::1"),
            ("peer_ip", "2001:DB8::1"),
            ("uri", "/"),
            ("status", "∅"),
            ("sc_status", "0"),
            ("ua", "∅"),
            ("cs_referer", "https://a.example/?q"),
            ("dst_host", "d1.cloudfront.net"),
            ("time_taken", "∅"),
            ("c_port", "∅"),
        ],
    );
    assert_eq!(whole.ordinals, [2, 3]);
    assert_eq!(
        read(CLOUDFRONT.as_bytes(), &trusting("192.0.2.0/24")).cell(0, "src_ip"),
        "10.0.0.1"
    );
}

#[test]
fn cloudfront_any_header_order() {
    let text = "#Fields: cs-uri-stem time date c-ip sc-status\n/a\t00:00:01\t2026-01-02\t::ffff:192.0.2.1\t403\n#Fields: date time c-ip cs-uri-stem\n2026-01-02\t00:00:02\tx.x.x.x\t/b\n";
    let whole = read(text.as_bytes(), &options());
    assert_eq!((whole.counts.events, whole.counts.skipped), (2, 2));
    check(
        &whole,
        0,
        &[("uri", "/a"), ("src_ip", "192.0.2.1"), ("status", "403")],
    );
    check(
        &whole,
        1,
        &[
            ("uri", "/b"),
            ("src_ip", "∅"),
            ("peer_ip", "x.x.x.x"),
            ("warnings", "bad_address"),
        ],
    );
}

#[test]
fn flow_fields() {
    let whole = read(FLOWS.as_bytes(), &options());
    assert_eq!(
        (whole.counts.events, whole.counts.skipped, whole.counts.rejected),
        (4, 1, 1)
    );
    check(
        &whole,
        0,
        &[
            ("ts", "2014-12-14T04:06:50Z"),
            ("src_ip", "172.31.16.139"),
            ("dst_host", "203.0.113.12"),
            ("bytes_out", "4249"),
            ("bytes_in", "∅"),
            ("blocked", "false"),
            ("account", "123456789010"),
            ("srcport", "20641"),
            ("protocol", "6"),
            ("log_status", "OK"),
        ],
    );
    check(
        &whole,
        1,
        &[("bytes_in", "99"), ("bytes_out", "∅"), ("blocked", "true")],
    );
    check(
        &whole,
        2,
        &[("src_ip", "∅"), ("log_status", "NODATA"), ("blocked", "∅")],
    );
    check(
        &whole,
        3,
        &[
            ("bytes_out", "7"),
            ("flow_direction", "egress"),
            ("version", "5"),
            ("action", "∅"),
        ],
    );
    let custom = ParseOptions {
        flow_format: Some("${srcaddr} ${start} ${bytes}".into()),
        ..options()
    };
    let whole = read(&b"198.51.100.1 1418530010 5\n"[..], &custom);
    check(&whole, 0, &[("src_ip", "198.51.100.1"), ("bytes", "5")]);
}

/// RFC 9110: a method is any token; without a version the line may be any text.
#[test]
fn combined_methods() {
    let request = |request: &str| {
        let line = format!("192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"{request}\" 400 0\n");
        let whole = read(line.as_bytes(), &options());
        [
            whole.cell(0, "method").to_owned(),
            whole.cell(0, "uri").to_owned(),
        ]
    };
    for (line, method, uri) in [
        ("get /etc/passwd HTTP/1.1", "get", "/etc/passwd"),
        ("M-SEARCH * HTTP/1.1", "M-SEARCH", "*"),
        ("x!y /a b HTTP/1.1", "x!y", "/a b"),
        ("GET /old", "GET", "/old"),
        ("hello world", "∅", "∅"),
        ("{a} /b HTTP/1.1", "∅", "∅"),
    ] {
        assert_eq!(request(line), [method, uri], "{line}");
    }
}

#[test]
fn hops_that_proxies_hide_are_hops_and_long_counts_are_whole() {
    let line = |count: &str, hops: &str| {
        format!(r#"192.0.2.1 - - [01/Mar/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 {count} "-" "a" "{hops}""#)
    };
    let text = [
        line("9223372036854775807", "unknown"),
        line("9223372036854775808", "unknown, 203.0.113.9"),
        line("1", "0.015"),
    ]
    .join("\n");
    let whole = read(text.as_bytes(), &trusting("192.0.2.0/24"));
    let want = [
        ("9223372036854775807", "unknown", "192.0.2.1"),
        ("∅", "unknown, 203.0.113.9", "203.0.113.9"),
        ("1", "∅", "192.0.2.1"),
    ];
    for (row, (count, hops, client)) in want.into_iter().enumerate() {
        check(
            &whole,
            row,
            &[
                ("bytes_out", count),
                ("http_x_forwarded_for", hops),
                ("src_ip", client),
            ],
        );
    }
}

#[test]
fn combined_fields() {
    let whole = read(COMBINED.as_bytes(), &trusting("192.0.2.0/24"));
    assert_eq!((whole.counts.events, whole.counts.rejected), (3, 1));
    check(
        &whole,
        0,
        &[
            ("ts", "2000-10-10T20:55:36Z"),
            ("peer_ip", "192.0.2.1"),
            ("src_ip", "10.0.0.1"),
            ("account", "frank"),
            ("method", "GET"),
            ("uri", "/a.gif?x=1"),
            ("protocol", "HTTP/1.0"),
            ("status", "200"),
            ("bytes_out", "2326"),
            ("http_referer", "http://e.example/"),
            ("ua", "Moz \"x\""),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("method", "∅"),
            ("uri", "∅"),
            ("status", "400"),
            ("bytes_out", "0"),
            ("request", "\u{16}\u{3}\u{1}"),
        ],
    );
    check(
        &whole,
        2,
        &[
            ("method", "POST"),
            ("uri", "/b"),
            ("ua", "agent"),
            ("http_referer", "∅"),
        ],
    );
}

#[test]
fn waf_fields() {
    for text in [WAF.to_owned(), format!("{WAF}{WAF}"), format!("[{WAF},\n{WAF}]")] {
        let whole = read(text.as_bytes(), &options());
        assert_eq!(whole.dataset, Some(Dataset::Waf));
        assert_eq!(whole.counts.rejected, 0, "{:?}", whole.rejects);
        assert_eq!(whole.counts.events as usize, text.matches("webaclId").count());
        check(
            &whole,
            0,
            &[
                ("ts", "2019-12-13T23:40:12.771Z"),
                ("src_ip", "192.0.2.7"),
                ("uri", "/x?q=1"),
                ("method", "GET"),
                ("ua", "curl/7"),
                ("dst_host", "h.example"),
                ("blocked", "true"),
                ("rule_id", "SQLi_BODY"),
                ("request_id", "∅"),
                ("terminatingruleid", "group"),
                ("attrs", "{\"new\":{\"k\":[1]}}"),
            ],
        );
    }
}

#[test]
fn json_fields() {
    let arrival = Micros::parse_rfc3339("2026-03-02T00:00:00Z").expect("a time");
    let whole = read(JSON.as_bytes(), &ParseOptions { arrival, ..options() });
    assert_eq!(whole.dataset, Some(Dataset::Web));
    assert_eq!(
        (whole.counts.events, whole.codes()),
        (5, vec!["bad_field", "bad_json"])
    );
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00.5Z"),
            ("src_ip", "192.0.2.9"),
            ("uri", "/p?q=é"),
            ("status", "404"),
            ("bytes_out", "12"),
            (
                "attrs",
                "{\"tenant_id\":\"evil\",\"dataset\":\"x\",\"n\":{\"a\":1}}",
            ),
        ],
    );
    check(
        &whole,
        1,
        &[("ts", "2026-03-01T12:00:00.123Z"), ("uri", "/b"), ("attrs", "∅")],
    );
    check(
        &whole,
        2,
        &[("ts", "2026-03-02T00:00:00Z"), ("warnings", "ts_missing")],
    );
    let app = read(
        &b"{\"ts\":1,\"level\":\"error\",\"msg\":\"boom\",\"size\":3}\n"[..],
        &options(),
    );
    assert_eq!(app.dataset, Some(Dataset::App));
    check(
        &app,
        0,
        &[("level", "error"), ("message", "boom"), ("attrs", "{\"size\":3}")],
    );
}

/// (file, dataset, events, rejected, skipped).
const SAMPLES: &[(&str, Dataset, u64, u64, u64)] = &[
    (
        "aws/cloudfront/aws-log-parser-multiple.log",
        Dataset::CloudFront,
        6,
        0,
        2,
    ),
    (
        "aws/cloudfront/lambda-promtail-v1-27f.log",
        Dataset::CloudFront,
        2,
        0,
        2,
    ),
    (
        "aws/cloudfront/waf-security-automations-19f-noheader.log",
        Dataset::CloudFront,
        414,
        0,
        0,
    ),
    (
        "aws/cloudfront/opensearch-catalog-v1-33f.log",
        Dataset::CloudFront,
        40,
        0,
        2,
    ),
    (
        "aws/elastic-integrations/cloudfront/test-cloudfront.log",
        Dataset::CloudFront,
        12,
        0,
        2,
    ),
    (
        "aws/vpcflow/opensearch-catalog-v2.log",
        Dataset::VpcFlow,
        22,
        0,
        0,
    ),
    (
        "aws/vpcflow/lambda-promtail-v2-header.log",
        Dataset::VpcFlow,
        3,
        0,
        1,
    ),
    ("aws/vpcflow/ocsf-vpcflow.raw.log", Dataset::VpcFlow, 1, 0, 1),
    (
        "aws/vpcflow/aws-guide-record-examples.log",
        Dataset::VpcFlow,
        27,
        1,
        4,
    ),
    (
        "aws/elastic-integrations/vpcflow/test-extra-samples.log",
        Dataset::VpcFlow,
        7,
        0,
        0,
    ),
    (
        "aws/elastic-integrations/vpcflow/test-tcp-flag-sequence.log",
        Dataset::VpcFlow,
        3,
        0,
        3,
    ),
    (
        "aws/elastic-integrations/vpcflow/test-v5-all-fields.log",
        Dataset::VpcFlow,
        1,
        0,
        0,
    ),
    (
        "aws/elastic-integrations/vpcflow/test-v8-samples.log",
        Dataset::VpcFlow,
        1,
        0,
        0,
    ),
    (
        "aws/waf/waf-security-automations-waf.jsonl",
        Dataset::Waf,
        228,
        0,
        0,
    ),
    ("aws/waf/opensearch-catalog-waf.log", Dataset::Waf, 38, 0, 0),
    ("aws/waf/aws-log-parser-waf.json", Dataset::Waf, 1, 0, 0),
    ("aws/waf/ocsf-waf.raw.json", Dataset::Waf, 1, 0, 0),
    (
        "aws/elastic-integrations/waf/test-waf.first2.log",
        Dataset::Waf,
        2,
        0,
        0,
    ),
    ("aws/web/opensearch-catalog-nginx.log", Dataset::Web, 1408, 0, 0),
    ("aws/web/opensearch-catalog-apache.log", Dataset::Web, 1500, 0, 0),
    ("apache_logs_10k/apache_logs.gz", Dataset::Web, 10_000, 0, 0),
    ("scanner_access_log/acunetix.log.gz", Dataset::Web, 6539, 0, 0),
];

#[test]
fn shared_samples_are_counted_right() {
    let mut wrong = Vec::new();
    for &(path, dataset, events, rejected, skipped) in SAMPLES {
        let Some(bytes) = shared(path) else { continue };
        let whole = read(bytes.as_slice(), &options());
        let first = whole.rejects.first().map(|r| r.detail.clone());
        assert_eq!(whole.dataset, Some(dataset), "{path}");
        let got = (whole.counts.events, whole.counts.rejected, whole.counts.skipped);
        if got != (events, rejected, skipped) {
            wrong.push(format!("{path}: {got:?} {first:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn shared_samples_spot_values() {
    if let Some(bytes) = shared("aws/cloudfront/waf-security-automations-19f-noheader.log") {
        let whole = read(bytes.as_slice(), &options());
        check(
            &whole,
            0,
            &[
                ("src_ip", "72.21.196.65"),
                ("uri", "page.html?uri_query"),
                ("x_edge_result_type", "∅"),
                (
                    "ua",
                    "Mozilla/5.0%20(compatible;%20bingbot/2.0;%20+http://www.bing.com/bingbot.htm)",
                ),
            ],
        );
    }
    if let Some(bytes) = shared("aws/vpcflow/ocsf-vpcflow.raw.log") {
        let whole = read(bytes.as_slice(), &options());
        check(
            &whole,
            0,
            &[
                ("src_ip", "1.2.3.4"),
                ("bytes_in", "40"),
                ("blocked", "true"),
                ("az_id", "use1-az1"),
                ("region", "us-east-1"),
                ("ts", "2022-04-12T00:02:12Z"),
                ("tcp_flags", "2"),
            ],
        );
    }
    if let Some(bytes) = shared("scanner_access_log/acunetix.log.gz") {
        let whole = read(bytes.as_slice(), &options());
        check(
            &whole,
            0,
            &[
                ("ts", "2016-12-22T13:30:52Z"),
                ("uri", "/administrator/index.php"),
                ("status", "303"),
                ("http_referer", "http://192.168.4.161/DVWA"),
            ],
        );
        assert!(whole.cell(0, "ua").ends_with("Safari/537.21"));
    }
}

fn fixture(path: &str) -> Option<serde_json::Value> {
    shared(path).map(|bytes| serde_json::from_slice(&bytes).expect("fixtures are JSON"))
}

/// A fixture value as our cells print it; absent is null.
fn expected(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "∅".into(),
        serde_json::Value::String(text) => text.trim_end_matches(".000Z").to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn cloudfront_agrees_with_elastic() {
    let (Some(bytes), Some(fixture)) = (
        shared("aws/elastic-integrations/cloudfront/test-cloudfront.log"),
        fixture("aws/elastic-integrations/cloudfront/test-cloudfront.first6.expected-flat.json"),
    ) else {
        return;
    };
    let whole = read(bytes.as_slice(), &options());
    for (row, want) in fixture.as_array().expect("a list").iter().enumerate() {
        for (theirs, ours) in [
            ("@timestamp", "ts"),
            ("source.ip", "src_ip"),
            ("http.request.bytes", "bytes_in"),
            ("http.response.bytes", "bytes_out"),
            ("http.response.status_code", "status"),
            ("http.request.method", "method"),
            ("user_agent.original", "ua"),
            ("http.request.id", "request_id"),
            ("destination.domain", "dst_host"),
            ("source.port", "c_port"),
            ("network.protocol", "cs_protocol"),
            ("aws.cloudfront.edge_result_type", "x_edge_result_type"),
            ("aws.cloudfront.edge_location", "x_edge_location"),
            ("http.response.body.bytes", "sc_content_len"),
            ("aws.cloudfront.content_type", "sc_content_type"),
        ] {
            let got = whole.cell(row, ours).trim_end_matches('Z');
            let want = expected(&want[theirs]);
            assert_eq!(got, want.trim_end_matches('Z'), "row {row} {ours}");
        }
    }
}

#[test]
fn flows_agree_with_elastic_and_ocsf() {
    if let (Some(bytes), Some(fixture)) = (
        shared("aws/elastic-integrations/vpcflow/test-v8-samples.log"),
        fixture("aws/elastic-integrations/vpcflow/test-v8-samples.log-expected.json"),
    ) {
        let whole = read(bytes.as_slice(), &options());
        let want = &fixture["expected"][0];
        for (pointer, ours) in [
            ("/source/ip", "src_ip"),
            ("/destination/ip", "dst_host"),
            ("/source/port", "srcport"),
            ("/destination/port", "dstport"),
            ("/network/bytes", "bytes_in"),
            ("/network/packets", "packets"),
            ("/network/direction", "flow_direction"),
            ("/event/reason", "rule_id"),
            ("/event/start", "ts"),
            ("/service/name", "ecs_service_name"),
            ("/aws/vpcflow/ecs_task_id", "ecs_task_id"),
            ("/aws/vpcflow/log_status", "log_status"),
            ("/cloud/account/id", "account"),
        ] {
            let want = expected(want.pointer(pointer).expect(pointer));
            assert_eq!(whole.cell(0, ours).trim_end_matches('Z'), want, "{ours}");
        }
    }
    if let (Some(bytes), Some(want)) = (
        shared("aws/vpcflow/ocsf-vpcflow.raw.log"),
        fixture("aws/vpcflow/ocsf-vpcflow.expected-ocsf.json"),
    ) {
        let whole = read(bytes.as_slice(), &options());
        for (pointer, ours) in [
            ("/src_endpoint/ip", "src_ip"),
            ("/src_endpoint/port", "srcport"),
            ("/dst_endpoint/ip", "dst_host"),
            ("/dst_endpoint/port", "dstport"),
            ("/cloud/region", "region"),
            ("/traffic/bytes", "bytes"),
            ("/traffic/packets", "packets"),
        ] {
            if let Some(want) = want.pointer(pointer) {
                assert_eq!(whole.cell(0, ours), expected(want), "{ours}");
            }
        }
    }
}
