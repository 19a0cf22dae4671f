//! Ticket macros around a sale's opening.
//!
//! They are driven through real browsers' names, half of them load a page's assets, many sit
//! behind residential proxies, and none is as regular as a clock.

use super::draft::Draft;
use super::{Member, Scene, seconds};
use crate::browse::frame;
use crate::purchase::block;
use crate::session::{Habit, Load, dynamic, post};
use haetae_event::time::{MINUTE_US, SECOND_US};
use rand::RngExt;
use std::sync::Arc;

/// Half of the members load assets as a browser does.
fn habit(draft: &mut Draft<'_>) -> Habit {
    let assets = if draft.rng.random_bool(0.5) { 1.0 } else { 0.0 };
    Habit {
        assets,
        ..Habit::browser(draft.rng.random_bool(0.5))
    }
}

/// A member from a proxy or a server, with a browser's name, assets or none, and an account.
fn enlist_one(draft: &mut Draft<'_>, proxied: bool) {
    let address = if proxied { draft.proxy() } else { draft.server() };
    let agent = draft.browser();
    let habit = habit(draft);
    draft.enlist(address, agent).session.habit = habit;
    draft.with_account();
}

/// Opens the show's page, with what the member loads beside it.
fn open_page(scene: &mut Scene<'_>, member: &Member) {
    let mut assets = Vec::new();
    if member.session.habit.assets > 0.0 {
        assets = frame(&member.session, scene.site, scene.rng);
        assets.push(&scene.show.poster);
    }
    let load = Load {
        calls: vec![(&scene.show.api, None)],
        assets,
        ..Load::plain(&scene.show.page, &scene.show.page_url)
    };
    member.session.page(scene.rng, member.next, load, scene.schedule);
}

fn log_in(scene: &mut Scene<'_>, member: &Member) {
    let page = dynamic(scene.rng, &scene.site.login, None);
    member
        .session
        .ask(scene.rng, member.next + 700_000, page, scene.schedule);
    let referer = Some(Arc::clone(&scene.site.login_url));
    let ask = post(scene.rng, &scene.site.api_login, referer);
    let at = member.next + seconds(scene.rng, 1.0, 4.0);
    member.session.ask(scene.rng, at, ask, scene.schedule);
}

/// Asks for free seats again and again: a pace with jitter of 5 to 30 %, beats skipped.
pub(super) fn enlist_pollers(draft: &mut Draft<'_>) {
    for _ in 0..draft.rng.random_range(3..9) {
        let proxied = draft.rng.random_bool(0.6);
        enlist_one(draft, proxied);
        let rotating = proxied && draft.rng.random_bool(0.5);
        if rotating {
            let count = draft.rng.random_range(2..5);
            draft.rotate_through(count);
        }
        let before = seconds(draft.rng, 20.0, 240.0);
        let after = seconds(draft.rng, 240.0, 660.0);
        let (pace_us, jitter) = (
            draft.rng.random_range(0.8e6..5e6),
            draft.rng.random_range(0.05..0.3),
        );
        let opens = draft.opens;
        if let Some(member) = draft.members.last_mut() {
            (member.next, member.until) = (opens - before, opens + after);
            (member.pace_us, member.jitter) = (pace_us, jitter);
        }
    }
    draft.aggregate("path", &draft.site.shows[draft.show].api_seats);
}

pub(super) fn poll(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    if member.step == 0 {
        open_page(scene, member);
        log_in(scene, member);
        return seconds(scene.rng, 5.0, 9.0);
    }
    member.rotate(40);
    let referer = Some(Arc::clone(&scene.show.seats_url));
    let wanted = member.choice.wrapping_add(member.step * (member.choice % 2));
    let ask = dynamic(scene.rng, &scene.show.api_seats, referer).query(block(wanted % 240));
    member
        .session
        .ask(scene.rng, member.next, ask.telling(true), scene.schedule);
    if member.next > scene.opens && scene.rng.random_bool(0.02) {
        let hold = post(scene.rng, &scene.show.api_holds, None).answered(409);
        member
            .session
            .ask(scene.rng, member.next + 210_000, hold, scene.schedule);
    }
    let skipped = f64::from(member.choice % 20) / 100.0;
    let mut delay = member.interval(scene.rng);
    while scene.rng.random_bool(skipped) {
        delay += member.pace_us as i64;
    }
    delay
}

/// Fills in forms no hand fills in so fast.
pub(super) fn enlist_sprinters(draft: &mut Draft<'_>) {
    for _ in 0..draft.rng.random_range(5..13) {
        let proxied = draft.rng.random_bool(0.5);
        enlist_one(draft, proxied);
        let before = seconds(draft.rng, 20.0, 150.0);
        let left = draft.rng.random_range(4..13);
        let opens = draft.opens;
        if let Some(member) = draft.members.last_mut() {
            (member.next, member.until, member.left) = (opens - before, opens + 5 * MINUTE_US, left);
        }
    }
    draft.aggregate("path", &draft.site.shows[draft.show].api_holds);
}

pub(super) fn sprint(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    if member.step == 0 {
        open_page(scene, member);
        log_in(scene, member);
        let first = scene.opens + seconds(scene.rng, 0.1, 0.7);
        return (first - member.next).max(6 * SECOND_US);
    }
    if member.left == 0 {
        return i64::MAX / 4;
    }
    member.left -= 1;
    let (session, at) = (&member.session, member.next);
    let seats = dynamic(
        scene.rng,
        &scene.show.seats,
        Some(Arc::clone(&scene.show.page_url)),
    );
    session.ask(scene.rng, at, seats, scene.schedule);
    let mut at = at + seconds(scene.rng, 0.08, 0.35);
    let lost = scene.rng.random_bool(0.6);
    let hold = post(
        scene.rng,
        &scene.show.api_holds,
        Some(Arc::clone(&scene.show.seats_url)),
    );
    let hold = hold.answered(if lost { 409 } else { 200 }).telling(true);
    session.ask(scene.rng, at, hold, scene.schedule);
    if !lost {
        for (method, path) in [
            ("POST", &scene.site.reservations),
            ("GET", &scene.site.checkout),
            ("POST", &scene.site.payments),
        ] {
            at += seconds(scene.rng, 0.12, 0.6);
            let mut ask = dynamic(scene.rng, path, Some(Arc::clone(&scene.site.checkout_url)));
            ask.method = method;
            session.ask(scene.rng, at, ask, scene.schedule);
        }
    }
    at - member.next + seconds(scene.rng, 0.8, 6.0)
}

/// Pages and API calls at a human pace, and never an asset.
pub(super) fn enlist_bare(draft: &mut Draft<'_>) {
    for _ in 0..draft.rng.random_range(4..9) {
        let proxied = draft.rng.random_bool(0.7);
        enlist_one(draft, proxied);
        let before = seconds(draft.rng, 60.0, 240.0);
        let after = seconds(draft.rng, 150.0, 480.0);
        let pace_us = draft.rng.random_range(2.5e6..6e6);
        let opens = draft.opens;
        if let Some(member) = draft.members.last_mut() {
            (member.next, member.until) = (opens - before, opens + after);
            (member.pace_us, member.jitter) = (pace_us, 0.6);
            member.session.habit.assets = 0.0;
        }
    }
    draft.aggregate("path", &draft.site.shows[draft.show].page);
}

pub(super) fn bare(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    let show = scene.show;
    let (path, referer) = match scene.rng.random_range(0..10) {
        0..3 => (&show.page, &scene.site.home_url),
        3..5 => (&show.api, &show.page_url),
        5..7 => (&show.seats, &show.page_url),
        7..9 => (&show.api_seats, &show.seats_url),
        _ => (&scene.site.pick(scene.rng).page, &scene.site.home_url),
    };
    let mut ask = dynamic(scene.rng, path, Some(Arc::clone(referer))).telling(true);
    if Arc::ptr_eq(path, &show.api_seats) {
        ask = ask.query(block(scene.rng.random_range(0..240)));
    }
    member.session.ask(scene.rng, member.next, ask, scene.schedule);
    member.interval(scene.rng)
}

/// The way of all twins: a buyer's, with detours of the seed's choice; numbers are those of
/// [`twin`]. No page twice in a row: reloading is what people do.
fn way(draft: &mut Draft<'_>) -> Vec<u8> {
    let mut way = vec![[0, 7, 1][draft.rng.random_range(0..3)]];
    for _ in 0..draft.rng.random_range(3..8) {
        let last = way.last().copied().unwrap_or(0);
        let next = draft.rng.random_range(1..5);
        way.push(if next == last { next % 4 + 1 } else { next });
    }
    way.extend([5, 3, 4, 6]);
    way
}

/// Many accounts at many addresses walking one and the same way.
pub(super) fn enlist_twins(draft: &mut Draft<'_>) {
    draft.script = way(draft);
    let count = draft.rng.random_range(8..21);
    for index in 0..count {
        enlist_one(draft, true);
        let start = draft.opens - MINUTE_US + seconds(draft.rng, 0.0, 100.0);
        let runs = draft.rng.random_range(2..5);
        let pace_us = draft.rng.random_range(1.5e6..5e6);
        let jitter = draft.rng.random_range(0.05..0.3);
        let length = u32::try_from(draft.script.len()).expect("a dozen steps");
        let until = draft.opens + 9 * MINUTE_US;
        if let Some(member) = draft.members.last_mut() {
            (member.next, member.until) = (start + i64::from(index) * 300_000, until);
            (member.pace_us, member.jitter, member.left) = (pace_us, jitter, runs * length);
        }
    }
    draft.aggregate("path", &draft.site.shows[draft.show].page);
}

pub(super) fn twin(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    if member.left == 0 {
        return i64::MAX / 4;
    }
    member.left -= 1;
    let place = member.step as usize % scene.script.len();
    let last = place + 1 == scene.script.len();
    let (show, site) = (scene.show, scene.site);
    let (method, path) = [
        ("GET", &site.home),
        ("GET", &show.page),
        ("GET", &show.api),
        ("GET", &show.seats),
        ("GET", &show.api_seats),
        ("POST", &site.queue_enter),
        ("POST", &show.api_holds),
        ("GET", &site.genres[0]),
    ][usize::from(scene.script[place])];
    if Arc::ptr_eq(path, &show.page) && member.session.habit.assets > 0.0 {
        open_page(scene, member);
    } else {
        let mut ask = dynamic(scene.rng, path, Some(Arc::clone(&show.page_url)));
        (ask.method, ask.telling) = (method, last);
        member.session.ask(scene.rng, member.next, ask, scene.schedule);
    }
    if last {
        return seconds(scene.rng, 3.0, 14.0);
    }
    member.interval(scene.rng)
}

/// A volley at the very second the sale opens.
pub(super) fn enlist_burst(draft: &mut Draft<'_>) {
    for _ in 0..draft.rng.random_range(15..40) {
        let proxied = draft.rng.random_bool(0.8);
        enlist_one(draft, proxied);
        let before = seconds(draft.rng, 5.0, 90.0);
        let left = draft.rng.random_range(15..40);
        let pace_us = draft.rng.random_range(6e4..1.8e5);
        let until = draft.opens + seconds(draft.rng, 40.0, 120.0);
        let opens = draft.opens;
        if let Some(member) = draft.members.last_mut() {
            (member.next, member.until, member.left) = (opens - before, until, left);
            (member.pace_us, member.jitter) = (pace_us, 0.3);
        }
    }
    draft.aggregate("path", &draft.site.queue_enter);
}

pub(super) fn burst(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    if member.step == 0 {
        open_page(scene, member);
        let first = scene.opens + seconds(scene.rng, -0.15, 0.4);
        return (first - member.next).max(SECOND_US);
    }
    let referer = Some(Arc::clone(&scene.show.page_url));
    if member.left == 0 {
        let place = dynamic(scene.rng, &scene.site.queue, referer);
        member.session.ask(scene.rng, member.next, place, scene.schedule);
        return seconds(scene.rng, 1.5, 4.0);
    }
    member.left -= 1;
    let status = [200, 200, 429, 503][scene.rng.random_range(0..4)];
    let enter = post(scene.rng, &scene.site.queue_enter, referer).answered(status);
    let within = (0..3 * SECOND_US).contains(&(member.next - scene.opens));
    member
        .session
        .ask(scene.rng, member.next, enter.telling(within), scene.schedule);
    member.interval(scene.rng)
}
