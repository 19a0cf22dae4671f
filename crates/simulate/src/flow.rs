//! The VPC: ordinary flows, the internet's background noise, and intervals without data.

use crate::address::{person, stranger};
use crate::browse::load;
use crate::event::{FlowRecord, FlowStatus, SimEvent};
use crate::plan::{Background, Plan, Rhythm};
use crate::schedule::Schedule;
use crate::visitor::{Tag, Visitor};
use haetae_event::Micros;
use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::{IpAddr, Ipv4Addr};

/// Interfaces with public addresses: number and private address.
pub(crate) const PUBLIC_HOSTS: [(u32, Ipv4Addr); 3] = [
    (1, Ipv4Addr::new(10, 0, 0, 11)),
    (2, Ipv4Addr::new(10, 0, 0, 12)),
    (3, Ipv4Addr::new(10, 0, 0, 13)),
];
pub(crate) const APPS: [(u32, Ipv4Addr); 3] = [
    (11, Ipv4Addr::new(10, 0, 16, 21)),
    (12, Ipv4Addr::new(10, 0, 16, 22)),
    (13, Ipv4Addr::new(10, 0, 17, 23)),
];
pub(crate) const DATABASE: Ipv4Addr = Ipv4Addr::new(10, 0, 32, 5);
const CACHE: Ipv4Addr = Ipv4Addr::new(10, 0, 32, 40);
const OBJECT_STORE: Ipv4Addr = Ipv4Addr::new(52, 219, 60, 18);
/// Interfaces that are mostly idle.
const IDLE: [u32; 3] = [31, 32, 33];
/// What background noise knocks at.
const NOISE_PORTS: [u16; 6] = [23, 22, 3389, 445, 6379, 5555];

pub(crate) struct Network {
    rng: ChaCha8Rng,
    seed: u64,
    rate: f64,
    rhythm: Rhythm,
    /// Start and end of each day's copy of the database, from the start of a day.
    backup: Option<(i64, i64)>,
}

/// The interface of the database.
const DATABASE_INTERFACE: u32 = 21;

/// When the database is copied each day: at 03:40 KST, or in the last third of a plan shorter
/// than a day. From the start of a UTC day, in microseconds.
fn backup(plan: &Plan) -> (i64, i64) {
    let length_us = plan.end().0 - plan.first().0;
    if length_us >= DAY_US {
        let from = 18 * HOUR_US + 40 * MINUTE_US;
        return (from, from + 12 * MINUTE_US);
    }
    let from = (plan.first().0 + length_us / 100 * 70).rem_euclid(DAY_US);
    (from, from + (length_us / 100 * 10).min(12 * MINUTE_US))
}

/// Both directions of one connection.
struct Talk {
    interface: u32,
    client: Ipv4Addr,
    server: Ipv4Addr,
    port: u16,
    answer_bytes: u64,
}

impl Network {
    pub(crate) fn new(plan: &Plan) -> Network {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(4);
        Network {
            rng,
            seed: plan.seed,
            rate: f64::from(plan.flows_per_minute),
            rhythm: plan.rhythm,
            backup: (plan.background == Background::Full).then(|| backup(plan)),
        }
    }

    pub(crate) fn plan_minute(&mut self, minute: Micros, schedule: &mut Schedule) {
        if self.rate <= 0.0 {
            return;
        }
        let wanted = self.rate * load(self.rhythm, minute);
        for _ in 0..(wanted / 2.0) as u64 {
            self.talk(minute, schedule);
        }
        self.copy_database(minute, schedule);
        // Between 0.5 and 1.8 % of the minute's flows are refused knocks from outside.
        let knocks = (wanted * self.rng.random_range(0.005..0.018)) as u64;
        for _ in 0..knocks {
            let (interface, host) = PUBLIC_HOSTS[self.rng.random_range(0..PUBLIC_HOSTS.len())];
            let port = NOISE_PORTS[self.rng.random_range(0..NOISE_PORTS.len())];
            let source = stranger(&mut self.rng);
            let mut flow = self.record(minute, interface, (source, host), FlowStatus::Reject);
            (flow.destination_port, flow.packets, flow.bytes) = (port, 1, 44);
            schedule.push(Tag::Polite(Visitor::Infrastructure), SimEvent::Flow(flow));
        }
        for interface in IDLE {
            let status = if self.rng.random_bool(0.02) {
                FlowStatus::SkipData
            } else {
                FlowStatus::NoData
            };
            let nobody = Ipv4Addr::UNSPECIFIED;
            let mut flow = self.record(minute, interface, (nobody, nobody), status);
            (flow.start, flow.packets, flow.bytes) = (minute, 0, 0);
            flow.end = minute.saturating_add(59 * SECOND_US);
            schedule.push(Tag::Polite(Visitor::Infrastructure), SimEvent::Flow(flow));
        }
    }

    /// The database copied to the object store: much, outwards, and every day.
    fn copy_database(&mut self, minute: Micros, schedule: &mut Schedule) {
        let of_day = minute.0.rem_euclid(DAY_US);
        let Some((from, to)) = self.backup else { return };
        if !(from..to).contains(&of_day) {
            return;
        }
        let ends = (DATABASE, OBJECT_STORE);
        let mut flow = self.record(minute, DATABASE_INTERFACE, ends, FlowStatus::Accept);
        flow.destination_port = 443;
        flow.bytes = self.rng.random_range(150_000_000..400_000_000);
        flow.packets = flow.bytes / 1_400;
        schedule.push(Tag::Polite(Visitor::Infrastructure), SimEvent::Flow(flow));
    }

    fn record(
        &mut self,
        minute: Micros,
        interface: u32,
        ends: (Ipv4Addr, Ipv4Addr),
        status: FlowStatus,
    ) -> FlowRecord {
        let start = Micros(minute.0 + self.rng.random_range(0..MINUTE_US)).floor_to(SECOND_US);
        FlowRecord {
            sequence: 0,
            interface,
            source: ends.0,
            destination: ends.1,
            source_port: self.rng.random_range(32_768..61_000),
            destination_port: 0,
            protocol: 6,
            packets: 1,
            bytes: 0,
            start,
            end: start.saturating_add(self.rng.random_range(1..59) * SECOND_US),
            status,
        }
    }

    fn talk(&mut self, minute: Micros, schedule: &mut Schedule) {
        let (edge, edge_host) = PUBLIC_HOSTS[self.rng.random_range(0..PUBLIC_HOSTS.len())];
        let (app, app_host) = APPS[self.rng.random_range(0..APPS.len())];
        let talk = match self.rng.random_range(0..100) {
            0..45 => {
                let client = match person(self.seed, self.rng.random_range(0..20_000)) {
                    IpAddr::V4(client) => client,
                    IpAddr::V6(_) => Ipv4Addr::new(121, 130, 7, 9),
                };
                Talk {
                    interface: edge,
                    client,
                    server: edge_host,
                    port: 443,
                    answer_bytes: 42_000,
                }
            }
            45..70 => Talk {
                interface: app,
                client: edge_host,
                server: app_host,
                port: 8080,
                answer_bytes: 30_000,
            },
            70..84 => Talk {
                interface: app,
                client: app_host,
                server: DATABASE,
                port: 5432,
                answer_bytes: 12_000,
            },
            84..94 => Talk {
                interface: app,
                client: app_host,
                server: CACHE,
                port: 6379,
                answer_bytes: 2_000,
            },
            _ => Talk {
                interface: app,
                client: app_host,
                server: OBJECT_STORE,
                port: 443,
                answer_bytes: 90_000,
            },
        };
        let mut there = self.record(
            minute,
            talk.interface,
            (talk.client, talk.server),
            FlowStatus::Accept,
        );
        there.destination_port = talk.port;
        there.packets = self.rng.random_range(6..60);
        there.bytes = there.packets * self.rng.random_range(60..400);
        let mut back = there.clone();
        (back.source, back.destination) = (there.destination, there.source);
        (back.source_port, back.destination_port) = (there.destination_port, there.source_port);
        back.packets = there.packets + self.rng.random_range(0..12);
        back.bytes = self
            .rng
            .random_range(talk.answer_bytes / 2..talk.answer_bytes * 2);
        schedule.push(Tag::Polite(Visitor::Infrastructure), SimEvent::Flow(there));
        schedule.push(Tag::Polite(Visitor::Infrastructure), SimEvent::Flow(back));
    }
}
