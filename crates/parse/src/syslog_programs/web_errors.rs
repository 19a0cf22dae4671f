//! Error logs of nginx and Apache, out of syslog or of their own files.

use super::{FAILURE, Said, Service, WEB, address_after_last, until};
use std::ops::Range;

/// nginx: `PID#TID: *N TEXT, client: ADDRESS, server: …, request: "…", host: "…"`.
pub fn nginx(message: &str) -> Option<Said> {
    let client = message.rfind(", client: ");
    let text = &message[..client.unwrap_or(message.len())];
    let mut said = if text.contains(" was not found in \"") || text.contains(": password mismatch") {
        Said {
            account: quoted_after(text, "user \""),
            ..Said::login(FAILURE, "http")
        }
    } else if text.contains(" client login failed: ") {
        // The mail proxy: `client login failed: "…" while in http auth state, client: …, login: "NAME"`.
        Said {
            account: quoted_after(message, ", login: \""),
            ..Said::login(FAILURE, mail_service(message))
        }
    } else if text.contains("limiting requests, excess") || text.contains("limiting connections by zone") {
        Said::of(WEB, "request_limit", Some(FAILURE))
    } else if text.contains("ModSecurity: ") {
        modsecurity(text)
    } else if text.contains("NAXSI_FMT: ") {
        let refused = text.contains("&block=1") || text.contains("&learning=0");
        Said {
            service: Some(Service::Known("http")),
            ..Said::of(
                WEB,
                if refused { "waf_hit" } else { "waf_warning" },
                Some(FAILURE),
            )
        }
    } else if text.contains("access forbidden by rule") {
        Said::of(WEB, "forbidden", Some(FAILURE))
    } else {
        Said::of(WEB, "error", None)
    };
    said.address = client.and_then(|at| super::address_at(message, at + ", client: ".len()));
    said.request = request(message);
    said.target = message
        .rfind(", host: \"")
        .and_then(|at| until(message, at + ", host: \"".len(), &['"']));
    Some(said)
}

/// Apache: `[client ADDRESS:PORT] AH01618: user NAME not found: PATH`.
pub fn apache(message: &str) -> Option<Said> {
    let account = |mark: &str| {
        let at = message.find(mark)? + mark.len();
        until(message, at, &[' ', ':', ','])
    };
    // AH01617 mismatch, AH01618 not found, AH01790 and AH01794 the same of digest authentication.
    let login = ["AH01617", "AH01618", "AH01790", "AH01794"]
        .iter()
        .any(|id| message.contains(id))
        || message.contains(": user ") && message.contains(" not found:")
        || message.contains("authentication failure for \"");
    let mut said = if login {
        Said {
            account: account("user ").filter(|span| !message[span.clone()].is_empty()),
            ..Said::login(FAILURE, "http")
        }
    } else if message.contains("ModSecurity: ") {
        modsecurity(message)
    } else if message.contains("client denied by server configuration") {
        Said::of(WEB, "forbidden", Some(FAILURE))
    } else if (message.contains("AH00126") || message.contains("AH10244")) && climbs(message) {
        Said {
            request: invalid_request(message),
            ..Said::of(WEB, "invalid_uri", Some(FAILURE))
        }
    } else {
        Said::of(WEB, "error", None)
    };
    said.address = client(message);
    Some(said)
}

/// The protocol of nginx's mail proxy, by the port of `server: ADDRESS:PORT`.
fn mail_service(message: &str) -> &'static str {
    let port = message
        .rfind(", server: ")
        .and_then(|at| until(message, at + ", server: ".len(), &[',']))
        .and_then(|server| message[server].rsplit_once(':').map(|(_, port)| port));
    match port {
        Some("25" | "465" | "587" | "2525") => "smtp",
        _ => "imap",
    }
}

/// Whether a refused path has dots, however encoded, that lead out of the root.
fn climbs(message: &str) -> bool {
    const DOTS: [&str; 5] = ["../", ".%2e", "%2e.", "%2e%2e", "%%32%65"];
    let lower = message.to_ascii_lowercase();
    DOTS.iter().any(|dots| lower.contains(dots))
}

/// `AH00126: Invalid URI in request GET /…/etc/passwd HTTP/1.1`; AH10244 names no method.
fn invalid_request(message: &str) -> Option<[Range<usize>; 2]> {
    let at = message.find("Invalid URI in request ")? + "Invalid URI in request ".len();
    let method = until(message, at, &[' '])?;
    let uri = until(message, method.end + 1, &[' '])?;
    Some([method, uri])
}

/// `[client ADDRESS:PORT]`; the port stands behind v6 addresses without brackets too.
fn client(message: &str) -> Option<Range<usize>> {
    let at = message.find("[client ")? + "[client ".len();
    let word = until(message, at, &[']', ' '])?;
    if let Some((host, _)) = message[word.clone()].rsplit_once(':')
        && super::is_address(host)
    {
        return Some(at..at + host.len());
    }
    super::address_at(message, at)
}

/// LiteSpeed's WebAdmin: `Failed Login Attempt - username:NAME ip:ADDRESS url:`.
pub fn litespeed(message: &str) -> Option<Said> {
    let at = message.find("Failed Login Attempt - username:")? + "Failed Login Attempt - username:".len();
    Some(Said {
        account: message
            .rfind(" ip:")
            .and_then(|end| (end > at).then_some(at..end)),
        address: address_after_last(message, " ip:"),
        ..Said::login(FAILURE, "http")
    })
}

/// `ModSecurity: Warning. … [severity "CRITICAL"]` and `ModSecurity: Access denied …`. Severities
/// are the names or numbers of syslog's; warnings of a rule set score, critical ones are attacks.
fn modsecurity(text: &str) -> Said {
    let severe = [
        "[severity \"CRITICAL\"]",
        "[severity \"2\"]",
        "[severity \"ALERT\"]",
        "[severity \"1\"]",
        "[severity \"EMERGENCY\"]",
        "[severity \"0\"]",
    ]
    .iter()
    .any(|severity| text.contains(severity));
    let action = if severe || text.contains("ModSecurity: Access denied") {
        "waf_hit"
    } else {
        "waf_warning"
    };
    Said {
        service: Some(Service::Known("http")),
        ..Said::of(WEB, action, Some(FAILURE))
    }
}

fn quoted_after(text: &str, mark: &str) -> Option<Range<usize>> {
    let at = text.find(mark)? + mark.len();
    until(text, at, &['"'])
}

/// Method and URI of `request: "GET / HTTP/1.1"`.
fn request(message: &str) -> Option<[Range<usize>; 2]> {
    let at = message.rfind(", request: \"")? + ", request: \"".len();
    let method = until(message, at, &[' ', '"'])?;
    let uri = until(message, method.end + 1, &[' ', '"'])?;
    Some([method, uri])
}
