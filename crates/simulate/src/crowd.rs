//! The crowd of a sale's opening: thousands of real people at one second.
//!
//! People come early, some at the last moment, some late. They load the page with its assets,
//! reload in impatience, queue (the page's own script asks for their place every two to five
//! seconds: as regular as any macro), are answered 429 and 503, see seats, lose them to others,
//! and some buy. A third of them sit behind a few gateways of mobile networks or of offices.

use crate::address::{carrier_gateway, office, person};
use crate::agent::{APPS, PEOPLE};
use crate::browse::{OUTSIDE, frame, think_us};
use crate::event::Text;
use crate::persona;
use crate::plan::Plan;
use crate::purchase::{block, hold, log_in, pay};
use crate::sale::{Sale, sales};
use crate::schedule::Schedule;
use crate::session::{Habit, Load, Session, dynamic, post};
use crate::site::{Show, Site};
use crate::visitor::{Tag, Visitor};
use haetae_event::Micros;
use haetae_event::time::MINUTE_US;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

const SECOND: i64 = 1_000_000;
/// Minutes before and after the opening in which people arrive.
const BEFORE: i64 = 10;
const AFTER: i64 = 15;

pub(crate) struct Crowd {
    site: Arc<Site>,
    rng: ChaCha8Rng,
    seed: u64,
    sales: Vec<Sale>,
    agents: Vec<Text>,
}

/// Share of the crowd that arrives in the minute so many minutes after the opening: rising to
/// the minute before it, falling by half every three minutes after. Sums to 1.
fn arriving(minute: i64) -> f64 {
    let weight = |minute: i64| match minute {
        -10..0 => 0.35_f64 * 1.42_f64.powi(i32::try_from(minute + 10).expect("small")),
        0 => 5.0,
        1..15 => 3.0 * 0.79_f64.powi(i32::try_from(minute).expect("small")),
        _ => 0.0,
    };
    let total: f64 = (-BEFORE..AFTER).map(weight).sum();
    weight(minute) / total
}

impl Crowd {
    pub(crate) fn new(plan: &Plan, site: Arc<Site>) -> Crowd {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(5);
        Crowd {
            site,
            rng,
            seed: plan.seed,
            sales: sales(plan),
            agents: PEOPLE.iter().map(|&agent| agent.into()).collect(),
        }
    }

    pub(crate) fn plan_minute(&mut self, minute: Micros, schedule: &mut Schedule) {
        for index in 0..self.sales.len() {
            let sale = self.sales[index];
            let since = (minute.0 - sale.opens.0).div_euclid(MINUTE_US);
            let mean = f64::from(sale.users) * arriving(since);
            for _ in 0..crate::browse::whole(&mut self.rng, mean) {
                let at = minute.0 + self.rng.random_range(0..MINUTE_US);
                self.come(&sale, at, schedule);
            }
        }
    }

    fn begin(&mut self, sale: &Sale) -> Session {
        let users = u64::from(sale.users);
        let (client, visitor) = match self.rng.random_range(0..100) {
            0..27 => {
                let gateway = self.rng.random_range(0..4 + users / 250);
                (carrier_gateway(self.seed, gateway), Visitor::CarrierNat)
            }
            27..33 => (office(self.seed, self.rng.random_range(1..4)), Visitor::Office),
            _ => {
                let index = 40_000_000 + self.rng.random_range(0..users * 20);
                (person(self.seed, index), Visitor::SaleCrowd)
            }
        };
        let cached = self.rng.random_bool(0.6);
        let mut session = Session {
            client,
            port: self.rng.random_range(20_000..61_000),
            agent: Arc::clone(&self.agents[self.rng.random_range(0..self.agents.len())]),
            id: Some(self.rng.random()),
            account: None,
            habit: Habit::browser(cached),
            http: if self.rng.random_bool(0.6) {
                "HTTP/2.0"
            } else {
                "HTTP/3.0"
            },
            tag: Tag::Free(visitor),
        };
        if client.is_ipv4() && visitor == Visitor::SaleCrowd && self.rng.random_bool(0.4) {
            persona::assume(&mut session, &self.agents, &mut self.rng);
            if session.tag == Tag::Free(Visitor::Person) || session.tag == Tag::Free(Visitor::NativeApp) {
                session.tag = Tag::Free(Visitor::SaleCrowd);
            }
        }
        if self.rng.random_bool(0.1) {
            session.agent = APPS[self.rng.random_range(0..APPS.len())].into();
        }
        session
    }

    /// One person's visit, planned whole.
    fn come(&mut self, sale: &Sale, start: i64, schedule: &mut Schedule) {
        let mut session = self.begin(sale);
        let site = Arc::clone(&self.site);
        let show = &site.shows[sale.show];
        let rng = &mut self.rng;
        let opens = sale.opens.0;
        let mut at = start;
        let native = session.agent.starts_with("HaetaeTicket/");
        if native {
            session.account = Some(crate::purchase::account(rng.random()));
            let home = dynamic(rng, &site.app_home, None);
            session.ask(rng, at, home, schedule);
        } else {
            let outside = rng
                .random_bool(0.5)
                .then(|| OUTSIDE[rng.random_range(0..5)].into());
            open_page(&session, &site, show, rng, (at, outside), schedule);
            at += think_us(rng).min(40 * SECOND);
            if rng.random_bool(0.6) {
                at = log_in(&mut session, &site, rng, at, schedule);
            } else {
                // Signed in since another day.
                session.account = Some(crate::purchase::account(rng.random()));
            }
        }
        if at < opens {
            at = wait(&session, show, rng, (at, opens), native, schedule);
        }
        if let Some(at) = queue(&session, &site, show, rng, (at, opens), schedule) {
            choose_seats(&session, &site, show, rng, (at, native), schedule);
        }
    }
}

fn open_page(
    session: &Session,
    site: &Site,
    show: &Show,
    rng: &mut ChaCha8Rng,
    from: (i64, Option<Text>),
    schedule: &mut Schedule,
) {
    let mut assets = frame(session, site, rng);
    assets.push(&show.poster);
    let load = Load {
        referer: from.1,
        calls: vec![(&show.api, None)],
        assets,
        ..Load::plain(&show.page, &show.page_url)
    };
    session.page(rng, from.0, load, schedule);
}

/// Waits for the opening; a third reload around its second. Returns when they act.
fn wait(
    session: &Session,
    show: &Show,
    rng: &mut ChaCha8Rng,
    times: (i64, i64),
    native: bool,
    schedule: &mut Schedule,
) -> i64 {
    let opens = times.1;
    if !native && rng.random_bool(0.35) {
        let mut at = opens - rng.random_range(SECOND..25 * SECOND);
        for _ in 0..rng.random_range(1..9) {
            if at > times.0 {
                let again = dynamic(rng, &show.page, Some(Arc::clone(&show.page_url)));
                session.ask(rng, at, again, schedule);
            }
            at += rng.random_range(700_000..5 * SECOND);
        }
    }
    // The button: some press within the first second, most within five.
    let late: f64 = rng.random();
    opens + 250_000 + (late * late * 9e6) as i64
}

/// Presses the button and waits in the queue. `None` when they give up.
fn queue(
    session: &Session,
    site: &Site,
    show: &Show,
    rng: &mut ChaCha8Rng,
    times: (i64, i64),
    schedule: &mut Schedule,
) -> Option<i64> {
    let (mut at, opens) = times;
    let busy = (at - opens) < 90 * SECOND;
    for _ in 0..rng.random_range(1..6) {
        let refused = busy && rng.random_bool(0.3);
        let status = if refused {
            [503, 429][rng.random_range(0..2)]
        } else {
            200
        };
        let enter = post(rng, &site.queue_enter, Some(Arc::clone(&show.page_url))).answered(status);
        session.ask(rng, at, enter, schedule);
        at += rng.random_range(600_000..3 * SECOND);
        if !refused {
            break;
        }
    }
    // The page's script: its own interval, the network's jitter, now and then a beat skipped
    // because the tab sleeps.
    let interval = [2 * SECOND, 3 * SECOND, 5 * SECOND][rng.random_range(0..3)];
    let depth = if busy { 60 } else { 12 };
    let patience = rng.random_range(1..depth);
    for _ in 0..patience {
        let refused = busy && rng.random_bool(0.03);
        let status = if refused { 503 } else { 200 };
        let ticket = Text::from(format!("ticket={:08x}", session.id.unwrap_or(0) as u32));
        let place = dynamic(rng, &site.queue, Some(Arc::clone(&show.page_url))).query(ticket);
        session.ask(rng, at, place.answered(status), schedule);
        let beats = if rng.random_bool(0.03) { 2 } else { 1 };
        at += interval * beats + rng.random_range(5_000..180_000);
    }
    (!rng.random_bool(0.2)).then_some(at)
}

/// Looks for seats, tries to hold some, and buys if it works out.
fn choose_seats(
    session: &Session,
    site: &Site,
    show: &Show,
    rng: &mut ChaCha8Rng,
    from: (i64, bool),
    schedule: &mut Schedule,
) {
    let (mut at, native) = from;
    let first = Some(block(rng.random_range(0..240)));
    if native {
        let seats = dynamic(rng, &show.api_seats, None).query(block(rng.random_range(0..240)));
        session.ask(rng, at, seats, schedule);
    } else {
        let load = Load {
            referer: Some(Arc::clone(&show.page_url)),
            calls: vec![(&show.api_seats, first)],
            assets: vec![&show.seat_map],
            ..Load::plain(&show.seats, &show.seats_url)
        };
        session.page(rng, at, load, schedule);
    }
    for _ in 0..rng.random_range(0..7) {
        at += rng.random_range(2 * SECOND..14 * SECOND);
        let other = dynamic(rng, &show.api_seats, Some(Arc::clone(&show.seats_url)))
            .query(block(rng.random_range(0..240)));
        session.ask(rng, at, other, schedule);
    }
    at += rng.random_range(2 * SECOND..9 * SECOND);
    let (at, held) = hold(session, show, rng, at, 0.55, schedule);
    if held {
        pay(session, site, rng, at, schedule);
    }
}
