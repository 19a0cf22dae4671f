//! Clusters (/24 or /64, network, user agent) whose share of the cost grows while they neither
//! log in nor order: attacks in which no client stands out.

use super::found::{About, Found};
use super::settings::Unproductive;
use super::window::{Client, Window, block_of, entity, level};
use crate::cost::Cell;
use crate::cost::ledger::{Agent, sum_of};
use crate::cost::table::{Entry, Name};
use crate::cost::tell::dollars;
use crate::detector::Extent;
use haetae_event::Entity;
use haetae_event::net::Cidr;
use haetae_event::time::SECOND_US;
use std::collections::BTreeMap;

pub const UNPRODUCTIVE: About = About {
    id: "edos.unproductive_cluster",
    title: "Growing share of cost without business",
    confidence_percent: 65,
};

/// Buckets of a day.
const DAY: i32 = 144;

/// Hours of history before a share can be said to grow.
const HISTORY_HOURS_MIN: f64 = 2.0;

/// What clients have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Block(Cidr),
    Asn(u32),
    /// Place in the table of user agents.
    Agent(usize),
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    cell: Cell,
    clients: usize,
    span: (i64, i64),
}

impl Sum {
    fn add(&mut self, client: &Client) {
        self.cell.merge(&client.sum);
        self.clients += 1;
        self.span = (self.span.0.min(client.span.0), self.span.1.max(client.span.1));
    }
}

/// Clusters of the window, an hour, whose share grew against the day before it.
pub fn unproductive(settings: &Unproductive, window: &Window<'_>, clients: &[Client]) -> Vec<Found> {
    let Some(site) = window.site() else {
        return Vec::new();
    };
    let before = Window {
        from: window.from - DAY,
        to: window.from,
        ..*window
    };
    if window.usd(&site) < settings.usd_min {
        return Vec::new();
    }
    let known = before.hours_known() >= HISTORY_HOURS_MIN;
    let site_before = before.site().filter(|_| known);
    let mut found = Vec::new();
    for (key, sum) in sums(window, clients) {
        if !stands_out(settings, window, &site, &sum) || !is_spread(window, clients, key, &sum) {
            continue;
        }
        let share = window.usd(&sum.cell) / window.usd(&site);
        let Some(site_before) = &site_before else {
            if is_dear(settings, window, &site, &sum) {
                found.push(told(settings, window, key, &sum, (share, None)));
            }
            continue;
        };
        let earlier = earlier(&before, key).map_or(0.0, |cell| before.usd(&cell));
        let share_before = earlier / before.usd(site_before).max(1e-12);
        if share >= settings.growth_min * share_before {
            found.push(told(settings, window, key, &sum, (share, Some(share_before))));
        }
    }
    found
}

fn sums(window: &Window<'_>, clients: &[Client]) -> BTreeMap<Key, Sum> {
    let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
    for client in clients {
        let entry = window.ledger.clients.entry(client.at);
        let block = entry.name.ip().and_then(block_of).map(Key::Block);
        let asn = (entry.more != 0).then_some(Key::Asn(entry.more));
        for key in block.into_iter().chain(asn) {
            let first = Sum {
                cell: Cell::new(client.sum.bucket),
                clients: 0,
                span: client.span,
            };
            sums.entry(key).or_insert(first).add(client);
        }
    }
    let own =
        |(_, entry): &(usize, &Entry<Cell, Agent>)| entry.tenant == window.tenant && !entry.more.declared;
    for (at, entry) in window.ledger.agents.iter().enumerate().filter(own) {
        let Some(cell) = sum_of(entry, window.from, window.to) else {
            continue;
        };
        let span = super::window::span_of(&entry.range(window.from, window.to));
        let sum = Sum {
            cell,
            // Which clients share a user agent is not kept; clusters of blocks say that.
            clients: usize::MAX,
            span: span.unwrap_or_default(),
        };
        sums.insert(Key::Agent(at), sum);
    }
    sums
}

/// Large, and without the business that the rest of the site does.
fn stands_out(settings: &Unproductive, window: &Window<'_>, site: &Cell, sum: &Sum) -> bool {
    let cell = &sum.cell;
    let share = window.usd(cell) / window.usd(site).max(1e-12);
    if share < settings.share_min
        || sum.clients < settings.clients_min
        || u64::from(cell.seen()) < settings.requests_min
        || cell.declared.saturating_mul(2) > cell.seen()
    {
        return false;
    }
    let value_of_rest = site.valued.saturating_sub(cell.valued);
    let rest = f64::from(site.seen().saturating_sub(cell.seen()).max(1));
    let usual = f64::from(value_of_rest) / rest;
    let own = f64::from(cell.valued) / f64::from(cell.seen().max(1));
    u64::from(value_of_rest) >= settings.value_min && own <= usual * settings.value_ratio_max
}

/// Whether no handful of clients makes up half of it: those are told by themselves.
fn is_spread(window: &Window<'_>, clients: &[Client], key: Key, sum: &Sum) -> bool {
    const HANDFUL: usize = 5;
    let belongs = |client: &&Client| {
        let entry = window.ledger.clients.entry(client.at);
        match key {
            Key::Block(block) => entry.name.ip().is_some_and(|ip| block.contains(ip)),
            Key::Asn(asn) => entry.more == asn,
            // The class of the user agent: a superset of its clients.
            Key::Agent(_) => client.sum.agents & sum.cell.agents != 0,
        }
    };
    let mut usd: Vec<f64> = clients.iter().filter(belongs).map(|c| c.usd).collect();
    usd.sort_by(|a, b| b.total_cmp(a));
    let most: f64 = usd.iter().take(HANDFUL).sum();
    usd.len() > HANDFUL && most * 2.0 < window.usd(&sum.cell)
}

/// Many clients whose requests each cost far more than the rest's: told without history.
fn is_dear(settings: &Unproductive, window: &Window<'_>, site: &Cell, sum: &Sum) -> bool {
    let requests = f64::from(sum.cell.seen().max(1));
    let rest = f64::from(site.seen().saturating_sub(sum.cell.seen()));
    let usd = window.usd(&sum.cell);
    let rest_usd = (window.usd(site) - usd).max(0.0);
    sum.clients >= settings.cold_clients_min
        && rest > 0.0
        && usd / requests >= settings.cold_request_factor_min * rest_usd / rest
}

/// What the cluster used before.
fn earlier(before: &Window<'_>, key: Key) -> Option<Cell> {
    if let Key::Agent(at) = key {
        return sum_of(before.ledger.agents.entry(at), before.from, before.to);
    }
    let belongs = |name: &Name, asn: u32| match key {
        Key::Block(block) => name.ip().is_some_and(|ip| block.contains(ip)),
        Key::Asn(wanted) => asn == wanted,
        Key::Agent(_) => false,
    };
    let entries = before.ledger.clients.iter();
    let own = entries.filter(|e| e.tenant == before.tenant && belongs(&e.name, e.more));
    own.filter_map(|entry| sum_of(entry, before.from, before.to))
        .reduce(|mut sum, cell| {
            sum.merge(&cell);
            sum
        })
}

fn told(
    settings: &Unproductive,
    window: &Window<'_>,
    key: Key,
    sum: &Sum,
    shares: (f64, Option<f64>),
) -> Found {
    let usd = window.usd(&sum.cell);
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let before = match shares.1 {
        Some(share) => percent(share),
        None => "unknown".to_owned(),
    };
    let mut facts = vec![
        ("share of the cost".to_owned(), percent(shares.0)),
        ("share in the day before".to_owned(), before.clone()),
        ("logins and orders".to_owned(), sum.cell.valued.to_string()),
    ];
    if shares.1.is_none() {
        let cold = "cold: judged by the cost of a request against the rest's";
        facts.push(("baseline".to_owned(), cold.to_owned()));
    }
    if sum.clients < usize::MAX {
        facts.push(("clients".to_owned(), sum.clients.to_string()));
        facts.extend(window.rest().map(|rest| {
            let others = dollars(window.usd(&rest));
            let said = format!("at least: clients of all networks given up for memory used {others} more");
            ("sums".to_owned(), said)
        }));
    }
    Found {
        entity: named(window, key),
        level: level(settings.common.level, usd, settings.common.usd_high, false),
        extent: Extent {
            start: sum.span.0,
            end: sum.span.1 + SECOND_US - 1,
            count: sum.cell.seen().into(),
        },
        line: format!(
            "{} of the site's cost in 1 h ({}), {} before; {} logins or orders",
            percent(shares.0),
            dollars(usd),
            before,
            sum.cell.valued
        ),
        facts,
    }
}

fn named(window: &Window<'_>, key: Key) -> Entity {
    match key {
        Key::Block(block) => entity("block", block.to_string()),
        Key::Asn(asn) => entity("asn", asn.to_string()),
        Key::Agent(at) => entity("ua", window.ledger.agents.entry(at).name.to_string()),
    }
}
