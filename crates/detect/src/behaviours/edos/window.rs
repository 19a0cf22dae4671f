//! The clients of one window, with what they cost.

use crate::cost::ledger::{Ledger, sum_of};
use crate::cost::table::Name;
use crate::cost::{BUCKET_US, Cell, Tariff};
use crate::detector::Extent;
use haetae_event::net::Cidr;
use haetae_event::time::SECOND_US;
use haetae_event::{Entity, Level};
use std::net::IpAddr;

/// Classes of user agents that a cell can tell apart.
const CLASSES: f64 = 32.0;

/// People behind an address whose classes of user agents are all taken: what the count can say at
/// most (32 ln 32).
const CROWD: f64 = 111.0;

/// People that user agents alone stand for at most: writing another one costs nothing.
const CLAIMED_MAX: f64 = 8.0;

/// A stretch of buckets of one tenant: `from..to`.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    pub ledger: &'a Ledger,
    pub tariff: &'a Tariff,
    pub tenant: u16,
    pub from: i32,
    pub to: i32,
}

/// One client in a window.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Place in the table of clients.
    pub at: usize,
    pub sum: Cell,
    /// List price.
    pub usd: f64,
    /// First and last event, µs.
    pub span: (i64, i64),
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

impl Window<'_> {
    /// Clients of the window; `active` are their places in the table.
    pub fn clients(&self, active: &[u32]) -> Vec<Client> {
        let mut clients = Vec::with_capacity(active.len());
        clients.extend(active.iter().filter_map(|&at| self.client(at as usize)));
        clients
    }

    /// The client at a place in the table; `None` if the window has nothing of it.
    pub fn client(&self, at: usize) -> Option<Client> {
        let entry = self.ledger.clients.entry(at);
        let sum = sum_of(entry, self.from, self.to)?;
        Some(Client {
            at,
            sum,
            usd: self.usd(&sum),
            span: span_of(&entry.range(self.from, self.to))?,
        })
    }

    pub fn usd(&self, cell: &Cell) -> f64 {
        self.tariff.list(&cell.usage()).total()
    }

    /// Sum over all rows of the window.
    pub fn site(&self) -> Option<Cell> {
        self.site_between(self.from, self.to)
    }

    pub fn site_between(&self, from: i32, to: i32) -> Option<Cell> {
        let minutes = i64::from(from) * 10..i64::from(to) * 10;
        let own = &self.ledger.tenants[usize::from(self.tenant)].minutes;
        let mut cells = own.range(minutes).map(|(_, cell)| cell);
        let mut sum = *cells.next()?;
        cells.for_each(|cell| sum.merge(cell));
        Some(sum)
    }

    /// What clients used whose account was given up: sums over clients lack at most this much.
    pub fn rest(&self) -> Option<Cell> {
        let own = &self.ledger.tenants[usize::from(self.tenant)].rest;
        let cells = own.range(self.from..self.to).map(|(_, cell)| *cell);
        cells.reduce(|mut sum, cell| {
            sum.merge(&cell);
            sum
        })
    }

    pub fn name(&self, client: &Client) -> &Name {
        &self.ledger.clients.entry(client.at).name
    }

    /// Hours of the window that lie behind the first row known.
    pub fn hours_known(&self) -> f64 {
        let own = &self.ledger.tenants[usize::from(self.tenant)].minutes;
        let first = own.keys().next().copied().unwrap_or(i64::MAX);
        let start = first.max(i64::from(self.from) * 10);
        (i64::from(self.to) * 10 - start).max(0) as f64 / 60.0
    }
}

/// First and last event of some cells.
pub fn span_of(cells: &[Cell]) -> Option<(i64, i64)> {
    let first = cells.first()?.span().0;
    Some((first, cells.last()?.span().1))
}

impl Client {
    pub fn extent(&self) -> Extent {
        Extent {
            start: self.span.0,
            end: self.span.1 + SECOND_US - 1,
            count: self.sum.seen().into(),
        }
    }

    /// How many people may stand behind the address, by the classes of user agents that loaded assets
    /// or had an account; others count for little.
    pub fn people(&self) -> f64 {
        people(self.sum.visitors).max(people(self.sum.agents).min(CLAIMED_MAX))
    }

    /// Whether it does business: logs in, orders or pays, more often than by chance.
    pub fn valued(&self) -> bool {
        self.sum.valued >= 3 && u64::from(self.sum.valued) * 500 >= u64::from(self.sum.seen())
    }

    /// Whether most of its requests say that they are a crawler's.
    pub fn declared(&self) -> bool {
        self.sum.declared.saturating_mul(2) > self.sum.seen()
    }
}

/// Linear counting over the 32 classes (Whang, Vander-Zanden, Taylor 1990).
pub fn people(classes: u32) -> f64 {
    let taken = f64::from(classes.count_ones());
    match taken < CLASSES - 2.0 {
        true => (-CLASSES * (1.0 - taken / CLASSES).ln()).max(1.0),
        false => CROWD,
    }
}

/// The same over the 64 bits of distinct queries.
pub fn distinct(bits: u64) -> f64 {
    let taken = f64::from(bits.count_ones());
    match taken < 64.0 {
        true => -64.0 * (1.0 - taken / 64.0).ln(),
        false => 64.0 * 64f64.ln(),
    }
}

/// Quantile of unsorted numbers, 0 for none.
pub fn quantile(numbers: &mut [f64], q: f64) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    let at = ((numbers.len() - 1) as f64 * q).round() as usize;
    *numbers.select_nth_unstable_by(at, f64::total_cmp).1
}

/// The /24 or /64 around an address.
pub fn block_of(ip: IpAddr) -> Option<Cidr> {
    Cidr::new(ip, if ip.is_ipv4() { 24 } else { 64 })
}

pub fn entity(kind: &str, value: String) -> Entity {
    Entity {
        kind: kind.to_owned(),
        value,
    }
}

/// The level of a rule; high from `usd_high` on, and informational for declared crawlers.
pub fn level(base: Level, usd: f64, usd_high: f64, declared: bool) -> Level {
    match (declared, usd >= usd_high) {
        (true, _) => Level::Informational,
        (false, true) => base.max(Level::High),
        (false, false) => base,
    }
}

/// Start of bucket `bucket`, µs.
pub fn start_us(bucket: i32) -> i64 {
    i64::from(bucket) * BUCKET_US
}
