//! Crawlers under a false name: the user agent of a search engine, an address that is not its.

use super::draft::Draft;
use super::{Member, Scene};
use crate::agent::CRAWLERS;
use crate::session::dynamic;
use rand::RngExt;

pub(super) fn enlist(draft: &mut Draft<'_>) {
    draft.may_block = true;
    for _ in 0..draft.rng.random_range(3..7) {
        let agent = CRAWLERS[draft.rng.random_range(0..CRAWLERS.len())].0;
        let address = if draft.rng.random_bool(0.3) {
            draft.hosted()
        } else {
            draft.server()
        };
        let pace_us = draft.rng.random_range(1.5e6..9e6);
        let member = draft.enlist(address, agent.into());
        member.session.id = None;
        (member.pace_us, member.jitter) = (pace_us, 0.5);
    }
}

pub(super) fn crawl(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let site = scene.site;
    let path = match scene.rng.random_range(0..20) {
        0 => &site.home,
        1..4 => &site.genres[scene.rng.random_range(0..site.genres.len())],
        4..9 => &site.shows[scene.rng.random_range(0..site.shows.len())].api,
        _ => &site.shows[scene.rng.random_range(0..site.shows.len())].page,
    };
    let ask = dynamic(scene.rng, path, None).telling(true);
    member.session.ask(scene.rng, member.next, ask, scene.schedule);
    member.interval(scene.rng)
}
