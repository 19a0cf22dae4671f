//! Attacks on the bill: cache busting, the largest objects, a day of patience, on and off, and
//! many small parts of a network.

use super::draft::Draft;
use super::{Member, Scene, nonce, seconds};
use crate::agent::{LIBRARIES, PEOPLE};
use crate::event::Text;
use crate::session::{Chunk, dynamic};
use crate::site::{Asset, percent};
use haetae_event::time::SECOND_US;
use rand::RngExt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

fn agent(draft: &mut Draft<'_>) -> Text {
    if draft.rng.random_bool(0.2) {
        return LIBRARIES[draft.rng.random_range(0..LIBRARIES.len())].into();
    }
    draft.browser()
}

/// A random query on large files the edge would have held: each a trip to the origin.
pub(super) fn enlist_busters(draft: &mut Draft<'_>) {
    draft.may_block = true;
    for _ in 0..draft.rng.random_range(3..10) {
        let (address, agent) = (draft.server(), agent(draft));
        let (pace_us, jitter) = (draft.rng.random_range(4e5..2e6), draft.rng.random_range(0.1..0.6));
        let member = draft.enlist(address, agent);
        (member.pace_us, member.jitter) = (pace_us, jitter);
    }
    let trailers = draft.site.trailers.len();
    draft.script = vec![
        draft.rng.random_range(0..trailers as u8),
        draft.rng.random_range(0..3),
    ];
    let target = object(draft.site, &draft.script);
    draft.aggregate("path", &target.path);
}

/// What the campaign is after.
fn object<'a>(site: &'a crate::site::Site, script: &[u8]) -> &'a Asset {
    match script[1] {
        0 => &site.trailers[usize::from(script[0])],
        1 => &site.booklets[usize::from(script[0])],
        _ => &site.shows[usize::from(script[0])].poster,
    }
}

pub(super) fn bust(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let asset = object(scene.site, scene.script);
    let query = Some(nonce(scene.rng));
    let chunk = Chunk {
        asset,
        from: 0,
        bytes: scene.rng.random_range(400_000..6_000_000).min(asset.bytes),
        query,
        referer: (!member.choice.is_multiple_of(3)).then(|| Arc::clone(&scene.site.home_url)),
        miss: true,
        telling: true,
    };
    member.session.part(scene.rng, member.next, chunk, scene.schedule);
    member.interval(scene.rng)
}

/// The largest files, whole or in large parts, again and again.
pub(super) fn enlist_pullers(draft: &mut Draft<'_>) {
    draft.may_block = true;
    for _ in 0..draft.rng.random_range(2..6) {
        let (address, agent) = (draft.server(), agent(draft));
        let pace_us = draft.rng.random_range(3e6..1.2e7);
        let member = draft.enlist(address, agent);
        (member.pace_us, member.jitter) = (pace_us, 0.3);
    }
    draft.script = vec![draft.rng.random_range(0..draft.site.trailers.len() as u8)];
    let target = &draft.site.trailers[usize::from(draft.script[0])].path;
    draft.aggregate("path", target);
}

pub(super) fn pull(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    // Some take one file again and again, some go through all.
    let turn = if member.choice.is_multiple_of(2) {
        0
    } else {
        member.step as usize
    };
    let trailers = &scene.site.trailers;
    let asset = &trailers[(usize::from(scene.script[0]) + turn) % trailers.len()];
    let parts = member.choice % 3 == 1;
    let bytes = if parts {
        scene.rng.random_range(16_000_000..64_000_000)
    } else {
        asset.bytes
    };
    let from = if parts {
        scene.rng.random_range(0..asset.bytes / 2)
    } else {
        0
    };
    let chunk = Chunk {
        asset,
        from,
        bytes,
        query: None,
        referer: None,
        miss: false,
        telling: true,
    };
    member.session.part(scene.rng, member.next, chunk, scene.schedule);
    member.interval(scene.rng)
}

/// Two to four requests a minute, all day: no minute looks odd.
pub(super) fn enlist_slow(draft: &mut Draft<'_>) {
    draft.may_block = true;
    for _ in 0..draft.rng.random_range(3..7) {
        let (address, agent) = (draft.server(), draft.browser());
        let pace_us = draft.rng.random_range(1.3e7..3e7);
        let member = draft.enlist(address, agent);
        (member.pace_us, member.jitter) = (pace_us, 0.55);
    }
}

pub(super) fn slow(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let site = scene.site;
    match scene.rng.random_range(0..10) {
        0..4 => {
            let asset = &site.booklets[scene.rng.random_range(0..site.booklets.len())];
            piece(scene, member, asset, 5_000_000);
        }
        4..9 => {
            let asset = &site.trailers[scene.rng.random_range(0..site.trailers.len())];
            piece(scene, member, asset, 3_500_000);
        }
        _ => {
            let show = site.pick(scene.rng);
            let page = dynamic(scene.rng, &show.page, None);
            member.session.ask(scene.rng, member.next, page, scene.schedule);
        }
    }
    member.interval(scene.rng)
}

/// A part of a file of at most so many bytes, from anywhere in it.
fn piece(scene: &mut Scene<'_>, member: &Member, asset: &Asset, most: u64) {
    let chunk = Chunk {
        asset,
        from: scene.rng.random_range(0..asset.bytes / 2),
        bytes: scene.rng.random_range(most / 5..most),
        query: None,
        referer: Some(Arc::clone(&scene.site.home_url)),
        miss: false,
        telling: true,
    };
    member.session.part(scene.rng, member.next, chunk, scene.schedule);
}

/// Marks the member of a yo-yo whose last request of a burst stands for the burst.
const LEADER: u32 = 1;

/// Bursts a minute or so long, pauses of a few: the fleet grows and shrinks and never rests.
pub(super) fn enlist_yoyo(draft: &mut Draft<'_>) {
    let length = draft.end - draft.start;
    // The period is that of the plan's room: five to seven bursts.
    let period = length / draft.rng.random_range(5..8);
    let on = period * draft.rng.random_range(22..35) / 100;
    let periods =
        [period / SECOND_US, on / SECOND_US].map(|s| u16::try_from(s).unwrap_or(u16::MAX).to_le_bytes());
    draft.script = periods.concat();
    for index in 0..draft.rng.random_range(8..21) {
        let proxied = draft.rng.random_bool(0.5);
        let address = if proxied { draft.proxy() } else { draft.server() };
        let agent = draft.browser();
        let pace_us = draft.rng.random_range(5e5..1.4e6);
        let member = draft.enlist(address, agent);
        member.left = if index == 0 { LEADER } else { 0 };
        (member.pace_us, member.jitter) = (pace_us, 0.35);
    }
    draft.aggregate("path", &draft.site.search);
}

pub(super) fn yoyo(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let at = |index: usize| i64::from(u16::from_le_bytes([scene.script[index], scene.script[index + 1]]));
    let (period, on) = ((at(0) * SECOND_US).max(SECOND_US), at(2) * SECOND_US);
    let phase = (member.next - scene.start).rem_euclid(period);
    let delay = member.interval(scene.rng);
    if phase >= on {
        return period - phase + seconds(scene.rng, 0.0, 3.0);
    }
    let ends = phase + delay >= on;
    let term = format!("q={}{}", percent("좌석"), scene.rng.random_range(1000..99_999));
    let ask = dynamic(
        scene.rng,
        &scene.site.search,
        Some(Arc::clone(&scene.site.home_url)),
    );
    let ask = ask.query(term).telling(ends && member.left == LEADER);
    member.session.ask(scene.rng, member.next, ask, scene.schedule);
    delay
}

/// A /24 and a wider block of one provider, one user agent, each client next to nothing.
pub(super) fn enlist_spread(draft: &mut Draft<'_>) {
    draft.may_block = true;
    let agent: Text = PEOPLE[draft.rng.random_range(0..9)]
        .replace("133.0", "129.0")
        .into();
    let block = 160 + (draft.number % 6 * 16) as u8;
    let network = draft.hosted_network();
    for _ in 0..draft.rng.random_range(60..120) {
        let address = draft.hosted();
        enlist_small(draft, address, &agent);
    }
    for index in 0..draft.rng.random_range(100..200_u32) {
        let spread = index * 61 % 4000;
        let address = Ipv4Addr::new(198, 18, block + (spread / 250) as u8, (spread % 250) as u8 + 2);
        enlist_small(draft, IpAddr::V4(address), &agent);
    }
    draft.aggregate("net", network);
    draft.aggregate("net", format!("198.18.{block}.0/20"));
    draft.aggregate("asn", crate::truth::HOSTING_ASN);
    draft.aggregate("ua", agent);
    draft.script = vec![draft.rng.random_range(0..draft.site.booklets.len() as u8), 1];
    let target = object(draft.site, &draft.script);
    draft.aggregate("path", &target.path);
}

fn enlist_small(draft: &mut Draft<'_>, address: IpAddr, agent: &Text) {
    let delay = seconds(draft.rng, 0.0, 30.0);
    let pace_us = draft.rng.random_range(3e7..9e7);
    let member = draft.enlist(address, Arc::clone(agent));
    member.next += delay;
    (member.pace_us, member.jitter) = (pace_us, 0.5);
}

pub(super) fn spread(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let asset = object(scene.site, scene.script);
    let query = member.choice.is_multiple_of(2).then(|| nonce(scene.rng));
    let chunk = Chunk {
        asset,
        from: 0,
        bytes: scene.rng.random_range(900_000..3_800_000),
        miss: query.is_some(),
        query,
        referer: None,
        telling: true,
    };
    member.session.part(scene.rng, member.next, chunk, scene.schedule);
    member.interval(scene.rng)
}
