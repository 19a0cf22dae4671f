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
    /// Lengths of the patterns' last segments, a bit each, by the letter they begin with: most paths
    /// are told apart by it.
    lasts: [u32; 32],
}

impl PathEnds {
    pub fn new(patterns: &[String]) -> PathEnds {
        let split = |pattern: &String| {
            let segments = pattern.split('/').filter(|segment| !segment.is_empty());
            segments.rev().map(str::to_lowercase).collect::<Vec<_>>()
        };
        let patterns: Vec<_> = patterns.iter().map(split).filter(|p| !p.is_empty()).collect();
        let mut lasts = [0; 32];
        for (letter, length) in patterns.iter().map(|pattern| shape(&pattern[0])) {
            lasts[letter] |= length;
        }
        PathEnds { patterns, lasts }
    }

    /// Whether the path ends with one of the patterns.
    pub fn fit(&self, segments: &Segments<'_>) -> bool {
        let Some((letter, length)) = segments.last.map(shape) else {
            return false;
        };
        self.lasts[letter] & length != 0
            && self.patterns.iter().any(|pattern| {
                let mut own = segments.back();
                let mut wanted = pattern.iter();
                wanted.all(|want| own.next().is_some_and(|has| same(want, has)))
            })
    }
}

/// The letter a segment begins with, whatever its case, and a bit of its length.
fn shape(segment: &str) -> (usize, u32) {
    let letter = segment.as_bytes().first().map_or(0, |first| first & 31);
    (usize::from(letter), 1 << segment.len().min(31))
}

fn same(pattern: &str, segment: &str) -> bool {
    pattern.eq_ignore_ascii_case(segment)
}

/// The segments of a path.
#[derive(Clone, Copy)]
pub struct Segments<'a> {
    /// The path before the last one.
    before: &'a str,
    last: Option<&'a str>,
}

impl<'a> Segments<'a> {
    /// Of a path that is [`normalised`]; the last one without the ending of a script.
    pub fn of(path: &'a str) -> Segments<'a> {
        if path.len() > PATH_BYTES_MAX {
            return Segments::before("");
        }
        let mut segments = Segments::before(path);
        if let Some(last) = segments.last
            && let Some(dot) = memchr::memrchr(b'.', last.as_bytes())
            && dot > 0
            && SCRIPTS
                .iter()
                .any(|ending| ending.eq_ignore_ascii_case(&last[dot..]))
        {
            segments.last = Some(&last[..dot]);
        }
        segments
    }

    /// As they are written.
    fn before(path: &'a str) -> Segments<'a> {
        let path = path.trim_end_matches('/');
        let from = memchr::memrchr(b'/', path.as_bytes()).map_or(0, |at| at + 1);
        Segments {
            before: &path[..from],
            last: Some(&path[from..]).filter(|last| !last.is_empty()),
        }
    }

    /// From the last one to the first.
    fn back(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let before = self.before.rsplit('/').filter(|segment| !segment.is_empty());
        self.last.into_iter().chain(before)
    }

    /// Without the numbers, dates and ids it ends with.
    pub fn without_ids(mut self) -> Segments<'a> {
        while self.last.is_some_and(is_id) {
            self = Segments::before(self.before);
        }
        self
    }

    /// Whether one of them is in a list of lower-case names.
    pub fn any_of(&self, names: &[String]) -> bool {
        self.back()
            .any(|segment| names.iter().any(|name| same(name, segment)))
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
    let bytes = path.as_bytes();
    let odd = |at: usize| matches!(bytes.get(at + 1), Some(b'/' | b'.'));
    let is_odd = memchr::memchr2(b'%', b';', bytes).is_some() || memchr::memchr_iter(b'/', bytes).any(odd);
    if !is_odd || path.len() > PATH_BYTES_MAX {
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
    if path.starts_with('/') {
        return path;
    }
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
        let of = |path| {
            let mut segments: Vec<&str> = Segments::of(path).without_ids().back().collect();
            segments.reverse();
            segments.join("/")
        };
        assert_eq!(of("/a//b/17/2026-01-01/"), "a/b");
        assert_eq!(of("/17/18"), "");
        assert_eq!(of("a.b/4711.php"), "a.b");
        assert_eq!(of("/events/26000100"), "events");
        assert_eq!(of("/pay/8f14e45f-ceea-467f-a9ba-1d2e3f4a5b6c"), "pay");
        assert_eq!(of("/payments/checkout"), "payments/checkout");
        assert_eq!(of("/orders/20260301-ABCD12"), "orders");
    }
}
