//! People: sessions of pages with their API calls and assets, with time to think in between.

use crate::address::{OFFICE, carrier_gateway, office, person};
use crate::agent::PEOPLE;
use crate::event::Text;
use crate::persona;
use crate::plan::{Background, Plan, Rhythm};
use crate::purchase::{block, hold, log_in, pay};
use crate::schedule::Schedule;
use crate::session::{Habit, Load, Session};
use crate::site::{Asset, Show, Site};
use crate::visitor::{Tag, Visitor};
use haetae_event::Micros;
use haetae_event::time::{HOUR_US, MINUTE_US};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::IpAddr;
use std::sync::Arc;

/// Requests of an average session of the plain background; measured by the tests.
const SESSION_REQUESTS: f64 = 24.5;
/// The same where the background is full.
const FULL_SESSION_REQUESTS: f64 = 27.6;
const OFFICE_PEOPLE: f64 = 60.0;
/// An office person starts this many sessions an hour.
const OFFICE_SESSIONS_PER_HOUR: f64 = 1.1;

/// Load by hour of the day in Korea, against the evening's.
const DAY: [f64; 24] = [
    0.55, 0.35, 0.22, 0.16, 0.14, 0.16, 0.25, 0.40, 0.55, 0.68, 0.78, 0.82, 0.90, 0.85, 0.80, 0.80, 0.82,
    0.85, 0.92, 0.97, 1.00, 0.98, 0.90, 0.75,
];

/// Where visitors come from.
pub(crate) const OUTSIDE: [&str; 5] = [
    "https://search.naver.com/",
    "https://www.google.com/",
    "https://m.search.naver.com/",
    "https://www.instagram.com/",
    "https://search.daum.net/",
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
pub(crate) fn think_us(rng: &mut impl Rng) -> i64 {
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
    full: bool,
}

impl Visitors {
    pub(crate) fn new(plan: &Plan, site: Arc<Site>) -> Visitors {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(1);
        let full = plan.background == Background::Full;
        Visitors {
            site,
            rng,
            agents: PEOPLE.iter().map(|&agent| agent.into()).collect(),
            outside: OUTSIDE.iter().map(|&url| url.into()).collect(),
            seed: plan.seed,
            rate: f64::from(plan.requests_per_minute),
            rhythm: plan.rhythm,
            people: 2_000 + u64::from(plan.requests_per_minute) * 20,
            gateways: if full {
                3 + u64::from(plan.requests_per_minute) / 150
            } else {
                8 + u64::from(plan.requests_per_minute) / 15
            },
            full,
        }
    }

    /// Starts the sessions of one minute.
    pub(crate) fn plan_minute(&mut self, minute: Micros, schedule: &mut Schedule) {
        let share = load(self.rhythm, minute);
        let per_session = if self.full {
            FULL_SESSION_REQUESTS
        } else {
            SESSION_REQUESTS
        };
        let employees =
            (OFFICE_PEOPLE * OFFICE_SESSIONS_PER_HOUR / 60.0).min(self.rate / per_session * 0.08) * share;
        let public = (self.rate * share / per_session - employees * 0.4).max(0.0);
        let count = whole(&mut self.rng, public);
        for index in 0..count {
            // Spread evenly with some chance: the load of a minute is not a lottery.
            let slot = MINUTE_US as f64 / count as f64;
            let at = minute.0 + ((index as f64 + self.rng.random::<f64>()) * slot) as i64;
            let (client, visitor) = if self.rng.random_bool(0.12) {
                let gateway = self.rng.random_range(0..self.gateways);
                (carrier_gateway(self.seed, gateway), Visitor::CarrierNat)
            } else {
                let index = self.rng.random_range(0..self.people);
                (person(self.seed, index), Visitor::Person)
            };
            self.session(client, visitor, at, schedule);
        }
        for _ in 0..whole(&mut self.rng, employees) {
            let at = minute.0 + self.rng.random_range(0..MINUTE_US);
            let place = match self.rng.random_range(0..4) {
                which @ 1.. if self.full => office(self.seed, which),
                _ => OFFICE,
            };
            self.session(place, Visitor::Office, at, schedule);
        }
    }

    fn begin(&mut self, client: IpAddr, visitor: Visitor) -> Session {
        let office = visitor == Visitor::Office;
        let agents = if office { 0..7 } else { 0..self.agents.len() };
        let agent = Arc::clone(&self.agents[self.rng.random_range(agents)]);
        let cached = office || self.rng.random_bool(0.45);
        let mut session = Session {
            client,
            port: self.rng.random_range(20_000..61_000),
            agent,
            id: Some(self.rng.random()),
            account: None,
            habit: Habit::browser(cached),
            http: if self.rng.random_bool(0.6) {
                "HTTP/2.0"
            } else {
                "HTTP/3.0"
            },
            tag: Tag::Polite(visitor),
        };
        if self.full {
            session.tag = Tag::Free(visitor);
            if visitor == Visitor::Person {
                persona::assume(&mut session, &self.agents, &mut self.rng);
            }
        }
        session
    }

    fn session(&mut self, client: IpAddr, visitor: Visitor, start: i64, schedule: &mut Schedule) {
        let mut session = self.begin(client, visitor);
        let site = Arc::clone(&self.site);
        let (full, rng) = (self.full, &mut self.rng);
        if let Tag::Free(Visitor::NativeApp) = session.tag {
            return persona::use_app(&mut session, &site, rng, start, schedule);
        }
        let mut at = start;
        let mut referer = rng
            .random_bool(0.6)
            .then(|| Arc::clone(&self.outside[rng.random_range(0..self.outside.len())]));
        let mut first = true;
        for _ in 0..12 {
            referer = Some(view(&session, &site, rng, at, (first, referer), schedule));
            first = false;
            if full {
                at = persona::quirks(&session, &site, rng, at, schedule);
            }
            at += think_us(rng);
            if rng.random_bool(0.16) {
                break;
            }
        }
        if rng.random_bool(0.18) {
            at = log_in(&mut session, &site, rng, at, schedule);
            let show = site.pick(rng);
            let (at, held) = hold(&session, show, rng, at, 0.04, schedule);
            if held {
                pay(&session, &site, rng, at, schedule);
            }
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
        let listed = std::mem::take(&mut load.assets);
        load.assets = frame(session, site, rng);
        load.assets.extend(listed);
    }
    let url = Arc::clone(load.url);
    session.page(rng, at, load, schedule);
    url
}

/// The files every page needs; a warm browser asks again for few of them.
pub(crate) fn frame<'a>(session: &Session, site: &'a Site, rng: &mut impl Rng) -> Vec<&'a Asset> {
    let keep = if session.habit.cached { 0.3 } else { 1.0 };
    let analytics = (!matches!(session.tag, Tag::Polite(_))).then_some(&site.analytics);
    let all = site.frame.iter().chain([&site.favicon]).chain(analytics);
    all.filter(|_| rng.random_bool(keep)).collect()
}

/// Posters of a page that lists shows; a warm browser has most of them.
fn posters<'a>(session: &Session, site: &'a Site, rng: &mut impl Rng) -> Vec<&'a Asset> {
    let most = if session.habit.cached { 2 } else { 5 };
    let count = rng.random_range(0..=most);
    (0..count)
        .map(|_| &site.shows[rng.random_range(0..site.shows.len())].poster)
        .collect()
}

/// The next page, popular ones more often.
fn choose<'a>(session: &Session, site: &'a Site, rng: &mut impl Rng) -> Load<'a> {
    let show: &Show = site.pick(rng);
    match rng.random_range(0..100) {
        0..18 => Load {
            calls: vec![(&site.recommend, None)],
            assets: posters(session, site, rng),
            ..Load::plain(&site.home, &site.home_url)
        },
        18..32 => Load {
            query: Some(Arc::clone(
                &site.searches[rng.random_range(0..site.searches.len())],
            )),
            assets: posters(session, site, rng),
            ..Load::plain(&site.search, &site.search_url)
        },
        32..44 => {
            let genre = &site.genres[rng.random_range(0..site.genres.len())];
            Load {
                assets: posters(session, site, rng),
                ..Load::plain(genre, &site.home_url)
            }
        }
        44..82 => Load {
            calls: vec![(&show.api, None)],
            assets: vec![&show.poster],
            ..Load::plain(&show.page, &show.page_url)
        },
        82..97 => {
            let seats = Some(block(rng.random_range(0..240)));
            Load {
                calls: vec![(&site.queue, None), (&show.api_seats, seats)],
                assets: vec![&show.seat_map],
                ..Load::plain(&show.seats, &show.seats_url)
            }
        }
        _ => Load::plain(&site.mine, &site.home_url),
    }
}
