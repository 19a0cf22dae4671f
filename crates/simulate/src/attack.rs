//! Attackers: each clearly over the thresholds of its kind, and labelled.

use crate::address::attacker;
use crate::agent::{LIBRARIES, PEOPLE, SCANNERS};
use crate::campaign::draft::entity;
use crate::cast::{ActorRole, CampaignRole, Cast, Measure};
use crate::event::{Edge, FlowRecord, FlowStatus, SimEvent, Text, WebRequest};
use crate::flow::PUBLIC_HOSTS;
use crate::payload::{INJECTIONS, PORTS, PROBES};
use crate::plan::{AttackKind, Plan, Scenario};
use crate::schedule::Schedule;
use crate::session::dynamic;
use crate::site::{HOST, Site, percent};
use crate::visitor::{Deed, Tag};
use haetae_event::Micros;
use haetae_event::time::{MINUTE_US, SECOND_US};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Attacks repeat in rounds no longer than this.
const ROUND_S: i64 = 1800;

/// One client's part in an attack.
struct Part {
    /// When it begins; planned in that minute.
    start: Micros,
    length_us: i64,
    kind: AttackKind,
    /// Occurrence of its kind in the plan, from 0: varies the tools.
    occurrence: u32,
    /// Client within the occurrence, from 0.
    member: u32,
    address: Ipv4Addr,
    port: u16,
    agent: Text,
    /// The seed's choice of a rate or count, from 0 to 1.
    vigour: f64,
    /// Index into the actors of the cast.
    actor: u32,
}

pub(crate) struct Attacks {
    site: Arc<Site>,
    rng: ChaCha8Rng,
    parts: Vec<Part>,
    /// Parts before this one are planned.
    next: usize,
}

/// What happens in a round, and when, in hundredths of it.
fn round(scenario: Scenario) -> &'static [(i64, AttackKind)] {
    use AttackKind::{Bots, Flood, Portscan, Scan, Sqli};
    match scenario {
        Scenario::Sqli => &[(20, Sqli), (60, Sqli)],
        Scenario::Scan => &[(20, Scan), (60, Scan)],
        Scenario::Flood => &[(25, Flood), (65, Flood)],
        Scenario::Bots => &[(15, Bots), (60, Bots)],
        Scenario::Portscan => &[(20, Portscan), (60, Portscan)],
        Scenario::Mixed => &[
            (8, Sqli),
            (15, Portscan),
            (25, Scan),
            (38, Bots),
            (50, Sqli),
            (58, Flood),
            (70, Portscan),
            (78, Scan),
        ],
        _ => &[],
    }
}

fn members(kind: AttackKind, occurrence: u32, rng: &mut ChaCha8Rng) -> u32 {
    match kind {
        AttackKind::Flood if occurrence.is_multiple_of(2) => rng.random_range(3..7),
        AttackKind::Bots => rng.random_range(4..8),
        _ => 1,
    }
}

/// The user agent of a client, and whether it is a scanner's. Every second occurrence gives
/// itself away.
fn agent(kind: AttackKind, occurrence: u32, member: u32, rng: &mut ChaCha8Rng) -> (&'static str, bool) {
    let mut one = |all: &[&'static str]| all[rng.random_range(0..all.len())];
    match kind {
        AttackKind::Sqli if occurrence % 2 == 1 => (SCANNERS[0], true),
        AttackKind::Scan if occurrence % 2 == 1 => (one(&SCANNERS[1..]), true),
        AttackKind::Bots if member < 3 => (one(&SCANNERS), true),
        AttackKind::Bots => (one(&LIBRARIES), false),
        AttackKind::Flood if occurrence.is_multiple_of(2) => (one(&LIBRARIES), false),
        _ => (one(&PEOPLE), false),
    }
}

impl Attacks {
    /// Plans who attacks when; the clients are added to the cast.
    pub(crate) fn new(plan: &Plan, site: Arc<Site>, cast: &mut Cast) -> Attacks {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(3);
        let mut parts: Vec<Part> = Vec::new();
        let mut occurrences = [0_u32; 5];
        let round_us = i64::from(plan.duration_s).min(ROUND_S) * SECOND_US;
        let rounds = i64::from(plan.duration_s) * SECOND_US / round_us;
        for (begin, &(hundredth, kind)) in (0..rounds).flat_map(|index| {
            round(plan.scenario)
                .iter()
                .map(move |entry| (plan.first().0 + index * round_us, entry))
        }) {
            let occurrence = occurrences[kind as usize];
            occurrences[kind as usize] += 1;
            let start = begin + round_us / 100 * hundredth + rng.random_range(0..round_us / 50);
            let length_us = (round_us / 100 * 13).clamp(MINUTE_US, 4 * MINUTE_US);
            let length_us = rng.random_range(length_us * 8 / 10..=length_us);
            for member in 0..members(kind, occurrence, &mut rng) {
                let actor = u32::try_from(cast.actors.len()).expect("plans are bounded");
                let (agent, bad_agent) = agent(kind, occurrence, member, &mut rng);
                let address = attacker(plan.seed, actor);
                parts.push(Part {
                    start: Micros(start + rng.random_range(0..20 * SECOND_US)),
                    length_us,
                    kind,
                    occurrence,
                    member,
                    address,
                    port: rng.random_range(30_000..60_000),
                    agent: agent.into(),
                    vigour: rng.random(),
                    actor,
                });
                cast.actors.push(ActorRole {
                    id: format!("{}-{}-{}", kind.as_str(), occurrence + 1, member + 1),
                    campaign: u32::try_from(cast.campaigns.len()).expect("plans are bounded"),
                    entities: vec![entity("ip", address)],
                    listed: Some(IpAddr::V4(address)),
                    bad_agent,
                });
            }
            cast.campaigns.push(CampaignRole {
                id: format!("{}-{}", kind.as_str(), occurrence + 1),
                kind,
                variant: kind.as_str(),
                measure: Measure::Thresholds,
                aggregates: Vec::new(),
                may_block: true,
            });
        }
        parts.sort_by_key(|part| (part.start, part.actor));
        Attacks {
            site,
            rng,
            parts,
            next: 0,
        }
    }

    pub(crate) fn plan_minute(&mut self, minute: Micros, schedule: &mut Schedule) {
        while self.next < self.parts.len() && self.parts[self.next].start < minute.saturating_add(MINUTE_US) {
            let part = &self.parts[self.next];
            let mut actor = Actor {
                part,
                site: &self.site,
                rng: &mut self.rng,
                schedule,
            };
            match part.kind {
                AttackKind::Sqli => actor.inject(),
                AttackKind::Scan => actor.probe(),
                AttackKind::Flood => actor.flood(),
                AttackKind::Bots if part.member < 3 => actor.wander(),
                AttackKind::Bots => actor.hammer(),
                _ => actor.scan_ports(),
            }
            self.next += 1;
        }
    }
}

/// One client carrying out its part.
struct Actor<'a> {
    part: &'a Part,
    site: &'a Site,
    rng: &'a mut ChaCha8Rng,
    schedule: &'a mut Schedule,
}

/// The target, the method and the answer of one hostile request.
struct Shot {
    method: &'static str,
    path: Text,
    query: Option<Text>,
    status: u16,
}

impl Actor<'_> {
    fn tag(&self) -> Tag {
        Tag::Attack(Deed {
            actor: self.part.actor,
            telling: true,
        })
    }

    /// A number of the seed's choice.
    fn between(&self, low: u32, high: u32) -> u32 {
        low + (self.part.vigour * f64::from(high - low)) as u32
    }

    /// Time of step `index` of `count`, spread over the part with some chance.
    fn at(&mut self, index: u32, count: u32) -> i64 {
        let slot = self.part.length_us / i64::from(count.max(1));
        self.part.start.0 + slot * i64::from(index) + self.rng.random_range(0..slot.max(1))
    }

    fn send(&mut self, at: i64, shot: Shot) {
        let ask = dynamic(self.rng, &shot.path, None);
        let failed = shot.status >= 400;
        let request = WebRequest {
            sequence: 0,
            seed: 0,
            ts: Micros(at.div_euclid(1000) * 1000),
            client: IpAddr::V4(self.part.address),
            client_port: self.part.port,
            method: shot.method,
            host: HOST,
            status: shot.status,
            referer: None,
            ua: Some(Arc::clone(&self.part.agent)),
            bytes_in: 260
                + shot.path.len() as u64
                + shot.query.as_ref().map_or(0, |query| query.len() as u64),
            bytes_out: if failed { 1_150 } else { ask.bytes_out },
            time_taken_ms: ask.time_taken_ms,
            session: None,
            account: None,
            range: None,
            edge: if failed { Edge::Error } else { Edge::Miss },
            content_type: ask.content_type,
            http_version: "HTTP/1.1",
            path: shot.path,
            query: shot.query,
        };
        let tag = self.tag();
        self.schedule.push(tag, SimEvent::Web(request));
    }

    /// Some tens of distinct injections.
    fn inject(&mut self) {
        let show = Arc::clone(&self.site.pick(self.rng).api);
        let (count, first) = (self.between(30, 70), self.between(0, 14) as usize);
        for index in 0..count {
            let template = INJECTIONS[(first + index as usize) % INJECTIONS.len()];
            let number = 1000 + index * 7 + self.rng.random_range(0..7);
            let payload = percent(&template.replace("{n}", &number.to_string()));
            let (path, name) = if index % 3 == 0 {
                (Arc::clone(&show), "date")
            } else {
                (Arc::clone(&self.site.search), "q")
            };
            let status = [200, 200, 403, 403, 500][self.rng.random_range(0..5)];
            let at = self.at(index, count);
            self.send(
                at,
                Shot {
                    method: "GET",
                    path,
                    query: Some(format!("{name}={payload}").into()),
                    status,
                },
            );
        }
    }

    /// Probes for forgotten files.
    fn probe(&mut self) {
        let (count, first) = (self.between(130, 260), self.between(0, 30) as usize);
        for index in 0..count {
            let path =
                PROBES[(first + index as usize) % PROBES.len()].replace("{n}", &(index / 30 + 1).to_string());
            let method = if index % 11 == 7 { "POST" } else { "GET" };
            let status = match self.rng.random_range(0..20) {
                0..3 => 403,
                3 => 405,
                _ => 404,
            };
            let at = self.at(index, count);
            self.send(
                at,
                Shot {
                    method,
                    path: path.into(),
                    query: None,
                    status,
                },
            );
        }
    }

    /// The first client up to 1,300 requests a minute, the others up to 600, on two pages.
    fn flood(&mut self) {
        let first = self.part.member == 0;
        let (low, high) = if first { (700, 1_300) } else { (250, 600) };
        let per_minute = i64::from(self.between(low, high));
        let count = u32::try_from(per_minute * self.part.length_us / MINUTE_US).expect("minutes");
        let show = self.part.occurrence as usize * 5 % self.site.shows.len();
        let page = Arc::clone(&self.site.shows[show].page);
        for index in 0..count {
            let path = if index % 4 == 3 {
                Arc::clone(&self.site.home)
            } else {
                Arc::clone(&page)
            };
            let status = if self.rng.random_bool(0.15) { 503 } else { 200 };
            let at = self.at(index, count);
            self.send(
                at,
                Shot {
                    method: "GET",
                    path,
                    query: None,
                    status,
                },
            );
        }
    }

    /// A declared scanner looking around: few requests, its name gives it away.
    fn wander(&mut self) {
        let count = self.between(22, 45);
        for index in 0..count {
            let path = Arc::clone(&self.site.pick(self.rng).page);
            let status = if self.rng.random_bool(0.1) { 404 } else { 200 };
            let at = self.at(index, count);
            self.send(
                at,
                Shot {
                    method: "GET",
                    path,
                    query: None,
                    status,
                },
            );
        }
    }

    /// A script asking for free seats two to four times a second.
    fn hammer(&mut self) {
        let per_minute = i64::from(self.between(130, 260));
        let count = u32::try_from(per_minute * self.part.length_us / MINUTE_US).expect("minutes");
        let path = Arc::clone(&self.site.shows[self.part.member as usize].api_seats);
        for index in 0..count {
            let query = Some(Text::from(format!("block=R{}", 1 + index % 40)));
            let at = self.at(index, count);
            self.send(
                at,
                Shot {
                    method: "GET",
                    path: Arc::clone(&path),
                    query,
                    status: 200,
                },
            );
        }
    }

    /// Every second scan is quick (over 100 refusals a minute), the others steady.
    fn scan_ports(&mut self) {
        let quick = self.part.occurrence % 2 == 1;
        let (low, high) = if quick { (560, 900) } else { (90, 180) };
        let count = self.between(low, high);
        let host = PUBLIC_HOSTS[self.part.occurrence as usize % PUBLIC_HOSTS.len()];
        for index in 0..count {
            let port = PORTS
                .get(index as usize)
                .copied()
                .unwrap_or(10_000 + (index * 53 % 40_000) as u16);
            let start = Micros(self.at(index, count)).floor_to(SECOND_US);
            let flow = FlowRecord {
                sequence: 0,
                interface: host.0,
                source: self.part.address,
                destination: host.1,
                source_port: self.part.port,
                destination_port: port,
                protocol: 6,
                packets: 1,
                bytes: 44,
                start,
                end: start.saturating_add(SECOND_US),
                status: FlowStatus::Reject,
            };
            let tag = self.tag();
            self.schedule.push(tag, SimEvent::Flow(flow));
        }
    }
}
