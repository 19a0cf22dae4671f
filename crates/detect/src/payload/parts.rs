//! A request, taken apart into the pieces that are judged each by itself.

use super::body;
use super::verdict::Place;
use std::borrow::Cow;

/// Pieces of one request beyond this many are not read.
pub const PIECES_MAX: usize = 1024;

/// What is known of a request. Access logs have the first four fields at most.
#[derive(Clone, Debug, Default)]
pub struct Parts<'a> {
    /// Request target as written: path and query, or an absolute URI.
    pub uri: &'a str,
    pub agent: Option<&'a str>,
    pub referer: Option<&'a str>,
    pub cookie: Option<&'a str>,
    /// Further headers, by name.
    pub headers: Vec<(&'a str, &'a str)>,
    /// Of the body; without one a body is form data.
    pub content_type: Option<&'a str>,
    pub body: Option<&'a [u8]>,
}

/// Calls `found` with each piece, still encoded.
pub fn pieces(request: &Parts, mut found: impl FnMut(Place, &str)) {
    let mut left = PIECES_MAX;
    let mut found = |place: Place, text: &str| {
        if left > 0 && !text.is_empty() {
            left -= 1;
            found(place, text);
        }
    };
    target(request.uri, &mut found);
    if let Some(agent) = request.agent {
        found(Place::Agent, agent);
    }
    if let Some(referer) = request.referer {
        self::referer(referer, &mut found);
    }
    if let Some(cookie) = request.cookie {
        self::cookie(cookie, &mut found);
    }
    for (name, value) in &request.headers {
        found(Place::HeaderName, name);
        if !is_grammar(name) {
            found(Place::Header, value);
        }
    }
    if let Some(bytes) = request.body {
        body::pieces(request.content_type, bytes, &mut found);
    }
}

/// Headers whose values are lists in a grammar of their own (RFC 9110), full of `;` and `*`.
fn is_grammar(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "cache-control",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Path and query of a request target.
pub fn target(target: &str, found: &mut impl FnMut(Place, &str)) {
    let (path, query) = match memchr::memchr(b'?', target.as_bytes()) {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    };
    found(Place::Path, path);
    if let Some(query) = query {
        form(query, found);
    }
}

/// `name=value&…`, as queries and forms have it.
pub fn form(text: &str, found: &mut impl FnMut(Place, &str)) {
    for pair in text.split('&') {
        match pair.split_once('=') {
            // What does not look like a name is no pair but text with a `=` in it.
            Some((name, value)) if is_name(name) => {
                found(Place::Name, name);
                found(Place::Value, value);
            }
            _ => found(Place::Value, pair),
        }
    }
    // Where `&` was part of the text, no pair shows it.
    if text.contains("&&")
        || text
            .split('&')
            .skip(1)
            .any(|pair| pair.starts_with([' ', '+', '(', '\'']))
    {
        found(Place::Value, text);
    }
}

fn is_name(name: &str) -> bool {
    let name: Cow<str> = haetae_event::decode::percent(name, false);
    name.chars().all(|c| {
        c.is_alphanumeric()
            || matches!(
                c,
                '_' | '-' | '.' | '[' | ']' | '$' | ':' | '/' | '@' | '*' | '\u{FFFD}'
            )
    })
}

fn cookie(text: &str, found: &mut impl FnMut(Place, &str)) {
    for pair in text.split(';') {
        match pair.split_once('=') {
            Some((name, value)) => {
                found(Place::Name, name.trim_start());
                found(Place::Value, value);
            }
            None => found(Place::Value, pair.trim_start()),
        }
    }
    // A quote opened before a `;` makes the pieces one text.
    if text.contains(['\'', '"', '`']) && text.contains(';') {
        found(
            Place::Value,
            text.split_once('=').map_or(text, |(_, value)| value),
        );
    }
}

fn referer(text: &str, found: &mut impl FnMut(Place, &str)) {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    if path.is_empty() {
        return found(Place::Header, text);
    }
    target(path, found);
}
