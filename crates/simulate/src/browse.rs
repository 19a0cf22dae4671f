//! People: sessions of pages with their API calls and assets, with time to think in between.

use crate::address::{OFFICE, carrier_gateway, person};
use crate::agent::PEOPLE;
use crate::event::{Edge, SimEvent, Text, WebRequest};
use crate::plan::{Plan, Rhythm};
use crate::schedule::Schedule;
use crate::site::{Asset, HOST, Show, Site};
use haetae_event::Micros;
use haetae_event::time::{HOUR_US, MINUTE_US};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::IpAddr;
use std::sync::Arc;

/// Requests of an average session; measured by the tests.
pub(crate) const SESSION_REQUESTS: f64 = 24.5;
const OFFICE_PEOPLE: f64 = 60.0;
/// An office person starts this many sessions an hour.
const OFFICE_SESSIONS_PER_HOUR: f64 = 1.1;

/// Load by hour of the day in Korea, against the evening's.
const DAY: [f64; 24] = [
    0.55, 0.35, 0.22, 0.16, 0.14, 0.16, 0.25, 0.40, 0.55, 0.68, 0.78, 0.82, 0.90, 0.85, 0.80, 0.80, 0.82,
    0.85, 0.92, 0.97, 1.00, 0.98, 0.90, 0.75,
];

/// Share of the stated rate at an instant.
pub(crate) fn load(rhythm: Rhythm, at: Micros) -> f64 {
    match rhythm {
        Rhythm::Flat => 1.0,
        Rhythm::Daily => {
            let of_day = (at.0 + 9 * HOUR_US).rem_euclid(24 * HOUR_US);
            let hour = (of_day / HOUR_US) as usize;
            let part = (of_day % HOUR_US) as f64 / HOUR_US as f64;
            DAY[hour] * (1.0 - part) + DAY[(hour + 1) % 24] * part
        }
    }
}

/// A whole number with the given mean: chance decides the fraction.
pub(crate) fn whole(rng: &mut impl Rng, mean: f64) -> u64 {
    let floor = mean.floor();
    floor as u64 + u64::from(rng.random_bool((mean - floor).clamp(0.0, 1.0)))
}

/// Think time: log-normal-like, 5 s to 2 min, median about 16 s.
fn think_us(rng: &mut impl Rng) -> i64 {
    let spread: f64 = (0..4).map(|_| rng.random::<f64>()).sum::<f64>() - 2.0;
    let seconds = (16.0 * (1.1 * spread * 1.7).exp()).clamp(5.0, 120.0);
    (seconds * 1e6) as i64
}

pub(crate) struct Visitors {
    site: Arc<Site>,
    rng: ChaCha8Rng,
    agents: Vec<Text>,
    outside: Vec<Text>,
    seed: u64,
    rate: f64,
    rhythm: Rhythm,
    people: u64,
    gateways: u64,
}

struct Session {
    client: IpAddr,
    port: u16,
    agent: Text,
    id: u64,
    cached: bool,
    http: &'static str,
}

/// A request under way to the schedule: what differs from request to request.
pub(crate) struct Ask<'a> {
    pub method: &'static str,
    pub path: &'a Text,
    pub query: Option<Text>,
    pub referer: Option<Text>,
    pub status: u16,
    pub bytes_out: u64,
    pub time_taken_ms: u32,
    pub edge: Edge,
    pub content_type: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JSON: &str = "application/json";

/// A page or API call that the origin answers.
pub(crate) fn dynamic<'a>(rng: &mut impl Rng, path: &'a Text, referer: Option<Text>) -> Ask<'a> {
    let api = path.starts_with("/api/");
    let (low, high) = if api { (600, 9_000) } else { (18_000, 64_000) };
    let slow = if rng.random_bool(0.02) { 1200 } else { 0 };
    Ask {
        method: "GET",
        path,
        query: None,
        referer,
        status: 200,
        bytes_out: rng.random_range(low..high),
        time_taken_ms: rng.random_range(28..260) + slow,
        edge: Edge::Miss,
        content_type: if api { JSON } else { HTML },
    }
}

impl Session {
    fn send(&self, rng: &mut impl Rng, at: i64, ask: Ask<'_>, schedule: &mut Schedule) {
        let request = WebRequest {
            sequence: 0,
            seed: 0,
            ts: Micros(at.div_euclid(1000) * 1000),
            client: self.client,
            client_port: self.port,
            method: ask.method,
            host: HOST,
            path: Arc::clone(ask.path),
            query: ask.query,
            status: ask.status,
            referer: ask.referer,
            ua: Some(Arc::clone(&self.agent)),
            bytes_in: if ask.method == "POST" {
                rng.random_range(700..1900)
            } else {
                rng.random_range(280..900)
            },
            bytes_out: ask.bytes_out,
            time_taken_ms: ask.time_taken_ms,
            session: Some(self.id),
            edge: ask.edge,
            content_type: ask.content_type,
            http_version: self.http,
        };
        schedule.push(None, SimEvent::Web(request));
    }

    fn asset(&self, rng: &mut impl Rng, at: i64, asset: &Asset, referer: &Text, schedule: &mut Schedule) {
        let (mut status, mut edge, mut bytes_out) = (200, Edge::Hit, asset.bytes + 420);
        let mut time_taken_ms = rng.random_range(1..24);
        if self.cached && rng.random_bool(0.6) {
            (status, bytes_out) = (304, rng.random_range(180..330));
        } else if rng.random_bool(0.06) {
            (edge, time_taken_ms) = (Edge::Miss, rng.random_range(40..190));
        } else if rng.random_bool(0.03) {
            edge = Edge::RefreshHit;
        } else if rng.random_bool(0.003) {
            (status, edge, bytes_out) = (404, Edge::Error, 900);
        }
        let referer = Some(Arc::clone(referer));
        let content_type = asset.content_type;
        let path = &asset.path;
        self.send(
            rng,
            at,
            Ask {
                method: "GET",
                path,
                query: None,
                referer,
                status,
                bytes_out,
                time_taken_ms,
                edge,
                content_type,
            },
            schedule,
        );
    }

    /// A page or API call, with the site's ordinary share of mishaps.
    fn ask(&self, rng: &mut impl Rng, at: i64, mut ask: Ask<'_>, schedule: &mut Schedule) {
        let chance: f64 = rng.random();
        if chance < 0.0015 {
            ask.status = [500, 502, 503, 504][rng.random_range(0..4)];
            (ask.edge, ask.bytes_out) = (Edge::Error, 1_100);
        } else if chance < 0.0045 {
            (ask.status, ask.edge, ask.bytes_out) = (404, Edge::Error, 3_400);
        }
        self.send(rng, at, ask, schedule);
    }

    /// A page with what the browser loads beside it.
    fn page(&self, rng: &mut impl Rng, at: i64, load: Load<'_>, schedule: &mut Schedule) {
        let mut ask = dynamic(rng, load.path, load.referer);
        ask.query = load.query;
        self.ask(rng, at, ask, schedule);
        let mut at = at + rng.random_range(60_000..350_000);
        for (path, query) in load.calls {
            let mut ask = dynamic(rng, path, Some(Arc::clone(load.url)));
            ask.query = query;
            self.ask(rng, at, ask, schedule);
            at += rng.random_range(15_000..180_000);
        }
        for asset in load.assets {
            self.asset(rng, at, asset, load.url, schedule);
            at += rng.random_range(3_000..90_000);
        }
    }
}

/// What one page view fetches.
struct Load<'a> {
    path: &'a Text,
    query: Option<Text>,
    url: &'a Text,
    referer: Option<Text>,
    calls: Vec<(&'a Text, Option<Text>)>,
    assets: Vec<&'a Asset>,
}

impl Visitors {
    pub(crate) fn new(plan: &Plan, site: Arc<Site>) -> Visitors {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(1);
        let rate = f64::from(plan.requests_per_minute);
        Visitors {
            site,
            rng,
            agents: PEOPLE.iter().map(|&agent| agent.into()).collect(),
            outside: [
                "https://search.naver.com/",
                "https://www.google.com/",
                "https://m.search.naver.com/",
                "https://www.instagram.com/",
                "https://search.daum.net/",
            ]
            .iter()
            .map(|&url| url.into())
            .collect(),
            seed: plan.seed,
            rate,
            rhythm: plan.rhythm,
            people: 2_000 + u64::from(plan.requests_per_minute) * 20,
            gateways: 8 + u64::from(plan.requests_per_minute) / 15,
        }
    }

    /// Starts the sessions of one minute.
    pub(crate) fn plan_minute(&mut self, minute: Micros, schedule: &mut Schedule) {
        let share = load(self.rhythm, minute);
        let office = (OFFICE_PEOPLE * OFFICE_SESSIONS_PER_HOUR / 60.0)
            .min(self.rate / SESSION_REQUESTS * 0.08)
            * share;
        let public = (self.rate * share / SESSION_REQUESTS - office * 0.4).max(0.0);
        let count = whole(&mut self.rng, public);
        for index in 0..count {
            // Spread evenly with some chance: the load of a minute is not a lottery.
            let slot = MINUTE_US as f64 / count as f64;
            let at = minute.0 + ((index as f64 + self.rng.random::<f64>()) * slot) as i64;
            let client = if self.rng.random_bool(0.12) {
                carrier_gateway(self.seed, self.rng.random_range(0..self.gateways))
            } else {
                person(self.seed, self.rng.random_range(0..self.people))
            };
            self.session(client, at, false, schedule);
        }
        for _ in 0..whole(&mut self.rng, office) {
            let at = minute.0 + self.rng.random_range(0..MINUTE_US);
            self.session(OFFICE, at, true, schedule);
        }
    }

    fn session(&mut self, client: IpAddr, start: i64, office: bool, schedule: &mut Schedule) {
        let agents = if office { 0..7 } else { 0..self.agents.len() };
        let session = Session {
            client,
            port: self.rng.random_range(20_000..61_000),
            agent: Arc::clone(&self.agents[self.rng.random_range(agents)]),
            id: self.rng.random(),
            cached: office || self.rng.random_bool(0.45),
            http: if self.rng.random_bool(0.6) {
                "HTTP/2.0"
            } else {
                "HTTP/3.0"
            },
        };
        let site = Arc::clone(&self.site);
        let rng = &mut self.rng;
        let mut at = start;
        let mut referer = rng
            .random_bool(0.6)
            .then(|| Arc::clone(&self.outside[rng.random_range(0..self.outside.len())]));
        let mut first = true;
        for _ in 0..12 {
            referer = Some(view(&session, &site, rng, at, (first, referer), schedule));
            first = false;
            at += think_us(rng);
            if rng.random_bool(0.16) {
                break;
            }
        }
        if rng.random_bool(0.18) {
            purchase(&session, &site, rng, at, schedule);
        }
    }
}

/// One page view; returns its address, the referer of what follows.
fn view(
    session: &Session,
    site: &Site,
    rng: &mut impl Rng,
    at: i64,
    from: (bool, Option<Text>),
    schedule: &mut Schedule,
) -> Text {
    let (first, referer) = from;
    let mut load = choose(session, site, rng);
    load.referer = referer;
    if first {
        // A warm browser asks again for few of the frame's files.
        let keep = if session.cached { 0.3 } else { 1.0 };
        let frame = site.frame.iter().chain([&site.favicon]);
        let listed = std::mem::take(&mut load.assets);
        load.assets = frame.filter(|_| rng.random_bool(keep)).collect();
        load.assets.extend(listed);
    }
    let url = Arc::clone(load.url);
    session.page(rng, at, load, schedule);
    url
}

/// Posters of a page that lists shows; a warm browser has most of them.
fn posters<'a>(session: &Session, site: &'a Site, rng: &mut impl Rng) -> Vec<&'a Asset> {
    let most = if session.cached { 2 } else { 5 };
    let count = rng.random_range(0..=most);
    (0..count)
        .map(|_| &site.shows[rng.random_range(0..site.shows.len())].poster)
        .collect()
}

/// The next page, popular ones more often.
fn choose<'a>(session: &Session, site: &'a Site, rng: &mut impl Rng) -> Load<'a> {
    let show: &Show = site.pick(rng);
    let plain = |path: &'a Text, url: &'a Text| Load {
        path,
        query: None,
        url,
        referer: None,
        calls: Vec::new(),
        assets: Vec::new(),
    };
    match rng.random_range(0..100) {
        0..18 => Load {
            calls: vec![(&site.recommend, None)],
            assets: posters(session, site, rng),
            ..plain(&site.home, &site.home_url)
        },
        18..32 => Load {
            query: Some(Arc::clone(
                &site.searches[rng.random_range(0..site.searches.len())],
            )),
            assets: posters(session, site, rng),
            ..plain(&site.search, &site.search_url)
        },
        32..44 => {
            let genre = &site.genres[rng.random_range(0..site.genres.len())];
            Load {
                assets: posters(session, site, rng),
                ..plain(genre, &site.home_url)
            }
        }
        44..82 => Load {
            calls: vec![(&show.api, None)],
            assets: vec![&show.poster],
            ..plain(&show.page, &show.page_url)
        },
        82..97 => {
            let row = ["A", "B", "C", "R", "S", "VIP"][rng.random_range(0..6)];
            let block = Text::from(format!("block={row}{}", rng.random_range(1..40)));
            Load {
                calls: vec![(&site.queue, None), (&show.api_seats, Some(block))],
                assets: vec![&show.seat_map],
                ..plain(&show.seats, &show.seats_url)
            }
        }
        _ => plain(&site.mine, &site.home_url),
    }
}

/// Logs in, reserves and pays.
fn purchase(session: &Session, site: &Site, rng: &mut impl Rng, start: i64, schedule: &mut Schedule) {
    let mut at = start;
    let steps = [
        ("GET", &site.login, &site.home_url),
        ("POST", &site.api_login, &site.login_url),
        ("POST", &site.reservations, &site.home_url),
        ("GET", &site.checkout, &site.home_url),
        ("POST", &site.payments, &site.checkout_url),
    ];
    for (method, path, referer) in steps {
        let mut ask = dynamic(rng, path, Some(Arc::clone(referer)));
        ask.method = method;
        if Arc::ptr_eq(path, &site.api_login) && rng.random_bool(0.05) {
            ask.status = 401;
        }
        session.ask(rng, at, ask, schedule);
        at += think_us(rng).min(40_000_000);
    }
}
