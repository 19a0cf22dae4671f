//! nginx access logs written with `escape=json`, as people configure them.

use crate::support::{Whole, read};
use haetae_event::Dataset;
use haetae_event::net::ClientIpPolicy;
use haetae_parse::ParseOptions;

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

#[test]
fn everything_is_a_string() {
    let line = r#"{"time_iso8601":"2026-03-01T21:00:00+09:00","remote_addr":"192.0.2.1","remote_user":"","request":"POST /cart/add?id=1&q=\"x\" HTTP/2.0","status":"502","body_bytes_sent":"559","request_length":"1024","request_time":"0.305","http_referer":"","http_user_agent":"Mozilla\/5.0 \\ \u00e9","http_x_forwarded_for":"203.0.113.9, 10.0.0.1","upstream_response_time":"0.1, 0.2","upstream_addr":"10.1.0.1:80, 10.1.0.2:80","http_host":"shop.example","request_id":"abc"}"#;
    let client_ip = ClientIpPolicy {
        trusted: vec![
            "192.0.2.0/24".parse().expect("a block"),
            "10.0.0.0/8".parse().expect("a block"),
        ],
        header: None,
    };
    let whole = read(
        line.as_bytes(),
        &ParseOptions {
            client_ip,
            ..options()
        },
    );
    assert_eq!((whole.dataset, whole.counts.events), (Some(Dataset::Web), 1));
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00Z"),
            ("peer_ip", "192.0.2.1"),
            ("src_ip", "203.0.113.9"),
            ("account", "∅"),
            ("method", "POST"),
            ("uri", "/cart/add?id=1&q=\"x\""),
            ("protocol", "HTTP/2.0"),
            ("request", "POST /cart/add?id=1&q=\"x\" HTTP/2.0"),
            ("status", "502"),
            ("bytes_out", "559"),
            ("bytes_in", "1024"),
            ("request_time", "0.305"),
            ("http_referer", "∅"),
            ("ua", "Mozilla/5.0 \\ é"),
            ("dst_host", "shop.example"),
            ("request_id", "abc"),
            (
                "attrs",
                r#"{"upstream_response_time":"0.1, 0.2","upstream_addr":"10.1.0.1:80, 10.1.0.2:80"}"#,
            ),
            ("warnings", "∅"),
        ],
    );
}

#[test]
fn the_request_is_put_together_from_what_there_is() {
    let lines = [
        // The raw form wins over nginx's decoded one, which stays an attribute.
        r#"{"msec":"1772366400.123","uri":"/a b","request_uri":"/a%20b?x=1","request_method":"GET","args":"x=1","status":200}"#,
        r#"{"msec":"1772366400.123","uri":"/a","args":"x=1","request_method":"GET","status":200}"#,
        r#"{"msec":"1772366400.123","uri":"/a","args":"","request":"GET /a?raw HTTP/1.1","status":200}"#,
        r#"{"msec":"1772366400.123","request_uri":"","uri":"-","request":"GET /from?line HTTP/1.0","status":"200"}"#,
        r#"{"msec":"1772366400.123","request":"\u0016\u0003\u0001","status":"400"}"#,
        r#"{"msec":"1772366400.123","request":"","status":"000","request_time":"-","remote_addr":"-","body_bytes_sent":"-"}"#,
        r#"{"time":"","time_local":"01/Mar/2026:21:00:00 +0900","request":"GET /old","status":408}"#,
    ];
    let whole = read(lines.join("\n").as_bytes(), &options());
    assert_eq!(
        (whole.dataset, whole.counts.events),
        (Some(Dataset::Web), 7),
        "{:?}",
        whole.rejects
    );
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00.123Z"),
            ("uri", "/a%20b?x=1"),
            ("method", "GET"),
        ],
    );
    assert!(whole.cell(0, "attrs").contains("\"uri\":\"/a b\""));
    check(
        &whole,
        1,
        &[
            ("uri", "/a?x=1"),
            ("method", "GET"),
            ("attrs", "{\"args\":\"x=1\"}"),
        ],
    );
    check(
        &whole,
        2,
        &[("uri", "/a"), ("method", "GET"), ("protocol", "HTTP/1.1")],
    );
    check(
        &whole,
        3,
        &[("uri", "/from?line"), ("method", "GET"), ("protocol", "HTTP/1.0")],
    );
    check(
        &whole,
        4,
        &[
            ("uri", "∅"),
            ("method", "∅"),
            ("request", "\u{16}\u{3}\u{1}"),
            ("status", "400"),
        ],
    );
    check(
        &whole,
        5,
        &[
            ("status", "∅"),
            ("request_time", "∅"),
            ("bytes_out", "∅"),
            ("src_ip", "∅"),
            ("warnings", "∅"),
            ("attrs", "∅"),
        ],
    );
    check(
        &whole,
        6,
        &[("ts", "2026-03-01T12:00:00Z"), ("uri", "/old"), ("protocol", "∅")],
    );
}

#[test]
fn an_application_log_with_a_request_is_none() {
    let line = r#"{"ts":1,"request":"refund 12","status":"failed","msg":"GET /x HTTP/1.1"}"#;
    assert_eq!(read(line.as_bytes(), &options()).dataset, Some(Dataset::App));
}

#[test]
fn caddy_keeps_the_request_in_an_object() {
    let lines = [
        r#"{"level":"info","ts":1772366400.123,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.1","remote_port":"54462","client_ip":"192.0.2.1","proto":"HTTP/2.0","method":"POST","host":"shop.example","uri":"/cart?id=1","headers":{"User-Agent":["curl/8.5"],"Accept":["*/*"],"Referer":["https://shop.example/"],"X-Forwarded-For":["203.0.113.9"]},"tls":{"version":772}},"bytes_read":10,"user_id":"kim","duration":0.03,"size":512,"status":401,"resp_headers":{"Server":["Caddy"]}}"#,
        // Without headers, and with one that is no list.
        r#"{"ts":1772366400.5,"request":{"remote_ip":"192.0.2.2","method":"GET","uri":"/"},"status":200}"#,
        r#"{"ts":1772366400.5,"request":{"remote_ip":"192.0.2.3","method":"GET","uri":"/","headers":{"User-Agent":"x","Referer":[]}},"status":200}"#,
    ];
    let client_ip = ClientIpPolicy {
        trusted: vec!["192.0.2.1/32".parse().expect("a block")],
        header: None,
    };
    let whole = read(
        lines.join("\n").as_bytes(),
        &ParseOptions {
            client_ip,
            ..options()
        },
    );
    assert_eq!((whole.dataset, whole.counts.events), (Some(Dataset::Web), 3));
    let first = [
        ("ts", "2026-03-01T12:00:00.123Z"),
        ("peer_ip", "192.0.2.1"),
        ("src_ip", "203.0.113.9"),
        ("account", "kim"),
        ("method", "POST"),
        ("uri", "/cart?id=1"),
        ("protocol", "HTTP/2.0"),
        ("dst_host", "shop.example"),
        ("ua", "curl/8.5"),
        ("http_referer", "https://shop.example/"),
        ("status", "401"),
        ("bytes_out", "512"),
    ];
    check(&whole, 0, &first);
    // Nothing of the record is lost: the object stands among the attributes as it was.
    let attrs = whole.cell(0, "attrs");
    assert!(
        attrs.contains(r#""request":{"remote_ip":"192.0.2.1","remote_port":"54462""#),
        "{attrs}"
    );
    assert_eq!(attrs.matches("remote_port").count(), 1, "{attrs}");
    check(&whole, 1, &[("src_ip", "192.0.2.2"), ("uri", "/"), ("ua", "∅")]);
    check(
        &whole,
        2,
        &[("src_ip", "192.0.2.3"), ("ua", "x"), ("http_referer", "∅")],
    );
}
