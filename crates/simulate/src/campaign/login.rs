//! Stolen passwords tried out: by few addresses, against one account, and spread over a /24.

use super::draft::Draft;
use super::{Member, Scene, seconds};
use crate::agent::LIBRARIES;
use crate::event::Text;
use crate::purchase::account;
use crate::session::{dynamic, post};
use rand::RngExt;
use std::sync::Arc;

/// Each attempt another name.
const MANY_NAMES: u32 = u32::MAX;

fn agent(draft: &mut Draft<'_>) -> Text {
    if draft.rng.random_bool(0.25) {
        return LIBRARIES[draft.rng.random_range(0..LIBRARIES.len())].into();
    }
    draft.browser()
}

/// One to three clients, a list of names and passwords each.
pub(super) fn enlist_by_ip(draft: &mut Draft<'_>) {
    draft.may_block = true;
    for _ in 0..draft.rng.random_range(1..4) {
        let (address, agent) = (draft.server(), agent(draft));
        let pace_us = draft.rng.random_range(4e5..5e6);
        let member = draft.enlist(address, agent);
        (member.pace_us, member.jitter, member.choice) = (pace_us, 0.35, MANY_NAMES);
    }
    draft.aggregate("path", &draft.site.api_login);
}

/// One account, many proxies, a few attempts each.
pub(super) fn enlist_by_account(draft: &mut Draft<'_>) {
    let victim = draft.rng.random_range(0..9_999_999_u32);
    let count = draft.rng.random_range(18..50);
    for _ in 0..count {
        let (address, agent) = (draft.proxy(), draft.browser());
        let delay = seconds(draft.rng, 0.0, (draft.end - draft.start) as f64 / 2e6);
        let left = draft.rng.random_range(2..5);
        let pace_us = draft.rng.random_range(2.5e7..9e7);
        let member = draft.enlist(address, agent);
        member.next += delay;
        (member.pace_us, member.jitter, member.choice, member.left) = (pace_us, 0.5, victim, left);
    }
    draft.aggregate("account", account(u64::from(victim)));
    draft.aggregate("path", &draft.site.api_login);
}

/// A rented /24, each of its addresses below any limit.
pub(super) fn enlist_by_net(draft: &mut Draft<'_>) {
    draft.may_block = true;
    let agent = agent(draft);
    let network = draft.hosted_network();
    for _ in 0..draft.rng.random_range(70..180) {
        let address = draft.hosted();
        let delay = seconds(draft.rng, 0.0, (draft.end - draft.start) as f64 / 1.4e6);
        let left = draft.rng.random_range(1..5);
        let pace_us = draft.rng.random_range(3e7..1.2e8);
        let member = draft.enlist(address, Arc::clone(&agent));
        member.next += delay;
        (member.pace_us, member.jitter, member.choice, member.left) = (pace_us, 0.5, MANY_NAMES, left);
    }
    draft.aggregate("net", network);
    draft.aggregate("ua", agent);
    draft.aggregate("path", &draft.site.api_login);
    draft.aggregate("asn", crate::truth::HOSTING_ASN);
}

pub(super) fn attempt(scene: &mut Scene<'_>, member: &mut Member) -> i64 {
    if member.left == 0 {
        return i64::MAX / 4;
    }
    member.left = member.left.saturating_sub(1);
    let name = if member.choice == MANY_NAMES {
        account(scene.rng.random())
    } else {
        account(u64::from(member.choice))
    };
    member.session.account = Some(name);
    let mut at = member.next;
    if scene.rng.random_bool(0.15) {
        let page = dynamic(scene.rng, &scene.site.login, None);
        member.session.ask(scene.rng, at, page, scene.schedule);
        at += seconds(scene.rng, 0.3, 2.0);
    }
    let fits = member.choice == MANY_NAMES && scene.rng.random_bool(0.012);
    let referer = Some(Arc::clone(&scene.site.login_url));
    let ask = post(scene.rng, &scene.site.api_login, referer);
    let ask = ask.answered(if fits { 200 } else { 401 }).telling(true);
    member.session.ask(scene.rng, at, ask, scene.schedule);
    member.interval(scene.rng)
}
