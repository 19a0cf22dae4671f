//! Access records that keep the request in an object of its own, as Caddy writes them:
//! `{"ts":…,"request":{"remote_ip":…,"method":…,"host":…,"uri":…,"headers":{"User-Agent":["…"]}},"status":401}`.
//!
//! What is here: the members of that object and its headers beside the record's own, so that they are
//! known by the same names. What is not here: which names mean something; that is [`crate::json_keys`]'s.
//!
//! Source: Caddy documentation, *How Logging Works* and *log (Caddyfile directive)*.

use crate::json_scan::{Kind, Member, Scanner, Value};
use crate::options::Limits;

/// Headers that fill columns.
const HEADERS: [&str; 3] = ["User-Agent", "Referer", "X-Forwarded-For"];

/// The record's members and behind them those of its object `request`; `None` when it has none.
pub fn spread(text: &str, members: &[Member], limits: &Limits) -> Option<Vec<Member>> {
    let request = members
        .iter()
        .rfind(|member| &text[member.key.span.clone()] == "request" && member.value.kind == Kind::Object)?;
    let mut all = members.to_vec();
    let asked = read(text, &request.value, limits)?;
    let is_headers =
        |member: &&Member| &text[member.key.span.clone()] == "headers" && member.value.kind == Kind::Object;
    let headers = asked.iter().rfind(is_headers).map(|member| member.value.clone());
    all.extend(asked);
    if let Some(headers) = headers {
        let sent = read(text, &headers, limits)?.into_iter();
        all.extend(sent.filter_map(|header| first_value(text, header, limits)));
    }
    Some(all)
}

/// The members of an object that lies in `text`; `None` when it is cut.
fn read(text: &str, object: &Value, limits: &Limits) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    let mut scanner = Scanner::new(
        text,
        object.span.start,
        limits.json_depth_max,
        limits.json_fields_max,
    );
    scanner.object(&mut members).ok()?;
    Some(members)
}

/// A header that is of interest, with the first of its values.
fn first_value(text: &str, header: Member, limits: &Limits) -> Option<Member> {
    let name = &text[header.key.span.clone()];
    HEADERS.iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let value = match header.value.kind {
        Kind::Array => {
            let start = header.value.span.start;
            let mut items = Vec::new();
            Scanner::new(text, start, limits.json_depth_max, limits.json_fields_max)
                .array(&mut items)
                .ok()?;
            items.into_iter().next()?
        }
        _ => header.value,
    };
    matches!(value.kind, Kind::Str { .. }).then_some(Member {
        key: header.key,
        value,
    })
}
