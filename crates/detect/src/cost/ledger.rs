//! Usage per client, user agent, path, host and account in buckets of ten minutes.
//!
//! Heavy hitters are exact. When the memory is full the cheapest keys of the largest table lose
//! their account; what they had used is kept as one remainder per tenant and bucket, which bounds
//! the error of every sum over clients. Findings about networks of clients state it.

use super::reading::{Cache, Row};
use super::table::{Entry, Slot, Table};
use super::usage::{Cell, First, Moment, Unit};
use crate::pool::share_over;
use ahash::RandomState;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, TenantId};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// What a path served in one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathCell {
    pub cell: Cell,
    /// Requests without a query, and those of them that the cache answered.
    pub plain: u32,
    pub plain_hits: u32,
    /// Largest object seen, bytes.
    pub size: u64,
}

/// What one client did with one path in one bucket: only requests that may be abuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairCell {
    bucket: i32,
    /// Requests with a query that the cache could not answer.
    pub queried: u32,
    /// Linear counter of distinct queries: one of 64 bits each.
    pub queries: u64,
    /// Pulls of large objects: answers, bytes.
    pub pulls: u32,
    pub pulled: u64,
    /// Which of 32 classes of user agents were seen.
    pub agents: u32,
}

impl Slot for Cell {
    type First = First;

    fn of_first(first: &First) -> Cell {
        first.cell()
    }

    fn weight_of_first(first: &First) -> u64 {
        weight(first.bytes_out(), first.seen())
    }

    fn new(bucket: i32) -> Cell {
        Cell::new(bucket)
    }

    fn bucket(&self) -> i32 {
        self.bucket
    }

    fn weight(&self) -> u64 {
        weight(self.bytes_out, self.seen())
    }
}

/// About a request's price against a byte's: 100 kB.
fn weight(bytes_out: u64, requests: u32) -> u64 {
    bytes_out.saturating_add(u64::from(requests) * 100_000)
}

/// Marks of the first request for a path: without a query, then answered by the cache, and with what
/// was asked for.
const PLAIN: u8 = 0;
const PLAIN_HIT: u8 = 1;
const SERVED: u8 = 2;

impl PathCell {
    /// Counts one request.
    pub fn count(&mut self, at: Moment, row: &Row, plain: bool) {
        self.cell.count(at, &row.unit);
        if plain {
            self.plain = self.plain.saturating_add(1);
            let hit = u32::from(row.cache == Cache::Hit);
            self.plain_hits = self.plain_hits.saturating_add(hit);
        }
        if row.served {
            self.size = self.size.max(row.reach);
        }
    }

    /// The same as the only one.
    pub fn first(at: Moment, row: &Row, plain: bool) -> First {
        let mut first = First::new(at, &row.unit);
        first.mark(PLAIN, plain);
        first.mark(PLAIN_HIT, plain && row.cache == Cache::Hit);
        first.mark(SERVED, row.served);
        first
    }
}

impl Slot for PathCell {
    type First = First;

    fn of_first(first: &First) -> PathCell {
        let one = |mark: u8| u32::from(first.is_marked(mark));
        PathCell {
            cell: first.cell(),
            plain: one(PLAIN),
            plain_hits: one(PLAIN_HIT),
            // What has another size than its answer is no first request.
            size: u64::from(one(SERVED)) * first.answer_bytes(),
        }
    }

    fn weight_of_first(first: &First) -> u64 {
        Cell::weight_of_first(first)
    }

    fn new(bucket: i32) -> PathCell {
        PathCell {
            cell: Cell::new(bucket),
            plain: 0,
            plain_hits: 0,
            size: 0,
        }
    }

    fn bucket(&self) -> i32 {
        self.cell.bucket
    }

    fn weight(&self) -> u64 {
        self.cell.weight()
    }
}

impl Slot for PairCell {
    type First = Infallible;

    fn of_first(first: &Infallible) -> PairCell {
        match *first {}
    }

    fn weight_of_first(first: &Infallible) -> u64 {
        match *first {}
    }

    fn new(bucket: i32) -> PairCell {
        PairCell {
            bucket,
            queried: 0,
            queries: 0,
            pulls: 0,
            pulled: 0,
            agents: 0,
        }
    }

    fn bucket(&self) -> i32 {
        self.bucket
    }

    fn weight(&self) -> u64 {
        self.pulled + u64::from(self.queried) * 100_000
    }
}

/// What a user agent says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// That it is a crawler.
    pub declared: bool,
    /// Bit of its class, of 32.
    pub class: u32,
}

/// Client and path of a pair, as keys of their tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairOf {
    pub client: u64,
    pub path: u64,
}

/// What is known of one tenant.
#[derive(Debug)]
pub struct Tenant {
    pub id: TenantId,
    pub hash: u64,
    pub datasets: BTreeSet<Dataset>,
    /// Sums of all rows, by minute since the epoch.
    pub minutes: BTreeMap<i64, Cell>,
    /// Buckets with rows since they were last judged.
    pub dirty: BTreeSet<i32>,
    /// Usage of clients that lost their account, by bucket.
    pub rest: BTreeMap<i32, Cell>,
    /// Rows are known from here on, µs.
    pub known_from: i64,
}

/// The books of all tenants.
pub struct Ledger {
    pub tenants: Vec<Tenant>,
    pub clients: Table<Cell, u32>,
    pub agents: Table<Cell, Agent>,
    /// With each whether it is the same for everybody ([`super::reading::is_static`]).
    pub paths: Table<PathCell, bool>,
    pub hosts: Table<Cell, ()>,
    pub accounts: Table<Cell, ()>,
    pub pairs: Table<PairCell, PairOf>,
    pub hasher: Option<RandomState>,
    bytes_max: usize,
    /// Keys that lost their exact account.
    pub evicted: u64,
}

impl Ledger {
    pub fn new(bytes_max: usize) -> Ledger {
        Ledger {
            tenants: Vec::new(),
            clients: Table::default(),
            agents: Table::default(),
            paths: Table::default(),
            hosts: Table::default(),
            accounts: Table::default(),
            pairs: Table::default(),
            hasher: None,
            bytes_max,
            evicted: 0,
        }
    }

    /// Number of a tenant, given now if it is new.
    pub fn tenant(&mut self, id: &TenantId, hash: u64) -> u16 {
        let at = self.tenants.iter().position(|tenant| tenant.id == *id);
        let at = at.unwrap_or_else(|| {
            self.tenants.push(Tenant {
                id: id.clone(),
                hash,
                datasets: BTreeSet::new(),
                minutes: BTreeMap::new(),
                dirty: BTreeSet::new(),
                rest: BTreeMap::new(),
                known_from: i64::MIN,
            });
            self.tenants.len() - 1
        });
        u16::try_from(at).expect("tenants are configured, far fewer than 2^16")
    }

    pub fn bytes(&self) -> usize {
        let minutes: usize = self
            .tenants
            .iter()
            .map(|t| (t.minutes.len() + t.rest.len()) * (size_of::<Cell>() + 24))
            .sum();
        minutes
            + self.clients.bytes()
            + self.agents.bytes()
            + self.paths.bytes()
            + self.hosts.bytes()
            + self.accounts.bytes()
            + self.pairs.bytes()
    }

    /// Keeps the own bound; returns how many keys lost their exact account.
    pub fn make_room(&mut self) -> u64 {
        match self.bytes() > self.bytes_max {
            true => self.shrink(self.bytes_max / 16 * 15),
            false => 0,
        }
    }

    /// Drops the cheapest keys of the largest table until all fit into `bytes_max`.
    pub fn shrink(&mut self, bytes_max: usize) -> u64 {
        /// Of one table at a time: another may be the largest then.
        const SHARE_MAX: f64 = 0.5;
        let mut lost = 0;
        loop {
            let over = self.bytes().saturating_sub(bytes_max);
            let sizes = [
                self.clients.bytes(),
                self.agents.bytes(),
                self.paths.bytes(),
                self.hosts.bytes(),
                self.accounts.bytes(),
                self.pairs.bytes(),
            ];
            let largest = (0..sizes.len()).max_by_key(|&at| sizes[at]).unwrap_or(0);
            let share = share_over(sizes[largest], sizes[largest].saturating_sub(over)).min(SHARE_MAX);
            let gone = match largest {
                _ if over == 0 => 0,
                0 => self.drop_clients(share),
                1 => self.agents.drop_cheapest(share, |_| ()),
                2 => self.paths.drop_cheapest(share, |_| ()),
                3 => self.hosts.drop_cheapest(share, |_| ()),
                4 => self.accounts.drop_cheapest(share, |_| ()),
                _ => self.pairs.drop_cheapest(share, |_| ()),
            };
            if gone == 0 {
                break;
            }
            lost += gone;
        }
        self.evicted += lost;
        lost
    }

    fn drop_clients(&mut self, share: f64) -> u64 {
        let tenants = &mut self.tenants;
        self.clients.drop_cheapest(share, |entry| {
            let rest = &mut tenants[usize::from(entry.tenant)].rest;
            for cell in entry.cells().iter() {
                rest.entry(cell.bucket)
                    .or_insert_with(|| Cell::new(cell.bucket))
                    .merge(cell);
            }
        })
    }

    /// Forgets what a tenant used before `before_us`. Returns how many cells went.
    pub fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let Some(at) = self.tenants.iter().position(|t| t.id == *tenant) else {
            return 0;
        };
        let of = u16::try_from(at).expect("tenants are few");
        let bucket = Cell::bucket_of(before_us).unwrap_or(i32::MIN);
        let known = &mut self.tenants[at];
        known.known_from = known.known_from.max(before_us);
        let before = known.minutes.len();
        known.minutes = known.minutes.split_off(&before_us.div_euclid(MINUTE_US));
        known.rest = known.rest.split_off(&bucket);
        known.dirty = known.dirty.split_off(&bucket);
        let minutes = before - known.minutes.len();
        (minutes
            + self.clients.forget(of, bucket)
            + self.agents.forget(of, bucket)
            + self.paths.forget(of, bucket)
            + self.hosts.forget(of, bucket)
            + self.accounts.forget(of, bucket)
            + self.pairs.forget(of, bucket)) as u64
    }
}

/// Rows of one minute, and of one host and bucket, summed before they are looked up: rows come
/// almost sorted.
#[derive(Default)]
pub struct Held<'a> {
    minute: Option<(i64, Cell)>,
    host: Option<(&'a str, Cell)>,
}

impl<'a> Held<'a> {
    /// Counts a row of the site.
    #[inline]
    pub fn count_site(&mut self, tenant: &mut Tenant, at: Moment, unit: &Unit) {
        let minute = at.minute();
        match &mut self.minute {
            Some((known, cell)) if *known == minute => cell.count(at, unit),
            _ => {
                self.flush_site(tenant);
                let mut cell = Cell::new(at.bucket);
                cell.count(at, unit);
                self.minute = Some((minute, cell));
                tenant.dirty.insert(at.bucket);
            }
        }
    }

    pub fn flush_site(&mut self, tenant: &mut Tenant) {
        if let Some((minute, cell)) = self.minute.take() {
            tenant
                .minutes
                .entry(minute)
                .or_insert_with(|| Cell::new(cell.bucket))
                .merge(&cell);
        }
    }

    /// Counts a row of a host; what was held of another one goes to `flush`.
    #[inline]
    pub fn count_host(&mut self, host: &'a str, at: Moment, unit: &Unit, flush: impl FnOnce(&str, &Cell)) {
        match &mut self.host {
            Some((known, cell)) if cell.bucket == at.bucket && *known == host => cell.count(at, unit),
            _ => {
                self.flush_host(flush);
                let mut cell = Cell::new(at.bucket);
                cell.count(at, unit);
                self.host = Some((host, cell));
            }
        }
    }

    pub fn flush_host(&mut self, flush: impl FnOnce(&str, &Cell)) {
        if let Some((host, cell)) = self.host.take() {
            flush(host, &cell);
        }
    }
}

/// Sums the cells of one entry over buckets `from..to`.
pub fn sum_of<X>(entry: &Entry<Cell, X>, from: i32, to: i32) -> Option<Cell> {
    let mut sum: Option<Cell> = None;
    for cell in entry.range(from, to).iter() {
        match &mut sum {
            Some(sum) => sum.merge(cell),
            None => sum = Some(*cell),
        }
    }
    sum
}
