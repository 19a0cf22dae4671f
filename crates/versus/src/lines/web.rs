//! Access logs of web servers and content networks.
//!
//! Sources: Apache `mod_log_config`, nginx `ngx_http_log_module`; CloudFront Developer Guide,
//! *Standard log file format*; W3C *Extended Log File Format* and Microsoft's list of IIS fields.

use super::{Draw, dash};
use std::fmt::Write;

pub const CLOUDFRONT_HEADER: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n";
pub const IIS_HEADER: &str = "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken\n";

/// CloudFront standard logs, 33 fields.
pub fn cloudfront(draw: &mut Draw, out: &mut String) {
    let time = draw.stamp("%Y-%m-%d\t%H:%M:%S", 0);
    let (ip, method, path) = (draw.ipv4(), draw.method(), draw.path());
    let agent = draw.agent().replace(' ', "%20");
    let (referer, query) = (dash(draw.referer()), dash(draw.query()));
    let (status, sent, received) = (draw.status(), draw.below(90_000), draw.below(3000));
    let result = draw.of(&["Hit", "Hit", "Miss", "Error"]);
    let (id, a, b, port) = (
        draw.hex(52),
        draw.below(1000),
        draw.below(1000),
        1024 + draw.below(60_000),
    );
    let length = draw.below(80_000);
    let place = draw.below(60);
    let _ = write!(
        out,
        "{time}\tICN{place}-C1\t{sent}\t{ip}\t{method}\td111111abcdef8.cloudfront.net\t{path}\t{status}\t{referer}\t{agent}\t{query}\t-\t{result}\t{id}==\twww.shop.example\thttps\t{received}\t0.{a:03}\t-\tTLSv1.3\tTLS_AES_128_GCM_SHA256\t{result}\tHTTP/2.0\t-\t-\t{port}\t0.{b:03}\t{result}\ttext/html\t{length}\t-\t-"
    );
}

/// Apache `%h %l %u %t "%r" %>s %b`.
pub fn common(draw: &mut Draw, out: &mut String) {
    let host = if draw.odd(6) {
        "host.example".to_owned()
    } else {
        draw.ip()
    };
    let ident = draw.mostly(&["-"], &["frank"]);
    let user = draw.mostly(&["-", "-", "alice"], &["DOMAIN\\\\bob", "u@e.example"]);
    let line = request_line(draw);
    let size = if draw.odd(4) {
        "-".to_owned()
    } else {
        draw.bytes().to_string()
    };
    let (time, status) = (draw.clf(), draw.status());
    let _ = write!(out, "{host} {ident} {user} [{time}] \"{line}\" {status} {size}");
}

fn request_line(draw: &mut Draw) -> String {
    if draw.odd(8) {
        return draw.of(ODD_REQUESTS).to_owned();
    }
    let version = draw.mostly(&["HTTP/1.1", "HTTP/2.0"], &["HTTP/1.0"]);
    format!("{} {} {version}", draw.method(), draw.uri())
}

/// Apache's combined format.
pub fn combined(draw: &mut Draw, out: &mut String) {
    common(draw, out);
    let (referer, agent) = (dash(draw.referer()), draw.agent());
    let agent = if draw.odd(8) {
        "say \\\"hi\\\" \\\\o/".to_owned()
    } else {
        agent
    };
    let _ = write!(out, " \"{referer}\" \"{agent}\"");
}

/// nginx's `main` of its packages: combined and `$http_x_forwarded_for`.
pub fn nginx_main(draw: &mut Draw, out: &mut String) {
    let (ip, time, status, size) = (draw.ip(), draw.clf(), draw.status(), draw.bytes());
    let user = draw.mostly(&["-", "-", "alice"], &["u@e.example"]);
    let line = if draw.odd(8) {
        draw.of(NGINX_REQUESTS).to_owned()
    } else {
        request_line(draw).replace("\\\"", "\\x22")
    };
    let (referer, agent) = (dash(draw.referer()), draw.agent());
    let agent = if draw.odd(8) {
        "say \\x22hi\\x22".to_owned()
    } else {
        agent
    };
    let hops = draw.mostly(
        &["-", "203.0.113.9"],
        &["203.0.113.9, 10.0.0.1", "unknown", "2001:db8::9"],
    );
    let _ = write!(
        out,
        "{ip} - {user} [{time}] \"{line}\" {status} {size} \"{referer}\" \"{agent}\" \"{hops}\""
    );
}

/// What clients send instead of a request, as Apache escapes it.
const ODD_REQUESTS: &[&str] = &[
    "-",
    "\\x16\\x03\\x01\\x02",
    "GET /a\\\"b HTTP/1.1",
    "GET /no-version",
    "get /lower HTTP/1.1",
    "GET /two  spaces HTTP/1.1",
    "GET  HTTP/1.1",
    "OPTIONS * HTTP/1.0",
    "CONNECT e.example:443 HTTP/1.1",
];
/// The same by nginx.
const NGINX_REQUESTS: &[&str] = &[
    "",
    "\\x16\\x03\\x01",
    "GET /a\\x22b\\x5Cc HTTP/1.1",
    "\\x00",
    "GET /\\xED\\x95\\x9C HTTP/1.1",
];

/// nginx with `escape=json`.
pub fn json(draw: &mut Draw, out: &mut String) {
    let mut record = serde_json::json!({
        "time": draw.iso(3),
        "remote_addr": draw.ip(),
        "remote_user": draw.mostly(&["", "alice"], &["\u{d55c}\u{ae00}", "a\"b\\c"]),
        "method": draw.method(),
        "request_uri": draw.uri(),
        "server_protocol": draw.of(&["HTTP/1.1", "HTTP/2.0"]),
        "status": draw.status(),
        "body_bytes_sent": draw.bytes(),
        "request_length": draw.below(3000),
        "request_time": draw.below(60_000) as f64 / 1000.0,
        "host": "www.shop.example",
        "http_referer": draw.referer().unwrap_or_default(),
        "http_user_agent": draw.agent(),
        "request_id": draw.hex(32),
    });
    if draw.odd(4) {
        record["status"] = serde_json::json!("404");
    }
    if draw.odd(4) {
        record["upstream"] =
            serde_json::json!({"addr": ["10.0.0.1:80", "10.0.0.2:80"], "n": [0.25, -1e3, null, true]});
    }
    if draw.odd(4) {
        record["tab\tkey"] = serde_json::json!("\u{1f600}\n\u{7f}");
    }
    let text = record.to_string();
    // The same text, escaped as far as JSON allows.
    out.push_str(&if draw.odd(4) {
        text.replace('/', "\\/").replace("shop", "\\u0073hop")
    } else {
        text
    });
}

/// IIS, its default fields with bytes.
pub fn iis(draw: &mut Draw, out: &mut String) {
    let time = draw.stamp("%Y-%m-%d %H:%M:%S", 0);
    let (ip, method, path, query) = (draw.ipv4(), draw.method(), draw.path(), dash(draw.query()));
    let agent = draw.agent().replace(' ', "+");
    let (referer, status, sent) = (dash(draw.referer()), draw.status(), draw.below(90_000));
    let (received, taken) = (draw.below(3000), draw.below(5000));
    let _ = write!(
        out,
        "{time} 10.0.0.5 {method} {path} {query} 443 - {ip} {agent} {referer} {status} 0 0 {sent} {received} {taken}"
    );
}
