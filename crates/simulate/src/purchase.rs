//! The way to a ticket: log in, hold a seat, reserve, check out, pay, with the stumbles of people.

use crate::browse::think_us;
use crate::event::Text;
use crate::schedule::Schedule;
use crate::session::{Session, dynamic, post};
use crate::site::{Show, Site};
use rand::{Rng, RngExt};
use std::sync::Arc;

const SECOND: i64 = 1_000_000;

/// A member's name, as the application logs it.
pub(crate) fn account(number: u64) -> Text {
    format!("m{:07}", number % 10_000_000).into()
}

/// The seat block `number` stands for.
pub(crate) fn block(number: u32) -> Text {
    let row = ["A", "B", "C", "R", "S", "VIP"][number as usize % 6];
    format!("block={row}{}", 1 + number / 6 % 40).into()
}

/// Logs in; one in twelve mistypes the password first, some twice. Returns when it is done.
pub(crate) fn log_in(
    session: &mut Session,
    site: &Site,
    rng: &mut impl Rng,
    start: i64,
    schedule: &mut Schedule,
) -> i64 {
    let mut at = start;
    let page = dynamic(rng, &site.login, Some(Arc::clone(&site.home_url)));
    session.ask(rng, at, page, schedule);
    at += think_us(rng).min(30 * SECOND);
    session.account = Some(account(rng.random()));
    while rng.random_bool(0.08) {
        let ask = post(rng, &site.api_login, Some(Arc::clone(&site.login_url))).answered(401);
        session.ask(rng, at, ask, schedule);
        at += rng.random_range(4 * SECOND..20 * SECOND);
    }
    let ask = post(rng, &site.api_login, Some(Arc::clone(&site.login_url)));
    session.ask(rng, at, ask, schedule);
    at + rng.random_range(SECOND..4 * SECOND)
}

/// Tries to hold a seat; `contested` is the chance that someone else was faster. Returns when it
/// ended, and whether a seat is held.
pub(crate) fn hold(
    session: &Session,
    show: &Show,
    rng: &mut impl Rng,
    start: i64,
    contested: f64,
    schedule: &mut Schedule,
) -> (i64, bool) {
    let mut at = start;
    for attempt in 0..6 {
        let lost = rng.random_bool(contested);
        let ask = post(rng, &show.api_holds, Some(Arc::clone(&show.seats_url)));
        session.ask(rng, at, ask.answered(if lost { 409 } else { 200 }), schedule);
        if !lost {
            return (at + rng.random_range(3 * SECOND..15 * SECOND), true);
        }
        at += rng.random_range(1_500_000..9 * SECOND);
        if attempt == 5 || rng.random_bool(0.15) {
            break;
        }
        let again = dynamic(rng, &show.api_seats, Some(Arc::clone(&show.seats_url)))
            .query(block(rng.random_range(0..240)));
        session.ask(rng, at, again, schedule);
        at += rng.random_range(2 * SECOND..10 * SECOND);
    }
    (at, false)
}

/// Reserves and pays. People press twice, go back, and try another card.
pub(crate) fn pay(session: &Session, site: &Site, rng: &mut impl Rng, start: i64, schedule: &mut Schedule) {
    let mut at = start;
    let reserve = post(rng, &site.reservations, Some(Arc::clone(&site.home_url)));
    session.ask(rng, at, reserve, schedule);
    at += rng.random_range(SECOND..4 * SECOND);
    loop {
        let checkout = dynamic(rng, &site.checkout, Some(Arc::clone(&site.home_url)));
        session.ask(rng, at, checkout, schedule);
        at += think_us(rng).clamp(9 * SECOND, 60 * SECOND);
        let refused = rng.random_bool(0.05);
        let paying = post(rng, &site.payments, Some(Arc::clone(&site.checkout_url)));
        session.ask(
            rng,
            at,
            paying.answered(if refused { 402 } else { 200 }),
            schedule,
        );
        if rng.random_bool(0.02) {
            // A second press of the button: the application answers from the first.
            let again = post(rng, &site.payments, Some(Arc::clone(&site.checkout_url)));
            let after = rng.random_range(300_000..900_000);
            session.ask(rng, at + after, again, schedule);
        }
        if !refused {
            return;
        }
        at += rng.random_range(8 * SECOND..40 * SECOND);
    }
}
