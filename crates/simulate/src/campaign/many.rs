//! Many to one: thousands of sources, each below every limit of its own.

use super::draft::Draft;
use super::{Member, Scene, seconds};
use crate::address::zombie;
use crate::event::{FlowRecord, FlowStatus};
use crate::flow::PUBLIC_HOSTS;
use crate::session::dynamic;
use crate::site::percent;
use haetae_event::Micros;
use haetae_event::time::SECOND_US;
use rand::RngExt;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Machines of the largest attack: memory is bounded by them.
const SOURCES_MAX: u32 = 60_000;

/// So many different machines.
fn zombies(draft: &mut Draft<'_>, count: u32) -> BTreeSet<Ipv4Addr> {
    let first: u32 = draft.rng.random_range(0..1 << 20);
    (0..count.min(SOURCES_MAX))
        .map(|index| zombie(draft.plan.seed, first + index))
        .collect()
}

/// The pace at which `sources` together make `factor` times the measured flood.
fn pace_us(draft: &mut Draft<'_>, sources: usize, per_minute: u32) -> f64 {
    let wanted = super::variant::flood(per_minute) as f64 * draft.rng.random_range(1.6..3.5);
    sources as f64 * 60e6 / wanted
}

/// Requests for one page or call, sources in proportion to the site's own size.
pub(super) fn enlist_web(draft: &mut Draft<'_>) {
    let count = draft
        .rng
        .random_range(1_500..3_500)
        .max(draft.plan.requests_per_minute.saturating_mul(2));
    let sources = zombies(draft, count);
    let pace_us = pace_us(draft, sources.len(), draft.plan.requests_per_minute);
    for address in sources {
        let agent = draft.browser();
        let delay = seconds(draft.rng, 0.0, 35.0) + (draft.rng.random::<f64>() * pace_us) as i64;
        let member = draft.enlist(IpAddr::V4(address), agent);
        member.next += delay;
        (member.pace_us, member.jitter) = (pace_us, 0.5);
    }
    draft.script = vec![draft.rng.random_range(0..3)];
    let show = &draft.site.shows[draft.show];
    let target = [&draft.site.search, &show.page, &show.api][usize::from(draft.script[0])];
    draft.aggregate("path", target);
    draft.aggregate("host", crate::site::HOST);
}

pub(super) fn web(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let show = scene.show;
    let target = [&scene.site.search, &show.page, &show.api][usize::from(scene.script[0])];
    let referer = member
        .choice
        .is_multiple_of(2)
        .then(|| Arc::clone(&scene.site.home_url));
    let status = if scene.rng.random_bool(0.12) { 503 } else { 200 };
    let mut ask = dynamic(scene.rng, target, referer).answered(status).telling(true);
    if scene.script[0] == 0 {
        ask = ask.query(format!(
            "q={}{}",
            percent("공연"),
            scene.rng.random_range(0..9_999)
        ));
    }
    member.session.ask(scene.rng, member.next, ask, scene.schedule);
    if member.choice.is_multiple_of(8) {
        let logo = dynamic(scene.rng, &scene.site.frame[4].path, None);
        let at = member.next + 90_000;
        member.session.send(scene.rng, at, logo, scene.schedule);
    }
    member.interval(scene.rng)
}

/// Flows to one of the public hosts: a TCP flood on 443, or answers of reflectors over UDP.
pub(super) fn enlist_flows(draft: &mut Draft<'_>) {
    let count = draft
        .rng
        .random_range(2_000..4_500)
        .max(draft.plan.flows_per_minute.saturating_mul(3));
    let sources = zombies(draft, count);
    let pace_us = pace_us(draft, sources.len(), draft.plan.flows_per_minute);
    for address in sources {
        let delay = seconds(draft.rng, 0.0, 35.0) + (draft.rng.random::<f64>() * pace_us) as i64;
        let member = draft.enlist(IpAddr::V4(address), "".into());
        member.next += delay;
        (member.pace_us, member.jitter) = (pace_us, 0.5);
    }
    draft.script = vec![draft.rng.random_range(0..3), draft.rng.random_range(0..4)];
    let (_, host) = PUBLIC_HOSTS[usize::from(draft.script[0])];
    draft.aggregate("ip", host);
    draft.aggregate("dst", host);
}

pub(super) fn flow(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let (interface, host) = PUBLIC_HOSTS[usize::from(scene.script[0])];
    let IpAddr::V4(source) = member.session.client else {
        return i64::MAX / 4;
    };
    let (protocol, source_port, destination_port) = match scene.script[1] {
        0 => (17, 53, scene.rng.random_range(1024..65_000)),
        1 => (17, 123, scene.rng.random_range(1024..65_000)),
        _ => (6, member.session.port, 443),
    };
    let packets = scene.rng.random_range(1..14_u64);
    let start = Micros(member.next).floor_to(SECOND_US);
    let size = if protocol == 17 { 1_100 } else { 60 };
    let record = FlowRecord {
        sequence: 0,
        interface,
        source,
        destination: host,
        source_port,
        destination_port,
        protocol,
        packets,
        bytes: packets * (size + scene.rng.random_range(0..300)),
        start,
        end: start.saturating_add(scene.rng.random_range(1..20) * SECOND_US),
        status: if protocol == 17 {
            FlowStatus::Reject
        } else {
            FlowStatus::Accept
        },
    };
    member.push_flow(record, true, scene.schedule);
    member.interval(scene.rng)
}
