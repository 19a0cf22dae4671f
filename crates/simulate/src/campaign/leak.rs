//! Data carried out: a host sending much to an unusual place, an account emptying an API.

use super::draft::{Draft, entity};
use super::{Member, Scene, seconds};
use crate::address::stranger;
use crate::event::{FlowRecord, FlowStatus, SimEvent};
use crate::flow::{APPS, DATABASE};
use crate::session::dynamic;
use haetae_event::Micros;
use haetae_event::time::{MINUTE_US, SECOND_US};
use rand::RngExt;
use std::net::IpAddr;

/// Ports that data leaves by when someone hides it; none is unknown to the VPC's own hosts.
const PORTS: [u16; 6] = [443, 22, 53, 4444, 8443, 21];

/// One of the VPC's own hosts; `choice` holds the port, `proxies` the place outside.
pub(super) fn enlist_flow(draft: &mut Draft<'_>) {
    let hosts = [(11, APPS[0].1), (12, APPS[1].1), (13, APPS[2].1), (21, DATABASE)];
    let (interface, host) = hosts[draft.rng.random_range(0..hosts.len())];
    let outside = IpAddr::V4(stranger(draft.rng));
    let port = PORTS[draft.rng.random_range(0..PORTS.len())];
    let pace_us = draft.rng.random_range(3e7..6e7);
    let member = draft.enlist(IpAddr::V4(host), "".into());
    (member.pace_us, member.jitter, member.left) = (pace_us, 0.1, interface);
    member.choice = u32::from(port);
    member.proxies.push(outside);
    draft.also(entity("ip", outside));
    draft.aggregate("ip", outside);
}

pub(super) fn flow(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let (IpAddr::V4(source), Some(IpAddr::V4(destination))) = (member.session.client, member.proxies.first())
    else {
        return i64::MAX / 4;
    };
    let bytes = scene.rng.random_range(90_000_000..480_000_000);
    let start = Micros(member.next).floor_to(SECOND_US);
    let record = FlowRecord {
        sequence: 0,
        interface: member.left,
        source,
        destination: *destination,
        source_port: member.session.port,
        destination_port: u16::try_from(member.choice).unwrap_or(443),
        protocol: 6,
        packets: bytes / 1_400,
        bytes,
        start,
        end: start.saturating_add(scene.rng.random_range(40..60) * SECOND_US),
        status: FlowStatus::Accept,
    };
    let mut back = record.clone();
    (back.source, back.destination) = (record.destination, record.source);
    (back.source_port, back.destination_port) = (record.destination_port, record.source_port);
    (back.packets, back.bytes) = (record.packets / 12, record.packets / 12 * 52);
    member.push_flow(record, true, scene.schedule);
    member.push_flow(back, false, scene.schedule);
    member.interval(scene.rng).min(MINUTE_US)
}

impl Member {
    /// Plans a flow of this member's.
    pub(super) fn push_flow(
        &self,
        record: FlowRecord,
        telling: bool,
        schedule: &mut crate::schedule::Schedule,
    ) {
        let mut tag = self.session.tag;
        if let crate::visitor::Tag::Attack(deed) = &mut tag {
            deed.telling = telling;
        }
        schedule.push(tag, SimEvent::Flow(record));
    }
}

/// One account reading every order there is, through one address or a few in turn.
pub(super) fn enlist_api(draft: &mut Draft<'_>) {
    for _ in 0..draft.rng.random_range(1..3) {
        let address = draft.proxy();
        let agent = draft.browser();
        let pace_us = draft.rng.random_range(2.5e5..7.5e5);
        let member = draft.enlist(address, agent);
        (member.pace_us, member.jitter) = (pace_us, 0.4);
        draft.with_account();
        if draft.rng.random_bool(0.5) {
            let count = draft.rng.random_range(1..4);
            draft.rotate_through(count);
        }
    }
    draft.aggregate("path", &draft.site.orders);
}

pub(super) fn api(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    member.rotate(150);
    // By pages, or record by record.
    let (path, query) = if member.choice.is_multiple_of(2) {
        (
            scene.site.orders.clone(),
            Some(format!("page={}&size=500", member.step + 1)),
        )
    } else {
        let id = 700_000 + member.choice % 90_000 + member.step;
        (format!("{}/{id}", scene.site.orders).into(), None)
    };
    let mut ask = dynamic(scene.rng, &path, None).telling(true);
    ask.query = query.map(Into::into);
    ask.bytes_out = if member.choice.is_multiple_of(2) {
        scene.rng.random_range(150_000..420_000)
    } else {
        scene.rng.random_range(1_500..9_000)
    };
    if scene.rng.random_bool(0.02) {
        ask = ask.answered(404);
    }
    member.session.ask(scene.rng, member.next, ask, scene.schedule);
    member.interval(scene.rng) + i64::from(scene.rng.random_bool(0.01)) * seconds(scene.rng, 5.0, 20.0)
}
