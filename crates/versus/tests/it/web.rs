//! Common, combined and nginx's main format.

use crate::compare::{Comparison, Known, named, renamed};

/// Our column, their key. Their time is a timestamp, ours `ts`; their numbers are integers, as ours.
const APACHE: &[(&str, &str)] = &[
    ("peer_ip", "host"),
    ("ident", "identity"),
    ("account", "user"),
    ("ts", "timestamp"),
    ("request", "message"),
    ("method", "method"),
    ("uri", "path"),
    ("protocol", "protocol"),
    ("status", "status"),
    ("bytes_out", "size"),
    ("http_referer", "referrer"),
    ("ua", "agent"),
];

/// See [`APACHE`].
const NGINX: &[(&str, &str)] = &[
    ("peer_ip", "remote_addr"),
    ("account", "remote_user"),
    ("ts", "timestamp"),
    ("request", "request"),
    ("status", "status"),
    ("bytes_out", "body_bytes_size"),
    ("http_referer", "http_referer"),
    ("ua", "http_user_agent"),
    ("http_x_forwarded_for", "http_x_forwarded_for"),
];

#[test]
fn common() {
    Comparison {
        name: "common",
        kind: "common",
        format: "combined",
        program: "parse_common_log!(.message)".to_owned(),
        ours: |row| renamed(row, APACHE),
        theirs: |value| named(value, APACHE),
        more: &[],
        shared: &[],
        known: &[],
    }
    .run();
}

#[test]
fn combined() {
    Comparison {
        name: "combined",
        kind: "combined",
        format: "combined",
        program: "parse_apache_log!(.message, format: \"combined\")".to_owned(),
        ours: |row| renamed(row, APACHE),
        theirs: |value| named(value, APACHE),
        more: &[],
        shared: &[
            "aws/web/opensearch-catalog-apache.log",
            "aws/web/opensearch-catalog-nginx.log",
        ],
        known: &[],
    }
    .run();
}

#[test]
fn nginx_main() {
    Comparison {
        name: "nginx",
        kind: "nginx-main",
        format: "combined",
        program: "parse_nginx_log!(.message, format: \"main\")".to_owned(),
        ours: |row| renamed(row, NGINX),
        theirs: |value| named(value, NGINX),
        more: &[],
        shared: &[],
        known: &[Known {
            key: "nginx.todo",
            holds: |_| false,
        }],
    }
    .run();
}
