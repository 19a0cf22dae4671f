//! Lines of devices and programs.
//!
//! Sources: RFC 5424, RFC 3164; ArcSight *Common Event Format* implementation standard; logfmt as
//! the Go programs of Heroku write it.

use super::Draw;
use std::fmt::Write;

/// RFC 5424.
pub fn rfc5424(draw: &mut Draw, out: &mut String) {
    let priority = if draw.odd(3) { draw.below(192) } else { 86 };
    let time = if draw.odd(8) { "-".to_owned() } else { draw.iso(3) };
    let host = draw.mostly(
        &["web-1.shop.example", "web-2"],
        &["-", "192.0.2.1", "2001:db8::1"],
    );
    let app = draw.mostly(&["sshd", "shop"], &["-", "a/b"]);
    let process = draw.below(60_000).to_string();
    let process = draw.mostly(&[process.as_str()], &["-", "main"]).to_owned();
    let id = draw.mostly(&["-", "ID47"], &["TCPIN"]);
    let data = draw.mostly(
        &["-", "[request@32473 id=\"7\" user=\"alice\"]"],
        &[
            "[a@1 x=\"q\\\"uote\" y=\"b\\]racket\"][b@1]",
            "[timeQuality tzKnown=\"1\" isSynced=\"0\"]",
            "[a@1 e=\"\"]",
        ],
    );
    let _ = write!(out, "<{priority}>1 {time} {host} {app} {process} {id} {data}");
    message(draw, out);
}

fn message(draw: &mut Draw, out: &mut String) {
    let (ip, port) = (draw.ipv4(), 1024 + draw.below(60_000));
    if draw.odd(6) {
        out.push_str(draw.of(&[
            "",
            " [x] not data",
            " \u{d55c}\u{ae00}",
            "  two spaces",
            " - dash",
            " k=v: w",
        ]));
        return;
    }
    let _ = write!(
        out,
        " Failed password for invalid user admin{} from {ip} port {port} ssh2",
        draw.below(90)
    );
}

/// RFC 3164.
pub fn rfc3164(draw: &mut Draw, out: &mut String) {
    let priority = if draw.odd(3) { draw.below(192) } else { 38 };
    let time = draw.stamp("%b %e %H:%M:%S", 0);
    let host = draw.mostly(&["web-1", "gw"], &["192.0.2.1", "a.b.example"]);
    let process = 1 + draw.below(60_000);
    let tag = draw.mostly(&["sshd"], &["CRON", "postfix/smtpd", "my-app"]);
    let _ = write!(out, "<{priority}>{time} {host} {tag}");
    if !draw.odd(4) {
        let _ = write!(out, "[{process}]");
    }
    out.push(':');
    message(draw, out);
}

/// Common Event Format.
pub fn cef(draw: &mut Draw, out: &mut String) {
    let (vendor, name) = (
        draw.mostly(&["Fortinet", "Imperva Inc."], &["a\\|b", "back\\\\slash"]),
        draw.mostly(
            &["traffic:forward accept", "SQL injection"],
            &["one \\| two", "\u{d55c}\u{ae00}"],
        ),
    );
    let severity = draw.mostly(&["3", "7", "10"], &["Low", "Very-High", "Unknown"]);
    let (from, to) = (draw.ip(), draw.ipv4());
    let (port, bytes) = (1024 + draw.below(60_000), draw.below(90_000));
    let _ = write!(
        out,
        "CEF:0|{vendor}|Fortigate|v7.2.{}|{}|{name}|{severity}|",
        draw.below(9),
        draw.below(9000)
    );
    let _ = write!(
        out,
        "src={from} spt={port} dst={to} dpt=443 proto=TCP act={}",
        draw.of(&["accept", "deny", "blocked"])
    );
    let (now, sent) = (draw.now_ms, draw.bytes());
    let _ = write!(out, " rt={now} in={bytes} out={sent}");
    let path = draw.path();
    let _ = write!(
        out,
        " request=https://www.shop.example{path} requestMethod={}",
        draw.method()
    );
    let message = draw.mostly(
        &["request from a client", "policy 7 matched"],
        &[
            "a\\=b",
            "line\\nbreak",
            "back\\\\slash",
            "a | pipe",
            "trailing ",
            "two  spaces",
        ],
    );
    let label = draw.mostly(&["policy"], &["Policy Name", "\u{d55c}\u{ae00}"]);
    let _ = write!(
        out,
        " cs1Label={label} cs1=web cn1Label=hits cn1={} msg={message}",
        draw.below(90)
    );
    if draw.odd(4) {
        out.push_str(" externalId=7");
    }
}

/// logfmt.
pub fn logfmt(draw: &mut Draw, out: &mut String) {
    let (time, level) = (draw.iso(3), draw.of(&["info", "info", "warn", "error"]));
    let (method, path) = (draw.method(), draw.uri());
    let path = if path.contains(['=', '"', ' ']) {
        format!("\"{path}\"")
    } else {
        path
    };
    let (ip, id, status, taken) = (draw.ipv4(), draw.hex(32), draw.status(), draw.below(900));
    let message = draw.mostly(
        &["\"request completed\"", "done"],
        &[
            "\"say \\\"hi\\\"\"",
            "\"a=b c=d\"",
            "\"\"",
            "\"tab\\tnew\\nline\"",
            "\"back\\\\slash\"",
            "\u{d55c}\u{ae00}",
        ],
    );
    let _ = write!(
        out,
        "time={time} level={level} msg={message} method={method} path={path} remote_addr={ip} status={status} duration={taken}ms request_id={id} bytes={}",
        draw.below(90_000)
    );
    if draw.odd(4) {
        out.push_str(draw.of(&[" debug", " empty=", " q=1.5e3", " k.with-dash_1=v", " 'single'=x"]));
    }
}
