//! What one request is, as far as its path, its user agent and its method tell: a page, an
//! asset, a call, a step of a sale; a browser, a library, a declared robot.

use aho_corasick::AhoCorasick;

/// What a request asks for. Steps of a sale are told by words that ticketing and shop systems
/// share; a site without them has pages, calls and assets only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    Page = 0,
    Asset = 1,
    Api = 2,
    Login = 3,
    Queue = 4,
    Seat = 5,
    Pay = 6,
}

impl Kind {
    pub fn of_bits(bits: u8) -> Kind {
        const ALL: [Kind; 7] = [
            Kind::Page,
            Kind::Asset,
            Kind::Api,
            Kind::Login,
            Kind::Queue,
            Kind::Seat,
            Kind::Pay,
        ];
        ALL[usize::from(bits).min(6)]
    }

    /// Steps that a macro is after.
    pub fn of_sale(self) -> bool {
        matches!(self, Kind::Login | Kind::Queue | Kind::Seat | Kind::Pay)
    }
}

/// What the user agent claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    Browser,
    /// Names an HTTP library or a headless browser, or says nothing.
    Library,
    /// A crawler, monitor or link preview that says so: other rules check the claim.
    Declared,
}

const LIBRARIES: [&str; 22] = [
    "python",
    "go-http-client",
    "axios/",
    "curl/",
    "wget/",
    "libwww",
    "java/",
    "apache-httpclient",
    "node-fetch",
    "undici",
    "got (",
    "aiohttp",
    "httpx",
    "headlesschrome",
    "phantomjs",
    "selenium",
    "puppeteer",
    "playwright",
    "scrapy",
    "mechanize",
    "ruby",
    "php/",
];

const DECLARED: [&str; 30] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "yeti/",
    "daumoa",
    "facebookexternalhit",
    "scrap/",
    "mediapartners",
    "bingpreview",
    "healthcheck",
    "health-check",
    "health check",
    "googlehc",
    "kube-probe",
    "uptime",
    "pingdom",
    "statuscake",
    "site24x7",
    "synthetics",
    "nagios",
    "zabbix",
    "prometheus",
    "checkly",
    "monitor",
    "archiver",
    "whatsapp/",
    "telegram",
    "feedfetcher",
    "googleother",
];

/// Reads user agents; one is made per detector.
pub struct Agents {
    libraries: AhoCorasick,
    declared: AhoCorasick,
}

fn words(list: &[&str]) -> AhoCorasick {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(list)
        .expect("short fixed lists compile")
}

impl Agents {
    pub fn new() -> Agents {
        Agents {
            libraries: words(&LIBRARIES),
            declared: words(&DECLARED),
        }
    }

    pub fn of(&self, agent: &str) -> Agent {
        if agent.len() < 3 || self.libraries.is_match(agent) {
            Agent::Library
        } else if self.declared.is_match(agent) {
            Agent::Declared
        } else {
            Agent::Browser
        }
    }
}

/// Whether a path is one that machines look at to see whether the site lives.
pub fn is_health(path: &str) -> bool {
    const PATHS: [&str; 9] = [
        "/health",
        "/healthz",
        "/healthcheck",
        "/livez",
        "/readyz",
        "/ping",
        "/status",
        "/alive",
        "/_health",
    ];
    PATHS.contains(&path.trim_end_matches('/'))
}

/// What a path that is no asset asks for, and whether it is a call rather than a document. Asked
/// of the text of a template, so that paths of one template are of one kind.
pub fn kind_of(path: &str) -> (Kind, bool) {
    let lower = path.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let call = has(&[
        "/api/", "/graphql", "/rest/", ".json", "/rpc", "/ajax", ".do/json", "/v1/", "/v2/",
    ]) || lower.starts_with("/api");
    let kind = if has(&["queue", "waiting", "waitroom", "netfunnel"]) {
        Kind::Queue
    } else if has(&[
        "login", "signin", "sign-in", "/auth", "/session", "oauth", "/token",
    ]) {
        Kind::Login
    } else if has(&["pay", "checkout", "purchase", "billing", "/order", "settle"]) {
        Kind::Pay
    } else if has(&[
        "seat", "reserv", "booking", "/book", "ticket", "/cart", "basket", "/hold",
    ]) {
        Kind::Seat
    } else if call {
        Kind::Api
    } else {
        Kind::Page
    };
    (kind, call)
}

const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;

fn fold(hash: u64, byte: u8) -> u64 {
    (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(PRIME)
}

/// Whether a segment stands for any of its kind: it has a digit, and is not a version (`v1`).
fn varies(segment: &[u8], digit: bool) -> bool {
    digit && !(segment.len() <= 3 && segment[0].is_ascii_alphabetic())
}

/// Hashes of a path: of its template (segments with a digit are one and the same) and of the
/// path itself. Each is a pure function of the text.
pub fn template(path: &str) -> (u32, u16) {
    let (mut shape, mut exact) = (PRIME, PRIME);
    let (mut segment, mut digit, mut from) = (0u64, false, 0);
    let bytes = path.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        exact = fold(exact, byte);
        if byte == b'/' {
            shape = fold(
                shape
                    ^ if varies(&bytes[from..at], digit) {
                        1
                    } else {
                        segment
                    },
                b'/',
            );
            (segment, digit, from) = (0, false, at + 1);
        } else {
            digit |= byte.is_ascii_digit();
            segment = fold(segment, byte);
        }
    }
    shape = fold(
        shape ^ if varies(&bytes[from..], digit) { 1 } else { segment },
        b'/',
    );
    // The high bits of a product are the mixed ones; zero means "other templates".
    (((shape >> 32) as u32).max(1), (exact >> 48) as u16)
}

/// The template as people read it: `/events/*/seats`.
pub fn template_text(path: &str) -> String {
    let shown = path.split('/').map(|segment| {
        if varies(
            segment.as_bytes(),
            segment.bytes().any(|byte| byte.is_ascii_digit()),
        ) {
            "*"
        } else {
            segment
        }
    });
    let mut text = shown.collect::<Vec<_>>().join("/");
    if text.len() > 120 {
        let cut = (0..=120).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_numbers_share_a_template_and_not_their_exact_hash() {
        let (a, b) = (
            template("/events/26000137/seats"),
            template("/events/26000174/seats"),
        );
        assert_eq!(a.0, b.0);
        assert_ne!(a.1, b.1);
        assert_ne!(a.0, template("/events/26000137").0);
        assert_eq!(template_text("/events/26000137/seats"), "/events/*/seats");
    }

    #[test]
    fn kinds_and_assets() {
        assert_eq!(kind_of("/api/events/1/seats"), (Kind::Seat, true));
        assert_eq!(kind_of("/events/1/seats"), (Kind::Seat, false));
        assert_eq!(kind_of("/api/queue/status"), (Kind::Queue, true));
        assert_eq!(kind_of("/payment/checkout"), (Kind::Pay, false));
        assert_eq!(kind_of("/genre/musical"), (Kind::Page, false));
        assert_eq!(kind_of("/api/recommendations"), (Kind::Api, true));
    }

    #[test]
    fn agents() {
        let agents = Agents::new();
        assert_eq!(agents.of("python-requests/2.31.0"), Agent::Library);
        assert_eq!(agents.of(""), Agent::Library);
        assert_eq!(
            agents.of("Mozilla/5.0 (compatible; Googlebot/2.1)"),
            Agent::Declared
        );
        assert_eq!(
            agents.of("Mozilla/5.0 (Windows NT 10.0) Chrome/133.0"),
            Agent::Browser
        );
        assert_eq!(agents.of("okhttp/4.12.0"), Agent::Browser, "apps use it");
    }
}
