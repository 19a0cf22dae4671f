//! What a path is for, by its last segments.
//!
//! A pattern is one or more segments (`login`, `oauth/token`). It fits a path that ends with them;
//! endings of scripts (`.php`, `.do`) do not count, nor do numbers and ids at the end where the
//! caller says so (`/payments/4711`). Comparison is by whole segments, so that `/catalogin` is no
//! log-in.
//!
//! Paths are compared as a server reads them ([`normalised`]): `/lo%67in`, `//login` and
//! `/x/../login;jsessionid=1` all lead to the log-in.

use haetae_event::decode;
use std::borrow::Cow;

/// Longer paths are not looked at: servers take no longer request line (nginx and Apache: 8 KiB).
const PATH_BYTES_MAX: usize = 8 * 1_024;

/// Endings that scripts have.
const SCRIPTS: [&str; 9] = [
    ".php", ".do", ".aspx", ".asp", ".jsp", ".json", ".html", ".action", ".cgi",
];

/// One purpose: the ends of paths that serve it.
#[derive(Clone, Debug, Default)]
pub struct PathEnds {
    /// Segments of each pattern, last one first, lower case.
    patterns: Vec<Vec<String>>,
}

impl PathEnds {
    pub fn new(patterns: &[String]) -> PathEnds {
        let split = |pattern: &String| {
            let segments = pattern.split('/').filter(|segment| !segment.is_empty());
            segments.rev().map(str::to_lowercase).collect::<Vec<_>>()
        };
        PathEnds {
            patterns: patterns.iter().map(split).filter(|p| !p.is_empty()).collect(),
        }
    }

    /// Whether the path ends with one of the patterns.
    pub fn fit(&self, segments: &Segments<'_>) -> bool {
        self.patterns.iter().any(|pattern| {
            let own = segments.0.iter().rev();
            pattern.len() <= segments.0.len() && pattern.iter().zip(own).all(|(want, has)| same(want, has))
        })
    }
}

fn same(pattern: &str, segment: &str) -> bool {
    pattern.eq_ignore_ascii_case(segment)
}

/// The segments of a path.
pub struct Segments<'a>(Vec<&'a str>);

impl<'a> Segments<'a> {
    /// Of a path that is [`normalised`]; the last one without the ending of a script.
    pub fn of(path: &'a str) -> Segments<'a> {
        if path.len() > PATH_BYTES_MAX {
            return Segments(Vec::new());
        }
        let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        if let Some(last) = segments.last_mut() {
            let ending = SCRIPTS.iter().find(|ending| {
                last.len() > ending.len()
                    && last.is_char_boundary(last.len() - ending.len())
                    && last[last.len() - ending.len()..].eq_ignore_ascii_case(ending)
            });
            *last = &last[..last.len() - ending.map_or(0, |ending| ending.len())];
        }
        Segments(segments)
    }

    /// Without the numbers, dates and ids it ends with.
    pub fn without_ids(mut self) -> Segments<'a> {
        while self.0.last().is_some_and(|segment| is_id(segment)) {
            self.0.pop();
        }
        self
    }

    /// Whether one of them is in a list of lower-case names.
    pub fn any_of(&self, names: &[String]) -> bool {
        let listed = |segment: &&str| names.iter().any(|name| same(name, segment));
        self.0.iter().any(listed)
    }
}

/// Whether a segment names one thing among many: mostly digits, or long hexadecimal.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    digits * 2 > segment.len() || (hex && segment.len() >= 16) || (digits >= 4 && segment.len() >= 12)
}

/// The path of a URI as a server reads it: one layer of percent-encoding undone, empty and `.`
/// segments left out, `..` followed, parameters of segments (`;jsessionid=…`) cut off.
pub fn normalised(uri: &str) -> Cow<'_, str> {
    let path = path_of(uri);
    let odd = |at: usize, byte: u8| match byte {
        b'%' | b';' => true,
        b'/' => matches!(path.as_bytes().get(at + 1), Some(b'/' | b'.')),
        _ => false,
    };
    if !path.bytes().enumerate().any(|(at, byte)| odd(at, byte)) || path.len() > PATH_BYTES_MAX {
        return Cow::Borrowed(path);
    }
    let decoded = decode::percent(path, false);
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment.split(';').next().unwrap_or(segment) {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    Cow::Owned(format!("/{}", segments.join("/")))
}

/// The path of a URI, as logged: absolute URIs lose their scheme and host.
pub fn path_of(uri: &str) -> &str {
    let path = crate::engine::value::split_uri(uri).0;
    match path.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(patterns: &[&str], uri: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        PathEnds::new(&patterns).fit(&Segments::of(&normalised(uri)))
    }

    #[test]
    fn whole_segments_at_the_end_decide() {
        for uri in [
            "/login",
            "/Login/",
            "/api/auth/login?next=/",
            "/login.php",
            "/member/login.do;jsessionid=1",
            "https://a.example/login",
            "/lo%67in",
            "/%6C%6f%67in?next=%2f",
            "//login",
            "/./login",
            "/x/../login",
            "/login;jsessionid=8/",
            "/a;v=1/login%2ephp",
            &format!("{}login", "/".repeat(2_000)),
        ] {
            assert!(fits(&["login"], uri), "{uri}");
        }
        for uri in [
            "/catalogin",
            "/login/help",
            "/",
            "",
            "/login.css",
            "/loginX.php",
            "/한글.ph",
            "/lo%2567in",
            "/login/..",
            "/%",
        ] {
            assert!(!fits(&["login"], uri), "{uri}");
        }
        assert!(fits(&["oauth/token"], "/v1/oauth/token"));
        assert!(!fits(&["oauth/token"], "/v1/token"));
    }

    #[test]
    fn ids_at_the_end_are_left_out() {
        let of = |path| Segments::of(path).without_ids().0.join("/");
        assert_eq!(of("/events/26000100"), "events");
        assert_eq!(of("/pay/8f14e45f-ceea-467f-a9ba-1d2e3f4a5b6c"), "pay");
        assert_eq!(of("/payments/checkout"), "payments/checkout");
        assert_eq!(of("/orders/20260301-ABCD12"), "orders");
    }
}
