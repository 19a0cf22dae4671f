//! Common, combined and nginx's main format.

use crate::compare::{Comparison, Difference, Known, named, renamed, unescape};

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

/// Their method is `\w+`.
fn has_a_method_with_a_hyphen(d: &Difference) -> bool {
    let parts = ["method", "path", "protocol"];
    parts.contains(&d.field.as_str()) && d.theirs.is_none() && d.line.contains("\"M-SEARCH ")
}

fn has_no_version(d: &Difference) -> bool {
    ["method", "path"].contains(&d.field.as_str())
        && d.theirs.is_none()
        && d.line.contains("\"GET /no-version\"")
}

/// Their path ends at the first blank.
fn has_blanks_in_its_path(d: &Difference) -> bool {
    let Some(request) = d.line.split('"').nth(1) else {
        return false;
    };
    let both = (d.ours.as_deref(), d.theirs.as_deref());
    request.split_whitespace().count() > 3
        && match (d.field.as_str(), both) {
            ("path", (Some(ours), Some(theirs))) => ours.starts_with(theirs) && request.contains(ours),
            ("protocol", (Some(ours), Some(theirs))) => theirs.ends_with(ours) && ours.starts_with("HTTP/"),
            _ => false,
        }
}

fn has_no_bytes(d: &Difference) -> bool {
    d.field == "size" && d.ours.as_deref() == Some("0") && d.theirs.is_none()
}

/// Their agent ends at a quote that is escaped.
fn has_quotes_in_its_agent(d: &Difference) -> bool {
    let cut = d.theirs.as_ref().and_then(|theirs| theirs.strip_suffix('\\'));
    let ours = d.ours.as_ref();
    d.field == "agent"
        && cut.is_some_and(|cut| ours.is_some_and(|ours| ours.starts_with(&format!("{cut}\""))))
}

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
        known: &[
            Known {
                key: "common.no-bytes",
                holds: has_no_bytes,
            },
            Known {
                key: "common.method",
                holds: has_a_method_with_a_hyphen,
            },
            Known {
                key: "common.no-version",
                holds: has_no_version,
            },
            Known {
                key: "common.blanks",
                holds: has_blanks_in_its_path,
            },
            Known {
                key: "common.escapes",
                holds: |d| d.is_escaped_by_them(unescape),
            },
        ],
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
        more: &[
            r#"192.0.2.7 - - [01/Mar/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozilla/5.0 (compat"#,
        ],
        shared: &[
            "aws/web/opensearch-catalog-apache.log",
            "aws/web/opensearch-catalog-nginx.log",
            "apache_logs_10k/apache_logs.gz",
        ],
        known: &[
            Known {
                key: "combined.no-bytes",
                holds: has_no_bytes,
            },
            Known {
                key: "combined.method",
                holds: has_a_method_with_a_hyphen,
            },
            Known {
                key: "combined.no-version",
                holds: has_no_version,
            },
            Known {
                key: "combined.blanks",
                holds: has_blanks_in_its_path,
            },
            Known {
                key: "combined.escapes",
                holds: |d| d.is_escaped_by_them(unescape),
            },
            Known {
                key: "combined.truncated",
                holds: |d| d.is_read_by_us_alone() && d.line.matches('"').count() == 5,
            },
            Known {
                key: "combined.agent-quotes",
                holds: has_quotes_in_its_agent,
            },
        ],
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
            key: "nginx.escapes",
            holds: |d| d.is_escaped_by_them(unescape),
        }],
    }
    .run();
}
