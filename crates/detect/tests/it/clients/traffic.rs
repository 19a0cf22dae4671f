//! A small ticket site: people, their scripts, offices, crowds, robots and macros.

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_event::{Dataset, EventBatch, TenantId};
use std::sync::Arc;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
/// 2026-03-01T00:00:00Z
pub const START: i64 = 1_772_323_200 * SECOND;

/// xorshift64*
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x517C_C1B7_2722_0A95 | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % sides
    }

    pub fn unit(&mut self) -> f64 {
        self.roll(1 << 30) as f64 / (1u64 << 30) as f64
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// About standard normal.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Log-normal seconds as µs.
    pub fn think(&mut self, median_s: f64, sigma: f64) -> i64 {
        ((median_s * (sigma * self.normal()).exp()).clamp(0.7, 300.0) * 1e6) as i64
    }

    pub fn between(&mut self, low_ms: u64, high_ms: u64) -> i64 {
        ((low_ms + self.roll(high_ms - low_ms)) * 1000) as i64
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub at: i64,
    pub src: String,
    pub method: &'static str,
    pub uri: String,
    pub status: i32,
    pub ua: String,
    pub referer: Option<String>,
    pub session: Option<String>,
}

/// Who asks.
#[derive(Clone)]
pub struct Who {
    pub src: String,
    pub ua: String,
    pub session: Option<String>,
    pub referers: bool,
    /// Share of assets that the cache does not have.
    pub assets: f64,
}

pub const BROWSERS: [&str; 10] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/132.0.0.0 Safari/537.36 Edg/132",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.2 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) Version/18.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-S928N) Chrome/132.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-G991N; wv) Chrome/131.0 Mobile Safari/537.36;KAKAOTALK 2511080",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/132.0.0.0 Whale/4.30.291.11 Safari/537.36",
];

pub fn browser(dice: &mut Dice) -> String {
    BROWSERS[dice.roll(10) as usize].into()
}

/// Requests, and the addresses (or sessions) of those that are scripts after tickets.
#[derive(Clone, Default)]
pub struct World {
    pub asks: Vec<Ask>,
    pub macros: Vec<String>,
    /// Automation that is no macro: nobody may call it one.
    pub monitors: Vec<String>,
}

impl World {
    pub fn ask(&mut self, who: &Who, at: i64, method: &'static str, uri: &str, from: Option<&str>) {
        self.asks.push(Ask {
            at,
            src: who.src.clone(),
            method,
            uri: uri.into(),
            status: 200,
            ua: who.ua.clone(),
            referer: from
                .filter(|_| who.referers)
                .map(|path| format!("https://t.example{path}")),
            session: who.session.clone(),
        });
    }

    /// A page with its calls and assets; returns when it is there.
    pub fn page(&mut self, dice: &mut Dice, who: &Who, at: i64, path: &str, from: Option<&str>) {
        self.ask(who, at, "GET", path, from);
        let mut at = at + dice.between(60, 300);
        if path.starts_with("/events/") {
            self.ask(who, at, "GET", &format!("/api{path}"), Some(path));
        }
        for asset in 0..6 {
            at += dice.between(3, 90);
            if dice.chance(who.assets) {
                self.ask(
                    who,
                    at,
                    "GET",
                    &format!("/static/a{asset}.{:x}.js", asset * 7),
                    Some(path),
                );
            }
        }
    }

    /// One visit of a person: pages, sometimes a queue, sometimes a purchase.
    pub fn visit(&mut self, dice: &mut Dice, who: &Who, start: i64, end: i64) {
        let (mut at, mut from) = (start, None);
        for _ in 0..(3 + dice.roll(12)) {
            if at > end {
                return;
            }
            let show = 26_000_000 + dice.roll(12) * 37;
            let path = match dice.roll(10) {
                0 | 1 => "/".to_owned(),
                2 => "/genre/musical".to_owned(),
                3 => "/search".to_owned(),
                4..8 => format!("/events/{show}"),
                _ => format!("/events/{show}/seats"),
            };
            self.page(dice, who, at, &path, from.as_deref());
            if path.ends_with("/seats") && dice.chance(0.5) {
                // The site's own script asks every three seconds for the queue.
                let stay = dice.think(40.0, 0.7);
                self.polls(dice, who, at + SECOND, (at + stay).min(end), 3.0, &path);
                at += stay;
            }
            at += dice.think(14.0, 0.9);
            from = Some(path);
        }
        if dice.chance(0.3) && at < end - 2 * MINUTE {
            self.buy(dice, who, at);
        }
    }

    fn polls(&mut self, dice: &mut Dice, who: &Who, from: i64, to: i64, every_s: f64, page: &str) {
        let mut at = from;
        while at < to {
            self.ask(who, at, "GET", "/api/queue/status", Some(page));
            at += (every_s * 1e6) as i64 + dice.between(20, 220);
        }
    }

    fn buy(&mut self, dice: &mut Dice, who: &Who, start: i64) {
        let steps = [
            ("GET", "/login"),
            ("POST", "/api/auth/login"),
            ("POST", "/api/reservations"),
            ("GET", "/payment/checkout"),
            ("POST", "/api/payments"),
        ];
        let mut at = start;
        for (method, path) in steps {
            if method == "GET" {
                self.page(dice, who, at, path, Some("/"));
            } else {
                self.ask(who, at, method, path, Some("/payment/checkout"));
            }
            at += dice.think(9.0, 0.6).max(2 * SECOND);
        }
    }
}

/// How a macro keeps its time.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    pub period_s: f64,
    /// Uniform, of the period, either way.
    pub jitter: f64,
    pub skip: f64,
    pub from: i64,
    pub length: i64,
}

impl World {
    /// Asks for seats again and again; every so often grabs and submits at once.
    pub fn poller(&mut self, dice: &mut Dice, who: &Who, timer: Timer, submits: bool) {
        let path = format!("/api/events/{}/seats", 26_000_000 + dice.roll(12) * 37);
        let mut at = timer.from;
        let mut beat = 0;
        while at < timer.from + timer.length {
            if !dice.chance(timer.skip) {
                self.ask(who, at, "GET", &path, Some("/events/1/seats"));
                if submits && beat % 12 == 11 {
                    self.ask(
                        who,
                        at + dice.between(80, 350),
                        "POST",
                        "/api/reservations",
                        Some("/"),
                    );
                }
            }
            beat += 1;
            let swing = 1.0 + timer.jitter * (2.0 * dice.unit() - 1.0);
            at += (timer.period_s * swing * 1e6) as i64;
        }
        self.macros.push(
            who.session
                .clone()
                .filter(|s| s.starts_with("nat"))
                .unwrap_or(who.src.clone()),
        );
    }

    /// Runs the same steps over and over, each a little after the one before.
    pub fn walker(&mut self, dice: &mut Dice, who: &Who, timer: Timer) {
        let mut at = timer.from;
        while at < timer.from + timer.length {
            for (method, path) in [
                ("GET", "/events/26000111"),
                ("GET", "/events/26000111/seats"),
                ("GET", "/api/events/26000111/seats"),
                ("POST", "/api/reservations"),
                ("GET", "/payment/checkout"),
                ("POST", "/api/payments"),
            ] {
                self.ask(who, at, method, path, None);
                at += dice.between(120, 420);
            }
            let swing = 1.0 + timer.jitter * (2.0 * dice.unit() - 1.0);
            at += (timer.period_s * swing * 1e6) as i64;
        }
        self.macros.push(who.src.clone());
    }
}

pub fn person(dice: &mut Dice, src: String, session: &str) -> Who {
    Who {
        src,
        ua: browser(dice),
        session: Some(session.into()),
        referers: !dice.chance(0.03),
        assets: [0.9, 0.6, 0.25, 0.0]
            [[0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3][dice.roll(20) as usize]],
    }
}

pub fn script(dice: &mut Dice, src: String, session: Option<&str>) -> Who {
    let library = dice.chance(0.3);
    Who {
        src,
        ua: if library {
            "python-requests/2.31.0".into()
        } else {
            browser(dice)
        },
        session: session.map(str::to_owned),
        referers: dice.chance(0.4),
        assets: 0.0,
    }
}

/// An hour of a site with everything in it.
pub fn hour(seed: u64) -> World {
    let mut dice = Dice::new(seed);
    let mut world = World::default();
    let end = START + 60 * MINUTE;
    for n in 0..220 {
        let src = format!("121.130.{}.{}", n / 250, n % 250 + 1);
        let who = person(&mut dice, src, &format!("p{n}"));
        let at = START + (dice.unit() * 50.0 * MINUTE as f64) as i64;
        world.visit(&mut dice, &who, at, end);
        if dice.chance(0.08) {
            // Somebody impatient reloads for two minutes.
            let mut at = at + 9 * MINUTE;
            for _ in 0..(15 + dice.roll(25)) {
                world.page(&mut dice, &who, at, "/events/26000037", Some("/"));
                at += dice.think(3.0, 0.5);
            }
        }
    }
    shared(&mut dice, &mut world, end);
    robots(&mut dice, &mut world, end);
    crowd(&mut dice, &mut world, 250);
    scripts(&mut dice, &mut world);
    world.asks.retain(|ask| ask.at < end);
    world.asks.sort_by_key(|ask| ask.at);
    world
}

/// An office and two gateways of a carrier.
fn shared(dice: &mut Dice, world: &mut World, end: i64) {
    for n in 0..50 {
        let mut who = person(dice, "211.234.118.50".into(), &format!("o{n}"));
        who.ua = BROWSERS[dice.roll(3) as usize].into();
        let at = START + (dice.unit() * 50.0 * MINUTE as f64) as i64;
        world.visit(dice, &who, at, end);
    }
    for n in 0..200 {
        let who = person(dice, format!("223.38.1.{}", n % 2 + 1), &format!("c{n}"));
        let at = START + (dice.unit() * 55.0 * MINUTE as f64) as i64;
        world.visit(dice, &who, at, end);
    }
}

fn robots(dice: &mut Dice, world: &mut World, end: i64) {
    let plain = |src: &str, ua: &str| Who {
        src: src.into(),
        ua: ua.into(),
        session: None,
        referers: false,
        assets: 0.0,
    };
    let google = plain(
        "66.249.66.1",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    );
    let probe = plain("15.177.2.41", "Amazon-Route53-Health-Check-Service (ref 3f1c)");
    let hidden = plain("198.18.9.9", "curl/8.5.0");
    let silent = plain("198.18.9.10", BROWSERS[0]);
    let mut at = START;
    let mut beat = 0;
    while at < end {
        let page = format!("/events/{}", 26_000_000 + dice.roll(12) * 37);
        world.ask(&google, at + dice.between(0, 9_000), "GET", &page, None);
        world.ask(&probe, at, "GET", "/", None);
        if beat % 6 == 0 {
            world.ask(&hidden, at, "GET", "/", None);
        }
        if beat % 3 == 0 {
            world.ask(&silent, at + 4 * SECOND, "GET", "/", None);
        }
        at += 10 * SECOND;
        beat += 1;
    }
    world.monitors.extend([hidden.src, silent.src]);
}

/// A sale opens at 40 min: people come within seconds, look, poll and some buy.
pub fn crowd(dice: &mut Dice, world: &mut World, people: u64) {
    let open = START + 40 * MINUTE;
    for n in 0..people {
        let src = if n % 10 < 3 {
            format!("223.38.1.{}", n % 2 + 1)
        } else {
            format!("175.200.{}.{}", n / 250, n % 250 + 1)
        };
        let who = person(dice, src, &format!("s{n}"));
        let before = open - dice.think(60.0, 0.8);
        world.page(dice, &who, before, "/events/26000111", Some("/"));
        let enter = open + dice.think(2.5, 0.8);
        world.page(
            dice,
            &who,
            enter,
            "/events/26000111/seats",
            Some("/events/26000111"),
        );
        let stay = dice.think(90.0, 0.6);
        world.polls(
            dice,
            &who,
            enter + SECOND,
            enter + stay,
            3.0,
            "/events/26000111/seats",
        );
        if dice.chance(0.3) {
            world.buy(dice, &who, enter + stay);
        }
    }
}

fn scripts(dice: &mut Dice, world: &mut World) {
    let from = |dice: &mut Dice| START + (dice.unit() * 30.0 * MINUTE as f64) as i64;
    for n in 0..10u64 {
        let who = script(dice, format!("203.0.113.{}", n + 1), Some(&format!("m{n}")));
        let timer = Timer {
            period_s: 0.8 + 7.0 * dice.unit(),
            jitter: 0.05 + 0.025 * n as f64,
            skip: [0.0, 0.2, 0.4][dice.roll(3) as usize],
            from: from(dice),
            length: 12 * MINUTE,
        };
        world.poller(dice, &who, timer, n % 2 == 0);
    }
    for n in 0..6 {
        let who = script(dice, format!("198.51.100.{}", n + 1), None);
        let timer = Timer {
            period_s: 5.0 + 20.0 * dice.unit(),
            jitter: 0.3,
            skip: 0.0,
            from: from(dice),
            length: 6 * MINUTE,
        };
        world.walker(dice, &who, timer);
    }
    // One of the office's machines.
    let mut inside = script(dice, "211.234.118.50".into(), Some("nat-macro"));
    inside.ua = BROWSERS[0].into();
    let timer = Timer {
        period_s: 2.5,
        jitter: 0.15,
        skip: 0.1,
        from: START + 5 * MINUTE,
        length: 15 * MINUTE,
    };
    world.poller(dice, &inside, timer, true);
}

/// One-second times, of the end of the answer, without sessions: what a content network logs.
pub fn coarse(world: &World, dice: &mut Dice) -> World {
    let mut coarse = world.clone();
    for ask in &mut coarse.asks {
        ask.at = (ask.at + dice.between(20, 260)).div_euclid(SECOND) * SECOND;
        ask.session = None;
    }
    coarse
}

pub fn batch(dataset: Dataset, asks: &[Ask]) -> EventBatch {
    batch_at(dataset, asks, "t.example")
}

/// The same, of another host.
pub fn batch_at(dataset: Dataset, asks: &[Ask], host: &str) -> EventBatch {
    let text = |of: &dyn Fn(&Ask) -> Option<String>| -> ArrayRef {
        Arc::new(asks.iter().map(of).collect::<StringViewArray>())
    };
    let ts: TimestampMicrosecondArray = asks.iter().map(|ask| Some(ask.at)).collect();
    let status: Int32Array = asks.iter().map(|ask| Some(ask.status)).collect();
    let referer = if dataset == Dataset::CloudFront {
        "cs_referer"
    } else {
        "http_referer"
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("src_ip", text(&|ask| Some(ask.src.clone()))),
        ("dst_host", text(&|_| Some(host.into()))),
        ("method", text(&|ask| Some(ask.method.into()))),
        ("uri", text(&|ask| Some(ask.uri.clone()))),
        ("ua", text(&|ask| Some(ask.ua.clone()))),
        ("status", Arc::new(status)),
        ("session_id", text(&|ask| ask.session.clone())),
        (referer, text(&|ask| ask.referer.clone())),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}
