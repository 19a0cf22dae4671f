//! Abuse of the way to payment: steps left out, sent again, or in the wrong order.
//!
//! The way is reservation, checkout page, payment; each member shops for a while, as anyone
//! would, and only its payments tell.

use super::draft::Draft;
use super::{Member, Scene, seconds};
use crate::session::{Habit, dynamic, post};
use rand::RngExt;
use std::sync::Arc;

pub(super) fn enlist(draft: &mut Draft<'_>) {
    for _ in 0..draft.rng.random_range(3..9) {
        let proxied = draft.rng.random_bool(0.6);
        let address = if proxied { draft.proxy() } else { draft.server() };
        let agent = draft.browser();
        let pace_us = draft.rng.random_range(6e6..2.6e7);
        let left = draft.rng.random_range(5..18);
        let member = draft.enlist(address, agent);
        (member.pace_us, member.jitter, member.left) = (pace_us, 0.5, left);
        member.session.habit = Habit::browser(true);
        draft.with_account();
    }
    draft.aggregate("path", &draft.site.payments);
}

/// Looks at a page first, so that the session has a past. Whether this was only that.
fn look_around(scene: &mut Scene<'_>, member: &Member) -> bool {
    if member.step > 0 {
        return false;
    }
    let page = dynamic(
        scene.rng,
        &scene.show.page,
        Some(Arc::clone(&scene.site.home_url)),
    );
    member.session.ask(scene.rng, member.next, page, scene.schedule);
    let referer = Some(Arc::clone(&scene.show.page_url));
    member.session.asset(
        scene.rng,
        member.next + 220_000,
        &scene.show.poster,
        &scene.show.page_url,
        scene.schedule,
    );
    let log_in = post(scene.rng, &scene.site.api_login, referer);
    let at = member.next + seconds(scene.rng, 3.0, 8.0);
    member.session.ask(scene.rng, at, log_in, scene.schedule);
    true
}

fn pay(scene: &mut Scene<'_>, member: &Member, at: i64, telling: bool) {
    let status = [200, 200, 400, 409][scene.rng.random_range(0..4)];
    let status = if telling { status } else { 200 };
    let referer = Some(Arc::clone(&scene.site.checkout_url));
    let ask = post(scene.rng, &scene.site.payments, referer).answered(status);
    member
        .session
        .send(scene.rng, at, ask.telling(telling), scene.schedule);
}

fn reserve(scene: &mut Scene<'_>, member: &Member, at: i64) {
    let ask = post(
        scene.rng,
        &scene.site.reservations,
        Some(Arc::clone(&scene.show.seats_url)),
    );
    member.session.send(scene.rng, at, ask, scene.schedule);
}

fn check_out(scene: &mut Scene<'_>, member: &Member, at: i64) {
    let ask = dynamic(
        scene.rng,
        &scene.site.checkout,
        Some(Arc::clone(&scene.show.seats_url)),
    );
    member.session.send(scene.rng, at, ask, scene.schedule);
}

/// Whether the member has payments left to make.
fn goes_on(member: &mut Member) -> bool {
    let more = member.left > 0;
    member.left = member.left.saturating_sub(1);
    more
}

/// Pays without reservation, or without the checkout page (where the price is fixed).
pub(super) fn skip(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    if look_around(scene, member) {
        return seconds(scene.rng, 12.0, 30.0);
    }
    if !goes_on(member) {
        return i64::MAX / 4;
    }
    let mut at = member.next;
    if member.choice.is_multiple_of(3) {
        reserve(scene, member, at);
        at += seconds(scene.rng, 2.0, 6.0);
    }
    pay(scene, member, at, true);
    at - member.next + member.interval(scene.rng)
}

/// One whole purchase, then its payment again and again.
pub(super) fn replay(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    if look_around(scene, member) {
        return seconds(scene.rng, 12.0, 30.0);
    }
    if member.step == 1 {
        reserve(scene, member, member.next);
        let at = member.next + seconds(scene.rng, 3.0, 9.0);
        check_out(scene, member, at);
        let at = at + seconds(scene.rng, 9.0, 14.0);
        pay(scene, member, at, false);
        return seconds(scene.rng, 25.0, 40.0);
    }
    if !goes_on(member) {
        return i64::MAX / 4;
    }
    pay(scene, member, member.next, true);
    member.interval(scene.rng)
}

/// Payment first, the steps it needs after it.
pub(super) fn out_of_order(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    if look_around(scene, member) {
        return seconds(scene.rng, 12.0, 30.0);
    }
    if !goes_on(member) {
        return i64::MAX / 4;
    }
    pay(scene, member, member.next, true);
    let at = member.next + seconds(scene.rng, 0.5, 3.0);
    check_out(scene, member, at);
    let at = at + seconds(scene.rng, 0.5, 3.0);
    reserve(scene, member, at);
    at - member.next + member.interval(scene.rng)
}
