//! Well-behaved machines: crawlers, link previews, health checks.

use crate::agent::{CRAWLERS, PARTNERS, PREVIEWS, PROBES};
use crate::browse::{load, whole};
use crate::cloudfront::mix;
use crate::event::{Edge, SimEvent, Text, WebRequest};
use crate::plan::{Background, Plan, Rhythm};
use crate::schedule::Schedule;
use crate::session::{JSON, dynamic};
use crate::site::{HOST, Site};
use crate::visitor::{Tag, Visitor};
use haetae_event::Micros;
use haetae_event::time::{MINUTE_US, SECOND_US};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub(crate) struct Robots {
    site: Arc<Site>,
    rng: ChaCha8Rng,
    crawlers: Vec<Text>,
    previews: Vec<Text>,
    probes: Vec<Text>,
    health: Text,
    robots_txt: Text,
    sitemap: Text,
    rate: f64,
    rhythm: Rhythm,
    partners: Vec<Partner>,
}

/// A partner's server: asks for one page of the catalogue after the other, at a fixed interval.
struct Partner {
    agent: Text,
    address: Ipv4Addr,
    query: String,
    interval_us: i64,
    next: i64,
    page: u32,
}

/// The key the operator has given the partner of that index.
pub(crate) fn partner_key(seed: u64, index: usize) -> String {
    format!("pk_live_{:016x}", mix(seed ^ mix(0x9A27 + index as u64)))
}

fn partners(plan: &Plan, rng: &mut ChaCha8Rng) -> Vec<Partner> {
    if plan.background == Background::Plain {
        return Vec::new();
    }
    let partner = |(index, &(agent, [a, b, c, d])): (usize, &(&str, [u8; 4]))| Partner {
        agent: agent.into(),
        address: Ipv4Addr::new(a, b, c, d),
        query: format!("key={}&page=", partner_key(plan.seed, index)),
        interval_us: [10, 20, 30][rng.random_range(0..3)] * SECOND_US,
        next: plan.first().0,
        page: 0,
    };
    PARTNERS.iter().enumerate().map(partner).collect()
}

impl Robots {
    pub(crate) fn new(plan: &Plan, site: Arc<Site>) -> Robots {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(2);
        let partners = partners(plan, &mut rng);
        Robots {
            site,
            rng,
            partners,
            crawlers: CRAWLERS.iter().map(|crawler| crawler.0.into()).collect(),
            previews: PREVIEWS.iter().map(|preview| preview.0.into()).collect(),
            probes: PROBES.iter().map(|probe| probe.0.into()).collect(),
            health: "/healthz".into(),
            robots_txt: "/robots.txt".into(),
            sitemap: "/sitemap.xml".into(),
            rate: f64::from(plan.requests_per_minute),
            rhythm: plan.rhythm,
        }
    }

    pub(crate) fn plan_minute(&mut self, minute: Micros, schedule: &mut Schedule) {
        if self.rate <= 0.0 {
            return;
        }
        let share = load(self.rhythm, minute);
        for which in 0..CRAWLERS.len() {
            // Crawlers have their own pace: about 1 % of the traffic each, at most 20 a minute.
            for _ in 0..whole(&mut self.rng, (self.rate * 0.01).min(20.0)) {
                self.crawl(which, minute, schedule);
            }
        }
        for _ in 0..whole(&mut self.rng, (self.rate * 0.004 * share).min(30.0)) {
            let which = self.rng.random_range(0..PREVIEWS.len());
            let [a, b, c] = PREVIEWS[which].1;
            let client = Ipv4Addr::new(a, b, c, self.rng.random_range(10..250));
            let path = Arc::clone(&self.site.pick(&mut self.rng).page);
            let at = minute.0 + self.rng.random_range(0..MINUTE_US);
            let agent = Arc::clone(&self.previews[which]);
            self.send(at, (Visitor::Preview, client, &agent), (&path, 200), schedule);
        }
        for (which, &(_, [a, b, c, d])) in PROBES.iter().enumerate() {
            let (agent, path) = (Arc::clone(&self.probes[which]), Arc::clone(&self.health));
            let at = minute.0 + which as i64 * 7 * SECOND_US;
            let who = (Visitor::Uptime, Ipv4Addr::new(a, b, c, d), &agent);
            self.send(at, who, (&path, 200), schedule);
            self.send(at + 30 * SECOND_US, who, (&path, 200), schedule);
        }
        self.partners(minute, schedule);
    }

    fn partners(&mut self, minute: Micros, schedule: &mut Schedule) {
        let path = Arc::clone(&self.site.partner);
        for index in 0..self.partners.len() {
            while self.partners[index].next < minute.0 + MINUTE_US {
                let partner = &mut self.partners[index];
                let at = partner.next + self.rng.random_range(0..400_000);
                partner.next += partner.interval_us;
                partner.page = (partner.page + 1) % 12;
                let query = Text::from(format!("{}{}", partner.query, partner.page));
                let (agent, client) = (Arc::clone(&partner.agent), partner.address);
                self.send_query(
                    at,
                    (Visitor::Partner, client, &agent),
                    (&path, 200, Some(query)),
                    schedule,
                );
            }
        }
    }

    fn crawl(&mut self, which: usize, minute: Micros, schedule: &mut Schedule) {
        let [a, b, c] = CRAWLERS[which].1[self.rng.random_range(0..2)];
        let client = Ipv4Addr::new(a, b, c, self.rng.random_range(1..32));
        let path = match self.rng.random_range(0..100) {
            0..3 => Arc::clone(&self.robots_txt),
            3..6 => Arc::clone(&self.sitemap),
            6..20 => Arc::clone(&self.site.genres[self.rng.random_range(0..self.site.genres.len())]),
            _ => Arc::clone(&self.site.shows[self.rng.random_range(0..self.site.shows.len())].page),
        };
        let status = match self.rng.random_range(0..100) {
            0..2 => 404,
            2..14 => 304,
            _ => 200,
        };
        let agent = Arc::clone(&self.crawlers[which]);
        let at = minute.0 + self.rng.random_range(0..MINUTE_US);
        self.send(
            at,
            (Visitor::VerifiedBot, client, &agent),
            (&path, status),
            schedule,
        );
    }

    fn send(
        &mut self,
        at: i64,
        who: (Visitor, Ipv4Addr, &Text),
        what: (&Text, u16),
        schedule: &mut Schedule,
    ) {
        self.send_query(at, who, (what.0, what.1, None), schedule);
    }

    fn send_query(
        &mut self,
        at: i64,
        who: (Visitor, Ipv4Addr, &Text),
        what: (&Text, u16, Option<Text>),
        schedule: &mut Schedule,
    ) {
        let ((visitor, client, agent), (path, status, query)) = (who, what);
        let ask = dynamic(&mut self.rng, path, None);
        let health = **path == *self.health;
        let request = WebRequest {
            sequence: 0,
            seed: 0,
            ts: Micros(at.div_euclid(1000) * 1000),
            client: IpAddr::V4(client),
            client_port: self.rng.random_range(20_000..61_000),
            method: "GET",
            host: HOST,
            path: Arc::clone(path),
            query,
            status,
            referer: None,
            ua: Some(Arc::clone(agent)),
            bytes_in: self.rng.random_range(240..420),
            bytes_out: if health {
                610
            } else if status == 304 {
                240
            } else {
                ask.bytes_out
            },
            time_taken_ms: ask.time_taken_ms,
            session: None,
            account: None,
            range: None,
            edge: if status == 404 { Edge::Error } else { Edge::Miss },
            content_type: if health { JSON } else { ask.content_type },
            http_version: "HTTP/1.1",
        };
        schedule.push(Tag::Polite(visitor), SimEvent::Web(request));
    }
}
