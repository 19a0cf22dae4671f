//! Ways of visiting that careless rules take for attacks: warm caches, ad blockers, the
//! operator's app, browsers that fetch ahead, readers without images, impatience.

use crate::agent::{ACCESSIBLE, APPS, WEBVIEWS};
use crate::browse::think_us;
use crate::event::Text;
use crate::purchase::{account, block, hold, pay};
use crate::schedule::Schedule;
use crate::session::{Chunk, Habit, Session, dynamic, post};
use crate::site::Site;
use crate::visitor::{Tag, Visitor};
use rand::{Rng, RngExt};
use std::sync::Arc;

const SECOND: i64 = 1_000_000;

/// Gives a person of the public one of the ways of visiting.
pub(crate) fn assume(session: &mut Session, agents: &[Text], rng: &mut impl Rng) {
    let mut become_a = |visitor| session.tag = Tag::Free(visitor);
    match rng.random_range(0..1000) {
        0..90 => {
            become_a(Visitor::AdBlocker);
            session.habit.third_party = false;
        }
        90..170 => {
            become_a(Visitor::WarmCache);
            session.habit = Habit {
                cached: true,
                assets: 0.12,
                ..session.habit
            };
        }
        170..230 => {
            become_a(Visitor::Webview);
            session.agent = Arc::clone(&agents[WEBVIEWS[rng.random_range(0..WEBVIEWS.len())]]);
        }
        230..310 => {
            become_a(Visitor::NativeApp);
            session.agent = APPS[rng.random_range(0..APPS.len())].into();
        }
        310..335 => become_a(Visitor::Prefetcher),
        335..343 => {
            become_a(Visitor::Accessibility);
            session.agent = ACCESSIBLE[rng.random_range(0..ACCESSIBLE.len())].into();
            session.habit = Habit {
                images: false,
                third_party: false,
                assets: 0.15,
                ..session.habit
            };
        }
        343..380 => become_a(Visitor::Refresher),
        _ => {}
    }
}

/// What some visitors do after a page view. Returns when they are done.
pub(crate) fn quirks(
    session: &Session,
    site: &Site,
    rng: &mut impl Rng,
    start: i64,
    schedule: &mut Schedule,
) -> i64 {
    let mut at = start;
    match session.tag {
        Tag::Free(Visitor::Refresher) if rng.random_bool(0.5) => {
            let show = site.pick(rng);
            for _ in 0..rng.random_range(3..12) {
                at += rng.random_range(900_000..6 * SECOND);
                let again = dynamic(rng, &show.page, Some(Arc::clone(&show.page_url)));
                session.ask(rng, at, again, schedule);
                let api = dynamic(rng, &show.api, Some(Arc::clone(&show.page_url)));
                let after = rng.random_range(80_000..300_000);
                session.ask(rng, at + after, api, schedule);
            }
        }
        Tag::Free(Visitor::Prefetcher) => {
            for _ in 0..rng.random_range(2..9) {
                at += rng.random_range(40_000..700_000);
                let show = site.pick(rng);
                let ahead = dynamic(rng, &show.page, Some(Arc::clone(&site.home_url)));
                session.ask(rng, at, ahead, schedule);
            }
        }
        _ if rng.random_bool(0.006) => watch(session, site, rng, at, schedule),
        _ => {}
    }
    at
}

/// Plays a trailer for a while, or takes a booklet home.
fn watch(session: &Session, site: &Site, rng: &mut impl Rng, start: i64, schedule: &mut Schedule) {
    let referer = Some(Arc::clone(&site.home_url));
    if rng.random_bool(0.4) {
        let asset = &site.booklets[rng.random_range(0..site.booklets.len())];
        let chunk = Chunk {
            asset,
            from: 0,
            bytes: asset.bytes,
            query: None,
            referer,
            miss: false,
            telling: false,
        };
        return session.part(rng, start, chunk, schedule);
    }
    let asset = &site.trailers[rng.random_range(0..site.trailers.len())];
    let (mut at, mut from) = (start, 0);
    for _ in 0..rng.random_range(1..9) {
        let bytes = rng.random_range(900_000..3_500_000);
        let chunk = Chunk {
            asset,
            from,
            bytes,
            query: None,
            referer: referer.clone(),
            miss: false,
            telling: false,
        };
        session.part(rng, at, chunk, schedule);
        from += bytes;
        at += rng.random_range(4 * SECOND..11 * SECOND);
        if from >= asset.bytes {
            break;
        }
    }
}

/// The operator's app: signed in for months, API calls in small bunches.
pub(crate) fn use_app(
    session: &mut Session,
    site: &Site,
    rng: &mut impl Rng,
    start: i64,
    schedule: &mut Schedule,
) {
    session.account = Some(account(rng.random()));
    let mut at = start;
    let home = dynamic(rng, &site.app_home, None);
    session.ask(rng, at, home, schedule);
    for _ in 0..rng.random_range(2..12) {
        let show = site.pick(rng);
        let detail = dynamic(rng, &show.api, None);
        session.ask(rng, at, detail, schedule);
        if rng.random_bool(0.4) {
            let seats = dynamic(rng, &show.api_seats, None).query(block(rng.random_range(0..240)));
            let after = rng.random_range(400_000..3 * SECOND);
            session.ask(rng, at + after, seats, schedule);
        }
        at += think_us(rng);
    }
    if rng.random_bool(0.1) {
        let show = site.pick(rng);
        let status = post(rng, &site.queue_enter, None);
        session.ask(rng, at, status, schedule);
        let (at, held) = hold(session, show, rng, at + 2 * SECOND, 0.04, schedule);
        if held {
            pay(session, site, rng, at, schedule);
        }
    }
}
