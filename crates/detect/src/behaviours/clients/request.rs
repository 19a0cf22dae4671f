//! What one request is, as far as its path, its user agent and its method tell: a page, an
//! asset, a call, a step of a sale; a browser, a library, a declared robot.

use crate::behaviours::crawlers;
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

    /// Steps of a sale.
    pub fn of_sale(self) -> bool {
        matches!(self, Kind::Login | Kind::Queue | Kind::Seat | Kind::Pay)
    }

    /// Steps that a macro is after; log-in pages are what monitors look at.
    pub fn wanted(self) -> bool {
        matches!(self, Kind::Queue | Kind::Seat | Kind::Pay)
    }
}

/// What the user agent claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    Browser,
    /// Names an HTTP library or a headless browser, or says nothing.
    Library,
    /// Names a crawler whose addresses can be verified: other rules check the claim.
    Declared,
    /// Names itself a crawler, monitor or link preview, as anybody can.
    Claimed,
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

const CLAIMED: [&str; 30] = [
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
    claimed: AhoCorasick,
}

fn words<W: AsRef<[u8]>>(list: &[W]) -> AhoCorasick {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(list)
        .expect("short lists compile")
}

impl Agents {
    pub fn new() -> Agents {
        Agents {
            libraries: words(&LIBRARIES),
            declared: words(&crawlers::verifiable()),
            claimed: words(&CLAIMED),
        }
    }

    pub fn of(&self, agent: &str) -> Agent {
        if agent.len() < 3 || self.libraries.is_match(agent) {
            Agent::Library
        } else if self.declared.is_match(agent) {
            Agent::Declared
        } else if self.claimed.is_match(agent) {
            Agent::Claimed
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
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let call = has(&[
        "/api/", "/graphql", "/rest/", ".json", "/rpc", "/ajax", ".do/json", "/v1/", "/v2/",
    ]) || lower.starts_with("/api");
    let words: Vec<String> = path.split('/').flat_map(words_of).collect();
    let step = STEPS
        .iter()
        .find(|step| words.iter().any(|word| step.is_named(word)));
    let kind = match step {
        Some(step) => step.kind,
        None if call => Kind::Api,
        None => Kind::Page,
    };
    (kind, call)
}

/// How paths name a step of a sale.
struct Step {
    kind: Kind,
    /// Whole words.
    words: &'static [&'static str],
    /// Words that others begin or end with, without a mark between (`memberlogin`, `kakaopay`).
    first: &'static [&'static str],
    last: &'static [&'static str],
}

impl Step {
    fn is_named(&self, word: &str) -> bool {
        self.words.contains(&word)
            || self.first.iter().any(|part| word.starts_with(part))
            || self.last.iter().any(|part| word.ends_with(part))
    }
}

/// Of a path that names several the first. `book` and `hold` begin too many other words.
const STEPS: [Step; 4] = [
    Step {
        kind: Kind::Queue,
        words: &["queues", "waitroom"],
        first: &["queue", "waiting", "waitroom", "netfunnel"],
        last: &["queue", "waitingroom", "netfunnel"],
    },
    Step {
        kind: Kind::Login,
        words: &[
            "auth",
            "authn",
            "oauth",
            "oauth2",
            "authenticate",
            "authorize",
            "session",
            "sessions",
            "token",
            "tokens",
            "logon",
            "signon",
            "sso",
        ],
        first: &["login", "signin"],
        last: &["login", "signin"],
    },
    Step {
        kind: Kind::Pay,
        words: &[
            "order",
            "orders",
            "billing",
            "settle",
            "settlement",
            "settlements",
        ],
        first: &["payment", "checkout", "purchase", "ordersheet", "orderform"],
        last: &["pay", "payment", "payments", "checkout", "purchase"],
    },
    Step {
        kind: Kind::Seat,
        words: &[
            "book",
            "seat",
            "seats",
            "cart",
            "carts",
            "basket",
            "hold",
            "holds",
            "prereserve",
        ],
        first: &[
            "seatmap",
            "seatinfo",
            "seatlist",
            "seatplan",
            "reserve",
            "reservation",
            "booking",
            "ticket",
        ],
        last: &[
            "seat",
            "seats",
            "reservation",
            "reservations",
            "booking",
            "bookings",
            "ticket",
            "tickets",
        ],
    },
];

/// Segments of more words are titles of things, not names of steps.
const SEGMENT_WORDS_MAX: usize = 3;

/// The words of a segment, parted by marks and by capitals, and two of them as one: `sign-in` is
/// `signin`. None of a title.
fn words_of(segment: &str) -> Vec<String> {
    let stem = segment.split('.').next().unwrap_or(segment);
    let mut words: Vec<String> = Vec::new();
    let (mut open, mut small) = (false, false);
    for letter in stem.chars() {
        if !letter.is_alphanumeric() {
            open = false;
            continue;
        }
        if !open || (small && letter.is_uppercase()) {
            words.push(String::new());
        }
        (open, small) = (true, letter.is_lowercase());
        let last = words.last_mut().expect("a word is open");
        last.extend(letter.to_lowercase());
    }
    if words.len() > SEGMENT_WORDS_MAX {
        return Vec::new();
    }
    let pairs: Vec<String> = words.windows(2).map(|pair| pair.concat()).collect();
    words.extend(pairs.into_iter().filter(|pair| JOINED.contains(&pair.as_str())));
    words
}

/// Two words that are a step together.
const JOINED: [&str; 5] = ["signin", "login", "logon", "signon", "waitroom"];

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
    fn steps_are_named_by_words() {
        for path in [
            "/author/kim",
            "/bookmarks",
            "/blogindex",
            "/holdings",
            "/seattle",
            "/display",
            "/payload",
        ] {
            assert_eq!(kind_of(path).0, Kind::Page, "{path}");
        }
        for path in [
            "/news/why-the-ticket-price-rose-again",
            "/books/*",
            "/border-collies",
            "/cartoon",
        ] {
            assert_eq!(kind_of(path).0, Kind::Page, "{path}");
        }
        for path in [
            "/memberLogin.do",
            "/wp-login.php",
            "/sign-in",
            "/api/auth",
            "/userlogin",
            "/oauth2/x",
        ] {
            assert_eq!(kind_of(path).0, Kind::Login, "{path}");
        }
        for path in [
            "/selectSeat",
            "/api/reservations",
            "/book",
            "/addToCart",
            "/ticketing",
            "/seat-map",
        ] {
            assert_eq!(kind_of(path).0, Kind::Seat, "{path}");
        }
        for path in [
            "/kakaopay/ready",
            "/orderList",
            "/checkout",
            "/api/payments",
            "/pay.do",
        ] {
            assert_eq!(kind_of(path).0, Kind::Pay, "{path}");
        }
        for path in [
            "/waiting-room",
            "/api/queue/enter",
            "/waitingQueue",
            "/netfunnel.js.do",
        ] {
            assert_eq!(kind_of(path).0, Kind::Queue, "{path}");
        }
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
        assert_eq!(agents.of("Mozilla/5.0 (compatible; Bytespider)"), Agent::Claimed);
        assert_eq!(agents.of("my-uptime-monitor/1"), Agent::Claimed);
        assert_eq!(
            agents.of("Mozilla/5.0 (Windows NT 10.0) Chrome/133.0"),
            Agent::Browser
        );
        assert_eq!(agents.of("okhttp/4.12.0"), Agent::Browser, "apps use it");
    }
}
