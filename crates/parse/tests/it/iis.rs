//! IIS and other W3C extended logs, cell by cell.

use crate::support::{Whole, read, read_as};
use haetae_event::net::ClientIpPolicy;
use haetae_event::{Dataset, Micros};
use haetae_parse::{Format, Limits, ParseOptions, sniff};

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn iis() -> Format {
    "iis".parse().expect("a format")
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

const LOG: &str = "#Software: Microsoft Internet Information Services 10.0\r\n\
#Version: 1.0\r\n\
#Date: 2026-03-01 12:00:00\r\n\
#Fields: date time s-sitename s-computername s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs-version cs(User-Agent) cs(Cookie) cs(Referer) cs-host sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken streamid X-Forwarded-For X-Trace\r\n\
2026-03-01 12:00:01 W3SVC1 WEB01 10.0.0.5 POST /shop/cart.aspx id=7&q=a+b 443 CORP\\kim 192.0.2.10 HTTP/2.0 Mozilla/5.0+(compatible;+bot/2.0;++http://b.example/b.htm) sid=1;+x=2 https://e.example/?q=a+b www.example.com 200 0 0 5120 730 15 9 203.0.113.7,+198.51.100.1 t\"1\r\n\
2026-03-01 12:00:02 W3SVC1 WEB01 10.0.0.5 GET /web.config - 80 - 2001:DB8::7 HTTP/1.1 - - - - 404 8 2148074254 - - 0 - - -\r\n\
#Fields: date time c-ip cs-uri-stem sc-status time-taken\r\n\
2026-03-01 12:00:03 192.0.2.11 /short 403 0.250\r\n\
2026-03-01 12:00:04 192.0.2.11\r\n\
2026-03-01 12h 192.0.2.11 /short 403 1\r\n";

#[test]
fn fields() {
    let whole = read(LOG.as_bytes(), &options());
    assert_eq!(whole.dataset, Some(Dataset::Iis));
    assert_eq!((whole.counts.events, whole.counts.skipped), (3, 5));
    assert_eq!(whole.codes(), ["field_count", "bad_field"]);
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:01Z"),
            ("src_ip", "192.0.2.10"),
            ("peer_ip", "192.0.2.10"),
            ("dst_host", "www.example.com"),
            ("method", "POST"),
            ("uri", "/shop/cart.aspx?id=7&q=a+b"),
            ("status", "200"),
            ("account", "CORP\\kim"),
            ("ua", "Mozilla/5.0 (compatible; bot/2.0; +http://b.example/b.htm)"),
            ("cs_referer", "https://e.example/?q=a+b"),
            ("cs_cookie", "sid=1;+x=2"),
            ("bytes_out", "5120"),
            ("bytes_in", "730"),
            ("time_taken", "15"),
            ("s_sitename", "W3SVC1"),
            ("s_computername", "WEB01"),
            ("s_ip", "10.0.0.5"),
            ("s_port", "443"),
            ("cs_version", "HTTP/2.0"),
            ("sc_substatus", "0"),
            ("streamid", "9"),
            ("x_forwarded_for", "203.0.113.7,+198.51.100.1"),
            ("blocked", "false"),
            ("attrs", "{\"X-Trace\":\"t\\\"1\"}"),
            ("warnings", "∅"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("src_ip", "2001:db8::7"),
            // The computer's name is no host a client asked for.
            ("dst_host", "∅"),
            ("account", "∅"),
            ("ua", "∅"),
            ("uri", "/web.config"),
            ("status", "404"),
            ("sc_win32_status", "2148074254"),
            // Request filtering hides the segment.
            ("blocked", "true"),
            ("attrs", "∅"),
        ],
    );
    check(
        &whole,
        2,
        &[
            ("uri", "/short"),
            ("status", "403"),
            ("time_taken", "0.25"),
            ("s_ip", "∅"),
            ("blocked", "∅"),
        ],
    );
    for block_bytes in [1, 64, 333] {
        let limits = Limits {
            block_bytes,
            ..Limits::default()
        };
        let cut = read(LOG.as_bytes(), &ParseOptions { limits, ..options() });
        assert_eq!((cut.rows, cut.counts), (whole.rows.clone(), whole.counts));
    }
}

#[test]
fn clients_behind_proxies() {
    let trusting = |header: Option<&str>| ParseOptions {
        client_ip: ClientIpPolicy {
            trusted: vec!["192.0.2.0/24".parse().expect("a block")],
            header: header.map(str::to_owned),
        },
        ..options()
    };
    let log = |name: &str| {
        format!(
            "#Software: x\n#Fields: date time c-ip cs-method {name}\n2026-03-01 12:00:01 192.0.2.10 GET 203.0.113.7,+198.51.100.1\n"
        )
    };
    for name in ["X-Forwarded-For", "x-forwarded-for", "cs(X-Forwarded-For)"] {
        let whole = read(log(name).as_bytes(), &trusting(None));
        check(
            &whole,
            0,
            &[("src_ip", "198.51.100.1"), ("peer_ip", "192.0.2.10")],
        );
        check(
            &read(log(name).as_bytes(), &options()),
            0,
            &[("src_ip", "192.0.2.10")],
        );
    }
    let whole = read(log("OriginalIP").as_bytes(), &trusting(Some("originalip")));
    check(
        &whole,
        0,
        &[
            ("src_ip", "198.51.100.1"),
            ("attrs", "{\"OriginalIP\":\"203.0.113.7,+198.51.100.1\"}"),
        ],
    );
}

#[test]
fn the_date_line_dates_rows_without_one() {
    let text = "#Software: Microsoft Internet Information Services 5.0\n#Date: 2003-11-18 00:28:33\n#Fields: time c-ip cs-method cs-uri-stem sc-status\n00:28:34 192.0.2.1 GET /a 200\n#Date: 2003-11-19 00:00:00\n00:00:01.5 192.0.2.1 GET /b 200\n";
    let whole = read(text.as_bytes(), &options());
    check(&whole, 0, &[("ts", "2003-11-18T00:28:34Z"), ("warnings", "∅")]);
    check(&whole, 1, &[("ts", "2003-11-19T00:00:01.5Z")]);
    let arrival = Micros::parse_rfc3339("2026-03-02T00:00:00Z").expect("a time");
    let undated = "#Fields: time c-ip cs-username\n00:28:34 192.0.2.1 kim\n";
    let whole = read(undated.as_bytes(), &ParseOptions { arrival, ..options() });
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-02T00:00:00Z"),
            ("account", "kim"),
            ("warnings", "ts_missing"),
        ],
    );
}

#[test]
fn logs_of_others() {
    // The kernel driver's error log.
    let errors = "#Software: Microsoft HTTP API 2.0\n#Version: 1.0\n#Date: 2026-03-01 00:00:00\n#Fields: date time c-ip c-port s-ip s-port cs-version cs-method cs-uri sc-status s-siteid s-reason s-queuename\n2026-03-01 00:00:05 192.0.2.1 50123 10.0.0.5 80 HTTP/1.1 GET /a?b=c 400 - BadRequest -\n2026-03-01 00:00:06 192.0.2.1 50124 10.0.0.5 80 - - - - - Timer_ConnectionIdle -\n";
    let whole = read(errors.as_bytes(), &options());
    assert_eq!(whole.dataset, Some(Dataset::Iis));
    check(
        &whole,
        0,
        &[
            ("uri", "/a?b=c"),
            ("status", "400"),
            ("s_reason", "BadRequest"),
            ("c_port", "50123"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("uri", "∅"),
            ("status", "∅"),
            ("s_reason", "Timer_ConnectionIdle"),
        ],
    );
    // SMTP service, tabs between fields.
    let mail = "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time c-ip cs-username s-computername cs-method cs-uri-query sc-status\n2026-03-01\t00:00:05\t192.0.2.1\tmail.example\tMX1\tMAIL\t+FROM:<a@b.example>\t250\n";
    let whole = read(mail.as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("method", "MAIL"),
            ("account", "mail.example"),
            ("cs_uri_query", "+FROM:<a@b.example>"),
        ],
    );
}

#[test]
fn told_from_cloudfront() {
    let minimal = "#Fields: date time c-ip cs-method cs-uri-stem sc-status\n";
    let row = ["2026-03-01", "00:00:05", "192.0.2.1", "GET", "/a", "200"];
    let head = |before: &str, delimiter: &str| format!("{before}{minimal}{}\n", row.join(delimiter));
    let cloudfront = "cloudfront".parse().expect("a format");
    assert_eq!(sniff(head("", "\t").as_bytes()), Some(cloudfront));
    assert_eq!(sniff(head("", ",").as_bytes()), Some(cloudfront));
    assert_eq!(sniff(head("", " ").as_bytes()), Some(iis()));
    assert_eq!(sniff(head("#Software: IIS\n", "\t").as_bytes()), Some(iis()));
    let edge = "#Version: 1.0\n#Fields: date time s-ip x-edge-location\n2026-03-01 00:00:05 192.0.2.1 ICN1\n";
    assert_eq!(sniff(edge.as_bytes()), Some(cloudfront));
    assert_ne!(sniff(b"#Fields: id name\n1 x\n"), Some(iis()));
}

#[test]
fn rows_before_any_header_are_refused() {
    let text =
        "2026-03-01 00:00:05 192.0.2.1 GET /a 200\n#Fields: date time c-ip\n2026-03-01 00:00:05 192.0.2.1\n";
    let whole = read_as(text.as_bytes(), Some(iis()), &options());
    assert_eq!((whole.counts.events, whole.codes()), (1, vec!["field_count"]));
    let listed = ParseOptions {
        flow_format: Some("date time c-ip cs-method cs-uri-stem sc-status".into()),
        ..options()
    };
    let whole = read_as(text.as_bytes(), Some(iis()), &listed);
    check(&whole, 0, &[("uri", "/a"), ("status", "200")]);
}

#[test]
fn a_space_inside_a_value_is_found_or_refused() {
    let text = "#Software: x\n#Fields: date time c-ip cs-method cs(User-Agent) sc-status\n2026-03-01 00:00:05 192.0.2.1 GET odd agent (a b) 200\n2026-03-01 00:00:05 192.0.2.1 GE T x 200\n";
    let whole = read(text.as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("ua", "odd agent (a b)"),
            ("status", "200"),
            ("warnings", "delimiter_in_value"),
        ],
    );
}
