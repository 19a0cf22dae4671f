//! Attackers: each clearly over the thresholds of its kind, and labelled.

use crate::address::attacker;
use crate::agent::{LIBRARIES, PEOPLE, SCANNERS};
use crate::browse::dynamic;
use crate::event::{Edge, FlowRecord, FlowStatus, SimEvent, Text, WebRequest};
use crate::flow::PUBLIC_HOSTS;
use crate::labels::AttackClient;
use crate::payload::{INJECTIONS, PORTS, PROBES};
use crate::plan::{AttackKind, Plan, Scenario};
use crate::schedule::Schedule;
use crate::site::{HOST, Site, percent};
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
    client: u32,
}

pub(crate) struct Attacks {
    site: Arc<Site>,
    rng: ChaCha8Rng,
    parts: Vec<Part>,
    /// Parts before this one are planned.
    next: usize,
    clients: Vec<AttackClient>,
}

/// What happens in a round, and when, in hundredths of it.
fn round(scenario: Scenario) -> &'static [(i64, AttackKind)] {
    use AttackKind::{Bots, Flood, Portscan, Scan, Sqli};
    match scenario {
        Scenario::Normal => &[],
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
    }
}

fn members(kind: AttackKind, occurrence: u32) -> u32 {
    match kind {
        AttackKind::Flood => 1 + (occurrence + 1) % 2 * 3,
        AttackKind::Bots => 5,
        AttackKind::Sqli | AttackKind::Scan | AttackKind::Portscan => 1,
    }
}

/// The user agent of a client, and whether it is a scanner's.
fn agent(kind: AttackKind, occurrence: u32, member: u32) -> (&'static str, bool) {
    let turn = (occurrence + member) as usize;
    match kind {
        AttackKind::Sqli if occurrence % 2 == 1 => (SCANNERS[0], true),
        AttackKind::Scan if occurrence % 2 == 1 => (SCANNERS[1], true),
        AttackKind::Bots if member < 3 => (SCANNERS[(turn + 1) % SCANNERS.len()], true),
        AttackKind::Bots | AttackKind::Flood => (LIBRARIES[turn % LIBRARIES.len()], false),
        AttackKind::Sqli | AttackKind::Scan | AttackKind::Portscan => (PEOPLE[turn % PEOPLE.len()], false),
    }
}

impl Attacks {
    pub(crate) fn new(plan: &Plan, site: Arc<Site>) -> Attacks {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(3);
        let (mut parts, mut clients): (Vec<Part>, Vec<AttackClient>) = (Vec::new(), Vec::new());
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
            for member in 0..members(kind, occurrence) {
                let client = u32::try_from(clients.len()).expect("plans are bounded");
                let (agent, bad_agent) = agent(kind, occurrence, member);
                let address = attacker(plan.seed, client);
                let jitter = rng.random_range(0..20 * SECOND_US);
                parts.push(Part {
                    start: Micros(begin + round_us / 100 * hundredth + jitter),
                    length_us: (round_us / 100 * 13).clamp(MINUTE_US, 4 * MINUTE_US),
                    kind,
                    occurrence,
                    member,
                    address,
                    port: rng.random_range(30_000..60_000),
                    agent: agent.into(),
                    client,
                });
                let id = format!("{}-{}-{}", kind.as_str(), occurrence + 1, member + 1);
                clients.push(AttackClient {
                    id,
                    kind,
                    address: IpAddr::V4(address),
                    bad_agent,
                });
            }
        }
        parts.sort_by_key(|part| (part.start, part.client));
        Attacks {
            site,
            rng,
            parts,
            next: 0,
            clients,
        }
    }

    /// Every attacking client of the plan; [`Schedule::push`] names them by index.
    pub(crate) fn clients(&self) -> &[AttackClient] {
        &self.clients
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
                AttackKind::Portscan => actor.scan_ports(),
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
            edge: if failed { Edge::Error } else { Edge::Miss },
            content_type: ask.content_type,
            http_version: "HTTP/1.1",
            path: shot.path,
            query: shot.query,
        };
        self.schedule.push(Some(self.part.client), SimEvent::Web(request));
    }

    /// Forty-five distinct injections.
    fn inject(&mut self) {
        let show = Arc::clone(&self.site.pick(self.rng).api);
        for index in 0..45_u32 {
            let template = INJECTIONS[index as usize % INJECTIONS.len()];
            let number = 1000 + index * 7 + self.rng.random_range(0..7);
            let payload = percent(&template.replace("{n}", &number.to_string()));
            let (path, name) = if index % 3 == 0 {
                (Arc::clone(&show), "date")
            } else {
                (Arc::clone(&self.site.search), "q")
            };
            let status = [200, 200, 403, 403, 500][self.rng.random_range(0..5)];
            let at = self.at(index, 45);
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

    /// A hundred and fifty probes for forgotten files.
    fn probe(&mut self) {
        for index in 0..150_u32 {
            let path = PROBES[index as usize % PROBES.len()].replace("{n}", &(index / 30 + 1).to_string());
            let method = if index % 11 == 7 { "POST" } else { "GET" };
            let status = match self.rng.random_range(0..20) {
                0..3 => 403,
                3 => 405,
                _ => 404,
            };
            let at = self.at(index, 150);
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

    /// The first client 900 requests a minute, the others 400, on two pages.
    fn flood(&mut self) {
        let per_minute: i64 = if self.part.member == 0 { 900 } else { 400 };
        let count = u32::try_from(per_minute * self.part.length_us / MINUTE_US).expect("minutes");
        let page = Arc::clone(&self.site.shows[0].page);
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
        for index in 0..30_u32 {
            let path = Arc::clone(&self.site.pick(self.rng).page);
            let status = if self.rng.random_bool(0.1) { 404 } else { 200 };
            let at = self.at(index, 30);
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

    /// A script asking for free seats 160 times a minute.
    fn hammer(&mut self) {
        let count = u32::try_from(160 * self.part.length_us / MINUTE_US).expect("minutes");
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

    /// Every second scan is quick (600 ports, over 100 refusals a minute), the others steady
    /// (120 ports).
    fn scan_ports(&mut self) {
        let count: u32 = if self.part.occurrence % 2 == 1 { 600 } else { 120 };
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
            self.schedule.push(Some(self.part.client), SimEvent::Flow(flow));
        }
    }
}
