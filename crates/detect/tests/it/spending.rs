//! A small site with people, crowds and machines, and attacks on its bill.

use crate::batches::{SECOND, START};
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_event::{Dataset, EventBatch, TenantId};
use std::sync::Arc;

pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const MB: u64 = 1_000_000;

/// One request as CloudFront logs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// µs after [`START`].
    pub at: i64,
    pub ip: String,
    pub method: &'static str,
    pub uri: String,
    pub status: i32,
    pub ua: String,
    pub bytes: u64,
    pub result: &'static str,
    pub account: Option<String>,
    pub asn: i64,
    pub range_end: Option<i64>,
}

pub fn batch(hits: &[Hit]) -> EventBatch {
    fn texts<'a>(hits: &'a [Hit], of: impl Fn(&'a Hit) -> Option<&'a str>) -> ArrayRef {
        Arc::new(hits.iter().map(of).collect::<StringViewArray>())
    }
    fn numbers(hits: &[Hit], of: impl Fn(&Hit) -> Option<i64>) -> ArrayRef {
        Arc::new(hits.iter().map(of).collect::<Int64Array>())
    }
    let ts: TimestampMicrosecondArray = hits.iter().map(|hit| Some(START + hit.at)).collect();
    let status: Int32Array = hits.iter().map(|hit| Some(hit.status)).collect();
    let bytes = |hit: &Hit| Some(i64::try_from(hit.bytes).expect("small"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("src_ip", texts(hits, |hit| Some(&hit.ip))),
        ("dst_host", texts(hits, |_| Some("tickets.example"))),
        ("method", texts(hits, |hit| Some(hit.method))),
        ("uri", texts(hits, |hit| Some(&hit.uri))),
        ("status", Arc::new(status)),
        ("ua", texts(hits, |hit| Some(&hit.ua))),
        ("bytes_in", numbers(hits, |_| Some(420))),
        ("bytes_out", numbers(hits, bytes)),
        ("account", texts(hits, |hit| hit.account.as_deref())),
        ("src_asn", numbers(hits, |hit| Some(hit.asn))),
        ("x_edge_result_type", texts(hits, |hit| Some(hit.result))),
        ("cs_protocol", texts(hits, |_| Some("https"))),
        ("sc_range_end", numbers(hits, |hit| hit.range_end)),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::CloudFront,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(u64::try_from(high - low).expect("low < high"))).expect("small")
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Heavy-tailed factor around 1 (log-normal by the sum of twelve).
    pub fn tail(&mut self, sigma: f64) -> f64 {
        let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        (normal * sigma).exp()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).expect("an index");
            items.swap(at, other);
        }
    }
}

pub fn browser(n: u64) -> String {
    format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{}.0 Safari/537.36",
        120 + n % 23
    )
}

/// Traffic being made.
pub struct Site {
    pub dice: Dice,
    pub hits: Vec<Hit>,
    people: u64,
}

impl Site {
    pub fn new(seed: u64) -> Site {
        Site {
            dice: Dice::new(seed + 1),
            hits: Vec::new(),
            people: 0,
        }
    }

    pub fn get(
        &mut self,
        at: i64,
        ip: &str,
        ua: &str,
        uri: &str,
        bytes: u64,
        result: &'static str,
    ) -> &mut Hit {
        self.hits.push(Hit {
            at,
            ip: ip.to_owned(),
            method: "GET",
            uri: uri.to_owned(),
            status: 200,
            ua: ua.to_owned(),
            bytes,
            result,
            account: None,
            asn: 4766,
            range_end: None,
        });
        self.hits.last_mut().expect("just pushed")
    }

    /// Somebody's address, never used again for another person.
    fn address(&mut self) -> String {
        self.people += 1;
        let n = self.people * 2_654_435_761 % 16_000_000;
        format!(
            "{}.{}.{}.{}",
            100 + n / 4_000_000,
            n / 20_000 % 200,
            n / 100 % 200,
            1 + n % 100
        )
    }

    /// One person from `at` on: pages with assets, sometimes a login, an order, a trailer.
    pub fn visit(&mut self, at: i64, ip: &str, ua: &str) {
        let mut now = at;
        let pages = 1 + (3.0 * self.dice.tail(0.8)) as u64;
        let logs_in = self.dice.below(4) == 0;
        for page in 0..pages.min(60) {
            let show = self.dice.below(40);
            self.get(now, ip, ua, &format!("/show/{show}"), 18_000, "Miss");
            for asset in 0..6 {
                let uri = format!("/static/a{asset}.js?v=3f{asset}");
                self.get(now + 200_000, ip, ua, &uri, 40_000, "Hit");
            }
            let poster = (90_000.0 * self.dice.tail(0.6)) as u64;
            self.get(
                now + 300_000,
                ip,
                ua,
                &format!("/img/poster{show}.jpg"),
                poster,
                "Hit",
            );
            let seats = format!("/api/seats?show={show}&t={}", self.dice.below(1 << 40));
            self.get(now + 400_000, ip, ua, &seats, 3_000, "Miss");
            if logs_in && page == 1 {
                let hit = self.get(now + 900_000, ip, ua, "/login", 900, "Miss");
                hit.method = "POST";
                hit.account = Some(format!("user-{ip}"));
            }
            now += self.dice.between(4, 90) * SECOND;
        }
        if self.dice.below(40) == 0 {
            self.watch(now, ip, ua);
        }
    }

    /// A trailer, in parts as players ask for them, once and a bit.
    pub fn watch(&mut self, at: i64, ip: &str, ua: &str) {
        const PART: u64 = 2 * MB;
        let trailer = self.dice.below(8);
        let parts = 20 + trailer * 5;
        let rewinds = self.dice.below(parts / 4);
        for part in (0..parts).chain(0..rewinds) {
            let uri = format!("/media/trailer{trailer}.mp4");
            let hit = self.get(
                at + i64::try_from(part).expect("small") * 2 * SECOND,
                ip,
                ua,
                &uri,
                PART,
                "Hit",
            );
            hit.status = 206;
            hit.range_end = Some(i64::try_from((part + 1) * PART - 1).expect("small"));
        }
    }

    /// Everybody who is no attacker, for `hours` hours; a sale opens in hour `sale`.
    pub fn ordinary(&mut self, hours: i64, per_hour: u64, sale: Option<i64>) {
        for hour in 0..hours {
            // A day's rhythm.
            let busy = 1.0 + 0.6 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
            for _ in 0..(per_hour as f64 * busy) as u64 {
                let at = hour * HOUR + self.dice.between(0, HOUR);
                let (ip, ua) = (self.address(), browser(self.dice.below(23)));
                self.visit(at, &ip, &ua);
            }
            self.machines(hour);
        }
        if let Some(hour) = sale {
            for _ in 0..per_hour * 5 {
                let at = hour * HOUR + (60.0 * 4.0 * self.dice.unit().powi(3)) as i64 * SECOND;
                let (ip, ua) = (self.address(), browser(self.dice.below(23)));
                self.visit(at, &ip, &ua);
            }
        }
    }

    /// An office, a carrier gateway, a crawler, a monitor and a partner.
    fn machines(&mut self, hour: i64) {
        let start = hour * HOUR;
        for _ in 0..6 {
            let at = start + self.dice.between(0, HOUR);
            self.visit(at, "198.51.100.20", &browser(7));
        }
        for _ in 0..25 {
            let at = start + self.dice.between(0, HOUR);
            let ua = format!(
                "Mozilla/5.0 (Linux; Android 14; SM-{}) Mobile",
                self.dice.below(90)
            );
            self.visit(at, "198.51.100.77", &ua);
        }
        for minute in 0..60 {
            let at = start + minute * MINUTE;
            let show = self.dice.below(40);
            let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
            self.get(at, "66.249.66.1", bot, &format!("/show/{show}"), 18_000, "Miss");
            self.get(
                at + 5 * SECOND,
                "192.0.2.44",
                "Uptime-Monitor/1.0",
                "/",
                900,
                "Hit",
            );
            let page = minute % 7;
            let partner = format!("/api/shows?page={page}");
            self.get(
                at + 9 * SECOND,
                "203.0.113.90",
                "partner-sync/2.4",
                &partner,
                12_000,
                "Miss",
            );
        }
    }
}

/// The attacks, and whom they should be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    LowAndSlow,
    YoYo,
    CacheBusting,
    ObjectPulls,
    SpreadPulls,
    Botnet,
}

impl Attack {
    pub const ALL: [Attack; 6] = [
        Attack::LowAndSlow,
        Attack::YoYo,
        Attack::CacheBusting,
        Attack::ObjectPulls,
        Attack::SpreadPulls,
        Attack::Botnet,
    ];

    /// Rules that may tell it.
    pub fn rules(self) -> &'static [&'static str] {
        match self {
            Attack::LowAndSlow => &["edos.low_and_slow"],
            Attack::YoYo => &["edos.yo_yo"],
            Attack::CacheBusting => &["edos.cache_busting"],
            Attack::ObjectPulls => &["edos.object_pulls"],
            Attack::SpreadPulls => &["edos.object_pulls", "edos.unproductive_cluster"],
            Attack::Botnet => &["edos.unproductive_cluster"],
        }
    }
}

impl Site {
    /// Adds an attack; gives the entities that count as found.
    pub fn attack(&mut self, attack: Attack, hours: i64) -> Vec<(&'static str, String)> {
        match attack {
            Attack::LowAndSlow => (0..2).map(|n| self.slow(n, hours)).collect(),
            Attack::YoYo => (0..5).map(|n| self.bursts(n, hours)).collect(),
            Attack::CacheBusting => (0..3).map(|n| self.busts(n, hours)).collect(),
            Attack::ObjectPulls => (0..2).map(|n| self.pulls(n, hours)).collect(),
            Attack::SpreadPulls => {
                for n in 0..60 {
                    let ip = format!("45.{}.{}.{}", 10 + n % 7, n, 5 + n);
                    for _ in 0..5 {
                        let at = (hours - 2) * HOUR + self.dice.between(0, 50) * MINUTE;
                        let hit = self.get(at, &ip, &browser(3), "/media/trailer7.mp4", 110 * MB, "Hit");
                        hit.asn = 64_500;
                    }
                }
                vec![("path", "/media/trailer7.mp4".to_owned())]
            }
            Attack::Botnet => {
                for n in 0..200 {
                    let ip = format!("77.{}.{}.{}", n % 9, n, 1 + n);
                    for _ in 0..25 {
                        let at = (hours - 2) * HOUR + self.dice.between(0, 3_600) * SECOND;
                        let image = self.dice.below(40);
                        let hit = self.get(
                            at,
                            &ip,
                            &browser(n % 23),
                            &format!("/img/poster{image}.jpg"),
                            MB,
                            "Hit",
                        );
                        hit.asn = 64_501;
                    }
                }
                vec![("asn", "64501".to_owned())]
            }
        }
    }

    /// An image every ten to twenty seconds, all day.
    fn slow(&mut self, n: u64, hours: i64) -> (&'static str, String) {
        let ip = format!("45.9.1.{}", 10 + n);
        let mut at = 0;
        while at < hours * HOUR {
            let image = self.dice.below(40);
            self.get(
                at,
                &ip,
                &browser(5),
                &format!("/img/poster{image}.jpg"),
                500_000,
                "Hit",
            );
            at += self.dice.between(10, 20) * SECOND;
        }
        ("ip", ip)
    }

    /// Three minutes on, nine off.
    fn bursts(&mut self, n: u64, hours: i64) -> (&'static str, String) {
        let ip = format!("45.9.2.{}", 10 + n);
        for cycle in 0..10 {
            for _ in 0..240 {
                let at = (hours - 3) * HOUR + cycle * 12 * MINUTE + self.dice.between(0, 180) * SECOND;
                let show = self.dice.below(40);
                self.get(at, &ip, &browser(9), &format!("/show/{show}"), 18_000, "Miss");
            }
        }
        ("ip", ip)
    }

    /// Eight random queries a minute.
    fn busts(&mut self, n: u64, hours: i64) -> (&'static str, String) {
        let ip = format!("45.9.3.{}", 10 + n);
        for _ in 0..480 {
            let at = (hours - 2) * HOUR + self.dice.between(0, 3_600) * SECOND;
            let (image, query) = (self.dice.below(3), self.dice.next());
            self.get(
                at,
                &ip,
                &browser(4),
                &format!("/img/poster{image}.jpg?cb={query:x}"),
                90_000,
                "Miss",
            );
        }
        ("ip", ip)
    }

    /// The largest object every two minutes.
    fn pulls(&mut self, n: u64, hours: i64) -> (&'static str, String) {
        let ip = format!("45.9.4.{}", 10 + n);
        for pull in 0..30 {
            let at = (hours - 2) * HOUR + pull * 2 * MINUTE + self.dice.between(0, 60) * SECOND;
            self.get(at, &ip, &browser(4), "/media/trailer7.mp4", 110 * MB, "Hit");
        }
        ("ip", ip)
    }
}
