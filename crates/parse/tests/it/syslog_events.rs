//! What messages of known programs say, as columns; error logs of web servers; access logs behind
//! a header of syslog.

use crate::support::{Whole, read_as};
use haetae_event::{Columns, Dataset, Micros};
use haetae_parse::{Format, ParseOptions, sniff};

fn options() -> ParseOptions {
    ParseOptions {
        arrival: Micros::parse_rfc3339("2026-06-01T00:00:00Z").expect("a time"),
        ..ParseOptions::default()
    }
}

fn one(line: &str, format: &str) -> Whole {
    assert_eq!(sniff(line.as_bytes()).map(Format::as_str), Some(format), "{line}");
    let format: Format = format.parse().expect("a format");
    let whole = read_as(line.as_bytes(), Some(format), &options());
    assert_eq!(whole.counts.events, 1, "{line:?} {:?}", whole.rejects);
    whole
}

fn check(format: &str, line: &str, want: &[(&str, &str)]) {
    let whole = one(line, format);
    for (column, value) in want {
        assert_eq!(whole.cell(0, column), *value, "{column} of {line:?}");
    }
}

#[test]
fn a_failed_log_in() {
    check(
        "syslog",
        "Mar  1 12:00:00 web1 sshd[311]: Failed password for invalid user kim from 192.0.2.7 port 4022 ssh2",
        &[
            ("src_ip", "192.0.2.7"),
            ("account", "kim"),
            ("event_category", "authentication"),
            ("event_action", "login"),
            ("event_outcome", "failure"),
            ("event_service", "ssh"),
        ],
    );
}

#[test]
fn a_dropped_packet() {
    check(
        "syslog",
        "Mar  1 12:00:00 web1 kernel: [77.1] [UFW BLOCK] IN=eth0 OUT= MAC=00:11 SRC=192.0.2.7 DST=198.51.100.1 \
         LEN=44 TTL=43 ID=2 PROTO=TCP SPT=40000 DPT=23 WINDOW=1 SYN",
        &[
            ("src_ip", "192.0.2.7"),
            ("dst_host", "198.51.100.1"),
            ("event_category", "network"),
            ("event_action", "drop"),
            ("src_port", "40000"),
            ("dst_port", "23"),
            ("transport", "tcp"),
            ("blocked", "true"),
        ],
    );
}

#[test]
fn error_logs_of_web_servers() {
    check(
        "errorlog",
        "2026/03/01 12:00:00 [error] 31#32: *7 user \"kim\" was not found in \"/etc/x\", client: 192.0.2.7, \
         server: _, request: \"GET /a HTTP/1.1\", host: \"shop.example\"",
        &[
            ("ts", "2026-03-01T12:00:00Z"),
            ("appname", "nginx"),
            ("procid", "31"),
            ("severity", "err"),
            ("src_ip", "192.0.2.7"),
            ("account", "kim"),
            ("uri", "/a"),
            ("dst_host", "shop.example"),
            ("event_outcome", "failure"),
        ],
    );
    check(
        "errorlog",
        "[Sun Mar 01 12:00:00.250000 2026] [auth_basic:error] [pid 10:tid 14] [client 192.0.2.7:50229] \
         AH01618: user kim not found: /",
        &[
            ("ts", "2026-03-01T12:00:00.25Z"),
            ("appname", "apache"),
            ("procid", "10"),
            ("src_ip", "192.0.2.7"),
            ("account", "kim"),
            ("event_action", "login"),
        ],
    );
    check(
        "errorlog",
        "2026-03-01 12:00:00.250000 [NOTICE] [122] [192.0.2.7:45164:HTTP2-41#_AdminVHost] [STDERR] \
         [WebAdmin Console] Failed Login Attempt - username:kim ip:192.0.2.7 url:",
        &[
            ("appname", "litespeed"),
            ("src_ip", "192.0.2.7"),
            ("account", "kim"),
        ],
    );
}

#[test]
fn lines_like_error_logs_that_are_none() {
    for line in [
        "[Sun Mar 01 12:00:00 2026] no level",
        "[info] something",
        "2026/03/01 12:00:00 [error] no process",
        "2026/03/01 12:00:00 [loud] 31#32: *7 x",
        "2026-03-01 12:00:00 [NOTICE] [x] y",
        "[] [] []",
    ] {
        assert_ne!(
            sniff(line.as_bytes()).map(Format::as_str),
            Some("errorlog"),
            "{line}"
        );
    }
}

#[test]
fn access_logs_sent_through_syslog() {
    let access = "192.0.2.7 - - [01/Mar/2026:12:00:00 +0000] \"GET /a: b HTTP/1.1\" 404 5 \"-\" \"curl/8\"";
    for header in [
        "Mar  1 12:00:00 web1 nginx[31]: ",
        "<190>Mar  1 12:00:00 web1 nginx: ",
        "2026-03-01T12:00:00+00:00 web1 nginx[31]: ",
        "",
    ] {
        let line = format!("{header}{access}");
        check(
            "combined",
            &line,
            &[
                ("src_ip", "192.0.2.7"),
                ("method", "GET"),
                ("status", "404"),
                ("ua", "curl/8"),
            ],
        );
    }
    assert_eq!(one(access, "combined").cell(0, "uri"), "/a: b");
}

#[test]
fn columns_that_are_not_wanted_are_not_read() {
    let options = ParseOptions {
        columns: Columns::only(["message"]),
        ..options()
    };
    let line = "Mar  1 12:00:00 web1 sshd[311]: Failed password for kim from 192.0.2.7 port 4022 ssh2";
    let whole = read_as(
        line.as_bytes(),
        Some("syslog".parse().expect("a format")),
        &options,
    );
    assert_eq!(whole.counts.events, 1);
    assert_eq!(
        Format::all()
            .find(|f| f.as_str() == "errorlog")
            .map(Format::dataset),
        Some(Dataset::Syslog)
    );
}
